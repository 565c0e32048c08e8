import { readFileSync } from 'node:fs';
import { cpuOfTrees, readProcesses, ticksPerSecond } from './processes.ts';

/** What a stretch of work used, and what else went on meanwhile. */
export interface Seen {
  readonly elapsedMs: number;
  /** CPU time of the bench's own process, without its children. */
  readonly ownCpuMs: number;
  /** CPU time by group of processes, descendants included. */
  readonly cpuMs: Readonly<Record<string, number>>;
  readonly noise: Noise;
}

/** Shares of the machine's whole CPU time. */
export interface Noise {
  /** Used by processes that are not ours. */
  readonly foreign: number;
  /** Taken by the hypervisor. */
  readonly steal: number;
}

/** Process ids by name of a group. */
export type ProcessGroups = Readonly<Record<string, readonly number[]>>;

/** Runs `work` and reads, before and after, the machine's and the processes' CPU time. */
export async function watch<Value>(
  groups: ProcessGroups,
  work: () => Promise<Value>,
): Promise<{ readonly value: Value; readonly seen: Seen }> {
  const before = look(groups);
  const value = await work();
  const after = look(groups);
  const elapsedMs = after.atMs - before.atMs;
  const wholeMs = after.machine.wholeMs - before.machine.wholeMs;
  const oursMs = after.oursMs - before.oursMs;
  const busyMs = after.machine.busyMs - before.machine.busyMs;
  const cpuMs = Object.fromEntries(
    Object.keys(groups).map((name) => [name, after.cpuMs[name]! - before.cpuMs[name]!]),
  );
  return {
    value,
    seen: {
      elapsedMs,
      ownCpuMs: after.ownCpuMs - before.ownCpuMs,
      cpuMs,
      noise: {
        foreign: Math.max(0, busyMs - oursMs) / wholeMs,
        steal: (after.machine.stealMs - before.machine.stealMs) / wholeMs,
      },
    },
  };
}

function look(groups: ProcessGroups) {
  const processes = readProcesses();
  const { user, system } = process.cpuUsage();
  const cpuMs = Object.fromEntries(
    Object.entries(groups).map(([name, roots]) => [name, cpuOfTrees(processes, roots)]),
  );
  return {
    atMs: performance.now(),
    machine: readMachine(),
    oursMs: cpuOfTrees(processes, [process.pid]),
    ownCpuMs: (user + system) / 1000,
    cpuMs,
  };
}

/** The first line of `/proc/stat`: user, nice, system, idle, iowait, irq, softirq, steal. */
function readMachine(): { wholeMs: number; busyMs: number; stealMs: number } {
  const [line = ''] = readFileSync('/proc/stat', 'utf8').split('\n');
  const ticks = line.split(/\s+/).slice(1, 9).map(Number);
  const toMs = (count: number) => (count * 1000) / ticksPerSecond;
  const [user = 0, nice = 0, system = 0, , , , , steal = 0] = ticks;
  return {
    wholeMs: toMs(ticks.reduce((total, count) => total + count, 0)),
    busyMs: toMs(user + nice + system),
    stealMs: toMs(steal),
  };
}
