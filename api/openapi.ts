import { writeFile } from 'node:fs/promises';
import { OpenAPIRegistry, OpenApiGeneratorV31, type RouteConfig } from '@asteasolutions/zod-to-openapi';
import { type ProblemCode, statusOf } from './problems.ts';
import type { Route } from './route.ts';
import { listRoutes, versionPrefix } from './routes/index.ts';
import { problemSchema } from './schemas/common.ts';
import { z } from './zod.ts';

/** Builds the OpenAPI 3.1 document from the routes and the schemas that check their requests. */
export function buildOpenApi() {
  const registry = new OpenAPIRegistry();
  registry.register('Problem', problemSchema);
  registry.registerComponent('securitySchemes', 'bearer', {
    type: 'http',
    scheme: 'bearer',
    bearerFormat: 'JWT',
  });
  const { versioned, unversioned } = listRoutes(() => '');
  for (const route of versioned) registry.registerPath(describe(route, versionPrefix));
  for (const route of unversioned) registry.registerPath(describe(route, ''));
  return new OpenApiGeneratorV31(registry.definitions).generateDocument({
    openapi: '3.1.0',
    info: {
      title: 'Gatepost',
      version: '1',
      description:
        'Carries a social post from idea to publication through three human gates. Problems are RFC 9457 documents with a stable `code`.',
    },
    servers: [{ url: '/' }],
  });
}

/** The document as it is committed and served. */
export const openApiText = (): string => `${JSON.stringify(buildOpenApi(), null, 2)}\n`;

/** Writes the document next to this module; a test holds the committed file current. */
export const writeOpenApi = (file: URL = new URL('./openapi.json', import.meta.url)): Promise<void> =>
  writeFile(file, openApiText());

function describe(route: Route, prefix: string): RouteConfig {
  return {
    method: route.method,
    path: `${prefix}${route.path}`,
    operationId: route.operationId,
    tags: [route.tag],
    summary: route.summary,
    ...(route.description && { description: route.description }),
    ...(route.scope !== 'anybody' && { security: [{ bearer: [] }] }),
    request: {
      ...(route.params && { params: route.params }),
      ...(route.query && { query: route.query }),
      ...(headersOf(route) && { headers: headersOf(route) }),
      ...(route.body && {
        body: { required: true, content: { 'application/json': { schema: route.body } } },
      }),
    },
    responses: responsesOf(route),
  };
}

function headersOf(route: Route): z.ZodObject | undefined {
  const key = z
    .string()
    .min(1)
    .max(255)
    .openapi({ description: 'Unique per intent; the same again is answered once' });
  const headers = {
    ...(route.scope === 'tenant' && {
      'Gatepost-Tenant': z.guid().optional().openapi({ description: 'Super admins name the tenant here' }),
    }),
    ...(route.idempotencyKey === 'required' && { 'Idempotency-Key': key }),
    ...(route.idempotencyKey === 'optional' && { 'Idempotency-Key': key.optional() }),
    ...(route.ifMatch && {
      'If-Match': z.string().openapi({ description: 'The ETag the change was made from' }),
    }),
  };
  return Object.keys(headers).length > 0 ? z.object(headers) : undefined;
}

function responsesOf(route: Route): RouteConfig['responses'] {
  const { status, description, schema, headers } = route.answer;
  const success = {
    description,
    ...(headers && { headers: mapHeaders(headers) }),
    ...(schema && { content: { 'application/json': { schema } } }),
  };
  const problems = [...byStatus(problemCodesOf(route))].map(
    ([problemStatus, codes]) =>
      [
        problemStatus,
        {
          description: codes.map((code) => `\`${code}\``).join(', '),
          content: { 'application/problem+json': { schema: problemSchema } },
        },
      ] as const,
  );
  const responses: RouteConfig['responses'] = { ...Object.fromEntries(problems), [status]: success };
  if (route.operationId === 'readyz') responses['503'] = { ...success, description: 'A check fails' };
  return responses;
}

const mapHeaders = (headers: Readonly<Record<string, string>>) =>
  Object.fromEntries(
    Object.entries(headers).map(([name, description]) => [
      name,
      { description, schema: { type: 'string' as const } },
    ]),
  );

/** What any operation of this kind may answer, and what this one may. */
function problemCodesOf(route: Route): ProblemCode[] {
  if (route.scope === 'anybody') return [...(route.problems ?? []), 'internal-error'];
  const codes: ProblemCode[] = [
    'invalid-request',
    'invalid-text',
    'token-missing',
    'token-invalid',
    'token-expired',
    'forbidden',
    'internal-error',
    'unavailable',
  ];
  if (route.scope === 'tenant') codes.push('tenant-header-missing', 'not-a-member', 'not-found');
  if (route.method !== 'get')
    codes.push('malformed-json', 'too-deep', 'body-too-large', 'unsupported-media-type');
  if (route.idempotencyKey === 'required') codes.push('idempotency-key-missing');
  if (route.idempotencyKey) codes.push('idempotency-key-reused', 'request-in-progress');
  if (route.ifMatch) codes.push('if-match-missing', 'if-match-failed');
  return [...new Set([...codes, ...(route.problems ?? [])])];
}

function byStatus(codes: readonly ProblemCode[]): Map<number, ProblemCode[]> {
  const grouped = new Map<number, ProblemCode[]>();
  for (const code of codes) grouped.set(statusOf(code), [...(grouped.get(statusOf(code)) ?? []), code]);
  return new Map([...grouped].sort(([left], [right]) => left - right));
}
