import { type DisarmScope, disarmScope } from '../../db/publications.ts';
import { inTransaction } from '../../db/tenant-database.ts';
import type { RequestContext } from '../route.ts';

/** What had left before it could be taken back. */
export type AlreadySending = readonly { readonly postId: string; readonly targetId: string }[];

/**
 * The second half of every change to what posts may do, after the change itself has been committed with its request
 * to poke: whatever is armed in its scope is taken back, so that success means that nothing more goes out as before,
 * and the open posts are told.
 */
export async function enforceConditions(
  context: RequestContext,
  requestId: string,
  scope: DisarmScope,
): Promise<AlreadySending> {
  const { sending } = await inTransaction(context.database, (transaction) => disarmScope(transaction, scope));
  await tellOpenPosts(context, requestId);
  return sending;
}

/** Tells the open posts that their conditions have changed, by a request committed before. If it fails, the relay does it. */
export async function tellOpenPosts(
  { caller, dependencies, log }: RequestContext,
  requestId: string,
): Promise<void> {
  try {
    await dependencies.postRuns.pokeAll({ tenantId: caller.tenantId, requestId });
  } catch (error) {
    log.warn({ err: error, requestId }, 'The open posts could not be told of new conditions; the relay will');
  }
}
