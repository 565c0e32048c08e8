import { OutcomeError } from '../../domain/outcome.ts';
import type { AccountKind, PostType } from '../../domain/post.ts';
import type { ConnectableAccount, Connector, TokenSet } from './connector.ts';
import { type AdapterOptions, hostOf, type PlatformDefinition, type Timings } from './definition.ts';
import {
  type AnswerHeaders,
  createHttpClient,
  type HttpClient,
  isObject,
  parseRetryAfter,
  path,
  pause,
} from './http.ts';
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
  Receipt,
} from './publisher.ts';

// Endpoints

// https://learn.microsoft.com/en-us/linkedin/marketing/versioning (read 2026-11-21)
export const linkedin: PlatformDefinition = {
  live: {
    hosts: {
      api: 'https://api.linkedin.com',
      oauth: 'https://www.linkedin.com',
      token: 'https://www.linkedin.com',
    },
    // The newest monthly version at the time of reading; each lives about a year.
    version: '202609',
    uploadOrigins: ['https://www.linkedin.com'],
    permalinkBaseUrl: 'https://www.linkedin.com',
  },
  versionPattern: /^\d{6}$/,
  create: createLinkedIn,
  connect: createLinkedInConnector,
};

// Limits

/** LinkedIn does not document how far its lists lag behind a commit. */
const defaults: Timings = {
  commitTimeoutMs: 20_000,
  pollIntervalMs: 2_000,
  processingTimeoutMs: 300_000,
  settleMs: 60_000,
  blindWaitMs: 25_000,
};
const callTimeoutMs = 20_000;
const uploadTimeoutMs = 120_000;
const notReadyRetryMs = 10_000;
const findPageSize = 10;
const findPages = 5;
/** Our clock and LinkedIn's may differ by this much when a post's time is compared with the window of a commit. */
const clockSkewMs = 60_000;

/** One adapter per kind of account. A member's own posts cannot be read back, so `member` has no finder. */
// `r_member_social` is closed: https://learn.microsoft.com/en-us/linkedin/marketing/community-management/shares/posts-api (read 2026-11-21)
export function createLinkedIn(options: AdapterOptions) {
  const api = connect(options);
  const preparer = createPreparer(api);
  return {
    member: { publisher: createPublisher(api, 'member'), preparer },
    organization: { publisher: createPublisher(api, 'organization'), preparer, finder: createFinder(api) },
  };
}

interface LinkedInApi {
  readonly http: HttpClient;
  readonly baseUrl: string;
  readonly permalinkBaseUrl: string;
  readonly timings: Timings;
  readonly headers: (account: Account) => Record<string, string>;
}

function connect(options: AdapterOptions): LinkedInApi {
  const now = options.now ?? (() => new Date());
  const baseUrl = hostOf(options, 'api');
  return {
    http: createHttpClient({
      fetch: options.fetch,
      origins: [new URL(baseUrl).origin, ...options.uploadOrigins],
      mapError: (status, headers, body) => mapLinkedInError(status, headers, body, now()),
      now,
    }),
    baseUrl,
    permalinkBaseUrl: options.permalinkBaseUrl,
    timings: { ...defaults, ...options.timings },
    headers: (account) => ({
      Authorization: `Bearer ${account.accessToken}`,
      'Linkedin-Version': options.version,
      'X-Restli-Protocol-Version': '2.0.0',
      'Content-Type': 'application/json',
    }),
  };
}

// Methods

