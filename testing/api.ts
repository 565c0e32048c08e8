import { randomBytes } from 'node:crypto';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import express from 'express';
import { SignJWT } from 'jose';
import { pino } from 'pino';
import type { ActivityDependencies } from '../activities/dependencies.ts';
import { probeBytes } from '../adapters/media/probe.ts';
import { createPlatformFetch } from '../adapters/platforms/platform-fetch.ts';
import { createRegistry, liveEndpoints, sandboxEndpoints } from '../adapters/platforms/registry.ts';
import { createApi } from '../api/app.ts';
import { createPostRuns } from '../api/post-runs.ts';
import { fileAddresses } from '../cli/wiring.ts';
import { type Role, roles } from '../domain/post.ts';
import type { Environment } from './environment.ts';

export interface TokenClaims {
  readonly subject: string;
  readonly role: Role;
  readonly name?: string;
  readonly tenantId?: string;
}

/** The interface, served in this process. */
export interface ServedApi {
  /** Where platforms fetch one kept file. */
  readonly fileAddress: NonNullable<ActivityDependencies['fileAddress']>;
  /** Without a slash at the end. */
  readonly url: string;
  /** Signs a token that the interface accepts for as long as it runs. */
  readonly signToken: (claims: TokenClaims) => Promise<string>;
}

const issuer = { issuer: 'https://issuer.gatepost.test', audience: 'gatepost' };
/** Skipped time outlives every token that is meant to expire. */
const tokenExpiresAt = new Date('2200-01-01T00:00:00Z');

/** Serves the real interface on a free port; its `now` is the environment's. The environment stops it. */
export async function serveApi(environment: Environment, armLeadMs: number): Promise<ServedApi> {
  const { time, stops, apiPool, storage, envelopes, temporal, sandbox, fileTokens } = environment;
  const secret = randomBytes(32).toString('base64url');
  const registry = createRegistry({
    live: liveEndpoints,
    sandbox: sandboxEndpoints(sandbox.url),
    fetch: createPlatformFetch(),
    now: time.now,
  });
  const api = createApi({
    pool: apiPool,
    postRuns: createPostRuns(temporal.client),
    ...{ storage, envelopes, fileTokens },
    connectors: registry,
    adapters: registry,
    probe: probeBytes,
    auth: {
      mode: 'members',
      issuers: [{ ...issuer, algorithm: 'HS256', secret, tenants: '*', roles: [...roles] }],
    },
    clock: { now: time.now },
    // Refusals are what tests are about; only our own faults are worth a line.
    logger: pino({ name: 'gatepost-api', level: 'error' }),
    settings: { armLeadMs, acceptSignals: false, publicUrl: 'https://gatepost.test' },
    readiness: {},
  });
  const app = express();
  // Whoever calls, the interface knows how far time has been skipped by then.
  app.use(async (_request, _response, next) => {
    await time.observe();
    next();
  });
  app.use(api);
  const server = await listen(app);
  stops.add(() => close(server));
  const { port } = server.address() as AddressInfo;
  const url = `http://127.0.0.1:${port}`;
  return {
    url,
    fileAddress: fileAddresses(url, fileTokens, time.now),
    signToken: ({ subject, role, name, tenantId }) =>
      new SignJWT({ role, ...(name && { name }), ...(tenantId && { tenant: tenantId }) })
        .setProtectedHeader({ alg: 'HS256', typ: 'JWT' })
        .setSubject(subject)
        .setIssuer(issuer.issuer)
        .setAudience(issuer.audience)
        .setExpirationTime(tokenExpiresAt)
        .sign(new TextEncoder().encode(secret)),
  };
}

function listen(app: express.Express): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = app.listen(0, '127.0.0.1', (error) => (error ? reject(error) : resolve(server)));
  });
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}
