import { isVideoType } from '../../domain/media-limits.ts';
import { OutcomeError } from '../../domain/outcome.ts';
import type { OptionValue, TargetOptions } from '../../domain/platform-rules.ts';
import type { AccountKind } from '../../domain/post.ts';
import type { ConnectableAccount, Connector } from './connector.ts';
import {
  type ContainerStatus,
  containerIdOf,
  containerLifeMs,
  findByContainer,
  type Listed,
  mapPublished,
  mapReplies,
  parseContainerStatus,
  parseListed,
  parseQuota,
  requireContainerId,
  sinceOf,
} from './containers.ts';
import {
  type AdapterOptions,
  hostOf,
  type PlatformDefinition,
  reaching,
  type Timings,
} from './definition.ts';
import { createFacebookLogin, type FacebookPage, pageObstacle } from './facebook-login.ts';
import {
  createGraph,
  type Graph,
  type GraphBody,
  type GraphError,
  idOf,
  readReceipt,
  uploadVideo,
  waitUntilReady,
} from './graph.ts';
import { isObject, path } from './http.ts';
import { connectWithInstagram } from './instagram-login.ts';
import type {
  Account,
  CallContext,
  Finder,
  FindQuery,
  MediaAccess,
  MediaItem,
  PrepareContext,
  Preparer,
  PublicContent,
  Publisher,
  QuotaReader,
  Replier,
} from './publisher.ts';
import { addressToPull } from './pulled-media.ts';
import { assertSupported } from './supported.ts';

// Endpoints

