import type { AccountKind } from '../../domain/post.ts';

/** What was seen while a link was bad and after it was good again; the detector reads this and nothing else. */
export interface Observation {
  /** How many pieces of data met the fault. */
  readonly poisoned: number;
  readonly answers: readonly Answer[];
  readonly commands: readonly ObservedCommand[];
  readonly posts: readonly ObservedPost[];
  readonly readiness: readonly ObservedReadiness[];
  /** How long after the link was healed a post had gone from nothing to PUBLISHED; `null`: it never did. */
  readonly healthyAfterMs: number | null;
  /** How long that took before the link was bad: all a busy machine's fault. */
  readonly usualMs: number;
}

/** One answer of the interface; `status` is `null` where none came. */
export interface Answer {
  readonly what: string;
  readonly status: number | null;
  readonly code: string | null;
  readonly retryAfter: string | null;
  readonly tookMs: number;
}

/** A command that was repeated under its key until somebody took or refused it, and then once more. */
export interface ObservedCommand {
  readonly what: string;
  readonly postId: string;
  readonly answer: Answer;
  readonly again: Answer;
  readonly wasReplayed: boolean;
  /** How often the rows say that it was carried out. */
  readonly timesApplied: number;
}

export interface ObservedPost {
  readonly postId: string;
  readonly account: AccountKind;
  readonly wanted: 'published' | 'cancelled';
  readonly status: string;
  /** How often the platform made it public. */
  readonly timesPublished: number;
  /** Posts of this text that the interface made. */
  readonly timesCreated: number;
}

/** What the routes about the process itself say. */
export interface ObservedReadiness {
  readonly isAlive: boolean;
  /** What is known about the link at that moment: `null` where it is neither plainly good nor plainly bad. */
  readonly isUsable: boolean | null;
  /** The check that tells of the link; `null` where it is not the interface's link. */
  readonly check: string | null;
  readonly status: number | null;
  readonly states: Readonly<Record<string, string>>;
}

/** How long anybody may be kept waiting. */
export const answeredWithinMs = 10_000;
export const healthyWithinMs = 10_000;

/** Everything in an observation that must not be, one sentence each. */
export function findViolations(seen: Observation): string[] {
  return [
    ...(seen.poisoned === 0 ? ['Nothing went over the link while it was bad'] : []),
    ...seen.answers.flatMap((answer) => [...violationsOfAnswer(answer)]),
    ...seen.commands.flatMap((command) => [...violationsOfCommand(command)]),
    ...seen.posts.flatMap((post) => [...violationsOfPost(post)]),
    ...seen.readiness.flatMap((readiness) => [...violationsOfReadiness(readiness)]),
    ...violationsOfRecovery(seen),
  ];
}

function* violationsOfAnswer({ what, status, code, retryAfter, tookMs }: Answer): Generator<string> {
  if (tookMs > answeredWithinMs) yield `${what} was answered after ${Math.round(tookMs)} ms`;
  if (status === null) yield `${what} got no answer`;
  else if (status >= 400 && !mayBeAnswered(status, code)) yield `${what} was answered ${status} ${code}`;
  else if (status >= 400 && retryAfter === null)
    yield `${what} was answered ${status} ${code} without Retry-After`;
}

/** Nobody asks for anything that is wrong: whatever is not done is to be asked for again, and it is said when. */
const mayBeAnswered = (status: number, code: string | null): boolean =>
  status === 503
    ? code === 'unavailable' || code === 'outcome-unknown'
    : status === 409 && code === 'request-in-progress';

function* violationsOfCommand(command: ObservedCommand): Generator<string> {
  const { what, postId, answer, again, timesApplied, wasReplayed } = command;
  const name = `${what} of ${postId}`;
  const status = answer.status ?? 0;
  if (status < 200 || status >= 300) yield `${name} was refused in the end: ${status} ${answer.code}`;
  else if (timesApplied !== 1) yield `${name} was accepted and carried out ${timesApplied} times`;
  if (again.status !== answer.status || !wasReplayed)
    yield `${name} was answered ${status} and then ${again.status} ${again.code ?? ''}`;
}

function* violationsOfPost(post: ObservedPost): Generator<string> {
  const { postId, account, wanted, status, timesPublished, timesCreated } = post;
  const name = `Post ${postId} (${account})`;
  if (timesCreated !== 1) yield `${name} was created ${timesCreated} times`;
  if (timesPublished > 1) yield `${name} was published ${timesPublished} times`;
  if (wanted === 'cancelled') {
    if (status !== 'CANCELLED' || timesPublished > 0)
      yield `${name} was cancelled, is ${status} and was published ${timesPublished} times`;
    return;
  }
  // A member's posts cannot be read back: doubt about one is a person's.
  const mayBeUnconfirmed = account === 'member';
  if (status === 'UNCONFIRMED' && mayBeUnconfirmed) return;
  if (status !== 'PUBLISHED') yield `${name} ended ${status}`;
  if (timesPublished === 0) yield `${name} was lost`;
}

function* violationsOfReadiness(seen: ObservedReadiness): Generator<string> {
  const { isAlive, check, isUsable, status, states } = seen;
  if (!isAlive) yield 'The process says that it is not alive';
  const shown = `${status} ${JSON.stringify(states)}`;
  const areAllOk = Object.values(states).every((state) => state === 'ok');
  if (status !== 200 && status !== 503) return yield `Readiness was answered ${shown}`;
  if ((status === 200) !== areAllOk) yield `Readiness contradicts itself: ${shown}`;
  const others = Object.entries(states).filter(([name]) => name !== check);
  if (others.some(([, state]) => state !== 'ok')) yield `Readiness blames a part that is well: ${shown}`;
  if (check === null || isUsable === null) return;
  if ((states[check] === 'ok') !== isUsable)
    yield `Readiness says ${shown} while ${check} is ${isUsable ? 'usable' : 'not usable'}`;
}

function* violationsOfRecovery({ healthyAfterMs, usualMs }: Observation): Generator<string> {
  if (healthyAfterMs === null) yield 'It did not become healthy again';
  else if (healthyAfterMs - usualMs > healthyWithinMs)
    yield `It became healthy again ${Math.round(healthyAfterMs - usualMs)} ms late`;
}
