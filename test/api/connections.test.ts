import { createHash, randomUUID } from 'node:crypto';
import pg from 'pg';
import type { ConnectableAccount } from '../../adapters/platforms/connector.ts';
import type { ConnectorKey } from '../../adapters/platforms/registry.ts';
import { createEnvelopes } from '../../adapters/secrets/envelope.ts';
import type { Connectors } from '../../api/ports.ts';
import { OutcomeError } from '../../domain/outcome.ts';
import { createRotatingProvider } from '../support/rotating-provider.ts';
import {
  createTestTenant,
  type Reply,
  type Send,
  signToken,
  startTestApi,
  type TestApi,
  type TestTenant,
} from './fixture.ts';

const provider = createRotatingProvider();
const returnUrl = 'https://frontend.test/connected?from=gatepost';
let api: TestApi;
let tenant: TestTenant;
let admin: pg.Client;
/** A second admin of the same tenant. */
let other: string;
let nowMs = 0;
/** Which connectors the interface has wanted. */
const asked: ConnectorKey[] = [];
const now = () => new Date(Date.now() + nowMs);

beforeAll(async () => {
  const connectorFor: Connectors['connectorFor'] = (key) => {
    asked.push(key);
    return provider.connector;
  };
  api = await startTestApi({ connectors: { connectorFor }, clock: { now } });
  tenant = await createTestTenant(api);
  const root = await signToken({ subject: 'root', role: 'super_admin' });
  await api.send('POST', '/api/v1/members', {
    token: root,
    headers: { 'Gatepost-Tenant': tenant.id },
    body: { subject: 'other', name: 'The other', role: 'tenant_admin' },
  });
  other = await signToken({ subject: 'other', tenant: tenant.id, role: 'tenant_admin' });
  admin = new pg.Client({ connectionString: api.database.superuserUrl });
  await admin.connect();
});
afterAll(async () => {
  await admin.end();
  await api.stop();
});
beforeEach(() => {
  nowMs = 0;
  provider.accounts.splice(0);
  Object.assign(provider, { beforeCall: null, scopes: ['post.read', 'post.write'] });
});

const account = (externalId: string, fields: Partial<ConnectableAccount> = {}): ConnectableAccount => ({
  ...{ kind: 'organization', externalId, name: `Name of ${externalId}`, accessToken: null, obstacle: null },
  ...fields,
});
const as = (token: string, more: Send = {}): Send => ({ token, ...more });
const post = (path: string, body: unknown, token = tenant.tokens.admin, key?: string): Promise<Reply> =>
  api.send('POST', `/api/v1${path}`, as(token, { body, ...(key && { key }) }));
const get = (path: string, token = tenant.tokens.admin): Promise<Reply> =>
  api.send('GET', `/api/v1${path}`, as(token));

async function createApp(
  fields: object = {},
  token = tenant.tokens.admin,
): Promise<{ id: string; redirectUri: string }> {
  const reply = await post(
    '/platform-apps',
    {
      ...{ platform: 'linkedin', name: 'Ours', clientId: 'client', clientSecret: 'very-secret-app' },
      ...{ returnUrls: [returnUrl], ...fields },
    },
    token,
  );
  expect(reply.status).toBe(201);
  return reply.body;
}

async function start(
  appId: string,
  token = tenant.tokens.admin,
): Promise<{ id: string; state: string; url: URL }> {
  const reply = await post('/connections', { platformAppId: appId }, token);
  expect(reply.status).toBe(201);
  const url = new URL(reply.body.authorizeUrl);
  return { id: reply.body.id, state: url.searchParams.get('state')!, url };
}

/** What a browser does: it follows nothing by itself here. */
async function callback(
  appId: string,
  answer: Record<string, string>,
): Promise<{ status: number; to: URL | null }> {
  const response = await fetch(`${api.url}/api/v1/oauth/callback/${appId}?${new URLSearchParams(answer)}`, {
    redirect: 'manual',
  });
  const location = response.headers.get('location');
  return { status: response.status, to: location ? new URL(location) : null };
}

const errorOf = ({ to }: { to: URL | null }) => to?.searchParams.get('error');

/** Through to the one-time code. */
async function consent(appId: string, accounts: ConnectableAccount[]): Promise<{ id: string; code: string }> {
  provider.accounts.splice(0, provider.accounts.length, ...accounts);
  const { id, state } = await start(appId);
  const { to } = await callback(appId, { state, code: provider.grantCode() });
  return { id, code: to!.searchParams.get('code')! };
}

