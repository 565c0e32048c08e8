import { ApplicationFailure, log } from '@temporalio/activity';
import { LRUCache } from 'lru-cache';
import { findGrant } from '../db/grants.ts';
import type { PublishContent, StoredGrant } from '../db/publish-content.ts';
import { forTenant, inTransaction } from '../db/tenant-database.ts';
import { insertTokenEvent, wasRefusedBefore } from '../db/token-events.ts';
import { OutcomeError } from '../domain/outcome.ts';
import { failureTypes } from './contract.ts';
import type { ActivityDependencies, PublishingDependencies } from './dependencies.ts';
import { grantCell, noteHealth, tellPosts } from './token-store.ts';

/** What a token is wanted for, and for how long. */
export interface TokenUse {
  /** It must not end within this many milliseconds: before that it is refreshed. */
  readonly lastsMs: number;
  /** Only asks what the platform has: goes on with whatever token there is. */
  readonly onlyAsks: boolean;
}

const minuteMs = 60_000;
/** How long one call and what comes around it may take. */
const callMs = 2 * minuteMs;

export const tokenFor = {
  /** Uploads take their time. */
  preparing: { lastsMs: 15 * minuteMs, onlyAsks: false },
  sendingAt: (inMs: number): TokenUse => ({ lastsMs: Math.max(0, inMs) + callMs, onlyAsks: false }),
  asking: { lastsMs: callMs, onlyAsks: true },
} as const;

/** The one way to a token for whoever publishes. */
export interface TokenSource {
  /**
   * The token of a target's profile, opened. One that ends too soon is refreshed first, once for however many ask. Throws
   * the final `needs-reconnect` for a profile that a person must connect again; `unavailable` where a token has ended and
   * the platform gives no new one now.
   */
  readonly open: (tenantId: string, stored: PublishContent, use: TokenUse) => Promise<string>;
  /**
   * Notes that the platform does not take a token. Where it can be renewed and that has not been tried on account of the
   * same, it is renewed; otherwise the profiles need a person.
   */
  readonly noteRefused: (
    tenantId: string,
    stored: PublishContent,
    error: OutcomeError,
  ) => Promise<'try-again' | 'needs-reconnect'>;
}

export const needsReconnect = (message: string): ApplicationFailure =>
  ApplicationFailure.create({
    message,
    type: failureTypes.needsReconnect,
    nonRetryable: true,
    category: 'BENIGN',
  });

export const isUnauthorized = (error: unknown): error is OutcomeError =>
  error instanceof OutcomeError && error.code === 'unauthorized';

/** A token that was decrypted is forgotten after this long, whoever asks for it. */
const rememberMs = 300_000;
const rememberMost = 2_000;

