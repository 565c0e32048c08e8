import { ActivityFailure } from '@temporalio/workflow';
import type { AmendmentInput } from '../activities/contract.ts';
import { errorOf } from './failures.ts';
import { amendTarget, closeAmendment, listAmendments, noteAmendmentFailed } from './proxies.ts';

/** Has each target say what was approved, by itself; where one cannot, its row says why. */
export async function amendmentWorkflow(input: AmendmentInput): Promise<void> {
  for (const targetId of await listAmendments(input)) {
    try {
      await amendTarget({ ...input, targetId });
    } catch (error) {
      if (!(error instanceof ActivityFailure)) throw error;
      await noteAmendmentFailed({ ...input, targetId, error: errorOf(error) });
    }
  }
  await closeAmendment(input);
}
