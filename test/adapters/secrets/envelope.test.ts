import { randomBytes } from 'node:crypto';
import { createEnvelopes, EnvelopeError } from '../../../adapters/secrets/envelope.ts';

const keys = { 'key-1': randomBytes(32), 'key-2': randomBytes(32) };
const envelopes = createEnvelopes({ currentKeyId: 'key-1', keys });
const rotated = createEnvelopes({ currentKeyId: 'key-2', keys });
const context = { tenantId: 't1', table: 'grants', column: 'access_token', rowId: 'g7' };
const secret = 'AQX-very-secret-token ✓';

/** After the version and the id of the key; after that key's wrapping. */
const noncesAt = [7, 67];

function failureOf(call: () => unknown): EnvelopeError {
  try {
    call();
  } catch (error) {
    if (error instanceof EnvelopeError) return error;
    throw error;
  }
  throw new Error('The call did not fail');
}

describe('an envelope', () => {
  it('opens where it was sealed, and shows nothing of its content', () => {
    const sealed = envelopes.seal(secret, context);
    expect(envelopes.open(sealed, context)).toBe(secret);
    expect(sealed.includes(Buffer.from('secret'))).toBe(false);
    expect(envelopes.open(envelopes.seal('', context), context)).toBe('');
  });

  it('is different every time, also in its wrapped key', () => {
    const [first, second] = [envelopes.seal(secret, context), envelopes.seal(secret, context)];
    expect(first.equals(second)).toBe(false);
    expect(first.subarray(7, 67).equals(second.subarray(7, 67))).toBe(false);
  });

  it('uses each nonce once, in a million', () => {
    const seen = new Set<string>();
    const count = 1_000_000;
    // Two in each: of the wrapped key, which all rows share a key for, and of the value.
    for (let sealed = 0; sealed < count / 2; sealed++) {
      const envelope = envelopes.seal('', context);
      for (const start of noncesAt) seen.add(envelope.toString('latin1', start, start + 12));
    }
    expect(seen.size).toBe(count);
  }, 120_000);

  it('fails with every single flipped bit', () => {
    const sealed = envelopes.seal('abc', context);
    for (let bit = 0; bit < sealed.length * 8; bit++) {
      const flipped = Buffer.from(sealed);
      flipped[bit >> 3]! ^= 1 << (bit & 7);
      const error = failureOf(() => envelopes.open(flipped, context));
      expect(['malformed', 'unknown-key', 'not-authentic']).toContain(error.code);
      expect(error.message).not.toContain('abc');
    }
  });

  it('fails with every single flipped bit of what it is bound to', () => {
    const sealed = envelopes.seal('abc', context);
    for (const field of Object.keys(context) as (keyof typeof context)[]) {
      const bytes = Buffer.from(context[field], 'latin1');
      for (let bit = 0; bit < bytes.length * 8; bit++) {
        const flipped = Buffer.from(bytes);
        flipped[bit >> 3]! ^= 1 << (bit & 7);
        const other = { ...context, [field]: flipped.toString('latin1') };
        for (const call of [envelopes.open, envelopes.rewrap])
          expect(failureOf(() => call(sealed, other)).code).toBe('not-authentic');
      }
    }
  });

  it('fails cut off at any length, and with anything appended', () => {
    const sealed = envelopes.seal('abc', context);
    for (let length = 0; length < sealed.length; length++) {
      failureOf(() => envelopes.open(sealed.subarray(0, length), context));
    }
    expect(failureOf(() => envelopes.open(Buffer.concat([sealed, Buffer.from([0])]), context)).code).toBe(
      'not-authentic',
    );
  });

  it.each([
    { tenantId: 't2' },
    { table: 'profiles' },
    { column: 'refresh_token' },
    { rowId: 'g8' },
    { tenantId: 't1g', table: 'rants' },
  ])('does not open with another context: %j', (other) => {
    const sealed = envelopes.seal(secret, context);
    for (const call of [envelopes.open, envelopes.rewrap]) {
      const error = failureOf(() => call(sealed, { ...context, ...other }));
      expect(error.code).toBe('not-authentic');
      expect(error.message).toBe('The envelope was changed, or belongs to another row');
    }
  });

  it('does not accept the data part of another envelope of the same row', () => {
    const [first, second] = [envelopes.seal('one', context), envelopes.seal('two', context)];
    const mixed = Buffer.concat([first.subarray(0, 67), second.subarray(67)]);
    expect(failureOf(() => envelopes.open(mixed, context)).code).toBe('not-authentic');
  });
});

describe('rotation', () => {
  it('wraps the data key anew and leaves the encrypted value as it is', () => {
    const sealed = envelopes.seal(secret, context);
    const rewrapped = rotated.rewrap(sealed, context);
    expect([envelopes.keyIdOf(sealed), envelopes.keyIdOf(rewrapped)]).toEqual(['key-1', 'key-2']);
    expect(rewrapped.subarray(67).equals(sealed.subarray(67))).toBe(true);
    expect(rotated.open(rewrapped, context)).toBe(secret);
  });

  it('changes nothing under the current key', () => {
    const sealed = envelopes.seal(secret, context);
    expect(envelopes.rewrap(sealed, context).equals(sealed)).toBe(true);
  });

  it('names the key that is missing', () => {
    const alone = createEnvelopes({ currentKeyId: 'key-2', keys: { 'key-2': keys['key-2'] } });
    const error = failureOf(() => alone.open(envelopes.seal(secret, context), context));
    expect([error.code, error.message]).toEqual(['unknown-key', 'No key with id "key-1" in the keyring']);
  });

  it('does not take a key that was put under another id', () => {
    const renamed = createEnvelopes({ currentKeyId: 'key-1', keys: { 'key-1': keys['key-2'] } });
    expect(failureOf(() => renamed.open(envelopes.seal(secret, context), context)).code).toBe(
      'not-authentic',
    );
  });
});

describe('the keyring', () => {
  it.each([
    [{ currentKeyId: 'a', keys: {} }, 'The current key a is not in the keyring'],
    [{ currentKeyId: 'a', keys: { a: randomBytes(31) } }, 'Key a has 31 bytes instead of 32'],
    [{ currentKeyId: '', keys: { '': randomBytes(32) } }, 'A key id has 0 bytes, 1 to 255 are allowed'],
    [
      { currentKeyId: 'toString', keys: { a: randomBytes(32) } },
      'The current key toString is not in the keyring',
    ],
  ])('is checked before use %#', (keyring, message) => {
    expect(() => createEnvelopes(keyring)).toThrow(message);
  });
});
