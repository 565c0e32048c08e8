import { describeDeciders, type LatenessRule } from './policy.ts';
import { type Gate, isVisual, type PostStatus } from './post.ts';
import {
  dueOf,
  gatesOf,
  hashFor,
  holdsOn,
  isMoving,
  isReconnect,
  openGate,
  type PostState,
  type TargetState,
} from './post-state.ts';

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
  'paused',
  'hold',
  'reconnect',
  'rate',
  'preparing',
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
  | 'holds'
  | 'paused'
  | 'cancelledAtMs'
  | 'expiredAtMs'
  | 'archived'
>;

/**
 * The one definition of "ready": maps a post's facts to its status and to what it waits for.
 *
 * An empty `blockedOn` with status `SCHEDULED` never occurs: a scheduled post waits at least for its due time, and
 * whoever compares `until-due` with the clock decides that it is due.
 */
export function evaluate(post: PostFacts): Readiness {
  const readiness = statusOf(post);
  // Nobody can do anything about it any more: what it says of an operator is over.
  return post.archived ? { ...readiness, blockedOn: [] } : readiness;
}

function statusOf(post: PostFacts): Readiness {
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
  const moving = targets.filter(isMoving);
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
  const review = gate === null ? [] : [gateBlock(post, gate)];
  const rest = [...stopBlocks(post), ...timeBlocks(post), ...restingBlocks(post)];
  if (gate === 'content') {
    const status = post.origin === 'ai' ? 'AI_GENERATED' : 'IN_REVIEW';
    return { status, blockedOn: [...copyBlocks(post), ...review, ...mediaBlocks(post), ...rest] };
  }
  if (gate === 'design' || mediaBlocks(post).length > 0)
    return { status: 'NEEDS_DESIGN', blockedOn: [...mediaBlocks(post), ...review, ...rest] };
  const isScheduled = waiting(post).some((target) => dueOf(post, target) !== null);
  return { status: isScheduled ? 'SCHEDULED' : 'APPROVED', blockedOn: [...review, ...rest] };
}

const waiting = (post: Pick<PostFacts, 'targets'>): TargetState[] =>
  post.targets.filter((target) => target.phase === 'WAITING');

/** What stops a post that would otherwise go out: a pause of its own, and the holds on its targets. */
function stopBlocks(post: PostFacts): Block[] {
  const paused: Block[] = post.paused
    ? [{ code: 'paused', message: `The post is paused${reasonOf(post.paused.reason)}; resume it` }]
    : [];
  return [...paused, ...forTargets(waiting(post), (target) => holdBlocks(post, target))];
}

const reasonOf = (reason: string | null): string => (reason ? `: ${reason}` : '');

const holdBlocks = (post: PostFacts, target: TargetState): Block[] =>
  holdsOn(post, target).map((hold) => {
    const { scope, subject, reason } = hold;
    if (isReconnect(hold)) return { code: 'reconnect', message: reason };
    const on = `${scope}${scope === 'platform' ? ` ${subject}` : ''}`;
    return { code: 'hold', message: `A hold on the ${on} stops it: ${reason}` };
  });

/** What time alone, or a due time, will settle. */
function timeBlocks(post: PostFacts): Block[] {
  const isReviewed = openGate(post) === null;
  return forTargets(waiting(post), (target) => {
    const dueAtMs = dueOf(post, target);
    if (dueAtMs === null) return [{ code: 'due-time', message: 'No due time is set' }];
    if (isReviewed && isHeldForLateness(post, target)) return [lateBlock(dueAtMs)];
    if (isReviewed && target.admittedAtMs !== null && target.admittedAtMs > dueAtMs)
      return [rateBlock(target, target.admittedAtMs)];
    if (target.preparingSinceMs !== null)
      return [untilBlock('preparing', `Media are being prepared for ${target.platform}; due at`, dueAtMs)];
    return [untilBlock('until-due', 'Due at', dueAtMs)];
  });
}

const rateBlock = ({ platform, isCapped }: TargetState, atMs: number): Block =>
  isCapped
    ? untilBlock('rate', `As many posts as ${platform} takes for now are out; the next is tried at`, atMs)
    : untilBlock('rate', `The rate of ${platform} admits it at`, atMs);

function untilBlock(code: BlockCode, what: string, atMs: number): Block {
  const at = new Date(atMs).toISOString();
  return { code, message: `${what} ${at}`, at };
}

