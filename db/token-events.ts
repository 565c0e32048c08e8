import { type Selectable, sql } from 'kysely';
import type { TokenEventKind } from '../domain/tokens.ts';
import type { TokenEventsTable } from './schema.ts';
import type { TenantExecutor } from './tenant-database.ts';

export type TokenEventRow = Selectable<TokenEventsTable>;

export interface NewTokenEvent {
  readonly grantId: string;
  readonly kind: TokenEventKind;
  /** `refreshed`, an outcome's code, a health. */
  readonly outcome: string;
  /** Cut to size; never with a token in it. */
  readonly message?: string | null;
  readonly profileId?: string;
}

/** Writes down what was tried with a grant and what came of it. */
export async function insertTokenEvent(
  database: TenantExecutor,
  { grantId, kind, outcome, message = null, profileId }: NewTokenEvent,
): Promise<void> {
  await database
    .insertInto('token_events')
    .values({
      ...{ grant_id: grantId, kind, outcome, profile_id: profileId ?? null },
      message: message && message.length > 500 ? `${message.slice(0, 497)}...` : message,
    })
    .execute();
}

/** A grant's history, newest first. */
export const listTokenEvents = (
  database: TenantExecutor,
  grantId: string,
  limit: number,
): Promise<TokenEventRow[]> =>
  database
    .selectFrom('token_events')
    .selectAll()
    .where('grant_id', '=', grantId)
    .orderBy('id', 'desc')
    .limit(limit)
    .execute();

/** How long after its refusal a token's successor counts as the one that was to mend it. */
const refusalCountsForSeconds = 600;

/** Whether a token of the grant was refused a moment ago: the present one was asked for on account of that. */
export async function wasRefusedBefore(database: TenantExecutor, grantId: string): Promise<boolean> {
  const { rows } = await sql<{ was: boolean }>`
    select exists (
      select from token_events e
      where e.grant_id = ${grantId} and e.kind = 'use' and e.outcome = 'unauthorized'
        and e.at >= clock_timestamp() - make_interval(secs => ${refusalCountsForSeconds})
    ) as was`.execute(database);
  return rows[0]!.was;
}
