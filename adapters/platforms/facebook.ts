import { isVideoType } from '../../domain/media-limits.ts';
import { OutcomeError } from '../../domain/outcome.ts';
import { unreachable } from '../../domain/post.ts';
import type { AdapterOptions, PlatformDefinition, Timings } from './definition.ts';
import { createReplier } from './facebook-comments.ts';
import { connectFacebook } from './facebook-connect.ts';
import { createFinder, listStories, type PermalinkOf, photoIdsOf, shownRetryMs } from './facebook-find.ts';
import {
  isGivenUp,
  mapGivenUp,
  readVideo,
  type ThreePhaseEdge,
  uploadForThreePhases,
  uploadInChunks,
} from './facebook-videos.ts';
import { createGraph, type Graph, type GraphBody, type GraphError, idOf, waitUntilReady } from './graph.ts';
import { path } from './http.ts';
import type {
  Account,
  Amender,
  CallContext,
  MediaAccess,
  MediaItem,
  PrepareContext,
  PreparedHandle,
  Preparer,
  PublicContent,
  Publisher,
  Receipt,
  Remover,
} from './publisher.ts';
import { addressToPull } from './pulled-media.ts';
import { assertSupported, unprepared } from './supported.ts';

// Endpoints

// https://developers.facebook.com/documentation/pages-api/posts (read 2026-11-21)
export const facebook: PlatformDefinition = {
  live: {
    hosts: { graph: 'https://graph.facebook.com', oauth: 'https://www.facebook.com' },
    // The Graph version current at reading.
    version: 'v26.0',
    // Where reels and stories are uploaded; chunks of other videos go to the Graph API itself.
    uploadOrigins: ['https://rupload.facebook.com'],
    permalinkBaseUrl: 'https://www.facebook.com',
  },
  // Named by older pages for video; no longer used.
  otherLiveOrigins: ['https://graph-video.facebook.com'],
  versionPattern: /^v\d+\.\d+$/,
  create: createFacebook,
  connect: (options) => connectFacebook(options, defaults),
};

// Limits

/** Meta does not document how far its lists lag behind a commit. */
const defaults: Timings = {
  commitTimeoutMs: 30_000,
  pollIntervalMs: 5_000,
  processingTimeoutMs: 600_000,
  settleMs: 30_000,
  blindWaitMs: 0,
};
const mediaUrlSeconds = 3_600;
/** How long `confirm` waits for a video to appear before it asks to be called again. */
const confirmWaitMs = 40_000;

/** One adapter for pages; people's own timelines cannot be published to. */
export function createFacebook(options: AdapterOptions) {
  const graph = createGraph(options, { name: 'Facebook', host: 'graph', defaults, mapError });
  const permalinkOf = (address: string): string => new URL(address, options.permalinkBaseUrl).href;
  return {
    page: {
      publisher: createPublisher(graph, permalinkOf),
      preparer: createPreparer(graph),
      finder: createFinder(graph, permalinkOf),
      replier: createReplier(graph),
      remover: createRemover(graph),
      amender: createAmender(graph),
    },
  };
}

// Methods

function createPublisher(graph: Graph, permalinkOf: PermalinkOf): Publisher {
  return {
    platform: 'facebook',
    kinds: ['page'],
    commitTimeoutMs: graph.timings.commitTimeoutMs,
    commit: async (account, content, handle, context) => {
      const { edge, body, what, publicIdOf } = mapCommit(content, handle);
      const answer = await graph.post(account.accessToken, context, {
        path: path`/${account.externalId}/${edge}`,
        body,
        what,
        timeoutMs: graph.timings.commitTimeoutMs,
      });
      return { publicId: publicIdOf(answer), permalink: null };
    },
    confirm: (account, publicId, context) =>
      isPagePost(publicId)
        ? confirmPost(graph, account, publicId, context)
        : confirmVideoOrStory(graph, account, publicId, context, permalinkOf),
  };
}

