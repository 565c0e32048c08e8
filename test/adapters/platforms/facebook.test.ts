import { Readable } from 'node:stream';
import { createFacebook, facebook as definition } from '../../../adapters/platforms/facebook.ts';
import type { FindQuery, MediaAccess, PreparedHandle } from '../../../adapters/platforms/publisher.ts';
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

// Answers follow https://developers.facebook.com/documentation/pages-api/posts,
// .../documentation/video-api/guides/reels-publishing, .../documentation/video-api/page-stories-api,
// .../docs/graph-api/video-uploads and .../docs/graph-api/guides/error-handling (read 2026-11-21).

const now = () => new Date('2026-11-21T10:00:00Z');
const graph = 'https://graph.facebook.com/v26.0';
const facebook = (...answers: Parameters<typeof scripted>) => {
  const { fetch, sent } = scripted(...answers);
  const timings = { pollIntervalMs: 0 };
  return { ...createFacebook({ ...definition.live, fetch, now, timings }).page, sent };
};
const page = account({ platform: 'facebook', kind: 'page', externalId: '1045' });
const authorization = `Bearer ${token}`;
const writeHeaders = { authorization, 'content-type': 'application/json' };
const imageUrl = (id: string) => `https://media.example/${id}.jpg?X-Amz-Signature=abc123`;
const ok = (body: Record<string, unknown>): Answer => ({ status: 200, body });
const success = ok({ success: true });
const listed = (...data: unknown[]) => ok({ data });
const graphError = (
  status: number,
  error: Record<string, unknown>,
  headers: Record<string, string> = {},
): Answer => ({
  status,
  headers,
  body: { error: { message: 'Why', type: 'OAuthException', fbtrace_id: 'A1', ...error } },
});
const gone = graphError(400, { code: 100, error_subcode: 33 });
const read = (path: string): Sent => ({
  ...{ method: 'GET', url: `${graph}${path}`, headers: { authorization }, body: undefined },
});
const write = (path: string, body: unknown): Sent => ({
  ...{ method: 'POST', url: `${graph}${path}`, headers: writeHeaders, body },
});
const readVideo = (id: string) => read(`/${id}?fields=status,permalink_url`);

/** A video's state as the Video node shows it. */
const videoState = (
  video_status: string,
  phases: { bytes?: number; publishing?: Record<string, unknown>; error?: string } = {},
): Answer =>
  ok({
    id: 'v1',
    permalink_url: '/reel/v1/',
    status: {
      video_status,
      uploading_phase: {
        status: video_status === 'uploading' ? 'in_progress' : 'complete',
        ...(phases.bytes !== undefined && { bytes_transfered: phases.bytes }),
      },
      processing_phase: phases.error
        ? { status: 'error', error: { message: phases.error } }
        : { status: 'not_started' },
      publishing_phase: phases.publishing ?? { status: 'not_started' },
    },
  });
const published = { publishing: { status: 'complete', publish_status: 'published' } };

const text = content('TEXT_ONLY', 'Hello #world', [], { options: { link: 'https://shop.example/new' } });
const one = content('SINGLE_IMAGE', 'Hello', [picture('a', 'A red door')]);
const two = content('CAROUSEL', 'Two doors', [picture('a', 'A red door'), picture('b')]);
const film = (size = 25) => content('VIDEO', 'A film', [video('m', size)], { title: 'Doors' });
const reel = (size = 25) => content('REEL', 'A reel', [video('m', size)], { title: 'Doors' });
const photoStory = content('STORY', '', [picture('a')]);
const videoStory = content('STORY', '', [video('m', 25)]);
const handleOf = (ids: PreparedHandle['ids']): PreparedHandle => ({ ids, expiresAt: null });

const bytesOf = async ({ body }: Sent): Promise<Buffer> => {
  if (!(body instanceof Readable)) throw new Error('The body is no stream');
  const chunks: Uint8Array[] = [];
  for await (const chunk of body) chunks.push(chunk);
  return Buffer.concat(chunks);
};
/** The fields of a multipart body by name, a file as its bytes. */
const fieldsOf = async (sent: Sent): Promise<Record<string, string>> => {
  const boundary = /^multipart\/form-data; boundary=(.+)$/.exec(sent.headers['content-type'] ?? '')?.[1];
  const whole = await bytesOf(sent);
  expect(sent.headers['content-length']).toBe(String(whole.length));
  const parts = whole.toString('latin1').split(`--${boundary}`).slice(1, -1);
  return Object.fromEntries(
    parts.map((part) => {
      const [head = '', body = ''] = part.split('\r\n\r\n');
      return [/name="([^"]+)"/.exec(head)?.[1], body.slice(0, -2)];
    }),
  );
};
const sevens = (count: number) => '\x07'.repeat(count);

describe('prepare', () => {
  it('uploads a picture that nobody sees, from an address that lives an hour', async () => {
    const adapter = facebook(ok({ id: 'p1' }));
    media.asked.length = 0;
    const told = context();
    expect(await adapter.preparer.prepare(page, one, media, told)).toEqual(handleOf({ photoIds: ['p1'] }));
    expect(adapter.sent).toEqual([
      write('/1045/photos', { url: imageUrl('a'), published: false, alt_text_custom: 'A red door' }),
    ]);
    expect(media.asked).toEqual([['a', 3_600]]);
    expect(told.told).toEqual(['Uploading picture a to Facebook']);
  });

  it('uploads several pictures in their order', async () => {
    const adapter = facebook(ok({ id: 'p1' }), ok({ id: 'p2' }));
    const handle = await adapter.preparer.prepare(page, two, media, context());
    expect(handle).toEqual(handleOf({ photoIds: ['p1', 'p2'] }));
    expect(adapter.sent.map(({ body }) => body)).toEqual([
      { url: imageUrl('a'), published: false, alt_text_custom: 'A red door' },
      { url: imageUrl('b'), published: false },
    ]);
  });

  it('needs nothing for a text', async () => {
    const adapter = facebook();
    expect(await adapter.preparer.prepare(page, text, media, context())).toEqual(handleOf({}));
    expect(adapter.sent).toEqual([]);
  });

  it('never shows the signed address of a picture, even when Facebook repeats it', async () => {
    const refusal = graphError(400, { code: 324, message: `Cannot fetch ${imageUrl('a')}` });
    const error = await outcomeOf(facebook(refusal).preparer.prepare(page, one, media, context()));
    expect([error.code, error.message]).toEqual([
      'rejected',
      'Facebook photo upload: Facebook answered 324: Cannot fetch [redacted]',
    ]);
  });

  it('refuses what a type cannot carry, before sending', async () => {
    const adapter = facebook();
    const messageOf = async (post: ReturnType<typeof content>) =>
      (await outcomeOf(adapter.preparer.prepare(page, post, media, context()))).message;
    expect(await messageOf(content('CAROUSEL', 'x', [picture('a')]))).toBe(
      'Facebook CAROUSEL cannot carry 1 pieces of media',
    );
    expect(await messageOf(content('CAROUSEL', 'x', [picture('a'), video('m')]))).toBe(
      'Facebook CAROUSEL takes pictures alone',
    );
    expect(await messageOf(content('REEL', 'x', [picture('a')]))).toBe('Facebook REEL takes a video alone');
    expect(adapter.sent).toEqual([]);
  });
});

