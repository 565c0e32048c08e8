import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { type CapQuestion, capsOpenAt } from '../../db/ledger.ts';
import { armPublication } from '../../db/publications.ts';
import { forTenant, inTransaction } from '../../db/tenant-database.ts';
import type { Cap } from '../../domain/platforms/rules.ts';
import type { PublicationState } from '../../domain/publication.ts';
import {
  armInput,
  due,
  type Fixture,
  insertPost,
  insertPublication,
  poolFor,
  rowOf,
  startFixture,
} from './fixture.ts';

let fixture: Fixture;
beforeAll(async () => {
  fixture = await startFixture();
});
afterAll(() => fixture.stop());
beforeEach(() => fixture.superuser.query('delete from publications'));

const hour = 3_600_000;
const daily = (max: number, fields: Partial<Cap> = {}): Cap => ({
  ...{ counts: 'profile', max, window: { hours: 24 } },
  ...fields,
});
/** A publication of the fixture's profile as of so long before everything is due. */
async function sent(
  hoursAgo: number,
  state: PublicationState = 'PUBLISHED',
  set: Record<string, unknown> = {},
) {
  const id = await insertPublication(fixture, await insertPost(fixture), { state });
  const at = new Date(due.getTime() - hoursAgo * hour);
  const fields = { send_at: at, send_started_at: at, post_type: 'TEXT_ONLY', ...set };
  const names = Object.keys(fields).map((name, index) => `${name} = $${index + 2}`);
  await fixture.superuser.query(`update publications set ${names.join(', ')} where id = $1`, [
    id,
    ...Object.values(fields),
  ]);
}
const question = (fields: Partial<CapQuestion>): CapQuestion => ({
  ...{ platform: 'linkedin', profileId: fixture.profileId, targetId: randomUUID(), part: 0 },
  ...{ type: 'TEXT_ONLY', caps: [], quota: null },
  ...fields,
});
/** How many hours after everything is due there is room. */
async function opensAfter(fields: Partial<CapQuestion>): Promise<number> {
  const opensAt = await inTransaction(fixture.worker, (transaction) =>
    capsOpenAt(transaction, question(fields), due),
  );
  return Math.round(((opensAt.getTime() - due.getTime()) / hour) * 10) / 10;
}

it.each<[PublicationState, number]>([
  ['ARMED', 23],
  ['SENDING', 23],
  ['UNKNOWN', 23],
  ['UNCONFIRMED', 23],
  ['PUBLISHED', 23],
  ['NOT_SENT', 0],
  ['DISARMED', 0],
  ['REFUSED', 0],
])('counts what is %s for %i hours more', async (state, expected) => {
  await sent(1, state);
  expect(await opensAfter({ caps: [daily(1)] })).toBe(expected);
});

it('counts by profile or by application, by type, and parts where they count', async () => {
  await sent(1, 'PUBLISHED', { profile_id: randomUUID() });
  await sent(2, 'PUBLISHED', { post_type: 'REEL' });
  await sent(3, 'PUBLISHED', { part: 1 });
  await sent(30);
  expect(await opensAfter({ caps: [daily(1)] })).toBe(22);
  expect(await opensAfter({ caps: [daily(2)] })).toBe(0);
  expect(await opensAfter({ caps: [daily(2, { counts: 'app' })] })).toBe(22);
  expect(await opensAfter({ caps: [daily(2, { includesParts: true })] })).toBe(21);
  expect(await opensAfter({ caps: [daily(1, { types: ['REEL'] })], type: 'REEL' })).toBe(22);
  expect(await opensAfter({ caps: [daily(1, { types: ['REEL'] })] })).toBe(0);
  expect(await opensAfter({ caps: [daily(1, { types: ['VIDEO'] })], type: 'VIDEO' })).toBe(0);
  expect(await opensAfter({ caps: [daily(1)], part: 2 })).toBe(0);
  expect(await opensAfter({ caps: [daily(1)], platform: 'x' })).toBe(0);
});

it('takes the total from the platform where it says one, and counts by itself where it does not', async () => {
  await sent(1);
  const quota = { used: 1, total: 2, windowSeconds: 86_400, readAtMs: due.getTime() };
  const caps = [daily(1, { isReadLive: true })];
  expect(await opensAfter({ caps, quota })).toBe(0);
  expect(await opensAfter({ caps, quota: { ...quota, used: 2 } })).toBe(0.5);
  expect(await opensAfter({ caps, quota: null })).toBe(23);
  expect(await opensAfter({ caps: [daily(1)], quota })).toBe(23);
});

it('does not arm what is over a cap, takes no token for it, and arms it once there is room', async () => {
  await sent(1);
  const post = await insertPost(fixture);
  const bucket = { key: `profile:${randomUUID()}`, intervalMs: 1_000, toleranceMs: 0 };
  const input = armInput(fixture, post, { caps: [daily(1)], buckets: [bucket] });
  const until = new Date(due.getTime() + 23 * hour + 60_000);
  expect(await armPublication(fixture.worker, input)).toEqual({ kind: 'capped', until });
  const rows = await fixture.superuser.query('select from rate_buckets where key = $1', [bucket.key]);
  expect(rows.rowCount).toBe(0);
  const armed = await armPublication(fixture.worker, { ...input, now: until, armUntil: until });
  expect(armed).toMatchObject({ kind: 'armed', sendAt: until });
  // The same attempt finds its own row again, and does not stand in its own way.
  expect(await armPublication(fixture.worker, { ...input, now: until, armUntil: until })).toEqual(armed);
  const takeOver = { ...input, holder: 'other', buckets: [], now: until, armUntil: until };
  const other = await armPublication(fixture.worker, takeOver);
  expect(other).toMatchObject({ kind: 'armed', fence: 2 });
  const row = await rowOf<{ post_type: string }>(
    fixture,
    'publications',
    (armed as { publicationId: string }).publicationId,
  );
  expect(row.post_type).toBe('TEXT_ONLY');
});

it.each(['profile', 'app'] as const)(
  'keeps whoever asks for a place of a cap of a %s waiting while another takes one',
  async (counts) => {
    const caps = [daily(1, { counts })];
    const post = await insertPost(fixture);
    const second = await inTransaction(fixture.worker, async (transaction) => {
      await capsOpenAt(transaction, question({ caps }), due);
      const arming = armPublication(fixture.worker, armInput(fixture, post, { caps }));
      expect(await Promise.race([arming.then(() => 'answered'), sleep(200, 'waits')])).toBe('waits');
      await sent(1);
      return { arming };
    });
    expect((await second.arming).kind).toBe('capped');
  },
);

it('gives the last places of a cap away once, however many ask at once', async () => {
  const pools = Array.from({ length: 4 }, () => poolFor(fixture.database.workerUrl));
  try {
    const posts = await Promise.all(Array.from({ length: 24 }, () => insertPost(fixture)));
    const results = await Promise.all(
      posts.map((post, index) =>
        armPublication(
          forTenant(pools[index % pools.length]!, fixture.tenantId),
          armInput(fixture, post, { caps: [daily(5)] }),
        ),
      ),
    );
    const kinds = results.map(({ kind }) => kind).sort();
    expect(kinds).toEqual([...Array(5).fill('armed'), ...Array(19).fill('capped')]);
  } finally {
    for (const pool of pools) await pool.end();
  }
});
