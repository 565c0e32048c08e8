import { sql } from 'kysely';
import { capOpensAtMs, type LiveQuota, quotaOpensAtMs, windowMs } from '../domain/caps.ts';
import type { Cap } from '../domain/platforms/rules.ts';
import type { Platform, PostType } from '../domain/post.ts';
import type { TenantTransaction } from './tenant-database.ts';

/** One more of what a platform takes only so many of. */
export interface CapQuestion {
  readonly caps: readonly Cap[];
  /** What the platform says itself; `null` where it is not asked, or could not be. */
  readonly quota: LiveQuota | null;
  readonly platform: Platform;
  readonly profileId: string;
  readonly targetId: string;
  /** 0 is the post itself. */
  readonly part: number;
  readonly type: PostType;
}

/**
 * The first instant from `from` on at which every cap has room for one more. The publications are the ledger: what has
 * been sent, or may have been, and what is armed. Whoever asks about the same application or profile waits until this
 * transaction has ended, so that two never take the last place.
 */
export async function capsOpenAt(
  transaction: TenantTransaction,
  question: CapQuestion,
  from: Date,
): Promise<Date> {
  let opensAtMs = from.getTime();
  for (const cap of question.caps.filter((one) => isCounted(one, question))) {
    const { quota } = question;
    const isLive = cap.isReadLive && quota !== null;
    await lockCap(transaction, cap, question);
    const takenMs = await findTaken(transaction, cap, question, from);
    opensAtMs = isLive ? quotaOpensAtMs(quota, takenMs, opensAtMs) : capOpensAtMs(cap, takenMs, opensAtMs);
  }
  return new Date(opensAtMs);
}

const isCounted = ({ types, includesParts }: Cap, { type, part }: CapQuestion): boolean =>
  part > 0 ? includesParts === true : types === undefined || types.includes(type);

/** Those of an application come first in the rules, so that locks are taken in one order by everybody. */
const lockCap = (transaction: TenantTransaction, { counts }: Cap, { platform, profileId }: CapQuestion) =>
  sql`select pg_advisory_xact_lock(hashtextextended(
    'cap:' || current_tenant() || ':' || ${counts === 'app' ? platform : profileId}, 0))`.execute(
    transaction,
  );

async function findTaken(
  transaction: TenantTransaction,
  cap: Cap,
  { platform, profileId, targetId, part }: CapQuestion,
  from: Date,
): Promise<number[]> {
  const isOfProfile = sql<boolean>`(${cap.counts === 'app'}::boolean or profile_id = ${profileId}::uuid)`;
  const isOfType = sql<boolean>`(${cap.types ?? null}::text[] is null or post_type = any(${cap.types ?? null}::text[]))`;
  const { rows } = await sql<{ at: Date }>`
    select coalesce(send_started_at, send_at) as at from publications
    where platform = ${platform} and ${isOfProfile} and ${isOfType}
      and (${cap.includesParts === true}::boolean or part = 0)
      and state in ('ARMED', 'SENDING', 'UNKNOWN', 'UNCONFIRMED', 'PUBLISHED')
      and coalesce(send_started_at, send_at) > ${new Date(from.getTime() - windowMs(cap))}
      and not (target_id = ${targetId}::uuid and part = ${part} and state = 'ARMED')`.execute(transaction);
  return rows.map(({ at }) => at.getTime());
}
