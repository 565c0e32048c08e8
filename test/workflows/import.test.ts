import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { historyToJSON } from '@temporalio/common/lib/proto-utils.js';
import { type GuardedFetch, GuardedFetchError } from '../../adapters/http/guarded-fetch.ts';
import { probeBytes } from '../../adapters/media/probe.ts';
import { createObjectStorage } from '../../adapters/storage/s3.ts';
import { decodeHistory } from '../../cli/replay.ts';
import { defaultLargestFiles } from '../../domain/media-limits.ts';
import { OutcomeError } from '../../domain/outcome.ts';
import { importWorkflowId } from '../../workflows/ids.ts';
import { createMp4 } from '../adapters/media/mp4.ts';
import { findSecrets, flatten } from '../e2e/secret-search.ts';
import { testEndpoints } from '../support/endpoints.ts';
import { replayAndKeep } from '../support/histories.ts';
import { startWorld, type World } from '../support/world.ts';

/* From the request to the medium: the real interface, workflow, worker and store. The open internet is made up. */

const signature = `confidential-${createHash('sha256').update(String(process.pid)).digest('hex')}`;
/** More than one part of an upload, and more than a picture may have. */
const film = createMp4({ width: 1080, height: 1920, seconds: 2, frameRate: 30, mediaBytes: 40_000_000 });

let world: World;
let fetches = 0;
/** What a fetch meets, by the path of its address. */
const fetch: GuardedFetch = async (url, _limits, consume) => {
  fetches += 1;
  switch (new URL(url).pathname) {
    case '/busy.mp4':
      if (fetches < 3) throw new GuardedFetchError('fetch-failed', 'It answered 503', { mayPass: true });
      return consume(Readable.from([film]));
    case '/inside.jpg':
      throw new GuardedFetchError('address-refused', 'It does not lead to a public host');
    case '/page.html':
      return consume(Readable.from([Buffer.from('<!doctype html>')]));
    default:
      throw new OutcomeError('unavailable', 'Object store: away');
  }
};
const storage = () => createObjectStorage({ ...testEndpoints().s3, forcePathStyle: true });

beforeAll(async () => {
  const importing = { fetch, storage: storage(), probe: probeBytes, largest: defaultLargestFiles };
  world = await startWorld({ dependencies: { importing } });
}, 90_000);
afterAll(() => world?.stop(), 60_000);
beforeEach(() => {
  fetches = 0;
});

/** Asks for an import, and answers the medium once its run has ended. */
async function importFrom(path: string, name = 'import-decided') {
  const { designer } = world.gatepost.people;
  const url = `https://files.example${path}?signature=${signature}`;
  const asked = await designer.send('POST', '/media/import', { body: { url } });
  expect([asked.status, asked.headers.get('location')]).toEqual([202, `/api/v1/media/${asked.body.id}`]);
  const handle = world.client.workflow.getHandle(
    importWorkflowId({ tenantId: world.tenantId, mediaId: asked.body.id }),
  );
  await handle.result();
  expect(asked.text).not.toContain(signature);
  const history = await handle.fetchHistory();
  await decodeHistory(history, world.codec);
  const text = historyToJSON(history as never);
  const secret = { name: 'the signature', value: Buffer.from(signature) };
  const known = { name: 'the id', value: Buffer.from(asked.body.id) };
  const places = [{ name: 'the history', bytes: flatten(history) }];
  // That the id is found says that the secret would be.
  expect(findSecrets([known], places)).not.toEqual([]);
  expect(findSecrets([secret], places)).toEqual([]);
  expect(await replayAndKeep(text, name, testEndpoints().workflowBundlePath)).toBeNull();
  return (await designer.send('GET', `/media/${asked.body.id}`)).body;
}

test('a film arrives, after a host that was busy, and is what its address gave', async () => {
  const medium = await importFrom('/busy.mp4');
  expect(medium).toMatchObject({
    ...{ state: 'ready', fileName: 'busy.mp4', contentType: 'video/mp4', sizeBytes: film.length },
    ...{ sha256: createHash('sha256').update(film).digest('hex'), frameRate: 30 },
  });
  expect(fetches).toBe(3);
  const downloaded = await globalThis.fetch(medium.download.url);
  expect(Buffer.from(await downloaded.arrayBuffer()).equals(film)).toBe(true);
});

test.each([
  ['/inside.jpg', 'address-refused', 1],
  ['/page.html', 'unsupported-media', 1],
])('%s ends refused with %s', async (path, code, times) => {
  const medium = await importFrom(path);
  expect([medium.state, medium.refusal.code, medium.download]).toEqual(['refused', code, null]);
  expect(fetches).toBe(times);
});

test('a store that is away for hours ends it as well', async () => {
  const medium = await importFrom('/film.mp4', 'import-given-up');
  expect(medium.refusal).toEqual({
    code: 'fetch-failed',
    message: 'The file could not be brought in for hours',
  });
  expect(fetches).toBeGreaterThan(10);
}, 120_000);
