/** Workflow ids: built here and nowhere else. An id is the lock that keeps a post to one run. */

const postPrefix = 'post';
const pokePrefix = 'poke';
const tokenPrefix = 'token';
const tenantPrefixes = [postPrefix, pokePrefix, tokenPrefix];

export const postWorkflowId = (tenantId: string, postId: string): string =>
  `${postPrefix}/${tenantId}/${postId}`;

export const pokeWorkflowId = ({ tenantId, requestId }: { tenantId: string; requestId: string }): string =>
  `${pokePrefix}/${tenantId}/${requestId}`;

/** One refresh of a grant at a time. */
export const tokenWorkflowId = ({ tenantId, grantId }: { tenantId: string; grantId: string }): string =>
  `${tokenPrefix}/${tenantId}/${grantId}`;

/** The tenant a workflow id belongs to; `null` for the system's own workflows. */
export function tenantOfWorkflowId(workflowId: string): string | null {
  const [prefix, tenantId] = workflowId.split('/');
  return tenantPrefixes.some((one) => one === prefix) && tenantId ? tenantId : null;
}

/** Workflows and their short activities. */
export const mainTaskQueue = 'gatepost';
/** Armed waits and commits: long, cheap, many at once, so they never hold up the queue above. */
export const releaseTaskQueue = 'gatepost-release';

/** Refreshes of tokens: whoever waits for one holds a place in another queue, so none of them waits for a place here. */
export const tokenTaskQueue = 'gatepost-tokens';

export const cleanUpScheduleId = 'gatepost-connections';
export const maintenanceScheduleId = 'gatepost-maintenance';
