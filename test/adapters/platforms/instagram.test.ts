import { createInstagram, instagram as definition } from '../../../adapters/platforms/instagram.ts';
import type { FindQuery, Reply } from '../../../adapters/platforms/publisher.ts';
import {
  type Answer,
  account,
  content,
  context,
  fetchFailure,
  media,
  outcomeOf,
  picture,
  type Sent,
  scripted,
  token,
  video,
} from './support.ts';

// Answers follow https://developers.facebook.com/documentation/instagram-platform/content-publishing
// and .../instagram-graph-api/reference/ig-container, .../ig-user/media, .../error-codes (read 2026-11-21).

const now = () => new Date('2026-11-21T10:00:00Z');
const instagram = (...answers: Parameters<typeof scripted>) => {
  const { fetch, sent } = scripted(...answers);
  const timings = { pollIntervalMs: 0 };
  return { ...createInstagram({ ...definition.live, fetch, now, timings }).business, sent };
};
const business = account({ platform: 'instagram', kind: 'business', externalId: '17841' });
const made = (id: string) => ({ status: 200, body: { id } });
const container = (status_code: string, status = status_code) => ({
  status: 200,
  body: { status_code, status },
});
const graphError = (
  status: number,
  error: Record<string, unknown>,
  headers: Record<string, string> = {},
) => ({
  status,
  headers,
  body: { error: { message: 'Why', type: 'OAuthException', fbtrace_id: 'A1', ...error } },
});
const authorization = `Bearer ${token}`;
const writeHeaders = { authorization, 'content-type': 'application/json' };
const imageUrl = (id: string) => `https://media.example/${id}.jpg?X-Amz-Signature=abc123`;
const handle = { ids: { containerId: 'c9', childContainerIds: [] }, expiresAt: '2026-11-22T09:00:00.000Z' };
const one = content('SINGLE_IMAGE', 'Hello #world', [picture('a', 'A red door')]);

describe('prepare', () => {
  it('makes one container, waits until it is finished and keeps its id for 23 hours', async () => {
    const adapter = instagram(made('c1'), container('IN_PROGRESS'), container('FINISHED'));
    const told = context();
    media.asked.length = 0;
    const prepared = await adapter.preparer.prepare(business, one, media, told);
    expect(prepared).toEqual({
      ids: { containerId: 'c1', childContainerIds: [] },
      expiresAt: '2026-11-22T09:00:00.000Z',
    });
    expect(adapter.sent).toEqual([
      {
        method: 'POST',
        url: 'https://graph.facebook.com/v26.0/17841/media',
        headers: writeHeaders,
        body: { image_url: imageUrl('a'), alt_text: 'A red door', caption: 'Hello #world' },
      },
      ...[0, 1].map(() => ({
        method: 'GET',
        url: 'https://graph.facebook.com/v26.0/c1?fields=status_code,status',
        headers: { authorization },
        body: undefined,
      })),
    ]);
    expect(media.asked).toEqual([['a', 3_600]]);
    expect(told.told).toEqual(['Creating an Instagram container', 'Instagram is processing container c1']);
  });

  it('makes the children of a carousel first, in order, and the parent when all are finished', async () => {
    const finished = container('FINISHED');
    const adapter = instagram(made('k1'), made('k2'), finished, finished, made('p1'), finished);
    const two = content('CAROUSEL', 'Two doors', [picture('a', 'A red door'), picture('b')]);
    const prepared = await adapter.preparer.prepare(business, two, media, context());
    expect(prepared.ids).toEqual({ containerId: 'p1', childContainerIds: ['k1', 'k2'] });
    const posts = adapter.sent.filter(({ method }) => method === 'POST');
    expect(posts.map(({ body }) => body)).toEqual([
      { image_url: imageUrl('a'), alt_text: 'A red door', is_carousel_item: true },
      { image_url: imageUrl('b'), is_carousel_item: true },
      { media_type: 'CAROUSEL', children: 'k1,k2', caption: 'Two doors' },
    ]);
    expect(adapter.sent.map(({ url }) => url.split('/').at(-1)?.split('?')[0])).toEqual([
      'media',
      'media',
      'k1',
      'k2',
      'media',
      'p1',
    ]);
  });

  it.each([
    ['ERROR', 'Error: Media upload has failed with error code 2207026', 'rejected', '2207026'],
    ['ERROR', 'Error: Media upload has failed with error code 2207052', 'unavailable', '2207052'],
    ['ERROR', 'Error', 'unavailable', 'ERROR'],
    ['EXPIRED', 'Expired', 'unavailable', 'EXPIRED'],
  ])('reads a container in %s "%s" as %s', async (statusCode, status, code, platformCode) => {
    const adapter = instagram(made('c1'), container(statusCode, status));
    const error = await outcomeOf(adapter.preparer.prepare(business, one, media, context()));
    expect(error.code).toBe(code);
    expect(error.details).toEqual({ platformCode, handleIsDead: true, sent: false });
  });

  it('calls a container that is public before anything was published an unexpected response', async () => {
    const adapter = instagram(made('c1'), container('PUBLISHED'));
    const error = await outcomeOf(adapter.preparer.prepare(business, one, media, context()));
    expect(error.code).toBe('unexpected-response');
    expect(error.message).toBe('Instagram container c1 is PUBLISHED');
  });

  it('stops waiting when the caller does', async () => {
    const { fetch } = scripted(made('c1'), container('IN_PROGRESS'));
    const timings = { pollIntervalMs: 60_000 };
    const patient = createInstagram({ ...definition.live, fetch, timings }).business;
    const giveUp = new AbortController();
    const progress = (what: string) => void (what.includes('processing') && giveUp.abort());
    const error = await outcomeOf(
      patient.preparer.prepare(business, one, media, { ...context(), signal: giveUp.signal, progress }),
    );
    expect(error.code).toBe('unavailable');
    expect(error.message).toBe('Instagram is processing container c1: cancelled while waiting');
  });

  it('refuses what Instagram has no containers for, before sending', async () => {
    const adapter = instagram();
    const text = await outcomeOf(
      adapter.preparer.prepare(business, content('TEXT_ONLY', 'x'), media, context()),
    );
    expect(text.message).toBe('Instagram posts of type TEXT_ONLY are not supported');
    const eleven = content(
      'CAROUSEL',
      'x',
      Array.from({ length: 11 }, (_, index) => picture(String(index))),
    );
    const many = await outcomeOf(adapter.preparer.prepare(business, eleven, media, context()));
    expect(many.message).toBe('Instagram CAROUSEL cannot carry 11 pieces of media');
    const odd = { ...media, url: async () => 'https://media.example/größe.jpg' };
    const address = await outcomeOf(adapter.preparer.prepare(business, one, odd, context()));
    expect(address.message).toBe('The address of medium a is not plain ASCII');
    expect(adapter.sent).toEqual([]);
  });

  it('never shows the signed address of a picture, even when Meta repeats it', async () => {
    const refusal = graphError(400, {
      code: 9004,
      error_subcode: 2207052,
      message: `Cannot fetch ${imageUrl('a')}`,
    });
    const error = await outcomeOf(instagram(refusal).preparer.prepare(business, one, media, context()));
    expect(error.code).toBe('unavailable');
    expect(error.message).not.toContain('abc123');
    expect(error.message).toBe(
      'Instagram container creation: Instagram answered 9004/2207052: Cannot fetch [redacted]',
    );
  });
});

