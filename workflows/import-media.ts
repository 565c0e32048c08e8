import { ActivityFailure, isCancellation } from '@temporalio/workflow';
import type { ImportMediaInput } from './messages.ts';
import { giveUpImport, importMedia } from './proxies.ts';

/** Fetches a medium from its address. However it ends, but for a termination, the medium is decided. */
export async function importMediaWorkflow(input: ImportMediaInput): Promise<void> {
  try {
    await importMedia(input);
  } catch (error) {
    if (!(error instanceof ActivityFailure) || isCancellation(error)) throw error;
    await giveUpImport(input);
  }
}
