import { randomUUID } from 'node:crypto';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { SignJWT } from 'jose';
import pg from 'pg';
import { pino } from 'pino';
import { ProbeError } from '../../adapters/media/probe.ts';
import type { ProbeBytes } from '../../adapters/media/take-upload.ts';
import { RegistryError } from '../../adapters/platforms/registry.ts';
import { createEnvelopes } from '../../adapters/secrets/envelope.ts';
import { createApi } from '../../api/app.ts';
import type { AuthConfig } from '../../api/auth.ts';
import type { ApiDependencies, MediaStorage } from '../../api/ports.ts';
import { CommandRefused, PostRunMissing, type PostRuns } from '../../api/post-runs.ts';
import { findConditions } from '../../db/conditions.ts';
import { openPool } from '../../db/pool.ts';
import { projectPost } from '../../db/projections.ts';
import { forTenant } from '../../db/tenant-database.ts';
import { noteRest } from '../../domain/alarms.ts';
import type { Change } from '../../domain/change.ts';
import type { Command, CommandAnswer } from '../../domain/commands.ts';
import { applyConditions } from '../../domain/conditions.ts';
import { evaluate } from '../../domain/lifecycle.ts';
import { accountIdRule } from '../../domain/platform-rules.ts';
import type { AccountKind, Platform, Role } from '../../domain/post.ts';
import { newPostState, type PostState, type TargetPhase } from '../../domain/post-state.ts';
import { applyCommand, openPost } from '../../domain/reducer.ts';
import type { ImportMediaInput, PokeInput, RemovalInput } from '../../workflows/messages.ts';
import { startTestDatabase, type TestDatabase } from '../support/database.ts';

export const issuer = 'https://issuer.test';
export const audience = 'gatepost';
export const secret = 'a development secret of enough length';

/** Runs without a server: the real reducer and the real projection, at once. */
export interface FakeRuns extends PostRuns {
  readonly started: string[];
  readonly commands: Command[];
  readonly pokes: PokeInput[];
  readonly removals: RemovalInput[];
  readonly imports: ImportMediaInput[];
  /** Throws instead of starting or executing, once. */
  failNext: Error | null;
  forget(postId: string): void;
  /** Has a run look at what holds around its post, as it does when it is poked. */
  refresh(postId: string): Promise<void>;
  /** Moves all targets of a post, as sending it would. */
  setPhase(postId: string, phase: TargetPhase): Promise<void>;
}

export function createFakeRuns(workerPool: pg.Pool): FakeRuns {
  const runs = new Map<string, { state: PostState; runId: string }>();
  const failIfAsked = () => {
    const error = fake.failNext;
    fake.failNext = null;
    if (error) throw error;
  };
  const keep = async (runId: string, { state: changed, timeline, decisions }: Change) => {
    const state = noteRest(changed, Date.now());
    runs.set(state.postId, { state, runId });
    const database = forTenant(workerPool, state.tenantId);
    await projectPost(database, { runId, state, readiness: evaluate(state), timeline, decisions });
  };
  const fake: FakeRuns = {
    started: [],
    commands: [],
    pokes: [],
    removals: [],
    imports: [],
    failNext: null,
    forget: (postId) => void runs.delete(postId),
    start: async ({ post, submittedBy }) => {
      failIfAsked();
      fake.started.push(post.postId);
      if (runs.has(post.postId)) return;
      await keep(randomUUID(), openPost(newPostState(post), submittedBy, Date.now()));
    },
    pokeAll: async (input) => {
      failIfAsked();
      fake.pokes.push(input);
    },
    startParts: async () => {
      failIfAsked();
    },
    isBringingOutParts: async () => {
      failIfAsked();
      return false;
    },
    startRemoval: async (input) => {
      failIfAsked();
      fake.removals.push(input);
    },
    startAmendment: async () => {
      failIfAsked();
    },
    importMedia: async (input) => {
      failIfAsked();
      fake.imports.push(input);
    },
    refresh: async (postId) => {
      const { state, runId } = runs.get(postId)!;
      const { tenantId, policyVersion: knownVersion } = state;
      const database = forTenant(workerPool, tenantId);
      const conditions = await findConditions(database, { tenantId, postId, knownVersion });
      const change = applyConditions(state, conditions, Date.now());
      if (change) await keep(runId, change);
    },
    setPhase: async (postId, phase) => {
      const { state, runId } = runs.get(postId)!;
      const targets = state.targets.map((target) => ({ ...target, phase }));
      const moved = { ...state, targets, version: state.version + 1 };
      await keep(runId, { state: moved, timeline: [], decisions: [] });
    },
    execute: async (command, { postId }) => {
      failIfAsked();
      const run = runs.get(postId);
      if (!run) throw new PostRunMissing('There is no run');
      fake.commands.push(command);
      if (run.state.commands.some((done) => done.commandId === command.commandId))
        return answerOf(run.state, true);
      const reduction = applyCommand(run.state, command, Date.now());
      if (!reduction.ok) throw new CommandRefused(reduction.refusal.code, reduction.refusal.message);
      await keep(run.runId, reduction.change);
      return answerOf(reduction.change.state, false);
    },
  };
  return fake;
}

