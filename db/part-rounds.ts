import { type Selectable, sql } from 'kysely';
import type { PartOutcome } from '../domain/parts.ts';
import type { PartKind } from '../domain/post-state.ts';
import type { PartRoundsTable } from './schema.ts';
import type { TenantExecutor, TenantTransaction } from './tenant-database.ts';
import { insertPostEvent } from './timeline.ts';

export type PartRoundRow = Selectable<PartRoundsTable>;

export interface NewPartRound {
  readonly postId: string;
  readonly targetId: string;
  readonly cycle: number;
  readonly revisionId: string;
  readonly approvedHash: string;
  /** The platform's id of the post. */
  readonly publicId: string;
  readonly kinds: readonly PartKind[];
  /** Whose word it is; left out for the first round, which comes by itself. */
  readonly request?: { readonly id: string; readonly memberId: string; readonly memberName: string };
}

/** Opens a round; one that is there already, by whomever, stays as it is. Answers whether this call opened it. */
export async function insertPartRound(executor: TenantExecutor, round: NewPartRound): Promise<boolean> {
  const { request } = round;
  const result = await executor
    .insertInto('part_rounds')
    .values({
      ...{ post_id: round.postId, target_id: round.targetId, cycle: round.cycle },
      ...{ revision_id: round.revisionId, approved_hash: round.approvedHash, public_id: round.publicId },
      kinds: JSON.stringify(round.kinds),
      request_id: request?.id ?? null,
      requested_by: request?.memberId ?? null,
      requested_by_name: request?.memberName ?? null,
    })
    .onConflict((conflict) => conflict.columns(['tenant_id', 'post_id', 'target_id', 'cycle']).doNothing())
    .executeTakeFirst();
  return (result.numInsertedOrUpdatedRows ?? 0n) > 0n;
}

/** The rounds of a post's targets, oldest first. */
export const listPartRounds = (executor: TenantExecutor, postId: string): Promise<PartRoundRow[]> =>
  executor
    .selectFrom('part_rounds')
    .selectAll()
    .where('post_id', '=', postId)
    .orderBy('target_id')
    .orderBy('cycle')
    .execute();

export interface EndedPartRound {
  readonly postId: string;
  readonly targetId: string;
  readonly cycle: number;
  readonly outcomes: readonly PartOutcome[];
}

/** Notes what became of a round, and tells of the parts that no row of theirs tells of. May run twice. */
export async function setPartRoundEnded(
  transaction: TenantTransaction,
  { postId, targetId, cycle, outcomes }: EndedPartRound,
  at: Date,
): Promise<void> {
  await transaction
    .updateTable('part_rounds')
    .set({ outcomes: JSON.stringify(outcomes), ended_at: sql<Date>`coalesce(ended_at, ${at})` })
    .where('post_id', '=', postId)
    .where('target_id', '=', targetId)
    .where('cycle', '=', cycle)
    .execute();
  const refused = await listRefused(transaction, postId, targetId, cycle);
  for (const { part, kind, error } of outcomes) {
    if (kind !== 'left-out' && (kind !== 'refused' || refused.includes(part))) continue;
    await insertPostEvent(transaction, {
      postId,
      eventKey: `parts:${targetId}:${cycle}:${part}:${kind}`,
      type: kind === 'left-out' ? 'part.left-out' : 'part.failed',
      occurredAt: at,
      actorId: null,
      actorName: null,
      data: { targetId, part, errorCode: error?.code ?? null, errorMessage: error?.message ?? null },
    });
  }
}

/** Parts whose row says in the timeline that the platform refused them. */
async function listRefused(
  transaction: TenantTransaction,
  postId: string,
  targetId: string,
  cycle: number,
): Promise<number[]> {
  const rows = await transaction
    .selectFrom('publications')
    .select('part')
    .where('post_id', '=', postId)
    .where('target_id', '=', targetId)
    .where('cycle', '=', cycle)
    .where('part', '>', 0)
    .where('state', '=', 'REFUSED')
    .execute();
  return rows.map(({ part }) => part);
}
