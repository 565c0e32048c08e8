import { randomUUID } from 'node:crypto';
import type { Profile } from '../../testing/profiles.ts';
import { control, startWorld, type World } from '../support/world.ts';

/** The whole way over HTTP: the sandbox's consent page, our callback, the choice, a post, and the end of it. */

let world: World;
beforeAll(async () => {
  world = await startWorld();
});
afterAll(() => world.stop());

const returnUrl = 'https://frontend.test/connected';
const number = () => String(Math.floor(Math.random() * 1e9));
const admin = () => world.gatepost.people.admin;

async function registerAccounts(): Promise<{ member: string; organization: string }> {
  const [member, organization] = [`urn:li:person:${number()}`, `urn:li:organization:${number()}`];
  const account = { platform: 'linkedin', token: `by hand ${randomUUID()}` };
  await control(world, '/accounts', { ...account, kind: 'member', externalId: member, name: 'Ada Lovelace' });
  await control(world, '/accounts', {
    ...{ ...account, kind: 'organization', externalId: organization, name: 'Analytical Ltd' },
  });
  return { member, organization };
}

/** What a browser does on the consent page, up to the address it is sent on to by us. */
async function consent(authorizeUrl: string, fields: [string, string][]): Promise<URL> {
  const { searchParams } = new URL(authorizeUrl);
  const scopes = searchParams
    .get('scope')!
    .split(' ')
    .map((scope): [string, string] => ['scope', scope]);
  const decided = await fetch(authorizeUrl, {
    ...{ method: 'POST', redirect: 'manual' },
    body: new URLSearchParams([...fields, ...scopes]),
  });
  const back = new URL(decided.headers.get('location')!);
  expect(back.origin).toBe('https://gatepost.test');
  const answer = await fetch(`${world.gatepost.url}${back.pathname}${back.search}`, { redirect: 'manual' });
  expect(answer.status).toBe(302);
  return new URL(answer.headers.get('location')!);
}

async function start(): Promise<{ id: string; authorizeUrl: string }> {
  const app = await admin().send('POST', '/platform-apps', {
    body: {
      ...{ platform: 'linkedin', name: 'Ours', clientId: 'our-client', clientSecret: 'our-secret' },
      returnUrls: [returnUrl],
    },
  });
  const started = await admin().send('POST', '/connections', { body: { platformAppId: app.body.id } });
  expect(started.status).toBe(201);
  return started.body;
}

test('an organisation is connected at the consent page, published to, and disconnected', async () => {
  const { member, organization } = await registerAccounts();
  const { id, authorizeUrl } = await start();
  const to = await consent(authorizeUrl, [
    ['decision', 'allow'],
    ['account', member],
    ['account', organization],
  ]);
  expect([to.origin + to.pathname, to.searchParams.get('connection')]).toEqual([returnUrl, id]);
  const shown = await admin().send('GET', `/connections/${id}`);
  expect(shown.body.accounts).toMatchObject([
    { kind: 'member', externalId: member, name: 'Ada Lovelace', obstacle: null },
    { kind: 'organization', externalId: organization, name: 'Analytical Ltd', obstacle: null },
  ]);
  const body = { code: to.searchParams.get('code'), accounts: [organization] };
  const completed = await admin().send('POST', '/connections/complete', { body });
  expect(completed.body.profiles).toMatchObject([{ externalId: organization, health: 'active' }]);
  const profile: Profile = {
    ...{ id: completed.body.profiles[0].id, platform: 'linkedin', accountKind: 'organization' },
    ...{ externalId: organization, token: 'nobody knows' },
  };
  const { posts, clock, ledger } = world.gatepost;
  const post = await posts.create({ profiles: [profile], dueAt: clock.in({ hours: 1 }) });
  await posts.approve(post, 'content', 'publish');
  expect((await clock.advanceToDue(post)).status).toBe('PUBLISHED');
  await ledger.expectOnce(post);
  // LinkedIn has no way to give tokens back: they are erased.
  const disconnected = await admin().send('POST', `/profiles/${profile.id}/disconnect`, { body: {} });
  expect(disconnected.body).toMatchObject({ health: 'needs-reconnect', disconnectedAt: expect.any(String) });
  const events = await admin().send('GET', `/profiles/${profile.id}/token-events`);
  expect(events.body.items.map(({ kind, outcome }: Record<string, string>) => `${kind} ${outcome}`)).toEqual([
    ...['revoke unsupported', 'disconnect disconnected', 'connect connected'],
  ]);
});

test('whoever says no comes back with that, and nothing else', async () => {
  await registerAccounts();
  const { id, authorizeUrl } = await start();
  const to = await consent(authorizeUrl, [['decision', 'cancel']]);
  expect(to.href).toBe(`${returnUrl}?error=cancelled&connection=${id}`);
});
