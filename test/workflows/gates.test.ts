import { randomUUID } from 'node:crypto';
import { insertHold, setHoldLifted } from '../../db/holds.ts';
import { disarmScope } from '../../db/publications.ts';
import { inTransaction } from '../../db/tenant-database.ts';
import { bumpPoliciesVersion, setTenantPolicy } from '../../db/tenants.ts';
import type { PolicyLayer } from '../../domain/policy.ts';
import { pokeSignal } from '../../workflows/messages.ts';
import { replayNow } from '../support/histories.ts';
import {
  approve,
  command,
  connectProfile,
  createPost,
  eventually,
  ledgerOf,
  type PostOptions,
  rowOf,
  startPost,
  startWorld,
  stateOf,
  type TestPost,
  type World,
} from '../support/world.ts';

let world: World;
beforeAll(async () => {
  world = await startWorld();
});
afterAll(async () => {
  await world.stop();
});

const hour = 3_600_000;
const day = 24 * hour;

async function start(options: PostOptions = {}, profiles = 1) {
  const connected = await Promise.all(Array.from({ length: profiles }, () => connectProfile(world)));
  const post = await createPost(world, connected, { dueAtMs: (await world.now()) + 30 * day, ...options });
  const handle = await startPost(world, post);
  await eventually(async () => (await rowOf(world, post.postId)).projection_epoch > 0);
  return { post, handle, profile: connected[0]!, profiles: connected };
}

const eventsOf = async ({ postId }: TestPost) =>
  world.tenant
    .selectFrom('post_events')
    .select(['type', 'occurred_at', 'data'])
    .where('post_id', '=', postId)
    .orderBy('id')
    .execute();
const typesOf = async (post: TestPost, prefix = '') =>
  (await eventsOf(post)).map(({ type }) => type).filter((type) => type.startsWith(prefix));
const codesOf = async ({ postId }: TestPost) =>
  (await rowOf(world, postId)).blocked_on.map(({ code }) => code);
const bySecond = () => ({ actor: world.members.second });

describe('a gate that nobody decides', () => {
  it('warns at three quarters of its SLA, reminds three times, and then lets tenant admins decide as well', async () => {
    const { post } = await start({
      dueAtMs: (await world.now()) + 30 * day,
      policy: { content: { deciders: { roles: [], memberIds: [world.members.designer.memberId] } } },
    });
    const openedAtMs = await world.now();
    await expect(approve(world, post.postId, ['content'], world.members.second)).rejects.toThrow();
    await world.sleep(5 * day);
    await eventually(async () => (await typesOf(post)).includes('gate.escalated'));
    const told = (await eventsOf(post)).filter(({ type }) =>
      /^gate\.(warned|reminded|escalated)$/.test(type),
    );
    expect(told.map(({ type }) => type)).toEqual([
      'gate.warned',
      ...['gate.reminded', 'gate.reminded', 'gate.reminded'],
      'gate.escalated',
    ]);
    const hours = told.map(({ occurred_at: at }) => Math.round((at.getTime() - openedAtMs) / hour));
    expect(hours).toEqual([18, 24, 48, 72, 96]);
    const { open_gate_detail: detail } = await rowOf(world, post.postId);
    expect(detail?.decidersOfAll).toEqual([
      { roles: ['tenant_admin'], memberIds: [world.members.designer.memberId] },
    ]);
    await approve(world, post.postId, ['content'], world.members.second);
    await approve(world, post.postId, ['publish']);
    await world.ended(post);
    expect(await replayNow(world, post.postId, 'escalated')).toBeNull();
  });

  it('says nothing once it has been decided, and counts anew when it opens again', async () => {
    const { post } = await start();
    await world.sleep(17 * hour);
    await approve(world, post.postId, ['content']);
    await world.sleep(17 * hour);
    expect(await typesOf(post, 'gate.w')).toEqual([]);
    await world.sleep(2 * hour);
    await eventually(async () => (await typesOf(post, 'gate.w')).length === 1);
    const [warned] = (await eventsOf(post)).filter(({ type }) => type === 'gate.warned');
    expect(warned?.data).toMatchObject({ gate: 'publish', round: 1 });
    await command(world, post.postId, { kind: 'cancel', ...bySecond(), reason: null });
    await world.ended(post);
    expect(await replayNow(world, post.postId, 'warned-then-cancelled')).toBeNull();
  });
});

describe('a quorum', () => {
  it('needs the approvals of as many people as the policy says, each once', async () => {
    const { post } = await start({ policy: { content: { quorum: 2 } } });
    await approve(world, post.postId, ['content']);
    expect((await rowOf(world, post.postId)).open_gate).toBe('content');
    await expect(approve(world, post.postId, ['content'])).rejects.toMatchObject({
      cause: { type: 'already-voted' },
    });
    await approve(world, post.postId, ['content'], world.members.second);
    await approve(world, post.postId, ['publish']);
    await world.ended(post);
    expect(await replayNow(world, post.postId, 'quorum-of-two')).toBeNull();
  });
});

