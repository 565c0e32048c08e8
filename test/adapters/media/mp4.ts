/** What a made-up film says of itself. */
export interface Mp4Options {
  readonly width: number;
  readonly height: number;
  readonly seconds: number;
  /** Pictures per second; each is four bytes of nothing. Without it there are headers alone. */
  readonly frameRate?: number;
  /** Adds a track of AAC. */
  readonly hasSound?: boolean;
  /** Default `isom`; `qt  ` makes a QuickTime film. */
  readonly brand?: string;
  /** How long the part between head and index is, in bytes (default 16). */
  readonly mediaBytes?: number;
}

/** The smallest film that has a video track: one H.264 track of the given size, its index before the rest. */
export function createMp4(options: Mp4Options): Buffer {
  const { head, index } = createMp4Parts(options);
  const dataStart = head.length + index.length + 8;
  return Buffer.concat([head, createMp4Parts(options, dataStart).index, mdat(options)]);
}

/** The same with its index at the end, as a recorder leaves it: what lies before and behind a long middle. */
export function createLongMp4(options: Mp4Options & { mediaBytes: number }): {
  start: Buffer;
  end: Buffer;
} {
  const { head } = createMp4Parts(options);
  const start = Buffer.concat([head, u32(options.mediaBytes + 8), Buffer.from('mdat')]);
  return { start, end: createMp4Parts(options, start.length).index };
}

const mdat = ({ mediaBytes = 16 }: Mp4Options): Buffer => box('mdat', zeros(mediaBytes));

function createMp4Parts(options: Mp4Options, dataStart = 0): { head: Buffer; index: Buffer } {
  const { seconds, hasSound = false, brand = 'isom' } = options;
  const duration = seconds * 1000;
  const mvhd = full(
    'mvhd',
    ...[u32(0), u32(0), u32(1000), u32(duration), u32(0x10000), u16(0x100), zeros(10)],
    ...[...matrix, zeros(24), u32(3)],
  );
  const tracks = [videoTrack(options, dataStart), ...(hasSound ? [audioTrack(options, dataStart)] : [])];
  return {
    head: box('ftyp', Buffer.from(brand), u32(512), Buffer.from(`${brand}mp42`)),
    index: box('moov', mvhd, ...tracks),
  };
}

const matrix = [0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000].map((value) => u32(value));

function videoTrack({ width, height, seconds, frameRate }: Mp4Options, dataStart: number): Buffer {
  const avcC = box('avcC', Buffer.from([1, 0x42, 0, 0x1e, 0xff, 0xe0, 0]));
  const avc1 = box(
    'avc1',
    ...[zeros(6), u16(1), zeros(16), u16(width), u16(height), u32(0x480000), u32(0x480000), u32(0), u16(1)],
    ...[zeros(32), u16(24), u16(0xffff), avcC],
  );
  const timescale = 1000 * (frameRate ?? 1);
  const samples = { count: seconds * (frameRate ?? 1), delta: 1000, hasBytes: frameRate !== undefined };
  return track({
    id: 1,
    size: [width, height],
    ...{ seconds, timescale, samples, dataStart },
    handler: 'vide',
    header: full('vmhd', zeros(8)),
    entry: avc1,
  });
}

function audioTrack({ seconds }: Mp4Options, dataStart: number): Buffer {
  // AAC LC, 44.1 kHz, two channels.
  const specific = descriptor(5, Buffer.from([0x12, 0x10]));
  const config = descriptor(4, Buffer.concat([Buffer.from([0x40, 0x15]), zeros(11), specific]));
  const esds = full('esds', descriptor(3, Buffer.concat([u16(2), zeros(1), config])));
  const rate = u32(44_100 << 16);
  const mp4a = box('mp4a', zeros(6), u16(1), zeros(8), u16(2), u16(16), u32(0), rate, esds);
  const samples = { count: Math.round((seconds * 44_100) / 1024), delta: 1024, hasBytes: true };
  return track({
    id: 2,
    size: [0, 0],
    ...{ seconds, timescale: 44_100, samples, dataStart },
    handler: 'soun',
    header: full('smhd', zeros(4)),
    entry: mp4a,
  });
}

interface Track {
  readonly id: number;
  readonly size: readonly [width: number, height: number];
  readonly seconds: number;
  readonly timescale: number;
  readonly samples: { readonly count: number; readonly delta: number; readonly hasBytes: boolean };
  readonly dataStart: number;
  readonly handler: string;
  readonly header: Buffer;
  readonly entry: Buffer;
}

function track({ id, size, seconds, timescale, samples, dataStart, handler, header, entry }: Track): Buffer {
  const { count, delta, hasBytes } = samples;
  const tkhd = full(
    'tkhd',
    ...[u32(0), u32(0), u32(id), u32(0), u32(seconds * 1000), zeros(16), ...matrix],
    ...[u32(size[0] << 16), u32(size[1] << 16)],
  );
  tkhd.writeUInt8(3, 11);
  const mdhd = full(
    'mdhd',
    ...[u32(0), u32(0), u32(timescale), u32(seconds * timescale), u16(0x55c4), u16(0)],
  );
  const hdlr = full('hdlr', u32(0), Buffer.from(handler), zeros(12), Buffer.from('h\0'));
  const dref = full('dref', u32(1), box('url ', u32(1)));
  const stbl = box(
    'stbl',
    full('stsd', u32(1), entry),
    full('stts', u32(1), u32(count), u32(delta)),
    hasBytes ? full('stsc', u32(1), u32(1), u32(count), u32(1)) : full('stsc', u32(0)),
    hasBytes ? full('stsz', u32(4), u32(count)) : full('stsz', u32(0), u32(0)),
    hasBytes ? full('stco', u32(1), u32(dataStart)) : full('stco', u32(0)),
  );
  return box('trak', tkhd, box('mdia', mdhd, hdlr, box('minf', header, box('dinf', dref), stbl)));
}

const descriptor = (tag: number, content: Buffer): Buffer =>
  Buffer.concat([Buffer.from([tag, content.length]), content]);

export function box(type: string, ...content: Buffer[]): Buffer {
  const body = Buffer.concat(content);
  return Buffer.concat([u32(body.length + 8), Buffer.from(type, 'latin1'), body]);
}

/** A box with a version and flags, both zero. */
const full = (type: string, ...content: Buffer[]): Buffer => box(type, zeros(4), ...content);

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value >>> 0);
  return bytes;
}

function u16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16BE(value);
  return bytes;
}

function zeros(length: number): Buffer {
  return Buffer.alloc(length);
}
