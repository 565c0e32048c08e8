import { setTimeout as sleep } from 'node:timers/promises';
import type { temporal } from '@temporalio/proto';
import type { Environment } from './environment.ts';
import type { Workers } from './workers.ts';

type Event = temporal.api.history.v1.IHistoryEvent;
type Execution = temporal.api.common.v1.IWorkflowExecution;

export interface Runs {
  /**
   * Waits until no run has anything left to do at this very moment: what time brought has been done, and nothing is under
   * way. Throws, naming what is, when that takes longer than a minute of real time.
   */
  readonly untilQuiet: () => Promise<Rest>;
}

/** Runs at rest. */
export interface Rest {
  /** When the first of them goes on by itself; null where all of them wait for somebody. */
  readonly nextAtMs: number | null;
}

const quietWithinMs = 60_000;
const askEveryMs = 10;

/** Looks at the open runs of an environment whose workers are in this process. */
export function createRuns(environment: Environment, workers: Workers | null): Runs {
  return {
    async untilQuiet() {
      if (!workers) return { nextAtMs: null };
      const deadline = Date.now() + quietWithinMs;
      // Twice in a row: between the end of a retry's delay and its start, nothing shows.
      for (let quiet = 0; ; ) {
        const look = workers.isBusy() ? atWork : await lookAtRuns(environment);
        if (look.work && Date.now() > deadline)
          throw new Error(`The runs did not come to rest within ${quietWithinMs / 1000} s: ${look.work}`);
        quiet = look.work ? 0 : quiet + 1;
        if (quiet === 2) return { nextAtMs: look.nextAtMs };
        await sleep(askEveryMs);
      }
    },
  };
}

/** What runs still have to do now, in words, null where there is nothing; and when they go on by themselves. */
interface Look extends Rest {
  readonly work: string | null;
}

const atWork: Look = { work: 'a worker is at work', nextAtMs: null };

async function lookAtRuns(environment: Environment): Promise<Look> {
  const { temporal, time } = environment;
  const { workflowService } = temporal.client;
  const { namespace } = temporal;
  const open = await workflowService.listOpenWorkflowExecutions({
    ...{ namespace, maximumPageSize: 1_000 },
    startTimeFilter: {},
  });
  const now = (await time.observe()).getTime();
  const looks = await Promise.all(
    (open.executions ?? []).map(async ({ execution }) => {
      const look = await lookAtRun(environment, execution!, now);
      return look.work === null ? look : { ...look, work: `${execution!.workflowId} ${look.work}` };
    }),
  );
  return {
    work: looks.find(({ work }) => work !== null)?.work ?? null,
    nextAtMs: earliest(looks.flatMap(({ nextAtMs }) => nextAtMs ?? [])),
  };
}

async function lookAtRun({ temporal }: Environment, execution: Execution, nowMs: number): Promise<Look> {
  const handle = temporal.client.workflow.getHandle(execution.workflowId!, execution.runId!);
  const { events } = await handle.fetchHistory();
  const { hasTask, taskFailure, timers, hasActivities } = whatIsOpen(events ?? []);
  const look = (work: string | null, retriesAtMs: readonly number[] = []): Look => ({
    work,
    nextAtMs: earliest([...timers.map(({ firesAtMs }) => firesAtMs), ...retriesAtMs]),
  });
  if (taskFailure) return look(`fails its workflow task: ${taskFailure}`);
  if (hasTask) return look('has a workflow task to do');
  if (timers.some(({ meantAtMs }) => meantAtMs <= nowMs)) return look('has a timer that has come');
  if (!hasActivities) return look(null);
  const { raw } = await handle.describe();
  const pending = raw.pendingActivities ?? [];
  // A second attempt that no worker has waits for its delay to pass.
  const first = pending.find(({ attempt }) => (attempt ?? 1) <= 1);
  if (first) return look(`waits for ${first.activityType?.name}`);
  return look(
    null,
    pending.map(({ scheduledTime }) => millisecondsOf(scheduledTime)).filter((atMs) => atMs > nowMs),
  );
}

/**
 * A run counts a timer from the start of its task, the server from the task's end. So one that is meant for an instant
 * fires a little after it, the more so on a busy machine; what is due at that instant has not been done before.
 */
interface OpenTimer {
  readonly meantAtMs: number;
  readonly firesAtMs: number;
}

/** What a history leaves open: a workflow task, timers, activities. */
function whatIsOpen(events: readonly Event[]) {
  const timers = new Map<string, OpenTimer>();
  let taskStartedAtMs = 0;
  const activities = new Set<string>();
  let hasTask = false;
  let taskFailure: string | null | undefined = null;
  for (const event of events) {
    if (event.workflowTaskScheduledEventAttributes) hasTask = true;
    if (event.workflowTaskStartedEventAttributes) taskStartedAtMs = millisecondsOf(event.eventTime);
    if (event.workflowTaskCompletedEventAttributes) {
      hasTask = false;
      taskFailure = null;
    }
    const failed = event.workflowTaskFailedEventAttributes;
    if (failed) taskFailure = failed.failure?.message ?? taskFailure;
    const started = event.timerStartedEventAttributes;
    if (started) {
      const lengthMs = millisecondsOf(started.startToFireTimeout);
      const firesAtMs = millisecondsOf(event.eventTime) + lengthMs;
      timers.set(started.timerId!, { meantAtMs: taskStartedAtMs + lengthMs, firesAtMs });
    }
    const ended = event.timerFiredEventAttributes ?? event.timerCanceledEventAttributes;
    if (ended) timers.delete(ended.timerId!);
    if (event.activityTaskScheduledEventAttributes) activities.add(String(event.eventId));
    const closed =
      event.activityTaskCompletedEventAttributes ??
      event.activityTaskFailedEventAttributes ??
      event.activityTaskTimedOutEventAttributes ??
      event.activityTaskCanceledEventAttributes;
    if (closed) activities.delete(String(closed.scheduledEventId));
  }
  return { hasTask, taskFailure, timers: [...timers.values()], hasActivities: activities.size > 0 };
}

const earliest = (instants: readonly number[]): number | null =>
  instants.length === 0 ? null : Math.min(...instants);

/** Of an instant or a length of time, as Temporal's messages hold them. */
const millisecondsOf = (
  value: { seconds?: { toString(): string } | null; nanos?: number | null } | null | undefined,
): number => Number(value?.seconds?.toString() ?? 0) * 1_000 + (value?.nanos ?? 0) / 1e6;