describe('commit', () => {
  const commit = (...answers: Parameters<typeof scripted>) => {
    const adapter = instagram(...answers);
    return { result: adapter.publisher.commit(business, one, handle, context()), sent: adapter.sent };
  };

  it('publishes the container once and returns the media id', async () => {
    const { result, sent } = commit(made('m5'));
    expect(await result).toEqual({ publicId: 'm5', permalink: null });
    expect(sent).toEqual([
      {
        method: 'POST',
        url: 'https://graph.facebook.com/v26.0/17841/media_publish',
        headers: writeHeaders,
        body: { creation_id: 'c9' },
      },
    ]);
  });

  it('sends nothing without a container', async () => {
    const adapter = instagram();
    const error = await outcomeOf(adapter.publisher.commit(business, one, null, context()));
    expect(error.code).toBe('unavailable');
    expect(error.details).toEqual({ sent: false, handleIsDead: true });
    expect(adapter.sent).toEqual([]);
  });

  it.each([
    [400, { code: 190, error_subcode: 463 }, 'unauthorized', {}],
    [400, { code: 102 }, 'unauthorized', {}],
    [403, { code: 10 }, 'unauthorized', {}],
    [400, { code: 200 }, 'unauthorized', {}],
    [400, { code: 4 }, 'rate-limited', { retryAfterMs: 60_000 }],
    [400, { code: 17 }, 'rate-limited', { retryAfterMs: 60_000 }],
    [400, { code: 32 }, 'rate-limited', { retryAfterMs: 60_000 }],
    [400, { code: 613 }, 'rate-limited', { retryAfterMs: 60_000 }],
    [400, { code: 80002 }, 'rate-limited', { retryAfterMs: 60_000 }],
    [403, { code: 9, error_subcode: 2207042 }, 'rate-limited', { retryAfterMs: 4 * 3_600_000 }],
    [400, { code: 9007, error_subcode: 2207027 }, 'unavailable', { sent: false, retryAfterMs: 10_000 }],
    [400, { code: -2, error_subcode: 2207020 }, 'unavailable', { sent: false, handleIsDead: true }],
    [400, { code: 24, error_subcode: 2207006 }, 'unavailable', { sent: true, handleIsDead: true }],
    [400, { code: 24, error_subcode: 2207008 }, 'unavailable', { sent: true }],
    [400, { code: -1 }, 'unavailable', { sent: true }],
    [400, { code: -2 }, 'unavailable', { sent: true }],
    [500, { code: 1 }, 'unavailable', { sent: true }],
    [503, { code: 2 }, 'unavailable', { sent: true }],
    [400, { code: 77, is_transient: true }, 'unavailable', { sent: true }],
    [400, { code: 506 }, 'unavailable', { sent: true }],
    [400, { code: 4, error_subcode: 2207051 }, 'rejected', {}],
    [400, { code: 25, error_subcode: 2207050 }, 'rejected', {}],
    [400, { code: 368 }, 'rejected', {}],
    [400, { code: 36000, error_subcode: 2207004 }, 'rejected', {}],
    [400, { code: 36003, error_subcode: 2207009 }, 'rejected', {}],
    [400, { code: 1, error_subcode: 2207057 }, 'rejected', {}],
    [400, { code: 100 }, 'rejected', {}],
  ])('reads %i %j as %s', async (status, error, code, details) => {
    const outcome = await outcomeOf(commit(graphError(status, error)).result);
    const subcode = 'error_subcode' in error ? `/${error.error_subcode}` : '';
    expect(outcome.code).toBe(code);
    expect(outcome.details).toEqual({ status, platformCode: `${error.code}${subcode}`, ...details });
    expect(outcome.message).toBe(`Instagram publish: Instagram answered ${error.code}${subcode}: Why`);
  });

  it('waits as many minutes as the usage header says', async () => {
    const usage = {
      '99': [{ type: 'instagram', call_count: 100, estimated_time_to_regain_access: 12 }],
      '98': [{}],
    };
    const headers = { 'x-business-use-case-usage': JSON.stringify(usage) };
    const error = await outcomeOf(commit(graphError(400, { code: 80002 }, headers)).result);
    expect(error.details.retryAfterMs).toBe(12 * 60_000);
    const broken = { 'x-business-use-case-usage': 'no json' };
    const other = await outcomeOf(commit(graphError(400, { code: 80002 }, broken)).result);
    expect(other.details.retryAfterMs).toBe(60_000);
  });

  it('calls an answer without an id, and HTML with a success status, unexpected', async () => {
    const empty = await outcomeOf(commit({ status: 200, body: { success: true } }).result);
    expect([empty.code, empty.message]).toEqual([
      'unexpected-response',
      'Instagram publish: no id in the answer',
    ]);
    const page = await outcomeOf(commit({ status: 200, body: '<html></html>' }).result);
    expect(page.code).toBe('unexpected-response');
  });

  it('knows no connection from no answer, and tries neither again', async () => {
    const refused = commit(fetchFailure('ECONNREFUSED'));
    expect((await outcomeOf(refused.result)).details.sent).toBe(false);
    const reset = commit(fetchFailure('ECONNRESET'));
    expect((await outcomeOf(reset.result)).code).toBe('outcome-unknown');
    expect([refused.sent.length, reset.sent.length]).toEqual([1, 1]);
  });
});

