import type { StoredHandle } from './schema.ts';
import type { TenantDatabase } from './tenant-database.ts';

/** What is prepared for one target of one revision. */
interface PreparationKey {
  readonly targetId: string;
  readonly revisionId: string;
}

/** The handle a platform prepared for a target of a revision, unless it has expired. */
export async function findPreparation(
  database: TenantDatabase,
  key: PreparationKey,
  now: Date,
): Promise<StoredHandle | null> {
  const row = await find(database, key);
  if (!row || (row.expires_at !== null && row.expires_at <= now)) return null;
  return row.handle;
}

/** The enveloped part of a handle. */
export const findPreparationSecret = async (
  database: TenantDatabase,
  key: PreparationKey,
): Promise<Buffer | null> => (await find(database, key))?.secret ?? null;

/** How far an upload has come that is not done, enveloped. */
export const findUploadProgress = async (
  database: TenantDatabase,
  key: PreparationKey,
): Promise<Buffer | null> => (await find(database, key))?.progress ?? null;

const find = (database: TenantDatabase, { targetId, revisionId }: PreparationKey) =>
  database
    .selectFrom('preparations')
    .select(['handle', 'secret', 'progress', 'expires_at'])
    .where('target_id', '=', targetId)
    .where('revision_id', '=', revisionId)
    .executeTakeFirst();

/** Stores a handle before it is used; a newer one replaces it, and the upload that led to it is over. */
export const setPreparation = (
  database: TenantDatabase,
  key: PreparationKey,
  { handle, secret }: { handle: StoredHandle; secret: Buffer | null },
): Promise<void> =>
  put(database, key, {
    handle: JSON.stringify(handle),
    secret,
    progress: null,
    expires_at: handle.expiresAt === null ? null : new Date(handle.expiresAt),
  });

/** Keeps how far an upload has come; what is kept later replaces it. */
export const setUploadProgress = (
  database: TenantDatabase,
  key: PreparationKey,
  progress: Buffer,
): Promise<void> => put(database, key, { progress });

interface PreparationValues {
  readonly handle?: string;
  readonly secret?: Buffer | null;
  readonly progress: Buffer | null;
  readonly expires_at?: Date | null;
}

async function put(
  database: TenantDatabase,
  { targetId, revisionId }: PreparationKey,
  values: PreparationValues,
): Promise<void> {
  await database
    .insertInto('preparations')
    .values({ target_id: targetId, revision_id: revisionId, ...values })
    .onConflict((conflict) => conflict.columns(['tenant_id', 'target_id', 'revision_id']).doUpdateSet(values))
    .execute();
}

/** Drops the handles a target's earlier revisions left behind. */
export async function deleteStalePreparations(
  database: TenantDatabase,
  { targetId, revisionId }: PreparationKey,
): Promise<void> {
  await database
    .deleteFrom('preparations')
    .where('target_id', '=', targetId)
    .where('revision_id', '!=', revisionId)
    .execute();
}