const open = (sealed: Buffer, table: string, column: string, rowId: string) =>
  createEnvelopes({ currentKeyId: 'test', keys: { test: Buffer.alloc(32, 7) } }).open(sealed, {
    ...{ tenantId: tenant.id, table, column, rowId },
  });
const rows = async (text: string, values: unknown[] = []) => (await admin.query(text, values)).rows;
const profileOf = async (externalId: string) =>
  (await rows('select * from profiles where external_id = $1', [externalId]))[0];

describe('platform apps', () => {
  test('answers everything but the secret, which is sealed in its row', async () => {
    const app = await createApp();
    expect(app.redirectUri).toBe(`https://gatepost.test/api/v1/oauth/callback/${app.id}`);
    for (const text of [
      JSON.stringify(app),
      (await get(`/platform-apps/${app.id}`, tenant.tokens.viewer)).text,
      (await get('/platform-apps')).text,
    ]) {
      expect(text).toContain('"clientId":"client"');
      expect(text).not.toContain('very-secret-app');
    }
    const [row] = await rows('select client_secret from platform_apps where id = $1', [app.id]);
    expect(open(row.client_secret, 'platform_apps', 'client_secret', app.id)).toBe('very-secret-app');
  });

  test('changes with the version it was read at, and keeps a secret that is not named', async () => {
    const app = await createApp();
    const body = { name: 'Renamed', clientId: 'client-2', returnUrls: [] };
    const put = (version: string) =>
      api.send(
        'PUT',
        `/api/v1/platform-apps/${app.id}`,
        as(tenant.tokens.admin, { headers: { 'If-Match': version }, body }),
      );
    const changed = await put('"1"');
    expect([changed.status, changed.body.name, changed.headers.get('etag')]).toEqual([200, 'Renamed', '"2"']);
    expect((await put('"1"')).body.code).toBe('if-match-failed');
    const [row] = await rows('select client_secret from platform_apps where id = $1', [app.id]);
    expect(open(row.client_secret, 'platform_apps', 'client_secret', app.id)).toBe('very-secret-app');
  });

  test("is for one of the platform's ways to connect, for good", async () => {
    const fields = { name: 'Ours', clientId: 'c', clientSecret: 's', returnUrls: [returnUrl] };
    const made = await post('/platform-apps', { platform: 'instagram', login: 'instagram', ...fields });
    expect([made.status, made.body.login]).toEqual([201, 'instagram']);
    expect((await post('/platform-apps', { platform: 'instagram', ...fields })).body.login).toBeNull();
    const wrong = await post('/platform-apps', { platform: 'threads', login: 'instagram', ...fields });
    expect([wrong.status, wrong.body.errors[0]]).toMatchObject([
      400,
      { path: '/login', message: "Must be one of threads's logins: none" },
    ]);
    asked.length = 0;
    await start(made.body.id);
    expect(asked).toMatchObject([{ platform: 'instagram', login: 'instagram' }]);
  });

  test('gives each a redirect URI of its own', async () => {
    const redirectUri = `https://frontend.test/${randomUUID()}`;
    await createApp({ redirectUri });
    const second = { platform: 'linkedin', name: 'x', clientId: 'x', clientSecret: 'x', redirectUri };
    expect((await post('/platform-apps', second)).body.code).toBe('redirect-uri-taken');
  });

  test.each([
    'http://frontend.test/',
    'https://frontend.test/#a',
    'javascript:alert(1)',
    'https://a:b@frontend.test/',
  ])('refuses %s as a return URL', async (address) => {
    const body = { platform: 'linkedin', name: 'x', clientId: 'x', clientSecret: 'x', returnUrls: [address] };
    const reply = await post('/platform-apps', body);
    expect([reply.status, reply.body.code]).toEqual([400, 'invalid-request']);
  });

  test('goes when nothing was connected through it, and stays otherwise', async () => {
    const [unused, used] = [await createApp(), await createApp()];
    const { code } = await consent(used.id, [account('urn:li:organization:delete')]);
    await post('/connections/complete', { code, accounts: ['urn:li:organization:delete'] });
    const remove = (id: string) =>
      api.send(
        'DELETE',
        `/api/v1/platform-apps/${id}`,
        as(tenant.tokens.admin, { headers: { 'If-Match': '"1"' } }),
      );
    expect((await remove(unused.id)).status).toBe(204);
    expect((await get(`/platform-apps/${unused.id}`)).status).toBe(404);
    expect((await remove(used.id)).body.code).toBe('platform-app-in-use');
  });
});

