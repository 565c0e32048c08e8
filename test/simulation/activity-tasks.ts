import {
  ActivityFailure,
  ApplicationFailure,
  CancelledFailure,
  defaultFailureConverter,
  defaultPayloadConverter as payloads,
  TimeoutFailure,
} from '@temporalio/common';
import { optionalTsToMs } from '@temporalio/common/lib/time.js';
import type { coresdk } from '@temporalio/proto';
import { callActivity } from './activity-host.ts';
import type { Process } from './scheduler.ts';
import type { Temporal } from './temporal.ts';
import type { Job } from './workflow-code.ts';
import type { WorkflowRun } from './workflow-run.ts';

export type ActivityOutcome =
  | { readonly kind: 'completed'; readonly result: unknown }
  | { readonly kind: 'failed'; readonly error: unknown }
  | { readonly kind: 'timed-out'; readonly type: 'HEARTBEAT' | 'START_TO_CLOSE' | 'SCHEDULE_TO_CLOSE' }
  | { readonly kind: 'cancelled' };

/** How a run learns what became of an activity. */
export function resolutionOf(seq: number, outcome: ActivityOutcome, isLocal: boolean): Job {
  const resolve = { seq, isLocal, result: resultOf(outcome) };
  return { resolveActivity: resolve, variant: 'resolveActivity' } as Job;
}

function resultOf(outcome: ActivityOutcome) {
  switch (outcome.kind) {
    case 'completed':
      return { completed: { result: payloads.toPayload(outcome.result ?? null) } };
    case 'failed':
      return { failed: { failure: failureOf(outcome.error) } };
    case 'timed-out':
      return { failed: { failure: failureOf(new TimeoutFailure('Timed out', undefined, outcome.type)) } };
    case 'cancelled':
      return { cancelled: { failure: failureOf(new CancelledFailure('Cancelled')) } };
  }
}

function failureOf(cause: unknown) {
  const error = cause instanceof Error ? cause : new Error(String(cause));
  const failure = new ActivityFailure(
    'Activity task failed',
    'activity',
    'id',
    'UNSPECIFIED' as never,
    '',
    error,
  );
  return defaultFailureConverter.errorToFailure(failure, payloads);
}

type Schedule = coresdk.workflow_commands.IScheduleActivity;

interface Attempt {
  readonly number: number;
  readonly process: Process;
  readonly abort: AbortController;
}

interface Task {
  readonly seq: number;
  readonly schedule: Schedule;
  readonly scheduledAtMs: number;
  attempts: number;
  /** The attempt that is listened to. */
  current: Attempt | null;
  isDispatched: boolean;
}

/** The activities of one run: given to workers, tried again, timed out, called off. */
export class ActivityTasks {
  readonly #temporal: Temporal;
  readonly #run: WorkflowRun;
  readonly #tasks = new Map<number, Task>();

  constructor(temporal: Temporal, run: WorkflowRun) {
    this.#temporal = temporal;
    this.#run = run;
  }

  schedule(schedule: Schedule): void {
    const { nowMs } = this.#temporal.scheduler;
    const task = { seq: schedule.seq!, schedule, scheduledAtMs: nowMs, attempts: 0, current: null };
    this.#tasks.set(task.seq, { ...task, isDispatched: false });
  }

  forget(seq: number): void {
    this.#tasks.delete(seq);
  }

  /** The run has been told already; the attempt learns of it with a heartbeat, if it has any. */
  cancel(seq: number): void {
    const task = this.#tasks.get(seq);
    this.#tasks.delete(seq);
    if (task?.current) this.#callOff(task.current);
  }

  dispatchAll(): void {
    for (const task of this.#tasks.values()) {
      if (task.isDispatched) continue;
      task.isDispatched = true;
      this.#dispatchAfter(task, this.#temporal.random.between(1, 30));
    }
  }

  /** The run is over: whoever still works for it learns of that when it heartbeats. */
  abandon(): void {
    for (const { current } of this.#tasks.values()) if (current) this.#callOff(current);
    this.#tasks.clear();
  }

  workerLost(worker: Process): void {
    for (const task of this.#tasks.values())
      if (task.current?.process === worker) this.#timeOutLater(task, task.current);
  }

  #callOff({ abort }: Attempt): void {
    this.#temporal.scheduler.after(this.#temporal.random.between(10, 2_000), () =>
      abort.abort(new CancelledFailure('CANCELLED')),
    );
  }

