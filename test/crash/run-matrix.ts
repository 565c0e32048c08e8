/**
 * Runs every cell of the crash matrix with as many seeds as wanted, and writes what came of it as a table.
 *
 *   npm run test:crash -- --seeds 5 [--from 1] [--out docs/crash-matrix.md]
 *
 * Takes about ten minutes for each seed and servers of its own. Ends with 1 when anything is wrong.
 */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Connection } from '@temporalio/client';
import { Command } from 'commander';
import pg from 'pg';
import { installQuietRuntime } from '../../cli/replay.ts';
import { wholeNumber } from '../support/options.ts';
import { seededRandom } from '../support/random.ts';
import { complaintsOf, type Struck, struckBy, struckIn } from './matrix.ts';
import { runOperatorRound } from './operator-round.ts';
import { points, type Victim } from './points.ts';
import { runRound } from './round.ts';
import { type MortalServers, startMortalServers } from './servers.ts';
import { renderMatrix } from './table.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const options = new Command('npm run test:crash --')
  .description(
    'kills and stops everything at every point of a publication, and says what became of the posts',
  )
  .option('--seeds <count>', 'how many seeds: about ten minutes each', wholeNumber, 5)
  .option('--from <seed>', 'the first of them', wholeNumber, 1 + (Date.now() % 1_000_000))
  .option('--out <file>', 'where to write the table', join(root, 'docs/crash-matrix.md'))
  .parse(process.argv)
  .opts<{ seeds: number; from: number; out: string }>();
const seeds = Array.from({ length: options.seeds }, (_, index) => options.from + index);

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
    await writeFile(options.out, renderMatrix(struck, { date: new Date(), seeds, versions }));
    console.log(`${struck.length} posts; the table is in ${options.out}`);
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
