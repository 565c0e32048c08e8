import { DefaultLogger, NativeConnection, Runtime, Worker } from '@temporalio/worker';
import { createDatabaseClock } from '../../activities/clock.ts';
import { createActivities } from '../../activities/index.ts';
import { createGuardedFetch } from '../../adapters/http/guarded-fetch.ts';
import { probeBytes } from '../../adapters/media/probe.ts';
import { openPool } from '../../db/pool.ts';
import { mainTaskQueue, releaseTaskQueue, tokenTaskQueue, transferTaskQueue } from '../../workflows/ids.ts';
import { largestFilesOf, outsideOf, type WorkerConfig } from '../config.ts';
import { createRunDirectory } from '../run-directory.ts';
import { ensureSchedules } from '../schedules.ts';
import {
  createDataConverter,
  createLogger,
  fileAddresses,
  type Logger,
  openClient,
  openEnvelopes,
  openFileTokens,
  openRegistry,
  openStorage,
  serverAddress,
} from '../wiring.ts';
import { failpointOf } from './failpoint.ts';

export interface RunningWorker {
  /** Settles when all workers have drained. */
  readonly done: Promise<void>;
  readonly stop: () => Promise<void>;
}

/**
 * Runs the workers of one process: workflows with their short activities on one queue, armed waits and commits on
 * another, where at least 1,000 may wait at once, and refreshes of tokens on a third.
 */
export async function startWorker(config: WorkerConfig, bundlePath: string): Promise<RunningWorker> {
  const logger = createLogger('gatepost-worker', config.LOG_LEVEL);
  installRuntime(logger);
  const pool = openPool({
    connectionString: config.GATEPOST_WORKER_DATABASE_URL,
    max: config.GATEPOST_WORKER_DATABASE_CONNECTIONS,
    applicationName: 'gatepost-worker',
    onIdleError: (error) => logger.warn({ error: error.message }, 'an idle database connection was lost'),
  });
  const envelopes = openEnvelopes(config);
  const storage = openStorage(config);
  const dataConverter = createDataConverter(config, pool, envelopes);
  const client = openClient(config, dataConverter);
  const activities = createActivities({
    pool,
    clock: createDatabaseClock(pool),
    registry: openRegistry(config),
    storage,
    envelopes,
    ...(config.GATEPOST_PUBLIC_URL && {
      fileAddress: fileAddresses(config.GATEPOST_PUBLIC_URL, openFileTokens(config)),
    }),
    rates: config.GATEPOST_RATES,
    runs: createRunDirectory(client),
    importing: {
      fetch: createGuardedFetch(outsideOf(config)),
      storage,
      probe: probeBytes,
      largest: largestFilesOf(config),
    },
    failpoint: failpointOf(config.GATEPOST_FAILPOINT),
  });
  const connection = await NativeConnection.connect(serverAddress(config));
  const shared = {
    connection,
    namespace: config.TEMPORAL_NAMESPACE,
    dataConverter,
    activities,
    shutdownGraceTime: config.GATEPOST_SHUTDOWN_GRACE_MS,
    shutdownForceTime: config.GATEPOST_SHUTDOWN_GRACE_MS + 10_000,
    maxHeartbeatThrottleInterval: '15s',
  } as const;
  const workers = await Promise.all([
    Worker.create({
      ...shared,
      taskQueue: mainTaskQueue,
      workflowBundle: { codePath: bundlePath },
      maxCachedWorkflows: config.GATEPOST_MAX_CACHED_WORKFLOWS,
      stickyQueueScheduleToStartTimeout: config.GATEPOST_STICKY_TIMEOUT_MS,
    }),
    Worker.create({ ...shared, taskQueue: releaseTaskQueue, maxConcurrentActivityTaskExecutions: 1_000 }),
    Worker.create({
      ...shared,
      taskQueue: transferTaskQueue,
      maxConcurrentActivityTaskExecutions: config.GATEPOST_TRANSFERS_AT_ONCE,
      maxTaskQueueActivitiesPerSecond: config.GATEPOST_TRANSFERS_PER_SECOND,
    }),
    Worker.create({ ...shared, taskQueue: tokenTaskQueue }),
  ]);
  await ensureSchedules(config, logger);
  const done = Promise.all(workers.map((worker) => worker.run())).then(async () => {
    await connection.close();
    await client.connection.close();
    await pool.end();
    storage.close();
  });
  return {
    done,
    async stop() {
      for (const worker of workers) if (worker.getState() === 'RUNNING') worker.shutdown();
      await done;
    },
  };
}

function installRuntime(logger: Logger): void {
  Runtime.install({
    logger: new DefaultLogger('INFO', ({ level, message, meta }) => {
      const method = (
        { TRACE: 'trace', DEBUG: 'debug', INFO: 'info', WARN: 'warn', ERROR: 'error' } as const
      )[level];
      logger[method]({ ...meta }, message);
    }),
    shutdownSignals: [],
    // The core's own lines go through the same logger: JSON, and redacted.
    telemetryOptions: { logging: { filter: 'WARN', forward: {} } },
  });
}
