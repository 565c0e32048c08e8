import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { type AddressInfo, createServer as createTcpServer, type LookupFunction, Socket } from 'node:net';
import { jest } from '@jest/globals';
import {
  createGuardedFetch,
  GuardedFetchError,
  type GuardedFetchOptions,
  type Resolve,
} from '../../../adapters/http/guarded-fetch.ts';
import { isPublicAddress } from '../../../adapters/http/public-address.ts';

/*
 * The open internet of these tests: names lead to public addresses, and what connects to a public address reaches a server
 * on this machine. Everything else connects to where it says, and a canary listens there.
 */

const publicIp = '93.184.215.14';
const publicIp6 = '2606:2800:21f:cb07:6820:80da:af6b:8b2c';

let canary: Server;
let web: Server;
let canaryPort: number;
let canaryPackets = 0;
/** Where sockets were opened to. */
const dialled: string[] = [];
const asked: IncomingMessage[] = [];
let answer: (request: IncomingMessage, response: ServerResponse) => void;

/** By name; what is not there does not exist. */
const names = new Map<string, readonly string[]>();
const lookups: string[] = [];
const resolve: Resolve = async (hostname) => {
  lookups.push(hostname);
  const addresses = names.get(hostname);
  if (!addresses) throw Object.assign(new Error('ENOTFOUND'), { code: 'ENOTFOUND' });
  return addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 }));
};

beforeAll(async () => {
  canary = createTcpServer((socket) => {
    canaryPackets += 1;
    socket.destroy();
  }) as Server;
  // Both families.
  canary.listen(0, '::');
  await new Promise((done) => canary.once('listening', done));
  canaryPort = (canary.address() as AddressInfo).port;
  web = createServer((request, response) => {
    asked.push(request);
    answer(request, response);
  }).listen(0, '127.0.0.1');
  await new Promise((done) => web.once('listening', done));
  bendPublicAddresses((web.address() as AddressInfo).port);
});
afterAll(() => {
  jest.restoreAllMocks();
  canary.close();
  web.closeAllConnections();
  web.close();
});
beforeEach(() => {
  for (const list of [dialled, asked, lookups]) list.length = 0;
  names.clear();
  canaryPackets = 0;
  answer = (_request, response) => response.end('the file');
});

/** Notes each address that a socket is opened to, and leads the public ones to the server of this test. */
function bendPublicAddresses(port: number): void {
  const connect = Socket.prototype.connect;
  jest.spyOn(Socket.prototype, 'connect').mockImplementation(function (this: Socket, ...parameters) {
    // Node's own way of passing on what it has sorted already is one list.
    const [options, callback] = parameters.flat() as unknown as [ConnectOptions, () => void];
    const dial = (address: string) => {
      dialled.push(address);
      const to = isPublicAddress(address) ? { port, host: '127.0.0.1' } : { ...options, host: address };
      return connect.call(this, to as never, callback);
    };
    if (!options.lookup) return dial(options.host);
    options.lookup(options.host, { all: false }, (_error, address) => void dial(address as string));
    return this;
  } as typeof connect);
}
interface ConnectOptions {
  readonly host: string;
  readonly lookup?: LookupFunction;
}

const limits = { maxBytes: 1_000, totalMs: 3_000 };
async function text(body: AsyncIterable<Uint8Array>): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of body) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}
/** As free as an operator can make it, so that the address alone decides. */
const fetchFrom = (url: string, options: GuardedFetchOptions = {}, changed: Partial<typeof limits> = {}) =>
  createGuardedFetch({ allowHttp: true, ports: [80, 443, canaryPort], resolve, ...options })(
    url,
    { ...limits, ...changed },
    text,
  );
async function failureOf(work: Promise<unknown>): Promise<GuardedFetchError> {
  const error = await work.then(
    (result) => new Error(`It was fetched: ${String(result)}`),
    (reason: unknown) => reason,
  );
  if (error instanceof GuardedFetchError) return error;
  throw error;
}
const redirectTo = (location: string, status = 302) => {
  answer = ({ url }, response) =>
    url === '/start' ? response.writeHead(status, { location }).end('secret body') : response.end('landed');
};