describe('who may', () => {
  const nobody = randomUUID();
  const changes: [string, string][] = [
    ['POST', '/platform-apps'],
    ['PUT', `/platform-apps/${nobody}`],
    ['DELETE', `/platform-apps/${nobody}`],
    ['POST', '/connections'],
    ['GET', `/connections/${nobody}`],
    ['POST', '/connections/complete'],
    ['POST', '/profiles/connect'],
    ['POST', `/profiles/${nobody}/disconnect`],
    ['GET', `/profiles/${nobody}/token-events`],
  ];
  test.each(changes)('%s %s is for admins', async (method, path) => {
    for (const name of ['author', 'manager', 'designer', 'viewer'] as const) {
      const send = as(tenant.tokens[name], method === 'GET' ? {} : { body: {} });
      const reply = await api.send(method, `/api/v1${path}`, send);
      expect([name, reply.status, reply.body.code]).toEqual([name, 403, 'forbidden']);
    }
  });

  test("nobody reaches another tenant's apps, connections and profiles", async () => {
    const app = await createApp();
    const { id, code } = await consent(app.id, [account('urn:li:organization:mine')]);
    const stranger = (await createTestTenant(api)).tokens.admin;
    const headers = { 'If-Match': '"1"' };
    const attempts: [string, string, Send][] = [
      ['GET', `/platform-apps/${app.id}`, {}],
      ['PUT', `/platform-apps/${app.id}`, { headers, body: { name: 'x', clientId: 'x' } }],
      ['DELETE', `/platform-apps/${app.id}`, { headers }],
      ['GET', `/connections/${id}`, {}],
      ['POST', '/connections/complete', { body: { code, accounts: ['urn:li:organization:mine'] } }],
      ['POST', `/profiles/${tenant.linkedinId}/disconnect`, { body: {} }],
      ['GET', `/profiles/${tenant.linkedinId}/token-events`, {}],
    ];
    for (const [method, path, more] of attempts) {
      const reply = await api.send(method, `/api/v1${path}`, as(stranger, more));
      expect([method, path, reply.status]).toEqual([method, path, 404]);
    }
    const begun = await post('/connections', { platformAppId: app.id }, stranger);
    expect(begun.body.code).toBe('unknown-platform-app');
    expect(
      (await post('/connections/complete', { code, accounts: ['urn:li:organization:mine'] })).status,
    ).toBe(200);
  });

  test('a member limited to profiles connects no others', async () => {
    const app = await createApp();
    const root = await signToken({ subject: 'root', role: 'super_admin' });
    await api.send('POST', '/api/v1/members', {
      token: root,
      headers: { 'Gatepost-Tenant': tenant.id },
      body: { subject: 'limited', name: 'L', role: 'tenant_admin', profileIds: [tenant.linkedinId] },
    });
    const limited = await signToken({ subject: 'limited', tenant: tenant.id, role: 'tenant_admin' });
    provider.accounts.push(account('urn:li:organization:not-theirs'));
    const { state } = await start(app.id, limited);
    const { to } = await callback(app.id, { state, code: provider.grantCode() });
    const body = { code: to!.searchParams.get('code'), accounts: ['urn:li:organization:not-theirs'] };
    expect((await post('/connections/complete', body, limited)).body.code).toBe('forbidden');
    expect(await profileOf('urn:li:organization:not-theirs')).toBeUndefined();
  });
});

