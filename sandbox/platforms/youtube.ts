import { randomBytes } from 'node:crypto';
import type { Account } from '../accounts.ts';
import { accountsOfBearer } from '../bearer.ts';
import type { SandboxContext } from '../context.ts';
import type { LedgerPost } from '../ledger.ts';
import { probeImage, type StoredMedia } from '../media.ts';
import { oauthOperations, plainErrorBody } from '../oauth-definition.ts';
import type { RunningPlatform, SandboxPlatform } from '../platform.ts';
import {
  asObject,
  type Call,
  faultRepliesOf,
  jsonReply,
  type Operation,
  Refusal,
  type Reply,
  stringAt,
} from '../protocol.ts';

const scope = (name: string) => `https://www.googleapis.com/auth/${name}`;
const uploadScopes = [scope('youtube.upload'), scope('youtube'), scope('youtube.force-ssl')];
const readScopes = [scope('youtube.readonly'), scope('youtube'), scope('youtube.force-ssl')];
const changeScopes = [scope('youtube'), scope('youtube.force-ssl')];
const commentScopes = [scope('youtube.force-ssl')];

export const youtube = {
  name: 'YouTube',
  kinds: {
    channel: {
      id: /^UC[A-Za-z0-9_-]{22}$/,
      scopes: ['youtube.upload', 'youtube.readonly', 'youtube.force-ssl'].map(scope),
    },
  },
  operations: [
    ...oauthOperations('youtube'),
    'youtube.upload.start',
    'youtube.upload.put',
    'youtube.upload.finish',
    'youtube.upload.query',
    'youtube.thumbnails.set',
    'youtube.videos.list',
    'youtube.videos.update',
    'youtube.videos.delete',
    'youtube.channels.list',
    'youtube.playlistItems.list',
    'youtube.commentThreads.insert',
    'youtube.commentThreads.list',
  ] as const,
  // https://developers.google.com/identity/protocols/oauth2/web-server (read 2026-11-21): a refresh token ends when it is
  // revoked or unused for six months, which nobody waits for here. How long a code lives is not documented.
  oauth: {
    authorizePath: '/o/oauth2/v2/auth',
    tokenEndpoints: [
      {
        ...{ method: 'post', path: '/token' },
        grants: { authorization_code: 'code', refresh_token: 'refresh' },
      },
    ],
    revocation: { method: 'post', path: '/revoke', proof: 'none', refusesUnknown: true },
    namesIssuer: true,
    ...{ pkce: 'S256', isPkceOptional: true, codeSeconds: 600, accessSeconds: 3_600 },
    ...{ refreshSeconds: 'endless', rotates: false },
    // Without the prompt somebody who has consented before is given none.
    isOffline: ({ query }) => query.get('access_type') === 'offline' && query.get('prompt') === 'consent',
    tokenBody: ({ accessToken, refreshToken, expiresInSeconds, scopes }) => ({
      ...{ access_token: accessToken, expires_in: expiresInSeconds, token_type: 'Bearer' },
      ...{ scope: scopes.join(' '), ...(refreshToken && { refresh_token: refreshToken }) },
    }),
    errorBody: plainErrorBody,
  },
  processing: {
    'slow-upload-processing': ['youtube.upload.finish'],
    'failed-processing': ['youtube.upload.finish'],
  },
  permalinkOf: ({ publicId, parentId }, publicUrl) =>
    parentId ? `${publicUrl}/watch?v=${parentId}&lc=${publicId}` : `${publicUrl}/watch?v=${publicId}`,
  create: createYouTube,
} satisfies SandboxPlatform;

/** An upload that was opened. It makes one video, with its last byte. */
interface UploadSession {
  id: string;
  channelId: string;
  openedAt: number;
  sizeBytes: number;
  contentType: string;
  snippet: Snippet;
  status: VideoStatus;
}

interface Snippet {
  title: string;
  description: string;
  tags: string[];
  categoryId: string;
}

interface VideoStatus {
  privacyStatus: string;
  selfDeclaredMadeForKids: boolean;
  containsSyntheticMedia: boolean;
}

