import { createInstagram, instagram as definition } from '../../../adapters/platforms/instagram.ts';
import type { FindQuery } from '../../../adapters/platforms/publisher.ts';
import {
  account,
  content,
  context,
  fetchFailure,
  media,
  outcomeOf,
  picture,
  scripted,
  token,
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
    expect(many.message).toBe('Instagram CAROUSEL cannot carry 11 pictures');
    const odd = { ...media, url: async () => 'https://media.example/größe.jpg' };
    const address = await outcomeOf(adapter.preparer.prepare(business, one, odd, context()));
    expect(address.message).toBe('The address of picture a is not plain ASCII');
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
