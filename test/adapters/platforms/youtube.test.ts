import type { Connector } from '../../../adapters/platforms/connector.ts';
import type { FindQuery, MediaItem, PreparedHandle } from '../../../adapters/platforms/publisher.ts';
import { createYouTube, youtube as definition } from '../../../adapters/platforms/youtube.ts';
import {
  type Answer,
  account,
  content,
  context,
  fetchFailure,
  media,
  outcomeOf,
  picture,
  scripted,
  token,
  video,
} from './support.ts';

// Answers follow https://developers.google.com/youtube/v3/guides/using_resumable_upload_protocol
// and .../docs/videos, .../docs/videos/insert, .../docs/playlistItems, .../docs/commentThreads, .../docs/errors (read 2026-11-21).

const now = () => new Date('2026-11-21T18:00:00Z');
const options = { ...definition.live, now, timings: { commitTimeoutMs: 5_000 } };
const youtube = (...answers: Parameters<typeof scripted>) => {
  const { fetch, sent } = scripted(...answers);
  return { ...createYouTube({ ...options, fetch }).channel, sent };
};
const channel = account({ platform: 'youtube', kind: 'channel', externalId: 'UCgatepost' });
const authorization = `Bearer ${token}`;
const base = 'https://www.googleapis.com/youtube/v3';
const session =
  'https://www.googleapis.com/upload/youtube/v3/videos?uploadType=resumable&upload_id=very-secret-session';
const opened: Answer = { status: 200, headers: { location: session } };
const upTo = (bytes: number): Answer => ({
  status: 308,
  headers: bytes === 0 ? {} : { range: `bytes=0-${bytes - 1}` },
});
const uploaded = (status: Record<string, unknown> = {}): Answer => ({
  status: 200,
  body: {
    kind: 'youtube#video',
    id: 'dQw4w9WgXcQ',
    status: { uploadStatus: 'uploaded', privacyStatus: 'public', ...status },
  },
});
const refusal = (status: number, reason: string, headers?: Record<string, string>): Answer => ({
  status,
  ...(headers && { headers }),
  body: { error: { code: status, message: 'Why', errors: [{ domain: 'youtube', reason, message: 'Why' }] } },
});

const grain = 262_144;
/** Two whole grains and a rest, so that one grain goes before the commit. */
const size = 600_000;
const film = (sizeBytes = size, cover?: MediaItem) =>
  content('VIDEO', 'How it was made', [video('v', sizeBytes, cover)], { title: 'A red door' });
const handle = (fields: Partial<PreparedHandle> = {}): PreparedHandle => ({
  ids: { receivedBytes: String(grain), openedAt: '2026-11-21T17:00:00.000Z' },
  secret: session,
  expiresAt: '2026-11-22T17:00:00.000Z',
  ...fields,
});
const bytes = (length: number) => new Uint8Array(length).fill(7);
const permalink = 'https://www.youtube.com/watch?v=dQw4w9WgXcQ';

/** What a piece of the upload looks like on the wire. */
const piece = (start: number, end: number, total = size) => ({
  method: 'PUT',
  url: session,
  headers: {
    authorization,
    'content-type': 'video/mp4',
    'content-range': `bytes ${start}-${end - 1}/${total}`,
    'content-length': String(end - start),
  },
  body: bytes(end - start),
});
const question = (total = size) => ({
  method: 'PUT',
  url: session,
  headers: { authorization, 'content-range': `bytes */${total}`, 'content-length': '0' },
  body: undefined,
});

