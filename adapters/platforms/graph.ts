import { Readable } from 'node:stream';
import { OutcomeError } from '../../domain/outcome.ts';
import { type AdapterOptions, hostOf, type Timings } from './definition.ts';
import {
  type AnswerHeaders,
  createHttpClient,
  type HttpClient,
  type HttpRequest,
  isObject,
  parseRetryAfter,
  path,
  pause,
} from './http.ts';
import type { Account, CallContext, MediaAccess, MediaItem, Receipt } from './publisher.ts';

/**
 * What Meta's platforms share: the calls of the Graph API, its errors, its usage headers, waiting for what it processes and
 * its upload host. How people log in with Facebook is in `facebook-login.ts`.
 */

// Limits

const defaultCallTimeoutMs = 30_000;
/** Without a time from Meta: the first wait of its advised back-off. */
const throttledRetryMs = 60_000;
/**
 * Meta advises to slow down before a limit's rolling window is used up, and gives no number.
 * https://developers.facebook.com/docs/graph-api/overview/rate-limiting (read 2026-11-21)
 */
const usagePauses = [
  { fromPercent: 95, forMs: 300_000 },
  { fromPercent: 80, forMs: 60_000 },
];
const uploadPieceBytes = 4 * 1_048_576;
/** The slowest line an upload is waited for; a slower one is broken off and goes on from where Meta has it. */
const slowestUploadBytesPerSecond = 250_000;

// The client

export interface GraphSetup {
  /** As its people write it, for messages: `Instagram`. */
  readonly name: string;
  /** The name among the definition's hosts where calls go. */
  readonly host: string;
  readonly defaults: Timings;
  /** What the platform's own codes mean; `null` leaves an error to the common table. A dead token is none of its matters. */
  readonly mapError?: (error: GraphError) => OutcomeError | null;
}

/** An error of the Graph API, read but not yet judged. */
export interface GraphError {
  readonly status: number;
  readonly code: number;
  /** 0 for none. */
  readonly subcode: number;
  /** Status and `9007/2207027`: where an outcome's details begin. */
  readonly details: { readonly status: number; readonly platformCode: string };
  readonly message: string;
}

export type GraphBody = Readonly<Record<string, unknown>>;

export interface GraphCall {
  /** Behind the version, with a slash in front: path`/${id}/media`. */
  readonly path: string;
  /** Without the question mark, encoded. */
  readonly query?: string;
  readonly what: string;
  /** Default 30 s. */
  readonly timeoutMs?: number;
  readonly secrets?: readonly string[];
}

export interface GraphWrite extends GraphCall {
  /** Sent as JSON. */
  readonly body?: GraphBody;
  /** Sent as a form, where a platform documents nothing else. */
  readonly form?: Readonly<Record<string, string>>;
}

/** Calls of one platform. A token goes into the header alone; `null` sends none. Usage headers ask the caller to slow down. */
export interface Graph {
  readonly name: string;
  readonly http: HttpClient;
  /** Host and version. */
  readonly baseUrl: string;
  readonly now: () => Date;
  readonly timings: Timings;
  readonly get: (token: string | null, context: CallContext, call: GraphCall) => Promise<GraphBody>;
  readonly post: (token: string | null, context: CallContext, call: GraphWrite) => Promise<GraphBody>;
  readonly remove: (token: string | null, context: CallContext, call: GraphCall) => Promise<GraphBody>;
}

