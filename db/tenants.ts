import { type Selectable, sql } from 'kysely';
import type { PolicyLayer } from '../domain/policy.ts';
import type { TenantsTable } from './schema.ts';
import type { SystemDatabase, TenantTransaction } from './tenant-database.ts';

export type TenantRow = Selectable<TenantsTable>;
export type NewTenant = Pick<TenantRow, 'id' | 'name' | 'tier' | 'time_zone' | 'mode'>;
export type TenantChange = Partial<Pick<TenantRow, 'name' | 'tier' | 'time_zone' | 'mode'>>;

/** Creates a tenant; one with the same id is kept as it is, so it may run twice. */
export async function insertTenant(database: SystemDatabase, tenant: NewTenant): Promise<void> {
  await database
    .insertInto('tenants')
    .values(tenant)
    .onConflict((conflict) => conflict.column('id').doNothing())
    .execute();
}

export const findTenant = (database: SystemDatabase, id: string): Promise<TenantRow | undefined> =>
  database.selectFrom('tenants').selectAll().where('id', '=', id).executeTakeFirst();

/** Lists tenants by id, after `afterId`. For super admins alone. */
export function listTenants(
  database: SystemDatabase,
  { afterId, limit }: { afterId: string | undefined; limit: number },
): Promise<TenantRow[]> {
  const all = database.selectFrom('tenants').selectAll().orderBy('id').limit(limit);
  return (afterId ? all.where('id', '>', afterId) : all).execute();
}

/** Changes a tenant's settings if its row is still at `rowVersion`; `undefined` when it has moved on. */
export const setTenant = (
  database: SystemDatabase,
  id: string,
  rowVersion: number,
  change: TenantChange,
): Promise<TenantRow | undefined> =>
  database
    .updateTable('tenants')
    .set({ ...change, row_version: sql<number>`row_version + 1`, updated_at: sql<Date>`clock_timestamp()` })
    .where('id', '=', id)
    .where('row_version', '=', rowVersion)
    .returningAll()
    .executeTakeFirst();

/** Notes that a policy of the tenant or of one of its profiles has changed: what was armed under the old ones is not sent. */
export async function bumpPoliciesVersion(transaction: TenantTransaction, id: string): Promise<void> {
  await transaction
    .updateTable('tenants')
    .set({ policies_version: sql<number>`policies_version + 1` })
    .where('id', '=', id)
    .execute();
}

/** Replaces a tenant's policy if it is still at `policyVersion`; `undefined` when it has moved on. */
export const setTenantPolicy = (
  database: SystemDatabase | TenantTransaction,
  id: string,
  policyVersion: number,
  policy: PolicyLayer,
): Promise<TenantRow | undefined> =>
  (database as SystemDatabase)
    .updateTable('tenants')
    .set({
      policy: JSON.stringify(policy),
      policy_version: sql<number>`policy_version + 1`,
      updated_at: sql<Date>`clock_timestamp()`,
    })
    .where('id', '=', id)
    .where('policy_version', '=', policyVersion)
    .returningAll()
    .executeTakeFirst();
