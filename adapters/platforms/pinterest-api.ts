import { OutcomeError } from '../../domain/outcome.ts';
import { type AdapterOptions, hostOf } from './definition.ts';
import {
  type AnswerHeaders,
  createHttpClient,
  type HttpClient,
  type MapError,
  parseRetryAfter,
} from './http.ts';
import type { CallContext } from './publisher.ts';

/** What every call of Pinterest's API has in common: addresses, errors, and the headers that tell how much is left. */

// Limits

export const callTimeoutMs = 30_000;
/** Its windows are a minute long. */
// https://developers.pinterest.com/docs/reference/rate-limits/ (read 2026-11-21)
const throttledRetryMs = 60_000;
const unreachableRetryMs = 10_000;
/** Longer than any of its windows but the daily one; a header that says more means something else. */
const longestPauseMs = 3_600_000;

export interface PinterestApi {
  readonly http: HttpClient;
  readonly baseUrl: string;
  /** Where calls and uploads may go. */
  readonly origins: readonly string[];
  readonly now: () => Date;
}

export function createPinterestApi(options: AdapterOptions): PinterestApi {
  const now = options.now ?? (() => new Date());
  const baseUrl = hostOf(options, 'api');
  const origins = [new URL(baseUrl).origin, ...options.uploadOrigins];
  const mapError: MapError = (status, headers, body) => mapPinterestError(status, headers, body, now());
  return { http: createHttpClient({ fetch: options.fetch, origins, mapError, now }), baseUrl, origins, now };
}

export interface PinterestCall {
  readonly method?: 'GET' | 'POST' | 'DELETE';
  /** With its query. */
  readonly path: string;
  readonly body?: Readonly<Record<string, unknown>>;
  readonly what: string;
  /** Default 30 s. */
  readonly timeoutMs?: number;
  /** Besides the token. */
  readonly secrets?: readonly string[];
}

type Answer = Readonly<Record<string, unknown>>;

/** One call with an answer in JSON (default GET). */
export async function callPinterest(
  api: PinterestApi,
  accessToken: string,
  context: CallContext,
  call: PinterestCall,
): Promise<Answer> {
  const { headers, body } = await api.http.sendJson(requestOf(api, accessToken, context, call));
  tellUsage(headers, context);
  return body;
}

/** One call whose answer says nothing besides its status. */
export async function tellPinterest(
  api: PinterestApi,
  accessToken: string,
  context: CallContext,
  call: PinterestCall,
): Promise<void> {
  const { headers } = await api.http.send(requestOf(api, accessToken, context, call));
  tellUsage(headers, context);
}

const requestOf = (
  api: PinterestApi,
  accessToken: string,
  context: CallContext,
  { method = 'GET', path, body, what, timeoutMs = callTimeoutMs, secrets = [] }: PinterestCall,
) => ({
  method,
  url: `${api.baseUrl}/v5${path}`,
  headers: {
    Authorization: `Bearer ${accessToken}`,
    ...(body && { 'Content-Type': 'application/json' }),
  },
  ...(body && { body: JSON.stringify(body) }),
  what,
  timeoutMs,
  signal: context.signal,
  secrets: [accessToken, ...secrets],
});

// Pure mappers

// What these headers hold is not documented: others report numbers, one for each window, the reset in seconds.
function tellUsage(headers: AnswerHeaders, context: CallContext): void {
  const remaining = numbersIn(headers.get('x-ratelimit-remaining'));
  if (remaining.includes(0)) context.slowDown?.(resetMs(headers) ?? throttledRetryMs);
}

function resetMs(headers: AnswerHeaders): number | undefined {
  const longest = Math.max(0, ...numbersIn(headers.get('x-ratelimit-reset'))) * 1_000;
  return longest > 0 && longest <= longestPauseMs ? longest : undefined;
}

const numbersIn = (header: string | null): readonly number[] =>
  (header ?? '').split(',').flatMap((part) => (/^\s*\d+/.test(part) ? [Number.parseInt(part, 10)] : []));

/** Pinterest could not fetch a picture that it was to pin. Its codes do not tell this from other wrong requests. */
const isUnreachable = /unable to reach the url|could not fetch the image/i;

/** Pinterest's errors have a code of their own, which says little more than the status. */
// https://github.com/pinterest/api-description, v5/openapi.yaml 5.23.0 (read 2026-11-21)
function mapPinterestError(
  status: number,
  headers: AnswerHeaders,
  body: Answer | null,
  now: Date,
): OutcomeError | null {
  const text = typeof body?.message === 'string' ? body.message : '';
  const code = typeof body?.code === 'number' ? String(body.code) : null;
  const details = { status, ...(code && { platformCode: code }) };
  const message = `Pinterest answered ${[status, code].filter(Boolean).join('/')}: ${text}`;
  if (status === 429) {
    // Reported by others: an account that is taken for spam is blocked with the same status.
    if (/spam/i.test(text)) return new OutcomeError('rejected', message, details);
    const askedMs = parseRetryAfter(headers, now) ?? resetMs(headers) ?? 0;
    const retryAfterMs = Math.max(throttledRetryMs, askedMs);
    return new OutcomeError('rate-limited', message, { ...details, retryAfterMs });
  }
  if (body === null) return null;
  if (status === 401) return new OutcomeError('unauthorized', message, details);
  if (status === 400 && isUnreachable.test(text)) {
    const retryAfterMs = unreachableRetryMs;
    return new OutcomeError('unavailable', message, { ...details, sent: false, retryAfterMs });
  }
  if (status >= 500) return new OutcomeError('unavailable', message, { ...details, sent: true });
  return status === 408 ? null : new OutcomeError('rejected', message, details);
}
