import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import sharp from 'sharp';
import type { Connector } from '../../../adapters/platforms/connector.ts';
import { createPlatformFetch } from '../../../adapters/platforms/platform-fetch.ts';
import type {
  Account,
  MediaAccess,
  MediaItem,
  PlatformAdapter,
  PreparedHandle,
  PublicContent,
  Receipt,
} from '../../../adapters/platforms/publisher.ts';
import { createRegistry, liveEndpoints, sandboxEndpoints } from '../../../adapters/platforms/registry.ts';
import { meaningOfFailedCommit, OutcomeError } from '../../../domain/outcome.ts';
import { ruleFor } from '../../../domain/platform-rules.ts';
import type { MediaRule } from '../../../domain/platforms/rules.ts';
import {
  type AccountKind,
  type Platform,
  type PostType,
  platforms,
  postTypes,
} from '../../../domain/post.ts';
import type { FaultInput } from '../../../sandbox/faults.ts';
import type { LedgerEntry } from '../../../sandbox/ledger.ts';
import { startSandbox } from '../../../sandbox/server.ts';
import { createMp4 } from '../media/mp4.ts';
import { fixtures } from './fixtures/index.ts';
import { context } from './support.ts';

/** A kind of account that a platform publishes a type of post for. */
export interface Cell {
  readonly platform: Platform;
  readonly kind: AccountKind;
  readonly type: PostType;
}

/** One platform alone, where somebody works on it. */
const only = process.env.GATEPOST_TEST_PLATFORM;
export const testedPlatforms = platforms.filter((platform) => !only || platform === only);

/** Every cell of the table that the platforms' rules say is supported. */
export const cells: readonly Cell[] = testedPlatforms.flatMap((platform) =>
  (Object.keys(fixtures[platform].accounts) as AccountKind[]).flatMap((kind) =>
    postTypes.filter((type) => ruleFor(platform, type).isSupported).map((type) => ({ platform, kind, type })),
  ),
);

export interface Stage {
  readonly adapterOf: (cell: Cell) => PlatformAdapter;
  /** Of a platform whose accounts are connected by OAuth. */
  /** `login`: one of the platform's further ways (default its usual one). */
  readonly connectorOf: (platform: Platform, login?: string | null) => Connector;
  readonly accountOf: (cell: Cell) => Account;
  /** A post that the platform's rules allow, with words of its own. */
  readonly contentOf: (cell: Cell, word: string) => PublicContent;
  readonly ledgerOf: (cell: Cell) => Promise<LedgerEntry[]>;
  /** Scripts a fault for the cell's account. */
  readonly fail: (
    cell: Cell,
    fault: Pick<FaultInput, 'operation' | 'kind'> & Partial<FaultInput>,
  ) => Promise<void>;
  readonly control: (method: string, path: string, body?: unknown) => Promise<Record<string, unknown>>;
  readonly prepare: (cell: Cell, content: PublicContent) => Promise<PreparedHandle | null>;
  readonly commit: (cell: Cell, content: PublicContent, handle: PreparedHandle | null) => Promise<Receipt>;
  readonly media: MediaAccess;
  readonly stop: () => Promise<void>;
}

const commitTimeoutMs = 700;

