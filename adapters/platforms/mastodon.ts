import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { Readable } from 'node:stream';
import { isVideoType } from '../../domain/media-limits.ts';
import { OutcomeError } from '../../domain/outcome.ts';
import type { Connector, PlatformApp } from './connector.ts';
import { type AdapterOptions, hostOf, type PlatformDefinition, type Timings } from './definition.ts';
import {
  type AnswerHeaders,
  createHttpClient,
  type HttpClient,
  type HttpReply,
  type HttpRequest,
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
  PrepareContext,
  PreparedHandle,
  Preparer,
  PublicContent,
  Publisher,
  Receipt,
  Remover,
  Replier,
} from './publisher.ts';
import { assertSupported } from './supported.ts';

// Endpoints

// The API is the same on every instance; which one is a setting. What stands here of it is from docs.joinmastodon.org.
export const mastodon: PlatformDefinition = {
  live: {
    hosts: { api: 'https://mastodon.social' },
    version: '',
    uploadOrigins: [],
    // Each answer names its address; none is computed.
    permalinkBaseUrl: 'https://mastodon.social',
  },
  create: createMastodon,
  connect: createConnector,
};

// Limits

const defaults: Timings = {
  commitTimeoutMs: 20_000,
  pollIntervalMs: 2_000,
  processingTimeoutMs: 600_000,
  // An account's own list is read from the database that a post is written to.
  settleMs: 30_000,
  blindWaitMs: 0,
};
const callTimeoutMs = 20_000;
const uploadTimeoutMs = 600_000;
/** Media that no post uses are cleared away after a day. */
const mediaLifeMs = 23 * 3_600_000;
const throttledRetryMs = 60_000;
const notReadyRetryMs = 10_000;
/** Our clock and the instance's may differ by this much. */
const clockSkewMs = 60_000;
const pageSize = 40;
const maxPages = 5;

/** One adapter for every account of the instance. */
export function createMastodon(options: AdapterOptions) {
  const api = open(options);
  return {
    user: {
      publisher: createPublisher(api),
      preparer: createPreparer(api),
      finder: createFinder(api),
      replier: createReplier(api),
      remover: createRemover(api),
    },
  };
}

interface Instance {
  readonly http: HttpClient;
  readonly baseUrl: string;
  readonly now: () => Date;
  readonly timings: Timings;
}

function open(options: AdapterOptions): Instance {
  const now = options.now ?? (() => new Date());
  const baseUrl = hostOf(options, 'api');
  return {
    http: createHttpClient({
      fetch: options.fetch,
      origins: [new URL(baseUrl).origin],
      mapError: (status, headers, body) => mapMastodonError(status, headers, body, now()),
      now,
    }),
    baseUrl,
    now,
    timings: { ...defaults, ...options.timings },
  };
}

interface Call {
  readonly method: HttpRequest['method'];
  readonly path: string;
  readonly what: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: HttpRequest['body'];
  readonly timeoutMs?: number;
}

function call(
  { http, baseUrl }: Instance,
  account: Pick<Account, 'accessToken'>,
  context: CallContext,
  { method, path: where, what, headers, body, timeoutMs }: Call,
): Promise<HttpReply> {
  return http.send({
    ...{ method, url: `${baseUrl}${where}`, what, timeoutMs: timeoutMs ?? callTimeoutMs },
    headers: { Authorization: `Bearer ${account.accessToken}`, ...headers },
    ...(body !== undefined && { body }),
    signal: context.signal,
    secrets: [account.accessToken],
  });
}

// Methods

function createPublisher(api: Instance): Publisher {
  return {
    platform: 'mastodon',
    kinds: ['user'],
    commitTimeoutMs: api.timings.commitTimeoutMs,
    commit: async (account, content, handle, context) => {
      const { status, key } = mapStatus(content, handle);
      return createStatus(api, account, { status, key, what: 'Mastodon post creation' }, context);
    },
    confirm: async (account, publicId, context) => {
      const what = 'Mastodon post';
      const where = path`/api/v1/statuses/${publicId}`;
      const reply = await call(api, account, context, { method: 'GET', path: where, what });
      return receiptOf(parseObject(reply, what), what);
    },
  };
}

/**
 * The instance answers a key that it has seen within an hour with the post it made then, and makes no other. It keeps the
 * key only after the post: a net below our own proofs, and none of them.
 */
