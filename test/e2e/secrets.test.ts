import { randomUUID } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Payload } from '@temporalio/common';
import type { temporal } from '@temporalio/proto';
import { decodeHistory } from '../../cli/replay.ts';
import { postWorkflowId } from '../../workflows/ids.ts';
import {
  approve,
  type ConnectedProfile,
  decide,
  edit,
  expectStatus,
  inSeconds,
  type Live,
  type LiveTenant,
  type Person,
  schedule,
  startLive,
  submitText,
  uploadPicture,
  waitForStatus,
  within,
} from '../support/live.ts';
import { findSecrets, flatten, type Place, type Secret } from './secret-search.ts';

type History = temporal.api.history.v1.IHistory;

let live: Live;
let tenant: LiveTenant;
let profiles: ConnectedProfile[];
/** The post with the failures that leave words behind. */
let failedId: string;
/** What an address that media are fetched from may hold. */
const addressSecret = `address/${randomUUID()}`;
const words = `Words of nobody else ${randomUUID()}`;

beforeAll(async () => {
  live = await startLive();
  tenant = await live.createTenant();
  profiles = await Promise.all(
    (['organization', 'organization', 'organization', 'organization', 'business'] as const).map((kind) =>
      tenant.connect(kind),
    ),
  );
  await playEverything();
}, 180_000);
afterAll(() => live?.stop(), 60_000);

/** A life with everything in it that could make somebody write down more than they should. */
async function playEverything(): Promise<void> {
  const { author, reviewer, designer, viewer, second, root } = tenant;
  const [refused, reset, unauthorised, fine, instagram] = profiles as [
    ConnectedProfile,
    ConnectedProfile,
    ConnectedProfile,
    ConnectedProfile,
    ConnectedProfile,
  ];
  const fault = (profile: ConnectedProfile, operation: string, fields: Record<string, unknown>) =>
    live.control('POST', '/faults', { operation, externalId: profile.externalId, ...fields });
  // A platform that repeats what it was sent in its error.
  const message = `Bad token ${refused.token}, sent as Bearer ${refused.token}`;
  await fault(refused, 'linkedin.posts.create', { kind: 'refuse', message });
  await fault(reset, 'linkedin.posts.create', { kind: 'reset-before-accept' });
  await fault(unauthorised, 'linkedin.posts.create', { kind: 'expired-token', times: 'always' });
  await fault(instagram, 'instagram.media.create', { kind: 'html', times: 1 });
  await fault(instagram, 'instagram.media_publish', { kind: 'truncated-json', times: 1 });

  failedId = await submitText(author, [refused, reset], { copy: words });
  const waitingId = await submitText(author, [unauthorised], { copy: `${words} to nobody` });
  expect((await decide(viewer, failedId, 'content')).status).toBe(403);
  expectStatus(
    await decide(reviewer, failedId, 'content', { verdict: 'reject', notes: `Notes on ${words}` }),
    200,
  );
  expectStatus(await edit(author, failedId, { copy: `${words}, again` }), 200);
  await approve(reviewer, failedId, 'content', 'publish');
  expectStatus(await schedule(author, failedId, inSeconds(2)), 200);
  await approve(reviewer, waitingId, 'content', 'publish');
  expectStatus(await schedule(author, waitingId, inSeconds(2)), 200);

  const uploads = [await uploadPicture(designer), await uploadPicture(designer)];
  const media = uploads.map(({ mediaId }) => ({ mediaId, altText: `Alt of ${words}` }));
  const fields = { type: 'CAROUSEL', copy: `${words} in pictures`, media };
  const carouselId = await submitText(author, [fine, instagram], fields);
  await approve(reviewer, carouselId, 'content', 'design', 'publish');
  expectStatus(await schedule(author, carouselId, inSeconds(2)), 200);

  const url = `https://localhost/film.mp4?signature=${addressSecret}`;
  const { body: imported } = expectStatus(
    await designer.send('POST', '/media/import', { body: { url } }),
    202,
  );

  await provokeRefusals(second);
  for (const { mediaId } of uploads) await viewer.send('GET', `/media/${mediaId}`);
  for (const path of ['/profiles', '/media', '/members', '/posts', '/me', '/tenant'])
    expectStatus(await viewer.send('GET', path), 200);
  await waitForStatus(viewer, carouselId, 'PUBLISHED', 60_000);
  await within(20_000, 'a decision about the import', async () => {
    const { body } = await viewer.send('GET', `/media/${imported.id}`);
    return body.refusal?.code === 'address-refused';
  });
  // The one that was reset is looked for, not found, and sent again.
  await waitForStatus(viewer, failedId, 'PARTIALLY_PUBLISHED', 90_000);
  // The one whose token is not taken waits for a person.
  await within(60_000, 'needs-reconnect', async () => {
    const { body } = await viewer.send('GET', `/profiles/${unauthorised.id}`);
    return body.health === 'needs-reconnect';
  });
  for (const path of [failedId, waitingId, carouselId].flatMap((id) => [
    `/posts/${id}`,
    `/posts/${id}/timeline`,
  ]))
    expectStatus(await root.send('GET', path), 200);
}

