import { type AccountKind, type Platform, platforms } from '../../domain/post.ts';
import type { Connector } from './connector.ts';
import type { PlatformAddresses, PlatformDefinition, Timings } from './definition.ts';
import { facebook } from './facebook.ts';
import type { Fetch } from './http.ts';
import { instagram } from './instagram.ts';
import { linkedin } from './linkedin.ts';
import { mastodon } from './mastodon.ts';
import { pinterest } from './pinterest.ts';
import type { Amender, PlatformAdapter } from './publisher.ts';
import { reddit } from './reddit.ts';
import { threads } from './threads.ts';
import { tiktok } from './tiktok.ts';
import { x } from './x.ts';
import { youtube } from './youtube.ts';

/** A new platform is one line here. */
export const definitions: Readonly<Record<Platform, PlatformDefinition>> = {
  facebook,
  instagram,
  linkedin,
  mastodon,
  pinterest,
  reddit,
  threads,
  tiktok,
  x,
  youtube,
};

/** Where each platform is reached. */
export type PlatformEndpoints = Readonly<Record<Platform, PlatformAddresses>>;

const endpointsFrom = (addressesOf: (platform: Platform) => PlatformAddresses): PlatformEndpoints =>
  Object.fromEntries(platforms.map((platform) => [platform, addressesOf(platform)])) as PlatformEndpoints;

export const liveEndpoints: PlatformEndpoints = endpointsFrom((platform) => definitions[platform].live);

/** Every platform at one sandbox: each under its own name, all its hosts at one address. */
export const sandboxEndpoints = (url: string): PlatformEndpoints =>
  endpointsFrom((platform) => ({
    hosts: Object.fromEntries(
      Object.keys(liveEndpoints[platform].hosts).map((name) => [name, `${url}/${platform}`]),
    ),
    version: liveEndpoints[platform].version,
    uploadOrigins: [],
    permalinkBaseUrl: url,
  }));

/** A tenant's mode: `live` publishes for real, `sandbox` reaches only the sandbox. */
export type PlatformMode = 'live' | 'sandbox';

export interface RegistryOptions {
  readonly live: PlatformEndpoints;
  /** `null` where no sandbox runs: sandbox tenants are then refused. */
  readonly sandbox: PlatformEndpoints | null;
  /** For the sandbox alone, which is near and quick (default: the adapters' own). */
  readonly sandboxTimings?: Partial<Timings>;
  readonly fetch: Fetch;
  readonly now?: () => Date;
}

export interface AdapterKey {
  readonly platform: Platform;
  readonly kind: AccountKind;
  readonly mode: PlatformMode;
}

export interface ConnectorKey extends Omit<AdapterKey, 'kind'> {
  /** One of the platform's further ways to connect; `null` for its usual one. */
  readonly login: string | null;
}

/** Its functions throw `RegistryError`: `no-sandbox` for a sandbox tenant where none is configured, else as they say. */
export interface Registry {
  /** Throws `unknown-account` for a kind that the platform does not have. */
  readonly adapterFor: (key: AdapterKey) => PlatformAdapter;
  /**
   * Throws `no-connector` for a platform whose accounts are connected by tokens that a team brings, or that has no such
   * `login`.
   */
  readonly connectorFor: (key: ConnectorKey) => Connector;
}

export class RegistryError extends Error {
  override readonly name = 'RegistryError';
  readonly code: 'no-sandbox' | 'unknown-account' | 'no-connector' | 'sandbox-is-live';

  constructor(code: RegistryError['code'], message: string) {
    super(message);
    this.code = code;
  }
}

/** What can be done on a platform for a kind of account beyond publishing; no call is made to find out. */
export interface Capabilities {
  readonly finds: boolean;
  readonly replies: boolean;
  /** Its replies of ours can be read back, so that doubt about one can be looked into. */
  readonly findsReplies: boolean;
  readonly removes: boolean;
  readonly amends: boolean;
}

export function capabilitiesOf(platform: Platform, kind: AccountKind): Capabilities {
  const adapter = adapterToAsk(platform, kind);
  return {
    finds: adapter?.finder !== undefined,
    replies: adapter?.replier !== undefined,
    findsReplies: adapter?.replier?.findReply !== undefined,
    removes: adapter?.remover !== undefined,
    amends: adapter?.amender !== undefined,
  };
}

