import type { AccountKind, Platform, PostType } from './post.ts';

/** What the probe learnt about one piece of media, with its alternative text. */
export interface MediaFacts {
  readonly contentType: string;
  readonly sizeBytes: number;
  /** As displayed, after any rotation the file asks for. */
  readonly width: number;
  readonly height: number;
  /** Pictures in an animation; 1 or absent for a still. */
  readonly frames?: number;
  readonly altText?: string | null;
}

export interface TargetInput {
  readonly platform: Platform;
  readonly kind: AccountKind;
  readonly type: PostType;
  readonly text: string;
  /** `undefined` while there is no media yet: media rules are then left out. An empty list is checked. */
  readonly media: readonly MediaFacts[] | undefined;
}

export const violationCodes = [
  'account-kind-unsupported',
  'post-type-unsupported',
  'text-missing',
  'text-too-long',
  'too-many-hashtags',
  'too-many-mentions',
  'too-few-media',
  'too-many-media',
  'format-unsupported',
  'file-too-large',
  'too-many-pixels',
  'too-many-frames',
  'aspect-ratio',
  'alt-text-too-long',
] as const;
export type ViolationCode = (typeof violationCodes)[number];

/** One rule a target breaks. `field` is where: `text`, `type`, `media`, `media[2].altText`. */
export interface Violation {
  readonly code: ViolationCode;
  readonly field: string;
  readonly limit: number | string | null;
  readonly actual: number | string;
  readonly message: string;
}

export interface TextRule {
  /** In UTF-16 code units, the strictest reading of "characters": neither platform says how it counts an emoji. */
  readonly maxLength: number;
  readonly isRequired: boolean;
  readonly maxHashtags: number | null;
  readonly maxMentions: number | null;
}

export interface MediaRule {
  readonly minCount: number;
  readonly maxCount: number;
  readonly contentTypes: readonly string[];
  readonly maxBytes: number | null;
  readonly maxPixels: number | null;
  readonly maxFrames: number | null;
  /** Width divided by height, both ends allowed. */
  readonly aspectRatio: { readonly min: number; readonly max: number } | null;
  readonly maxAltText: number;
}

/** A cell of the table: what a type may carry on a platform, or why the platform does not have it. */
export type PostRule =
  | { readonly isSupported: true; readonly text: TextRule; readonly media: MediaRule | null }
  | { readonly isSupported: false; readonly reason: string };

interface PlatformRules {
  readonly kinds: readonly AccountKind[];
  readonly types: Readonly<Record<PostType, PostRule>>;
}

const unsupported = (reason: string): PostRule => ({ isSupported: false, reason });

// https://learn.microsoft.com/en-us/linkedin/marketing/community-management/shares/posts-api (read 2026-11-21)
const linkedInText: TextRule = { maxLength: 3_000, isRequired: false, maxHashtags: null, maxMentions: null };

// https://learn.microsoft.com/en-us/linkedin/marketing/community-management/shares/images-api (read 2026-11-21)
const linkedInImage: MediaRule = {
  minCount: 1,
  maxCount: 1,
  contentTypes: ['image/jpeg', 'image/png', 'image/gif'],
  // LinkedIn documents no limit in bytes.
  maxBytes: null,
  // "Less than 36152320 pixels".
  maxPixels: 36_152_319,
  maxFrames: 250,
  aspectRatio: null,
  maxAltText: 4_086,
};

// The guide says 30 hashtags and 20 mentions.
// https://developers.facebook.com/documentation/instagram-platform/instagram-graph-api/reference/ig-user/media (read 2026-11-21)
const instagramText: TextRule = { maxLength: 2_200, isRequired: false, maxHashtags: 30, maxMentions: 20 };

// The same page. Width is no limit: Instagram scales to 320-1440 pixels.
const instagramImage: MediaRule = {
  minCount: 1,
  maxCount: 1,
  contentTypes: ['image/jpeg'],
  // "8 MB": the smaller reading.
  maxBytes: 8_000_000,
  maxPixels: null,
  maxFrames: 1,
  aspectRatio: { min: 4 / 5, max: 1.91 },
  maxAltText: 1_000,
};

