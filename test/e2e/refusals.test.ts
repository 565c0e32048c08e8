import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  approve,
  type ConnectedProfile,
  decide,
  edit,
  expectStatus,
  inSeconds,
  type Live,
  type LiveTenant,
  type Reply,
  readPost,
  readTimeline,
  schedule,
  startLive,
  submitText,
  waitForEvent,
  waitForStatus,
  within,
} from '../support/live.ts';

let live: Live;
let tenant: LiveTenant;
let profile: ConnectedProfile;

beforeAll(async () => {
  // Long enough to meet a post while it is armed.
  live = await startLive({ armLeadMs: 4_000 });
  tenant = await live.createTenant();
  profile = await tenant.connect();
}, 90_000);
afterAll(() => live?.stop(), 60_000);

/**
 * Everything that a refused request could have changed, once the rows tell what the run has written. The timeline shows an
 * event when no transaction of the server that began before it is open: a neighbour's may be.
 */
async function everythingAbout(postId: string) {
  await within(20_000, `the rows of ${postId} tell its story`, async () => {
    const written = (await live.storyOf(tenant, postId)).at(-1)?.version;
    const rows = await live.query(
      `select from posts where id = $1 and projection_version >= $2 and not exists (
        select from post_events where post_id = $1 and transaction_id >= pg_snapshot_xmin(pg_current_snapshot()))`,
      [postId, written],
    );
    return rows.length === 1;
  });
  const { events, decisions, publications } = await readTimeline(tenant.second, postId);
  return {
    post: await readPost(tenant.second, postId),
    run: await live.stateOf(tenant, postId),
    ...{ events, decisions, publications },
  };
}

async function expectRefusal(postId: string, send: () => Promise<Reply>, status: number, code: string) {
  const before = await everythingAbout(postId);
  const reply = await send();
  expect([reply.status, reply.body?.code]).toEqual([status, code]);
  expect(reply.headers.get('content-type')).toContain('application/problem+json');
  expect(reply.body).toMatchObject({ status, requestId: reply.headers.get('x-request-id') });
  expect(reply.body.detail).not.toBe('');
  expect(await everythingAbout(postId)).toEqual(before);
}

