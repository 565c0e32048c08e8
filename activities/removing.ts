import { markOutboxDone } from '../db/outbox.ts';
import { findPublication } from '../db/publications.ts';
import { listOpenRemovals, type RemovalRow, setRemovalFailed, setRemoved } from '../db/removals.ts';
import { forTenant, inTransaction } from '../db/tenant-database.ts';
import type { TargetError } from '../domain/post-state.ts';
import type { RemovalInput } from './contract.ts';
import {
  type ActivityDependencies,
  type PublishingDependencies,
  requirePublishing,
  revisionMismatch,
} from './dependencies.ts';
import { toFailure } from './failures.ts';
import { callContext, withHeartbeat } from './heartbeat.ts';
import { tokenFor } from './tokens.ts';

/** The activities that take down what went public, on somebody's word. */
export function createRemovingActivities(dependencies: PublishingDependencies) {
  const { clock, pool } = dependencies;
  return {
    /** The publications that a request still has to take down, in their order. May run any number of times. */
    async listRemovals({ tenantId, requestId }: RemovalInput): Promise<string[]> {
      const removals = await listOpenRemovals(forTenant(pool, tenantId), requestId);
      return removals.map(({ publication_id }) => publication_id);
    },

    /**
     * Takes one publication down. May run twice: what is gone already counts as taken down. Throws by outcome code;
     * `rejected` and `unauthorized` are final.
     */
    async removePublication(input: RemovalInput & { readonly publicationId: string }): Promise<void> {
      const database = forTenant(pool, input.tenantId);
      const removal = await requireRemoval(dependencies, input);
      const publication = await findPublication(database, input.publicationId);
      if (!publication?.public_id) throw revisionMismatch(`${input.publicationId} has not been published`);
      const target = {
        ...{ tenantId: input.tenantId, postId: publication.post_id, targetId: publication.target_id },
        ...{ revisionId: publication.revision_id, approvedHash: publication.approved_hash },
      };
      const { adapter, account } = await requirePublishing(dependencies, target, tokenFor.sendingAt(0));
      const { remover } = adapter;
      if (!remover) throw revisionMismatch(`Posts on ${account.platform} cannot be taken down from here`);
      try {
        await withHeartbeat(() => remover.remove(account, publication.public_id!, callContext()));
      } catch (error) {
        throw toFailure(error);
      }
      const at = await clock.now();
      await inTransaction(database, (transaction) => setRemoved(transaction, removal, at));
    },

    /** Writes why a publication still stands. May run twice. */
    async noteRemovalFailed(
      input: RemovalInput & { readonly publicationId: string; readonly error: TargetError },
    ): Promise<void> {
      const removal = await requireRemoval(dependencies, input);
      const at = await clock.now();
      await inTransaction(forTenant(pool, input.tenantId), (transaction) =>
        setRemovalFailed(transaction, removal, input.error, at),
      );
    },

    /** Notes that a request has been carried out: the relay starts it no more. May run twice. */
    async closeRemovalRequest({ tenantId, requestId }: RemovalInput): Promise<void> {
      await markOutboxDone(forTenant(pool, tenantId), requestId);
    },
  };
}

async function requireRemoval(
  { pool }: ActivityDependencies,
  { tenantId, requestId, publicationId }: RemovalInput & { readonly publicationId: string },
): Promise<RemovalRow> {
  const removals = await listOpenRemovals(forTenant(pool, tenantId), requestId);
  const removal = removals.find((row) => row.publication_id === publicationId);
  if (!removal) throw revisionMismatch(`Nobody asks for ${publicationId} to be taken down`);
  return removal;
}
