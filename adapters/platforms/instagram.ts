import { OutcomeError } from '../../domain/outcome.ts';
import type { PostType } from '../../domain/post.ts';
import type { AdapterOptions, PlatformDefinition, Timings } from './definition.ts';
import {
  createGraph,
  dataOf,
  fetchableUrl,
  type Graph,
  type GraphBody,
  type GraphError,
  idOf,
  parseGraphTime,
  waitUntilReady,
} from './graph.ts';
import { path } from './http.ts';
import type {
  Account,
  CallContext,
  Finder,
  FindQuery,
  FindResult,
  MediaAccess,
  MediaItem,
  PreparedHandle,
  Preparer,
  PublicContent,
  Publisher,
} from './publisher.ts';

// Endpoints

// https://developers.facebook.com/documentation/instagram-platform/content-publishing (read 2026-11-21)
export const instagram: PlatformDefinition = {
  live: {
    // For accounts connected through Facebook Login, with the Graph version current at reading.
    hosts: { graph: 'https://graph.facebook.com' },
    version: 'v26.0',
    uploadOrigins: [],
    permalinkBaseUrl: 'https://www.instagram.com',
  },
  // For accounts connected through Instagram Login; the nodes have the same shapes.
  otherLiveOrigins: ['https://graph.instagram.com'],
  versionPattern: /^v\d+\.\d+$/,
  create: createInstagram,
};

// Limits

const defaults: Timings = {
  commitTimeoutMs: 30_000,
  // Meta advises up to once a minute.
  pollIntervalMs: 10_000,
  processingTimeoutMs: 600_000,
  settleMs: 10_000,
  blindWaitMs: 0,
};
const mediaUrlSeconds = 3_600;
/** A container not published within 24 hours expires; we stop trusting it an hour earlier. */
const containerLifeMs = 23 * 3_600_000;
const notReadyRetryMs = 10_000;
/** Meta gives no time for the daily cap: a part of its rolling day. */
const dailyCapRetryMs = 4 * 3_600_000;
const clockSkewMs = 60_000;
const listedMedia = 50;

/** One adapter for professional (business or creator) accounts; consumer accounts cannot be published to. */
export function createInstagram(options: AdapterOptions) {
  const graph = createGraph(options, { name: 'Instagram', host: 'graph', defaults, mapError });
  return {
    business: {
      publisher: createPublisher(graph),
      preparer: createPreparer(graph),
      finder: createFinder(graph),
    },
  };
}

// Methods

function createPublisher(graph: Graph): Publisher {
  return {
    platform: 'instagram',
    kinds: ['business'],
    commitTimeoutMs: graph.timings.commitTimeoutMs,
    commit: async (account, _content, handle, context) => {
      const containerId = containerIdOf(handle);
      if (containerId === null) {
        throw new OutcomeError('unavailable', 'Instagram publish: no container was prepared', {
          sent: false,
          handleIsDead: true,
        });
      }
      const what = 'Instagram publish';
      const body = await graph.post(account.accessToken, context, {
        ...{ path: path`/${account.externalId}/media_publish`, what },
        body: { creation_id: containerId },
        timeoutMs: graph.timings.commitTimeoutMs,
      });
      return { publicId: idOf(body, what), permalink: null };
    },
    confirm: async (account, publicId, context) => {
      const body = await graph.get(account.accessToken, context, {
        path: path`/${publicId}`,
        query: 'fields=id,permalink,timestamp',
        what: 'Instagram media',
      });
      if (typeof body.permalink !== 'string') {
        throw new OutcomeError('unexpected-response', 'Instagram media: no permalink in the answer');
      }
      return { publicId, permalink: body.permalink };
    },
  };
}

function createPreparer(graph: Graph): Preparer {
  return {
    prepare: async (account, content, media, context) => {
      assertSupported(content);
      const expiresAt = new Date(graph.now().getTime() + containerLifeMs).toISOString();
      if (content.type === 'SINGLE_IMAGE') {
        const item = content.media[0]!;
        const body = { ...(await imageFields(item, media)), caption: content.text };
        const containerId = await createContainer(graph, account, context, body);
        await waitForContainers(graph, account, [containerId], context);
        return { ids: { containerId, childContainerIds: [] }, expiresAt };
      }
      const childContainerIds: string[] = [];
      for (const item of content.media) {
        const body = { ...(await imageFields(item, media)), is_carousel_item: true };
        childContainerIds.push(await createContainer(graph, account, context, body));
      }
      await waitForContainers(graph, account, childContainerIds, context);
      const parent = { media_type: 'CAROUSEL', children: childContainerIds.join(','), caption: content.text };
      const containerId = await createContainer(graph, account, context, parent);
      await waitForContainers(graph, account, [containerId], context);
      return { ids: { containerId, childContainerIds }, expiresAt };
    },
  };
}

