import { AssertionError } from 'node:assert';
import type { Client } from '@temporalio/client';
import type { PayloadCodec } from '@temporalio/common';
import { historyToJSON } from '@temporalio/common/lib/proto-utils.js';
import { decodeHistory, replayHistory } from '../cli/replay.ts';
import { postWorkflowId } from '../workflows/ids.ts';
import type { Environment } from './environment.ts';
import type { Post } from './posts.ts';
import type { Runs } from './runs.ts';

export interface ReplayOptions {
  /** Other workflow code than the present: a bundle's path. */
  readonly bundlePath?: string;
}

/** What the runs leave at Temporal, and whether workflow code still agrees with it. */
export interface Histories {
  /** The present workflow code, bundled: a file. */
  readonly bundlePath: string;
  /** The history of a post's run, or of another by its workflow id, as JSON, decoded: what the Web UI's download holds. */
  readonly capture: (run: Pick<Post, 'id'> | { readonly workflowId: string }) => Promise<string>;
  /** Replays a post's history, or a captured one; throws an `AssertionError` that says what differs. */
  readonly replay: (history: Pick<Post, 'id'> | string, options?: ReplayOptions) => Promise<void>;
}

/** Fetches a run's history as JSON, with its payloads opened. */
export async function captureHistory(
  { client, codec }: { client: Client; codec: PayloadCodec },
  workflowId: string,
): Promise<string> {
  const handle = client.workflow.getHandle(workflowId);
  const history = await handle.fetchHistory();
  await decodeHistory(history, codec);
  return historyToJSON(history as never);
}

export function createHistories(environment: Environment, runs: Runs, tenantId: string): Histories {
  const access = { client: environment.temporal.client, codec: environment.codec };
  const capture: Histories['capture'] = async (run) => {
    // A task under way is one that the replay would go on with, beyond what the history holds.
    await runs.untilQuiet();
    return captureHistory(access, 'id' in run ? postWorkflowId(tenantId, run.id) : run.workflowId);
  };
  const currentBundle = environment.servers.workflowBundlePath;
  return {
    bundlePath: currentBundle,
    capture,
    async replay(history, { bundlePath = currentBundle } = {}) {
      const text = typeof history === 'string' ? history : await capture(history);
      const difference = await replayHistory(text, { bundlePath });
      if (difference === null) return;
      throw new AssertionError({ message: `The history does not replay with ${bundlePath}: ${difference}` });
    },
  };
}