  #dispatchAfter(task: Task, delayMs: number): void {
    this.#temporal.scheduler.after(delayMs, () => this.#dispatch(task));
  }

  #dispatch(task: Task): void {
    if (!this.#isWanted(task)) return;
    const process = this.#temporal.anyWorker();
    if (!process) {
      this.#dispatchAfter(task, 500);
      return;
    }
    task.attempts += 1;
    const attempt: Attempt = { number: task.attempts, process, abort: new AbortController() };
    task.current = attempt;
    this.#temporal.log(
      `${this.#run.workflowId} ${task.schedule.activityType} attempt ${attempt.number} begins`,
    );
    this.#watch(task, attempt);
    this.#call(task, attempt).then(
      (result) => this.#ended(task, attempt, { kind: 'completed', result }),
      (error) => this.#ended(task, attempt, { kind: 'failed', error }),
    );
  }

  #call({ schedule }: Task, { number, process, abort }: Attempt): Promise<unknown> {
    const { workflowId, runId } = this.#run;
    const [input] = schedule.arguments!.map((payload) => payloads.fromPayload(payload));
    const call = { type: schedule.activityType!, activityId: schedule.activityId!, runId, workflowId };
    const signal = abort.signal;
    return callActivity(this.#temporal.activities, { ...call, attempt: number, process, signal }, input);
  }

  /** Time-outs of an attempt; now and then one is held for lost that is not. */
  #watch(task: Task, attempt: Attempt): void {
    const { scheduler, random, faults } = this.#temporal;
    const startToCloseMs = optionalTsToMs(task.schedule.startToCloseTimeout);
    if (startToCloseMs !== undefined)
      scheduler.after(startToCloseMs, () => this.#timeOut(task, attempt, 'START_TO_CLOSE'));
    if (random.chance(faults.presumedLost))
      scheduler.after(random.between(0, 12_000), () => this.#timeOutLater(task, attempt));
  }

  #timeOutLater(task: Task, attempt: Attempt): void {
    const heartbeatMs = optionalTsToMs(task.schedule.heartbeatTimeout);
    if (heartbeatMs === undefined) return;
    this.#temporal.scheduler.after(heartbeatMs, () => this.#timeOut(task, attempt, 'HEARTBEAT'));
  }

  #timeOut(task: Task, attempt: Attempt, type: 'HEARTBEAT' | 'START_TO_CLOSE'): void {
    if (!this.#isWanted(task) || task.current !== attempt) return;
    this.#callOff(attempt);
    this.#ended(task, attempt, { kind: 'timed-out', type });
  }

  #isWanted(task: Task): boolean {
    return this.#tasks.get(task.seq) === task && this.#run.isOpen;
  }

  #ended(task: Task, attempt: Attempt, outcome: ActivityOutcome): void {
    // An attempt that was given up may say what it likes.
    if (!this.#isWanted(task) || task.current !== attempt) return;
    task.current = null;
    const againInMs = outcome.kind === 'completed' ? null : this.#retryDelay(task, outcome);
    this.#temporal.log(
      `${this.#run.workflowId} ${task.schedule.activityType} ${describe(outcome)}${againInMs === null ? '' : `, again in ${againInMs}`}`,
    );
    if (againInMs !== null) {
      this.#dispatchAfter(task, againInMs);
      return;
    }
    this.#temporal.scheduler.after(this.#temporal.random.between(0, 20), () => {
      if (!this.#isWanted(task)) return;
      this.#tasks.delete(task.seq);
      this.#run.deliver(resolutionOf(task.seq, outcome, false));
    });
  }

  #retryDelay({ schedule, attempts, scheduledAtMs }: Task, outcome: ActivityOutcome): number | null {
    const policy = schedule.retryPolicy;
    if (policy?.maximumAttempts && attempts >= policy.maximumAttempts) return null;
    const failure =
      outcome.kind === 'failed' && outcome.error instanceof ApplicationFailure ? outcome.error : null;
    if (failure?.nonRetryable) return null;
    const own = failure?.nextRetryDelay as number | undefined;
    const initialMs = optionalTsToMs(policy?.initialInterval) ?? 1_000;
    const mostMs = optionalTsToMs(policy?.maximumInterval) ?? 100 * initialMs;
    const delayMs = own ?? Math.min(mostMs, initialMs * (policy?.backoffCoefficient || 2) ** (attempts - 1));
    const closeMs = optionalTsToMs(schedule.scheduleToCloseTimeout);
    const isTooLate =
      closeMs !== undefined && this.#temporal.scheduler.nowMs + delayMs > scheduledAtMs + closeMs;
    return isTooLate ? null : delayMs;
  }
}

export function describe(outcome: ActivityOutcome): string {
  switch (outcome.kind) {
    case 'completed':
      return `answers ${JSON.stringify(outcome.result) ?? ''}`.slice(0, 160);
    case 'failed':
      return `fails: ${outcome.error}`.slice(0, 160);
    case 'timed-out':
      return `times out (${outcome.type})`;
    case 'cancelled':
      return 'is cancelled';
  }
}
