import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Connection } from '@temporalio/client';
import protocol from '@temporalio/proto';
import { type ManagedProcess, startProcess } from '../managed-process.ts';
import type { Environment } from '../types.ts';

const HOST = '127.0.0.1';
const NAMESPACE = 'default';
const READY_TIMEOUT_MS = 60_000;
const CONNECT_TIMEOUT_MS = 5_000;

const { IndexedValueType } = protocol.temporal.api.enums.v1;

const INDEXED_VALUE_TYPES = {
  Text: IndexedValueType.INDEXED_VALUE_TYPE_TEXT,
  Keyword: IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD,
  Int: IndexedValueType.INDEXED_VALUE_TYPE_INT,
  Double: IndexedValueType.INDEXED_VALUE_TYPE_DOUBLE,
  Bool: IndexedValueType.INDEXED_VALUE_TYPE_BOOL,
  Datetime: IndexedValueType.INDEXED_VALUE_TYPE_DATETIME,
  KeywordList: IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD_LIST,
} as const;

/** Search attributes to register: name → type, as the Temporal CLI spells the types. */
export type SearchAttributeTypes = Readonly<Record<string, keyof typeof INDEXED_VALUE_TYPES>>;

export interface TemporalServerOptions {
  stateDir: string;
  executablePath: string;
  port: number;
  /** Port of the Web UI; null starts without it. */
  uiPort: number | null;
  /** Keeps everything in memory instead of a file of the state directory (default false). */
  memory?: boolean | undefined;
  searchAttributes?: SearchAttributeTypes | undefined;
  /** Where the Web UI sends payloads to be decoded. */
  codecEndpoint?: string | undefined;
  /** Further dynamic configuration: key → value, written as JSON. */
  dynamicConfig?: Readonly<Record<string, unknown>> | undefined;
  env: Environment;
  signal?: AbortSignal | undefined;
}

export interface TemporalServer extends ManagedProcess {
  /** `host:port` of the gRPC frontend. */
  address: string;
  namespace: string;
  /** Null without the Web UI. */
  uiUrl: string | null;
}

/** Starts Temporal's development server, by default over an SQLite file, so that workflows survive a restart. */
export async function startTemporalServer(options: TemporalServerOptions): Promise<TemporalServer> {
  const { stateDir, port, uiPort, env } = options;
  const folder = join(stateDir, 'temporal');
  await mkdir(folder, { recursive: true });
  const address = `${HOST}:${port}`;
  const managed = await startProcess({
    name: 'temporal',
    command: options.executablePath,
    args: serverArguments(options, join(folder, 'temporal.db')),
    env: { PATH: env.PATH, HOME: env.HOME },
    cwd: folder,
    logFile: join(stateDir, 'logs', 'temporal.log'),
    ready: () => servesNamespace(address),
    readyTimeoutMs: READY_TIMEOUT_MS,
    stateDir,
    signal: options.signal,
  });
  try {
    await ensureSearchAttributes({
      address,
      namespace: NAMESPACE,
      searchAttributes: options.searchAttributes ?? {},
    });
  } catch (error) {
    await managed.stop();
    throw error;
  }
  return {
    ...managed,
    address,
    namespace: NAMESPACE,
    uiUrl: uiPort === null ? null : `http://${HOST}:${uiPort}`,
  };
}

function serverArguments(options: TemporalServerOptions, databaseFile: string): string[] {
  const { port, uiPort, memory = false, codecEndpoint, searchAttributes = {} } = options;
  const dynamicConfig: Record<string, unknown> = {
    // Timers that fall due within this window of each other fire together. The default (a second) shows in a demo
    // and in every test that waits for a timer.
    'history.timerProcessorMaxTimeShift': '10ms',
    // With four partitions (the default) and the few pollers of one worker, the last tasks of a burst lie in a partition
    // where nobody looks, for about two seconds.
    'matching.numTaskqueueReadPartitions': 1,
    'matching.numTaskqueueWritePartitions': 1,
    // Without it the fairness keys of activities are ignored, and one tenant's burst stands before everybody's.
    'matching.enableFairness': true,
    ...options.dynamicConfig,
  };
  return [
    'server',
    'start-dev',
    ...['--ip', HOST, '--port', String(port)],
    ...(uiPort === null ? ['--headless'] : ['--ui-port', String(uiPort)]),
    ...(memory ? [] : ['--db-filename', databaseFile, '--sqlite-pragma', 'journal_mode=WAL']),
    ...(codecEndpoint === undefined ? [] : ['--ui-codec-endpoint', codecEndpoint]),
    ...Object.entries(searchAttributes).flatMap(([name, type]) => ['--search-attribute', `${name}=${type}`]),
    ...Object.entries(dynamicConfig).flatMap(([key, value]) => [
      '--dynamic-config-value',
      `${key}=${JSON.stringify(value)}`,
    ]),
    ...['--log-level', 'warn'],
  ];
}

export interface TemporalAccess {
  address: string;
  namespace: string;
  /** Needed with a key, and by most servers that are not of the development kind (default false). */
  tls?: boolean | undefined;
  apiKey?: string | undefined;
}

/**
 * Registers the search attributes that the namespace lacks; may run twice. The server's own flag does so only when
 * its database is new, so a release that adds one would not find it after an update.
 */
export async function ensureSearchAttributes(
  input: TemporalAccess & { searchAttributes: SearchAttributeTypes },
): Promise<void> {
  const { namespace, searchAttributes } = input;
  if (Object.keys(searchAttributes).length === 0) return;
  const connection = await connect(input);
  try {
    const { customAttributes } = await connection.operatorService.listSearchAttributes({ namespace });
    const missing = Object.entries(searchAttributes).filter(([name]) => !(name in (customAttributes ?? {})));
    if (missing.length === 0) return;
    await connection.operatorService.addSearchAttributes({
      namespace,
      searchAttributes: Object.fromEntries(missing.map(([name, type]) => [name, INDEXED_VALUE_TYPES[type]])),
    });
  } finally {
    await connection.close();
  }
}

async function servesNamespace(address: string): Promise<boolean> {
  const connection = await connect({ address, namespace: NAMESPACE });
  try {
    await connection.workflowService.describeNamespace({ namespace: NAMESPACE });
    return true;
  } finally {
    await connection.close();
  }
}

function connect({ address, tls = false, apiKey }: TemporalAccess): Promise<Connection> {
  return Connection.connect({
    address,
    tls,
    connectTimeout: CONNECT_TIMEOUT_MS,
    ...(apiKey === undefined ? {} : { apiKey }),
  });
}
