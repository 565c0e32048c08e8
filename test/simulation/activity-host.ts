import { asyncLocalStorage } from '@temporalio/activity';
import type { Process } from './scheduler.ts';

/** What runs an activity: its process, and how it is called off. */
export interface ActivityCall {
  readonly type: string;
  readonly activityId: string;
  readonly runId: string;
  readonly workflowId: string;
  readonly attempt: number;
  readonly process: Process;
  readonly signal: AbortSignal;
}

export type ActivityFunctions = Readonly<Record<string, (input: never) => Promise<unknown>>>;

const silent = () => {};
const silentLog = { log: silent, trace: silent, debug: silent, info: silent, warn: silent, error: silent };

/** Runs the product's own activity, in a context like a worker's. */
export function callActivity(
  activities: ActivityFunctions,
  call: ActivityCall,
  input: unknown,
): Promise<unknown> {
  const { type, activityId, runId, workflowId, attempt, process, signal } = call;
  const work = activities[type];
  if (!work) throw new Error(`There is no activity ${type}`);
  const context = {
    info: { activityId, activityType: type, attempt, workflowExecution: { workflowId, runId } },
    cancellationSignal: signal,
    heartbeat: silent,
    log: silentLog,
    process,
  };
  return asyncLocalStorage.run(context as never, () => work(input as never));
}

/** The process that the code now running belongs to. */
export function currentProcess(): Process {
  const store = asyncLocalStorage.getStore() as unknown as { process: Process } | undefined;
  if (!store) throw new Error('Only a process of the world touches its rows and platforms');
  return store.process;
}

/** Runs what is no activity, e.g. a request to the interface, as a process. */
export const asProcess = <T>(process: Process, work: () => Promise<T>): Promise<T> =>
  asyncLocalStorage.run({ process } as never, work);
