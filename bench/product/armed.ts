import { randomUUID } from 'node:crypto';
import type pg from 'pg';
import { seeded } from './claim.ts';

/** A tenant with armed publications, written past the product: what a claim finds. */
export interface ArmedPublications {
  readonly tenantId: string;
  readonly ids: readonly string[];
}

/** Writes as many posts, each armed for an instant that has come, with all the rows a claim looks at or refers to. */
export async function seedArmed(pool: pg.Pool, tenantId: string, count: number): Promise<ArmedPublications> {
  const client = await pool.connect();
  try {
    await client.query(`set app.tenant = '${tenantId}'`);
    const memberId = randomUUID();
    const { profileId } = await seedProfile(client, tenantId);
    const { rows } = await client.query<{ id: string }>(
      `with seeds as (
        select gen_random_uuid() as post_id, gen_random_uuid() as revision_id, gen_random_uuid() as target_id,
          gen_random_uuid() as id
        from generate_series(1, $4::int)
      ), new_posts as (
        insert into posts (tenant_id, id, type, revision_id, revision_number, copy, created_by, status, submitted_at)
        select $1::uuid, post_id, 'TEXT_ONLY', revision_id, 1, 'Copy', $2::uuid, 'PUBLISHING', clock_timestamp()
        from seeds
      ), new_revisions as (
        insert into revisions (tenant_id, id, post_id, number, content, content_hash, design_hash, publish_hash, authors,
          created_by)
        select $1, revision_id, post_id, 1, '{"copy":"Copy"}', 'c', 'd', $5::text, '{}', $2 from seeds
      ), new_targets as (
        insert into targets (tenant_id, id, post_id, profile_id, position, phase)
        select $1, target_id, post_id, $3::uuid, 0, 'ARMING' from seeds
      )
      insert into publications (tenant_id, id, post_id, revision_id, target_id, cycle, state, fence, holder,
        approved_hash, due_at, send_at, profile_id, platform, policy_version)
      select $1, id, post_id, revision_id, target_id, 1, 'ARMED', $6::int, 'bench', $5, $7::timestamptz, $7, $3,
        'linkedin', (select policies_version from tenants where id = $1) from seeds
      returning id`,
      [tenantId, memberId, profileId, count, seeded.approvedHash, seeded.fence, seeded.dueAt],
    );
    // What autovacuum does within a minute; until then every plan would be one for an empty table.
    await client.query('analyze');
    return { tenantId, ids: rows.map((row) => row.id) };
  } finally {
    await client.query('reset app.tenant');
    client.release();
  }
}

async function seedProfile(client: pg.PoolClient, tenantId: string): Promise<{ profileId: string }> {
  const [profileId, grantId] = [randomUUID(), randomUUID()];
  await client.query('insert into tenants (id, name) values ($1, $2) on conflict do nothing', [
    tenantId,
    'Bench',
  ]);
  await client.query(
    `insert into grants (tenant_id, id, platform, access_token) values ($1, $2, 'linkedin', 'sealed')`,
    [tenantId, grantId],
  );
  await client.query(
    `insert into profiles (tenant_id, id, grant_id, platform, account_kind, external_id, name)
     values ($1, $2, $3, 'linkedin', 'organization', $4, 'Bench')`,
    [tenantId, profileId, grantId, `urn:li:organization:${profileId}`],
  );
  return { profileId };
}
