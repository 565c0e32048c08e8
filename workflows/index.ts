export { amendmentWorkflow } from './amendment.ts';
export { importMediaWorkflow } from './import-media.ts';
export { maintenanceWorkflow } from './maintenance.ts';
export { partsWorkflow } from './parts.ts';
export { pokeWorkflow } from './poke.ts';
export { postWorkflow } from './post.ts';
export { removalWorkflow } from './removal.ts';
export { cleanUpConnectionsWorkflow, tokenSweepWorkflow, tokenWorkflow } from './tokens.ts';
