import { type RawBuilder, type Selectable, sql } from 'kysely';
import type { AmendmentGate, AmendmentState } from '../domain/amending.ts';
import type { TargetError } from '../domain/post-state.ts';
import type { RevisionContent } from '../domain/revision.ts';
import { holdStops } from './holds.ts';
import type { AmendmentsTable, AmendmentTargetsTable } from './schema.ts';
import type { TenantExecutor, TenantTransaction } from './tenant-database.ts';
import { insertPostEvent } from './timeline.ts';

export type AmendmentRow = Selectable<AmendmentsTable>;
export type AmendmentTargetRow = Selectable<AmendmentTargetsTable>;

/** An amendment with what the post would say, and its targets. */
export interface WholeAmendment extends AmendmentRow {
  readonly content: RevisionContent;
  readonly content_hash: string;
  readonly targets: readonly AmendmentTargetRow[];
}

/** The newest amendment of a post, as one JSON value: instants are text in it. */
export const newestAmendment = (postId: RawBuilder<string>) => sql<unknown>`(select row_to_json(n) from (
  select a.*, r.content, r.content_hash, (select json_agg(t order by t.target_id) from amendment_targets t
    where t.amendment_id = a.id) as targets
  from amendments a join revisions r on r.id = a.revision_id
  where a.post_id = ${postId} order by a.proposed_at desc, a.id limit 1) n)`;

/** Makes the JSON of `newestAmendment` a row again. */
export function amendmentOf(inJson: unknown): WholeAmendment | null {
  const row = inJson as (WholeAmendment & Record<string, unknown>) | null;
  if (!row) return null;
  const dateOf = (text: unknown) => (text === null ? null : new Date(text as string));
  return {
    ...row,
    proposed_at: new Date(row.proposed_at),
    closed_at: dateOf(row.closed_at),
    targets: row.targets.map((target) => ({ ...target, amended_at: dateOf(target.amended_at) })),
  };
}

export async function findNewestAmendment(
  executor: TenantExecutor,
  postId: string,
): Promise<WholeAmendment | null> {
  const { rows } = await sql<{ amendment: unknown }>`
    select ${newestAmendment(sql<string>`${postId}::uuid`)} as amendment`.execute(executor);
  return amendmentOf(rows[0]?.amendment ?? null);
}

/** The revisions that targets of a post have been amended to, the newest last. */
export const listAmendedTargets = (
  executor: TenantExecutor,
  postId: string,
): Promise<{ target_id: string; revision_id: string }[]> =>
  executor
    .selectFrom('amendment_targets as t')
    .innerJoin('amendments as a', 'a.id', 't.amendment_id')
    .select(['t.target_id', 'a.revision_id'])
    .where('t.post_id', '=', postId)
    .where('t.state', '=', 'AMENDED')
    .orderBy('t.amended_at')
    .execute();

export interface NewAmendment extends AmendmentGate {
  readonly id: string;
  readonly postId: string;
  readonly revisionId: string;
  readonly state: AmendmentState;
  readonly proposedBy: string;
  readonly proposedByName: string;
  readonly proposedAt: Date;
  readonly targets: readonly { readonly targetId: string; readonly publicationId: string }[];
}

/** Adds an amendment and its targets; `false` where another of the post is open. */
export async function insertAmendment(
  transaction: TenantTransaction,
  amendment: NewAmendment,
): Promise<boolean> {
  const { id, postId } = amendment;
  const result = await transaction
    .insertInto('amendments')
    .values({
      ...{ id, post_id: postId, revision_id: amendment.revisionId, state: amendment.state },
      ...{ gate: JSON.stringify(amendment.gate), decisions: JSON.stringify(amendment.decisions) },
      ...{ proposed_by: amendment.proposedBy, proposed_by_name: amendment.proposedByName },
      proposed_at: amendment.proposedAt,
    })
    .onConflict((conflict) => conflict.doNothing())
    .executeTakeFirst();
  if ((result.numInsertedOrUpdatedRows ?? 0n) === 0n) return false;
  await transaction
    .insertInto('amendment_targets')
    .values(
      amendment.targets.map(({ targetId, publicationId }) => ({
        ...{ amendment_id: id, post_id: postId, target_id: targetId, publication_id: publicationId },
      })),
    )
    .execute();
  return true;
}

/** Locks an amendment: one decision at a time. */
export const lockAmendment = (
  transaction: TenantTransaction,
  id: string,
): Promise<AmendmentRow | undefined> =>
  transaction.selectFrom('amendments').selectAll().where('id', '=', id).forUpdate().executeTakeFirst();

export async function setAmendment(
  transaction: TenantTransaction,
  id: string,
  { state, gate, decisions, closedAt }: AmendmentGate & { state: AmendmentState; closedAt: Date | null },
): Promise<void> {
  await transaction
    .updateTable('amendments')
    .set({ state, gate: JSON.stringify(gate), decisions: JSON.stringify(decisions), closed_at: closedAt })
    .where('id', '=', id)
    .execute();
}

/** Notes that every target has said what became of it. May run twice. */
export async function setAmendmentDone(executor: TenantExecutor, id: string, at: Date): Promise<void> {
  await executor
    .updateTable('amendments')
    .set({ state: 'DONE', closed_at: at })
    .where('id', '=', id)
    .where('state', '=', 'SENDING')
    .execute();
}