describe('confirm', () => {
  it('reads the permalink from the API', async () => {
    const permalink = 'https://www.instagram.com/p/abc/';
    const adapter = instagram({ status: 200, body: { id: 'm5', permalink } });
    expect(await adapter.publisher.confirm(business, 'm5', context())).toEqual({ publicId: 'm5', permalink });
    expect(adapter.sent[0]).toMatchObject({
      method: 'GET',
      url: 'https://graph.facebook.com/v26.0/m5?fields=id,permalink,timestamp',
    });
    const bare = await outcomeOf(instagram(made('m5')).publisher.confirm(business, 'm5', context()));
    expect([bare.code, bare.message]).toEqual([
      'unexpected-response',
      'Instagram media: no permalink in the answer',
    ]);
  });
});

describe('find', () => {
  const query: FindQuery = {
    content: one,
    handle,
    sentAfter: new Date('2026-11-21T09:59:50Z'),
    sentBefore: new Date('2026-11-21T10:00:10Z'),
  };
  const listed = (...data: unknown[]) => ({ status: 200, body: { data } });
  const permalink = 'https://www.instagram.com/p/abc/';
  const published = { id: 'm5', caption: 'Hello #world', timestamp: '2026-11-21T10:00:02+0000', permalink };
  const find = (...answers: Parameters<typeof scripted>) => {
    const adapter = instagram(...answers);
    return { result: adapter.finder.find(business, query, context()), sent: adapter.sent };
  };

  it.each([
    ['FINISHED', { kind: 'absent', proof: 'single-use-handle' }],
    ['EXPIRED', { kind: 'absent', proof: 'single-use-handle', handleIsDead: true }],
    ['ERROR', { kind: 'absent', proof: 'single-use-handle', handleIsDead: true }],
    ['IN_PROGRESS', { kind: 'cannot-tell', reason: 'container c9 is in progress' }],
  ])('reads a container that is %s', async (status, expected) => {
    const { result, sent } = find(container(status));
    expect(await result).toEqual(expected);
    expect(sent).toHaveLength(1);
  });

  it('finds the media of a published container by caption and time', async () => {
    const older = { ...published, id: 'm1', timestamp: '2026-11-20T10:00:02+0000' };
    const other = { ...published, id: 'm2', caption: 'Else' };
    const { result, sent } = find(container('PUBLISHED'), listed(other, published, older));
    expect(await result).toEqual({ kind: 'found', receipt: { publicId: 'm5', permalink } });
    const since = Date.parse('2026-11-21T09:58:50Z') / 1000;
    expect(sent[1]!.url).toBe(
      `https://graph.facebook.com/v26.0/17841/media?fields=id,caption,timestamp,permalink,media_product_type&since=${since}&limit=50`,
    );
  });

  it('cannot tell the id while the list does not show it, nor between two that fit', async () => {
    expect(await find(container('PUBLISHED'), listed()).result).toEqual({
      kind: 'cannot-tell',
      reason: 'published, id not listed yet',
    });
    expect(await find(container('PUBLISHED'), listed(published, { ...published, id: 'm6' })).result).toEqual({
      kind: 'cannot-tell',
      reason: 'published, and 2 listed posts fit caption and time',
    });
  });

  it('does not take an unreadable answer for absence', async () => {
    for (const answers of [[container('DANCING')], [container('PUBLISHED'), { status: 200, body: {} }]]) {
      expect((await outcomeOf(find(...answers).result)).code).toBe('unexpected-response');
    }
  });

  it('cannot tell anything without a container', async () => {
    const adapter = instagram();
    const result = await adapter.finder.find(business, { ...query, handle: null }, context());
    expect(result).toEqual({ kind: 'cannot-tell', reason: 'no container is known' });
  });
});

