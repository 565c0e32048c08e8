import {
  type ImageRule,
  type OptionRule,
  type PlatformRules,
  type TextRule,
  unsupported,
  type VideoRule,
} from './rules.ts';

// https://developers.google.com/youtube/v3/docs/videos (read 2026-11-21)
const title: TextRule = {
  maxLength: 100,
  counting: 'utf-16',
  isRequired: true,
  maxHashtags: null,
  maxMentions: null,
  forbidden: '<>',
};

/** The description: 5,000 bytes, not characters. */
const text: TextRule = {
  maxLength: 5_000,
  counting: 'utf-8',
  isRequired: false,
  // Said to make YouTube ignore all of them; unverified.
  maxHashtags: 60,
  maxMentions: null,
  forbidden: '<>',
};

// Unverified: YouTube's own clients stop at this length.
const firstComment: TextRule = {
  maxLength: 10_000,
  counting: 'utf-16',
  isRequired: true,
  maxHashtags: null,
  maxMentions: null,
};

// https://developers.google.com/youtube/v3/docs/videos/insert (read 2026-11-21)
const video: VideoRule = {
  // "video/*": what the probe knows of it.
  contentTypes: ['video/mp4', 'video/quicktime', 'video/webm'],
  // "256 GB": the smaller reading.
  maxBytes: 256_000_000_000,
  maxPixels: null,
  aspectRatio: null,
  // Second-hand: 12 hours, and 15 minutes for a channel whose telephone number is not verified.
  durationSeconds: { min: 1, max: 43_200 },
};

// https://developers.google.com/youtube/v3/docs/thumbnails/set (read 2026-11-21)
const cover: ImageRule = {
  contentTypes: ['image/jpeg', 'image/png'],
  // "2MB": the smaller reading.
  maxBytes: 2_000_000,
  maxPixels: null,
  maxFrames: 1,
  aspectRatio: null,
};

const options: Readonly<Record<string, OptionRule>> = {
  privacy: {
    kind: 'choice',
    values: ['public', 'unlisted', 'private'],
    description: 'Who may watch: everyone (`public`, the default), whoever has the address, or the channel',
  },
  tags: {
    kind: 'texts',
    maxCount: 100,
    maxLength: 100,
    description:
      'Words that help people find the video; 500 characters in all, a tag with a space counts 2 more',
  },
  category: {
    kind: 'text',
    maxLength: 3,
    pattern: '^\\d{1,3}$',
    description: "The number of one of YouTube's categories (default 22, People & Blogs)",
  },
  madeForKids: {
    kind: 'flag',
    description:
      'Whether it is made for children, which the law asks of the channel (default no); takes no comments then',
  },
  notifySubscribers: {
    kind: 'flag',
    description: "Whether it is shown in subscribers' feeds and they are told (default yes)",
  },
  containsSyntheticMedia: {
    kind: 'flag',
    description:
      'Whether it shows people or events realistically that were altered or generated (default no)',
  },
};

export const youtube = {
  name: 'YouTube',
  kinds: ['channel'],
  accountIds: { channel: { pattern: '^UC[A-Za-z0-9_-]{22}$', example: 'UCabcdefgh12345678901234' } },
  types: {
    TEXT_ONLY: unsupported("YouTube offers no way to publish a channel's posts for us, only videos"),
    SINGLE_IMAGE: unsupported("YouTube offers no way to publish a channel's pictures for us, only videos"),
    CAROUSEL: unsupported("YouTube offers no way to publish a channel's pictures for us, only videos"),
    VIDEO: {
      isSupported: true,
      text,
      title,
      media: {
        ...{ minCount: 1, maxCount: 1, image: null, video, maxAltText: 0 },
        cover: { isRequired: false, image: cover },
      },
      options,
      firstComment,
    },
    STORY: unsupported('YouTube has no stories'),
    // A Short is no type of its own: YouTube tells it by its shape and length.
    // https://support.google.com/youtube/answer/15424877 (second-hand, 2026-11-21)
    REEL: {
      isSupported: true,
      text,
      title,
      media: {
        ...{ minCount: 1, maxCount: 1, image: null, maxAltText: 0 },
        video: { ...video, aspectRatio: { min: 0, max: 1 }, durationSeconds: { min: 1, max: 180 } },
      },
      options,
      firstComment,
    },
  },
  // What bounds YouTube is its quota, which it says itself: 100 uploads a day and 10,000 units of everything else for all
  // channels of an application, and a number of its own for each channel. These only space out what is due at once.
  // https://developers.google.com/youtube/v3/determine_quota_cost (read 2026-11-21)
  rates: {
    ...{ app: { perMinute: 6_000, burst: 2_500 }, profile: { perMinute: 30, burst: 12 } },
    caps: [{ counts: 'app', max: 100, window: { dayIn: 'America/Los_Angeles' } }],
  },
  prepareMinutes: { VIDEO: 60, REEL: 30 },
  sizes: [
    { name: 'landscape', width: 1_920, height: 1_080 },
    { name: 'full-screen', width: 1_080, height: 1_920 },
    { name: 'square', width: 1_080, height: 1_080 },
  ],
} as const satisfies PlatformRules;
