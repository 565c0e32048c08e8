import { createHash } from 'node:crypto';
import type { IssuedToken } from '../../sandbox/accounts.ts';
import { createSerializer, type SandboxContext } from '../../sandbox/context.ts';
import { createOAuth } from '../../sandbox/oauth.ts';
import type { SandboxOAuth } from '../../sandbox/oauth-definition.ts';
import { type Call, Refusal, type Reply } from '../../sandbox/protocol.ts';
import {
  createClock,
  json,
  linkedinHeaders,
  member,
  organization,
  postBody,
  startTestSandbox,
  type TestSandbox,
} from './helpers.ts';

const redirectUri = 'https://client.test/callback';

describe("LinkedIn's", () => {
  const clock = createClock();
  let sandbox: TestSandbox;
  beforeAll(async () => {
    sandbox = await startTestSandbox({ now: clock.now });
  });
  afterAll(() => sandbox.stop());

  const authorize = (more: Record<string, string> = {}) =>
    `/linkedin/oauth/v2/authorization?${new URLSearchParams({
      ...{ response_type: 'code', client_id: 'client', redirect_uri: redirectUri, state: 'st' },
      ...{ scope: 'openid profile w_organization_social', ...more },
    })}`;
  async function decide(fields: [string, string][], path = authorize()): Promise<URL> {
    const response = await sandbox.get(path, {
      ...{ method: 'POST', redirect: 'manual' },
      body: new URLSearchParams(fields),
    });
    expect(response.status).toBe(302);
    return new URL(response.headers.get('location')!);
  }
  const allow: [string, string][] = [
    ['decision', 'allow'],
    ['account', organization],
    ['scope', 'openid'],
    ['scope', 'w_organization_social'],
  ];
  const token = (fields: Record<string, string>) =>
    sandbox.get('/linkedin/oauth/v2/accessToken', {
      method: 'POST',
      body: new URLSearchParams({ client_id: 'client', client_secret: 'secret', ...fields }),
    });
  const exchange = (code: string, more: Record<string, string> = {}) =>
    token({ grant_type: 'authorization_code', code, redirect_uri: redirectUri, ...more });
  const publish = (accessToken: string, text: string, author = organization) =>
    sandbox.get('/linkedin/rest/posts', {
      ...{ method: 'POST', headers: linkedinHeaders(accessToken) },
      body: JSON.stringify(postBody(text, author)),
    });

  it('page offers the accounts and the scopes, without a script', async () => {
    const response = await sandbox.get(authorize());
    const page = await response.text();
    expect(page).toContain('Analytical Ltd');
    expect(page).toContain('<code>w_organization_social</code>');
    expect(page).not.toContain('<script');
    expect(response.headers.get('content-security-policy')).toContain("default-src 'none'");
  });

  it('code gives tokens for what was chosen, once; used again it takes them back', async () => {
    const to = await decide(allow);
    expect([to.origin + to.pathname, to.searchParams.get('state')]).toEqual([redirectUri, 'st']);
    const code = to.searchParams.get('code')!;
    const tokens = await json(await exchange(code));
    expect(tokens).toMatchObject({ expires_in: 5_184_000, scope: 'openid,w_organization_social' });
    const accessToken = tokens.access_token as string;
    expect((await publish(accessToken, 'By consent')).status).toBe(201);
    expect((await publish(accessToken, 'Not theirs', member)).status).toBe(403);
    const replayed = await exchange(code);
    expect([replayed.status, await json(replayed)]).toMatchObject([400, { error: 'invalid_grant' }]);
    expect((await publish(accessToken, 'After the replay')).status).toBe(401);
  });

  it('says no to what was cancelled, to another redirect URI, another client, and a code that is too old', async () => {
    const cancelled = await decide([['decision', 'cancel']]);
    expect(cancelled.searchParams.get('error')).toBe('user_cancelled_authorize');
    const codes = await Promise.all(
      [1, 2, 3].map(async () => (await decide(allow)).searchParams.get('code')!),
    );
    const errorOf = async (response: Promise<Response>) => (await json(await response)).error;
    expect(await errorOf(exchange(codes[0]!, { redirect_uri: `${redirectUri}/` }))).toBe('invalid_grant');
    expect(await errorOf(exchange(codes[1]!, { client_id: 'other' }))).toBe('invalid_grant');
    expect(await errorOf(exchange(codes[2]!, { client_secret: '' }))).toBe('invalid_client');
    clock.advance(1_800_000);
    expect(await errorOf(exchange(codes[2]!))).toBe('invalid_grant');
  });

  it('refresh token stays the same, and faults are scripted for it as for any call', async () => {
    const code = (await decide(allow)).searchParams.get('code')!;
    const first = await json(await exchange(code));
    const again = () => token({ grant_type: 'refresh_token', refresh_token: String(first.refresh_token) });
    const second = await json(await again());
    expect(second.refresh_token).toBeUndefined();
    expect((await publish(String(second.access_token), 'After a refresh')).status).toBe(201);
    await sandbox.fault({ operation: 'linkedin.oauth.refresh', kind: 'throttle', retryAfterSeconds: 7 });
    const throttled = await again();
    expect([throttled.status, throttled.headers.get('retry-after')]).toEqual([429, '7']);
    await sandbox.fault({ operation: 'linkedin.oauth.refresh', kind: 'refuse', code: 'invalid_grant' });
    expect(await json(await again())).toMatchObject({ error: 'invalid_grant' });
    expect((await again()).status).toBe(200);
  });

  it('log of requests holds neither codes nor secrets', async () => {
    const code = (await decide(allow)).searchParams.get('code')!;
    await exchange(code);
    const text = JSON.stringify(await sandbox.requests('linkedin.oauth.authorize'));
    expect(text).toContain('state=[redacted]');
    expect(text).not.toContain('state=st');
  });
});

