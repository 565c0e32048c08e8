import { createHash } from 'node:crypto';
import type { AdapterOptions } from '../../../adapters/platforms/definition.ts';
import { createPlatformFetch } from '../../../adapters/platforms/platform-fetch.ts';
import type { FindQuery, MediaAccess, PreparedHandle } from '../../../adapters/platforms/publisher.ts';
import { sandboxEndpoints } from '../../../adapters/platforms/registry.ts';
import { createTikTok, tiktok as definition } from '../../../adapters/platforms/tiktok.ts';
import { parseEnvelope } from '../../../adapters/platforms/tiktok-api.ts';
import { connectTikTok } from '../../../adapters/platforms/tiktok-login.ts';
import { chunksOf } from '../../../adapters/platforms/tiktok-upload.ts';
import { meaningOfFailedCommit } from '../../../domain/outcome.ts';
import { startSandbox } from '../../../sandbox/server.ts';
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

// Answers follow https://developers.tiktok.com/doc/content-posting-api-reference-direct-post,
// .../content-posting-api-media-transfer-guide, .../content-posting-api-reference-get-video-status and
// https://developers.tiktok.com/docs/en/content-posting-api-reference-photo-post (read 2026-11-21).

const now = () => new Date('2026-11-21T10:00:00Z');
const options: Omit<AdapterOptions, 'fetch'> = {
  ...definition.live,
  now,
  timings: { pollIntervalMs: 0, commitTimeoutMs: 5_000 },
};
const tiktok = (...answers: Parameters<typeof scripted>) => {
  const { fetch, sent } = scripted(...answers);
  return { ...createTikTok({ ...options, fetch }).creator, sent };
};
const creator = account({ platform: 'tiktok', kind: 'creator', externalId: 'open-1' });
const apiHeaders = { authorization: `Bearer ${token}`, 'content-type': 'application/json; charset=UTF-8' };
const api = (path: string, body?: unknown) => ({
  method: 'POST',
  url: `https://open.tiktokapis.com${path}`,
  headers: apiHeaders,
  body,
});

const ok = (data: Record<string, unknown>): Answer => ({
  status: 200,
  body: { data, error: { code: 'ok', message: '', log_id: 'L1' } },
});
const refusal = (status: number, code: string): Answer => ({
  status,
  body: { data: {}, error: { code, message: 'Why', log_id: 'L1' } },
});
const creatorInfo = ok({
  creator_username: 'ada.codes',
  privacy_level_options: ['PUBLIC_TO_EVERYONE', 'SELF_ONLY'],
  max_video_post_duration_sec: 300,
});
const publishId = 'v_pub_file~v2-1.123456789';
const uploadUrl = 'https://open-upload.tiktokapis.com/video/?upload_id=67890&upload_token=Xza123';
const started = ok({ publish_id: publishId, upload_url: uploadUrl });
const status = (name: string, fields: Record<string, unknown> = {}): Answer =>
  ok({ status: name, ...fields });
const complete = status('PUBLISH_COMPLETE', { publicaly_available_post_id: [] });
const handle: PreparedHandle = {
  ids: { publishId },
  secret: uploadUrl,
  expiresAt: '2026-11-21T10:55:00.000Z',
};
const publicly = { options: { privacyLevel: 'PUBLIC_TO_EVERYONE' } };
const film = (sizeBytes = 3) => content('VIDEO', 'Watch #this', [video('v', sizeBytes)], publicly);
const photos = content('CAROUSEL', 'Three steps to #coffee', [picture('a'), picture('b')], {
  title: 'Coffee',
  options: { ...publicly.options, coverIndex: 1, aiGenerated: true },
});
/** With the size of bytes in their place. */
const counted = (request: Sent) => ({
  ...request,
  body: request.body instanceof Uint8Array ? request.body.length : request.body,
});
const mebibytes = (count: number) => count * 1_048_576;

describe('chunks', () => {
  it.each([
    [1, 1, 1, 1],
    [4_999_999, 4_999_999, 1, 4_999_999],
    [mebibytes(10) - 1, mebibytes(10) - 1, 1, mebibytes(10) - 1],
    [mebibytes(12), mebibytes(6), 2, mebibytes(6)],
    [50_000_123, 5_555_569, 9, 5_555_571],
    [4_000_000_000, 5_249_343, 762, 5_249_977],
  ])('of %i bytes are of %i, in number %i, the last of %i', (size, chunkSize, count, last) => {
    const cut = chunksOf(size);
    expect([cut.chunkSize, cut.chunks.length]).toEqual([chunkSize, count]);
    expect(cut.chunks.at(-1)!.end - cut.chunks.at(-1)!.start).toBe(last);
    expect(cut.chunks.map(({ start }) => start)).toEqual(cut.chunks.map((_, index) => index * chunkSize));
    // As TikTok counts.
    expect(Math.floor(size / chunkSize)).toBe(count);
  });
});

