import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  approve,
  blocksOf,
  decide,
  edit,
  expectStatus,
  inSeconds,
  type Live,
  type LiveTenant,
  readPost,
  readTimeline,
  schedule,
  startLive,
  submitText,
  uploadPicture,
  waitForStatus,
} from '../support/live.ts';

let live: Live;
let tenant: LiveTenant;

beforeAll(async () => {
  live = await startLive();
  tenant = await live.createTenant();
}, 90_000);
afterAll(() => live?.stop(), 60_000);

const where = async (postId: string) => {
  const post = await readPost(tenant.viewer, postId);
  return [post.status, ...blocksOf(post)];
};
const typesOf = (events: readonly { type: string }[]) => events.map((event) => event.type);
const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');

test('a text post goes through its gates to the ledger, once and not early, and its story is whole', async () => {
  const { author, reviewer, second, viewer } = tenant;
  const profile = await tenant.connect();
  const body = { type: 'TEXT_ONLY', copy: 'First words', targets: [{ profileId: profile.id }] };
  const created = expectStatus(await author.send('POST', '/posts', { body }), 201);
  const postId: string = created.body.id;
  expect(created.headers.get('location')).toBe(`/api/v1/posts/${postId}`);
  expect(await where(postId)).toEqual(['DRAFT', 'submit']);
  expect((await readPost(viewer, postId)).gates).toBeNull();

  expectStatus(await author.send('POST', `/posts/${postId}/submit`), 200);
  expect(await where(postId)).toEqual(['IN_REVIEW', 'gate:content', 'due-time']);
  const waiting = await readPost(reviewer, postId);
  expect(waiting).toMatchObject({ openGate: 'content', decidableByMe: true });
  expect(waiting.blockedOn[0].message).toContain('content_manager');
  expect((await readPost(author, postId)).decidableByMe).toBe(false);

  expectStatus(await decide(reviewer, postId, 'content', { verdict: 'reject', notes: 'Too short' }), 200);
  expect(await where(postId)).toEqual(['IN_REVIEW', 'changes-requested:content', 'due-time']);

  expectStatus(await edit(author, postId, { copy: 'Second, longer words' }), 200);
  expect(await where(postId)).toEqual(['IN_REVIEW', 'gate:content', 'due-time']);
  await approve(reviewer, postId, 'content');
  expect(await where(postId)).toEqual(['APPROVED', 'gate:publish', 'due-time']);

  await approve(second, postId, 'publish');
  expect(await where(postId)).toEqual(['APPROVED', 'due-time']);

  const dueAt = inSeconds(6);
  expectStatus(await schedule(author, postId, dueAt), 200);
  expect(await where(postId)).toEqual(['SCHEDULED', 'until-due']);
  expect((await readPost(viewer, postId)).blockedOn[0].at).toBe(dueAt.toISOString());

  const published = await waitForStatus(viewer, postId, 'PUBLISHED');
  expect(published.blockedOn).toEqual([]);
  expect(published.contentApprovedAt).not.toBeNull();
  expect(published.publishApprovedAt).not.toBeNull();
  expect(published.targets[0]).toMatchObject({ phase: 'PUBLISHED', cycle: 1, error: null });

  const ledger = await live.ledgerOf(profile);
  expect(ledger.map((entry) => entry.text)).toEqual(['Second, longer words']);
  expect(ledger[0]!.publicId).toBe(published.targets[0].publicId);
  const latenessMs = Date.parse(ledger[0]!.receivedAt) - dueAt.getTime();
  expect(latenessMs).toBeGreaterThanOrEqual(0);
  expect(latenessMs).toBeLessThan(2_000);

  const { events, decisions, publications } = await readTimeline(viewer, postId);
  expect(typesOf(events)).toEqual([
    'post.created',
    'post.submitted',
    'gate.opened',
    'gate.rejected',
    'post.edited',
    'gate.opened',
    'gate.approved',
    'gate.opened',
    'gate.approved',
    'post.scheduled',
    'target.armed',
    'target.sending',
    'target.published',
  ]);
  const instants = events.map((event) => Date.parse(event.occurredAt));
  expect(instants).toEqual(instants.toSorted((one, other) => one - other));
  expect(decisions.map(({ gate, round, verdict, notes }) => [gate, round, verdict, notes])).toEqual([
    ['content', 1, 'reject', 'Too short'],
    ['content', 2, 'approve', null],
    ['publish', 2, 'approve', null],
  ]);
  expect(publications).toHaveLength(1);
  expect(publications[0]).toMatchObject({ state: 'PUBLISHED', cycle: 1, attempts: 1, error: null });
  expect(publications[0].latenessMs).toBeGreaterThanOrEqual(0);
});

