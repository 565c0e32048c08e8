import {
  type ConnectionRow,
  eraseConnectionTokens,
  isAnyConnectedThrough,
  setConnectionRevoked,
} from '../../db/connections.ts';
import {
  findGrant,
  type GrantRow,
  listProfilesOfGrant,
  setGrantDead,
  setGrantEnded,
} from '../../db/grants.ts';
import { insertPokeRequest } from '../../db/outbox.ts';
import { findPlatformApp } from '../../db/platform-apps.ts';
import { findProfile, lockProfile, type ProfileRow, setDisconnected } from '../../db/profiles.ts';
import { inTransaction } from '../../db/tenant-database.ts';
import { insertTokenEvent } from '../../db/token-events.ts';
import { notFound } from '../problems.ts';
import type { RequestContext } from '../route.ts';
import { tellOpenPosts } from './conditions.ts';
import { connectionCell, type KeptTokens, openApp } from './receive-authorization.ts';
import { connectorOf } from './start-connection.ts';

/** A platform that takes longer is asked again by the schedules. */
const revokeWithinMs = 4_000;

/**
 * Ends a pending connection: from here on nothing activates it. Its tokens are given back where that harms nobody, and
 * erased; what cannot be given back now is seen to by the hourly clean-up.
 */
export async function revokeConnection(context: RequestContext, { id }: ConnectionRow): Promise<void> {
  const { database, dependencies, caller, log } = context;
  const revoked = await setConnectionRevoked(database, id);
  if (!revoked?.tokens) return;
  try {
    if (!(await isAnyConnectedThrough(database, revoked))) {
      const cell = connectionCell(caller.tenantId, id, 'tokens');
      const kept = JSON.parse(dependencies.envelopes.open(revoked.tokens, cell)) as KeptTokens;
      await giveBack(context, revoked.app_id, kept);
    }
    await eraseConnectionTokens(database, id);
  } catch (error) {
    log.warn({ err: error, connectionId: id }, 'A connection that was ended could not be given back yet');
  }
}

/** Gives tokens back to the platform, where it has a way to; throws by outcome code. */
async function giveBack(
  { dependencies, database, caller }: RequestContext,
  appId: string,
  tokens: { readonly accessToken: string; readonly refreshToken: string | null },
): Promise<'revoked' | 'unsupported'> {
  const app = await findPlatformApp(database, appId);
  if (!app) return 'unsupported';
  const connector = await connectorOf(dependencies, caller.tenantId, app);
  if (!connector.revoke) return 'unsupported';
  const context = { signal: AbortSignal.timeout(revokeWithinMs), progress: () => {} };
  await connector.revoke(openApp(dependencies, caller.tenantId, app), tokens, context);
  return 'revoked';
}

/**
 * Disconnects a profile: nothing goes out through it any more, its history stays. With the last profile of its grant the
 * tokens go back to the platform; where it cannot be reached, the schedules try again. Repeatable.
 */
export async function disconnectProfile(context: RequestContext, profileId: string): Promise<ProfileRow> {
  const { database, caller, newId, now } = context;
  const visible = await findProfile(database, profileId, caller.profileIds);
  if (!visible) throw notFound('profile');
  const requestId = newId('poke');
  const { profile, isLast } = await inTransaction(database, async (transaction) => {
    const locked = await lockProfile(transaction, profileId);
    if (!locked) throw notFound('profile');
    if (locked.disconnected_at) return { profile: locked, isLast: false };
    const changed = await setDisconnected(transaction, profileId);
    const { grant_id: grantId } = changed;
    const others = await listProfilesOfGrant(transaction, grantId);
    if (others.length === 0) await setGrantEnded(transaction, grantId, now);
    await insertTokenEvent(transaction, { grantId, kind: 'disconnect', outcome: 'disconnected', profileId });
    await insertPokeRequest(transaction, requestId);
    return { profile: changed, isLast: others.length === 0 };
  });
  await tellOpenPosts(context, requestId);
  if (isLast) await revokeGrant(context, profile.grant_id);
  return profile;
}

async function revokeGrant(context: RequestContext, grantId: string): Promise<void> {
  const { database, log } = context;
  const grant = await findGrant(database, grantId);
  if (!grant?.access_token) return;
  try {
    const outcome = grant.app_id
      ? await giveBack(context, grant.app_id, openTokens(context, grant))
      : 'unsupported';
    await inTransaction(database, async (transaction) => {
      await setGrantDead(transaction, grantId);
      await insertTokenEvent(transaction, { grantId, kind: 'revoke', outcome });
    });
  } catch (error) {
    log.warn({ err: error, grantId }, 'Tokens could not be given back yet; the schedules will try');
  }
}

function openTokens({ dependencies, caller }: RequestContext, grant: GrantRow) {
  const open = (column: 'access_token' | 'refresh_token'): string | null =>
    grant[column] &&
    dependencies.envelopes.open(grant[column], {
      ...{ tenantId: caller.tenantId, table: 'grants', column, rowId: grant.id },
    });
  return { accessToken: open('access_token')!, refreshToken: open('refresh_token') };
}
