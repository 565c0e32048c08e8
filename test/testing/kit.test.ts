import { type Gatepost, startGatepost } from '@gatepost/gatepost/testing';
import { afterAll, beforeAll, expect, test } from '@jest/globals';

let gatepost: Gatepost;
beforeAll(async () => {
  gatepost = await startGatepost();
});
afterAll(async () => {
  await gatepost.stop();
});

const day = 86_400_000;

test('has people of every role, known to the interface', async () => {
  const { root, admin, author, reviewer, designer, viewer } = gatepost.people;
  const answers = await Promise.all(
    [root, admin, author, reviewer, designer, viewer].map((person) => person.send('GET', '/me')),
  );
  expect(answers.map(({ body }) => body.role)).toEqual([
    ...['super_admin', 'tenant_admin', 'content_manager', 'content_manager', 'graphic_designer', 'viewer'],
  ]);
  expect(answers.map(({ body }) => body.memberId)).toEqual(
    [root, admin, author, reviewer, designer, viewer].map(({ memberId }) => memberId),
  );
});

test('throws what the interface refuses, with its code', async () => {
  const page = await gatepost.profiles.connect('linkedin', 'member');
  const post = await gatepost.posts.create({ profiles: [page] });
  const refused = gatepost.posts.by(gatepost.people.author).approve(post, 'content');
  await expect(refused).rejects.toMatchObject({
    name: 'Refused',
    status: 403,
    code: 'author-may-not-decide',
  });
});

test('takes every command a post knows', async () => {
  const page = await gatepost.profiles.connect('linkedin', 'member');
  const { posts } = gatepost;
  const post = await posts.create({ profiles: [page], draft: true });
  expect((await posts.submit(post)).status).toBe('IN_REVIEW');
  expect((await posts.withdraw(post)).status).toBe('DRAFT');
  expect((await posts.schedule(post, gatepost.clock.in({ days: 2 }))).status).toBe('DRAFT');
  expect((await posts.submit(post)).status).toBe('IN_REVIEW');
  expect((await posts.reject(post, 'content', { notes: 'Shorter' })).status).toBe('IN_REVIEW');
  expect(await posts.waitsFor(post)).toContain('changes-requested:content');
  expect((await posts.edit(post, { copy: 'Short' })).status).toBe('IN_REVIEW');
  await posts.approve(post, 'content');
  await posts.publishNow(post);
  expect((await gatepost.clock.advanceToDue(post)).status).toBe('PUBLISHED');
  expect(await gatepost.ledger.expectOnce(post)).toMatchObject([{ text: 'Short' }]);
  expect((await posts.revisions(post)).map(({ number }) => number)).toEqual([1, 2]);
  const { events } = await posts.timeline(post);
  expect(events.map(({ type }) => type)).toEqual(
    expect.arrayContaining(['post.withdrawn', 'gate.rejected', 'post.edited', 'post.publish-now']),
  );
});

test("takes a person's word on a target in doubt, a retry, and a cancel", async () => {
  const { posts, platforms, clock } = gatepost;
  const person = await gatepost.profiles.connect('linkedin', 'member');
  await platforms.fail('linkedin.posts.create', 'reset-before-accept', { profile: person });
  const post = await posts.create({ profiles: [person], dueAt: clock.in({ days: 1 }) });
  await posts.approve(post, 'content', 'publish');
  expect((await clock.advanceToDue(post)).status).toBe('UNCONFIRMED');
  expect((await posts.resolve(post, 'absent')).status).toBe('FAILED');
  await posts.retry(post);
  expect((await clock.advanceToDue(post)).status).toBe('PUBLISHED');
  await gatepost.ledger.expectOnce(post);
  const other = await posts.create({ profiles: [person], dueAt: clock.in({ days: 1 }) });
  expect((await posts.cancel(other, 'The offer ended')).status).toBe('CANCELLED');
  await clock.advance({ days: 2 });
  await gatepost.ledger.expectNothing(other);
});

test('skips the time of the interface, the decisions and the platforms alike', async () => {
  const page = await gatepost.profiles.connect('linkedin');
  const dueAt = gatepost.clock.in({ weeks: 5 });
  const post = await gatepost.posts.create({ profiles: [page], dueAt });
  await gatepost.clock.advance({ weeks: 4 });
  await gatepost.posts.approve(post, 'content', 'publish');
  await gatepost.clock.advanceToDue(post);
  const { decisions } = await gatepost.posts.read(post);
  const decidedBeforeMs = dueAt.getTime() - Date.parse(decisions[0]!.decidedAt);
  expect(Math.round(decidedBeforeMs / day)).toBe(7);
  const [entry] = await gatepost.ledger.expectOnce(post);
  expect(Date.parse(entry!.receivedAt)).toBeGreaterThanOrEqual(dueAt.getTime());
  expect(gatepost.clock.now().getTime()).toBeGreaterThanOrEqual(dueAt.getTime());
  const passed = gatepost.posts.create({ profiles: [page], dueAt: new Date(dueAt.getTime() - day) });
  await expect(passed).rejects.toMatchObject({ code: 'due-time-passed' });
});

