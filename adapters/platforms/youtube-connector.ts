import { OutcomeError } from '../../domain/outcome.ts';
import type { ConnectableAccount, Connector, PlatformApp, TokenSet } from './connector.ts';
import { type AdapterOptions, hostOf } from './definition.ts';
import { type AnswerHeaders, createHttpClient, isObject, parseRetryAfter } from './http.ts';
import type { CallContext } from './publisher.ts';
import { callJson, itemsOf, objectAt, openApi, textAt, type YouTubeApi } from './youtube-api.ts';

// https://developers.google.com/identity/protocols/oauth2/web-server (read 2026-11-21)

const scope = (name: string): string => `https://www.googleapis.com/auth/${name}`;

/** Uploading, and reading the channel and its list of uploads. */
const requiredScopes = [scope('youtube.upload'), scope('youtube.readonly')];
/** Comments, changes and removal. */
const defaultScopes = [...requiredScopes, scope('youtube.force-ssl')];

const callTimeoutMs = 30_000;
const throttledRetryMs = 60_000;

/**
 * Connects channels through their Google accounts. A refresh token lives until it is revoked or six months unused, and
 * for 7 days where the application's consent screen is in testing; refreshing gives no new one.
 */
export function createYouTubeConnector(options: AdapterOptions): Connector {
  const api = openApi(options);
  const [oauthUrl, tokenUrl] = [hostOf(options, 'oauth'), hostOf(options, 'token')];
  const tokens = createTokenCalls(options, tokenUrl, api.now);
  return {
    defaultScopes,
    requiredScopes,
    // https://developers.google.com/identity/openid-connect/reference (read 2026-11-22): the host's origin, no more.
    issuer: oauthUrl,
    pkce: 'S256',
    renewal: 'refresh-token',
    keepsRefreshToken: true,
    authorizeUrl: ({ app, redirectUri, state, scopes, codeChallenge }) => {
      const query = new URLSearchParams({
        client_id: app.clientId,
        redirect_uri: redirectUri,
        response_type: 'code',
        scope: scopes.join(' '),
        state,
        // Without both, somebody who has consented before is given no refresh token.
        access_type: 'offline',
        prompt: 'consent',
        ...(codeChallenge !== null && { code_challenge: codeChallenge, code_challenge_method: 'S256' }),
      });
      return `${oauthUrl}/o/oauth2/v2/auth?${query}`;
    },
    exchange: ({ app, code, redirectUri, codeVerifier }, context) =>
      tokens.grant(app, context, {
        what: 'YouTube code exchange',
        fields: {
          grant_type: 'authorization_code',
          code,
          redirect_uri: redirectUri,
          ...(codeVerifier !== null && { code_verifier: codeVerifier }),
        },
        secrets: codeVerifier === null ? [code] : [code, codeVerifier],
      }),
    refresh: async (app, { refreshToken }, context) => {
      if (!refreshToken) {
        throw new OutcomeError('unauthorized', 'YouTube token refresh: there is no refresh token', {
          sent: false,
        });
      }
      return tokens.grant(app, context, {
        what: 'YouTube token refresh',
        fields: { grant_type: 'refresh_token', refresh_token: refreshToken },
        secrets: [refreshToken],
      });
    },
    // The refresh token takes all access tokens made of it with it.
    revoke: (_app, { accessToken, refreshToken }, context) =>
      tokens.revoke(refreshToken ?? accessToken, context),
    listAccounts: (accessToken, context) => listChannels(api, accessToken, context),
  };
}

// Methods

interface GrantCall {
  readonly what: string;
  readonly fields: Readonly<Record<string, string>>;
  readonly secrets: readonly string[];
}

