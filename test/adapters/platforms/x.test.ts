import type { AdapterOptions } from '../../../adapters/platforms/definition.ts';
import type { FindQuery, Reply } from '../../../adapters/platforms/publisher.ts';
import { createX, x } from '../../../adapters/platforms/x.ts';
import { hasWordsOf, isShownAs, readShownText } from '../../../adapters/platforms/x-find.ts';
import type { OutcomeError } from '../../../domain/outcome.ts';
import {
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

// Answers follow https://docs.x.com/x-api/posts/create-post, .../media/quickstart/media-upload-chunked,
// .../fundamentals/response-codes-and-errors and .../users/get-posts (read 2026-11-21).

const at = Date.parse('2026-11-21T18:00:00Z');
const options: Omit<AdapterOptions, 'fetch'> = {
  ...x.live,
  timings: { pollIntervalMs: 0 },
  now: () => new Date(at),
};
const onX = (...answers: Parameters<typeof scripted>) => {
  const { fetch, sent } = scripted(...answers);
  return { ...createX({ ...options, fetch }).user, sent };
};
const user = account({ platform: 'x', kind: 'user', externalId: '2244994945' });
const postId = '1346889436626259968';
const permalink = `https://x.com/i/web/status/${postId}`;
const authorization = `Bearer ${token}`;
const asJson = { authorization, 'content-type': 'application/json' };
const created = (headers: Record<string, string> = {}) => ({
  status: 201,
  headers,
  body: { data: { id: postId, text: 'Hello', edit_history_post_ids: [postId] } },
});
const commitText = (...answers: Parameters<typeof scripted>) =>
  onX(...answers).publisher.commit(user, content('TEXT_ONLY', 'Hello'), null, context());
const problem = (status: number, kind: string | null, detail: string, title = 'Forbidden') => ({
  status,
  body: {
    type: kind === null ? 'about:blank' : `https://api.x.com/2/problems/${kind}`,
    title,
    detail,
    status,
  },
});
const duplicateContent = problem(403, null, 'You are not allowed to create a Tweet with duplicate content.');

describe('commit', () => {
  it('sends a text as one request and computes where it stands', async () => {
    const { publisher, sent } = onX(created());
    const receipt = await publisher.commit(user, content('TEXT_ONLY', 'Tea & <milk>'), null, context());
    expect(receipt).toEqual({ publicId: postId, permalink });
    expect(sent).toEqual([
      { method: 'POST', url: 'https://api.x.com/2/tweets', headers: asJson, body: { text: 'Tea & <milk>' } },
    ]);
  });

  it('sends media by their ids and in order, options under their names at X, and no empty text', async () => {
    const { publisher, sent } = onX(created(), created());
    const handle = (...mediaIds: string[]) => ({ ids: { mediaIds }, expiresAt: null });
    const chosen = {
      ...{ replySettings: 'mentionedUsers', communityId: '1146654567674912769' },
      ...{ madeWithAi: true, paidPartnership: false },
    };
    const two = content('CAROUSEL', 'Two', [picture('a'), picture('b')], { options: chosen });
    await publisher.commit(user, two, handle('11', '12'), context());
    await publisher.commit(user, content('REEL', '', [video('v')]), handle('13'), context());
    expect(sent.map(({ body }) => body)).toEqual([
      {
        ...{ text: 'Two', media: { media_ids: ['11', '12'] }, reply_settings: 'mentionedUsers' },
        ...{ community_id: '1146654567674912769', made_with_ai: true },
      },
      { media: { media_ids: ['13'] } },
    ]);
  });

  it('refuses before sending what the handle or the type does not allow', async () => {
    const { publisher, sent } = onX();
    const commit = (type: 'SINGLE_IMAGE' | 'CAROUSEL' | 'STORY', count: number) => {
      const pictures = Array.from({ length: count }, (_, index) => picture(String(index)));
      return outcomeOf(publisher.commit(user, content(type, 'x', pictures), null, context()));
    };
    const unprepared = await commit('SINGLE_IMAGE', 1);
    expect([unprepared.code, unprepared.details]).toEqual([
      'unavailable',
      { sent: false, handleIsDead: true },
    ]);
    expect((await commit('CAROUSEL', 5)).message).toBe('X CAROUSEL cannot carry 5 pieces of media');
    expect((await commit('STORY', 1)).message).toBe('X posts of type STORY are not supported');
    expect(sent).toEqual([]);
  });

  it('does not take an answer without an id for a post', async () => {
    const partial = { errors: [{ title: 'Not Found Error', detail: 'x' }] };
    for (const body of [{}, { data: {} }, { data: { id: 'abc' } }, partial]) {
      const error = await outcomeOf(commitText({ status: 200, body }));
      expect([error.code, error.message]).toEqual([
        'unexpected-response',
        "X post creation: answer 200 without a post's id",
      ]);
    }
    const beside = { data: { id: postId, text: 'x' }, errors: partial.errors };
    expect(await commitText({ status: 200, body: beside })).toEqual({ publicId: postId, permalink });
  });

  // https://docs.x.com/x-api/fundamentals/response-codes-and-errors (read 2026-11-21)
  it.each([
    [401, null, 'Unauthorized', 'unauthorized', { platformCode: 'unauthorized' }],
    [400, 'invalid-request', 'Invalid Request', 'rejected', { platformCode: 'invalid-request' }],
    [403, 'client-forbidden', 'Client Forbidden', 'rejected', { platformCode: 'client-forbidden' }],
    [403, 'unsupported-authentication', 'x', 'unauthorized', { platformCode: 'unsupported-authentication' }],
    [403, null, 'Forbidden', 'rejected', { platformCode: 'forbidden' }],
    [
      402,
      'credits',
      'CreditsDepleted',
      'rate-limited',
      { platformCode: 'credits', retryAfterMs: 14_400_000 },
    ],
    [
      ...([429, 'usage-capped', 'UsageCapExceeded', 'rate-limited'] as const),
      { platformCode: 'usage-capped', retryAfterMs: 14_400_000 },
    ],
    [
      ...([429, null, 'Too Many Requests', 'rate-limited'] as const),
      { platformCode: 'too-many-requests', retryAfterMs: 60_000 },
    ],
    [503, null, 'Service Unavailable', 'unavailable', { platformCode: 'service-unavailable', sent: true }],
  ] as const)('reads %i %s %s as %s', async (status, kind, title, code, details) => {
    const error = await outcomeOf(commitText(problem(status, kind, 'Why', title)));
    expect([error.code, error.details]).toEqual([code, { status, ...details }]);
    expect(error.message).toBe(
      `X post creation: X answered ${status} ${details.platformCode}: ${title}: Why`,
    );
  });

  it.each([
    ['a problem', { type: 'https://api.twitter.com/2/problems/usage-capped', title: 'UsageCapExceeded' }],
    ['a list of problems', { errors: [{ type: 'https://api.x.com/2/problems/usage-capped' }] }],
  ])('knows a used-up month from a used-up window in %s', async (_what, body) => {
    const error = await outcomeOf(commitText({ status: 429, body }));
    expect(error.details).toMatchObject({ platformCode: 'usage-capped', retryAfterMs: 14_400_000 });
  });

  it.each([
    ['an old list', { errors: [{ code: 88, message: 'Rate limit exceeded' }] }],
    ['a code and a message', { code: 88, message: 'Rate limit exceeded' }],
  ])('reads the rate limit in %s', async (_what, body) => {
    const error = await outcomeOf(commitText({ status: 429, body }));
    expect(error.message).toBe('X post creation: X answered 429 88: Rate limit exceeded');
    expect(error.details).toEqual({ status: 429, platformCode: '88', retryAfterMs: 60_000 });
  });

  it('waits for the reset of the window, at least a minute, also without a body', async () => {
    const throttled = (seconds: number) =>
      outcomeOf(
        commitText({ status: 429, headers: { 'x-rate-limit-reset': String(at / 1000 + seconds) }, body: '' }),
      );
    expect((await throttled(700)).details.retryAfterMs).toBe(700_000);
    expect((await throttled(2)).details.retryAfterMs).toBe(60_000);
  });

  it('asks for a pause after the last post of the window, and for none before', async () => {
    const reset = { 'x-rate-limit-limit': '100', 'x-rate-limit-reset': String(at / 1000 + 420) };
    for (const [remaining, pauses] of [
      ['1', []],
      ['0', [420_000]],
    ] as const) {
      const { publisher } = onX(created({ ...reset, 'x-rate-limit-remaining': remaining }));
      const told = context();
      await publisher.commit(user, content('TEXT_ONLY', 'x'), null, told);
      expect(told.pauses).toEqual(pauses);
    }
  });

  it('has media uploaded anew that X no longer has', async () => {
    const body = {
      ...{ title: 'Invalid Request', detail: 'One or more parameters to your request was invalid.' },
      type: 'https://api.x.com/2/problems/invalid-request',
      errors: [{ parameters: { 'media.media_ids': ['1'] }, message: 'Your media IDs are invalid.' }],
    };
    const error = await outcomeOf(commitText({ status: 400, body }));
    expect([error.code, error.details]).toEqual([
      'unavailable',
      { status: 400, platformCode: 'media-gone', sent: false, handleIsDead: true },
    ]);
    expect(error.message).toContain('Your media IDs are invalid.');
  });

  it('knows no connection from no answer', async () => {
    const refused = await outcomeOf(commitText(fetchFailure('ECONNREFUSED')));
    expect([refused.code, refused.details.sent]).toEqual(['unavailable', false]);
    expect((await outcomeOf(commitText(fetchFailure('ECONNRESET')))).code).toBe('outcome-unknown');
    const page = await outcomeOf(commitText({ status: 502, body: '<html>Bad gateway</html>' }));
    expect([page.code, page.details.sent]).toEqual(['unavailable', true]);
  });
});

describe('a duplicate', () => {
  const listed = (fields: Record<string, unknown> = {}) => ({
    status: 200,
    body: {
      data: [{ id: '77', text: 'Hello', created_at: '2026-11-21T17:00:00.000Z', ...fields }],
      meta: { result_count: 1 },
    },
  });
  const none = { status: 200, body: { meta: { result_count: 0 } } };

  it('is looked up among the posts of the last day and named: after doubt it is the receipt', async () => {
    const { publisher, sent } = onX(duplicateContent, listed());
    const error = await outcomeOf(publisher.commit(user, content('TEXT_ONLY', 'Hello'), null, context()));
    expect([error.code, error.details]).toEqual([
      'rejected',
      { status: 403, platformCode: 'duplicate', existingPublicId: '77' },
    ]);
    expect(sent.map(({ method, url }) => [method, url.split('&')[1] ?? url])).toEqual([
      ['POST', 'https://api.x.com/2/tweets'],
      ['GET', 'start_time=2026-11-20T17:59:00Z'],
    ]);
  });

  it('of nothing that X shows is refused, and names nothing', async () => {
    const error = await outcomeOf(commitText(duplicateContent, none));
    expect([error.code, error.details]).toEqual(['rejected', { status: 403, platformCode: 'duplicate' }]);
  });

  it('is no refusal while X cannot be asked or cannot tell', async () => {
    const unreadable = await outcomeOf(commitText(duplicateContent, { status: 503, body: {} }));
    const withMedia = listed({ attachments: { media_keys: ['3_1'] } });
    const unclear = await outcomeOf(commitText(duplicateContent, withMedia));
    for (const error of [unreadable, unclear])
      expect([error.code, error.details.sent]).toEqual(['unavailable', true]);
  });
});

describe('confirm', () => {
  it('computes the permalink without asking', async () => {
    const { publisher, sent } = onX();
    expect(await publisher.confirm(user, postId, context())).toEqual({ publicId: postId, permalink });
    expect(sent).toEqual([]);
  });
});

/** What a form holds, files as their bytes. */
async function formIn({ headers, body }: Sent): Promise<Record<string, unknown>> {
  const type = headers['content-type'] ?? '';
  const form = await new Response(Buffer.from(body as Uint8Array), {
    headers: { 'content-type': type },
  }).formData();
  const entries = [...form.entries()].map(async ([name, value]) => [
    name,
    typeof value === 'string' ? value : { type: value.type, bytes: (await value.arrayBuffer()).byteLength },
  ]);
  return Object.fromEntries(await Promise.all(entries));
}

describe('prepare', () => {
  const uploaded = (id: string, fields: Record<string, unknown> = {}) => ({
    status: 200,
    body: { data: { id, media_key: `3_${id}`, size: 3, expires_after_secs: 86_400, ...fields } },
  });
  const processing = (state: string, fields: Record<string, unknown> = {}) =>
    uploaded('13', { media_key: '13_13', processing_info: { state, check_after_secs: 0, ...fields } });
  const described = { status: 200, body: { data: { id: '11' } } };
  const mebibyte = 1_048_576;

  it('uploads nothing for a text', async () => {
    const { preparer, sent } = onX();
    const handle = await preparer.prepare(user, content('TEXT_ONLY', 'x'), media, context());
    expect(handle).toEqual({ ids: { mediaIds: [] }, expiresAt: null });
    expect(sent).toEqual([]);
  });

  it('uploads a picture whole, then describes it, and keeps its id', async () => {
    const { preparer, sent } = onX(uploaded('11'), described, uploaded('12', { expires_after_secs: 7_200 }));
    const two = content('CAROUSEL', 'x', [picture('a', 'A red door'), picture('b')]);
    const handle = await preparer.prepare(user, two, media, context());
    // An hour before the first of them ends.
    const expiresAt = new Date(at + 3_600_000).toISOString();
    expect(handle).toEqual({ ids: { mediaIds: ['11', '12'] }, expiresAt });
    expect(sent.map(({ method, url }) => [method, url])).toEqual([
      ['POST', 'https://api.x.com/2/media/upload'],
      ['POST', 'https://api.x.com/2/media/metadata'],
      ['POST', 'https://api.x.com/2/media/upload'],
    ]);
    expect(sent[0]!.headers.authorization).toBe(authorization);
    expect(await formIn(sent[0]!)).toEqual({
      media_category: 'tweet_image',
      media: { type: 'image/jpeg', bytes: 3 },
    });
    expect(sent[1]).toMatchObject({
      headers: asJson,
      body: { id: '11', metadata: { alt_text: { text: 'A red door' } } },
    });
  });

  it('uploads a video in segments, keeps how far it has come, ends it and waits until X can use it', async () => {
    const appended = { status: 200, body: { data: { expires_at: 1 } } };
    const { preparer, sent } = onX(
      ...[uploaded('13', { media_key: '13_13' }), appended, appended, appended],
      ...[processing('pending'), processing('in_progress'), processing('succeeded')],
    );
    const told = context();
    const film = content('VIDEO', 'x', [video('v', 9 * mebibyte)]);
    const handle = await preparer.prepare(user, film, media, told);
    expect(handle.ids).toEqual({ mediaIds: ['13'] });
    expect(told.kept).toEqual([0, 1, 2, 3].map((segment) => ({ mediaId: '13', segment })));
    const upload = 'https://api.x.com/2/media/upload';
    expect(sent.map(({ method, url }) => `${method} ${url.replace(upload, '')}`)).toEqual([
      ...['POST /initialize', 'POST /13/append', 'POST /13/append', 'POST /13/append', 'POST /13/finalize'],
      ...['GET ?command=STATUS&media_id=13', 'GET ?command=STATUS&media_id=13'],
    ]);
    expect(sent[0]).toMatchObject({
      headers: asJson,
      body: { media_type: 'video/mp4', total_bytes: 9 * mebibyte, media_category: 'tweet_video' },
    });
    expect(await Promise.all(sent.slice(1, 4).map(formIn))).toEqual(
      [4, 4, 1].map((size, index) => ({
        segment_index: String(index),
        media: { type: 'application/octet-stream', bytes: size * mebibyte },
      })),
    );
    expect(sent[4]).toEqual({
      ...{ method: 'POST', url: `${upload}/13/finalize`, headers: { authorization }, body: undefined },
    });
    expect(told.told).toEqual([
      ...[1, 2, 3].map((part) => `Uploading video v to X: part ${part} of 3`),
      ...['X is processing media 13 (pending)', 'X is processing media 13 (in_progress)'],
    ]);
  });

  it('waits as long as X says before it looks again', async () => {
    const later = processing('in_progress', { check_after_secs: 1 });
    const { preparer } = onX(uploaded('13'), described, later, processing('succeeded'));
    const startedAt = performance.now();
    await preparer.prepare(user, content('VIDEO', 'x', [video('v')]), media, context());
    expect(performance.now() - startedAt).toBeGreaterThanOrEqual(990);
  });

  describe('after a crash', () => {
    const film = content('VIDEO', 'x', [video('v', 9 * mebibyte)]);
    const kept = (segment: number) => ({ mediaId: '13', segment });
    const unfinished = problem(400, 'invalid-request', 'It is not finalized', 'Invalid Request');
    const gone = problem(404, 'resource-not-found', 'Could not find it', 'Not Found Error');
    const appended = { status: 200, body: { data: { expires_at: 1 } } };
    const callsOf = (sent: readonly Sent[]) =>
      sent.map(({ method, url }) => `${method} ${url.split('/upload')[1]!}`);

    it('goes on with the segment in doubt', async () => {
      const { preparer, sent } = onX(unfinished, appended, appended, processing('succeeded'));
      const handle = await preparer.prepare(user, film, media, context(kept(1)));
      expect(handle.ids.mediaIds).toEqual(['13']);
      expect(callsOf(sent)).toEqual([
        ...['GET ?command=STATUS&media_id=13', 'POST /13/append', 'POST /13/append', 'POST /13/finalize'],
      ]);
      expect((await formIn(sent[1]!)).segment_index).toBe('1');
    });

    it('sends nothing of an upload that X had finished', async () => {
      const { preparer, sent } = onX(processing('in_progress'), processing('succeeded'));
      await preparer.prepare(user, film, media, context(kept(3)));
      expect(callsOf(sent)).toEqual(Array(2).fill('GET ?command=STATUS&media_id=13'));
    });

    it('ends an upload that had come completely', async () => {
      const { preparer, sent } = onX(unfinished, processing('succeeded'));
      await preparer.prepare(user, film, media, context(kept(3)));
      expect(callsOf(sent)).toEqual(['GET ?command=STATUS&media_id=13', 'POST /13/finalize']);
    });

    it.each([
      ['X no longer has', [gone, gone]],
      ['X could not process', [processing('failed')]],
    ])('starts anew where %s the earlier one', async (_what, first) => {
      const { preparer, sent } = onX(
        ...first,
        ...[uploaded('14'), appended, appended, appended, uploaded('14', { media_key: '13_14' })],
      );
      const told = context(kept(1));
      const handle = await preparer.prepare(user, film, media, told);
      expect(handle.ids).toEqual({ mediaIds: ['14'] });
      expect(callsOf(sent).slice(first.length)).toEqual([
        ...['POST /initialize', 'POST /14/append', 'POST /14/append', 'POST /14/append'],
        'POST /14/finalize',
      ]);
      expect(told.kept[0]).toEqual({ mediaId: '14', segment: 0 });
    });

    it('does not start anew because X is out of order', async () => {
      const { preparer, sent } = onX({ status: 503, body: {} });
      const error = await outcomeOf(preparer.prepare(user, film, media, context(kept(1))));
      expect(error.code).toBe('unavailable');
      expect(sent).toHaveLength(1);
    });
  });

  it('ends with the medium that X could not process, in X’s words', async () => {
    const error = { code: 1, name: 'InvalidMedia', message: 'Unsupported video format' };
    const { preparer } = onX(uploaded('13'), described, processing('failed', { error }));
    const failure = await outcomeOf(
      preparer.prepare(user, content('VIDEO', 'x', [video('v')]), media, context()),
    );
    expect([failure.code, failure.message, failure.details.handleIsDead]).toEqual([
      ...['rejected', 'X could not process media 13: InvalidMedia: Unsupported video format', true],
    ]);
  });

  it('gives up on what never gets ready, and on what nobody can read', async () => {
    const { fetch } = scripted(uploaded('13'), described, processing('pending'));
    const impatient = createX({ ...options, timings: { pollIntervalMs: 0, processingTimeoutMs: 0 }, fetch });
    const film = content('VIDEO', 'x', [video('v')]);
    const late = await outcomeOf(impatient.user.preparer.prepare(user, film, media, context()));
    expect([late.code, late.details.sent]).toEqual(['unavailable', false]);
    const dancing = await outcomeOf(
      onX(uploaded('13'), described, processing('dancing')).preparer.prepare(user, film, media, context()),
    );
    expect(dancing.message).toBe('X video upload end: unknown state of processing "dancing"');
    const nameless = await outcomeOf(
      onX({ status: 200, body: { data: {} } }).preparer.prepare(user, film, media, context()),
    );
    expect(nameless.message).toBe('X video upload start: no media id in the answer');
  });

  it('uploads nothing for a post it could not publish', async () => {
    const { preparer, sent } = onX();
    const large = content('VIDEO', 'x', [video('v', 4_001 * mebibyte)]);
    const error = await outcomeOf(preparer.prepare(user, large, media, context()));
    expect(error.code).toBe('rejected');
    await outcomeOf(preparer.prepare(user, content('CAROUSEL', 'x', [picture('a')]), media, context()));
    expect(sent).toEqual([]);
  });
});

const inWindow = {
  sentAfter: new Date('2026-11-21T17:30:00.400Z'),
  sentBefore: new Date('2026-11-21T17:30:20Z'),
};
const shownPost = (fields: Record<string, unknown> = {}) => ({
  id: postId,
  text: 'We did it &amp; more',
  created_at: '2026-11-21T17:30:01.000Z',
  edit_history_tweet_ids: [postId],
  ...fields,
});
const page = (posts: unknown[], meta: Record<string, unknown> = {}, more: Record<string, unknown> = {}) => ({
  status: 200,
  body:
    posts.length === 0 && !('next_token' in meta)
      ? { meta: { result_count: 0 }, ...more }
      : { data: posts, meta: { result_count: posts.length, ...meta }, ...more },
});
const foundResult = { kind: 'found', receipt: { publicId: postId, permalink } };
const absent = { kind: 'absent', proof: 'read' };

describe('find', () => {
  const query = (fields: Partial<FindQuery> = {}): FindQuery => ({
    content: content('TEXT_ONLY', 'We did it & more'),
    handle: null,
    ...inWindow,
    ...fields,
  });
  const find = (search: FindQuery, ...answers: Parameters<typeof scripted>) =>
    onX(...answers).finder.find(user, search, context());

  it("asks for the account's own posts since shortly before the window", async () => {
    const { finder, sent } = onX(page([shownPost()]));
    expect(await finder.find(user, query(), context())).toEqual(foundResult);
    expect(sent).toEqual([
      {
        method: 'GET',
        url: 'https://api.x.com/2/users/2244994945/tweets?max_results=100&start_time=2026-11-21T17:29:00Z&tweet.fields=created_at,entities,note_tweet,attachments,referenced_tweets',
        headers: { authorization },
        body: undefined,
      },
    ]);
  });

  it('takes an empty page for absence, and other texts, times and answers for others', async () => {
    expect(await find(query(), page([]))).toEqual(absent);
    const others = [
      shownPost({ text: 'Something else' }),
      shownPost({ created_at: '2026-11-21T16:30:01.000Z' }),
      shownPost({ referenced_tweets: [{ type: 'replied_to', id: '5' }] }),
    ];
    expect(await find(query(), page(others))).toEqual(absent);
  });

  it('knows its links again behind the short ones', async () => {
    const text = 'Read https://shop.example/a?b=1&c=2 and example.com/b, today';
    const entities = {
      urls: [
        { url: 'https://t.co/aaaaaaaaaa', expanded_url: 'https://shop.example/a?b=1&c=2' },
        { url: 'https://t.co/bbbbbbbbbb', expanded_url: 'http://example.com/b/' },
      ],
    };
    const shown = 'Read https://t.co/aaaaaaaaaa and https://t.co/bbbbbbbbbb, today';
    const search = query({ content: content('TEXT_ONLY', text) });
    expect(await find(search, page([shownPost({ text: shown, entities })]))).toEqual(foundResult);
    const elsewhere = {
      urls: [entities.urls[0], { ...entities.urls[1], expanded_url: 'https://other.example' }],
    };
    const unclear = {
      kind: 'cannot-tell',
      reason: `${postId} has the same words, with other links or media`,
    };
    expect(await find(search, page([shownPost({ text: shown, entities: elsewhere })]))).toEqual(unclear);
  });

  it('goes by its media whatever became of the text', async () => {
    const handle = { ids: { mediaIds: ['1', '2'] }, expiresAt: null };
    const search = query({ handle, content: content('CAROUSEL', '', [picture('a'), picture('b')]) });
    const attachments = (...media_keys: string[]) => ({ attachments: { media_keys } });
    const ours = shownPost({ text: 'https://t.co/cccccccccc', ...attachments('3_1', '3_2') });
    const theirs = shownPost({
      id: '9',
      text: 'Other https://t.co/dddddddddd',
      ...attachments('3_8', '3_9'),
    });
    expect(await find(search, page([theirs, ours]))).toEqual(foundResult);
    expect(await find(search, page([theirs]))).toEqual(absent);
    const sameWords = shownPost({ text: 'https://t.co/eeeeeeeeee', ...attachments('3_8', '3_9') });
    expect(await find(search, page([sameWords]))).toMatchObject({ kind: 'cannot-tell' });
  });

  it('turns pages, and cannot tell when the window has more than five', async () => {
    const other = shownPost({ text: 'Other' });
    const { finder, sent } = onX(page([other], { next_token: 'p 2' }), page([shownPost()]));
    expect(await finder.find(user, query(), context())).toEqual(foundResult);
    expect(sent[1]!.url).toMatch(/&pagination_token=p%202$/);
    const pages = Array.from({ length: 5 }, () => page([other], { next_token: 'p' }));
    expect(await find(query(), ...pages)).toEqual({
      kind: 'cannot-tell',
      reason: 'the window lies behind the newest 5 posts',
    });
  });

  it('proves nothing by a list with a gap in it', async () => {
    const errors = [{ title: 'Authorization Error', detail: 'x' }];
    expect(await find(query(), page([shownPost({ text: 'Other' })], {}, { errors }))).toEqual({
      kind: 'cannot-tell',
      reason: 'X shows a part of the posts only',
    });
    expect(await find(query(), page([shownPost()], {}, { errors }))).toEqual(foundResult);
  });

  it('does not take an unreadable list for an empty one', async () => {
    for (const body of [{}, { errors: [] }, { data: [{ id: '1' }] }, { meta: { result_count: 3 } }]) {
      expect((await outcomeOf(find(query(), { status: 200, body }))).code).toBe('unexpected-response');
    }
  });
});

describe('a text as it was sent and as X shows it', () => {
  const urls = [
    { url: 'https://t.co/aaaaaaaaaa', expanded_url: 'https://My-Shop.example/Path' },
    { url: 'https://t.co/mmmmmmmmmm', expanded_url: 'https://x.com/us/status/9/photo/1', media_key: '3_1' },
  ];
  it.each([
    ['escaped', 'a < b & c > d &amp; e', { text: 'a &lt; b &amp; c &gt; d &amp;amp; e' }],
    [
      'with what patterns are made of',
      '[a-b] (c)? {d} e|f ^g$ h*i+ \\j',
      { text: '[a-b] (c)? {d} e|f ^g$ h*i+ \\j' },
    ],
    ['decomposed', 'Cafe\u0301', { text: 'Caf\u00e9' }],
    ['trimmed and with other spacing', ' One\r\n\r\ntwo ', { text: 'One\n\ntwo' }],
    ['as a note', 'Long text', { text: 'Long…', note_tweet: { text: 'Long text' } }],
    [
      'with its host written small',
      'See https://my-shop.example/Path',
      { text: 'See https://t.co/aaaaaaaaaa', entities: { urls } },
    ],
    ['with a link to its media', 'Look', { text: 'Look https://t.co/mmmmmmmmmm', entities: { urls } }],
    ['with a link to its media that is not named', 'Look', { text: 'Look https://t.co/nnnnnnnnnn' }],
  ])('is the same %s', (_how, text, post) => {
    expect(isShownAs(text, readShownText({ id: '9', ...post }, true))).toBe(true);
  });

  it('differs where words or links do', () => {
    const plain = (text: string) => readShownText({ id: '9', text }, false);
    expect(isShownAs('Two', plain('One'))).toBe(false);
    expect(isShownAs('mind it', plain('Mind it'))).toBe(false);
    expect(isShownAs('Is it. (a+b)?', plain('Is its (a+b)?'))).toBe(false);
    const linked = readShownText(
      { id: '9', text: 'See https://t.co/aaaaaaaaaa now', entities: { urls } },
      false,
    );
    expect(isShownAs('See my-shop.example/path now', linked)).toBe(false);
    expect(hasWordsOf('See my-shop.example/path now', linked)).toBe(true);
    expect(hasWordsOf('See now', linked)).toBe(false);
  });
});

describe('an answer', () => {
  const reply: Reply = { text: 'More below', parentId: '21', rootId: '20' };

  it('names what it answers', async () => {
    const { replier, sent } = onX(created());
    expect(await replier.reply(user, reply, context())).toEqual({ publicId: postId, permalink });
    expect(sent).toEqual([
      {
        ...{ method: 'POST', url: 'https://api.x.com/2/tweets', headers: asJson },
        body: { text: 'More below', reply: { in_reply_to_tweet_id: '21' } },
      },
    ]);
  });

  const answer = (parentId: string) =>
    shownPost({ text: 'More below', referenced_tweets: [{ type: 'replied_to', id: parentId }] });

  it('is found in its conversation, below what it answers alone', async () => {
    const { replier, sent } = onX(page([answer('99'), answer('21')]), page([answer('99')]));
    expect(await replier.findReply!(user, reply, inWindow, context())).toEqual(foundResult);
    expect(await replier.findReply!(user, reply, inWindow, context())).toEqual(absent);
    expect(sent[0]!.url).toBe(
      'https://api.x.com/2/tweets/search/recent?query=conversation_id%3A20%20from%3A2244994945&max_results=100&start_time=2026-11-21T17:29:00Z&tweet.fields=created_at,entities,note_tweet,attachments,referenced_tweets',
    );
  });

  it('of more than seven days ago cannot be searched for', async () => {
    const { replier, sent } = onX();
    const window = { sentAfter: new Date(at - 7 * 86_400_000), sentBefore: new Date(at) };
    expect(await replier.findReply!(user, reply, window, context())).toMatchObject({ kind: 'cannot-tell' });
    expect(sent).toEqual([]);
  });

  it('that X calls a duplicate is looked up in its conversation', async () => {
    const error = await outcomeOf(
      onX(duplicateContent, page([answer('21')])).replier.reply(user, reply, context()),
    );
    expect([error.code, error.details.existingPublicId]).toEqual(['rejected', postId]);
  });

  it('to what is gone is refused', async () => {
    const gone = problem(
      403,
      null,
      'You attempted to reply to a Tweet that is deleted or not visible to you.',
    );
    expect((await outcomeOf(onX(gone).replier.reply(user, reply, context()))).code).toBe('rejected');
  });
});

describe('remove', () => {
  it('takes a post down, and counts as done what is gone already', async () => {
    const missing = { errors: [{ type: 'https://api.twitter.com/2/problems/resource-not-found' }] };
    const { remover, sent } = onX(
      { status: 200, body: { data: { deleted: true } } },
      { status: 404, body: missing },
      { status: 200, body: missing },
    );
    for (let times = 0; times < 3; times += 1) await remover.remove(user, postId, context());
    expect(sent[0]).toEqual({
      ...{ method: 'DELETE', url: `https://api.x.com/2/tweets/${postId}`, headers: { authorization } },
      body: undefined,
    });
  });

  it('does not call removed what X does not call so', async () => {
    const unsaid = await outcomeOf(
      onX({ status: 200, body: { data: { deleted: false } } }).remover.remove(user, postId, context()),
    );
    expect(unsaid.code).toBe('unexpected-response');
    const refused = problem(403, null, 'You are not authorized to delete this Tweet.');
    expect((await outcomeOf(onX(refused).remover.remove(user, postId, context()))).code).toBe('rejected');
  });
});

describe('connecting', () => {
  // https://docs.x.com/fundamentals/authentication/oauth-2-0/authorization-code (read 2026-11-21)
  const app = { clientId: 'client-1', clientSecret: 'app-secret' };
  const basic = `Basic ${Buffer.from('client-1:app-secret').toString('base64')}`;
  const form = { authorization: basic, 'content-type': 'application/x-www-form-urlencoded' };
  const tokens = {
    ...{ token_type: 'bearer', expires_in: 7_200, access_token: 'a2', refresh_token: 'r2' },
    scope: 'tweet.read tweet.write users.read offline.access',
  };
  const old = { accessToken: 'a1', refreshToken: 'r1' };
  const connecting = (...answers: Parameters<typeof scripted>) => {
    const { fetch, sent } = scripted(...answers);
    return { connector: x.connect!({ ...options, fetch }), sent };
  };

  it('sends the browser to X with a challenge, and not without one', () => {
    const { connector } = connecting();
    const input = {
      ...{ app, redirectUri: 'https://us.example/back?a=1', state: 's&t', codeChallenge: 'ch' },
      scopes: connector.defaultScopes,
    };
    expect(connector.authorizeUrl(input)).toBe(
      'https://x.com/i/oauth2/authorize?response_type=code&client_id=client-1&redirect_uri=https%3A%2F%2Fus.example%2Fback%3Fa%3D1&scope=tweet.read%20tweet.write%20users.read%20media.write%20offline.access&state=s%26t&code_challenge=ch&code_challenge_method=S256',
    );
    expect([connector.pkce, connector.renewal]).toEqual(['S256', 'refresh-token']);
    expect(() => connector.authorizeUrl({ ...input, codeChallenge: null })).toThrow('code challenge');
  });

  it('turns a code into tokens, as a client that shows its secret', async () => {
    const { connector, sent } = connecting({ status: 200, body: tokens });
    const input = { app, code: 'c/1', redirectUri: 'https://us.example/back', codeVerifier: 'verifier' };
    expect(await connector.exchange(input, context())).toEqual({
      accessToken: 'a2',
      refreshToken: 'r2',
      expiresAt: new Date(at + 7_200_000),
      refreshExpiresAt: null,
      scopes: ['tweet.read', 'tweet.write', 'users.read', 'offline.access'],
    });
    expect(sent).toEqual([
      {
        ...{ method: 'POST', url: 'https://api.x.com/2/oauth2/token', headers: form },
        body: 'code=c%2F1&grant_type=authorization_code&redirect_uri=https%3A%2F%2Fus.example%2Fback&code_verifier=verifier',
      },
    ]);
  });

  it('refreshes by the refresh token, and says when there is none', async () => {
    const { connector, sent } = connecting({ status: 200, body: tokens });
    expect((await connector.refresh(app, old, context())).refreshToken).toBe('r2');
    expect(sent[0]).toMatchObject({ headers: form, body: 'grant_type=refresh_token&refresh_token=r1' });
    const none = await outcomeOf(connector.refresh(app, { ...old, refreshToken: null }, context()));
    expect([none.code, none.details.sent]).toEqual(['unauthorized', false]);
  });

  it.each([
    [400, 'invalid_request', 'Value passed for the token was invalid.', 'unauthorized'],
    [400, 'invalid_grant', 'x', 'unauthorized'],
    [400, 'invalid_request', 'Missing required parameter [redirect_uri].', 'rejected'],
    [401, 'unauthorized_client', 'Missing valid authorization header', 'rejected'],
    [429, '', '', 'rate-limited'],
    [503, 'temporarily_unavailable', '', 'unavailable'],
  ])('reads %i %s "%s" on a refresh as %s', async (status, error, error_description, code) => {
    const { connector } = connecting({ status, body: { error, error_description } });
    expect((await outcomeOf(connector.refresh(app, old, context()))).code).toBe(code);
  });

  it('gives both tokens back, the one that could give new ones first; dead ones count as given back', async () => {
    const dead = { error: 'invalid_request', error_description: 'Value passed for the token was invalid.' };
    const { connector, sent } = connecting(
      { status: 400, body: dead },
      { status: 200, body: { revoked: true } },
    );
    await connector.revoke!(app, old, context());
    expect(sent).toMatchObject([
      { method: 'POST', url: 'https://api.x.com/2/oauth2/revoke', headers: form, body: 'token=r1' },
      { body: 'token=a1' },
    ]);
  });

  it('names the account that the token is of', async () => {
    const body = { data: { id: '2244994945', name: 'X Dev', username: 'XDevelopers' } };
    const { connector, sent } = connecting({ status: 200, body });
    expect(await connector.listAccounts('a2', context())).toEqual([
      {
        ...{ kind: 'user', externalId: '2244994945', name: 'X Dev (@XDevelopers)' },
        ...{ accessToken: null, obstacle: null },
      },
    ]);
    expect(sent).toEqual([
      {
        ...{ method: 'GET', url: 'https://api.x.com/2/users/me', headers: { authorization: 'Bearer a2' } },
        body: undefined,
      },
    ]);
  });

  it('never shows a secret, whatever X repeats', async () => {
    const secrets = ['app-secret', 'r1', 'c0de', 'verif1er', 'a1', basic.slice(6)];
    const said = { error: 'invalid_scope', error_description: `Refused: ${secrets.join(' ')}` };
    const failures: OutcomeError[] = [];
    const failing = () => connecting({ status: 400, body: said }).connector;
    const input = { app, code: 'c0de', redirectUri: 'https://us.example', codeVerifier: 'verif1er' };
    failures.push(await outcomeOf(failing().exchange(input, context())));
    failures.push(await outcomeOf(failing().refresh(app, old, context())));
    failures.push(await outcomeOf(failing().revoke!(app, old, context())));
    const shownBy = (secret: string) => failures.filter(({ message }) => message.includes(secret)).length;
    expect(shownBy('app-secret') + shownBy(basic.slice(6))).toBe(0);
    expect(failures[0]!.message).not.toMatch(/c0de|verif1er/);
    expect(failures[1]!.message).not.toContain('r1');
    expect(failures[2]!.message).not.toContain('r1');
  });
});

it('never shows the token of an account', async () => {
  const repeating = problem(403, null, `Refused with ${token}`);
  const { publisher, finder, remover } = onX(repeating, repeating, repeating);
  const search = { content: content('TEXT_ONLY', 'x'), handle: null, ...inWindow };
  const calls = [
    () => publisher.commit(user, content('TEXT_ONLY', 'x'), null, context()),
    () => finder.find(user, search, context()),
    () => remover.remove(user, postId, context()),
  ];
  for (const call of calls) expect((await outcomeOf(call())).message).not.toContain(token);
});
