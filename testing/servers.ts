import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { searchAttributeTypes } from '../cli/search-attributes.ts';
import { startStack } from '../cli/stack/index.ts';
import { provisionAll } from '../cli/stack/provision/index.ts';
import { provideWorkflowBundle } from '../cli/workflow-bundle.ts';
import { prepareTemplate } from './database.ts';

/** `skipping`: weeks pass in milliseconds. `real`: time passes as it does. */
export type TimeMode = 'skipping' | 'real';

/** Where the servers are that environments share; each has a database and a namespace of its own on them. */
export interface Servers {
  /** For real time; null where it was not started. */
  readonly temporalAddress: string | null;
  /** For skipped time: every environment starts a server of its own from it; null where it was not provided. */
  readonly temporalTestServerPath: string | null;
  readonly superuserUrl: string;
  readonly s3: {
    readonly endpoint: string;
    readonly region: string;
    readonly accessKeyId: string;
    readonly secretAccessKey: string;
    readonly bucket: string;
  };
  readonly workflowBundlePath: string;
}

export interface RunningServers {
  readonly servers: Servers;
  /** From here on, `startGatepost` uses these servers, in this process and in those it starts. */
  readonly share: () => Promise<void>;
  readonly stop: () => Promise<void>;
}

export interface ServersOptions {
  /** Which of Temporal's servers are wanted (default both). */
  readonly time?: readonly TimeMode[];
  /**
   * What the servers' programs are found by; addresses in it (`DATABASE_URL`, `TEMPORAL_ADDRESS`, `S3_ENDPOINT` …) are
   * used instead of starting a server. Default: the process's own environment without those addresses, because a test must
   * not end up in the database that an application's environment happens to name.
   */
  readonly environment?: Readonly<Record<string, string | undefined>>;
  /** Where programs are kept between runs (default: `.cache` of a checkout, else `$XDG_CACHE_HOME/gatepost`). */
  readonly cacheDir?: string;
  /** Takes each line of progress (default: standard error). */
  readonly report?: (line: string) => void;
}

const isSource = import.meta.url.endsWith('.ts');
const rootFolder = fileURLToPath(new URL('../', import.meta.url));
const sharedServersFile = 'GATEPOST_TEST_SERVERS';
const addressSettings = ['DATABASE_URL', 'TEMPORAL_ADDRESS', 'S3_ENDPOINT'];

const defaultCacheDir = (): string =>
  isSource
    ? join(rootFolder, '.cache')
    : join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'gatepost');

/**
 * Provides what is missing and starts PostgreSQL, S3 and Temporal, none of them durable. The first time on a machine this
 * takes minutes: the report says what is built or downloaded. Stopping deletes everything but the programs.
 */
export async function startServers(options: ServersOptions = {}): Promise<RunningServers> {
  const report = options.report ?? ((line: string) => void process.stderr.write(`${line}\n`));
  const environment = options.environment ?? withoutAddresses(process.env);
  const cacheDir = options.cacheDir ?? defaultCacheDir();
  const time = options.time ?? ['skipping', 'real'];
  const temporalTestServerPath = time.includes('skipping')
    ? await provideTestServer({ cacheDir, report, env: environment })
    : null;
  const stateDir = await mkdtemp(join(tmpdir(), 'gatepost-test-'));
  const stack = await startStack({
    stateDir: join(stateDir, 'stack'),
    cacheDir,
    report,
    env: environment,
    temporal: { memory: true, headless: true, searchAttributes: searchAttributeTypes },
    postgres: { durable: false },
    without: time.includes('real') ? [] : ['temporal'],
  });
  const stop = async () => {
    await stack.stop();
    await rm(stateDir, { recursive: true, force: true });
  };
  try {
    await prepareTemplate(stack.postgres.superuserUrl);
    const servers: Servers = {
      temporalAddress: time.includes('real') ? stack.temporal.address : null,
      temporalTestServerPath,
      superuserUrl: stack.postgres.superuserUrl,
      s3: { ...stack.s3 },
      workflowBundlePath: await currentBundle(cacheDir),
    };
    return { servers, share: () => shareServers(servers, stateDir), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function provideTestServer(options: Parameters<typeof provisionAll>[0]): Promise<string> {
  const { temporalTestServer } = await provisionAll({ ...options, only: ['temporal-test-server'] });
  if (!temporalTestServer) throw new Error('The time-skipping test server was not provided');
  return temporalTestServer.executablePath;
}

/** Sources are bundled when they have changed; compiled code carries its bundle. */
const currentBundle = async (cacheDir: string): Promise<string> =>
  isSource ? provideWorkflowBundle(cacheDir) : join(rootFolder, 'workflow-bundle.js');

const withoutAddresses = (environment: NodeJS.ProcessEnv): Readonly<Record<string, string | undefined>> =>
  Object.fromEntries(Object.entries(environment).filter(([name]) => !addressSettings.includes(name)));

async function shareServers(servers: Servers, stateDir: string): Promise<void> {
  const file = join(stateDir, 'servers.json');
  await writeFile(file, JSON.stringify(servers), { mode: 0o600 });
  process.env[sharedServersFile] = file;
}

/** The servers that somebody has shared with this process; null where nobody has. */
export async function findSharedServers(): Promise<Servers | null> {
  const file = process.env[sharedServersFile];
  return file ? (JSON.parse(await readFile(file, 'utf8')) as Servers) : null;
}

/** Runs `stop` before a signal ends the process: servers must not outlive it. Answers how to forget about it. */
export function stopOnSignal(stop: () => Promise<void>): () => void {
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  const onSignal = (signal: NodeJS.Signals) => {
    forget();
    void stop().finally(() => process.kill(process.pid, signal));
  };
  const forget = () => {
    for (const signal of signals) process.off(signal, onSignal);
  };
  for (const signal of signals) process.on(signal, onSignal);
  return forget;
}
