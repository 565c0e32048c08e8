import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { log } from '@temporalio/activity';
import type { Connector, TokenSet } from '../adapters/platforms/connector.ts';
import {
  type AppForCall,
  factsOf,
  findGrantForCall,
  type GrantRow,
  lockGrant,
  setGrantDead,
  setNextLook,
  setRefreshed,
  setRefreshFailed,
  setRefreshInDoubt,
  setRefreshing,
  setRevocationFailed,
} from '../db/grants.ts';
import { forTenant, inTransaction, type TenantDatabase } from '../db/tenant-database.ts';
import { insertTokenEvent } from '../db/token-events.ts';
import { OutcomeError } from '../domain/outcome.ts';
import { unreachable } from '../domain/post.ts';
import {
  healthOf,
  isRotating,
  nextLookAt,
  planRefresh,
  type RefreshPlan,
  type RenewalFacts,
  refreshDueAt,
} from '../domain/tokens.ts';
import type { RefreshGrantInput, RefreshGrantResult } from './contract.ts';
import type { ActivityDependencies } from './dependencies.ts';
import { notYet, toFailure, toTargetError } from './failures.ts';
import {
  connectorOf,
  fingerprintOf,
  grantCell,
  noteHealth,
  type OpenedTokens,
  openApp,
  openTokens,
  tellPosts,
} from './token-store.ts';

/** How long a call may take, and how long its lease then leaves to save what it brought. */
const callWithinMs = 30_000;
const leaseMs = 60_000;
const saveAgainAfterMs = 500;
/** Giving tokens back is tried so often, then they are erased all the same. */
const mostRevocations = 5;
const revokeAgainAfterMs = 3_600_000;

/** One grant and all that a call for it needs. */
interface Work {
  readonly dependencies: ActivityDependencies;
  readonly database: TenantDatabase;
  readonly tenantId: string;
  readonly grant: GrantRow;
  readonly app: AppForCall | null;
  readonly connector: Connector | null;
  readonly renewal: RenewalFacts;
}

/**
 * Renews a grant's tokens, once: that a call is about to be made is in the row before it is made, and what it brings is
 * saved in one statement. Throws retryable failures by outcome code.
 */
export async function refreshGrant(
  dependencies: ActivityDependencies,
  input: RefreshGrantInput,
): Promise<RefreshGrantResult> {
  const { tenantId, grantId } = input;
  const database = forTenant(dependencies.pool, tenantId);
  const found = await findGrantForCall(database, tenantId, grantId);
  if (!found) return { kind: 'gone' };
  const connector = connectorOf(dependencies, found);
  const renewal: RenewalFacts = connector ?? { renewal: 'none' };
  const work: Work = { dependencies, database, tenantId, ...found, connector, renewal };
  if (found.grant.state === 'DEAD') return giveBack(work);
  const taken = await takeLease(work, input);
  await tellPosts(dependencies, tenantId, taken.requestId);
  switch (taken.plan.kind) {
    case 'refresh':
      return callOnce({ ...work, grant: taken.row }, taken.leaseId);
    case 'busy': {
      const now = await dependencies.clock.now();
      throw notYet('Somebody else is refreshing the grant', taken.plan.until.getTime() - now.getTime());
    }
    case 'give-up':
      return { kind: 'dead' };
    case 'fresh':
    case 'not-renewable':
    case 'dead':
      return { kind: taken.plan.kind };
    default:
      return unreachable(taken.plan, 'plan of a refresh');
  }
}

interface Taken {
  readonly plan: RefreshPlan;
  readonly row: GrantRow;
  readonly leaseId: string;
  readonly requestId: string | null;
}

