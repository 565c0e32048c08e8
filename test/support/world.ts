import { createHash, randomBytes, randomUUID } from 'node:crypto';
import type { Client } from '@temporalio/client';
import type { PayloadCodec } from '@temporalio/common';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import type pg from 'pg';
import sharp from 'sharp';
import type { ActivityDependencies } from '../../activities/dependencies.ts';
import type { Envelopes } from '../../adapters/secrets/envelope.ts';
import type { ObjectStorage } from '../../adapters/storage/s3.ts';
import { forTenant, type TenantDatabase } from '../../db/tenant-database.ts';
import type { Command } from '../../domain/commands.ts';
import { type PolicyLayer, resolvePostPolicy } from '../../domain/policy.ts';
import type { AccountKind, Platform, PostType } from '../../domain/post.ts';
import type { Actor, RevisionRef } from '../../domain/post-state.ts';
import { hashRevision, type RevisionContent, type TargetTexts, whatFollows } from '../../domain/revision.ts';
import type { Sandbox } from '../../sandbox/server.ts';
import { type Gatepost, startGatepost } from '../../testing/gatepost.ts';
import type { Person } from '../../testing/people.ts';
import { createControl } from '../../testing/platforms.ts';
import { mainTaskQueue, postWorkflowId } from '../../workflows/ids.ts';
import {
  type PostRunSettings,
  type PostWorkflowInput,
  postWorkflowType,
  stateQuery,
  updates,
} from '../../workflows/messages.ts';
import type { TestDatabase } from './database.ts';
import { testEndpoints } from './endpoints.ts';

/** A whole Gatepost around one tenant, on real servers; only the platforms are the sandbox's. */
export interface World {
  readonly database: TestDatabase;
  readonly pool: pg.Pool;
  readonly tenantId: string;
  readonly tenant: TenantDatabase;
  readonly members: Record<'author' | 'reviewer' | 'second' | 'designer' | 'viewer', Actor>;
  readonly sandbox: Sandbox;
  readonly storage: ObjectStorage;
  readonly envelopes: Envelopes;
  readonly codec: PayloadCodec;
  readonly client: Client;
  readonly environment: TestWorkflowEnvironment;
  /** The same through the interface, as a team that embeds Gatepost has it. */
  readonly gatepost: Gatepost;
  readonly now: () => Promise<number>;
  /** Lets time pass; answers when all that it brought has been done. */
  readonly sleep: (milliseconds: number) => Promise<void>;
  /** Lets time pass until a post's run has ended. */
  readonly ended: (post: Pick<TestPost, 'postId'>) => Promise<unknown>;
  readonly stop: () => Promise<void>;
}

export const testKeys = { currentKeyId: 'test', keys: { test: randomBytes(32) } };
/** Stands in every place a real token would: what the canary tests look for. */
export const canaryToken = `canary-${randomUUID()}`;

export interface WorldOptions {
  /** Skips time, with workers in this process (default); or real time, with workers as processes to be killed. */
  readonly time?: 'skipping' | 'real';
  readonly dependencies?: Partial<ActivityDependencies>;
}

export async function startWorld(options: WorldOptions = {}): Promise<World> {
  const skipping = options.time !== 'real';
  const gatepost = await startGatepost({
    ...{ time: options.time, servers: testEndpoints(), keys: testKeys, tokenPrefix: canaryToken },
    ...{ workers: skipping, commitTimeoutMs: null, dependencies: options.dependencies },
    // Each task then replays its whole history, and code that is not deterministic shows at once; on a busy machine the
    // SDK loses tasks that way (it calls it a bug of its own), so it is for those who look for just that.
    maxCachedWorkflows: process.env.GATEPOST_TEST_WITHOUT_CACHE ? 0 : undefined,
  });
  const { environment, tenantId, people } = gatepost;
  const { database, pool, apiPool, sandbox, storage, envelopes, codec, temporal } = environment;
  return {
    ...{ gatepost, database, pool, tenantId, sandbox, storage, envelopes, codec },
    tenant: forTenant(apiPool, tenantId),
    members: {
      author: actorOf(people.author),
      reviewer: actorOf(people.reviewer),
      second: actorOf(people.admin),
      designer: actorOf(people.designer),
      viewer: actorOf(people.viewer),
    },
    environment: temporal,
    client: temporal.client,
    now: async () => (await environment.time.observe()).getTime(),
    sleep: (milliseconds) => gatepost.clock.advance({ milliseconds }),
    ended: (post) => gatepost.clock.advanceToEnd({ id: post.postId }, { within: { weeks: 520 } }),
    stop: gatepost.stop,
  };
}

