import { createHash } from 'node:crypto';
import mediaInfoFactory, { type MediaInfoResult } from 'mediainfo.js';
import sharp from 'sharp';
import { defaultLargestFiles, isVideoType, type LargestFiles } from '../../domain/media-limits.ts';

export interface MediaFacts {
  readonly kind: 'image' | 'video';
  readonly contentType:
    | 'image/jpeg'
    | 'image/png'
    | 'image/gif'
    | 'image/webp'
    | 'video/mp4'
    | 'video/quicktime';
  /** As displayed: a rotation the file asks for is applied. */
  readonly width: number;
  readonly height: number;
  /** Pictures in an animation, 1 for a still; absent for video. */
  readonly frames?: number;
  readonly durationSeconds?: number;
  /** Pictures per second. */
  readonly frameRate?: number;
  /** As MediaInfo names them: `AVC`, `HEVC`, `VP9`, `AAC`. */
  readonly videoCodec?: string;
  /** Absent for a video without sound. */
  readonly audioCodec?: string;
}

export interface MediaProbe extends MediaFacts {
  readonly sizeBytes: number;
  /** Lower-case hexadecimal, of the bytes as they came. */
  readonly sha256: string;
}

/** Bytes that are looked at where they lie. */
export interface ByteSource {
  readonly sizeBytes: number;
  /** From `start` up to and without `end`. */
  readonly read: (start: number, end: number) => Promise<Uint8Array>;
}

export type ProbeErrorCode = 'unsupported-media' | 'unreadable-media' | 'too-large';

/** Bytes that cannot be taken: not a kind we handle, broken, or beyond the limits. */
export class ProbeError extends Error {
  override readonly name = 'ProbeError';
  readonly code: ProbeErrorCode;

