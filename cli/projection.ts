import { type Client, WorkflowNotFoundError } from '@temporalio/client';
import { listRunIds } from '../db/post-runs.ts';
import { type Difference, type RunStory, reprojectPost } from '../db/reprojection.ts';
import type { TenantDatabase } from '../db/tenant-database.ts';
import { evaluate } from '../domain/lifecycle.ts';
import { postWorkflowId } from '../workflows/ids.ts';
import { stateQuery, storyQuery } from '../workflows/messages.ts';

export type ProjectionCheck =
  | { readonly kind: 'compared'; readonly differences: readonly Difference[] }
  /** Temporal has forgotten its runs, or they were ended by hand: their rows are what there is. */
  | { readonly kind: 'no-history' };

/**
 * Compares a post's rows with what its runs' histories come to, replayed by a worker; with `isCheck` false writes what
 * differs. For posts at rest: one that moves meanwhile shows its own steps as differences.
 */
export async function checkProjection(
  client: Client,
  database: TenantDatabase,
  { tenantId, postId, isCheck }: { tenantId: string; postId: string; isCheck: boolean },
): Promise<ProjectionCheck> {
  const runIds = await listRunIds(database, postId);
  const stories: RunStory[] = [];
  for (const runId of runIds) {
    const parts = await asked(() =>
      client.workflow.getHandle(postWorkflowId(tenantId, postId), runId).query(storyQuery),
    );
    if (!parts) return { kind: 'no-history' };
    stories.push({ runId, parts });
  }
  const newestRun = runIds.at(-1);
  const handle = client.workflow.getHandle(postWorkflowId(tenantId, postId), newestRun);
  const state = newestRun && (await asked(() => handle.query(stateQuery)));
  if (!state || (await handle.describe()).status.name === 'TERMINATED') return { kind: 'no-history' };
  const newest = {
    runId: newestRun,
    state: { ...state, commands: [] },
    readiness: evaluate(state),
    timeline: [],
    decisions: [],
  };
  return { kind: 'compared', differences: await reprojectPost(database, { stories, newest, isCheck }) };
}

async function asked<Answer>(ask: () => Promise<Answer>): Promise<Answer | undefined> {
  try {
    return await ask();
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return undefined;
    throw error;
  }
}
