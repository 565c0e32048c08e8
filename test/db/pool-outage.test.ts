import { randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import type pg from 'pg';
import { openPool } from '../../db/pool.ts';
import { forTenant, inTransaction } from '../../db/tenant-database.ts';
import { type Fixture, insertTenant, startFixture } from './fixture.ts';

let fixture: Fixture;
let pool: pg.Pool;
let idleErrors: string[];
let other: string;

beforeAll(async () => {
  fixture = await startFixture();
  other = (await insertTenant(fixture.apiPool)).tenantId;
});
afterAll(() => fixture.stop());
beforeEach(() => {
  idleErrors = [];
  pool = openPool({
    connectionString: fixture.database.apiUrl,
    max: 2,
    applicationName: 'outage',
    onIdleError: (error) => idleErrors.push(error.message),
  });
});
afterEach(() => pool.end());

/** Ends every backend of the pool, as a restart of the server does. */
async function killBackends(): Promise<number> {
  const { rows } = await fixture.superuser.query(
    `select pg_terminate_backend(pid, 5000) as ended from pg_stat_activity
     where application_name = 'outage' and datname = current_database()`,
  );
  return rows.filter((row) => row.ended).length;
}

/** The tenants whose members each tenant sees: only its own, also on connections that others have used. */
async function expectTenantsApart(): Promise<void> {
  const visible = async (tenantId: string) => {
    const rows = await forTenant(pool, tenantId).selectFrom('members').select('tenant_id').execute();
    return rows.map((row) => row.tenant_id);
  };
  const tenants = [fixture.tenantId, other, fixture.tenantId, other, randomUUID()];
  const seen = await Promise.all(tenants.map(visible));
  expect(seen).toEqual([[fixture.tenantId], [other], [fixture.tenantId], [other], []]);
  const { rows } = await pool.query('select count(*)::int as members from members');
  expect(rows).toEqual([{ members: 0 }]);
}

const eventually = async (holds: () => boolean | Promise<boolean>) => {
  for (let left = 100; !(await holds()) && left > 0; left -= 1)
    await new Promise((resolve) => setTimeout(resolve, 20));
};

/** Until the server is at a query of the pool: a backend that is still starting fails its client in another way. */
const untilAsleep = () =>
  eventually(async () => {
    const { rows } = await fixture.superuser.query(
      `select from pg_stat_activity
       where application_name = 'outage' and datname = current_database() and wait_event = 'PgSleep'`,
    );
    return rows.length === 1;
  });

test('replaces idle connections that were ended, and tells of each', async () => {
  await expectTenantsApart();
  expect(await killBackends()).toBe(2);
  await eventually(() => idleErrors.length === 2);
  expect(idleErrors).toHaveLength(2);
  await expectTenantsApart();
});

test('fails a query whose connection is ended under it, and serves the next', async () => {
  const slow = sql`select pg_sleep(8)`.execute(forTenant(pool, fixture.tenantId));
  const outcome = expect(slow).rejects.toThrow('terminating connection');
  await untilAsleep();
  expect(await killBackends()).toBe(1);
  await outcome;
  await expectTenantsApart();
});

test('does not lend out again what was ended under a query, also before the end of it is known', async () => {
  const slow = sql`select pg_sleep(8)`.execute(forTenant(pool, fixture.tenantId));
  // Asked at the very moment the failure is told, when the socket has not been closed yet.
  const next = slow.catch(() => sql`select 1`.execute(forTenant(pool, other)));
  await untilAsleep();
  expect(await killBackends()).toBe(1);
  expect((await next).rows).toEqual([{ '?column?': 1 }]);
  await expectTenantsApart();
});

test('does not lend out again what did not answer in time', async () => {
  // Twelve seconds otherwise.
  Object.assign(pool.options, { query_timeout: 800 });
  const silent = sql`select pg_sleep(8)`.execute(forTenant(pool, fixture.tenantId));
  await expect(silent).rejects.toThrow('Query read timeout');
  await expectTenantsApart();
  const unspoken = inTransaction(forTenant(pool, fixture.tenantId), (transaction) =>
    sql`select pg_sleep(8)`.execute(transaction),
  );
  await expect(unspoken).rejects.toThrow('Query read timeout');
  await expectTenantsApart();
});

test('fails a transaction whose connection is ended between its statements, and keeps nothing of it', async () => {
  const broken = inTransaction(forTenant(pool, fixture.tenantId), async (transaction) => {
    await sql`update members set name = 'Lost'`.execute(transaction);
    expect(await killBackends()).toBe(1);
    // The news arrives while nothing is being asked: nobody but the connection itself can take it.
    await new Promise((resolve) => setTimeout(resolve, 200));
    await sql`select 1`.execute(transaction);
  });
  await expect(broken).rejects.toThrow(/terminat|not queryable/);
  const rows = await forTenant(pool, fixture.tenantId).selectFrom('members').select('name').execute();
  expect(rows).toEqual([{ name: 'Ada' }]);
  await expectTenantsApart();
});

test('serves 200 requests of two tenants while connections are ended again and again', async () => {
  let failures = 0;
  const request = async (index: number) => {
    const tenantId = index % 2 ? fixture.tenantId : other;
    const rows = await forTenant(pool, tenantId)
      .selectFrom('members')
      .select('tenant_id')
      .execute()
      .catch(() => {
        failures += 1;
        return [{ tenant_id: tenantId }];
      });
    expect(rows).toEqual([{ tenant_id: tenantId }]);
  };
  for (let round = 0; round < 10; round += 1) {
    const requests = Array.from({ length: 20 }, (_, index) => request(index));
    await killBackends();
    await Promise.all(requests);
  }
  expect(failures).toBeLessThan(100);
  await expectTenantsApart();
});
