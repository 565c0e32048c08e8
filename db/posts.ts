import { type Selectable, sql } from 'kysely';
import type { Readiness } from '../domain/lifecycle.ts';
import { type AccountKind, closedStatuses, type Platform } from '../domain/post.ts';
import { openGate, type PostState } from '../domain/post-state.ts';
import { fingerprintsOf, type RevisionContent } from '../domain/revision.ts';
import type { ProfileScope } from './profiles.ts';
import { openGateDetail } from './projections.ts';
import type { PostsTable, ProfilesTable, RevisionsTable, TargetsTable } from './schema.ts';
import type { TenantExecutor, TenantTransaction } from './tenant-database.ts';

export type PostRow = Selectable<PostsTable>;
export type RevisionRow = Selectable<RevisionsTable>;
export type TargetRow = Selectable<TargetsTable>;
export type NewPostRow = Pick<
  PostRow,
  | 'id'
  | 'type'
  | 'origin'
  | 'revision_id'
  | 'revision_number'
  | 'copy'
  | 'due_at'
  | 'due_local'
  | 'due_zone'
  | 'assignee_id'
  | 'created_by'
> & { readonly blocked_on: Readiness['blockedOn'] };
export type NewRevisionRow = Pick<
  RevisionRow,
  'id' | 'post_id' | 'number' | 'content_hash' | 'design_hash' | 'publish_hash' | 'authors' | 'created_by'
> & { readonly content: RevisionContent };

/** A target with the account it goes to. */
export interface TargetWithProfile extends TargetRow {
  readonly platform: Platform;
  readonly account_kind: AccountKind;
  readonly profile_name: string;
  readonly profile_health: Selectable<ProfilesTable>['health'];
}

/** Creates a draft's row. Answers `false` when a post with this id is there already, and leaves that as it is. */
export async function insertPost(transaction: TenantTransaction, post: NewPostRow): Promise<boolean> {
  const result = await transaction
    .insertInto('posts')
    .values({ ...post, blocked_on: JSON.stringify(post.blocked_on) })
    .onConflict((conflict) => conflict.columns(['tenant_id', 'id']).doNothing())
    .executeTakeFirst();
  return (result.numInsertedOrUpdatedRows ?? 0n) > 0n;
}

/** Stores a revision; the same id again changes nothing. */
export async function insertRevision(database: TenantExecutor, revision: NewRevisionRow): Promise<void> {
  await database
    .insertInto('revisions')
    .values({
      ...revision,
      content: JSON.stringify(revision.content),
      authors: JSON.stringify(revision.authors),
    })
    .onConflict((conflict) => conflict.columns(['tenant_id', 'id']).doNothing())
    .execute();
  const fingerprints = fingerprintsOf(revision.content).map(({ profileId, fingerprint }) => ({
    revision_id: revision.id,
    post_id: revision.post_id,
    profile_id: profileId,
    fingerprint,
  }));
  if (fingerprints.length === 0) return;
  await database
    .insertInto('revision_fingerprints')
    .values(fingerprints)
    .onConflict((conflict) => conflict.doNothing())
    .execute();
}

/** A post that shows the same on the same profile. */
export interface PossibleDuplicate {
  readonly postId: string;
  readonly profileId: string;
  readonly status: PostRow['status'];
  readonly dueAt: Date | null;
}

/** How long a post stays of interest to those that would say the same again. */
const duplicateDays = 30;

/**
 * Posts written or due in the last 30 days, or still to come, whose present revision shows the same on a profile of this
 * one's; at most 20.
 */
export async function listPossibleDuplicates(
  database: TenantExecutor,
  post: { postId: string; revisionId: string },
  scope: ProfileScope,
): Promise<PossibleDuplicate[]> {
  const found = database
    .selectFrom('revision_fingerprints as mine')
    .innerJoin('revision_fingerprints as other', (join) =>
      join
        .onRef('other.profile_id', '=', 'mine.profile_id')
        .onRef('other.fingerprint', '=', 'mine.fingerprint'),
    )
    .innerJoin('posts', (join) =>
      join.onRef('posts.id', '=', 'other.post_id').onRef('posts.revision_id', '=', 'other.revision_id'),
    )
    .select(['posts.id as postId', 'other.profile_id as profileId', 'posts.status', 'posts.due_at as dueAt'])
    .where('mine.revision_id', '=', post.revisionId)
    .where('posts.id', '!=', post.postId)
    .where('posts.status', 'not in', ['CANCELLED', 'EXPIRED'])
    .where(
      sql<boolean>`greatest(posts.created_at, posts.due_at) > clock_timestamp() - make_interval(days => ${duplicateDays})`,
    )
    .orderBy('posts.created_at', 'desc')
    .limit(20);
  return (scope ? found.where(withinScope(scope)) : found).execute();
}

