import { type ImageRule, type MediaRule, type PlatformRules, type TextRule, unsupported } from './rules.ts';

// The guide says 30 hashtags and 20 mentions.
// https://developers.facebook.com/documentation/instagram-platform/instagram-graph-api/reference/ig-user/media (read 2026-11-21)
const text: TextRule = {
  maxLength: 2_200,
  counting: 'utf-16',
  isRequired: false,
  maxHashtags: 30,
  maxMentions: 20,
};

// The same page. Width is no limit: Instagram scales to 320-1440 pixels.
const image: ImageRule = {
  contentTypes: ['image/jpeg'],
  // "8 MB": the smaller reading.
  maxBytes: 8_000_000,
  maxPixels: null,
  maxFrames: 1,
  aspectRatio: { min: 4 / 5, max: 1.91 },
};
const oneImage: MediaRule = { minCount: 1, maxCount: 1, image, video: null, maxAltText: 1_000 };

export const instagram = {
  name: 'Instagram',
  kinds: ['business'],
  accountIds: { business: { pattern: '^[0-9]+$', example: '17841405822304914' } },
  types: {
    TEXT_ONLY: unsupported('Instagram has no posts without a picture or video'),
    SINGLE_IMAGE: { isSupported: true, text, media: oneImage },
    // https://developers.facebook.com/documentation/instagram-platform/content-publishing (read 2026-11-21)
    CAROUSEL: { isSupported: true, text, media: { ...oneImage, minCount: 2, maxCount: 10 } },
    VIDEO: unsupported('Instagram publishes every video as a reel, and reels are not supported yet'),
    STORY: unsupported('Stories on Instagram are not supported yet'),
    REEL: unsupported('Reels on Instagram are not supported yet'),
  },
  rates: { app: { perMinute: 6_000, burst: 2_500 }, profile: { perMinute: 30, burst: 12 } },
  // A container is dropped after 24 hours.
  prepareMinutes: { SINGLE_IMAGE: 5, CAROUSEL: 15 },
  sizes: [
    { name: 'portrait', width: 1_080, height: 1_350 },
    { name: 'square', width: 1_080, height: 1_080 },
    { name: 'landscape', width: 1_080, height: 566 },
  ],
} as const satisfies PlatformRules;