async function confirmPost(
  graph: Graph,
  account: Account,
  publicId: string,
  context: CallContext,
): Promise<Receipt> {
  const what = 'Facebook post';
  const { permalink_url: permalink } = await graph.get(account.accessToken, context, {
    path: path`/${publicId}`,
    query: 'fields=id,permalink_url',
    what,
  });
  if (typeof permalink === 'string') return { publicId, permalink };
  throw new OutcomeError('unexpected-response', `${what}: no permalink_url in the answer`);
}

/** A video's id and a story's look alike; what is no video is looked for among the stories. */
async function confirmVideoOrStory(
  graph: Graph,
  account: Account,
  publicId: string,
  context: CallContext,
  permalinkOf: PermalinkOf,
): Promise<Receipt> {
  try {
    const permalink = await waitForVideo(graph, account, publicId, context);
    return { publicId, permalink: permalinkOf(permalink) };
  } catch (error) {
    if (!isNoVideo(error)) throw error;
  }
  const stories = await listStories(graph, account, context);
  const story = stories.find(({ postId }) => postId === publicId);
  if (story) return { publicId, permalink: permalinkOf(story.url) };
  const message = `Facebook does not list the story ${publicId} yet`;
  throw new OutcomeError('unavailable', message, { sent: false, retryAfterMs: shownRetryMs });
}

/** A refusal, or an answer of another shape; a video that has failed is one all the same. */
const isNoVideo = (error: unknown): boolean =>
  error instanceof OutcomeError &&
  !error.details.handleIsDead &&
  ['rejected', 'unexpected-response'].includes(error.code);

/** Facebook takes a video first and processes it then: it has an address before, and can be seen there after. */
async function waitForVideo(
  graph: Graph,
  account: Account,
  videoId: string,
  context: CallContext,
): Promise<string> {
  const timings = {
    ...graph.timings,
    processingTimeoutMs: Math.min(confirmWaitMs, graph.timings.processingTimeoutMs),
  };
  let permalink: string | null = null;
  await waitUntilReady({ ...graph, timings }, context, {
    ids: [videoId],
    nameOf: (id) => `video ${id}`,
    isReady: async (id) => {
      const video = await readVideo(graph, account, id, context);
      if (isGivenUp(video)) throw mapGivenUp(video);
      permalink = video.permalink;
      return video.publishing === 'published' && permalink !== null;
    },
  });
  return permalink ?? `/${videoId}`;
}

function createPreparer(graph: Graph): Preparer {
  return {
    prepare: async (account, content, media, context) => {
      assertCarries(content);
      const [item] = content.media;
      switch (content.type) {
        case 'TEXT_ONLY':
          return { ids: {}, expiresAt: null };
        case 'SINGLE_IMAGE':
        case 'CAROUSEL':
          return preparePhotos(graph, account, content.media, media, context);
        case 'VIDEO': {
          const ids = await uploadInChunks({ graph, account, item: item!, media, context });
          return { ids: { ...ids }, expiresAt: null };
        }
        case 'REEL':
          return prepareVideo(graph, account, item!, media, context, 'video_reels');
        case 'STORY':
          return isVideo(item!)
            ? prepareVideo(graph, account, item!, media, context, 'video_stories')
            : preparePhotos(graph, account, content.media, media, context);
        default:
          return unreachable(content.type, 'type of post');
      }
    },
  };
}

/**
 * Uploads pictures that no post uses yet; a single one, too, so that the commit is small and the picture's id tells our
 * post from all others. How long Facebook keeps such a picture is not documented.
 */
// https://developers.facebook.com/documentation/pages-api/posts (read 2026-11-21)
async function preparePhotos(
  graph: Graph,
  account: Account,
  items: readonly MediaItem[],
  media: MediaAccess,
  context: CallContext,
): Promise<PreparedHandle> {
  const photoIds: string[] = [];
  for (const item of items) {
    context.progress(`Uploading picture ${item.mediaId} to Facebook`);
    const url = await addressToPull(media, item, mediaUrlSeconds);
    const what = 'Facebook photo upload';
    const body = await graph.post(account.accessToken, context, {
      path: path`/${account.externalId}/photos`,
      body: { url, published: false, ...(item.altText && { alt_text_custom: item.altText }) },
      what,
      secrets: [url],
    });
    photoIds.push(idOf(body, what));
  }
  return { ids: { photoIds }, expiresAt: null };
}

