import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from '@temporalio/client';
import { checkProjection } from '../../cli/projection.ts';
import { openPool } from '../../db/pool.ts';
import { forTenant } from '../../db/tenant-database.ts';
import type { PostStatus } from '../../domain/post.ts';
import { captureHistory } from '../../testing/histories.ts';
import { postWorkflowId } from '../../workflows/ids.ts';
import { replayAndKeep } from '../support/histories.ts';
import { commitsOf, eachOf, type Stage, type StagedPost } from './stage.ts';
import type { PostFacts } from './verdict.ts';

/** Statuses after which nothing happens to a post by itself. */
const outcomes: readonly string[] = [
  'PUBLISHED',
  'PARTIALLY_PUBLISHED',
  'FAILED',
  'UNCONFIRMED',
  'CANCELLED',
  'EXPIRED',
] satisfies PostStatus[];

/** When each post had its outcome; posts without one until then are missing. */
export async function watchOutcomes(
  stage: Stage,
  posts: readonly Pick<StagedPost, 'postId'>[],
  untilMs: number,
): Promise<ReadonlyMap<string, number>> {
  const settledAtMs = new Map<string, number>();
  while (settledAtMs.size < posts.length && Date.now() < untilMs) {
    const open = posts.map(({ postId }) => postId).filter((postId) => !settledAtMs.has(postId));
    const settled = await settledAmong(stage, open);
    for (const postId of settled) settledAtMs.set(postId, Date.now());
    await sleep(200);
  }
  return settledAtMs;
}

/** A published post has its outcome when its run has ended too. */
async function settledAmong({ live, tenant }: Stage, postIds: readonly string[]): Promise<readonly string[]> {
  const rows = await live.query<{ id: string; status: string }>(
    'select id, status from posts where id = any($1) and status = any($2)',
    [postIds, outcomes],
  );
  const ended = await eachOf(rows, 8, async ({ id, status }) => {
    if (status !== 'PUBLISHED') return true;
    const run = live.temporal.workflow.getHandle(postWorkflowId(tenant.id, id));
    return (await run.describe()).status.name !== 'RUNNING';
  });
  return rows.filter((_, index) => ended[index]).map(({ id }) => id);
}

interface Row extends Record<string, unknown> {
  readonly rows: number;
  readonly status: string;
  readonly due_at: Date;
  readonly phase: string;
  readonly target_public_id: string | null;
  readonly state: string | null;
  readonly publication_public_id: string | null;
}

const rowQuery = `
  select p.status, p.due_at, t.phase, t.public_id as target_public_id, n.state, n.public_id as publication_public_id,
    (select count(*)::int from posts same where same.copy = p.copy) as rows
  from posts p
  join targets t on t.post_id = p.id
  left join lateral (
    select * from publications where post_id = p.id and target_id = t.id order by cycle desc limit 1
  ) n on true
  where p.id = $1`;

interface FactsInput {
  readonly recoveredAtMs: number;
  readonly settledAtMs: number | undefined;
  readonly isEnded?: boolean;
  /** Under which its history is kept, where histories are recorded. */
  readonly name: string;
}

/** Everything that is known of a post now. Its time counts from when all was there again, and not before it was due. */
export async function gatherFacts(stage: Stage, post: StagedPost, given: FactsInput): Promise<PostFacts> {
  const { live } = stage;
  const [rows, entries, commits, runPhase, replay, projection] = await Promise.all([
    live.query<Row>(rowQuery, [post.postId]),
    live.ledgerOf(post.profile),
    commitsOf(stage, post),
    phaseOfRun(stage, post.postId),
    replayed(stage, post.postId, given.name),
    oneAtATime(() => projectionOf(stage, post.postId)),
  ]);
  const row = rows[0]!;
  const { recoveredAtMs, settledAtMs, isEnded = false } = given;
  const fromMs = Math.max(recoveredAtMs, row.due_at.getTime());
  const settledAfterSeconds = settledAtMs === undefined ? null : Math.max(0, settledAtMs - fromMs) / 1_000;
  return {
    ...{ kind: post.kind, point: post.point, way: post.way, settledAfterSeconds },
    ledger: entries.map(({ publicId, receivedAt }) => ({
      publicId,
      latenessMs: Date.parse(receivedAt) - row.due_at.getTime(),
    })),
    ...{ commits: commits.length, rows: row.rows, status: row.status },
    target: { phase: row.phase, publicId: row.target_public_id },
    publication: row.state === null ? null : { state: row.state, publicId: row.publication_public_id },
    runPhase,
    isEnded,
    replay,
    projection,
  };
}

/**
 * Where a post's rows are not what its histories come to. Of a task that was lost after it had written, and done again
 * otherwise, a line of the timeline remains that no history tells of; all else must agree.
 */
async function projectionOf({ live, tenant }: Stage, postId: string): Promise<string[]> {
  const { connection, options } = live.temporal;
  const client = new Client({
    connection,
    namespace: options.namespace,
    dataConverter: { payloadCodecs: [live.codec] },
  });
  const pool = openPool({
    connectionString: live.database.workerUrl,
    max: 1,
    applicationName: 'projection',
    onIdleError: () => {},
  });
  try {
    const database = forTenant(pool, tenant.id);
    const result = await checkProjection(client, database, { tenantId: tenant.id, postId, isCheck: true });
    if (result.kind === 'no-history') return [];
    return result.differences
      .filter(({ where, history }) => !(where.startsWith('line ') && history === undefined))
      .map(({ where, row, history }) => `${where}: ${JSON.stringify(row)}, not ${JSON.stringify(history)}`);
  } catch (error) {
    return [error instanceof Error ? error.message : String(error)];
  } finally {
    await pool.end();
  }
}

function replayed({ live, tenant }: Stage, postId: string, name: string): Promise<string | null> {
  const run = { client: live.temporal, codec: live.codec };
  return oneAtATime(async () =>
    replayAndKeep(
      await captureHistory(run, postWorkflowId(tenant.id, postId)),
      name,
      live.endpoints.workflowBundlePath,
    ),
  );
}

let last: Promise<unknown> = Promise.resolve();

/**
 * Replays end the runtime that they share with the last of them, and hold this process's loop for seconds: a connection that
 * is opened meanwhile runs out of time.
 */
function oneAtATime<Result>(work: () => Promise<Result>): Promise<Result> {
  const next = last.then(work, work);
  last = next;
  return next;
}

/** A run whose task fails again and again answers nobody, which is a finding and no reason to stop looking. */
async function phaseOfRun({ live, tenant }: Stage, postId: string): Promise<string> {
  try {
    return (await live.stateOf(tenant, postId)).targets[0]!.phase;
  } catch (error) {
    return error instanceof Error ? `nothing: ${error.message}` : String(error);
  }
}
