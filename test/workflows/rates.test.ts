import pg from 'pg';
import { defaultRates } from '../../domain/rates.ts';
import { replayNow } from '../support/histories.ts';
import {
  approve,
  command,
  connectProfile,
  control,
  createPost,
  eventually,
  ledgerOf,
  rowOf,
  startPost,
  startWorld,
  type TestPost,
  type TestProfile,
  type World,
} from '../support/world.ts';

/** One profile may send six a minute, and two at once. */
const rates = { ...defaultRates, linkedin: { app: null, profile: { perMinute: 6, burst: 2 }, caps: [] } };

let world: World;
beforeAll(async () => {
  world = await startWorld({ dependencies: { rates } });
});
afterAll(async () => {
  await world.stop();
});

const hour = 3_600_000;

async function schedule(profile: TestProfile, dueAtMs: number): Promise<TestPost> {
  const post = await createPost(world, [profile], { dueAtMs });
  await startPost(world, post);
  await approve(world, post.postId, ['content', 'publish']);
  return post;
}
/** An account whose platform asks for a pause of ten minutes, once. */
async function connectThrottled(): Promise<TestProfile> {
  const profile = await connectProfile(world);
  await control(world, '/faults', {
    operation: 'linkedin.posts.create',
    kind: 'throttle',
    externalId: profile.externalId,
    retryAfterSeconds: 600,
  });
  return profile;
}
async function scheduleAll(count: number, profile: TestProfile, dueAtMs: number): Promise<TestPost[]> {
  const posts: TestPost[] = [];
  while (posts.length < count) posts.push(await schedule(profile, dueAtMs));
  return posts;
}
const publicationOf = ({ postId }: TestPost) =>
  world.tenant.selectFrom('publications').selectAll().where('post_id', '=', postId).executeTakeFirst();
const statusOf = async ({ postId }: TestPost) => (await rowOf(world, postId)).status;

test('staggers what the rate of a profile does not admit at once, each once, and none early', async () => {
  const [busy, other] = [await connectProfile(world), await connectProfile(world)];
  const dueAtMs = (await world.now()) + hour;
  const posts = await scheduleAll(6, busy, dueAtMs);
  const free = await schedule(other, dueAtMs);
  await world.sleep(hour + 15_000);
  await eventually(async () => (await statusOf(free)) === 'PUBLISHED');
  await world.sleep(60_000);
  await eventually(async () => {
    const statuses = await Promise.all(posts.map(statusOf));
    return statuses.every((status) => status === 'PUBLISHED');
  });
  expect(await ledgerOf(world, busy.externalId)).toHaveLength(6);
  const rows = await Promise.all([...posts, free].map(publicationOf));
  // Armed at the due time itself, as skipped time has it: a moment later than the bucket's first token.
  const seconds = rows.map((row) => Math.floor((row!.send_at.getTime() - dueAtMs) / 1000));
  const spread = seconds.slice(0, 6).toSorted((a, b) => a - b);
  const first = spread[0]!;
  expect(spread.map((second) => second - first)).toEqual([0, 0, 10, 20, 30, 40]);
  for (const notHeldUp of [first, seconds[6]!]) expect(notHeldUp).toBeLessThan(5);
  for (const row of rows)
    expect(row!.send_started_at!.getTime()).toBeGreaterThanOrEqual(row!.send_at.getTime());
  const last = posts[seconds.indexOf(first + 40)]!;
  expect(await replayNow(world, last.postId, 'staggered')).toBeNull();
});

test('lets a post that waits for its rate be changed, and asks the rate again for its new time', async () => {
  const profile = await connectProfile(world);
  const dueAtMs = (await world.now()) + hour;
  const posts = await scheduleAll(4, profile, dueAtMs);
  await world.sleep(hour + 1_000);
  const held = await eventually(async () => {
    for (const post of posts) {
      const { blocked_on: blocks } = await rowOf(world, post.postId);
      const rate = blocks.find(({ code }) => code === 'rate');
      if (rate?.message.includes('The rate of linkedin admits it at')) return post;
    }
    return null;
  });
  const later = (await world.now()) + hour;
  await command(world, held.postId, {
    ...{ kind: 'schedule', actor: world.members.second, dueAtMs: later, targets: [] },
  });
  await world.sleep(2 * hour);
  await eventually(async () => (await statusOf(held)) === 'PUBLISHED');
  const lateMs = (await publicationOf(held))!.send_at.getTime() - later;
  expect(lateMs).toBeGreaterThanOrEqual(0);
  expect(lateMs).toBeLessThan(5_000);
  expect(await replayNow(world, held.postId, 'staggered-then-rescheduled')).toBeNull();
});

test('gives a platform that throttles its pause, for everything of the same profile', async () => {
  const profile = await connectThrottled();
  const dueAtMs = (await world.now()) + hour;
  const first = await schedule(profile, dueAtMs);
  const second = await schedule(profile, dueAtMs + 60_000);
  await world.sleep(hour + 30_000);
  await eventually(async () =>
    (await rowOf(world, first.postId)).blocked_on.some(({ code }) => code === 'rate'),
  );
  await world.sleep(hour);
  for (const post of [first, second]) {
    await eventually(async () => (await statusOf(post)) === 'PUBLISHED');
    const { send_at: sendAt } = (await publicationOf(post))!;
    expect(sendAt.getTime() - dueAtMs).toBeGreaterThanOrEqual(580_000);
  }
  expect(await ledgerOf(world, profile.externalId)).toHaveLength(2);
  expect(await replayNow(world, first.postId, 'throttled-with-a-time')).toBeNull();
});

test('gives a throttled post its pause, also when it cannot be written down for the others of its profile', async () => {
  const profile = await connectThrottled();
  const superuser = new pg.Client({ connectionString: world.database.superuserUrl });
  await superuser.connect();
  // Only a pause moves a bucket so far at once.
  await superuser.query(`create function refuse_pause() returns trigger language plpgsql as
      $$ begin raise exception 'No pause today'; end $$;
    create trigger refuse_pause before update on rate_buckets for each row
      when (new.full_at > old.full_at + interval '5 minutes') execute function refuse_pause()`);
  try {
    const dueAtMs = (await world.now()) + hour;
    const post = await schedule(profile, dueAtMs);
    await world.sleep(2 * hour);
    await eventually(async () => (await statusOf(post)) === 'PUBLISHED');
    const { send_at: sendAt } = (await publicationOf(post))!;
    expect(sendAt.getTime() - dueAtMs).toBeGreaterThanOrEqual(580_000);
    expect(await ledgerOf(world, profile.externalId)).toHaveLength(1);
  } finally {
    await superuser.query('drop trigger refuse_pause on rate_buckets');
    await superuser.end();
  }
});
