import { jest } from '@jest/globals';
import { MockActivityEnvironment } from '@temporalio/testing';
import type pg from 'pg';
import { createClaims } from '../../activities/claims.ts';
import { type Clock, createDatabaseClock } from '../../activities/clock.ts';
import type { PublishingContext, PublishingDependencies } from '../../activities/dependencies.ts';
import { reconcile } from '../../activities/reconciling.ts';
import { release } from '../../activities/sending.ts';
import { forTenant } from '../../db/tenant-database.ts';
import { type Fixture, insertPost, insertPublication, poolFor, rowOf, startFixture } from '../db/fixture.ts';
import { seededRandom } from '../support/random.ts';
import { makeClockSettable, type SettableClock } from '../support/settable-clock.ts';

const [second, hour, day] = [1_000, 3_600_000, 86_400_000];
const never = new AbortController().signal;

/*
 * Timers and the monotonic clock are made up here, so that hours pass at once and a wait ends at the very millisecond it
 * ends at. The database is a clock that can be set; the last part of this file has a real one.
 */
describe('a wait', () => {
  beforeEach(() => {
    jest.useFakeTimers();
  });
  afterEach(() => {
    jest.useRealTimers();
  });

  /** A database that is asked for nothing but the time. */
  class SettableDatabase {
    aheadMs = Date.parse('2026-11-21T12:00:00Z');
    questions = 0;
    /** How long each answer takes; the clock is read half-way. `never`: no answer comes. */
    answersAfterMs: number | 'never' = 0;
    isAway = false;
    nowMs = () => performance.now() + this.aheadMs;
    in = (milliseconds: number) => new Date(this.nowMs() + milliseconds);
    pool = { query: () => this.#answer() } as unknown as pg.Pool;

    async #answer() {
      this.questions += 1;
      if (this.isAway) throw new Error('The database is away');
      const { answersAfterMs } = this;
      if (answersAfterMs === 'never') return new Promise(() => {});
      if (answersAfterMs > 0) await pause(answersAfterMs / 2);
      const rows = [{ now: new Date(this.nowMs()) }];
      if (answersAfterMs > 0) await pause(answersAfterMs / 2);
      return { rows };
    }
  }
  const pause = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));

  interface Wait {
    state: 'waiting' | 'over' | 'failed';
    /** The monotonic time at which it ended. */
    endedAtMs: number;
    error: unknown;
  }

  function waitFor(clock: Clock, instant: Date, signal = never): Wait {
    const wait: Wait = { state: 'waiting', endedAtMs: Number.NaN, error: undefined };
    const end = (state: 'over' | 'failed') => (error?: unknown) =>
      Object.assign(wait, { state, error, endedAtMs: performance.now() });
    clock.waitUntil(instant, signal).then(end('over'), end('failed'));
    return wait;
  }

  test('ends at its instant, and not a millisecond before', async () => {
    const database = new SettableDatabase();
    const start = performance.now();
    const wait = waitFor(createDatabaseClock(database.pool), database.in(10 * second));
    await jest.advanceTimersByTimeAsync(10 * second - 1);
    expect(wait.state).toBe('waiting');
    await jest.advanceTimersByTimeAsync(1);
    expect(wait).toMatchObject({ state: 'over', endedAtMs: start + 10 * second });
  });

  test.each([-1, 0])('is over at once where the instant came %d ms from now', async (milliseconds) => {
    const database = new SettableDatabase();
    const wait = waitFor(createDatabaseClock(database.pool), database.in(milliseconds));
    await jest.advanceTimersByTimeAsync(0);
    expect(wait.state).toBe('over');
  });

  test.each([-hour, hour])("does not see that the host's clock is set by %d ms", async (stepMs) => {
    const database = new SettableDatabase();
    const start = performance.now();
    const wait = waitFor(createDatabaseClock(database.pool), database.in(10 * second));
    await jest.advanceTimersByTimeAsync(4 * second);
    jest.setSystemTime(Date.now() + stepMs);
    await jest.advanceTimersByTimeAsync(6 * second - 1);
    expect(wait.state).toBe('waiting');
    await jest.advanceTimersByTimeAsync(1);
    expect(wait).toMatchObject({ state: 'over', endedAtMs: start + 10 * second });
  });

  test("ends within a second after the database's clock is put forward past the instant", async () => {
    const database = new SettableDatabase();
    const wait = waitFor(createDatabaseClock(database.pool), database.in(hour));
    await jest.advanceTimersByTimeAsync(4_321);
    database.aheadMs += hour;
    await jest.advanceTimersByTimeAsync(second);
    expect(wait.state).toBe('over');
  });

  test("lasts as much longer as the database's clock is put back, and ends when that is put right", async () => {
    const database = new SettableDatabase();
    const wait = waitFor(createDatabaseClock(database.pool), database.in(10 * second));
    await jest.advanceTimersByTimeAsync(4 * second);
    database.aheadMs -= hour;
    await jest.advanceTimersByTimeAsync(10 * 60 * second);
    expect(wait.state).toBe('waiting');
    database.aheadMs += hour;
    await jest.advanceTimersByTimeAsync(second);
    expect(wait.state).toBe('over');
  });

  test('is as long as asked for beyond what a timer can hold, and ends early for no such reason', async () => {
    const setTimer = jest.spyOn(globalThis, 'setTimeout');
    const database = new SettableDatabase();
    const wait = waitFor(createDatabaseClock(database.pool), database.in(60 * day));
    await jest.advanceTimersByTimeAsync(30 * second);
    expect(wait.state).toBe('waiting');
    // Node makes 1 ms of what it cannot hold.
    expect(setTimer.mock.calls.filter(([, delay]) => delay! > 2 ** 31 - 1)).toEqual([]);
    expect(setTimer.mock.calls.length).toBeLessThan(100);
    database.aheadMs += 60 * day - 40 * second;
    await jest.advanceTimersByTimeAsync(10 * second - 1);
    expect(wait.state).toBe('waiting');
    await jest.advanceTimersByTimeAsync(1);
    expect(wait.state).toBe('over');
    setTimer.mockRestore();
  });

  test('asks twice a second for a thousand waits together, and not at all when nobody waits', async () => {
    const database = new SettableDatabase();
    database.answersAfterMs = 100;
    const clock = createDatabaseClock(database.pool);
    const waits: Wait[] = [];
    for (let count = 0; count < 1_000; count += 1) {
      // They begin at different times, and all end at one.
      waits.push(waitFor(clock, new Date(database.nowMs() + 10 * second)));
      if (count % 100 === 99) await jest.advanceTimersByTimeAsync(37);
    }
    const beginning = database.questions;
    expect(beginning).toBeLessThan(10);
    await jest.advanceTimersByTimeAsync(9 * second);
    expect(waits.filter((wait) => wait.state !== 'waiting')).toEqual([]);
    expect(database.questions - beginning).toBeLessThanOrEqual(2 * 9);
    expect(database.questions - beginning).toBeGreaterThanOrEqual(9);
    await jest.advanceTimersByTimeAsync(2 * second);
    expect(waits.filter((wait) => wait.state !== 'over')).toEqual([]);
    const end = database.questions;
    await jest.advanceTimersByTimeAsync(hour);
    expect(database.questions).toBe(end);
    expect(jest.getTimerCount()).toBe(0);
  });

  test.each(['away', 'silent', 'slow'] as const)(
    'ends at its instant when the database is %s meanwhile',
    async (kind) => {
      const database = new SettableDatabase();
      const start = performance.now();
      const wait = waitFor(createDatabaseClock(database.pool), database.in(10 * second));
      await jest.advanceTimersByTimeAsync(2_750);
      if (kind === 'away') database.isAway = true;
      else database.answersAfterMs = kind === 'silent' ? 'never' : 400;
      await jest.advanceTimersByTimeAsync(7_250 - 1);
      expect(wait.state).toBe('waiting');
      await jest.advanceTimersByTimeAsync(1);
      expect(wait).toMatchObject({ state: 'over', endedAtMs: start + 10 * second });
    },
  );

  test.each([0, 5 * second])(
    'never ends early when every answer is slow and the clock is put back by %d ms',
    async (stepMs) => {
      const database = new SettableDatabase();
      database.answersAfterMs = 400;
      const start = performance.now();
      const wait = waitFor(createDatabaseClock(database.pool), database.in(10 * second));
      await jest.advanceTimersByTimeAsync(4 * second);
      database.aheadMs -= stepMs;
      await jest.advanceTimersByTimeAsync(12 * second);
      expect(wait.state).toBe('over');
      const lateMs = wait.endedAtMs - start - 10 * second - stepMs;
      expect(lateMs).toBeGreaterThanOrEqual(0);
      expect(lateMs).toBeLessThanOrEqual(400);
    },
  );

  test('fails where the database cannot even say when to begin', async () => {
    const database = new SettableDatabase();
    database.isAway = true;
    const wait = waitFor(createDatabaseClock(database.pool), database.in(10 * second));
    await jest.advanceTimersByTimeAsync(0);
    expect(wait).toMatchObject({ state: 'failed', error: new Error('The database is away') });
  });

  test.each([0, 1, 4_321, 9_999])(
    'ends with the reason when it is called off after %d ms, and leaves nothing behind',
    async (milliseconds) => {
      const database = new SettableDatabase();
      const caller = new AbortController();
      const clock = createDatabaseClock(database.pool);
      const wait = waitFor(clock, database.in(10 * second), caller.signal);
      await jest.advanceTimersByTimeAsync(milliseconds);
      expect(wait.state).toBe('waiting');
      caller.abort(new Error('Called off'));
      await jest.advanceTimersByTimeAsync(0);
      expect(wait).toMatchObject({ state: 'failed', error: new Error('Called off') });
      expect(jest.getTimerCount()).toBe(0);
    },
  );
});