describe('prepare a video', () => {
  const started = ok({ upload_session_id: 's1', video_id: 'v1', start_offset: '0', end_offset: '10' });
  const next = (start: number, end: number) => ok({ start_offset: String(start), end_offset: String(end) });
  const kept = { sessionId: 's1', videoId: 'v1', chunkBytes: 10 };

  it('sends the chunks that Facebook asks for, and keeps the session before the first', async () => {
    const adapter = facebook(started, next(10, 20), next(20, 25), next(25, 25));
    const told = context();
    const handle = await adapter.preparer.prepare(page, film(), media, told);
    expect(handle).toEqual(handleOf({ videoId: 'v1', sessionId: 's1' }));
    const [start, ...chunks] = adapter.sent;
    expect(start).toEqual(write('/1045/videos', { upload_phase: 'start', file_size: 25 }));
    expect(chunks.map(({ method, url, headers }) => [method, url, headers.authorization])).toEqual(
      [0, 1, 2].map(() => ['POST', `${graph}/1045/videos`, authorization]),
    );
    const sent = await Promise.all(chunks.map(fieldsOf));
    const phase = { upload_phase: 'transfer', upload_session_id: 's1' };
    expect(sent).toEqual([
      { ...phase, start_offset: '0', video_file_chunk: sevens(10) },
      { ...phase, start_offset: '10', video_file_chunk: sevens(10) },
      { ...phase, start_offset: '20', video_file_chunk: sevens(5) },
    ]);
    expect(told.kept).toEqual([kept]);
    expect(told.told).toEqual([
      'Facebook video upload start',
      'Uploading video m to Facebook: 0 of 25 bytes',
      'Uploading video m to Facebook: 10 of 25 bytes',
      'Uploading video m to Facebook: 20 of 25 bytes',
    ]);
  });

  it('asks after a break how much is there, and goes on from that', async () => {
    const adapter = facebook(videoState('uploading', { bytes: 12 }), next(22, 25), next(25, 25));
    const told = context(kept);
    const handle = await adapter.preparer.prepare(page, film(), media, told);
    expect(handle).toEqual(handleOf({ videoId: 'v1', sessionId: 's1' }));
    const [asked, ...chunks] = adapter.sent;
    expect(asked).toEqual(readVideo('v1'));
    const offsets = (await Promise.all(chunks.map(fieldsOf))).map((sent) => [
      sent.start_offset,
      sent.video_file_chunk?.length,
    ]);
    expect(offsets).toEqual([
      ['12', 10],
      ['22', 3],
    ]);
    expect(told.kept).toEqual([]);
  });

  it('sends nothing more when all of it is there', async () => {
    const adapter = facebook(videoState('upload_complete'));
    await adapter.preparer.prepare(page, film(), media, context(kept));
    expect(adapter.sent).toEqual([readVideo('v1')]);
  });

  it.each([
    ['has expired', videoState('expired')],
    ['has failed', videoState('upload_failed')],
    ['is gone', gone],
    ['does not say how much it has', videoState('uploading')],
  ])('begins anew when the session %s', async (_what, state) => {
    const adapter = facebook(state, started, next(25, 25));
    const told = context({ ...kept, sessionId: 'old', videoId: 'old' });
    const handle = await adapter.preparer.prepare(page, film(), media, told);
    expect(handle).toEqual(handleOf({ videoId: 'v1', sessionId: 's1' }));
    expect(told.kept).toEqual([kept]);
  });

  it('takes the refusal of an old session for no refusal of the video, and begins anew the next time', async () => {
    const refusal = graphError(400, { code: 100, message: 'Invalid upload_session_id' });
    const told = context(kept);
    const adapter = facebook(videoState('uploading', { bytes: 12 }), refusal);
    const error = await outcomeOf(adapter.preparer.prepare(page, film(), media, told));
    expect([error.code, error.details.sent]).toEqual(['unavailable', false]);
    expect(told.kept).toEqual([{}]);
    const fresh = await outcomeOf(
      facebook(started, refusal).preparer.prepare(page, film(), media, context()),
    );
    expect(fresh.code).toBe('rejected');
  });

  it('begins no second upload while nobody answers for the first', async () => {
    const adapter = facebook({ status: 503 });
    const error = await outcomeOf(adapter.preparer.prepare(page, film(), media, context(kept)));
    expect(error.code).toBe('unavailable');
    expect(adapter.sent).toHaveLength(1);
  });

  it('stops when Facebook asks for the same bytes again', async () => {
    const adapter = facebook(started, next(0, 10));
    const error = await outcomeOf(adapter.preparer.prepare(page, film(), media, context()));
    expect([error.code, error.message]).toEqual([
      'unexpected-response',
      'Facebook video chunk: asked for byte 0 again after it had come up to 10',
    ]);
  });

  it.each([1363019, 1363030, 1363033, 1363037])(
    'takes the refusal of a chunk with %i as a reason to try again',
    async (error_subcode) => {
      const refusal = graphError(400, { code: 6001, error_subcode });
      const error = await outcomeOf(
        facebook(started, refusal).preparer.prepare(page, film(), media, context()),
      );
      expect(error.code).toBe('unavailable');
      expect(error.details).toEqual({ status: 400, platformCode: `6001/${error_subcode}`, sent: false });
    },
  );

  it('ends a request whose video cannot be read', async () => {
    const { fetch: answer } = scripted(started);
    const fetch: typeof answer = async (url, init) => {
      if (!(init.body instanceof Readable)) return answer(url, init);
      for await (const _ of init.body);
      throw new Error('The body came to its end');
    };
    const adapter = createFacebook({ ...definition.live, fetch, now }).page;
    const broken: MediaAccess = { ...media, range: () => Promise.reject(new Error('No such object')) };
    const error = await outcomeOf(adapter.preparer.prepare(page, film(), broken, context()));
    expect([error.code, error.message]).toEqual([
      'outcome-unknown',
      'Facebook video chunk: no answer (Error)',
    ]);
  });
});

