import {
  type ImageRule,
  type MediaRule,
  type OptionRule,
  type PlatformRules,
  type TextRule,
  unsupported,
  type VideoRule,
} from './rules.ts';

// Reddit publishes no limits in a specification. Where no source stands, the number is second-hand and unverified; what
// a subreddit sets is tighter, and is asked while a post is prepared.

// Its page of POST /api/submit says "up to 300 characters long", of flair_id "no longer than 36" and of flair_text "no longer
// than 64 characters". https://www.reddit.com/dev/api/, in the copy of https://github.com/Pyprohly/reddit-api-doc-notes
// (read 2026-11-21)
const title: TextRule = {
  maxLength: 300,
  counting: 'utf-16',
  isRequired: true,
  maxHashtags: null,
  maxMentions: null,
};

// Markdown, and below every kind of post since 2025: links, pictures, galleries and videos carry it, too.
// https://github.com/praw-dev/praw (read 2026-11-21); its length is second-hand.
const text: TextRule = {
  maxLength: 40_000,
  counting: 'utf-16',
  isRequired: false,
  maxHashtags: null,
  maxMentions: null,
};

// Second-hand.
const firstComment: TextRule = { ...text, maxLength: 10_000, isRequired: true };

// Second-hand; Reddit's storage refuses what is larger and names its limit.
const image: ImageRule = {
  contentTypes: ['image/jpeg', 'image/png', 'image/gif'],
  maxBytes: 20_000_000,
  maxPixels: null,
  maxFrames: null,
  aspectRatio: null,
};
// Reddit takes no alternative texts; captions are shown to everybody and are none.
const oneImage: MediaRule = { minCount: 1, maxCount: 1, image, video: null, maxAltText: 0 };

// Second-hand: 1 GB and 15 minutes.
const video: VideoRule = {
  contentTypes: ['video/mp4', 'video/quicktime'],
  maxBytes: 1_000_000_000,
  maxPixels: null,
  aspectRatio: null,
  durationSeconds: { min: 0, max: 900 },
};
const poster: ImageRule = { ...image, contentTypes: ['image/jpeg', 'image/png'], maxFrames: 1 };
const oneVideo: MediaRule = {
  ...{ minCount: 1, maxCount: 1, image: null, video, maxAltText: 0 },
  cover: { isRequired: true, image: poster },
};

const options: Readonly<Record<string, OptionRule>> = {
  subreddit: {
    kind: 'text',
    maxLength: 23,
    pattern: '^(?:[A-Za-z0-9_]{2,21}|u_[A-Za-z0-9_-]{3,20})$',
    isRequired: true,
    description:
      "The subreddit it goes to, without r/: `webdev`. `u_` and a user's name is that user's own profile.",
  },
  flairId: {
    kind: 'text',
    maxLength: 36,
    description:
      "The id of one of the subreddit's flairs; some subreddits take no post without one (default none).",
  },
  flairText: {
    kind: 'text',
    maxLength: 64,
    description: 'The words of a flair whose text may be edited (default its own).',
  },
  nsfw: { kind: 'flag', description: 'Marks it as not safe for work (default false).' },
  spoiler: { kind: 'flag', description: 'Marks it as a spoiler (default false).' },
  sendReplies: {
    kind: 'flag',
    description: "Sends what people answer to the account's inbox (default true).",
  },
};
const url: OptionRule = {
  kind: 'web-address',
  // Unverified.
  maxLength: 2_000,
  description: 'Makes it a link post: the address its title leads to (default none: a text post).',
};

export const reddit = {
  name: 'Reddit',
  kinds: ['user'],
  accountIds: { user: { pattern: '^[A-Za-z0-9_-]{3,20}$', example: 'bakery_8675309' } },
  types: {
    TEXT_ONLY: {
      isSupported: true,
      text,
      title,
      media: null,
      options: { ...options, url },
      firstComment,
    },
    SINGLE_IMAGE: { isSupported: true, text, title, media: oneImage, options, firstComment },
    // A gallery. The upper bound is second-hand.
    CAROUSEL: {
      isSupported: true,
      text,
      title,
      media: { ...oneImage, minCount: 2, maxCount: 20 },
      options,
      firstComment,
    },
    VIDEO: { isSupported: true, text, title, media: oneVideo, options, firstComment },
    STORY: unsupported('Reddit has no stories'),
    REEL: unsupported('Reddit has no reels: a video post shows the same film'),
  },
  // 100 requests a minute for an application, averaged over ten minutes; a post with a video costs up to twenty. What one
  // account may do depends on its karma and is told only when it is too much.
  // https://support.reddithelp.com/hc/en-us/articles/16160319875092-Reddit-Data-API-Wiki (second-hand)
  rates: { app: { perMinute: 5, burst: 40 }, profile: { perMinute: 1, burst: 3 }, caps: [] },
  // Text, too: the subreddit's requirements are asked, so that there is time to meet them.
  prepareMinutes: { TEXT_ONLY: 15, SINGLE_IMAGE: 15, CAROUSEL: 20, VIDEO: 30 },
  sizes: [
    { name: 'square', width: 1_080, height: 1_080 },
    { name: 'portrait', width: 1_080, height: 1_350 },
    { name: 'landscape', width: 1_200, height: 628 },
  ],
} as const satisfies PlatformRules;
