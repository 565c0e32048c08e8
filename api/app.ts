import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import express, { type ErrorRequestHandler, type Express, type RequestHandler } from 'express';
import helmet from 'helmet';
import { pinoHttp } from 'pino-http';
import { createPayloadCodec } from '../adapters/secrets/payload-codec.ts';
import { createAuthenticator } from './auth.ts';
import { codecRouter } from './codec.ts';
import { docsRouter } from './docs.ts';
import { handleRoute, type RouteTools } from './handle-route.ts';
import { mediaFilesRouter } from './media-files.ts';
import { openApiText } from './openapi.ts';
import type { ApiDependencies } from './ports.ts';
import { Problem, renderProblem, statusOf, toProblem } from './problems.ts';
import type { Route } from './route.ts';
import { listRoutes, versionPrefix } from './routes/index.ts';

const defaultBodyLimitBytes = 1_048_576;

/** Builds the interface over what it is given. The caller listens, and closes what it opened. */
export function createApi(dependencies: ApiDependencies): Express {
  const app = express();
  app.disable('etag');
  app.disable('trust proxy');
  app.disable('x-powered-by');
  app.use(requestLog(dependencies));
  app.use(commonHeaders());
  app.use('/docs', docsRouter());

  const tools = toolsOf(dependencies);
  if (dependencies.codec) {
    const { keys, webUiOrigin, tokenInPath } = dependencies.codec;
    const { authenticator } = tools;
    app.use(
      '/codec',
      codecRouter({ codec: createPayloadCodec(keys), authenticator, webUiOrigin, tokenInPath }),
    );
  }
  if (dependencies.fileTokens)
    app.use('/media-files', mediaFilesRouter({ ...dependencies, tokens: dependencies.fileTokens }));
  let documentText: string | undefined;
  const routes = listRoutes(() => {
    documentText ??= openApiText();
    return documentText;
  });
  app.use(versionPrefix, routerOf(routes.versioned, tools));
  app.use(routerOf(routes.unversioned, tools));
  app.use(unknownRoute);
  app.use(renderError);
  return app;
}

function toolsOf(dependencies: ApiDependencies): RouteTools {
  const limit = dependencies.settings.bodyLimitBytes ?? defaultBodyLimitBytes;
  return {
    dependencies,
    authenticator: createAuthenticator(dependencies.auth, dependencies),
    // The type has been checked when this runs.
    parseJson: express.json({ limit, type: () => true }),
  };
}

function routerOf(routes: readonly Route[], tools: RouteTools): express.Router {
  const router = express.Router({ caseSensitive: true });
  const methodsByPath = new Map<string, string[]>();
  for (const route of routes) {
    const path = route.path.replace(/\{(\w+)\}/g, ':$1');
    router[route.method](path, handleRoute(route, tools));
    const methods = methodsByPath.get(path) ?? [];
    methodsByPath.set(path, [
      ...methods,
      ...(route.method === 'get' ? ['GET', 'HEAD'] : [route.method.toUpperCase()]),
    ]);
  }
  for (const [path, methods] of methodsByPath)
    router.all(path, otherMethod([...methods, 'OPTIONS'].join(', ')));
  return router;
}

const otherMethod =
  (allow: string): RequestHandler =>
  (request, response) => {
    if (request.method !== 'OPTIONS')
      throw new Problem('method-not-allowed', `${request.method} is not allowed here, only ${allow}`, {
        headers: { Allow: allow },
      });
    response.status(204).set('Allow', allow).end();
  };

const unknownRoute: RequestHandler = () => {
  throw new Problem('not-found', 'There is no such route');
};

/** What helmet sets is the same for every answer: it is asked once, and costs its dozen steps once. */
function commonHeaders(): RequestHandler {
  const headers = new Map([['Cache-Control', 'no-store']]);
  const recorder = {
    setHeader: (name: string, value: string) => headers.set(name, value),
    removeHeader: (name: string) => headers.delete(name),
  };
  const policy = {
    directives: { defaultSrc: ["'none'"], frameAncestors: ["'none'"] },
    useDefaults: false,
  };
  const decide = helmet({ contentSecurityPolicy: policy });
  decide({} as IncomingMessage, recorder as unknown as ServerResponse, (error?: unknown) => {
    if (error) throw error;
  });
  const pairs = [...headers];
  return (_request, response, next) => {
    for (const [name, value] of pairs) response.setHeader(name, value);
    next();
  };
}

const sanePattern = /^[A-Za-z0-9._-]{1,128}$/;

function requestLog({ logger }: ApiDependencies): RequestHandler {
  return pinoHttp({
    logger,
    genReqId: (request: IncomingMessage, response: ServerResponse) => {
      const given = request.headers['x-request-id'];
      const requestId = typeof given === 'string' && sanePattern.test(given) ? given : randomUUID();
      response.setHeader('X-Request-Id', requestId);
      return requestId;
    },
    wrapSerializers: false,
    serializers: {
      req: (request: IncomingMessage & { id: unknown; originalUrl?: string }) => ({
        id: request.id,
        method: request.method,
        // The local Web UI's token is part of its address, and so is that of a file.
        url: (request.originalUrl ?? request.url ?? '')
          .replace(/^\/(codec|media-files)\/[^/]+/i, '/$1/[redacted]')
          // A platform's answer carries a code and a state.
          .replace(/(\/oauth\/callback\/[^?]*)\?.*/, '$1?[redacted]'),
        remoteAddress: request.socket.remoteAddress,
        userAgent: request.headers['user-agent'],
      }),
      res: ({ statusCode }: ServerResponse) => ({ statusCode }),
    },
    customLogLevel: (_request, response, error) => {
      if (error || response.statusCode >= 500) return 'error';
      return response.statusCode >= 400 ? 'warn' : 'info';
    },
  }) as RequestHandler;
}

/** The one place where an error becomes an answer. */
const renderError: ErrorRequestHandler = (error: unknown, request, response, next) => {
  if (response.headersSent) return next(error);
  const problem = toProblem(error);
  const status = statusOf(problem.code);
  if (status >= 500) request.log.error({ err: error }, problem.message);
  const body = renderProblem(problem, String(request.id));
  response.status(status).set(problem.headers).type('application/problem+json').send(JSON.stringify(body));
};
