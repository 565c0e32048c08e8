import { randomUUID } from 'node:crypto';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Client, Connection } from '@temporalio/client';
import pg from 'pg';
import { searchAttributeTypes } from '../../cli/search-attributes.ts';
import { type S3Endpoint, type StackPart, startStack } from '../../cli/stack/index.ts';
import type { PortChooser } from '../../cli/stack/ports.ts';
import { ensureSearchAttributes } from '../../cli/stack/servers/temporal.ts';
import { until } from '../measure/load.ts';
import { rootFolder } from './build.ts';

/** The servers that the product and the floors run on. */
export interface Servers {
  /** For data and logs; ends with the bench. */
  readonly folder: string;
  readonly temporal: TemporalServer;
  readonly superuserUrl: string;
  readonly s3: S3Endpoint;
  readonly postgresProcessId: number;
  readonly ports: PortChooser;
  readonly versions: Readonly<Record<string, string>>;
  readonly stop: () => Promise<void>;
}

export interface TemporalServer {
  readonly address: string;
  readonly processId: number;
}

const report = (line: string): void => void process.stderr.write(`${line}\n`);
const cacheDir = join(rootFolder, '.cache');

/** Temporal in memory, for rates; PostgreSQL as in production: a commit is on the disk. */
export async function startServers(): Promise<Servers> {
  // One bench at a time: a second one would measure the first. What a killed run left running is stopped here.
  const folder = join(rootFolder, '.gatepost', 'bench');
  const stack = await startPart(join(folder, 'stack'), []);
  const temporal = {
    address: stack.temporal.address,
    processId: await recordedProcess(join(folder, 'stack'), 'temporal'),
  };
  return {
    folder,
    temporal,
    superuserUrl: stack.postgres.superuserUrl,
    s3: stack.s3,
    postgresProcessId: await recordedProcess(join(folder, 'stack'), 'postgres'),
    ports: stack.ports,
    versions: await readVersions(temporal.address, stack.postgres.superuserUrl),
    stop: async () => {
      await stack.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** A further Temporal server with nothing in its memory yet. */
export async function startFreshTemporal(
  servers: Servers,
): Promise<TemporalServer & { stop: () => Promise<void> }> {
  const folder = join(servers.folder, `temporal-${randomUUID()}`);
  const stack = await startPart(folder, ['postgres', 's3']);
  return {
    address: stack.temporal.address,
    processId: await recordedProcess(folder, 'temporal'),
    stop: () => stack.stop(),
  };
}

const startPart = (stateDir: string, without: readonly StackPart[]) =>
  startStack({
    stateDir,
    cacheDir,
    report,
    env: process.env,
    without,
    temporal: { memory: true, headless: true, searchAttributes: searchAttributeTypes },
    postgres: { durable: true },
  });

/** The stack writes down the processes it starts; a server that was there already is none of ours to measure. */
async function recordedProcess(stateDir: string, name: string): Promise<number> {
  const record = await readFile(join(stateDir, 'processes', `${name}.json`), 'utf8').catch(() => {
    throw new Error(`The bench measures servers of its own: unset the variable that names another ${name}`);
  });
  return (JSON.parse(record) as { processId: number }).processId;
}

async function readVersions(address: string, superuserUrl: string): Promise<Record<string, string>> {
  const client = new pg.Client({ connectionString: superuserUrl });
  await client.connect();
  const { rows } = await client.query<{ server_version: string }>('show server_version');
  await client.end();
  const connection = await Connection.connect({ address });
  const { serverVersion } = await connection.workflowService.getSystemInfo({});
  await connection.close();
  return {
    node: process.versions.node,
    temporalServer: serverVersion ?? 'unknown',
    postgresql: rows[0]!.server_version,
  };
}

/** A namespace of its own on the server: nobody else's workflows are in it, and its task queues are its own. */
export async function createNamespace({ address }: TemporalServer, name: string): Promise<string> {
  const namespace = `${name}-${randomUUID()}`;
  const connection = await Connection.connect({ address });
  try {
    await connection.workflowService.registerNamespace({
      namespace,
      workflowExecutionRetentionPeriod: { seconds: 86_400 as never },
    });
    // A new namespace reaches the server's own caches a moment later.
    await until(`namespace ${namespace} is known`, 30_000, async () => {
      try {
        await ensureSearchAttributes({ address, namespace, searchAttributes: searchAttributeTypes });
        await new Client({ connection, namespace }).workflow.count('TenantId = "none"');
        return true;
      } catch {
        return false;
      }
    });
  } finally {
    await connection.close();
  }
  return namespace;
}
