import { type Gatepost, type Post, type Profile, startGatepost } from '@gatepost/gatepost/testing';
import { afterAll, beforeAll, expect, test } from '@jest/globals';

/** What failed is sent again on somebody's word: that alone, in its order, and never what is out or may be. */

let gatepost: Gatepost;
beforeAll(async () => {
  gatepost = await startGatepost();
});
afterAll(async () => {
  await gatepost.stop();
});

const texts = { thread: ['Second of three', 'Third of three'], firstComment: 'The address is below' };

/** Publishes a post to its targets, as far as the platforms let it. */
async function publish(profiles: readonly Profile[], fields: object = {}): Promise<Post> {
  const { author, reviewer, admin } = gatepost.people;
  const dueAt = gatepost.clock.in({ hours: 1 }).toISOString();
  const copy = `First of three ${profiles[0]!.externalId}`;
  const targets = profiles.map(({ id }) => ({ profileId: id, ...fields }));
  const body = { type: 'TEXT_ONLY', copy, targets, dueAt, submit: true };
  const created = await author.send('POST', '/posts', { body });
  expect(created.status).toBe(201);
  const post = { id: created.body.id as string, profiles };
  await gatepost.posts.by(reviewer).approve(post, 'content');
  await gatepost.posts.by(admin).approve(post, 'publish');
  await gatepost.clock.advance({ hours: 2 });
  return post;
}
const retry = (post: Post, body: object = {}) =>
  gatepost.people.author.send('POST', `/posts/${post.id}/retry`, { body });
const partsOf = async (post: Post) =>
  (await gatepost.posts.read(post)).targets[0]!.parts.map(({ part, state }) => `${part} ${state}`);
const shownOf = async (profile: Profile) =>
  (await gatepost.ledger.entries(profile)).map(({ text, parentId, publicId }) => ({
    text,
    parentId,
    publicId,
  }));

test('sends the failed target of a post that is out elsewhere, and the others stay as they are', async () => {
  const [channel, page, blog] = [
    await gatepost.profiles.connect('x'),
    await gatepost.profiles.connect('linkedin', 'organization'),
    await gatepost.profiles.connect('mastodon'),
  ];
  await gatepost.platforms.fail('linkedin.posts.create', 'refuse', { profile: page });
  const post = await publish([channel, page, blog]);
  const before = await gatepost.posts.read(post);
  expect(before.status).toBe('PARTIALLY_PUBLISHED');
  expect(before.targets.map(({ phase }) => phase)).toEqual(['PUBLISHED', 'FAILED', 'PUBLISHED']);

  expect(await retry(post)).toMatchObject({ status: 200 });
  await gatepost.clock.advance({ minutes: 5 });
  const after = await gatepost.posts.read(post);
  expect(after.status).toBe('PUBLISHED');
  expect(after.targets.map(({ phase, cycle }) => `${phase} ${cycle}`)).toEqual([
    'PUBLISHED 1',
    'PUBLISHED 2',
    'PUBLISHED 1',
  ]);
  for (const index of [0, 2]) expect(after.targets[index]).toEqual(before.targets[index]);
  for (const profile of [channel, page, blog]) expect(await gatepost.ledger.entries(profile)).toHaveLength(1);
  const sent = await gatepost.platforms.requests({ operation: 'x.posts.create', profile: channel });
  expect(sent).toHaveLength(1);
  expect(await retry(post)).toMatchObject({ status: 409, body: { code: 'post-closed' } });
});