describe('a state', () => {
  test('is random, kept as a hash alone, for ten minutes, with an enveloped PKCE verifier that fits its challenge', async () => {
    const app = await createApp({ scopes: ['post.write'] });
    const [first, second] = [await start(app.id), await start(app.id)];
    expect(first.state).not.toBe(second.state);
    expect(Buffer.from(first.state, 'base64url')).toHaveLength(32);
    const [row] = await rows('select * from oauth_states where id = $1', [first.id]);
    expect(row.state_hash).toEqual(createHash('sha256').update(first.state).digest());
    expect(JSON.stringify(row)).not.toContain(first.state);
    expect(row.expires_at.getTime() - Date.now()).toBeLessThanOrEqual(600_000);
    const verifier = open(row.verifier, 'oauth_states', 'verifier', first.id);
    const challenge = createHash('sha256').update(verifier).digest('base64url');
    expect(Object.fromEntries(first.url.searchParams)).toMatchObject({
      ...{
        client_id: 'client',
        redirect_uri: app.redirectUri,
        scope: 'post.write',
        code_challenge: challenge,
      },
    });
    provider.accounts.push(account('urn:li:organization:pkce'));
    await callback(app.id, { state: first.state, code: provider.grantCode() });
    expect(provider.exchanges.at(-1)).toMatchObject({
      ...{ codeVerifier: verifier, redirectUri: app.redirectUri },
      app: { clientId: 'client', clientSecret: 'very-secret-app' },
    });
  });

  test('serves once, also for ten who present it at the same time', async () => {
    const app = await createApp();
    provider.accounts.push(account('urn:li:organization:once'));
    const { state, id } = await start(app.id);
    const before = provider.exchanges.length;
    const code = provider.grantCode();
    const answers = await Promise.all(Array.from({ length: 10 }, () => callback(app.id, { state, code })));
    expect(provider.exchanges.length - before).toBe(1);
    expect(answers.map(errorOf).filter((error) => error === 'used')).toHaveLength(9);
    expect(answers.filter(({ to }) => to!.searchParams.get('code'))).toHaveLength(1);
    expect(await rows('select id from connections where id = $1', [id])).toHaveLength(1);
  });

  test('ends after ten minutes, and not before', async () => {
    const app = await createApp();
    const [late, inTime] = [await start(app.id), await start(app.id)];
    const before = provider.exchanges.length;
    nowMs = 590_000;
    provider.accounts.push(account('urn:li:organization:in-time'));
    const taken = await callback(app.id, { state: inTime.state, code: provider.grantCode() });
    expect(errorOf(taken)).toBeNull();
    expect(provider.exchanges).toHaveLength(before + 1);
    nowMs = 601_000;
    const answer = await callback(app.id, { state: late.state, code: provider.grantCode() });
    expect([answer.status, errorOf(answer)]).toEqual([302, 'expired']);
    expect(provider.exchanges).toHaveLength(before + 1);
  });

  test("does not make a connection of a platform's code that was used before, or that a refusal used up", async () => {
    const app = await createApp();
    provider.accounts.push(account('urn:li:organization:replayed'));
    const code = provider.grantCode();
    const [first, second] = [await start(app.id), await start(app.id)];
    expect(errorOf(await callback(app.id, { state: first.state, code }))).toBeNull();
    expect(errorOf(await callback(app.id, { state: second.state, code }))).toBe('failed');
    expect(await rows('select id from connections where id = $1', [second.id])).toEqual([]);
    // Nor does the state become good again by it.
    const again = await callback(app.id, { state: second.state, code: provider.grantCode() });
    expect(errorOf(again)).toBe('used');
  });

  test("is for its own tenant: an answer at the callback of another tenant's app connects nothing", async () => {
    const stranger = await createTestTenant(api);
    const [mine, theirs] = [await createApp(), await createApp({}, stranger.tokens.admin)];
    provider.accounts.push(account('urn:li:organization:strange'));
    const before = provider.exchanges.length;
    for (const [state, at] of [
      [(await start(mine.id)).state, theirs.id],
      [(await start(theirs.id, stranger.tokens.admin)).state, mine.id],
    ] as const) {
      const answer = await callback(at, { state, code: provider.grantCode() });
      expect(answer.to?.searchParams.get('code') ?? null).toBeNull();
    }
    expect(provider.exchanges).toHaveLength(before);
  });

  test('is for its own app: an answer at the callback of another uses it up', async () => {
    const [mine, another] = [await createApp(), await createApp()];
    const { state } = await start(mine.id);
    const before = provider.exchanges.length;
    expect(errorOf(await callback(another.id, { state, code: provider.grantCode() }))).toBe('denied');
    expect(errorOf(await callback(mine.id, { state, code: provider.grantCode() }))).toBe('used');
    expect(provider.exchanges).toHaveLength(before);
  });

  test('is not made where nobody could be sent back', async () => {
    const without = await createApp({ returnUrls: [] });
    const nowhere = await post('/connections', { platformAppId: without.id });
    expect([nowhere.status, nowhere.body.code]).toEqual([422, 'unknown-return-url']);
    const app = await createApp();
    const returnTo = (address: string) => post('/connections', { platformAppId: app.id, returnUrl: address });
    expect((await returnTo(`${returnUrl}&more`)).body.code).toBe('unknown-return-url');
    expect((await returnTo(returnUrl)).status).toBe(201);
  });

  test('that nobody was given leads nowhere', async () => {
    const app = await createApp();
    const answer = await callback(app.id, { state: 'made-up', code: 'x' });
    expect(answer).toEqual({ status: 400, to: null });
  });

  test.each([
    ['access_denied', 'cancelled'],
    ['user_cancelled_login', 'cancelled'],
    ['server_error', 'denied'],
  ])('that comes back with %s says %s, and nothing of the details', async (error, said) => {
    const app = await createApp();
    const { state, id } = await start(app.id);
    const { to } = await callback(app.id, { state, error, error_description: 'some-details' });
    expect(to!.href).toBe(`https://frontend.test/connected?from=gatepost&error=${said}&connection=${id}`);
  });
});

