import { OutcomeError } from '../../domain/outcome.ts';
import { comparable } from './comparable.ts';
import type { AdapterOptions, PlatformDefinition } from './definition.ts';
import { path } from './http.ts';
import type {
  Account,
  Amender,
  CallContext,
  ConfirmContext,
  Finder,
  FindQuery,
  FindResult,
  MediaItem,
  PreparedHandle,
  Preparer,
  PublicContent,
  Publisher,
  Receipt,
  Remover,
  Replier,
  Reply,
} from './publisher.ts';
import { assertSupported, refused } from './supported.ts';
import { callJson, callPlain, itemsOf, objectAt, openApi, textAt, type YouTubeApi } from './youtube-api.ts';
import { createYouTubeConnector } from './youtube-connector.ts';
import {
  askSession,
  mostInCommitBytes,
  openSession,
  sendBytes,
  type UploadedVideo,
  type UploadSession,
  uploadAllButLast,
} from './youtube-upload.ts';

// Endpoints

// https://developers.google.com/youtube/v3/docs (read 2026-11-21)
export const youtube: PlatformDefinition = {
  live: {
    hosts: {
      api: 'https://www.googleapis.com',
      upload: 'https://www.googleapis.com',
      oauth: 'https://accounts.google.com',
      token: 'https://oauth2.googleapis.com',
    },
    version: 'v3',
    // The interface's other name, which newer descriptions of it use.
    uploadOrigins: ['https://youtube.googleapis.com'],
    permalinkBaseUrl: 'https://www.youtube.com',
  },
  versionPattern: /^v\d+$/,
  create: createYouTube,
  connect: createYouTubeConnector,
};

// Limits

/** YouTube does not say how long a session lives, others say a week; abandoned ones cost uploads of the day. */
const sessionLifeMs = 24 * 3_600_000;
const thumbnailTimeoutMs = 20_000;
/** In one commit: after the last piece YouTube may ask for bytes it did not keep. */
const commitRounds = 3;
const finishingRetryMs = 5_000;
const listedVideos = 50;
const listedComments = 100;
/** Our clock and YouTube's may differ by this much. */
const clockSkewMs = 60_000;
/** The sum over a video's tags; a tag with a space counts two more (unverified), the commas between them count, too. */
// https://developers.google.com/youtube/v3/docs/videos#snippet.tags[] (read 2026-11-21)
const mostTagCharacters = 500;
/** "People & Blogs". */
const defaultCategory = '22';

/** One adapter for channels; a Google account may have several, each connected by itself. */
export function createYouTube(options: AdapterOptions) {
  const api = openApi(options);
  return {
    channel: {
      publisher: createPublisher(api),
      preparer: createPreparer(api),
      finder: createFinder(api),
      replier: createReplier(api),
      remover: createRemover(api),
      amender: createAmender(api),
    },
  };
}

// Methods

function createPublisher(api: YouTubeApi): Publisher {
  return {
    platform: 'youtube',
    kinds: ['channel'],
    commitTimeoutMs: api.timings.commitTimeoutMs,
    // The last piece of the upload. A session makes one video: finishing it again answers with the same one.
    commit: async (account, content, handle, context) => {
      const item = videoOf(content);
      const session = sessionOf(handle);
      const call = { api, account, session, item, context };
      let start = session.receivedBytes;
      for (let round = 0; round < commitRounds; round += 1) {
        const end = item.sizeBytes;
        const state = await sendBytes(call, context.media, start, end, api.timings.commitTimeoutMs);
        if (state.kind === 'complete') return receiptOf(api, content, state.video);
        if (state.kind === 'gone') {
          // So it may speak of a video that an earlier attempt has finished: looked up before anything is concluded.
          const message = 'YouTube has forgotten the upload';
          throw new OutcomeError('unavailable', message, { sent: true, status: 404 });
        }
        if (state.receivedBytes >= end) {
          throw new OutcomeError(
            'outcome-unknown',
            'YouTube has all of the video and has not answered with it',
          );
        }
        start = state.receivedBytes;
        if (end - start > mostInCommitBytes) break;
      }
      const message = `YouTube lacks the video from byte ${start} on`;
      throw new OutcomeError('unavailable', message, { sent: false, handleIsDead: true });
    },
    confirm: async (account, publicId, context) => {
      const [item] = context.content?.media ?? [];
      if (item?.cover) await setCover(api, account, publicId, item.cover, context);
      return { publicId, permalink: permalinkOf(api, publicId) };
    },
  };
}