describe('prepare', () => {
  it('opens a session, keeps it before the first byte and uploads all but the last piece', async () => {
    const adapter = youtube(opened, upTo(grain));
    const told = context();
    const post = {
      ...film(),
      options: {
        ...{ privacy: 'unlisted', tags: ['doors', 'red door'], category: '27', madeForKids: true },
        ...{ notifySubscribers: false, containsSyntheticMedia: true },
      },
    };
    const keptBefore: number[] = [];
    const keep = told.upload.keep;
    const upload = {
      kept: null,
      keep: async (progress: Parameters<typeof keep>[0]) => {
        keptBefore.push(adapter.sent.length);
        await keep(progress);
      },
    };
    const prepared = await adapter.preparer.prepare(channel, post, media, { ...told, upload });
    expect(prepared).toEqual({
      ids: { receivedBytes: '262144', openedAt: '2026-11-21T18:00:00.000Z' },
      secret: session,
      expiresAt: '2026-11-22T18:00:00.000Z',
    });
    expect(adapter.sent).toEqual([
      {
        method: 'POST',
        url: 'https://www.googleapis.com/upload/youtube/v3/videos?uploadType=resumable&part=snippet,status&notifySubscribers=false',
        headers: {
          authorization,
          'content-type': 'application/json; charset=UTF-8',
          'x-upload-content-type': 'video/mp4',
          'x-upload-content-length': '600000',
        },
        body: {
          snippet: {
            title: 'A red door',
            description: 'How it was made',
            tags: ['doors', 'red door'],
            categoryId: '27',
          },
          status: {
            privacyStatus: 'unlisted',
            selfDeclaredMadeForKids: true,
            containsSyntheticMedia: true,
          },
        },
      },
      piece(0, grain),
    ]);
    expect(keptBefore).toEqual([1]);
    expect(told.kept).toEqual([
      {
        address: session,
        openedAt: '2026-11-21T18:00:00.000Z',
        sha256: '1'.repeat(64),
        sizeBytes: size,
      },
    ]);
    expect(told.told).toEqual([
      'Opening an upload for video v at YouTube',
      'Uploading video v to YouTube (0 %)',
    ]);
  });

  it('is public, for everyone but children, and tells subscribers, unless the post says otherwise', async () => {
    const adapter = youtube(opened, upTo(grain));
    await adapter.preparer.prepare(channel, film(), media, context());
    expect(adapter.sent[0]!.url).toContain('&notifySubscribers=true');
    expect(adapter.sent[0]!.body).toEqual({
      snippet: { title: 'A red door', description: 'How it was made', tags: [], categoryId: '22' },
      status: {
        privacyStatus: 'public',
        selfDeclaredMadeForKids: false,
        containsSyntheticMedia: false,
      },
    });
  });

  it('sends pieces of 8 MiB, one at a time, and leaves between 256 and 512 KiB for the commit', async () => {
    const total = 20 * 1_048_576 + 5;
    const lengths: number[] = [];
    const counted = {
      ...media,
      range: (item: MediaItem, start: number, end: number) => {
        lengths.push(end - start);
        return media.range(item, start, end);
      },
    };
    const [first, second, third] = [8 * 1_048_576, 16 * 1_048_576, total - 5 - grain];
    const adapter = youtube(opened, upTo(first), upTo(second), upTo(third));
    const told = context();
    const prepared = await adapter.preparer.prepare(channel, film(total), counted, told);
    expect(lengths).toEqual([first, second - first, third - second]);
    expect(prepared.ids.receivedBytes).toBe(String(third));
    expect(total - third).toBe(grain + 5);
    expect(adapter.sent.slice(1).map(({ headers }) => headers['content-range'])).toEqual([
      `bytes 0-${first - 1}/${total}`,
      `bytes ${first}-${second - 1}/${total}`,
      `bytes ${second}-${third - 1}/${total}`,
    ]);
    expect(told.told.slice(1)).toEqual([0, 39, 79].map((done) => `Uploading video v to YouTube (${done} %)`));
  });

  it.each([
    ['less than two pieces', grain * 2 - 1],
    ['one piece', grain],
    ['a single byte', 1],
  ])('leaves all of %s for the commit', async (_what, total) => {
    const adapter = youtube(opened);
    const prepared = await adapter.preparer.prepare(channel, film(total), media, context());
    expect(prepared.ids.receivedBytes).toBe('0');
    expect(adapter.sent).toHaveLength(1);
  });

  it('goes on from what YouTube says it has, not from what it was sent', async () => {
    const total = 5 * grain;
    const adapter = youtube(opened, upTo(grain), upTo(4 * grain));
    await adapter.preparer.prepare(channel, film(total), media, context());
    expect(adapter.sent.slice(1)).toEqual([piece(0, 4 * grain, total), piece(grain, 4 * grain, total)]);
  });

  it('gives up a piece of which nothing was kept, and one of which too much was', async () => {
    const nothing = youtube(opened, upTo(0));
    const none = await outcomeOf(nothing.preparer.prepare(channel, film(), media, context()));
    expect([none.code, none.details.sent, none.message]).toEqual([
      'unavailable',
      false,
      'YouTube kept nothing of what it was sent',
    ]);
    const much = youtube(opened, upTo(2 * grain));
    const more = await outcomeOf(much.preparer.prepare(channel, film(), media, context()));
    expect(more.code).toBe('unexpected-response');
    const early = youtube(opened, uploaded());
    const done = await outcomeOf(early.preparer.prepare(channel, film(), media, context()));
    expect(done.code).toBe('unexpected-response');
  });

  const kept = {
    address: session,
    openedAt: '2026-11-21T17:00:00.000Z',
    sha256: '1'.repeat(64),
    sizeBytes: 5 * grain,
  };

  it('asks a kept session after a crash where it goes on, and opens no other', async () => {
    const total = 5 * grain;
    const adapter = youtube(upTo(3 * grain), upTo(4 * grain));
    const told = context(kept);
    const prepared = await adapter.preparer.prepare(channel, film(total), media, told);
    expect(adapter.sent).toEqual([question(total), piece(3 * grain, 4 * grain, total)]);
    expect(prepared.ids).toEqual({ receivedBytes: String(4 * grain), openedAt: kept.openedAt });
    expect(prepared.secret).toBe(session);
    expect(told.kept).toEqual([]);
  });

  it('has nothing left to send where the crash came after the last piece before the commit', async () => {
    const adapter = youtube(upTo(4 * grain));
    const prepared = await adapter.preparer.prepare(channel, film(5 * grain), media, context(kept));
    expect(adapter.sent).toEqual([question(5 * grain)]);
    expect(prepared.ids.receivedBytes).toBe(String(4 * grain));
  });

  it('cuts pieces by what is left where YouTube kept an odd number of bytes', async () => {
    const total = 5 * grain;
    const adapter = youtube(upTo(100), upTo(100 + 3 * grain));
    await adapter.preparer.prepare(channel, film(total), media, context(kept));
    expect(adapter.sent[1]!.headers['content-range']).toBe(`bytes 100-${100 + 3 * grain - 1}/${total}`);
  });

  it.each([404, 410])('opens another session where YouTube answers %i for the kept one', async (status) => {
    const other = `${session}-2`;
    const adapter = youtube({ status }, { status: 200, headers: { location: other } }, upTo(grain));
    const told = context({ ...kept, sizeBytes: size });
    const prepared = await adapter.preparer.prepare(channel, film(), media, told);
    expect(prepared.secret).toBe(other);
    expect(told.kept).toEqual([expect.objectContaining({ address: other })]);
  });

  it('does not go on with the session of other bytes', async () => {
    for (const fields of [{ sha256: '2'.repeat(64) }, { sizeBytes: 4 }]) {
      const adapter = youtube(opened, upTo(4 * grain));
      await adapter.preparer.prepare(channel, film(5 * grain), media, context({ ...kept, ...fields }));
      expect(adapter.sent[0]!.method).toBe('POST');
    }
  });

  it('calls a kept session that has all of the video an unexpected response', async () => {
    const adapter = youtube(uploaded());
    const error = await outcomeOf(adapter.preparer.prepare(channel, film(5 * grain), media, context(kept)));
    expect([error.code, error.message]).toEqual([
      'unexpected-response',
      'YouTube has all of the video already, as dQw4w9WgXcQ',
    ]);
  });

  it('opens nothing for a post it could not publish', async () => {
    const adapter = youtube();
    const prepare = (post: Parameters<typeof adapter.preparer.prepare>[1]) =>
      outcomeOf(adapter.preparer.prepare(channel, post, media, context()));
    expect((await prepare(content('TEXT_ONLY', 'x'))).message).toBe(
      'YouTube posts of type TEXT_ONLY are not supported',
    );
    expect((await prepare({ ...film(), media: [] })).message).toBe(
      'YouTube VIDEO cannot carry 0 pieces of media',
    );
    expect((await prepare({ ...film(), title: ' ' })).message).toBe('A video on YouTube needs a title');
    const tags = Array.from({ length: 50 }, (_, index) => `tag ${index}xx`);
    expect((await prepare({ ...film(), options: { tags } })).message).toBe(
      'The tags take 539 characters, YouTube allows 500',
    );
    expect(adapter.sent).toEqual([]);
  });

  it('sends neither bytes nor token to a session elsewhere', async () => {
    const adapter = youtube({ status: 200, headers: { location: 'https://uploads.evil.example/a' } });
    const error = await outcomeOf(adapter.preparer.prepare(channel, film(), media, context()));
    expect([error.code, error.message]).toEqual([
      'unexpected-response',
      'YouTube upload: https://uploads.evil.example is not a host of this adapter, nothing was sent',
    ]);
    expect(adapter.sent).toHaveLength(1);
  });

  it('calls an opening without an address, and a range nobody can read, unexpected responses', async () => {
    const silent = youtube({ status: 200 });
    const unnamed = await outcomeOf(silent.preparer.prepare(channel, film(), media, context()));
    expect([unnamed.code, unnamed.message]).toEqual([
      'unexpected-response',
      'YouTube upload start: no address of a session in the answer',
    ]);
    const odd = youtube(opened, { status: 308, headers: { range: 'bytes=5-9' } });
    const unreadable = await outcomeOf(odd.preparer.prepare(channel, film(), media, context()));
    expect(unreadable.message).toBe('YouTube upload: unreadable range "bytes=5-9"');
  });

  it('says that a video which cannot be read here was not sent there', async () => {
    const broken = { ...media, range: async () => Promise.reject(new Error('S3 with a secret')) };
    const adapter = youtube(opened);
    const error = await outcomeOf(adapter.preparer.prepare(channel, film(), broken, context()));
    expect([error.code, error.details.sent, error.message]).toEqual([
      'unavailable',
      false,
      'Video v cannot be read (Error)',
    ]);
    const short = { ...media, range: async () => bytes(1) };
    const cut = await outcomeOf(youtube(opened).preparer.prepare(channel, film(), short, context()));
    expect(cut.message).toBe('Video v has 1 bytes where 262144 were expected');
  });
});