function answerOf(state: PostState, repeated: boolean): CommandAnswer {
  const { status, blockedOn } = evaluate(state);
  const { postId, version, revision } = state;
  return { postId, status, blockedOn, revisionId: revision.revisionId, version, repeated };
}

export interface FakeStorage extends MediaStorage {
  readonly objects: Map<string, Buffer>;
}

export function createFakeStorage(): FakeStorage {
  const objects = new Map<string, Buffer>();
  return {
    objects,
    presignUpload: async ({ key, contentType, sizeBytes, expiresInSeconds }) => ({
      method: 'PUT',
      url: `https://storage.test/${key}?signature=upload`,
      headers: { 'Content-Type': contentType, 'Content-Length': String(sizeBytes) },
      expiresAt: new Date(Date.now() + expiresInSeconds * 1_000),
    }),
    presignDownload: async (key) => `https://storage.test/${key}?signature=download`,
    head: async (key) => (objects.has(key) ? headOf(objects.get(key)!) : null),
    read: async (key) => objects.get(key)!,
    readStream: async (key, { start, end } = { start: 0, end: objects.get(key)!.length }) => ({
      ...headOf(objects.get(key)!),
      stream: Readable.from([objects.get(key)!.subarray(start, end)]),
    }),
    write: async (key, bytes) => void objects.set(key, Buffer.from(bytes)),
    writeCopy: async ({ from, to }) => void objects.set(to, objects.get(from)!),
    copy: async ({ from, to }) => {
      objects.set(to, objects.get(from)!);
      return headOf(objects.get(from)!);
    },
    delete: async (key) => void objects.delete(key),
  };
}

const headOf = (bytes: Buffer) => ({ sizeBytes: bytes.length, contentType: null, etag: null });

/** Takes bytes that begin with `<width>x<height>` for a JPEG. */
const fakeProbe: ProbeBytes = async ({ read, sizeBytes }) => {
  const head = Buffer.from(await read(0, Math.min(sizeBytes, 20))).toString();
  const [, width, height] = /^(\d+)x(\d+)/.exec(head) ?? [];
  if (!width || !height) throw new ProbeError('unsupported-media', 'The bytes are no picture');
  return { kind: 'image', contentType: 'image/jpeg', width: Number(width), height: Number(height) };
};

export interface Reply {
  readonly status: number;
  readonly headers: Headers;
  // biome-ignore lint/suspicious/noExplicitAny: a test asserts what it reads.
  readonly body: any;
  readonly text: string;
}

