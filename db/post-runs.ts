import { sql } from 'kysely';
import type { TenantExecutor, TenantTransaction } from './tenant-database.ts';

/**
 * Locks a post's row: the first lock in the order post → target → publication. `false` when there is no such post.
 * Not `for update`: whoever holds a publication and adds an event refers to the post by its key, and would wait for us
 * while we wait for the publication.
 */
export async function lockPost(transaction: TenantTransaction, postId: string): Promise<boolean> {
  const row = await transaction
    .selectFrom('posts')
    .select('id')
    .where('id', '=', postId)
    .forNoKeyUpdate()
    .executeTakeFirst();
  return row !== undefined;
}

/**
 * The epoch of a run, handed out when its id is first seen. A reset or restarted run has a new id and therefore a
 * higher epoch, so its projections are not refused although its versions start again. Needs the post's lock.
 */
export async function insertRunEpoch(
  transaction: TenantTransaction,
  postId: string,
  runId: string,
): Promise<number> {
  const known = await transaction
    .selectFrom('post_runs')
    .select('epoch')
    .where('post_id', '=', postId)
    .where('run_id', '=', runId)
    .executeTakeFirst();
  if (known) return known.epoch;
  const inserted = await sql<{ epoch: number }>`
    insert into post_runs (post_id, run_id, epoch)
    select ${postId}, ${runId}, coalesce(max(epoch), 0) + 1 from post_runs where post_id = ${postId}
    returning epoch`.execute(transaction);
  return inserted.rows[0]!.epoch;
}

/** The runs of a post that have written anything, oldest first. */
export async function listRunIds(database: TenantExecutor, postId: string): Promise<string[]> {
  const rows = await database
    .selectFrom('post_runs')
    .select('run_id')
    .where('post_id', '=', postId)
    .orderBy('epoch')
    .execute();
  return rows.map((row) => row.run_id);
}

/** The epoch of the newest run that has written anything; 0 when none has. */
export async function findNewestEpoch(transaction: TenantTransaction, postId: string): Promise<number> {
  const row = await transaction
    .selectFrom('post_runs')
    .select(({ fn }) => fn.max('epoch').as('epoch'))
    .where('post_id', '=', postId)
    .executeTakeFirst();
  return row?.epoch ?? 0;
}