/** What YouTube knows of a video besides what the ledger holds of its coming out. */
interface Video {
  id: string;
  snippet: Snippet;
  status: VideoStatus;
  processedAt: number;
  failed: boolean;
  thumbnail?: StoredMedia;
}

/** https://developers.google.com/youtube/v3/docs/videos and .../guides/using_resumable_upload_protocol */
const grainBytes = 262_144;
const maxTitleCharacters = 100;
const maxDescriptionBytes = 5_000;
const maxTagCharacters = 500;
const maxCommentCharacters = 10_000;
const maxThumbnailBytes = 2 * 1024 * 1024;
const maxFileBytes = 256 * 1024 ** 3;
const dayMs = 86_400_000;

/**
 * YouTube's Data API for channels: resumable uploads, whose last byte makes the video public, reads, changes, removal,
 * covers and comments.
 */
function createYouTube(context: SandboxContext): RunningPlatform {
  const sessions = context.shelf<UploadSession>('youtube-upload');
  const videos = context.shelf<Video>('youtube-video');

  const startUpload: Operation = {
    name: 'youtube.upload.start',
    method: 'post',
    path: '/upload/youtube/v3/videos',
    subject: (call) => channelOf(call).externalId,
    async handle(call) {
      const channel = requireScope(call, uploadScopes);
      if (call.query.get('uploadType') !== 'resumable') {
        throw refusal(400, 'badRequest', 'The sandbox serves uploads of type resumable');
      }
      requireParts(call, ['snippet', 'status']);
      const { snippet, status } = readResource(call);
      const { sizeBytes, contentType } = readUploadHeaders(call);
      const now = context.now().getTime();
      if (uploadsInDay(channel, now) >= context.settings.get().publishesPerDay) {
        throw refusal(
          400,
          'uploadLimitExceeded',
          'The user has exceeded the number of videos they may upload.',
        );
      }
      const id = `ADPycd${randomBytes(30).toString('base64url')}`;
      const session = { id, channelId: channel.externalId, openedAt: now, sizeBytes, contentType };
      await sessions.put(id, { ...session, snippet, status });
      const location = `${context.publicUrl}/youtube/upload/youtube/v3/videos?uploadType=resumable&upload_id=${id}`;
      return { status: 200, headers: { location, 'x-guploader-uploadid': id } };
    },
  };

  const uploadsInDay = (channel: Account, now: number): number =>
    uploadsOf(channel).filter(({ acceptedAt }) => Date.parse(acceptedAt) > now - dayMs).length;

  const uploadsOf = ({ externalId }: Account): LedgerPost[] =>
    context.ledger.list({ platform: 'youtube', externalId }).filter(({ parentId }) => !parentId);

  /** One address takes pieces, the last piece, and the question how far the upload is. */
  const putUpload: Operation = {
    name(call) {
      const range = readContentRange(call);
      if (!range || range.kind === 'query') return 'youtube.upload.query';
      return range.end === range.total ? 'youtube.upload.finish' : 'youtube.upload.put';
    },
    method: 'put',
    path: '/upload/youtube/v3/videos',
    subject: (call) => sessionOf(call)?.channelId,
    async handle(call) {
      const channel = requireScope(call, uploadScopes);
      const session = sessionOf(call);
      if (!session || session.channelId !== channel.externalId) throw unknownSession();
      return context.serialize(`youtube upload ${session.id}`, () => acceptBytes(call, session.id, channel));
    },
  };

  const sessionOf = (call: Call): UploadSession | undefined =>
    sessions.get(call.query.get('upload_id') ?? '');

  /** Runs one at a time per session, so a video comes out once however often its last piece is sent. */
  async function acceptBytes(call: Call, id: string, channel: Account): Promise<Reply> {
    const session = sessions.get(id);
    if (!session) throw unknownSession();
    const made = context.ledger.findByHandle('youtube', id);
    if (made) return describeUploaded(made);
    const ageMs = context.now().getTime() - session.openedAt;
    if (ageMs >= context.settings.get().containerLifetimeMs) throw unknownSession();
    const range = readContentRange(call);
    if (!range || range.total !== session.sizeBytes) throw badRange('Failed to parse Content-Range header.');
    const upload = context.media.upload(`youtube ${id}`);
    const received = await upload.size();
    if (range.kind === 'query') return incomplete(received);
    if (call.body.length !== range.end - range.start) {
      throw badRange(
        `The body has ${call.body.length} bytes, Content-Range says ${range.end - range.start}.`,
      );
    }
    if (range.start > received) {
      throw badRange(
        `Invalid request. According to the Content-Range header, the upload offset is ${range.start} byte(s), which exceeds already uploaded size of ${received} byte(s).`,
      );
    }
    const isLast = range.end === session.sizeBytes;
    if (!isLast && call.body.length % grainBytes !== 0) {
      throw badRange(
        `Invalid request. The number of bytes uploaded is required to be a multiple of ${grainBytes}, except for the final request. The received request contained ${call.body.length} bytes.`,
      );
    }
    // Bytes that are there already are passed over.
    await upload.append(call.body.subarray(received - range.start));
    if (!isLast) return incomplete(Math.max(received, range.end));
    return comeOut(call, session, channel, await upload.finish(session.contentType));
  }

  async function comeOut(
    call: Call,
    session: UploadSession,
    channel: Account,
    media: StoredMedia,
  ): Promise<Reply> {
    const acceptedAt = context.now();
    const { imageProcessingMs, uploadsAreLockedToPrivate } = context.settings.get();
    const slower = call.fault?.kind === 'slow-upload-processing' ? (call.fault.ms ?? 0) : 0;
    const { snippet, id: handle } = session;
    const status = {
      ...session.status,
      ...(uploadsAreLockedToPrivate && { privacyStatus: 'private' }),
    };
    const id = randomBytes(8).toString('base64url').slice(0, 11);
    await videos.put(id, {
      ...{ id, snippet, status },
      processedAt: acceptedAt.getTime() + imageProcessingMs + slower,
      failed: call.fault?.kind === 'failed-processing',
    });
    const post = await context.ledger.add({
      platform: 'youtube',
      externalId: channel.externalId,
      accountName: channel.name,
      // What is a Short is told by shape and length alone.
      postType: 'VIDEO',
      title: snippet.title,
      text: snippet.description,
      rawText: snippet.description,
      altTexts: [null],
      media: [media],
      publicId: id,
      receivedAt: call.receivedAt.toISOString(),
      acceptedAt: acceptedAt.toISOString(),
      requestId: call.requestId,
      rawBody: JSON.stringify({ snippet, status: session.status }),
      handle,
      visibility: status.privacyStatus,
    });
    return describeUploaded(post);
  }

  function describeUploaded(post: LedgerPost): Reply {
    const video = videos.get(post.publicId);
    if (!video) throw unknownSession();
    return jsonReply(200, renderVideo(post, video, ['snippet', 'status']));
  }

  function renderVideo(post: LedgerPost, video: Video, parts: string[]): Record<string, unknown> {
    const isDone = context.now().getTime() >= video.processedAt;
    const uploadStatus = !isDone ? 'uploaded' : video.failed ? 'failed' : 'processed';
    const processingStatus = !isDone ? 'processing' : video.failed ? 'failed' : 'succeeded';
    const all: Record<string, unknown> = {
      snippet: {
        ...video.snippet,
        publishedAt: secondsOf(post.acceptedAt),
        channelId: post.externalId,
        channelTitle: post.accountName,
      },
      status: {
        ...video.status,
        uploadStatus,
        ...(uploadStatus === 'failed' && { failureReason: 'conversion' }),
        license: 'youtube',
        embeddable: true,
      },
      processingDetails: { processingStatus },
      statistics: { viewCount: '0', likeCount: '0', commentCount: String(commentsOf(video.id).length) },
    };
    const chosen = parts.filter((part) => part in all).map((part) => [part, all[part]] as const);
    return { kind: 'youtube#video', id: video.id, ...Object.fromEntries(chosen) };
  }

  /** The video of a call that concerns one of the channel's own. */
  function requireOwnVideo(
    channel: Account,
    id: string | null | undefined,
  ): { post: LedgerPost; video: Video } {
    const post = context.ledger.findByPublicId('youtube', id ?? '');
    const video = videos.get(id ?? '');
    if (!post || !video || post.removedAt) {
      throw refusal(404, 'videoNotFound', 'The video that you are trying to find cannot be found.');
    }
    if (post.externalId !== channel.externalId) {
      throw refusal(403, 'forbidden', 'The request might not be properly authorized.');
    }
    return { post, video };
  }

  const listVideos: Operation = {
    name: 'youtube.videos.list',
    method: 'get',
    path: '/youtube/v3/videos',
    subject: (call) => channelOf(call).externalId,
    handle(call) {
      requireScope(call, readScopes);
      const parts = requireParts(call);
      const ids = (call.query.get('id') ?? '').split(',').filter((id) => id !== '');
      if (ids.length === 0 || ids.length > 50) {
        throw refusal(400, 'missingRequiredParameter', 'No filter selected. Expected one of: id');
      }
      const items = ids.flatMap((id) => {
        const post = context.ledger.findByPublicId('youtube', id);
        const video = videos.get(id);
        return post && video && !post.removedAt ? [renderVideo(post, video, parts)] : [];
      });
      return listReply('youtube#videoListResponse', items);
    },
  };

  const updateVideo: Operation = {
    name: 'youtube.videos.update',
    method: 'put',
    path: '/youtube/v3/videos',
    subject: (call) => channelOf(call).externalId,
    async handle(call) {
      const channel = requireScope(call, changeScopes);
      const parts = requireParts(call, ['snippet']);
      const { post, video } = requireOwnVideo(channel, stringAt(call.json, 'id'));
      const given = asObject(asObject(call.json).snippet);
      if (stringAt(given, 'categoryId') === undefined) {
        throw refusal(400, 'invalidCategoryId', 'The snippet.categoryId is required.');
      }
      const changed = { ...video, snippet: readSnippet(given) };
      await videos.put(video.id, changed);
      const { title, description: text } = changed.snippet;
      await context.ledger.amend(post.ledgerId, { title, text }, context.now());
      return jsonReply(200, renderVideo(post, changed, parts));
    },
  };

  const deleteVideo: Operation = {
    name: 'youtube.videos.delete',
    method: 'delete',
    path: '/youtube/v3/videos',
    subject: (call) => channelOf(call).externalId,
    async handle(call) {
      const channel = requireScope(call, changeScopes);
      const { post } = requireOwnVideo(channel, call.query.get('id'));
      await context.ledger.remove(post.ledgerId, context.now());
      return { status: 204 };
    },
  };

  const setThumbnail: Operation = {
    name: 'youtube.thumbnails.set',
    method: 'post',
    path: '/upload/youtube/v3/thumbnails/set',
    subject: (call) => channelOf(call).externalId,
    async handle(call) {
      const channel = requireScope(call, uploadScopes);
      const { video } = requireOwnVideo(channel, call.query.get('videoId'));
      if (call.body.length === 0) throw refusal(400, 'mediaBodyRequired', 'The request has no picture.');
      const facts = await probeImage(call.body);
      if (!facts || facts.contentType === 'image/gif' || call.body.length > maxThumbnailBytes) {
        throw refusal(400, 'invalidImage', 'The provided image content is invalid.');
      }
      const thumbnail = await context.media.put(call.body, facts.contentType);
      await videos.put(video.id, { ...video, thumbnail });
      const url = `${context.publicUrl}/media/${thumbnail.sha256}`;
      return listReply('youtube#thumbnailSetResponse', [
        { default: { url, width: facts.width, height: facts.height } },
      ]);
    },
  };

  const listChannels: Operation = {
    name: 'youtube.channels.list',
    method: 'get',
    path: '/youtube/v3/channels',
    subject: (call) => channelOf(call).externalId,
    handle(call) {
      requireScope(call, readScopes);
      const parts = requireParts(call);
      const id = call.query.get('id');
      if (id === null && call.query.get('mine') !== 'true') {
        throw refusal(400, 'missingRequiredParameter', 'No filter selected. Expected one of: mine, id');
      }
      const channels = call.accounts.filter(({ externalId }) => id === null || externalId === id);
      const items = channels.map((channel) => {
        const all: Record<string, unknown> = {
          snippet: { title: channel.name, description: '' },
          contentDetails: { relatedPlaylists: { likes: '', uploads: uploadsPlaylistOf(channel) } },
          statistics: { videoCount: String(uploadsOf(channel).length) },
        };
        const chosen = parts.filter((part) => part in all).map((part) => [part, all[part]] as const);
        return { kind: 'youtube#channel', id: channel.externalId, ...Object.fromEntries(chosen) };
      });
      return listReply('youtube#channelListResponse', items);
    },
  };

  const listPlaylist: Operation = {
    name: 'youtube.playlistItems.list',
    method: 'get',
    path: '/youtube/v3/playlistItems',
    subject: (call) => channelOf(call).externalId,
    handle(call) {
      requireScope(call, readScopes);
      requireParts(call);
      const playlistId = call.query.get('playlistId');
      const channel = call.accounts.find((account) => uploadsPlaylistOf(account) === playlistId);
      if (!channel) {
        throw refusal(404, 'playlistNotFound', 'The playlist identified with playlistId cannot be found.');
      }
      const shownBefore = context.now().getTime() - context.settings.get().listDelayMs;
      const posts = uploadsOf(channel)
        .filter((post) => !post.removedAt && Date.parse(post.acceptedAt) <= shownBefore)
        .reverse()
        .slice(0, readCount(call, 5, 50));
      return listReply('youtube#playlistItemListResponse', posts.map(renderPlaylistItem));
    },
  };

  function renderPlaylistItem(post: LedgerPost): Record<string, unknown> {
    const video = videos.get(post.publicId);
    const publishedAt = secondsOf(post.acceptedAt);
    return {
      kind: 'youtube#playlistItem',
      id: Buffer.from(post.publicId).toString('base64url'),
      snippet: {
        publishedAt,
        channelId: post.externalId,
        title: video?.snippet.title,
        description: video?.snippet.description,
        resourceId: { kind: 'youtube#video', videoId: post.publicId },
      },
      contentDetails: { videoId: post.publicId, videoPublishedAt: publishedAt },
      status: { privacyStatus: video?.status.privacyStatus },
    };
  }

  const insertComment: Operation = {
    name: 'youtube.commentThreads.insert',
    method: 'post',
    path: '/youtube/v3/commentThreads',
    subject: (call) => channelOf(call).externalId,
    async handle(call) {
      const channel = requireScope(call, commentScopes);
      requireParts(call, ['snippet']);
      const snippet = asObject(asObject(call.json).snippet);
      const text = stringAt(asObject(snippet.topLevelComment).snippet, 'textOriginal') ?? '';
      const videoId = stringAt(snippet, 'videoId');
      const video = videos.get(videoId ?? '');
      const post = context.ledger.findByPublicId('youtube', videoId ?? '');
      if (!video || !post || post.removedAt) {
        throw refusal(404, 'videoNotFound', 'The video identified by videoId could not be found.');
      }
      if (text.trim() === '') throw refusal(400, 'commentTextRequired', 'The comment has no text.');
      if (text.length > maxCommentCharacters) {
        throw refusal(400, 'commentTextTooLong', 'The comment is too long.');
      }
      if (video.status.selfDeclaredMadeForKids) {
        throw refusal(403, 'commentsDisabled', 'The video has disabled comments.');
      }
      const comment = await context.ledger.add({
        platform: 'youtube',
        externalId: channel.externalId,
        accountName: channel.name,
        postType: 'REPLY',
        ...{ text, rawText: text, altTexts: [], media: [] },
        publicId: `Ugx${randomBytes(17).toString('base64url').slice(0, 22)}AaABAg`,
        parentId: video.id,
        receivedAt: call.receivedAt.toISOString(),
        acceptedAt: context.now().toISOString(),
        requestId: call.requestId,
        rawBody: call.body.toString('utf8'),
      });
      return jsonReply(200, renderComment(comment));
    },
  };

  const listComments: Operation = {
    name: 'youtube.commentThreads.list',
    method: 'get',
    path: '/youtube/v3/commentThreads',
    subject: (call) => channelOf(call).externalId,
    handle(call) {
      requireScope(call, commentScopes);
      requireParts(call);
      const video = videos.get(call.query.get('videoId') ?? '');
      if (!video) throw refusal(404, 'videoNotFound', 'The video identified by videoId could not be found.');
      const shownBefore = context.now().getTime() - context.settings.get().listDelayMs;
      const items = commentsOf(video.id)
        .filter(({ acceptedAt }) => Date.parse(acceptedAt) <= shownBefore)
        .reverse()
        .slice(0, readCount(call, 20, 100));
      return listReply('youtube#commentThreadListResponse', items.map(renderComment));
    },
  };

  const commentsOf = (videoId: string): LedgerPost[] =>
    context.ledger
      .list({ platform: 'youtube' })
      .filter(({ parentId, removedAt }) => parentId === videoId && !removedAt);

  return {
    platform: 'youtube',
    basePath: '/youtube',
    operations: [
      ...[startUpload, putUpload, setThumbnail, listVideos, updateVideo, deleteVideo],
      ...[listChannels, listPlaylist, insertComment, listComments],
    ],
    authenticate: (call) => accountsOfBearer(context, 'youtube', call, invalidCredentials),
    faultReplies: faultRepliesOf(
      errorReply,
      {
        refuse: [400, 'invalidVideoMetadata', 'The request metadata specifies invalid video metadata.'],
        throttle: [403, 'rateLimitExceeded', 'The request was throttled.'],
        serverError: [500, 'backendError', 'Backend Error'],
      },
      invalidCredentials,
    ),
    unknownPath: () => errorReply(404, 'notFound', 'Not Found'),
    commonHeaders: () => ({ vary: 'Origin, X-Origin, Referer' }),
    clear() {
      sessions.clear();
      videos.clear();
    },
  };
}

