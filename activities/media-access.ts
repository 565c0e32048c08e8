import { createHash } from 'node:crypto';
import type { MediaAccess, MediaItem } from '../adapters/platforms/publisher.ts';
import { OutcomeError } from '../domain/outcome.ts';
import type { ActivityDependencies, PublishingContext } from './dependencies.ts';

/** Access to the approved bytes: private objects, by a presigned address or read by us. */
export function mediaAccess(
  { storage, fileAddress }: Pick<ActivityDependencies, 'storage' | 'fileAddress'>,
  { stored }: Pick<PublishingContext, 'stored'>,
): MediaAccess {
  const keyOf = ({ mediaId }: Pick<MediaItem, 'mediaId'>): string => {
    const objects = stored.media.flatMap((medium) => [medium, ...(medium.cover ? [medium.cover] : [])]);
    const medium = objects.find((candidate) => candidate.mediaId === mediaId);
    if (!medium) throw new Error(`Medium ${mediaId} is not part of the revision`);
    return medium.objectKey;
  };
  return {
    async url(item, livesForSeconds, from = 'store') {
      if (from === 'store') return storage.presignDownload(keyOf(item), livesForSeconds);
      if (fileAddress) return fileAddress(keyOf(item), livesForSeconds);
      const message = 'The platform fetches media from our own address alone: GATEPOST_PUBLIC_URL is not set';
      throw new OutcomeError('rejected', message, { sent: false });
    },
    async bytes(item) {
      const bytes = await storage.read(keyOf(item), item.sizeBytes);
      // The key is immutable by design; the hash makes it certain that these are the approved bytes.
      assertApproved(item, createHash('sha256').update(bytes).digest('hex'));
      return bytes;
    },
    async range(item, start, end) {
      const { stream } = await storage.readStream(keyOf(item), { start, end });
      const chunks: Uint8Array[] = [];
      for await (const chunk of stream) chunks.push(chunk);
      return Buffer.concat(chunks);
    },
    async *stream(item) {
      const { stream } = await storage.readStream(keyOf(item));
      const hash = createHash('sha256');
      // One chunk behind: other bytes than the approved ones are never sent to their end.
      let last: Uint8Array | undefined;
      for await (const chunk of stream) {
        if (last) yield last;
        hash.update(chunk);
        last = chunk;
      }
      assertApproved(item, hash.digest('hex'));
      if (last) yield last;
    },
  };
}

function assertApproved({ mediaId, sha256 }: MediaItem, actual: string): void {
  if (actual === sha256) return;
  throw new OutcomeError('rejected', `Medium ${mediaId} no longer holds the bytes that were approved`);
}
