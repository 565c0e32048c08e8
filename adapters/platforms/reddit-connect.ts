import { OutcomeError } from '../../domain/outcome.ts';
import type { Connector, PlatformApp, TokenSet } from './connector.ts';
import { type AdapterOptions, hostOf } from './definition.ts';
import { createHttpClient } from './http.ts';
import type { CallContext } from './publisher.ts';
import { type Body, call, callTimeoutMs, connectApi } from './reddit-api.ts';

// The archived wiki's page OAuth2, https://github.com/reddit-archive/reddit/wiki/OAuth2, in a copy (read 2026-11-21)
const defaultScopes = [
  'identity',
  'submit',
  'read',
  'history',
  'edit',
  'flair',
  'mysubreddits',
  'privatemessages',
];
const requiredScopes = ['identity', 'submit', 'read', 'history'];

/** Connects Reddit accounts. Refresh tokens live until they are revoked and stay the same when they are used. */
export function createRedditConnector(options: AdapterOptions): Connector {
  const api = connectApi(options);
  const tokenUrl = hostOf(options, 'token');
  const http = createHttpClient({
    fetch: options.fetch,
    origins: [new URL(tokenUrl).origin],
    mapError: (status) => (status === 401 ? unknownApp() : null),
    now: api.now,
  });

  const post = (app: PlatformApp, context: CallContext, sent: TokenCall) => {
    // By RFC 6749 id and secret are form-encoded first; Reddit's own are letters, digits, - and _, where that is nothing.
    const basic = Buffer.from(`${app.clientId}:${app.clientSecret}`).toString('base64');
    return http.send({
      method: 'POST',
      url: `${tokenUrl}${sent.path}`,
      headers: {
        Authorization: `Basic ${basic}`,
        'User-Agent': api.userAgent,
        'Content-Type': 'application/x-www-form-urlencoded',
      },
      body: new URLSearchParams(sent.form).toString(),
      what: sent.what,
      timeoutMs: callTimeoutMs,
      signal: context.signal,
      accept: [400],
      secrets: [app.clientSecret, basic, ...sent.secrets],
    });
  };

  const requestTokens = async (
    app: PlatformApp,
    context: CallContext,
    sent: TokenCall,
  ): Promise<TokenSet> => {
    const { status, text } = await post(app, context, sent);
    return parseTokens(status, text, sent, api.now());
  };

  return {
    defaultScopes,
    requiredScopes,
    pkce: 'none',
    renewal: 'refresh-token',
    keepsRefreshToken: true,
    authorizeUrl: ({ app, redirectUri, state, scopes }) => {
      const query = new URLSearchParams({
        client_id: app.clientId,
        response_type: 'code',
        state,
        redirect_uri: redirectUri,
        // Without it there is no refresh token, and the grant ends after an hour.
        duration: 'permanent',
        scope: scopes.join(' '),
      });
      return `${hostOf(options, 'oauth')}/api/v1/authorize?${query}`;
    },
    exchange: (input, context) =>
      requestTokens(input.app, context, {
        path: '/api/v1/access_token',
        form: { grant_type: 'authorization_code', code: input.code, redirect_uri: input.redirectUri },
        what: 'Reddit code exchange',
        refusedAs: 'rejected',
        secrets: [input.code],
      }),
    refresh: (app, { refreshToken }, context) => {
      if (!refreshToken)
        throw new OutcomeError('unauthorized', 'Reddit token refresh: there is no refresh token', {
          sent: false,
        });
      return requestTokens(app, context, {
        path: '/api/v1/access_token',
        form: { grant_type: 'refresh_token', refresh_token: refreshToken },
        what: 'Reddit token refresh',
        refusedAs: 'unauthorized',
        secrets: [refreshToken],
      });
    },
    // Second-hand: a refresh token takes the access tokens that were made of it along, and what is gone is no error.
    revoke: async (app, { accessToken, refreshToken }, context) => {
      const [token, hint] = refreshToken ? [refreshToken, 'refresh_token'] : [accessToken, 'access_token'];
      const { status } = await post(app, context, {
        path: '/api/v1/revoke_token',
        form: { token, token_type_hint: hint },
        what: 'Reddit token revocation',
        refusedAs: 'rejected',
        secrets: [token],
      });
      if (status >= 400)
        throw new OutcomeError('rejected', `Reddit token revocation: answer ${status}`, { status });
    },
    listAccounts: async (accessToken, context) => {
      const me = await call(api, { accessToken }, context, {
        path: '/api/v1/me?raw_json=1',
        what: 'Reddit account',
      });
      if (typeof me.name !== 'string' || me.name === '')
        throw new OutcomeError('unexpected-response', 'Reddit account: no name in the answer');
      const obstacle = me.is_suspended === true ? 'Reddit has suspended this account' : null;
      // Every read of an account goes by its name, which cannot be changed: that is its id here.
      return [{ kind: 'user', externalId: me.name, name: `u/${me.name}`, accessToken: null, obstacle }];
    },
  };
}

interface TokenCall {
  readonly path: string;
  readonly form: Readonly<Record<string, string>>;
  readonly what: string;
  /** What a refusal of the code or token means. */
  readonly refusedAs: 'rejected' | 'unauthorized';
  readonly secrets: readonly string[];
}

/** Not a word on the grant: the same one works again once the application's id and secret are right. */
const unknownApp = (): OutcomeError =>
  new OutcomeError('rejected', "Reddit does not know this application's id and secret", {
    platformCode: 'invalid_client',
  });

/** `{"error": "invalid_grant"}` comes with status 200 and 400; the number 400 stands for it, too. */
function parseTokens(status: number, text: string, { what, refusedAs }: TokenCall, now: Date): TokenSet {
  const body = parseObject(text);
  const { error, access_token: accessToken, refresh_token: refreshToken, expires_in: seconds, scope } = body;
  if (error !== undefined || status === 400) {
    const platformCode = String(error ?? status);
    const isDead = platformCode === 'invalid_grant' || platformCode === '400';
    const message = `${what}: Reddit answered ${platformCode.slice(0, 50)}`;
    throw new OutcomeError(isDead ? refusedAs : 'rejected', message, { status, platformCode });
  }
  if (typeof accessToken !== 'string' || accessToken === '' || typeof seconds !== 'number')
    throw new OutcomeError('unexpected-response', `${what}: no token or no lifetime in the answer`);
  return {
    accessToken,
    // A refresh is usually answered without one: the earlier one stays.
    refreshToken: typeof refreshToken === 'string' && refreshToken !== '' ? refreshToken : null,
    expiresAt: new Date(now.getTime() + seconds * 1_000),
    refreshExpiresAt: null,
    scopes: typeof scope === 'string' ? scope.split(/[ ,]+/).filter(Boolean) : null,
  };
}

function parseObject(text: string): Body {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Body) : {};
  } catch {
    return {};
  }
}
