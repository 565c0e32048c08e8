import {
  ActivityCancellationType,
  ActivityFailure,
  proxyActivities,
  proxyLocalActivities,
  TimeoutFailure,
} from '@temporalio/workflow';
import type { Activities } from '../activities/index.ts';
import { releaseTaskQueue, tokenTaskQueue, transferTaskQueue } from './ids.ts';
import type { Mutex } from './mutex.ts';

/** Rows of our own: short, repeatable, retried for as long as the database is away. */
const rows = {
  startToCloseTimeout: '15s',
  retry: { initialInterval: '500ms', backoffCoefficient: 2, maximumInterval: '30s' },
} as const;

const { projectPost, disarmTargets, findMember, readConditions, recordVerdict, resolveTarget, giveUpImport } =
  proxyActivities<Activities>(rows);

export { giveUpImport, recordVerdict };

/**
 * As above, and noticed within seconds when the worker that was arming is lost. A token that is about to end is refreshed
 * first, which is waited for.
 */
export const { armTarget } = proxyActivities<Activities>({
  ...rows,
  startToCloseTimeout: '90s',
  heartbeatTimeout: '2s',
});

/**
 * The same as local activities: the row is written before a command answers, at one history event instead of six.
 * Bounded at 2 s: with the database away each retry of a local activity would cost workflow tasks. By this bound alone:
 * an equal one for each attempt would race with it, and start another attempt when it wins.
 */
const local = proxyLocalActivities<Activities>({
  scheduleToCloseTimeout: '2s',
  retry: { initialInterval: '100ms', maximumInterval: '500ms' },
});

/**
 * Runs a local activity, and hands over to the normal one when it cannot finish in time. Never two at once in a run:
 * they would resolve in the order in which they end, replayed in the order in which they began, and what follows each
 * would change places. Source: https://github.com/temporalio/sdk-python/issues/1578 (read 2026-11-21), of the core that
 * this SDK shares.
 */
function localFirst<Input, Result>(
  nearby: (input: Input) => Promise<Result>,
  remote: (input: Input) => Promise<Result>,
): (input: Input, oneAtATime: Mutex) => Promise<Result> {
  return async (input, oneAtATime) => {
    try {
      return await oneAtATime.run(() => nearby(input));
    } catch (error) {
      if (!isGivenUp(error)) throw error;
      return remote(input);
    }
  };
}

/**
 * A local activity that timed out fails with an `ActivityFailure`; replayed from its history by another worker, the same
 * one fails with the cause alone. Both must be read alike, or the run stalls at its first replay.
 */
const isGivenUp = (error: unknown): boolean =>
  error instanceof ActivityFailure || error instanceof TimeoutFailure;

export const project = localFirst(local.projectPost, projectPost);
export const disarm = localFirst(local.disarmTargets, disarmTargets);
export const resolveRow = localFirst(local.resolveTarget, resolveTarget);
export const lookUpConditions = localFirst(local.readConditions, readConditions);
export const lookUpMember = localFirst(local.findMember, findMember);

/** Uploads and containers: repeatable, slow, kept alive by heartbeats. */
export const { prepareTarget } = proxyActivities<Activities>({
  taskQueue: transferTaskQueue,
  startToCloseTimeout: '35m',
  scheduleToCloseTimeout: '2h',
  heartbeatTimeout: '20s',
  retry: { initialInterval: '2s', backoffCoefficient: 2, maximumInterval: '2m' },
});

/**
 * The one public effect: a single attempt on a queue of its own. A lost worker is noticed by its heartbeat; the row
 * then says what is known. Cancelling is a courtesy, so nobody waits for it.
 */
export const { releaseTarget } = proxyActivities<Activities>({
  taskQueue: releaseTaskQueue,
  startToCloseTimeout: '15m',
  heartbeatTimeout: '3s',
  retry: { maximumAttempts: 1 },
  cancellationType: ActivityCancellationType.TRY_CANCEL,
});

/** Starts the run of what follows a target's post, and writes what it came to. */
export const { startParts, endPartRound } = proxyActivities<Activities>(rows);

/** As above, for what follows a post: claimed and sent at once. */
export const { publishPart } = proxyActivities<Activities>({
  taskQueue: releaseTaskQueue,
  startToCloseTimeout: '3m',
  heartbeatTimeout: '3s',
  retry: { maximumAttempts: 1 },
});

/** Only reads at the platform; says itself when to ask again. */
export const { reconcileTarget, reconcilePart } = proxyActivities<Activities>({
  startToCloseTimeout: '2m',
  heartbeatTimeout: '10s',
  retry: { initialInterval: '2s', backoffCoefficient: 2, maximumInterval: '1m' },
});

export const { confirmTarget } = proxyActivities<Activities>({
  startToCloseTimeout: '1m',
  heartbeatTimeout: '20s',
  scheduleToCloseTimeout: '10m',
  retry: { initialInterval: '1s', backoffCoefficient: 2, maximumInterval: '1m' },
});

/** Takes one publication down, or changes one: repeatable, tried for a day. */
export const { removePublication, amendTarget } = proxyActivities<Activities>({
  startToCloseTimeout: '2m',
  heartbeatTimeout: '10s',
  scheduleToCloseTimeout: '24h',
  retry: { initialInterval: '2s', backoffCoefficient: 2, maximumInterval: '15m' },
});

export const {
  listRemovals,
  noteRemovalFailed,
  closeRemovalRequest,
  listAmendments,
  noteAmendmentFailed,
  closeAmendment,
} = proxyActivities<Activities>(rows);

/** Looks at every open post: long, repeatable, going on where a lost attempt was. The next tick tries again anyway. */
export const { maintainPosts: maintain } = proxyActivities<Activities>({
  startToCloseTimeout: '15m',
  heartbeatTimeout: '1m',
  retry: { maximumAttempts: 3 },
});

/** Tells every open post of a tenant to look again: repeatable, going on where a lost attempt was. */
export const { pokePosts } = proxyActivities<Activities>({
  startToCloseTimeout: '30m',
  heartbeatTimeout: '1m',
  retry: { initialInterval: '1s', maximumInterval: '1m' },
});

/**
 * One call to a platform, with a lease in the row around it. Trouble that passes is tried again for a quarter of an hour;
 * after that the schedules come back, and whoever needs the token asks anew.
 */
export const { refreshGrant } = proxyActivities<Activities>({
  taskQueue: tokenTaskQueue,
  startToCloseTimeout: '2m',
  scheduleToCloseTimeout: '15m',
  heartbeatTimeout: '10s',
  retry: { initialInterval: '2s', backoffCoefficient: 3, maximumInterval: '5m', maximumAttempts: 8 },
});

/** Looks at every grant that is due, or every connection that is over: repeatable, going on where a lost attempt was. */
export const { sweepTokens, cleanUpConnections } = proxyActivities<Activities>({
  startToCloseTimeout: '30m',
  heartbeatTimeout: '1m',
  retry: { maximumAttempts: 3 },
});

/** Fetches a file of up to a gigabyte: slow, repeatable, kept alive by heartbeats. Says itself what is not tried again. */
export const { importMedia } = proxyActivities<Activities>({
  taskQueue: transferTaskQueue,
  startToCloseTimeout: '45m',
  scheduleToCloseTimeout: '6h',
  heartbeatTimeout: '20s',
  retry: { initialInterval: '5s', backoffCoefficient: 3, maximumInterval: '5m' },
});