describe('a post that waits at its content gate', () => {
  let postId: string;
  beforeAll(async () => {
    postId = await submitText(tenant.author, [profile]);
    await waitForEvent(tenant.viewer, postId, 'gate.opened');
  });
  const hashes = async () => (await readPost(tenant.second, postId)).revision.hashes;
  const command = (person: keyof Omit<LiveTenant, 'id' | 'connect'>, verb: string, body: unknown) =>
    tenant[person].send('POST', `/posts/${postId}/${verb}`, { body });

  const refusals: [string, number, string, () => Promise<Reply>][] = [
    [
      'a hash that nobody sees any more',
      409,
      'stale-hash',
      () => decide(tenant.reviewer, postId, 'content', { hash: 'a'.repeat(64) }),
    ],
    [
      'a role that the policy does not name',
      403,
      'may-not-decide',
      () => decide(tenant.designer, postId, 'content'),
    ],
    ['a viewer', 403, 'may-not-decide', () => decide(tenant.viewer, postId, 'content')],
    ['the author', 403, 'author-may-not-decide', () => decide(tenant.author, postId, 'content')],
    ['a gate that is not open', 409, 'gate-not-open', () => decide(tenant.reviewer, postId, 'publish')],
    [
      'a gate that the type does not pass',
      409,
      'gate-not-open',
      () => decide(tenant.reviewer, postId, 'design'),
    ],
    [
      'a rejection without notes',
      422,
      'notes-required',
      () => decide(tenant.reviewer, postId, 'content', { verdict: 'reject' }),
    ],
    [
      'a rejection with blank notes',
      422,
      'notes-required',
      () => decide(tenant.reviewer, postId, 'content', { verdict: 'reject', notes: ' \n ' }),
    ],
    [
      'a return to another gate',
      422,
      'invalid-return',
      () =>
        decide(tenant.reviewer, postId, 'content', { verdict: 'reject', notes: 'No', returnTo: 'publish' }),
    ],
    [
      'publish-now while a gate is open',
      409,
      'gate-open',
      async () => command('second', 'publish-now', { hash: (await hashes()).publish }),
    ],
    [
      'publish-now of what nobody sees any more',
      409,
      'stale-hash',
      () => command('second', 'publish-now', { hash: 'b'.repeat(64) }),
    ],
    ['a second submission', 409, 'already-submitted', () => command('author', 'submit', {})],
    [
      'a due time that has passed',
      422,
      'due-time-passed',
      () => command('author', 'schedule', { dueAt: inSeconds(-1).toISOString() }),
    ],
    ['a retry of nothing', 409, 'nothing-to-retry', () => command('author', 'retry', {})],
    ['a viewer`s cancel', 403, 'forbidden', () => command('viewer', 'cancel', {})],
    [
      'an edit of what somebody else has edited',
      412,
      'if-match-failed',
      () =>
        tenant.author.send('PATCH', `/posts/${postId}`, { body: { copy: 'Stale words' }, ifMatch: '"0"' }),
    ],
    [
      'an edit that says nothing of what it was made from',
      428,
      'if-match-missing',
      () => tenant.author.send('PATCH', `/posts/${postId}`, { body: { copy: 'Blind words' } }),
    ],
    [
      'a designer`s words',
      403,
      'forbidden',
      () => edit(tenant.designer, postId, { copy: 'From the designer' }),
    ],
  ];
  test.each(refusals)('refuses %s with %i %s and changes nothing', (_, status, code, send) =>
    expectRefusal(postId, send, status, code),
  );

  test('is not there for another tenant, whatever is asked of it', async () => {
    const other = await live.createTenant();
    const { content: hash } = await hashes();
    const before = await everythingAbout(postId);
    const path = `/posts/${postId}`;
    const replies = [
      await other.second.send('GET', path),
      await other.second.send('GET', `${path}/timeline`),
      await other.second.send('PATCH', path, { body: { copy: 'Ours now' }, ifMatch: '"1"' }),
      await other.second.send('POST', `${path}/decisions`, {
        body: { gate: 'content', verdict: 'approve', hash },
      }),
      await other.second.send('POST', `${path}/cancel`, { body: {} }),
      await other.root.send('POST', `${path}/cancel`, { body: {} }),
    ];
    const nowhere = await other.second.send('GET', `/posts/${randomUUID()}`);
    for (const { body, status } of replies)
      expect({ status, ...body, requestId: '' }).toEqual({ ...nowhere.body, requestId: '' });
    expect(await everythingAbout(postId)).toEqual(before);
  });
});

test('counts a vote once: the same words are answered again, another key is refused', async () => {
  const postId = await submitText(tenant.author, [profile]);
  const { gates } = await readPost(tenant.reviewer, postId);
  const body = { gate: 'content', verdict: 'approve', hash: gates.content.hash };
  const vote = (key: string | null) =>
    tenant.reviewer.send('POST', `/posts/${postId}/decisions`, { body, key });
  const first = expectStatus(await vote(null), 200);
  expect(first.body.post.repeated).toBe(false);
  const before = await everythingAbout(postId);
  const again = expectStatus(await vote(null), 200);
  const { id, status, revisionId } = first.body.post;
  expect(again.body.post).toMatchObject({ id, status, revisionId, repeated: true });
  const underAnotherKey = await vote(randomUUID());
  expect([underAnotherKey.status, underAnotherKey.body.code]).toEqual([409, 'already-voted']);
  const bySomebodyElse = await decide(tenant.second, postId, 'content');
  expect([bySomebodyElse.status, bySomebodyElse.body.code]).toEqual([409, 'gate-already-decided']);
  expect(await everythingAbout(postId)).toEqual(before);
});

test('refuses every change while a post is being sent, and the post goes out once as approved', async () => {
  const { author, reviewer, viewer } = tenant;
  const own = await tenant.connect();
  const copy = `On its way ${randomUUID()}`;
  const postId = await submitText(author, [own], { copy });
  await approve(reviewer, postId, 'content', 'publish');
  await live.control('POST', '/faults', {
    operation: 'linkedin.posts.create',
    externalId: own.externalId,
    kind: 'delay',
    ms: 6_000,
  });
  expectStatus(await schedule(author, postId, inSeconds(1)), 200);
  await waitForEvent(viewer, postId, 'target.sending');
  const before = await everythingAbout(postId);
  const path = `/posts/${postId}`;
  const replies = [
    await edit(author, postId, { copy: 'Too late' }),
    await decide(reviewer, postId, 'content', { verdict: 'reject', notes: 'Too late' }),
    await author.send('POST', `${path}/cancel`, { body: {} }),
    await schedule(author, postId, inSeconds(60)),
    await author.send('POST', `${path}/withdraw`),
    await author.send('POST', `${path}/publish-now`, { body: { hash: before.post.gates.publish.hash } }),
  ];
  expect(replies.map((reply) => [reply.status, reply.body.code])).toEqual(
    replies.map(() => [409, 'already-publishing']),
  );
  const { post, decisions, publications } = await everythingAbout(postId);
  expect(await live.ledgerOf(own)).toEqual([]);
  expect({ post, decisions, publications }).toEqual({
    post: before.post,
    decisions: before.decisions,
    publications: before.publications,
  });
  const published = await waitForStatus(viewer, postId, 'PUBLISHED');
  expect(published.revision.copy).toBe(copy);
  expect((await live.ledgerOf(own)).map((entry) => entry.text)).toEqual([copy]);
  const closed = await edit(author, postId, { copy: 'Later still' });
  expect([closed.status, closed.body.code]).toEqual([409, 'post-closed']);
});

