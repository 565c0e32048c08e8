import type { Figure, RowReport } from '../row.ts';
import { round } from '../rows/support.ts';

/** A figure's verdict in words: `met, 12 % to spare`, `short by 8 %`. */
export function verdictOf(figure: Figure): string {
  if (figure.goal === null) return '';
  const spare = figure.goal.spare(figure);
  const percent = `${Math.round(Math.abs(spare) * 100)} %`;
  if (spare >= 0) return spare < 0.005 ? 'met' : `met, ${percent} to spare`;
  return `short by ${percent}`;
}

/** Whether the figures of a row were taken under conditions that count. */
export const standing = ({ rounds }: RowReport): string => {
  if (rounds === null) return 'counted once';
  if (rounds.valid === 0) return `void: ${rounds.void.join('; ')}`;
  const voided = rounds.void.length === 0 ? '' : `, ${rounds.void.length} void (${rounds.void.join('; ')})`;
  return `${rounds.valid} valid rounds${voided}`;
};

/** A row's findings as lines for the terminal, beside those that were saved where there are any. */
export function printRow(row: RowReport, saved: RowReport | undefined): string[] {
  const lines = row.figures.map((figure) => printFigure(figure, saved));
  return [
    `${row.title} (${standing(row)}, ${Math.round(row.seconds)} s)`,
    ...lines,
    ...row.notes.map(indent),
    '',
  ];
}

function printFigure(figure: Figure, saved: RowReport | undefined): string {
  const { label, unit, floor, service, ratio, goal } = figure;
  const before = saved?.figures.find((known) => known.label === label);
  const parts = [
    `  ${label}: ${round(service)} ${unit}`,
    floor === null ? null : `floor ${round(floor)}`,
    ratio === null ? null : `ratio ${round(ratio)}`,
    goal === null ? null : `goal ${goal.text}: ${verdictOf(figure)}`,
    before ? `${round(service / before.service)} × the saved ${round(before.service)}` : null,
  ];
  return parts.filter((part) => part !== null).join('  ·  ');
}

const indent = (note: string): string => `    ${note}`;