// https://docs.joinmastodon.org/methods/statuses/#create (second-hand, read 2026-11-21)
async function createStatus(
  api: Instance,
  account: Account,
  creation: {
    readonly status: Readonly<Record<string, unknown>>;
    readonly key: string;
    readonly what: string;
  },
  context: CallContext,
): Promise<Receipt> {
  const { status, key, what } = creation;
  const reply = await call(api, account, context, {
    ...{ method: 'POST', path: '/api/v1/statuses', what, timeoutMs: api.timings.commitTimeoutMs },
    headers: { 'Content-Type': 'application/json', 'Idempotency-Key': key },
    body: JSON.stringify(status),
  });
  const forMs = untilReset(reply.headers, api.now());
  if (reply.headers.get('x-ratelimit-remaining') === '0' && forMs !== undefined && forMs > 0)
    context.slowDown?.(forMs);
  return receiptOf(parseObject(reply, what), what);
}

function createPreparer(api: Instance): Preparer {
  return {
    prepare: async (account, content, media, context) => {
      assertSupported('mastodon', content);
      const mediaIds: string[] = [];
      for (const item of content.media) {
        const mediaId = await upload(api, account, item, media, context);
        await waitUntilUsable(api, account, mediaId, context);
        mediaIds.push(mediaId);
      }
      const ends = new Date(api.now().getTime() + mediaLifeMs).toISOString();
      return {
        ids: { mediaIds, idempotencyKey: randomUUID() },
        expiresAt: mediaIds.length === 0 ? null : ends,
      };
    },
  };
}

/**
 * Uploads one piece whole: Mastodon takes no parts. A video that had come before a crash is asked for and not sent
 * again; one that was cut off begins anew, and what came of it is cleared away there.
 */
// https://docs.joinmastodon.org/methods/media/#v2 (second-hand, read 2026-11-21)
async function upload(
  api: Instance,
  account: Account,
  item: MediaItem,
  media: MediaAccess,
  context: PrepareContext,
): Promise<string> {
  const isVideo = isVideoType(item.contentType);
  const kept = isVideo ? context.upload.kept?.mediaId : undefined;
  if (typeof kept === 'string' && (await isThere(api, account, kept, context))) return kept;
  context.progress(`Uploading ${item.mediaId} to Mastodon`);
  const form = await formOf(item, media, context);
  const what = 'Mastodon upload';
  const reply = await call(api, account, context, {
    ...{ method: 'POST', path: '/api/v2/media', what, ...form, timeoutMs: uploadTimeoutMs },
  });
  const { id } = parseObject(reply, what);
  if (typeof id !== 'string' || id === '') {
    throw new OutcomeError('unexpected-response', `${what}: no id in the answer`);
  }
  if (isVideo) await context.upload.keep({ mediaId: id });
  return id;
}

async function formOf(item: MediaItem, media: MediaAccess, context: CallContext) {
  const boundary = `gatepost-${randomBytes(16).toString('hex')}`;
  const part = (disposition: string, more = '') =>
    `--${boundary}\r\nContent-Disposition: form-data; ${disposition}\r\n${more}\r\n`;
  const description = item.altText ? `${part('name="description"')}${item.altText}\r\n` : '';
  const head = `${description}${part('name="file"; filename="media"', `Content-Type: ${item.contentType}\r\n`)}`;
  const tail = `\r\n--${boundary}--\r\n`;
  const isVideo = isVideoType(item.contentType);
  const bytes = isVideo ? null : await media.bytes(item);
  const size = bytes?.byteLength ?? item.sizeBytes;
  async function* parts(): AsyncGenerator<Uint8Array> {
    yield Buffer.from(head);
    if (bytes) yield bytes;
    else
      for await (const chunk of media.stream(item)) {
        context.progress(`Uploading ${item.mediaId} to Mastodon`);
        yield chunk;
      }
    yield Buffer.from(tail);
  }
  return {
    headers: {
      'Content-Type': `multipart/form-data; boundary=${boundary}`,
      'Content-Length': String(Buffer.byteLength(head) + size + Buffer.byteLength(tail)),
    },
    body: Readable.from(parts()),
  };
}

const mediaCall = (mediaId: string): Call => ({
  ...{ method: 'GET', path: path`/api/v1/media/${mediaId}`, what: 'Mastodon media' },
});

async function isThere(
  api: Instance,
  account: Account,
  mediaId: string,
  context: CallContext,
): Promise<boolean> {
  try {
    await call(api, account, context, mediaCall(mediaId));
    return true;
  } catch (error) {
    // What it could not process it forgets, too.
    if (isRefusal(error)) return false;
    throw error;
  }
}

