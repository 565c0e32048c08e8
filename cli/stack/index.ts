import { mkdir } from 'node:fs/promises';
import { resolve } from 'node:path';
import { createSupervisor } from './managed-process.ts';
import { createPortChooser, type PortChooser } from './ports.ts';
import { claimStateDirectory, stopLeftOverProcesses } from './process-records.ts';
import { type Provided, type Provision, provisionAll } from './provision/index.ts';
import { startPostgresServer } from './servers/postgres.ts';
import { ensureBuckets, startS3Server } from './servers/s3.ts';
import {
  ensureSearchAttributes,
  type SearchAttributeTypes,
  startTemporalServer,
} from './servers/temporal.ts';
import { StackError } from './stack-error.ts';
import type { Environment, Report } from './types.ts';

export type StackPart = 'temporal' | 'postgres' | 's3';

export interface StackOptions {
  /** Data, logs, credentials and process records; one running stack owns it. */
  stateDir: string;
  /** Programs of the servers, kept between runs and shared by stacks. */
  cacheDir: string;
  /** Takes every line meant for the person at the terminal. */
  report: Report;
  /**
   * A server named here is used instead of started: TEMPORAL_ADDRESS (with TEMPORAL_NAMESPACE, TEMPORAL_UI_URL,
   * TEMPORAL_API_KEY, TEMPORAL_TLS=true), DATABASE_URL (a superuser's), S3_ENDPOINT (with S3_ACCESS_KEY_ID,
   * S3_SECRET_ACCESS_KEY, S3_REGION). TEMPORAL_CLI and PATH say where programs are.
   */
  env: Environment;
  temporal?: {
    /** Nothing survives a restart (default false). */
    memory?: boolean;
    searchAttributes?: SearchAttributeTypes;
    codecEndpoint?: string;
    /** Without the Web UI (default false). */
    headless?: boolean;
    dynamicConfig?: Readonly<Record<string, unknown>>;
  };
  postgres?: {
    /** Whether a commit survives a crash (default true). */
    durable?: boolean;
  };
  /** The first bucket is the one in the result; all are made if missing (default `gatepost`). */
  s3?: { buckets: readonly [string, ...string[]] };
  /** Preferred ports (default: any free one). A busy one is replaced by a free one, and reported. */
  ports?: { temporal?: number; temporalUi?: number; postgres?: number; s3?: number };
  without?: readonly StackPart[];
  /** Gives up the set-up; what was started is stopped. */
  signal?: AbortSignal;
}

export interface TemporalEndpoint {
  address: string;
  /** Null when there is no Web UI, or none that we know of. */
  uiUrl: string | null;
  namespace: string;
}

export interface PostgresEndpoint {
  superuserUrl: string;
  host: string;
  port: number;
}

export interface S3Endpoint {
  endpoint: string;
  region: string;
  accessKeyId: string;
  secretAccessKey: string;
  bucket: string;
}

/** A running stack. Reading a part that was left out (`without`) throws. */
export interface Stack {
  readonly temporal: TemporalEndpoint;
  readonly postgres: PostgresEndpoint;
  readonly s3: S3Endpoint;
  /** Chooses further ports for the caller's own servers, never one of the stack's. */
  readonly ports: PortChooser;
  /** Settles with a message when a server that we started ends by itself; never after `stop()`. */
  readonly failed: Promise<string>;
  /** Ends what we started, in reverse order, and nothing else. May be called again. */
  stop(): Promise<void>;
}

const PROGRAMS: Record<StackPart, Provision> = {
  temporal: 'temporal-cli',
  postgres: 'postgres',
  s3: 'versitygw',
};

const ADDRESS_SETTINGS: Record<StackPart, string> = {
  temporal: 'TEMPORAL_ADDRESS',
  postgres: 'DATABASE_URL',
  s3: 'S3_ENDPOINT',
};

/**
 * Provides and starts Temporal, PostgreSQL and S3, or uses those that the environment names.
 *
 * State survives a restart; what a killed run left is stopped first. Throws StackError (see its codes); whatever had
 * been started by then is stopped.
 */
export async function startStack(options: StackOptions): Promise<Stack> {
  const context: StartContext = {
    ...options,
    // Servers run with another working directory than ours.
    stateDir: resolve(options.stateDir),
    cacheDir: resolve(options.cacheDir),
    supervisor: createSupervisor(),
    portChooser: createPortChooser(options.report),
    stopping: false,
    onServerExit: () => undefined,
  };
  await mkdir(context.stateDir, { recursive: true });
  const claim = await claimStateDirectory(context.stateDir);
  context.supervisor.add({ name: 'state directory', stop: () => claim.release() });
  try {
    return await startParts(context);
  } catch (error) {
    context.stopping = true;
    await context.supervisor.stopAll();
    throw error;
  }
}

