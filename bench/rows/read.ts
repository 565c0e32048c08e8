import { setTimeout as sleep } from 'node:timers/promises';
import autocannon from 'autocannon';
import { closedLoop, expectNoErrors } from '../measure/load.ts';
import { compare, interleave, type Reading, serviceMedian } from '../measure/rounds.ts';
import { type ProcessGroups, type Seen, watch } from '../measure/watch.ts';
import { type FloorProcess, startFloorProcess } from '../product/floor.ts';
import { createFloorTable } from '../product/floor-table.ts';
import { issuer, type Product, startProduct } from '../product/product.ts';
import { type BenchTenant, createTenant, createText } from '../product/tenant.ts';
import { allOf, atLeast, atLeastOfFloor, atMost } from '../report/goals.ts';
import type { BenchContext, Row, RowFindings } from '../row.ts';
import {
  countRounds,
  cpuPerUnit,
  describeCpu,
  rawNumbers,
  reportRound,
  round,
  stopAfter,
} from './support.ts';

const postCount = 200;
/** As many as the interface has by default. */
const poolConnections = 10;

export const readRow: Row = {
  name: 'read',
  title: 'Reading a post',
  method:
    'Service: `GET /api/v1/posts/{id}` with a member’s token, over 200 posts, from autocannon with 50 and with 100 ' +
    'connections: token, member, post, revision, targets, decisions. Floors: Express, jose and pg with one row by its ' +
    'key, once under row-level security in four round trips, once without it; the same machine shares itself with the ' +
    'load generator.',
  measure,
};

interface Parts {
  readonly product: Product;
  readonly tenant: BenchTenant;
  readonly postIds: readonly string[];
  readonly floor: FloorProcess;
  readonly floorIds: readonly string[];
  readonly postgres: readonly number[];
  readonly seconds: number;
}

async function measure({ options, servers, report }: BenchContext): Promise<RowFindings> {
  const product = await startProduct(servers);
  return stopAfter([product], async () => {
    const tenant = await createTenant(product);
    const postIds = await createPosts(product, tenant);
    const floorTable = await createFloorTable(servers.superuserUrl, postCount);
    const floor = await startFloorProcess('read-server', {
      DATABASE_URL: floorTable.url,
      SECRET: product.jwtSecret,
      ISSUER: issuer.issuer,
      AUDIENCE: issuer.audience,
      TENANT: floorTable.tenantId,
      CONNECTIONS: String(poolConnections),
    });
    const postgres = [servers.postgresProcessId];
    const seconds = options.quick ? 2 : 4;
    const parts = { product, tenant, postIds, floor, floorIds: floorTable.ids, postgres, seconds };
    return stopAfter([floor], () => measureRounds(parts, options.rounds, report));
  });
}

async function measureRounds(
  parts: Parts,
  roundCount: number,
  report: (line: string) => void,
): Promise<RowFindings> {
  const seen: Seen[] = [];
  const served: number[] = [];
  await runFloor({ ...parts, seconds: 2 });
  await runService({ ...parts, seconds: 2 }, [], []);
  const rounds = await interleave({
    rounds: roundCount,
    compareBy: 'rate',
    floor: () => runFloor(parts),
    service: () => runService(parts, seen, served),
    report: reportRound(report, 'round', ['rate', 'cpuMs', 'plainRate']),
  });
  const only = (figure: string) => ({ floor: null, service: serviceMedian(rounds, figure), ratio: null });
  const atFifty = compare(rounds, 'rate');
  return {
    figures: [
      { label: 'CPU per read', unit: 'ms', ...compare(rounds, 'cpuMs'), goal: null },
      {
        label: 'rate, 50 connections, beside row-level security in four trips',
        unit: 'reads/s',
        ...atFifty,
        goal: allOf(atLeastOfFloor(1.15), atLeast(2_200)),
      },
      {
        label: 'rate, 50 connections, beside no tenant at all',
        unit: 'reads/s',
        ...compare(rounds, 'rate', 'plainRate'),
        goal: null,
      },
      { label: 'p99, 50 connections', unit: 'ms', ...compare(rounds, 'p99Ms'), goal: null },
      { label: 'rate, 100 connections', unit: 'reads/s', ...only('rateAt100'), goal: atLeast(2_200) },
      { label: 'mean, 100 connections', unit: 'ms', ...only('meanAt100'), goal: atMost(45) },
      { label: 'p99, 100 connections', unit: 'ms', ...only('p99At100'), goal: atMost(80) },
    ],
    notes: [
      `CPU of the service per read by process, in ms: ${describeCpu(seen, served.reduce((a, b) => a + b, 0) / served.length)}`,
      rawNumbers('Reads/s at 50 connections', rounds, 'rate'),
      `Floor without a tenant, reads/s: ${rounds.map(({ floorBefore }) => round(floorBefore.figures.plainRate!)).join(', ')}`,
      'Errors: 0.',
    ],
    rounds: countRounds(rounds),
  };
}