describe('a pause', () => {
  it('lets nothing out, leaves reviews alone, and is over when the post is resumed in time', async () => {
    const { post, profile } = await start();
    await command(world, post.postId, { kind: 'pause', ...bySecond(), reason: 'Wait for legal' });
    await approve(world, post.postId, ['content', 'publish']);
    expect(await codesOf(post)).toEqual(['paused', 'until-due']);
    await world.sleep(day);
    await command(world, post.postId, { kind: 'resume', ...bySecond() });
    expect(await codesOf(post)).toEqual(['until-due']);
    await world.ended(post);
    expect(await ledgerOf(world, profile.externalId)).toHaveLength(1);
    expect(await replayNow(world, post.postId, 'paused-and-resumed')).toBeNull();
  });

  it('that outlasts the due time leaves the post late, for the lateness rule to decide', async () => {
    const { post, profile } = await start({ dueAtMs: (await world.now()) + 2 * day });
    await approve(world, post.postId, ['content', 'publish']);
    await command(world, post.postId, { kind: 'pause', ...bySecond(), reason: null });
    await world.sleep(3 * day);
    expect(await ledgerOf(world, profile.externalId)).toEqual([]);
    await command(world, post.postId, { kind: 'resume', ...bySecond() });
    expect(await codesOf(post)).toEqual(['late']);
    const { revision } = await stateOf(world, post.postId);
    await command(world, post.postId, { kind: 'publishNow', ...bySecond(), hash: revision.publishHash });
    await world.ended(post);
    expect(await ledgerOf(world, profile.externalId)).toHaveLength(1);
    expect(await replayNow(world, post.postId, 'paused-past-due')).toBeNull();
  });
});

/** A hold as the API places it: committed, then whatever is armed taken back, then the posts told. */
async function place(
  scope: 'tenant' | 'profile' | 'platform',
  profileId: string,
  posts: readonly TestPost[],
) {
  const id = randomUUID();
  const { memberId, name } = world.members.second;
  await inTransaction(world.tenant, async (transaction) => {
    await insertHold(transaction, {
      ...{ id, scope, reason: 'A crisis', placed_by: memberId, placed_by_name: name },
      profile_id: scope === 'profile' ? profileId : null,
      platform: scope === 'platform' ? 'linkedin' : null,
    });
  });
  await inTransaction(world.tenant, (transaction) =>
    disarmScope(transaction, { profileId: null, platform: null }),
  );
  await tell(posts);
  return async () => {
    await inTransaction(world.tenant, (transaction) => setHoldLifted(transaction, id, { memberId, name }));
    await tell(posts);
  };
}

const tell = (posts: readonly TestPost[]) =>
  Promise.all(
    posts.map(({ postId }) =>
      world.client.workflow.getHandle(`post/${world.tenantId}/${postId}`).signal(pokeSignal),
    ),
  );

describe('a hold', () => {
  it.each(['tenant', 'profile', 'platform'] as const)(
    'on the %s stops its posts until it is lifted, and says why',
    async (scope) => {
      const { post, profile } = await start({
        dueAtMs: (await world.now()) + 2 * day,
        policy: { publish: { lateness: 'publish' } },
      });
      await approve(world, post.postId, ['content', 'publish']);
      const lift = await place(scope, profile.profileId, [post]);
      await eventually(async () => (await codesOf(post)).includes('hold'));
      const [block] = (await rowOf(world, post.postId)).blocked_on;
      expect(block?.message).toMatch(/A crisis/);
      await world.sleep(3 * day);
      expect(await ledgerOf(world, profile.externalId)).toEqual([]);
      await lift();
      await world.ended(post);
      expect(await ledgerOf(world, profile.externalId)).toHaveLength(1);
      expect(await typesOf(post, 'post.h')).toEqual(['post.held', 'post.hold-lifted']);
      expect(await replayNow(world, post.postId, `held-by-${scope}`)).toBeNull();
    },
  );

  it('that nobody told the post of is found when it is armed', async () => {
    const { post, profile } = await start({
      dueAtMs: (await world.now()) + day,
      policy: { publish: { lateness: 'publish' } },
    });
    await approve(world, post.postId, ['content', 'publish']);
    const lift = await place('tenant', profile.profileId, []);
    await world.sleep(2 * day);
    await eventually(async () => (await codesOf(post)).includes('hold'));
    expect(await ledgerOf(world, profile.externalId)).toEqual([]);
    await lift();
    await tell([post]);
    await world.ended(post);
    expect(await ledgerOf(world, profile.externalId)).toHaveLength(1);
    expect(await replayNow(world, post.postId, 'held-unheard')).toBeNull();
  });

  it('on one profile leaves the targets of others alone', async () => {
    const { post, profiles } = await start(
      { dueAtMs: (await world.now()) + day, policy: { publish: { lateness: 'publish' } } },
      2,
    );
    const [held, free] = profiles;
    await approve(world, post.postId, ['content', 'publish']);
    const lift = await place('profile', held!.profileId, [post]);
    await world.sleep(2 * day);
    await eventually(async () => (await ledgerOf(world, free!.externalId)).length === 1);
    expect(await ledgerOf(world, held!.externalId)).toEqual([]);
    await lift();
    await world.ended(post);
    expect(await ledgerOf(world, held!.externalId)).toHaveLength(1);
    expect(await replayNow(world, post.postId, 'one-target-held')).toBeNull();
  });
});

