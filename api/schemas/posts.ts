import { resolutions } from '../../domain/commands.ts';
import { type BlockCode, blockCodes } from '../../domain/lifecycle.ts';
import { partStates } from '../../domain/parts.ts';
import { latenessRules } from '../../domain/policy.ts';
import { accountKinds, gates, platforms, postStatuses, postTypes, roles } from '../../domain/post.ts';
import { targetPhases } from '../../domain/post-state.ts';
import { z } from '../zod.ts';
import { amendmentSchema } from './amendments.ts';
import { id, instant, pageQuery, problemErrorSchema } from './common.ts';
import { checkDue, dueFields, saysDue } from './due-times.ts';
import { hasAnyField } from './tenants.ts';

const gate = z.enum(gates);
const copy = () => z.string().max(20_000);
const hash = () => z.string().regex(/^[0-9a-f]{64}$/, 'Must be a SHA-256 in lower-case hexadecimal');

const mediaInput = () =>
  z
    .array(
      z.strictObject({
        mediaId: id(),
        altText: z.string().max(5_000).nullable().default(null),
        coverMediaId: id().optional().openapi({ description: 'The picture shown before a video plays' }),
      }),
    )
    .max(40);
/** What a target says besides its copy, and what only its platform knows. The platforms' rules bound it further. */
export const targetTexts = {
  title: z.string().trim().min(1).max(1_000).optional().openapi({
    description: 'Where the platform has titles: YouTube, Reddit, Pinterest',
  }),
  hashtags: z
    .array(
      z
        .string()
        .regex(/^[\p{L}\p{M}\p{N}_]+$/u, 'Must be a word without #')
        .max(100),
    )
    .min(1)
    .max(60)
    .optional()
    .openapi({ description: 'Without their #; they follow the copy' }),
  firstComment: copy()
    .min(1)
    .optional()
    .openapi({ description: 'A comment of your own right below the post' }),
  thread: z
    .array(copy().min(1))
    .min(1)
    .max(50)
    .optional()
    .openapi({ description: 'Further parts below the post, each an answer to the one before' }),
  options: z
    .record(
      z.string().max(50),
      z.union([z.string().max(5_000), z.number(), z.boolean(), z.array(z.string().max(500)).max(100)]),
    )
    .optional()
    .openapi({ description: 'What only this platform knows, by name: see docs/platforms.md' }),
};
const targetInput = () =>
  z
    .array(
      z
        .strictObject({
          profileId: id(),
          copy: copy().nullable().default(null).openapi({ description: 'Null takes the base copy' }),
          type: z.enum(postTypes).optional().openapi({
            description:
              "What it is on this platform (default the post's type): a single image of a carousel, or its text alone",
          }),
          ...targetTexts,
          ...dueFields,
        })
        .superRefine(checkDue),
    )
    .min(1)
    .max(20);

export const newPostSchema = z
  .strictObject({
    type: z.enum(postTypes),
    copy: copy().default(''),
    media: mediaInput().default([]),
    targets: targetInput(),
    ...dueFields,
    origin: z.enum(['human', 'ai']).default('human'),
    assigneeId: id().nullable().default(null),
    submit: z.boolean().default(false).openapi({ description: 'Submits the post at once' }),
  })
  .superRefine(checkDue)
  .openapi('NewPost');
export type NewPostInput = z.infer<typeof newPostSchema>;

export const validationSchema = z
  .object({
    valid: z.boolean(),
    errors: z.array(problemErrorSchema).openapi({ description: 'As creating the post would name them' }),
  })
  .openapi('Validation');

export const postChangeSchema = z
  .strictObject({
    copy: copy().optional(),
    media: mediaInput().optional(),
    targets: targetInput()
      .optional()
      .openapi({ description: 'Once a post has been submitted, the same profiles with other copy' }),
    assigneeId: id().nullable().optional(),
    ...dueFields,
  })
  .superRefine(checkDue)
  .refine(hasAnyField, { message: 'Must change at least one field', params: { code: 'nothing-to-change' } })
  .openapi('PostChange');
export type PostChange = z.infer<typeof postChangeSchema>;

export const decisionInputSchema = z
  .strictObject({
    gate,
    verdict: z.enum(['approve', 'reject']),
    hash: hash().openapi({ description: 'The hash of the gate that the decider saw' }),
    notes: z.string().max(4_000).nullable().default(null).openapi({ description: 'Required to reject' }),
    returnTo: gate.nullable().default(null).openapi({
      description: 'Where a rejection at the publish gate sends the post back to (default content)',
    }),
  })
  .openapi('NewDecision');
