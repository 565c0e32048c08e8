import { bump, type Change, entry } from './change.ts';
import type { TimelineEntry } from './commands.ts';
import { pendingGateOf, withGate } from './gating.ts';
import { describeDeciders, type GatePolicy } from './policy.ts';
import type { Gate } from './post.ts';
import { type GateState, isMoving, type PostState } from './post-state.ts';

/** What time alone does to a post that waits for people: warnings, reminders, escalation, and the archive. */

const hourMs = 3_600_000;
/** How long a post that failed, or is in doubt, can still be retried or resolved before it is archived. */
export const archiveAfterMs = 30 * 24 * hourMs;

/** When the next of them is due; `null` while there is none. */
export function nextAlarmAtMs(state: PostState): number | null {
  const alarms = [gateAlarmAtMs(state), archiveAtMs(state)].filter((atMs) => atMs !== null);
  return alarms.length > 0 ? Math.min(...alarms) : null;
}

const archiveAtMs = ({ restingSinceMs, archived }: PostState): number | null =>
  restingSinceMs === null || archived ? null : restingSinceMs + archiveAfterMs;

/** The gate whose people are late, if it waits for any. */
function waitingGate(state: PostState): { gate: Gate; of: GateState; openedAtMs: number } | null {
  const isOver = state.archived || state.cancelledAtMs !== null || state.expiredAtMs !== null;
  const pending = isOver ? null : pendingGateOf(state);
  if (!pending) return null;
  const of = state.gates[pending.gate];
  return of.openedAtMs === null ? null : { gate: pending.gate, of, openedAtMs: of.openedAtMs };
}

function gateAlarmAtMs(state: PostState): number | null {
  const waiting = waitingGate(state);
  if (!waiting) return null;
  const { of, openedAtMs, gate } = waiting;
  const times = timesOf(state.policy[gate], openedAtMs);
  if (of.warnedAtMs === null && of.reminders === 0) return times.warningAtMs;
  if (of.reminders < times.remindersAtMs.length) return times.remindersAtMs[of.reminders]!;
  return of.escalatedAtMs === null ? times.escalationAtMs : null;
}

/** The instants of one round of a gate. */
export function timesOf(policy: GatePolicy, openedAtMs: number) {
  // Whole milliseconds: hours may be fractions, timers and instants are not.
  const slaMs = Math.round(policy.slaHours * hourMs);
  const everyMs = Math.round(policy.reminderEveryHours * hourMs);
  const overdueAtMs = openedAtMs + slaMs;
  return {
    warningAtMs: openedAtMs + Math.round((slaMs * policy.slaWarningPercent) / 100),
    overdueAtMs,
    /** The first reminder comes with the end of the SLA. */
    remindersAtMs: Array.from({ length: policy.reminders }, (_, index) => overdueAtMs + index * everyMs),
    escalationAtMs: overdueAtMs + policy.reminders * everyMs,
  };
}

/** Applies whatever has come due; `null` when nothing has. What was missed is told once, not once for each time. */
export function ringAlarms(state: PostState, nowMs: number): Change | null {
  const rung = ringGate(state, nowMs);
  const archiveMs = archiveAtMs(rung.state);
  if (archiveMs !== null && archiveMs <= nowMs) {
    rung.state = { ...rung.state, archived: true };
    rung.timeline.push(entry('post.archived', nowMs, null, {}));
  }
  return rung.timeline.length > 0
    ? { state: bump(rung.state), timeline: rung.timeline, decisions: [] }
    : null;
}

function ringGate(state: PostState, nowMs: number): { state: PostState; timeline: TimelineEntry[] } {
  const waiting = waitingGate(state);
  if (!waiting) return { state, timeline: [] };
  const { gate, of, openedAtMs } = waiting;
  const policy = state.policy[gate];
  const times = timesOf(policy, openedAtMs);
  const timeline: TimelineEntry[] = [];
  const tell = (type: string, data: TimelineEntry['data']) =>
    timeline.push(entry(type, nowMs, null, { gate, round: of.round, ...data }));
  let next = of;
  const isOverdue = times.overdueAtMs <= nowMs;
  if (of.warnedAtMs === null && of.reminders === 0 && times.warningAtMs <= nowMs) {
    next = { ...next, warnedAtMs: nowMs };
    if (!isOverdue) tell('gate.warned', { overdueAt: new Date(times.overdueAtMs).toISOString() });
  }
  const reminders = times.remindersAtMs.filter((atMs) => atMs <= nowMs).length;
  if (reminders > of.reminders) {
    next = { ...next, reminders };
    tell('gate.reminded', { reminder: reminders, of: policy.reminders });
  }
  if (of.escalatedAtMs === null && times.escalationAtMs <= nowMs) {
    next = { ...next, escalatedAtMs: nowMs };
    tell('gate.escalated', { deciders: describeDeciders(policy, true) });
  }
  return { state: next === of ? state : withGate(state, gate, next), timeline };
}

/** Notes since when a post rests without being out everywhere, or that it moves again. */
export function noteRest(state: PostState, nowMs: number): PostState {
  const mayMove = state.targets.some((target) => target.phase === 'WAITING' || isMoving(target));
  const needsPerson = state.targets.some(({ phase }) => phase === 'FAILED' || phase === 'UNCONFIRMED');
  const rests = needsPerson && !mayMove;
  if (rests === (state.restingSinceMs !== null)) return state;
  return { ...state, restingSinceMs: rests ? nowMs : null };
}