export interface Send {
  readonly token?: string | null;
  readonly key?: string | null;
  readonly headers?: Record<string, string>;
  readonly body?: unknown;
  /** Sent as it is, instead of `body`. */
  readonly raw?: string | Buffer;
}

export interface TestApi {
  readonly url: string;
  readonly runs: FakeRuns;
  readonly storage: FakeStorage;
  readonly database: TestDatabase;
  readonly logLines: string[];
  send(method: string, path: string, options?: Send): Promise<Reply>;
  stop(): Promise<void>;
}

export const defaultAuth: AuthConfig = {
  mode: 'members',
  issuers: [
    {
      issuer,
      audience,
      algorithm: 'HS256',
      secret,
      tenants: '*',
      roles: ['super_admin', 'tenant_admin', 'content_manager', 'graphic_designer', 'viewer'],
    },
  ],
};

const noConnectors: ApiDependencies['connectors'] = {
  connectorFor: ({ platform }) => {
    throw new RegistryError('no-connector', `Accounts of ${platform} are not connected by OAuth`);
  },
};

/** The interface over a database of its own, with everything else faked at its ports. */
export async function startTestApi(change: Partial<ApiDependencies> = {}): Promise<TestApi> {
  const database = await startTestDatabase();
  const onIdleError = () => {};
  const pool = openPool({ connectionString: database.apiUrl, applicationName: 'test-api', onIdleError });
  const workerPool = openPool({
    connectionString: database.workerUrl,
    applicationName: 'test-worker',
    onIdleError,
  });
  const runs = createFakeRuns(workerPool);
  const storage = createFakeStorage();
  const logLines: string[] = [];
  const app = createApi({
    pool,
    postRuns: runs,
    storage,
    probe: fakeProbe,
    envelopes: createEnvelopes({ currentKeyId: 'test', keys: { test: Buffer.alloc(32, 7) } }),
    auth: defaultAuth,
    clock: { now: () => new Date() },
    logger: pino({ level: 'info' }, { write: (line: string) => void logLines.push(line) }),
    connectors: noConnectors,
    settings: { armLeadMs: 0, acceptSignals: false, publicUrl: 'https://gatepost.test' },
    readiness: { postgres: async () => void (await pool.query('select 1')) },
    ...change,
  });
  const server = app.listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    url,
    runs,
    storage,
    database,
    logLines,
    send: async (method, path, options = {}) => {
      if (/\/timeline(\?|$)/.test(path)) await untilShown(database.superuserUrl);
      return send(url, method, path, options);
    },
    stop: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      await Promise.all([pool.end(), workerPool.end()]);
      await database.drop();
    },
  };
}

/** The timeline shows an event when no transaction of the server that began before it is open: a neighbour's may be. */
async function untilShown(superuserUrl: string): Promise<void> {
  const client = new pg.Client({ connectionString: superuserUrl });
  await client.connect();
  try {
    for (const deadline = Date.now() + 15_000; ; await sleep(50)) {
      const { rowCount } = await client.query(
        'select from post_events where transaction_id >= pg_snapshot_xmin(pg_current_snapshot()) limit 1',
      );
      if (rowCount === 0) return;
      if (Date.now() > deadline) throw new Error('Events stayed hidden behind a transaction of a neighbour');
    }
  } finally {
    await client.end();
  }
}

async function send(url: string, method: string, path: string, options: Send): Promise<Reply> {
  const { token, key, headers = {}, body, raw } = options;
  const hasBody = body !== undefined || raw !== undefined;
  const isKeyed = method === 'POST' && key !== null;
  const response = await fetch(`${url}${path}`, {
    method,
    headers: {
      ...(token && { Authorization: `Bearer ${token}` }),
      ...(isKeyed && { 'Idempotency-Key': key ?? randomUUID() }),
      ...(hasBody && { 'Content-Type': 'application/json' }),
      ...headers,
    },
    ...(hasBody && { body: raw ?? JSON.stringify(body) }),
  });
  const text = await response.text();
  const isJson = response.headers.get('content-type')?.includes('json');
  return {
    status: response.status,
    headers: response.headers,
    body: isJson ? JSON.parse(text) : undefined,
    text,
  };
}

