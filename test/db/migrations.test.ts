import { randomUUID } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { Kysely, Migrator, PostgresDialect, sql } from 'kysely';
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

  await expectNoViolation(url);
});

async function expectNoViolation(url: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await client.query('begin');
    expect(await runChecks(client)).toEqual({});
  } finally {
    await client.end();
  }
}

test('gives rows from before holds and rates what they would have been armed with', async () => {
  const name = `migrated_${randomUUID().replaceAll('-', '')}`;
  const urls = await bootstrapDatabase({
    superuserUrl: superuserUrl(),
    database: name,
    passwords: testPasswords,
  });
  const url = addressOf(superuserUrl(), { database: name });
  try {
    await migrateFirst(urls.gatepost_migrator);
    const [tenant, grant, post, revision, own] = Array.from({ length: 5 }, () => randomUUID());
    const profiles = { linkedin: randomUUID(), instagram: randomUUID() };
    await query(
      url,
      `insert into tenants (id, name) values ('${tenant}', 'Old');
       insert into grants (tenant_id, id, platform, access_token) values ('${tenant}', '${grant}', 'linkedin', 'x');
       insert into posts (tenant_id, id, type, revision_id, revision_number, copy, created_by)
         values ('${tenant}', '${post}', 'TEXT_ONLY', '${revision}', 1, '', '${own}');
       insert into revisions (tenant_id, id, post_id, number, content, content_hash, design_hash, publish_hash, authors,
         created_by) values ('${tenant}', '${revision}', '${post}', 1, '{}', 'c', 'd', 'p', '{}', '${own}')`,
    );
    for (const [platform, profile] of Object.entries(profiles))
      await query(
        url,
        `insert into profiles (tenant_id, id, grant_id, platform, account_kind, external_id, name)
           values ('${tenant}', '${profile}', '${grant}', '${platform}', 'organization', '${profile}', 'Old');
         insert into targets (tenant_id, id, post_id, profile_id, position)
           values ('${tenant}', '${profile}', '${post}', '${profile}', 0);
         insert into publications (tenant_id, id, post_id, revision_id, target_id, cycle, state, fence, approved_hash, due_at)
           values ('${tenant}', '${profile}', '${post}', '${revision}', '${profile}', 1, 'ARMED', 1, 'p', '2026-05-04T09:00Z')`,
      );
    await migrateToLatest(urls.gatepost_migrator);
    const rows = await query(
      url,
      `select p.platform, p.profile_id, p.send_at = p.due_at as "isOnTime", p.policy_version, t.policies_version
       from publications p join tenants t on t.id = p.tenant_id order by platform desc`,
    );
    const expected = { isOnTime: true, policy_version: 1, policies_version: 1 };
    expect(rows).toEqual([
      { platform: 'linkedin', profile_id: profiles.linkedin, ...expected },
      { platform: 'instagram', profile_id: profiles.instagram, ...expected },
    ]);
    await expectNoViolation(url);
  } finally {
    await query(superuserUrl(), `drop database if exists ${name} with (force)`);
  }
});

/** The schema as it was first released. */
async function migrateFirst(migratorUrl: string): Promise<void> {
  const name = '000001_tenants_and_posts';
  const text = await readFile(`db/migrations/${name}.sql`, 'utf8');
  const pool = new pg.Pool({ connectionString: migratorUrl, max: 1, options: '-c row_security=off' });
  const database = new Kysely<unknown>({ dialect: new PostgresDialect({ pool }) });
  const up = async (run: Kysely<unknown>) => void (await sql.raw(text).execute(run));
  const provider = { getMigrations: async () => ({ [name]: { up } }) };
  try {
    const { error } = await new Migrator({ db: database, provider }).migrateToLatest();
    if (error) throw error;
  } finally {
    await database.destroy();
  }
}

test('lets no login role change the schema', async () => {
  const { gatepost_api: apiUrl, gatepost_worker: workerUrl } = await bootstrap();
  for (const url of [apiUrl, workerUrl])
    for (const statement of ['create table mine (id int)', 'alter table posts disable row level security'])
      await expect(query(url, statement)).rejects.toMatchObject({ code: '42501' });
});
