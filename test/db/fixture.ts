import { randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import pg from 'pg';
import { openPool, systemDatabase } from '../../db/pool.ts';
import type { ArmInput, ReleaseInput } from '../../db/publications.ts';
import { forTenant, type TenantDatabase } from '../../db/tenant-database.ts';
import type { Platform } from '../../domain/post.ts';
import type { PublicationState } from '../../domain/publication.ts';
import { startTestDatabase, type TestDatabase } from '../support/database.ts';

/** A migrated database with one tenant, seen as the API, the worker and a superuser see it. */
export interface Fixture {
  readonly database: TestDatabase;
  readonly tenantId: string;
  readonly memberId: string;
  readonly profileId: string;
  readonly apiPool: pg.Pool;
  readonly workerPool: pg.Pool;
  readonly api: TenantDatabase;
  readonly worker: TenantDatabase;
  /** Bypasses row-level security: to seed in bulk and to look at everything. */
  readonly superuser: pg.Client;
  readonly stop: () => Promise<void>;
}

export async function startFixture(): Promise<Fixture> {
  const database = await startTestDatabase();
  const apiPool = poolFor(database.apiUrl);
  const workerPool = poolFor(database.workerUrl);
  const superuser = new pg.Client({ connectionString: database.superuserUrl, statement_timeout: 30_000 });
  await superuser.connect();
  const tenant = await insertTenant(apiPool);
  return {
    ...{ database, apiPool, workerPool, superuser, ...tenant },
    api: forTenant(apiPool, tenant.tenantId),
    worker: forTenant(workerPool, tenant.tenantId),
    async stop() {
      await superuser.end();
      await apiPool.end();
      await workerPool.end();
      await database.drop();
    },
  };
}

export const poolFor = (connectionString: string, max = 5): pg.Pool =>
  openPool({ connectionString, max, applicationName: 'test', onIdleError: () => {} });

/** A tenant with a member and a connected profile. */
export async function insertTenant(
  apiPool: pg.Pool,
): Promise<{ tenantId: string; memberId: string; profileId: string }> {
  const [tenantId, memberId, profileId, grantId] = Array.from({ length: 4 }, () => randomUUID());
  await systemDatabase(apiPool).insertInto('tenants').values({ id: tenantId!, name: 'Test' }).execute();
  const tenant = forTenant(apiPool, tenantId!);
  await tenant
    .insertInto('members')
    .values({ id: memberId!, subject: 'ada', name: 'Ada', role: 'content_manager' } as never)
    .execute();
  await tenant
    .insertInto('grants')
    .values({ id: grantId!, platform: 'linkedin', access_token: Buffer.from('sealed') } as never)
    .execute();
  await tenant
    .insertInto('profiles')
    .values({
      ...{ id: profileId!, grant_id: grantId!, platform: 'linkedin', account_kind: 'organization' },
      ...{ external_id: 'urn:li:organization:1', name: 'Acme' },
    })
    .execute();
  return { tenantId: tenantId!, memberId: memberId!, profileId: profileId! };
}

/** Another profile of the tenant; its posts are seeded with `{ ...fixture, profileId }`. */
export async function insertProfile(
  { api }: Pick<Fixture, 'api'>,
  platform: Platform = 'linkedin',
): Promise<string> {
  const id = randomUUID();
  const { id: grantId } = await api.selectFrom('grants').select('id').limit(1).executeTakeFirstOrThrow();
  await api
    .insertInto('profiles')
    .values({
      ...{ id, grant_id: grantId, platform, external_id: id, name: platform },
      account_kind: platform === 'instagram' ? 'business' : 'organization',
    })
    .execute();
  return id;
}

export interface SeededPost {
  readonly postId: string;
  readonly revisionId: string;
  readonly targetId: string;
}

/** Submitted posts with a revision and one target each, written in bulk. */
export async function insertPosts(
  {
    superuser,
    tenantId,
    memberId,
    profileId,
  }: Pick<Fixture, 'superuser' | 'tenantId' | 'memberId' | 'profileId'>,
  count: number,
): Promise<SeededPost[]> {
  const { rows } = await superuser.query<SeededPost>(
    `with seeds as (
      select gen_random_uuid() as "postId", gen_random_uuid() as "revisionId", gen_random_uuid() as "targetId"
      from generate_series(1, $4::int)
    ), new_posts as (
      insert into posts (tenant_id, id, type, revision_id, revision_number, copy, created_by, status, submitted_at)
      select $1::uuid, "postId", 'TEXT_ONLY', "revisionId", 1, 'Copy', $2::uuid, 'SCHEDULED', clock_timestamp() from seeds
    ), new_revisions as (
      insert into revisions (tenant_id, id, post_id, number, content, content_hash, design_hash, publish_hash, authors,
        created_by)
      select $1, "revisionId", "postId", 1, '{"copy":"Copy"}', 'c', 'd', 'p', '{}', $2 from seeds
    ), new_targets as (
      insert into targets (tenant_id, id, post_id, profile_id, position)
      select $1, "targetId", "postId", $3::uuid, 0 from seeds
    ) select * from seeds`,
    [tenantId, memberId, profileId, count],
  );
  return rows;
}

export const insertPost = async (fixture: Parameters<typeof insertPosts>[0]): Promise<SeededPost> =>
  (await insertPosts(fixture, 1))[0]!;

/** Everything is due at this instant, and armed at it. */
export const due = new Date('2026-05-04T09:00:00.123Z');

export const armInput = (
  { profileId }: Pick<Fixture, 'profileId'>,
  post: SeededPost,
  fields: Partial<ArmInput> = {},
): ArmInput => ({
  ...{ postId: post.postId, targetId: post.targetId, revisionId: post.revisionId },
  ...{ cycle: 1, holder: 'mine', runId: 'run-1', version: 5, approvedHash: 'p', dueAt: due, handle: null },
  ...{ profileId, platform: 'linkedin', policyVersion: 1, admittedAt: null, buckets: [] },
  ...{ type: 'TEXT_ONLY', caps: [], quota: null },
  ...{ now: due, armUntil: due },
  ...fields,
});

export const releaseInput = (publicationId: string, fields: Partial<ReleaseInput> = {}): ReleaseInput => ({
  ...{ publicationId, fence: 1, approvedHash: 'p', dueAt: due, sendAt: due, commitTimeoutMs: 10_000 },
  now: sql<Date>`${due.toISOString()}::timestamptz`,
  ...fields,
});

export interface SeededPublication {
  readonly state: PublicationState;
  readonly fence?: number;
  readonly cycle?: number;
  readonly hash?: string;
  readonly dueAt?: Date;
  readonly absentReads?: number;
  readonly findTries?: number;
}

/** Puts a publication row into a state, past the functions that would lead there; answers its id. */
export async function insertPublication(
  { superuser, tenantId }: Pick<Fixture, 'superuser' | 'tenantId'>,
  { postId, revisionId, targetId }: SeededPost,
  row: SeededPublication,
): Promise<string> {
  const id = randomUUID();
  await superuser.query(
    `insert into publications (tenant_id, id, post_id, revision_id, target_id, cycle, state, fence, holder,
      approved_hash, due_at, send_at, absent_reads, find_tries, profile_id, platform, policy_version)
    select $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $11, $12, $13, t.profile_id, f.platform, 1
    from targets t join profiles f on f.id = t.profile_id where t.id = $5`,
    [
      ...[tenantId, id, postId, revisionId, targetId, row.cycle ?? 1, row.state, row.fence ?? 1],
      ...[row.state === 'ARMED' ? 'mine' : null, row.hash ?? 'p', row.dueAt ?? new Date(0)],
      ...[row.absentReads ?? 0, row.findTries ?? 0],
    ],
  );
  return id;
}

/** A whole row as the table holds it, of any tenant. */
export async function rowOf<Row extends pg.QueryResultRow = pg.QueryResultRow>(
  { superuser }: Pick<Fixture, 'superuser'>,
  table: 'posts' | 'publications' | 'targets' | 'outbox',
  id: string,
): Promise<Row> {
  const { rows } = await superuser.query<Row>(`select * from ${table} where id = $1`, [id]);
  if (!rows[0]) throw new Error(`There is no row ${id} in ${table}`);
  return rows[0];
}

/** The event types of a post's story, oldest first. */
export async function eventTypesOf(
  { superuser }: Pick<Fixture, 'superuser'>,
  postId: string,
): Promise<string[]> {
  const { rows } = await superuser.query('select type from post_events where post_id = $1 order by id', [
    postId,
  ]);
  return rows.map((row) => row.type);
}
