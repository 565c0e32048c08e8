import { Worker } from '@temporalio/worker';
import { createDatabaseClock } from '../activities/clock.ts';
import type { ActivityDependencies } from '../activities/dependencies.ts';
import { createActivities } from '../activities/index.ts';
import { createGuardedFetch } from '../adapters/http/guarded-fetch.ts';
import { probeBytes } from '../adapters/media/probe.ts';
import type { Timings } from '../adapters/platforms/definition.ts';
import { createPlatformFetch } from '../adapters/platforms/platform-fetch.ts';
import { createRegistry, liveEndpoints, sandboxEndpoints } from '../adapters/platforms/registry.ts';
import { createRunDirectory } from '../cli/run-directory.ts';
import { defaultLargestFiles } from '../domain/media-limits.ts';
import { defaultRates } from '../domain/rates.ts';
import { mainTaskQueue, releaseTaskQueue, tokenTaskQueue, transferTaskQueue } from '../workflows/ids.ts';
import { activityClock } from './clock.ts';
import type { Environment } from './environment.ts';

export interface WorkersOptions {
  /** How long a platform may take to answer a commit (default: as in production). */
  readonly commitTimeoutMs?: number;
  /**
   * How many runs stay in memory (default: as many as the SDK keeps). With 0 every task replays its whole history, and code
   * that is not deterministic shows at once; but with several posts moving at the same instant the SDK then loses tasks (it
   * calls it a bug of its own).
   */
  readonly maxCachedWorkflows?: number | undefined;
  /** In place of the environment's own. */
  readonly dependencies?: Partial<ActivityDependencies>;
}

export interface Workers {
  /** Whether any of them works at this very moment. */
  readonly isBusy: () => boolean;
}

/** The sandbox is near and quick: it is asked more often than a platform would like. */
export const sandboxTimings: Partial<Timings> = { pollIntervalMs: 50, blindWaitMs: 400, settleMs: 500 };

/** Starts both workers in this process; the environment stops them. */
export async function startWorkers(
  environment: Environment,
  { commitTimeoutMs, maxCachedWorkflows, dependencies }: WorkersOptions,
): Promise<Workers> {
  const { mode, pool, envelopes, storage, sandbox, time, temporal, dataConverter, servers } = environment;
  const skips = mode === 'skipping';
  const activities = createActivities({
    ...{ pool, envelopes, storage, rates: defaultRates },
    runs: createRunDirectory(environment.temporal.client),
    importing: {
      fetch: createGuardedFetch(),
      storage,
      probe: probeBytes,
      largest: defaultLargestFiles,
    },
    clock: skips ? activityClock(time) : createDatabaseClock(pool),
    registry: createRegistry({
      live: liveEndpoints,
      sandbox: sandboxEndpoints(sandbox.url),
      sandboxTimings: { ...sandboxTimings, ...(commitTimeoutMs !== undefined && { commitTimeoutMs }) },
      fetch: createPlatformFetch(),
      now: time.now,
    }),
    ...dependencies,
  });
  const { nativeConnection: connection, namespace } = temporal;
  const shared = { connection, namespace, dataConverter, activities };
  const workers = await Promise.all([
    Worker.create({
      ...shared,
      taskQueue: mainTaskQueue,
      workflowBundle: { codePath: servers.workflowBundlePath },
      maxCachedWorkflows,
    }),
    Worker.create({ ...shared, taskQueue: releaseTaskQueue }),
    Worker.create({ ...shared, taskQueue: transferTaskQueue }),
    Worker.create({ ...shared, taskQueue: tokenTaskQueue }),
  ]);
  const running = Promise.all(workers.map((worker) => worker.run()));
  environment.stops.add(async () => {
    for (const worker of workers) worker.shutdown();
    await running;
  });
  return { isBusy: () => workers.some(isBusy) };
}

function isBusy(worker: Worker): boolean {
  const { numInFlightWorkflowActivations, numInFlightActivities } = worker.getStatus();
  return numInFlightWorkflowActivations + numInFlightActivities > 0;
}
