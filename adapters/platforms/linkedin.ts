import { OutcomeError } from '../../domain/outcome.ts';
import type { AccountKind } from '../../domain/post.ts';
import { comparable } from './comparable.ts';
import type { AdapterOptions, PlatformDefinition } from './definition.ts';
import { type AnswerHeaders, isObject, path } from './http.ts';
import { type LinkedInApi, openApi, requestTo } from './linkedin-api.ts';
import { createReplier } from './linkedin-comments.ts';
import { createLinkedInConnector } from './linkedin-connector.ts';
import { uploadImage, waitForMedia } from './linkedin-media.ts';
import { uploadVideo } from './linkedin-video.ts';
import { escapeLittleText, unescapeLittleText } from './little-text.ts';
import type {
  Account,
  Amender,
  CallContext,
  Finder,
  FindQuery,
  FindResult,
  PreparedHandle,
  Preparer,
  PublicContent,
  Publisher,
  Receipt,
  Remover,
} from './publisher.ts';
import { assertSupported } from './supported.ts';

// Endpoints

// https://learn.microsoft.com/en-us/linkedin/marketing/versioning (read 2026-11-21)
export const linkedin: PlatformDefinition = {
  live: {
    hosts: {
      api: 'https://api.linkedin.com',
      oauth: 'https://www.linkedin.com',
      token: 'https://www.linkedin.com',
    },
    // The newest monthly version at the time of reading; each lives about a year.
    version: '202609',
    uploadOrigins: ['https://www.linkedin.com'],
    permalinkBaseUrl: 'https://www.linkedin.com',
  },
  versionPattern: /^\d{6}$/,
  create: createLinkedIn,
  connect: createLinkedInConnector,
};

// Limits

const findPageSize = 10;
const findPages = 5;
/** Our clock and LinkedIn's may differ by this much when a post's time is compared with the window of a commit. */
const clockSkewMs = 60_000;

/** One adapter per kind of account. A member's own posts cannot be read back, so `member` has no finder. */
// `r_member_social` is closed: https://learn.microsoft.com/en-us/linkedin/marketing/community-management/shares/posts-api (read 2026-11-21)
export function createLinkedIn(options: AdapterOptions) {
  const api = openApi(options);
  const both = { preparer: createPreparer(api), remover: createRemover(api), amender: createAmender(api) };
  return {
    member: { ...both, publisher: createPublisher(api, 'member'), replier: createReplier(api, 'member') },
    organization: {
      ...both,
      publisher: createPublisher(api, 'organization'),
      finder: createFinder(api),
      replier: createReplier(api, 'organization'),
    },
  };
}

// Methods

function createPublisher(api: LinkedInApi, kind: AccountKind): Publisher {
  const permalink = (urn: string): string => `${api.permalinkBaseUrl}/feed/update/${urn}`;
  return {
    platform: 'linkedin',
    kinds: [kind],
    commitTimeoutMs: api.timings.commitTimeoutMs,
    commit: async (account, content, handle, context) => {
      const body = mapPost(account, content, handle);
      const call = { method: 'POST', path: '/rest/posts', body, what: 'LinkedIn post creation' } as const;
      const { commitTimeoutMs: timeoutMs } = api.timings;
      const reply = await api.http.send(requestTo(api, account, context, { ...call, timeoutMs }));
      const urn = parsePostUrn(reply.status, reply.headers);
      return { publicId: urn, permalink: permalink(urn) };
    },
    // The address follows from the URN, so nothing is asked; a member's token could not ask.
    // https://learn.microsoft.com/en-us/linkedin/marketing/community-management/shares/posts-api (read 2026-11-21)
    confirm: async (_account, publicId) => ({ publicId, permalink: permalink(publicId) }),
  };
}

function createPreparer(api: LinkedInApi): Preparer {
  return {
    prepare: async (account, content, media, context) => {
      assertSupported('linkedin', content);
      // How long LinkedIn keeps a picture or video no post uses is not documented.
      const handleOf = (ids: PreparedHandle['ids']): PreparedHandle => ({ ids, expiresAt: null });
      if (content.type === 'VIDEO') {
        const videoUrn = await uploadVideo(api, account, content.media[0]!, media, context);
        await waitForMedia(api, account, 'video', [videoUrn], context);
        return handleOf({ videoUrn });
      }
      const imageUrns: string[] = [];
      for (const item of content.media) {
        imageUrns.push(await uploadImage(api, account, item, media, context));
      }
      await waitForMedia(api, account, 'image', imageUrns, context);
      return handleOf({ imageUrns });
    },
  };
}

