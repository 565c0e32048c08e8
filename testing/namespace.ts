import { randomUUID } from 'node:crypto';
import { Client, Connection } from '@temporalio/client';
import { searchAttributeTypes } from '../cli/search-attributes.ts';
import { ensureSearchAttributes } from '../cli/stack/servers/temporal.ts';

/** A namespace of one environment on a shared server: its task queues are nobody else's. */
export async function registerNamespace(address: string): Promise<string> {
  const namespace = `testing-${randomUUID()}`;
  const connection = await Connection.connect({ address });
  try {
    await connection.workflowService.registerNamespace({
      namespace,
      workflowExecutionRetentionPeriod: { seconds: 86_400 as never },
    });
    await untilKnown(async () => {
      await ensureSearchAttributes({ address, namespace, searchAttributes: searchAttributeTypes });
      await new Client({ connection, namespace }).workflow.count(
        'PostStatus = "DRAFT" AND TenantId = "none"',
      );
    });
  } finally {
    await connection.close();
  }
  return namespace;
}

/** A new namespace reaches the server's own caches a moment later. */
async function untilKnown(work: () => Promise<void>): Promise<void> {
  for (let left = 200; ; left -= 1) {
    try {
      return await work();
    } catch (error) {
      if (left === 0) throw error;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}