describe('prepare of videos', () => {
  const posted = (sent: readonly Sent[]) => sent.filter(({ method }) => method === 'POST');
  const finished = container('FINISHED');
  const prepare = async (post: ReturnType<typeof content>, ...answers: (Answer | Error)[]) => {
    const adapter = instagram(...answers);
    const prepared = await adapter.preparer.prepare(business, post, media, context());
    return { prepared, bodies: posted(adapter.sent).map(({ body }) => body) };
  };

  it('makes a reel of a video, with its cover and its options', async () => {
    const options = {
      collaborators: ['ada', 'grace'],
      locationId: '7640348500',
      shareToFeed: false,
      thumbOffsetMs: 1_500,
      audioName: 'Doors',
      trial: 'MANUAL',
      aiGenerated: true,
    };
    const reel = content('REEL', 'Moving', [video('v', 3, picture('k'))], { options });
    const { prepared, bodies } = await prepare(reel, made('c1'), finished);
    expect(prepared.ids).toEqual({ containerId: 'c1', childContainerIds: [] });
    expect(bodies).toEqual([
      {
        media_type: 'REELS',
        video_url: imageUrl('v'),
        cover_url: imageUrl('k'),
        caption: 'Moving',
        share_to_feed: false,
        collaborators: ['ada', 'grace'],
        location_id: '7640348500',
        thumb_offset: 1_500,
        audio_name: 'Doors',
        trial_params: { graduation_strategy: 'MANUAL' },
        is_ai_generated: true,
      },
    ]);
  });

  it('shows a video in the feed, and a reel too unless it is told not to', async () => {
    for (const type of ['VIDEO', 'REEL'] as const) {
      const { bodies } = await prepare(content(type, 'x', [video('v')]), made('c1'), finished);
      const body = { media_type: 'REELS', video_url: imageUrl('v'), caption: 'x', share_to_feed: true };
      expect(bodies).toEqual([body]);
    }
  });

  it('makes a story of a picture or of a video, without words', async () => {
    const still = await prepare(content('STORY', '', [picture('a')]), made('c1'), finished);
    expect(still.bodies).toEqual([{ media_type: 'STORIES', image_url: imageUrl('a') }]);
    const moving = await prepare(content('STORY', '', [video('v')]), made('c1'), finished);
    expect(moving.bodies).toEqual([{ media_type: 'STORIES', video_url: imageUrl('v') }]);
  });

  it('mixes pictures and videos in a carousel', async () => {
    const mixed = content('CAROUSEL', 'Both', [picture('a', 'A door'), video('v')], {
      options: { collaborators: ['ada'] },
    });
    const answers = [made('k1'), made('k2'), finished, finished, made('p1'), finished];
    expect((await prepare(mixed, ...answers)).bodies).toEqual([
      { image_url: imageUrl('a'), alt_text: 'A door', is_carousel_item: true },
      { media_type: 'VIDEO', video_url: imageUrl('v'), is_carousel_item: true },
      { media_type: 'CAROUSEL', children: 'k1,k2', caption: 'Both', collaborators: ['ada'] },
    ]);
  });
});

