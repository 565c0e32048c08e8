import { fileURLToPath } from 'node:url';

/** Where the local stack keeps its data, logs and secrets; ignored by git, safe to delete while nothing runs. */
export const stateDir = fileURLToPath(new URL('../../.gatepost', import.meta.url));
