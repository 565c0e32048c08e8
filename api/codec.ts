import type { Payload, PayloadCodec } from '@temporalio/common';
import express, { type Request, type RequestHandler } from 'express';
import { z } from 'zod';
import { PayloadCodecError } from '../adapters/secrets/payload-codec.ts';
import type { Authenticator } from './auth.ts';
import { Problem, statusOf } from './problems.ts';

export interface CodecOptions {
  readonly codec: PayloadCodec;
  readonly authenticator: Authenticator;
  /** Whose pages may call: the Temporal Web UI's origin. */
  readonly webUiOrigin?: string;
  /** Takes the token as a path segment, for a local Web UI that has no login; never in production. */
  readonly tokenInPath: boolean;
}

const encoded = z.record(z.string(), z.string());
const bodySchema = z.object({
  payloads: z.array(z.object({ metadata: encoded.default({}), data: z.string().default('') })).max(5_000),
});

/**
 * The codec endpoint of the Temporal Web UI (`POST …/decode`): shows payloads, summaries and details to those who may
 * see their tenant, and leaves every other payload as it is. It never encodes: nobody writes payloads by hand.
 */
export function codecRouter(options: CodecOptions): express.Router {
  const router = express.Router();
  router.use(allowWebUi(options.webUiOrigin));
  router.use(express.json({ limit: '20mb' }));
  router.post(
    '/decode',
    decode(options, (request) => request.headers.authorization),
  );
  if (options.tokenInPath)
    router.post(
      '/:token/decode',
      decode(options, (request) => `Bearer ${String(request.params.token)}`),
    );
  return router;
}

/** The Web UI is another origin: its browser asks first. */
function allowWebUi(webUiOrigin: string | undefined): RequestHandler {
  const origins = webUiOrigin ? namesOf(webUiOrigin) : [];
  return (request, response, next) => {
    const { origin } = request.headers;
    if (origin && origins.includes(origin)) {
      response.setHeader('Access-Control-Allow-Origin', origin);
      response.setHeader('Access-Control-Allow-Headers', 'authorization, content-type, x-namespace');
      response.setHeader('Access-Control-Allow-Methods', 'POST');
      response.setHeader('Access-Control-Allow-Credentials', 'true');
      response.setHeader('Vary', 'Origin');
    }
    if (request.method === 'OPTIONS') response.status(204).end();
    else next();
  };
}

/** People type `localhost` for a Web UI on their own machine, and the browser takes that for another origin. */
function namesOf(webUiOrigin: string): string[] {
  const { protocol, hostname, port, origin } = new URL(webUiOrigin);
  const isLocal = hostname === '127.0.0.1' || hostname === 'localhost';
  if (!isLocal) return [origin];
  return ['127.0.0.1', 'localhost'].map((name) => `${protocol}//${name}${port && `:${port}`}`);
}

function decode(
  options: CodecOptions,
  authorizationOf: (request: Request) => string | undefined,
): RequestHandler {
  return async (request, response) => {
    const body = bodySchema.safeParse(request.body);
    if (!body.success)
      throw new Problem('invalid-request', 'Expected { payloads: [{ metadata, data }] } in base64');
    const mayRead = readableTenants(options.authenticator, authorizationOf(request));
    const payloads = await Promise.all(
      body.data.payloads.map(async (item) => {
        const payload = fromBase64(item);
        const tenantId = text(payload.metadata?.['encryption-tenant']);
        if (tenantId === undefined || !(await mayRead(tenantId))) return item;
        return (await decodeOne(options.codec, payload)) ?? item;
      }),
    );
    response.json({ payloads });
  };
}

/** `null` for what cannot be opened any more, e.g. since its key was destroyed: it must not hide the rest of the page. */
async function decodeOne(codec: PayloadCodec, payload: Payload) {
  try {
    const [decoded] = await codec.decode([payload]);
    return toBase64(decoded!);
  } catch (error) {
    if (error instanceof PayloadCodecError) return null;
    throw error;
  }
}

/** Asks once per tenant whether the caller may see it; a caller nobody knows is refused as a whole. */
function readableTenants(
  authenticator: Authenticator,
  authorization: string | undefined,
): (tenantId: string) => Promise<boolean> {
  const answers = new Map<string, Promise<boolean>>();
  const ask = async (tenantId: string): Promise<boolean> => {
    try {
      if (tenantId === 'system') await authenticator.platformCaller({ authorization, tenant: undefined });
      else await authenticator.tenantCaller({ authorization, tenant: tenantId });
      return true;
    } catch (error) {
      if (error instanceof Problem && statusOf(error.code) !== 401) return false;
      throw error;
    }
  };
  return (tenantId) => {
    const known = answers.get(tenantId) ?? ask(tenantId);
    answers.set(tenantId, known);
    return known;
  };
}

const text = (bytes: Uint8Array | null | undefined): string | undefined =>
  bytes ? Buffer.from(bytes).toString('utf8') : undefined;

const fromBase64 = (item: { metadata: Record<string, string>; data: string }): Payload => ({
  metadata: Object.fromEntries(
    Object.entries(item.metadata).map(([name, value]) => [name, Buffer.from(value, 'base64')]),
  ),
  data: Buffer.from(item.data, 'base64'),
});

const toBase64 = (payload: Payload) => ({
  metadata: Object.fromEntries(
    Object.entries(payload.metadata ?? {}).map(([name, value]) => [
      name,
      Buffer.from(value).toString('base64'),
    ]),
  ),
  data: Buffer.from(payload.data ?? []).toString('base64'),
});
