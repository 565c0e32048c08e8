import { createHash, randomBytes } from 'node:crypto';
import type { Connector, TokenSet } from '../../../adapters/platforms/connector.ts';
import type { Account } from '../../../adapters/platforms/publisher.ts';
import { definitions, liveEndpoints } from '../../../adapters/platforms/registry.ts';
import type { AccountKind, Platform } from '../../../domain/post.ts';
import type { FaultKind } from '../../../sandbox/faults.ts';
import type { SandboxOAuth } from '../../../sandbox/oauth-definition.ts';
import type { SandboxPlatform } from '../../../sandbox/platform.ts';
import { sandboxPlatforms } from '../../../sandbox/platforms/index.ts';
import { fixtures } from './fixtures/index.ts';
import { cells, openStage, type Stage, testedPlatforms } from './stage.ts';
import { context, outcomeOf } from './support.ts';

/** Every connector played against a server that speaks the platform's OAuth, from the consent page to the last revocation. */

const app = { clientId: 'client', clientSecret: 'secret' };
const redirectUri = 'https://gatepost.test/api/v1/oauth/callback/1';
const hourMs = 3_600_000;

let aheadMs = 0;
const now = () => new Date(Date.now() + aheadMs);
const advance = (ms: number) => {
  aheadMs += ms;
};

let stage: Stage;
beforeAll(async () => {
  stage = await openStage({ now });
});
afterAll(() => stage.stop());

const notCalled = () => Promise.reject(new Error('Only asked about'));
/** A way to connect accounts: the platform's name, with `/` and the login's where it is not the usual one. */
type Way = Platform | `${Platform}/${string}`;
const platformOf = (way: Way) => way.split('/')[0] as Platform;
const loginOf = (way: Way): string | null => way.split('/')[1] ?? null;
const connectors = new Map<Way, Connector>();
for (const platform of testedPlatforms) {
  const { connect: usual, logins = {} } = definitions[platform];
  const options = { ...liveEndpoints[platform], fetch: notCalled };
  if (usual) connectors.set(platform, usual(options));
  for (const [name, login] of Object.entries(logins)) connectors.set(`${platform}/${name}`, login(options));
}
function oauthOf(way: Way): SandboxOAuth {
  const { oauth, logins }: SandboxPlatform = sandboxPlatforms[platformOf(way)];
  const login = loginOf(way);
  return (login === null ? oauth : logins?.[login])!;
}
const connected = [...connectors.keys()];
const having = (matches: (connector: Connector) => boolean) =>
  connected.filter((platform) => matches(connectors.get(platform)!));
/** Whose accounts hang on pages, each with a token of its own. */
const throughPages: readonly Way[] = connected.filter((platform) =>
  ['facebook', 'instagram'].includes(platform),
);

/** `test.each` that may have no platform, where one alone is worked on. */
const forEach = (list: readonly Way[]) => (name: string, run: (way: Way) => Promise<void>) => {
  for (const way of list) test(name.replace('%s', way), () => run(way));
};

/** A form as a browser has it: what is ticked, and where it goes. */
interface Page {
  readonly url: string;
  readonly action: string;
  readonly ticked: readonly (readonly [string, string])[];
}

const unescaped = (text: string) =>
  text.replace(/&(amp|lt|gt|quot|#39|#x27);/g, (_, name: string) => {
    return { amp: '&', lt: '<', gt: '>', quot: '"' }[name] ?? "'";
  });

async function openPage(url: string): Promise<Page> {
  const response = await fetch(url, { redirect: 'manual' });
  expect([response.status, response.headers.get('location')]).toEqual([200, null]);
  const html = await response.text();
  const [, action = ''] = /<form method="post" action="([^"]*)"/.exec(html) ?? [];
  const boxes = html.matchAll(/<input type="checkbox" name="([^"]*)" value="([^"]*)" checked>/g);
  const ticked = [...boxes].map(([, name, value]) => [name!, unescaped(value!)] as const);
  return { url, action: unescaped(action), ticked };
}

/** Where the page sends the browser. */
async function submit(page: Page, decision: 'allow' | 'cancel', ticked = page.ticked): Promise<URL> {
  const body = new URLSearchParams();
  for (const [name, value] of [...ticked, ['decision', decision] as const]) body.append(name, value);
  const response = await fetch(new URL(page.action, page.url), { method: 'POST', redirect: 'manual', body });
  expect(response.status).toBe(302);
  return new URL(response.headers.get('location')!);
}

