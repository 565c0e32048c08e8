import { setTimeout as sleep } from 'node:timers/promises';
import { wallClockAt } from '../../domain/wall-clock.ts';
import {
  approve,
  blocksOf,
  decide,
  expectStatus,
  inSeconds,
  type Live,
  type LiveTenant,
  readPost,
  readTimeline,
  startLive,
  submitText,
  waitForStatus,
  within,
} from '../support/live.ts';

let live: Live;
let tenant: LiveTenant;

beforeAll(async () => {
  live = await startLive({ worker: false, armLeadMs: 2_000 });
  // One profile may send twelve a minute and three at once; one tenant's application may send as many as it likes.
  const rates = { linkedin: { app: null, profile: { perMinute: 12, burst: 3 } } };
  await live.startWorker({ GATEPOST_RATES: JSON.stringify(rates) });
  tenant = await live.createTenant();
}, 90_000);
afterAll(() => live?.stop(), 60_000);

const hold = (body: Readonly<Record<string, unknown>>, key?: string) =>
  tenant.second.send('POST', '/holds', { body, key });
const lift = (id: string) => tenant.second.send('POST', `/holds/${id}/lift`);

async function approved(profileId: { id: string }, fields: Readonly<Record<string, unknown>> = {}) {
  const profile = profileId as Awaited<ReturnType<LiveTenant['connect']>>;
  const postId = await submitText(tenant.author, [profile], fields);
  await approve(tenant.reviewer, postId, 'content', 'publish');
  return postId;
}

test('a hold placed while a post is armed lets nothing of it out, and lifted late leaves it to a person', async () => {
  const profile = await tenant.connect();
  // Far enough ahead for a busy machine to approve and arm it in time.
  const dueAt = inSeconds(12);
  const postId = await approved(profile, { dueAt: dueAt.toISOString() });
  await within(15_000, 'it is armed', async () => {
    const { publications } = await readTimeline(tenant.viewer, postId);
    return publications.some(({ state }) => state === 'ARMED');
  });
  const placed = expectStatus(
    await hold({ scope: 'profile', profileId: profile.id, reason: 'A storm' }),
    201,
  );
  expect(placed.body).toMatchObject({ alreadySending: [], hold: { reason: 'A storm', liftedAt: null } });
  const { publications } = await readTimeline(tenant.viewer, postId);
  expect(publications).toMatchObject([{ state: 'DISARMED' }]);
  await within(10_000, 'it says so', async () =>
    blocksOf(await readPost(tenant.viewer, postId)).includes('hold'),
  );
  await sleep(Math.max(0, dueAt.getTime() - Date.now()) + 1_000);
  expect(await live.ledgerOf(profile)).toEqual([]);
  const listed = expectStatus(await tenant.viewer.send('GET', '/holds'), 200);
  expect(listed.body.items.map(({ id }: { id: string }) => id)).toEqual([placed.body.hold.id]);
  expectStatus(await lift(placed.body.hold.id), 200);
  await within(10_000, 'it is late', async () =>
    blocksOf(await readPost(tenant.viewer, postId)).includes('late'),
  );
  const { gates } = await readPost(tenant.second, postId);
  const now = await tenant.second.send('POST', `/posts/${postId}/publish-now`, {
    body: { hash: gates.publish.hash },
  });
  expectStatus(now, 200);
  await waitForStatus(tenant.viewer, postId, 'PUBLISHED');
  expect(await live.ledgerOf(profile)).toHaveLength(1);
});

