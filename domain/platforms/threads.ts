import {
  type ImageRule,
  type MediaRule,
  type OptionRule,
  type PlatformRules,
  type TextRule,
  unsupported,
  type VideoRule,
} from './rules.ts';

// "Emojis are counted as the number of UTF-8 bytes"; more than five distinct links are refused since December 2025.
// https://developers.facebook.com/docs/threads/reference/publishing (read 2026-11-21)
const text: TextRule = {
  maxLength: 500,
  counting: 'threads',
  isRequired: false,
  maxHashtags: null,
  maxMentions: null,
  maxLinks: 5,
};
const words: TextRule = { ...text, isRequired: true };

// https://developers.facebook.com/docs/threads/overview (read 2026-11-21)
const image: ImageRule = {
  contentTypes: ['image/jpeg', 'image/png'],
  // "8 MB": the smaller reading. Width is no limit: Threads scales to 320-1440 pixels.
  maxBytes: 8_000_000,
  maxPixels: null,
  maxFrames: 1,
  aspectRatio: { min: 0.1, max: 10 },
};
const video: VideoRule = {
  contentTypes: ['video/mp4', 'video/quicktime'],
  maxBytes: 1_000_000_000,
  maxPixels: null,
  aspectRatio: { min: 0.01, max: 10 },
  width: { max: 1_920 },
  // "Longer than 0 seconds."
  durationSeconds: { min: 0.1, max: 300 },
  frameRate: { min: 23, max: 60 },
  videoCodecs: ['AVC', 'HEVC'],
  audioCodecs: ['AAC'],
};
const oneImage: MediaRule = { minCount: 1, maxCount: 1, image, video: null, maxAltText: 1_000 };

const options = {
  replyControl: {
    description: 'Who may answer (default everyone).',
    kind: 'choice',
    values: [
      'everyone',
      'accounts_you_follow',
      'mentioned_only',
      'parent_post_author_only',
      'followers_only',
    ],
  },
  topicTag: {
    description: 'The topic it is filed under, without # (default: the first #topic of its text).',
    ...{ kind: 'text', maxLength: 50, pattern: '^[^.&]+$' },
  },
  quotePostId: {
    description: 'The id of a post on Threads that is quoted.',
    ...{ kind: 'text', maxLength: 30, pattern: '^\\d+$' },
  },
} as const satisfies Record<string, OptionRule>;

const optionsOfText = {
  ...options,
  linkAttachment: {
    description: 'The web address shown as a card (default: the first one of its text).',
    ...{ kind: 'web-address', maxLength: 2_000 },
  },
} as const satisfies Record<string, OptionRule>;

// Threads bounds only how many replies a profile may send in a day: 1,000.
const thread = { maxParts: 50, text: words };

export const threads = {
  name: 'Threads',
  kinds: ['user'],
  accountIds: { user: { pattern: '^[0-9]+$', example: '25140098765432101' } },
  types: {
    TEXT_ONLY: {
      ...{ isSupported: true, text: words, media: null, options: optionsOfText },
      ...{ firstComment: words, thread },
    },
    SINGLE_IMAGE: {
      ...{ isSupported: true, text, media: oneImage, options },
      ...{ firstComment: words, thread },
    },
    // https://developers.facebook.com/docs/threads/posts (read 2026-11-21)
    CAROUSEL: {
      ...{ isSupported: true, text, media: { ...oneImage, minCount: 2, maxCount: 20, video }, options },
      ...{ firstComment: words, thread },
    },
    VIDEO: {
      ...{ isSupported: true, text, media: { ...oneImage, image: null, video }, options },
      ...{ firstComment: words, thread },
    },
    STORY: unsupported('Threads has no stories'),
    REEL: unsupported('Threads has no reels: a video is published as a video'),
  },
  // https://developers.facebook.com/docs/threads/overview (read 2026-11-21): 250 posts in 24 hours; answers count apart.
  rates: {
    ...{ app: { perMinute: 6_000, burst: 2_500 }, profile: { perMinute: 30, burst: 12 } },
    caps: [{ counts: 'profile', max: 250, window: { hours: 24 }, isReadLive: true }],
  },
  // A container is dropped after 24 hours; even a text is one, and Meta advises to wait half a minute for it.
  prepareMinutes: { TEXT_ONLY: 2, SINGLE_IMAGE: 5, CAROUSEL: 30, VIDEO: 30 },
  sizes: [
    { name: 'portrait', width: 1_080, height: 1_350 },
    { name: 'square', width: 1_080, height: 1_080 },
    { name: 'full-screen', width: 1_080, height: 1_920 },
    { name: 'landscape', width: 1_080, height: 566 },
  ],
} as const satisfies PlatformRules;
