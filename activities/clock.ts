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

/**
 * A waiter looks up this often, and a reading of the database's clock older than this is renewed then. All waiters share
 * the readings: a clock that is set is noticed within about a second, at two queries a second for any number of them.
 */
const lookEveryMs = 500;

export function createDatabaseClock(pool: Pick<pg.Pool, 'query'>): Clock {
  const readings = new DatabaseReadings(pool);
  return {
    now: () => databaseNow(pool),
    sqlNow: async () => sql<Date>`clock_timestamp()`,
    async waitUntil(instant, signal) {
      await readings.renew();
      for (;;) {
        const remainingMs = instant.getTime() - readings.nowMs();
        if (!(remainingMs > 0)) return;
        await monotonicWait(Math.min(remainingMs, lookEveryMs), signal);
        if (remainingMs > lookEveryMs) readings.renewIfOld();
      }
    },
  };
}

async function databaseNow(pool: Pick<pg.Pool, 'query'>): Promise<Date> {
  const { rows } = await pool.query<{ now: Date }>('select clock_timestamp() as now');
  return rows[0]!.now;
}

/** How far the database's clock is ahead of this process's monotonic one; never overstated, so nothing wakes early. */
class DatabaseReadings {
  readonly #pool: Pick<pg.Pool, 'query'>;
  #aheadMs = Number.NEGATIVE_INFINITY;
  #takenAtMs = Number.NEGATIVE_INFINITY;
  #underWay: Promise<void> | undefined;

  constructor(pool: Pick<pg.Pool, 'query'>) {
    this.#pool = pool;
  }

  nowMs(): number {
    return performance.now() + this.#aheadMs;
  }

  /** Rejects where the database cannot be asked. Whoever comes while it is being asked gets the same answer. */
  renew(): Promise<void> {
    this.#underWay ??= this.#take().finally(() => {
      this.#underWay = undefined;
    });
    return this.#underWay;
  }

  /**
   * Nobody waits for this, and a failure ends here: a waiter goes on by the last reading, as it would have without this
   * one. Whoever is due asks the database again, and hears of it then.
   */
  renewIfOld(): void {
    if (performance.now() - this.#takenAtMs >= lookEveryMs) void this.renew().catch(() => {});
  }

  async #take(): Promise<void> {
    const askedAtMs = performance.now();
    const databaseMs = (await databaseNow(this.#pool)).getTime();
    this.#takenAtMs = performance.now();
    // The database read its clock between the question and the answer. What was known before may be more exact than a
    // slow answer; it stands unless the clock has been set back since.
    const [atLeastMs, atMostMs] = [databaseMs - this.#takenAtMs, databaseMs - askedAtMs];
    this.#aheadMs = this.#aheadMs <= atMostMs ? Math.max(this.#aheadMs, atLeastMs) : atLeastMs;
  }
}

/** `setTimeout` counts on the monotonic clock. It holds at most 2^31 - 1 ms, far above the time between two looks. */
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