describe('prepare a reel or a story', () => {
  const uploadUrl = 'https://rupload.facebook.com/video-upload/v26.0/v1';
  const started = ok({ video_id: 'v1', upload_url: uploadUrl });
  const kept = { videoId: 'v1', uploadUrl };
  const uploadHeaders = (offset: number) => ({
    authorization: `OAuth ${token}`,
    offset: String(offset),
    file_size: '25',
    'content-type': 'application/octet-stream',
    'content-length': String(25 - offset),
  });

  it.each([
    ['video_reels', reel()],
    ['video_stories', videoStory],
  ])('uploads up to the last phase of %s and waits until all is there', async (edge, post) => {
    const adapter = facebook(started, success, videoState('uploading'), videoState('upload_complete'));
    const told = context();
    const handle = await adapter.preparer.prepare(page, post, media, told);
    expect(handle).toEqual(handleOf({ videoId: 'v1' }));
    const [start, upload, ...asked] = adapter.sent;
    expect(start).toEqual(write(`/1045/${edge}`, { upload_phase: 'start' }));
    expect(upload).toMatchObject({ method: 'POST', url: uploadUrl, headers: uploadHeaders(0) });
    expect((await bytesOf(upload!)).toString('latin1')).toBe(sevens(25));
    expect(asked).toEqual([readVideo('v1'), readVideo('v1')]);
    expect(told.kept).toEqual([kept]);
  });

  it('asks after a break how much is there, and sends the rest', async () => {
    const states = [videoState('uploading', { bytes: 20 }), success, videoState('upload_complete')];
    const adapter = facebook(...states);
    const handle = await adapter.preparer.prepare(page, reel(), media, context(kept));
    expect(handle).toEqual(handleOf({ videoId: 'v1' }));
    expect(adapter.sent[0]).toEqual(readVideo('v1'));
    expect(adapter.sent[1]).toMatchObject({ method: 'POST', url: uploadUrl, headers: uploadHeaders(20) });
    expect((await bytesOf(adapter.sent[1]!)).length).toBe(5);
  });

  it('sends nothing more when all of it is there', async () => {
    const adapter = facebook(videoState('upload_complete'), videoState('upload_complete'));
    await adapter.preparer.prepare(page, reel(), media, context(kept));
    expect(adapter.sent.map(({ method }) => method)).toEqual(['GET', 'GET']);
  });

  it.each([
    ['OffsetInvalidError', false, []],
    ['PartialRequestError', false, []],
    ['ProcessingFailedError', true, [kept, {}]],
  ])('after %s, lets the next attempt go on or begin anew', async (type, handleIsDead, keptLater) => {
    const refusal = { status: 400, body: { debug_info: { retriable: false, type, message: 'No' } } };
    const told = context(null);
    const error = await outcomeOf(facebook(started, refusal).preparer.prepare(page, reel(), media, told));
    expect(error.code).toBe('unavailable');
    expect(error.details.sent).toBe(false);
    expect(error.details.handleIsDead ?? false).toBe(handleIsDead);
    expect(told.kept).toEqual(handleIsDead ? keptLater : [kept]);
  });

  it('refuses a video that Facebook cannot process, in its words, and forgets the session', async () => {
    const told = context();
    const error = await outcomeOf(
      facebook(started, success, videoState('error', { error: 'Not a video' })).preparer.prepare(
        ...([page, reel(), media, told] as const),
      ),
    );
    expect([error.code, error.message]).toEqual(['rejected', 'Facebook video v1 is error: Not a video']);
    expect(error.details).toEqual({ platformCode: 'error', handleIsDead: true, sent: false });
    expect(told.kept).toEqual([kept, {}]);
  });

  it('sends neither token nor video to another host that an answer names', async () => {
    const elsewhere = ok({ video_id: 'v1', upload_url: 'https://rupload.example/v1' });
    const adapter = facebook(elsewhere);
    const error = await outcomeOf(adapter.preparer.prepare(page, reel(), media, context()));
    expect(error.code).toBe('unexpected-response');
    expect(adapter.sent).toHaveLength(1);
  });

  it('uploads the picture of a story like any other', async () => {
    const adapter = facebook(ok({ id: 'p1' }));
    const handle = await adapter.preparer.prepare(page, photoStory, media, context());
    expect(handle).toEqual(handleOf({ photoIds: ['p1'] }));
    expect(adapter.sent).toEqual([write('/1045/photos', { url: imageUrl('a'), published: false })]);
  });
});

