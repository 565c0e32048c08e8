import { sql } from 'kysely';
import {
  type ConditionsMark,
  type Doubt,
  type PostConditions,
  phasesAtRest,
  phasesWithoutReceipt,
} from '../domain/conditions.ts';
import { resolvePostPolicy } from '../domain/policy.ts';
import { reconnectHold, reconnectPrefix } from '../domain/post-state.ts';
import { holdStops, listHoldsOn } from './holds.ts';
import type { TenantDatabase, TenantExecutor } from './tenant-database.ts';

export async function findConditionsMark(
  database: TenantExecutor,
  tenantId: string,
  postId: string,
): Promise<ConditionsMark> {
  const { rows } = await sql<ConditionsMark & { isBehind: boolean }>`
    select t.policies_version as "policyVersion", array(
      select stop from (
        select h.id::text as stop from holds h where h.lifted_at is null and exists (
          select from targets o join profiles f on f.id = o.profile_id
          where o.post_id = ${postId} and ${holdStops(sql.ref('f.id'), sql.ref('f.platform'))})
        union select ${reconnectPrefix} || f.id from targets o join profiles f on f.id = o.profile_id
          where o.post_id = ${postId} and f.health = 'needs-reconnect'
      ) stops order by stop collate "C") as "holdIds", exists (
      select from publications p join targets o on o.id = p.target_id
      where p.post_id = ${postId} and (${isUnheard} or ${isDoubtful})) as "isBehind"
    from tenants t where t.id = ${tenantId}`.execute(database);
  if (!rows[0]) throw new Error(`There is no tenant ${tenantId}`);
  const { isBehind, ...mark } = rows[0];
  return { ...mark, ...(isBehind && { hasNews: true as const }) };
}

/** Of a publication `p` and its target `o`: the receipt is there, and its run has not heard of it. */
const isUnheard = sql<boolean>`(p.part = 0 and p.state = 'PUBLISHED' and o.phase = any(${sql.val(
  phasesWithoutReceipt,
)}::text[]))`;

/**
 * Of the same: it is being sent, or may have been, and its run believes that nothing is under way. Not where a person has
 * said to send again: the target is a cycle further then.
 */
const isDoubtful = sql<boolean>`(p.part = 0 and p.state in ('SENDING', 'UNKNOWN', 'UNCONFIRMED') and p.cycle >= o.cycle
  and o.phase = any(${sql.val(phasesAtRest)}::text[]))`;

/** The tenant's version of all policies. */
export async function findPoliciesVersion(database: TenantDatabase, tenantId: string): Promise<number> {
  const tenant = await database
    .selectFrom('tenants')
    .select('policies_version')
    .where('id', '=', tenantId)
    .executeTakeFirstOrThrow();
  return tenant.policies_version;
}

/** Reads what holds around a post. `knownVersion`: the policies the run has resolved already. */
export async function findConditions(
  database: TenantDatabase,
  { tenantId, postId, knownVersion }: { tenantId: string; postId: string; knownVersion: number },
): Promise<PostConditions> {
  // The version first: a policy that changes meanwhile is resolved again, never taken for the older one.
  const policyVersion = await findPoliciesVersion(database, tenantId);
  const targets = await database
    .selectFrom('targets')
    .innerJoin('profiles', 'profiles.id', 'targets.profile_id')
    .innerJoin('tenants', (join) => join.on('tenants.id', '=', tenantId))
    .select(['profiles.id as profile_id', 'profiles.platform', 'profiles.health'])
    .select(['profiles.policy', 'tenants.policy as tenant_policy'])
    .where('targets.post_id', '=', postId)
    .orderBy('targets.position')
    .execute();
  const holds = await listHoldsOn(
    database,
    targets.map((target) => target.profile_id),
  );
  const disconnected = targets
    .filter(({ health }) => health === 'needs-reconnect')
    .map((target) => reconnectHold(target.profile_id, target.platform));
  const doubts = await listDoubts(database, postId);
  return {
    policyVersion,
    policy:
      policyVersion === knownVersion
        ? null
        : resolvePostPolicy(targets.map((target) => [target.policy, target.tenant_policy])),
    holds: [...holds, ...disconnected],
    receipts: await listLateReceipts(database, postId),
    ...(doubts.length > 0 && { doubts }),
  };
}

/** Receipts of targets whose last projected phase does not know of them. */
async function listLateReceipts(
  database: TenantDatabase,
  postId: string,
): Promise<PostConditions['receipts']> {
  const rows = await database
    .selectFrom('publications as p')
    .innerJoin('targets as o', 'o.id', 'p.target_id')
    .select(['p.target_id', 'p.public_id', 'p.permalink', 'p.published_at', 'p.updated_at'])
    .where('p.post_id', '=', postId)
    .where(isUnheard)
    .execute();
  return rows.map((row) => ({
    targetId: row.target_id,
    publicId: row.public_id ?? '',
    permalink: row.permalink,
    publishedAtMs: (row.published_at ?? row.updated_at).getTime(),
  }));
}

async function listDoubts(database: TenantDatabase, postId: string): Promise<Doubt[]> {
  const rows = await database
    .selectFrom('publications as p')
    .innerJoin('targets as o', 'o.id', 'p.target_id')
    .select(['p.target_id', 'p.revision_id', 'p.approved_hash'])
    .where('p.post_id', '=', postId)
    .where(isDoubtful)
    .execute();
  return rows.map((row) => ({
    ...{ targetId: row.target_id, revisionId: row.revision_id, approvedHash: row.approved_hash },
  }));
}
