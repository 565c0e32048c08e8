import { existsSync } from 'node:fs';
import { chmod, chown, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Client } from 'pg';
import { type ManagedProcess, startProcess } from '../managed-process.ts';
import { findStartMark } from '../process-identity.ts';
import { runCommand } from '../run-command.ts';
import { isSystemError, StackError } from '../stack-error.ts';
import type { Environment, Report } from '../types.ts';
import { keepSecret } from './credentials.ts';
import { chooseRunAs, type RunAs } from './run-as.ts';

const HOST = '127.0.0.1';
const SUPERUSER = 'postgres';
const MAJOR_VERSION = '18';
const READY_TIMEOUT_MS = 60_000;
const STOP_TIMEOUT_MS = 20_000;

export interface PostgresServerOptions {
  stateDir: string;
  binFolder: string;
  port: number;
  /** Whether a commit survives a crash (default true). Throwaway tests say false and gain speed. */
  durable?: boolean | undefined;
  report: Report;
  env: Environment;
  signal?: AbortSignal | undefined;
}

export interface PostgresServer extends ManagedProcess {
  host: string;
  port: number;
  /** Connection to the database `postgres` as superuser, password included. */
  superuserUrl: string;
}

/**
 * Starts PostgreSQL on the loopback address, over a data folder in the state directory that is made on first use.
 * The superuser's password is generated once and kept there. Throws StackError `state-unusable` when the data folder
 * is of another major version or in use by another server.
 */
export async function startPostgresServer(options: PostgresServerOptions): Promise<PostgresServer> {
  const { stateDir, port, env } = options;
  const folder = join(stateDir, 'postgres');
  await mkdir(folder, { recursive: true });
  const runAs = await chooseRunAs([options.binFolder, stateDir], env);
  if (runAs.owner !== null) await chown(folder, runAs.owner.uid, runAs.owner.gid);
  await chmod(folder, 0o700);

  const password = await keepSecret(stateDir, 'postgres-superuser-password');
  const dataFolder = join(folder, 'data');
  if (existsSync(dataFolder)) await checkDataFolder(dataFolder, options.report);
  else await createDataFolder({ ...options, folder, dataFolder, password, runAs });

  const superuserUrl = `postgres://${SUPERUSER}:${password}@${HOST}:${port}/postgres`;
  const managed = await startProcess({
    name: 'postgres',
    ...runAs.wrap(join(options.binFolder, 'postgres'), ['-D', dataFolder, ...serverSettings(options)]),
    env: minimalEnvironment(env),
    cwd: folder,
    logFile: join(stateDir, 'logs', 'postgres.log'),
    ready: () => answersQuery(superuserUrl),
    readyTimeoutMs: READY_TIMEOUT_MS,
    // "Fast": closes the connections, writes everything out. SIGTERM would wait for the last client to leave.
    stopSignal: 'SIGINT',
    stopTimeoutMs: STOP_TIMEOUT_MS,
    stateDir,
    signal: options.signal,
  });
  return { ...managed, host: HOST, port, superuserUrl };
}

function serverSettings({ port, durable = true }: PostgresServerOptions): string[] {
  const settings: Record<string, string | number> = {
    port,
    listen_addresses: HOST,
    // The path of a socket may not be longer than about a hundred bytes, which a checkout's easily is.
    unix_socket_directories: '',
    shared_buffers: '64MB',
    max_connections: 200,
    timezone: 'UTC',
    log_timezone: 'UTC',
    ...(durable ? {} : { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off' }),
  };
  return Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
}

/** Made under a temporary name and renamed when complete, so that an interrupted initdb is repaired by the next start. */
async function createDataFolder(
  input: PostgresServerOptions & { folder: string; dataFolder: string; password: string; runAs: RunAs },
): Promise<void> {
  const { folder, runAs, durable = true } = input;
  for (const name of await readdir(folder)) {
    if (name.startsWith('data.partial')) await rm(join(folder, name), { recursive: true, force: true });
  }
  const partial = join(folder, 'data.partial');
  const passwordFile = join(folder, 'data.partial-password');
  await writeFile(passwordFile, input.password, { mode: 0o600 });
  if (runAs.owner !== null) await chown(passwordFile, runAs.owner.uid, runAs.owner.gid);
  await runCommand({
    ...runAs.wrap(join(input.binFolder, 'initdb'), [
      `--pgdata=${partial}`,
      `--username=${SUPERUSER}`,
      `--pwfile=${passwordFile}`,
      '--auth=scram-sha-256',
      '--encoding=UTF8',
      // The same order and case rules on every machine, whatever locales it has.
      '--locale=C',
      '--locale-provider=builtin',
      '--builtin-locale=C.UTF-8',
      ...(durable ? [] : ['--no-sync']),
    ]),
    cwd: folder,
    env: minimalEnvironment(input.env),
    timeoutMs: READY_TIMEOUT_MS,
    signal: input.signal,
  });
  await rm(passwordFile);
  await rename(partial, input.dataFolder);
}

async function checkDataFolder(dataFolder: string, report: Report): Promise<void> {
  const version = (await readFile(join(dataFolder, 'PG_VERSION'), 'utf8')).trim();
  if (version !== MAJOR_VERSION) {
    throw new StackError(
      'state-unusable',
      `${dataFolder} was made by PostgreSQL ${version}, this is ${MAJOR_VERSION}: move the folder away to start anew`,
    );
  }
  await removeStaleLock(join(dataFolder, 'postmaster.pid'), dataFolder, report);
}

/**
 * PostgreSQL takes its lock file for alive when any process of its user has the id that stands in it, which happens
 * after a reboot or in a new container. We know better whether that process is a PostgreSQL on this folder.
 */
async function removeStaleLock(path: string, dataFolder: string, report: Report): Promise<void> {
  const processId = await readLockHolder(path);
  if (processId === null) return;
  if ((await findStartMark(processId)) !== null && (await isServerOn(processId, dataFolder))) {
    throw new StackError(
      'state-in-use',
      `PostgreSQL (process ${processId}) runs on ${dataFolder}: stop it first`,
    );
  }
  report(`postgres: removing the lock of process ${processId}, which no longer runs`);
  await rm(path, { force: true });
}

async function readLockHolder(path: string): Promise<number | null> {
  try {
    return Number((await readFile(path, 'utf8')).split('\n')[0]);
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return null;
    throw error;
  }
}

async function isServerOn(processId: number, dataFolder: string): Promise<boolean> {
  if (process.platform !== 'linux') return true; // Cannot be told apart here: PostgreSQL's own judgement stands.
  return (await readFile(`/proc/${processId}/cmdline`, 'utf8')).split('\0').includes(dataFolder);
}

/** Nothing of the caller's PG* variables may change what we start. */
function minimalEnvironment(env: Environment): Environment {
  return { PATH: env.PATH, LANG: 'C', TZ: 'UTC' };
}

async function answersQuery(url: string): Promise<boolean> {
  const client = new Client({ connectionString: url, connectionTimeoutMillis: 2_000 });
  // A server that goes down while we ask is an answer too; without a listener the event would end our process.
  let failure: Error | undefined;
  client.on('error', (error) => {
    failure = error;
  });
  try {
    await client.connect();
    await client.query('select 1');
    return failure === undefined;
  } finally {
    await client.end();
  }
}