export type DecisionInput = z.infer<typeof decisionInputSchema>;

export const scheduleInputSchema = z
  .strictObject({
    ...dueFields,
    dueAt: instant().optional(),
    targets: z
      .array(z.strictObject({ targetId: id(), ...dueFields }).superRefine(checkDue))
      .max(20)
      .default([])
      .openapi({
        description: "Targets with a due time of their own; `dueAt: null` gives one the post's again",
      }),
  })
  .superRefine(checkDue)
  .refine((input) => saysDue(input) || input.targets.length > 0, {
    path: ['dueAt'],
    message: 'Must say a due time, for the post or for a target',
    params: { code: 'nothing-to-change' },
  })
  .refine(({ targets }) => new Set(targets.map(({ targetId }) => targetId)).size === targets.length, {
    path: ['targets'],
    message: 'Each target may be named once',
    params: { code: 'duplicate-target' },
  })
  .refine((input) => input.targets.every(saysDue), {
    path: ['targets'],
    message: 'Each target needs a due time, or null',
    params: { code: 'incomplete-due-time' },
  })
  .openapi('NewDueTime');
export type ScheduleInput = z.infer<typeof scheduleInputSchema>;

export const pauseInputSchema = z
  .strictObject({ reason: z.string().trim().max(500).nullable().default(null) })
  .openapi('Pause');

export const publishNowInputSchema = z
  .strictObject({ hash: hash().openapi({ description: 'The publish hash: it casts your vote' }) })
  .openapi('PublishNow');
export const unpublishInputSchema = z
  .strictObject({
    targetIds: z
      .array(id())
      .min(1)
      .max(20)
      .optional()
      .openapi({ description: 'Default: all that went public' }),
  })
  .openapi('Unpublish');
export const removalsSchema = z
  .object({
    removals: z.array(
      z.object({
        targetId: id(),
        part: z.int().openapi({ description: '0 is the post; from 1 on what stands below it' }),
        state: z.enum(['REQUESTED', 'REMOVED', 'FAILED']),
        requestedAt: instant(),
        removedAt: instant().nullable(),
        error: z.object({ code: z.string(), message: z.string() }).nullable(),
      }),
    ),
  })
  .openapi('Removals');
export const retryInputSchema = z
  .strictObject({
    targetIds: z
      .array(id())
      .min(1)
      .max(20)
      .optional()
      .openapi({ description: 'Default: all of which something failed' }),
  })
  .openapi('Retry');
export const resolveInputSchema = z
  .strictObject({
    targetId: id(),
    resolution: z.enum(resolutions).openapi({
      description:
        '`published`: it stands there (name the permalink). `absent`: it does not, the target has failed. `resend`: send it once more.',
    }),
    permalink: z
      .url({ protocol: /^https?$/, error: 'Must be an http(s) address' })
      .max(2_000)
      .nullable()
      .default(null)
      .openapi({ description: 'Required for `published`' }),
    cycle: z.int().min(1).nullable().default(null).openapi({
      description:
        "The target's `cycle` that this is about, as the post shows it. With it, a repeat that comes late settles no later doubt. Default: the one the target is in when the command is carried out.",
    }),
  })
  .openapi('Resolve');
export type ResolveInput = z.infer<typeof resolveInputSchema>;
export const cancelInputSchema = z
  .strictObject({ reason: z.string().trim().max(500).nullable().default(null) })
  .openapi('Cancel');

export const postListQuery = z.strictObject({
  ...pageQuery,
  status: z.array(z.enum(postStatuses)).max(20).optional().openapi({ description: 'May be repeated' }),
  waitingOn: z
    .enum([...gates, ...(blockCodes as readonly BlockCode[])] as [string, ...string[]])
    .optional()
    .openapi({ description: 'A gate, or the code of something that blocks' }),
  decidableByMe: z.enum(['true', 'false']).optional(),
  profileId: id().optional(),
  dueFrom: instant()
    .optional()
    .openapi({ description: "Any of its targets is due from then on, by its own time or the post's" }),
  dueTo: instant().optional().openapi({ description: 'Not included itself' }),
  text: z.string().trim().min(1).max(200).optional().openapi({ description: 'Words in the copy' }),
});
export type PostListQuery = z.infer<typeof postListQuery>;

const block = z
  .object({
    code: z.enum(blockCodes),
    message: z.string(),
    gate: gate.optional(),
    targetId: id().optional(),
    at: instant().optional(),
  })
  .openapi('Block');

