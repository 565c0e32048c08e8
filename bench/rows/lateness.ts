import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { closedLoop, expectNoErrors, until } from '../measure/load.ts';
import { compare, interleave, type Reading, serviceMedian } from '../measure/rounds.ts';
import { latencyFigures, percentile } from '../measure/statistics.ts';
import { watch } from '../measure/watch.ts';
import {
  type FloorProcess,
  type FloorWorkflows,
  floorTaskQueue,
  startFloorProcess,
  startFloorWorkflows,
} from '../product/floor.ts';
import { type Product, startProduct } from '../product/product.ts';
import { type BenchTenant, createTenant, createText, noGates, readLedger } from '../product/tenant.ts';
import { atMost } from '../report/goals.ts';
import type { BenchContext, Row, RowFindings } from '../row.ts';
import {
  countRounds,
  cpuPerUnit,
  cpuPerUnitWithOwn,
  rawNumbers,
  reportRound,
  round,
  stopAfter,
} from './support.ts';

/** How long before the due time production arms. */
const armLeadMs = 10_000;
const singlesEveryMs = 400;
/** A post that is not there so long after its due time counts as missed. */
const missedAfterMs = 30_000;

export const latenessRow: Row = {
  name: 'lateness',
  title: 'Lateness',
  method:
    'Service: texts of many accounts, scheduled through the API with the arm lead of production; first single ones, each ' +
    'alone at its instant, then a burst due at one and the same instant. Lateness is when the sandbox had the whole ' +
    'request, by its ledger, minus the due time. Floor: a bare workflow wakes 10 s ahead and starts one activity that waits ' +
    'for the instant and posts to a bare HTTP server.',
  measure,
};

/** When what is due: the singles, and then the burst. */
interface Plan {
  readonly singles: readonly number[];
  readonly burst: readonly number[];
}

interface Sizes {
  readonly singles: number;
  readonly burst: number;
}

async function measure({ options, servers, report }: BenchContext): Promise<RowFindings> {
  const sizes = options.quick ? { singles: 6, burst: 100 } : { singles: 12, burst: 500 };
  const floor = await startFloorWorkflows(servers);
  const receiver = await startFloorProcess('receiver', {});
  const product = await startProduct(servers);
  return stopAfter([floor, receiver, product], async () => {
    const tenant = await createTenant(product, { profiles: 100, policy: noGates });
    const service = { product, tenant, setUpMs: await timeSetUp(product, tenant, sizes) };
    const singlesMs: { floor: number[]; service: number[] } = { floor: [], service: [] };
    const steps: Steps[] = [];
    const rounds = await interleave({
      rounds: options.rounds,
      compareBy: 'cpuMs',
      floor: () => runFloor(floor, receiver, sizes, singlesMs.floor),
      service: () => runService(service, sizes, singlesMs.service, steps),
      report: reportRound(report, 'round', ['cpuMs', 'p50Ms', 'p99Ms', 'maxMs']),
    });
    const only = (figure: string) => ({ floor: null, service: serviceMedian(rounds, figure), ratio: null });
    const label = (what: string) => `burst of ${sizes.burst}, ${what}`;
    return {
      figures: [
        singleFigure('median', singlesMs, 0.5),
        { ...singleFigure('p99', singlesMs, 0.99), goal: atMost(100) },
        { label: label('median'), unit: 'ms', ...compare(rounds, 'p50Ms'), goal: null },
        { label: label('p99'), unit: 'ms', ...compare(rounds, 'p99Ms'), goal: atMost(500) },
        { label: label('latest'), unit: 'ms', ...compare(rounds, 'maxMs'), goal: atMost(1_000) },
        { label: 'CPU per post, its creation included', unit: 'ms', ...compare(rounds, 'cpuMs'), goal: null },
        { label: 'too early, per round', unit: 'posts', ...only('early'), goal: atMost(0) },
        { label: 'missed or twice, per round', unit: 'posts', ...only('missed'), goal: atMost(0) },
      ],
      notes: [
        ...describeSteps(steps),
        rawNumbers('Burst, p99 (ms)', rounds, 'p99Ms'),
        rawNumbers('Burst, latest (ms)', rounds, 'maxMs'),
        `${singlesMs.service.length} single posts of the service, ${singlesMs.floor.length} of the floor; the latest ` +
          `${round(Math.max(...singlesMs.service))} and ${round(Math.max(...singlesMs.floor))} ms`,
      ],
      rounds: countRounds(rounds),
    };
  });
}

