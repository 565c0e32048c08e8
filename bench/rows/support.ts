import { countedRounds, type Reading, type Round } from '../measure/rounds.ts';
import { sum } from '../measure/statistics.ts';
import type { Seen } from '../measure/watch.ts';
import type { RoundCount } from '../row.ts';

/** Runs `work` and stops what it used, in reverse order, whatever comes. */
export async function stopAfter<Value>(
  parts: readonly { stop: () => Promise<void> }[],
  work: () => Promise<Value>,
): Promise<Value> {
  try {
    return await work();
  } finally {
    for (const part of [...parts].reverse()) await part.stop();
  }
}

/** CPU milliseconds of every group of processes, per unit of work. */
export const cpuPerUnit = (seen: Seen, units: number): number => sum(Object.values(seen.cpuMs)) / units;

/** The same for a floor whose client is the bench itself. */
export const cpuPerUnitWithOwn = (seen: Seen, units: number): number =>
  cpuPerUnit(seen, units) + seen.ownCpuMs / units;

/** Shares of the whole by group, for "where the time goes": `api 21, worker 34 ms`. */
export function describeCpu(seen: readonly Seen[], units: number): string {
  const names = Object.keys(seen[0]?.cpuMs ?? {});
  return names
    .map((name) => `${name} ${round(sum(seen.map((one) => one.cpuMs[name]!)) / units / seen.length)}`)
    .join(', ');
}

export const countRounds = (rounds: readonly Round[]): RoundCount => ({
  valid: rounds.filter((one) => one.voidBecause === null).length,
  void: rounds.flatMap((one) => one.voidBecause ?? []),
});

/** The raw numbers of a figure: floor and service in the order they were measured. */
export function rawNumbers(label: string, rounds: readonly Round[], figure: string): string {
  const counted = countedRounds(rounds);
  const floors = [...counted.map(({ floorBefore }) => floorBefore), counted.at(-1)!.floorAfter];
  const list = (readings: readonly Reading[]) =>
    readings.map(({ figures }) => round(figures[figure]!)).join(', ');
  return `${label}, raw: floor ${list(floors)}; service ${list(counted.map(({ service }) => service))}`;
}

/** A line per round for the terminal. */
export const reportRound =
  (report: (line: string) => void, label: string, figures: readonly string[]) =>
  (one: Round, index: number): void => {
    const show = ({ figures: values }: Reading) =>
      figures.map((name) => `${name} ${round(values[name]!)}`).join(', ');
    const why = one.voidBecause === null ? '' : `  (void: ${one.voidBecause})`;
    report(`  ${label} ${index + 1}: floor ${show(one.floorBefore)} | service ${show(one.service)}${why}`);
  };

/** Three significant digits, and none of an integer lost. */
export function round(value: number): string {
  if (!Number.isFinite(value)) return '–';
  if (Math.abs(value) >= 100) return Math.round(value).toLocaleString('en');
  return String(Number(value.toPrecision(3)));
}
