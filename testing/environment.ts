import { randomBytes } from 'node:crypto';
import type { DataConverter, PayloadCodec } from '@temporalio/common';
import { TestWorkflowEnvironment } from '@temporalio/testing';
import { DefaultLogger, Runtime } from '@temporalio/worker';
import type pg from 'pg';
import { createFileTokens, type FileTokens } from '../adapters/media/file-tokens.ts';
import { createEnvelopes, type Envelopes } from '../adapters/secrets/envelope.ts';
import { createPayloadCodec } from '../adapters/secrets/payload-codec.ts';
import { createObjectStorage, type ObjectStorage } from '../adapters/storage/s3.ts';
import { createDataConverter, payloadKeys } from '../cli/wiring.ts';
import { openPool } from '../db/pool.ts';
import { type Sandbox, startSandbox } from '../sandbox/server.ts';
import { realTime, skippedTime, type TimeSource } from './clock.ts';
import { cloneDatabase, type Database } from './database.ts';
import { registerNamespace } from './namespace.ts';
import type { Servers, TimeMode } from './servers.ts';
import { createStops, type Stops } from './stops.ts';
import { startTestServer } from './test-server.ts';

export interface Keyring {
  readonly currentKeyId: string;
  readonly keys: Readonly<Record<string, Uint8Array>>;
}

/** A database, a namespace, the platforms and the keys: all that the interface and the workers need, on real servers. */
export interface Environment {
  readonly mode: TimeMode;
  readonly time: TimeSource;
  readonly servers: Servers;
  readonly database: Database;
  /** As a worker's role. */
  readonly pool: pg.Pool;
  /** As the interface's role. */
  readonly apiPool: pg.Pool;
  readonly sandbox: Sandbox;
  readonly storage: ObjectStorage;
  readonly envelopes: Envelopes;
  readonly fileTokens: FileTokens;
  /** Opens what is stored at Temporal. */
  readonly codec: PayloadCodec;
  readonly dataConverter: DataConverter;
  readonly temporal: TestWorkflowEnvironment;
  /** Ends everything in reverse order; others add what they start on top. */
  readonly stops: Stops;
}

export interface EnvironmentOptions {
  /** Default `skipping`. */
  readonly time?: TimeMode;
  readonly servers: Servers;
  /** The master keys (default: made up). */
  readonly keys?: Keyring;
}

/** Starts the parts that every environment has, on servers that run. What was started is stopped when one fails. */
export async function startEnvironment(options: EnvironmentOptions): Promise<Environment> {
  const stops = createStops();
  try {
    return await startParts(options, stops);
  } catch (error) {
    await stops.run();
    throw error;
  }
}

async function startParts(options: EnvironmentOptions, stops: Stops): Promise<Environment> {
  const { servers, time: mode = 'skipping' } = options;
  const GATEPOST_KEYS = options.keys ?? { currentKeyId: 'testing', keys: { testing: randomBytes(32) } };
  const database = await cloneDatabase(servers.superuserUrl);
  stops.add(() => database.drop());
  const pool = openTestPool(stops, database.workerUrl, 'testing-worker');
  const apiPool = openTestPool(stops, database.apiUrl, 'testing-api');
  const envelopes = createEnvelopes(GATEPOST_KEYS);
  const dataConverter = createDataConverter({ GATEPOST_KEYS }, pool, envelopes);
  const temporal = await startTemporal(servers, mode, dataConverter, stops);
  const time = mode === 'skipping' ? skippedTime(temporal) : realTime;
  await time.observe();
  const storage = createObjectStorage({ ...servers.s3, forcePathStyle: true });
  stops.add(async () => storage.close());
  // The platforms live in the same time, so that what they note can be compared with a due time.
  const sandbox = await startSandbox({ port: 0, now: time.now });
  stops.add(() => sandbox.stop());
  return {
    ...{ mode, time, servers, database, pool, apiPool, sandbox, storage, envelopes, dataConverter, temporal },
    fileTokens: createFileTokens(GATEPOST_KEYS),
    codec: createPayloadCodec(payloadKeys({ GATEPOST_KEYS }, pool, envelopes)),
    stops,
  };
}

function openTestPool(stops: Stops, connectionString: string, applicationName: string): pg.Pool {
  const pool = openPool({ connectionString, max: 10, applicationName, onIdleError: () => {} });
  stops.add(() => pool.end());
  return pool;
}

async function startTemporal(
  servers: Servers,
  mode: TimeMode,
  dataConverter: DataConverter,
  stops: Stops,
): Promise<TestWorkflowEnvironment> {
  const where = mode === 'real' ? servers.temporalAddress : servers.temporalTestServerPath;
  if (where === null) throw new Error(`The servers were started without those for ${mode} time`);
  // Not before something is going to use it: a runtime that nobody has used keeps its process alive.
  installQuietRuntime();
  if (mode === 'real') {
    const environment = await TestWorkflowEnvironment.createFromExistingServer({
      address: where,
      namespace: await registerNamespace(where),
      client: { dataConverter },
    });
    stops.add(() => environment.teardown());
    return environment;
  }
  return startTestServer(where, dataConverter, stops);
}

/** Tests are read by people: only what goes wrong is worth a line. A runtime that is there already stays as it is. */
function installQuietRuntime(): void {
  try {
    Runtime.install({
      logger: new DefaultLogger('ERROR'),
      telemetryOptions: { logging: { filter: 'ERROR', forward: {} } },
    });
  } catch (error) {
    if (!(error instanceof Error) || error.name !== 'IllegalStateError') throw error;
  }
}
