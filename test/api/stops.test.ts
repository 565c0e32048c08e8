import pg from 'pg';
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
const create = async (more: object = {}) => {
  const body = {
    type: 'TEXT_ONLY',
    copy: 'Hello',
    targets: [{ profileId: tenant.linkedinId }],
    dueAt: inDays(2),
  };
  const reply = await api.send('POST', '/api/v1/posts', {
    token: tenant.tokens.author,
    body: { ...body, ...more },
  });
  expect(reply.status).toBe(201);
  return reply.body;
};
const command = (id: string, verb: string, body?: object, person: Person = 'manager'): Promise<Reply> =>
  api.send('POST', `/api/v1/posts/${id}/${verb}`, { token: tenant.tokens[person], body });
const read = async (id: string, person: Person = 'manager') =>
  (await api.send('GET', `/api/v1/posts/${id}`, { token: tenant.tokens[person] })).body;
const codesOf = ({ blockedOn }: { blockedOn: { code: string; gate?: string }[] }) =>
  blockedOn.map(({ code, gate }) => [code, gate].filter(Boolean).join(' '));
const refusal = ({ status, body }: Reply) => [status, body.code];
const approve = async (id: string, ...gates: ('content' | 'publish')[]) => {
  const { hashes } = (await read(id)).revision;
  for (const gate of gates) {
    const reply = await command(id, 'decisions', { gate, verdict: 'approve', hash: hashes[gate] });
    expect(reply.status).toBe(200);
  }
};
const storyOf = async (id: string): Promise<{ type: string; actorName: string | null; data: object }[]> =>
  (await api.send('GET', `/api/v1/posts/${id}/timeline`, { token: tenant.tokens.viewer })).body.events;

describe('a post that is paused', () => {
  it('says so and why, is reviewed meanwhile, and goes on when it is resumed', async () => {
    const { id } = await create({ submit: true });
    const paused = await command(id, 'pause', { reason: ' The wrong picture ' });
    expect([paused.status, codesOf(paused.body.post)]).toEqual([
      200,
      ['gate content', 'paused', 'until-due'],
    ]);
    expect(paused.body.post.blockedOn[1].message).toBe('The post is paused: The wrong picture; resume it');
    await approve(id, 'content', 'publish');
    expect(codesOf(await read(id))).toEqual(['paused', 'until-due']);
    const resumed = await command(id, 'resume');
    expect([resumed.status, codesOf(resumed.body.post)]).toEqual([200, ['until-due']]);
    expect((await storyOf(id)).filter(({ type }) => /pause|resume/.test(type))).toMatchObject([
      { type: 'post.paused', actorName: 'The manager', data: { reason: 'The wrong picture' } },
      { type: 'post.resumed', actorName: 'The manager', data: {} },
    ]);
  });

  it('needs no reason', async () => {
    const { id } = await create({ submit: true });
    expect((await command(id, 'pause', {})).body.post.blockedOn[1].message).toBe(
      'The post is paused; resume it',
    );
  });

  it('is paused and resumed once under one key', async () => {
    const { id } = await create({ submit: true });
    const send = (verb: string, key: string, body?: object) =>
      api.send('POST', `/api/v1/posts/${id}/${verb}`, { token: tenant.tokens.manager, key, body });
    for (const key of ['pause-1', 'pause-1']) expect((await send('pause', key, {})).status).toBe(200);
    expect(refusal(await send('pause', 'pause-2', {}))).toEqual([409, 'already-paused']);
    for (const key of ['resume-1', 'resume-1']) expect((await send('resume', key)).status).toBe(200);
    expect(refusal(await send('resume', 'resume-2'))).toEqual([409, 'not-paused']);
  });

  it('is not published now', async () => {
    const { id, revision } = await create({ submit: true });
    await approve(id, 'content');
    await command(id, 'pause', {});
    const reply = await command(id, 'publish-now', { hash: revision.hashes.publish });
    expect([...refusal(reply), reply.body.detail]).toEqual([
      409,
      'on-hold',
      'The post is paused; resume it first',
    ]);
  });
});

describe('a post that failed', () => {
  it('is archived by a person: it closes, and waits for nobody any more', async () => {
    const { id } = await create({ submit: true });
    await api.runs.setPhase(id, 'FAILED');
    expect(codesOf(await read(id))).toEqual(['operator']);
    const archived = await command(id, 'archive');
    expect([archived.status, archived.body.post.blockedOn]).toEqual([200, []]);
    expect(await read(id)).toMatchObject({ status: 'FAILED', archived: true, openGate: null });
    for (const [verb, body] of [['retry', {}], ['archive'], ['pause', {}], ['cancel', {}]] as const)
      expect([verb, ...refusal(await command(id, verb, body))]).toEqual([verb, 409, 'post-closed']);
    expect((await storyOf(id)).at(-1)).toMatchObject({ type: 'post.archived', actorName: 'The manager' });
  });

  it('or is in doubt may be archived, and one that can still move may not', async () => {
    const { id } = await create({ submit: true });
    expect(refusal(await command(id, 'archive'))).toEqual([409, 'not-at-rest']);
    await api.runs.setPhase(id, 'ARMING');
    expect(refusal(await command(id, 'archive'))).toEqual([409, 'not-at-rest']);
    await api.runs.setPhase(id, 'UNCONFIRMED');
    expect((await command(id, 'archive')).status).toBe(200);
  });
});

