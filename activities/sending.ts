import { cancellationSignal, log } from '@temporalio/activity';
import type { CallContext, Publisher, Receipt } from '../adapters/platforms/publisher.ts';
import { type PublicationRow, settlePublication } from '../db/publications.ts';
import { delayBucket } from '../db/rates.ts';
import type { TenantDatabase } from '../db/tenant-database.ts';
import { meaningOfFailedCommit, OutcomeError } from '../domain/outcome.ts';
import { unreachable } from '../domain/post.ts';
import { type PublicationEvent, type PublicationState, sendDeadlineMs } from '../domain/publication.ts';
import { profileBucket } from '../domain/rates.ts';
import type { Claims } from './claims.ts';
import type { Published, ReleaseTargetInput, ReleaseTargetResult, UnrecordedVerdict } from './contract.ts';
import type { ActivityDependencies, PublishingContext, PublishingDependencies } from './dependencies.ts';
import { toTargetError } from './failures.ts';
import { mediaAccess } from './media-access.ts';
import { openHandle } from './preparing.ts';
import { isUnauthorized } from './tokens.ts';

/** One release of a target, and what it works with. */
export interface Release {
  readonly dependencies: PublishingDependencies;
  readonly publishing: PublishingContext;
  readonly input: ReleaseTargetInput;
  readonly failpoint: NonNullable<ActivityDependencies['failpoint']>;
  readonly claims: Claims;
}

/** Waits for the instant, claims the row, and sends. */
export async function release(one: Release): Promise<ReleaseTargetResult> {
  const { dependencies, publishing, input, claims } = one;
  const [dueAt, sendAt] = [new Date(input.dueAtMs), new Date(input.sendAtMs)];
  for (;;) {
    await dependencies.clock.waitUntil(sendAt, cancellationSignal());
    // Taken before the claim leaves: the row's own deadline starts later, so this one is never the longer.
    const claimedAtMs = performance.now();
    const claim = await claims.claim(input.tenantId, {
      publicationId: input.publicationId,
      fence: input.fence,
      approvedHash: input.approvedHash,
      dueAt,
      sendAt,
      commitTimeoutMs: publishing.adapter.publisher.commitTimeoutMs,
      now: await dependencies.clock.sqlNow(),
    });
    if (claim.kind === 'lost') return { kind: 'disarmed' };
    if (claim.kind === 'sending') return send(one, claim.row, claimedAtMs);
    // `early`: the timer ran ahead of the database's clock by a hair; wait for the rest.
  }
}

async function send(one: Release, row: PublicationRow, claimedAtMs: number): Promise<ReleaseTargetResult> {
  const { publishing, input, dependencies, failpoint, claims } = one;
  await failpoint('sending', input.postId);
  const { adapter, account, content } = publishing;
  const { verdict, pauseMs, refusal } = await commitOnce(
    adapter.publisher,
    row,
    claimedAtMs,
    async (context) => {
      const handle = await openHandle(dependencies, publishing, input, row.handle).catch(failUnsent);
      const media = mediaAccess(dependencies, publishing);
      return adapter.publisher.commit(account, content, handle, { ...context, media });
    },
  );
  await claims.untilSent();
  await failpoint('platform-answered', input.postId);
  let from: PublicationState;
  try {
    from = await writeVerdict(publishing.database, input.publicationId, input.fence, verdict);
  } catch (error) {
    log.warn('The verdict of a commit could not be written; it goes through the history', {
      error: String(error),
    });
    return { kind: 'unrecorded', verdict };
  }
  try {
    // The run has been told that nobody could know: the sender was given up before it came back.
    if (from === 'UNCONFIRMED' && verdict.kind === 'published')
      await dependencies.runs?.poke(input.tenantId, input.postId);
    await obeyDelay(publishing, row, Math.max(pauseMs, delayOf(verdict)), dependencies);
    if (refusal) await dependencies.tokens.noteRefused(input.tenantId, publishing.stored, refusal);
  } catch (error) {
    // The verdict stands. The run looks at its row whenever it writes, and this target gets its pause by the answer.
    log.warn('Others could not be told of the verdict of a commit', { error: String(error) });
  }
  await failpoint('receipt-committed', input.postId);
  return resultOf(verdict);
}

