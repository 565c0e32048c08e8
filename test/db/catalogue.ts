import type pg from 'pg';

/**
 * What the catalogue of a migrated database must say. Each check answers its violations, in words; an empty list is
 * what is wanted. The checks run on a superuser's connection, so that a test can plant a fault in a transaction, see
 * it reported, and roll it back.
 */
export type Check = (client: pg.ClientBase) => Promise<string[]>;

const loginRoles = ['gatepost_api', 'gatepost_worker'];
const readerRoles = [
  'gatepost_outbox_reader',
  'gatepost_sweep_reader',
  'gatepost_state_reader',
  'gatepost_grant_reader',
];

/** Not behind row-level security: `tenants` is read by id, the others are the migrator's own. */
const tablesWithoutTenant = ['kysely_migration', 'kysely_migration_lock', 'tenants'];

const tenantExpression = '(tenant_id = ( SELECT current_tenant() AS current_tenant))';
const isolationPolicy = `tenant_isolation permissive ALL to gatepost_api, gatepost_worker using ${tenantExpression} with check ${tenantExpression}`;
/** Policies beside the isolation of tenants: some let a role that cannot log in list ids across tenants, one narrows it. */
const otherPolicies: Record<string, string[]> = {
  grants: ['sweep permissive SELECT to gatepost_grant_reader using true with check none'],
  oauth_states: ['callback permissive SELECT to gatepost_state_reader using true with check none'],
  outbox: ['relay permissive SELECT to gatepost_outbox_reader using true with check none'],
  posts: ['sweep permissive SELECT to gatepost_sweep_reader using true with check none'],
  publications: [
    "only_disarms restrictive UPDATE to gatepost_api using (state = 'ARMED'::text) with check (state = 'DISARMED'::text)",
  ],
};

/** Functions that run as their owner. Each returns tenant and id alone. */
const definerFunctions = [
  'find_oauth_state(of_hash bytea) returns TABLE(tenant_id uuid, id uuid)' +
    ' owner gatepost_state_reader config search_path="" execute gatepost_api',
  'list_old_oauth_states(before timestamp with time zone, most integer) returns TABLE(tenant_id uuid, id uuid)' +
    ' owner gatepost_state_reader config search_path="" execute gatepost_worker',
  'list_due_grants(of_platforms text[], before timestamp with time zone, after_tenant_id uuid, after_id uuid,' +
    ' most integer) returns TABLE(tenant_id uuid, id uuid)' +
    ' owner gatepost_grant_reader config search_path="" execute gatepost_worker',
  'list_open_outbox(older_than_seconds integer, most integer) returns TABLE(tenant_id uuid, id uuid)' +
    ' owner gatepost_outbox_reader config search_path="" execute gatepost_worker',
  'list_open_posts(after_tenant_id uuid, after_id uuid, most integer) returns TABLE(tenant_id uuid, id uuid)' +
    ' owner gatepost_sweep_reader config search_path="" execute gatepost_worker',
];

/** Functions that run as whoever calls them, and who may. */
const callerFunctions = ['admit_send execute gatepost_worker', 'current_tenant execute PUBLIC'];

const read = 'SELECT';
const add = 'INSERT, SELECT';
const change = 'INSERT, SELECT, UPDATE';
const update = 'UPDATE';
const columns = (table: string, names: readonly string[], privilege: string): Record<string, string> =>
  Object.fromEntries(names.map((name) => [`${table}.${name}`, privilege]));

