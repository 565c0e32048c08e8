import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { replayHistory } from '../../cli/replay.ts';
import { testEndpoints } from './endpoints.ts';
import type { World } from './world.ts';

export const historiesFolder = fileURLToPath(new URL('../histories/', import.meta.url));

/** Fetches the history of a post's run at rest, or of another by its workflow id, opened, and replays it at once. */
export async function replayNow(
  world: Pick<World, 'gatepost'>,
  run: string | { readonly workflowId: string },
  name: string,
): Promise<string | null> {
  const text = await world.gatepost.histories.capture(typeof run === 'string' ? { id: run } : run);
  return replayAndKeep(text, name, testEndpoints().workflowBundlePath);
}

/**
 * Replays a history. With GATEPOST_RECORD_HISTORIES set, one that is not there yet is added to the committed ones; one that
 * is there is never replaced.
 */
export async function replayAndKeep(text: string, name: string, bundlePath: string): Promise<string | null> {
  const file = join(historiesFolder, `${name}.json`);
  if (process.env.GATEPOST_RECORD_HISTORIES && !existsSync(file)) {
    await mkdir(historiesFolder, { recursive: true });
    await writeFile(file, text);
  }
  return replayHistory(text, { bundlePath });
}
