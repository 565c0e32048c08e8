import { randomUUID } from 'node:crypto';
import { OutcomeUnknown } from '../../api/post-runs.ts';
import { wallClockAt } from '../../domain/wall-clock.ts';
import {
  createTestMedia,
  createTestTenant,
  inDays,
  startTestApi,
  type TestApi,
  type TestTenant,
} from './fixture.ts';

let api: TestApi;
let tenant: TestTenant;

beforeAll(async () => {
  api = await startTestApi();
  tenant = await createTestTenant(api);
});
afterAll(() => api.stop());

const textPost = (more: object = {}) => ({
  type: 'TEXT_ONLY',
  copy: 'Hello, world',
  targets: [{ profileId: tenant.linkedinId }],
  ...more,
});
const createPost = (more: object = {}, token = tenant.tokens.author) =>
  api.send('POST', '/api/v1/posts', { token, body: textPost(more) });
const getPost = (id: string, token = tenant.tokens.author) =>
  api.send('GET', `/api/v1/posts/${id}`, { token });
const command = (id: string, verb: string, body: unknown, token = tenant.tokens.manager) =>
  api.send('POST', `/api/v1/posts/${id}/${verb}`, { token, body });
const decide = (id: string, body: object, token = tenant.tokens.manager, key: string | null = null) =>
  api.send('POST', `/api/v1/posts/${id}/decisions`, { token, body, key });

test('creates a draft with its first revision and tells what it waits for', async () => {
  const dueAtMs = Math.floor(Date.parse(inDays(2)) / 60_000) * 60_000;
  const dueLocal = wallClockAt(dueAtMs, 'Europe/Berlin');
  const created = await createPost({
    dueAt: new Date(dueAtMs).toISOString(),
    dueLocal,
    dueTimeZone: 'Europe/Berlin',
  });
  expect(created.status).toBe(201);
  expect(created.headers.get('location')).toBe(`/api/v1/posts/${created.body.id}`);
  expect(created.headers.get('etag')).toBe('"1"');
  expect(created.body).toMatchObject({
    status: 'DRAFT',
    gates: null,
    dueAt: new Date(dueAtMs).toISOString(),
    dueLocal,
    dueTimeZone: 'Europe/Berlin',
    decisions: [],
  });
  expect(created.body.blockedOn).toEqual([
    { code: 'submit', message: 'The draft has not been submitted for review' },
  ]);
  expect(created.body.revision).toMatchObject({ number: 1, copy: 'Hello, world' });
  expect(created.body.targets).toMatchObject([{ platform: 'linkedin', phase: 'WAITING' }]);
});

test('submits at once, starts the run, and is true before the first projection', async () => {
  api.runs.failNext = new Error('Temporal is away');
  const created = await createPost({ submit: true, dueAt: inDays(2) });
  expect(created.status).toBe(201);
  expect(api.runs.started).not.toContain(created.body.id);
  expect(created.body).toMatchObject({ status: 'IN_REVIEW', openGate: 'content', decidableByMe: false });
  expect(created.body.gates.content).toMatchObject({ status: 'pending', round: 1 });
  expect(created.body.gates.content.hash).toBe(created.body.revision.hashes.content);
  expect((await getPost(created.body.id, tenant.tokens.manager)).body.decidableByMe).toBe(true);

  // The run has not been started yet: the first command does it.
  const hash = created.body.gates.content.hash;
  const decided = await decide(created.body.id, { gate: 'content', verdict: 'approve', hash });
  expect(decided.status).toBe(200);
  expect(api.runs.started).toContain(created.body.id);
});

