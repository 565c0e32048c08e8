import { setTimeout as sleep } from 'node:timers/promises';
import { type Client, WorkflowNotFoundError } from '@temporalio/client';
import proto from '@temporalio/proto';
import type { RefreshGrantInput } from '../activities/contract.ts';
import type { RunDescription, RunDirectory } from '../activities/maintenance.ts';
import { createPostRuns } from '../api/post-runs.ts';
import { mainTaskQueue, postWorkflowId, tokenWorkflowId } from '../workflows/ids.ts';
import { type PostWorkflowInput, pokeSignal, tokenWorkflowType } from '../workflows/messages.ts';

/** How long one question to Temporal may take: a sweep asks many. */
const withinMs = 5_000;

/** Temporal as maintenance sees it: start a run, and learn whether one is open. */
export function createRunDirectory(client: Client): RunDirectory {
  const postRuns = createPostRuns(client);
  return {
    start: (input) => postRuns.start(input as PostWorkflowInput),
    startPoke: (input) => postRuns.pokeAll(input),
    startParts: (input) => postRuns.startParts(input),
    startRemoval: (input) => postRuns.startRemoval(input),
    startAmendment: (input) => postRuns.startAmendment(input),
    startImport: (input) => postRuns.importMedia(input),
    async poke(tenantId, postId) {
      const handle = client.workflow.getHandle(postWorkflowId(tenantId, postId));
      try {
        await client.withDeadline(Date.now() + withinMs, () => handle.signal(pokeSignal));
      } catch (error) {
        if (!(error instanceof WorkflowNotFoundError)) throw error;
      }
    },
    startRefresh: (input) => startRefresh(client, input),
    async refresh(input) {
      await startRefresh(client, input);
      const handle = client.workflow.getHandle(tokenWorkflowId(input));
      const deadline = Date.now() + refreshWithinMs;
      // Not by its result: where tests skip time, waiting for that would skip on.
      for (;;) {
        const { status } = await client.withDeadline(Date.now() + withinMs, () => handle.describe());
        if (status.name !== 'RUNNING') return true;
        if (Date.now() > deadline) return false;
        await sleep(lookAgainAfterMs);
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

/** How long a post waits for the refresh of its token, before it tries later. */
const refreshWithinMs = 45_000;
const lookAgainAfterMs = 100;

/** One refresh per grant at a time: whoever comes meanwhile gets the one that is under way. */
async function startRefresh(client: Client, input: RefreshGrantInput): Promise<void> {
  await client.withDeadline(Date.now() + withinMs, () =>
    client.workflow.start(tokenWorkflowType, {
      workflowId: tokenWorkflowId(input),
      taskQueue: mainTaskQueue,
      args: [input],
      workflowIdReusePolicy: 'ALLOW_DUPLICATE',
      workflowIdConflictPolicy: 'USE_EXISTING',
      staticSummary: 'Renews the tokens of a grant',
    }),
  );
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