// https://developers.facebook.com/docs/instagram-platform/content-publishing/resumable-uploads (read 2026-11-21)
describe('upload of a large video', () => {
  const size = 9_000_000;
  const address = 'https://rupload.facebook.com/ig-api-upload/v26.0/c1';
  const started = { status: 200, body: { id: 'c1', uri: address } };
  const uploaded = { status: 200, body: { success: true, message: 'Upload successful.' } };
  const finished = container('FINISHED');
  const reel = content('REEL', 'Long', [video('v', size)]);
  const kept = { container0: 'c1', address0: address };
  const underWay = (phase: Record<string, unknown>) => ({
    status: 200,
    body: { status_code: 'IN_PROGRESS', status: 'In Progress', video_status: { uploading_phase: phase } },
  });
  const large = (...answers: (Answer | Error)[]) => {
    const { fetch, sent } = scripted(...answers);
    const timings = { pollIntervalMs: 0 };
    return { ...createInstagram({ ...definition.live, fetch, now, timings }, 1_000_000).business, sent };
  };
  const failed = (type: string, message = 'Why') => ({
    status: 400,
    body: { debug_info: { retriable: false, type, message } },
  });
  const bytesOf = async (body: unknown) => {
    const sizes: number[] = [];
    for await (const piece of body as AsyncIterable<Uint8Array>) sizes.push(piece.byteLength);
    return sizes;
  };
  const uploadOf = (sent: readonly Sent[]) => sent.find(({ url }) => url.includes('rupload'))!;

  it('keeps its container first, and sends all of it in one request that is read in pieces', async () => {
    const adapter = large(started, uploaded, finished);
    const told = context();
    const prepared = await adapter.preparer.prepare(business, reel, media, told);
    expect(prepared.ids).toEqual({ containerId: 'c1', childContainerIds: [] });
    expect(JSON.stringify(prepared)).not.toContain('rupload');
    expect(told.kept).toEqual([kept]);
    const [creation, upload] = adapter.sent;
    expect(creation!.body).toEqual({
      ...{ media_type: 'REELS', upload_type: 'resumable', caption: 'Long', share_to_feed: true },
    });
    expect(upload).toMatchObject({
      method: 'POST',
      url: address,
      headers: {
        authorization: `OAuth ${token}`,
        offset: '0',
        file_size: String(size),
        'content-length': String(size),
        'content-type': 'application/octet-stream',
      },
    });
    expect(await bytesOf(upload!.body)).toEqual([4_194_304, 4_194_304, size - 2 * 4_194_304]);
    expect(told.told).toContain(`Instagram upload of video v: 4194304 of ${size} bytes`);
  });

  it('goes on after a crash where Meta says, in the same container', async () => {
    for (const name of ['bytes_transferred', 'bytes_transfered']) {
      const phase = { status: 'in_progress', [name]: 8_000_000 };
      const adapter = large(underWay(phase), uploaded, finished);
      const prepared = await adapter.preparer.prepare(business, reel, media, context(kept));
      expect(prepared.ids.containerId).toBe('c1');
      expect(adapter.sent[0]!.url).toBe(
        'https://graph.facebook.com/v26.0/c1?fields=status_code,status,video_status',
      );
      const { headers, body } = uploadOf(adapter.sent);
      expect(headers).toMatchObject({ offset: '8000000', 'content-length': '1000000' });
      expect(await bytesOf(body)).toEqual([1_000_000]);
    }
  });

  it('sends nothing again of what Meta has', async () => {
    for (const answer of [underWay({ status: 'complete' }), container('FINISHED')]) {
      const adapter = large(answer, finished);
      const prepared = await adapter.preparer.prepare(business, reel, media, context(kept));
      expect(prepared.ids.containerId).toBe('c1');
      expect(adapter.sent.map(({ method }) => method)).toEqual(['GET', 'GET']);
    }
  });

  it.each([
    ['has expired', container('EXPIRED')],
    ['has failed', container('ERROR')],
    ['is gone', graphError(400, { code: 100, error_subcode: 33 })],
    ['cannot be asked for the upload', graphError(400, { code: 100 })],
  ])('starts anew where the kept container %s', async (_what, answer) => {
    const fresh = { status: 200, body: { id: 'c2', uri: `${address}2` } };
    const adapter = large(answer, fresh, uploaded, finished);
    const told = context(kept);
    const prepared = await adapter.preparer.prepare(business, reel, media, told);
    expect(prepared.ids.containerId).toBe('c2');
    expect(told.kept).toEqual([{ container0: 'c2', address0: `${address}2` }]);
    expect(uploadOf(adapter.sent)).toMatchObject({ url: `${address}2`, headers: { offset: '0' } });
  });

  it('does not start anew because the token is dead', async () => {
    const adapter = large(graphError(400, { code: 190 }));
    const error = await outcomeOf(adapter.preparer.prepare(business, reel, media, context(kept)));
    expect(error.code).toBe('unauthorized');
    expect(adapter.sent).toHaveLength(1);
  });

  it('remembers each video of a carousel', async () => {
    const two = content('CAROUSEL', 'x', [video('v', size), video('w', size)]);
    const second = { status: 200, body: { id: 'c2', uri: `${address}2` } };
    const parts = [finished, finished, made('p1'), finished];
    const adapter = large(started, uploaded, second, uploaded, ...parts);
    const told = context();
    await adapter.preparer.prepare(business, two, media, told);
    const both = { ...kept, container1: 'c2', address1: `${address}2` };
    expect(told.kept).toEqual([kept, both]);
    const again = large(finished, underWay({ bytes_transferred: 5 }), uploaded, ...parts);
    await again.preparer.prepare(business, two, media, context(both));
    expect(uploadOf(again.sent)).toMatchObject({ url: `${address}2`, headers: { offset: '5' } });
    expect(again.sent.filter(({ url }) => url.endsWith('/media'))).toHaveLength(1);
  });

  it.each([
    ['OffsetInvalidError', { sent: false }],
    ['PartialRequestError', { sent: false }],
    ['ProcessingFailedError', { sent: false, handleIsDead: true }],
  ])('may be tried again after %s', async (type, details) => {
    const error = await outcomeOf(
      large(started, failed(type)).preparer.prepare(business, reel, media, context()),
    );
    expect(error.code).toBe('unavailable');
    expect(error.details).toEqual({ status: 400, platformCode: type, ...details });
    expect(error.message).toBe(`Instagram upload of video v: Instagram answered ${type}: Why`);
  });

  it('sends neither video nor token to an address elsewhere, and shows neither token nor address', async () => {
    const elsewhere = { status: 200, body: { id: 'c1', uri: 'https://uploads.evil.example/a' } };
    const adapter = large(elsewhere);
    const error = await outcomeOf(adapter.preparer.prepare(business, reel, media, context()));
    expect(error.message).toBe(
      'Instagram upload of video v: https://uploads.evil.example is not a host of this adapter, nothing was sent',
    );
    expect(adapter.sent).toHaveLength(1);
    const repeated = large(started, failed('ProcessingFailedError', `Bad ${token} at ${address}`));
    const shown = (await outcomeOf(repeated.preparer.prepare(business, reel, media, context()))).message;
    expect(shown).not.toContain(token);
    expect(shown).not.toContain('ig-api-upload');
  });

  it('does not take a success without the word for one', async () => {
    const adapter = large(started, { status: 200, body: {} });
    const error = await outcomeOf(adapter.preparer.prepare(business, reel, media, context()));
    expect(error.code).toBe('unexpected-response');
  });
});

