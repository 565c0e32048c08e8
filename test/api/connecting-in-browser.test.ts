import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Browser } from 'playwright-core';
import { createPlatformFetch } from '../../adapters/platforms/platform-fetch.ts';
import { createRegistry, liveEndpoints, sandboxEndpoints } from '../../adapters/platforms/registry.ts';
import type { Platform } from '../../domain/post.ts';
import { createControl } from '../../testing/platforms.ts';
import { browserTimeoutMs, openBrowser, openPage, seenText, type WatchedPage } from '../support/browser.ts';
import { type SandboxProcess, startSandboxProcess } from '../support/sandbox-process.ts';
import { createTestTenant, type Reply, startTestApi, type TestApi, type TestTenant } from './fixture.ts';

/** Accounts connected as a person does it: from the frontend to the platform's page, and back by our callback. */

let sandbox: SandboxProcess;
let browser: Browser;
let frontend: Server;
let returnUrl: string;
let api: TestApi;
let tenant: TestTenant;
let watched: WatchedPage;
let aheadMs = 0;
/** As the consent page shows them: the first is left out of the choice. */
const accounts: Readonly<Partial<Record<Platform, readonly [kind: string, externalId: string][]>>> = {
  linkedin: [
    ['organization', 'urn:li:organization:11'],
    ['organization', 'urn:li:organization:12'],
  ],
  facebook: [
    ['page', '2001'],
    ['page', '2002'],
  ],
  x: [['user', '3001']],
};

beforeAll(async () => {
  frontend = createServer((request, response) => {
    const heading = new URL(request.url!, 'http://frontend').searchParams.get('error') ?? 'Connected';
    response.setHeader('content-type', 'text/html').end(`<link rel="icon" href="data:,"><h1>${heading}</h1>`);
  }).listen(0, '127.0.0.1');
  [sandbox, browser] = await Promise.all([startSandboxProcess(), openBrowser()]);
  returnUrl = `http://127.0.0.1:${(frontend.address() as AddressInfo).port}/connected?from=gatepost`;
  const settings = { armLeadMs: 0, acceptSignals: false, publicUrl: '' };
  api = await startTestApi({
    settings,
    connectors: createRegistry({
      ...{ live: liveEndpoints, sandbox: sandboxEndpoints(sandbox.url), fetch: createPlatformFetch() },
    }),
    clock: { now: () => new Date(Date.now() + aheadMs) },
  });
  settings.publicUrl = api.url;
  tenant = await createTestTenant(api);
  const control = createControl(sandbox);
  for (const [platform, known] of Object.entries(accounts))
    for (const [kind, externalId] of known)
      await control('POST', '/accounts', {
        ...{ platform, kind, externalId, name: `Name of ${externalId}`, token: `made-up-${externalId}` },
      });
}, browserTimeoutMs);
afterAll(async () => {
  await browser?.close();
  await api?.stop();
  frontend?.closeAllConnections();
  frontend?.close();
  await sandbox?.stop();
});
beforeEach(async () => {
  aheadMs = 0;
  watched = await openPage(browser);
});
afterEach(async () => {
  await watched.close();
  expect(watched.problems).toEqual([]);
});

const send = (method: string, path: string, body?: unknown): Promise<Reply> =>
  api.send(method, `/api/v1${path}`, { token: tenant.tokens.admin, body });

/** An app, and the page that its connection leads to. */
async function openConsent(platform: Platform): Promise<string> {
  const app = await send('POST', '/platform-apps', {
    ...{ platform, name: 'Ours', clientId: 'the-client', clientSecret: 'secret', returnUrls: [returnUrl] },
  });
  expect(app.status).toBe(201);
  const started = await send('POST', '/connections', { platformAppId: app.body.id });
  expect(started.status).toBe(201);
  await watched.page.goto(started.body.authorizeUrl);
  expect(new URL(watched.page.url()).origin).toBe(sandbox.url);
  return started.body.id;
}
const press = (name: 'Allow' | 'Cancel') => watched.page.getByRole('button', { name }).click();
/** What the frontend is told. */
async function answered(): Promise<Record<string, string>> {
  await watched.page.waitForURL((url) => url.href.startsWith(returnUrl));
  const { from, ...answer } = Object.fromEntries(new URL(watched.page.url()).searchParams);
  expect(from).toBe('gatepost');
  return answer;
}

