import type { WholeAmendment } from '../../db/amendments.ts';
import type { OperationId } from '../permissions.ts';
import type { ProblemCode } from '../problems.ts';
import { noFields, type RequestContext, type Route, tenantRoute } from '../route.ts';
import { amendInputSchema, amendmentDecisionInputSchema, amendmentSchema } from '../schemas/amendments.ts';
import { id } from '../schemas/common.ts';
import {
  cancelInputSchema,
  decisionInputSchema,
  type PostAnswer,
  pauseInputSchema,
  postAnswerSchema,
  publishNowInputSchema,
  removalsSchema,
  resolveInputSchema,
  retryInputSchema,
  scheduleInputSchema,
  unpublishInputSchema,
} from '../schemas/posts.ts';
import { decideOnAmendment, proposeAmendment, withdrawAmendment } from '../services/amend-post.ts';
import {
  archivePost,
  cancelPost,
  decidePost,
  pausePost,
  publishPostNow,
  resolvePost,
  resumePost,
  schedulePost,
  submitPost,
  withdrawPost,
} from '../services/post-commands.ts';
import { retryPost } from '../services/retry-post.ts';
import { unpublishPost } from '../services/unpublish-post.ts';
import { viewAmendment, viewRemoval } from '../views.ts';
import type { z } from '../zod.ts';

interface CommandRoute<Body extends z.ZodType> {
  readonly operationId: OperationId;
  /** The last part of the path. */
  readonly verb: string;
  readonly summary: string;
  readonly description?: string;
  readonly body: Body;
  readonly idempotencyKey?: 'optional';
  readonly problems: readonly ProblemCode[];
  readonly run: (context: RequestContext, postId: string, body: z.infer<Body>) => Promise<PostAnswer>;
}

/** All commands have one form: a POST under the post, answered with where the post stands now. */
const commandRoute = <Body extends z.ZodType>({ verb, run, ...command }: CommandRoute<Body>): Route =>
  tenantRoute({
    ...command,
    method: 'post',
    path: `/posts/{postId}/${verb}`,
    tag: 'Commands',
    params: paramsSchema,
    answer: { status: 200, description: 'Where the post stands now', schema: postAnswerSchema },
    idempotencyKey: command.idempotencyKey ?? 'required',
    problems: ['not-found', 'post-closed', 'outcome-unknown', ...command.problems],
    handle: async ({ context, params: { postId }, body }) => ({
      status: 200,
      body: await run(context, postId, body as z.infer<Body>),
    }),
  });

const paramsSchema = noFields.extend({ postId: id() });

/** It takes back what is out already, so it is no command to the post's run, which may have ended. */
const unpublishRoute = tenantRoute({
  operationId: 'unpublishPost',
  method: 'post',
  path: '/posts/{postId}/unpublish',
  tag: 'Commands',
  summary: 'Take down what went public',
  description:
    'Asks the platforms to remove what they show of the post, what stands below it first. Answers at once; the timeline and `removedAt` of the targets tell what became of it.',
  params: paramsSchema,
  body: unpublishInputSchema,
  answer: { status: 202, description: 'What has been asked for, and how it stands', schema: removalsSchema },
  idempotencyKey: 'required',
  problems: ['not-found', 'unknown-target', 'nothing-to-unpublish', 'removal-unsupported'],
  handle: async ({ context, params: { postId }, body }) => ({
    status: 202,
    body: { removals: (await unpublishPost(context, postId, body.targetIds ?? null)).map(viewRemoval) },
  }),
});

const amendmentRoute = <Body extends z.ZodType>({
  run,
  ...route
}: {
  readonly operationId: OperationId;
  readonly path: string;
  readonly summary: string;
  readonly description: string;
  readonly body: Body;
  readonly idempotencyKey?: 'optional';
  readonly problems: readonly ProblemCode[];
  readonly run: (context: RequestContext, postId: string, body: z.infer<Body>) => Promise<WholeAmendment>;
}): Route =>
  tenantRoute({
    ...route,
    method: 'post',
    tag: 'Commands',
    params: paramsSchema,
    answer: { status: 200, description: 'The amendment as it stands', schema: amendmentSchema },
    idempotencyKey: route.idempotencyKey ?? 'required',
    problems: ['not-found', 'not-submitted', 'post-closed', ...route.problems],
    handle: async ({ context, params: { postId }, body }) => ({
      status: 200,
      body: viewAmendment(await run(context, postId, body as z.infer<Body>)),
    }),
  });

/** They change what is out already, so they are no commands to the post's run, which may have ended. */
const amendmentRoutes: readonly Route[] = [
  amendmentRoute({
    operationId: 'amendPost',
    path: '/posts/{postId}/amend',
    summary: 'Propose to change what stands in public',
    description:
      'It waits for the content gate, by the same policy as a post. Refused with all reasons at once where a platform, or a type of post there, cannot be changed. One at a time.',
    body: amendInputSchema,
    problems: ['nothing-to-amend', 'amendment-open', 'invalid-amendment', 'no-eligible-decider'],
    run: proposeAmendment,
  }),
  amendmentRoute({
    operationId: 'decideAmendment',
    path: '/posts/{postId}/amend/decisions',
    summary: 'Approve or reject the open amendment',
    description:
      'Names the hash that was seen. The same decision again is answered and counted once. Once approved it goes out, after the answer.',
    body: amendmentDecisionInputSchema,
    idempotencyKey: 'optional',
    problems: [
      'no-open-amendment',
      'stale-hash',
      'may-not-decide',
      'author-may-not-decide',
      'already-voted',
      'notes-required',
    ],
    run: decideOnAmendment,
  }),
  amendmentRoute({
    operationId: 'withdrawAmendment',
    path: '/posts/{postId}/amend/withdraw',
    summary: 'Call the open amendment off before it is decided',
    description: 'Nothing of it has been sent.',
    body: noFields,
    problems: ['no-open-amendment'],
    run: (context, postId) => withdrawAmendment(context, postId),
  }),
];

