import { randomUUID } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import pg from 'pg';
import { addressOf, bootstrapDatabase } from '../../db/bootstrap.ts';
import { migrateToLatest } from '../../db/migrate.ts';
import { testEndpoints } from '../support/endpoints.ts';
import { testPasswords } from '../support/servers.ts';
import { runChecks } from './catalogue.ts';

const database = `migrated_${randomUUID().replaceAll('-', '')}`;
const superuserUrl = () => testEndpoints().superuserUrl;
const bootstrap = () =>
  bootstrapDatabase({ superuserUrl: superuserUrl(), database, passwords: testPasswords });

async function query(url: string, text: string): Promise<pg.QueryResultRow[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query(text)).rows;
  } finally {
    await client.end();
  }
}

afterAll(() => query(superuserUrl(), `drop database if exists ${database} with (force)`));

test('brings a database from nothing to the newest schema; again, and by two at once, changes nothing', async () => {
  const files = (await readdir('db/migrations')).map((file) => file.replace(/\.sql$/, '')).sort();
  const { gatepost_migrator: migratorUrl } = await bootstrap();
  const applied = await Promise.all([migrateToLatest(migratorUrl), migrateToLatest(migratorUrl)]);
  expect(applied.flat().sort()).toEqual(files);

  const url = addressOf(superuserUrl(), { database });
  const catalogue = () =>
    query(
      url,
      `select c.relname, c.relkind, c.relacl::text, a.attname, a.atttypid::regtype::text
       from pg_class c join pg_attribute a on a.attrelid = c.oid
       where c.relnamespace = 'public'::regnamespace and a.attnum > 0 order by 1, a.attnum`,
    );
  const before = await catalogue();
  expect(before.length).toBeGreaterThan(100);
  expect(await migrateToLatest(migratorUrl)).toEqual([]);
  await bootstrap();
  expect(await catalogue()).toEqual(before);
  expect(await query(url, 'select name from kysely_migration order by name')).toEqual(
    files.map((name) => ({ name })),
  );

  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await client.query('begin');
    expect(await runChecks(client)).toEqual({});
  } finally {
    await client.end();
  }
});

test('lets no login role change the schema', async () => {
  const { gatepost_api: apiUrl, gatepost_worker: workerUrl } = await bootstrap();
  for (const url of [apiUrl, workerUrl])
    for (const statement of ['create table mine (id int)', 'alter table posts disable row level security'])
      await expect(query(url, statement)).rejects.toMatchObject({ code: '42501' });
});
