import { type Selectable, sql } from 'kysely';
import type { MediaFacts } from '../domain/platform-rules.ts';
import type { MediaTable } from './schema.ts';
import type { TenantExecutor } from './tenant-database.ts';

export type MediaRow = Selectable<MediaTable>;
export type NewMedia = Pick<
  MediaRow,
  'id' | 'file_name' | 'declared_content_type' | 'declared_size_bytes' | 'upload_key' | 'created_by'
> & {
  /** Where it is fetched from, enveloped. */
  readonly source_url?: Buffer;
};

/** What the probe learnt about the bytes, and where they now are. */
export interface ReadyMedia {
  readonly objectKey: string;
  readonly sha256: string;
  readonly contentType: string;
  readonly sizeBytes: number;
  readonly width: number;
  readonly height: number;
  readonly frames?: number;
  readonly durationSeconds?: number;
  readonly frameRate?: number;
  readonly videoCodec?: string;
  readonly audioCodec?: string;
}

/** What the platforms' rules judge media by, in their order; `undefined` while one of them is not ready. */
export function mediaFactsOf(
  media: readonly {
    readonly mediaId: string;
    readonly altText: string | null;
    readonly coverMediaId?: string | undefined;
  }[],
  byId: ReadonlyMap<string, MediaRow>,
): MediaFacts[] | undefined {
  const facts = media.map(({ mediaId, altText, coverMediaId }) => {
    const own = probedFactsOf(byId.get(mediaId));
    const cover = coverMediaId ? probedFactsOf(byId.get(coverMediaId)) : undefined;
    return own && { ...own, altText, ...(cover && { cover }) };
  });
  return facts.every((one) => one !== undefined) ? facts : undefined;
}

function probedFactsOf(row: MediaRow | undefined): Omit<MediaFacts, 'altText' | 'cover'> | undefined {
  if (row?.state !== 'ready') return undefined;
  return {
    contentType: row.content_type!,
    sizeBytes: row.size_bytes!,
    width: row.width!,
    height: row.height!,
    ...(row.frames !== null && { frames: row.frames }),
    ...(row.duration_seconds !== null && { durationSeconds: row.duration_seconds }),
    ...(row.frame_rate !== null && { frameRate: row.frame_rate }),
    ...(row.video_codec !== null && { videoCodec: row.video_codec }),
    ...(row.audio_codec !== null && { audioCodec: row.audio_codec }),
  };
}

/** Announces a file; the same id again changes nothing. */
export async function insertMedia(database: TenantExecutor, media: NewMedia): Promise<void> {
  await database
    .insertInto('media')
    .values(media)
    .onConflict((conflict) => conflict.columns(['tenant_id', 'id']).doNothing())
    .execute();
}

export const findMedia = (database: TenantExecutor, id: string): Promise<MediaRow | undefined> =>
  database.selectFrom('media').selectAll().where('id', '=', id).executeTakeFirst();

export const listMediaById = (database: TenantExecutor, ids: readonly string[]): Promise<MediaRow[]> =>
  database
    .selectFrom('media')
    .selectAll()
    .where(sql<boolean>`id = any(${[...ids]}::uuid[])`)
    .execute();

/** Lists media by id, after `afterId`. */
export function listMedia(
  database: TenantExecutor,
  { afterId, limit }: { afterId: string | undefined; limit: number },
): Promise<MediaRow[]> {
  const all = database.selectFrom('media').selectAll().orderBy('id').limit(limit);
  return (afterId ? all.where('id', '>', afterId) : all).execute();
}

/** Makes a pending medium ready; one that is decided already stays as it is. */
export async function setMediaReady(database: TenantExecutor, id: string, ready: ReadyMedia): Promise<void> {
  await database
    .updateTable('media')
    .set({
      state: 'ready',
      object_key: ready.objectKey,
      sha256: ready.sha256,
      content_type: ready.contentType,
      size_bytes: ready.sizeBytes,
      width: ready.width,
      height: ready.height,
      frames: ready.frames ?? null,
      duration_seconds: ready.durationSeconds ?? null,
      frame_rate: ready.frameRate ?? null,
      video_codec: ready.videoCodec ?? null,
      audio_codec: ready.audioCodec ?? null,
      source_url: null,
      completed_at: sql<Date>`clock_timestamp()`,
    })
    .where('id', '=', id)
    .where('state', '=', 'pending')
    .execute();
}

/** Refuses a pending medium for good; one that is decided already stays as it is. */
export async function setMediaRefused(
  database: TenantExecutor,
  id: string,
  refusal: { code: string; message: string },
): Promise<void> {
  await database
    .updateTable('media')
    .set({
      state: 'refused',
      refusal: JSON.stringify(refusal),
      source_url: null,
      completed_at: sql<Date>`clock_timestamp()`,
    })
    .where('id', '=', id)
    .where('state', '=', 'pending')
    .execute();
}
