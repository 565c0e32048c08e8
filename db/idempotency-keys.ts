import { sql } from 'kysely';
import type { TenantExecutor } from './tenant-database.ts';

/** Where a key counts: a tenant's subject on one route. The tenant is the connection's. */
export interface KeyScope {
  readonly subject: string;
  readonly route: string;
  readonly key: string;
}

export interface KeyRow {
  readonly body_hash: string;
  readonly status: number | null;
  readonly response: Buffer | null;
}

/**
 * Claims a key for `leaseSeconds`, in one statement: a new key, or one whose holder ran out of time with the same body.
 * Answers the claim, which is needed to settle or release it; `null` when the key is taken or settled.
 */
export async function claimIdempotencyKey(
  database: TenantExecutor,
  scope: KeyScope,
  { bodyHash, leaseSeconds }: { bodyHash: string; leaseSeconds: number },
): Promise<string | null> {
  const until = sql<Date>`clock_timestamp() + make_interval(secs => ${leaseSeconds})`;
  const row = await database
    .insertInto('idempotency_keys')
    .values({ ...scope, body_hash: bodyHash, claimed_until: until })
    .onConflict((conflict) =>
      conflict
        .columns(['tenant_id', 'subject', 'route', 'key'])
        .doUpdateSet({ claimed_until: until })
        .where('idempotency_keys.status', 'is', null)
        .where('idempotency_keys.body_hash', '=', bodyHash)
        .where('idempotency_keys.claimed_until', '<', sql<Date>`clock_timestamp()`),
    )
    // As text: a Date would lose the microseconds that make the claim recognisable.
    .returning(sql<string>`claimed_until::text`.as('claim'))
    .executeTakeFirst();
  return row?.claim ?? null;
}

export const findIdempotencyKey = (database: TenantExecutor, scope: KeyScope): Promise<KeyRow | undefined> =>
  database
    .selectFrom('idempotency_keys')
    .select(['body_hash', 'status', 'response'])
    .where('subject', '=', scope.subject)
    .where('route', '=', scope.route)
    .where('key', '=', scope.key)
    .executeTakeFirst();

/** Stores the answer of a claimed key; nothing happens when the claim has been taken over meanwhile. */
export async function setIdempotencyAnswer(
  database: TenantExecutor,
  scope: KeyScope,
  claim: string,
  answer: { status: number; response: Buffer },
): Promise<void> {
  await database
    .updateTable('idempotency_keys')
    .set(answer)
    .where('subject', '=', scope.subject)
    .where('route', '=', scope.route)
    .where('key', '=', scope.key)
    .where('status', 'is', null)
    .where(sql<boolean>`claimed_until = ${claim}::timestamptz`)
    .execute();
}

/** Gives a claimed key back, so that the same request may be sent again. */
export async function deleteIdempotencyClaim(
  database: TenantExecutor,
  scope: KeyScope,
  claim: string,
): Promise<void> {
  await database
    .deleteFrom('idempotency_keys')
    .where('subject', '=', scope.subject)
    .where('route', '=', scope.route)
    .where('key', '=', scope.key)
    .where('status', 'is', null)
    .where(sql<boolean>`claimed_until = ${claim}::timestamptz`)
    .execute();
}

/** Forgets the tenant's keys that are older than `hours`. */
export async function deleteOldIdempotencyKeys(database: TenantExecutor, hours: number): Promise<void> {
  await database
    .deleteFrom('idempotency_keys')
    .where('created_at', '<', sql<Date>`clock_timestamp() - make_interval(hours => ${hours})`)
    .execute();
}
