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
}

export interface Vote {
  readonly memberId: string;
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
  readonly gates: Readonly<Record<Gate, GateState>>;
  readonly dueAtMs: number | null;
  /** When the last required gate opened; compared with the due time by the lateness rule. */
  readonly readyAtMs: number | null;
  /** The gate that opened last; its lateness rule applies. */
  readonly lastGate: Gate | null;
  readonly targets: readonly TargetState[];
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
};

export interface NewPost {
  readonly tenantId: string;
  readonly postId: string;
  readonly type: PostType;
  readonly origin: 'human' | 'ai';
  readonly revision: RevisionRef;
  readonly policy: PostPolicy;
  readonly dueAtMs: number | null;
  readonly targets: readonly Pick<TargetState, 'targetId' | 'profileId' | 'platform' | 'accountKind'>[];
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
    gates: { content: pendingGate, design: pendingGate, publish: pendingGate },
    dueAtMs: input.dueAtMs,
    readyAtMs: null,
    lastGate: null,
    targets: input.targets.map((target) => ({
      ...target,
      phase: 'WAITING',
      cycle: 1,
      preparedRevisionId: null,
      publicId: null,
      permalink: null,
      publishedAtMs: null,
      error: null,
    })),
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
  targets: state.targets.map((target) =>
    target.phase === 'ARMING' || target.phase === 'RECONCILING' ? { ...target, phase: 'WAITING' } : target,
  ),
});

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