/** 206 says that it is being processed. */
async function waitUntilUsable(
  api: Instance,
  account: Account,
  mediaId: string,
  context: CallContext,
): Promise<void> {
  const deadline = performance.now() + api.timings.processingTimeoutMs;
  for (;;) {
    const { status } = await call(api, account, context, mediaCall(mediaId)).catch(failDead);
    if (status !== 206) return;
    if (performance.now() >= deadline) {
      throw new OutcomeError('unavailable', `Mastodon is still processing media ${mediaId}`, { sent: false });
    }
    await pause(api.timings.pollIntervalMs, context, `Mastodon is processing media ${mediaId}`);
  }
}

/** What it could not process it will not process later. */
function failDead(error: unknown): never {
  if (!isRefusal(error)) throw error;
  throw new OutcomeError('rejected', error.message, { ...error.details, handleIsDead: true });
}

const isRefusal = (error: unknown): error is OutcomeError =>
  error instanceof OutcomeError && error.code === 'rejected';

function createFinder(api: Instance): Finder {
  return {
    settleMs: api.timings.settleMs,
    find: (account, { content, handle, ...window }, context) => {
      const mediaIds = idsOf(handle);
      return findStatus(api, account, { text: content.text, mediaIds, parentId: null, ...window }, context);
    },
  };
}

/** Parts of a thread and first comments. Nothing prepares them: parent and text make the key. */
function createReplier(api: Instance): Replier {
  return {
    reply: (account, { text, parentId }, context) => {
      const status = { status: text, in_reply_to_id: parentId };
      const key = createHash('sha256').update(`${parentId}\n${text}`).digest('hex');
      return createStatus(api, account, { status, key, what: 'Mastodon answer creation' }, context);
    },
    findReply: (account, { text, parentId }, window, context) =>
      findStatus(api, account, { text, mediaIds: [], parentId, ...window }, context),
  };
}

// https://docs.joinmastodon.org/methods/statuses/#delete (second-hand, read 2026-11-21)
function createRemover(api: Instance): Remover {
  return {
    remove: async (account, publicId, context) => {
      const where = path`/api/v1/statuses/${publicId}`;
      try {
        await call(api, account, context, { method: 'DELETE', path: where, what: 'Mastodon post removal' });
      } catch (error) {
        if (!(error instanceof OutcomeError && error.details.status === 404)) throw error;
      }
    },
  };
}

interface Sought extends Pick<FindQuery, 'sentAfter' | 'sentBefore'> {
  readonly text: string;
  readonly mediaIds: readonly string[];
  readonly parentId: string | null;
}

/** An attachment belongs to one post and decides by itself; a text is compared as it was written. */
async function findStatus(
  api: Instance,
  account: Account,
  sought: Sought,
  context: CallContext,
): Promise<FindResult> {
  const from = sought.sentAfter.getTime() - clockSkewMs;
  const to = sought.sentBefore.getTime() + clockSkewMs;
  let before: string | null = null;
  for (let page = 0; page < maxPages; page += 1) {
    const listed = await listStatuses(api, account, before, context);
    const candidates = listed.filter(
      ({ createdAtMs, parentId }) => createdAtMs >= from && createdAtMs <= to && parentId === sought.parentId,
    );
    for (const candidate of candidates) {
      if (await isSame(api, account, candidate, sought, context))
        return { kind: 'found', receipt: { publicId: candidate.id, permalink: candidate.permalink } };
    }
    const last = listed.at(-1);
    // A page may be short without being the last.
    if (!last || last.createdAtMs < from) return { kind: 'absent', proof: 'read' };
    before = last.id;
  }
  return { kind: 'cannot-tell', reason: `the window lies behind the newest ${maxPages * pageSize} posts` };
}

// https://docs.joinmastodon.org/methods/accounts/#statuses (second-hand, read 2026-11-21)
async function listStatuses(
  api: Instance,
  account: Account,
  before: string | null,
  context: CallContext,
): Promise<readonly ListedStatus[]> {
  const what = "Mastodon list of an account's posts";
  const older = before === null ? '' : `&max_id=${encodeURIComponent(before)}`;
  const where = path`/api/v1/accounts/${account.externalId}/statuses`;
  const query = `limit=${pageSize}&exclude_reblogs=true${older}`;
  const reply = await call(api, account, context, { method: 'GET', path: `${where}?${query}`, what });
  const list = parseJson(reply.text);
  if (!Array.isArray(list)) throw new OutcomeError('unexpected-response', `${what}: the answer is no list`);
  return list.map((element: unknown) => parseListed(isObject(element) ? element : {}, what));
}

