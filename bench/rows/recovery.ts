import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { sendDeadlineMs } from '../../domain/publication.ts';
import { startMortalServers } from '../../test/crash/servers.ts';
import { closedLoop, expectNoErrors, until } from '../measure/load.ts';
import { percentile } from '../measure/statistics.ts';
import { type Product, startProduct } from '../product/product.ts';
import {
  approve,
  askSandbox,
  type BenchTenant,
  type CreatedPost,
  createTenant,
  createText,
  noGates,
  readLedger,
} from '../product/tenant.ts';
import { atMost } from '../report/goals.ts';
import type { BenchContext, Figure, Row, RowFindings } from '../row.ts';
import { round, stopAfter } from './support.ts';

export const recoveryRow: Row = {
  name: 'recovery',
  title: 'Recovery',
  method:
    'Processes are killed with SIGKILL, once each, and started again at once, on servers of their own that keep their data in ' +
    'files. Waiting posts move again when the last of their approvals, which people repeat until they are answered, has been ' +
    'answered. Lateness and outcomes of a lost sender are read from the sandbox’s ledger and the rows; another worker is alive then.',
  measure,
};

const sizes = {
  full: { waiting: 100, armed: 30, sending: 10, sleeping: 1_000 },
  quick: { waiting: 20, armed: 10, sending: 4, sleeping: 60 },
};
type Sizes = (typeof sizes)['full'];

/** As a lost sender is noticed, and as the sandbox's endpoints are set up. */
const [heartbeatMs, commitTimeoutMs, settleMs] = [3_000, 5_000, 2_000];
const dueAheadMs = 45_000;
/** In which a server notices that a connection is gone. */
const noticedMs = 200;
const concurrency = 20;

async function measure({ options, servers, report }: BenchContext): Promise<RowFindings> {
  const size = options.quick ? sizes.quick : sizes.full;
  const mortal = await startMortalServers(join(servers.folder, `mortal-${randomUUID()}`), servers.s3);
  return stopAfter([mortal], async () => {
    const product = await startProduct(
      { ...servers, superuserUrl: mortal.endpoints.superuserUrl },
      { temporal: { address: mortal.endpoints.temporalAddress, processId: servers.temporal.processId } },
    );
    return stopAfter([product], async () => {
      const gated = await createTenant(product, { profiles: 3 });
      const free = await createTenant(product, { profiles: size.armed, policy: noGates });
      const step = async <Value>(what: string, work: () => Promise<Value>): Promise<Value> => {
        report(`  ${what}`);
        return work();
      };
      const waiting = await step('a worker is killed while posts wait', () =>
        loseWorkerWaiting(product, gated, size),
      );
      const armed = await step('a worker is killed while posts are armed', () =>
        loseWorkerArmed(product, free, size),
      );
      const sending = await step('a worker is killed while posts are being sent', () =>
        loseWorkerSending(product, free, size),
      );
      const temporal = await step('Temporal is killed while posts wait', () =>
        loseTemporal(product, gated, size, mortal.temporal),
      );
      const postgres = await step('PostgreSQL is killed while posts are written', () =>
        losePostgres(product, gated, mortal.postgres),
      );
      return {
        figures: [
          figure(`worker killed, ${size.waiting} waiting posts move again`, 'ms', waiting.lastMs, 6_000),
          figure(
            `worker lost while ${size.armed} are armed, latest`,
            'ms',
            armed.latestMs,
            heartbeatMs + 1_000,
          ),
          figure(
            `worker lost while ${size.sending} are being sent, last outcome`,
            'ms',
            sending.lastMs,
            sendDeadlineMs + commitTimeoutMs + settleMs + 5_000,
          ),
          figure('twice in the ledger, or missing', 'posts', armed.wrong + sending.wrong, 0),
          figure(
            `Temporal killed, ${size.sleeping} waiting posts move again`,
            'ms',
            temporal.movingMs,
            20_000,
          ),
          figure('runs lost with Temporal', 'runs', temporal.lost, 0),
          figure('PostgreSQL killed, first write answered after it is back', 'ms', postgres.backMs, 5_000),
          figure('answered writes lost with PostgreSQL', 'writes', postgres.lost, 0),
        ],
        notes: [
          `Worker killed: half of the posts moved after ${round(waiting.medianMs)} ms, its successor was ready after ${round(waiting.readyMs)} ms`,
          `Lost while armed: ${armed.late} of ${size.armed} were more than 1 s late`,
          `Temporal: back after ${round(temporal.backMs)} ms; all of ${temporal.asked} approvals, spread over the posts, answered after ${round(temporal.movingMs)} ms`,
          `PostgreSQL: ready after ${round(postgres.readyMs)} ms; ${postgres.written} writes answered before, meanwhile and after; the slowest took ${round(postgres.slowestMs)} ms`,
        ],
        rounds: null,
      };
    });
  });
}

