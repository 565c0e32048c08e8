import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import sharp from 'sharp';
import type { FaultInput } from '../../sandbox/faults.ts';
import type { LedgerEntry } from '../../sandbox/ledger.ts';
import type { RequestRecord } from '../../sandbox/requests.ts';
import { type Sandbox, type SandboxOptions, startSandbox } from '../../sandbox/server.ts';
import type { Settings } from '../../sandbox/settings.ts';

export const member = 'urn:li:person:abc';
export const organization = 'urn:li:organization:42';
export const instagramAccount = '17841400000000001';

/** A clock that tests move. */
export function createClock(start = '2026-11-21T12:00:00.000Z') {
  let time = Date.parse(start);
  return {
    now: () => new Date(time),
    advance(ms: number) {
      time += ms;
    },
  };
}

export interface TestSandbox extends Sandbox {
  get(path: string, init?: RequestInit): Promise<Response>;
  control(method: string, path: string, body?: unknown): Promise<Response>;
  fault(fault: Partial<FaultInput> & Pick<FaultInput, 'operation' | 'kind'>): Promise<void>;
  settings(changes: Partial<Settings>): Promise<void>;
  ledger(query?: string): Promise<LedgerEntry[]>;
  requests(operation: string): Promise<RequestRecord[]>;
}

/** A sandbox with one member, one organisation and one Instagram account; nothing in it takes time by itself. */
export async function startTestSandbox(options: Partial<SandboxOptions> = {}): Promise<TestSandbox> {
  const sandbox = await startSandbox({ port: 0, ...options });
  const test = createTestClient(sandbox);
  await test.settings({ imageProcessingMs: 0, containerProcessingMs: 0 });
  await register(test, {
    platform: 'linkedin',
    kind: 'member',
    externalId: member,
    name: 'Ada Lovelace',
    token: 'member-token',
  });
  await register(test, {
    platform: 'linkedin',
    kind: 'organization',
    externalId: organization,
    name: 'Analytical Ltd',
    token: 'organization-token',
  });
  await register(test, {
    platform: 'instagram',
    kind: 'business',
    externalId: instagramAccount,
    name: 'Analytical',
    token: 'instagram-token',
  });
  return test;
}

export function createTestClient(sandbox: Sandbox): TestSandbox {
  const get = (path: string, init?: RequestInit) => fetch(sandbox.url + path, init);
  const control = (method: string, path: string, body?: unknown) =>
    get(`/_control${path}`, {
      method,
      headers: { 'content-type': 'application/json' },
      body: body === undefined ? null : JSON.stringify(body),
    });
  return {
    ...sandbox,
    get,
    control,
    async fault(fault) {
      const response = await control('POST', '/faults', fault);
      if (response.status !== 201) throw new Error(await response.text());
    },
    async settings(changes) {
      const response = await control('PATCH', '/settings', changes);
      if (response.status !== 200) throw new Error(await response.text());
    },
    async ledger(query = '') {
      const body = await json<{ entries: LedgerEntry[] }>(await control('GET', `/ledger${query}`));
      return body.entries;
    },
    async requests(operation) {
      const response = await control('GET', `/requests?operation=${operation}`);
      return (await json<{ requests: RequestRecord[] }>(response)).requests;
    },
  };
}

export async function register(sandbox: TestSandbox, account: Record<string, unknown>): Promise<void> {
  const response = await sandbox.control('POST', '/accounts', account);
  if (response.status !== 201) throw new Error(await response.text());
}

export async function json<T = Record<string, unknown>>(response: Response): Promise<T> {
  return (await response.json()) as T;
}

export function linkedinHeaders(token: string): Record<string, string> {
  return {
    authorization: `Bearer ${token}`,
    'linkedin-version': '202609',
    'x-restli-protocol-version': '2.0.0',
    'content-type': 'application/json',
  };
}

export function postBody(commentary: string, author = member, content?: unknown): Record<string, unknown> {
  return {
    author,
    commentary,
    visibility: 'PUBLIC',
    distribution: { feedDistribution: 'MAIN_FEED', targetEntities: [], thirdPartyDistributionChannels: [] },
    ...(content === undefined ? {} : { content }),
    lifecycleState: 'PUBLISHED',
    isReshareDisabledByAuthor: false,
  };
}

