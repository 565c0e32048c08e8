import { systemDatabase } from '../../db/pool.ts';
import { listTenants } from '../../db/tenants.ts';
import { defaultPolicy } from '../../domain/policy.ts';
import { decodeCursor, pageOf, positionById } from '../cursor.ts';
import { etagOf } from '../etag.ts';
import { platformRoute, type Route, tenantRoute } from '../route.ts';
import { id, pageQuery, pageSchema } from '../schemas/common.ts';
import {
  defaultPolicySchema,
  newTenantSchema,
  policyLayerSchema,
  tenantChangeSchema,
  tenantSchema,
  versionedPolicySchema,
} from '../schemas/tenants.ts';
import { createTenant } from '../services/create-tenant.ts';
import {
  changeTenant,
  replaceProfilePolicy,
  replaceTenantPolicy,
  requireTenant,
} from '../services/tenant-settings.ts';
import { viewTenant } from '../views.ts';
import { z } from '../zod.ts';

const tag = 'Tenants';
const etag = { ETag: 'The version, for If-Match' };

export const tenantRoutes: readonly Route[] = [
  platformRoute({
    operationId: 'createTenant',
    method: 'post',
    path: '/tenants',
    tag,
    summary: 'Create a tenant',
    body: newTenantSchema,
    answer: {
      status: 201,
      description: 'The new tenant',
      schema: tenantSchema,
      headers: { Location: 'Its address', ...etag },
    },
    idempotencyKey: 'required',
    handle: async ({ dependencies, caller, idempotencyKey, rawBody, body, requestId }) =>
      createTenant(dependencies, caller, { key: idempotencyKey!, rawBody, requestId, tenant: body }),
  }),
  platformRoute({
    operationId: 'listTenants',
    method: 'get',
    path: '/tenants',
    tag,
    summary: 'List all tenants',
    query: z.strictObject(pageQuery),
    answer: {
      status: 200,
      description: 'A page of tenants',
      schema: pageSchema(tenantSchema).openapi('TenantPage'),
    },
    handle: async ({ dependencies, query: { limit, cursor } }) => {
      const [afterId] = decodeCursor(cursor, positionById) ?? [];
      const rows = await listTenants(systemDatabase(dependencies.pool), { afterId, limit: limit + 1 });
      return { status: 200, body: pageOf(rows, limit, viewTenant, (row) => [row.id]) };
    },
  }),
  tenantRoute({
    operationId: 'getTenant',
    method: 'get',
    path: '/tenant',
    tag,
    summary: "Read the tenant's settings",
    answer: { status: 200, description: 'The tenant', schema: tenantSchema, headers: etag },
    handle: async ({ context }) => {
      const tenant = await requireTenant(context);
      return { status: 200, body: viewTenant(tenant), headers: { ETag: etagOf(tenant.row_version) } };
    },
  }),
  tenantRoute({
    operationId: 'updateTenant',
    method: 'patch',
    path: '/tenant',
    tag,
    summary: "Change the tenant's settings",
    body: tenantChangeSchema,
    answer: { status: 200, description: 'The tenant', schema: tenantSchema, headers: etag },
    ifMatch: true,
    handle: async ({ context, ifMatch, body }) => {
      const changed = await changeTenant(context, ifMatch, body);
      return { status: 200, body: viewTenant(changed), headers: { ETag: etagOf(changed.row_version) } };
    },
  }),
  tenantRoute({
    operationId: 'getTenantPolicy',
    method: 'get',
    path: '/tenant/policy',
    tag,
    summary: "Read the tenant's layer of the gate policy",
    answer: { status: 200, description: 'The policy', schema: versionedPolicySchema, headers: etag },
    handle: async ({ context }) => {
      const { policy, policy_version: version } = await requireTenant(context);
      return { status: 200, body: { policy, version }, headers: { ETag: etagOf(version) } };
    },
  }),
  tenantRoute({
    operationId: 'putTenantPolicy',
    method: 'put',
    path: '/tenant/policy',
    tag,
    summary: "Replace the tenant's layer of the gate policy",
    body: policyLayerSchema,
    answer: { status: 200, description: 'The policy', schema: versionedPolicySchema, headers: etag },
    ifMatch: true,
    handle: async ({ context, ifMatch, body }) => {
      const policy = await replaceTenantPolicy(context, ifMatch, body);
      return { status: 200, body: policy, headers: { ETag: etagOf(policy.version) } };
    },
  }),
  tenantRoute({
    operationId: 'putProfilePolicy',
    method: 'put',
    path: '/profiles/{profileId}/policy',
    tag,
    summary: "Replace a profile's layer of the gate policy",
    params: z.strictObject({ profileId: id() }),
    body: policyLayerSchema,
    answer: { status: 200, description: 'The policy', schema: versionedPolicySchema, headers: etag },
    ifMatch: true,
    problems: ['not-found'],
    handle: async ({ context, ifMatch, params: { profileId }, body }) => {
      const policy = await replaceProfilePolicy(context, profileId, ifMatch, body);
      return { status: 200, body: policy, headers: { ETag: etagOf(policy.version) } };
    },
  }),
  tenantRoute({
    operationId: 'getDefaultPolicy',
    method: 'get',
    path: '/policies/default',
    tag,
    summary: 'Read what holds where nobody says otherwise',
    answer: { status: 200, description: 'The default policy', schema: defaultPolicySchema },
    handle: async () => ({ status: 200, body: defaultPolicy }),
  }),
];
