import {
  accepted,
  bump,
  type Change,
  entry,
  isStoppable,
  type Reduction,
  refuse,
  refuseSending,
} from './change.ts';
import type {
  ArchiveCommand,
  CancelCommand,
  Command,
  EditCommand,
  PauseCommand,
  PublishNowCommand,
  ResolveCommand,
  ResumeCommand,
  RetryCommand,
  ScheduleCommand,
  SubmitCommand,
  TargetDueTime,
  WithdrawCommand,
} from './commands.ts';
import { decide } from './deciding.ts';
import { readyFrom, reopenGates, settleGates } from './gating.ts';
import { isLate } from './lifecycle.ts';
import { type Gate, gates, unreachable } from './post.ts';
import {
  declaredAbsent,
  dueOf,
  gatesOf,
  hashFor,
  holdsOn,
  isMoving,
  isReconnect,
  openGate,
  type PostState,
  rememberedCommands,
  type TargetState,
} from './post-state.ts';

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
    case 'pause':
      return pause(state, command, nowMs);
    case 'resume':
      return resume(state, command, nowMs);
    case 'archive':
      return archive(state, command, nowMs);
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
    const { revision, dueAtMs } = command;
    const submitted = { ...withDueTimes(state, dueAtMs, command.targets), draft: false, revision };
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

function schedule(state: PostState, command: ScheduleCommand, nowMs: number): Reduction {
  if (state.draft) return refuse('not-submitted', 'A draft is scheduled on its row, not by a message');
  const sending = refuseSending(state);
  if (sending) return sending;
  const unknown = command.targets.find(
    ({ targetId }) => !state.targets.some((one) => one.targetId === targetId),
  );
  if (unknown) return refuse('unknown-target', `The post has no target ${unknown.targetId}`);
  const passed = [command.dueAtMs, ...command.targets.map((target) => target.dueAtMs)].find(
    (atMs) => atMs !== null && atMs <= nowMs,
  );
  if (passed) return refuse('due-time-passed', `The due time ${new Date(passed).toISOString()} has passed`);
  const scheduled = withDueTimes(state, command.dueAtMs ?? state.dueAtMs, command.targets);
  const asks = gatesOf(state.type).filter(
    (gate) => state.policy[gate].reopensOnDueTime && state.gates[gate].status === 'approved',
  );
  return accepted(reopenGates(scheduled, asks), [
    entry('post.scheduled', nowMs, command.actor, {
      dueAt: scheduled.dueAtMs === null ? null : new Date(scheduled.dueAtMs).toISOString(),
      ...(command.targets.length > 0 && {
        targets: command.targets.map(({ targetId }) => targetId).join(', '),
      }),
      ...(asks.length > 0 && { reopened: asks.join(', ') }),
    }),
  ]);
}

/** A new time asks the platform's rate anew, and what was late is not; who keeps the old one keeps what it came to. */
function withDueTimes(state: PostState, dueAtMs: number | null, times: readonly TargetDueTime[]): PostState {
  const timed = (target: TargetState): TargetState => {
    // One in doubt may yet be sent again: then it goes by the time that was said last.
    if (!isStoppable(target) && target.phase !== 'UNCONFIRMED') return target;
    const own = times.find(({ targetId }) => targetId === target.targetId);
    const next = own ? { ...target, dueAtMs: own.dueAtMs } : target;
    if (dueOf({ dueAtMs }, next) === dueOf(state, target)) return next;
    return { ...next, admittedAtMs: null, error: target.phase === 'WAITING' ? null : target.error };
  };
  return { ...state, dueAtMs, targets: state.targets.map(timed) };
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
  const waiting = change.state.targets.filter((target) => target.phase === 'WAITING');
  if (waiting.length === 0) return refuse('already-publishing', 'No target waits to be published');
  const stop = stopOf(change.state, waiting);
  if (stop) return refuse('on-hold', stop);
  return accepted(
    dueNow(change.state, nowMs),
    [...change.timeline, entry('post.publish-now', nowMs, command.actor, {})],
    change.decisions,
  );
}

function stopOf(state: PostState, targets: readonly TargetState[]): string | null {
  if (state.paused) return 'The post is paused; resume it first';
  const hold = targets.flatMap((target) => holdsOn(state, target)).at(0);
  if (!hold) return null;
  return isReconnect(hold) ? hold.reason : `A hold on the ${hold.scope} stops it: ${hold.reason}`;
}

/** What is due already keeps its due time, unless its lateness holds it: then the caller takes it on. */
function dueNow(state: PostState, nowMs: number): PostState {
  const isDue = (target: TargetState) => {
    const dueAtMs = dueOf(state, target);
    return dueAtMs !== null && dueAtMs <= nowMs && !isLate(state, target);
  };
  const isToMove = (target: TargetState) => target.phase === 'WAITING' && !isDue(target);
  if (!state.targets.some(isToMove)) return state;
  const moved = (target: TargetState): TargetState => {
    if (isToMove(target)) return { ...target, dueAtMs: null, admittedAtMs: null };
    // What keeps its time keeps it by itself: the post's own is now. What is settled follows the post.
    const keeps = target.phase === 'WAITING' || isMoving(target);
    return keeps ? { ...target, dueAtMs: dueOf(state, target) } : target;
  };
  return { ...state, dueAtMs: nowMs, targets: state.targets.map(moved) };
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
      ? { ...target, phase: 'WAITING' as const, cycle: target.cycle + 1, admittedAtMs: null, error: null }
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
  if ((command.cycle ?? target.cycle) !== target.cycle)
    return refuse(
      'not-unconfirmed',
      `The doubt about cycle ${command.cycle} has been settled; the target is at cycle ${target.cycle}`,
    );
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
      return { phase: 'WAITING', cycle: target.cycle + 1, admittedAtMs: null, error: null };
    default:
      return unreachable(command.resolution, 'resolution');
  }
}

/** Stops the post until somebody resumes it; whatever is on its way already is not stopped. */
function pause(state: PostState, command: PauseCommand, nowMs: number): Reduction {
  if (state.draft) return refuse('not-submitted', 'The post is a draft; nothing of it goes out');
  if (state.paused) return refuse('already-paused', 'The post is paused already');
  const sending = refuseSending(state);
  if (sending) return sending;
  const paused = { atMs: nowMs, memberId: command.actor.memberId, reason: command.reason };
  return accepted({ ...state, paused }, [
    entry('post.paused', nowMs, command.actor, { reason: command.reason }),
  ]);
}

/** Lets the post go on. Resumed after its due time it is late, and the lateness rule says what becomes of it. */
function resume(state: PostState, command: ResumeCommand, nowMs: number): Reduction {
  if (!state.paused) return refuse('not-paused', 'The post is not paused');
  const resumed = readyFrom({ ...state, paused: null }, nowMs);
  return accepted(resumed, [entry('post.resumed', nowMs, command.actor, {})]);
}

function archive(state: PostState, command: ArchiveCommand, nowMs: number): Reduction {
  if (state.restingSinceMs === null)
    return refuse(
      'not-at-rest',
      'Only a post that has failed, or is in doubt, is archived; cancel it instead',
    );
  return accepted({ ...state, archived: true }, [entry('post.archived', nowMs, command.actor, {})]);
}

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

function finish(before: PostState, change: Change, command: Command, nowMs: number): Change {
  const state = bump(change.state);
  const commands = [...state.commands, { commandId: command.commandId, version: state.version }];
  const remembered = { ...state, commands: commands.slice(-rememberedCommands) };
  return settleGates(before, { ...change, state: remembered }, nowMs);
}
