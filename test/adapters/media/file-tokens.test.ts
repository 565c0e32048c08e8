import { createFileTokens } from '../../../adapters/media/file-tokens.ts';

const keys = { old: Buffer.alloc(32, 1), new: Buffer.alloc(32, 2) };
const tokens = createFileTokens({ currentKeyId: 'new', keys });
const objectKey = `00000000-0000-4000-8000-000000000001/${'ab'.repeat(32)}`;
const now = new Date('2026-12-01T09:00:00Z');
const expiresAt = new Date('2026-12-01T10:00:00Z');
const token = tokens.sign({ objectKey, expiresAt });

test('opens what it was signed for, until it ends', () => {
  expect(tokens.read(token, now)).toEqual({ objectKey, expiresAt });
  expect(tokens.read(token, new Date(expiresAt.getTime() - 1))).not.toBeNull();
  expect(tokens.read(token, expiresAt)).toBeNull();
  expect(token).toMatch(/^[\w-]+\.[\w-]+$/);
});

test('is read under every key that is still in the ring, and under no other', () => {
  const ofOld = createFileTokens({ currentKeyId: 'old', keys }).sign({ objectKey, expiresAt });
  expect(tokens.read(ofOld, now)).toEqual({ objectKey, expiresAt });
  const newAlone = createFileTokens({ currentKeyId: 'new', keys: { new: keys.new } });
  expect(newAlone.read(ofOld, now)).toBeNull();
  const renamed = createFileTokens({ currentKeyId: 'new', keys: { new: keys.old } });
  expect(renamed.read(token, now)).toBeNull();
});

test('opens nothing with any bit changed, cut off, or written in another way', () => {
  const bytes = Buffer.from(token);
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const flipped = Buffer.from(bytes);
    flipped[bit >> 3]! ^= 1 << (bit & 7);
    expect(tokens.read(flipped.toString('latin1'), now)).toBeNull();
  }
  for (let length = 0; length < token.length; length++)
    expect(tokens.read(token.slice(0, length), now)).toBeNull();
  for (const other of [`${token}=`, `${token}.`, ` ${token}`, `${token}A`, token.repeat(20), '..', '.'])
    expect(tokens.read(other, now)).toBeNull();
});

test('does not take other fields under the signature of these', () => {
  const [payload, signature] = token.split('.');
  const fields = JSON.parse(Buffer.from(payload!, 'base64url').toString());
  for (const changed of [
    [fields[0], objectKey.replace('ab', 'cd'), fields[2]],
    [fields[0], fields[1], fields[2] + 3_600],
    ['old', fields[1], fields[2]],
    ['__proto__', fields[1], fields[2]],
    [fields[0], fields[1], null],
    fields.slice(0, 2),
    {},
    null,
  ]) {
    const text = Buffer.from(JSON.stringify(changed)).toString('base64url');
    expect(tokens.read(`${text}.${signature}`, now)).toBeNull();
  }
});

test.each([
  'incoming/00000000-0000-4000-8000-000000000001/x',
  '00000000-0000-4000-8000-000000000001/../secret',
  '',
  `${objectKey}/more`,
])('is signed for no other object: %j', (other) => {
  expect(() => tokens.sign({ objectKey: other, expiresAt })).toThrow('is no key of a kept medium');
});
