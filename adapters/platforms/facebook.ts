import { OutcomeError } from '../../domain/outcome.ts';
import { unreachable } from '../../domain/post.ts';
import type { ConnectableAccount, Connector } from './connector.ts';
import type { AdapterOptions, PlatformDefinition, Timings } from './definition.ts';
import { createFacebookLogin, type FacebookPage, pageObstacle } from './facebook-login.ts';
import {
  isGivenUp,
  mapGivenUp,
  readVideo,
  type ThreePhaseEdge,
  uploadForThreePhases,
  uploadInChunks,
  type Video,
} from './facebook-videos.ts';
import {
  createGraph,
  dataOf,
  fetchableUrl,
  type Graph,
  type GraphBody,
  type GraphError,
  idOf,
  parseGraphTime,
  waitUntilReady,
} from './graph.ts';
import { isObject, path } from './http.ts';
import type {
  Account,
  Amender,
  CallContext,
  Finder,
  FindQuery,
  FindResult,
  MediaAccess,
  MediaItem,
  PrepareContext,
  PreparedHandle,
  Preparer,
  PublicContent,
  Publisher,
  Receipt,
  Remover,
  Replier,
} from './publisher.ts';

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
  connect: connectFacebook,
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
const processingRetryMs = 10_000;
const shownRetryMs = 10_000;
/** Our clock and Facebook's may differ by this much when a post's time is compared with the window of a commit. */
const clockSkewMs = 60_000;
const listedPosts = 100;
const listedStories = 100;
const listedComments = 50;
/** Older stories are listed only where the page keeps an archive of them. An hour less than a story lives. */
const storyListingMs = 23 * 3_600_000;

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

/** Facebook writes the addresses of videos without a host. */
type PermalinkOf = (address: string) => string;

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
    const isNoVideo =
      error instanceof OutcomeError && error.code === 'rejected' && !error.details.handleIsDead;
    if (!isNoVideo) throw error;
  }
  const stories = await listStories(graph, account, context);
  const story = stories.find(({ postId }) => postId === publicId);
  if (story) return { publicId, permalink: permalinkOf(story.url) };
  const message = `Facebook does not list the story ${publicId} yet`;
  throw new OutcomeError('unavailable', message, { sent: false, retryAfterMs: shownRetryMs });
}

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
      assertSupported(content);
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
    const url = await fetchableUrl(media, item, mediaUrlSeconds);
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

function createFinder(graph: Graph, permalinkOf: PermalinkOf): Finder {
  return {
    settleMs: graph.timings.settleMs,
    find: (account, query, context) => {
      switch (query.content.type) {
        case 'VIDEO':
        case 'REEL':
          return findVideo(graph, account, query, context, permalinkOf);
        case 'STORY':
          return findStory(graph, account, query, context, permalinkOf);
        case 'TEXT_ONLY':
        case 'SINGLE_IMAGE':
        case 'CAROUSEL':
          return findPost(graph, account, query, context);
        default:
          return unreachable(query.content.type, 'type of post');
      }
    },
  };
}

async function findPost(
  graph: Graph,
  account: Account,
  query: FindQuery,
  context: CallContext,
): Promise<FindResult> {
  const photoIds = photoIdsOf(query.handle);
  if (query.content.media.length !== photoIds.length)
    return { kind: 'cannot-tell', reason: 'the uploaded pictures are not known' };
  const posts = await listPosts(graph, account, query, context);
  const found =
    photoIds.length > 0
      ? matchPictures(posts, photoIds, query)
      : await matchText(graph, account, posts, query, context);
  if (found) return found;
  if (posts.length >= listedPosts)
    return { kind: 'cannot-tell', reason: `the page has ${listedPosts} posts or more since then` };
  return { kind: 'absent', proof: 'read' };
}