/** A sandbox with an account for each kind of each platform, adapters that reach it, and media that it can fetch. */
export async function openStage({ now = () => new Date() } = {}): Promise<Stage> {
  const files = await makeFiles();
  const server = createServer((request, response) => {
    const bytes = request.url?.endsWith('.mp4') ? files.video : files.image;
    const type = request.url?.endsWith('.mp4') ? 'video/mp4' : 'image/jpeg';
    response.writeHead(200, { 'content-type': type, 'content-length': bytes.length }).end(bytes);
  }).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as AddressInfo;
  const bytesOf = ({ contentType }: MediaItem) => (contentType === 'video/mp4' ? files.video : files.image);
  const media: MediaAccess = {
    url: async (item) =>
      `http://127.0.0.1:${port}/${item.mediaId}.${item.contentType === 'video/mp4' ? 'mp4' : 'jpg'}`,
    bytes: async (item) => bytesOf(item),
    range: async (item, start, end) => bytesOf(item).subarray(start, end),
    async *stream(item) {
      yield bytesOf(item);
    },
  };
  const sandbox = await startSandbox({ port: 0, now });
  const registry = createRegistry({
    live: liveEndpoints,
    sandbox: sandboxEndpoints(sandbox.url),
    sandboxTimings: { pollIntervalMs: 10, blindWaitMs: 100, settleMs: 0, commitTimeoutMs },
    fetch: createPlatformFetch(),
    now,
  });

  const control: Stage['control'] = async (method, path, body) => {
    const response = await fetch(`${sandbox.url}/_control/${path}`, {
      method,
      headers: { 'content-type': 'application/json' },
      body: body === undefined ? null : JSON.stringify(body),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
    return text === '' ? {} : JSON.parse(text);
  };
  const accountOf: Stage['accountOf'] = ({ platform, kind }) => ({
    ...{ platform, kind, externalId: fixtures[platform].accounts[kind]! },
    accessToken: `token-of-${platform}-${kind}`,
  });
  const adapterOf: Stage['adapterOf'] = ({ platform, kind }) =>
    registry.adapterFor({ platform, kind, mode: 'sandbox' });

  for (const platform of testedPlatforms)
    for (const kind of Object.keys(fixtures[platform].accounts) as AccountKind[]) {
      const { accessToken: token, ...account } = accountOf({ platform, kind, type: 'TEXT_ONLY' });
      await control('POST', 'accounts', { ...account, name: `A ${platform} ${kind}`, token });
    }
  await control('PATCH', 'settings', { imageProcessingMs: 20, containerProcessingMs: 20 });

  return {
    adapterOf,
    connectorOf: (platform, login = null) => registry.connectorFor({ platform, login, mode: 'sandbox' }),
    accountOf,
    control,
    media,
    contentOf: ({ platform, type }, word) => {
      const rule = ruleFor(platform, type);
      const rules = rule.isSupported ? rule.media : null;
      const fixture = fixtures[platform];
      return {
        type,
        text: fixture.text?.(word, type) ?? `${word} (really) #Launch_day for {everyone} & me@mail.example`,
        media: rules ? mediaFor(rules, files) : [],
        ...fixture.content?.(type),
      };
    },
    async ledgerOf(cell) {
      const { platform, externalId } = accountOf(cell);
      const query = `ledger?platform=${platform}&externalId=${encodeURIComponent(externalId)}`;
      return (await control('GET', query)).entries as LedgerEntry[];
    },
    async fail(cell, fault) {
      await control('POST', 'faults', { externalId: accountOf(cell).externalId, ...fault });
    },
    prepare: async (cell, content) =>
      (await adapterOf(cell).preparer?.prepare(accountOf(cell), content, media, context())) ?? null,
    commit: (cell, content, handle) =>
      adapterOf(cell).publisher.commit(accountOf(cell), content, handle, { ...context(), media }),
    async stop() {
      server.closeAllConnections();
      server.close();
      await sandbox.stop();
    },
  };
}

interface Files {
  readonly image: Buffer;
  readonly video: Buffer;
}

/** A square picture and an upright video, with bytes behind its headers so that it takes more than one chunk. */
async function makeFiles(): Promise<Files> {
  const image = await sharp({ create: { width: 1080, height: 1080, channels: 3, background: 'red' } })
    .jpeg()
    .toBuffer();
  const headers = createMp4({ width: 1080, height: 1920, seconds: 12 });
  return { image, video: Buffer.concat([headers, Buffer.alloc(600_000 - headers.length, 7)]) };
}

function mediaFor(rule: MediaRule, files: Files): MediaItem[] {
  const picture = (index: number): MediaItem => ({
    ...{ mediaId: `m${index}`, sha256: '0'.repeat(64), contentType: 'image/jpeg' },
    ...{ sizeBytes: files.image.length, width: 1080, height: 1080 },
    altText: rule.maxAltText > 0 ? `Picture ${index}` : null,
  });
  const film = (index: number): MediaItem => ({
    ...{ mediaId: `v${index}`, sha256: '1'.repeat(64), contentType: 'video/mp4', altText: null },
    ...{ sizeBytes: files.video.length, width: 1080, height: 1920, durationSeconds: 12 },
    ...(rule.cover?.isRequired && { cover: { ...picture(90), altText: null } }),
  });
  const count = Math.max(1, rule.minCount === 2 ? 3 : rule.minCount);
  return Array.from({ length: Math.min(count, rule.maxCount) }, (_, index) =>
    rule.image ? picture(index) : film(index),
  );
}

/** How a post ended, by the protocol of a publication row. */
export type Ending = 'published' | 'refused' | 'waits' | 'unconfirmed';

/**
 * Brings one post out as the product does: commits, asks after doubt, and sends again only what is proved not to have
 * gone out. `waits`: the platform or the account wants something first.
 */
export async function bringOut(stage: Stage, cell: Cell, content: PublicContent): Promise<Ending> {
  const sentAfter = new Date();
  let handle = await stage.prepare(cell, content);
  for (let sends = 0; sends < 3; sends += 1) {
    const failure = await failureOf(stage.commit(cell, content, handle));
    if (!failure) return 'published';
    const meaning = meaningOfFailedCommit(failure.code, failure.details);
    if (meaning === 'refused') return 'refused';
    if (meaning === 'not-sent' && failure.code !== 'unavailable') return 'waits';
    if (meaning === 'unknown') {
      const found = await ask(stage, cell, { content, handle, sentAfter, sentBefore: new Date() });
      if (found !== 'absent') return found;
    }
    if (failure.details.handleIsDead) handle = await stage.prepare(cell, content);
  }
  return 'waits';
}

async function ask(
  stage: Stage,
  cell: Cell,
  query: Parameters<NonNullable<PlatformAdapter['finder']>['find']>[1],
): Promise<'published' | 'absent' | 'refused' | 'unconfirmed'> {
  const { finder } = stage.adapterOf(cell);
  if (!finder) return 'unconfirmed';
  let absentReads = 0;
  for (let tries = 0; tries < 60; tries += 1) {
    const result = await finder.find(stage.accountOf(cell), query, context());
    if (result.kind === 'found') return 'published';
    if (result.kind === 'refused') return 'refused';
    if (result.kind === 'absent' && (result.proof === 'single-use-handle' || ++absentReads >= 2))
      return 'absent';
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return 'unconfirmed';
}

/** The error of a call that fails with an `OutcomeError`; `null` when it does not fail. */
export async function failureOf(call: Promise<unknown>): Promise<OutcomeError | null> {
  try {
    await call;
    return null;
  } catch (error) {
    if (error instanceof OutcomeError) return error;
    throw error;
  }
}
