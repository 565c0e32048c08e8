import { sql } from 'kysely';
import type pg from 'pg';
import { closedStatuses, type PostStatus } from '../domain/post.ts';
import type { TargetPhase } from '../domain/post-state.ts';
import { lockPost } from './post-runs.ts';
import { disarmEndedRun } from './publications.ts';
import { inTransaction, type TenantDatabase, type TenantTransaction } from './tenant-database.ts';
import { insertPostEvent } from './timeline.ts';

/** What crosses tenants: ids alone. The work itself runs under the tenant. */
export interface TenantRowId {
  readonly tenantId: string;
  readonly id: string;
}

/** Before every row: uuids compare byte by byte. */
const first: TenantRowId = {
  tenantId: '00000000-0000-0000-0000-000000000000',
  id: '00000000-0000-0000-0000-000000000000',
};

/** Lists outbox rows of all tenants that are still open after `olderThanSeconds`, oldest first. */
export async function listOpenOutbox(
  pool: pg.Pool,
  { olderThanSeconds, limit }: { olderThanSeconds: number; limit: number },
): Promise<TenantRowId[]> {
  const { rows } = await pool.query<TenantRowId>(
    'select tenant_id as "tenantId", id from list_open_outbox($1, $2)',
    [olderThanSeconds, limit],
  );
  return rows;
}

/** Lists submitted posts of all tenants that something can still happen to, by tenant and id. */
export async function listOpenPosts(
  pool: pg.Pool,
  { after, limit }: { after: TenantRowId | undefined; limit: number },
): Promise<TenantRowId[]> {
  const { tenantId, id } = after ?? first;
  const { rows } = await pool.query<TenantRowId>(
    'select tenant_id as "tenantId", id from list_open_posts($1, $2, $3)',
    [tenantId, id, limit],
  );
  return rows;
}

/** A run writes its last projection a moment before or after it ends; until then its post is left alone. */
const settleSeconds = 30;

export interface EndedRun {
  readonly postId: string;
  /** Temporal's word for the end, e.g. `terminated`. */
  readonly how: string;
  readonly message: string;
  /** Who ended it and why, where Temporal knows. */
  readonly by: string | null;
  readonly reason: string | null;
}

/**
 * Fails a post whose run was ended from outside: takes back what is armed, refuses every later arm of the ended run,
 * and writes what the publication rows know of each target. Decisions stay as they are. Answers whether there was
 * anything to do; a post that was written to in the last 30 seconds waits for the next sweep. May run twice.
 */
export function setRunEnded(database: TenantDatabase, run: EndedRun): Promise<boolean> {
  return inTransaction(database, async (transaction) => {
    const { postId, how, message, by, reason } = run;
    if (!(await lockPost(transaction, postId)) || !(await isOpenAndSettled(transaction, postId)))
      return false;
    await disarmEndedRun(transaction, postId);
    const phases = await setTargetsEnded(transaction, postId, message);
    const status = statusAfterEnd(phases);
    await setPostEnded(transaction, postId, status, message);
    await insertPostEvent(transaction, {
      postId,
      eventKey: `sweep:${how}`,
      type: 'post.run-ended',
      occurredAt: new Date(),
      actorId: null,
      actorName: null,
      data: { how, by, reason, status },
    });
    return true;
  });
}

async function isOpenAndSettled(transaction: TenantTransaction, postId: string): Promise<boolean> {
  const row = await transaction
    .selectFrom('posts')
    .select('id')
    .where('id', '=', postId)
    .where('status', 'not in', closedStatuses)
    .where('archived', '=', false)
    .where('updated_at', '<', settled)
    .executeTakeFirst();
  return row !== undefined;
}

const settled = sql<Date>`clock_timestamp() - make_interval(secs => ${settleSeconds})`;

/** What went out is kept, what may have gone out is left to a person, and everything else has failed. */
async function setTargetsEnded(
  transaction: TenantTransaction,
  postId: string,
  message: string,
): Promise<TargetPhase[]> {
  const { rows } = await sql<{ phase: TargetPhase }>`
    with newest as (
      select distinct on (target_id) * from publications
      where post_id = ${postId} and part = 0
      order by target_id, cycle desc
    ), ended as (
      select t.id, n.public_id, n.permalink, n.published_at, case
        when n.state = 'PUBLISHED' then 'PUBLISHED'
        when n.state in ('SENDING', 'UNKNOWN', 'UNCONFIRMED') then 'UNCONFIRMED'
        when t.phase in ('WAITING', 'ARMING', 'RECONCILING') then 'FAILED'
        else t.phase end as phase
      from targets t left join newest n on n.target_id = t.id
      where t.post_id = ${postId}
    )
    update targets t set phase = e.phase,
      public_id = coalesce(e.public_id, t.public_id),
      permalink = coalesce(e.permalink, t.permalink),
      published_at = coalesce(e.published_at, t.published_at),
      error_code = case when e.phase = t.phase then t.error_code when e.phase = 'PUBLISHED' then null else 'operator' end,
      error_message = case when e.phase = t.phase then t.error_message when e.phase = 'PUBLISHED' then null
        else ${message} end
    from ended e
    where t.id = e.id
    returning t.phase`.execute(transaction);
  return rows.map((row) => row.phase);
}

function statusAfterEnd(phases: readonly TargetPhase[]): PostStatus {
  if (phases.includes('UNCONFIRMED')) return 'UNCONFIRMED';
  if (!phases.includes('PUBLISHED')) return 'FAILED';
  return phases.every((phase) => phase === 'PUBLISHED') ? 'PUBLISHED' : 'PARTIALLY_PUBLISHED';
}

async function setPostEnded(
  transaction: TenantTransaction,
  postId: string,
  status: PostStatus,
  message: string,
): Promise<void> {
  const blockedOn =
    status === 'PUBLISHED' ? [] : [{ code: 'operator', message: messageFor(status, message) }];
  await transaction
    .updateTable('posts')
    .set({
      status,
      archived: true,
      open_gate: null,
      open_gate_detail: null,
      blocked_on: JSON.stringify(blockedOn),
      row_version: sql<number>`row_version + 1`,
      updated_at: sql<Date>`clock_timestamp()`,
    })
    .where('id', '=', postId)
    .execute();
}

const messageFor = (status: PostStatus, message: string): string =>
  status === 'UNCONFIRMED'
    ? `${message}; a target may have been sent already, look at the platform`
    : message;

/**
 * Closes the row of a post whose run came to its own end, e.g. after a cancel that came too late for one target: its
 * status is what the run wrote. Without this the post would be started again once Temporal has forgotten the run.
 */
export async function setRunCompleted(database: TenantDatabase, postId: string): Promise<boolean> {
  const result = await database
    .updateTable('posts')
    .set({
      archived: true,
      row_version: sql<number>`row_version + 1`,
      updated_at: sql<Date>`clock_timestamp()`,
    })
    .where('id', '=', postId)
    .where('archived', '=', false)
    .where('updated_at', '<', settled)
    .executeTakeFirst();
  return result.numUpdatedRows > 0n;
}