/** A token speaks for the one channel that was chosen at consent. */
const channelOf = (call: Call): Account => call.accounts[0]!;

function requireScope(call: Call, allowed: readonly string[]): Account {
  const channel = channelOf(call);
  if (channel.scopes.some((one) => allowed.includes(one))) return channel;
  throw refusal(403, 'insufficientPermissions', 'Request had insufficient authentication scopes.');
}

function requireParts(call: Call, needed: readonly string[] = []): string[] {
  const parts = (call.query.get('part') ?? '').split(',').filter((part) => part !== '');
  if (parts.length === 0) throw refusal(400, 'missingRequiredParameter', 'Required parameter: part');
  const missing = needed.find((part) => !parts.includes(part));
  if (missing) throw refusal(400, 'unexpectedPart', `${missing} is set and not named in part`);
  return parts;
}

function readResource(call: Call): Pick<UploadSession, 'snippet' | 'status'> {
  const body = asObject(call.json);
  const status = asObject(body.status);
  const privacyStatus = stringAt(status, 'privacyStatus') ?? 'public';
  if (!['public', 'unlisted', 'private'].includes(privacyStatus)) {
    throw refusal(400, 'invalidVideoMetadata', `Invalid value for: ${privacyStatus} is not a privacyStatus`);
  }
  return {
    snippet: readSnippet(asObject(body.snippet)),
    status: {
      privacyStatus,
      selfDeclaredMadeForKids: status.selfDeclaredMadeForKids === true,
      containsSyntheticMedia: status.containsSyntheticMedia === true,
    },
  };
}

