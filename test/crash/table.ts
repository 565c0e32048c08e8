import { type Cell, cellsOf, type Row, rowsOf, type Struck, type Tally } from './matrix.ts';
import { outletName } from './outlets.ts';
import { points } from './points.ts';
import type { FindingKind } from './verdict.ts';

export interface Provenance {
  readonly date: Date;
  readonly seeds: readonly number[];
  /** What ran, by name, with its version. */
  readonly versions: Readonly<Record<string, string>>;
}

/** The matrix as a page of Markdown. */
export function renderMatrix(struck: readonly Struck[], provenance: Provenance): string {
  const cells = cellsOf(struck);
  return [
    '# Crash matrix',
    '',
    'Written by `npm run test:crash -- --seeds 5`; not edited by hand. What each cell is: [points.ts](../test/crash/points.ts).',
    'What a post must come to: [verdict.ts](../test/crash/verdict.ts).',
    '',
    summaryOf(struck, cells),
    '',
    `- Date: ${provenance.date.toISOString().slice(0, 10)}`,
    `- Seeds: ${provenance.seeds.join(', ')}`,
    `- Versions: ${Object.entries(provenance.versions)
      .map(([name, version]) => `${name} ${version}`)
      .join(', ')}`,
    '',
    '## By point',
    '',
    ...tableOf(2, columns, cells.map(cellsRow)),
    '',
    '`held`: still at its point at the very moment of the blow. `ended`: ended by the operator before anything was sent, and said',
    'so. `other`: too late by more than 60 s, early, sent again blindly, untrue rows, or a history that does not replay. Recovery',
    'counts from when everything is there again, and not before the post is due.',
    '',
    '## By platform',
    '',
    'What became of the posts of each platform, the cheapest type that goes through its protocol, when their worker was killed or stopped.',
    'Where the platform can be asked, by a list or by a handle that works once, a post goes out exactly once. Otherwise it goes out once at',
    'most, and doubt ends unconfirmed. The columns of points say how many posts were held there at the very moment of the blow.',
    '',
    ...tableOf(3, platformColumns, rowsOf(struck).map(platformRow)),
    '',
  ].join('\n');
}

function summaryOf(struck: readonly Struck[], cells: readonly Cell[]): string {
  const once = struck.filter(({ facts }) => facts.ledger.length === 1).length;
  const unconfirmed = struck.filter(({ facts }) => facts.status === 'UNCONFIRMED').length;
  const total = (kind: FindingKind) => sum(cells.map(({ findings }) => findings[kind] ?? 0));
  const findings = `${total('duplicate')} duplicates, ${total('lost')} lost, ${total('stuck')} stuck, ${sum(cells.map(others))} other`;
  return [
    `${struck.length} posts in ${cells.length} cells: **${findings}**.`,
    `${once} are in the platforms' ledger once, ${unconfirmed} are unconfirmed.`,
  ].join('\n');
}

const columns = [
  ...['blow', 'point', 'posts', 'held', 'published once', 'unconfirmed', 'ended', 'duplicates', 'lost'],
  ...['other', 'longest recovery, s'],
];

const cellsRow = (cell: Cell) => [
  ...[cell.blow, cell.point, cell.posts, cell.held, cell.publishedOnce, cell.unconfirmed, cell.ended],
  ...[cell.findings.duplicate ?? 0, cell.findings.lost ?? 0, others(cell)],
  cell.longestRecoverySeconds.toFixed(1),
];

const platformColumns = [
  ...['account', 'post', 'can be asked', 'posts', ...points],
  ...['published once', 'unconfirmed', 'duplicates', 'lost', 'other', 'longest recovery, s'],
];

const platformRow = (row: Row) => [
  ...[outletName(row.outlet), row.outlet.type, row.canBeAsked ? 'yes' : 'no', row.posts],
  ...points.map((point) => row.heldAt[point] ?? 0),
  ...[row.publishedOnce, row.unconfirmed, row.findings.duplicate ?? 0, row.findings.lost ?? 0, others(row)],
  row.longestRecoverySeconds.toFixed(1),
];

/** The first columns hold words, the others numbers. */
function tableOf(
  words: number,
  header: readonly string[],
  rows: readonly (readonly (string | number)[])[],
): string[] {
  const texts = [header, ...rows.map((row) => row.map(String))];
  const widths = header.map((_, index) => Math.max(...texts.map((row) => row[index]!.length)));
  const pad = (text: string, index: number) =>
    index < words ? text.padEnd(widths[index]!) : text.padStart(widths[index]!);
  const line = (row: readonly string[]) => `| ${row.map(pad).join(' | ')} |`;
  const rules = widths.map((width, index) =>
    index < words ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`,
  );
  return [line(header), `| ${rules.join(' | ')} |`, ...texts.slice(1).map(line)];
}

const others = ({ findings }: Tally): number =>
  sum(Object.values(findings)) - (findings.duplicate ?? 0) - (findings.lost ?? 0);

const sum = (numbers: readonly number[]): number => numbers.reduce((total, one) => total + one, 0);
