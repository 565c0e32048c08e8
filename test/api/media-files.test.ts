import { createHash } from 'node:crypto';
import { createFileTokens } from '../../adapters/media/file-tokens.ts';
import { OutcomeError } from '../../domain/outcome.ts';
import { createTestMedia, createTestTenant, startTestApi, type TestApi, type TestTenant } from './fixture.ts';

const fileTokens = createFileTokens({ currentKeyId: 'test', keys: { test: Buffer.alloc(32, 7) } });
const inMinutes = (minutes: number) => new Date(Date.now() + minutes * 60_000);

let api: TestApi;
let tenant: TestTenant;
let token: string;
let bytes: Buffer;

beforeAll(async () => {
  api = await startTestApi({ fileTokens });
  tenant = await createTestTenant(api);
  await createTestMedia(api, tenant.tokens.designer, '800x600', 'and some more bytes');
  bytes = Buffer.from('800x600 and some more bytes');
  const objectKey = `${tenant.id}/${createHash('sha256').update(bytes).digest('hex')}`;
  token = fileTokens.sign({ objectKey, expiresAt: inMinutes(5) });
});
afterAll(() => api.stop());

const get = (path: string, headers: Record<string, string> = {}, method = 'GET') =>
  api.send(method, path, { headers });

test('hands out one file to whoever has its token, and says nothing of it in the log', async () => {
  const whole = await get(`/media-files/${token}`);
  expect([whole.status, whole.text]).toEqual([200, bytes.toString()]);
  expect(Object.fromEntries(whole.headers)).toMatchObject({
    'accept-ranges': 'bytes',
    'cache-control': 'no-store',
    'content-disposition': 'attachment',
    'content-length': String(bytes.length),
    'x-content-type-options': 'nosniff',
    etag: `"${createHash('sha256').update(bytes).digest('hex')}"`,
  });
  const head = await get(`/media-files/${token}`, {}, 'HEAD');
  expect([head.status, head.text, head.headers.get('content-length')]).toEqual([
    200,
    '',
    String(bytes.length),
  ]);
  await get(`/MEDIA-FILES/${token}`);
  expect(api.logLines.join('\n')).toContain('/media-files/[redacted]');
  expect(api.logLines.join('\n')).not.toContain(token);
});

test.each([
  ['bytes=0-6', 206, '800x600', 'bytes 0-6/27'],
  ['bytes=8-', 206, 'and some more bytes', 'bytes 8-26/27'],
  ['bytes=-5', 206, 'bytes', 'bytes 22-26/27'],
  ['bytes=20-999', 206, 'e bytes', 'bytes 20-26/27'],
  ['bytes=-999', 206, '800x600 and some more bytes', 'bytes 0-26/27'],
  ['bytes=26-26', 206, 's', 'bytes 26-26/27'],
  ['bytes=27-', 416, '', 'bytes */27'],
  ['bytes=-0', 416, '', 'bytes */27'],
  ['bytes=9-3', 200, '800x600 and some more bytes', null],
  ['bytes=0-1,3-4', 200, '800x600 and some more bytes', null],
  ['lines=0-1', 200, '800x600 and some more bytes', null],
  ['bytes=-', 200, '800x600 and some more bytes', null],
])('answers the range %s with %i', async (range, status, text, contentRange) => {
  const reply = await get(`/media-files/${token}`, { Range: range });
  expect([reply.status, reply.text, reply.headers.get('content-range')]).toEqual([
    status,
    text,
    contentRange,
  ]);
});

test('answers a range of another file with the whole of this one', async () => {
  const reply = await get(`/media-files/${token}`, { Range: 'bytes=0-6', 'If-Range': '"other"' });
  expect([reply.status, reply.text]).toEqual([200, bytes.toString()]);
});

test('what has ended, is made up, or is of no file there reads the same', async () => {
  const { objectKey } = fileTokens.read(token, new Date())!;
  const ended = fileTokens.sign({ objectKey, expiresAt: inMinutes(-1) });
  const foreign = createFileTokens({ currentKeyId: 'test', keys: { test: Buffer.alloc(32, 8) } });
  const missing = `${tenant.id}/${'0'.repeat(64)}`;
  const paths = [
    ended,
    foreign.sign({ objectKey, expiresAt: inMinutes(5) }),
    fileTokens.sign({ objectKey: missing, expiresAt: inMinutes(5) }),
    'x',
    `${token}x`,
    encodeURIComponent(objectKey),
    '..%2F..%2Fhealthz',
  ];
  for (const path of paths) {
    const reply = await get(`/media-files/${path}`);
    expect([path, reply.status, reply.body.code]).toEqual([path, 404, 'not-found']);
    expect(reply.body.detail).toBe('There is no such file');
  }
  for (const path of ['/media-files', '/media-files/', `/media-files/${token}/more`])
    expect([path, (await get(path)).status]).toEqual([path, 404]);
  expect((await get(`/media-files/${token}`, {}, 'PUT')).status).toBe(404);
});

test('is a problem, and no half of a file, while the store is away', async () => {
  const { readStream } = api.storage;
  const away = async () => {
    throw new OutcomeError('unavailable', 'Object store: away', { sent: false });
  };
  Object.assign(api.storage, { readStream: away });
  const reply = await get(`/media-files/${token}`);
  Object.assign(api.storage, { readStream });
  expect([reply.status, reply.body.code]).toEqual([503, 'unavailable']);
  expect([reply.headers.get('etag'), reply.headers.get('accept-ranges')]).toEqual([null, null]);
});

test('is not there where it was not asked for', async () => {
  const without = await startTestApi();
  expect((await without.send('GET', `/media-files/${token}`)).status).toBe(404);
  await without.stop();
});