function createPreparer(api: YouTubeApi): Preparer {
  return {
    prepare: async (account, content, media, context) => {
      assertUploadable(content);
      const item = videoOf(content);
      const open = () =>
        openSession(api, account, item, context, {
          resource: mapVideo(content),
          query: `part=snippet,status&notifySubscribers=${content.options?.notifySubscribers !== false}`,
        });
      const { session, receivedBytes } = await uploadAllButLast(api, account, item, media, context, open);
      return {
        ids: { receivedBytes: String(receivedBytes), openedAt: session.openedAt },
        secret: session.address,
        expiresAt: new Date(Date.parse(session.openedAt) + sessionLifeMs).toISOString(),
      };
    },
  };
}

/** The video is public already: a cover that is not taken changes nothing about that, and nothing is uploaded anew. */
// https://developers.google.com/youtube/v3/docs/thumbnails/set (read 2026-11-21)
async function setCover(
  api: YouTubeApi,
  account: Account,
  videoId: string,
  cover: NonNullable<MediaItem['cover']>,
  context: ConfirmContext,
): Promise<void> {
  try {
    const bytes = await context.media?.bytes(cover);
    if (!bytes) return;
    await api.http.send({
      method: 'POST',
      url: `${api.uploadBaseUrl}/thumbnails/set?uploadType=media&videoId=${encodeURIComponent(videoId)}`,
      headers: { Authorization: `Bearer ${account.accessToken}`, 'Content-Type': cover.contentType },
      body: bytes,
      what: 'YouTube cover',
      timeoutMs: thumbnailTimeoutMs,
      signal: context.signal,
      secrets: [account.accessToken],
    });
  } catch (error) {
    // E.g. a channel whose telephone number is not verified may set none.
    context.progress(
      `The video stands without its cover: ${error instanceof Error ? error.message : 'failed'}`,
    );
  }
}

function createFinder(api: YouTubeApi): Finder {
  return {
    settleMs: api.timings.settleMs,
    find: async (account, query, context) => {
      const address = query.handle?.secret;
      if (!address) return findInUploads(api, account, query, context);
      const item = videoOf(query.content);
      const state = await askSession({ api, account, session: { address }, item, context });
      switch (state.kind) {
        case 'complete':
          return mapFound(api, query.content, state.video);
        case 'open':
          if (state.receivedBytes < item.sizeBytes) return { kind: 'absent', proof: 'single-use-handle' };
          return {
            kind: 'pending',
            reason: 'YouTube has all of the video and has not made it a video yet',
            retryAfterMs: finishingRetryMs,
          };
        case 'gone':
          return findInUploads(api, account, query, context);
      }
    },
  };
}

/** A session that is gone says nothing; the channel's own list of uploads does, if late. */
async function findInUploads(
  api: YouTubeApi,
  account: Account,
  query: FindQuery,
  context: CallContext,
): Promise<FindResult> {
  const playlistId = await readUploadsPlaylist(api, account, context);
  const what = 'YouTube list of uploads';
  const body = await callJson(api, account.accessToken, context, {
    method: 'GET',
    path: `/playlistItems?part=snippet,contentDetails,status&playlistId=${encodeURIComponent(playlistId)}&maxResults=${listedVideos}`,
    what,
  });
  const listed = itemsOf(body, what).map(parseListedVideo);
  const from = startOfWindow(query);
  const matches = listed.filter((video) => isSameVideo(video, query, from));
  const [only] = matches;
  if (only && matches.length === 1) {
    const { id, privacyStatus } = only;
    return mapFound(api, query.content, { id, privacyStatus, uploadStatus: null, reason: null });
  }
  if (only) {
    return { kind: 'cannot-tell', reason: `${matches.length} videos have this title and description` };
  }
  if (listed.length === listedVideos && listed.every(({ publishedAt }) => publishedAt >= from)) {
    return { kind: 'cannot-tell', reason: `the window lies behind the ${listedVideos} newest videos` };
  }
  return { kind: 'absent', proof: 'read', handleIsDead: true };
}

