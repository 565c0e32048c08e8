import { isVideoType } from '../../domain/media-limits.ts';
import { OutcomeError } from '../../domain/outcome.ts';
import type { TargetOptions } from '../../domain/platform-rules.ts';
import type { Connector } from './connector.ts';
import {
  type ContainerStatus,
  containerIdOf,
  containerLifeMs,
  findByContainer,
  mapPublished,
  mapReplies,
  parseContainerStatus,
  parseListed,
  parseQuota,
  requireContainerId,
  sinceOf,
} from './containers.ts';
import { type AdapterOptions, hostOf, type PlatformDefinition, type Timings } from './definition.ts';
import {
  createGraph,
  dataOf,
  type Graph,
  type GraphBody,
  type GraphError,
  idOf,
  readReceipt,
  waitUntilReady,
} from './graph.ts';
import { path } from './http.ts';
import { createMetaLogin } from './meta-login.ts';
import type {
  Account,
  CallContext,
  Finder,
  MediaAccess,
  MediaItem,
  Preparer,
  Publisher,
  QuotaReader,
  Remover,
  Replier,
} from './publisher.ts';
import { addressToPull } from './pulled-media.ts';
import { assertSupported } from './supported.ts';

// Endpoints

// https://developers.facebook.com/docs/threads/overview (read 2026-11-21)
export const threads: PlatformDefinition = {
  live: {
    hosts: { graph: 'https://graph.threads.net', oauth: 'https://www.threads.net' },
    // The only one there is.
    version: 'v1.0',
    uploadOrigins: [],
    permalinkBaseUrl: 'https://www.threads.net',
  },
  // The same service by its other name.
  otherLiveOrigins: ['https://graph.threads.com', 'https://www.threads.com'],
  versionPattern: /^v\d+\.\d+$/,
  create: createThreads,
  connect: connectThreads,
};

// Limits

const defaults: Timings = {
  commitTimeoutMs: 30_000,
  // Meta advises once a minute for videos; a text is ready in seconds.
  pollIntervalMs: 5_000,
  processingTimeoutMs: 600_000,
  settleMs: 10_000,
  blindWaitMs: 0,
};
const mediaUrlSeconds = 3_600;
/** Video has to be there until Meta has come for it and has fetched all of it. */
const videoUrlSeconds = 4 * 3_600;
/** A reply is made and published in one go, so its container may not take as long as a post's. */
const replyProcessingMs = 60_000;
const notReadyRetryMs = 10_000;
const listedPosts = 50;

// Methods

/** One adapter for every profile. */
export function createThreads(options: AdapterOptions) {
  const graph = openGraph(options);
  return {
    user: {
      publisher: createPublisher(graph),
      preparer: createPreparer(graph),
      finder: createFinder(graph),
      replier: createReplier(graph),
      remover: createRemover(graph),
      quotaReader: createQuotaReader(graph),
    },
  };
}

const openGraph = (options: AdapterOptions): Graph =>
  createGraph(options, { name: 'Threads', host: 'graph', defaults, mapError });

function createPublisher(graph: Graph): Publisher {
  return {
    platform: 'threads',
    kinds: ['user'],
    commitTimeoutMs: graph.timings.commitTimeoutMs,
    commit: async (account, _content, handle, context) => {
      const containerId = requireContainerId(handle, graph.name);
      return { publicId: await publish(graph, account, containerId, context), permalink: null };
    },
    confirm: (account, publicId, context) => readReceipt(graph, account, publicId, 'Threads post', context),
  };
}

async function publish(
  graph: Graph,
  account: Account,
  containerId: string,
  context: CallContext,
): Promise<string> {
  const what = 'Threads publish';
  const body = await graph.post(account.accessToken, context, {
    ...{ path: path`/${account.externalId}/threads_publish`, what },
    form: { creation_id: containerId },
    timeoutMs: graph.timings.commitTimeoutMs,
  });
  return idOf(body, what);
}

