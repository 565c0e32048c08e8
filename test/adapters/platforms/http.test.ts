import { createServer, type RequestListener, type Server } from 'node:http';
import { type AddressInfo, createServer as createTcpServer } from 'node:net';
import {
  createHttpClient,
  type HttpRequest,
  parseRetryAfter,
  path,
  redact,
} from '../../../adapters/platforms/http.ts';
import { createPlatformFetch } from '../../../adapters/platforms/platform-fetch.ts';
import { fetchFailure, outcomeOf, scripted, token } from './support.ts';

const origin = 'https://api.example';
const request = (fields: Partial<HttpRequest> = {}): HttpRequest => ({
  method: 'POST',
  url: `${origin}/posts`,
  headers: { Authorization: `Bearer ${token}` },
  body: '{}',
  what: 'Example post',
  timeoutMs: 1_000,
  signal: new AbortController().signal,
  secrets: [token],
  ...fields,
});
const clientFor = (...answers: Parameters<typeof scripted>) => {
  const { fetch, sent } = scripted(...answers);
  const now = () => new Date('2026-11-21T10:00:00Z');
  return { client: createHttpClient({ fetch, origins: [origin], maxResponseBytes: 64, now }), sent };
};

describe('the hosts of an adapter', () => {
  it.each([
    'https://evil.example/posts',
    'http://api.example/posts',
    'https://api.example:8443/posts',
    'https://api.example@evil.example/posts',
    'https://api.example.evil.example/posts',
    '//evil.example/posts',
    'not an address',
  ])('sends nothing to %s', async (url) => {
    const { client, sent } = clientFor();
    const error = await outcomeOf(client.send(request({ url })));
    expect(error.code).toBe('unexpected-response');
    expect(error.details.sent).toBe(false);
    expect(error.message).toContain('is not a host of this adapter, nothing was sent');
    expect(sent).toEqual([]);
  });

  it('does not follow a redirect, and calls it an unexpected response', async () => {
    const { client, sent } = clientFor({ status: 302, headers: { location: 'https://evil.example/' } });
    const error = await outcomeOf(client.send(request()));
    expect(error.code).toBe('unexpected-response');
    expect(error.message).toBe('Example post: unexpected status 302');
    expect(sent).toHaveLength(1);
  });
});

describe('what an answer means', () => {
  it.each([
    [400, 'rejected', undefined],
    [401, 'unauthorized', undefined],
    [404, 'rejected', undefined],
    [408, 'unavailable', true],
    [429, 'rate-limited', undefined],
    [500, 'unavailable', true],
    [503, 'unavailable', true],
  ])('reads %i as %s', async (status, code, sent) => {
    const { client } = clientFor({ status, body: '<html>no</html>' });
    const error = await outcomeOf(client.send(request()));
    expect(error.code).toBe(code);
    expect(error.details).toMatchObject({ status, ...(sent === undefined ? {} : { sent }) });
    expect(error.message).toBe(`Example post: answer ${status} <html>no</html>`);
  });

  it('reads a success that is not a JSON object as unexpected response', async () => {
    for (const body of ['<html>fine</html>', '[1]', '"text"', '']) {
      const { client } = clientFor({ status: 200, body });
      const error = await outcomeOf(client.sendJson(request()));
      expect(error.code).toBe('unexpected-response');
      expect(error.message).toContain('answer 200 is not JSON');
    }
  });

  it('reads an answer longer than the cap as unexpected response, a refusal by its status all the same', async () => {
    const long = { body: 'x'.repeat(65) };
    const success = await outcomeOf(clientFor({ status: 200, ...long }).client.send(request()));
    expect(success.code).toBe('unexpected-response');
    expect(success.message).toBe('Example post: answer is longer than 64 bytes');
    const refusal = await outcomeOf(clientFor({ status: 400, ...long }).client.send(request()));
    expect(refusal.code).toBe('rejected');
  });

  it('waits as long as Retry-After says, in seconds or as a date', async () => {
    const seconds = clientFor({ status: 429, headers: { 'retry-after': '7' } });
    expect((await outcomeOf(seconds.client.send(request()))).details.retryAfterMs).toBe(7_000);
    const date = clientFor({ status: 429, headers: { 'retry-after': 'Sat, 21 Nov 2026 10:01:00 GMT' } });
    expect((await outcomeOf(date.client.send(request()))).details.retryAfterMs).toBe(60_000);
  });

  it('does not invent a delay from an unreadable Retry-After, nor one in the past', () => {
    const now = new Date('2026-11-21T10:00:00Z');
    expect(parseRetryAfter(new Headers({ 'retry-after': 'soon' }), now)).toBeUndefined();
    expect(parseRetryAfter(new Headers(), now)).toBeUndefined();
    expect(parseRetryAfter(new Headers({ 'retry-after': 'Sat, 21 Nov 2026 09:00:00 GMT' }), now)).toBe(0);
  });
});

