import type {
  CancelCommand,
  Command,
  DecideCommand,
  DecisionRecord,
  EditCommand,
  PublishNowCommand,
  Refusal,
  RefusalCode,
  ResolveCommand,
  RetryCommand,
  ScheduleCommand,
  SubmitCommand,
  TimelineEntry,
  WithdrawCommand,
} from './commands.ts';
import { isLate, lateRule, mediaNeeded } from './lifecycle.ts';
import { mayDecide } from './policy.ts';
import { type Gate, gates, unreachable } from './post.ts';
import {
  declaredAbsent,
  type GateState,
  gatesOf,
  hashFor,
  openGate,
  type PostState,
  rememberedCommands,
  type TargetState,
} from './post-state.ts';

/** A carried-out change: the new state and what is to be written about it. */
export interface Change {
  readonly state: PostState;
  readonly timeline: readonly TimelineEntry[];
  readonly decisions: readonly DecisionRecord[];
}

export type Reduction =
  | { readonly ok: true; readonly change: Change }
  | { readonly ok: false; readonly refusal: Refusal };

const refuse = (code: RefusalCode, message: string): Reduction => ({ ok: false, refusal: { code, message } });

/** What a command that has been accepted does, before the gates are settled. */
interface Draft {
  state: PostState;
  timeline: TimelineEntry[];
  decisions: DecisionRecord[];
}

/**
 * Applies one command to a post. Pure: the same state, command and instant give the same result, in the workflow,
 * in tests and in replay. A refusal leaves nothing behind.
 *
 * The caller has made sure that no target is being sent (the publication row decides that, not this state);
 * `ARMING` targets it has disarmed are already back in `WAITING`.
 */
export function applyCommand(state: PostState, command: Command, nowMs: number): Reduction {
  const closed = refuseClosed(state, command);
  if (closed) return closed;
  const reduction = applyByKind(state, command, nowMs);
  return reduction.ok ? { ok: true, change: finish(state, reduction.change, command, nowMs) } : reduction;
}

/** Opens the first gate of a new post; the counterpart of `applyCommand` for the run's first moment. */
export function openPost(state: PostState, actor: { memberId: string; name: string }, nowMs: number): Change {
  const opened = entry('post.submitted', nowMs, actor, { revision: state.revision.number });
  return settleGates(null, { state: bump(state), timeline: [opened], decisions: [] }, nowMs);
}

function refuseClosed(state: PostState, command: Command): Reduction | null {
  if (state.expiredAtMs !== null) return refuse('post-closed', 'The post has expired');
  if (state.archived) return refuse('post-closed', 'The post is closed');
  // A target that was on its way when the post was cancelled may have failed since: that one is cancelled by itself.
  const cancelsRest = command.kind === 'cancel' && state.targets.some(isStoppable);
  const isInDoubt = state.targets.some((target) => target.phase === 'UNCONFIRMED');
  const settles = command.kind === 'resolve' && command.resolution !== 'resend' && isInDoubt;
  if (state.cancelledAtMs !== null && !cancelsRest && !settles)
    return refuse('post-closed', 'The post has been cancelled');
  if (state.targets.every((target) => target.phase === 'PUBLISHED'))
    return refuse('post-closed', 'The post has been published');
  return null;
}

function applyByKind(state: PostState, command: Command, nowMs: number): Reduction {
  switch (command.kind) {
    case 'submit':
      return submit(state, command, nowMs);
    case 'withdraw':
      return withdraw(state, command, nowMs);
    case 'decide':
      return decide(state, command, nowMs);
    case 'edit':
      return edit(state, command, nowMs);
    case 'schedule':
      return schedule(state, command, nowMs);
    case 'publishNow':
      return publishNow(state, command, nowMs);
    case 'retry':
      return retry(state, command, nowMs);
    case 'resolve':
      return resolve(state, command, nowMs);
    case 'cancel':
      return cancel(state, command, nowMs);
    default:
      return unreachable(command, 'command');
  }
}