const gateState = z
  .object({
    status: z.enum(['pending', 'approved', 'rejected']),
    round: z.int(),
    hash: hash().openapi({ description: 'What a decision must name now' }),
    votes: z.array(z.object({ memberId: z.string(), at: instant() })),
    decidedAt: instant().nullable(),
    decidedBy: z.string().nullable().openapi({ description: 'A member, or `policy`' }),
    notes: z.string().nullable(),
    openedAt: instant()
      .nullable()
      .openapi({ description: 'Since when this round waits; the SLA counts from here' }),
    overdueAt: instant().nullable().openapi({ description: 'When its SLA ends' }),
    reminders: z.int().openapi({ description: 'Reminders sent in this round' }),
    escalatedAt: instant().nullable(),
  })
  .openapi('Gate');

const deciders = z.object({ roles: z.array(z.enum(roles)), memberIds: z.array(z.string()) });
const gatePolicy = z
  .object({
    required: z.boolean(),
    decidersOfAll: z.array(deciders.extend({ escalateTo: deciders })),
    quorum: z.int(),
    authorMay: z.boolean(),
    slaHours: z.number(),
    slaWarningPercent: z.number(),
    reminderEveryHours: z.number(),
    reminders: z.int(),
    lateness: z.enum(latenessRules),
    reopensOnDueTime: z.boolean(),
  })
  .openapi('GatePolicy');

const byGate = <Value extends z.ZodType>(value: Value) =>
  z.object({ content: value, design: value, publish: value });

const postHead = {
  id: id(),
  type: z.enum(postTypes),
  origin: z.enum(['human', 'ai']),
  status: z.enum(postStatuses),
  blockedOn: z.array(block),
  openGate: gate.nullable().openapi({ description: 'The gate that waits for a decision' }),
  decidableByMe: z.boolean(),
  dueAt: instant().nullable(),
  dueLocal: z.string().nullable(),
  dueTimeZone: z.string().nullable(),
  assigneeId: id().nullable(),
  createdBy: id(),
  createdAt: instant(),
  updatedAt: instant(),
  submittedAt: instant().nullable(),
  contentApprovedAt: instant().nullable(),
  designApprovedAt: instant().nullable(),
  publishApprovedAt: instant().nullable(),
  archived: z.boolean(),
  version: z.int().openapi({ description: 'As in the ETag' }),
};

export const listedPostSchema = z
  .object({ ...postHead, copy: z.string(), revisionId: id(), revisionNumber: z.int() })
  .openapi('ListedPost');

export const targetSchema = z
  .object({
    id: id(),
    profileId: id(),
    profileName: z.string(),
    platform: z.enum(platforms),
    accountKind: z.enum(accountKinds),
    profileHealth: z.enum(['active', 'expiring', 'needs-reconnect']),
    type: z.enum(postTypes),
    copy: z.string().nullable(),
    title: z.string().nullable(),
    dueAt: instant().nullable().openapi({ description: "Its own due time; null takes the post's" }),
    dueLocal: z.string().nullable(),
    dueTimeZone: z.string().nullable(),
    phase: z.enum(targetPhases),
    cycle: z.int(),
    publicId: z.string().nullable(),
    permalink: z.string().nullable(),
    publishedAt: instant().nullable(),
    removedAt: instant().nullable().openapi({ description: 'When it was taken down there on your word' }),
    error: z.object({ code: z.string(), message: z.string() }).nullable(),
    parts: z.array(
      z.object({
        part: z.int().openapi({ description: 'From 1 on: the thread in its order, then the first comment' }),
        kind: z.enum(['thread', 'first-comment']),
        state: z.enum(partStates).openapi({
          description:
            '`LEFT_OUT`: it would answer a part that is not out. `FAILED` and `LEFT_OUT` can be retried',
        }),
        publicId: z.string().nullable(),
        permalink: z.string().nullable(),
        publishedAt: instant().nullable(),
        error: z.object({ code: z.string(), message: z.string() }).nullable(),
      }),
    ),
  })
  .openapi('Target');

export const revisionSchema = z
  .object({
    id: id(),
    number: z.int(),
    copy: z.string(),
    media: z.array(
      z.object({
        mediaId: id(),
        sha256: z.string(),
        altText: z.string().nullable(),
        coverMediaId: id().optional(),
      }),
    ),
    targets: z.array(
      z.object({
        targetId: id(),
        profileId: id(),
        copy: z.string().nullable(),
        type: z.enum(postTypes).optional(),
        title: z.string().optional(),
        hashtags: z.array(z.string()).readonly().optional(),
        firstComment: z.string().optional(),
        thread: z.array(z.string()).readonly().optional(),
        options: z
          .record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.array(z.string()).readonly()]))
          .readonly()
          .optional(),
      }),
    ),
    hashes: byGate(hash()),
    authors: byGate(z.string()).openapi({ description: "Who last changed each gate's inputs" }),
    createdBy: id(),
    createdAt: instant(),
  })
  .openapi('Revision');