/** What a worker writes of a medium that it fetched. */
const decidedMedia = Object.fromEntries(
  [
    ...['audio_codec', 'completed_at', 'content_type', 'duration_seconds', 'frame_rate', 'frames', 'height'],
    ...['object_key', 'refusal', 'sha256', 'size_bytes', 'source_url', 'state', 'video_codec', 'width'],
  ].map((column) => [`media.${column}`, update]),
);
/** Every privilege on a table or its columns, beside its owner's. */
const tableGrants: Record<string, Record<string, string>> = {
  gatepost_api: {
    amendment_targets: add,
    amendments: change,
    connections: change,
    decisions: read,
    grants: change,
    holds: change,
    idempotency_keys: 'DELETE, INSERT, SELECT, UPDATE',
    media: change,
    members: change,
    oauth_states: change,
    outbox: change,
    part_rounds: add,
    platform_apps: 'DELETE, INSERT, SELECT, UPDATE',
    post_events: add,
    posts: change,
    profiles: change,
    publications: read,
    'publications.fence': update,
    'publications.holder': update,
    'publications.state': update,
    'publications.updated_at': update,
    removals: change,
    revision_fingerprints: add,
    revisions: add,
    targets: 'DELETE, INSERT, SELECT, UPDATE',
    tenant_keys: add,
    tenants: change,
    token_events: add,
  },
  gatepost_worker: {
    amendment_targets: read,
    ...columns('amendment_targets', ['amended_at', 'error_code', 'error_message', 'fence', 'state'], update),
    amendments: read,
    ...columns('amendments', ['closed_at', 'state'], update),
    connections: read,
    ...columns('connections', ['page_tokens', 'state', 'tokens'], update),
    decisions: add,
    grants: read,
    ...columns(
      'grants',
      [
        ...['access_token', 'doubtful_refreshes', 'expires_at', 'failures', 'lease_id', 'lease_until'],
        ...['refresh_due_at', 'refresh_expires_at', 'refresh_fingerprint', 'refresh_token', 'refreshed_at'],
        ...['row_version', 'scopes', 'state'],
      ],
      update,
    ),
    holds: read,
    'idempotency_keys.key': read,
    'idempotency_keys.response': 'SELECT, UPDATE',
    'idempotency_keys.route': read,
    'idempotency_keys.subject': read,
    'idempotency_keys.tenant_id': read,
    media: read,
    ...decidedMedia,
    members: read,
    oauth_states: 'DELETE, SELECT',
    'oauth_states.verifier': update,
    outbox: change,
    part_rounds: change,
    platform_apps: read,
    'platform_apps.client_secret': update,
    post_events: add,
    post_runs: add,
    posts: 'SELECT, UPDATE',
    preparations: 'DELETE, INSERT, SELECT, UPDATE',
    profiles: read,
    ...columns('profiles', ['access_token', 'health', 'row_version', 'updated_at'], update),
    publications: change,
    rate_buckets: change,
    removals: 'SELECT, UPDATE',
    revisions: read,
    targets: 'SELECT, UPDATE',
    tenant_keys: add,
    'tenant_keys.wrapped_key': update,
    tenants: read,
    token_events: add,
  },
  gatepost_grant_reader: columns('grants', ['id', 'platform', 'refresh_due_at', 'tenant_id'], read),
  gatepost_state_reader: columns('oauth_states', ['expires_at', 'id', 'state_hash', 'tenant_id'], read),
  gatepost_outbox_reader: {
    'outbox.created_at': read,
    'outbox.done_at': read,
    'outbox.id': read,
    'outbox.tenant_id': read,
  },
  gatepost_sweep_reader: {
    'posts.archived': read,
    'posts.id': read,
    'posts.status': read,
    'posts.submitted_at': read,
    'posts.tenant_id': read,
  },
};

/** PUBLIC may use the schema, as everywhere, and make nothing in it. */
const schemaGrants = [
  'PUBLIC USAGE',
  'gatepost_api USAGE',
  'gatepost_grant_reader USAGE',
  'gatepost_outbox_reader USAGE',
  'gatepost_state_reader USAGE',
  'gatepost_sweep_reader USAGE',
  'gatepost_worker USAGE',
];

/** What is in our schema and does not belong to an extension. */
const own = (catalogue: 'pg_class' | 'pg_proc', alias: string) =>
  `${alias}.${catalogue === 'pg_class' ? 'relnamespace' : 'pronamespace'} = 'public'::regnamespace
   and not exists (select from pg_depend x
     where x.classid = '${catalogue}'::regclass and x.objid = ${alias}.oid and x.deptype = 'e')`;