test.each(['linkedin', 'facebook', 'x'] as const)(
  'connects the account of %s that was left ticked',
  async (platform) => {
    const [[, left], [kind, chosen]] = [accounts[platform]![0]!, accounts[platform]!.at(-1)!];
    const id = await openConsent(platform);
    expect(await seenText(watched.page.locator('main'))).toContain('the-client');
    if (left !== chosen) await watched.page.getByRole('checkbox', { name: left }).uncheck();
    await press('Allow');
    const { code, ...answer } = await answered();
    expect(answer).toEqual({ connection: id });
    expect(await seenText(watched.page.locator('h1'))).toBe('Connected');
    const pending = await send('GET', `/connections/${id}`);
    // LinkedIn names the person beside the organisations.
    const offered = pending.body.accounts.filter((account: { kind: string }) => account.kind === kind);
    expect(offered).toEqual([
      {
        ...{ kind, externalId: chosen, name: expect.stringContaining(`Name of ${chosen}`) },
        ...{ obstacle: null, profileId: null },
      },
    ]);
    const completed = await send('POST', '/connections/complete', { code, accounts: [chosen] });
    expect([completed.status, completed.body.profiles]).toEqual([
      200,
      [expect.objectContaining({ platform, externalId: chosen, health: 'active' })],
    ]);
  },
);

test('says what stands in the way where a scope was unticked', async () => {
  const id = await openConsent('linkedin');
  await watched.page.getByRole('checkbox', { name: 'w_organization_social' }).uncheck();
  await press('Allow');
  const { code } = await answered();
  const { accounts: offered } = (await send('GET', `/connections/${id}`)).body;
  const account = offered.find(({ kind }: { kind: string }) => kind === 'organization');
  expect(account.obstacle).toContain('w_organization_social');
  const refused = await send('POST', '/connections/complete', { code, accounts: [account.externalId] });
  expect([refused.status, refused.body.code]).toEqual([422, 'account-unusable']);
  expect(refused.body.errors[0].message).toContain('w_organization_social');
});

test('takes a no back to the frontend, and connects nothing', async () => {
  const id = await openConsent('linkedin');
  await press('Cancel');
  expect(await answered()).toEqual({ error: 'cancelled', connection: id });
  expect(await seenText(watched.page.locator('h1'))).toBe('cancelled');
  expect((await send('GET', `/connections/${id}`)).status).toBe(404);
});

test('is over for whoever takes more than ten minutes at the platform', async () => {
  const id = await openConsent('linkedin');
  aheadMs = 10 * 60_000 + 1_000;
  await press('Allow');
  expect(await answered()).toEqual({ error: 'expired', connection: id });
  aheadMs = 0;
  expect((await send('GET', `/connections/${id}`)).status).toBe(404);
});

test('is used up by the first that comes back: a second tab is told so, and harms nothing', async () => {
  const id = await openConsent('linkedin');
  const first = watched;
  const second = await openPage(browser);
  await second.page.goto(first.page.url());
  await press('Allow');
  const { code } = await answered();
  await second.page.getByRole('button', { name: 'Allow' }).click();
  await second.page.waitForURL((url) => url.href.startsWith(returnUrl));
  const answer = Object.fromEntries(new URL(second.page.url()).searchParams);
  expect(answer).toEqual({ from: 'gatepost', error: 'used', connection: id });
  await second.close();
  const chosen = accounts.linkedin!.map(([, externalId]) => externalId);
  expect((await send('POST', '/connections/complete', { code, accounts: chosen })).status).toBe(200);
});

test('sends nobody anywhere for a state that nobody was given', async () => {
  const { body } = await send('POST', '/platform-apps', {
    ...{ platform: 'linkedin', name: 'Ours', clientId: 'c', clientSecret: 's', returnUrls: [returnUrl] },
  });
  const other = await openPage(browser);
  const callback = `${api.url}/api/v1/oauth/callback/${body.id}?state=made-up&code=made-up`;
  await other.page.goto(callback);
  expect(other.page.url()).toBe(callback);
  expect(await seenText(other.page.locator('body'))).toContain('The state is unknown');
  await other.close();
});