const figure = (label: string, unit: string, service: number, limit: number): Figure => ({
  ...{ label, unit, floor: null, service, ratio: null },
  goal: atMost(limit),
});

/** As a client does that was told to repeat: the same request until it is answered. */
async function persist(work: () => Promise<void>, withinMs = 90_000): Promise<void> {
  for (const deadline = performance.now() + withinMs; ; ) {
    try {
      return await work();
    } catch (error) {
      if (performance.now() > deadline) throw error;
      await sleep(50);
    }
  }
}

async function createMany(
  product: Product,
  tenant: BenchTenant,
  count: number,
  fields: object = {},
): Promise<CreatedPost[]> {
  const posts: CreatedPost[] = [];
  const created = await closedLoop({ count, concurrency }, async (index) => {
    posts.push(await createText(product, tenant, { index, fields }));
  });
  expectNoErrors('Creating posts', created);
  await until('every run has written its first projection', 120_000, async () => {
    const { rows } = await product.pool.query('select from posts where projection_epoch = 0 limit 1');
    return rows.length === 0;
  });
  return posts;
}

async function loseWorkerWaiting(product: Product, tenant: BenchTenant, { waiting }: Sizes) {
  const posts = await createMany(product, tenant, waiting);
  const killedAtMs = performance.now();
  await product.worker!.kill();
  // Tasks that the server was just handing to the dead one come back after ten seconds: none is asked for at that moment.
  await sleep(noticedMs);
  const started = product.startWorker().then(() => performance.now() - killedAtMs);
  const movedAfterMs = await Promise.all(
    posts.map(async (post) => {
      await persist(() => approve(product, tenant.reviewer, post, 'content'));
      return performance.now() - killedAtMs;
    }),
  );
  return {
    lastMs: Math.max(...movedAfterMs),
    medianMs: percentile(movedAfterMs, 0.5),
    readyMs: await started,
  };
}

const inState = async ({ pool }: Product, state: string, ids: readonly string[]): Promise<number> => {
  const { rows } = await pool.query<{ count: number }>(
    'select count(*)::int as count from publications where post_id = any($1) and state = $2',
    [ids, state],
  );
  return rows[0]!.count;
};

async function loseWorkerArmed(product: Product, tenant: BenchTenant, { armed }: Sizes) {
  const lost = product.worker!;
  const dueAtMs = Date.now() + dueAheadMs;
  const posts = await createMany(product, tenant, armed, { dueAt: new Date(dueAtMs).toISOString() });
  const ids = posts.map(({ id }) => id);
  await until('all are armed', dueAheadMs, async () => (await inState(product, 'ARMED', ids)) === armed);
  // Nothing is armed by the successor: all that it has to do is to notice.
  await product.startWorker();
  await sleep(Math.max(0, dueAtMs - 500 - Date.now()));
  await lost.kill();
  await until('all are published', 60_000, async () => (await inState(product, 'PUBLISHED', ids)) === armed);
  const arrivals = await arrivalsOf(product, ids);
  const lateMs = arrivals.map((atMs) => atMs - dueAtMs);
  return {
    latestMs: Math.max(...lateMs),
    late: lateMs.filter((late) => late > 1_000).length,
    wrong: Math.abs(arrivals.length - armed),
  };
}