describe('commit', () => {
  const photo = handleOf({ photoIds: ['p1'] });
  const reelHandle = handleOf({ videoId: 'v1' });

  it.each([
    [
      'a text with a link',
      text,
      null,
      ok({ id: '1045_7' }),
      '/1045/feed',
      { message: 'Hello #world', link: 'https://shop.example/new', published: true },
      '1045_7',
    ],
    [
      'a picture',
      one,
      photo,
      ok({ id: '1045_7' }),
      '/1045/feed',
      { message: 'Hello', attached_media: [{ media_fbid: 'p1' }], published: true },
      '1045_7',
    ],
    [
      'pictures without a text',
      content('CAROUSEL', '', two.media.slice()),
      handleOf({ photoIds: ['p1', 'p2'] }),
      ok({ id: '1045_7' }),
      '/1045/feed',
      { attached_media: [{ media_fbid: 'p1' }, { media_fbid: 'p2' }], published: true },
      '1045_7',
    ],
    [
      'a video',
      film(),
      handleOf({ videoId: 'v1', sessionId: 's1' }),
      success,
      '/1045/videos',
      {
        ...{ upload_phase: 'finish', upload_session_id: 's1', published: true },
        ...{ title: 'Doors', description: 'A film' },
      },
      'v1',
    ],
    [
      'a reel',
      reel(),
      reelHandle,
      success,
      '/1045/video_reels',
      {
        ...{ upload_phase: 'finish', video_id: 'v1', video_state: 'PUBLISHED' },
        ...{ title: 'Doors', description: 'A reel' },
      },
      'v1',
    ],
    [
      'a story of a picture',
      photoStory,
      photo,
      ok({ success: true, post_id: '99' }),
      '/1045/photo_stories',
      { photo_id: 'p1' },
      '99',
    ],
    [
      'a story of a video',
      videoStory,
      reelHandle,
      ok({ success: true, post_id: '99' }),
      '/1045/video_stories',
      { upload_phase: 'finish', video_id: 'v1' },
      '99',
    ],
  ])('makes %s public in one call', async (_what, post, handle, answer, path, body, publicId) => {
    const adapter = facebook(answer);
    const receipt = await adapter.publisher.commit(page, post, handle, context());
    expect(receipt).toEqual({ publicId, permalink: null });
    expect(adapter.sent).toEqual([write(path, body)]);
  });

  it.each([
    ['a picture', one],
    ['a video', film()],
    ['a reel', reel()],
    ['a story of a picture', photoStory],
    ['a story of a video', videoStory],
  ])('sends nothing for %s that was not prepared', async (_what, post) => {
    for (const handle of [null, handleOf({})]) {
      const adapter = facebook();
      const error = await outcomeOf(adapter.publisher.commit(page, post, handle, context()));
      expect(error.code).toBe('unavailable');
      expect(error.details).toEqual({ sent: false, handleIsDead: true });
      expect(adapter.sent).toEqual([]);
    }
  });

  it.each([
    [400, { code: 190, error_subcode: 458 }, 'unauthorized', {}],
    [400, { code: 190, error_subcode: 460 }, 'unauthorized', {}],
    [401, { code: 190, error_subcode: 463 }, 'unauthorized', {}],
    [400, { code: 102 }, 'unauthorized', {}],
    [403, { code: 10 }, 'unauthorized', {}],
    [403, { code: 200 }, 'unauthorized', {}],
    [403, { code: 299 }, 'unauthorized', {}],
    [400, { code: 3 }, 'unauthorized', {}],
    [400, { code: 283 }, 'unauthorized', {}],
    [403, { code: 4 }, 'rate-limited', { retryAfterMs: 60_000 }],
    [400, { code: 17 }, 'rate-limited', { retryAfterMs: 60_000 }],
    [400, { code: 32 }, 'rate-limited', { retryAfterMs: 60_000 }],
    [400, { code: 341 }, 'rate-limited', { retryAfterMs: 60_000 }],
    [400, { code: 613 }, 'rate-limited', { retryAfterMs: 60_000 }],
    [400, { code: 80001 }, 'rate-limited', { retryAfterMs: 60_000 }],
    [500, { code: 1 }, 'unavailable', { sent: true }],
    [503, { code: 2 }, 'unavailable', { sent: true }],
    [400, { code: -1 }, 'unavailable', { sent: true }],
    [400, { code: -2 }, 'unavailable', { sent: true }],
    [400, { code: 77, is_transient: true }, 'unavailable', { sent: true }],
    [400, { code: 506 }, 'unavailable', { sent: true }],
    [400, { code: 100, error_subcode: 1366051 }, 'unavailable', { sent: true }],
    [400, { code: 389 }, 'unavailable', { sent: true }],
    [400, { code: 6000 }, 'unavailable', { sent: true }],
    [400, { code: 6001 }, 'unavailable', { sent: true }],
    [400, { code: 352, error_subcode: 1363047 }, 'unavailable', { sent: true }],
    [400, { code: 368, error_subcode: 1390008 }, 'rejected', {}],
    [400, { code: 368, error_subcode: 1346003 }, 'rejected', {}],
    [400, { code: 324 }, 'rejected', {}],
    [400, { code: 352 }, 'rejected', {}],
    [400, { code: 382 }, 'rejected', {}],
    [400, { code: 100 }, 'rejected', {}],
    [400, { code: 100, error_subcode: 33 }, 'rejected', {}],
    [403, { code: 200, error_subcode: 1404078 }, 'rejected', {}],
    [403, { code: 4854002 }, 'rejected', {}],
  ])('reads %i %j as %s', async (status, error, code, details) => {
    const adapter = facebook(graphError(status, error));
    const outcome = await outcomeOf(adapter.publisher.commit(page, text, null, context()));
    const subcode = 'error_subcode' in error ? `/${error.error_subcode}` : '';
    expect(outcome.code).toBe(code);
    expect(outcome.details).toEqual({ status, platformCode: `${error.code}${subcode}`, ...details });
    expect(outcome.message).toBe(`Facebook post creation: Facebook answered ${error.code}${subcode}: Why`);
  });

  it('waits as many minutes as the usage header says when it is throttled', async () => {
    const usage = { '99': [{ type: 'pages', call_count: 100, estimated_time_to_regain_access: 12 }] };
    const headers = { 'x-business-use-case-usage': JSON.stringify(usage) };
    const adapter = facebook(graphError(400, { code: 32 }, headers));
    const error = await outcomeOf(adapter.publisher.commit(page, text, null, context()));
    expect(error.details.retryAfterMs).toBe(12 * 60_000);
  });

  it('asks for a pause when most of the limit is used', async () => {
    const pausesAt = async (percent: number) => {
      const headers = { 'x-app-usage': JSON.stringify({ call_count: percent, total_time: 1 }) };
      const told = context();
      await facebook({ ...ok({ id: '1045_7' }), headers }).publisher.commit(page, text, null, told);
      return told.pauses;
    };
    expect([await pausesAt(50), await pausesAt(80)]).toEqual([[], [60_000]]);
  });

  it.each([
    ['no id', text, null, ok({ success: true })],
    ['success that is false', reel(), handleOf({ videoId: 'v1' }), ok({ success: false })],
    ['no post_id', photoStory, handleOf({ photoIds: ['p1'] }), success],
    ['a page', text, null, { status: 200, body: '<html></html>' }],
  ])('calls an answer with %s unexpected, and does not take it for a refusal', async (...given) => {
    const [, post, handle, answer] = given;
    const error = await outcomeOf(facebook(answer).publisher.commit(page, post, handle, context()));
    expect(error.code).toBe('unexpected-response');
    expect(error.details.sent).not.toBe(false);
  });

  it('knows no connection from no answer, and tries neither again', async () => {
    const refused = facebook(fetchFailure('ECONNREFUSED'));
    const reset = facebook(fetchFailure('ECONNRESET'));
    const [first, second] = [refused, reset].map(({ publisher }) =>
      outcomeOf(publisher.commit(page, text, null, context())),
    );
    expect((await first)?.details.sent).toBe(false);
    expect((await second)?.code).toBe('outcome-unknown');
    expect([refused.sent.length, reset.sent.length]).toEqual([1, 1]);
  });

  it('never shows the token, even when Facebook repeats it', async () => {
    const refusal = graphError(400, { code: 100, message: `Bad ${token}` });
    const error = await outcomeOf(facebook(refusal).publisher.commit(page, text, null, context()));
    expect(error.message).toBe('Facebook post creation: Facebook answered 100: Bad [redacted]');
  });
});

