import { hkdfSync, randomBytes, randomUUID } from 'node:crypto';
import { Client, Connection, defaultGrpcRetryOptions, makeGrpcRetryInterceptor } from '@temporalio/client';
import type { DataConverter } from '@temporalio/common';
import type pg from 'pg';
import { pino } from 'pino';
import { createFileTokens, type FileTokens } from '../adapters/media/file-tokens.ts';
import { createPlatformFetch } from '../adapters/platforms/platform-fetch.ts';
import { createRegistry, type Registry, sandboxEndpoints } from '../adapters/platforms/registry.ts';
import { createEnvelopes, type Envelopes } from '../adapters/secrets/envelope.ts';
import {
  createPayloadCodec,
  type PayloadCodecOptions,
  systemTenant,
} from '../adapters/secrets/payload-codec.ts';
import { createObjectStorage, type ObjectStorage } from '../adapters/storage/s3.ts';
import { forTenant } from '../db/tenant-database.ts';
import { findCurrentTenantKey, findTenantKey, insertTenantKey } from '../db/tenant-keys.ts';
import { tenantOfWorkflowId } from '../workflows/ids.ts';
import { type ApiConfig, type CommonConfig, endpointsOf, type WorkerConfig } from './config.ts';
import { failureConverterPath } from './failure-converter.ts';

/** Builds, from configuration, the parts that more than one process needs. */

export type Logger = ReturnType<typeof createLogger>;

/** JSON lines on standard output. What may hold a secret is cut out by name, wherever it stands in a line. */
export const createLogger = (name: string, level: string) =>
  pino({
    name,
    level,
    redact: {
      paths: [
        'req.headers.authorization',
        'req.headers.cookie',
        '*.accessToken',
        '*.token',
        '*.secret',
        '*.password',
      ],
      censor: '[redacted]',
    },
  });

export const openEnvelopes = (config: Pick<CommonConfig, 'GATEPOST_KEYS'>): Envelopes =>
  createEnvelopes(config.GATEPOST_KEYS);

/** The sandbox is near and quick: it is asked more often than a platform would like. */
const sandboxTimings = { pollIntervalMs: 200, blindWaitMs: 1_000, settleMs: 2_000, commitTimeoutMs: 5_000 };

export const openRegistry = (config: ApiConfig | WorkerConfig): Registry =>
  createRegistry({
    live: endpointsOf(config),
    sandbox: config.SANDBOX_URL ? sandboxEndpoints(config.SANDBOX_URL.replace(/\/$/, '')) : null,
    sandboxTimings,
    fetch: createPlatformFetch(),
  });

export const openFileTokens = (config: Pick<CommonConfig, 'GATEPOST_KEYS'>): FileTokens =>
  createFileTokens(config.GATEPOST_KEYS);

/** How the interface hands out one object under its public address. */
export function fileAddresses(
  publicUrl: string,
  tokens: FileTokens,
  now: () => Date = () => new Date(),
): (objectKey: string, livesForSeconds: number) => string {
  const base = publicUrl.replace(/\/$/, '');
  return (objectKey, livesForSeconds) => {
    const expiresAt = new Date(now().getTime() + livesForSeconds * 1_000);
    return `${base}/media-files/${tokens.sign({ objectKey, expiresAt })}`;
  };
}

export const openStorage = (config: CommonConfig): ObjectStorage =>
  createObjectStorage({
    endpoint: config.S3_ENDPOINT,
    publicEndpoint: config.S3_PUBLIC_ENDPOINT,
    region: config.S3_REGION,
    bucket: config.S3_BUCKET,
    accessKeyId: config.S3_ACCESS_KEY_ID,
    secretAccessKey: config.S3_SECRET_ACCESS_KEY,
    forcePathStyle: config.S3_FORCE_PATH_STYLE,
  });

