import { latenessRules } from '../../domain/policy.ts';
import { gates, roles } from '../../domain/post.ts';
import { z } from '../zod.ts';
import { id, instant, name, timeZone } from './common.ts';

const tier = z.enum(['basic', 'pro', 'enterprise']);
const mode = z
  .enum(['live', 'sandbox'])
  .openapi({ description: 'A tenant in `sandbox` never reaches a live platform' });

export const newTenantSchema = z
  .strictObject({
    name: name(),
    tier: tier.default('basic'),
    timeZone: timeZone().default('UTC'),
    mode: mode.default('sandbox'),
  })
  .openapi('NewTenant');

export const tenantChangeSchema = z
  .strictObject({
    name: name().optional(),
    tier: tier.optional().openapi({ description: 'Only super admins may change it' }),
    timeZone: timeZone().optional(),
    mode: mode.optional(),
  })
  .refine(hasAnyField, { message: 'Must change at least one field', params: { code: 'nothing-to-change' } })
  .openapi('TenantChange');

export const tenantSchema = z
  .object({
    id: id(),
    name: z.string(),
    tier,
    timeZone: z.string(),
    mode,
    policyVersion: z.int(),
    createdAt: instant(),
    updatedAt: instant(),
  })
  .openapi('Tenant');

// A viewer decides only where it is named itself.
const deciderRole = z.enum(['tenant_admin', 'content_manager', 'graphic_designer', 'super_admin']);

const gatePolicyLayer = z
  .strictObject({
    required: z.boolean().optional(),
    deciders: z
      .strictObject({
        roles: z.array(deciderRole).max(roles.length),
        memberIds: z.array(id()).max(100),
      })
      .optional(),
    quorum: z.int().min(1).max(20).optional(),
    authorMay: z.boolean().optional(),
    slaHours: z.number().min(1).max(2_160).optional(),
    lateness: z.enum(latenessRules).optional(),
  })
  .openapi('GatePolicyLayer');

/** What a tenant or profile says about the gates; every field may be left to the next layer. */
export const policyLayerSchema = z
  .strictObject({
    content: gatePolicyLayer.optional(),
    design: gatePolicyLayer.optional(),
    publish: gatePolicyLayer.optional(),
  })
  .openapi('PolicyLayer');

export const versionedPolicySchema = z
  .object({ policy: policyLayerSchema, version: z.int() })
  .openapi('VersionedPolicy');

const resolvedGate = z.object({
  required: z.boolean(),
  deciders: z.object({ roles: z.array(z.enum(roles)), memberIds: z.array(id()) }),
  quorum: z.int(),
  authorMay: z.boolean(),
  slaHours: z.number(),
  lateness: z.enum(latenessRules),
});

export const defaultPolicySchema = z
  .object({ content: resolvedGate, design: resolvedGate, publish: resolvedGate })
  .openapi('DefaultPolicy', { description: `What holds at ${gates.join(', ')} where nobody says otherwise` });

export function hasAnyField(value: object): boolean {
  return Object.values(value).some((field) => field !== undefined);
}
