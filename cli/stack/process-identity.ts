import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { isSystemError } from './stack-error.ts';

const execFileAsync = promisify(execFile);

/**
 * A mark that tells one process from every other that ever had its id: the boot and the moment it started.
 * Null when no such process runs (a zombie counts as ended).
 *
 * Ids are reused, so an id read from a file says nothing by itself; only id and mark together may be signalled.
 */
export async function findStartMark(processId: number): Promise<string | null> {
  if (process.platform === 'linux') return findStartMarkOnLinux(processId);
  return findStartMarkWithPs(processId);
}

async function findStartMarkOnLinux(processId: number): Promise<string | null> {
  try {
    const status = await readFile(`/proc/${processId}/stat`, 'utf8');
    const bootId = (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim();
    // The program's name stands in parentheses and may hold spaces: fields are counted after the last one.
    const fields = status.slice(status.lastIndexOf(')') + 2).split(' ');
    const [state, startTicks] = [fields[0], fields[19]];
    return state === 'Z' || state === 'X' ? null : `${bootId}/${startTicks}`;
  } catch (error) {
    if (isSystemError(error, 'ENOENT') || isSystemError(error, 'ESRCH')) return null;
    throw error;
  }
}

async function findStartMarkWithPs(processId: number): Promise<string | null> {
  try {
    const { stdout } = await execFileAsync('ps', ['-o', 'stat=,lstart=', '-p', String(processId)]);
    const [state = '', ...started] = stdout.trim().split(/\s+/);
    return state.startsWith('Z') ? null : started.join(' ');
  } catch (error) {
    // ps ends with 1 when it finds no such process.
    if (typeof error === 'object' && error !== null && 'code' in error && error.code === 1) return null;
    throw error;
  }
}

/** Waits until the process is gone; false when it still runs after the time given. */
export async function waitUntilGone(
  processId: number,
  startMark: string,
  timeoutMs: number,
): Promise<boolean> {
  const deadline = Date.now() + timeoutMs;
  while ((await findStartMark(processId)) === startMark) {
    if (Date.now() >= deadline) return false;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return true;
}
