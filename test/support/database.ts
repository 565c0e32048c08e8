import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { addressOf } from '../../db/bootstrap.ts';
import { testEndpoints } from './endpoints.ts';
import type { TestEndpoints } from './servers.ts';

/** A database of a test file's own, with every migration applied. */
export interface TestDatabase {
  readonly name: string;
  readonly superuserUrl: string;
  readonly migratorUrl: string;
  readonly apiUrl: string;
  readonly workerUrl: string;
  readonly drop: () => Promise<void>;
}

/** Clones the migrated template: a real PostgreSQL database in some 50 ms. */
export async function startTestDatabase(
  { superuserUrl }: Pick<TestEndpoints, 'superuserUrl'> = testEndpoints(),
): Promise<TestDatabase> {
  const name = `test_${randomUUID().replaceAll('-', '')}`;
  await run(superuserUrl, `create database ${name} template gatepost_template owner gatepost_migrator`);
  const as = (user: string, password: string) => addressOf(superuserUrl, { database: name, user, password });
  return {
    name,
    superuserUrl: addressOf(superuserUrl, { database: name }),
    migratorUrl: as('gatepost_migrator', 'migrator'),
    apiUrl: as('gatepost_api', 'api'),
    workerUrl: as('gatepost_worker', 'worker'),
    drop: () => run(superuserUrl, `drop database ${name} with (force)`),
  };
}

/** Two files may clone at once, and a template must have no other session: try again while the other is at it. */
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
