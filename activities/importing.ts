import { ApplicationFailure, activityInfo, cancellationSignal } from '@temporalio/activity';
import { type GuardedFetch, GuardedFetchError } from '../adapters/http/guarded-fetch.ts';
import {
  type ProbeBytes,
  type Refusal,
  removeUpload,
  type TakeTools,
  takeUpload,
  type UploadStorage,
} from '../adapters/media/take-upload.ts';
import type { ObjectStorage } from '../adapters/storage/s3.ts';
import { findMedia, type MediaRow, setMediaReady, setMediaRefused } from '../db/media.ts';
import { forTenant, type TenantDatabase } from '../db/tenant-database.ts';
import type { LargestFiles } from '../domain/media-limits.ts';
import type { ActivityDependencies } from './dependencies.ts';
import { toFailure } from './failures.ts';
import { withHeartbeat } from './heartbeat.ts';

/** What a worker that fetches media is given. */
export interface ImportingDependencies {
  readonly fetch: GuardedFetch;
  readonly storage: UploadStorage & Pick<ObjectStorage, 'writeStream'>;
  readonly probe: ProbeBytes;
  readonly largest: LargestFiles;
}

export interface MediumRef {
  readonly tenantId: string;
  readonly mediaId: string;
}

/** All of a fetch, redirects and body. A gigabyte then comes at 5 Mbit/s at least. */
const fetchWithinMs = 30 * 60_000;
/** How often what may pass is tried before the medium is refused for it. */
const mostFetches = 5;

export function createImportingActivities(dependencies: ActivityDependencies) {
  const { pool } = dependencies;
  return {
    /**
     * Fetches a pending medium from its address and decides it. May run any number of times: a file that has arrived is not
     * fetched again, and a decided medium is left as it is.
     */
    async importMedia({ tenantId, mediaId }: MediumRef): Promise<void> {
      const { importing } = dependencies;
      if (!importing) throw new Error('This worker has not been given what it needs to fetch media');
      const database = forTenant(pool, tenantId);
      const medium = await findMedia(database, mediaId);
      if (medium?.state !== 'pending' || medium.source_url === null) return;
      const source = openSource(dependencies, medium, medium.source_url);
      try {
        await withHeartbeat(() => bring(importing, database, medium, source));
      } catch (error) {
        if (!(error instanceof GuardedFetchError)) throw toFailure(error);
        if (error.mayPass && activityInfo().attempt < mostFetches)
          throw ApplicationFailure.create({ message: error.message, type: error.code });
        await setMediaRefused(database, mediaId, { code: error.code, message: error.message });
      }
    },

    /** Refuses a medium that could not be fetched for hours. May run twice; a decided one is left as it is. */
    async giveUpImport({ tenantId, mediaId }: MediumRef): Promise<void> {
      const refusal: Refusal = {
        code: 'fetch-failed',
        message: 'The file could not be brought in for hours',
      };
      await setMediaRefused(forTenant(pool, tenantId), mediaId, refusal);
    },
  };
}

const openSource = (
  { envelopes }: ActivityDependencies,
  { tenant_id: tenantId, id: rowId }: MediaRow,
  sealed: Buffer,
): string => envelopes.open(sealed, { tenantId, table: 'media', column: 'source_url', rowId });

async function bring(
  { fetch, storage, probe, largest }: ImportingDependencies,
  database: TenantDatabase,
  { id, tenant_id: tenantId, upload_key: uploadKey }: MediaRow,
  source: string,
): Promise<void> {
  if (!(await storage.head(uploadKey))) {
    const limits = { maxBytes: largest.video, totalMs: fetchWithinMs, signal: cancellationSignal() };
    await fetch(source, limits, (body) => storage.writeStream(uploadKey, body, 'application/octet-stream'));
  }
  const tools: TakeTools = { storage, probe, limits: { largest }, onLeftBehind: () => {} };
  const result = await takeUpload(tools, { tenantId, uploadKey });
  // Somebody else has taken and removed it meanwhile: the medium is decided.
  if (result.kind === 'missing') return;
  if (result.kind === 'taken') await setMediaReady(database, id, result.media);
  else await setMediaRefused(database, id, result.refusal);
  await removeUpload(tools, uploadKey);
}
