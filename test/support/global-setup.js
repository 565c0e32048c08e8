// Starts the servers of a test run once: PostgreSQL, Temporal (in memory) and S3, all real, none durable.
// Plain JavaScript that registers tsx first: Jest does not transform what a global set-up imports.
import { register } from 'tsx/esm/api';

export default async function setUp() {
  const unregister = register();
  const { startServers, stopOnSignal } = await import('../../testing/servers.ts');
  const { share, stop } = await startServers({ environment: process.env });
  await unregister();
  await share();
  globalThis.stopTestServers = stop;
  // A run that is called off has no tear-down: its servers must not outlive it.
  stopOnSignal(stop);
}
