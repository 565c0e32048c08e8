import {
  type DueTime,
  findPost,
  findRevision,
  listTargets,
  lockPostRow,
  type PostRow,
  setDraft,
  setDraftCancelled,
  setDueWallClock,
  setTargetDue,
  setTargetsCancelled,
  setTargetWallClock,
} from '../../db/posts.ts';
import { inTransaction, type TenantTransaction } from '../../db/tenant-database.ts';
import { insertPostEvent, listDecisions } from '../../db/timeline.ts';
import { digestOf } from '../../domain/digest.ts';
import { evaluate } from '../../domain/lifecycle.ts';
import { isClosed } from '../../domain/post.ts';
import { newPostState } from '../../domain/post-state.ts';
import { notFound, Problem } from '../problems.ts';
import type { RequestContext } from '../route.ts';
import type { DecisionInput, PostAnswer, ResolveInput, ScheduleInput } from '../schemas/posts.ts';
import { dueTimeOf } from './due-times.ts';
import {
  checkDueTime,
  checkRevision,
  policyOfProfiles,
  refuseIfAny,
  revisionRefOf,
  runTargetOf,
} from './post-parts.ts';
import { answerOfRow, runCommand } from './run-command.ts';
import { submitDraft } from './submit-post.ts';

async function requirePost({ database, caller }: RequestContext, postId: string): Promise<PostRow> {
  const post = await findPost(database, postId, caller.profileIds);
  if (!post) throw notFound('post');
  return post;
}

/** A post that has been submitted before: its run decides. */
export async function requireSubmitted(context: RequestContext, postId: string): Promise<PostRow> {
  const post = await requirePost(context, postId);
  if (post.submitted_at) return post;
  if (isClosed(post.status)) throw new Problem('post-closed', 'The post has been cancelled');
  throw new Problem('not-submitted', 'The post is a draft; submit it first');
}

/** Submits a draft, or submits again what was withdrawn or sent back. */
export async function submitPost(context: RequestContext, postId: string): Promise<PostAnswer> {
  const submission = await submitDraft(context, postId);
  if (submission.kind === 'submitted') return answerOfRow(submission.post);
  const { post } = submission;
  const revision = await findRevision(context.database, post.revision_id);
  return runCommand(context, postId, {
    kind: 'submit',
    ...commandBase(context),
    revision: revisionRefOf(revision!),
    dueAtMs: post.due_at?.getTime() ?? null,
    targets: (await listTargets(context.database, postId)).map((target) => ({
      targetId: target.id,
      dueAtMs: target.due_at?.getTime() ?? null,
    })),
  });
}

export const commandBase = ({ newId, actor }: RequestContext) => ({ commandId: newId('command'), actor });

export async function withdrawPost(context: RequestContext, postId: string): Promise<PostAnswer> {
  await requireSubmitted(context, postId);
  return runCommand(context, postId, { kind: 'withdraw', ...commandBase(context) });
}

/**
 * Decides at a gate. Without a key the decision is its own: the same member saying the same of the same hash in the
 * same round has said it once. Said again, it is answered from the row: the run would repeat its first answer word for
 * word, also when the post has moved on since.
 */
export async function decidePost(
  context: RequestContext,
  postId: string,
  { gate, verdict, hash, notes, returnTo }: DecisionInput,
): Promise<PostAnswer> {
  const post = await requireSubmitted(context, postId);
  const round = String(post.gates?.[gate].round ?? 1);
  const { memberId } = context.caller;
  const commandId = context.hasKey
    ? context.newId('command')
    : digestOf('decide', memberId, gate, hash, verdict, round);
  const said = await listDecisions(context.database, postId);
  if (said.some((decision) => decision.command_id === commandId))
    return answerOfRow(await requirePost(context, postId), true);
  if (verdict === 'approve') await refuseBrokenRules(context, post);
  const decision = { gate, verdict, hash, notes, returnTo };
  return runCommand(context, postId, { kind: 'decide', commandId, actor: context.actor, ...decision });
}

/** Nobody approves what a platform would refuse: what was right when it was written may not be right any more. */
async function refuseBrokenRules(context: RequestContext, post: PostRow): Promise<void> {
  const revision = await findRevision(context.database, post.revision_id);
  if (revision) refuseIfAny(await checkRevision(context, revision));
}

/** Sets the due time of a post, or of some of its targets: on the rows of a draft, withdrawn or new, by the run otherwise. */
export async function schedulePost(
  context: RequestContext,
  postId: string,
  input: ScheduleInput,
): Promise<PostAnswer> {
  const post = await requirePost(context, postId);
  const times: DueTimes = {
    due: dueTimeOf(input),
    targets: input.targets.map((target) => ({ targetId: target.targetId, due: dueTimeOf(target)! })),
  };
  await checkTimes(context, postId, times);
  if (post.status === 'DRAFT' || !post.submitted_at) return scheduleDraft(context, postId, times);
  const answer = await runCommand(context, postId, {
    kind: 'schedule',
    ...commandBase(context),
    dueAtMs: times.due?.dueAt?.getTime() ?? null,
    targets: times.targets.map(({ targetId, due }) => ({ targetId, dueAtMs: due.dueAt?.getTime() ?? null })),
  });
  const { due, targets } = times;
  if (due) await setDueWallClock(context.database, postId, due);
  for (const target of targets) await setTargetWallClock(context.database, target.targetId, target.due);
  return answer;
}

