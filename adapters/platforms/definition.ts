import type { AccountKind } from '../../domain/post.ts';
import type { Connector } from './connector.ts';
import type { Fetch } from './http.ts';
import type { PlatformAdapter } from './publisher.ts';

/** Where a platform is reached. */
export interface PlatformAddresses {
  /**
   * By name, each scheme, host, port and path prefix: `api` where calls go, `oauth` where a browser is sent, `token` where
   * codes become tokens, and what else the platform has. Each is one setting, `<PLATFORM>_<NAME>_URL`.
   */
  readonly hosts: Readonly<Record<string, string>>;
  /** What paths or headers carry; empty where the platform has none. The setting is `<PLATFORM>_VERSION`. */
  readonly version: string;
  /** Origins that the platform's answers may name for uploads, besides those of `hosts`. */
  readonly uploadOrigins: readonly string[];
  /** What permalinks start with that we compute ourselves. */
  readonly permalinkBaseUrl: string;
}

/** How long an adapter waits for what, in milliseconds; what is left out keeps the adapter's own default. */
export interface Timings {
  /** Hard total time-out of the one call that publishes. */
  readonly commitTimeoutMs: number;
  /** Between two looks at something being processed. */
  readonly pollIntervalMs: number;
  /** How long something may be processed before it counts as failed. */
  readonly processingTimeoutMs: number;
  /** How long the platform's own lists may lag behind a commit. */
  readonly settleMs: number;
  /** Waited where processing cannot be looked at. */
  readonly blindWaitMs: number;
}

export interface AdapterOptions extends PlatformAddresses {
  readonly fetch: Fetch;
  readonly now?: () => Date;
  readonly timings?: Partial<Timings>;
}

/** What a platform's file exports, and the registry lists. */
export interface PlatformDefinition {
  /** The platform itself: no tenant in mode sandbox ever reaches one of these. */
  readonly live: PlatformAddresses;
  /** Further hosts of the platform that a sandbox may not have. */
  readonly otherLiveOrigins?: readonly string[];
  /** What a version must look like, for a setting that is wrong. */
  readonly versionPattern?: RegExp;
  readonly create: (options: AdapterOptions) => Readonly<Partial<Record<AccountKind, PlatformAdapter>>>;
  /** How accounts are connected; a platform without it takes tokens that a team brings. */
  readonly connect?: (options: AdapterOptions) => Connector;
  /** Further ways to connect, by the names of the rules' `logins`; each with platform apps of its own. */
  readonly logins?: Readonly<Record<string, (options: AdapterOptions) => Connector>>;
}

/** The same platform with some of its hosts alone: what is built on it sends no token to any other. */
export const reaching = (options: AdapterOptions, ...names: readonly string[]): AdapterOptions => ({
  ...options,
  hosts: Object.fromEntries(names.map((name) => [name, hostOf(options, name)])),
});

/** A host by its name, without a slash at the end. */
export function hostOf({ hosts }: PlatformAddresses, name: string): string {
  const host = hosts[name];
  if (host === undefined) throw new Error(`No host ${name} is configured`);
  return host.replace(/\/+$/, '');
}