describe('an answer that says whose it is', () => {
  test.each([
    ['its own', 'https://provider.test', null],
    ['nobody', undefined, null],
    ['another', 'https://elsewhere.test', 'failed'],
    ['one that only starts alike', 'https://provider.test.elsewhere.test', 'failed'],
    ['its own with a slash', 'https://provider.test/', 'failed'],
  ])('at the callback, naming %s', async (_what, iss, error) => {
    const app = await createApp();
    provider.accounts.push(account(`urn:li:organization:iss-${randomUUID()}`));
    const { state } = await start(app.id);
    const before = provider.exchanges.length;
    const answer = await callback(app.id, { state, code: provider.grantCode(), ...(iss && { iss }) });
    expect(errorOf(answer)).toBe(error);
    // A code that another sent is not given to the platform, which would spend it.
    expect(provider.exchanges).toHaveLength(error ? before : before + 1);
  });

  test('at a frontend, naming another', async () => {
    const redirectUri = `https://frontend.test/iss/${randomUUID()}`;
    const app = await createApp({ redirectUri, returnUrls: [] });
    const { state } = await start(app.id);
    const before = provider.exchanges.length;
    const body = { code: provider.grantCode(), state, redirectUri, iss: 'https://elsewhere.test' };
    const reply = await post('/profiles/connect', body);
    expect([reply.status, reply.body.code]).toEqual([422, 'authorization-failed']);
    expect(provider.exchanges).toHaveLength(before);
  });
});

describe('the callback', () => {
  test('only makes a pending connection, whose tokens stand nowhere in the clear', async () => {
    const app = await createApp();
    const found = [
      account('urn:li:organization:pending'),
      account('urn:li:organization:page', { accessToken: 'page-token' }),
      account('urn:li:organization:low', { obstacle: 'The role ANALYST may not publish for it' }),
    ];
    const { id, code } = await consent(app.id, found);
    expect(await profileOf('urn:li:organization:pending')).toBeUndefined();
    const [row] = await rows('select * from connections where id = $1', [id]);
    expect(row.state).toBe('pending');
    expect(row.code_hash).toEqual(createHash('sha256').update(code).digest());
    expect(JSON.stringify(row.accounts)).not.toContain('page-token');
    expect(open(row.page_tokens, 'connections', 'page_tokens', id)).toBe(
      '{"urn:li:organization:page":"page-token"}',
    );
    expect(JSON.parse(open(row.tokens, 'connections', 'tokens', id)).refreshToken).toEqual(
      expect.any(String),
    );
    const shown = await get(`/connections/${id}`);
    expect(shown.body).toMatchObject({
      ...{ id, platform: 'linkedin', state: 'pending' },
      accounts: found.map(({ externalId, obstacle }) => ({ externalId, obstacle, profileId: null })),
    });
    expect((await get(`/connections/${id}`, other)).status).toBe(404);
  });

  test('says failed when the platform gives no tokens, and no-accounts when there are none', async () => {
    const app = await createApp();
    const { state } = await start(app.id);
    expect(errorOf(await callback(app.id, { state, code: 'no such code' }))).toBe('failed');
    const again = await start(app.id);
    expect(errorOf(await callback(app.id, { state: again.state, code: provider.grantCode() }))).toBe(
      'no-accounts',
    );
  });

  test('names what was unticked as an obstacle', async () => {
    const app = await createApp();
    provider.scopes = ['post.read'];
    const { id, code } = await consent(app.id, [account('urn:li:organization:unticked')]);
    const obstacle = 'Not permitted at the platform: post.write; connect again and leave it ticked';
    expect((await get(`/connections/${id}`)).body.accounts[0].obstacle).toBe(obstacle);
    const reply = await post('/connections/complete', { code, accounts: ['urn:li:organization:unticked'] });
    expect([reply.status, reply.body.code, reply.body.detail]).toEqual([422, 'account-unusable', obstacle]);
  });

  test('leaves code and state out of the log', async () => {
    const app = await createApp();
    const { state } = await start(app.id);
    await callback(app.id, { state, code: 'the-code-of-the-log-test' });
    const log = api.logLines.join('\n');
    expect(log).toContain(`/api/v1/oauth/callback/${app.id}?[redacted]`);
    expect(log).not.toContain(state);
    expect(log).not.toContain('the-code-of-the-log-test');
  });
});

