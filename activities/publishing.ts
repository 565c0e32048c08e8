import { ApplicationFailure, activityInfo, cancellationSignal, heartbeat, log } from '@temporalio/activity';
import type { CallContext, FindResult, Receipt } from '../adapters/platforms/publisher.ts';
import { RegistryError } from '../adapters/platforms/registry.ts';
import { deleteStalePreparations, findPreparation, setPreparation } from '../db/preparations.ts';
import {
  armPublication,
  disarmPublications,
  findNewestPublication,
  type PublicationRow,
  releasePublication,
  setPermalink,
  settlePublication,
} from '../db/publications.ts';
import { forTenant, type TenantDatabase } from '../db/tenant-database.ts';
import { prepareLeadMs } from '../domain/leads.ts';
import { meaningOfFailedCommit, OutcomeError } from '../domain/outcome.ts';
import { unreachable } from '../domain/post.ts';
import { type PublicationEvent, sendDeadlineMs } from '../domain/publication.ts';
import { hashRevision } from '../domain/revision.ts';
import type {
  ArmTargetInput,
  ArmTargetResult,
  DisarmTargetsInput,
  DisarmTargetsResult,
  Published,
  ReconcileTargetResult,
  RecordVerdictInput,
  ReleaseTargetInput,
  ReleaseTargetResult,
  TargetInput,
  TargetSettled,
  UnrecordedVerdict,
} from './contract.ts';
import { failureTypes } from './contract.ts';
import {
  type ActivityDependencies,
  loadPublishing,
  mediaAccess,
  type PublishingContext,
} from './dependencies.ts';
import { notYet, toFailure, toTargetError } from './failures.ts';

const heartbeatEveryMs = 500;

