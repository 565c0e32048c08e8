import { type RawBuilder, sql } from 'kysely';
import type { DecisionRecord, TimelineEntry } from '../domain/commands.ts';
import type { ConditionsMark } from '../domain/conditions.ts';
import type { Readiness } from '../domain/lifecycle.ts';
import { decidersOf } from '../domain/policy.ts';
import { hashFor, openGate, type PostState } from '../domain/post-state.ts';
import { findConditionsMark } from './conditions.ts';
import { insertRunEpoch, lockPost } from './post-runs.ts';
import type { OpenGateDetail } from './schema.ts';
import { inTransaction, type TenantDatabase, type TenantTransaction } from './tenant-database.ts';

export interface Projection {
  readonly runId: string;
  readonly state: PostState;
  readonly readiness: Readiness;
  readonly timeline: readonly TimelineEntry[];
  readonly decisions: readonly DecisionRecord[];
}

/**
 * Writes what a run knows into the post's rows. Repeatable: timeline and decisions carry keys of their own, and the
 * post's row takes a projection only when its (epoch, version) is above the row's. Answers a mark of the post's conditions,
 * so that a run that knows others learns of it whenever it writes.
 */
export function projectPost(database: TenantDatabase, projection: Projection): Promise<ConditionsMark> {
  return inTransaction(database, async (transaction) => {
    await writeProjection(transaction, projection);
    return findConditionsMark(transaction, projection.state.tenantId, projection.state.postId);
  });
}

/** The writing of `projectPost`; answers the keys of the lines and decisions that it wrote or found there. */
export async function writeProjection(
  transaction: TenantTransaction,
  projection: Projection,
): Promise<string[]> {
  const { postId, version } = projection.state;
  if (!(await lockPost(transaction, postId))) throw new Error(`There is no post ${postId} to project to`);
  const epoch = await insertRunEpoch(transaction, postId, projection.runId);
  const lines = await insertTimeline(transaction, postId, version, projection.timeline);
  await insertDecisions(transaction, postId, projection.decisions);
  if (await setPostProjection(transaction, projection, epoch))
    await setTargets(transaction, projection.state);
  return [
    ...lines.map((key) => `line ${key}`),
    ...projection.decisions.map(({ commandId, gate }) => `decision ${commandId} ${gate}`),
  ];
}

/** The state of a post's run at its last projection; `null` before the first. */
export async function findRunState(database: TenantDatabase, postId: string): Promise<PostState | null> {
  const row = await database
    .selectFrom('posts')
    .select('run_state')
    .where('id', '=', postId)
    .executeTakeFirst();
  return row?.run_state ?? null;
}

async function setPostProjection(
  transaction: TenantTransaction,
  { state, readiness }: Projection,
  epoch: number,
): Promise<boolean> {
  const result = await transaction
    .updateTable('posts')
    .set({
      status: readiness.status,
      open_gate: waitingGate(state),
      open_gate_detail: JSON.stringify(openGateDetail(state)),
      gates: JSON.stringify(state.gates),
      policy: JSON.stringify(state.policy),
      ...(state.draft ? draftFields(readiness) : contentFields(state, readiness)),
      content_approved_at: approvedAt(state, 'content'),
      design_approved_at: approvedAt(state, 'design'),
      publish_approved_at: approvedAt(state, 'publish'),
      archived: state.archived,
      run_state: JSON.stringify(state),
      projection_epoch: epoch,
      projection_version: state.version,
      // What readers see has changed, or the ETag they hold stays good.
      row_version: sql<number>`row_version + (${isNews(state, readiness)})::int`,
      updated_at: sql<Date>`clock_timestamp()`,
    })
    .where('id', '=', state.postId)
    .where(sql<boolean>`(projection_epoch, projection_version) < (${epoch}::int, ${state.version}::int)`)
    .executeTakeFirst();
  return result.numUpdatedRows > 0n;
}

const contentFields = (state: PostState, readiness: Readiness) => ({
  blocked_on: JSON.stringify(readiness.blockedOn),
  revision_id: state.revision.revisionId,
  revision_number: state.revision.number,
  copy: sql<string>`coalesce((select r.content->>'copy' from revisions r where r.id = ${state.revision.revisionId}), copy)`,
  due_at: instant(state.dueAtMs),
  ...wallClockUnlessMoved(sql`${instant(state.dueAtMs)}::timestamptz`),
});

/** A withdrawn draft is edited on its row: the run's older revision and due time must not come back. */
const draftFields = (readiness: Readiness) => ({
  blocked_on: sql<string>`case when status = 'DRAFT' and ${readiness.status} = 'DRAFT' then blocked_on
    else ${JSON.stringify(readiness.blockedOn)}::jsonb end`,
});

/** A wall clock belongs to the instant it came from, and goes when a command has set another. */
const wallClockUnlessMoved = (dueAt: RawBuilder<unknown>) => ({
  due_local: sql<string | null>`case when due_at is not distinct from ${dueAt} then due_local end`,
  due_zone: sql<string | null>`case when due_at is not distinct from ${dueAt} then due_zone end`,
});

