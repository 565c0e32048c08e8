import { OutcomeError } from '../../domain/outcome.ts';
import type { ConnectableAccount, Connector, PlatformApp, TokenSet } from './connector.ts';
import { type AdapterOptions, hostOf } from './definition.ts';
import { type AnswerHeaders, createHttpClient, type HttpClient, isObject, parseRetryAfter } from './http.ts';
import type { CallContext } from './publisher.ts';
import { callTimeoutMs, callX, openXApi } from './x-api.ts';

/** Connects X accounts: OAuth 2.0 with PKCE, as a confidential client that shows its secret in a Basic header. */

const requiredScopes = ['tweet.read', 'tweet.write', 'users.read'] as const;
/** Pictures want `media.write`; without `offline.access` there is no refresh token, and the grant dies after two hours. */
const defaultScopes = [...requiredScopes, 'media.write', 'offline.access'];
const throttledRetryMs = 60_000;

// https://docs.x.com/fundamentals/authentication/oauth-2-0/authorization-code (read 2026-11-21)
export function createXConnector(options: AdapterOptions): Connector {
  const now = options.now ?? (() => new Date());
  const api = openXApi(options);
  const tokenUrl = hostOf(options, 'token');
  const http = createHttpClient({
    fetch: options.fetch,
    origins: [new URL(tokenUrl).origin],
    mapError: (status, headers, body) => mapTokenError(status, headers, body, now()),
    now,
  });
  const ask = (app: PlatformApp, fields: Readonly<Record<string, string>>, context: CallContext) =>
    postForm(http, `${tokenUrl}/2/oauth2/token`, app, fields, 'X token', context);
  return {
    defaultScopes,
    requiredScopes,
    pkce: 'S256',
    // Each refresh gives a new pair and ends the old one; the old one used again is said to end them all.
    renewal: 'refresh-token',
    authorizeUrl: ({ app, redirectUri, state, scopes, codeChallenge }) => {
      if (codeChallenge === null) {
        throw new OutcomeError('rejected', 'X authorisation: a code challenge is needed', { sent: false });
      }
      const query = {
        ...{ response_type: 'code', client_id: app.clientId, redirect_uri: redirectUri },
        ...{ scope: scopes.join(' '), state, code_challenge: codeChallenge, code_challenge_method: 'S256' },
      };
      const pairs = Object.entries(query).map(([name, value]) => `${name}=${encodeURIComponent(value)}`);
      return `${hostOf(options, 'oauth')}/i/oauth2/authorize?${pairs.join('&')}`;
    },
    exchange: async ({ app, code, redirectUri, codeVerifier }, context) => {
      const fields = {
        ...{ code, grant_type: 'authorization_code', redirect_uri: redirectUri },
        ...(codeVerifier !== null && { code_verifier: codeVerifier }),
      };
      return parseTokens(await ask(app, fields, context), now());
    },
    refresh: async (app, { refreshToken }, context) => {
      if (refreshToken === null) {
        const message = 'X token: no refresh token was given, offline.access is missing';
        throw new OutcomeError('unauthorized', message, { sent: false });
      }
      const fields = { grant_type: 'refresh_token', refresh_token: refreshToken };
      return parseTokens(await ask(app, fields, context), now());
    },
    revoke: async (app, { accessToken, refreshToken }, context) => {
      // The refresh token first: it could give new ones.
      for (const token of [refreshToken, accessToken]) {
        if (token !== null) await revoke(http, `${tokenUrl}/2/oauth2/revoke`, app, token, context);
      }
    },
    listAccounts: async (accessToken, context) => {
      const call = { method: 'GET', path: '/2/users/me', what: 'X account' } as const;
      const { body } = await callX(api, { accessToken }, context, call);
      return [parseAccount(body)];
    },
  };
}

async function revoke(
  http: HttpClient,
  url: string,
  app: PlatformApp,
  token: string,
  context: CallContext,
): Promise<void> {
  try {
    await postForm(http, url, app, { token }, 'X token revocation', context);
  } catch (error) {
    // A token that is dead already is what was wanted.
    if (!(error instanceof OutcomeError && error.code === 'unauthorized')) throw error;
  }
}

async function postForm(
  http: HttpClient,
  url: string,
  app: PlatformApp,
  fields: Readonly<Record<string, string>>,
  what: string,
  context: CallContext,
): Promise<Readonly<Record<string, unknown>>> {
  const basic = Buffer.from(`${app.clientId}:${app.clientSecret}`).toString('base64');
  const { refresh_token, code, code_verifier, token } = fields;
  const secrets = [app.clientSecret, basic, refresh_token, code, code_verifier, token];
  const { body } = await http.sendJson({
    method: 'POST',
    url,
    headers: { Authorization: `Basic ${basic}`, 'Content-Type': 'application/x-www-form-urlencoded' },
    body: new URLSearchParams(fields).toString(),
    what,
    timeoutMs: callTimeoutMs,
    signal: context.signal,
    secrets: secrets.filter((secret) => secret !== undefined),
  });
  return body;
}

function parseTokens(body: Readonly<Record<string, unknown>>, now: Date): TokenSet {
  const { access_token, refresh_token, expires_in, scope } = body;
  if (typeof access_token !== 'string' || access_token === '') {
    throw new OutcomeError('unexpected-response', 'X token: no access token in the answer');
  }
  return {
    accessToken: access_token,
    refreshToken: typeof refresh_token === 'string' && refresh_token !== '' ? refresh_token : null,
    expiresAt: typeof expires_in === 'number' ? new Date(now.getTime() + expires_in * 1000) : null,
    // About six months, second-hand; X says nothing of it.
    refreshExpiresAt: null,
    scopes: typeof scope === 'string' ? scope.split(' ').filter((one) => one !== '') : null,
  };
}

function parseAccount(body: Readonly<Record<string, unknown>>): ConnectableAccount {
  const data = isObject(body.data) ? body.data : {};
  if (typeof data.id !== 'string' || typeof data.username !== 'string') {
    throw new OutcomeError('unexpected-response', 'X account: no id or no user name in the answer');
  }
  const name = typeof data.name === 'string' ? `${data.name} (@${data.username})` : `@${data.username}`;
  return { kind: 'user', externalId: data.id, name, accessToken: null, obstacle: null };
}

/**
 * The flat errors of OAuth. A dead token is told by a text alone (second-hand: several public fixtures); a wrong secret of
 * the application is its operator's matter, and says nothing against the grant.
 */
function mapTokenError(
  status: number,
  headers: AnswerHeaders,
  body: Readonly<Record<string, unknown>> | null,
  now: Date,
): OutcomeError | null {
  const code = typeof body?.error === 'string' ? body.error : '';
  const text = typeof body?.error_description === 'string' ? body.error_description : '';
  const details = { status, ...(code && { platformCode: code }) };
  const message = `X answered ${status}${code ? ` ${code}` : ''}: ${text}`;
  if (status === 429) {
    const retryAfterMs = Math.max(throttledRetryMs, parseRetryAfter(headers, now) ?? 0);
    return new OutcomeError('rate-limited', message, { ...details, retryAfterMs });
  }
  if (body === null || status >= 500 || status === 408) return null;
  const isDead =
    code === 'invalid_grant' || (code === 'invalid_request' && /\btoken was invalid/i.test(text));
  return new OutcomeError(isDead ? 'unauthorized' : 'rejected', message, details);
}