/** A due time as rows keep it: the instant, and beside it the wall clock and zone that it came from; null on a target takes the post's. */
export interface DueTime {
  readonly dueAt: Date | null;
  readonly dueLocal: string | null;
  readonly dueZone: string | null;
}

/** Sets the due time of a draft's target. */
export async function setTargetDue(database: TenantExecutor, targetId: string, due: DueTime): Promise<void> {
  await database
    .updateTable('targets')
    .set({ due_at: due.dueAt, due_local: due.dueLocal, due_zone: due.dueZone })
    .where('id', '=', targetId)
    .execute();
}

export async function insertTargets(
  transaction: TenantTransaction,
  postId: string,
  targets: readonly { targetId: string; profileId: string; due: DueTime }[],
): Promise<void> {
  const rows = targets.map(({ targetId, profileId, due }, position) => ({
    id: targetId,
    post_id: postId,
    profile_id: profileId,
    position,
    due_at: due.dueAt,
    due_local: due.dueLocal,
    due_zone: due.dueZone,
  }));
  await transaction
    .insertInto('targets')
    .values(rows)
    .onConflict((conflict) =>
      conflict.columns(['tenant_id', 'post_id', 'profile_id']).doUpdateSet({
        position: (excluded) => excluded.ref('excluded.position'),
        due_at: (excluded) => excluded.ref('excluded.due_at'),
        due_local: (excluded) => excluded.ref('excluded.due_local'),
        due_zone: (excluded) => excluded.ref('excluded.due_zone'),
      }),
    )
    .execute();
}

/** Takes the targets of a draft away that are not among `kept`. Nothing refers to a draft's targets. */
export async function deleteTargetsExcept(
  transaction: TenantTransaction,
  postId: string,
  kept: readonly string[],
): Promise<void> {
  await transaction
    .deleteFrom('targets')
    .where('post_id', '=', postId)
    .where(sql<boolean>`not (id = any(${[...kept]}::uuid[]))`)
    .execute();
}

/** A post, unless one of its targets lies outside what the caller may see. */
export function findPost(
  database: TenantExecutor,
  id: string,
  scope: ProfileScope,
): Promise<PostRow | undefined> {
  const post = database.selectFrom('posts').selectAll().where('id', '=', id);
  return (scope ? post.where(withinScope(scope)) : post).executeTakeFirst();
}

/** A page of ids, in their order. */
interface IdPage {
  readonly after: string | undefined;
  readonly limit: number;
}

/** Posts that have, or had, a run, by id. */
export const listSubmittedPostIds = (database: TenantExecutor, page: IdPage): Promise<string[]> =>
  idsOf(submittedPosts(database, page));

/** Submitted posts that something can still happen to, by id. */
export const listOpenPostIds = (database: TenantExecutor, page: IdPage): Promise<string[]> =>
  idsOf(
    submittedPosts(database, page).where('archived', '=', false).where('status', 'not in', closedStatuses),
  );

function submittedPosts(database: TenantExecutor, { after, limit }: IdPage) {
  const submitted = database
    .selectFrom('posts')
    .select('id')
    .where('submitted_at', 'is not', null)
    .orderBy('id')
    .limit(limit);
  return after ? submitted.where('id', '>', after) : submitted;
}

async function idsOf(posts: ReturnType<typeof submittedPosts>): Promise<string[]> {
  return (await posts.execute()).map(({ id }) => id);
}

/** A post's row, locked until the transaction ends; what refers to the post by its key need not wait (see `lockPost`). */
export const lockPostRow = (transaction: TenantTransaction, id: string): Promise<PostRow | undefined> =>
  transaction.selectFrom('posts').selectAll().where('id', '=', id).forNoKeyUpdate().executeTakeFirst();

/** True for posts all of whose targets are among the profiles. */
export const withinScope = (scope: readonly string[]) =>
  sql<boolean>`not exists (select from targets t where t.post_id = posts.id
    and not (t.profile_id = any(${[...scope]}::uuid[])))`;

export const findRevision = (database: TenantExecutor, id: string): Promise<RevisionRow | undefined> =>
  database.selectFrom('revisions').selectAll().where('id', '=', id).executeTakeFirst();

/** A post's revisions, newest first, before `beforeNumber`. */
export function listRevisions(
  database: TenantExecutor,
  postId: string,
  { before, limit }: { before: { number: number; id: string } | undefined; limit: number },
): Promise<RevisionRow[]> {
  const all = database
    .selectFrom('revisions')
    .selectAll()
    .where('post_id', '=', postId)
    .orderBy('number', 'desc')
    .orderBy('id', 'desc')
    .limit(limit);
  const rest = before ? all.where(sql<boolean>`(number, id) < (${before.number}, ${before.id}::uuid)`) : all;
  return rest.execute();
}