function readSnippet(given: Record<string, unknown>): Snippet {
  const title = stringAt(given, 'title') ?? '';
  if (title.trim() === '' || [...title].length > maxTitleCharacters || /[<>]/.test(title)) {
    throw refusal(400, 'invalidTitle', 'The request metadata specifies an invalid or empty video title.');
  }
  const description = stringAt(given, 'description') ?? '';
  if (Buffer.byteLength(description) > maxDescriptionBytes || /[<>]/.test(description)) {
    throw refusal(400, 'invalidDescription', 'The request metadata specifies an invalid video description.');
  }
  const tags = Array.isArray(given.tags) ? given.tags.map(String) : [];
  const characters = tags.reduce((sum, tag) => sum + tag.length + (tag.includes(' ') ? 2 : 0), 0);
  if (characters + Math.max(0, tags.length - 1) > maxTagCharacters) {
    throw refusal(400, 'invalidTags', 'The request metadata specifies invalid video keywords.');
  }
  const categoryId = stringAt(given, 'categoryId') ?? '22';
  if (!/^\d{1,3}$/.test(categoryId)) {
    throw refusal(400, 'invalidCategoryId', 'The snippet.categoryId specifies an invalid category ID.');
  }
  return { title, description, tags, categoryId };
}

function readUploadHeaders(call: Call): Pick<UploadSession, 'sizeBytes' | 'contentType'> {
  const sizeBytes = Number(call.headers['x-upload-content-length']);
  const contentType = call.headers['x-upload-content-type']?.toString() ?? '';
  if (!Number.isSafeInteger(sizeBytes) || sizeBytes < 1 || sizeBytes > maxFileBytes) {
    throw refusal(400, 'mediaBodyRequired', 'X-Upload-Content-Length is missing or no size of a video.');
  }
  if (!/^video\/|^application\/octet-stream$/.test(contentType)) {
    throw refusal(
      400,
      'badContent',
      `Media type '${contentType}' is not supported. Valid media types: [video/*]`,
    );
  }
  return { sizeBytes, contentType };
}