/** The targets that an approved amendment still has to be sent to. */
export const listOpenAmendmentTargets = (
  executor: TenantExecutor,
  amendmentId: string,
): Promise<AmendmentTargetRow[]> =>
  executor
    .selectFrom('amendment_targets')
    .selectAll()
    .where('amendment_id', '=', amendmentId)
    .where('state', 'in', ['WAITING', 'SENDING'])
    .orderBy('target_id')
    .execute();

/** What an open target of an amendment is to say, by its revision and the publish hash of that; `undefined` once settled. */
export const findAmendmentTarget = (
  executor: TenantExecutor,
  { amendmentId, targetId }: { amendmentId: string; targetId: string },
): Promise<{ postId: string; revisionId: string; approvedHash: string } | undefined> =>
  executor
    .selectFrom('amendment_targets as t')
    .innerJoin('amendments as a', 'a.id', 't.amendment_id')
    .innerJoin('revisions as r', 'r.id', 'a.revision_id')
    .select(['t.post_id as postId', 'r.id as revisionId', 'r.publish_hash as approvedHash'])
    .where('t.amendment_id', '=', amendmentId)
    .where('t.target_id', '=', targetId)
    .where('t.state', 'in', ['WAITING', 'SENDING'])
    .executeTakeFirst();

/** What the sender of an amendment works with. */
export interface AmendmentClaim {
  readonly fence: number;
  /** The content hash that was approved. */
  readonly approvedHash: string;
  readonly publicId: string;
}

/**
 * Claims the right to send an amendment to a target: the one statement that knows whether it was approved, whether the
 * post still stands there, and whether a hold does. `null` where one of these is not so. A later claim takes over.
 */
export async function claimAmendmentTarget(
  executor: TenantExecutor,
  { amendmentId, targetId }: { amendmentId: string; targetId: string },
): Promise<AmendmentClaim | null> {
  const { rows } = await sql<AmendmentClaim>`
    update amendment_targets t set state = 'SENDING', fence = t.fence + 1
    from amendments a, revisions r, publications p
    where t.amendment_id = ${amendmentId} and t.target_id = ${targetId} and t.state in ('WAITING', 'SENDING')
      and a.id = t.amendment_id and a.state = 'SENDING' and a.gate ->> 'status' = 'approved'
      and r.id = a.revision_id and r.content_hash = a.gate ->> 'approvedHash'
      and p.id = t.publication_id and p.state = 'PUBLISHED'
      and not exists (select from removals m where m.publication_id = p.id and m.state in ('REQUESTED', 'REMOVED'))
      and not exists (select from holds h where h.lifted_at is null
        and ${holdStops(sql.ref('p.profile_id'), sql.ref('p.platform'))})
    returning t.fence, r.content_hash as "approvedHash", p.public_id as "publicId"`.execute(executor);
  return rows[0] ?? null;
}

/** Whether somebody has asked for the target's post to be taken down, or it has been. */
export async function isBeingRemoved(
  executor: TenantExecutor,
  { amendmentId, targetId }: { amendmentId: string; targetId: string },
): Promise<boolean> {
  const row = await executor
    .selectFrom('amendment_targets as t')
    .innerJoin('removals as m', 'm.publication_id', 't.publication_id')
    .select('m.state')
    .where('t.amendment_id', '=', amendmentId)
    .where('t.target_id', '=', targetId)
    .where('m.state', 'in', ['REQUESTED', 'REMOVED'])
    .executeTakeFirst();
  return row !== undefined;
}

/** The receipt: it says there what was approved. Written by the newest claim alone; may run twice. */
export async function setAmended(
  transaction: TenantTransaction,
  { amendmentId, targetId, fence }: { amendmentId: string; targetId: string; fence: number },
  at: Date,
): Promise<void> {
  const amended = await transaction
    .updateTable('amendment_targets')
    .set({ state: 'AMENDED', amended_at: at, error_code: null, error_message: null })
    .where('amendment_id', '=', amendmentId)
    .where('target_id', '=', targetId)
    .where('fence', '=', fence)
    .where('state', '=', 'SENDING')
    .returning('post_id')
    .executeTakeFirst();
  if (amended) await noteTarget(transaction, amended.post_id, { amendmentId, targetId }, at, null);
}

/** Why a target still says what it said. May run twice. */
export async function setAmendmentFailed(
  transaction: TenantTransaction,
  { amendmentId, targetId }: { amendmentId: string; targetId: string },
  error: TargetError,
  at: Date,
): Promise<void> {
  const failed = await transaction
    .updateTable('amendment_targets')
    .set({ state: 'FAILED', error_code: error.code, error_message: error.message })
    .where('amendment_id', '=', amendmentId)
    .where('target_id', '=', targetId)
    .where('state', 'in', ['WAITING', 'SENDING'])
    .returning('post_id')
    .executeTakeFirst();
  if (failed) await noteTarget(transaction, failed.post_id, { amendmentId, targetId }, at, error);
}

const noteTarget = (
  transaction: TenantTransaction,
  postId: string,
  { amendmentId, targetId }: { amendmentId: string; targetId: string },
  at: Date,
  error: TargetError | null,
): Promise<void> =>
  insertPostEvent(transaction, {
    postId,
    eventKey: `amendment:${amendmentId}:${targetId}:${error ? 'FAILED' : 'AMENDED'}`,
    type: error ? 'target.amendment-failed' : 'target.amended',
    occurredAt: at,
    actorId: null,
    actorName: null,
    data: { targetId, ...(error && { errorCode: error.code, errorMessage: error.message }) },
  });
