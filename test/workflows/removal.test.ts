import { removalWorkflowId } from '../../workflows/ids.ts';
import { replayNow } from '../support/histories.ts';
import {
  approve,
  connectProfile,
  control,
  createPost,
  startPost,
  startWorld,
  type TestPost,
  type TestProfile,
  type World,
} from '../support/world.ts';

/** The run that takes down what went public: each publication by itself, and what fails says why. */

let world: World;
beforeAll(async () => {
  world = await startWorld();
});
afterAll(() => world.stop());

const hour = 3_600_000;

async function publish(profile: TestProfile): Promise<TestPost> {
  const dueAtMs = (await world.now()) + hour;
  const texts = { thread: ['Second of two'] };
  const post = await createPost(world, [profile], { dueAtMs, copy: 'First of two', texts });
  await startPost(world, post);
  await approve(world, post.postId, ['content', 'publish']);
  await world.sleep(2 * hour);
  return post;
}
const fail = (profile: TestProfile, fault: object) =>
  control(world, '/faults', { operation: 'x.posts.delete', externalId: profile.externalId, ...fault });
/** Asks for it and lets time pass; answers the rows by part, and the run. */
async function unpublish({ postId }: TestPost, afterMs = hour) {
  const { author } = world.gatepost.people;
  const asked = await author.send('POST', `/posts/${postId}/unpublish`, { body: {} });
  expect(asked.status).toBe(202);
  await world.sleep(afterMs);
  const rows = await world.tenant
    .selectFrom('removals')
    .selectAll()
    .where('post_id', '=', postId)
    .orderBy('part')
    .execute();
  const workflowId = removalWorkflowId({ tenantId: world.tenantId, requestId: rows[0]!.request_id });
  return { states: rows.map(({ state, error_code }) => error_code ?? state), workflowId };
}
const standing = async ({ platform, externalId }: TestProfile) =>
  (await world.gatepost.ledger.entries({ platform, externalId }))
    .filter(({ removedAt }) => !removedAt)
    .map(({ text }) => text);

test('takes down what stands below the post, then the post', async () => {
  const profile = await connectProfile(world, 'user', 'x');
  const { states, workflowId } = await unpublish(await publish(profile));
  expect(states).toEqual(['REMOVED', 'REMOVED']);
  expect(await standing(profile)).toEqual([]);
  expect(await replayNow(world, { workflowId }, 'removed')).toBeNull();
});

test('goes on with the rest where the platform refuses one', async () => {
  const profile = await connectProfile(world, 'user', 'x');
  const post = await publish(profile);
  await fail(profile, { kind: 'refuse' });
  const { states, workflowId } = await unpublish(post);
  expect(states).toEqual(['REMOVED', 'rejected']);
  expect(await standing(profile)).toEqual(['Second of two']);
  expect(await replayNow(world, { workflowId }, 'removal-refused')).toBeNull();
});

test('asks again where the answer was lost, and finds it gone', async () => {
  const profile = await connectProfile(world, 'user', 'x');
  const post = await publish(profile);
  await fail(profile, { kind: 'accept-then-reset', times: 2 });
  const { states, workflowId } = await unpublish(post);
  expect(states).toEqual(['REMOVED', 'REMOVED']);
  expect(await standing(profile)).toEqual([]);
  expect(await replayNow(world, { workflowId }, 'removal-in-doubt')).toBeNull();
});

test('gives up after a day, and says what the platform said last', async () => {
  const profile = await connectProfile(world, 'user', 'x');
  const post = await publish(profile);
  await fail(profile, { kind: 'error-before-accept', times: 'always' });
  const { states, workflowId } = await unpublish(post, 50 * hour);
  expect(states).toEqual(['unavailable', 'unavailable']);
  expect(await standing(profile)).toEqual(['First of two', 'Second of two']);
  expect(await replayNow(world, { workflowId }, 'removal-given-up')).toBeNull();
});
