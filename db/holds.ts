import { type Selectable, sql } from 'kysely';
import type { HoldRef } from '../domain/post-state.ts';
import type { HoldsTable } from './schema.ts';
import type { TenantExecutor, TenantTransaction } from './tenant-database.ts';

export type HoldRow = Selectable<HoldsTable>;
export type NewHold = Pick<
  HoldRow,
  'id' | 'scope' | 'profile_id' | 'platform' | 'reason' | 'placed_by' | 'placed_by_name'
>;

/** Places a hold; the same id again changes nothing. From its commit on nothing in its scope is released. */
export async function insertHold(transaction: TenantTransaction, hold: NewHold): Promise<void> {
  await transaction
    .insertInto('holds')
    .values(hold)
    .onConflict((conflict) => conflict.columns(['tenant_id', 'id']).doNothing())
    .execute();
}

export const findHold = (database: TenantExecutor, id: string): Promise<HoldRow | undefined> =>
  database.selectFrom('holds').selectAll().where('id', '=', id).executeTakeFirst();

/** Lists holds by id, after `afterId`: those that stand, or all there ever were. */
export function listHolds(
  database: TenantExecutor,
  { afterId, limit, standing }: { afterId: string | undefined; limit: number; standing: boolean },
): Promise<HoldRow[]> {
  const all = database.selectFrom('holds').selectAll().orderBy('id').limit(limit);
  const wanted = standing ? all.where('lifted_at', 'is', null) : all;
  return (afterId ? wanted.where('id', '>', afterId) : wanted).execute();
}

/** Lifts a hold; one that has been lifted keeps who did it. Answers whether it was this call. */
export async function setHoldLifted(
  transaction: TenantTransaction,
  id: string,
  by: { memberId: string; name: string },
): Promise<boolean> {
  const result = await transaction
    .updateTable('holds')
    .set({ lifted_by: by.memberId, lifted_by_name: by.name, lifted_at: sql<Date>`clock_timestamp()` })
    .where('id', '=', id)
    .where('lifted_at', 'is', null)
    .executeTakeFirst();
  return result.numUpdatedRows > 0n;
}

/** The standing holds that concern any of these profiles, or the whole tenant. */
export async function listHoldsOn(
  database: TenantExecutor,
  profileIds: readonly string[],
): Promise<HoldRef[]> {
  const rows = await database
    .selectFrom('holds')
    .select(['id', 'scope', 'profile_id', 'platform', 'reason'])
    .where('lifted_at', 'is', null)
    .where(
      sql<boolean>`(scope = 'tenant' or profile_id = any(${[...profileIds]}::uuid[])
        or platform in (select platform from profiles where id = any(${[...profileIds]}::uuid[])))`,
    )
    .orderBy('placed_at')
    .orderBy('id')
    .execute();
  return rows.map(({ id, scope, profile_id: profileId, platform, reason }) => ({
    holdId: id,
    scope,
    subject: profileId ?? platform,
    reason,
  }));
}
