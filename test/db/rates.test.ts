import { randomUUID } from 'node:crypto';
import { delayBucket, takeTokens } from '../../db/rates.ts';
import { forTenant, inTransaction } from '../../db/tenant-database.ts';
import type { Bucket } from '../../domain/rates.ts';
import { seededRandom } from '../support/random.ts';
import { type Fixture, insertTenant, poolFor, startFixture } from './fixture.ts';

let fixture: Fixture;

beforeAll(async () => {
  fixture = await startFixture();
});
afterAll(() => fixture.stop());

const start = Date.UTC(2026, 4, 4, 9);
/** A bucket nobody else uses: a token each `intervalMs`, and `burst` of them at once. */
const bucket = (intervalMs: number, burst: number, key = `profile:${randomUUID()}`): Bucket => ({
  ...{ key, intervalMs },
  toleranceMs: intervalMs * (burst - 1),
});
/** Takes a token of each bucket; how long after the start it is admitted, asked for `atMs` after it. */
async function take(atMs: number, ...buckets: Bucket[]): Promise<number> {
  const earliest = new Date(start + atMs);
  const slot = await inTransaction(fixture.worker, (transaction) =>
    takeTokens(transaction, buckets, earliest),
  );
  return slot.getTime() - start;
}
async function takeAll(times: readonly number[], ...buckets: Bucket[]): Promise<number[]> {
  const slots = [];
  for (const atMs of times) slots.push(await take(atMs, ...buckets));
  return slots;
}
const count = async (table: string): Promise<number> =>
  (await fixture.superuser.query(`select count(*)::int as count from ${table}`)).rows[0].count;

describe('a token bucket', () => {
  it.each<[string, number, number, number[], number[]]>([
    [
      'a burst at once, the rest at the rate',
      1_000,
      5,
      Array(8).fill(0),
      [0, 0, 0, 0, 0, 1_000, 2_000, 3_000],
    ],
    ['one after the other where no burst is allowed', 1_000, 1, [0, 0, 0], [0, 1_000, 2_000]],
    [
      'what comes no faster than the rate, at once',
      1_000,
      1,
      [0, 1_000, 2_500, 3_500],
      [0, 1_000, 2_500, 3_500],
    ],
    [
      'as many as have flowed in since a burst',
      1_000,
      3,
      [0, 0, 0, 2_500, 2_500, 2_500, 2_500],
      [0, 0, 0, 2_500, 2_500, 3_000, 4_000],
    ],
    [
      'no more than a burst after a long rest',
      1_000,
      2,
      [0, 0, 3_600_000, 3_600_000, 3_600_000],
      [0, 0, 3_600_000, 3_600_000, 3_601_000],
    ],
    ['by fractions of a millisecond', 1_000 / 3, 1, [0, 0, 0, 0], [0, 333, 666, 999]],
    [
      'nothing before it is asked for, after one for later',
      1_000,
      5,
      [5_000, 0, 0, 0, 0, 0],
      [5_000, 2_000, 3_000, 4_000, 5_000, 6_000],
    ],
  ])('admits %s', async (_what, intervalMs, burst, times, expected) => {
    expect(await takeAll(times, bucket(intervalMs, burst))).toEqual(expected);
  });

  it('keeps its count apart from every other, also from its namesake of another tenant', async () => {
    const shared = bucket(1_000, 1);
    expect(await takeAll([0, 0], shared)).toEqual([0, 1_000]);
    expect(await take(0, bucket(1_000, 1))).toBe(0);
    const { tenantId } = await insertTenant(fixture.apiPool);
    const other = forTenant(fixture.workerPool, tenantId);
    const slot = await inTransaction(other, (transaction) =>
      takeTokens(transaction, [shared], new Date(start)),
    );
    expect(slot.getTime()).toBe(start);
  });

  it('is not asked where nothing bounds the rate', async () => {
    const before = await count('rate_buckets');
    expect(await takeAll([7, 7, 7])).toEqual([7, 7, 7]);
    expect(await count('rate_buckets')).toBe(before);
  });

  it('gets its token back where the transaction is undone', async () => {
    const one = bucket(1_000, 1);
    await take(0, one);
    const undone = inTransaction(fixture.worker, async (transaction) => {
      await takeTokens(transaction, [one], new Date(start));
      throw new Error('undone');
    });
    await expect(undone).rejects.toThrow('undone');
    expect(await take(0, one)).toBe(1_000);
  });
});

