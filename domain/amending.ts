import { entry } from './change.ts';
import type { DecideCommand, DecisionRecord, Refusal } from './commands.ts';
import { decide } from './deciding.ts';
import { settleGates } from './gating.ts';
import { type GateState, type NewPost, newPostState, type PostState } from './post-state.ts';
import type { RevisionContent, RevisionTarget } from './revision.ts';

/**
 * - `PROPOSED`: it waits at its content gate
 * - `SENDING`: it was approved, and goes to its targets
 * - `DONE`: each target has said what became of it there
 */
export const amendmentStates = ['PROPOSED', 'SENDING', 'DONE', 'REJECTED', 'WITHDRAWN'] as const;
export type AmendmentState = (typeof amendmentStates)[number];

export const amendmentTargetStates = ['WAITING', 'SENDING', 'AMENDED', 'FAILED'] as const;
export type AmendmentTargetState = (typeof amendmentTargetStates)[number];

/** What a target is to say instead; what is left out stays as it stands there. */
export interface TargetAmendment {
  readonly targetId: string;
  readonly copy?: string | undefined;
  readonly title?: string | undefined;
}

/**
 * What a post says once it has been amended: each target what it said last, in `saidBy`, but for what is changed. Where
 * nothing is known to stand, as of targets that are not out, the post's present words stay.
 */
export function amendedContent(
  current: RevisionContent,
  saidBy: ReadonlyMap<string, RevisionContent>,
  changes: readonly TargetAmendment[],
): RevisionContent {
  const targets = current.targets.map((target): RevisionTarget => {
    const said = saidTarget(current, saidBy.get(target.targetId), target);
    const change = changes.find(({ targetId }) => targetId === target.targetId);
    return {
      ...said,
      ...(change?.copy !== undefined && { copy: change.copy }),
      ...(change?.title !== undefined && { title: change.title }),
    };
  });
  return { ...current, targets };
}

/** As it stands at the target; the base copy of another revision becomes its own. */
function saidTarget(
  current: RevisionContent,
  said: RevisionContent | undefined,
  target: RevisionTarget,
): RevisionTarget {
  const found = said?.targets.find(({ targetId }) => targetId === target.targetId);
  if (!said || !found) return target;
  return said.copy === current.copy ? found : { ...found, copy: found.copy ?? said.copy };
}

/** The content gate of an amendment, and what has been decided at it. */
export interface AmendmentGate {
  readonly gate: GateState;
  readonly decisions: readonly DecisionRecord[];
}

/** Opens the content gate of an amendment; where the policy requires none, it is passed by `policy`. */
export function openAmendment(post: NewPost, nowMs: number): AmendmentGate {
  const opened = entry('gate.opened', nowMs, null, {});
  const { state, decisions } = settleGates(
    null,
    { state: newPostState(post), timeline: [opened], decisions: [] },
    nowMs,
  );
  return { gate: state.gates.content, decisions: decisions.filter(({ gate }) => gate === 'content') };
}

/** A vote or a rejection at an amendment's content gate: by the rules of a post's. */
export function decideAmendment(
  post: NewPost,
  { gate, decisions }: AmendmentGate,
  command: DecideCommand,
  nowMs: number,
): ({ readonly ok: true } & AmendmentGate) | { readonly ok: false; readonly refusal: Refusal } {
  const fresh = newPostState(post);
  const state: PostState = { ...fresh, gates: { ...fresh.gates, content: gate } };
  const reduction = decide(state, command, nowMs);
  if (!reduction.ok) return reduction;
  const { change } = reduction;
  return { ok: true, gate: change.state.gates.content, decisions: [...decisions, ...change.decisions] };
}