const actorOf = ({ memberId, role, name }: Person): Actor => ({ memberId, role, name });

export interface TestProfile {
  readonly profileId: string;
  readonly platform: Platform;
  readonly accountKind: AccountKind;
  readonly externalId: string;
}

/** Connects an account of the sandbox. */
export async function connectProfile(
  { gatepost }: World,
  accountKind: AccountKind = 'organization',
  platform: Platform = accountKind === 'business' ? 'instagram' : 'linkedin',
): Promise<TestProfile> {
  const { id: profileId, externalId } = await gatepost.profiles.connect(platform, accountKind);
  return { profileId, platform, accountKind, externalId };
}

export interface TestPost {
  readonly postId: string;
  readonly input: PostWorkflowInput;
  readonly content: RevisionContent;
  readonly revision: RevisionRef;
}

export interface PostOptions {
  readonly type?: PostType;
  readonly copy?: string;
  readonly dueAtMs?: number | null;
  readonly policy?: PolicyLayer;
  readonly settings?: Partial<PostRunSettings>;
  readonly media?: RevisionContent['media'];
  /** What every target says besides its copy. */
  readonly texts?: TargetTexts;
}

/** A submitted post's rows and the input of its run, as the API writes them. */
export async function createPost(
  world: World,
  profiles: readonly TestProfile[],
  options: PostOptions = {},
): Promise<TestPost> {
  const postId = randomUUID();
  const type = options.type ?? 'TEXT_ONLY';
  const targets = profiles.map((profile) => ({ targetId: randomUUID(), profile }));
  const content: RevisionContent = {
    type,
    copy: options.copy ?? `A post ${postId}`,
    media: options.media ?? [],
    targets: targets.map(({ targetId, profile }) => ({
      targetId,
      profileId: profile.profileId,
      copy: null,
      ...options.texts,
    })),
  };
  const revisionId = randomUUID();
  await world.tenant
    .insertInto('posts')
    .values({
      ...{ id: postId, type, copy: content.copy, created_by: world.members.author.memberId },
      ...{ revision_id: revisionId, revision_number: 1, submitted_at: new Date() },
      due_at: options.dueAtMs ? new Date(options.dueAtMs) : null,
    } as never)
    .execute();
  const revision = await insertRevision(world, postId, content, 1, world.members.author.memberId, revisionId);
  for (const [position, { targetId, profile }] of targets.entries())
    await world.tenant
      .insertInto('targets')
      .values({ id: targetId, post_id: postId, profile_id: profile.profileId, position } as never)
      .execute();
  const input: PostWorkflowInput = {
    post: {
      ...{ tenantId: world.tenantId, postId, type, origin: 'human', revision },
      policy: resolvePostPolicy(profiles.map(() => [options.policy ?? null])),
      policyVersion: 1,
      dueAtMs: options.dueAtMs ?? null,
      targets: targets.map(({ targetId, profile: { profileId, platform, accountKind } }) => ({
        ...{ targetId, profileId, platform, accountKind, type, dueAtMs: null },
      })),
    },
    submittedBy: world.members.author,
    settings: { armLeadMs: 0, acceptSignals: false, ...options.settings },
  };
  return { postId, input, content, revision };
}

/** Stores a revision, and answers what the workflow is told of it. */
export async function insertRevision(
  world: World,
  postId: string,
  content: RevisionContent,
  number: number,
  memberId: string,
  revisionId: string = randomUUID(),
): Promise<RevisionRef> {
  const hashes = hashRevision(content);
  const authors = { content: memberId, design: memberId, publish: memberId };
  await world.tenant
    .insertInto('revisions')
    .values({
      ...{ id: revisionId, post_id: postId, number, created_by: memberId },
      ...{
        content_hash: hashes.contentHash,
        design_hash: hashes.designHash,
        publish_hash: hashes.publishHash,
      },
      content: JSON.stringify(content),
      authors: JSON.stringify(authors),
    })
    .execute();
  return {
    ...{ revisionId, number, ...hashes, authors },
    hasCopy: content.copy.trim() !== '',
    mediaCount: content.media.length,
    ...whatFollows(content),
  };
}

