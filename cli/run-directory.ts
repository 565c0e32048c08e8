import { type Client, WorkflowNotFoundError } from '@temporalio/client';
import type { RunDescription, RunDirectory } from '../activities/maintenance.ts';
import { createPostRuns } from '../api/post-runs.ts';
import { postWorkflowId } from '../workflows/ids.ts';
import type { PostWorkflowInput } from '../workflows/messages.ts';

/** Temporal as maintenance sees it: start a run, and learn whether one is open. */
export function createRunDirectory(client: Client): RunDirectory {
  const postRuns = createPostRuns(client);
  return {
    start: (input) => postRuns.start(input as PostWorkflowInput),
    async describe(tenantId, postId): Promise<RunDescription> {
      try {
        const description = await client.workflow.getHandle(postWorkflowId(tenantId, postId)).describe();
        if (description.status.name === 'RUNNING') return { kind: 'running' };
        return { kind: 'closed', how: description.status.name.toLowerCase(), reason: null };
      } catch (error) {
        if (error instanceof WorkflowNotFoundError) return { kind: 'missing' };
        throw error;
      }
    },
  };
}