/** Whether a projection tells readers anything: the API has projected a submission already when its run first does. */
const isNews = (state: PostState, readiness: Projection['readiness']) => sql`
  (status, blocked_on, gates, policy, revision_id, due_at, archived) is distinct from
  (${readiness.status}, ${JSON.stringify(readiness.blockedOn)}::jsonb, ${JSON.stringify(state.gates)}::jsonb,
   ${JSON.stringify(state.policy)}::jsonb, ${state.revision.revisionId}::uuid, ${instant(state.dueAtMs)}::timestamptz,
   ${state.archived}::boolean)`;

const instant = (atMs: number | null): Date | null => (atMs === null ? null : new Date(atMs));

const approvedAt = (state: PostState, gate: 'content' | 'design' | 'publish'): Date | null =>
  state.gates[gate].status === 'approved' ? instant(state.gates[gate].decidedAtMs) : null;

/** The gate a person can decide now; a rejected gate waits for an edit or a new submission instead. */
function waitingGate(state: PostState): OpenGateDetail['gate'] | null {
  const gate = openGate(state);
  return gate !== null && state.gates[gate].status === 'pending' && !isOver(state) ? gate : null;
}

const isOver = (state: PostState): boolean =>
  state.archived || state.cancelledAtMs !== null || state.expiredAtMs !== null;

/** What `decidableByMe` needs of the gate that waits. */
export function openGateDetail(state: PostState): OpenGateDetail | null {
  const gate = waitingGate(state);
  if (gate === null) return null;
  const policy = state.policy[gate];
  return {
    gate,
    round: state.gates[gate].round,
    hash: hashFor(gate, state.revision),
    decidersOfAll: decidersOf(policy, state.gates[gate].escalatedAtMs !== null),
    excludedAuthorId: policy.authorMay ? null : state.revision.authors[gate],
    voterIds: state.gates[gate].votes.map((vote) => vote.memberId),
  };
}

async function setTargets(transaction: TenantTransaction, state: PostState): Promise<void> {
  const rows = state.targets.map((target) => ({
    id: target.targetId,
    phase: target.phase,
    cycle: target.cycle,
    public_id: target.publicId,
    permalink: target.permalink,
    published_at: instant(target.publishedAtMs)?.toISOString() ?? null,
    due_at: instant(target.dueAtMs)?.toISOString() ?? null,
    error_code: target.error?.code ?? null,
    error_message: target.error?.message ?? null,
  }));
  // As with the post's own: a draft's due times are its rows'.
  const dueAt = state.draft ? sql`t.due_at` : sql`n.due_at`;
  await sql`
    update targets t set phase = n.phase, cycle = n.cycle, public_id = n.public_id, permalink = n.permalink,
      published_at = n.published_at, error_code = n.error_code, error_message = n.error_message, due_at = ${dueAt},
      due_local = case when t.due_at is not distinct from ${dueAt} then t.due_local end,
      due_zone = case when t.due_at is not distinct from ${dueAt} then t.due_zone end
    from jsonb_to_recordset(${JSON.stringify(rows)}::jsonb) as n(id uuid, phase text, cycle int, public_id text,
      permalink text, published_at timestamptz, error_code text, error_message text, due_at timestamptz)
    where t.id = n.id and t.post_id = ${state.postId}
      and (t.phase, t.cycle, t.public_id, t.permalink, t.published_at, t.error_code, t.error_message, t.due_at)
        is distinct from (n.phase, n.cycle, n.public_id, n.permalink, n.published_at, n.error_code, n.error_message,
          ${dueAt})
  `.execute(transaction);
}

async function insertTimeline(
  transaction: TenantTransaction,
  postId: string,
  version: number,
  timeline: readonly TimelineEntry[],
): Promise<string[]> {
  if (timeline.length === 0) return [];
  const rows = timeline.map((line, index) => ({
    post_id: postId,
    event_key: `run:${version}:${index}:${line.type}:${line.atMs}`,
    type: line.type,
    occurred_at: new Date(line.atMs),
    actor_id: line.actorId,
    actor_name: line.actorName,
    data: JSON.stringify(line.data),
  }));
  await transaction
    .insertInto('post_events')
    .values(rows)
    .onConflict((conflict) => conflict.columns(['tenant_id', 'post_id', 'event_key']).doNothing())
    .execute();
  return rows.map((row) => row.event_key);
}

async function insertDecisions(
  transaction: TenantTransaction,
  postId: string,
  decisions: readonly DecisionRecord[],
): Promise<void> {
  if (decisions.length === 0) return;
  const rows = decisions.map((decision) => ({
    post_id: postId,
    command_id: decision.commandId,
    gate: decision.gate,
    round: decision.round,
    verdict: decision.verdict,
    hash: decision.hash,
    revision_id: decision.revisionId,
    member_id: decision.memberId,
    member_name: decision.memberName,
    notes: decision.notes,
    return_to: decision.returnTo,
    decided_at: new Date(decision.atMs),
  }));
  await transaction
    .insertInto('decisions')
    .values(rows)
    .onConflict((conflict) => conflict.columns(['tenant_id', 'post_id', 'command_id', 'gate']).doNothing())
    .execute();
}
