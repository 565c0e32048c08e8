import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import {
  createObjectStorage,
  mapStorageError,
  type ObjectStorageOptions,
} from '../../../adapters/storage/s3.ts';
import { outcomeOf } from '../platforms/support.ts';

// Answers have the shape of S3 error documents; the same calls were tried once against a real S3 server (versitygw 1.8.0).

interface Answer {
  readonly status: number;
  readonly headers?: Record<string, string>;
  readonly body?: string;
}

const cleanups: (() => void)[] = [];
afterEach(() => {
  for (const cleanup of cleanups.splice(0)) cleanup();
});

const options: ObjectStorageOptions = {
  endpoint: 'http://127.0.0.1:9',
  region: 'us-east-1',
  bucket: 'media',
  accessKeyId: 'access',
  secretAccessKey: 'very-secret',
  forcePathStyle: true,
};

/** A local store that answers from a list and keeps what it was asked. */
async function storeWith(...answers: Answer[]) {
  const asked: { method: string; url: string; headers: IncomingHttpHeaders; body: string }[] = [];
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    asked.push({
      method: request.method!,
      url: request.url!,
      headers: request.headers,
      body: Buffer.concat(chunks).toString(),
    });
    const { status, headers, body } = answers.shift() ?? { status: 500 };
    response.writeHead(status, headers).end(body);
  }).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const storage = createObjectStorage({ ...options, endpoint });
  cleanups.push(() => {
    storage.close();
    server.closeAllConnections();
    server.close();
  });
  return { storage, asked };
}

const fault = (status: number, code: string): Answer => ({
  status,
  headers: { 'content-type': 'application/xml' },
  body: `<Error><Code>${code}</Code><Message>No</Message></Error>`,
});
const length = (count: number) => ({
  status: 200,
  headers: { 'content-length': String(count), 'content-type': 'image/jpeg' },
});

describe('presigned addresses', () => {
  it('bind an upload to its length and type, without a checksum a plain PUT could not send', async () => {
    const storage = createObjectStorage(options);
    const upload = await storage.presignUpload({
      key: 't1/incoming/a b',
      contentType: 'image/jpeg',
      sizeBytes: 12,
      expiresInSeconds: 60,
    });
    const url = new URL(upload.url);
    expect(url.origin + url.pathname).toBe('http://127.0.0.1:9/media/t1/incoming/a%20b');
    expect(url.searchParams.get('X-Amz-SignedHeaders')).toBe('content-length;content-type;host');
    expect(url.searchParams.get('X-Amz-Expires')).toBe('60');
    expect([...url.searchParams.keys()].filter((name) => /checksum/i.test(name))).toEqual([]);
    expect(upload.method).toBe('PUT');
    expect(upload.headers).toEqual({ 'Content-Type': 'image/jpeg', 'Content-Length': '12' });
    expect(Math.abs(upload.expiresAt.getTime() - Date.now() - 60_000)).toBeLessThan(5_000);
  });

  it('stand under the public address where that is another', async () => {
    const storage = createObjectStorage({ ...options, publicEndpoint: 'https://media.example' });
    const url = new URL(await storage.presignDownload('t1/abc', 3_600));
    expect(url.origin + url.pathname).toBe('https://media.example/media/t1/abc');
    expect(url.searchParams.get('X-Amz-SignedHeaders')).toBe('host');
    expect(url.searchParams.get('X-Amz-Expires')).toBe('3600');
  });
});

describe('reading', () => {
  it('gives head, bytes and stream', async () => {
    const { storage, asked } = await storeWith(
      length(3),
      { ...length(3), body: 'abc' },
      { ...length(3), body: 'abc' },
    );
    expect(await storage.head('t1/a')).toEqual({ sizeBytes: 3, contentType: 'image/jpeg', etag: null });
    expect((await storage.read('t1/a', 3)).toString()).toBe('abc');
    const { stream, ...facts } = await storage.readStream('t1/a');
    expect(facts).toEqual({ sizeBytes: 3, contentType: 'image/jpeg', etag: null });
    expect(Buffer.concat(await stream.toArray()).toString()).toBe('abc');
    expect(asked.map(({ method, url }) => `${method} ${url.split('?')[0]}`)).toEqual([
      'HEAD /media/t1/a',
      'GET /media/t1/a',
      'GET /media/t1/a',
    ]);
  });

  it('finds nothing where nothing is, and says so when it is read', async () => {
    const { storage } = await storeWith({ status: 404 }, fault(404, 'NoSuchKey'));
    expect(await storage.head('t1/a')).toBeNull();
    const error = await outcomeOf(storage.read('t1/a', 10));
    expect([error.code, error.message]).toEqual([
      'rejected',
      'Object store: read of t1/a failed with 404 (NoSuchKey)',
    ]);
  });

  it('reads no more than its cap', async () => {
    const { storage } = await storeWith({ ...length(3), body: 'abc' });
    const error = await outcomeOf(storage.read('t1/a', 2));
    expect([error.code, error.message]).toEqual([
      'rejected',
      'Object store: t1/a has 3 bytes, at most 2 are read',
    ]);
  });
});

