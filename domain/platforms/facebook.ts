import type { ImageRule, MediaRule, OptionRule, PlatformRules, TextRule, VideoRule } from './rules.ts';

/** The limit is Facebook's own and second-hand: no page of Meta's documents names it. */
const text: TextRule = {
  maxLength: 63_206,
  counting: 'utf-16',
  isRequired: false,
  maxHashtags: null,
  maxMentions: null,
};

// "Must be less than 255 characters. Special characters may count as more than 1 character": bytes are the safe reading.
// https://developers.facebook.com/docs/graph-api/reference/ad-account/advideos/ (read 2026-11-21), of the same upload.
const title: TextRule = { ...text, maxLength: 254, counting: 'utf-8' };

/** A comment's limit is second-hand, too. */
const firstComment: TextRule = { ...text, maxLength: 8_000, isRequired: true };

// https://developers.facebook.com/documentation/video-api/page-stories-api (read 2026-11-21)
const image: ImageRule = {
  contentTypes: ['image/jpeg', 'image/png', 'image/gif', 'image/bmp', 'image/tiff'],
  // "10 MB": the smaller reading. Above 1 MB a PNG may look pixelated.
  maxBytes: 10_000_000,
  maxPixels: null,
  // A photo does not move.
  maxFrames: 1,
  aspectRatio: null,
};

/** Meta names no limit of the alternative text; Instagram's is taken. */
const oneImage: MediaRule = { minCount: 1, maxCount: 1, image, video: null, maxAltText: 1_000 };

// https://developers.facebook.com/docs/graph-api/video-uploads (read 2026-11-21); size and length may differ for a page.
const video: VideoRule = {
  contentTypes: ['video/mp4', 'video/quicktime'],
  maxBytes: 10_000_000_000,
  maxPixels: null,
  aspectRatio: { min: 9 / 16, max: 16 / 9 },
  durationSeconds: { min: 1, max: 4 * 3_600 },
};

// https://developers.facebook.com/documentation/video-api/guides/reels-publishing (read 2026-11-21)
const reel: VideoRule = {
  contentTypes: ['video/mp4'],
  maxBytes: null,
  maxPixels: null,
  aspectRatio: { min: 9 / 16, max: 9 / 16 },
  width: { min: 540 },
  height: { min: 960 },
  durationSeconds: { min: 3, max: 90 },
  frameRate: { min: 24, max: 60 },
  videoCodecs: ['AVC', 'HEVC', 'VP9', 'AV1'],
  audioCodecs: ['AAC'],
};
const oneVideo = (rule: VideoRule): MediaRule => ({ ...oneImage, image: null, video: rule, maxAltText: 0 });

const link: OptionRule = {
  kind: 'web-address',
  maxLength: 2_000,
  description: 'A web address that is shown as a card below the text (default: none)',
};

export const facebook = {
  name: 'Facebook',
  kinds: ['page'],
  accountIds: { page: { pattern: '^[0-9]+$', example: '104050607080910' } },
  types: {
    TEXT_ONLY: {
      isSupported: true,
      text: { ...text, isRequired: true },
      media: null,
      options: { link },
      firstComment,
    },
    SINGLE_IMAGE: { isSupported: true, text, media: oneImage, firstComment },
    // Pictures alone; Meta names no highest number.
    // https://developers.facebook.com/documentation/pages-api/posts (read 2026-11-21)
    CAROUSEL: {
      isSupported: true,
      text,
      media: { ...oneImage, minCount: 2, maxCount: 10 },
      firstComment,
    },
    VIDEO: { isSupported: true, text, title, media: oneVideo(video), firstComment },
    // A story shows its picture or video and nothing else.
    // https://developers.facebook.com/documentation/video-api/page-stories-api (read 2026-11-21)
    STORY: {
      isSupported: true,
      text: { ...text, maxLength: 0 },
      media: { ...oneImage, video: { ...reel, durationSeconds: { min: 3, max: 60 } } },
    },
    REEL: { isSupported: true, text, title, media: oneVideo(reel), firstComment },
  },
  // Meta counts calls by how many people a page reaches, and takes 30 reels a day: no number of posts a minute is named.
  rates: {
    ...{ app: { perMinute: 6_000, burst: 2_500 }, profile: { perMinute: 30, burst: 12 } },
    caps: [{ counts: 'profile', max: 30, window: { hours: 24 }, types: ['REEL'] }],
  },
  prepareMinutes: { SINGLE_IMAGE: 2, CAROUSEL: 5, VIDEO: 30, STORY: 15, REEL: 15 },
  sizes: [
    { name: 'square', width: 1_080, height: 1_080 },
    { name: 'landscape', width: 1_200, height: 630 },
    { name: 'portrait', width: 1_080, height: 1_350 },
    { name: 'full-screen', width: 1_080, height: 1_920 },
  ],
} as const satisfies PlatformRules;