// `bytes a-b/N`, or with an asterisk for a-b as a question; `end` is the first byte that is not sent.
type ContentRange =
  | { kind: 'query'; total: number }
  | { kind: 'bytes'; start: number; end: number; total: number };

function readContentRange(call: Call): ContentRange | undefined {
  const match = /^bytes (?:\*|(\d+)-(\d+))\/(\d+)$/.exec(call.headers['content-range']?.toString() ?? '');
  if (!match) return undefined;
  const total = Number(match[3]);
  if (match[1] === undefined) return { kind: 'query', total };
  const [start, end] = [Number(match[1]), Number(match[2]) + 1];
  return start < end && end <= total ? { kind: 'bytes', start, end, total } : undefined;
}

function readCount(call: Call, otherwise: number, maximum: number): number {
  const value = Number(call.query.get('maxResults') ?? otherwise);
  if (!Number.isInteger(value) || value < 0 || value > maximum) {
    throw refusal(400, 'invalidParameter', `maxResults must be from 0 to ${maximum}`);
  }
  return value;
}

/** 308 in Google's meaning: go on from there. Without the header nothing has come. */
const incomplete = (received: number): Reply => ({
  status: 308,
  headers: { ...(received > 0 && { range: `bytes=0-${received - 1}` }), 'content-length': '0' },
});

