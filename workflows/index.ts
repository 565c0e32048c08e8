export { maintenanceWorkflow } from './maintenance.ts';
export { pokeWorkflow } from './poke.ts';
export { postWorkflow } from './post.ts';
export { cleanUpConnectionsWorkflow, tokenSweepWorkflow, tokenWorkflow } from './tokens.ts';
