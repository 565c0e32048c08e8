import { isVideoType } from './media-limits.ts';
import { platformRules } from './platforms/index.ts';
import type {
  DesignSize,
  FileRule,
  ImageRule,
  MediaRule,
  OptionRule,
  PostRule,
  Range,
  TextRule,
  VideoRule,
} from './platforms/rules.ts';
import { type AccountKind, type Platform, type PostType, unreachable } from './post.ts';
import { countedUnits, countHashtags, countLinks, countMentions, countText } from './text-length.ts';

/** What the probe learnt about one piece of media, with its alternative text. */
export interface MediaFacts {
  readonly contentType: string;
  readonly sizeBytes: number;
  /** As displayed, after any rotation the file asks for. */
  readonly width: number;
  readonly height: number;
  /** Pictures in an animation; 1 or absent for a still. */
  readonly frames?: number;
  /** The rest is a video's alone. */
  readonly durationSeconds?: number;
  readonly frameRate?: number;
  readonly videoCodec?: string;
  /** Absent for a video without sound. */
  readonly audioCodec?: string;
  readonly altText?: string | null;
  /** The picture shown before a video plays. */
  readonly cover?: Omit<MediaFacts, 'cover'>;
}

/** What an option of a target may hold. */
export type OptionValue = string | number | boolean | readonly string[];
export type TargetOptions = Readonly<Record<string, OptionValue>>;

export interface TargetInput {
  readonly platform: Platform;
  readonly kind: AccountKind;
  readonly type: PostType;
  readonly text: string;
  readonly title?: string | null;
  readonly firstComment?: string | null;
  /** The parts below the post, in their order. */
  readonly thread?: readonly string[];
  readonly options?: TargetOptions;
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
  'too-many-links',
  'characters-unsupported',
  'title-unsupported',
  'first-comment-unsupported',
  'thread-unsupported',
  'thread-too-long',
  'option-unknown',
  'option-missing',
  'option-invalid',
  'too-few-media',
  'too-many-media',
  'format-unsupported',
  'file-too-large',
  'too-many-pixels',
  'too-many-frames',
  'aspect-ratio',
  'dimensions',
  'dimensions-differ',
  'duration',
  'frame-rate',
  'codec-unsupported',
  'cover-missing',
  'cover-unsupported',
  'alt-text-too-long',
] as const;
export type ViolationCode = (typeof violationCodes)[number];

/**
 * One rule a target breaks. `field` is where: `text`, `title`, `firstComment`, `thread[1]`, `options.boardId`, `type`,
 * `media`, `media[2].altText`, `media[0].cover`.
 */
export interface Violation {
  readonly code: ViolationCode;
  readonly field: string;
  readonly limit: number | string | null;
  readonly actual: number | string;
  readonly message: string;
}

/** Whole pixels cannot meet every ratio exactly: 1200 x 628 is the usual 1.91:1. */
const ratioTolerance = 0.005;
/** A container's duration is rounded to the last picture; a rate of 29.97 is written as 30. */
const durationToleranceSeconds = 0.1;
const frameRateTolerance = 0.05;

/** The rule for one type on one platform: its limits, or the reason it cannot be used. */
export const ruleFor = (platform: Platform, type: PostType): PostRule => platformRules[platform].types[type];

/** Whether an account kind exists on a platform, e.g. `organization` on LinkedIn. */
export const isKindOf = (platform: Platform, kind: AccountKind): boolean =>
  platformRules[platform].kinds.includes(kind);

/** What the platform's id of an account must look like. */
export interface AccountIdRule {
  readonly pattern: RegExp;
  readonly example: string;
}

export function accountIdRule(platform: Platform, kind: AccountKind): AccountIdRule {
  const rule = platformRules[platform].accountIds[kind];
  if (!rule) throw new Error(`${platform} has no accounts of kind ${kind}`);
  return { pattern: new RegExp(rule.pattern, 'u'), example: rule.example };
}

/**
 * Lists every rule a target breaks, in the order text, title, what follows the post, options, media as a whole, each
 * piece; an empty list means it may be sent.
 */
