import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { type RawBuilder, sql } from 'kysely';
import type { Clock as ActivityClock } from '../activities/clock.ts';

/** A length of time, in words: `{ hours: 6 }`, `{ days: 1, minutes: 30 }`. */
export interface Duration {
  readonly weeks?: number;
  readonly days?: number;
  readonly hours?: number;
  readonly minutes?: number;
  readonly seconds?: number;
  readonly milliseconds?: number;
}

const unitMs = {
  weeks: 604_800_000,
  days: 86_400_000,
  hours: 3_600_000,
  minutes: 60_000,
  seconds: 1_000,
  milliseconds: 1,
} as const satisfies Record<keyof Duration, number>;

export const millisecondsOf = (duration: Duration): number =>
  (Object.keys(unitMs) as (keyof Duration)[]).reduce(
    (sum, unit) => sum + (duration[unit] ?? 0) * unitMs[unit],
    0,
  );

/** What time it is for every part of an environment: its runs, its interface, its platforms. */
export interface TimeSource {
  /** Without asking anybody: what was observed last, and what has passed since. */
  readonly now: () => Date;
  /** Asks, where time can jump; every part asks before it acts. */
  readonly observe: () => Promise<Date>;
}

export const realTime: TimeSource = {
  now: () => new Date(),
  observe: async () => new Date(),
};

/**
 * The time of the time-skipping server. Between two skips it runs like this machine's, a step ahead, so the last step
 * that was seen tells the time to whoever cannot wait for an answer.
 */
export function skippedTime(environment: TestWorkflowEnvironment): TimeSource {
  let aheadMs = 0;
  return {
    now: () => new Date(Date.now() + aheadMs),
    observe: async () => {
      const askedAtMs = Date.now();
      const serverMs = await environment.currentTimeMs();
      // Counted from before the question: a clock of ours may be a hair late, and never shows a post as early.
      aheadMs = serverMs - askedAtMs;
      return new Date(serverMs);
    },
  };
}

/** Skipped time as activities see it: it never waits, because skipped time has always come already. */
export const activityClock = (time: TimeSource): ActivityClock => ({
  now: time.observe,
  sqlNow: async (): Promise<RawBuilder<Date>> =>
    sql<Date>`${(await time.observe()).toISOString()}::timestamptz`,
  waitUntil: async () => {},
});
