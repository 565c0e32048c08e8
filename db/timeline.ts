import { type Selectable, sql } from 'kysely';
import type { DecisionsTable, PostEventsTable, PublicationsTable } from './schema.ts';
import type { TenantExecutor } from './tenant-database.ts';

export type DecisionRow = Selectable<DecisionsTable>;
export type PublicationRow = Selectable<PublicationsTable>;
export type PostEventRow = Omit<Selectable<PostEventsTable>, 'data'> & {
  readonly data: Record<string, string | number | boolean | null>;
};

/** A place in the timeline. Identity ids commit out of order, so the transaction comes first. */
export interface TimelinePosition {
  readonly transactionId: string;
  readonly id: string;
}

export interface NewPostEvent {
  readonly postId: string;
  /** Makes the event unique within its post. */
  readonly eventKey: string;
  readonly type: string;
  readonly occurredAt: Date;
  readonly actorId: string | null;
  readonly actorName: string | null;
  readonly data: Readonly<Record<string, string | number | boolean | null>>;
}

/** Adds a line to a post's story; the same key again changes nothing. */
export async function insertPostEvent(database: TenantExecutor, event: NewPostEvent): Promise<void> {
  await database
    .insertInto('post_events')
    .values({
      post_id: event.postId,
      event_key: event.eventKey,
      type: event.type,
      occurred_at: event.occurredAt,
      actor_id: event.actorId,
      actor_name: event.actorName,
      data: JSON.stringify(event.data),
    })
    .onConflict((conflict) => conflict.columns(['tenant_id', 'post_id', 'event_key']).doNothing())
    .execute();
}

/**
 * Lists a post's events after a position, oldest first. Events of transactions that may still have unseen neighbours
 * are left for the next read, so a reader that goes on from its last position misses none.
 */
export function listPostEvents(
  database: TenantExecutor,
  postId: string,
  { after, limit }: { after: TimelinePosition | undefined; limit: number },
): Promise<PostEventRow[]> {
  const events = database
    .selectFrom('post_events')
    .selectAll()
    .where('post_id', '=', postId)
    .where(sql<boolean>`transaction_id < pg_snapshot_xmin(pg_current_snapshot())`)
    .orderBy('transaction_id')
    .orderBy('id')
    .limit(limit);
  const rest = after
    ? events.where(sql<boolean>`(transaction_id, id) > (${after.transactionId}::xid8, ${after.id}::bigint)`)
    : events;
  return rest.execute();
}

/** A post's decisions, oldest first, with their whole notes. */
export const listDecisions = (database: TenantExecutor, postId: string): Promise<DecisionRow[]> =>
  database
    .selectFrom('decisions')
    .selectAll()
    .where('post_id', '=', postId)
    .orderBy('decided_at')
    .orderBy('command_id')
    .execute();

/** A post's publication rows, one per target, part and cycle. */
export const listPublications = (database: TenantExecutor, postId: string): Promise<PublicationRow[]> =>
  database
    .selectFrom('publications')
    .selectAll()
    .where('post_id', '=', postId)
    .orderBy('created_at')
    .orderBy('id')
    .execute();

/** The last decision of a kind at a gate, e.g. the design rejection a designer answers to. */
export const findLastRejection = (
  database: TenantExecutor,
  postId: string,
  gate: DecisionRow['gate'],
): Promise<DecisionRow | undefined> =>
  database
    .selectFrom('decisions')
    .selectAll()
    .where('post_id', '=', postId)
    .where('verdict', '=', 'reject')
    .where((where) => where.or([where('gate', '=', gate), where('return_to', '=', gate)]))
    .orderBy('decided_at', 'desc')
    .limit(1)
    .executeTakeFirst();