function createFinder(api: LinkedInApi): Finder {
  return {
    settleMs: api.timings.settleMs,
    find: async (account, query, context) => {
      for (let page = 0; page < findPages; page++) {
        const posts = await listPosts(api, account, page * findPageSize, context);
        const found = posts.find((post) => isSamePost(post, query));
        if (found) return mapFound(found, `${api.permalinkBaseUrl}/feed/update/${found.urn}`);
        const unclear = posts.find((post) => isUnclear(post, query));
        if (unclear)
          return { kind: 'cannot-tell', reason: `${unclear.urn} has the same text and no pictures` };
        if (posts.length < findPageSize || reachesBefore(posts, query.sentAfter))
          return { kind: 'absent', proof: 'read' };
      }
      const seen = findPages * findPageSize;
      return { kind: 'cannot-tell', reason: `the window lies behind the ${seen} posts changed last` };
    },
  };
}

async function listPosts(
  api: LinkedInApi,
  account: Account,
  start: number,
  context: CallContext,
): Promise<readonly ListedPost[]> {
  const query = `q=author&author=${encodeURIComponent(account.externalId)}&count=${findPageSize}&start=${start}&sortBy=LAST_MODIFIED`;
  const { body } = await api.http.sendJson(
    requestTo(api, account, context, {
      method: 'GET',
      path: `/rest/posts?${query}`,
      restliMethod: 'FINDER',
      what: "LinkedIn list of an organisation's posts",
    }),
  );
  return parsePosts(body);
}

// https://learn.microsoft.com/en-us/linkedin/marketing/community-management/shares/posts-api#delete-posts (read 2026-11-21)
function createRemover(api: LinkedInApi): Remover {
  return {
    remove: async (account, publicId, context) => {
      try {
        await api.http.send(
          requestTo(api, account, context, {
            method: 'DELETE',
            path: path`/rest/posts/${publicId}`,
            restliMethod: 'DELETE',
            what: 'LinkedIn post removal',
          }),
        );
      } catch (error) {
        // LinkedIn calls it a success to delete what is gone; one that is unknown is gone as well.
        if (error instanceof OutcomeError && error.details.status === 404) return;
        throw error;
      }
    },
  };
}

/** The text alone can be changed: media stays as it was published. */
// https://learn.microsoft.com/en-us/linkedin/marketing/community-management/shares/posts-api#update-posts (read 2026-11-21)
function createAmender(api: LinkedInApi): Amender {
  return {
    changesTitle: false,
    refuses: () => null,
    amend: async (account, publicId, content, context) => {
      await api.http.send(
        requestTo(api, account, context, {
          method: 'POST',
          path: path`/rest/posts/${publicId}`,
          restliMethod: 'PARTIAL_UPDATE',
          body: { patch: { $set: { commentary: escapeLittleText(content.text) } } },
          what: 'LinkedIn post update',
        }),
      );
    },
  };
}

// Pure mappers

/** The body of the one public call. Refuses, before anything is sent, what the prepared handle does not cover. */
function mapPost(
  account: Account,
  content: PublicContent,
  handle: PreparedHandle | null,
): Record<string, unknown> {
  const post = {
    author: account.externalId,
    commentary: escapeLittleText(content.text),
    visibility: 'PUBLIC',
    distribution: { feedDistribution: 'MAIN_FEED', targetEntities: [], thirdPartyDistributionChannels: [] },
    lifecycleState: 'PUBLISHED',
    isReshareDisabledByAuthor: false,
  };
  assertSupported('linkedin', content);
  switch (content.type) {
    case 'TEXT_ONLY':
      return post;
    case 'SINGLE_IMAGE':
      return { ...post, content: { media: mapImages(content, handle)[0] } };
    case 'VIDEO':
      return { ...post, content: { media: mapVideo(content, handle) } };
    // LinkedIn's own carousel exists for advertisements only; several pictures are a multiImage post.
    // https://learn.microsoft.com/en-us/linkedin/marketing/community-management/shares/multiimage-post-api (read 2026-11-21)
    case 'CAROUSEL':
      return { ...post, content: { multiImage: { images: mapImages(content, handle) } } };
    default:
      throw new OutcomeError('rejected', `LinkedIn posts of type ${content.type} are not supported`, {
        sent: false,
      });
  }
}

function mapImages(
  content: PublicContent,
  handle: PreparedHandle | null,
): { id: string; altText?: string }[] {
  const urns = imageUrnsOf(handle);
  const count = content.media.length;
  if (urns.length !== count) {
    const message = `The prepared handle has ${urns.length} pictures, the post ${count}`;
    throw new OutcomeError('unavailable', message, { sent: false, handleIsDead: true });
  }
  return content.media.map((item, index) => ({
    id: urns[index]!,
    ...(item.altText ? { altText: item.altText } : {}),
  }));
}

function mapVideo(content: PublicContent, handle: PreparedHandle | null): { id: string; altText?: string } {
  const id = handle?.ids.videoUrn;
  if (typeof id !== 'string') {
    const message = 'The prepared handle has no video';
    throw new OutcomeError('unavailable', message, { sent: false, handleIsDead: true });
  }
  const altText = content.media[0]?.altText;
  return { id, ...(altText ? { altText } : {}) };
}