describe('two token buckets', () => {
  it('both have to admit: the slower decides', async () => {
    const app = bucket(100, 3, `app:${randomUUID()}`);
    const one = bucket(1_000, 2);
    expect(await takeAll(Array(5).fill(0), app, one)).toEqual([0, 0, 1_000, 2_000, 3_000]);
    const narrow = bucket(2_000, 1, `app:${randomUUID()}`);
    expect(await takeAll(Array(3).fill(0), narrow, bucket(1_000, 2))).toEqual([0, 2_000, 4_000]);
  });

  it('are both charged', async () => {
    const app = bucket(1_000, 2, `app:${randomUUID()}`);
    expect(await take(0, app, bucket(10, 1))).toBe(0);
    expect(await take(0, app, bucket(10, 1))).toBe(0);
    expect(await take(0, app, bucket(10, 1))).toBe(1_000);
  });

  it('a profile with a backlog does not hold up another one of the same application', async () => {
    const app = bucket(10, 100, `app:${randomUUID()}`);
    const busy = bucket(2_000, 10);
    const slots = await takeAll(Array(60).fill(0), app, busy);
    expect(slots.at(-1)).toBe(100_000);
    expect(await take(0, app, bucket(2_000, 10))).toBe(0);
  });

  it('a profile that its platform has stopped for a day does not stop the others', async () => {
    const app = bucket(10, 100, `app:${randomUUID()}`);
    const stopped = bucket(2_000, 10);
    const dayMs = 86_400_000;
    await delayBucket(fixture.worker, stopped, new Date(start + dayMs));
    expect(await takeAll([0, 0], app, stopped)).toEqual([dayMs, dayMs + 2_000]);
    expect(await take(0, app, bucket(2_000, 10))).toBe(0);
  });
});

describe('a pause that a platform asks for', () => {
  it.each([1, 2, 10])('is kept to its end by a bucket of %i, which then has one token', async (burst) => {
    const one = bucket(1_000, burst);
    await take(0, one);
    await delayBucket(fixture.worker, one, new Date(start + 60_000));
    expect(await takeAll([0, 0, 90_000], one)).toEqual([60_000, 61_000, 90_000]);
  });

  it('begins with a bucket that was never used, and shortens no longer one', async () => {
    const fresh = bucket(1_000, 5);
    await delayBucket(fixture.worker, fresh, new Date(start + 60_000));
    await delayBucket(fixture.worker, fresh, new Date(start + 30_000));
    expect(await take(0, fresh)).toBe(60_000);
  });
});

/** The most that any span of `spanMs` holds of the sorted instants. */
function mostWithin(sorted: readonly number[], spanMs: number): number {
  let most = 0;
  for (let first = 0, last = 0; last < sorted.length; last += 1) {
    while (sorted[last]! - sorted[first]! > spanMs) first += 1;
    most = Math.max(most, last - first + 1);
  }
  return most;
}

test('admits in no span more than the burst and what flows in, nothing early, in 40 seeded random hours', async () => {
  const firstSeed = 20_260_504;
  for (let seed = firstSeed; seed < firstSeed + 40; seed += 1) {
    const random = seededRandom(seed);
    const one = bucket([1, 7, 100, 250 / 3, 2_000][Math.floor(random() * 5)]!, 1 + Math.floor(random() * 9));
    const calls = 60;
    let nowMs = 0;
    const slots: number[] = [];
    for (let call = 0; call < calls; call += 1) {
      if (random() < 0.3) nowMs += Math.floor(random() * 20 * one.intervalMs);
      // Asked for now, or for an instant within the lead, before or after the last one.
      const atMs = nowMs + Math.floor(random() * random() * 10_000);
      const slot = await take(atMs, one);
      if (slot < atMs) throw new Error(`Seed ${seed}: asked for ${atMs}, admitted ${slot}`);
      slots.push(slot);
    }
    const sorted = slots.toSorted((left, right) => left - right);
    for (const spanMs of [0, one.intervalMs, 10 * one.intervalMs, 100 * one.intervalMs]) {
      // Instants are cut to whole milliseconds: a span may hold what belongs a millisecond behind it.
      const bound = Math.floor((spanMs + one.toleranceMs + 1) / one.intervalMs) + 1;
      const most = mostWithin(sorted, spanMs);
      if (most > bound) throw new Error(`Seed ${seed}: ${most} within ${spanMs} ms, at most ${bound}`);
    }
  }
});

test('admits as many as one would, asked by eight at once for the same two buckets', async () => {
  const app = bucket(5, 20, `app:${randomUUID()}`);
  const one = bucket(40, 10);
  const alone = await takeAll(Array(80).fill(0), bucket(5, 20, `app:${randomUUID()}`), bucket(40, 10));
  const pools = Array.from({ length: 8 }, () => poolFor(fixture.database.workerUrl, 1));
  try {
    const slots = await Promise.all(
      pools.map(async (pool) => {
        const worker = forTenant(pool, fixture.tenantId);
        const mine = [];
        for (let call = 0; call < 10; call += 1)
          mine.push(
            await inTransaction(worker, (transaction) =>
              takeTokens(transaction, [app, one], new Date(start)),
            ),
          );
        return mine.map((slot) => slot.getTime() - start);
      }),
    );
    expect(slots.flat().toSorted((left, right) => left - right)).toEqual(alone);
  } finally {
    await Promise.all(pools.map((pool) => pool.end()));
  }
});
