import { type Selectable, sql } from 'kysely';
import type { OutboxTable } from './schema.ts';
import type { TenantExecutor, TenantTransaction } from './tenant-database.ts';

export type OutboxRow = Selectable<OutboxTable>;

/** Asks for a post's run, in the transaction that submits the post; the same id again changes nothing. */
export async function insertOutbox(
  transaction: TenantTransaction,
  row: { id: string; postId: string; input: unknown },
): Promise<void> {
  await transaction
    .insertInto('outbox')
    .values({ id: row.id, kind: 'start-post', post_id: row.postId, input: JSON.stringify(row.input) })
    .onConflict((conflict) => conflict.columns(['tenant_id', 'id']).doNothing())
    .execute();
}

/** Asks for all open posts of the tenant to look at their conditions again, in the transaction that changes them. */
export async function insertPokeRequest(transaction: TenantTransaction, id: string): Promise<void> {
  await transaction
    .insertInto('outbox')
    .values({ id, kind: 'poke-posts', post_id: null, input: '{}' })
    .onConflict((conflict) => conflict.columns(['tenant_id', 'id']).doNothing())
    .execute();
}

/** Asks for publications to be taken down, in the transaction that says which. */
export async function insertRemovalRequest(transaction: TenantTransaction, id: string): Promise<void> {
  await transaction
    .insertInto('outbox')
    .values({ id, kind: 'remove-publications', post_id: null, input: '{}' })
    .onConflict((conflict) => conflict.columns(['tenant_id', 'id']).doNothing())
    .execute();
}

/** Asks for an approved amendment to be sent, in the transaction that notes the approval; the request has its id. */
export async function insertAmendmentRequest(transaction: TenantTransaction, id: string): Promise<void> {
  await transaction
    .insertInto('outbox')
    .values({ id, kind: 'amend-post', post_id: null, input: '{}' })
    .onConflict((conflict) => conflict.columns(['tenant_id', 'id']).doNothing())
    .execute();
}

/** Asks for another round of what follows a target's post, in the transaction that opens it. */
export async function insertPartsRequest(
  transaction: TenantTransaction,
  id: string,
  input: unknown,
): Promise<void> {
  await transaction
    .insertInto('outbox')
    .values({ id, kind: 'start-parts', post_id: null, input: JSON.stringify(input) })
    .onConflict((conflict) => conflict.columns(['tenant_id', 'id']).doNothing())
    .execute();
}

/** Asks for a medium to be fetched, in the transaction that makes its row; the request has the medium's id. */
export async function insertImportRequest(transaction: TenantTransaction, mediaId: string): Promise<void> {
  await transaction
    .insertInto('outbox')
    .values({ id: mediaId, kind: 'import-media', post_id: null, input: '{}' })
    .onConflict((conflict) => conflict.columns(['tenant_id', 'id']).doNothing())
    .execute();
}

export const findOutbox = (database: TenantExecutor, id: string): Promise<OutboxRow | undefined> =>
  database.selectFrom('outbox').selectAll().where('id', '=', id).executeTakeFirst();

/** The start a post still waits for, if any. */
export const findOpenOutboxOfPost = (
  database: TenantExecutor,
  postId: string,
): Promise<OutboxRow | undefined> =>
  database
    .selectFrom('outbox')
    .selectAll()
    .where('post_id', '=', postId)
    .where('done_at', 'is', null)
    .executeTakeFirst();

/** The newest request for a post's run, done or not. */
export const findLastOutboxOfPost = (
  database: TenantExecutor,
  postId: string,
): Promise<OutboxRow | undefined> =>
  database
    .selectFrom('outbox')
    .selectAll()
    .where('post_id', '=', postId)
    .orderBy('created_at', 'desc')
    .orderBy('id')
    .limit(1)
    .executeTakeFirst();

/** Notes that the run has been started. Starting twice is harmless, so this may be lost. */
export async function markOutboxDone(database: TenantExecutor, id: string): Promise<void> {
  await database
    .updateTable('outbox')
    .set({ done_at: sql<Date>`clock_timestamp()` })
    .where('id', '=', id)
    .where('done_at', 'is', null)
    .execute();
}