/** Pictures belong to one attempt and decide by themselves; a post listed without them proves nothing. */
function matchPictures(
  posts: readonly ListedPost[],
  photoIds: readonly string[],
  query: FindQuery,
): FindResult | null {
  const found = posts.find(
    ({ mediaIds }) => mediaIds.length === photoIds.length && photoIds.every((id) => mediaIds.includes(id)),
  );
  if (found) return mapFound(found);
  const unclear = posts.find((post) => post.mediaIds.length === 0 && hasSameTextAndTime(post, query));
  return unclear
    ? { kind: 'cannot-tell', reason: `${unclear.id} has the same text and no pictures that could be read` }
    : null;
}

/** A person may have written the same words on the page: ours is the one of the application whose token we use. */
async function matchText(
  graph: Graph,
  account: Account,
  posts: readonly ListedPost[],
  query: FindQuery,
  context: CallContext,
): Promise<FindResult | null> {
  const alike = posts.filter((post) => !post.hasMedia && hasSameTextAndTime(post, query));
  if (alike.length === 0) return null;
  const applicationId = await readApplicationId(graph, account, context);
  const ours = alike.filter((post) => post.applicationId === applicationId);
  if (ours.length > 1)
    return { kind: 'cannot-tell', reason: `${ours.length} listed posts fit text and time` };
  if (ours[0]) return mapFound(ours[0]);
  const unclear = alike.find((post) => post.applicationId === null);
  return unclear
    ? { kind: 'cannot-tell', reason: `${unclear.id} has the same text and does not say who made it` }
    : null;
}

async function listPosts(
  graph: Graph,
  account: Account,
  query: FindQuery,
  context: CallContext,
): Promise<readonly ListedPost[]> {
  const fields = 'id,message,created_time,permalink_url,application,attachments';
  const since = Math.floor((query.sentAfter.getTime() - clockSkewMs) / 1_000);
  const what = 'Facebook list of posts';
  const body = await graph.get(account.accessToken, context, {
    path: path`/${account.externalId}/published_posts`,
    query: `fields=${fields}&since=${since}&limit=${listedPosts}`,
    what,
  });
  return dataOf(body, what).map((post) => parsePost(post, what));
}

/** The application that a token belongs to. Second-hand: the alias `app` stands on no page of the reference. */
async function readApplicationId(graph: Graph, account: Account, context: CallContext): Promise<string> {
  const what = 'Facebook application';
  const query = 'fields=id';
  return idOf(await graph.get(account.accessToken, context, { path: '/app', query, what }), what);
}

/** A video's id stands for one video, so its state proves what became of the commit. */
async function findVideo(
  graph: Graph,
  account: Account,
  query: FindQuery,
  context: CallContext,
  permalinkOf: PermalinkOf,
): Promise<FindResult> {
  const videoId = videoIdOf(query.handle);
  if (videoId === null) return { kind: 'cannot-tell', reason: 'no video is known' };
  const video = await readVideo(graph, account, videoId, context);
  if (video.publishing !== 'published') return mapUnpublished(video);
  const permalink = video.permalink === null ? null : permalinkOf(video.permalink);
  return { kind: 'found', receipt: { publicId: videoId, permalink } };
}

async function findStory(
  graph: Graph,
  account: Account,
  query: FindQuery,
  context: CallContext,
  permalinkOf: PermalinkOf,
): Promise<FindResult> {
  const videoId = videoIdOf(query.handle);
  const mediaId = videoId ?? photoIdsOf(query.handle)[0];
  if (mediaId === undefined) return { kind: 'cannot-tell', reason: 'no picture or video is known' };
  const stories = await listStories(graph, account, context);
  const story = stories.find((listed) => listed.mediaId === mediaId);
  if (story) return { kind: 'found', receipt: { publicId: story.postId, permalink: permalinkOf(story.url) } };
  if (videoId !== null) {
    const video = await readVideo(graph, account, videoId, context);
    if (video.publishing !== 'published') return mapUnpublished(video);
    return { kind: 'pending', reason: 'published, not listed yet', retryAfterMs: shownRetryMs };
  }
  if (stories.length >= listedStories)
    return { kind: 'cannot-tell', reason: `the page has ${listedStories} stories or more` };
  if (graph.now().getTime() - query.sentAfter.getTime() > storyListingMs)
    return { kind: 'cannot-tell', reason: 'a story of that time need not be listed any more' };
  return { kind: 'absent', proof: 'read' };
}