test('takes a text post through its gates; a double click counts once, a second vote is refused', async () => {
  const { body: post } = await createPost({ dueAt: inDays(2) });
  const submitted = await command(post.id, 'submit', undefined, tenant.tokens.author);
  expect(submitted.status).toBe(200);
  expect(submitted.body.post).toMatchObject({ id: post.id, status: 'IN_REVIEW', repeated: false });

  const content = { gate: 'content', verdict: 'approve', hash: post.revision.hashes.content };
  const byAuthor = await decide(post.id, content, tenant.tokens.author);
  expect([byAuthor.status, byAuthor.body.code]).toEqual([403, 'author-may-not-decide']);
  const byViewer = await decide(post.id, content, tenant.tokens.viewer);
  expect([byViewer.status, byViewer.body.code]).toEqual([403, 'may-not-decide']);
  const stale = await decide(post.id, { ...content, hash: 'a'.repeat(64) });
  expect([stale.status, stale.body.code]).toEqual([409, 'stale-hash']);

  const first = await decide(post.id, content);
  expect(first.body.post).toMatchObject({ status: 'SCHEDULED', repeated: false });
  const again = await decide(post.id, content);
  expect([again.status, again.body.post.repeated]).toEqual([200, true]);
  const otherKey = await decide(post.id, content, tenant.tokens.manager, 'another-click');
  expect([otherKey.status, otherKey.body.code]).toEqual([409, 'already-voted']);

  const read = await getPost(post.id);
  expect(read.body.contentApprovedAt).not.toBeNull();
  expect(read.body.decisions).toMatchObject([
    { gate: 'content', verdict: 'approve', memberName: 'The manager' },
  ]);
  const timeline = await api.send('GET', `/api/v1/posts/${post.id}/timeline`, {
    token: tenant.tokens.viewer,
  });
  const types = timeline.body.events.map((event: { type: string }) => event.type);
  expect(types).toEqual(expect.arrayContaining(['post.created', 'post.submitted', 'gate.approved']));
  expect(timeline.body.decisions).toHaveLength(1);
});

test('edits a submitted post by a new revision and opens only the gates it changes', async () => {
  const { body: post } = await createPost({ submit: true, dueAt: inDays(2) });
  const content = { gate: 'content', verdict: 'approve', hash: post.revision.hashes.content };
  await decide(post.id, content);
  const etag = (await getPost(post.id)).headers.get('etag')!;
  const edited = await api.send('PATCH', `/api/v1/posts/${post.id}`, {
    token: tenant.tokens.author,
    headers: { 'If-Match': etag },
    body: { copy: 'Hello again' },
  });
  expect(edited.status).toBe(200);
  expect(edited.body.post.status).toBe('IN_REVIEW');
  const read = await getPost(post.id);
  expect(read.body.revision).toMatchObject({ number: 2, copy: 'Hello again' });
  expect(read.body.gates.content).toMatchObject({ status: 'pending', round: 2 });

  const late = await api.send('PATCH', `/api/v1/posts/${post.id}`, {
    token: tenant.tokens.author,
    headers: { 'If-Match': etag },
    body: { copy: 'Too late' },
  });
  expect([late.status, late.body.code]).toEqual([412, 'if-match-failed']);
  const targets = await api.send('PATCH', `/api/v1/posts/${post.id}`, {
    token: tenant.tokens.author,
    headers: { 'If-Match': read.headers.get('etag')! },
    body: { targets: [{ profileId: tenant.instagramId }] },
  });
  expect([targets.status, targets.body.code]).toEqual([409, 'targets-fixed']);
  const revisions = await api.send('GET', `/api/v1/posts/${post.id}/revisions?limit=1`, {
    token: tenant.tokens.viewer,
  });
  expect(revisions.body.items).toMatchObject([{ number: 2 }]);
  const older = await api.send(
    'GET',
    `/api/v1/posts/${post.id}/revisions?limit=1&cursor=${revisions.body.nextCursor}`,
    { token: tenant.tokens.viewer },
  );
  expect(older.body.items).toMatchObject([{ number: 1 }]);
});

