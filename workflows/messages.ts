import { defineQuery, defineSignal, defineUpdate } from '@temporalio/workflow';
import type {
  ArchiveCommand,
  CancelCommand,
  CommandAnswer,
  DecideCommand,
  DecisionRecord,
  EditCommand,
  PauseCommand,
  PublishNowCommand,
  ResolveCommand,
  ResumeCommand,
  RetryCommand,
  ScheduleCommand,
  SubmitCommand,
  TimelineEntry,
  WithdrawCommand,
} from '../domain/commands.ts';
import type { NewPost, PostState } from '../domain/post-state.ts';

/** What a post's run starts with. `carried` is set by continue-as-new alone. */
export interface PostWorkflowInput {
  readonly post: NewPost;
  /** Who submitted the post. */
  readonly submittedBy: { readonly memberId: string; readonly name: string };
  readonly settings: PostRunSettings;
  readonly carried?: PostState;
}

/** Settings a run keeps for its life, so that a change of configuration never breaks a replay. */
export interface PostRunSettings {
  /** How long before the due time a target is armed, in milliseconds (default 10,000). */
  readonly armLeadMs: number;
  /** Whether Signals are taken from hosts without a waiting caller (default false). */
  readonly acceptSignals: boolean;
  /** Continue as new after this many events, for tests; by default when the server suggests it. */
  readonly continueAsNewAfterEvents?: number;
}

export type { PartsWorkflowInput } from '../activities/contract.ts';
export const partsWorkflowType = 'partsWorkflow';

export type { RemovalInput } from '../activities/contract.ts';
export const removalWorkflowType = 'removalWorkflow';

export type { AmendmentInput } from '../activities/contract.ts';
export const amendmentWorkflowType = 'amendmentWorkflow';

/** The type name under which runs are started. */
export const postWorkflowType = 'postWorkflow';

/**
 * Every command is an Update (the caller learns the verdict) and a Signal of the same name. A refused Update fails with
 * an `ApplicationFailure` whose `type` is a `RefusalCode`; a refused Signal is logged with its sender.
 */
export const updates = {
  submit: defineUpdate<CommandAnswer, [SubmitCommand]>('submit'),
  withdraw: defineUpdate<CommandAnswer, [WithdrawCommand]>('withdraw'),
  decide: defineUpdate<CommandAnswer, [DecideCommand]>('decide'),
  edit: defineUpdate<CommandAnswer, [EditCommand]>('edit'),
  schedule: defineUpdate<CommandAnswer, [ScheduleCommand]>('schedule'),
  publishNow: defineUpdate<CommandAnswer, [PublishNowCommand]>('publishNow'),
  retry: defineUpdate<CommandAnswer, [RetryCommand]>('retry'),
  resolve: defineUpdate<CommandAnswer, [ResolveCommand]>('resolve'),
  pause: defineUpdate<CommandAnswer, [PauseCommand]>('pause'),
  resume: defineUpdate<CommandAnswer, [ResumeCommand]>('resume'),
  archive: defineUpdate<CommandAnswer, [ArchiveCommand]>('archive'),
  cancel: defineUpdate<CommandAnswer, [CancelCommand]>('cancel'),
} as const;

export const signals = {
  submit: defineSignal<[SubmitCommand]>('submit'),
  withdraw: defineSignal<[WithdrawCommand]>('withdraw'),
  decide: defineSignal<[DecideCommand]>('decide'),
  edit: defineSignal<[EditCommand]>('edit'),
  schedule: defineSignal<[ScheduleCommand]>('schedule'),
  publishNow: defineSignal<[PublishNowCommand]>('publishNow'),
  retry: defineSignal<[RetryCommand]>('retry'),
  resolve: defineSignal<[ResolveCommand]>('resolve'),
  pause: defineSignal<[PauseCommand]>('pause'),
  resume: defineSignal<[ResumeCommand]>('resume'),
  archive: defineSignal<[ArchiveCommand]>('archive'),
  cancel: defineSignal<[CancelCommand]>('cancel'),
} as const;

/** Policies, holds or rows around the post may have changed: look again. Says nothing itself, so anybody may send it. */
export const pokeSignal = defineSignal('poke');

/** The post as the run sees it: ids, hashes, times, states. */
export const stateQuery = defineQuery<PostState>('state');

/** What one change wrote about the post. */
export interface StoryPart {
  readonly version: number;
  readonly timeline: readonly TimelineEntry[];
  readonly decisions: readonly DecisionRecord[];
}
/** Everything the run has written about the post: with the state, what its rows can be rebuilt from. */
export const storyQuery = defineQuery<readonly StoryPart[]>('story');

/** The type name of the workflow that tells a tenant's open posts to look at their conditions again. */
export const pokeWorkflowType = 'pokeWorkflow';
export interface PokeInput {
  readonly tenantId: string;
  /** The outbox row that asked for it. */
  readonly requestId: string;
}

/** The type name of the workflow that renews a grant's tokens. */
export const tokenWorkflowType = 'tokenWorkflow';

/** The type name of the workflow that fetches a medium from its address. */
export const importMediaWorkflowType = 'importMediaWorkflow';
export interface ImportMediaInput {
  readonly tenantId: string;
  readonly mediaId: string;
}
