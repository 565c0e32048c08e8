import { OutcomeError } from '../../domain/outcome.ts';
import type { AdapterOptions, PlatformDefinition, Timings } from './definition.ts';
import { type HttpReply, pause } from './http.ts';
import type {
  Account,
  CallContext,
  CommitContext,
  Finder,
  FindQuery,
  FindResult,
  MediaAccess,
  MediaItem,
  PreparedHandle,
  Preparer,
  PublicContent,
  Publisher,
  Receipt,
} from './publisher.ts';
import { addressToPull } from './pulled-media.ts';
import { assertSupported, refused, unprepared } from './supported.ts';
import {
  type Creator,
  createTikTokApi,
  initPost,
  type ListedPost,
  listPosts,
  mapFailedPost,
  type PostStatus,
  readCreator,
  readPostStatus,
  type TikTokApi,
} from './tiktok-api.ts';
import { connectTikTok } from './tiktok-login.ts';
import {
  chunksOf,
  endsSession,
  putChunk,
  readChunk,
  type UploadSession,
  uploadAllButTheLast,
} from './tiktok-upload.ts';

// Endpoints

// https://developers.tiktok.com/doc/content-posting-api-get-started (read 2026-11-21)
export const tiktok: PlatformDefinition = {
  live: {
    hosts: {
      api: 'https://open.tiktokapis.com',
      oauth: 'https://www.tiktok.com',
      token: 'https://open.tiktokapis.com',
    },
    // The version is part of every path.
    version: '',
    // The first two stand in TikTok's guides; the others are what creators of other regions are reported to be given.
    uploadOrigins: [
      'https://open-upload.tiktokapis.com',
      'https://upload.us.tiktokapis.com',
      'https://open-upload-sg.tiktokapis.com',
      'https://open-upload-i18n.tiktokapis.com',
      'https://open-upload.us.tiktokapis.com',
    ],
    permalinkBaseUrl: 'https://www.tiktok.com',
  },
  create: createTikTok,
  connect: connectTikTok,
};

// Limits

const defaults: Timings = {
  // The last chunk, and what TikTok then needs: half a minute for 512 MB. Who takes longer is asked about afterwards.
  commitTimeoutMs: 60_000,
  // A creator's posts may be looked at 30 times a minute: enough for two at once.
  pollIntervalMs: 5_000,
  processingTimeoutMs: 600_000,
  settleMs: 60_000,
  blindWaitMs: 0,
};
/** The share of a commit's time after which it stops asking, to end by itself and with what it knows. */
const askingShare = 0.9;
/** TikTok fetches pictures within an hour of being told. */
const mediaUrlSeconds = 2 * 3_600;
/** What a creator may do is not trusted for longer. */
const creatorLifeMs = 55 * 60_000;
/** Moderation usually ends within a minute. */
const moderationRetryMs = 20_000;
const pendingRetryMs = 10_000;
const clockSkewMs = 60_000;
/** Descriptions are listed cut to 150 characters; a cut one may lack a little more than that. */
const listedTextLength = 150;
const surelyCutLength = 130;

/** One adapter for creators. TikTok lets other applications neither comment, nor change or take down what is public. */
export function createTikTok(options: AdapterOptions) {
  const { permalinkBaseUrl } = options;
  const timings = { ...defaults, ...options.timings };
  const api = { ...createTikTokApi(options), permalinkBaseUrl, timings };
  return {
    creator: {
      publisher: createPublisher(api),
      preparer: createPreparer(api),
      finder: createFinder(api),
    },
  };
}

interface TikTok extends TikTokApi {
  readonly permalinkBaseUrl: string;
  readonly timings: Timings;
}

// Methods