async function readUploadsPlaylist(api: YouTubeApi, account: Account, context: CallContext): Promise<string> {
  const what = 'YouTube channel';
  const body = await callJson(api, account.accessToken, context, {
    method: 'GET',
    path: `/channels?part=contentDetails&id=${encodeURIComponent(account.externalId)}`,
    what,
  });
  const [channel] = itemsOf(body, what);
  const playlistId = textAt(objectAt(objectAt(channel, 'contentDetails'), 'relatedPlaylists'), 'uploads');
  if (playlistId) return playlistId;
  throw new OutcomeError('unexpected-response', `${what}: no list of uploads of ${account.externalId}`);
}

/** A first comment. YouTube has no threads. */
// https://developers.google.com/youtube/v3/docs/commentThreads/insert (read 2026-11-21)
function createReplier(api: YouTubeApi): Replier {
  const receipt = (videoId: string, commentId: string): Receipt => ({
    publicId: commentId,
    permalink: `${permalinkOf(api, videoId)}&lc=${encodeURIComponent(commentId)}`,
  });
  return {
    reply: async (account, reply, context) => {
      assertTopLevel(reply);
      const snippet = {
        channelId: account.externalId,
        videoId: reply.rootId,
        topLevelComment: { snippet: { textOriginal: reply.text } },
      };
      const what = 'YouTube comment';
      const body = await callJson(api, account.accessToken, context, {
        method: 'POST',
        path: '/commentThreads?part=snippet',
        body: { snippet },
        what,
        timeoutMs: api.timings.commitTimeoutMs,
      });
      const id = textAt(body, 'id');
      if (!id) throw new OutcomeError('unexpected-response', `${what}: no id in the answer`);
      return receipt(reply.rootId, id);
    },
    findReply: async (account, reply, window, context) => {
      assertTopLevel(reply);
      const what = 'YouTube list of comments';
      const body = await callJson(api, account.accessToken, context, {
        method: 'GET',
        path: `/commentThreads?part=snippet&videoId=${encodeURIComponent(reply.rootId)}&order=time&maxResults=${listedComments}&textFormat=plainText`,
        what,
      });
      const listed = itemsOf(body, what).map(parseListedComment);
      const from = window.sentAfter.getTime() - clockSkewMs;
      const to = window.sentBefore.getTime() + clockSkewMs;
      const found = listed.find(
        ({ authorId, text, publishedAt }) =>
          authorId === account.externalId &&
          comparable(text) === comparable(reply.text) &&
          publishedAt >= from &&
          publishedAt <= to,
      );
      if (found) return { kind: 'found', receipt: receipt(reply.rootId, found.id) };
      if (listed.length === listedComments && listed.every(({ publishedAt }) => publishedAt >= from)) {
        return {
          kind: 'cannot-tell',
          reason: `the window lies behind the ${listedComments} newest comments`,
        };
      }
      return { kind: 'absent', proof: 'read' };
    },
  };
}

// https://developers.google.com/youtube/v3/docs/videos/delete (read 2026-11-21)
function createRemover(api: YouTubeApi): Remover {
  return {
    remove: async (account, publicId, context) => {
      try {
        await callPlain(api, account.accessToken, context, {
          method: 'DELETE',
          path: path`/videos?id=${publicId}`,
          what: 'YouTube video removal',
        });
      } catch (error) {
        if (error instanceof OutcomeError && error.details.platformCode === 'videoNotFound') return;
        throw error;
      }
    },
  };
}