export interface TokenClaims {
  readonly subject?: string;
  readonly tenant?: string;
  readonly role?: Role;
  readonly expiresAt?: number;
  readonly issuer?: string;
  readonly audience?: string;
}

export function signToken(claims: TokenClaims, key = secret): Promise<string> {
  const { subject = 'somebody', tenant, role } = claims;
  return new SignJWT({ ...(tenant && { tenant }), ...(role && { role }), name: `Name of ${subject}` })
    .setProtectedHeader({ alg: 'HS256', typ: 'JWT' })
    .setSubject(subject)
    .setIssuer(claims.issuer ?? issuer)
    .setAudience(claims.audience ?? audience)
    .setExpirationTime(claims.expiresAt ?? Math.floor(Date.now() / 1_000) + 600)
    .sign(new TextEncoder().encode(key));
}

/** A tenant with one member of each role, an author, and a profile on each platform. */
export interface TestTenant {
  readonly id: string;
  readonly tokens: Readonly<Record<'admin' | 'author' | 'manager' | 'designer' | 'viewer', string>>;
  readonly memberIds: Readonly<Record<'admin' | 'author' | 'manager' | 'designer' | 'viewer', string>>;
  readonly linkedinId: string;
  readonly instagramId: string;
}

const memberRoles = {
  admin: 'tenant_admin',
  author: 'content_manager',
  manager: 'content_manager',
  designer: 'graphic_designer',
  viewer: 'viewer',
} as const;

export async function createTestTenant(api: TestApi): Promise<TestTenant> {
  const superToken = await signToken({ subject: 'root', role: 'super_admin' });
  const tenant = await api.send('POST', '/api/v1/tenants', { token: superToken, body: { name: 'Acme' } });
  const tenantId: string = tenant.body.id;
  const asRoot = { token: superToken, headers: { 'Gatepost-Tenant': tenantId } };
  const tokens: Record<string, string> = {};
  const memberIds: Record<string, string> = {};
  for (const [name, role] of Object.entries(memberRoles)) {
    const member = await api.send('POST', '/api/v1/members', {
      ...asRoot,
      body: { subject: name, name: `The ${name}`, role },
    });
    memberIds[name] = member.body.id;
    tokens[name] = await signToken({ subject: name, tenant: tenantId, role });
  }
  const connect = async (platform: Platform, accountKind: AccountKind) => {
    const body = {
      platform,
      accountKind,
      externalId: accountIdRule(platform, accountKind).example,
      name: platform,
      accessToken: 'secret',
    };
    return (await api.send('POST', '/api/v1/profiles', { ...asRoot, body })).body.id as string;
  };
  return {
    id: tenantId,
    tokens: tokens as TestTenant['tokens'],
    memberIds: memberIds as TestTenant['memberIds'],
    linkedinId: await connect('linkedin', 'organization'),
    instagramId: await connect('instagram', 'business'),
  };
}

/** Uploads and completes a picture of a size; answers the medium's id. */
export async function createTestMedia(
  api: TestApi,
  token: string,
  size = '1080x1080',
  note = '',
): Promise<string> {
  const bytes = Buffer.from(`${size} ${note}`);
  const body = { fileName: 'picture.jpg', contentType: 'image/jpeg', sizeBytes: bytes.length };
  const announced = await api.send('POST', '/api/v1/media', { token, body });
  const key = new URL(announced.body.upload.url).pathname.slice(1);
  api.storage.objects.set(key, bytes);
  await api.send('POST', `/api/v1/media/${announced.body.id}/complete`, { token });
  return announced.body.id;
}

export const inDays = (days: number): string => new Date(Date.now() + days * 86_400_000).toISOString();
