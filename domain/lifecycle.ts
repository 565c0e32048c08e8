import { describeDeciders, type LatenessRule } from './policy.ts';
import { type Gate, isVisual, type PostStatus } from './post.ts';
import { gatesOf, hashFor, openGate, type PostState, type TargetState } from './post-state.ts';

/** Everything that can stand between a post and its publication. */
export const blockCodes = [
  'submit',
  'copy',
  'gate',
  'changes-requested',
  'media',
  'due-time',
  'until-due',
  'late',
  'publishing',
  'operator',
] as const;
export type BlockCode = (typeof blockCodes)[number];

/** One thing a post waits for, in words and codes. */
export interface Block {
  readonly code: BlockCode;
  readonly message: string;
  readonly gate?: Gate;
  readonly targetId?: string;
  /** The instant at which time alone removes the block, ISO 8601. */
  readonly at?: string;
}

export interface Readiness {
  readonly status: PostStatus;
  readonly blockedOn: readonly Block[];
}

/** The facts "ready" is decided from. A `PostState` is one; a draft row gives the same. */
export type PostFacts = Pick<
  PostState,
  | 'type'
  | 'origin'
  | 'draft'
  | 'revision'
  | 'policy'
  | 'gates'
  | 'dueAtMs'
  | 'readyAtMs'
  | 'lastGate'
  | 'targets'
  | 'cancelledAtMs'
  | 'expiredAtMs'
>;

/**
 * The one definition of "ready": maps a post's facts to its status and to what it waits for.
 *
 * An empty `blockedOn` with status `SCHEDULED` never occurs: a scheduled post waits at least for its due time, and
 * whoever compares `until-due` with the clock decides that it is due.
 */
export function evaluate(post: PostFacts): Readiness {
  if (post.expiredAtMs !== null) return { status: 'EXPIRED', blockedOn: [] };
  const outcome = outcomeOf(post.targets);
  if (outcome) return outcome;
  if (post.cancelledAtMs !== null) return { status: 'CANCELLED', blockedOn: [] };
  if (post.draft) return { status: 'DRAFT', blockedOn: draftBlocks(post) };
  return reviewOf(post);
}

function draftBlocks(post: PostFacts): Block[] {
  const submit: Block = { code: 'submit', message: 'The draft has not been submitted for review' };
  return [...copyBlocks(post), submit];
}

/** What the targets alone decide: sending, sent, failed. `null` while at least one still waits and none is sending. */
function outcomeOf(targets: readonly TargetState[]): Readiness | null {
  const moving = targets.filter((target) => target.phase === 'ARMING' || target.phase === 'RECONCILING');
  if (moving.length > 0) return { status: 'PUBLISHING', blockedOn: moving.map(movingBlock) };
  if (targets.some((target) => target.phase === 'WAITING')) return null;
  const live = targets.filter((target) => target.phase !== 'CANCELLED');
  if (live.length === 0) return null;
  const unconfirmed = live.filter((target) => target.phase === 'UNCONFIRMED');
  if (unconfirmed.length > 0) return { status: 'UNCONFIRMED', blockedOn: unconfirmed.map(operatorBlock) };
  const failed = live.filter((target) => target.phase === 'FAILED');
  if (failed.length === 0 && live.length === targets.length) return { status: 'PUBLISHED', blockedOn: [] };
  const anyPublished = live.some((target) => target.phase === 'PUBLISHED');
  return { status: anyPublished ? 'PARTIALLY_PUBLISHED' : 'FAILED', blockedOn: failed.map(operatorBlock) };
}

function movingBlock(target: TargetState): Block {
  const message =
    target.phase === 'RECONCILING'
      ? `Asking ${target.platform} whether the last attempt took effect`
      : `Armed for ${target.platform}, or being sent`;
  return { code: 'publishing', message, targetId: target.targetId };
}

function operatorBlock(target: TargetState): Block {
  const reason = target.error ? `: ${target.error.message}` : '';
  const message =
    target.phase === 'UNCONFIRMED'
      ? `Nobody can tell whether ${target.platform} took the post${reason}; a person must look`
      : `${target.platform} did not take the post${reason}; retry or cancel`;
  return { code: 'operator', message, targetId: target.targetId };
}