test('sends the rest of a thread again from the part that failed, once, and not the comment that is out', async () => {
  const profile = await gatepost.profiles.connect('x');
  await gatepost.platforms.fail('x.replies.create', 'refuse', { profile });
  const post = await publish([profile], texts);
  expect(await partsOf(post)).toEqual(['1 FAILED', '2 LEFT_OUT', '3 PUBLISHED']);
  const [target] = (await gatepost.posts.read(post)).targets;
  expect(target!.parts.map(({ error }) => error?.code)).toEqual(['rejected', 'left-out', undefined]);

  // Two people at once, and one of them twice under one key.
  const { admin, author } = gatepost.people;
  const path = `/posts/${post.id}/retry`;
  const answers = await Promise.all([
    author.send('POST', path, { body: {}, key: 'again' }),
    admin.send('POST', path, { body: {} }),
  ]);
  expect(answers.map(({ status }) => status)).toContain(200);
  expect((await author.send('POST', path, { body: {}, key: 'again' })).status).toBe(answers[0]!.status);
  await gatepost.clock.advance({ minutes: 5 });
  const [first, comment, second, third, ...more] = await shownOf(profile);
  expect(more).toEqual([]);
  expect(comment).toMatchObject({ text: texts.firstComment });
  expect(second).toMatchObject({ text: texts.thread[0], parentId: first!.publicId });
  expect(third).toMatchObject({ text: texts.thread[1], parentId: second!.publicId });
  expect(await partsOf(post)).toEqual(['1 PUBLISHED', '2 PUBLISHED', '3 PUBLISHED']);
  const { events } = await gatepost.posts.timeline(post);
  const told = events.filter(({ type }) => type === 'target.parts-retried');
  expect(told).toHaveLength(1);
  expect(told[0]).toMatchObject({ actorName: expect.any(String), data: { targetId: target!.id, cycle: 2 } });
  expect(events.map(({ type }) => type)).toEqual(expect.arrayContaining(['part.refused', 'part.left-out']));
  expect((await retry(post)).status).toBe(409);
});

test('looks a doubtful part up before anything is sent again, and finds it', async () => {
  const profile = await gatepost.profiles.connect('x');
  await gatepost.platforms.fail('x.replies.create', 'accept-then-reset', { profile });
  for (const operation of ['x.posts.search', 'x.posts.list'] as const)
    await gatepost.platforms.fail(operation, 'error-before-accept', { profile, times: 'always' });
  const post = await publish([profile], { thread: texts.thread });
  expect(await partsOf(post)).toEqual(['1 UNCONFIRMED', '2 LEFT_OUT']);
  await gatepost.platforms.recover();
  expect((await retry(post)).status).toBe(200);
  await gatepost.clock.advance({ hours: 1 });
  expect(await partsOf(post)).toEqual(['1 PUBLISHED', '2 PUBLISHED']);
  const shown = await shownOf(profile);
  expect(shown.map(({ text }) => text).slice(1)).toEqual(texts.thread);
  expect(shown[2]!.parentId).toBe(shown[1]!.publicId);
});

test('refuses a part that may be out and that the platform does not show, and says what to do', async () => {
  const profile = await gatepost.profiles.connect('linkedin', 'member');
  await gatepost.platforms.fail('linkedin.comments.create', 'accept-then-reset', { profile });
  const post = await publish([profile], { firstComment: texts.firstComment });
  expect(await partsOf(post)).toEqual(['1 UNCONFIRMED']);
  expect(await retry(post)).toMatchObject({
    status: 409,
    body: { code: 'part-in-doubt', detail: expect.stringContaining('part 1') },
  });
  await gatepost.clock.advance({ hours: 1 });
  expect(await gatepost.ledger.entries(profile)).toHaveLength(2);
});

test('sends nothing below a post that has been taken down, nor while a round is under way', async () => {
  const profile = await gatepost.profiles.connect('x');
  await gatepost.platforms.fail('x.replies.create', 'refuse', { profile });
  const post = await publish([profile], { thread: texts.thread });
  await gatepost.platforms.fail('x.replies.create', 'throttle', { profile, retryAfterSeconds: 600 });
  expect((await retry(post)).status).toBe(200);
  await gatepost.clock.untilQuiet();
  expect(await retry(post)).toMatchObject({ status: 409 });
  await gatepost.clock.advance({ hours: 1 });
  expect(await partsOf(post)).toEqual(['1 PUBLISHED', '2 PUBLISHED']);

  const other = await gatepost.profiles.connect('x');
  await gatepost.platforms.fail('x.replies.create', 'refuse', { profile: other });
  const removed = await publish([other], { thread: texts.thread });
  await gatepost.people.author.send('POST', `/posts/${removed.id}/unpublish`, { body: {} });
  await gatepost.clock.untilQuiet();
  expect((await retry(removed)).status).toBe(409);
  await gatepost.clock.advance({ minutes: 5 });
  expect(await gatepost.ledger.entries(other)).toHaveLength(1);
});
