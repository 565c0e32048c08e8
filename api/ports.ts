import type pg from 'pg';
import type { Logger } from 'pino';
import type { Connector } from '../adapters/platforms/connector.ts';
import type { PlatformMode } from '../adapters/platforms/registry.ts';
import type { PayloadCodecOptions } from '../adapters/secrets/payload-codec.ts';
import type { Platform } from '../domain/post.ts';
import type { AuthConfig } from './auth.ts';
import type { PostRuns } from './post-runs.ts';

/** What the interface needs of the object store. */
export interface MediaStorage {
  presignUpload(input: {
    key: string;
    contentType: string;
    sizeBytes: number;
    expiresInSeconds: number;
  }): Promise<{ method: 'PUT'; url: string; headers: Readonly<Record<string, string>>; expiresAt: Date }>;
  presignDownload(key: string, seconds: number): Promise<string>;
  head(key: string): Promise<{ sizeBytes: number } | null>;
  read(key: string, maxBytes: number): Promise<Buffer>;
  write(key: string, bytes: Uint8Array, contentType: string): Promise<void>;
  delete(key: string): Promise<void>;
}

export interface ProbedMedia {
  readonly kind: 'image' | 'video';
  readonly contentType: string;
  readonly width: number;
  readonly height: number;
  /** Pictures in an animation; absent for video. */
  readonly frames?: number;
  /** The rest is a video's alone. */
  readonly durationSeconds?: number;
  readonly frameRate?: number;
  readonly videoCodec?: string;
  readonly audioCodec?: string;
  readonly sizeBytes: number;
  readonly sha256: string;
}

/** Learns what bytes really are; bytes that cannot be taken throw an error with `code` and `name` `ProbeError`. */
export type MediaProbing = (bytes: Uint8Array) => Promise<ProbedMedia>;

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
  connectorFor(key: { readonly platform: Platform; readonly mode: PlatformMode }): Connector;
}

export interface ApiSettings {
  /** Where browsers reach the interface: callbacks are below it. Without a slash at the end. */
  readonly publicUrl: string;
  /** How long before the due time new runs arm a target, in milliseconds. */
  readonly armLeadMs: number;
  /** Whether new runs take Signals. */
  readonly acceptSignals: boolean;
  /** Largest JSON body in bytes (default 1 MiB). */
  readonly bodyLimitBytes?: number;
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
  readonly probe: MediaProbing;
  readonly envelopes: Sealing;
  readonly connectors: Connectors;
  readonly auth: AuthConfig;
  readonly clock: { now(): Date };
  readonly logger: Logger;
  readonly settings: ApiSettings;
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
