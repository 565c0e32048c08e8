import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { openPool } from '../../db/pool.ts';
import { forTenant, type TenantDatabase } from '../../db/tenant-database.ts';
import { closedLoop, expectNoErrors } from '../measure/load.ts';
import { compare, interleave, type Reading } from '../measure/rounds.ts';
import { latencyFigures } from '../measure/statistics.ts';
import { watch } from '../measure/watch.ts';
import { seedArmed } from '../product/armed.ts';
import { claim } from '../product/claim.ts';
import { createDatabase } from '../product/database.ts';
import { atLeastOfFloor, atMost } from '../report/goals.ts';
import type { BenchContext, Row, RowFindings } from '../row.ts';
import { contend } from './contend.ts';
import { countRounds, cpuPerUnitWithOwn, rawNumbers, reportRound } from './support.ts';

const connections = 8;

export const claimRow: Row = {
  name: 'claim',
  title: 'Claiming the right to send',
  method:
    'Service: `releasePublication` of `db/publications.ts` over 8 connections from one process, each claim of another ' +
    'armed row, each commit on the disk. Floor: the very statement it sends, prepared once and sent by `pg` alone, without ' +
    'row-level security. Beside it, 16 processes claim the same rows at the same time and are killed at random; the ' +
    'wins they noted are counted per row.',
  measure,
};

interface Parts {
  readonly service: TenantDatabase;
  readonly bare: pg.Pool;
  readonly statement: Statement;
  readonly postgres: readonly number[];
}

async function measure({ options, servers, report }: BenchContext): Promise<RowFindings> {
  const count = options.quick ? 3_000 : 10_000;
  const urls = await createDatabase(servers, `claim_${randomUUID().replaceAll('-', '')}`);
  const tenantId = randomUUID();
  const superuser = new pg.Pool({ connectionString: urls.superuser, max: 2 });
  const pool = openPool({
    connectionString: urls.worker,
    max: connections,
    applicationName: 'bench',
    onIdleError() {},
  });
  const bare = new pg.Pool({
    connectionString: urls.superuser,
    max: connections,
    // Without row-level security the planner lacks the tenant that leads it to the index: the floor is told.
    options: `-c app.tenant=${tenantId} -c enable_seqscan=off -c enable_hashjoin=off -c enable_mergejoin=off`,
  });
  for (const one of [superuser, bare]) one.on('error', () => {});
  const service = forTenant(pool, tenantId);
  try {
    const seed = async (rows: number) => (await seedArmed(superuser, tenantId, rows)).ids;
    // A table with a past: over an almost empty one, reading all of it is the better plan.
    await seed(options.quick ? 10_000 : 30_000);
    await superuser.query(`update publications set state = 'PUBLISHED'`);
    const statement = await captureClaim(pool, service, (await seed(1))[0]!);
    const parts = { service, bare, statement, postgres: [servers.postgresProcessId] };
    await runFloor(parts, await seed(1_000));
    await runService(parts, await seed(1_000));
    const rounds = await interleave({
      rounds: options.rounds,
      compareBy: 'rate',
      floor: async () => runFloor(parts, await seed(count)),
      service: async () => runService(parts, await seed(count)),
      report: reportRound(report, 'round', ['rate', 'cpuMs', 'p99Ms']),
    });
    const contention = await contend({
      superuser,
      urls,
      tenantId,
      ids: await seed(options.quick ? 5_000 : 100_000),
      report,
    });
    return {
      figures: [
        { label: 'CPU per claim', unit: 'ms', ...compare(rounds, 'cpuMs'), goal: null },
        { label: 'rate', unit: 'claims/s', ...compare(rounds, 'rate'), goal: atLeastOfFloor(0.7) },
        { label: 'p99', unit: 'ms', ...compare(rounds, 'p99Ms'), goal: null },
        {
          label: `rows claimed twice, of ${contention.rows.toLocaleString('en')}`,
          unit: 'rows',
          ...{ floor: null, service: contention.claimedTwice, ratio: null },
          goal: atMost(0),
        },
      ],
      notes: [
        rawNumbers('Claims/s', rounds, 'rate'),
        rawNumbers('CPU per claim (ms)', rounds, 'cpuMs'),
        `${contention.claimers} claimers, ${contention.kills} kills, seed ${contention.seed}: ${contention.noted} wins ` +
          `noted, ${contention.sending} rows claimed, ${contention.left} left armed`,
      ],
      rounds: countRounds(rounds),
    };
  } finally {
    await Promise.all([superuser.end(), pool.end(), bare.end()]);
  }
}

/** What a claim sends, and its values for another publication. */
interface Statement {
  readonly text: string;
  readonly valuesFor: (id: string) => unknown[];
}

/** Reads the statement off the wire, so that the floor follows whatever the product's claim becomes. */
async function captureClaim(pool: pg.Pool, service: TenantDatabase, id: string): Promise<Statement> {
  const sent: { text: string; values: readonly unknown[] }[] = [];
  const listen = (client: pg.PoolClient) => {
    const query = client.query as (...parameters: unknown[]) => unknown;
    client.query = ((...parameters: unknown[]) => {
      const [first] = parameters as [{ text?: string; values?: readonly unknown[] }];
      if (first.text && first.values) sent.push({ text: first.text, values: first.values });
      return query.apply(client, parameters);
    }) as typeof client.query;
  };
  pool.on('connect', listen);
  if (!(await claim(service, id))) throw new Error('The seeded publication could not be claimed');
  pool.off('connect', listen);
  const claims = sent.filter(({ values }) => values.some((value) => String(value).includes(id)));
  const [only] = claims;
  if (!only || claims.length > 1) throw new Error(`A claim is no longer one statement but ${claims.length}`);
  const { text, values } = only;
  // The id may be a value or part of one.
  const replace = (value: unknown, other: string) =>
    typeof value === 'string' ? value.replaceAll(id, other) : value;
  return { text, valuesFor: (other) => values.map((value) => replace(value, other)) };
}

async function runFloor({ bare, statement, postgres }: Parts, ids: readonly string[]): Promise<Reading> {
  return run(postgres, ids, async (id) => {
    const { rowCount } = await bare.query({
      name: 'claim',
      text: statement.text,
      values: statement.valuesFor(id),
    });
    if (rowCount !== 1) throw new Error(`The bare claim of ${id} found nothing`);
  });
}

async function runService({ service, postgres }: Parts, ids: readonly string[]): Promise<Reading> {
  return run(postgres, ids, async (id) => {
    if (!(await claim(service, id))) throw new Error(`Nobody else wanted ${id}, and it was not won`);
  });
}

async function run(
  postgres: readonly number[],
  ids: readonly string[],
  claimOne: (id: string) => Promise<void>,
): Promise<Reading> {
  const { value, seen } = await watch({ postgres }, () =>
    closedLoop({ count: ids.length, concurrency: connections }, (index) => claimOne(ids[index]!)),
  );
  expectNoErrors('Claims', value);
  const figures = {
    rate: (ids.length * 1000) / value.elapsedMs,
    cpuMs: cpuPerUnitWithOwn(seen, ids.length),
    ...latencyFigures(value.latenciesMs),
  };
  return { figures, noise: seen.noise };
}