/** Whole pixels cannot meet every ratio exactly: 1200 x 628 is the usual 1.91:1. */
const ratioTolerance = 0.005;

const rules: Readonly<Record<Platform, PlatformRules>> = {
  linkedin: {
    kinds: ['member', 'organization'],
    types: {
      TEXT_ONLY: { isSupported: true, text: { ...linkedInText, isRequired: true }, media: null },
      SINGLE_IMAGE: { isSupported: true, text: linkedInText, media: linkedInImage },
      // https://learn.microsoft.com/en-us/linkedin/marketing/community-management/shares/multiimage-post-api (read 2026-11-21)
      CAROUSEL: {
        isSupported: true,
        text: linkedInText,
        media: { ...linkedInImage, minCount: 2, maxCount: 20 },
      },
      VIDEO: unsupported('Video on LinkedIn is not supported yet'),
      STORY: unsupported('LinkedIn has no stories'),
      REEL: unsupported('LinkedIn has no reels'),
    },
  },
  instagram: {
    kinds: ['business'],
    types: {
      TEXT_ONLY: unsupported('Instagram has no posts without a picture or video'),
      SINGLE_IMAGE: { isSupported: true, text: instagramText, media: instagramImage },
      // https://developers.facebook.com/documentation/instagram-platform/content-publishing (read 2026-11-21)
      CAROUSEL: {
        isSupported: true,
        text: instagramText,
        media: { ...instagramImage, minCount: 2, maxCount: 10 },
      },
      VIDEO: unsupported('Instagram publishes every video as a reel, and reels are not supported yet'),
      STORY: unsupported('Stories on Instagram are not supported yet'),
      REEL: unsupported('Reels on Instagram are not supported yet'),
    },
  },
};

/** The rule for one type on one platform: its limits, or the reason it cannot be used. */
export const ruleFor = (platform: Platform, type: PostType): PostRule => rules[platform].types[type];

/** Whether an account kind exists on a platform, e.g. `organization` on LinkedIn. */
export const isKindOf = (platform: Platform, kind: AccountKind): boolean =>
  rules[platform].kinds.includes(kind);

/** Lists every rule a target breaks, in the order text, media as a whole, each piece; an empty list means it may be sent. */
export function checkTarget({ platform, kind, type, text, media }: TargetInput): Violation[] {
  if (!isKindOf(platform, kind)) {
    const kinds = rules[platform].kinds.join(', ');
    const message = `${platform} accounts are of kind ${kinds}, not ${kind}`;
    return [{ code: 'account-kind-unsupported', field: 'kind', limit: kinds, actual: kind, message }];
  }
  const rule = ruleFor(platform, type);
  if (!rule.isSupported) {
    return [
      { code: 'post-type-unsupported', field: 'type', limit: null, actual: type, message: rule.reason },
    ];
  }
  return [...checkText(text, rule.text), ...(media ? checkMedia(media, rule.media) : [])];
}

function checkText(text: string, rule: TextRule): Violation[] {
  const isMissing = rule.isRequired && text.trim() === '';
  return [
    ...(isMissing ? [violation('text-missing', 'text', 1, 0, 'A post of this type needs text')] : []),
    ...atMost('text-too-long', 'text', rule.maxLength, text.length, 'characters of text'),
    ...atMost('too-many-hashtags', 'text', rule.maxHashtags, countHashtags(text), 'hashtags'),
    ...atMost('too-many-mentions', 'text', rule.maxMentions, countMentions(text), 'mentions'),
  ];
}

function checkMedia(media: readonly MediaFacts[], rule: MediaRule | null): Violation[] {
  const minCount = rule?.minCount ?? 0;
  const tooFew = `${media.length} pieces of media, at least ${minCount} needed`;
  return [
    ...(media.length < minCount ? [violation('too-few-media', 'media', minCount, media.length, tooFew)] : []),
    ...atMost('too-many-media', 'media', rule?.maxCount ?? 0, media.length, 'pieces of media'),
    ...(rule ? media.flatMap((facts, index) => checkItem(facts, rule, `media[${index}]`)) : []),
  ];
}

