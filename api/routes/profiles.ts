import { findProfile, listProfiles } from '../../db/profiles.ts';
import { decodeCursor, encodeCursor, pageOf, positionById } from '../cursor.ts';
import { etagOf } from '../etag.ts';
import { notFound } from '../problems.ts';
import { type Route, tenantRoute } from '../route.ts';
import { id, pageQuery, pageSchema } from '../schemas/common.ts';
import { choicePageSchema, newProfileSchema, profileSchema } from '../schemas/profiles.ts';
import { connectProfile } from '../services/connect-profile.ts';
import { listChoices } from '../services/list-choices.ts';
import { viewProfile } from '../views.ts';
import { z } from '../zod.ts';

const tag = 'Profiles';
/** Where the platform's own list goes on, in its words. */
const positionAtPlatform = z.tuple([z.string().min(1)]);
const longCursor = z.string().min(1).max(4_000).optional().openapi({
  description: 'The `nextCursor` of the page before',
});

export const profileRoutes: readonly Route[] = [
  tenantRoute({
    operationId: 'connectProfile',
    method: 'post',
    path: '/profiles',
    tag,
    summary: 'Bring an account with its token',
    description: 'An account that is known already keeps its profile and gets the new token.',
    body: newProfileSchema,
    answer: {
      status: 201,
      description: 'The profile',
      schema: profileSchema,
      headers: { Location: 'Its address', ETag: 'The version, for If-Match' },
    },
    idempotencyKey: 'required',
    handle: async ({ context, body }) => {
      const profile = await connectProfile(context, body);
      const headers = { Location: `/api/v1/profiles/${profile.id}`, ETag: etagOf(profile.row_version) };
      return { status: 201, body: viewProfile(profile), headers };
    },
  }),
  tenantRoute({
    operationId: 'listProfiles',
    method: 'get',
    path: '/profiles',
    tag,
    summary: 'List profiles',
    query: z.strictObject(pageQuery),
    answer: {
      status: 200,
      description: 'A page of profiles',
      schema: pageSchema(profileSchema).openapi('ProfilePage'),
    },
    handle: async ({ context, query: { limit, cursor } }) => {
      const [afterId] = decodeCursor(cursor, positionById) ?? [];
      const scope = context.caller.profileIds;
      const rows = await listProfiles(context.database, { afterId, limit: limit + 1, scope });
      return { status: 200, body: pageOf(rows, limit, viewProfile, (row) => [row.id]) };
    },
  }),
  tenantRoute({
    operationId: 'getProfile',
    method: 'get',
    path: '/profiles/{profileId}',
    tag,
    summary: 'Read a profile',
    params: z.strictObject({ profileId: id() }),
    answer: {
      status: 200,
      description: 'The profile',
      schema: profileSchema,
      headers: { ETag: 'The version, for If-Match of its policy' },
    },
    problems: ['not-found'],
    handle: async ({ context, params: { profileId } }) => {
      const profile = await findProfile(context.database, profileId, context.caller.profileIds);
      if (!profile) throw notFound('profile');
      return { status: 200, body: viewProfile(profile), headers: { ETag: etagOf(profile.row_version) } };
    },
  }),
  tenantRoute({
    operationId: 'listOptionValues',
    method: 'get',
    path: '/profiles/{profileId}/options/{option}',
    tag,
    summary: 'List what an option may hold for a profile',
    description:
      'Asks the platform now, e.g. for the boards of a Pinterest account. Which options: those of `GET /platforms` with `isListed`.',
    params: z.strictObject({ profileId: id(), option: z.string().min(1).max(50) }),
    query: z.strictObject({ ...pageQuery, cursor: longCursor }),
    answer: { status: 200, description: 'A page of values', schema: choicePageSchema },
    problems: ['not-found', 'needs-reconnect'],
    handle: async ({ context, params: { profileId, option }, query: { limit, cursor } }) => {
      const [after = null] = decodeCursor(cursor, positionAtPlatform) ?? [];
      const { choices, next } = await listChoices(context, profileId, { option, after, limit });
      const nextCursor = next === null ? null : encodeCursor([next]);
      return { status: 200, body: { items: [...choices], nextCursor } };
    },
  }),
];