/** `PORT` is the canary's. */
const hostileHosts = [
  // Loopback, in every way to write it.
  ...['127.0.0.1', '127.1', '127.0.1', '2130706433', '0x7f000001', '0x7f.0.0.1', '0x7f.1', '017700000001'],
  ...[
    '0177.0.0.1',
    '0177.1',
    '127.255.255.254',
    '127.0.0.1.',
    '%31%32%37.0.0.1',
    '１２７.0.0.1',
    '127。0。0。1',
  ],
  ...['[::1]', '[0:0:0:0:0:0:0:1]', '[0000::0001]'],
  // Unspecified, and this network.
  ...['0.0.0.0', '0', '0x0', '00', '0.1.2.3', '[::]'],
  // IPv4 in IPv6's clothes: mapped, compatible, translated, 6to4, NAT64, Teredo.
  ...['[::ffff:127.0.0.1]', '[::ffff:7f00:1]', '[0:0:0:0:0:ffff:7f00:1]', '[::ffff:93.184.215.14]'],
  ...['[::127.0.0.1]', '[::7f00:1]', '[::ffff:0:127.0.0.1]', '[2002:7f00:1::]', '[2002:a9fe:a9fe::1]'],
  ...['[64:ff9b::127.0.0.1]', '[64:ff9b::a9fe:a9fe]', '[64:ff9b:1::7f00:1]', '[2001:0:7f00:1::]'],
  // Private, shared by a carrier, link-local.
  ...[
    '10.0.0.1',
    '0xa.0.0.1',
    '012.0.0.1',
    '10.1',
    '172.16.0.1',
    '172.31.255.255',
    '192.168.0.1',
    '192.168.257',
  ],
  ...[
    '100.64.0.1',
    '100.127.255.254',
    '169.254.1.1',
    '[fe80::1]',
    '[fec0::1]',
    '[fc00::1]',
    '[fd12:3456::1]',
  ],
  // Metadata of clouds.
  ...['169.254.169.254', '2852039166', '0xa9fea9fe', '[::ffff:169.254.169.254]', '[fd00:ec2::254]'],
  ...['100.100.100.200', '168.63.129.16', '192.0.0.192'],
  // Multicast, broadcast, reserved, benchmarks, documents, discarded.
  ...[
    '224.0.0.1',
    '239.255.255.255',
    '255.255.255.255',
    '240.0.0.1',
    '198.18.0.1',
    '192.0.2.1',
    '203.0.113.9',
  ],
  ...['[ff02::1]', '[100::1]', '[2001:db8::1]', '[3fff::1]', '[4000::1]', '[5f00::1]'],
];

test.each(hostileHosts)('opens no connection to %s', async (host) => {
  for (const url of [`http://${host}:${canaryPort}/`, `https://${host}/`]) {
    const error = await failureOf(fetchFrom(url));
    expect([error.code, error.mayPass]).toEqual(['address-refused', false]);
  }
  expect(dialled).toEqual([]);
  expect(lookups).toEqual([]);
  expect(canaryPackets).toBe(0);
});

test.each<[string, readonly string[]]>([
  ['localhost', ['127.0.0.1', '::1']],
  ['postgres', ['172.18.0.3']],
  ['temporal.internal', ['10.4.0.9']],
  ['metadata.google.internal', ['169.254.169.254']],
  ['127.0.0.1.nip.io', ['127.0.0.1']],
  ['six.example', ['::1']],
  ['mapped.example', ['::ffff:127.0.0.1']],
  ['nat64.example', ['64:ff9b::7f00:1']],
  ['scoped.example', ['fe80::1%eth0']],
  ['one-of-them.example', [publicIp, '10.0.0.1']],
  ['one-of-six.example', [publicIp, publicIp6, 'fd00::1']],
  ['rubbish.example', ['not an address']],
])('opens no connection to the name %s, which leads to %j', async (name, addresses) => {
  names.set(name, addresses);
  const error = await failureOf(fetchFrom(`http://${name}:${canaryPort}/`));
  expect([error.code, error.message]).toEqual(['address-refused', `${name} does not lead to a public host`]);
  expect(lookups).toEqual([name]);
  expect(dialled).toEqual([]);
  expect(canaryPackets).toBe(0);
});

