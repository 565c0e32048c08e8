import pg from 'pg';
import { type SystemDatabase, withoutTenant } from './tenant-database.ts';

// bigint columns here are sizes and identity ids, far below 2^53.
pg.types.setTypeParser(pg.types.builtins.INT8, Number);

export interface PoolOptions {
  readonly connectionString: string;
  /** Most connections of this process (default 10). */
  readonly max?: number;
  /** Shown in `pg_stat_activity`. */
  readonly applicationName: string;
  /** How long the server works on one statement (default 10 s). */
  readonly statementTimeoutMs?: number;
  /** Told of errors on idle connections; the pool replaces them by itself. */
  readonly onIdleError: (error: Error) => void;
}

/** What an answer may take on its way, before a connection is given up. */
const answerMarginMs = 2_000;

/**
 * Opens a pool. Waiting for a connection is bounded at 5 s, and so is a statement, so that nothing hangs on the database: a
 * connection that went dumb is lent out again to nobody once its statement's time and two seconds are over.
 */
export function openPool(options: PoolOptions): pg.Pool {
  const { statementTimeoutMs = 10_000 } = options;
  const pool = new pg.Pool({
    connectionString: options.connectionString,
    max: options.max ?? 10,
    application_name: options.applicationName,
    connectionTimeoutMillis: 5_000,
    statement_timeout: statementTimeoutMs,
    lock_timeout: 5_000,
    query_timeout: statementTimeoutMs + answerMarginMs,
    idle_in_transaction_session_timeout: 15_000,
    keepAlive: true,
  });
  pool.on('error', options.onIdleError);
  // A connection that breaks while it is lent out, between two statements, tells nobody but its own listeners, and an
  // error without a listener ends the process. Whoever holds it learns of it with the next statement.
  pool.on('connect', (client) => client.on('error', () => {}));
  return pool;
}

/** The handle for tables without a tenant. */
export const systemDatabase = (pool: pg.Pool): SystemDatabase => withoutTenant(pool);