function singleFigure(what: string, singles: { floor: number[]; service: number[] }, share: number) {
  const [floor, service] = [percentile(singles.floor, share), percentile(singles.service, share)];
  return { label: `single post, ${what}`, unit: 'ms', floor, service, ratio: service / floor, goal: null };
}

/** How long creating a round's posts may take, from how long some take now. */
async function timeSetUp(product: Product, tenant: BenchTenant, sizes: Sizes): Promise<number> {
  const create = (count: number) =>
    closedLoop({ count, concurrency: 20 }, async (index) => {
      const dueAt = new Date(Date.now() + 86_400_000).toISOString();
      await createText(product, tenant, { index, fields: { dueAt } });
    });
  await create(50);
  const created = await create(100);
  expectNoErrors('Creating posts', created);
  return (created.elapsedMs / 100) * (sizes.singles + sizes.burst) * 1.5 + 2_000;
}

/** Singles begin when the set-up is over; the burst is armed after the last of them. */
function planFrom(startAtMs: number, sizes: Sizes): Plan {
  const singles = Array.from({ length: sizes.singles }, (_, index) => startAtMs + index * singlesEveryMs);
  const burstAtMs = (singles.at(-1) ?? startAtMs) + armLeadMs + 2_000;
  return { singles, burst: Array.from({ length: sizes.burst }, () => burstAtMs) };
}

async function runFloor(
  { client, processes }: FloorWorkflows,
  receiver: FloorProcess,
  sizes: Sizes,
  singlesMs: number[],
): Promise<Reading> {
  const url = `http://127.0.0.1:${(receiver.greeting as { ready: number }).ready}`;
  const plan = planFrom(Date.now() + armLeadMs + 2_000, sizes);
  const dueTimes = [...plan.singles, ...plan.burst];
  const { value: arrivals, seen } = await watch(processes, async () => {
    const started = await closedLoop({ count: dueTimes.length, concurrency: 20 }, async (id) => {
      const input = { dueAtMs: dueTimes[id]!, leadMs: armLeadMs, url, id };
      await client.workflow.start('staged', {
        workflowId: randomUUID(),
        taskQueue: floorTaskQueue,
        args: [input],
      });
    });
    expectNoErrors('Starting bare workflows', started);
    await sleep(Math.max(...dueTimes) + 2_000 - Date.now());
    return (await receiver.ask<{ arrivals: { id: number; atMs: number }[] }>()).arrivals;
  });
  const lateMs = dueTimes.map((dueAtMs, id) => {
    const arrival = arrivals.find((one) => one.id === id);
    return arrival ? arrival.atMs - dueAtMs : missedAfterMs;
  });
  singlesMs.push(...lateMs.slice(0, sizes.singles));
  const cpuMs = cpuPerUnitWithOwn(seen, dueTimes.length);
  return { figures: { cpuMs, ...latencyFigures(lateMs.slice(sizes.singles)) }, noise: seen.noise };
}

/** Where a burst's time went, per post, in ms. */
interface Steps {
  readonly claim: readonly number[];
  readonly wire: readonly number[];
  readonly answer: readonly number[];
}

interface Service {
  readonly product: Product;
  readonly tenant: BenchTenant;
  /** How long creating a round's posts is given; doubled when it was not enough. */
  setUpMs: number;
}

async function runService(
  service: Service,
  sizes: Sizes,
  singlesMs: number[],
  allSteps: Steps[],
): Promise<Reading> {
  const { product } = service;
  const { value, seen } = await watch(product.processes, async () => {
    const scheduled = await schedule(service, sizes);
    await sleep(Math.max(...scheduled.dueTimes) + 1_000 - Date.now());
    return { ...scheduled, published: await waitForAll(product, scheduled.postIds) };
  });
  const { postIds, dueTimes, published } = value;
  const facts = postIds.map((id, index) => {
    const { sentAt, receivedAt, publishedAt } = published.get(id) ?? noFacts;
    const [claim, lateMs] = [sentAt - dueTimes[index]!, receivedAt - dueTimes[index]!];
    return { lateMs, claim, wire: receivedAt - sentAt, answer: publishedAt - receivedAt };
  });
  const lateMs = facts.map((one) => (Number.isFinite(one.lateMs) ? one.lateMs : missedAfterMs));
  const burst = facts.slice(sizes.singles);
  singlesMs.push(...lateMs.slice(0, sizes.singles));
  allSteps.push({
    claim: burst.map((one) => one.claim),
    wire: burst.map((one) => one.wire),
    answer: burst.map((one) => one.answer),
  });
  return {
    figures: {
      cpuMs: cpuPerUnit(seen, dueTimes.length),
      ...latencyFigures(lateMs.slice(sizes.singles)),
      early: lateMs.filter((late) => late < 0).length,
      missed: facts.filter((one) => !Number.isFinite(one.lateMs)).length + (await countSurplus(product)),
    },
    noise: seen.noise,
  };
}

