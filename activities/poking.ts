import { activityInfo, heartbeat } from '@temporalio/activity';
import { markOutboxDone } from '../db/outbox.ts';
import { listOpenPostIds } from '../db/posts.ts';
import { forTenant } from '../db/tenant-database.ts';
import type { ActivityDependencies } from './dependencies.ts';

const page = 200;
const atOnce = 20;

export function createPokingActivities({ pool, runs }: ActivityDependencies) {
  return {
    /**
     * Tells every open post of a tenant that its conditions may have changed; answers how many were told. May run any
     * number of times: a post that is told twice looks twice. A post without a run learns of it when it starts.
     */
    async pokePosts({ tenantId, requestId }: { tenantId: string; requestId: string }): Promise<number> {
      if (!runs) throw new Error('This worker has not been given a run directory');
      const database = forTenant(pool, tenantId);
      let { after, told } = (activityInfo().heartbeatDetails ?? { told: 0 }) as Progress;
      for (;;) {
        heartbeat({ after, told } satisfies Progress);
        const postIds = await listOpenPostIds(database, { after, limit: page });
        for (let index = 0; index < postIds.length; index += atOnce)
          await Promise.all(
            postIds.slice(index, index + atOnce).map((postId) => runs.poke(tenantId, postId)),
          );
        told += postIds.length;
        if (postIds.length < page) break;
        after = postIds.at(-1);
      }
      await markOutboxDone(database, requestId);
      return told;
    },
  };
}

interface Progress {
  readonly after?: string;
  readonly told: number;
}