/** Meta fetches the picture itself, so its address lives an hour. */
async function imageFields(item: MediaItem, media: MediaAccess): Promise<Record<string, string>> {
  const url = await fetchableUrl(media, item, mediaUrlSeconds);
  return { image_url: url, ...(item.altText ? { alt_text: item.altText } : {}) };
}

async function createContainer(
  graph: Graph,
  account: Account,
  context: CallContext,
  body: Readonly<Record<string, unknown>>,
): Promise<string> {
  context.progress('Creating an Instagram container');
  const what = 'Instagram container creation';
  const secrets = typeof body.image_url === 'string' ? [body.image_url] : [];
  const call = { path: path`/${account.externalId}/media`, body, what, secrets };
  return idOf(await graph.post(account.accessToken, context, call), what);
}

const waitForContainers = (
  graph: Graph,
  account: Account,
  ids: readonly string[],
  context: CallContext,
): Promise<void> =>
  waitUntilReady(graph, context, {
    ids,
    nameOf: (id) => `container ${id}`,
    isReady: async (id) => {
      const container = await readContainer(graph, account, id, context);
      if (container.status === 'FINISHED') return true;
      if (container.status !== 'IN_PROGRESS') throw mapUnusableContainer(id, container);
      return false;
    },
  });

async function readContainer(
  graph: Graph,
  account: Account,
  containerId: string,
  context: CallContext,
): Promise<Container> {
  const body = await graph.get(account.accessToken, context, {
    path: path`/${containerId}`,
    query: 'fields=status_code,status',
    what: 'Instagram container status',
  });
  return parseContainer(body);
}

function createFinder(graph: Graph): Finder {
  return {
    settleMs: graph.timings.settleMs,
    find: async (account, query, context) => {
      const containerId = containerIdOf(query.handle);
      if (containerId === null) return { kind: 'cannot-tell', reason: 'no container is known' };
      const container = await readContainer(graph, account, containerId, context);
      switch (container.status) {
        case 'PUBLISHED':
          return mapPublished(await listMedia(graph, account, query, context), query);
        case 'FINISHED':
          return { kind: 'absent', proof: 'single-use-handle' };
        case 'EXPIRED':
        case 'ERROR':
          return { kind: 'absent', proof: 'single-use-handle', handleIsDead: true };
        case 'IN_PROGRESS':
          return { kind: 'cannot-tell', reason: `container ${containerId} is in progress` };
        default:
          throw new OutcomeError(
            'unexpected-response',
            `Unknown container status ${container.status satisfies never}`,
          );
      }
    },
  };
}

async function listMedia(
  graph: Graph,
  account: Account,
  query: FindQuery,
  context: CallContext,
): Promise<readonly ListedMedia[]> {
  const since = Math.floor((query.sentAfter.getTime() - clockSkewMs) / 1000);
  const body = await graph.get(account.accessToken, context, {
    path: path`/${account.externalId}/media`,
    query: `fields=id,caption,timestamp,permalink,media_product_type&since=${since}&limit=${listedMedia}`,
    what: 'Instagram media list',
  });
  return parseMediaList(body);
}

// Pure mappers

const mediaCounts: Partial<Record<PostType, readonly [number, number]>> = {
  SINGLE_IMAGE: [1, 1],
  CAROUSEL: [2, 10],
};

function assertSupported(content: PublicContent): void {
  const counts = mediaCounts[content.type];
  if (!counts) {
    throw new OutcomeError('rejected', `Instagram posts of type ${content.type} are not supported`, {
      sent: false,
    });
  }
  const count = content.media.length;
  if (count < counts[0] || count > counts[1]) {
    throw new OutcomeError('rejected', `Instagram ${content.type} cannot carry ${count} pictures`, {
      sent: false,
    });
  }
}

function containerIdOf(handle: PreparedHandle | null): string | null {
  const id = handle?.ids.containerId;
  return typeof id === 'string' && id !== '' ? id : null;
}

const containerStatuses = ['IN_PROGRESS', 'FINISHED', 'ERROR', 'EXPIRED', 'PUBLISHED'] as const;
type ContainerStatus = (typeof containerStatuses)[number];

interface Container {
  readonly status: ContainerStatus;
  /** Meta's error subcode, which it puts into the text of the status. */
  readonly subcode: number | null;
}

function parseContainer(body: GraphBody): Container {
  const status = containerStatuses.find((known) => known === body.status_code);
  if (!status) {
    const shown = JSON.stringify(body.status_code);
    throw new OutcomeError('unexpected-response', `Instagram container status: unknown status ${shown}`);
  }
  const subcode = /\b(2207\d{3})\b/.exec(typeof body.status === 'string' ? body.status : '')?.[1];
  return { status, subcode: subcode ? Number(subcode) : null };
}

