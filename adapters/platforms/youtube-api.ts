import { OutcomeError } from '../../domain/outcome.ts';
import { resolveWallClock, wallClockAt } from '../../domain/wall-clock.ts';
import { type AdapterOptions, hostOf, type Timings } from './definition.ts';
import {
  type AnswerHeaders,
  createHttpClient,
  type HttpClient,
  type HttpRequest,
  isObject,
  parseRetryAfter,
} from './http.ts';
import type { CallContext } from './publisher.ts';

/** What all calls of the YouTube Data API share: where they go, and what its errors mean. */

// Limits

/** YouTube documents neither how long its lists lag behind an upload nor how long it takes for the last bytes of one. */
const defaults: Timings = {
  commitTimeoutMs: 60_000,
  pollIntervalMs: 5_000,
  processingTimeoutMs: 600_000,
  settleMs: 120_000,
  blindWaitMs: 0,
};
const callTimeoutMs = 30_000;
const throttledRetryMs = 60_000;
/** A channel has a limit of its own for each day; YouTube does not say when the day begins. */
const channelLimitRetryMs = 24 * 3_600_000;

export interface YouTubeApi {
  readonly http: HttpClient;
  readonly baseUrl: string;
  readonly uploadBaseUrl: string;
  readonly permalinkBaseUrl: string;
  readonly now: () => Date;
  readonly timings: Timings;
}

export function openApi(options: AdapterOptions): YouTubeApi {
  const now = options.now ?? (() => new Date());
  const [api, upload] = [hostOf(options, 'api'), hostOf(options, 'upload')];
  return {
    http: createHttpClient({
      fetch: options.fetch,
      origins: [api, upload, ...options.uploadOrigins].map((address) => new URL(address).origin),
      mapError: (status, headers, body) => mapYouTubeError(status, headers, body, now()),
      now,
    }),
    baseUrl: `${api}/youtube/${options.version}`,
    uploadBaseUrl: `${upload}/upload/youtube/${options.version}`,
    permalinkBaseUrl: options.permalinkBaseUrl,
    now,
    timings: { ...defaults, ...options.timings },
  };
}

export interface ApiCall {
  readonly method: HttpRequest['method'];
  /** With its query. */
  readonly path: string;
  readonly body?: Readonly<Record<string, unknown>>;
  readonly what: string;
  readonly timeoutMs?: number;
}

/** One call that answers with a JSON object. */
export async function callJson(
  api: YouTubeApi,
  accessToken: string,
  context: CallContext,
  call: ApiCall,
): Promise<Readonly<Record<string, unknown>>> {
  const { body } = await api.http.sendJson(requestOf(api, accessToken, context, call));
  return body;
}

/** One call whose answer does not matter beyond its success. */
export async function callPlain(
  api: YouTubeApi,
  accessToken: string,
  context: CallContext,
  call: ApiCall,
): Promise<void> {
  await api.http.send(requestOf(api, accessToken, context, call));
}

const requestOf = (
  api: YouTubeApi,
  accessToken: string,
  { signal }: CallContext,
  { method, path, body, what, timeoutMs }: ApiCall,
): HttpRequest => ({
  method,
  url: `${api.baseUrl}${path}`,
  headers: {
    Authorization: `Bearer ${accessToken}`,
    ...(body && { 'Content-Type': 'application/json; charset=UTF-8' }),
  },
  ...(body && { body: JSON.stringify(body) }),
  ...{ what, signal, timeoutMs: timeoutMs ?? callTimeoutMs, secrets: [accessToken] },
});

/** The members of a list; an answer without one is not an empty list. */
export function itemsOf(
  body: Readonly<Record<string, unknown>>,
  what: string,
): readonly Readonly<Record<string, unknown>>[] {
  if (!Array.isArray(body.items))
    throw new OutcomeError('unexpected-response', `${what}: no items in the answer`);
  return body.items.filter(isObject);
}