describe('prepare', () => {
  it('asks what the creator may do and begins a small video, without a byte of it', async () => {
    const adapter = tiktok(creatorInfo, started);
    const told = context();
    const chosen = {
      disableDuet: true,
      coverTimestampMs: 1_000,
      brandOrganic: true,
      aiGenerated: true,
      privacyLevel: 'SELF_ONLY',
    };
    const post = content('REEL', 'Watch #this', [video('v', 3)], { options: chosen });
    expect(await adapter.preparer.prepare(creator, post, media, told)).toEqual(handle);
    expect(adapter.sent).toEqual([
      api('/v2/post/publish/creator_info/query/'),
      api('/v2/post/publish/video/init/', {
        post_info: {
          title: 'Watch #this',
          privacy_level: 'SELF_ONLY',
          disable_comment: false,
          disable_duet: true,
          disable_stitch: false,
          brand_content_toggle: false,
          brand_organic_toggle: true,
          is_aigc: true,
          video_cover_timestamp_ms: 1_000,
        },
        source_info: { source: 'FILE_UPLOAD', video_size: 3, chunk_size: 3, total_chunk_count: 1 },
      }),
    ]);
    expect(told.kept).toEqual([{ publishId, uploadUrl, expiresAtMs: Date.parse(handle.expiresAt!) }]);
  });

  it('uploads all chunks of a large video but the last, without the token, and keeps the session first', async () => {
    const size = mebibytes(16) + 2;
    const adapter = tiktok(creatorInfo, started, { status: 206 }, { status: 206 });
    const told = context();
    await adapter.preparer.prepare(creator, film(size), media, told);
    expect(adapter.sent[1]!.body).toMatchObject({
      source_info: { video_size: size, chunk_size: 5_592_406, total_chunk_count: 3 },
    });
    expect(adapter.sent.slice(2).map(counted)).toEqual(
      [0, 1].map((index) => ({
        method: 'PUT',
        url: uploadUrl,
        headers: {
          'content-type': 'video/mp4',
          'content-length': '5592406',
          'content-range': `bytes ${index * 5_592_406}-${(index + 1) * 5_592_406 - 1}/${size}`,
        },
        body: 5_592_406,
      })),
    );
    expect(told.kept).toHaveLength(1);
    expect(told.told).toEqual([
      'Asking TikTok what the creator may do',
      'Uploading video v to TikTok: 0 %',
      'Uploading video v to TikTok: 33 %',
    ]);
  });

  it('goes on after a crash where TikTok says', async () => {
    const size = mebibytes(16) + 2;
    const kept = { publishId, uploadUrl, expiresAtMs: Date.parse(handle.expiresAt!) };
    const half = status('PROCESSING_UPLOAD', { uploaded_bytes: 5_592_406 });
    const adapter = tiktok(creatorInfo, half, { status: 206 });
    expect(await adapter.preparer.prepare(creator, film(size), media, context(kept))).toEqual(handle);
    expect(adapter.sent[1]).toEqual(api('/v2/post/publish/status/fetch/', { publish_id: publishId }));
    expect(adapter.sent[2]!.headers['content-range']).toBe(`bytes 5592406-11184811/${size}`);
    expect(adapter.sent).toHaveLength(3);
  });

  it('uploads nothing more to a session that was ended by a commit nobody remembers', async () => {
    const kept = { publishId, uploadUrl, expiresAtMs: Date.parse(handle.expiresAt!) };
    const adapter = tiktok(creatorInfo, complete);
    expect(await adapter.preparer.prepare(creator, film(mebibytes(16)), media, context(kept))).toEqual(
      handle,
    );
    expect(adapter.sent).toHaveLength(2);
  });

  it.each([
    ['that is over', { expiresAtMs: now().getTime() }, []],
    ['that failed', {}, [status('FAILED', { fail_reason: 'internal' })]],
    ['that TikTok does not know', {}, [refusal(400, 'invalid_publish_id')]],
  ])('begins anew instead of going on with a session %s', async (_what, fields, answers) => {
    const kept = { publishId: 'old', uploadUrl, expiresAtMs: Date.parse(handle.expiresAt!), ...fields };
    const adapter = tiktok(creatorInfo, ...answers, started);
    expect(await adapter.preparer.prepare(creator, film(), media, context(kept))).toEqual(handle);
  });

  it.each([403, 404, 416])('forgets a session whose address answers %i', async (code) => {
    const adapter = tiktok(creatorInfo, started, { status: code });
    const told = context();
    const error = await outcomeOf(adapter.preparer.prepare(creator, film(mebibytes(12)), media, told));
    expect([error.code, error.details.sent]).toEqual(['unavailable', false]);
    expect(told.kept.at(-1)).toEqual({});
  });

  it('keeps the session when a chunk meets a fault that passes', async () => {
    const adapter = tiktok(creatorInfo, started, { status: 503 });
    const told = context();
    const error = await outcomeOf(adapter.preparer.prepare(creator, film(mebibytes(12)), media, told));
    expect(error.code).toBe('unavailable');
    expect(told.kept).toHaveLength(1);
  });

  it('begins no post of pictures, because to begin it is to publish it', async () => {
    const adapter = tiktok(creatorInfo);
    expect(await adapter.preparer.prepare(creator, photos, media, context())).toEqual({
      ids: {},
      expiresAt: '2026-11-21T10:55:00.000Z',
    });
    expect(adapter.sent).toHaveLength(1);
  });

  it.each([
    [
      'a privacy the creator does not have',
      content('VIDEO', 'x', [video('v')], { options: { privacyLevel: 'FOLLOWER_OF_CREATOR' } }),
      'TikTok lets @ada.codes choose PUBLIC_TO_EVERYONE, SELF_ONLY, not FOLLOWER_OF_CREATOR',
    ],
    [
      'no privacy',
      content('VIDEO', 'x', [video('v')]),
      'TikTok lets @ada.codes choose PUBLIC_TO_EVERYONE, SELF_ONLY, not nothing',
    ],
    [
      'a video too long for the creator',
      content('VIDEO', 'x', [{ ...video('v'), durationSeconds: 301 }], publicly),
      'TikTok lets @ada.codes post videos of 300 s at most, not 301 s',
    ],
    [
      'a cover that is not there',
      content('SINGLE_IMAGE', 'x', [picture('a')], { options: { ...publicly.options, coverIndex: 1 } }),
      'coverIndex is 1, and there are 1 pictures',
    ],
  ])('refuses %s', async (_what, post, message) => {
    const adapter = tiktok(creatorInfo);
    const error = await outcomeOf(adapter.preparer.prepare(creator, post, media, context()));
    expect([error.code, error.message]).toEqual(['rejected', message]);
    expect(adapter.sent).toHaveLength(1);
  });

  it.each([
    [content('TEXT_ONLY', 'x'), 'TikTok posts of type TEXT_ONLY are not supported'],
    [content('CAROUSEL', 'x', [picture('a')]), 'TikTok CAROUSEL cannot carry 1 pieces of media'],
  ])('refuses what TikTok has no posts for, before anything is sent', async (post, message) => {
    const adapter = tiktok();
    const error = await outcomeOf(adapter.preparer.prepare(creator, post, media, context()));
    expect([error.code, error.message]).toEqual(['rejected', message]);
  });

  it('does not trust an upload address elsewhere, already before it is used', async () => {
    const adapter = tiktok(creatorInfo, ok({ publish_id: 'p', upload_url: 'https://evil.example/u' }));
    const told = context();
    const error = await outcomeOf(adapter.preparer.prepare(creator, film(), media, told));
    expect(error.message).toBe(
      'TikTok video upload start: https://evil.example is not a host of this adapter',
    );
    expect(told.kept).toEqual([]);
  });

  // These come with HTTP 200 from creator_info, on purpose, and with 403 elsewhere.
  it.each(['spam_risk_too_many_posts', 'reached_active_user_cap'])(
    'comes back hours later for %s',
    async (code) => {
      for (const answers of [[refusal(200, code)], [creatorInfo, refusal(403, code)]]) {
        const adapter = tiktok(...answers);
        const error = await outcomeOf(adapter.preparer.prepare(creator, film(), media, context()));
        expect([error.code, error.details.retryAfterMs]).toEqual(['rate-limited', 4 * 3_600_000]);
      }
    },
  );
});

