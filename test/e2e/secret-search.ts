/** Something that must never be seen. */
export interface Secret {
  readonly name: string;
  readonly value: Buffer;
}

/** A place where a secret might have got to. */
export interface Place {
  readonly name: string;
  readonly bytes: Buffer;
}

/** Names every place that holds a secret in any of its forms: raw, base64, hexadecimal, or encoded for an address. */
export function findSecrets(secrets: readonly Secret[], places: readonly Place[]): string[] {
  return secrets.flatMap(({ name, value }) =>
    formsOf(value).flatMap(([form, needle]) =>
      places
        .filter((place) => place.bytes.includes(needle))
        .map((place) => `${name} as ${form} in ${place.name}`),
    ),
  );
}

function formsOf(value: Buffer): [string, Buffer][] {
  const hex = value.toString('hex');
  const texts: [string, string][] = [
    ['hex', hex],
    ['upper-case hex', hex.toUpperCase()],
    ...base64Forms(value),
  ];
  const asText = value.toString('utf8');
  if (Buffer.from(asText).equals(value)) {
    texts.push(['part of an address', encodeURIComponent(asText)]);
    texts.push(['form field', new URLSearchParams([['', asText]]).toString().slice(1)]);
    texts.push(['JSON', JSON.stringify(asText).slice(1, -1)]);
  }
  return [['raw', value], ...texts.map(([form, text]): [string, Buffer] => [form, Buffer.from(text)])];
}

/** Inside something longer that was encoded as a whole, a value looks one of three ways. */
function base64Forms(value: Buffer): [string, string][] {
  return [0, 1, 2].flatMap((offset): [string, string][] => {
    const text = Buffer.concat([Buffer.alloc(offset), value])
      .toString('base64')
      .replace(/=+$/, '');
    const from = [0, 2, 3][offset]!;
    const isWhole = (offset + value.length) % 3 === 0;
    const inner = text.slice(from, isWhole ? undefined : -1);
    return [
      [`base64 at ${offset}`, inner],
      [`base64url at ${offset}`, inner.replaceAll('+', '-').replaceAll('/', '_')],
    ];
  });
}

/** Everything of a value that could hold a secret, however deep: texts, keys, bytes. */
export function flatten(value: unknown): Buffer {
  const parts: Buffer[] = [];
  const walk = (inner: unknown): void => {
    if (typeof inner === 'string') parts.push(Buffer.from(inner), Buffer.from('\n'));
    else if (inner instanceof Uint8Array) parts.push(Buffer.from(inner), Buffer.from('\n'));
    else if (inner instanceof Date) parts.push(Buffer.from(inner.toISOString()));
    else if (Array.isArray(inner)) for (const item of inner) walk(item);
    else if (inner !== null && typeof inner === 'object')
      for (const [key, item] of Object.entries(inner)) {
        walk(key);
        walk(item);
      }
  };
  walk(value);
  return Buffer.concat(parts);
}