function createPublisher(api: LinkedInApi, kind: AccountKind): Publisher {
  const permalink = (urn: string): string => `${api.permalinkBaseUrl}/feed/update/${urn}`;
  return {
    platform: 'linkedin',
    kinds: [kind],
    commitTimeoutMs: api.timings.commitTimeoutMs,
    commit: async (account, content, handle, context) => {
      const body = mapPost(account, content, handle);
      const reply = await api.http.send({
        method: 'POST',
        url: `${api.baseUrl}/rest/posts`,
        headers: api.headers(account),
        body: JSON.stringify(body),
        what: 'LinkedIn post creation',
        timeoutMs: api.timings.commitTimeoutMs,
        signal: context.signal,
        secrets: [account.accessToken],
      });
      const urn = parsePostUrn(reply.status, reply.headers);
      return { publicId: urn, permalink: permalink(urn) };
    },
    // The address follows from the URN, so nothing is asked; a member's token could not ask.
    // https://learn.microsoft.com/en-us/linkedin/marketing/community-management/shares/posts-api (read 2026-11-21)
    confirm: async (_account, publicId) => ({ publicId, permalink: permalink(publicId) }),
  };
}

function createPreparer(api: LinkedInApi): Preparer {
  return {
    prepare: async (account, content, media, context) => {
      assertSupported(content);
      const imageUrns: string[] = [];
      for (const item of content.media) {
        imageUrns.push(await uploadImage(api, account, item, media, context));
      }
      await waitForImages(api, account, imageUrns, context);
      // How long LinkedIn keeps a picture no post uses is not documented.
      return { ids: { imageUrns }, expiresAt: null };
    },
  };
}

async function uploadImage(
  api: LinkedInApi,
  account: Account,
  item: MediaItem,
  media: MediaAccess,
  context: CallContext,
): Promise<string> {
  context.progress(`Uploading picture ${item.mediaId} to LinkedIn`);
  const bytes = await media.bytes(item);
  const call = { signal: context.signal, secrets: [account.accessToken] };
  const start = await api.http.sendJson({
    ...call,
    method: 'POST',
    url: `${api.baseUrl}/rest/images?action=initializeUpload`,
    headers: api.headers(account),
    body: JSON.stringify({ initializeUploadRequest: { owner: account.externalId } }),
    what: 'LinkedIn image upload start',
    timeoutMs: callTimeoutMs,
  });
  const { uploadUrl, imageUrn } = parseUploadStart(start.body);
  await api.http.send({
    ...call,
    method: 'PUT',
    url: uploadUrl,
    // Unlike video parts, the picture's upload address wants the bearer token.
    // https://learn.microsoft.com/en-us/linkedin/marketing/community-management/shares/images-api (read 2026-11-21)
    headers: { Authorization: `Bearer ${account.accessToken}`, 'Content-Type': 'application/octet-stream' },
    body: bytes,
    what: 'LinkedIn image upload',
    timeoutMs: uploadTimeoutMs,
  });
  return imageUrn;
}

/** A post on a picture that is not AVAILABLE is created and stays invisible, so every picture is waited for. */
async function waitForImages(
  api: LinkedInApi,
  account: Account,
  imageUrns: readonly string[],
  context: CallContext,
): Promise<void> {
  const deadline = performance.now() + api.timings.processingTimeoutMs;
  for (const urn of imageUrns) {
    for (;;) {
      const status = await readImageStatus(api, account, urn, context);
      if (status === 'AVAILABLE') break;
      if (status === 'unreadable') {
        await pause(api.timings.blindWaitMs, context, 'Waiting for LinkedIn to process pictures');
        return;
      }
      if (status === 'PROCESSING_FAILED') {
        throw new OutcomeError('rejected', `LinkedIn could not process ${urn}`, {
          platformCode: status,
          handleIsDead: true,
        });
      }
      if (performance.now() >= deadline) {
        throw new OutcomeError('unavailable', `LinkedIn is still processing ${urn} (${status})`, {
          sent: false,
        });
      }
      await pause(api.timings.pollIntervalMs, context, `LinkedIn is processing ${urn} (${status})`);
    }
  }
}

