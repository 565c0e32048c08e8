import { Temporal as TemporalTime } from 'temporal-polyfill';
import { isTimeZone } from './time-zone.ts';

// Never imported by workflow code: the zones' rules change with the runtime, and a run must replay under any.

/** A due time as people say it: a local date and time without an offset (`2027-03-28T02:30`, seconds optional), and a zone. */
export interface WallClock {
  readonly local: string;
  /** A name that `isTimeZone` knows. */
  readonly zone: string;
}

/** `gap`: the clocks are put forward over it, nobody sees it. `overlap`: they are put back, and it is seen twice. */
export type WallClockFit = 'exact' | 'gap' | 'overlap';

export interface ResolvedWallClock {
  readonly atMs: number;
  readonly fit: WallClockFit;
  /** Where the clock then stands: differs from what was asked for in a gap. */
  readonly local: string;
}

export type LocalRefusal =
  | 'not-a-wall-clock'
  | 'offset-given'
  | 'year-out-of-range'
  | 'no-such-date'
  | 'no-such-time';

export type ParsedLocal =
  | { readonly ok: true /** Without seconds where they are 0. */; readonly local: string }
  | { readonly ok: false; readonly code: LocalRefusal; readonly message: string };

/**
 * The years a wall clock may name: with any zone their instants still have years of four digits, which is what rows,
 * answers and timers are read and written with. How far ahead a due time may lie is a rule of the API.
 */
const [firstYear, lastYear] = [1970, 9998];

const example = '2026-12-01T09:00';

/** Reads a local date and time, or says what is wrong with it. */
export function parseLocal(text: string): ParsedLocal {
  const match = /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d)(?::(\d\d))?$/.exec(text);
  if (!match) return refuseForm(text);
  const [year, month, day, hour, minute, second] = match.slice(1).map((part) => Number(part ?? 0));
  if (year! < firstYear || year! > lastYear)
    return refuse('year-out-of-range', `The year ${match[1]} is not between ${firstYear} and ${lastYear}`);
  if (month! < 1 || month! > 12 || day! < 1 || day! > daysIn(year!, month!))
    return refuse('no-such-date', `There is no ${text.slice(0, 10)} in the calendar`);
  if (hour! > 23 || minute! > 59 || second! > 59)
    return refuse(
      'no-such-time',
      `No clock shows ${text.slice(11)}: hours go to 23, minutes and seconds to 59`,
    );
  return { ok: true, local: second === 0 ? text.slice(0, 16) : text };
}

function refuseForm(text: string): ParsedLocal {
  if (/T.*(z|[+-]\d\d(:?\d\d)?|\])$/i.test(text))
    return refuse('offset-given', `A wall clock has no offset and no zone of its own, e.g. ${example}`);
  return refuse('not-a-wall-clock', `Must be a wall clock, e.g. ${example}`);
}

const refuse = (code: LocalRefusal, message: string): ParsedLocal => ({ ok: false, code, message });

const daysIn = (year: number, month: number): number => new Date(Date.UTC(year, month, 0)).getUTCDate();

/**
 * Finds the instant of a wall clock. In a gap it is the instant that the clock would have come to without the change
 * (02:30 becomes 03:30); of the two in an overlap it is the first. Throws on what `parseLocal` or `isTimeZone` refuse.
 */
export function resolveWallClock(wallClock: WallClock): ResolvedWallClock {
  const { asked, earlier, later } = readingsOf(wallClock);
  if (earlier === later) return { atMs: earlier, fit: 'exact', local: asked };
  // Around a gap the earlier reading lies before it, and shows another time than was asked for.
  const isOverlap = wallClockAt(earlier, wallClock.zone) === asked;
  if (isOverlap) return { atMs: earlier, fit: 'overlap', local: asked };
  return { atMs: later, fit: 'gap', local: wallClockAt(later, wallClock.zone) };
}

/** What clocks show in a zone at an instant: to the minute, and with seconds only where they are not 0. */
export function wallClockAt(atMs: number, zone: string): string {
  const shown = TemporalTime.Instant.fromEpochMilliseconds(atMs)
    .toZonedDateTimeISO(placeOf(zone))
    .toPlainDateTime();
  return shown.toString({ smallestUnit: shown.second === 0 ? 'minute' : 'second' });
}

/**
 * Whether a wall clock may be kept beside an instant: true for both instants of an overlap, and for the shifted one of a
 * gap. A wall clock names whole seconds, so an instant between two of them belongs to none.
 */
export function isInstantOf(atMs: number, wallClock: WallClock): boolean {
  const { fit, atMs: resolvedMs } = resolveWallClock(wallClock);
  return atMs === resolvedMs || (fit === 'overlap' && atMs === readingsOf(wallClock).later);
}

/** The instants by the offsets before and after a change of the clocks; the same one where there is no change. */
function readingsOf({ local, zone }: WallClock): { asked: string; earlier: number; later: number } {
  const parsed = parseLocal(local);
  if (!parsed.ok) throw new Error(parsed.message);
  const clock = TemporalTime.PlainDateTime.from(parsed.local);
  const read = (disambiguation: 'earlier' | 'later') =>
    clock.toZonedDateTime(placeOf(zone), { disambiguation }).epochMilliseconds;
  return { asked: parsed.local, earlier: read('earlier'), later: read('later') };
}

/** The library takes offsets and abbreviations for zones as well. */
function placeOf(zone: string): string {
  if (!isTimeZone(zone)) throw new Error(`${zone} is no time zone that is known here`);
  return zone;
}
