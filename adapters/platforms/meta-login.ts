import { OutcomeError } from '../../domain/outcome.ts';
import type { Connector, TokenSet } from './connector.ts';
import { type Graph, type GraphBody, requestingTokens } from './graph.ts';
import { isObject } from './http.ts';
import type { CallContext } from './publisher.ts';

/** How people log in where Meta asks for no Facebook page: Threads, and Instagram by itself. */

export interface MetaLogin extends Pick<Connector, 'defaultScopes' | 'requiredScopes' | 'listAccounts'> {
  /** As its people write it. */
  readonly name: string;
  /** Where a browser is sent: the host, without a slash at its end. */
  readonly authorizeHost: string;
  /** Where a code becomes a token. */
  readonly codes: Graph;
  /** Where a token becomes a longer one: the host of all other calls, outside the versioned paths. */
  readonly tokens: Graph;
  /** What the exchanges are called at this platform: `th_exchange_token`. */
  readonly prefix: 'th' | 'ig';
}

/**
 * The connector. An application id and secret of its own, no refresh tokens, no PKCE and no way to give a token back. A code
 * becomes a token of an hour, that one a token of 60 days, which can be renewed from its second day on while it lives.
 */
export function createMetaLogin(login: MetaLogin): Connector {
  const { name, codes, tokens, prefix } = login;
  const lengthen = async (
    what: string,
    tokenPath: string,
    parameters: Readonly<Record<string, string>>,
    context: CallContext,
  ): Promise<TokenSet> => {
    const { grant_type, ...secrets } = parameters;
    const body = await requestingTokens(
      tokens.get(null, context, {
        ...{ path: tokenPath, query: new URLSearchParams(parameters).toString(), what },
        secrets: Object.values(secrets),
      }),
    );
    return parseTokens(body, what, tokens.now());
  };
  return {
    ...{ defaultScopes: login.defaultScopes, requiredScopes: login.requiredScopes },
    ...{ pkce: 'none', renewal: 'access-token', listAccounts: login.listAccounts },
    authorizeUrl: ({ app, redirectUri, state, scopes }) =>
      `${login.authorizeHost}/oauth/authorize?${new URLSearchParams({
        client_id: app.clientId,
        redirect_uri: redirectUri,
        scope: scopes.join(','),
        response_type: 'code',
        state,
      })}`,
    exchange: async ({ app, code: given, redirectUri }, context) => {
      const what = `${name} exchange of a code`;
      // Browsers bring `#_` along behind the code.
      const code = given.replace(/#_$/, '');
      const body = await requestingTokens(
        codes.post(null, context, {
          ...{ path: '/oauth/access_token', what, secrets: [app.clientSecret, code] },
          form: {
            client_id: app.clientId,
            client_secret: app.clientSecret,
            grant_type: 'authorization_code',
            redirect_uri: redirectUri,
            code,
          },
        }),
      );
      const brief = parseTokens(body, what, codes.now());
      const long = await lengthen(
        `${name} exchange for a long-lived token`,
        '/access_token',
        {
          grant_type: `${prefix}_exchange_token`,
          client_secret: app.clientSecret,
          access_token: brief.accessToken,
        },
        context,
      );
      return { ...long, scopes: long.scopes ?? brief.scopes };
    },
    refresh: (_app, { accessToken }, context) =>
      lengthen(
        `${name} renewal of a token`,
        '/refresh_access_token',
        { grant_type: `${prefix}_refresh_token`, access_token: accessToken },
        context,
      ),
  };
}

/** What was granted is said by Instagram alone, which wraps what it gives for a code in a list of one. */
// https://developers.facebook.com/documentation/instagram-platform/instagram-api-with-instagram-login/business-login (second-hand)
function parseTokens(body: GraphBody, what: string, now: Date): TokenSet {
  const [wrapped] = Array.isArray(body.data) ? body.data : [];
  const { access_token: accessToken, expires_in: seconds, permissions } = isObject(wrapped) ? wrapped : body;
  if (typeof accessToken !== 'string' || accessToken === '') {
    throw new OutcomeError('unexpected-response', `${what}: no access token in the answer`);
  }
  const expiresAt = typeof seconds === 'number' ? new Date(now.getTime() + seconds * 1_000) : null;
  const scopes = typeof permissions === 'string' ? permissions.split(',') : permissions;
  return {
    ...{ accessToken, refreshToken: null, expiresAt, refreshExpiresAt: null },
    scopes: Array.isArray(scopes) ? scopes.map((scope) => String(scope).trim()) : null,
  };
}
