import { OutcomeError } from '../../domain/outcome.ts';
import type { ConnectableAccount, Connector, TokenSet } from './connector.ts';
import { type AdapterOptions, hostOf } from './definition.ts';
import { createHttpClient, isObject, path } from './http.ts';
import { callTimeoutMs, mapLinkedInError } from './linkedin-api.ts';
import type { CallContext } from './publisher.ts';

/**
 * Connects a member and the organisations they manage. There is no PKCE for web applications and no documented way to give
 * a token back. Refresh tokens come to approved applications alone, live for a year, and stay the same.
 */
// https://learn.microsoft.com/en-us/linkedin/shared/authentication/authorization-code-flow and
// .../programmatic-refresh-tokens (read 2026-11-21)
export function createLinkedInConnector(options: AdapterOptions): Connector {
  const now = options.now ?? (() => new Date());
  const [api, oauth, token] = ['api', 'oauth', 'token'].map((name) => hostOf(options, name)) as [
    string,
    string,
    string,
  ];
  const tokens = createHttpClient({
    fetch: options.fetch,
    origins: [token],
    mapError: (status, _headers, body) => mapTokenError(status, body),
    now,
  });
  const rest = createHttpClient({
    fetch: options.fetch,
    origins: [api],
    mapError: (status, headers, body) => mapLinkedInError(status, headers, body, now()),
    now,
  });
  const requestToken = async (
    what: string,
    form: Record<string, string>,
    context: CallContext,
  ): Promise<TokenSet> => {
    const { body } = await tokens.sendJson({
      method: 'POST',
      url: `${token}/oauth/v2/accessToken`,
      headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
      body: new URLSearchParams(form).toString(),
      what,
      timeoutMs: callTimeoutMs,
      signal: context.signal,
      secrets: [form.client_secret, form.code, form.refresh_token].filter((one) => one !== undefined),
    });
    return parseTokens(what, body, now());
  };
  const read = async (path: string, accessToken: string, what: string, context: CallContext) => {
    const { body } = await rest.sendJson({
      method: 'GET',
      url: `${api}${path}`,
      headers: {
        Authorization: `Bearer ${accessToken}`,
        'Linkedin-Version': options.version,
        'X-Restli-Protocol-Version': '2.0.0',
      },
      what,
      timeoutMs: callTimeoutMs,
      signal: context.signal,
      secrets: [accessToken],
    });
    return body;
  };
  return {
    defaultScopes: [
      ...['openid', 'profile', 'w_member_social'],
      ...['w_organization_social', 'r_organization_social', 'rw_organization_admin'],
    ],
    // Without these two nobody is known at all.
    requiredScopes: ['openid', 'profile'],
    requiredScopesOfKind: { member: ['w_member_social'], organization: ['w_organization_social'] },
    ...{ pkce: 'none', renewal: 'refresh-token', keepsRefreshToken: true },
    authorizeUrl: ({ app, redirectUri, state, scopes }) =>
      `${oauth}/oauth/v2/authorization?${new URLSearchParams({
        response_type: 'code',
        client_id: app.clientId,
        redirect_uri: redirectUri,
        state,
        scope: scopes.join(' '),
      })}`,
    exchange: ({ app, code, redirectUri }, context) =>
      requestToken(
        'LinkedIn exchange of a code',
        {
          ...{ grant_type: 'authorization_code', code, redirect_uri: redirectUri },
          ...{ client_id: app.clientId, client_secret: app.clientSecret },
        },
        context,
      ),
    refresh: (app, { refreshToken }, context) =>
      requestToken(
        'LinkedIn refresh',
        {
          ...{ grant_type: 'refresh_token', refresh_token: refreshToken ?? '' },
          ...{ client_id: app.clientId, client_secret: app.clientSecret },
        },
        context,
      ),
    listAccounts: async (accessToken, context) => {
      const member = mapMember(await read('/v2/userinfo', accessToken, 'LinkedIn member', context));
      const organizations: ConnectableAccount[] = [];
      for (const { urn, role } of await listRoles(read, accessToken, context)) {
        const name = await nameOfOrganization(read, accessToken, urn, context);
        organizations.push(mapOrganization(urn, role, name));
      }
      return [member, ...organizations];
    },
  };
}

type Read = (
  path: string,
  accessToken: string,
  what: string,
  context: CallContext,
) => Promise<Readonly<Record<string, unknown>>>;

const mostOrganizations = 50;

