import { createPlatformFetch } from '../../adapters/platforms/platform-fetch.ts';
import type { Account, MediaAccess } from '../../adapters/platforms/publisher.ts';
import { createX } from '../../adapters/platforms/x.ts';
import { content, context, media as fakeMedia, outcomeOf, video } from '../adapters/platforms/support.ts';
import { createClock, json, register, startTestSandbox, type TestSandbox } from './helpers.ts';

const clock = createClock();
const user: Account = { platform: 'x', kind: 'user', externalId: '2244994945', accessToken: 'x-token' };
let sandbox: TestSandbox;
let adapter: ReturnType<typeof createX>['user'];

beforeAll(async () => {
  sandbox = await startTestSandbox({ now: clock.now });
});
afterAll(() => sandbox.stop());
beforeEach(async () => {
  await sandbox.control('DELETE', '/state');
  await sandbox.settings({ imageProcessingMs: 0 });
  const named = { platform: 'x', kind: 'user' };
  await register(sandbox, { ...named, externalId: user.externalId, name: 'Us', token: 'x-token' });
  await register(sandbox, { ...named, externalId: '5', name: 'Others', token: 'other-token' });
  const scopes = ['tweet.read', 'users.read'];
  await register(sandbox, { ...named, externalId: '6', name: 'Readers', token: 'reader-token', scopes });
  const hosts = Object.fromEntries(['api', 'oauth', 'token'].map((name) => [name, `${sandbox.url}/x`]));
  adapter = createX({
    ...{ hosts, version: '', uploadOrigins: [], permalinkBaseUrl: sandbox.url, now: clock.now },
    ...{ fetch: createPlatformFetch(), timings: { pollIntervalMs: 0 } },
  }).user;
});

const call = async (method: string, path: string, body?: unknown, token = 'x-token') => {
  const response = await sandbox.get(`/x/2${path}`, {
    method,
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: body === undefined ? null : JSON.stringify(body),
  });
  const parsed = await json<{ data?: Record<string, unknown>; detail?: string; errors?: unknown[] }>(
    response,
  );
  return { status: response.status, headers: response.headers, ...parsed };
};
const post = (body: Record<string, unknown>, token?: string) => call('POST', '/tweets', body, token);
const commit = (text: string) => adapter.publisher.commit(user, content('TEXT_ONLY', text), null, context());

describe('posts', () => {
  it('refuse a text that the account has posted, until it is removed or long ago', async () => {
    const first = await post({ text: 'Once' });
    expect(first.status).toBe(201);
    const second = await post({ text: ' Once ' });
    expect([second.status, second.detail]).toEqual([
      403,
      'You are not allowed to create a Tweet with duplicate content.',
    ]);
    expect((await post({ text: 'Once' }, 'other-token')).status).toBe(201);
    await call('DELETE', `/tweets/${first.data!.id}`);
    expect((await post({ text: 'Once' })).status).toBe(201);
    clock.advance(601_000);
    expect((await post({ text: 'Once' })).status).toBe(201);
  });

  it.each([
    ['a field that X does not know', 400, { text: 'x', texts: 'y' }],
    ['neither text nor media', 400, { text: '' }],
    ['a setting that X does not know', 400, { text: 'x', reply_settings: 'everyone' }],
    ['media that X does not have', 400, { text: 'x', media: { media_ids: ['1'] } }],
    ['a text of more than 280', 403, { text: '語'.repeat(141) }],
    ['two cashtags', 403, { text: '$ABC and $DEF' }],
    ['a quote', 403, { text: 'x', quote_tweet_id: '1' }],
    ['an answer to what is not there', 403, { text: 'x', reply: { in_reply_to_tweet_id: '1' } }],
  ])('refuse %s', async (_what, status, body) => {
    expect((await post(body)).status).toBe(status);
    expect(await sandbox.ledger('?platform=x')).toEqual([]);
  });

  it('want a token that is known, and the scope for writing', async () => {
    expect((await post({ text: 'x' }, 'nobody')).status).toBe(401);
    expect((await post({ text: 'x' }, 'reader-token')).status).toBe(403);
    const error = await outcomeOf(
      adapter.publisher.commit(
        { ...user, accessToken: 'reader-token' },
        content('TEXT_ONLY', 'x'),
        null,
        context(),
      ),
    );
    expect(error.code).toBe('unauthorized');
  });

  it('are a hundred in a quarter of an hour; the adapter is told before the next', async () => {
    for (let count = 1; count < 100; count += 1) await post({ text: `Post ${count}` });
    const told = context();
    await adapter.publisher.commit(user, content('TEXT_ONLY', 'Post 100'), null, told);
    expect(told.pauses).toEqual([900_000]);
    const error = await outcomeOf(commit('Post 101'));
    expect([error.code, error.details.retryAfterMs]).toEqual(['rate-limited', 900_000]);
    clock.advance(900_000);
    expect(await commit('Post 101')).toMatchObject({ publicId: expect.any(String) });
  });

  it('are no answers to others', async () => {
    const theirs = await post({ text: 'Theirs' }, 'other-token');
    expect((await post({ text: 'x', reply: { in_reply_to_tweet_id: theirs.data!.id } })).status).toBe(403);
  });
});

