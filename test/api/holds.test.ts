import { randomUUID } from 'node:crypto';
import pg from 'pg';
import type { PublicationState } from '../../domain/publication.ts';
import { insertPublication, rowOf } from '../db/fixture.ts';
import {
  createTestTenant,
  inDays,
  type Reply,
  startTestApi,
  type TestApi,
  type TestTenant,
} from './fixture.ts';

let api: TestApi;
let tenant: TestTenant;
let superuser: pg.Client;

beforeAll(async () => {
  api = await startTestApi();
  superuser = new pg.Client({ connectionString: api.database.superuserUrl });
  await superuser.connect();
});
afterAll(async () => {
  await superuser.end();
  await api.stop();
});
beforeEach(async () => {
  tenant = await createTestTenant(api);
});

type Person = keyof TestTenant['tokens'];
const place = (body: unknown, person: Person = 'admin', key?: string): Promise<Reply> =>
  api.send('POST', '/api/v1/holds', { token: tenant.tokens[person], body, ...(key && { key }) });
const lift = (id: string, person: Person = 'admin', key?: string): Promise<Reply> =>
  api.send('POST', `/api/v1/holds/${id}/lift`, { token: tenant.tokens[person], ...(key && { key }) });
const list = async (query = '', person: Person = 'viewer') =>
  (await api.send('GET', `/api/v1/holds${query}`, { token: tenant.tokens[person] })).body;
const idsOf = ({ items }: { items: { id: string }[] }) => items.map(({ id }) => id);
const storm = { scope: 'tenant', reason: 'Storm' };

/** A submitted post to a profile, with a publication row in this state. */
async function publication(profileId: string, state: PublicationState, type = 'TEXT_ONLY') {
  const body = { type, copy: 'Hello', targets: [{ profileId }], submit: true, dueAt: inDays(2) };
  const { body: post } = await api.send('POST', '/api/v1/posts', { token: tenant.tokens.author, body });
  const seeded = { postId: post.id, revisionId: post.revision.id, targetId: post.targets[0].id };
  const id = await insertPublication({ superuser, tenantId: tenant.id }, seeded, { state });
  const stateNow = async () => (await rowOf({ superuser }, 'publications', id)).state;
  return { postId: post.id as string, targetId: seeded.targetId as string, stateNow };
}

test('places a hold that everybody can see, asks for the open posts to be told, and lifts it', async () => {
  const placed = await place({ scope: 'platform', platform: 'linkedin', reason: '  Outage ' });
  expect([placed.status, placed.body.alreadySending]).toEqual([201, []]);
  const { hold } = placed.body;
  expect(hold).toEqual({
    ...{ id: hold.id, scope: 'platform', profileId: null, platform: 'linkedin', reason: 'Outage' },
    ...{ placedBy: tenant.memberIds.admin, placedByName: 'The admin', placedAt: hold.placedAt },
    ...{ liftedBy: null, liftedByName: null, liftedAt: null },
  });
  const [poke] = api.runs.pokes.slice(-1);
  expect(poke).toMatchObject({ tenantId: tenant.id });
  expect(await rowOf({ superuser }, 'outbox', poke!.requestId)).toMatchObject({
    ...{ kind: 'poke-posts', post_id: null, done_at: null },
  });
  expect((await list()).items).toEqual([hold]);

  const lifted = await lift(hold.id);
  expect(lifted.body).toMatchObject({
    ...{ id: hold.id, liftedBy: tenant.memberIds.admin, liftedByName: 'The admin' },
    liftedAt: expect.any(String),
  });
  expect(api.runs.pokes.at(-1)!.requestId).not.toBe(poke!.requestId);
  expect(await list()).toEqual({ items: [], nextCursor: null });
  expect((await list('?standing=false')).items).toEqual([lifted.body]);
});

describe.each<[string, (body: unknown, person: Person) => Promise<Reply>]>([
  ['placed', (_id, person) => place(storm, person)],
  ['lifted', (id, person) => lift(String(id), person)],
])('a hold is %s', (verb, act) => {
  it.each<[Person, boolean]>([
    ['admin', true],
    ['manager', false],
    ['author', false],
    ['designer', false],
    ['viewer', false],
  ])('by a %s: %s', async (person, may) => {
    const { body } = await place(storm);
    const reply = await act(body.hold.id, person);
    if (may) expect(reply.status).toBe(verb === 'placed' ? 201 : 200);
    else expect([reply.status, reply.body.code]).toEqual([403, 'forbidden']);
  });
});

