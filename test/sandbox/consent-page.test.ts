import { randomInt } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Browser } from 'playwright-core';
import { type Platform, platforms } from '../../domain/post.ts';
import { sandboxPlatforms } from '../../sandbox/platforms/index.ts';
import { createControl } from '../../testing/platforms.ts';
import {
  browserTimeoutMs,
  narrow,
  openBrowser,
  openPage,
  scrollsSideways,
  seenText,
  type WatchedPage,
} from '../support/browser.ts';
import { type SandboxProcess, startSandboxProcess } from '../support/sandbox-process.ts';

/** The consent page as a person plays it: in a browser, of the sandbox's own process, for a client that takes people back. */

let sandbox: SandboxProcess;
let browser: Browser;
let client: Server;
let redirectUri: string;
let watched: WatchedPage;
beforeAll(async () => {
  client = createServer((_request, response) => {
    response.setHeader('content-type', 'text/html').end('<link rel="icon" href="data:,"><h1>Back</h1>');
  }).listen(0, '127.0.0.1');
  [sandbox, browser] = await Promise.all([startSandboxProcess(), openBrowser()]);
  redirectUri = `http://127.0.0.1:${(client.address() as AddressInfo).port}/back`;
  const control = createControl(sandbox);
  for (const [externalId, name] of [
    ['urn:li:organization:1', 'Morrow & Pine'],
    ['urn:li:organization:2', '<b>Pine & Partners</b> <script>window.harmed = 1</script>'],
  ])
    await control('POST', '/accounts', {
      ...{ platform: 'linkedin', kind: 'organization', externalId, name, token: `made-up-${externalId}` },
    });
}, browserTimeoutMs);
afterAll(async () => {
  await browser?.close();
  client?.closeAllConnections();
  client?.close();
  await sandbox?.stop();
});
beforeEach(async () => {
  watched = await openPage(browser);
});
afterEach(async () => {
  await watched.close();
  expect(watched.problems).toEqual([]);
});

const state = 'a state & more';
function addressOf(platform: Platform, change: Record<string, string> = {}): string {
  const {
    authorizePath,
    clientIdName = 'client_id',
    scopeSeparator = ' ',
  } = sandboxPlatforms[platform].oauth!;
  const query = new URLSearchParams({
    ...{ response_type: 'code', [clientIdName]: 'the-client', redirect_uri: redirectUri, state },
    ...{ scope: ['openid', 'w_organization_social'].join(scopeSeparator) },
    ...{ code_challenge: 'c'.repeat(43), code_challenge_method: 'S256', ...change },
  });
  return `${sandbox.url}/${platform}${authorizePath}?${query}`;
}
/** With which the client is gone back to. */
async function answerOf({ page } = watched): Promise<Record<string, string>> {
  await page.waitForURL((url) => url.href.startsWith(redirectUri));
  return Object.fromEntries(new URL(page.url()).searchParams);
}
/** What the person has allowed, by what their token may do. */
async function allowedBy(code: string): Promise<{ scope: string; authors: number[] }> {
  const answer = await fetch(`${sandbox.url}/linkedin/oauth/v2/accessToken`, {
    method: 'POST',
    body: new URLSearchParams({
      ...{ grant_type: 'authorization_code', code, redirect_uri: redirectUri },
      ...{ client_id: 'the-client', client_secret: 'secret' },
    }),
  });
  const { access_token: token, scope } = (await answer.json()) as { access_token: string; scope: string };
  const publish = (number: number) =>
    fetch(`${sandbox.url}/linkedin/rest/posts`, {
      method: 'POST',
      headers: {
        ...{ authorization: `Bearer ${token}`, 'linkedin-version': '202609' },
        ...{ 'x-restli-protocol-version': '2.0.0', 'content-type': 'application/json' },
      },
      body: JSON.stringify({
        ...{
          author: `urn:li:organization:${number}`,
          commentary: `Words ${randomInt(1e12)}`,
          visibility: 'PUBLIC',
        },
        distribution: {
          ...{ feedDistribution: 'MAIN_FEED', targetEntities: [], thirdPartyDistributionChannels: [] },
        },
        ...{ lifecycleState: 'PUBLISHED', isReshareDisabledByAuthor: false },
      }),
    });
  const statuses = [(await publish(1)).status, (await publish(2)).status];
  return { scope, authors: statuses.flatMap((status, index) => (status === 201 ? [index + 1] : [])) };
}

