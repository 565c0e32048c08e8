import { randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import pg from 'pg';
import { findConditions, findConditionsMark } from '../../db/conditions.ts';
import { insertHold, listHoldsOn, type NewHold, setHoldLifted } from '../../db/holds.ts';
import {
  type ArmInput,
  armPublication,
  type DisarmScope,
  disarmPublications,
  disarmScope,
  type ReleaseInput,
  releasePublication,
  releasePublications,
} from '../../db/publications.ts';
import { forTenant, inTransaction, type TenantDatabase } from '../../db/tenant-database.ts';
import { bumpPoliciesVersion } from '../../db/tenants.ts';
import { resolvePostPolicy } from '../../domain/policy.ts';
import type { Platform } from '../../domain/post.ts';
import { type PublicationState, publicationStates } from '../../domain/publication.ts';
import {
  armInput,
  due,
  eventTypesOf,
  type Fixture,
  insertPost,
  insertProfile,
  insertPublication,
  insertTenant,
  releaseInput,
  rowOf,
  type SeededPost,
  startFixture,
} from './fixture.ts';

let fixture: Fixture;
let instagramId: string;

beforeAll(async () => {
  fixture = await startFixture();
  instagramId = await insertProfile(fixture, 'instagram');
});
afterAll(() => fixture.stop());

type Subject = Pick<NewHold, 'scope' | 'profile_id' | 'platform'>;
const onTenant: Subject = { scope: 'tenant', profile_id: null, platform: null };
const onPlatform = (platform: Platform): Subject => ({ scope: 'platform', profile_id: null, platform });
const onProfile = (profileId: string): Subject => ({
  scope: 'profile',
  profile_id: profileId,
  platform: null,
});

async function place(subject: Subject, database = fixture.api): Promise<string> {
  const id = randomUUID();
  const by = { reason: 'Storm', placed_by: fixture.memberId, placed_by_name: 'Ada' };
  await inTransaction(database, (transaction) => insertHold(transaction, { id, ...subject, ...by }));
  return id;
}
const lift = (id: string, database = fixture.api) =>
  inTransaction(database, (transaction) =>
    setHoldLifted(transaction, id, { memberId: fixture.memberId, name: 'Ada' }),
  );
const liftAll = () => fixture.superuser.query('update holds set lifted_at = now() where lifted_at is null');
afterEach(() => liftAll());

const disarm = (scope: DisarmScope, database: TenantDatabase = fixture.api) =>
  inTransaction(database, (transaction) => disarmScope(transaction, scope));
const everything: DisarmScope = { profileId: null, platform: null };
const bump = () =>
  inTransaction(fixture.api, (transaction) => bumpPoliciesVersion(transaction, fixture.tenantId));
const policiesVersion = async (): Promise<number> =>
  (await fixture.superuser.query('select policies_version from tenants where id = $1', [fixture.tenantId]))
    .rows[0].policies_version;
const arm = async (post: SeededPost, fields: Partial<ArmInput> = {}) =>
  armPublication(
    fixture.worker,
    armInput(fixture, post, { policyVersion: await policiesVersion(), ...fields }),
  );
async function armed(post: SeededPost, fields: Partial<ArmInput> = {}) {
  const result = await arm(post, fields);
  if (result.kind !== 'armed') throw new Error(`It was not armed: ${result.kind}`);
  return result;
}
const release = (publicationId: string, fields: Partial<ReleaseInput> = {}) =>
  releasePublication(fixture.worker, releaseInput(publicationId, fields));
const stateOf = async (id: string) => {
  const { state, fence } = await rowOf(fixture, 'publications', id);
  return `${state} ${fence}`;
};

/** What stands, and whether it concerns a post to the fixture's LinkedIn profile. */
const standing: [string, () => Promise<unknown>, boolean][] = [
  ['a hold on the tenant', () => place(onTenant), true],
  ['a hold on its profile', () => place(onProfile(fixture.profileId)), true],
  ['a hold on its platform', () => place(onPlatform('linkedin')), true],
  ['a hold on another profile', () => place(onProfile(instagramId)), false],
  ['a hold on another platform', () => place(onPlatform('instagram')), false],
  ['a hold that was lifted', async () => lift(await place(onTenant)), false],
  ['a hold of another tenant', placeElsewhere, false],
  ['another policy', bump, true],
];

async function placeElsewhere(): Promise<void> {
  const { tenantId } = await insertTenant(fixture.apiPool);
  await place(onTenant, forTenant(fixture.apiPool, tenantId));
}

describe('arming under what stands', () => {
  it.each(standing)('%s: whether it is refused', async (_what, put, stops) => {
    const post = await insertPost(fixture);
    const policyVersion = await policiesVersion();
    await put();
    const { kind } = await arm(post, { policyVersion });
    expect(kind).toBe(stops ? 'conditions-changed' : 'armed');
    expect(await eventTypesOf(fixture, post.postId)).toEqual(stops ? [] : ['target.armed']);
  });

  it('takes no token for what it refuses', async () => {
    const bucket = { key: `profile:${randomUUID()}`, intervalMs: 1_000, toleranceMs: 0 };
    const post = await insertPost(fixture);
    const id = await place(onTenant);
    expect(await arm(post, { buckets: [bucket] })).toEqual({ kind: 'conditions-changed' });
    await lift(id);
    expect(await arm(post, { buckets: [bucket] })).toMatchObject({ kind: 'armed', sendAt: due });
  });

  it('answers the receipt of what is out, whatever stands', async () => {
    const post = await insertPost(fixture);
    await insertPublication(fixture, post, { state: 'PUBLISHED' });
    await place(onTenant);
    expect((await arm(post)).kind).toBe('published');
  });
});

describe('releasing under what has been put up since the arm', () => {
  it.each(standing)('%s: whether it is lost', async (_what, put, stops) => {
    const post = await insertPost(fixture);
    const { publicationId } = await armed(post);
    await put();
    const result = await release(publicationId);
    expect(result).toMatchObject(
      stops ? { kind: 'lost', state: 'DISARMED' } : { kind: 'sending', row: { id: publicationId } },
    );
    expect(await stateOf(publicationId)).toBe(stops ? 'DISARMED 2' : 'SENDING 1');
    expect(await eventTypesOf(fixture, post.postId)).toEqual([
      'target.armed',
      stops ? 'target.disarmed' : 'target.sending',
    ]);
  });

  it('does not wait for its instant to learn of it', async () => {
    const { publicationId } = await armed(await insertPost(fixture));
    await place(onTenant);
    const early = { now: sql<Date>`${due}::timestamptz - interval '5 seconds'` };
    expect(await release(publicationId, early)).toEqual({ kind: 'lost', state: 'DISARMED' });
  });

  it('can be armed and sent after the hold has been lifted, or under the new policy', async () => {
    const post = await insertPost(fixture);
    const { publicationId } = await armed(post);
    const id = await place(onTenant);
    await release(publicationId);
    await lift(id);
    const again = await armed(post, { holder: 'again' });
    expect(again).toMatchObject({ publicationId, fence: 3 });
    await bump();
    expect((await release(publicationId, { fence: 3 })).kind).toBe('lost');
    const third = await armed(post, { holder: 'third' });
    expect((await release(publicationId, { fence: third.fence })).kind).toBe('sending');
  });

  it('takes of many at once those that nothing stops', async () => {
    const held = await armed(await insertPost(fixture));
    const profileId = await insertProfile(fixture);
    const free = await armed(await insertPost({ ...fixture, profileId }), { profileId });
    await place(onProfile(fixture.profileId));
    const results = await releasePublications(
      fixture.worker,
      [held, free].map(({ publicationId }) => releaseInput(publicationId)),
    );
    expect(results.map(({ kind }) => kind)).toEqual(['lost', 'sending']);
  });
});

describe('the instant that a rate admits', () => {
  const bucket = () => ({ key: `profile:${randomUUID()}`, intervalMs: 60_000, toleranceMs: 0 });
  const laterBy = (milliseconds: number) => new Date(due.getTime() + milliseconds);

  it('is the due time where there is a token, and nothing is armed that is admitted too late for the lead', async () => {
    const one = bucket();
    const [first, second, third] = [
      await insertPost(fixture),
      await insertPost(fixture),
      await insertPost(fixture),
    ];
    const wide = { buckets: [one], armUntil: laterBy(70_000) };
    expect(await arm(first, wide)).toMatchObject({ kind: 'armed', sendAt: due });
    expect(await arm(second, wide)).toMatchObject({ kind: 'armed', sendAt: laterBy(60_000) });
    expect(await arm(third, wide)).toEqual({ kind: 'admitted-later', sendAt: laterBy(120_000) });
    expect(await eventTypesOf(fixture, third.postId)).toEqual([]);
  });

  it('is armed that comes just at the end of the lead', async () => {
    const one = bucket();
    await arm(await insertPost(fixture), { buckets: [one] });
    const wide = { buckets: [one], armUntil: laterBy(60_000) };
    expect(await arm(await insertPost(fixture), wide)).toMatchObject({ kind: 'armed' });
  });

  it('is kept by who has been given it, who takes no second token', async () => {
    const one = bucket();
    const [first, second, third] = [
      await insertPost(fixture),
      await insertPost(fixture),
      await insertPost(fixture),
    ];
    await arm(first, { buckets: [one] });
    const given = await arm(second, { buckets: [one] });
    if (given.kind !== 'admitted-later') throw new Error(`It was ${given.kind}`);
    const later = { buckets: [one], now: laterBy(50_000), armUntil: laterBy(60_000) };
    const kept = await arm(second, { ...later, admittedAt: given.sendAt });
    expect(kept).toMatchObject({ kind: 'armed', sendAt: laterBy(60_000) });
    expect(await arm(third, { buckets: [one] })).toEqual({
      kind: 'admitted-later',
      sendAt: laterBy(120_000),
    });
  });

  it('is asked for anew where it lies before a new due time', async () => {
    const one = bucket();
    const dueAt = laterBy(3_600_000);
    const given = {
      buckets: [one],
      dueAt,
      admittedAt: laterBy(60_000),
      now: laterBy(3_599_000),
      armUntil: dueAt,
    };
    expect(await arm(await insertPost(fixture), given)).toMatchObject({ kind: 'armed', sendAt: dueAt });
    expect(await arm(await insertPost(fixture), { ...given, admittedAt: null })).toMatchObject({
      kind: 'admitted-later',
    });
  });

  it('is the one its row was armed with, to the same attempt asking again', async () => {
    const one = bucket();
    const post = await insertPost(fixture);
    const wide = { buckets: [one], armUntil: laterBy(600_000) };
    await arm(await insertPost(fixture), wide);
    const first = await arm(post, wide);
    expect(first).toMatchObject({ kind: 'armed', sendAt: laterBy(60_000) });
    expect(await arm(post, wide)).toEqual(first);
    expect(await arm(await insertPost(fixture), wide)).toMatchObject({ sendAt: laterBy(120_000) });
  });

  it('is what a release waits for, although the due time has come', async () => {
    const sendAt = laterBy(60_000);
    const { publicationId } = await armed(await insertPost(fixture), {
      ...{ admittedAt: sendAt, armUntil: sendAt },
    });
    expect(await release(publicationId, { sendAt })).toEqual({ kind: 'early' });
    const at = (instant: Date) => ({ sendAt, now: sql<Date>`${instant.toISOString()}::timestamptz` });
    expect(await release(publicationId, at(laterBy(59_999)))).toEqual({ kind: 'early' });
    expect((await release(publicationId, at(sendAt))).kind).toBe('sending');
  });

  it('disarms the row of who comes with another', async () => {
    const { publicationId } = await armed(await insertPost(fixture));
    expect(await release(publicationId, { sendAt: laterBy(1) })).toEqual({ kind: 'lost', state: 'DISARMED' });
  });
});

describe('taking back what is armed in a scope', () => {
  interface Seeded {
    readonly name: string;
    readonly id: string;
    readonly post: SeededPost;
  }
  /** Posts of a tenant of their own: one to each of two LinkedIn profiles, one to Instagram. */
  async function seed(state: PublicationState) {
    const tenant = await insertTenant(fixture.apiPool);
    const own = { ...fixture, ...tenant, api: forTenant(fixture.apiPool, tenant.tenantId) };
    const profiles = {
      first: tenant.profileId,
      second: await insertProfile(own),
      instagram: await insertProfile(own, 'instagram'),
    };
    const rows: Seeded[] = [];
    for (const [name, profileId] of Object.entries(profiles)) {
      const post = await insertPost({ ...own, profileId });
      rows.push({ name, post, id: await insertPublication(own, post, { state }) });
    }
    return { api: own.api, profiles, rows };
  }
  const states = (rows: readonly Seeded[]) => Promise.all(rows.map(({ id }) => stateOf(id)));

  it.each<[string, (profiles: { first: string }) => DisarmScope, string[]]>([
    ['everything', () => everything, ['first', 'second', 'instagram']],
    ['a platform', () => ({ profileId: null, platform: 'linkedin' }), ['first', 'second']],
    ['a profile', ({ first }) => ({ profileId: first, platform: null }), ['first']],
    ['a profile that is not there', () => ({ profileId: randomUUID(), platform: null }), []],
  ])('of %s leaves the rest armed, and is told in the story', async (_what, scopeOf, inScope) => {
    const { api, profiles, rows } = await seed('ARMED');
    const bystander = await seed('ARMED');
    expect(await disarm(scopeOf(profiles), api)).toEqual({ disarmed: inScope.length, sending: [] });
    expect(await states(rows)).toEqual(
      rows.map(({ name }) => (inScope.includes(name) ? 'DISARMED 2' : 'ARMED 1')),
    );
    for (const { name, post } of rows)
      expect(await eventTypesOf(fixture, post.postId)).toEqual(
        inScope.includes(name) ? ['target.disarmed'] : [],
      );
    expect(await states(bystander.rows)).toEqual(['ARMED 1', 'ARMED 1', 'ARMED 1']);
    expect(await disarm(scopeOf(profiles), api)).toEqual({ disarmed: 0, sending: [] });
    expect(await states(rows)).toEqual(
      rows.map(({ name }) => (inScope.includes(name) ? 'DISARMED 2' : 'ARMED 1')),
    );
  });

  it.each(publicationStates)('leaves what is %s, and names what is on its way', async (state) => {
    const { api, profiles, rows } = await seed(state);
    const { sending } = await disarm({ profileId: null, platform: 'linkedin' }, api);
    const isOnItsWay = state === 'SENDING' || state === 'UNKNOWN';
    const linkedin = rows.filter(({ name }) => name !== 'instagram').map(({ post }) => post);
    const named = linkedin.map(({ postId, targetId }) => ({ postId, targetId }));
    expect(sending.toSorted(byPost)).toEqual(isOnItsWay ? named.toSorted(byPost) : []);
    expect(await states(rows.slice(0, 2))).toEqual(
      Array(2).fill(state === 'ARMED' ? 'DISARMED 2' : `${state} 1`),
    );
    expect(await disarm({ profileId: profiles.first, platform: null }, api)).toMatchObject({ disarmed: 0 });
  });
  const byPost = (left: { postId: string }, right: { postId: string }) =>
    left.postId < right.postId ? -1 : 1;

  it('reaches only its own tenant, whatever profile it names', async () => {
    const { profiles, rows } = await seed('ARMED');
    const before = await states(rows);
    expect(await disarm({ profileId: profiles.first, platform: null })).toEqual({ disarmed: 0, sending: [] });
    expect(await states(rows)).toEqual(before);
  });

  it('leaves nothing to the arm that read its conditions before the hold and commits after it', async () => {
    const post = await insertPost(fixture);
    await withSession(async (session) => {
      await session.query('begin');
      const id = await insertArmedBy(session, post);
      await place(onTenant);
      const { sending } = await disarm(everything);
      expect(sending.map(({ postId }) => postId)).not.toContain(post.postId);
      await session.query('commit');
      expect(await stateOf(id)).toBe('ARMED 1');
      expect(await release(id)).toEqual({ kind: 'lost', state: 'DISARMED' });
    });
  });

  it('waits for the release that is under way, and names it', async () => {
    const post = await insertPost(fixture);
    const { publicationId } = await armed(post);
    await withSession(async (session) => {
      await session.query('begin');
      await session.query(`update publications set state = 'SENDING' where id = $1`, [publicationId]);
      await place(onTenant);
      const disarming = disarm(everything);
      await waitUntilBlocked(1);
      await session.query('commit');
      const { sending } = await disarming;
      expect(sending).toContainEqual({ postId: post.postId, targetId: post.targetId });
      expect(await stateOf(publicationId)).toBe('SENDING 1');
    });
  });

  it('does not lock two rows of a post the other way round than its commands', async () => {
    const post = await insertPost(fixture);
    const targetIds = [randomUUID(), randomUUID()].sort();
    // The second target's row has the smaller id.
    const ids = [randomUUID(), randomUUID()].sort().toReversed();
    const profiles = [await insertProfile(fixture), await insertProfile(fixture)];
    for (const [index, targetId] of targetIds.entries()) {
      await fixture.superuser.query(
        'insert into targets (tenant_id, id, post_id, profile_id, position) values ($1, $2, $3, $4, $5)',
        [fixture.tenantId, targetId, post.postId, profiles[index], index + 1],
      );
      const seeded = await insertPublication(fixture, { ...post, targetId }, { state: 'ARMED' });
      await fixture.superuser.query('update publications set id = $1 where id = $2', [ids[index], seeded]);
    }
    await withSession(async (session) => {
      // A command in the middle of its work: it has locked the first target's row, and goes on to the second's.
      await session.query('begin');
      await session.query('select from publications where id = $1 for update', [ids[0]]);
      const disarming = disarm(everything);
      await waitUntilBlocked(1);
      await session.query('select from publications where id = $1 for update', [ids[1]]);
      await session.query('commit');
      expect((await disarming).disarmed).toBeGreaterThanOrEqual(2);
    });
    const input = { postId: post.postId, targetIds, runId: 'run-1', version: 9, allOrNothing: true };
    expect(await disarmPublications(fixture.worker, input)).toEqual({ sendingTargetIds: [] });
  });

  async function withSession(work: (session: pg.Client) => Promise<void>): Promise<void> {
    const session = new pg.Client({ connectionString: fixture.database.superuserUrl });
    await session.connect();
    try {
      await work(session);
    } finally {
      await session.end();
    }
  }

  async function insertArmedBy(session: pg.Client, post: SeededPost): Promise<string> {
    const id = randomUUID();
    await session.query(
      `insert into publications (tenant_id, id, post_id, revision_id, target_id, cycle, state, fence, holder,
        approved_hash, due_at, send_at, profile_id, platform, policy_version)
      select $1, $2, $3, $4, $5, 1, 'ARMED', 1, 'mine', 'p', $6, $6, $7, 'linkedin', policies_version
      from tenants where id = $1`,
      [fixture.tenantId, id, post.postId, post.revisionId, post.targetId, due, fixture.profileId],
    );
    return id;
  }

  /** Until that many sessions of this database wait for a lock. */
  async function waitUntilBlocked(sessions: number): Promise<void> {
    for (let left = 200; left > 0; left -= 1) {
      const { rows } = await fixture.superuser.query<{ count: number }>(
        `select count(*)::int as count from pg_stat_activity
         where datname = current_database() and wait_event_type = 'Lock'`,
      );
      if (rows[0]!.count >= sessions) return;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    throw new Error('Nobody waits for a lock');
  }
});

describe('what the roles may do', () => {
  const denied = { code: '42501' };
  const as = (role: 'api' | 'worker') =>
    forTenant(role === 'api' ? fixture.apiPool : fixture.workerPool, fixture.tenantId);
  const run = (role: 'api' | 'worker', statement: string) => sql.raw(statement).execute(as(role));

  it.each([
    [`state = 'SENDING'`],
    [`state = 'PUBLISHED'`],
    [`state = 'NOT_SENT'`],
    [`fence = fence + 1`],
    [`holder = 'me'`],
    [`state = 'DISARMED', send_at = now()`],
    [`approved_hash = 'q'`],
    [`policy_version = policy_version + 1`],
    [`due_at = now()`],
    [`tenant_id = gen_random_uuid()`],
  ])('the interface may not set %s of an armed row', async (assignment) => {
    const { publicationId } = await armed(await insertPost(fixture));
    const statement = `update publications set ${assignment} where id = '${publicationId}'`;
    await expect(run('api', statement)).rejects.toMatchObject(denied);
    expect(await stateOf(publicationId)).toBe('ARMED 1');
  });

  it.each(publicationStates.filter((state) => state !== 'ARMED'))(
    'the interface cannot move what is %s, not even to DISARMED',
    async (state) => {
      const id = await insertPublication(fixture, await insertPost(fixture), { state });
      await run('api', `update publications set state = 'DISARMED' where id = '${id}'`);
      expect(await stateOf(id)).toBe(`${state} 1`);
    },
  );

  it('the interface may disarm, and neither add nor delete', async () => {
    const { publicationId } = await armed(await insertPost(fixture));
    for (const statement of [
      'delete from publications',
      'insert into publications select * from publications',
    ])
      await expect(run('api', statement)).rejects.toMatchObject(denied);
    await run('api', `update publications set state = 'DISARMED', fence = 2 where id = '${publicationId}'`);
    expect(await stateOf(publicationId)).toBe('DISARMED 2');
  });

  it.each<['api' | 'worker', string]>([
    ['api', 'select from rate_buckets'],
    ['api', `select admit_send(now(), '{}', '{}', '{}')`],
    ['worker', `update holds set reason = ''`],
    [
      'worker',
      `insert into holds (id, scope, reason, placed_by, placed_by_name)
      values (gen_random_uuid(), 'tenant', 'r', gen_random_uuid(), 'n')`,
    ],
    ['worker', 'delete from rate_buckets'],
    ['worker', 'update tenants set policies_version = 1'],
  ])('the %s may not: %s', async (role, statement) => {
    await expect(run(role, statement)).rejects.toMatchObject(denied);
  });
});

describe('what holds around a post', () => {
  it('is told by a mark that changes with each hold on it and with each policy', async () => {
    const post = await insertPost(fixture);
    const mark = () => findConditionsMark(fixture.worker, fixture.tenantId, post.postId);
    const { policyVersion } = await mark();
    const ids = [
      await place(onTenant),
      await place(onProfile(fixture.profileId)),
      await place(onPlatform('linkedin')),
    ];
    await place(onProfile(instagramId));
    await place(onPlatform('instagram'));
    await placeElsewhere();
    expect(await mark()).toEqual({ policyVersion, holdIds: ids.toSorted() });
    await lift(ids[1]!);
    await bump();
    expect(await mark()).toEqual({
      policyVersion: policyVersion + 1,
      holdIds: [ids[0], ids[2]].toSorted(),
    });
  });

  it('names the holds with what they stop, oldest first', async () => {
    const first = await place(onPlatform('linkedin'));
    const second = await place(onProfile(fixture.profileId));
    await place(onProfile(instagramId));
    expect(await listHoldsOn(fixture.worker, [fixture.profileId])).toEqual([
      { holdId: first, scope: 'platform', subject: 'linkedin', reason: 'Storm' },
      { holdId: second, scope: 'profile', subject: fixture.profileId, reason: 'Storm' },
    ]);
  });

  it('resolves the policies of all its profiles, unless the run knows that version', async () => {
    const layers = [{ content: { quorum: 2 } }, { content: { authorMay: true } }];
    const post = await insertPost(fixture);
    await fixture.superuser.query('update profiles set policy = $2 where id = $1', [
      fixture.profileId,
      layers[0],
    ]);
    await fixture.superuser.query('update tenants set policy = $2 where id = $1', [
      fixture.tenantId,
      layers[1],
    ]);
    const found = (knownVersion: number) =>
      findConditions(fixture.worker, { tenantId: fixture.tenantId, postId: post.postId, knownVersion });
    const version = await policiesVersion();
    expect(await found(version - 1)).toEqual({
      ...{ policyVersion: version, holds: [], receipts: [] },
      policy: resolvePostPolicy([layers]),
    });
    expect(await found(version)).toMatchObject({ policyVersion: version, policy: null });
  });

  it.each([
    ...(['SENDING', 'UNKNOWN', 'UNCONFIRMED'] as const).flatMap((state) =>
      (['WAITING', 'FAILED', 'CANCELLED'] as const).map((phase) => [state, phase, true] as const),
    ),
    ...(['ARMING', 'RECONCILING', 'UNCONFIRMED'] as const).map((phase) => ['UNKNOWN', phase, false] as const),
    ...(['ARMED', 'DISARMED', 'NOT_SENT', 'REFUSED'] as const).map(
      (state) => [state, 'WAITING', false] as const,
    ),
  ])('brings what is %s while its run holds it for %s: %s', async (state, phase, isDoubtful) => {
    const post = await insertPost(fixture);
    await insertPublication(fixture, post, { state });
    const setTarget = (cycle: number) =>
      fixture.superuser.query('update targets set phase = $2, cycle = $3 where id = $1', [
        ...[post.targetId, phase, cycle],
      ]);
    await setTarget(1);
    const { worker, tenantId } = fixture;
    const find = async () => {
      const { doubts } = await findConditions(worker, { tenantId, postId: post.postId, knownVersion: 0 });
      const { hasNews } = await findConditionsMark(worker, tenantId, post.postId);
      return { targets: (doubts ?? []).map(({ targetId }) => targetId), hasNews };
    };
    expect(await find()).toEqual(isDoubtful ? { targets: [post.targetId], hasNews: true } : { targets: [] });
    // Somebody has said to send again: what was doubtful is settled.
    await setTarget(2);
    expect(await find()).toEqual({ targets: [] });
  });

  it.each([
    ['UNCONFIRMED', true],
    ['WAITING', true],
    ['FAILED', true],
    ['CANCELLED', true],
    ['ARMING', false],
    ['RECONCILING', false],
    ['PUBLISHED', false],
  ] as const)('brings the receipt of a target that its run holds for %s: %s', async (phase, isNews) => {
    const post = await insertPost(fixture);
    const { postId, targetId } = post;
    const id = await insertPublication(fixture, post, { state: 'PUBLISHED' });
    await fixture.superuser.query(
      `update publications set public_id = 'urn:1', permalink = 'https://example.com/1', published_at = $2 where id = $1`,
      [id, due],
    );
    await fixture.superuser.query('update targets set phase = $2 where id = $1', [targetId, phase]);
    const receipt = {
      ...{ targetId, publicId: 'urn:1' },
      ...{ permalink: 'https://example.com/1', publishedAtMs: due.getTime() },
    };
    const { worker, tenantId } = fixture;
    const { receipts } = await findConditions(worker, { tenantId, postId, knownVersion: 0 });
    expect(receipts).toEqual(isNews ? [receipt] : []);
    expect((await findConditionsMark(worker, tenantId, postId)).hasNews).toBe(isNews || undefined);
  });
});
