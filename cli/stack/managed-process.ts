import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, constants, openSync } from 'node:fs';
import { mkdir, open, rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { forgetProcess, recordProcess } from './process-records.ts';
import { isSystemError, messageOf, StackError } from './stack-error.ts';
import type { Environment } from './types.ts';

const READY_POLL_MS = 50;
const DEFAULT_STOP_TIMEOUT_MS = 10_000;
const LOG_TAIL_BYTES = 8_192;
const LOG_TAIL_LINES = 20;

export interface ProcessOptions {
  /** Short and unique within the state directory: it names the process in messages and its record on disk. */
  name: string;
  command: string;
  args: readonly string[];
  /** The whole environment of the child; nothing is inherited. */
  env: Environment;
  cwd: string;
  /** Takes what the child prints. The log of the run before is kept beside it as `….previous`. */
  logFile: string;
  /** User and group to run as (default: our own). */
  uid?: number | undefined;
  gid?: number | undefined;
  /** Whether the process serves. Asked every 50 ms; one that throws counts as "not yet", and is named if time runs out. */
  ready: () => Promise<boolean>;
  readyTimeoutMs: number;
  /** What asks it to end (default SIGTERM). */
  stopSignal?: NodeJS.Signals | undefined;
  /** How long it may take to end before SIGKILL (default 10 s). */
  stopTimeoutMs?: number | undefined;
  /** Whether it leads a process group of its own (default true); in ours, a Ctrl-C in the terminal ends it too. */
  ownGroup?: boolean | undefined;
  /** Where to record it, so that the next start can stop it if we are killed (default: not recorded). */
  stateDir?: string | undefined;
  /** Gives up the start, and stops what was started. */
  signal?: AbortSignal | undefined;
}

export interface ProcessExit {
  code: number | null;
  signal: NodeJS.Signals | null;
}

export interface ManagedProcess {
  name: string;
  processId: number;
  logFile: string;
  /** Settles when the process has ended, for whatever reason; never rejects. */
  exited: Promise<ProcessExit>;
  isRunning(): boolean;
  /** The last lines of the log, for a message about why it ended. */
  readLogTail(): Promise<string>;
  /** Asks the process to end, kills it after the bound, and returns when it is gone. May be called again. */
  stop(): Promise<void>;
}

const liveChildren = new Map<ChildProcess, NodeJS.Signals>();

// A normal end stops everything through stop(). This is the last line for an uncaught error or a process.exit().
process.once('exit', () => {
  for (const [child, stopSignal] of liveChildren) child.kill(stopSignal);
});

/**
 * Starts a child process and waits until it serves.
 *
 * The child leads its own process group by default, so that a Ctrl-C in the terminal reaches only us and the servers end in
 * the order we choose. Throws StackError `process-exited` or `process-not-ready`, with the last log lines.
 */
export async function startProcess(options: ProcessOptions): Promise<ManagedProcess> {
  options.signal?.throwIfAborted();
  const managed = await spawnManaged(options);
  try {
    if (options.stateDir !== undefined) await recordProcess(options.stateDir, managed, options);
    await waitUntilReady(managed, options);
  } catch (error) {
    await managed.stop();
    throw error;
  }
  return managed;
}

async function spawnManaged(options: ProcessOptions): Promise<ManagedProcess> {
  const { name, logFile, stateDir } = options;
  const stopSignal = options.stopSignal ?? 'SIGTERM';
  const stopTimeoutMs = options.stopTimeoutMs ?? DEFAULT_STOP_TIMEOUT_MS;
  const child = await spawnIntoLog(options);
  liveChildren.set(child, stopSignal);

  const exited = new Promise<ProcessExit>((resolve) => {
    child.once('exit', (code, signal) => {
      liveChildren.delete(child);
      resolve({ code, signal });
    });
  });
  const isRunning = () => child.exitCode === null && child.signalCode === null;

  async function endChild(): Promise<void> {
    if (isRunning()) {
      child.kill(stopSignal);
      if ((await withinTime(exited, stopTimeoutMs)) === undefined) child.kill('SIGKILL');
      await exited;
    }
    if (stateDir !== undefined) await forgetProcess(stateDir, name);
  }

  let stopping: Promise<void> | undefined;
  return {
    name,
    processId: child.pid as number,
    logFile,
    exited,
    isRunning,
    readLogTail: () => readLogTail(logFile),
    stop() {
      stopping ??= endChild();
      return stopping;
    },
  };
}

async function spawnIntoLog(options: ProcessOptions): Promise<ChildProcess> {
  await mkdir(dirname(options.logFile), { recursive: true });
  await keepPreviousLog(options.logFile);
  const log = openSync(options.logFile, constants.O_WRONLY | constants.O_CREAT | constants.O_APPEND, 0o600);
  try {
    const child = spawn(options.command, options.args, {
      cwd: options.cwd,
      env: options.env as NodeJS.ProcessEnv,
      stdio: ['ignore', log, log],
      detached: options.ownGroup ?? true,
      ...(options.uid === undefined ? {} : { uid: options.uid }),
      ...(options.gid === undefined ? {} : { gid: options.gid }),
    });
    await new Promise<void>((resolve, reject) => {
      child.once('spawn', resolve);
      child.once('error', reject);
    });
    return child;
  } catch (error) {
    throw new StackError(
      'process-exited',
      `${options.name} could not be started (${options.command}): ${messageOf(error)}`,
      { cause: error },
    );
  } finally {
    closeSync(log);
  }
}

async function keepPreviousLog(logFile: string): Promise<void> {
  try {
    await rename(logFile, `${logFile}.previous`);
  } catch (error) {
    if (!isSystemError(error, 'ENOENT')) throw error;
  }
}

async function waitUntilReady(managed: ManagedProcess, options: ProcessOptions): Promise<void> {
  const deadline = Date.now() + options.readyTimeoutMs;
  let lastProblem = 'it gave no answer';
  while (Date.now() < deadline) {
    options.signal?.throwIfAborted();
    if (!managed.isRunning()) throw await describeEarlyExit(managed);
    const attempt = options.ready().catch((error: unknown) => {
      lastProblem = messageOf(error);
      return false;
    });
    const outcome = await withinTime(Promise.race([attempt, managed.exited]), deadline - Date.now());
    if (outcome === true) return;
    await sleep(READY_POLL_MS);
  }
  if (!managed.isRunning()) throw await describeEarlyExit(managed);
  throw new StackError(
    'process-not-ready',
    `${managed.name} was not ready after ${options.readyTimeoutMs / 1000} s (${lastProblem}). ` +
      `Its last lines, from ${managed.logFile}:\n${await managed.readLogTail()}`,
  );
}

async function withinTime<Value>(work: Promise<Value>, timeoutMs: number): Promise<Value | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const timedOut = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), Math.max(timeoutMs, 0));
  });
  try {
    return await Promise.race([work, timedOut]);
  } finally {
    clearTimeout(timer);
  }
}