const hasTenant = (alias: string) =>
  `exists (select from pg_attribute a where a.attrelid = ${alias}.oid and a.attname = 'tenant_id' and not a.attisdropped)`;

async function lines(client: pg.ClientBase, query: string, values: unknown[] = []): Promise<string[]> {
  const { rows } = await client.query<{ line: string }>(query, values);
  return rows.map((row) => row.line);
}

function differences(what: string, found: readonly string[], wanted: readonly string[]): string[] {
  const extra = found.filter((line) => !wanted.includes(line)).map((line) => `${what}, not listed: ${line}`);
  const missing = wanted
    .filter((line) => !found.includes(line))
    .map((line) => `${what}, listed but not there: ${line}`);
  return [...extra, ...missing];
}

/** The tables whose rows belong to a tenant. */
export const listTenantTables = (client: pg.ClientBase): Promise<string[]> =>
  lines(
    client,
    `select c.relname as line from pg_class c
     where ${own('pg_class', 'c')} and c.relkind in ('r', 'p') and ${hasTenant('c')} order by 1`,
  );

/** Every table has a tenant that is filled from the connection, or is on the list; row-level security is forced. */
export const checkRowSecurity: Check = async (client) => [
  ...differences(
    'a table without a tenant',
    await lines(
      client,
      `select c.relname as line from pg_class c
       where ${own('pg_class', 'c')} and c.relkind in ('r', 'p') and not ${hasTenant('c')} order by 1`,
    ),
    tablesWithoutTenant,
  ),
  ...(await lines(
    client,
    `select format('%s: row-level security is not %s', c.relname,
       case when c.relrowsecurity then 'forced' else 'enabled' end) as line
     from pg_class c
     where ${own('pg_class', 'c')} and c.relkind in ('r', 'p') and ${hasTenant('c')}
       and not (c.relrowsecurity and c.relforcerowsecurity) order by 1`,
  )),
  ...(await lines(
    client,
    `select format('%s: tenant_id is not a uuid, not null, from current_tenant()', c.relname) as line
     from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attname = 'tenant_id'
     left join pg_attrdef d on d.adrelid = c.oid and d.adnum = a.attnum
     where ${own('pg_class', 'c')} and c.relkind in ('r', 'p') and (not a.attnotnull or a.atttypid <> 'uuid'::regtype
       or pg_get_expr(d.adbin, d.adrelid) is distinct from 'current_tenant()') order by 1`,
  )),
];

/** Each tenant's table has the isolating policy, for reading and writing; no other policy widens it. */
export const checkPolicies: Check = async (client) => {
  const found = await lines(
    client,
    `select format('%s: %s %s %s to %s using %s with check %s', tablename, policyname, lower(permissive), cmd,
       (select string_agg(r::text, ', ' order by r) from unnest(roles) r), coalesce(qual, 'none'),
       coalesce(with_check, 'none')) as line
     from pg_policies where schemaname = 'public' order by 1`,
  );
  const wanted = (await listTenantTables(client)).flatMap((table) =>
    [isolationPolicy, ...(otherPolicies[table] ?? [])].map((policy) => `${table}: ${policy}`),
  );
  return differences('a policy', found, wanted);
};

/** The tenant comes first in every key: foreign keys and unique checks bypass row-level security. */
export const checkKeys: Check = async (client) => [
  ...(await lines(
    client,
    `select format('%s: unique index %s does not start with the tenant', c.relname, i.indexrelid::regclass) as line
     from pg_index i join pg_class c on c.oid = i.indrelid
     where ${own('pg_class', 'c')} and ${hasTenant('c')} and i.indisunique
       and coalesce((select a.attname from pg_attribute a where a.attrelid = c.oid and a.attnum = i.indkey[0]), '')
         <> 'tenant_id' order by 1`,
  )),
  ...(await lines(
    client,
    `select format('%s: foreign key %s does not start with the tenant', c.relname, k.conname) as line
     from pg_constraint k join pg_class c on c.oid = k.conrelid join pg_class f on f.oid = k.confrelid
     where k.contype = 'f' and ${own('pg_class', 'c')} and ${hasTenant('c')}
       and ((select a.attname from pg_attribute a where a.attrelid = c.oid and a.attnum = k.conkey[1]) <> 'tenant_id'
         or (select a.attname from pg_attribute a where a.attrelid = f.oid and a.attnum = k.confkey[1])
           <> case f.relname when 'tenants' then 'id' else 'tenant_id' end) order by 1`,
  )),
];

