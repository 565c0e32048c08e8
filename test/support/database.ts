import { cloneDatabase, type Database } from '../../testing/database.ts';
import { testEndpoints } from './endpoints.ts';
import type { TestEndpoints } from './servers.ts';

/** A database of a test file's own, with every migration applied. */
export type TestDatabase = Database;

/** Clones the migrated template: a real PostgreSQL database in some 50 ms. */
export const startTestDatabase = (
  { superuserUrl }: Pick<TestEndpoints, 'superuserUrl'> = testEndpoints(),
): Promise<TestDatabase> => cloneDatabase(superuserUrl);
