import type { Change } from '../../domain/change.ts';
import type {
  ArchiveCommand,
  CancelCommand,
  Command,
  DecideCommand,
  EditCommand,
  PauseCommand,
  PublishNowCommand,
  ResolveCommand,
  ResumeCommand,
  RetryCommand,
  ScheduleCommand,
  SubmitCommand,
  WithdrawCommand,
} from '../../domain/commands.ts';
import { type PostFacts, targetsReadyButForTime } from '../../domain/lifecycle.ts';
import { type GatePolicyLayer, type PolicyLayer, resolvePostPolicy } from '../../domain/policy.ts';
import type { Gate, Role } from '../../domain/post.ts';
import {
  type Actor,
  type GateState,
  hashFor,
  newPostState,
  type PostState,
  type RevisionRef,
  type TargetState,
} from '../../domain/post-state.ts';
import { applyCommand } from '../../domain/reducer.ts';

/** The instant most tests happen at; the usual post is due an hour later. */
export const now = Date.UTC(2026, 4, 4, 9);
export const hour = 3_600_000;
export const dueAt = now + hour;

export const actor = (memberId: string, role: Role = 'content_manager'): Actor => ({
  memberId,
  role,
  name: `${memberId} by name`,
});
export const author = actor('author');
export const reviewer = actor('reviewer');
export const second = actor('second', 'tenant_admin');
export const third = actor('third');

export const revisionRef = (fields: Partial<RevisionRef> = {}): RevisionRef => ({
  revisionId: 'revision-1',
  number: 1,
  contentHash: 'content-1',
  designHash: 'design-1',
  publishHash: 'publish-1',
  hasCopy: true,
  mediaCount: 1,
  authors: { content: 'author', design: 'author', publish: 'author' },
  ...fields,
});

export const target = (targetId: string, fields: Partial<TargetState> = {}): TargetState => ({
  targetId,
  profileId: `profile of ${targetId}`,
  platform: 'linkedin',
  accountKind: 'organization',
  // No more than the post's own type asks for.
  type: 'TEXT_ONLY',
  dueAtMs: null,
  admittedAtMs: null,
  freeSinceMs: null,
  preparingSinceMs: null,
  phase: 'WAITING',
  cycle: 1,
  preparedRevisionId: null,
  publicId: null,
  permalink: null,
  publishedAtMs: null,
  error: null,
  ...fields,
});

/** A policy from one layer; `all` goes to every gate. */
export const policy = (layer: PolicyLayer = {}, all: GatePolicyLayer = {}) =>
  resolvePostPolicy([[layer, { content: all, design: all, publish: all }]]);

/** A single image for one target, submitted, at its content gate, due in an hour. */
export function postState(fields: Partial<PostState> = {}): PostState {
  const fresh = newPostState({
    tenantId: 'tenant',
    postId: 'post',
    type: 'SINGLE_IMAGE',
    origin: 'human',
    revision: revisionRef(),
    policy: policy(),
    policyVersion: 1,
    dueAtMs: dueAt,
    targets: [target('a')],
  });
  return { ...fresh, ...fields };
}

export const pending = (fields: Partial<GateState> = {}): GateState => ({
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
  ...fields,
});

export const approved = (hash: string, fields: Partial<GateState> = {}): GateState =>
  pending({
    status: 'approved',
    votes: [{ memberId: 'reviewer', role: 'content_manager', hash, atMs: now }],
    approvedHash: hash,
    decidedAtMs: now,
    decidedBy: 'reviewer',
    ...fields,
  });

export const rejected = (notes = 'Too loud'): GateState =>
  pending({ status: 'rejected', decidedAtMs: now, decidedBy: 'reviewer', notes });

/** The post with these gates approved on its current hashes. */
export function withApproved(state: PostState, gates: readonly Gate[]): PostState {
  const passed = gates.map((gate) => [gate, approved(hashFor(gate, state.revision))]);
  return { ...state, gates: { ...state.gates, ...Object.fromEntries(passed) } };
}

/** A post whose gates have all been approved in time. */
export const readyState = (fields: Partial<PostState> = {}): PostState => ({
  ...withApproved(postState(fields), ['content', 'design', 'publish']),
  readyAtMs: now,
  lastGate: 'publish',
  ...fields,
});

/** Distributes over the union, so that each command keeps its own fields. */
type Fields<C extends Command> = Partial<Omit<C, 'kind'>>;

let commandNumber = 0;
const base = (by: Actor) => ({ commandId: `command-${++commandNumber}`, actor: by });

