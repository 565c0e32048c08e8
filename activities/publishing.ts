import { activityInfo, heartbeat } from '@temporalio/activity';
import { findPreparation } from '../db/preparations.ts';
import {
  armPublication,
  disarmPublications,
  findNewestPublication,
  type PublicationRow,
  setConfirmed,
  settlePublication,
} from '../db/publications.ts';
import { forTenant, type TenantDatabase } from '../db/tenant-database.ts';
import { prepareLeadMs } from '../domain/leads.ts';
import { unreachable } from '../domain/post.ts';
import { declaredAbsent } from '../domain/post-state.ts';
import { bucketsFor } from '../domain/rates.ts';
import { createClaims } from './claims.ts';
import type {
  ArmTargetInput,
  ArmTargetResult,
  ConfirmedTarget,
  DisarmTargetsInput,
  DisarmTargetsResult,
  ReconcileTargetResult,
  RecordVerdictInput,
  ReleaseTargetInput,
  ReleaseTargetResult,
  ResolveTargetInput,
  TargetInput,
  TargetSettled,
} from './contract.ts';
import {
  type ActivityDependencies,
  type PublishingDependencies,
  requirePublishing,
  revisionMismatch,
  unlessDisconnected,
} from './dependencies.ts';
import { toFailure } from './failures.ts';
import { callContext, withHeartbeat } from './heartbeat.ts';
import { assertWithinRules } from './judging.ts';
import { mediaAccess } from './media-access.ts';
import { prepare } from './preparing.ts';
import { createQuotas } from './quotas.ts';
import { giveUpSender, reconcile } from './reconciling.ts';
import { release, writeVerdict } from './sending.ts';
import { settledFrom } from './settled.ts';
import { tokenFor } from './tokens.ts';

