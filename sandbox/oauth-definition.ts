/** How a platform does OAuth 2.0: data alone, the authorization server below is made of it. */
export interface SandboxOAuth {
  /** The kinds of account that people may choose (default: all). */
  kinds?: readonly string[];
  /** Where a browser is sent, below the platform's own path. */
  authorizePath: string;
  /** Where codes and tokens become tokens. One that is asked by GET has everything in its query. */
  tokenEndpoints: readonly TokenEndpoint[];
  /** Left out where there is no way to give a token back. */
  revocation?: Revocation;
  /** Default `client_id`. */
  clientIdName?: string;
  /** How the client proves who it is (default `form`). */
  clientAuth?: 'form' | 'basic';
  /** Default a space. */
  scopeSeparator?: string;
  /** `S256-hex` is one platform's own. Where there is one, a request without a challenge is refused. */
  pkce: 'none' | 'S256' | 'S256-hex';
  /** A request without a challenge is taken; what one was asked for is checked all the same. */
  isPkceOptional?: true;
  /** The address that people are sent back to is told whose answer it is (RFC 9207). */
  namesIssuer?: true;
  codeSeconds: number;
  /** Of the tokens that a code gives; `null` for one without an end. */
  accessSeconds: number | null;
  /** Of what an exchange of an access token gives (default: as a code's). */
  exchangedSeconds?: number | null;
  /** `null` where there are no refresh tokens; `endless` where they live until they are revoked. */
  refreshSeconds: number | 'endless' | null;
  /** Whether what was asked for brings a refresh token (default: always). */
  isOffline?(asked: { query: URLSearchParams; scopes: readonly string[] }): boolean;
  /** A refresh gives a new refresh token, and one that is spent twice revokes its whole family. */
  rotates: boolean;
  /** One that is spent twice is refused, and its family lives on. */
  sparesFamily?: true;
  /** What the address that people are sent back to says when they say no (default `access_denied`). */
  cancelError?: string;
  /** The tokens as the platform words them. */
  tokenBody(tokens: IssuedTokens): unknown;
  /**
   * An error as the platform words it; `invalid_grant`, `invalid_client`, `invalid_request`, and which grant was refused
   * where it was one.
   */
  errorBody(code: string, description: string, grant?: Grant): { status: number; body: unknown };
}

export type Grant = 'code' | 'refresh' | 'exchange';

/** How a token is given back; the whole consent goes with it. */
export interface Revocation {
  method: 'post' | 'delete';
  path: string;
  /**
   * A client that proves itself names the token (default), whoever has it names it, or it is the bearer of the call, and
   * everything goes that its person has allowed the client.
   */
  proof?: 'client' | 'none' | 'bearer';
  /** A token that is unknown is an error (default: it counts as revoked). */
  refusesUnknown?: true;
  /** What is answered (default an empty object). */
  body?: Readonly<Record<string, unknown>>;
}

export interface TokenEndpoint {
  method: 'get' | 'post';
  path: string;
  /** By the value of `grant_type`; `''` for a request without one. */
  grants: Readonly<Record<string, Grant>>;
  /** Shown by the client (default: name and secret); a living access token may be all that is needed. */
  proof?: 'client' | 'secret' | 'none';
  /** The parameter that holds the access token of an exchange. */
  exchangedName?: string;
  /** How old an access token must be to be exchanged here (default 0). */
  minAgeSeconds?: number;
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
  grant: Grant;
  issuedAt: Date;
}

/** Errors in the words of RFC 6749, section 5.2. */
export const plainErrorBody = (error: string, error_description: string) => ({
  status: error === 'invalid_client' ? 401 : 400,
  body: { error, error_description },
});

/** The calls of an authorization server that faults can be scripted for, for a platform's list of operations. */
export const oauthOperations = <Name extends string>(platform: Name) =>
  [
    `${platform}.oauth.authorize`,
    `${platform}.oauth.token`,
    `${platform}.oauth.refresh`,
    `${platform}.oauth.revoke`,
  ] as [`${Name}.oauth.authorize`, `${Name}.oauth.token`, `${Name}.oauth.refresh`, `${Name}.oauth.revoke`];
