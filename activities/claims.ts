import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import { type ReleaseInput, type ReleaseResult, releasePublications } from '../db/publications.ts';
import { forTenant } from '../db/tenant-database.ts';

/** Claims of the right to send, gathered: those of one tenant that come in the same turn share a statement. */
export interface Claims {
  /** Answers as `releasePublication` does. */
  readonly claim: (tenantId: string, input: ReleaseInput) => Promise<ReleaseResult>;
  /** Waits while many that were claimed together are being sent: what is on time goes before what is written down. */
  readonly untilSent: () => Promise<void>;
}

interface Waiting {
  readonly input: ReleaseInput;
  readonly resolve: (result: ReleaseResult) => void;
  readonly reject: (error: unknown) => void;
}

/** What it takes to send one of many: as long as their verdicts are held back, for each. */
const sendingMs = 1;
/** So few hold nothing up. */
const fewAtOnce = 20;

/** Larger statements would hold their first rows up for their last. */
const mostAtOnce = 100;

export function createClaims(pool: pg.Pool): Claims {
  const queues = new Map<string, Waiting[]>();
  let sentByMs = 0;

  const flush = async (tenantId: string): Promise<void> => {
    const waiting = queues.get(tenantId) ?? [];
    queues.delete(tenantId);
    const database = forTenant(pool, tenantId);
    const chunks = Array.from({ length: Math.ceil(waiting.length / mostAtOnce) }, (_, index) =>
      waiting.slice(index * mostAtOnce, (index + 1) * mostAtOnce),
    );
    await Promise.all(
      chunks.map(async (chunk) => {
        try {
          const results = await releasePublications(
            database,
            chunk.map(({ input }) => input),
          );
          if (waiting.length > fewAtOnce)
            sentByMs = Math.max(sentByMs, performance.now() + waiting.length * sendingMs);
          for (const [index, { resolve }] of chunk.entries()) resolve(results[index]!);
        } catch (error) {
          for (const { reject } of chunk) reject(error);
        }
      }),
    );
  };

  return {
    async untilSent() {
      const restMs = sentByMs - performance.now();
      if (restMs > 0) await sleep(restMs);
    },
    claim: (tenantId, input) =>
      new Promise((resolve, reject) => {
        const queue = queues.get(tenantId);
        if (queue) {
          queue.push({ input, resolve, reject });
          return;
        }
        queues.set(tenantId, [{ input, resolve, reject }]);
        // After the timers and promises of this turn: whatever is due at this instant has joined by then.
        setImmediate(() => void flush(tenantId));
      }),
  };
}