describe('commit', () => {
  const commit = (...answers: Parameters<typeof scripted>) => {
    const adapter = youtube(...answers);
    return { result: adapter.publisher.commit(channel, film(), handle(), context()), sent: adapter.sent };
  };

  it('sends the last piece, and nothing else', async () => {
    const { result, sent } = commit(uploaded());
    expect(await result).toEqual({ publicId: 'dQw4w9WgXcQ', permalink });
    expect(sent).toEqual([piece(grain, size)]);
  });

  it('leaves the address open where a cover is still to be set', async () => {
    const adapter = youtube(uploaded());
    const post = film(size, picture('cover'));
    const receipt = await adapter.publisher.commit(channel, post, handle(), context());
    expect(receipt).toEqual({ publicId: 'dQw4w9WgXcQ', permalink: null });
    expect(adapter.sent).toHaveLength(1);
  });

  it('sends what YouTube did not keep of the last piece', async () => {
    const { result, sent } = commit(upTo(2 * grain), uploaded());
    expect(await result).toMatchObject({ publicId: 'dQw4w9WgXcQ' });
    expect(sent).toEqual([piece(grain, size), piece(2 * grain, size)]);
  });

  it('gives up, with nothing public, where YouTube never keeps the rest or has lost too much', async () => {
    const never = await outcomeOf(commit(upTo(grain), upTo(grain), upTo(grain)).result);
    expect([never.code, never.details]).toEqual(['unavailable', { sent: false, handleIsDead: true }]);
    const total = 100 * grain;
    const adapter = youtube(upTo(0));
    const far = { ids: { receivedBytes: String(99 * grain), openedAt: handle().ids.openedAt! } };
    const lost = await outcomeOf(adapter.publisher.commit(channel, film(total), handle(far), context()));
    expect([lost.message, lost.details]).toEqual([
      'YouTube lacks the video from byte 0 on',
      { sent: false, handleIsDead: true },
    ]);
    expect(adapter.sent).toHaveLength(1);
  });

  it('does not know how it ended where all bytes are there and no video is', async () => {
    const error = await outcomeOf(commit(upTo(size)).result);
    expect(error.code).toBe('outcome-unknown');
  });

  it.each([404, 410])('looks before anything else where the session is forgotten: %i', async (status) => {
    const error = await outcomeOf(commit({ status, body: 'Not Found' }).result);
    expect([error.code, error.details]).toEqual(['unavailable', { sent: true, status: 404 }]);
  });

  it('refuses before sending where nothing was prepared or the video cannot be read', async () => {
    const adapter = youtube();
    for (const given of [null, handle({ secret: undefined }), handle({ ids: {} })]) {
      const error = await outcomeOf(adapter.publisher.commit(channel, film(), given, context()));
      expect([error.code, error.details]).toEqual(['unavailable', { sent: false, handleIsDead: true }]);
    }
    const broken = { ...media, range: async () => Promise.reject(new Error('gone')) };
    const unread = { ...context(), media: broken };
    const error = await outcomeOf(adapter.publisher.commit(channel, film(), handle(), unread));
    expect([error.code, error.details.sent]).toEqual(['unavailable', false]);
    expect(adapter.sent).toEqual([]);
  });

  it('says in words that YouTube locks the video to private', async () => {
    const error = await outcomeOf(commit(uploaded({ privacyStatus: 'private' })).result);
    expect(error.code).toBe('rejected');
    expect(error.message).toBe(
      "Video dQw4w9WgXcQ was uploaded and is private, not public. YouTube locks what an application uploads to private until the application has passed YouTube's audit. Take the video down at YouTube before you try again",
    );
  });

  it('takes private for an answer where private was asked for', async () => {
    const adapter = youtube(uploaded({ privacyStatus: 'private' }));
    const post = { ...film(), options: { privacy: 'private' } };
    expect(await adapter.publisher.commit(channel, post, handle(), context())).toMatchObject({
      publicId: 'dQw4w9WgXcQ',
    });
  });

  it('says why YouTube took a video and then refused it', async () => {
    const error = await outcomeOf(
      commit(uploaded({ uploadStatus: 'rejected', rejectionReason: 'duplicate' })).result,
    );
    expect([error.code, error.details.platformCode, error.message]).toEqual([
      'rejected',
      'duplicate',
      'YouTube took video dQw4w9WgXcQ and then refused it (duplicate)',
    ]);
  });

  it('calls an answer without an id an unexpected response', async () => {
    for (const body of [{}, '<html>', '{"id":"dQw4w9']) {
      expect((await outcomeOf(commit({ status: 200, body }).result)).code).toBe('unexpected-response');
    }
  });

  // https://developers.google.com/youtube/v3/docs/errors (read 2026-11-21)
  it.each([
    [401, 'authError', 'unauthorized', {}],
    [401, 'authorizationRequired', 'unauthorized', {}],
    [401, 'youtubeSignupRequired', 'rejected', {}],
    [403, 'authenticatedUserAccountSuspended', 'rejected', {}],
    [403, 'authenticatedUserAccountClosed', 'rejected', {}],
    [403, 'insufficientPermissions', 'unauthorized', {}],
    [403, 'forbidden', 'rejected', {}],
    [403, 'accessNotConfigured', 'rejected', {}],
    // 18:00 UTC is 10:00 in California.
    [403, 'quotaExceeded', 'rate-limited', { retryAfterMs: 14 * 3_600_000 }],
    [403, 'dailyLimitExceeded', 'rate-limited', { retryAfterMs: 14 * 3_600_000 }],
    [403, 'rateLimitExceeded', 'rate-limited', { retryAfterMs: 60_000 }],
    [403, 'userRateLimitExceeded', 'rate-limited', { retryAfterMs: 60_000 }],
    [429, 'rateLimitExceeded', 'rate-limited', { retryAfterMs: 60_000 }],
    [400, 'uploadLimitExceeded', 'rate-limited', { retryAfterMs: 24 * 3_600_000 }],
    [400, 'invalidTitle', 'rejected', {}],
    [400, 'invalidDescription', 'rejected', {}],
    [400, 'invalidTags', 'rejected', {}],
    [400, 'invalidCategoryId', 'rejected', {}],
    [400, 'invalidVideoMetadata', 'rejected', {}],
    [400, 'mediaBodyRequired', 'rejected', {}],
    [403, 'forbiddenPrivacySetting', 'rejected', {}],
    [500, 'backendError', 'unavailable', { sent: true }],
    [503, 'backendError', 'unavailable', { sent: true }],
  ])('reads %i %s as %s', async (status, reason, code, details) => {
    const error = await outcomeOf(commit(refusal(status, reason)).result);
    expect(error.code).toBe(code);
    expect(error.details).toEqual({ status, platformCode: reason, ...details });
    expect(error.message).toMatch(new RegExp(`^YouTube upload: YouTube answered ${status} ${reason}: .*Why`));
  });

  it('waits as long as it is told, and a minute where a page says 429', async () => {
    const told = await outcomeOf(commit(refusal(403, 'rateLimitExceeded', { 'retry-after': '120' })).result);
    expect(told.details.retryAfterMs).toBe(120_000);
    const page = await outcomeOf(commit({ status: 429, body: '<html>Slow down</html>' }).result);
    expect([page.code, page.details.retryAfterMs]).toEqual(['rate-limited', 60_000]);
  });

  it.each([
    ['2026-03-08T05:00:00Z', 3],
    // The night the clocks go forward has 23 hours, the one they go back 25.
    ['2026-03-08T09:00:00Z', 22],
    ['2026-11-01T08:00:00Z', 24],
  ])('waits from %s for midnight in California: %i hours', async (at, hours) => {
    const { fetch } = scripted(refusal(403, 'quotaExceeded'));
    const adapter = createYouTube({ ...options, now: () => new Date(at), fetch }).channel;
    const error = await outcomeOf(adapter.publisher.commit(channel, film(), handle(), context()));
    expect(error.details.retryAfterMs).toBe(hours * 3_600_000);
  });

  it('knows no connection from no answer', async () => {
    const refused = await outcomeOf(commit(fetchFailure('ECONNREFUSED')).result);
    expect([refused.code, refused.details.sent]).toEqual(['unavailable', false]);
    expect((await outcomeOf(commit(fetchFailure('ECONNRESET')).result)).code).toBe('outcome-unknown');
    const page = await outcomeOf(commit({ status: 502, body: '<html>Bad gateway</html>' }).result);
    expect([page.code, page.details.sent]).toEqual(['unavailable', true]);
  });

  it('shows neither token nor session, whatever YouTube repeats', async () => {
    const said = `${token} ${session} very-secret-session ${encodeURIComponent(session)}`;
    const body = { error: { message: said, errors: [{ reason: 'invalidTitle' }] } };
    for (const answer of [
      { status: 400, body },
      { status: 400, body: said },
      { status: 503, body: said },
    ]) {
      const error = await outcomeOf(commit(answer).result);
      const shown = `${error.message} ${JSON.stringify(error.details)}`;
      expect(shown).not.toContain(token);
      expect(shown).not.toContain('very-secret-session');
    }
    const thrown = await outcomeOf(commit(fetchFailure(`EHOSTUNREACH ${session}`)).result);
    expect(thrown.message).not.toContain('very-secret-session');
  });
});

