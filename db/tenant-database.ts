import { createHash } from 'node:crypto';
import {
  type CompiledQuery,
  type DatabaseConnection,
  type Driver,
  Kysely,
  PostgresAdapter,
  PostgresIntrospector,
  PostgresQueryCompiler,
  type QueryResult,
  type Transaction,
  type TransactionSettings,
} from 'kysely';
import pg from 'pg';
import type { Database } from './schema.ts';

declare const tenantScope: unique symbol;

/**
 * A database handle that sees one tenant's rows and no other's. The only way to get one is `forTenant`, so a query on a
 * tenant's table without a tenant does not compile.
 */
export type TenantDatabase = Kysely<Database> & { readonly [tenantScope]: true };
/** A transaction under one tenant; functions that take a row lock ask for this. */
export type TenantTransaction = Transaction<Database> & { readonly [tenantScope]: true };
/** Either: for statements that are complete in themselves. */
export type TenantExecutor = TenantDatabase | TenantTransaction;

const uuidPattern = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/**
 * Opens a tenant's view of the database. Cheap: no connection is taken until a query runs.
 *
 * The tenant is set and the query run with one Sync, that is in one implicit transaction and one round trip: the
 * setting is local, so the next user of the connection starts without a tenant and sees nothing.
 */
export function forTenant(pool: pg.Pool, tenantId: string): TenantDatabase {
  if (!uuidPattern.test(tenantId)) throw new Error('A tenant id is a UUID');
  return openKysely<Database>(pool, tenantId) as unknown as TenantDatabase;
}

/** Opens the view without a tenant: what is behind row-level security stays invisible. */
export const withoutTenant = (pool: pg.Pool): SystemDatabase => openKysely(pool, null);

const openKysely = <Tables>(pool: pg.Pool, tenantId: string | null): Kysely<Tables> =>
  new Kysely<Tables>({
    dialect: {
      createAdapter: () => new PostgresAdapter(),
      createDriver: () => new TenantDriver(pool, tenantId),
      createQueryCompiler: () => new PostgresQueryCompiler(),
      createIntrospector: (database) => new PostgresIntrospector(database),
    },
  });

/** Runs `work` in one transaction under the tenant of `database`. Never keep it open across an outside call. */
export function inTransaction<T>(
  database: TenantDatabase,
  work: (transaction: TenantTransaction) => Promise<T>,
): Promise<T> {
  return database.transaction().execute((transaction) => work(transaction as TenantTransaction));
}

class TenantDriver implements Driver {
  readonly #pool: pg.Pool;
  readonly #tenantId: string | null;

  constructor(pool: pg.Pool, tenantId: string | null) {
    this.#pool = pool;
    this.#tenantId = tenantId;
  }

  async init(): Promise<void> {}

  async acquireConnection(): Promise<TenantConnection> {
    return new TenantConnection(await this.#pool.connect(), this.#tenantId);
  }

  async beginTransaction(connection: TenantConnection, settings: TransactionSettings): Promise<void> {
    if (settings.isolationLevel || settings.accessMode)
      throw new Error('Transaction settings are not used here');
    await connection.begin();
  }

  async commitTransaction(connection: TenantConnection): Promise<void> {
    await connection.end('commit');
  }

  async rollbackTransaction(connection: TenantConnection): Promise<void> {
    await connection.end('rollback');
  }

  async releaseConnection(connection: TenantConnection): Promise<void> {
    connection.release();
  }

  /** The pool belongs to whoever opened it. */
  async destroy(): Promise<void> {}
}

const begin: Statement = { text: 'begin', values: [] };
const setTenant = (tenantId: string): Statement => ({
  text: `select set_config('app.tenant', $1, true)`,
  values: [tenantId],
  name: 'gatepost_scope',
});

class TenantConnection implements DatabaseConnection {
  readonly #client: pg.PoolClient;
  readonly #setTenant: readonly Statement[];
  #inTransaction = false;
  #broken: Error | undefined;

  constructor(client: pg.PoolClient, tenantId: string | null) {
    this.#client = client;
    this.#setTenant = tenantId === null ? [] : [setTenant(tenantId)];
  }

  async executeQuery<R>(query: CompiledQuery): Promise<QueryResult<R>> {
    const prelude = this.#inTransaction ? [] : this.#setTenant;
    const statement = { text: query.sql, values: [...query.parameters] };
    const result = await this.#submit<R & pg.QueryResultRow>(statement, prelude);
    return { rows: result.rows, numAffectedRows: BigInt(result.rowCount ?? 0) };
  }

  async *streamQuery<R>(): AsyncIterableIterator<QueryResult<R>> {
    yield* [];
    throw new Error('Streaming is not supported on a tenant connection');
  }

