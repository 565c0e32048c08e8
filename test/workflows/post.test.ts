import proto from '@temporalio/proto';
import type { Gate } from '../../domain/post.ts';
import { type Actor, restoredState } from '../../domain/post-state.ts';
import { replayNow } from '../support/histories.ts';
import {
  approve,
  type CommandWithoutId,
  command,
  connectProfile,
  control,
  createPost,
  eventually,
  insertRevision,
  ledgerOf,
  type PostOptions,
  rowOf,
  startPost,
  startWorld,
  stateOf,
  storeMedia,
  type TestPost,
  type TestProfile,
  type World,
} from '../support/world.ts';

const { temporal } = proto;

let world: World;
beforeAll(async () => {
  world = await startWorld();
});
afterAll(async () => {
  await world.stop();
});

const hour = 3_600_000;
const day = 24 * hour;

interface Started {
  readonly post: TestPost;
  readonly profile: TestProfile;
  readonly handle: Awaited<ReturnType<typeof startPost>>;
}

async function start(
  options: PostOptions = {},
  kind?: 'member' | 'organization' | 'business',
): Promise<Started> {
  const profile = await connectProfile(world, kind);
  const post = await createPost(world, [profile], { dueAtMs: (await world.now()) + 7 * day, ...options });
  return { post, profile, handle: await startPost(world, post) };
}

async function startCarousel(options: PostOptions = {}): Promise<Started> {
  const media = [await storeMedia(world, 'teal'), await storeMedia(world, 'orange')];
  return start({ type: 'CAROUSEL', media, ...options }, 'business');
}

const reject = async (postId: string, gate: Gate, actor: Actor, returnTo: Gate | null = null) => {
  const { revision } = await stateOf(world, postId);
  const hash = { content: revision.contentHash, design: revision.designHash, publish: revision.publishHash }[
    gate
  ];
  await command(world, postId, {
    kind: 'decide',
    actor,
    gate,
    verdict: 'reject',
    hash,
    notes: 'Not yet',
    returnTo,
  });
};

async function edit(started: Started, copy: string, actor = world.members.author): Promise<void> {
  const { postId, content } = started.post;
  const { revision } = await stateOf(world, postId);
  const next = await insertRevision(world, postId, { ...content, copy }, revision.number + 1, actor.memberId);
  await command(world, postId, { kind: 'edit', actor, revision: next, baseRevisionId: revision.revisionId });
}

const texts = async ({ profile }: Started) =>
  (await ledgerOf(world, profile.externalId)).map((entry) => entry.text);
const statusOf = async ({ post }: Started) => (await rowOf(world, post.postId)).status;
const codesOf = async ({ post }: Started) =>
  (await rowOf(world, post.postId)).blocked_on.map((block) => block.code);
const refusedWith = (code: string) => ({ cause: { type: code } });

test('takes a text post through its gates, sleeps for three weeks, and publishes it once', async () => {
  const started = await start({ dueAtMs: (await world.now()) + 21 * day });
  const { post } = started;
  await eventually(async () => (await statusOf(started)) === 'IN_REVIEW');
  await approve(world, post.postId, ['content', 'publish']);
  expect(await statusOf(started)).toBe('SCHEDULED');
  expect(await codesOf(started)).toEqual(['until-due']);
  await world.ended(post);
  expect(await statusOf(started)).toBe('PUBLISHED');
  expect(await texts(started)).toEqual([post.content.copy]);
  expect(await world.now()).toBeGreaterThanOrEqual(post.input.post.dueAtMs!);
  expect(await replayNow(world, post.postId, 'text-approved-published')).toBeNull();
});

test('takes a carousel through three gates and prepares it ahead of its due time', async () => {
  const started = await startCarousel();
  const { post, profile } = started;
  await approve(world, post.postId, ['content']);
  expect(await statusOf(started)).toBe('NEEDS_DESIGN');
  await approve(world, post.postId, ['design', 'publish']);
  await world.ended(post);
  expect(await statusOf(started)).toBe('PUBLISHED');
  const [entry, ...more] = await ledgerOf(world, profile.externalId);
  expect(more).toEqual([]);
  expect(entry?.media).toHaveLength(2);
  expect((await rowOf(world, post.postId)).design_approved_at).toBeInstanceOf(Date);
  expect(await replayNow(world, post.postId, 'carousel-approved-published')).toBeNull();
});

