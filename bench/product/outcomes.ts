import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';

/** Tells when posts have been published, by one query for all that are waited for. */
export interface Outcomes {
  /** Resolves when the post's row says PUBLISHED; rejects when it says that it will not be. */
  readonly whenPublished: (postId: string) => Promise<void>;
  readonly stop: () => void;
}

const lookEveryMs = 40;

export function createOutcomes(pool: pg.Pool): Outcomes {
  const waiting = new Map<string, { resolve: () => void; reject: (error: Error) => void }>();
  let stopped = false;
  const look = async () => {
    while (!stopped) {
      await sleep(lookEveryMs);
      if (waiting.size === 0) continue;
      const { rows } = await pool.query<{ id: string; status: string }>({
        name: 'outcomes',
        text: `select id, status from posts where id = any($1)
          and status in ('PUBLISHED', 'FAILED', 'UNCONFIRMED', 'EXPIRED')`,
        values: [[...waiting.keys()]],
      });
      for (const { id, status } of rows) {
        const waiter = waiting.get(id);
        waiting.delete(id);
        if (status === 'PUBLISHED') waiter?.resolve();
        else waiter?.reject(new Error(`Post ${id} ended as ${status}`));
      }
    }
  };
  const looking = look();
  looking.catch((error) => {
    for (const { reject } of waiting.values()) reject(error);
  });
  return {
    whenPublished: (postId) =>
      new Promise((resolve, reject) => void waiting.set(postId, { resolve, reject })),
    stop: () => {
      stopped = true;
    },
  };
}