describe('a hold that is asked for wrongly', () => {
  const profileId = randomUUID();
  it.each<[string, object, string, string]>([
    ['without a scope', { reason: 'r' }, '/scope', 'not-allowed'],
    ['with another scope', { scope: 'world', reason: 'r' }, '/scope', 'not-allowed'],
    ['without a reason', { scope: 'tenant' }, '/reason', 'missing'],
    ['with a reason of spaces', { scope: 'tenant', reason: ' \n' }, '/reason', 'too-small'],
    ['with a story for a reason', { scope: 'tenant', reason: 'x'.repeat(501) }, '/reason', 'too-big'],
    ['on a profile without naming it', { scope: 'profile', reason: 'r' }, '/profileId', 'hold-subject'],
    ['on a platform without naming it', { scope: 'platform', reason: 'r' }, '/platform', 'hold-subject'],
    [
      'on the tenant, naming a profile',
      { scope: 'tenant', profileId, reason: 'r' },
      '/profileId',
      'hold-subject',
    ],
    [
      'on the tenant, naming a platform',
      { scope: 'tenant', platform: 'linkedin', reason: 'r' },
      '/platform',
      'hold-subject',
    ],
    [
      'on a profile, naming a platform as well',
      { scope: 'profile', profileId, platform: 'linkedin', reason: 'r' },
      '/platform',
      'hold-subject',
    ],
    [
      'on a platform that is none',
      { scope: 'platform', platform: 'fax', reason: 'r' },
      '/platform',
      'not-allowed',
    ],
    ['with a field too many', { ...storm, until: inDays(1) }, '/until', 'unknown-field'],
  ])('%s is refused, and nothing is stopped', async (_what, body, path, code) => {
    const armed = await publication(tenant.linkedinId, 'ARMED');
    const reply = await place(body);
    expect([reply.status, reply.body.code]).toEqual([400, 'invalid-request']);
    expect(reply.body.errors).toContainEqual(expect.objectContaining({ path, code }));
    expect(await list()).toEqual({ items: [], nextCursor: null });
    expect(await armed.stateNow()).toBe('ARMED');
  });

  it('on a profile that is not there, or not the tenant’s, is refused', async () => {
    const { linkedinId } = await createTestTenant(api);
    for (const id of [randomUUID(), linkedinId]) {
      const reply = await place({ scope: 'profile', profileId: id, reason: 'r' });
      expect([reply.status, reply.body.code]).toEqual([422, 'unknown-profile']);
      expect(reply.body.errors).toMatchObject([{ path: '/profileId', code: 'unknown-profile' }]);
    }
  });

  it('is lifted by nobody where there is none, or where it is another tenant’s', async () => {
    const { body } = await place(storm);
    tenant = await createTestTenant(api);
    for (const id of [randomUUID(), body.hold.id]) {
      const reply = await lift(id);
      expect([reply.status, reply.body.code]).toEqual([404, 'not-found']);
    }
    expect(await list('?standing=false')).toEqual({ items: [], nextCursor: null });
  });
});

describe('what is armed', () => {
  it.each<[string, (own: TestTenant) => object, string[]]>([
    ['the tenant', () => storm, ['linkedin', 'instagram']],
    ['a platform', () => ({ scope: 'platform', platform: 'instagram', reason: 'r' }), ['instagram']],
    [
      'a profile',
      ({ linkedinId }) => ({ scope: 'profile', profileId: linkedinId, reason: 'r' }),
      ['linkedin'],
    ],
  ])('in the scope of %s has been taken back when the answer comes', async (_what, bodyOf, stopped) => {
    const rows = {
      linkedin: await publication(tenant.linkedinId, 'ARMED'),
      instagram: await publication(tenant.instagramId, 'ARMED', 'SINGLE_IMAGE'),
    };
    const other = tenant;
    tenant = await createTestTenant(api);
    const foreign = await publication(tenant.linkedinId, 'ARMED');
    tenant = other;
    expect((await place(bodyOf(tenant))).body.alreadySending).toEqual([]);
    for (const [platform, { stateNow }] of Object.entries(rows))
      expect([platform, await stateNow()]).toEqual([
        platform,
        stopped.includes(platform) ? 'DISARMED' : 'ARMED',
      ]);
    expect(await foreign.stateNow()).toBe('ARMED');
  });

  it('or is on its way already is named, and left to its sender', async () => {
    const sending = await publication(tenant.linkedinId, 'SENDING');
    const unknown = await publication(tenant.linkedinId, 'UNKNOWN');
    await publication(tenant.linkedinId, 'PUBLISHED');
    const { body } = await place(storm);
    const named = [sending, unknown].map(({ postId, targetId }) => ({ postId, targetId }));
    expect(body.alreadySending).toHaveLength(2);
    expect(body.alreadySending).toEqual(expect.arrayContaining(named));
    expect([await sending.stateNow(), await unknown.stateNow()]).toEqual(['SENDING', 'UNKNOWN']);
  });
});

