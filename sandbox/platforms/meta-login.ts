import type { SandboxOAuth } from '../oauth-definition.ts';
import { graphOAuthError } from './facebook-login.ts';

/**
 * How people log in where Meta asks for no Facebook page: a token of an hour for a code, exchanged for one of 60 days, which
 * is renewed from its second day on. `prefix` begins the names of both exchanges.
 */
// https://developers.facebook.com/docs/threads/get-started/get-access-tokens-and-permissions and .../long-lived-tokens
export const metaLogin = (prefix: 'th' | 'ig'): Omit<SandboxOAuth, 'tokenBody'> => ({
  authorizePath: '/oauth/authorize',
  tokenEndpoints: [
    { method: 'post', path: '/oauth/access_token', grants: { authorization_code: 'code' } },
    {
      ...{ method: 'get', path: '/access_token', grants: { [`${prefix}_exchange_token`]: 'exchange' } },
      proof: 'secret',
    },
    {
      ...{
        method: 'get',
        path: '/refresh_access_token',
        grants: { [`${prefix}_refresh_token`]: 'exchange' },
      },
      ...{ proof: 'none', minAgeSeconds: 86_400 },
    },
  ],
  ...{ scopeSeparator: ',', pkce: 'none', codeSeconds: 3_600 },
  ...{ accessSeconds: 3_600, exchangedSeconds: 5_184_000, refreshSeconds: null, rotates: false },
  errorBody: graphOAuthError,
});
