import type { SandboxContext } from '../context.ts';
import { failure, refusal, validationFailure } from './reddit-replies.ts';

/** A post as the rules of a subreddit look at it. */
export interface RuledSubmission {
  subreddit: string;
  title: string;
  text: string;
  kind: string;
  hasFlair: boolean;
  /** Of a gallery. */
  items?: number;
}

export interface RedditRules {
  /** What a subreddit says of itself; `undefined` where there is none. */
  aboutOf(subreddit: string): Record<string, unknown> | undefined;
  requirementsOf(subreddit: string): Record<string, unknown>;
  /** Throws Reddit's answer to a post that the subreddit does not take. */
  check(submission: RuledSubmission): void;
}

const everything = {
  subreddit_type: 'public',
  submission_type: 'any',
  allow_images: true,
  allow_videos: true,
  allow_galleries: true,
  user_is_banned: false,
  user_is_contributor: false,
  user_is_moderator: false,
};

const nothingRequired = {
  title_text_min_length: null,
  title_text_max_length: null,
  title_regexes: [],
  title_required_strings: [],
  title_blacklisted_strings: [],
  body_restriction_policy: 'none',
  body_text_min_length: null,
  body_text_max_length: null,
  body_regexes: [],
  body_required_strings: [],
  body_blacklisted_strings: [],
  link_restriction_policy: 'none',
  domain_blacklist: [],
  domain_whitelist: [],
  link_repost_age: null,
  is_flair_required: false,
  gallery_min_items: null,
  gallery_max_items: null,
  gallery_captions_requirement: 'none',
  gallery_urls_requirement: 'none',
  guidelines_text: null,
  guidelines_display_policy: null,
};

/** Any subreddit is there and takes everything, but for what the setting `subreddits` says of it. */
export function createRedditRules(context: SandboxContext): RedditRules {
  const settingOf = (subreddit: string) => {
    const settings = Object.entries(context.settings.get().subreddits);
    return settings.find(([name]) => name.toLowerCase() === subreddit.toLowerCase())?.[1] ?? {};
  };

  function aboutOf(subreddit: string): Record<string, unknown> | undefined {
    const { isMissing, about } = settingOf(subreddit);
    return isMissing ? undefined : { ...everything, display_name: subreddit, ...about };
  }

  function requirementsOf(subreddit: string): Record<string, unknown> {
    const { isMissing, requirements } = settingOf(subreddit);
    if (isMissing) throw failure(404, 'Not Found', { reason: 'banned' });
    return { ...nothingRequired, ...requirements };
  }

  return {
    aboutOf,
    requirementsOf,
    check(submission) {
      const about = aboutOf(submission.subreddit);
      if (!about)
        throw refusal(
          'SUBREDDIT_NOEXIST',
          "Hmm, that community doesn't exist. Try checking the spelling.",
          'sr',
        );
      checkKind(submission, about);
      checkRequirements(submission, requirementsOf(submission.subreddit));
    },
  };
}

function checkKind({ kind }: RuledSubmission, about: Record<string, unknown>): void {
  if (about.user_is_banned) throw refusal('SUBREDDIT_NOTALLOWED', "You aren't allowed to post there.", 'sr');
  if (about.submission_type === 'self' && kind !== 'self')
    throw refusal('NO_LINKS', "This community doesn't allow links", 'sr');
  if (about.submission_type === 'link' && kind === 'self')
    throw refusal('NO_SELFS', "This community doesn't allow text posts", 'sr');
  if (!about.allow_images && kind === 'image')
    throw refusal('NO_IMAGES', "This community doesn't allow images", 'sr');
  if (!about.allow_videos && kind === 'video')
    throw refusal('NO_VIDEOS', "This community doesn't allow videos", 'sr');
  if (!about.allow_galleries && kind === 'gallery')
    throw refusal('GALLERIES_DISABLED', "Gallery posts aren't allowed in this subreddit", 'sr');
}

function checkRequirements(submission: RuledSubmission, rules: Record<string, unknown>): void {
  const { title, text, kind, hasFlair, items = 0 } = submission;
  if (rules.is_flair_required && !hasFlair)
    throw refusal('SUBMIT_VALIDATION_FLAIR_REQUIRED', 'Your post must contain post flair.', 'flair');
  const { title_text_min_length: min, title_text_max_length: max } = rules;
  if (typeof min === 'number' && title.length < min)
    throw validationFailure(
      'SUBMIT_VALIDATION_MIN_LENGTH',
      `Title must be at least ${min} characters.`,
      'title',
    );
  if (typeof max === 'number' && title.length > max)
    throw validationFailure(
      'SUBMIT_VALIDATION_MAX_LENGTH',
      `Title must be at most ${max} characters.`,
      'title',
    );
  const forbidden = textsIn(rules.title_blacklisted_strings).find((word) => title.includes(word));
  if (forbidden !== undefined)
    throw validationFailure(
      'SUBMIT_VALIDATION_TITLE_BLACKLISTED_STRING',
      `You may not have "${forbidden}" in your title.`,
      'title',
    );
  if (kind === 'self' && rules.body_restriction_policy === 'required' && text.trim() === '')
    throw validationFailure('SUBMIT_VALIDATION_BODY_REQUIRED', 'This community requires body text.', 'body');
  if (kind === 'self' && rules.body_restriction_policy === 'notAllowed' && text.trim() !== '')
    throw validationFailure('SUBMIT_VALIDATION_BODY_NOT_ALLOWED', 'Body text is not allowed.', 'body');
  const { gallery_max_items: most } = rules;
  if (kind === 'gallery' && typeof most === 'number' && items > most)
    throw validationFailure('SUBMIT_VALIDATION_GALLERY_MAX', `A gallery has at most ${most} items.`, 'items');
}

const textsIn = (value: unknown): string[] =>
  Array.isArray(value) ? value.filter((one): one is string => typeof one === 'string') : [];