describe('what no answer means', () => {
  it.each([
    ['ECONNREFUSED', undefined],
    ['ENOTFOUND', 'getaddrinfo'],
    ['EAI_AGAIN', undefined],
    ['UND_ERR_CONNECT_TIMEOUT', undefined],
    ['ERR_TLS_CERT_ALTNAME_INVALID', undefined],
    ['ETIMEDOUT', 'connect'],
  ])('knows that %s comes before anything was sent', async (code, syscall) => {
    const { client } = clientFor(fetchFailure(code, syscall));
    const error = await outcomeOf(client.send(request()));
    expect(error.code).toBe('unavailable');
    expect(error.details.sent).toBe(false);
    expect(error.message).toBe(`Example post: no connection (${code})`);
  });

  it.each([
    'ECONNRESET',
    'UND_ERR_SOCKET',
    'UND_ERR_HEADERS_TIMEOUT',
    'UND_ERR_BODY_TIMEOUT',
    'EPIPE',
    'ETIMEDOUT',
    'SOMETHING_NEW',
  ])('takes %s as outcome unknown', async (code) => {
    const { client } = clientFor(fetchFailure(code));
    const error = await outcomeOf(client.send(request()));
    expect(error.code).toBe('outcome-unknown');
    expect(error.message).toBe(`Example post: no answer (${code})`);
  });

  it('takes an error without any code as outcome unknown', async () => {
    const { client } = clientFor(new Error(`boom ${token}`));
    const error = await outcomeOf(client.send(request()));
    expect(error.code).toBe('outcome-unknown');
    expect(error.message).toBe('Example post: no answer (Error)');
  });

  it('sends nothing when the caller gave up before', async () => {
    const { client, sent } = clientFor();
    const error = await outcomeOf(client.send(request({ signal: AbortSignal.abort() })));
    expect(error.code).toBe('unavailable');
    expect(error.details.sent).toBe(false);
    expect(sent).toEqual([]);
  });

  it('sends nothing with a token that cannot stand in a header, and does not show it', async () => {
    const { client, sent } = clientFor();
    const headers = { Authorization: 'Bearer broken\ntoken' };
    const error = await outcomeOf(client.send(request({ headers })));
    expect(error.code).toBe('unauthorized');
    expect(error.message).not.toContain('broken');
    expect(sent).toEqual([]);
  });
});

describe('against real sockets', () => {
  let close = () => {};
  afterEach(() => close());

  const listen = async (listener: RequestListener): Promise<string> => {
    const server: Server = createServer(listener).listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    close = () => {
      server.closeAllConnections();
      server.close();
    };
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  };
  const send = (base: string, fields: Partial<HttpRequest> = {}) =>
    createHttpClient({ fetch: createPlatformFetch(), origins: [base] }).send(
      request({ url: `${base}/posts`, ...fields }),
    );

  it('calls a refused connection not sent', async () => {
    const base = await listen(() => {});
    close();
    const error = await outcomeOf(send(base));
    expect(error.code).toBe('unavailable');
    expect(error.details.sent).toBe(false);
    expect(error.message).toContain('ECONNREFUSED');
  });

  it('calls a connection reset after the request outcome unknown', async () => {
    const base = await listen((incoming) => void incoming.socket.resetAndDestroy());
    expect((await outcomeOf(send(base))).code).toBe('outcome-unknown');
  });

  it('calls silence until the time-out outcome unknown', async () => {
    const base = await listen(() => {});
    const error = await outcomeOf(send(base, { timeoutMs: 50 }));
    expect(error.code).toBe('outcome-unknown');
    expect(error.message).toBe('Example post: no answer (AbortError)');
  });

  it('counts the body into the time-out: an answer that never ends is outcome unknown', async () => {
    const base = await listen((_incoming, outgoing) => void outgoing.writeHead(201).write('{"id":'));
    const error = await outcomeOf(send(base, { timeoutMs: 100 }));
    expect(error.code).toBe('outcome-unknown');
  });

  it('calls a body cut off after a success status outcome unknown', async () => {
    const base = await listen((_incoming, outgoing) => {
      outgoing.writeHead(200, { 'content-length': '100' }).write('{"id":');
      setTimeout(() => outgoing.socket?.destroy(), 20);
    });
    expect((await outcomeOf(send(base))).code).toBe('outcome-unknown');
  });

  it('ends with the caller', async () => {
    const base = await listen(() => {});
    const giveUp = new AbortController();
    setTimeout(() => giveUp.abort(), 20);
    expect((await outcomeOf(send(base, { signal: giveUp.signal }))).code).toBe('outcome-unknown');
  });

  it('calls an answer that is not HTTP outcome unknown', async () => {
    const server = createTcpServer((socket) => void socket.end('SSH-2.0-hello\r\n')).listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    close = () => void server.close();
    const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    expect((await outcomeOf(send(base))).code).toBe('outcome-unknown');
  });
});

describe('messages', () => {
  it('never show a token, a header, a query or a signed address', async () => {
    const body = {
      message: `Token ${token} at https://bucket.example/a.jpg?X-Amz-Signature=s3cr3t and Bearer abc.def`,
      access_token: 'EAAB123',
    };
    const { fetch } = scripted({ status: 400, body });
    const error = await outcomeOf(createHttpClient({ fetch, origins: [origin] }).send(request()));
    expect(error.code).toBe('rejected');
    for (const secret of [token, 's3cr3t', 'abc.def', 'EAAB123', 'a.jpg'])
      expect(error.message).not.toContain(secret);
    expect(error.message).toContain('https://bucket.example/[redacted]');
  });

  it('never show a secret that comes back percent-encoded', () => {
    expect(redact('x=a%2Fb%3D%3D', ['a/b=='])).toBe('x=[redacted]');
    expect(redact('client_secret: hush, next')).toBe('client_secret: [redacted], next');
  });

  it('are cut to size', async () => {
    const { fetch } = scripted({ status: 400, body: { error: { code: 1 } } });
    const mapError = () => null;
    const what = 'w'.repeat(600);
    const error = await outcomeOf(
      createHttpClient({ fetch, origins: [origin], mapError }).send(request({ what })),
    );
    expect(error.message).toHaveLength(500);
  });
});

describe('paths', () => {
  it('percent-encode what is spliced in, and refuse what would climb', () => {
    expect(path`/rest/images/${'urn:li:image:A/b'}`).toBe('/rest/images/urn%3Ali%3Aimage%3AA%2Fb');
    for (const value of ['..', '.', ''])
      expect(() => path`/${value}/media`).toThrow(`Not usable in an address: "${value}"`);
  });
});
