import { OutcomeError } from '../../domain/outcome.ts';
import type { Connector, PlatformApp, TokenSet } from './connector.ts';
import { type AdapterOptions, hostOf } from './definition.ts';
import { createHttpClient } from './http.ts';
import { parseTokens, requireRefreshToken } from './oauth-tokens.ts';
import { callPinterest, callTimeoutMs, createPinterestApi } from './pinterest-api.ts';
import type { CallContext } from './publisher.ts';

// A pin needs all four of boards and pins. https://github.com/pinterest/api-description, v5/openapi.yaml (read 2026-11-21)
const scopes = ['boards:read', 'boards:write', 'pins:read', 'pins:write', 'user_accounts:read'];

/**
 * Connects users. Access tokens live 30 days and refresh tokens 60, each refresh giving a new pair, for as long as that
 * goes on. There is no revocation: Pinterest takes back tokens of system users alone.
 */
// https://github.com/pinterest/api-description, v5/openapi.yaml 5.23.0, /oauth/token (read 2026-11-21)
export function connectPinterest(options: AdapterOptions): Connector {
  const api = createPinterestApi(options);
  const oauth = hostOf(options, 'oauth');
  const token = hostOf(options, 'token');
  const http = createHttpClient({
    fetch: options.fetch,
    origins: [new URL(token).origin],
    mapError: mapTokenError,
    now: api.now,
  });

  const requestTokens = async (
    app: PlatformApp,
    form: Readonly<Record<string, string>>,
    call: { readonly what: string; readonly secret: string },
    context: CallContext,
  ): Promise<TokenSet> => {
    const basic = Buffer.from(`${app.clientId}:${app.clientSecret}`).toString('base64');
    const { body } = await http.sendJson({
      method: 'POST',
      url: `${token}/v5/oauth/token`,
      headers: { Authorization: `Basic ${basic}`, 'Content-Type': 'application/x-www-form-urlencoded' },
      body: new URLSearchParams(form).toString(),
      what: call.what,
      timeoutMs: callTimeoutMs,
      signal: context.signal,
      secrets: [basic, app.clientSecret, call.secret],
    });
    return parseTokens(body, call.what, api.now());
  };

  return {
    defaultScopes: scopes,
    requiredScopes: scopes,
    pkce: 'none',
    renewal: 'refresh-token',
    authorizeUrl: ({ app, redirectUri, state, scopes: asked }) => {
      const query = new URLSearchParams({
        client_id: app.clientId,
        redirect_uri: redirectUri,
        response_type: 'code',
        scope: asked.join(','),
        state,
      });
      return `${oauth}/oauth/?${query}`;
    },
    exchange: ({ app, code, redirectUri }, context) => {
      // Applications from before 25 September 2025 have to ask for refresh tokens that are renewed.
      const form = {
        grant_type: 'authorization_code',
        code,
        redirect_uri: redirectUri,
        continuous_refresh: 'true',
      };
      return requestTokens(app, form, { what: 'Pinterest exchange of a code', secret: code }, context);
    },
    refresh: async (app, { refreshToken }, context) => {
      const what = 'Pinterest refresh of a token';
      const secret = requireRefreshToken(refreshToken, what);
      const form = { grant_type: 'refresh_token', refresh_token: secret };
      return requestTokens(app, form, { what, secret }, context);
    },
    listAccounts: async (accessToken, context) => {
      const what = 'Pinterest user account';
      const body = await callPinterest(api, accessToken, context, { path: '/user_account', what });
      const { id, username, board_count: boards } = body;
      if (typeof id !== 'string' || id === '') {
        throw new OutcomeError('unexpected-response', `${what}: no id in the answer`);
      }
      const name = typeof username === 'string' && username !== '' ? username : id;
      const obstacle = boards === 0 ? `${name} has no board that a pin could go to` : null;
      return [{ kind: 'user', externalId: id, name, accessToken: null, obstacle }];
    },
  };
}

// Pure mappers

/**
 * What a refused token means is not documented beyond "client authentication error". The usual reason is a person who
 * has taken the grant back, so that a person is asked; an application whose own secret is wrong looks the same.
 */
function mapTokenError(
  status: number,
  _headers: unknown,
  body: Readonly<Record<string, unknown>> | null,
): OutcomeError | null {
  if (status !== 400 && status !== 401) return null;
  const text = typeof body?.message === 'string' ? body.message : '';
  const code = typeof body?.code === 'number' ? { platformCode: String(body.code) } : {};
  return new OutcomeError('unauthorized', `Pinterest answered ${status}: ${text}`, { status, ...code });
}
