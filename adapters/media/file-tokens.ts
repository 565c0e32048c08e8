import { createHmac, hkdfSync, timingSafeEqual } from 'node:crypto';
import type { Keyring } from '../secrets/envelope.ts';

/** What a token opens, and until when. */
export interface FileGrant {
  readonly objectKey: string;
  readonly expiresAt: Date;
}

/** Signs and reads the tokens under which the interface hands out single files. A token is a secret, like what it opens. */
export interface FileTokens {
  readonly sign: (grant: FileGrant) => string;
  /** `null` for whatever is not a token of ours, or is one no longer. */
  readonly read: (token: string, now: Date) => FileGrant | null;
}

/** Kept media alone: nothing under `incoming/`, and no other object of the bucket. */
const keptKey = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\/[0-9a-f]{64}$/;
const longestToken = 1_000;

/** Tokens are signed with the keyring's current key, and read with any that is still in it. */
export function createFileTokens({ currentKeyId, keys }: Keyring): FileTokens {
  const signatureOf = (keyId: string, payload: string): Buffer | null => {
    const key = Object.hasOwn(keys, keyId) ? keys[keyId] : undefined;
    if (!key) return null;
    const signingKey = Buffer.from(hkdfSync('sha256', key, '', 'gatepost media files', 32));
    return createHmac('sha256', signingKey).update(payload).digest();
  };
  return {
    sign: ({ objectKey, expiresAt }) => {
      if (!keptKey.test(objectKey)) throw new Error(`${objectKey} is no key of a kept medium`);
      const fields = [currentKeyId, objectKey, Math.ceil(expiresAt.getTime() / 1_000)];
      const payload = Buffer.from(JSON.stringify(fields)).toString('base64url');
      return `${payload}.${signatureOf(currentKeyId, payload)!.toString('base64url')}`;
    },
    read: (token, now) => {
      if (token.length > longestToken) return null;
      const [payload = '', signature = '', ...rest] = token.split('.');
      const fields = rest.length === 0 ? fieldsOf(payload) : null;
      if (!fields) return null;
      const [keyId, objectKey, expiresAtSeconds] = fields;
      const expected = signatureOf(keyId, payload);
      if (!expected || !isEqual(expected, signature) || !keptKey.test(objectKey)) return null;
      const expiresAt = new Date(expiresAtSeconds * 1_000);
      return expiresAt > now ? { objectKey, expiresAt } : null;
    },
  };
}

function fieldsOf(payload: string): [keyId: string, objectKey: string, expiresAtSeconds: number] | null {
  try {
    const fields: unknown = JSON.parse(Buffer.from(payload, 'base64url').toString('utf8'));
    if (!Array.isArray(fields) || fields.length !== 3) return null;
    const [keyId, objectKey, expiresAt] = fields as unknown[];
    if (typeof keyId !== 'string' || typeof objectKey !== 'string' || !Number.isSafeInteger(expiresAt))
      return null;
    return [keyId, objectKey, expiresAt as number];
  } catch {
    return null;
  }
}

/** As text, so that each signature is written in one way alone. */
function isEqual(expected: Buffer, given: string): boolean {
  const [wanted, got] = [Buffer.from(expected.toString('base64url')), Buffer.from(given)];
  return wanted.length === got.length && timingSafeEqual(wanted, got);
}
