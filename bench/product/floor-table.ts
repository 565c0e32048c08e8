import { randomUUID } from 'node:crypto';
import pg from 'pg';

/** A table of the floor's own, with rows about as long as a post's, and a role that row-level security holds for. */
export async function createFloorTable(superuserUrl: string, count: number) {
  const admin = new pg.Client({ connectionString: superuserUrl });
  const database = `floor_${randomUUID().replaceAll('-', '')}`;
  await admin.connect();
  await admin.query(`create database ${database}`);
  await admin.end();
  const url = new URL(superuserUrl);
  url.pathname = `/${database}`;
  const client = new pg.Client({ connectionString: url.href });
  await client.connect();
  const tenantId = randomUUID();
  await client.query(`
    do $$ begin create role floor_reader nologin; exception when duplicate_object then null; end $$;
    create table floor_posts (id uuid primary key, tenant_id uuid not null, status text not null, copy text not null,
      gates jsonb not null, created_at timestamptz not null default now());
    alter table floor_posts enable row level security;
    create policy tenant on floor_posts to floor_reader
      using (tenant_id = (select current_setting('floor.tenant')::uuid));
    grant select on floor_posts to floor_reader`);
  const { rows } = await client.query<{ id: string }>(
    `insert into floor_posts (id, tenant_id, status, copy, gates)
     select gen_random_uuid(), $1, 'IN_REVIEW', repeat('We open on Saturday. ', 6),
       '{"content": {"status": "pending", "round": 1, "votes": []}, "publish": {"status": "pending", "round": 1}}'
     from generate_series(1, $2::int) returning id`,
    [tenantId, count],
  );
  await client.query('analyze');
  await client.end();
  return { url: url.href, tenantId, ids: rows.map((row) => row.id) };
}
