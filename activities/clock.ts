import { type RawBuilder, sql } from 'kysely';
import type pg from 'pg';

/**
 * The time of an activity. A port, so that tests can skip time, and so that a stepping host clock cannot make anything
 * early: in production Postgres says what time it is and a monotonic timer does the waiting.
 */
export interface Clock {
  readonly now: () => Promise<Date>;
  /** The instant a conditional statement compares with, as SQL. */
  readonly sqlNow: () => Promise<RawBuilder<Date>>;
  /** Resolves when the instant has come, at once if it has passed; rejects when the signal aborts. */
  readonly waitUntil: (instant: Date, signal: AbortSignal) => Promise<void>;
}

export function createDatabaseClock(pool: pg.Pool): Clock {
  return {
    now: () => databaseNow(pool),
    sqlNow: async () => sql<Date>`clock_timestamp()`,
    async waitUntil(instant, signal) {
      const remainingMs = instant.getTime() - (await databaseNow(pool)).getTime();
      if (remainingMs > 0) await monotonicWait(remainingMs, signal);
    },
  };
}

async function databaseNow(pool: pg.Pool): Promise<Date> {
  const { rows } = await pool.query<{ now: Date }>('select clock_timestamp() as now');
  return rows[0]!.now;
}

/** `setTimeout` counts on the monotonic clock; it holds at most 2^31 - 1 ms, far above any wait of an activity. */
function monotonicWait(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason);
    const onAbort = () => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', onAbort);
      resolve();
    }, milliseconds);
    signal.addEventListener('abort', onAbort, { once: true });
  });
}