test.each(['content', 'design', 'publish'] as const)(
  'sends a post back at the %s gate and publishes the second round',
  async (gate) => {
    const started = await startCarousel();
    const { post } = started;
    const order = ['content', 'design', 'publish'] as const;
    await approve(world, post.postId, order.slice(0, order.indexOf(gate)));
    await reject(post.postId, gate, world.members.second, gate === 'publish' ? 'content' : null);
    expect(await codesOf(started)).toContain('changes-requested');
    await edit(started, `Better, after the ${gate} gate`);
    // An edit of the copy opens content and publish again; a design that was sent back is submitted as it is.
    const { gates } = await stateOf(world, post.postId);
    expect(gates.content.status).toBe('pending');
    if (gate === 'design') {
      await command(world, post.postId, {
        kind: 'submit',
        actor: world.members.author,
        revision: (await stateOf(world, post.postId)).revision,
        dueAtMs: null,
        targets: [],
      });
    }
    await approve(world, post.postId, ['content']);
    if ((await stateOf(world, post.postId)).gates.design.status !== 'approved')
      await approve(world, post.postId, ['design']);
    await approve(world, post.postId, ['publish']);
    await world.ended(post);
    expect(await texts(started)).toEqual([`Better, after the ${gate} gate`]);
    expect(await replayNow(world, post.postId, `rejected-at-${gate}`)).toBeNull();
  },
);

test('takes an approval back, and does not publish until it is given again', async () => {
  const started = await start({
    dueAtMs: (await world.now()) + day,
    policy: { publish: { lateness: 'publish' } },
  });
  const { post } = started;
  await approve(world, post.postId, ['content', 'publish']);
  await reject(post.postId, 'publish', world.members.second, 'publish');
  await world.sleep(2 * day);
  expect(await texts(started)).toEqual([]);
  await command(world, post.postId, {
    kind: 'submit',
    actor: world.members.author,
    revision: post.revision,
    dueAtMs: null,
    targets: [],
  });
  await approve(world, post.postId, ['publish']);
  await world.ended(post);
  expect(await texts(started)).toEqual([post.content.copy]);
  expect(await replayNow(world, post.postId, 'unapproved-and-approved-again')).toBeNull();
});

test('opens the gates an edit changed while the post sleeps, and publishes only what was approved then', async () => {
  const started = await start();
  const { post } = started;
  await approve(world, post.postId, ['content', 'publish']);
  await world.sleep(3 * day);
  await edit(started, 'Said better');
  expect(await statusOf(started)).toBe('IN_REVIEW');
  await approve(world, post.postId, ['content', 'publish']);
  await world.ended(post);
  expect(await texts(started)).toEqual(['Said better']);
  expect(await replayNow(world, post.postId, 'edited-asleep')).toBeNull();
});

test('publishes at the new due time after a reschedule, and needs no new approval', async () => {
  const started = await start({ dueAtMs: (await world.now()) + 5 * day });
  const { post } = started;
  await approve(world, post.postId, ['content', 'publish']);
  const dueAtMs = (await world.now()) + 30 * day;
  await command(world, post.postId, { kind: 'schedule', actor: world.members.author, dueAtMs, targets: [] });
  await world.sleep(10 * day);
  expect(await texts(started)).toEqual([]);
  await world.ended(post);
  expect(await texts(started)).toHaveLength(1);
  expect(await world.now()).toBeGreaterThanOrEqual(dueAtMs);
  expect(await replayNow(world, post.postId, 'rescheduled')).toBeNull();
});

test('publishes nothing after a cancel', async () => {
  const started = await start();
  const { post } = started;
  await approve(world, post.postId, ['content', 'publish']);
  await command(world, post.postId, {
    kind: 'cancel',
    actor: world.members.author,
    reason: 'The offer ended',
  });
  await world.ended(post);
  expect(await statusOf(started)).toBe('CANCELLED');
  await world.sleep(10 * day);
  expect(await texts(started)).toEqual([]);
  expect(await replayNow(world, post.postId, 'cancelled')).toBeNull();
});