/** The activities that bring one target of an approved revision to its platform, exactly once. */
export function createPublishingActivities(dependencies: PublishingDependencies) {
  const { clock, pool } = dependencies;
  const failpoint = dependencies.failpoint ?? (async () => {});
  const claims = createClaims(pool);
  const quotas = createQuotas();

  return {
    /**
     * Uploads and containers before the due time. May run twice: what it leaves at the platform is invisible, and the
     * newest handle replaces the stored one; an upload that was cut off goes on. Throws by outcome code; `rejected` and `unauthorized` are final.
     */
    async prepareTarget(input: TargetInput): Promise<void> {
      await withHeartbeat(async () => {
        const publishing = await requirePublishing(dependencies, input, tokenFor.preparing);
        await assertWithinRules(publishing, input);
        await prepare(dependencies, publishing, input);
      });
    },

    /**
     * Arms a target's row, unless a hold stands, the policies have changed, or the platform's rate or caps admit it only
     * later.
     * May run twice: the same attempt finds its own row again.
     */
    async armTarget(input: ArmTargetInput): Promise<ArmTargetResult> {
      heartbeat();
      await failpoint('before-arm', input.postId);
      const { workflowExecution, activityId } = activityInfo();
      const now = await clock.now();
      const use = tokenFor.sendingAt(input.dueAtMs - now.getTime());
      const publishing = await withHeartbeat(() =>
        requirePublishing(dependencies, input, use).catch(unlessDisconnected),
      );
      // The run learns of the profile's health with the other conditions, and waits for it.
      if (publishing === null) return { kind: 'conditions-changed' };
      const { database, account, content, stored } = publishing;
      await assertWithinRules(publishing, input, input.cycle);
      const handle = await findPreparation(database, input, now);
      if (handle === null && prepareLeadMs(account.platform, content.type) !== null)
        return { kind: 'unprepared' };
      const quota = await withHeartbeat(() => quotas.read(publishing, now));
      const armed = await armPublication(database, {
        postId: input.postId,
        targetId: input.targetId,
        cycle: input.cycle,
        holder: `${runIdOf(workflowExecution)}/${activityId}`,
        runId: runIdOf(workflowExecution),
        version: input.version,
        revisionId: input.revisionId,
        approvedHash: input.approvedHash,
        dueAt: new Date(input.dueAtMs),
        handle,
        profileId: stored.profile.id,
        platform: account.platform,
        policyVersion: input.policyVersion,
        admittedAt: input.admittedAtMs === null ? null : new Date(input.admittedAtMs),
        buckets: bucketsFor(dependencies.rates, account.platform, stored.profile.id),
        type: content.type,
        caps: dependencies.rates[account.platform].caps,
        quota,
        now,
        armUntil: new Date(Math.max(now.getTime(), input.dueAtMs) + input.aheadMs),
      });
      if (armed.kind === 'armed') await failpoint('armed', input.postId);
      switch (armed.kind) {
        case 'armed': {
          const { publicationId, fence, sendAt } = armed;
          const sendAtMs = sendAt.getTime();
          return { kind: 'armed', publicationId, fence, sendAtMs, ...otherCycle(armed.cycle, input) };
        }
        case 'admitted-later':
          return { kind: 'admitted-later', sendAtMs: armed.sendAt.getTime() };
        case 'capped':
          return { kind: 'capped', untilMs: armed.until.getTime() };
        case 'superseded':
        case 'conditions-changed':
          return armed;
        case 'needs-reconcile':
          return { kind: 'needs-reconcile' };
        case 'published':
        case 'needs-person':
          return { ...settledFrom(armed.row), ...otherCycle(armed.row.cycle, input) };
        default:
          return unreachable(armed, 'result of arming');
      }
    },

    /**
     * Waits for the instant, claims the right to send, and sends. Runs once (no retry): after a crash the row says
     * what is known, and `reconcileTarget` finds out the rest. Answers every outcome as a value; it throws only before
     * anything can have been sent.
     */
    async releaseTarget(input: ReleaseTargetInput): Promise<ReleaseTargetResult> {
      return withHeartbeat(async () => {
        const publishing = await requirePublishing(dependencies, input, tokenFor.sendingAt(0));
        return release({ dependencies, publishing, input, failpoint, claims });
      });
    },

    /** Writes a verdict whose row could not be written at once. May run twice. */
    async recordVerdict(input: RecordVerdictInput): Promise<void> {
      const database = forTenant(pool, input.tenantId);
      await writeVerdict(database, input.publicationId, input.fence, input.verdict);
    },

    /**
     * Finds out what became of an attempt whose sender was lost or whose answer was not understood. Only reads at the
     * platform. Throws the retryable `not-yet` with a delay until there is an answer.
     */
    async reconcileTarget(input: TargetInput): Promise<ReconcileTargetResult> {
      return withHeartbeat(async () => {
        const publishing = await requirePublishing(dependencies, input, tokenFor.asking);
        return reconcile(dependencies, publishing, input);
      });
    },

    /** Asks where it stands that went public, and what its final id is. May run any number of times. */
    async confirmTarget(input: TargetInput & { readonly publicId: string }): Promise<ConfirmedTarget> {
      const publishing = await requirePublishing(dependencies, input, tokenFor.asking);
      const { adapter, account, content, database } = publishing;
      try {
        const context = { ...callContext(), content, media: mediaAccess(dependencies, publishing) };
        const confirmed = await adapter.publisher.confirm(account, input.publicId, context);
        const row = await findNewestPublication(database, input.postId, input.targetId);
        if (row) await setConfirmed(database, row.id, confirmed);
        return confirmed;
      } catch (error) {
        throw toFailure(error);
      }
    },

    /**
     * Writes a person's word on a target that nobody could tell of. Answers what the row says then: where a receipt has
     * come meanwhile, that stands instead. May run twice.
     */
    async resolveTarget(input: ResolveTargetInput): Promise<TargetSettled> {
      const database = forTenant(pool, input.tenantId);
      const row = await findNewestPublication(database, input.postId, input.targetId);
      if (!row) throw revisionMismatch(`Target ${input.targetId} has no publication to resolve`);
      const fence = await endAttempt(dependencies, database, row);
      const isPublished = input.resolution === 'published';
      const { row: settled } = await settlePublication(
        database,
        row.id,
        fence,
        { kind: 'resolved', resolution: input.resolution },
        isPublished
          ? { permalink: input.permalink, publishedAt: await clock.now() }
          : { error: declaredAbsent },
      );
      return settledFrom(settled);
    },

    /** Takes armed targets back before a command answers. May run twice. */
    async disarmTargets(input: DisarmTargetsInput): Promise<DisarmTargetsResult> {
      return disarmPublications(forTenant(pool, input.tenantId), {
        postId: input.postId,
        targetIds: input.targetIds,
        runId: runIdOf(activityInfo().workflowExecution),
        version: input.version,
        allOrNothing: input.allOrNothing,
      });
    },
  };
}

const otherCycle = (cycle: number, input: ArmTargetInput) => (cycle === input.cycle ? {} : { cycle });

/**
 * A run that gave up before the platform could be asked, or was put back, may not know of an attempt. A sender that may
 * still write is waited for; what is armed is taken back. Answers the row's fence then.
 */
async function endAttempt(
  dependencies: ActivityDependencies,
  database: TenantDatabase,
  row: PublicationRow,
): Promise<number> {
  if (row.state === 'SENDING') await giveUpSender(dependencies, database, row);
  if (row.state !== 'ARMED') return row.fence;
  const { row: disarmed } = await settlePublication(database, row.id, row.fence, { kind: 'disarm' }, {});
  return disarmed.fence;
}

const runIdOf = (execution: { runId: string } | undefined): string => {
  if (!execution) throw new Error('This activity belongs to a workflow run');
  return execution.runId;
};