describe('a platform that rotates, with PKCE and credentials in a header,', () => {
  const oauth: SandboxOAuth = {
    authorizePath: '/authorize',
    tokenEndpoints: [
      { method: 'post', path: '/token', grants: { authorization_code: 'code', refresh_token: 'refresh' } },
    ],
    ...{
      revocation: { method: 'post', path: '/revoke' },
      clientAuth: 'basic',
      pkce: 'S256',
      codeSeconds: 30,
      accessSeconds: 7_200,
    },
    ...{ refreshSeconds: 15_552_000, rotates: true },
    tokenBody: (tokens) => tokens,
    errorBody: (error) => ({ status: 400, body: { error } }),
  };
  const clock = createClock();
  const issued = new Map<string, IssuedToken>();

  /** As little of a sandbox as an authorization server needs. */
  function serve(change: Partial<SandboxOAuth> = {}) {
    const things = new Map<string, unknown>();
    const context = {
      now: clock.now,
      serialize: createSerializer(),
      shelf: () => ({
        put: async (id: string, thing: unknown) => void things.set(id, thing),
        list: () => [...things.values()],
        clear: () => things.clear(),
      }),
      accounts: {
        list: () => [],
        issue: async (token: IssuedToken) => void issued.set(token.token, token),
        findIssued: (_platform: string, token: string) => issued.get(token),
        withdraw: async (_platform: string, token: string) => void issued.delete(token),
      },
    } as unknown as SandboxContext;
    const { operations } = createOAuth(context, 'linkedin', { ...oauth, ...change });
    return async (
      method: string,
      path: string,
      query: Record<string, string>,
      form: Record<string, string> = {},
    ) => {
      const operation = operations.find((one) => one.method === method && one.path === path)!;
      const call = {
        ...{ method: method.toUpperCase(), query: new URLSearchParams(query), rawQuery: '' },
        headers: { authorization: `Basic ${Buffer.from('client:secret').toString('base64')}` },
        body: Buffer.from(new URLSearchParams(form).toString()),
      } as unknown as Call;
      try {
        return await operation.handle(call);
      } catch (error) {
        if (error instanceof Refusal) return error.reply;
        throw error;
      }
    };
  }
  const bodyOf = (reply: Reply) => JSON.parse(reply.body!);
  const verifier = 'a-verifier-of-at-least-forty-three-characters-000';
  const challenge = (encoding: 'base64url' | 'hex') => createHash('sha256').update(verifier).digest(encoding);
  const request = {
    response_type: 'code',
    client_id: 'client',
    redirect_uri: redirectUri,
    scope: 'a b',
    state: 's',
  };

  async function connect(call: ReturnType<typeof serve>, codeChallenge = challenge('base64url')) {
    const query = { ...request, code_challenge: codeChallenge, code_challenge_method: 'S256' };
    const { headers } = await call('post', '/authorize', query, {
      decision: 'allow',
      account: '1',
      scope: 'a',
    });
    const code = new URL(headers!.location!).searchParams.get('code')!;
    const fields = {
      grant_type: 'authorization_code',
      code,
      redirect_uri: redirectUri,
      code_verifier: verifier,
    };
    return { code, reply: await call('post', '/token', {}, fields) };
  }
  const refresh = async (call: ReturnType<typeof serve>, token: string) =>
    bodyOf(await call('post', '/token', {}, { grant_type: 'refresh_token', refresh_token: token }));

  it('gives a new refresh token each time, and revokes the family when one is spent twice', async () => {
    const call = serve();
    const first = bodyOf((await connect(call)).reply);
    expect(first).toMatchObject({ scopes: ['a'], externalIds: ['1'], expiresInSeconds: 7_200 });
    const second = await refresh(call, first.refreshToken);
    expect(second.refreshToken).not.toBe(first.refreshToken);
    expect(issued.has(second.accessToken)).toBe(true);
    expect(await refresh(call, first.refreshToken)).toEqual({ error: 'invalid_grant' });
    expect(issued.has(second.accessToken)).toBe(false);
    expect(await refresh(call, second.refreshToken)).toEqual({ error: 'invalid_grant' });
  });

  it.each([
    ['S256', 'base64url'],
    ['S256-hex', 'hex'],
  ] as const)('checks %s', async (pkce, encoding) => {
    const call = serve({ pkce });
    expect((await connect(call, challenge(encoding))).reply.status).toBe(200);
    expect(bodyOf((await connect(call, 'another')).reply)).toEqual({ error: 'invalid_grant' });
    const without = await call('get', '/authorize', request);
    expect(new URL(without.headers!.location!).searchParams.get('error')).toBe('invalid_request');
  });

  it('has codes that end after half a minute, and takes tokens back', async () => {
    const call = serve();
    const { reply } = await connect(call);
    const { accessToken, refreshToken } = bodyOf(reply);
    await call('post', '/revoke', {}, { token: refreshToken });
    expect(issued.has(accessToken)).toBe(false);
    expect(await refresh(call, refreshToken)).toEqual({ error: 'invalid_grant' });
  });

  it('exchanges an access token for a longer one, where that is how it renews', async () => {
    const call = serve({
      ...{ pkce: 'none', clientAuth: 'form', refreshSeconds: null, exchangedSeconds: 5_184_000 },
      tokenEndpoints: [
        {
          ...{ method: 'get', path: '/token', exchangedName: 'fb_exchange_token' },
          grants: { '': 'code', fb_exchange_token: 'exchange' },
        },
      ],
    });
    const { headers } = await call('post', '/authorize', request, {
      decision: 'allow',
      account: '1',
      scope: 'a',
    });
    const code = new URL(headers!.location!).searchParams.get('code')!;
    const client = { client_id: 'client', client_secret: 'secret' };
    const brief = bodyOf(await call('get', '/token', { ...client, code, redirect_uri: redirectUri }));
    expect(brief.refreshToken).toBeUndefined();
    const exchange = { ...client, grant_type: 'fb_exchange_token', fb_exchange_token: brief.accessToken };
    expect(bodyOf(await call('get', '/token', exchange))).toMatchObject({ expiresInSeconds: 5_184_000 });
  });
});