async function readImageStatus(
  api: LinkedInApi,
  account: Account,
  urn: string,
  context: CallContext,
): Promise<string> {
  try {
    const { body } = await api.http.sendJson({
      method: 'GET',
      url: `${api.baseUrl}${path`/rest/images/${urn}`}`,
      headers: api.headers(account),
      what: 'LinkedIn image status',
      timeoutMs: callTimeoutMs,
      signal: context.signal,
      secrets: [account.accessToken],
    });
    return parseImageStatus(body);
  } catch (error) {
    // A token with w_member_social alone may upload a picture and not read it.
    // https://learn.microsoft.com/en-us/linkedin/marketing/community-management/shares/images-api (read 2026-11-21)
    const forbidden = error instanceof OutcomeError && error.details.status === 403;
    if (forbidden && account.kind === 'member') return 'unreadable';
    throw error;
  }
}

function createFinder(api: LinkedInApi): Finder {
  return {
    settleMs: api.timings.settleMs,
    find: async (account, query, context) => {
      for (let page = 0; page < findPages; page++) {
        const posts = await listPosts(api, account, page * findPageSize, context);
        const found = posts.find((post) => isSamePost(post, query));
        if (found) return mapFound(found, `${api.permalinkBaseUrl}/feed/update/${found.urn}`);
        const unclear = posts.find((post) => isUnclear(post, query));
        if (unclear)
          return { kind: 'cannot-tell', reason: `${unclear.urn} has the same text and no pictures` };
        if (posts.length < findPageSize || reachesBefore(posts, query.sentAfter))
          return { kind: 'absent', proof: 'read' };
      }
      const seen = findPages * findPageSize;
      return { kind: 'cannot-tell', reason: `the window lies behind the ${seen} posts changed last` };
    },
  };
}

async function listPosts(
  api: LinkedInApi,
  account: Account,
  start: number,
  context: CallContext,
): Promise<readonly ListedPost[]> {
  const query = `q=author&author=${encodeURIComponent(account.externalId)}&count=${findPageSize}&start=${start}&sortBy=LAST_MODIFIED`;
  const { body } = await api.http.sendJson({
    method: 'GET',
    url: `${api.baseUrl}/rest/posts?${query}`,
    headers: { ...api.headers(account), 'X-RestLi-Method': 'FINDER' },
    what: "LinkedIn list of an organisation's posts",
    timeoutMs: callTimeoutMs,
    signal: context.signal,
    secrets: [account.accessToken],
  });
  return parsePosts(body);
}

// Connecting

/**
 * Connects a member and the organisations they manage. There is no PKCE for web applications and no documented way to give
 * a token back. Refresh tokens come to approved applications alone, live for a year, and stay the same.
 */
