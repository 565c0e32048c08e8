import { findHold, type HoldRow, insertHold, setHoldLifted } from '../../db/holds.ts';
import { insertPokeRequest } from '../../db/outbox.ts';
import { findProfile } from '../../db/profiles.ts';
import { inTransaction } from '../../db/tenant-database.ts';
import { notFound, Problem } from '../problems.ts';
import type { RequestContext } from '../route.ts';
import type { NewHoldInput } from '../schemas/holds.ts';
import { type AlreadySending, enforceConditions, tellOpenPosts } from './conditions.ts';

/**
 * Places a hold. When it answers, nothing in its scope goes out any more but what the answer names as already being
 * sent. May run twice under one key.
 */
export async function placeHold(
  context: RequestContext,
  input: NewHoldInput,
): Promise<{ hold: HoldRow; alreadySending: AlreadySending }> {
  const { database, caller, newId } = context;
  const { profileId = null, platform = null } = input;
  if (profileId && !(await findProfile(database, profileId, caller.profileIds)))
    throw new Problem('unknown-profile', 'There is no such profile', {
      errors: [{ path: '/profileId', code: 'unknown-profile', message: 'There is no such profile' }],
    });
  const [id, requestId] = [newId('hold'), newId('poke')];
  await inTransaction(database, async (transaction) => {
    await insertHold(transaction, {
      id,
      scope: input.scope,
      profile_id: profileId,
      platform,
      reason: input.reason,
      placed_by: caller.memberId,
      placed_by_name: caller.name,
    });
    await insertPokeRequest(transaction, requestId);
  });
  const alreadySending = await enforceConditions(context, requestId, { profileId, platform });
  return { hold: await requireHold(context, id), alreadySending };
}

/** Lifts a hold; its posts go on, and those that are late by now follow their lateness rule. Repeatable. */
export async function liftHold(context: RequestContext, id: string): Promise<HoldRow> {
  const { database, caller, newId } = context;
  await requireHold(context, id);
  const requestId = newId('poke');
  await inTransaction(database, async (transaction) => {
    await setHoldLifted(transaction, id, { memberId: caller.memberId, name: caller.name });
    await insertPokeRequest(transaction, requestId);
  });
  await tellOpenPosts(context, requestId);
  return requireHold(context, id);
}

async function requireHold({ database }: RequestContext, id: string): Promise<HoldRow> {
  const hold = await findHold(database, id);
  if (!hold) throw notFound('hold');
  return hold;
}