export const decisionSchema = z
  .object({
    gate,
    round: z.int(),
    verdict: z.enum(['approve', 'reject', 'policy']),
    hash: z.string(),
    revisionId: id(),
    memberId: z.string().nullable(),
    memberName: z.string().nullable(),
    notes: z.string().nullable(),
    returnTo: gate.nullable(),
    decidedAt: instant(),
  })
  .openapi('Decision');

export const postSchema = z
  .object({
    ...postHead,
    dueFit: z.enum(['exact', 'gap', 'overlap']).nullable().openapi({
      description:
        'Whether the clocks show `dueLocal` once, never (then it is shifted) or twice; null without one',
    }),
    revision: revisionSchema,
    targets: z.array(targetSchema),
    gates: byGate(gateState).nullable().openapi({ description: 'Null until the post is submitted' }),
    policy: byGate(gatePolicy).nullable().openapi({ description: 'Null until the post is submitted' }),
    decisions: z.array(decisionSchema),
    amendment: amendmentSchema.nullable().openapi({ description: 'The newest' }),
  })
  .openapi('Post');

export const possibleDuplicatesSchema = z
  .array(
    z.object({
      postId: id(),
      profileId: id(),
      status: z.enum(postStatuses),
      dueAt: instant().nullable(),
    }),
  )
  .openapi('PossibleDuplicates', {
    description:
      'Posts of the last 30 days that show the same text and media on a profile of this one; at most 20. A warning: nothing is refused for it.',
  });

export const createdPostSchema = postSchema
  .extend({ possibleDuplicates: possibleDuplicatesSchema })
  .openapi('CreatedPost');

export const postAnswerSchema = z
  .object({
    post: z.object({
      id: id(),
      status: z.enum(postStatuses),
      blockedOn: z.array(block),
      revisionId: id(),
      repeated: z.boolean().openapi({ description: 'The command had been carried out before' }),
    }),
  })
  .openapi('PostAnswer');
export type PostAnswer = z.infer<typeof postAnswerSchema>;

export const timelineSchema = z
  .object({
    events: z.array(
      z.object({
        id: z.string(),
        type: z.string(),
        occurredAt: instant(),
        actorId: z.string().nullable(),
        actorName: z.string().nullable(),
        data: z.record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.null()])),
      }),
    ),
    nextCursor: z.string().nullable().openapi({
      description: 'Where to read on, also later when more has happened; null while there is nothing',
    }),
    decisions: z.array(decisionSchema),
    publications: z.array(
      z.object({
        id: id(),
        targetId: id(),
        part: z.int(),
        cycle: z.int(),
        state: z.string(),
        attempts: z.int(),
        revisionId: id(),
        approvedHash: z.string(),
        dueAt: instant(),
        sendAt: instant().openapi({
          description: "When the platform's rate admitted it: the due time, or later",
        }),
        sendStartedAt: instant().nullable(),
        publishedAt: instant().nullable(),
        latenessMs: z.int().nullable().openapi({ description: 'From the due time to the publication' }),
        publicId: z.string().nullable(),
        permalink: z.string().nullable(),
        error: z.object({ code: z.string(), message: z.string() }).nullable(),
      }),
    ),
  })
  .openapi('Timeline');

export const briefSchema = z
  .object({
    postId: id(),
    type: z.enum(postTypes),
    copy: z.string(),
    deadline: instant().nullable(),
    assigneeId: id().nullable(),
    media: z.array(z.object({ mediaId: id(), altText: z.string().nullable() })),
    mediaNeeded: z.int(),
    targets: z.array(
      z.object({
        profileId: id(),
        profileName: z.string(),
        platform: z.enum(platforms),
        copy: z.string(),
        formats: z.array(
          z.object({
            name: z.string(),
            width: z.int(),
            height: z.int(),
            contentTypes: z.array(z.string()),
            maxBytes: z.int().nullable(),
          }),
        ),
      }),
    ),
    rejection: z
      .object({ notes: z.string().nullable(), memberName: z.string().nullable(), decidedAt: instant() })
      .nullable()
      .openapi({ description: 'The last time the design was sent back' }),
  })
  .openapi('Brief');
