/** How a platform does OAuth 2.0: data alone, the authorization server below is made of it. */
export interface SandboxOAuth {
  /** Where a browser is sent, below the platform's own path. */
  authorizePath: string;
  /** Where codes and tokens become tokens. One that is asked by GET has everything in its query. */
  tokenEndpoints: readonly TokenEndpoint[];
  revokePath?: string;
  /** Default `client_id`. */
  clientIdName?: string;
  /** How the client proves who it is (default `form`). */
  clientAuth?: 'form' | 'basic';
  /** Default a space. */
  scopeSeparator?: string;
  /** `S256-hex` is one platform's own. Where there is one, a request without a challenge is refused. */
  pkce: 'none' | 'S256' | 'S256-hex';
  codeSeconds: number;
  /** Of the tokens that a code gives; `null` for one without an end. */
  accessSeconds: number | null;
  /** Of what an exchange of an access token gives (default: as a code's). */
  exchangedSeconds?: number | null;
  /** `null` where there are no refresh tokens. */
  refreshSeconds: number | null;
  /** A refresh gives a new refresh token, and one that is spent twice revokes its whole family. */
  rotates: boolean;
  /** What the address that people are sent back to says when they say no (default `access_denied`). */
  cancelError?: string;
  /** The tokens as the platform words them. */
  tokenBody(tokens: IssuedTokens): unknown;
  /** An error as the platform words it; `invalid_grant`, `invalid_client`, `invalid_request`. */
  errorBody(code: string, description: string): { status: number; body: unknown };
}

export interface TokenEndpoint {
  method: 'get' | 'post';
  path: string;
  /** By the value of `grant_type`; `''` for a request without one. */
  grants: Readonly<Record<string, 'code' | 'refresh' | 'exchange'>>;
  /** The parameter that holds the access token of an exchange. */
  exchangedName?: string;
}

export interface IssuedTokens {
  accessToken: string;
  /** Absent where the platform keeps its refresh tokens, or has none. */
  refreshToken?: string;
  expiresInSeconds: number | null;
  refreshExpiresInSeconds: number | null;
  scopes: readonly string[];
  /** The accounts that were chosen. */
  externalIds: readonly string[];
}

/** The calls of an authorization server that faults can be scripted for, for a platform's list of operations. */
export const oauthOperations = <Name extends string>(platform: Name) =>
  [
    `${platform}.oauth.authorize`,
    `${platform}.oauth.token`,
    `${platform}.oauth.refresh`,
    `${platform}.oauth.revoke`,
  ] as [`${Name}.oauth.authorize`, `${Name}.oauth.token`, `${Name}.oauth.refresh`, `${Name}.oauth.revoke`];
