import type { CommitMeaning } from './outcome.ts';
import { unreachable } from './post.ts';

/**
 * The states of a publication row: the one place that decides who may send.
 *
 * Nothing was sent in `ARMED`, `DISARMED` and `NOT_SENT`; something may have been in `SENDING` and `UNKNOWN`; only a
 * person moves `UNCONFIRMED` and `REFUSED`; `PUBLISHED` is final.
 */
export const publicationStates = [
  'ARMED',
  'DISARMED',
  'SENDING',
  'NOT_SENT',
  'UNKNOWN',
  'PUBLISHED',
  'REFUSED',
  'UNCONFIRMED',
] as const;
export type PublicationState = (typeof publicationStates)[number];

/** States of which at most one row may exist per target and part; also the predicate of the unique index. */
export const exclusiveStates = [
  'ARMED',
  'SENDING',
  'UNKNOWN',
  'PUBLISHED',
] as const satisfies PublicationState[];

/** Reads without a trace that together prove absence, when the platform has no single-use handle. */
export const readsThatProveAbsence = 2;
/** How often the platform is asked before a person is. */
export const findTriesBeforeUnconfirmed = 5;
/** How long after the claim the first byte may be written, in milliseconds. */
export const sendDeadlineMs = 2_000;
/** Waits before arming again after "not sent" without a delay of the platform's own, in seconds. */
export const notSentBackoffSeconds = [1, 2, 4] as const;

export interface PublicationFacts {
  readonly state: PublicationState;
  readonly cycle: number;
  readonly fence: number;
  /** The attempt that holds an `ARMED` row. */
  readonly holder: string | null;
  /** Reads that saw nothing, after the settle time. */
  readonly absentReads: number;
  /** Times the platform could not be asked or could not tell. */
  readonly findTries: number;
}

/**
 * Whether arming for `askedCycle` starts an attempt with nothing before it that may be public, and nothing that a person has
 * to settle first.
 */
export function startsAnew(
  { state, cycle }: Pick<PublicationFacts, 'state' | 'cycle'>,
  askedCycle: number,
): boolean {
  switch (state) {
    case 'ARMED':
    case 'DISARMED':
    case 'NOT_SENT':
      return true;
    case 'REFUSED':
    case 'UNCONFIRMED':
      return cycle < askedCycle;
    case 'SENDING':
    case 'UNKNOWN':
    case 'PUBLISHED':
      return false;
    default:
      return unreachable(state, 'state of a publication');
  }
}

export type PublicationEvent =
  /** `asksFirst`: doubt of an earlier cycle is looked into again, never sent over. */
  | { readonly kind: 'arm'; readonly cycle: number; readonly holder: string; readonly asksFirst?: boolean }
  | { readonly kind: 'disarm' }
  | { readonly kind: 'release'; readonly fence: number; readonly matches: boolean }
  | { readonly kind: 'accepted' }
  | { readonly kind: 'failed'; readonly meaning: CommitMeaning }
  | { readonly kind: 'sender-lost' }
  | { readonly kind: 'found' }
  /** The platform took it, and refused it for good afterwards. */
  | { readonly kind: 'found-refused' }
  | { readonly kind: 'absent'; readonly proof: 'single-use-handle' | 'read' }
  | { readonly kind: 'cannot-tell'; readonly final: boolean }
  /** A person has looked at the platform. */
  | { readonly kind: 'resolved'; readonly resolution: 'published' | 'absent' };

export type PublicationMove =
  | {
      readonly kind: 'to';
      readonly state: PublicationState;
      readonly fence: number;
      readonly newCycle?: true;
    }
  /** The row stays; `absentReads` and `findTries` may rise. */
  | { readonly kind: 'stay'; readonly absentReads?: number; readonly findTries?: number }
  | { readonly kind: 'refused'; readonly reason: PublicationRefusal };

export const publicationRefusals = [
  'already-publishing',
  'already-published',
  'needs-reconcile',
  'needs-person',
  'superseded',
  'not-armed',
  'not-sending',
  'not-unknown',
  'not-unconfirmed',
] as const;
export type PublicationRefusal = (typeof publicationRefusals)[number];

const to = (state: PublicationState, fence: number): PublicationMove => ({ kind: 'to', state, fence });
const refused = (reason: PublicationRefusal): PublicationMove => ({ kind: 'refused', reason });

/**
 * The table of the publication row: what an event does to a row in a state (`null`: there is no row yet).
 * The SQL in `db/publications.ts` asks this function while it holds the row's lock; the one exception is `release`,
 * a single conditional statement that a test holds equal to it.
 */
