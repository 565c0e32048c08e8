import type { Cap } from './platforms/rules.ts';
import { resolveWallClock, wallClockAt } from './wall-clock.ts';

// Never imported by workflow code, as `wall-clock.ts` is not: days depend on the zones' rules.

/** How much of its own limit an account has used, as the platform said at an instant. */
export interface LiveQuota {
  readonly used: number;
  readonly total: number;
  readonly windowSeconds: number;
  readonly readAtMs: number;
}

const hourMs = 3_600_000;
/** Our clock and the platform's differ, and what we sent at one instant counts there from the next. */
const marginMs = 60_000;
/** The longest day of a calendar: one on which the clocks are put back, and a little. */
const longestDayMs = 26 * hourMs;
/** What others have used up leaves at an instant nobody tells: the platform is asked again. */
export const askAgainMs = 30 * 60_000;

/** How far back what was sent counts at an instant, at most. */
export const windowMs = ({ window }: Cap): number =>
  'hours' in window ? window.hours * hourMs + marginMs : longestDayMs;

/**
 * The first instant from `fromMs` on at which a cap has room for one more, given the instants of what counts already: sent,
 * or armed for later. In any order, at least those of the window before `fromMs`.
 */
export function capOpensAtMs(cap: Cap, takenMs: readonly number[], fromMs: number): number {
  const { window, max } = cap;
  if ('dayIn' in window) return dayOpensAtMs(window.dayIn, max, takenMs, fromMs);
  return rollingOpensAtMs(windowMs(cap), max, takenMs, fromMs);
}

function rollingOpensAtMs(lengthMs: number, max: number, takenMs: readonly number[], fromMs: number): number {
  const counted = takenMs.filter((atMs) => atMs > fromMs - lengthMs).sort((one, other) => one - other);
  // One more fits when all but `max - 1` of them have left the window.
  const last = counted[counted.length - max];
  return last === undefined ? fromMs : last + lengthMs;
}

function dayOpensAtMs(zone: string, max: number, takenMs: readonly number[], fromMs: number): number {
  for (let opensAtMs = fromMs; ; ) {
    const { startMs, endMs } = dayAround(opensAtMs, zone);
    const counted = takenMs.filter((atMs) => atMs >= startMs && atMs < endMs);
    if (counted.length < max) return opensAtMs;
    opensAtMs = endMs + marginMs;
  }
}

function dayAround(atMs: number, zone: string): { startMs: number; endMs: number } {
  const date = wallClockAt(atMs, zone).slice(0, 10);
  const next = new Date(Date.parse(`${date}T00:00:00Z`) + 24 * hourMs).toISOString().slice(0, 10);
  const midnightMs = (day: string) => resolveWallClock({ local: `${day}T00:00`, zone }).atMs;
  return { startMs: midnightMs(date), endMs: midnightMs(next) };
}

/**
 * The same by what the platform said, which knows of posts from elsewhere and not of those that we have sent or armed
 * since. Where it is full, the instant at which enough of ours leave, or at which it is to be asked again.
 */
export function quotaOpensAtMs(quota: LiveQuota, takenMs: readonly number[], fromMs: number): number {
  const { used, total, readAtMs } = quota;
  const since = takenMs.filter((atMs) => atMs > readAtMs - marginMs);
  const missing = used + since.length - total + 1;
  if (missing <= 0) return fromMs;
  const lengthMs = quota.windowSeconds * 1_000 + marginMs;
  const ours = takenMs.filter((atMs) => atMs > fromMs - lengthMs).sort((one, other) => one - other);
  const leaves = ours[missing - 1];
  const askedAtMs = Math.max(fromMs, readAtMs) + askAgainMs;
  return Math.max(fromMs + 1, leaves === undefined ? askedAtMs : Math.min(leaves + lengthMs, askedAtMs));
}