/** Decides under the row's lock, and writes down what is about to happen. */
async function takeLease(
  work: Work,
  { grantId, seenVersion, dueBeforeMs }: RefreshGrantInput,
): Promise<Taken> {
  const { dependencies, database, tenantId, renewal } = work;
  const now = await dependencies.clock.now();
  const leaseId = randomUUID();
  return inTransaction(database, async (transaction) => {
    const row = await lockGrant(transaction, grantId);
    if (!row) throw new Error(`There is no grant ${grantId}`);
    const wish = { seenVersion, renewal, now, isStored: isStoredStill(work, row) };
    const plan: RefreshPlan = isNotDue(row, dueBeforeMs)
      ? { kind: 'fresh' }
      : planRefresh(factsOf(row), wish);
    const requestId = await writePlan(transaction);
    return { plan, row, leaseId, requestId };

    async function writePlan(within: typeof transaction): Promise<string | null> {
      switch (plan.kind) {
        case 'refresh': {
          const fingerprint = fingerprintOf(openTokens(dependencies, tenantId, row!));
          const until = new Date(now.getTime() + leaseMs);
          await setRefreshing(within, grantId, { leaseId, until, fingerprint, doubts: plan.doubts });
          return null;
        }
        case 'give-up': {
          const message =
            'Two calls in a row may have spent the refresh token, and nobody knows what they brought';
          await setGrantDead(within, grantId);
          await insertTokenEvent(within, { grantId, kind: 'refresh', outcome: 'given-up', message });
          return noteHealth(within, { grantId, health: 'needs-reconnect', message });
        }
        case 'not-renewable': {
          await setNextLook(within, grantId, nextLookAt(row!.expires_at, now));
          const health = healthOf(factsOf(row!), renewal, now);
          return noteHealth(within, { grantId, health, message: endMessage(row!) });
        }
        default:
          return null;
      }
    }
  });
}

const isNotDue = (row: GrantRow, dueBeforeMs: number | null): boolean =>
  dueBeforeMs !== null && (row.refresh_due_at?.getTime() ?? Number.POSITIVE_INFINITY) >= dueBeforeMs;

const isStoredStill = ({ dependencies, tenantId }: Work, row: GrantRow): boolean =>
  row.refresh_fingerprint === null ||
  row.refresh_fingerprint === fingerprintOf(openTokens(dependencies, tenantId, row));

const endMessage = ({ expires_at: expiresAt }: GrantRow): string | null =>
  expiresAt && `The token ends ${expiresAt.toISOString()} and cannot be renewed`;

async function callOnce(work: Work, leaseId: string): Promise<RefreshGrantResult> {
  const { dependencies, database, tenantId, grant, app, connector } = work;
  const leasedAtMs = performance.now();
  const tokens = openTokens(dependencies, tenantId, grant);
  let brought: TokenSet;
  try {
    // A shutdown does not stop a call that has left: what it brings must be saved.
    const context = { signal: AbortSignal.timeout(callWithinMs), progress: () => {} };
    brought = await connector!.refresh(openApp(dependencies, tenantId, app!), tokens, context);
  } catch (error) {
    return noteFailure(work, leaseId, error);
  }
  const obtainedAt = await nowOrOwn(dependencies);
  const isSaved = await saveWhileLeased(leasedAtMs, () =>
    setRefreshed(database, { id: grant.id, leaseId, obtainedAt }, sealed(work, brought, tokens, obtainedAt)),
  );
  if (!isSaved) {
    // Somebody has connected anew meanwhile: those tokens stand.
    await insertTokenEvent(database, { grantId: grant.id, kind: 'refresh', outcome: 'superseded' });
    return { kind: 'fresh' };
  }
  await noteSuccess(work);
  return { kind: 'refreshed' };
}

/** The database's clock, and our own where it cannot be asked: what was brought is saved first. */
const nowOrOwn = ({ clock }: ActivityDependencies): Promise<Date> => clock.now().catch(() => new Date());

function sealed(
  { dependencies, tenantId, grant }: Work,
  brought: TokenSet,
  spent: OpenedTokens,
  obtainedAt: Date,
) {
  const seal = (column: 'access_token' | 'refresh_token', token: string) =>
    dependencies.envelopes.seal(token, grantCell(tenantId, grant.id, column));
  const isNew = Boolean(brought.refreshToken) && brought.refreshToken !== spent.refreshToken;
  return {
    accessToken: seal('access_token', brought.accessToken),
    // An empty one never replaces a good one.
    refreshToken: isNew ? seal('refresh_token', brought.refreshToken!) : null,
    expiresAt: brought.expiresAt,
    refreshExpiresAt: brought.refreshExpiresAt,
    scopes: brought.scopes,
    refreshDueAt: refreshDueAt(obtainedAt, brought.expiresAt),
  };
}

