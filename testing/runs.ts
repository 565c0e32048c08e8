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
  readonly untilQuiet: () => Promise<void>;
}

const quietWithinMs = 60_000;
const askEveryMs = 10;

/** Looks at the open runs of an environment whose workers are in this process. */
export function createRuns(environment: Environment, workers: Workers | null): Runs {
  return {
    async untilQuiet() {
      if (!workers) return;
      const deadline = Date.now() + quietWithinMs;
      // Twice in a row: between the end of a retry's delay and its start, nothing shows.
      for (let quiet = 0; quiet < 2; ) {
        const busy = workers.isBusy() ? 'a worker is at work' : await findWork(environment);
        if (busy && Date.now() > deadline)
          throw new Error(`The runs did not come to rest within ${quietWithinMs / 1000} s: ${busy}`);
        quiet = busy ? 0 : quiet + 1;
        await sleep(askEveryMs);
      }
    },
  };
}

/** What any open run still has to do now, in words; null where there is nothing. */
async function findWork(environment: Environment): Promise<string | null> {
  const { temporal, time } = environment;
  const { workflowService } = temporal.client;
  const { namespace } = temporal;
  const open = await workflowService.listOpenWorkflowExecutions({
    ...{ namespace, maximumPageSize: 1_000 },
    startTimeFilter: {},
  });
  const now = (await time.observe()).getTime();
  const works = await Promise.all(
    (open.executions ?? []).map(async ({ execution }) => {
      const work = await workOf(environment, execution!, now);
      return work && `${execution!.workflowId} ${work}`;
    }),
  );
  return works.find((work) => work !== null) ?? null;
}

async function workOf(
  { temporal }: Environment,
  execution: Execution,
  nowMs: number,
): Promise<string | null> {
  const handle = temporal.client.workflow.getHandle(execution.workflowId!, execution.runId!);
  const { events } = await handle.fetchHistory();
  const work = workInHistory(events ?? [], nowMs);
  if (work !== 'has activities') return work;
  const { raw } = await handle.describe();
  // A second attempt that no worker has waits for its delay to pass.
  const first = raw.pendingActivities?.find(({ attempt }) => (attempt ?? 1) <= 1);
  return first ? `waits for ${first.activityType?.name}` : null;
}

/** What a history leaves open: a workflow task, a timer that has come, an activity. */
function workInHistory(events: readonly Event[], nowMs: number): string | null {
  const timers = new Map<string, number>();
  const activities = new Set<string>();
  let task: string | null = null;
  for (const event of events) {
    if (event.workflowTaskScheduledEventAttributes) task = 'has a workflow task to do';
    if (event.workflowTaskCompletedEventAttributes) task = null;
    const failure = event.workflowTaskFailedEventAttributes?.failure;
    if (failure) task = `fails its workflow task: ${failure.message}`;
    const started = event.timerStartedEventAttributes;
    if (started)
      timers.set(
        started.timerId!,
        millisecondsOf(event.eventTime) + millisecondsOf(started.startToFireTimeout),
      );
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
  if (task) return task;
  if ([...timers.values()].some((atMs) => atMs <= nowMs)) return 'has a timer that has come';
  return activities.size > 0 ? 'has activities' : null;
}

/** Of an instant or a length of time, as Temporal's messages hold them. */
const millisecondsOf = (
  value: { seconds?: { toString(): string } | null; nanos?: number | null } | null | undefined,
): number => Number(value?.seconds?.toString() ?? 0) * 1_000 + (value?.nanos ?? 0) / 1e6;
