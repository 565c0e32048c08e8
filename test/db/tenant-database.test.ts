import { randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import type pg from 'pg';
import { openPool, systemDatabase } from '../../db/pool.ts';
import { forTenant, inTransaction } from '../../db/tenant-database.ts';
import { startTestDatabase, type TestDatabase } from '../support/database.ts';

let database: TestDatabase;
let pool: pg.Pool;
const [alpha, beta] = [randomUUID(), randomUUID()];

beforeAll(async () => {
  database = await startTestDatabase();
  pool = openPool({
    connectionString: database.apiUrl,
    max: 5,
    applicationName: 'test',
    onIdleError: () => {},
  });
  for (const id of [alpha, beta])
    await systemDatabase(pool).insertInto('tenants').values({ id, name: id }).execute();
  for (const id of [alpha, beta]) {
    await forTenant(pool, id)
      .insertInto('members')
      .values({
        id: randomUUID(),
        subject: id,
        name: 'Member',
        role: 'viewer',
        email: null,
        profile_ids: null,
      })
      .execute();
  }
});

afterAll(async () => {
  await pool.end();
  await database.drop();
});

const subjects = async (tenantId: string) =>
  (await forTenant(pool, tenantId).selectFrom('members').select('subject').execute()).map(
    (row) => row.subject,
  );

test("shows a tenant its own rows and nobody else's", async () => {
  expect(await subjects(alpha)).toEqual([alpha]);
  expect(await subjects(beta)).toEqual([beta]);
  expect(await subjects(randomUUID())).toEqual([]);
});

test('shows nothing on a connection without a tenant, also after one that had a tenant', async () => {
  await subjects(alpha);
  const { rows } = await pool.query('select count(*) as members from members');
  expect(rows).toEqual([{ members: 0 }]);
});

test('refuses a write into another tenant, and the connection stays usable', async () => {
  const foreign = forTenant(pool, beta)
    .insertInto('members')
    .values({ tenant_id: alpha, id: randomUUID(), subject: 'x', name: 'x', role: 'viewer' } as never)
    .execute();
  await expect(foreign).rejects.toThrow('row-level security');
  expect(await subjects(beta)).toEqual([beta]);
});

test('keeps the tenant for the whole of a transaction and rolls back on an error', async () => {
  const seen = await inTransaction(forTenant(pool, alpha), async (transaction) => {
    await sql`update members set name = 'Changed'`.execute(transaction);
    return transaction.selectFrom('members').select(['subject', 'name']).execute();
  });
  expect(seen).toEqual([{ subject: alpha, name: 'Changed' }]);
  const failing = inTransaction(forTenant(pool, beta), async (transaction) => {
    await sql`update members set name = 'Lost'`.execute(transaction);
    throw new Error('undo');
  });
  await expect(failing).rejects.toThrow('undo');
  const [row] = await forTenant(pool, beta).selectFrom('members').select('name').execute();
  expect(row?.name).toBe('Member');
});

test('never mixes tenants in 10,000 requests over five connections, mixed with errors', async () => {
  const one = async (index: number) => {
    const tenantId = index % 2 ? alpha : beta;
    if (index % 17 === 0)
      await expect(sql`select 1/0`.execute(forTenant(pool, tenantId))).rejects.toThrow('division by zero');
    const found = await subjects(tenantId);
    if (found.length !== 1 || found[0] !== tenantId) throw new Error(`request ${index} saw ${found}`);
  };
  // Five for each connection: all of them are always in use, and nobody waits for one as long as a pool lets them.
  for (let start = 0; start < 10_000; start += 25)
    await Promise.all(Array.from({ length: 25 }, (_, offset) => one(start + offset)));
});

test('refuses a tenant id that is not a UUID before anything is sent', () => {
  expect(() => forTenant(pool, "x'; drop table posts")).toThrow('A tenant id is a UUID');
});
