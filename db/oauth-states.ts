import { type Selectable, sql } from 'kysely';
import type pg from 'pg';
import type { TenantRowId } from './maintenance.ts';
import type { OauthStatesTable } from './schema.ts';
import type { TenantExecutor } from './tenant-database.ts';

export type OauthStateRow = Selectable<OauthStatesTable>;
export type NewOauthState = Pick<
  OauthStateRow,
  'id' | 'state_hash' | 'app_id' | 'subject' | 'redirect_uri' | 'return_url' | 'verifier' | 'expires_at'
>;

/** Keeps a state. The same id again takes the new one, as long as nobody has used it: the first was never told to anybody. */
export async function insertOauthState(database: TenantExecutor, state: NewOauthState): Promise<void> {
  const { state_hash, verifier, expires_at } = state;
  await database
    .insertInto('oauth_states')
    .values(state)
    .onConflict((conflict) =>
      conflict
        .columns(['tenant_id', 'id'])
        .doUpdateSet({ state_hash, verifier, expires_at })
        .where('oauth_states.used_at', 'is', null),
    )
    .execute();
}

/** Whose a state is; `undefined` for one that nobody has given out. Known before the tenant is. */
export async function findTenantOfState(pool: pg.Pool, stateHash: Buffer): Promise<TenantRowId | undefined> {
  const { rows } = await pool.query<TenantRowId>(
    'select tenant_id as "tenantId", id from find_oauth_state($1)',
    [stateHash],
  );
  return rows[0];
}

/** Uses a state up, in the statement that reads it: of any number who present it one gets the row. */
export const useOauthState = (
  database: TenantExecutor,
  stateHash: Buffer,
): Promise<OauthStateRow | undefined> =>
  database
    .updateTable('oauth_states')
    .set({ used_at: sql<Date>`clock_timestamp()` })
    .where('state_hash', '=', stateHash)
    .where('used_at', 'is', null)
    .returningAll()
    .executeTakeFirst();

export const findOauthState = (database: TenantExecutor, id: string): Promise<OauthStateRow | undefined> =>
  database.selectFrom('oauth_states').selectAll().where('id', '=', id).executeTakeFirst();

/** Lists states of all tenants that ended before an instant, oldest first. */
export async function listOldOauthStates(
  pool: pg.Pool,
  { before, limit }: { before: Date; limit: number },
): Promise<TenantRowId[]> {
  const { rows } = await pool.query<TenantRowId>(
    'select tenant_id as "tenantId", id from list_old_oauth_states($1, $2)',
    [before, limit],
  );
  return rows;
}

export async function deleteOauthState(database: TenantExecutor, id: string): Promise<void> {
  await database.deleteFrom('oauth_states').where('id', '=', id).execute();
}
