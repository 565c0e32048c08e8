import { createRunDirectory } from '../../cli/run-directory.ts';
import type { GrantState } from '../../domain/tokens.ts';
import { startWorkerProcess, type WorkerProcess } from '../support/worker-process.ts';
import {
  approve,
  control,
  createPost,
  eventually,
  ledgerOf,
  rowOf,
  startPost,
  startWorld,
  type TestPost,
  type TestProfile,
  type World,
} from '../support/world.ts';

/*
 * A worker is killed while it has a refresh under way, against a platform that gives a new refresh token each time and ends
 * the whole family when one is spent twice: the sandbox's X, which counts the calls and is out of the killed process's reach.
 */

let world: World;
let workers: WorkerProcess[] = [];
beforeAll(async () => {
  world = await startWorld({ time: 'real' });
}, 60_000);
afterEach(async () => {
  for (const worker of workers) await worker.kill();
  workers = [];
});
afterAll(() => world.stop());

async function startWorker(): Promise<WorkerProcess> {
  const worker = await startWorkerProcess(world);
  workers.push(worker);
  return worker;
}

const returnUrl = 'https://frontend.test/connected';
const admin = () => world.gatepost.people.admin;

async function registerApp(): Promise<string> {
  const body = { platform: 'x', name: 'Ours', clientId: 'our-client', clientSecret: 'our-secret' };
  const reply = await admin().send('POST', '/platform-apps', { body: { ...body, returnUrls: [returnUrl] } });
  expect(reply.status).toBe(201);
  return reply.body.id;
}

/** The whole way of a person: the consent page, our callback, the choice. */
async function connect(appId: string, externalId: string): Promise<TestProfile> {
  const started = await admin().send('POST', '/connections', { body: { platformAppId: appId } });
  const { searchParams } = new URL(started.body.authorizeUrl);
  const scopes = searchParams.get('scope')!.split(' ');
  const consented = await fetch(started.body.authorizeUrl, {
    ...{ method: 'POST', redirect: 'manual' },
    body: new URLSearchParams([
      ...Object.entries({ decision: 'allow', account: externalId }),
      ...scopes.map((scope): [string, string] => ['scope', scope]),
    ]),
  });
  const back = new URL(consented.headers.get('location')!);
  const answer = await fetch(`${world.gatepost.url}${back.pathname}${back.search}`, { redirect: 'manual' });
  const code = new URL(answer.headers.get('location')!).searchParams.get('code');
  const body = { code, accounts: [externalId] };
  const completed = await admin().send('POST', '/connections/complete', { body });
  expect(completed.body.profiles).toMatchObject([{ externalId, health: 'active' }]);
  const [{ id: profileId }] = completed.body.profiles;
  return { profileId, platform: 'x', accountKind: 'user', externalId };
}

interface Grant {
  readonly id: string;
  readonly state: GrantState;
  readonly row_version: number;
}
const grantOf = ({ profileId }: TestProfile): Promise<Grant> =>
  world.tenant
    .selectFrom('grants')
    .innerJoin('profiles', 'profiles.grant_id', 'grants.id')
    .where('profiles.id', '=', profileId)
    .select(['grants.id', 'grants.state', 'grants.row_version'])
    .executeTakeFirstOrThrow();
const change = (grantId: string, fields: { expires_at: Date } | { lease_until: Date }) =>
  world.tenant.updateTable('grants').set(fields).where('id', '=', grantId).execute();
const healthOf = async ({ profileId }: TestProfile) =>
  (await world.tenant.selectFrom('profiles').select('health').where('id', '=', profileId).executeTakeFirst())
    ?.health;
const refreshesSince = async (count: number): Promise<number> => {
  const { requests } = (await control(world, '/requests?operation=x.oauth.refresh')) as {
    requests: unknown[];
  };
  return requests.length - count;
};

const publishLate = { lateness: 'publish' } as const;

/** A post that is about to go out with a token that has ended, and the worker killed while it asks for a new one. */
async function killWhileRefreshing(fault: 'hang' | 'hang-after-accept') {
  const externalId = String(Math.floor(Math.random() * 1e9));
  await control(world, '/accounts', {
    ...{ platform: 'x', kind: 'user', externalId, name: 'Ada', token: `by hand ${externalId}` },
  });
  const appId = await registerApp();
  const profile = await connect(appId, externalId);
  const grant = await grantOf(profile);
  await change(grant.id, { expires_at: new Date(Date.now() - 1_000) });
  await control(world, '/faults', { operation: 'x.oauth.refresh', kind: fault });
  const before = await refreshesSince(0);
  const killed = await startWorker();
  const post = await createPost(world, [profile], {
    dueAtMs: Date.now() + 1_000,
    policy: { content: publishLate, publish: publishLate },
  });
  await startPost(world, post);
  await approve(world, post.postId, ['content', 'publish']);
  await eventually(async () => (await refreshesSince(before)) === 1, 30_000);
  // The sandbox has what it needs to do what it is scripted to.
  await new Promise((resolve) => setTimeout(resolve, 300));
  await killed.kill();
  expect(await killed.exited).toBe('SIGKILL');
  expect(await grantOf(profile)).toMatchObject({ state: 'REFRESHING', row_version: 1 });
  // The minute for which nobody else may ask is over.
  await change(grant.id, { lease_until: new Date(Date.now() - 1_000) });
  return { appId, profile, post, grantId: grant.id, refreshes: () => refreshesSince(before) };
}
const blocksOf = async ({ postId }: TestPost) =>
  (await rowOf(world, postId)).blocked_on.map(({ code }) => code);
const isPublished = async ({ postId }: TestPost) => (await rowOf(world, postId)).status === 'PUBLISHED';

test('killed after the platform has given new tokens: asks once more, then a person, and never again', async () => {
  const { appId, profile, post, grantId, refreshes } = await killWhileRefreshing('hang-after-accept');
  await startWorker();
  await eventually(async () => (await grantOf(profile)).state === 'DEAD', 60_000);
  await eventually(async () => (await blocksOf(post)).includes('reconnect'), 30_000);
  expect([await healthOf(profile), await refreshes()]).toEqual(['needs-reconnect', 2]);
  expect(await ledgerOf(world, profile.externalId)).toEqual([]);
  // Whoever asks from now on is told so by the row.
  const wish = { tenantId: world.tenantId, grantId, seenVersion: null, dueBeforeMs: null };
  for (let times = 0; times < 3; times += 1) await createRunDirectory(world.client).refresh(wish);
  expect(await refreshes()).toBe(2);
  const again = await connect(appId, profile.externalId);
  expect(again.profileId).toBe(profile.profileId);
  await eventually(() => isPublished(post), 60_000);
  expect(await ledgerOf(world, profile.externalId)).toHaveLength(1);
  expect(await refreshes()).toBe(2);
}, 180_000);

test('killed before the platform has taken the call: asks once more, and goes on by itself', async () => {
  const { profile, post, refreshes } = await killWhileRefreshing('hang');
  await startWorker();
  await eventually(() => isPublished(post), 90_000);
  expect(await grantOf(profile)).toMatchObject({ state: 'ACTIVE', row_version: 2 });
  expect([await healthOf(profile), await refreshes()]).toEqual(['active', 2]);
  expect(await ledgerOf(world, profile.externalId)).toHaveLength(1);
}, 180_000);
