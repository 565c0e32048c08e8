import { multipartOf } from '../../../adapters/platforms/multipart.ts';

const file = (bytes: Iterable<Uint8Array> | AsyncIterable<Uint8Array>, sizeBytes: number) => ({
  ...{ field: 'file', name: 'a.mp4', contentType: 'video/mp4' },
  ...{ sizeBytes, bytes },
});
const megabyte = 1_048_576;

/** Megabytes that are made when they are asked for; says how many were, and whether their reader has left. */
function film(megabytes: number, failsAfter = Number.POSITIVE_INFINITY) {
  const state = { made: 0, isClosed: false };
  async function* bytes() {
    try {
      for (; state.made < megabytes; state.made += 1) {
        if (state.made >= failsAfter) throw new Error('The object is gone');
        yield new Uint8Array(megabyte).fill(7);
      }
    } finally {
      state.isClosed = true;
    }
  }
  return { bytes: bytes(), state };
}

describe('a form with a file', () => {
  it('has the fields in their order, the file behind them, and says its length', async () => {
    const { headers, body } = multipartOf(
      [
        ['key', 'abc'],
        ['policy', 'ünï'],
      ],
      file([new Uint8Array([65, 66]), new Uint8Array([67])], 3),
    );
    const sent = Buffer.concat(await body.toArray());
    const boundary = /boundary=(.+)$/.exec(headers['content-type']!)![1];
    expect(sent.toString()).toBe(
      [
        `--${boundary}`,
        'Content-Disposition: form-data; name="key"',
        '',
        'abc',
        `--${boundary}`,
        'Content-Disposition: form-data; name="policy"',
        '',
        'ünï',
        `--${boundary}`,
        'Content-Disposition: form-data; name="file"; filename="a.mp4"',
        'Content-Type: video/mp4',
        '',
        'ABC',
        `--${boundary}--`,
        '',
      ].join('\r\n'),
    );
    expect(headers['content-length']).toBe(String(sent.length));
  });

  it('reads the file no faster than it is sent', async () => {
    const { bytes, state } = film(64);
    const { body } = multipartOf([], file(bytes, 64 * megabyte));
    const read = body[Symbol.asyncIterator]();
    for (let chunks = 0; chunks < 4; chunks += 1) await read.next();
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(state.made).toBeLessThan(12);
    body.destroy();
  });

  it('lets go of the file when its reader leaves', async () => {
    const { bytes, state } = film(64);
    const { body } = multipartOf([], file(bytes, 64 * megabyte));
    await body[Symbol.asyncIterator]().next();
    body.destroy();
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(state.isClosed).toBe(true);
  });

  it('fails with the file', async () => {
    const { bytes } = film(8, 3);
    const { body } = multipartOf([], file(bytes, 8 * megabyte));
    await expect(body.toArray()).rejects.toThrow('The object is gone');
  });
});