/** Login roles own nothing, can do nothing special and are members of nothing; owners of functions cannot log in. */
export const checkRoles: Check = async (client) => [
  ...(await lines(
    client,
    `select format('%s: has an attribute it must not have', rolname) as line from pg_roles
     where rolname like 'gatepost%' and (rolsuper or rolbypassrls or rolcreaterole or rolcreatedb or rolreplication
       or rolcanlogin = (rolname = any($1))) order by 1`,
    [readerRoles],
  )),
  ...(await lines(
    client,
    `select format('%s: owns %s', r.rolname, pg_describe_object(d.classid, d.objid, d.objsubid)) as line
     from pg_shdepend d join pg_roles r on r.oid = d.refobjid and d.refclassid = 'pg_authid'::regclass
     where d.deptype = 'o' and r.rolname = any($1)
       and d.dbid in (0, (select oid from pg_database where datname = current_database())) order by 1`,
    [loginRoles],
  )),
  ...differences(
    'a membership',
    await lines(
      client,
      `select format('%s in %s', m.member::regrole, m.roleid::regrole) as line from pg_auth_members m
       where m.member::regrole::text like 'gatepost%' or m.roleid::regrole::text like 'gatepost%' order by 1`,
    ),
    // The migrator hands its functions over to their owners.
    readerRoles.map((role) => `gatepost_migrator in ${role}`),
  ),
];

/** Functions that run as their owner are those on the list, and so is who may execute the others. */
export const checkFunctions: Check = async (client) => {
  const executors = `(select string_agg(case g.grantee when 0 then 'PUBLIC' else g.grantee::regrole::text end, ', '
      order by g.grantee)
    from aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) g where g.grantee <> p.proowner)`;
  const asOwner = await lines(
    client,
    `select format('%s(%s) returns %s owner %s config %s execute %s', p.proname,
       pg_get_function_identity_arguments(p.oid), pg_get_function_result(p.oid), p.proowner::regrole,
       coalesce(array_to_string(p.proconfig, ', '), 'none'), ${executors}) as line
     from pg_proc p where ${own('pg_proc', 'p')} and p.prosecdef order by 1`,
  );
  const asCaller = await lines(
    client,
    `select format('%s execute %s', p.proname, ${executors}) as line
     from pg_proc p where ${own('pg_proc', 'p')} and not p.prosecdef order by 1`,
  );
  return [
    ...differences('a function that runs as its owner', asOwner, definerFunctions),
    ...differences('a function that runs as its caller', asCaller, callerFunctions),
  ];
};

