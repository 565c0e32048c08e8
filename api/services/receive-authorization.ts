import type { Logger } from 'pino';
import type {
  ConnectableAccount,
  Connector,
  PlatformApp,
  TokenSet,
} from '../../adapters/platforms/connector.ts';
import type { CallContext } from '../../adapters/platforms/publisher.ts';
import {
  type ConnectionRow,
  type FoundAccount,
  findConnection,
  insertConnection,
} from '../../db/connections.ts';
import {
  findOauthState,
  findTenantOfState,
  type OauthStateRow,
  useOauthState,
} from '../../db/oauth-states.ts';
import { findPlatformApp, type PlatformAppRow } from '../../db/platform-apps.ts';
import { forTenant, type TenantDatabase } from '../../db/tenant-database.ts';
import { OutcomeError } from '../../domain/outcome.ts';
import type { AccountKind } from '../../domain/post.ts';
import type { ApiDependencies } from '../ports.ts';
import { Problem } from '../problems.ts';
import { connectorOf, connectWithinMs, hashOfSecret, openVerifier, randomToken } from './start-connection.ts';

/** What the address that people come back to says instead of a code; never why in detail. */
export const callbackErrors = [
  /** The person said no. */
  'cancelled',
  /** The platform said no, or answered for another app. */
  'denied',
  /** It took longer than ten minutes. */
  'expired',
  /** The state has been used before. */
  'used',
  /** The platform gave no tokens for its code, or could not be asked. */
  'failed',
  /** The authorisation has no account at all. */
  'no-accounts',
] as const;
export type CallbackError = (typeof callbackErrors)[number];

/** Tokens as they are kept sealed until the connection is completed. */
export interface KeptTokens extends Omit<TokenSet, 'expiresAt' | 'refreshExpiresAt'> {
  readonly expiresAt: string | null;
  readonly refreshExpiresAt: string | null;
  readonly obtainedAt: string;
}

export interface ReceivedAuthorization {
  readonly connection: ConnectionRow;
  /** Completes the connection once. */
  readonly code: string;
}

/** How long the platform may take for all of it. */
const exchangeWithinMs = 10_000;
export const callContext = (): CallContext => ({
  signal: AbortSignal.timeout(exchangeWithinMs),
  progress: () => {},
});

export interface CallbackQuery {
  readonly state: string;
  readonly code?: string | undefined;
  readonly error?: string | undefined;
  /** Who sends the answer, where the platform says it. */
  readonly iss?: string | undefined;
}

interface Deps {
  readonly dependencies: ApiDependencies;
  readonly now: Date;
  readonly log: Logger;
}

/**
 * What a browser brings back from the platform. Uses the state up, whoever presents it, and turns the code into a pending
 * connection; answers where the browser goes on to, with a one-time code or an error's. Nothing is connected by this.
 * Throws `connection-state-invalid` for a state that nobody was given, where there is nowhere to send anybody.
 */
export async function receiveAuthorization(
  { dependencies, now, log }: Deps,
  appId: string,
  query: CallbackQuery,
): Promise<string> {
  const stateHash = hashOfSecret(query.state);
  const known = await findTenantOfState(dependencies.pool, stateHash);
  if (!known) throw invalidState();
  const database = forTenant(dependencies.pool, known.tenantId);
  const state = await useOauthState(database, stateHash);
  if (!state) return redirectUsed(database, known.id);
  if (state.return_url === null) throw invalidState();
  const back = (answer: Record<string, string>) => withQuery(state.return_url!, answer);
  const refusal = refusalOf(state, appId, query, now);
  if (refusal) return back({ error: refusal, connection: state.id });
  try {
    const { tenantId } = known;
    const received = await exchange({ dependencies, now, database, tenantId }, state, {
      code: query.code!,
      iss: query.iss,
    });
    if (received.connection.accounts.length === 0)
      return back({ error: 'no-accounts', connection: state.id });
    return back({ code: received.code, connection: state.id });
  } catch (error) {
    // The code may have been used: whoever wants to try again starts again.
    log.warn({ err: error, connectionId: state.id }, 'An authorisation brought no connection');
    return back({ error: 'failed', connection: state.id });
  }
}

/** Whoever comes with a state that has been used is told so, at the address it was made for, and nothing else happens. */
async function redirectUsed(database: TenantDatabase, id: string): Promise<string> {
  const state = await findOauthState(database, id);
  if (!state?.return_url) throw invalidState();
  return withQuery(state.return_url, { error: 'used', connection: id });
}

const cancelErrors = new Set(['access_denied', 'user_cancelled_login', 'user_cancelled_authorize']);

function refusalOf(
  state: OauthStateRow,
  appId: string,
  { code, error }: CallbackQuery,
  now: Date,
): CallbackError | null {
  if (state.app_id !== appId) return 'denied';
  if (state.expires_at <= now) return 'expired';
  if (error !== undefined) return cancelErrors.has(error) ? 'cancelled' : 'denied';
  return code === undefined ? 'denied' : null;
}

