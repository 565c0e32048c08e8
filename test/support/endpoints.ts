import { readFileSync } from 'node:fs';
import type { TestEndpoints } from './servers.ts';

/** The servers that the run's global set-up started. */
export function testEndpoints(): TestEndpoints {
  const file = process.env.GATEPOST_TEST_SERVERS;
  if (!file) throw new Error('The test servers are not running: start the tests with `npm test`');
  return JSON.parse(readFileSync(file, 'utf8')) as TestEndpoints;
}
