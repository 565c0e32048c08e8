import {
  type ImageRule,
  type MediaRule,
  type PlatformRules,
  type TextRule,
  unsupported,
  type VideoRule,
} from './rules.ts';

// https://learn.microsoft.com/en-us/linkedin/marketing/community-management/shares/posts-api (read 2026-11-21)
const text: TextRule = {
  maxLength: 3_000,
  counting: 'utf-16',
  isRequired: false,
  maxHashtags: null,
  maxMentions: null,
};

// https://learn.microsoft.com/en-us/linkedin/marketing/community-management/shares/images-api (read 2026-11-21)
const image: ImageRule = {
  contentTypes: ['image/jpeg', 'image/png', 'image/gif'],
  // LinkedIn documents no limit in bytes.
  maxBytes: null,
  // "Less than 36152320 pixels".
  maxPixels: 36_152_319,
  maxFrames: 250,
  aspectRatio: null,
};
// https://learn.microsoft.com/en-us/linkedin/marketing/community-management/shares/videos-api (read 2026-11-21)
const video: VideoRule = {
  contentTypes: ['video/mp4'],
  // "75kb to 500MB": the smaller reading; what is smaller than 75 KB LinkedIn refuses itself.
  maxBytes: 500_000_000,
  maxPixels: null,
  // Second-hand.
  aspectRatio: { min: 1 / 2.4, max: 2.4 },
  durationSeconds: { min: 3, max: 1_800 },
};

/** Second-hand: the documentation has no limit. */
const firstComment: TextRule = { ...text, maxLength: 1_250, isRequired: true };

const oneImage: MediaRule = { minCount: 1, maxCount: 1, image, video: null, maxAltText: 4_086 };

export const linkedin = {
  name: 'LinkedIn',
  kinds: ['organization', 'member'],
  accountIds: {
    organization: { pattern: '^urn:li:organization:[A-Za-z0-9_-]+$', example: 'urn:li:organization:2414183' },
    member: { pattern: '^urn:li:person:[A-Za-z0-9_-]+$', example: 'urn:li:person:8675309' },
  },
  types: {
    TEXT_ONLY: { isSupported: true, text: { ...text, isRequired: true }, media: null, firstComment },
    SINGLE_IMAGE: { isSupported: true, text, media: oneImage, firstComment },
    // https://learn.microsoft.com/en-us/linkedin/marketing/community-management/shares/multiimage-post-api (read 2026-11-21)
    CAROUSEL: { isSupported: true, text, media: { ...oneImage, minCount: 2, maxCount: 20 }, firstComment },
    VIDEO: { isSupported: true, text, media: { ...oneImage, image: null, video }, firstComment },
    STORY: unsupported('LinkedIn has no stories'),
    REEL: unsupported('LinkedIn has no reels; publish it as a video'),
  },
  // LinkedIn counts requests, 150 of a member in a day of UTC, and not posts: it says itself when they are used up.
  // https://learn.microsoft.com/en-us/linkedin/consumer/integrations/self-serve/share-on-linkedin (read 2026-11-21)
  rates: {
    ...{ app: { perMinute: 6_000, burst: 2_500 }, profile: { perMinute: 30, burst: 12 } },
    caps: [],
  },
  prepareMinutes: { SINGLE_IMAGE: 2, CAROUSEL: 2, VIDEO: 30 },
  sizes: [
    { name: 'square', width: 1_200, height: 1_200 },
    { name: 'landscape', width: 1_200, height: 627 },
    { name: 'portrait', width: 1_080, height: 1_350 },
  ],
} as const satisfies PlatformRules;
