import type { LookupAddress } from 'node:dns';
import { lookup } from 'node:dns/promises';
import { isIP, type LookupFunction } from 'node:net';
import { Agent, buildConnector, type Dispatcher, request } from 'undici';
import { isPublicAddress } from './public-address.ts';

/** Every address of a name, of both families. */
export type Resolve = (hostname: string) => Promise<readonly LookupAddress[]>;

export interface GuardedFetchOptions {
  /** Whether plain `http` is taken (default false). */
  readonly allowHttp?: boolean;
  /** Ports that may be asked (default 80 and 443). */
  readonly ports?: readonly number[];
  /** Default: as the system resolves. */
  readonly resolve?: Resolve;
  /** To connect, and until the answer's head comes, in milliseconds (default 15 s). */
  readonly answerWithinMs?: number;
  /** How long the body may pause, in milliseconds (default 20 s). */
  readonly idleMs?: number;
}

export interface GuardedRequest {
  readonly maxBytes: number;
  /** Bounds everything, redirects and body included, in milliseconds. */
  readonly totalMs: number;
  readonly signal?: AbortSignal;
}

export type GuardedFetchErrorCode = 'address-refused' | 'fetch-failed' | 'too-large';

/**
 * Why an address was not fetched. The message says it to whoever named the address: neither what its name resolves to, nor
 * what its path and query hold.
 */
export class GuardedFetchError extends Error {
  override readonly name = 'GuardedFetchError';
  readonly code: GuardedFetchErrorCode;
  /** The same may succeed a little later. */
  readonly mayPass: boolean;

  constructor(code: GuardedFetchErrorCode, message: string, { mayPass = false } = {}) {
    super(message);
    this.code = code;
    this.mayPass = mayPass;
  }
}

/**
 * Hands the body of a 200 to `consume` while it comes, and answers what that answers.
 *
 * @throws GuardedFetchError, also out of the body: `address-refused`, `fetch-failed`, `too-large`; whatever `consume` throws
 */
export type GuardedFetch = <Result>(
  url: string,
  options: GuardedRequest,
  consume: (body: AsyncIterable<Uint8Array>) => Promise<Result>,
) => Promise<Result>;

const mostRedirects = 5;
const defaultPorts = [80, 443];
const defaultAnswerWithinMs = 15_000;
const defaultIdleMs = 20_000;
const headers = { Accept: '*/*', 'Accept-Encoding': 'identity', 'User-Agent': 'Gatepost' };

const resolveBySystem: Resolve = (hostname) => lookup(hostname, { all: true, verbatim: true });

/**
 * The only way an address from outside is ever fetched. A name is resolved once for each connection, every address it has
 * must be a public one, and the connection goes to one of those: nothing is looked up between the check and the use. Redirects
 * (five at most) are checked in the same way. Sends no credentials and keeps no connection.
 */
export function createGuardedFetch(options: GuardedFetchOptions = {}): GuardedFetch {
  return async (url, limits, consume) => {
    const abort = new AbortController();
    const late = () => abort.abort(failed('It took too long', { mayPass: true }));
    const timer = setTimeout(late, limits.totalMs);
    const called = () => abort.abort(limits.signal?.reason);
    limits.signal?.addEventListener('abort', called, { once: true });
    if (limits.signal?.aborted) called();
    const agent = openAgent(options, abort.signal);
    // A request that still waits for its connection does not listen to its signal.
    abort.signal.addEventListener('abort', () => void agent.destroy(abort.signal.reason));
    try {
      const answer = await follow(url, options, agent, abort.signal);
      requireLength(answer.headers['content-length'], limits.maxBytes);
      return await consume(bounded(answer.body, limits.maxBytes, abort.signal));
    } catch (error) {
      throw abort.signal.aborted ? abort.signal.reason : error;
    } finally {
      clearTimeout(timer);
      limits.signal?.removeEventListener('abort', called);
      await agent.destroy();
    }
  };
}

const refused = (message: string): GuardedFetchError => new GuardedFetchError('address-refused', message);
const notPublic = (hostname: string): GuardedFetchError =>
  refused(`${hostname} does not lead to a public host`);
const failed = (message: string, more?: { mayPass: boolean }): GuardedFetchError =>
  new GuardedFetchError('fetch-failed', message, more);

/** Asks, and asks on where it is sent on; answers a 200. */
async function follow(
  start: string,
  options: GuardedFetchOptions,
  dispatcher: Agent,
  signal: AbortSignal,
): Promise<Dispatcher.ResponseData> {
  let url = allowedUrl(start, undefined, options);
  for (let redirects = 0; ; redirects += 1) {
    const answer = await ask(url, dispatcher, signal);
    const { statusCode: status } = answer;
    if (status === 200) return answer;
    // What a refusal says is nobody's business.
    answer.body.destroy();
    if (![301, 302, 303, 307, 308].includes(status))
      throw failed(`${url.host} answered ${status}`, { mayPass: status >= 500 || status === 429 });
    if (redirects === mostRedirects) throw failed(`${url.host} redirects more than ${mostRedirects} times`);
    const { location } = answer.headers;
    if (typeof location !== 'string') throw failed(`${url.host} redirects to nowhere`);
    url = allowedUrl(location, url, options);
  }
}

