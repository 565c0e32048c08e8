import pg from 'pg';

/** Login roles own nothing and are members of nothing; the reader roles cannot log in and own a function or two each. */
const loginRoles = ['gatepost_migrator', 'gatepost_api', 'gatepost_worker'] as const;
const readerRoles = [
  'gatepost_outbox_reader',
  'gatepost_sweep_reader',
  'gatepost_state_reader',
  'gatepost_grant_reader',
] as const;
export type LoginRole = (typeof loginRoles)[number];

export interface BootstrapOptions {
  /** A superuser's address; used for this call alone. */
  readonly superuserUrl: string;
  readonly database: string;
  readonly passwords: Readonly<Record<LoginRole, string>>;
}

/**
 * Creates the roles, the database (owned by the migrator) and the vector extension. May run again: what exists is
 * kept, passwords are set anew. Answers the addresses of the three login roles.
 */
export async function bootstrapDatabase(options: BootstrapOptions): Promise<Record<LoginRole, string>> {
  await withClient(options.superuserUrl, async (client) => {
    for (const role of loginRoles) await createLoginRole(client, role, options.passwords[role]);
    for (const role of readerRoles) await createReaderRole(client, role);
    await createDatabase(client, options.database);
  });
  await withClient(addressOf(options.superuserUrl, { database: options.database }), async (client) => {
    await client.query('create extension if not exists vector');
    await client.query('alter schema public owner to gatepost_migrator');
    await client.query('revoke create on schema public from public');
  });
  const urls = loginRoles.map((role) => [
    role,
    addressOf(options.superuserUrl, {
      database: options.database,
      user: role,
      password: options.passwords[role],
    }),
  ]);
  return Object.fromEntries(urls) as Record<LoginRole, string>;
}

async function createLoginRole(client: pg.Client, role: LoginRole, password: string): Promise<void> {
  await createRoleUnlessExists(client, role);
  await client.query(
    `alter role ${role} login nosuperuser nocreatedb nocreaterole nobypassrls password ${client.escapeLiteral(password)}`,
  );
}

async function createReaderRole(client: pg.Client, role: string): Promise<void> {
  await createRoleUnlessExists(client, role);
  // The migrator hands its functions over to the reader roles, which needs membership.
  await client.query(`grant ${role} to gatepost_migrator`);
}

/** Two set-ups may meet here: whoever comes second finds the role. */
async function createRoleUnlessExists(client: pg.Client, role: string): Promise<void> {
  await client.query(
    `do $$ begin create role ${role} nologin; exception when duplicate_object or unique_violation then null; end $$`,
  );
}

async function createDatabase(client: pg.Client, database: string): Promise<void> {
  const { rowCount } = await client.query('select from pg_database where datname = $1', [database]);
  if (rowCount === 0)
    await client.query(`create database ${client.escapeIdentifier(database)} owner gatepost_migrator`);
}

async function withClient(
  connectionString: string,
  work: (client: pg.Client) => Promise<void>,
): Promise<void> {
  const client = new pg.Client({ connectionString, connectionTimeoutMillis: 10_000 });
  await client.connect();
  try {
    await work(client);
  } finally {
    await client.end();
  }
}

/** The same server under another database, user or password. */
export function addressOf(
  url: string,
  parts: { database?: string; user?: string; password?: string },
): string {
  const address = new URL(url);
  if (parts.database) address.pathname = `/${encodeURIComponent(parts.database)}`;
  if (parts.user) address.username = parts.user;
  if (parts.password) address.password = encodeURIComponent(parts.password);
  return address.href;
}
