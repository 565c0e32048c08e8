import pg from 'pg';
import { createEnvelopes } from '../../adapters/secrets/envelope.ts';
import { createTestMedia, createTestTenant, startTestApi, type TestApi, type TestTenant } from './fixture.ts';

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

const announce = (sizeBytes = 100) =>
  api.send('POST', '/api/v1/media', {
    token: tenant.tokens.designer,
    body: { fileName: 'a.jpg', contentType: 'image/jpeg', sizeBytes },
  });
const keyOf = (url: string) => new URL(url).pathname.slice(1);
const complete = (id: string) =>
  api.send('POST', `/api/v1/media/${id}/complete`, { token: tenant.tokens.designer });

test('takes the bytes that were uploaded; a later upload to the same address changes nothing', async () => {
  const announced = await announce();
  const { id, upload } = announced.body;
  expect(announced.status).toBe(201);
  const early = await complete(id);
  expect([early.status, early.body.code]).toEqual([409, 'upload-missing']);
  api.storage.objects.set(keyOf(upload.url), Buffer.from('800x600 approved'));
  const done = await complete(id);
  expect(done.body).toMatchObject({ state: 'ready', width: 800, height: 600, contentType: 'image/jpeg' });
  api.storage.objects.set(keyOf(upload.url), Buffer.from('1x1 something else'));
  expect((await complete(id)).text).toBe(done.text);
  const stored = api.storage.objects.get(`${tenant.id}/${done.body.sha256}`);
  expect(stored?.toString()).toBe('800x600 approved');
  const read = await api.send('GET', `/api/v1/media/${id}`, { token: tenant.tokens.viewer });
  expect(read.body.download.url).toContain(done.body.sha256);
  expect(read.text).not.toContain('incoming/');
});

test('refuses what is no picture, for good and with the reason', async () => {
  const { id, upload } = (await announce()).body;
  api.storage.objects.set(keyOf(upload.url), Buffer.from('rubbish'));
  for (const _ of [1, 2]) {
    const refused = await complete(id);
    expect([refused.status, refused.body.code]).toEqual([422, 'media-refused']);
    expect(refused.body.errors).toMatchObject([{ code: 'unsupported-media' }]);
  }
  const read = await api.send('GET', `/api/v1/media/${id}`, { token: tenant.tokens.viewer });
  expect(read.body).toMatchObject({
    state: 'refused',
    refusal: { code: 'unsupported-media' },
    download: null,
  });
});

test('lists media', async () => {
  const id = await createTestMedia(api, tenant.tokens.designer);
  const list = await api.send('GET', '/api/v1/media?limit=100', { token: tenant.tokens.viewer });
  expect(list.body.items.map((item: { id: string }) => item.id)).toContain(id);
});

test('reconnects an account: the profile stays, the token is new, sealed, and never shown', async () => {
  const connect = (accessToken: string) =>
    api.send('POST', '/api/v1/profiles', {
      token: tenant.tokens.admin,
      body: {
        platform: 'linkedin',
        accountKind: 'organization',
        externalId: 'urn:li:organization:9',
        name: 'Nine',
        accessToken,
      },
    });
  const first = await connect('token-one');
  await admin.query(`update profiles set health = 'needs-reconnect' where id = $1`, [first.body.id]);
  const second = await connect('token-two');
  expect(second.body).toMatchObject({ id: first.body.id, health: 'active' });
  expect(second.text).not.toContain('token-two');
  const { rows } = await admin.query(
    'select g.id, g.access_token from grants g join profiles p on p.grant_id = g.id where p.id = $1',
    [first.body.id],
  );
  const envelopes = createEnvelopes({ currentKeyId: 'test', keys: { test: Buffer.alloc(32, 7) } });
  const context = { tenantId: tenant.id, table: 'grants', column: 'access_token', rowId: rows[0].id };
  expect(envelopes.open(rows[0].access_token, context)).toBe('token-two');
});

test('versions the policies of tenant and profile', async () => {
  const token = tenant.tokens.admin;
  const policy = { publish: { quorum: 2, lateness: 'expire' } };
  const put = (path: string, version: string) =>
    api.send('PUT', path, { token, headers: { 'If-Match': version }, body: policy });
  const tenantPolicy = await put('/api/v1/tenant/policy', '"1"');
  expect(tenantPolicy.body).toEqual({ policy, version: 2 });
  expect((await put('/api/v1/tenant/policy', '"1"')).status).toBe(412);
  const read = await api.send('GET', '/api/v1/tenant/policy', { token: tenant.tokens.viewer });
  expect([read.body, read.headers.get('etag')]).toEqual([{ policy, version: 2 }, '"2"']);
  const profile = await api.send('GET', `/api/v1/profiles/${tenant.linkedinId}`, { token });
  const path = `/api/v1/profiles/${tenant.linkedinId}/policy`;
  expect((await put(path, profile.headers.get('etag')!)).body.policy).toEqual(policy);
  const defaults = await api.send('GET', '/api/v1/policies/default', { token: tenant.tokens.viewer });
  expect(defaults.body.content).toMatchObject({ required: true, quorum: 1, authorMay: false });
});

test("changes the tenant's settings", async () => {
  const { headers } = await api.send('GET', '/api/v1/tenant', { token: tenant.tokens.viewer });
  const changed = await api.send('PATCH', '/api/v1/tenant', {
    token: tenant.tokens.admin,
    headers: { 'If-Match': headers.get('etag')! },
    body: { timeZone: 'Europe/Berlin', mode: 'live' },
  });
  expect(changed.body).toMatchObject({ timeZone: 'Europe/Berlin', mode: 'live', name: 'Acme' });
});
