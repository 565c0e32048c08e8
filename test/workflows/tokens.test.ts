import { randomUUID } from 'node:crypto';
import { createPlatformFetch } from '../../adapters/platforms/platform-fetch.ts';
import {
  createRegistry,
  liveEndpoints,
  type Registry,
  sandboxEndpoints,
} from '../../adapters/platforms/registry.ts';
import { createRunDirectory } from '../../cli/run-directory.ts';
import { sandboxTimings } from '../../testing/workers.ts';
import { replayNow } from '../support/histories.ts';
import { createRotatingProvider } from '../support/rotating-provider.ts';
import {
  approve,
  connectProfile,
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

let world: World;
let nowMs = 0;
const provider = createRotatingProvider(() => new Date(nowMs));
/** The platform's own adapters, and connectors to a provider of the strict kind. */
let adapters: Registry;
const registry: Registry = {
  adapterFor: (key) => adapters.adapterFor(key),
  connectorFor: () => connector,
};
/** What the provider gives, the sandbox takes: from then on it alone. */
const accepted: TestProfile[] = [];
const connector = {
  ...provider.connector,
  refresh: async (...call: Parameters<typeof provider.connector.refresh>) => {
    const tokens = await provider.connector.refresh(...call);
    for (const profile of accepted) await acceptAtSandbox(profile, tokens.accessToken);
    return tokens;
  },
};

beforeAll(async () => {
  world = await startWorld({ dependencies: { registry } });
  adapters = createRegistry({
    ...{ live: liveEndpoints, sandbox: sandboxEndpoints(world.sandbox.url), sandboxTimings },
    fetch: createPlatformFetch(),
  });
});
afterAll(() => world.stop());
beforeEach(async () => {
  nowMs = await world.now();
  accepted.length = 0;
  provider.refreshes.length = 0;
});

const hour = 3_600_000;
const acceptAtSandbox = ({ platform, accountKind, externalId }: TestProfile, token: string) =>
  control(world, '/accounts', { platform, kind: accountKind, externalId, name: 'Acme', token });

/** A profile whose tokens came from the provider, and end at an instant. */
async function connectByOauth(expiresAtMs: number): Promise<TestProfile & { grantId: string }> {
  const profile = await connectProfile(world);
  const { tenantId, envelopes } = world;
  const [appId, grantId] = [randomUUID(), randomUUID()];
  const seal = (table: string, column: string, rowId: string, token: string) =>
    envelopes.seal(token, { tenantId, table, column, rowId });
  await world.tenant
    .insertInto('platform_apps')
    .values({
      ...{ id: appId, platform: 'linkedin', name: 'Ours', client_id: 'c', return_urls: [] },
      client_secret: seal('platform_apps', 'client_secret', appId, 'secret'),
      redirect_uri: `https://gatepost.test/${appId}`,
    } as never)
    .execute();
  const exchange = { app: { clientId: 'c', clientSecret: 's' }, redirectUri: '', codeVerifier: null };
  const tokens = await provider.connector.exchange(
    { ...exchange, code: provider.grantCode() },
    { signal: new AbortController().signal, progress: () => {} },
  );
  await world.tenant
    .insertInto('grants')
    .values({
      ...{ id: grantId, platform: 'linkedin', app_id: appId, expires_at: new Date(expiresAtMs) },
      access_token: seal('grants', 'access_token', grantId, tokens.accessToken),
      refresh_token: seal('grants', 'refresh_token', grantId, tokens.refreshToken!),
    } as never)
    .execute();
  await world.tenant
    .updateTable('profiles')
    .set({ grant_id: grantId })
    .where('id', '=', profile.profileId)
    .execute();
  await acceptAtSandbox(profile, tokens.accessToken);
  accepted.push(profile);
  return { ...profile, grantId };
}

async function schedule(profile: TestProfile, inMs: number): Promise<TestPost> {
  const lateness = { lateness: 'publish' } as const;
  const post = await createPost(world, [profile], {
    dueAtMs: (await world.now()) + inMs,
    policy: { content: lateness, publish: lateness },
  });
  await startPost(world, post);
  await approve(world, post.postId, ['content', 'publish']);
  return post;
}
const statusOf = async ({ postId }: TestPost) => (await rowOf(world, postId)).status;
const isPublished = (post: TestPost) => eventually(async () => (await statusOf(post)) === 'PUBLISHED');
const blocksOf = async ({ postId }: TestPost) => (await rowOf(world, postId)).blocked_on;
const healthOf = async ({ profileId }: TestProfile) =>
  (await world.tenant.selectFrom('profiles').select('health').where('id', '=', profileId).executeTakeFirst())
    ?.health;

test('a post that is due with a token about to end has it refreshed first', async () => {
  const profile = await connectByOauth((await world.now()) + hour + 30_000);
  const post = await schedule(profile, hour);
  await world.sleep(hour + 5_000);
  await isPublished(post);
  expect(provider.refreshes).toHaveLength(1);
  expect(await ledgerOf(world, profile.externalId)).toHaveLength(1);
});

test('two posts that find their token refused have one new one asked for, and go out', async () => {
  const profile = await connectByOauth((await world.now()) + 100 * hour);
  await acceptAtSandbox(profile, 'another-token-which-nobody-has');
  const posts = [await schedule(profile, hour), await schedule(profile, hour)];
  await world.sleep(hour + 30_000);
  for (const post of posts) await isPublished(post);
  expect(provider.refreshes).toHaveLength(1);
  expect(await healthOf(profile)).toBe('active');
});

test('what nobody can renew waits for a person, says so, and goes out when the account is connected again', async () => {
  const profile = await connectProfile(world);
  await acceptAtSandbox(profile, 'another-token-which-nobody-has');
  const [first, second] = [await schedule(profile, hour), await schedule(profile, 2 * hour)];
  await world.sleep(hour + 60_000);
  await eventually(async () => (await blocksOf(first)).some(({ code }) => code === 'reconnect'));
  expect(await healthOf(profile)).toBe('needs-reconnect');
  // Early: the other is not due for an hour.
  await eventually(async () => (await blocksOf(second)).some(({ code }) => code === 'reconnect'));
  expect(await blocksOf(second)).toContainEqual({
    ...{ code: 'reconnect', message: 'The linkedin profile must be connected again' },
  });
  expect([await statusOf(first), await statusOf(second)]).toEqual(['SCHEDULED', 'SCHEDULED']);
  await acceptAtSandbox(profile, 'a-new-token');
  const { platform, accountKind, externalId } = profile;
  const body = { platform, accountKind, externalId, name: 'Acme', accessToken: 'a-new-token' };
  const reply = await world.gatepost.people.root.send('POST', '/profiles', { body });
  expect(reply.body).toMatchObject({ id: profile.profileId, health: 'active' });
  await isPublished(first);
  await world.sleep(2 * hour);
  await isPublished(second);
  expect(await ledgerOf(world, profile.externalId)).toHaveLength(2);
  expect(await replayNow(world, first.postId, 'needed-reconnecting')).toBeNull();
});

test('fifty workers that ask at once for one token make exactly one call', async () => {
  const { grantId } = await connectByOauth(await world.now());
  const wish = { tenantId: world.tenantId, grantId, seenVersion: 1, dueBeforeMs: null };
  const directories = Array.from({ length: 50 }, () => createRunDirectory(world.client));
  const done = await Promise.all(directories.map((runs) => runs.refresh(wish)));
  expect(done).toEqual(Array.from({ length: 50 }, () => true));
  expect(provider.refreshes).toHaveLength(1);
  const row = await world.tenant
    .selectFrom('grants')
    .selectAll()
    .where('id', '=', grantId)
    .executeTakeFirst();
  expect(row).toMatchObject({ state: 'ACTIVE', row_version: 2 });
});
