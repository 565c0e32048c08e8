import { OutcomeError } from '../../domain/outcome.ts';
import { type AdapterOptions, hostOf, type Timings } from './definition.ts';
import {
  type AnswerHeaders,
  createHttpClient,
  type HttpClient,
  type HttpRequest,
  isObject,
  type JsonReply,
} from './http.ts';
import type { Account, CallContext } from './publisher.ts';

/** What X's calls share: where they go, how they are signed, and how X words what goes wrong. */

const defaults: Timings = {
  commitTimeoutMs: 20_000,
  // The least; X says with each answer when to look again.
  pollIntervalMs: 1_000,
  processingTimeoutMs: 600_000,
  // X documents no lag of its lists; its search leaves out the last 30 seconds (second-hand).
  settleMs: 60_000,
  blindWaitMs: 0,
};
export const callTimeoutMs = 20_000;
/** Without a time from X. */
const throttledRetryMs = 60_000;
/** Of a cap that ends with the month, or when somebody buys credits. */
const cappedRetryMs = 4 * 3_600_000;
/** X's word for media that it does not have, or has no longer. */
export const mediaGone = 'media-gone';
/** X's word for a text that the account has posted before. */
export const duplicate = 'duplicate';

export interface XApi {
  readonly http: HttpClient;
  readonly baseUrl: string;
  readonly now: () => Date;
  readonly timings: Timings;
  /** X leads from here to the post under its author's name. */
  readonly permalinkOf: (postId: string) => string;
}

export function openXApi(options: AdapterOptions): XApi {
  const now = options.now ?? (() => new Date());
  const baseUrl = hostOf(options, 'api');
  return {
    http: createHttpClient({
      fetch: options.fetch,
      origins: [new URL(baseUrl).origin],
      mapError: (status, headers, body) => mapXError(status, headers, body, now()),
      now,
    }),
    baseUrl,
    now,
    timings: { ...defaults, ...options.timings },
    permalinkOf: (postId) => `${options.permalinkBaseUrl}/i/web/status/${postId}`,
  };
}

export interface XCall {
  readonly method: HttpRequest['method'];
  /** With its query. */
  readonly path: string;
  /** Sent as JSON. */
  readonly json?: Readonly<Record<string, unknown>>;
  /** Sent as it is, e.g. a form with a file. */
  readonly form?: { readonly bytes: Uint8Array; readonly contentType: string };
  readonly what: string;
  readonly timeoutMs?: number;
}

/** Makes one call for an account. */
export function callX(
  { http, baseUrl }: XApi,
  account: Pick<Account, 'accessToken'>,
  context: CallContext,
  call: XCall,
): Promise<JsonReply> {
  const contentType = call.json ? 'application/json' : call.form?.contentType;
  const body = call.json ? JSON.stringify(call.json) : call.form?.bytes;
  return http.sendJson({
    method: call.method,
    url: `${baseUrl}${call.path}`,
    headers: {
      Authorization: `Bearer ${account.accessToken}`,
      ...(contentType && { 'Content-Type': contentType }),
    },
    ...(body !== undefined && { body }),
    what: call.what,
    timeoutMs: call.timeoutMs ?? callTimeoutMs,
    signal: context.signal,
    secrets: [account.accessToken],
  });
}

/** Asks for a pause once the last call of X's window is used. */
// https://docs.x.com/x-api/fundamentals/rate-limits (read 2026-11-21)
export function heedRateLimit(headers: AnswerHeaders, context: CallContext, now: Date): void {
  const remaining = headers.get('x-rate-limit-remaining');
  const forMs = untilReset(headers, now);
  if (remaining !== null && Number(remaining) <= 0 && forMs !== undefined && forMs > 0)
    context.slowDown?.(forMs);
}

/** The header holds seconds since 1970; X documents no `Retry-After`. */
function untilReset(headers: AnswerHeaders, now: Date): number | undefined {
  const reset = headers.get('x-rate-limit-reset')?.trim() ?? '';
  return /^\d+$/.test(reset) ? Number(reset) * 1000 - now.getTime() : undefined;
}

