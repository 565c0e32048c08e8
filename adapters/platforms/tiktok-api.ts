import { OutcomeError } from '../../domain/outcome.ts';
import { type AdapterOptions, hostOf } from './definition.ts';
import {
  type AnswerHeaders,
  createHttpClient,
  type HttpClient,
  isObject,
  type MapError,
  parseRetryAfter,
  redact,
} from './http.ts';
import type { Account, CallContext } from './publisher.ts';

/** What every call of TikTok's API has in common: the envelope, its error codes, and the reads that publishing needs. */

// Limits

/** What is read besides the one call that publishes. */
export const callTimeoutMs = 20_000;
/** TikTok names no time with a 429; its windows are a minute long. */
// https://developers.tiktok.com/doc/tiktok-api-v2-rate-limit (read 2026-11-21)
const throttledRetryMs = 60_000;
/** Caps count the last 24 hours: a part of that rolling day. */
const capRetryMs = 4 * 3_600_000;

export interface TikTokApi {
  readonly http: HttpClient;
  readonly baseUrl: string;
  /** Where calls and uploads may go. */
  readonly origins: readonly string[];
  readonly now: () => Date;
}

export function createTikTokApi(options: AdapterOptions): TikTokApi {
  const now = options.now ?? (() => new Date());
  const baseUrl = hostOf(options, 'api');
  const origins = [new URL(baseUrl).origin, ...options.uploadOrigins];
  const mapError: MapError = (status, headers, body) => mapTikTokError(status, headers, body, now());
  return { http: createHttpClient({ fetch: options.fetch, origins, mapError, now }), baseUrl, origins, now };
}

export interface TikTokCall {
  readonly method?: 'GET' | 'POST';
  readonly path: string;
  readonly body?: Readonly<Record<string, unknown>>;
  readonly what: string;
  /** Default 20 s. */
  readonly timeoutMs?: number;
  /** Besides the token. */
  readonly secrets?: readonly string[];
}

type Data = Readonly<Record<string, unknown>>;

/**
 * One call; returns the `data` of its answer. A refusal is told by `error.code`, never by the status: some come with
 * HTTP 200.
 */
export async function callTikTok(
  api: TikTokApi,
  accessToken: string,
  context: CallContext,
  call: TikTokCall,
): Promise<Data> {
  const secrets = [accessToken, ...(call.secrets ?? [])];
  const { status, headers, text } = await api.http.send({
    method: call.method ?? 'POST',
    url: `${api.baseUrl}${call.path}`,
    headers: { Authorization: `Bearer ${accessToken}`, 'Content-Type': 'application/json; charset=UTF-8' },
    ...(call.body && { body: JSON.stringify(call.body) }),
    what: call.what,
    timeoutMs: call.timeoutMs ?? callTimeoutMs,
    signal: context.signal,
    secrets,
  });
  const envelope = parseEnvelope(text);
  if (envelope === null) {
    throw new OutcomeError('unexpected-response', `${call.what}: the answer cannot be read`, { status });
  }
  const refused = mapTikTokError(status, headers, envelope, api.now());
  if (refused) {
    throw new OutcomeError(
      refused.code,
      redact(`${call.what}: ${refused.message}`, secrets),
      refused.details,
    );
  }
  return isObject(envelope.data) ? envelope.data : {};
}

/** What a creator may do now; asked for before every post, as TikTok wants it. */
export interface Creator {
  readonly username: string;
  readonly privacyLevels: readonly string[];
  readonly maxVideoSeconds: number | null;
}

