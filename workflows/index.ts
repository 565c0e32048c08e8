export { importMediaWorkflow } from './import-media.ts';
export { maintenanceWorkflow } from './maintenance.ts';
export { pokeWorkflow } from './poke.ts';
export { postWorkflow } from './post.ts';
