import type { Selectable } from 'kysely';
import type { ConnectionsTable, FoundAccount } from './schema.ts';
import type { TenantExecutor, TenantTransaction } from './tenant-database.ts';

export type { FoundAccount } from './schema.ts';
export type ConnectionRow = Selectable<ConnectionsTable>;
export type NewConnection = Pick<
  ConnectionRow,
  | 'id'
  | 'app_id'
  | 'platform'
  | 'subject'
  | 'code_hash'
  | 'tokens'
  | 'page_tokens'
  | 'accounts'
  | 'expires_at'
>;

/** Keeps what an authorisation brought until somebody chooses. A state makes one connection, so an id comes once. */
export async function insertConnection(database: TenantExecutor, connection: NewConnection): Promise<void> {
  await database
    .insertInto('connections')
    .values({ ...connection, accounts: JSON.stringify(connection.accounts) })
    .execute();
}

export const findConnection = (database: TenantExecutor, id: string): Promise<ConnectionRow | undefined> =>
  database.selectFrom('connections').selectAll().where('id', '=', id).executeTakeFirst();

export const findConnectionByCode = (
  database: TenantExecutor,
  codeHash: Buffer,
): Promise<ConnectionRow | undefined> =>
  database.selectFrom('connections').selectAll().where('code_hash', '=', codeHash).executeTakeFirst();

/** Completes a pending connection and erases its tokens; `false` when somebody else was first. */
export async function setConnectionCompleted(
  transaction: TenantTransaction,
  id: string,
  grantId: string,
): Promise<boolean> {
  const result = await transaction
    .updateTable('connections')
    .set({ state: 'completed', grant_id: grantId, tokens: null, page_tokens: null })
    .where('id', '=', id)
    .where('state', '=', 'pending')
    .executeTakeFirst();
  return result.numUpdatedRows > 0n;
}

/** Takes a connection that is still pending back; its tokens stay until they have been given back. Repeatable. */
export const setConnectionRevoked = (
  database: TenantExecutor,
  id: string,
): Promise<ConnectionRow | undefined> =>
  database
    .updateTable('connections')
    .set({ state: 'revoked', page_tokens: null })
    .where('id', '=', id)
    .where('state', '=', 'pending')
    .returningAll()
    .executeTakeFirst();

export async function eraseConnectionTokens(database: TenantExecutor, id: string): Promise<void> {
  await database
    .updateTable('connections')
    .set({ tokens: null, page_tokens: null })
    .where('id', '=', id)
    .where('state', '!=', 'completed')
    .execute();
}

/** Whether any of the accounts is connected through the app: giving one token back may end them all. */
export async function isAnyConnectedThrough(
  database: TenantExecutor,
  { app_id, platform, accounts }: Pick<ConnectionRow, 'app_id' | 'platform' | 'accounts'>,
): Promise<boolean> {
  const externalIds = accounts.map((account: FoundAccount) => account.externalId);
  if (externalIds.length === 0) return false;
  const row = await database
    .selectFrom('profiles')
    .innerJoin('grants', 'grants.id', 'profiles.grant_id')
    .select('profiles.id')
    .where('profiles.platform', '=', platform)
    .where('profiles.external_id', 'in', externalIds)
    .where('profiles.disconnected_at', 'is', null)
    .where('grants.app_id', '=', app_id)
    .limit(1)
    .executeTakeFirst();
  return row !== undefined;
}
