import { createAmendingActivities } from './amending.ts';
import type { ActivityDependencies, PublishingDependencies } from './dependencies.ts';
import { createImportingActivities } from './importing.ts';
import { createMaintenanceActivities } from './maintenance.ts';
import { createPartActivities } from './parts.ts';
import { createPokingActivities } from './poking.ts';
import { createProjectionActivities } from './projection.ts';
import { createPublishingActivities } from './publishing.ts';
import { createRemovingActivities } from './removing.ts';
import { createTokenActivities } from './token-sweeps.ts';
import { withTokens } from './tokens.ts';

/** All activities, closed over what they need. The worker registers them; workflows see only their types. */
export const createActivities = (dependencies: ActivityDependencies) => ({
  ...createProjectionActivities(dependencies),
  ...createPublishers(withTokens(dependencies)),
  ...createMaintenanceActivities(dependencies),
  ...createPokingActivities(dependencies),
  ...createTokenActivities(dependencies),
  ...createImportingActivities(dependencies),
});

/** Those that act for a profile. */
const createPublishers = (dependencies: PublishingDependencies) => ({
  ...createPublishingActivities(dependencies),
  ...createPartActivities(dependencies),
  ...createRemovingActivities(dependencies),
  ...createAmendingActivities(dependencies),
});

export type Activities = ReturnType<typeof createActivities>;