export function movePublication(row: PublicationFacts | null, event: PublicationEvent): PublicationMove {
  switch (event.kind) {
    case 'arm':
      return arm(row, event);
    case 'disarm':
      return disarm(row);
    case 'release':
      return release(row, event);
    case 'accepted':
      return accepted(row);
    case 'failed':
      return row?.state === 'SENDING'
        ? to(stateAfterFailure(event.meaning), row.fence)
        : late(row, 'not-sending');
    case 'sender-lost':
      return row?.state === 'SENDING' ? to('UNKNOWN', row.fence) : late(row, 'not-sending');
    case 'found':
      return row?.state === 'UNKNOWN' ? to('PUBLISHED', row.fence) : late(row, 'not-unknown');
    case 'found-refused':
      return row?.state === 'UNKNOWN' ? to('REFUSED', row.fence) : late(row, 'not-unknown');
    case 'absent':
      return absent(row, event.proof);
    case 'cannot-tell':
      return cannotTell(row, event.final);
    case 'resolved':
      if (!row || !takesWord.includes(row.state)) return late(row, 'not-unconfirmed');
      return to(event.resolution === 'published' ? 'PUBLISHED' : 'REFUSED', row.fence);
    default:
      return unreachable(event, 'publication event');
  }
}

/** Whoever has looked knows more than a row that was given up before the platform could be asked. */
const takesWord: readonly PublicationState[] = ['DISARMED', 'UNKNOWN', 'NOT_SENT', 'UNCONFIRMED'];

const takesReceipt: readonly PublicationState[] = ['SENDING', 'UNKNOWN', 'NOT_SENT', 'UNCONFIRMED'];

/** A receipt in hand is proof, also for a sender that came back after it had been given up or thought not to have sent. */
function accepted(row: PublicationFacts | null): PublicationMove {
  return row && takesReceipt.includes(row.state) ? to('PUBLISHED', row.fence) : late(row, 'not-sending');
}

const late = (row: PublicationFacts | null, reason: PublicationRefusal): PublicationMove =>
  refused(row?.state === 'PUBLISHED' ? 'already-published' : reason);

function arm(
  row: PublicationFacts | null,
  event: { cycle: number; holder: string; asksFirst?: boolean },
): PublicationMove {
  if (row === null) return to('ARMED', 1);
  switch (row.state) {
    case 'ARMED':
      return row.holder === event.holder ? { kind: 'stay' } : to('ARMED', row.fence + 1);
    case 'DISARMED':
    case 'NOT_SENT':
      return event.cycle > row.cycle ? newCycle(row) : to('ARMED', row.fence + 1);
    case 'SENDING':
    case 'UNKNOWN':
      return refused('needs-reconcile');
    case 'PUBLISHED':
      return refused('already-published');
    case 'REFUSED':
      return event.cycle > row.cycle ? newCycle(row) : refused('needs-person');
    case 'UNCONFIRMED':
      if (event.cycle <= row.cycle) return refused('needs-person');
      return event.asksFirst ? to('UNKNOWN', row.fence) : newCycle(row);
    default:
      return unreachable(row.state, 'publication state');
  }
}

const newCycle = (row: PublicationFacts): PublicationMove => ({
  kind: 'to',
  state: 'ARMED',
  fence: row.fence + 1,
  newCycle: true,
});

function disarm(row: PublicationFacts | null): PublicationMove {
  if (row === null) return { kind: 'stay' };
  switch (row.state) {
    case 'ARMED':
      return to('DISARMED', row.fence + 1);
    case 'SENDING':
    case 'UNKNOWN':
      return refused('already-publishing');
    case 'PUBLISHED':
      return refused('already-published');
    case 'DISARMED':
    case 'NOT_SENT':
    case 'REFUSED':
    case 'UNCONFIRMED':
      return { kind: 'stay' };
    default:
      return unreachable(row.state, 'publication state');
  }
}

function release(row: PublicationFacts | null, event: { fence: number; matches: boolean }): PublicationMove {
  if (row?.state !== 'ARMED') return late(row, 'not-armed');
  if (row.fence !== event.fence) return refused('superseded');
  return event.matches ? to('SENDING', row.fence) : to('DISARMED', row.fence + 1);
}

function stateAfterFailure(meaning: CommitMeaning): PublicationState {
  switch (meaning) {
    case 'refused':
      return 'REFUSED';
    case 'not-sent':
      return 'NOT_SENT';
    case 'unknown':
      return 'UNKNOWN';
    default:
      return unreachable(meaning, 'meaning of a failed commit');
  }
}

function absent(row: PublicationFacts | null, proof: 'single-use-handle' | 'read'): PublicationMove {
  if (row?.state !== 'UNKNOWN') return late(row, 'not-unknown');
  const absentReads = row.absentReads + 1;
  if (proof === 'single-use-handle' || absentReads >= readsThatProveAbsence) return to('NOT_SENT', row.fence);
  return { kind: 'stay', absentReads };
}

function cannotTell(row: PublicationFacts | null, final: boolean): PublicationMove {
  if (row?.state !== 'UNKNOWN') return late(row, 'not-unknown');
  const findTries = row.findTries + 1;
  if (final || findTries >= findTriesBeforeUnconfirmed) return to('UNCONFIRMED', row.fence);
  return { kind: 'stay', findTries };
}