describe('confirm', () => {
  const story = { post_id: '99', media_id: 'p1', url: 'https://facebook.com/stories/99' };
  const listStories = read(
    '/1045/stories?fields=post_id,status,creation_time,media_type,media_id,url&limit=100',
  );

  it('reads the address of a post', async () => {
    const permalink = 'https://www.facebook.com/1045/posts/7';
    const adapter = facebook(ok({ id: '1045_7', permalink_url: permalink }));
    const confirmed = await adapter.publisher.confirm(page, '1045_7', context());
    expect(confirmed).toEqual({ publicId: '1045_7', permalink });
    expect(adapter.sent).toEqual([read('/1045_7?fields=id,permalink_url')]);
    const bare = await outcomeOf(facebook(ok({ id: '1045_7' })).publisher.confirm(page, '1045_7', context()));
    expect(bare.message).toBe('Facebook post: no permalink_url in the answer');
  });

  it('waits until a video is shown, and puts the host before its address', async () => {
    const adapter = facebook(videoState('processing'), videoState('ready', published));
    const confirmed = await adapter.publisher.confirm(page, 'v1', context());
    expect(confirmed).toEqual({ publicId: 'v1', permalink: 'https://www.facebook.com/reel/v1/' });
    expect(adapter.sent).toEqual([readVideo('v1'), readVideo('v1')]);
  });

  it('says when a video that was taken cannot be shown', async () => {
    const adapter = facebook(videoState('error', { error: 'Not a video' }));
    const error = await outcomeOf(adapter.publisher.confirm(page, 'v1', context()));
    expect([error.code, error.message]).toEqual(['rejected', 'Facebook video v1 is error: Not a video']);
    expect(adapter.sent).toHaveLength(1);
  });

  it('finds a story among the stories, and waits for one that is not listed yet', async () => {
    const adapter = facebook(gone, listed({ ...story, post_id: '98' }, story));
    const confirmed = await adapter.publisher.confirm(page, '99', context());
    expect(confirmed).toEqual({ publicId: '99', permalink: story.url });
    expect(adapter.sent).toEqual([readVideo('99'), listStories]);
    const odd = facebook(ok({ id: '99', status: 'PUBLISHED' }), listed(story));
    expect(await odd.publisher.confirm(page, '99', context())).toEqual(confirmed);
    const late = await outcomeOf(facebook(gone, listed()).publisher.confirm(page, '99', context()));
    expect([late.code, late.details.retryAfterMs]).toEqual(['unavailable', 10_000]);
  });
});

