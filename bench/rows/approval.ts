import { randomUUID } from 'node:crypto';
import { closedLoop, expectNoErrors, type LoadResult, openLoop } from '../measure/load.ts';
import { compare, interleave, type Reading } from '../measure/rounds.ts';
import { latencyFigures } from '../measure/statistics.ts';
import { type Seen, watch } from '../measure/watch.ts';
import { type FloorWorkflows, startFloorWorkflows } from '../product/floor.ts';
import { type Product, startProduct } from '../product/product.ts';
import { approve, type BenchTenant, type CreatedPost, createTenant, createText } from '../product/tenant.ts';
import { allOf, atMost, atMostOfFloor, atMostOverFloor } from '../report/goals.ts';
import type { BenchContext, Row, RowFindings } from '../row.ts';
import {
  countRounds,
  cpuPerUnit,
  cpuPerUnitWithOwn,
  describeCpu,
  rawNumbers,
  reportRound,
  round,
  stopAfter,
} from './support.ts';

/** Load at which latencies are taken, as a share of what the same path can do at most. */
const loadShare = 0.6;
const concurrency = 20;
/** A text takes two approvals: of its words, and of its publication. */
const approvalsPerPost = 2;

export const approvalRow: Row = {
  name: 'approval',
  title: 'Approving',
  method:
    'Service: a reviewer approves through the API (token, member, the run’s verdict by Update, the projection ' +
    'written) at 60 % of the rate that 20 callers reach in a closed loop, begun at scheduled instants and counted from them. ' +
    'Floor: an Update of a bare waiting workflow through the SDK’s client, at 60 % of its own such rate.',
  measure,
};

async function measure({ options, servers, report }: BenchContext): Promise<RowFindings> {
  const seconds = options.quick ? 3 : 6;
  const floor = await startFloorWorkflows(servers);
  const product = await startProduct(servers);
  const seen: Seen[] = [];
  return stopAfter([floor, product], async () => {
    const tenant = await createTenant(product);
    const idle = await startIdles(floor, 200);
    const floorRate = loadShare * (await saturateFloor(floor, idle));
    const serviceRate = loadShare * (await saturateService(product, tenant, options.quick ? 60 : 150));
    report(`  60 % of the most: floor ${round(floorRate)}/s, service ${round(serviceRate)}/s`);
    const rounds = await interleave({
      rounds: options.rounds,
      compareBy: 'cpuMs',
      floor: () => runFloor(floor, idle, floorRate, seconds),
      service: () => runService(product, tenant, { ratePerSecond: serviceRate, seconds }, seen),
      report: reportRound(report, 'round', ['cpuMs', 'p50Ms', 'p99Ms']),
    });
    const figure = (name: string) => compare(rounds, name);
    return {
      figures: [
        { label: 'CPU per approval', unit: 'ms', ...figure('cpuMs'), goal: null },
        { label: 'median', unit: 'ms', ...figure('p50Ms'), goal: atMostOverFloor(15) },
        { label: 'p99', unit: 'ms', ...figure('p99Ms'), goal: allOf(atMostOfFloor(2), atMost(200)) },
      ],
      notes: [
        `Offered: floor ${round(floorRate)}/s, service ${round(serviceRate)}/s, each 60 % of its own most`,
        `CPU of the service per approval by process, in ms: ${describeCpu(seen, serviceRate * seconds)}`,
        rawNumbers('Median (ms)', rounds, 'p50Ms'),
        rawNumbers('p99 (ms)', rounds, 'p99Ms'),
      ],
      rounds: countRounds(rounds),
    };
  });
}

async function startIdles(floor: FloorWorkflows, count: number): Promise<string[]> {
  const ids = Array.from({ length: count }, () => randomUUID());
  const started = await closedLoop({ count, concurrency }, (index) => floor.startIdle(ids[index]!));
  expectNoErrors('Starting bare workflows', started);
  return ids;
}

const updateIdle = (floor: FloorWorkflows, ids: readonly string[]) => async (index: number) => {
  const handle = floor.client.workflow.getHandle(ids[index % ids.length]!);
  await handle.executeUpdate('approve', { args: [{ gate: index }] });
};

async function saturateFloor(floor: FloorWorkflows, ids: readonly string[]): Promise<number> {
  await closedLoop({ count: 200, concurrency }, updateIdle(floor, ids));
  return rateOf(await closedLoop({ count: 600, concurrency }, updateIdle(floor, ids)));
}

async function saturateService(product: Product, tenant: BenchTenant, posts: number): Promise<number> {
  const warmUp = await createPosts(product, tenant, 30);
  await closedLoop({ count: 60, concurrency }, approveNext(product, tenant, warmUp));
  const created = await createPosts(product, tenant, posts);
  const count = posts * approvalsPerPost;
  return rateOf(await closedLoop({ count, concurrency }, approveNext(product, tenant, created)));
}

function rateOf(result: LoadResult): number {
  expectNoErrors('Finding the highest rate', result);
  return (result.latenciesMs.length * 1000) / result.elapsedMs;
}

async function createPosts(product: Product, tenant: BenchTenant, count: number): Promise<CreatedPost[]> {
  const posts: CreatedPost[] = [];
  const created = await closedLoop({ count, concurrency }, async (index) => {
    posts.push(await createText(product, tenant, { index }));
  });
  expectNoErrors('Creating posts', created);
  return posts;
}

/** First the words of every post, then the publication of every post. */
const approveNext =
  (product: Product, tenant: BenchTenant, posts: readonly CreatedPost[]) => (index: number) =>
    approve(
      product,
      tenant.reviewer,
      posts[index % posts.length]!,
      index < posts.length ? 'content' : 'publish',
    );

async function runFloor(
  floor: FloorWorkflows,
  ids: readonly string[],
  ratePerSecond: number,
  seconds: number,
): Promise<Reading> {
  const count = Math.round(ratePerSecond * seconds);
  const { value, seen } = await watch(floor.processes, () =>
    openLoop({ count, ratePerSecond }, updateIdle(floor, ids)),
  );
  expectNoErrors('Bare updates', value);
  const figures = { cpuMs: cpuPerUnitWithOwn(seen, count), ...latencyFigures(value.latenciesMs) };
  return { figures, noise: seen.noise };
}

async function runService(
  product: Product,
  tenant: BenchTenant,
  { ratePerSecond, seconds }: { ratePerSecond: number; seconds: number },
  allSeen: Seen[],
): Promise<Reading> {
  const posts = await createPosts(product, tenant, Math.ceil((ratePerSecond * seconds) / approvalsPerPost));
  const count = posts.length * approvalsPerPost;
  const { value, seen } = await watch(product.processes, () =>
    openLoop({ count, ratePerSecond }, approveNext(product, tenant, posts)),
  );
  expectNoErrors('Approvals', value);
  allSeen.push(seen);
  const figures = { cpuMs: cpuPerUnit(seen, count), ...latencyFigures(value.latenciesMs) };
  return { figures, noise: seen.noise };
}