interface StartContext extends StackOptions {
  supervisor: ReturnType<typeof createSupervisor>;
  portChooser: PortChooser;
  stopping: boolean;
  onServerExit: (message: string) => void;
}

async function startParts(context: StartContext): Promise<Stack> {
  await stopLeftOverProcesses(context.stateDir, context.report);
  const failed = new Promise<string>((resolveFailed) => {
    context.onServerExit = resolveFailed;
  });
  const parts = (Object.keys(PROGRAMS) as StackPart[]).filter((part) => !context.without?.includes(part));
  const own = parts.filter((part) => !context.env[ADDRESS_SETTINGS[part]]);
  const programs = await provisionAll({ ...context, only: own.map((part) => PROGRAMS[part]) });
  const ports = await choosePorts(context, own);

  const starters = {
    temporal: () =>
      own.includes('temporal') ? startTemporal(context, programs, ports) : useTemporal(context),
    postgres: () =>
      own.includes('postgres') ? startPostgres(context, programs, ports) : usePostgres(context),
    s3: () => (own.includes('s3') ? startS3(context, programs, ports) : useS3(context)),
  };
  const started: { temporal?: TemporalEndpoint; postgres?: PostgresEndpoint; s3?: S3Endpoint } = {};
  const outcomes = await Promise.allSettled(
    parts.map(async (part) => Object.assign(started, { [part]: await starters[part]() })),
  );
  // Only after all have settled: a server that is still starting could not be stopped.
  const refused = outcomes.find((outcome) => outcome.status === 'rejected');
  if (refused !== undefined) throw refused.reason;
  return createStack(context, started, failed);
}

function createStack(
  context: StartContext,
  started: { temporal?: TemporalEndpoint; postgres?: PostgresEndpoint; s3?: S3Endpoint },
  failed: Promise<string>,
): Stack {
  let stopped: Promise<void> | undefined;
  return {
    get temporal() {
      return expectPart(started.temporal, 'temporal');
    },
    get postgres() {
      return expectPart(started.postgres, 'postgres');
    },
    get s3() {
      return expectPart(started.s3, 's3');
    },
    ports: context.portChooser,
    failed,
    stop() {
      context.stopping = true;
      stopped ??= context.supervisor.stopAll();
      return stopped;
    },
  };
}

function expectPart<Part>(part: Part | undefined, name: StackPart): Part {
  if (part === undefined) throw new Error(`The stack was started without ${name}`);
  return part;
}

interface ChosenPorts {
  temporal: number;
  temporalUi: number | null;
  postgres: number;
  s3: number;
}

async function choosePorts(context: StartContext, own: readonly StackPart[]): Promise<ChosenPorts> {
  const { portChooser, ports = {} } = context;
  const chosen: ChosenPorts = { temporal: 0, temporalUi: null, postgres: 0, s3: 0 };
  if (own.includes('temporal')) {
    chosen.temporal = await portChooser.choose({ label: 'Temporal', preferred: ports.temporal });
    if (!context.temporal?.headless) {
      chosen.temporalUi = await portChooser.choose({ label: 'Temporal Web UI', preferred: ports.temporalUi });
    }
  }
  if (own.includes('postgres')) {
    chosen.postgres = await portChooser.choose({ label: 'PostgreSQL', preferred: ports.postgres });
  }
  if (own.includes('s3')) chosen.s3 = await portChooser.choose({ label: 'S3', preferred: ports.s3 });
  return chosen;
}

/** Hands a server over to the supervisor and tells the stack when it ends by itself. */
function supervise<Server extends Parameters<typeof watch>[1]>(
  context: StartContext,
  server: Server,
): Server {
  watch(context, server);
  return context.supervisor.add(server);
}

function watch(
  context: StartContext,
  server: { name: string; logFile: string; exited: Promise<unknown>; stop(): Promise<void> },
): void {
  void server.exited.then(() => {
    if (!context.stopping)
      context.onServerExit(`${server.name} ended by itself; its log is ${server.logFile}`);
  });
}

async function startTemporal(
  context: StartContext,
  programs: Provided,
  ports: ChosenPorts,
): Promise<TemporalEndpoint> {
  const { stateDir, env, signal } = context;
  const { executablePath } = expectProgram(programs.temporalCli);
  const { memory, searchAttributes, codecEndpoint, dynamicConfig } = context.temporal ?? {};
  const start = (port: number) =>
    startTemporalServer({
      ...{ stateDir, env, signal, executablePath },
      ...{ memory, searchAttributes, codecEndpoint, dynamicConfig },
      port,
      uiPort: ports.temporalUi,
    });
  const server = await startAgainOnEarlyExit(context, ports.temporal, start);
  const { address, uiUrl, namespace } = supervise(context, server);
  return { address, uiUrl, namespace };
}

