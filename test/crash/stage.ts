import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { ruleFor } from '../../domain/platform-rules.ts';
import type { PostType } from '../../domain/post.ts';
import { createMp4 } from '../adapters/media/mp4.ts';
import { fixtures } from '../adapters/platforms/fixtures/index.ts';
import {
  type ConnectedProfile,
  expectStatus,
  type Live,
  type LiveEndpoints,
  type LiveTenant,
  type Person,
  type Reply,
  readPost,
  startLive,
  type Upload,
  uploadPicture,
  uploadVideo,
  within,
} from '../support/live.ts';
import { type Outlet, outletName } from './outlets.ts';
import { createParking, type Parking } from './parking.ts';
import { failpointAt, type PlannedPost } from './points.ts';

/** Everything one round of crashes happens on: processes of its own, a tenant, and the places where posts are held. */
export interface Stage {
  readonly live: Live;
  readonly tenant: LiveTenant;
  readonly parking: Parking;
  /** By the type of the posts that carry it. */
  readonly mediaIds: Readonly<Partial<Record<PostType, string>>>;
  readonly random: () => number;
  readonly stop: () => Promise<void>;
}

/** A post with an account of its own, so that everything the platform saw of it can be told apart. */
export interface StagedPost extends PlannedPost {
  readonly postId: string;
  readonly profile: ConnectedProfile;
  readonly copy: string;
}

/** How long before its due time a post is armed here. */
export const armLeadMs = 3_000;