// https://learn.microsoft.com/en-us/linkedin/shared/authentication/authorization-code-flow and
// .../programmatic-refresh-tokens (read 2026-11-21)
export function createLinkedInConnector(options: AdapterOptions): Connector {
  const now = options.now ?? (() => new Date());
  const [api, oauth, token] = ['api', 'oauth', 'token'].map((name) => hostOf(options, name)) as [
    string,
    string,
    string,
  ];
  const tokens = createHttpClient({
    fetch: options.fetch,
    origins: [token],
    mapError: (status, _headers, body) => mapTokenError(status, body),
    now,
  });
  const rest = createHttpClient({
    fetch: options.fetch,
    origins: [api],
    mapError: (status, headers, body) => mapLinkedInError(status, headers, body, now()),
    now,
  });
  const requestToken = async (
    what: string,
    form: Record<string, string>,
    context: CallContext,
  ): Promise<TokenSet> => {
    const { body } = await tokens.sendJson({
      method: 'POST',
      url: `${token}/oauth/v2/accessToken`,
      headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
      body: new URLSearchParams(form).toString(),
      what,
      timeoutMs: callTimeoutMs,
      signal: context.signal,
      secrets: [form.client_secret, form.code, form.refresh_token].filter((one) => one !== undefined),
    });
    return parseTokens(what, body, now());
  };
  const read = async (path: string, accessToken: string, what: string, context: CallContext) => {
    const { body } = await rest.sendJson({
      method: 'GET',
      url: `${api}${path}`,
      headers: {
        Authorization: `Bearer ${accessToken}`,
        'Linkedin-Version': options.version,
        'X-Restli-Protocol-Version': '2.0.0',
      },
      what,
      timeoutMs: callTimeoutMs,
      signal: context.signal,
      secrets: [accessToken],
    });
    return body;
  };
  return {
    defaultScopes: [
      ...['openid', 'profile', 'w_member_social'],
      ...['w_organization_social', 'r_organization_social', 'rw_organization_admin'],
    ],
    // What members and organisations need differs; without these two nobody is known at all.
    requiredScopes: ['openid', 'profile'],
    ...{ pkce: 'none', renewal: 'refresh-token', keepsRefreshToken: true },
    authorizeUrl: ({ app, redirectUri, state, scopes }) =>
      `${oauth}/oauth/v2/authorization?${new URLSearchParams({
        response_type: 'code',
        client_id: app.clientId,
        redirect_uri: redirectUri,
        state,
        scope: scopes.join(' '),
      })}`,
    exchange: ({ app, code, redirectUri }, context) =>
      requestToken(
        'LinkedIn exchange of a code',
        {
          ...{ grant_type: 'authorization_code', code, redirect_uri: redirectUri },
          ...{ client_id: app.clientId, client_secret: app.clientSecret },
        },
        context,
      ),
    refresh: (app, { refreshToken }, context) =>
      requestToken(
        'LinkedIn refresh',
        {
          ...{ grant_type: 'refresh_token', refresh_token: refreshToken ?? '' },
          ...{ client_id: app.clientId, client_secret: app.clientSecret },
        },
        context,
      ),
    listAccounts: async (accessToken, context) => {
      const member = mapMember(await read('/v2/userinfo', accessToken, 'LinkedIn member', context));
      const organizations: ConnectableAccount[] = [];
      for (const { urn, role } of await listRoles(read, accessToken, context)) {
        const name = await nameOfOrganization(read, accessToken, urn, context);
        organizations.push(mapOrganization(urn, role, name));
      }
      return [member, ...organizations];
    },
  };
}

type Read = (
  path: string,
  accessToken: string,
  what: string,
  context: CallContext,
) => Promise<Readonly<Record<string, unknown>>>;

const mostOrganizations = 50;

/** The organisations a member has a role in; none where the application may not ask. */
async function listRoles(
  read: Read,
  accessToken: string,
  context: CallContext,
): Promise<{ urn: string; role: string }[]> {
  const query = `q=roleAssignee&state=APPROVED&count=${mostOrganizations}`;
  try {
    const body = await read(
      `/rest/organizationAcls?${query}`,
      accessToken,
      "LinkedIn member's organisations",
      context,
    );
    return parseRoles(body);
  } catch (error) {
    // Self-serve applications have no access to organisations at all.
    if (error instanceof OutcomeError && error.details.status === 403) return [];
    throw error;
  }
}

async function nameOfOrganization(
  read: Read,
  accessToken: string,
  urn: string,
  context: CallContext,
): Promise<string> {
  const number = urn.replace('urn:li:organization:', '');
  try {
    const { localizedName } = await read(
      path`/rest/organizations/${number}`,
      accessToken,
      'LinkedIn organisation',
      context,
    );
    return typeof localizedName === 'string' && localizedName.trim() !== '' ? localizedName : urn;
  } catch (error) {
    // A name is for people; its id connects as well.
    if (error instanceof OutcomeError && (error.code === 'rejected' || error.code === 'unauthorized'))
      return urn;
    throw error;
  }
}

// Pure mappers

