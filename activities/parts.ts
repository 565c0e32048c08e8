import { randomUUID } from 'node:crypto';
import { activityInfo } from '@temporalio/activity';
import type { Finder, Replier, Reply } from '../adapters/platforms/publisher.ts';
import { findPoliciesVersion } from '../db/conditions.ts';
import { insertPartRound, setPartRoundEnded } from '../db/part-rounds.ts';
import { type ArmResult, armPublication, releasePublications } from '../db/publications.ts';
import { forTenant, inTransaction } from '../db/tenant-database.ts';
import { unreachable } from '../domain/post.ts';
import { bucketsFor } from '../domain/rates.ts';
import { type PostPart, partsOf } from '../domain/revision.ts';
import type {
  EndPartRoundInput,
  PartInput,
  PartResult,
  PartsWorkflowInput,
  ReconcileTargetResult,
} from './contract.ts';
import { failureTypes } from './contract.ts';
import {
  type ActivityDependencies,
  type PublishingContext,
  type PublishingDependencies,
  requirePublishing,
  revisionMismatch,
  unlessDisconnected,
} from './dependencies.ts';
import { withHeartbeat } from './heartbeat.ts';
import { reconcile } from './reconciling.ts';
import { commitOnce, delayOf, obeyDelay, resultOf, writeVerdict } from './sending.ts';
import { settledFrom } from './settled.ts';
import { tokenFor } from './tokens.ts';

/** The activities that bring out what follows a post: each part has a row, a claim and a receipt of its own. */
export function createPartActivities(dependencies: PublishingDependencies) {
  return {
    /** Starts the run of what follows a target's post. May run twice: a run that is there, open or closed, is a success. */
    async startParts(input: PartsWorkflowInput): Promise<void> {
      if (!dependencies.runs) throw new Error('This worker has not been given a run directory');
      await insertPartRound(forTenant(dependencies.pool, input.tenantId), input);
      await dependencies.runs.startParts(input);
    },

    /**
     * Arms a part's row, claims the right to send, and sends. Runs once (no retry): after a crash the row says what is
     * known, and `reconcilePart` finds out the rest.
     */
    async publishPart(input: PartInput): Promise<PartResult> {
      return withHeartbeat(async () => {
        const use = tokenFor.sendingAt(0);
        const publishing = await requirePublishing(dependencies, input, use).catch(unlessDisconnected);
        return publishing ? publish(dependencies, publishing, input) : disconnected;
      });
    },

    /** As `reconcileTarget`, for a part: only reads at the platform. */
    async reconcilePart(input: PartInput): Promise<ReconcileTargetResult> {
      const finderOf = (context: PublishingContext) => finderFor(context, input);
      return withHeartbeat(async () => {
        const publishing = await requirePublishing(dependencies, input, tokenFor.asking);
        return reconcile(dependencies, publishing, input, { part: input.part, finderOf });
      });
    },

    /** Writes what a round came to: from here on what failed may be sent again. May run twice. */
    async endPartRound({ tenantId, ...round }: EndPartRoundInput): Promise<void> {
      const at = await dependencies.clock.now();
      await inTransaction(forTenant(dependencies.pool, tenantId), (transaction) =>
        setPartRoundEnded(transaction, round, at),
      );
    },
  };
}

async function publish(
  dependencies: PublishingDependencies,
  publishing: PublishingContext,
  input: PartInput,
): Promise<PartResult> {
  const { adapter, account, database } = publishing;
  const { replier } = adapter;
  if (!replier) {
    const message = `${account.platform} takes nothing below a post of a ${account.kind}`;
    return { kind: 'refused', error: { code: 'rejected', message } };
  }
  const armed = await arm(dependencies, publishing, input);
  if (armed.kind !== 'armed') return withoutArm(armed);
  const claimedAtMs = performance.now();
  const { publicationId, fence } = armed;
  const [claim] = await releasePublications(database, [
    {
      ...{ publicationId, fence, approvedHash: input.approvedHash },
      ...{ dueAt: armed.dueAt, sendAt: armed.sendAt },
      commitTimeoutMs: adapter.publisher.commitTimeoutMs,
      now: await dependencies.clock.sqlNow(),
    },
  ]);
  if (claim?.kind !== 'sending') return held;
  const { verdict, pauseMs, refusal } = await commitOnce(
    adapter.publisher,
    claim.row,
    claimedAtMs,
    (context) => replier.reply(account, replyOf(publishing, input), context),
  );
  await writeVerdict(database, publicationId, fence, verdict);
  await obeyDelay(publishing, claim.row, Math.max(pauseMs, delayOf(verdict)), dependencies);
  if (refusal) await dependencies.tokens.noteRefused(input.tenantId, publishing.stored, refusal);
  const result = resultOf(verdict);
  return result.kind === 'not-sent'
    ? { kind: 'not-sent', error: result.error, retryAfterMs: result.retryAfterMs }
    : result;
}

