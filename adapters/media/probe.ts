import { createHash } from 'node:crypto';
import mediaInfoFactory from 'mediainfo.js';
import sharp from 'sharp';

export interface MediaProbe {
  readonly kind: 'image' | 'video';
  readonly contentType: 'image/jpeg' | 'image/png' | 'image/gif' | 'image/webp' | 'video/mp4';
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
  readonly sizeBytes: number;
  /** Lower-case hexadecimal, of the bytes as they came. */
  readonly sha256: string;
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
  /** Default 512 MiB. */
  readonly maxBytes?: number;
  /** Width times height of a picture (default 100 million). */
  readonly maxPixels?: number;
}

const defaultMaxBytes = 536_870_912;
const defaultMaxPixels = 100_000_000;

/**
 * Learns what bytes really are, whatever a client called them: JPEG, PNG, GIF, WebP or MP4. A picture is decoded whole,
 * so a cut-off file is found here and not by a platform.
 *
 * @throws ProbeError `unsupported-media`, `unreadable-media`, `too-large`
 */
export async function probeMedia(bytes: Uint8Array, limits: ProbeLimits = {}): Promise<MediaProbe> {
  const maxBytes = limits.maxBytes ?? defaultMaxBytes;
  if (bytes.byteLength > maxBytes) {
    throw new ProbeError('too-large', `${bytes.byteLength} bytes, at most ${maxBytes} are taken`);
  }
  const contentType = sniff(bytes);
  if (contentType === null)
    throw new ProbeError('unsupported-media', 'The bytes are no JPEG, PNG, GIF, WebP or MP4');
  const facts =
    contentType === 'video/mp4'
      ? { kind: 'video' as const, ...(await probeVideo(bytes)) }
      : { kind: 'image' as const, ...(await probeImage(bytes, limits.maxPixels ?? defaultMaxPixels)) };
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  return { ...facts, contentType, sizeBytes: bytes.byteLength, sha256 };
}

/** Decides by the first bytes, so that no other decoder (SVG, PDF, TIFF) ever sees what a stranger uploaded. */
function sniff(bytes: Uint8Array): MediaProbe['contentType'] | null {
  const head = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.byteLength, 16));
  const text = head.toString('latin1');
  if (text.startsWith('\xff\xd8\xff')) return 'image/jpeg';
  if (text.startsWith('\x89PNG\r\n\x1a\n')) return 'image/png';
  if (text.startsWith('GIF87a') || text.startsWith('GIF89a')) return 'image/gif';
  if (text.startsWith('RIFF') && text.slice(8, 12) === 'WEBP') return 'image/webp';
  if (text.slice(4, 8) === 'ftyp' && isMp4Brand(text.slice(8, 12))) return 'video/mp4';
  return null;
}

/** The same container holds HEIC and AVIF pictures, QuickTime and audio under other brands. */
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
  MediaProbe,
  'width' | 'height' | 'durationSeconds' | 'frameRate' | 'videoCodec' | 'audioCodec'
>;

async function probeVideo(bytes: Uint8Array): Promise<VideoFacts> {
  // One instance per file: the parser keeps state, and a crash on hostile bytes ends with it.
  const mediaInfo = await mediaInfoFactory({ format: 'object' });
  try {
    const result = await mediaInfo.analyzeData(bytes.byteLength, (size, offset) =>
      bytes.subarray(offset, offset + size),
    );
    const tracks = result.media?.track ?? [];
    const general = tracks.find((track) => track['@type'] === 'General');
    const video = tracks.find((track) => track['@type'] === 'Video');
    const { Width: width, Height: height } = video ?? {};
    const durationSeconds = general?.Duration ?? video?.Duration;
    if (!width || !height || !durationSeconds) {
      throw new ProbeError('unreadable-media', 'The MP4 has no video track with a size and a duration');
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
  } catch (error) {
    if (error instanceof ProbeError) throw error;
    throw new ProbeError('unreadable-media', 'The video cannot be read');
  } finally {
    mediaInfo.close();
  }
}
