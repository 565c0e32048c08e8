import { bump, type Change, entry } from './change.ts';
import type { TimelineEntry } from './commands.ts';
import { passGate, reopenGates, settleGates, withGate } from './gating.ts';
import { mayDecide, type PostPolicy } from './policy.ts';
import {
  gatesOf,
  type HoldRef,
  holdsOn,
  isReconnect,
  type PostState,
  type TargetState,
  type Vote,
} from './post-state.ts';

/** What holds around a post and changes without a word to it: the policies, the holds, and receipts that came late. */
export interface PostConditions {
  readonly policyVersion: number;
  /** The post's policy at that version; `null` when it is the one the run knows. */
  readonly policy: PostPolicy | null;
  readonly holds: readonly HoldRef[];
  /** Targets whose rows have a receipt that the run has not heard of. */
  readonly receipts: readonly Receipt[];
  /** What is being sent, or may have been, without the run's knowing. Absent in histories older than it, and where there is none. */
  readonly doubts?: readonly Doubt[];
}

/** What a run compares with what it knows, to learn that its conditions have changed. */
export interface ConditionsMark {
  /** The version of the tenant's policies, its own and its profiles' together. */
  readonly policyVersion: number;
  /** The holds that stand against any of the post's targets, and its profiles that must be connected again; sorted. */
  readonly holdIds: readonly string[];
  /** A row tells of a target what its last projected phase does not know. Left out where none does: histories keep marks. */
  readonly hasNews?: true;
}

/** A target whose row says that it may be out, and what was sent. */
export interface Doubt {
  readonly targetId: string;
  readonly revisionId: string;
  readonly approvedHash: string;
}

/** Nothing is under way for such a target, as far as its run knows. */
export const phasesAtRest = ['WAITING', 'FAILED', 'CANCELLED'] as const satisfies TargetState['phase'][];

/**
 * In doubt when the receipt came; or, after a reset or a resend, so far behind that the run does not know what it sent. A
 * target that is being sent learns of it as the sending ends.
 */
export const phasesWithoutReceipt = [
  'UNCONFIRMED',
  ...phasesAtRest,
] as const satisfies TargetState['phase'][];

type Receipt = Pick<TargetState, 'targetId'> & {
  readonly publicId: string;
  readonly permalink: string | null;
  readonly publishedAtMs: number;
};

/**
 * Takes changed conditions on; `null` when nothing has changed. A stricter policy opens gates again that the policy had
 * passed, never a person's decision; a laxer one passes what waits for nobody any more. A hold that is lifted after the
 * due time leaves what it stopped late. A draft takes nothing on: its row speaks for it until it is submitted.
 */
export function applyConditions(state: PostState, conditions: PostConditions, nowMs: number): Change | null {
  if (state.draft) return null;
  const timeline: TimelineEntry[] = [];
  const resolved = withPolicy(state, conditions, timeline, nowMs);
  const held = withHolds(resolved, conditions, timeline, nowMs);
  const next = withDoubts(withReceipts(held, conditions, timeline, nowMs), conditions);
  if (next === state) return null;
  return settleGates(state, { state: bump(next), timeline, decisions: [] }, nowMs);
}

function withPolicy(
  state: PostState,
  { policy, policyVersion }: PostConditions,
  timeline: TimelineEntry[],
  nowMs: number,
): PostState {
  if (policyVersion <= state.policyVersion) return state;
  const current = policy ?? state.policy;
  const isSame = JSON.stringify(current) === JSON.stringify(state.policy);
  const tightened = gatesOf(state.type).filter(
    (gate) => current[gate].required && state.gates[gate].decidedBy === 'policy',
  );
  if (!isSame)
    timeline.push(
      entry('post.policy-changed', nowMs, null, { policyVersion, reopened: tightened.join(', ') }),
    );
  const reopened = reopenGates({ ...state, policy: current, policyVersion }, tightened);
  return passReached(withStandingVotes(reopened), timeline, nowMs);
}

