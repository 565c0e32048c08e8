import { OutcomeError } from '../../domain/outcome.ts';
import type { AdapterOptions, PlatformDefinition } from './definition.ts';
import { isObject, path, pause } from './http.ts';
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
  Replier,
} from './publisher.ts';
import {
  type Body,
  call,
  connectApi,
  dataOf,
  type Form,
  parseListing,
  type RedditApi,
} from './reddit-api.ts';
import { createRedditConnector } from './reddit-connect.ts';
import { checkSubreddit } from './reddit-subreddit.ts';
import { type MediaAddresses, uploadMedia } from './reddit-upload.ts';
import { assertSupported, unprepared } from './supported.ts';

// Endpoints

// Reddit has no specification. What stands here follows https://github.com/praw-dev/praw with the answers it has recorded, and
// https://www.reddit.com/dev/api/ in the copy of https://github.com/Pyprohly/reddit-api-doc-notes (read 2026-11-21).
export const reddit: PlatformDefinition = {
  live: {
    hosts: {
      api: 'https://oauth.reddit.com',
      oauth: 'https://www.reddit.com',
      token: 'https://www.reddit.com',
    },
    // Reddit has no versions. What every request carries is the user agent, and Reddit turns away those that many share:
    // an installation names its own application and the account that answers for it.
    version: 'web:gatepost:v0.1 (by /u/gatepost)',
    // The second pair is second-hand.
    uploadOrigins: [
      'https://reddit-uploaded-media.s3-accelerate.amazonaws.com',
      'https://reddit-uploaded-video.s3-accelerate.amazonaws.com',
      'https://reddit-uploaded-media.s3.amazonaws.com',
      'https://reddit-uploaded-video.s3.amazonaws.com',
    ],
    permalinkBaseUrl: 'https://www.reddit.com',
  },
  versionPattern: /^[\w.-]+:[\w.-]+:[\w.-]+ \(by \/u\/[\w-]+\)$/,
  create: createReddit,
  connect: createRedditConnector,
};

// Limits

/** Text and links are listed at once; with a media post the wait is `settleMs` of the timings. */
const listSettleMs = 60_000;
const notListedRetryMs = 15_000;
const findPageSize = 25;
const findPages = 4;
/** Our clock and Reddit's may differ by this much, and its times are whole seconds. */
const clockSkewMs = 60_000;
/** How long ago a link that was "already submitted" may be the earlier attempt of ours. */
const alreadySubmittedWithinMs = 24 * 3_600_000;

