import { openPool } from '../../db/pool.ts';
import { listSubmittedPostIds } from '../../db/posts.ts';
import { forTenant } from '../../db/tenant-database.ts';
import { readWorkerConfig } from '../config.ts';
import { checkProjection } from '../projection.ts';
import { createDataConverter, openClient, openEnvelopes } from '../wiring.ts';

export interface RebuildOptions {
  readonly tenant: string;
  readonly post?: string;
  /** Only say what differs. */
  readonly check?: boolean;
}

const page = 200;

/** Writes the rows of a tenant's posts again from their runs' histories; with `check` says what differs and exits 1. */
export async function rebuildProjection(
  environment: NodeJS.ProcessEnv,
  { tenant: tenantId, post, check: isCheck = false }: RebuildOptions,
): Promise<void> {
  const config = readWorkerConfig(environment);
  const pool = openPool({
    connectionString: config.GATEPOST_WORKER_DATABASE_URL,
    max: 2,
    applicationName: 'gatepost-rebuild',
    onIdleError: () => {},
  });
  const client = openClient(config, createDataConverter(config, pool, openEnvelopes(config)));
  const database = forTenant(pool, tenantId);
  const tally = { posts: 0, differed: 0, withoutHistory: 0 };
  try {
    for await (const postId of post ? [post] : allPosts()) {
      const result = await checkProjection(client, database, { tenantId, postId, isCheck });
      tally.posts += 1;
      if (result.kind === 'no-history') tally.withoutHistory += 1;
      else if (result.differences.length > 0) tally.differed += 1;
      if (result.kind === 'compared')
        for (const { where, row, history } of result.differences)
          process.stdout.write(`${postId} ${where}: ${JSON.stringify(row)} -> ${JSON.stringify(history)}\n`);
    }
  } finally {
    await client.connection.close();
    await pool.end();
  }
  const { posts, differed, withoutHistory } = tally;
  const what = isCheck ? 'differ' : 'were written again';
  process.stdout.write(`${posts} posts, ${differed} ${what}, ${withoutHistory} without a history\n`);
  if (isCheck && differed > 0) process.exitCode = 1;

  async function* allPosts(): AsyncGenerator<string> {
    for (let after: string | undefined; ; ) {
      const ids = await listSubmittedPostIds(database, { after, limit: page });
      yield* ids;
      if (ids.length < page) return;
      after = ids.at(-1);
    }
  }
}