/** A profile that must be connected again keeps its parts waiting, as a hold does. */
const disconnected: PartResult = {
  kind: 'held',
  error: { code: failureTypes.needsReconnect, message: 'The profile must be connected again' },
};

const held: PartResult = {
  kind: 'held',
  error: { code: 'held', message: 'A hold stands against the profile, its platform or the tenant' },
};

type Armed = Extract<ArmResult, { kind: 'armed' }> & { readonly dueAt: Date };

/** A part is due when what it follows is out. */
async function arm(
  { clock, rates }: ActivityDependencies,
  { database, account, content, stored }: PublishingContext,
  input: PartInput,
): Promise<Armed | Exclude<ArmResult, { kind: 'armed' }>> {
  const { workflowExecution, activityId } = activityInfo();
  const [now, dueAt] = [await clock.now(), new Date(input.dueAtMs)];
  const result = await armPublication(database, {
    ...{ postId: input.postId, targetId: input.targetId, part: input.part, cycle: input.cycle },
    holder: `${workflowExecution?.runId ?? randomUUID()}/${activityId}`,
    runId: workflowExecution?.runId ?? '',
    version: 0,
    ...{ revisionId: input.revisionId, approvedHash: input.approvedHash, dueAt, handle: null },
    ...{ profileId: stored.profile.id, platform: account.platform },
    policyVersion: await findPoliciesVersion(database, input.tenantId),
    admittedAt: input.admittedAtMs === null ? null : new Date(input.admittedAtMs),
    buckets: bucketsFor(rates, account.platform, stored.profile.id),
    ...{ type: content.type, caps: rates[account.platform].caps, quota: null },
    ...{ now, armUntil: now },
  });
  return result.kind === 'armed' ? { ...result, dueAt } : result;
}

function withoutArm(result: Exclude<ArmResult, { kind: 'armed' }>): PartResult {
  switch (result.kind) {
    case 'admitted-later':
      return { kind: 'admitted-later', sendAtMs: result.sendAt.getTime() };
    case 'capped':
      return { kind: 'capped', untilMs: result.until.getTime() };
    case 'conditions-changed':
    case 'superseded':
      return held;
    case 'needs-reconcile':
      return {
        kind: 'unknown',
        error: { code: 'outcome-unknown', message: 'An earlier attempt is in doubt' },
      };
    case 'published':
    case 'needs-person':
      return settledFrom(result.row);
    default:
      return unreachable(result, 'result of arming a part');
  }
}

function partOf({ stored }: PublishingContext, { targetId, part }: PartInput): PostPart {
  const target = stored.content.targets.find((candidate) => candidate.targetId === targetId);
  const found = target && partsOf(target).find((candidate) => candidate.part === part);
  if (!found) throw revisionMismatch(`Target ${targetId} has no part ${part}`);
  return found;
}

const replyOf = (publishing: PublishingContext, input: PartInput): Reply => ({
  text: partOf(publishing, input).text,
  parentId: input.parentId,
  rootId: input.rootId,
});

/** A platform that cannot read its own replies back leaves doubt to a person. */
function finderFor(publishing: PublishingContext, input: PartInput): Finder | undefined {
  const { finder, replier } = publishing.adapter;
  const findReply: Replier['findReply'] = replier?.findReply;
  if (!findReply) return undefined;
  return {
    settleMs: finder?.settleMs ?? 60_000,
    find: (account, query, context) => findReply(account, replyOf(publishing, input), query, context),
  };
}
