import { randomBytes, randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { Client, Connection } from '@temporalio/client';
import pg from 'pg';
import { type ManagedProcess, startProcess } from '../../cli/stack/managed-process.ts';
import { maintenanceScheduleId } from '../../workflows/ids.ts';
import { gatepostPath, rootFolder, workflowBundlePath } from './build.ts';
import { type Caller, createCaller } from './caller.ts';
import { createDatabase } from './database.ts';
import { createNamespace, type Servers, type TemporalServer } from './servers.ts';

export type Settings = Readonly<Record<string, string>>;

/** The product's processes, compiled, on a namespace and a database of their own. */
export interface Product {
  readonly caller: Caller;
  readonly sandboxUrl: string;
  readonly jwtSecret: string;
  readonly temporal: Client;
  /** A superuser's: to look at rows. */
  readonly pool: pg.Pool;
  readonly databaseUrls: { readonly api: string; readonly worker: string };
  /** What a post costs: every process but the sandbox, which stands for the platforms. */
  readonly processes: {
    readonly api: readonly number[];
    readonly worker: readonly number[];
    readonly temporal: readonly number[];
    readonly postgres: readonly number[];
  };
  readonly workerEnvironment: Settings;
  /** The worker that was started last; `null` where there is none. */
  readonly worker: KillableWorker | null;
  /** Starts a further worker; answers when it is ready. */
  readonly startWorker: () => Promise<void>;
  readonly stop: () => Promise<void>;
}

export interface KillableWorker {
  readonly processId: number;
  /** At once, and without a word to anybody; answers when it is gone. */
  readonly kill: () => Promise<void>;
}

export interface ProductOptions {
  /** Default: the servers' own. */
  readonly temporal?: TemporalServer;
  readonly workerSettings?: Settings;
  /** Default true. */
  readonly startsWorker?: boolean;
  /** Connections of the load generator to the interface (default 128). */
  readonly connections?: number;
}

export const issuer = { issuer: 'https://issuer.bench', audience: 'gatepost', algorithm: 'HS256' } as const;
const allRoles = ['super_admin', 'tenant_admin', 'content_manager', 'graphic_designer', 'viewer'];

/** Starts the interface, a worker and the sandbox with the settings of production. */
export async function startProduct(servers: Servers, options: ProductOptions = {}): Promise<Product> {
  const stops: (() => Promise<unknown>)[] = [];
  const stop = async () => {
    for (const one of stops.splice(0).reverse()) await one();
  };
  try {
    return await startParts(servers, options, stops, stop);
  } catch (error) {
    await stop();
    throw error;
  }
}

async function startParts(
  servers: Servers,
  options: ProductOptions,
  stops: (() => Promise<unknown>)[],
  stop: () => Promise<void>,
): Promise<Product> {
  const temporalServer = options.temporal ?? servers.temporal;
  const name = `product-${randomUUID().slice(0, 8)}`;
  const folder = join(servers.folder, name);
  const jwtSecret = randomUUID();
  const database = name.replaceAll('-', '_');
  const [urls, namespace, apiPort, sandboxPort] = await Promise.all([
    createDatabase(servers, database),
    createNamespace(temporalServer, name),
    servers.ports.choose({ label: 'API' }),
    servers.ports.choose({ label: 'Sandbox' }),
  ]);
  const sandboxUrl = `http://127.0.0.1:${sandboxPort}`;
  const shared = sharedEnvironment(servers, temporalServer.address, namespace, sandboxUrl);
  const start = async (
    command: string,
    env: Settings,
    ready: () => Promise<boolean>,
    args: string[] = [],
  ) => {
    const child = await startGatepost(folder, command, { ...shared, ...env }, ready, args);
    stops.push(() => child.stop());
    return child;
  };
  const apiUrl = `http://127.0.0.1:${apiPort}`;
  const workerEnvironment = { ...shared, ...workerSettings(urls.worker), ...options.workerSettings };
  const startWorker = () => {
    const readyFile = join(folder, `worker-${randomUUID()}.ready`);
    return start('worker', workerEnvironment, async () => existsSync(readyFile), ['--ready-file', readyFile]);
  };
  const [, api, worker] = await Promise.all([
    start('sandbox', {}, () => answers(`${sandboxUrl}/healthz`), [
      ...['--port', String(sandboxPort), '--state-dir', join(folder, 'sandbox')],
    ]),
    start('api', apiSettings(apiPort, urls.api, jwtSecret), () => answers(`${apiUrl}/readyz`)),
    (options.startsWorker ?? true) ? startWorker() : null,
  ]);
  const connection = await Connection.connect({ address: temporalServer.address });
  const temporal = new Client({ connection, namespace });
  stops.push(() => connection.close());
  // Without a worker its ticks would pile up on the server.
  stops.push(() =>
    temporal.schedule
      .getHandle(maintenanceScheduleId)
      .delete()
      .catch(() => {}),
  );
  const pool = new pg.Pool({ connectionString: urls.superuser, max: 4 });
  // A query that fails says so itself; an idle connection that the server closes at the end is no news.
  pool.on('error', () => {});
  stops.push(() => pool.end());
  const caller = createCaller(`${apiUrl}/api/v1`, options.connections ?? 128);
  stops.push(() => caller.close());
  let newest = worker;
  return {
    ...{ caller, sandboxUrl, jwtSecret, temporal, pool, workerEnvironment, stop },
    get worker() {
      const of = newest;
      return (
        of && {
          processId: of.processId,
          kill: async () => {
            process.kill(of.processId, 'SIGKILL');
            await of.exited;
          },
        }
      );
    },
    startWorker: async () => {
      newest = await startWorker();
    },
    databaseUrls: { api: urls.api, worker: urls.worker },
    processes: {
      api: [api.processId],
      worker: worker ? [worker.processId] : [],
      temporal: [temporalServer.processId],
      postgres: [servers.postgresProcessId],
    },
  };
}

const sharedEnvironment = (
  servers: Servers,
  address: string,
  namespace: string,
  sandboxUrl: string,
): Settings => ({
  PATH: process.env.PATH ?? '',
  HOME: process.env.HOME ?? '',
  // Signed with a shared secret, as the floor's tokens are, which production refuses. Nothing else depends on it.
  NODE_ENV: 'development',
  AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: 'true',
  TEMPORAL_ADDRESS: address,
  TEMPORAL_NAMESPACE: namespace,
  GATEPOST_KEYS: `bench:${keys}`,
  S3_ENDPOINT: servers.s3.endpoint,
  S3_REGION: servers.s3.region,
  S3_BUCKET: servers.s3.bucket,
  S3_ACCESS_KEY_ID: servers.s3.accessKeyId,
  S3_SECRET_ACCESS_KEY: servers.s3.secretAccessKey,
  SANDBOX_URL: sandboxUrl,
});

const keys = randomBytes(32).toString('base64');

const apiSettings = (port: number, databaseUrl: string, secret: string): Settings => ({
  GATEPOST_API_PORT: String(port),
  GATEPOST_API_DATABASE_URL: databaseUrl,
  GATEPOST_ISSUERS: JSON.stringify([{ ...issuer, secret, tenants: '*', roles: allRoles }]),
});

const workerSettings = (databaseUrl: string): Settings => ({
  GATEPOST_WORKER_DATABASE_URL: databaseUrl,
  GATEPOST_WORKFLOW_BUNDLE: workflowBundlePath,
  GATEPOST_STICKY_TIMEOUT_MS: '1000',
});

/** Options that Node itself is given, e.g. `--cpu-prof`: to look into a process while it is measured. */
const nodeOptions = (process.env.BENCH_NODE_OPTIONS ?? '').split(' ').filter((option) => option !== '');

export const gatepostArguments = (command: string, args: readonly string[]): string[] => [
  ...nodeOptions,
  gatepostPath,
  command,
  ...args,
];

function startGatepost(
  folder: string,
  command: string,
  env: Settings,
  ready: () => Promise<boolean>,
  args: readonly string[],
): Promise<ManagedProcess> {
  return startProcess({
    name: command,
    command: process.execPath,
    args: gatepostArguments(command, args),
    env,
    cwd: rootFolder,
    logFile: join(folder, `${command}.log`),
    ready,
    readyTimeoutMs: 40_000,
    stopTimeoutMs: 15_000,
  });
}

async function answers(url: string): Promise<boolean> {
  const response = await fetch(url, { signal: AbortSignal.timeout(2_000) });
  await response.body?.cancel();
  return response.ok;
}