function submit(state: PostState, command: SubmitCommand, nowMs: number): Reduction {
  if (state.draft) {
    if (state.type === 'TEXT_ONLY' && !command.revision.hasCopy)
      return refuse('copy-missing', 'A text post needs copy before it can be submitted');
    const submitted = { ...state, draft: false, revision: command.revision, dueAtMs: command.dueAtMs };
    return accepted(submitted, [
      entry('post.submitted', nowMs, command.actor, { revision: command.revision.number }),
    ]);
  }
  const rejected = gatesOf(state.type).filter((gate) => state.gates[gate].status === 'rejected');
  if (rejected.length === 0) {
    const gate = openGate(state);
    return gate === null
      ? refuse('nothing-to-submit', 'Every gate has been passed')
      : refuse('already-submitted', `The post already waits at the ${gate} gate`);
  }
  const reopened = reopenGates(state, rejected);
  return accepted(reopened, [
    entry('post.resubmitted', nowMs, command.actor, { gates: rejected.join(', ') }),
  ]);
}

function withdraw(state: PostState, command: WithdrawCommand, nowMs: number): Reduction {
  if (state.draft) return refuse('not-submitted', 'The post is a draft already');
  if (state.targets.some((target) => target.phase !== 'WAITING'))
    return refuse('already-publishing', 'Publishing has begun; the post cannot become a draft again');
  const withdrawn = { ...reopenGates(state, gatesOf(state.type)), draft: true };
  return accepted(withdrawn, [entry('post.withdrawn', nowMs, command.actor, {})]);
}

function decide(state: PostState, command: DecideCommand, nowMs: number): Reduction {
  if (state.draft) return refuse('not-submitted', 'The post is a draft; nothing can be decided');
  const sending = refuseSending(state);
  if (sending) return sending;
  if (!gatesOf(state.type).includes(command.gate))
    return refuse('gate-not-open', `A ${state.type} post does not pass the ${command.gate} gate`);
  const current = hashFor(command.gate, state.revision);
  if (command.hash !== current)
    return refuse('stale-hash', `The post has changed since: the ${command.gate} hash is now ${current}`);
  if (!mayDecide(state.policy[command.gate], command.actor))
    return refuse(
      'may-not-decide',
      `The policy does not give the ${command.gate} gate to this ${command.actor.role}`,
    );
  return command.verdict === 'approve' ? approve(state, command, nowMs) : reject(state, command, nowMs);
}

function approve(state: PostState, command: DecideCommand, nowMs: number): Reduction {
  const gate = state.gates[command.gate];
  const policy = state.policy[command.gate];
  const memberId = command.actor.memberId;
  if (gate.votes.some((vote) => vote.memberId === memberId))
    return refuse('already-voted', `You have already approved the ${command.gate} gate in this round`);
  if (gate.status === 'approved')
    return refuse('gate-already-decided', `The ${command.gate} gate is approved already`);
  if (openGate(state) !== command.gate || gate.status === 'rejected')
    return refuse('gate-not-open', notOpenMessage(state, command.gate));
  if (!policy.authorMay && state.revision.authors[command.gate] === memberId)
    return refuse(
      'author-may-not-decide',
      `Whoever last changed the post may not approve its ${command.gate} gate`,
    );
  const missing = missingFor(command.gate, state);
  if (missing) return { ok: false, refusal: missing };
  const votes = [...gate.votes, { memberId, hash: command.hash, atMs: nowMs }];
  const passed = votes.length >= policy.quorum;
  const next: GateState = passed
    ? {
        ...gate,
        votes,
        status: 'approved',
        approvedHash: command.hash,
        decidedAtMs: nowMs,
        decidedBy: memberId,
        notes: null,
      }
    : { ...gate, votes };
  const type = passed ? 'gate.approved' : 'gate.voted';
  return accepted(
    passed
      ? passGate(withGate(state, command.gate, next), command.gate, nowMs)
      : withGate(state, command.gate, next),
    [entry(type, nowMs, command.actor, { gate: command.gate, round: gate.round })],
    [decisionOf(state, command, nowMs)],
  );
}

