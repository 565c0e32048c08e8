import { sql } from 'kysely';
import type { Bucket } from '../domain/rates.ts';
import type { TenantExecutor, TenantTransaction } from './tenant-database.ts';

/**
 * Takes a token of each bucket; answers the first instant from `earliest` on that the first admits, from there on the
 * second, and so on. The order is that of `bucketsFor`, for everybody, and is the one in which they are locked.
 */
export async function takeTokens(
  transaction: TenantTransaction,
  buckets: readonly Bucket[],
  earliest: Date,
): Promise<Date> {
  if (buckets.length === 0) return earliest;
  const intervals = (of: (bucket: Bucket) => number) => buckets.map((bucket) => `${of(bucket)} milliseconds`);
  const { rows } = await sql<{ slot: Date }>`
    select admit_send(${earliest}, ${buckets.map(({ key }) => key)}::text[],
      ${intervals(({ intervalMs }) => intervalMs)}::interval[],
      ${intervals(({ toleranceMs }) => toleranceMs)}::interval[]) as slot`.execute(transaction);
  return rows[0]!.slot;
}

/** A platform has asked for a pause: the bucket is empty until it is over, and then has one token. */
export async function delayBucket(
  database: TenantExecutor,
  { key, toleranceMs }: Bucket,
  until: Date,
): Promise<void> {
  const fullAt = sql`${until}::timestamptz + ${`${toleranceMs} milliseconds`}::interval`;
  await sql`
    insert into rate_buckets (key, full_at) values (${key}, ${fullAt})
    on conflict (tenant_id, key) do update set full_at = greatest(rate_buckets.full_at, excluded.full_at)
  `.execute(database);
}
