import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bootstrapDatabase } from '../../db/bootstrap.ts';
import { migrateToLatest } from '../../db/migrate.ts';
import { defaultArmLeadMs } from '../../domain/leads.ts';
import type { Environment } from '../config.ts';
import { searchAttributeTypes } from '../search-attributes.ts';
import { type Stack, startStack } from '../stack/index.ts';
import { createSupervisor, startProcess } from '../stack/managed-process.ts';
import { createPortChooser } from '../stack/ports.ts';
import { provideWorkflowBundle } from '../workflow-bundle.ts';
import { removeRunning, writeRunning } from './running.ts';
import { type LocalSecrets, localSecrets } from './secrets.ts';
import { localIssuer, signLocalToken } from './token.ts';

/** Everything on one machine: the servers, and our own API, worker and sandbox as processes of their own. */
export interface LocalStack {
  readonly apiUrl: string;
  readonly sandboxUrl: string;
  readonly temporalUrl: string | null;
  readonly temporalAddress: string;
  readonly namespace: string;
  readonly secrets: LocalSecrets;
  /** Settles with a message when a process that was started ends by itself. */
  readonly failed: Promise<string>;
  readonly stop: () => Promise<void>;
}

export interface LocalStackOptions {
  readonly stateDir: string;
  readonly environment: Environment;
  readonly report: (line: string) => void;
  readonly signal?: AbortSignal;
  /** How long before its due time a post is armed, in milliseconds (default 10,000). */
  readonly armLeadMs?: number;
}

const root = fileURLToPath(new URL('../../', import.meta.url));
export const cacheDir = join(root, '.cache');
const ports = {
  api: 4400,
  temporal: 4433,
  temporalUi: 4480,
  postgres: 4432,
  s3: 4490,
  sandbox: 4470,
} as const;

/** Starts the whole local stack. What was started is stopped again when any part fails. */
export async function startLocalStack(options: LocalStackOptions): Promise<LocalStack> {
  const supervisor = createSupervisor();
  try {
    return await startParts(options, supervisor);
  } catch (error) {
    await supervisor.stopAll();
    throw error;
  }
}

async function startParts(
  options: LocalStackOptions,
  supervisor: ReturnType<typeof createSupervisor>,
): Promise<LocalStack> {
  const { stateDir, report, environment, signal } = options;
  const secrets = await localSecrets(stateDir);
  const codecToken = await signLocalToken(secrets, {
    subject: 'web-ui',
    role: 'super_admin',
    name: 'Temporal Web UI',
    hours: 24 * 30,
  });
  // The codec's address is handed to the Web UI's server before our API listens, so its port is chosen first.
  const apiPort = await createPortChooser(report).choose({ label: 'API', preferred: ports.api });
  const stack = await startStack({
    stateDir: join(stateDir, 'stack'),
    cacheDir,
    report,
    env: environment,
    signal,
    ports,
    temporal: {
      searchAttributes: searchAttributeTypes,
      codecEndpoint: `http://127.0.0.1:${apiPort}/codec/${codecToken}`,
    },
  });
  supervisor.add({ name: 'servers', stop: () => stack.stop() });
  const databases = await prepareDatabase(stack, secrets);
  const sandboxPort = await stack.ports.choose({ label: 'Sandbox', preferred: ports.sandbox });
  const shared = processEnvironment(options, stack, secrets, sandboxPort);
  const bundlePath = await provideWorkflowBundle(cacheDir);
  const start = (name: string, extra: Environment, ready: () => Promise<boolean>, args: string[] = []) =>
    startOwn(options, supervisor, name, { ...shared, ...extra }, ready, args);

  const sandboxUrl = `http://127.0.0.1:${sandboxPort}`;
  const apiUrl = `http://127.0.0.1:${apiPort}`;
  const started = await Promise.all([
    start('sandbox', {}, () => answers(`${sandboxUrl}/healthz`), [
      '--port',
      String(sandboxPort),
      '--state-dir',
      join(stateDir, 'sandbox'),
    ]),
    start(
      'api',
      {
        GATEPOST_API_PORT: String(apiPort),
        GATEPOST_PUBLIC_URL: apiUrl,
        GATEPOST_API_DATABASE_URL: databases.gatepost_api,
        GATEPOST_ISSUERS: JSON.stringify([localIssuer(secrets)]),
        GATEPOST_ARM_LEAD_MS: String(options.armLeadMs ?? defaultArmLeadMs),
        GATEPOST_WEB_UI_ORIGIN: stack.temporal.uiUrl ?? '',
      },
      () => answers(`${apiUrl}/readyz`),
    ),
    start(
      'worker',
      {
        GATEPOST_WORKER_DATABASE_URL: databases.gatepost_worker,
        GATEPOST_WORKFLOW_BUNDLE: bundlePath,
        GATEPOST_STICKY_TIMEOUT_MS: '1000',
        GATEPOST_MAINTENANCE_EVERY_SECONDS: '30',
      },
      async () => existsSync(workerReadyFile(stateDir)),
      ['--ready-file', workerReadyFile(stateDir)],
    ),
  ]);
  await writeRunning(stateDir, {
    processId: process.pid,
    apiUrl,
    sandboxUrl,
    workerDatabaseUrl: databases.gatepost_worker,
    keys: secrets.keys,
  });
  supervisor.add({ name: 'note', stop: () => removeRunning(stateDir) });
  return {
    apiUrl,
    sandboxUrl,
    temporalUrl: stack.temporal.uiUrl,
    temporalAddress: stack.temporal.address,
    namespace: stack.temporal.namespace,
    secrets,
    failed: Promise.race([stack.failed, ...started.map((one) => one.failed)]),
    stop: () => supervisor.stopAll(),
  };
}

