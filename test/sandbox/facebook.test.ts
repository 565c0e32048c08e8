import type { MediaAccess, MediaItem } from '../../adapters/platforms/publisher.ts';
import { sha256Of } from '../../sandbox/media.ts';
import type { RequestRecord } from '../../sandbox/requests.ts';
import { type Cell, failureOf, openStage, type Stage } from '../adapters/platforms/stage.ts';
import { content, context } from '../adapters/platforms/support.ts';

// The product's adapter and the sandbox, each holding the other to the protocol.

let stage: Stage;
beforeAll(async () => {
  stage = await openStage();
});
afterAll(() => stage.stop());
afterEach(async () => {
  await stage.control('DELETE', 'faults');
  await stage.control('PATCH', 'settings', { containerProcessingMs: 20, listDelayMs: 0 });
});

const cellOf = (type: Cell['type']): Cell => ({ platform: 'facebook', kind: 'page', type });
const page = () => stage.accountOf(cellOf('TEXT_ONLY'));
const adapter = () => stage.adapterOf(cellOf('TEXT_ONLY'));
const window = () => ({ sentAfter: new Date(Date.now() - 1_000), sentBefore: new Date() });
const requestsOf = async (operation: string): Promise<RequestRecord[]> =>
  (await stage.control('GET', `requests?operation=${operation}`)).requests as RequestRecord[];
const soon = () => new Promise((resolve) => setTimeout(resolve, 60));

/** The sandbox writes down what has come of an upload that broke, and only then is done with it. */
async function untilLetGo(): Promise<void> {
  while ((await requestsOf('facebook.video.upload')).some(({ answered }) => !answered)) await soon();
}

/** A film of nine megabytes that can be read up to a byte, and after `mend` up to its end. */
function breakingFilm(readableBytes: number): {
  item: MediaItem;
  media: MediaAccess;
  mend: () => void;
  bytes: Buffer;
} {
  const bytes = Buffer.alloc(9 * 1_048_576, 'film');
  let end = readableBytes;
  const item: MediaItem = {
    ...{ mediaId: 'film', sha256: sha256Of(bytes), contentType: 'video/mp4', sizeBytes: bytes.length },
    ...{ width: 1080, height: 1920, altText: null, durationSeconds: 12 },
  };
  const range: MediaAccess['range'] = async (_item, from, to) => {
    if (to > end) throw new Error('The storage is away');
    return bytes.subarray(from, to);
  };
  return { item, bytes, media: { ...stage.media, range }, mend: () => (end = bytes.length) };
}

describe('an upload that is cut off', () => {
  it.each([
    ['VIDEO', 'facebook.videos.start'],
    ['REEL', 'facebook.video_reels.start'],
    ['STORY', 'facebook.video_stories.start'],
  ] as const)('of a %s goes on from the bytes that have come', async (type, startOperation) => {
    const film = breakingFilm(5 * 1_048_576);
    const post = content(type, '', [film.item]);
    const told = context();
    const { prepare } = adapter().preparer!;
    const sessions = (await requestsOf(startOperation)).length;
    expect(await failureOf(prepare(page(), post, film.media, told))).toMatchObject({
      code: 'outcome-unknown',
    });
    film.mend();
    await untilLetGo();
    const [kept] = told.kept as Record<string, string>[];
    const handle = await prepare(page(), post, film.media, context(kept));
    expect(await requestsOf(startOperation)).toHaveLength(sessions + 1);
    if (type === 'VIDEO') {
      const chunks = await requestsOf('facebook.videos.transfer');
      expect(chunks.filter(({ answered }) => answered?.status === 200)).toHaveLength(9 * 4);
    } else {
      const { headers } = (await requestsOf('facebook.video.upload')).at(-1)!;
      expect(Number(headers.offset)).toBeGreaterThan(0);
      expect(Number(headers['content-length'])).toBe(film.item.sizeBytes - Number(headers.offset));
    }
    await adapter().publisher.commit(page(), post, handle, { ...context(), media: film.media });
    const entry = (await stage.ledgerOf(cellOf(type))).at(-1);
    expect(entry).toMatchObject({ postType: type, media: [{ sha256: film.item.sha256 }] });
  });
});