// https://developers.tiktok.com/doc/content-posting-api-reference-query-creator-info (read 2026-11-21)
export async function readCreator(api: TikTokApi, account: Account, context: CallContext): Promise<Creator> {
  const data = await callTikTok(api, account.accessToken, context, {
    path: '/v2/post/publish/creator_info/query/',
    what: 'TikTok creator info',
  });
  const { creator_username: username, privacy_level_options: levels } = data;
  if (typeof username !== 'string' || !Array.isArray(levels)) {
    throw new OutcomeError('unexpected-response', 'TikTok creator info: no name or no privacy levels');
  }
  const seconds = data.max_video_post_duration_sec;
  return {
    username,
    privacyLevels: levels.filter((level) => typeof level === 'string'),
    maxVideoSeconds: typeof seconds === 'number' ? seconds : null,
  };
}

const postStatuses = [
  'PROCESSING_UPLOAD',
  'PROCESSING_DOWNLOAD',
  'SEND_TO_USER_INBOX',
  'PUBLISH_COMPLETE',
  'FAILED',
] as const;

export interface PostStatus {
  readonly status: (typeof postStatuses)[number];
  readonly failReason: string | null;
  /** Empty for a private post, and for a public one until it has passed TikTok's moderation. */
  readonly postIds: readonly string[];
  /** Of an upload; `null` where TikTok does not say. */
  readonly uploadedBytes: number | null;
}

// https://developers.tiktok.com/doc/content-posting-api-reference-get-video-status (read 2026-11-21)
export async function readPostStatus(
  api: TikTokApi,
  account: Account,
  publishId: string,
  context: CallContext,
): Promise<PostStatus> {
  const data = await callTikTok(api, account.accessToken, context, {
    path: '/v2/post/publish/status/fetch/',
    body: { publish_id: publishId },
    what: 'TikTok post status',
  });
  const status = postStatuses.find((known) => known === data.status);
  if (!status) {
    const shown = JSON.stringify(data.status);
    throw new OutcomeError('unexpected-response', `TikTok post status: unknown status ${shown}`);
  }
  // The misspelling is TikTok's own.
  const ids = Array.isArray(data.publicaly_available_post_id) ? data.publicaly_available_post_id : [];
  return {
    status,
    failReason: typeof data.fail_reason === 'string' && data.fail_reason !== '' ? data.fail_reason : null,
    postIds: ids.map(String),
    uploadedBytes: typeof data.uploaded_bytes === 'number' ? data.uploaded_bytes : null,
  };
}

/** The one call that begins a post, by its path; returns the id of the task, and the upload address where there is one. */
export async function initPost(
  api: TikTokApi,
  account: Account,
  context: CallContext,
  call: TikTokCall,
): Promise<{ publishId: string; uploadUrl: string | null }> {
  const data = await callTikTok(api, account.accessToken, context, call);
  const { publish_id: publishId, upload_url: uploadUrl } = data;
  if (typeof publishId !== 'string' || publishId === '') {
    throw new OutcomeError('unexpected-response', `${call.what}: no publish_id in the answer`);
  }
  return { publishId, uploadUrl: typeof uploadUrl === 'string' ? uploadUrl : null };
}

/** A public post as TikTok lists it. */
export interface ListedPost {
  readonly id: string;
  readonly text: string;
  readonly createdAt: number;
  readonly shareUrl: string | null;
}

/** The public posts before an instant, newest first, 20 at most. */
// https://developers.tiktok.com/doc/tiktok-api-v2-video-list (read 2026-11-21)
export async function listPosts(
  api: TikTokApi,
  account: Account,
  before: Date,
  context: CallContext,
): Promise<readonly ListedPost[]> {
  const { videos } = await callTikTok(api, account.accessToken, context, {
    path: '/v2/video/list/?fields=id,create_time,video_description,share_url',
    body: { max_count: 20, cursor: before.getTime() },
    what: 'TikTok video list',
  });
  if (!Array.isArray(videos)) {
    throw new OutcomeError('unexpected-response', 'TikTok video list: no videos in the answer');
  }
  return videos.map((element: unknown) => {
    const {
      id,
      create_time: seconds,
      video_description: text,
      share_url: url,
    } = isObject(element) ? element : {};
    if (typeof id !== 'string' || typeof seconds !== 'number') {
      throw new OutcomeError('unexpected-response', 'TikTok video list: an element has no id or no time');
    }
    return {
      id,
      text: typeof text === 'string' ? text : '',
      createdAt: seconds * 1_000,
      // Without the marks of who shares it.
      shareUrl: typeof url === 'string' ? url.replace(/\?.*$/, '') : null,
    };
  });
}

