import twitter from 'twitter-text';
import { OutcomeError } from '../../domain/outcome.ts';
import { isObject, path } from './http.ts';
import type { Account, CallContext, FindResult } from './publisher.ts';
import { callX, type XApi } from './x-api.ts';

/** Reads an account's own posts back and tells ours among them: by the keys of its media, or by text and time. */

const pageSize = 100;
const maxPages = 5;
/** Our clock and X's may differ by this much. */
const clockSkewMs = 60_000;
/** X's search reaches this far back. */
const searchedMs = 7 * 24 * 3_600_000;
const fields = 'tweet.fields=created_at,entities,note_tweet,attachments,referenced_tweets';

/** What was sent, as far as it can be told again. */
export interface Sought {
  readonly text: string;
  /** Of the media, in their order; empty for a post without. */
  readonly mediaKeys: readonly string[];
  /** What it answers; `null` for a post that answers nothing. */
  readonly parentId: string | null;
  readonly sentAfter: Date;
  readonly sentBefore: Date;
}

interface ListedPost {
  readonly id: string;
  readonly createdAtMs: number;
  readonly shown: Comparable;
  readonly mediaKeys: readonly string[];
  readonly parentId: string | null;
}

/** Everything of the account since an instant, or why that cannot be said. */
interface Listing {
  readonly posts: readonly ListedPost[];
  readonly gap: string | null;
}

/** The account's posts, newest first. */
// https://docs.x.com/x-api/users/get-posts (read 2026-11-21)
export function findPost(
  api: XApi,
  account: Account,
  sought: Sought,
  context: CallContext,
): Promise<FindResult> {
  const call = {
    path: path`/2/users/${account.externalId}/tweets`,
    query: `max_results=${pageSize}&start_time=${secondsOf(sought.sentAfter)}&${fields}`,
    pageParameter: 'pagination_token',
    what: "X list of an account's posts",
  };
  return findIn(api, account, call, sought, context);
}

/** The account's answers in the conversation below a post. */
// https://docs.x.com/x-api/posts/search-recent-posts (read 2026-11-21)
export async function findAnswer(
  api: XApi,
  account: Account,
  rootId: string,
  sought: Sought,
  context: CallContext,
): Promise<FindResult> {
  if (sought.sentAfter.getTime() - clockSkewMs < api.now().getTime() - searchedMs)
    return { kind: 'cannot-tell', reason: "X's search does not reach back for more than seven days" };
  const query = encodeURIComponent(`conversation_id:${rootId} from:${account.externalId}`);
  const call = {
    path: '/2/tweets/search/recent',
    query: `query=${query}&max_results=${pageSize}&start_time=${secondsOf(sought.sentAfter)}&${fields}`,
    pageParameter: 'next_token',
    what: 'X search of a conversation',
  };
  return findIn(api, account, call, sought, context);
}

interface ListCall {
  readonly path: string;
  readonly query: string;
  readonly pageParameter: string;
  readonly what: string;
}

async function findIn(
  api: XApi,
  account: Account,
  call: ListCall,
  sought: Sought,
  context: CallContext,
): Promise<FindResult> {
  const { posts, gap } = await list(api, account, call, context);
  const candidates = posts.filter((post) => isCandidate(post, sought));
  const ours = candidates.find((post) => isSame(post, sought));
  if (ours) return { kind: 'found', receipt: { publicId: ours.id, permalink: api.permalinkOf(ours.id) } };
  const doubtful = candidates.find((post) => mayBeSame(post, sought));
  if (doubtful)
    return { kind: 'cannot-tell', reason: `${doubtful.id} has the same words, with other links or media` };
  return gap === null ? { kind: 'absent', proof: 'read' } : { kind: 'cannot-tell', reason: gap };
}

async function list(api: XApi, account: Account, call: ListCall, context: CallContext): Promise<Listing> {
  const posts: ListedPost[] = [];
  let page: string | null = '';
  for (let pages = 0; pages < maxPages && page !== null; pages += 1) {
    const next: string = page === '' ? '' : `&${call.pageParameter}=${encodeURIComponent(page)}`;
    const { body } = await callX(api, account, context, {
      ...{ method: 'GET', path: `${call.path}?${call.query}${next}`, what: call.what },
    });
    posts.push(...parseList(body, call.what));
    // A page may come with what X could not show of it.
    if (Array.isArray(body.errors) && body.errors.length > 0)
      return { posts, gap: 'X shows a part of the posts only' };
    page = isObject(body.meta) && typeof body.meta.next_token === 'string' ? body.meta.next_token : null;
  }
  return { posts, gap: page === null ? null : `the window lies behind the newest ${posts.length} posts` };
}

/** X takes whole seconds, and we look a little further back. */
const secondsOf = (sentAfter: Date): string =>
  new Date(sentAfter.getTime() - clockSkewMs).toISOString().replace(/\.\d+Z$/, 'Z');

function isCandidate(post: ListedPost, { parentId, sentAfter, sentBefore }: Sought): boolean {
  const isInWindow =
    post.createdAtMs >= sentAfter.getTime() - clockSkewMs &&
    post.createdAtMs <= sentBefore.getTime() + clockSkewMs;
  return isInWindow && post.parentId === parentId;
}

