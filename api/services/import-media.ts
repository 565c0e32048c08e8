import { checkAddress, GuardedFetchError } from '../../adapters/http/guarded-fetch.ts';
import { findMedia, insertMedia, type MediaRow } from '../../db/media.ts';
import { insertImportRequest, markOutboxDone } from '../../db/outbox.ts';
import { inTransaction } from '../../db/tenant-database.ts';
import { notFound, Problem } from '../problems.ts';
import type { RequestContext } from '../route.ts';

/**
 * Has a medium fetched from an address by a worker, and answers it as it is by then: usually pending. What is wrong with the
 * address as it is written is refused at once; where its name leads is the worker's to find out. May run twice under one key.
 */
export async function importMedia(
  context: RequestContext,
  { url, fileName }: { url: string; fileName?: string | undefined },
): Promise<MediaRow> {
  const { caller, database, dependencies, newId } = context;
  const address = requireAddress(context, url);
  const { tenantId } = caller;
  const mediaId = newId('media');
  const source = { tenantId, table: 'media', column: 'source_url', rowId: mediaId };
  await inTransaction(database, async (transaction) => {
    await insertMedia(transaction, {
      id: mediaId,
      file_name: fileName ?? fileNameOf(address),
      declared_content_type: null,
      declared_size_bytes: null,
      upload_key: `incoming/${tenantId}/${mediaId}`,
      source_url: dependencies.envelopes.seal(address.href, source),
      created_by: caller.memberId,
    });
    await insertImportRequest(transaction, mediaId);
  });
  await startImport(context, mediaId);
  const medium = await findMedia(database, mediaId);
  if (!medium) throw notFound('medium');
  return medium;
}

function requireAddress({ dependencies }: RequestContext, url: string): URL {
  try {
    return checkAddress(url, dependencies.settings.outside ?? {});
  } catch (error) {
    if (!(error instanceof GuardedFetchError)) throw error;
    const { message } = error;
    throw new Problem('address-refused', message, {
      errors: [{ path: '/url', code: 'address-refused', message }],
    });
  }
}

/** The last part of the path, as people read it; the host where there is none. */
function fileNameOf({ pathname, hostname }: URL): string {
  const last = pathname.split('/').at(-1) || hostname;
  const name = decodeOr(last)
    .replace(/[\p{Cc}\p{Surrogate}/\\]/gu, '')
    .trim();
  return (name || hostname).slice(0, 255);
}

function decodeOr(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

async function startImport(
  { caller, database, dependencies, log }: RequestContext,
  mediaId: string,
): Promise<void> {
  try {
    await dependencies.postRuns.importMedia({ tenantId: caller.tenantId, mediaId });
    await markOutboxDone(database, mediaId);
  } catch (error) {
    log.warn({ err: error, mediaId }, 'The import could not be started; the relay will');
  }
}
