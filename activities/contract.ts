import type { DecisionRecord, TimelineEntry } from '../domain/commands.ts';
import type { Readiness } from '../domain/lifecycle.ts';
import type { CommitMeaning } from '../domain/outcome.ts';
import type { PartOutcome } from '../domain/parts.ts';
import type { Role } from '../domain/post.ts';
import type { PartKind, PostState, TargetError } from '../domain/post-state.ts';

/** What crosses between the post workflow and its activities: ids, hashes, times and states; never content or secrets. */

export interface ProjectInput {
  readonly state: PostState;
  readonly readiness: Readiness;
  readonly timeline: readonly TimelineEntry[];
  readonly decisions: readonly DecisionRecord[];
}

export interface TargetInput {
  readonly tenantId: string;
  readonly postId: string;
  readonly targetId: string;
  readonly revisionId: string;
  /** The publish hash that was approved; what is sent must have it. */
  readonly approvedHash: string;
}

export interface ReadConditionsInput {
  readonly tenantId: string;
  readonly postId: string;
  /** The policies the run has resolved already. */
  readonly knownVersion: number;
}

export interface ArmTargetInput extends TargetInput {
  readonly cycle: number;
  readonly version: number;
  readonly dueAtMs: number;
  readonly policyVersion: number;
  /** The instant the platform's rate gave an earlier call; `null` for none. */
  readonly admittedAtMs: number | null;
  /** What is admitted later than this many milliseconds from now is not armed yet. */
  readonly aheadMs: number;
}

/** `cycle`: the row's, where it is another than the run asked for. A run that was put back takes it on. */
export type ArmTargetResult =
  | {
      readonly kind: 'armed';
      readonly publicationId: string;
      readonly fence: number;
      readonly sendAtMs: number;
      readonly cycle?: number;
    }
  /** Nothing is armed: the platform's rate admits it only then. */
  | { readonly kind: 'admitted-later'; readonly sendAtMs: number }
  /** Nothing is armed: a cap of the platform's is used up until then, or is to be asked about again. */
  | { readonly kind: 'capped'; readonly untilMs: number }
  /** Nothing is armed: a hold stands, or the policies are others than the run knows. */
  | { readonly kind: 'conditions-changed' }
  | { readonly kind: 'superseded' }
  | { readonly kind: 'needs-reconcile' }
  /** What was prepared has expired or was dropped. */
  | { readonly kind: 'unprepared' }
  | (TargetSettled & { readonly cycle?: number });

export interface ReleaseTargetInput extends TargetInput {
  readonly publicationId: string;
  readonly fence: number;
  readonly dueAtMs: number;
  readonly sendAtMs: number;
}

export interface Published {
  readonly kind: 'published';
  readonly publicId: string;
  readonly permalink: string | null;
  readonly publishedAtMs: number;
}

/** Outcomes after which the run need not ask any more. */
export type TargetSettled =
  | Published
  | { readonly kind: 'refused'; readonly error: TargetError }
  | { readonly kind: 'unconfirmed'; readonly error: TargetError };

export type ReleaseTargetResult =
  | TargetSettled
  | {
      readonly kind: 'not-sent';
      readonly error: TargetError;
      /** The platform's own delay in milliseconds; `null` leaves it to the back-off. */
      readonly retryAfterMs: number | null;
      readonly handleIsDead: boolean;
    }
  | { readonly kind: 'unknown'; readonly error: TargetError }
  | { readonly kind: 'disarmed' }
  /** The platform has answered and the row could not be written: the verdict goes through the history instead. */
  | { readonly kind: 'unrecorded'; readonly verdict: UnrecordedVerdict };

export type UnrecordedVerdict =
  | Published
  | {
      readonly kind: 'failed';
      readonly meaning: CommitMeaning;
      readonly error: TargetError;
      readonly retryAfterMs: number | null;
      readonly handleIsDead: boolean;
    };

/** Where a publication stands. `publicId`: the final one, where the platform gives it later. */
export interface ConfirmedTarget {
  readonly publicId: string;
  readonly permalink: string | null;
}

export interface RecordVerdictInput {
  readonly tenantId: string;
  readonly publicationId: string;
  readonly fence: number;
  readonly verdict: UnrecordedVerdict;
}

export type ReconcileTargetResult =
  | TargetSettled
  | {
      readonly kind: 'not-sent';
      readonly error: TargetError;
      /** 0 where only the holder was lost; `null` leaves it to the back-off. */
      readonly retryAfterMs: 0 | null;
      readonly handleIsDead: boolean;
    };