describe('commit of a video', () => {
  const commit = (...answers: Parameters<typeof scripted>) => {
    const adapter = tiktok(...answers);
    return { adapter, result: adapter.publisher.commit(creator, film(), handle, context()) };
  };

  it('sends the last chunk and asks until TikTok has published it', async () => {
    const size = mebibytes(12) + 1;
    const adapter = tiktok({ status: 201 }, status('PROCESSING_UPLOAD', { uploaded_bytes: size }), complete);
    const receipt = await adapter.publisher.commit(creator, film(size), handle, context());
    expect(receipt).toEqual({ publicId: publishId, permalink: null });
    const asked = api('/v2/post/publish/status/fetch/', { publish_id: publishId });
    expect(adapter.sent.map(counted)).toEqual([
      {
        method: 'PUT',
        url: uploadUrl,
        headers: {
          'content-type': 'video/mp4',
          'content-length': '6291457',
          'content-range': `bytes 6291456-12582912/${size}`,
        },
        body: 6_291_457,
      },
      asked,
      asked,
    ]);
  });

  // https://developers.tiktok.com/doc/content-posting-api-reference-get-video-status (read 2026-11-21)
  it.each([
    ['file_format_check_failed', 'rejected', undefined],
    ['duration_check_failed', 'rejected', undefined],
    ['frame_rate_check_failed', 'rejected', undefined],
    ['picture_size_check_failed', 'rejected', undefined],
    ['spam_risk_user_banned_from_posting', 'rejected', undefined],
    ['spam_risk_text', 'rejected', undefined],
    ['spam_risk', 'rejected', undefined],
    ['publish_cancelled', 'rejected', undefined],
    ['auth_removed', 'unauthorized', undefined],
    ['spam_risk_too_many_posts', 'rate-limited', 4 * 3_600_000],
    ['internal', 'unavailable', undefined],
    ['video_pull_failed', 'unavailable', undefined],
  ])('reads FAILED for %s as %s', async (reason, code, retryAfterMs) => {
    const error = await outcomeOf(commit({ status: 201 }, status('FAILED', { fail_reason: reason })).result);
    expect([error.code, error.details.retryAfterMs]).toEqual([code, retryAfterMs]);
    expect(error.details).toMatchObject({ platformCode: reason, handleIsDead: true });
    expect(meaningOfFailedCommit(error.code, error.details)).toBe(
      code === 'rejected' ? 'refused' : 'not-sent',
    );
  });

  it.each([
    ['the status cannot be read', { status: 500, body: '' }],
    ['the status is throttled', refusal(429, 'rate_limit_exceeded')],
    ['the token is dead by then', refusal(401, 'access_token_invalid')],
    ['the status is refused', refusal(400, 'invalid_publish_id')],
    ['the connection cannot be made', fetchFailure('ECONNREFUSED')],
    ['it lies in the inbox', status('SEND_TO_USER_INBOX')],
  ])('does not know the outcome when %s after the last chunk', async (_what, answer) => {
    const error = await outcomeOf(commit({ status: 201 }, answer).result);
    expect(error.code).toBe('outcome-unknown');
    expect(meaningOfFailedCommit(error.code, error.details)).toBe('unknown');
  });

  it('stops asking within its time, and knows then that it does not know', async () => {
    const underWay = status('PROCESSING_UPLOAD', { uploaded_bytes: 3 });
    const { fetch, sent } = scripted({ status: 201 }, underWay, underWay);
    const timings = { pollIntervalMs: 60_000, commitTimeoutMs: 40 };
    const { publisher } = createTikTok({ ...options, fetch, timings }).creator;
    const error = await outcomeOf(publisher.commit(creator, film(), handle, context()));
    expect(error.code).toBe('outcome-unknown');
    expect(error.message).toBe(`TikTok has taken ${publishId} and not published it yet (PROCESSING_UPLOAD)`);
    expect(sent).toHaveLength(3);
  });

  it('does not read a wait that was cut off as "not sent"', async () => {
    const stop = new AbortController();
    const progress = () => stop.abort();
    const adapter = tiktok({ status: 201 }, status('PROCESSING_UPLOAD', { uploaded_bytes: 3 }));
    const error = await outcomeOf(
      adapter.publisher.commit(creator, film(), handle, { ...context(), signal: stop.signal, progress }),
    );
    expect(meaningOfFailedCommit(error.code, error.details)).toBe('unknown');
  });

  it.each([403, 404, 416])('asks what a refusal with %i means: the rest is missing', async (code) => {
    const { result } = commit({ status: code }, status('PROCESSING_UPLOAD', { uploaded_bytes: 0 }));
    const error = await outcomeOf(result);
    expect(error.code).toBe('unavailable');
    expect(error.details).toEqual({ status: code, sent: false, handleIsDead: true });
  });

  it.each([403, 404, 416])('asks what a refusal with %i means: it is out already', async (code) => {
    const { result } = commit({ status: code }, complete);
    expect(await result).toEqual({ publicId: publishId, permalink: null });
  });

  it('is refused where TikTok cannot read the headers', async () => {
    const { result } = commit({ status: 400 }, status('PROCESSING_UPLOAD', { uploaded_bytes: 0 }));
    expect((await outcomeOf(result)).code).toBe('rejected');
  });

  it.each([
    ['no connection', fetchFailure('ECONNREFUSED'), 'not-sent'],
    ['a reset', fetchFailure('ECONNRESET'), 'unknown'],
    ['500', { status: 500 }, 'unknown'],
    ['429', { status: 429 }, 'not-sent'],
    ['206', { status: 206 }, 'unknown'],
  ])('reads %s to the last chunk as it must', async (_what, answer, meaning) => {
    const { adapter, result } = commit(answer);
    const error = await outcomeOf(result);
    expect(meaningOfFailedCommit(error.code, error.details)).toBe(meaning);
    expect(adapter.sent).toHaveLength(1);
  });

  it('sends nothing without a session, and nothing when the video cannot be read', async () => {
    const adapter = tiktok();
    for (const missing of [null, { ...handle, secret: undefined }]) {
      const error = await outcomeOf(adapter.publisher.commit(creator, film(), missing, context()));
      expect(error.details).toEqual({ sent: false, handleIsDead: true });
    }
    const range = async () => Promise.reject(new Error('storage is away'));
    const broken = { ...context(), media: { ...media, range } };
    const error = await outcomeOf(adapter.publisher.commit(creator, film(), handle, broken));
    expect([error.message, error.details.sent]).toEqual(['Video v cannot be read: storage is away', false]);
    const short = { ...context(), media: { ...media, range: async () => new Uint8Array(2) } };
    const cut = await outcomeOf(adapter.publisher.commit(creator, film(), handle, short));
    expect(cut.message).toBe('Video v cannot be read: 1 bytes are missing');
    expect(adapter.sent).toEqual([]);
  });

  it('never shows the address of the session nor its token', async () => {
    const body = `No task for ${uploadUrl} with Xza123 of ${token}`;
    const { result } = commit({ status: 400, body }, status('PROCESSING_UPLOAD', { uploaded_bytes: 0 }));
    const { message } = await outcomeOf(result);
    for (const secret of [uploadUrl, 'Xza123', token]) expect(message).not.toContain(secret);
  });
});

