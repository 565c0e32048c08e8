import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { renderConsent } from './consent-page.ts';
import type { SandboxContext } from './context.ts';
import type { SandboxOAuth } from './oauth-definition.ts';
import type { OperationName, Platform } from './platforms/index.ts';
import {
  type Call,
  type FaultReplies,
  formOf,
  jsonReply,
  type Operation,
  Refusal,
  type Reply,
} from './protocol.ts';

/** What one person allowed one client, and every token that came of it. */
interface Consent {
  id: string;
  clientId: string;
  redirectUri: string;
  scopes: string[];
  externalIds: string[];
  codeChallenge?: string;
  code: string;
  codeExpiresAt: number;
  isCodeUsed: boolean;
  isRevoked: boolean;
  refreshToken?: string;
  refreshExpiresAt?: number;
  spentRefreshTokens: string[];
  accessTokens: string[];
}

/**
 * An authorization server for one platform: a consent page, codes that work once, tokens that the platform's own calls
 * take from then on, refreshes, and revocation. It takes any client's name and any secret that is not empty; what a code
 * was given to is the only one it is good for.
 */
export function createOAuth(
  context: SandboxContext,
  platform: Platform,
  oauth: SandboxOAuth,
): { operations: Operation[]; clear(): void } {
  const consents = context.shelf<Consent>(`${platform}-consent`);
  const nowMs = () => context.now().getTime();
  const fail = (code: string, description: string): Refusal => {
    const { status, body } = oauth.errorBody(code, description);
    return new Refusal(jsonReply(status, body));
  };
  const clientIdName = oauth.clientIdName ?? 'client_id';
  const separator = oauth.scopeSeparator ?? ' ';
  const nameOf = (call: 'authorize' | 'token' | 'refresh' | 'revoke') =>
    `${platform}.oauth.${call}` as OperationName;
  const find = (matches: (consent: Consent) => boolean) => consents.list().find(matches);

  /** What the client asks for; an answer to a bad request never goes to an address that nobody has checked. */
  function readRequest(parameters: URLSearchParams) {
    const get = (name: string) => parameters.get(name) ?? '';
    const redirectUri = get('redirect_uri');
    if (!get(clientIdName) || !URL.canParse(redirectUri)) {
      throw new Refusal(htmlReply(400, '<p>The address has no client or no redirect URI.</p>'));
    }
    if (get('response_type') !== 'code')
      throw new Refusal(back(redirectUri, parameters, 'unsupported_response_type'));
    const codeChallenge = get('code_challenge') || undefined;
    if (oauth.pkce !== 'none' && !codeChallenge)
      throw new Refusal(back(redirectUri, parameters, 'invalid_request'));
    return {
      clientId: get(clientIdName),
      redirectUri,
      codeChallenge,
      state: get('state'),
      scopes: split(get('scope')),
    };
  }

  const split = (scopes: string) =>
    scopes
      .split(separator)
      .map((scope) => scope.trim())
      .filter(Boolean);

  function back(redirectUri: string, parameters: URLSearchParams, error: string): Reply {
    return redirect(redirectUri, { error, error_description: error, state: parameters.get('state') ?? '' });
  }

  const showConsent: Operation = {
    name: nameOf('authorize'),
    method: 'get',
    path: oauth.authorizePath,
    isOpen: true,
    faultReplies: faultReplies(),
    subject: () => undefined,
    handle(call) {
      const { clientId, scopes } = readRequest(call.query);
      const accounts = context.accounts.list().filter((account) => account.platform === platform);
      return htmlReply(
        200,
        renderConsent({ platform, clientId, scopes, accounts, action: `?${call.rawQuery}` }),
      );
    },
  };

  const takeConsent: Operation = {
    ...showConsent,
    method: 'post',
    async handle(call) {
      const request = readRequest(call.query);
      const form = formOf(call);
      if (form.get('decision') !== 'allow')
        return back(request.redirectUri, call.query, oauth.cancelError ?? 'access_denied');
      const code = randomBytes(24).toString('base64url');
      const consent: Consent = {
        id: randomUUID(),
        ...{ clientId: request.clientId, redirectUri: request.redirectUri, code },
        ...(request.codeChallenge && { codeChallenge: request.codeChallenge }),
        scopes: request.scopes.filter((scope) => form.getAll('scope').includes(scope)),
        externalIds: form.getAll('account'),
        codeExpiresAt: nowMs() + oauth.codeSeconds * 1_000,
        ...{ isCodeUsed: false, isRevoked: false, spentRefreshTokens: [], accessTokens: [] },
      };
      await consents.put(consent.id, consent);
      return redirect(request.redirectUri, { code, state: request.state });
    },
  };

  const tokenOperations = oauth.tokenEndpoints.map((endpoint): Operation => {
    const grantOf = (call: Call) => endpoint.grants[parametersOf(call).get('grant_type') ?? ''];
    return {
      name: (call) => nameOf(grantOf(call) === 'code' ? 'token' : 'refresh'),
      ...{ method: endpoint.method, path: endpoint.path, isOpen: true, faultReplies: faultReplies() },
      subject: () => undefined,
      async handle(call) {
        const parameters = parametersOf(call);
        const clientId = requireClient(call, parameters);
        const grant = grantOf(call);
        // One at a time, so that of two who spend a token one is the second.
        return context.serialize(`${platform} oauth`, async () => {
          switch (grant) {
            case 'code':
              return answer(await takeCode(clientId, parameters), oauth.accessSeconds, true);
            case 'refresh':
              return answer(await takeRefresh(clientId, parameters), oauth.accessSeconds, oauth.rotates);
            case 'exchange': {
              const token = parameters.get(endpoint.exchangedName ?? 'access_token') ?? '';
              const seconds =
                oauth.exchangedSeconds === undefined ? oauth.accessSeconds : oauth.exchangedSeconds;
              return answer(takeExchange(clientId, token), seconds, false);
            }
            default:
              throw fail('unsupported_grant_type', 'The grant type is not served');
          }
        });
      },
    };
  });

  const parametersOf = (call: Call) => (call.method === 'GET' ? call.query : formOf(call));

  function requireClient(call: Call, parameters: URLSearchParams): string {
    const [id, secret] =
      oauth.clientAuth === 'basic'
        ? basicCredentials(call)
        : [parameters.get(clientIdName) ?? '', parameters.get('client_secret') ?? ''];
    const isExchange = parameters.has('access_token');
    // Where a living access token is what proves it, no client is named.
    if (isExchange || (id && secret)) return id;
    throw fail('invalid_client', 'Client authentication failed');
  }

  async function takeCode(clientId: string, parameters: URLSearchParams): Promise<Consent> {
    const consent = find(({ code }) => code === parameters.get('code'));
    if (!consent) throw fail('invalid_grant', 'The code is unknown');
    if (consent.isCodeUsed) {
      await revoke(consent);
      throw fail('invalid_grant', 'The code was used before');
    }
    if (nowMs() >= consent.codeExpiresAt) throw fail('invalid_grant', 'The code has expired');
    if (consent.clientId !== clientId) throw fail('invalid_grant', 'The code was given to another client');
    if (consent.redirectUri !== parameters.get('redirect_uri'))
      throw fail('invalid_grant', 'redirect_uri mismatch');
    if (consent.codeChallenge !== undefined && challengeOf(parameters) !== consent.codeChallenge)
      throw fail('invalid_grant', 'The code verifier does not match the challenge');
    return { ...consent, isCodeUsed: true };
  }

  function challengeOf(parameters: URLSearchParams): string {
    const hash = createHash('sha256').update(parameters.get('code_verifier') ?? '');
    return oauth.pkce === 'S256-hex' ? hash.digest('hex') : hash.digest('base64url');
  }

  async function takeRefresh(clientId: string, parameters: URLSearchParams): Promise<Consent> {
    const token = parameters.get('refresh_token') ?? '';
    const reused = find(({ spentRefreshTokens }) => spentRefreshTokens.includes(token));
    if (reused) {
      await revoke(reused);
      throw fail('invalid_grant', 'The refresh token was used before; everything that came of it is revoked');
    }
    const consent = find(({ refreshToken, isRevoked }) => refreshToken === token && !isRevoked);
    if (!consent || consent.clientId !== clientId)
      throw fail('invalid_grant', 'The refresh token is invalid');
    if (consent.refreshExpiresAt !== undefined && nowMs() >= consent.refreshExpiresAt)
      throw fail('invalid_grant', 'The refresh token has expired');
    if (!oauth.rotates) return consent;
    return { ...consent, spentRefreshTokens: [...consent.spentRefreshTokens, token] };
  }

  function takeExchange(clientId: string, token: string): Consent {
    const consent = find(({ accessTokens, isRevoked }) => accessTokens.includes(token) && !isRevoked);
    const isTheirs = consent && (clientId === '' || consent.clientId === clientId);
    if (!isTheirs || !context.accounts.isIssued(platform, token, context.now()))
      throw fail('invalid_grant', 'The access token has expired or is unknown');
    return consent;
  }

  async function answer(consent: Consent, seconds: number | null, withRefresh: boolean): Promise<Reply> {
    const accessToken = randomBytes(32).toString('base64url');
    const gives = withRefresh && oauth.refreshSeconds !== null;
    const refreshToken = gives ? randomBytes(32).toString('base64url') : undefined;
    const refreshExpiresAt = gives ? nowMs() + oauth.refreshSeconds! * 1_000 : consent.refreshExpiresAt;
    await consents.put(consent.id, {
      ...consent,
      ...(refreshToken && { refreshToken }),
      ...(refreshExpiresAt !== undefined && { refreshExpiresAt }),
      accessTokens: [...consent.accessTokens, accessToken],
    });
    const { scopes, externalIds } = consent;
    const expiresAt = seconds === null ? undefined : new Date(nowMs() + seconds * 1_000).toISOString();
    await context.accounts.issue({ platform, token: accessToken, scopes, externalIds, expiresAt });
    const refreshExpiresInSeconds =
      refreshExpiresAt === undefined ? null : Math.floor((refreshExpiresAt - nowMs()) / 1_000);
    return jsonReply(
      200,
      oauth.tokenBody({
        ...{ accessToken, expiresInSeconds: seconds, refreshExpiresInSeconds, scopes, externalIds },
        ...(refreshToken && { refreshToken }),
      }),
    );
  }

  async function revoke(consent: Consent): Promise<void> {
    for (const token of consent.accessTokens) await context.accounts.withdraw(platform, token);
    await consents.put(consent.id, { ...consent, isRevoked: true });
  }

  const revocation: Operation[] = oauth.revokePath
    ? [
        {
          name: nameOf('revoke'),
          ...{ method: 'post', path: oauth.revokePath, isOpen: true, faultReplies: faultReplies() },
          subject: () => undefined,
          async handle(call) {
            const token = formOf(call).get('token') ?? call.query.get('token') ?? '';
            const consent = find(
              ({ refreshToken, accessTokens }) => refreshToken === token || accessTokens.includes(token),
            );
            // RFC 7009: what is unknown is revoked already.
            if (consent) await revoke(consent);
            return jsonReply(200, {});
          },
        },
      ]
    : [];

  function faultReplies(): FaultReplies {
    const reply = (
      code: string,
      description: string,
      status?: number,
      headers?: Record<string, string>,
    ): Reply => {
      const error = oauth.errorBody(code, description);
      return jsonReply(status ?? error.status, error.body, headers);
    };
    return {
      refuse: ({ status, code, message }) =>
        reply(String(code ?? 'invalid_request'), message ?? 'Refused', status),
      throttle: ({ status, retryAfterSeconds }) =>
        reply(
          'too_many_requests',
          'Slow down',
          status ?? 429,
          retryAfterSeconds === undefined ? {} : { 'retry-after': String(retryAfterSeconds) },
        ),
      expiredToken: () => reply('invalid_grant', 'The token has expired'),
      serverError: ({ status, message }) => reply('server_error', message ?? 'Internal error', status ?? 500),
    };
  }

  return {
    operations: [showConsent, takeConsent, ...tokenOperations, ...revocation],
    clear: () => consents.clear(),
  };
}

function basicCredentials({ headers }: Call): [string, string] {
  const [, encoded = ''] = /^Basic (\S+)$/i.exec(headers.authorization ?? '') ?? [];
  const [id = '', secret = ''] = Buffer.from(encoded, 'base64').toString('utf8').split(':');
  return [decodeURIComponent(id), decodeURIComponent(secret)];
}

function redirect(redirectUri: string, answer: Record<string, string>): Reply {
  const url = new URL(redirectUri);
  for (const [name, value] of Object.entries(answer)) url.searchParams.set(name, value);
  return { status: 302, headers: { location: url.href } };
}

const htmlReply = (status: number, body: string): Reply => ({
  status,
  headers: {
    'content-type': 'text/html; charset=utf-8',
    // Where the form leads on to is the client's affair, and browsers count redirects.
    'content-security-policy': "default-src 'none'; form-action *; base-uri 'none'; frame-ancestors 'none'",
    ...{ 'referrer-policy': 'no-referrer', 'cache-control': 'no-store' },
  },
  body,
});
