import { randomUUID } from 'node:crypto';
import { insertPokeRequest } from '../../db/outbox.ts';
import { systemDatabase } from '../../db/pool.ts';
import { findProfile, setProfilePolicy } from '../../db/profiles.ts';
import { inTransaction, type TenantTransaction } from '../../db/tenant-database.ts';
import {
  bumpPoliciesVersion,
  findTenant,
  setTenant,
  setTenantPolicy,
  type TenantRow,
} from '../../db/tenants.ts';
import type { PolicyLayer } from '../../domain/policy.ts';
import { changedMeanwhile, requireMatch } from '../etag.ts';
import { notFound, Problem } from '../problems.ts';
import type { RequestContext } from '../route.ts';
import { enforceConditions } from './conditions.ts';

export interface TenantSettings {
  readonly name?: string;
  readonly tier?: TenantRow['tier'];
  readonly timeZone?: string;
  readonly mode?: TenantRow['mode'];
}

export interface VersionedPolicy {
  readonly policy: PolicyLayer;
  readonly version: number;
}

export async function requireTenant({ pool, caller }: RequestContext): Promise<TenantRow> {
  const tenant = await findTenant(systemDatabase(pool), caller.tenantId);
  if (!tenant) throw notFound('tenant');
  return tenant;
}

/** Changes the tenant's settings, unless somebody else has since they were read. */
export async function changeTenant(
  context: RequestContext,
  ifMatch: number | null,
  { name, tier, timeZone, mode }: TenantSettings,
): Promise<TenantRow> {
  if (tier !== undefined && context.caller.role !== 'super_admin')
    throw new Problem('forbidden', 'Only a super admin changes the tier');
  const { id, row_version: version } = await requireTenant(context);
  requireMatch(ifMatch, version);
  const change = { name, tier, time_zone: timeZone, mode };
  const changed = await setTenant(systemDatabase(context.pool), id, version, change);
  if (!changed) throw changedMeanwhile();
  return changed;
}

/** Replaces the tenant's layer of the policy; it reaches the posts that wait. */
export async function replaceTenantPolicy(
  context: RequestContext,
  ifMatch: number | null,
  policy: PolicyLayer,
): Promise<VersionedPolicy> {
  const { id, policy_version: version } = await requireTenant(context);
  requireMatch(ifMatch, version);
  const changed = await changePolicies(context, (transaction) =>
    setTenantPolicy(transaction, id, version, policy),
  );
  return { policy: changed.policy, version: changed.policy_version };
}

/** Replaces a profile's layer of the policy; it reaches the posts that wait. */
export async function replaceProfilePolicy(
  context: RequestContext,
  profileId: string,
  ifMatch: number | null,
  policy: PolicyLayer,
): Promise<VersionedPolicy> {
  const profile = await findProfile(context.database, profileId, context.caller.profileIds);
  if (!profile) throw notFound('profile');
  requireMatch(ifMatch, profile.row_version);
  const changed = await changePolicies(context, (transaction) =>
    setProfilePolicy(transaction, profileId, profile.row_version, policy),
  );
  return { policy: changed.policy, version: changed.row_version };
}

/** One version for all policies of the tenant: what was armed under another is taken back before this answers. */
async function changePolicies<Row>(
  context: RequestContext,
  change: (transaction: TenantTransaction) => Promise<Row | undefined>,
): Promise<Row> {
  const requestId = randomUUID();
  const changed = await inTransaction(context.database, async (transaction) => {
    const row = await change(transaction);
    if (!row) throw changedMeanwhile();
    await bumpPoliciesVersion(transaction, context.caller.tenantId);
    await insertPokeRequest(transaction, requestId);
    return row;
  });
  await enforceConditions(context, requestId, { profileId: null, platform: null });
  return changed;
}
