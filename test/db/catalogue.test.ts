import { listTenantTables, runChecks } from './catalogue.ts';
import { type Fixture, insertPost, insertPublication, startFixture } from './fixture.ts';

let fixture: Fixture;

beforeAll(async () => {
  fixture = await startFixture();
  await fillEveryTable();
});
afterAll(() => fixture.stop());

beforeEach(async () => {
  await fixture.superuser.query('begin');
});
afterEach(async () => {
  await fixture.superuser.query('rollback');
});

/** At least one row in every tenant's table: an empty one would hide nothing. */
async function fillEveryTable(): Promise<void> {
  const { superuser, tenantId } = fixture;
  const post = await insertPost(fixture);
  await insertPublication(fixture, post, { state: 'ARMED' });
  await superuser.query(`
    set app.tenant = '${tenantId}';
    insert into media (id, file_name, declared_content_type, declared_size_bytes, upload_key, created_by)
      values (gen_random_uuid(), 'a.jpg', 'image/jpeg', 1, 'incoming/a', gen_random_uuid());
    insert into decisions (post_id, command_id, gate, round, verdict, hash, revision_id, decided_at)
      values ('${post.postId}', 'c', 'content', 1, 'approve', 'h', '${post.revisionId}', now());
    insert into post_events (post_id, event_key, type, occurred_at) values ('${post.postId}', 'k', 't', now());
    insert into post_runs (post_id, run_id, epoch) values ('${post.postId}', 'r', 1);
    insert into outbox (id, kind, post_id, input) values (gen_random_uuid(), 'start-post', '${post.postId}', '{}');
    insert into preparations (target_id, revision_id, handle) values ('${post.targetId}', '${post.revisionId}', '{}');
    insert into idempotency_keys (subject, route, key, body_hash, claimed_until) values ('s', 'r', 'k', 'h', now());
    insert into holds (id, scope, reason, placed_by, placed_by_name)
      values (gen_random_uuid(), 'tenant', 'Storm', gen_random_uuid(), 'Ada');
    insert into revision_fingerprints (revision_id, profile_id, post_id, fingerprint)
      values ('${post.revisionId}', '${fixture.profileId}', '${post.postId}', 'f');
    insert into removals (publication_id, post_id, target_id, part, request_id, requested_by, requested_by_name)
      select id, post_id, target_id, part, gen_random_uuid(), gen_random_uuid(), 'Ada' from publications limit 1;
    insert into part_rounds (post_id, target_id, cycle, revision_id, approved_hash, public_id, kinds)
      values ('${post.postId}', '${post.targetId}', 1, '${post.revisionId}', 'h', 'p', '["thread"]');
    insert into amendments (id, post_id, revision_id, state, gate, decisions, proposed_by, proposed_by_name)
      values ('00000000-0000-4000-8000-000000000002', '${post.postId}', '${post.revisionId}', 'PROPOSED', '{}', '[]',
        gen_random_uuid(), 'Ada');
    insert into amendment_targets (amendment_id, post_id, target_id, publication_id)
      select '00000000-0000-4000-8000-000000000002', post_id, target_id, id from publications limit 1;
    insert into rate_buckets (key, full_at) values ('k', now());
    insert into tenant_keys (id, wrapped_key) values (gen_random_uuid(), '\\x00');
    insert into platform_apps (id, platform, name, client_id, client_secret, redirect_uri)
      values ('00000000-0000-4000-8000-000000000001', 'linkedin', 'Ours', 'c', '\\x00', 'https://a.test');
    insert into oauth_states (id, state_hash, app_id, subject, redirect_uri, expires_at) values (gen_random_uuid(),
      sha256('s'), '00000000-0000-4000-8000-000000000001', 's', 'https://a.test', now());
    insert into connections (id, app_id, platform, subject, code_hash, accounts, expires_at) values (gen_random_uuid(),
      '00000000-0000-4000-8000-000000000001', 'linkedin', 's', sha256('c'), '[]', now());
    insert into token_events (grant_id, kind, outcome) select id, 'refresh', 'refreshed' from grants limit 1;
    reset app.tenant`);
}