export const submit = (fields: Fields<SubmitCommand> = {}): SubmitCommand => ({
  kind: 'submit',
  ...base(author),
  revision: revisionRef(),
  dueAtMs: dueAt,
  targets: [],
  ...fields,
});
export const withdraw = (fields: Fields<WithdrawCommand> = {}): WithdrawCommand => ({
  kind: 'withdraw',
  ...base(author),
  ...fields,
});
export const approve = (gate: Gate, fields: Fields<DecideCommand> = {}): DecideCommand => ({
  kind: 'decide',
  ...base(reviewer),
  gate,
  verdict: 'approve',
  hash: `${gate}-1`,
  notes: null,
  returnTo: null,
  ...fields,
});
export const reject = (gate: Gate, fields: Fields<DecideCommand> = {}): DecideCommand =>
  approve(gate, { verdict: 'reject', notes: 'Too loud', ...fields });
export const edit = (revision: Partial<RevisionRef>, fields: Fields<EditCommand> = {}): EditCommand => ({
  kind: 'edit',
  ...base(author),
  revision: revisionRef({ revisionId: 'revision-2', number: 2, ...revision }),
  baseRevisionId: 'revision-1',
  ...fields,
});
export const schedule = (dueAtMs: number, fields: Fields<ScheduleCommand> = {}): ScheduleCommand => ({
  kind: 'schedule',
  ...base(author),
  dueAtMs,
  targets: [],
  ...fields,
});
export const pause = (fields: Fields<PauseCommand> = {}): PauseCommand => ({
  kind: 'pause',
  ...base(author),
  reason: 'Not today',
  ...fields,
});
export const resume = (fields: Fields<ResumeCommand> = {}): ResumeCommand => ({
  kind: 'resume',
  ...base(author),
  ...fields,
});
export const archive = (fields: Fields<ArchiveCommand> = {}): ArchiveCommand => ({
  kind: 'archive',
  ...base(author),
  ...fields,
});
export const publishNow = (fields: Fields<PublishNowCommand> = {}): PublishNowCommand => ({
  kind: 'publishNow',
  ...base(reviewer),
  hash: 'publish-1',
  ...fields,
});
export const retry = (
  targetIds: readonly string[] | null,
  fields: Fields<RetryCommand> = {},
): RetryCommand => ({
  kind: 'retry',
  ...base(author),
  targetIds,
  ...fields,
});
export const resolve = (
  targetId: string,
  resolution: ResolveCommand['resolution'],
  fields: Fields<ResolveCommand> = {},
): ResolveCommand => ({
  kind: 'resolve',
  ...base(author),
  targetId,
  resolution,
  permalink: resolution === 'published' ? 'https://example.com/post' : null,
  ...fields,
});
export const cancel = (fields: Fields<CancelCommand> = {}): CancelCommand => ({
  kind: 'cancel',
  ...base(author),
  reason: null,
  ...fields,
});

/** Makes a value and all it holds unchangeable, so that writing to it throws. */
export function deepFreeze<Value>(value: Value): Value {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value;
  Object.freeze(value);
  for (const inner of Object.values(value)) deepFreeze(inner);
  return value;
}

/** Carries out a command that must be accepted. */
export function apply(state: PostState, command: Command, nowMs = now): Change {
  const reduction = applyCommand(deepFreeze(state), deepFreeze(command), nowMs);
  if (!reduction.ok) throw new Error(`Refused: ${reduction.refusal.code}: ${reduction.refusal.message}`);
  return deepFreeze(reduction.change);
}

/** The state after commands that must all be accepted. */
export const stateAfter = (state: PostState, ...commands: readonly Command[]): PostState =>
  commands.reduce((reached, command) => apply(reached, command).state, state);

/** The code a command is refused with; it must not be accepted, and carries no state. */
export function refusalOf(state: PostState, command: Command, nowMs = now): string {
  const reduction = applyCommand(deepFreeze(state), deepFreeze(command), nowMs);
  if (reduction.ok) throw new Error(`The command was accepted: ${JSON.stringify(command)}`);
  expect(Object.keys(reduction)).toEqual(['ok', 'refusal']);
  expect(reduction.refusal.message).toMatch(/\w{3}/);
  return reduction.refusal.code;
}

/** A small generator of repeatable pseudo-random numbers (mulberry32). */
export class Random {
  #state: number;
  constructor(seed: number) {
    this.#state = seed >>> 0;
  }
  /** At least 0, below 1. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  }
  chance(probability: number): boolean {
    return this.next() < probability;
  }
  pick<Item>(items: readonly Item[]): Item {
    return items[Math.floor(this.next() * items.length)]!;
  }
}

/** Whether anything of the post waits for nothing but time. */
export const isReadyButForTime = (post: PostFacts): boolean => targetsReadyButForTime(post).length > 0;
