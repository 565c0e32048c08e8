import type { PostPolicy } from './policy.ts';
import {
  type AccountKind,
  type Gate,
  gates,
  isVisual,
  type Platform,
  type PostType,
  type Role,
} from './post.ts';

/** Who gives a command. `memberId` is the member row's id; `policy` and `system` act without a person. */
export interface Actor {
  readonly memberId: string;
  readonly role: Role;
  readonly name: string;
}

/** A revision as the workflow knows it: ids and hashes, never the content. */
export interface RevisionRef {
  readonly revisionId: string;
  readonly number: number;
  readonly contentHash: string;
  readonly designHash: string;
  readonly publishHash: string;
  readonly hasCopy: boolean;
  readonly mediaCount: number;
  /** Who last changed each gate's inputs: the gate's author. */
  readonly authors: Readonly<Record<Gate, string>>;
  /** The kinds of what follows each target's post, in their order; targets that nothing follows are left out. */
  readonly parts?: Readonly<Record<string, readonly PartKind[]>>;
}
export type PartKind = 'thread' | 'first-comment';

export interface Vote {
  readonly memberId: string;
  /** The role it was cast in: another policy may give the gate to others. Left out by runs from before it was kept. */
  readonly role?: Role;
  readonly hash: string;
  readonly atMs: number;
}

export interface GateState {
  readonly status: 'pending' | 'approved' | 'rejected';
  /** Counts up each time the gate is opened again. */
  readonly round: number;
  /** Approvals of this round, all on the current hash. */
  readonly votes: readonly Vote[];
  /** The hash that was approved; `null` unless approved. */
  readonly approvedHash: string | null;
  readonly decidedAtMs: number | null;
  /** `policy` where the policy does not require the gate. */
  readonly decidedBy: string | null;
  /** Why it was rejected, cut to what an operator's view needs; the whole text is in the decision row. */
  readonly notes: string | null;
  /** When this round began to wait for a decision; `null` while it does not. The SLA counts from here. */
  readonly openedAtMs: number | null;
  readonly warnedAtMs: number | null;
  /** Reminders sent in this round. */
  readonly reminders: number;
  /** From here on those whom the policy adds may decide as well. */
  readonly escalatedAtMs: number | null;
}

/** A stop for all posts of a tenant, or for those of a profile or a platform, as a run knows it. */
export interface HoldRef {
  readonly holdId: string;
  readonly scope: HoldScope;
  /** The profile or platform it stops; `null` for the whole tenant. */
  readonly subject: string | null;
  readonly reason: string;
}
/** A profile that must be connected again stops what goes to it as a hold would; it is lifted by connecting it. */
export const reconnectHold = (profileId: string, platform: Platform): HoldRef => ({
  ...{ holdId: `${reconnectPrefix}${profileId}`, scope: 'profile', subject: profileId },
  reason: `The ${platform} profile must be connected again`,
});
export const reconnectPrefix = 'reconnect:';
export const isReconnect = ({ holdId }: HoldRef): boolean => holdId.startsWith(reconnectPrefix);
export const holdScopes = ['tenant', 'profile', 'platform'] as const;
export type HoldScope = (typeof holdScopes)[number];

/** One post's own stop. */
export interface Pause {
  readonly atMs: number;
  readonly memberId: string;
  readonly reason: string | null;
}

/**
 * Where a target stands, as far as the run knows. From `ARMING` on the publication row decides:
 * a target is in `ARMING` until the row's outcome is known to the run.
 */
export const targetPhases = [
  'WAITING',
  'ARMING',
  'RECONCILING',
  'PUBLISHED',
  'FAILED',
  'UNCONFIRMED',
  'CANCELLED',
] as const;
export type TargetPhase = (typeof targetPhases)[number];

export interface TargetError {
  readonly code: string;
  readonly message: string;
}

/** The error of a target that a person did not find at the platform, in the run and in its publication row. */
export const declaredAbsent: TargetError = {
  code: 'declared-absent',
  message: 'A person did not find it there',
};

export interface TargetState {
  readonly targetId: string;
  readonly profileId: string;
  readonly platform: Platform;
  readonly accountKind: AccountKind;
  /** What it is on this platform: the post's type, or one of its own. */
  readonly type: PostType;
  /** Its own due time; `null` takes the post's. */
  readonly dueAtMs: number | null;
  /** The instant the platform's rate admits it at, once it has been given one. */
  readonly admittedAtMs: number | null;
  /** That instant is when a cap of the platform's has room again: until then it is admitted by nobody. */
  readonly isCapped?: boolean;
  /** Since when no hold stops it any more, if one did: it is late by that as well. */
  readonly freeSinceMs: number | null;
  /** Since when uploads and containers are being made, if they are. */
  readonly preparingSinceMs: number | null;
  readonly phase: TargetPhase;
  /** Minted by a person's retry; the publication row is unique per cycle. */
  readonly cycle: number;
  /** The revision whose uploads and containers stand ready, if any. */
  readonly preparedRevisionId: string | null;
  readonly publicId: string | null;
  readonly permalink: string | null;
  readonly publishedAtMs: number | null;
  readonly error: TargetError | null;
}