function createPublisher(api: TikTok): Publisher {
  return {
    platform: 'tiktok',
    kinds: ['creator'],
    commitTimeoutMs: api.timings.commitTimeoutMs,
    commit: async (account, content, handle, context) => {
      assertSupported('tiktok', content);
      const askUntil = performance.now() + api.timings.commitTimeoutMs * askingShare;
      return isVideo(content)
        ? commitVideo(api, account, content, handle, context, askUntil)
        : commitPhotos(api, account, content, context, askUntil);
    },
    confirm: async (account, publicId, context) => {
      const postId = isPublishId(publicId) ? await readPostId(api, account, publicId, context) : publicId;
      const username = await readUsername(api, account, context);
      return { publicId: postId, permalink: username && permalinkOf(api, username, publicId, postId) };
    },
  };
}

function createPreparer(api: TikTok): Preparer {
  return {
    prepare: async (account, content, media, context): Promise<PreparedHandle> => {
      assertSupported('tiktok', content);
      context.progress('Asking TikTok what the creator may do');
      assertAllowed(content, await readCreator(api, account, context));
      if (!isVideo(content)) {
        // The call that would begin a post of pictures publishes it: nothing more can be done before than to see that they
        // will have addresses.
        await addressesOf(content, media);
        const expiresAt = new Date(api.now().getTime() + creatorLifeMs).toISOString();
        return { ids: {}, expiresAt };
      }
      const postInfo = mapVideoInfo(content);
      const session = await uploadAllButTheLast(api, account, onlyItem(content), media, context, postInfo);
      return {
        ids: { publishId: session.publishId },
        secret: session.uploadUrl,
        expiresAt: new Date(session.expiresAtMs).toISOString(),
      };
    },
  };
}

/**
 * Sends the last chunk, with which TikTok begins to post. The same session again cannot post twice: TikTok refuses what
 * it has, and its status says what became of it.
 */
async function commitVideo(
  api: TikTok,
  account: Account,
  content: PublicContent,
  handle: PreparedHandle | null,
  context: CommitContext,
  askUntil: number,
): Promise<Receipt> {
  const session = sessionOf(handle);
  const item = onlyItem(content);
  const last = chunksOf(item.sizeBytes).chunks.at(-1)!;
  const bytes = await readChunk(context.media, item, last);
  const sent = putChunk({ api, account, session, item }, last, bytes, context, api.timings.commitTimeoutMs);
  const refusal = await refusalOf(sent);
  const isUnused = (status: PostStatus) => refusal !== null && lacksBytes(status, item);
  const status = await follow(api, account, session.publishId, context, askUntil, isUnused);
  if (refusal === null || !isUnused(status)) return receiptOf(session.publishId, status);
  if (!endsSession(refusal)) throw refusal;
  throw new OutcomeError('unavailable', `${refusal.message}; the video is not complete there`, {
    status: refusal.details.status,
    sent: false,
    handleIsDead: true,
  });
}

/** `null` when TikTok has taken it; its refusal where only the status of the post tells what that means. */
async function refusalOf(sent: Promise<HttpReply>): Promise<OutcomeError | null> {
  try {
    const { status } = await sent;
    if (status === 201) return null;
    const message = `TikTok video upload: answer ${status} to the last chunk`;
    throw new OutcomeError('unexpected-response', message, { status });
  } catch (error) {
    if (error instanceof OutcomeError && error.code === 'rejected') return error;
    throw error;
  }
}

/** Pictures are fetched by TikTok itself: the call that names them publishes, and only its answer names the post. */
async function commitPhotos(
  api: TikTok,
  account: Account,
  content: PublicContent,
  context: CommitContext,
  askUntil: number,
): Promise<Receipt> {
  const urls = await addressesOf(content, context.media);
  const { publishId } = await initPost(api, account, context, {
    path: '/v2/post/publish/content/init/',
    body: mapPhotoPost(content, urls),
    what: 'TikTok photo post',
    timeoutMs: api.timings.commitTimeoutMs,
    secrets: urls,
  });
  return receiptOf(publishId, await follow(api, account, publishId, context, askUntil));
}

