import pg from 'pg';
import { replayNow } from '../support/histories.ts';
import { startWorkerProcess, type WorkerProcess } from '../support/worker-process.ts';
import {
  approve,
  connectProfile,
  createPost,
  ledgerOf,
  rowOf,
  startPost,
  startWorld,
  type World,
} from '../support/world.ts';

/*
 * A row that cannot be written at once is written by a normal activity instead. The failure of the first try stands in
 * the history, and a worker that has never seen the run must read it as the first one did.
 */

let world: World;
let worker: WorkerProcess;
let superuser: pg.Client;
beforeAll(async () => {
  // A local activity's time is real time.
  world = await startWorld({ time: 'real' });
  worker = await startWorkerProcess(world);
  superuser = new pg.Client({ connectionString: world.database.superuserUrl });
  await superuser.connect();
}, 60_000);
afterAll(async () => {
  await worker.kill();
  await superuser.end();
  await world.stop();
});

/** Lets one write of a post's row take longer than a run waits for a local activity. */
async function slowDown(postId: string, status: string): Promise<void> {
  const name = `slow_${postId.replaceAll('-', '')}`;
  // A sequence counts although the transaction that asked it is still open.
  await superuser.query(`create sequence ${name};
    create function ${name}() returns trigger language plpgsql security definer as $$ begin
      if nextval('${name}') = 1 then perform pg_sleep(4); end if; return new;
    end $$;
    create trigger ${name} before update on posts for each row
      when (new.id = '${postId}' and new.status = '${status}' and old.status <> '${status}')
      execute function ${name}()`);
}

/** How many local activities the run gave up. */
const givenUp = async (run: { fetchHistory: () => Promise<{ events?: Event[] | null }> }) =>
  (await run.fetchHistory()).events?.filter((event) => event.markerRecordedEventAttributes?.failure).length;
type Event = { markerRecordedEventAttributes?: { failure?: unknown } | null };

test.each(['PUBLISHING', 'PUBLISHED'])(
  'a run whose status %s could not be written at once ends, and replays',
  async (status) => {
    const profile = await connectProfile(world, 'organization');
    const post = await createPost(world, [profile], {
      dueAtMs: Date.now() - 1_000,
      policy: { content: { required: false }, publish: { lateness: 'publish' } },
    });
    await slowDown(post.postId, status);
    const run = await startPost(world, post);
    await approve(world, post.postId, ['publish']);
    await world.ended(post);
    expect(await givenUp(run)).toBeGreaterThan(0);
    expect((await rowOf(world, post.postId)).status).toBe('PUBLISHED');
    expect(await ledgerOf(world, profile.externalId)).toHaveLength(1);
    expect(await replayNow(world, post.postId, `written-late-${status.toLowerCase()}`)).toBeNull();
  },
  40_000,
);
