import { connect, createServer, type Server, type Socket } from 'node:net';
import { runToxic, type Toxic } from './toxics.ts';

/** From the client to the server, or back. */
export type Direction = 'upstream' | 'downstream';

/** A link between two processes that can be made bad and good again while it is used. */
export interface TcpProxy {
  readonly port: number;
  /** `127.0.0.1:port`. */
  readonly address: string;
  /** Acts on open and on new connections from now on, in place of what acted before; `null` heals the link. */
  readonly setToxic: (toxic: Toxic | null, directions?: readonly Direction[]) => void;
  /** How many pieces of data a toxic has had in its hands: none, and it has proved nothing. */
  readonly poisonedCount: () => number;
  /** How many connections are open. */
  readonly connectionCount: () => number;
  readonly stop: () => Promise<void>;
}

export interface TcpProxyOptions {
  readonly host: string;
  readonly port: number;
  /** Shown everything that clients send, connection by connection; for tests that plant what no network does. */
  readonly onSent?: (data: Buffer, connectionId: number) => void;
}

const bothDirections = ['upstream', 'downstream'] as const;

/** Listens on a free port of this machine and passes everything on to the given address. */
export async function startTcpProxy(options: TcpProxyOptions): Promise<TcpProxy> {
  const toxics: Record<Direction, Toxic | null> = { upstream: null, downstream: null };
  const links = new Set<Link>();
  const sockets = new Set<Socket>();
  let connectionId = 0;
  let poisoned = 0;
  const server = createServer({ allowHalfOpen: true }, (client) => {
    const upstream = connect({ host: options.host, port: options.port, allowHalfOpen: true });
    const id = ++connectionId;
    if (options.onSent) client.on('data', (data) => options.onSent!(data, id));
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.setNoDelay(true);
      socket.once('close', () => sockets.delete(socket));
      // The end of a socket is what counts, and the links see it.
      socket.on('error', () => {});
    }
    for (const direction of bothDirections) {
      const [from, to] = direction === 'upstream' ? [client, upstream] : [upstream, client];
      const link = new Link(direction, from, to, toxics[direction], () => {
        poisoned += 1;
      });
      links.add(link);
      void link.finished.then(() => links.delete(link));
    }
  });
  await listen(server);
  const { port } = server.address() as { port: number };
  return {
    port,
    address: `127.0.0.1:${port}`,
    setToxic(toxic, directions = bothDirections) {
      for (const direction of directions) toxics[direction] = toxic;
      for (const link of links) if (directions.includes(link.direction)) link.setToxic(toxic);
    },
    poisonedCount: () => poisoned,
    connectionCount: () => Math.ceil(sockets.size / 2),
    async stop() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

const listen = (server: Server): Promise<void> =>
  new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });

export type Taken =
  | { readonly kind: 'data'; readonly data: Buffer; readonly arrivedAtMs: number }
  | { readonly kind: 'end' }
  | { readonly kind: 'interrupted' };

/** One direction of one connection, as a toxic sees it. */
export interface Stub {
  /** The next piece; `interrupted` when another toxic takes over. */
  readonly take: () => Promise<Taken>;
  /** Hands on, and waits while the other side is slow to take. */
  readonly write: (data: Buffer) => Promise<void>;
  /** Ends early when another toxic takes over or the connection is closed. */
  readonly wait: (milliseconds: number) => Promise<void>;
  /** Ends the connection after what was handed on. */
  readonly close: () => void;
  readonly reset: () => void;
}

/** A source that is read no further while so many pieces wait. */
const mostPieces = 1_024;

class Link {
  readonly direction: Direction;
  readonly finished: Promise<void>;
  readonly #from: Socket;
  readonly #to: Socket;
  readonly #onPoisoned: () => void;
  readonly #waiting: (Taken & { kind: 'data' | 'end' })[] = [];
  #toxic: Toxic | null;
  #interrupt = new AbortController();
  #wake = () => {};
  #isClosed = false;

  constructor(direction: Direction, from: Socket, to: Socket, toxic: Toxic | null, onPoisoned: () => void) {
    this.direction = direction;
    this.#from = from;
    this.#to = to;
    this.#toxic = toxic;
    this.#onPoisoned = onPoisoned;
    from.on('data', (data) => this.#arrive({ kind: 'data', data, arrivedAtMs: performance.now() }));
    from.once('end', () => this.#arrive({ kind: 'end' }));
    from.once('close', () => this.#arrive({ kind: 'end' }));
    to.once('close', () => this.#finish());
    this.finished = this.#run();
  }

  setToxic(toxic: Toxic | null): void {
    this.#toxic = toxic;
    this.#interrupt.abort();
  }

  async #run(): Promise<void> {
    while (!this.#isClosed) {
      if (this.#interrupt.signal.aborted) this.#interrupt = new AbortController();
      await runToxic(this.#toxic, this.#stub(this.#interrupt.signal));
    }
  }

  #stub(signal: AbortSignal): Stub {
    return {
      take: () => this.#take(signal),
      write: (data) => this.#write(data),
      wait: (milliseconds) => this.#wait(milliseconds, signal),
      close: () => {
        this.#finish();
        this.#to.end();
        // As toxiproxy has it, nothing comes back from a side that was closed.
        this.#to.destroySoon();
      },
      reset: () => {
        this.#finish();
        for (const socket of [this.#from, this.#to]) socket.resetAndDestroy();
      },
    };
  }

  #arrive(piece: Taken & { kind: 'data' | 'end' }): void {
    this.#waiting.push(piece);
    if (this.#waiting.length > mostPieces) this.#from.pause();
    this.#wake();
  }

  async #take(signal: AbortSignal): Promise<Taken> {
    if (this.#waiting.length === 0) await this.#pause(signal);
    const piece = signal.aborted || this.#isClosed ? undefined : this.#waiting.shift();
    if (this.#from.isPaused() && this.#waiting.length < mostPieces) this.#from.resume();
    if (piece?.kind === 'data' && this.#toxic) this.#onPoisoned();
    return piece ?? { kind: 'interrupted' };
  }

  /** Until something arrives, the toxic changes or the connection is closed. */
  #pause(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const wake = () => {
        signal.removeEventListener('abort', wake);
        this.#wake = () => {};
        resolve();
      };
      if (signal.aborted || this.#isClosed) return resolve();
      this.#wake = wake;
      signal.addEventListener('abort', wake);
    });
  }

  #write(data: Buffer): Promise<void> {
    return new Promise((resolve) => {
      if (this.#isClosed || data.length === 0 || this.#to.write(data)) return resolve();
      const done = () => {
        this.#to.removeListener('drain', done).removeListener('close', done);
        resolve();
      };
      this.#to.on('drain', done).on('close', done);
    });
  }

  #wait(milliseconds: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      if (milliseconds <= 0 || signal.aborted || this.#isClosed) return resolve();
      const done = () => {
        clearTimeout(timer);
        signal.removeEventListener('abort', done);
        this.#to.removeListener('close', done);
        resolve();
      };
      const timer = setTimeout(done, milliseconds);
      signal.addEventListener('abort', done);
      this.#to.on('close', done);
    });
  }

  #finish(): void {
    this.#isClosed = true;
    this.#wake();
  }
}
