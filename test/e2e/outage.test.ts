import { createServer } from 'node:net';
import {
  approve,
  type ConnectedProfile,
  decide,
  expectStatus,
  type Live,
  type LiveApi,
  type LiveTenant,
  type Send,
  startLive,
  submitText,
  within,
} from '../support/live.ts';

let live: Live;
let tenant: LiveTenant;
let profile: ConnectedProfile;
/** A process of the interface that cannot reach Temporal. */
let cutOff: LiveApi;

beforeAll(async () => {
  live = await startLive({ worker: false });
  cutOff = await live.startApi({ TEMPORAL_ADDRESS: `127.0.0.1:${await closedPort()}` });
  tenant = await live.createTenant();
  profile = await tenant.connect();
}, 90_000);
afterAll(() => live?.stop(), 60_000);

async function closedPort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

const send = async (method: string, path: string, options: Send = {}) => {
  const startedAt = performance.now();
  const reply = await tenant.author.send(method, path, { ...options, apiUrl: cutOff.url });
  return { reply, tookMs: performance.now() - startedAt };
};
const draft = () => ({ type: 'TEXT_ONLY', copy: 'While away', targets: [{ profileId: profile.id }] });
const outboxOf = (postId: string) =>
  live.query<{ done_at: Date | null }>('select done_at from outbox where post_id = $1', [postId]);

test('says which part is down', async () => {
  const ready = await fetch(`${cutOff.url}/readyz`, { signal: AbortSignal.timeout(10_000) });
  expect(ready.status).toBe(503);
  expect(await ready.json()).toEqual({
    status: 'not-ready',
    checks: {
      postgres: { state: 'ok' },
      storage: { state: 'ok' },
      temporal: { state: expect.stringMatching(/^(failed|timed-out)$/) },
    },
  });
  const healthy = await fetch(`${cutOff.url}/healthz`, { signal: AbortSignal.timeout(5_000) });
  expect(healthy.status).toBe(200);
  const other = await fetch(`${live.api.url}/readyz`, { signal: AbortSignal.timeout(10_000) });
  expect(other.status).toBe(200);
});

test('reads and drafts do not need Temporal', async () => {
  const created = await send('POST', '/posts', { body: draft() });
  expectStatus(created.reply, 201);
  const postId: string = created.reply.body.id;
  const etag = created.reply.headers.get('etag')!;
  expectStatus(
    (await send('PATCH', `/posts/${postId}`, { body: { copy: 'Edited' }, ifMatch: etag })).reply,
    200,
  );
  for (const path of [
    `/posts/${postId}`,
    '/posts',
    `/posts/${postId}/timeline`,
    `/posts/${postId}/brief`,
    '/me',
  ])
    expectStatus((await send('GET', path)).reply, 200);
  expectStatus((await send('POST', `/posts/${postId}/cancel`, { body: {} })).reply, 200);
});

test('a command is answered within ten seconds: not known, to be repeated with the same key', async () => {
  const postId = await submitText(tenant.author, [profile]);
  const commands = [
    send('POST', `/posts/${postId}/cancel`, { body: {} }),
    send('POST', `/posts/${postId}/withdraw`),
    send('POST', `/posts/${postId}/schedule`, {
      body: { dueAt: new Date(Date.now() + 3_600_000).toISOString() },
    }),
  ];
  for (const { reply, tookMs } of await Promise.all(commands)) {
    expect([reply.status, reply.body.code]).toEqual([503, 'outcome-unknown']);
    expect(Number(reply.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(tookMs).toBeLessThan(10_000);
  }
  expect((await tenant.viewer.send('GET', `/posts/${postId}`)).body.status).toBe('IN_REVIEW');
});

test('a submission is kept, and its run starts once there is somebody to start it', async () => {
  const created = expectStatus((await send('POST', '/posts', { body: draft() })).reply, 201);
  const postId: string = created.body.id;
  const submitted = await send('POST', `/posts/${postId}/submit`);
  expect(submitted.reply.status).toBe(200);
  expect(submitted.reply.body.post.status).toBe('IN_REVIEW');
  expect(submitted.tookMs).toBeLessThan(10_000);
  expect(await outboxOf(postId)).toEqual([{ done_at: null }]);

  await live.startWorker();
  await within(30_000, 'the relay', async () => (await outboxOf(postId))[0]?.done_at !== null);
  await approve(tenant.reviewer, postId, 'content');
  const again = await decide(tenant.reviewer, postId, 'content');
  expect([again.status, again.body.post?.repeated]).toEqual([200, true]);
});