/** Everything a post's run knows. Carried through continue-as-new, therefore versioned and plain. */
export interface PostState {
  readonly schemaVersion: 1;
  readonly tenantId: string;
  readonly postId: string;
  readonly type: PostType;
  readonly origin: 'human' | 'ai';
  /** Withdrawn: no gate is open, edits happen on the row alone. */
  readonly draft: boolean;
  readonly revision: RevisionRef;
  readonly policy: PostPolicy;
  /** The tenant's version of all policies that `policy` was resolved at. */
  readonly policyVersion: number;
  readonly gates: Readonly<Record<Gate, GateState>>;
  readonly dueAtMs: number | null;
  /** When the last required gate opened; compared with the due time by the lateness rule. */
  readonly readyAtMs: number | null;
  /** The gate that opened last; its lateness rule applies. */
  readonly lastGate: Gate | null;
  readonly targets: readonly TargetState[];
  /** Holds that concern a target of this post. */
  readonly holds: readonly HoldRef[];
  readonly paused: Pause | null;
  /** Since when nothing moves by itself any more and not everything is out; the archive's date counts from here. */
  readonly restingSinceMs: number | null;
  readonly cancelledAtMs: number | null;
  readonly expiredAtMs: number | null;
  /** Nothing can move the post any more. */
  readonly archived: boolean;
  /** Rises with every change; the second half of the projection's version. */
  readonly version: number;
  /** Commands already carried out, newest last, so that a repeat is answered and not applied again. */
  readonly commands: readonly { readonly commandId: string; readonly version: number }[];
}

/** How many carried-out commands a run remembers across continue-as-new. */
export const rememberedCommands = 200;

const pendingGate: GateState = {
  status: 'pending',
  round: 1,
  votes: [],
  approvedHash: null,
  decidedAtMs: null,
  decidedBy: null,
  notes: null,
  openedAtMs: null,
  warnedAtMs: null,
  reminders: 0,
  escalatedAtMs: null,
};

/** A gate that nobody has decided in this round. */
export const blankGate = (round: number): GateState => ({ ...pendingGate, round });

export interface NewPost {
  readonly tenantId: string;
  readonly postId: string;
  readonly type: PostType;
  readonly origin: 'human' | 'ai';
  readonly revision: RevisionRef;
  readonly policy: PostPolicy;
  readonly policyVersion: number;
  readonly dueAtMs: number | null;
  readonly targets: readonly Pick<
    TargetState,
    'targetId' | 'profileId' | 'platform' | 'accountKind' | 'type' | 'dueAtMs'
  >[];
}

/** The state of a post that has just been submitted for the first time. */
export function newPostState(input: NewPost): PostState {
  return {
    schemaVersion: 1,
    tenantId: input.tenantId,
    postId: input.postId,
    type: input.type,
    origin: input.origin,
    draft: false,
    revision: input.revision,
    policy: input.policy,
    policyVersion: input.policyVersion,
    gates: { content: pendingGate, design: pendingGate, publish: pendingGate },
    dueAtMs: input.dueAtMs,
    readyAtMs: null,
    lastGate: null,
    targets: input.targets.map((target) => ({
      ...target,
      phase: 'WAITING',
      cycle: 1,
      admittedAtMs: null,
      freeSinceMs: null,
      preparingSinceMs: null,
      preparedRevisionId: null,
      publicId: null,
      permalink: null,
      publishedAtMs: null,
      error: null,
    })),
    holds: [],
    paused: null,
    restingSinceMs: null,
    cancelledAtMs: null,
    expiredAtMs: null,
    archived: false,
    version: 0,
    commands: [],
  };
}

/**
 * The state a lost run is started again from. What was under way waits again: the publication rows know what was sent,
 * and arming asks them first.
 */
export const restoredState = (state: PostState): PostState => ({
  ...state,
  targets: state.targets.map((target) => ({
    ...target,
    preparingSinceMs: null,
    phase: isMoving(target) ? 'WAITING' : target.phase,
  })),
});

/** Armed, being sent, or being asked about. */
export const isMoving = ({ phase }: Pick<TargetState, 'phase'>): boolean =>
  phase === 'ARMING' || phase === 'RECONCILING';

/** When a target is due: its own time, or the post's. */
export const dueOf = (
  post: Pick<PostState, 'dueAtMs'>,
  target: Pick<TargetState, 'dueAtMs'>,
): number | null => target.dueAtMs ?? post.dueAtMs;

/** The holds that stop a target. */
export const holdsOn = (
  post: Pick<PostState, 'holds'>,
  target: Pick<TargetState, 'profileId' | 'platform'>,
): readonly HoldRef[] =>
  post.holds.filter(
    ({ scope, subject }) =>
      scope === 'tenant' || subject === (scope === 'profile' ? target.profileId : target.platform),
  );

/** The gates a post of this type passes, in order. */
export const gatesOf = (type: PostType): readonly Gate[] =>
  isVisual(type) ? gates : gates.filter((gate) => gate !== 'design');

/** The hash that a decision on this gate must name. */
export function hashFor(
  gate: Gate,
  revision: Pick<RevisionRef, 'contentHash' | 'designHash' | 'publishHash'>,
): string {
  return { content: revision.contentHash, design: revision.designHash, publish: revision.publishHash }[gate];
}

/** The first gate that has not been passed: the one that decisions may name. */
export function openGate(state: Pick<PostState, 'type' | 'gates' | 'draft'>): Gate | null {
  if (state.draft) return null;
  return gatesOf(state.type).find((gate) => state.gates[gate].status !== 'approved') ?? null;
}
