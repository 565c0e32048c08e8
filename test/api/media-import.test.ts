import pg from 'pg';
import { createEnvelopes } from '../../adapters/secrets/envelope.ts';
import { createTestTenant, startTestApi, type TestApi, type TestTenant } from './fixture.ts';

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

const address = 'https://files.example/a%20film.mp4?signature=confidential#t=1';
const importFrom = (body: object, key?: string) =>
  api.send('POST', '/api/v1/media/import', { token: tenant.tokens.designer, body, ...(key && { key }) });
const rowOf = async (id: string) => (await admin.query('select * from media where id = $1', [id])).rows[0];
const requestOf = async (id: string) =>
  (await admin.query('select * from outbox where id = $1', [id])).rows[0];

test('answers a pending medium at once, keeps the address sealed, and has a worker fetch it', async () => {
  const asked = await importFrom({ url: address }, 'one');
  expect(asked.status).toBe(202);
  expect(asked.body).toMatchObject({
    ...{ state: 'pending', fileName: 'a film.mp4', contentType: null, sizeBytes: null, refusal: null },
  });
  const { id } = asked.body;
  expect(api.runs.imports).toEqual([{ tenantId: tenant.id, mediaId: id }]);
  const row = await rowOf(id);
  const envelopes = createEnvelopes({ currentKeyId: 'test', keys: { test: Buffer.alloc(32, 7) } });
  const cell = { tenantId: tenant.id, table: 'media', column: 'source_url', rowId: id };
  expect(envelopes.open(row.source_url, cell)).toBe(
    'https://files.example/a%20film.mp4?signature=confidential',
  );
  expect(await requestOf(id)).toMatchObject({ kind: 'import-media', done_at: expect.any(Date) });
  expect((await importFrom({ url: address }, 'one')).text).toBe(asked.text);
  const read = await api.send('GET', `/api/v1/media/${id}`, { token: tenant.tokens.viewer });
  expect(read.body).toMatchObject({ state: 'pending', download: null });
  for (const text of [asked.text, read.text, api.logLines.join('\n')])
    expect(text).not.toContain('confidential');
});

test('leaves the start to the relay when Temporal is away', async () => {
  api.runs.failNext = new Error('away');
  const asked = await importFrom({ url: address, fileName: 'mine.mov' });
  expect([asked.status, asked.body.fileName]).toEqual([202, 'mine.mov']);
  expect((await requestOf(asked.body.id)).done_at).toBeNull();
});

test('no post can use it before it is ready', async () => {
  const { id } = (await importFrom({ url: address })).body;
  const post = await api.send('POST', '/api/v1/posts', {
    token: tenant.tokens.author,
    body: {
      type: 'SINGLE_IMAGE',
      media: [{ mediaId: id }],
      targets: [{ profileId: tenant.linkedinId }],
    },
  });
  expect(post.body.errors[0]).toMatchObject({ code: 'media-not-ready', actual: 'pending' });
  const complete = await api.send('POST', `/api/v1/media/${id}/complete`, { token: tenant.tokens.designer });
  expect([complete.status, complete.body.code]).toEqual([409, 'upload-missing']);
});

test.each([
  ['http://files.example/a.jpg', 'An address of http: is not taken, only of https:'],
  ['file:///etc/passwd', 'An address of file: is not taken, only of https:'],
  ['https://user:confidential@files.example/', 'An address with a user is not taken'],
  ['https://files.example:5432/', 'The port 5432 is not taken, only 80, 443'],
  ['https://127.0.0.1/', '127.0.0.1 does not lead to a public host'],
  ['https://0x7f.1/', '127.0.0.1 does not lead to a public host'],
  ['https://[::1]/', '[::1] does not lead to a public host'],
  ['https://169.254.169.254/latest/', '169.254.169.254 does not lead to a public host'],
  ['nonsense', 'It is no address'],
])('refuses %s at once and writes nothing', async (url, message) => {
  const count = async () => (await admin.query('select count(*) from media')).rows[0].count;
  const before = await count();
  const refused = await importFrom({ url });
  expect([refused.status, refused.body.code]).toEqual([422, 'address-refused']);
  expect(refused.body.errors).toEqual([{ path: '/url', code: 'address-refused', message }]);
  expect(await count()).toBe(before);
});

test('is for those who may bring media', async () => {
  const refused = await api.send('POST', '/api/v1/media/import', {
    token: tenant.tokens.viewer,
    body: { url: address },
  });
  expect([refused.status, refused.body.code]).toEqual([403, 'forbidden']);
});
