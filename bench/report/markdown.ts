import type { BenchOptions } from '../options.ts';
import type { Figure, RowReport } from '../row.ts';
import { round } from '../rows/support.ts';
import type { Machine } from './machine.ts';
import { standing, verdictOf } from './print.ts';

/** What the page says of one row. */
interface Section {
  readonly title: string;
  /** Its lines in the summary. */
  readonly judged: readonly string[];
  readonly text: string;
}

/**
 * The page about what was measured: what each row is, raw numbers, ratio, goal, and by how much it is met or missed. What
 * an earlier page says of rows that were not measured this time stays. `titles`: all rows, in their order.
 */
export function renderPage(
  machine: Machine,
  rows: readonly RowReport[],
  options: BenchOptions,
  { earlier, titles }: { earlier: string | null; titles: readonly string[] },
): string {
  const measured = rows.map(
    (row): Section => ({ title: row.title, judged: judgedOf(row), text: section(row, machine, options) }),
  );
  const known = earlier === null ? [] : sectionsOf(earlier);
  const sections = titles.flatMap(
    (title) => [...measured, ...known].find((one) => one.title === title) ?? [],
  );
  return [
    '# Measurements',
    '',
    'Written by `npm run bench -- --markdown docs/measurements.md`; run it again, or `--only` a row, rather than edit it. Every',
    'figure of the service stands beside its floor: the bare parts it is made of (Temporal, PostgreSQL, Express), without product',
    'code, measured in the same run, in turns: floor, service, floor, service, …, floor. A ratio is the median of the rounds’',
    'ratios, each of a service to the mean of the two floors around it. A round is void when those floors differ by more than',
    '25 %, or when other processes or the hypervisor took more than 10 % of the machine.',
    '',
    describeSetting(machine),
    '',
    '| row | figure | floor | service | ratio | goal | verdict |',
    dashes(7),
    ...sections.flatMap(({ judged }) => judged),
    '',
    ...sections.map(({ text }) => text),
  ].join('\n');
}

/** Reads the sections of a page back, however its tables have been laid out since. */
function sectionsOf(page: string): Section[] {
  const [head = '', ...texts] = page.split(/^(?=## )/m);
  return texts.map((text) => {
    const title = /^## (.*)$/m.exec(text)![1]!;
    const judged = head.split('\n').filter((line) => line.split('|')[1]?.trim() === title);
    return { title, judged, text: `${text.trimEnd()}\n` };
  });
}

function describeSetting(machine: Machine): string {
  const versions = Object.entries(machine.versions).map(([name, version]) => `${name} ${version}`);
  return (
    `${machine.cores} × ${machine.cpu}, ${machine.memoryGibibytes} GiB, ${machine.system}; ` +
    `${versions.join(', ')}. Servers, product and load generator share the machine. Temporal keeps its data in memory; ` +
    'PostgreSQL writes every commit to the disk.'
  );
}

const judgedOf = (row: RowReport): string[] =>
  row.figures
    .filter((figure) => figure.goal !== null)
    .map((figure) => `| ${row.title} | ${cells(figure).join(' | ')} |`);

function section(row: RowReport, machine: Machine, options: BenchOptions): string {
  const size = options.quick ? ' Small sizes, not for claims.' : '';
  return [
    `## ${row.title}`,
    '',
    row.method,
    '',
    '| figure | floor | service | ratio | goal | verdict |',
    dashes(6),
    ...row.figures.map((figure) => `| ${cells(figure).join(' | ')} |`),
    '',
    `${machine.date}: ${standing(row)}.${size}`,
    '',
    ...row.notes.map((note) => `- ${note}`),
    '',
  ].join('\n');
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