describe('the consent page', () => {
  it('says who asks, for which accounts and for what, and takes all of it as ticked', async () => {
    const { page } = watched;
    await page.goto(addressOf('linkedin'));
    expect(await seenText(page.locator('h1'))).toBe('LinkedIn (sandbox)');
    expect(await seenText(page.locator('main'))).toContain('The application the-client asks');
    expect(await page.getByRole('group', { name: 'Accounts' }).getByRole('checkbox').count()).toBe(2);
    expect(await page.getByRole('checkbox', { checked: true }).count()).toBe(4);
    expect(await seenText(page.getByRole('group', { name: 'Accounts' }))).toContain(
      '<b>Pine & Partners</b> <script>window.harmed = 1</script>',
    );
    expect(await page.evaluate('window.harmed')).toBeUndefined();
    await page.getByRole('button', { name: 'Allow' }).click();
    const { code, ...answer } = await answerOf();
    expect(answer).toEqual({ state });
    expect(await allowedBy(code!)).toEqual({ scope: 'openid,w_organization_social', authors: [1, 2] });
  });

  it('allows no more than what is left ticked', async () => {
    const { page } = watched;
    await page.goto(addressOf('linkedin'));
    await page.getByRole('checkbox', { name: 'Morrow & Pine' }).uncheck();
    await page.getByRole('checkbox', { name: 'openid' }).uncheck();
    await page.getByRole('button', { name: 'Allow' }).click();
    const { code } = await answerOf();
    expect(await allowedBy(code!)).toEqual({ scope: 'w_organization_social', authors: [2] });
  });

  it('can be played with the keyboard alone', async () => {
    const { page } = watched;
    await page.goto(addressOf('linkedin'));
    const focused = () =>
      page.evaluate<string>(
        "document.activeElement.value + ' ' + document.activeElement.matches(':focus-visible')",
      );
    const path: string[] = [];
    for (let step = 0; step < 6; step += 1) {
      await page.keyboard.press('Tab');
      path.push(await focused());
      if (step === 1) await page.keyboard.press('Space');
    }
    expect(path).toEqual(
      [
        ...['urn:li:organization:1', 'urn:li:organization:2', 'openid', 'w_organization_social'],
        ...['allow', 'cancel'],
      ].map((value) => `${value} true`),
    );
    await page.keyboard.press('Shift+Tab');
    await page.keyboard.press('Enter');
    const { code } = await answerOf();
    expect(await allowedBy(code!)).toEqual({ scope: 'openid,w_organization_social', authors: [1] });
  });

  it('takes a no back to the client, with its state and no code', async () => {
    await watched.page.goto(addressOf('linkedin'));
    await watched.page.getByRole('button', { name: 'Cancel' }).click();
    expect(await answerOf()).toEqual({
      ...{ error: 'user_cancelled_authorize', error_description: 'user_cancelled_authorize', state },
    });
  });

  it('asks nothing where nobody does, and sends nobody anywhere', async () => {
    const other = await openPage(browser);
    await other.page.goto(addressOf('linkedin', { redirect_uri: 'nowhere' }));
    expect(await seenText(other.page.locator('main'))).toBe('The address has no client or no redirect URI.');
    expect(other.page.url()).toContain(sandbox.url);
    expect(await other.page.getByRole('button').count()).toBe(0);
    await other.close();
    expect(other.problems.filter((problem) => !/\b400\b/.test(problem))).toEqual([]);
  });

  it('says what is missing where the platform has no account yet', async () => {
    await watched.page.goto(addressOf('mastodon'));
    expect(await seenText(watched.page.locator('main'))).toContain('The sandbox has no account here.');
    await watched.page.getByRole('button', { name: 'Cancel' }).click();
    expect(await answerOf()).toMatchObject({ error: 'access_denied', state });
  });

  it.each(platforms.filter((platform) => sandboxPlatforms[platform].oauth))(
    'of %s fits a telephone, and leads back with a code and the state',
    async (platform) => {
      const phone = await openPage(browser, { viewport: narrow, colorScheme: 'dark' });
      await phone.page.goto(addressOf(platform));
      expect(await seenText(phone.page.locator('h1'))).toBe(`${sandboxPlatforms[platform].name} (sandbox)`);
      expect(await scrollsSideways(phone.page)).toBe(false);
      await phone.page.getByRole('button', { name: 'Allow' }).click();
      const { oauth } = sandboxPlatforms[platform];
      expect(await answerOf(phone)).toEqual({
        ...{ code: expect.stringMatching(/^[\w-]{32,}$/), state },
        ...(oauth?.namesIssuer && { iss: `${sandbox.url}/${platform}` }),
      });
      await phone.close();
      expect(phone.problems).toEqual([]);
    },
  );
});