/** A platform that asks for a pause gets it from everything else that is to go to the same profile, too. */
export async function obeyDelay(
  { database }: PublishingContext,
  row: PublicationRow,
  pauseMs: number,
  { clock, rates }: ActivityDependencies,
): Promise<void> {
  if (pauseMs === 0) return;
  const bucket = profileBucket(rates, row.platform, row.profile_id);
  if (!bucket) return;
  await delayBucket(database, bucket, new Date((await clock.now()).getTime() + pauseMs));
}

export const delayOf = (verdict: UnrecordedVerdict): number =>
  verdict.kind === 'failed' && verdict.error.code === 'rate-limited' ? (verdict.retryAfterMs ?? 0) : 0;

export interface Committed {
  readonly verdict: UnrecordedVerdict;
  /** What the platform's headers ask for before its limit is reached; 0 for nothing. */
  readonly pauseMs: number;
  /** The platform does not take the token. */
  readonly refusal?: OutcomeError;
}

/** The one call. Whatever happens in it ends as a verdict, never as an exception. */
export async function commitOnce(
  { commitTimeoutMs }: Pick<Publisher, 'commitTimeoutMs'>,
  row: PublicationRow,
  claimedAtMs: number,
  call: (context: CallContext) => Promise<Receipt>,
): Promise<Committed> {
  let pauseMs = 0;
  // The database's clock as the claim read it, and our own from there on: nobody is asked what time it is.
  const sentAtMs = row.send_started_at?.getTime() ?? Date.now();
  if (performance.now() - claimedAtMs > sendDeadlineMs) {
    const message = 'The sender was held up past its deadline and did not send';
    const error = { code: 'unavailable', message };
    return {
      verdict: { kind: 'failed', meaning: 'not-sent', error, retryAfterMs: 0, handleIsDead: false },
      pauseMs,
    };
  }
  try {
    // A shutdown does not stop a call that has left: only its own time-out does.
    const receipt = await call({
      signal: AbortSignal.timeout(commitTimeoutMs),
      progress: () => {},
      slowDown: (forMs) => {
        pauseMs = Math.max(pauseMs, forMs);
      },
    });
    return { verdict: publishedBy(receipt, sentAtMs + (performance.now() - claimedAtMs)), pauseMs };
  } catch (error) {
    return {
      verdict: failedBy(error, row.sent_before),
      pauseMs,
      ...(isUnauthorized(error) && { refusal: error }),
    };
  }
}

/** What is missing before the call is missing without a doubt. */
function failUnsent(error: unknown): never {
  throw new OutcomeError('unavailable', `What was prepared cannot be read: ${error}`, { sent: false });
}

const publishedBy = (receipt: Receipt, atMs: number): Published => ({
  kind: 'published',
  publicId: receipt.publicId,
  permalink: receipt.permalink,
  publishedAtMs: Math.round(atMs),
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
    // 0 is our own word for "at once"; a platform that says so gets the delays of one that names none.
    retryAfterMs: details.retryAfterMs || null,
    handleIsDead: details.handleIsDead ?? false,
  };
}

/** Writes what a commit came to; answers the state it met. May run twice: a row that has moved on keeps its state. */
export async function writeVerdict(
  database: TenantDatabase,
  publicationId: string,
  fence: number,
  verdict: UnrecordedVerdict,
): Promise<PublicationState> {
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
  const { move, row, from } = await settlePublication(database, publicationId, fence, event, settlement);
  if (move.kind === 'refused' && row.state !== 'PUBLISHED')
    log.warn('A verdict came after its row had moved on', {
      publicationId,
      state: row.state,
      reason: move.reason,
    });
  return from;
}

export function resultOf(
  verdict: UnrecordedVerdict,
): Extract<ReleaseTargetResult, { kind: 'published' | 'refused' | 'not-sent' | 'unknown' }> {
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
