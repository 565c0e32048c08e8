import { createInstagram, instagram } from '../../../adapters/platforms/instagram.ts';
import { account, content, context, media, outcomeOf, picture, scripted, video } from './support.ts';

/** Instagram Login: accounts without a Facebook page. What its hosts answer is second-hand, the paths are documented. */

const now = () => new Date('2026-11-21T10:00:00Z');
const app = { clientId: '991', clientSecret: 'app-very-secret' };
const redirectUri = 'https://gatepost.example/oauth/callback/2';
const login = (...answers: Parameters<typeof scripted>) => {
  const { fetch, sent } = scripted(...answers);
  return { ...instagram.logins!.instagram!({ ...instagram.live, fetch, now }), sent };
};
const ok = (body: unknown) => ({ status: 200, body });
const granted = 'instagram_business_basic,instagram_business_content_publish';

it("sends people to Instagram's own dialog with the scopes of its own", () => {
  const { authorizeUrl, defaultScopes, requiredScopes, pkce, renewal } = login();
  expect([pkce, renewal, requiredScopes]).toEqual(['none', 'access-token', granted.split(',')]);
  expect(defaultScopes).toEqual([...requiredScopes, 'instagram_business_manage_comments']);
  const url = new URL(
    authorizeUrl({ app, redirectUri, state: 'st', scopes: ['a', 'b'], codeChallenge: null }),
  );
  expect(url.origin + url.pathname).toBe('https://www.instagram.com/oauth/authorize');
  expect(Object.fromEntries(url.searchParams)).toEqual({
    ...{ client_id: '991', redirect_uri: redirectUri, state: 'st', response_type: 'code', scope: 'a,b' },
  });
});

it.each([
  [
    'in a list of one',
    { data: [{ access_token: 'brief', user_id: '1', permissions: granted }] },
    granted.split(','),
  ],
  ['as it is', { access_token: 'brief', user_id: '1' }, null],
])('makes a token of 60 days of a code whose answer comes %s', async (_how, brief, scopes) => {
  const { exchange, sent } = login(
    ok(brief),
    ok({ access_token: 'long', token_type: 'bearer', expires_in: 5_184_000 }),
  );
  expect(await exchange({ app, code: 'c0de#_', redirectUri, codeVerifier: null }, context())).toEqual({
    ...{ accessToken: 'long', refreshToken: null, refreshExpiresAt: null, scopes },
    expiresAt: new Date(now().getTime() + 5_184_000_000),
  });
  expect(sent.map(({ method, url }) => [method, url])).toEqual([
    ['POST', 'https://api.instagram.com/oauth/access_token'],
    [
      'GET',
      'https://graph.instagram.com/access_token?grant_type=ig_exchange_token&client_secret=app-very-secret&access_token=brief',
    ],
  ]);
  expect(Object.fromEntries(new URLSearchParams(String(sent[0]!.body)))).toEqual({
    ...{ client_id: '991', client_secret: 'app-very-secret', grant_type: 'authorization_code' },
    ...{ redirect_uri: redirectUri, code: 'c0de' },
  });
});

it('renews a token with itself, and lists the one account', async () => {
  const { refresh, listAccounts, sent } = login(
    ok({ access_token: 'longer', token_type: 'bearer', expires_in: 60 }),
    ok({ user_id: '17842', username: 'ada' }),
  );
  const tokens = await refresh(app, { accessToken: 'long', refreshToken: null }, context());
  expect([tokens.accessToken, tokens.expiresAt]).toEqual(['longer', new Date(now().getTime() + 60_000)]);
  expect(await listAccounts('longer', context())).toEqual([
    { kind: 'professional', externalId: '17842', name: 'ada', accessToken: null, obstacle: null },
  ]);
  expect(sent.map(({ url }) => url)).toEqual([
    'https://graph.instagram.com/refresh_access_token?grant_type=ig_refresh_token&access_token=long',
    'https://graph.instagram.com/v26.0/me?fields=user_id,username',
  ]);
  expect(sent[1]!.headers).toMatchObject({ authorization: 'Bearer longer' });
});

it.each([
  [400, { error: { message: 'Bad app-very-secret c0de', code: 1 } }, 'rejected'],
  [400, { error: { message: 'Bad app-very-secret c0de', code: 190 } }, 'unauthorized'],
  [503, { error: { message: 'Later', code: 2 } }, 'unavailable'],
  [200, { data: [] }, 'unexpected-response'],
])('reads %i %j as %s, and shows neither secret nor code', async (status, body, code) => {
  const { exchange } = login({ status, body });
  const failure = await outcomeOf(
    exchange({ app, code: 'c0de', redirectUri, codeVerifier: null }, context()),
  );
  expect(failure.code).toBe(code);
  expect(failure.message).not.toMatch(/very-secret|c0de/);
});

describe('an account of its own', () => {
  const adapters = (...answers: Parameters<typeof scripted>) => {
    const { fetch, sent } = scripted(...answers);
    const timings = { pollIntervalMs: 0 };
    return { ...createInstagram({ ...instagram.live, fetch, now, timings }), sent };
  };
  const own = account({ platform: 'instagram', kind: 'professional', externalId: '17842' });
  const finished = ok({ id: 'c1', status_code: 'FINISHED' });

  it("publishes at Instagram's own host, and nothing goes to Facebook's", async () => {
    const { professional, sent } = adapters(ok({ id: 'c1' }), finished, ok({ id: 'm1' }));
    const post = content('SINGLE_IMAGE', 'Hello', [picture('a')]);
    const handle = await professional.preparer.prepare(own, post, media, context());
    await professional.publisher.commit(own, post, handle, { ...context(), media });
    expect(professional.publisher.kinds).toEqual(['professional']);
    expect(new Set(sent.map(({ url }) => new URL(url).origin))).toEqual(
      new Set(['https://graph.instagram.com']),
    );
  });

  it('has even a large video fetched: uploads are for accounts of Facebook Login', async () => {
    const { professional, sent } = adapters(ok({ id: 'c1' }), finished);
    const film = content('REEL', 'Hello', [video('v', 200_000_000)]);
    await professional.preparer.prepare(own, film, media, context());
    expect(sent[0]).toMatchObject({ url: 'https://graph.instagram.com/v26.0/17842/media' });
    expect(sent[0]!.body).toMatchObject({ media_type: 'REELS', video_url: expect.stringMatching(/^https:/) });
  });
});