/**
 * What stands between our processes and Temporal: payloads and failures encrypted with a key per tenant. Both the
 * client and the worker must use it, and from the first history on: what sleeps unencrypted stays so.
 */
export function createDataConverter(
  config: Pick<CommonConfig, 'GATEPOST_KEYS'>,
  pool: pg.Pool,
  envelopes: Envelopes,
): DataConverter {
  return {
    payloadCodecs: [createPayloadCodec(payloadKeys(config, pool, envelopes))],
    failureConverterPath,
  };
}

/** Keys of the payload codec: per tenant in `tenant_keys`, sealed; the system's own derived from the current key. */
export function payloadKeys(
  { GATEPOST_KEYS: keyring }: Pick<CommonConfig, 'GATEPOST_KEYS'>,
  pool: pg.Pool,
  envelopes: Envelopes,
): PayloadCodecOptions {
  const systemKey = (keyId: string): Uint8Array | null => {
    const key = keyring.keys[keyId];
    return key ? new Uint8Array(hkdfSync('sha256', key, '', 'gatepost system payloads', 32)) : null;
  };
  const contextOf = (tenantId: string, rowId: string) => ({
    tenantId,
    table: 'tenant_keys',
    column: 'wrapped_key',
    rowId,
  });
  const open = (tenantId: string, row: { id: string; wrappedKey: Buffer }) => ({
    keyId: row.id,
    key: Buffer.from(envelopes.open(row.wrappedKey, contextOf(tenantId, row.id)), 'base64'),
  });
  return {
    tenantOf: tenantOfWorkflowId,
    async keyFor(tenantId) {
      if (tenantId === systemTenant)
        return { keyId: keyring.currentKeyId, key: systemKey(keyring.currentKeyId)! };
      const database = forTenant(pool, tenantId);
      const known = await findCurrentTenantKey(database);
      if (known) return open(tenantId, known);
      const id = randomUUID();
      const fresh = randomBytes(32).toString('base64');
      // Two processes may meet here and both insert: every key stays readable by its id.
      await insertTenantKey(database, { id, wrappedKey: envelopes.seal(fresh, contextOf(tenantId, id)) });
      return open(tenantId, (await findCurrentTenantKey(database))!);
    },
    async keyById(tenantId, keyId) {
      if (tenantId === systemTenant) return systemKey(keyId);
      const row = await findTenantKey(forTenant(pool, tenantId), keyId);
      return row ? open(tenantId, row).key : null;
    },
  };
}

type TemporalConfig = Pick<
  CommonConfig,
  'TEMPORAL_ADDRESS' | 'TEMPORAL_NAMESPACE' | 'TEMPORAL_API_KEY' | 'TEMPORAL_TLS'
>;

export const serverAddress = (config: TemporalConfig) => ({
  address: config.TEMPORAL_ADDRESS,
  apiKey: config.TEMPORAL_API_KEY,
  tls: config.TEMPORAL_TLS || undefined,
});

/**
 * Without these, the wait between two tries to connect grows up to two minutes: after an outage of one minute a process
 * would stay cut off for another half.
 */
const channelArgs = { 'grpc.initial_reconnect_backoff_ms': 500, 'grpc.max_reconnect_backoff_ms': 2_000 };

const retry = defaultGrpcRetryOptions({ maxAttempts: 20 });
/** The library's own retries, but asleep for half a second at most: asleep, they outlast the deadline of their call. */
const interceptors = [
  makeGrpcRetryInterceptor({
    ...retry,
    delayFunction: (attempt, status) => Math.min(500, retry.delayFunction(attempt, status)),
  }),
];

/** A client that connects when it is first used, so that a process starts while Temporal is away. */
export function openClient(config: TemporalConfig, dataConverter: DataConverter): Client {
  const connection = Connection.lazy({ ...serverAddress(config), channelArgs, interceptors });
  return new Client({ connection, namespace: config.TEMPORAL_NAMESPACE, dataConverter });
}