// https://developers.facebook.com/documentation/video-api/page-stories-api (read 2026-11-21)
async function listStories(
  graph: Graph,
  account: Account,
  context: CallContext,
): Promise<readonly ListedStory[]> {
  const what = 'Facebook list of stories';
  const body = await graph.get(account.accessToken, context, {
    path: path`/${account.externalId}/stories`,
    query: `fields=post_id,status,creation_time,media_type,media_id,url&limit=${listedStories}`,
    what,
  });
  return dataOf(body, what).map((story) => parseStory(story, what));
}

// https://developers.facebook.com/docs/graph-api/reference/object/comments (read 2026-11-21)
function createReplier(graph: Graph): Replier {
  return {
    reply: async (account, { text, parentId }, context) => {
      const what = 'Facebook comment';
      const body = await graph.post(account.accessToken, context, {
        path: path`/${parentId}/comments`,
        body: { message: text },
        what,
        timeoutMs: graph.timings.commitTimeoutMs,
      });
      return { publicId: idOf(body, what), permalink: null };
    },
    findReply: async (account, reply, window, context) => {
      const what = 'Facebook list of comments';
      const fields = 'id,message,from,created_time,permalink_url';
      const body = await graph.get(account.accessToken, context, {
        path: path`/${reply.parentId}/comments`,
        query: `fields=${fields}&filter=stream&order=reverse_chronological&limit=${listedComments}`,
        what,
      });
      const comments = dataOf(body, what).map((comment) => parseComment(comment, what));
      return matchComment(comments, account, reply.text, window);
    },
  };
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
  return {
    amend: async (account, publicId, content, context) => {
      if (content.type === 'STORY')
        throw new OutcomeError('rejected', 'A story on Facebook has no text', { sent: false });
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

// Connecting

const publishingScopes = ['pages_show_list', 'pages_read_engagement', 'pages_manage_posts'];

/**
 * Pages are connected through Facebook Login; each has a token of its own. Pages that a business holds may be missing from
 * a person's own list: they are found with `business_management`, which is asked for only where the platform app names it.
 */
function connectFacebook(options: AdapterOptions): Connector {
  const graph = createGraph(options, { name: 'Facebook', host: 'graph', defaults, mapError });
  const login = createFacebookLogin(options, graph, {
    // The last two are for comments.
    defaultScopes: [...publishingScopes, 'pages_manage_engagement', 'pages_read_user_content'],
    requiredScopes: publishingScopes,
    pageFields: [],
    mapPages: (pages) => pages.map(mapPage),
  });
  return {
    ...login,
    listAccounts: async (accessToken, context) => {
      const own = await login.listAccounts(accessToken, context);
      const known = new Set(own.map(({ externalId }) => externalId));
      const held = await readBusinessPages(graph, accessToken, context);
      return [...own, ...held.filter(({ id }) => !known.has(id)).map(mapPage)];
    },
  };
}

/** None where the permission was not given. */
async function readBusinessPages(
  graph: Graph,
  accessToken: string,
  context: CallContext,
): Promise<readonly FacebookPage[]> {
  const pages = new Map<string, FacebookPage>();
  try {
    const what = 'Facebook list of businesses';
    const query = 'fields=id&limit=100';
    const body = await graph.get(accessToken, context, { path: '/me/businesses', query, what });
    for (const business of dataOf(body, what)) {
      for (const edge of ['owned_pages', 'client_pages']) {
        const held = await listBusinessPages(graph, accessToken, idOf(business, what), edge, context);
        for (const page of held) pages.set(page.id, page);
      }
    }
  } catch (error) {
    // The person's own list was answered with the same token: it is this permission that is missing.
    const isForbidden = error instanceof OutcomeError && ['unauthorized', 'rejected'].includes(error.code);
    if (!isForbidden) throw error;
  }
  return [...pages.values()];
}

async function listBusinessPages(
  graph: Graph,
  accessToken: string,
  businessId: string,
  edge: string,
  context: CallContext,
): Promise<readonly FacebookPage[]> {
  const what = 'Facebook list of pages of a business';
  const body = await graph.get(accessToken, context, {
    path: path`/${businessId}/${edge}`,
    query: 'fields=id,name,access_token,tasks&limit=100',
    what,
  });
  return dataOf(body, what).map((page) => ({
    id: idOf(page, what),
    name: typeof page.name === 'string' ? page.name : idOf(page, what),
    accessToken: typeof page.access_token === 'string' ? page.access_token : null,
    tasks: Array.isArray(page.tasks) ? page.tasks.filter((task) => typeof task === 'string') : [],
    body: page,
  }));
}

const mapPage = (page: FacebookPage): ConnectableAccount => ({
  kind: 'page',
  externalId: page.id,
  name: page.name,
  accessToken: page.accessToken,
  obstacle: pageObstacle(page),
});

// Pure mappers

interface Commit {
  readonly edge: 'feed' | 'videos' | 'photo_stories' | ThreePhaseEdge;
  readonly body: GraphBody;
  readonly what: string;
  readonly publicIdOf: (answer: GraphBody) => string;
}

/** The one public call of each type. Refuses, before anything is sent, what the prepared handle does not cover. */
function mapCommit(content: PublicContent, handle: PreparedHandle | null): Commit {
  assertSupported(content);
  const { text, title } = content;
  switch (content.type) {
    case 'TEXT_ONLY':
    case 'SINGLE_IMAGE':
    case 'CAROUSEL': {
      const what = 'Facebook post creation';
      return {
        edge: 'feed',
        body: mapPost(content, handle),
        what,
        publicIdOf: (answer) => idOf(answer, what),
      };
    }
    case 'VIDEO': {
      const [videoId, sessionId] = [requireVideoId(handle), requireId(handle, 'sessionId')];
      const body = { upload_phase: 'finish', upload_session_id: sessionId, published: true };
      return {
        ...{ edge: 'videos', body: { ...body, ...mapTexts(text, title) }, what: 'Facebook video publishing' },
        publicIdOf: (answer) => requireSuccess(answer, 'Facebook video publishing') && videoId,
      };
    }
    case 'REEL': {
      const videoId = requireVideoId(handle);
      const body = { upload_phase: 'finish', video_id: videoId, video_state: 'PUBLISHED' };
      return {
        ...{
          edge: 'video_reels',
          body: { ...body, ...mapTexts(text, title) },
          what: 'Facebook reel publishing',
        },
        publicIdOf: (answer) => requireSuccess(answer, 'Facebook reel publishing') && videoId,
      };
    }
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

const mapTexts = (text: string, title: string | undefined): GraphBody => ({
  ...(title && { title }),
  ...(text !== '' && { description: text }),
});

function mapStory(content: PublicContent, handle: PreparedHandle | null): Commit {
  const what = 'Facebook story publishing';
  const publicIdOf = (answer: GraphBody): string => {
    requireSuccess(answer, what);
    const { post_id: id } = answer;
    if (typeof id === 'string' && id !== '') return id;
    throw new OutcomeError('unexpected-response', `${what}: no post_id in the answer`);
  };
  if (isVideo(content.media[0]!)) {
    const body = { upload_phase: 'finish', video_id: requireVideoId(handle) };
    return { edge: 'video_stories', body, what, publicIdOf };
  }
  const [photoId] = photoIdsOf(handle);
  if (photoId === undefined) throw unprepared('picture');
  return { edge: 'photo_stories', body: { photo_id: photoId }, what, publicIdOf };
}

const mediaCounts: Readonly<Record<PublicContent['type'], readonly [number, number]>> = {
  TEXT_ONLY: [0, 0],
  SINGLE_IMAGE: [1, 1],
  CAROUSEL: [2, 10],
  VIDEO: [1, 1],
  STORY: [1, 1],
  REEL: [1, 1],
};

function assertSupported({ type, media }: PublicContent): void {
  const [min, max] = mediaCounts[type];
  if (media.length < min || media.length > max) {
    const message = `Facebook ${type} cannot carry ${media.length} pictures or videos`;
    throw new OutcomeError('rejected', message, { sent: false });
  }
  const wantsVideo = type === 'VIDEO' || type === 'REEL';
  if (type !== 'STORY' && media.some((item) => isVideo(item) !== wantsVideo)) {
    const message = `Facebook ${type} takes ${wantsVideo ? 'a video' : 'pictures'} alone`;
    throw new OutcomeError('rejected', message, { sent: false });
  }
}

const isVideo = ({ contentType }: MediaItem): boolean => contentType.startsWith('video/');

/** `{page}_{post}`; videos and stories have ids of one part. */
const isPagePost = (publicId: string): boolean => publicId.includes('_');

function photoIdsOf(handle: PreparedHandle | null): readonly string[] {
  const ids = handle?.ids.photoIds ?? [];
  return typeof ids === 'string' ? [ids] : ids;
}

function videoIdOf(handle: PreparedHandle | null): string | null {
  const id = handle?.ids.videoId;
  return typeof id === 'string' && id !== '' ? id : null;
}

const requireVideoId = (handle: PreparedHandle | null): string => requireId(handle, 'videoId');

function requireId(handle: PreparedHandle | null, name: 'videoId' | 'sessionId'): string {
  const id = handle?.ids[name];
  if (typeof id === 'string' && id !== '') return id;
  throw unprepared('video');
}

const unprepared = (what: string): OutcomeError =>
  new OutcomeError('unavailable', `Facebook publishing: no ${what} was prepared`, {
    sent: false,
    handleIsDead: true,
  });

function requireSuccess(body: GraphBody, what: string): true {
  if (body.success === true) return true;
  throw new OutcomeError('unexpected-response', `${what}: the answer does not say that it was done`);
}

interface ListedPost {
  readonly id: string;
  readonly message: string;
  readonly createdAt: number;
  readonly permalink: string | null;
  readonly applicationId: string | null;
  readonly hasMedia: boolean;
  readonly mediaIds: readonly string[];
}

function parsePost(post: GraphBody, what: string): ListedPost {
  const { message, permalink_url: permalink, application } = post;
  const createdAt = parseGraphTime(post.created_time);
  if (createdAt === null) throw new OutcomeError('unexpected-response', `${what}: a post has no time`);
  const attachments = elementsOf(post.attachments);
  return {
    ...{ id: idOf(post, what), createdAt },
    // A post without text has no such field.
    message: typeof message === 'string' ? message : '',
    permalink: typeof permalink === 'string' ? permalink : null,
    applicationId: isObject(application) && typeof application.id === 'string' ? application.id : null,
    // `photo`, `album`, `video_inline`, `video_autoplay`; a link is a `share`.
    hasMedia: attachments.some(({ type }) => /photo|album|video/.test(String(type))),
    mediaIds: attachments.flatMap((attachment) => {
      const parts = elementsOf(attachment.subattachments);
      return (parts.length > 0 ? parts : [attachment]).flatMap(targetIdOf);
    }),
  };
}

const elementsOf = (list: unknown): readonly Record<string, unknown>[] =>
  isObject(list) && Array.isArray(list.data) ? list.data.filter(isObject) : [];

const targetIdOf = ({ target }: Record<string, unknown>): string[] =>
  isObject(target) && typeof target.id === 'string' ? [target.id] : [];

function mapFound({ id, permalink }: ListedPost): FindResult {
  return { kind: 'found', receipt: { publicId: id, permalink } };
}

/**
 * What a video that is not public says of the commit. Its state may lag behind, so it takes two reads to prove that it was
 * not committed; the same id, committed again, is still one video.
 */
function mapUnpublished(video: Video): FindResult {
  const { id, status, publishing } = video;
  if (isGivenUp(video)) {
    const error = mapGivenUp(video);
    return error.code === 'rejected'
      ? { kind: 'refused', error }
      : { kind: 'absent', proof: 'single-use-handle', handleIsDead: true };
  }
  // While it is processed, nothing tells one that will be published from one that nobody asked to publish.
  if (status === 'processing' || publishing === 'under-way')
    return { kind: 'pending', reason: `Facebook is processing video ${id}`, retryAfterMs: processingRetryMs };
  return { kind: 'absent', proof: 'read' };
}

interface ListedStory {
  readonly postId: string;
  readonly mediaId: string;
  readonly url: string;
}

function parseStory({ post_id: postId, media_id: mediaId, url }: GraphBody, what: string): ListedStory {
  if (typeof postId === 'string' && typeof mediaId === 'string')
    return { postId, mediaId, url: typeof url === 'string' ? url : `/stories/${postId}` };
  throw new OutcomeError('unexpected-response', `${what}: a story has no post_id or media_id`);
}

interface ListedComment {
  readonly id: string;
  readonly message: string;
  readonly createdAt: number;
  /** `null` where Facebook does not show who wrote it. */
  readonly authorId: string | null;
  readonly permalink: string | null;
}

function parseComment(comment: GraphBody, what: string): ListedComment {
  const { message, from, permalink_url: permalink } = comment;
  const createdAt = parseGraphTime(comment.created_time);
  if (createdAt === null) throw new OutcomeError('unexpected-response', `${what}: a comment has no time`);
  return {
    ...{ id: idOf(comment, what), createdAt },
    message: typeof message === 'string' ? message : '',
    authorId: isObject(from) && typeof from.id === 'string' ? from.id : null,
    permalink: typeof permalink === 'string' ? permalink : null,
  };
}

/** Comments come newest first: a full page that does not reach back before the window is no proof of absence. */
function matchComment(
  comments: readonly ListedComment[],
  account: Account,
  text: string,
  window: Pick<FindQuery, 'sentAfter' | 'sentBefore'>,
): FindResult {
  const alike = comments.filter(
    (comment) => comparable(comment.message) === comparable(text) && isWithin(comment.createdAt, window),
  );
  const ours = alike.find(({ authorId }) => authorId === account.externalId);
  if (ours) return { kind: 'found', receipt: { publicId: ours.id, permalink: ours.permalink } };
  const unclear = alike.find(({ authorId }) => authorId === null);
  if (unclear)
    return { kind: 'cannot-tell', reason: `${unclear.id} has the same text and does not say who wrote it` };
  const reachesBefore = comments.some(
    ({ createdAt }) => createdAt < window.sentAfter.getTime() - clockSkewMs,
  );
  if (comments.length >= listedComments && !reachesBefore)
    return { kind: 'cannot-tell', reason: `there are ${listedComments} comments or more since then` };
  return { kind: 'absent', proof: 'read' };
}

const hasSameTextAndTime = (post: ListedPost, query: FindQuery): boolean =>
  isWithin(post.createdAt, query) && comparable(post.message) === comparable(query.content.text);

const isWithin = (
  at: number,
  { sentAfter, sentBefore }: Pick<FindQuery, 'sentAfter' | 'sentBefore'>,
): boolean => at >= sentAfter.getTime() - clockSkewMs && at <= sentBefore.getTime() + clockSkewMs;

const comparable = (text: string): string => text.replace(/\r\n?/g, '\n').trim().normalize('NFC');

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