async function isSame(
  api: Instance,
  account: Account,
  listed: ListedStatus,
  { text, mediaIds }: Sought,
  context: CallContext,
): Promise<boolean> {
  if (mediaIds.length !== listed.mediaIds.length) return false;
  if (mediaIds.length > 0) return mediaIds.every((id) => listed.mediaIds.includes(id));
  // Lists hold HTML alone; this is the text as it was sent.
  const what = 'Mastodon source of a post';
  const where = path`/api/v1/statuses/${listed.id}/source`;
  const source = parseObject(await call(api, account, context, { method: 'GET', path: where, what }), what);
  if (typeof source.text !== 'string') {
    throw new OutcomeError('unexpected-response', `${what}: no text in the answer`);
  }
  return comparable(source.text) === comparable(text);
}

// Pure mappers

const optionNames = ['visibility', 'sensitive', 'language'] as const;

function mapStatus(content: PublicContent, handle: PreparedHandle | null) {
  assertSupported('mastodon', content);
  const mediaIds = idsOf(handle);
  const key = handle?.ids.idempotencyKey;
  if (typeof key !== 'string' || mediaIds.length !== content.media.length) {
    const message = `The prepared handle has ${mediaIds.length} pieces of media and ${key ? 'a' : 'no'} key, the post ${content.media.length}`;
    throw new OutcomeError('unavailable', message, { sent: false, handleIsDead: true });
  }
  const options = optionNames.flatMap((name) => {
    const value = content.options?.[name];
    return value === undefined ? [] : [[name, value] as const];
  });
  const status = {
    status: content.text,
    ...(mediaIds.length > 0 && { media_ids: mediaIds }),
    ...Object.fromEntries(options),
  };
  return { status, key };
}

function idsOf(handle: PreparedHandle | null): readonly string[] {
  const ids = handle?.ids.mediaIds ?? [];
  return typeof ids === 'string' ? [ids] : ids;
}

interface ListedStatus {
  readonly id: string;
  readonly createdAtMs: number;
  readonly permalink: string | null;
  readonly parentId: string | null;
  readonly mediaIds: readonly string[];
}

function parseListed(status: Readonly<Record<string, unknown>>, what: string): ListedStatus {
  const createdAtMs = typeof status.created_at === 'string' ? Date.parse(status.created_at) : Number.NaN;
  if (typeof status.id !== 'string' || Number.isNaN(createdAtMs)) {
    throw new OutcomeError('unexpected-response', `${what}: a post has no id or no time`);
  }
  const attachments: unknown[] = Array.isArray(status.media_attachments) ? status.media_attachments : [];
  return {
    id: status.id,
    createdAtMs,
    permalink: typeof status.url === 'string' ? status.url : null,
    parentId: typeof status.in_reply_to_id === 'string' ? status.in_reply_to_id : null,
    mediaIds: attachments.flatMap((one) => (isObject(one) && typeof one.id === 'string' ? [one.id] : [])),
  };
}

function receiptOf(status: Readonly<Record<string, unknown>>, what: string): Receipt {
  const { id, url } = status;
  if (typeof id !== 'string' || id === '') {
    throw new OutcomeError('unexpected-response', `${what}: no id in the answer`);
  }
  return { publicId: id, permalink: typeof url === 'string' ? url : null };
}

