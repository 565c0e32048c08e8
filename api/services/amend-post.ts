import {
  findNewestAmendment,
  insertAmendment,
  lockAmendment,
  setAmendment,
  type WholeAmendment,
} from '../../db/amendments.ts';
import { insertAmendmentRequest } from '../../db/outbox.ts';
import {
  findRevision,
  insertRevision,
  listRevisions,
  listTargets,
  type PostRow,
  type RevisionRow,
  type TargetWithProfile,
} from '../../db/posts.ts';
import { inTransaction, type TenantTransaction } from '../../db/tenant-database.ts';
import { insertPostEvent } from '../../db/timeline.ts';
import {
  type AmendmentState,
  amendedContent,
  decideAmendment,
  openAmendment,
} from '../../domain/amending.ts';
import type { DecideCommand } from '../../domain/commands.ts';
import { digestOf } from '../../domain/digest.ts';
import { gates } from '../../domain/post.ts';
import type { GateState, NewPost } from '../../domain/post-state.ts';
import { Problem } from '../problems.ts';
import type { RequestContext } from '../route.ts';
import type { AmendInput, AmendmentDecisionInput } from '../schemas/amendments.ts';
import { changesOf, readStage, refuseIfWrong, targetsOf } from './check-amendment.ts';
import { newRevision } from './create-post.ts';
import { requireSubmitted } from './post-commands.ts';
import { checkDeciders, policyOfProfiles, revisionRefOf, runTargetOf } from './post-parts.ts';

/**
 * Proposes to change what stands in public. What it would say is a revision of its own, which passes the content gate like
 * any other; nothing is sent before. May run twice under one key.
 */
export async function proposeAmendment(
  context: RequestContext,
  postId: string,
  input: AmendInput,
): Promise<WholeAmendment> {
  const post = await requireSubmitted(context, postId);
  const id = context.newId('amendment');
  const open = await findNewestAmendment(context.database, postId);
  if (open?.id === id) return startIfSending(context, open);
  if (open && isOpen(open.state)) throw alreadyOpen();
  const stage = await readStage(context, post);
  const changes = changesOf(input, stage);
  const content = amendedContent(stage.current.content, stage.saidBy, changes);
  await refuseIfWrong(context, { input, stage, changes, content });
  const revision = newRevision(context, {
    ...{ id: context.newId('amended revision'), postId, content },
    number: (await newestNumber(context, postId)) + 1,
    authors: { ...stage.current.authors, content: context.caller.memberId },
  });
  const row: RevisionRow = { ...revision, tenant_id: context.caller.tenantId, created_at: context.now };
  const proposed = await gatedPost(context, post, row, targetsOf(stage, changes));
  await refuseWithoutDeciders(context, proposed);
  const opened = openAmendment(proposed, context.now.getTime());
  const isInserted = await inTransaction(context.database, async (transaction) => {
    await insertRevision(transaction, revision);
    const isNew = await insertAmendment(transaction, {
      ...{ id, postId, revisionId: revision.id, ...opened, state: stateAfter(opened.gate) },
      ...{ proposedBy: context.caller.memberId, proposedByName: context.caller.name },
      proposedAt: context.now,
      targets: changes.map(({ targetId }) => ({
        targetId,
        publicationId: stage.publicationOf.get(targetId)!,
      })),
    });
    if (!isNew) return false;
    await note(context, transaction, { id, postId }, 'post.amendment-proposed', { targets: changes.length });
    await sendIfApproved(context, transaction, { id, postId }, opened.gate);
    return true;
  });
  if (!isInserted) throw alreadyOpen();
  return startIfSending(context, await requireNewest(context, postId));
}

/** A vote or a rejection at the open amendment's content gate. The same again is answered and counted once. */
export async function decideOnAmendment(
  context: RequestContext,
  postId: string,
  { verdict, hash, notes }: AmendmentDecisionInput,
): Promise<WholeAmendment> {
  const post = await requireSubmitted(context, postId);
  const amendment = await findNewestAmendment(context.database, postId);
  if (!amendment) throw noneOpen();
  const { memberId } = context.caller;
  const commandId = digestOf('amend', amendment.id, memberId, hash, verdict);
  if (amendment.decisions.some((said) => said.commandId === commandId))
    return startIfSending(context, amendment);
  const revision = await findRevision(context.database, amendment.revision_id);
  const targets = await listTargets(context.database, postId);
  const proposed = await gatedPost(context, post, revision!, targets.filter(isAmongst(amendment)));
  const command: DecideCommand = {
    ...{ kind: 'decide', commandId, actor: context.actor, gate: 'content', verdict, hash, notes },
    returnTo: null,
  };
  await inTransaction(context.database, async (transaction) => {
    const locked = await lockAmendment(transaction, amendment.id);
    if (locked?.state !== 'PROPOSED') throw noneOpen();
    const decided = decideAmendment(proposed, locked, command, context.now.getTime());
    if (!decided.ok) throw new Problem(decided.refusal.code, decided.refusal.message);
    const state = stateAfter(decided.gate);
    const closedAt = state === 'REJECTED' ? context.now : null;
    await setAmendment(transaction, locked.id, { ...decided, state, closedAt });
    const type = verdict === 'reject' ? 'post.amendment-rejected' : 'post.amendment-voted';
    await note(context, transaction, { id: locked.id, postId }, type, { notes });
    await sendIfApproved(context, transaction, { id: locked.id, postId }, decided.gate);
  });
  return startIfSending(context, await requireNewest(context, postId));
}