test('answers an advance when all that it brought has been done', async () => {
  const { posts, clock, profiles, ledger } = gatepost;
  const made = [];
  for (const days of [1, 2, 2, 3]) {
    const post = await posts.create({
      profiles: [await profiles.connect('linkedin')],
      dueAt: clock.in({ days }),
    });
    await posts.approve(post, 'content', 'publish');
    made.push(post);
  }
  const last = (await posts.read(made[3]!)).dueAt!;
  // Lands at the instant: nothing has been done by then, and all is when it answers.
  await clock.advanceTo(new Date(last));
  for (const post of made) await ledger.expectOnce(post);
});

test('lets time pass until a run has ended, and not on from there', async () => {
  const { posts, clock, profiles } = gatepost;
  const other = await posts.create({ profiles: [await profiles.connect('linkedin')] });
  const dueAt = clock.in({ weeks: 3 });
  const post = await posts.create({ profiles: [await profiles.connect('linkedin')], dueAt });
  await posts.approve(post, 'content', 'publish');
  expect((await clock.advanceToEnd(post)).status).toBe('PUBLISHED');
  expect(clock.now().getTime() - dueAt.getTime()).toBeLessThan(day);
  const endless = clock.advanceToEnd(other, { within: { days: 2 } });
  await expect(endless).rejects.toThrow(
    `Post ${other.id} has not ended: it is IN_REVIEW and waits for gate:content`,
  );
  await gatepost.temporal.handle(other).terminate();
  await expect(clock.advanceToEnd(other)).rejects.toThrow(`The run of post ${other.id} is TERMINATED`);
});

test('names the post that has no due time to advance to', async () => {
  const post = await gatepost.posts.create({ profiles: [await gatepost.profiles.connect('linkedin')] });
  await expect(gatepost.clock.advanceToDue(post)).rejects.toThrow(`Post ${post.id} has no due time`);
});

test('shows what the platforms were asked, and ends their faults', async () => {
  const page = await gatepost.profiles.connect('linkedin');
  const { platforms, posts, clock } = gatepost;
  const refusal = await platforms.fail('linkedin.posts.create', 'refuse', { profile: page, times: 'always' });
  const post = await posts.create({ profiles: [page], dueAt: clock.in({ days: 1 }) });
  await posts.approve(post, 'content', 'publish');
  expect((await clock.advanceToDue(post)).status).toBe('FAILED');
  expect(await refusal.hits()).toBe(1);
  await refusal.end();
  await posts.retry(post);
  await clock.advanceToDue(post);
  await gatepost.ledger.expectOnce(post);
  const requests = await platforms.requests({ operation: 'linkedin.posts.create', profile: page });
  expect(requests.map(({ answered }) => answered?.status)).toEqual([400, 201]);
});

test('knows the faults of the platforms by type, and says what goes with what', async () => {
  // @ts-expect-error: no such kind
  const unknown = gatepost.platforms.fail('linkedin.posts.create', 'explode');
  await expect(unknown).rejects.toThrow('answered POST /faults with 400');
  const unfit = gatepost.platforms.fail('instagram.media_publish', 'slow-container', { ms: 100 });
  await expect(unfit).rejects.toThrow('slow-container goes with instagram.media.create');
});

test('lets a hanging platform hang no longer than its commit may take', async () => {
  const page = await gatepost.profiles.connect('linkedin');
  await gatepost.platforms.fail('linkedin.posts.create', 'hang-after-accept', { profile: page });
  const post = await gatepost.posts.create({ profiles: [page], dueAt: gatepost.clock.in({ days: 1 }) });
  await gatepost.posts.approve(post, 'content', 'publish');
  expect((await gatepost.clock.advanceToDue(post)).status).toBe('PUBLISHED');
  await gatepost.ledger.expectOnce(post);
});

test('hands out the run itself', async () => {
  const post = await gatepost.posts.create({ profiles: [await gatepost.profiles.connect('linkedin')] });
  const { status, workflowId } = await gatepost.temporal.handle(post).describe();
  expect([status.name, workflowId]).toEqual(['RUNNING', `post/${gatepost.tenantId}/${post.id}`]);
  await gatepost.histories.replay(post);
});
