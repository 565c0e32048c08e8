import type { Live, LiveAddresses, LiveOptions, Settings } from '../support/live.ts';
import { startLive } from '../support/live.ts';
import { startTcpProxy, type TcpProxy, type TcpProxyOptions } from '../support/tcp-proxy.ts';
import type { Toxic, ToxicKind } from '../support/toxics.ts';

/** The connections whose loss may do harm. */
export const linkNames = ['worker–platform', 'worker–Temporal', 'API–Temporal', 'API–Postgres'] as const;
export type LinkName = (typeof linkNames)[number];

/** The check of the readiness route that tells of a link; a worker's links are none of the interface's business. */
export const checkOf: Record<LinkName, string | null> = {
  'worker–platform': null,
  'worker–Temporal': null,
  'API–Temporal': 'temporal',
  'API–Postgres': 'postgres',
};

export interface Fault {
  readonly toxic: Toxic;
  /** How long the link stays bad. */
  readonly seconds: number;
  /** Whether the link can be used meanwhile; `null`: now and then. */
  readonly isUsable: boolean | null;
}

export const toxicKinds = [
  'latency',
  'bandwidth',
  'slow_close',
  'timeout',
  'reset_peer',
  'slicer',
  'limit_data',
] as const satisfies readonly ToxicKind[];

const faults: Record<ToxicKind, Fault> = {
  latency: { toxic: { kind: 'latency', latencyMs: 200, jitterMs: 100 }, seconds: 5, isUsable: true },
  bandwidth: { toxic: { kind: 'bandwidth', kilobytesPerSecond: 3 }, seconds: 5, isUsable: null },
  slow_close: { toxic: { kind: 'slow_close', delayMs: 3_000 }, seconds: 4, isUsable: true },
  // Longer than anybody may be kept waiting by the interface.
  timeout: { toxic: { kind: 'timeout', timeoutMs: 0 }, seconds: 11, isUsable: false },
  reset_peer: { toxic: { kind: 'reset_peer', timeoutMs: 0 }, seconds: 5, isUsable: false },
  slicer: {
    toxic: { kind: 'slicer', averageBytes: 256, variationBytes: 128, delayMicroseconds: 500 },
    ...{ seconds: 4, isUsable: true },
  },
  limit_data: { toxic: { kind: 'limit_data', bytes: 1_500 }, seconds: 5, isUsable: null },
};

const particular: Partial<Record<LinkName, Partial<Record<ToxicKind, Partial<Fault>>>>> = {
  'worker–platform': {
    timeout: { seconds: 6 },
    // Within the headers of an answer.
    limit_data: { toxic: { kind: 'limit_data', bytes: 200 } },
  },
  'worker–Temporal': { timeout: { seconds: 6 } },
  // Enough to begin with, so that what is cut off is the middle of a request, a claim, or a commit.
  'API–Postgres': { limit_data: { toxic: { kind: 'limit_data', bytes: 20_000 }, seconds: 8 } },
  // So long that a wait which grows with every try to connect would be seen afterwards.
  'API–Temporal': { reset_peer: { seconds: 24 } },
};

export const faultOf = (link: LinkName, kind: ToxicKind): Fault => ({
  ...faults[kind],
  ...particular[link]?.[kind],
});

export interface LinkedLive {
  readonly live: Live;
  readonly proxy: TcpProxy;
  readonly stop: () => Promise<void>;
}

/** The real processes, with one of their links led through a proxy. */
export async function startLinked(
  link: LinkName,
  proxyOptions: Omit<TcpProxyOptions, 'host' | 'port'> = {},
): Promise<LinkedLive> {
  let proxy: TcpProxy | undefined;
  const route: LiveOptions['route'] = async (addresses) => {
    const target = new URL(addressOf(link, addresses));
    proxy = await startTcpProxy({ host: target.hostname, port: Number(target.port), ...proxyOptions });
    target.host = proxy.address;
    return waysThrough(link, target);
  };
  const live = await startLive({ route });
  return {
    live,
    proxy: proxy!,
    async stop() {
      proxy!.setToxic(null);
      await live.stop();
      await proxy!.stop();
    },
  };
}

function addressOf(link: LinkName, addresses: LiveAddresses): string {
  switch (link) {
    case 'worker–platform':
      return addresses.sandboxUrl;
    case 'worker–Temporal':
    case 'API–Temporal':
      return `http://${addresses.temporalAddress}`;
    case 'API–Postgres':
      return addresses.apiDatabaseUrl;
  }
}

function waysThrough(link: LinkName, { host, href }: URL): { api?: Settings; worker?: Settings } {
  switch (link) {
    case 'worker–platform':
      return { worker: { SANDBOX_URL: href } };
    case 'worker–Temporal':
      return { worker: { TEMPORAL_ADDRESS: host } };
    case 'API–Temporal':
      return { api: { TEMPORAL_ADDRESS: host } };
    case 'API–Postgres':
      return { api: { GATEPOST_API_DATABASE_URL: href } };
  }
}
