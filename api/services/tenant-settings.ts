import { systemDatabase } from '../../db/pool.ts';
import { findProfile, setProfilePolicy } from '../../db/profiles.ts';
import { findTenant, setTenant, setTenantPolicy, type TenantRow } from '../../db/tenants.ts';
import type { PolicyLayer } from '../../domain/policy.ts';
import { changedMeanwhile, requireMatch } from '../etag.ts';
import { notFound, Problem } from '../problems.ts';
import type { RequestContext } from '../route.ts';

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

/** Replaces the tenant's layer of the policy. */
export async function replaceTenantPolicy(
  context: RequestContext,
  ifMatch: number | null,
  policy: PolicyLayer,
): Promise<VersionedPolicy> {
  const { id, policy_version: version } = await requireTenant(context);
  requireMatch(ifMatch, version);
  const changed = await setTenantPolicy(systemDatabase(context.pool), id, version, policy);
  if (!changed) throw changedMeanwhile();
  return { policy: changed.policy, version: changed.policy_version };
}

/** Replaces a profile's layer of the policy. */
export async function replaceProfilePolicy(
  { database, caller }: RequestContext,
  profileId: string,
  ifMatch: number | null,
  policy: PolicyLayer,
): Promise<VersionedPolicy> {
  const profile = await findProfile(database, profileId, caller.profileIds);
  if (!profile) throw notFound('profile');
  requireMatch(ifMatch, profile.row_version);
  const changed = await setProfilePolicy(database, profileId, profile.row_version, policy);
  if (!changed) throw changedMeanwhile();
  return { policy: changed.policy, version: changed.row_version };
}