/** TikTok fetches from a domain that its application has verified, and follows no redirect: ours, never the store's. */
// https://developers.tiktok.com/doc/content-posting-api-media-transfer-guide (read 2026-11-21)
const addressesOf = (content: PublicContent, media: MediaAccess): Promise<string[]> =>
  Promise.all(content.media.map((item) => addressToPull(media, item, mediaUrlSeconds, 'interface')));

/**
 * Asks about a post that TikTok has taken until it is decided, the time is over or `isEnough`. Whatever keeps us from
 * asking says nothing about the post, and so must not be read as "not sent".
 */
async function follow(
  api: TikTok,
  account: Account,
  publishId: string,
  context: CallContext,
  askUntil: number,
  isEnough: (status: PostStatus) => boolean = () => false,
): Promise<PostStatus> {
  try {
    for (;;) {
      const status = await readPostStatus(api, account, publishId, context);
      const remainingMs = askUntil - performance.now();
      if (isDecided(status) || isEnough(status) || remainingMs <= 0) return status;
      const waitMs = Math.min(api.timings.pollIntervalMs, remainingMs);
      await pause(waitMs, context, `TikTok is processing ${publishId} (${status.status})`);
    }
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new OutcomeError('outcome-unknown', `The outcome of ${publishId} is open: ${why}`);
  }
}

function createFinder(api: TikTok): Finder {
  return {
    settleMs: api.timings.settleMs,
    find: async (account, query, context) => {
      if (!isVideo(query.content)) return findPhotos(api, account, query, context);
      const publishId = publishIdOf(query.handle);
      if (publishId === null) return { kind: 'cannot-tell', reason: 'no upload is known' };
      const status = await readPostStatus(api, account, publishId, context);
      return mapFound(publishId, status, onlyItem(query.content), isOver(query.handle, api.now()));
    },
  };
}

/** A list of public posts proves what is on it, and nothing about what is private or still being looked at. */
async function findPhotos(
  api: TikTok,
  account: Account,
  query: FindQuery,
  context: CallContext,
): Promise<FindResult> {
  const before = new Date(query.sentBefore.getTime() + clockSkewMs);
  const listed = await listPosts(api, account, before, context);
  const matches = listed.filter((post) => isSamePost(post, query));
  const [only] = matches;
  if (!only) {
    const reason = 'TikTok lists public posts alone and after moderation, and this one is not among them';
    return { kind: 'cannot-tell', reason };
  }
  if (matches.length > 1) {
    return { kind: 'cannot-tell', reason: `${matches.length} listed posts fit text and time` };
  }
  return { kind: 'found', receipt: { publicId: only.id, permalink: only.shareUrl } };
}

/** The id of the post itself, which a public post gets after moderation and a private one never. */
async function readPostId(
  api: TikTok,
  account: Account,
  publishId: string,
  context: CallContext,
): Promise<string> {
  const { status, failReason, postIds } = await readPostStatus(api, account, publishId, context);
  if (status === 'FAILED') throw mapFailedPost(publishId, failReason);
  const [postId] = postIds;
  if (postId !== undefined) return postId;
  throw new OutcomeError('unavailable', `TikTok has not named the post of ${publishId} yet (${status})`, {
    sent: false,
    retryAfterMs: moderationRetryMs,
  });
}

/** `null` for a creator who has reached a cap: TikTok then says nothing about them. */
async function readUsername(api: TikTok, account: Account, context: CallContext): Promise<string | null> {
  try {
    return (await readCreator(api, account, context)).username;
  } catch (error) {
    const isCapped = error instanceof OutcomeError && error.details.status === 200;
    if (isCapped) return null;
    throw error;
  }
}

// Pure mappers

const isVideo = ({ type }: PublicContent): boolean => type === 'VIDEO' || type === 'REEL';

/** Of a type that carries one piece of media, which `assertSupported` has seen. */
function onlyItem({ media }: PublicContent): MediaItem {
  const [item] = media;
  if (!item) throw refused('A TikTok video without a video');
  return item;
}

