import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { closedLoop, expectNoErrors, until } from '../measure/load.ts';
import { residentMebibytes } from '../measure/processes.ts';
import { compare, interleave, type Reading } from '../measure/rounds.ts';
import { latencyFigures } from '../measure/statistics.ts';
import { watch } from '../measure/watch.ts';
import { startFloorWorkflows } from '../product/floor.ts';
import { type Product, startProduct } from '../product/product.ts';
import { startFreshTemporal } from '../product/servers.ts';
import { approve, type BenchTenant, type CreatedPost, createTenant, createText } from '../product/tenant.ts';
import { atMost, atMostOfFloor } from '../report/goals.ts';
import type { BenchContext, Row, RowFindings } from '../row.ts';
import { countRounds, rawNumbers, reportRound, round, stopAfter } from './support.ts';

const concurrency = 50;
/** Begun before the first look, so that what every worker needs once is not counted per workflow. */
const warmUp = 100;
/** More than are started here. */
const roomForAll = 2_000;
const cachedInProduction = 500;

export const memoryRow: Row = {
  name: 'memory',
  title: 'Memory',
  method:
    'Resident memory by the process table. Per cached workflow: what a worker grows by, from 100 waiting posts to all of ' +
    'them, in a fresh process per round. Floor: the same with bare waiting workflows. Then many waiting posts on a fresh ' +
    'Temporal server in memory, with the cache of production (500), and approvals of posts that were evicted, one at a time.',
  measure,
};

async function measure(context: BenchContext): Promise<RowFindings> {
  const { options, servers, report } = context;
  const cached = options.quick ? 300 : 1_000;
  const rounds = await interleave({
    rounds: options.rounds,
    compareBy: 'kibibytes',
    floor: () => growFloor(context, cached),
    service: () => growService(context, cached),
    report: reportRound(report, 'round', ['kibibytes', 'wholeMebibytes']),
  });
  const many = await holdMany(context, options.quick ? 1_500 : 10_000, options.quick ? 20 : 100);
  const alone = (service: number) => ({ floor: null, service, ratio: null });
  const label = (what: string) => `${many.posts.toLocaleString('en')} waiting posts: ${what}`;
  return {
    figures: [
      {
        label: 'per cached workflow',
        unit: 'KiB',
        ...compare(rounds, 'kibibytes'),
        goal: atMostOfFloor(1.5),
      },
      {
        label: `worker with ${cached.toLocaleString('en')} cached`,
        unit: 'MiB',
        ...compare(rounds, 'wholeMebibytes'),
        goal: null,
      },
      { label: label('worker'), unit: 'MiB', ...alone(many.workerMebibytes), goal: atMost(700) },
      { label: label('Temporal'), unit: 'MiB', ...alone(many.temporalMebibytes), goal: atMost(1_536) },
      {
        label: label('approving an evicted one, median'),
        unit: 'ms',
        ...alone(many.p50Ms),
        goal: atMost(100),
      },
      { label: label('approving an evicted one, p99'), unit: 'ms', ...alone(many.p99Ms), goal: null },
    ],
    notes: [
      rawNumbers('Per cached workflow (KiB)', rounds, 'kibibytes'),
      `Temporal of ${servers.versions.temporalServer}: ${round(many.temporalMebibytes - many.temporalEmptyMebibytes)} MiB ` +
        `more than empty; API ${round(many.apiMebibytes)} MiB`,
    ],
    rounds: countRounds(rounds),
  };
}

/** Growth of a process while `grow` takes it from a few workflows to all of them. */
async function readGrowth(
  processId: number,
  count: number,
  grow: (from: number, to: number) => Promise<void>,
): Promise<Reading> {
  const { value, seen } = await watch({}, async () => {
    await grow(0, warmUp);
    await settle();
    const before = residentMebibytes(processId);
    await grow(warmUp, count + warmUp);
    await settle();
    return { before, after: residentMebibytes(processId) };
  });
  const kibibytes = ((value.after - value.before) * 1024) / count;
  return { figures: { kibibytes, wholeMebibytes: value.after }, noise: seen.noise };
}

const settle = () => sleep(2_000);

async function growFloor({ servers }: BenchContext, count: number): Promise<Reading> {
  const floor = await startFloorWorkflows(servers, { maxCached: roomForAll });
  return stopAfter([floor], () =>
    readGrowth(floor.worker.processId, count, async (from, to) => {
      const started = await closedLoop({ count: to - from, concurrency }, () =>
        floor.startIdle(randomUUID()),
      );
      expectNoErrors('Starting bare workflows', started);
      await floor.haveStarted(to);
    }),
  );
}

async function growService({ servers }: BenchContext, count: number): Promise<Reading> {
  const product = await startProduct(servers, {
    workerSettings: { GATEPOST_MAX_CACHED_WORKFLOWS: String(roomForAll) },
  });
  return stopAfter([product], async () => {
    const tenant = await createTenant(product, { profiles: 3 });
    return readGrowth(product.processes.worker[0]!, count, (from, to) =>
      createWaiting(product, tenant, to - from).then(() => {}),
    );
  });
}

/** Posts that wait for their first approval, each with its first projection written. */
async function createWaiting(product: Product, tenant: BenchTenant, count: number): Promise<CreatedPost[]> {
  const posts: CreatedPost[] = [];
  const created = await closedLoop({ count, concurrency }, async (index) => {
    posts.push(await createText(product, tenant, { index }));
  });
  expectNoErrors('Creating posts', created);
  await until('every run has written its first projection', 120_000, async () => {
    const { rows } = await product.pool.query('select from posts where projection_epoch = 0 limit 1');
    return rows.length === 0;
  });
  return posts;
}

interface ManyPosts {
  readonly posts: number;
  readonly workerMebibytes: number;
  readonly temporalMebibytes: number;
  readonly temporalEmptyMebibytes: number;
  readonly apiMebibytes: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

async function holdMany({ servers, report }: BenchContext, posts: number, wakes: number): Promise<ManyPosts> {
  report(`  ${posts} waiting posts, ${cachedInProduction} of them cached`);
  const temporal = await startFreshTemporal(servers);
  const product = await startProduct(servers, {
    temporal,
    workerSettings: { GATEPOST_MAX_CACHED_WORKFLOWS: String(cachedInProduction) },
  });
  return stopAfter([temporal, product], async () => {
    const tenant = await createTenant(product, { profiles: 3 });
    const temporalEmptyMebibytes = residentMebibytes(temporal.processId);
    const waiting = await createWaiting(product, tenant, posts);
    await settle();
    const memory = {
      workerMebibytes: residentMebibytes(product.processes.worker[0]!),
      temporalMebibytes: residentMebibytes(temporal.processId),
      apiMebibytes: residentMebibytes(product.processes.api[0]!),
    };
    // The oldest were evicted long ago.
    const woken = await closedLoop({ count: wakes, concurrency: 1 }, (index) =>
      approve(product, tenant.reviewer, waiting[index]!, 'content'),
    );
    expectNoErrors('Approving evicted posts', woken);
    return { posts, temporalEmptyMebibytes, ...memory, ...latencyFigures(woken.latenciesMs) };
  });
}
