// Starts the servers of a test run once: PostgreSQL, Temporal (in memory) and S3, all real, none durable.
// Plain JavaScript that registers tsx first: Jest does not transform what a global set-up imports.
import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { register } from 'tsx/esm/api';

export default async function setUp() {
  const unregister = register();
  const { startTestServers } = await import('./servers.ts');
  const stateDir = await mkdtemp(join(tmpdir(), 'gatepost-test-'));
  const servers = await startTestServers(stateDir);
  await unregister();
  const file = join(stateDir, 'servers.json');
  await writeFile(file, JSON.stringify(servers.endpoints), { mode: 0o600 });
  process.env.GATEPOST_TEST_SERVERS = file;
  globalThis.stopTestServers = servers.stop;
  // A run that is called off has no tear-down: its servers must not outlive it.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'])
    process.once(signal, () => servers.stop().finally(() => process.exit(1)));
}