describe('confirm', () => {
  it('builds the address without asking', async () => {
    const adapter = youtube();
    const asked = { ...context(), content: film() };
    expect(await adapter.publisher.confirm(channel, 'dQw4w9WgXcQ', asked)).toEqual({
      publicId: 'dQw4w9WgXcQ',
      permalink,
    });
    expect(adapter.sent).toEqual([]);
  });

  // https://developers.google.com/youtube/v3/docs/thumbnails/set (read 2026-11-21)
  it('sets the cover, which may fail without a word against the video', async () => {
    const post = film(size, picture('cover'));
    const adapter = youtube({ status: 200, body: { items: [] } }, refusal(403, 'forbidden'));
    for (const told of [context(), context()]) {
      const receipt = await adapter.publisher.confirm(channel, 'dQw4w9WgXcQ', { ...told, content: post });
      expect(receipt).toEqual({ publicId: 'dQw4w9WgXcQ', permalink });
    }
    expect(adapter.sent[0]).toEqual({
      method: 'POST',
      url: 'https://www.googleapis.com/upload/youtube/v3/thumbnails/set?uploadType=media&videoId=dQw4w9WgXcQ',
      headers: { authorization, 'content-type': 'image/jpeg' },
      body: new Uint8Array([1, 2, 3]),
    });
    expect(adapter.sent).toHaveLength(2);
  });
});

