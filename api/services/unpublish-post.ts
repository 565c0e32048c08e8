import { capabilitiesOf } from '../../adapters/platforms/registry.ts';
import { insertRemovalRequest } from '../../db/outbox.ts';
import { findPost, listTargets, type TargetWithProfile } from '../../db/posts.ts';
import { insertRemoval, listPublic, listRemovals, type RemovalRow } from '../../db/removals.ts';
import { inTransaction } from '../../db/tenant-database.ts';
import { insertPostEvent } from '../../db/timeline.ts';
import { notFound, Problem, type ProblemError } from '../problems.ts';
import type { RequestContext } from '../route.ts';

/**
 * Asks the platforms to take down what they show of a post: the named targets, or all. What stands below a post goes
 * before it. May run twice under one key; what is gone already is not asked for again.
 */
export async function unpublishPost(
  context: RequestContext,
  postId: string,
  targetIds: readonly string[] | null,
): Promise<readonly RemovalRow[]> {
  const { caller, database, newId, now } = context;
  if (!(await findPost(database, postId, caller.profileIds))) throw notFound('post');
  const targets = await chooseTargets(context, postId, targetIds);
  const chosen = new Set(targets.map(({ id }) => id));
  const publications = (await listPublic(database, postId)).filter((row) => chosen.has(row.target_id));
  if (publications.length === 0) throw new Problem('nothing-to-unpublish', 'Nothing of it stands in public');
  const request = { id: newId('removal'), memberId: caller.memberId, memberName: caller.name };
  await inTransaction(database, async (transaction) => {
    for (const publication of publications) await insertRemoval(transaction, publication, request);
    await insertRemovalRequest(transaction, request.id);
    await insertPostEvent(transaction, {
      postId,
      eventKey: `api:removal:${request.id}`,
      type: 'post.removal-requested',
      occurredAt: now,
      actorId: caller.memberId,
      actorName: caller.name,
      data: { targets: chosen.size },
    });
  });
  await startRemoval(context, request.id);
  return (await listRemovals(database, postId)).filter((row) => chosen.has(row.target_id));
}

/** The targets that are asked for, all of them on platforms that let a post be taken down. */
async function chooseTargets(
  { database }: RequestContext,
  postId: string,
  targetIds: readonly string[] | null,
): Promise<readonly TargetWithProfile[]> {
  const all = await listTargets(database, postId);
  const published = all.filter(({ phase }) => phase === 'PUBLISHED');
  const unknown = (targetIds ?? []).flatMap((id, index): ProblemError[] => {
    if (published.some((target) => target.id === id)) return [];
    const message = 'The post has no such target that has been published';
    return [{ path: `/targetIds/${index}`, code: 'unknown-target', message }];
  });
  if (unknown.length > 0) throw new Problem('unknown-target', unknown[0]!.message, { errors: unknown });
  const chosen = targetIds ? published.filter(({ id }) => targetIds.includes(id)) : published;
  const stuck = chosen.filter(
    ({ platform, account_kind }) => !capabilitiesOf(platform, account_kind).removes,
  );
  if (stuck.length === 0) return chosen;
  const named = stuck.map((target) => `${target.profile_name} (${target.platform} ${target.account_kind})`);
  const message = `The platform lets nobody take a post down for ${named.join(', ')}: remove it there by hand`;
  throw new Problem('removal-unsupported', message);
}

/** By a request committed before. If it fails, the relay does it. */
async function startRemoval({ caller, dependencies, log }: RequestContext, requestId: string): Promise<void> {
  try {
    await dependencies.postRuns.startRemoval({ tenantId: caller.tenantId, requestId });
  } catch (error) {
    log.warn({ err: error, requestId }, 'The removal could not be started; the relay will');
  }
}
