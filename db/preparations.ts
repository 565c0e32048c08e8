import type { StoredHandle } from './schema.ts';
import type { TenantDatabase } from './tenant-database.ts';

/** The handle a platform prepared for a target of a revision, unless it has expired. */
export async function findPreparation(
  database: TenantDatabase,
  targetId: string,
  revisionId: string,
  now: Date,
): Promise<StoredHandle | null> {
  const row = await database
    .selectFrom('preparations')
    .select(['handle', 'expires_at'])
    .where('target_id', '=', targetId)
    .where('revision_id', '=', revisionId)
    .executeTakeFirst();
  if (!row || (row.expires_at !== null && row.expires_at <= now)) return null;
  return row.handle;
}

/** Stores a handle before it is used; a newer one replaces it. */
export async function setPreparation(
  database: TenantDatabase,
  preparation: { targetId: string; revisionId: string; handle: StoredHandle },
): Promise<void> {
  const values = {
    handle: JSON.stringify(preparation.handle),
    expires_at: preparation.handle.expiresAt === null ? null : new Date(preparation.handle.expiresAt),
  };
  await database
    .insertInto('preparations')
    .values({ target_id: preparation.targetId, revision_id: preparation.revisionId, ...values })
    .onConflict((conflict) => conflict.columns(['tenant_id', 'target_id', 'revision_id']).doUpdateSet(values))
    .execute();
}

/** Drops the handles a target's earlier revisions left behind. */
export async function deleteStalePreparations(
  database: TenantDatabase,
  targetId: string,
  currentRevisionId: string,
): Promise<void> {
  await database
    .deleteFrom('preparations')
    .where('target_id', '=', targetId)
    .where('revision_id', '!=', currentRevisionId)
    .execute();
}
