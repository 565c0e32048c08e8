/** The smallest MP4 that has a video track: headers for one H.264 track of the given size, without any frame. */
export function createMp4({
  width,
  height,
  seconds,
}: {
  width: number;
  height: number;
  seconds: number;
}): Buffer {
  const duration = seconds * 1000;
  const matrix = [0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000].map(u32);
  const mvhd = full(
    'mvhd',
    u32(0),
    u32(0),
    u32(1000),
    u32(duration),
    u32(0x10000),
    u16(0x100),
    zeros(10),
    ...matrix,
    zeros(24),
    u32(2),
  );
  const tkhd = full(
    'tkhd',
    u32(0),
    u32(0),
    u32(1),
    u32(0),
    u32(duration),
    zeros(16),
    ...matrix,
    u32(width << 16),
    u32(height << 16),
  );
  tkhd.writeUInt8(3, 11);
  const mdhd = full('mdhd', u32(0), u32(0), u32(1000), u32(duration), u16(0x55c4), u16(0));
  const hdlr = full('hdlr', u32(0), Buffer.from('vide'), zeros(12), Buffer.from('v\0'));
  const avcC = box('avcC', Buffer.from([1, 0x42, 0, 0x1e, 0xff, 0xe0, 0]));
  const avc1 = box(
    'avc1',
    zeros(6),
    u16(1),
    zeros(16),
    u16(width),
    u16(height),
    u32(0x480000),
    u32(0x480000),
    u32(0),
    u16(1),
    zeros(32),
    u16(24),
    u16(0xffff),
    avcC,
  );
  const dref = full('dref', u32(1), box('url ', u32(1)));
  const stbl = box(
    'stbl',
    full('stsd', u32(1), avc1),
    full('stts', u32(1), u32(seconds), u32(1000)),
    full('stsc', u32(0)),
    full('stsz', u32(0), u32(0)),
    full('stco', u32(0)),
  );
  const minf = box('minf', full('vmhd', zeros(8)), box('dinf', dref), stbl);
  const moov = box('moov', mvhd, box('trak', tkhd, box('mdia', mdhd, hdlr, minf)));
  return Buffer.concat([
    box('ftyp', Buffer.from('isom'), u32(512), Buffer.from('isommp42')),
    moov,
    box('mdat', zeros(16)),
  ]);
}

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

const zeros = (length: number): Buffer => Buffer.alloc(length);