// `auto_publish_text` would make a text public in the first call, and leave nothing to ask in doubt: never used.
// https://developers.facebook.com/docs/threads/posts (read 2026-11-21)
function createPreparer(graph: Graph): Preparer {
  return {
    prepare: async (account, content, media, context) => {
      assertSupported('threads', content);
      const expiresAt = new Date(graph.now().getTime() + containerLifeMs).toISOString();
      const make = (fields: Fields) => createContainer(graph, account, context, fields);
      const words = { ...(content.text !== '' && { text: content.text }), ...mapOptions(content.options) };
      const [first] = content.media;
      if (content.type !== 'CAROUSEL') {
        const fields = first ? await mediaFields(first, media) : { media_type: 'TEXT' };
        const containerId = await make({ ...fields, ...words });
        await waitForContainers(graph, account, [containerId], context);
        return { ids: { containerId, childContainerIds: [] }, expiresAt };
      }
      const childContainerIds: string[] = [];
      for (const item of content.media) {
        const fields = await mediaFields(item, media);
        childContainerIds.push(await make({ ...fields, is_carousel_item: 'true' }));
      }
      await waitForContainers(graph, account, childContainerIds, context);
      const children = childContainerIds.join(',');
      const containerId = await make({ media_type: 'CAROUSEL', children, ...words });
      await waitForContainers(graph, account, [containerId], context);
      return { ids: { containerId, childContainerIds }, expiresAt };
    },
  };
}

type Fields = Readonly<Record<string, string>>;

/** Threads takes media by address alone: pictures and videos of any size are fetched. */
async function mediaFields(item: MediaItem, media: MediaAccess): Promise<Fields> {
  const altText: Fields = item.altText ? { alt_text: item.altText } : {};
  return isVideoType(item.contentType)
    ? { media_type: 'VIDEO', video_url: await addressToPull(media, item, videoUrlSeconds), ...altText }
    : { media_type: 'IMAGE', image_url: await addressToPull(media, item, mediaUrlSeconds), ...altText };
}

async function createContainer(
  graph: Graph,
  account: Account,
  context: CallContext,
  form: Fields,
): Promise<string> {
  context.progress('Creating a Threads container');
  const what = 'Threads container creation';
  const secrets = [form.image_url, form.video_url].filter((address) => address !== undefined);
  const call = { path: path`/${account.externalId}/threads`, form, what, secrets };
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
    query: 'fields=status,error_message',
    what: 'Threads container status',
  });
  return parseContainer(body);
}

function createFinder(graph: Graph): Finder {
  return {
    settleMs: graph.timings.settleMs,
    find: async (account, query, context) => {
      const containerId = containerIdOf(query.handle);
      if (containerId === null) return { kind: 'cannot-tell', reason: 'no container is known' };
      const { status } = await readContainer(graph, account, containerId, context);
      return findByContainer(containerId, status, async () => {
        const what = 'Threads list of posts';
        const body = await graph.get(account.accessToken, context, {
          path: path`/${account.externalId}/threads`,
          query: `fields=id,text,timestamp,permalink,media_type&since=${sinceOf(query)}&limit=${listedPosts}`,
          what,
        });
        return mapPublished(parseListed(body, 'text', what), query.content.text, query);
      });
    },
  };
}

/** Parts of a thread and first comments: each is a text post that answers another one, made and published in one go. */
// https://developers.facebook.com/docs/threads/reply-management (read 2026-11-21)
function createReplier(graph: Graph): Replier {
  const quick: Graph = {
    ...graph,
    timings: {
      ...graph.timings,
      processingTimeoutMs: Math.min(graph.timings.processingTimeoutMs, replyProcessingMs),
    },
  };
  return {
    reply: async (account, { text, parentId }, context) => {
      const containerId = await beforePublishing(async () => {
        const form = { media_type: 'TEXT', text, reply_to_id: parentId };
        const id = await createContainer(graph, account, context, form);
        await waitForContainers(quick, account, [id], context);
        return id;
      });
      return { publicId: await publish(graph, account, containerId, context), permalink: null };
    },
    findReply: async (account, { text, parentId }, window, context) => {
      const what = 'Threads list of replies';
      const body = await graph.get(account.accessToken, context, {
        path: path`/${parentId}/replies`,
        query: `fields=id,text,timestamp,permalink,is_reply_owned_by_me&reverse=true&limit=${listedPosts}`,
        what,
      });
      // What others say does not count, but tells how far back the page reaches.
      const ours = dataOf(body, what).map((reply) =>
        reply.is_reply_owned_by_me === false ? { ...reply, text: '' } : reply,
      );
      return mapReplies(parseListed({ data: ours }, 'text', what), listedPosts, text, window);
    },
  };
}

/** Whatever becomes of a container, nothing is public before it is published. */
async function beforePublishing<Result>(work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof OutcomeError)) throw error;
    const { code, message, details } = error;
    const isCertain = code === 'rejected' || code === 'unauthorized' || code === 'rate-limited';
    throw new OutcomeError(isCertain ? code : 'unavailable', message, { ...details, sent: false });
  }
}

