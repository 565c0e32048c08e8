import type * as real from '../../../db/rates.ts';
import type { Bucket } from '../../../domain/rates.ts';
import { type Rows, rowsOf } from '../rows.ts';

/** Takes a token of each bucket, each from the instant on that the one before it gives. */
export function takeTokensOf(rows: Rows, buckets: readonly Bucket[], earliest: Date): Date {
  let slotMs = earliest.getTime();
  for (const { key, intervalMs, toleranceMs } of buckets) {
    const fullMs = Math.max(rows.buckets.get(key) ?? 0, slotMs) + intervalMs;
    rows.buckets.set(key, fullMs);
    slotMs = Math.max(slotMs, fullMs - intervalMs - toleranceMs);
  }
  return new Date(Math.ceil(slotMs));
}

export const delayBucket: typeof real.delayBucket = (database, { key, toleranceMs }, until) => {
  const rows = rowsOf(database);
  return rows.transact(`delays ${key}`, () => {
    rows.buckets.set(key, Math.max(rows.buckets.get(key) ?? 0, until.getTime() + toleranceMs));
  });
};
