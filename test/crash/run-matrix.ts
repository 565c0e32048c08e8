/**
 * Runs every cell of the crash matrix with as many seeds as wanted, and writes what came of it as a table.
 *
 *   npm run test:crash -- --seeds 5 [--from 1] [--out docs/crash-matrix.md]
 *
 * Takes about five minutes for each seed and servers of its own. Ends with 1 when anything is wrong.
 */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Connection } from '@temporalio/client';
import pg from 'pg';
import { installQuietRuntime } from '../../cli/replay.ts';
import { seededRandom } from '../db/fixture.ts';
import { complaintsOf, type Struck, struckBy, struckIn } from './matrix.ts';
import { runOperatorRound } from './operator-round.ts';
import { points, type Victim } from './points.ts';
import { runRound } from './round.ts';
import { type MortalServers, startMortalServers } from './servers.ts';
import { renderMatrix } from './table.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '5' },
    from: { type: 'string' },
    out: { type: 'string', default: join(root, 'docs/crash-matrix.md') },
  },
});
const from = values.from === undefined ? Date.now() % 1_000_000 : Number(values.from);
const seeds = Array.from({ length: Number(values.seeds) }, (_, index) => from + index);
if (seeds.length === 0 || seeds.some((seed) => !Number.isInteger(seed)))
  throw new Error('--seeds is how many, --from the first of them: both whole numbers');

// What was started is ended when this process ends, which a signal alone would not do.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => process.exit(1));

process.exit(await main());

async function main(): Promise<number> {
  installQuietRuntime();
  const stateDir = await mkdtemp(join(tmpdir(), 'gatepost-crash-'));
  const servers = await startMortalServers(stateDir);
  try {
    console.log(`seeds: ${seeds.join(', ')}`);
    const struck: Struck[] = [];
    const undocumented: string[] = [];
    for (const seed of seeds) struck.push(...(await runSeed(servers, seed, undocumented)));
    const versions = await versionsOf(servers);
    await writeFile(values.out, renderMatrix(struck, { date: new Date(), seeds, versions }));
    console.log(`${struck.length} posts; the table is in ${values.out}`);
    const complaints = [...complaintsOf(struck), ...undocumented];
    for (const line of complaints) console.log(line);
    return complaints.length === 0 ? 0 : 1;
  } finally {
    await servers.stop();
    await rm(stateDir, { recursive: true, force: true });
  }
}

/** Everything with one seed. The stopped worker mostly waits, so others are struck meanwhile; servers are killed alone. */
async function runSeed(servers: MortalServers, seed: number, undocumented: string[]): Promise<Struck[]> {
  // The seed decides how many posts there are as well.
  const copies = 1 + Math.floor(seededRandom(seed)() * 2);
  const round = async (victim: Victim): Promise<Struck[]> => {
    const result = await told(`${victim}, seed ${seed}`, () =>
      runRound({ ...{ victim, points, seed, copies, servers } }),
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
  return [...meanwhile, await round('temporal'), await round('postgres')].flat();
}

async function told<Result>(what: string, work: () => Promise<Result>): Promise<Result> {
  const startedAt = Date.now();
  const result = await work();
  console.log(`${what}: ${Math.round((Date.now() - startedAt) / 1000)} s`);
  return result;
}

async function versionsOf({ endpoints }: MortalServers): Promise<Record<string, string>> {
  const gatepost = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'));
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
