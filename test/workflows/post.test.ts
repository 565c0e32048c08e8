import {
  approve,
  connectProfile,
  createPost,
  eventually,
  ledgerOf,
  rowOf,
  startPost,
  startWorld,
  type World,
} from '../support/world.ts';

let world: World;
beforeAll(async () => {
  world = await startWorld();
});
afterAll(async () => {
  await world.stop();
});

const day = 24 * 3_600_000;

test('takes a text post through two gates, sleeps for three weeks, and publishes it once', async () => {
  const profile = await connectProfile(world);
  const dueAtMs = (await world.now()) + 21 * day;
  const post = await createPost(world, [profile], { dueAtMs });
  const handle = await startPost(world, post);
  await approve(world, post.postId, ['content', 'publish']);
  expect((await rowOf(world, post.postId)).status).toBe('SCHEDULED');
  expect(await ledgerOf(world, profile.externalId)).toEqual([]);
  await handle.result();
  const row = await rowOf(world, post.postId);
  expect(row.status).toBe('PUBLISHED');
  const entries = await ledgerOf(world, profile.externalId);
  expect(entries.map((entry) => entry.text)).toEqual([post.content.copy]);
  expect(await world.now()).toBeGreaterThanOrEqual(dueAtMs);
  const history = await handle.fetchHistory();
  console.log(
    history.events!.map((e) => `${e.eventId} ${e.eventType}`).length,
    history
      .events!.map((e) => Object.keys(e).find((k) => k.endsWith('EventAttributes') && (e as any)[k]))
      .join('\n'),
  );
  await eventually(async () => true);
});
