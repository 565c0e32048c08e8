import {
  type ImageRule,
  type MediaRule,
  type OptionRule,
  type PlatformRules,
  type TextRule,
  unsupported,
  type VideoRule,
} from './rules.ts';

// The guide says 30 hashtags and 20 mentions; third parties report that 5 hashtags are enforced here and there.
// https://developers.facebook.com/documentation/instagram-platform/instagram-graph-api/reference/ig-user/media (read 2026-11-21)
const text: TextRule = {
  maxLength: 2_200,
  counting: 'utf-16',
  isRequired: false,
  maxHashtags: 30,
  maxMentions: 20,
};

// What goes beyond a picture or video on a story cannot be sent.
const noText: TextRule = { ...text, maxLength: 0 };

// Meta documents no limits for comments: those of captions, as the app has them.
const comment: TextRule = { ...text, isRequired: true };

// The same page. Width is no limit: Instagram scales to 320-1440 pixels.
const image: ImageRule = {
  contentTypes: ['image/jpeg'],
  // "8 MB": the smaller reading.
  maxBytes: 8_000_000,
  maxPixels: null,
  maxFrames: 1,
  aspectRatio: { min: 4 / 5, max: 1.91 },
};
/** A ratio of 9:16 is recommended for stories and covers, and none refused. */
const uprightImage: ImageRule = { ...image, aspectRatio: null };

const video: VideoRule = {
  contentTypes: ['video/mp4', 'video/quicktime'],
  maxBytes: 300_000_000,
  maxPixels: null,
  aspectRatio: { min: 0.01, max: 10 },
  width: { max: 1_920 },
  durationSeconds: { min: 3, max: 900 },
  frameRate: { min: 23, max: 60 },
  videoCodecs: ['AVC', 'HEVC'],
  audioCodecs: ['AAC'],
};
const storyVideo: VideoRule = { ...video, maxBytes: 100_000_000, durationSeconds: { min: 3, max: 60 } };
// A video among pictures is no reel. Its limits are no longer documented: the last known ones.
const carouselVideo: VideoRule = { ...storyVideo };

const oneImage: MediaRule = { minCount: 1, maxCount: 1, image, video: null, maxAltText: 1_000 };
// Alternative text is for pictures alone.
const oneReel: MediaRule = {
  ...{ minCount: 1, maxCount: 1, image: null, video, maxAltText: 0 },
  cover: { isRequired: false, image: uprightImage },
};

const everywhere = {
  collaborators: {
    description:
      'User names, without @, of up to three accounts that are invited to publish it as theirs too.',
    ...{ kind: 'texts', maxCount: 3, maxLength: 30 },
  },
  locationId: {
    description: 'The id of the Facebook page of a place, which is shown above the post.',
    ...{ kind: 'text', maxLength: 30, pattern: '^\\d+$' },
  },
  aiGenerated: { description: 'Labels the post as made with AI (default: no label).', kind: 'flag' },
} as const satisfies Record<string, OptionRule>;

const ofVideo = {
  ...everywhere,
  thumbOffsetMs: {
    description:
      'Which instant of the video, in milliseconds, is its cover (default 0); a cover picture goes before it.',
    ...{ kind: 'whole-number', min: 0, max: 900_000 },
  },
  audioName: {
    description: 'How its original sound is named; it can be changed once.',
    ...{ kind: 'text', maxLength: 100 },
  },
} as const satisfies Record<string, OptionRule>;

const ofReel = {
  ...ofVideo,
  shareToFeed: { description: 'Also shows the reel in the feed (default true).', kind: 'flag' },
  trial: {
    description:
      'Shows it first to people who do not follow the account: MANUAL until somebody shares it with all, SS_PERFORMANCE until it does well.',
    ...{ kind: 'choice', values: ['MANUAL', 'SS_PERFORMANCE'] },
  },
} as const satisfies Record<string, OptionRule>;

export const instagram = {
  name: 'Instagram',
  // Connected through a Facebook page, or by Instagram's own login.
  kinds: ['business', 'professional'],
  accountIds: {
    business: { pattern: '^[0-9]+$', example: '17841405822304914' },
    professional: { pattern: '^[0-9]+$', example: '17841405822304914' },
  },
  logins: ['instagram'],
  types: {
    TEXT_ONLY: unsupported('Instagram has no posts without a picture or video'),
    SINGLE_IMAGE: {
      ...{ isSupported: true, text, media: oneImage, options: everywhere },
      firstComment: comment,
    },
    // https://developers.facebook.com/documentation/instagram-platform/content-publishing (read 2026-11-21)
    CAROUSEL: {
      ...{ isSupported: true, text, options: everywhere },
      media: { ...oneImage, minCount: 2, maxCount: 10, video: carouselVideo },
      firstComment: comment,
    },
    // Published as a reel that is shown in the feed.
    VIDEO: { isSupported: true, text, media: oneReel, options: ofVideo, firstComment: comment },
    STORY: {
      ...{ isSupported: true, text: noText },
      media: { ...oneImage, image: uprightImage, video: storyVideo, maxAltText: 0 },
    },
    REEL: { isSupported: true, text, media: oneReel, options: ofReel, firstComment: comment },
  },
  // The guide says 100 posts in 24 hours, the reference 50; the account itself is asked.
  // https://developers.facebook.com/documentation/instagram-platform/content-publishing (read 2026-11-21)
  rates: {
    ...{ app: { perMinute: 6_000, burst: 2_500 }, profile: { perMinute: 30, burst: 12 } },
    caps: [{ counts: 'profile', max: 50, window: { hours: 24 }, isReadLive: true }],
  },
  // A container is dropped after 24 hours.
  prepareMinutes: { SINGLE_IMAGE: 5, CAROUSEL: 30, VIDEO: 30, STORY: 15, REEL: 30 },
  sizes: [
    // Too tall for the feed, best for stories and reels.
    { name: 'full-screen', width: 1_080, height: 1_920 },
    { name: 'portrait', width: 1_080, height: 1_350 },
    { name: 'square', width: 1_080, height: 1_080 },
    { name: 'landscape', width: 1_080, height: 566 },
  ],
} as const satisfies PlatformRules;
