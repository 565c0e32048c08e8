import { OutcomeError } from '../../domain/outcome.ts';
import { isObject, path } from './http.ts';
import type { Account, CallContext, FindResult } from './publisher.ts';
import { callX, type XApi } from './x-api.ts';

/** Reads an account's own posts back and tells ours among them: by its media, or by text and time. */

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
  readonly mediaIds: readonly string[];
  /** What it answers; `null` for a post that answers nothing. */
  readonly parentId: string | null;
  readonly sentAfter: Date;
  readonly sentBefore: Date;
}

interface ListedPost {
  readonly id: string;
  readonly createdAtMs: number;
  readonly shown: ShownText;
  readonly mediaIds: readonly string[];
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

/** A medium belongs to one upload of ours and decides by itself. X refuses the same text twice, so a text does, too. */
function isSame(post: ListedPost, { text, mediaIds }: Sought): boolean {
  if (mediaIds.length !== post.mediaIds.length) return false;
  if (mediaIds.length > 0) return mediaIds.every((id, index) => id === post.mediaIds[index]);
  return isShownAs(text, post.shown);
}

const mayBeSame = (post: ListedPost, { text }: Sought): boolean => hasWordsOf(text, post.shown);

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
  // A key is the id with what kind of medium it is before: `3_1211797899316740096`.
  const mediaIds = stringsOf(attachments.media_keys).map((key) => key.replace(/^\d+_/, ''));
  return {
    id: post.id,
    createdAtMs,
    shown: readShownText(post, mediaIds.length > 0),
    mediaIds,
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

/** A text as X shows it, made plain again: `parts` stand around and between `links`. */
export interface ShownText {
  readonly parts: readonly string[];
  readonly links: readonly string[];
}

const linkMark = '\u0000';
const shortLink = /https:\/\/t\.co\/\w+/g;

/**
 * Reads a post's text: its links are shortened and named beside it, `&`, `<` and `>` escaped, a long text is in a note, and
 * behind it stands a link to its own media.
 */
// https://docs.x.com/x-api/fundamentals/data-dictionary (read 2026-11-21)
export function readShownText(post: Readonly<Record<string, unknown>>, hasMedia: boolean): ShownText {
  const note = isObject(post.note_tweet) ? post.note_tweet : null;
  const text = typeof note?.text === 'string' ? note.text : String(post.text ?? '');
  const expanded = parseLinks(note?.entities ?? post.entities, String(post.id));
  const links: string[] = [];
  const marked = unescapeHtml(text).replace(shortLink, (short) => {
    const link = expanded.get(short);
    if (link === undefined) return short;
    if (link === null) return '';
    links.push(link);
    return linkMark;
  });
  const whole = fold(hasMedia ? marked.replace(/\s*https:\/\/t\.co\/\w+\s*$/, '') : marked);
  return { parts: whole.split(linkMark), links };
}

/** What each short link leads to; `null` for the one to the post's own media. */
function parseLinks(entities: unknown, postId: string): ReadonlyMap<string, string | null> {
  const urls: unknown[] = isObject(entities) && Array.isArray(entities.urls) ? entities.urls : [];
  const ownMedia = new RegExp(`/status/${postId}/(?:photo|video)/\\d+$`);
  const links = urls.flatMap((link) => {
    if (!isObject(link) || typeof link.url !== 'string' || typeof link.expanded_url !== 'string') return [];
    const isOwnMedia = typeof link.media_key === 'string' || ownMedia.test(link.expanded_url);
    return [[link.url, isOwnMedia ? null : link.expanded_url] as const];
  });
  return new Map(links);
}

/** Whether a text that was sent is shown so, link by link. */
export const isShownAs = (sent: string, shown: ShownText): boolean => matches(sent, shown, linkPattern);

/** Whether its words are: what its links lead to is left open. */
export const hasWordsOf = (sent: string, shown: ShownText): boolean => matches(sent, shown, () => '\\S+');

function matches(sent: string, { parts, links }: ShownText, patternOf: (link: string) => string): boolean {
  const between = links.map(patternOf);
  const pattern = parts.map((part, index) => escapeRegExp(part) + (between[index] ?? '')).join('');
  return new RegExp(`^${pattern}$`, 'u').test(fold(sent));
}

/** X adds a scheme to an address that has none, and may write its host small and put a slash behind it. */
function linkPattern(link: string): string {
  const [, host = '', rest = ''] = /^(?:https?:\/\/)?([^/?#]*)(.*?)\/*$/i.exec(link) ?? [];
  const anyCase = [...host].map((one) => `[${escapeRegExp(one.toLowerCase() + one.toUpperCase())}]`).join('');
  return `(?:[hH][tT][tT][pP][sS]?://)?${anyCase}${escapeRegExp(rest)}/*`;
}

const escapeRegExp = (text: string): string => text.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&');

const fold = (text: string): string => text.normalize('NFC').replace(/\s+/gu, ' ').trim();

const unescaped: Readonly<Record<string, string>> = { '&amp;': '&', '&lt;': '<', '&gt;': '>' };
const unescapeHtml = (text: string): string =>
  text.replace(/&(?:amp|lt|gt);/g, (entity) => unescaped[entity] ?? entity);