/** The body of the one public call. Refuses, before anything is sent, what the prepared handle does not cover. */
function mapPost(
  account: Account,
  content: PublicContent,
  handle: PreparedHandle | null,
): Record<string, unknown> {
  const post = {
    author: account.externalId,
    commentary: escapeLittleText(content.text),
    visibility: 'PUBLIC',
    distribution: { feedDistribution: 'MAIN_FEED', targetEntities: [], thirdPartyDistributionChannels: [] },
    lifecycleState: 'PUBLISHED',
    isReshareDisabledByAuthor: false,
  };
  assertSupported(content);
  const images = mapImages(content, handle);
  switch (content.type) {
    case 'TEXT_ONLY':
      return post;
    case 'SINGLE_IMAGE':
      return { ...post, content: { media: images[0] } };
    // LinkedIn's own carousel exists for advertisements only; several pictures are a multiImage post.
    // https://learn.microsoft.com/en-us/linkedin/marketing/community-management/shares/multiimage-post-api (read 2026-11-21)
    case 'CAROUSEL':
      return { ...post, content: { multiImage: { images } } };
    default:
      throw new OutcomeError('rejected', `LinkedIn posts of type ${content.type} are not supported`, {
        sent: false,
      });
  }
}

const pictureCounts: Partial<Record<PostType, readonly [number, number]>> = {
  TEXT_ONLY: [0, 0],
  SINGLE_IMAGE: [1, 1],
  CAROUSEL: [2, 20],
};

function assertSupported(content: PublicContent): void {
  const counts = pictureCounts[content.type];
  if (!counts) {
    throw new OutcomeError('rejected', `LinkedIn posts of type ${content.type} are not supported`, {
      sent: false,
    });
  }
  const count = content.media.length;
  if (count < counts[0] || count > counts[1]) {
    throw new OutcomeError('rejected', `LinkedIn ${content.type} cannot carry ${count} pictures`, {
      sent: false,
    });
  }
}

function mapImages(
  content: PublicContent,
  handle: PreparedHandle | null,
): { id: string; altText?: string }[] {
  const urns = imageUrnsOf(handle);
  const count = content.media.length;
  if (urns.length !== count) {
    const message = `The prepared handle has ${urns.length} pictures, the post ${count}`;
    throw new OutcomeError('unavailable', message, { sent: false, handleIsDead: true });
  }
  return content.media.map((item, index) => ({
    id: urns[index]!,
    ...(item.altText ? { altText: item.altText } : {}),
  }));
}

function imageUrnsOf(handle: PreparedHandle | null): readonly string[] {
  const urns = handle?.ids.imageUrns ?? [];
  return typeof urns === 'string' ? [urns] : urns;
}

// LinkedIn answers 201 with the URN in a header and no body.
// https://learn.microsoft.com/en-us/linkedin/marketing/community-management/shares/posts-api (read 2026-11-21)
function parsePostUrn(status: number, headers: AnswerHeaders): string {
  const urn = headers.get('x-restli-id') ?? '';
  if (status !== 201 || !/^urn:li:(share|ugcPost):[\w-]+$/.test(urn)) {
    const message = `LinkedIn post creation: answer ${status} without a post's URN in x-restli-id`;
    throw new OutcomeError('unexpected-response', message, { status });
  }
  return urn;
}

function parseUploadStart(body: Readonly<Record<string, unknown>>): { uploadUrl: string; imageUrn: string } {
  const value = isObject(body.value) ? body.value : {};
  const { uploadUrl, image } = value;
  if (typeof uploadUrl !== 'string' || typeof image !== 'string') {
    throw new OutcomeError(
      'unexpected-response',
      'LinkedIn image upload start: no uploadUrl or image in the answer',
    );
  }
  return { uploadUrl, imageUrn: image };
}

const imageStatuses = ['WAITING_UPLOAD', 'PROCESSING', 'AVAILABLE', 'PROCESSING_FAILED'];

function parseImageStatus(body: Readonly<Record<string, unknown>>): string {
  if (typeof body.status !== 'string' || !imageStatuses.includes(body.status)) {
    throw new OutcomeError(
      'unexpected-response',
      `LinkedIn image status: unknown status ${JSON.stringify(body.status)}`,
    );
  }
  return body.status;
}

interface ListedPost {
  readonly urn: string;
  readonly commentary: string;
  readonly lifecycleState: string;
  readonly publishedAt: number;
  readonly lastModifiedAt: number;
  readonly mediaUrns: readonly string[];
}

