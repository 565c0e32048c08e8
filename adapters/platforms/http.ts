import { validateHeaderValue } from 'node:http';
import type { Readable } from 'node:stream';
import { OutcomeError } from '../../domain/outcome.ts';
import type { CallContext } from './publisher.ts';

/** The part of `fetch` that the adapters use; the global one fits, too. */
export type Fetch = (url: string, init: FetchRequest) => Promise<FetchAnswer>;

export interface FetchRequest {
  readonly method: HttpRequest['method'];
  readonly headers: Record<string, string>;
  readonly body: RequestBody | undefined;
  readonly redirect: 'manual';
  readonly signal: AbortSignal;
}

export interface FetchAnswer {
  readonly status: number;
  readonly headers: AnswerHeaders;
  readonly body: AsyncIterable<Uint8Array> | null;
}

/** A stream is sent once: its length must stand in the headers. */
export type RequestBody = string | Uint8Array | Readable;

/** By name, in any case; several of one name are joined by a comma. */
export interface AnswerHeaders {
  readonly get: (name: string) => string | null;
}

export interface HttpRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: RequestBody;
  /** What is being done, for messages: `LinkedIn post creation`. Never an address. */
  readonly what: string;
  /** Bounds the whole call, body included. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  /** Further statuses that are an answer and no error, e.g. 308 of a resumable upload. */
  readonly accept?: readonly number[];
  /** Values that must never be shown, even when the other side repeats them in an error. */
  readonly secrets: readonly string[];
}

export interface HttpReply {
  readonly status: number;
  readonly headers: AnswerHeaders;
  readonly text: string;
}

export interface JsonReply {
  readonly status: number;
  readonly headers: AnswerHeaders;
  readonly body: Readonly<Record<string, unknown>>;
}

/**
 * A platform's own reading of an answer of 400 and above. `body` is the parsed JSON object, or `null` when the answer
 * was none. Returns `null` to leave the answer to the common rules.
 */
export type MapError = (
  status: number,
  headers: AnswerHeaders,
  body: Readonly<Record<string, unknown>> | null,
) => OutcomeError | null;

export interface HttpClientOptions {
  readonly fetch: Fetch;
  /** The only origins a request may go to, e.g. `https://api.linkedin.com`. */
  readonly origins: readonly string[];
  readonly mapError?: MapError;
  readonly maxResponseBytes?: number;
  readonly now?: () => Date;
}

export interface HttpClient {
  /** Sends one request and returns any 2xx answer as text. Never retries and follows no redirect. */
  readonly send: (request: HttpRequest) => Promise<HttpReply>;
  /** Like `send`, for an answer that must be a JSON object; anything else is `unexpected-response`. */
  readonly sendJson: (request: HttpRequest) => Promise<JsonReply>;
}

const defaultMaxResponseBytes = 1_048_576;
const progressEveryMs = 5_000;

/** Failures of `fetch` that come before the request's first byte, by the code of their cause. */
const codesBeforeSending: ReadonlySet<string> = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'UND_ERR_CONNECT_TIMEOUT',
  'CERT_HAS_EXPIRED',
  'CERT_NOT_YET_VALID',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'ERR_TLS_CERT_ALTNAME_INVALID',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
]);

/** System calls that end before anything of the request is written, whatever their code. */
const callsBeforeSending: ReadonlySet<string> = new Set(['connect', 'getaddrinfo']);

/**
 * The one place that sends HTTP for the platform adapters and says how it ended, always as an `OutcomeError`:
 * no connection is `unavailable` with `sent: false`; a lost or late answer is `outcome-unknown`; 401 `unauthorized`;
 * 429 `rate-limited`; 5xx `unavailable`; other 4xx `rejected`; what cannot be read `unexpected-response`.
 */