/** A media key belongs to one upload of ours and decides by itself. X refuses the same text twice, so a text does, too. */
function isSame(post: ListedPost, { text, mediaKeys }: Sought): boolean {
  if (mediaKeys.length !== post.mediaKeys.length) return false;
  if (mediaKeys.length > 0) return mediaKeys.every((key, index) => key === post.mediaKeys[index]);
  return post.shown.full === comparableSent(text).full;
}

const mayBeSame = (post: ListedPost, { text }: Sought): boolean =>
  post.shown.words === comparableSent(text).words;

function parseList(body: Readonly<Record<string, unknown>>, what: string): readonly ListedPost[] {
  // A page without posts has no data, and says that it has none.
  if (body.data === undefined && isObject(body.meta) && body.meta.result_count === 0) return [];
  if (!Array.isArray(body.data)) {
    throw new OutcomeError('unexpected-response', `${what}: no data in the answer`);
  }
  return body.data.map((element: unknown) => parsePost(isObject(element) ? element : {}, what));
}

function parsePost(post: Readonly<Record<string, unknown>>, what: string): ListedPost {
  const createdAtMs = typeof post.created_at === 'string' ? Date.parse(post.created_at) : Number.NaN;
  if (typeof post.id !== 'string' || typeof post.text !== 'string' || Number.isNaN(createdAtMs)) {
    throw new OutcomeError('unexpected-response', `${what}: a post has no id, no text or no time`);
  }
  const attachments = isObject(post.attachments) ? post.attachments : {};
  const mediaKeys = stringsOf(attachments.media_keys);
  return {
    id: post.id,
    createdAtMs,
    shown: comparableShown(post, post.id, mediaKeys.length > 0),
    mediaKeys,
    parentId: parseParent(post.referenced_tweets),
  };
}

const stringsOf = (value: unknown): readonly string[] =>
  Array.isArray(value) ? value.filter((one) => typeof one === 'string') : [];

function parseParent(references: unknown): string | null {
  const list: unknown[] = Array.isArray(references) ? references : [];
  const parent = list.find((reference) => isObject(reference) && reference.type === 'replied_to');
  return isObject(parent) && typeof parent.id === 'string' ? parent.id : null;
}

/** A text in a form in which what was sent and what X shows are equal. */
export interface Comparable {
  /** With its links, each without scheme and closing slash. */
  readonly full: string;
  /** With a mark in place of each link. */
  readonly words: string;
}

const linkMark = '\u0000';

/** Of a text as it was sent. */
export function comparableSent(text: string): Comparable {
  const normalized = text.normalize('NFC');
  const links = twitter.extractUrlsWithIndices(normalized).map(({ url, indices }) => ({ url, indices }));
  const replaced = (to: (url: string) => string): string => {
    let written = '';
    let end = 0;
    for (const { url, indices } of links) {
      written += normalized.slice(end, indices[0]) + to(url);
      end = indices[1];
    }
    return fold(written + normalized.slice(end));
  };
  return { full: replaced(foldLink), words: replaced(() => linkMark) };
}

/**
 * Of a post as X shows it: its links shortened and named beside it, `&`, `<` and `>` escaped, a long text in a note, and
 * behind the text a link to its own media.
 */
// https://docs.x.com/x-api/fundamentals/data-dictionary (read 2026-11-21)
export function comparableShown(
  post: Readonly<Record<string, unknown>>,
  postId: string,
  hasMedia: boolean,
): Comparable {
  const note = isObject(post.note_tweet) ? post.note_tweet : null;
  const text = typeof note?.text === 'string' ? note.text : String(post.text ?? '');
  const links = parseLinks(note?.entities ?? post.entities);
  const ownMedia = new RegExp(`/status/${postId}/(?:photo|video)/\\d+$`);
  const isOwnMedia = (link: Link): boolean => link.isMedia || ownMedia.test(link.expanded);
  const replaced = (to: (url: string) => string): string => {
    let written = unescapeHtml(text);
    for (const link of links)
      written = written.replaceAll(link.short, isOwnMedia(link) ? '' : to(link.expanded));
    return fold(hasMedia ? written.replace(/\s*https:\/\/t\.co\/\w+\s*$/, '') : written);
  };
  return { full: replaced(foldLink), words: replaced(() => linkMark) };
}

interface Link {
  readonly short: string;
  readonly expanded: string;
  readonly isMedia: boolean;
}

function parseLinks(entities: unknown): readonly Link[] {
  const urls: unknown[] = isObject(entities) && Array.isArray(entities.urls) ? entities.urls : [];
  return urls.flatMap((link) =>
    isObject(link) && typeof link.url === 'string' && typeof link.expanded_url === 'string'
      ? [{ short: link.url, expanded: link.expanded_url, isMedia: typeof link.media_key === 'string' }]
      : [],
  );
}

/** X adds a scheme to an address that has none, and may add a slash behind its host. */
const foldLink = (url: string): string =>
  url
    .replace(/^https?:\/\//i, '')
    .replace(/^[^/?#]+/, (host) => host.toLowerCase())
    .replace(/\/+$/, '');

const fold = (text: string): string => text.normalize('NFC').replace(/\s+/gu, ' ').trim();

const unescaped: Readonly<Record<string, string>> = { '&amp;': '&', '&lt;': '<', '&gt;': '>' };
const unescapeHtml = (text: string): string =>
  text.replace(/&(?:amp|lt|gt);/g, (entity) => unescaped[entity] ?? entity);