describe('pause, resume and archive', () => {
  const verbs = [
    ['pause', {}],
    ['resume', undefined],
    ['archive', undefined],
  ] as const;

  it.each(verbs)('%s is for those who manage posts', async (verb, body) => {
    const { id } = await create({ submit: true });
    for (const person of ['designer', 'viewer'] as const)
      expect(refusal(await command(id, verb, body, person))).toEqual([403, 'forbidden']);
    expect((await command(id, verb, body, 'admin')).status).not.toBe(403);
  });

  it.each(verbs)('%s is not for drafts, nor for posts that are not there', async (verb, body) => {
    const draft = await create();
    expect(refusal(await command(draft.id, verb, body))).toEqual([409, 'not-submitted']);
    const other = await create({ submit: true });
    tenant = await createTestTenant(api);
    expect(refusal(await command(other.id, verb, body))).toEqual([404, 'not-found']);
  });

  it.each([
    [{ reason: 'x'.repeat(501) }, '/reason'],
    [{ until: inDays(1) }, '/until'],
    [{ reason: 7 }, '/reason'],
  ])('refuse a body like %j', async (body, path) => {
    const { id } = await create({ submit: true });
    const reply = await command(id, 'pause', body);
    expect(refusal(reply)).toEqual([400, 'invalid-request']);
    expect(reply.body.errors).toMatchObject([{ path }]);
    expect(codesOf(await read(id))).not.toContain('paused');
  });
});

describe('a gate that waits', () => {
  it('says since when, until when, and how often it has reminded people', async () => {
    const { id } = await create({ submit: true });
    const { gates } = await read(id);
    expect(gates.content).toMatchObject({ reminders: 0, escalatedAt: null });
    const day = 86_400_000;
    expect(Date.parse(gates.content.overdueAt) - Date.parse(gates.content.openedAt)).toBe(day);
    expect([gates.publish.openedAt, gates.publish.overdueAt]).toEqual([null, null]);
    await approve(id, 'content');
    const { gates: next } = await read(id);
    expect([next.content.overdueAt, typeof next.publish.overdueAt]).toEqual([null, 'string']);
    // Behind an earlier gate that was opened again, nobody is late.
    const hash = (await read(id)).revision.hashes.content;
    await command(id, 'decisions', { gate: 'content', verdict: 'reject', hash, notes: 'No' });
    expect((await read(id)).gates.publish.overdueAt).toBeNull();
  });
});

