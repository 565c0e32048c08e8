import type { Request, RequestHandler, Response } from 'express';
import type { Logger } from 'pino';
import { forTenant } from '../db/tenant-database.ts';
import { findMemberAndPost, type WholePostRows } from '../db/whole-post.ts';
import { digestOf } from '../domain/digest.ts';
import { hashOf } from '../domain/revision.ts';
import type { Authenticator, Credentials, FindMember, TenantCaller } from './auth.ts';
import { answerInTime } from './deadline.ts';
import { answerOnce } from './idempotency.ts';
import { uuidOf, uuidPattern } from './ids.ts';
import { isAllowed, permissions } from './permissions.ts';
import type { ApiDependencies } from './ports.ts';
import { Problem, renderProblem, statusOf, toProblem } from './problems.ts';
import { invalidRequest, type ReadRequest, readRequest } from './read-request.ts';
import type { Answer, RequestContext, Route } from './route.ts';

export interface RouteTools {
  readonly dependencies: ApiDependencies;
  readonly authenticator: Authenticator;
  readonly parseJson: RequestHandler;
}

/** Makes Express's handler of a route: who calls, may they, what do they say, answer it once, render. */
export function handleRoute(route: Route, tools: RouteTools): RequestHandler {
  return async (request, response) => {
    const answer = await answerInTime(route, request, answerTo(route, tools, request, response));
    sendAnswer(request, response, answer);
  };
}

/** By Node's own means: Express's `json` and `send` guess, at each answer, what is known here. */
function sendAnswer(request: Request, response: Response, { status, headers = {}, body }: Answer): void {
  response.statusCode = status;
  for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
  if (body === undefined) return void response.end();
  // What the caller has is what it would get.
  if (request.headers['if-none-match'] !== undefined && request.fresh) {
    response.statusCode = 304;
    return void response.end();
  }
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  const type = status >= 400 ? 'application/problem+json' : 'application/json';
  if (!response.hasHeader('Content-Type')) response.setHeader('Content-Type', `${type}; charset=utf-8`);
  response.setHeader('Content-Length', Buffer.byteLength(text));
  response.end(text);
}

async function answerTo(
  route: Route,
  tools: RouteTools,
  request: Request,
  response: Response,
): Promise<Answer> {
  const { dependencies, parseJson } = tools;
  const common = {
    dependencies,
    log: logOf(request),
    now: dependencies.clock.now(),
    requestId: String(request.id),
  };
  switch (route.scope) {
    case 'anybody': {
      const read = await readRequest(route, request, response, parseJson);
      return route.handle({ ...common, ...read });
    }
    case 'platform': {
      const caller = await tools.authenticator.platformCaller(credentialsOf(request));
      const idempotencyKey = readIdempotencyKey(route, request);
      const read = await readRequest(route, request, response, parseJson);
      return route.handle({ ...common, ...read, caller, idempotencyKey });
    }
    case 'tenant': {
      const ahead = readerAhead(route, request);
      const caller = await tools.authenticator.tenantCaller(credentialsOf(request), ahead.findMember);
      const permission = permissions[route.operationId];
      if (!isAllowed(permission, caller.role))
        throw new Problem('forbidden', `The role ${caller.role} does not allow this`);
      const ifMatch = readIfMatch(route, request);
      const key = readIdempotencyKey(route, request);
      const read = await readRequest(route, request, response, parseJson);
      const keyed = {
        tenantId: caller.tenantId,
        subject: caller.subject,
        route: routeKey(route, request),
        key,
      };
      const context = contextOf(common, caller, keyed, read, ahead.post());
      const work = () => route.handle({ ...common, ...read, context, ifMatch });
      return key === null ? work() : answerKeyed({ ...keyed, key }, context, read, common.requestId, work);
    }
  }
}

/** Reads the post that a route shows along with who asks for it; it is used once that one is known to be allowed to. */
function readerAhead(
  { readsPost }: Route,
  { params: { postId } }: Request,
): { findMember?: FindMember; post: () => WholePostRows | null | undefined } {
  if (!readsPost || typeof postId !== 'string' || !uuidPattern.test(postId)) return { post: () => undefined };
  let post: WholePostRows | null | undefined;
  return {
    findMember: async (database, subject) => {
      const found = await findMemberAndPost(database, subject, postId);
      post = found.post ?? null;
      return found.member;
    },
    post: () => post,
  };
}

/** Under a key a refusal is an answer too, and is kept like one. */
function answerKeyed(
  keyed: { tenantId: string; subject: string; route: string; key: string },
  context: RequestContext,
  read: ReadRequest,
  requestId: string,
  work: () => Promise<Answer>,
): Promise<Answer> {
  const { dependencies, database } = context;
  const request = { ...keyed, bodyHash: hashOf(read.rawBody ?? null) };
  return answerOnce({ database, envelopes: dependencies.envelopes }, request, async () => {
    try {
      return await work();
    } catch (error) {
      const problem = toProblem(error);
      const status = statusOf(problem.code);
      if (status >= 500) throw error;
      return { status, body: renderProblem(problem, requestId), headers: problem.headers };
    }
  });
}

function contextOf(
  { dependencies, log, now }: { dependencies: ApiDependencies; log: Logger; now: Date },
  caller: TenantCaller,
  keyed: { tenantId: string; subject: string; route: string; key: string | null },
  read: ReadRequest,
  post: WholePostRows | null | undefined,
): RequestContext {
  // Without a key the body stands in: the same words said again by the same person are the same request.
  const identity = () => (keyed.key === null ? `body:${hashOf(read.rawBody ?? null)}` : `key:${keyed.key}`);
  return {
    dependencies,
    pool: dependencies.pool,
    database: forTenant(dependencies.pool, caller.tenantId),
    caller,
    actor: { memberId: caller.memberId, role: caller.role, name: caller.name },
    log,
    now,
    post,
    newId: (name) => uuidOf(keyed.tenantId, keyed.subject, keyed.route, identity(), name),
    hasKey: keyed.key !== null,
  };
}

const logOf = (request: Request): Logger => request.log;

const credentialsOf = (request: Request): Credentials => ({
  authorization: request.headers.authorization,
  tenant: request.get('gatepost-tenant'),
});

/** Where a key counts: the method and the path with its ids. */
const routeKey = (route: Route, request: Request): string => {
  const path = `${route.method} ${request.path.toLowerCase()}`;
  return path.length > 500 ? digestOf(path) : path;
};

function readIdempotencyKey(route: Route, request: Request): string | null {
  if (!route.idempotencyKey) return null;
  const key = request.get('idempotency-key');
  if (key === undefined) {
    if (route.idempotencyKey === 'optional') return null;
    throw new Problem('idempotency-key-missing', 'This request must carry an Idempotency-Key header');
  }
  if (!/^[\x21-\x7e]{1,255}$/.test(key)) {
    const message = 'An Idempotency-Key has 1 to 255 visible ASCII characters';
    throw invalidRequest([{ path: 'Idempotency-Key', code: 'invalid-format', message, limit: 255 }]);
  }
  return key;
}

/** The version in the ETag; `null` for a tag of somebody else, which matches nothing. */
function readIfMatch(route: Route, request: Request): number | null {
  if (!route.ifMatch) return null;
  const header = request.get('if-match');
  if (header === undefined)
    throw new Problem('if-match-missing', 'This request must carry the ETag it was made from in If-Match');
  const [, version] = /^"(\d{1,9})"$/.exec(header.trim()) ?? [];
  return version === undefined ? null : Number(version);
}