function parsePosts(body: Readonly<Record<string, unknown>>): readonly ListedPost[] {
  if (!Array.isArray(body.elements)) {
    throw new OutcomeError(
      'unexpected-response',
      "LinkedIn list of an organisation's posts: no elements in the answer",
    );
  }
  return body.elements.map(parsePost);
}

function parsePost(element: unknown): ListedPost {
  const post = isObject(element) ? element : {};
  const publishedAt = post.publishedAt ?? post.createdAt;
  if (typeof post.id !== 'string' || typeof publishedAt !== 'number') {
    throw new OutcomeError('unexpected-response', 'LinkedIn list of posts: an element has no id or no time');
  }
  return {
    urn: post.id,
    commentary: typeof post.commentary === 'string' ? post.commentary : '',
    lifecycleState: typeof post.lifecycleState === 'string' ? post.lifecycleState : 'PUBLISHED',
    publishedAt,
    lastModifiedAt: typeof post.lastModifiedAt === 'number' ? post.lastModifiedAt : publishedAt,
    mediaUrns: parseMediaUrns(post.content),
  };
}

function parseMediaUrns(content: unknown): readonly string[] {
  if (!isObject(content)) return [];
  const single = isObject(content.media) ? [content.media] : [];
  const multi =
    isObject(content.multiImage) && Array.isArray(content.multiImage.images) ? content.multiImage.images : [];
  return [...single, ...multi].flatMap((media) =>
    isObject(media) && typeof media.id === 'string' ? [media.id] : [],
  );
}

/** A picture's URN belongs to one attempt and decides by itself; a text is compared together with its time. */
function isSamePost(post: ListedPost, query: FindQuery): boolean {
  const urns = imageUrnsOf(query.handle);
  if (urns.length === 0) return post.mediaUrns.length === 0 && hasSameTextAndTime(post, query);
  return urns.length === post.mediaUrns.length && urns.every((urn, index) => urn === post.mediaUrns[index]);
}

/** Ours by text and time, listed without the pictures that would tell: no proof of absence. */
const isUnclear = (post: ListedPost, query: FindQuery): boolean =>
  imageUrnsOf(query.handle).length > 0 && post.mediaUrns.length === 0 && hasSameTextAndTime(post, query);

function hasSameTextAndTime(post: ListedPost, query: FindQuery): boolean {
  const from = query.sentAfter.getTime() - clockSkewMs;
  const to = query.sentBefore.getTime() + clockSkewMs;
  if (post.publishedAt < from || post.publishedAt > to) return false;
  const sent = comparable(query.content.text);
  return comparable(post.commentary) === sent || comparable(unescapeLittleText(post.commentary)) === sent;
}

/** A post is changed at or after it is published: a page that reaches back before the window ends the search. */
function reachesBefore(posts: readonly ListedPost[], sentAfter: Date): boolean {
  return posts.some((post) => post.lastModifiedAt < sentAfter.getTime() - clockSkewMs);
}

function mapFound(post: ListedPost, permalink: string): FindResult {
  if (post.lifecycleState === 'PUBLISH_FAILED') {
    return { kind: 'cannot-tell', reason: `${post.urn} was created and is not visible (PUBLISH_FAILED)` };
  }
  const receipt: Receipt = { publicId: post.urn, permalink };
  return { kind: 'found', receipt };
}

const comparable = (text: string): string => text.replace(/\r\n?/g, '\n').trim().normalize('NFC');

