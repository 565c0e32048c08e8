import { defaultRates, type Rates } from '../../domain/rates.ts';
import { replayNow } from '../support/histories.ts';
import {
  approve,
  connectProfile,
  createPost,
  eventually,
  ledgerOf,
  rowOf,
  startPost,
  startWorld,
  storeMedia,
  type TestPost,
  type TestProfile,
  type World,
} from '../support/world.ts';

/** Organizations take two posts in a day of Tokyo's. */
const rates: Rates = {
  ...defaultRates,
  linkedin: {
    ...defaultRates.linkedin,
    caps: [{ counts: 'profile', max: 2, window: { dayIn: 'Asia/Tokyo' } }],
  },
};

let world: World;
beforeAll(async () => {
  world = await startWorld({ dependencies: { rates } });
});
afterAll(() => world?.stop());

const hour = 3_600_000;
const minute = 60_000;

async function schedule(profile: TestProfile, dueAtMs: number): Promise<TestPost> {
  const isPicture = profile.platform === 'instagram';
  const post = await createPost(world, [profile], {
    dueAtMs,
    ...(isPicture && { type: 'SINGLE_IMAGE', media: [await storeMedia(world, 'teal')] }),
  });
  await startPost(world, post);
  await approve(world, post.postId, isPicture ? ['content', 'design', 'publish'] : ['content', 'publish']);
  return post;
}
const statusOf = async ({ postId }: TestPost) => (await rowOf(world, postId)).status;
const sentAtMs = async ({ postId }: TestPost) => {
  const rows = world.tenant
    .selectFrom('publications')
    .select('send_started_at')
    .where('post_id', '=', postId);
  return (await rows.executeTakeFirstOrThrow()).send_started_at!.getTime();
};
/** The post that waits for a cap, and until when. */
const capped = (posts: readonly TestPost[]) =>
  eventually(async () => {
    for (const post of posts) {
      const block = (await rowOf(world, post.postId)).blocked_on.find(({ code }) => code === 'rate');
      if (block?.message.includes('As many posts as')) return { post, untilMs: Date.parse(block.at!) };
    }
    return null;
  });
const published = (posts: readonly TestPost[]) =>
  eventually(async () => (await Promise.all(posts.map(statusOf))).every((status) => status === 'PUBLISHED'));

test('keeps what is over a cap of the day until the next midnight there, and sends it once', async () => {
  const [profile, other] = [await connectProfile(world), await connectProfile(world)];
  const nowMs = await world.now();
  // At nine in Tokyo, the next day or the one after.
  const dueAtMs = (Math.floor(nowMs / (24 * hour)) + 1) * 24 * hour;
  const posts = [];
  for (let count = 0; count < 4; count++) posts.push(await schedule(profile, dueAtMs + count * minute));
  const free = await schedule(other, dueAtMs);
  await world.sleep(dueAtMs - nowMs + 10 * minute);
  await published([posts[0]!, posts[1]!, free]);
  const { untilMs } = await capped(posts.slice(2));
  expect(untilMs).toBe(dueAtMs + 15 * hour + minute);
  expect(await ledgerOf(world, profile.externalId)).toHaveLength(2);
  await world.sleep(16 * hour);
  await published(posts);
  expect(await ledgerOf(world, profile.externalId)).toHaveLength(4);
  for (const post of posts.slice(2)) {
    expect(await sentAtMs(post)).toBeGreaterThanOrEqual(untilMs);
    expect(await sentAtMs(post)).toBeLessThan(untilMs + minute);
  }
  expect(await replayNow(world, posts[3]!.postId, 'capped-for-the-day')).toBeNull();
});

test('asks the account how many it has room for, posts from elsewhere among them, until there is', async () => {
  const profile = await connectProfile(world, 'business');
  const settings = (publishesPerDay: number) =>
    fetch(`${world.sandbox.url}/_control/settings`, {
      method: 'PATCH',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ publishesPerDay }),
    });
  await settings(2);
  try {
    const dueAtMs = (await world.now()) + hour;
    const posts = [];
    for (let count = 0; count < 3; count++) posts.push(await schedule(profile, dueAtMs));
    await world.sleep(hour + minute);
    const { post } = await capped(posts);
    await published(posts.filter((one) => one !== post));
    expect(await ledgerOf(world, profile.externalId)).toHaveLength(2);
    // The account is given more room: it is asked again within half an hour.
    await settings(3);
    await world.sleep(40 * minute);
    await published(posts);
    expect((await sentAtMs(post)) - dueAtMs).toBeGreaterThan(25 * minute);
    expect(await ledgerOf(world, profile.externalId)).toHaveLength(3);
    expect(await replayNow(world, post.postId, 'capped-by-the-account')).toBeNull();
  } finally {
    await settings(100);
  }
});
