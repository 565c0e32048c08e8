import { randomBytes, randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { Client, Connection } from '@temporalio/client';
import type { PayloadCodec } from '@temporalio/common';
import { SignJWT } from 'jose';
import pg from 'pg';
import { createEnvelopes } from '../../adapters/secrets/envelope.ts';
import { createPayloadCodec } from '../../adapters/secrets/payload-codec.ts';
import { parseKeyring } from '../../cli/config.ts';
import { wantedSchedules } from '../../cli/schedules.ts';
import { type ManagedProcess, startProcess } from '../../cli/stack/managed-process.ts';
import { payloadKeys } from '../../cli/wiring.ts';
import type { AccountKind, Gate, Platform, Role } from '../../domain/post.ts';
import type { PostState } from '../../domain/post-state.ts';
import type { LedgerEntry } from '../../sandbox/ledger.ts';
import { type Sandbox, startSandbox } from '../../sandbox/server.ts';
import { createSender, type Reply, type Sender } from '../../testing/http.ts';
import { createControl, readLedger } from '../../testing/platforms.ts';
import { connectAccount } from '../../testing/profiles.ts';
import { postWorkflowId } from '../../workflows/ids.ts';
import { type StoryPart, stateQuery, storyQuery } from '../../workflows/messages.ts';
import { startTestDatabase, type TestDatabase } from './database.ts';
import { testEndpoints } from './endpoints.ts';
import { registerNamespace } from './namespace.ts';
import type { TestEndpoints } from './servers.ts';

export type { Reply, Send } from '../../testing/http.ts';
export { createPicture, putBytes, type Upload, uploadPicture, uploadVideo } from '../../testing/media.ts';

/** Somebody who uses the interface over HTTP, and in no other way. */
export interface Person {
  readonly memberId: string;
  readonly name: string;
  readonly token: string;
  readonly send: Sender;
}

export interface ConnectedProfile {
  readonly id: string;
  readonly platform: Platform;
  readonly externalId: string;
  /** Must never be seen again once it was handed in. */
  readonly token: string;
}

export interface LiveTenant {
  readonly id: string;
  readonly root: Person;
  readonly author: Person;
  readonly reviewer: Person;
  readonly second: Person;
  readonly designer: Person;
  readonly viewer: Person;
  /** Default: an organisation at LinkedIn; a kind alone is Instagram's or LinkedIn's. */
  readonly connect: (kind?: AccountKind, platform?: Platform) => Promise<ConnectedProfile>;
}

export interface LiveApi {
  readonly url: string;
  readonly process: ManagedProcess;
  readonly stop: () => Promise<void>;
}

/** The real processes on real servers in real time, each in a namespace and a database of its own. */
export interface Live {
  readonly endpoints: LiveEndpoints;
  readonly api: LiveApi;
  readonly database: TestDatabase;
  readonly sandbox: Sandbox;
  /** Reads histories as they are stored: it has no key. */
  readonly temporal: Client;
  readonly codec: PayloadCodec;
  /** A post as its run sees it. */
  readonly stateOf: (tenant: LiveTenant, postId: string) => Promise<PostState>;
  /** Everything its run has written about the post, in order. */
  readonly storyOf: (tenant: LiveTenant, postId: string) => Promise<readonly StoryPart[]>;
  /** Every answer that anybody got. */
  readonly answers: Reply[];
  /** What the processes were given and must not show, by name. */
  readonly secrets: Readonly<Record<string, Buffer>>;
  /** A further process of the interface, with other settings where wanted. */
  readonly startApi: (settings?: Settings) => Promise<LiveApi>;
  /** A further worker, with other settings where wanted. */
  readonly startWorker: (settings?: Settings) => Promise<ManagedProcess>;
  readonly createTenant: () => Promise<LiveTenant>;
  readonly query: <Row extends pg.QueryResultRow>(text: string, values?: unknown[]) => Promise<Row[]>;
  /** Scripts a fault, or asks the sandbox something. */
  readonly control: (method: string, path: string, body?: unknown) => Promise<unknown>;
  readonly ledgerOf: (profile: ConnectedProfile) => Promise<LedgerEntry[]>;
  /** What every process has logged so far. */
  readonly readLogs: () => Promise<string>;
  readonly stop: () => Promise<void>;
}

export interface LiveOptions {
  /** Default 500 ms. */
  readonly armLeadMs?: number;
  /** Default true. */
  readonly worker?: boolean;
  /** The servers to run on (default: those of the test run). */
  readonly endpoints?: LiveEndpoints;
  /** Leads a process to what it uses by another way, through a proxy for instance. */
  readonly route?: (
    addresses: LiveAddresses,
  ) => Promise<{ readonly api?: Settings; readonly worker?: Settings }>;
}

export type LiveEndpoints = Omit<TestEndpoints, 'temporalTestServerPath'>;

/** Where the processes find what they use. */
export interface LiveAddresses {
  readonly temporalAddress: string;
  readonly apiDatabaseUrl: string;
  readonly sandboxUrl: string;
}

/** Environment variables of a process. */
export type Settings = Readonly<Record<string, string>>;

const root = fileURLToPath(new URL('../../', import.meta.url));
const tsx = pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href;
const jwtSecret = `jwt-secret-${randomUUID()}`;
const issuer = { issuer: 'https://issuer.test', audience: 'gatepost', algorithm: 'HS256' };
const allRoles = ['super_admin', 'tenant_admin', 'content_manager', 'graphic_designer', 'viewer'];

/** Starts the interface and a worker as the processes they are in production. */
export async function startLive(options: LiveOptions = {}): Promise<Live> {
  const { armLeadMs = 500, worker = true, endpoints = testEndpoints(), route } = options;
  const stops: (() => Promise<unknown>)[] = [];
  const stop = async () => {
    for (const one of stops.splice(0).reverse()) await one();
  };
  try {
    const folder = await mkdtemp(join(tmpdir(), 'gatepost-live-'));
    stops.push(() => rm(folder, { recursive: true, force: true }));
    const database = await startTestDatabase(endpoints);
    stops.push(() => database.drop());
    const [namespace, sandbox] = await Promise.all([
      registerNamespace(endpoints.temporalAddress),
      startSandbox({ port: 0 }),
    ]);
    stops.push(() => sandbox.stop());
    const connection = await Connection.connect({ address: endpoints.temporalAddress });
    const temporal = new Client({ connection, namespace });
    stops.push(() => connection.close());
    for (const { scheduleId } of wantedSchedules(60))
      stops.push(() =>
        temporal.schedule
          .getHandle(scheduleId)
          .delete()
          .catch(() => {}),
      );
    const pool = new pg.Pool({ connectionString: database.superuserUrl, max: 2 });
    pool.on('error', () => {});
    stops.push(() => pool.end());
    const keyPool = new pg.Pool({ connectionString: database.workerUrl, max: 2 });
    keyPool.on('error', () => {});
    stops.push(() => keyPool.end());

    const masterKey = randomBytes(32).toString('base64');
    const keyring = { GATEPOST_KEYS: parseKeyring(`live:${masterKey}`) };
    const shared = {
      PATH: process.env.PATH,
      HOME: process.env.HOME,
      TMPDIR: process.env.TMPDIR,
      NODE_ENV: 'development',
      LOG_LEVEL: 'debug',
      TEMPORAL_ADDRESS: endpoints.temporalAddress,
      TEMPORAL_NAMESPACE: namespace,
      GATEPOST_KEYS: `live:${masterKey}`,
      S3_ENDPOINT: endpoints.s3.endpoint,
      S3_REGION: endpoints.s3.region,
      S3_BUCKET: endpoints.s3.bucket,
      S3_ACCESS_KEY_ID: endpoints.s3.accessKeyId,
      S3_SECRET_ACCESS_KEY: endpoints.s3.secretAccessKey,
      SANDBOX_URL: sandbox.url,
    };
    const ways = await route?.({
      temporalAddress: endpoints.temporalAddress,
      apiDatabaseUrl: database.apiUrl,
      sandboxUrl: sandbox.url,
    });
    const logFiles: string[] = [];
    const spawn = async (
      command: string,
      env: Readonly<Record<string, string | undefined>>,
      ready: (logFile: string) => Promise<boolean>,
      args: readonly string[] = [],
    ): Promise<ManagedProcess> => {
      const name = `${command}-${logFiles.length}`;
      const logFile = join(folder, `${name}.log`);
      logFiles.push(logFile);
      const child = await startProcess({
        name,
        command: process.execPath,
        args: ['--import', tsx, join(root, 'cli/gatepost.ts'), command, ...args],
        env: { ...shared, ...env },
        cwd: root,
        logFile,
        ready: () => ready(logFile),
        readyTimeoutMs: 40_000,
        stopTimeoutMs: 15_000,
      });
      stops.push(() => child.stop());
      return child;
    };

    const startApi = async (settings: Settings = {}): Promise<LiveApi> => {
      let port = '';
      const child = await spawn(
        'api',
        {
          GATEPOST_API_PORT: '0',
          GATEPOST_API_DATABASE_URL: database.apiUrl,
          GATEPOST_ISSUERS: JSON.stringify([{ ...issuer, secret: jwtSecret, tenants: '*', roles: allRoles }]),
          GATEPOST_ARM_LEAD_MS: String(armLeadMs),
          ...ways?.api,
          ...settings,
        },
        async (logFile) => {
          port = /"port":(\d+)/.exec(await readFile(logFile, 'utf8'))?.[1] ?? '';
          return port !== '';
        },
      );
      return { url: `http://127.0.0.1:${port}`, process: child, stop: () => child.stop() };
    };

    const startWorker = (settings: Settings = {}): Promise<ManagedProcess> => {
      const readyFile = join(folder, `worker-${logFiles.length}.ready`);
      return spawn(
        'worker',
        {
          GATEPOST_WORKER_DATABASE_URL: database.workerUrl,
          GATEPOST_WORKFLOW_BUNDLE: endpoints.workflowBundlePath,
          GATEPOST_STICKY_TIMEOUT_MS: '1000',
          GATEPOST_MAINTENANCE_EVERY_SECONDS: '5',
          ...ways?.worker,
          ...settings,
        },
        async () => existsSync(readyFile),
        ['--ready-file', readyFile],
      );
    };

    const [api] = await Promise.all([startApi(), worker ? startWorker() : null]);
    const codec = createPayloadCodec(payloadKeys(keyring, keyPool, createEnvelopes(keyring.GATEPOST_KEYS)));
    const runs = new Client({ connection, namespace, dataConverter: { payloadCodecs: [codec] } });
    const answers: Reply[] = [];
    const control = createControl(sandbox);
    const live: Live = {
      endpoints,
      api,
      database,
      sandbox,
      temporal,
      codec,
      stateOf: ({ id }, postId) => runs.workflow.getHandle(postWorkflowId(id, postId)).query(stateQuery),
      storyOf: ({ id }, postId) => runs.workflow.getHandle(postWorkflowId(id, postId)).query(storyQuery),
      answers,
      secrets: {
        masterKey: Buffer.from(masterKey, 'base64'),
        s3Secret: Buffer.from(endpoints.s3.secretAccessKey),
        jwtSecret: Buffer.from(jwtSecret),
      },
      startApi,
      startWorker,
      createTenant: () => createTenant(live),
      query: async (text, values) => (await pool.query(text, values)).rows,
      control,
      ledgerOf: (profile) => readLedger(control, profile),
      readLogs: async () =>
        (await Promise.all(logFiles.map((file) => readFile(file, 'utf8').catch(() => '')))).join('\n'),
      stop,
    };
    return live;
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Asks again until there is an answer; says what it waited for when time runs out. */
export async function within<Answer>(
  milliseconds: number,
  what: string,
  ask: () => Promise<Answer | undefined | false | null>,
): Promise<Answer> {
  const deadline = Date.now() + milliseconds;
  let last: unknown;
  for (;;) {
    try {
      const answer = await ask();
      if (answer) return answer;
      last = answer;
    } catch (error) {
      last = error;
    }
    if (Date.now() > deadline) throw new Error(`Not within ${milliseconds} ms: ${what}`, { cause: last });
    await sleep(50);
  }
}

export function signToken(claims: { subject: string; role: Role; tenant?: string }): Promise<string> {
  const { subject, role, tenant } = claims;
  return new SignJWT({ role, name: `Name of ${subject}`, ...(tenant && { tenant }) })
    .setProtectedHeader({ alg: 'HS256', typ: 'JWT' })
    .setSubject(subject)
    .setIssuer(issuer.issuer)
    .setAudience(issuer.audience)
    .setIssuedAt()
    .setExpirationTime('1h')
    .sign(new TextEncoder().encode(jwtSecret));
}

function personOf(
  live: Live,
  person: { memberId: string; name: string; token: string; tenantHeader?: string },
): Person {
  const { memberId, name, token, tenantHeader } = person;
  return {
    memberId,
    name,
    token,
    send: createSender({
      apiUrl: live.api.url,
      ...{ token, tenantHeader },
      onReply: (reply) => live.answers.push(reply),
    }),
  };
}

async function createTenant(live: Live): Promise<LiveTenant> {
  const token = await signToken({ subject: 'root', role: 'super_admin' });
  const platform = personOf(live, { memberId: '', name: 'root', token });
  const { body: tenant } = expectStatus(
    await platform.send('POST', '/tenants', { body: { name: 'Acme' } }),
    201,
  );
  const id = tenant.id as string;
  const rootOfTenant = personOf(live, { memberId: '', name: 'root', token, tenantHeader: id });
  const enrol = async (name: string, role: Role): Promise<Person> => {
    const subject = `${name}-${id.slice(0, 8)}`;
    const body = { subject, name: `The ${name}`, role };
    const member = expectStatus(await rootOfTenant.send('POST', '/members', { body }), 201);
    return personOf(live, {
      memberId: member.body.id,
      name: `The ${name}`,
      token: await signToken({ subject, role, tenant: id }),
    });
  };
  return {
    id,
    root: rootOfTenant,
    author: await enrol('author', 'content_manager'),
    reviewer: await enrol('reviewer', 'content_manager'),
    second: await enrol('second', 'tenant_admin'),
    designer: await enrol('designer', 'graphic_designer'),
    viewer: await enrol('viewer', 'viewer'),
    connect: (kind = 'organization', platform = kind === 'business' ? 'instagram' : 'linkedin') =>
      connect(live, rootOfTenant, kind, platform),
  };
}

const connect = (
  live: Live,
  person: Person,
  accountKind: AccountKind,
  platform: Platform,
): Promise<ConnectedProfile> =>
  connectAccount(live.control, person, {
    platform,
    accountKind,
    token: `canary/${accountKind}+${randomUUID()}`,
  });

/** Throws with the whole answer, which says more than two numbers would. */
export function expectStatus(reply: Reply, status: number): Reply {
  if (reply.status === status) return reply;
  throw new Error(`${reply.method} ${reply.path} answered ${reply.status}, not ${status}: ${reply.text}`);
}

/** A text post, submitted. */
export async function submitText(
  person: Person,
  profiles: readonly ConnectedProfile[],
  fields: Readonly<Record<string, unknown>> = {},
): Promise<string> {
  const targets = profiles.map((profile) => ({ profileId: profile.id }));
  const body = { type: 'TEXT_ONLY', copy: `A text ${randomUUID()}`, targets, submit: true, ...fields };
  return expectStatus(await person.send('POST', '/posts', { body }), 201).body.id;
}

// biome-ignore lint/suspicious/noExplicitAny: a test asserts what it reads.
export const readPost = async (person: Person, postId: string): Promise<any> =>
  expectStatus(await person.send('GET', `/posts/${postId}`), 200).body;

/** Decides with the hash that the post shows now. */
export async function decide(
  person: Person,
  postId: string,
  gate: Gate,
  fields: Readonly<Record<string, unknown>> = {},
): Promise<Reply> {
  const { gates } = await readPost(person, postId);
  const body = { gate, verdict: 'approve', hash: gates[gate].hash, ...fields };
  return person.send('POST', `/posts/${postId}/decisions`, { body, key: null });
}

export async function approve(person: Person, postId: string, ...gates: readonly Gate[]): Promise<void> {
  for (const gate of gates) expectStatus(await decide(person, postId, gate), 200);
}

export const schedule = (person: Person, postId: string, dueAt: Date): Promise<Reply> =>
  person.send('POST', `/posts/${postId}/schedule`, { body: { dueAt: dueAt.toISOString() } });

/** Edits what was just read. */
export async function edit(person: Person, postId: string, body: unknown): Promise<Reply> {
  const { headers } = expectStatus(await person.send('GET', `/posts/${postId}`), 200);
  return person.send('PATCH', `/posts/${postId}`, { body, ifMatch: headers.get('etag')! });
}

export interface TimelineEvent {
  readonly type: string;
  readonly occurredAt: string;
  readonly actorName: string | null;
  readonly data: Readonly<Record<string, unknown>>;
}

/** A post's whole story, page by page as its readers get it. */
export async function readTimeline(
  person: Person,
  postId: string,
  // biome-ignore lint/suspicious/noExplicitAny: a test asserts what it reads.
): Promise<{ events: TimelineEvent[]; decisions: any[]; publications: any[] }> {
  const events: TimelineEvent[] = [];
  let cursor = '';
  for (;;) {
    const path = `/posts/${postId}/timeline?limit=7${cursor && `&cursor=${encodeURIComponent(cursor)}`}`;
    const { body } = expectStatus(await person.send('GET', path), 200);
    events.push(...body.events);
    if (body.events.length === 0)
      return { events, decisions: body.decisions, publications: body.publications };
    cursor = body.nextCursor;
  }
}

export const waitForEvent = (person: Person, postId: string, type: string, withinMs = 20_000) =>
  within(withinMs, `${type} of ${postId}`, async () =>
    (await readTimeline(person, postId)).events.findLast((event) => event.type === type),
  );

export const waitForStatus = (person: Person, postId: string, status: string, withinMs = 25_000) =>
  within(withinMs, `${status} of ${postId}`, async () => {
    const post = await readPost(person, postId);
    return post.status === status && post;
  });

export const inSeconds = (seconds: number): Date => new Date(Date.now() + seconds * 1000);

/** What a post waits for, briefly: `gate:content`, `media`, `until-due`. */
export const blocksOf = (post: { blockedOn: { code: string; gate?: string }[] }): string[] =>
  post.blockedOn.map(({ code, gate }) => (gate ? `${code}:${gate}` : code));
