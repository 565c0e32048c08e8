import {
  type ImageRule,
  type MediaRule,
  type OptionRule,
  type PlatformRules,
  type TextRule,
  unsupported,
} from './rules.ts';

// https://github.com/pinterest/api-description, v5/openapi.yaml 5.23.0, PinCreate (read 2026-11-21)
const description: TextRule = {
  maxLength: 800,
  counting: 'utf-16',
  isRequired: false,
  maxHashtags: null,
  maxMentions: null,
};
const title: TextRule = { ...description, maxLength: 100 };
const maxAltText = 500;

// What a file may be is in none of the API's own pages: these are the limits others report, in the smaller reading.
const image: ImageRule = {
  contentTypes: ['image/jpeg', 'image/png'],
  maxBytes: 20_000_000,
  maxPixels: null,
  maxFrames: 1,
  aspectRatio: null,
};
const oneImage: MediaRule = { minCount: 1, maxCount: 1, image, video: null, maxAltText };
const oneVideo: MediaRule = {
  minCount: 1,
  maxCount: 1,
  image: null,
  video: {
    contentTypes: ['video/mp4', 'video/quicktime'],
    maxBytes: 1_000_000_000,
    maxPixels: null,
    aspectRatio: { min: 1 / 2, max: 1.91 },
    durationSeconds: { min: 4, max: 900 },
    videoCodecs: ['AVC', 'HEVC'],
  },
  maxAltText,
  cover: { isRequired: false, image },
};

const options = {
  boardId: {
    kind: 'text',
    maxLength: 32,
    pattern: '^\\d+$',
    isRequired: true,
    isListed: true,
    description: 'The board the pin goes to, by its id: digits alone',
  },
  boardSectionId: {
    kind: 'text',
    maxLength: 32,
    pattern: '^\\d+$',
    description: 'The section of the board, by its id (default none)',
  },
  link: {
    kind: 'web-address',
    maxLength: 2_048,
    description:
      'Where the pin leads (default nowhere). One of its own, with a campaign mark, makes a pin easy to find again after a fault',
  },
} as const satisfies Record<string, OptionRule>;

const videoOptions = {
  ...options,
  coverTimestampSeconds: {
    kind: 'whole-number',
    min: 0,
    max: 900,
    description: 'Which frame is the cover where no cover picture is given, in seconds (default the first)',
  },
} as const satisfies Record<string, OptionRule>;

// Pinterest has one kind of video.
const video = {
  isSupported: true,
  text: description,
  title,
  media: oneVideo,
  options: videoOptions,
} as const;

export const pinterest = {
  name: 'Pinterest',
  kinds: ['user'],
  accountIds: { user: { pattern: '^[A-Za-z0-9_]+$', example: '549755885175' } },
  types: {
    TEXT_ONLY: unsupported('Pinterest has no pins without a picture or video'),
    SINGLE_IMAGE: { isSupported: true, text: description, title, media: oneImage, options },
    CAROUSEL: {
      isSupported: true,
      text: description,
      title,
      // The pictures of a carousel have no alternative texts of their own. That they must have one size is reported by others.
      media: { ...oneImage, minCount: 2, maxCount: 5, maxAltText: 0, isUniform: true },
      options,
    },
    VIDEO: video,
    STORY: unsupported('Pinterest has no stories'),
    REEL: video,
  },
  // 100 writes a minute for each user. https://developers.pinterest.com/docs/reference/rate-limits/ (read 2026-11-21)
  rates: { app: { perMinute: 6_000, burst: 2_500 }, profile: { perMinute: 60, burst: 20 }, caps: [] },
  prepareMinutes: { VIDEO: 20, REEL: 20 },
  sizes: [
    { name: 'portrait', width: 1_000, height: 1_500 },
    { name: 'square', width: 1_000, height: 1_000 },
    { name: 'full-screen', width: 1_080, height: 1_920 },
  ],
} as const satisfies PlatformRules;