it('shows a video as a story once, under the address that the list of stories gives', async () => {
  const film = breakingFilm(9 * 1_048_576);
  const post = content('STORY', '', [film.item]);
  const before = await stage.ledgerOf(cellOf('STORY'));
  const handle = await adapter().preparer!.prepare(page(), post, film.media, context());
  expect(await stage.ledgerOf(cellOf('STORY'))).toHaveLength(before.length);
  const query = { content: post, handle, ...window() };
  const { find } = adapter().finder!;
  expect(await find(page(), query, context())).toEqual({ kind: 'absent', proof: 'read' });
  // Long enough for a busy machine to ask before it is done.
  await stage.control('PATCH', 'settings', { containerProcessingMs: 3_000 });
  const receipt = await stage.commit(cellOf('STORY'), post, handle);
  expect(await find(page(), query, context())).toMatchObject({ kind: 'pending' });
  await stage.control('PATCH', 'settings', { containerProcessingMs: 20 });
  while ((await find(page(), query, context())).kind === 'pending') await soon();
  const [entry, ...more] = (await stage.ledgerOf(cellOf('STORY'))).slice(before.length);
  expect(more).toEqual([]);
  const shown = { publicId: receipt.publicId, permalink: entry!.permalink };
  expect(await find(page(), query, context())).toEqual({ kind: 'found', receipt: shown });
  expect(await adapter().publisher.confirm(page(), receipt.publicId, context())).toEqual(shown);
  // Once finished, the same video makes no second story.
  expect(await failureOf(stage.commit(cellOf('STORY'), post, handle))).not.toBeNull();
  expect(await stage.ledgerOf(cellOf('STORY'))).toHaveLength(before.length + 1);
});

it('says that a video was refused after it had been taken', async () => {
  const cell = cellOf('REEL');
  const post = stage.contentOf(cell, 'to be refused');
  const handle = await stage.prepare(cell, post);
  await stage.fail(cell, { operation: 'facebook.video_reels.finish', kind: 'failed-processing' });
  const { publicId } = await stage.commit(cell, post, handle);
  await soon();
  const found = await adapter().finder!.find(page(), { content: post, handle, ...window() }, context());
  expect(found).toMatchObject({ kind: 'refused', error: { code: 'rejected' } });
  expect(await failureOf(adapter().publisher.confirm(page(), publicId, context()))).toMatchObject({
    code: 'rejected',
  });
  expect((await stage.ledgerOf(cell)).filter(({ text }) => text.includes('to be refused'))).toEqual([]);
});

it('takes the same words only once in a while, and the same picture never twice', async () => {
  const text = content('TEXT_ONLY', 'The same words');
  await stage.commit(cellOf('TEXT_ONLY'), text, null);
  const again = await failureOf(stage.commit(cellOf('TEXT_ONLY'), text, null));
  expect(again).toMatchObject({ code: 'unavailable', details: { platformCode: '506', sent: true } });
  const cell = cellOf('SINGLE_IMAGE');
  const picture = stage.contentOf(cell, 'a picture');
  const handle = await stage.prepare(cell, picture);
  await stage.commit(cell, picture, handle);
  const twice = await failureOf(stage.commit(cell, picture, handle));
  expect(twice?.details).toMatchObject({ platformCode: '100/1366051', sent: true });
  const found = await adapter().finder!.find(page(), { content: picture, handle, ...window() }, context());
  expect(found.kind).toBe('found');
});

it('carries a first comment, a change of its words, and its removal', async () => {
  const cell = cellOf('TEXT_ONLY');
  const { publicId } = await stage.commit(cell, content('TEXT_ONLY', 'With a comment'), null);
  const reply = { text: 'The link', parentId: publicId, rootId: publicId };
  const { reply: comment, findReply } = adapter().replier!;
  expect(await findReply!(page(), reply, window(), context())).toEqual({ kind: 'absent', proof: 'read' });
  const receipt = await comment(page(), reply, context());
  expect((await stage.ledgerOf(cell)).at(-1)).toMatchObject({
    ...{ postType: 'REPLY', text: 'The link', parentId: publicId, publicId: receipt.publicId },
  });
  expect(await findReply!(page(), reply, window(), context())).toMatchObject({
    kind: 'found',
    receipt: { publicId: receipt.publicId },
  });

  const better = content('TEXT_ONLY', 'With a better text');
  await adapter().amender!.amend(page(), publicId, better, context());
  const query = { content: better, handle: null, ...window() };
  expect(await adapter().finder!.find(page(), query, context())).toMatchObject({
    kind: 'found',
    receipt: { publicId },
  });

  await adapter().remover!.remove(page(), publicId, context());
  await adapter().remover!.remove(page(), publicId, context());
  const removed = (await stage.ledgerOf(cell)).filter(({ removedAt }) => removedAt);
  expect(removed.map((entry) => entry.publicId)).toEqual([publicId]);
});
