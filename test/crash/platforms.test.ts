import { createPlatformFetch } from '../../adapters/platforms/platform-fetch.ts';
import type { MediaAccess } from '../../adapters/platforms/publisher.ts';
import { createRegistry, liveEndpoints, sandboxEndpoints } from '../../adapters/platforms/registry.ts';
import { installQuietRuntime } from '../../cli/replay.ts';
import { context } from '../adapters/platforms/support.ts';
import { gatherFacts } from './facts.ts';
import { findingsIn, rowsOf, sparedIn, struckIn } from './matrix.ts';
import { otherOutlets, outletName } from './outlets.ts';
import { points } from './points.ts';
import { historyNameOf, type JudgedPost, type RoundOptions, type RoundResult, runRound } from './round.ts';
import type { Stage } from './stage.ts';
import { judge } from './verdict.ts';

/*
 * Every platform beyond those of the matrix, at the points where a crash leaves it open what the platform has, and at one of
 * the others in turn. Every point with every platform: `npm run test:crash`.
 */

const seed = Number(process.env.GATEPOST_CRASH_SEED ?? 1 + (Date.now() % 1_000_000));
process.stdout.write(`seed of the platforms' crashes: ${seed} (GATEPOST_CRASH_SEED)\n`);

const plan = {
  ...{ outlets: otherOutlets, points: ['request-sent', 'answered'], copies: 1 },
  oneOf: points.filter((point) => point !== 'request-sent' && point !== 'answered'),
} as const satisfies Partial<RoundOptions>;
const withinMs = 240_000;

/** Mostly waiting: goes on while the other is at work. */
let stopped: Promise<RoundResult>;
beforeAll(() => {
  installQuietRuntime();
  stopped = runRound({ ...plan, victim: 'worker-stopped', seed: seed + 1, stoppedMs: 20_000 });
  // Looked at by the test below; an early failure must wait for it.
  stopped.catch(() => {});
});
afterAll(() => Promise.allSettled([stopped]), withinMs);

/** Nothing is wrong, and each platform was struck while it was in doubt. */
function expectSound(round: RoundResult): void {
  const struck = struckIn(round);
  expect([...findingsIn(struck), ...sparedIn(struck)]).toEqual([]);
  expect(rowsOf(struck).map(({ outlet }) => outlet)).toEqual(otherOutlets);
}

test(
  'a worker is killed while posts to every platform are on their way, and each goes out once; what is planted is noticed',
  async () => {
    const planted: string[][] = [];
    const afterwards = async (stage: Stage, posts: readonly JudgedPost[]) => {
      planted.push(await afterSecondCommit(stage, posts), await afterLostReceipt(stage, posts));
    };
    expectSound(await runRound({ ...plan, victim: 'worker-killed', seed, afterwards }));
    expect(planted).toEqual([['duplicate'], ['untrue', 'untrue', 'stale-projection']]);
  },
  withinMs,
);

test(
  'a worker is stopped while posts to every platform are on their way, and what wakes up does nothing twice',
  async () => expectSound(await stopped),
  withinMs,
);

const postOf = (posts: readonly JudgedPost[], name: string): JudgedPost =>
  posts.find(({ post, facts }) => outletName(post.outlet) === name && facts.status === 'PUBLISHED')!;

async function findingsNow(stage: Stage, { post, facts }: JudgedPost): Promise<string[]> {
  const given = { recoveredAtMs: 0, settledAtMs: 0, name: historyNameOf('worker-killed', post) };
  const now = await gatherFacts(stage, post, given);
  return judge({ ...now, settledAfterSeconds: facts.settledAfterSeconds }).map(({ kind }) => kind);
}

/** What a product that sends again would have done. */
async function afterSecondCommit(stage: Stage, posts: readonly JudgedPost[]): Promise<string[]> {
  const judged = postOf(posts, 'facebook page');
  const { profile, outlet, copy } = judged.post;
  const { publisher } = createRegistry({
    live: liveEndpoints,
    sandbox: sandboxEndpoints(stage.live.sandbox.url),
    fetch: createPlatformFetch(),
  }).adapterFor({ ...outlet, mode: 'sandbox' });
  const account = { ...outlet, externalId: profile.externalId, accessToken: profile.token };
  const content = { type: outlet.type, text: copy, media: [] };
  await publisher.commit(account, content, null, { ...context(), media: {} as MediaAccess });
  return findingsNow(stage, judged);
}

async function afterLostReceipt(stage: Stage, posts: readonly JudgedPost[]): Promise<string[]> {
  const judged = postOf(posts, 'mastodon user');
  for (const table of ['targets', 'publications'])
    await stage.live.query(`update ${table} set public_id = 'nobody' where post_id = $1`, [
      judged.post.postId,
    ]);
  return findingsNow(stage, judged);
}