describe("a release, by a real database's clock", () => {
  let fixture: Fixture;
  let databaseClock: SettableClock;
  let pool: pg.Pool;
  let clock: Clock;

  beforeAll(async () => {
    fixture = await startFixture();
    databaseClock = await makeClockSettable(fixture.superuser, fixture.database.name);
    // Sessions from before the clock could be set know only the true time.
    pool = poolFor(fixture.database.workerUrl);
    clock = createDatabaseClock(pool);
  });
  afterEach(async () => {
    jest.useRealTimers();
    await databaseClock.set('0');
  });
  afterAll(async () => {
    await pool.end();
    await fixture.stop();
  });

  const databaseNow = async (): Promise<number> => (await clock.now()).getTime();
  const soon = async (milliseconds: number): Promise<Date> => new Date((await databaseNow()) + milliseconds);

  /** An armed post, its release under way in an activity, and what went over the wire at which time of the database. */
  async function startRelease(dueAt: Date, clockOfRelease: Clock = clock) {
    const post = await insertPost(fixture);
    const publicationId = await insertPublication(fixture, post, { state: 'ARMED', dueAt });
    const sentAt: number[] = [];
    const publisher = {
      commitTimeoutMs: 5_000,
      async commit() {
        sentAt.push(await databaseNow());
        return { publicId: 'urn:li:share:1', permalink: null };
      },
    };
    const publishing = { adapter: { publisher }, database: tenant() } as unknown as PublishingContext;
    const { tenantId } = fixture;
    const target = { ...post, tenantId, approvedHash: 'p' };
    const dependencies = { clock: clockOfRelease } as unknown as PublishingDependencies;
    const input = { ...target, publicationId, fence: 1, dueAtMs: dueAt.getTime(), sendAtMs: dueAt.getTime() };
    const activity = new MockActivityEnvironment();
    const result = activity.run(() =>
      release({ dependencies, publishing, input, failpoint: async () => {}, claims: createClaims(pool) }),
    );
    return { result, sentAt, activity, publicationId, dependencies, publishing, target };
  }
  const tenant = () => forTenant(pool, fixture.tenantId);
  const stateOf = async (id: string) => (await rowOf<{ state: string }>(fixture, 'publications', id)).state;

  test.each([-hour, hour])(
    "comes at its instant when the worker's host sets its clock by %d ms meanwhile",
    async (stepMs) => {
      const dueAt = await soon(1_500);
      jest.useFakeTimers({ doNotFake: everythingButDate });
      const { result, sentAt } = await startRelease(dueAt);
      await pauseReally(500);
      jest.setSystemTime(Date.now() + stepMs);
      expect(await result).toMatchObject({ kind: 'published' });
      expect(sentAt).toHaveLength(1);
      expect(sentAt[0]).toBeGreaterThanOrEqual(dueAt.getTime());
    },
  );

  /** The clock is put back by an hour after the first wait, before the claim that follows it. */
  function putBackAfterFirstWait() {
    const seen = { waits: 0, claimedAt: [] as number[] };
    const stepping: Clock = {
      ...clock,
      async waitUntil(instant, signal) {
        seen.waits += 1;
        await clock.waitUntil(instant, signal);
        if (seen.waits === 1) await databaseClock.set('-1 hour');
      },
      async sqlNow() {
        seen.claimedAt.push(await databaseNow());
        return clock.sqlNow();
      },
    };
    return { seen, stepping };
  }

  test('is refused as early, and waits on, when the clock is put back between its wait and its claim', async () => {
    const dueAt = await soon(700);
    const { seen, stepping } = putBackAfterFirstWait();
    const { result, sentAt, publicationId } = await startRelease(dueAt, stepping);
    await until(() => seen.waits === 2);
    expect(seen.claimedAt).toHaveLength(1);
    expect(seen.claimedAt[0]).toBeLessThan(dueAt.getTime());
    await pauseReally(1_500);
    expect(sentAt).toEqual([]);
    expect(await stateOf(publicationId)).toBe('ARMED');
    await databaseClock.set('0');
    expect(await result).toMatchObject({ kind: 'published' });
    expect(sentAt).toHaveLength(1);
    expect(sentAt[0]).toBeGreaterThanOrEqual(dueAt.getTime());
  });

  test('can be called off while it waits for a clock that was put back; nothing was sent', async () => {
    const { seen, stepping } = putBackAfterFirstWait();
    const { result, sentAt, activity, publicationId } = await startRelease(await soon(100), stepping);
    await until(() => seen.waits === 2);
    activity.cancel();
    await expect(result).rejects.toThrow(/cancel/i);
    expect(sentAt).toEqual([]);
    expect(await stateOf(publicationId)).toBe('ARMED');
  });

  test('does not wait for what a clock that is put forward has already left behind, and is not early by it', async () => {
    const dueAt = await soon(hour);
    const { result, sentAt } = await startRelease(dueAt);
    await pauseReally(300);
    expect(sentAt).toEqual([]);
    await databaseClock.set('1 hour');
    expect(await result).toMatchObject({ kind: 'published' });
    expect(sentAt).toHaveLength(1);
    expect(sentAt[0]).toBeGreaterThanOrEqual(dueAt.getTime());
  });

  test('is never early while the clock goes to and fro, whichever way it was last set', async () => {
    const seed = Number(process.env.GATEPOST_TEST_SEED ?? Date.now() % 1_000_000_000);
    process.stderr.write(`clock set by chance: GATEPOST_TEST_SEED=${seed}\n`);
    const random = seededRandom(seed);
    const dueTimes = await Promise.all(Array.from({ length: 12 }, () => soon(500 + random() * 3_000)));
    const releases = await Promise.all(dueTimes.map((dueAt) => startRelease(dueAt)));
    for (let step = 0; step < 8; step += 1) {
      await pauseReally(400);
      await databaseClock.set(`${Math.round((random() - 0.5) * 4_000)} milliseconds`);
    }
    await databaseClock.set('0');
    for (const [index, { result, publicationId, sentAt }] of releases.entries()) {
      expect(await result).toMatchObject({ kind: 'published' });
      expect(sentAt).toHaveLength(1);
      // What the database said when it let the post go; by the time it is on the wire the clock may be set again.
      const { send_started_at: claimedAt } = await rowOf(fixture, 'publications', publicationId);
      expect(claimedAt.getTime()).toBeGreaterThanOrEqual(dueTimes[index]!.getTime());
    }
  });

  test('a lost sender is asked after within a minute, however far the clock was put back', async () => {
    const dueAt = await soon(0);
    const { result, publicationId, ...sent } = await startRelease(dueAt);
    await result;
    await fixture.superuser.query(
      `update publications set state = 'SENDING', give_up_at = pg_catalog.clock_timestamp() + interval '22 seconds'
       where id = $1`,
      [publicationId],
    );
    await databaseClock.set('-1 hour');
    const asked = new MockActivityEnvironment().run(() =>
      reconcile(sent.dependencies, sent.publishing, sent.target),
    );
    // An hour and some seconds by the clock as it stands.
    await expect(asked).rejects.toMatchObject({ type: 'not-yet', nextRetryDelay: 60_000 });
    expect(await stateOf(publicationId)).toBe('SENDING');
  });
});

const pauseReally = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await pauseReally(20);
}

/** Names of `jest.useFakeTimers`: time goes on, and only what the host says it is can be changed. */
const everythingButDate = [
  ...(['hrtime', 'nextTick', 'performance', 'queueMicrotask', 'setImmediate', 'clearImmediate'] as const),
  ...(['setInterval', 'clearInterval', 'setTimeout', 'clearTimeout'] as const),
];