export const objectAt = (value: unknown, name: string): Readonly<Record<string, unknown>> => {
  const member = isObject(value) ? value[name] : undefined;
  return isObject(member) ? member : {};
};

export const textAt = (value: unknown, name: string): string | null => {
  const member = isObject(value) ? value[name] : undefined;
  return typeof member === 'string' ? member : null;
};

const quotaUsedUp: ReadonlySet<string> = new Set(['quotaExceeded', 'dailyLimitExceeded']);
// The second name is unverified.
const throttled: ReadonlySet<string> = new Set(['rateLimitExceeded', 'userRateLimitExceeded']);

/** What a person is to do where YouTube's own words do not say it. */
const advice: Readonly<Record<string, string>> = {
  youtubeSignupRequired: 'this Google account has no YouTube channel; create one, then connect it again',
  authenticatedUserAccountSuspended: 'the account is suspended at YouTube',
  authenticatedUserAccountClosed: 'the account is closed at YouTube',
  accessNotConfigured: "the YouTube Data API is not switched on in the application's Google Cloud project",
  commentsDisabled: 'this video takes no comments; a video made for children never does',
  uploadLimitExceeded: 'the channel has reached its own number of uploads for a day',
};

/** Google's errors. Branches on status and reason, never on the text. */
// https://developers.google.com/youtube/v3/docs/errors (read 2026-11-21)
function mapYouTubeError(
  status: number,
  headers: AnswerHeaders,
  body: Readonly<Record<string, unknown>> | null,
  now: Date,
): OutcomeError | null {
  const reason = reasonOf(body);
  const text = textAt(body?.error, 'message') ?? '';
  const why = Object.hasOwn(advice, reason) ? advice[reason] : undefined;
  const named = reason === '' ? `${status}` : `${status} ${reason}`;
  const message = `YouTube answered ${named}: ${why ? `${why} (${text})` : text}`;
  const details = { status, ...(reason && { platformCode: reason }) };

  if (quotaUsedUp.has(reason)) {
    return new OutcomeError('rate-limited', message, { ...details, retryAfterMs: untilQuotaDay(now) });
  }
  if (reason === 'uploadLimitExceeded') {
    return new OutcomeError('rate-limited', message, { ...details, retryAfterMs: channelLimitRetryMs });
  }
  if (throttled.has(reason) || status === 429) {
    const retryAfterMs = parseRetryAfter(headers, now) ?? throttledRetryMs;
    return new OutcomeError('rate-limited', message, { ...details, retryAfterMs });
  }
  if (reason === '') return null;
  // Without a channel, new credentials of the same account change nothing.
  if (reason === 'youtubeSignupRequired') return new OutcomeError('rejected', message, details);
  if (status === 401 || reason === 'insufficientPermissions') {
    return new OutcomeError('unauthorized', message, details);
  }
  if (status >= 500 || status === 408) {
    const retryAfterMs = parseRetryAfter(headers, now);
    return new OutcomeError('unavailable', message, { ...details, sent: true, retryAfterMs });
  }
  return new OutcomeError('rejected', message, details);
}

function reasonOf(body: Readonly<Record<string, unknown>> | null): string {
  const errors = objectAt(body, 'error').errors;
  return textAt(Array.isArray(errors) ? errors[0] : null, 'reason') ?? '';
}

/** Quotas start anew at midnight, Pacific Time. */
// https://developers.google.com/youtube/v3/getting-started#quota (read 2026-11-21)
function untilQuotaDay(now: Date): number {
  const zone = 'America/Los_Angeles';
  const today = Date.parse(`${wallClockAt(now.getTime(), zone).slice(0, 10)}T00:00:00Z`);
  const tomorrow = new Date(today + 24 * 3_600_000).toISOString().slice(0, 10);
  return resolveWallClock({ local: `${tomorrow}T00:00`, zone }).atMs - now.getTime();
}