/** What a creator may choose depends on the account, and changes: TikTok wants it asked before every post. */
function assertAllowed(content: PublicContent, creator: Creator): void {
  const { privacyLevel, coverIndex } = content.options ?? {};
  if (typeof privacyLevel !== 'string' || !creator.privacyLevels.includes(privacyLevel)) {
    const allowed = creator.privacyLevels.join(', ');
    throw refused(`TikTok lets @${creator.username} choose ${allowed}, not ${privacyLevel ?? 'nothing'}`);
  }
  if (typeof coverIndex === 'number' && coverIndex >= content.media.length) {
    throw refused(`coverIndex is ${coverIndex}, and there are ${content.media.length} pictures`);
  }
  const seconds = isVideo(content) ? (onlyItem(content).durationSeconds ?? 0) : 0;
  if (creator.maxVideoSeconds !== null && seconds > creator.maxVideoSeconds) {
    const allowed = `${creator.maxVideoSeconds} s`;
    throw refused(`TikTok lets @${creator.username} post videos of ${allowed} at most, not ${seconds} s`);
  }
}

// https://developers.tiktok.com/doc/content-posting-api-reference-direct-post (read 2026-11-21)
function mapVideoInfo(content: PublicContent): Record<string, unknown> {
  const { coverTimestampMs } = content.options ?? {};
  return {
    title: content.text,
    ...mapCommonInfo(content),
    disable_duet: isSet(content, 'disableDuet'),
    disable_stitch: isSet(content, 'disableStitch'),
    is_aigc: isSet(content, 'aiGenerated'),
    ...(typeof coverTimestampMs === 'number' && { video_cover_timestamp_ms: coverTimestampMs }),
  };
}

// https://developers.tiktok.com/docs/en/content-posting-api-reference-photo-post (read 2026-11-21)
function mapPhotoPost(content: PublicContent, urls: readonly string[]): Record<string, unknown> {
  const { coverIndex } = content.options ?? {};
  return {
    media_type: 'PHOTO',
    post_mode: 'DIRECT_POST',
    post_info: {
      ...(content.title !== undefined && { title: content.title }),
      description: content.text,
      ...mapCommonInfo(content),
      auto_add_music: isSet(content, 'autoAddMusic'),
    },
    source_info: {
      source: 'PULL_FROM_URL',
      photo_cover_index: typeof coverIndex === 'number' ? coverIndex : 0,
      photo_images: urls,
    },
    // Of pictures it stands outside, of a video inside of `post_info`.
    is_aigc: isSet(content, 'aiGenerated'),
  };
}

const mapCommonInfo = (content: PublicContent): Record<string, unknown> => ({
  privacy_level: content.options?.privacyLevel,
  disable_comment: isSet(content, 'disableComment'),
  brand_content_toggle: isSet(content, 'brandContent'),
  brand_organic_toggle: isSet(content, 'brandOrganic'),
});

const isSet = ({ options }: PublicContent, name: string): boolean => options?.[name] === true;

function sessionOf(handle: PreparedHandle | null): UploadSession {
  const publishId = publishIdOf(handle);
  if (publishId === null || handle?.secret === undefined || handle.expiresAt === null) {
    throw unprepared('TikTok video upload: nothing was prepared');
  }
  return { publishId, uploadUrl: handle.secret, expiresAtMs: Date.parse(handle.expiresAt) };
}

function publishIdOf(handle: PreparedHandle | null): string | null {
  const id = handle?.ids.publishId;
  return typeof id === 'string' && id !== '' ? id : null;
}

const isOver = (handle: PreparedHandle | null, now: Date): boolean =>
  handle?.expiresAt !== null &&
  handle?.expiresAt !== undefined &&
  Date.parse(handle.expiresAt) <= now.getTime();

/** Ids of tasks begin with what they are, `v_pub_file~v2-1.123`; ids of posts are digits alone. */
const isPublishId = (publicId: string): boolean => !/^\d+$/.test(publicId);

