import type { AccountKind } from '../../domain/post.ts';
import type { CallContext } from './publisher.ts';

/** A tenant's own application at a platform. The secret is opened for one call and goes to the token host alone. */
export interface PlatformApp {
  readonly clientId: string;
  readonly clientSecret: string;
}

/** What a platform gives for a code or a refresh token. */
export interface TokenSet {
  readonly accessToken: string;
  /** `null` where the platform has none, or says nothing of it: an earlier one then stays. */
  readonly refreshToken: string | null;
  /** `null` where it does not expire. */
  readonly expiresAt: Date | null;
  readonly refreshExpiresAt: Date | null;
  /** What was granted, where the platform says it; people may untick scopes. */
  readonly scopes: readonly string[] | null;
}

/** An account that an authorisation may publish for. */
export interface ConnectableAccount {
  readonly kind: AccountKind;
  readonly externalId: string;
  readonly name: string;
  /** A token of its own that this account is used with (a Facebook page's); `null` uses the grant's. */
  readonly accessToken: string | null;
  /** Why it cannot be published to, in words; `null` where it can. */
  readonly obstacle: string | null;
}

export interface AuthorizeInput {
  readonly app: Pick<PlatformApp, 'clientId'>;
  readonly redirectUri: string;
  readonly state: string;
  readonly scopes: readonly string[];
  /** The challenge made of the verifier by the connector's own method; `null` where it has no PKCE. */
  readonly codeChallenge: string | null;
}

export interface ExchangeInput {
  readonly app: PlatformApp;
  readonly code: string;
  readonly redirectUri: string;
  readonly codeVerifier: string | null;
}

/** How a grant is kept alive: by its refresh token, by exchanging the access token while it lives, or not at all. */
export type Renewal = 'refresh-token' | 'access-token' | 'none';

/**
 * Optional capability: connects accounts by OAuth 2.0. Every call throws an `OutcomeError`; `unauthorized` from
 * `refresh` means that the grant is dead and a person must connect again, everything else that it may be tried again.
 */
export interface Connector {
  /** What is asked for unless the platform app names others. */
  readonly defaultScopes: readonly string[];
  /** Without one of these nothing can be published. */
  readonly requiredScopes: readonly string[];
  /** Without one of these nothing can be published for accounts of that kind (default none beside the others). */
  readonly requiredScopesOfKind?: Readonly<Partial<Record<AccountKind, readonly string[]>>>;
  /**
   * Who the platform says that it is, where it says so when it sends people back (RFC 9207): an answer in another's name is
   * not believed. Left out where it does not.
   */
  readonly issuer?: string;
  /** `S256` in base64url, `S256-hex` as TikTok wants it, `none` where the platform has no PKCE. */
  readonly pkce: 'S256' | 'S256-hex' | 'none';
  readonly renewal: Renewal;
  /**
   * The refresh token stays the same for its life, so that spending it twice does no harm. Left out: it may rotate, and
   * what may have been spent is tried once more and no further.
   */
  readonly keepsRefreshToken?: boolean;
  readonly authorizeUrl: (input: AuthorizeInput) => string;
  readonly exchange: (input: ExchangeInput, context: CallContext) => Promise<TokenSet>;
  /** Never called twice at once for a grant: platforms that rotate kill the whole family for it. */
  readonly refresh: (
    app: PlatformApp,
    tokens: Pick<TokenSet, 'accessToken' | 'refreshToken'>,
    context: CallContext,
  ) => Promise<TokenSet>;
  /** Left out where the platform has no way to give a token back. */
  readonly revoke?: (
    app: PlatformApp,
    tokens: Pick<TokenSet, 'accessToken' | 'refreshToken'>,
    context: CallContext,
  ) => Promise<void>;
  readonly listAccounts: (
    accessToken: string,
    context: CallContext,
  ) => Promise<readonly ConnectableAccount[]>;
}