/** Subcodes that say the content itself is wrong: a new container would fail the same way. */
// https://developers.facebook.com/documentation/instagram-platform/instagram-graph-api/reference/error-codes (read 2026-11-21)
const invalidInput: ReadonlySet<number> = new Set([
  2207004, 2207005, 2207009, 2207010, 2207023, 2207026, 2207028, 2207035, 2207036, 2207037, 2207040, 2207057,
]);

/** The account is restricted or flagged; waiting seconds does not help. */
const restricted: ReadonlySet<number> = new Set([2207050, 2207051, 2207081]);

/** The container is of no further use. What it means for a publish under way, only its status can tell. */
const deadContainer: ReadonlySet<number> = new Set([2207006, 2207032, 2207053]);

function mapUnusableContainer(containerId: string, container: Container): OutcomeError {
  const { status, subcode } = container;
  const platformCode = subcode === null ? status : String(subcode);
  const message = `Instagram container ${containerId} is ${status}${subcode === null ? '' : ` (${subcode})`}`;
  // Only a publish of ours could have done that, and none was sent yet.
  if (status === 'PUBLISHED') return new OutcomeError('unexpected-response', message, { platformCode });
  const isFinal = subcode !== null && (invalidInput.has(subcode) || restricted.has(subcode));
  const details = { platformCode, handleIsDead: true, sent: false };
  return new OutcomeError(isFinal ? 'rejected' : 'unavailable', message, details);
}

interface ListedMedia {
  readonly id: string;
  readonly caption: string;
  readonly publishedAt: number;
  readonly permalink: string | null;
}

function parseMediaList(body: GraphBody): readonly ListedMedia[] {
  return dataOf(body, 'Instagram media list').map(({ id, timestamp, caption, permalink }) => {
    const publishedAt = parseGraphTime(timestamp);
    if (typeof id !== 'string' || publishedAt === null) {
      throw new OutcomeError('unexpected-response', 'Instagram media list: an element has no id or no time');
    }
    return {
      ...{ id, publishedAt },
      // A post without a caption has no such field.
      caption: typeof caption === 'string' ? caption : '',
      permalink: typeof permalink === 'string' ? permalink : null,
    };
  });
}

/** The container is public for certain; which of the listed media it became follows from caption and time. */
function mapPublished(listed: readonly ListedMedia[], query: FindQuery): FindResult {
  const from = query.sentAfter.getTime() - clockSkewMs;
  const to = query.sentBefore.getTime() + clockSkewMs;
  const text = comparable(query.content.text);
  const matches = listed.filter(
    (media) => media.publishedAt >= from && media.publishedAt <= to && comparable(media.caption) === text,
  );
  const [only] = matches;
  if (!only) return { kind: 'cannot-tell', reason: 'published, id not listed yet' };
  if (matches.length > 1) {
    return {
      kind: 'cannot-tell',
      reason: `published, and ${matches.length} listed posts fit caption and time`,
    };
  }
  return { kind: 'found', receipt: { publicId: only.id, permalink: only.permalink } };
}

const comparable = (text: string): string => text.replace(/\r\n?/g, '\n').trim().normalize('NFC');

/** Instagram's own codes. The subcode is the finer word and goes before the common codes. */
// https://developers.facebook.com/documentation/instagram-platform/instagram-graph-api/reference/error-codes (read 2026-11-21)
function mapError({ subcode, message, details }: GraphError): OutcomeError | null {
  if (subcode === 2207027) {
    // Not FINISHED yet: Meta took nothing and the same container can be published later.
    return new OutcomeError('unavailable', message, {
      ...details,
      sent: false,
      retryAfterMs: notReadyRetryMs,
    });
  }
  if (subcode === 2207042) {
    return new OutcomeError('rate-limited', message, { ...details, retryAfterMs: dailyCapRetryMs });
  }
  if (subcode === 2207020) {
    // Expired unpublished: Meta's own word that this container was not and will not be published.
    return new OutcomeError('unavailable', message, { ...details, sent: false, handleIsDead: true });
  }
  if (deadContainer.has(subcode)) {
    return new OutcomeError('unavailable', message, { ...details, sent: true, handleIsDead: true });
  }
  if (subcode === 2207008 || subcode === 2207052) {
    return new OutcomeError('unavailable', message, { ...details, sent: true });
  }
  if (invalidInput.has(subcode) || restricted.has(subcode))
    return new OutcomeError('rejected', message, details);
  return null;
}
