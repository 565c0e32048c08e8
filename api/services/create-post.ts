import { findOutbox } from '../../db/outbox.ts';
import {
  findPost,
  insertPost,
  insertRevision,
  insertTargets,
  listTargets,
  type NewRevisionRow,
  type PostRow,
} from '../../db/posts.ts';
import { inTransaction, type TenantTransaction } from '../../db/tenant-database.ts';
import { insertPostEvent } from '../../db/timeline.ts';
import { type Block, evaluate } from '../../domain/lifecycle.ts';
import type { Gate } from '../../domain/post.ts';
import { newPostState } from '../../domain/post-state.ts';
import { hashRevision, type RevisionContent } from '../../domain/revision.ts';
import type { PostWorkflowInput } from '../../workflows/messages.ts';
import { notFound, type ProblemError } from '../problems.ts';
import type { RequestContext } from '../route.ts';
import type { NewPostInput } from '../schemas/posts.ts';
import { dueTimeOf, noDueTime } from './due-times.ts';
import {
  checkAssignee,
  checkDeciders,
  checkDueTime,
  checkParts,
  contentOf,
  type LoadedParts,
  loadParts,
  policyOfProfiles,
  type ResolvedPolicy,
  refuseIfAny,
  revisionRefOf,
} from './post-parts.ts';
import { type PendingStart, startRun, submitLocked } from './submit-post.ts';

/**
 * Creates a post with its first revision and targets, in one transaction, and submits it if asked to. Everything that
 * is wrong with it is named at once. May run twice under one key: its ids come from the key.
 */
export async function createPost(context: RequestContext, input: NewPostInput): Promise<PostRow> {
  const { caller, database, newId } = context;
  const postId = newId('post');
  const before = await findPost(database, postId, null);
  if (before) return resumeCreation(context, before);
  const loaded = await loadParts(context, input);
  const { resolved, errors } = await checkNewPost(context, input, loaded);
  refuseIfAny(errors);
  const content = contentOf(input, loaded, (profileId) => newId(`target ${profileId}`));
  const authors = { content: caller.memberId, design: caller.memberId, publish: caller.memberId };
  const revision = newRevision(context, { id: newId('revision'), postId, number: 1, content, authors });
  const start = await inTransaction(database, (transaction) =>
    insertAll(context, transaction, { input, revision, resolved, loaded }),
  );
  if (start) await startRun(context, start);
  const post = await findPost(database, postId, null);
  if (!post) throw notFound('post');
  return post;
}

/** This very request created the post before it was cut off: what it had checked then holds. */
async function resumeCreation(context: RequestContext, post: PostRow): Promise<PostRow> {
  const outbox = await findOutbox(context.database, context.newId('outbox'));
  if (outbox && !outbox.done_at)
    await startRun(context, { outboxId: outbox.id, input: outbox.input as PostWorkflowInput });
  return post;
}

/** Everything that creating a post with these parts would refuse it for; nothing is written. */
export async function validatePost(context: RequestContext, input: NewPostInput): Promise<ProblemError[]> {
  const { errors } = await checkNewPost(context, input, await loadParts(context, input));
  return errors;
}

async function checkNewPost(
  context: RequestContext,
  input: NewPostInput,
  loaded: LoadedParts,
): Promise<{ resolved: ResolvedPolicy; errors: ProblemError[] }> {
  const { caller, now } = context;
  const profiles = input.targets.flatMap(({ profileId }) => loaded.profiles.get(profileId) ?? []);
  const profileIds = profiles.map((profile) => profile.id);
  const resolved = await policyOfProfiles(context, profileIds);
  const { policy } = resolved;
  const authors = { content: caller.memberId, design: caller.memberId, publish: caller.memberId };
  const errors = [
    ...checkParts(input, loaded, { isDraft: !input.submit }),
    ...checkDueTime(dueTimeOf(input)?.dueAt ?? null, now),
    ...input.targets.flatMap((target, index) =>
      checkDueTime(dueTimeOf(target)?.dueAt ?? null, now, `/targets/${index}/dueAt`),
    ),
    ...(await checkAssignee(context, input.assigneeId)),
    ...(await checkDeciders(context, { type: input.type, policy, authors, profileIds })),
  ];
  return { resolved, errors };
}

