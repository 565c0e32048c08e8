import { randomUUID } from 'node:crypto';
import { MockActivityEnvironment } from '@temporalio/testing';
import { DefaultLogger, type LogEntry } from '@temporalio/worker';
import { sql } from 'kysely';
import type { ActivityDependencies } from '../../activities/dependencies.ts';
import {
  createMaintenanceActivities,
  type RunDescription,
  type RunDirectory,
} from '../../activities/maintenance.ts';
import { armPublication, disarmPublications, releasePublication } from '../../db/publications.ts';
import {
  eventTypesOf,
  type Fixture,
  insertPost,
  insertPublication,
  insertTenant,
  rowOf,
  type SeededPost,
  startFixture,
} from '../db/fixture.ts';

let fixture: Fixture;
const logged: LogEntry[] = [];
const logger = new DefaultLogger('WARN', (entry) => logged.push(entry));
const newEnvironment = (info?: { heartbeatDetails: unknown }) =>
  new MockActivityEnvironment(info, { logger });

beforeAll(async () => {
  fixture = await startFixture();
});
afterAll(() => fixture.stop());

/** What one test leaves open is none of the next one's business. */
afterEach(async () => {
  logged.length = 0;
  await fixture.superuser.query('update posts set archived = true; update outbox set done_at = now()');
});

interface FakeRuns extends RunDirectory {
  readonly started: unknown[];
  readonly described: string[];
}

/** A directory that knows the given posts; every other post's run is open. */
function fakeRuns(
  known: Record<string, RunDescription | Error> = {},
  refuseToStart: readonly unknown[] = [],
): FakeRuns {
  const started: unknown[] = [];
  const described: string[] = [];
  return {
    started,
    described,
    async startPoke() {},
    async startParts() {},
    async startRemoval() {},
    async startAmendment() {},
    async startRefresh() {},
    refresh: async () => true,
    async startImport({ mediaId }) {
      started.push(mediaId);
    },
    async poke() {},
    async start(input) {
      const { post } = input as { post: string };
      if (refuseToStart.includes(post)) throw new Error(`Temporal refuses ${post}`);
      started.push(post);
    },
    async describe(tenantId, postId) {
      if (!/^[0-9a-f-]{36}$/.test(tenantId)) throw new Error('The tenant comes first');
      described.push(postId);
      const run = known[postId] ?? { kind: 'running' };
      if (run instanceof Error) throw run;
      return run;
    },
  };
}

function maintain(runs: RunDirectory, environment = newEnvironment()) {
  const { maintainPosts } = createMaintenanceActivities({
    pool: fixture.workerPool,
    runs,
  } as unknown as ActivityDependencies);
  return environment.run(maintainPosts);
}

const terminated: RunDescription = {
  ...{ kind: 'closed', how: 'terminated', by: 'ops@example.com', reason: 'Stuck since Monday' },
};

/** A post whose rows were last written to a minute ago. */
async function quietPost(tenant: Parameters<typeof insertPost>[0] = fixture): Promise<SeededPost> {
  const post = await insertPost(tenant);
  await touchedAgo(post, 60);
  return post;
}
const touchedAgo = (post: SeededPost, seconds: number) =>
  fixture.superuser.query(
    'update posts set updated_at = clock_timestamp() - make_interval(secs => $2) where id = $1',
    [post.postId, seconds],
  );

async function insertImportRequest(): Promise<string> {
  const id = randomUUID();
  await fixture.superuser.query(
    `insert into outbox (tenant_id, id, kind, input, created_at)
     values ($1, $2, 'import-media', '{}', clock_timestamp() - interval '1 minute')`,
    [fixture.tenantId, id],
  );
  return id;
}

async function insertOutbox(
  { postId }: SeededPost,
  fields: { done: boolean; ageSeconds?: number; tenantId?: string; input?: string },
): Promise<string> {
  const id = randomUUID();
  await fixture.superuser.query(
    `insert into outbox (tenant_id, id, kind, post_id, input, created_at, done_at)
     values ($1, $2, 'start-post', $3, $4, clock_timestamp() - make_interval(secs => $5),
       case when $6 then clock_timestamp() end)`,
    [
      ...[fields.tenantId ?? fixture.tenantId, id, postId],
      ...[JSON.stringify({ post: fields.input ?? postId }), fields.ageSeconds ?? 60, fields.done],
    ],
  );
  return id;
}

