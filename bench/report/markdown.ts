import type { BenchOptions } from '../options.ts';
import type { Figure, RowReport } from '../row.ts';
import { round } from '../rows/support.ts';
import type { Machine } from './machine.ts';
import { standing, verdictOf } from './print.ts';

/** The page about what was measured: what each row is, raw numbers, ratio, goal, and by how much it is met or missed. */
export function renderPage(machine: Machine, rows: readonly RowReport[], options: BenchOptions): string {
  return [
    '# Measurements',
    '',
    'Written by `npm run bench -- --markdown docs/measurements.md`; run it again rather than edit it. Every figure of the',
    'service stands beside its floor: the bare parts it is made of (Temporal, PostgreSQL, Express), without product code,',
    'measured in the same run, in turns: floor, service, floor, service, …, floor. A ratio is the median of the rounds’',
    'ratios, each of a service to the mean of the two floors around it. A round is void when those floors differ by more than',
    '25 %, or when other processes or the hypervisor took more than 10 % of the machine.',
    '',
    describeSetting(machine, options),
    '',
    ...summary(rows),
    ...rows.flatMap(section),
  ].join('\n');
}

function describeSetting(machine: Machine, options: BenchOptions): string {
  const versions = Object.entries(machine.versions).map(([name, version]) => `${name} ${version}`);
  const size = options.quick ? ' Quick run: small sizes, not for claims.' : '';
  return (
    `${machine.date}, ${machine.cores} × ${machine.cpu}, ${machine.memoryGibibytes} GiB, ${machine.system}; ` +
    `${versions.join(', ')}. Servers, product and load generator share the machine. Temporal keeps its data in memory; ` +
    `PostgreSQL writes every commit to the disk.${size}`
  );
}

function summary(rows: readonly RowReport[]): string[] {
  const judged = rows.flatMap((row) =>
    row.figures
      .filter((figure) => figure.goal !== null)
      .map((figure) => `| ${row.title} | ${cells(figure).join(' | ')} |`),
  );
  return ['| row | figure | floor | service | ratio | goal | verdict |', dashes(7), ...judged, ''];
}

function section(row: RowReport): string[] {
  return [
    `## ${row.title}`,
    '',
    row.method,
    '',
    '| figure | floor | service | ratio | goal | verdict |',
    dashes(6),
    ...row.figures.map((figure) => `| ${cells(figure).join(' | ')} |`),
    '',
    `${standing(row)}.`,
    '',
    ...row.notes.map((note) => `- ${note}`),
    '',
  ];
}

const dashes = (columns: number): string => `|${' --- |'.repeat(columns)}`;

function cells(figure: Figure): string[] {
  const { label, unit, floor, service, ratio, goal } = figure;
  const number = (value: number | null) => (value === null ? '' : round(value));
  return [
    `${label} (${unit})`,
    number(floor),
    number(service),
    number(ratio),
    goal?.text ?? '',
    verdictOf(figure),
  ];
}
