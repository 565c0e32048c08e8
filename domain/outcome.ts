import { unreachable } from './post.ts';

/**
 * The six ways an outside call can end badly. An adapter chooses one; nobody else classifies.
 *
 * - `rejected`: the other side said no to this request, and would again
 * - `unauthorized`: the credentials are dead or insufficient; reconnect
 * - `rate-limited`: refused for now; `retryAfterMs` when the other side said when
 * - `unavailable`: no usable service; `sent` tells whether the request may have been taken
 * - `unexpected-response`: it answered, and we could not read the answer
 * - `outcome-unknown`: it was sent and no answer came
 */
export const outcomeCodes = [
  'rejected',
  'unauthorized',
  'rate-limited',
  'unavailable',
  'unexpected-response',
  'outcome-unknown',
] as const;
export type OutcomeCode = (typeof outcomeCodes)[number];

export interface OutcomeDetails {
  /** May the request have taken effect? Defaults by code; an adapter overrides it only with the platform's own proof. */
  readonly sent?: boolean;
  readonly retryAfterMs?: number;
  /** HTTP status of the answer, where there was one. */
  readonly status?: number;
  /** The platform's own error code, e.g. `9007/2207027`. */
  readonly platformCode?: string;
  /** The prepared handle is of no further use and must be made anew. */
  readonly handleIsDead?: boolean;
  /** The platform itself named an earlier publication of the same content (LinkedIn's 422 with a URN). */
  readonly existingPublicId?: string;
}

/** An outside call that failed. The message names what and with which value, never a token or a signed address. */
export class OutcomeError extends Error {
  override readonly name = 'OutcomeError';
  readonly code: OutcomeCode;
  readonly details: OutcomeDetails;

  constructor(code: OutcomeCode, message: string, details: OutcomeDetails = {}) {
    super(message.length > 500 ? `${message.slice(0, 497)}...` : message);
    this.code = code;
    this.details = details;
  }
}

/** What a failed commit means for the publication row. */
export type CommitMeaning = 'refused' | 'not-sent' | 'unknown';

/**
 * Maps a failed commit to its meaning. No code ever leads to a second send without proof: whatever is not provably
 * refused or not taken is unknown.
 */
export function meaningOfFailedCommit(code: OutcomeCode, details: OutcomeDetails = {}): CommitMeaning {
  switch (code) {
    case 'rejected':
      return 'refused';
    case 'unauthorized':
    case 'rate-limited':
      return 'not-sent';
    case 'unavailable':
      return details.sent === false ? 'not-sent' : 'unknown';
    case 'unexpected-response':
    case 'outcome-unknown':
      return 'unknown';
    default:
      return unreachable(code, 'outcome code');
  }
}