function reviewOf(post: PostFacts): Readiness {
  const gate = openGate(post);
  const dueTime = dueTimeBlocks(post);
  if (gate === 'content') {
    const status = post.origin === 'ai' ? 'AI_GENERATED' : 'IN_REVIEW';
    return {
      status,
      blockedOn: [...copyBlocks(post), gateBlock(post, gate), ...mediaBlocks(post), ...dueTime],
    };
  }
  if (gate === 'design' || mediaBlocks(post).length > 0) {
    const blocks = gate === null ? [] : [gateBlock(post, gate)];
    return { status: 'NEEDS_DESIGN', blockedOn: [...mediaBlocks(post), ...blocks, ...dueTime] };
  }
  const publishBlocks = gate === null ? [] : [gateBlock(post, gate)];
  const status = post.dueAtMs === null ? 'APPROVED' : 'SCHEDULED';
  if (publishBlocks.length === 0 && isHeldForLateness(post)) return { status, blockedOn: [lateBlock(post)] };
  return { status, blockedOn: [...publishBlocks, ...dueTime] };
}

const copyBlocks = (post: PostFacts): Block[] =>
  post.type === 'TEXT_ONLY' && !post.revision.hasCopy
    ? [{ code: 'copy', message: 'A text post needs copy' }]
    : [];

/** How many pieces of media a type needs before its design can be approved. */
export const mediaNeeded = (type: PostFacts['type']): number =>
  type === 'CAROUSEL' ? 2 : isVisual(type) ? 1 : 0;

function mediaBlocks(post: PostFacts): Block[] {
  const needed = mediaNeeded(post.type);
  const has = post.revision.mediaCount;
  if (has >= needed) return [];
  return [{ code: 'media', message: `Media is missing: ${has} of at least ${needed} for ${post.type}` }];
}

function gateBlock(post: PostFacts, gate: Gate): Block {
  const state = post.gates[gate];
  if (state.status === 'rejected') {
    const notes = state.notes ? `: ${state.notes}` : '';
    return { code: 'changes-requested', gate, message: `Changes requested at the ${gate} gate${notes}` };
  }
  const policy = post.policy[gate];
  const missing = policy.quorum - state.votes.length;
  const votes = policy.quorum > 1 ? ` (${missing} of ${policy.quorum} approvals missing)` : '';
  return { code: 'gate', gate, message: `The ${gate} gate waits for ${describeDeciders(policy)}${votes}` };
}

function dueTimeBlocks(post: PostFacts): Block[] {
  if (post.dueAtMs === null) return [{ code: 'due-time', message: 'No due time is set' }];
  const at = new Date(post.dueAtMs).toISOString();
  return [{ code: 'until-due', message: `Due at ${at}`, at }];
}

/** The lateness rule of the gate that opened last holds the post: its gates opened after the due time. */
export function isHeldForLateness(post: PostFacts): boolean {
  return isLate(post) && lateRule(post) === 'hold';
}

/** Whether the last gate opened after the due time. */
export const isLate = (post: Pick<PostFacts, 'readyAtMs' | 'dueAtMs'>): boolean =>
  post.readyAtMs !== null && post.dueAtMs !== null && post.readyAtMs > post.dueAtMs;

/** The rule for a late post. One that sending has begun for no longer expires: what is left waits for a person. */
export function lateRule(post: Pick<PostFacts, 'policy' | 'lastGate' | 'targets'>): LatenessRule {
  const rule = post.policy[post.lastGate ?? 'publish'].lateness;
  const hasBegun = post.targets.some((target) => target.phase !== 'WAITING' || target.cycle > 1);
  return rule === 'expire' && hasBegun ? 'hold' : rule;
}

function lateBlock(post: PostFacts): Block {
  const due = post.dueAtMs === null ? 'its due time' : new Date(post.dueAtMs).toISOString();
  return {
    code: 'late',
    message: `Approved after it was due (${due}): reschedule it, publish it now, or cancel it`,
  };
}

/** Whether nothing but time stands between the post and its publication: each approval is of what would be sent. */
export function isReadyButForTime(post: PostFacts): boolean {
  if (post.draft || post.cancelledAtMs !== null || post.expiredAtMs !== null) return false;
  if (!post.targets.some((target) => target.phase === 'WAITING')) return false;
  const isCurrent = (gate: Gate) => post.gates[gate].approvedHash === hashFor(gate, post.revision);
  if (!gatesOf(post.type).every(isCurrent)) return false;
  // The targets that wait are asked about, whatever becomes of their siblings.
  const { status, blockedOn } = reviewOf(post);
  return status === 'SCHEDULED' && blockedOn.every((block) => block.code === 'until-due');
}