/** Requests that carry a secret and are wrong. */
async function provokeRefusals(person: Person): Promise<void> {
  const [{ token }] = profiles as [ConnectedProfile];
  const wrong = {
    platform: 'linkedin',
    accountKind: 'business',
    externalId: 'x',
    name: 'x',
    accessToken: token,
  };
  expect((await person.send('POST', '/profiles', { body: wrong })).status).toBe(400);
  const misplaced = { ...wrong, accountKind: 'organization', accessToken: { token } };
  expect((await person.send('POST', '/profiles', { body: misplaced })).status).toBe(400);
  const unknown = await person.send('POST', '/profiles', { body: { ...wrong, [token]: token } });
  expect(unknown.status).toBe(400);
  const forged = await person.send('GET', '/me', {
    headers: { authorization: `Bearer ${person.token.slice(0, -4)}AAAA` },
  });
  expect(forged.status).toBe(401);
}

/** Every history of the namespace, as the server stores it. */
async function readHistories(): Promise<{ workflowId: string; history: History }[]> {
  const histories: { workflowId: string; history: History }[] = [];
  for await (const { workflowId, runId } of live.temporal.workflow.list())
    histories.push({
      workflowId,
      history: await live.temporal.workflow.getHandle(workflowId, runId).fetchHistory(),
    });
  return histories;
}

async function readDatabase(): Promise<Place[]> {
  const tables = await live.query<{ tablename: string }>(
    `select tablename from pg_tables where schemaname = 'public'`,
  );
  return Promise.all(
    tables.map(async ({ tablename }) => ({
      name: `table ${tablename}`,
      bytes: flatten(await live.query(`select * from "${tablename}"`)),
    })),
  );
}

async function readWriteAheadLog(): Promise<Place[]> {
  const [row] = await live.query<{ data_directory: string }>('show data_directory');
  const folder = join(row!.data_directory, 'pg_wal');
  const files = (await readdir(folder, { withFileTypes: true })).filter((file) => file.isFile());
  return Promise.all(
    files.map(async ({ name }) => ({ name: `WAL ${name}`, bytes: await readFile(join(folder, name)) })),
  );
}

/** Only the media endpoints hand out signed addresses; everything else they say is searched too. */
function answersWithoutAddresses(): Place[] {
  return live.answers.map(({ method, path, status, text, headers, body }) => {
    const name = `answer ${status} to ${method} ${path}`;
    const signed = /^\/media(\/[0-9a-f-]{36})?$/.test(path)
      ? (body?.upload?.url ?? body?.download?.url)
      : null;
    const shown = typeof signed === 'string' ? text.replaceAll(signed, '') : text;
    return { name, bytes: Buffer.concat([Buffer.from(shown), flatten([...headers])]) };
  });
}

function secretsOfTheRun(): Secret[] {
  const signatures = live.answers
    .flatMap(({ text }) => [...text.matchAll(/X-Amz-Signature=([0-9a-f]{64})/g)])
    .map(([, signature]) => signature!);
  expect(signatures.length).toBeGreaterThanOrEqual(4);
  return [
    ...profiles.map(({ token, externalId }) => ({
      name: `token of ${externalId}`,
      value: Buffer.from(token),
    })),
    { name: 'the address of an import', value: Buffer.from(addressSecret) },
    ...Object.entries(live.secrets).map(([name, value]) => ({ name, value })),
    ...[...new Set(signatures)].map((signature) => ({
      name: 'a presigned signature',
      value: Buffer.from(signature),
    })),
    ...[tenant.author, tenant.reviewer, tenant.designer, tenant.viewer, tenant.root].map((person) => ({
      name: `bearer token of ${person.name}`,
      value: Buffer.from(person.token),
    })),
  ];
}

/** The address of a signed request, whoever signed it: some never pass through a test's hands. */
const signatureMarker: Secret = { name: 'a signed address', value: Buffer.from('X-Amz-Signature') };

