import { readFile } from 'node:fs/promises';
import type { PayloadCodec } from '@temporalio/common';
import { createPayloadCodec } from '../../adapters/secrets/payload-codec.ts';
import { openPool } from '../../db/pool.ts';
import { parseKeyring } from '../config.ts';
import { cacheDir } from '../local/local-stack.ts';
import { readRunning } from '../local/running.ts';
import { installQuietRuntime, replayHistory } from '../replay.ts';
import { openEnvelopes, payloadKeys } from '../wiring.ts';
import { provideWorkflowBundle } from '../workflow-bundle.ts';
import { stateDir } from './state-dir.ts';

/** Replays histories against the present workflow code; exits 1 when any differs. */
export async function replay(files: readonly string[]): Promise<void> {
  installQuietRuntime();
  const bundlePath = await provideWorkflowBundle(cacheDir);
  const { codec, close } = await localCodec();
  let failed = 0;
  for (const file of files) {
    const problem = await replayFile(file, bundlePath, codec);
    process.stdout.write(problem === null ? `replays  ${file}\n` : `FAILS    ${file}\n         ${problem}\n`);
    if (problem !== null) failed += 1;
  }
  await close();
  if (failed > 0) process.exitCode = 1;
}

async function replayFile(
  file: string,
  bundlePath: string,
  codec: PayloadCodec | undefined,
): Promise<string | null> {
  try {
    return await replayHistory(await readFile(file, 'utf8'), { bundlePath, codec });
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** While the local stack runs, its keys open what was downloaded encrypted. */
async function localCodec(): Promise<{ codec?: PayloadCodec; close: () => Promise<void> }> {
  const running = await readRunning(stateDir);
  if (!running) return { close: async () => {} };
  const pool = openPool({
    connectionString: running.workerDatabaseUrl,
    max: 2,
    applicationName: 'gatepost-replay',
    onIdleError: () => {},
  });
  const config = { GATEPOST_KEYS: parseKeyring(running.keys) };
  const codec = createPayloadCodec(payloadKeys(config, pool, openEnvelopes(config)));
  return { codec, close: () => pool.end() };
}
