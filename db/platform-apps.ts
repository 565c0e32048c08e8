import { type Selectable, sql } from 'kysely';
import type { PlatformAppsTable } from './schema.ts';
import type { TenantExecutor, TenantTransaction } from './tenant-database.ts';

export type PlatformAppRow = Selectable<PlatformAppsTable>;
type Own = Pick<PlatformAppRow, 'name' | 'client_id' | 'scopes' | 'redirect_uri' | 'return_urls'>;
export type NewPlatformApp = Own & Pick<PlatformAppRow, 'id' | 'platform' | 'login' | 'client_secret'>;
export type PlatformAppChange = Own & Partial<Pick<PlatformAppRow, 'client_secret'>>;

/** Creates an app; the same id again changes nothing. A redirect URI that another app has is an error of PostgreSQL's (23505). */
export async function insertPlatformApp(database: TenantExecutor, app: NewPlatformApp): Promise<void> {
  await database
    .insertInto('platform_apps')
    .values(app)
    .onConflict((conflict) => conflict.columns(['tenant_id', 'id']).doNothing())
    .execute();
}

export const findPlatformApp = (database: TenantExecutor, id: string): Promise<PlatformAppRow | undefined> =>
  database.selectFrom('platform_apps').selectAll().where('id', '=', id).executeTakeFirst();

/** Lists apps by id, after `afterId`. */
export function listPlatformApps(
  database: TenantExecutor,
  { afterId, limit }: { afterId: string | undefined; limit: number },
): Promise<PlatformAppRow[]> {
  const all = database.selectFrom('platform_apps').selectAll().orderBy('id').limit(limit);
  return (afterId ? all.where('id', '>', afterId) : all).execute();
}

/** Changes an app if its row is still at `rowVersion`; `undefined` when it has moved on. */
export const setPlatformApp = (
  database: TenantExecutor,
  id: string,
  rowVersion: number,
  change: PlatformAppChange,
): Promise<PlatformAppRow | undefined> =>
  database
    .updateTable('platform_apps')
    .set({ ...change, row_version: sql<number>`row_version + 1`, updated_at: sql<Date>`clock_timestamp()` })
    .where('id', '=', id)
    .where('row_version', '=', rowVersion)
    .returningAll()
    .executeTakeFirst();

/** Whether any grant was made through the app, dead ones too: its history names it. */
export async function hasGrants(transaction: TenantTransaction, id: string): Promise<boolean> {
  const row = await transaction
    .selectFrom('grants')
    .select('id')
    .where('app_id', '=', id)
    .limit(1)
    .executeTakeFirst();
  return row !== undefined;
}

/** Deletes an app with its states and connections; one that grants name cannot be (23503). */
export async function deletePlatformApp(transaction: TenantTransaction, id: string): Promise<void> {
  await transaction.deleteFrom('platform_apps').where('id', '=', id).execute();
}
