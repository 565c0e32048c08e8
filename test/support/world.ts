import { createHash, randomBytes, randomUUID } from 'node:crypto';
import type { Client } from '@temporalio/client';
import type { PayloadCodec } from '@temporalio/common';
import proto from '@temporalio/proto';
import { TestWorkflowEnvironment } from '@temporalio/testing';
import { DefaultLogger, Runtime, Worker } from '@temporalio/worker';
import { type RawBuilder, sql } from 'kysely';
import type pg from 'pg';
import sharp from 'sharp';
import type { Clock } from '../../activities/clock.ts';
import type { ActivityDependencies } from '../../activities/dependencies.ts';
import { createActivities } from '../../activities/index.ts';
import { createRegistry, liveEndpoints } from '../../adapters/platforms/registry.ts';
import { createEnvelopes, type Envelopes } from '../../adapters/secrets/envelope.ts';
import { createPayloadCodec } from '../../adapters/secrets/payload-codec.ts';
import { createObjectStorage, type ObjectStorage } from '../../adapters/storage/s3.ts';
import { searchAttributeTypes } from '../../cli/search-attributes.ts';
import { createDataConverter, payloadKeys } from '../../cli/wiring.ts';
import { openPool, systemDatabase } from '../../db/pool.ts';
import { forTenant, type TenantDatabase } from '../../db/tenant-database.ts';
import type { Command } from '../../domain/commands.ts';
import { type PolicyLayer, resolvePostPolicy } from '../../domain/policy.ts';
import type { AccountKind, Platform, PostType, Role } from '../../domain/post.ts';
import type { Actor, RevisionRef } from '../../domain/post-state.ts';
import { defaultRates } from '../../domain/rates.ts';
import { hashRevision, type RevisionContent } from '../../domain/revision.ts';
import { type Sandbox, startSandbox } from '../../sandbox/server.ts';
import { mainTaskQueue, postWorkflowId, releaseTaskQueue } from '../../workflows/ids.ts';
import {
  type PostRunSettings,
  type PostWorkflowInput,
  postWorkflowType,
  stateQuery,
  updates,
} from '../../workflows/messages.ts';
import { startTestDatabase, type TestDatabase } from './database.ts';
import { testEndpoints } from './endpoints.ts';
import { registerNamespace } from './namespace.ts';

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
  readonly now: () => Promise<number>;
  readonly sleep: (milliseconds: number) => Promise<void>;
  readonly stop: () => Promise<void>;
}

export const testKeys = { currentKeyId: 'test', keys: { test: randomBytes(32) } };
/** Stands in every place a real token would: what the canary tests look for. */
export const canaryToken = `canary-${randomUUID()}`;

export interface WorldOptions {
  /** Skips time, with workers in this process (default); or real time, with workers as processes to be killed. */
  readonly time?: 'skipping' | 'real';
  readonly dependencies?: Partial<ActivityDependencies>;
  /**
   * Default 0: every task replays its whole history, and code that is not deterministic shows at once. With several
   * posts moving at the same instant the SDK loses tasks that way (it calls it a bug of its own): they need a cache.
   */
  readonly maxCachedWorkflows?: number;
}

export async function startWorld(options: WorldOptions = {}): Promise<World> {
  const endpoints = testEndpoints();
  installQuietRuntime();
  const database = await startTestDatabase();
  const pool = openPool({
    connectionString: database.workerUrl,
    max: 10,
    applicationName: 'test',
    onIdleError: () => {},
  });
  const seedPool = openPool({
    connectionString: database.apiUrl,
    max: 4,
    applicationName: 'seed',
    onIdleError: () => {},
  });
  const envelopes = createEnvelopes(testKeys);
  const dataConverter = createDataConverter({ GATEPOST_KEYS: testKeys }, pool, envelopes);
  const codec = createPayloadCodec(payloadKeys({ GATEPOST_KEYS: testKeys }, pool, envelopes));
  const skipping = options.time !== 'real';
  const environment = skipping
    ? await TestWorkflowEnvironment.createTimeSkipping({
        server: { executable: { type: 'existing-path', path: endpoints.temporalTestServerPath } },
        client: { dataConverter },
      })
    : await TestWorkflowEnvironment.createFromExistingServer({
        address: endpoints.temporalAddress,
        namespace: await registerNamespace(endpoints.temporalAddress),
        client: { dataConverter },
      });
  if (skipping) await addSearchAttributes(environment);
  const sandbox = await startSandbox({ port: 0 });
  const storage = createObjectStorage({ ...endpoints.s3, forcePathStyle: true });
  const tenantId = randomUUID();
  await systemDatabase(seedPool).insertInto('tenants').values({ id: tenantId, name: 'Test' }).execute();
  const tenant = forTenant(seedPool, tenantId);
  const members = await insertMembers(tenant);
  const workers = skipping ? await startWorkers() : [];
  const running = Promise.all(workers.map((worker) => worker.run()));

  function startWorkers(): Promise<Worker[]> {
    const { clock, lastSeen } = skippedTime(environment);
    const registry = createRegistry({
      live: liveEndpoints,
      sandbox: sandboxEndpoints(sandbox.url),
      fetch,
      now: lastSeen,
    });
    const activities = createActivities({
      pool,
      clock,
      registry,
      storage,
      envelopes,
      rates: defaultRates,
      ...options.dependencies,
    });
    const { nativeConnection: connection, namespace } = environment;
    const shared = { connection, namespace, dataConverter, activities };
    const maxCachedWorkflows = options.maxCachedWorkflows ?? 0;
    const workflowBundle = { codePath: endpoints.workflowBundlePath };
    return Promise.all([
      Worker.create({ ...shared, taskQueue: mainTaskQueue, workflowBundle, maxCachedWorkflows }),
      Worker.create({ ...shared, taskQueue: releaseTaskQueue }),
    ]);
  }

  return {
    ...{ database, pool, tenantId, tenant, members, sandbox, storage, envelopes, codec, environment },
    client: environment.client,
    now: async () => (skipping ? await environment.currentTimeMs() : Date.now()),
    sleep: (milliseconds) => environment.sleep(milliseconds),
    async stop() {
      for (const worker of workers) worker.shutdown();
      await running;
      await sandbox.stop();
      await environment.teardown();
      await pool.end();
      await seedPool.end();
      storage.close();
      await database.drop();
    },
  };
}

