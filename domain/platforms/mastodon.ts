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

// What an instance has unless its people changed it; each says its own at /api/v2/instance.
// https://docs.joinmastodon.org/entities/Instance (second-hand, read 2026-11-21)
const text: TextRule = {
  maxLength: 500,
  counting: 'mastodon',
  isRequired: false,
  maxHashtags: null,
  maxMentions: null,
};
const ownText: TextRule = { ...text, isRequired: true };

const image: ImageRule = {
  contentTypes: ['image/jpeg', 'image/png', 'image/gif', 'image/webp'],
  maxBytes: 16_777_216,
  maxPixels: 33_177_600,
  // Animations become videos there, which stand alone.
  maxFrames: 1,
  aspectRatio: null,
};
const oneImage: MediaRule = { minCount: 1, maxCount: 1, image, video: null, maxAltText: 1_500 };

const video: VideoRule = {
  contentTypes: ['video/mp4', 'video/quicktime', 'video/webm'],
  maxBytes: 103_809_024,
  maxPixels: 8_294_400,
  aspectRatio: null,
  // Bounded by its bytes alone.
  durationSeconds: { min: 0.1, max: 86_400 },
  frameRate: { min: 1, max: 120 },
};
const oneVideo: MediaRule = { minCount: 1, maxCount: 1, image: null, video, maxAltText: 1_500 };

// https://docs.joinmastodon.org/methods/statuses/#create (second-hand, read 2026-11-21)
const options: Readonly<Record<string, OptionRule>> = {
  visibility: {
    kind: 'choice',
    values: ['public', 'unlisted', 'private'],
    description:
      'Who sees it: everyone, everyone but not in public lists, followers (default: as the account is set)',
  },
  sensitive: { kind: 'flag', description: 'Hides the media until a reader asks for them (default: false)' },
  language: {
    kind: 'text',
    maxLength: 3,
    pattern: '^[a-z]{2,3}$',
    description: 'The language it is written in, by its ISO 639 code (default: as the account is set)',
  },
};

/** Mastodon bounds no thread; this is what a reader may be asked to follow. */
const thread = { maxParts: 24, text: ownText };
const below = { options, firstComment: ownText, thread };
const videoPost: PostRule = { isSupported: true, text, media: oneVideo, ...below };

export const mastodon = {
  name: 'Mastodon',
  kinds: ['user'],
  accountIds: { user: { pattern: '^[0-9]+$', example: '109302436954721982' } },
  types: {
    TEXT_ONLY: { isSupported: true, text: ownText, media: null, ...below },
    SINGLE_IMAGE: { isSupported: true, text, media: oneImage, ...below },
    // Up to four pictures beside each other.
    CAROUSEL: { isSupported: true, text, media: { ...oneImage, minCount: 2, maxCount: 4 }, ...below },
    VIDEO: videoPost,
    STORY: unsupported('Mastodon has no stories'),
    // An upright video is a video there.
    REEL: videoPost,
  },
  // 300 posts in 3 hours of an account, answers among them; an application as such has no limit.
  rates: {
    ...{ app: { perMinute: 600, burst: 1_000 }, profile: { perMinute: 1.5, burst: 12 } },
    caps: [{ counts: 'profile', max: 300, window: { hours: 3 }, includesParts: true }],
  },
  // A text is given the key by which the instance knows it again. Media that no post uses live for a day.
  prepareMinutes: { TEXT_ONLY: 1, SINGLE_IMAGE: 2, CAROUSEL: 3, VIDEO: 15, REEL: 15 },
  sizes: [
    { name: 'landscape', width: 1_600, height: 900 },
    { name: 'square', width: 1_080, height: 1_080 },
    { name: 'portrait', width: 1_080, height: 1_350 },
  ],
} as const satisfies PlatformRules;