const postOf = (post: SeededPost) => rowOf(fixture, 'posts', post.postId);
const past = new Date(Date.now() - 1_000);
const arm = async (post: SeededPost, fields: { version?: number; runId?: string } = {}) =>
  armPublication(fixture.worker, {
    ...{ postId: post.postId, targetId: post.targetId, revisionId: post.revisionId, cycle: 1 },
    ...{ holder: 'mine', approvedHash: 'p', dueAt: past, handle: null, runId: 'run-1', version: 3 },
    ...{
      profileId: fixture.profileId,
      platform: 'linkedin',
      policyVersion: 1,
      admittedAt: null,
      buckets: [],
      ...{ type: 'TEXT_ONLY', caps: [], quota: null },
    },
    ...{ now: past, armUntil: past },
    ...fields,
  });
const release = (publicationId: string, fence: number) =>
  releasePublication(fixture.worker, {
    ...{ publicationId, fence, approvedHash: 'p', dueAt: past, sendAt: past, commitTimeoutMs: 1_000 },
    now: sql<Date>`clock_timestamp()`,
  });

describe('the relay', () => {
  it('starts what has been open for a while, once, and leaves fresh and settled rows alone', async () => {
    const posts = [await insertPost(fixture), await insertPost(fixture), await insertPost(fixture)];
    const open = await insertOutbox(posts[0]!, { done: false, ageSeconds: 6 });
    const fresh = await insertOutbox(posts[1]!, { done: false, ageSeconds: 0 });
    await insertOutbox(posts[2]!, { done: true });
    const runs = fakeRuns();
    expect(await maintain(runs)).toMatchObject({ started: 1, failed: 0 });
    expect(await maintain(runs)).toMatchObject({ started: 0, failed: 0 });
    expect(runs.started).toEqual([posts[0]!.postId]);
    expect((await rowOf(fixture, 'outbox', open)).done_at).toEqual(expect.any(Date));
    expect((await rowOf(fixture, 'outbox', fresh)).done_at).toBeNull();
  });

  it('starts an import that the interface could not start', async () => {
    const mediaId = await insertImportRequest();
    const runs = fakeRuns();
    expect(await maintain(runs)).toMatchObject({ started: 1, failed: 0 });
    expect(runs.started).toEqual([mediaId]);
    expect((await rowOf(fixture, 'outbox', mediaId)).done_at).toEqual(expect.any(Date));
  });

  it('goes on past rows that fail, however many, and tries them again the next time', async () => {
    const post = await insertPost(fixture);
    await fixture.superuser.query(
      `insert into outbox (tenant_id, id, kind, post_id, input, created_at)
       select $1, gen_random_uuid(), 'start-post', $2, '{"post":"broken"}', clock_timestamp() - interval '1 hour'
       from generate_series(1, 250)`,
      [fixture.tenantId, post.postId],
    );
    const other = await insertTenant(fixture.apiPool);
    const theirs = await insertPost({ superuser: fixture.superuser, ...other });
    await insertOutbox(theirs, { done: false, tenantId: other.tenantId, input: 'theirs' });
    const runs = fakeRuns({}, ['broken']);
    expect(await maintain(runs)).toMatchObject({ started: 1, failed: 250 });
    expect(runs.started).toEqual(['theirs']);
    expect(logged.filter(({ message }) => message === 'An outbox row could not be relayed')).toHaveLength(
      250,
    );
    expect(await maintain(fakeRuns())).toMatchObject({ started: 250, failed: 0 });
  });
});

