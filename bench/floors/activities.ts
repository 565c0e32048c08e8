import { heartbeat } from '@temporalio/activity';
import { Agent, request } from 'undici';

const heartbeatEveryMs = 500;

export function createFloorActivities() {
  const dispatcher = new Agent({ keepAliveTimeout: 1_000, keepAliveMaxTimeout: 1_000 });
  return {
    async noop(): Promise<void> {},

    /** Waits for the instant, alive by its heartbeat, and sends one request. */
    async release({ dueAtMs, url, id }: { dueAtMs: number; url: string; id: number }): Promise<void> {
      const beat = setInterval(() => heartbeat(), heartbeatEveryMs);
      try {
        await new Promise((resolve) => setTimeout(resolve, dueAtMs - Date.now()));
        // A timer may be a hair early, and early is what nothing here may be.
        while (Date.now() < dueAtMs) await new Promise((resolve) => setTimeout(resolve, 1));
        const body = JSON.stringify({ id });
        const answer = await request(url, { method: 'POST', body, dispatcher });
        await answer.body.dump();
      } finally {
        clearInterval(beat);
      }
    },
  };
}

export type FloorActivities = ReturnType<typeof createFloorActivities>;