async function describeEarlyExit(managed: ManagedProcess): Promise<StackError> {
  const { code, signal } = await managed.exited;
  const how = signal === null ? `with exit code ${code}` : `by ${signal}`;
  return new StackError(
    'process-exited',
    `${managed.name} ended ${how} before it was ready. ` +
      `Its last lines, from ${managed.logFile}:\n${await managed.readLogTail()}`,
  );
}

async function readLogTail(logFile: string): Promise<string> {
  const file = await open(logFile, 'r');
  try {
    const { size } = await file.stat();
    const length = Math.min(size, LOG_TAIL_BYTES);
    const { buffer } = await file.read(Buffer.alloc(length), 0, length, size - length);
    return buffer.toString('utf8').trimEnd().split('\n').slice(-LOG_TAIL_LINES).join('\n');
  } finally {
    await file.close();
  }
}

/** Keeps what was started and stops it in reverse order, so that nobody loses a server it still uses. */
export interface Supervisor {
  add<Item extends { name: string; stop(): Promise<void> }>(item: Item): Item;
  /** Stops all, also after one of them failed to stop; throws what went wrong at the end. */
  stopAll(): Promise<void>;
}

export function createSupervisor(): Supervisor {
  const items: { name: string; stop(): Promise<void> }[] = [];
  return {
    add(item) {
      items.push(item);
      return item;
    },
    async stopAll() {
      const problems: unknown[] = [];
      for (let item = items.pop(); item !== undefined; item = items.pop()) {
        await item.stop().catch((error: unknown) => problems.push(error));
      }
      if (problems.length === 1) throw problems[0];
      if (problems.length > 1) throw new AggregateError(problems, 'Several servers could not be stopped');
    },
  };
}
