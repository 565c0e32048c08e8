import { systemDatabase } from '../../db/pool.ts';
import { forTenant } from '../../db/tenant-database.ts';
import { findTenant, insertTenant, type NewTenant } from '../../db/tenants.ts';
import { hashOf } from '../../domain/revision.ts';
import type { Caller } from '../auth.ts';
import { etagOf } from '../etag.ts';
import { answerOnce } from '../idempotency.ts';
import { uuidOf } from '../ids.ts';
import type { ApiDependencies } from '../ports.ts';
import { Problem } from '../problems.ts';
import type { Answer } from '../route.ts';
import { viewTenant } from '../views.ts';

export interface TenantRequest {
  readonly key: string;
  readonly rawBody: unknown;
  readonly requestId: string;
  readonly tenant: { name: string; tier: NewTenant['tier']; timeZone: string; mode: NewTenant['mode'] };
}

/**
 * Creates a tenant. Keys live under a tenant, so the new one is made first, with an id from the key, and holds the key
 * of its own creation. May run twice.
 */
export async function createTenant(
  { pool, envelopes }: ApiDependencies,
  caller: Caller,
  { key, rawBody, tenant }: TenantRequest,
): Promise<Answer> {
  const id = uuidOf('tenant', caller.subject, key);
  const wanted: NewTenant = {
    id,
    name: tenant.name,
    tier: tenant.tier,
    time_zone: tenant.timeZone,
    mode: tenant.mode,
  };
  await insertTenant(systemDatabase(pool), wanted);
  const request = {
    tenantId: id,
    subject: caller.subject,
    route: 'post /tenants',
    key,
    bodyHash: hashOf(rawBody ?? null),
  };
  return answerOnce({ database: forTenant(pool, id), envelopes }, request, async () => {
    const row = await findTenant(systemDatabase(pool), id);
    if (!row) throw new Error(`Tenant ${id} is missing although it was inserted`);
    const isSame =
      row.name === wanted.name &&
      row.tier === wanted.tier &&
      row.time_zone === wanted.time_zone &&
      row.mode === wanted.mode;
    if (!isSame)
      throw new Problem('idempotency-key-reused', 'This Idempotency-Key was used with another body');
    return {
      status: 201,
      body: viewTenant(row),
      headers: { Location: '/api/v1/tenant', ETag: etagOf(row.row_version) },
    };
  });
}