describe('writing an immutable key', () => {
  const bytes = Buffer.from('abc');

  it('asks the store to keep what is there', async () => {
    const { storage, asked } = await storeWith({ status: 200 });
    await storage.write('t1/a', bytes, 'image/jpeg');
    expect(asked).toHaveLength(1);
    expect(asked[0]).toMatchObject({ method: 'PUT', body: 'abc' });
    expect(asked[0]!.headers).toMatchObject({
      'if-none-match': '*',
      'content-type': 'image/jpeg',
      'content-length': '3',
    });
  });

  it('is content with the same object, and alarmed by one of another size', async () => {
    const { storage, asked } = await storeWith(
      fault(412, 'PreconditionFailed'),
      length(3),
      fault(412, 'PreconditionFailed'),
      length(4),
    );
    await storage.write('t1/a', bytes, 'image/jpeg');
    const error = await outcomeOf(storage.write('t1/a', bytes, 'image/jpeg'));
    expect([error.code, error.message]).toEqual([
      'unexpected-response',
      'Object store: t1/a is there with 4 bytes instead of 3',
    ]);
    expect(asked.map(({ method }) => method)).toEqual(['PUT', 'HEAD', 'PUT', 'HEAD']);
  });

  it('looks first where the store does not know conditions', async () => {
    const { storage, asked } = await storeWith(
      fault(501, 'NotImplemented'),
      { status: 404 },
      { status: 200 },
    );
    await storage.write('t1/a', bytes, 'image/jpeg');
    expect(asked.map(({ method, headers }) => [method, headers['if-none-match']])).toEqual([
      ['PUT', '*'],
      ['HEAD', undefined],
      ['PUT', undefined],
    ]);
  });
});

describe('copying within the store', () => {
  const from = { sizeBytes: 3, etag: '"abc"' };
  const xml = (body: string): Answer => ({
    status: 200,
    headers: { 'content-type': 'application/xml' },
    body,
  });
  const copied = xml('<CopyObjectResult><ETag>"new"</ETag></CopyObjectResult>');
  const newHead = { ...length(3), headers: { ...length(3).headers, etag: '"new"' } };

  it('asks for exactly the bytes of the head it was given, and looks at what came of it', async () => {
    const { storage, asked } = await storeWith(copied, newHead);
    const head = await storage.copy({ from: 'incoming/t 1/a', to: 'incoming/taken/b', head: from });
    expect(head).toEqual({ sizeBytes: 3, contentType: 'image/jpeg', etag: '"new"' });
    expect(asked.map(({ method, url }) => [method, url.split('?')[0]])).toEqual([
      ['PUT', '/media/incoming/taken/b'],
      ['HEAD', '/media/incoming/taken/b'],
    ]);
    expect(asked[0]!.headers).toMatchObject({
      'x-amz-copy-source': 'media/incoming/t%201/a',
      'x-amz-copy-source-if-match': '"abc"',
    });
  });

  it.each([
    ['of other bytes by now', fault(412, 'PreconditionFailed'), 'rejected'],
    ['of another length', copied, 'unexpected-response'],
    ['that fails behind a 200', xml('<Error><Code>InternalError</Code><Message>No</Message></Error>'), null],
  ])('takes no copy %s', async (_what, answer, code) => {
    const { storage } = await storeWith(answer, length(4));
    const error = await outcomeOf(storage.copy({ from: 'incoming/a', to: 'b', head: from }));
    if (code) expect(error.code).toBe(code);
  });

  it('keeps what is there under a hash, and is alarmed by one of another size', async () => {
    const { storage, asked } = await storeWith(length(3), length(4), { status: 404 }, copied, newHead);
    const copy = { from: 'incoming/a', to: 't1/a', head: from, contentType: 'video/mp4' };
    await storage.writeCopy(copy);
    expect((await outcomeOf(storage.writeCopy(copy))).message).toBe(
      'Object store: t1/a is there with 4 bytes instead of 3',
    );
    await storage.writeCopy(copy);
    expect(asked.map(({ method }) => method)).toEqual(['HEAD', 'HEAD', 'HEAD', 'PUT', 'HEAD']);
    expect(asked[3]!.headers).toMatchObject({
      'content-type': 'video/mp4',
      'x-amz-metadata-directive': 'REPLACE',
    });
  });
});