/**
 * What a rotating platform has given cannot be asked for again: while the lease stands and the database is away, saving is
 * tried again and again. The one loop over a retry here, for Temporal's would call the platform first.
 */
async function saveWhileLeased(leasedAtMs: number, save: () => Promise<boolean>): Promise<boolean> {
  for (;;) {
    try {
      return await save();
    } catch (error) {
      if (performance.now() - leasedAtMs + saveAgainAfterMs > leaseMs) throw error;
      await sleep(saveAgainAfterMs);
    }
  }
}

async function noteSuccess({ dependencies, database, grant, renewal, tenantId }: Work): Promise<void> {
  const found = await findGrantForCall(database, tenantId, grant.id);
  const now = await dependencies.clock.now();
  await inTransaction(database, async (transaction) => {
    await insertTokenEvent(transaction, { grantId: grant.id, kind: 'refresh', outcome: 'refreshed' });
    if (!found) return;
    const health = healthOf(factsOf(found.grant), renewal, now);
    await noteHealth(transaction, { grantId: grant.id, health, message: null });
  });
}

/** Tells a dead grant from trouble that passes, and what was certainly not taken from what may have been. */
async function noteFailure(work: Work, leaseId: string, error: unknown): Promise<RefreshGrantResult> {
  const { dependencies, database, grant, renewal, tenantId } = work;
  const { code: outcome, message } = toTargetError(error);
  const grantId = grant.id;
  const now = await dependencies.clock.now();
  const isDead = error instanceof OutcomeError && error.code === 'unauthorized';
  const requestId = await inTransaction(database, async (transaction) => {
    await insertTokenEvent(transaction, { grantId, kind: 'refresh', outcome, message });
    if (isDead) {
      const isOurs = await setGrantDead(transaction, grantId, leaseId);
      return isOurs ? noteHealth(transaction, { grantId, health: 'needs-reconnect', message }) : null;
    }
    if (isRotating(renewal) && isInDoubt(error))
      await setRefreshInDoubt(transaction, { id: grantId, leaseId, now });
    else await setRefreshFailed(transaction, { id: grantId, leaseId });
    const failed = await lockGrant(transaction, grantId);
    const health = healthOf(factsOf(failed ?? grant), renewal, now);
    return noteHealth(transaction, { grantId, health, message });
  });
  await tellPosts(dependencies, tenantId, requestId);
  if (isDead) return { kind: 'dead' };
  // It says no to this request and would again: a wrong secret, an app that was shut. The schedules come back.
  if (error instanceof OutcomeError && error.code === 'rejected') return { kind: 'refused' };
  throw toFailure(error);
}

/** Nobody knows whether the call took effect; an answer that it did not is another matter. */
function isInDoubt(error: unknown): boolean {
  if (!(error instanceof OutcomeError)) return true;
  return error.code === 'outcome-unknown' || error.code === 'unexpected-response';
}

/** A grant that has ended may still hold tokens that the platform is to be given back. */
async function giveBack({
  dependencies,
  database,
  grant,
  app,
  connector,
  tenantId,
}: Work): Promise<RefreshGrantResult> {
  if (grant.access_token === null) return { kind: 'dead' };
  const note = (outcome: string, message: string | null = null) => ({
    ...{ grantId: grant.id, kind: 'revoke' as const, outcome, message },
  });
  try {
    if (app && connector?.revoke) {
      const context = { signal: AbortSignal.timeout(callWithinMs), progress: () => {} };
      await connector.revoke(
        openApp(dependencies, tenantId, app),
        openTokens(dependencies, tenantId, grant),
        context,
      );
    }
  } catch (error) {
    const { code, message } = toTargetError(error);
    log.warn('Tokens could not be given back', { grantId: grant.id, error: message });
    const isLast = grant.failures + 1 >= mostRevocations;
    const nextAt = isLast ? null : new Date((await dependencies.clock.now()).getTime() + revokeAgainAfterMs);
    await setRevocationFailed(database, grant.id, { nextAt });
    await insertTokenEvent(database, note(isLast ? 'given-up' : code, message));
    return { kind: 'dead' };
  }
  await inTransaction(database, async (transaction) => {
    await setGrantDead(transaction, grant.id);
    await insertTokenEvent(transaction, note(connector?.revoke ? 'revoked' : 'unsupported'));
  });
  return { kind: 'dead' };
}