describe('a hold that is asked for twice', () => {
  it('under one key is placed once, and answered as the first time', async () => {
    const armed = await publication(tenant.linkedinId, 'SENDING');
    const first = await place(storm, 'admin', 'hold-1');
    const again = await place(storm, 'admin', 'hold-1');
    expect([again.status, again.body]).toEqual([201, first.body]);
    expect(again.body.alreadySending).toEqual([{ postId: armed.postId, targetId: armed.targetId }]);
    expect(idsOf(await list())).toEqual([first.body.hold.id]);
    const other = await place({ ...storm, reason: 'Another' }, 'admin', 'hold-1');
    expect([other.status, other.body.code]).toEqual([422, 'idempotency-key-reused']);
  });

  it('under two keys stands twice, and stops until both are lifted', async () => {
    const [first, second] = [(await place(storm)).body.hold.id, (await place(storm)).body.hold.id];
    expect(idsOf(await list()).toSorted()).toEqual([first, second].toSorted());
    await lift(first);
    expect(idsOf(await list())).toEqual([second]);
  });

  it('is lifted once: who comes later changes nothing', async () => {
    const { body } = await place(storm);
    const first = await lift(body.hold.id, 'admin', 'lift-1');
    expect((await lift(body.hold.id, 'admin', 'lift-1')).body).toEqual(first.body);
    expect((await lift(body.hold.id, 'admin', 'lift-2')).body).toEqual(first.body);
  });
});

test('stands although the open posts could not be told of it: the request for that stays', async () => {
  api.runs.failNext = new Error('Temporal is away');
  const placed = await place(storm);
  expect(placed.status).toBe(201);
  api.runs.failNext = new Error('Temporal is away');
  const lifted = await lift(placed.body.hold.id);
  expect([lifted.status, lifted.body.liftedAt]).toEqual([200, expect.any(String)]);
  const { rows } = await superuser.query(
    `select done_at from outbox where tenant_id = $1 and kind = 'poke-posts'`,
    [tenant.id],
  );
  expect(rows).toEqual([{ done_at: null }, { done_at: null }]);
});

test('lists holds page by page, those that stand or all', async () => {
  const ids: string[] = [];
  for (let number = 0; number < 5; number += 1) ids.push((await place(storm)).body.hold.id);
  await lift(ids[0]!);
  await lift(ids[3]!);
  const all = async (query: string) => {
    const found: string[] = [];
    for (let page = await list(`?limit=2${query}`); ; ) {
      expect(page.items.length).toBeLessThanOrEqual(2);
      found.push(...idsOf(page));
      if (page.nextCursor === null) return found;
      page = await list(`?limit=2${query}&cursor=${page.nextCursor}`);
    }
  };
  expect(await all('')).toEqual([ids[1], ids[2], ids[4]].toSorted());
  expect(await all('&standing=false')).toEqual(ids.toSorted());
  const reply = await api.send('GET', '/api/v1/holds?standing=maybe', { token: tenant.tokens.viewer });
  expect([reply.status, reply.body.code]).toEqual([400, 'invalid-request']);
});

test('shows on a post what stops it, and names who is told so when they publish it now', async () => {
  const body = { type: 'TEXT_ONLY', copy: 'Hello', targets: [{ profileId: tenant.linkedinId }] };
  const { body: post } = await api.send('POST', '/api/v1/posts', {
    token: tenant.tokens.author,
    body: { ...body, submit: true, dueAt: inDays(2) },
  });
  const send = (path: string, more: object, token = tenant.tokens.manager) =>
    api.send('POST', `/api/v1/posts/${post.id}/${path}`, { token, body: more });
  const { hashes } = post.revision;
  await send('decisions', { gate: 'content', verdict: 'approve', hash: hashes.content });
  const { body: placed } = await place({ ...storm, reason: 'Bad news in the world' });
  await api.runs.refresh(post.id);
  const read = async () =>
    (await api.send('GET', `/api/v1/posts/${post.id}`, { token: tenant.tokens.viewer })).body;
  expect((await read()).blockedOn.map(({ code }: { code: string }) => code)).toEqual([
    'gate',
    'hold',
    'until-due',
  ]);
  const refused = await send('publish-now', { hash: hashes.publish });
  expect([refused.status, refused.body.code, refused.body.detail]).toEqual([
    409,
    'on-hold',
    'A hold on the tenant stops it: Bad news in the world',
  ]);
  expect((await read()).gates.publish.votes).toEqual([]);
  await lift(placed.hold.id);
  await api.runs.refresh(post.id);
  expect((await send('publish-now', { hash: hashes.publish })).status).toBe(200);
  const { body: timeline } = await api.send('GET', `/api/v1/posts/${post.id}/timeline`, {
    token: tenant.tokens.viewer,
  });
  const types = timeline.events.map(({ type }: { type: string }) => type);
  expect(types).toEqual(expect.arrayContaining(['post.held', 'post.hold-lifted', 'post.publish-now']));
});