test('edits a draft on its row, with its targets', async () => {
  const { body: post } = await createPost();
  const mediaId = await createTestMedia(api, tenant.tokens.designer);
  const edited = await api.send('PATCH', `/api/v1/posts/${post.id}`, {
    token: tenant.tokens.author,
    headers: { 'If-Match': '"1"' },
    body: { copy: 'New words', dueAt: inDays(1), assigneeId: tenant.memberIds.designer },
  });
  expect([edited.status, edited.headers.get('etag')]).toEqual([200, '"2"']);
  const withMedia = await api.send('PATCH', `/api/v1/posts/${post.id}`, {
    token: tenant.tokens.designer,
    headers: { 'If-Match': '"2"' },
    body: { media: [{ mediaId }] },
  });
  expect([withMedia.status, withMedia.body.code]).toEqual([422, 'invalid-post']);
  expect(withMedia.body.errors).toMatchObject([
    { path: '/media', code: 'too-many-media', limit: 0, actual: 1 },
  ]);
  const byDesigner = await api.send('PATCH', `/api/v1/posts/${post.id}`, {
    token: tenant.tokens.designer,
    headers: { 'If-Match': '"2"' },
    body: { copy: 'Not mine' },
  });
  expect([byDesigner.status, byDesigner.body.code]).toEqual([403, 'forbidden']);
  const read = await getPost(post.id);
  expect(read.body.revision).toMatchObject({ number: 2, copy: 'New words' });
  expect(read.body.assigneeId).toBe(tenant.memberIds.designer);
  expect(api.runs.started).not.toContain(post.id);
});

test('changes the targets of a draft', async () => {
  const { body: post } = await createPost({ type: 'SINGLE_IMAGE' });
  const edited = await api.send('PATCH', `/api/v1/posts/${post.id}`, {
    token: tenant.tokens.author,
    headers: { 'If-Match': '"1"' },
    body: { targets: [{ profileId: tenant.instagramId, copy: 'For the gram' }] },
  });
  expect(edited.status).toBe(200);
  const read = await getPost(post.id);
  expect(read.body.targets).toMatchObject([{ profileId: tenant.instagramId, copy: 'For the gram' }]);
});

test('names everything that is wrong with a new post at once, with limits and values', async () => {
  const mediaId = await createTestMedia(api, tenant.tokens.designer, '100x1000');
  const reply = await createPost({
    type: 'SINGLE_IMAGE',
    copy: 'x'.repeat(2_300),
    media: [{ mediaId }, { mediaId: randomUUID() }],
    targets: [{ profileId: tenant.instagramId }, { profileId: randomUUID() }],
    dueAt: inDays(-1),
    assigneeId: randomUUID(),
  });
  expect([reply.status, reply.body.code]).toEqual([422, 'invalid-post']);
  const found = reply.body.errors.map((error: { path: string; code: string }) => [error.path, error.code]);
  expect(found).toEqual([
    ['/targets/1/profileId', 'unknown-profile'],
    ['/media/1/mediaId', 'unknown-media'],
    ['/copy', 'text-too-long'],
    ['/dueAt', 'due-time-passed'],
    ['/assigneeId', 'unknown-member'],
  ]);
  expect(reply.body.errors[2]).toMatchObject({ limit: 2_200, actual: 2_300 });
});

test('refuses media that the platform would refuse, and types it does not have', async () => {
  const mediaId = await createTestMedia(api, tenant.tokens.designer, '100x1000');
  const targets = [{ profileId: tenant.instagramId }];
  const narrow = await createPost({ type: 'SINGLE_IMAGE', media: [{ mediaId }], targets });
  expect(narrow.body.errors).toMatchObject([{ path: '/media/0', code: 'aspect-ratio' }]);
  const text = await createPost({ targets });
  expect(text.body.errors).toMatchObject([
    {
      path: '/targets/0/profileId',
      code: 'post-type-unsupported',
      message: 'instagram: Instagram has no posts without a picture or video',
    },
  ]);
});

test('refuses a post whose gate nobody could pass', async () => {
  const other = await createTestTenant(api);
  for (const name of ['manager', 'admin'] as const)
    await api.send('PATCH', `/api/v1/members/${other.memberIds[name]}`, {
      token: other.tokens.admin,
      body: { active: false },
    });
  const reply = await api.send('POST', '/api/v1/posts', {
    token: other.tokens.author,
    body: { type: 'TEXT_ONLY', copy: 'Hi', targets: [{ profileId: other.linkedinId }] },
  });
  expect([reply.status, reply.body.code]).toEqual([422, 'no-eligible-decider']);
  expect(reply.body.errors).toHaveLength(2);
});

