import { setTimeout as sleep } from 'node:timers/promises';
import type { ManagedProcess } from '../../cli/stack/managed-process.ts';
import type { LiveEndpoints } from '../support/live.ts';
import { seededRandom } from '../support/random.ts';
import { type BurstAnswers, prepareBurst } from './burst.ts';
import { gatherFacts, watchOutcomes } from './facts.ts';
import { byProof } from './outlets.ts';
import { type Blow, type Plan, type PlannedPost, planPosts, type Victim } from './points.ts';
import type { MortalServer, MortalServers } from './servers.ts';
import { bringToPoints, eachOf, isHeld, type Stage, type StagedPost, setStage } from './stage.ts';
import { type Finding, judge, type PostFacts, stuckAfterSeconds } from './verdict.ts';

export interface RoundOptions extends Plan {
  readonly victim: Victim;
  readonly seed: number;
  readonly endpoints?: LiveEndpoints;
  /** Needed where the victim is one of them. */
  readonly servers?: MortalServers;
  /** How long a stopped worker is stopped (default 60 s). */
  readonly stoppedMs?: number;
  /** Called when all are judged and everything is still there. */
  readonly afterwards?: (stage: Stage, posts: readonly JudgedPost[]) => Promise<void>;
}

/** What became of one post. */
export interface JudgedPost {
  readonly post: StagedPost;
  readonly facts: PostFacts;
  readonly findings: readonly Finding[];
  /** Whether it was at its point at the very moment of the blow. */
  readonly wasHeld: boolean;
}

export interface RoundResult {
  readonly victim: Victim;
  readonly seed: number;
  readonly posts: readonly JudgedPost[];
  /** Answers of the interface that it does not promise. */
  readonly undocumented: readonly string[];
}

/** When everything was there again, and when the round had done all it does. */
interface Recovery {
  readonly recoveredAtMs: number;
  readonly over: Promise<BurstAnswers | undefined>;
}

/** Brings posts to their points, strikes once, and judges what became of each when all is there again. */
export async function runRound(options: RoundOptions): Promise<RoundResult> {
  const { seed, victim, outlets = byProof } = options;
  const random = seededRandom(seed);
  const endpoints = options.endpoints ?? options.servers?.endpoints;
  const stage = await setStage({ endpoints, random, outlets });
  try {
    const worker = await stage.live.startWorker({ GATEPOST_FAILPOINT: stage.parking.setting });
    const strike = await blowFor(options, stage, worker);
    const posts = await bringToPoints(stage, planPosts(options, random));
    const held = await eachOf(posts, 8, (post) => isHeld(stage, post));
    const judged = await judgeAll(stage, victim, posts, held, await strike());
    await options.afterwards?.(stage, judged.posts);
    return { victim, seed, ...judged };
  } finally {
    await stage.stop();
  }
}

async function judgeAll(
  stage: Stage,
  victim: Victim,
  posts: readonly StagedPost[],
  held: readonly boolean[],
  { recoveredAtMs, over }: Recovery,
): Promise<Omit<RoundResult, 'victim' | 'seed'>> {
  const limitMs = recoveredAtMs + (stuckAfterSeconds + 15) * 1_000;
  const watching = watchOutcomes(stage, posts, limitMs);
  const burst = await over;
  const inFlight = burst?.posts ?? [];
  const settledAtMs = new Map([...(await watching), ...(await watchOutcomes(stage, inFlight, limitMs))]);
  // What was on its way when the last outcome was written still arrives.
  await sleep(3_000);
  const heldIds = new Set([...posts.filter((_, index) => held[index]), ...inFlight].map((one) => one.postId));
  return {
    posts: await eachOf([...posts, ...inFlight], 8, async (post) => {
      const facts = await gatherFacts(stage, post, {
        ...{ recoveredAtMs, settledAtMs: settledAtMs.get(post.postId), name: historyNameOf(victim, post) },
      });
      return { post, facts, findings: judge(facts), wasHeld: heldIds.has(post.postId) };
    }),
    undocumented: burst?.undocumented ?? [],
  };
}

export const historyNameOf = (blow: Blow, { point, outlet, way }: PlannedPost): string =>
  `crash-${blow}-${point}-${way}-${outlet.platform}-${outlet.kind}`;

/** Everything is made ready before the posts are where they should be: then it has to be quick. */
async function blowFor(
  options: RoundOptions,
  stage: Stage,
  worker: ManagedProcess,
): Promise<() => Promise<Recovery>> {
  const { victim, servers } = options;
  switch (victim) {
    case 'worker-killed':
      return () => killWorker(stage, worker);
    case 'worker-stopped':
      return () => stopWorker(stage, worker, options.stoppedMs ?? 60_000);
    case 'api':
      return killDuringBurst(stage, mortalApi(stage));
    case 'temporal':
    case 'postgres': {
      if (!servers) throw new Error(`Servers of one's own are needed to kill ${victim}`);
      return killDuringBurst(stage, servers[victim]);
    }
    default:
      throw new Error(`Unknown victim: ${victim satisfies never}`);
  }
}

async function killWorker(stage: Stage, worker: ManagedProcess): Promise<Recovery> {
  process.kill(worker.processId, 'SIGKILL');
  await worker.exited;
  await stage.live.startWorker();
  return { recoveredAtMs: Date.now(), over: Promise.resolve(undefined) };
}

/**
 * Stops the worker, with everything it was about to do, and lets it go on later: alone, or when another has long done
 * its work. The second is the harder one, because what wakes up is out of date.
 */
async function stopWorker(stage: Stage, worker: ManagedProcess, stoppedMs: number): Promise<Recovery> {
  const isAlone = stage.random() < 0.25;
  process.kill(worker.processId, 'SIGSTOP');
  const stoppedAtMs = Date.now();
  if (!isAlone) await stage.live.startWorker();
  const another = Date.now();
  await stage.parking.open();
  const wake = async () => {
    await sleep(Math.max(0, stoppedAtMs + stoppedMs - Date.now()));
    process.kill(worker.processId, 'SIGCONT');
    return undefined;
  };
  if (!isAlone) return { recoveredAtMs: another, over: wake() };
  await wake();
  return { recoveredAtMs: Date.now(), over: Promise.resolve(undefined) };
}

/** Kills a server while clients are at work, lets what is parked run into its absence, and starts it again. */
async function killDuringBurst(stage: Stage, server: MortalServer): Promise<() => Promise<Recovery>> {
  const { random, parking } = stage;
  const fire = await prepareBurst(stage);
  return async () => {
    const answers = fire();
    // Read only later: an early failure must not end the process before somebody looks.
    answers.catch(() => {});
    await sleep(random() * 120);
    await server.kill();
    await sleep(random() * 200);
    await parking.open();
    await sleep(random() * 2_500);
    await server.start();
    return { recoveredAtMs: Date.now(), over: answers };
  };
}

/** The interface comes back at the address its clients know. */
function mortalApi({ live }: Stage): MortalServer {
  const { port } = new URL(live.api.url);
  let { process: current } = live.api;
  return {
    async kill() {
      process.kill(current.processId, 'SIGKILL');
      await current.exited;
    },
    async start() {
      current = (await live.startApi({ GATEPOST_API_PORT: port })).process;
    },
  };
}
