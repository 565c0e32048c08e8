import { OutcomeError } from '../../domain/outcome.ts';
import { unreachable } from '../../domain/post.ts';
import { isGivenUp, mapGivenUp, readVideo, type Video } from './facebook-videos.ts';
import { dataOf, type Graph, type GraphBody, idOf, parseGraphTime } from './graph.ts';
import { isObject, path } from './http.ts';
import type { Account, CallContext, Finder, FindQuery, FindResult, PreparedHandle } from './publisher.ts';

/** What became of a commit: how posts, videos and stories of a page are found again. */

// Limits

const processingRetryMs = 10_000;
/** A story is asked for again after this time while it is not listed. */
export const shownRetryMs = 10_000;
const listedPosts = 100;
const listedStories = 100;
/** Our clock and Facebook's may differ by this much when a post's time is compared with the window of a commit. */
export const clockSkewMs = 60_000;
/** Older stories are listed only where the page keeps an archive of them. An hour less than a story lives. */
const storyListingMs = 23 * 3_600_000;

/** Facebook writes the addresses of videos without a host. */
export type PermalinkOf = (address: string) => string;

// Methods

export function createFinder(graph: Graph, permalinkOf: PermalinkOf): Finder {
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
export async function listStories(
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

// Pure mappers

/** The pictures that were uploaded for a post; empty for none. */
export function photoIdsOf(handle: PreparedHandle | null): readonly string[] {
  const ids = handle?.ids.photoIds ?? [];
  return typeof ids === 'string' ? [ids] : ids;
}

function videoIdOf(handle: PreparedHandle | null): string | null {
  const id = handle?.ids.videoId;
  return typeof id === 'string' && id !== '' ? id : null;
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

const hasSameTextAndTime = (post: ListedPost, query: FindQuery): boolean =>
  isWithin(post.createdAt, query) && comparable(post.message) === comparable(query.content.text);

/** Whether something may come from the commit that is asked about. */
export const isWithin = (
  at: number,
  { sentAfter, sentBefore }: Pick<FindQuery, 'sentAfter' | 'sentBefore'>,
): boolean => at >= sentAfter.getTime() - clockSkewMs && at <= sentBefore.getTime() + clockSkewMs;

/** A text as it is compared: Facebook may give it back with other line ends and composed otherwise. */
export const comparable = (text: string): string => text.replace(/\r\n?/g, '\n').trim().normalize('NFC');