const hashtag = /(?<![\p{L}\p{M}\p{N}_&/#])#(?=[\p{N}_]*\p{L})[\p{L}\p{M}\p{N}_]+/gu;
const reserved = /[\\|{}@[\]()<>#*_~]/g;

/**
 * Writes plain text as LinkedIn's "little text": every reserved character gets a backslash, except the `#` that begins
 * a hashtag. An unescaped one can cut the text off.
 */
// https://learn.microsoft.com/en-us/linkedin/marketing/community-management/shares/little-text-format (read 2026-11-21)
export function escapeLittleText(text: string): string {
  let escaped = '';
  let end = 0;
  for (const match of text.matchAll(hashtag)) {
    escaped += text.slice(end, match.index).replace(reserved, '\\$&');
    escaped += `#${match[0].slice(1).replace(reserved, '\\$&')}`;
    end = match.index + match[0].length;
  }
  return escaped + text.slice(end).replace(reserved, '\\$&');
}

/** Reads little text back as the plain text a person wrote; hashtag templates become `#word`, mentions their name. */
export function unescapeLittleText(commentary: string): string {
  return commentary
    .replace(/\{hashtag\|\\?([#＃])\|([^}]*)\}/g, '$1$2')
    .replace(/(?<!\\)@\[((?:\\.|[^\]\\])*)\]\s?\(urn:li:[^)]*\)/g, '$1')
    .replace(/\\([\\|{}@[\]()<>#*_~])/g, '$1');
}

/** LinkedIn's error codes. Branches on status and code; the text is read only where LinkedIn puts the fact nowhere else. */
// https://learn.microsoft.com/en-us/linkedin/shared/api-guide/concepts/error-handling (read 2026-11-21)
function mapLinkedInError(
  status: number,
  headers: AnswerHeaders,
  body: Readonly<Record<string, unknown>> | null,
  now: Date,
): OutcomeError | null {
  if (body === null) return null;
  const text = typeof body.message === 'string' ? body.message : '';
  const code = errorCodeOf(body);
  const details = { status, ...(code ? { platformCode: code } : {}) };
  const message = `LinkedIn answered ${status}${code ? ` ${code}` : ''}: ${text}`;

  if (code === 'MEDIA_ASSET_WAITING_UPLOAD') {
    // One code for "not uploaded" and "not processed yet". We uploaded it, so the same handle can be tried again.
    const retryAfterMs = notReadyRetryMs;
    return new OutcomeError('unavailable', message, { ...details, sent: false, retryAfterMs });
  }
  if (code === 'EXPIRED_UPLOAD_URL') {
    return new OutcomeError('unavailable', message, { ...details, sent: false, handleIsDead: true });
  }
  if (code === 'MEDIA_ASSET_PROCESSING_FAILED' || code === 'INVALID_IMAGE_ID') {
    return new OutcomeError('rejected', message, { ...details, handleIsDead: true });
  }
  if (status === 401 || (status === 403 && code === 'ACCESS_DENIED')) {
    return new OutcomeError('unauthorized', message, details);
  }
  if (status === 409) {
    // "Conflict" does not say whose write won; a post call that gets it is looked up first.
    return new OutcomeError('unavailable', message, { ...details, sent: true });
  }
  if (status === 422) {
    const existing = /duplicate of (urn:li:(?:share|ugcPost):\d+)/i.exec(text)?.[1];
    return new OutcomeError('rejected', message, {
      ...details,
      ...(existing ? { existingPublicId: existing } : {}),
    });
  }
  if (status === 429) {
    const retryAfterMs = parseRetryAfter(headers, now) ?? dailyLimitWaitMs(text, now);
    return new OutcomeError('rate-limited', message, { ...details, retryAfterMs });
  }
  if (status >= 500) return new OutcomeError('unavailable', message, { ...details, sent: true });
  return status === 408 ? null : new OutcomeError('rejected', message, details);
}

function errorCodeOf(body: Readonly<Record<string, unknown>>): string | null {
  const details =
    isObject(body.errorDetails) && Array.isArray(body.errorDetails.inputErrors) ? body.errorDetails : null;
  const first: unknown = (details?.inputErrors as unknown[] | undefined)?.[0];
  const detailed = isObject(first) && typeof first.code === 'string' ? first.code : null;
  return detailed ?? (typeof body.code === 'string' ? body.code : null);
}

// Daily limits start anew at 00:00 UTC; LinkedIn documents no Retry-After, and names the kind of limit in its text alone.
// https://learn.microsoft.com/en-us/linkedin/shared/api-guide/concepts/rate-limits (read 2026-11-21)
function dailyLimitWaitMs(text: string, now: Date): number | undefined {
  if (!/\bday\b.*\blimit\b|\bdaily\b/i.test(text)) return undefined;
  return Date.UTC(now.getUTCFullYear(), now.getUTCMonth(), now.getUTCDate() + 1) - now.getTime();
}

function parseTokens(what: string, body: Readonly<Record<string, unknown>>, now: Date): TokenSet {
  const { access_token: accessToken, refresh_token: refreshToken, scope } = body;
  if (typeof accessToken !== 'string' || accessToken === '')
    throw new OutcomeError('unexpected-response', `${what}: no access_token in the answer`);
  const end = (seconds: unknown): Date | null =>
    typeof seconds === 'number' && seconds > 0 ? new Date(now.getTime() + seconds * 1_000) : null;
  return {
    accessToken,
    refreshToken: typeof refreshToken === 'string' && refreshToken !== '' ? refreshToken : null,
    expiresAt: end(body.expires_in),
    refreshExpiresAt: end(body.refresh_token_expires_in),
    scopes: typeof scope === 'string' && scope !== '' ? scope.split(/[\s,]+/).filter(Boolean) : null,
  };
}

/** OAuth's own error shape. Only `invalid_grant` says that a code or a refresh token is dead. */
function mapTokenError(status: number, body: Readonly<Record<string, unknown>> | null): OutcomeError | null {
  if (body === null || typeof body.error !== 'string' || status === 429 || status >= 500) return null;
  const text = typeof body.error_description === 'string' ? `: ${body.error_description}` : '';
  const code = body.error === 'invalid_grant' ? 'unauthorized' : 'rejected';
  const details = { status, platformCode: body.error };
  return new OutcomeError(code, `LinkedIn answered ${status} ${body.error}${text}`, details);
}

function mapMember(body: Readonly<Record<string, unknown>>): ConnectableAccount {
  if (typeof body.sub !== 'string' || body.sub === '')
    throw new OutcomeError('unexpected-response', 'LinkedIn member: no sub in the answer');
  const name = typeof body.name === 'string' && body.name.trim() !== '' ? body.name : body.sub;
  return {
    kind: 'member',
    externalId: `urn:li:person:${body.sub}`,
    ...{ name, accessToken: null, obstacle: null },
  };
}

const publishingRoles = ['ADMINISTRATOR', 'CONTENT_ADMIN', 'DIRECT_SPONSORED_CONTENT_POSTER'];

function parseRoles(body: Readonly<Record<string, unknown>>): { urn: string; role: string }[] {
  const elements = Array.isArray(body.elements) ? body.elements.filter(isObject) : null;
  if (elements === null)
    throw new OutcomeError(
      'unexpected-response',
      "LinkedIn member's organisations: no elements in the answer",
    );
  const found = elements.flatMap(({ organization, organizationTarget, role }) => {
    const urn = organization ?? organizationTarget;
    return typeof urn === 'string' && /^urn:li:organization:\w+$/.test(urn)
      ? [{ urn, role: String(role) }]
      : [];
  });
  // Several roles at one organisation are several elements: one that may publish counts.
  return [...new Set(found.map(({ urn }) => urn))].map((urn) => {
    const roles = found.filter((one) => one.urn === urn).map(({ role }) => role);
    return { urn, role: roles.find((role) => publishingRoles.includes(role)) ?? roles[0]! };
  });
}

const mapOrganization = (urn: string, role: string, name: string): ConnectableAccount => ({
  ...{ kind: 'organization', externalId: urn, name, accessToken: null },
  obstacle: publishingRoles.includes(role)
    ? null
    : `The role ${role} may not publish for it; an administrator of the organisation can change that`,
});