function checkItem(facts: MediaFacts, rule: MediaRule, field: string): Violation[] {
  return [
    ...checkFormat(facts, rule, field),
    ...atMost('file-too-large', field, rule.maxBytes, facts.sizeBytes, 'bytes'),
    ...atMost('too-many-pixels', field, rule.maxPixels, facts.width * facts.height, 'pixels'),
    ...atMost('too-many-frames', field, rule.maxFrames, facts.frames ?? 1, 'frames'),
    ...checkAspectRatio(facts, rule, field),
    ...atMost(
      'alt-text-too-long',
      `${field}.altText`,
      rule.maxAltText,
      facts.altText?.length ?? 0,
      'characters',
    ),
  ];
}

function checkFormat(facts: MediaFacts, rule: MediaRule, field: string): Violation[] {
  if (rule.contentTypes.includes(facts.contentType)) return [];
  const limit = rule.contentTypes.join(', ');
  const message = `${facts.contentType} is not accepted, only ${limit}`;
  return [violation('format-unsupported', field, limit, facts.contentType, message)];
}

function checkAspectRatio({ width, height }: MediaFacts, rule: MediaRule, field: string): Violation[] {
  if (!rule.aspectRatio) return [];
  const { min, max } = rule.aspectRatio;
  const ratio = width / height;
  if (ratio >= min * (1 - ratioTolerance) && ratio <= max * (1 + ratioTolerance)) return [];
  const limit = `${min}:1 to ${max}:1`;
  const actual = `${ratio.toFixed(3)}:1`;
  return [
    violation('aspect-ratio', field, limit, actual, `${width} x ${height} is ${actual}, allowed is ${limit}`),
  ];
}

function atMost(
  code: ViolationCode,
  field: string,
  limit: number | null,
  actual: number,
  unit: string,
): Violation[] {
  if (limit === null || actual <= limit) return [];
  return [violation(code, field, limit, actual, `${actual} ${unit}, at most ${limit} allowed`)];
}

function violation(
  code: ViolationCode,
  field: string,
  limit: number | string,
  actual: number | string,
  message: string,
): Violation {
  return { code, field, limit, actual, message };
}

/** Counts `#words` the platforms would link: at least one letter, not in the middle of a word or an address. */
export function countHashtags(text: string): number {
  return text.match(/(?<![\p{L}\p{M}\p{N}_&/])[#＃](?=[\p{N}_]*\p{L})[\p{L}\p{M}\p{N}_]+/gu)?.length ?? 0;
}

/** Counts `@names`; the second half of a mail address is none. */
export function countMentions(text: string): number {
  return text.match(/(?<![\w.@/])@[\w][\w.]*/g)?.length ?? 0;
}

/** A size to design for. */
export interface BriefFormat {
  readonly name: 'square' | 'portrait' | 'landscape';
  readonly width: number;
  readonly height: number;
  readonly contentTypes: readonly string[];
  readonly maxBytes: number | null;
}

const sizes: Readonly<Record<Platform, readonly Pick<BriefFormat, 'name' | 'width' | 'height'>[]>> = {
  linkedin: [
    { name: 'square', width: 1_200, height: 1_200 },
    { name: 'landscape', width: 1_200, height: 627 },
    { name: 'portrait', width: 1_080, height: 1_350 },
  ],
  instagram: [
    { name: 'portrait', width: 1_080, height: 1_350 },
    { name: 'square', width: 1_080, height: 1_080 },
    { name: 'landscape', width: 1_080, height: 566 },
  ],
};

/**
 * The recommended sizes in pixels for a designer's brief, best first; empty where the type carries no media or is not
 * supported. Every size passes `checkTarget`.
 */
export function briefFormats(platform: Platform, type: PostType): BriefFormat[] {
  const rule = ruleFor(platform, type);
  if (!rule.isSupported || !rule.media) return [];
  const { contentTypes, maxBytes } = rule.media;
  return sizes[platform].map((size) => ({ ...size, contentTypes, maxBytes }));
}