// https://developers.facebook.com/documentation/instagram-platform/content-publishing (read 2026-11-21)
export const instagram: PlatformDefinition = {
  live: {
    // For accounts connected through Facebook Login, with the Graph version current at reading.
    hosts: {
      graph: 'https://graph.facebook.com',
      oauth: 'https://www.facebook.com',
      upload: 'https://rupload.facebook.com',
      // For accounts connected through Instagram Login; the nodes have the same shapes.
      instagram: 'https://graph.instagram.com',
      login: 'https://www.instagram.com',
      token: 'https://api.instagram.com',
    },
    version: 'v26.0',
    uploadOrigins: [],
    permalinkBaseUrl: 'https://www.instagram.com',
  },
  versionPattern: /^v\d+\.\d+$/,
  create: createInstagram,
  connect: connectInstagram,
  logins: { instagram: (options) => connectWithInstagram(options, setup) },
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
/** Video has to be there until Meta has come for it and has fetched all of it. */
const videoUrlSeconds = 4 * 3_600;
/** Smaller videos Meta fetches by itself; a larger one is uploaded, so that a break costs only what was under way. */
const resumableFromBytes = 50_000_000;
const notReadyRetryMs = 10_000;
/** Meta gives no time for the daily cap: a part of its rolling day. */
const dailyCapRetryMs = 4 * 3_600_000;
const listedMedia = 50;
/** All that one page of comments holds. */
const listedComments = 50;

// Methods

/**
 * Professional (business or creator) accounts; consumer accounts cannot be published to. `business` are those connected through
 * Facebook Login, whose videos of more than `uploadFromBytes` are uploaded; `professional` those through Instagram Login, which
 * has no uploads. The tokens of each go to its own hosts alone.
 */
export function createInstagram(options: AdapterOptions, uploadFromBytes = resumableFromBytes) {
  const uploadBaseUrl = `${hostOf(options, 'upload')}/ig-api-upload/${options.version}`;
  const own = createGraph(reaching(options, 'instagram'), { ...setup, host: 'instagram' });
  return {
    business: createAdapter(openGraph(options), 'business', { uploadBaseUrl, uploadFromBytes }),
    professional: createAdapter(own, 'professional', {
      ...{ uploadBaseUrl, uploadFromBytes: Number.POSITIVE_INFINITY },
    }),
  };
}

const setup = { name: 'Instagram', defaults, mapError };

const openGraph = (options: AdapterOptions): Graph =>
  createGraph(reaching(options, 'graph', 'upload'), { ...setup, host: 'graph' });

const createAdapter = (graph: Graph, kind: AccountKind, upload: UploadSettings) => ({
  publisher: createPublisher(graph, kind),
  preparer: createPreparer(graph, upload),
  finder: createFinder(graph),
  replier: createReplier(graph),
  quotaReader: createQuotaReader(graph),
});

function createPublisher(graph: Graph, kind: AccountKind): Publisher {
  return {
    platform: 'instagram',
    kinds: [kind],
    commitTimeoutMs: graph.timings.commitTimeoutMs,
    commit: async (account, _content, handle, context) => {
      const containerId = requireContainerId(handle, graph.name);
      const what = 'Instagram publish';
      const body = await graph.post(account.accessToken, context, {
        ...{ path: path`/${account.externalId}/media_publish`, what },
        body: { creation_id: containerId },
        timeoutMs: graph.timings.commitTimeoutMs,
      });
      return { publicId: idOf(body, what), permalink: null };
    },
    confirm: (account, publicId, context) =>
      readReceipt(graph, account, publicId, 'Instagram media', context),
  };
}

interface UploadSettings {
  readonly uploadBaseUrl: string;
  readonly uploadFromBytes: number;
}

/** What every step of one preparation needs. */
interface Preparation extends UploadSettings {
  readonly graph: Graph;
  readonly account: Account;
  readonly media: MediaAccess;
  readonly context: PrepareContext;
  /** Keeps, beside what is kept already, the container that a video is uploaded into. */
  readonly keep: (progress: Readonly<Record<string, string>>) => Promise<void>;
}

function createPreparer(graph: Graph, settings: UploadSettings): Preparer {
  return {
    prepare: async (account, content, media, context) => {
      assertSupported('instagram', content);
      const expiresAt = new Date(graph.now().getTime() + containerLifeMs).toISOString();
      let kept = context.upload.kept ?? {};
      const keep: Preparation['keep'] = async (progress) => {
        kept = { ...kept, ...progress };
        await context.upload.keep(kept);
      };
      const preparation: Preparation = { ...settings, graph, account, media, context, keep };
      const childContainerIds: string[] = [];
      if (content.type === 'CAROUSEL') {
        for (const [index, item] of content.media.entries()) {
          childContainerIds.push(await createMediaContainer(preparation, item, index, mapChild(item)));
        }
        await waitForContainers(graph, account, childContainerIds, context);
      }
      const containerId =
        content.type === 'CAROUSEL'
          ? await createContainer(preparation, {
              ...mapParent(content),
              children: childContainerIds.join(','),
            })
          : await createMediaContainer(preparation, content.media[0]!, 0, mapParent(content));
      await waitForContainers(graph, account, [containerId], context);
      return { ids: { containerId, childContainerIds }, expiresAt };
    },
  };
}

/** A container of one picture or video. Meta fetches pictures and small videos itself, so their addresses live on. */
async function createMediaContainer(
  preparation: Preparation,
  item: MediaItem,
  index: number,
  fields: GraphBody,
): Promise<string> {
  const { media, uploadFromBytes } = preparation;
  if (!isVideo(item)) {
    const image_url = await addressToPull(media, item, mediaUrlSeconds);
    return createContainer(preparation, { image_url, ...fields });
  }
  const cover = item.cover && { cover_url: await addressToPull(media, item.cover, videoUrlSeconds) };
  if (item.sizeBytes > uploadFromBytes) {
    return uploadContainer(preparation, item, index, { ...fields, ...cover });
  }
  const video_url = await addressToPull(media, item, videoUrlSeconds);
  return createContainer(preparation, { video_url, ...fields, ...cover });
}

const createContainer = async (preparation: Preparation, body: GraphBody): Promise<string> =>
  idOf(await requestContainer(preparation, body), containerCreation);

const containerCreation = 'Instagram container creation';

function requestContainer(
  { graph, account, context }: Preparation,
  body: GraphBody,
): Promise<Readonly<Record<string, unknown>>> {
  context.progress('Creating an Instagram container');
  const addresses = [body.image_url, body.video_url, body.cover_url];
  return graph.post(account.accessToken, context, {
    ...{ path: path`/${account.externalId}/media`, body, what: containerCreation },
    secrets: addresses.filter((address) => typeof address === 'string'),
  });
}

/** A container whose video is uploaded, or goes on being uploaded where an earlier attempt was broken off. */
// https://developers.facebook.com/docs/instagram-platform/content-publishing/resumable-uploads (read 2026-11-21)
async function uploadContainer(
  preparation: Preparation,
  item: MediaItem,
  index: number,
  fields: GraphBody,
): Promise<string> {
  const { graph, account, media, context } = preparation;
  const session =
    (await readSession(preparation, item, index)) ?? (await startSession(preparation, index, fields));
  if (session.offset < item.sizeBytes) {
    const { address: url, offset } = session;
    const what = `Instagram upload of video ${item.mediaId}`;
    await uploadVideo(graph, account, context, { url, item, media, offset, what });
  }
  return session.containerId;
}

interface Session {
  readonly containerId: string;
  readonly address: string;
  /** How many bytes Meta has. */
  readonly offset: number;
}

async function startSession(preparation: Preparation, index: number, fields: GraphBody): Promise<Session> {
  const body = await requestContainer(preparation, { ...fields, upload_type: 'resumable' });
  const containerId = idOf(body, containerCreation);
  const address =
    typeof body.uri === 'string' ? body.uri : `${preparation.uploadBaseUrl}${path`/${containerId}`}`;
  await preparation.keep({ [`container${index}`]: containerId, [`address${index}`]: address });
  return { containerId, address, offset: 0 };
}

/** What Meta says of the container an earlier attempt has kept; `null` where there is none of any use. */
async function readSession(
  { graph, account, context }: Preparation,
  item: MediaItem,
  index: number,
): Promise<Session | null> {
  const { [`container${index}`]: containerId, [`address${index}`]: address } = context.upload.kept ?? {};
  if (typeof containerId !== 'string' || typeof address !== 'string') return null;
  try {
    const body = await getContainer(graph, account, containerId, context, 'status_code,status,video_status');
    const { status } = parseContainer(body);
    if (status === 'EXPIRED' || status === 'ERROR') return null;
    const offset = status === 'IN_PROGRESS' ? parseUploaded(body, item) : item.sizeBytes;
    return { containerId, address, offset };
  } catch (error) {
    // No such object, or no such field: it starts anew.
    if (error instanceof OutcomeError && error.details.platformCode?.startsWith('100')) return null;
    throw error;
  }
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
      const container = parseContainer(await getContainer(graph, account, id, context));
      if (container.status === 'FINISHED') return true;
      if (container.status !== 'IN_PROGRESS') throw mapUnusableContainer(id, container);
      return false;
    },
  });

