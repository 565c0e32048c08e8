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

const deciders = () =>
  z.strictObject({ roles: z.array(deciderRole).max(roles.length), memberIds: z.array(id()).max(100) });

const gatePolicyLayer = z
  .strictObject({
    required: z.boolean().optional(),
    deciders: deciders().optional(),
    quorum: z.int().min(1).max(20).optional(),
    authorMay: z.boolean().optional(),
    slaHours: z.number().min(1).max(2_160).optional().openapi({ description: 'Until the gate is overdue' }),
    slaWarningPercent: z.number().min(1).max(100).optional().openapi({
      description: 'The share of the SLA after which its deciders are warned',
    }),
    reminderEveryHours: z.number().min(1).max(2_160).optional().openapi({
      description: 'Between reminders; the first comes when the SLA ends',
    }),
    reminders: z.int().min(0).max(50).optional().openapi({ description: 'Before the gate escalates' }),
    escalateTo: deciders().optional().openapi({ description: 'Who may decide as well from then on' }),
    lateness: z.enum(latenessRules).optional(),
    reopensOnDueTime: z.boolean().optional().openapi({
      description: "Whether a new due time takes the gate's approval back",
    }),
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

const resolvedDeciders = z.object({ roles: z.array(z.enum(roles)), memberIds: z.array(id()) });
const resolvedGate = z.object({
  required: z.boolean(),
  deciders: resolvedDeciders,
  quorum: z.int(),
  authorMay: z.boolean(),
  slaHours: z.number(),
  slaWarningPercent: z.number(),
  reminderEveryHours: z.number(),
  reminders: z.int(),
  escalateTo: resolvedDeciders,
  lateness: z.enum(latenessRules),
  reopensOnDueTime: z.boolean(),
});

export const defaultPolicySchema = z
  .object({ content: resolvedGate, design: resolvedGate, publish: resolvedGate })
  .openapi('DefaultPolicy', { description: `What holds at ${gates.join(', ')} where nobody says otherwise` });

export function hasAnyField(value: object): boolean {
  return Object.values(value).some((field) => field !== undefined);
}
