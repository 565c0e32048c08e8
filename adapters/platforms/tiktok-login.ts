import { OutcomeError } from '../../domain/outcome.ts';
import type { Connector, PlatformApp } from './connector.ts';
import { type AdapterOptions, hostOf } from './definition.ts';
import { createHttpClient, isObject, redact } from './http.ts';
import { parseTokens, requireRefreshToken } from './oauth-tokens.ts';
import type { CallContext } from './publisher.ts';
import { callTikTok, callTimeoutMs, createTikTokApi } from './tiktok-api.ts';

/**
 * Connects creators. Access tokens live for hours and refresh tokens for months, as each answer says; a refresh token
 * dies with its use.
 */
// https://developers.tiktok.com/docs/en/oauth-user-access-token-management (read 2026-11-21)
export function connectTikTok(options: AdapterOptions): Connector {
  const api = createTikTokApi(options);
  const oauth = hostOf(options, 'oauth');
  const token = hostOf(options, 'token');
  const http = createHttpClient({
    fetch: options.fetch,
    origins: [new URL(token).origin],
    // A pause that is asked for and trouble at TikTok are told by the status, whatever the words.
    mapError: (status, _headers, body) => (status === 429 || status >= 500 ? null : mapOAuthError(body)),
    now: api.now,
  });

  const send = async (
    path: string,
    form: Readonly<Record<string, string>>,
    what: string,
    context: CallContext,
  ): Promise<string> => {
    const { client_key: _public, grant_type: _word, redirect_uri: _address, ...secret } = form;
    const { text } = await http.send({
      method: 'POST',
      url: `${token}${path}`,
      headers: { 'Content-Type': 'application/x-www-form-urlencoded', 'Cache-Control': 'no-cache' },
      body: new URLSearchParams(form).toString(),
      what,
      timeoutMs: callTimeoutMs,
      signal: context.signal,
      secrets: Object.values(secret),
    });
    // Some refusals come with HTTP 200.
    const refused = mapOAuthError(parseObject(text));
    if (refused) {
      const message = redact(`${what}: ${refused.message}`, Object.values(secret));
      throw new OutcomeError(refused.code, message, refused.details);
    }
    return text;
  };
  const requestTokens = async (form: Record<string, string>, what: string, context: CallContext) => {
    const body = parseObject(await send('/v2/oauth/token/', form, what, context));
    if (body === null) throw new OutcomeError('unexpected-response', `${what}: the answer cannot be read`);
    return parseTokens(body, what, api.now());
  };

  return {
    defaultScopes: ['user.info.basic', 'video.publish', 'video.list'],
    requiredScopes: ['user.info.basic', 'video.publish'],
    // Documented for applications on a device, where the challenge is the hash in hexadecimal digits. A server has its
    // secret besides; that TikTok takes both is not documented.
    pkce: 'S256-hex',
    renewal: 'refresh-token',
    authorizeUrl: ({ app, redirectUri, state, scopes, codeChallenge }) => {
      const query = new URLSearchParams({
        client_key: app.clientId,
        response_type: 'code',
        scope: scopes.join(','),
        redirect_uri: redirectUri,
        state,
        ...(codeChallenge !== null && { code_challenge: codeChallenge, code_challenge_method: 'S256' }),
      });
      return `${oauth}/v2/auth/authorize/?${query}`;
    },
    exchange: ({ app, code, redirectUri, codeVerifier }, context) =>
      requestTokens(
        {
          ...credentialsOf(app),
          code,
          grant_type: 'authorization_code',
          redirect_uri: redirectUri,
          ...(codeVerifier !== null && { code_verifier: codeVerifier }),
        },
        'TikTok exchange of a code',
        context,
      ),
    refresh: async (app, { refreshToken }, context) => {
      const what = 'TikTok refresh of a token';
      const refresh_token = requireRefreshToken(refreshToken, what);
      const form = { ...credentialsOf(app), grant_type: 'refresh_token', refresh_token };
      return requestTokens(form, what, context);
    },
    revoke: async (app, { accessToken }, context) => {
      const form = { ...credentialsOf(app), token: accessToken };
      await send('/v2/oauth/revoke/', form, 'TikTok revocation of a token', context);
    },
    // https://developers.tiktok.com/doc/tiktok-api-v2-get-user-info (read 2026-11-21)
    listAccounts: async (accessToken, context) => {
      const what = 'TikTok user info';
      const path = '/v2/user/info/?fields=open_id,display_name';
      const { user } = await callTikTok(api, accessToken, context, { method: 'GET', path, what });
      const { open_id: externalId, display_name: name } = isObject(user) ? user : {};
      if (typeof externalId !== 'string' || externalId === '') {
        throw new OutcomeError('unexpected-response', `${what}: no open_id in the answer`);
      }
      const shown = typeof name === 'string' && name !== '' ? name : externalId;
      return [{ kind: 'creator', externalId, name: shown, accessToken: null, obstacle: null }];
    },
  };
}

const credentialsOf = ({ clientId, clientSecret }: PlatformApp) => ({
  client_key: clientId,
  client_secret: clientSecret,
});

// Pure mappers

function parseObject(text: string): Readonly<Record<string, unknown>> | null {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : null;
  } catch {
    return null;
  }
}

/** Errors of a person's grant; all others are the application's, or pass. */
const deadGrant: ReadonlySet<string> = new Set(['invalid_grant', 'access_denied']);

/** OAuth errors are flat here, unlike the API's. */
// https://developers.tiktok.com/doc/oauth-error-handling (read 2026-11-21)
function mapOAuthError(body: Readonly<Record<string, unknown>> | null): OutcomeError | null {
  const code = body?.error;
  if (typeof code !== 'string' || code === '' || code === 'ok') return null;
  const text = typeof body?.error_description === 'string' ? body.error_description : '';
  const message = `TikTok answered ${code}: ${text}`;
  const details = { platformCode: code };
  if (deadGrant.has(code)) return new OutcomeError('unauthorized', message, details);
  if (code === 'server_error' || code === 'temporarily_unavailable') {
    return new OutcomeError('unavailable', message, { ...details, sent: true });
  }
  return new OutcomeError('rejected', message, details);
}
