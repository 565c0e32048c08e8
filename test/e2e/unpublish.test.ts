import { type Gatepost, type Post, type Profile, startGatepost } from '@gatepost/gatepost/testing';
import { afterAll, beforeAll, expect, test } from '@jest/globals';

/** What went public is taken down on somebody's word: what stands below a post first, and the rows say how it went. */

let gatepost: Gatepost;
beforeAll(async () => {
  gatepost = await startGatepost();
});
afterAll(async () => {
  await gatepost.stop();
});

const texts = { thread: ['And music from noon'], firstComment: 'The address is below' };

/** Publishes a post, with what follows it. */
async function publish(profile: Profile, fields: object = {}): Promise<Post> {
  const { author, reviewer, admin } = gatepost.people;
  const dueAt = gatepost.clock.in({ hours: 1 }).toISOString();
  const created = await author.send('POST', '/posts', {
    body: {
      type: 'TEXT_ONLY',
      copy: `We open on Saturday ${profile.externalId}`,
      targets: [{ profileId: profile.id, ...fields }],
      dueAt,
      submit: true,
    },
  });
  expect(created.status).toBe(201);
  const post = { id: created.body.id as string, profiles: [profile] };
  await gatepost.posts.by(reviewer).approve(post, 'content');
  await gatepost.posts.by(admin).approve(post, 'publish');
  await gatepost.clock.advance({ hours: 2 });
  return post;
}
const unpublish = (post: Post, body: object = {}) =>
  gatepost.people.author.send('POST', `/posts/${post.id}/unpublish`, { body });

test('takes down a thread from its end, once, and says so', async () => {
  const profile = await gatepost.profiles.connect('x');
  const post = await publish(profile, texts);
  expect(await gatepost.ledger.entries(profile)).toHaveLength(3);
  const asked = await unpublish(post);
  expect(asked.status).toBe(202);
  expect(asked.body.removals.map(({ part, state }: never) => `${part} ${state}`)).toHaveLength(3);
  await gatepost.clock.untilQuiet();
  const entries = await gatepost.ledger.entries(profile);
  expect(entries.every(({ removedAt }) => removedAt !== undefined)).toBe(true);
  const [first, ...below] = entries;
  for (const part of below)
    expect(Date.parse(part.removedAt!)).toBeLessThanOrEqual(Date.parse(first!.removedAt!));
  const view = await gatepost.posts.read(post);
  expect(view.status).toBe('PUBLISHED');
  expect(view.targets[0]).toMatchObject({ phase: 'PUBLISHED', removedAt: expect.any(String) });
  const { events } = await gatepost.posts.timeline(post);
  expect(events.map(({ type }) => type)).toEqual(
    expect.arrayContaining(['post.removal-requested', 'part.removed', 'target.removed']),
  );
  expect(await unpublish(post)).toMatchObject({ status: 409, body: { code: 'nothing-to-unpublish' } });
});

test('tries again what the platform cannot do now, and says why it cannot be done at all', async () => {
  const profile = await gatepost.profiles.connect('x');
  const post = await publish(profile);
  await gatepost.platforms.fail('x.posts.delete', 'error-before-accept', { profile, times: 2 });
  await unpublish(post);
  await gatepost.clock.advance({ minutes: 5 });
  expect((await gatepost.ledger.entries(profile))[0]).toHaveProperty('removedAt');

  const refused = await publish(profile, { copy: 'Another one' });
  await gatepost.platforms.fail('x.posts.delete', 'refuse', { profile });
  await unpublish(refused);
  await gatepost.clock.untilQuiet();
  expect((await gatepost.posts.read(refused)).targets[0]).toMatchObject({ removedAt: null });
  const { events } = await gatepost.posts.timeline(refused);
  expect(events.find(({ type }) => type === 'target.removal-failed')?.data).toMatchObject({
    errorCode: 'rejected',
  });
  // Asked again, it works.
  expect((await unpublish(refused)).status).toBe(202);
  await gatepost.clock.untilQuiet();
  expect((await gatepost.posts.read(refused)).targets[0]!.removedAt).not.toBeNull();
});

test('refuses where the platform lets nobody, and what has not been published', async () => {
  const page = await gatepost.profiles.connect('instagram');
  const channel = await gatepost.profiles.connect('x');
  const unborn = await gatepost.posts.create({ profiles: [channel] });
  expect(await unpublish(unborn)).toMatchObject({ status: 409, body: { code: 'nothing-to-unpublish' } });
  const picture = await gatepost.media.picture();
  const post = await gatepost.posts.create({
    profiles: [page],
    media: [picture],
    dueAt: gatepost.clock.in({ hours: 1 }),
  });
  await gatepost.posts.approve(post, 'content', 'design', 'publish');
  await gatepost.clock.advanceToDue(post);
  expect(await unpublish(post)).toMatchObject({ status: 409, body: { code: 'removal-unsupported' } });
});