test('a hold is refused where it does not say what it stops, to those who may not, and is placed once under one key', async () => {
  const profile = await tenant.connect();
  const unclear = await hold({ scope: 'profile', reason: 'Which?' });
  expect(unclear.body).toMatchObject({ code: 'invalid-request', errors: [{ code: 'hold-subject' }] });
  const foreign = await hold({ scope: 'profile', profileId: tenant.id, reason: 'Whose?' });
  expect(foreign.body).toMatchObject({ status: 422, code: 'unknown-profile' });
  const body = { scope: 'profile', profileId: profile.id, reason: 'Once' };
  expectStatus(await tenant.author.send('POST', '/holds', { body }), 403);
  const [first, again] = [await hold(body, 'the-same-key'), await hold(body, 'the-same-key')];
  expect(again.body).toEqual(first.body);
  expectStatus(await lift(first.body.hold.id), 200);
  const repeated = expectStatus(await lift(first.body.hold.id), 200);
  expect(repeated.body.liftedByName).toBe(tenant.second.name);
});

test('a policy that is tightened takes an armed post back before it answers, and the gate it passed is open again', async () => {
  const strict = await live.createTenant();
  const put = async (policy: unknown) => {
    const read = expectStatus(await strict.second.send('GET', '/tenant/policy'), 200);
    const ifMatch = read.headers.get('etag')!;
    expectStatus(await strict.second.send('PUT', '/tenant/policy', { body: policy, ifMatch }), 200);
  };
  await put({ publish: { required: false } });
  const profile = await strict.connect();
  const dueAt = inSeconds(12);
  const postId = await submitText(strict.author, [profile], { dueAt: dueAt.toISOString() });
  await approve(strict.reviewer, postId, 'content');
  await within(15_000, 'it is armed', async () => {
    const { publications } = await readTimeline(strict.viewer, postId);
    return publications.some(({ state }) => state === 'ARMED');
  });
  await put({ publish: { required: true } });
  await within(10_000, 'the gate is open', async () => {
    const post = await readPost(strict.viewer, postId);
    return post.openGate === 'publish' && post.gates.content.status === 'approved';
  });
  await sleep(Math.max(0, dueAt.getTime() - Date.now()) + 1_000);
  expect(await live.ledgerOf(profile)).toEqual([]);
});

test('one tenant that has far more due than its rate admits does not hold another one up', async () => {
  const other = await live.createTenant();
  const [busy, quiet] = [await tenant.connect(), await other.connect()];
  const dueAt = inSeconds(12);
  const fields = { dueAt: dueAt.toISOString() };
  const posts = await Promise.all(Array.from({ length: 8 }, () => approved(busy, fields)));
  const quietPost = await submitText(other.author, [quiet], fields);
  await approve(other.reviewer, quietPost, 'content', 'publish');
  await waitForStatus(other.viewer, quietPost, 'PUBLISHED', 30_000);
  const waiting = await Promise.all(posts.map((postId) => readPost(tenant.viewer, postId)));
  expect(waiting.filter(({ status }) => status === 'PUBLISHED').length).toBeLessThan(8);
  const rated = waiting.flatMap((post) => post.blockedOn).find(({ code }) => code === 'rate');
  expect(Date.parse(rated.at)).toBeGreaterThan(dueAt.getTime());
  for (const postId of posts) await waitForStatus(tenant.viewer, postId, 'PUBLISHED', 60_000);
  const entries = await live.ledgerOf(busy);
  expect(entries).toHaveLength(8);
  for (const { receivedAt } of [...entries, ...(await live.ledgerOf(quiet))])
    expect(Date.parse(receivedAt)).toBeGreaterThanOrEqual(dueAt.getTime());
}, 120_000);