async function changePolicy(policy: PolicyLayer, posts: readonly TestPost[]): Promise<void> {
  await inTransaction(world.tenant, async (transaction) => {
    const tenant = await transaction
      .selectFrom('tenants')
      .selectAll()
      .where('id', '=', world.tenantId)
      .executeTakeFirstOrThrow();
    await setTenantPolicy(transaction, world.tenantId, tenant.policy_version, policy);
    await bumpPoliciesVersion(transaction, world.tenantId);
  });
  await tell(posts);
}

describe('a policy that changes', () => {
  afterEach(() => changePolicy({}, []));

  it('opens what it had passed itself again where it is tightened, and keeps what people decided', async () => {
    await changePolicy({ publish: { required: false } }, []);
    const { post, profile } = await start({ policy: { publish: { required: false } } });
    await approve(world, post.postId, ['content']);
    expect((await rowOf(world, post.postId)).status).toBe('SCHEDULED');
    await changePolicy({ publish: { required: true } }, [post]);
    await eventually(async () => (await rowOf(world, post.postId)).open_gate === 'publish');
    expect((await rowOf(world, post.postId)).content_approved_at).toBeInstanceOf(Date);
    expect(await ledgerOf(world, profile.externalId)).toEqual([]);
    await approve(world, post.postId, ['publish']);
    await world.ended(post);
    expect(await replayNow(world, post.postId, 'policy-tightened')).toBeNull();
  });

  it('passes a gate that waits for nobody any more', async () => {
    const { post } = await start();
    await changePolicy({ content: { required: false }, publish: { required: false } }, [post]);
    await world.ended(post);
    expect((await rowOf(world, post.postId)).status).toBe('PUBLISHED');
    expect(await replayNow(world, post.postId, 'policy-loosened')).toBeNull();
  });

  it('is found when a post is armed that nobody told of it', async () => {
    await changePolicy({ publish: { required: false } }, []);
    const { post, profile } = await start({
      dueAtMs: (await world.now()) + day,
      policy: { publish: { required: false } },
    });
    await approve(world, post.postId, ['content']);
    await changePolicy({ publish: { required: true } }, []);
    await world.sleep(2 * day);
    await eventually(async () => (await rowOf(world, post.postId)).open_gate === 'publish');
    expect(await ledgerOf(world, profile.externalId)).toEqual([]);
    await command(world, post.postId, { kind: 'cancel', ...bySecond(), reason: null });
    await world.ended(post);
    expect(await replayNow(world, post.postId, 'policy-tightened-unheard')).toBeNull();
  });
});

describe('due times of its own', () => {
  it('send each target at its own time, and the post is scheduled until the last has gone', async () => {
    const { post, profiles } = await start({}, 2);
    const [first, second] = profiles;
    const { targets, dueAtMs } = await stateOf(world, post.postId);
    await approve(world, post.postId, ['content', 'publish']);
    const ownMs = dueAtMs! - 10 * day;
    await command(world, post.postId, {
      ...{ kind: 'schedule', ...bySecond(), dueAtMs: null },
      targets: [{ targetId: targets[0]!.targetId, dueAtMs: ownMs }],
    });
    await world.sleep(21 * day);
    await eventually(async () => (await ledgerOf(world, first!.externalId)).length === 1);
    expect(await ledgerOf(world, second!.externalId)).toEqual([]);
    expect((await rowOf(world, post.postId)).status).toBe('SCHEDULED');
    await world.ended(post);
    expect(await ledgerOf(world, second!.externalId)).toHaveLength(1);
    const rows = await world.tenant
      .selectFrom('publications')
      .select(['target_id', 'due_at'])
      .where('post_id', '=', post.postId)
      .execute();
    expect(Object.fromEntries(rows.map((row) => [row.target_id, row.due_at.getTime()]))).toEqual({
      [targets[0]!.targetId]: ownMs,
      [targets[1]!.targetId]: dueAtMs,
    });
    expect(await replayNow(world, post.postId, 'own-due-time')).toBeNull();
  });
});

describe('a post that failed', () => {
  it('can be archived, and is by itself after 30 days', async () => {
    for (const name of ['archived-by-hand', 'archived-by-time']) {
      const { post } = await start({
        copy: `x${'y'.repeat(3_500)}`,
        dueAtMs: (await world.now()) + day,
      });
      await approve(world, post.postId, ['content', 'publish']);
      await world.sleep(2 * day);
      await eventually(async () => (await rowOf(world, post.postId)).status === 'FAILED');
      if (name === 'archived-by-hand') await command(world, post.postId, { kind: 'archive', ...bySecond() });
      else await world.sleep(31 * day);
      await world.ended(post);
      expect(await rowOf(world, post.postId)).toMatchObject({ status: 'FAILED', archived: true });
      expect(await replayNow(world, post.postId, name)).toBeNull();
    }
  });
});