describe('find', () => {
  const window = {
    sentAfter: new Date('2026-11-21T09:59:50Z'),
    sentBefore: new Date('2026-11-21T10:00:10Z'),
  };
  const since = Date.parse('2026-11-21T09:58:50Z') / 1_000;
  const permalink = 'https://www.facebook.com/1045/posts/7';
  const ours = {
    ...{ id: '1045_7', message: 'Hello #world', created_time: '2026-11-21T10:00:02+0000' },
    ...{ permalink_url: permalink, application: { id: 'app', name: 'Gatepost' } },
  };
  const link = { attachments: { data: [{ type: 'share', url: 'https://shop.example/new' }] } };
  const photoOf = (...ids: string[]) => ({
    attachments: {
      data:
        ids.length === 1
          ? [{ type: 'photo', target: { id: ids[0] } }]
          : [
              {
                type: 'album',
                target: { id: 'album' },
                subattachments: { data: ids.map((id) => ({ type: 'photo', target: { id } })) },
              },
            ],
    },
  });
  const found = { kind: 'found', receipt: { publicId: '1045_7', permalink } };
  const absent = { kind: 'absent', proof: 'read' };
  const find = (query: Omit<FindQuery, keyof typeof window>, ...answers: Parameters<typeof scripted>) => {
    const adapter = facebook(...answers);
    const result = adapter.finder.find(page, { ...query, ...window }, context());
    return { result, sent: adapter.sent };
  };

  describe('a text', () => {
    const query = { content: text, handle: null };
    const application = ok({ id: 'app' });

    it('by its words, its time and the application that made it', async () => {
      const others = [
        { ...ours, id: '1045_1', message: 'Hello' },
        { ...ours, id: '1045_2', created_time: '2026-11-21T09:50:00+0000' },
        { ...ours, id: '1045_3', application: { id: 'suite' } },
        { ...ours, id: '1045_4', ...photoOf('p9') },
      ];
      const { result, sent } = find(query, listed(...others, { ...ours, ...link }), application);
      expect(await result).toEqual(found);
      expect(sent).toEqual([
        read(
          `/1045/published_posts?fields=id,message,created_time,permalink_url,application,attachments&since=${since}&limit=100`,
        ),
        read('/app?fields=id'),
      ]);
    });

    it('is absent when nothing fits, and then asks nothing more', async () => {
      const { result, sent } = find(query, listed({ ...ours, message: 'Else' }));
      expect(await result).toEqual(absent);
      expect(sent).toHaveLength(1);
    });

    it('is absent when only another application wrote the same', async () => {
      const { result } = find(query, listed({ ...ours, application: { id: 'suite' } }), application);
      expect(await result).toEqual(absent);
    });

    it('cannot tell who made a post that does not say so, nor between two that fit', async () => {
      const { application: _, ...unsigned } = ours;
      expect(await find(query, listed(unsigned), application).result).toEqual({
        kind: 'cannot-tell',
        reason: '1045_7 has the same text and does not say who made it',
      });
      expect(await find(query, listed(ours, { ...ours, id: '1045_8' }), application).result).toEqual({
        kind: 'cannot-tell',
        reason: '2 listed posts fit text and time',
      });
    });

    it('does not take a list that is full for absence', async () => {
      const many = Array.from({ length: 100 }, (_, index) => ({ ...ours, id: `1_${index}`, message: 'x' }));
      expect(await find(query, listed(...many)).result).toMatchObject({ kind: 'cannot-tell' });
    });

    it('does not take an unreadable answer for absence', async () => {
      for (const answer of [ok({}), listed({ id: '1045_7' }), listed({ created_time: ours.created_time })])
        expect((await outcomeOf(find(query, answer).result)).code).toBe('unexpected-response');
    });
  });

  describe('pictures', () => {
    it('by their ids alone, one or several', async () => {
      const single = { content: one, handle: handleOf({ photoIds: ['p1'] }) };
      const changed = { ...ours, message: 'Changed since' };
      expect(await find(single, listed({ ...changed, ...photoOf('p1') })).result).toEqual(found);
      const several = { content: two, handle: handleOf({ photoIds: ['p1', 'p2'] }) };
      expect(await find(several, listed({ ...changed, ...photoOf('p1', 'p2') })).result).toEqual(found);
      expect(await find(several, listed({ ...ours, ...photoOf('p1', 'p3') })).result).toEqual(absent);
    });

    it('cannot tell from a post of the same words whose pictures cannot be read, nor without their ids', async () => {
      const query = { content: one, handle: handleOf({ photoIds: ['p1'] }) };
      expect(await find(query, listed({ ...ours, message: 'Hello' })).result).toEqual({
        kind: 'cannot-tell',
        reason: '1045_7 has the same text and no pictures that could be read',
      });
      const { result, sent } = find({ content: one, handle: null });
      expect(await result).toEqual({ kind: 'cannot-tell', reason: 'the uploaded pictures are not known' });
      expect(sent).toEqual([]);
    });
  });

  describe.each([
    ['a video', film(), handleOf({ videoId: 'v1', sessionId: 's1' })],
    ['a reel', reel(), handleOf({ videoId: 'v1' })],
  ])('%s', (_what, post, handle) => {
    it.each([
      [
        'published',
        videoState('ready', published),
        { kind: 'found', receipt: { publicId: 'v1', permalink: 'https://www.facebook.com/reel/v1/' } },
      ],
      ['waiting for its last phase', videoState('upload_complete'), absent],
      ['processed and a draft', videoState('ready', { publishing: { publish_status: 'draft' } }), absent],
      [
        'being processed',
        videoState('processing'),
        { kind: 'pending', reason: 'Facebook is processing video v1', retryAfterMs: 10_000 },
      ],
      [
        'being published',
        videoState('ready', { publishing: { status: 'in_progress' } }),
        { kind: 'pending', reason: 'Facebook is processing video v1', retryAfterMs: 10_000 },
      ],
      ['expired', videoState('expired'), { kind: 'absent', proof: 'single-use-handle', handleIsDead: true }],
    ])('that is %s', async (_state, state, expected) => {
      const { result, sent } = find({ content: post, handle }, state);
      expect(await result).toEqual(expected);
      expect(sent).toEqual([readVideo('v1')]);
    });

    it('that was refused after it had been taken', async () => {
      const refused = [
        videoState('error', { error: 'Copyright' }),
        videoState('ready', { publishing: { status: 'error' } }),
      ];
      for (const state of refused) {
        const result = await find({ content: post, handle }, state).result;
        expect(result).toMatchObject({ kind: 'refused', error: { code: 'rejected' } });
      }
    });

    it('that nobody knows, or whose state is a new word', async () => {
      expect(await find({ content: post, handle: null }).result).toEqual({
        kind: 'cannot-tell',
        reason: 'no video is known',
      });
      const odd = find({ content: post, handle }, videoState('dancing'));
      expect((await outcomeOf(odd.result)).message).toBe('Facebook video status: unknown status "dancing"');
    });
  });

  describe('a story', () => {
    const ofPicture = { content: photoStory, handle: handleOf({ photoIds: ['p1'] }) };
    const ofVideo = { content: videoStory, handle: handleOf({ videoId: 'v1' }) };
    const story = { post_id: '99', media_id: 'p1', url: 'https://facebook.com/stories/99' };

    it('by the picture or video it shows', async () => {
      const receipt = { publicId: '99', permalink: story.url };
      expect(await find(ofPicture, listed(story)).result).toEqual({ kind: 'found', receipt });
      expect(await find(ofVideo, listed({ ...story, media_id: 'v1' })).result).toEqual({
        kind: 'found',
        receipt,
      });
    });

    it('is absent when it is not listed, for a picture within the day that stories are listed', async () => {
      expect(await find(ofPicture, listed({ ...story, media_id: 'p2' })).result).toEqual(absent);
      const old = { ...ofPicture, ...window, sentAfter: new Date('2026-11-20T10:00:00Z') };
      expect(await facebook(listed()).finder.find(page, old, context())).toMatchObject({
        kind: 'cannot-tell',
      });
      expect(await find({ ...ofPicture, handle: null }).result).toMatchObject({ kind: 'cannot-tell' });
    });

    it('of a video goes by the video while it is not listed', async () => {
      expect(await find(ofVideo, listed(), videoState('upload_complete')).result).toEqual(absent);
      expect(await find(ofVideo, listed(), videoState('processing')).result).toMatchObject({
        kind: 'pending',
      });
      expect(await find(ofVideo, listed(), videoState('ready', published)).result).toMatchObject({
        kind: 'pending',
        reason: 'published, not listed yet',
      });
    });
  });
});