export function checkTarget(target: TargetInput): Violation[] {
  const { platform, kind, type } = target;
  if (!isKindOf(platform, kind)) {
    const kinds = platformRules[platform].kinds.join(', ');
    const message = `${platform} accounts are of kind ${kinds}, not ${kind}`;
    return [{ code: 'account-kind-unsupported', field: 'kind', limit: kinds, actual: kind, message }];
  }
  const rule = ruleFor(platform, type);
  if (!rule.isSupported) {
    return [
      { code: 'post-type-unsupported', field: 'type', limit: null, actual: type, message: rule.reason },
    ];
  }
  return [
    ...checkText('text', target.text, rule.text),
    ...checkTitle(target.title ?? null, rule.title),
    ...checkFirstComment(target.firstComment ?? null, rule.firstComment),
    ...checkThread(target.thread ?? [], rule.thread),
    ...checkOptions(target.options ?? {}, rule.options ?? {}),
    ...(target.media ? checkMedia(target.media, rule.media) : []),
  ];
}

function checkText(field: string, text: string, rule: TextRule): Violation[] {
  const isMissing = rule.isRequired && text.trim() === '';
  const what = field === 'title' ? 'title' : 'text';
  const unit = `${countedUnits[rule.counting]} of ${what}`;
  const missing = `A post of this type needs ${what === 'title' ? 'a title' : 'text'}`;
  return [
    ...(isMissing ? [violation('text-missing', field, 1, 0, missing)] : []),
    ...atMost('text-too-long', field, rule.maxLength, countText(text, rule.counting), unit),
    ...atMost('too-many-hashtags', field, rule.maxHashtags, countHashtags(text), 'hashtags'),
    ...atMost('too-many-mentions', field, rule.maxMentions, countMentions(text), 'mentions'),
    ...atMost('too-many-links', field, rule.maxLinks ?? null, countLinks(text), 'links'),
    ...checkCharacters(field, text, rule.forbidden ?? ''),
  ];
}

function checkCharacters(field: string, text: string, forbidden: string): Violation[] {
  const found = [...forbidden].filter((character) => text.includes(character));
  if (found.length === 0) return [];
  const limit = `none of ${[...forbidden].join(' ')}`;
  return [
    violation(
      'characters-unsupported',
      field,
      limit,
      found.join(' '),
      `${found.join(' ')} may not stand here`,
    ),
  ];
}

function checkTitle(title: string | null, rule: TextRule | undefined): Violation[] {
  if (rule) return checkText('title', title ?? '', rule);
  if (title === null) return [];
  return [violation('title-unsupported', 'title', 0, title.length, 'A post of this type has no title here')];
}

function checkFirstComment(comment: string | null, rule: TextRule | undefined): Violation[] {
  if (comment === null) return [];
  if (rule) return checkText('firstComment', comment, rule);
  const message = 'A post of this type takes no first comment from us';
  return [violation('first-comment-unsupported', 'firstComment', 0, comment.length, message)];
}

function checkThread(
  parts: readonly string[],
  rule: { readonly maxParts: number; readonly text: TextRule } | undefined,
): Violation[] {
  if (parts.length === 0) return [];
  if (!rule) {
    const message = 'A post of this type cannot be continued as a thread';
    return [violation('thread-unsupported', 'thread', 0, parts.length, message)];
  }
  return [
    ...atMost('thread-too-long', 'thread', rule.maxParts, parts.length, 'further parts'),
    ...parts.flatMap((part, index) => checkText(`thread[${index}]`, part, rule.text)),
  ];
}

function checkOptions(options: TargetOptions, rules: Readonly<Record<string, OptionRule>>): Violation[] {
  const unknown = Object.keys(options).filter((name) => !Object.hasOwn(rules, name));
  const known = Object.keys(rules).join(', ') || 'none';
  return [
    ...unknown.map((name) =>
      violation(
        'option-unknown',
        `options.${name}`,
        known,
        name,
        `There is no option ${name} here${known === 'none' ? '' : `, only ${known}`}`,
      ),
    ),
    ...Object.entries(rules).flatMap(([name, rule]) => checkOption(name, options[name], rule)),
  ];
}

function checkOption(name: string, value: OptionValue | undefined, rule: OptionRule): Violation[] {
  const field = `options.${name}`;
  if (value === undefined)
    return rule.isRequired
      ? [violation('option-missing', field, 1, 0, `${name} is needed: ${rule.description}`)]
      : [];
  const wrong = wrongAbout(value, rule);
  if (wrong === null) return [];
  const actual = typeof value === 'object' ? value.join(', ') : String(value);
  return [violation('option-invalid', field, wrong, actual.slice(0, 200), `${name} must be ${wrong}`)];
}

