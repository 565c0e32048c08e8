import { listPlatformApps, type PlatformAppRow } from '../../db/platform-apps.ts';
import { decodeCursor, pageOf, positionById } from '../cursor.ts';
import { etagOf } from '../etag.ts';
import { noFields, type Route, tenantRoute } from '../route.ts';
import { id, pageQuery, pageSchema } from '../schemas/common.ts';
import { newPlatformAppSchema, platformAppChangeSchema, platformAppSchema } from '../schemas/connections.ts';
import {
  changePlatformApp,
  createPlatformApp,
  removePlatformApp,
  requirePlatformApp,
} from '../services/platform-apps.ts';
import { viewPlatformApp } from '../views.ts';
import { z } from '../zod.ts';

const tag = 'Platform apps';
const etag = { ETag: 'The version, for If-Match' };
const params = z.strictObject({ platformAppId: id() });
const answerWith = (status: number, app: PlatformAppRow) => ({
  status,
  body: viewPlatformApp(app),
  headers: { ETag: etagOf(app.row_version) },
});

export const platformAppRoutes: readonly Route[] = [
  tenantRoute({
    operationId: 'createPlatformApp',
    method: 'post',
    path: '/platform-apps',
    tag,
    summary: "Bring the tenant's own application at a platform",
    description: 'The answer has the redirect URI that the platform is to know.',
    body: newPlatformAppSchema,
    answer: {
      status: 201,
      description: 'The app',
      schema: platformAppSchema,
      headers: { Location: 'Its address', ...etag },
    },
    idempotencyKey: 'required',
    problems: ['redirect-uri-taken'],
    handle: async ({ context, body }) => {
      const app = await createPlatformApp(context, body);
      const { headers, ...answer } = answerWith(201, app);
      return { ...answer, headers: { ...headers, Location: `/api/v1/platform-apps/${app.id}` } };
    },
  }),
  tenantRoute({
    operationId: 'listPlatformApps',
    method: 'get',
    path: '/platform-apps',
    tag,
    summary: 'List platform apps, without their secrets',
    query: z.strictObject(pageQuery),
    answer: {
      status: 200,
      description: 'A page of apps',
      schema: pageSchema(platformAppSchema).openapi('PlatformAppPage'),
    },
    handle: async ({ context, query: { limit, cursor } }) => {
      const [afterId] = decodeCursor(cursor, positionById) ?? [];
      const rows = await listPlatformApps(context.database, { afterId, limit: limit + 1 });
      return { status: 200, body: pageOf(rows, limit, viewPlatformApp, (row) => [row.id]) };
    },
  }),
  tenantRoute({
    operationId: 'getPlatformApp',
    method: 'get',
    path: '/platform-apps/{platformAppId}',
    tag,
    summary: 'Read a platform app, without its secret',
    params,
    answer: { status: 200, description: 'The app', schema: platformAppSchema, headers: etag },
    problems: ['not-found'],
    handle: async ({ context, params: { platformAppId } }) =>
      answerWith(200, await requirePlatformApp(context, platformAppId)),
  }),
  tenantRoute({
    operationId: 'putPlatformApp',
    method: 'put',
    path: '/platform-apps/{platformAppId}',
    tag,
    summary: 'Change a platform app',
    params,
    body: platformAppChangeSchema,
    answer: { status: 200, description: 'The app', schema: platformAppSchema, headers: etag },
    ifMatch: true,
    problems: ['not-found', 'redirect-uri-taken'],
    handle: async ({ context, ifMatch, params: { platformAppId }, body }) =>
      answerWith(200, await changePlatformApp(context, platformAppId, ifMatch, body)),
  }),
  tenantRoute({
    operationId: 'deletePlatformApp',
    method: 'delete',
    path: '/platform-apps/{platformAppId}',
    tag,
    summary: 'Delete a platform app that nothing was connected through',
    params,
    body: noFields,
    answer: { status: 204, description: 'It is gone' },
    ifMatch: true,
    problems: ['not-found', 'platform-app-in-use'],
    handle: async ({ context, ifMatch, params: { platformAppId } }) => {
      await removePlatformApp(context, platformAppId, ifMatch);
      return { status: 204, body: undefined };
    },
  }),
];