const isDecided = ({ status }: PostStatus): boolean =>
  status === 'PUBLISH_COMPLETE' || status === 'FAILED' || status === 'SEND_TO_USER_INBOX';

/** TikTok waits for the rest of the file, so nothing of it can have been posted. */
const lacksBytes = ({ status, uploadedBytes }: PostStatus, { sizeBytes }: MediaItem): boolean =>
  status === 'PROCESSING_UPLOAD' && uploadedBytes !== null && uploadedBytes < sizeBytes;

/** The receipt of a post that TikTok has taken, as far as its status says; throws where it is not, or not yet, public. */
function receiptOf(publishId: string, { status, failReason }: PostStatus): Receipt {
  if (status === 'PUBLISH_COMPLETE') return { publicId: publishId, permalink: null };
  if (status === 'FAILED') throw mapFailedPost(publishId, failReason);
  throw new OutcomeError(
    'outcome-unknown',
    `TikTok has taken ${publishId} and not published it yet (${status})`,
  );
}

function mapFound(publishId: string, status: PostStatus, item: MediaItem, isExpired: boolean): FindResult {
  switch (status.status) {
    case 'PUBLISH_COMPLETE':
      return { kind: 'found', receipt: { publicId: publishId, permalink: null } };
    case 'FAILED': {
      const error = mapFailedPost(publishId, status.failReason);
      if (error.code === 'rejected') return { kind: 'refused', error };
      return { kind: 'absent', proof: 'single-use-handle', handleIsDead: true };
    }
    case 'PROCESSING_UPLOAD':
      if (status.uploadedBytes === null && isExpired) {
        return { kind: 'cannot-tell', reason: `TikTok does not say how much of ${publishId} it has` };
      }
      // Where the bytes are not counted, the last chunk again is safe, too: one session makes one post.
      if (status.uploadedBytes === null || lacksBytes(status, item)) {
        return { kind: 'absent', proof: 'single-use-handle', handleIsDead: isExpired };
      }
      return pending(publishId, status);
    case 'PROCESSING_DOWNLOAD':
      return pending(publishId, status);
    case 'SEND_TO_USER_INBOX':
      return { kind: 'cannot-tell', reason: `${publishId} lies in the creator's inbox as a draft` };
    default:
      throw new OutcomeError('unexpected-response', `Unknown status ${status.status satisfies never}`);
  }
}

const pending = (publishId: string, { status }: PostStatus): FindResult => ({
  kind: 'pending',
  reason: `TikTok is processing ${publishId} (${status})`,
  retryAfterMs: pendingRetryMs,
});

/** By text and time, the text as far as it is listed. A post without words cannot be told from another one. */
function isSamePost(post: ListedPost, { content, sentAfter, sentBefore }: FindQuery): boolean {
  if (post.createdAt < sentAfter.getTime() - clockSkewMs) return false;
  if (post.createdAt > sentBefore.getTime() + clockSkewMs) return false;
  const listed = comparable(post.text);
  if (listed === '') return false;
  const { title = '', text } = content;
  // Not documented for pictures: the description alone, or after the title.
  return [text, `${title} ${text}`, title]
    .map(comparable)
    .some((sent) => sent === listed || (isCut(listed) && sent.startsWith(listed)));
}

const isCut = (listed: string): boolean =>
  listed.length >= surelyCutLength && listed.length <= listedTextLength;

const comparable = (text: string): string => text.replace(/\s+/g, ' ').trim().normalize('NFC');

/** A picture post's page is called a photo; which of both it is stands in the id of its task. */
// The address of photos is not documented (read 2026-11-21).
function permalinkOf(api: TikTok, username: string, taskId: string, postId: string): string {
  const page = taskId.startsWith('p_') ? 'photo' : 'video';
  return `${api.permalinkBaseUrl}/@${encodeURIComponent(username)}/${page}/${postId}`;
}