test('a carousel is briefed, delivered, sent back, delivered again and published to two platforms', async () => {
  const { author, reviewer, second, designer, viewer } = tenant;
  const [linkedin, instagram] = [await tenant.connect(), await tenant.connect('business')];
  const postId = await submitText(author, [linkedin, instagram], { type: 'CAROUSEL', copy: 'Two pictures' });
  expect(await where(postId)).toEqual(['IN_REVIEW', 'gate:content', 'media', 'due-time']);

  await approve(reviewer, postId, 'content');
  expect(await where(postId)).toEqual(['NEEDS_DESIGN', 'media', 'gate:design', 'due-time']);
  const missing = await decide(reviewer, postId, 'design');
  expect([missing.status, missing.body.code]).toEqual([422, 'media-missing']);

  const brief = expectStatus(await designer.send('GET', `/posts/${postId}/brief`), 200).body;
  expect(brief).toMatchObject({ copy: 'Two pictures', mediaNeeded: 2, media: [], rejection: null });
  expect(brief.targets.map((target: { platform: string }) => target.platform)).toEqual([
    'linkedin',
    'instagram',
  ]);
  expect(brief.targets[1].formats[0]).toMatchObject({ contentTypes: ['image/jpeg'] });

  const uploads = [await uploadPicture(designer), await uploadPicture(designer)];
  for (const { completed, bytes } of uploads)
    expect(completed.body).toMatchObject({
      state: 'ready',
      sha256: sha256(bytes),
      sizeBytes: bytes.length,
      width: 1080,
      height: 1080,
      contentType: 'image/jpeg',
    });
  const media = uploads.map(({ mediaId }, index) => ({ mediaId, altText: `Picture ${index}` }));
  expectStatus(await edit(designer, postId, { media }), 200);
  expect(await where(postId)).toEqual(['NEEDS_DESIGN', 'gate:design', 'due-time']);
  expect((await readPost(viewer, postId)).contentApprovedAt).not.toBeNull();

  const notes = 'The other one first';
  expectStatus(await decide(reviewer, postId, 'design', { verdict: 'reject', notes }), 200);
  expect(await where(postId)).toEqual(['NEEDS_DESIGN', 'changes-requested:design', 'due-time']);
  const briefAgain = expectStatus(await designer.send('GET', `/posts/${postId}/brief`), 200).body;
  expect(briefAgain.rejection).toMatchObject({ notes, memberName: reviewer.name });
  expectStatus(await edit(designer, postId, { media: media.toReversed() }), 200);
  expect(await where(postId)).toEqual(['NEEDS_DESIGN', 'gate:design', 'due-time']);
  await approve(reviewer, postId, 'design');
  await approve(second, postId, 'publish');
  expect(await where(postId)).toEqual(['APPROVED', 'due-time']);

  const dueAt = inSeconds(5);
  expectStatus(await schedule(author, postId, dueAt), 200);
  const published = await waitForStatus(viewer, postId, 'PUBLISHED', 30_000);
  expect(published.designApprovedAt).not.toBeNull();
  const wanted = uploads.map(({ bytes }) => sha256(bytes)).toReversed();
  for (const profile of [linkedin, instagram]) {
    const ledger = await live.ledgerOf(profile);
    expect(ledger).toHaveLength(1);
    expect(ledger[0]!.media.map((item) => item.sha256)).toEqual(wanted);
    expect(ledger[0]!.altTexts).toEqual(['Picture 1', 'Picture 0']);
    const latenessMs = Date.parse(ledger[0]!.receivedAt) - dueAt.getTime();
    expect(latenessMs).toBeGreaterThanOrEqual(0);
    expect(latenessMs).toBeLessThan(3_000);
  }
});