/** After what time an unpublished video is `expired` is not documented: its state is asked when there is doubt. */
async function prepareVideo(
  graph: Graph,
  account: Account,
  item: MediaItem,
  media: MediaAccess,
  context: PrepareContext,
  edge: ThreePhaseEdge,
): Promise<PreparedHandle> {
  const videoId = await uploadForThreePhases({ graph, account, item, media, context }, edge);
  return { ids: { videoId }, expiresAt: null };
}

function createRemover(graph: Graph): Remover {
  return {
    remove: async (account, publicId, context) => {
      const what = 'Facebook removal';
      try {
        const body = await graph.remove(account.accessToken, context, { path: path`/${publicId}`, what });
        requireSuccess(body, what);
      } catch (error) {
        // "Does not exist": it is gone already.
        if (!(error instanceof OutcomeError && error.details.platformCode === objectGone)) throw error;
      }
    },
  };
}

/** Only what the same application has made can be changed. */
// https://developers.facebook.com/documentation/pages-api/posts (read 2026-11-21)
function createAmender(graph: Graph): Amender {
  const refuses: Amender['refuses'] = ({ type }) =>
    type === 'STORY' ? 'A story on Facebook has no text' : null;
  return {
    changesTitle: false,
    refuses,
    amend: async (account, publicId, content, context) => {
      const reason = refuses(content);
      if (reason) throw new OutcomeError('rejected', reason, { sent: false });
      const what = 'Facebook change of a text';
      const body = await graph.post(account.accessToken, context, {
        path: path`/${publicId}`,
        body: isPagePost(publicId) ? { message: content.text } : { description: content.text },
        what,
      });
      requireSuccess(body, what);
    },
  };
}

// Pure mappers

interface Commit {
  readonly edge: 'feed' | 'videos' | 'photo_stories' | ThreePhaseEdge;
  readonly body: GraphBody;
  readonly what: string;
  readonly publicIdOf: (answer: GraphBody) => string;
}

/** The one public call of each type. Refuses, before anything is sent, what the prepared handle does not cover. */
function mapCommit(content: PublicContent, handle: PreparedHandle | null): Commit {
  assertCarries(content);
  switch (content.type) {
    case 'TEXT_ONLY':
    case 'SINGLE_IMAGE':
    case 'CAROUSEL': {
      const what = 'Facebook post creation';
      const body = mapPost(content, handle);
      return { edge: 'feed', body, what, publicIdOf: (answer) => idOf(answer, what) };
    }
    case 'VIDEO':
      return mapFinish('videos', 'Facebook video publishing', content, handle, {
        upload_session_id: requireId(handle, 'sessionId'),
        published: true,
      });
    case 'REEL':
      return mapFinish('video_reels', 'Facebook reel publishing', content, handle, {
        video_id: requireId(handle, 'videoId'),
        video_state: 'PUBLISHED',
      });
    case 'STORY':
      return mapStory(content, handle);
    default:
      return unreachable(content.type, 'type of post');
  }
}

function mapPost(content: PublicContent, handle: PreparedHandle | null): GraphBody {
  const photoIds = photoIdsOf(handle);
  const count = content.media.length;
  if (photoIds.length !== count) {
    const message = `The prepared handle has ${photoIds.length} pictures, the post ${count}`;
    throw new OutcomeError('unavailable', message, { sent: false, handleIsDead: true });
  }
  return {
    ...(content.text !== '' && { message: content.text }),
    ...(typeof content.options?.link === 'string' && { link: content.options.link }),
    ...(count > 0 && { attached_media: photoIds.map((id) => ({ media_fbid: id })) }),
    published: true,
  };
}

