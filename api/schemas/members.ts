import { roles } from '../../domain/post.ts';
import { z } from '../zod.ts';
import { id, instant, name } from './common.ts';
import { hasAnyField, tenantSchema } from './tenants.ts';

// Super admins come from their issuer and are members of no tenant.
const memberRole = z.enum(['tenant_admin', 'content_manager', 'graphic_designer', 'viewer']);
const profileIds = () =>
  z
    .array(id())
    .max(500)
    .nullable()
    .openapi({ description: 'The profiles the member is limited to; null means all' });

export const newMemberSchema = z
  .strictObject({
    subject: z.string().min(1).max(255).openapi({ description: "The `sub` of the member's tokens" }),
    name: name(),
    email: z.email().max(254).nullable().default(null),
    role: memberRole,
    profileIds: profileIds().default(null),
  })
  .openapi('NewMember');

export const memberChangeSchema = z
  .strictObject({
    name: name().optional(),
    email: z.email().max(254).nullable().optional(),
    role: memberRole.optional(),
    active: z.boolean().optional(),
    profileIds: profileIds().optional(),
  })
  .refine(hasAnyField, { message: 'Must change at least one field', params: { code: 'nothing-to-change' } })
  .openapi('MemberChange');

export const memberSchema = z
  .object({
    id: id(),
    subject: z.string(),
    name: z.string(),
    email: z.string().nullable(),
    role: z.enum(roles),
    profileIds: profileIds(),
    active: z.boolean(),
    createdAt: instant(),
  })
  .openapi('Member');

export const meSchema = z
  .object({
    memberId: id(),
    name: z.string(),
    role: z.enum(roles).openapi({ description: "The lesser of the member's role and the token's" }),
    profileIds: profileIds(),
    tenant: tenantSchema,
    permissions: z
      .array(z.string())
      .openapi({ description: 'The operations open to the caller, by operation id' }),
  })
  .openapi('Me');
