import { findProfile, listProfiles } from '../../db/profiles.ts';
import { decodeCursor, pageOf, positionById } from '../cursor.ts';
import { etagOf } from '../etag.ts';
import { notFound } from '../problems.ts';
import { type Route, tenantRoute } from '../route.ts';
import { id, pageQuery, pageSchema } from '../schemas/common.ts';
import { newProfileSchema, profileSchema } from '../schemas/profiles.ts';
import { connectProfile } from '../services/connect-profile.ts';
import { viewProfile } from '../views.ts';
import { z } from '../zod.ts';

const tag = 'Profiles';

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
];
