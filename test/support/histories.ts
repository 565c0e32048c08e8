import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { replayHistory } from '../../cli/replay.ts';
import { captureHistory } from '../../testing/histories.ts';
import { testEndpoints } from './endpoints.ts';
import type { World } from './world.ts';

export const historiesFolder = fileURLToPath(new URL('../histories/', import.meta.url));

/**
 * Fetches a run's history, opened, and replays it at once. With GATEPOST_RECORD_HISTORIES set, a history that is not
 * there yet is added to the committed ones; one that is there is never replaced.
 */
export async function replayNow(
  world: Pick<World, 'client' | 'tenantId' | 'codec'>,
  postId: string,
  name: string,
  bundlePath: string = testEndpoints().workflowBundlePath,
): Promise<string | null> {
  const text = await captureHistory(world, world.tenantId, postId);
  const file = join(historiesFolder, `${name}.json`);
  if (process.env.GATEPOST_RECORD_HISTORIES && !existsSync(file)) {
    await mkdir(historiesFolder, { recursive: true });
    await writeFile(file, text);
  }
  return replayHistory(text, { bundlePath });
}
