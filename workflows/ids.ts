/** Workflow ids: built here and nowhere else. An id is the lock that keeps a post to one run. */

const postPrefix = 'post';
const pokePrefix = 'poke';
const partsPrefix = 'parts';
const removalPrefix = 'removal';
const amendmentPrefix = 'amendment';
const tokenPrefix = 'token';
const importPrefix = 'import';
const prefixesOfTenants: readonly (string | undefined)[] = [
  postPrefix,
  pokePrefix,
  partsPrefix,
  removalPrefix,
  amendmentPrefix,
  tokenPrefix,
  importPrefix,
];

export const postWorkflowId = (tenantId: string, postId: string): string =>
  `${postPrefix}/${tenantId}/${postId}`;

export const pokeWorkflowId = ({ tenantId, requestId }: { tenantId: string; requestId: string }): string =>
  `${pokePrefix}/${tenantId}/${requestId}`;

export const importWorkflowId = ({ tenantId, mediaId }: { tenantId: string; mediaId: string }): string =>
  `${importPrefix}/${tenantId}/${mediaId}`;

export const removalWorkflowId = ({ tenantId, requestId }: { tenantId: string; requestId: string }): string =>
  `${removalPrefix}/${tenantId}/${requestId}`;

export const amendmentWorkflowId = ({
  tenantId,
  requestId,
}: {
  tenantId: string;
  requestId: string;
}): string => `${amendmentPrefix}/${tenantId}/${requestId}`;

/** One run brings what follows a target's post; a person's retry is another round. */
export const partsWorkflowId = (
  { tenantId, postId, targetId }: { tenantId: string; postId: string; targetId: string },
  cycle: number,
): string => `${partsPrefix}/${tenantId}/${postId}/${targetId}/${cycle}`;

/** One refresh of a grant at a time. */
export const tokenWorkflowId = ({ tenantId, grantId }: { tenantId: string; grantId: string }): string =>
  `${tokenPrefix}/${tenantId}/${grantId}`;

/** The tenant a workflow id belongs to; `null` for the system's own workflows. */
export function tenantOfWorkflowId(workflowId: string): string | null {
  const [prefix, tenantId] = workflowId.split('/');
  return prefixesOfTenants.includes(prefix) && tenantId ? tenantId : null;
}

/**
 * How long the server waits for a worker that it has given a task before it gives it to another. Tasks that are handed to
 * a worker just as it is lost come back after this time: by default that is ten seconds.
 */
export const workflowTaskTimeout = '5s';

/** Workflows and their short activities. */
export const mainTaskQueue = 'gatepost';
/** Armed waits and commits: long, cheap, many at once, so they never hold up the queue above. */
export const releaseTaskQueue = 'gatepost-release';

/** Uploads to platforms and files fetched by address: minutes long, so that however many there are, nothing due waits for a place. */
export const transferTaskQueue = 'gatepost-transfers';

/** Refreshes of tokens: whoever waits for one holds a place in another queue, so none of them waits for a place here. */
export const tokenTaskQueue = 'gatepost-tokens';

export const cleanUpScheduleId = 'gatepost-connections';
export const maintenanceScheduleId = 'gatepost-maintenance';