/** What an option's value should have been; `null` where it is. */
function wrongAbout(value: OptionValue, rule: OptionRule): string | null {
  switch (rule.kind) {
    case 'flag':
      return typeof value === 'boolean' ? null : 'true or false';
    case 'choice':
      return rule.values.some((one) => one === value) ? null : `one of ${rule.values.join(', ')}`;
    case 'whole-number': {
      const fits = Number.isInteger(value) && Number(value) >= rule.min && Number(value) <= rule.max;
      return fits ? null : `a whole number from ${rule.min} to ${rule.max}`;
    }
    case 'text': {
      const matches = typeof value === 'string' && new RegExp(rule.pattern ?? '', 'u').test(value);
      if (matches && value.length <= rule.maxLength && value !== '') return null;
      return `text of 1 to ${rule.maxLength} characters${rule.pattern ? ` matching ${rule.pattern}` : ''}`;
    }
    case 'texts': {
      const fits =
        Array.isArray(value) &&
        value.length <= rule.maxCount &&
        value.every((one) => one !== '' && one.length <= rule.maxLength);
      return fits ? null : `at most ${rule.maxCount} texts of 1 to ${rule.maxLength} characters`;
    }
    case 'web-address': {
      const fits = typeof value === 'string' && value.length <= rule.maxLength && isWebAddress(value);
      return fits ? null : `a web address of at most ${rule.maxLength} characters`;
    }
    default:
      return unreachable(rule, 'kind of option');
  }
}

const isWebAddress = (text: string): boolean =>
  URL.canParse(text) && /^https?:$/.test(new URL(text).protocol);

function checkMedia(media: readonly MediaFacts[], rule: MediaRule | null): Violation[] {
  const minCount = rule?.minCount ?? 0;
  const tooFew = `${media.length} pieces of media, at least ${minCount} needed`;
  return [
    ...(media.length < minCount ? [violation('too-few-media', 'media', minCount, media.length, tooFew)] : []),
    ...atMost('too-many-media', 'media', rule?.maxCount ?? 0, media.length, 'pieces of media'),
    ...(rule?.isUniform ? checkUniform(media) : []),
    ...(rule ? media.flatMap((facts, index) => checkItem(facts, rule, `media[${index}]`)) : []),
  ];
}

function checkUniform(media: readonly MediaFacts[]): Violation[] {
  const sizes = [...new Set(media.map(({ width, height }) => `${width} x ${height}`))];
  if (sizes.length <= 1) return [];
  const message = `All must have one size, these have ${sizes.join(', ')}`;
  return [violation('dimensions-differ', 'media', 1, sizes.length, message)];
}

function checkItem(facts: MediaFacts, rule: MediaRule, field: string): Violation[] {
  const isVideo = isVideoType(facts.contentType);
  const fileRule = isVideo ? rule.video : rule.image;
  return [
    ...(fileRule ? checkFile(facts, fileRule, field) : refuseFormat(facts, acceptedBy(rule), field)),
    ...(isVideo && rule.video ? checkVideo(facts, rule.video, field) : []),
    ...(isVideo ? checkCover(facts.cover, rule.cover, `${field}.cover`) : []),
    ...atMost(
      'alt-text-too-long',
      `${field}.altText`,
      rule.maxAltText,
      facts.altText?.length ?? 0,
      'characters of alternative text',
    ),
  ];
}

const acceptedBy = ({ image, video }: MediaRule): readonly string[] => [
  ...(image?.contentTypes ?? []),
  ...(video?.contentTypes ?? []),
];

function checkFile(facts: MediaFacts, rule: FileRule & Partial<ImageRule>, field: string): Violation[] {
  return [
    ...(rule.contentTypes.includes(facts.contentType) ? [] : refuseFormat(facts, rule.contentTypes, field)),
    ...atMost('file-too-large', field, rule.maxBytes, facts.sizeBytes, 'bytes'),
    ...atMost('too-many-pixels', field, rule.maxPixels, facts.width * facts.height, 'pixels'),
    ...atMost('too-many-frames', field, rule.maxFrames ?? null, facts.frames ?? 1, 'frames'),
    ...checkDimension('width', facts.width, rule.width, field),
    ...checkDimension('height', facts.height, rule.height, field),
    ...checkAspectRatio(facts, rule, field),
  ];
}