interface DueTimes {
  readonly due: DueTime | undefined;
  readonly targets: readonly { readonly targetId: string; readonly due: DueTime }[];
}

async function checkTimes(
  context: RequestContext,
  postId: string,
  { due, targets }: DueTimes,
): Promise<void> {
  const known = await listTargets(context.database, postId);
  refuseIfAny([
    ...checkDueTime(due?.dueAt ?? null, context.now),
    ...targets.flatMap((target, index) =>
      checkDueTime(target.due.dueAt, context.now, `/targets/${index}/dueAt`),
    ),
  ]);
  const unknown = targets.find(({ targetId }) => !known.some(({ id }) => id === targetId));
  if (unknown) throw new Problem('unknown-target', `The post has no target ${unknown.targetId}`);
}

async function scheduleDraft(
  context: RequestContext,
  postId: string,
  { due, targets }: DueTimes,
): Promise<PostAnswer> {
  return inTransaction(context.database, async (transaction) => {
    const post = await lockDraft(transaction, postId);
    for (const target of targets) await setTargetDue(transaction, target.targetId, target.due);
    const blockedOn = await blocksOfDraft(context, transaction, post, due?.dueAt ?? post.due_at);
    const changed = await setDraft(transaction, postId, { ...due, blockedOn });
    await noteEvent(context, transaction, postId, 'post.scheduled', {
      dueAt: changed.due_at?.toISOString() ?? null,
    });
    return answerOfRow(changed);
  });
}

/** A draft's row, locked; refused when it was submitted or cancelled meanwhile. */
async function lockDraft(transaction: TenantTransaction, postId: string): Promise<PostRow> {
  const post = await lockPostRow(transaction, postId);
  if (!post) throw notFound('post');
  if (isClosed(post.status)) throw new Problem('post-closed', 'The post has been cancelled');
  if (post.status !== 'DRAFT') throw justSubmitted();
  return post;
}

const justSubmitted = () => new Problem('already-submitted', 'The post has just been submitted; try again');

async function blocksOfDraft(
  context: RequestContext,
  transaction: TenantTransaction,
  post: PostRow,
  dueAt: Date | null,
) {
  const revision = await findRevision(transaction, post.revision_id);
  const targets = await listTargets(transaction, post.id);
  const resolved = await policyOfProfiles(
    context,
    targets.map((target) => target.profile_id),
  );
  const state = newPostState({
    tenantId: context.caller.tenantId,
    postId: post.id,
    type: post.type,
    origin: post.origin,
    revision: revisionRefOf(revision!),
    ...resolved,
    dueAtMs: dueAt?.getTime() ?? null,
    targets: targets.map((target) => runTargetOf(target, revision!)),
  });
  return evaluate({ ...state, draft: true }).blockedOn;
}

function noteEvent(
  { caller, now, newId }: RequestContext,
  transaction: TenantTransaction,
  postId: string,
  type: string,
  data: Record<string, string | null>,
): Promise<void> {
  return insertPostEvent(transaction, {
    postId,
    eventKey: `api:${newId(type)}`,
    type,
    occurredAt: now,
    actorId: caller.memberId,
    actorName: caller.name,
    data,
  });
}

/** Casts the caller's publish vote and skips the due time; answers before anything is sent. */
export async function publishPostNow(
  context: RequestContext,
  postId: string,
  hash: string,
): Promise<PostAnswer> {
  await refuseBrokenRules(context, await requireSubmitted(context, postId));
  return runCommand(context, postId, { kind: 'publishNow', ...commandBase(context), hash });
}

/** A person's word on a target whose outcome nobody could tell. */
export async function resolvePost(
  context: RequestContext,
  postId: string,
  input: ResolveInput,
): Promise<PostAnswer> {
  await requireSubmitted(context, postId);
  return runCommand(context, postId, { kind: 'resolve', ...commandBase(context), ...input });
}

/** Stops a post until it is resumed. */
export async function pausePost(
  context: RequestContext,
  postId: string,
  reason: string | null,
): Promise<PostAnswer> {
  await requireSubmitted(context, postId);
  return runCommand(context, postId, { kind: 'pause', ...commandBase(context), reason });
}

export async function resumePost(context: RequestContext, postId: string): Promise<PostAnswer> {
  await requireSubmitted(context, postId);
  return runCommand(context, postId, { kind: 'resume', ...commandBase(context) });
}

/** Closes a post that has failed, or is in doubt, for good. */
export async function archivePost(context: RequestContext, postId: string): Promise<PostAnswer> {
  await requireSubmitted(context, postId);
  return runCommand(context, postId, { kind: 'archive', ...commandBase(context) });
}

/** Cancels what has not been sent; a draft that was never submitted is cancelled on its row. */
export async function cancelPost(
  context: RequestContext,
  postId: string,
  reason: string | null,
): Promise<PostAnswer> {
  const post = await requirePost(context, postId);
  if (post.submitted_at)
    return runCommand(context, postId, { kind: 'cancel', ...commandBase(context), reason });
  return inTransaction(context.database, async (transaction) => {
    const draft = await lockDraft(transaction, postId);
    if (draft.submitted_at) throw justSubmitted();
    const cancelled = await setDraftCancelled(transaction, postId);
    await setTargetsCancelled(transaction, postId);
    await noteEvent(context, transaction, postId, 'post.cancelled', { reason });
    return answerOfRow(cancelled);
  });
}