/** One adapter for the accounts of users; a subreddit is where they post, and no account. */
export function createReddit(options: AdapterOptions) {
  const api = connectApi(options);
  return {
    user: {
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

function createPreparer(api: RedditApi): Preparer {
  return {
    prepare: async (account, content, media, context) => {
      assertSubmittable(content);
      context.progress(`Asking what r/${content.options?.subreddit} takes`);
      await checkSubreddit(api, account, content, context);
      if (content.media.length === 0) return { ids: {}, expiresAt: null };
      return uploadMedia(api, account, content.media, media, context);
    },
  };
}

function createPublisher(api: RedditApi): Publisher {
  return {
    platform: 'reddit',
    kinds: ['user'],
    commitTimeoutMs: api.timings.commitTimeoutMs,
    commit: async (account, content, handle, context) => {
      const deadline = performance.now() + api.timings.commitTimeoutMs;
      assertSubmittable(content);
      const answer = await submit(api, account, content, handle, context);
      return parseSubmitted(answer, api) ?? awaitPost(api, account, handle, deadline, context);
    },
    confirm: async (account, publicId, context) => {
      const what = 'Reddit post';
      const address = `/api/info?id=${encodeURIComponent(publicId)}&raw_json=1`;
      const { things } = parseListing(await call(api, account, context, { path: address, what }), what);
      const post = things.map(parsePost).find(({ name }) => name === publicId);
      if (!post) throw new OutcomeError('unexpected-response', `${what}: ${publicId} is not in the answer`);
      return mapReceipt(post, api);
    },
  };
}

/** The one call that publishes. What it refuses as posted before is looked for: it may be an earlier attempt of this row. */
async function submit(
  api: RedditApi,
  account: Account,
  content: PublicContent,
  handle: PreparedHandle | null,
  context: CallContext,
): Promise<Body> {
  const addresses = addressesOf(handle);
  const request = {
    what: 'Reddit submission',
    timeoutMs: api.timings.commitTimeoutMs,
    secrets: [...addresses.urls, ...(addresses.posterUrl ? [addresses.posterUrl] : [])],
  };
  try {
    if (content.type === 'CAROUSEL') {
      const json = mapGallery(content, handle);
      return await call(api, account, context, { ...request, path: '/api/submit_gallery_post.json', json });
    }
    const form = mapSubmission(content, addresses);
    return await call(api, account, context, { ...request, path: '/api/submit?raw_json=1', form });
  } catch (error) {
    if (error instanceof OutcomeError && error.details.platformCode === 'ALREADY_SUB')
      throw await identifyEarlier(api, account, { content, handle }, error, context);
    throw error;
  }
}

/**
 * "This link has already been submitted", by whom it does not say: by this account a short while ago, or by anybody.
 * Whether it counts as this post's own receipt is for the publication's row to say.
 */
async function identifyEarlier(
  api: RedditApi,
  account: Account,
  sent: Pick<FindQuery, 'content' | 'handle'>,
  refusal: OutcomeError,
  context: CallContext,
): Promise<OutcomeError> {
  const sentBefore = api.now();
  const sentAfter = new Date(sentBefore.getTime() - alreadySubmittedWithinMs);
  try {
    const { posts } = await listSubmitted(api, account, null, context);
    const [earlier] = oursAmong(posts, { ...sent, sentAfter, sentBefore });
    const details = { ...refusal.details, ...(earlier && { existingPublicId: earlier.name }) };
    return new OutcomeError(refusal.code, refusal.message, details);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    const message = `${refusal.message}; whose it is cannot be seen: ${why}`;
    return new OutcomeError('unavailable', message, { ...refusal.details, sent: true });
  }
}

/**
 * Looks for a media post, which Reddit makes after its answer: from its acceptance on, nothing that goes wrong here
 * may read as "not sent".
 */
async function awaitPost(
  api: RedditApi,
  account: Account,
  handle: PreparedHandle | null,
  deadline: number,
  context: CallContext,
): Promise<Receipt> {
  const assetIds = assetIdsOf(handle);
  let why = 'it is not listed yet';
  try {
    for (;;) {
      const remainingMs = deadline - performance.now();
      if (remainingMs <= 0) break;
      await pause(Math.min(api.timings.pollIntervalMs, remainingMs), context, 'Reddit is making the post');
      const { posts } = await listSubmitted(api, account, null, context);
      const post = posts.find((one) => isShowing(one, assetIds));
      if (post) return mapReceipt(post, api);
    }
  } catch (error) {
    why = error instanceof Error ? error.message : String(error);
  }
  throw new OutcomeError('outcome-unknown', `Reddit submission: taken, and ${why}`);
}

function createFinder(api: RedditApi): Finder {
  return {
    settleMs: Math.min(api.timings.settleMs, listSettleMs),
    find: async (account, query, context) => {
      const { posts, isWhole } = await listWindow(api, account, query, context);
      const [first, second] = oursAmong(posts, query);
      // A file belongs to one attempt; equal words may be somebody's own.
      if (first && (!second || query.content.media.length > 0))
        return { kind: 'found', receipt: mapReceipt(first, api) };
      if (first && second)
        return { kind: 'cannot-tell', reason: `${first.name} and ${second.name} both say the same` };
      const other = posts.find((post) => isInPlace(post, query));
      if (other) return { kind: 'cannot-tell', reason: `${other.name} has the same title and other content` };
      if (!isWhole)
        return { kind: 'cannot-tell', reason: `the window lies behind the newest ${posts.length} posts` };
      return mapAbsent(api, query);
    },
  };
}

/** A media post may take minutes to be made; until then its absence says nothing. */
function mapAbsent(api: RedditApi, { content, sentAfter }: FindQuery): FindResult {
  const { commitTimeoutMs, settleMs } = api.timings;
  const remainingMs = sentAfter.getTime() + commitTimeoutMs + settleMs - api.now().getTime();
  if (content.media.length === 0 || remainingMs <= 0) return { kind: 'absent', proof: 'read' };
  return {
    kind: 'pending',
    reason: 'Reddit makes posts with media in its own time, and may not have made this one yet',
    retryAfterMs: Math.min(notListedRetryMs, remainingMs),
  };
}

interface Listed {
  readonly posts: readonly ListedPost[];
  readonly after: string | null;
}

async function listSubmitted(
  api: RedditApi,
  account: Account,
  after: string | null,
  context: CallContext,
): Promise<Listed> {
  const what = "Reddit list of an account's posts";
  const query = `sort=new&limit=${findPageSize}&raw_json=1${after ? `&after=${encodeURIComponent(after)}` : ''}`;
  const address = `${path`/user/${account.externalId}/submitted`}?${query}`;
  const listing = parseListing(await call(api, account, context, { path: address, what }), what);
  return { posts: listing.things.map(parsePost), after: listing.after };
}

/** The account's posts back to the window's beginning; not whole where that is too far. */
async function listWindow(
  api: RedditApi,
  account: Account,
  { sentAfter }: FindQuery,
  context: CallContext,
): Promise<{ posts: readonly ListedPost[]; isWhole: boolean }> {
  const posts: ListedPost[] = [];
  let after: string | null = null;
  for (let page = 0; page < findPages; page++) {
    const listed = await listSubmitted(api, account, after, context);
    posts.push(...listed.posts);
    const oldest = listed.posts.at(-1);
    after = listed.after;
    const isBehind = oldest && oldest.createdAtMs < sentAfter.getTime() - clockSkewMs;
    if (!oldest || after === null || isBehind) return { posts, isWhole: true };
  }
  return { posts, isWhole: false };
}

function createReplier(api: RedditApi): Replier {
  return {
    reply: async (account, { parentId, text }, context) => {
      const body = await call(api, account, context, {
        path: '/api/comment?raw_json=1',
        form: { api_type: 'json', thing_id: parentId, text },
        what: 'Reddit comment',
        timeoutMs: api.timings.commitTimeoutMs,
      });
      const { things } = dataOf(body.json);
      const comment = Array.isArray(things) ? dataOf(things[0]) : {};
      // An accepted comment has been answered without one.
      if (typeof comment.name !== 'string')
        throw new OutcomeError('unexpected-response', 'Reddit comment: no comment in the answer');
      return { publicId: comment.name, permalink: permalinkOf(comment.permalink, api) };
    },
    findReply: async (account, { parentId, text }, { sentAfter, sentBefore }, context) => {
      const what = "Reddit list of an account's comments";
      const address = `${path`/user/${account.externalId}/comments`}?sort=new&limit=${findPageSize}&raw_json=1`;
      const { things } = parseListing(await call(api, account, context, { path: address, what }), what);
      const ours = things.filter(
        (comment) => comment.parent_id === parentId && isWithin(timeOf(comment), { sentAfter, sentBefore }),
      );
      const same = ours.filter(({ body }) => comparable(body) === comparable(text));
      const [first] = same;
      if (first && same.length === 1 && typeof first.name === 'string') {
        const receipt = { publicId: first.name, permalink: permalinkOf(first.permalink, api) };
        return { kind: 'found', receipt };
      }
      if (ours.length > 0)
        return { kind: 'cannot-tell', reason: `${ours.length} comments of the account stand there already` };
      const oldest = things.at(-1);
      const isWhole =
        things.length < findPageSize || (oldest && timeOf(oldest) < sentAfter.getTime() - clockSkewMs);
      if (!isWhole) return { kind: 'cannot-tell', reason: `the window lies behind ${findPageSize} comments` };
      return { kind: 'absent', proof: 'read' };
    },
  };
}

/** Of posts and comments. What is not there any more is answered the same. */
// The notes on it in https://github.com/Pyprohly/reddit-api-doc-notes (read 2026-11-21): "nothing happens".
function createRemover(api: RedditApi): Remover {
  return {
    remove: async (account, publicId, context) => {
      await call(api, account, context, {
        path: '/api/del?raw_json=1',
        form: { api_type: 'json', id: publicId },
        what: 'Reddit removal',
      });
    },
  };
}

/** Reddit lets the body of a text post be changed, and nothing else. */
// The notes on it in https://github.com/Pyprohly/reddit-api-doc-notes (read 2026-11-21)
function createAmender(api: RedditApi): Amender {
  const refuses: Amender['refuses'] = ({ type, options }) =>
    type !== 'TEXT_ONLY' || options?.url !== undefined ? 'Reddit changes the text of text posts alone' : null;
  return {
    changesTitle: false,
    refuses,
    amend: async (account, publicId, content, context) => {
      const reason = refuses(content);
      if (reason) throw new OutcomeError('rejected', reason, { sent: false });
      await call(api, account, context, {
        path: '/api/editusertext?raw_json=1',
        form: { api_type: 'json', thing_id: publicId, text: content.text },
        what: 'Reddit change of a text',
      });
    },
  };
}

// Pure mappers

function assertSubmittable(content: PublicContent): void {
  assertSupported('reddit', content);
  const wrong = wrongAbout(content);
  if (wrong !== null) throw new OutcomeError('rejected', wrong, { sent: false });
}

function wrongAbout({ type, media, title, options }: PublicContent): string | null {
  if (type === 'VIDEO' && !media[0]?.cover) return 'A video on Reddit needs a cover picture';
  if (!title?.trim()) return 'A post on Reddit needs a title';
  return typeof options?.subreddit === 'string' ? null : 'A post on Reddit needs a subreddit';
}

/** The form of `/api/submit`. Refuses, before anything is sent, what was not prepared. */
function mapSubmission(content: PublicContent, { urls, posterUrl }: MediaAddresses): Form {
  const { type, text, title = '', options = {} } = content;
  const form = {
    api_type: 'json',
    sr: String(options.subreddit),
    title,
    ...(text !== '' && { text }),
    nsfw: String(options.nsfw ?? false),
    spoiler: String(options.spoiler ?? false),
    sendreplies: String(options.sendReplies ?? true),
    // The subreddit's requirements are judged before anything is made, and the answer says which was not met.
    validate_on_submit: 'true',
    ...mapFlair(content),
  };
  if (type === 'TEXT_ONLY' && options.url === undefined) return { ...form, kind: 'self' };
  // An address that the subreddit has had before is refused. One of an upload is new: it can be there through us alone.
  const once = { ...form, resubmit: 'false' };
  if (type === 'TEXT_ONLY') return { ...once, kind: 'link', url: String(options.url) };
  const [url] = urls;
  if (url === undefined) throw unprepared('Reddit submission: no media was prepared');
  if (type === 'SINGLE_IMAGE') return { ...once, kind: 'image', url };
  if (posterUrl === null) throw unprepared('Reddit submission: no poster was prepared');
  return { ...once, kind: 'video', url, video_poster_url: posterUrl };
}

// https://github.com/praw-dev/praw (read 2026-11-21); Reddit documents no galleries.
function mapGallery(content: PublicContent, handle: PreparedHandle | null): Body {
  const { text, title, media, options = {} } = content;
  const assetIds = assetIdsOf(handle);
  if (assetIds.length !== media.length)
    throw unprepared(`The prepared handle has ${assetIds.length} pictures, the post ${media.length}`);
  return {
    api_type: 'json',
    sr: options.subreddit,
    title,
    ...(text !== '' && { text }),
    items: assetIds.map((assetId) => ({ media_id: assetId, caption: '', outbound_url: '' })),
    nsfw: options.nsfw ?? false,
    spoiler: options.spoiler ?? false,
    sendreplies: options.sendReplies ?? true,
    show_error_list: true,
    validate_on_submit: true,
    ...mapFlair(content),
  };
}

const mapFlair = ({ options = {} }: PublicContent): Form => ({
  ...(options.flairId !== undefined && { flair_id: String(options.flairId) }),
  ...(options.flairText !== undefined && { flair_text: String(options.flairText) }),
});

const assetIdsOf = (handle: PreparedHandle | null): readonly string[] => {
  const ids = handle?.ids.assetIds ?? [];
  return typeof ids === 'string' ? [ids] : ids;
};

function addressesOf(handle: PreparedHandle | null): MediaAddresses {
  if (handle?.secret === undefined) return { urls: [], posterUrl: null };
  return JSON.parse(handle.secret) as MediaAddresses;
}

/** The receipt where the answer has an id; `null` where Reddit makes the post later and names a socket instead. */
function parseSubmitted({ json }: Body, api: RedditApi): Receipt | null {
  const data = dataOf(json);
  // `name` is the whole id; a gallery has it as its `id`.
  const publicId = [data.name, data.id].find((id) => typeof id === 'string' && /^t3_\w+$/.test(id));
  if (typeof publicId === 'string') {
    const address =
      typeof data.url === 'string' && URL.canParse(data.url) ? new URL(data.url).pathname : null;
    return { publicId, permalink: permalinkOf(address, api) };
  }
  if (typeof data.websocket_url === 'string' || typeof data.user_submitted_page === 'string') return null;
  throw new OutcomeError('unexpected-response', 'Reddit submission: no id in the answer');
}

/** Reddit names its posts and comments by path. */
const permalinkOf = (address: unknown, { permalinkBaseUrl }: RedditApi): string | null =>
  typeof address === 'string' && address.startsWith('/') ? `${permalinkBaseUrl}${address}` : null;

interface ListedPost {
  /** The whole id, `t3_…`. */
  readonly name: string;
  readonly subreddit: string;
  readonly title: string;
  readonly text: string;
  readonly url: string;
  readonly isSelf: boolean;
  readonly createdAtMs: number;
  readonly permalink: string | null;
  /** The uploads it shows. */
  readonly assetIds: readonly string[];
}

function parsePost(post: Body): ListedPost {
  const createdAtMs = timeOf(post);
  if (typeof post.name !== 'string' || Number.isNaN(createdAtMs))
    throw new OutcomeError('unexpected-response', 'Reddit list of posts: one has no id or no time');
  const read = (value: unknown): string => (typeof value === 'string' ? value : '');
  const url = read(post.url);
  return {
    ...{ name: post.name, createdAtMs, url, isSelf: post.is_self === true },
    ...{ subreddit: read(post.subreddit), title: read(post.title), text: read(post.selftext) },
    permalink: typeof post.permalink === 'string' ? post.permalink : null,
    assetIds: parseAssetIds(post.gallery_data, url),
  };
}

/** A gallery lists its uploads; a picture's or a video's id is its address: `https://i.redd.it/8xjguc40cnrb1.png`. */
// https://github.com/praw-dev/praw, recorded answers (read 2026-11-21)
function parseAssetIds(gallery: unknown, url: string): readonly string[] {
  const items = isObject(gallery) && Array.isArray(gallery.items) ? gallery.items : [];
  const shown = items.flatMap((item: unknown) =>
    isObject(item) && typeof item.media_id === 'string' ? [item.media_id] : [],
  );
  const single = /^https?:\/\/[iv]\.redd\.it\/(\w+)/.exec(url)?.[1];
  return single ? [single] : shown;
}

const mapReceipt = ({ name, permalink }: ListedPost, api: RedditApi): Receipt => ({
  publicId: name,
  permalink: permalinkOf(permalink, api),
});

const timeOf = ({ created_utc: seconds }: Body): number =>
  typeof seconds === 'number' ? seconds * 1_000 : Number.NaN;

const isWithin = (atMs: number, { sentAfter, sentBefore }: Pick<FindQuery, 'sentAfter' | 'sentBefore'>) =>
  atMs >= sentAfter.getTime() - clockSkewMs && atMs <= sentBefore.getTime() + clockSkewMs;

/** Those that can only be ours: by the uploads they show, without media by place, time, title and content. */
function oursAmong(posts: readonly ListedPost[], query: FindQuery): readonly ListedPost[] {
  const { content, handle } = query;
  if (content.media.length > 0) return posts.filter((post) => isShowing(post, assetIdsOf(handle)));
  return posts.filter((post) => isInPlace(post, query) && isCarrying(post, content));
}

const isShowing = ({ assetIds }: ListedPost, expected: readonly string[]): boolean =>
  expected.length > 0 &&
  expected.length === assetIds.length &&
  expected.every((id, index) => id === assetIds[index]);

/** Where and when ours would stand, under its title: nearly always ours, whatever Reddit has made of its content. */
function isInPlace(post: ListedPost, query: FindQuery): boolean {
  const { title = '', options } = query.content;
  const isThere = post.subreddit.toLowerCase() === String(options?.subreddit).toLowerCase();
  return isThere && comparable(post.title) === comparable(title) && isWithin(post.createdAtMs, query);
}

/** The same text, or the same text and link. */
function isCarrying(post: ListedPost, { text, options }: PublicContent): boolean {
  if (comparable(post.text) !== comparable(text)) return false;
  if (options?.url === undefined) return post.isSelf;
  return !post.isSelf && sameAddress(post.url, String(options.url));
}

const sameAddress = (one: string, other: string): boolean =>
  URL.canParse(one) && URL.canParse(other) && new URL(one).href === new URL(other).href;

const comparable = (text: unknown): string =>
  typeof text === 'string' ? text.replace(/\s+/g, ' ').trim().normalize('NFC') : '';
