import type pg from 'pg';
import type * as real from '../../../db/tenant-database.ts';

/** A world has one tenant; its pool is its rows. */
export const forTenant: typeof real.forTenant = (pool: pg.Pool) => pool as never;

export const inTransaction: typeof real.inTransaction = (database, work) => work(database as never);
