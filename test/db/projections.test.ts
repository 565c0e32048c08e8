import { randomUUID } from 'node:crypto';
import { insertHold } from '../../db/holds.ts';
import { listPosts } from '../../db/post-list.ts';
import { setDueWallClock, setTargetWallClock } from '../../db/posts.ts';
import { type Projection, projectPost } from '../../db/projections.ts';
import { forTenant, inTransaction } from '../../db/tenant-database.ts';
import { bumpPoliciesVersion } from '../../db/tenants.ts';
import type { DecisionRecord, TimelineEntry } from '../../domain/commands.ts';
import { evaluate } from '../../domain/lifecycle.ts';
import { resolvePostPolicy } from '../../domain/policy.ts';
import { newPostState, type PostState, type TargetState } from '../../domain/post-state.ts';
import {
  eventTypesOf,
  type Fixture,
  insertPost,
  insertTenant,
  rowOf,
  type SeededPost,
  startFixture,
} from './fixture.ts';

let fixture: Fixture;

beforeAll(async () => {
  fixture = await startFixture();
});
afterAll(() => fixture.stop());

const at = Date.UTC(2026, 4, 4, 9);

function stateOf(post: SeededPost, fields: Partial<PostState> = {}): PostState {
  const { tenantId, memberId, profileId } = fixture;
  const state = newPostState({
    ...{ tenantId, postId: post.postId, type: 'TEXT_ONLY', origin: 'human', dueAtMs: null },
    revision: {
      ...{ revisionId: post.revisionId, number: 1, contentHash: 'c', designHash: 'd', publishHash: 'p' },
      ...{
        hasCopy: true,
        mediaCount: 0,
        authors: { content: memberId, design: memberId, publish: memberId },
      },
    },
    policy: resolvePostPolicy([[]]),
    policyVersion: 1,
    targets: [
      {
        ...{ targetId: post.targetId, profileId, platform: 'linkedin', accountKind: 'organization' },
        ...{ type: 'TEXT_ONLY', dueAtMs: null },
      },
    ],
  });
  return { ...state, version: 1, ...fields };
}

const withTarget = (state: PostState, fields: Partial<TargetState>): PostState => ({
  ...state,
  targets: state.targets.map((target) => ({ ...target, ...fields })),
});

const project = (state: PostState, fields: Partial<Projection> = {}) =>
  projectPost(fixture.worker, {
    ...{ runId: 'run-1', state, readiness: evaluate(state), timeline: [], decisions: [] },
    ...fields,
  });

const seen = async (post: SeededPost) => {
  const { status, due_at, projection_epoch, projection_version } = await rowOf(fixture, 'posts', post.postId);
  return { status, dueAt: due_at?.getTime() ?? null, at: [projection_epoch, projection_version] };
};