/** Title, description, tags and category are one whole at YouTube: what the post leaves out is taken off the video. */
// https://developers.google.com/youtube/v3/docs/videos/update (read 2026-11-21)
function createAmender(api: YouTubeApi): Amender {
  return {
    changesTitle: true,
    refuses: () => null,
    amend: async (account, publicId, content, context) => {
      assertUploadable(content);
      await callJson(api, account.accessToken, context, {
        method: 'PUT',
        path: '/videos?part=snippet',
        body: { id: publicId, snippet: mapSnippet(content) },
        what: 'YouTube video update',
      });
    },
  };
}

// Pure mappers

const permalinkOf = (api: YouTubeApi, videoId: string): string =>
  `${api.permalinkBaseUrl}/watch?v=${encodeURIComponent(videoId)}`;

/** Checked before anything is asked for: a refused upload counts like one that is made. */
function assertUploadable(content: PublicContent): void {
  assertSupported('youtube', content);
  videoOf(content);
  if (!content.title?.trim()) throw refused('A video on YouTube needs a title');
  const characters = countTagCharacters(tagsOf(content));
  if (characters > mostTagCharacters) {
    throw refused(`The tags take ${characters} characters, YouTube allows ${mostTagCharacters}`);
  }
}

function videoOf({ type, media }: PublicContent): MediaItem {
  const [item] = media;
  if (item && media.length === 1 && item.sizeBytes > 0) return item;
  throw refused(`YouTube ${type} takes one video, not ${media.length} pieces of media`);
}

function tagsOf({ options }: PublicContent): readonly string[] {
  const tags = options?.tags;
  return Array.isArray(tags) ? tags : [];
}

const countTagCharacters = (tags: readonly string[]): number =>
  tags.reduce((sum, tag) => sum + tag.length + (tag.includes(' ') ? 2 : 0), Math.max(0, tags.length - 1));

const mapSnippet = (content: PublicContent): Record<string, unknown> => ({
  title: content.title ?? '',
  description: content.text,
  tags: tagsOf(content),
  categoryId: typeof content.options?.category === 'string' ? content.options.category : defaultCategory,
});

const mapVideo = (content: PublicContent): Record<string, unknown> => ({
  snippet: mapSnippet(content),
  status: {
    privacyStatus: privacyOf(content),
    selfDeclaredMadeForKids: content.options?.madeForKids === true,
    containsSyntheticMedia: content.options?.containsSyntheticMedia === true,
  },
});

const privacyOf = ({ options }: PublicContent): string =>
  typeof options?.privacy === 'string' ? options.privacy : 'public';

/** The session of a handle, and how much of the video it has. */
function sessionOf(handle: PreparedHandle | null): UploadSession & { receivedBytes: number } {
  const receivedBytes = Number(handle?.ids.receivedBytes ?? Number.NaN);
  const openedAt = handle?.ids.openedAt;
  if (!handle?.secret || !Number.isSafeInteger(receivedBytes) || typeof openedAt !== 'string') {
    const message = 'YouTube upload: no upload was prepared';
    throw new OutcomeError('unavailable', message, { sent: false, handleIsDead: true });
  }
  return { address: handle.secret, openedAt, receivedBytes };
}

/** A cover is set by `confirm`, which is asked for where the address is still open. */
function receiptOf(api: YouTubeApi, content: PublicContent, video: UploadedVideo): Receipt {
  const refusal = refusalOf(content, video);
  if (refusal) throw refusal;
  const hasCover = content.media.some(({ cover }) => cover !== undefined);
  return { publicId: video.id, permalink: hasCover ? null : permalinkOf(api, video.id) };
}

function mapFound(api: YouTubeApi, content: PublicContent, video: UploadedVideo): FindResult {
  const error = refusalOf(content, video);
  return error ? { kind: 'refused', error } : { kind: 'found', receipt: receiptOf(api, content, video) };
}

