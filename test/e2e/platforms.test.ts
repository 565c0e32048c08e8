import { platformRules } from '../../domain/platforms/index.ts';
import { type Platform, type PostType, platforms } from '../../domain/post.ts';
import type { FaultInput } from '../../sandbox/faults.ts';
import type { RequestRecord } from '../../sandbox/requests.ts';
import { createMp4 } from '../adapters/media/mp4.ts';
import { fixtures } from '../adapters/platforms/fixtures/index.ts';
import {
  approve,
  type ConnectedProfile,
  expectStatus,
  inSeconds,
  type Live,
  type LiveTenant,
  readPost,
  schedule,
  startLive,
  submitText,
  uploadVideo,
  waitForStatus,
  within,
} from '../support/live.ts';

/*
 * One post to every platform, each of which misbehaves in its own way, on the real processes. What one platform does must never
 * make another one be sent to again.
 */

let live: Live;
let tenant: LiveTenant;

beforeAll(async () => {
  live = await startLive();
  tenant = await live.createTenant();
  await sendWhatIsLate(tenant);
}, 90_000);
afterAll(() => live?.stop(), 60_000);

/** What waited for a new token goes out once it has it, however late. */
async function sendWhatIsLate({ root }: LiveTenant): Promise<void> {
  const { headers } = expectStatus(await root.send('GET', '/tenant/policy'), 200);
  const late = { lateness: 'publish' };
  const body = { content: late, design: late, publish: late };
  expectStatus(await root.send('PUT', '/tenant/policy', { body, ifMatch: headers.get('etag')! }), 200);
}

/** Reddit alone wants a cover beside a video, and most others take none. */
const typeAt = (platform: Platform): PostType => (platform === 'reddit' ? 'TEXT_ONLY' : 'VIDEO');
const callOf = (platform: Platform) => fixtures[platform].commitOperation(typeAt(platform));

type Profiles = Readonly<Record<Platform, ConnectedProfile>>;

async function connectAll(): Promise<Profiles> {
  const connected = [];
  for (const platform of platforms)
    connected.push([platform, await tenant.connect(platformRules[platform].kinds[0], platform)] as const);
  return Object.fromEntries(connected) as Profiles;
}

type Misbehaviour = Pick<FaultInput, 'kind'> & Partial<FaultInput>;

/** What each platform does to the call that publishes, and how many such calls it gets in all. */
const misbehaviours: Readonly<Record<Platform, { readonly fault: Misbehaviour; readonly commits: number }>> =
  {
    // Taken, and in doubt: found there.
    facebook: { fault: { kind: 'truncated-json' }, commits: 1 },
    pinterest: { fault: { kind: 'hang-after-accept' }, commits: 1 },
    threads: { fault: { kind: 'error-after-accept', status: 502 }, commits: 1 },
    x: { fault: { kind: 'html', when: 'after', status: 200 }, commits: 1 },
    youtube: { fault: { kind: 'accept-then-reset' }, commits: 1 },
    // Not taken, and in doubt: sent again when that is proved.
    instagram: { fault: { kind: 'hang' }, commits: 2 },
    reddit: { fault: { kind: 'error-before-accept', status: 503 }, commits: 2 },
    // Not taken, without a doubt: sent again when it may be, by whoever has to see to that.
    linkedin: { fault: { kind: 'throttle', retryAfterSeconds: 6 }, commits: 2 },
    mastodon: { fault: { kind: 'expired-token', times: 'always' }, commits: 2 },
    tiktok: { fault: { kind: 'refuse' }, commits: 2 },
  };
const allCommits = Object.fromEntries(platforms.map((name) => [name, misbehaviours[name].commits]));

/** Scripts all of them; answers each fault's id. */
async function misbehave(profiles: Profiles): Promise<Readonly<Record<Platform, string>>> {
  const ids = platforms.map(async (platform) => {
    const { externalId } = profiles[platform];
    const body = { operation: callOf(platform), externalId, ...misbehaviours[platform].fault };
    return [
      platform,
      ((await live.control('POST', '/faults', body)) as { faultId: string }).faultId,
    ] as const;
  });
  return Object.fromEntries(await Promise.all(ids)) as Record<Platform, string>;
}

/** The calls that would have made the post public there, oldest first. */
async function commitsOf({ platform, externalId }: ConnectedProfile): Promise<readonly RequestRecord[]> {
  const query = new URLSearchParams({ operation: callOf(platform), externalId });
  return ((await live.control('GET', `/requests?${query}`)) as { requests: RequestRecord[] }).requests;
}