// https://developers.facebook.com/docs/threads/posts/delete-posts (read 2026-11-21)
function createRemover(graph: Graph): Remover {
  return {
    remove: async (account, publicId, context) => {
      const what = 'Threads deletion';
      try {
        await graph.remove(account.accessToken, context, { path: path`/${publicId}`, what });
      } catch (error) {
        if (error instanceof OutcomeError && error.details.platformCode === objectGone) return;
        throw error;
      }
    },
  };
}

// https://developers.facebook.com/docs/threads/troubleshooting (read 2026-11-21)
function createQuotaReader(graph: Graph): QuotaReader {
  return {
    readQuota: async (account, context) => {
      const what = 'Threads publishing limit';
      const body = await graph.get(account.accessToken, context, {
        path: path`/${account.externalId}/threads_publishing_limit`,
        query: 'fields=quota_usage,config',
        what,
      });
      return parseQuota(body, what);
    },
  };
}

// Connecting

/** Threads has an application id and secret of its own. */
// https://developers.facebook.com/docs/threads/get-started/long-lived-tokens (read 2026-11-21)
function connectThreads(options: AdapterOptions): Connector {
  const graph = openGraph(options);
  const tokens = openGraph({ ...options, version: '' });
  const requiredScopes = ['threads_basic', 'threads_content_publish'];
  return createMetaLogin({
    ...{ name: 'Threads', prefix: 'th', authorizeHost: hostOf(options, 'oauth'), codes: tokens, tokens },
    defaultScopes: [...requiredScopes, 'threads_manage_replies', 'threads_read_replies', 'threads_delete'],
    requiredScopes,
    listAccounts: async (accessToken, context) => {
      const what = 'Threads profile';
      const body = await graph.get(accessToken, context, {
        ...{ path: '/me', query: 'fields=id,username', what },
      });
      const externalId = idOf(body, what);
      const name = typeof body.username === 'string' ? body.username : externalId;
      return [{ kind: 'user', externalId, name, accessToken: null, obstacle: null }];
    },
  });
}

// Pure mappers

const optionFields: Readonly<Record<string, string>> = {
  replyControl: 'reply_control',
  topicTag: 'topic_tag',
  quotePostId: 'quote_post_id',
  linkAttachment: 'link_attachment',
};

const mapOptions = (options: TargetOptions = {}): Fields =>
  Object.fromEntries(
    Object.entries(options).flatMap(([name, value]) => {
      const field = optionFields[name];
      return field ? [[field, String(value)]] : [];
    }),
  );

interface Container {
  readonly status: ContainerStatus;
  /** A name, e.g. `FAILED_DOWNLOADING_VIDEO`; `null` unless it failed. */
  readonly failure: string | null;
}

function parseContainer(body: GraphBody): Container {
  const status = parseContainerStatus(body.status, 'Threads');
  const { error_message: failure } = body;
  return { status, failure: typeof failure === 'string' && failure !== '' ? failure : null };
}

/** The media itself is wrong: a new container would fail the same way. The third is spelled like this. */
// https://developers.facebook.com/docs/threads/troubleshooting (read 2026-11-21)
const invalidInput: ReadonlySet<string> = new Set([
  'FAILED_PROCESSING_AUDIO',
  'FAILED_PROCESSING_VIDEO',
  'INVALID_ASPEC_RATIO',
  'INVALID_BIT_RATE',
  'INVALID_DURATION',
  'INVALID_FRAME_RATE',
  'INVALID_AUDIO_CHANNELS',
  'INVALID_AUDIO_CHANNEL_LAYOUT',
]);

function mapUnusableContainer(containerId: string, { status, failure }: Container): OutcomeError {
  const message = `Threads container ${containerId} is ${status}${failure === null ? '' : ` (${failure})`}`;
  const platformCode = failure ?? status;
  // Only a publish of ours could have done that, and none was sent yet.
  if (status === 'PUBLISHED') return new OutcomeError('unexpected-response', message, { platformCode });
  const isFinal = failure !== null && invalidInput.has(failure);
  const details = { platformCode, handleIsDead: true, sent: false };
  return new OutcomeError(isFinal ? 'rejected' : 'unavailable', message, details);
}

/** No such object, or none that the token may see. */
const objectGone = '100/33';

/** Threads' own subcodes, which it does not list: they are known from reports. */
function mapError({ subcode, message, details }: GraphError): OutcomeError | null {
  // The user is restricted, or the post was taken for spam; waiting seconds does not help.
  if (subcode === 4279013 || subcode === 2207051) return new OutcomeError('rejected', message, details);
  // "Media not found" of a container that was made just now, or of one that is used: its status tells which.
  if (subcode === 4279009) {
    const retryAfterMs = notReadyRetryMs;
    return new OutcomeError('unavailable', message, { ...details, sent: true, retryAfterMs });
  }
  return null;
}
