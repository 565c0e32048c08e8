import { startWorkerProcess, type WorkerProcess } from '../support/worker-process.ts';
import {
  approve,
  command,
  connectProfile,
  createPost,
  eventually,
  insertRevision,
  ledgerOf,
  rowOf,
  startPost,
  startWorld,
  stateOf,
  storeMedia,
  type TestPost,
  type TestProfile,
  type World,
} from '../support/world.ts';

/*
 * What a killed worker leaves behind, at the three places that matter: armed, claimed but not sent, and sent with the
 * platform's answer not yet written down. The sandbox's ledger is out of the killed process's reach.
 */

let world: World;
let workers: WorkerProcess[] = [];
beforeAll(async () => {
  world = await startWorld({ time: 'real' });
}, 60_000);
afterEach(async () => {
  for (const worker of workers) await worker.kill();
  workers = [];
});
afterAll(async () => {
  await world.stop();
});

async function startWorker(...failpoint: Parameters<typeof startWorkerProcess>[1][]): Promise<WorkerProcess> {
  const worker = await startWorkerProcess(world, failpoint[0]);
  workers.push(worker);
  return worker;
}

const publishLate = { lateness: 'publish' } as const;

type Kind = 'member' | 'organization' | 'business';

/** A post approved and due in a few seconds, with so long an arm lead that there is time to act while it is armed. */
async function approvedPost(
  kind: Kind,
  dueInMs = 4_000,
  armLeadMs = 2_500,
): Promise<{ post: TestPost; profile: TestProfile }> {
  const profile = await connectProfile(world, kind);
  const media = kind === 'business' ? [await storeMedia(world, 'teal')] : [];
  const post = await createPost(world, [profile], {
    type: kind === 'business' ? 'SINGLE_IMAGE' : 'TEXT_ONLY',
    media,
    dueAtMs: Date.now() + dueInMs,
    settings: { armLeadMs },
    // On a slow machine the approvals may come after the due time; these tests are not about that.
    policy: { content: publishLate, design: publishLate, publish: publishLate },
  });
  await startPost(world, post);
  await approve(
    world,
    post.postId,
    kind === 'business' ? ['content', 'design', 'publish'] : ['content', 'publish'],
  );
  return { post, profile };
}

const statusOf = async (post: TestPost) => (await rowOf(world, post.postId)).status;
const publicationOf = async (post: TestPost) =>
  world.tenant.selectFrom('publications').selectAll().where('post_id', '=', post.postId).executeTakeFirst();
const untilStatus = (post: TestPost, status: string, milliseconds = 60_000) =>
  eventually(async () => (await statusOf(post)) === status, milliseconds);

test.each(['organization', 'business', 'member'] as const)(
  'publishes once after the worker is killed while the post of a(n) %s account is armed',
  async (kind) => {
    const killed = await startWorker('armed');
    const { post, profile } = await approvedPost(kind, 6_000);
    expect(await killed.exited).toBe('SIGKILL');
    expect((await publicationOf(post))?.state).toBe('ARMED');
    await startWorker();
    await untilStatus(post, 'PUBLISHED');
    expect(await ledgerOf(world, profile.externalId)).toHaveLength(1);
  },
  90_000,
);

test.each(['organization', 'business'] as const)(
  'publishes once after the worker is killed between its claim and the wire, for a(n) %s account',
  async (kind) => {
    const killed = await startWorker('sending');
    const { post, profile } = await approvedPost(kind);
    expect(await killed.exited).toBe('SIGKILL');
    expect((await publicationOf(post))?.state).toBe('SENDING');
    await startWorker();
    await untilStatus(post, 'PUBLISHED', 80_000);
    expect(await ledgerOf(world, profile.externalId)).toHaveLength(1);
  },
  120_000,
);

test.each(['organization', 'business'] as const)(
  'finds and adopts what the platform had accepted when the worker was killed, for a(n) %s account',
  async (kind) => {
    const killed = await startWorker('platform-answered');
    const { post, profile } = await approvedPost(kind);
    expect(await killed.exited).toBe('SIGKILL');
    expect(await ledgerOf(world, profile.externalId)).toHaveLength(1);
    await startWorker();
    await untilStatus(post, 'PUBLISHED', 80_000);
    expect(await ledgerOf(world, profile.externalId)).toHaveLength(1);
    expect((await publicationOf(post))?.public_id).toBeTruthy();
  },
  120_000,
);

test.each(['sending', 'platform-answered'] as const)(
  "never sends a member's post again when the worker is killed at %s, and asks a person",
  async (failpoint) => {
    const killed = await startWorker(failpoint);
    const { post, profile } = await approvedPost('member');
    expect(await killed.exited).toBe('SIGKILL');
    await startWorker();
    await untilStatus(post, 'UNCONFIRMED', 80_000);
    expect(await ledgerOf(world, profile.externalId)).toHaveLength(failpoint === 'sending' ? 0 : 1);
  },
  120_000,
);

test('an edit that is answered while the post is armed always wins', async () => {
  await startWorker();
  const { post, profile } = await approvedPost('organization', 5_000, 4_000);
  await eventually(async () => (await publicationOf(post))?.state === 'ARMED');
  const { revision } = await stateOf(world, post.postId);
  const content = { ...post.content, copy: 'What was approved last' };
  const next = await insertRevision(world, post.postId, content, 2, world.members.author.memberId);
  await command(world, post.postId, {
    ...{ kind: 'edit', actor: world.members.author, revision: next, baseRevisionId: revision.revisionId },
  });
  expect((await publicationOf(post))?.state).toBe('DISARMED');
  await approve(world, post.postId, ['content', 'publish']);
  await untilStatus(post, 'PUBLISHED');
  const texts = (await ledgerOf(world, profile.externalId)).map((entry) => entry.text);
  expect(texts).toEqual(['What was approved last']);
}, 60_000);

test('a cancel that is answered while the post is armed always wins', async () => {
  await startWorker();
  const { post, profile } = await approvedPost('organization', 4_000, 3_000);
  await eventually(async () => (await publicationOf(post))?.state === 'ARMED');
  await command(world, post.postId, { kind: 'cancel', actor: world.members.author, reason: null });
  await new Promise((resolve) => setTimeout(resolve, 4_000));
  expect(await ledgerOf(world, profile.externalId)).toEqual([]);
  expect(await statusOf(post)).toBe('CANCELLED');
}, 60_000);