describe('find of what has no caption, or one that is shown otherwise', () => {
  const window = {
    handle,
    sentAfter: new Date('2026-11-21T09:59:50Z'),
    sentBefore: new Date('2026-11-21T10:00:10Z'),
  };
  const timestamp = '2026-11-21T10:00:02+0000';

  it('looks for a story among the stories, by its time', async () => {
    const listed = {
      status: 200,
      body: { data: [{ id: 's1', timestamp, permalink: 'https://i.example/s' }] },
    };
    const adapter = instagram(container('PUBLISHED'), listed);
    const query = { ...window, content: content('STORY', '', [picture('a')]) };
    expect(await adapter.finder.find(business, query, context())).toEqual({
      kind: 'found',
      receipt: { publicId: 's1', permalink: 'https://i.example/s' },
    });
    expect(adapter.sent[1]!.url).toBe(
      'https://graph.facebook.com/v26.0/17841/stories?fields=id,caption,timestamp,permalink,media_product_type',
    );
  });

  it('knows a caption that is read back without its @', async () => {
    const data = [{ id: 'm5', caption: 'Thanks, ada and mail me.example', timestamp }];
    const adapter = instagram(container('PUBLISHED'), { status: 200, body: { data } });
    const query = { ...window, content: content('REEL', 'Thanks, @ada and mail me@.example', [video('v')]) };
    expect(await adapter.finder.find(business, query, context())).toMatchObject({
      receipt: { publicId: 'm5' },
    });
  });
});

