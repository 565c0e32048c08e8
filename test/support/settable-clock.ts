import type pg from 'pg';

/** A database whose clock can be put forward and back while everything else goes on. */
export interface SettableClock {
  /** How far the clock is ahead of the true time, as PostgreSQL writes intervals: `1 hour`, `-1 hour`. */
  readonly set: (ahead: string) => Promise<void>;
}

/**
 * Puts a `clock_timestamp()` of its own before PostgreSQL's, for every session of this database that begins from now
 * on: statements that ask for the time get the set one, and need not know of it. Defaults of columns keep the true time.
 */
export async function makeClockSettable(superuser: pg.Client, databaseName: string): Promise<SettableClock> {
  await superuser.query(`
    create schema settable_clock;
    create table settable_clock.setting (ahead interval not null);
    insert into settable_clock.setting values ('0');
    create function settable_clock.clock_timestamp() returns timestamptz
      language sql volatile security definer set search_path = ''
      as 'select pg_catalog.clock_timestamp() + ahead from settable_clock.setting';
    grant usage on schema settable_clock to public;
    alter database ${databaseName} set search_path = settable_clock, pg_catalog, public;
  `);
  return {
    set: async (ahead) => {
      await superuser.query('update settable_clock.setting set ahead = $1::interval', [ahead]);
    },
  };
}