function refuseFormat({ contentType }: MediaFacts, accepted: readonly string[], field: string): Violation[] {
  const limit = accepted.join(', ');
  const message = `${contentType} is not accepted, only ${limit}`;
  return [violation('format-unsupported', field, limit, contentType, message)];
}

function checkDimension(
  name: 'width' | 'height',
  pixels: number,
  range: Partial<Range> | undefined,
  field: string,
): Violation[] {
  if (!range || isWithin(pixels, range)) return [];
  const limit = `${range.min ?? 1} to ${range.max ?? 'any'} pixels`;
  return [
    violation('dimensions', field, limit, pixels, `Its ${name} is ${pixels} pixels, allowed is ${limit}`),
  ];
}

function checkVideo(facts: MediaFacts, rule: VideoRule, field: string): Violation[] {
  const { durationSeconds, frameRate, videoCodec, audioCodec } = facts;
  return [
    ...checkRange('duration', field, durationSeconds, rule.durationSeconds, 's', durationToleranceSeconds),
    ...checkRange('frame-rate', field, frameRate, rule.frameRate, 'pictures a second', frameRateTolerance),
    ...checkCodec('video', field, videoCodec, rule.videoCodecs),
    ...checkCodec('audio', field, audioCodec, rule.audioCodecs),
  ];
}

function checkRange(
  code: 'duration' | 'frame-rate',
  field: string,
  actual: number | undefined,
  range: Range | undefined,
  unit: string,
  tolerance: number,
): Violation[] {
  if (actual === undefined || !range) return [];
  if (actual >= range.min - tolerance && actual <= range.max + tolerance) return [];
  const limit = `${range.min} to ${range.max} ${unit}`;
  const shown = Number(actual.toFixed(2));
  return [violation(code, field, limit, shown, `${shown} ${unit}, allowed is ${limit}`)];
}

function checkCodec(
  track: 'video' | 'audio',
  field: string,
  codec: string | undefined,
  accepted: readonly string[] | undefined,
): Violation[] {
  if (codec === undefined || !accepted || accepted.includes(codec)) return [];
  const limit = accepted.join(', ');
  return [
    violation('codec-unsupported', field, limit, codec, `The ${track} is ${codec}, accepted is ${limit}`),
  ];
}

function checkCover(cover: MediaFacts['cover'], rule: MediaRule['cover'], field: string): Violation[] {
  if (!cover) {
    if (!rule?.isRequired) return [];
    return [violation('cover-missing', field, 1, 0, 'A video of this type needs a cover picture')];
  }
  if (rule) return checkFile(cover, rule.image, field);
  return [violation('cover-unsupported', field, 0, 1, 'A video of this type takes no cover picture from us')];
}

function checkAspectRatio({ width, height }: MediaFacts, rule: FileRule, field: string): Violation[] {
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

const isWithin = (value: number, { min = 0, max = Number.POSITIVE_INFINITY }: Partial<Range>): boolean =>
  value >= min && value <= max;

function atMost(
  code: ViolationCode,
  field: string,
  limit: number | null,
  actual: number,
  unit: string,
): Violation[] {
  if (limit === null || actual <= limit) return [];
  const allowed = limit === 0 ? 'none' : `at most ${limit}`;
  return [violation(code, field, limit, actual, `${actual} ${unit}, ${allowed} allowed`)];
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

/** A size to design for. */
export interface BriefFormat extends DesignSize {
  readonly contentTypes: readonly string[];
  readonly maxBytes: number | null;
}

/**
 * The recommended sizes in pixels for a designer's brief, best first; empty where the type carries no media or is not
 * supported. Every size passes `checkTarget`.
 */
export function briefFormats(platform: Platform, type: PostType): BriefFormat[] {
  const rule = ruleFor(platform, type);
  if (!rule.isSupported || !rule.media) return [];
  const file = rule.media.image ?? rule.media.video!;
  return platformRules[platform].sizes
    .filter((size) => fits(size, file))
    .map((size) => ({ ...size, contentTypes: file.contentTypes, maxBytes: file.maxBytes }));
}

function fits({ width, height }: DesignSize, rule: FileRule): boolean {
  const facts = { contentType: rule.contentTypes[0]!, sizeBytes: 0, width, height };
  return checkFile(facts, rule, '').length === 0;
}
