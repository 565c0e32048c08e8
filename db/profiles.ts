import { type Selectable, sql } from 'kysely';
import type { PolicyLayer } from '../domain/policy.ts';
import type { Platform } from '../domain/post.ts';
import type { GrantsTable, ProfilesTable } from './schema.ts';
import type { TenantExecutor, TenantTransaction } from './tenant-database.ts';

export type ProfileRow = Selectable<ProfilesTable>;
export type NewProfile = Pick<
  ProfileRow,
  'id' | 'grant_id' | 'platform' | 'account_kind' | 'external_id' | 'name'
> &
  Partial<Pick<ProfileRow, 'access_token'>>;
export type NewGrant = Pick<
  Selectable<GrantsTable>,
  'id' | 'platform' | 'access_token' | 'expires_at' | 'refresh_due_at'
>;
/** The profiles somebody is limited to; `null` means all. */
export type ProfileScope = readonly string[] | null;

/** Stores a grant's enveloped token; a grant with the same id gets the new token, so it may run twice. */
export async function insertGrant(transaction: TenantTransaction, grant: NewGrant): Promise<void> {
  await transaction
    .insertInto('grants')
    .values(grant as never)
    .onConflict((conflict) =>
      conflict.columns(['tenant_id', 'id']).doUpdateSet({
        ...{
          access_token: grant.access_token,
          expires_at: grant.expires_at,
          refresh_due_at: grant.refresh_due_at,
        },
        ...{ state: 'ACTIVE', failures: 0, row_version: sql<number>`grants.row_version + 1` },
        ...{ lease_id: null, lease_until: null, refresh_fingerprint: null },
      }),
    )
    .execute();
}

/**
 * Creates a profile, or takes the new name and grant and calls the known one healthy again: a reconnect keeps the profile,
 * and with it its history.
 */
export const insertOrReconnectProfile = (
  transaction: TenantTransaction,
  profile: NewProfile,
): Promise<ProfileRow> =>
  transaction
    .insertInto('profiles')
    .values(profile as never)
    .onConflict((conflict) =>
      conflict.columns(['tenant_id', 'platform', 'external_id']).doUpdateSet({
        ...{ name: profile.name, grant_id: profile.grant_id, access_token: profile.access_token ?? null },
        ...{ health: 'active', disconnected_at: null },
        row_version: sql<number>`profiles.row_version + 1`,
        updated_at: sql<Date>`clock_timestamp()`,
      }),
    )
    .returningAll()
    .executeTakeFirstOrThrow();

/** The profile of an account at a platform, locked: two connections of it take their turns, the first of all as well. */
export async function lockProfileOfAccount(
  transaction: TenantTransaction,
  platform: Platform,
  externalId: string,
): Promise<ProfileRow | undefined> {
  await sql`select pg_advisory_xact_lock(
    hashtextextended(current_tenant() || ' ' || ${platform} || ' ' || ${externalId}, 0))`.execute(
    transaction,
  );
  return transaction
    .selectFrom('profiles')
    .selectAll()
    .where('platform', '=', platform)
    .where('external_id', '=', externalId)
    .forUpdate()
    .executeTakeFirst();
}

/** The profile, locked. */
export const lockProfile = (transaction: TenantTransaction, id: string): Promise<ProfileRow | undefined> =>
  transaction.selectFrom('profiles').selectAll().where('id', '=', id).forUpdate().executeTakeFirst();

/** Notes that nobody connects the profile any more, and erases what it held itself. Repeatable: the first time stays. */
export const setDisconnected = (transaction: TenantTransaction, id: string): Promise<ProfileRow> =>
  transaction
    .updateTable('profiles')
    .set({
      ...{ health: 'needs-reconnect', access_token: null },
      disconnected_at: sql<Date>`coalesce(disconnected_at, clock_timestamp())`,
      row_version: sql<number>`row_version + 1`,
      updated_at: sql<Date>`clock_timestamp()`,
    })
    .where('id', '=', id)
    .returningAll()
    .executeTakeFirstOrThrow();

export function findProfile(
  database: TenantExecutor,
  id: string,
  scope: ProfileScope,
): Promise<ProfileRow | undefined> {
  const query = database.selectFrom('profiles').selectAll().where('id', '=', id);
  const visible = scope ? query.where(sql<boolean>`id = any(${[...scope]}::uuid[])`) : query;
  return visible.executeTakeFirst();
}

/** Lists profiles by id, after `afterId`, within what the caller may see. */
export function listProfiles(
  database: TenantExecutor,
  { afterId, limit, scope }: { afterId: string | undefined; limit: number; scope: ProfileScope },
): Promise<ProfileRow[]> {
  const all = database.selectFrom('profiles').selectAll().orderBy('id').limit(limit);
  const visible = scope ? all.where(sql<boolean>`id = any(${[...scope]}::uuid[])`) : all;
  return (afterId ? visible.where('id', '>', afterId) : visible).execute();
}

export const listProfilesById = (database: TenantExecutor, ids: readonly string[]): Promise<ProfileRow[]> =>
  database
    .selectFrom('profiles')
    .selectAll()
    .where(sql<boolean>`id = any(${[...ids]}::uuid[])`)
    .execute();

/** Replaces a profile's policy if its row is still at `rowVersion`; `undefined` when it has moved on. */
export const setProfilePolicy = (
  database: TenantExecutor,
  id: string,
  rowVersion: number,
  policy: PolicyLayer,
): Promise<ProfileRow | undefined> =>
  database
    .updateTable('profiles')
    .set({
      policy: JSON.stringify(policy),
      row_version: sql<number>`row_version + 1`,
      updated_at: sql<Date>`clock_timestamp()`,
    })
    .where('id', '=', id)
    .where('row_version', '=', rowVersion)
    .returningAll()
    .executeTakeFirst();

export const listProfilesOfAccounts = (
  database: TenantExecutor,
  platform: Platform,
  externalIds: readonly string[],
): Promise<ProfileRow[]> =>
  database
    .selectFrom('profiles')
    .selectAll()
    .where('platform', '=', platform)
    .where(sql<boolean>`external_id = any(${[...externalIds]}::text[])`)
    .orderBy('id')
    .execute();

/** The profiles of accounts that are known already, by the accounts' ids at the platform. */
export async function mapProfilesOfAccounts(
  database: TenantExecutor,
  found: { readonly platform: Platform; readonly accounts: readonly { readonly externalId: string }[] },
): Promise<ReadonlyMap<string, string>> {
  const externalIds = found.accounts.map(({ externalId }) => externalId);
  const rows = await listProfilesOfAccounts(database, found.platform, externalIds);
  return new Map(rows.map((row) => [row.external_id, row.id]));
}
