import { type RawBuilder, type Selectable, sql } from 'kysely';
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

/** Of a hold `h`: it stops what goes to this profile of this platform. Whether it still stands is another matter. */
export const holdStops = (profileId: RawBuilder<unknown>, platform: RawBuilder<unknown>) =>
  sql<boolean>`(h.scope = 'tenant' or h.profile_id = ${profileId} or h.platform = ${platform})`;

/** The standing holds that concern any of these profiles. */
export async function listHoldsOn(
  database: TenantExecutor,
  profileIds: readonly string[],
): Promise<HoldRef[]> {
  const rows = await database
    .selectFrom('holds as h')
    .select(['h.id', 'h.scope', 'h.profile_id', 'h.platform', 'h.reason'])
    .where('h.lifted_at', 'is', null)
    .where(
      sql<boolean>`exists (select from profiles f
        where f.id = any(${[...profileIds]}::uuid[]) and ${holdStops(sql.ref('f.id'), sql.ref('f.platform'))})`,
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
