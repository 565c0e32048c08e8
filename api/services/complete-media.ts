import { removeUpload, type TakeTools, takeUpload } from '../../adapters/media/take-upload.ts';
import { findMedia, type MediaRow, setMediaReady, setMediaRefused } from '../../db/media.ts';
import { defaultLargestFiles, type LargestFiles } from '../../domain/media-limits.ts';
import { unreachable } from '../../domain/post.ts';
import { notFound, Problem } from '../problems.ts';
import type { RequestContext } from '../route.ts';

export const largestFilesOf = ({ dependencies }: RequestContext): LargestFiles =>
  dependencies.settings.largestFiles ?? defaultLargestFiles;

/**
 * Takes an upload: learns what its bytes are, and keeps those very bytes where no client can write. What is uploaded later
 * under the same address changes nothing. May run twice; a decided medium answers as it was decided.
 */
export async function completeMedia(context: RequestContext, mediaId: string): Promise<MediaRow> {
  const { database } = context;
  const pending = await findMedia(database, mediaId);
  if (!pending) throw notFound('medium');
  if (pending.state === 'pending') await onceAtATime(context, pending);
  const decided = await findMedia(database, mediaId);
  if (decided?.state === 'ready') return decided;
  const refusal = decided?.refusal ?? { code: 'unreadable-media', message: 'The file was refused' };
  throw new Problem('media-refused', refusal.message, {
    errors: [{ path: '', code: refusal.code, message: refusal.message }],
  });
}

const underWay = new Map<string, Promise<void>>();

/** A large file takes longer than impatient callers wait: whoever asks again waits for the same work. */
function onceAtATime(context: RequestContext, medium: MediaRow): Promise<void> {
  const known = underWay.get(medium.upload_key);
  if (known) return known;
  const work = take(context, medium).finally(() => underWay.delete(medium.upload_key));
  underWay.set(medium.upload_key, work);
  return work;
}

async function take(context: RequestContext, { id, upload_key: uploadKey }: MediaRow): Promise<void> {
  const { database, dependencies, caller, log } = context;
  const tools: TakeTools = {
    storage: dependencies.storage,
    probe: dependencies.probe,
    limits: { largest: largestFilesOf(context) },
    onLeftBehind: (error) => log.warn({ err: error, mediaId: id }, 'An upload could not be removed'),
  };
  const result = await takeUpload(tools, { tenantId: caller.tenantId, uploadKey });
  switch (result.kind) {
    case 'missing':
      throw new Problem('upload-missing', 'Nothing has been uploaded to the address yet');
    case 'refused':
      return setMediaRefused(database, id, result.refusal);
    case 'taken':
      await setMediaReady(database, id, result.media);
      return removeUpload(tools, uploadKey);
    default:
      return unreachable(result, 'outcome of an upload');
  }
}
