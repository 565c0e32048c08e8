import { ApplicationFailure } from '@temporalio/activity';
import {
  claimAmendmentTarget,
  findAmendmentTarget,
  isBeingRemoved,
  listOpenAmendmentTargets,
  setAmended,
  setAmendmentDone,
  setAmendmentFailed,
} from '../db/amendments.ts';
import { markOutboxDone } from '../db/outbox.ts';
import { forTenant, inTransaction } from '../db/tenant-database.ts';
import type { TargetError } from '../domain/post-state.ts';
import { sendDeadlineMs } from '../domain/publication.ts';
import { hashRevision } from '../domain/revision.ts';
import { type AmendmentInput, type AmendTargetInput, failureTypes } from './contract.ts';
import {
  type ActivityDependencies,
  type PublishingContext,
  type PublishingDependencies,
  requirePublishing,
  revisionMismatch,
  unlessDisconnected,
} from './dependencies.ts';
import { notYet, toFailure } from './failures.ts';
import { callContext, withHeartbeat } from './heartbeat.ts';
import { tokenFor } from './tokens.ts';

/** The activities that bring an approved amendment to what stands in public. */
export function createAmendingActivities(dependencies: PublishingDependencies) {
  const { clock, pool } = dependencies;
  return {
    /** The targets that an amendment still has to be sent to, in their order. May run any number of times. */
    async listAmendments({ tenantId, requestId }: AmendmentInput): Promise<string[]> {
      const targets = await listOpenAmendmentTargets(forTenant(pool, tenantId), requestId);
      return targets.map(({ target_id }) => target_id);
    },

    /**
     * Claims one target and has it say what was approved. May run twice: the same text again changes nothing there, and
     * a claim that was taken over writes no receipt. Throws by outcome code; `rejected` and `unauthorized` are final.
     */
    async amendTarget(input: AmendTargetInput): Promise<void> {
      const database = forTenant(pool, input.tenantId);
      const of = { amendmentId: input.requestId, targetId: input.targetId };
      const found = await findAmendmentTarget(database, of);
      if (!found) throw revisionMismatch(`Nobody asks for ${input.targetId} to be amended`);
      const { tenantId, targetId } = input;
      const target = { tenantId, targetId, ...found };
      await withHeartbeat(async () => {
        // Everything that takes its time comes before the claim: what it finds is then as good as what is sent.
        const use = tokenFor.sendingAt(0);
        const publishing = await requirePublishing(dependencies, target, use).catch(unlessDisconnected);
        if (!publishing) throw waiting('The profile must be connected again', failureTypes.needsReconnect);
        const claimedAtMs = performance.now();
        const claim = await claimAmendmentTarget(database, of);
        if (!claim) throw await whyNotClaimed(dependencies, input);
        requireApproved(publishing, claim.approvedHash);
        if (performance.now() - claimedAtMs > sendDeadlineMs)
          throw notYet('The sender was held up past its deadline and did not send', 0);
        await amend(publishing, claim.publicId);
        const at = await clock.now();
        await inTransaction(database, (transaction) =>
          setAmended(transaction, { ...of, fence: claim.fence }, at),
        );
      });
    },

    /** Writes why a target still says what it said. May run twice. */
    async noteAmendmentFailed(input: AmendTargetInput & { readonly error: TargetError }): Promise<void> {
      const at = await clock.now();
      const of = { amendmentId: input.requestId, targetId: input.targetId };
      await inTransaction(forTenant(pool, input.tenantId), (transaction) =>
        setAmendmentFailed(transaction, of, input.error, at),
      );
    },

    /** Closes an amendment that has been sent: another may be proposed, and the relay starts it no more. May run twice. */
    async closeAmendment({ tenantId, requestId }: AmendmentInput): Promise<void> {
      const database = forTenant(pool, tenantId);
      await setAmendmentDone(database, requestId, await clock.now());
      await markOutboxDone(database, requestId);
    },
  };
}

/** What was approved, and what is sent, must be the same text. */
function requireApproved({ stored }: PublishingContext, approvedHash: string): void {
  if (hashRevision(stored.content).contentHash !== approvedHash)
    throw revisionMismatch('The amendment does not have the approved hash');
}

async function amend({ adapter, account, content }: PublishingContext, publicId: string): Promise<void> {
  const { amender } = adapter;
  if (!amender) throw revisionMismatch(`Posts on ${account.platform} cannot be changed from here`);
  try {
    await amender.amend(account, publicId, content, callContext());
  } catch (error) {
    throw toFailure(error);
  }
}

/** A hold passes; what is being taken down is not changed any more. */
async function whyNotClaimed(
  { pool }: ActivityDependencies,
  { tenantId, requestId, targetId }: AmendTargetInput,
): Promise<ApplicationFailure> {
  const of = { amendmentId: requestId, targetId };
  if (await isBeingRemoved(forTenant(pool, tenantId), of))
    return ApplicationFailure.nonRetryable('The post is being taken down there', failureTypes.removed);
  return waiting('A hold stands against the profile, its platform or the tenant', failureTypes.held);
}

const lookAgainMs = 60_000;

/** What stands in the way passes, or a day does. */
const waiting = (message: string, type: string): ApplicationFailure =>
  ApplicationFailure.create({ message, type, nextRetryDelay: lookAgainMs });
