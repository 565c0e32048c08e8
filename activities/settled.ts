import type { PublicationRow } from '../db/publications.ts';
import type { TargetSettled } from './contract.ts';

/** What a row that is settled says; throws for one that is not. */
export function settledFrom(row: PublicationRow): TargetSettled {
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
