import type { TenantDatabase } from './tenant-database.ts';

export interface TenantKeyRow {
  readonly id: string;
  readonly wrappedKey: Buffer;
}

/** The key a tenant's new payloads are written with; `undefined` before the first. */
export async function findCurrentTenantKey(database: TenantDatabase): Promise<TenantKeyRow | undefined> {
  const row = await database
    .selectFrom('tenant_keys')
    .select(['id', 'wrapped_key'])
    .orderBy('created_at', 'desc')
    .orderBy('id')
    .executeTakeFirst();
  return row && { id: row.id, wrappedKey: row.wrapped_key };
}

export async function findTenantKey(database: TenantDatabase, id: string): Promise<TenantKeyRow | undefined> {
  const row = await database
    .selectFrom('tenant_keys')
    .select(['id', 'wrapped_key'])
    .where('id', '=', id)
    .executeTakeFirst();
  return row && { id: row.id, wrappedKey: row.wrapped_key };
}

export async function insertTenantKey(database: TenantDatabase, key: TenantKeyRow): Promise<void> {
  await database.insertInto('tenant_keys').values({ id: key.id, wrapped_key: key.wrappedKey }).execute();
}
