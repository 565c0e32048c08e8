import { type ChildProcess, fork } from 'node:child_process';
import { Client, Connection } from '@temporalio/client';
import { until } from '../measure/load.ts';
import { compiledPath, floorBundlePath } from './build.ts';
import { createNamespace, type Servers, type TemporalServer } from './servers.ts';

/** A floor's process. */
export interface FloorProcess {
  readonly processId: number;
  /** What it said when it was ready. */
  readonly greeting: unknown;
  readonly readyAfterMs: number;
  /** Asks it for what it has noted. */
  readonly ask: <Answer>() => Promise<Answer>;
  readonly stop: () => Promise<void>;
}

/** Starts one of the compiled programs of `bench/floors`, and waits for its first word. */
export async function startFloorProcess(file: string, env: NodeJS.ProcessEnv): Promise<FloorProcess> {
  const startedAt = performance.now();
  const child = fork(compiledPath(`floors/${file}.js`), {
    env: { PATH: process.env.PATH, HOME: process.env.HOME, ...env },
    execArgv: [],
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  const greeting = await nextMessage(child);
  return {
    processId: child.pid!,
    greeting,
    readyAfterMs: performance.now() - startedAt,
    ask: async <Answer>() => {
      child.send('ask');
      return (await nextMessage(child)) as Answer;
    },
    stop: () => stop(child),
  };
}

function nextMessage(child: ChildProcess): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const onExit = (code: number | null) => reject(new Error(`${child.spawnfile} ended with ${code}`));
    child.once('exit', onExit);
    child.once('message', (message) => {
      child.off('exit', onExit);
      resolve(message);
    });
  });
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGTERM');
  const kill = setTimeout(() => child.kill('SIGKILL'), 10_000);
  await ended;
  clearTimeout(kill);
}

/** The bare workflows: a worker of theirs and a client, in a namespace of their own. */
export interface FloorWorkflows {
  readonly client: Client;
  readonly worker: FloorProcess;
  /** Whose CPU time counts, beside the bench's own, which is the client here. */
  readonly processes: { readonly worker: readonly number[]; readonly temporal: readonly number[] };
  readonly startIdle: (workflowId: string) => Promise<void>;
  /** Waits until as many idle workflows as that have run for the first time. */
  readonly haveStarted: (count: number) => Promise<void>;
  readonly stop: () => Promise<void>;
}

export const floorTaskQueue = 'floor';

export async function startFloorWorkflows(
  servers: Servers,
  { maxCached = 2_000, temporal = servers.temporal }: { maxCached?: number; temporal?: TemporalServer } = {},
): Promise<FloorWorkflows> {
  const namespace = await createNamespace(temporal, 'floor');
  const worker = await startFloorProcess('worker', floorEnvironment(temporal.address, namespace, maxCached));
  const connection = await Connection.connect({ address: temporal.address });
  const client = new Client({ connection, namespace });
  return {
    client,
    worker,
    processes: { worker: [worker.processId], temporal: [temporal.processId] },
    startIdle: async (workflowId) => {
      await client.workflow.start('idle', { workflowId, taskQueue: floorTaskQueue });
    },
    haveStarted: (count) =>
      until(
        `${count} bare workflows have begun`,
        60_000,
        async () => (await worker.ask<{ started: number }>()).started >= count,
      ),
    stop: async () => {
      await worker.stop();
      await connection.close();
    },
  };
}

export const floorEnvironment = (address: string, namespace: string, maxCached: number) => ({
  ADDRESS: address,
  NAMESPACE: namespace,
  BUNDLE: floorBundlePath,
  MAX_CACHED: String(maxCached),
});