// Pure mappers

/**
 * Reads an answer as JSON, whole numbers of 16 digits and more as text: ids of posts are 64 bits long, and what
 * `JSON.parse` makes of them is another post.
 */
export function parseEnvelope(text: string): Readonly<Record<string, unknown>> | null {
  try {
    const exact = text.replace(jsonToken, (token) => (/^-?\d{16,}$/.test(token) ? `"${token}"` : token));
    const value: unknown = JSON.parse(exact);
    return isObject(value) && isObject(value.error) ? value : null;
  } catch {
    return null;
  }
}

const jsonToken = /"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;

const reconnect: ReadonlySet<string> = new Set(['access_token_invalid', 'scope_not_authorized']);
const capReached: ReadonlySet<string> = new Set([
  'spam_risk_too_many_posts',
  'spam_risk_too_many_pending_share',
  'reached_active_user_cap',
]);

/** TikTok's error codes; `null` for success, and for an answer without a code that the common rules read. */
// https://developers.tiktok.com/doc/content-posting-api-reference-direct-post (read 2026-11-21)
function mapTikTokError(
  status: number,
  headers: AnswerHeaders,
  body: Readonly<Record<string, unknown>> | null,
  now: Date,
): OutcomeError | null {
  const error = body && isObject(body.error) ? body.error : {};
  const code = typeof error.code === 'string' ? error.code : null;
  if (status === 429 || code === 'rate_limit_exceeded') {
    const retryAfterMs = Math.max(throttledRetryMs, parseRetryAfter(headers, now) ?? 0);
    const message = `TikTok answered ${status} ${code ?? ''}`.trim();
    return new OutcomeError('rate-limited', message, {
      status,
      retryAfterMs,
      ...(code && { platformCode: code }),
    });
  }
  if (code === null || (code === 'ok' && status < 300)) return null;
  const text = typeof error.message === 'string' ? error.message : '';
  const message = `TikTok answered ${code}: ${text}`;
  const details = { status, platformCode: code };
  if (reconnect.has(code) || status === 401) return new OutcomeError('unauthorized', message, details);
  if (capReached.has(code)) {
    return new OutcomeError('rate-limited', message, { ...details, retryAfterMs: capRetryMs });
  }
  if (status >= 500 || code === 'internal_error') {
    return new OutcomeError('unavailable', message, { ...details, sent: true });
  }
  return status === 408 ? null : new OutcomeError('rejected', message, details);
}

/** Reasons why a post failed that say nothing against it: another try from the start may succeed. */
const passingFailures: ReadonlySet<string> = new Set(['internal', 'video_pull_failed', 'photo_pull_failed']);

/** What a FAILED post means. Nothing of it is public, and its task is over. */
// https://developers.tiktok.com/doc/content-posting-api-reference-get-video-status (read 2026-11-21)
export function mapFailedPost(publishId: string, failReason: string | null): OutcomeError {
  const reason = failReason ?? 'no reason given';
  const message = `TikTok could not publish ${publishId}: ${reason}`;
  const details = { platformCode: reason, handleIsDead: true };
  if (reason === 'spam_risk_too_many_posts') {
    return new OutcomeError('rate-limited', message, { ...details, retryAfterMs: capRetryMs });
  }
  if (reason === 'auth_removed') return new OutcomeError('unauthorized', message, details);
  if (passingFailures.has(reason)) {
    return new OutcomeError('unavailable', message, { ...details, sent: false });
  }
  return new OutcomeError('rejected', message, details);
}
