import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import type { Payload, PayloadCodec, SerializationContext } from '@temporalio/common';
import proto from '@temporalio/proto';
import { LRUCache } from 'lru-cache';

/** A tenant's key for payloads. */
export interface PayloadKey {
  readonly keyId: string;
  /** 32 bytes. */
  readonly key: Uint8Array;
}

export interface PayloadCodecOptions {
  /** The tenant a workflow id names, e.g. of `post/{tenantId}/{postId}`; `null` when it names none. */
  readonly tenantOf: (workflowId: string) => string | null;
  /** The key new payloads of a tenant (or of `system`) are written with. */
  readonly keyFor: (tenantId: string) => Promise<PayloadKey>;
  /** A key that was used earlier; `null` once it is destroyed. */
  readonly keyById: (tenantId: string, keyId: string) => Promise<Uint8Array | null>;
  /** How long a key is kept in memory, and so at most survives its destruction (default and at most 300). */
  readonly cacheSeconds?: number;
}

export type PayloadCodecErrorCode = 'key-destroyed' | 'malformed' | 'not-authentic' | 'other-tenant';

/** A payload that cannot be decrypted. The message names tenant and key id, never content. */
export class PayloadCodecError extends Error {
  override readonly name = 'PayloadCodecError';
  readonly code: PayloadCodecErrorCode;