function challengeOf({ pkce }: Connector, verifier: string): string | null {
  if (pkce === 'none') return null;
  const hash = createHash('sha256').update(verifier);
  return hash.digest(pkce === 'S256-hex' ? 'hex' : 'base64url');
}

function begin(way: Way) {
  const connector = stage.connectorOf(platformOf(way), loginOf(way));
  const verifier = randomBytes(48).toString('base64url');
  const state = randomBytes(16).toString('base64url');
  const codeChallenge = challengeOf(connector, verifier);
  const scopes = connector.defaultScopes;
  const url = connector.authorizeUrl({ app, redirectUri, state, scopes, codeChallenge });
  return { connector, url, state, codeVerifier: codeChallenge === null ? null : verifier };
}

interface Allowed {
  readonly connector: Connector;
  readonly code: string;
  readonly codeVerifier: string | null;
}

/** A code, as a person gives it who ticks everything, or all but one scope. */
async function allow(way: Way, unticked?: string): Promise<Allowed> {
  const { connector, url, state, codeVerifier } = begin(way);
  const page = await openPage(url);
  const ticked = page.ticked.filter(([, value]) => value !== unticked);
  const back = await submit(page, 'allow', ticked);
  expect([back.origin + back.pathname, back.searchParams.get('state')]).toEqual([redirectUri, state]);
  expect(back.searchParams.get('iss')).toBe(connector.issuer ?? null);
  return { connector, code: back.searchParams.get('code')!, codeVerifier };
}

const exchange = (
  { connector, code, codeVerifier }: Allowed,
  change: Partial<Parameters<Connector['exchange']>[0]> = {},
): Promise<TokenSet> => connector.exchange({ app, code, redirectUri, codeVerifier, ...change }, context());

async function connect(way: Way) {
  const allowed = await allow(way);
  return { ...allowed, tokens: await exchange(allowed) };
}

const kindsOf = (way: Way) =>
  (Object.keys(fixtures[platformOf(way)].accounts) as AccountKind[]).filter(
    (kind) => oauthOf(way).kinds?.includes(kind) ?? true,
  );

/** The accounts as the connector lists them, with the token that each is published with. */
async function listed(connector: Connector, way: Way, tokens: TokenSet): Promise<Account[]> {
  const found = await connector.listAccounts(tokens.accessToken, context());
  return found.map(({ kind, externalId, accessToken, obstacle }) => {
    expect(obstacle).toBeNull();
    return { platform: platformOf(way), kind, externalId, accessToken: accessToken ?? tokens.accessToken };
  });
}

/** Publishes the cheapest type of post that the platform has, and says whether the ledger has it. */
async function publish(account: Account, word: string): Promise<boolean> {
  const cell = cells.find(({ platform, kind }) => platform === account.platform && kind === account.kind)!;
  const count = async () => (await stage.ledgerOf(cell)).length;
  const before = await count();
  const content = stage.contentOf(cell, word);
  const { preparer, publisher } = stage.adapterOf(cell);
  const handle = (await preparer?.prepare(account, content, stage.media, context())) ?? null;
  await publisher.commit(account, content, handle, { ...context(), media: stage.media });
  return (await count()) === before + 1;
}

const refusals = ['rejected', 'unauthorized'];

forEach(connected)('%s has an authorization server in the sandbox', async (way) => {
  const oauth = oauthOf(way);
  const { pkce, renewal, keepsRefreshToken, revoke } = connectors.get(way)!;
  expect(oauth).toBeDefined();
  // What the connector believes of the way and what the sandbox does are the same.
  expect({ pkce, revokes: revoke !== undefined }).toEqual({
    ...{ pkce: oauth!.pkce, revokes: oauth!.revocation !== undefined },
  });
  const refreshes = renewal === 'refresh-token';
  expect([refreshes, refreshes && !keepsRefreshToken]).toEqual([
    oauth!.refreshSeconds !== null,
    oauth!.rotates,
  ]);
});

forEach(connected)('%s gives a token that lists the accounts and publishes for each', async (way) => {
  const { connector, tokens } = await connect(way);
  const accounts = await listed(connector, way, tokens);
  expect(accounts.map(({ kind, externalId }) => [kind, externalId]).sort()).toEqual(
    kindsOf(way)
      .map((kind) => [kind, fixtures[platformOf(way)].accounts[kind]])
      .sort(),
  );
  for (const account of accounts) expect(await publish(account, `Connected ${account.kind}`)).toBe(true);
});

