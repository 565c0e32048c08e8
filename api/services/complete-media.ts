import { findMedia, type MediaRow, setMediaReady, setMediaRefused } from '../../db/media.ts';
import type { ProbedMedia } from '../ports.ts';
import { notFound, Problem } from '../problems.ts';
import type { RequestContext } from '../route.ts';

/** Largest file by kind, in bytes. */
export const largestFiles = { image: 36_000_000, video: 300_000_000 } as const;
export type MediaKind = keyof typeof largestFiles;

export const kindOfContentType = (contentType: string): MediaKind =>
  contentType.startsWith('video/') ? 'video' : 'image';

interface Refusal {
  readonly code: string;
  readonly message: string;
}

/**
 * Takes an upload: reads the bytes once, learns what they are, and writes those very bytes where no client can. What is
 * uploaded later under the same address changes nothing. May run twice; a decided medium answers as it was decided.
 */
export async function completeMedia(context: RequestContext, mediaId: string): Promise<MediaRow> {
  const { database } = context;
  const pending = await findMedia(database, mediaId);
  if (!pending) throw notFound('medium');
  if (pending.state === 'pending') await takeUpload(context, pending);
  const decided = await findMedia(database, mediaId);
  if (decided?.state === 'ready') return decided;
  const refusal = decided?.refusal ?? { code: 'unreadable-media', message: 'The file was refused' };
  throw new Problem('media-refused', refusal.message, {
    errors: [{ path: '', code: refusal.code, message: refusal.message }],
  });
}

async function takeUpload(context: RequestContext, medium: MediaRow): Promise<void> {
  const { database, dependencies, caller } = context;
  const { storage } = dependencies;
  const head = await storage.head(medium.upload_key);
  if (!head) throw new Problem('upload-missing', 'Nothing has been uploaded to the address yet');
  const tooLarge = refuseSize(head.sizeBytes, 'video');
  if (tooLarge) return setMediaRefused(database, medium.id, tooLarge);
  const bytes = await storage.read(medium.upload_key, largestFiles.video);
  const probed = await probe(context, bytes);
  if ('message' in probed) return setMediaRefused(database, medium.id, probed);
  const objectKey = `${caller.tenantId}/${probed.sha256}`;
  await storage.write(objectKey, bytes, probed.contentType);
  await setMediaReady(database, medium.id, {
    object_key: objectKey,
    sha256: probed.sha256,
    content_type: probed.contentType,
    size_bytes: probed.sizeBytes,
    width: probed.width,
    height: probed.height,
    frames: probed.frames ?? null,
    duration_seconds: probed.durationSeconds ?? null,
    frame_rate: probed.frameRate ?? null,
    video_codec: probed.videoCodec ?? null,
    audio_codec: probed.audioCodec ?? null,
  });
  await removeUpload(context, medium);
}

/** What the bytes are, or why they are not taken. */
async function probe({ dependencies }: RequestContext, bytes: Buffer): Promise<ProbedMedia | Refusal> {
  try {
    const probed = await dependencies.probe(bytes);
    return refuseSize(probed.sizeBytes, probed.kind) ?? probed;
  } catch (error) {
    if (!(error instanceof Error) || error.name !== 'ProbeError') throw error;
    return { code: String((error as { code?: unknown }).code), message: error.message };
  }
}

function refuseSize(sizeBytes: number, kind: MediaKind): Refusal | null {
  const limit = largestFiles[kind];
  if (sizeBytes <= limit) return null;
  return { code: 'too-large', message: `The ${kind} has ${sizeBytes} bytes, at most ${limit} are taken` };
}

/** A courtesy: what stays behind is never read again. */
async function removeUpload({ dependencies, log }: RequestContext, medium: MediaRow): Promise<void> {
  try {
    await dependencies.storage.delete(medium.upload_key);
  } catch (error) {
    log.warn({ err: error, mediaId: medium.id }, 'The upload could not be removed');
  }
}
