import { type Selectable, sql } from 'kysely';
import type pg from 'pg';
import type { GrantFacts, ProfileHealth } from '../domain/tokens.ts';
import type { TenantRowId } from './maintenance.ts';
import type { GrantsTable, ProfilesTable } from './schema.ts';
import type { TenantDatabase, TenantExecutor, TenantTransaction } from './tenant-database.ts';

export type GrantRow = Selectable<GrantsTable>;

/** The tokens of a grant, sealed for its row. */
export interface SealedTokens {
  readonly accessToken: Buffer;
  /** `null` keeps the one there is: an empty refresh token never replaces a good one. */
  readonly refreshToken: Buffer | null;
  readonly expiresAt: Date | null;
  /** `null` keeps what is known, unless there is a new refresh token. */
  readonly refreshExpiresAt: Date | null;
  readonly scopes: readonly string[] | null;
  readonly refreshDueAt: Date | null;
}

export interface NewConnectedGrant extends SealedTokens {
  readonly id: string;
  readonly platform: GrantRow['platform'];
  readonly appId: string;
  readonly obtainedAt: Date;
}

/** Stores what a connection brought, as a grant of its own. The same id again changes nothing. */
export async function insertConnectedGrant(
  transaction: TenantTransaction,
  grant: NewConnectedGrant,
): Promise<void> {
  await transaction
    .insertInto('grants')
    .values({
      ...{ id: grant.id, platform: grant.platform, app_id: grant.appId },
      ...{ access_token: grant.accessToken, refresh_token: grant.refreshToken },
      ...{ expires_at: grant.expiresAt, refresh_expires_at: grant.refreshExpiresAt },
      scopes: grant.scopes === null ? null : [...grant.scopes],
      ...{ refreshed_at: grant.obtainedAt, refresh_due_at: grant.refreshDueAt },
    } as never)
    .onConflict((conflict) => conflict.columns(['tenant_id', 'id']).doNothing())
    .execute();
}

export const findGrant = (database: TenantExecutor, id: string): Promise<GrantRow | undefined> =>
  database.selectFrom('grants').selectAll().where('id', '=', id).executeTakeFirst();

/** A grant's row, locked: whoever plans a refresh is alone with it. */
export const lockGrant = (transaction: TenantTransaction, id: string): Promise<GrantRow | undefined> =>
  transaction.selectFrom('grants').selectAll().where('id', '=', id).forUpdate().executeTakeFirst();

export const factsOf = (row: GrantRow): GrantFacts => ({
  state: row.state,
  rowVersion: row.row_version,
  hasRefreshToken: row.refresh_token !== null,
  expiresAt: row.expires_at,
  refreshExpiresAt: row.refresh_expires_at,
  leaseUntil: row.lease_until,
  doubtfulRefreshes: row.doubtful_refreshes,
  failures: row.failures,
});

export interface RefreshLease {
  readonly leaseId: string;
  readonly until: Date;
  /** Of the token that the call is going to spend. */
  readonly fingerprint: string;
  /** Calls before that may have spent it already. */
  readonly doubts: number;
}

/** Notes that a call is about to be made, before it is: what a crash leaves behind says so. Needs the row's lock. */
export async function setRefreshing(
  transaction: TenantTransaction,
  id: string,
  lease: RefreshLease,
): Promise<void> {
  await transaction
    .updateTable('grants')
    .set({
      ...{ state: 'REFRESHING', lease_id: lease.leaseId, lease_until: lease.until },
      ...{ refresh_fingerprint: lease.fingerprint, doubtful_refreshes: lease.doubts },
    })
    .where('id', '=', id)
    .execute();
}

const released = { lease_id: null, lease_until: null, refresh_fingerprint: null } as const;
const nextVersion = { row_version: sql<number>`row_version + 1` };

/** Saves all that a refresh brought in one statement; `false` when the lease is somebody else's by now. */
export async function setRefreshed(
  database: TenantExecutor,
  { id, leaseId, obtainedAt }: { id: string; leaseId: string; obtainedAt: Date },
  tokens: SealedTokens,
): Promise<boolean> {
  const { accessToken, refreshToken, expiresAt, refreshExpiresAt, scopes, refreshDueAt } = tokens;
  const result = await database
    .updateTable('grants')
    .set({
      ...{ state: 'ACTIVE', access_token: accessToken, expires_at: expiresAt },
      ...(refreshToken !== null && { refresh_token: refreshToken, refresh_expires_at: refreshExpiresAt }),
      ...(refreshToken === null && refreshExpiresAt !== null && { refresh_expires_at: refreshExpiresAt }),
      ...(scopes !== null && { scopes: [...scopes] }),
      ...{ refreshed_at: obtainedAt, refresh_due_at: refreshDueAt, failures: 0, doubtful_refreshes: 0 },
      ...released,
      ...nextVersion,
    })
    .where('id', '=', id)
    .where('lease_id', '=', leaseId)
    .executeTakeFirst();
  return result.numUpdatedRows > 0n;
}

/** Gives the lease back after a call that has, for certain, spent nothing. */
export async function setRefreshFailed(
  database: TenantExecutor,
  { id, leaseId }: { id: string; leaseId: string },
): Promise<void> {
  await database
    .updateTable('grants')
    .set({ ...released, state: 'ACTIVE', failures: sql<number>`failures + 1` })
    .where('id', '=', id)
    .where('lease_id', '=', leaseId)
    .execute();
}