describe('the adapter', () => {
  it('continues a post as a chain, finds each part by its conversation, and takes it down', async () => {
    const sentAfter = clock.now();
    const root = await commit('One & only <https://example.com/>');
    const window = { sentAfter, sentBefore: clock.now() };
    const part = (text: string, parentId: string) => ({ text, parentId, rootId: root.publicId });
    const second = await adapter.replier.reply(user, part('Two', root.publicId), context());
    const third = await adapter.replier.reply(user, part('Three', second.publicId), context());
    const find = (text: string, parentId: string) =>
      adapter.replier.findReply!(user, part(text, parentId), window, context());
    expect(await find('Three', second.publicId)).toEqual({ kind: 'found', receipt: third });
    expect(await find('Three', root.publicId)).toEqual({ kind: 'absent', proof: 'read' });
    const entries = await sandbox.ledger('?platform=x');
    expect(entries.map(({ postType, parentId }) => [postType, parentId])).toEqual([
      ['TEXT_ONLY', undefined],
      ['REPLY', root.publicId],
      ['REPLY', second.publicId],
    ]);
    for (let times = 0; times < 2; times += 1) await adapter.remover.remove(user, third.publicId, context());
    expect(await find('Three', second.publicId)).toEqual({ kind: 'absent', proof: 'read' });
  });

  it('adopts an earlier post that X calls a duplicate', async () => {
    const earlier = await commit('Again https://example.com/x?a=1&b=2');
    const error = await outcomeOf(commit('Again https://example.com/x?a=1&b=2'));
    expect(error.details.existingPublicId).toBe(earlier.publicId);
  });

  it('goes on with a video where it was cut off, and X has every byte once', async () => {
    const bytes = 9 * 1_048_576;
    const film = content('VIDEO', 'A film', [video('v', bytes)]);
    const told = context();
    const failing: MediaAccess = {
      ...fakeMedia,
      range: async (item, start, end) => {
        if (start > 4 * 1_048_576) throw new Error('killed');
        return fakeMedia.range(item, start, end);
      },
    };
    await expect(adapter.preparer.prepare(user, film, failing, told)).rejects.toThrow('killed');
    const kept = told.kept.at(-1) as Record<string, string | number>;
    expect(kept.segment).toBe(2);
    // The last segment that came is sent again: a crash may have come before it was noted.
    const handle = await adapter.preparer.prepare(user, film, fakeMedia, context({ ...kept, segment: 1 }));
    expect(handle.ids.mediaIds).toEqual([kept.mediaId]);
    const { publicId } = await adapter.publisher.commit(user, film, handle, context());
    const [entry] = await sandbox.ledger('?platform=x');
    expect(entry).toMatchObject({
      publicId,
      postType: 'VIDEO',
      media: [{ bytes, contentType: 'video/mp4' }],
    });
    const query = { content: film, handle, sentAfter: clock.now(), sentBefore: clock.now() };
    expect(await adapter.finder.find(user, query, context())).toMatchObject({ receipt: { publicId } });
  });

  it('says what X said of a video that it could not process, and uploads it anew the next time', async () => {
    const film = content('REEL', 'x', [video('v')]);
    await sandbox.fault({ operation: 'x.media.finalize', kind: 'failed-processing' });
    const told = context();
    const error = await outcomeOf(adapter.preparer.prepare(user, film, fakeMedia, told));
    expect([error.code, error.message]).toEqual([
      'rejected',
      expect.stringContaining('Unsupported video format'),
    ]);
    const kept = told.kept.at(-1) as Record<string, string | number>;
    const handle = await adapter.preparer.prepare(user, film, fakeMedia, context(kept));
    expect(handle.ids.mediaIds).not.toEqual([kept.mediaId]);
  });
});

describe('uploads', () => {
  const start = (fields: Record<string, unknown> = {}) =>
    call('POST', '/media/upload/initialize', {
      ...{ media_type: 'video/mp4', total_bytes: 6, media_category: 'tweet_video', ...fields },
    });
  const segment = (id: unknown, segment_index: number, bytes = 'abc') =>
    call('POST', `/media/upload/${id}/append`, {
      segment_index,
      media: Buffer.from(bytes).toString('base64'),
    });

  it('take segments in order, one again, and end when all bytes have come', async () => {
    const id = (await start()).data!.id;
    expect((await segment(id, 1)).status).toBe(400);
    expect((await segment(id, 0)).status).toBe(200);
    expect((await segment(id, 0)).status).toBe(200);
    expect((await segment(id, 0, 'other')).status).toBe(400);
    expect((await call('POST', `/media/upload/${id}/finalize`)).status).toBe(400);
    expect((await call('GET', `/media/upload?command=STATUS&media_id=${id}`)).status).toBe(400);
    expect((await segment(id, 1)).status).toBe(200);
    const ended = await call('POST', `/media/upload/${id}/finalize`);
    expect(ended.data).toMatchObject({ size: 6, processing_info: { state: 'succeeded' } });
    expect((await segment(id, 2)).status).toBe(400);
  });

  it('refuse what X refuses, and are nobody else’s', async () => {
    expect((await start({ media_type: 'image/tiff' })).status).toBe(400);
    expect((await start({ total_bytes: 600_000_000 })).status).toBe(400);
    expect((await start({ chunks: 3 })).status).toBe(400);
    const id = (await start()).data!.id;
    expect((await call('POST', `/media/upload/${id}/finalize`, undefined, 'other-token')).status).toBe(404);
    const altText = { id, metadata: { alt_text: { text: 'x'.repeat(1_001) } } };
    expect((await call('POST', '/media/metadata', altText)).status).toBe(400);
    clock.advance(86_400_000);
    expect((await segment(id, 0)).status).toBe(404);
  });
});