export function createGraph(options: AdapterOptions, setup: GraphSetup): Graph {
  const now = options.now ?? (() => new Date());
  const { name, mapError } = setup;
  const http = createHttpClient({
    fetch: options.fetch,
    origins: [...Object.values(options.hosts), ...options.uploadOrigins],
    mapError: (status, headers, body) => mapGraphAnswer(name, mapError, status, headers, body, now()),
    now,
  });
  const baseUrl = [hostOf(options, setup.host), options.version].filter((part) => part !== '').join('/');
  const send =
    (method: HttpRequest['method']) =>
    async (token: string | null, context: CallContext, call: GraphWrite): Promise<GraphBody> => {
      const reply = await http.sendJson({
        method,
        url: `${baseUrl}${call.path}${call.query ? `?${call.query}` : ''}`,
        headers: { ...(token !== null && { Authorization: `Bearer ${token}` }), ...typeOf(call) },
        ...bodyOf(call),
        what: call.what,
        timeoutMs: call.timeoutMs ?? defaultCallTimeoutMs,
        signal: context.signal,
        secrets: [...(token === null ? [] : [token]), ...(call.secrets ?? [])],
      });
      slowDownFor(reply.headers, context);
      return reply.body;
    };
  return {
    ...{ name, http, baseUrl, now, timings: { ...setup.defaults, ...options.timings } },
    ...{ get: send('GET'), post: send('POST'), remove: send('DELETE') },
  };
}

function typeOf({ body, form }: GraphWrite): Record<string, string> {
  if (body) return { 'Content-Type': 'application/json' };
  return form ? { 'Content-Type': 'application/x-www-form-urlencoded' } : {};
}

function bodyOf({ body, form }: GraphWrite): Pick<HttpRequest, 'body'> {
  if (body) return { body: JSON.stringify(body) };
  return form ? { body: new URLSearchParams(form).toString() } : {};
}

/** The id of what a write made. */
export function idOf(body: GraphBody, what: string): string {
  const { id } = body;
  if (typeof id === 'string' && id !== '') return id;
  throw new OutcomeError('unexpected-response', `${what}: no id in the answer`);
}

/** What was published, with the permalink that Meta gives it. */
export async function readReceipt(
  graph: Graph,
  account: Account,
  publicId: string,
  what: string,
  context: CallContext,
): Promise<Receipt> {
  const body = await graph.get(account.accessToken, context, {
    ...{ path: path`/${publicId}`, query: 'fields=id,permalink,timestamp', what },
  });
  if (typeof body.permalink === 'string') return { publicId, permalink: body.permalink };
  throw new OutcomeError('unexpected-response', `${what}: no permalink in the answer`);
}

/** The elements of a list's page. */
export function dataOf(body: GraphBody, what: string): readonly GraphBody[] {
  if (!Array.isArray(body.data))
    throw new OutcomeError('unexpected-response', `${what}: no data in the answer`);
  return body.data.map((element: unknown) => (isObject(element) ? element : {}));
}

/** Graph writes `2026-11-21T10:00:00+0000`, an offset without the colon ISO 8601 wants; `null` for anything else. */
export function parseGraphTime(value: unknown): number | null {
  if (typeof value !== 'string') return null;
  const at = Date.parse(value.replace(/([+-]\d{2})(\d{2})$/, '$1:$2'));
  return Number.isNaN(at) ? null : at;
}

// Waiting

export interface Processed {
  readonly ids: readonly string[];
  /** For messages: `container 17`. */
  readonly nameOf: (id: string) => string;
  /** Throws for what will never be ready. */
  readonly isReady: (id: string) => Promise<boolean>;
}

/** Looks again and again until all are ready, within one processing time-out; then `unavailable`. */
export async function waitUntilReady(
  graph: Graph,
  context: CallContext,
  { ids, nameOf, isReady }: Processed,
): Promise<void> {
  const deadline = performance.now() + graph.timings.processingTimeoutMs;
  for (const id of ids) {
    while (!(await isReady(id))) {
      if (performance.now() >= deadline) {
        const message = `${graph.name} is still processing ${nameOf(id)}`;
        throw new OutcomeError('unavailable', message, { sent: false, handleIsDead: true });
      }
      await pause(graph.timings.pollIntervalMs, context, `${graph.name} is processing ${nameOf(id)}`);
    }
  }
}

// Media

export interface VideoUpload {
  /** At the upload host: `https://rupload.facebook.com/video-upload/v26.0/{id}`. */
  readonly url: string;
  readonly item: MediaItem;
  readonly media: MediaAccess;
  /** How many bytes Meta has already, by its own word. */
  readonly offset: number;
  readonly what: string;
}

