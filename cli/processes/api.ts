import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { probeBytes } from '../../adapters/media/probe.ts';
import { createApi } from '../../api/app.ts';
import { createPostRuns } from '../../api/post-runs.ts';
import { openPool } from '../../db/pool.ts';
import { type ApiConfig, largestFilesOf, outsideOf } from '../config.ts';
import {
  createDataConverter,
  createLogger,
  openClient,
  openEnvelopes,
  openFileTokens,
  openRegistry,
  openStorage,
  payloadKeys,
} from '../wiring.ts';

export interface RunningApi {
  readonly url: string;
  readonly stop: () => Promise<void>;
}

/** How long requests under way may take to finish at shutdown. */
const drainMs = 10_000;

/**
 * With what the pool adds, no longer than a request waits: statements that hang when the way to the database breaks hold all
 * connections that long after it is mended.
 */
const statementTimeoutMs = 6_000;

/** Runs one process of the HTTP interface. */
export async function startApi(config: ApiConfig): Promise<RunningApi> {
  const logger = createLogger('gatepost-api', config.LOG_LEVEL);
  const pool = openPool({
    connectionString: config.GATEPOST_API_DATABASE_URL,
    max: config.GATEPOST_API_DATABASE_CONNECTIONS,
    applicationName: 'gatepost-api',
    statementTimeoutMs,
    onIdleError: (error) => logger.warn({ error: error.message }, 'an idle database connection was lost'),
  });
  const envelopes = openEnvelopes(config);
  const storage = openStorage(config);
  const client = openClient(config, createDataConverter(config, pool, envelopes));
  const registry = openRegistry(config);
  const app = createApi({
    pool,
    postRuns: createPostRuns(client),
    storage,
    probe: probeBytes,
    envelopes,
    connectors: registry,
    adapters: registry,
    fileTokens: openFileTokens(config),
    auth: { mode: config.GATEPOST_AUTHORIZATION, issuers: config.GATEPOST_ISSUERS },
    clock: { now: () => new Date() },
    logger,
    settings: {
      armLeadMs: config.GATEPOST_ARM_LEAD_MS,
      acceptSignals: config.GATEPOST_ACCEPT_SIGNALS,
      publicUrl: (config.GATEPOST_PUBLIC_URL ?? addressOf(config)).replace(/\/+$/, ''),
      largestFiles: largestFilesOf(config),
      outside: outsideOf(config),
    },
    codec: {
      keys: payloadKeys(config, pool, envelopes),
      webUiOrigin: config.GATEPOST_WEB_UI_ORIGIN,
      tokenInPath: config.NODE_ENV !== 'production',
    },
    readiness: {
      postgres: async () => void (await pool.query('select 1')),
      temporal: async () =>
        void (await client.withDeadline(Date.now() + 2_000, () => client.workflowService.getSystemInfo({}))),
      storage: () => storage.ping(),
    },
  });
  const server = await listen(app, config);
  const { port } = server.address() as AddressInfo;
  logger.info({ port }, 'the interface is listening');
  return {
    url: `http://${config.GATEPOST_API_HOST}:${port}`,
    async stop() {
      await close(server);
      await client.connection.close();
      await pool.end();
      storage.close();
    },
  };
}

/** Where the interface listens: right for one machine, where nothing stands in front of it. */
const addressOf = ({ GATEPOST_API_HOST, GATEPOST_API_PORT }: ApiConfig): string =>
  `http://${GATEPOST_API_HOST === '0.0.0.0' ? 'localhost' : GATEPOST_API_HOST}:${GATEPOST_API_PORT}`;

function listen(app: (...parameters: never[]) => unknown, config: ApiConfig): Promise<Server> {
  return new Promise((resolve, reject) => {
    const express = app as unknown as { listen(port: number, host: string): Server };
    const server = express.listen(config.GATEPOST_API_PORT, config.GATEPOST_API_HOST);
    // A client that never finishes its request must not hold a connection for ever.
    server.headersTimeout = 15_000;
    server.requestTimeout = 60_000;
    server.once('listening', () => resolve(server));
    server.once('error', reject);
  });
}

/** Takes no new connection, lets requests finish, and cuts what is left after the bound. */
function close(server: Server): Promise<void> {
  return new Promise((resolve) => {
    const cut = setTimeout(() => server.closeAllConnections(), drainMs);
    server.close(() => {
      clearTimeout(cut);
      resolve();
    });
    server.closeIdleConnections();
  });
}
