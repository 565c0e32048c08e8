import { OutcomeError } from '../../domain/outcome.ts';
import { type AdapterOptions, hostOf, type Timings } from './definition.ts';
import {
  type AnswerHeaders,
  createHttpClient,
  type HttpClient,
  isObject,
  parseRetryAfter,
  redact,
} from './http.ts';
import type { Account, CallContext } from './publisher.ts';

/** How Reddit is called: its headers, its forms, its two ways to say no, and its usage headers. */

export interface RedditApi {
  readonly http: HttpClient;
  readonly baseUrl: string;
  readonly userAgent: string;
  readonly permalinkBaseUrl: string;
  readonly timings: Timings;
  readonly now: () => Date;
}

/**
 * A media post is created after the answer, which has no id: the commit looks for it within its own time-out, and `find`
 * for ten minutes more. Reddit documents none of these.
 */
const defaults: Timings = {
  commitTimeoutMs: 60_000,
  pollIntervalMs: 5_000,
  processingTimeoutMs: 600_000,
  settleMs: 600_000,
  blindWaitMs: 0,
};
export const callTimeoutMs = 30_000;
/** Without a time from Reddit. */
const throttledRetryMs = 60_000;
/** Of a thousand requests in ten minutes; what is under way may still need this many. */
const fewRequestsLeft = 20;

export function connectApi(options: AdapterOptions): RedditApi {
  const now = options.now ?? (() => new Date());
  const baseUrl = hostOf(options, 'api');
  return {
    http: createHttpClient({
      fetch: options.fetch,
      origins: [new URL(baseUrl).origin, ...options.uploadOrigins],
      mapError: (status, headers, body) => mapStatus(status, headers, body, now()),
      now,
    }),
    baseUrl,
    userAgent: options.version,
    permalinkBaseUrl: options.permalinkBaseUrl,
    timings: { ...defaults, ...options.timings },
    now,
  };
}

export type Body = Readonly<Record<string, unknown>>;
export type Form = Readonly<Record<string, string>>;

interface RedditCall {
  readonly path: string;
  /** Sent as a form. */
  readonly form?: Form;
  /** Sent as JSON. */
  readonly json?: unknown;
  readonly what: string;
  readonly timeoutMs?: number;
  readonly secrets?: readonly string[];
}

/**
 * One call: a GET, or a POST where there is a form or JSON. Throws what Reddit refuses with status 200 like any other
 * refusal.
 */
export async function call(
  api: RedditApi,
  { accessToken }: Pick<Account, 'accessToken'>,
  context: CallContext,
  request: RedditCall,
): Promise<Body> {
  const { path, form, json, what, timeoutMs = callTimeoutMs } = request;
  const secrets = [accessToken, ...(request.secrets ?? [])];
  const { headers, body } = await api.http.sendJson({
    ...{ what, timeoutMs, secrets, signal: context.signal },
    method: form || json ? 'POST' : 'GET',
    url: `${api.baseUrl}${path}`,
    headers: {
      Authorization: `Bearer ${accessToken}`,
      'User-Agent': api.userAgent,
      ...(form && { 'Content-Type': 'application/x-www-form-urlencoded' }),
      ...(json !== undefined && { 'Content-Type': 'application/json' }),
    },
    ...(form && { body: new URLSearchParams(form).toString() }),
    ...(json !== undefined && { body: JSON.stringify(json) }),
  });
  heedUsage(headers, context);
  const refusal = mapErrors(body, what, secrets);
  if (refusal) throw refusal;
  return body;
}

// A hundred requests a minute for an application, averaged over ten minutes; what is left may be a fraction.
// https://github.com/praw-dev/prawcore (read 2026-11-21)
function heedUsage(headers: AnswerHeaders, context: CallContext): void {
  const [remaining, resetSeconds] = ['x-ratelimit-remaining', 'x-ratelimit-reset'].map((name) =>
    Number.parseFloat(headers.get(name) ?? ''),
  );
  if (remaining! < fewRequestsLeft && resetSeconds! > 0) context.slowDown?.(resetSeconds! * 1_000);
}

/** The object under `data` of an answer, where there is one. */
export const dataOf = (value: unknown): Body => (isObject(value) && isObject(value.data) ? value.data : {});