/** What is wrong with a video that YouTube has taken; `null` where it stands as it was meant to. */
function refusalOf(content: PublicContent, video: UploadedVideo): OutcomeError | null {
  const { id, privacyStatus, uploadStatus, reason } = video;
  if (uploadStatus === 'rejected' || uploadStatus === 'failed') {
    const platformCode = reason ?? uploadStatus;
    const message = `YouTube took video ${id} and then ${uploadStatus === 'failed' ? 'could not process' : 'refused'} it (${platformCode})`;
    return new OutcomeError('rejected', message, { platformCode });
  }
  const asked = privacyOf(content);
  if (privacyStatus === null || privacyStatus === asked) return null;
  // https://developers.google.com/youtube/v3/docs/videos/insert (read 2026-11-21)
  const why =
    privacyStatus === 'private'
      ? "YouTube locks what an application uploads to private until the application has passed YouTube's audit"
      : 'The channel or YouTube has changed it';
  const message = `Video ${id} was uploaded and is ${privacyStatus}, not ${asked}. ${why}. Take the video down at YouTube before you try again`;
  return new OutcomeError('rejected', message, { platformCode: `privacyStatus ${privacyStatus}` });
}

interface ListedVideo {
  readonly id: string;
  readonly title: string;
  readonly description: string;
  readonly publishedAt: number;
  readonly privacyStatus: string | null;
}

function parseListedVideo(item: Readonly<Record<string, unknown>>): ListedVideo {
  const snippet = objectAt(item, 'snippet');
  const id = textAt(objectAt(item, 'contentDetails'), 'videoId');
  const publishedAt = Date.parse(textAt(snippet, 'publishedAt') ?? '');
  if (!id || Number.isNaN(publishedAt)) {
    throw new OutcomeError('unexpected-response', 'YouTube list of uploads: an element has no id or no time');
  }
  return {
    id,
    publishedAt,
    title: textAt(snippet, 'title') ?? '',
    description: textAt(snippet, 'description') ?? '',
    privacyStatus: textAt(objectAt(item, 'status'), 'privacyStatus'),
  };
}

/** YouTube may date a video by the opening of its upload. */
function startOfWindow({ handle, sentAfter }: FindQuery): number {
  const openedAt = typeof handle?.ids.openedAt === 'string' ? Date.parse(handle.ids.openedAt) : Number.NaN;
  const first = Number.isNaN(openedAt) ? sentAfter.getTime() : Math.min(openedAt, sentAfter.getTime());
  return first - clockSkewMs;
}

const isSameVideo = (video: ListedVideo, { content, sentBefore }: FindQuery, from: number): boolean =>
  comparable(video.title) === comparable(content.title ?? '') &&
  comparable(video.description) === comparable(content.text) &&
  video.publishedAt >= from &&
  video.publishedAt <= sentBefore.getTime() + clockSkewMs;

interface ListedComment {
  readonly id: string;
  readonly authorId: string | null;
  readonly text: string;
  readonly publishedAt: number;
}

function parseListedComment(thread: Readonly<Record<string, unknown>>): ListedComment {
  const snippet = objectAt(objectAt(objectAt(thread, 'snippet'), 'topLevelComment'), 'snippet');
  const id = textAt(thread, 'id');
  const publishedAt = Date.parse(textAt(snippet, 'publishedAt') ?? '');
  if (!id || Number.isNaN(publishedAt)) {
    throw new OutcomeError(
      'unexpected-response',
      'YouTube list of comments: an element has no id or no time',
    );
  }
  return {
    id,
    publishedAt,
    authorId: textAt(objectAt(snippet, 'authorChannelId'), 'value'),
    // What was written is shown to its author alone.
    text: textAt(snippet, 'textOriginal') ?? textAt(snippet, 'textDisplay') ?? '',
  };
}

function assertTopLevel({ parentId, rootId }: Reply): void {
  if (parentId !== rootId) throw refused('Videos on YouTube cannot be continued as a thread');
}
