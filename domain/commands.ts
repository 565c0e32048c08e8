import type { Block } from './lifecycle.ts';
import type { Gate } from './post.ts';
import type { Actor, RevisionRef } from './post-state.ts';

interface CommandBase {
  /** Unique per intent; a repeat with the same id is answered and not applied again. */
  readonly commandId: string;
  readonly actor: Actor;
}

export interface SubmitCommand extends CommandBase {
  readonly kind: 'submit';
  /** The draft's newest revision; used only when the post is a withdrawn draft. */
  readonly revision: RevisionRef;
  readonly dueAtMs: number | null;
  readonly targets: readonly TargetDueTime[];
}
export interface WithdrawCommand extends CommandBase {
  readonly kind: 'withdraw';
}
export interface DecideCommand extends CommandBase {
  readonly kind: 'decide';
  readonly gate: Gate;
  readonly verdict: 'approve' | 'reject';
  /** The hash the decider saw. */
  readonly hash: string;
  /** Required for a rejection. */
  readonly notes: string | null;
  /** Where a rejection at the publish gate sends the post back to. */
  readonly returnTo: Gate | null;
}
export interface EditCommand extends CommandBase {
  readonly kind: 'edit';
  readonly revision: RevisionRef;
  /** The revision the edit was made from; another one means that somebody was faster. */
  readonly baseRevisionId: string;
}
/** A target's own due time; `null` takes the post's. */
export interface TargetDueTime {
  readonly targetId: string;
  readonly dueAtMs: number | null;
}
export interface ScheduleCommand extends CommandBase {
  readonly kind: 'schedule';
  /** The post's due time; `null` leaves it as it is. */
  readonly dueAtMs: number | null;
  /** Targets that get a due time of their own, or give it up; the others keep theirs. */
  readonly targets: readonly TargetDueTime[];
}
export interface PublishNowCommand extends CommandBase {
  readonly kind: 'publishNow';
  /** The publish hash the caller saw: it casts the caller's vote. */
  readonly hash: string;
}
export interface RetryCommand extends CommandBase {
  readonly kind: 'retry';
  /** The failed targets to try again; `null` takes all of them. */
  readonly targetIds: readonly string[] | null;
}
/** What a person found at the platform, or decides, about a target that nobody could tell of. */
export const resolutions = ['published', 'absent', 'resend'] as const;
export type Resolution = (typeof resolutions)[number];
export interface ResolveCommand extends CommandBase {
  readonly kind: 'resolve';
  readonly targetId: string;
  /** `published`: it stands there. `absent`: it does not; the target has failed. `resend`: send it once more. */
  readonly resolution: Resolution;
  /** Where it stands; required for `published`. */
  readonly permalink: string | null;
  /**
   * The target's cycle that the word is about; `null` or absent: the present one. A repeat that comes late must not
   * settle a later doubt.
   */
  readonly cycle?: number | null;
}
export interface CancelCommand extends CommandBase {
  readonly kind: 'cancel';
  readonly reason: string | null;
}

/** Nothing of the post goes out until it is resumed; its reviews go on. */
export interface PauseCommand extends CommandBase {
  readonly kind: 'pause';
  readonly reason: string | null;
}
export interface ResumeCommand extends CommandBase {
  readonly kind: 'resume';
}
/** Closes a post that has come to rest without being out everywhere: it can no longer be retried or resolved. */
export interface ArchiveCommand extends CommandBase {
  readonly kind: 'archive';
}

/** Everything a person can tell a post. One union, one reducer, for Updates and Signals alike. */
export type Command =
  | SubmitCommand
  | WithdrawCommand
  | DecideCommand
  | EditCommand
  | ScheduleCommand
  | PublishNowCommand
  | RetryCommand
  | ResolveCommand
  | PauseCommand
  | ResumeCommand
  | ArchiveCommand
  | CancelCommand;
export type CommandKind = Command['kind'];
export const commandKinds = [
  'submit',
  'withdraw',
  'decide',
  'edit',
  'schedule',
  'publishNow',
  'retry',
  'resolve',
  'pause',
  'resume',
  'archive',
  'cancel',
] as const satisfies readonly CommandKind[];

/** Why a command was refused; nothing was written. */
export const refusalCodes = [
  'post-closed',
  'already-publishing',
  'already-submitted',
  'not-submitted',
  'nothing-to-submit',
  'copy-missing',
  'media-missing',
  'gate-not-open',
  'gate-already-decided',
  'gate-open',
  'stale-hash',
  'stale-revision',
  'may-not-decide',
  'author-may-not-decide',
  'already-voted',
  'notes-required',
  'invalid-return',
  'nothing-to-retry',
  'not-unconfirmed',
  'permalink-required',
  'due-time-passed',
  'unknown-target',
  'already-paused',
  'not-paused',
  'on-hold',
  'not-at-rest',
] as const;
export type RefusalCode = (typeof refusalCodes)[number];

export interface Refusal {
  readonly code: RefusalCode;
  readonly message: string;
}

/** What every carried-out command answers. */
export interface CommandAnswer {
  readonly postId: string;
  readonly status: string;
  readonly blockedOn: readonly Block[];
  readonly revisionId: string;
  readonly version: number;
  /** The command had been carried out before; this is its state now. */
  readonly repeated: boolean;
}

/** A line of the post's story, written with the projection. */
export interface TimelineEntry {
  readonly type: string;
  readonly atMs: number;
  readonly actorId: string | null;
  readonly actorName: string | null;
  readonly data: Readonly<Record<string, string | number | boolean | null>>;
}

/** A decision to keep for ever. */
export interface DecisionRecord {
  readonly commandId: string;
  readonly gate: Gate;
  readonly round: number;
  readonly verdict: 'approve' | 'reject' | 'policy';
  readonly hash: string;
  readonly revisionId: string;
  readonly memberId: string | null;
  readonly memberName: string | null;
  readonly notes: string | null;
  readonly returnTo: Gate | null;
  readonly atMs: number;
}
