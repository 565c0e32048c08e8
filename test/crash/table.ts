import { type Cell, cellsOf, type Struck } from './matrix.ts';
import { kinds } from './points.ts';
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
    ...tableOf(cells),
    '',
    '`held`: still at its point at the very moment of the blow. `ended`: ended by the operator before anything was sent, and said',
    'so. `other`: too late by more than 60 s, early, sent again blindly, untrue rows, or a history that does not replay. Recovery',
    'counts from when everything is there again, and not before the post is due.',
    '',
  ].join('\n');
}

function summaryOf(struck: readonly Struck[], cells: readonly Cell[]): string {
  const byKind = kinds.map((kind) => {
    const posts = struck.filter(({ post }) => post.kind === kind);
    const once = posts.filter(({ facts }) => facts.ledger.length === 1).length;
    const unconfirmed = posts.filter(({ facts }) => facts.status === 'UNCONFIRMED').length;
    return `- ${kind}: ${posts.length} posts, ${once} in the ledger once, ${unconfirmed} unconfirmed`;
  });
  const total = (kind: FindingKind) => sum(cells.map(({ findings }) => findings[kind] ?? 0));
  const findings = `${total('duplicate')} duplicates, ${total('lost')} lost, ${total('stuck')} stuck, ${sum(cells.map(others))} other`;
  return [`${struck.length} posts in ${cells.length} cells: **${findings}**.`, '', ...byKind].join('\n');
}

const columns = [
  ...['blow', 'point', 'posts', 'held', 'published once', 'unconfirmed', 'ended', 'duplicates', 'lost'],
  ...['other', 'longest recovery, s'],
];

function tableOf(cells: readonly Cell[]): string[] {
  const rows = cells.map((cell) => [
    ...[cell.blow, cell.point, cell.posts, cell.held, cell.publishedOnce, cell.unconfirmed, cell.ended],
    ...[cell.findings.duplicate ?? 0, cell.findings.lost ?? 0, others(cell)],
    cell.longestRecoverySeconds.toFixed(1),
  ]);
  const texts = [columns, ...rows.map((row) => row.map(String))];
  const widths = columns.map((_, index) => Math.max(...texts.map((row) => row[index]!.length)));
  const line = (row: readonly string[]) =>
    `| ${row.map((text, index) => (index < 2 ? text.padEnd(widths[index]!) : text.padStart(widths[index]!))).join(' | ')} |`;
  const rule = `| ${widths.map((width, index) => (index < 2 ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`)).join(' | ')} |`;
  return [line(columns), rule, ...texts.slice(1).map(line)];
}

const others = ({ findings }: Cell): number =>
  sum(Object.values(findings)) - (findings.duplicate ?? 0) - (findings.lost ?? 0);

const sum = (numbers: readonly number[]): number => numbers.reduce((total, one) => total + one, 0);