/** Creates a round's posts; all of them before the first is due, or the round is begun again. */
async function schedule(
  service: Service,
  sizes: Sizes,
): Promise<{ readonly postIds: readonly string[]; readonly dueTimes: readonly number[] }> {
  const { product, tenant } = service;
  // Single posts must be armed before the first of them is due.
  const plan = planFrom(Date.now() + Math.max(service.setUpMs, armLeadMs + 1_000), sizes);
  const dueTimes = [...plan.singles, ...plan.burst];
  const postIds: string[] = [];
  const created = await closedLoop({ count: dueTimes.length, concurrency: 20 }, async (index) => {
    const dueAt = new Date(dueTimes[index]!).toISOString();
    postIds[index] = (await createText(product, tenant, { index, fields: { dueAt } })).id;
  });
  expectNoErrors('Creating posts', created);
  if (Date.now() < plan.singles[0]!) return { postIds, dueTimes };
  service.setUpMs *= 2;
  await waitForAll(product, postIds);
  return schedule(service, sizes);
}

interface PostFacts {
  /** When the row was claimed, by the database's clock. */
  readonly sentAt: number;
  /** When the sandbox had the request. */
  readonly receivedAt: number;
  readonly publishedAt: number;
}
const noFacts: PostFacts = { sentAt: Number.NaN, receivedAt: Number.NaN, publishedAt: Number.NaN };

/** Reads the rows and the ledger, when every post has been published or has been given up. */
async function waitForAll(product: Product, postIds: readonly string[]): Promise<Map<string, PostFacts>> {
  const read = async () => {
    const { rows } = await product.pool.query(
      `select post_id, public_id, send_started_at, published_at from publications
       where post_id = any($1) and state = 'PUBLISHED'`,
      [postIds],
    );
    return rows;
  };
  await until(
    'all posts are published',
    2 * missedAfterMs,
    async () => (await read()).length === postIds.length,
    200,
  )
    // What is missing is counted, and shown as a figure.
    .catch(() => {});
  const rows = await read();
  const receivedAt = new Map(
    (await readLedger(product.sandboxUrl)).map((entry) => [entry.publicId, Date.parse(entry.receivedAt)]),
  );
  return new Map(
    rows.map((row) => [
      row.post_id as string,
      {
        sentAt: row.send_started_at.getTime(),
        receivedAt: receivedAt.get(row.public_id) ?? Number.NaN,
        publishedAt: row.published_at.getTime(),
      },
    ]),
  );
}

/** Posts that the ledger holds and no row knows of: sent a second time. */
async function countSurplus(product: Product): Promise<number> {
  const { rows } = await product.pool.query(`select public_id from publications where state = 'PUBLISHED'`);
  const known = new Set(rows.map((row) => row.public_id));
  return (await readLedger(product.sandboxUrl)).filter((entry) => !known.has(entry.publicId)).length;
}

function describeSteps(all: readonly Steps[]): string[] {
  const line = (name: string, values: readonly number[]) =>
    `${name}: median ${round(percentile(values, 0.5))}, p99 ${round(percentile(values, 0.99))} ms`;
  return [
    line(
      'Burst, from the due time to the claim',
      all.flatMap((steps) => steps.claim),
    ),
    line(
      'Burst, from the claim to the whole request at the sandbox',
      all.flatMap((steps) => steps.wire),
    ),
    line(
      'Burst, from there to the sandbox’s answer read by the worker',
      all.flatMap((steps) => steps.answer),
    ),
  ];
}
