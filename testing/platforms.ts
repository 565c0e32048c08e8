import type { Fault, FaultInput, FaultKind } from '../sandbox/faults.ts';
import type { LedgerEntry } from '../sandbox/ledger.ts';
import type { OperationName } from '../sandbox/platforms/index.ts';
import type { RequestRecord } from '../sandbox/requests.ts';
import type { Sandbox } from '../sandbox/server.ts';
import type { Settings } from '../sandbox/settings.ts';
import type { Control, Profile } from './profiles.ts';

export type { FaultKind } from '../sandbox/faults.ts';
export type { OperationName } from '../sandbox/platforms/index.ts';

/** The rest of a fault: how often, after how many calls, and what its kind takes. */
export interface FaultOptions
  extends Partial<Omit<FaultInput, 'platform' | 'operation' | 'kind' | 'externalId'>> {
  /** Default: every account. */
  readonly profile?: Pick<Profile, 'externalId'>;
}

export interface ScriptedFault {
  /** How many calls it has hit so far. */
  readonly hits: () => Promise<number>;
  readonly end: () => Promise<void>;
}

/** The pretended platforms: what they do wrong, what they were asked, how they behave otherwise. */
export interface Platforms {
  /** Without a slash at the end; a person can look at it. */
  readonly url: string;
  /**
   * Scripts a fault: `fail('linkedin.posts.create', 'accept-then-reset')` breaks the connection once, after the platform has
   * taken the post. Faults of one operation form a queue. Which kinds there are is in the sandbox's README.
   */
  readonly fail: (
    operation: OperationName,
    kind: FaultKind,
    options?: FaultOptions,
  ) => Promise<ScriptedFault>;
  /** Ends every fault. */
  readonly recover: () => Promise<void>;
  /** The calls that the platforms got, oldest first, without credentials. */
  readonly requests: (filter?: {
    operation?: OperationName;
    profile?: Pick<Profile, 'externalId'>;
  }) => Promise<RequestRecord[]>;
  /** Changes delays and limits. */
  readonly configure: (settings: Partial<Settings>) => Promise<void>;
  /** Any other control route: `control('GET', '/faults')`. */
  readonly control: Control;
}

/** Asks a sandbox's control routes; throws what it refuses. */
export const createControl =
  ({ url }: Pick<Sandbox, 'url'>): Control =>
  async (method, path, body) => {
    const response = await fetch(`${url}/_control${path}`, {
      method,
      headers: { 'content-type': 'application/json' },
      body: body === undefined ? undefined : JSON.stringify(body),
      signal: AbortSignal.timeout(10_000),
    });
    const text = await response.text();
    if (!response.ok)
      throw new Error(`The sandbox answered ${method} ${path} with ${response.status}: ${text}`);
    return text === '' ? undefined : JSON.parse(text);
  };

/** What went live on an account, oldest first. */
export async function readLedger(
  control: Control,
  { platform, externalId }: Pick<Profile, 'platform' | 'externalId'>,
): Promise<LedgerEntry[]> {
  const search = new URLSearchParams({ platform, externalId });
  return ((await control('GET', `/ledger?${search}`)) as { entries: LedgerEntry[] }).entries;
}

export function createPlatforms({ url }: Sandbox, control: Control): Platforms {
  const listFaults = async () => ((await control('GET', '/faults')) as { faults: Fault[] }).faults;
  return {
    url,
    async fail(operation, kind, { profile, ...options } = {}) {
      const body = { ...options, operation, kind, externalId: profile?.externalId };
      const { faultId } = (await control('POST', '/faults', body)) as Fault;
      return {
        hits: async () => (await listFaults()).find((fault) => fault.faultId === faultId)?.hits ?? 0,
        end: async () => void (await control('DELETE', `/faults/${faultId}`)),
      };
    },
    recover: async () => void (await control('DELETE', '/faults')),
    async requests({ operation, profile } = {}) {
      const search = new URLSearchParams({
        ...(operation && { operation }),
        ...(profile && { externalId: profile.externalId }),
      });
      return ((await control('GET', `/requests?${search}`)) as { requests: RequestRecord[] }).requests;
    },
    configure: async (settings) => void (await control('PATCH', '/settings', settings)),
    control,
  };
}
