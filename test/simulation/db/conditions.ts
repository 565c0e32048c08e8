import type * as real from '../../../db/conditions.ts';
import { type ConditionsMark, phasesAtRest, phasesWithoutReceipt } from '../../../domain/conditions.ts';
import { resolvePostPolicy } from '../../../domain/policy.ts';
import type { HoldRef } from '../../../domain/post-state.ts';
import { type PostRows, type Rows, rowsOf } from '../rows.ts';

const holdsOn = (rows: Rows, { targets }: PostRows): HoldRef[] => {
  const all = targets.flatMap(({ profile }) => rows.standingHolds(profile));
  return [...new Map(all.map((hold) => [hold.holdId, hold])).values()];
};

export const markOf = (rows: Rows, post: PostRows): ConditionsMark => ({
  policyVersion: rows.policyVersion,
  holdIds: holdsOn(rows, post)
    .map(({ holdId }) => holdId)
    .sort(),
  ...(lateReceipts(rows, post).length + doubtsOf(rows, post).length > 0 && { hasNews: true as const }),
});

export const findConditions: typeof real.findConditions = async (database, { postId, knownVersion }) => {
  const rows = rowsOf(database);
  const post = rows.requirePost(postId);
  const policyVersion = await rows.transact(`reads the version of the policies`, () => rows.policyVersion);
  const policy = await rows.transact(`reads the policies`, () =>
    policyVersion === knownVersion ? null : resolvePostPolicy(post.targets.map(() => [rows.policyLayer])),
  );
  const holds = await rows.transact(`reads the holds on ${postId}`, () => holdsOn(rows, post));
  const receipts = await rows.transact(`reads late receipts of ${postId}`, () => lateReceipts(rows, post));
  const doubts = await rows.transact(`reads what of ${postId} is in doubt`, () => doubtsOf(rows, post));
  return { policyVersion, policy, holds, receipts, ...(doubts.length > 0 && { doubts }) };
};

function lateReceipts(rows: Rows, { postId, targets }: PostRows) {
  const unheard = targets
    .filter(({ phase }) => phasesWithoutReceipt.some((one) => one === phase))
    .map(({ targetId }) => targetId);
  return rows.publications
    .filter((row) => row.post_id === postId && row.state === 'PUBLISHED' && unheard.includes(row.target_id))
    .map((row) => ({
      targetId: row.target_id,
      publicId: row.public_id ?? '',
      permalink: row.permalink,
      publishedAtMs: (row.published_at ?? row.updated_at).getTime(),
    }));
}

const mayBeOut = ['SENDING', 'UNKNOWN', 'UNCONFIRMED'];

function doubtsOf(rows: Rows, { postId, targets, runState }: PostRows) {
  return rows.publications
    .filter((row) => {
      const target = targets.find(({ targetId }) => targetId === row.target_id);
      return (
        row.post_id === postId &&
        mayBeOut.includes(row.state) &&
        phasesAtRest.some((one) => one === target?.phase) &&
        row.cycle >= (runState?.targets.find(({ targetId }) => targetId === row.target_id)?.cycle ?? 0)
      );
    })
    .map((row) => ({
      targetId: row.target_id,
      revisionId: row.revision_id,
      approvedHash: row.approved_hash,
    }));
}
