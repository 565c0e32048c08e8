import { activityInfo, heartbeat, log } from '@temporalio/activity';
import {
  type ConnectionRow,
  eraseConnectionTokens,
  findConnection,
  isAnyConnectedThrough,
  setConnectionRevoked,
} from '../db/connections.ts';
import { listDueGrants } from '../db/grants.ts';
import type { TenantRowId } from '../db/maintenance.ts';
import { deleteOauthState, findOauthState, listOldOauthStates } from '../db/oauth-states.ts';
import { findPlatformApp } from '../db/platform-apps.ts';
import { systemDatabase } from '../db/pool.ts';
import { forTenant, type TenantDatabase } from '../db/tenant-database.ts';
import { findTenant } from '../db/tenants.ts';
import type { RefreshGrantInput, RefreshGrantResult, SweepTokensInput, SweptTokens } from './contract.ts';
import type { ActivityDependencies } from './dependencies.ts';
import { withHeartbeat } from './heartbeat.ts';
import { refreshGrant } from './refreshing.ts';
import { openApp } from './token-store.ts';

const page = 200;
const atOnce = 20;
/** A state tells latecomers so for an hour after its end. */
const keepStatesMs = 3_600_000;
/** What cannot be given back within a day is erased all the same. */
const giveUpAfterMs = 86_400_000;
const revokeWithinMs = 10_000;

export function createTokenActivities(dependencies: ActivityDependencies) {
  const { pool, runs, clock } = dependencies;
  return {
    /**
     * Renews a grant's tokens, or says why it need not or cannot. May run twice: the row says what an attempt before was
     * about to do, and a rotating refresh token that may have been spent is tried once more and no further.
     */
    async refreshGrant(input: RefreshGrantInput): Promise<RefreshGrantResult> {
      return withHeartbeat(() => refreshGrant(dependencies, input));
    },

    /** Starts a refresh for every grant that is due, and waits for none. May run any number of times. */
    async sweepTokens({ platforms, aheadSeconds }: SweepTokensInput): Promise<SweptTokens> {
      if (!runs) throw new Error('This worker has not been given a run directory');
      const dueBeforeMs = (await clock.now()).getTime() + aheadSeconds * 1_000;
      let { after, started, failed } = (activityInfo().heartbeatDetails ?? nothing) as Progress;
      for (;;) {
        heartbeat({ after, started, failed } satisfies Progress);
        const due = await listDueGrants(pool, {
          platforms,
          before: new Date(dueBeforeMs),
          after,
          limit: page,
        });
        for (let index = 0; index < due.length; index += atOnce) {
          const results = await Promise.allSettled(
            due
              .slice(index, index + atOnce)
              .map(({ tenantId, id }) =>
                runs.startRefresh({ tenantId, grantId: id, seenVersion: null, dueBeforeMs }),
              ),
          );
          for (const result of results) {
            if (result.status === 'fulfilled') started += 1;
            else {
              failed += 1;
              log.error('A refresh could not be started', { error: String(result.reason) });
            }
          }
        }
        if (due.length < page) return { started, failed };
        after = due.at(-1);
      }
    },

    /**
     * Ends connections that nobody completed, gives their tokens back, and deletes the states they came from. May run any
     * number of times; what fails is left to the next hour.
     */
    async cleanUpConnections(): Promise<SweptTokens> {
      const now = await clock.now();
      const before = new Date(now.getTime() - keepStatesMs);
      const failed = new Set<string>();
      let started = 0;
      for (;;) {
        heartbeat();
        // States that fail stay the oldest: by asking for as many more, they never stand in the way of the others.
        const rows = await listOldOauthStates(pool, { before, limit: page + failed.size });
        const fresh = rows.filter(({ id }) => !failed.has(id));
        if (fresh.length === 0) return { started, failed: failed.size };
        for (const row of fresh) {
          try {
            await cleanUpOne(dependencies, row, now);
            started += 1;
          } catch (error) {
            log.warn('A connection could not be ended yet', { ...row, error: String(error) });
            failed.add(row.id);
          }
        }
      }
    },
  };
}

interface Progress extends SweptTokens {
  readonly after?: TenantRowId | undefined;
}
const nothing: Progress = { started: 0, failed: 0 };

async function cleanUpOne(
  dependencies: ActivityDependencies,
  { tenantId, id }: TenantRowId,
  now: Date,
): Promise<void> {
  const database = forTenant(dependencies.pool, tenantId);
  await setConnectionRevoked(database, id);
  const connection = await findConnection(database, id);
  if (connection?.state === 'revoked' && connection.tokens) {
    const state = await findOauthState(database, id);
    const isLongAgo = now.getTime() - (state?.expires_at.getTime() ?? 0) > giveUpAfterMs;
    await giveConnectionBack(dependencies, database, tenantId, connection).catch((error) => {
      if (!isLongAgo) throw error;
    });
    await eraseConnectionTokens(database, id);
  }
  await deleteOauthState(database, id);
}

/** As the interface does it: not where it would end what is connected through the same app. */
async function giveConnectionBack(
  { envelopes, registry, pool }: ActivityDependencies,
  database: TenantDatabase,
  tenantId: string,
  connection: ConnectionRow,
): Promise<void> {
  if (await isAnyConnectedThrough(database, connection)) return;
  const [app, tenant] = await Promise.all([
    findPlatformApp(database, connection.app_id),
    findTenant(systemDatabase(pool), tenantId),
  ]);
  if (!app || !tenant) return;
  const { revoke } = registry.connectorFor({
    ...{ platform: connection.platform, mode: tenant.mode, login: app.login },
  });
  if (!revoke) return;
  const cell = { tenantId, table: 'connections', column: 'tokens', rowId: connection.id };
  const { accessToken, refreshToken } = JSON.parse(envelopes.open(connection.tokens!, cell)) as {
    accessToken: string;
    refreshToken: string | null;
  };
  const context = { signal: AbortSignal.timeout(revokeWithinMs), progress: () => {} };
  await revoke(openApp({ envelopes }, tenantId, app), { accessToken, refreshToken }, context);
}
