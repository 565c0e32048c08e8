import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The sandbox as `gatepost sandbox` runs it, in a process of its own. */
export interface SandboxProcess {
  /** Without a slash at the end. */
  readonly url: string;
  readonly stop: () => Promise<void>;
}

const cli = fileURLToPath(new URL('../../cli/gatepost.ts', import.meta.url));
const readyWithinMs = 30_000;
const endsWithinMs = 5_000;

export async function startSandboxProcess(): Promise<SandboxProcess> {
  const stateDir = await mkdtemp(join(tmpdir(), 'gatepost-sandbox-'));
  const child = spawn(
    process.execPath,
    ['--import', 'tsx', cli, 'sandbox', '--port', '0', '--state-dir', stateDir],
    { env: { PATH: process.env.PATH, HOME: process.env.HOME }, stdio: ['ignore', 'pipe', 'pipe'] },
  );
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const stop = async () => {
    child.kill('SIGTERM');
    const force = setTimeout(() => child.kill('SIGKILL'), endsWithinMs);
    await exited;
    clearTimeout(force);
    await rm(stateDir, { recursive: true, force: true });
  };
  let output = '';
  const listening = new Promise<string>((resolve, reject) => {
    const fail = (why: string) => reject(new Error(`The sandbox ${why}:\n${output}`));
    const timer = setTimeout(() => fail('was not ready in time'), readyWithinMs);
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk) => {
        output += chunk;
        const [, url] = /^The sandbox listens at (\S+)$/m.exec(output) ?? [];
        if (!url) return;
        clearTimeout(timer);
        resolve(url);
      });
    void exited.then(() => {
      clearTimeout(timer);
      fail('ended before it was ready');
    });
  });
  try {
    return { url: await listening, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}
