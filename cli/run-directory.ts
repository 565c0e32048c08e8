import { type Client, WorkflowNotFoundError } from '@temporalio/client';
import proto from '@temporalio/proto';
import type { RunDescription, RunDirectory } from '../activities/maintenance.ts';
import { createPostRuns } from '../api/post-runs.ts';
import { postWorkflowId } from '../workflows/ids.ts';
import { type PostWorkflowInput, pokeSignal } from '../workflows/messages.ts';

/** How long one question to Temporal may take: a sweep asks many. */
const withinMs = 5_000;

/** Temporal as maintenance sees it: start a run, and learn whether one is open. */
export function createRunDirectory(client: Client): RunDirectory {
  const postRuns = createPostRuns(client);
  return {
    start: (input) => postRuns.start(input as PostWorkflowInput),
    startPoke: (input) => postRuns.pokeAll(input),
    startImport: (input) => postRuns.importMedia(input),
    async poke(tenantId, postId) {
      const handle = client.workflow.getHandle(postWorkflowId(tenantId, postId));
      try {
        await client.withDeadline(Date.now() + withinMs, () => handle.signal(pokeSignal));
      } catch (error) {
        if (!(error instanceof WorkflowNotFoundError)) throw error;
      }
    },
    async describe(tenantId, postId): Promise<RunDescription> {
      try {
        const handle = client.workflow.getHandle(postWorkflowId(tenantId, postId));
        const description = await client.withDeadline(Date.now() + withinMs, () => handle.describe());
        if (description.status.name === 'RUNNING') return { kind: 'running' };
        const how = description.status.name.toLowerCase();
        if (how !== 'terminated') return { kind: 'closed', how, reason: null };
        return { kind: 'closed', how, ...(await whoTerminated(client, description)) };
      } catch (error) {
        if (error instanceof WorkflowNotFoundError) return { kind: 'missing' };
        throw error;
      }
    },
  };
}

/** Who ended a run by hand and why stands in its last event alone. */
async function whoTerminated(
  client: Client,
  { workflowId, runId }: { workflowId: string; runId: string },
): Promise<{ reason: string | null; by: string | null }> {
  const { history } = await client.withDeadline(Date.now() + withinMs, () =>
    client.workflowService.getWorkflowExecutionHistory({
      namespace: client.options.namespace,
      execution: { workflowId, runId },
      historyEventFilterType:
        proto.temporal.api.enums.v1.HistoryEventFilterType.HISTORY_EVENT_FILTER_TYPE_CLOSE_EVENT,
    }),
  );
  const ended = history?.events?.at(-1)?.workflowExecutionTerminatedEventAttributes;
  return { reason: ended?.reason || null, by: ended?.identity || null };
}
