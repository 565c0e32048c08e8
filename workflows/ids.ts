/** Workflow ids: built here and nowhere else. An id is the lock that keeps a post to one run. */

const postPrefix = 'post';
const pokePrefix = 'poke';
const importPrefix = 'import';

export const postWorkflowId = (tenantId: string, postId: string): string =>
  `${postPrefix}/${tenantId}/${postId}`;

export const pokeWorkflowId = ({ tenantId, requestId }: { tenantId: string; requestId: string }): string =>
  `${pokePrefix}/${tenantId}/${requestId}`;

export const importWorkflowId = ({ tenantId, mediaId }: { tenantId: string; mediaId: string }): string =>
  `${importPrefix}/${tenantId}/${mediaId}`;

/** The tenant a workflow id belongs to; `null` for the system's own workflows. */
export function tenantOfWorkflowId(workflowId: string): string | null {
  const [prefix = '', tenantId] = workflowId.split('/');
  return [postPrefix, pokePrefix, importPrefix].includes(prefix) && tenantId ? tenantId : null;
}

/** Workflows and their short activities. */
export const mainTaskQueue = 'gatepost';
/** Armed waits and commits: long, cheap, many at once, so they never hold up the queue above. */
export const releaseTaskQueue = 'gatepost-release';

export const maintenanceScheduleId = 'gatepost-maintenance';
