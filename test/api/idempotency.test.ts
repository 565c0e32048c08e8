import pg from 'pg';
import { claimIdempotencyKey, setIdempotencyAnswer } from '../../db/idempotency-keys.ts';
import { openPool } from '../../db/pool.ts';
import { forTenant } from '../../db/tenant-database.ts';
import { createTestTenant, signToken, startTestApi, type TestApi, type TestTenant } from './fixture.ts';

let api: TestApi;
let tenant: TestTenant;
let admin: pg.Client;

beforeAll(async () => {
  api = await startTestApi();
  tenant = await createTestTenant(api);
  admin = new pg.Client({ connectionString: api.database.superuserUrl });
  await admin.connect();
});
afterAll(async () => {
  await admin.end();
  await api.stop();
});

const createPost = (key: string, copy = 'Hello', token = tenant.tokens.author) =>
  api.send('POST', '/api/v1/posts', {
    token,
    key,
    body: { type: 'TEXT_ONLY', copy, targets: [{ profileId: tenant.linkedinId }] },
  });
const countPosts = async () => Number((await admin.query('select count(*) from posts')).rows[0].count);

test('replays the first answer, headers and all', async () => {
  const first = await createPost('key-1');
  const again = await createPost('key-1');
  expect(again.status).toBe(201);
  expect(again.text).toBe(first.text);
  expect(again.headers.get('etag')).toBe(first.headers.get('etag'));
  expect(first.headers.get('idempotency-replayed')).toBeNull();
  expect(again.headers.get('idempotency-replayed')).toBe('true');
});

test('replays a refusal too', async () => {
  const body = { type: 'TEXT_ONLY', copy: 'x'.repeat(3_001), targets: [{ profileId: tenant.linkedinId }] };
  const options = { token: tenant.tokens.author, key: 'key-refused', body };
  const first = await api.send('POST', '/api/v1/posts', options);
  const again = await api.send('POST', '/api/v1/posts', options);
  expect([first.status, first.body.code]).toEqual([422, 'invalid-post']);
  expect(again.text).toBe(first.text);
  expect(again.headers.get('content-type')).toContain('application/problem+json');
});

test('refuses a key with another body, and keeps the keys of two people apart', async () => {
  const first = await createPost('key-2');
  const reused = await createPost('key-2', 'Something else');
  expect([reused.status, reused.body.code]).toEqual([422, 'idempotency-key-reused']);
  const other = await createPost('key-2', 'Hello', tenant.tokens.manager);
  expect(other.status).toBe(201);
  expect(other.body.id).not.toBe(first.body.id);
});

test('carries out one of many equal requests at once', async () => {
  const before = await countPosts();
  const replies = await Promise.all(Array.from({ length: 8 }, () => createPost('key-3')));
  const statuses = new Set(replies.map((reply) => reply.status));
  expect([...statuses].every((status) => status === 201 || status === 409)).toBe(true);
  const refused = replies.find((reply) => reply.status === 409);
  if (refused) {
    expect(refused.body.code).toBe('request-in-progress');
    expect(refused.headers.get('retry-after')).toBe('1');
  }
  expect(await countPosts()).toBe(before + 1);
});

test('makes the same post again when the first request died before it could answer', async () => {
  const first = await createPost('key-4');
  // What a crash leaves behind: the effect, and a claim whose time is over.
  await admin.query(
    `update idempotency_keys set status = null, response = null, claimed_until = now() - interval '1 s' where key = 'key-4'`,
  );
  const before = await countPosts();
  const again = await createPost('key-4');
  expect(again.status).toBe(201);
  expect(again.body.id).toBe(first.body.id);
  expect(again.headers.get('idempotency-replayed')).toBeNull();
  expect(await countPosts()).toBe(before);
});

test('submits once when the first submission died before it could answer', async () => {
  const { body: post } = await createPost('key-5');
  const submit = () =>
    api.send('POST', `/api/v1/posts/${post.id}/submit`, { token: tenant.tokens.author, key: 'submit-5' });
  expect((await submit()).status).toBe(200);
  await admin.query(
    `update idempotency_keys set status = null, response = null, claimed_until = now() - interval '1 s' where key = 'submit-5'`,
  );
  const again = await submit();
  expect([again.status, again.body.post.status]).toEqual([200, 'IN_REVIEW']);
  const outbox = await admin.query('select done_at from outbox where post_id = $1', [post.id]);
  expect(outbox.rows).toEqual([{ done_at: expect.any(Date) }]);
});

test('stores answers sealed', async () => {
  await createPost('key-6', 'Confidential words');
  const { rows } = await admin.query(`select response from idempotency_keys where key = 'key-6'`);
  expect(rows[0].response.toString('latin1')).not.toContain('Confidential');
});

test('creates a tenant once per key', async () => {
  const token = await signToken({ subject: 'root', role: 'super_admin' });
  const create = (name: string) =>
    api.send('POST', '/api/v1/tenants', { token, key: 'tenant-1', body: { name } });
  const first = await create('Globex');
  const again = await create('Globex');
  expect([first.status, again.status, again.text]).toEqual([201, 201, first.text]);
  const other = await create('Initech');
  expect([other.status, other.body.code]).toEqual([422, 'idempotency-key-reused']);
});

test('a holder that lost its claim does not overwrite the answer of the next', async () => {
  const pool = openPool({
    connectionString: api.database.apiUrl,
    applicationName: 'keys',
    onIdleError: () => {},
  });
  try {
    const database = forTenant(pool, tenant.id);
    const scope = { subject: 's', route: 'r', key: 'k' };
    const slow = await claimIdempotencyKey(database, scope, { bodyHash: 'b', leaseSeconds: -1 });
    const next = await claimIdempotencyKey(database, scope, { bodyHash: 'b', leaseSeconds: 30 });
    expect(slow).not.toBeNull();
    expect(next).not.toBeNull();
    expect(await claimIdempotencyKey(database, scope, { bodyHash: 'b', leaseSeconds: 30 })).toBeNull();
    await setIdempotencyAnswer(database, scope, slow!, { status: 200, response: Buffer.from('slow') });
    await setIdempotencyAnswer(database, scope, next!, { status: 201, response: Buffer.from('next') });
    const { rows } = await admin.query(`select status from idempotency_keys where key = 'k'`);
    expect(rows).toEqual([{ status: 201 }]);
  } finally {
    await pool.end();
  }
});