function createTokenCalls(options: AdapterOptions, tokenUrl: string, now: () => Date) {
  const http = createHttpClient({
    fetch: options.fetch,
    origins: [new URL(tokenUrl).origin],
    mapError: (status, headers, body) => mapTokenError(status, headers, body, now()),
    now,
  });
  const request = (
    context: CallContext,
    call: {
      path: string;
      fields: Readonly<Record<string, string>>;
      what: string;
      secrets: readonly string[];
    },
  ) => ({
    method: 'POST' as const,
    url: `${tokenUrl}${call.path}`,
    headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
    body: new URLSearchParams(call.fields).toString(),
    what: call.what,
    timeoutMs: callTimeoutMs,
    signal: context.signal,
    secrets: call.secrets,
  });
  return {
    async grant(
      app: PlatformApp,
      context: CallContext,
      { what, fields, secrets }: GrantCall,
    ): Promise<TokenSet> {
      const { body } = await http.sendJson(
        request(context, {
          path: '/token',
          fields: { ...fields, client_id: app.clientId, client_secret: app.clientSecret },
          what,
          secrets: [...secrets, app.clientSecret],
        }),
      );
      return parseTokens(body, what, now());
    },
    async revoke(token: string, context: CallContext): Promise<void> {
      const what = 'YouTube revocation';
      try {
        await http.send(request(context, { path: '/revoke', fields: { token }, what, secrets: [token] }));
      } catch (error) {
        // It is dead already.
        if (error instanceof OutcomeError && error.details.platformCode === 'invalid_token') return;
        throw error;
      }
    },
  };
}

/** The channel that was chosen at consent; a Google account without one has nothing to publish for. */
// https://developers.google.com/youtube/v3/docs/channels/list (read 2026-11-21)
async function listChannels(
  api: YouTubeApi,
  accessToken: string,
  context: CallContext,
): Promise<readonly ConnectableAccount[]> {
  const what = 'YouTube channels';
  try {
    const call = { method: 'GET' as const, path: '/channels?part=snippet&mine=true&maxResults=50', what };
    const body = await callJson(api, accessToken, context, call);
    // Where there are none, the list itself may be left out.
    if (body.items === undefined) return [];
    return itemsOf(body, what).map((channel) => parseChannel(channel, what));
  } catch (error) {
    if (error instanceof OutcomeError && error.details.platformCode === 'youtubeSignupRequired') return [];
    throw error;
  }
}

// Pure mappers

function parseChannel(channel: Readonly<Record<string, unknown>>, what: string): ConnectableAccount {
  const externalId = textAt(channel, 'id');
  if (!externalId) throw new OutcomeError('unexpected-response', `${what}: an element has no id`);
  const name = textAt(objectAt(channel, 'snippet'), 'title') ?? externalId;
  return { kind: 'channel', externalId, name, accessToken: null, obstacle: null };
}

function parseTokens(body: Readonly<Record<string, unknown>>, what: string, now: Date): TokenSet {
  const { access_token: accessToken, expires_in: expiresIn } = body;
  if (typeof accessToken !== 'string' || accessToken === '' || typeof expiresIn !== 'number') {
    throw new OutcomeError('unexpected-response', `${what}: no access token or no expiry in the answer`);
  }
  const after = (seconds: unknown): Date | null =>
    typeof seconds === 'number' ? new Date(now.getTime() + seconds * 1000) : null;
  return {
    accessToken,
    refreshToken: textAt(body, 'refresh_token') || null,
    expiresAt: after(expiresIn),
    // Said only where somebody has consented for a time.
    refreshExpiresAt: after(body.refresh_token_expires_in),
    scopes: textAt(body, 'scope')?.split(' ') ?? null,
  };
}

/** Only `invalid_grant` says that a grant is dead; a wrong client is the application's matter, whatever the status. */
function mapTokenError(
  status: number,
  headers: AnswerHeaders,
  body: Readonly<Record<string, unknown>> | null,
  now: Date,
): OutcomeError | null {
  if (status === 429) {
    const retryAfterMs = parseRetryAfter(headers, now) ?? throttledRetryMs;
    return new OutcomeError('rate-limited', 'Google asks for a pause', { status, retryAfterMs });
  }
  const code = textAt(body, 'error');
  if (code === null || !isObject(body) || status >= 500) return null;
  const message = `Google answered ${status} ${code}: ${textAt(body, 'error_description') ?? ''}`.trim();
  const details = { status, platformCode: code };
  return new OutcomeError(code === 'invalid_grant' ? 'unauthorized' : 'rejected', message, details);
}