test('a due time is a wall clock and its zone, for the post and for one of its targets', async () => {
  const [first, second] = [await tenant.connect(), await tenant.connect()];
  const body = {
    type: 'TEXT_ONLY',
    copy: 'At half past two, in Berlin',
    targets: [
      { profileId: first.id },
      { profileId: second.id, dueLocal: '2027-10-31T02:30', dueTimeZone: 'Europe/Berlin' },
    ],
    dueLocal: '2027-03-28T02:30',
    dueTimeZone: 'Europe/Berlin',
    submit: true,
  };
  const created = expectStatus(await tenant.author.send('POST', '/posts', { body }), 201).body;
  // That night the clocks go from two to three: the time is shifted, and said to be.
  expect(created).toMatchObject({
    dueAt: '2027-03-28T01:30:00.000Z',
    dueLocal: '2027-03-28T02:30',
    dueFit: 'gap',
  });
  expect(wallClockAt(Date.parse(created.dueAt), 'Europe/Berlin')).toBe('2027-03-28T03:30');
  // That night they show half past two twice: the first is meant.
  expect(created.targets[1]).toMatchObject({
    dueAt: '2027-10-31T00:30:00.000Z',
    dueTimeZone: 'Europe/Berlin',
  });
  const schedule = (fields: unknown) =>
    tenant.author.send('POST', `/posts/${created.id}/schedule`, { body: fields });
  const disagrees = await schedule({ ...body, targets: undefined, type: undefined });
  expect(disagrees.status).toBe(400);
  const wrong = await schedule({
    dueAt: '2027-06-01T09:00:00Z',
    dueLocal: '2027-06-01T09:00',
    dueTimeZone: 'Europe/Berlin',
  });
  expect(wrong.body.errors).toMatchObject([{ path: '/dueLocal', code: 'due-times-disagree' }]);
  const target = created.targets[0].id;
  const moved = { targetId: target, dueLocal: '2028-02-29T23:59', dueTimeZone: 'Pacific/Kiritimati' };
  expectStatus(await schedule({ targets: [moved] }), 200);
  const read = await readPost(tenant.viewer, created.id);
  expect(read.targets[0]).toMatchObject({ dueAt: '2028-02-29T09:59:00.000Z', dueLocal: '2028-02-29T23:59' });
  expect(read.dueAt).toBe('2027-03-28T01:30:00.000Z');
});

test('a post that says the same on the same profile as another is created, with a warning that names it', async () => {
  const [profile, elsewhere] = [await tenant.connect(), await tenant.connect()];
  const create = async (copy: string, profileId: string) => {
    const body = { type: 'TEXT_ONLY', copy, targets: [{ profileId }] };
    return expectStatus(await tenant.author.send('POST', '/posts', { body }), 201).body;
  };
  const first = await create('We are hiring', profile.id);
  expect(first.possibleDuplicates).toEqual([]);
  const again = await create('  We are\nhiring ', profile.id);
  expect(again.possibleDuplicates).toMatchObject([
    { postId: first.id, profileId: profile.id, status: 'DRAFT' },
  ]);
  expect((await create('We are hiring', elsewhere.id)).possibleDuplicates).toEqual([]);
  expect((await create('We are hiring two', profile.id)).possibleDuplicates).toEqual([]);
  const asked = expectStatus(await tenant.viewer.send('GET', `/posts/${first.id}/duplicates`), 200);
  expect(asked.body.map(({ postId }: { postId: string }) => postId)).toEqual([again.id]);
  expectStatus(await tenant.author.send('POST', `/posts/${again.id}/cancel`, { body: {} }), 200);
  expect((await tenant.viewer.send('GET', `/posts/${first.id}/duplicates`)).body).toEqual([]);
});

test('a paused post waits for whoever resumes it', async () => {
  const profile = await tenant.connect();
  const postId = await submitText(tenant.author, [profile], { dueAt: inSeconds(60).toISOString() });
  const send = (verb: string) => tenant.author.send('POST', `/posts/${postId}/${verb}`, { body: {} });
  expectStatus(await send('pause'), 200);
  expect((await send('pause')).body.code).toBe('already-paused');
  expectStatus(await decide(tenant.reviewer, postId, 'content'), 200);
  expect(blocksOf(await readPost(tenant.viewer, postId))).toEqual(['gate:publish', 'paused', 'until-due']);
  expectStatus(await send('resume'), 200);
  expect((await send('resume')).body.code).toBe('not-paused');
  expect((await send('archive')).body.code).toBe('not-at-rest');
  expectStatus(await send('cancel'), 200);
});