/** What all targets share is said once, what only some have names them. */
function forTargets(targets: readonly TargetState[], blocksOf: (target: TargetState) => Block[]): Block[] {
  const all = targets.flatMap((target) => blocksOf(target).map((block) => ({ block, target })));
  const keys = all.map(({ block }) => JSON.stringify(block));
  const isShared = (key: string) => keys.filter((other) => other === key).length === targets.length;
  return all.flatMap(({ block, target: { targetId } }, index) => {
    if (!isShared(keys[index]!)) return [{ ...block, targetId }];
    return keys.indexOf(keys[index]!) === index ? [block] : [];
  });
}

/** Targets that ended badly while their siblings still wait. */
const restingBlocks = (post: PostFacts): Block[] =>
  post.targets
    .filter(({ phase }) => phase === 'FAILED' || phase === 'UNCONFIRMED')
    .map((target) => operatorBlock(target));

const copyBlocks = (post: PostFacts): Block[] =>
  post.type === 'TEXT_ONLY' && !post.revision.hasCopy
    ? [{ code: 'copy', message: 'A text post needs copy' }]
    : [];

/** How many pieces of media a type needs before its design can be approved. */
export const mediaNeeded = (type: PostFacts['type']): number =>
  type === 'CAROUSEL' ? 2 : isVisual(type) ? 1 : 0;

/** The same for a post: what the neediest of its targets wants. */
export const mediaNeededFor = (post: Pick<PostFacts, 'type' | 'targets'>): number =>
  Math.max(mediaNeeded(post.type), ...post.targets.map((target) => mediaNeeded(target.type)));

function mediaBlocks(post: PostFacts): Block[] {
  const needed = mediaNeededFor(post);
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
  const deciders = describeDeciders(policy, state.escalatedAtMs !== null);
  const overdue = state.reminders > 0 ? `; overdue, reminded ${state.reminders} times` : '';
  return { code: 'gate', gate, message: `The ${gate} gate waits for ${deciders}${votes}${overdue}` };
}

/** The lateness rule of the gate that opened last holds the target: its post was ready after it was due. */
export const isHeldForLateness = (post: PostFacts, target: OwnTime = noOwnTime): boolean =>
  isLate(post, target) && lateRule(post) === 'hold';

type OwnTime = Pick<TargetState, 'dueAtMs' | 'freeSinceMs'>;
const noOwnTime: OwnTime = { dueAtMs: null, freeSinceMs: null };

/** Whether the last obstacle that people put in its way, a gate, a pause or a hold, fell after the due time. */
export function isLate(post: Pick<PostFacts, 'readyAtMs' | 'dueAtMs'>, target: OwnTime = noOwnTime): boolean {
  const dueAtMs = dueOf(post, target);
  if (post.readyAtMs === null || dueAtMs === null) return false;
  return Math.max(post.readyAtMs, target.freeSinceMs ?? 0) > dueAtMs;
}

/**
 * The rule for what is late. A post expires whole or not at all: where sending has begun, or a target is not late,
 * what is late waits for a person.
 */
export function lateRule(
  post: Pick<PostFacts, 'policy' | 'lastGate' | 'targets' | 'readyAtMs' | 'dueAtMs'>,
): LatenessRule {
  const rule = post.policy[post.lastGate ?? 'publish'].lateness;
  const isWhole = post.targets.every(
    (target) => target.phase === 'WAITING' && target.cycle === 1 && isLate(post, target),
  );
  return rule === 'expire' && !isWhole ? 'hold' : rule;
}

const lateBlock = (dueAtMs: number): Block => ({
  code: 'late',
  message: `Ready only after it was due (${new Date(dueAtMs).toISOString()}): reschedule it, publish it now, or cancel it`,
});

/** The targets between which and their publication nothing stands but time: each approval is of what would be sent. */
export function targetsReadyButForTime(post: PostFacts): TargetState[] {
  if (post.draft || post.paused || post.cancelledAtMs !== null || post.expiredAtMs !== null) return [];
  const isCurrent = (gate: Gate) => post.gates[gate].approvedHash === hashFor(gate, post.revision);
  if (!gatesOf(post.type).every(isCurrent) || mediaBlocks(post).length > 0) return [];
  return waiting(post).filter(
    (target) =>
      dueOf(post, target) !== null && holdsOn(post, target).length === 0 && !isHeldForLateness(post, target),
  );
}