async function loseWorkerSending(product: Product, tenant: BenchTenant, { sending }: Sizes) {
  const lost = product.worker!;
  const fault = { platform: 'linkedin', operation: 'linkedin.posts.create', kind: 'hang-after-accept' };
  for (let index = 0; index < sending; index += 1) await askSandbox(product.sandboxUrl, '/faults', fault);
  const dueAt = new Date(Date.now() + dueAheadMs).toISOString();
  const posts = await createMany(product, tenant, sending, { dueAt });
  const ids = posts.map(({ id }) => id);
  await until('all are armed', dueAheadMs, async () => (await inState(product, 'ARMED', ids)) === sending);
  await product.startWorker();
  await until(
    'all are being sent',
    60_000,
    async () => (await inState(product, 'SENDING', ids)) === sending,
    5,
  );
  const killedAtMs = performance.now();
  await lost.kill();
  await until('all have their outcome', 60_000, async () => {
    const { rows } = await product.pool.query<{ count: number }>(
      `select count(*)::int as count from posts where id = any($1) and status = 'PUBLISHED'`,
      [ids],
    );
    return rows[0]!.count === sending;
  });
  const lastMs = performance.now() - killedAtMs;
  return { lastMs, wrong: Math.abs((await arrivalsOf(product, ids)).length - sending) };
}

/** When the sandbox had the posts, by its ledger: each entry, also a second one. */
async function arrivalsOf({ pool, sandboxUrl }: Product, ids: readonly string[]): Promise<number[]> {
  const { rows } = await pool.query<{ copy: string }>('select copy from posts where id = any($1)', [ids]);
  const copies = new Set(rows.map(({ copy }) => copy));
  const entries = await readLedger(sandboxUrl);
  return entries.filter(({ text }) => copies.has(text)).map(({ receivedAt }) => Date.parse(receivedAt));
}

interface Server {
  readonly kill: () => Promise<void>;
  readonly start: () => Promise<void>;
}

async function loseTemporal(product: Product, tenant: BenchTenant, { sleeping }: Sizes, server: Server) {
  const posts = await createMany(product, tenant, sleeping);
  const before = await runningPosts(product, sleeping);
  const killedAtMs = performance.now();
  await server.kill();
  await server.start();
  const backMs = performance.now() - killedAtMs;
  const asked = posts.filter((_, index) => index % Math.ceil(sleeping / 50) === 0);
  await Promise.all(asked.map((post) => persist(() => approve(product, tenant.reviewer, post, 'content'))));
  const movingMs = performance.now() - killedAtMs;
  const after = await runningPosts(product, before);
  return { backMs, movingMs, asked: asked.length, lost: before - after };
}

/** Open runs of posts by Temporal's own count, which follows a little behind. */
async function runningPosts({ temporal }: Product, expected: number): Promise<number> {
  let count = 0;
  for (let left = 40; left > 0 && count < expected; left -= 1) {
    const query = `WorkflowType = 'postWorkflow' and ExecutionStatus = 'Running'`;
    ({ count } = await temporal.workflow.count(query).catch(() => ({ count: 0 })));
    if (count < expected) await sleep(250);
  }
  return count;
}

async function losePostgres(product: Product, tenant: BenchTenant, server: Server) {
  const answered: { id: string; atMs: number; tookMs: number }[] = [];
  let isOver = false;
  const write = async () => {
    while (!isOver) {
      const key = randomUUID();
      const body = {
        ...{ type: 'TEXT_ONLY', copy: `A draft ${key}`, submit: false },
        targets: [{ profileId: tenant.profileIds[0] }],
      };
      const beganAtMs = performance.now();
      await persist(async () => {
        const call = {
          method: 'POST',
          path: '/posts',
          token: tenant.author,
          body,
          key,
          expected: 201,
        } as const;
        const { id } = await product.caller.call(call);
        const atMs = performance.now();
        answered.push({ id, atMs, tookMs: atMs - beganAtMs });
      });
    }
  };
  const writers = Array.from({ length: 8 }, write);
  await sleep(2_000);
  const killedAtMs = performance.now();
  await server.kill();
  await server.start();
  const readyAtMs = performance.now();
  await until('somebody is answered again', 60_000, async () =>
    answered.some(({ atMs }) => atMs > readyAtMs),
  );
  await sleep(3_000);
  isOver = true;
  await Promise.all(writers);
  const { rows } = await product.pool.query<{ id: string }>('select id from posts where id = any($1)', [
    answered.map(({ id }) => id),
  ]);
  const first = Math.min(...answered.map(({ atMs }) => atMs).filter((atMs) => atMs > readyAtMs));
  return {
    readyMs: readyAtMs - killedAtMs,
    backMs: first - readyAtMs,
    written: answered.length,
    slowestMs: Math.max(...answered.map(({ tookMs }) => tookMs)),
    lost: new Set(answered.map(({ id }) => id)).size - rows.length,
  };
}