describe('a first comment', () => {
  const reply = { text: 'Link inside', parentId: '1045_7', rootId: '1045_7' };
  const window = {
    sentAfter: new Date('2026-11-21T09:59:50Z'),
    sentBefore: new Date('2026-11-21T10:00:10Z'),
  };
  const ours = {
    ...{ id: '7_8', message: 'Link inside', created_time: '2026-11-21T10:00:02+0000' },
    ...{ from: { id: '1045', name: 'Us' }, permalink_url: 'https://www.facebook.com/7?comment_id=8' },
  };
  const find = (...comments: unknown[]) =>
    facebook(listed(...comments)).replier.findReply!(page, reply, window, context());

  it('is one call below the post', async () => {
    const adapter = facebook(ok({ id: '7_8' }));
    const receipt = await adapter.replier.reply(page, reply, context());
    expect(receipt).toEqual({ publicId: '7_8', permalink: null });
    expect(adapter.sent).toEqual([write('/1045_7/comments', { message: 'Link inside' })]);
  });

  it('is found by its author, words and time', async () => {
    const adapter = facebook(listed({ ...ours, id: '7_9', from: { id: '5' } }, ours));
    const found = await adapter.replier.findReply!(page, reply, window, context());
    expect(found).toEqual({
      kind: 'found',
      receipt: { publicId: '7_8', permalink: ours.permalink_url },
    });
    expect(adapter.sent).toEqual([
      read(
        '/1045_7/comments?fields=id,message,from,created_time,permalink_url&filter=stream&order=reverse_chronological&limit=50',
      ),
    ]);
  });

  it('is absent when nothing fits; a list that is full, or an author that is not shown, proves nothing', async () => {
    expect(await find({ ...ours, message: 'Else' })).toEqual({ kind: 'absent', proof: 'read' });
    const { from: _, ...unsigned } = ours;
    expect(await find(unsigned)).toMatchObject({ kind: 'cannot-tell' });
    const many = Array.from({ length: 50 }, () => ({ ...ours, message: 'Else' }));
    expect(await find(...many)).toMatchObject({ kind: 'cannot-tell' });
    const older = { ...ours, message: 'Else', created_time: '2026-11-21T09:00:00+0000' };
    expect(await find(...many.slice(1), older)).toEqual({ kind: 'absent', proof: 'read' });
  });
});

describe('afterwards', () => {
  it('takes a post down; what is gone counts as taken down, what is refused does not', async () => {
    const adapter = facebook(success, gone, ok({ success: false }), graphError(403, { code: 200 }));
    await adapter.remover.remove(page, '1045_7', context());
    await adapter.remover.remove(page, '1045_7', context());
    expect(adapter.sent[0]).toEqual({ ...read('/1045_7'), method: 'DELETE' });
    const unclear = await outcomeOf(adapter.remover.remove(page, '1045_7', context()));
    expect(unclear.code).toBe('unexpected-response');
    const forbidden = await outcomeOf(adapter.remover.remove(page, '1045_7', context()));
    expect(forbidden.code).toBe('unauthorized');
  });

  it('changes the message of a post and the description of a video; a story has no text', async () => {
    const adapter = facebook(success, success);
    await adapter.amender.amend(page, '1045_7', content('TEXT_ONLY', 'Better'), context());
    await adapter.amender.amend(page, 'v1', content('REEL', 'Better', [video('m')]), context());
    expect(adapter.sent).toEqual([
      write('/1045_7', { message: 'Better' }),
      write('/v1', { description: 'Better' }),
    ]);
    const story = await outcomeOf(adapter.amender.amend(page, '99', photoStory, context()));
    expect([story.code, story.message]).toEqual(['rejected', 'A story on Facebook has no text']);
  });
});