describe('completing', () => {
  test('connects what was chosen, several from one grant, and answers a repetition under its key alike', async () => {
    const app = await createApp();
    const ids = ['urn:li:organization:c1', 'urn:li:organization:c2'];
    const { id, code } = await consent(app.id, [
      account(ids[0]!),
      account(ids[1]!, { accessToken: 'page-token-c2' }),
      account('urn:li:organization:c3'),
    ]);
    const key = randomUUID();
    const reply = await post('/connections/complete', { code, accounts: ids }, tenant.tokens.admin, key);
    expect([reply.status, reply.body.connectionId]).toEqual([200, id]);
    expect(reply.body.profiles).toMatchObject(ids.map((externalId) => ({ externalId, health: 'active' })));
    const again = await post('/connections/complete', { code, accounts: ids }, tenant.tokens.admin, key);
    expect(again.body).toEqual(reply.body);
    const [first, second] = [await profileOf(ids[0]!), await profileOf(ids[1]!)];
    expect(first.grant_id).toBe(second.grant_id);
    expect(open(second.access_token, 'profiles', 'access_token', second.id)).toBe('page-token-c2');
    expect(await profileOf('urn:li:organization:c3')).toBeUndefined();
    const [grant] = await rows('select * from grants where id = $1', [first.grant_id]);
    expect(grant).toMatchObject({ app_id: app.id, state: 'ACTIVE', scopes: ['post.read', 'post.write'] });
    expect(provider.accepts(open(grant.access_token, 'grants', 'access_token', grant.id))).toBe(true);
    expect(provider.isAlive(open(grant.refresh_token, 'grants', 'refresh_token', grant.id))).toBe(true);
    const [connection] = await rows('select * from connections where id = $1', [id]);
    expect(connection).toMatchObject({ state: 'completed', tokens: null, page_tokens: null });
    const events = await get(`/profiles/${first.id}/token-events`);
    expect(events.body.items).toMatchObject([{ kind: 'connect', outcome: 'connected' }, { kind: 'connect' }]);
  });

  test('is for the person who started it: anybody else ends the connection, and gives its tokens back', async () => {
    const app = await createApp();
    const wanted = ['urn:li:organization:theirs'];
    const { id, code } = await consent(app.id, [account(wanted[0]!)]);
    const before = provider.revoked.length;
    const stolen = await post('/connections/complete', { code, accounts: wanted }, other);
    expect([stolen.status, stolen.body.code]).toEqual([403, 'connection-not-yours']);
    expect(provider.revoked).toHaveLength(before + 1);
    expect(provider.isAlive(provider.revoked.at(-1)!)).toBe(false);
    const late = await post('/connections/complete', { code, accounts: wanted });
    expect([late.status, late.body.code]).toEqual([409, 'connection-closed']);
    expect(await profileOf(wanted[0]!)).toBeUndefined();
    const [row] = await rows('select * from connections where id = $1', [id]);
    expect(row).toMatchObject({ state: 'revoked', tokens: null, page_tokens: null });
  });

  test('ends nothing that works: what is connected through the app already is not given back', async () => {
    const app = await createApp();
    const wanted = ['urn:li:organization:working'];
    const first = await consent(app.id, [account(wanted[0]!)]);
    await post('/connections/complete', { code: first.code, accounts: wanted });
    const second = await consent(app.id, [account(wanted[0]!)]);
    const before = provider.revoked.length;
    await post('/connections/complete', { code: second.code, accounts: wanted }, other);
    expect(provider.revoked).toHaveLength(before);
    const [row] = await rows('select state, tokens from connections where id = $1', [second.id]);
    expect(row).toEqual({ state: 'revoked', tokens: null });
  });

  test("takes no code twice, no code of another tenant's, and none after ten minutes", async () => {
    const app = await createApp();
    const wanted = ['urn:li:organization:twice'];
    const { code } = await consent(app.id, [account(wanted[0]!)]);
    const stranger = await createTestTenant(api);
    expect(
      (await post('/connections/complete', { code, accounts: wanted }, stranger.tokens.admin)).status,
    ).toBe(404);
    expect((await post('/connections/complete', { code, accounts: wanted })).status).toBe(200);
    const replayed = await post('/connections/complete', { code, accounts: wanted });
    expect([replayed.status, replayed.body.code]).toEqual([409, 'connection-closed']);
    const slow = await consent(app.id, [account('urn:li:organization:slow')]);
    nowMs = 601_000;
    const expiresAt = Math.floor(Date.now() / 1_000) + 3_600;
    const later = await signToken({ subject: 'admin', tenant: tenant.id, role: 'tenant_admin', expiresAt });
    const body = { code: slow.code, accounts: ['urn:li:organization:slow'] };
    const reply = await post('/connections/complete', body, later);
    expect([reply.status, reply.body.code]).toEqual([409, 'connection-expired']);
  });

  test('is done once, also for two who come at the same time', async () => {
    const app = await createApp();
    const wanted = ['urn:li:organization:at-once'];
    const { code } = await consent(app.id, [account(wanted[0]!)]);
    const replies = await Promise.all(
      [1, 2, 3].map(() => post('/connections/complete', { code, accounts: wanted })),
    );
    expect(replies.map(({ status }) => status).sort()).toEqual([200, 409, 409]);
  });

  test('lets whoever chose an unknown account choose again', async () => {
    const app = await createApp();
    const { code } = await consent(app.id, [account('urn:li:organization:again')]);
    const wrong = await post('/connections/complete', { code, accounts: ['urn:li:organization:wrong'] });
    expect([wrong.status, wrong.body.code]).toEqual([422, 'unknown-account']);
    expect(
      (await post('/connections/complete', { code, accounts: ['urn:li:organization:again'] })).status,
    ).toBe(200);
  });

  test('reconnects a known profile under a new grant, and erases the grant that nothing uses any more', async () => {
    const app = await createApp();
    const wanted = ['urn:li:organization:known'];
    const connectOnce = async () => {
      const { code } = await consent(app.id, [account(wanted[0]!)]);
      return (await post('/connections/complete', { code, accounts: wanted })).body.profiles[0];
    };
    const first = await connectOnce();
    const { grant_id: oldGrant } = await profileOf(wanted[0]!);
    await admin.query(`update profiles set health = 'needs-reconnect' where id = $1`, [first.id]);
    const pokes = api.runs.pokes.length;
    const second = await connectOnce();
    expect(second).toMatchObject({ id: first.id, health: 'active' });
    expect(api.runs.pokes.length).toBe(pokes + 1);
    const { grant_id: newGrant } = await profileOf(wanted[0]!);
    expect(newGrant).not.toBe(oldGrant);
    const [old] = await rows('select state, access_token, refresh_token from grants where id = $1', [
      oldGrant,
    ]);
    expect(old).toEqual({ state: 'DEAD', access_token: null, refresh_token: null });
  });
});

