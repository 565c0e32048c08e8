import { textCountings } from '../../domain/platforms/rules.ts';
import { accountKinds, platforms, postTypes } from '../../domain/post.ts';
import { z } from '../zod.ts';

/** The table of platforms as `domain/platforms` has it; a test holds each field of it here. */

const range = z.object({ min: z.number(), max: z.number() });
const bounds = z.object({ min: z.number().optional(), max: z.number().optional() });
const orNone = <Value extends z.ZodType>(value: Value) =>
  value.nullable().openapi({ description: 'Null: no bound' });

const textRule = z
  .object({
    maxLength: z.int(),
    counting: z.enum(textCountings).openapi({
      description:
        '`utf-16` code units, `utf-8` bytes, `graphemes`, or as X (`x`), Threads (`threads`) and Mastodon (`mastodon`) count',
    }),
    isRequired: z.boolean(),
    maxHashtags: orNone(z.int()),
    maxMentions: orNone(z.int()),
    maxLinks: z.int().optional(),
    forbidden: z.string().optional().openapi({ description: 'Characters that may not stand in it' }),
  })
  .openapi('TextRule');

const fileRule = {
  contentTypes: z.array(z.string()).readonly(),
  maxBytes: orNone(z.int()),
  maxPixels: orNone(z.int()),
  aspectRatio: range.nullable().openapi({ description: 'Width divided by height, both ends allowed' }),
  width: bounds.optional(),
  height: bounds.optional(),
};
const imageRule = z
  .object({
    ...fileRule,
    maxFrames: orNone(z.int()).openapi({ description: 'Pictures in an animation; 1 takes stills alone' }),
  })
  .openapi('ImageRule');
const videoRule = z
  .object({
    ...fileRule,
    durationSeconds: range,
    frameRate: range.optional(),
    videoCodecs: z.array(z.string()).readonly().optional(),
    audioCodecs: z.array(z.string()).readonly().optional(),
  })
  .openapi('VideoRule');

const mediaRule = z
  .object({
    minCount: z.int(),
    maxCount: z.int(),
    image: imageRule.nullable().openapi({ description: 'Null where pictures are not taken' }),
    video: videoRule.nullable().openapi({ description: 'Null where video is not taken' }),
    maxAltText: z.int(),
    isUniform: z.boolean().optional().openapi({ description: 'All pieces have one width and height' }),
    cover: z
      .object({ isRequired: z.boolean(), image: imageRule })
      .optional()
      .openapi({ description: 'A cover picture beside a video; left out where none is taken' }),
  })
  .openapi('MediaRule');

const option = {
  description: z.string(),
  isRequired: z.boolean().optional(),
  isListed: z.boolean().optional().openapi({
    description: 'What it may hold is listed by `GET /profiles/{profileId}/options/{option}`',
  }),
};
const optionRule = z
  .discriminatedUnion('kind', [
    z.object({
      kind: z.literal('text'),
      ...option,
      maxLength: z.int(),
      pattern: z.string().optional(),
    }),
    z.object({ kind: z.literal('choice'), ...option, values: z.array(z.string()).readonly() }),
    z.object({ kind: z.literal('flag'), ...option }),
    z.object({ kind: z.literal('whole-number'), ...option, min: z.number(), max: z.number() }),
    z.object({ kind: z.literal('texts'), ...option, maxCount: z.int(), maxLength: z.int() }),
    z.object({ kind: z.literal('web-address'), ...option, maxLength: z.int() }),
  ])
  .openapi('OptionRule');

const supportedType = z.object({
  isSupported: z.literal(true),
  text: textRule,
  title: textRule.optional(),
  media: mediaRule.nullable(),
  options: z.record(z.string(), optionRule).readonly().optional(),
  firstComment: textRule.optional(),
  thread: z.object({ maxParts: z.int(), text: textRule }).optional(),
});
const unsupportedType = z.object({ isSupported: z.literal(false), reason: z.string() });
const typeRule = z.discriminatedUnion('isSupported', [supportedType, unsupportedType]).openapi('TypeRule');

export const platformSchema = z
  .object({
    platform: z.enum(platforms),
    name: z.string().openapi({ description: 'As its people write it' }),
    accountKinds: z.array(z.enum(accountKinds)).readonly(),
    accountIds: z
      .record(z.string(), z.object({ pattern: z.string(), example: z.string() }))
      .readonly()
      .openapi({ description: "What the platform's id of an account looks like, by its kind" }),
    logins: z.array(z.string()).readonly().optional().openapi({
      description: 'Ways to connect besides the usual one, for `login` of a platform app',
    }),
    types: z.object(
      Object.fromEntries(postTypes.map((type) => [type, typeRule])) as Record<
        (typeof postTypes)[number],
        typeof typeRule
      >,
    ),
    prepareMinutes: z.record(z.string(), z.number()).readonly().openapi({
      description: 'How long before the due time uploads start, by type; left out: nothing does',
    }),
    sizes: z
      .array(z.object({ name: z.string(), width: z.int(), height: z.int() }))
      .readonly()
      .openapi({ description: 'To design for, in pixels, best first' }),
  })
  .openapi('Platform');

export const platformListSchema = z.object({ platforms: z.array(platformSchema) }).openapi('PlatformList');