export async function setStage(options: {
  readonly endpoints?: LiveEndpoints;
  readonly random: () => number;
  /** What media are uploaded for. */
  readonly outlets: readonly Outlet[];
}): Promise<Stage> {
  const parking = await createParking();
  const live = await startLive({ armLeadMs, worker: false, endpoints: options.endpoints });
  const stop = async () => {
    await parking.open();
    await live.stop();
    await parking.remove();
  };
  try {
    // The platform refuses no duplicate here: a second send must show in the ledger, not be caught by others.
    await live.control('PATCH', '/settings', { duplicateWindowMs: 0 });
    const tenant = await live.createTenant();
    await passGatesButPublish(tenant);
    const mediaIds = await uploadMediaFor(options.outlets, tenant.designer);
    return { live, tenant, parking, mediaIds, random: options.random, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** These rounds are about sending: two gates open by themselves, and being late holds nothing. */
async function passGatesButPublish({ root }: LiveTenant): Promise<void> {
  const { headers } = expectStatus(await root.send('GET', '/tenant/policy'), 200);
  const policy = {
    content: { required: false, lateness: 'publish' },
    design: { required: false, lateness: 'publish' },
    publish: { lateness: 'publish' },
  };
  const replaced = await root.send('PUT', '/tenant/policy', { body: policy, ifMatch: headers.get('etag')! });
  expectStatus(replaced, 200);
}

/** An upright film of a few seconds, with enough behind its headers that it does not go out in one piece everywhere. */
const film = { width: 1080, height: 1920, seconds: 12, frameRate: 30, mediaBytes: 600_000 };

async function uploadMediaFor(outlets: readonly Outlet[], designer: Person): Promise<Stage['mediaIds']> {
  const types = new Set(outlets.map(({ type }) => type));
  const idOf = ({ completed, mediaId }: Upload): string => {
    expectStatus(completed, 200);
    return mediaId;
  };
  return {
    ...(types.has('SINGLE_IMAGE') && { SINGLE_IMAGE: idOf(await uploadPicture(designer)) }),
    ...(types.has('VIDEO') && { VIDEO: idOf(await uploadVideo(designer, createMp4(film))) }),
  };
}

const operationOf = ({ platform, type }: Outlet): string => fixtures[platform].commitOperation(type);

/** The body of a post for this outlet, submitted as it is created. */
export function newPostBody(
  { mediaIds }: Pick<Stage, 'mediaIds'>,
  post: { outlet: Outlet; profile: ConnectedProfile; copy: string },
  dueAt: Date | null,
) {
  const { platform, type } = post.outlet;
  const rule = ruleFor(platform, type);
  const takesAltText = rule.isSupported && (rule.media?.maxAltText ?? 0) > 0;
  const mediaId = mediaIds[type];
  return {
    ...{ type, copy: post.copy, submit: true, dueAt: dueAt?.toISOString() },
    targets: [{ profileId: post.profile.id, ...fixtures[platform].content?.(type) }],
    ...(mediaId && { media: [{ mediaId, altText: takesAltText ? 'One colour' : null }] }),
  };
}

/** Creates a planned post, says where it is to be held, and approves it. */
export async function stagePost(stage: Stage, planned: PlannedPost, dueAt: Date): Promise<StagedPost> {
  const { author, reviewer } = stage.tenant;
  const { point, outlet, way } = planned;
  const profile = await stage.tenant.connect(outlet.kind, outlet.platform);
  const copy = `${point} ${outletName(outlet)} ${randomUUID()}`;
  const body = newPostBody(stage, { outlet, profile, copy }, dueAt);
  const { id: postId } = expectStatus(await sendUntilAnswered(author, '/posts', body), 201).body;
  if (way === 'parked' && point !== 'request-sent') await stage.parking.assign(postId, failpointAt[point]);
  if (point === 'request-sent') await scriptAnswer(stage, planned, profile);
  await approvePublishing(reviewer, postId);
  return { ...planned, postId, profile, copy };
}

async function approvePublishing(reviewer: Person, postId: string): Promise<void> {
  const { gates } = await readPost(reviewer, postId);
  const body = { gate: 'publish', verdict: 'approve', hash: gates.publish.hash };
  expectStatus(await sendUntilAnswered(reviewer, `/posts/${postId}/decisions`, body), 200);
}

/** What the platform does with the one request that is under way when something is killed. */
async function scriptAnswer(
  { live, random }: Stage,
  { outlet, way }: PlannedPost,
  profile: ConnectedProfile,
): Promise<void> {
  const fault =
    way === 'delayed'
      ? { kind: 'delay', ms: 1_500 + Math.floor(random() * 1_000) }
      : { kind: way === 'accepted' ? 'hang-after-accept' : 'hang', ms: 3_500 };
  const call = { operation: operationOf(outlet), externalId: profile.externalId };
  await live.control('POST', '/faults', { ...call, ...fault });
}

interface PlatformRequest {
  readonly externalId?: string;
  readonly receivedAt: string;
  readonly answered?: unknown;
}

/** Every call that would have made a post of this account public, answered or not. */
export async function commitsOf(
  { live }: Stage,
  { outlet, profile }: Pick<StagedPost, 'outlet' | 'profile'>,
): Promise<readonly PlatformRequest[]> {
  const query = new URLSearchParams({ operation: operationOf(outlet), externalId: profile.externalId });
  return ((await live.control('GET', `/requests?${query}`)) as { requests: PlatformRequest[] }).requests;
}

/** Whether the post is held where it was meant to be, at this moment. */
export async function isHeld(stage: Stage, post: StagedPost): Promise<boolean> {
  if (post.way === 'over') return true;
  if (post.way === 'parked') return stage.parking.isParked(post.postId);
  if (post.way === 'waiting') return (await publicationStateOf(stage, post.postId)) === 'ARMED';
  return (await commitsOf(stage, post)).some((request) => !request.answered);
}

async function publicationStateOf({ live }: Stage, postId: string): Promise<string | undefined> {
  const newest = 'select state from publications where post_id = $1 order by cycle desc limit 1';
  return (await live.query<{ state: string }>(newest, [postId]))[0]?.state;
}

/** Those that must be held last: time runs for them from when they get there. */
const isFleeting = ({ point, way }: PlannedPost): boolean =>
  point === 'sending' || (way !== 'parked' && way !== 'over');

const minuteMs = 60_000;

/**
 * Brings every planned post to its point. Posts that can be held for long go first; the others get their due time when
 * those are there, and this returns at the moment when all are. Answers what was brought there.
 */
export async function bringToPoints(
  stage: Stage,
  planned: readonly PlannedPost[],
  isLast: (planned: PlannedPost) => boolean = isFleeting,
): Promise<readonly StagedPost[]> {
  const { random } = stage;
  const soonMs = 3_000 + 250 * planned.length;
  const dueFrom = Date.now() + soonMs;
  const posts = await eachOf(planned, 4, (one) => {
    const dueAtMs = Math.max(dueFrom, Date.now() + armLeadMs) + Math.floor(random() * 500);
    return stagePost(stage, one, new Date(isLast(one) ? Date.now() + 4 * minuteMs : dueAtMs));
  });
  const [fleeting, lasting] = [posts.filter(isLast), posts.filter((one) => !isLast(one))];
  await untilHeld(stage, lasting);
  const dueAtMs = Date.now() + armLeadMs + 1_000 + 100 * fleeting.length;
  await eachOf(fleeting, 4, async (post) => {
    // Its release is still waiting when the others are being sent.
    const laterMs = post.way === 'waiting' ? armLeadMs : Math.floor(random() * 300);
    const dueAt = new Date(dueAtMs + laterMs).toISOString();
    const path = `/posts/${post.postId}/schedule`;
    expectStatus(await sendUntilAnswered(stage.tenant.author, path, { dueAt }), 200);
  });
  await untilHeld(stage, fleeting);
  return posts;
}

/** Whether it has been there: on a busy machine one that is held for a moment only may have gone on when it is looked at. */
async function hasArrived(stage: Stage, post: StagedPost): Promise<boolean> {
  if (post.way === 'waiting') return (await publicationStateOf(stage, post.postId)) !== undefined;
  if (post.point === 'request-sent') return (await commitsOf(stage, post)).length > 0;
  return isHeld(stage, post);
}

async function untilHeld(stage: Stage, posts: readonly StagedPost[]): Promise<void> {
  const waiting = new Set(posts);
  await within(45_000, 'every post at its point', async () => {
    for (const post of waiting) if (await hasArrived(stage, post)) waiting.delete(post);
    if (waiting.size > 0) throw new Error(`Not there: ${[...waiting].map(nameOf).join(', ')}`);
    return true;
  });
}

export const nameOf = ({ point, outlet, way }: PlannedPost): string =>
  `${outletName(outlet)} ${point} (${way})`;

/** Works on the items in order, so many at a time. */
export async function eachOf<Item, Result>(
  items: readonly Item[],
  width: number,
  work: (item: Item) => Promise<Result>,
): Promise<Result[]> {
  const results: Result[] = [];
  const queue = [...items.entries()];
  const worker = async () => {
    for (let next = queue.shift(); next; next = queue.shift()) results[next[0]] = await work(next[1]);
  };
  await Promise.all(Array.from({ length: width }, worker));
  return results;
}

/** What a client does that means it: the same request under the same key, until there is a verdict. */
export async function sendUntilAnswered(
  person: Person,
  path: string,
  body: unknown,
  undocumented: string[] = [],
): Promise<Reply> {
  const key = randomUUID();
  return within(60_000, `an answer to POST ${path}`, async () => {
    const reply = await person.send('POST', path, { body, key });
    if (reply.status >= 500 && ![503, 504].includes(reply.status)) undocumented.push(reply.text);
    if (reply.status < 500 && reply.body?.code !== 'request-in-progress') return reply;
    await sleep(200);
    return undefined;
  });
}