test('an account that is known by one way to connect is refused by another', async () => {
  const app = await createApp();
  const connectAs = async (kind: ConnectableAccount['kind']) => {
    const { code } = await consent(app.id, [account('17842', { kind })]);
    return post('/connections/complete', { code, accounts: ['17842'] });
  };
  expect((await connectAs('business')).status).toBe(200);
  const { status, body } = await connectAs('professional');
  expect([status, body.code, body.detail]).toEqual([
    422,
    'account-unusable',
    'The account is known as business',
  ]);
});

describe('a frontend that receives the code itself', () => {
  const redirectUri = `https://frontend.test/code/${randomUUID()}`;
  const connect = (body: object, token = tenant.tokens.admin) => post('/profiles/connect', body, token);

  test('connects with state, exact redirect URI and code, and is asked to choose where there is a choice', async () => {
    const app = await createApp({ redirectUri, returnUrls: [] });
    const ids = ['urn:li:organization:f1', 'urn:li:organization:f2'];
    provider.accounts.push(account(ids[0]!), account(ids[1]!));
    const started = await start(app.id);
    const choice = await connect({ code: provider.grantCode(), state: started.state, redirectUri });
    expect([choice.status, choice.body.profiles, choice.body.connection.state]).toEqual([200, [], 'pending']);
    const done = await post('/connections/complete', {
      code: choice.body.completionCode,
      accounts: [ids[1]],
    });
    expect(done.body.profiles).toMatchObject([{ externalId: ids[1] }]);
    const named = await start(app.id);
    const direct = await connect({
      ...{ code: provider.grantCode(), state: named.state, redirectUri },
      accounts: [ids[0]],
    });
    expect(direct.body).toMatchObject({ completionCode: null, profiles: [{ externalId: ids[0] }] });
  });

  test('is refused with the state of another person, with another redirect URI, and with a state that was used', async () => {
    const app = await createApp({ redirectUri: `${redirectUri}/2`, returnUrls: [] });
    provider.accounts.push(account('urn:li:organization:f3'));
    const exact = `${redirectUri}/2`;
    const before = provider.exchanges.length;
    const attempts = [
      async () =>
        connect(
          { code: provider.grantCode(), state: (await start(app.id)).state, redirectUri: exact },
          other,
        ),
      async () =>
        connect({ code: provider.grantCode(), state: (await start(app.id)).state, redirectUri: `${exact}/` }),
      async () => connect({ code: provider.grantCode(), state: 'made-up', redirectUri: exact }),
    ];
    for (const attempt of attempts) {
      const reply = await attempt();
      expect([reply.status, reply.body.code]).toEqual([400, 'connection-state-invalid']);
    }
    expect(provider.exchanges).toHaveLength(before);
    const { state } = await start(app.id);
    expect((await connect({ code: provider.grantCode(), state, redirectUri: exact })).status).toBe(200);
    const replayed = await connect({ code: provider.grantCode(), state, redirectUri: exact });
    expect(replayed.body.code).toBe('connection-state-invalid');
  });
});