/** What a gate has nothing to decide on without, whoever decides it. */
function missingFor(gate: Gate, { type, revision }: PostState): Refusal | null {
  if (gate === 'content' && type === 'TEXT_ONLY' && !revision.hasCopy)
    return { code: 'copy-missing', message: 'There is no copy to approve' };
  const needed = mediaNeeded(type);
  if (gate === 'design' && revision.mediaCount < needed)
    return { code: 'media-missing', message: `Media is missing: ${revision.mediaCount} of ${needed}` };
  return null;
}

function notOpenMessage(state: PostState, gate: Gate): string {
  const open = openGate(state);
  if (state.gates[gate].status === 'rejected')
    return `Changes were requested at the ${gate} gate; it opens again when the post is edited or submitted again`;
  return `The ${gate} gate is not open; the post waits at the ${open ?? 'publish'} gate`;
}

function reject(state: PostState, command: DecideCommand, nowMs: number): Reduction {
  if (!command.notes?.trim())
    return refuse('notes-required', 'A rejection needs notes that say what is to change');
  const gate = state.gates[command.gate];
  if (gate.status === 'rejected')
    return refuse('gate-already-decided', `The ${command.gate} gate has been rejected already`);
  if (gate.status === 'pending' && openGate(state) !== command.gate)
    return refuse('gate-not-open', notOpenMessage(state, command.gate));
  const returnTo = command.gate === 'publish' ? (command.returnTo ?? 'content') : command.gate;
  if (command.gate !== 'publish' && command.returnTo !== null && command.returnTo !== command.gate)
    return refuse(
      'invalid-return',
      `Only a rejection at the publish gate can return the post to another gate`,
    );
  if (!gatesOf(state.type).includes(returnTo))
    return refuse('invalid-return', `A ${state.type} post does not pass the ${returnTo} gate`);
  const undone = { ...reopenGates(state, command.gate === returnTo ? [] : [command.gate]), readyAtMs: null };
  const rejected: GateState = {
    ...state.gates[returnTo],
    status: 'rejected',
    votes: [],
    approvedHash: null,
    decidedAtMs: nowMs,
    decidedBy: command.actor.memberId,
    notes: command.notes.trim().slice(0, 200),
  };
  return accepted(
    withGate(undone, returnTo, rejected),
    [entry('gate.rejected', nowMs, command.actor, { gate: command.gate, round: gate.round, returnTo })],
    [{ ...decisionOf(state, command, nowMs), returnTo }],
  );
}

function edit(state: PostState, command: EditCommand, nowMs: number): Reduction {
  if (state.draft) return refuse('not-submitted', 'A draft is edited on its row, not by a message');
  if (state.revision.revisionId !== command.baseRevisionId)
    return refuse(
      'stale-revision',
      `The post has been edited since; its revision is now ${state.revision.number}`,
    );
  const sending = refuseSending(state);
  if (sending) return sending;
  const changed = gates.filter((gate) => hashFor(gate, command.revision) !== hashFor(gate, state.revision));
  const edited = reopenGates({ ...state, revision: command.revision }, changed);
  return accepted(edited, [
    entry('post.edited', nowMs, command.actor, {
      revision: command.revision.number,
      reopened: changed.filter((gate) => gatesOf(state.type).includes(gate)).join(', '),
    }),
  ]);
}

/** What was sent, or may have been, can no longer be decided or changed; the other targets wait for its outcome. */
function refuseSending(state: PostState): Reduction | null {
  const sending = (target: TargetState) => target.phase === 'ARMING' || target.phase === 'RECONCILING';
  if (state.targets.some(sending) || !state.targets.some(isStoppable))
    return refuse('already-publishing', 'The post is being sent, or has been');
  return null;
}

function schedule(state: PostState, command: ScheduleCommand, nowMs: number): Reduction {
  const sending = refuseSending(state);
  if (sending) return sending;
  if (command.dueAtMs <= nowMs)
    return refuse('due-time-passed', `The due time ${new Date(command.dueAtMs).toISOString()} has passed`);
  return accepted({ ...state, dueAtMs: command.dueAtMs }, [
    entry('post.scheduled', nowMs, command.actor, { dueAt: new Date(command.dueAtMs).toISOString() }),
  ]);
}

