import { createHash, randomBytes } from 'node:crypto';
import type { Connector } from '../../adapters/platforms/connector.ts';
import { type PlatformMode, RegistryError } from '../../adapters/platforms/registry.ts';
import { insertOauthState } from '../../db/oauth-states.ts';
import { findPlatformApp, type PlatformAppRow } from '../../db/platform-apps.ts';
import { systemDatabase } from '../../db/pool.ts';
import { findTenant } from '../../db/tenants.ts';
import type { ApiDependencies } from '../ports.ts';
import { notFound, Problem } from '../problems.ts';
import type { RequestContext } from '../route.ts';
import { callbackOf } from './platform-apps.ts';

/** How long a person may take at the platform, and then again to choose. */
export const connectWithinMs = 10 * 60_000;

export interface StartedConnection {
  readonly id: string;
  readonly authorizeUrl: string;
  readonly expiresAt: Date;
}

/**
 * Makes a state for one person and one app, and the address at the platform that carries it. Of the state the hash alone
 * is kept. May run twice: the second state replaces the first, which nobody was told.
 */
export async function startConnection(
  context: RequestContext,
  { platformAppId, returnUrl }: { platformAppId: string; returnUrl?: string | undefined },
): Promise<StartedConnection> {
  const { database, dependencies, caller, now } = context;
  const app = await findPlatformApp(database, platformAppId);
  if (!app) throw refused('unknown-platform-app', '/platformAppId', 'There is no such platform app');
  const connector = await connectorOf(dependencies, caller.tenantId, app);
  const [id, state, verifier] = [context.newId('connection'), randomToken(), randomToken()];
  const expiresAt = new Date(now.getTime() + connectWithinMs);
  await insertOauthState(database, {
    ...{ id, state_hash: hashOfSecret(state), app_id: app.id, subject: caller.subject },
    ...{ redirect_uri: app.redirect_uri, return_url: chooseReturnUrl(context, app, returnUrl) },
    verifier: connector.pkce === 'none' ? null : sealVerifier(dependencies, caller.tenantId, id, verifier),
    expires_at: expiresAt,
  });
  const authorizeUrl = connector.authorizeUrl({
    app: { clientId: app.client_id },
    ...{ redirectUri: app.redirect_uri, state },
    scopes: app.scopes ?? connector.defaultScopes,
    codeChallenge: challengeOf(connector.pkce, verifier),
  });
  return { id, authorizeUrl, expiresAt };
}

/** 256 bits that nobody guesses, for addresses. */
export const randomToken = (): string => randomBytes(32).toString('base64url');

export const hashOfSecret = (secret: string): Buffer => createHash('sha256').update(secret).digest();

export async function modeOf(pool: ApiDependencies['pool'], tenantId: string): Promise<PlatformMode> {
  const tenant = await findTenant(systemDatabase(pool), tenantId);
  if (!tenant) throw notFound('tenant');
  return tenant.mode;
}

/** The connector of an app in the tenant's mode. Throws `connecting-unsupported` where there is none. */
export async function connectorOf(
  { pool, connectors }: Pick<ApiDependencies, 'pool' | 'connectors'>,
  tenantId: string,
  { platform, login }: Pick<PlatformAppRow, 'platform' | 'login'>,
): Promise<Connector> {
  const mode = await modeOf(pool, tenantId);
  try {
    return connectors.connectorFor({ platform, mode, login });
  } catch (error) {
    if (error instanceof RegistryError) throw new Problem('connecting-unsupported', error.message);
    throw error;
  }
}

/** Only an address that was registered before, compared byte by byte. */
function chooseReturnUrl(
  context: RequestContext,
  { id, redirect_uri: redirectUri, return_urls: known }: PlatformAppRow,
  wanted: string | undefined,
): string | null {
  if (wanted !== undefined && known.includes(wanted)) return wanted;
  const chosen = known[0] ?? null;
  const isOurs = redirectUri === callbackOf(context, id);
  // Our own callback would have nowhere to send anybody.
  if (wanted === undefined && (chosen !== null || !isOurs)) return chosen;
  throw refused('unknown-return-url', '/returnUrl', 'The app has no such return URL');
}

/** RFC 7636; the hexadecimal form is one platform's own. */
function challengeOf(pkce: Connector['pkce'], verifier: string): string | null {
  switch (pkce) {
    case 'S256':
      return hashOfSecret(verifier).toString('base64url');
    case 'S256-hex':
      return hashOfSecret(verifier).toString('hex');
    case 'none':
      return null;
    default:
      throw new Error(`Unknown PKCE method: ${JSON.stringify(pkce satisfies never)}`);
  }
}

const verifierCell = (tenantId: string, rowId: string) => ({
  ...{ tenantId, table: 'oauth_states', column: 'verifier', rowId },
});
const sealVerifier = ({ envelopes }: ApiDependencies, tenantId: string, id: string, verifier: string) =>
  envelopes.seal(verifier, verifierCell(tenantId, id));
export const openVerifier = (
  { envelopes }: Pick<ApiDependencies, 'envelopes'>,
  tenantId: string,
  { id, verifier }: { id: string; verifier: Buffer | null },
): string | null => (verifier === null ? null : envelopes.open(verifier, verifierCell(tenantId, id)));

export function refused(
  code: 'unknown-platform-app' | 'unknown-return-url' | 'unknown-account' | 'account-unusable',
  path: string,
  message: string,
): Problem {
  return new Problem(code, message, { errors: [{ path, code, message }] });
}