describe('a policy that is replaced', () => {
  const paths = {
    tenant: () => '/api/v1/tenant/policy',
    profile: () => `/api/v1/profiles/${tenant.linkedinId}/policy`,
  };
  const version = async () =>
    (await superuser.query('select policies_version from tenants where id = $1', [tenant.id])).rows[0]
      .policies_version;
  const etagOf = async (whose: keyof typeof paths): Promise<string> => {
    const from = whose === 'tenant' ? '/api/v1/tenant/policy' : `/api/v1/profiles/${tenant.linkedinId}`;
    const { headers } = await api.send('GET', from, { token: tenant.tokens.admin });
    return headers.get('etag')!;
  };
  const put = async (
    whose: keyof typeof paths,
    body: object,
    more: { etag?: string; person?: Person } = {},
  ) => {
    return api.send('PUT', paths[whose](), {
      token: tenant.tokens[more.person ?? 'admin'],
      headers: { 'If-Match': more.etag ?? (await etagOf(whose)) },
      body,
    });
  };
  const armed = async () => {
    const post = await create({ submit: true });
    const seeded = { postId: post.id, revisionId: post.revision.id, targetId: post.targets[0].id };
    const id = await insertPublication({ superuser, tenantId: tenant.id }, seeded, { state: 'ARMED' });
    return async () => (await rowOf({ superuser }, 'publications', id)).state;
  };
  const both = ['tenant', 'profile'] as const;

  it.each(both)(
    'of a %s: all its policies have a new version, what is armed is taken back, and posts are told',
    async (whose) => {
      const stateNow = await armed();
      const before = await version();
      const pokes = api.runs.pokes.length;
      expect((await put(whose, { publish: { quorum: 2 } })).status).toBe(200);
      expect(await version()).toBe(before + 1);
      expect(await stateNow()).toBe('DISARMED');
      expect(api.runs.pokes.slice(pokes)).toEqual([{ tenantId: tenant.id, requestId: expect.any(String) }]);
      const [poke] = api.runs.pokes.slice(-1);
      expect(await rowOf({ superuser }, 'outbox', poke!.requestId)).toMatchObject({ kind: 'poke-posts' });
      expect((await put(whose, {})).status).toBe(200);
      expect(await version()).toBe(before + 2);
    },
  );

  it.each(both)('of a %s, by who may not or has not seen the last: nothing changes', async (whose) => {
    const stateNow = await armed();
    const before = await version();
    const pokes = api.runs.pokes.length;
    expect(refusal(await put(whose, {}, { person: 'manager' }))).toEqual([403, 'forbidden']);
    expect(refusal(await put(whose, {}, { etag: '"999"' }))).toEqual([412, 'if-match-failed']);
    expect(refusal(await put(whose, { publish: { quorum: 0 } }))).toEqual([400, 'invalid-request']);
    expect([await version(), await stateNow(), api.runs.pokes.length]).toEqual([before, 'ARMED', pokes]);
  });

  it.each(both)('of a %s by two at once: one of them, and one version', async (whose) => {
    const before = await version();
    const etag = await etagOf(whose);
    const replies = await Promise.all([1, 2].map((quorum) => put(whose, { publish: { quorum } }, { etag })));
    expect(replies.map(({ status }) => status).toSorted()).toEqual([200, 412]);
    expect(await version()).toBe(before + 1);
  });

  it('leaves the versions and the armed rows of other tenants alone', async () => {
    const stateNow = await armed();
    const [before, own] = [await version(), tenant];
    tenant = await createTestTenant(api);
    await put('tenant', { publish: { quorum: 2 } });
    tenant = own;
    expect([await version(), await stateNow()]).toEqual([before, 'ARMED']);
  });

  it('reaches the posts that wait, and posts submitted since begin with it', async () => {
    await put('tenant', { content: { required: false } });
    const { id } = await create({ submit: true });
    expect(codesOf(await read(id))).toEqual(['gate publish', 'until-due']);
    await put('profile', { content: { required: true } });
    await api.runs.refresh(id);
    const tightened = await read(id);
    expect(codesOf(tightened)).toEqual(['gate content', 'until-due']);
    expect(tightened.gates.content).toMatchObject({ status: 'pending', round: 2 });
    expect(codesOf(await read((await create({ submit: true })).id))).toEqual(['gate content', 'until-due']);
    await put('profile', {});
    await api.runs.refresh(id);
    expect(codesOf(await read(id))).toEqual(['gate publish', 'until-due']);
    expect((await storyOf(id)).filter(({ type }) => type === 'post.policy-changed')).toHaveLength(2);
  });

  it('tells the run at which version the post was resolved', async () => {
    await put('tenant', { publish: { quorum: 2 } });
    const { id } = await create({ submit: true });
    const { rows } = await superuser.query(
      `select input->'post'->'policyVersion' as version from outbox where post_id = $1`,
      [id],
    );
    expect(rows).toEqual([{ version: await version() }]);
    await api.runs.refresh(id);
    expect((await storyOf(id)).map(({ type }) => type)).not.toContain('post.policy-changed');
  });

  it('takes the alarms and escalations of a gate, within bounds', async () => {
    const publish = {
      ...{ slaHours: 8, slaWarningPercent: 50, reminderEveryHours: 4, reminders: 2, reopensOnDueTime: true },
      escalateTo: { roles: ['tenant_admin'], memberIds: [tenant.memberIds.viewer] },
    };
    expect((await put('tenant', { publish })).body.policy).toEqual({ publish });
    const { id } = await create({ submit: true });
    const { decidersOfAll, ...rest } = (await read(id)).policy.publish;
    expect(rest).toMatchObject({ slaHours: 8, slaWarningPercent: 50, reminders: 2, reopensOnDueTime: true });
    expect(decidersOfAll).toMatchObject([{ escalateTo: publish.escalateTo }]);
    for (const [field, value] of [
      ['slaWarningPercent', 101],
      ['slaWarningPercent', 0],
      ['reminders', -1],
      ['reminders', 1.5],
      ['reminderEveryHours', 0],
      ['escalateTo', { roles: ['viewer'], memberIds: [] }],
    ] as const) {
      const reply = await put('tenant', { publish: { [field]: value } });
      expect([field, ...refusal(reply)]).toEqual([field, 400, 'invalid-request']);
    }
  });

  it('whose gate asks for it is opened again by a new due time', async () => {
    await put('tenant', { publish: { reopensOnDueTime: true } });
    const { id } = await create({ submit: true });
    await approve(id, 'content', 'publish');
    const scheduled = await command(id, 'schedule', { dueAt: inDays(5) });
    expect(codesOf(scheduled.body.post)).toEqual(['gate publish', 'until-due']);
    expect((await read(id)).gates.content.status).toBe('approved');
  });
});
