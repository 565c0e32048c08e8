import {
  type ImageRule,
  type MediaRule,
  type OptionRule,
  type PlatformRules,
  type TextRule,
  unsupported,
} from './rules.ts';

// "In UTF-16 runes". https://developers.tiktok.com/doc/content-posting-api-reference-direct-post (read 2026-11-21)
const caption: TextRule = {
  maxLength: 2_200,
  counting: 'utf-16',
  isRequired: false,
  maxHashtags: null,
  maxMentions: null,
};
// https://developers.tiktok.com/docs/en/content-posting-api-reference-photo-post (read 2026-11-21)
const photoTitle: TextRule = { ...caption, maxLength: 90 };
const photoDescription: TextRule = { ...caption, maxLength: 4_000 };

// https://developers.tiktok.com/doc/content-posting-api-media-transfer-guide (read 2026-11-21)
const photo: ImageRule = {
  contentTypes: ['image/jpeg', 'image/webp'],
  maxBytes: 20_000_000,
  // "Maximum 1080p": read as a picture that fits 1920 by 1080 in either direction.
  maxPixels: 1_920 * 1_080,
  maxFrames: 1,
  aspectRatio: null,
  width: { max: 1_920 },
  height: { max: 1_920 },
};
const onePhoto: MediaRule = { minCount: 1, maxCount: 1, image: photo, video: null, maxAltText: 0 };
const oneVideo: MediaRule = {
  minCount: 1,
  maxCount: 1,
  image: null,
  video: {
    contentTypes: ['video/mp4', 'video/quicktime', 'video/webm'],
    // "4GB": the smaller reading.
    maxBytes: 4_000_000_000,
    maxPixels: null,
    // Not documented: others report that what is longer or wider than 9:16 to 16:9 fails TikTok's check of sizes.
    aspectRatio: { min: 9 / 16, max: 16 / 9 },
    width: { min: 360, max: 4_096 },
    height: { min: 360, max: 4_096 },
    // The longest is documented, and a creator may have less; the shortest is not.
    durationSeconds: { min: 3, max: 600 },
    frameRate: { min: 23, max: 60 },
    videoCodecs: ['AVC', 'HEVC', 'VP8', 'VP9'],
  },
  maxAltText: 0,
};

const options = {
  privacyLevel: {
    kind: 'choice',
    values: ['PUBLIC_TO_EVERYONE', 'MUTUAL_FOLLOW_FRIENDS', 'FOLLOWER_OF_CREATOR', 'SELF_ONLY'],
    isRequired: true,
    description:
      'Who may see the post. TikTok wants a person to choose; a creator may not have all of them, which is checked before the post is due',
  },
  disableComment: { kind: 'flag', description: 'Nobody may comment on the post (default false)' },
  brandContent: {
    kind: 'flag',
    description: 'The post is a paid partnership that promotes another business (default false)',
  },
  brandOrganic: { kind: 'flag', description: "The post promotes the creator's own business (default false)" },
  aiGenerated: { kind: 'flag', description: 'Labels the post as made by AI (default false)' },
} as const satisfies Record<string, OptionRule>;

const videoOptions = {
  ...options,
  disableDuet: { kind: 'flag', description: 'Nobody may make a duet with the video (default false)' },
  disableStitch: { kind: 'flag', description: 'Nobody may stitch the video (default false)' },
  coverTimestampMs: {
    kind: 'whole-number',
    min: 0,
    max: 600_000,
    description: 'Which frame is the cover, in milliseconds from the beginning (default the first)',
  },
} as const satisfies Record<string, OptionRule>;

const photoOptions = {
  ...options,
  autoAddMusic: { kind: 'flag', description: 'TikTok adds music that it recommends (default false)' },
  coverIndex: {
    kind: 'whole-number',
    min: 0,
    max: 34,
    description: 'Which picture is the cover, counted from 0 (default 0)',
  },
} as const satisfies Record<string, OptionRule>;

// Every video on TikTok is what others call a reel.
const video = { isSupported: true, text: caption, media: oneVideo, options: videoOptions } as const;

export const tiktok = {
  name: 'TikTok',
  kinds: ['creator'],
  accountIds: { creator: { pattern: '^[A-Za-z0-9_-]+$', example: '-000q1w2e3r4t5y6u7i8o9p1234567' } },
  types: {
    TEXT_ONLY: unsupported('TikTok has no posts without a picture or video'),
    SINGLE_IMAGE: {
      isSupported: true,
      text: photoDescription,
      title: photoTitle,
      media: onePhoto,
      options: photoOptions,
    },
    CAROUSEL: {
      isSupported: true,
      text: photoDescription,
      title: photoTitle,
      media: { ...onePhoto, minCount: 2, maxCount: 35 },
      options: photoOptions,
    },
    VIDEO: video,
    STORY: unsupported('TikTok takes no stories from other applications'),
    REEL: video,
  },
  // Six posts a minute for each creator. https://developers.tiktok.com/doc/tiktok-api-v2-rate-limit (read 2026-11-21)
  // About fifteen a day for a creator, whichever applications they come from (second-hand).
  rates: {
    ...{ app: { perMinute: 6_000, burst: 2_500 }, profile: { perMinute: 6, burst: 6 } },
    caps: [{ counts: 'profile', max: 15, window: { hours: 24 } }],
  },
  // An upload has to end within the hour its address lives.
  prepareMinutes: { SINGLE_IMAGE: 2, CAROUSEL: 2, VIDEO: 20, REEL: 20 },
  sizes: [
    { name: 'full-screen', width: 1_080, height: 1_920 },
    { name: 'portrait', width: 1_080, height: 1_350 },
    { name: 'square', width: 1_080, height: 1_080 },
    { name: 'landscape', width: 1_920, height: 1_080 },
  ],
} as const satisfies PlatformRules;
