import { type NextFunction, type Request, type Response, Router } from 'express';
import { z } from 'zod';
import { accountInputSchema, describeAccount } from './accounts.ts';
import type { SandboxContext } from './context.ts';
import { faultInputSchema, faultKinds } from './faults.ts';
import { describePost } from './ledger.ts';
import { operationNames } from './platforms/index.ts';
import { settingsPatchSchema } from './settings.ts';

const ledgerQuerySchema = z.object({
  platform: z.string().optional(),
  externalId: z.string().optional(),
  since: z.coerce.date().optional(),
});
const requestsQuerySchema = z.object({
  operation: z.string().optional(),
  externalId: z.string().optional(),
});

/** The routes that script and question the sandbox. They answer to the machine it runs on and to nobody else. */
export function createControl(context: SandboxContext, reset: () => Promise<void>): Router {
  const control = Router();
  control.use(requireLocalCaller(context));

  control.get('/', (_request, response) => {
    response.json({ operations: operationNames, faultKinds, settings: context.settings.get() });
  });
  control.post('/accounts', async (request, response) => {
    const account = await context.accounts.put(accountInputSchema.parse(readJson(request)));
    response.status(201).json(describeAccount(account));
  });
  control.get('/accounts', (_request, response) => {
    response.json({ accounts: context.accounts.list().map(describeAccount) });
  });
  control.get('/ledger', (request, response) => {
    const posts = context.ledger.list(ledgerQuerySchema.parse(request.query));
    response.json({ entries: posts.map((post) => describePost(post, context.publicUrl)) });
  });
  control.post('/faults', (request, response) => {
    response.status(201).json(context.faults.add(faultInputSchema.parse(readJson(request))));
  });
  control.get('/faults', (_request, response) => {
    response.json({ faults: context.faults.list() });
  });
  control.delete('/faults', (_request, response) => {
    context.faults.clear();
    response.status(204).end();
  });
  control.delete('/faults/:faultId', (request, response) => {
    response.status(context.faults.remove(request.params.faultId) ? 204 : 404).end();
  });
  control.get('/requests', (request, response) => {
    response.json({ requests: context.requests.list(requestsQuerySchema.parse(request.query)) });
  });
  control.get('/settings', (_request, response) => {
    response.json(context.settings.get());
  });
  control.patch('/settings', async (request, response) => {
    response.json(await context.settings.patch(settingsPatchSchema.parse(readJson(request))));
  });
  control.delete('/state', async (_request, response) => {
    await reset();
    response.status(204).end();
  });
  control.use((request, response) => {
    response.status(404).json({ error: `There is no ${request.method} ${request.originalUrl}` });
  });
  control.use((error: unknown, _request: Request, response: Response, next: NextFunction) => {
    if (error instanceof z.ZodError) {
      response.status(400).json({ error: z.prettifyError(error), issues: error.issues });
    } else if (error instanceof SyntaxError) {
      response.status(400).json({ error: `The body is not JSON: ${error.message}` });
    } else {
      next(error);
    }
  });
  return control;
}

/**
 * A loopback address, and no page of another origin in a browser on this machine: browsers name the origin of every
 * request that changes something.
 */
function requireLocalCaller(context: SandboxContext) {
  return (request: Request, response: Response, next: NextFunction) => {
    const address = request.socket.remoteAddress ?? '';
    const isLoopback = /^(?:::ffff:)?127\.|^::1$/.test(address);
    const { origin } = request.headers;
    if (isLoopback && (origin === undefined || origin === new URL(context.publicUrl).origin)) {
      next();
    } else {
      response.status(403).json({ error: 'The control routes answer to this machine only' });
    }
  };
}

function readJson(request: Request): unknown {
  return Buffer.isBuffer(request.body) ? JSON.parse(request.body.toString('utf8')) : undefined;
}