/**
 * The development server takes some further ports of its own choice, and ends when somebody else was faster.
 * Such a start is tried again, twice at most.
 */
async function startAgainOnEarlyExit<Server>(
  context: StartContext,
  preferredPort: number,
  start: (port: number) => Promise<Server>,
): Promise<Server> {
  let port = preferredPort;
  for (let triesLeft = 2; ; triesLeft -= 1) {
    try {
      return await start(port);
    } catch (error) {
      const endedEarly = error instanceof StackError && error.code === 'process-exited';
      if (!endedEarly || triesLeft === 0 || context.signal?.aborted) throw error;
      context.report('Temporal ended before it was ready; starting it again');
      port = await context.portChooser.choose({ label: 'Temporal' });
    }
  }
}

async function startPostgres(
  context: StartContext,
  programs: Provided,
  ports: ChosenPorts,
): Promise<PostgresEndpoint> {
  const { stateDir, env, signal, report } = context;
  const { binFolder } = expectProgram(programs.postgres);
  const server = await startPostgresServer({
    ...{ stateDir, env, signal, report, binFolder },
    port: ports.postgres,
    durable: context.postgres?.durable,
  });
  const { superuserUrl, host, port } = supervise(context, server);
  return { superuserUrl, host, port };
}

async function startS3(context: StartContext, programs: Provided, ports: ChosenPorts): Promise<S3Endpoint> {
  const { stateDir, env, signal } = context;
  const { executablePath } = expectProgram(programs.versitygw);
  const buckets = bucketsOf(context);
  const server = await startS3Server({ stateDir, env, signal, executablePath, buckets, port: ports.s3 });
  const { endpoint, region, accessKeyId, secretAccessKey } = supervise(context, server);
  return { endpoint, region, accessKeyId, secretAccessKey, bucket: buckets[0] };
}

function expectProgram<Program>(program: Program | undefined): Program {
  if (program === undefined) throw new Error('A program that is started was not provided');
  return program;
}

async function useTemporal(context: StartContext): Promise<TemporalEndpoint> {
  const { env, report } = context;
  const address = env.TEMPORAL_ADDRESS as string;
  const namespace = env.TEMPORAL_NAMESPACE || 'default';
  report(`Temporal: using the server at ${address}, namespace ${namespace} (TEMPORAL_ADDRESS)`);
  await ensureSearchAttributes({
    address,
    namespace,
    apiKey: env.TEMPORAL_API_KEY || undefined,
    tls: env.TEMPORAL_TLS === 'true' || Boolean(env.TEMPORAL_API_KEY),
    searchAttributes: context.temporal?.searchAttributes ?? {},
  });
  return { address, namespace, uiUrl: env.TEMPORAL_UI_URL || null };
}

async function usePostgres(context: StartContext): Promise<PostgresEndpoint> {
  const superuserUrl = context.env.DATABASE_URL as string;
  const url = parseUrl('DATABASE_URL', superuserUrl);
  const port = Number(url.port || 5432);
  context.report(`PostgreSQL: using the server at ${url.hostname}:${port} (DATABASE_URL)`);
  return { superuserUrl, host: url.hostname, port };
}

async function useS3(context: StartContext): Promise<S3Endpoint> {
  const { env, report } = context;
  const {
    S3_ENDPOINT: endpoint = '',
    S3_ACCESS_KEY_ID: accessKeyId,
    S3_SECRET_ACCESS_KEY: secretAccessKey,
  } = env;
  if (!accessKeyId || !secretAccessKey) {
    throw new StackError(
      'bad-setting',
      'S3_ENDPOINT is set: S3_ACCESS_KEY_ID and S3_SECRET_ACCESS_KEY must be too',
    );
  }
  report(`S3: using the server at ${parseUrl('S3_ENDPOINT', endpoint).host} (S3_ENDPOINT)`);
  const buckets = bucketsOf(context);
  const access = { endpoint, region: env.S3_REGION || 'us-east-1', accessKeyId, secretAccessKey };
  await ensureBuckets(access, buckets);
  return { ...access, bucket: buckets[0] };
}

function bucketsOf(context: StartContext): readonly [string, ...string[]] {
  return context.s3?.buckets ?? ['gatepost'];
}

/** The value is not repeated in the message: it may hold a password. */
function parseUrl(setting: string, value: string): URL {
  if (!URL.canParse(value)) throw new StackError('bad-setting', `${setting} is not a URL`);
  return new URL(value);
}
