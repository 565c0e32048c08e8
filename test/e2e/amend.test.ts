import {
  type Gatepost,
  type Person,
  type Post,
  type Profile,
  startGatepost,
} from '@gatepost/gatepost/testing';
import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import { amendmentWorkflowId } from '../../workflows/ids.ts';
import { replayNow } from '../support/histories.ts';

/** What stands in public is changed on somebody's word and on somebody else's approval, once, and to what was approved. */

let gatepost: Gatepost;
beforeAll(async () => {
  gatepost = await startGatepost();
});
afterEach(() => gatepost.platforms.recover());
afterAll(async () => {
  await gatepost.stop();
});

async function publish(...profiles: Profile[]): Promise<Post> {
  const post = await gatepost.posts.create({
    ...{ profiles, copy: `We open on Sunday ${profiles[0]!.externalId}` },
    dueAt: gatepost.clock.in({ hours: 1 }),
  });
  await gatepost.posts.approve(post, 'content', 'publish');
  await gatepost.clock.advance({ hours: 2 });
  expect((await gatepost.posts.read(post)).status).toBe('PUBLISHED');
  return post;
}
const amend = ({ id }: Post, body: object, person: Person = gatepost.people.author) =>
  person.send('POST', `/posts/${id}/amend`, { body });
const decide = async (post: Post, fields: object = {}, person: Person = gatepost.people.reviewer) => {
  const { amendment } = await gatepost.posts.read(post);
  const body = { verdict: 'approve', hash: amendment?.hash, ...fields };
  return person.send('POST', `/posts/${post.id}/amend/decisions`, { body, key: null });
};
const amendedOf = async (profile: Profile) =>
  ((await gatepost.ledger.entries(profile))[0]!.amendments ?? []).map(({ text }) => text);
const typesOf = async (post: Post) => (await gatepost.posts.timeline(post)).events.map(({ type }) => type);
const targetIdsOf = async (post: Post) => (await gatepost.posts.read(post)).targets.map(({ id }) => id);

test('goes out once everywhere when somebody else has approved it, and says what was approved', async () => {
  const page = await gatepost.profiles.connect('linkedin', 'organization');
  const other = await gatepost.profiles.connect('facebook');
  const post = await publish(page, other);
  const proposed = await amend(post, { copy: 'We open on Saturday' });
  expect(proposed).toMatchObject({ status: 200, body: { state: 'PROPOSED', decisions: [] } });
  expect(await amend(post, { copy: 'Another' })).toMatchObject({
    status: 409,
    body: { code: 'amendment-open' },
  });
  const { author, viewer } = gatepost.people;
  expect(await decide(post, {}, author)).toMatchObject({ body: { code: 'author-may-not-decide' } });
  expect(await decide(post, {}, viewer)).toMatchObject({ status: 403, body: { code: 'may-not-decide' } });
  expect(await decide(post, { hash: 'f'.repeat(64) })).toMatchObject({ body: { code: 'stale-hash' } });
  await gatepost.clock.advance({ hours: 1 });
  expect(await amendedOf(page)).toEqual([]);

  const approved = await decide(post);
  expect(approved).toMatchObject({ status: 200, body: { state: 'SENDING' } });
  expect((await decide(post)).status).toBe(200);
  await gatepost.clock.advance({ minutes: 5 });
  for (const profile of [page, other]) {
    expect(await gatepost.ledger.entries(profile)).toHaveLength(1);
    expect(await amendedOf(profile)).toEqual(['We open on Saturday']);
  }
  expect(
    await gatepost.platforms.requests({ operation: 'linkedin.posts.update', profile: page }),
  ).toHaveLength(1);
  const { amendment, status } = await gatepost.posts.read(post);
  expect(status).toBe('PUBLISHED');
  expect(amendment).toMatchObject({
    ...{ id: proposed.body.id, hash: proposed.body.hash, state: 'DONE', closedAt: expect.any(String) },
    decisions: [{ verdict: 'approve', memberName: gatepost.people.reviewer.name }],
  });
  expect(amendment!.targets.map(({ copy, state }) => `${copy} ${state}`)).toEqual([
    'We open on Saturday AMENDED',
    'We open on Saturday AMENDED',
  ]);
  const revision = (await gatepost.posts.revisions(post)).find(({ id }) => id === amendment!.revisionId);
  expect(revision!.hashes.content).toBe(amendment!.hash);
  const types = await typesOf(post);
  expect(types.filter((type) => type === 'target.amended')).toHaveLength(2);
  expect(types).toEqual(expect.arrayContaining(['post.amendment-proposed', 'post.amendment-approved']));
  const workflowId = amendmentWorkflowId({ tenantId: gatepost.tenantId, requestId: amendment!.id });
  expect(await replayNow({ gatepost }, { workflowId }, 'amended')).toBeNull();

  // The next one begins from what stands there now.
  const [, second] = await targetIdsOf(post);
  const next = await amend(post, { targets: [{ targetId: second, copy: 'We open on Monday' }] });
  expect(next.body.targets).toHaveLength(1);
  const { content } = (await gatepost.posts.revisions(post)).at(-1)!.hashes;
  expect(content).toBe(next.body.hash);
  expect((await gatepost.posts.revisions(post)).at(-1)!.targets[0]!.copy).toBe('We open on Saturday');
});