  async begin(): Promise<void> {
    // Before it has begun: one that failed half-way is closed as well.
    this.#inTransaction = true;
    const statements = [begin, ...this.#setTenant];
    await this.#submit(statements.at(-1)!, statements.slice(0, -1));
  }

  async end(command: 'commit' | 'rollback'): Promise<void> {
    // Closing the connection rolls back; asking a broken one to would only wait for it once more.
    if (this.#broken && command === 'rollback') return;
    try {
      await this.#client.query(command);
    } catch (error) {
      this.#broken = error instanceof Error ? error : new Error(String(error));
      throw error;
    } finally {
      this.#inTransaction = false;
    }
  }

  /** A connection that broke, or whose transaction could not be ended, is closed and never handed to the next tenant. */
  release(): void {
    this.#client.release(this.#broken ?? this.#inTransaction);
  }

  #submit<R extends pg.QueryResultRow>(
    statement: Statement,
    prelude: readonly Statement[],
  ): Promise<pg.QueryResult<R>> {
    return new Promise((resolve, reject) => {
      const query = new PipelinedQuery(statement, prelude, (error, result) => {
        if (!error) return resolve(result as pg.QueryResult<R>);
        if (!isReadyAfter(error)) this.#broken = error;
        reject(error);
      });
      this.#client.query(query as unknown as pg.Submittable);
    });
  }
}

/**
 * Whether the server takes the next statement after this error: only when it refused one, and not when it ended the
 * session, was not heard of in time, or is gone. Such a connection looks usable until its socket is known to be closed.
 */
const isReadyAfter = (error: Error): boolean =>
  error instanceof pg.DatabaseError && error.severity === 'ERROR';

interface Statement {
  readonly text: string;
  readonly values: readonly unknown[];
  /** Of a prelude: prepared once per connection under this name. */
  readonly name?: string;
}

/** What of `pg`'s wire connection is used here; its own types leave it out. */
interface WireConnection {
  parse(message: { text: string; name?: string | undefined }): void;
  bind(message: { values: readonly unknown[]; statement?: string | undefined }): void;
  execute(message: { portal?: string; rows?: number }): void;
}

interface QueryInternals {
  prepare(connection: WireConnection): void;
  handleDataRow(message: unknown): void;
  handleCommandComplete(message: unknown, connection: unknown): void;
}

const BaseQuery = (pg as unknown as { Query: new (...parameters: unknown[]) => QueryInternals }).Query;

/**
 * A query with statements before it, all sent with one Sync: one round trip and one implicit transaction.
 * The prelude's portals are executed without a Describe, so no RowDescription precedes their rows; they are skipped.
 */
class PipelinedQuery extends BaseQuery {
  readonly #prelude: readonly Statement[];
  #outstanding: number;

  constructor(
    statement: Statement,
    prelude: readonly Statement[],
    callback: (error: Error | null, result: pg.QueryResult) => void,
  ) {
    const name = statementName(statement.text);
    super(
      { text: statement.text, values: statement.values, name, queryMode: 'extended' },
      undefined,
      callback,
    );
    this.#prelude = prelude;
    this.#outstanding = prelude.length;
  }

  override prepare(connection: WireConnection): void {
    for (const { text, values, name } of this.#prelude) {
      if (!isPrepared(connection, name)) connection.parse({ text, name });
      connection.bind({ values, statement: name });
      connection.execute({});
    }
    super.prepare(connection);
  }

  override handleDataRow(message: unknown): void {
    if (this.#outstanding === 0) super.handleDataRow(message);
  }

  override handleCommandComplete(message: unknown, connection: unknown): void {
    if (this.#outstanding === 0) super.handleCommandComplete(message, connection);
    else this.#outstanding -= 1;
  }
}

/** What preludes are prepared on a connection: they come before all that could fail, so asking for it is having it. */
const preparedOn = new WeakMap<WireConnection, Set<string>>();

function isPrepared(connection: WireConnection, name: string | undefined): boolean {
  if (name === undefined) return false;
  const prepared = preparedOn.get(connection);
  if (prepared?.has(name)) return true;
  preparedOn.set(connection, new Set([...(prepared ?? []), name]));
  return false;
}

/** Statements that recur are prepared once per connection; beyond this many texts the rest stay unnamed. */
const mostNamedStatements = 500;
const names = new Map<string, string>();

function statementName(text: string): string | undefined {
  const known = names.get(text);
  if (known || names.size >= mostNamedStatements) return known;
  const name = `g_${createHash('sha256').update(text).digest('hex').slice(0, 24)}`;
  names.set(text, name);
  return name;
}

/** For the few tables without a tenant (`tenants`) and the functions that cross tenants. */
export type SystemDatabase = Kysely<Pick<Database, 'tenants'>>;