/**
 * Reads an address as the fetch will, so that it can be refused before anything is kept; where its name leads is not asked.
 *
 * @throws GuardedFetchError `address-refused`
 */
export const checkAddress = (
  text: string,
  options: Pick<GuardedFetchOptions, 'allowHttp' | 'ports'>,
): URL => {
  const url = allowedUrl(text, undefined, options);
  const host = url.hostname.replace(/^\[|\]$/g, '');
  if (isIP(host) !== 0 && !isPublicAddress(host)) throw notPublic(url.hostname);
  return url;
};

function allowedUrl(
  text: string,
  base: URL | undefined,
  options: Pick<GuardedFetchOptions, 'allowHttp' | 'ports'>,
): URL {
  if (!URL.canParse(text, base?.href)) throw refused('It is no address');
  const url = new URL(text, base?.href);
  const isPlain = url.protocol === 'http:';
  if (url.protocol !== 'https:' && !(isPlain && options.allowHttp))
    throw refused(
      `An address of ${url.protocol} is not taken, only of https:${options.allowHttp ? ' and http:' : ''}`,
    );
  if (url.username !== '' || url.password !== '') throw refused('An address with a user is not taken');
  const port = Number(url.port || (isPlain ? 80 : 443));
  const ports = options.ports ?? defaultPorts;
  if (!ports.includes(port)) throw refused(`The port ${port} is not taken, only ${ports.join(', ')}`);
  url.hash = '';
  return url;
}

async function ask(url: URL, dispatcher: Agent, signal: AbortSignal): Promise<Dispatcher.ResponseData> {
  try {
    const answer = await request(url, { method: 'GET', headers, dispatcher, signal });
    // A body that nobody reads to its end is cut off with its connection.
    answer.body.on('error', () => {});
    return answer;
  } catch (error) {
    throw mapFailure(error, url);
  }
}

function mapFailure(error: unknown, url: URL): unknown {
  if (error instanceof GuardedFetchError) return error;
  const { code = 'unknown' } = (error ?? {}) as { code?: unknown };
  return failed(`${url.host} could not be reached (${String(code)})`, { mayPass: true });
}

function openAgent(
  {
    resolve = resolveBySystem,
    answerWithinMs = defaultAnswerWithinMs,
    idleMs = defaultIdleMs,
  }: GuardedFetchOptions,
  signal: AbortSignal,
): Agent {
  const connect: buildConnector.connector = (target, callback) => {
    resolvePublic(target.hostname, resolve)
      .then((addresses) => {
        signal.throwIfAborted();
        // The name stays for TLS and `Host`; where it leads has been decided.
        const pinned = buildConnector({ timeout: answerWithinMs, lookup: lookupFrom(addresses) });
        pinned(target, callback);
      })
      .catch((error: Error) => callback(error, null));
  };
  return new Agent({ connect, headersTimeout: answerWithinMs, bodyTimeout: idleMs, pipelining: 0 });
}

/** The addresses of a host, all of them public. */
async function resolvePublic(hostname: string, resolve: Resolve): Promise<readonly LookupAddress[]> {
  const family = isIP(hostname);
  const addresses = family === 0 ? await resolveName(hostname, resolve) : [{ address: hostname, family }];
  if (addresses.length === 0) throw failed(`${hostname} has no address`);
  if (!addresses.every(({ address }) => isPublicAddress(address))) throw notPublic(hostname);
  return addresses;
}

async function resolveName(hostname: string, resolve: Resolve): Promise<readonly LookupAddress[]> {
  try {
    return await resolve(hostname);
  } catch (error) {
    const { code } = (error ?? {}) as { code?: unknown };
    throw failed(`${hostname} could not be resolved`, { mayPass: code !== 'ENOTFOUND' });
  }
}

const lookupFrom =
  (addresses: readonly LookupAddress[]): LookupFunction =>
  (_hostname, { all }, callback) => {
    if (all) callback(null, [...addresses]);
    else callback(null, addresses[0]!.address, addresses[0]!.family);
  };

function requireLength(header: string | string[] | undefined, maxBytes: number): void {
  if (Number(header) > maxBytes) throw tooLarge(maxBytes);
}

const tooLarge = (maxBytes: number): GuardedFetchError =>
  new GuardedFetchError('too-large', `The file has more than ${maxBytes} bytes`);

/** The body as it comes; what was declared may not be true. */
async function* bounded(
  body: AsyncIterable<Uint8Array>,
  maxBytes: number,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  let size = 0;
  const chunks = body[Symbol.asyncIterator]();
  for (;;) {
    const next = await chunks.next().catch((error: unknown) => {
      const { code = 'unknown' } = (error ?? {}) as { code?: unknown };
      throw signal.aborted
        ? signal.reason
        : failed(`The file broke off after ${size} bytes (${String(code)})`, { mayPass: true });
    });
    if (next.done) return;
    size += next.value.byteLength;
    if (size > maxBytes) throw tooLarge(maxBytes);
    yield next.value;
  }
}
