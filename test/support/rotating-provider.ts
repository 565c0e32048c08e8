import { randomUUID } from 'node:crypto';
import type { ConnectableAccount, Connector, ExchangeInput } from '../../adapters/platforms/connector.ts';
import { OutcomeError } from '../../domain/outcome.ts';

/**
 * An authorisation server of the strict kind, and the connector that speaks to it: every refresh rotates the refresh token,
 * and one that is spent twice revokes its whole family.
 */
export interface RotatingProvider {
  readonly connector: Connector;
  /** Codes that a person's consent gave, each good for one exchange. */
  readonly grantCode: (code?: string) => string;
  readonly accounts: ConnectableAccount[];
  readonly exchanges: ExchangeInput[];
  /** The refresh tokens it was asked with, in order. */
  readonly refreshes: (string | null)[];
  readonly revoked: string[];
  readonly isAlive: (refreshToken: string) => boolean;
  /** Whether an access token is one of a living family. */
  readonly accepts: (accessToken: string) => boolean;
  /** What happens after the provider has answered and before the caller hears of it; and before it has taken the call. */
  afterAnswer: (() => Promise<void>) | null;
  beforeCall: (() => Promise<void>) | null;
  /** Refresh answers without a refresh token, as platforms that keep theirs do. */
  keepsRefreshToken: boolean;
  expiresInSeconds: number;
  /** A spent token is answered with the same pair again, once, within a grace time. */
  hasGrace: boolean;
  scopes: readonly string[] | null;
}

interface Family {
  current: string;
  previous: string | null;
  access: string;
  alive: boolean;
}

export function createRotatingProvider(now: () => Date = () => new Date()): RotatingProvider {
  const codes = new Set<string>();
  const families: Family[] = [];
  const ends = (seconds: number) => new Date(now().getTime() + seconds * 1_000);
  const familyOf = (refreshToken: string | null) =>
    families.find(({ current, previous }) => refreshToken === current || refreshToken === previous);
  const tokens = (family: Family, withRefresh: boolean) => ({
    accessToken: family.access,
    refreshToken: withRefresh ? family.current : null,
    expiresAt: ends(provider.expiresInSeconds),
    refreshExpiresAt: null,
    scopes: provider.scopes,
  });
  const connector: Connector = {
    defaultScopes: ['post.read', 'post.write'],
    requiredScopes: ['post.write'],
    issuer: 'https://provider.test',
    pkce: 'S256',
    renewal: 'refresh-token',
    get keepsRefreshToken() {
      return provider.keepsRefreshToken;
    },
    authorizeUrl: ({ app, redirectUri, state, scopes, codeChallenge }) =>
      `https://provider.test/authorize?${new URLSearchParams({
        ...{ client_id: app.clientId, redirect_uri: redirectUri, state, scope: scopes.join(' ') },
        code_challenge: codeChallenge ?? '',
      })}`,
    async exchange(input) {
      provider.exchanges.push(input);
      await provider.beforeCall?.();
      if (!codes.delete(input.code)) throw new OutcomeError('unauthorized', 'invalid_grant');
      const family = { current: randomUUID(), previous: null, access: randomUUID(), alive: true };
      families.push(family);
      return tokens(family, true);
    },
    async refresh(_app, { refreshToken }) {
      provider.refreshes.push(refreshToken);
      await provider.beforeCall?.();
      const family = familyOf(refreshToken);
      if (!family?.alive) throw new OutcomeError('unauthorized', 'invalid_grant', { status: 400 });
      const isSpent = refreshToken === family.previous;
      if (isSpent && !provider.hasGrace) {
        family.alive = false;
        throw new OutcomeError('unauthorized', 'invalid_grant: the token was used before', { status: 400 });
      }
      if (!isSpent) {
        if (!provider.keepsRefreshToken)
          Object.assign(family, { previous: refreshToken, current: randomUUID() });
        family.access = randomUUID();
      }
      const answer = tokens(family, !provider.keepsRefreshToken);
      await provider.afterAnswer?.();
      return answer;
    },
    async revoke(_app, { refreshToken, accessToken }) {
      await provider.beforeCall?.();
      provider.revoked.push(refreshToken ?? accessToken);
      const family = familyOf(refreshToken);
      if (family) family.alive = false;
    },
    listAccounts: async () => provider.accounts,
  };
  const provider: RotatingProvider = {
    connector,
    grantCode(code = randomUUID()) {
      codes.add(code);
      return code;
    },
    accounts: [],
    exchanges: [],
    refreshes: [],
    revoked: [],
    isAlive: (refreshToken) => familyOf(refreshToken)?.alive ?? false,
    accepts: (accessToken) => families.some(({ access, alive }) => alive && access === accessToken),
    afterAnswer: null,
    beforeCall: null,
    keepsRefreshToken: false,
    expiresInSeconds: 7_200,
    hasGrace: false,
    scopes: ['post.read', 'post.write'],
  };
  return provider;
}
