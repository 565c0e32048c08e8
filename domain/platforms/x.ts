import {
  type ImageRule,
  type MediaRule,
  type OptionRule,
  type PlatformRules,
  type PostRule,
  type TextRule,
  unsupported,
  type VideoRule,
} from './rules.ts';

// Accounts that pay X may write up to 25,000 characters; nothing in the API tells which do, so all keep to 280.
// https://docs.x.com/fundamentals/counting-characters (read 2026-11-21)
const text: TextRule = {
  maxLength: 280,
  counting: 'x',
  isRequired: false,
  maxHashtags: null,
  maxMentions: null,
};
const ownText: TextRule = { ...text, isRequired: true };

// Stills alone: an animated GIF is a medium of its own kind there, one to a post.
// https://docs.x.com/x-api/media/quickstart/best-practices (read 2026-11-21)
const image: ImageRule = {
  contentTypes: ['image/jpeg', 'image/png', 'image/gif', 'image/webp'],
  // "5 MB": the smaller reading.
  maxBytes: 5_000_000,
  maxPixels: null,
  maxFrames: 1,
  aspectRatio: null,
  // Second-hand: the page names no dimensions of a picture.
  width: { min: 4, max: 8_192 },
  height: { min: 4, max: 8_192 },
};
const oneImage: MediaRule = { minCount: 1, maxCount: 1, image, video: null, maxAltText: 1_000 };

// The same page. Since September 2026 accounts may send longer and larger ones (second-hand: 20 minutes and 8 GB, more for
// those that pay); what every account may send stands here. It names 1280 x 1024 as the largest frame, recommends
// 720 x 1280 and tells of 1080p uploads: the sides are left to X, which says so while a video is prepared.
const video: VideoRule = {
  contentTypes: ['video/mp4', 'video/quicktime'],
  maxBytes: 512_000_000,
  maxPixels: null,
  aspectRatio: { min: 1 / 3, max: 3 },
  width: { min: 32 },
  height: { min: 32 },
  durationSeconds: { min: 0.5, max: 140 },
  frameRate: { min: 1, max: 60 },
  videoCodecs: ['AVC'],
  audioCodecs: ['AAC'],
};
const oneVideo: MediaRule = { minCount: 1, maxCount: 1, image: null, video, maxAltText: 0 };

// Quoting, and posts for subscribers alone or for advertisements, are not for self-serve applications.
// https://docs.x.com/x-api/posts/create-post (read 2026-11-21)
const options: Readonly<Record<string, OptionRule>> = {
  replySettings: {
    kind: 'choice',
    values: ['following', 'mentionedUsers', 'subscribers', 'verified'],
    description:
      'Who may answer: those you follow, those you mention, subscribers, verified accounts (default: everyone)',
  },
  communityId: {
    kind: 'text',
    maxLength: 19,
    pattern: '^[0-9]{1,19}$',
    description:
      'The id of a community to post into, which the account belongs to (default: its own followers)',
  },
  madeWithAi: {
    kind: 'flag',
    description: 'Labels the media as made with artificial intelligence (default: false)',
  },
  paidPartnership: { kind: 'flag', description: 'Labels the post as a paid promotion (default: false)' },
};

/** The API bounds no thread; its own composer takes 25 posts (second-hand). */
const thread = { maxParts: 24, text: ownText };

const videoPost: PostRule = {
  ...{ isSupported: true, text, media: oneVideo, options, firstComment: ownText, thread },
};

export const x = {
  name: 'X',
  kinds: ['user'],
  accountIds: { user: { pattern: '^[0-9]{1,19}$', example: '2244994945' } },
  types: {
    TEXT_ONLY: { isSupported: true, text: ownText, media: null, options, firstComment: ownText, thread },
    SINGLE_IMAGE: { isSupported: true, text, media: oneImage, options, firstComment: ownText, thread },
    // Up to four pictures side by side; X has none to swipe through.
    CAROUSEL: {
      ...{ isSupported: true, text, media: { ...oneImage, minCount: 2, maxCount: 4 } },
      ...{ options, firstComment: ownText, thread },
    },
    VIDEO: videoPost,
    STORY: unsupported('X has no stories'),
    // An upright video is a video there.
    REEL: videoPost,
  },
  // X takes 100 posts in 15 minutes of an account and 10,000 in 24 hours of an application; answers of ours count as well.
  // https://docs.x.com/x-api/fundamentals/rate-limits (read 2026-11-21)
  // An older page has 300 posts in 3 hours of an account.
  rates: {
    ...{ app: { perMinute: 6, burst: 1_000 }, profile: { perMinute: 5, burst: 12 } },
    caps: [{ counts: 'profile', max: 300, window: { hours: 3 }, includesParts: true }],
  },
  // What is uploaded and not used lives for 24 hours.
  prepareMinutes: { SINGLE_IMAGE: 2, CAROUSEL: 3, VIDEO: 20, REEL: 20 },
  sizes: [
    { name: 'landscape', width: 1_600, height: 900 },
    { name: 'square', width: 1_080, height: 1_080 },
    { name: 'portrait', width: 1_080, height: 1_350 },
  ],
} as const satisfies PlatformRules;
