import { randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import { GetObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { Pool, request } from 'undici';
import { createLongMp4 } from '../../test/adapters/media/mp4.ts';
import { startFloorProcess } from './floor.ts';
import type { Product } from './product.ts';
import type { Servers } from './servers.ts';
import type { BenchTenant } from './tenant.ts';

/** A video that is ready for posts, and where it lies in the store. */
export interface StoredFilm {
  readonly mediaId: string;
  readonly sha256: string;
  readonly sizeBytes: number;
  readonly objectKey: string;
}

const fillerBytes = 1_048_576;
const callTimeoutMs = 180_000;

/** Uploads a film of exactly so many bytes, which are made while they are sent, and has the interface take it. */
export async function uploadFilm(
  { caller, pool }: Product,
  { author: token }: BenchTenant,
  sizeBytes: number,
): Promise<StoredFilm> {
  const { call } = caller;
  const body = { fileName: 'film.mp4', contentType: 'video/mp4', sizeBytes };
  const { id: mediaId, upload } = await call({ method: 'POST', path: '/media', token, body, expected: 201 });
  const stored = await request(upload.url, {
    method: 'PUT',
    headers: upload.headers,
    body: Readable.from(filmBytes(sizeBytes), { objectMode: false }),
    headersTimeout: callTimeoutMs,
  });
  await stored.body.dump();
  if (stored.statusCode !== 200) throw new Error(`The upload was answered with ${stored.statusCode}`);
  const path = `/media/${mediaId}/complete`;
  const taken = await call({ method: 'POST', path, token, expected: 200, timeoutMs: callTimeoutMs });
  const { rows } = await pool.query('select object_key from media where id = $1', [mediaId]);
  return { mediaId, sha256: taken.sha256, sizeBytes, objectKey: rows[0].object_key };
}

function* filmBytes(sizeBytes: number): Generator<Buffer> {
  const shape = { width: 1920, height: 1080, seconds: 60, frameRate: 30 };
  const around = createLongMp4({ ...shape, mediaBytes: 0 });
  const mediaBytes = sizeBytes - around.start.length - around.end.length;
  const { start, end } = createLongMp4({ ...shape, mediaBytes });
  const filler = randomBytes(fillerBytes);
  yield start;
  for (let left = mediaBytes; left > 0; left -= fillerBytes)
    yield filler.subarray(0, Math.min(left, fillerBytes));
  yield end;
}

/** Seconds that a film takes from the store to a bare server, piece by piece, in a loop without anything else. */
export async function timeBareUpload(
  { s3 }: Servers,
  { objectKey, sizeBytes }: StoredFilm,
  pieceBytes: number,
): Promise<number> {
  const { endpoint, region, accessKeyId, secretAccessKey, bucket } = s3;
  const credentials = { accessKeyId, secretAccessKey };
  const store = new S3Client({ endpoint, region, credentials, forcePathStyle: true, maxAttempts: 1 });
  const sink = await startFloorProcess('sink', {});
  const pool = new Pool(`http://127.0.0.1:${(sink.greeting as { ready: number }).ready}`, { connections: 1 });
  try {
    const startedAtMs = performance.now();
    for (let start = 0; start < sizeBytes; start += pieceBytes) {
      const end = Math.min(start + pieceBytes, sizeBytes);
      const range = { Bucket: bucket, Key: objectKey, Range: `bytes=${start}-${end - 1}` };
      const { Body } = await store.send(new GetObjectCommand(range));
      const headers = { 'content-length': String(end - start) };
      const answer = await pool.request({ method: 'PUT', path: '/', headers, body: Body as Readable });
      await answer.body.dump();
    }
    const seconds = (performance.now() - startedAtMs) / 1000;
    const { receivedBytes } = await sink.ask<{ receivedBytes: number }>();
    if (receivedBytes === sizeBytes) return seconds;
    throw new Error(`The floor received ${receivedBytes} of ${sizeBytes} bytes`);
  } finally {
    await pool.close();
    await sink.stop();
    store.destroy();
  }
}
