import { readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { RowReport } from '../row.ts';
import type { Machine } from './machine.ts';

/** What later runs are compared with. Goals are code, so they are not kept. */
export interface Baseline {
  readonly machine: Machine;
  readonly rows: readonly RowReport[];
}

const path = fileURLToPath(new URL('../baseline.json', import.meta.url));

export async function readBaseline(): Promise<Baseline | null> {
  try {
    return JSON.parse(await readFile(path, 'utf8')) as Baseline;
  } catch (error) {
    if ((error as { code?: string }).code === 'ENOENT') return null;
    throw error;
  }
}

/** Keeps what was measured; rows that were not measured this time stay as they were kept before. */
export async function writeBaseline(baseline: Baseline): Promise<void> {
  const before = await readBaseline();
  const measured = new Set(baseline.rows.map((row) => row.name));
  const kept = (before?.rows ?? []).filter((row) => !measured.has(row.name));
  const rows = [...kept, ...baseline.rows].map(({ method: _method, ...row }) => ({
    ...row,
    figures: row.figures.map(({ goal: _goal, ...figure }) => figure),
  }));
  await writeFile(path, `${JSON.stringify({ machine: baseline.machine, rows }, null, 2)}\n`);
}