function publishNow(state: PostState, command: PublishNowCommand, nowMs: number): Reduction {
  if (state.draft) return refuse('not-submitted', 'The post is a draft; submit it first');
  if (command.hash !== state.revision.publishHash)
    return refuse(
      'stale-hash',
      `The post has changed since: the publish hash is now ${state.revision.publishHash}`,
    );
  const voted = openGate(state) === 'publish' ? castPublishVote(state, command, nowMs) : null;
  if (voted && !voted.ok) return voted;
  const change = voted?.ok ? voted.change : { state, timeline: [], decisions: [] };
  const open = openGate(change.state);
  if (open !== null) return refuse('gate-open', openGateMessage(change.state, open));
  if (!change.state.targets.some((target) => target.phase === 'WAITING'))
    return refuse('already-publishing', 'No target waits to be published');
  // A post that is due already keeps its due time, unless its lateness holds it: then the caller takes it on.
  const wasDue = change.state.dueAtMs !== null && change.state.dueAtMs <= nowMs && !isLate(change.state);
  const due = { ...change.state, dueAtMs: wasDue ? change.state.dueAtMs : nowMs };
  return accepted(
    due,
    [...change.timeline, entry('post.publish-now', nowMs, command.actor, {})],
    change.decisions,
  );
}

function castPublishVote(state: PostState, command: PublishNowCommand, nowMs: number): Reduction {
  const vote = {
    gate: 'publish',
    verdict: 'approve',
    hash: command.hash,
    notes: null,
    returnTo: null,
  } as const;
  return decide(
    state,
    { ...vote, kind: 'decide', commandId: command.commandId, actor: command.actor },
    nowMs,
  );
}

function openGateMessage(state: PostState, gate: Gate): string {
  const { quorum } = state.policy[gate];
  const has = state.gates[gate].votes.length;
  return has > 0
    ? `The ${gate} gate has ${has} of ${quorum} approvals`
    : `The ${gate} gate has not been passed; publish-now skips only the due time`;
}

function retry(state: PostState, command: RetryCommand, nowMs: number): Reduction {
  const wanted = (target: TargetState) => command.targetIds?.includes(target.targetId) ?? true;
  const failed = state.targets.filter((target) => target.phase === 'FAILED' && wanted(target));
  if (failed.length === 0) return refuse('nothing-to-retry', 'No failed target is among those named');
  const targets = state.targets.map((target) =>
    failed.includes(target)
      ? { ...target, phase: 'WAITING' as const, cycle: target.cycle + 1, error: null }
      : target,
  );
  return accepted({ ...state, targets }, [
    entry('post.retried', nowMs, command.actor, {
      targets: failed.map((target) => target.targetId).join(', '),
    }),
  ]);
}

/** A person's word on a target that nobody could tell of: the only way on from UNCONFIRMED. */
function resolve(state: PostState, command: ResolveCommand, nowMs: number): Reduction {
  const target = state.targets.find(({ targetId }) => targetId === command.targetId);
  if (target?.phase !== 'UNCONFIRMED')
    return refuse('not-unconfirmed', 'The target named is not one whose outcome is unknown');
  if (command.resolution === 'published' && !command.permalink)
    return refuse('permalink-required', 'Where the post stands must be named');
  const resolved = { ...target, ...resolvedFields(command, target, state.cancelledAtMs !== null, nowMs) };
  const targets = state.targets.map((one) => (one === target ? resolved : one));
  return accepted({ ...state, targets }, [
    entry('target.resolved', nowMs, command.actor, {
      targetId: command.targetId,
      resolution: command.resolution,
      permalink: command.permalink,
    }),
  ]);
}

function resolvedFields(
  command: ResolveCommand,
  target: TargetState,
  isCancelled: boolean,
  nowMs: number,
): Partial<TargetState> {
  switch (command.resolution) {
    case 'published':
      return { phase: 'PUBLISHED', permalink: command.permalink, publishedAtMs: nowMs, error: null };
    case 'absent':
      return isCancelled ? { phase: 'CANCELLED', error: null } : { phase: 'FAILED', error: declaredAbsent };
    case 'resend':
      return { phase: 'WAITING', cycle: target.cycle + 1, error: null };
    default:
      return unreachable(command.resolution, 'resolution');
  }
}

