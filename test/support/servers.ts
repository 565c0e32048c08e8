import { databasePasswords } from '../../testing/database.ts';
import type { Servers } from '../../testing/servers.ts';

/** Where the servers of this test run are: all of them. */
export interface TestEndpoints extends Servers {
  readonly temporalAddress: string;
  readonly temporalTestServerPath: string;
}

export { templateDatabase } from '../../testing/database.ts';
export const testPasswords = databasePasswords;
