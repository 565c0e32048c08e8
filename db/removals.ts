import { type Selectable, sql } from 'kysely';
import type { TargetError } from '../domain/post-state.ts';
import type { PublicationRow } from './publications.ts';
import type { RemovalsTable } from './schema.ts';
import type { TenantDatabase, TenantExecutor, TenantTransaction } from './tenant-database.ts';
import { insertPostEvent } from './timeline.ts';

export type RemovalRow = Selectable<RemovalsTable>;

/** What stands in public of a post and has not been taken down, what is below a post first. */
export const listPublic = (database: TenantExecutor, postId: string): Promise<PublicationRow[]> =>
  database
    .selectFrom('publications')
    .selectAll()
    .where('post_id', '=', postId)
    .where('state', '=', 'PUBLISHED')
    .where('public_id', 'is not', null)
    .where('public_id', '!=', '')
    .where(
      sql<boolean>`not exists (select from removals r where r.publication_id = publications.id and r.state = 'REMOVED')`,
    )
    .orderBy('target_id')
    .orderBy('part', 'desc')
    .execute();

/** Asks for a publication to be taken down; one that was asked for before is asked for again unless it has been. */
export async function insertRemoval(
  transaction: TenantTransaction,
  publication: Pick<PublicationRow, 'id' | 'post_id' | 'target_id' | 'part'>,
  request: { id: string; memberId: string; memberName: string },
): Promise<void> {
  const requested = {
    request_id: request.id,
    requested_by: request.memberId,
    requested_by_name: request.memberName,
  };
  await transaction
    .insertInto('removals')
    .values({
      publication_id: publication.id,
      post_id: publication.post_id,
      target_id: publication.target_id,
      part: publication.part,
      ...requested,
    })
    .onConflict((conflict) =>
      conflict
        .columns(['tenant_id', 'publication_id'])
        .doUpdateSet({ ...requested, state: 'REQUESTED', error_code: null, error_message: null })
        .where('removals.state', '=', 'FAILED'),
    )
    .execute();
}

export const listRemovals = (database: TenantExecutor, postId: string): Promise<RemovalRow[]> =>
  database
    .selectFrom('removals')
    .selectAll()
    .where('post_id', '=', postId)
    .orderBy('target_id')
    .orderBy('part')
    .execute();

/** What a request still has to take down, what stands below a post before the post. */
export const listOpenRemovals = (database: TenantDatabase, requestId: string): Promise<RemovalRow[]> =>
  database
    .selectFrom('removals')
    .selectAll()
    .where('request_id', '=', requestId)
    .where('state', '=', 'REQUESTED')
    .orderBy('target_id')
    .orderBy('part', 'desc')
    .execute();

/** Notes that it is gone, on the target as well where it is the post itself. May run twice. */
export async function setRemoved(
  transaction: TenantTransaction,
  removal: RemovalRow,
  at: Date,
): Promise<void> {
  const { publication_id, post_id, target_id, part } = removal;
  await transaction
    .updateTable('removals')
    .set({ state: 'REMOVED', removed_at: at, error_code: null, error_message: null })
    .where('publication_id', '=', publication_id)
    .execute();
  if (part === 0)
    await transaction
      .updateTable('targets')
      .set({ removed_at: sql<Date>`coalesce(removed_at, ${at})` })
      .where('id', '=', target_id)
      .execute();
  await insertPostEvent(transaction, {
    postId: post_id,
    eventKey: `removal:${publication_id}:REMOVED`,
    type: part === 0 ? 'target.removed' : 'part.removed',
    occurredAt: at,
    actorId: removal.requested_by,
    actorName: removal.requested_by_name,
    data: { targetId: target_id, ...(part > 0 && { part }) },
  });
}

/** Notes why it still stands. May run twice. */
export async function setRemovalFailed(
  transaction: TenantTransaction,
  { publication_id, post_id, target_id, part, request_id }: RemovalRow,
  error: TargetError,
  at: Date,
): Promise<void> {
  await transaction
    .updateTable('removals')
    .set({ state: 'FAILED', error_code: error.code, error_message: error.message })
    .where('publication_id', '=', publication_id)
    .where('state', '=', 'REQUESTED')
    .execute();
  await insertPostEvent(transaction, {
    postId: post_id,
    eventKey: `removal:${publication_id}:${request_id}:FAILED`,
    type: part === 0 ? 'target.removal-failed' : 'part.removal-failed',
    occurredAt: at,
    actorId: null,
    actorName: null,
    data: {
      targetId: target_id,
      ...(part > 0 && { part }),
      errorCode: error.code,
      errorMessage: error.message,
    },
  });
}