test('answers an unknown outcome with 503, and the same key finds out', async () => {
  const { body: post } = await createPost({ submit: true, dueAt: inDays(2) });
  const body = { gate: 'content', verdict: 'approve', hash: post.revision.hashes.content };
  api.runs.failNext = new OutcomeUnknown('No answer');
  const unknown = await decide(post.id, body, tenant.tokens.manager, 'decide-1');
  expect([unknown.status, unknown.body.code]).toEqual([503, 'outcome-unknown']);
  expect(unknown.headers.get('retry-after')).toBe('2');
  const again = await decide(post.id, body, tenant.tokens.manager, 'decide-1');
  expect([again.status, again.body.post.repeated]).toEqual([200, false]);
  const ids = api.runs.commands.filter((one) => one.kind === 'decide').map((one) => one.commandId);
  expect(new Set(ids.slice(-1)).size).toBe(1);
});

test('refuses commands on drafts that need a run, and cancels and schedules drafts on their row', async () => {
  const { body: post } = await createPost();
  const hash = post.revision.hashes.publish;
  for (const [verb, body] of [
    ['withdraw', undefined],
    ['publish-now', { hash }],
    ['retry', {}],
    ['resolve', { targetId: post.targets[0].id, resolution: 'absent' }],
    ['decisions', { gate: 'publish', verdict: 'approve', hash }],
  ] as const) {
    const reply = await command(post.id, verb, body);
    expect([verb, reply.status, reply.body.code]).toEqual([verb, 409, 'not-submitted']);
  }
  const dueAt = inDays(3);
  expect((await command(post.id, 'schedule', { dueAt })).status).toBe(200);
  expect((await getPost(post.id)).body.dueAt).toBe(dueAt);
  const past = await command(post.id, 'schedule', { dueAt: inDays(-1) });
  expect([past.status, past.body.code]).toEqual([422, 'due-time-passed']);
  const cancelled = await command(post.id, 'cancel', { reason: 'No longer wanted' });
  expect(cancelled.body.post).toMatchObject({ status: 'CANCELLED', blockedOn: [] });
  const closed = await command(post.id, 'submit', undefined);
  expect([closed.status, closed.body.code]).toEqual([409, 'post-closed']);
});

test('takes the word of a person only on a target whose outcome is in doubt', async () => {
  const { body: post } = await createPost({ submit: true });
  const targetId = post.targets[0].id;
  const sure = await command(post.id, 'resolve', { targetId, resolution: 'absent' });
  expect([sure.status, sure.body.code]).toEqual([409, 'not-unconfirmed']);
  for (const body of [
    { targetId, resolution: 'perhaps' },
    { targetId, resolution: 'published', permalink: 'javascript:alert(1)' },
    { resolution: 'absent' },
  ]) {
    const wrong = await command(post.id, 'resolve', body);
    expect([wrong.status, wrong.body.code]).toEqual([400, 'invalid-request']);
  }
});

test('withdraws, edits and submits again', async () => {
  const { body: post } = await createPost({ submit: true });
  expect((await command(post.id, 'withdraw', undefined)).body.post.status).toBe('DRAFT');
  const etag = (await getPost(post.id)).headers.get('etag')!;
  const edited = await api.send('PATCH', `/api/v1/posts/${post.id}`, {
    token: tenant.tokens.author,
    headers: { 'If-Match': etag },
    body: { copy: 'Second thoughts', dueAt: inDays(5) },
  });
  expect(edited.status).toBe(200);
  const submitted = await command(post.id, 'submit', undefined, tenant.tokens.author);
  expect(submitted.body.post.status).toBe('IN_REVIEW');
  const read = await getPost(post.id);
  expect(read.body).toMatchObject({ status: 'IN_REVIEW', openGate: 'content' });
  expect(read.body.revision.copy).toBe('Second thoughts');
  const twice = await command(post.id, 'submit', undefined);
  expect([twice.status, twice.body.code]).toEqual([409, 'already-submitted']);
});