describe('connecting', () => {
  const app = { clientId: '424242', clientSecret: 'app-secret' };
  const redirectUri = 'https://gatepost.example/oauth/callback/1';
  const connector = (...answers: Parameters<typeof scripted>) => {
    const { fetch, sent } = scripted(...answers);
    return { ...definition.connect!({ ...definition.live, fetch, now }), sent };
  };
  const granted = listed(
    { permission: 'pages_manage_posts', status: 'granted' },
    { permission: 'pages_show_list', status: 'granted' },
    { permission: 'pages_manage_engagement', status: 'declined' },
  );
  const managed = (id: string, extra: Record<string, unknown> = {}) => ({
    ...{ id, name: `Page ${id}`, access_token: `token-${id}`, tasks: ['CREATE_CONTENT', 'MODERATE'] },
    ...extra,
  });
  const asAccount = (id: string, extra: Record<string, unknown> = {}) => ({
    ...{ kind: 'page', externalId: id, name: `Page ${id}`, accessToken: `token-${id}`, obstacle: null },
    ...extra,
  });

  it('sends people to the dialog with the scopes of publishing and comments', () => {
    const login = connector();
    expect([login.pkce, login.renewal]).toEqual(['none', 'access-token']);
    expect(login.requiredScopes).toEqual(['pages_show_list', 'pages_read_engagement', 'pages_manage_posts']);
    expect(login.defaultScopes).toEqual([
      ...login.requiredScopes,
      'pages_manage_engagement',
      'pages_read_user_content',
    ]);
    const url = new URL(
      login.authorizeUrl({ app, redirectUri, state: 'st', scopes: ['a', 'b'], codeChallenge: null }),
    );
    expect(url.origin + url.pathname).toBe('https://www.facebook.com/v26.0/dialog/oauth');
    expect(Object.fromEntries(url.searchParams)).toEqual({
      ...{ client_id: '424242', redirect_uri: redirectUri, state: 'st' },
      ...{ response_type: 'code', scope: 'a,b' },
    });
  });

  it('exchanges a code at once for a token of two months, and reads what was granted', async () => {
    const login = connector(
      ok({ access_token: 'brief', token_type: 'bearer', expires_in: 5_000 }),
      ok({ access_token: 'long', token_type: 'bearer', expires_in: 5_183_944 }),
      granted,
    );
    const input = { app, code: 'the-code', redirectUri, codeVerifier: null };
    expect(await login.exchange(input, context())).toEqual({
      accessToken: 'long',
      refreshToken: null,
      expiresAt: new Date(now().getTime() + 5_183_944_000),
      refreshExpiresAt: null,
      scopes: ['pages_manage_posts', 'pages_show_list'],
    });
    const queries = login.sent.map(({ url }) => Object.fromEntries(new URL(url).searchParams));
    const secrets = { client_id: '424242', client_secret: 'app-secret' };
    expect(queries.slice(0, 2)).toEqual([
      { ...secrets, redirect_uri: redirectUri, code: 'the-code' },
      { ...secrets, grant_type: 'fb_exchange_token', fb_exchange_token: 'brief' },
    ]);
    expect(login.sent[2]).toMatchObject({
      url: `${graph}/me/permissions`,
      headers: { authorization: 'Bearer long' },
    });
  });

  it('never shows code, secret or token of an exchange that fails', async () => {
    const refusal = graphError(400, { code: 100, message: 'Bad the-code for app-secret' });
    const input = { app, code: 'the-code', redirectUri, codeVerifier: null };
    const error = await outcomeOf(connector(refusal).exchange(input, context()));
    expect(error.message).toBe(
      'Facebook exchange of a code: Facebook answered 100: Bad [redacted] for [redacted]',
    );
  });

  // "Error validating client secret." has the code that is an unknown error everywhere else.
  it.each([
    [400, 1, 'rejected'],
    [400, 101, 'rejected'],
    [500, 1, 'unavailable'],
    [400, 2, 'unavailable'],
    [400, 190, 'unauthorized'],
    [400, 4, 'rate-limited'],
  ])('reads %i with code %i, where tokens are asked for, as %s', async (status, code, outcome) => {
    const answer = graphError(status, { code, message: 'Error validating client secret.' });
    const input = { app, code: 'the-code', redirectUri, codeVerifier: null };
    expect((await outcomeOf(connector(answer).exchange(input, context()))).code).toBe(outcome);
    const renewed = connector(answer).refresh(app, { accessToken: 'long', refreshToken: null }, context());
    expect((await outcomeOf(renewed)).code).toBe(outcome);
  });

  it("lists a person's pages with tokens of their own and what keeps them from publishing", async () => {
    const forbidden = graphError(403, { code: 200 });
    const login = connector(
      listed(managed('1'), managed('2', { tasks: ['ANALYZE'] }), managed('3', { access_token: undefined })),
      forbidden,
    );
    expect(await login.listAccounts('long', context())).toEqual([
      asAccount('1'),
      asAccount('2', { obstacle: 'Your role on the page Page 2 does not allow publishing' }),
      asAccount('3', { accessToken: null, obstacle: 'Facebook gave no token for the page Page 3' }),
    ]);
    const [first] = login.sent;
    expect(first?.headers).toEqual({ authorization: 'Bearer long' });
    const { pathname, searchParams } = new URL(first!.url);
    expect([pathname, Object.fromEntries(searchParams)]).toEqual([
      '/v26.0/me/accounts',
      { fields: 'id,name,access_token,tasks', limit: '100' },
    ]);
  });

  it('adds the pages that businesses hold, each once', async () => {
    const login = connector(
      listed(managed('1')),
      listed({ id: 'b1' }),
      listed(managed('1'), managed('4')),
      listed(managed('5'), managed('4')),
    );
    expect(await login.listAccounts('long', context())).toEqual(['1', '4', '5'].map((id) => asAccount(id)));
    expect(login.sent.slice(1).map(({ url }) => url)).toEqual([
      `${graph}/me/businesses?fields=id&limit=100`,
      `${graph}/b1/owned_pages?fields=id,name,access_token,tasks&limit=100`,
      `${graph}/b1/client_pages?fields=id,name,access_token,tasks&limit=100`,
    ]);
  });

  it('does not answer half a list when Facebook is in trouble', async () => {
    const error = await outcomeOf(
      connector(listed(managed('1')), { status: 503 }).listAccounts('long', context()),
    );
    expect(error.code).toBe('unavailable');
  });

  it('lengthens a token while it lives and gives everything back on revocation', async () => {
    const login = connector(ok({ access_token: 'longer', expires_in: 5_183_944 }), granted, success);
    const renewed = await login.refresh(app, { accessToken: 'long', refreshToken: null }, context());
    expect(renewed.accessToken).toBe('longer');
    await login.revoke!(app, { accessToken: 'longer', refreshToken: null }, context());
    expect(login.sent[2]).toMatchObject({
      ...{ method: 'DELETE', url: `${graph}/me/permissions`, headers: { authorization: 'Bearer longer' } },
    });
    const dead = connector(graphError(400, { code: 190, error_subcode: 463 }));
    const error = await outcomeOf(dead.refresh(app, { accessToken: 'old', refreshToken: null }, context()));
    expect(error.code).toBe('unauthorized');
  });
});
