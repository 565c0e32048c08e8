import { randomBytes } from 'node:crypto';
import { defaultPayloadConverter, type Payload, type SerializationContext } from '@temporalio/common';
import {
  createPayloadCodec,
  PayloadCodecError,
  type PayloadCodecOptions,
} from '../../../adapters/secrets/payload-codec.ts';

const stored: Record<string, Record<string, Uint8Array>> = {
  t1: { old: randomBytes(32), k1: randomBytes(32) },
  t2: { k1: randomBytes(32) },
  system: { k1: randomBytes(32) },
};
const createCodec = (fields: Partial<PayloadCodecOptions> = {}) => {
  const asked: string[] = [];
  const codec = createPayloadCodec({
    tenantOf: (workflowId) => /^post\/([^/]+)\//.exec(workflowId)?.[1] ?? null,
    keyFor: async (tenantId) => {
      asked.push(`current ${tenantId}`);
      return { keyId: 'k1', key: stored[tenantId]!.k1! };
    },
    keyById: async (tenantId, keyId) => {
      asked.push(`${keyId} of ${tenantId}`);
      return stored[tenantId]?.[keyId] ?? null;
    },
    ...fields,
  });
  return { ...codec, asked };
};
const workflow = (workflowId: string): SerializationContext => ({
  type: 'workflow',
  namespace: 'default',
  workflowId,
});
const post1 = workflow('post/t1/p1');
const payload = (value: unknown): Payload => defaultPayloadConverter.toPayload(value);
const metadata = (encrypted: Payload, name: string) => Buffer.from(encrypted.metadata![name]!).toString();

async function failureOf(call: Promise<unknown>): Promise<PayloadCodecError> {
  const error = await call.then(
    () => new Error('The call did not fail'),
    (reason: unknown) => reason,
  );
  if (error instanceof PayloadCodecError) return error;
  throw error;
}

