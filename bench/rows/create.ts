import { randomUUID } from 'node:crypto';
import { closedLoop, expectNoErrors, until } from '../measure/load.ts';
import { compare, interleave, type Reading } from '../measure/rounds.ts';
import { latencyFigures } from '../measure/statistics.ts';
import { type Seen, watch } from '../measure/watch.ts';
import { type FloorWorkflows, startFloorWorkflows } from '../product/floor.ts';
import { type Product, startProduct } from '../product/product.ts';
import { type BenchTenant, createTenant, createText } from '../product/tenant.ts';
import { atLeastOfFloor, atMost } from '../report/goals.ts';
import type { BenchContext, Row, RowFindings } from '../row.ts';
import {
  countRounds,
  cpuPerUnit,
  cpuPerUnitWithOwn,
  describeCpu,
  rawNumbers,
  reportRound,
  stopAfter,
} from './support.ts';

const concurrency = 50;

export const createRow: Row = {
  name: 'create',
  title: 'Creating posts',
  method:
    'Service: 50 callers create and submit texts: idempotency key, rows, and the start of the run. A round ends when ' +
    'every run has written its first projection. Floor: bare workflows are started by 50 callers of the SDK’s client; a ' +
    'round ends when each has run its first task. Latency is that of the answered request in a closed loop.',
  measure,
};

async function measure({ options, servers, report }: BenchContext): Promise<RowFindings> {
  const count = options.quick ? 150 : 400;
  const floor = await startFloorWorkflows(servers);
  const product = await startProduct(servers);
  const seen: Seen[] = [];
  let started = 0;
  const runFloor = async () => {
    started += count;
    return startFloor(floor, count, started);
  };
  return stopAfter([floor, product], async () => {
    const tenant = await createTenant(product);
    await runFloor();
    await runService(product, tenant, count, []);
    const rounds = await interleave({
      rounds: options.rounds,
      compareBy: 'rate',
      floor: runFloor,
      service: () => runService(product, tenant, count, seen),
      report: reportRound(report, 'round', ['rate', 'cpuMs', 'p99Ms']),
    });
    const figure = (name: string) => compare(rounds, name);
    return {
      figures: [
        { label: 'CPU per post', unit: 'ms', ...figure('cpuMs'), goal: null },
        { label: 'rate', unit: 'posts/s', ...figure('rate'), goal: atLeastOfFloor(0.6) },
        { label: 'median', unit: 'ms', ...figure('p50Ms'), goal: null },
        { label: 'p99', unit: 'ms', ...figure('p99Ms'), goal: atMost(300) },
      ],
      notes: [
        `CPU of the service per post by process, in ms: ${describeCpu(seen, count)}`,
        rawNumbers('Rate (posts/s)', rounds, 'rate'),
        rawNumbers('CPU per post (ms)', rounds, 'cpuMs'),
      ],
      rounds: countRounds(rounds),
    };
  });
}

async function startFloor(floor: FloorWorkflows, count: number, startedInAll: number): Promise<Reading> {
  const { value, seen } = await watch(floor.processes, async () => {
    const started = await closedLoop({ count, concurrency }, () => floor.startIdle(randomUUID()));
    await floor.haveStarted(startedInAll);
    return started;
  });
  expectNoErrors('Bare starts', value);
  const figures = {
    rate: (count * 1000) / seen.elapsedMs,
    cpuMs: cpuPerUnitWithOwn(seen, count),
    ...latencyFigures(value.latenciesMs),
  };
  return { figures, noise: seen.noise };
}

async function runService(
  product: Product,
  tenant: BenchTenant,
  count: number,
  allSeen: Seen[],
): Promise<Reading> {
  const { value, seen } = await watch(product.processes, async () => {
    const created = await closedLoop({ count, concurrency }, async (index) => {
      await createText(product, tenant, { index });
    });
    await until('every run has written its first projection', 60_000, () => allProjected(product));
    return created;
  });
  expectNoErrors('Creating posts', value);
  allSeen.push(seen);
  const figures = {
    rate: (count * 1000) / seen.elapsedMs,
    cpuMs: cpuPerUnit(seen, count),
    ...latencyFigures(value.latenciesMs),
  };
  return { figures, noise: seen.noise };
}

async function allProjected({ pool }: Product): Promise<boolean> {
  const { rows } = await pool.query('select count(*)::int as missing from posts where projection_epoch = 0');
  return rows[0].missing === 0;
}
