import { openRoute, type Route } from '../route.ts';
import { z } from '../zod.ts';
import { connectionRoutes } from './connections.ts';
import { holdRoutes } from './holds.ts';
import { mediaRoutes } from './media.ts';
import { memberRoutes } from './members.ts';
import { platformAppRoutes } from './platform-apps.ts';
import { platformRoutes } from './platforms.ts';
import { postCommandRoutes } from './post-commands.ts';
import { postRoutes } from './posts.ts';
import { profileRoutes } from './profiles.ts';
import { systemRoutes } from './system.ts';
import { tenantRoutes } from './tenants.ts';

/** Where the interface's version lives. */
export const versionPrefix = '/api/v1';

/** The document describes itself; it is handed in, for it is made from these routes. */
const openApiRoute = (documentText: () => string): Route =>
  openRoute({
    operationId: 'getOpenApi',
    method: 'get',
    path: '/openapi.json',
    tag: 'System',
    summary: 'This document',
    answer: { status: 200, description: 'OpenAPI 3.1', schema: z.looseObject({}).openapi('OpenApiDocument') },
    handle: async () => ({
      status: 200,
      body: documentText(),
      headers: { 'Content-Type': 'application/json; charset=utf-8' },
    }),
  });

/** Every route, declared once: they are served and documented from here. */
export function listRoutes(documentText: () => string): {
  versioned: readonly Route[];
  unversioned: readonly Route[];
} {
  return {
    versioned: [
      ...tenantRoutes,
      ...memberRoutes,
      ...platformAppRoutes,
      ...connectionRoutes,
      ...platformRoutes,
      ...profileRoutes,
      ...holdRoutes,
      ...mediaRoutes,
      ...postRoutes,
      ...postCommandRoutes,
      openApiRoute(documentText),
    ],
    unversioned: systemRoutes,
  };
}
