import { inTransaction } from '../../db/tenant-database.ts';
import { bumpPoliciesVersion, setTenantPolicy } from '../../db/tenants.ts';
import type { PolicyLayer } from '../../domain/policy.ts';
import { pokeSignal } from '../../workflows/messages.ts';
import { replayNow } from '../support/histories.ts';
import {
  approve,
  connectProfile,
  control,
  createPost,
  eventually,
  ledgerOf,
  rowOf,
  startPost,
  startWorld,
  type TestProfile,
  type World,
} from '../support/world.ts';

/** What happens when the platform has answered a sender; set by the test that wants it. */
let onAnswer: () => Promise<void> = async () => {};

let world: World;
beforeAll(async () => {
  const failpoint = async (point: string) => {
    if (point === 'platform-answered') await onAnswer();
  };
  world = await startWorld({ dependencies: { failpoint } });
});
afterAll(async () => {
  await world.stop();
});

/** Refuses so many posts of a profile with a 429 that names no time, or no time at all to wait. */
const throttle = ({ externalId }: TestProfile, times: number) =>
  control(world, '/faults', {
    ...{ operation: 'linkedin.posts.create', kind: 'throttle', externalId },
    ...{ retryAfterSeconds: 0, times },
  });

async function changePolicy(policy: PolicyLayer): Promise<void> {
  await inTransaction(world.tenant, async (transaction) => {
    const tenant = await transaction
      .selectFrom('tenants')
      .selectAll()
      .where('id', '=', world.tenantId)
      .executeTakeFirstOrThrow();
    await setTenantPolicy(transaction, world.tenantId, tenant.policy_version, policy);
    await bumpPoliciesVersion(transaction, world.tenantId);
  });
}

const attemptsOf = async (postId: string): Promise<number | undefined> =>
  (
    await world.tenant
      .selectFrom('publications')
      .select('fence')
      .where('post_id', '=', postId)
      .executeTakeFirst()
  )?.fence;

test('gives a platform that says "again in 0 seconds" the delays of one that says nothing, and then up', async () => {
  const profile = await connectProfile(world);
  await throttle(profile, 50);
  const post = await createPost(world, [profile], { dueAtMs: (await world.now()) + 3_600_000 });
  await startPost(world, post);
  await approve(world, post.postId, ['content', 'publish']);
  await world.sleep(2 * 3_600_000);
  await eventually(async () => (await rowOf(world, post.postId)).status === 'FAILED');
  expect(await attemptsOf(post.postId)).toBe(4);
  expect(await ledgerOf(world, profile.externalId)).toEqual([]);
});

test('asks people again before it sends again, where a policy has been tightened in between', async () => {
  const unrequired: PolicyLayer = { publish: { required: false } };
  await changePolicy(unrequired);
  const profile = await connectProfile(world);
  await throttle(profile, 1);
  const options = { dueAtMs: (await world.now()) + 3_600_000, policy: unrequired };
  const post = await createPost(world, [profile], options);
  const handle = await startPost(world, post);
  await approve(world, post.postId, ['content']);
  onAnswer = async () => {
    onAnswer = async () => {};
    await changePolicy({ publish: { required: true } });
    await handle.signal(pokeSignal);
    // The run knows of it before it learns that nothing was sent.
    await eventually(async () => (await rowOf(world, post.postId)).open_gate === 'publish');
  };
  await world.sleep(2 * 3_600_000);
  await eventually(async () => (await rowOf(world, post.postId)).status === 'SCHEDULED');
  expect((await rowOf(world, post.postId)).blocked_on.map(({ code }) => code)).toContain('gate');
  await world.sleep(3_600_000);
  expect(await ledgerOf(world, profile.externalId)).toEqual([]);
  await approve(world, post.postId, ['publish']);
  await eventually(async () =>
    (await rowOf(world, post.postId)).blocked_on.some(({ code }) => code === 'late'),
  );
  expect(await replayNow(world, post.postId, 'tightened-between-attempts')).toBeNull();
});