function parseObject({ text, status }: HttpReply, what: string): Readonly<Record<string, unknown>> {
  const body = parseJson(text);
  if (isObject(body)) return body;
  throw new OutcomeError('unexpected-response', `${what}: answer ${status} is not JSON`, { status });
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

const comparable = (text: string): string => text.replace(/\r\n?/g, '\n').trim().normalize('NFC');

/** ISO 8601, unlike elsewhere. */
// https://docs.joinmastodon.org/api/rate-limits (second-hand, read 2026-11-21)
function untilReset(headers: AnswerHeaders, now: Date): number | undefined {
  const resetMs = Date.parse(headers.get('x-ratelimit-reset') ?? '');
  return Number.isNaN(resetMs) ? undefined : resetMs - now.getTime();
}

/** Mastodon words its errors for people and in the instance's language: the status decides, the text only about media. */
function mapMastodonError(
  status: number,
  headers: AnswerHeaders,
  body: Readonly<Record<string, unknown>> | null,
  now: Date,
): OutcomeError | null {
  const said = typeof body?.error === 'string' ? body.error : '';
  const message = `Mastodon answered ${status}: ${said}`;
  if (status === 429) {
    const waitMs = untilReset(headers, now) ?? parseRetryAfter(headers, now) ?? 0;
    return new OutcomeError('rate-limited', message, {
      ...{ status, retryAfterMs: Math.max(throttledRetryMs, waitMs) },
    });
  }
  if (body === null || status === 408) return null;
  // 403 is a token without the scope, or an account that was locked.
  if (status === 401 || status === 403) return new OutcomeError('unauthorized', message, { status });
  if (status >= 500) return new OutcomeError('unavailable', message, { status, sent: true });
  if (status === 422 && /not finished processing/i.test(said)) {
    const retryAfterMs = notReadyRetryMs;
    return new OutcomeError('unavailable', message, { status, sent: false, retryAfterMs });
  }
  if (status === 422 && /not found or already attached/i.test(said)) {
    // It may be our own earlier attempt that they are attached to: looked up before anything is concluded.
    return new OutcomeError('unavailable', message, { status, sent: true, handleIsDead: true });
  }
  return new OutcomeError('rejected', message, { status });
}

// Connecting

const scopes = ['read:accounts', 'read:statuses', 'write:statuses', 'write:media'] as const;

/** Tokens of Mastodon do not expire: there is nothing to refresh. An instance before 4.3 passes over the challenge. */
// https://docs.joinmastodon.org/methods/oauth (second-hand, read 2026-11-21)
function createConnector(options: AdapterOptions): Connector {
  const api = open(options);
  return {
    defaultScopes: scopes,
    requiredScopes: ['read:accounts', 'read:statuses', 'write:statuses'],
    pkce: 'S256',
    renewal: 'none',
    authorizeUrl: ({ app, redirectUri, state, scopes: asked, codeChallenge }) => {
      const query = {
        ...{ response_type: 'code', client_id: app.clientId, redirect_uri: redirectUri },
        ...{ scope: asked.join(' '), state },
        ...(codeChallenge !== null && { code_challenge: codeChallenge, code_challenge_method: 'S256' }),
      };
      const pairs = Object.entries(query).map(([name, value]) => `${name}=${encodeURIComponent(value)}`);
      return `${api.baseUrl}/oauth/authorize?${pairs.join('&')}`;
    },
    exchange: async ({ app, code, redirectUri, codeVerifier }, context) => {
      const fields = {
        ...{ grant_type: 'authorization_code', code, redirect_uri: redirectUri },
        ...(codeVerifier !== null && { code_verifier: codeVerifier }),
      };
      const what = 'Mastodon token';
      const body = parseObject(await postForm(api, '/oauth/token', app, fields, what, context), what);
      if (typeof body.access_token !== 'string' || body.access_token === '') {
        throw new OutcomeError('unexpected-response', `${what}: no access token in the answer`);
      }
      const granted = typeof body.scope === 'string' ? body.scope.split(' ') : null;
      return {
        ...{ accessToken: body.access_token, refreshToken: null },
        ...{ expiresAt: null, refreshExpiresAt: null, scopes: granted },
      };
    },
    refresh: async () => {
      throw new OutcomeError('unauthorized', 'Mastodon token: it cannot be refreshed', { sent: false });
    },
    revoke: async (app, { accessToken }, context) => {
      await postForm(api, '/oauth/revoke', app, { token: accessToken }, 'Mastodon token revocation', context);
    },
    listAccounts: async (accessToken, context) => {
      const what = 'Mastodon account';
      const where = '/api/v1/accounts/verify_credentials';
      const reply = await call(api, { accessToken }, context, { method: 'GET', path: where, what });
      const { id, username, display_name, moved, suspended } = parseObject(reply, what);
      if (typeof id !== 'string' || typeof username !== 'string') {
        throw new OutcomeError('unexpected-response', `${what}: no id or no user name in the answer`);
      }
      const name = display_name ? `${display_name} (@${username})` : `@${username}`;
      const away = isObject(moved) ? 'The account has moved to another one' : null;
      const obstacle = suspended === true ? 'The account is suspended' : away;
      return [{ kind: 'user', externalId: id, name, accessToken: null, obstacle }];
    },
  };
}

async function postForm(
  { http, baseUrl }: Instance,
  where: string,
  app: PlatformApp,
  fields: Readonly<Record<string, string>>,
  what: string,
  context: CallContext,
): Promise<HttpReply> {
  const { code, code_verifier, token } = fields;
  const own = { client_id: app.clientId, client_secret: app.clientSecret };
  try {
    return await http.send({
      ...{ method: 'POST', url: `${baseUrl}${where}`, what, timeoutMs: callTimeoutMs },
      headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
      body: new URLSearchParams({ ...fields, ...own }).toString(),
      signal: context.signal,
      secrets: [app.clientSecret, code, code_verifier, token].filter((secret) => secret !== undefined),
    });
  } catch (error) {
    // A wrong secret of the application says nothing against the person.
    if (!(error instanceof OutcomeError && error.code === 'unauthorized')) throw error;
    throw new OutcomeError('rejected', error.message, error.details);
  }
}