const uploadsPlaylistOf = ({ externalId }: Account): string => `UU${externalId.slice(2)}`;

/** YouTube's times are whole seconds. */
const secondsOf = (instant: string): string => instant.replace(/\.\d+Z$/, 'Z');

const renderComment = (post: LedgerPost): Record<string, unknown> => ({
  kind: 'youtube#commentThread',
  id: post.publicId,
  snippet: {
    channelId: post.externalId,
    videoId: post.parentId,
    topLevelComment: {
      kind: 'youtube#comment',
      id: post.publicId,
      snippet: {
        authorDisplayName: post.accountName,
        authorChannelId: { value: post.externalId },
        textDisplay: post.text,
        textOriginal: post.text,
        publishedAt: secondsOf(post.acceptedAt),
      },
    },
  },
});

const listReply = (kind: string, items: unknown[]): Reply =>
  jsonReply(200, {
    kind,
    pageInfo: { totalResults: items.length, resultsPerPage: items.length },
    items,
  });

const errorReply = (
  status: number,
  reason: string,
  message: string,
  headers: Record<string, string> = {},
): Reply =>
  jsonReply(
    status,
    { error: { code: status, message, errors: [{ message, domain: 'youtube.video', reason }] } },
    headers,
  );

const refusal = (status: number, reason: string, message: string): Refusal =>
  new Refusal(errorReply(status, reason, message));

const badRange = (message: string): Refusal => refusal(400, 'badRequest', message);

const unknownSession = (): Refusal => refusal(404, 'notFound', 'Not Found');

const invalidCredentials = (): Reply => errorReply(401, 'authError', 'Invalid Credentials');