/** The last phase of an upload. Facebook answers that it has taken it; the video has had its id from the start. */
function mapFinish(
  edge: 'videos' | 'video_reels',
  what: string,
  { text, title }: PublicContent,
  handle: PreparedHandle | null,
  fields: GraphBody,
): Commit {
  const videoId = requireId(handle, 'videoId');
  const texts = { ...(title && { title }), ...(text !== '' && { description: text }) };
  const publicIdOf = (answer: GraphBody): string => {
    requireSuccess(answer, what);
    return videoId;
  };
  return { edge, body: { upload_phase: 'finish', ...fields, ...texts }, what, publicIdOf };
}

function mapStory(content: PublicContent, handle: PreparedHandle | null): Commit {
  const what = 'Facebook story publishing';
  const publicIdOf = (answer: GraphBody): string => {
    requireSuccess(answer, what);
    const { post_id: id } = answer;
    if (typeof id === 'string' && id !== '') return id;
    throw new OutcomeError('unexpected-response', `${what}: no post_id in the answer`);
  };
  if (isVideo(content.media[0]!)) {
    const body = { upload_phase: 'finish', video_id: requireId(handle, 'videoId') };
    return { edge: 'video_stories', body, what, publicIdOf };
  }
  const [photoId] = photoIdsOf(handle);
  if (photoId === undefined) throw nothingPrepared('picture');
  return { edge: 'photo_stories', body: { photo_id: photoId }, what, publicIdOf };
}

function assertCarries(content: PublicContent): void {
  assertSupported('facebook', content);
  const { type, media } = content;
  const wantsVideo = type === 'VIDEO' || type === 'REEL';
  if (type !== 'STORY' && media.some((item) => isVideo(item) !== wantsVideo)) {
    const message = `Facebook ${type} takes ${wantsVideo ? 'a video' : 'pictures'} alone`;
    throw new OutcomeError('rejected', message, { sent: false });
  }
}

const isVideo = ({ contentType }: MediaItem): boolean => isVideoType(contentType);

/** `{page}_{post}`; videos and stories have ids of one part. */
const isPagePost = (publicId: string): boolean => publicId.includes('_');

function requireId(handle: PreparedHandle | null, name: 'videoId' | 'sessionId'): string {
  const id = handle?.ids[name];
  if (typeof id === 'string' && id !== '') return id;
  throw nothingPrepared('video');
}

const nothingPrepared = (what: string): OutcomeError =>
  unprepared(`Facebook publishing: no ${what} was prepared`);

function requireSuccess(body: GraphBody, what: string): void {
  if (body.success === true) return;
  throw new OutcomeError('unexpected-response', `${what}: the answer does not say that it was done`);
}

/** "Object does not exist, cannot be loaded due to missing permissions, or does not support this operation." */
const objectGone = '100/33';

/** The same pictures as in an earlier post, second-hand. It may be our own earlier attempt: looked up before anything else. */
const alreadyPosted = 1366051;

/** The page or the person must prove who they are first (second-hand); connecting again does not help. */
const identityNeeded: ReadonlySet<number> = new Set([1404078, 4854002]);

// Codes of the upload that are worth another try. https://developers.facebook.com/docs/video-api/reference/error-codes/ and
// https://developers.facebook.com/docs/graph-api/reference/ad-account/advideos/ (read 2026-11-21); the last two second-hand.
const uploadTrouble: ReadonlySet<number> = new Set([389, 6000, 6001, 1363047, 1609010]);
const chunkTrouble: ReadonlySet<number> = new Set([1363019, 1363030, 1363033, 1363037]);

/** What is Facebook's own among the codes of the Graph API. */
function mapError({ code, subcode, details, message }: GraphError): OutcomeError | null {
  const isOneOf = (codes: ReadonlySet<number>): boolean => codes.has(code) || codes.has(subcode);
  if (isOneOf(identityNeeded)) return new OutcomeError('rejected', message, details);
  // A chunk is never public; where to go on is asked by the next attempt.
  if (isOneOf(chunkTrouble)) return new OutcomeError('unavailable', message, { ...details, sent: false });
  if (isOneOf(uploadTrouble) || subcode === alreadyPosted)
    return new OutcomeError('unavailable', message, { ...details, sent: true });
  return null;
}
