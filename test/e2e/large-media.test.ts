import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { request } from 'undici';
import { createLongMp4 } from '../adapters/media/mp4.ts';
import { expectStatus, type Live, type LiveTenant, startLive } from '../support/live.ts';

/** Enough to show that a film is not held in memory; `GATEPOST_TEST_FILM_BYTES=1073000000` takes the largest. */
const mediaBytes = Number(process.env.GATEPOST_TEST_FILM_BYTES ?? 100_000_000);
const mostAboveIdleBytes = 64 * 1024 * 1024;

let live: Live;
let tenant: LiveTenant;

beforeAll(async () => {
  live = await startLive({ worker: false });
  tenant = await live.createTenant();
}, 90_000);
afterAll(() => live?.stop(), 60_000);

/** A film of which every part is another, made anew each time it is read. */
function createFilm(mediaBytes: number) {
  const { start, end } = createLongMp4({ width: 1080, height: 1920, seconds: 30, frameRate: 30, mediaBytes });
  function* bytes(): Generator<Buffer> {
    yield start;
    for (let left = mediaBytes, part = 0; left > 0; left -= 1_000_000, part += 1)
      yield Buffer.alloc(Math.min(left, 1_000_000), part % 251);
    yield end;
  }
  const hash = createHash('sha256');
  for (const part of bytes()) hash.update(part);
  return { sizeBytes: start.length + mediaBytes + end.length, sha256: hash.digest('hex'), bytes };
}

/** What the interface's process holds; nothing where the system does not tell. */
const residentBytes = async (): Promise<number> => {
  if (!existsSync('/proc/self/status')) return 0;
  const status = await readFile(`/proc/${live.api.process.processId}/status`, 'utf8');
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)![1]) * 1024;
};

async function mostWhile(work: Promise<unknown>): Promise<number> {
  let most = 0;
  const timer = setInterval(() => {
    residentBytes().then((bytes) => {
      most = Math.max(most, bytes);
    }, console.error);
  }, 50);
  await work.finally(() => clearInterval(timer));
  return most;
}

async function upload(film: ReturnType<typeof createFilm>): Promise<string> {
  const body = { fileName: 'film.mp4', contentType: 'video/mp4', sizeBytes: film.sizeBytes };
  const announced = expectStatus(await tenant.designer.send('POST', '/media', { body }), 201);
  const { url, headers } = announced.body.upload;
  const stored = await request(url, { method: 'PUT', headers, body: Readable.from(film.bytes()) });
  expect(stored.statusCode).toBe(200);
  await stored.body.dump();
  return announced.body.id;
}

const complete = (id: string) => tenant.designer.send('POST', `/media/${id}/complete`);

test('a film passes through the interface slice by slice, and is kept under the hash of its bytes', async () => {
  // What the first film loads for good (decoders, the store's client) is no film's memory.
  const fresh = await residentBytes();
  expectStatus(await complete(await upload(createFilm(50_000_000))), 200);
  const film = createFilm(mediaBytes);
  const id = await upload(film);
  const idle = await residentBytes();
  const startedAt = Date.now();
  const completing = complete(id);
  const most = await mostWhile(completing);
  expect(expectStatus(await completing, 200).body).toMatchObject({
    state: 'ready',
    contentType: 'video/mp4',
    sizeBytes: film.sizeBytes,
    sha256: film.sha256,
    ...{ width: 1080, height: 1920, durationSeconds: 30, frameRate: 30, videoCodec: 'AVC' },
  });
  const figures = [film.sizeBytes, fresh, idle, most].map((bytes) => Math.round(bytes / 1024 / 1024));
  console.log(`MiB of film, resident at first, before, at most: ${figures}; ${Date.now() - startedAt} ms`);
  expect(most - idle).toBeLessThan(mostAboveIdleBytes);
  const { download } = expectStatus(await tenant.viewer.send('GET', `/media/${id}`), 200).body;
  const kept = await request(download.url);
  const hash = createHash('sha256');
  for await (const chunk of kept.body) hash.update(chunk);
  expect(hash.digest('hex')).toBe(film.sha256);
}, 300_000);