/** Calls an amendment off before it is decided. */
export async function withdrawAmendment(context: RequestContext, postId: string): Promise<WholeAmendment> {
  await requireSubmitted(context, postId);
  const amendment = await findNewestAmendment(context.database, postId);
  if (!amendment) throw noneOpen();
  await inTransaction(context.database, async (transaction) => {
    const locked = await lockAmendment(transaction, amendment.id);
    if (locked?.state !== 'PROPOSED') throw noneOpen();
    await setAmendment(transaction, locked.id, { ...locked, state: 'WITHDRAWN', closedAt: context.now });
    await note(context, transaction, { id: locked.id, postId }, 'post.amendment-withdrawn', {});
  });
  return requireNewest(context, postId);
}

const isOpen = (state: AmendmentState): boolean => state === 'PROPOSED' || state === 'SENDING';
const alreadyOpen = () =>
  new Problem('amendment-open', 'Another amendment of the post waits for a decision, or is being sent');
const noneOpen = () => new Problem('no-open-amendment', 'No amendment of the post waits for a decision');

async function requireNewest({ database }: RequestContext, postId: string): Promise<WholeAmendment> {
  const amendment = await findNewestAmendment(database, postId);
  if (!amendment) throw new Error(`The amendment of post ${postId} is not there`);
  return amendment;
}

const isAmongst =
  ({ targets }: WholeAmendment) =>
  ({ id }: TargetWithProfile): boolean =>
    targets.some(({ target_id }) => target_id === id);

async function newestNumber({ database }: RequestContext, postId: string): Promise<number> {
  const [newest] = await listRevisions(database, postId, { before: undefined, limit: 1 });
  return newest?.number ?? 0;
}

/** The post as its content gate would see it with the amendment's words, under the policies as they are now. */
async function gatedPost(
  context: RequestContext,
  post: PostRow,
  revision: RevisionRow,
  targets: readonly TargetWithProfile[],
): Promise<NewPost> {
  const resolved = await policyOfProfiles(
    context,
    targets.map(({ profile_id }) => profile_id),
  );
  return {
    ...{ tenantId: context.caller.tenantId, postId: post.id, type: post.type, origin: post.origin },
    ...{ revision: revisionRefOf(revision), ...resolved, dueAtMs: null },
    targets: targets.map((target) => runTargetOf(target, revision)),
  };
}

async function refuseWithoutDeciders(
  context: RequestContext,
  { type, policy, revision, targets }: NewPost,
): Promise<void> {
  const profileIds = targets.map(({ profileId }) => profileId);
  const [error] = await checkDeciders(
    context,
    { type, policy, authors: revision.authors, profileIds },
    gates.slice(0, 1),
  );
  if (error) throw new Problem('no-eligible-decider', error.message, { errors: [error] });
}

const stateAfter = ({ status }: GateState): AmendmentState => {
  if (status === 'approved') return 'SENDING';
  return status === 'rejected' ? 'REJECTED' : 'PROPOSED';
};

/** In the transaction that approves it: from here on it goes out, whatever becomes of this process. */
async function sendIfApproved(
  context: RequestContext,
  transaction: TenantTransaction,
  amendment: { id: string; postId: string },
  gate: GateState,
): Promise<void> {
  if (gate.status !== 'approved') return;
  await insertAmendmentRequest(transaction, amendment.id);
  await note(context, transaction, amendment, 'post.amendment-approved', { by: gate.decidedBy });
}

/** By a request committed before. If it fails, the relay does it. */
async function startIfSending(context: RequestContext, amendment: WholeAmendment): Promise<WholeAmendment> {
  if (amendment.state !== 'SENDING') return amendment;
  const { caller, dependencies, log } = context;
  try {
    await dependencies.postRuns.startAmendment({ tenantId: caller.tenantId, requestId: amendment.id });
  } catch (error) {
    log.warn({ err: error, requestId: amendment.id }, 'The amendment could not be started; the relay will');
  }
  return amendment;
}

const note = (
  { caller, now }: RequestContext,
  transaction: TenantTransaction,
  { id, postId }: { id: string; postId: string },
  type: string,
  data: Record<string, string | number | null>,
): Promise<void> =>
  insertPostEvent(transaction, {
    ...{ postId, eventKey: `api:amendment:${id}:${type}:${caller.memberId}`, type, occurredAt: now },
    ...{ actorId: caller.memberId, actorName: caller.name, data: { amendmentId: id, ...data } },
  });
