import { createHash } from 'node:crypto';
import { LRUCache } from 'lru-cache';

/** Memory for this many tokens; beyond it those that have not been seen for longest are verified again. */
const mostTokens = 5_000;
/** For so long what was found good need not be verified again: a key that is withdrawn counts for no longer. */
const goodForMs = 60_000;

interface Entry<Verified> {
  readonly verified: Verified;
  readonly fromMs: number;
  readonly untilMs: number;
}

/**
 * What tokens came to when they were verified, so that a caller who sends the same one with every request has its
 * signature verified once a minute. Kept by the token's hash, never beyond its expiry. Only what a token says is kept:
 * whether its subject is still a member, and as what, is asked each time.
 */
export class VerifiedTokens<Verified> {
  readonly #entries = new LRUCache<string, Entry<Verified>>({ max: mostTokens });

  find(token: string, now: Date): Verified | undefined {
    const entry = this.#entries.get(keyOf(token));
    // A clock that was set back knows nothing of what it has yet to see.
    return entry && entry.fromMs <= now.getTime() && now.getTime() < entry.untilMs
      ? entry.verified
      : undefined;
  }

  keep(token: string, verified: Verified, { now, expiresAt }: { now: Date; expiresAt: Date }): void {
    const untilMs = Math.min(expiresAt.getTime(), now.getTime() + goodForMs);
    this.#entries.set(keyOf(token), { verified, fromMs: now.getTime(), untilMs });
  }
}

const keyOf = (token: string): string => createHash('sha256').update(token).digest('base64');
