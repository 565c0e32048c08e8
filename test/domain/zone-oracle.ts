/**
 * What clocks show, read back from `Intl.DateTimeFormat` and from nothing else: the other way to the same answer, for
 * tests of the code that computes it.
 */

const formats = new Map<string, Intl.DateTimeFormat>();

function formatOf(zone: string): Intl.DateTimeFormat {
  const known = formats.get(zone);
  if (known) return known;
  const twoDigits = {
    month: '2-digit',
    day: '2-digit',
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
  } as const;
  // Swedish writes dates as ISO 8601 does.
  const format = new Intl.DateTimeFormat('sv-SE', {
    timeZone: zone,
    year: 'numeric',
    ...twoDigits,
    hourCycle: 'h23',
  });
  formats.set(zone, format);
  return format;
}

/** The local date and time at an instant, with seconds: `2027-03-28T03:30:00`. */
export const readClock = (zone: string, atMs: number): string =>
  formatOf(zone).format(atMs).replace(' ', 'T');

/** As `readClock`, without seconds where they are 0. */
export const readBriefly = (zone: string, atMs: number): string =>
  readClock(zone, atMs).replace(/(T.{5}):00$/, '$1');

/** How far the clocks of a zone are ahead of UTC at an instant. */
export const offsetAt = (zone: string, atMs: number): number =>
  Date.parse(`${readClock(zone, atMs)}Z`) - Math.floor(atMs / 1000) * 1000;

/** A change of the clocks: the first instant of the new offset. */
export interface Change {
  readonly atMs: number;
  readonly beforeMs: number;
  readonly afterMs: number;
}

/** Shorter than the time between any two changes of a zone: the shortest there is lasts four weeks (Morocco's Ramadan). */
const stepMs = 4 * 86_400_000;

/** Every change of a zone's clocks in a span, found by bisection to the second. */
export function listChanges(zone: string, fromMs: number, toMs: number): Change[] {
  const changes: Change[] = [];
  const wholeMs = Math.ceil(fromMs / 1000) * 1000;
  let beforeMs = offsetAt(zone, wholeMs);
  for (let low = wholeMs; low < toMs; low += stepMs) {
    const high = Math.min(low + stepMs, toMs);
    const afterMs = offsetAt(zone, high);
    if (afterMs !== beforeMs) changes.push({ atMs: bisect(zone, low, high), beforeMs, afterMs });
    beforeMs = afterMs;
  }
  return changes;
}

function bisect(zone: string, low: number, high: number): number {
  const before = offsetAt(zone, low);
  let [from, to] = [low, high];
  while (to - from > 1000) {
    const middle = from + Math.floor((to - from) / 2000) * 1000;
    if (offsetAt(zone, middle) === before) from = middle;
    else to = middle;
  }
  return to;
}

/** Every instant at which the clocks of a zone show a local time, and the one it is moved to where no clock shows it. */
export function instantsOf(
  localAsUtcMs: number,
  span: { fromMs: number; toMs: number; changes: readonly Change[]; startOffsetMs: number },
): { shown: number[]; shifted: number | null } {
  const shown: number[] = [];
  let shifted: number | null = null;
  let [from, offset] = [span.fromMs, span.startOffsetMs];
  for (const change of [...span.changes, null]) {
    const until = change?.atMs ?? span.toMs;
    const atMs = localAsUtcMs - offset;
    if (atMs >= from && atMs < until) shown.push(atMs);
    if (!change) break;
    const isSkipped = localAsUtcMs >= until + offset && localAsUtcMs < until + change.afterMs;
    if (isSkipped) shifted = atMs;
    [from, offset] = [until, change.afterMs];
  }
  return { shown, shifted };
}