// https://developers.facebook.com/documentation/instagram-platform/instagram-graph-api/reference/ig-media/comments (read 2026-11-21)
describe('comments', () => {
  const first: Reply = { text: 'First!', parentId: 'm5', rootId: 'm5' };
  const window = {
    sentAfter: new Date('2026-11-21T09:59:50Z'),
    sentBefore: new Date('2026-11-21T10:00:10Z'),
  };
  const listed = (...data: unknown[]) => ({ status: 200, body: { data } });
  const ours = { id: 'k7', text: 'First!', timestamp: '2026-11-21T10:00:02+0000' };

  it('stand below the post, or below another comment', async () => {
    const adapter = instagram(made('k7'), made('k8'));
    const receipt = await adapter.replier.reply(business, first, context());
    expect(receipt).toEqual({ publicId: 'k7', permalink: null });
    await adapter.replier.reply(business, { ...first, parentId: 'k7' }, context());
    expect(adapter.sent).toEqual(
      ['m5/comments', 'k7/replies'].map((edge) => ({
        method: 'POST',
        url: `https://graph.facebook.com/v26.0/${edge}`,
        headers: writeHeaders,
        body: { message: 'First!' },
      })),
    );
  });

  it('are looked for by text and time before anything is said twice', async () => {
    const older = { ...ours, id: 'k1', timestamp: '2026-11-20T10:00:02+0000' };
    const adapter = instagram(listed(older, ours), listed(older), listed());
    const find = () => adapter.replier.findReply!(business, first, window, context());
    expect(await find()).toEqual({ kind: 'found', receipt: { publicId: 'k7', permalink: null } });
    expect(await find()).toEqual({ kind: 'absent', proof: 'read' });
    expect(await find()).toEqual({ kind: 'absent', proof: 'read' });
    expect(adapter.sent[0]!.url).toBe(
      'https://graph.facebook.com/v26.0/m5/comments?fields=id,text,timestamp&limit=50',
    );
  });

  it('cannot be told when the page is full of newer ones', async () => {
    const newer = Array.from({ length: 50 }, (_, index) => ({
      ...{ id: `n${index}`, text: 'Nice', timestamp: '2026-11-21T10:05:00+0000' },
    }));
    const adapter = instagram(listed(...newer));
    expect(await adapter.replier.findReply!(business, first, window, context())).toEqual({
      kind: 'cannot-tell',
      reason: 'the window lies behind the 50 replies listed',
    });
  });

  it('fail like a commit', async () => {
    const reply = (...answers: (Answer | Error)[]) =>
      outcomeOf(instagram(...answers).replier.reply(business, first, context()));
    expect((await reply(fetchFailure('ECONNRESET'))).code).toBe('outcome-unknown');
    expect((await reply(graphError(400, { code: 10 }))).code).toBe('unauthorized');
    expect((await reply(graphError(500, { code: 2 }))).details.sent).toBe(true);
  });
});

// https://developers.facebook.com/documentation/instagram-platform/instagram-graph-api/reference/ig-user/content_publishing_limit (read 2026-11-21)
describe('limits', () => {
  it('are read live', async () => {
    const limit = { quota_usage: 7, config: { quota_total: 50, quota_duration: 86_400 } };
    const adapter = instagram({ status: 200, body: { data: [limit] } }, { status: 200, body: { data: [] } });
    const read = () => adapter.quotaReader.readQuota(business, context());
    expect(await read()).toEqual({ used: 7, total: 50, windowSeconds: 86_400 });
    expect(adapter.sent[0]!.url).toBe(
      'https://graph.facebook.com/v26.0/17841/content_publishing_limit?fields=quota_usage,config',
    );
    expect((await outcomeOf(read())).code).toBe('unexpected-response');
  });

  // https://developers.facebook.com/docs/graph-api/overview/rate-limiting (read 2026-11-21)
  it.each([
    ['79 percent', { 'x-app-usage': '{"call_count":79,"total_time":3}' }, []],
    ['80 percent', { 'x-app-usage': '{"call_count":3,"total_cputime":80}' }, [60_000]],
    ['a business at 96 percent', { 'x-business-use-case-usage': '{"9":[{"call_count":96}]}' }, [300_000]],
    [
      'a time',
      { 'x-business-use-case-usage': '{"9":[{"call_count":100,"estimated_time_to_regain_access":7}]}' },
      [420_000],
    ],
    ['nonsense', { 'x-app-usage': '%', 'x-business-use-case-usage': '[]' }, []],
  ] as [string, Record<string, string>, number[]][])('slow us down at %s', async (_what, headers, pauses) => {
    const adapter = instagram({ ...made('m5'), headers });
    const told = context();
    await adapter.publisher.commit(business, one, handle, told);
    expect(told.pauses).toEqual(pauses);
  });
});

