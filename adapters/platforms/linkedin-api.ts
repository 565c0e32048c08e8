import { OutcomeError } from '../../domain/outcome.ts';
import { type AdapterOptions, hostOf, type Timings } from './definition.ts';
import {
  type AnswerHeaders,
  createHttpClient,
  type HttpClient,
  type HttpRequest,
  isObject,
  parseRetryAfter,
} from './http.ts';
import type { Account, CallContext } from './publisher.ts';

/** What all calls of LinkedIn's versioned API share: where they go, their headers, and what its errors mean. */

// Limits

/** LinkedIn does not document how far its lists lag behind a commit. */
const defaults: Timings = {
  commitTimeoutMs: 20_000,
  pollIntervalMs: 2_000,
  processingTimeoutMs: 300_000,
  settleMs: 60_000,
  blindWaitMs: 25_000,
};
export const callTimeoutMs = 20_000;
const notReadyRetryMs = 10_000;
const throttledRetryMs = 60_000;

export interface LinkedInApi {
  readonly http: HttpClient;
  readonly baseUrl: string;
  readonly permalinkBaseUrl: string;
  readonly timings: Timings;
  readonly now: () => Date;
  readonly headers: (account: Account) => Record<string, string>;
}

export function openApi(options: AdapterOptions): LinkedInApi {
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
    now,
    headers: (account) => ({
      Authorization: `Bearer ${account.accessToken}`,
      'Linkedin-Version': options.version,
      'X-Restli-Protocol-Version': '2.0.0',
      'Content-Type': 'application/json',
    }),
  };
}

export interface ApiCall {
  readonly method: HttpRequest['method'];
  /** With its query. */
  readonly path: string;
  readonly body?: Readonly<Record<string, unknown>>;
  /** Rest.li's own method, where HTTP's does not tell it. */
  readonly restliMethod?: 'FINDER' | 'PARTIAL_UPDATE' | 'DELETE';
  readonly what: string;
  readonly timeoutMs?: number;
}

/** A call with everything that LinkedIn wants in its headers. */
export const requestTo = (
  api: LinkedInApi,
  account: Account,
  { signal }: CallContext,
  { method, path, body, restliMethod, what, timeoutMs }: ApiCall,
): HttpRequest => ({
  method,
  url: `${api.baseUrl}${path}`,
  headers: { ...api.headers(account), ...(restliMethod && { 'X-RestLi-Method': restliMethod }) },
  ...(body && { body: JSON.stringify(body) }),
  ...{ what, signal, timeoutMs: timeoutMs ?? callTimeoutMs, secrets: [account.accessToken] },
});

/** LinkedIn's error codes. Branches on status and code; the text is read only where LinkedIn puts the fact nowhere else. */
// https://learn.microsoft.com/en-us/linkedin/shared/api-guide/concepts/error-handling (read 2026-11-21)
export function mapLinkedInError(
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
    const retryAfterMs = parseRetryAfter(headers, now) ?? dailyLimitWaitMs(text, now) ?? throttledRetryMs;
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