test('a name that leads elsewhere at each look is looked at once for each connection', async () => {
  let looks = 0;
  const rebinding: Resolve = async () => {
    looks += 1;
    return [{ address: looks % 2 === 1 ? publicIp : '127.0.0.1', family: 4 }];
  };
  expect(await fetchFrom('http://rebind.example/', { resolve: rebinding })).toBe('the file');
  expect([looks, dialled]).toEqual([1, [publicIp]]);
  const again = await failureOf(fetchFrom(`http://rebind.example:${canaryPort}/`, { resolve: rebinding }));
  expect(again.code).toBe('address-refused');
  expect([looks, dialled, canaryPackets]).toEqual([2, [publicIp], 0]);
});

test.each([
  ['file:///etc/passwd', 'An address of file: is not taken'],
  ['ftp://example.com/a', 'An address of ftp: is not taken'],
  ['gopher://127.0.0.1:5432/_x', 'An address of gopher: is not taken'],
  ['data:text/plain,hello', 'An address of data: is not taken'],
  ['javascript:alert(1)', 'An address of javascript: is not taken'],
  ['unix:/var/run/docker.sock', 'An address of unix: is not taken'],
  ['dict://example.com:11211/stats', 'An address of dict: is not taken'],
  ['ws://example.com/', 'An address of ws: is not taken'],
  ['blob:https://example.com/1', 'An address of blob: is not taken'],
  ['http://user@example.com/', 'An address with a user is not taken'],
  ['http://user:secret@example.com/', 'An address with a user is not taken'],
  ['http://example.com@127.0.0.1/', 'An address with a user is not taken'],
  ['http://:secret@example.com/', 'An address with a user is not taken'],
  ['http://example.com:5432/', 'The port 5432 is not taken'],
  ['http://example.com:7233/', 'The port 7233 is not taken'],
  ['https://example.com:22/', 'The port 22 is not taken'],
  ['http://example.com:0/', 'The port 0 is not taken'],
  ['http://', 'It is no address'],
  ['//example.com/', 'It is no address'],
  ['http://exa mple.com/', 'It is no address'],
  ['http://[::1/', 'It is no address'],
  ['http://1.2.3.4.5/', 'It is no address'],
  ['http://256.256.256.256/', 'It is no address'],
  ['', 'It is no address'],
])('does not even look up %s', async (url, message) => {
  names.set('example.com', [publicIp]);
  const error = await failureOf(fetchFrom(url));
  expect([error.code, error.message]).toEqual(['address-refused', expect.stringContaining(message)]);
  expect([lookups, dialled]).toEqual([[], []]);
});

test('takes plain http only where it is set, and other ports only where they are', async () => {
  names.set('example.com', [publicIp]);
  const strict = createGuardedFetch({ resolve });
  expect((await failureOf(strict('http://example.com/', limits, text))).message).toBe(
    'An address of http: is not taken, only of https:',
  );
  expect((await failureOf(strict('https://example.com:8443/', limits, text))).message).toBe(
    'The port 8443 is not taken, only 80, 443',
  );
  expect(lookups).toEqual([]);
});

