import { setTimeout as sleep } from 'node:timers/promises';
import { replayNow } from '../support/histories.ts';
import {
  approve,
  connectProfile,
  createPost,
  ledgerOf,
  rowOf,
  startPost,
  startWorld,
  type World,
} from '../support/world.ts';

/*
 * A row that cannot be written at once is written by a normal activity instead. The failure of the first try stands in
 * the history, and a worker that has never seen the run must read it as the first one did.
 */

let world: World;
let passes = 0;
beforeAll(async () => {
  world = await startWorld({
    dependencies: {
      // Once, longer than the run waits for a local activity.
      failpoint: async (name) => {
        if (name === 'activity-completed' && ++passes === 1) await sleep(3_000);
      },
    },
  });
}, 60_000);
afterAll(() => world.stop());

test('a run whose outcome could not be written at once ends, and replays', async () => {
  const profile = await connectProfile(world, 'organization');
  const post = await createPost(world, [profile], { dueAtMs: (await world.now()) + 60_000 });
  const run = await startPost(world, post);
  await approve(world, post.postId, ['content', 'publish']);
  await run.result();
  expect(passes).toBe(2);
  expect((await rowOf(world, post.postId)).status).toBe('PUBLISHED');
  expect(await ledgerOf(world, profile.externalId)).toHaveLength(1);
  expect(await replayNow(world, post.postId, 'outcome-written-late')).toBeNull();
}, 40_000);