test('publishes now: casts the vote of the caller and skips only the due time', async () => {
  const started = await start();
  const { post } = started;
  const now = { kind: 'publishNow', actor: world.members.reviewer, hash: post.revision.publishHash } as const;
  await expect(command(world, post.postId, now)).rejects.toMatchObject(refusedWith('gate-open'));
  await approve(world, post.postId, ['content']);
  await command(world, post.postId, now);
  await world.ended(post);
  expect(await texts(started)).toHaveLength(1);
  const target = await world.tenant
    .selectFrom('targets')
    .selectAll()
    .where('post_id', '=', post.postId)
    .executeTakeFirst();
  expect(target?.published_at?.getTime()).toBeLessThan(post.input.post.dueAtMs!);
  expect(await replayNow(world, post.postId, 'published-now')).toBeNull();
});

test('ends FAILED when the platform refuses, and publishes once after a retry', async () => {
  const started = await start();
  const { post, profile } = started;
  await control(world, '/faults', {
    ...{
      platform: 'linkedin',
      operation: 'linkedin.posts.create',
      kind: 'refuse',
      externalId: profile.externalId,
    },
  });
  await approve(world, post.postId, ['content', 'publish']);
  await world.sleep(8 * day);
  await eventually(async () => (await statusOf(started)) === 'FAILED');
  expect(await codesOf(started)).toEqual(['operator']);
  expect(await texts(started)).toEqual([]);
  await command(world, post.postId, { kind: 'retry', actor: world.members.author, targetIds: null });
  await world.ended(post);
  expect(await texts(started)).toEqual([post.content.copy]);
  expect(await replayNow(world, post.postId, 'refused-and-retried')).toBeNull();
});

test('obeys Retry-After of a platform that throttles, and publishes once', async () => {
  const started = await start();
  const { post, profile } = started;
  await control(world, '/faults', {
    ...{
      platform: 'linkedin',
      operation: 'linkedin.posts.create',
      kind: 'throttle',
      externalId: profile.externalId,
    },
    ...{ retryAfterSeconds: 3_600, times: 2 },
  });
  await approve(world, post.postId, ['content', 'publish']);
  await world.ended(post);
  expect(await texts(started)).toEqual([post.content.copy]);
  expect(await world.now()).toBeGreaterThanOrEqual(post.input.post.dueAtMs! + 2 * hour);
  expect(await replayNow(world, post.postId, 'throttled-twice')).toBeNull();
});

test('asks the platform after a reset, finds the post there, and does not send it again', async () => {
  const started = await start();
  const { post, profile } = started;
  await control(world, '/faults', {
    ...{ platform: 'linkedin', operation: 'linkedin.posts.create', kind: 'accept-then-reset' },
    externalId: profile.externalId,
  });
  await approve(world, post.postId, ['content', 'publish']);
  await world.ended(post);
  expect(await texts(started)).toEqual([post.content.copy]);
  expect(await statusOf(started)).toBe('PUBLISHED');
  expect(await replayNow(world, post.postId, 'accepted-then-reset-found')).toBeNull();
});

test('leaves the doubtful post of a LinkedIn member to a person', async () => {
  const started = await start({}, 'member');
  const { post, profile } = started;
  await control(world, '/faults', {
    ...{ platform: 'linkedin', operation: 'linkedin.posts.create', kind: 'accept-then-reset' },
    externalId: profile.externalId,
  });
  await approve(world, post.postId, ['content', 'publish']);
  await world.sleep(8 * day);
  await eventually(async () => (await statusOf(started)) === 'UNCONFIRMED');
  expect(await texts(started)).toHaveLength(1);
  expect(await replayNow(world, post.postId, 'member-unconfirmed')).toBeNull();
});

