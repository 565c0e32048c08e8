import { spawn } from 'node:child_process';
import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { isSystemError, messageOf, StackError } from './stack-error.ts';
import type { Environment, Report } from './types.ts';

const PROGRESS_INTERVAL_MS = 5_000;
const OUTPUT_TAIL_CHARACTERS = 4_000;
const KILL_AFTER_MS = 5_000;

export interface CommandOptions {
  command: string;
  args: readonly string[];
  cwd: string;
  env: Environment;
  /** Every wait is bounded: after this the command is ended and counts as failed. */
  timeoutMs: number;
  uid?: number | undefined;
  gid?: number | undefined;
  /** Shown with the elapsed seconds while it runs (default: nothing is shown). */
  progress?: { label: string; typicalSeconds: number; report: Report } | undefined;
  signal?: AbortSignal | undefined;
}

/**
 * Runs a tool to its end and returns what it printed to standard output.
 * Throws StackError `command-failed` with the end of its output when it cannot be run, fails, or takes too long.
 */
export async function runCommand(options: CommandOptions): Promise<string> {
  options.signal?.throwIfAborted();
  const stopProgress = showProgress(options.progress);
  try {
    return await runToEnd(options);
  } finally {
    stopProgress();
  }
}

function runToEnd(options: CommandOptions): Promise<string> {
  const { command, args, cwd, env, timeoutMs } = options;
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd,
      env: env as NodeJS.ProcessEnv,
      stdio: ['ignore', 'pipe', 'pipe'],
      ...(options.uid === undefined ? {} : { uid: options.uid }),
      ...(options.gid === undefined ? {} : { gid: options.gid }),
    });
    let stdout = '';
    let tail = '';
    let reason: string | null = null;
    let killTimer: NodeJS.Timeout | undefined;
    const end = (why: string) => {
      reason ??= why;
      child.kill('SIGTERM');
      killTimer ??= setTimeout(() => child.kill('SIGKILL'), KILL_AFTER_MS);
    };
    const timer = setTimeout(() => end(`took longer than ${timeoutMs / 1000} s`), timeoutMs);
    const onAbort = () => end('was cancelled');
    options.signal?.addEventListener('abort', onAbort, { once: true });
    const settle = () => {
      clearTimeout(timer);
      clearTimeout(killTimer);
      options.signal?.removeEventListener('abort', onAbort);
    };
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
      tail = (tail + text).slice(-OUTPUT_TAIL_CHARACTERS);
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      tail = (tail + text).slice(-OUTPUT_TAIL_CHARACTERS);
    });
    child.once('error', (error) => {
      settle();
      reject(
        new StackError('command-failed', `${command} could not be run: ${messageOf(error)}`, {
          cause: error,
        }),
      );
    });
    child.once('close', (code, signal) => {
      settle();
      if (reason === null && code === 0) return resolve(stdout);
      const how = reason ?? (signal === null ? `ended with exit code ${code}` : `was ended by ${signal}`);
      reject(new StackError('command-failed', `${command} ${args[0] ?? ''} ${how}:\n${tail.trimEnd()}`));
    });
  });
}

/** Says what begins, then the elapsed time every few seconds; returns what ends it. */
export function showProgress(progress: CommandOptions['progress']): () => void {
  if (progress === undefined) return () => undefined;
  const { label, typicalSeconds, report } = progress;
  const startedAt = Date.now();
  const elapsedSeconds = () => Math.round((Date.now() - startedAt) / 1000);
  report(`${label} (typically ${typicalSeconds} s)`);
  const timer = setInterval(() => report(`${label}: ${elapsedSeconds()} s`), PROGRESS_INTERVAL_MS);
  return () => {
    clearInterval(timer);
    report(`${label}: ended after ${elapsedSeconds()} s`);
  };
}

/** The full path of a program on the PATH of that environment, or null. */
export function findOnPath(program: string, env: Environment): string | null {
  for (const folder of (env.PATH ?? '').split(delimiter)) {
    if (folder === '') continue;
    const path = join(folder, program);
    if (isExecutableFile(path)) return path;
  }
  return null;
}

/** Whether the path is a file that we may run. */
export function isExecutableFile(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch (error) {
    if (['ENOENT', 'EACCES', 'ENOTDIR'].some((code) => isSystemError(error, code))) return false;
    throw error;
  }
}
