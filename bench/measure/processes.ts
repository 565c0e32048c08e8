import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';

/** What the kernel says of one process. */
export interface ProcessFacts {
  readonly processId: number;
  readonly parentId: number;
  /** Used by the process itself and by the children it has outlived and waited for. */
  readonly cpuMs: number;
}

/** Clock ticks per second, in which the kernel counts. */
export const ticksPerSecond = Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }));

/** Reads the whole process table. */
export function readProcesses(): Map<number, ProcessFacts> {
  const processes = new Map<number, ProcessFacts>();
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const facts = readProcess(Number(name));
    if (facts) processes.set(facts.processId, facts);
  }
  return processes;
}

function readProcess(processId: number): ProcessFacts | null {
  let text: string;
  try {
    text = readFileSync(`/proc/${processId}/stat`, 'utf8');
  } catch {
    return null; // It has ended since the table was listed.
  }
  // The program's name stands in parentheses and may hold spaces: fields are counted after the last one.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const ticks = fields.slice(11, 15).reduce((total, field) => total + Number(field), 0);
  return { processId, parentId: Number(fields[1]), cpuMs: (ticks * 1000) / ticksPerSecond };
}

/** CPU time of processes with all their descendants, in milliseconds. */
export function cpuOfTrees(processes: ReadonlyMap<number, ProcessFacts>, roots: readonly number[]): number {
  const childrenOf = groupByParent(processes.values());
  const open = [...roots];
  let cpuMs = 0;
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    cpuMs += processes.get(next)?.cpuMs ?? 0;
    open.push(...(childrenOf.get(next) ?? []).map((child) => child.processId));
  }
  return cpuMs;
}

function groupByParent(processes: Iterable<ProcessFacts>): Map<number, ProcessFacts[]> {
  const groups = new Map<number, ProcessFacts[]>();
  for (const one of processes) {
    const siblings = groups.get(one.parentId);
    if (siblings) siblings.push(one);
    else groups.set(one.parentId, [one]);
  }
  return groups;
}

/** Memory of a process that is its own and in RAM, in MiB. */
export function residentMebibytes(processId: number): number {
  const [, kibibytes] = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${processId}/status`, 'utf8')) ?? [];
  if (kibibytes === undefined) throw new Error(`Process ${processId} has no resident memory: it has ended`);
  return Number(kibibytes) / 1024;
}