/** The organisations a member has a role in; none where the application may not ask. */
async function listRoles(
  read: Read,
  accessToken: string,
  context: CallContext,
): Promise<{ urn: string; role: string }[]> {
  const query = `q=roleAssignee&state=APPROVED&count=${mostOrganizations}`;
  try {
    const body = await read(
      `/rest/organizationAcls?${query}`,
      accessToken,
      "LinkedIn member's organisations",
      context,
    );
    return parseRoles(body);
  } catch (error) {
    // Self-serve applications have no access to organisations at all.
    if (error instanceof OutcomeError && error.details.status === 403) return [];
    throw error;
  }
}

async function nameOfOrganization(
  read: Read,
  accessToken: string,
  urn: string,
  context: CallContext,
): Promise<string> {
  const number = urn.replace('urn:li:organization:', '');
  try {
    const { localizedName } = await read(
      path`/rest/organizations/${number}`,
      accessToken,
      'LinkedIn organisation',
      context,
    );
    return typeof localizedName === 'string' && localizedName.trim() !== '' ? localizedName : urn;
  } catch (error) {
    // A name is for people; its id connects as well.
    if (error instanceof OutcomeError && (error.code === 'rejected' || error.code === 'unauthorized'))
      return urn;
    throw error;
  }
}

// Pure mappers

function parseTokens(what: string, body: Readonly<Record<string, unknown>>, now: Date): TokenSet {
  const { access_token: accessToken, refresh_token: refreshToken, scope } = body;
  if (typeof accessToken !== 'string' || accessToken === '')
    throw new OutcomeError('unexpected-response', `${what}: no access_token in the answer`);
  const end = (seconds: unknown): Date | null =>
    typeof seconds === 'number' && seconds > 0 ? new Date(now.getTime() + seconds * 1_000) : null;
  return {
    accessToken,
    refreshToken: typeof refreshToken === 'string' && refreshToken !== '' ? refreshToken : null,
    expiresAt: end(body.expires_in),
    refreshExpiresAt: end(body.refresh_token_expires_in),
    scopes: typeof scope === 'string' && scope !== '' ? scope.split(/[\s,]+/).filter(Boolean) : null,
  };
}

/** OAuth's own error shape. Only `invalid_grant` says that a code or a refresh token is dead. */
function mapTokenError(status: number, body: Readonly<Record<string, unknown>> | null): OutcomeError | null {
  if (body === null || typeof body.error !== 'string' || status === 429 || status >= 500) return null;
  const text = typeof body.error_description === 'string' ? `: ${body.error_description}` : '';
  const code = body.error === 'invalid_grant' ? 'unauthorized' : 'rejected';
  const details = { status, platformCode: body.error };
  return new OutcomeError(code, `LinkedIn answered ${status} ${body.error}${text}`, details);
}

function mapMember(body: Readonly<Record<string, unknown>>): ConnectableAccount {
  if (typeof body.sub !== 'string' || body.sub === '')
    throw new OutcomeError('unexpected-response', 'LinkedIn member: no sub in the answer');
  const name = typeof body.name === 'string' && body.name.trim() !== '' ? body.name : body.sub;
  return {
    kind: 'member',
    externalId: `urn:li:person:${body.sub}`,
    ...{ name, accessToken: null, obstacle: null },
  };
}

const publishingRoles = ['ADMINISTRATOR', 'CONTENT_ADMIN', 'DIRECT_SPONSORED_CONTENT_POSTER'];

function parseRoles(body: Readonly<Record<string, unknown>>): { urn: string; role: string }[] {
  const elements = Array.isArray(body.elements) ? body.elements.filter(isObject) : null;
  if (elements === null)
    throw new OutcomeError(
      'unexpected-response',
      "LinkedIn member's organisations: no elements in the answer",
    );
  const found = elements.flatMap(({ organization, organizationTarget, role }) => {
    const urn = organization ?? organizationTarget;
    return typeof urn === 'string' && /^urn:li:organization:\w+$/.test(urn)
      ? [{ urn, role: String(role) }]
      : [];
  });
  // Several roles at one organisation are several elements: one that may publish counts.
  return [...new Set(found.map(({ urn }) => urn))].map((urn) => {
    const roles = found.filter((one) => one.urn === urn).map(({ role }) => role);
    return { urn, role: roles.find((role) => publishingRoles.includes(role)) ?? roles[0]! };
  });
}

const mapOrganization = (urn: string, role: string, name: string): ConnectableAccount => ({
  ...{ kind: 'organization', externalId: urn, name, accessToken: null },
  obstacle: publishingRoles.includes(role)
    ? null
    : `The role ${role} may not publish for it; an administrator of the organisation can change that`,
});