/** What X says went wrong, whichever of its four shapes it says it in. */
interface Problem {
  /** The last part of its type: `usage-capped`; `null` for `about:blank` and for none. */
  readonly kind: string | null;
  readonly title: string;
  readonly detail: string;
  readonly code: number | null;
}

/**
 * A problem of its own, one or several under `errors`, the older `errors` with a code and a message, or that pair alone.
 * Where a list stands beside a problem, its first entry says more.
 */
// https://docs.x.com/x-api/fundamentals/response-codes-and-errors (read 2026-11-21)
export function parseProblem(body: Readonly<Record<string, unknown>> | null): Problem {
  const first: unknown = Array.isArray(body?.errors) ? body.errors[0] : undefined;
  const sources = [isObject(first) ? first : {}, body ?? {}];
  const textOf = (name: string): string =>
    sources.map((source) => source[name]).find((value): value is string => typeof value === 'string') ?? '';
  const code = sources.map((source) => source.code).find((value) => typeof value === 'number');
  const kind = /\/problems\/([\w-]+)\/?$/.exec(textOf('type'))?.[1] ?? null;
  return { kind, title: textOf('title'), detail: textOf('detail') || textOf('message'), code: code ?? null };
}

/** Branches on status and kind; the text is read only where X puts the fact nowhere else. */
function mapXError(
  status: number,
  headers: AnswerHeaders,
  body: Readonly<Record<string, unknown>> | null,
  now: Date,
): OutcomeError | null {
  const problem = parseProblem(body);
  const platformCode = codeOf(problem);
  const details = { status, ...(platformCode && { platformCode }) };
  const said = [problem.title, problem.detail, listedMessage(body)].filter((part) => part !== '');
  const message = `X answered ${status}${platformCode ? ` ${platformCode}` : ''}: ${[...new Set(said)].join(': ')}`;

  if (isCapped(status, problem)) {
    // Its month is used up, or its credits are: an operator's matter.
    return new OutcomeError('rate-limited', message, { ...details, retryAfterMs: cappedRetryMs });
  }
  if (status === 429 || problem.code === 88) {
    const retryAfterMs = Math.max(throttledRetryMs, untilReset(headers, now) ?? 0);
    return new OutcomeError('rate-limited', message, { ...details, retryAfterMs });
  }
  if (body === null || status === 408) return null;
  if (status === 401 || lacksPermission(status, problem)) {
    return new OutcomeError('unauthorized', message, details);
  }
  if (status >= 500) return new OutcomeError('unavailable', message, { ...details, sent: true });
  if (status === 403 && /duplicate content/i.test(problem.detail)) {
    return new OutcomeError('rejected', message, { ...details, platformCode: duplicate });
  }
  if (status === 400 && /media ids? (?:is|are) invalid/i.test(said.join(' '))) {
    // Nothing was posted, and what is uploaded anew can be.
    const gone = { ...details, platformCode: mediaGone, sent: false, handleIsDead: true };
    return new OutcomeError('unavailable', message, gone);
  }
  return new OutcomeError('rejected', message, details);
}

const codeOf = ({ kind, code, title }: Problem): string =>
  kind ?? (code === null ? title.replace(/\s+/g, '-').toLowerCase() : String(code));

/** Of an invalid request X says in the list alone what was wrong. */
function listedMessage(body: Readonly<Record<string, unknown>> | null): string {
  const first: unknown = Array.isArray(body?.errors) ? body.errors[0] : undefined;
  return isObject(first) && typeof first.message === 'string' ? first.message : '';
}

// Second-hand for 402, "CreditsDepleted": X documents no answer for an account without credits.
const isCapped = (status: number, { kind, title }: Problem): boolean =>
  status === 402 || kind === 'usage-capped' || title === 'UsageCapExceeded';

/** A token of the wrong kind or without the scope: connecting again gives a better one. */
const lacksPermission = (status: number, { kind, detail }: Problem): boolean =>
  status === 403 &&
  (kind === 'unsupported-authentication' || kind === 'oauth1-permissions' || /\bscopes?\b/i.test(detail));
