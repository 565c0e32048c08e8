import { linkedin } from '../../../adapters/platforms/linkedin.ts';
import { createLinkedInConnector } from '../../../adapters/platforms/linkedin-connector.ts';
import { context, outcomeOf, scripted } from './support.ts';

// Answers follow https://learn.microsoft.com/en-us/linkedin/shared/authentication/authorization-code-flow,
// .../programmatic-refresh-tokens and .../organizations/organization-access-control-by-role (read 2026-11-21).

const at = new Date('2026-11-21T18:00:00Z');
const connectorOf = (...answers: Parameters<typeof scripted>) => {
  const { fetch, sent } = scripted(...answers);
  return { connector: createLinkedInConnector({ ...linkedin.live, fetch, now: () => at }), sent };
};
const app = { clientId: 'client', clientSecret: 'app-secret' };
const redirectUri = 'https://gatepost.test/api/v1/oauth/callback/1';
const form = (body: unknown) => Object.fromEntries(new URLSearchParams(body as string));

test('sends people to LinkedIn with state and scopes', () => {
  const { connector } = connectorOf();
  const url = new URL(
    connector.authorizeUrl({
      app,
      redirectUri,
      state: 's',
      scopes: ['openid', 'profile'],
      codeChallenge: null,
    }),
  );
  expect(`${url.origin}${url.pathname}`).toBe('https://www.linkedin.com/oauth/v2/authorization');
  expect(Object.fromEntries(url.searchParams)).toEqual({
    ...{
      response_type: 'code',
      client_id: 'client',
      redirect_uri: redirectUri,
      state: 's',
      scope: 'openid profile',
    },
  });
});

test('exchanges a code for tokens with their ends', async () => {
  const { connector, sent } = connectorOf({
    status: 200,
    body: {
      ...{ access_token: 'AQ', expires_in: 5_184_000, scope: 'openid,profile,w_member_social' },
      ...{ refresh_token: 'RT', refresh_token_expires_in: 31_536_000 },
    },
  });
  const tokens = await connector.exchange(
    { app, code: 'the-code', redirectUri, codeVerifier: null },
    context(),
  );
  expect(tokens).toEqual({
    ...{ accessToken: 'AQ', refreshToken: 'RT', scopes: ['openid', 'profile', 'w_member_social'] },
    expiresAt: new Date('2027-01-20T18:00:00Z'),
    refreshExpiresAt: new Date('2027-11-21T18:00:00Z'),
  });
  expect(sent[0]).toMatchObject({ method: 'POST', url: 'https://www.linkedin.com/oauth/v2/accessToken' });
  expect(form(sent[0]!.body)).toEqual({
    ...{ grant_type: 'authorization_code', code: 'the-code', redirect_uri: redirectUri },
    ...{ client_id: 'client', client_secret: 'app-secret' },
  });
});

test('refreshes, and knows of no refresh token where there is none', async () => {
  const { connector, sent } = connectorOf({ status: 200, body: { access_token: 'AQ2', expires_in: 60 } });
  const tokens = await connector.refresh(app, { accessToken: 'AQ', refreshToken: 'RT' }, context());
  expect(tokens).toMatchObject({ accessToken: 'AQ2', refreshToken: null, scopes: null });
  expect(form(sent[0]!.body)).toMatchObject({ grant_type: 'refresh_token', refresh_token: 'RT' });
});

test.each([
  [400, { error: 'invalid_grant', error_description: 'The refresh token is revoked' }, 'unauthorized'],
  [401, { error: 'invalid_client', error_description: 'Client authentication failed' }, 'rejected'],
  [429, { error: 'too_many' }, 'rate-limited'],
  [503, { error: 'temporarily_unavailable' }, 'unavailable'],
  [200, { nothing: 1 }, 'unexpected-response'],
])('reads %d %j as %s', async (status, body, code) => {
  const { connector } = connectorOf({ status, body });
  const error = await outcomeOf(connector.refresh(app, { accessToken: 'AQ', refreshToken: 'RT' }, context()));
  expect(error.code).toBe(code);
});

test('shows neither secret nor token in an error that repeats them', async () => {
  const { connector } = connectorOf({
    ...{ status: 400, body: { error: 'invalid_request', error_description: 'app-secret and RT-secret' } },
  });
  const error = await outcomeOf(
    connector.refresh(app, { accessToken: 'AQ', refreshToken: 'RT-secret' }, context()),
  );
  expect(error.message).toBe(
    'LinkedIn refresh: LinkedIn answered 400 invalid_request: [redacted] and [redacted]',
  );
});

test('finds the member, and their organisations with what stands in the way', async () => {
  const { connector, sent } = connectorOf(
    { status: 200, body: { sub: 'Ab1', name: 'Ada Lovelace' } },
    {
      status: 200,
      body: {
        elements: [
          { organization: 'urn:li:organization:1', role: 'ANALYST', state: 'APPROVED' },
          { organization: 'urn:li:organization:1', role: 'CONTENT_ADMIN', state: 'APPROVED' },
          { organizationTarget: 'urn:li:organization:2', role: 'ANALYST', state: 'APPROVED' },
        ],
      },
    },
    { status: 200, body: { localizedName: 'Analytical Ltd' } },
    { status: 403, body: { code: 'ACCESS_DENIED', message: 'no' } },
  );
  expect(await connector.listAccounts('AQ', context())).toEqual([
    {
      kind: 'member',
      externalId: 'urn:li:person:Ab1',
      name: 'Ada Lovelace',
      accessToken: null,
      obstacle: null,
    },
    {
      ...{ kind: 'organization', externalId: 'urn:li:organization:1', name: 'Analytical Ltd' },
      ...{ accessToken: null, obstacle: null },
    },
    {
      ...{ kind: 'organization', externalId: 'urn:li:organization:2', name: 'urn:li:organization:2' },
      accessToken: null,
      obstacle:
        'The role ANALYST may not publish for it; an administrator of the organisation can change that',
    },
  ]);
  expect(sent.map(({ url }) => new URL(url).pathname)).toEqual([
    ...['/v2/userinfo', '/rest/organizationAcls', '/rest/organizations/1', '/rest/organizations/2'],
  ]);
});

test('finds the member alone where the application may not ask for organisations', async () => {
  const { connector } = connectorOf(
    { status: 200, body: { sub: 'Ab1', name: 'Ada' } },
    { status: 403, body: { code: 'ACCESS_DENIED', message: 'no' } },
  );
  expect(await connector.listAccounts('AQ', context())).toHaveLength(1);
});