function withQuery(address: string, answer: Record<string, string>): string {
  const url = new URL(address);
  for (const [name, value] of Object.entries(answer)) url.searchParams.set(name, value);
  return url.href;
}

export const invalidState = (): Problem =>
  new Problem('connection-state-invalid', 'The state is unknown, used, expired, or not for this');

export interface Exchange {
  readonly dependencies: ApiDependencies;
  readonly database: TenantDatabase;
  readonly tenantId: string;
  readonly now: Date;
}

/**
 * Turns a code into a pending connection, once: its state has been used up before. Throws `authorization-failed` where the
 * platform gives no tokens, or where somebody else says that the code is theirs.
 */
export async function exchange(
  { dependencies, database, tenantId, now }: Exchange,
  state: OauthStateRow,
  { code, iss }: { readonly code: string; readonly iss?: string | undefined },
): Promise<ReceivedAuthorization> {
  const app = await findPlatformApp(database, state.app_id);
  if (!app) throw invalidState();
  const connector = await connectorOf(dependencies, tenantId, app);
  if (iss !== undefined && connector.issuer !== undefined && iss !== connector.issuer)
    throw new Problem(
      'authorization-failed',
      `The code is not ${app.platform}'s: another issuer names itself`,
    );
  const context = callContext();
  const tokens = await askingPlatform(() =>
    connector.exchange(
      {
        app: openApp(dependencies, tenantId, app),
        ...{ code, redirectUri: state.redirect_uri },
        codeVerifier: openVerifier(dependencies, tenantId, state),
      },
      context,
    ),
  );
  const found = await askingPlatform(() => connector.listAccounts(tokens.accessToken, context));
  const completionCode = randomToken();
  const seal = (column: string, value: unknown) =>
    dependencies.envelopes.seal(JSON.stringify(value), connectionCell(tenantId, state.id, column));
  await insertConnection(database, {
    ...{ id: state.id, app_id: app.id, platform: app.platform, subject: state.subject },
    code_hash: hashOfSecret(completionCode),
    tokens: seal('tokens', keptTokens(tokens, now)),
    page_tokens: seal('page_tokens', pageTokensOf(found)),
    accounts: found.map((account) => foundAccount(account, missingScopes(connector, tokens, account.kind))),
    expires_at: new Date(now.getTime() + connectWithinMs),
  });
  return { connection: (await findConnection(database, state.id))!, code: completionCode };
}

/** A platform that gives nothing is no failure of ours; its words stay in the log. */
async function askingPlatform<T>(ask: () => Promise<T>): Promise<T> {
  try {
    return await ask();
  } catch (error) {
    if (!(error instanceof OutcomeError)) throw error;
    const problem = new Problem(
      'authorization-failed',
      `The platform gave no tokens or no accounts (${error.code}); start again`,
    );
    problem.cause = error;
    throw problem;
  }
}

export const openApp = (
  { envelopes }: Pick<ApiDependencies, 'envelopes'>,
  tenantId: string,
  app: Pick<PlatformAppRow, 'id' | 'client_id' | 'client_secret'>,
): PlatformApp => ({
  clientId: app.client_id,
  clientSecret: envelopes.open(app.client_secret, {
    ...{ tenantId, table: 'platform_apps', column: 'client_secret', rowId: app.id },
  }),
});

export const connectionCell = (tenantId: string, rowId: string, column: string) => ({
  ...{ tenantId, table: 'connections', column, rowId },
});

const keptTokens = (tokens: TokenSet, now: Date): KeptTokens => ({
  ...tokens,
  expiresAt: tokens.expiresAt?.toISOString() ?? null,
  refreshExpiresAt: tokens.refreshExpiresAt?.toISOString() ?? null,
  obtainedAt: now.toISOString(),
});

const pageTokensOf = (found: readonly ConnectableAccount[]): Record<string, string> =>
  Object.fromEntries(
    found.flatMap(({ externalId, accessToken }) => (accessToken === null ? [] : [[externalId, accessToken]])),
  );

/** People may untick what they are asked for. */
function missingScopes(
  { requiredScopes, requiredScopesOfKind }: Connector,
  { scopes }: TokenSet,
  kind: AccountKind,
): readonly string[] {
  if (scopes === null) return [];
  const required = [...requiredScopes, ...(requiredScopesOfKind?.[kind] ?? [])];
  return required.filter((scope) => !scopes.includes(scope));
}

const foundAccount = (
  { kind, externalId, name, obstacle }: ConnectableAccount,
  missing: readonly string[],
): FoundAccount => ({
  ...{ kind, externalId, name: name.slice(0, 200) },
  obstacle:
    obstacle ??
    (missing.length > 0
      ? `Not permitted at the platform: ${missing.join(', ')}; connect again and leave it ticked`
      : null),
});
