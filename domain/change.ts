import type { DecisionRecord, Refusal, RefusalCode, TimelineEntry } from './commands.ts';
import { isMoving, type PostState, type TargetState } from './post-state.ts';

/** A carried-out change: the new state and what is to be written about it. */
export interface Change {
  readonly state: PostState;
  readonly timeline: readonly TimelineEntry[];
  readonly decisions: readonly DecisionRecord[];
}

export type Reduction =
  | { readonly ok: true; readonly change: Change }
  | { readonly ok: false; readonly refusal: Refusal };

export const refuse = (code: RefusalCode, message: string): Reduction => ({
  ok: false,
  refusal: { code, message },
});

export const accepted = (
  state: PostState,
  timeline: readonly TimelineEntry[],
  decisions: readonly DecisionRecord[] = [],
): Reduction => ({ ok: true, change: { state, timeline, decisions } });

export const bump = (state: PostState): PostState => ({ ...state, version: state.version + 1 });

/** A line of the post's story. */
export const entry = (
  type: string,
  atMs: number,
  actor: { memberId: string; name: string } | null,
  data: TimelineEntry['data'],
): TimelineEntry => ({ type, atMs, actorId: actor?.memberId ?? null, actorName: actor?.name ?? null, data });

/** Nothing of it was sent, or what was sent was not taken. */
export const isStoppable = (target: TargetState): boolean =>
  target.phase === 'WAITING' || target.phase === 'FAILED';

/** What was sent, or may have been, can no longer be decided or changed; the other targets wait for its outcome. */
export function refuseSending(state: PostState): Reduction | null {
  if (state.targets.some(isMoving) || !state.targets.some(isStoppable))
    return refuse('already-publishing', 'The post is being sent, or has been');
  return null;
}
