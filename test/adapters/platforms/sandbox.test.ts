import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import sharp from 'sharp';
import { createPlatformFetch } from '../../../adapters/platforms/platform-fetch.ts';
import type {
  Account,
  MediaAccess,
  PlatformAdapter,
  PublicContent,
} from '../../../adapters/platforms/publisher.ts';
import { createRegistry, liveEndpoints, type Registry } from '../../../adapters/platforms/registry.ts';
import type { AccountKind, Platform, PostType } from '../../../domain/post.ts';
import { type Sandbox, startSandbox } from '../../../sandbox/server.ts';
import { context, outcomeOf, picture, token } from './support.ts';

/** The adapters against servers that speak the platforms' protocols: what they send has to be understood, not only sent. */

let sandbox: Sandbox;
let pictures: Server;
let media: MediaAccess;
let registry: Registry;

const accounts: Account[] = [
  { platform: 'linkedin', kind: 'organization', externalId: 'urn:li:organization:42', accessToken: token },
  { platform: 'linkedin', kind: 'member', externalId: 'urn:li:person:Ab1', accessToken: `${token}-member` },
  { platform: 'instagram', kind: 'business', externalId: '17841', accessToken: `${token}-instagram` },
];

beforeAll(async () => {
  const bytes = await sharp({ create: { width: 400, height: 400, channels: 3, background: 'red' } })
    .jpeg()
    .toBuffer();
  pictures = createServer((_request, response) => {
    response.writeHead(200, { 'content-type': 'image/jpeg', 'content-length': bytes.length }).end(bytes);
  }).listen(0, '127.0.0.1');
  await new Promise((resolve) => pictures.once('listening', resolve));
  const { port } = pictures.address() as AddressInfo;
  media = { url: async (item) => `http://127.0.0.1:${port}/${item.mediaId}.jpg`, bytes: async () => bytes };

  sandbox = await startSandbox({ port: 0 });
  for (const { accessToken, ...account } of accounts) {
    await control('POST', 'accounts', { ...account, name: account.externalId, token: accessToken });
  }
  await control('PATCH', 'settings', { imageProcessingMs: 30 });
  registry = createRegistry({
    live: liveEndpoints,
    sandbox: {
      linkedin: {
        apiBaseUrl: `${sandbox.url}/linkedin`,
        version: '202609',
        pollIntervalMs: 10,
        unreadableImageGraceMs: 200,
      },
      instagram: { graphBaseUrl: `${sandbox.url}/instagram`, version: 'v26.0', pollIntervalMs: 10 },
    },
    fetch: createPlatformFetch(),
  });
});

afterAll(async () => {
  pictures.closeAllConnections();
  pictures.close();
  await sandbox.stop();
});

afterEach(() => control('DELETE', 'faults'));

async function control(method: string, path: string, body?: unknown): Promise<Record<string, unknown>> {
  const response = await fetch(`${sandbox.url}/_control/${path}`, {
    method,
    headers: { 'content-type': 'application/json' },
    body: body === undefined ? null : JSON.stringify(body),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
  return text === '' ? {} : JSON.parse(text);
}

const accountOf = (platform: Platform, kind: AccountKind): Account =>
  accounts.find((account) => account.platform === platform && account.kind === kind)!;

const post = (type: PostType, count: number, word: string): PublicContent => ({
  type,
  text: `${word} (really) #Launch_day for {everyone} & me@mail.example`,
  media: Array.from({ length: count }, (_, index) => picture(`m${index}`, `Picture ${index}`)),
});

async function ledgerOf(account: Account): Promise<Record<string, unknown>[]> {
  const { entries } = await control(
    'GET',
    `ledger?platform=${account.platform}&externalId=${encodeURIComponent(account.externalId)}`,
  );
  return entries as Record<string, unknown>[];
}

async function prepare(adapter: PlatformAdapter, account: Account, content: PublicContent) {
  if (!adapter.preparer || content.type === 'TEXT_ONLY') return null;
  return adapter.preparer.prepare(account, content, media, context());
}

describe('every cell the adapters support', () => {
  it.each([
    ['linkedin', 'organization', 'TEXT_ONLY', 0],
    ['linkedin', 'organization', 'SINGLE_IMAGE', 1],
    ['linkedin', 'organization', 'CAROUSEL', 3],
    ['linkedin', 'member', 'TEXT_ONLY', 0],
    ['linkedin', 'member', 'SINGLE_IMAGE', 1],
    ['linkedin', 'member', 'CAROUSEL', 3],
    ['instagram', 'business', 'SINGLE_IMAGE', 1],
    ['instagram', 'business', 'CAROUSEL', 3],
  ] as const)('%s %s %s goes public once, as it was written', async (platform, kind, type, count) => {
    const account = accountOf(platform, kind);
    const adapter = registry.adapterFor({ platform, kind, mode: 'sandbox' });
    const content = post(type, count, `${kind} ${type}`);
    const handle = await prepare(adapter, account, content);
    const before = await ledgerOf(account);
    const { publicId } = await adapter.publisher.commit(account, content, handle, context());
    const entries = (await ledgerOf(account)).slice(before.length);
    expect(entries).toHaveLength(1);
    expect(entries[0]).toMatchObject({ publicId, postType: type, text: content.text });
    expect(entries[0]!.altTexts).toEqual(content.media.map(({ altText }) => altText));
    const { permalink } = await adapter.publisher.confirm(account, publicId, context());
    expect(permalink).toBe(entries[0]!.permalink);
  });
});

describe('an answer that never came', () => {
  it.each([
    ['linkedin', 'organization', 'linkedin.posts.create', 'TEXT_ONLY', 0],
    ['linkedin', 'organization', 'linkedin.posts.create', 'CAROUSEL', 2],
    ['instagram', 'business', 'instagram.media_publish', 'SINGLE_IMAGE', 1],
  ] as const)(
    'of %s %s (%s %s) is outcome unknown, and found',
    async (platform, kind, operation, type, count) => {
      const account = accountOf(platform, kind);
      const adapter = registry.adapterFor({ platform, kind, mode: 'sandbox' });
      const content = post(type, count, `lost ${operation} ${type}`);
      const handle = await prepare(adapter, account, content);
      const sentAfter = new Date();
      const query = () => ({ content, handle, sentAfter, sentBefore: new Date() });
      expect(await adapter.finder!.find(account, query(), context())).toMatchObject({ kind: 'absent' });
      await control('POST', 'faults', { operation, kind: 'accept-then-reset' });
      const error = await outcomeOf(adapter.publisher.commit(account, content, handle, context()));
      expect(error.code).toBe('outcome-unknown');
      const found = await adapter.finder!.find(account, query(), context());
      expect(found).toMatchObject({
        kind: 'found',
        receipt: { publicId: (await ledgerOf(account)).at(-1)!.publicId },
      });
    },
  );
});
