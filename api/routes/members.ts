import { listMembers } from '../../db/members.ts';
import { decodeCursor, pageOf, positionById } from '../cursor.ts';
import { operationsOf } from '../permissions.ts';
import { type Route, tenantRoute } from '../route.ts';
import { id, pageQuery, pageSchema } from '../schemas/common.ts';
import { memberChangeSchema, memberSchema, meSchema, newMemberSchema } from '../schemas/members.ts';
import { addMember, changeMember } from '../services/manage-members.ts';
import { requireTenant } from '../services/tenant-settings.ts';
import { viewMember, viewTenant } from '../views.ts';
import { z } from '../zod.ts';

const tag = 'Members';

export const memberRoutes: readonly Route[] = [
  tenantRoute({
    operationId: 'getMe',
    method: 'get',
    path: '/me',
    tag,
    summary: 'Who I am here, and what I may do',
    answer: { status: 200, description: 'The caller', schema: meSchema },
    handle: async ({ context }) => {
      const { memberId, name, role, profileIds } = context.caller;
      const tenant = viewTenant(await requireTenant(context));
      const permissions = operationsOf(role);
      return { status: 200, body: { memberId, name, role, profileIds, tenant, permissions } };
    },
  }),
  tenantRoute({
    operationId: 'createMember',
    method: 'post',
    path: '/members',
    tag,
    summary: 'Add a member',
    body: newMemberSchema,
    answer: {
      status: 201,
      description: 'The new member',
      schema: memberSchema,
      headers: { Location: 'Its address' },
    },
    idempotencyKey: 'required',
    problems: ['subject-taken', 'unknown-profile'],
    handle: async ({ context, body }) => {
      const member = await addMember(context, body);
      return { status: 201, body: viewMember(member), headers: { Location: `/api/v1/members/${member.id}` } };
    },
  }),
  tenantRoute({
    operationId: 'listMembers',
    method: 'get',
    path: '/members',
    tag,
    summary: 'List members',
    query: z.strictObject(pageQuery),
    answer: {
      status: 200,
      description: 'A page of members',
      schema: pageSchema(memberSchema).openapi('MemberPage'),
    },
    handle: async ({ context, query: { limit, cursor } }) => {
      const [afterId] = decodeCursor(cursor, positionById) ?? [];
      const rows = await listMembers(context.database, { afterId, limit: limit + 1 });
      return { status: 200, body: pageOf(rows, limit, viewMember, (row) => [row.id]) };
    },
  }),
  tenantRoute({
    operationId: 'updateMember',
    method: 'patch',
    path: '/members/{memberId}',
    tag,
    summary: "Change a member's role, profiles or standing",
    description: 'Acts at once: the next request of the member is judged by it.',
    params: z.strictObject({ memberId: id() }),
    body: memberChangeSchema,
    answer: { status: 200, description: 'The member', schema: memberSchema },
    problems: ['not-found', 'unknown-profile'],
    handle: async ({ context, params: { memberId }, body }) => ({
      status: 200,
      body: viewMember(await changeMember(context, memberId, body)),
    }),
  }),
];
