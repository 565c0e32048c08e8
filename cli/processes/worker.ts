import { Client, Connection, ScheduleOverlapPolicy } from '@temporalio/client';
import { DefaultLogger, NativeConnection, Runtime, Worker } from '@temporalio/worker';
import { createDatabaseClock } from '../../activities/clock.ts';
import { createActivities } from '../../activities/index.ts';
import { createGuardedFetch } from '../../adapters/http/guarded-fetch.ts';
import { probeBytes } from '../../adapters/media/probe.ts';
import { createPlatformFetch } from '../../adapters/platforms/platform-fetch.ts';
import { createRegistry, type Registry, sandboxEndpoints } from '../../adapters/platforms/registry.ts';
import { openPool } from '../../db/pool.ts';
import { mainTaskQueue, maintenanceScheduleId, releaseTaskQueue } from '../../workflows/ids.ts';
import { endpointsOf, largestFilesOf, outsideOf, type WorkerConfig } from '../config.ts';
import { createRunDirectory } from '../run-directory.ts';
import {
  createDataConverter,
  createLogger,
  fileAddresses,
  type Logger,
  openClient,
  openEnvelopes,
  openFileTokens,
  openStorage,
  serverAddress,
} from '../wiring.ts';
import { failpointOf } from './failpoint.ts';

export interface RunningWorker {
  /** Settles when both workers have drained. */
  readonly done: Promise<void>;
  readonly stop: () => Promise<void>;
}

/**
 * Runs the workers of one process: workflows with their short activities on one queue, armed waits and commits on
 * another, where at least 1,000 may wait at once.
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
  ]);
  await ensureMaintenance(config, logger);
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

/** The sandbox is near and quick: it is asked more often than a platform would like. */
const sandboxTimings = { pollIntervalMs: 200, blindWaitMs: 1_000, settleMs: 2_000, commitTimeoutMs: 5_000 };

const openRegistry = (config: WorkerConfig): Registry =>
  createRegistry({
    live: endpointsOf(config),
    sandbox: config.SANDBOX_URL ? sandboxEndpoints(config.SANDBOX_URL.replace(/\/$/, '')) : null,
    sandboxTimings,
    fetch: createPlatformFetch(),
  });

/** The schedule that relays the outbox and mends drift. Idempotent; an existing one is kept as operators set it. */
async function ensureMaintenance(config: WorkerConfig, logger: Logger): Promise<void> {
  const connection = await Connection.connect(serverAddress(config));
  try {
    const client = new Client({ connection, namespace: config.TEMPORAL_NAMESPACE });
    await client.schedule.create({
      scheduleId: maintenanceScheduleId,
      spec: { intervals: [{ every: config.GATEPOST_MAINTENANCE_EVERY_SECONDS * 1000 }] },
      action: {
        type: 'startWorkflow',
        workflowType: 'maintenanceWorkflow',
        taskQueue: mainTaskQueue,
        args: [],
      },
      // A sweep looks at everything there is: what was missed need not be made up for.
      policies: { overlap: ScheduleOverlapPolicy.SKIP, catchupWindow: '1 minute' },
    });
  } catch (error) {
    if (!(error instanceof Error) || error.name !== 'ScheduleAlreadyRunning') throw error;
    logger.debug('the maintenance schedule exists');
  } finally {
    await connection.close();
  }
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
