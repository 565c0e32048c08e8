/**
 * One seed of the crash matrix, in a process of its own: what it replays is never given back by the library that reads
 * source maps, and a process that has replayed the histories of several seeds breaks down on it.
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Connection } from '@temporalio/client';
import pg from 'pg';
import { installQuietRuntime } from '../../cli/replay.ts';
import { seededRandom } from '../support/random.ts';
import { type Struck, struckBy, struckIn } from './matrix.ts';
import { runOperatorRound } from './operator-round.ts';
import { otherOutlets } from './outlets.ts';
import { type Plan, points, type Victim } from './points.ts';
import { runRound } from './round.ts';
import { type MortalServers, startMortalServers } from './servers.ts';

/** What the process answers by message. */
export interface SeedResult {
  readonly seed: number;
  readonly struck: readonly Struck[];
  readonly undocumented: readonly string[];
  readonly versions: Readonly<Record<string, string>>;
}

// What was started is ended when this process ends, which a signal alone would not do.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => process.exit(1));

const seed = Number(process.argv[2]);
if (!Number.isInteger(seed)) throw new Error('Which seed?');
const result = await run(seed);
process.send!(result, () => process.exit(0));

async function run(seed: number): Promise<SeedResult> {
  installQuietRuntime();
  const stateDir = await mkdtemp(join(tmpdir(), 'gatepost-crash-'));
  const servers = await startMortalServers(stateDir);
  try {
    const undocumented: string[] = [];
    const struck = await strikeAll(servers, seed, undocumented);
    return { seed, struck, undocumented, versions: await versionsOf(servers) };
  } finally {
    await servers.stop();
    await rm(stateDir, { recursive: true, force: true });
  }
}

/** Everything with one seed. The stopped worker mostly waits, so others are struck meanwhile; servers are killed alone. */
async function strikeAll(servers: MortalServers, seed: number, undocumented: string[]): Promise<Struck[]> {
  // The seed decides how many posts there are as well.
  const copies = 1 + Math.floor(seededRandom(seed)() * 2);
  const round = async (victim: Victim, plan: Plan = { points, copies }): Promise<Struck[]> => {
    const to = plan.outlets ? ', the other platforms' : '';
    const result = await told(`${victim}${to}, seed ${seed}`, () =>
      runRound({ ...plan, victim, seed, servers }),
    );
    undocumented.push(...result.undocumented);
    return struckIn(result);
  };
  const byHand = async () =>
    struckBy(
      await told(`by hand, seed ${seed}`, () => runOperatorRound({ seed, endpoints: servers.endpoints })),
      seed,
    );
  const stopped = round('worker-stopped');
  const meanwhile = [await round('worker-killed'), await byHand(), await round('api'), await stopped];
  const others: Plan = { points, copies: 1, outlets: otherOutlets };
  const platforms = await Promise.all([round('worker-killed', others), round('worker-stopped', others)]);
  return [...meanwhile, ...platforms, await round('temporal'), await round('postgres')].flat();
}

async function told<Result>(what: string, work: () => Promise<Result>): Promise<Result> {
  const startedAt = Date.now();
  const result = await work();
  console.log(`${what}: ${Math.round((Date.now() - startedAt) / 1000)} s`);
  return result;
}

async function versionsOf({ endpoints }: MortalServers): Promise<Record<string, string>> {
  const gatepost = JSON.parse(await readFile(new URL('../../package.json', import.meta.url), 'utf8'));
  const connection = await Connection.connect({ address: endpoints.temporalAddress });
  const { serverVersion } = await connection.workflowService.getSystemInfo({});
  await connection.close();
  const client = new pg.Client({ connectionString: endpoints.superuserUrl });
  await client.connect();
  const { rows } = await client.query<{ server_version: string }>('show server_version');
  await client.end();
  return {
    Gatepost: gatepost.version,
    Node: process.versions.node,
    'Temporal server': serverVersion,
    "Temporal's TypeScript SDK": gatepost.dependencies['@temporalio/worker'],
    PostgreSQL: rows[0]!.server_version,
  };
}