export function createLinkedInPost(
  sandbox: TestSandbox,
  body: Record<string, unknown>,
  { token = 'member-token', signal = null }: { token?: string; signal?: AbortSignal | null } = {},
): Promise<Response> {
  return sandbox.get('/linkedin/rest/posts', {
    method: 'POST',
    headers: linkedinHeaders(token),
    body: JSON.stringify(body),
    signal,
  });
}

export async function initializeImage(
  sandbox: TestSandbox,
  owner: string,
  token: string,
): Promise<{ image: string; uploadUrl: string }> {
  const response = await sandbox.get('/linkedin/rest/images?action=initializeUpload', {
    method: 'POST',
    headers: linkedinHeaders(token),
    body: JSON.stringify({ initializeUploadRequest: { owner } }),
  });
  return (await json<{ value: { image: string; uploadUrl: string } }>(response)).value;
}

export async function uploadImage(
  sandbox: TestSandbox,
  owner: string,
  token: string,
  bytes: Buffer,
): Promise<string> {
  const { image, uploadUrl } = await initializeImage(sandbox, owner, token);
  const response = await fetch(uploadUrl, {
    method: 'PUT',
    headers: { authorization: `Bearer ${token}` },
    body: new Uint8Array(bytes),
  });
  if (response.status !== 201) throw new Error(await response.text());
  return image;
}

export function instagram(
  sandbox: TestSandbox,
  method: string,
  path: string,
  body?: unknown,
  signal: AbortSignal | null = null,
): Promise<Response> {
  return sandbox.get(`/instagram/v26.0/${path}`, {
    method,
    headers: { authorization: 'Bearer instagram-token', 'content-type': 'application/json' },
    body: body === undefined ? null : JSON.stringify(body),
    signal,
  });
}

export async function createContainer(
  sandbox: TestSandbox,
  parameters: Record<string, unknown>,
): Promise<string> {
  const response = await instagram(sandbox, 'POST', `${instagramAccount}/media`, parameters);
  const body = await json<{ id?: string }>(response);
  if (!body.id) throw new Error(JSON.stringify(body));
  return body.id;
}

/** Polls like a client until the container is no longer in progress. */
export async function settledStatus(
  sandbox: TestSandbox,
  container: string,
): Promise<{ status_code: string; status: string }> {
  for (let attempt = 0; attempt < 500; attempt += 1) {
    const response = await instagram(sandbox, 'GET', `${container}?fields=status_code,status`);
    const body = await json<{ status_code: string; status: string }>(response);
    if (body.status_code !== 'IN_PROGRESS') return body;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error(`Container ${container} stays in progress`);
}

export async function finishedContainer(
  sandbox: TestSandbox,
  parameters: Record<string, unknown>,
): Promise<string> {
  const container = await createContainer(sandbox, parameters);
  const { status_code: status } = await settledStatus(sandbox, container);
  if (status !== 'FINISHED') throw new Error(`Container is ${status}`);
  return container;
}

export function publish(sandbox: TestSandbox, container: string, signal?: AbortSignal): Promise<Response> {
  return instagram(sandbox, 'POST', `${instagramAccount}/media_publish`, { creation_id: container }, signal);
}

export function jpeg(width = 400, height = 400, background = '#268'): Promise<Buffer> {
  return sharp({ create: { width, height, channels: 3, background } })
    .jpeg()
    .toBuffer();
}

export function png(): Promise<Buffer> {
  return sharp({ create: { width: 40, height: 40, channels: 3, background: '#826' } })
    .png()
    .toBuffer();
}

export interface PictureHost {
  url: string;
  userAgents: string[];
  stop(): Promise<void>;
}

/** A server of pictures by path; a path without a picture is a 404, `/slow` never answers, `/moved` redirects. */
export async function startPictureHost(pictures: Record<string, Buffer>): Promise<PictureHost> {
  const userAgents: string[] = [];
  const server = createServer((request, response) => {
    userAgents.push(request.headers['user-agent'] ?? '');
    if (request.url === '/slow') return;
    const picture = pictures[request.url ?? ''];
    if (request.url === '/moved') response.writeHead(302, { location: '/square.jpg' });
    else if (picture) response.writeHead(200, { 'content-type': 'image/jpeg' }).write(picture);
    else response.writeHead(404);
    response.end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    userAgents,
    stop: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
