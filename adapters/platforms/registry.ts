import type { AccountKind, Platform } from '../../domain/post.ts';
import type { Fetch } from './http.ts';
import { createInstagram, type InstagramOptions, instagramLive, instagramLoginOrigin } from './instagram.ts';
import { createLinkedIn, type LinkedInOptions, linkedInLive } from './linkedin.ts';
import type { PlatformAdapter } from './publisher.ts';

/** Where each platform is reached, with its version and timings. */
export interface PlatformEndpoints {
  readonly linkedin: Omit<LinkedInOptions, 'fetch' | 'now'>;
  readonly instagram: Omit<InstagramOptions, 'fetch' | 'now'>;
}

export const liveEndpoints: PlatformEndpoints = { linkedin: linkedInLive, instagram: instagramLive };

/** A tenant's mode: `live` publishes for real, `sandbox` reaches only the sandbox. */
export type PlatformMode = 'live' | 'sandbox';

export interface RegistryOptions {
  readonly live: PlatformEndpoints;
  /** `null` where no sandbox runs: sandbox tenants are then refused. */
  readonly sandbox: PlatformEndpoints | null;
  readonly fetch: Fetch;
  readonly now?: () => Date;
}

export interface AdapterKey {
  readonly platform: Platform;
  readonly kind: AccountKind;
  readonly mode: PlatformMode;
}

export interface Registry {
  /** Throws `RegistryError`: `no-sandbox` for a sandbox tenant where none is configured, `unknown-account` otherwise. */
  readonly adapterFor: (key: AdapterKey) => PlatformAdapter;
}

export class RegistryError extends Error {
  override readonly name = 'RegistryError';
  readonly code: 'no-sandbox' | 'unknown-account' | 'sandbox-is-live';

  constructor(code: RegistryError['code'], message: string) {
    super(message);
    this.code = code;
  }
}

type Adapters = Record<string, PlatformAdapter>;

/**
 * Builds every adapter once per mode. The two sets share nothing, and a sandbox endpoint with a live origin is refused
 * here (`sandbox-is-live`), so that no sandbox tenant can reach a live host whatever the rest of the program does.
 */
export function createRegistry(options: RegistryOptions): Registry {
  if (options.sandbox) assertNotLive(options.sandbox, options.live);
  const sets: Record<PlatformMode, Adapters | null> = {
    live: createAdapters(options.live, options),
    sandbox: options.sandbox && createAdapters(withoutLiveDefaults(options.sandbox), options),
  };
  return {
    adapterFor: ({ platform, kind, mode }) => {
      const adapters = sets[mode];
      if (!adapters) {
        const message = `The tenant is in mode sandbox and no sandbox address is configured for ${platform}`;
        throw new RegistryError('no-sandbox', message);
      }
      const adapter = adapters[`${platform}/${kind}`];
      if (!adapter)
        throw new RegistryError('unknown-account', `No adapter for ${platform} accounts of kind ${kind}`);
      return adapter;
    },
  };
}

/** A new platform is one line here. */
function createAdapters(
  endpoints: PlatformEndpoints,
  { fetch, now }: Pick<RegistryOptions, 'fetch' | 'now'>,
): Adapters {
  const linkedin = createLinkedIn({ ...endpoints.linkedin, fetch, now });
  const instagram = createInstagram({ ...endpoints.instagram, fetch, now });
  return {
    'linkedin/member': linkedin.member,
    'linkedin/organization': linkedin.organization,
    'instagram/business': instagram.business,
  };
}

/** Uploads of a sandbox stay at its own origin unless others are named. */
function withoutLiveDefaults(sandbox: PlatformEndpoints): PlatformEndpoints {
  return {
    ...sandbox,
    linkedin: { ...sandbox.linkedin, uploadOrigins: sandbox.linkedin.uploadOrigins ?? [] },
  };
}

function addressesOf({ linkedin, instagram }: PlatformEndpoints): URL[] {
  const addresses = [linkedin.apiBaseUrl, ...(linkedin.uploadOrigins ?? []), instagram.graphBaseUrl];
  return addresses.map((address) => new URL(address));
}

/** The platforms' own host names count with any scheme and port; a proxy configured for live use counts as it stands. */
function assertNotLive(sandbox: PlatformEndpoints, live: PlatformEndpoints): void {
  const liveHosts = new Set(
    [...addressesOf(liveEndpoints), new URL(instagramLoginOrigin)].map((url) => url.hostname),
  );
  const liveOrigins = new Set(addressesOf(live).map((url) => url.origin));
  const shared = addressesOf(sandbox).find(
    (url) => liveHosts.has(url.hostname) || liveOrigins.has(url.origin),
  );
  if (shared)
    throw new RegistryError('sandbox-is-live', `The sandbox address ${shared.origin} is a live one`);
}