test.each([
  ['published', 'PUBLISHED', 1],
  ['absent', 'FAILED', 1],
  ['resend', 'PUBLISHED', 2],
] as const)("takes a person's word on a doubtful post: %s", async (resolution, status, sentTimes) => {
  const started = await start({ copy: `Doubtful, then ${resolution}` }, 'member');
  const { post, profile } = started;
  const accepted = resolution === 'published' ? 'accept-then-reset' : 'reset-before-accept';
  await control(world, '/faults', {
    ...{
      platform: 'linkedin',
      operation: 'linkedin.posts.create',
      kind: accepted,
      externalId: profile.externalId,
    },
  });
  await approve(world, post.postId, ['content', 'publish']);
  await world.sleep(8 * day);
  await eventually(async () => (await statusOf(started)) === 'UNCONFIRMED');
  const { targetId } = post.input.post.targets[0]!;
  const permalink = resolution === 'published' ? 'https://www.linkedin.com/feed/update/urn:li:share:1' : null;
  await command(world, post.postId, {
    ...{ kind: 'resolve', actor: world.members.author, targetId, resolution, permalink },
  });
  await eventually(async () => (await statusOf(started)) === status);
  expect(await texts(started)).toHaveLength(resolution === 'absent' ? 0 : 1);
  const publications = await world.tenant
    .selectFrom('publications')
    .select(['cycle', 'state', 'permalink'])
    .where('post_id', '=', post.postId)
    .orderBy('cycle')
    .execute();
  expect(publications).toHaveLength(sentTimes);
  expect(publications.at(-1)?.state).toBe(resolution === 'absent' ? 'REFUSED' : 'PUBLISHED');
  if (permalink) expect(publications[0]?.permalink).toBe(permalink);
  expect(await replayNow(world, post.postId, `doubtful-${resolution}`)).toBeNull();
});

test('commits the same Instagram container again when the first call never took effect', async () => {
  const started = await startCarousel();
  const { post, profile } = started;
  await control(world, '/faults', {
    ...{ platform: 'instagram', operation: 'instagram.media_publish', kind: 'reset-before-accept' },
    externalId: profile.externalId,
  });
  await approve(world, post.postId, ['content', 'design', 'publish']);
  await world.ended(post);
  expect(await ledgerOf(world, profile.externalId)).toHaveLength(1);
  expect(await replayNow(world, post.postId, 'instagram-reset-before-accept')).toBeNull();
});

test('becomes a draft again when it is withdrawn, and waits at the first gate after the next submission', async () => {
  const started = await start();
  const { post } = started;
  await approve(world, post.postId, ['content']);
  await command(world, post.postId, { kind: 'withdraw', actor: world.members.author });
  expect(await statusOf(started)).toBe('DRAFT');
  await expect(approve(world, post.postId, ['publish'])).rejects.toMatchObject(refusedWith('not-submitted'));
  await command(world, post.postId, {
    kind: 'submit',
    actor: world.members.author,
    revision: post.revision,
    dueAtMs: (await world.now()) + day,
    targets: [],
  });
  expect(await statusOf(started)).toBe('IN_REVIEW');
  await approve(world, post.postId, ['content', 'publish']);
  await world.ended(post);
  expect(await texts(started)).toHaveLength(1);
  expect(await replayNow(world, post.postId, 'withdrawn-and-submitted')).toBeNull();
});

test('carries everything through continue-as-new, remembers its commands, and publishes once', async () => {
  const started = await start({ settings: { continueAsNewAfterEvents: 20 } });
  const { post } = started;
  const commandId = 'remembered-across-runs';
  const approval: CommandWithoutId = {
    kind: 'decide',
    ...{
      actor: world.members.reviewer,
      gate: 'content',
      verdict: 'approve',
      hash: post.revision.contentHash,
    },
    ...{ notes: null, returnTo: null, commandId },
  };
  await command(world, post.postId, approval);
  for (let hours = 1; hours <= 6; hours += 1)
    await command(world, post.postId, {
      kind: 'schedule',
      actor: world.members.author,
      dueAtMs: (await world.now()) + 2 * day + hours * hour,
      targets: [],
    });
  await expect(command(world, post.postId, approval)).resolves.toMatchObject({ repeated: true });
  await approve(world, post.postId, ['publish']);
  expect(await replayNow(world, post.postId, 'continued-as-new')).toBeNull();
  const { runId } = await world.client.workflow.getHandle(started.handle.workflowId).describe();
  expect(runId).not.toBe(started.handle.firstExecutionRunId);
  await world.sleep(3 * day);
  await eventually(async () => (await statusOf(started)) === 'PUBLISHED');
  expect(await texts(started)).toEqual([post.content.copy]);
});

