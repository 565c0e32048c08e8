import { OutcomeError } from '../../domain/outcome.ts';
import { path } from './http.ts';
import type { Account, CallContext, PublicContent } from './publisher.ts';
import { type Body, call, dataOf, type RedditApi } from './reddit-api.ts';

/**
 * What a subreddit takes, asked before a post is due, so that a post it would refuse fails while there is time. Every
 * rule is read leniently: what this lets through Reddit still refuses, what this refuses nobody would ever see.
 */
export async function checkSubreddit(
  api: RedditApi,
  account: Account,
  content: PublicContent,
  context: CallContext,
): Promise<void> {
  const subreddit = String(content.options?.subreddit);
  const reasons = [
    ...objections(await readAbout(api, account, subreddit, context), account, content),
    ...unmet(await readRequirements(api, account, subreddit, context), content),
  ];
  if (reasons.length === 0) return;
  const message = `r/${subreddit} would not take this post: ${reasons.join('; ')}`;
  throw new OutcomeError('rejected', message, { sent: false });
}

/** What a subreddit says of itself. One that is private, banned or not there says nothing. */
// https://www.reddit.com/dev/api/, in the copy of https://github.com/Pyprohly/reddit-api-doc-notes (read 2026-11-21), whose
// notes name the fields; a subreddit that nobody has is answered there with an empty listing.
async function readAbout(
  api: RedditApi,
  account: Account,
  subreddit: string,
  context: CallContext,
): Promise<Body> {
  try {
    const address = `${path`/r/${subreddit}/about`}?raw_json=1`;
    const about = await call(api, account, context, { path: address, what: 'Reddit subreddit' });
    if (about.kind === 't5') return dataOf(about);
  } catch (error) {
    if (!(error instanceof OutcomeError)) throw error;
    const { status } = error.details;
    // Second-hand: a name that nobody has is answered with the way to the search.
    if (status !== 404 && status !== 302) throw error;
  }
  throw new OutcomeError('rejected', `There is no r/${subreddit} on Reddit, or it is closed`, {
    sent: false,
    platformCode: 'SUBREDDIT_NOEXIST',
  });
}

/** Why a subreddit as a whole takes no such post of this account. */
function objections(about: Body, { externalId }: Account, { type, options }: PublicContent): string[] {
  const isTrusted = about.user_is_contributor === true || about.user_is_moderator === true;
  const isText = type === 'TEXT_ONLY' && options?.url === undefined;
  return [
    ...(about.user_is_banned === true ? [`u/${externalId} is banned there`] : []),
    ...(about.subreddit_type === 'archived' ? ['it is archived'] : []),
    ...(about.subreddit_type === 'restricted' && about.restrict_posting !== false && !isTrusted
      ? ['only approved users may post there']
      : []),
    ...(about.submission_type === 'self' && !isText ? ['it takes text posts alone'] : []),
    ...(about.submission_type === 'link' && isText ? ['it takes no text posts'] : []),
    ...(about.allow_images === false && type === 'SINGLE_IMAGE' ? ['it takes no pictures'] : []),
    ...(about.allow_galleries === false && type === 'CAROUSEL' ? ['it takes no galleries'] : []),
    ...(about.allow_videos === false && type === 'VIDEO' ? ['it takes no videos'] : []),
  ];
}

// The same copy has the page of these; the fields it leaves out are in the answers that https://github.com/praw-dev/praw has
// recorded (read 2026-11-21), those of galleries second-hand.
function readRequirements(
  api: RedditApi,
  account: Account,
  subreddit: string,
  context: CallContext,
): Promise<Body> {
  const address = `${path`/api/v1/${subreddit}/post_requirements`}?raw_json=1`;
  return call(api, account, context, { path: address, what: 'Reddit post requirements' });
}

/**
 * What its moderators require of every post. Their regular expressions are Python's, and a stranger's: those, and how
 * long ago a link was last posted, are left to Reddit.
 */
