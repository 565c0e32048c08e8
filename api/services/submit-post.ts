import { findOutbox, insertOutbox, markOutboxDone } from '../../db/outbox.ts';
import {
  findPost,
  findRevision,
  listTargets,
  lockPostRow,
  type PostRow,
  type RevisionRow,
  setSubmitted,
  type TargetWithProfile,
} from '../../db/posts.ts';
import { inTransaction, type TenantTransaction } from '../../db/tenant-database.ts';
import { evaluate } from '../../domain/lifecycle.ts';
import { type NewPost, newPostState } from '../../domain/post-state.ts';
import { openPost } from '../../domain/reducer.ts';
import type { PostWorkflowInput } from '../../workflows/messages.ts';
import { notFound, Problem, type ProblemError } from '../problems.ts';
import type { RequestContext } from '../route.ts';
import {
  checkDeciders,
  checkDueTime,
  checkParts,
  loadParts,
  partsOf,
  policyOfProfiles,
  type ResolvedPolicy,
  refuseIfAny,
  revisionRefOf,
  runTargetOf,
} from './post-parts.ts';

/** A run that is to be started once the submission is committed. */
export interface PendingStart {
  readonly outboxId: string;
  readonly input: PostWorkflowInput;
}

export type Submission =
  | { readonly kind: 'submitted'; readonly post: PostRow; readonly start: PendingStart | null }
  /** The post has a run already, which decides. */
  | { readonly kind: 'has-run'; readonly post: PostRow };

/**
 * Submits a draft that has no run yet: in one transaction its row and the request for its run. Afterwards the run is
 * started directly; if that fails, a relay does it from the outbox. May run twice under one key.
 */
export async function submitDraft(context: RequestContext, postId: string): Promise<Submission> {
  const facts = await checkSubmission(context, postId);
  const submission = await inTransaction(context.database, async (transaction) => {
    const post = await lockPostRow(transaction, postId);
    if (!post) throw notFound('post');
    const done = await submittedBefore(context, transaction, post);
    if (done) return done;
    if (post.submitted_at) return { kind: 'has-run' as const, post };
    if (post.status !== 'DRAFT') throw new Problem('post-closed', 'The post has been cancelled');
    if (post.revision_id !== facts?.revision.id)
      throw new Problem('stale-revision', 'The post has been edited meanwhile; submit it again');
    return submitLocked(context, transaction, { post, ...facts });
  });
  if (submission.kind === 'submitted' && submission.start) await startRun(context, submission.start);
  return submission;
}

interface SubmissionFacts {
  readonly revision: RevisionRow;
  readonly targets: readonly TargetWithProfile[];
  readonly resolved: ResolvedPolicy;
}

/** Everything that is checked again when a draft is submitted; `null` for a post that has a run. */
async function checkSubmission(context: RequestContext, postId: string): Promise<SubmissionFacts | null> {
  const { database, caller } = context;
  const post = await findPostToSubmit(context, postId);
  if (post.submitted_at || post.status !== 'DRAFT') return null;
  const [revision, targets] = await Promise.all([
    findRevision(database, post.revision_id),
    listTargets(database, postId),
  ]);
  if (!revision) throw new Error(`Post ${caller.tenantId}/${postId} has no revision ${post.revision_id}`);
  const parts = partsOf(revision);
  const loaded = await loadParts(context, parts);
  const profileIds = targets.map((target) => target.profile_id);
  const resolved = await policyOfProfiles(context, profileIds);
  const { policy } = resolved;
  const errors: ProblemError[] = [
    ...checkParts(parts, loaded, { isDraft: false }),
    ...checkDueTime(post.due_at, context.now),
    ...targets.flatMap((target, index) =>
      checkDueTime(target.due_at, context.now, `/targets/${index}/dueAt`),
    ),
    ...(await checkDeciders(context, { type: post.type, policy, authors: revision.authors, profileIds })),
  ];
  refuseIfAny(errors);
  return { revision, targets, resolved };
}

async function findPostToSubmit(context: RequestContext, postId: string): Promise<PostRow> {
  const post = await findPost(context.database, postId, context.caller.profileIds);
  if (!post) throw notFound('post');
  return post;
}

/** This very request has submitted the post before, and was cut off before it could answer. */
async function submittedBefore(
  context: RequestContext,
  transaction: TenantTransaction,
  post: PostRow,
): Promise<Submission | null> {
  const outbox = context.hasKey ? await findOutbox(transaction, context.newId('outbox')) : undefined;
  if (!outbox) return null;
  const start = outbox.done_at ? null : { outboxId: outbox.id, input: outbox.input as PostWorkflowInput };
  return { kind: 'submitted', post, start };
}

/** Submits a post whose row the transaction holds: the row as its run will begin, and the request for the run. */
export async function submitLocked(
  context: RequestContext,
  transaction: TenantTransaction,
  { post, revision, targets, resolved }: SubmissionFacts & { post: PostRow },
): Promise<{ kind: 'submitted'; post: PostRow; start: PendingStart }> {
  const { caller, now, dependencies } = context;
  const submittedBy = { memberId: caller.memberId, name: caller.name };
  const newPost: NewPost = {
    tenantId: caller.tenantId,
    postId: post.id,
    type: post.type,
    origin: post.origin,
    revision: revisionRefOf(revision),
    ...resolved,
    dueAtMs: post.due_at?.getTime() ?? null,
    targets: targets.map((target) => runTargetOf(target, revision)),
  };
  const { state } = openPost(newPostState(newPost), submittedBy, now.getTime());
  const submitted = await setSubmitted(transaction, { state, readiness: evaluate(state), submittedAt: now });
  const { armLeadMs, acceptSignals } = dependencies.settings;
  const input: PostWorkflowInput = { post: newPost, submittedBy, settings: { armLeadMs, acceptSignals } };
  const outboxId = context.newId('outbox');
  await insertOutbox(transaction, { id: outboxId, postId: post.id, input });
  return { kind: 'submitted', post: submitted, start: { outboxId, input } };
}

/** Starts a run right after its submission was committed. A failure is no failure of the request: the relay follows. */
export async function startRun(context: RequestContext, { outboxId, input }: PendingStart): Promise<void> {
  try {
    await context.dependencies.postRuns.start(input);
    await markOutboxDone(context.database, outboxId);
  } catch (error) {
    context.log.warn(
      { err: error, postId: input.post.postId },
      'The run could not be started; the relay will',
    );
  }
}