/** Nothing of it was sent, or what was sent was not taken. */
const isStoppable = (target: TargetState): boolean => target.phase === 'WAITING' || target.phase === 'FAILED';

function cancel(state: PostState, command: CancelCommand, nowMs: number): Reduction {
  if (!state.targets.some(isStoppable))
    return refuse('already-publishing', 'Every target is being sent or has been published');
  const targets = state.targets.map((target) =>
    isStoppable(target) ? { ...target, phase: 'CANCELLED' as const } : target,
  );
  return accepted({ ...state, targets, cancelledAtMs: state.cancelledAtMs ?? nowMs }, [
    entry('post.cancelled', nowMs, command.actor, { reason: command.reason }),
  ]);
}

const accepted = (
  state: PostState,
  timeline: readonly TimelineEntry[],
  decisions: readonly DecisionRecord[] = [],
): Reduction => ({ ok: true, change: { state, timeline, decisions } });

function finish(before: PostState, change: Change, command: Command, nowMs: number): Change {
  const state = bump(change.state);
  const commands = [...state.commands, { commandId: command.commandId, version: state.version }];
  const remembered = { ...state, commands: commands.slice(-rememberedCommands) };
  return settleGates(before, { ...change, state: remembered }, nowMs);
}

const bump = (state: PostState): PostState => ({ ...state, version: state.version + 1 });

/** Passes every gate the policy does not require, applies the lateness rule, and tells which gate opened. */
function settleGates(before: PostState | null, change: Change, nowMs: number): Change {
  const draft: Draft = {
    state: change.state,
    timeline: [...change.timeline],
    decisions: [...change.decisions],
  };
  passUnrequired(draft, nowMs);
  const opened = pendingGateOf(draft.state);
  if (opened && (before === null || pendingGateOf(before)?.key !== opened.key))
    draft.timeline.push(entry('gate.opened', nowMs, null, { gate: opened.gate, round: opened.round }));
  if (isLate(draft.state) && lateRule(draft.state) === 'expire' && openGate(draft.state) === null) {
    draft.state = { ...draft.state, expiredAtMs: nowMs };
    draft.timeline.push(entry('post.expired', nowMs, null, {}));
  }
  return draft;
}

/** The gate that waits for a decision, with a key that changes when it opens again. */
function pendingGateOf(state: PostState): { gate: Gate; round: number; key: string } | null {
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
function passGate(state: PostState, gate: Gate, nowMs: number): PostState {
  return openGate(state) === null ? { ...state, readyAtMs: nowMs, lastGate: gate } : state;
}

function reopenGates(state: PostState, reopened: readonly Gate[]): PostState {
  if (reopened.length === 0) return state;
  const next = { ...state.gates };
  for (const gate of reopened) next[gate] = { ...blankGate, round: state.gates[gate].round + 1 };
  return { ...state, gates: next, readyAtMs: null };
}

const blankGate: Omit<GateState, 'round'> = {
  status: 'pending',
  votes: [],
  approvedHash: null,
  decidedAtMs: null,
  decidedBy: null,
  notes: null,
};

const withGate = (state: PostState, gate: Gate, next: GateState): PostState => ({
  ...state,
  gates: { ...state.gates, [gate]: next },
});

const entry = (
  type: string,
  atMs: number,
  actor: { memberId: string; name: string } | null,
  data: TimelineEntry['data'],
): TimelineEntry => ({ type, atMs, actorId: actor?.memberId ?? null, actorName: actor?.name ?? null, data });

const decisionOf = (state: PostState, command: DecideCommand, atMs: number): DecisionRecord => ({
  commandId: command.commandId,
  gate: command.gate,
  round: state.gates[command.gate].round,
  verdict: command.verdict,
  hash: command.hash,
  revisionId: state.revision.revisionId,
  memberId: command.actor.memberId,
  memberName: command.actor.name,
  notes: command.notes,
  returnTo: command.returnTo,
  atMs,
});

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
