import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Failpoint } from '../../activities/dependencies.ts';
import { testEndpoints } from './endpoints.ts';
import { eventually, testKeys, type World } from './world.ts';

/** A worker as it runs in production, in a process of its own that can be killed and stopped. */
export interface WorkerProcess {
  readonly processId: number;
  readonly exited: Promise<NodeJS.Signals | number | null>;
  readonly log: () => Promise<string>;
  /** SIGKILL: nothing of it gets to run. */
  readonly kill: () => Promise<void>;
  readonly pause: () => void;
  readonly resume: () => void;
}

const cli = fileURLToPath(new URL('../../cli/gatepost.ts', import.meta.url));

export async function startWorkerProcess(
  world: World,
  failpoint?: `${Failpoint}` | `${Failpoint}:${number}`,
): Promise<WorkerProcess> {
  const endpoints = testEndpoints();
  const folder = await mkdtemp(join(tmpdir(), 'gatepost-worker-'));
  const readyFile = join(folder, 'ready');
  const lines: string[] = [];
  const child = spawn(process.execPath, ['--import', 'tsx', cli, 'worker', '--ready-file', readyFile], {
    env: {
      PATH: process.env.PATH,
      HOME: process.env.HOME,
      LOG_LEVEL: 'warn',
      TEMPORAL_ADDRESS: endpoints.temporalAddress,
      TEMPORAL_NAMESPACE: world.environment.namespace ?? 'default',
      GATEPOST_KEYS: `test:${testKeys.keys.test.toString('base64')}`,
      GATEPOST_WORKER_DATABASE_URL: world.database.workerUrl,
      GATEPOST_WORKFLOW_BUNDLE: endpoints.workflowBundlePath,
      GATEPOST_STICKY_TIMEOUT_MS: '1000',
      GATEPOST_FAILPOINT: failpoint ?? '',
      S3_ENDPOINT: endpoints.s3.endpoint,
      S3_BUCKET: endpoints.s3.bucket,
      S3_ACCESS_KEY_ID: endpoints.s3.accessKeyId,
      S3_SECRET_ACCESS_KEY: endpoints.s3.secretAccessKey,
      SANDBOX_URL: world.sandbox.url,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => lines.push(String(chunk)));
  const exited = whenExited(child).finally(() => rm(folder, { recursive: true, force: true }));
  await Promise.race([
    eventually(async () => existsSync(readyFile) && (await readFile(readyFile, 'utf8')) !== '', 30_000),
    exited.then(() => Promise.reject(new Error(`The worker ended before it was ready:\n${lines.join('')}`))),
  ]);
  return {
    processId: child.pid!,
    exited,
    log: async () => lines.join(''),
    async kill() {
      child.kill('SIGCONT');
      child.kill('SIGKILL');
      await exited;
    },
    pause: () => void child.kill('SIGSTOP'),
    resume: () => void child.kill('SIGCONT'),
  };
}

const whenExited = (child: ChildProcess): Promise<NodeJS.Signals | number | null> =>
  new Promise((resolve) => child.once('exit', (code, signal) => resolve(signal ?? code)));
