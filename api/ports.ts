import type pg from 'pg';
import type { Logger } from 'pino';
import type { GuardedFetchOptions } from '../adapters/http/guarded-fetch.ts';
import type { FileTokens } from '../adapters/media/file-tokens.ts';
import type { ProbeBytes, UploadStorage } from '../adapters/media/take-upload.ts';
import type { Connector } from '../adapters/platforms/connector.ts';
import type { ConnectorKey, Registry } from '../adapters/platforms/registry.ts';
import type { PayloadCodecOptions } from '../adapters/secrets/payload-codec.ts';
import type { LargestFiles } from '../domain/media-limits.ts';
import type { AuthConfig } from './auth.ts';
import type { PostRuns } from './post-runs.ts';

/** What the interface needs of the object store. */
export interface MediaStorage extends UploadStorage {
  presignUpload(input: {
    key: string;
    contentType: string;
    sizeBytes: number;
    expiresInSeconds: number;
  }): Promise<{ method: 'PUT'; url: string; headers: Readonly<Record<string, string>>; expiresAt: Date }>;
  presignDownload(key: string, seconds: number): Promise<string>;
}

/** Seals values for one column of one row. */
export interface Sealing {
  seal(plaintext: string, context: SealContext): Buffer;
  open(sealed: Uint8Array, context: SealContext): string;
}
export interface SealContext {
  readonly tenantId: string;
  readonly table: string;
  readonly column: string;
  readonly rowId: string;
}

/** How accounts are connected at a platform; throws a `RegistryError` where they are not. */
export interface Connectors {
  connectorFor(key: ConnectorKey): Connector;
}

/** What platforms can do for a kind of account; throws a `RegistryError` where there is none. */
export type Adapters = Pick<Registry, 'adapterFor'>;

export interface ApiSettings {
  /** Where browsers reach the interface: callbacks are below it. Without a slash at the end. */
  readonly publicUrl: string;
  /** How long before the due time new runs arm a target, in milliseconds. */
  readonly armLeadMs: number;
  /** Whether new runs take Signals. */
  readonly acceptSignals: boolean;
  /** Largest JSON body in bytes (default 1 MiB). */
  readonly bodyLimitBytes?: number;
  /** What addresses media may be fetched from (default: https, the usual ports). */
  readonly outside?: Pick<GuardedFetchOptions, 'allowHttp' | 'ports'>;
  /** Largest file by kind, in bytes (default `defaultLargestFiles`). */
  readonly largestFiles?: LargestFiles;
  /** How long an upload address lives (default 900 s). */
  readonly uploadSeconds?: number;
  /** How long a download address lives (default 300 s). */
  readonly downloadSeconds?: number;
}

/** Throws or rejects when the part is not usable now. */
export type ReadinessCheck = () => Promise<void>;

/** Everything the interface is given; it reads no environment and opens nothing itself. */
export interface ApiDependencies {
  readonly pool: pg.Pool;
  readonly postRuns: PostRuns;
  readonly storage: MediaStorage;
  readonly probe: ProbeBytes;
  readonly envelopes: Sealing;
  readonly connectors: Connectors;
  /** To list what an account has, e.g. its boards; left out, nothing is listed. */
  readonly adapters?: Adapters;
  readonly auth: AuthConfig;
  readonly clock: { now(): Date };
  readonly logger: Logger;
  readonly settings: ApiSettings;
  /** Hands out single files under `/media-files`; left out, nobody can. */
  readonly fileTokens?: FileTokens;
  /** Serves the codec endpoint of the Temporal Web UI under `/codec`; left out, there is none. */
  readonly codec?: {
    readonly keys: PayloadCodecOptions;
    /** Whose pages may call. */
    readonly webUiOrigin?: string;
    /** For a local Web UI without a login; never in production. */
    readonly tokenInPath: boolean;
  };
  /** By name: `postgres`, `temporal`, `storage`. */
  readonly readiness: Readonly<Record<string, ReadinessCheck>>;
}