describe('a redirect URI', () => {
  const base = `https://Frontend.test/take/${randomUUID()}`;

  // Each is the same address to somebody who compares less than every byte.
  test.each([
    ['a slash more', (uri: string) => `${uri}/`],
    ['a query', (uri: string) => `${uri}?next=1`],
    ['an empty query', (uri: string) => `${uri}?`],
    ['a fragment', (uri: string) => `${uri}#here`],
    ['its own port said', (uri: string) => uri.replace('.test/', '.test:443/')],
    ['other letters in its host', (uri: string) => uri.replace('Frontend', 'frontend')],
    ['other letters in its path', (uri: string) => uri.replace('/take/', '/Take/')],
    ['a letter of its path encoded', (uri: string) => uri.replace('/take/', '/t%61ke/')],
    ['a step back in its path', (uri: string) => uri.replace('/take/', '/x/../take/')],
    ['a user before its host', (uri: string) => uri.replace('//', '//a@')],
    ['a longer host', (uri: string) => uri.replace('.test/', '.test.evil.test/')],
    ['plain http', (uri: string) => uri.replace('https', 'http')],
    ['its last letter gone', (uri: string) => uri.slice(0, -1)],
  ])('with %s is another, and spends no code', async (_what, changed) => {
    const redirectUri = `${base}/${randomUUID()}`;
    const app = await createApp({ redirectUri, returnUrls: [] });
    provider.accounts.push(account('urn:li:organization:exact'));
    const { state } = await start(app.id);
    const before = provider.exchanges.length;
    const body = { code: provider.grantCode(), state, redirectUri: changed(redirectUri) };
    expect(body.redirectUri).not.toBe(redirectUri);
    const reply = await post('/profiles/connect', body);
    expect([400, 422]).toContain(reply.status);
    expect(provider.exchanges).toHaveLength(before);
  });
});

describe('disconnecting', () => {
  test('keeps the profile, and gives the tokens back with the last of its grant', async () => {
    const app = await createApp();
    const ids = ['urn:li:organization:d1', 'urn:li:organization:d2'];
    const { code } = await consent(
      app.id,
      ids.map((id) => account(id)),
    );
    const { profiles } = (await post('/connections/complete', { code, accounts: ids })).body;
    const before = provider.revoked.length;
    const first = await post(`/profiles/${profiles[0].id}/disconnect`, {});
    expect(first.body).toMatchObject({ health: 'needs-reconnect', disconnectedAt: expect.any(String) });
    expect(provider.revoked).toHaveLength(before);
    await post(`/profiles/${profiles[1].id}/disconnect`, {});
    expect(provider.revoked).toHaveLength(before + 1);
    await post(`/profiles/${profiles[1].id}/disconnect`, {});
    expect(provider.revoked).toHaveLength(before + 1);
    const { grant_id: grantId } = await profileOf(ids[0]!);
    const [grant] = await rows('select * from grants where id = $1', [grantId]);
    expect(grant).toMatchObject({
      state: 'DEAD',
      access_token: null,
      refresh_token: null,
      refresh_due_at: null,
    });
    const events = await rows('select kind, outcome from token_events where grant_id = $1 order by id', [
      grantId,
    ]);
    expect(events.map(({ kind, outcome }) => `${kind} ${outcome}`)).toEqual([
      ...['connect connected', 'connect connected', 'disconnect disconnected', 'disconnect disconnected'],
      'revoke revoked',
    ]);
  });

  test('leaves the tokens to the schedules while the platform cannot be reached', async () => {
    const app = await createApp();
    const { code } = await consent(app.id, [account('urn:li:organization:d3')]);
    const { profiles } = (await post('/connections/complete', { code, accounts: ['urn:li:organization:d3'] }))
      .body;
    provider.beforeCall = async () => {
      throw new OutcomeError('unavailable', 'away');
    };
    expect((await post(`/profiles/${profiles[0].id}/disconnect`, {})).status).toBe(200);
    const { grant_id: grantId } = await profileOf('urn:li:organization:d3');
    const [grant] = await rows('select * from grants where id = $1', [grantId]);
    expect([grant.state, grant.access_token !== null, grant.refresh_due_at !== null]).toEqual([
      'DEAD',
      true,
      true,
    ]);
  });
});