// https://developers.facebook.com/documentation/facebook-login/guides/access-tokens/get-long-lived (read 2026-11-21)
describe('connecting', () => {
  const app = { clientId: '112', clientSecret: 'app-very-secret' };
  const connector = (...answers: (Answer | Error)[]) => {
    const { fetch, sent } = scripted(...answers);
    return { ...definition.connect!({ ...definition.live, fetch, now }), sent };
  };
  const granted = (access_token: string, expires_in?: number) => ({
    status: 200,
    body: { access_token, token_type: 'bearer', ...(expires_in && { expires_in }) },
  });
  const permissions = {
    status: 200,
    body: {
      data: [
        { permission: 'instagram_basic', status: 'granted' },
        { permission: 'instagram_content_publish', status: 'declined' },
      ],
    },
  };
  const redirectUri = 'https://gatepost.example/oauth/callback/1';

  it('sends the browser to the dialog with state and scopes, and has no PKCE', () => {
    const { authorizeUrl, defaultScopes, requiredScopes, pkce, renewal } = connector();
    const state = 's t&te';
    const url = authorizeUrl({ app, redirectUri, state, scopes: ['a', 'b'], codeChallenge: null });
    expect(url).toBe(
      'https://www.facebook.com/v26.0/dialog/oauth?client_id=112&redirect_uri=https%3A%2F%2Fgatepost.example%2Foauth%2Fcallback%2F1&state=s+t%26te&response_type=code&scope=a%2Cb',
    );
    expect([pkce, renewal]).toEqual(['none', 'access-token']);
    for (const scope of requiredScopes) expect(defaultScopes).toContain(scope);
  });

  it('makes a long-lived token of a code, and says what was granted', async () => {
    const { exchange, sent } = connector(
      granted('short-1', 3_600),
      granted('long-1', 5_184_000),
      permissions,
    );
    const input = { app, code: 'c0de', redirectUri, codeVerifier: null };
    expect(await exchange(input, context())).toEqual({
      accessToken: 'long-1',
      refreshToken: null,
      expiresAt: new Date('2027-01-20T10:00:00Z'),
      refreshExpiresAt: null,
      scopes: ['instagram_basic'],
    });
    const token = 'https://graph.facebook.com/v26.0/oauth/access_token';
    expect(sent.map(({ method, url, headers }) => [method, url, headers])).toEqual([
      [
        'GET',
        `${token}?client_id=112&client_secret=app-very-secret&redirect_uri=https%3A%2F%2Fgatepost.example%2Foauth%2Fcallback%2F1&code=c0de`,
        {},
      ],
      [
        'GET',
        `${token}?grant_type=fb_exchange_token&client_id=112&client_secret=app-very-secret&fb_exchange_token=short-1`,
        {},
      ],
      ['GET', 'https://graph.facebook.com/v26.0/me/permissions', { authorization: 'Bearer long-1' }],
    ]);
  });

  it('renews a token while it lives, and knows a dead one', async () => {
    const { refresh, sent } = connector(granted('long-2'), permissions);
    const tokens = await refresh(app, { accessToken: 'long-1', refreshToken: null }, context());
    expect(tokens).toMatchObject({ accessToken: 'long-2', refreshToken: null, expiresAt: null });
    expect(new URL(sent[0]!.url).searchParams.get('fb_exchange_token')).toBe('long-1');
    const dead = connector(graphError(400, { code: 190, error_subcode: 463 }));
    const old = { accessToken: 'long-0', refreshToken: null };
    expect((await outcomeOf(dead.refresh(app, old, context()))).code).toBe('unauthorized');
    const down = connector(graphError(500, { code: 2 }));
    expect((await outcomeOf(down.refresh(app, old, context()))).code).toBe('unavailable');
  });

  it('shows neither secret, code nor token', async () => {
    const message = 'Bad app-very-secret, c0de or long-1';
    const refused = graphError(400, { code: 100, error_subcode: 36009, message });
    const { exchange, refresh } = connector(refused, refused);
    const input = { app, code: 'c0de', redirectUri, codeVerifier: null };
    const exchanged = await outcomeOf(exchange(input, context()));
    expect(exchanged.code).toBe('rejected');
    expect(exchanged.message).not.toMatch(/app-very-secret|c0de/);
    const old = { accessToken: 'long-1', refreshToken: null };
    expect((await outcomeOf(refresh(app, old, context()))).message).not.toMatch(/app-very-secret|long-1/);
    const empty = connector({ status: 200, body: {} });
    expect((await outcomeOf(empty.exchange(input, context()))).message).toBe(
      'Facebook exchange of a code: no access token in the answer',
    );
  });

  it('takes the permissions back', async () => {
    const { revoke, sent } = connector({ status: 200, body: { success: true } });
    await revoke!(app, { accessToken: 'long-1', refreshToken: null }, context());
    expect(sent).toEqual([
      {
        method: 'DELETE',
        url: 'https://graph.facebook.com/v26.0/me/permissions',
        headers: { authorization: 'Bearer long-1' },
        body: undefined,
      },
    ]);
  });

  it("lists the accounts of all pages, each with its page's token, and says why one cannot be published to", async () => {
    const page = (id: string, fields: Record<string, unknown> = {}) => ({
      ...{ id, name: `Page ${id}`, access_token: `page-token-${id}` },
      tasks: ['CREATE_CONTENT', 'MODERATE'],
      instagram_business_account: { id: `ig${id}`, username: `user${id}` },
      ...fields,
    });
    const { listAccounts, sent } = connector(
      {
        status: 200,
        body: {
          data: [page('1'), page('2', { instagram_business_account: undefined })],
          paging: { cursors: { after: 'n=xt' }, next: 'https://graph.facebook.com/elsewhere' },
        },
      },
      { status: 200, body: { data: [page('3', { tasks: ['ANALYZE'] })], paging: { cursors: {} } } },
    );
    const account = (id: string, obstacle: string | null) => ({
      ...{ kind: 'business', externalId: `ig${id}`, name: `user${id}` },
      ...{ accessToken: `page-token-${id}`, obstacle },
    });
    expect(await listAccounts('long-1', context())).toEqual([
      account('1', null),
      account('3', 'Your role on the page Page 3 does not allow publishing'),
    ]);
    const list = 'https://graph.facebook.com/v26.0/me/accounts';
    const fields = encodeURIComponent('id,name,access_token,tasks,instagram_business_account{id,username}');
    expect(sent.map(({ url }) => url)).toEqual([
      `${list}?fields=${fields}&limit=100`,
      `${list}?fields=${fields}&limit=100&after=n%3Dxt`,
    ]);
  });
});