/** A post's targets in their order, with the accounts they go to. */
export const listTargets = (database: TenantExecutor, postId: string): Promise<TargetWithProfile[]> =>
  database
    .selectFrom('targets')
    .innerJoin('profiles', (join) =>
      join
        .onRef('profiles.tenant_id', '=', 'targets.tenant_id')
        .onRef('profiles.id', '=', 'targets.profile_id'),
    )
    .selectAll('targets')
    .select([
      'profiles.platform',
      'profiles.account_kind',
      'profiles.name as profile_name',
      'profiles.health as profile_health',
    ])
    .where('targets.post_id', '=', postId)
    .orderBy('targets.position')
    .execute();

export interface DraftChange {
  readonly revision?: { readonly id: string; readonly number: number; readonly copy: string };
  readonly blockedOn: Readiness['blockedOn'];
  /** Left out: unchanged. */
  readonly dueAt?: Date | null;
  readonly dueLocal?: string | null;
  readonly dueZone?: string | null;
  readonly assigneeId?: string | null;
}

/** Changes a locked draft's row. */
export const setDraft = (transaction: TenantTransaction, id: string, change: DraftChange): Promise<PostRow> =>
  transaction
    .updateTable('posts')
    .set({
      ...(change.revision && {
        revision_id: change.revision.id,
        revision_number: change.revision.number,
        copy: change.revision.copy,
      }),
      ...(change.dueAt !== undefined && {
        due_at: change.dueAt,
        due_local: change.dueLocal ?? null,
        due_zone: change.dueZone ?? null,
      }),
      ...(change.assigneeId !== undefined && { assignee_id: change.assigneeId }),
      blocked_on: JSON.stringify(change.blockedOn),
      row_version: sql<number>`row_version + 1`,
      updated_at: sql<Date>`clock_timestamp()`,
    })
    .where('id', '=', id)
    .returningAll()
    .executeTakeFirstOrThrow();

/** Hands a post to a member, or to nobody. */
export const setAssignee = (
  database: TenantExecutor,
  id: string,
  assigneeId: string | null,
): Promise<PostRow> =>
  database
    .updateTable('posts')
    .set({
      assignee_id: assigneeId,
      row_version: sql<number>`row_version + 1`,
      updated_at: sql<Date>`clock_timestamp()`,
    })
    .where('id', '=', id)
    .returningAll()
    .executeTakeFirstOrThrow();

/** Keeps the wall clock a due time came from beside the instant the run was told, unless it has been told another. */
export async function setDueWallClock(database: TenantExecutor, id: string, due: DueTime): Promise<void> {
  await database
    .updateTable('posts')
    .set({ due_local: due.dueLocal, due_zone: due.dueZone })
    .where('id', '=', id)
    .where('due_at', '=', due.dueAt)
    .execute();
}

/** The same for a target's own due time. */
export async function setTargetWallClock(database: TenantExecutor, id: string, due: DueTime): Promise<void> {
  await database
    .updateTable('targets')
    .set({ due_local: due.dueLocal, due_zone: due.dueZone })
    .where('id', '=', id)
    .where('due_at', '=', due.dueAt)
    .execute();
}

/** Cancels a draft that was never submitted: no run knows of it. */
export const setDraftCancelled = (transaction: TenantTransaction, id: string): Promise<PostRow> =>
  transaction
    .updateTable('posts')
    .set({
      status: 'CANCELLED',
      blocked_on: '[]',
      row_version: sql<number>`row_version + 1`,
      updated_at: sql<Date>`clock_timestamp()`,
    })
    .where('id', '=', id)
    .returningAll()
    .executeTakeFirstOrThrow();

export async function setTargetsCancelled(transaction: TenantTransaction, postId: string): Promise<void> {
  await transaction
    .updateTable('targets')
    .set({ phase: 'CANCELLED' })
    .where('post_id', '=', postId)
    .execute();
}

/**
 * Notes on a locked draft's row that it has been submitted, with the state its run will begin in. The projection's pair
 * stays (0, 0), so the run's own first projection is above it.
 */
export const setSubmitted = (
  transaction: TenantTransaction,
  { state, readiness, submittedAt }: { state: PostState; readiness: Readiness; submittedAt: Date },
): Promise<PostRow> => {
  const detail = openGateDetail(state);
  const approvedAt = (gate: 'content' | 'design' | 'publish') =>
    state.gates[gate].status === 'approved' ? submittedAt : null;
  return transaction
    .updateTable('posts')
    .set({
      status: readiness.status,
      blocked_on: JSON.stringify(readiness.blockedOn),
      open_gate: detail ? openGate(state) : null,
      open_gate_detail: detail ? JSON.stringify(detail) : null,
      gates: JSON.stringify(state.gates),
      policy: JSON.stringify(state.policy),
      content_approved_at: approvedAt('content'),
      design_approved_at: approvedAt('design'),
      publish_approved_at: approvedAt('publish'),
      submitted_at: submittedAt,
      row_version: sql<number>`row_version + 1`,
      updated_at: sql<Date>`clock_timestamp()`,
    })
    .where('id', '=', state.postId)
    .returningAll()
    .executeTakeFirstOrThrow();
};