describe('find', () => {
  const query = (fields: Partial<FindQuery> = {}): FindQuery => ({
    content: film(),
    handle: handle(),
    sentAfter: new Date('2026-11-21T17:59:00Z'),
    sentBefore: new Date('2026-11-21T18:00:00Z'),
    ...fields,
  });
  const find = (search: FindQuery, ...answers: Parameters<typeof scripted>) => {
    const adapter = youtube(...answers);
    return { result: adapter.finder.find(channel, search, context()), sent: adapter.sent };
  };
  const channels = {
    status: 200,
    body: { items: [{ id: 'UCgatepost', contentDetails: { relatedPlaylists: { uploads: 'UUgatepost' } } }] },
  };
  const listed = (fields: Record<string, unknown> = {}, status = 'public', videoId = 'dQw4w9WgXcQ') => ({
    snippet: {
      title: 'A red door',
      description: 'How it was made',
      publishedAt: '2026-11-21T17:59:30Z',
      ...fields,
    },
    contentDetails: { videoId },
    status: { privacyStatus: status },
  });
  const uploads = (...items: unknown[]) => ({ status: 200, body: { items } });

  it('asks the session, which has no video yet: the same handle may be used', async () => {
    const { result, sent } = find(query(), upTo(grain));
    expect(await result).toEqual({ kind: 'absent', proof: 'single-use-handle' });
    expect(sent).toEqual([question()]);
    expect(await find(query(), upTo(0)).result).toEqual({ kind: 'absent', proof: 'single-use-handle' });
  });

  it('finds the video that the session has made', async () => {
    for (const status of [200, 201]) {
      const { result } = find(query(), { ...uploaded(), status });
      expect(await result).toEqual({ kind: 'found', receipt: { publicId: 'dQw4w9WgXcQ', permalink } });
    }
  });

  it('waits where all bytes are there and no video is', async () => {
    expect(await find(query(), upTo(size)).result).toEqual({
      kind: 'pending',
      reason: 'YouTube has all of the video and has not made it a video yet',
      retryAfterMs: 5_000,
    });
  });

  it('hands on that the video was refused or locked', async () => {
    const locked = await find(query(), uploaded({ privacyStatus: 'private' })).result;
    expect(locked).toMatchObject({
      kind: 'refused',
      error: { code: 'rejected', details: { platformCode: 'privacyStatus private' } },
    });
    const failed = await find(query(), uploaded({ uploadStatus: 'failed', failureReason: 'codec' })).result;
    expect(failed).toMatchObject({ kind: 'refused', error: { details: { platformCode: 'codec' } } });
  });

  it.each([404, 410])('looks through the uploads where the session is forgotten: %i', async (status) => {
    const others = [listed({ title: 'Another' }), listed({ description: 'Another' })];
    const { result, sent } = find(query(), { status }, channels, uploads(...others, listed()));
    expect(await result).toEqual({ kind: 'found', receipt: { publicId: 'dQw4w9WgXcQ', permalink } });
    expect(sent.slice(1)).toEqual([
      {
        method: 'GET',
        url: `${base}/channels?part=contentDetails&id=UCgatepost`,
        headers: { authorization },
        body: undefined,
      },
      {
        method: 'GET',
        url: `${base}/playlistItems?part=snippet,contentDetails,status&playlistId=UUgatepost&maxResults=50`,
        headers: { authorization },
        body: undefined,
      },
    ]);
  });

  it('asks the uploads alone where no session is known', async () => {
    const { result, sent } = find(query({ handle: null }), channels, uploads(listed()));
    expect(await result).toMatchObject({ kind: 'found' });
    expect(sent).toHaveLength(2);
  });

  it('reads no proof of the handle out of a list, only absence by a read, and drops the handle', async () => {
    const gone = { status: 404 };
    const earlier = listed({ publishedAt: '2026-11-21T16:00:00Z' });
    const later = listed({ publishedAt: '2026-11-21T18:05:00Z' });
    for (const items of [[], [earlier], [later]]) {
      expect(await find(query(), gone, channels, uploads(...items)).result).toEqual({
        kind: 'absent',
        proof: 'read',
        handleIsDead: true,
      });
    }
  });

  it('takes a video that is dated by the opening of its upload', async () => {
    const item = listed({ publishedAt: '2026-11-21T17:00:10Z' });
    expect(await find(query(), { status: 404 }, channels, uploads(item)).result).toMatchObject({
      kind: 'found',
    });
  });

  it('cannot tell two videos apart, nor see behind a full page', async () => {
    const two = uploads(listed(), listed({}, 'public', 'other'));
    expect(await find(query(), { status: 404 }, channels, two).result).toEqual({
      kind: 'cannot-tell',
      reason: '2 videos have this title and description',
    });
    const many = Array.from({ length: 50 }, () => listed({ title: 'Another' }));
    expect(await find(query(), { status: 404 }, channels, uploads(...many)).result).toEqual({
      kind: 'cannot-tell',
      reason: 'the window lies behind the 50 newest videos',
    });
  });

  it('does not take an unreadable answer for an empty one', async () => {
    for (const answers of [
      [{ status: 200, body: {} }],
      [{ status: 200, body: { items: [{}] } }],
      [channels, { status: 200, body: {} }],
      [channels, uploads({ snippet: {}, contentDetails: {} })],
    ]) {
      const error = await outcomeOf(find(query(), { status: 404 }, ...answers).result);
      expect(error.code).toBe('unexpected-response');
    }
  });
});

