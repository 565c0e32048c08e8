import { log } from '@temporalio/activity';
import { sql } from 'kysely';
import type pg from 'pg';
import { forTenant } from '../db/tenant-database.ts';
import type { ActivityDependencies } from './dependencies.ts';

/** How a worker starts a post's run and learns of one; the client's part of Temporal, given by the process. */
export interface RunDirectory {
  /** Starts a run from an outbox row's input. A run that exists already is a success. */
  readonly start: (input: unknown) => Promise<void>;
  /** The newest run of a post: `missing` when Temporal knows none. */
  readonly describe: (tenantId: string, postId: string) => Promise<RunDescription>;
}
export type RunDescription =
  | { readonly kind: 'missing' }
  | { readonly kind: 'running' }
  | { readonly kind: 'closed'; readonly how: string; readonly reason: string | null };

export interface MaintenanceResult {
  readonly started: number;
  readonly checked: number;
  readonly mended: number;
}

const batch = 200;
/** Rows younger than this are left to the API, which starts runs directly after its commit. */
const relayAfterSeconds = 5;

export function createMaintenanceActivities({ pool, runs }: ActivityDependencies) {
  return {
    /**
     * Starts what a crash left in the outbox, and mends posts whose run is missing or was ended by hand. Crosses
     * tenants only to learn ids; each piece of work runs under its own tenant. May run any number of times.
     */
    async maintainPosts(): Promise<MaintenanceResult> {
      if (!runs) throw new Error('This worker has not been given a run directory');
      const started = await relayOutbox(pool, runs);
      const { checked, mended } = await sweepPosts(pool, runs);
      return { started, checked, mended };
    },
  };
}

async function relayOutbox(pool: pg.Pool, runs: RunDirectory): Promise<number> {
  const open = await pool.query<{ tenant_id: string; id: string }>('select * from list_open_outbox($1, $2)', [
    relayAfterSeconds,
    batch,
  ]);
  for (const { tenant_id, id } of open.rows) await relayOne(pool, runs, tenant_id, id);
  return open.rows.length;
}

async function relayOne(pool: pg.Pool, runs: RunDirectory, tenantId: string, id: string): Promise<void> {
  const database = forTenant(pool, tenantId);
  const row = await database
    .selectFrom('outbox')
    .select(['input', 'done_at'])
    .where('id', '=', id)
    .executeTakeFirst();
  if (!row || row.done_at) return;
  await runs.start(row.input);
  await database
    .updateTable('outbox')
    .set({ done_at: sql<Date>`clock_timestamp()` })
    .where('id', '=', id)
    .execute();
}

async function sweepPosts(pool: pg.Pool, runs: RunDirectory): Promise<{ checked: number; mended: number }> {
  let [checked, mended] = [0, 0];
  let after = {
    tenant_id: '00000000-0000-0000-0000-000000000000',
    id: '00000000-0000-0000-0000-000000000000',
  };
  for (;;) {
    const page = await pool.query<typeof after>('select * from list_open_posts($1, $2, $3)', [
      after.tenant_id,
      after.id,
      batch,
    ]);
    for (const row of page.rows) if (await mendPost(pool, runs, row.tenant_id, row.id)) mended += 1;
    checked += page.rows.length;
    if (page.rows.length < batch) return { checked, mended };
    after = page.rows.at(-1)!;
  }
}

/** An open row needs an open run: a missing one is started again from its outbox row, an ended one fails the post. */
async function mendPost(
  pool: pg.Pool,
  runs: RunDirectory,
  tenantId: string,
  postId: string,
): Promise<boolean> {
  const run = await runs.describe(tenantId, postId);
  if (run.kind === 'running') return false;
  const database = forTenant(pool, tenantId);
  if (run.kind === 'missing') {
    const row = await database
      .selectFrom('outbox')
      .select(['input'])
      .where('post_id', '=', postId)
      .orderBy('created_at', 'desc')
      .executeTakeFirst();
    if (!row) return false;
    log.warn('A post had no run; it is started again', { tenantId, postId });
    await runs.start(row.input);
    return true;
  }
  return failEndedPost(database, postId, run);
}

async function failEndedPost(
  database: ReturnType<typeof forTenant>,
  postId: string,
  run: Extract<RunDescription, { kind: 'closed' }>,
): Promise<boolean> {
  const message = `The run was ended (${run.how})${run.reason ? `: ${run.reason}` : ''}`;
  const result = await database
    .updateTable('posts')
    .set({
      status: 'FAILED',
      archived: true,
      open_gate: null,
      open_gate_detail: null,
      blocked_on: JSON.stringify([{ code: 'operator', message }]),
      row_version: sql<number>`row_version + 1`,
      updated_at: sql<Date>`clock_timestamp()`,
    })
    .where('id', '=', postId)
    .where('status', 'not in', ['PUBLISHED', 'CANCELLED', 'EXPIRED'])
    // A run that has just ended by itself projects a moment later; leave it that moment.
    .where('updated_at', '<', sql<Date>`clock_timestamp() - interval '30 seconds'`)
    .where('archived', '=', false)
    .executeTakeFirst();
  if (result.numUpdatedRows === 0n) return false;
  await database
    .insertInto('post_events')
    .values({
      post_id: postId,
      event_key: `sweep:${run.how}`,
      type: 'post.run-ended',
      occurred_at: new Date(),
      actor_id: null,
      actor_name: null,
      data: JSON.stringify({ how: run.how, reason: run.reason }),
    })
    .onConflict((conflict) => conflict.columns(['tenant_id', 'post_id', 'event_key']).doNothing())
    .execute();
  return true;
}