  constructor(code: ProbeErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}

export interface ProbeLimits {
  /** Default `defaultLargestFiles`. */
  readonly largest?: LargestFiles;
  /** Width times height of a picture (default 100 million). */
  readonly maxPixels?: number;
}

const defaultMaxPixels = 100_000_000;
/** Of a video only its index is read; one that is larger than this would have to be kept in memory. */
const maxIndexBytes = 33_554_432;

/** As `probeBytes`, of bytes in memory, with their size and hash. */
export async function probeMedia(bytes: Uint8Array, limits: ProbeLimits = {}): Promise<MediaProbe> {
  const read = async (start: number, end: number) => bytes.subarray(start, end);
  const facts = await probeBytes({ sizeBytes: bytes.byteLength, read }, limits);
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  return { ...facts, sizeBytes: bytes.byteLength, sha256 };
}

/**
 * Learns what bytes really are, whatever a client called them: JPEG, PNG, GIF, WebP, MP4 or QuickTime. A picture is decoded
 * whole, so a cut-off file is found here and not by a platform; of a video the index alone is read.
 *
 * @throws ProbeError `unsupported-media`, `unreadable-media`, `too-large`; whatever `read` throws
 */
export async function probeBytes(source: ByteSource, limits: ProbeLimits = {}): Promise<MediaFacts> {
  const contentType = sniff(await source.read(0, Math.min(source.sizeBytes, 16)));
  if (contentType === null)
    throw new ProbeError(
      'unsupported-media',
      'The bytes are no JPEG, PNG, GIF, WebP, MP4 or QuickTime video',
    );
  const kind = isVideoType(contentType) ? 'video' : 'image';
  requireSize(source, kind, limits);
  if (kind === 'video') return { kind, contentType, ...(await probeVideo(source)) };
  const bytes = await source.read(0, source.sizeBytes);
  return { kind, contentType, ...(await probeImage(bytes, limits.maxPixels ?? defaultMaxPixels)) };
}

function requireSize(
  { sizeBytes }: ByteSource,
  kind: MediaFacts['kind'],
  { largest = defaultLargestFiles }: ProbeLimits,
): void {
  if (sizeBytes <= largest[kind]) return;
  const message = `The ${kind} has ${sizeBytes} bytes, at most ${largest[kind]} are taken`;
  throw new ProbeError('too-large', message);
}

/** Decides by the first bytes, so that no other decoder (SVG, PDF, TIFF) ever sees what a stranger uploaded. */
function sniff(head: Uint8Array): MediaFacts['contentType'] | null {
  const text = Buffer.from(head).toString('latin1');
  if (text.startsWith('\xff\xd8\xff')) return 'image/jpeg';
  if (text.startsWith('\x89PNG\r\n\x1a\n')) return 'image/png';
  if (text.startsWith('GIF87a') || text.startsWith('GIF89a')) return 'image/gif';
  if (text.startsWith('RIFF') && text.slice(8, 12) === 'WEBP') return 'image/webp';
  if (text.slice(4, 8) !== 'ftyp') return null;
  const brand = text.slice(8, 12);
  if (brand === 'qt  ') return 'video/quicktime';
  return isMp4Brand(brand) ? 'video/mp4' : null;
}

/** The same container holds HEIC and AVIF pictures and audio under other brands. */
const isMp4Brand = (brand: string): boolean =>
  /^(isom|iso[2-9]|mp4[12]|avc1|M4V |M4VH|M4VP|dash|MSNV|f4v )$/.test(brand);

async function probeImage(
  bytes: Uint8Array,
  maxPixels: number,
): Promise<{ width: number; height: number; frames: number }> {
  try {
    const open = () => sharp(bytes, { limitInputPixels: maxPixels, failOn: 'truncated' });
    const { autoOrient, pages } = await open().metadata();
    // Metadata comes from the header alone; a small copy makes the decoder read to the end.
    await open().resize(16, 16, { fit: 'fill' }).raw().toBuffer();
    return { width: autoOrient.width, height: autoOrient.height, frames: pages ?? 1 };
  } catch (error) {
    const message = String((error as { message?: unknown } | null)?.message ?? error);
    if (/exceeds pixel limit/i.test(message)) {
      throw new ProbeError('too-large', `The picture has more than ${maxPixels} pixels`);
    }
    throw new ProbeError('unreadable-media', `The picture cannot be decoded: ${message.slice(0, 200)}`);
  }
}

type VideoFacts = Pick<
  MediaFacts,
  'width' | 'height' | 'durationSeconds' | 'frameRate' | 'videoCodec' | 'audioCodec'
>;

async function probeVideo(source: ByteSource): Promise<VideoFacts> {
  // One instance per file: the parser keeps state, and a crash on hostile bytes ends with it.
  const mediaInfo = await mediaInfoFactory({ format: 'object' });
  const reader = readIndex(source);
  try {
    const result = await mediaInfo.analyzeData(source.sizeBytes, reader.read);
    return videoFactsOf(result.media?.track ?? []);
  } catch (error) {
    // What kept us from reading says nothing about the file.
    if (reader.failure) throw reader.failure;
    if (error instanceof ProbeError) throw error;
    throw new ProbeError('unreadable-media', 'The video cannot be read');
  } finally {
    mediaInfo.close();
  }
}

/** Hands out slices for as long as they add up to an index; remembers why it could not. */
function readIndex({ read }: ByteSource): {
  read: (size: number, offset: number) => Promise<Uint8Array>;
  failure: unknown;
} {
  let bytesRead = 0;
  const reader = {
    failure: undefined as unknown,
    read: async (size: number, offset: number): Promise<Uint8Array> => {
      try {
        bytesRead += size;
        if (bytesRead > maxIndexBytes)
          throw new ProbeError('unreadable-media', `The video's index has more than ${maxIndexBytes} bytes`);
        return await read(offset, offset + size);
      } catch (error) {
        reader.failure = error;
        throw error;
      }
    },
  };
  return reader;
}

type Tracks = NonNullable<MediaInfoResult['media']>['track'];

function videoFactsOf(tracks: Tracks): VideoFacts {
  const general = tracks.find((track) => track['@type'] === 'General');
  const video = tracks.find((track) => track['@type'] === 'Video');
  const { Width: width, Height: height } = video ?? {};
  const durationSeconds = general?.Duration ?? video?.Duration;
  if (!width || !height || !durationSeconds) {
    throw new ProbeError('unreadable-media', 'The file has no video track with a size and a duration');
  }
  const isTurned = Math.abs(Number(video?.Rotation ?? 0)) % 180 === 90;
  const audio = tracks.find((track) => track['@type'] === 'Audio');
  return {
    width: isTurned ? height : width,
    height: isTurned ? width : height,
    durationSeconds,
    ...(video?.FrameRate !== undefined && { frameRate: video.FrameRate }),
    ...(video?.Format !== undefined && { videoCodec: video.Format }),
    ...(audio?.Format !== undefined && { audioCodec: audio.Format }),
  };
}