function unmet(rules: Body, { type, text, title = '', media, options = {} }: PublicContent): string[] {
  const isText = type === 'TEXT_ONLY' && options.url === undefined;
  return [
    ...unmetLengths('title', title, rules.title_text_min_length, rules.title_text_max_length),
    ...unmetWords('title', title, rules.title_required_strings, rules.title_blacklisted_strings),
    ...(isText && rules.body_restriction_policy === 'required' && text.trim() === ''
      ? ['it needs a text']
      : []),
    ...(isText && rules.body_restriction_policy === 'notAllowed' && text.trim() !== ''
      ? ['it may have no text']
      : []),
    ...(isText ? unmetLengths('text', text, rules.body_text_min_length, rules.body_text_max_length) : []),
    ...(isText ? unmetWords('text', text, rules.body_required_strings, rules.body_blacklisted_strings) : []),
    ...(typeof options.url === 'string' ? unmetDomains(options.url, rules) : []),
    ...(rules.is_flair_required === true && !options.flairId && !options.flairText
      ? ['it needs a flair']
      : []),
    ...(type === 'CAROUSEL'
      ? unmetCounts(media.length, rules.gallery_min_items, rules.gallery_max_items)
      : []),
    ...(type === 'CAROUSEL' && rules.gallery_captions_requirement === 'required'
      ? ['every picture of a gallery needs a caption, which is not supported']
      : []),
    ...(type === 'CAROUSEL' && rules.gallery_urls_requirement === 'required'
      ? ['every picture of a gallery needs a link, which is not supported']
      : []),
  ];
}

function unmetLengths(what: 'title' | 'text', value: string, min: unknown, max: unknown): string[] {
  const length = [...value.trim()].length;
  return [
    ...(typeof min === 'number' && length < min
      ? [`its ${what} has ${length} characters, at least ${min} are needed`]
      : []),
    ...(typeof max === 'number' && length > max
      ? [`its ${what} has ${length} characters, at most ${max} are allowed`]
      : []),
  ];
}

function unmetCounts(count: number, min: unknown, max: unknown): string[] {
  return [
    ...(typeof min === 'number' && count < min
      ? [`a gallery there has at least ${min} pictures, not ${count}`]
      : []),
    ...(typeof max === 'number' && count > max
      ? [`a gallery there has at most ${max} pictures, not ${count}`]
      : []),
  ];
}

/** One of the required is enough; a forbidden one counts as a word of its own, in any case. */
function unmetWords(what: 'title' | 'text', value: string, required: unknown, forbidden: unknown): string[] {
  const shown = value.toLowerCase();
  const wanted = textsIn(required);
  const isWanting = wanted.length > 0 && !wanted.some((word) => shown.includes(word.toLowerCase()));
  const found = textsIn(forbidden).filter((word) => hasWord(shown, word.toLowerCase()));
  return [
    ...(isWanting ? [`its ${what} needs one of ${wanted.map(quoted).join(', ')}`] : []),
    ...(found.length > 0 ? [`its ${what} may not have ${found.map(quoted).join(', ')}`] : []),
  ];
}

function hasWord(text: string, word: string): boolean {
  const isLetter = (character: string | undefined) =>
    character !== undefined && /[\p{L}\p{N}]/u.test(character);
  for (let at = text.indexOf(word); at !== -1; at = text.indexOf(word, at + 1))
    if (!isLetter(text[at - 1]) && !isLetter(text[at + word.length])) return true;
  return false;
}

function unmetDomains(url: string, rules: Body): string[] {
  const host = new URL(url).hostname.toLowerCase();
  const isOn = (list: unknown): boolean =>
    textsIn(list).some(
      (domain) => host === domain.toLowerCase() || host.endsWith(`.${domain.toLowerCase()}`),
    );
  const allowed = textsIn(rules.domain_whitelist);
  if (rules.link_restriction_policy === 'blacklist' && isOn(rules.domain_blacklist))
    return [`links to ${host} are not allowed`];
  if (rules.link_restriction_policy === 'whitelist' && allowed.length > 0 && !isOn(allowed))
    return [`links may lead to ${allowed.join(', ')} alone`];
  return [];
}

const textsIn = (value: unknown): readonly string[] =>
  Array.isArray(value) ? value.filter((one): one is string => typeof one === 'string' && one !== '') : [];

const quoted = (word: string): string => `"${word}"`;
