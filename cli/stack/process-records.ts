import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { findStartMark, waitUntilGone } from './process-identity.ts';
import { isSystemError, StackError } from './stack-error.ts';
import type { Report } from './types.ts';

const HALF_WRITTEN_CLAIM_AGE_MS = 5_000;

interface ProcessRecord {
  name: string;
  processId: number;
  startMark: string;
  stopSignal: NodeJS.Signals;
  stopTimeoutMs: number;
}

/** Writes down a process of ours, so that a later run can stop it if this one is killed. */
export async function recordProcess(
  stateDir: string,
  started: { name: string; processId: number },
  options: { stopSignal?: NodeJS.Signals | undefined; stopTimeoutMs?: number | undefined },
): Promise<void> {
  const startMark = await findStartMark(started.processId);
  if (startMark === null) return; // It has ended already, which the wait for readiness reports.
  const record: ProcessRecord = {
    name: started.name,
    processId: started.processId,
    startMark,
    stopSignal: options.stopSignal ?? 'SIGTERM',
    stopTimeoutMs: options.stopTimeoutMs ?? 10_000,
  };
  await mkdir(recordFolder(stateDir), { recursive: true });
  const path = recordPath(stateDir, started.name);
  await writeFile(`${path}.partial`, JSON.stringify(record));
  await rename(`${path}.partial`, path);
}

/** Removes the record of a process that has ended. */
export async function forgetProcess(stateDir: string, name: string): Promise<void> {
  await rm(recordPath(stateDir, name), { force: true });
}

/**
 * Stops what an earlier, killed run left behind. A recorded process is signalled only if its id and start mark
 * both match: another program that has the id by now is left alone. Call it only while holding the state directory.
 */
export async function stopLeftOverProcesses(stateDir: string, report: Report): Promise<void> {
  const names = (await listOrNothing(recordFolder(stateDir))).filter((name) => name.endsWith('.json'));
  await Promise.all(
    names.map(async (name) => {
      const path = join(recordFolder(stateDir), name);
      await stopLeftOver(JSON.parse(await readFile(path, 'utf8')) as ProcessRecord, report);
      await rm(path, { force: true });
    }),
  );
}

async function stopLeftOver(record: ProcessRecord, report: Report): Promise<void> {
  const { name, processId, startMark } = record;
  if ((await findStartMark(processId)) !== startMark) return;
  report(`${name}: stopping process ${processId}, left over from a run that was killed`);
  signalIfThere(processId, record.stopSignal);
  if (await waitUntilGone(processId, startMark, record.stopTimeoutMs)) return;
  signalIfThere(processId, 'SIGKILL');
  if (await waitUntilGone(processId, startMark, 5_000)) return;
  throw new StackError(
    'state-in-use',
    `${name}: process ${processId} from an earlier run could not be stopped`,
  );
}

function signalIfThere(processId: number, signal: NodeJS.Signals): void {
  try {
    process.kill(processId, signal);
  } catch (error) {
    if (!isSystemError(error, 'ESRCH')) throw error;
  }
}

/** Holds a state directory for one running stack. */
export interface StateClaim {
  release(): Promise<void>;
}

/**
 * Takes the state directory for this process. A claim whose process has ended is taken over; a living one is
 * refused with StackError `state-in-use`, because two stacks on one folder would destroy each other's data.
 */
export async function claimStateDirectory(stateDir: string): Promise<StateClaim> {
  await mkdir(stateDir, { recursive: true });
  const path = join(stateDir, 'owner.json');
  const claim = JSON.stringify({ processId: process.pid, startMark: await findStartMark(process.pid) });
  for (;;) {
    try {
      await writeFile(path, claim, { flag: 'wx' });
      return { release: () => rm(path, { force: true }) };
    } catch (error) {
      if (!isSystemError(error, 'EEXIST')) throw error;
      const owner = await findLivingOwner(path);
      if (owner !== null) {
        throw new StackError(
          'state-in-use',
          `${stateDir} is in use by process ${owner}: stop that one first`,
        );
      }
      await rm(path, { force: true });
    }
  }
}

async function findLivingOwner(path: string): Promise<number | null> {
  try {
    const text = await readFile(path, 'utf8');
    if (text === '') return await findHalfWrittenOwner(path);
    const owner = JSON.parse(text) as { processId: number; startMark: string };
    return (await findStartMark(owner.processId)) === owner.startMark ? owner.processId : null;
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return null;
    throw error;
  }
}

/** An empty claim is being written this moment, or was left by a process that was killed while writing it. */
async function findHalfWrittenOwner(path: string): Promise<number | null> {
  const { mtimeMs } = await stat(path);
  return Date.now() - mtimeMs < HALF_WRITTEN_CLAIM_AGE_MS ? 0 : null;
}

function recordFolder(stateDir: string): string {
  return join(stateDir, 'processes');
}

function recordPath(stateDir: string, name: string): string {
  return join(recordFolder(stateDir), `${name}.json`);
}

async function listOrNothing(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return [];
    throw error;
  }
}