/** What the run of a target's parts starts with: what followed it when it was approved, and where it stands. */
export interface PartsWorkflowInput {
  readonly tenantId: string;
  readonly postId: string;
  readonly targetId: string;
  readonly revisionId: string;
  readonly approvedHash: string;
  /** The platform's id of the post. */
  readonly publicId: string;
  readonly kinds: readonly PartKind[];
  /** 1 after the post; a person's retry counts up. */
  readonly cycle: number;
}
/** One of what follows a target's post. */
export interface PartInput extends TargetInput {
  readonly part: number;
  readonly cycle: number;
  /** The platform's ids of what it answers, and of the post. */
  readonly parentId: string;
  readonly rootId: string;
  /** When it was its turn; fixed, so that an instant the platform's rate has given is kept. */
  readonly dueAtMs: number;
  /** The instant the platform's rate gave an earlier call; `null` for none. */
  readonly admittedAtMs: number | null;
}

/** What a round of parts came to. */
export interface EndPartRoundInput {
  readonly tenantId: string;
  readonly postId: string;
  readonly targetId: string;
  readonly cycle: number;
  readonly outcomes: readonly PartOutcome[];
}

export type PartSettled = TargetSettled;
export type PartResult =
  | PartSettled
  | { readonly kind: 'not-sent'; readonly error: TargetError; readonly retryAfterMs: number | null }
  /** Nothing is armed: the platform's rate admits it only then. */
  | { readonly kind: 'admitted-later'; readonly sendAtMs: number }
  /** As of a target. */
  | { readonly kind: 'capped'; readonly untilMs: number }
  /** Nothing is armed: a hold stands. */
  | { readonly kind: 'held'; readonly error: TargetError }
  | { readonly kind: 'unknown'; readonly error: TargetError };

export interface ResolveTargetInput {
  readonly tenantId: string;
  readonly postId: string;
  readonly targetId: string;
  readonly resolution: 'published' | 'absent';
  readonly permalink: string | null;
}

/** Somebody's request to take publications down. */
export interface RemovalInput {
  readonly tenantId: string;
  readonly requestId: string;
}

export interface DisarmTargetsInput {
  readonly tenantId: string;
  readonly postId: string;
  readonly targetIds: readonly string[];
  readonly version: number;
  readonly allOrNothing: boolean;
}

export interface DisarmTargetsResult {
  readonly sendingTargetIds: readonly string[];
}

export interface MemberFacts {
  readonly memberId: string;
  readonly role: Role;
  readonly name: string;
  /** The profiles the member is limited to; `null` means all. */
  readonly profileIds: readonly string[] | null;
}

/** A refresh that somebody wants. */
export interface RefreshGrantInput {
  readonly tenantId: string;
  readonly grantId: string;
  /** The version of the tokens that were found wanting: others are fresh. `null` for a schedule's wish. */
  readonly seenVersion: number | null;
  /** A schedule's: what is due only later is left alone. `null` for somebody who needs the token now. */
  readonly dueBeforeMs: number | null;
}

/**
 * - `refreshed`: there are new tokens
 * - `fresh`: there were already
 * - `not-renewable`: nothing can be asked for; the health says whether that matters yet
 * - `refused`: the platform says no to the request, and would again: a wrong secret, an app that was shut
 * - `dead`: a person must connect again
 * - `gone`: there is no such grant
 */
export interface RefreshGrantResult {
  readonly kind: 'refreshed' | 'fresh' | 'not-renewable' | 'refused' | 'dead' | 'gone';
}

/** One look of a schedule at the grants of its platforms. */
export interface SweepTokensInput {
  readonly platforms: readonly string[];
  /** How far ahead it looks beyond what is due already. */
  readonly aheadSeconds: number;
}

export interface SweptTokens {
  readonly started: number;
  /** What could not be dealt with; the next look tries again. */
  readonly failed: number;
}

/** Ids alone: what is to be said, and at which targets, is in the rows. `requestId`: the amendment's. */
export interface AmendmentInput {
  readonly tenantId: string;
  readonly requestId: string;
}
export interface AmendTargetInput extends AmendmentInput {
  readonly targetId: string;
}

/** Failure types activities give to what the workflow must tell apart. */
export const failureTypes = {
  /** Ask again after the delay; expected, not an error. */
  notYet: 'not-yet',
  /** The revision stored is not the one that was approved, or part of it is gone. */
  revisionMismatch: 'revision-mismatch',
  /** The platform would refuse it by the rules of today. */
  rulesBroken: 'rules-broken',
  /** The profile must be connected again: its post waits for that, and says so. */
  needsReconnect: 'needs-reconnect',
  /** A hold stands: ask again later. */
  held: 'held',
  /** The post is being taken down there, or has been. */
  removed: 'removed',
} as const;
