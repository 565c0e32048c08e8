import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { startTcpProxy, type TcpProxy } from './tcp-proxy.ts';

/*
 * A toxic that would take a minute is set, seen to hold, and taken away: whatever then happens at once, happened because
 * of that. Where time must be measured, it is only ever asserted that it was not shorter.
 */

let echo: Server;
let proxy: TcpProxy;
let clients: Client[] = [];
/** The far ends of the connections, oldest first. */
let served: Socket[] = [];

beforeEach(async () => {
  served = [];
  echo = createServer((socket) => {
    served.push(socket);
    socket.on('error', () => {});
    socket.pipe(socket);
  });
  echo.listen(0, '127.0.0.1');
  await once(echo, 'listening');
  proxy = await startTcpProxy({ host: '127.0.0.1', port: (echo.address() as { port: number }).port });
});
afterEach(async () => {
  for (const { socket } of clients) socket.destroy();
  clients = [];
  await proxy.stop();
  echo.close();
});

interface Client {
  readonly socket: Socket;
  readonly pieces: Buffer[];
  readonly received: () => Buffer;
  /** Until so many bytes have come back. */
  readonly untilBytes: (bytes: number) => Promise<void>;
  /** How the connection ended: `end`, or an error's code. */
  readonly ended: Promise<string>;
  readonly isOpen: () => boolean;
}

async function open(): Promise<Client> {
  const socket = connect(proxy.port, '127.0.0.1');
  const pieces: Buffer[] = [];
  let isOpen = true;
  const ended = new Promise<string>((resolve) => {
    socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    socket.once('close', () => {
      isOpen = false;
      resolve('end');
    });
  });
  socket.on('data', (data) => pieces.push(data));
  const received = () => Buffer.concat(pieces);
  const client: Client = {
    ...{ socket, pieces, received, ended, isOpen: () => isOpen },
    async untilBytes(bytes) {
      while (received().length < bytes) await Promise.race([once(socket, 'data'), ended.then(failIfShort)]);
      function failIfShort() {
        if (received().length < bytes) throw new Error(`Closed after ${received().length} bytes`);
      }
    },
  };
  clients.push(client);
  await once(socket, 'connect');
  return client;
}

/** Sends and gets the same back, which also makes certain that the connection is through to the other end. */
async function exchange(client: Client, text = 'ping'): Promise<void> {
  const wanted = client.received().length + text.length;
  client.socket.write(text);
  await client.untilBytes(wanted);
}

const aMinute = 60_000;
const aMoment = () => sleep(100);

test('passes everything on, both ways and unchanged', async () => {
  const [one, other] = [await open(), await open()];
  const bytes = randomBytes(3_000_000);
  one.socket.write(bytes);
  await exchange(other);
  await one.untilBytes(bytes.length);
  expect(one.received().equals(bytes)).toBe(true);
  expect(other.received().toString()).toBe('ping');
  expect(proxy.connectionCount()).toBe(2);
});

test('ends a connection that either side ends', async () => {
  const [left, right] = [await open(), await open()];
  await Promise.all([exchange(left), exchange(right)]);
  left.socket.end('bye');
  expect(await left.ended).toBe('end');
  served[1]!.end();
  expect(await right.ended).toBe('end');
  while (proxy.connectionCount() > 0) await aMoment();
});

test('latency: what is sent arrives later, on open and on new connections', async () => {
  const opened = await open();
  await exchange(opened);
  proxy.setToxic({ kind: 'latency', latencyMs: 120, jitterMs: 20 });
  for (const client of [opened, await open()]) {
    const startedAt = performance.now();
    await exchange(client, 'late');
    // Both ways, each by at least the latency without the jitter, less what timers round off.
    expect(performance.now() - startedAt).toBeGreaterThan(2 * 100 - 5);
  }
});

test('latency: what was held back is handed on when it is taken away', async () => {
  const client = await open();
  await exchange(client);
  proxy.setToxic({ kind: 'latency', latencyMs: aMinute }, ['downstream']);
  for (const text of ['one ', 'two ', 'three']) client.socket.write(text);
  await aMoment();
  expect(client.received().toString()).toBe('ping');
  proxy.setToxic(null);
  await client.untilBytes(17);
  expect(client.received().toString()).toBe('pingone two three');
});

test('bandwidth: so many bytes take at least so long, and all arrive', async () => {
  const client = await open();
  await exchange(client);
  proxy.setToxic({ kind: 'bandwidth', kilobytesPerSecond: 100 }, ['upstream']);
  const bytes = randomBytes(30_000);
  const startedAt = performance.now();
  client.socket.write(bytes);
  await client.untilBytes(4 + bytes.length);
  expect(performance.now() - startedAt).toBeGreaterThan(290);
  expect(client.received().subarray(4).equals(bytes)).toBe(true);
});

