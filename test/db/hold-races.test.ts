import { randomUUID } from 'node:crypto';
import { insertHold } from '../../db/holds.ts';
import { armPublication, disarmScope, releasePublication } from '../../db/publications.ts';
import { forTenant, inTransaction, type TenantTransaction } from '../../db/tenant-database.ts';
import { bumpPoliciesVersion } from '../../db/tenants.ts';
import { seededRandom } from '../support/random.ts';
import {
  armInput,
  eventTypesOf,
  type Fixture,
  insertPost,
  insertTenant,
  releaseInput,
  type SeededPost,
  startFixture,
} from './fixture.ts';

let fixture: Fixture;

beforeAll(async () => {
  fixture = await startFixture();
});
afterAll(() => fixture.stop());

const races = 360;
const seed = 20_260_504;

/** A tenant of its own, so that the stop of one race stops no other. */
async function startRace() {
  const own = { ...fixture, ...(await insertTenant(fixture.apiPool)) };
  const post = await insertPost(own);
  return {
    own,
    post,
    api: forTenant(fixture.apiPool, own.tenantId),
    worker: forTenant(fixture.workerPool, own.tenantId),
  };
}
type Race = Awaited<ReturnType<typeof startRace>>;

const arm = ({ own, post, worker }: Race, holder: string) =>
  armPublication(worker, armInput(own, post, { holder }));

/** Arms, unless that has been done, and releases: what a worker does around the instant. */
async function send(race: Race, armed: { publicationId: string; fence: number } | null): Promise<string> {
  const held = armed ?? (await arm(race, 'racing'));
  if ('kind' in held && held.kind !== 'armed') return held.kind;
  const { publicationId, fence } = held as { publicationId: string; fence: number };
  return (await releasePublication(race.worker, releaseInput(publicationId, { fence }))).kind;
}

const stops = ['tenant', 'profile', 'platform', 'policy'] as const;

/** What the interface does when a hold is placed or a policy changes: commits it, then takes back what is armed. */
async function stop({ api, own }: Race, what: (typeof stops)[number]): Promise<string[]> {
  const scope = {
    profileId: what === 'profile' ? own.profileId : null,
    platform: what === 'platform' ? ('linkedin' as const) : null,
  };
  const put = (transaction: TenantTransaction) =>
    what === 'policy'
      ? bumpPoliciesVersion(transaction, own.tenantId)
      : insertHold(transaction, {
          ...{ id: randomUUID(), scope: what, profile_id: scope.profileId, platform: scope.platform },
          ...{ reason: 'Storm', placed_by: own.memberId, placed_by_name: 'Ada' },
        });
  await inTransaction(api, put);
  const { sending } = await inTransaction(api, (transaction) => disarmScope(transaction, scope));
  return sending.map(({ targetId }) => targetId);
}

const isSent = async (post: SeededPost) =>
  (await eventTypesOf(fixture, post.postId)).includes('target.sending');

async function later<T>(milliseconds: number, work: () => Promise<T>): Promise<T> {
  await new Promise((resolve) => setTimeout(resolve, milliseconds));
  return work();
}

test(`sends nothing after a stop has answered but what it named, in ${races} races of seed ${seed}`, async () => {
  const random = seededRandom(seed);
  const tally = new Map<string, number>();
  const count = (name: string) => tally.set(name, (tally.get(name) ?? 0) + 1);
  // A stop takes more round trips than a claim, how much longer depends on the machine: who won waits longer next time.
  const headStartMs = { before: 0, racing: 0 };
  const run = async (number: number) => {
    const race = await startRace();
    const what = stops[number % stops.length]!;
    const isArmedBefore = random() < 0.5;
    const armed = isArmedBefore ? await arm(race, 'before') : null;
    if (armed && armed.kind !== 'armed') throw new Error(`It was not armed: ${armed.kind}`);
    const kind = isArmedBefore ? 'before' : 'racing';
    const [sendAfterMs, stopAfterMs] = [random() * 8 + headStartMs[kind], random() * 8];
    let sentWhenStopped = false;
    const [sent, named] = await Promise.all([
      later(sendAfterMs, () => send(race, armed)),
      later(stopAfterMs, async () => {
        const targetIds = await stop(race, what);
        sentWhenStopped = await isSent(race.post);
        return targetIds;
      }),
    ]);
    // Another attempt comes after everything, as the next one of a run would.
    const again = await send(race, null);
    const seen = { what, sent, named: named.length, isSent: await isSent(race.post), sentWhenStopped };
    const isOut = sent === 'sending';
    headStartMs[kind] = Math.max(0, headStartMs[kind] + (isOut ? 2 : -2));
    expect({ number, ...seen }).toEqual({
      ...{ number, what, sent, named: isOut ? 1 : 0, isSent: isOut, sentWhenStopped: isOut },
    });
    expect(again).toBe(isOut ? 'needs-reconcile' : 'conditions-changed');
    count(isOut ? 'sent' : `stopped as ${sent}`);
  };
  for (let start = 0; start < races; start += 3)
    await Promise.all([start, start + 1, start + 2].map((number) => run(number)));
  expect([...tally.values()].reduce((sum, one) => sum + one, 0)).toBe(races);
  // Every way that such a race can end has been seen.
  for (const way of ['sent', 'stopped as lost', 'stopped as conditions-changed'])
    expect([way, (tally.get(way) ?? 0) > 15]).toEqual([way, true]);
});