test.each([
  ['http://127.0.0.1:PORT/', 'address-refused'],
  ['http://0x7f.1:PORT/', 'address-refused'],
  ['http://[::ffff:7f00:1]:PORT/', 'address-refused'],
  ['http://inside.example:PORT/', 'address-refused'],
  ['//inside.example:PORT/x', 'address-refused'],
  ['http://169.254.169.254/latest/meta-data/', 'address-refused'],
  ['http://user:secret@example.com/', 'address-refused'],
  ['http://example.com:5432/', 'address-refused'],
  ['file:///etc/passwd', 'address-refused'],
  ['http://[', 'address-refused'],
])('follows no redirect to %s', async (location, code) => {
  names.set('example.com', [publicIp]);
  names.set('inside.example', ['127.0.0.1']);
  for (const status of [301, 302, 303, 307, 308]) {
    redirectTo(location.replace('PORT', String(canaryPort)), status);
    const error = await failureOf(fetchFrom('http://example.com/start'));
    expect(error.code).toBe(code);
    expect(error.message).not.toContain('secret');
  }
  expect(new Set(dialled)).toEqual(new Set([publicIp]));
  expect(canaryPackets).toBe(0);
});

test('does not go back to plain http where that is not set', async () => {
  redirectTo('http://example.com/');
  names.set('example.com', [publicIp]);
  const strict = createGuardedFetch({ resolve });
  // TLS itself is not played here: the first hop fails, and never as plain text.
  const error = await failureOf(strict('https://example.com/start', limits, text));
  expect(error.code).toBe('fetch-failed');
  expect(asked).toEqual([]);
});

test('stops after five redirects, and where one leads nowhere', async () => {
  names.set('example.com', [publicIp]);
  const hopsLeft = (most: number) => {
    let hops = 0;
    answer = (_request, response) => {
      hops += 1;
      if (hops > most) response.end('landed');
      else response.writeHead(302, { location: `/hop${hops}` }).end();
    };
  };
  hopsLeft(5);
  expect(await fetchFrom('http://example.com/')).toBe('landed');
  hopsLeft(6);
  expect((await failureOf(fetchFrom('http://example.com/'))).message).toBe(
    'example.com redirects more than 5 times',
  );
  answer = (_request, response) => response.writeHead(302).end();
  expect((await failureOf(fetchFrom('http://example.com/'))).message).toBe(
    'example.com redirects to nowhere',
  );
});

test.each<[string, () => void, string]>([
  ['a plain address', () => {}, 'http://example.com/a.jpg'],
  ['a query and a fragment', () => {}, 'http://example.com/a.jpg?signature=x#top'],
  ['its own port, said', () => {}, 'http://example.com:80/a.jpg'],
  ['another port that is set', () => {}, 'http://example.com:PORT/a.jpg'],
  ['a name with a dot at its end', () => names.set('example.com.', [publicIp]), 'http://example.com./a.jpg'],
  ['a name of other letters', () => names.set('xn--bcher-kva.example', [publicIp]), 'http://bücher.example/'],
  ['a public IPv4 address', () => {}, `http://${publicIp}/a.jpg`],
  ['a public IPv6 address', () => {}, `http://[${publicIp6}]/a.jpg`],
  ['several public addresses', () => names.set('example.com', [publicIp, publicIp6]), 'http://example.com/'],
  ['a redirect to another public host', () => redirectTo('http://cdn.example/b'), 'http://example.com/start'],
  ['a relative redirect', () => redirectTo('../b', 308), 'http://example.com/start'],
])('fetches %s', async (_what, arrange, url) => {
  names.set('example.com', [publicIp]);
  names.set('cdn.example', [publicIp]);
  arrange();
  expect(await fetchFrom(url.replace('PORT', String(canaryPort)))).toMatch(/the file|landed/);
  expect(canaryPackets).toBe(0);
  for (const { headers } of asked) {
    expect(Object.keys(headers).sort()).toEqual([
      'accept',
      'accept-encoding',
      'connection',
      'host',
      'user-agent',
    ]);
  }
});

