import { randomUUID } from 'node:crypto';
import { Readable } from 'node:stream';
import { ApplicationFailure } from '@temporalio/common';
import { MockActivityEnvironment } from '@temporalio/testing';
import { DefaultLogger } from '@temporalio/worker';
import type { ActivityDependencies } from '../../activities/dependencies.ts';
import { createImportingActivities, type ImportingDependencies } from '../../activities/importing.ts';
import { type GuardedFetch, GuardedFetchError } from '../../adapters/http/guarded-fetch.ts';
import { probeBytes } from '../../adapters/media/probe.ts';
import { createEnvelopes } from '../../adapters/secrets/envelope.ts';
import { findMedia, insertMedia } from '../../db/media.ts';
import { OutcomeError } from '../../domain/outcome.ts';
import { createMp4 } from '../adapters/media/mp4.ts';
import { type Fixture, startFixture } from '../db/fixture.ts';

const address = 'https://files.example/film.mp4?signature=confidential';
const film = createMp4({ width: 640, height: 360, seconds: 2, frameRate: 25, mediaBytes: 4_000 });
const envelopes = createEnvelopes({ currentKeyId: 'k', keys: { k: Buffer.alloc(32, 1) } });

/** Failures here are what is asked for. */
const logger = new DefaultLogger('ERROR');
let fixture: Fixture;
beforeAll(async () => {
  fixture = await startFixture();
});
afterAll(() => fixture.stop());

const refFor = (mediaId: string) => ({ tenantId: fixture.tenantId, mediaId });

async function insertPending(): Promise<string> {
  const mediaId = randomUUID();
  const { tenantId, memberId, api } = fixture;
  const cell = { tenantId, table: 'media', column: 'source_url', rowId: mediaId };
  await insertMedia(api, {
    ...{ id: mediaId, file_name: 'film.mp4', declared_content_type: null, declared_size_bytes: null },
    ...{ upload_key: `incoming/${tenantId}/${mediaId}`, created_by: memberId },
    source_url: envelopes.seal(address, cell),
  });
  return mediaId;
}

/** A worker that fetches as it is told; `asked` is where it did. */
function workerWith(answer: Uint8Array | Error) {
  const objects = new Map<string, Buffer>();
  const asked: string[] = [];
  const fetch: GuardedFetch = async (url, _limits, consume) => {
    asked.push(url);
    if (answer instanceof Error) throw answer;
    return consume(Readable.from([answer.subarray(0, 100), answer.subarray(100)]));
  };
  const headOf = (key: string) => ({ sizeBytes: objects.get(key)!.length, contentType: null, etag: null });
  const storage = {
    head: async (key: string) => (objects.has(key) ? headOf(key) : null),
    read: async (key: string) => objects.get(key)!,
    write: async (key: string, bytes: Uint8Array) => void objects.set(key, Buffer.from(bytes)),
    writeStream: async (key: string, chunks: AsyncIterable<Uint8Array>) => {
      const parts: Uint8Array[] = [];
      for await (const chunk of chunks) parts.push(chunk);
      objects.set(key, Buffer.concat(parts));
    },
    delete: async (key: string) => void objects.delete(key),
  } as unknown as ImportingDependencies['storage'];
  const importing = { fetch, storage, probe: probeBytes, largest: { image: 36_000_000, video: 50_000_000 } };
  const dependencies = { pool: fixture.workerPool, envelopes, importing } as unknown as ActivityDependencies;
  const activities = createImportingActivities(dependencies);
  return {
    asked,
    objects,
    storage,
    ...activities,
    run: (mediaId: string, attempt = 1): Promise<void> =>
      new MockActivityEnvironment({ attempt }, { logger }).run(activities.importMedia, refFor(mediaId)),
  };
}
const failureOf = async (work: Promise<unknown>): Promise<ApplicationFailure> => {
  const error = await work.then(
    () => new Error('It did not fail'),
    (reason: unknown) => reason,
  );
  if (error instanceof ApplicationFailure) return error;
  throw error;
};

test('brings a film from its address, and keeps nothing of the address', async () => {
  const mediaId = await insertPending();
  const worker = workerWith(film);
  await worker.run(mediaId);
  expect(worker.asked).toEqual([address]);
  const row = await findMedia(fixture.worker, mediaId);
  expect(row).toMatchObject({
    ...{ state: 'ready', content_type: 'video/mp4', size_bytes: film.length, frame_rate: 25 },
    source_url: null,
  });
  expect([...worker.objects.keys()]).toEqual([row!.object_key]);
  await worker.run(mediaId);
  expect(worker.asked).toHaveLength(1);
});

test('does not fetch again what had arrived when its worker was lost', async () => {
  const mediaId = await insertPending();
  const worker = workerWith(new Error('asked once more'));
  worker.objects.set(`incoming/${fixture.tenantId}/${mediaId}`, film);
  await worker.run(mediaId, 2);
  expect((await findMedia(fixture.worker, mediaId))?.state).toBe('ready');
});

test.each([
  ['address-refused', 'files.example does not lead to a public host'],
  ['fetch-failed', 'files.example answered 404'],
  ['too-large', 'The file has more than 50000000 bytes'],
] as const)('refuses the medium for good with %s', async (code, message) => {
  const mediaId = await insertPending();
  await workerWith(new GuardedFetchError(code, message)).run(mediaId);
  expect(await findMedia(fixture.worker, mediaId)).toMatchObject({
    ...{ state: 'refused', refusal: { code, message }, source_url: null },
  });
});

test('refuses what is no picture and no film, and removes it', async () => {
  const mediaId = await insertPending();
  const worker = workerWith(Buffer.from('<!doctype html>'));
  await worker.run(mediaId);
  expect((await findMedia(fixture.worker, mediaId))?.refusal?.code).toBe('unsupported-media');
  expect(worker.objects.size).toBe(0);
});

test('tries what may pass five times, then refuses the medium for it', async () => {
  const mediaId = await insertPending();
  const busy = new GuardedFetchError('fetch-failed', 'files.example answered 503', { mayPass: true });
  const worker = workerWith(busy);
  for (const attempt of [1, 2, 3, 4]) {
    const failure = await failureOf(worker.run(mediaId, attempt));
    expect([failure.type, failure.nonRetryable, failure.message]).toEqual([
      'fetch-failed',
      false,
      'files.example answered 503',
    ]);
  }
  expect((await findMedia(fixture.worker, mediaId))?.state).toBe('pending');
  await worker.run(mediaId, 5);
  expect((await findMedia(fixture.worker, mediaId))?.refusal).toEqual({
    code: 'fetch-failed',
    message: 'files.example answered 503',
  });
});

test('does not blame the file for a store that is away, however often', async () => {
  const mediaId = await insertPending();
  const worker = workerWith(film);
  const away = async () => {
    throw new OutcomeError('unavailable', 'Object store: write failed');
  };
  Object.assign(worker.storage, { writeStream: away });
  expect((await failureOf(worker.run(mediaId, 9))).type).toBe('unavailable');
  expect((await findMedia(fixture.worker, mediaId))?.state).toBe('pending');
  await worker.giveUpImport(refFor(mediaId));
  expect((await findMedia(fixture.worker, mediaId))?.refusal?.code).toBe('fetch-failed');
});