describe('a first comment', () => {
  const reply = { text: 'Ask <us> anything', parentId: 'dQw4w9WgXcQ', rootId: 'dQw4w9WgXcQ' };
  const window = {
    sentAfter: new Date('2026-11-21T18:00:00Z'),
    sentBefore: new Date('2026-11-21T18:00:05Z'),
  };
  const receipt = { publicId: 'Ugx1', permalink: `${permalink}&lc=Ugx1` };
  const thread = (fields: Record<string, unknown> = {}) => ({
    id: 'Ugx1',
    snippet: {
      topLevelComment: {
        snippet: {
          textOriginal: 'Ask <us> anything',
          authorChannelId: { value: 'UCgatepost' },
          publishedAt: '2026-11-21T18:00:02Z',
          ...fields,
        },
      },
    },
  });

  it('stands below the video', async () => {
    const adapter = youtube({ status: 200, body: { id: 'Ugx1' } });
    expect(await adapter.replier.reply(channel, reply, context())).toEqual(receipt);
    expect(adapter.sent).toEqual([
      {
        method: 'POST',
        url: `${base}/commentThreads?part=snippet`,
        headers: { authorization, 'content-type': 'application/json; charset=UTF-8' },
        body: {
          snippet: {
            channelId: 'UCgatepost',
            videoId: 'dQw4w9WgXcQ',
            topLevelComment: { snippet: { textOriginal: 'Ask <us> anything' } },
          },
        },
      },
    ]);
  });

  it('is found by author, text and time, and by nothing less', async () => {
    const find = async (...items: unknown[]) => {
      const adapter = youtube({ status: 200, body: { items } });
      const result = await adapter.replier.findReply!(channel, reply, window, context());
      expect(adapter.sent[0]!.url).toBe(
        `${base}/commentThreads?part=snippet&videoId=dQw4w9WgXcQ&order=time&maxResults=100&textFormat=plainText`,
      );
      return result;
    };
    expect(await find(thread({ textOriginal: 'Other' }), thread())).toEqual({ kind: 'found', receipt });
    const strangers = [
      thread({ authorChannelId: { value: 'UCother' } }),
      thread({ textOriginal: 'Other' }),
      thread({ publishedAt: '2026-11-21T17:00:00Z' }),
    ];
    expect(await find(...strangers)).toEqual({ kind: 'absent', proof: 'read' });
    const full = Array.from({ length: 100 }, () => thread({ textOriginal: 'Other' }));
    expect(await find(...full)).toMatchObject({ kind: 'cannot-tell' });
  });

  it('says that a video takes no comments, and that there are no threads', async () => {
    const adapter = youtube(refusal(403, 'commentsDisabled'));
    const disabled = await outcomeOf(adapter.replier.reply(channel, reply, context()));
    expect(disabled.code).toBe('rejected');
    expect(disabled.message).toContain('this video takes no comments; a video made for children never does');
    const part = { ...reply, parentId: 'Ugx1' };
    const refused = await outcomeOf(adapter.replier.reply(channel, part, context()));
    expect([refused.code, refused.details.sent]).toEqual(['rejected', false]);
    expect(adapter.sent).toHaveLength(1);
  });
});

