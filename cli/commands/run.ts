import { rm, writeFile } from 'node:fs/promises';
import { type Environment, readApiConfig, readWorkerConfig } from '../config.ts';

/** Runs until it is asked to stop, then stops in order. A second signal does no harm. */
async function untilSignal(stop: () => Promise<void>): Promise<void> {
  await new Promise<void>((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => resolve());
  });
  await stop();
}

export async function runApi(environment: Environment): Promise<void> {
  const { startApi } = await import('../processes/api.ts');
  const api = await startApi(readApiConfig(environment));
  await untilSignal(() => api.stop());
}

export async function runWorker(
  environment: Environment,
  { readyFile }: { readyFile?: string },
): Promise<void> {
  const config = readWorkerConfig(environment);
  const { startWorker } = await import('../processes/worker.ts');
  if (readyFile) await rm(readyFile, { force: true });
  const worker = await startWorker(config, config.GATEPOST_WORKFLOW_BUNDLE ?? (await builtBundle()));
  if (readyFile) await writeFile(readyFile, String(process.pid));
  await Promise.race([worker.done, untilSignal(() => worker.stop())]);
  if (readyFile) await rm(readyFile, { force: true });
}

/** Compiled code carries its bundle; sources build one when they have changed. */
async function builtBundle(): Promise<string> {
  const { provideWorkflowBundle } = await import('../workflow-bundle.ts');
  const { cacheDir } = await import('../local/local-stack.ts');
  return provideWorkflowBundle(cacheDir);
}

export interface SandboxCommandOptions {
  readonly port: number;
  readonly host: string;
  readonly stateDir: string;
  readonly publicUrl?: string;
}

export async function runSandbox(options: SandboxCommandOptions): Promise<void> {
  const { startSandbox } = await import('../../sandbox/server.ts');
  const sandbox = await startSandbox(options);
  process.stdout.write(`The sandbox listens at ${sandbox.url}\n`);
  await untilSignal(() => sandbox.stop());
}