/** What can be changed of what stands there; `undefined` where nothing can. No call is made to find out. */
export const amendingOf = (
  platform: Platform,
  kind: AccountKind,
): Pick<Amender, 'changesTitle' | 'refuses'> | undefined => adapterToAsk(platform, kind)?.amender;

/** An adapter that makes no call. */
function adapterToAsk(platform: Platform, kind: AccountKind): PlatformAdapter | undefined {
  const fetch = () => Promise.reject(new Error('Only asked about'));
  return definitions[platform].create({ ...liveEndpoints[platform], fetch })[kind];
}

interface PlatformSet {
  readonly kinds: ReturnType<PlatformDefinition['create']>;
  readonly connector: Connector | undefined;
  readonly logins: Readonly<Record<string, Connector>>;
}
type Sets = Readonly<Record<Platform, PlatformSet>>;

/**
 * Builds every adapter once per mode. The two sets share nothing, and a sandbox endpoint with a live origin is refused
 * here (`sandbox-is-live`), so that no sandbox tenant can reach a live host whatever the rest of the program does.
 */
export function createRegistry(options: RegistryOptions): Registry {
  const { live, sandbox, sandboxTimings, fetch, now } = options;
  if (sandbox) for (const platform of platforms) assertNotLive(platform, sandbox, live);
  const sets: Record<PlatformMode, Sets | null> = {
    live: createSets(live, { fetch, now }),
    sandbox: sandbox && createSets(sandbox, { fetch, now, timings: sandboxTimings }),
  };
  const setFor = ({ platform, mode }: Omit<AdapterKey, 'kind'>): PlatformSet => {
    const set = sets[mode]?.[platform];
    if (set) return set;
    const message = `The tenant is in mode sandbox and no sandbox address is configured for ${platform}`;
    throw new RegistryError('no-sandbox', message);
  };
  return {
    adapterFor: (key) => {
      const adapter = setFor(key).kinds[key.kind];
      if (adapter) return adapter;
      const message = `No adapter for ${key.platform} accounts of kind ${key.kind}`;
      throw new RegistryError('unknown-account', message);
    },
    connectorFor: (key) => {
      const { connector, logins } = setFor(key);
      if (key.login !== null && Object.hasOwn(logins, key.login)) return logins[key.login]!;
      if (key.login === null && connector) return connector;
      const how = key.login === null ? 'by OAuth' : `by the login ${key.login}`;
      throw new RegistryError('no-connector', `Accounts of ${key.platform} are not connected ${how}`);
    },
  };
}

function createSets(
  endpoints: PlatformEndpoints,
  shared: { fetch: Fetch; now?: (() => Date) | undefined; timings?: Partial<Timings> | undefined },
): Sets {
  const sets = platforms.map((platform) => {
    const { create, connect, logins = {} } = definitions[platform];
    const options = { ...endpoints[platform], ...shared };
    const further = Object.entries(logins).map(([name, login]) => [name, login(options)]);
    return [
      platform,
      { kinds: create(options), connector: connect?.(options), logins: Object.fromEntries(further) },
    ];
  });
  return Object.fromEntries(sets) as Sets;
}

const addressesOf = ({ hosts, uploadOrigins }: PlatformAddresses): URL[] =>
  [...Object.values(hosts), ...uploadOrigins].map((address) => new URL(address));

/** The platforms' own host names count with any scheme and port; a proxy configured for live use counts as it stands. */
function assertNotLive(platform: Platform, sandbox: PlatformEndpoints, live: PlatformEndpoints): void {
  const named = platforms.flatMap((one) => [
    ...addressesOf(liveEndpoints[one]),
    ...(definitions[one].otherLiveOrigins ?? []).map((origin) => new URL(origin)),
  ]);
  const liveHosts = new Set(named.map((url) => url.hostname));
  const liveOrigins = new Set(platforms.flatMap((one) => addressesOf(live[one]).map((url) => url.origin)));
  const shared = addressesOf(sandbox[platform]).find(
    (url) => liveHosts.has(url.hostname) || liveOrigins.has(url.origin),
  );
  if (shared)
    throw new RegistryError('sandbox-is-live', `The sandbox address ${shared.origin} is a live one`);
}