test('briefs the designer with sizes, and with the notes of the last rejection', async () => {
  const { body: post } = await createPost({
    type: 'SINGLE_IMAGE',
    targets: [{ profileId: tenant.instagramId, copy: 'Special' }],
    submit: true,
    dueAt: inDays(2),
  });
  await decide(post.id, { gate: 'content', verdict: 'approve', hash: post.revision.hashes.content });
  const rejection = { gate: 'design', verdict: 'reject', hash: post.revision.hashes.design };
  const mute = await decide(post.id, rejection);
  expect([mute.status, mute.body.code]).toEqual([422, 'notes-required']);
  await decide(post.id, { ...rejection, notes: 'Warmer colours' });
  const brief = await api.send('GET', `/api/v1/posts/${post.id}/brief`, { token: tenant.tokens.designer });
  expect(brief.body).toMatchObject({
    mediaNeeded: 1,
    targets: [{ platform: 'instagram', copy: 'Special' }],
    rejection: { notes: 'Warmer colours', memberName: 'The manager' },
  });
  expect(brief.body.targets[0].formats[0]).toMatchObject({ name: 'portrait', width: 1_080, height: 1_350 });
});

test('lists by status, gate, due time, words and who may decide, page by page', async () => {
  const other = await createTestTenant(api);
  const create = async (copy: string, more: object = {}) =>
    (
      await api.send('POST', '/api/v1/posts', {
        token: other.tokens.author,
        body: { type: 'TEXT_ONLY', copy, targets: [{ profileId: other.linkedinId }], ...more },
      })
    ).body.id as string;
  const draft = await create('A quiet draft');
  const waiting = await create('Winter sale begins', { submit: true, dueAt: inDays(3) });
  const list = async (query: string, token = other.tokens.manager) => {
    const reply = await api.send('GET', `/api/v1/posts${query}`, { token });
    expect(reply.status).toBe(200);
    return reply.body.items.map((item: { id: string }) => item.id);
  };
  expect(await list('')).toEqual([waiting, draft]);
  expect(await list('?status=DRAFT&status=CANCELLED')).toEqual([draft]);
  expect(await list('?waitingOn=content')).toEqual([waiting]);
  expect(await list('?waitingOn=submit')).toEqual([draft]);
  expect(await list('?decidableByMe=true')).toEqual([waiting]);
  expect(await list('?decidableByMe=true', other.tokens.author)).toEqual([]);
  expect(await list('?decidableByMe=true', other.tokens.viewer)).toEqual([]);
  expect(await list(`?dueFrom=${inDays(2)}&dueTo=${inDays(4)}`)).toEqual([waiting]);
  expect(await list('?text=winter%20sale')).toEqual([waiting]);
  expect(await list(`?profileId=${other.linkedinId}`)).toHaveLength(2);
  expect(await list(`?profileId=${other.instagramId}`)).toEqual([]);
  const first = await api.send('GET', '/api/v1/posts?limit=1', { token: other.tokens.viewer });
  expect(first.body.items[0].id).toBe(waiting);
  expect(await list(`?limit=1&cursor=${first.body.nextCursor}`)).toEqual([draft]);
});

test('shows a member who is limited to profiles only the posts within them', async () => {
  const { body: post } = await createPost();
  const path = `/api/v1/members/${tenant.memberIds.viewer}`;
  const limit = (profileIds: string[] | null) =>
    api.send('PATCH', path, { token: tenant.tokens.admin, body: { profileIds } });
  await limit([tenant.instagramId]);
  const missing = await getPost(randomUUID(), tenant.tokens.viewer);
  const hidden = await getPost(post.id, tenant.tokens.viewer);
  expect(hidden.status).toBe(404);
  expect(withoutRequestId(hidden.text)).toBe(withoutRequestId(missing.text));
  const list = await api.send('GET', `/api/v1/posts?limit=100`, { token: tenant.tokens.viewer });
  expect(list.body.items.map((item: { id: string }) => item.id)).not.toContain(post.id);
  await limit(null);
  expect((await getPost(post.id, tenant.tokens.viewer)).status).toBe(200);
});

const withoutRequestId = (text: string): string => text.replace(/"requestId":"[^"]*"/, '');