describe('commit of pictures', () => {
  const photoId = 'p_pub_url~v2.123456789';
  const commit = (...answers: Parameters<typeof scripted>) => {
    const adapter = tiktok(...answers);
    const prepared = { ids: {}, expiresAt: null };
    return { adapter, result: adapter.publisher.commit(creator, photos, prepared, context()) };
  };

  it('is one call that names their addresses', async () => {
    media.askedFrom.length = 0;
    const { adapter, result } = commit(ok({ publish_id: photoId }), status('PROCESSING_DOWNLOAD'), complete);
    expect(await result).toEqual({ publicId: photoId, permalink: null });
    // TikTok has verified our domain, not the store's.
    expect(media.askedFrom).toEqual(['interface', 'interface']);
    expect(adapter.sent[0]).toEqual(
      api('/v2/post/publish/content/init/', {
        media_type: 'PHOTO',
        post_mode: 'DIRECT_POST',
        post_info: {
          title: 'Coffee',
          description: 'Three steps to #coffee',
          privacy_level: 'PUBLIC_TO_EVERYONE',
          disable_comment: false,
          auto_add_music: false,
          brand_content_toggle: false,
          brand_organic_toggle: false,
        },
        source_info: {
          source: 'PULL_FROM_URL',
          photo_cover_index: 1,
          photo_images: ['a', 'b'].map((id) => `https://media.example/${id}.jpg?X-Amz-Signature=abc123`),
        },
        is_aigc: true,
      }),
    );
  });

  // https://developers.tiktok.com/docs/en/content-posting-api-reference-photo-post (read 2026-11-21)
  it.each([
    [400, 'invalid_param', 'rejected', 'refused'],
    [403, 'spam_risk_user_banned_from_posting', 'rejected', 'refused'],
    [403, 'unaudited_client_can_only_post_to_private_accounts', 'rejected', 'refused'],
    [403, 'url_ownership_unverified', 'rejected', 'refused'],
    [403, 'privacy_level_option_mismatch', 'rejected', 'refused'],
    [403, 'spam_risk_too_many_posts', 'rate-limited', 'not-sent'],
    [403, 'spam_risk_too_many_pending_share', 'rate-limited', 'not-sent'],
    [403, 'reached_active_user_cap', 'rate-limited', 'not-sent'],
    [401, 'access_token_invalid', 'unauthorized', 'not-sent'],
    [401, 'scope_not_authorized', 'unauthorized', 'not-sent'],
    [429, 'rate_limit_exceeded', 'rate-limited', 'not-sent'],
    [500, 'internal_error', 'unavailable', 'unknown'],
    [200, 'internal_error', 'unavailable', 'unknown'],
  ])('reads %i %s as %s: %s', async (httpStatus, platformCode, code, meaning) => {
    const error = await outcomeOf(commit(refusal(httpStatus, platformCode)).result);
    expect(error.code).toBe(code);
    expect(error.details).toMatchObject({ status: httpStatus, platformCode });
    expect(meaningOfFailedCommit(error.code, error.details)).toBe(meaning);
    if (code === 'rate-limited') expect(error.details.retryAfterMs).toBeGreaterThanOrEqual(60_000);
  });

  it.each([
    ['a reset', fetchFailure('ECONNRESET')],
    ['a page', { status: 502, body: '<html>' }],
    ['no envelope', { status: 200, body: {} }],
    ['no publish_id', ok({})],
  ])('does not know the outcome after %s', async (_what, answer) => {
    const error = await outcomeOf(commit(answer).result);
    expect(meaningOfFailedCommit(error.code, error.details)).toBe('unknown');
  });

  it('never shows the addresses of the pictures', async () => {
    const [address] = ['https://media.example/a.jpg?X-Amz-Signature=abc123'];
    const body = { error: { code: 'url_ownership_unverified', message: `Not yours: ${address} ${token}` } };
    const { message } = await outcomeOf(commit({ status: 403, body }).result);
    expect(message).toBe(
      'TikTok photo post: TikTok answered url_ownership_unverified: Not yours: [redacted] [redacted]',
    );
  });
});

