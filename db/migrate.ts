import { readdir, readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { Kysely, type Migration, Migrator, PostgresDialect, sql } from 'kysely';
import pg from 'pg';

const folder = fileURLToPath(new URL('./migrations/', import.meta.url));

/**
 * Applies the numbered SQL files that have not been applied yet, in order, under a lock. Only forward: a file that has
 * been released is never changed. Answers the names of those it applied.
 *
 * Row-level security is off for the migrator's session, which makes a statement that would silently update no row
 * (the owner under FORCE) fail instead.
 */
export async function migrateToLatest(migratorUrl: string): Promise<string[]> {
  const pool = new pg.Pool({ connectionString: migratorUrl, max: 1, options: '-c row_security=off' });
  const database = new Kysely<unknown>({ dialect: new PostgresDialect({ pool }) });
  try {
    const migrator = new Migrator({ db: database, provider: { getMigrations: readMigrations } });
    const { error, results } = await migrator.migrateToLatest();
    if (error) throw error instanceof Error ? error : new Error(String(error));
    return (results ?? []).map((result) => result.migrationName);
  } finally {
    await database.destroy();
  }
}

async function readMigrations(): Promise<Record<string, Migration>> {
  const files = (await readdir(folder)).filter((file) => file.endsWith('.sql')).sort();
  const entries = files.map(async (file) => {
    const text = await readFile(new URL(`./migrations/${file}`, import.meta.url), 'utf8');
    return [
      file.replace(/\.sql$/, ''),
      {
        up: (database) =>
          sql
            .raw(text)
            .execute(database)
            .then(() => {}),
      },
    ] as [string, Migration];
  });
  return Object.fromEntries(await Promise.all(entries));
}