test('slow_close: an end that was sent is not seen until later', async () => {
  const client = await open();
  await exchange(client);
  proxy.setToxic({ kind: 'slow_close', delayMs: aMinute });
  served[0]!.end('last words');
  await client.untilBytes(14);
  await aMoment();
  expect(client.isOpen()).toBe(true);
  proxy.setToxic(null);
  expect(await client.ended).toBe('end');
});

test('timeout 0: nothing gets through, the connection stays open, and removing the toxic closes it', async () => {
  const opened = await open();
  await exchange(opened);
  proxy.setToxic({ kind: 'timeout', timeoutMs: 0 });
  const fresh = await open();
  for (const client of [opened, fresh]) client.socket.write('into the void');
  await aMoment();
  expect([opened.received().toString(), fresh.received().toString()]).toEqual(['ping', '']);
  expect([opened.isOpen(), fresh.isOpen()]).toEqual([true, true]);
  proxy.setToxic(null);
  await Promise.all([opened.ended, fresh.ended]);
  await exchange(await open());
});

test('timeout: nothing gets through, and the connection is closed after the time', async () => {
  const client = await open();
  await exchange(client);
  proxy.setToxic({ kind: 'timeout', timeoutMs: 150 });
  const startedAt = performance.now();
  client.socket.write('into the void');
  await client.ended;
  expect(performance.now() - startedAt).toBeGreaterThan(145);
  expect(client.received().toString()).toBe('ping');
});

test('reset_peer: both sides are reset, open connections as new ones', async () => {
  const opened = await open();
  await exchange(opened);
  const farEnd = once(served[0]!, 'error');
  proxy.setToxic({ kind: 'reset_peer', timeoutMs: 0 });
  const fresh = await open();
  for (const client of [opened, fresh]) {
    client.socket.write('ping');
    expect(await client.ended).toBe('ECONNRESET');
  }
  expect(await farEnd).toEqual([expect.objectContaining({ code: 'ECONNRESET' })]);
});

test('slicer: one piece comes as many, in order', async () => {
  const client = await open();
  await exchange(client);
  proxy.setToxic({ kind: 'slicer', averageBytes: 100, variationBytes: 30, delayMicroseconds: 5_000 }, [
    'downstream',
  ]);
  client.pieces.length = 0;
  const bytes = randomBytes(2_000);
  client.socket.write(bytes);
  await client.untilBytes(bytes.length);
  expect(client.received().equals(bytes)).toBe(true);
  // A busy machine may read several at once; unsliced it would be one.
  expect(client.pieces.length).toBeGreaterThan(3);
});

test('limit_data: so many bytes arrive, and then the connection is closed', async () => {
  const opened = await open();
  await exchange(opened);
  proxy.setToxic({ kind: 'limit_data', bytes: 1_000 }, ['downstream']);
  const fresh = await open();
  for (const client of [opened, fresh]) {
    client.pieces.length = 0;
    client.socket.write(Buffer.alloc(600));
    await client.untilBytes(600);
    client.socket.write(Buffer.alloc(600));
    await client.ended;
    expect(client.received().length).toBe(1_000);
  }
});

test('acts in one direction alone where asked to', async () => {
  const client = await open();
  await exchange(client);
  proxy.setToxic({ kind: 'latency', latencyMs: aMinute }, ['upstream']);
  served[0]!.write('news');
  await client.untilBytes(8);
  client.socket.write('held back');
  await aMoment();
  expect(client.received().toString()).toBe('pingnews');
  proxy.setToxic(null, ['upstream']);
  await client.untilBytes(17);
  expect(client.received().toString()).toBe('pingnewsheld back');
});

test('counts what went through a toxic, so that one that met nothing is noticed', async () => {
  const client = await open();
  await exchange(client);
  expect(proxy.poisonedCount()).toBe(0);
  proxy.setToxic({ kind: 'latency', latencyMs: 1 });
  await exchange(client);
  expect(proxy.poisonedCount()).toBe(2);
  proxy.setToxic(null);
  await exchange(client);
  expect(proxy.poisonedCount()).toBe(2);
});

test('shows what clients send', async () => {
  const seen: string[] = [];
  const { port } = echo.address() as { port: number };
  const observed = await startTcpProxy({
    ...{ host: '127.0.0.1', port },
    onSent: (data, connectionId) => seen.push(`${connectionId}:${data}`),
  });
  const socket = connect(observed.port, '127.0.0.1');
  socket.write('hello');
  expect(String(await once(socket, 'data'))).toBe('hello');
  expect(seen).toEqual(['1:hello']);
  socket.destroy();
  await observed.stop();
});