/** Every privilege on tables, columns and sequences is on the list, and every one listed is there. */
export const checkGrants: Check = async (client) => {
  const grantee = `case g.grantee when 0 then 'PUBLIC' else g.grantee::regrole::text end`;
  const found = await lines(
    client,
    `select format('%s: %s %s', ${grantee}, c.relname, string_agg(g.privilege_type, ', ' order by g.privilege_type))
       as line
     from pg_class c, aclexplode(coalesce(c.relacl, acldefault('r', c.relowner))) g
     where ${own('pg_class', 'c')} and c.relkind <> 'i' and g.grantee <> c.relowner group by g.grantee, c.relname
     union all
     select format('%s: %s.%s %s', ${grantee}, c.relname, a.attname,
       string_agg(g.privilege_type, ', ' order by g.privilege_type))
     from pg_class c join pg_attribute a on a.attrelid = c.oid, aclexplode(a.attacl) g
     where ${own('pg_class', 'c')} and g.grantee <> c.relowner group by g.grantee, c.relname, a.attname
     order by 1`,
  );
  const wanted = Object.entries(tableGrants).flatMap(([role, grants]) =>
    Object.entries(grants).map(([name, privileges]) => `${role}: ${name} ${privileges}`),
  );
  const schema = await lines(
    client,
    `select format('%s %s', ${grantee}, g.privilege_type) as line
     from pg_namespace n, aclexplode(n.nspacl) g where n.nspname = 'public' and g.grantee <> n.nspowner order by 1`,
  );
  const byDefault = await lines(
    client,
    `select format('a default privilege of %s on objects of type %s', defaclrole::regrole, defaclobjtype) as line
     from pg_default_acl`,
  );
  return [
    ...differences('a grant', found, wanted),
    ...differences('a grant on the schema', schema, schemaGrants),
    ...byDefault,
  ];
};

/** What is written once stays: not even by a column, a membership or PUBLIC can a login role change or delete it. */
export const checkImmutable: Check = (client) =>
  lines(
    client,
    `select format('%s: %s may %s', role, t, privilege) as line
     from unnest($1::text[]) role, unnest(array['revisions', 'decisions', 'post_events', 'token_events']) t,
       unnest(array['UPDATE', 'DELETE', 'TRUNCATE']) privilege
     where has_table_privilege(role, t, privilege)
       or (privilege = 'UPDATE' and has_any_column_privilege(role, t, privilege)) order by 1`,
    [loginRoles],
  );

/** No partitions (one queried directly ignores its parent's policy), and no view that reads as its owner. */
export const checkRelations: Check = (client) =>
  lines(
    client,
    `select format('%s: %s', c.relname, case
       when c.relispartition or c.relkind = 'p' then 'a partition'
       when c.relkind = 'm' then 'a materialized view'
       when c.relkind = 'f' then 'a foreign table'
       else 'a view that reads as its owner' end) as line
     from pg_class c
     where ${own('pg_class', 'c')} and (c.relispartition or c.relkind in ('p', 'm', 'f')
       or (c.relkind = 'v' and not coalesce(c.reloptions, '{}') && array['security_invoker=true', 'security_invoker=on']))
     order by 1`,
  );

/** Without a tenant, neither login role sees a row of any tenant's table that it may read. */
export const checkNothingWithoutTenant: Check = async (client) => {
  const violations: string[] = [];
  for (const role of loginRoles)
    for (const table of await listTenantTables(client)) {
      const [mayRead] = await lines(client, `select has_table_privilege($1, $2, 'SELECT')::text as line`, [
        role,
        table,
      ]);
      if (mayRead !== 'true') continue;
      const count = await countAs(client, role, table);
      if (count > 0) violations.push(`${role}: sees ${count} rows of ${table} without a tenant`);
    }
  return violations;
};

async function countAs(client: pg.ClientBase, role: string, table: string): Promise<number> {
  await client.query('savepoint as_role');
  try {
    await client.query(`set local role ${role}; set local app.tenant = ''`);
    const { rows } = await client.query<{ count: number }>(`select count(*)::int as count from ${table}`);
    return rows[0]!.count;
  } finally {
    await client.query('rollback to savepoint as_role');
  }
}

export const checks = {
  checkRowSecurity,
  checkPolicies,
  checkKeys,
  checkRoles,
  checkFunctions,
  checkGrants,
  checkImmutable,
  checkRelations,
  checkNothingWithoutTenant,
} satisfies Record<string, Check>;

/** Runs every check; the violations under the name of the check that saw them. */
export async function runChecks(
  client: pg.ClientBase,
): Promise<Partial<Record<keyof typeof checks, string[]>>> {
  const found: Partial<Record<keyof typeof checks, string[]>> = {};
  for (const [name, check] of Object.entries(checks) as [keyof typeof checks, Check][]) {
    const violations = await check(client);
    if (violations.length > 0) found[name] = violations;
  }
  return found;
}
