import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';

/** Key-encryption keys by id. New envelopes use `currentKeyId`; the others stay to open older ones. */
export interface Keyring {
  readonly currentKeyId: string;
  /** Each exactly 32 bytes. An id is 1 to 255 bytes of UTF-8. */
  readonly keys: Readonly<Record<string, Uint8Array>>;
}

/** Where a sealed value lives. An envelope opens only there: copied to another row it is worthless. */
export interface EnvelopeContext {
  readonly tenantId: string;
  readonly table: string;
  readonly column: string;
  readonly rowId: string;
}

export type EnvelopeErrorCode = 'malformed' | 'unknown-key' | 'not-authentic';

/** An envelope that does not open. The message holds the key id at most, never a value or a key. */
export class EnvelopeError extends Error {
  override readonly name = 'EnvelopeError';
  readonly code: EnvelopeErrorCode;

  constructor(code: EnvelopeErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}

export interface Envelopes {
  /** Encrypts a value for one column of one row, under a fresh data key. Two calls never give the same bytes. */
  readonly seal: (plaintext: string, context: EnvelopeContext) => Buffer;
  /** Throws `EnvelopeError`: any changed bit or any other context is `not-authentic`, `unknown-key` or `malformed`. */
  readonly open: (sealed: Uint8Array, context: EnvelopeContext) => string;
  /** Wraps the data key with the current key; the value is not decrypted. Repeatable: under the current key it is returned as it is. */
  readonly rewrap: (sealed: Uint8Array, context: EnvelopeContext) => Buffer;
  /** Which key an envelope is wrapped with, so that rotation finds what is left; nothing is decrypted. */
  readonly keyIdOf: (sealed: Uint8Array) => string;
}

/*
 * version (1) | length of key id (1) | key id | IV (12) | tag (16) | wrapped data key (32) | IV (12) | tag (16) | ciphertext
 * \____________________ wrapping, replaced by rewrap ___________________/ \__ value, never changed ___/
 */
const version = 1;
const keyBytes = 32;
const ivBytes = 12;
const tagBytes = 16;
const wrappingBytes = ivBytes + keyBytes + tagBytes;

interface Parts {
  readonly keyId: string;
  readonly wrapping: Buffer;
  readonly value: Buffer;
}

/** AES-256-GCM envelopes: a data key per value, wrapped by a key with an id. Throws when the keyring is unusable. */
export function createEnvelopes(keyring: Keyring): Envelopes {
  const keys = checkKeyring(keyring);

  const keyOf = (keyId: string): Buffer => {
    const key = keys.get(keyId);
    if (!key)
      throw new EnvelopeError('unknown-key', `No key with id ${JSON.stringify(keyId)} in the keyring`);
    return key;
  };
  const wrap = (dataKey: Buffer, context: EnvelopeContext): Buffer => {
    const { currentKeyId } = keyring;
    const id = Buffer.from(currentKeyId);
    const wrapping = encrypt(keyOf(currentKeyId), dataKey, associatedData('key', context, currentKeyId));
    return Buffer.concat([Buffer.from([version, id.length]), id, wrapping]);
  };
  const unwrap = ({ keyId, wrapping }: Parts, context: EnvelopeContext): Buffer =>
    decrypt(keyOf(keyId), wrapping, associatedData('key', context, keyId));

  return {
    seal: (plaintext, context) => {
      const dataKey = randomBytes(keyBytes);
      const value = encrypt(dataKey, Buffer.from(plaintext, 'utf8'), associatedData('value', context));
      return Buffer.concat([wrap(dataKey, context), value]);
    },
    open: (sealed, context) => {
      const parts = parse(sealed);
      const dataKey = unwrap(parts, context);
      return decrypt(dataKey, parts.value, associatedData('value', context)).toString('utf8');
    },
    rewrap: (sealed, context) => {
      const parts = parse(sealed);
      const dataKey = unwrap(parts, context);
      if (parts.keyId === keyring.currentKeyId) return Buffer.from(sealed);
      return Buffer.concat([wrap(dataKey, context), parts.value]);
    },
    keyIdOf: (sealed) => parse(sealed).keyId,
  };
}

function checkKeyring({ currentKeyId, keys }: Keyring): ReadonlyMap<string, Buffer> {
  const checked = new Map<string, Buffer>();
  for (const [keyId, key] of Object.entries(keys)) {
    const idLength = Buffer.byteLength(keyId);
    if (idLength < 1 || idLength > 255)
      throw new Error(`A key id has ${idLength} bytes, 1 to 255 are allowed`);
    if (key.byteLength !== keyBytes)
      throw new Error(`Key ${keyId} has ${key.byteLength} bytes instead of ${keyBytes}`);
    checked.set(keyId, Buffer.from(key));
  }
  if (!checked.has(currentKeyId)) throw new Error(`The current key ${currentKeyId} is not in the keyring`);
  return checked;
}

function parse(sealed: Uint8Array): Parts {
  const bytes = Buffer.from(sealed.buffer, sealed.byteOffset, sealed.byteLength);
  if (bytes[0] !== version) throw new EnvelopeError('malformed', `Not an envelope of version ${version}`);
  const idEnd = 2 + (bytes[1] ?? 0);
  const valueStart = idEnd + wrappingBytes;
  if (idEnd === 2 || bytes.length < valueStart + ivBytes + tagBytes) {
    throw new EnvelopeError('malformed', 'The envelope is cut off');
  }
  return {
    keyId: bytes.toString('utf8', 2, idEnd),
    wrapping: bytes.subarray(idEnd, valueStart),
    value: bytes.subarray(valueStart),
  };
}

/** Each field with its length before it, so that no two contexts read the same. */
function associatedData(purpose: 'key' | 'value', context: EnvelopeContext, keyId?: string): Buffer {
  const { tenantId, table, column, rowId } = context;
  const fields = ['gatepost/envelope', String(version), purpose, tenantId, table, column, rowId];
  if (keyId !== undefined) fields.push(keyId);
  return Buffer.concat(fields.map(lengthPrefixed));
}

function lengthPrefixed(field: string): Buffer {
  const bytes = Buffer.from(field, 'utf8');
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bytes.length);
  return Buffer.concat([length, bytes]);
}

function encrypt(key: Buffer, plaintext: Buffer, aad: Buffer): Buffer {
  const iv = randomBytes(ivBytes);
  const cipher = createCipheriv('aes-256-gcm', key, iv, { authTagLength: tagBytes }).setAAD(aad);
  const ciphertext = Buffer.concat([cipher.update(plaintext), cipher.final()]);
  return Buffer.concat([iv, cipher.getAuthTag(), ciphertext]);
}

function decrypt(key: Buffer, box: Buffer, aad: Buffer): Buffer {
  const iv = box.subarray(0, ivBytes);
  const tag = box.subarray(ivBytes, ivBytes + tagBytes);
  const decipher = createDecipheriv('aes-256-gcm', key, iv, { authTagLength: tagBytes })
    .setAAD(aad)
    .setAuthTag(tag);
  try {
    return Buffer.concat([decipher.update(box.subarray(ivBytes + tagBytes)), decipher.final()]);
  } catch {
    throw new EnvelopeError('not-authentic', 'The envelope was changed, or belongs to another row');
  }
}