/** By platform, what is counted. */
async function countsOf(
  profiles: Profiles,
  count: (profile: ConnectedProfile) => Promise<readonly unknown[]>,
): Promise<Record<string, number>> {
  const counts = platforms.map(async (name) => [name, (await count(profiles[name])).length] as const);
  return Object.fromEntries(await Promise.all(counts));
}

const once = Object.fromEntries(platforms.map((platform) => [platform, 1]));

/** How long after the answer to its first call the second came. */
async function pauseMs(profile: ConnectedProfile): Promise<number> {
  const [first, second] = await commitsOf(profile);
  return Date.parse(second!.receivedAt) - Date.parse(first!.receivedAt) - first!.answered!.durationMs;
}

async function phasesOf(postId: string): Promise<Record<string, string>> {
  const { targets } = await readPost(tenant.viewer, postId);
  return Object.fromEntries(
    targets.map(({ platform, phase }: { platform: string; phase: string }) => [platform, phase]),
  );
}

async function reconnect({ platform, externalId, token }: ConnectedProfile): Promise<void> {
  const kind = platformRules[platform].kinds[0]!;
  const account = { platform, externalId, name: 'Connected again' };
  const renewed = `${token}-renewed`;
  await live.control('POST', '/accounts', { ...account, kind, token: renewed });
  const body = { ...account, accountKind: kind, accessToken: renewed };
  const reply = await tenant.root.send('POST', '/profiles', { body });
  expect([200, 201]).toContain(reply.status);
}

test('one post to every platform, each of which misbehaves in its own way, is out once everywhere in the end', async () => {
  const { author, reviewer, designer, viewer } = tenant;
  const profiles = await connectAll();
  const film = createMp4({ width: 1080, height: 1920, seconds: 12, frameRate: 30, mediaBytes: 600_000 });
  const { mediaId, completed } = await uploadVideo(designer, film);
  expectStatus(completed, 200);
  const faults = await misbehave(profiles);

  const targets = platforms.map((platform) => ({
    profileId: profiles[platform].id,
    type: typeAt(platform),
    ...fixtures[platform].content?.(typeAt(platform)),
  }));
  const fields = { type: 'VIDEO', media: [{ mediaId }], targets };
  const postId = await submitText(author, Object.values(profiles), fields);
  await approve(reviewer, postId, 'content', 'design', 'publish');
  expectStatus(await schedule(author, postId, inSeconds(6)), 200);

  const out = Object.fromEntries(platforms.map((platform) => [platform, 'PUBLISHED']));
  await within(90_000, 'everything but what was refused and what wants a new token', async () => {
    expect(await phasesOf(postId)).toEqual({ ...out, mastodon: 'WAITING', tiktok: 'FAILED' });
    const { body } = await viewer.send('GET', `/profiles/${profiles.mastodon.id}`);
    return body.health === 'needs-reconnect';
  });
  expect(await countsOf(profiles, live.ledgerOf)).toEqual({ ...once, tiktok: 0, mastodon: 0 });
  expect(await countsOf(profiles, commitsOf)).toEqual({ ...allCommits, tiktok: 1, mastodon: 1 });
  expect(await pauseMs(profiles.linkedin)).toBeGreaterThanOrEqual(6_000);
  const waiting = await readPost(viewer, postId);
  expect(waiting.blockedOn).toContainEqual(expect.objectContaining({ code: 'reconnect' }));

  await live.control('DELETE', `/faults/${faults.mastodon}`);
  await reconnect(profiles.mastodon);
  await waitForStatus(viewer, postId, 'PARTIALLY_PUBLISHED', 60_000);
  expect(await countsOf(profiles, live.ledgerOf)).toEqual({ ...once, tiktok: 0 });
  expect(await countsOf(profiles, commitsOf)).toEqual({ ...allCommits, tiktok: 1 });

  expectStatus(await author.send('POST', `/posts/${postId}/retry`, { body: {} }), 200);
  const done = await waitForStatus(viewer, postId, 'PUBLISHED', 60_000);
  expect(await countsOf(profiles, live.ledgerOf)).toEqual(once);
  expect(await countsOf(profiles, commitsOf)).toEqual(allCommits);
  const cycles = done.targets.map(({ platform, cycle }: { platform: string; cycle: number }) => [
    platform,
    cycle,
  ]);
  expect(Object.fromEntries(cycles)).toEqual({ ...once, tiktok: 2 });
}, 240_000);