describe('the row of a post', () => {
  it('takes a projection with a higher version, and refuses the same one again and older ones', async () => {
    const post = await insertPost(fixture);
    await project(stateOf(post, { version: 2, dueAtMs: at }));
    const second = await rowOf(fixture, 'posts', post.postId);
    expect(await seen(post)).toEqual({ status: 'IN_REVIEW', dueAt: at, at: [1, 2] });
    await project(stateOf(post, { version: 2, dueAtMs: at + 1 }));
    await project(stateOf(post, { version: 1, dueAtMs: at + 2 }));
    expect(await rowOf(fixture, 'posts', post.postId)).toEqual(second);
    await project(stateOf(post, { version: 3, dueAtMs: at + 3 }));
    expect(await seen(post)).toEqual({ status: 'IN_REVIEW', dueAt: at + 3, at: [1, 3] });
  });

  it('takes the projections of a reset run, whose versions start again, and no more of the run before', async () => {
    const post = await insertPost(fixture);
    await project(stateOf(post, { version: 40, dueAtMs: at }));
    await project(stateOf(post, { version: 1, dueAtMs: at + 1 }), { runId: 'run-2' });
    expect(await seen(post)).toMatchObject({ dueAt: at + 1, at: [2, 1] });
    await project(stateOf(post, { version: 41, dueAtMs: at + 2 }), { runId: 'run-1' });
    expect(await seen(post)).toMatchObject({ dueAt: at + 1, at: [2, 1] });
  });

  it('ends at the highest version, in whatever order 20 projections come at once', async () => {
    const post = await insertPost(fixture);
    const versions = Array.from({ length: 20 }, (_, index) => ((index * 7) % 20) + 1);
    await Promise.all(
      versions.map((version) =>
        project(
          withTarget(stateOf(post, { version, dueAtMs: at + version }), { permalink: `at ${version}` }),
        ),
      ),
    );
    expect(await seen(post)).toMatchObject({ dueAt: at + 20, at: [1, 20] });
    expect(await rowOf(fixture, 'targets', post.targetId)).toMatchObject({ permalink: 'at 20' });
  });

  it('gives each of several runs that begin at once an epoch of its own', async () => {
    const post = await insertPost(fixture);
    const runIds = Array.from({ length: 8 }, () => randomUUID());
    await Promise.all(runIds.map((runId) => project(stateOf(post), { runId })));
    const { rows } = await fixture.superuser.query(
      'select epoch from post_runs where post_id = $1 order by epoch',
      [post.postId],
    );
    expect(rows.map((row) => row.epoch)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
  });

  it('shows the gate that waits, and what deciding it needs', async () => {
    const post = await insertPost(fixture);
    await project(stateOf(post));
    expect(await rowOf(fixture, 'posts', post.postId)).toMatchObject({
      open_gate: 'content',
      open_gate_detail: { gate: 'content', round: 1, hash: 'c', excludedAuthorId: fixture.memberId },
    });
  });

  it('fails loudly where there is no such post', async () => {
    const post = { postId: randomUUID(), revisionId: randomUUID(), targetId: randomUUID() };
    await expect(project(stateOf(post))).rejects.toThrow(`There is no post ${post.postId} to project to`);
  });
});

describe('the targets', () => {
  it('follow the post, and stay where an old projection would put them', async () => {
    const post = await insertPost(fixture);
    const published = { phase: 'PUBLISHED', publicId: 'urn:1', permalink: 'https://x/1' } as const;
    await project(withTarget(stateOf(post, { version: 2 }), { ...published, publishedAtMs: at }));
    const row = await rowOf(fixture, 'targets', post.targetId);
    expect(row).toMatchObject({ phase: 'PUBLISHED', public_id: 'urn:1', published_at: new Date(at) });
    await project(withTarget(stateOf(post, { version: 1 }), { phase: 'ARMING' }));
    expect(await rowOf(fixture, 'targets', post.targetId)).toEqual(row);
    const error = { code: 'rejected', message: 'Too long' };
    await project(withTarget(stateOf(post, { version: 3 }), { phase: 'FAILED', cycle: 2, error }));
    expect(await rowOf(fixture, 'targets', post.targetId)).toMatchObject({
      ...{ phase: 'FAILED', cycle: 2, public_id: null, published_at: null },
      ...{ error_code: 'rejected', error_message: 'Too long' },
    });
  });

  it('of another post stay as they are, whatever a projection names', async () => {
    const [post, other] = [await insertPost(fixture), await insertPost(fixture)];
    await project(withTarget(stateOf(post), { targetId: other.targetId, phase: 'FAILED' }));
    expect(await rowOf(fixture, 'targets', other.targetId)).toMatchObject({ phase: 'WAITING' });
  });
});

describe('the timeline and the decisions', () => {
  const entry = (type: string): TimelineEntry => ({
    ...{ type, atMs: at, actorId: 'ada', actorName: 'Ada', data: { round: 1 } },
  });
  const decision = (post: SeededPost, fields: Partial<DecisionRecord> = {}): DecisionRecord => ({
    ...{ commandId: 'command-1', gate: 'content', round: 1, verdict: 'approve', hash: 'c', returnTo: null },
    ...{ revisionId: post.revisionId, memberId: fixture.memberId, memberName: 'Ada', notes: null, atMs: at },
    ...fields,
  });
  const decisionsOf = async (post: SeededPost) =>
    (
      await fixture.superuser.query(
        'select command_id, gate, verdict, hash from decisions where post_id = $1 order by command_id, gate',
        [post.postId],
      )
    ).rows;

  it('are written once, though projected three times and twice at once', async () => {
    const post = await insertPost(fixture);
    const change = {
      timeline: [entry('post.submitted'), entry('gate.opened'), entry('gate.opened')],
      decisions: [decision(post), decision(post, { gate: 'publish', hash: 'p' })],
    };
    await Promise.all([project(stateOf(post), change), project(stateOf(post), change)]);
    await project(stateOf(post), change);
    expect(await eventTypesOf(fixture, post.postId)).toEqual([
      'post.submitted',
      'gate.opened',
      'gate.opened',
    ]);
    expect(await decisionsOf(post)).toEqual([
      { command_id: 'command-1', gate: 'content', verdict: 'approve', hash: 'c' },
      { command_id: 'command-1', gate: 'publish', verdict: 'approve', hash: 'p' },
    ]);
  });

  it('are kept as first written when a decision comes again with another verdict', async () => {
    const post = await insertPost(fixture);
    await project(stateOf(post), { decisions: [decision(post)] });
    await project(stateOf(post, { version: 2 }), { decisions: [decision(post, { verdict: 'reject' })] });
    expect(await decisionsOf(post)).toMatchObject([{ verdict: 'approve' }]);
  });

  it('are written even where the row has moved on: a late line is still part of the story', async () => {
    const post = await insertPost(fixture);
    await project(stateOf(post, { version: 5 }));
    await project(stateOf(post, { version: 4 }), {
      timeline: [entry('post.scheduled')],
      decisions: [decision(post)],
    });
    expect(await eventTypesOf(fixture, post.postId)).toEqual(['post.scheduled']);
    expect(await decisionsOf(post)).toHaveLength(1);
    expect((await seen(post)).at).toEqual([1, 5]);
  });
});

describe('due times and the clocks they came from', () => {
  const clocks = { due_local: '2026-05-04T11:00', due_zone: 'Europe/Berlin' };
  const set = (table: 'posts' | 'targets', id: string, dueAtMs: number | null) =>
    fixture.superuser.query(
      `update ${table} set due_at = $2, due_local = '${clocks.due_local}', due_zone = '${clocks.due_zone}' where id = $1`,
      [id, dueAtMs === null ? null : new Date(dueAtMs)],
    );

  it('stay together while the instant stays', async () => {
    const post = await insertPost(fixture);
    await set('posts', post.postId, at);
    await set('targets', post.targetId, at + 1);
    await project(withTarget(stateOf(post, { dueAtMs: at }), { dueAtMs: at + 1 }));
    expect(await rowOf(fixture, 'posts', post.postId)).toMatchObject({ due_at: new Date(at), ...clocks });
    expect(await rowOf(fixture, 'targets', post.targetId)).toMatchObject({
      ...{ due_at: new Date(at + 1), ...clocks },
    });
  });

  it.each([at + 7, null])('part when the run has been told another instant: %s', async (dueAtMs) => {
    const post = await insertPost(fixture);
    await set('posts', post.postId, at);
    await set('targets', post.targetId, at);
    await project(withTarget(stateOf(post, { dueAtMs }), { dueAtMs }));
    const moved = { due_at: dueAtMs === null ? null : new Date(dueAtMs), due_local: null, due_zone: null };
    expect(await rowOf(fixture, 'posts', post.postId)).toMatchObject(moved);
    expect(await rowOf(fixture, 'targets', post.targetId)).toMatchObject(moved);
  });

  it('are taken from what a caller said only where the run has that instant', async () => {
    const post = await insertPost(fixture);
    await project(withTarget(stateOf(post, { dueAtMs: at }), { dueAtMs: at + 1 }));
    const due = (atMs: number) => ({
      dueAt: new Date(atMs),
      dueLocal: clocks.due_local,
      dueZone: clocks.due_zone,
    });
    const [unset, isSet] = [{ due_local: null, due_zone: null }, clocks];
    await setDueWallClock(fixture.api, post.postId, due(at + 9));
    await setTargetWallClock(fixture.api, post.targetId, due(at + 9));
    expect(await rowOf(fixture, 'posts', post.postId)).toMatchObject(unset);
    expect(await rowOf(fixture, 'targets', post.targetId)).toMatchObject(unset);
    await setDueWallClock(fixture.api, post.postId, due(at));
    await setTargetWallClock(fixture.api, post.targetId, due(at + 1));
    expect(await rowOf(fixture, 'posts', post.postId)).toMatchObject(isSet);
    expect(await rowOf(fixture, 'targets', post.targetId)).toMatchObject(isSet);
  });
});

describe('a withdrawn draft', () => {
  it('takes the withdrawal, and keeps what is edited on its row from then on', async () => {
    const post = await insertPost(fixture);
    await project(withTarget(stateOf(post, { dueAtMs: at }), { dueAtMs: at }));
    const draft = withTarget(stateOf(post, { version: 2, draft: true, dueAtMs: at }), { dueAtMs: at });
    await project(draft);
    expect(await rowOf(fixture, 'posts', post.postId)).toMatchObject({
      ...{ status: 'DRAFT', due_at: new Date(at) },
      blocked_on: [{ code: 'submit' }],
    });
    const edited = {
      ...{ revision_id: randomUUID(), revision_number: 2, copy: 'Second thoughts' },
      ...{ due_at: new Date(at + 5), due_local: '2026-05-04T11:00', due_zone: 'Europe/Berlin' },
    };
    await fixture.superuser.query(
      `update posts set revision_id = $2, revision_number = 2, copy = $3, due_at = $4, due_local = $5, due_zone = $6,
        blocked_on = '[]' where id = $1`,
      [post.postId, edited.revision_id, edited.copy, edited.due_at, edited.due_local, edited.due_zone],
    );
    await fixture.superuser.query('update targets set due_at = $2 where id = $1', [
      post.targetId,
      new Date(at + 6),
    ]);
    await project({ ...draft, version: 3 });
    expect(await rowOf(fixture, 'posts', post.postId)).toMatchObject({
      ...{ projection_version: 3, status: 'DRAFT', blocked_on: [] },
      ...edited,
    });
    expect(await rowOf(fixture, 'targets', post.targetId)).toMatchObject({ due_at: new Date(at + 6) });
    await project({ ...draft, version: 4, cancelledAtMs: at });
    expect(await rowOf(fixture, 'posts', post.postId)).toMatchObject({ status: 'CANCELLED', ...edited });
  });
});

describe('what a run learns from writing', () => {
  it('is the version of the policies and the holds on its post', async () => {
    const post = await insertPost(fixture);
    expect(await project(stateOf(post))).toEqual({ policyVersion: 1, holdIds: [] });
    const id = randomUUID();
    const { tenantId, memberId } = fixture;
    await inTransaction(fixture.api, async (transaction) => {
      const by = { reason: 'Storm', placed_by: memberId, placed_by_name: 'Ada' };
      await insertHold(transaction, { id, scope: 'platform', profile_id: null, platform: 'linkedin', ...by });
      await bumpPoliciesVersion(transaction, tenantId);
    });
    expect(await project(stateOf(post))).toEqual({ policyVersion: 2, holdIds: [id] });
  });

  it('leaves with an escalated gate who may decide from then on', async () => {
    const post = await insertPost(fixture);
    const [deciders, escalateTo] = [
      { roles: ['graphic_designer'], memberIds: [] },
      { roles: ['tenant_admin'], memberIds: [] },
    ] as const;
    const policy = resolvePostPolicy([[{ content: { deciders, escalateTo } }]]);
    const state = stateOf(post, { policy });
    const decidersShown = async () =>
      (await rowOf(fixture, 'posts', post.postId)).open_gate_detail.decidersOfAll[0].roles;
    await project(state);
    expect(await decidersShown()).toEqual(['graphic_designer']);
    const content = { ...state.gates.content, escalatedAtMs: at };
    await project({ ...state, version: 2, gates: { ...state.gates, content } });
    expect(await decidersShown()).toEqual(['graphic_designer', 'tenant_admin']);
  });
});

describe('another tenant', () => {
  it('finds the words of no copy but its own', async () => {
    const post = await insertPost(fixture);
    const word = `w${randomUUID().replaceAll('-', '')}`;
    await fixture.superuser.query('update posts set copy = $2 where id = $1', [
      post.postId,
      `Look at ${word}!`,
    ]);
    const other = await insertTenant(fixture.apiPool);
    const find = (tenantId: string) =>
      listPosts(forTenant(fixture.apiPool, tenantId), { scope: null, text: word, limit: 10 });
    expect((await find(fixture.tenantId)).map((found) => found.id)).toEqual([post.postId]);
    expect(await find(other.tenantId)).toEqual([]);
  });

  it('cannot project into a post that is not its own', async () => {
    const post = await insertPost(fixture);
    const other = await insertTenant(fixture.apiPool);
    const state = stateOf(post);
    const foreign = projectPost(forTenant(fixture.workerPool, other.tenantId), {
      ...{ runId: 'run-1', state, readiness: evaluate(state), timeline: [], decisions: [] },
    });
    await expect(foreign).rejects.toThrow(`There is no post ${post.postId} to project to`);
    expect((await seen(post)).at).toEqual([0, 0]);
  });
});
