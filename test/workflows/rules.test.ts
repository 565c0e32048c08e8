import { forTenant } from '../../db/tenant-database.ts';
import { type Post, waitsFor } from '../../testing/posts.ts';
import type { Profile } from '../../testing/profiles.ts';
import { startWorld, type World } from '../support/world.ts';

/**
 * What a platform takes is judged when a post is written, at each approval and before a target is armed. What has changed
 * meanwhile is played by what is known of a picture: its row says another size than when the post was written.
 */

let world: World;
beforeAll(async () => {
  world = await startWorld();
});
afterAll(() => world.stop());

async function writePost(): Promise<{ post: Post; profile: Profile; mediaId: string }> {
  const { profiles, media, posts, clock } = world.gatepost;
  const profile = await profiles.connect('instagram');
  const medium = await media.picture();
  const post = await posts.create({ profiles: [profile], media: [medium], dueAt: clock.in({ hours: 2 }) });
  return { post, profile, mediaId: medium.mediaId };
}

/** Ten times as wide as high: Instagram takes 1.91 at most. */
const makeTooWide = (mediaId: string) =>
  world.tenant.updateTable('media').set({ width: 5_000, height: 500 }).where('id', '=', mediaId).execute();
const makeRight = (mediaId: string) =>
  world.tenant.updateTable('media').set({ width: 1_080, height: 1_080 }).where('id', '=', mediaId).execute();
const brokenRule = { path: '/media/0', code: 'aspect-ratio', limit: '0.8:1 to 1.91:1', actual: '10.000:1' };

test('nobody approves what the platform would refuse by now; once it is right again, they do', async () => {
  const { posts, clock, ledger } = world.gatepost;
  const { post, mediaId } = await writePost();
  await posts.approve(post, 'content');
  await makeTooWide(mediaId);
  await expect(posts.approve(post, 'design')).rejects.toMatchObject({
    ...{ status: 422, code: 'invalid-post' },
    reply: { body: { errors: [brokenRule] } },
  });
  expect(waitsFor(await posts.read(post))).toContain('gate:design');
  // Who says no is not asked whether it would have gone out.
  await posts.reject(post, 'design', { notes: 'Too wide' });
  await makeRight(mediaId);
  await posts.edit(post, { media: [{ mediaId, altText: 'The same, in other words' }] });
  await posts.approve(post, 'design');
  await makeTooWide(mediaId);
  await expect(posts.approve(post, 'publish')).rejects.toMatchObject({ code: 'invalid-post' });
  await expect(posts.publishNow(post)).rejects.toMatchObject({ code: 'invalid-post' });
  await makeRight(mediaId);
  await posts.approve(post, 'publish');
  expect((await clock.advanceToDue(post)).status).toBe('PUBLISHED');
  await ledger.expectOnce(post);
});

test('what changes after the last approval is not sent, says why, and goes out on a retry once it is right', async () => {
  const { posts, clock, ledger } = world.gatepost;
  const { post, mediaId } = await writePost();
  await posts.approve(post, 'content', 'design', 'publish');
  await makeTooWide(mediaId);
  expect((await clock.advanceToDue(post)).status).toBe('FAILED');
  await ledger.expectNothing(post);
  const [target] = (await posts.read(post)).targets;
  expect(target!.error).toEqual({
    code: 'rules-broken',
    message: 'instagram would refuse it: media[0]: 5000 x 500 is 10.000:1, allowed is 0.8:1 to 1.91:1',
  });
  const { events } = await posts.timeline(post);
  expect(events.filter(({ type }) => type === 'target.failed')).toHaveLength(1);
  await makeRight(mediaId);
  await posts.retry(post);
  await clock.advance({ minutes: 5 });
  expect((await posts.read(post)).status).toBe('PUBLISHED');
  await ledger.expectOnce(post);
});

test('what changes between preparing and arming is not sent either', async () => {
  const { posts, clock, ledger } = world.gatepost;
  const { post, mediaId } = await writePost();
  await posts.approve(post, 'content', 'design', 'publish');
  // Containers are made minutes before.
  await clock.advance({ minutes: 119 });
  const [target] = (await posts.read(post)).targets;
  const prepared = forTenant(world.pool, world.tenantId).selectFrom('preparations').select('target_id');
  expect(await prepared.where('target_id', '=', target!.id).execute()).toHaveLength(1);
  await makeTooWide(mediaId);
  expect((await clock.advanceToDue(post)).status).toBe('FAILED');
  await ledger.expectNothing(post);
});
