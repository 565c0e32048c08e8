import { type Change, entry } from './change.ts';
import type { DecisionRecord, Refusal, TimelineEntry } from './commands.ts';
import { lateRule, mediaNeededFor } from './lifecycle.ts';
import type { Gate } from './post.ts';
import { blankGate, type GateState, hashFor, openGate, type PostState } from './post-state.ts';

/** What a command that has been accepted does, before the gates are settled. */
interface Draft {
  state: PostState;
  timeline: TimelineEntry[];
  decisions: DecisionRecord[];
}

/** Passes every gate the policy does not require, applies the lateness rule, and tells which gate opened. */
export function settleGates(before: PostState | null, change: Change, nowMs: number): Change {
  const draft: Draft = {
    state: change.state,
    timeline: [...change.timeline],
    decisions: [...change.decisions],
  };
  passUnrequired(draft, nowMs);
  noteOpened(before, draft, nowMs);
  if (openGate(draft.state) === null && lateRule(draft.state) === 'expire') {
    draft.state = { ...draft.state, expiredAtMs: nowMs };
    draft.timeline.push(entry('post.expired', nowMs, null, {}));
  }
  return draft;
}

/** The gate that now waits for a decision: its SLA counts from here. */
function noteOpened(before: PostState | null, draft: Draft, nowMs: number): void {
  const opened = pendingGateOf(draft.state);
  if (!opened || (before !== null && pendingGateOf(before)?.key === opened.key)) return;
  const fresh = { openedAtMs: nowMs, warnedAtMs: null, reminders: 0, escalatedAtMs: null };
  const gate = { ...draft.state.gates[opened.gate], ...fresh };
  draft.state = withGate(draft.state, opened.gate, gate);
  draft.timeline.push(entry('gate.opened', nowMs, null, { gate: opened.gate, round: opened.round }));
}

/** The gate that waits for a decision, with a key that changes when it opens again. */
export function pendingGateOf(state: PostState): { gate: Gate; round: number; key: string } | null {
  const gate = openGate(state);
  if (gate === null || state.gates[gate].status !== 'pending') return null;
  const { round } = state.gates[gate];
  return { gate, round, key: `${gate}:${round}` };
}

function passUnrequired(draft: Draft, nowMs: number): void {
  for (let gate = openGate(draft.state); gate !== null; gate = openGate(draft.state)) {
    const state = draft.state.gates[gate];
    if (draft.state.policy[gate].required || state.status === 'rejected') return;
    if (missingFor(gate, draft.state) !== null) return;
    const hash = hashFor(gate, draft.state.revision);
    const passed: GateState = {
      ...state,
      status: 'approved',
      approvedHash: hash,
      decidedAtMs: nowMs,
      decidedBy: 'policy',
    };
    draft.decisions.push(policyDecision(draft.state, gate, hash, nowMs));
    draft.timeline.push(entry('gate.passed-by-policy', nowMs, null, { gate, round: state.round }));
    draft.state = passGate(withGate(draft.state, gate, passed), gate, nowMs);
  }
}

/** Notes when the last gate opened: lateness is measured against it. */
export function passGate(state: PostState, gate: Gate, nowMs: number): PostState {
  return openGate(state) === null ? { ...state, readyAtMs: nowMs, lastGate: gate } : state;
}

/** A stop that people had put in its way has gone: lateness is measured against this moment. */
export const readyFrom = (state: PostState, nowMs: number): PostState =>
  state.readyAtMs === null ? state : { ...state, readyAtMs: nowMs };

export function reopenGates(state: PostState, reopened: readonly Gate[]): PostState {
  if (reopened.length === 0) return state;
  const next = { ...state.gates };
  for (const gate of reopened) next[gate] = blankGate(state.gates[gate].round + 1);
  return { ...state, gates: next, readyAtMs: null };
}

export const withGate = (state: PostState, gate: Gate, next: GateState): PostState => ({
  ...state,
  gates: { ...state.gates, [gate]: next },
});

/** What a gate has nothing to decide on without, whoever decides it. */
export function missingFor(gate: Gate, state: PostState): Refusal | null {
  const { type, revision } = state;
  if (gate === 'content' && type === 'TEXT_ONLY' && !revision.hasCopy)
    return { code: 'copy-missing', message: 'There is no copy to approve' };
  const needed = mediaNeededFor(state);
  if (gate === 'design' && revision.mediaCount < needed)
    return { code: 'media-missing', message: `Media is missing: ${revision.mediaCount} of ${needed}` };
  return null;
}

const policyDecision = (state: PostState, gate: Gate, hash: string, atMs: number): DecisionRecord => ({
  commandId: `policy:${gate}:${state.gates[gate].round}:${hash.slice(0, 16)}`,
  gate,
  round: state.gates[gate].round,
  verdict: 'policy',
  hash,
  revisionId: state.revision.revisionId,
  memberId: null,
  memberName: null,
  notes: null,
  returnTo: null,
  atMs,
});