export const startPost = (world: World, post: TestPost) =>
  world.client.workflow.start(postWorkflowType, {
    workflowId: postWorkflowId(world.tenantId, post.postId),
    taskQueue: mainTaskQueue,
    args: [post.input],
  });

/** Sends a command as the API does; answers its verdict or throws the refusal. */
export async function command(world: World, postId: string, given: CommandWithoutId): Promise<unknown> {
  const commandId = given.commandId ?? randomUUID();
  const handle = world.client.workflow.getHandle(postWorkflowId(world.tenantId, postId));
  const update = updates[given.kind] as typeof updates.decide;
  return handle.executeUpdate(update, { updateId: commandId, args: [{ ...given, commandId } as never] });
}
export type CommandWithoutId = {
  [Kind in Command['kind']]: Omit<Extract<Command, { kind: Kind }>, 'commandId'> & { commandId?: string };
}[Command['kind']];

/** Approves the given gates with the hashes the run holds now. */
export async function approve(
  world: World,
  postId: string,
  gates: readonly ('content' | 'design' | 'publish')[],
  actor: Actor = world.members.reviewer,
): Promise<void> {
  for (const gate of gates) {
    const { revision } = await stateOf(world, postId);
    const hash = {
      content: revision.contentHash,
      design: revision.designHash,
      publish: revision.publishHash,
    }[gate];
    await command(world, postId, {
      kind: 'decide',
      actor,
      gate,
      verdict: 'approve',
      hash,
      notes: null,
      returnTo: null,
    });
  }
}

export const stateOf = (world: World, postId: string) =>
  world.client.workflow.getHandle(postWorkflowId(world.tenantId, postId)).query(stateQuery);

export const rowOf = (world: World, postId: string) =>
  world.tenant.selectFrom('posts').selectAll().where('id', '=', postId).executeTakeFirstOrThrow();

export const control = (world: { sandbox: Sandbox }, path: string, body?: unknown): Promise<unknown> =>
  createControl(world.sandbox)(body === undefined ? 'GET' : 'POST', path, body);

export interface LedgerEntry {
  readonly ledgerId: string;
  readonly text: string;
  readonly publicId: string;
  /** What it answers, if anything. */
  readonly parentId?: string;
  readonly receivedAt: string;
  readonly externalId: string;
  readonly media: readonly { sha256: string }[];
}

export async function ledgerOf(world: { sandbox: Sandbox }, externalId: string): Promise<LedgerEntry[]> {
  const answer = (await control(world, `/ledger?externalId=${encodeURIComponent(externalId)}`)) as {
    entries: LedgerEntry[];
  };
  return answer.entries;
}

/** Waits, in real time and bounded, until something holds. */
export async function eventually<T>(
  probe: () => Promise<T | undefined | false | null>,
  milliseconds = 15_000,
): Promise<T> {
  const deadline = Date.now() + milliseconds;
  for (;;) {
    const found = await probe();
    if (found) return found;
    if (Date.now() > deadline) throw new Error(`It did not come about within ${milliseconds} ms: ${probe}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** An approved-looking picture in the store: real JPEG bytes at their immutable key, and the media row. */
export async function storeMedia(world: World, color: string): Promise<RevisionContent['media'][number]> {
  const bytes = await sharp({ create: { width: 1080, height: 1080, channels: 3, background: color } })
    .jpeg()
    .toBuffer();
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  const [mediaId, objectKey] = [randomUUID(), `${world.tenantId}/${sha256}`];
  await world.storage.write(objectKey, bytes, 'image/jpeg');
  await world.tenant
    .insertInto('media')
    .values({
      ...{
        id: mediaId,
        state: 'ready',
        file_name: `${color}.jpg`,
        upload_key: `incoming/${mediaId}`,
        object_key: objectKey,
      },
      ...{
        declared_content_type: 'image/jpeg',
        declared_size_bytes: bytes.length,
        content_type: 'image/jpeg',
      },
      ...{
        size_bytes: bytes.length,
        width: 1080,
        height: 1080,
        sha256,
        created_by: world.members.designer.memberId,
      },
    } as never)
    .execute();
  return { mediaId, sha256, altText: `A ${color} square` };
}
