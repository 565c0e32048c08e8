import pg from 'pg';
import { checkProjection } from '../../cli/projection.ts';
import { forTenant } from '../../db/tenant-database.ts';
import {
  approve,
  command,
  connectProfile,
  createPost,
  eventually,
  type PostOptions,
  rowOf,
  startPost,
  startWorld,
  type TestPost,
  type World,
} from '../support/world.ts';

let world: World;
let superuser: pg.Client;
beforeAll(async () => {
  world = await startWorld();
  superuser = new pg.Client({ connectionString: world.database.superuserUrl });
  await superuser.connect();
});
afterAll(async () => {
  await superuser.end();
  await world.stop();
});

const day = 86_400_000;
const bySecond = () => ({ actor: world.members.second });

async function start(options: PostOptions = {}) {
  const post = await createPost(world, [await connectProfile(world)], {
    dueAtMs: (await world.now()) + day,
    ...options,
  });
  const handle = await startPost(world, post);
  await eventually(async () => (await rowOf(world, post.postId)).projection_epoch > 0);
  return { post, handle };
}

async function differences({ postId }: TestPost, isCheck = true) {
  const database = forTenant(world.pool, world.tenantId);
  const result = await checkProjection(world.client, database, { tenantId: world.tenantId, postId, isCheck });
  return result.kind === 'compared' ? result.differences.map(({ where }) => where) : result.kind;
}

const lives: Record<string, () => Promise<TestPost>> = {
  published: async () => {
    const { post } = await start();
    await approve(world, post.postId, ['content', 'publish']);
    await world.ended(post);
    return post;
  },
  'carried through continue-as-new': async () => {
    const { post } = await start({ settings: { continueAsNewAfterEvents: 10 } });
    await approve(world, post.postId, ['content', 'publish']);
    await world.ended(post);
    return post;
  },
  'paused, resumed and cancelled': async () => {
    const { post } = await start();
    for (const kind of ['pause', 'resume', 'cancel'] as const)
      await command(world, post.postId, { kind, ...bySecond(), reason: null } as never);
    await world.ended(post);
    return post;
  },
  'refused by the platform, and waiting for a person': async () => {
    const { post } = await start({ copy: 'y'.repeat(3_500) });
    await approve(world, post.postId, ['content', 'publish']);
    await world.sleep(2 * day);
    await eventually(async () => (await rowOf(world, post.postId)).status === 'FAILED');
    return post;
  },
  'warned, and still waiting': async () => {
    const { post } = await start({ dueAtMs: (await world.now()) + 30 * day });
    await world.sleep(20 * 3_600_000);
    await eventually(async () => (await rowOf(world, post.postId)).gates?.content.warnedAtMs != null);
    return post;
  },
};

test.each(Object.keys(lives))(
  'the rows of a post that was %s are what its histories come to',
  async (name) => {
    expect(await differences(await lives[name]!())).toEqual([]);
  },
);

describe('a projection that is not what the histories say', () => {
  let post: TestPost;
  beforeAll(async () => {
    post = await lives.published!();
  });

  const plants: Record<string, [statement: string, where: RegExp]> = {
    'a stale status': [`update posts set status = 'SCHEDULED' where id = $1`, /^post\.status$/],
    'a target whose receipt was lost': [
      `update targets set public_id = null where post_id = $1`,
      /^target .*\.public_id$/,
    ],
    'a line that is missing': [
      `delete from post_events where post_id = $1 and type = 'gate.approved' and data->>'gate' = 'content'`,
      /^line run:.*gate\.approved/,
    ],
    'a decision that is missing': [
      `delete from decisions where post_id = $1 and gate = 'publish'`,
      /^decision .* publish$/,
    ],
  };
  test.each(Object.keys(plants))('is found and mended: %s', async (name) => {
    const [statement, where] = plants[name]!;
    const { rowCount } = await superuser.query(statement, [post.postId]);
    expect(rowCount).toBeGreaterThan(0);
    const found = await differences(post);
    expect(found).toEqual([expect.stringMatching(where)]);
    expect(await differences(post, false)).toEqual(found);
    expect(await differences(post)).toEqual([]);
  });

  test('is found where the rows tell more than the histories', async () => {
    await superuser.query(
      `insert into decisions (tenant_id, post_id, command_id, gate, round, verdict, hash, revision_id, decided_at)
       values ($1, $2, 'forged', 'publish', 1, 'approve', 'h', $3, now())`,
      [world.tenantId, post.postId, post.revision.revisionId],
    );
    expect(await differences(post)).toEqual(['decision forged publish']);
  });
});

test('a post whose run was ended by hand has no history to compare with', async () => {
  const { post, handle } = await start();
  await handle.terminate('By hand');
  expect(await differences(post)).toBe('no-history');
});