test('a migrated database has no violation, and every table of a tenant holds a row to be hidden', async () => {
  expect(await runChecks(fixture.superuser)).toEqual({});
  const tables = await listTenantTables(fixture.superuser);
  expect(tables).toHaveLength(26);
  for (const table of tables) {
    const { rows } = await fixture.superuser.query(`select count(*)::int as count from ${table}`);
    expect([table, rows[0].count > 0]).toEqual([table, true]);
  }
});

/** A fault, and what the checks say of it. Planted in a transaction that is rolled back. */
const faults: Record<string, [string, Awaited<ReturnType<typeof runChecks>>]> = {
  'row-level security that is not forced': [
    'alter table posts no force row level security',
    { checkRowSecurity: ['posts: row-level security is not forced'] },
  ],
  'row-level security that is switched off': [
    'alter table media disable row level security',
    {
      checkRowSecurity: ['media: row-level security is not enabled'],
      checkNothingWithoutTenant: [
        'gatepost_api: sees 1 rows of media without a tenant',
        'gatepost_worker: sees 1 rows of media without a tenant',
      ],
    },
  ],
  'a new table whose tenant nobody looks after': [
    'create table notes (tenant_id uuid, id uuid primary key); alter table notes owner to gatepost_migrator',
    {
      checkRowSecurity: [
        'notes: row-level security is not enabled',
        'notes: tenant_id is not a uuid, not null, from current_tenant()',
      ],
      checkPolicies: [
        'a policy, listed but not there: notes: tenant_isolation permissive ALL to gatepost_api, gatepost_worker' +
          ' using (tenant_id = ( SELECT current_tenant() AS current_tenant))' +
          ' with check (tenant_id = ( SELECT current_tenant() AS current_tenant))',
      ],
      checkKeys: ['notes: unique index notes_pkey does not start with the tenant'],
    },
  ],
  'a new table without a tenant': [
    'create table settings (name text primary key)',
    { checkRowSecurity: ['a table without a tenant, not listed: settings'] },
  ],
  'a policy that checks no writes': [
    `drop policy tenant_isolation on media;
     create policy tenant_isolation on media to gatepost_api, gatepost_worker
       using (tenant_id = (select current_tenant())) with check (true)`,
    {
      checkPolicies: [
        'a policy, not listed: media: tenant_isolation permissive ALL to gatepost_api, gatepost_worker' +
          ' using (tenant_id = ( SELECT current_tenant() AS current_tenant)) with check true',
        'a policy, listed but not there: media: tenant_isolation permissive ALL to gatepost_api, gatepost_worker' +
          ' using (tenant_id = ( SELECT current_tenant() AS current_tenant))' +
          ' with check (tenant_id = ( SELECT current_tenant() AS current_tenant))',
      ],
    },
  ],
  'a second policy that widens the first': [
    'create policy support on members for select to gatepost_api using (true)',
    {
      checkPolicies: [
        'a policy, not listed: members: support permissive SELECT to gatepost_api using true with check none',
      ],
      checkNothingWithoutTenant: ['gatepost_api: sees 1 rows of members without a tenant'],
    },
  ],
  'a unique key without the tenant': [
    'create unique index profiles_by_account on profiles (external_id)',
    { checkKeys: ['profiles: unique index profiles_by_account does not start with the tenant'] },
  ],
  'a foreign key without the tenant': [
    `alter table tenant_keys add column note_id uuid;
     create table notes2 (id uuid primary key);
     alter table tenant_keys add constraint key_of_note foreign key (note_id) references notes2 (id)`,
    {
      checkRowSecurity: ['a table without a tenant, not listed: notes2'],
      checkKeys: ['tenant_keys: foreign key key_of_note does not start with the tenant'],
    },
  ],
  'a login role that bypasses row-level security': [
    'alter role gatepost_worker bypassrls',
    {
      checkRoles: ['gatepost_worker: has an attribute it must not have'],
      checkNothingWithoutTenant: expect.arrayContaining([
        'gatepost_worker: sees 1 rows of posts without a tenant',
      ]),
    },
  ],
  'an owner of a function that can log in': [
    'alter role gatepost_sweep_reader login',
    { checkRoles: ['gatepost_sweep_reader: has an attribute it must not have'] },
  ],
  'a login role in another role': [
    'grant gatepost_sweep_reader to gatepost_api',
    {
      checkRoles: ['a membership, not listed: gatepost_api in gatepost_sweep_reader'],
      checkNothingWithoutTenant: expect.any(Array),
    },
  ],
  'a login role that owns a table': [
    'alter table media owner to gatepost_worker',
    { checkRoles: ['gatepost_worker: owns table media'], checkGrants: expect.any(Array) },
  ],
  'a definer function that is not on the list and open to everybody': [
    `create function peek() returns bigint language sql security definer as 'select count(*) from public.posts'`,
    {
      checkFunctions: [
        expect.stringMatching(
          /^a function that runs as its owner, not listed: peek\(\) returns bigint owner \w+ config none execute PUBLIC$/,
        ),
      ],
    },
  ],
  'a definer function without its search path': [
    'alter function list_open_posts reset search_path',
    {
      checkFunctions: [
        expect.stringContaining('owner gatepost_sweep_reader config none execute gatepost_worker'),
        expect.stringContaining('listed but not there: list_open_posts'),
      ],
    },
  ],
  'a definer function that PUBLIC may execute': [
    'grant execute on function list_open_outbox to public',
    {
      checkFunctions: [
        expect.stringContaining('execute PUBLIC, gatepost_worker'),
        expect.stringContaining('listed but not there: list_open_outbox'),
      ],
    },
  ],
  'a function of the worker that everybody may execute': [
    'grant execute on function admit_send to public',
    {
      checkFunctions: [
        'a function that runs as its caller, not listed: admit_send execute PUBLIC, gatepost_worker',
        'a function that runs as its caller, listed but not there: admit_send execute gatepost_worker',
      ],
    },
  ],
  'publications that the interface may move as it likes': [
    'drop policy only_disarms on publications',
    {
      checkPolicies: [expect.stringMatching(/^a policy, listed but not there: publications: only_disarms /)],
    },
  ],
  'publications whose instants the interface may write': [
    'grant update (send_at) on publications to gatepost_api',
    { checkGrants: ['a grant, not listed: gatepost_api: publications.send_at UPDATE'] },
  ],
  'a revision that may be rewritten': [
    'grant update (content) on revisions to gatepost_api',
    {
      checkGrants: ['a grant, not listed: gatepost_api: revisions.content UPDATE'],
      checkImmutable: ['gatepost_api: revisions may UPDATE'],
    },
  ],
  'a decision that may be deleted': [
    'grant delete on decisions to gatepost_worker',
    {
      checkGrants: [
        'a grant, not listed: gatepost_worker: decisions DELETE, INSERT, SELECT',
        'a grant, listed but not there: gatepost_worker: decisions INSERT, SELECT',
      ],
      checkImmutable: ['gatepost_worker: decisions may DELETE'],
    },
  ],
  'a grant to PUBLIC': [
    'grant select on grants to public',
    { checkGrants: ['a grant, not listed: PUBLIC: grants SELECT'] },
  ],
  'a grant that is missing': [
    'revoke insert on post_runs from gatepost_worker',
    {
      checkGrants: [
        'a grant, not listed: gatepost_worker: post_runs SELECT',
        'a grant, listed but not there: gatepost_worker: post_runs INSERT, SELECT',
      ],
    },
  ],
  'a schema in which everybody may make things': [
    'grant create on schema public to public',
    { checkGrants: ['a grant on the schema, not listed: PUBLIC CREATE'] },
  ],
  'privileges on what is yet to come': [
    'alter default privileges for role gatepost_migrator in schema public grant select on tables to gatepost_api',
    { checkGrants: ['a default privilege of gatepost_migrator on objects of type r'] },
  ],
  'a view that reads as its owner': [
    'create view all_posts as select id from posts',
    { checkRelations: ['all_posts: a view that reads as its owner'] },
  ],
  'a table in partitions': [
    `create table log (name text) partition by list (name);
     create table log_of_a partition of log for values in ('a')`,
    {
      checkRowSecurity: expect.any(Array),
      checkRelations: ['log: a partition', 'log_of_a: a partition'],
    },
  ],
};

test.each(Object.entries(faults))('reports %s', async (_, [statement, violations]) => {
  await fixture.superuser.query(statement);
  expect(await runChecks(fixture.superuser)).toEqual(violations);
});

test('takes a view that reads as its caller', async () => {
  await fixture.superuser.query(
    'create view my_posts with (security_invoker = true) as select id from posts',
  );
  expect(await runChecks(fixture.superuser)).toEqual({});
});