/** The activities that bring one target of an approved revision to its platform, exactly once. */
export function createPublishingActivities(dependencies: ActivityDependencies) {
  const { clock, pool } = dependencies;
  const failpoint = dependencies.failpoint ?? (async () => {});

  return {
    /**
     * Uploads and containers before the due time. May run twice: what it leaves at the platform is invisible, and the
     * newest handle replaces the stored one. Throws by outcome code; `rejected` and `unauthorized` are final.
     */
    async prepareTarget(input: TargetInput): Promise<void> {
      const publishing = await requirePublishing(dependencies, input);
      const { database, adapter, account, content, stored } = publishing;
      if (!adapter.preparer) return;
      if (await findPreparation(database, input.targetId, input.revisionId, await clock.now())) return;
      await deleteStalePreparations(database, input.targetId, input.revisionId);
      const handle = await withHeartbeat(async () => {
        try {
          return await adapter.preparer!.prepare(
            account,
            content,
            mediaAccess(dependencies, stored),
            callContext(),
          );
        } catch (error) {
          throw toFailure(error);
        }
      });
      await setPreparation(database, { targetId: input.targetId, revisionId: input.revisionId, handle });
    },

    /** Arms a target's row. May run twice: the same attempt finds its own row again. */
    async armTarget(input: ArmTargetInput): Promise<ArmTargetResult> {
      heartbeat();
      await failpoint('before-arm');
      const { database, account, content } = await requirePublishing(dependencies, input);
      const { workflowExecution, activityId } = activityInfo();
      const handle = await findPreparation(database, input.targetId, input.revisionId, await clock.now());
      if (handle === null && prepareLeadMs(account.platform, content.type) !== null)
        return { kind: 'unprepared' };
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
      });
      if (armed.kind === 'armed') await failpoint('armed');
      switch (armed.kind) {
        case 'armed':
        case 'superseded':
          return armed;
        case 'needs-reconcile':
          return { kind: 'needs-reconcile' };
        case 'published':
        case 'needs-person':
          return settledFrom(armed.row);
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
      const publishing = await requirePublishing(dependencies, input);
      return withHeartbeat(() => release(dependencies, publishing, input, failpoint));
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
      const publishing = await requirePublishing(dependencies, input);
      return withHeartbeat(() => reconcile(dependencies, publishing, input));
    },

    /** Asks for the permalink of what went public. May run any number of times. */
    async confirmTarget(input: TargetInput & { readonly publicId: string }): Promise<string | null> {
      const { adapter, account, database } = await requirePublishing(dependencies, input);
      try {
        const { permalink } = await adapter.publisher.confirm(account, input.publicId, callContext());
        const row = await findNewestPublication(database, input.postId, input.targetId);
        if (permalink && row) await setPermalink(database, row.id, permalink);
        return permalink;
      } catch (error) {
        throw toFailure(error);
      }
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

const runIdOf = (execution: { runId: string } | undefined): string => {
  if (!execution) throw new Error('This activity belongs to a workflow run');
  return execution.runId;
};

const revisionMismatch = (message: string): ApplicationFailure =>
  ApplicationFailure.nonRetryable(message, failureTypes.revisionMismatch);

/** A tenant whose mode has no platforms here is a matter of configuration: trying again does not help. */
function rethrowFinal(error: unknown): never {
  if (error instanceof RegistryError) throw ApplicationFailure.nonRetryable(error.message, error.code);
  throw error;
}

async function requirePublishing(
  dependencies: ActivityDependencies,
  input: TargetInput,
): Promise<PublishingContext> {
  const publishing = await loadPublishing(dependencies, input).catch(rethrowFinal);
  if (!publishing)
    throw revisionMismatch(`Target ${input.targetId} of revision ${input.revisionId} is not there`);
  // What is sent is what was approved: the stored content must have the hash that the gates were passed on.
  const { publishHash } = hashRevision(publishing.stored.content);
  if (publishHash !== input.approvedHash)
    throw revisionMismatch(`Revision ${input.revisionId} does not have the approved hash`);
  return publishing;
}

async function release(
  dependencies: ActivityDependencies,
  publishing: PublishingContext,
  input: ReleaseTargetInput,
  failpoint: NonNullable<ActivityDependencies['failpoint']>,
): Promise<ReleaseTargetResult> {
  const { adapter, database } = publishing;
  const dueAt = new Date(input.dueAtMs);
  for (;;) {
    await dependencies.clock.waitUntil(dueAt, cancellationSignal());
    // Taken before the claim leaves: the row's own deadline starts later, so this one is never the longer.
    const claimedAtMs = performance.now();
    const claim = await releasePublication(database, {
      publicationId: input.publicationId,
      fence: input.fence,
      approvedHash: input.approvedHash,
      dueAt,
      commitTimeoutMs: adapter.publisher.commitTimeoutMs,
      now: await dependencies.clock.sqlNow(),
    });
    if (claim.kind === 'lost') return { kind: 'disarmed' };
    if (claim.kind === 'sending')
      return send(publishing, input, claim.row, claimedAtMs, dependencies, failpoint);
    // `early`: the timer ran ahead of the database's clock by a hair; wait for the rest.
  }
}

async function send(
  publishing: PublishingContext,
  input: ReleaseTargetInput,
  row: PublicationRow,
  claimedAtMs: number,
  dependencies: ActivityDependencies,
  failpoint: NonNullable<ActivityDependencies['failpoint']>,
): Promise<ReleaseTargetResult> {
  const { publisher } = publishing.adapter;
  await failpoint('sending');
  const verdict = await commitOnce(publishing, row, claimedAtMs, publisher.commitTimeoutMs, dependencies);
  await failpoint('platform-answered');
  try {
    await writeVerdict(publishing.database, input.publicationId, input.fence, verdict);
  } catch (error) {
    log.warn('The verdict of a commit could not be written; it goes through the history', {
      error: String(error),
    });
    return { kind: 'unrecorded', verdict };
  }
  await failpoint('receipt-committed');
  return resultOf(verdict);
}

/** The one call. Whatever happens in it ends as a verdict, never as an exception. */
async function commitOnce(
  { adapter, account, content }: PublishingContext,
  row: PublicationRow,
  claimedAtMs: number,
  commitTimeoutMs: number,
  { clock }: ActivityDependencies,
): Promise<UnrecordedVerdict> {
  if (performance.now() - claimedAtMs > sendDeadlineMs) {
    const error = {
      code: 'unavailable',
      message: 'The sender was held up past its deadline and did not send',
    };
    return { kind: 'failed', meaning: 'not-sent', error, retryAfterMs: 0, handleIsDead: false };
  }
  try {
    // A shutdown does not stop a call that has left: only its own time-out does.
    const context: CallContext = { signal: AbortSignal.timeout(commitTimeoutMs), progress: () => {} };
    const receipt = await adapter.publisher.commit(account, content, row.handle, context);
    return publishedBy(receipt, await clock.now().catch(() => new Date()));
  } catch (error) {
    return failedBy(error, row.sent_before);
  }
}

const publishedBy = (receipt: Receipt, at: Date): Published => ({
  kind: 'published',
  publicId: receipt.publicId,
  permalink: receipt.permalink,
  publishedAtMs: at.getTime(),
});

function failedBy(error: unknown, sentBefore: boolean): UnrecordedVerdict {
  const details = error instanceof OutcomeError ? error.details : {};
  // The platform names an equal post. Where an earlier attempt of this row may have got through, that is its receipt;
  // otherwise it is somebody else's, and this one was refused as a duplicate.
  if (details.existingPublicId && sentBefore)
    return {
      kind: 'published',
      publicId: details.existingPublicId,
      permalink: null,
      publishedAtMs: Date.now(),
    };
  const meaning = error instanceof OutcomeError ? meaningOfFailedCommit(error.code, details) : 'unknown';
  return {
    kind: 'failed',
    meaning,
    error: toTargetError(error),
    retryAfterMs: details.retryAfterMs ?? null,
    handleIsDead: details.handleIsDead ?? false,
  };
}

async function writeVerdict(
  database: TenantDatabase,
  publicationId: string,
  fence: number,
  verdict: UnrecordedVerdict,
): Promise<void> {
  const event: PublicationEvent =
    verdict.kind === 'published' ? { kind: 'accepted' } : { kind: 'failed', meaning: verdict.meaning };
  const settlement =
    verdict.kind === 'published'
      ? {
          publicId: verdict.publicId,
          permalink: verdict.permalink,
          publishedAt: new Date(verdict.publishedAtMs),
        }
      : { error: verdict.error, dropHandle: verdict.handleIsDead };
  const { move, row } = await settlePublication(database, publicationId, fence, event, settlement);
  if (move.kind === 'refused' && row.state !== 'PUBLISHED')
    log.warn('A verdict came after its row had moved on', {
      publicationId,
      state: row.state,
      reason: move.reason,
    });
}

function resultOf(verdict: UnrecordedVerdict): ReleaseTargetResult {
  if (verdict.kind === 'published') return verdict;
  const { meaning, error, retryAfterMs, handleIsDead } = verdict;
  switch (meaning) {
    case 'refused':
      return { kind: 'refused', error };
    case 'not-sent':
      return { kind: 'not-sent', error, retryAfterMs, handleIsDead };
    case 'unknown':
      return { kind: 'unknown', error };
    default:
      return unreachable(meaning, 'meaning of a failed commit');
  }
}

async function reconcile(
  dependencies: ActivityDependencies,
  publishing: PublishingContext,
  input: TargetInput,
): Promise<ReconcileTargetResult> {
  const row = await findNewestPublication(publishing.database, input.postId, input.targetId);
  if (!row) return notSent('Nothing had been armed', false);
  switch (row.state) {
    case 'ARMED':
    case 'DISARMED':
    case 'NOT_SENT':
      return notSent(row.error_message ?? 'Nothing was sent', row.handle === null);
    case 'PUBLISHED':
    case 'REFUSED':
    case 'UNCONFIRMED':
      return settledFrom(row);
    case 'SENDING':
      await giveUpSender(dependencies, publishing.database, row);
      return reconcile(dependencies, publishing, input);
    case 'UNKNOWN':
      return ask(dependencies, publishing, row);
    default:
      return unreachable(row.state, 'publication state');
  }
}

const notSent = (message: string, handleIsDead: boolean): ReconcileTargetResult => ({
  kind: 'not-sent',
  error: { code: 'unavailable', message },
  retryAfterMs: null,
  handleIsDead,
});

/** A sender may write to the wire until its deadline and wait until its time-out: until then it is not lost. */
async function giveUpSender(
  { clock }: ActivityDependencies,
  database: TenantDatabase,
  row: PublicationRow,
): Promise<void> {
  const remainingMs = (row.give_up_at?.getTime() ?? 0) - (await clock.now()).getTime();
  if (remainingMs > 0) throw notYet('The sender may still be waiting for its answer', remainingMs);
  const error = {
    code: 'outcome-unknown',
    message: 'The sender was lost before it could write what the platform said',
  };
  await settlePublication(database, row.id, row.fence, { kind: 'sender-lost' }, { error });
}

async function ask(
  dependencies: ActivityDependencies,
  publishing: PublishingContext,
  row: PublicationRow,
): Promise<ReconcileTargetResult> {
  const { adapter, account, content, database } = publishing;
  if (!adapter.finder) {
    const reason = `${account.platform} does not show a ${account.kind}'s own posts`;
    return settle(database, row, { kind: 'cannot-tell', final: true }, { message: reason });
  }
  const now = await dependencies.clock.now();
  const result = await findOnce(publishing, row, {
    content,
    handle: row.handle,
    sentAfter: row.send_started_at ?? row.updated_at,
    sentBefore: now,
  });
  switch (result.kind) {
    case 'found':
      return settle(
        database,
        row,
        { kind: 'found' },
        { receipt: result.receipt, at: row.send_deadline ?? now },
      );
    case 'absent': {
      const settledAtMs = (row.give_up_at ?? row.updated_at).getTime() + adapter.finder.settleMs;
      const tooSoonMs = result.proof === 'read' ? settledAtMs - now.getTime() : 0;
      if (tooSoonMs > 0) throw notYet('The platform may not show the post yet', tooSoonMs);
      const dropHandle = result.handleIsDead ?? false;
      return settle(
        database,
        row,
        { kind: 'absent', proof: result.proof },
        { message: 'Not found there', dropHandle },
      );
    }
    case 'cannot-tell':
      return settle(database, row, { kind: 'cannot-tell', final: false }, { message: result.reason });
    default:
      return unreachable(result, 'result of a look-up');
  }
}

async function findOnce(
  { adapter, account }: PublishingContext,
  row: PublicationRow,
  query: Parameters<NonNullable<typeof adapter.finder>['find']>[1],
): Promise<FindResult> {
  try {
    return await adapter.finder!.find(account, query, callContext());
  } catch (error) {
    log.warn('The platform could not be asked', {
      publicationId: row.id,
      error: toTargetError(error).message,
    });
    return { kind: 'cannot-tell', reason: toTargetError(error).message };
  }
}

/** Writes the answer of a look-up; where the row stays UNKNOWN, asks to be called again, later each time. */
async function settle(
  database: TenantDatabase,
  row: PublicationRow,
  event: PublicationEvent,
  outcome: { receipt?: Receipt; at?: Date; message?: string; dropHandle?: boolean },
): Promise<ReconcileTargetResult> {
  const { receipt, at, message } = outcome;
  const { row: settled } = await settlePublication(database, row.id, row.fence, event, {
    ...(receipt ? { publicId: receipt.publicId, permalink: receipt.permalink, publishedAt: at } : {}),
    ...(message ? { error: { code: 'outcome-unknown', message } } : {}),
    dropHandle: outcome.dropHandle,
  });
  if (settled.state === 'UNKNOWN') {
    const tries = settled.find_tries + settled.absent_reads;
    throw notYet(message ?? 'The outcome is still unknown', 1_000 * 2 ** Math.min(tries, 5));
  }
  if (settled.state === 'NOT_SENT' || settled.state === 'ARMED' || settled.state === 'DISARMED')
    return notSent(message ?? 'It did not take effect', outcome.dropHandle ?? false);
  return settledFrom(settled);
}

function settledFrom(row: PublicationRow): TargetSettled {
  const error = { code: row.error_code ?? 'rejected', message: row.error_message ?? 'No reason was kept' };
  switch (row.state) {
    case 'PUBLISHED':
      return {
        kind: 'published',
        publicId: row.public_id ?? '',
        permalink: row.permalink,
        publishedAtMs: (row.published_at ?? row.updated_at).getTime(),
      };
    case 'UNCONFIRMED':
      return { kind: 'unconfirmed', error };
    case 'REFUSED':
      return { kind: 'refused', error };
    default:
      throw new Error(`Publication ${row.id} is not settled: ${row.state}`);
  }
}

/** Calls the platform with the activity's own cancellation; slow steps keep the heartbeat. */
const callContext = (): CallContext => ({
  signal: AbortSignal.any([cancellationSignal(), AbortSignal.timeout(30 * 60_000)]),
  progress: (description) => heartbeat(description),
});

async function withHeartbeat<T>(work: () => Promise<T>): Promise<T> {
  const beat = setInterval(() => heartbeat(), heartbeatEveryMs);
  try {
    return await work();
  } finally {
    clearInterval(beat);
  }
}
