export { maintenanceWorkflow } from './maintenance.ts';
export { postWorkflow } from './post.ts';