test.each([
  ['hold', 'SCHEDULED', 'late'],
  ['expire', 'EXPIRED', undefined],
] as const)(
  'applies the lateness rule "%s" when the last gate opens too late',
  async (lateness, status, code) => {
    const started = await start({
      dueAtMs: (await world.now()) + hour,
      policy: { publish: { lateness } },
    });
    const { post } = started;
    await approve(world, post.postId, ['content']);
    await world.sleep(day);
    await approve(world, post.postId, ['publish']);
    expect(await statusOf(started)).toBe(status);
    expect((await codesOf(started))[0]).toBe(code);
    expect(await texts(started)).toEqual([]);
    if (lateness === 'hold')
      await command(world, post.postId, { kind: 'cancel', actor: world.members.author, reason: null });
    expect(await replayNow(world, post.postId, `late-${lateness}`)).toBeNull();
  },
);

test('answers a repeated command and applies it once; refuses a second vote under another id', async () => {
  const started = await start({ policy: { content: { quorum: 2 } } });
  const { post } = started;
  const vote: CommandWithoutId = {
    kind: 'decide',
    ...{
      actor: world.members.reviewer,
      gate: 'content',
      verdict: 'approve',
      hash: post.revision.contentHash,
    },
    ...{ notes: null, returnTo: null },
  };
  await command(world, post.postId, { ...vote, commandId: 'one' });
  await expect(command(world, post.postId, { ...vote, commandId: 'two' })).rejects.toMatchObject(
    refusedWith('already-voted'),
  );
  const decisions = await world.tenant
    .selectFrom('decisions')
    .selectAll()
    .where('post_id', '=', post.postId)
    .execute();
  expect(decisions.map((decision) => decision.command_id)).toEqual(['one']);
  await command(world, post.postId, { kind: 'cancel', actor: world.members.author, reason: null });
});

test("refuses a post as a duplicate when the platform names somebody else's equal post", async () => {
  await world.gatepost.platforms.configure({ duplicateWindowMs: 30 * day });
  const first = await start({ copy: 'The same words' });
  await approve(world, first.post.postId, ['content', 'publish']);
  await world.ended(first.post);
  const post = await createPost(world, [first.profile], {
    copy: 'The same words',
    dueAtMs: (await world.now()) + hour,
  });
  await startPost(world, post);
  await approve(world, post.postId, ['content', 'publish']);
  await world.sleep(2 * hour);
  const row = await eventually(async () => {
    const target = await world.tenant
      .selectFrom('targets')
      .selectAll()
      .where('post_id', '=', post.postId)
      .executeTakeFirst();
    return target?.phase === 'FAILED' && target;
  });
  expect(row.error_code).toBe('rejected');
  expect(await texts(first)).toEqual(['The same words']);
});

test('takes the cancelling of its run as a cancel command', async () => {
  const started = await start();
  await approve(world, started.post.postId, ['content', 'publish']);
  await started.handle.cancel();
  await world.ended(started.post);
  expect(await statusOf(started)).toBe('CANCELLED');
  expect(await texts(started)).toEqual([]);
  expect(await replayNow(world, started.post.postId, 'run-cancelled-by-operator')).toBeNull();
});

test('goes on answering when the cancelling of its run is refused', async () => {
  const started = await start({}, 'member');
  const { post, profile, handle } = started;
  await control(world, '/faults', {
    ...{ platform: 'linkedin', operation: 'linkedin.posts.create', kind: 'accept-then-reset' },
    externalId: profile.externalId,
  });
  await approve(world, post.postId, ['content', 'publish']);
  await world.sleep(8 * day);
  await eventually(async () => (await statusOf(started)) === 'UNCONFIRMED');
  await handle.cancel();
  const retry = { kind: 'retry', actor: world.members.author, targetIds: null } as const;
  await expect(command(world, post.postId, retry)).rejects.toMatchObject(refusedWith('nothing-to-retry'));
  expect((await stateOf(world, post.postId)).targets[0]?.phase).toBe('UNCONFIRMED');
});

