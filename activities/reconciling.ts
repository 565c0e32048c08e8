import { log } from '@temporalio/activity';
import type { Finder, FindQuery, FindResult, Receipt } from '../adapters/platforms/publisher.ts';
import { findNewestPublication, type PublicationRow, settlePublication } from '../db/publications.ts';
import type { TenantDatabase } from '../db/tenant-database.ts';
import { prepareLeadMs } from '../domain/leads.ts';
import { unreachable } from '../domain/post.ts';
import type { TargetError } from '../domain/post-state.ts';
import type { PublicationEvent } from '../domain/publication.ts';
import type { ReconcileTargetResult, TargetInput } from './contract.ts';
import {
  type ActivityDependencies,
  type PublishingContext,
  type PublishingDependencies,
  requirePublishing,
} from './dependencies.ts';
import { notYet, toTargetError } from './failures.ts';
import { callContext } from './heartbeat.ts';
import { openHandle } from './preparing.ts';
import { settledFrom } from './settled.ts';
import { tokenFor } from './tokens.ts';

/** How the platform is asked about an attempt; without a finder it cannot be, and a person is. */
export interface LookUp {
  /** 0 for the post, from 1 on for what follows it. */
  readonly part: number;
  readonly finderOf: (publishing: PublishingContext) => Finder | undefined;
}
const lookUpOfPost: LookUp = { part: 0, finderOf: ({ adapter }) => adapter.finder };

/** Finds out what became of an attempt: by its row, and where that cannot say, by asking the platform. */
export async function reconcile(
  dependencies: PublishingDependencies,
  publishing: PublishingContext,
  input: TargetInput,
  lookUp: LookUp = lookUpOfPost,
): Promise<ReconcileTargetResult> {
  const row = await findNewestPublication(publishing.database, input.postId, input.targetId, lookUp.part);
  if (!row) return nothingSent('Nothing had been armed');
  switch (row.state) {
    case 'ARMED':
    case 'DISARMED':
      // Only its holder was lost: the next arm comes at once, and costs none of the tries.
      return nothingSent('Nothing was sent');
    case 'NOT_SENT':
      return notSent(
        row.error_message ?? 'Nothing was sent',
        row.handle === null && isPrepared(publishing, row),
      );
    case 'PUBLISHED':
    case 'REFUSED':
    case 'UNCONFIRMED':
      return settledFrom(row);
    case 'SENDING':
      await giveUpSender(dependencies, publishing.database, row);
      return reconcile(dependencies, publishing, input, lookUp);
    case 'UNKNOWN':
      return ask(dependencies, await publishingOf(dependencies, publishing, row, input), row, input, lookUp);
    default:
      return unreachable(row.state, 'publication state');
  }
}

/** What the row has sent: a run that was put back may be at another revision by now. */
function publishingOf(
  dependencies: PublishingDependencies,
  publishing: PublishingContext,
  row: PublicationRow,
  input: TargetInput,
): PublishingContext | Promise<PublishingContext> {
  if (row.revision_id === input.revisionId) return publishing;
  const sent = { ...input, revisionId: row.revision_id, approvedHash: row.approved_hash };
  return requirePublishing(dependencies, sent, tokenFor.asking);
}

/** How long a platform may process what it has taken before a person is asked. */
const longestPendingMs = 24 * 3_600_000;

const isPrepared = ({ account, content }: PublishingContext, { part }: PublicationRow): boolean =>
  part === 0 && prepareLeadMs(account.platform, content.type) !== null;

const nothingSent = (message: string): ReconcileTargetResult => ({
  ...{ kind: 'not-sent', error: { code: 'unavailable', message }, retryAfterMs: 0, handleIsDead: false },
});

const notSent = (message: string, handleIsDead: boolean): ReconcileTargetResult => ({
  kind: 'not-sent',
  error: { code: 'unavailable', message },
  retryAfterMs: null,
  handleIsDead,
});

/** A sender may write to the wire until its deadline and wait until its time-out: until then it is not lost. */
export async function giveUpSender(
  { clock }: Pick<ActivityDependencies, 'clock'>,
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
  input: TargetInput,
  { finderOf }: LookUp,
): Promise<ReconcileTargetResult> {
  const { account, content, database } = publishing;
  const finder = finderOf(publishing);
  if (!finder) {
    const reason = `${account.platform} does not show a ${account.kind}'s own posts`;
    return settle(database, row, { kind: 'cannot-tell', final: true }, { message: reason });
  }
  const now = await dependencies.clock.now();
  const result = await findOnce(publishing, finder, row, {
    content,
    handle: await openHandle(dependencies, publishing, { ...input, revisionId: row.revision_id }, row.handle),
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
      const settledAtMs = (row.give_up_at ?? row.updated_at).getTime() + finder.settleMs;
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
    case 'pending': {
      const sinceMs = now.getTime() - (row.send_started_at ?? row.updated_at).getTime();
      if (sinceMs < longestPendingMs) throw notYet(result.reason, result.retryAfterMs);
      const message = `${result.reason}, for more than ${longestPendingMs / 3_600_000} hours`;
      return settle(database, row, { kind: 'cannot-tell', final: true }, { message });
    }
    case 'refused':
      return settle(database, row, { kind: 'found-refused' }, { error: toTargetError(result.error) });
    case 'cannot-tell':
      return settle(database, row, { kind: 'cannot-tell', final: false }, { message: result.reason });
    default:
      return unreachable(result, 'result of a look-up');
  }
}

async function findOnce(
  { account }: PublishingContext,
  finder: Finder,
  row: PublicationRow,
  query: FindQuery,
): Promise<FindResult> {
  try {
    return await finder.find(account, query, callContext());
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
  outcome: {
    readonly receipt?: Receipt;
    readonly at?: Date;
    readonly message?: string;
    readonly error?: TargetError;
    readonly dropHandle?: boolean;
  },
): Promise<ReconcileTargetResult> {
  const { receipt, at, message } = outcome;
  const error = outcome.error ?? (message ? { code: 'outcome-unknown', message } : undefined);
  const { row: settled } = await settlePublication(database, row.id, row.fence, event, {
    ...(receipt ? { publicId: receipt.publicId, permalink: receipt.permalink, publishedAt: at } : {}),
    ...(error ? { error } : {}),
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