test('an edit that was accepted while the post was armed wins: only what is approved anew goes out', async () => {
  const { author, reviewer, viewer } = tenant;
  const own = await tenant.connect();
  const postId = await submitText(author, [own], { copy: `Before ${randomUUID()}` });
  await approve(reviewer, postId, 'content', 'publish');
  const firstDue = inSeconds(5);
  expectStatus(await schedule(author, postId, firstDue), 200);
  await waitForEvent(viewer, postId, 'target.armed');
  const copy = `After ${randomUUID()}`;
  const answer = expectStatus(await edit(author, postId, { copy }), 200);
  expect(answer.body.post.status).toBe('IN_REVIEW');
  await sleep(firstDue.getTime() + 500 - Date.now());
  expect(await live.ledgerOf(own)).toEqual([]);
  await approve(reviewer, postId, 'content', 'publish');
  expectStatus(await schedule(author, postId, inSeconds(1)), 200);
  await waitForStatus(viewer, postId, 'PUBLISHED');
  expect((await live.ledgerOf(own)).map((entry) => entry.text)).toEqual([copy]);
  const { publications, events } = await readTimeline(viewer, postId);
  expect(publications).toHaveLength(1);
  expect(events.map((event) => event.type)).toContain('target.disarmed');
});

test('a cancel that was accepted while the post was armed wins: nothing goes out', async () => {
  const { author, reviewer, viewer } = tenant;
  const own = await tenant.connect();
  const postId = await submitText(author, [own]);
  await approve(reviewer, postId, 'content', 'publish');
  const dueAt = inSeconds(5);
  expectStatus(await schedule(author, postId, dueAt), 200);
  await waitForEvent(viewer, postId, 'target.armed');
  const answer = expectStatus(await author.send('POST', `/posts/${postId}/cancel`, { body: {} }), 200);
  expect(answer.body.post.status).toBe('CANCELLED');
  await sleep(dueAt.getTime() + 1_500 - Date.now());
  expect(await live.ledgerOf(own)).toEqual([]);
  expect((await readPost(viewer, postId)).status).toBe('CANCELLED');
});

test('a cancel at the very instant either stops the post or is refused, and the answer is true', async () => {
  const { author, reviewer, viewer } = tenant;
  const dueAt = inSeconds(8);
  const offsetsMs = [-80, -50, -30, -20, -10, 0, 10, 20, 40, 80];
  const posts = await Promise.all(
    offsetsMs.map(async (offsetMs) => {
      const own = await tenant.connect();
      const postId = await submitText(author, [own], { dueAt: dueAt.toISOString() });
      await approve(reviewer, postId, 'content', 'publish');
      return { own, postId, offsetMs };
    }),
  );
  expect(Date.now()).toBeLessThan(dueAt.getTime() - 1_000);
  const outcomes = await Promise.all(
    posts.map(async ({ own, postId, offsetMs }) => {
      await sleep(dueAt.getTime() + offsetMs - Date.now());
      const { status, body } = await author.send('POST', `/posts/${postId}/cancel`, { body: {} });
      if (status !== 200) expect([status, body.code]).toContain(409);
      await waitForStatus(viewer, postId, status === 200 ? 'CANCELLED' : 'PUBLISHED');
      return { own, isCancelled: status === 200 };
    }),
  );
  await sleep(1_000);
  for (const { own, isCancelled } of outcomes)
    expect(await live.ledgerOf(own)).toHaveLength(isCancelled ? 0 : 1);
});