  constructor(code: PayloadCodecErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}

/** The name under which payloads of no tenant are encrypted: schedules, sweeps, calls without a context. */
export const systemTenant = 'system';

const encryptedEncoding = 'binary/encrypted';
const maxCacheSeconds = 300;
const maxCachedKeys = 10_000;
const keyBytes = 32;
const ivBytes = 12;
const tagBytes = 16;
const { Payload: PayloadMessage } = proto.temporal.api.common.v1;

/**
 * Encrypts every payload that goes to Temporal with the key of the tenant whose workflow it belongs to, so that
 * destroying the key erases what sleeping histories hold.
 *
 * Encoding needs the workflow's id, which the SDK passes for clients, workflows and activities alike; only completing an
 * activity by its bare task token gives none, and is written as `system`. Decoding needs no context: tenant and key id
 * stand in the payload's metadata and are bound into its authentication. Where there is a context, a payload of another
 * tenant is refused.
 */
export function createPayloadCodec(options: PayloadCodecOptions): PayloadCodec {
  const keys = createKeyCache(options);

  const encodeOne = async (payload: Payload, tenantId: string): Promise<Payload> => {
    if (isEncrypted(payload)) return payload;
    const { keyId, key } = await keys.current(tenantId);
    return {
      metadata: {
        encoding: Buffer.from(encryptedEncoding),
        'encryption-tenant': Buffer.from(tenantId),
        'encryption-key-id': Buffer.from(keyId),
      },
      data: encrypt(key, PayloadMessage.encode(payload).finish(), associatedData(tenantId, keyId)),
    };
  };

  const decodeOne = async (payload: Payload, expected: string): Promise<Payload> => {
    if (!isEncrypted(payload)) return payload;
    const tenantId = metadataOf(payload, 'encryption-tenant');
    const keyId = metadataOf(payload, 'encryption-key-id');
    if (expected !== systemTenant && tenantId !== systemTenant && tenantId !== expected) {
      throw new PayloadCodecError(
        'other-tenant',
        `A payload of tenant ${tenantId} stands in a workflow of ${expected}`,
      );
    }
    const key = await keys.byId(tenantId, keyId);
    return decodePayload(decrypt(key, payload.data ?? new Uint8Array(), associatedData(tenantId, keyId)));
  };

  const tenantIn = (context: SerializationContext | undefined): string =>
    (context?.workflowId && options.tenantOf(context.workflowId)) || systemTenant;

  return {
    encode: (payloads, context) =>
      Promise.all(payloads.map((payload) => encodeOne(payload, tenantIn(context)))),
    decode: (payloads, context) =>
      Promise.all(payloads.map((payload) => decodeOne(payload, tenantIn(context)))),
  };
}

interface KeyCache {
  readonly current: (tenantId: string) => Promise<PayloadKey>;
  readonly byId: (tenantId: string, keyId: string) => Promise<Uint8Array>;
}

function createKeyCache(options: PayloadCodecOptions): KeyCache {
  const cacheSeconds = options.cacheSeconds ?? maxCacheSeconds;
  if (!(cacheSeconds > 0 && cacheSeconds <= maxCacheSeconds)) {
    throw new Error(`cacheSeconds is ${cacheSeconds}, above 0 and at most ${maxCacheSeconds} is allowed`);
  }
  const limits = { max: maxCachedKeys, ttl: cacheSeconds * 1000 };
  const current = new LRUCache<string, PayloadKey>({
    ...limits,
    fetchMethod: async (tenantId) => {
      const { keyId, key } = await options.keyFor(tenantId);
      return { keyId, key: checkKey(key, tenantId, keyId) };
    },
  });
  const byId = new LRUCache<string, Uint8Array>({
    ...limits,
    fetchMethod: async (cacheKey) => {
      const [tenantId, keyId] = JSON.parse(cacheKey) as [string, string];
      const key = await options.keyById(tenantId, keyId);
      if (!key) {
        throw new PayloadCodecError(
          'key-destroyed',
          `Key ${keyId} of tenant ${tenantId} is destroyed or was never there`,
        );
      }
      return checkKey(key, tenantId, keyId);
    },
  });
  return {
    current: (tenantId) => current.forceFetch(tenantId),
    byId: (tenantId, keyId) => byId.forceFetch(JSON.stringify([tenantId, keyId])),
  };
}

function checkKey(key: Uint8Array, tenantId: string, keyId: string): Uint8Array {
  if (key.byteLength === keyBytes) return key;
  throw new Error(`Key ${keyId} of tenant ${tenantId} has ${key.byteLength} bytes instead of ${keyBytes}`);
}

function isEncrypted(payload: Payload): boolean {
  const encoding = payload.metadata?.encoding;
  return encoding != null && Buffer.from(encoding).toString('utf8') === encryptedEncoding;
}

function metadataOf(payload: Payload, name: string): string {
  const value = payload.metadata?.[name];
  if (!value) throw new PayloadCodecError('malformed', `An encrypted payload has no ${name}`);
  return Buffer.from(value).toString('utf8');
}

/** Back to a plain object: the SDK's converters read it and `toEqual` compares it. */
function decodePayload(bytes: Uint8Array): Payload {
  const { metadata, data, externalPayloads } = PayloadMessage.decode(bytes);
  return { metadata, data, ...(externalPayloads.length > 0 ? { externalPayloads } : {}) };
}

/** Each field with its length before it, so that no two pairs of tenant and key read the same. */
function associatedData(tenantId: string, keyId: string): Buffer {
  const fields = ['gatepost/payload', '1', tenantId, keyId].map((field) => Buffer.from(field, 'utf8'));
  return Buffer.concat(
    fields.flatMap((field) => {
      const length = Buffer.alloc(4);
      length.writeUInt32BE(field.length);
      return [length, field];
    }),
  );
}

/** IV (12) | tag (16) | ciphertext. A random IV is safe for 2^32 payloads of one key (NIST SP 800-38D). */
function encrypt(key: Uint8Array, plaintext: Uint8Array, aad: Buffer): Uint8Array {
  const iv = randomBytes(ivBytes);
  const cipher = createCipheriv('aes-256-gcm', key, iv, { authTagLength: tagBytes }).setAAD(aad);
  const ciphertext = Buffer.concat([cipher.update(plaintext), cipher.final()]);
  return Buffer.concat([iv, cipher.getAuthTag(), ciphertext]);
}

function decrypt(key: Uint8Array, data: Uint8Array, aad: Buffer): Uint8Array {
  if (data.byteLength < ivBytes + tagBytes)
    throw new PayloadCodecError('malformed', 'An encrypted payload is cut off');
  const decipher = createDecipheriv('aes-256-gcm', key, data.subarray(0, ivBytes), {
    authTagLength: tagBytes,
  })
    .setAAD(aad)
    .setAuthTag(data.subarray(ivBytes, ivBytes + tagBytes));
  try {
    return Buffer.concat([decipher.update(data.subarray(ivBytes + tagBytes)), decipher.final()]);
  } catch {
    throw new PayloadCodecError(
      'not-authentic',
      'An encrypted payload was changed or moved to another tenant or key',
    );
  }
}