export const postCommandRoutes: readonly Route[] = [
  unpublishRoute,
  ...amendmentRoutes,
  commandRoute({
    operationId: 'submitPost',
    verb: 'submit',
    summary: 'Submit a draft for review, or again after changes were requested',
    body: noFields,
    problems: [
      'invalid-post',
      'no-eligible-decider',
      'due-time-passed',
      'already-submitted',
      'nothing-to-submit',
      'copy-missing',
      'stale-revision',
    ],
    run: (context, postId) => submitPost(context, postId),
  }),
  commandRoute({
    operationId: 'withdrawPost',
    verb: 'withdraw',
    summary: 'Take a post back to draft',
    body: noFields,
    problems: ['not-submitted', 'already-publishing'],
    run: (context, postId) => withdrawPost(context, postId),
  }),
  commandRoute({
    operationId: 'decidePost',
    verb: 'decisions',
    summary: 'Approve or reject at a gate',
    description:
      'Names the hash that was seen. The same decision again is answered and counted once, with or without a key.',
    body: decisionInputSchema,
    idempotencyKey: 'optional',
    problems: [
      'not-submitted',
      'stale-hash',
      'may-not-decide',
      'author-may-not-decide',
      'already-voted',
      'gate-not-open',
      'gate-already-decided',
      'notes-required',
      'invalid-return',
      'copy-missing',
      'media-missing',
      'already-publishing',
    ],
    run: decidePost,
  }),
  commandRoute({
    operationId: 'schedulePost',
    verb: 'schedule',
    summary: 'Set the due time of the post, or of some of its targets',
    description:
      'As an instant, or as a wall clock and its zone. Opens no gate again unless the policy says so.',
    body: scheduleInputSchema,
    problems: [
      'due-time-passed',
      'invalid-post',
      'unknown-target',
      'already-publishing',
      'already-submitted',
      'not-submitted',
    ],
    run: schedulePost,
  }),
  commandRoute({
    operationId: 'publishPostNow',
    verb: 'publish-now',
    summary: 'Skip the due time and cast your publish vote',
    description: 'Answers at once, not after the platforms.',
    body: publishNowInputSchema,
    problems: [
      'not-submitted',
      'gate-open',
      'gate-not-open',
      'stale-hash',
      'may-not-decide',
      'author-may-not-decide',
      'already-voted',
      'on-hold',
      'already-publishing',
    ],
    run: (context, postId, { hash }) => publishPostNow(context, postId, hash),
  }),
  commandRoute({
    operationId: 'retryPost',
    verb: 'retry',
    summary: 'Try again what failed',
    description:
      'The failed targets, and the failed thread parts and first comments of targets that are out: nothing that is out already, and what is in doubt is looked up first. Parts go out after the answer; `parts` of the targets tell.',
    body: retryInputSchema,
    problems: ['not-submitted', 'nothing-to-retry', 'part-in-doubt'],
    run: (context, postId, { targetIds }) => retryPost(context, postId, targetIds ?? null),
  }),
  commandRoute({
    operationId: 'resolvePost',
    verb: 'resolve',
    summary: 'Say what became of a target that is UNCONFIRMED',
    description: 'Nobody could tell whether the platform took it: a person looks at the account and decides.',
    body: resolveInputSchema,
    problems: ['not-submitted', 'not-unconfirmed', 'permalink-required'],
    run: resolvePost,
  }),
  commandRoute({
    operationId: 'pausePost',
    verb: 'pause',
    summary: 'Stop the post until it is resumed',
    description: 'Its reviews go on. Resumed after its due time it is late, and the lateness rule applies.',
    body: pauseInputSchema,
    problems: ['not-submitted', 'already-paused', 'already-publishing'],
    run: (context, postId, { reason }) => pausePost(context, postId, reason),
  }),
  commandRoute({
    operationId: 'resumePost',
    verb: 'resume',
    summary: 'Let a paused post go on',
    body: noFields,
    problems: ['not-submitted', 'not-paused'],
    run: (context, postId) => resumePost(context, postId),
  }),
  commandRoute({
    operationId: 'archivePost',
    verb: 'archive',
    summary: 'Close a post that has failed or is in doubt',
    description: 'It can no longer be retried or resolved. Happens by itself after 30 days.',
    body: noFields,
    problems: ['not-submitted', 'not-at-rest'],
    run: (context, postId) => archivePost(context, postId),
  }),
  commandRoute({
    operationId: 'cancelPost',
    verb: 'cancel',
    summary: 'Cancel whatever has not been sent',
    body: cancelInputSchema,
    problems: ['already-publishing', 'already-submitted'],
    run: (context, postId, { reason }) => cancelPost(context, postId, reason),
  }),
];