async function createPosts(product: Product, tenant: BenchTenant): Promise<string[]> {
  const ids: string[] = [];
  const created = await closedLoop({ count: postCount, concurrency: 20 }, async (index) => {
    ids.push((await createText(product, tenant, { index })).id);
  });
  expectNoErrors('Creating posts', created);
  return ids;
}

interface Target {
  readonly url: string;
  readonly token: string;
  readonly paths: readonly string[];
  readonly connections: number;
  readonly seconds: number;
}

/** Loads an address as fast as it answers; any answer but 200 throws. */
async function load({ url, token, paths, connections, seconds }: Target): Promise<autocannon.Result> {
  const headers = { authorization: `Bearer ${token}` };
  const requests = paths.map((path) => ({ method: 'GET' as const, path, headers }));
  const result = await autocannon({ url, connections, duration: seconds, requests });
  const failed = result.errors + result.timeouts + result.non2xx;
  if (failed > 0) throw new Error(`${failed} of the reads at ${url} failed`);
  return result;
}

async function loadWatched(groups: ProcessGroups, target: Target) {
  await load({ ...target, seconds: 1 });
  await sleep(200);
  const { value, seen } = await watch(groups, () => load(target));
  return { result: value, seen };
}

async function runFloor({ floor, floorIds, tenant, postgres, seconds }: Parts): Promise<Reading> {
  const url = `http://127.0.0.1:${(floor.greeting as { ready: number }).ready}`;
  const groups = { server: [floor.processId], postgres };
  const target = { url, token: tenant.reviewer, connections: 50, seconds };
  const scoped = await loadWatched(groups, { ...target, paths: floorIds.map((id) => `/scoped/${id}`) });
  const plain = await loadWatched(groups, { ...target, paths: floorIds.map((id) => `/plain/${id}`) });
  return {
    figures: {
      rate: scoped.result.requests.average,
      cpuMs: cpuPerUnit(scoped.seen, scoped.result.requests.total),
      p99Ms: scoped.result.latency.p99,
      plainRate: plain.result.requests.average,
    },
    noise: scoped.seen.noise,
  };
}

async function runService(parts: Parts, allSeen: Seen[], served: number[]): Promise<Reading> {
  const { product, tenant, postIds, seconds } = parts;
  const paths = postIds.map((id) => `/api/v1/posts/${id}`);
  const { origin } = new URL(product.caller.url);
  const target = { url: origin, token: tenant.reviewer, paths, seconds };
  const groups = { api: product.processes.api, postgres: product.processes.postgres };
  const fifty = await loadWatched(groups, { ...target, connections: 50 });
  const hundred = await loadWatched(groups, { ...target, connections: 100 });
  allSeen.push(fifty.seen);
  served.push(fifty.result.requests.total);
  return {
    figures: {
      rate: fifty.result.requests.average,
      cpuMs: cpuPerUnit(fifty.seen, fifty.result.requests.total),
      p99Ms: fifty.result.latency.p99,
      rateAt100: hundred.result.requests.average,
      meanAt100: hundred.result.latency.average,
      p99At100: hundred.result.latency.p99,
    },
    noise: fifty.seen.noise,
  };
}