describe('confirm', () => {
  const id = '7563456789012345678';
  // A number of 64 bits, as TikTok writes it: JSON.parse would make another post of it.
  const named = {
    status: 200,
    body: `{"data":{"status":"PUBLISH_COMPLETE","publicaly_available_post_id":[${id}]},"error":{"code":"ok"}}`,
  };

  it.each([
    [publishId, 'video'],
    ['p_pub_url~v2.123456789', 'photo'],
  ])('reads the final id and builds the address for %s', async (task, page) => {
    const adapter = tiktok(named, creatorInfo);
    expect(await adapter.publisher.confirm(creator, task, context())).toEqual({
      publicId: id,
      permalink: `https://www.tiktok.com/@ada.codes/${page}/${id}`,
    });
    expect(adapter.sent).toEqual([
      api('/v2/post/publish/status/fetch/', { publish_id: task }),
      api('/v2/post/publish/creator_info/query/'),
    ]);
  });

  it('asks for the address alone when the id is final', async () => {
    const adapter = tiktok(creatorInfo);
    const receipt = await adapter.publisher.confirm(creator, id, context());
    expect(receipt).toEqual({ publicId: id, permalink: `https://www.tiktok.com/@ada.codes/video/${id}` });
  });

  it('comes back while the post is in moderation', async () => {
    const error = await outcomeOf(tiktok(complete).publisher.confirm(creator, publishId, context()));
    expect([error.code, error.details.retryAfterMs]).toEqual(['unavailable', 20_000]);
  });

  it('knows the id without the address of a creator who has reached a cap', async () => {
    const adapter = tiktok(named, refusal(200, 'spam_risk_too_many_posts'));
    expect(await adapter.publisher.confirm(creator, publishId, context())).toEqual({
      publicId: id,
      permalink: null,
    });
  });

  it('keeps numbers in texts as they are', () => {
    const text = '{"error":{"message":"id: 7563456789012345678, \\"75634567890123456789\\"","code":12.5}}';
    expect(parseEnvelope(text)).toEqual({
      error: { message: 'id: 7563456789012345678, "75634567890123456789"', code: 12.5 },
    });
  });
});