describe('the sweep', () => {
  it('starts the run that is missing again, from the newest settled outbox row', async () => {
    const post = await quietPost();
    await insertOutbox(post, { done: true, ageSeconds: 90, input: 'older' });
    await insertOutbox(post, { done: true, ageSeconds: 60, input: 'newest' });
    const before = await postOf(post);
    const runs = fakeRuns({ [post.postId]: { kind: 'missing' } });
    expect(await maintain(runs)).toEqual({ started: 0, checked: 1, mended: 1, failed: 0 });
    expect(runs.started).toEqual(['newest']);
    expect(await postOf(post)).toEqual(before);
  });

  it('leaves a missing run to the API and the relay while its outbox row is open', async () => {
    const post = await quietPost();
    await insertOutbox(post, { done: false, ageSeconds: 0 });
    const runs = fakeRuns({ [post.postId]: { kind: 'missing' } });
    expect(await maintain(runs)).toMatchObject({ started: 0, mended: 0, failed: 0 });
    expect(runs.started).toEqual([]);
  });

  it('leaves a post with an open run as it is', async () => {
    const post = await quietPost();
    const before = await postOf(post);
    expect(await maintain(fakeRuns())).toEqual({ started: 0, checked: 1, mended: 0, failed: 0 });
    expect(await postOf(post)).toEqual(before);
  });

  it('does not ask after drafts, nor after posts that are over', async () => {
    const [draft, published, archived] = [await quietPost(), await quietPost(), await quietPost()];
    await fixture.superuser.query(`update posts set submitted_at = null where id = $1`, [draft.postId]);
    await fixture.superuser.query(`update posts set status = 'PUBLISHED' where id = $1`, [published.postId]);
    await fixture.superuser.query(`update posts set archived = true where id = $1`, [archived.postId]);
    const runs = fakeRuns();
    expect(await maintain(runs)).toMatchObject({ checked: 0 });
    expect(runs.described).toEqual([]);
  });

  it('fails a post whose run was terminated, says who and why, and touches no decision', async () => {
    const post = await quietPost();
    await fixture.superuser.query(
      `insert into decisions (tenant_id, post_id, command_id, gate, round, verdict, hash, revision_id, decided_at)
       values ($1, $2, 'c', 'content', 1, 'approve', 'c', $3, now())`,
      [fixture.tenantId, post.postId, post.revisionId],
    );
    const decisions = () =>
      fixture.superuser.query('select * from decisions where post_id = $1', [post.postId]);
    const before = (await decisions()).rows;
    const runs = fakeRuns({ [post.postId]: terminated });
    expect(await maintain(runs)).toEqual({ started: 0, checked: 1, mended: 1, failed: 0 });
    const message = 'The run was ended (terminated by ops@example.com): Stuck since Monday';
    expect(await postOf(post)).toMatchObject({
      ...{ status: 'FAILED', archived: true, open_gate: null, open_gate_detail: null },
      blocked_on: [{ code: 'operator', message }],
    });
    expect(await rowOf(fixture, 'targets', post.targetId)).toMatchObject({
      ...{ phase: 'FAILED', error_code: 'operator', error_message: message },
    });
    const { rows } = await fixture.superuser.query('select type, data from post_events where post_id = $1', [
      post.postId,
    ]);
    expect(rows).toEqual([
      {
        type: 'post.run-ended',
        data: {
          ...{ how: 'terminated', by: 'ops@example.com', reason: 'Stuck since Monday', status: 'FAILED' },
        },
      },
    ]);
    expect((await decisions()).rows).toEqual(before);
    const after = await postOf(post);
    expect(await maintain(runs)).toMatchObject({ checked: 0, mended: 0 });
    expect(await postOf(post)).toEqual(after);
  });

  it.each(['timed_out', 'failed', 'cancelled'])(
    'fails a post whose run was %s without a reason',
    async (how) => {
      const post = await quietPost();
      await maintain(fakeRuns({ [post.postId]: { kind: 'closed', how, reason: null } }));
      expect(await postOf(post)).toMatchObject({
        status: 'FAILED',
        blocked_on: [{ code: 'operator', message: `The run was ended (${how})` }],
      });
    },
  );

  it('waits half a minute after the last write, for a projection may still be on its way', async () => {
    const post = await quietPost();
    await touchedAgo(post, 25);
    const runs = fakeRuns({ [post.postId]: terminated });
    expect(await maintain(runs)).toMatchObject({ checked: 1, mended: 0 });
    expect(await postOf(post)).toMatchObject({ status: 'SCHEDULED', archived: false });
    await touchedAgo(post, 31);
    expect(await maintain(runs)).toMatchObject({ mended: 1 });
  });

  it('keeps what a run wrote that came to its own end, and asks after it no more', async () => {
    const post = await quietPost();
    const completed: RunDescription = { kind: 'closed', how: 'completed', reason: null };
    const partly = `update posts set status = 'PARTIALLY_PUBLISHED', updated_at = clock_timestamp() where id = $1`;
    await fixture.superuser.query(partly, [post.postId]);
    const justWritten = await postOf(post);
    const runs = fakeRuns({ [post.postId]: completed });
    expect(await maintain(runs)).toMatchObject({ checked: 1, mended: 0 });
    expect(await postOf(post)).toEqual(justWritten);
    await touchedAgo(post, 60);
    expect(await maintain(runs)).toMatchObject({ checked: 1, mended: 1 });
    expect(await postOf(post)).toMatchObject({ status: 'PARTIALLY_PUBLISHED', archived: true });
    expect(await eventTypesOf(fixture, post.postId)).toEqual([]);
    expect(await maintain(runs)).toMatchObject({ checked: 0 });
  });
});

