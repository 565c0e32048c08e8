import { insertMedia, type MediaRow } from '../../db/media.ts';
import { isVideoType } from '../../domain/media-limits.ts';
import type { MediaStorage } from '../ports.ts';
import { Problem } from '../problems.ts';
import type { RequestContext } from '../route.ts';
import { largestFilesOf } from './complete-media.ts';

const defaultUploadSeconds = 900;
const defaultDownloadSeconds = 300;

export interface AnnouncedMedia {
  readonly mediaId: string;
  readonly upload: Awaited<ReturnType<MediaStorage['presignUpload']>>;
}

/** Announces a file and signs the one upload it may be brought with. May run twice under one key. */
export async function announceMedia(
  context: RequestContext,
  { fileName, contentType, sizeBytes }: { fileName: string; contentType: string; sizeBytes: number },
): Promise<AnnouncedMedia> {
  const { caller, database, dependencies, newId } = context;
  requireSize(context, contentType, sizeBytes);
  const mediaId = newId('media');
  const uploadKey = `incoming/${caller.tenantId}/${mediaId}`;
  await insertMedia(database, {
    id: mediaId,
    file_name: fileName,
    declared_content_type: contentType,
    declared_size_bytes: sizeBytes,
    upload_key: uploadKey,
    created_by: caller.memberId,
  });
  const expiresInSeconds = dependencies.settings.uploadSeconds ?? defaultUploadSeconds;
  const upload = await dependencies.storage.presignUpload({
    key: uploadKey,
    contentType,
    sizeBytes,
    expiresInSeconds,
  });
  return { mediaId, upload };
}

function requireSize(context: RequestContext, contentType: string, sizeBytes: number): void {
  const kind = isVideoType(contentType) ? 'video' : 'image';
  const limit = largestFilesOf(context)[kind];
  if (sizeBytes <= limit) return;
  const message = `The ${kind} has ${sizeBytes} bytes, at most ${limit} are taken`;
  throw new Problem('media-too-large', message, {
    errors: [{ path: '/sizeBytes', code: 'too-large', message, limit, actual: sizeBytes }],
  });
}

/** A short-lived address of a ready medium. */
export async function downloadOf(
  { dependencies, now }: RequestContext,
  medium: MediaRow,
): Promise<{ url: string; expiresAt: string } | null> {
  if (medium.state !== 'ready' || medium.object_key === null) return null;
  const seconds = dependencies.settings.downloadSeconds ?? defaultDownloadSeconds;
  const url = await dependencies.storage.presignDownload(medium.object_key, seconds);
  return { url, expiresAt: new Date(now.getTime() + seconds * 1_000).toISOString() };
}