describe('find', () => {
  const at = Date.parse('2026-11-21T09:59:30Z');
  const query = (fields: Partial<FindQuery> = {}): FindQuery => ({
    content: film(3),
    handle,
    sentAfter: new Date(at),
    sentBefore: new Date(at + 5_000),
    ...fields,
  });
  const find = (search: FindQuery, ...answers: Parameters<typeof scripted>) => {
    const adapter = tiktok(...answers);
    return { adapter, result: adapter.finder.find(creator, search, context()) };
  };

  it.each([
    ['PUBLISH_COMPLETE', {}, { kind: 'found', receipt: { publicId: publishId, permalink: null } }],
    ['PROCESSING_UPLOAD', { uploaded_bytes: 3 }, { kind: 'pending', retryAfterMs: 10_000 }],
    ['PROCESSING_DOWNLOAD', {}, { kind: 'pending' }],
    [
      'PROCESSING_UPLOAD',
      { uploaded_bytes: 2 },
      { kind: 'absent', proof: 'single-use-handle', handleIsDead: false },
    ],
    ['PROCESSING_UPLOAD', {}, { kind: 'absent', proof: 'single-use-handle', handleIsDead: false }],
    ['FAILED', { fail_reason: 'spam_risk' }, { kind: 'refused', error: { code: 'rejected' } }],
    [
      'FAILED',
      { fail_reason: 'internal' },
      { kind: 'absent', proof: 'single-use-handle', handleIsDead: true },
    ],
    ['SEND_TO_USER_INBOX', {}, { kind: 'cannot-tell' }],
  ])('goes by the status of a video: %s %j', async (name, fields, expected) => {
    const { adapter, result } = find(query(), status(name, fields));
    expect(await result).toMatchObject(expected);
    expect(adapter.sent).toEqual([api('/v2/post/publish/status/fetch/', { publish_id: publishId })]);
  });

  it('drops a session that is over, and does not where TikTok may have all of it', async () => {
    const late = query({ handle: { ...handle, expiresAt: '2026-11-21T10:00:00.000Z' } });
    const some = status('PROCESSING_UPLOAD', { uploaded_bytes: 2 });
    expect(await find(late, some).result).toEqual({
      kind: 'absent',
      proof: 'single-use-handle',
      handleIsDead: true,
    });
    expect(await find(late, status('PROCESSING_UPLOAD')).result).toMatchObject({ kind: 'cannot-tell' });
  });

  it('cannot tell without a session', async () => {
    expect(await find(query({ handle: null })).result).toEqual({
      kind: 'cannot-tell',
      reason: 'no upload is known',
    });
  });

  const listed = (fields: Record<string, unknown> = {}) => ({
    id: '7563456789012345678',
    create_time: at / 1_000,
    video_description: 'Three steps to #coffee',
    share_url: 'https://www.tiktok.com/@ada.codes/photo/7563456789012345678?utm_source=x',
    ...fields,
  });
  const ofPhotos = query({ content: photos, handle: { ids: {}, expiresAt: null } });
  const list = (...videos: unknown[]) => ok({ videos, cursor: 0, has_more: false });

  it('looks for pictures among the public posts around the time', async () => {
    const { adapter, result } = find(ofPhotos, list(listed()));
    expect(await result).toEqual({
      kind: 'found',
      receipt: {
        publicId: '7563456789012345678',
        permalink: 'https://www.tiktok.com/@ada.codes/photo/7563456789012345678',
      },
    });
    expect(adapter.sent).toEqual([
      api('/v2/video/list/?fields=id,create_time,video_description,share_url', {
        max_count: 20,
        cursor: at + 65_000,
      }),
    ]);
  });

  it('knows a text that is listed cut, or after its title', async () => {
    const text = 'Long '.repeat(60).trim();
    const long = { ...ofPhotos, content: { ...photos, text } };
    expect(await find(long, list(listed({ video_description: text.slice(0, 150) }))).result).toMatchObject({
      kind: 'found',
    });
    const titled = listed({ video_description: 'Coffee\nThree steps to #coffee' });
    expect(await find(ofPhotos, list(titled)).result).toMatchObject({ kind: 'found' });
  });

  it.each([
    ['nothing', []],
    ['another text', [listed({ video_description: 'Three' })]],
    ['no text', [listed({ video_description: '' })]],
    ['the same text at another time', [listed({ create_time: at / 1_000 - 3_600 })]],
    ['the same text twice', [listed(), listed({ id: '2' })]],
  ])('cannot tell of pictures where %s is listed', async (_what, videos) => {
    expect(await find(ofPhotos, list(...videos)).result).toMatchObject({ kind: 'cannot-tell' });
  });

  it('does not take an unreadable answer for none', async () => {
    for (const answer of [ok({}), list({ id: 7 }), status('DANCING')]) {
      const search = answer.body && JSON.stringify(answer.body).includes('DANCING') ? query() : ofPhotos;
      expect((await outcomeOf(find(search, answer).result)).code).toBe('unexpected-response');
    }
  });
});

