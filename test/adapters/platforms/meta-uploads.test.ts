import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import sharp from 'sharp';
import { createInstagram, instagram } from '../../../adapters/platforms/instagram.ts';
import { createPlatformFetch } from '../../../adapters/platforms/platform-fetch.ts';
import type { MediaAccess, PublicContent } from '../../../adapters/platforms/publisher.ts';
import { sandboxEndpoints } from '../../../adapters/platforms/registry.ts';
import { OutcomeError } from '../../../domain/outcome.ts';
import type { LedgerEntry } from '../../../sandbox/ledger.ts';
import { sha256Of } from '../../../sandbox/media.ts';
import { type Sandbox, startSandbox } from '../../../sandbox/server.ts';
import { createMp4 } from '../media/mp4.ts';
import { account, content, context, outcomeOf, picture, token, video } from './support.ts';

/** Large videos against a server that takes them byte by byte and keeps what came before a break. */

const headers = createMp4({ width: 1080, height: 1920, seconds: 12 });
const film = Buffer.concat([headers, Buffer.alloc(9_000_000 - headers.length, 7)]);
const business = account({ platform: 'instagram', kind: 'business', externalId: '17841' });
const large = video('v', film.length);

let sandbox: Sandbox;
let pictures: Server;
let media: MediaAccess;
beforeAll(async () => {
  const still = await sharp({ create: { width: 1080, height: 1080, channels: 3, background: 'red' } })
    .jpeg()
    .toBuffer();
  pictures = createServer((_request, response) => response.end(still)).listen(0, '127.0.0.1');
  await new Promise((resolve) => pictures.once('listening', resolve));
  const { port } = pictures.address() as AddressInfo;
  media = {
    url: async (item) => `http://127.0.0.1:${port}/${item.mediaId}.jpg`,
    bytes: async () => still,
    range: async (_item, start, end) => film.subarray(start, end),
    async *stream() {
      yield film;
    },
  };
  sandbox = await startSandbox({ port: 0 });
  const { accessToken, ...fields } = business;
  await control('POST', 'accounts', { ...fields, name: 'Doors', token: accessToken });
  await control('PATCH', 'settings', { containerProcessingMs: 20 });
});
afterAll(async () => {
  pictures.closeAllConnections();
  pictures.close();
  await sandbox.stop();
});

async function control<T>(method: string, path: string, body?: unknown): Promise<T> {
  const response = await fetch(`${sandbox.url}/_control/${path}`, {
    method,
    headers: { 'content-type': 'application/json' },
    body: body === undefined ? null : JSON.stringify(body),
  });
  if (!response.ok) throw new Error(await response.text());
  return (await response.json()) as T;
}
const newest = async () => (await control<{ entries: LedgerEntry[] }>('GET', 'ledger')).entries.at(-1);
const uploads = async () => {
  const path = 'requests?operation=instagram.video.upload';
  const { requests } = await control<{ requests: { headers: Record<string, string> }[] }>('GET', path);
  return requests.map((request) => Number(request.headers.offset));
};
const adapter = () =>
  createInstagram(
    {
      ...sandboxEndpoints(sandbox.url).instagram,
      fetch: createPlatformFetch(),
      timings: { pollIntervalMs: 10 },
    },
    1_000_000,
  ).business;
type Progress = Parameters<typeof context>[0];

/** As the product does: what may be tried again is. The server may still be taking in what came before the break. */
async function prepareAgain(post: PublicContent, kept: Progress) {
  for (let tries = 0; ; tries += 1) {
    const second = context(kept);
    try {
      return { handle: await adapter().preparer.prepare(business, post, media, second), second };
    } catch (error) {
      if (tries > 20 || !(error instanceof OutcomeError) || error.code !== 'unavailable') throw error;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

it('brings out a reel whose upload was broken off, without sending again what had come', async () => {
  const reel = content('REEL', 'Long way', [large]);
  const broken: MediaAccess = {
    ...media,
    range: async (item, start, end) => {
      // The line breaks after the first two pieces.
      if (end === item.sizeBytes) throw Object.assign(new Error('reset'), { code: 'ECONNRESET' });
      return media.range(item, start, end);
    },
  };
  const first = context();
  const failure = await outcomeOf(adapter().preparer.prepare(business, reel, broken, first));
  expect(failure.message).not.toContain(token);
  const kept = first.kept.at(-1) as Progress;
  expect(kept).toMatchObject({ container0: expect.stringMatching(/^\d+$/) });

  const { handle, second } = await prepareAgain(reel, kept);
  expect(handle.ids.containerId).toBe(kept!.container0);
  const [began, ...wentOn] = await uploads();
  expect([began, second.kept]).toEqual([0, []]);
  expect(wentOn.at(-1)).toBeGreaterThan(4_000_000);

  await adapter().publisher.commit(business, reel, handle, context());
  expect(await newest()).toMatchObject({
    ...{ postType: 'REEL', text: 'Long way' },
    media: [{ sha256: sha256Of(film), contentType: 'video/mp4', bytes: film.length }],
  });
});

it('mixes a picture that is fetched and a video that is uploaded', async () => {
  const mixed = content('CAROUSEL', 'Both', [picture('a', 'A door'), large]);
  const handle = await adapter().preparer.prepare(business, mixed, media, context());
  await adapter().publisher.commit(business, mixed, handle, context());
  expect(await newest()).toMatchObject({
    ...{ postType: 'CAROUSEL', altTexts: ['A door', null] },
    media: [{ contentType: 'image/jpeg' }, { sha256: sha256Of(film) }],
  });
});

it('says a first comment once, and finds it again', async () => {
  const { publisher, preparer, replier, quotaReader } = adapter();
  const post = content('SINGLE_IMAGE', 'A door', [picture('a')]);
  const handle = await preparer.prepare(business, post, media, context());
  const { publicId } = await publisher.commit(business, post, handle, context());
  const reply = { text: 'First! #door', parentId: publicId, rootId: publicId };
  const sentAfter = new Date();
  const find = () => replier.findReply!(business, reply, { sentAfter, sentBefore: new Date() }, context());
  expect(await find()).toEqual({ kind: 'absent', proof: 'read' });
  const receipt = await replier.reply(business, reply, context());
  expect(await newest()).toMatchObject({ postType: 'REPLY', text: reply.text, parentId: publicId });
  expect(await find()).toEqual({ kind: 'found', receipt });
  // A comment is no post.
  expect(await quotaReader.readQuota(business, context())).toMatchObject({ used: 3, total: 100 });
});

it('finds a story that went out and whose answer was lost, among the stories', async () => {
  const { publisher, preparer, finder } = adapter();
  const story = content('STORY', '', [large]);
  const handle = await preparer.prepare(business, story, media, context());
  const sentAfter = new Date();
  await control('POST', 'faults', { operation: 'instagram.media_publish', kind: 'accept-then-reset' });
  await outcomeOf(publisher.commit(business, story, handle, context()));
  const query = { content: story, handle, sentAfter, sentBefore: new Date() };
  const { publicId, permalink } = (await newest())!;
  expect(await finder.find(business, query, context())).toEqual({
    kind: 'found',
    receipt: { publicId, permalink },
  });
});

it('lists the accounts of its pages', async () => {
  const connector = instagram.connect!({
    ...sandboxEndpoints(sandbox.url).instagram,
    fetch: createPlatformFetch(),
  });
  expect(await connector.listAccounts(token, context())).toEqual([
    { kind: 'business', externalId: '17841', name: 'doors', accessToken: token, obstacle: null },
  ]);
});
