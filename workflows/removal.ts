import { ActivityFailure, ApplicationFailure } from '@temporalio/workflow';
import type { RemovalInput } from '../activities/contract.ts';
import { closeRemovalRequest, listRemovals, noteRemovalFailed, removePublication } from './proxies.ts';

/** Takes down what somebody wants taken down; each publication by itself, and what fails says why. */
export async function removalWorkflow(input: RemovalInput): Promise<void> {
  for (const publicationId of await listRemovals(input)) {
    try {
      await removePublication({ ...input, publicationId });
    } catch (error) {
      if (!(error instanceof ActivityFailure)) throw error;
      const { cause } = error;
      const code = cause instanceof ApplicationFailure && cause.type ? cause.type : 'unavailable';
      const message = cause instanceof Error ? cause.message : String(cause);
      await noteRemovalFailed({ ...input, publicationId, error: { code, message: message.slice(0, 500) } });
    }
  }
  await closeRemovalRequest(input);
}