test('names everything that stands against it at once, at each target', async () => {
  const channel = await gatepost.profiles.connect('x');
  const page = await gatepost.profiles.connect('linkedin', 'organization');
  const post = await publish(channel, page);
  const [onX, onPage] = await targetIdsOf(post);
  const targets = [
    { targetId: '00000000-0000-4000-8000-000000000000', copy: 'Nowhere' },
    { targetId: onX, copy: 'Short' },
    { targetId: onPage, copy: 'long '.repeat(700), title: 'A title' },
  ];
  const refused = await amend(post, { targets });
  expect(refused).toMatchObject({ status: 422, body: { code: 'invalid-amendment' } });
  const named = refused.body.errors.map(({ path, code }: never) => `${path} ${code}`);
  expect(named).toEqual(
    expect.arrayContaining([
      '/targets/0/targetId unknown-target',
      '/targets/1/targetId amend-unsupported',
      '/targets/2/title amend-unsupported',
      '/targets/2/copy text-too-long',
    ]),
  );
  expect((await gatepost.posts.read(post)).amendment).toBeNull();
  const same = await amend(post, {
    targets: [{ targetId: onPage, copy: (await gatepost.posts.read(post)).revision.copy }],
  });
  expect(same.body.errors).toMatchObject([{ path: '/targets/0', code: 'nothing-to-change' }]);
  expect(await amend(post, {})).toMatchObject({ status: 400 });
  expect(await amend(post, { copy: 'Mine' }, gatepost.people.designer)).toMatchObject({ status: 403 });
});

test('is rejected with notes, called off, and proposed again', async () => {
  const page = await gatepost.profiles.connect('linkedin', 'organization');
  const post = await publish(page);
  expect(await decide(post)).toMatchObject({
    status: expect.any(Number),
    body: { code: expect.any(String) },
  });
  await amend(post, { copy: 'Too loud!' });
  expect(await decide(post, { verdict: 'reject' })).toMatchObject({ body: { code: 'notes-required' } });
  expect(await decide(post, { verdict: 'reject', notes: 'Calmer' })).toMatchObject({
    body: { state: 'REJECTED', decisions: [{ notes: 'Calmer' }] },
  });
  expect(await decide(post)).toMatchObject({ status: 409, body: { code: 'no-open-amendment' } });
  await amend(post, { copy: 'Calmer' });
  const withdraw = () =>
    gatepost.people.author.send('POST', `/posts/${post.id}/amend/withdraw`, { body: {} });
  expect(await withdraw()).toMatchObject({ status: 200, body: { state: 'WITHDRAWN' } });
  expect(await withdraw()).toMatchObject({ status: 409, body: { code: 'no-open-amendment' } });
  expect(await decide(post)).toMatchObject({ status: 409 });
  expect((await amend(post, { copy: 'Calm' })).status).toBe(200);
  await decide(post);
  await gatepost.clock.advance({ minutes: 5 });
  expect(await amendedOf(page)).toEqual(['Calm']);
  expect(await typesOf(post)).toEqual(
    expect.arrayContaining(['post.amendment-rejected', 'post.amendment-withdrawn']),
  );
});

test('says it once where the answer was lost, and why where the platform refuses', async () => {
  const page = await gatepost.profiles.connect('linkedin', 'organization');
  const other = await gatepost.profiles.connect('linkedin', 'organization');
  const post = await publish(page, other);
  await gatepost.platforms.fail('linkedin.posts.update', 'accept-then-reset', { profile: page, times: 2 });
  await gatepost.platforms.fail('linkedin.posts.update', 'refuse', { profile: other });
  await amend(post, { copy: 'Once and for all' });
  await decide(post);
  await gatepost.clock.advance({ hours: 1 });
  expect(await amendedOf(page)).toEqual(['Once and for all']);
  expect(await amendedOf(other)).toEqual([]);
  const { amendment } = await gatepost.posts.read(post);
  expect(amendment!.state).toBe('DONE');
  const ends = Object.fromEntries(amendment!.targets.map((one) => [one.targetId, one]));
  const [first, second] = await targetIdsOf(post);
  expect(ends[first!]).toMatchObject({ state: 'AMENDED', error: null });
  expect(ends[second!]).toMatchObject({ state: 'FAILED', error: { code: 'rejected' } });
  expect(await typesOf(post)).toContain('target.amendment-failed');
  const workflowId = amendmentWorkflowId({ tenantId: gatepost.tenantId, requestId: amendment!.id });
  expect(await replayNow({ gatepost }, { workflowId }, 'amendment-refused')).toBeNull();
});

test('waits while a hold stands, and changes nothing that is being taken down', async () => {
  const page = await gatepost.profiles.connect('linkedin', 'organization');
  const post = await publish(page);
  const { admin, author } = gatepost.people;
  const hold = await admin.send('POST', '/holds', {
    body: { scope: 'profile', profileId: page.id, reason: 'Storm' },
  });
  await amend(post, { copy: 'After the storm' });
  await decide(post);
  await gatepost.clock.advance({ hours: 2 });
  expect(await amendedOf(page)).toEqual([]);
  expect((await admin.send('POST', `/holds/${hold.body.hold.id}/lift`)).status).toBe(200);
  await gatepost.clock.advance({ hours: 1 });
  expect(await amendedOf(page)).toEqual(['After the storm']);

  await amend(post, { copy: 'Too late' });
  await author.send('POST', `/posts/${post.id}/unpublish`, { body: {} });
  await gatepost.clock.untilQuiet();
  await decide(post);
  await gatepost.clock.advance({ hours: 1 });
  expect(await amendedOf(page)).toEqual(['After the storm']);
  const { amendment } = await gatepost.posts.read(post);
  expect(amendment!.targets).toMatchObject([{ state: 'FAILED', error: { code: 'removed' } }]);
});
