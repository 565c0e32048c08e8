import { createHash, randomBytes, randomUUID } from 'node:crypto';
import type { Account, IssuedToken } from './accounts.ts';
import { renderConsent, renderNoClient } from './consent-page.ts';
import type { SandboxContext } from './context.ts';
import type { Grant, SandboxOAuth, TokenEndpoint } from './oauth-definition.ts';
import type { OperationName, Platform } from './platforms/index.ts';
import {
  bearerToken,
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
  isOffline: boolean;
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
  login?: string,
): { operations: Operation[]; clear(): void } {
  const consents = context.shelf<Consent>([platform, login, 'consent'].filter(Boolean).join('-'));
  const nowMs = () => context.now().getTime();
  const fail = (code: string, description: string, grant?: Grant): Refusal => {
    const { status, body } = oauth.errorBody(code, description, grant);
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
      throw new Refusal({ status: 400, ...renderNoClient() });
    }
    if (get('response_type') !== 'code')
      throw new Refusal(back(redirectUri, parameters, 'unsupported_response_type'));
    const codeChallenge = (oauth.pkce !== 'none' && get('code_challenge')) || undefined;
    const isMissing = oauth.pkce !== 'none' && !oauth.isPkceOptional && !codeChallenge;
    // Without the method a challenge would be the verifier itself, which is not served.
    if (isMissing || (codeChallenge && get('code_challenge_method') !== 'S256'))
      throw new Refusal(back(redirectUri, parameters, 'invalid_request'));
    const scopes = split(get('scope'));
    return { clientId: get(clientIdName), redirectUri, codeChallenge, state: get('state'), scopes };
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
      const isOffered = (account: Account) =>
        account.platform === platform && (oauth.kinds?.includes(account.kind) ?? true);
      const accounts = context.accounts.list().filter(isOffered);
      const page = renderConsent({ platform, clientId, scopes, accounts, action: `?${call.rawQuery}` });
      return { status: 200, ...page };
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
      const scopes = request.scopes.filter((scope) => form.getAll('scope').includes(scope));
      const consent: Consent = {
        id: randomUUID(),
        ...{ clientId: request.clientId, redirectUri: request.redirectUri, code },
        ...(request.codeChallenge && { codeChallenge: request.codeChallenge }),
        scopes,
        isOffline: oauth.isOffline?.({ query: call.query, scopes }) ?? true,
        externalIds: form.getAll('account'),
        codeExpiresAt: nowMs() + oauth.codeSeconds * 1_000,
        ...{ isCodeUsed: false, isRevoked: false, spentRefreshTokens: [], accessTokens: [] },
      };
      await consents.put(consent.id, consent);
      const iss = `http://${call.headers.host}/${platform}`;
      return redirect(request.redirectUri, { code, state: request.state, ...(oauth.namesIssuer && { iss }) });
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
        const clientId = requireClient(call, parameters, endpoint.proof);
        const grant = grantOf(call);
        // One at a time, so that of two who spend a token one is the second.
        return context.serialize(`${platform} oauth`, async () => {
          switch (grant) {
            case 'code':
              return answer(grant, await takeCode(clientId, parameters), oauth.accessSeconds, true);
            case 'refresh': {
              const consent = await takeRefresh(clientId, parameters);
              return answer(grant, consent, oauth.accessSeconds, oauth.rotates);
            }
            case 'exchange': {
              const token = parameters.get(endpoint.exchangedName ?? 'access_token') ?? '';
              const seconds =
                oauth.exchangedSeconds === undefined ? oauth.accessSeconds : oauth.exchangedSeconds;
              return answer(grant, takeExchange(clientId, token, endpoint), seconds, false);
            }
            default:
              throw fail('unsupported_grant_type', 'The grant type is not served');
          }
        });
      },
    };
  });

  const parametersOf = (call: Call) => (call.method === 'GET' ? call.query : formOf(call));

  /** The client's name, empty where none has to be told. */
  function requireClient(
    call: Call,
    parameters: URLSearchParams,
    proof: TokenEndpoint['proof'] = 'client',
  ): string {
    const [id, secret] =
      oauth.clientAuth === 'basic'
        ? basicCredentials(call)
        : [parameters.get(clientIdName) ?? '', parameters.get('client_secret') ?? ''];
    if (proof === 'none' || (secret && (id || proof === 'secret'))) return id;
    throw fail('invalid_client', 'Client authentication failed');
  }

  async function takeCode(clientId: string, parameters: URLSearchParams): Promise<Consent> {
    const refused = (description: string) => fail('invalid_grant', description, 'code');
    const consent = find(({ code }) => code === parameters.get('code'));
    if (!consent) throw refused('The code is unknown');
    if (consent.isCodeUsed) {
      await revoke(consent);
      throw refused('The code was used before');
    }
    if (nowMs() >= consent.codeExpiresAt) throw refused('The code has expired');
    if (consent.clientId !== clientId) throw refused('The code was given to another client');
    if (consent.redirectUri !== parameters.get('redirect_uri')) throw refused('redirect_uri mismatch');
    if (consent.codeChallenge !== undefined && challengeOf(parameters) !== consent.codeChallenge)
      throw refused('The code verifier does not match the challenge');
    return { ...consent, isCodeUsed: true };
  }

  function challengeOf(parameters: URLSearchParams): string {
    const hash = createHash('sha256').update(parameters.get('code_verifier') ?? '');
    return oauth.pkce === 'S256-hex' ? hash.digest('hex') : hash.digest('base64url');
  }

  async function takeRefresh(clientId: string, parameters: URLSearchParams): Promise<Consent> {
    const refused = (description: string) => fail('invalid_grant', description, 'refresh');
    const token = parameters.get('refresh_token') ?? '';
    const reused = find(({ spentRefreshTokens }) => spentRefreshTokens.includes(token));
    if (reused) {
      if (oauth.sparesFamily) throw refused('The refresh token was used before');
      await revoke(reused);
      throw refused('The refresh token was used before; everything that came of it is revoked');
    }
    const consent = find(({ refreshToken, isRevoked }) => refreshToken === token && !isRevoked);
    if (!consent || consent.clientId !== clientId) throw refused('The refresh token is invalid');
    if (consent.refreshExpiresAt !== undefined && nowMs() >= consent.refreshExpiresAt)
      throw refused('The refresh token has expired');
    if (!oauth.rotates) return consent;
    return { ...consent, spentRefreshTokens: [...consent.spentRefreshTokens, token] };
  }

  function takeExchange(clientId: string, token: string, { minAgeSeconds = 0 }: TokenEndpoint): Consent {
    const consent = find(({ accessTokens, isRevoked }) => accessTokens.includes(token) && !isRevoked);
    const isTheirs = consent && (clientId === '' || consent.clientId === clientId);
    const issued = context.accounts.findIssued(platform, token, context.now());
    if (!isTheirs || !issued)
      throw fail('invalid_grant', 'The access token has expired or is unknown', 'exchange');
    if (nowMs() - Date.parse(issued.issuedAt) < minAgeSeconds * 1_000)
      throw fail('invalid_request', `The access token is less than ${minAgeSeconds} seconds old`, 'exchange');
    return consent;
  }

  async function answer(
    grant: Grant,
    consent: Consent,
    seconds: number | null,
    withRefresh: boolean,
  ): Promise<Reply> {
    const accessToken = randomBytes(32).toString('base64url');
    const { refreshSeconds } = oauth;
    const gives = withRefresh && refreshSeconds !== null && consent.isOffline;
    const refreshToken = gives ? randomBytes(32).toString('base64url') : undefined;
    const refreshExpiresAt =
      gives && refreshSeconds !== 'endless' ? nowMs() + refreshSeconds * 1_000 : consent.refreshExpiresAt;
    await consents.put(consent.id, {
      ...consent,
      ...(refreshToken && { refreshToken }),
      ...(refreshExpiresAt !== undefined && { refreshExpiresAt }),
      accessTokens: [...consent.accessTokens, accessToken],
    });
    const { scopes, externalIds } = consent;
    const issuedAt = context.now();
    const issued: IssuedToken = {
      ...{ platform, token: accessToken, scopes, externalIds, issuedAt: issuedAt.toISOString() },
      expiresAt: seconds === null ? undefined : new Date(issuedAt.getTime() + seconds * 1_000).toISOString(),
    };
    await context.accounts.issue(issued);
    const refreshExpiresInSeconds =
      refreshExpiresAt === undefined ? null : Math.floor((refreshExpiresAt - nowMs()) / 1_000);
    return jsonReply(
      200,
      oauth.tokenBody({
        ...{ accessToken, expiresInSeconds: seconds, refreshExpiresInSeconds, scopes, externalIds },
        ...{ grant, issuedAt },
        ...(refreshToken && { refreshToken }),
      }),
    );
  }

  async function revoke(consent: Consent): Promise<void> {
    for (const token of consent.accessTokens) await context.accounts.withdraw(platform, token);
    await consents.put(consent.id, { ...consent, isRevoked: true });
  }

  function createRevocation(revocation: NonNullable<SandboxOAuth['revocation']>): Operation {
    const { method, path, proof = 'client', refusesUnknown, body = {} } = revocation;
    return {
      ...{ name: nameOf('revoke'), method, path, isOpen: true, faultReplies: faultReplies() },
      subject: () => undefined,
      async handle(call) {
        const client = proof === 'client' ? requireClient(call, formOf(call)) : undefined;
        const named = formOf(call).get('token') ?? call.query.get('token');
        const token = (proof === 'bearer' ? bearerToken(call) : named) ?? '';
        const consent = find(
          ({ refreshToken, accessTokens, isRevoked }) =>
            !isRevoked && (refreshToken === token || accessTokens.includes(token)),
        );
        if (!consent && (refusesUnknown || proof === 'bearer'))
          throw fail('invalid_token', 'The token has expired or is revoked', 'exchange');
        if (consent && client !== undefined && consent.clientId !== client)
          throw fail('invalid_client', 'The token was given to another client');
        for (const one of consents.list())
          if (one === consent || (proof === 'bearer' && one.clientId === consent?.clientId))
            await revoke(one);
        // RFC 7009: what is unknown is revoked already.
        return jsonReply(200, body);
      },
    };
  }

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
    operations: [
      ...[showConsent, takeConsent, ...tokenOperations],
      ...(oauth.revocation ? [createRevocation(oauth.revocation)] : []),
    ],
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