test('no secret is in a history, a table, the write-ahead log, a log line or an answer', async () => {
  const stored = await readHistories();
  expect(stored.length).toBeGreaterThanOrEqual(2);
  const storedPlaces = stored.map(({ workflowId, history }) => ({
    name: `stored history of ${workflowId}`,
    bytes: flatten(history),
  }));
  for (const { history } of stored) await decodeHistory(history, live.codec);
  const decodedPlaces = stored.map(({ workflowId, history }) => ({
    name: `decoded history of ${workflowId}`,
    bytes: flatten(history),
  }));
  const logs = { name: 'logs', bytes: Buffer.from(await live.readLogs()) };
  const places = [
    ...storedPlaces,
    ...decodedPlaces,
    ...(await readDatabase()),
    ...answersWithoutAddresses(),
    logs,
  ];
  const secrets = secretsOfTheRun();
  expect(findSecrets([...secrets, signatureMarker], places)).toEqual([]);
  const wal = await readWriteAheadLog();
  expect(wal.length).toBeGreaterThan(0);
  expect(findSecrets(secrets, wal)).toEqual([]);

  // The search has looked where it should: what is no secret is there.
  const holds = (kind: string, text: string) =>
    places.some((place) => place.name.startsWith(kind) && place.bytes.includes(text));
  expect(holds('decoded history', failedId)).toBe(true);
  expect(holds('table revisions', words)).toBe(true);
  expect(holds('answer', words)).toBe(true);
  expect(holds('logs', '/api/v1/posts')).toBe(true);
  expect(holds('logs', 'gatepost-worker')).toBe(true);
  expect(wal.some((place) => place.bytes.includes(words))).toBe(true);
});

test('the search finds a secret that was planted, in each of its forms', async () => {
  const secret: Secret = { name: 'planted', value: Buffer.from(`pl/anted+${randomUUID()}`) };
  const text = secret.value.toString();
  await live.query(`update tenants set name = $1 where id = $2`, [`x${text}`, tenant.id]);
  expect(findSecrets([secret], await readDatabase())).toContain('planted as raw in table tenants');
  await live.query(`update tenants set name = 'Acme' where id = $1`, [tenant.id]);
  const places = [
    ['base64', Buffer.from(text).toString('base64')],
    ['base64 within', Buffer.from(`a${text}bc`).toString('base64')],
    ['base64url within', Buffer.from(`ab${text}c`).toString('base64url')],
    ['hex', Buffer.from(`ab${text}`).toString('hex')],
    ['query', `https://x.test/?token=${encodeURIComponent(text)}`],
    ['JSON', JSON.stringify({ deep: [{ token: text }] })],
  ].map(([name, place]) => ({ name: name!, bytes: Buffer.from(place!) }));
  const found = findSecrets([secret], places);
  for (const { name } of places) expect(found.some((hit) => hit.endsWith(` in ${name}`))).toBe(true);
  expect(findSecrets([secret], [{ name: 'nothing', bytes: Buffer.from('nothing') }])).toEqual([]);
});

test('histories are stored encrypted: inputs, results, markers, summaries and the words of failures', async () => {
  const { history } = (await readHistories()).find(({ workflowId }) => workflowId.endsWith(failedId))!;
  const clear = [...payloadsOf(history)].filter(({ payload }) => encodingOf(payload) !== 'binary/encrypted');
  // Search attributes are for the server to read; the SDK's own bookkeeping of a local activity holds no content.
  const bookkeeping = clear.filter(({ path }) => path.endsWith('/details/data/payloads'));
  const searchable = clear.filter(({ path }) => path.includes('/searchAttributes/indexedFields/'));
  expect(bookkeeping.length).toBeGreaterThan(0);
  expect(clear).toHaveLength(bookkeeping.length + searchable.length);
  const names = bookkeeping.flatMap(({ payload }) => Object.keys(JSON.parse(textOf(payload))));
  expect([...new Set(names)].sort()).toEqual([
    'activity_id',
    'activity_type',
    'attempt',
    'backoff',
    'complete_time',
    'original_schedule_time',
    'seq',
  ]);
  const failures = [...failuresOf(history)];
  expect(failures.length).toBeGreaterThan(0);
  for (const failure of failures) {
    expect([failure.message, failure.stackTrace || '']).toEqual(['Encoded failure', '']);
    expect(encodingOf(failure.encodedAttributes!)).toBe('binary/encrypted');
  }
  const bytes = flatten(history);
  expect(bytes.includes(words)).toBe(false);
  expect(bytes.includes(tenant.reviewer.memberId)).toBe(false);
});

