import { randomUUID } from 'node:crypto';
import { closedLoop, expectNoErrors, until } from '../measure/load.ts';
import { compare, interleave, type Reading } from '../measure/rounds.ts';
import { latencyFigures } from '../measure/statistics.ts';
import { type Seen, watch } from '../measure/watch.ts';
import { type FloorWorkflows, floorTaskQueue, startFloorWorkflows } from '../product/floor.ts';
import { createOutcomes } from '../product/outcomes.ts';
import { type Product, startProduct } from '../product/product.ts';
import {
  approve,
  askSandbox,
  type BenchTenant,
  createTenant,
  createText,
  threeApprovals,
} from '../product/tenant.ts';
import { atLeastOfFloor, atMostOfFloor } from '../report/goals.ts';
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
/** So many that the rate of none of them is reached. */
const manyProfiles = 200;

export const lifecycleRow: Row = {
  name: 'lifecycle',
  title: 'Whole lifecycles',
  method:
    'Service: 50 hosts at a time create a text through the API, have it approved three times (the words once, the ' +
    'publication twice, the second time as "publish now"), and wait until its row says PUBLISHED and the sandbox has it. ' +
    'Floor: a bare workflow with three gates by Update, a timer of 1 ms and two activities that do nothing. CPU is that ' +
    'of API, worker, Temporal and PostgreSQL together; of the floor, that of its client, worker and Temporal.',
  measure,
};

async function measure({ options, servers, report }: BenchContext): Promise<RowFindings> {
  const count = options.quick ? 100 : 200;
  const floor = await startFloorWorkflows(servers);
  const product = await startProduct(servers);
  const seen: Seen[] = [];
  return stopAfter([floor, product], async () => {
    const tenant = await createTenant(product, { profiles: manyProfiles, policy: threeApprovals });
    await runFloor(floor, 50);
    await runService(product, tenant, 50, []);
    const rounds = await interleave({
      rounds: options.rounds,
      compareBy: 'rate',
      floor: () => runFloor(floor, count),
      service: () => runService(product, tenant, count, seen),
      report: reportRound(report, 'round', ['rate', 'cpuMs', 'p50Ms']),
    });
    await expectOncePerPost(product);
    const figure = (name: string) => compare(rounds, name);
    return {
      figures: [
        { label: 'CPU per post', unit: 'ms', ...figure('cpuMs'), goal: atMostOfFloor(2) },
        { label: 'rate', unit: 'posts/s', ...figure('rate'), goal: atLeastOfFloor(0.5) },
        { label: 'end to end, median', unit: 'ms', ...figure('p50Ms'), goal: null },
        { label: 'end to end, p99', unit: 'ms', ...figure('p99Ms'), goal: null },
      ],
      notes: [
        `CPU of the service per post by process, in ms: ${describeCpu(seen, count)}`,
        rawNumbers('CPU per post (ms)', rounds, 'cpuMs'),
        rawNumbers('Rate (posts/s)', rounds, 'rate'),
        'Errors: 0. The ledger holds each post exactly once.',
      ],
      rounds: countRounds(rounds),
    };
  });
}

async function runFloor({ client, processes }: FloorWorkflows, count: number): Promise<Reading> {
  const { value, seen } = await watch(processes, () =>
    closedLoop({ count, concurrency }, async () => {
      const handle = await client.workflow.start('gated', {
        workflowId: randomUUID(),
        taskQueue: floorTaskQueue,
      });
      for (let gate = 1; gate <= 3; gate += 1) await handle.executeUpdate('approve', { args: [{ gate }] });
      await handle.result();
    }),
  );
  expectNoErrors('Bare lifecycles', value);
  const figures = {
    rate: (count * 1000) / value.elapsedMs,
    cpuMs: cpuPerUnitWithOwn(seen, count),
    ...latencyFigures(value.latenciesMs),
  };
  return { figures, noise: seen.noise };
}

/** Posts go round all profiles, over all rounds. */
let created = 0;

async function runService(
  product: Product,
  tenant: BenchTenant,
  count: number,
  allSeen: Seen[],
): Promise<Reading> {
  const outcomes = createOutcomes(product.pool);
  const { value, seen } = await watch(product.processes, () =>
    closedLoop({ count, concurrency }, async () => {
      const post = await createText(product, tenant, { index: created++ });
      await approve(product, tenant.reviewer, post, 'content');
      await approve(product, tenant.reviewer, post, 'publish');
      await product.caller.call({
        method: 'POST',
        path: `/posts/${post.id}/publish-now`,
        token: tenant.second,
        body: { hash: post.gates.publish.hash },
        expected: 200,
      });
      await outcomes.whenPublished(post.id);
    }),
  );
  outcomes.stop();
  expectNoErrors('Lifecycles', value);
  allSeen.push(seen);
  const figures = {
    rate: (count * 1000) / value.elapsedMs,
    cpuMs: cpuPerUnit(seen, count),
    ...latencyFigures(value.latenciesMs),
  };
  return { figures, noise: seen.noise };
}

/** What the platform holds is what the rows say was published, each once. */
async function expectOncePerPost({ pool, sandboxUrl }: Product): Promise<void> {
  const { rows } = await pool.query(`select public_id from targets where phase = 'PUBLISHED'`);
  const known = new Set(rows.map((row) => row.public_id));
  await until('the ledger holds each post once', 5_000, async () => {
    const { entries } = (await askSandbox(sandboxUrl, '/ledger')) as { entries: { publicId: string }[] };
    return entries.length === known.size && entries.every((entry) => known.has(entry.publicId));
  });
}
