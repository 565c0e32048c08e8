import { reddit } from '../../../adapters/platforms/reddit.ts';
import { agent, api, headers, ok, options } from './reddit-answers.ts';
import { type Answer, context, fetchFailure, outcomeOf, scripted, token } from './support.ts';

describe('connecting', () => {
  const app = { clientId: 'ohXpoqrZYub1kg', clientSecret: 'app-secret-of-reddit' };
  const basic = `Basic ${Buffer.from(`${app.clientId}:${app.clientSecret}`).toString('base64')}`;
  const connectorWith = (...answers: (Answer | Error)[]) => {
    const { fetch, sent } = scripted(...answers);
    return { connector: reddit.connect!({ ...options, fetch }), sent };
  };
  const tokenHeaders = {
    authorization: basic,
    'user-agent': agent,
    'content-type': 'application/x-www-form-urlencoded',
  };
  // https://github.com/reddit-archive/reddit/wiki/OAuth2, in a copy (read 2026-11-21)
  const granted = {
    access_token: 'new-token',
    token_type: 'bearer',
    expires_in: 3_600,
    scope: 'identity submit',
  };
  const redirectUri = 'https://gatepost.example/oauth/callback/1';
  const exchange = (...answers: (Answer | Error)[]) => {
    const { connector, sent } = connectorWith(...answers);
    return {
      result: connector.exchange({ app, code: 'a-code', redirectUri, codeVerifier: null }, context()),
      sent,
    };
  };
  const refresh = (...answers: (Answer | Error)[]) => {
    const { connector, sent } = connectorWith(...answers);
    const tokens = { accessToken: 'old', refreshToken: 'the-refresh-token' };
    return { result: connector.refresh(app, tokens, context()), sent };
  };

  it('sends people to Reddit for a grant that lasts', () => {
    const { connector } = connectorWith();
    const scopes = ['identity', 'submit'];
    const url = connector.authorizeUrl({ app, redirectUri, state: 's/1', scopes, codeChallenge: null });
    expect(url).toBe(
      'https://www.reddit.com/api/v1/authorize?client_id=ohXpoqrZYub1kg&response_type=code&state=s%2F1&redirect_uri=https%3A%2F%2Fgatepost.example%2Foauth%2Fcallback%2F1&duration=permanent&scope=identity+submit',
    );
    expect([connector.pkce, connector.renewal]).toEqual(['none', 'refresh-token']);
  });

  it('makes tokens of a code', async () => {
    const { result, sent } = exchange(ok({ ...granted, refresh_token: 'the-refresh-token' }));
    expect(await result).toEqual({
      ...{ accessToken: 'new-token', refreshToken: 'the-refresh-token', refreshExpiresAt: null },
      ...{ expiresAt: new Date('2026-11-21T19:00:00Z'), scopes: ['identity', 'submit'] },
    });
    expect(sent).toEqual([
      {
        ...{ method: 'POST', url: 'https://www.reddit.com/api/v1/access_token', headers: tokenHeaders },
        body: `grant_type=authorization_code&code=a-code&redirect_uri=${encodeURIComponent(redirectUri)}`,
      },
    ]);
  });

  it('keeps the refresh token, which Reddit does not repeat', async () => {
    for (const more of [{}, { refresh_token: '' }, { refresh_token: null }]) {
      const { result, sent } = refresh(ok({ ...granted, ...more }));
      expect((await result).refreshToken).toBeNull();
      expect(sent[0]!.body).toBe('grant_type=refresh_token&refresh_token=the-refresh-token');
    }
    expect((await refresh(ok({ ...granted, refresh_token: 'other' })).result).refreshToken).toBe('other');
  });

  it.each<[string, Answer | Error, string, string]>([
    [
      'a dead grant',
      { status: 400, body: { message: 'Bad Request', error: 400 } },
      'unauthorized',
      'rejected',
    ],
    ['a dead grant said with status 200', ok({ error: 'invalid_grant' }), 'unauthorized', 'rejected'],
    ['another refusal', ok({ error: 'unsupported_grant_type' }), 'rejected', 'rejected'],
    [
      'an unknown application',
      { status: 401, body: { message: 'Unauthorized', error: 401 } },
      'rejected',
      'rejected',
    ],
    ['too many requests', { status: 429, body: '' }, 'rate-limited', 'rate-limited'],
    ['trouble', { status: 503, body: '<html>' }, 'unavailable', 'unavailable'],
    ['no answer', fetchFailure('ECONNRESET'), 'outcome-unknown', 'outcome-unknown'],
    ['half an answer', ok('{"access_token": "new-tok'), 'unexpected-response', 'unexpected-response'],
    ['no lifetime', ok({ access_token: 'new-token' }), 'unexpected-response', 'unexpected-response'],
  ])('tells a dead grant from %s', async (_what, answer, atRefresh, atExchange) => {
    expect((await outcomeOf(refresh(answer).result)).code).toBe(atRefresh);
    expect((await outcomeOf(exchange(answer).result)).code).toBe(atExchange);
  });

  it('does not call without a refresh token', async () => {
    const { connector, sent } = connectorWith();
    const call = async () => connector.refresh(app, { accessToken: 'old', refreshToken: null }, context());
    expect((await outcomeOf(call())).code).toBe('unauthorized');
    expect(sent).toEqual([]);
  });

  it('gives the grant back by its refresh token', async () => {
    const { connector, sent } = connectorWith({ status: 204 }, { status: 204 });
    await connector.revoke!(app, { accessToken: 'old', refreshToken: 'the-refresh-token' }, context());
    await connector.revoke!(app, { accessToken: 'old', refreshToken: null }, context());
    expect(sent[0]).toEqual({
      ...{ method: 'POST', url: 'https://www.reddit.com/api/v1/revoke_token', headers: tokenHeaders },
      body: 'token=the-refresh-token&token_type_hint=refresh_token',
    });
    expect(sent[1]!.body).toBe('token=old&token_type_hint=access_token');
  });

  it('lists the one account, by the name that its reads go by', async () => {
    const { connector, sent } = connectorWith(
      ok({ id: 'abc12', name: 'gatepost_dev', is_suspended: false }),
      ok({ id: 'abc12', name: 'gatepost_dev', is_suspended: true }),
    );
    const found = { kind: 'user', externalId: 'gatepost_dev', name: 'u/gatepost_dev', accessToken: null };
    expect(await connector.listAccounts(token, context())).toEqual([{ ...found, obstacle: null }]);
    expect(await connector.listAccounts(token, context())).toEqual([
      { ...found, obstacle: 'Reddit has suspended this account' },
    ]);
    expect(sent[0]).toEqual({ method: 'GET', url: `${api}/api/v1/me?raw_json=1`, headers, body: undefined });
  });

  it('shows no secret, whatever Reddit repeats', async () => {
    const answers = [
      { status: 503, body: `${app.clientSecret} ${basic} a-code the-refresh-token` },
      { status: 418, body: `${app.clientSecret} ${basic} a-code the-refresh-token` },
    ];
    for (const answer of answers) {
      for (const error of [
        await outcomeOf(exchange(answer).result),
        await outcomeOf(refresh(answer).result),
      ]) {
        expect(error.message).not.toContain(app.clientSecret);
        expect(error.message).not.toContain(basic.slice(6));
      }
      expect((await outcomeOf(exchange(answer).result)).message).not.toContain('a-code');
      expect((await outcomeOf(refresh(answer).result)).message).not.toContain('the-refresh-token');
    }
  });
});

describe('the user agent', () => {
  it('must name an application and the account that answers for it', () => {
    const { versionPattern, live } = reddit;
    expect(versionPattern!.test(live.version)).toBe(true);
    for (const shared of ['', 'node', 'Mozilla/5.0', 'web:gatepost', 'web:gatepost:v1'])
      expect(versionPattern!.test(shared)).toBe(false);
  });
});
