import { ActivityFailure } from '@temporalio/workflow';
import type { RemovalInput } from '../activities/contract.ts';
import { errorOf } from './failures.ts';
import { closeRemovalRequest, listRemovals, noteRemovalFailed, removePublication } from './proxies.ts';

/** Takes down what somebody wants taken down; each publication by itself, and what fails says why. */
export async function removalWorkflow(input: RemovalInput): Promise<void> {
  for (const publicationId of await listRemovals(input)) {
    try {
      await removePublication({ ...input, publicationId });
    } catch (error) {
      if (!(error instanceof ActivityFailure)) throw error;
      await noteRemovalFailed({ ...input, publicationId, error: errorOf(error) });
    }
  }
  await closeRemovalRequest(input);
}
