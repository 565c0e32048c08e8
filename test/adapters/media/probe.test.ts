import { createHash } from 'node:crypto';
import sharp from 'sharp';
import {
  type ByteSource,
  ProbeError,
  type ProbeLimits,
  probeBytes,
  probeMedia,
} from '../../../adapters/media/probe.ts';
import { OutcomeError } from '../../../domain/outcome.ts';
import { box, createLongMp4, createMp4 } from './mp4.ts';

const drawing = (width = 40, height = 30) =>
  sharp({ create: { width, height, channels: 3, background: { r: 200, g: 10, b: 10 } } });

async function failureOf(bytes: Uint8Array, limits?: ProbeLimits): Promise<ProbeError> {
  const error = await probeMedia(bytes, limits).then(
    () => new Error('The call did not fail'),
    (reason: unknown) => reason,
  );
  if (error instanceof ProbeError) return error;
  throw error;
}

describe('the probe', () => {
  it.each([
    ['image/jpeg', () => drawing().jpeg().toBuffer()],
    ['image/png', () => drawing().png().toBuffer()],
    ['image/gif', () => drawing().gif().toBuffer()],
    ['image/webp', () => drawing().webp().toBuffer()],
  ])('reads %s from its bytes', async (contentType, make) => {
    const bytes = await make();
    expect(await probeMedia(bytes)).toEqual({
      kind: 'image',
      contentType,
      width: 40,
      height: 30,
      frames: 1,
      sizeBytes: bytes.length,
      sha256: createHash('sha256').update(bytes).digest('hex'),
    });
  });

  it('gives the size a picture is shown with, not the one it is stored with', async () => {
    const bytes = await drawing().jpeg().withMetadata({ orientation: 6 }).toBuffer();
    expect(await probeMedia(bytes)).toMatchObject({ width: 30, height: 40 });
  });

  it('counts the frames of an animation and measures one of them', async () => {
    const frame = (value: number) => Buffer.alloc(10 * 10 * 3, value);
    const raw = { width: 10, height: 30, channels: 3 as const, pageHeight: 10 };
    const bytes = await sharp(Buffer.concat([frame(0), frame(128), frame(255)]), { raw })
      .gif()
      .toBuffer();
    expect(await probeMedia(bytes)).toMatchObject({
      contentType: 'image/gif',
      width: 10,
      height: 10,
      frames: 3,
    });
  });

  it('reads size and duration of an MP4', async () => {
    const bytes = createMp4({ width: 640, height: 360, seconds: 5 });
    expect(await probeMedia(bytes)).toEqual({
      kind: 'video',
      contentType: 'video/mp4',
      width: 640,
      height: 360,
      durationSeconds: 5,
      frameRate: 1,
      videoCodec: 'AVC',
      sizeBytes: bytes.length,
      sha256: createHash('sha256').update(bytes).digest('hex'),
    });
  });

  it.each([
    ['isom', 'video/mp4'],
    ['mp42', 'video/mp4'],
    ['qt  ', 'video/quicktime'],
  ])('reads pictures per second and codecs of a film of brand %s', async (brand, contentType) => {
    const film = { width: 1080, height: 1920, seconds: 4, frameRate: 30, hasSound: true };
    expect(await probeMedia(createMp4({ ...film, brand, mediaBytes: 4_000 }))).toMatchObject({
      kind: 'video',
      contentType,
      ...{ width: 1080, height: 1920, durationSeconds: 4, frameRate: 30 },
      ...{ videoCodec: 'AVC', audioCodec: 'AAC' },
    });
  });

  it('names no audio codec for a silent film', async () => {
    const probed = await probeMedia(createMp4({ width: 640, height: 360, seconds: 5, frameRate: 25 }));
    expect(probed).toMatchObject({ frameRate: 25, videoCodec: 'AVC' });
    expect(probed).not.toHaveProperty('audioCodec');
  });

  /** A film whose middle is never there, so that it may be of any length. */
  function longFilm(mediaBytes: number): ByteSource & { readonly asked: number[] } {
    const { start, end } = createLongMp4({
      width: 1920,
      height: 1080,
      seconds: 60,
      frameRate: 30,
      mediaBytes,
    });
    const endStart = start.length + mediaBytes;
    const asked: number[] = [];
    const read = async (from: number, to: number): Promise<Uint8Array> => {
      asked.push(to - from);
      const slice = Buffer.alloc(to - from);
      if (from < start.length) start.copy(slice, 0, from);
      if (to > endStart) end.copy(slice, Math.max(0, endStart - from), Math.max(0, from - endStart));
      return slice;
    };
    return { sizeBytes: endStart + end.length, read, asked };
  }

  it('reads little more of a gigabyte than its index, wherever that lies', async () => {
    const film = longFilm(1_073_000_000);
    expect(await probeBytes(film)).toMatchObject({
      contentType: 'video/mp4',
      ...{ width: 1920, height: 1080, durationSeconds: 60, frameRate: 30, videoCodec: 'AVC' },
    });
    expect(film.asked.reduce((sum, bytes) => sum + bytes, 0)).toBeLessThan(4_000_000);
  });

  it('gives up on an index that would have to be kept in memory', async () => {
    const head = box('ftyp', Buffer.from('isom\0\0\0\0isom'));
    const moov = Buffer.from([0x30, 0, 0, 0, ...Buffer.from('moov')]);
    const udta = Buffer.from([0x2f, 0xff, 0xff, 0xf8, ...Buffer.from('trak')]);
    const start = Buffer.concat([
      head,
      moov,
      udta,
      Buffer.from([0x2f, 0xff, 0xff, 0xf0]),
      Buffer.from('tkhd'),
    ]);
    let bytesRead = 0;
    const read = async (from: number, to: number): Promise<Uint8Array> => {
      bytesRead += to - from;
      const slice = Buffer.alloc(to - from);
      if (from < start.length) start.copy(slice, 0, from);
      return slice;
    };
    const error = await probeBytes({ sizeBytes: head.length + 0x30000000, read }).catch((reason) => reason);
    expect([error.code, error.message]).toEqual([
      'unreadable-media',
      "The video's index has more than 33554432 bytes",
    ]);
    expect(bytesRead).toBeLessThan(40_000_000);
  });

  it('blames the store, not the file, when a slice cannot be read', async () => {
    const film = longFilm(100_000);
    const failure = new OutcomeError('unavailable', 'The store is away');
    let calls = 0;
    const read: ByteSource['read'] = async (start, end) => {
      calls += 1;
      if (calls > 1) throw failure;
      return film.read(start, end);
    };
    expect(await probeBytes({ ...film, read }).catch((reason) => reason)).toBe(failure);
  });

  it('reads bytes that stand in the middle of a larger buffer', async () => {
    const bytes = await drawing().png().toBuffer();
    const padded = Buffer.concat([Buffer.from('before'), bytes, Buffer.from('after')]);
    expect(await probeMedia(padded.subarray(6, 6 + bytes.length))).toMatchObject({
      contentType: 'image/png',
      width: 40,
    });
  });

  it.each([
    ['nothing', Buffer.alloc(0)],
    ['text', Buffer.from('hello')],
    ['SVG', Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>')],
    ['PDF', Buffer.from('%PDF-1.7 ')],
    ['a HEIC picture', box('ftyp', Buffer.from('heic\0\0\0\0heicmif1'))],
    ['sound alone', box('ftyp', Buffer.from('M4A \0\0\0\0M4A '))],
  ])('does not take %s', async (_what, bytes) => {
    const error = await failureOf(bytes);
    expect([error.code, error.message]).toEqual([
      'unsupported-media',
      'The bytes are no JPEG, PNG, GIF, WebP, MP4 or QuickTime video',
    ]);
  });

  it('finds a picture that is cut off, or has only its head', async () => {
    const noise = Buffer.from(Array.from({ length: 100 * 100 * 3 }, (_, index) => (index * 7919) % 256));
    const raw = { width: 100, height: 100, channels: 3 as const };
    for (const bytes of [
      await sharp(noise, { raw }).jpeg().toBuffer(),
      await sharp(noise, { raw }).png().toBuffer(),
    ]) {
      const error = await failureOf(bytes.subarray(0, bytes.length / 2));
      expect(error.code).toBe('unreadable-media');
      expect(error.message).toContain('The picture cannot be decoded');
    }
    expect((await failureOf(Buffer.from('\xff\xd8\xff\xe0', 'latin1'))).code).toBe('unreadable-media');
  });

  it('finds an MP4 without a video track', async () => {
    const error = await failureOf(box('ftyp', Buffer.from('isom\0\0\0\0isom')));
    expect(error.code).toBe('unreadable-media');
    expect(error.message).toBe('The file has no video track with a size and a duration');
  });

  it('stops at its limits of bytes and pixels', async () => {
    const bytes = await drawing(200, 200).png().toBuffer();
    const heavy = await failureOf(bytes, { largest: { image: 10, video: 1_000_000 } });
    expect([heavy.code, heavy.message]).toEqual([
      'too-large',
      `The image has ${bytes.length} bytes, at most 10 are taken`,
    ]);
    const wide = await failureOf(bytes, { maxPixels: 39_999 });
    expect([wide.code, wide.message]).toEqual(['too-large', 'The picture has more than 39999 pixels']);
  });
});
