import { WorkflowExecutionAlreadyStartedError, WorkflowIdReusePolicy } from '@temporalio/common';
import { ParentClosePolicy, startChild } from '@temporalio/workflow';
import { partsWorkflowId } from './ids.ts';
import type { PartsWorkflowInput } from './messages.ts';
import { partsWorkflow } from './parts.ts';

/** What follows a post goes its own way: whatever becomes of it, the post is out. */
export async function startParts(input: PartsWorkflowInput): Promise<void> {
  try {
    await startChild(partsWorkflow, {
      workflowId: partsWorkflowId(input, input.cycle),
      args: [input],
      parentClosePolicy: ParentClosePolicy.ABANDON,
      workflowIdReusePolicy: WorkflowIdReusePolicy.REJECT_DUPLICATE,
      staticSummary: `follows ${input.targetId}`,
    });
  } catch (error) {
    // A run that was put back meets the parts that its former life has started.
    if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
  }
}