forEach(connected)('%s says which scopes were left ticked, where it says anything', async (way) => {
  const { defaultScopes, requiredScopes } = connectors.get(way)!;
  const unticked = defaultScopes.find((scope) => !requiredScopes.includes(scope)) ?? defaultScopes.at(-1)!;
  const { scopes } = await exchange(await allow(way, unticked));
  const left = defaultScopes.filter((scope) => scope !== unticked);
  expect(scopes === null ? left : [...scopes].sort()).toEqual(scopes === null ? left : [...left].sort());
});

forEach(connected)('%s sends people back without a code when they say no', async (way) => {
  const { url, state } = begin(way);
  const { searchParams } = await submit(await openPage(url), 'cancel');
  expect([searchParams.get('code'), searchParams.get('state')]).toEqual([null, state]);
  expect(searchParams.get('error')).toMatch(/^(access_denied|user_cancelled_authorize)$/);
});

forEach(connected)('%s takes a code once, for its own address, from its own application', async (way) => {
  const allowed = await allow(way);
  const strangers = [
    { redirectUri: `${redirectUri}0` },
    { app: { ...app, clientId: 'other' } },
    { app: { ...app, clientSecret: '' } },
  ];
  for (const change of strangers)
    expect(refusals).toContain((await outcomeOf(exchange(allowed, change))).code);
  await exchange(allowed);
  expect(refusals).toContain((await outcomeOf(exchange(allowed))).code);
});

forEach(connected)('%s does not take a code that is too old', async (way) => {
  const allowed = await allow(way);
  advance(oauthOf(way).codeSeconds * 1_000);
  expect(refusals).toContain((await outcomeOf(exchange(allowed))).code);
});

forEach(having(({ pkce }) => pkce !== 'none'))(
  '%s does not give tokens for a wrong code verifier, or for none',
  async (way) => {
    const allowed = await allow(way);
    for (const codeVerifier of [randomBytes(48).toString('base64url'), null])
      expect(refusals).toContain((await outcomeOf(exchange(allowed, { codeVerifier }))).code);
    expect((await exchange(allowed)).accessToken).not.toBe('');
  },
);

forEach(having(({ renewal }) => renewal === 'refresh-token'))(
  '%s renews a token that has ended with its refresh token',
  async (way) => {
    const { connector, tokens } = await connect(way);
    expect(tokens.refreshToken).not.toBeNull();
    advance(tokens.expiresAt!.getTime() - now().getTime() + 1_000);
    const ended = await outcomeOf(connector.listAccounts(tokens.accessToken, context()));
    expect(ended.code).toBe('unauthorized');
    const renewed = await connector.refresh(app, tokens, context());
    expect(renewed.expiresAt!.getTime()).toBeGreaterThan(now().getTime());
    const [account] = await listed(connector, way, renewed);
    expect(await publish(account!, 'Renewed')).toBe(true);
  },
);

forEach(having(({ renewal }) => renewal === 'access-token'))(
  '%s renews a token by itself while it lives, and not after',
  async (way) => {
    const { connector, tokens } = await connect(way);
    advance(tokens.expiresAt!.getTime() - now().getTime() - hourMs);
    const renewed = await connector.refresh(app, tokens, context());
    expect(renewed.expiresAt!.getTime()).toBeGreaterThan(tokens.expiresAt!.getTime() + 24 * hourMs);
    advance(hourMs);
    expect((await outcomeOf(connector.refresh(app, tokens, context()))).code).toBe('unauthorized');
    const [account] = await listed(connector, way, renewed);
    expect(await publish(account!, 'Renewed')).toBe(true);
  },
);

forEach(having(({ renewal, keepsRefreshToken }) => renewal === 'refresh-token' && !keepsRefreshToken))(
  '%s gives a new refresh token each time, and refuses one that was used',
  async (way) => {
    const { connector, tokens } = await connect(way);
    const second = await connector.refresh(app, tokens, context());
    expect([null, tokens.refreshToken]).not.toContain(second.refreshToken);
    const third = await connector.refresh(app, second, context());
    expect([null, second.refreshToken]).not.toContain(third.refreshToken);
    expect((await outcomeOf(connector.refresh(app, tokens, context()))).code).toBe('unauthorized');
    const after = await outcomeOrNull(connector.refresh(app, third, context()));
    expect(after?.code ?? null).toBe(oauthOf(way).sparesFamily ? null : 'unauthorized');
  },
);

const outcomeOrNull = (call: Promise<unknown>) =>
  call.then(
    () => null,
    (error: unknown) => outcomeOf(Promise.reject(error)),
  );