describe('writing a stream', () => {
  async function* chunks(...sizes: number[]): AsyncGenerator<Uint8Array> {
    for (const size of sizes) yield Buffer.alloc(size, 7);
  }
  const xml = (body: string): Answer => ({
    status: 200,
    headers: { 'content-type': 'application/xml', etag: '"part"' },
    body,
  });
  const created = xml(
    '<InitiateMultipartUploadResult><UploadId>u1</UploadId></InitiateMultipartUploadResult>',
  );
  const done = xml('<CompleteMultipartUploadResult><ETag>"all"</ETag></CompleteMultipartUploadResult>');
  const part = { status: 200, headers: { etag: '"part"' } };

  it('sends what is short at once', async () => {
    const { storage, asked } = await storeWith({ status: 200 });
    await storage.writeStream('incoming/a', chunks(3, 4), 'video/mp4');
    expect(asked.map(({ method, body }) => [method, body.length])).toEqual([['PUT', 7]]);
  });

  it('sends what is long in parts of 8 MiB, whatever it comes in', async () => {
    const { storage, asked } = await storeWith(created, part, part, done);
    await storage.writeStream('incoming/a', chunks(5_000_000, 5_000_000, 1), 'video/mp4');
    expect(asked.map(({ method, body }) => [method, body.length]).slice(1, 3)).toEqual([
      ['PUT', 8_388_608],
      ['PUT', 1_611_393],
    ]);
    expect(asked[3]!.body).toContain('<PartNumber>2</PartNumber>');
  });

  it('leaves nothing of what breaks off, and says why', async () => {
    async function* broken(): AsyncGenerator<Uint8Array> {
      yield* chunks(9_000_000);
      throw new Error('The line went dead');
    }
    const { storage, asked } = await storeWith(created, part, { status: 204 });
    await expect(storage.writeStream('incoming/a', broken(), 'video/mp4')).rejects.toThrow(
      'The line went dead',
    );
    expect(asked.at(-1)).toMatchObject({ method: 'DELETE' });
    expect(asked.at(-1)!.url).toContain('uploadId=u1');
  });
});

describe('failures', () => {
  it.each([
    [403, 'AccessDenied', 'unauthorized', {}],
    [400, 'InvalidRequest', 'rejected', {}],
    [409, 'ConditionalRequestConflict', 'unavailable', { sent: true }],
    [500, 'InternalError', 'unavailable', { sent: true }],
    [503, 'SlowDown', 'rate-limited', {}],
  ])('reads %i %s as %s, without a second try', async (status, platformCode, code, details) => {
    const { storage, asked } = await storeWith(fault(status, platformCode));
    const error = await outcomeOf(storage.delete('t1/a'));
    expect(error.code).toBe(code);
    expect(error.details).toEqual({ status, platformCode, ...details });
    expect(error.message).toBe(`Object store: delete of t1/a failed with ${status} (${platformCode})`);
    expect(asked).toHaveLength(1);
  });

  it('knows a store that is not there', () => {
    const refused = Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' });
    const error = mapStorageError(refused, 'Object store: ping');
    expect([error.code, error.message]).toEqual(['unavailable', 'Object store: ping failed (ECONNREFUSED)']);
    expect(error.details.sent).toBe(false);
  });

  it('takes anything else as outcome unknown and shows no secret', () => {
    const error = mapStorageError(
      Object.assign(new Error('very-secret'), { code: 'ECONNRESET' }),
      'Object store: ping',
    );
    expect([error.code, error.message]).toEqual([
      'outcome-unknown',
      'Object store: ping failed (ECONNRESET)',
    ]);
  });
});