/** The things of a listing, each by its fields, and the mark to go on from. Throws where there is no listing. */
export function parseListing(body: Body, what: string): { things: readonly Body[]; after: string | null } {
  const { children, after } = dataOf(body);
  if (!Array.isArray(children))
    throw new OutcomeError('unexpected-response', `${what}: no listing in the answer`);
  return { things: children.map(dataOf), after: typeof after === 'string' && after !== '' ? after : null };
}

/** Codes of `json.errors` that are no word on the content. */
const throttlingCodes: ReadonlySet<string> = new Set([
  'RATELIMIT',
  // Second-hand: too many links of this account in too short a time.
  'QUOTA_FILLED',
]);
/** "You must login": the token speaks for no user any more. */
const needsLogin = 'USER_REQUIRED';

/**
 * Reddit refuses most things with status 200 and `json.errors`, each a code, a sentence, and the field it is about:
 * whatever stands there, nothing was made.
 */
// https://github.com/praw-dev/praw (read 2026-11-21)
function mapErrors(body: Body, what: string, secrets: readonly string[]): OutcomeError | null {
  const { errors, ratelimit } = isObject(body.json) ? body.json : {};
  if (!Array.isArray(errors) || errors.length === 0) return null;
  const named = errors.map((error: unknown) => (Array.isArray(error) ? error.map(String) : [String(error)]));
  const platformCode = named[0]![0] ?? 'UNKNOWN';
  const sentences = named.map(([code, sentence]) => (sentence ? `${code}: ${sentence}` : code)).join('; ');
  const message = redact(`${what}: Reddit answered ${sentences}`, secrets);
  const details = { status: 200, platformCode };
  if (named.every(([code = '']) => throttlingCodes.has(code))) {
    const retryAfterMs = secondsOf(ratelimit) * 1_000 || waitIn(sentences) || throttledRetryMs;
    return new OutcomeError('rate-limited', message, { ...details, retryAfterMs });
  }
  if (named.some(([code]) => code === needsLogin)) return new OutcomeError('unauthorized', message, details);
  return new OutcomeError('rejected', message, details);
}

const secondsOf = (value: unknown): number =>
  typeof value === 'number' && Number.isFinite(value) ? Math.ceil(value) : 0;

const unitMs: Readonly<Record<string, number>> = {
  millisecond: 1,
  second: 1_000,
  minute: 60_000,
  hour: 3_600_000,
};

/** "Take a break for 9 minutes before trying again." The number may be rounded down, so one unit more is waited. */
function waitIn(sentence: string): number {
  const match = /(\d+|\ban?) (millisecond|second|minute|hour)s?\b/i.exec(sentence);
  if (!match) return 0;
  const count = /^\d+$/.test(match[1]!) ? Number(match[1]) : 1;
  return (count + 1) * unitMs[match[2]!.toLowerCase()]!;
}

/** Answers of 400 and above. Their JSON has a message, and often a reason or an explanation of the subreddit's rule. */
function mapStatus(
  status: number,
  headers: AnswerHeaders,
  body: Body | null,
  now: Date,
): OutcomeError | null {
  const reason = typeof body?.reason === 'string' ? body.reason : null;
  const details = { status, ...(reason && { platformCode: reason }) };
  const message = `Reddit answered ${status}${reason ? ` ${reason}` : ''}: ${explanationOf(body)}`.trimEnd();
  if (status === 429) {
    const resetMs = Number.parseFloat(headers.get('x-ratelimit-reset') ?? '') * 1_000;
    const retryAfterMs = parseRetryAfter(headers, now) ?? (resetMs > 0 ? resetMs : throttledRetryMs);
    return new OutcomeError('rate-limited', message, { ...details, retryAfterMs });
  }
  const challenge = headers.get('www-authenticate') ?? '';
  if (status === 401 || (status === 403 && /insufficient_scope|invalid_token/.test(challenge)))
    return new OutcomeError('unauthorized', message, details);
  if (status === 403 && body === null) {
    // A page in front of Reddit's API: it turns away user agents and networks, not posts.
    const blocked = `${message} The user agent or the network is blocked`;
    return new OutcomeError('unavailable', blocked, {
      ...details,
      sent: false,
      retryAfterMs: throttledRetryMs,
    });
  }
  // "Conflict" does not say whose write won.
  if (status === 409) return new OutcomeError('unavailable', message, { ...details, sent: true });
  return status >= 500 || status === 408 ? null : new OutcomeError('rejected', message, details);
}

function explanationOf(body: Body | null): string {
  const said = body?.explanation ?? body?.message;
  return typeof said === 'string' ? said.trim() : '';
}