// https://developers.tiktok.com/docs/en/oauth-user-access-token-management (read 2026-11-21)
describe('connecting', () => {
  const app = { clientId: 'key-1', clientSecret: 'app-secret' };
  const connector = (...answers: Parameters<typeof scripted>) => {
    const { fetch, sent } = scripted(...answers);
    return { ...connectTikTok({ ...options, fetch }), sent };
  };
  const granted = {
    access_token: 'act.new',
    expires_in: 7_200,
    refresh_token: 'rft.new',
    refresh_expires_in: 15_552_000,
    open_id: 'open-1',
    scope: 'user.info.basic,video.publish',
    token_type: 'Bearer',
  };
  const tokens = {
    accessToken: 'act.new',
    refreshToken: 'rft.new',
    expiresAt: new Date('2026-11-21T12:00:00Z'),
    refreshExpiresAt: new Date('2027-05-20T10:00:00Z'),
    scopes: ['user.info.basic', 'video.publish'],
  };
  const form = (path: string, body: string) => ({
    method: 'POST',
    url: `https://open.tiktokapis.com${path}`,
    headers: { 'content-type': 'application/x-www-form-urlencoded', 'cache-control': 'no-cache' },
    body,
  });

  it('sends the browser to TikTok, scopes with commas and the challenge beside them', () => {
    const { authorizeUrl, pkce, defaultScopes } = connector();
    const input = { app, redirectUri: 'https://x.example/cb', state: 's', scopes: defaultScopes };
    expect(pkce).toBe('S256-hex');
    expect(authorizeUrl({ ...input, codeChallenge: 'abc' })).toBe(
      'https://www.tiktok.com/v2/auth/authorize/?client_key=key-1&response_type=code' +
        '&scope=user.info.basic%2Cvideo.publish%2Cvideo.list&redirect_uri=https%3A%2F%2Fx.example%2Fcb&state=s' +
        '&code_challenge=abc&code_challenge_method=S256',
    );
    expect(authorizeUrl({ ...input, codeChallenge: null })).not.toContain('code_challenge');
  });

  it('exchanges a code, and refreshes into a new pair', async () => {
    const { exchange, refresh, sent } = connector(
      ...[
        { status: 200, body: granted },
        { status: 200, body: granted },
      ],
    );
    const input = { app, code: 'c*1', redirectUri: 'https://x.example/cb', codeVerifier: 'v' };
    expect(await exchange(input, context())).toEqual(tokens);
    expect(await refresh(app, { accessToken: 'act.old', refreshToken: 'rft.old' }, context())).toEqual(
      tokens,
    );
    const credentials = 'client_key=key-1&client_secret=app-secret';
    expect(sent).toEqual([
      form(
        '/v2/oauth/token/',
        `${credentials}&code=c*1&grant_type=authorization_code&redirect_uri=https%3A%2F%2Fx.example%2Fcb&code_verifier=v`,
      ),
      form('/v2/oauth/token/', `${credentials}&grant_type=refresh_token&refresh_token=rft.old`),
    ]);
  });

  it('gives a token back', async () => {
    const { revoke, sent } = connector({ status: 200, body: {} });
    await revoke!(app, { accessToken: 'act.old', refreshToken: null }, context());
    const body = 'client_key=key-1&client_secret=app-secret&token=act.old';
    expect(sent).toEqual([form('/v2/oauth/revoke/', body)]);
  });

  it('lists the one account', async () => {
    const { listAccounts, sent } = connector(ok({ user: { open_id: 'open-1', display_name: 'Ada' } }));
    expect(await listAccounts(token, context())).toEqual([
      { kind: 'creator', externalId: 'open-1', name: 'Ada', accessToken: null, obstacle: null },
    ]);
    expect(sent[0]).toMatchObject({
      method: 'GET',
      url: 'https://open.tiktokapis.com/v2/user/info/?fields=open_id,display_name',
    });
  });

  // https://developers.tiktok.com/doc/oauth-error-handling (read 2026-11-21)
  it.each([
    [400, { error: 'invalid_grant' }, 'unauthorized'],
    [200, { error: 'invalid_grant' }, 'unauthorized'],
    [401, { error: 'invalid_client' }, 'rejected'],
    [400, { error: 'invalid_request' }, 'rejected'],
    [503, { error: 'temporarily_unavailable' }, 'unavailable'],
    [500, 'oops', 'unavailable'],
    [429, {}, 'rate-limited'],
    [200, {}, 'unexpected-response'],
    [200, 'half', 'unexpected-response'],
  ])('reads %i %j to a refresh as %s', async (httpStatus, body, code) => {
    const { refresh } = connector({ status: httpStatus, body });
    const pair = { accessToken: 'act.old', refreshToken: 'rft.old' };
    expect((await outcomeOf(refresh(app, pair, context()))).code).toBe(code);
  });

  it('does not call a lost answer a dead grant, and asks nothing without a refresh token', async () => {
    const { refresh, sent } = connector(fetchFailure('ECONNRESET'));
    const pair = { accessToken: 'act.old', refreshToken: 'rft.old' };
    expect((await outcomeOf(refresh(app, pair, context()))).code).toBe('outcome-unknown');
    const none = await outcomeOf(refresh(app, { ...pair, refreshToken: null }, context()));
    expect(none.code).toBe('unauthorized');
    expect(sent).toHaveLength(1);
  });

  it('never shows secrets', async () => {
    const body = { error: 'invalid_grant', error_description: 'rft.old of app-secret is dead' };
    for (const httpStatus of [200, 400]) {
      const { refresh } = connector({ status: httpStatus, body });
      const pair = { accessToken: 'act.old', refreshToken: 'rft.old' };
      const { message } = await outcomeOf(refresh(app, pair, context()));
      expect(message).toContain('[redacted] of [redacted] is dead');
    }
  });
});

