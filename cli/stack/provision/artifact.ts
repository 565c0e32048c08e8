import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { findStartMark } from '../process-identity.ts';
import { isSystemError, messageOf, StackError } from '../stack-error.ts';
import type { Environment, Report } from '../types.ts';

const LOCK_HEARTBEAT_MS = 3_000;
const LOCK_STALE_AFTER_MS = 30_000;
const LOCK_POLL_MS = 300;

/** How a server's program was had. */
export type ProvidedHow =
  | 'environment'
  | 'path'
  | 'cache'
  | 'sdk-download'
  | 'direct-download'
  | 'go-build'
  | 'maven'
  | 'pip'
  | 'apt-get';

export interface ProvideOptions {
  /** Where downloads and builds are kept between runs. */
  cacheDir: string;
  report: Report;
  env: Environment;
  /** Gives up a download or build that is under way. */
  signal?: AbortSignal | undefined;
}

/** One way to fill an artifact's folder. It throws when it cannot; the next way is then tried. */
export interface Way {
  how: ProvidedHow;
  /** For the message when none works: what a person would install or open for this way. */
  needs: string;
  fill(folder: string): Promise<void>;
}

export interface ArtifactRequest {
  options: ProvideOptions;
  /** For people: "Temporal CLI". */
  title: string;
  /** The folder in the cache: name, version and, where it matters, platform. */
  key: string;
  /** A file inside the folder that a complete artifact has. */
  entry: string;
  ways: readonly Way[];
  /** What a person can set instead, for the message when no way works. */
  instead: string;
}

/**
 * The folder of a program from the cache, filled in the first way that works.
 *
 * A folder is filled under a temporary name and renamed when complete, so whatever bears the final name is whole;
 * what an interrupted run left is removed. Several processes may ask at once: a lock spares them the double work,
 * and the rename keeps the result right even if the lock is lost.
 * Throws StackError `provision-failed` naming every way and why it did not work.
 */
export async function provideArtifact(
  request: ArtifactRequest,
): Promise<{ folder: string; how: ProvidedHow }> {
  const { cacheDir, report } = request.options;
  const folder = join(cacheDir, request.key);
  if (existsSync(join(folder, request.entry))) return { folder, how: 'cache' };
  await mkdir(cacheDir, { recursive: true });
  return withLock(`${folder}.lock`, request, async () => {
    if (existsSync(join(folder, request.entry))) return { folder, how: 'cache' };
    await removeLeftOvers(cacheDir, request.key, report);
    const how = await fillInFirstWay(request, folder);
    return { folder, how };
  });
}

async function fillInFirstWay(request: ArtifactRequest, folder: string): Promise<ProvidedHow> {
  const { report, signal } = request.options;
  const problems: string[] = [];
  for (const way of request.ways) {
    const partial = `${folder}.partial-${process.pid}`;
    await mkdir(partial, { recursive: true });
    try {
      await way.fill(partial);
      if (!existsSync(join(partial, request.entry))) throw new Error(`it brought no ${request.entry}`);
      await moveIntoPlace(partial, folder, request.entry);
      return way.how;
    } catch (error) {
      await rm(partial, { recursive: true, force: true });
      signal?.throwIfAborted();
      // A way may itself need something that is had in one of several ways: its lines stand below its own.
      problems.push(`  ${way.how}: ${messageOf(error).replaceAll('\n', '\n    ')}\n    needs ${way.needs}`);
      report(`${request.title}: not by ${way.how}: ${messageOf(error).split('\n')[0]}`);
    }
  }
  throw new StackError(
    'provision-failed',
    `${request.title} could be had in no way:\n${problems.join('\n')}\n  or ${request.instead}`,
  );
}

async function moveIntoPlace(partial: string, folder: string, entry: string): Promise<void> {
  if (existsSync(folder)) {
    if (existsSync(join(folder, entry))) {
      await rm(partial, { recursive: true, force: true });
      return;
    }
    await rm(folder, { recursive: true, force: true });
  }
  await rename(partial, folder);
}

async function removeLeftOvers(cacheDir: string, key: string, report: Report): Promise<void> {
  const prefix = `${key}.partial-`;
  for (const name of await readdir(cacheDir)) {
    if (!name.startsWith(prefix)) continue;
    const processId = Number(name.slice(prefix.length));
    const inUse =
      processId !== process.pid && Number.isInteger(processId) && (await findStartMark(processId)) !== null;
    if (inUse) continue;
    report(`Removing ${name}, left by a set-up that was interrupted`);
    await rm(join(cacheDir, name), { recursive: true, force: true });
  }
}

async function withLock<Result>(
  path: string,
  request: ArtifactRequest,
  work: () => Promise<Result>,
): Promise<Result> {
  await takeLock(path, request);
  const heartbeat = setInterval(() => {
    const now = new Date();
    utimes(path, now, now).catch((error: unknown) => {
      // Another process judged us dead and took the lock over; the rename at the end settles who wins.
      if (!isSystemError(error, 'ENOENT')) request.options.report(`${path}: ${messageOf(error)}`);
    });
  }, LOCK_HEARTBEAT_MS);
  try {
    return await work();
  } finally {
    clearInterval(heartbeat);
    if ((await readLock(path)) === String(process.pid)) await rm(path, { force: true });
  }
}

async function takeLock(path: string, request: ArtifactRequest): Promise<void> {
  const { report, signal } = request.options;
  let waitIsReported = false;
  for (;;) {
    signal?.throwIfAborted();
    try {
      await writeFile(path, String(process.pid), { flag: 'wx' });
      return;
    } catch (error) {
      if (!isSystemError(error, 'EEXIST')) throw error;
    }
    if (await isStale(path)) {
      await rm(path, { force: true });
      continue;
    }
    if (!waitIsReported)
      report(`${request.title}: waiting for process ${await readLock(path)}, which sets it up`);
    waitIsReported = true;
    await sleep(LOCK_POLL_MS);
  }
}

/** Its process has ended, or it has given no sign of life (it may be of another container, whose ids we cannot see). */
async function isStale(path: string): Promise<boolean> {
  try {
    const { mtimeMs } = await stat(path);
    if (Date.now() - mtimeMs > LOCK_STALE_AFTER_MS) return true;
    const holder = Number(await readLock(path));
    return holder > 0 && (await findStartMark(holder)) === null;
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return true;
    throw error;
  }
}

async function readLock(path: string): Promise<string | null> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return null;
    throw error;
  }
}
