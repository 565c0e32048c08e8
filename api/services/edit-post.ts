import {
  deleteTargetsExcept,
  findPost,
  findRevision,
  insertRevision,
  insertTargets,
  lockPostRow,
  type NewRevisionRow,
  type PostRow,
  type RevisionRow,
  setAssignee,
  setDraft,
  setTargetDue,
} from '../../db/posts.ts';
import { inTransaction, type TenantTransaction } from '../../db/tenant-database.ts';
import { insertPostEvent } from '../../db/timeline.ts';
import { type Gate, gates, isClosed } from '../../domain/post.ts';
import { hashFor } from '../../domain/post-state.ts';
import { hashRevision, type RevisionContent } from '../../domain/revision.ts';
import { changedMeanwhile, requireMatch } from '../etag.ts';
import { notFound, Problem, type ProblemError } from '../problems.ts';
import type { RequestContext } from '../route.ts';
import type { DueInput } from '../schemas/due-times.ts';
import type { PostAnswer, PostChange } from '../schemas/posts.ts';
import { draftBlocks, newRevision } from './create-post.ts';
import { dueTimeOf, noDueTime } from './due-times.ts';
import {
  checkAssignee,
  checkDueTime,
  checkParts,
  contentOf,
  type LoadedParts,
  loadParts,
  type PostParts,
  partsOf,
  policyOfProfiles,
  refuseIfAny,
  revisionRefOf,
} from './post-parts.ts';
import { answerOfRow, runCommand } from './run-command.ts';

export interface EditedPost {
  readonly answer: PostAnswer;
  /** The row's new version; `null` where the run writes it a moment later. */
  readonly version: number | null;
}

interface Edit {
  readonly post: PostRow;
  readonly change: PostChange;
  readonly parts: PostParts;
  readonly loaded: LoadedParts;
  /** What the post says after the edit. */
  readonly content: RevisionContent;
  /** `null` when nothing that is hashed changes. */
  readonly revision: NewRevisionRow | null;
}

/**
 * Edits a post: a draft on its row, a submitted one by a new revision and an `edit` command, which opens exactly the
 * gates whose hash it changes again. May run twice: the revision's id comes from the request and the row's version.
 */
export async function editPost(
  context: RequestContext,
  postId: string,
  ifMatch: number | null,
  change: PostChange,
): Promise<EditedPost> {
  const { database, caller } = context;
  const post = await findPost(database, postId, caller.profileIds);
  if (!post) throw notFound('post');
  requireMatch(ifMatch, post.row_version);
  if (isClosed(post.status)) throw new Problem('post-closed', `The post is ${post.status.toLowerCase()}`);
  const current = await findRevision(database, post.revision_id);
  if (!current) throw new Error(`Post ${caller.tenantId}/${postId} has no revision ${post.revision_id}`);
  const parts = mergeParts(partsOf(current), change);
  requireSameTargets(post, current, parts);
  const loaded = await loadParts(context, parts);
  await checkEdit(context, { post, change, parts, loaded });
  const content = contentAfter(context, current, parts, loaded);
  const revision = reviseIfChanged(context, post, current, content);
  const edit = { post, change, parts, loaded, content, revision };
  return post.status === 'DRAFT' ? editDraft(context, edit) : editSubmitted(context, edit, current);
}

const mergeParts = (parts: PostParts, change: PostChange): PostParts => ({
  type: parts.type,
  copy: change.copy ?? parts.copy,
  media: change.media ?? parts.media,
  targets: change.targets ?? parts.targets,
});

/** A run has its targets for life, also while its post is withdrawn. */
function requireSameTargets(post: PostRow, current: RevisionRow, parts: PostParts): void {
  if (!post.submitted_at) return;
  const keyOf = ({ profileId, type }: PostParts['targets'][number]) => `${profileId} ${type ?? parts.type}`;
  const before = current.content.targets.map(keyOf).sort();
  const after = parts.targets.map(keyOf).sort();
  if (before.join() !== after.join())
    throw new Problem(
      'targets-fixed',
      'The profiles a post goes to, and what it is there, cannot be changed once it has been submitted',
    );
}

async function checkEdit(
  context: RequestContext,
  { post, change, parts, loaded }: Omit<Edit, 'revision' | 'content'>,
): Promise<void> {
  const isDraft = post.status === 'DRAFT';
  refuseIfAny([
    ...checkParts(parts, loaded, { isDraft }),
    ...checkDue(context, change, '', isDraft),
    ...(change.targets ?? []).flatMap((target, index) =>
      checkDue(context, target, `/targets/${index}`, isDraft),
    ),
    ...(await checkAssignee(context, change.assigneeId)),
  ]);
}

/** A draft's due time is edited with it, a submitted post's by a command. */
function checkDue({ now }: RequestContext, input: DueInput, path: string, isDraft: boolean): ProblemError[] {
  const due = dueTimeOf(input);
  if (!due) return [];
  if (isDraft) return checkDueTime(due.dueAt, now, `${path}/dueAt`);
  const message = 'The due time of a submitted post is changed by POST …/schedule';
  return [{ path: `${path}/dueAt`, code: 'not-editable', message }];
}