const getContainer = (
  graph: Graph,
  account: Account,
  containerId: string,
  context: CallContext,
  fields = 'status_code,status',
): Promise<GraphBody> =>
  graph.get(account.accessToken, context, {
    path: path`/${containerId}`,
    query: `fields=${fields}`,
    what: 'Instagram container status',
  });

function createFinder(graph: Graph): Finder {
  return {
    settleMs: graph.timings.settleMs,
    find: async (account, query, context) => {
      const containerId = containerIdOf(query.handle);
      if (containerId === null) return { kind: 'cannot-tell', reason: 'no container is known' };
      const { status } = parseContainer(await getContainer(graph, account, containerId, context));
      return findByContainer(containerId, status, async () =>
        mapPublished(await listMedia(graph, account, query, context), shownText(query.content), query),
      );
    },
  };
}

/** Stories have a list of their own, which is short: none is older than a day. */
async function listMedia(
  graph: Graph,
  account: Account,
  query: FindQuery,
  context: CallContext,
): Promise<readonly Listed[]> {
  const fields = 'fields=id,caption,timestamp,permalink,media_product_type';
  const isStory = query.content.type === 'STORY';
  const what = isStory ? 'Instagram list of stories' : 'Instagram media list';
  const body = await graph.get(account.accessToken, context, {
    path: isStory ? path`/${account.externalId}/stories` : path`/${account.externalId}/media`,
    query: isStory ? fields : `${fields}&since=${sinceOf(query)}&limit=${listedMedia}`,
    what,
  });
  return parseListed(body, 'caption', what);
}

// https://developers.facebook.com/documentation/instagram-platform/instagram-graph-api/reference/ig-media/comments (read 2026-11-21)
function createReplier(graph: Graph): Replier {
  return {
    reply: async (account, { text, parentId, rootId }, context) => {
      const what = 'Instagram comment';
      const isFirst = parentId === rootId;
      const body = await graph.post(account.accessToken, context, {
        path: isFirst ? path`/${rootId}/comments` : path`/${parentId}/replies`,
        body: { message: text },
        what,
        timeoutMs: graph.timings.commitTimeoutMs,
      });
      // Comments have no address of their own.
      return { publicId: idOf(body, what), permalink: null };
    },
    findReply: async (account, { text, parentId, rootId }, window, context) => {
      const what = 'Instagram list of comments';
      const body = await graph.get(account.accessToken, context, {
        path: parentId === rootId ? path`/${rootId}/comments` : path`/${parentId}/replies`,
        query: `fields=id,text,timestamp&limit=${listedComments}`,
        what,
      });
      return mapReplies(parseListed(body, 'text', what), listedComments, text, window);
    },
  };
}

// The guide says 100 posts a day, the reference 50: what counts is what the account is told.
// https://developers.facebook.com/documentation/instagram-platform/instagram-graph-api/reference/ig-user/content_publishing_limit (read 2026-11-21)
function createQuotaReader(graph: Graph): QuotaReader {
  return {
    readQuota: async (account, context) => {
      const what = 'Instagram publishing limit';
      const body = await graph.get(account.accessToken, context, {
        path: path`/${account.externalId}/content_publishing_limit`,
        query: 'fields=quota_usage,config',
        what,
      });
      return parseQuota(body, what);
    },
  };
}

// Connecting