/** What of LinkedIn's a handle holds: it belongs to one attempt alone. */
function mediaUrnsOf(handle: PreparedHandle | null): readonly string[] {
  const videoUrn = handle?.ids.videoUrn;
  return typeof videoUrn === 'string' ? [videoUrn] : imageUrnsOf(handle);
}

function imageUrnsOf(handle: PreparedHandle | null): readonly string[] {
  const urns = handle?.ids.imageUrns ?? [];
  return typeof urns === 'string' ? [urns] : urns;
}

// LinkedIn answers 201 with the URN in a header and no body.
// https://learn.microsoft.com/en-us/linkedin/marketing/community-management/shares/posts-api (read 2026-11-21)
function parsePostUrn(status: number, headers: AnswerHeaders): string {
  const urn = headers.get('x-restli-id') ?? '';
  if (status !== 201 || !/^urn:li:(share|ugcPost):[\w-]+$/.test(urn)) {
    const message = `LinkedIn post creation: answer ${status} without a post's URN in x-restli-id`;
    throw new OutcomeError('unexpected-response', message, { status });
  }
  return urn;
}

interface ListedPost {
  readonly urn: string;
  readonly commentary: string;
  readonly lifecycleState: string;
  readonly publishedAt: number;
  readonly lastModifiedAt: number;
  readonly mediaUrns: readonly string[];
}

function parsePosts(body: Readonly<Record<string, unknown>>): readonly ListedPost[] {
  if (!Array.isArray(body.elements)) {
    throw new OutcomeError(
      'unexpected-response',
      "LinkedIn list of an organisation's posts: no elements in the answer",
    );
  }
  return body.elements.map(parsePost);
}

function parsePost(element: unknown): ListedPost {
  const post = isObject(element) ? element : {};
  const publishedAt = post.publishedAt ?? post.createdAt;
  if (typeof post.id !== 'string' || typeof publishedAt !== 'number') {
    throw new OutcomeError('unexpected-response', 'LinkedIn list of posts: an element has no id or no time');
  }
  return {
    urn: post.id,
    commentary: typeof post.commentary === 'string' ? post.commentary : '',
    lifecycleState: typeof post.lifecycleState === 'string' ? post.lifecycleState : 'PUBLISHED',
    publishedAt,
    lastModifiedAt: typeof post.lastModifiedAt === 'number' ? post.lastModifiedAt : publishedAt,
    mediaUrns: parseMediaUrns(post.content),
  };
}

function parseMediaUrns(content: unknown): readonly string[] {
  if (!isObject(content)) return [];
  const single = isObject(content.media) ? [content.media] : [];
  const multi =
    isObject(content.multiImage) && Array.isArray(content.multiImage.images) ? content.multiImage.images : [];
  return [...single, ...multi].flatMap((media) =>
    isObject(media) && typeof media.id === 'string' ? [media.id] : [],
  );
}

/** The URN of a picture or video belongs to one attempt and decides by itself; a text is compared together with its time. */
function isSamePost(post: ListedPost, query: FindQuery): boolean {
  const urns = mediaUrnsOf(query.handle);
  if (urns.length === 0) return post.mediaUrns.length === 0 && hasSameTextAndTime(post, query);
  return urns.length === post.mediaUrns.length && urns.every((urn, index) => urn === post.mediaUrns[index]);
}

/** Ours by text and time, listed without the pictures that would tell: no proof of absence. */
const isUnclear = (post: ListedPost, query: FindQuery): boolean =>
  mediaUrnsOf(query.handle).length > 0 && post.mediaUrns.length === 0 && hasSameTextAndTime(post, query);

function hasSameTextAndTime(post: ListedPost, query: FindQuery): boolean {
  const from = query.sentAfter.getTime() - clockSkewMs;
  const to = query.sentBefore.getTime() + clockSkewMs;
  if (post.publishedAt < from || post.publishedAt > to) return false;
  const sent = comparable(query.content.text);
  return comparable(post.commentary) === sent || comparable(unescapeLittleText(post.commentary)) === sent;
}

/** A post is changed at or after it is published: a page that reaches back before the window ends the search. */
function reachesBefore(posts: readonly ListedPost[], sentAfter: Date): boolean {
  return posts.some((post) => post.lastModifiedAt < sentAfter.getTime() - clockSkewMs);
}

function mapFound(post: ListedPost, permalink: string): FindResult {
  if (post.lifecycleState === 'PUBLISH_FAILED') {
    return { kind: 'cannot-tell', reason: `${post.urn} was created and is not visible (PUBLISH_FAILED)` };
  }
  const receipt: Receipt = { publicId: post.urn, permalink };
  return { kind: 'found', receipt };
}
