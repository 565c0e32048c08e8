import { OutcomeError } from '../../domain/outcome.ts';
import type { MediaAccess, MediaItem } from './publisher.ts';

/**
 * The address at which a platform that fetches media itself gets a piece of it: the one way to it for every such platform.
 * Throws `rejected` where there can be none, `unavailable` where there is none now; nothing has been sent for either.
 */
export async function addressToPull(
  media: MediaAccess,
  item: MediaItem,
  livesForSeconds: number,
  from: Parameters<MediaAccess['url']>[2] = 'store',
): Promise<string> {
  const url = await media.url(item, livesForSeconds, from).catch((error: unknown) => {
    if (error instanceof OutcomeError) throw error;
    const why = error instanceof Error ? error.message : String(error);
    throw new OutcomeError('unavailable', `Medium ${item.mediaId} has no address: ${why}`, { sent: false });
  });
  // Meta takes plain ASCII alone: https://developers.facebook.com/documentation/instagram-platform/content-publishing (read 2026-11-21)
  if (/^[\x21-\x7e]+$/.test(url)) return url;
  const message = `The address of medium ${item.mediaId} is not plain ASCII`;
  throw new OutcomeError('rejected', message, { sent: false });
}