describe('a video of several chunks at a server that counts them', () => {
  it('arrives whole after a crash in the middle, and is posted once', async () => {
    const bytes = Buffer.alloc(mebibytes(17) + 5, 7);
    bytes.write('\0\0\0\x18ftypisom', 'latin1');
    const sandbox = await startSandbox({ port: 0 });
    try {
      const control = (path: string, body: unknown) =>
        fetch(`${sandbox.url}/_control/${path}`, { method: 'POST', body: JSON.stringify(body) });
      await control('accounts', {
        platform: 'tiktok',
        kind: 'creator',
        externalId: 'open-1',
        name: 'Ada',
        token,
      });
      await control('faults', { operation: 'tiktok.upload.put', kind: 'accept-then-reset', after: 1 });
      const endpoints = sandboxEndpoints(sandbox.url).tiktok;
      const timings = { pollIntervalMs: 20 };
      const adapter = createTikTok({ ...endpoints, fetch: createPlatformFetch(), timings }).creator;
      const range: MediaAccess['range'] = async (_item, start, end) => bytes.subarray(start, end);
      const post = film(bytes.length);
      const first = { ...context(), media: { ...media, range } };
      const cut = await outcomeOf(adapter.preparer.prepare(creator, post, first.media, first));
      expect(cut.code).toBe('outcome-unknown');
      const again = context(first.kept.at(-1) as Record<string, string>);
      const prepared = await adapter.preparer.prepare(creator, post, first.media, again);
      // The second chunk had arrived: only the last one is left, and nothing is sent again.
      expect(again.told).toEqual(['Asking TikTok what the creator may do']);
      const { publicId } = await adapter.publisher.commit(creator, post, prepared, first);
      const repeated = await adapter.publisher.commit(creator, post, prepared, first);
      expect(repeated.publicId).toBe(publicId);
      const { entries } = (await (await fetch(`${sandbox.url}/_control/ledger`)).json()) as {
        entries: { media: { sha256: string }[] }[];
      };
      expect(entries).toHaveLength(1);
      expect(entries[0]!.media[0]!.sha256).toBe(createHash('sha256').update(bytes).digest('hex'));
    } finally {
      await sandbox.stop();
    }
  });
});
