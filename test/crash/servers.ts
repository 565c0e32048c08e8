import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { searchAttributeTypes } from '../../cli/search-attributes.ts';
import { startStack } from '../../cli/stack/index.ts';
import { createSupervisor, type ManagedProcess } from '../../cli/stack/managed-process.ts';
import { createPortChooser } from '../../cli/stack/ports.ts';
import { provisionAll } from '../../cli/stack/provision/index.ts';
import { startPostgresServer } from '../../cli/stack/servers/postgres.ts';
import { startTemporalServer } from '../../cli/stack/servers/temporal.ts';
import { provideWorkflowBundle } from '../../cli/workflow-bundle.ts';
import { bootstrapDatabase } from '../../db/bootstrap.ts';
import { migrateToLatest } from '../../db/migrate.ts';
import type { LiveEndpoints } from '../support/live.ts';
import { templateDatabase, testPasswords } from '../support/servers.ts';

/** A server that keeps what it has on disk, and may be killed and started again. */
export interface MortalServer {
  /** SIGKILL to it and to every process of its own; returns when it is gone. */
  readonly kill: () => Promise<void>;
  /** Starts it over the same data at the same address; returns when it serves. */
  readonly start: () => Promise<void>;
}

/** Servers of one's own: those of the test run serve everybody and must never be killed. */
export interface MortalServers {
  readonly endpoints: LiveEndpoints;
  readonly temporal: MortalServer;
  readonly postgres: MortalServer;
  readonly stop: () => Promise<void>;
}

const cacheDir = fileURLToPath(new URL('../../.cache/', import.meta.url));

/** Starts Temporal over a file and a durable PostgreSQL; also an object store, unless one is given. */
export async function startMortalServers(stateDir: string, s3?: LiveEndpoints['s3']): Promise<MortalServers> {
  const report = (line: string) => process.stderr.write(`${line}\n`);
  const supervisor = createSupervisor();
  try {
    const programs = await provisionAll({
      ...{ cacheDir, report, env: process.env },
      only: ['temporal-cli', 'postgres'],
    });
    const ports = createPortChooser(report);
    const [temporalPort, postgresPort] = [
      await ports.choose({ label: 'Temporal' }),
      await ports.choose({ label: 'PostgreSQL' }),
    ];
    const store = s3 ?? (await startStore(stateDir, report, supervisor));
    const temporal = await startMortal(supervisor, () =>
      startTemporalServer({
        ...{ stateDir, env: process.env, executablePath: programs.temporalCli!.executablePath },
        ...{ port: temporalPort, uiPort: null, searchAttributes: searchAttributeTypes },
      }),
    );
    const postgres = await startMortal(supervisor, () =>
      startPostgresServer({
        ...{ stateDir, env: process.env, binFolder: programs.postgres!.binFolder },
        ...{ port: postgresPort, report: () => {} },
      }),
    );
    const { superuserUrl } = postgres.first;
    const urls = await bootstrapDatabase({
      ...{ superuserUrl, database: templateDatabase, passwords: testPasswords },
    });
    await migrateToLatest(urls.gatepost_migrator);
    return {
      endpoints: {
        ...{ temporalAddress: temporal.first.address, superuserUrl, s3: store },
        workflowBundlePath: await provideWorkflowBundle(cacheDir),
      },
      ...{ temporal, postgres, stop: () => supervisor.stopAll() },
    };
  } catch (error) {
    await supervisor.stopAll();
    throw error;
  }
}

async function startStore(
  stateDir: string,
  report: (line: string) => void,
  supervisor: ReturnType<typeof createSupervisor>,
): Promise<LiveEndpoints['s3']> {
  const stack = await startStack({
    ...{ stateDir: join(stateDir, 'store'), cacheDir, report, env: process.env },
    without: ['temporal', 'postgres'],
  });
  supervisor.add({ name: 's3', stop: () => stack.stop() });
  return { ...stack.s3 };
}

async function startMortal<Server extends ManagedProcess>(
  supervisor: ReturnType<typeof createSupervisor>,
  startOne: () => Promise<Server>,
): Promise<MortalServer & { first: Server }> {
  const first = await startOne();
  let current = first;
  supervisor.add({ name: first.name, stop: () => current.stop() });
  return {
    first,
    kill: () => killWhole(current),
    async start() {
      current = await startOne();
    },
  };
}

/** PostgreSQL's children lead groups of their own, so each is told by its parent. */
async function killWhole(server: ManagedProcess): Promise<void> {
  const children = await childrenOf(server.processId);
  for (const processId of [server.processId, ...children]) killIfThere(processId);
  // A killed postmaster that nobody has waited for keeps the next one from starting.
  await server.exited;
}

async function childrenOf(parentId: number): Promise<number[]> {
  // Elsewhere they notice the death of their parent and end by themselves.
  if (process.platform !== 'linux') return [];
  const ids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const stats = await Promise.all(ids.map((id) => readFile(`/proc/${id}/stat`, 'utf8').catch(() => '')));
  // The name in brackets may hold anything; the parent's id is the second field behind it.
  const parents = stats.map((stat) => Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]));
  return ids.filter((_, index) => parents[index] === parentId).map(Number);
}

function killIfThere(processId: number): void {
  try {
    process.kill(processId, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
