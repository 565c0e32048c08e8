import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { probeBytes } from '../../../adapters/media/probe.ts';
import { removeUpload, type TakeTools, takeUpload } from '../../../adapters/media/take-upload.ts';
import type { CopyInput, ObjectHead } from '../../../adapters/storage/s3.ts';
import { OutcomeError } from '../../../domain/outcome.ts';
import { createMp4 } from './mp4.ts';

const tenantId = '00000000-0000-4000-8000-000000000001';
const uploadKey = `incoming/${tenantId}/m1`;
const film = (note: number) =>
  Buffer.concat([
    createMp4({ width: 640, height: 360, seconds: 2, frameRate: 25, mediaBytes: 4_000 }),
    Buffer.alloc(8, note),
  ]);
const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');

/** A store whose ETags say nothing but the length: as if two files had been made to one MD5. */
function createStore(bytes: Buffer) {
  const objects = new Map([[uploadKey, bytes]]);
  const steps: string[] = [];
  const headOf = (key: string): ObjectHead => {
    const { length } = objects.get(key)!;
    return { sizeBytes: length, contentType: null, etag: `"${length}"` };
  };
  const copy = async ({ from, to, head }: CopyInput) => {
    await store.before('copy');
    if (head.etag !== headOf(from).etag) throw new OutcomeError('rejected', 'Precondition failed');
    objects.set(to, objects.get(from)!);
    return headOf(to);
  };
  const store = {
    objects,
    steps,
    before: async (step: string): Promise<void> => void steps.push(step),
    storage: {
      head: async (key) => (objects.has(key) ? headOf(key) : null),
      read: async (key) => {
        await store.before('read');
        return objects.get(key)!;
      },
      readStream: async (key, range = { start: 0, end: objects.get(key)!.length }) => {
        await store.before(range.end - range.start === objects.get(key)!.length ? 'stream' : 'slice');
        const chunks = [objects.get(key)!.subarray(range.start, range.end)];
        return { ...headOf(key), stream: Readable.from(chunks) };
      },
      write: async (key, written) => void objects.set(key, Buffer.from(written)),
      copy,
      writeCopy: async (input) => {
        if (!objects.has(input.to)) await copy(input);
      },
      delete: async (key) => void objects.delete(key),
    } satisfies TakeTools['storage'],
  };
  return store;
}

function toolsFor(store: ReturnType<typeof createStore>, image = 100, video = 1_000_000): TakeTools {
  const left: unknown[] = [];
  return {
    storage: store.storage,
    probe: probeBytes,
    limits: { largest: { image, video } },
    onLeftBehind: (error) => left.push(error),
  };
}

const take = (tools: TakeTools) => takeUpload(tools, { tenantId, uploadKey });

test('keeps a film under the hash of its bytes, and holds no more of it than a slice', async () => {
  const bytes = film(1);
  const store = createStore(bytes);
  const result = await take(toolsFor(store));
  expect(result).toEqual({
    kind: 'taken',
    media: {
      kind: 'video',
      contentType: 'video/mp4',
      ...{ width: 640, height: 360, durationSeconds: 2, frameRate: 25, videoCodec: 'AVC' },
      sizeBytes: bytes.length,
      sha256: sha256(bytes),
      objectKey: `${tenantId}/${sha256(bytes)}`,
    },
  });
  expect(store.steps).not.toContain('read');
  expect([...store.objects.keys()]).toEqual([uploadKey, `${tenantId}/${sha256(bytes)}`]);
});

test.each(['copy', 'slice', 'stream', 'read'])(
  'keeps the bytes it hashed, whatever is uploaded before each %s, under one ETag',
  async (swappedBefore) => {
    const store = createStore(film(1));
    let note = 1;
    store.before = async (step) => {
      if (step === swappedBefore) store.objects.set(uploadKey, film(++note));
    };
    for (const image of [100, 100_000]) {
      const result = await take(toolsFor(store, image));
      if (result.kind !== 'taken') throw new Error(`The film was not taken: ${result.kind}`);
      expect(sha256(store.objects.get(result.media.objectKey)!)).toBe(result.media.sha256);
    }
    for (const [key, bytes] of store.objects)
      if (key !== uploadKey) expect(key).toBe(`${tenantId}/${sha256(bytes)}`);
  },
);

test('may run at once with itself, and again after it was cut off', async () => {
  const store = createStore(film(1));
  const results = await Promise.all([take(toolsFor(store)), take(toolsFor(store))]);
  expect(results[0]).toEqual(results[1]);
  expect(await take(toolsFor(store))).toEqual(results[0]);
  await removeUpload(toolsFor(store), uploadKey);
  expect([...store.objects.keys()]).toEqual([`${tenantId}/${sha256(film(1))}`]);
  expect(await take(toolsFor(store))).toEqual({ kind: 'missing' });
});

test('refuses a file that is too large for what it is, before reading it where it can', async () => {
  const bytes = film(1);
  const store = createStore(bytes);
  expect(await take(toolsFor(store, 10, bytes.length - 1))).toEqual({
    kind: 'refused',
    refusal: {
      code: 'too-large',
      message: `The file has ${bytes.length} bytes, at most ${bytes.length - 1} are taken`,
    },
  });
  expect(store.steps).toEqual([]);
  store.objects.set(uploadKey, Buffer.concat([Buffer.from('GIF89a'), Buffer.alloc(200)]));
  expect(await take(toolsFor(store, 100))).toEqual({
    kind: 'refused',
    refusal: { code: 'too-large', message: 'The image has 206 bytes, at most 100 are taken' },
  });
  expect([...store.objects.keys()]).toEqual([uploadKey]);
});

test('does not take a film whose end the store leaves out', async () => {
  const store = createStore(film(1));
  const { readStream } = store.storage;
  const cutOff: TakeTools['storage']['readStream'] = async (key, range) =>
    range ? readStream(key, range) : readStream(key, { start: 0, end: 500 });
  const tools = { ...toolsFor(store), storage: { ...store.storage, readStream: cutOff } };
  const error = await take(tools).catch((reason) => reason);
  expect(error).toBeInstanceOf(OutcomeError);
  expect(error.message).toMatch(/ended after 500 of \d+ bytes/);
  expect([...store.objects.keys()]).toEqual([uploadKey]);
});