/** Ends the lease after a call of which nobody knows what it did: the row says REFRESHING, and whoever comes next reads it so. */
export async function setRefreshInDoubt(
  database: TenantExecutor,
  { id, leaseId, now }: { id: string; leaseId: string; now: Date },
): Promise<void> {
  await database
    .updateTable('grants')
    .set({ lease_until: now, failures: sql<number>`failures + 1` })
    .where('id', '=', id)
    .where('lease_id', '=', leaseId)
    .execute();
}

/** Ends a grant: it holds nothing any more. With a lease: only if that is still the one that stands. */
export async function setGrantDead(
  transaction: TenantTransaction,
  id: string,
  leaseId: string | null = null,
): Promise<boolean> {
  const query = transaction
    .updateTable('grants')
    .set({
      ...{ state: 'DEAD', access_token: null, refresh_token: null, refresh_due_at: null },
      ...released,
      ...nextVersion,
    })
    .where('id', '=', id);
  const result = await (leaseId ? query.where('lease_id', '=', leaseId) : query).executeTakeFirst();
  return result.numUpdatedRows > 0n;
}

/** Ends a grant whose tokens are still to be given back to the platform; the schedules see to it if nobody else does. */
export async function setGrantEnded(transaction: TenantTransaction, id: string, now: Date): Promise<void> {
  await transaction
    .updateTable('grants')
    .set({ state: 'DEAD', refresh_due_at: now, failures: 0, ...released, ...nextVersion })
    .where('id', '=', id)
    .where('state', '!=', 'DEAD')
    .execute();
}

/** Notes that giving the tokens back has failed once more; after the last try they are erased all the same. */
export async function setRevocationFailed(
  database: TenantExecutor,
  id: string,
  { nextAt }: { nextAt: Date | null },
): Promise<void> {
  await database
    .updateTable('grants')
    .set({
      ...{ failures: sql<number>`failures + 1`, refresh_due_at: nextAt },
      ...(nextAt === null && { access_token: null, refresh_token: null }),
    })
    .where('id', '=', id)
    .where('state', '=', 'DEAD')
    .execute();
}

export async function setNextLook(database: TenantExecutor, id: string, at: Date | null): Promise<void> {
  await database.updateTable('grants').set({ refresh_due_at: at }).where('id', '=', id).execute();
}

export interface ChangedHealth {
  readonly profileId: string;
  readonly from: ProfileHealth;
}

/**
 * Sets the health of a grant's connected profiles, or of one of them; answers those that had another. One that needs a
 * person stays so until a person has come: no refresh makes up for a role that was taken away.
 */
export async function setHealth(
  transaction: TenantTransaction,
  { grantId, profileId, health }: { grantId: string; profileId?: string; health: ProfileHealth },
): Promise<ChangedHealth[]> {
  const { rows } = await sql<ChangedHealth>`
    with before as (
      select id, health from profiles
      where grant_id = ${grantId} and disconnected_at is null
        and health <> ${health} and health <> 'needs-reconnect'
        and (${profileId ?? null}::uuid is null or id = ${profileId ?? null}::uuid)
      order by id for update
    )
    update profiles p set health = ${health}, row_version = p.row_version + 1, updated_at = clock_timestamp()
    from before b where p.id = b.id
    returning p.id as "profileId", b.health as "from"`.execute(transaction);
  return rows;
}

/** The profiles that a grant keeps connected. */
export const listProfilesOfGrant = (
  database: TenantExecutor,
  grantId: string,
): Promise<Pick<Selectable<ProfilesTable>, 'id' | 'health' | 'access_token'>[]> =>
  database
    .selectFrom('profiles')
    .select(['id', 'health', 'access_token'])
    .where('grant_id', '=', grantId)
    .where('disconnected_at', 'is', null)
    .orderBy('id')
    .execute();

/** A grant with what a call for it needs: its app, and the tenant's mode. */
export async function findGrantForCall(
  database: TenantDatabase,
  tenantId: string,
  id: string,
): Promise<{ grant: GrantRow; app: AppForCall | null; mode: 'live' | 'sandbox' } | undefined> {
  const grant = await findGrant(database, id);
  if (!grant) return undefined;
  const { mode } = await database
    .selectFrom('tenants')
    .select('mode')
    .where('id', '=', tenantId)
    .executeTakeFirstOrThrow();
  const app = grant.app_id
    ? await database
        .selectFrom('platform_apps')
        .select(['id', 'client_id', 'client_secret', 'login'])
        .where('id', '=', grant.app_id)
        .executeTakeFirst()
    : undefined;
  return { grant, app: app ?? null, mode };
}

export interface AppForCall {
  readonly id: string;
  readonly client_id: string;
  readonly client_secret: Buffer;
  /** Which of the platform's ways to connect the app is for; `null` for the usual one. */
  readonly login: string | null;
}

const first: TenantRowId = {
  tenantId: '00000000-0000-0000-0000-000000000000',
  id: '00000000-0000-0000-0000-000000000000',
};

/** Lists grants of all tenants that are to be looked at before an instant, by tenant and id. */
export async function listDueGrants(
  pool: pg.Pool,
  input: {
    readonly platforms: readonly string[];
    readonly before: Date;
    readonly after: TenantRowId | undefined;
    readonly limit: number;
  },
): Promise<TenantRowId[]> {
  const { tenantId, id } = input.after ?? first;
  const { rows } = await pool.query<TenantRowId>(
    'select tenant_id as "tenantId", id from list_due_grants($1, $2, $3, $4, $5)',
    [[...input.platforms], input.before, tenantId, id, input.limit],
  );
  return rows;
}