forEach(
  having(({ renewal, keepsRefreshToken }) => renewal === 'refresh-token' && keepsRefreshToken === true),
)('%s keeps its refresh token, which is used again and again', async (way) => {
  const { connector, tokens } = await connect(way);
  for (let times = 0; times < 2; times += 1) {
    const { accessToken, refreshToken } = await connector.refresh(app, tokens, context());
    expect([null, tokens.refreshToken]).toContain(refreshToken);
    expect(accessToken).not.toBe(tokens.accessToken);
  }
});

/** Threads and Instagram Login ask for no application here, and Pinterest does not say which of the two it does not know. */
const otherAnswers: Partial<Record<Way, string | null>> = {
  threads: null,
  'instagram/instagram': null,
  pinterest: 'unauthorized',
};

forEach(having(({ renewal }) => renewal !== 'none'))(
  '%s holds nothing against a grant when it is the application that is unknown',
  async (way) => {
    const { connector, tokens } = await connect(way);
    advance(25 * hourMs);
    const unknown = { ...app, clientSecret: '' };
    const failure = await outcomeOrNull(connector.refresh(unknown, tokens, context()));
    expect(failure?.code ?? null).toBe(way in otherAnswers ? otherAnswers[way] : 'rejected');
  },
);

forEach(having(({ revoke }) => revoke !== undefined))(
  '%s takes back its tokens, and those that were made of them',
  async (way) => {
    const { connector, tokens } = await connect(way);
    const [account] = await listed(connector, way, tokens);
    await connector.revoke!(app, tokens, context());
    expect((await outcomeOf(connector.listAccounts(tokens.accessToken, context()))).code).toBe(
      'unauthorized',
    );
    expect((await outcomeOf(publish(account!, 'Revoked'))).code).toBe('unauthorized');
    expect((await outcomeOf(connector.refresh(app, tokens, context()))).code).toBe('unauthorized');
  },
);

// A person's token of Facebook that is dead is no word on the pages' tokens, which may live.
forEach(having(({ revoke }) => revoke !== undefined).filter((one) => !throughPages.includes(one)))(
  '%s takes tokens back that are gone already',
  async (way) => {
    const { connector, tokens } = await connect(way);
    await connector.revoke!(app, tokens, context());
    await expect(connector.revoke!(app, tokens, context())).resolves.toBeUndefined();
  },
);

forEach(throughPages)('%s gives tokens for pages that outlive the one of the person', async (way) => {
  const { connector, tokens } = await connect(way);
  const [account] = await listed(connector, way, tokens);
  expect(account!.accessToken).not.toBe(tokens.accessToken);
  advance(tokens.expiresAt!.getTime() - now().getTime() + hourMs);
  expect((await outcomeOf(connector.listAccounts(tokens.accessToken, context()))).code).toBe('unauthorized');
  expect(await publish(account!, 'Long after')).toBe(true);
});

forEach(connected.filter((way) => way === 'facebook'))(
  '%s publishes for a page with its own token alone',
  async (way) => {
    const { connector, tokens } = await connect(way);
    const [account] = await listed(connector, way, tokens);
    const asPerson = { ...account!, accessToken: tokens.accessToken };
    expect((await outcomeOf(publish(asPerson, 'As a person'))).code).toBe('unauthorized');
  },
);

forEach(throughPages)('%s lists nothing for a person who chose no account', async (way) => {
  const [chosen] = Object.values(fixtures[platformOf(way)].accounts);
  const { connector, ...allowed } = await allow(way, chosen);
  const tokens = await exchange({ connector, ...allowed });
  expect([...tokens.scopes!].sort()).toEqual([...connector.defaultScopes].sort());
  expect(await listed(connector, way, tokens)).toEqual([]);
});

forEach(having(({ renewal }) => renewal !== 'none'))(
  '%s holds no trouble of its own against a grant',
  async (way) => {
    const { connector, tokens } = await connect(way);
    advance(25 * hourMs);
    const codeAfter = async (kind: FaultKind) => {
      await stage.control('POST', 'faults', { operation: `${platformOf(way)}.oauth.refresh`, kind });
      return (await outcomeOf(connector.refresh(app, tokens, context()))).code;
    };
    expect(await codeAfter('throttle')).toBe('rate-limited');
    expect(await codeAfter('error-before-accept')).toBe('unavailable');
    expect(await codeAfter('html')).toMatch(/^(unavailable|unexpected-response)$/);
    expect((await connector.refresh(app, tokens, context())).accessToken).not.toBe(tokens.accessToken);
  },
);
