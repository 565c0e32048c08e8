import { partsWorkflowId } from '../../workflows/ids.ts';
import { replayNow } from '../support/histories.ts';
import {
  approve,
  connectProfile,
  control,
  createPost,
  ledgerOf,
  rowOf,
  startPost,
  startWorld,
  type TestPost,
  type TestProfile,
  type World,
} from '../support/world.ts';

/** What follows a post: each part once, in its order, and never at the post's cost. */

let world: World;
beforeAll(async () => {
  world = await startWorld();
});
afterAll(() => world.stop());

const hour = 3_600_000;
const texts = { thread: ['Second of three', 'Third of three'], firstComment: 'The address is below' };

/** A post with a thread of two further parts and a first comment, approved and due in an hour. */
async function schedule(profile: TestProfile): Promise<TestPost> {
  const dueAtMs = (await world.now()) + hour;
  const post = await createPost(world, [profile], { dueAtMs, copy: 'First of three', texts });
  await startPost(world, post);
  await approve(world, post.postId, ['content', 'publish']);
  return post;
}
const fail = (profile: TestProfile, fault: object) =>
  control(world, '/faults', { operation: 'x.replies.create', externalId: profile.externalId, ...fault });
const publicationsOf = ({ postId }: TestPost) =>
  world.tenant
    .selectFrom('publications')
    .select(['part', 'state', 'public_id'])
    .where('post_id', '=', postId)
    .orderBy('part')
    .execute();
const shownOf = async (profile: TestProfile) =>
  (await ledgerOf(world, profile.externalId)).map(({ text, parentId }) => ({ text, parentId }));
/** The run of a round of a post's parts. */
const runOf = ({ postId, content }: TestPost, cycle = 1): string =>
  partsWorkflowId({ tenantId: world.tenantId, postId, targetId: content.targets[0]!.targetId }, cycle);
/** Lets everything come out that is to come out. */
const settle = () => world.sleep(2 * hour);

test('answer the post and one another, and the first comment answers the post', async () => {
  const profile = await connectProfile(world, 'user', 'x');
  const post = await schedule(profile);
  await settle();
  const entries = await ledgerOf(world, profile.externalId);
  expect(entries.map(({ text }) => text)).toEqual(['First of three', ...texts.thread, texts.firstComment]);
  const [first, second, third, comment] = entries;
  expect(second).toMatchObject({ parentId: first!.publicId });
  expect(third).toMatchObject({ parentId: second!.publicId });
  expect(comment).toMatchObject({ parentId: first!.publicId });
  const rows = await publicationsOf(post);
  expect(rows).toEqual(
    entries.map(({ publicId }, part) => ({ part, state: 'PUBLISHED', public_id: publicId })),
  );
  expect((await rowOf(world, post.postId)).status).toBe('PUBLISHED');
  expect(await replayNow(world, post.postId, 'thread-with-first-comment')).toBeNull();
  const history = await world.client.workflow.getHandle(runOf(post)).fetchHistory();
  expect(history.events!.at(-1)!.workflowExecutionCompletedEventAttributes).toBeTruthy();
  expect(await replayNow(world, { workflowId: runOf(post) }, 'parts-published')).toBeNull();
});

test('are found, and not sent again, when the answer to one was lost', async () => {
  const profile = await connectProfile(world, 'user', 'x');
  await fail(profile, { kind: 'accept-then-reset' });
  const post = await schedule(profile);
  await settle();
  expect((await shownOf(profile)).map(({ text }) => text)).toEqual([
    'First of three',
    ...texts.thread,
    texts.firstComment,
  ]);
  expect((await publicationsOf(post)).map(({ state }) => state)).toEqual(Array(4).fill('PUBLISHED'));
  expect(await replayNow(world, { workflowId: runOf(post) }, 'parts-found-after-doubt')).toBeNull();
});

test('end with the one that is refused, and the post stays what it is', async () => {
  const profile = await connectProfile(world, 'user', 'x');
  await fail(profile, { kind: 'refuse' });
  const post = await schedule(profile);
  await settle();
  expect((await shownOf(profile)).map(({ text }) => text)).toEqual(['First of three', texts.firstComment]);
  expect((await publicationsOf(post)).map(({ part, state }) => `${part} ${state}`)).toEqual([
    '0 PUBLISHED',
    '1 REFUSED',
    '3 PUBLISHED',
  ]);
  expect((await rowOf(world, post.postId)).status).toBe('PUBLISHED');
  expect(await replayNow(world, { workflowId: runOf(post) }, 'parts-refused')).toBeNull();

  const { author } = world.gatepost.people;
  expect((await author.send('POST', `/posts/${post.postId}/retry`, { body: {} })).status).toBe(200);
  await settle();
  expect((await shownOf(profile)).map(({ text }) => text)).toEqual([
    'First of three',
    texts.firstComment,
    ...texts.thread,
  ]);
  expect(await replayNow(world, { workflowId: runOf(post, 2) }, 'parts-retried')).toBeNull();
});

test('wait for the platform that throttles, and come out once', async () => {
  const profile = await connectProfile(world, 'user', 'x');
  await fail(profile, { kind: 'throttle', retryAfterSeconds: 600 });
  const post = await schedule(profile);
  await settle();
  expect(await ledgerOf(world, profile.externalId)).toHaveLength(4);
  expect(await replayNow(world, { workflowId: runOf(post) }, 'parts-throttled')).toBeNull();
});

test('can be sent again when an operator has ended the run that was at it', async () => {
  const profile = await connectProfile(world, 'user', 'x');
  await fail(profile, { kind: 'throttle', retryAfterSeconds: 3_000 });
  const post = await schedule(profile);
  await world.sleep(hour + 60_000);
  const { author } = world.gatepost.people;
  const retry = () => author.send('POST', `/posts/${post.postId}/retry`, { body: {} });
  expect((await retry()).status).toBe(409);
  await world.client.workflow.getHandle(runOf(post)).terminate('Stuck');
  expect((await retry()).status).toBe(200);
  await settle();
  expect((await shownOf(profile)).map(({ text }) => text)).toEqual([
    'First of three',
    ...texts.thread,
    texts.firstComment,
  ]);
});