/** Through Facebook Login: the Instagram accounts of the pages that a person publishes for, each with its page's token. */
// https://developers.facebook.com/documentation/instagram-platform/instagram-api-with-facebook-login/get-started (read 2026-11-21)
function connectInstagram(options: AdapterOptions): Connector {
  return createFacebookLogin(options, openGraph(options), {
    defaultScopes: [
      'instagram_basic',
      'instagram_content_publish',
      'instagram_manage_comments',
      'pages_show_list',
      'pages_read_engagement',
    ],
    requiredScopes: ['instagram_basic', 'instagram_content_publish', 'pages_show_list'],
    pageFields: ['instagram_business_account{id,username}'],
    mapPages: (pages) => pages.flatMap(mapPage),
  });
}

function mapPage(page: FacebookPage): readonly ConnectableAccount[] {
  const { instagram_business_account: account } = page.body;
  if (!isObject(account) || typeof account.id !== 'string') return [];
  const name = typeof account.username === 'string' ? account.username : page.name;
  return [
    {
      ...{ kind: 'business', externalId: account.id, name },
      ...{ accessToken: page.accessToken, obstacle: pageObstacle(page) },
    },
  ];
}

// Pure mappers

const isVideo = ({ contentType }: Pick<MediaItem, 'contentType'>): boolean => isVideoType(contentType);

/** Alternative text is for pictures alone. */
const altTextOf = ({ altText }: MediaItem): GraphBody => (altText ? { alt_text: altText } : {});

const mapChild = (item: MediaItem): GraphBody => ({
  ...(isVideo(item) ? { media_type: 'VIDEO' } : altTextOf(item)),
  is_carousel_item: true,
});

/** The fields of the container that is published, but for its media. */
function mapParent(content: PublicContent): GraphBody {
  const { type, text: caption, options } = content;
  const chosen = mapOptions(options ?? {});
  switch (type) {
    case 'SINGLE_IMAGE':
      return { ...altTextOf(content.media[0]!), caption, ...chosen };
    case 'CAROUSEL':
      return { media_type: 'CAROUSEL', caption, ...chosen };
    // Every video is a reel since July 2023; one for the feed is shown there for certain.
    // https://developers.facebook.com/documentation/instagram-platform/content-publishing (read 2026-11-21)
    case 'VIDEO':
      return { media_type: 'REELS', caption, ...chosen, share_to_feed: true };
    case 'REEL':
      return { media_type: 'REELS', caption, share_to_feed: true, ...chosen };
    // No caption, and nobody can be invited.
    case 'STORY':
      return { media_type: 'STORIES' };
    default:
      throw new OutcomeError('rejected', `Instagram posts of type ${type} are not supported`, {
        sent: false,
      });
  }
}

const optionFields: Readonly<Record<string, (value: OptionValue) => GraphBody>> = {
  collaborators: (collaborators) => ({ collaborators }),
  locationId: (location_id) => ({ location_id }),
  shareToFeed: (share_to_feed) => ({ share_to_feed }),
  thumbOffsetMs: (thumb_offset) => ({ thumb_offset }),
  audioName: (audio_name) => ({ audio_name }),
  trial: (graduation_strategy) => ({ trial_params: { graduation_strategy } }),
  aiGenerated: (is_ai_generated) => ({ is_ai_generated }),
};

const mapOptions = (options: TargetOptions): GraphBody =>
  Object.assign({}, ...Object.entries(options).map(([name, value]) => optionFields[name]?.(value) ?? {}));

/** What a reader sees of the text. Captions are read back without @ by apps whose user does not administer them. */
// https://developers.facebook.com/documentation/instagram-platform/reference/instagram-media (read 2026-11-21)
const shownText = ({ type, text }: PublicContent): string => (type === 'STORY' ? '' : text);

interface Container {
  readonly status: ContainerStatus;
  /** Meta's error subcode, which it puts into the text of the status. */
  readonly subcode: number | null;
}

function parseContainer(body: GraphBody): Container {
  const status = parseContainerStatus(body.status_code, 'Instagram');
  const subcode = /\b(2207\d{3})\b/.exec(typeof body.status === 'string' ? body.status : '')?.[1];
  return { status, subcode: subcode ? Number(subcode) : null };
}

/** How many bytes of a video Meta has. The field is not in the reference; the guide to reels spells it with one r. */
// https://developers.facebook.com/documentation/video-api/guides/reels-publishing (read 2026-11-21)
function parseUploaded(body: GraphBody, item: MediaItem): number {
  const phases = isObject(body.video_status) ? body.video_status : {};
  const uploading = isObject(phases.uploading_phase) ? phases.uploading_phase : {};
  if (uploading.status === 'complete') return item.sizeBytes;
  const bytes = Number(uploading.bytes_transferred ?? uploading.bytes_transfered ?? 0);
  return Number.isInteger(bytes) && bytes > 0 ? Math.min(bytes, item.sizeBytes) : 0;
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
