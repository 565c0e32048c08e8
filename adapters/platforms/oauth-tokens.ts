import { OutcomeError } from '../../domain/outcome.ts';
import type { TokenSet } from './connector.ts';

/** What connectors share: OAuth 2.0 as it is written down, where a platform keeps to it. */

/** The answer of a token endpoint (RFC 6749, section 5.1); the life of a refresh token by either of its usual names. */
export function parseTokens(body: Readonly<Record<string, unknown>>, what: string, now: Date): TokenSet {
  const { access_token: accessToken, refresh_token: refreshToken, scope } = body;
  if (typeof accessToken !== 'string' || accessToken === '') {
    throw new OutcomeError('unexpected-response', `${what}: no access token in the answer`);
  }
  return {
    accessToken,
    refreshToken: typeof refreshToken === 'string' && refreshToken !== '' ? refreshToken : null,
    expiresAt: after(body.expires_in, now),
    refreshExpiresAt: after(body.refresh_expires_in ?? body.refresh_token_expires_in, now),
    scopes: typeof scope === 'string' ? scope.split(/[\s,]+/).filter((one) => one !== '') : null,
  };
}

const after = (seconds: unknown, now: Date): Date | null =>
  typeof seconds === 'number' ? new Date(now.getTime() + seconds * 1_000) : null;

/** A grant that cannot be refreshed without a refresh token; said before anything is sent. */
export function requireRefreshToken(refreshToken: string | null, what: string): string {
  if (refreshToken !== null) return refreshToken;
  throw new OutcomeError('unauthorized', `${what}: the grant has no refresh token`, { sent: false });
}