export function createTokenSource(dependencies: ActivityDependencies): TokenSource {
  const { pool, clock, runs } = dependencies;
  // By the version of its row: a new token, and the end of one, count from the next reading of the row.
  const opened = new LRUCache<string, string>({ max: rememberMost, ttl: rememberMs });
  const openOnce = (key: string, open: () => string): string => {
    const known = opened.get(key);
    if (known !== undefined) return known;
    const token = open();
    opened.set(key, token);
    return token;
  };

  const openGrant = (tenantId: string, { id, rowVersion, sealedAccessToken }: StoredGrant): string =>
    openOnce(`${tenantId}/${id}/${rowVersion}`, () =>
      dependencies.envelopes.open(sealedAccessToken!, grantCell(tenantId, id, 'access_token')).toString(),
    );

  /** The grant with a token that lasts, where there can be one. */
  async function lasting(tenantId: string, grant: StoredGrant, lastsMs: number): Promise<StoredGrant> {
    if (grant.expiresAt === null || !runs) return grant;
    const now = await clock.now();
    // What a team brought is renewed by nobody: it is asked about once it has ended, so that its health says so.
    const isEnough = grant.expiresAt.getTime() - now.getTime() >= (grant.appId === null ? 1 : lastsMs);
    if (isEnough) return grant;
    const wish = { tenantId, grantId: grant.id, seenVersion: grant.rowVersion, dueBeforeMs: null };
    const isDone = await runs.refresh(wish);
    if (!isDone) log.warn('A refresh takes longer than a post can wait', { grantId: grant.id });
    const row = await findGrant(forTenant(pool, tenantId), grant.id);
    return {
      ...{ id: grant.id, appId: grant.appId, rowVersion: row?.row_version ?? grant.rowVersion },
      ...{ sealedAccessToken: row?.access_token ?? null, expiresAt: row?.expires_at ?? null },
      refreshedAt: row?.refreshed_at ?? null,
    };
  }

  async function openToUse(tenantId: string, stored: PublishContent, lastsMs: number): Promise<string> {
    const { profile, grant } = stored;
    if (profile.health === 'needs-reconnect' || !profile.isConnected)
      throw needsReconnect(`The ${profile.platform} account must be connected again`);
    if (profile.sealedAccessToken) return openPage(tenantId, stored);
    const current = await lasting(tenantId, grant, lastsMs);
    if (current.sealedAccessToken === null)
      throw needsReconnect(`The ${profile.platform} account must be connected again`);
    const hasEnded = current.expiresAt !== null && current.expiresAt <= (await clock.now());
    if (!hasEnded) return openGrant(tenantId, current);
    // Nobody renews what a team brought; what could be renewed and was not waits for the platform.
    if (current.appId === null && runs)
      throw needsReconnect(`The token of the ${profile.platform} account has ended`);
    if (!runs) return openGrant(tenantId, current);
    throw new OutcomeError(
      'unavailable',
      `The token has ended, and ${profile.platform} gives no new one now`,
      {
        sent: false,
      },
    );
  }

  const openPage = (tenantId: string, { profile }: PublishContent): string =>
    openOnce(`${tenantId}/${profile.id}/${profile.rowVersion}`, () =>
      dependencies.envelopes.open(profile.sealedAccessToken!, {
        ...{ tenantId, table: 'profiles', column: 'access_token', rowId: profile.id },
      }),
    );

  async function openToAsk(tenantId: string, stored: PublishContent, lastsMs: number): Promise<string> {
    if (stored.profile.sealedAccessToken) return openPage(tenantId, stored);
    const current = await lasting(tenantId, stored.grant, lastsMs);
    // Without a token the platform says so itself, and the outcome is a person's.
    return current.sealedAccessToken === null ? '' : openGrant(tenantId, current);
  }

  /** Whether there is a new token, or may be one soon: not for what a new one would not be allowed either. */
  async function isRenewedAfter(
    tenantId: string,
    { profile, grant }: PublishContent,
    error: OutcomeError,
  ): Promise<boolean> {
    if (!runs || grant.appId === null || profile.sealedAccessToken || error.details.status === 403)
      return false;
    const database = forTenant(pool, tenantId);
    const before = await findGrant(database, grant.id);
    if (!before || before.state === 'DEAD') return false;
    // Somebody else's refusal, or a schedule, has brought a new one meanwhile.
    if (before.row_version !== grant.rowVersion) return true;
    if (await wasRefusedBefore(database, grant.id)) return false;
    const wish = { tenantId, grantId: grant.id, seenVersion: grant.rowVersion, dueBeforeMs: null };
    const isDone = await runs.refresh(wish);
    const row = await findGrant(database, grant.id);
    if (!row || row.state === 'DEAD') return false;
    // A platform that gives no token at this moment says nothing about the grant.
    return !isDone || row.row_version !== grant.rowVersion || row.failures > before.failures;
  }

  return {
    open: (tenantId, stored, { lastsMs, onlyAsks }) =>
      onlyAsks ? openToAsk(tenantId, stored, lastsMs) : openToUse(tenantId, stored, lastsMs),

    async noteRefused(tenantId, stored, error) {
      const { profile, grant } = stored;
      const database = forTenant(pool, tenantId);
      const isRenewed = await isRenewedAfter(tenantId, stored, error);
      // The page's own token, or a role at one account: the others of the grant are none of it.
      const isItsOwn = profile.sealedAccessToken !== null || error.details.status === 403;
      const requestId = await inTransaction(database, async (transaction) => {
        await insertTokenEvent(transaction, {
          ...{ grantId: grant.id, kind: 'use', outcome: 'unauthorized' },
          ...{ message: error.message, profileId: profile.id },
        });
        if (isRenewed) return null;
        return noteHealth(transaction, {
          ...{ grantId: grant.id, health: 'needs-reconnect', message: error.message },
          ...(isItsOwn && { profileId: profile.id }),
        });
      });
      await tellPosts(dependencies, tenantId, requestId);
      return isRenewed ? 'try-again' : 'needs-reconnect';
    },
  };
}

/** What whoever publishes is given: all of them one source, so that what one has decrypted serves the others. */
export const withTokens = (dependencies: ActivityDependencies): PublishingDependencies => ({
  ...dependencies,
  tokens: createTokenSource(dependencies),
});
