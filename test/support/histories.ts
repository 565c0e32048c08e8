import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { historyToJSON } from '@temporalio/common/lib/proto-utils.js';
import { decodeHistory, replayHistory } from '../../cli/replay.ts';
import { postWorkflowId } from '../../workflows/ids.ts';
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
  const handle = world.client.workflow.getHandle(postWorkflowId(world.tenantId, postId));
  const history = await handle.fetchHistory();
  await decodeHistory(history, world.codec);
  const text = historyToJSON(history as never);
  const file = join(historiesFolder, `${name}.json`);
  if (process.env.GATEPOST_RECORD_HISTORIES && !existsSync(file)) {
    await mkdir(historiesFolder, { recursive: true });
    await writeFile(file, text);
  }
  return replayHistory(text, { bundlePath });
}
