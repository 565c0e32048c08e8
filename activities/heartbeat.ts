import { cancellationSignal, heartbeat } from '@temporalio/activity';
import type { CallContext } from '../adapters/platforms/publisher.ts';

const heartbeatEveryMs = 500;

/** Calls the platform with the activity's own cancellation; slow steps keep the heartbeat. */
export const callContext = (): CallContext => ({
  signal: AbortSignal.any([cancellationSignal(), AbortSignal.timeout(30 * 60_000)]),
  progress: (description) => heartbeat(description),
});

/** Keeps an activity's heartbeat going while it works or waits. */
export async function withHeartbeat<T>(work: () => Promise<T>): Promise<T> {
  const beat = setInterval(() => heartbeat(), heartbeatEveryMs);
  try {
    return await work();
  } finally {
    clearInterval(beat);
  }
}
