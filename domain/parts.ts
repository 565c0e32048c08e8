import { unreachable } from './post.ts';
import type { PartKind, TargetError } from './post-state.ts';
import type { PublicationState } from './publication.ts';

/** What became of one part as its round ended; one that is left out would have answered a part that is not out. */
export interface PartOutcome {
  readonly part: number;
  readonly kind: 'published' | 'refused' | 'unconfirmed' | 'left-out';
  readonly error: TargetError | null;
}

/** Where one of what follows a post stands, for people. */
export const partStates = ['WAITING', 'SENDING', 'PUBLISHED', 'FAILED', 'UNCONFIRMED', 'LEFT_OUT'] as const;
export type PartState = (typeof partStates)[number];

/** The newest row of a part; `isOfRound`: of the newest round, not of one before. */
export interface PartRowFacts {
  readonly state: PublicationState;
  readonly isOfRound: boolean;
}

/** A part's state by its row, and by what its round ended with (`null` while the round is under way or still to come). */
export function partStateOf(row: PartRowFacts | null, outcome: PartOutcome['kind'] | null): PartState {
  switch (row?.state) {
    case 'PUBLISHED':
    case 'UNCONFIRMED':
      return row.state;
    case 'SENDING':
    case 'UNKNOWN':
      return outcome === null ? 'SENDING' : 'UNCONFIRMED';
    case 'REFUSED':
      return outcome !== null || row.isOfRound ? 'FAILED' : 'WAITING';
    case undefined:
    case 'ARMED':
    case 'DISARMED':
    case 'NOT_SENT':
      if (outcome === null) return 'WAITING';
      return outcome === 'left-out' ? 'LEFT_OUT' : 'FAILED';
    default:
      return unreachable(row!.state as never, 'publication state');
  }
}

/** One part as a retry sees it. */
export interface PartFacts {
  readonly part: number;
  readonly kind: PartKind;
  readonly state: PartState;
}

/**
 * Whether another round would bring anything out, and which parts stand in doubt beyond asking. `canAsk`: the platform
 * shows us our replies, so that doubt is looked into before anything is sent.
 */
export function whatToSendAgain(
  parts: readonly PartFacts[],
  canAsk: boolean,
): { readonly parts: readonly number[]; readonly inDoubt: readonly number[] } {
  const isStuck = ({ state }: PartFacts) => state === 'UNCONFIRMED' && !canAsk;
  const again = parts.filter((part, index) => {
    if (part.state === 'FAILED' || part.state === 'LEFT_OUT')
      return part.kind === 'first-comment' || !parts.slice(0, index).some(isStuck);
    return part.state === 'UNCONFIRMED' && canAsk;
  });
  return { parts: again.map(({ part }) => part), inDoubt: parts.filter(isStuck).map(({ part }) => part) };
}