export function createHttpClient(options: HttpClientOptions): HttpClient {
  const origins = new Set(options.origins.map((origin) => new URL(origin).origin));
  const maxBytes = options.maxResponseBytes ?? defaultMaxResponseBytes;
  const now = options.now ?? (() => new Date());

  const send = async (request: HttpRequest): Promise<HttpReply> => {
    const url = allowedUrl(request, origins);
    const reply = await exchange(options.fetch, url, request, maxBytes);
    if (isSuccess(reply.status) || request.accept?.includes(reply.status)) return reply;
    throw classify(reply, request, options.mapError, now());
  };

  const sendJson = async (request: HttpRequest): Promise<JsonReply> => {
    const { status, headers, text } = await send(request);
    const body = parseObject(text);
    if (body === null) {
      const shown = redact(text.slice(0, 200), request.secrets);
      throw new OutcomeError(
        'unexpected-response',
        `${request.what}: answer ${status} is not JSON: ${shown}`,
        { status },
      );
    }
    return { status, headers, body };
  };

  return { send, sendJson };
}

const isSuccess = (status: number): boolean => status >= 200 && status < 300;

/** Checked before anything is sent, so that no credential leaves for a host that merely appeared in an answer. */
function allowedUrl(request: HttpRequest, origins: ReadonlySet<string>): string {
  const url = URL.canParse(request.url) ? new URL(request.url) : null;
  if (url === null || !origins.has(url.origin)) {
    const host = url === null ? 'an unreadable address' : url.origin;
    throw new OutcomeError(
      'unexpected-response',
      `${request.what}: ${host} is not a host of this adapter, nothing was sent`,
      {
        sent: false,
      },
    );
  }
  return url.href;
}

async function exchange(
  fetch: Fetch,
  url: string,
  request: HttpRequest,
  maxBytes: number,
): Promise<HttpReply> {
  if (request.signal.aborted) {
    throw new OutcomeError('unavailable', `${request.what}: cancelled before it was sent`, { sent: false });
  }
  const headers = sendableHeaders(request);
  const abort = new AbortController();
  const onAbort = () => abort.abort();
  request.signal.addEventListener('abort', onAbort, { once: true });
  // A timer of its own: signals combined with AbortSignal.any can be collected unfired on Node 20.
  const timer = setTimeout(onAbort, request.timeoutMs);
  try {
    const response = await fetch(url, {
      method: request.method,
      headers,
      body: request.body,
      redirect: 'manual',
      signal: abort.signal,
    });
    const text = await readText(response, maxBytes, request.what);
    return { status: response.status, headers: response.headers, text };
  } catch (error) {
    throw error instanceof OutcomeError ? error : mapSendFailure(error, request);
  } finally {
    clearTimeout(timer);
    request.signal.removeEventListener('abort', onAbort);
  }
}

/** A token with a line break would make `fetch` throw with the token in its message. */
function sendableHeaders(request: HttpRequest): Record<string, string> {
  try {
    for (const [name, value] of Object.entries(request.headers ?? {})) validateHeaderValue(name, value);
    return { ...request.headers };
  } catch {
    throw new OutcomeError('unauthorized', `${request.what}: a header, probably the token, cannot be sent`, {
      sent: false,
    });
  }
}