describe('a terminated run that had armed a target', () => {
  it('is disarmed: neither its sender nor an arm still on its way can send', async () => {
    const post = await quietPost();
    const armed = await arm(post);
    if (armed.kind !== 'armed') throw new Error('It was not armed');
    await maintain(fakeRuns({ [post.postId]: terminated }));
    expect(await rowOf(fixture, 'publications', armed.publicationId)).toMatchObject({
      state: 'DISARMED',
      fence: 2,
    });
    expect(await release(armed.publicationId, armed.fence)).toEqual({ kind: 'lost', state: 'DISARMED' });
    expect(await arm(post, { version: 1_000_000 })).toEqual({ kind: 'superseded' });
    expect(await eventTypesOf(fixture, post.postId)).toEqual([
      'target.armed',
      'target.disarmed',
      'post.run-ended',
    ]);
    expect(await postOf(post)).toMatchObject({ status: 'FAILED' });
  });

  it('may be reset: the new run arms again', async () => {
    const post = await quietPost();
    await arm(post);
    await maintain(fakeRuns({ [post.postId]: terminated }));
    expect(await arm(post, { runId: 'run-2', version: 1 })).toMatchObject({ kind: 'armed', fence: 3 });
    const input = { postId: post.postId, targetIds: [post.targetId], allOrNothing: true };
    expect(await disarmPublications(fixture.worker, { ...input, runId: 'run-2', version: 2 })).toEqual({
      sendingTargetIds: [],
    });
  });

  it.each(['SENDING', 'UNKNOWN', 'UNCONFIRMED'] as const)(
    'is left to a person where it was %s',
    async (state) => {
      const post = await quietPost();
      const id = await insertPublication(fixture, post, { state });
      await maintain(fakeRuns({ [post.postId]: terminated }));
      expect(await rowOf(fixture, 'publications', id)).toMatchObject({ state, fence: 1 });
      const { status, blocked_on } = await postOf(post);
      expect(status).toBe('UNCONFIRMED');
      expect(blocked_on[0].message).toMatch(/may have been sent already, look at the platform$/);
      expect(await rowOf(fixture, 'targets', post.targetId)).toMatchObject({ phase: 'UNCONFIRMED' });
    },
  );

  it('is published where the receipt was in its row already', async () => {
    const post = await quietPost();
    const id = await insertPublication(fixture, post, { state: 'PUBLISHED' });
    await fixture.superuser.query(
      `update publications set public_id = 'urn:1', permalink = 'https://x/1', published_at = $2 where id = $1`,
      [id, past],
    );
    await maintain(fakeRuns({ [post.postId]: terminated }));
    expect(await postOf(post)).toMatchObject({ status: 'PUBLISHED', blocked_on: [] });
    expect(await rowOf(fixture, 'targets', post.targetId)).toMatchObject({
      ...{ phase: 'PUBLISHED', public_id: 'urn:1', permalink: 'https://x/1', published_at: past },
      ...{ error_code: null, error_message: null },
    });
  });
});

