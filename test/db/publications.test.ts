import { randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import pg from 'pg';
import {
  type ArmInput,
  armPublication,
  disarmPublications,
  releasePublication,
  releasePublications,
  settlePublication,
} from '../../db/publications.ts';
import { forTenant } from '../../db/tenant-database.ts';
import { exclusiveStates, movePublication, publicationStates } from '../../domain/publication.ts';
import { seededRandom } from '../support/random.ts';
import {
  armInput as armInputOf,
  due,
  eventTypesOf,
  type Fixture,
  insertPost,
  insertPosts,
  insertPublication,
  poolFor,
  releaseInput,
  rowOf,
  type SeededPost,
  startFixture,
} from './fixture.ts';

let fixture: Fixture;

beforeAll(async () => {
  fixture = await startFixture();
});
afterAll(() => fixture.stop());

const armInput = (post: SeededPost, fields: Partial<ArmInput> = {}) => armInputOf(fixture, post, fields);
const disarmInput = (post: SeededPost, fields: { version?: number; runId?: string; all?: boolean } = {}) => ({
  ...{ postId: post.postId, targetIds: [post.targetId], runId: fields.runId ?? 'run-1' },
  ...{ version: fields.version ?? 6, allOrNothing: fields.all ?? true },
});
const publicationOf = (id: string) =>
  rowOf<{ state: string; fence: number; holder: string | null }>(fixture, 'publications', id);
async function arm(post: SeededPost, fields: Partial<ArmInput> = {}) {
  const armed = await armPublication(fixture.worker, armInput(post, fields));
  if (armed.kind !== 'armed') throw new Error(`It was not armed: ${armed.kind}`);
  return armed;
}
/** Rows of a small table of choices: every combination of them. */
const combinations = <T extends Record<string, readonly unknown[]>>(choices: T) =>
  Object.entries(choices).reduce<Record<string, unknown>[]>(
    (rows, [name, values]) => rows.flatMap((row) => values.map((value) => ({ ...row, [name]: value }))),
    [{}],
  ) as { [Name in keyof T]: T[Name][number] }[];

describe('the release statement', () => {
  it('moves as the table of the publication row says, for every state, fence, hash, due time and instant', async () => {
    const cells = combinations({
      state: publicationStates,
      fence: [6, 7, 8],
      hash: ['p', 'another'],
      dueAt: [due, new Date(due.getTime() + 1)],
      early: [true, false],
    });
    expect(cells).toHaveLength(192);
    const posts = await insertPosts(fixture, cells.length);
    const seen = [];
    const expected = [];
    for (const [index, { state, fence, hash, dueAt, early }] of cells.entries()) {
      const id = await insertPublication(fixture, posts[index]!, { state, fence: 7, dueAt: due });
      const instant = new Date(dueAt.getTime() - (early ? 1 : 0));
      const now = sql<Date>`${instant.toISOString()}::timestamptz`;
      const matches = hash === 'p' && dueAt === due;
      const result = await releasePublication(
        fixture.worker,
        releaseInput(id, { fence, approvedHash: hash, dueAt, now }),
      );
      const row = await publicationOf(id);
      seen.push({
        result: result.kind === 'lost' ? `lost, ${result.state}` : result.kind,
        row: `${row.state} ${row.fence}`,
      });
      const facts = { state, fence: 7, cycle: 1, holder: null, absentReads: 0, findTries: 0 };
      expected.push(expectedRelease(facts, fence, matches, early));
    }
    expect(seen).toEqual(expected);
    expect(new Set(expected.map(({ result }) => result)).size).toBe(publicationStates.length + 2);
  });

  it('is lost where there is no row', async () => {
    const result = await releasePublication(fixture.worker, releaseInput(randomUUID()));
    expect(result).toEqual({ kind: 'lost', state: null });
  });

  it('sets the deadline two seconds after the instant and gives up after the time-out on top', async () => {
    const { publicationId } = await arm(await insertPost(fixture));
    const result = await releasePublication(fixture.worker, releaseInput(publicationId));
    expect(result).toMatchObject({
      kind: 'sending',
      row: {
        send_started_at: due,
        send_deadline: new Date(due.getTime() + 2_000),
        give_up_at: new Date(due.getTime() + 12_000),
      },
    });
  });
});

function expectedRelease(
  facts: Parameters<typeof movePublication>[0] & object,
  fence: number,
  matches: boolean,
  early: boolean,
) {
  const move = movePublication(facts, { kind: 'release', fence, matches });
  if (move.kind !== 'to') return { result: `lost, ${facts.state}`, row: `${facts.state} ${facts.fence}` };
  // Only a claim waits for its instant; a row that does not match is taken back at once.
  if (move.state === 'SENDING' && early) return { result: 'early', row: `${facts.state} ${facts.fence}` };
  const result = move.state === 'SENDING' ? 'sending' : `lost, ${move.state}`;
  return { result, row: `${move.state} ${move.fence}` };
}

test('lets exactly one of 16 claimers send each of 2,000 rows', async () => {
  const posts = await insertPosts(fixture, 2_000);
  await fixture.superuser.query(
    `insert into publications (tenant_id, id, post_id, revision_id, target_id, cycle, state, fence, holder, approved_hash,
      due_at, send_at, profile_id, platform, policy_version)
    select $1, p."targetId", p."postId", p."revisionId", p."targetId", 1, 'ARMED', 1, 'mine', 'p', $3, $3, $4, 'linkedin', 1
    from jsonb_to_recordset($2::jsonb) as p("postId" uuid, "revisionId" uuid, "targetId" uuid)`,
    [fixture.tenantId, JSON.stringify(posts), due, fixture.profileId],
  );
  const pools = Array.from({ length: 4 }, () => poolFor(fixture.database.workerUrl, 4));
  const wins = new Map<string, number>();
  /** Four claimers for each row, a different four from row to row, and all sixteen for the first hundred. */
  const isContender = (claimer: number, row: number) => row < 100 || row % 4 === (claimer + (row >> 4)) % 4;
  const claim = async (claimer: number) => {
    const tenant = forTenant(pools[claimer % pools.length]!, fixture.tenantId);
    for (const [index, { targetId }] of posts.entries()) {
      if (!isContender(claimer, index)) continue;
      const result = await releasePublication(tenant, releaseInput(targetId));
      if (result.kind === 'sending') wins.set(targetId, (wins.get(targetId) ?? 0) + 1);
      else if (result.kind !== 'lost' || result.state !== 'SENDING')
        throw new Error(`An unforeseen answer: ${JSON.stringify(result)}`);
    }
  };
  try {
    await Promise.all(Array.from({ length: 16 }, (_, claimer) => claim(claimer)));
  } finally {
    await Promise.all(pools.map((pool) => pool.end()));
  }
  expect(wins.size).toBe(2_000);
  expect([...wins.values()].filter((count) => count !== 1)).toEqual([]);
  const { rows } = await fixture.superuser.query(
    `select count(*) as events, count(distinct e.post_id) as posts from post_events e
     where e.type = 'target.sending' and e.post_id = any($1::uuid[])`,
    [posts.map((post) => post.postId)],
  );
  expect(rows).toEqual([{ events: 2_000, posts: 2_000 }]);
});

test('gives a row that several senders claim with one statement to one of them, and to none of an earlier fence', async () => {
  const id = await insertPublication(fixture, await insertPost(fixture), {
    state: 'ARMED',
    fence: 2,
    dueAt: due,
  });
  const fences = [1, 2, 2, 1];
  const results = await releasePublications(
    fixture.worker,
    fences.map((fence) => releaseInput(id, { fence })),
  );
  const winners = fences.filter((_, index) => results[index]!.kind === 'sending');
  expect(winners).toEqual([2]);
  for (const result of results)
    if (result.kind !== 'sending') expect(result).toEqual({ kind: 'lost', state: 'SENDING' });
});

test('never sends what a command has taken back, in 300 seeded races of release and disarm', async () => {
  const random = seededRandom(20_260_504);
  const posts = await insertPosts(fixture, 300);
  const tally = { sent: 0, takenBack: 0 };
  const race = async (post: SeededPost, index: number) => {
    const { publicationId } = await arm(post);
    // A command takes more statements than a claim; on a busy machine it needs a start, or it would never win.
    const startMs = index % 4 < 2 ? 0 : 12;
    const [releaseAfterMs, disarmAfterMs] = [startMs + random() * 6, random() * 6];
    const isCancel = index % 3 === 0;
    const [released, disarmed] = await Promise.all([
      later(releaseAfterMs, () => releasePublication(fixture.worker, releaseInput(publicationId))),
      later(disarmAfterMs, () => disarmPublications(fixture.worker, disarmInput(post, { all: !isCancel }))),
    ]);
    const { state, fence } = await publicationOf(publicationId);
    const types = await eventTypesOf(fixture, post.postId);
    const seen = { released: released.kind, state, fence, isSent: types.includes('target.sending') };
    if (disarmed.sendingTargetIds.length === 0) {
      tally.takenBack += 1;
      expect(seen).toEqual({ released: 'lost', state: 'DISARMED', fence: 2, isSent: false });
    } else {
      tally.sent += 1;
      expect(disarmed.sendingTargetIds).toEqual([post.targetId]);
      expect(seen).toEqual({ released: 'sending', state: 'SENDING', fence: 1, isSent: true });
    }
  };
  for (let start = 0; start < posts.length; start += 2)
    await Promise.all(posts.slice(start, start + 2).map((post, offset) => race(post, start + offset)));
  expect(tally.sent + tally.takenBack).toBe(300);
  expect(Math.min(tally.sent, tally.takenBack)).toBeGreaterThan(30);
});

async function later<T>(milliseconds: number, work: () => Promise<T>): Promise<T> {
  await new Promise((resolve) => setTimeout(resolve, milliseconds));
  return work();
}

test('a command that holds the post does not stand in the way of the sender it waits for', async () => {
  const post = await insertPost(fixture);
  const { publicationId } = await arm(post);
  // A sender in the middle of its statement: it holds the publication and is about to refer to the post.
  const sender = new pg.Client({ connectionString: fixture.database.superuserUrl });
  await sender.connect();
  try {
    await sender.query(`begin; set local lock_timeout = '500ms'`);
    await sender.query('select from publications where id = $1 for update', [publicationId]);
    const disarming = disarmPublications(fixture.worker, disarmInput(post));
    await later(200, async () => {});
    await sender.query('select from posts where id = $1 for key share', [post.postId]);
    await sender.query('commit');
    expect(await disarming).toEqual({ sendingTargetIds: [] });
  } finally {
    await sender.end();
  }
});

describe('the barrier', () => {
  it('refuses an arm that was asked for before a command, and takes one from after it', async () => {
    const post = await insertPost(fixture);
    await disarmPublications(fixture.worker, disarmInput(post, { version: 6 }));
    const overtaken = await armPublication(fixture.worker, armInput(post, { version: 5 }));
    expect(overtaken).toEqual({ kind: 'superseded' });
    expect(await armPublication(fixture.worker, armInput(post, { version: 6 }))).toMatchObject({
      kind: 'armed',
      fence: 1,
    });
  });

  it('ends with nothing armed, whichever of an arm and a later command comes first', async () => {
    const random = seededRandom(7);
    const answers = new Set<string>();
    for (const post of await insertPosts(fixture, 100)) {
      const [armed] = await Promise.all([
        later(random() * 4, () => armPublication(fixture.worker, armInput(post))),
        later(random() * 4, () => disarmPublications(fixture.worker, disarmInput(post))),
      ]);
      answers.add(armed.kind);
      const { rows } = await fixture.superuser.query('select state from publications where target_id = $1', [
        post.targetId,
      ]);
      expect(rows).toEqual(armed.kind === 'armed' ? [{ state: 'DISARMED' }] : []);
    }
    expect([...answers].sort()).toEqual(['armed', 'superseded']);
  });

  it('lies below a new run, although the versions of that run start again', async () => {
    const post = await insertPost(fixture);
    await disarmPublications(fixture.worker, disarmInput(post, { version: 40 }));
    const armed = await armPublication(fixture.worker, armInput(post, { runId: 'run-2', version: 1 }));
    expect(armed.kind).toBe('armed');
    const old = await armPublication(fixture.worker, armInput(post, { version: 39 }));
    expect(old).toEqual({ kind: 'superseded' });
  });

  it('is not raised by a command that was refused as a whole', async () => {
    const post = await insertPost(fixture);
    await insertPublication(fixture, post, { state: 'SENDING' });
    const refused = await disarmPublications(fixture.worker, disarmInput(post, { version: 9 }));
    expect(refused).toEqual({ sendingTargetIds: [post.targetId] });
    expect(await rowOf(fixture, 'posts', post.postId)).toMatchObject({
      barrier_epoch: 0,
      barrier_version: 0,
    });
  });
});

describe('arming', () => {
  it('finds its own row again, and another attempt takes over with the next fence', async () => {
    const post = await insertPost(fixture);
    const first = await arm(post);
    expect(await arm(post)).toEqual(first);
    expect(await arm(post, { holder: 'other' })).toEqual({ ...first, fence: 2 });
    const old = await releasePublication(fixture.worker, releaseInput(first.publicationId));
    expect(old).toEqual({ kind: 'lost', state: 'ARMED' });
  });

  it('gives 16 attempts at once one row, whose fence only the last one holds', async () => {
    const post = await insertPost(fixture);
    const armed = await Promise.all(
      Array.from({ length: 16 }, (_, index) => arm(post, { holder: `attempt ${index}` })),
    );
    expect(new Set(armed.map((one) => one.publicationId)).size).toBe(1);
    expect(armed.map((one) => one.fence).sort((left, right) => left - right)).toEqual(
      Array.from({ length: 16 }, (_, index) => index + 1),
    );
    const released = await Promise.all(
      armed.map(({ publicationId, fence }) =>
        releasePublication(fixture.worker, releaseInput(publicationId, { fence })),
      ),
    );
    expect(released.filter((one) => one.kind === 'sending')).toHaveLength(1);
  });

  it('adopts the receipt of an earlier run', async () => {
    const post = await insertPost(fixture);
    const id = await insertPublication(fixture, post, { state: 'PUBLISHED' });
    const armed = await armPublication(fixture.worker, armInput(post, { runId: 'run-2', cycle: 2 }));
    expect(armed).toMatchObject({ kind: 'published', row: { id } });
  });
});

describe('the exclusive index', () => {
  const second = (post: SeededPost, state: (typeof publicationStates)[number]) =>
    insertPublication(fixture, post, { state, cycle: 2 });

  it.each(combinations({ first: exclusiveStates, next: exclusiveStates }))(
    'refuses a second row: $next beside $first',
    async ({ first, next }) => {
      const post = await insertPost(fixture);
      await insertPublication(fixture, post, { state: first });
      await expect(second(post, next)).rejects.toMatchObject({
        code: '23505',
        constraint: 'publications_exclusive',
      });
    },
  );

  it('keeps rows of earlier cycles that can no longer be sent', async () => {
    for (const state of ['DISARMED', 'NOT_SENT', 'REFUSED', 'UNCONFIRMED'] as const) {
      const post = await insertPost(fixture);
      await insertPublication(fixture, post, { state });
      expect(await publicationOf(await second(post, 'ARMED'))).toMatchObject({ state: 'ARMED' });
    }
  });
});

describe('settling', () => {
  const receipt = { publicId: 'urn:li:share:1', permalink: 'https://example.com/1', publishedAt: due };

  it('adopts a receipt that comes after the sender was given up', async () => {
    const { publicationId, fence } = await arm(await insertPost(fixture));
    await releasePublication(fixture.worker, releaseInput(publicationId));
    const error = { code: 'outcome-unknown', message: 'The sender was lost' };
    await settlePublication(fixture.worker, publicationId, fence, { kind: 'sender-lost' }, { error });
    expect(await publicationOf(publicationId)).toMatchObject({ state: 'UNKNOWN', error_code: error.code });
    const { move, row } = await settlePublication(
      fixture.worker,
      publicationId,
      fence,
      { kind: 'accepted' },
      receipt,
    );
    expect(move).toEqual({ kind: 'to', state: 'PUBLISHED', fence: 1 });
    expect(row).toMatchObject({
      public_id: receipt.publicId,
      permalink: receipt.permalink,
      published_at: due,
    });
  });

  it('lets a superseded fence settle nothing', async () => {
    const post = await insertPost(fixture);
    const { publicationId } = await arm(post);
    await arm(post, { holder: 'other' });
    const before = await publicationOf(publicationId);
    const { move } = await settlePublication(fixture.worker, publicationId, 1, { kind: 'accepted' }, receipt);
    expect(move).toEqual({ kind: 'refused', reason: 'superseded' });
    expect(await publicationOf(publicationId)).toEqual(before);
  });

  it('writes each event once, though settled twice and at the same time', async () => {
    const post = await insertPost(fixture);
    const { publicationId } = await arm(post);
    await arm(post);
    await releasePublication(fixture.worker, releaseInput(publicationId));
    await releasePublication(fixture.worker, releaseInput(publicationId));
    const settle = () =>
      settlePublication(fixture.worker, publicationId, 1, { kind: 'accepted' }, receipt).then(
        ({ move }) => move.kind,
      );
    expect((await Promise.all([settle(), settle(), settle()])).sort()).toEqual(['refused', 'refused', 'to']);
    expect(await settle()).toBe('refused');
    expect(await eventTypesOf(fixture, post.postId)).toEqual([
      'target.armed',
      'target.sending',
      'target.published',
    ]);
  });

  it('counts reads without a trace, and believes the second', async () => {
    const id = await insertPublication(fixture, await insertPost(fixture), { state: 'UNKNOWN', fence: 3 });
    const read = () =>
      settlePublication(fixture.worker, id, null, { kind: 'absent', proof: 'read' }, {}).then(
        ({ row }) => `${row.state} ${row.fence}, ${row.absent_reads} reads`,
      );
    expect([await read(), await read()]).toEqual(['UNKNOWN 3, 1 reads', 'NOT_SENT 3, 1 reads']);
  });
});