describe('what stands', () => {
  it('is taken down, also twice', async () => {
    const adapter = youtube({ status: 204 }, refusal(404, 'videoNotFound'), refusal(403, 'forbidden'));
    await adapter.remover.remove(channel, 'dQw4w9WgXcQ', context());
    await adapter.remover.remove(channel, 'dQw4w9WgXcQ', context());
    expect(adapter.sent[0]).toEqual({
      method: 'DELETE',
      url: `${base}/videos?id=dQw4w9WgXcQ`,
      headers: { authorization },
      body: undefined,
    });
    const error = await outcomeOf(adapter.remover.remove(channel, 'dQw4w9WgXcQ', context()));
    expect(error.code).toBe('rejected');
  });

  it('is changed as a whole: title, description, tags and category', async () => {
    const adapter = youtube({ status: 200, body: { id: 'dQw4w9WgXcQ' } });
    const post = { ...film(), options: { tags: ['doors'], category: '27' } };
    await adapter.amender.amend(channel, 'dQw4w9WgXcQ', post, context());
    expect(adapter.sent).toEqual([
      {
        method: 'PUT',
        url: `${base}/videos?part=snippet`,
        headers: { authorization, 'content-type': 'application/json; charset=UTF-8' },
        body: {
          id: 'dQw4w9WgXcQ',
          snippet: {
            title: 'A red door',
            description: 'How it was made',
            tags: ['doors'],
            categoryId: '27',
          },
        },
      },
    ]);
  });
});