test('goes on from its last projection when its run is lost and started again', async () => {
  const started = await start();
  const { post, handle } = started;
  await approve(world, post.postId, ['content']);
  const { run_state: seen } = await rowOf(world, post.postId);
  await handle.terminate('lost');
  const restored: TestPost = { ...post, input: { ...post.input, carried: restoredState(seen!) } };
  await startPost(world, restored);
  await approve(world, post.postId, ['publish']);
  await world.ended(post);
  expect(await statusOf(started)).toBe('PUBLISHED');
  expect(await texts(started)).toEqual([post.content.copy]);
});

describe('a Signal', () => {
  const signalled = async (settings: PostOptions['settings'], actor: Actor) => {
    const started = await start({ settings });
    const { handle, post } = started;
    const approval = {
      ...{ kind: 'decide', commandId: 'by-signal', actor, gate: 'content', verdict: 'approve' },
      ...{ hash: post.revision.contentHash, notes: null, returnTo: null },
    };
    await handle.signal('decide', approval);
    // Nobody waits for a Signal: it is given a moment to be taken, or not.
    await new Promise((resolve) => setTimeout(resolve, 500));
    return (await stateOf(world, post.postId)).gates.content.status;
  };

  test('decides where the run takes Signals and the policy gives its sender the gate', async () => {
    expect(await signalled({ acceptSignals: true }, world.members.reviewer)).toBe('approved');
  });

  test('does nothing by default', async () => {
    expect(await signalled({}, world.members.reviewer)).toBe('pending');
  });

  test('is refused for a sender who only claims a role, or is no member', async () => {
    const claimed: Actor = { ...world.members.designer, role: 'tenant_admin' };
    const stranger: Actor = {
      memberId: '00000000-0000-4000-8000-000000000000',
      role: 'tenant_admin',
      name: 'Nobody',
    };
    expect(await signalled({ acceptSignals: true }, claimed)).toBe('pending');
    expect(await signalled({ acceptSignals: true }, stranger)).toBe('pending');
  });
});

test('keeps the life of a text post with one target within 60 events and 16 KB', async () => {
  const started = await start();
  await approve(world, started.post.postId, ['content', 'publish']);
  await world.ended(started.post);
  const { events } = await started.handle.fetchHistory();
  const kinds = events!.map(({ eventType }) => temporal.api.enums.v1.EventType[eventType!]);
  const counted: Record<string, number> = {};
  for (const kind of kinds.filter((name) => !name.includes('WORKFLOW_TASK'))) {
    const name = kind.replace('EVENT_TYPE_', '');
    counted[name] = (counted[name] ?? 0) + 1;
  }
  expect(counted).toEqual({
    WORKFLOW_EXECUTION_STARTED: 1,
    WORKFLOW_EXECUTION_UPDATE_ACCEPTED: 2,
    WORKFLOW_EXECUTION_UPDATE_COMPLETED: 2,
    UPSERT_WORKFLOW_SEARCH_ATTRIBUTES: 5,
    MARKER_RECORDED: 5,
    TIMER_STARTED: 3,
    // A gate that is decided in time leaves a timer that was taken back: its SLA.
    TIMER_CANCELED: 2,
    TIMER_FIRED: 1,
    ACTIVITY_TASK_SCHEDULED: 2,
    ACTIVITY_TASK_STARTED: 2,
    ACTIVITY_TASK_COMPLETED: 2,
    WORKFLOW_EXECUTION_COMPLETED: 1,
  });
  expect(events!.length).toBeLessThanOrEqual(60);
  const bytes = temporal.api.history.v1.History.encode({ events }).finish().length;
  process.stderr.write(`history of a text post: ${events!.length} events, ${bytes} bytes\n`);
  expect(bytes).toBeLessThanOrEqual(16_384);
});
