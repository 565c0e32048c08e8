import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { searchAttributeTypes } from '../../cli/search-attributes.ts';
import { startStack } from '../../cli/stack/index.ts';
import { provisionAll } from '../../cli/stack/provision/index.ts';
import { provideWorkflowBundle } from '../../cli/workflow-bundle.ts';
import { bootstrapDatabase } from '../../db/bootstrap.ts';
import { migrateToLatest } from '../../db/migrate.ts';

/** Where the servers of this test run are. */
export interface TestEndpoints {
  readonly temporalAddress: string;
  readonly temporalTestServerPath: string;
  readonly superuserUrl: string;
  readonly s3: {
    endpoint: string;
    region: string;
    accessKeyId: string;
    secretAccessKey: string;
    bucket: string;
  };
  readonly workflowBundlePath: string;
}

export const templateDatabase = 'gatepost_template';
export const testPasswords = {
  gatepost_migrator: 'migrator',
  gatepost_api: 'api',
  gatepost_worker: 'worker',
} as const;

const cacheDir = fileURLToPath(new URL('../../.cache/', import.meta.url));

/** Provides what is missing, starts the servers, and migrates the database that each test file clones. */
export async function startTestServers(
  stateDir: string,
): Promise<{ endpoints: TestEndpoints; stop: () => Promise<void> }> {
  const report = (line: string) => process.stderr.write(`${line}\n`);
  const { temporalTestServer } = await provisionAll({ cacheDir, report, env: process.env });
  if (!temporalTestServer) throw new Error('The time-skipping test server was not provided');
  const stack = await startStack({
    stateDir: join(stateDir, 'stack'),
    cacheDir,
    report,
    env: process.env,
    temporal: { memory: true, headless: true, searchAttributes: searchAttributeTypes },
    postgres: { durable: false },
  });
  const urls = await bootstrapDatabase({
    superuserUrl: stack.postgres.superuserUrl,
    database: templateDatabase,
    passwords: testPasswords,
  });
  await migrateToLatest(urls.gatepost_migrator);
  return {
    endpoints: {
      temporalAddress: stack.temporal.address,
      temporalTestServerPath: temporalTestServer.executablePath,
      superuserUrl: stack.postgres.superuserUrl,
      s3: { ...stack.s3 },
      workflowBundlePath: await provideWorkflowBundle(cacheDir),
    },
    async stop() {
      await stack.stop();
      await rm(stateDir, { recursive: true, force: true });
    },
  };
}
