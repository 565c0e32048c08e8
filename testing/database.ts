import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { addressOf, bootstrapDatabase } from '../db/bootstrap.ts';
import { migrateToLatest } from '../db/migrate.ts';

/** A database of its own, with every migration applied. */
export interface Database {
  readonly name: string;
  readonly superuserUrl: string;
  readonly migratorUrl: string;
  readonly apiUrl: string;
  readonly workerUrl: string;
  readonly drop: () => Promise<void>;
}

export const templateDatabase = 'gatepost_template';
/** Of servers that hold nothing but made-up data, and listen to this machine alone. */
export const databasePasswords = {
  gatepost_migrator: 'migrator',
  gatepost_api: 'api',
  gatepost_worker: 'worker',
} as const;

/** Makes the migrated database that every environment clones. May run twice. */
export async function prepareTemplate(superuserUrl: string): Promise<void> {
  const urls = await bootstrapDatabase({
    superuserUrl,
    database: templateDatabase,
    passwords: databasePasswords,
  });
  await migrateToLatest(urls.gatepost_migrator);
}

/** Clones the migrated template: a real PostgreSQL database in some 50 ms. */
export async function cloneDatabase(superuserUrl: string): Promise<Database> {
  const name = `test_${randomUUID().replaceAll('-', '')}`;
  await run(superuserUrl, `create database ${name} template ${templateDatabase} owner gatepost_migrator`);
  const as = (user: keyof typeof databasePasswords) =>
    addressOf(superuserUrl, { database: name, user, password: databasePasswords[user] });
  return {
    name,
    superuserUrl: addressOf(superuserUrl, { database: name }),
    migratorUrl: as('gatepost_migrator'),
    apiUrl: as('gatepost_api'),
    workerUrl: as('gatepost_worker'),
    drop: () => run(superuserUrl, `drop database ${name} with (force)`),
  };
}

/** Two may clone at once, and a template must have no other session: try again while the other is at it. */
async function run(url: string, statement: string): Promise<void> {
  for (let left = 50; ; left -= 1) {
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    try {
      await client.query(statement);
      return;
    } catch (error) {
      const busy = error instanceof pg.DatabaseError && error.code === '55006';
      if (!busy || left === 0) throw error;
      await new Promise((resolve) => setTimeout(resolve, 100));
    } finally {
      await client.end();
    }
  }
}