interface NewPostRows {
  readonly input: NewPostInput;
  readonly revision: NewRevisionRow;
  readonly resolved: ResolvedPolicy;
  readonly loaded: LoadedParts;
}

async function insertAll(
  context: RequestContext,
  transaction: TenantTransaction,
  { input, revision, resolved, loaded }: NewPostRows,
): Promise<PendingStart | null> {
  const { caller, now } = context;
  const due = dueTimeOf(input) ?? noDueTime;
  const dueOfTarget = new Map(
    input.targets.map((target) => [target.profileId, dueTimeOf(target) ?? noDueTime]),
  );
  const targets = revision.content.targets.map((target) => ({
    ...target,
    due: dueOfTarget.get(target.profileId) ?? noDueTime,
  }));
  const isNew = await insertPost(transaction, {
    id: revision.post_id,
    type: input.type,
    origin: input.origin,
    revision_id: revision.id,
    revision_number: revision.number,
    copy: input.copy,
    due_at: due.dueAt,
    due_local: due.dueLocal,
    due_zone: due.dueZone,
    assignee_id: input.assigneeId,
    created_by: caller.memberId,
    blocked_on: draftBlocks(context, {
      revision,
      resolved,
      loaded,
      dueAt: due.dueAt,
      origin: input.origin,
    }),
  });
  // A twin of this request was faster; whatever is left to do, it does.
  if (!isNew) return null;
  await insertRevision(transaction, revision);
  await insertTargets(transaction, revision.post_id, targets);
  await insertPostEvent(transaction, {
    postId: revision.post_id,
    eventKey: 'api:created',
    type: 'post.created',
    occurredAt: now,
    actorId: caller.memberId,
    actorName: caller.name,
    data: { type: input.type, origin: input.origin },
  });
  if (!input.submit) return null;
  const post = await findPost(transaction, revision.post_id, null);
  const row = { ...revision, tenant_id: caller.tenantId, created_at: now };
  const { start } = await submitLocked(context, transaction, {
    post: post!,
    revision: row,
    targets: await listTargets(transaction, revision.post_id),
    resolved,
  });
  return start;
}

/** A revision's row with its hashes. */
export function newRevision(
  { caller }: RequestContext,
  revision: {
    id: string;
    postId: string;
    number: number;
    content: RevisionContent;
    authors: Record<Gate, string>;
  },
): NewRevisionRow {
  const hashes = hashRevision(revision.content);
  return {
    id: revision.id,
    post_id: revision.postId,
    number: revision.number,
    content: revision.content,
    content_hash: hashes.contentHash,
    design_hash: hashes.designHash,
    publish_hash: hashes.publishHash,
    authors: revision.authors,
    created_by: caller.memberId,
  };
}

/** What a draft waits for, by the same rule as everything else. */
export function draftBlocks(
  { caller, now }: RequestContext,
  draft: {
    revision: NewRevisionRow;
    resolved: ResolvedPolicy;
    loaded: LoadedParts;
    dueAt: Date | null;
    origin: 'human' | 'ai';
  },
): readonly Block[] {
  const { content, post_id: postId } = draft.revision;
  const revision = revisionRefOf({ ...draft.revision, tenant_id: caller.tenantId, created_at: now });
  const state = newPostState({
    tenantId: caller.tenantId,
    postId,
    type: content.type,
    origin: draft.origin,
    revision,
    ...draft.resolved,
    dueAtMs: draft.dueAt?.getTime() ?? null,
    targets: content.targets.map(({ targetId, profileId, type }) => {
      const { platform, account_kind: accountKind } = draft.loaded.profiles.get(profileId)!;
      return { targetId, profileId, platform, accountKind, type: type ?? content.type, dueAtMs: null };
    }),
  });
  return evaluate({ ...state, draft: true }).blockedOn;
}