describe('trouble with one row', () => {
  it('stops nobody else: it is logged, counted, and tried again', async () => {
    const other = await insertTenant(fixture.apiPool);
    const broken = [await quietPost(), await quietPost()];
    const theirs = await quietPost({ superuser: fixture.superuser, ...other });
    const ours = await quietPost();
    const known = {
      [broken[0]!.postId]: new Error('Temporal is not to be reached'),
      // It is to be started again, and cannot be.
      [broken[1]!.postId]: { kind: 'missing' } as const,
      [theirs.postId]: terminated,
      [ours.postId]: terminated,
    };
    await insertOutbox(broken[1]!, { done: true, input: 'broken' });
    expect(await maintain(fakeRuns(known, ['broken']))).toEqual({
      ...{ started: 0, checked: 4, mended: 2, failed: 2 },
    });
    expect((await postOf(theirs)).status).toBe('FAILED');
    expect((await postOf(ours)).status).toBe('FAILED');
    const errors = logged.filter(({ message }) => message === 'A post could not be checked');
    expect(errors.map(({ meta }) => meta?.error).sort()).toEqual([
      'Error: Temporal is not to be reached',
      'Error: Temporal refuses broken',
    ]);
    const again = fakeRuns({ [broken[0]!.postId]: terminated });
    expect(await maintain(again)).toEqual({ started: 0, checked: 2, mended: 1, failed: 0 });
  });

  it('in the database is that row alone as well', async () => {
    const [broken, sound] = [await quietPost(), await quietPost()];
    await fixture.superuser.query(`
      create function fail_one() returns trigger language plpgsql as
        $$ begin raise exception 'this row is broken'; end $$;
      create trigger fail_one before update on posts for each row
        when (old.id = '${broken.postId}' and new.status = 'FAILED') execute function fail_one()`);
    try {
      const known = { [broken.postId]: terminated, [sound.postId]: terminated };
      expect(await maintain(fakeRuns(known))).toMatchObject({ checked: 2, mended: 1, failed: 1 });
      expect((await postOf(broken)).status).toBe('SCHEDULED');
      expect(await eventTypesOf(fixture, broken.postId)).toEqual([]);
      expect((await postOf(sound)).status).toBe('FAILED');
    } finally {
      await fixture.superuser.query('drop function fail_one() cascade');
    }
  });
});

test('goes through every page, and a retry goes on where the last attempt was', async () => {
  const { tenantId } = await insertTenant(fixture.apiPool);
  await fixture.superuser.query(
    `insert into posts (tenant_id, id, type, revision_id, revision_number, copy, created_by, status, submitted_at)
     select $1, gen_random_uuid(), 'TEXT_ONLY', gen_random_uuid(), 1, 'Copy', gen_random_uuid(), 'SCHEDULED', now()
     from generate_series(1, 450)`,
    [tenantId],
  );
  const environment = newEnvironment();
  const beats: ({ tenantId: string; id: string } | undefined)[] = [];
  environment.on('heartbeat', (details) => beats.push(details));
  const runs = fakeRuns();
  expect(await maintain(runs, environment)).toMatchObject({ checked: 450, mended: 0 });
  expect(new Set(runs.described).size).toBe(450);
  expect(beats).toHaveLength(3);
  const retried = fakeRuns();
  const rest = await maintain(retried, newEnvironment({ heartbeatDetails: beats[2] }));
  expect(rest).toMatchObject({ checked: 50 });
  expect(retried.described).toEqual(runs.described.slice(400));
});

test('refuses to work without a run directory', async () => {
  await expect(maintain(undefined as never)).rejects.toThrow('has not been given a run directory');
});