/**
 * Sends what is missing of a video to Meta's upload host. It goes up to the end in one request, which is read piece by
 * piece: the host answers a body that ends before `file_size` with PartialRequestError. What arrives before a break
 * stays, and the next attempt asks how much that is.
 */
// https://developers.facebook.com/documentation/video-api/guides/reels-publishing (read 2026-11-21)
export async function uploadVideo(
  graph: Graph,
  account: Account,
  context: CallContext,
  { url, item, media, offset, what }: VideoUpload,
): Promise<void> {
  const missingBytes = item.sizeBytes - offset;
  const { body } = await graph.http.sendJson({
    method: 'POST',
    url,
    headers: {
      // This host alone wants the word OAuth.
      Authorization: `OAuth ${account.accessToken}`,
      offset: String(offset),
      file_size: String(item.sizeBytes),
      'Content-Type': 'application/octet-stream',
      'Content-Length': String(missingBytes),
    },
    body: Readable.from(piecesOf(item, media, offset, (sent) => context.progress(`${what}: ${sent}`))),
    what,
    timeoutMs: defaultCallTimeoutMs + Math.ceil((missingBytes / slowestUploadBytesPerSecond) * 1_000),
    signal: context.signal,
    secrets: [account.accessToken],
  });
  if (body.success === true) return;
  throw (
    mapUploadError(graph.name, 200, body) ??
    new OutcomeError('unexpected-response', `${what}: the answer does not say that it has the video`)
  );
}

async function* piecesOf(
  item: MediaItem,
  media: MediaAccess,
  offset: number,
  tell: (sent: string) => void,
): AsyncIterable<Uint8Array> {
  for (let start = offset; start < item.sizeBytes; start += uploadPieceBytes) {
    tell(`${start} of ${item.sizeBytes} bytes`);
    yield await media.range(item, start, Math.min(item.sizeBytes, start + uploadPieceBytes));
  }
}

// Errors

const tokenDead: ReadonlySet<number> = new Set([190, 102]);
const permissionMissing = (code: number): boolean =>
  [3, 10, 283].includes(code) || (code >= 200 && code <= 299);
const throttled: ReadonlySet<number> = new Set([4, 17, 32, 341, 613, 80001, 80002]);
const serverTrouble: ReadonlySet<number> = new Set([-2, -1, 1, 2]);

function mapGraphAnswer(
  name: string,
  mapError: GraphSetup['mapError'],
  status: number,
  headers: AnswerHeaders,
  body: GraphBody | null,
  now: Date,
): OutcomeError | null {
  const error = body && isObject(body.error) ? body.error : null;
  if (!error || typeof error.code !== 'number') return mapUploadError(name, status, body);
  const { code } = error;
  const subcode = typeof error.error_subcode === 'number' ? error.error_subcode : 0;
  const platformCode = subcode === 0 ? `${code}` : `${code}/${subcode}`;
  const text = typeof error.message === 'string' ? error.message : '';
  const read: GraphError = {
    ...{ status, code, subcode, details: { status, platformCode } },
    message: `${name} answered ${platformCode}: ${text}`,
  };
  if (tokenDead.has(code) || status === 401)
    return new OutcomeError('unauthorized', read.message, read.details);
  return (
    mapError?.(read) ??
    mapCommonError(read, {
      isTransient: error.is_transient === true,
      retryAfterMs: readUsage(headers).regainMs ?? parseRetryAfter(headers, now) ?? throttledRetryMs,
    })
  );
}