/** Votes of those whom the new policy does not give the gate to count no more towards an approval that is still to come. */
function withStandingVotes(state: PostState): PostState {
  return gatesOf(state.type).reduce((next, gate) => {
    const of = next.gates[gate];
    const policy = next.policy[gate];
    const stands = ({ memberId, role }: Vote) =>
      (role === undefined || mayDecide(policy, { memberId, role }, of.escalatedAtMs !== null)) &&
      (policy.authorMay || next.revision.authors[gate] !== memberId);
    const votes = of.votes.filter(stands);
    if (of.status !== 'pending' || votes.length === of.votes.length) return next;
    return withGate(next, gate, { ...of, votes });
  }, state);
}

/** A quorum that was lowered to the votes a gate has is reached. */
function passReached(state: PostState, timeline: TimelineEntry[], nowMs: number): PostState {
  let next = state;
  for (const gate of gatesOf(state.type)) {
    const of = state.gates[gate];
    const last = of.votes.at(-1);
    if (of.status !== 'pending' || !last || of.votes.length < state.policy[gate].quorum) continue;
    const passed = { approvedHash: last.hash, decidedAtMs: nowMs, decidedBy: last.memberId };
    next = passGate(withGate(next, gate, { ...of, status: 'approved', ...passed }), gate, nowMs);
    timeline.push(entry('gate.approved', nowMs, null, { gate, round: of.round }));
  }
  return next;
}

function withHolds(
  state: PostState,
  { holds }: PostConditions,
  timeline: TimelineEntry[],
  nowMs: number,
): PostState {
  const known = new Set(state.holds.map(({ holdId }) => holdId));
  const current = new Set(holds.map(({ holdId }) => holdId));
  const placed = holds.filter(({ holdId }) => !known.has(holdId));
  const lifted = state.holds.filter(({ holdId }) => !current.has(holdId));
  if (placed.length === 0 && lifted.length === 0) return state;
  const tell = (ofHold: string, ofProfile: string) => (hold: HoldRef) =>
    timeline.push(
      isReconnect(hold)
        ? entry(ofProfile, nowMs, null, { profileId: hold.subject })
        : entry(ofHold, nowMs, null, { holdId: hold.holdId, scope: hold.scope, reason: hold.reason }),
    );
  placed.forEach(tell('post.held', 'post.needs-reconnect'));
  lifted.forEach(tell('post.hold-lifted', 'post.reconnected'));
  const isStopped = (standing: readonly HoldRef[], target: TargetState) =>
    holdsOn({ holds: standing }, target).length > 0;
  const isFreed = (target: TargetState) => isStopped(state.holds, target) && !isStopped(holds, target);
  const targets = state.targets.map((target) =>
    isFreed(target) ? { ...target, freeSinceMs: nowMs } : target,
  );
  return { ...state, holds, targets };
}

function withReceipts(
  state: PostState,
  { receipts }: PostConditions,
  timeline: TimelineEntry[],
  nowMs: number,
): PostState {
  let next = state;
  for (const { targetId, ...receipt } of receipts) {
    const lacksReceipt = ({ phase }: TargetState) => phasesWithoutReceipt.some((one) => one === phase);
    if (!next.targets.some((target) => target.targetId === targetId && lacksReceipt(target))) continue;
    const published = { phase: 'PUBLISHED', ...receipt, error: null } as const;
    const targets = next.targets.map((target) =>
      target.targetId === targetId ? { ...target, ...published } : target,
    );
    next = { ...next, targets };
    timeline.push(entry('target.receipt-came-late', nowMs, null, { targetId }));
  }
  return next;
}

/** A run that was put back while a target was being sent asks first, and sends nothing and changes nothing until it knows. */
function withDoubts(state: PostState, { doubts = [] }: PostConditions): PostState {
  const isDoubtful = ({ targetId, phase }: TargetState) =>
    doubts.some((doubt) => doubt.targetId === targetId) && phasesAtRest.some((one) => one === phase);
  if (!state.targets.some(isDoubtful)) return state;
  const targets = state.targets.map((target) =>
    isDoubtful(target) ? { ...target, phase: 'RECONCILING' as const, error: null } : target,
  );
  return { ...state, targets };
}