describe('an answer', () => {
  beforeEach(() => void names.set('example.com', [publicIp]));
  const fetched = (options?: GuardedFetchOptions, changed?: Partial<typeof limits>) =>
    failureOf(fetchFrom('http://example.com/a?key=confidential', options, changed));

  test.each([
    [404, false],
    [403, false],
    [206, false],
    [204, false],
    [429, true],
    [500, true],
    [503, true],
  ])('of %i is none, and shows no body', async (status, mayPass) => {
    answer = (_request, response) => response.writeHead(status).end(status === 204 ? undefined : 'internal');
    const error = await fetched();
    expect([error.code, error.message, error.mayPass]).toEqual([
      'fetch-failed',
      `example.com answered ${status}`,
      mayPass,
    ]);
  });

  test('that declares too much, or is longer than it may be, is cut off', async () => {
    answer = (_request, response) => response.writeHead(200, { 'content-length': '1001' }).write('a');
    expect((await fetched()).code).toBe('too-large');
    let written = 0;
    answer = (_request, response) => {
      const write = () => {
        written += 100;
        if (!response.destroyed && written < 1e9)
          response.write(Buffer.alloc(100), () => setImmediate(write));
      };
      write();
    };
    const error = await fetched();
    expect([error.code, error.message]).toEqual(['too-large', 'The file has more than 1000 bytes']);
    expect(written).toBeLessThan(1e6);
  });

  test('that never comes, pauses or drips for ever is given up', async () => {
    answer = () => {};
    expect((await fetched({ answerWithinMs: 50 })).message).toMatch(/could not be reached/);
    answer = (_request, response) => response.write('a');
    expect((await fetched({ idleMs: 50 })).message).toMatch(/^The file broke off after 1 bytes/);
    answer = (_request, response) => {
      const drip = setInterval(() => (response.destroyed ? clearInterval(drip) : response.write('a')), 20);
    };
    expect((await fetched({}, { totalMs: 300 })).message).toBe('It took too long');
  });

  test('of a name that is looked up for ever is given up, and no connection follows', async () => {
    let found: (addresses: { address: string; family: number }[]) => void = () => {};
    const slow: Resolve = () => new Promise((done) => (found = done));
    const error = await failureOf(fetchFrom('http://example.com/', { resolve: slow }, { totalMs: 50 }));
    expect([error.code, error.message, error.mayPass]).toEqual(['fetch-failed', 'It took too long', true]);
    found([{ address: publicIp, family: 4 }]);
    await new Promise((done) => setTimeout(done, 20));
    expect(dialled).toEqual([]);
  });

  test('that breaks off is no file', async () => {
    answer = (_request, response) => {
      response.writeHead(200, { 'content-length': '100' }).write('half');
      setTimeout(() => response.destroy(), 20);
    };
    expect((await fetched()).message).toMatch(/^The file broke off after 4 bytes/);
  });

  test('is given up when nobody wants it any more, and when nobody reads it', async () => {
    const abort = new AbortController();
    answer = (_request, response) => {
      response.write('a');
      setTimeout(() => abort.abort(new Error('called off')), 30);
    };
    const fetch = createGuardedFetch({ allowHttp: true, resolve });
    await expect(fetch('http://example.com/', { ...limits, signal: abort.signal }, text)).rejects.toThrow(
      'called off',
    );
    const nobody = async () => {
      throw new Error('The store is away');
    };
    await expect(fetch('http://example.com/', limits, nobody)).rejects.toThrow('The store is away');
  });

  test('of a name that is not there, or cannot be asked for now, says which', async () => {
    const missing = await failureOf(fetchFrom('http://missing.example/'));
    expect([missing.message, missing.mayPass]).toEqual(['missing.example could not be resolved', false]);
    const away: Resolve = async () => {
      throw Object.assign(new Error('EAI_AGAIN'), { code: 'EAI_AGAIN' });
    };
    expect((await failureOf(fetchFrom('http://example.com/', { resolve: away }))).mayPass).toBe(true);
  });

  test('never shows what the query holds', async () => {
    answer = (_request, response) => response.destroy();
    expect((await fetched()).message).not.toContain('confidential');
  });
});

test('there are at least sixty hostile forms', () => {
  expect(hostileHosts.length).toBeGreaterThanOrEqual(60);
});