function contentAfter(
  context: RequestContext,
  current: RevisionRow,
  parts: PostParts,
  loaded: LoadedParts,
): RevisionContent {
  const known = new Map(current.content.targets.map((target) => [target.profileId, target.targetId]));
  return contentOf(
    parts,
    loaded,
    (profileId) => known.get(profileId) ?? context.newId(`target ${profileId}`),
  );
}

function reviseIfChanged(
  context: RequestContext,
  post: PostRow,
  current: RevisionRow,
  content: RevisionContent,
): NewRevisionRow | null {
  const authors = authorsOf(context, current, content);
  if (!authors) return null;
  return newRevision(context, {
    id: context.newId(`revision ${post.row_version}`),
    postId: post.id,
    number: post.revision_number + 1,
    content,
    authors,
  });
}

/** The author of a gate is who last changed its inputs. `null` when no gate's inputs change. */
function authorsOf(
  { caller }: RequestContext,
  current: RevisionRow,
  content: RevisionContent,
): Record<Gate, string> | null {
  const hashes = hashRevision(content);
  const before = revisionRefOf(current);
  const changed = gates.filter((gate) => hashFor(gate, hashes) !== hashFor(gate, before));
  if (changed.length === 0) return null;
  const authors = gates.map((gate) => [
    gate,
    changed.includes(gate) ? caller.memberId : current.authors[gate],
  ]);
  return Object.fromEntries(authors) as Record<Gate, string>;
}

async function editDraft(context: RequestContext, edit: Edit): Promise<EditedPost> {
  const { post, change, parts, revision } = edit;
  const blockedOn = await blocksAfter(context, edit);
  const row = await inTransaction(context.database, async (transaction) => {
    const locked = await lockPostRow(transaction, post.id);
    if (locked?.row_version !== post.row_version) throw changedMeanwhile();
    if (revision) await insertRevision(transaction, revision);
    if (change.targets) await setDraftTargets(transaction, edit);
    await insertPostEvent(transaction, {
      postId: post.id,
      eventKey: `api:drafted:${post.row_version}`,
      type: 'post.drafted',
      occurredAt: context.now,
      actorId: context.caller.memberId,
      actorName: context.caller.name,
      data: { revision: revision?.number ?? post.revision_number },
    });
    return setDraft(transaction, post.id, {
      ...(revision && { revision: { id: revision.id, number: revision.number, copy: parts.copy } }),
      ...dueTimeOf(change),
      ...(change.assigneeId !== undefined && { assigneeId: change.assigneeId }),
      blockedOn,
    });
  });
  return { answer: answerOfRow(row), version: row.row_version };
}

/** Targets come and go with a draft's edits until it is first submitted; their due times may change until then and after. */
async function setDraftTargets(transaction: TenantTransaction, edit: Edit): Promise<void> {
  const { post, change, content } = edit;
  const dueOf = new Map(change.targets?.map((target) => [target.profileId, dueTimeOf(target)]));
  if (post.submitted_at) {
    for (const { targetId, profileId } of content.targets) {
      const due = dueOf.get(profileId);
      if (due) await setTargetDue(transaction, targetId, due);
    }
    return;
  }
  const kept = content.targets.map((target) => target.targetId);
  await deleteTargetsExcept(transaction, post.id, kept);
  const targets = content.targets.map((target) => ({
    ...target,
    due: dueOf.get(target.profileId) ?? noDueTime,
  }));
  await insertTargets(transaction, post.id, targets);
}

async function blocksAfter(context: RequestContext, { post, change, parts, loaded, revision }: Edit) {
  const current = await findRevision(context.database, post.revision_id);
  const resolved = await policyOfProfiles(
    context,
    parts.targets.map((target) => target.profileId),
  );
  const due = dueTimeOf(change);
  const dueAt = due ? due.dueAt : post.due_at;
  return draftBlocks(context, {
    revision: revision ?? current!,
    resolved,
    loaded,
    dueAt,
    origin: post.origin,
  });
}

async function editSubmitted(context: RequestContext, edit: Edit, current: RevisionRow): Promise<EditedPost> {
  const { post, change, revision } = edit;
  const { database, caller, now } = context;
  if (revision) await insertRevision(database, revision);
  const answer = revision
    ? await runCommand(context, post.id, {
        kind: 'edit',
        commandId: context.newId(`edit ${post.row_version}`),
        actor: context.actor,
        revision: revisionRefOf({ ...revision, tenant_id: caller.tenantId, created_at: now }),
        baseRevisionId: current.id,
      })
    : answerOfRow(post);
  if (change.assigneeId === undefined) return { answer, version: revision ? null : post.row_version };
  const assigned = await setAssignee(database, post.id, change.assigneeId);
  return { answer, version: revision ? null : assigned.row_version };
}
