import { sql } from 'kysely';
import { releasePublication } from '../../db/publications.ts';
import type { TenantDatabase } from '../../db/tenant-database.ts';

/** What every seeded publication has; see `seedArmed`. */
export const seeded = { fence: 1, approvedHash: 'approved', dueAt: new Date('2026-01-01T00:00:00Z') };

/** The one place where the bench knows how a worker claims the right to send. Answers whether it has won it. */
export async function claim(database: TenantDatabase, publicationId: string): Promise<boolean> {
  const result = await releasePublication(database, {
    publicationId,
    ...seeded,
    sendAt: seeded.dueAt,
    commitTimeoutMs: 5_000,
    now: sql<Date>`clock_timestamp()`,
  });
  return result.kind === 'sending';
}
