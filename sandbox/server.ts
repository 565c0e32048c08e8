import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import express, { type NextFunction, type Request, type Response } from 'express';
import { createAccounts } from './accounts.ts';
import { createSerializer, type SandboxContext } from './context.ts';
import { createControl } from './control.ts';
import { createFaults } from './faults.ts';
import { createFeed } from './feed.ts';
import { openJournal } from './journal.ts';
import { openLedger } from './ledger.ts';
import { openMedia } from './media.ts';
import { createOAuth } from './oauth.ts';
import type { RunningPlatform, SandboxPlatform } from './platform.ts';
import { type Platform, platforms, sandboxPlatforms } from './platforms/index.ts';
import { mountPlatform, mountStreamed } from './protocol.ts';
import { createRequestLog } from './requests.ts';
import { createSettings } from './settings.ts';
import { openShelf, type StateRecord } from './state.ts';

export interface SandboxOptions {
  /** 0 takes a free port. */
  port: number;
  /** Default 127.0.0.1. */
  host?: string;
  /** Where ledger, state and pictures are kept; without it they end with the sandbox. */
  stateDir?: string;
  /** How clients reach the sandbox, if not by host and port; upload addresses and permalinks start with it. */
  publicUrl?: string;
  /** Fetches the pictures that Instagram containers name (default: the global one). */
  fetch?: typeof fetch;
  /** The clock (default: the system's). */
  now?: () => Date;
}

export interface Sandbox {
  /** Without a slash at the end. */
  url: string;
  /** Ends open connections without an answer, as a kill would, but leaves the files in order. */
  stop(): Promise<void>;
}

const maxBodySize = '64mb';

/**
 * Starts the sandbox: platforms that speak their real protocols over HTTP, a ledger of what went live on them, faults
 * by script, and a page that shows the posts. Each platform is at its own name, e.g. `/linkedin`, the control routes at `/_control`, the feed at `/`. Throws if the port is taken or the state directory is damaged.
 */
export async function startSandbox(options: SandboxOptions): Promise<Sandbox> {
  const stateDir = options.stateDir ?? (await mkdtemp(join(tmpdir(), 'gatepost-sandbox-')));
  const { journal: state, records: restored } = await openJournal<StateRecord>(join(stateDir, 'state.jsonl'));
  let halting = new AbortController();
  const context: SandboxContext = {
    publicUrl: '',
    now: options.now ?? (() => new Date()),
    fetch: options.fetch ?? fetch,
    settings: createSettings(restored, state),
    accounts: createAccounts(restored, state),
    faults: createFaults(),
    requests: createRequestLog(),
    ledger: await openLedger(join(stateDir, 'ledger.jsonl')),
    media: await openMedia(join(stateDir, 'media')),
    shelf: (name) => openShelf(name, restored, state),
    halted: () => halting.signal,
    serialize: createSerializer(),
  };
  const running = platforms.map((platform) => runPlatform(context, platform));

  async function reset(): Promise<void> {
    halting.abort();
    halting = new AbortController();
    for (const store of [...running, context.accounts, context.settings]) store.clear();
    context.faults.clear();
    context.requests.clear();
    await Promise.all([context.ledger.clear(), state.reset(), context.media.clear()]);
  }

  const app = express();
  app.disable('x-powered-by');
  app.disable('etag');
  for (const platform of running) mountStreamed(app, context, platform);
  app.use(express.raw({ type: () => true, limit: maxBodySize }));
  app.get('/healthz', (_request, response) => {
    response.json({ status: 'ok' });
  });
  app.use('/_control', createControl(context, reset));
  for (const platform of running) mountPlatform(app, context, platform);
  app.use(createFeed(context));
  app.use(answerError);

  const server = createServer(app);
  // Longer than clients keep idle connections, so a reset is a scripted one and no accident.
  server.keepAliveTimeout = 75_000;
  const address = await listen(server, options.port, options.host ?? '127.0.0.1');
  context.publicUrl = (options.publicUrl ?? urlOf(address)).replace(/\/+$/, '');
  for (const platform of running) platform.resume?.();

  let stopped: Promise<void> | undefined;
  async function stop(): Promise<void> {
    halting.abort();
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    server.closeAllConnections();
    await closed;
    await Promise.all([context.ledger.close(), state.close()]);
    if (!options.stateDir) await rm(stateDir, { recursive: true, force: true });
  }
  return {
    url: context.publicUrl,
    stop() {
      stopped ??= stop();
      return stopped;
    },
  };
}

/** A platform with the authorization server that it describes. */
function runPlatform(context: SandboxContext, platform: Platform): RunningPlatform {
  const { create, oauth, logins = {} }: SandboxPlatform = sandboxPlatforms[platform];
  const running = create(context);
  const servers = [
    ...(oauth ? [createOAuth(context, platform, oauth)] : []),
    ...Object.entries(logins).map(([name, login]) => createOAuth(context, platform, login, name)),
  ];
  return {
    ...running,
    // Before the platform's own, whose paths may have a place for anything.
    operations: [...servers.flatMap(({ operations }) => operations), ...running.operations],
    clear() {
      running.clear();
      for (const server of servers) server.clear();
    },
  };
}

function listen(server: Server, port: number, host: string): Promise<AddressInfo> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      server.off('error', reject);
      resolve(server.address() as AddressInfo);
    });
  });
}

function urlOf({ address, family, port }: AddressInfo): string {
  const everywhere = address === '0.0.0.0' || address === '::';
  if (everywhere) return `http://localhost:${port}`;
  return family === 'IPv6' ? `http://[${address}]:${port}` : `http://${address}:${port}`;
}

function answerError(error: unknown, _request: Request, response: Response, next: NextFunction): void {
  if (response.headersSent) {
    next(error);
    return;
  }
  const status = (error as { status?: unknown }).status;
  if (typeof status !== 'number') console.error('sandbox: a request failed', error);
  response
    .status(typeof status === 'number' ? status : 500)
    .json({ error: error instanceof Error ? error.message : 'Something failed' });
}