describe('the codec endpoint', () => {
  const decode = async (payloads: unknown[], token?: string) => {
    const response = await fetch(`${live.api.url}/codec/decode`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        ...(token && { authorization: `Bearer ${token}` }),
      },
      body: JSON.stringify({ payloads }),
      signal: AbortSignal.timeout(10_000),
    });
    // biome-ignore lint/suspicious/noExplicitAny: a test asserts what it reads.
    return { status: response.status, body: (await response.json()) as any };
  };
  const inputOf = async (postId: string) => {
    const { events } = await live.temporal.workflow
      .getHandle(postWorkflowId(tenant.id, postId))
      .fetchHistory();
    return onTheWire(events![0]!.workflowExecutionStartedEventAttributes!.input!.payloads![0] as Payload);
  };

  test('shows a member the payloads of their tenant', async () => {
    const payload = await inputOf(failedId);
    const { status, body } = await decode([payload], tenant.viewer.token);
    expect(status).toBe(200);
    const [decoded] = body.payloads;
    expect(Buffer.from(decoded.metadata.encoding, 'base64').toString()).toBe('json/plain');
    expect(JSON.parse(Buffer.from(decoded.data, 'base64').toString()).post.postId).toBe(failedId);
  });

  test('leaves the payloads of another tenant, of nobody and of a destroyed key as they are', async () => {
    const other = await live.createTenant();
    const payload = await inputOf(failedId);
    const plain = { metadata: { encoding: 'anNvbi9wbGFpbg==' }, data: 'MQ==' };
    const damaged = { ...payload, data: Buffer.from('damaged'.repeat(20)).toString('base64') };
    const lost = {
      ...payload,
      metadata: { ...payload.metadata, 'encryption-key-id': Buffer.from(randomUUID()).toString('base64') },
    };
    const foreign = await decode([payload, plain], other.second.token);
    expect(foreign).toEqual({ status: 200, body: { payloads: [payload, plain] } });
    const mixed = await decode([damaged, lost, plain, payload], tenant.viewer.token);
    expect(mixed.status).toBe(200);
    expect(mixed.body.payloads.slice(0, 3)).toEqual([damaged, lost, plain]);
    expect(mixed.body.payloads[3]).not.toEqual(payload);
  });

  test('answers the pages of the Web UI, by either name of this machine, and no others', async () => {
    const api = await live.startApi({ GATEPOST_WEB_UI_ORIGIN: 'http://127.0.0.1:8233' });
    const allowed = async (origin: string) => {
      const response = await fetch(`${api.url}/codec/decode`, {
        method: 'OPTIONS',
        headers: { origin, 'access-control-request-method': 'POST' },
        signal: AbortSignal.timeout(5_000),
      });
      return response.headers.get('access-control-allow-origin');
    };
    for (const origin of ['http://127.0.0.1:8233', 'http://localhost:8233'])
      expect(await allowed(origin)).toBe(origin);
    for (const origin of [
      'http://127.0.0.1:8234',
      'https://localhost:8233',
      'http://localhost.test:8233',
      'null',
    ])
      expect(await allowed(origin)).toBeNull();
  });

  test('refuses whoever does not say who they are', async () => {
    const payload = await inputOf(failedId);
    expect(await decode([payload])).toMatchObject({ status: 401, body: { code: 'token-missing' } });
    expect(await decode([payload], 'nonsense')).toMatchObject({ status: 401 });
  });
});

const onTheWire = ({ metadata, data }: Payload) => ({
  metadata: Object.fromEntries(
    Object.entries(metadata ?? {}).map(([name, value]) => [name, Buffer.from(value).toString('base64')]),
  ),
  data: Buffer.from(data ?? []).toString('base64'),
});

const textOf = (payload: Payload): string => Buffer.from(payload.data ?? []).toString();

const encodingOf = (payload: Payload): string =>
  Buffer.from((payload.metadata?.encoding as Uint8Array | undefined) ?? []).toString();

/** Every payload with the names that lead to it, list positions left out. */
function* payloadsOf(value: unknown, path = ''): Generator<{ path: string; payload: Payload }> {
  if (value === null || typeof value !== 'object' || value instanceof Uint8Array) return;
  const candidate = value as Payload;
  if (candidate.metadata?.encoding instanceof Uint8Array) yield { path, payload: candidate };
  else if (Array.isArray(value)) for (const item of value) yield* payloadsOf(item, path);
  else for (const [name, inner] of Object.entries(value)) yield* payloadsOf(inner, `${path}/${name}`);
}

interface StoredFailure {
  readonly message: string;
  readonly stackTrace?: string;
  readonly encodedAttributes?: Payload;
}

function* failuresOf(value: unknown): Generator<StoredFailure> {
  if (value === null || typeof value !== 'object' || value instanceof Uint8Array) return;
  if ('encodedAttributes' in value || ('source' in value && 'stackTrace' in value))
    yield value as StoredFailure;
  for (const inner of Object.values(value)) yield* failuresOf(inner);
}