// https://developers.google.com/identity/protocols/oauth2/web-server (read 2026-11-21)
describe('connect', () => {
  const app = { clientId: 'client-1', clientSecret: 'app-secret' };
  const connect = (...answers: Parameters<typeof scripted>): { connector: Connector; sent: unknown[] } => {
    const { fetch, sent } = scripted(...answers);
    return { connector: definition.connect!({ ...options, fetch }), sent };
  };
  const form = (fields: Record<string, string>) => ({
    method: 'POST',
    url: 'https://oauth2.googleapis.com/token',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: new URLSearchParams(fields).toString(),
  });
  const exchangeInput = {
    app,
    code: '4/secret-code',
    redirectUri: 'https://gatepost.example/oauth/callback/1',
    codeVerifier: 'secret-verifier',
  };

  it('sends a browser to Google for access that lasts, with PKCE', () => {
    const { connector } = connect();
    expect([connector.pkce, connector.renewal]).toEqual(['S256', 'refresh-token']);
    const url = connector.authorizeUrl({
      app,
      redirectUri: exchangeInput.redirectUri,
      state: 'state-1',
      scopes: connector.requiredScopes,
      codeChallenge: 'challenge-1',
    });
    expect(url).toBe(
      'https://accounts.google.com/o/oauth2/v2/auth?client_id=client-1&redirect_uri=https%3A%2F%2Fgatepost.example%2Foauth%2Fcallback%2F1&response_type=code&scope=https%3A%2F%2Fwww.googleapis.com%2Fauth%2Fyoutube.upload+https%3A%2F%2Fwww.googleapis.com%2Fauth%2Fyoutube.readonly&state=state-1&access_type=offline&prompt=consent&code_challenge=challenge-1&code_challenge_method=S256',
    );
  });

  it('exchanges a code with its verifier', async () => {
    const { connector, sent } = connect({
      status: 200,
      body: {
        ...{ access_token: 'at', expires_in: 3_599, refresh_token: 'rt', token_type: 'Bearer' },
        ...{ scope: 'a b', refresh_token_expires_in: 604_799 },
      },
    });
    expect(await connector.exchange(exchangeInput, context())).toEqual({
      accessToken: 'at',
      refreshToken: 'rt',
      expiresAt: new Date('2026-11-21T18:59:59Z'),
      refreshExpiresAt: new Date('2026-11-28T17:59:59Z'),
      scopes: ['a', 'b'],
    });
    expect(sent).toEqual([
      form({
        grant_type: 'authorization_code',
        code: exchangeInput.code,
        redirect_uri: exchangeInput.redirectUri,
        code_verifier: 'secret-verifier',
        client_id: 'client-1',
        client_secret: 'app-secret',
      }),
    ]);
  });

  it('refreshes without expecting a new refresh token', async () => {
    const { connector, sent } = connect({ status: 200, body: { access_token: 'at2', expires_in: 3_600 } });
    const tokens = await connector.refresh(app, { accessToken: 'at', refreshToken: 'rt' }, context());
    expect(tokens).toEqual({
      accessToken: 'at2',
      refreshToken: null,
      expiresAt: new Date('2026-11-21T19:00:00Z'),
      refreshExpiresAt: null,
      scopes: null,
    });
    expect(sent).toEqual([
      form({
        ...{ grant_type: 'refresh_token', refresh_token: 'rt' },
        ...{ client_id: 'client-1', client_secret: 'app-secret' },
      }),
    ]);
  });

  it('knows a dead grant from everything else', async () => {
    const refreshed = (answer: Answer | Error) =>
      outcomeOf(
        connect(answer).connector.refresh(app, { accessToken: 'at', refreshToken: 'rt-secret' }, context()),
      );
    const said = (status: number, error: string) =>
      refreshed({ status, body: { error, error_description: 'Bad rt-secret and app-secret' } });
    expect((await said(400, 'invalid_grant')).code).toBe('unauthorized');
    expect((await said(401, 'invalid_client')).code).toBe('rejected');
    expect((await said(400, 'invalid_request')).code).toBe('rejected');
    expect((await said(503, 'temporarily_unavailable')).code).toBe('unavailable');
    const slow = await refreshed({ status: 429, body: 'x' });
    expect([slow.code, slow.details.retryAfterMs]).toEqual(['rate-limited', 60_000]);
    expect((await refreshed(fetchFailure('ECONNRESET'))).code).toBe('outcome-unknown');
    const bare = await refreshed({ status: 200, body: { access_token: '' } });
    expect(bare.code).toBe('unexpected-response');
    const dead = await said(400, 'invalid_grant');
    expect(dead.message).not.toMatch(/rt-secret|app-secret/);
  });

  it('has nothing to refresh without a refresh token, and asks nobody', async () => {
    const { connector, sent } = connect();
    const error = await outcomeOf(
      connector.refresh(app, { accessToken: 'at', refreshToken: null }, context()),
    );
    expect(error.code).toBe('unauthorized');
    expect(sent).toEqual([]);
  });

  it('gives the grant back, also one that is dead already', async () => {
    const { connector, sent } = connect(
      { status: 200, body: {} },
      { status: 400, body: { error: 'invalid_token' } },
      { status: 503 },
    );
    await connector.revoke!(app, { accessToken: 'at', refreshToken: 'rt' }, context());
    await connector.revoke!(app, { accessToken: 'at', refreshToken: null }, context());
    expect(sent).toEqual([
      { ...form({ token: 'rt' }), url: 'https://oauth2.googleapis.com/revoke' },
      { ...form({ token: 'at' }), url: 'https://oauth2.googleapis.com/revoke' },
    ]);
    const error = await outcomeOf(
      connector.revoke!(app, { accessToken: 'at', refreshToken: null }, context()),
    );
    expect(error.code).toBe('unavailable');
  });

  it('lists the channel of the consent, and none where the account has none', async () => {
    const found = connect({
      status: 200,
      body: { items: [{ id: 'UCgatepost', snippet: { title: 'Gatepost' } }] },
    });
    expect(await found.connector.listAccounts(token, context())).toEqual([
      { kind: 'channel', externalId: 'UCgatepost', name: 'Gatepost', accessToken: null, obstacle: null },
    ]);
    expect(found.sent).toEqual([
      {
        method: 'GET',
        url: `${base}/channels?part=snippet&mine=true&maxResults=50`,
        headers: { authorization },
        body: undefined,
      },
    ]);
    for (const answer of [{ status: 200, body: {} }, refusal(401, 'youtubeSignupRequired')]) {
      expect(await connect(answer).connector.listAccounts(token, context())).toEqual([]);
    }
    const denied = connect(refusal(401, 'authError')).connector.listAccounts(token, context());
    expect((await outcomeOf(denied)).code).toBe('unauthorized');
  });
});
