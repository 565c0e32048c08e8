import { createProjectionActivities } from '../../activities/projection.ts';
import { createPublishingActivities } from '../../activities/publishing.ts';
import { withTokens } from '../../activities/tokens.ts';
import { RegistryError } from '../../adapters/platforms/registry.ts';
import { postWorkflowId } from '../../workflows/ids.ts';
import { type ActivityFunctions, currentProcess } from './activity-host.ts';
import { simulatedRates, type World } from './world.ts';

/** The product's activities, with rows in memory behind them (see hooks.mjs) and the world's platforms before them. */
export function createActivities(world: World): ActivityFunctions {
  const { rows, platforms } = world;
  const dependencies = {
    pool: rows,
    clock: clockOf(world),
    registry: {
      adapterFor: ({ kind }: { kind: Parameters<typeof platforms.adapterFor>[0] }) => {
        if (world.isMisconfigured) throw new RegistryError('no-sandbox', 'No platforms are configured');
        return platforms.adapterFor(kind);
      },
    },
    storage: {},
    runs: {
      poke: async (tenantId: string, postId: string) =>
        world.temporal.signal(postWorkflowId(tenantId, postId), 'poke'),
    },
    envelopes: { open: () => Buffer.from('token') },
    rates: simulatedRates,
  } as never;
  return {
    ...createProjectionActivities(dependencies),
    ...createPublishingActivities(withTokens(dependencies)),
  } as never;
}

export const activityNames = [
  ...['projectPost', 'readConditions', 'findMember', 'prepareTarget', 'armTarget', 'releaseTarget'],
  ...['recordVerdict', 'reconcileTarget', 'confirmTarget', 'resolveTarget', 'disarmTargets'],
];

/** The database says what time it is; the waiting is a process's own. */
function clockOf({ rows }: World) {
  const now = () => rows.transact('asks what time it is', () => rows.now);
  return {
    now,
    sqlNow: now,
    async waitUntil(instant: Date, signal: AbortSignal): Promise<void> {
      const remainingMs = instant.getTime() - (await now()).getTime();
      if (remainingMs <= 0 || rows.plant === 'ignores-the-instant') return;
      const calledOff = new Promise<never>((_resolve, reject) => {
        if (signal.aborted) reject(signal.reason);
        signal.addEventListener('abort', () => reject(signal.reason), { once: true });
      });
      await Promise.race([currentProcess().sleep(remainingMs), calledOff]);
    },
  };
}
