import type { PublicContent } from '../../../adapters/platforms/publisher.ts';
import { meaningOfFailedCommit } from '../../../domain/outcome.ts';
import { type Cell, failureOf, openStage, type Stage } from './stage.ts';
import { context } from './support.ts';

/** YouTube's adapter against a server that speaks its protocol: what comes before and after the commit. */

let stage: Stage;
beforeAll(async () => {
  stage = await openStage();
});
afterAll(() => stage.stop());
afterEach(async () => {
  await stage.control('DELETE', 'faults');
  await stage.control('PATCH', 'settings', {
    ...{ uploadsAreLockedToPrivate: false, containerLifetimeMs: 86_400_000, listDelayMs: 0 },
  });
});

const cell: Cell = { platform: 'youtube', kind: 'channel', type: 'VIDEO' };
const adapter = () => stage.adapterOf(cell);
const account = () => stage.accountOf(cell);
const entriesWith = async (word: string) =>
  (await stage.ledgerOf(cell)).filter(({ text }) => text.includes(word));
const publish = async (content: PublicContent) =>
  stage.commit(cell, content, await stage.prepare(cell, content));
const callsOf = async (operation: string) =>
  ((await stage.control('GET', `requests?operation=${operation}`)).requests as unknown[]).length;

it('goes on with an upload that was cut off, with one session for both attempts', async () => {
  const content = stage.contentOf(cell, 'cut off');
  const opened = await callsOf('youtube.upload.start');
  await stage.fail(cell, { operation: 'youtube.upload.put', kind: 'accept-then-reset' });
  const first = context();
  const prepare = (attempt: ReturnType<typeof context>) =>
    adapter().preparer!.prepare(account(), content, stage.media, attempt);
  expect(await failureOf(prepare(first))).toMatchObject({ code: 'outcome-unknown' });
  const kept = first.kept.at(-1) as Record<string, string | number>;
  const handle = await prepare(context(kept));
  expect(handle.ids.receivedBytes).toBe('262144');
  await stage.commit(cell, content, handle);
  const [entry] = await entriesWith('cut off');
  expect(entry!.media).toEqual([expect.objectContaining({ bytes: 600_000, contentType: 'video/mp4' })]);
  expect(await callsOf('youtube.upload.start')).toBe(opened + 1);
});

it('makes one video of a session, however often its last piece is sent', async () => {
  const content = stage.contentOf(cell, 'twice');
  const handle = await stage.prepare(cell, content);
  const receipts = await Promise.all([1, 2, 3].map(() => stage.commit(cell, content, handle)));
  expect(new Set(receipts.map(({ publicId }) => publicId)).size).toBe(1);
  expect(await entriesWith('twice')).toHaveLength(1);
});

it('finds a video among the uploads when its session has ended, and misses one that is not there', async () => {
  const content = stage.contentOf(cell, 'ended');
  const handle = await stage.prepare(cell, content);
  const { publicId } = await stage.commit(cell, content, handle);
  const window = { sentAfter: new Date(), sentBefore: new Date() };
  const find = (other: PublicContent) =>
    adapter().finder!.find(account(), { content: other, handle: null, ...window }, context());
  expect(await find(content)).toMatchObject({ kind: 'found', receipt: { publicId } });
  expect(await find(stage.contentOf(cell, 'never sent'))).toMatchObject({ kind: 'absent', proof: 'read' });
});

it('looks for a video whose session ended before its last piece, and makes its upload anew', async () => {
  const content = stage.contentOf(cell, 'expired');
  const handle = await stage.prepare(cell, content);
  await stage.control('PATCH', 'settings', { containerLifetimeMs: 0 });
  const sentAfter = new Date();
  const failure = await failureOf(stage.commit(cell, content, handle));
  expect(meaningOfFailedCommit(failure!.code, failure!.details)).toBe('unknown');
  const query = { content, handle, sentAfter, sentBefore: new Date() };
  expect(await adapter().finder!.find(account(), query, context())).toEqual({
    ...{ kind: 'absent', proof: 'read', handleIsDead: true },
  });
  expect(await entriesWith('expired')).toEqual([]);
});

it('tells a person that an application which was not audited publishes nothing', async () => {
  await stage.control('PATCH', 'settings', { uploadsAreLockedToPrivate: true });
  const content = stage.contentOf(cell, 'locked');
  const failure = await failureOf(publish(content));
  expect(failure).toMatchObject({ code: 'rejected' });
  expect(failure!.message).toContain("until the application has passed YouTube's audit");
  expect(await entriesWith('locked')).toEqual([expect.objectContaining({ visibility: 'private' })]);
});

it('sets a cover, comments first, and is found again, changed and taken down', async () => {
  const plain = stage.contentOf(cell, 'after');
  const cover = { ...plain.media[0]!, mediaId: 'cover', contentType: 'image/jpeg' };
  const content = { ...plain, media: [{ ...plain.media[0]!, cover }] };
  const { publicId, permalink } = await publish(content);
  expect(permalink).toBeNull();
  const covers = await callsOf('youtube.thumbnails.set');
  const asked = { ...context(), content, media: stage.media };
  expect((await adapter().publisher.confirm(account(), publicId, asked)).permalink).toContain(publicId);
  expect(await callsOf('youtube.thumbnails.set')).toBe(covers + 1);
  expect(asked.told).toEqual([]);

  const reply = { text: 'First!', parentId: publicId, rootId: publicId };
  const sentAfter = new Date();
  const comment = await adapter().replier!.reply(account(), reply, context());
  const window = { sentAfter, sentBefore: new Date() };
  const found = await adapter().replier!.findReply!(account(), reply, window, context());
  expect(found).toEqual({ kind: 'found', receipt: comment });
  expect(await entriesWith('First!')).toEqual([
    expect.objectContaining({
      postType: 'REPLY',
      parentId: publicId,
      publicId: comment.publicId,
      permalink: comment.permalink,
    }),
  ]);

  await adapter().amender!.amend(account(), publicId, { ...content, title: 'A blue door' }, context());
  await adapter().remover!.remove(account(), publicId, context());
  await adapter().remover!.remove(account(), publicId, context());
  expect((await entriesWith('after'))[0]!.removedAt).toEqual(expect.any(String));
});