/** Meta's common codes: branches on code, subcode and `is_transient`, never on the text. */
// https://developers.facebook.com/docs/graph-api/guides/error-handling (read 2026-11-21)
function mapCommonError(
  { status, code, details, message }: GraphError,
  { isTransient, retryAfterMs }: { isTransient: boolean; retryAfterMs: number },
): OutcomeError {
  if (permissionMissing(code)) return new OutcomeError('unauthorized', message, details);
  if (throttled.has(code) || status === 429) {
    return new OutcomeError('rate-limited', message, { ...details, retryAfterMs });
  }
  // 506 "duplicate post" may speak of our own earlier attempt: looked up before anything is concluded.
  if (serverTrouble.has(code) || isTransient || status >= 500 || code === 506) {
    return new OutcomeError('unavailable', message, { ...details, sent: true });
  }
  return new OutcomeError('rejected', message, details);
}

/** The upload host has words of its own; nothing it takes is public, so it can always be tried again. */
// https://developers.facebook.com/documentation/video-api/guides/reels-publishing (read 2026-11-21)
function mapUploadError(name: string, status: number, body: GraphBody | null): OutcomeError | null {
  const info = body && isObject(body.debug_info) ? body.debug_info : null;
  if (!info || typeof info.type !== 'string') return null;
  const text = typeof info.message === 'string' ? info.message : '';
  const message = `${name} answered ${info.type}: ${text}`;
  const details = { status, platformCode: info.type, sent: false };
  if (status === 401) return new OutcomeError('unauthorized', message, { status, platformCode: info.type });
  // A wrong offset and a body that ended early are put right by asking for the offset; anything else needs a new session.
  const isGoingOn = ['OffsetInvalidError', 'PartialRequestError'].includes(info.type);
  const handleIsDead = !isGoingOn && info.retriable !== true;
  return new OutcomeError('unavailable', message, { ...details, ...(handleIsDead && { handleIsDead }) });
}

/**
 * A call that asks for tokens, whose code 1 with a status of 4xx is no trouble that passes: so a wrong secret of the
 * application is answered ("Error validating client secret."), which is the same at every repetition. Anywhere else, and
 * with 5xx, code 1 is Meta's unknown error.
 */
// Second-hand: reported by those who integrate; Meta documents code 1 as an unknown error alone (read 2026-11-21).
export async function requestingTokens<Answer>(call: Promise<Answer>): Promise<Answer> {
  try {
    return await call;
  } catch (error) {
    if (!(error instanceof OutcomeError)) throw error;
    const { platformCode, status = 0 } = error.details;
    if (error.code !== 'unavailable' || platformCode !== '1' || status >= 500) throw error;
    throw new OutcomeError('rejected', error.message, { status, platformCode });
  }
}

// Usage

interface Usage {
  /** Of the limit that is nearest to its end. */
  readonly percent: number;
  /** Until a throttled account is let in again. */
  readonly regainMs: number | undefined;
}

function slowDownFor(headers: AnswerHeaders, context: CallContext): void {
  const { percent, regainMs } = readUsage(headers);
  const pauseMs = regainMs ?? usagePauses.find(({ fromPercent }) => percent >= fromPercent)?.forMs;
  if (pauseMs !== undefined) context.slowDown?.(pauseMs);
}

/** `X-App-Usage` is one usage; the business header maps business ids to lists of them, the time in whole minutes. */
// https://developers.facebook.com/docs/graph-api/overview/rate-limiting (read 2026-11-21)
function readUsage(headers: AnswerHeaders): Usage {
  const usages = [
    parseHeader(headers.get('x-app-usage')),
    ...Object.values(parseHeader(headers.get('x-business-use-case-usage'))).flat(),
  ].filter(isObject);
  const highest = (...names: readonly string[]): number =>
    Math.max(0, ...usages.flatMap((usage) => names.map((name) => Number(usage[name]) || 0)));
  const minutes = highest('estimated_time_to_regain_access');
  return {
    percent: highest('call_count', 'total_time', 'total_cputime'),
    regainMs: minutes > 0 ? minutes * 60_000 : undefined,
  };
}

function parseHeader(value: string | null): Record<string, unknown> {
  try {
    const parsed: unknown = JSON.parse(value ?? '{}');
    return isObject(parsed) ? parsed : {};
  } catch {
    return {};
  }
}