async function readText(response: FetchAnswer, maxBytes: number, what: string): Promise<string> {
  if (response.body === null) return '';
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body) {
    size += chunk.byteLength;
    if (size > maxBytes) {
      // Leaving lets go of the rest. The status alone still decides about a refusal; only an answer we would have to read
      // is lost.
      if (response.status >= 400) return '';
      throw new OutcomeError('unexpected-response', `${what}: answer is longer than ${maxBytes} bytes`, {
        status: response.status,
      });
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function mapSendFailure(error: unknown, request: HttpRequest): OutcomeError {
  const cause = causeOf(error);
  if (
    cause.code !== null &&
    (codesBeforeSending.has(cause.code) || callsBeforeSending.has(cause.syscall ?? ''))
  ) {
    return new OutcomeError('unavailable', `${request.what}: no connection (${cause.code})`, { sent: false });
  }
  const why = cause.code ?? (isObject(error) && typeof error.name === 'string' ? error.name : typeof error);
  return new OutcomeError('outcome-unknown', `${request.what}: no answer (${redact(why, request.secrets)})`);
}

/** The global `fetch` fails with a bare TypeError; what happened is in its cause. */
function causeOf(error: unknown): { code: string | null; syscall: string | null } {
  const outer = isObject(error) ? error : {};
  const inner = isObject(outer.cause) ? outer.cause : outer;
  return {
    code: typeof inner.code === 'string' ? inner.code : null,
    syscall: typeof inner.syscall === 'string' ? inner.syscall : null,
  };
}

function classify(
  reply: HttpReply,
  request: HttpRequest,
  mapError: MapError | undefined,
  now: Date,
): OutcomeError {
  const { status, headers, text } = reply;
  if (status < 400) {
    return new OutcomeError('unexpected-response', `${request.what}: unexpected status ${status}`, {
      status,
    });
  }
  const mapped = mapError?.(status, headers, parseObject(text));
  if (mapped) {
    return new OutcomeError(mapped.code, redact(`${request.what}: ${mapped.message}`, request.secrets), {
      status,
      ...mapped.details,
    });
  }
  const message = redact(`${request.what}: answer ${status} ${text.slice(0, 300)}`.trim(), request.secrets);
  if (status === 401) return new OutcomeError('unauthorized', message, { status });
  if (status === 429) {
    return new OutcomeError('rate-limited', message, { status, retryAfterMs: parseRetryAfter(headers, now) });
  }
  // 408 is the server's own time-out: like a 5xx it does not say how much had been taken.
  if (status >= 500 || status === 408) {
    const retryAfterMs = parseRetryAfter(headers, now);
    return new OutcomeError('unavailable', message, { status, sent: true, retryAfterMs });
  }
  return new OutcomeError('rejected', message, { status });
}

/** Reads `Retry-After` in both its forms, seconds and HTTP date; `undefined` when absent or unreadable. */
export function parseRetryAfter(headers: AnswerHeaders, now: Date): number | undefined {
  const value = headers.get('retry-after')?.trim();
  if (!value) return undefined;
  if (/^\d+$/.test(value)) return Number(value) * 1000;
  const at = Date.parse(value);
  return Number.isNaN(at) ? undefined : Math.max(0, at - now.getTime());
}

/** Takes credentials and everything behind an address's host out of a text that will be shown or stored. */
export function redact(text: string, secrets: readonly string[] = []): string {
  let shown = text;
  for (const secret of secrets) {
    if (secret === '') continue;
    shown = shown.replaceAll(secret, '[redacted]').replaceAll(encodeURIComponent(secret), '[redacted]');
  }
  return shown
    .replace(/\b(Bearer|OAuth)\s+[^\s"',;]+/gi, '$1 [redacted]')
    .replace(/\b(https?:\/\/)(?:[^\s"'<>/@]*@)?([^\s"'<>/?#]+)[/?#][^\s"'<>]*/gi, '$1$2/[redacted]')
    .replace(
      /\b(access_token|refresh_token|client_secret|appsecret_proof|authorization|x-amz-signature|signature)(["']?\s*[=:]\s*["']?)[^\s"'&,;}]+/gi,
      '$1$2[redacted]',
    );
}

/** Splices values into a path, percent-encoded: path`/rest/images/${urn}`. A value that would change the path throws. */
export function path(parts: TemplateStringsArray, ...values: readonly string[]): string {
  const bad = values.find((value) => value === '' || value === '.' || value === '..');
  if (bad !== undefined)
    throw new OutcomeError('rejected', `Not usable in an address: "${bad}"`, { sent: false });
  return parts.reduce(
    (whole, part, index) => `${whole}${encodeURIComponent(values[index - 1] ?? '')}${part}`,
  );
}

/** Waits while telling the caller that it is alive; ends early with `unavailable` when the caller gives up. */
export async function pause(ms: number, context: CallContext, what: string): Promise<void> {
  const until = performance.now() + ms;
  do {
    context.progress(what);
    await sleep(Math.min(progressEveryMs, Math.max(0, until - performance.now())), context.signal, what);
  } while (performance.now() < until);
}

function sleep(ms: number, signal: AbortSignal, what: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const onAbort = () => {
      clearTimeout(timer);
      reject(new OutcomeError('unavailable', `${what}: cancelled while waiting`, { sent: false }));
    };
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', onAbort);
      resolve();
    }, ms);
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort, { once: true });
  });
}

export const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function parseObject(text: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : null;
  } catch {
    return null;
  }
}