const workerReadyFile = (stateDir: string) => join(stateDir, 'worker.ready');

async function prepareDatabase(stack: Stack, secrets: LocalSecrets) {
  const databases = await bootstrapDatabase({
    superuserUrl: stack.postgres.superuserUrl,
    database: 'gatepost',
    passwords: {
      gatepost_migrator: secrets.migratorPassword,
      gatepost_api: secrets.apiPassword,
      gatepost_worker: secrets.workerPassword,
    },
  });
  await migrateToLatest(databases.gatepost_migrator);
  return databases;
}

/** The children's whole environment: nothing is inherited but what programs need to run at all. */
function processEnvironment(
  { environment }: LocalStackOptions,
  stack: Stack,
  secrets: LocalSecrets,
  sandboxPort: number,
): Environment {
  return {
    PATH: environment.PATH,
    HOME: environment.HOME,
    TMPDIR: environment.TMPDIR,
    NODE_ENV: 'development',
    AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: 'true',
    LOG_LEVEL: environment.LOG_LEVEL || 'info',
    TEMPORAL_ADDRESS: stack.temporal.address,
    TEMPORAL_NAMESPACE: stack.temporal.namespace,
    GATEPOST_KEYS: secrets.keys,
    S3_ENDPOINT: stack.s3.endpoint,
    S3_REGION: stack.s3.region,
    S3_BUCKET: stack.s3.bucket,
    S3_ACCESS_KEY_ID: stack.s3.accessKeyId,
    S3_SECRET_ACCESS_KEY: stack.s3.secretAccessKey,
    SANDBOX_URL: `http://127.0.0.1:${sandboxPort}`,
  };
}

async function startOwn(
  { stateDir, signal }: LocalStackOptions,
  supervisor: ReturnType<typeof createSupervisor>,
  name: string,
  env: Environment,
  ready: () => Promise<boolean>,
  args: readonly string[],
): Promise<{ failed: Promise<string> }> {
  const child = await startProcess({
    name,
    command: process.execPath,
    args: [
      ...process.execArgv,
      fileURLToPath(new URL(`../gatepost${extension}`, import.meta.url)),
      name,
      ...args,
    ],
    env,
    cwd: root,
    logFile: join(stateDir, 'logs', `${name}.log`),
    ready,
    readyTimeoutMs: 30_000,
    stopTimeoutMs: 15_000,
    stateDir: join(stateDir, 'stack'),
    signal,
  });
  let stopping = false;
  supervisor.add({
    name,
    stop: () => {
      stopping = true;
      return child.stop();
    },
  });
  const failed = child.exited.then(async () => {
    if (stopping) return new Promise<never>(() => {});
    return `The ${name} ended by itself; its log is ${child.logFile}`;
  });
  return { failed };
}

const extension = import.meta.url.endsWith('.ts') ? '.ts' : '.js';

async function answers(url: string): Promise<boolean> {
  const response = await fetch(url, { signal: AbortSignal.timeout(2_000) });
  await response.body?.cancel();
  return response.ok;
}