test('a withdrawn post is a draft again, and every gate is asked anew once it is submitted again', async () => {
  const { author, reviewer, second, viewer } = tenant;
  const profile = await tenant.connect();
  const postId = await submitText(author, [profile]);
  await approve(reviewer, postId, 'content');
  expectStatus(await author.send('POST', `/posts/${postId}/withdraw`), 200);
  expect(await where(postId)).toEqual(['DRAFT', 'submit']);
  const early = await decide(second, postId, 'publish');
  expect([early.status, early.body.code]).toEqual([409, 'not-submitted']);
  expectStatus(await edit(author, postId, { copy: 'Thought over' }), 200);
  expectStatus(await author.send('POST', `/posts/${postId}/submit`), 200);
  expect(await where(postId)).toEqual(['IN_REVIEW', 'gate:content', 'due-time']);
  await approve(reviewer, postId, 'content', 'publish');
  expectStatus(await schedule(author, postId, inSeconds(2)), 200);
  await waitForStatus(viewer, postId, 'PUBLISHED');
  expect((await live.ledgerOf(profile)).map((entry) => entry.text)).toEqual(['Thought over']);
});

test('publish-now casts the vote, skips the due time and answers before the platform does', async () => {
  const { author, reviewer, second, viewer } = tenant;
  const profile = await tenant.connect();
  const postId = await submitText(author, [profile], { dueAt: inSeconds(86_400).toISOString() });
  await approve(reviewer, postId, 'content');
  await live.control('POST', '/faults', {
    operation: 'linkedin.posts.create',
    externalId: profile.externalId,
    kind: 'delay',
    ms: 2_000,
  });
  const { gates } = await readPost(second, postId);
  const startedAt = Date.now();
  const body = { hash: gates.publish.hash };
  expectStatus(await second.send('POST', `/posts/${postId}/publish-now`, { body }), 200);
  expect(Date.now() - startedAt).toBeLessThan(1_500);
  await waitForStatus(viewer, postId, 'PUBLISHED');
  expect(await live.ledgerOf(profile)).toHaveLength(1);
  const { decisions } = await readTimeline(viewer, postId);
  expect(decisions.at(-1)).toMatchObject({ gate: 'publish', verdict: 'approve', memberId: second.memberId });
});

test('a target the platform refused is tried again alone, and what went out stays as it is', async () => {
  const { author, reviewer, viewer } = tenant;
  const [good, bad] = [await tenant.connect(), await tenant.connect()];
  await live.control('POST', '/faults', {
    operation: 'linkedin.posts.create',
    externalId: bad.externalId,
    kind: 'refuse',
  });
  const postId = await submitText(author, [good, bad]);
  await approve(reviewer, postId, 'content', 'publish');
  expectStatus(await schedule(author, postId, inSeconds(2)), 200);
  const failed = await waitForStatus(viewer, postId, 'PARTIALLY_PUBLISHED');
  expect(blocksOf(failed)).toEqual(['operator']);
  expect(failed.targets.map((target: { phase: string }) => target.phase)).toEqual(['PUBLISHED', 'FAILED']);
  expect(failed.targets[1].error.code).toBe('rejected');
  expect(failed.blockedOn[0].targetId).toBe(failed.targets[1].id);

  expectStatus(await author.send('POST', `/posts/${postId}/retry`, { body: {} }), 200);
  const published = await waitForStatus(viewer, postId, 'PUBLISHED');
  expect(published.targets.map((target: { cycle: number }) => target.cycle)).toEqual([1, 2]);
  expect(published.targets[1].error).toBeNull();
  expect(await live.ledgerOf(good)).toHaveLength(1);
  expect(await live.ledgerOf(bad)).toHaveLength(1);
  const { publications } = await readTimeline(viewer, postId);
  expect(publications.map((row) => [row.cycle, row.state]).sort()).toEqual([
    [1, 'PUBLISHED'],
    [1, 'REFUSED'],
    [2, 'PUBLISHED'],
  ]);
});

test('a cancelled post never goes out and takes no more commands', async () => {
  const { author, reviewer, viewer } = tenant;
  const profile = await tenant.connect();
  const postId = await submitText(author, [profile]);
  await approve(reviewer, postId, 'content', 'publish');
  const dueAt = inSeconds(6);
  expectStatus(await schedule(author, postId, dueAt), 200);
  const body = { reason: 'Another plan' };
  expectStatus(await author.send('POST', `/posts/${postId}/cancel`, { body }), 200);
  expect(await where(postId)).toEqual(['CANCELLED']);
  const again = await author.send('POST', `/posts/${postId}/submit`);
  expect([again.status, again.body.code]).toEqual([409, 'post-closed']);
  await sleep(dueAt.getTime() + 1_500 - Date.now());
  expect(await live.ledgerOf(profile)).toEqual([]);
  const { events } = await readTimeline(viewer, postId);
  expect(events.at(-1)).toMatchObject({ type: 'post.cancelled', data: { reason: 'Another plan' } });
});