export const sandboxEndpoints = (url: string) => ({
  linkedin: {
    version: liveEndpoints.linkedin.version,
    apiBaseUrl: `${url}/linkedin`,
    permalinkBaseUrl: url,
    pollIntervalMs: 50,
    unreadableImageGraceMs: 400,
    settleMs: 500,
  },
  instagram: {
    version: liveEndpoints.instagram.version,
    graphBaseUrl: `${url}/instagram`,
    pollIntervalMs: 50,
  },
});

/** The time-skipping server starts without any. */
async function addSearchAttributes({ connection, namespace }: TestWorkflowEnvironment): Promise<void> {
  const types = proto.temporal.api.enums.v1.IndexedValueType;
  const typeOf = {
    Keyword: types.INDEXED_VALUE_TYPE_KEYWORD,
    KeywordList: types.INDEXED_VALUE_TYPE_KEYWORD_LIST,
    Datetime: types.INDEXED_VALUE_TYPE_DATETIME,
  };
  const entries = Object.entries(searchAttributeTypes).map(([name, type]) => [name, typeOf[type]]);
  await connection.operatorService.addSearchAttributes({
    namespace,
    searchAttributes: Object.fromEntries(entries),
  });
}

/** Tests are read by people: only what goes wrong is worth a line. */
function installQuietRuntime(): void {
  Runtime.install({
    logger: new DefaultLogger('ERROR'),
    telemetryOptions: { logging: { filter: 'ERROR', forward: {} } },
  });
}

/**
 * Skipped time as activities see it: never waits, because skipped time has always come already. Adapters ask without
 * waiting for an answer; they get what an activity saw last.
 */
function skippedTime(environment: TestWorkflowEnvironment): { clock: Clock; lastSeen: () => Date } {
  let seen = new Date();
  const now = async () => {
    seen = new Date(await environment.currentTimeMs());
    return seen;
  };
  const clock: Clock = {
    now,
    sqlNow: async (): Promise<RawBuilder<Date>> => sql<Date>`${(await now()).toISOString()}::timestamptz`,
    waitUntil: async () => {},
  };
  return { clock, lastSeen: () => seen };
}

async function insertMembers(tenant: TenantDatabase): Promise<World['members']> {
  const insert = async (name: string, role: Role): Promise<Actor> => {
    const memberId = randomUUID();
    await tenant
      .insertInto('members')
      .values({ id: memberId, subject: name, name, role, email: null, profile_ids: null })
      .execute();
    return { memberId, role, name };
  };
  return {
    author: await insert('author', 'content_manager'),
    reviewer: await insert('reviewer', 'content_manager'),
    second: await insert('second', 'tenant_admin'),
    designer: await insert('designer', 'graphic_designer'),
    viewer: await insert('viewer', 'viewer'),
  };
}

export interface TestProfile {
  readonly profileId: string;
  readonly platform: Platform;
  readonly accountKind: AccountKind;
  readonly externalId: string;
}

/** Connects an account of the sandbox: a grant with its sealed token, and the profile. */
export async function connectProfile(
  world: World,
  accountKind: AccountKind = 'organization',
): Promise<TestProfile> {
  const platform: Platform = accountKind === 'business' ? 'instagram' : 'linkedin';
  const number = String(Math.floor(Math.random() * 1e9));
  const externalId = {
    member: `urn:li:person:${number}`,
    organization: `urn:li:organization:${number}`,
    business: `1784${number}`,
  }[accountKind];
  const token = `${canaryToken}-${number}`;
  const scopes =
    accountKind === 'organization'
      ? ['w_organization_social', 'r_organization_social']
      : accountKind === 'member'
        ? ['w_member_social']
        : undefined;
  await control(world, '/accounts', {
    platform,
    kind: accountKind,
    externalId,
    name: accountKind,
    token,
    scopes,
  });
  const [grantId, profileId] = [randomUUID(), randomUUID()];
  const context = { tenantId: world.tenantId, table: 'grants', column: 'access_token', rowId: grantId };
  await world.tenant
    .insertInto('grants')
    .values({ id: grantId, platform, access_token: world.envelopes.seal(token, context), expires_at: null })
    .execute();
  await world.tenant
    .insertInto('profiles')
    .values({
      id: profileId,
      grant_id: grantId,
      platform,
      account_kind: accountKind,
      external_id: externalId,
      name: accountKind,
    })
    .execute();
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
    targets: targets.map(({ targetId, profile }) => ({ targetId, profileId: profile.profileId, copy: null })),
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

export async function control(world: { sandbox: Sandbox }, path: string, body?: unknown): Promise<unknown> {
  const response = await fetch(`${world.sandbox.url}/_control${path}`, {
    method: body === undefined ? 'GET' : 'POST',
    headers: { 'content-type': 'application/json' },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  if (!response.ok) throw new Error(`The sandbox refused ${path}: ${await response.text()}`);
  return response.json();
}

export interface LedgerEntry {
  readonly ledgerId: string;
  readonly text: string;
  readonly publicId: string;
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