describe('the payload codec', () => {
  it('encrypts for the tenant of the workflow and decrypts without a context', async () => {
    const { encode, decode } = createCodec();
    const originals = [
      payload({ hash: 'abc-in-clear' }),
      payload(undefined),
      payload(new Uint8Array([1, 2])),
    ];
    const encrypted = await encode(originals, post1);
    for (const one of encrypted) {
      expect(metadata(one, 'encoding')).toBe('binary/encrypted');
      expect(metadata(one, 'encryption-tenant')).toBe('t1');
      expect(metadata(one, 'encryption-key-id')).toBe('k1');
      expect(Buffer.from(one.data!).includes('abc-in-clear')).toBe(false);
    }
    const decoded = await decode(encrypted);
    expect(decoded.map((one) => defaultPayloadConverter.fromPayload(one))).toEqual([
      { hash: 'abc-in-clear' },
      undefined,
      new Uint8Array([1, 2]),
    ]);
    expect(decoded[0]!.metadata).toEqual({ encoding: Buffer.from('json/plain') });
  });

  it.each<[string, SerializationContext | undefined, string]>([
    ['a workflow', post1, 't1'],
    [
      'an activity of a workflow',
      { type: 'activity', namespace: 'default', workflowId: 'post/t2/p1', isLocal: true },
      't2',
    ],
    ['an activity that stands alone', { type: 'activity', namespace: 'default', isLocal: false }, 'system'],
    ['a workflow of no tenant', workflow('sweep/outbox'), 'system'],
    ['nothing', undefined, 'system'],
  ])('takes the tenant from the context of %s', async (_what, context, tenantId) => {
    const { encode, decode } = createCodec();
    const [encrypted] = await encode([payload(1)], context);
    expect(metadata(encrypted!, 'encryption-tenant')).toBe(tenantId);
    const [decoded] = await decode([encrypted!], context);
    expect(defaultPayloadConverter.fromPayload(decoded!)).toBe(1);
  });

  it('never encrypts twice and passes clear payloads through', async () => {
    const { encode, decode } = createCodec();
    const once = await encode([payload('x')], post1);
    expect((await encode(once, post1))[0]).toBe(once[0]);
    const clear = payload('x');
    expect((await decode([clear], post1))[0]).toBe(clear);
    expect(await encode([], post1)).toEqual([]);
  });

  it('gives different bytes for equal payloads', async () => {
    const { encode } = createCodec();
    const [first, second] = await encode([payload('x'), payload('x')], post1);
    expect(Buffer.from(first!.data!).equals(Buffer.from(second!.data!))).toBe(false);
  });

  it('decrypts what an earlier key encrypted', async () => {
    const earlier = createCodec({ keyFor: async () => ({ keyId: 'old', key: stored.t1!.old! }) });
    const encrypted = await earlier.encode([payload('x')], post1);
    const [decoded] = await createCodec().decode(encrypted, post1);
    expect(defaultPayloadConverter.fromPayload(decoded!)).toBe('x');
  });

  it('says so when the key is destroyed', async () => {
    const encrypted = await createCodec().encode([payload('x')], post1);
    const error = await failureOf(createCodec({ keyById: async () => null }).decode(encrypted));
    expect(error.code).toBe('key-destroyed');
    expect(error.message).toBe('Key k1 of tenant t1 is destroyed or was never there');
  });

  it('fails with every single flipped bit', async () => {
    const { encode, decode } = createCodec();
    const [encrypted] = await encode([payload(7)], post1);
    for (let bit = 0; bit < encrypted!.data!.length * 8; bit++) {
      const data = Buffer.from(encrypted!.data!);
      data[bit >> 3]! ^= 1 << (bit & 7);
      expect((await failureOf(decode([{ ...encrypted, data }]))).code).toBe('not-authentic');
    }
    const short = { ...encrypted, data: encrypted!.data!.subarray(0, 27) };
    expect((await failureOf(decode([short]))).code).toBe('malformed');
  });

  it('binds tenant and key id: neither can be exchanged, even where the key is the same', async () => {
    const { encode, decode } = createCodec({ keyById: async () => stored.t1!.k1! });
    const [encrypted] = await encode([payload('x')], post1);
    for (const [name, value] of [
      ['encryption-tenant', 't2'],
      ['encryption-key-id', 'k2'],
    ] as const) {
      const changed = { ...encrypted, metadata: { ...encrypted!.metadata, [name]: Buffer.from(value) } };
      expect((await failureOf(decode([changed]))).code).toBe('not-authentic');
    }
    const bare = { ...encrypted, metadata: { encoding: encrypted!.metadata!.encoding! } };
    expect((await failureOf(decode([bare]))).message).toBe('An encrypted payload has no encryption-tenant');
  });

  it("refuses a payload of one tenant in another tenant's workflow, and takes one of the system", async () => {
    const { encode, decode } = createCodec();
    const foreign = await encode([payload('x')], workflow('post/t2/p9'));
    const error = await failureOf(decode(foreign, post1));
    expect(error.code).toBe('other-tenant');
    expect(error.message).toBe('A payload of tenant t2 stands in a workflow of t1');
    const [decoded] = await decode(await encode([payload('x')]), post1);
    expect(defaultPayloadConverter.fromPayload(decoded!)).toBe('x');
  });

  it('asks for a key once and keeps it, a failure it does not keep', async () => {
    const { encode, decode, asked } = createCodec();
    const encrypted = await encode([payload(1), payload(2)], post1);
    await decode([...encrypted, ...(await encode([payload(3)], post1))]);
    expect(asked).toEqual(['current t1', 'k1 of t1']);
    let calls = 0;
    const failing = createCodec({
      keyFor: async () => {
        calls += 1;
        throw new Error('no database');
      },
    });
    for (const _ of [1, 2]) await expect(failing.encode([payload(1)], post1)).rejects.toThrow('no database');
    expect(calls).toBe(2);
  });

  it('keeps keys for five minutes at most, and takes only whole ones', async () => {
    expect(() => createCodec({ cacheSeconds: 301 })).toThrow(
      'cacheSeconds is 301, above 0 and at most 300 is allowed',
    );
    const short = createCodec({ keyFor: async () => ({ keyId: 'k1', key: randomBytes(16) }) });
    await expect(short.encode([payload(1)], post1)).rejects.toThrow(
      'Key k1 of tenant t1 has 16 bytes instead of 32',
    );
  });
});
