import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { installQuietRuntime } from '../../cli/replay.ts';
import { testEndpoints } from '../support/endpoints.ts';
import { complaintsOf, type Struck, struckBy, struckIn } from './matrix.ts';
import { runOperatorRound } from './operator-round.ts';
import { type Point, points, type Victim } from './points.ts';
import { type RoundResult, runRound } from './round.ts';
import { type MortalServers, startMortalServers } from './servers.ts';

/*
 * Something is killed, stopped for a minute, or reset by hand while posts of each kind of account are at each point of
 * their publication. Each post must go out once, or say that nobody knows; the ledger of the platforms is out of the
 * reach of what is killed. Every cell over many seeds: `npm run test:crash -- --seeds 5`.
 */

const seed = Number(process.env.GATEPOST_CRASH_SEED ?? 2);
process.stdout.write(`seed of the crashes: ${seed} (GATEPOST_CRASH_SEED)\n`);

let stateDir: string;
let servers: MortalServers;
/** Mostly waiting: these go on while the others are at work. */
let inBackground: { readonly stopped: Promise<RoundResult>; readonly byHand: Promise<Struck[]> };

beforeAll(async () => {
  installQuietRuntime();
  stateDir = await mkdtemp(join(tmpdir(), 'gatepost-crash-'));
  servers = await startMortalServers(stateDir, testEndpoints().s3);
  inBackground = {
    stopped: runRound({ victim: 'worker-stopped', points, seed, copies: 1 }),
    byHand: runOperatorRound({ seed }).then((results) => struckBy(results, seed)),
  };
  // Looked at by the tests below; an early failure must wait for them.
  for (const promise of Object.values(inBackground)) promise.catch(() => {});
}, 60_000);

afterAll(async () => {
  await Promise.allSettled(Object.values(inBackground));
  await servers.stop();
  await rm(stateDir, { recursive: true, force: true });
}, 240_000);

const withinMs = 240_000;

test(
  'a worker is killed at any point of a publication, and each post goes out once',
  async () => {
    const round = await runRound({ victim: 'worker-killed', points, seed, copies: 1 });
    expect(complaintsOf(struckIn(round))).toEqual([]);
  },
  withinMs,
);

test.each([
  ['api', ['before-claim', 'sending']],
  ['temporal', ['request-sent', 'activity-completed']],
  ['postgres', ['armed', 'answered']],
] as const satisfies [Victim, Point[]][])(
  'the %s is killed while posts are at %j and clients at work, and nothing is lost or done twice',
  async (victim, chosen) => {
    const round = await runRound({ victim, points: chosen, seed, copies: 1, servers });
    expect(complaintsOf(struckIn(round))).toEqual([]);
    expect(round.undocumented).toEqual([]);
  },
  withinMs,
);

test(
  'runs are reset and terminated by hand at any point, and each post says truly what became of it',
  async () => {
    expect(complaintsOf(await inBackground.byHand)).toEqual([]);
  },
  withinMs,
);

test(
  'a worker is stopped for a minute at any point of a publication, and what wakes up does nothing twice',
  async () => {
    expect(complaintsOf(struckIn(await inBackground.stopped))).toEqual([]);
  },
  withinMs,
);
