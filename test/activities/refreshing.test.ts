import { randomUUID } from 'node:crypto';
import { MockActivityEnvironment } from '@temporalio/testing';
import { DefaultLogger } from '@temporalio/worker';
import type { RefreshGrantInput, RefreshGrantResult } from '../../activities/contract.ts';
import type { ActivityDependencies } from '../../activities/dependencies.ts';
import type { RunDirectory } from '../../activities/maintenance.ts';
import { createTokenActivities } from '../../activities/token-sweeps.ts';
import { createTokenSource, tokenFor } from '../../activities/tokens.ts';
import type { Connector } from '../../adapters/platforms/connector.ts';
import { type ConnectorKey, RegistryError } from '../../adapters/platforms/registry.ts';
import { createEnvelopes } from '../../adapters/secrets/envelope.ts';
import type { PublishContent } from '../../db/publish-content.ts';
import { OutcomeError } from '../../domain/outcome.ts';
import type { GrantState } from '../../domain/tokens.ts';
import { type Fixture, insertTenant, poolFor, startFixture } from '../db/fixture.ts';
import { createRotatingProvider, type RotatingProvider } from '../support/rotating-provider.ts';

let fixture: Fixture;
let provider: RotatingProvider;
let appId: string;
let nowMs: number;
const envelopes = createEnvelopes({ currentKeyId: 'test', keys: { test: Buffer.alloc(32, 7) } });
const now = () => new Date(nowMs);
const pass = (ms: number) => {
  nowMs += ms;
};
const pokes: string[] = [];
const started: RefreshGrantInput[] = [];
/** Which connectors were wanted. */
const asked: ConnectorKey[] = [];

beforeAll(async () => {
  fixture = await startFixture();
  appId = randomUUID();
  await fixture.superuser.query(
    `insert into platform_apps (tenant_id, id, platform, name, client_id, client_secret, redirect_uri)
     values ($1, $2, 'linkedin', 'Ours', 'client', $3, 'https://a.test')`,
    [fixture.tenantId, appId, seal('platform_apps', 'client_secret', appId, 'app-secret')],
  );
});
/** Processes that are never heard of again, until the tests are over. */
const lost: (() => void)[] = [];
const ends: Promise<unknown>[] = [];
afterAll(async () => {
  for (const end of lost) end();
  await Promise.all(ends);
  await fixture.stop();
});
beforeEach(() => {
  nowMs = Date.UTC(2026, 10, 21, 12);
  provider = createRotatingProvider(now);
  pokes.length = 0;
  started.length = 0;
});

function seal(table: string, column: string, rowId: string, token: string): Buffer {
  return envelopes.seal(token, { tenantId: fixture.tenantId, table, column, rowId });
}

const runs = {
  startPoke: async ({ requestId }: { requestId: string }) => void pokes.push(requestId),
  startRefresh: async (input: RefreshGrantInput) => void started.push(input),
} as unknown as RunDirectory;

function activitiesOn(pool = fixture.workerPool, connector: Connector = provider.connector) {
  return createTokenActivities({
    ...{ pool, envelopes, runs },
    clock: { now: async () => now() },
    registry: {
      connectorFor: (key: ConnectorKey) => {
        asked.push(key);
        return connector;
      },
    },
  } as unknown as ActivityDependencies);
}
const quiet = new DefaultLogger('ERROR');
const refresh = (
  grantId: string,
  more: Partial<RefreshGrantInput> = {},
  activities = activitiesOn(),
): Promise<RefreshGrantResult> =>
  new MockActivityEnvironment(undefined, { logger: quiet }).run(activities.refreshGrant, {
    ...{ tenantId: fixture.tenantId, grantId, seenVersion: 1, dueBeforeMs: null },
    ...more,
  });

/** A grant whose access token has just ended, with a profile. */
async function insertGrant(): Promise<{ grantId: string; profileId: string }> {
  const tokens = await provider.connector.exchange(
    {
      app: { clientId: 'c', clientSecret: 's' },
      code: provider.grantCode(),
      redirectUri: '',
      codeVerifier: null,
    },
    { signal: new AbortController().signal, progress: () => {} },
  );
  const [grantId, profileId] = [randomUUID(), randomUUID()];
  await fixture.superuser.query(
    `insert into grants (tenant_id, id, platform, app_id, access_token, refresh_token, expires_at, refresh_due_at)
     values ($1, $2, 'linkedin', $3, $4, $5, $6, $6)`,
    [
      ...[fixture.tenantId, grantId, appId],
      ...[seal('grants', 'access_token', grantId, tokens.accessToken)],
      ...[seal('grants', 'refresh_token', grantId, tokens.refreshToken!), now()],
    ],
  );
  await fixture.superuser.query(
    `insert into profiles (tenant_id, id, grant_id, platform, account_kind, external_id, name)
     values ($1, $2, $3, 'linkedin', 'organization', $4, 'Acme')`,
    [fixture.tenantId, profileId, grantId, profileId],
  );
  return { grantId, profileId };
}

interface GrantRow {
  state: GrantState;
  row_version: number;
  failures: number;
  doubtful_refreshes: number;
  access_token: Buffer | null;
  refresh_token: Buffer | null;
  lease_id: string | null;
  expires_at: Date;
  refresh_due_at: Date | null;
}
const rowOf = async (grantId: string): Promise<GrantRow> =>
  (await fixture.superuser.query<GrantRow>('select * from grants where id = $1', [grantId])).rows[0]!;
const openRefresh = async (grantId: string) =>
  envelopes.open((await rowOf(grantId)).refresh_token!, {
    ...{ tenantId: fixture.tenantId, table: 'grants', column: 'refresh_token', rowId: grantId },
  });
const openAccess = async (grantId: string) =>
  envelopes.open((await rowOf(grantId)).access_token!, {
    ...{ tenantId: fixture.tenantId, table: 'grants', column: 'access_token', rowId: grantId },
  });
const healthOf = async (profileId: string): Promise<string> =>
  (await fixture.superuser.query('select health from profiles where id = $1', [profileId])).rows[0].health;
const eventsOf = async (grantId: string): Promise<string[]> =>
  (
    await fixture.superuser.query('select kind, outcome from token_events where grant_id = $1 order by id', [
      grantId,
    ])
  ).rows.map(({ kind, outcome }) => `${kind} ${outcome}`);

/** The call is made and answered, and the process that made it is never heard of again. */
async function crashAfterAnswer(grantId: string): Promise<void> {
  const answered = new Promise<void>((resolve) => {
    provider.afterAnswer = () => {
      resolve();
      return new Promise((_resolve, reject) => lost.push(() => reject(new Error('Lost'))));
    };
  });
  ends.push(refresh(grantId).catch(() => {}));
  await answered;
  provider.afterAnswer = null;
}
const leaseMs = 60_000;

test('saves access token, refresh token and expiry together, and writes the attempt down', async () => {
  const { grantId, profileId } = await insertGrant();
  const before = await openRefresh(grantId);
  expect(await refresh(grantId)).toEqual({ kind: 'refreshed' });
  const row = await rowOf(grantId);
  expect(row).toMatchObject({ state: 'ACTIVE', row_version: 2, failures: 0, lease_id: null });
  expect(row.expires_at).toEqual(new Date(nowMs + 7_200_000));
  // Of two hours, the last 20 minutes.
  expect(row.refresh_due_at).toEqual(new Date(nowMs + 6_000_000));
  expect(await openRefresh(grantId)).not.toBe(before);
  expect(provider.isAlive(await openRefresh(grantId))).toBe(true);
  expect(provider.accepts(await openAccess(grantId))).toBe(true);
  expect(await eventsOf(grantId)).toEqual(['refresh refreshed']);
  expect(await healthOf(profileId)).toBe('active');
});

test('asks by the way that the app is for', async () => {
  const { grantId } = await insertGrant();
  const setLogin = (login: string | null) =>
    fixture.superuser.query('update platform_apps set login = $2 where id = $1', [appId, login]);
  await setLogin('another');
  asked.length = 0;
  expect(await refresh(grantId)).toEqual({ kind: 'refreshed' });
  expect(asked).toMatchObject([{ platform: 'linkedin', login: 'another' }]);
  await setLogin(null);
});

test('fifty who ask for one token that has ended make one call', async () => {
  const { grantId } = await insertGrant();
  const pool = poolFor(fixture.database.workerUrl, 20);
  const activities = activitiesOn(pool);
  const results = await Promise.allSettled(
    Array.from({ length: 50 }, () => refresh(grantId, {}, activities)),
  );
  await pool.end();
  expect(provider.refreshes).toHaveLength(1);
  const kinds = results.map((result) =>
    result.status === 'fulfilled' ? result.value.kind : result.reason.type,
  );
  expect(kinds.filter((kind) => kind === 'refreshed')).toHaveLength(1);
  // The others were told to come again, or came when it was done.
  expect(new Set(kinds)).toEqual(
    new Set(['refreshed', ...kinds.filter((kind) => ['fresh', 'not-yet'].includes(kind))]),
  );
  expect(await refresh(grantId)).toEqual({ kind: 'fresh' });
  expect(provider.refreshes).toHaveLength(1);
  expect(provider.isAlive(await openRefresh(grantId))).toBe(true);
});

test('has the row say that a call is about to be made, before it is made', async () => {
  const { grantId } = await insertGrant();
  let seen: GrantRow | undefined;
  provider.beforeCall = async () => {
    seen = await rowOf(grantId);
  };
  await refresh(grantId);
  expect(seen).toMatchObject({ state: 'REFRESHING', lease_id: expect.any(String) });
});

test('saves what the platform gave when the database comes back, without asking the platform again', async () => {
  const { grantId } = await insertGrant();
  const pool = poolFor(fixture.database.workerUrl);
  let isAway = false;
  const flaky = new Proxy(pool, {
    get: (target, name) => {
      const value: unknown = Reflect.get(target, name);
      if (name === 'connect' && isAway) return () => Promise.reject(new Error('Connection terminated'));
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
  provider.afterAnswer = async () => {
    isAway = true;
    setTimeout(() => {
      isAway = false;
    }, 1_200);
  };
  expect(await refresh(grantId, {}, activitiesOn(flaky))).toEqual({ kind: 'refreshed' });
  await pool.end();
  expect(provider.refreshes).toHaveLength(1);
  expect(provider.isAlive(await openRefresh(grantId))).toBe(true);
});

test('says nothing of a grant whose platforms are not configured', async () => {
  const { grantId, profileId } = await insertGrant();
  const activities = createTokenActivities({
    ...{ pool: fixture.workerPool, envelopes, runs, clock: { now: async () => now() } },
    registry: {
      connectorFor: () => {
        throw new RegistryError('no-sandbox', 'No sandbox address is configured');
      },
    },
  } as unknown as ActivityDependencies);
  await expect(refresh(grantId, {}, activities)).rejects.toMatchObject({ code: 'no-sandbox' });
  expect([await healthOf(profileId), (await rowOf(grantId)).state]).toEqual(['active', 'ACTIVE']);
});

describe('after a crash between the answer and its saving', () => {
  test('a platform that rotates is asked once more, and where that ends the family a person is asked for', async () => {
    const { grantId, profileId } = await insertGrant();
    await crashAfterAnswer(grantId);
    expect((await rowOf(grantId)).state).toBe('REFRESHING');
    await expect(refresh(grantId)).rejects.toMatchObject({ type: 'not-yet' });
    expect(provider.refreshes).toHaveLength(1);
    pass(leaseMs + 1);
    expect(await refresh(grantId)).toEqual({ kind: 'dead' });
    expect(provider.refreshes).toHaveLength(2);
    expect(await rowOf(grantId)).toMatchObject({ state: 'DEAD', access_token: null, refresh_token: null });
    expect(await healthOf(profileId)).toBe('needs-reconnect');
    expect(pokes).toHaveLength(1);
    const { rows } = await fixture.superuser.query('select kind from outbox where id = $1', [pokes[0]]);
    expect(rows).toEqual([{ kind: 'poke-posts' }]);
    expect(await eventsOf(grantId)).toEqual(['refresh unauthorized', 'health needs-reconnect']);
    // It never loops: nothing is asked again.
    for (let round = 0; round < 3; round += 1) {
      pass(leaseMs + 1);
      expect(await refresh(grantId)).toEqual({ kind: 'dead' });
    }
    expect(provider.refreshes).toHaveLength(2);
  });

  test('a platform that gives the same pair again within its grace time makes it good', async () => {
    const { grantId, profileId } = await insertGrant();
    provider.hasGrace = true;
    await crashAfterAnswer(grantId);
    pass(leaseMs + 1);
    expect(await refresh(grantId)).toEqual({ kind: 'refreshed' });
    expect(await rowOf(grantId)).toMatchObject({ state: 'ACTIVE', doubtful_refreshes: 0 });
    expect(provider.isAlive(await openRefresh(grantId))).toBe(true);
    expect(await healthOf(profileId)).toBe('active');
  });

  test('a second crash in a row ends it without a third call', async () => {
    const { grantId, profileId } = await insertGrant();
    provider.hasGrace = true;
    for (let crash = 0; crash < 2; crash += 1) {
      await crashAfterAnswer(grantId);
      pass(leaseMs + 1);
    }
    expect(await refresh(grantId)).toEqual({ kind: 'dead' });
    expect(provider.refreshes).toHaveLength(2);
    expect(await healthOf(profileId)).toBe('needs-reconnect');
    expect(await eventsOf(grantId)).toEqual(['refresh given-up', 'health needs-reconnect']);
  });

  test('a platform that keeps its refresh tokens is simply asked again, however often', async () => {
    const { grantId } = await insertGrant();
    provider.keepsRefreshToken = true;
    for (let crash = 0; crash < 3; crash += 1) {
      await crashAfterAnswer(grantId);
      pass(leaseMs + 1);
    }
    expect(await refresh(grantId)).toEqual({ kind: 'refreshed' });
    expect(provider.refreshes).toHaveLength(4);
  });
});

test.each([
  ['no', null],
  ['an empty', ''],
])('never puts %s refresh token over a good one', async (_what, refreshToken) => {
  const { grantId } = await insertGrant();
  const good = await openRefresh(grantId);
  provider.keepsRefreshToken = true;
  const answer = provider.connector.refresh;
  const connector = {
    ...provider.connector,
    refresh: async (...call: Parameters<typeof answer>) => ({ ...(await answer(...call)), refreshToken }),
  };
  expect(await refresh(grantId, {}, activitiesOn(fixture.workerPool, connector))).toEqual({
    kind: 'refreshed',
  });
  expect(await openRefresh(grantId)).toBe(good);
  expect(provider.accepts(await openAccess(grantId))).toBe(true);
});

test('takes on what a person connected while the call was under way, and not what the call brought', async () => {
  const { grantId } = await insertGrant();
  provider.afterAnswer = async () => {
    await fixture.superuser.query(
      `update grants set state = 'ACTIVE', lease_id = null, lease_until = null, row_version = 7 where id = $1`,
      [grantId],
    );
  };
  expect(await refresh(grantId)).toEqual({ kind: 'fresh' });
  expect((await rowOf(grantId)).row_version).toBe(7);
  expect(await eventsOf(grantId)).toEqual(['refresh superseded']);
});

describe('a sealed token in a row that is not its own', () => {
  const cellOf = async (grantId: string, column: 'access_token' | 'refresh_token'): Promise<Buffer> =>
    (await rowOf(grantId))[column]!;
  const put = (grantId: string, column: 'access_token' | 'refresh_token', sealed: Buffer) =>
    fixture.superuser.query(`update grants set ${column} = $2 where id = $1`, [grantId, sealed]);

  /** A grant of another tenant, sealed under the same key for that tenant. */
  async function insertForeign(): Promise<Buffer> {
    const { tenantId } = await insertTenant(fixture.apiPool);
    return envelopes.seal('the token of another tenant', {
      ...{ tenantId, table: 'grants', column: 'refresh_token', rowId: randomUUID() },
    });
  }

  test.each([
    [
      'of another account',
      async (grantId: string) => {
        const { grantId: other } = await insertGrant();
        const [own, theirs] = [await cellOf(grantId, 'refresh_token'), await cellOf(other, 'refresh_token')];
        await put(grantId, 'refresh_token', theirs);
        await put(other, 'refresh_token', own);
      },
    ],
    ['of another tenant', async (grantId: string) => put(grantId, 'refresh_token', await insertForeign())],
    [
      'of another column',
      async (grantId: string) => put(grantId, 'refresh_token', await cellOf(grantId, 'access_token')),
    ],
  ])('%s is not opened, and the platform is not asked with it', async (_whose, swap) => {
    const { grantId } = await insertGrant();
    await swap(grantId);
    await expect(refresh(grantId)).rejects.toMatchObject({ code: 'not-authentic' });
    expect(provider.refreshes).toEqual([]);
    expect(await rowOf(grantId)).toMatchObject({ state: 'ACTIVE', row_version: 1 });
  });

  test('is not opened to publish with either', async () => {
    const [mine, theirs] = [await insertGrant(), await insertGrant()];
    await put(mine.grantId, 'access_token', await cellOf(theirs.grantId, 'access_token'));
    const row = await rowOf(mine.grantId);
    const source = createTokenSource({
      ...{ pool: fixture.workerPool, envelopes, clock: { now: async () => now() } },
    } as unknown as ActivityDependencies);
    const stored = {
      profile: { platform: 'linkedin', health: 'active', isConnected: true, sealedAccessToken: null },
      grant: {
        ...{ id: mine.grantId, rowVersion: row.row_version, sealedAccessToken: row.access_token },
        ...{ appId, expiresAt: null, refreshedAt: null },
      },
    } as unknown as PublishContent;
    const opened = source.open(fixture.tenantId, stored, tokenFor.sendingAt(0));
    await expect(opened).rejects.toMatchObject({ code: 'not-authentic' });
  });
});

describe('trouble that passes', () => {
  const failWith = (error: Error) => {
    provider.beforeCall = async () => {
      throw error;
    };
  };

  test.each([
    ['rate-limited', new OutcomeError('rate-limited', '429', { status: 429, retryAfterMs: 7_000 })],
    ['unavailable', new OutcomeError('unavailable', '503', { status: 503 })],
  ])('%s leaves the grant as it was, and is tried again', async (type, error) => {
    const { grantId, profileId } = await insertGrant();
    const good = await openRefresh(grantId);
    failWith(error);
    await expect(refresh(grantId)).rejects.toMatchObject({ type, nonRetryable: false });
    expect(await rowOf(grantId)).toMatchObject({ state: 'ACTIVE', failures: 1, doubtful_refreshes: 0 });
    expect(await openRefresh(grantId)).toBe(good);
    expect(await healthOf(profileId)).toBe('active');
    provider.beforeCall = null;
    expect(await refresh(grantId)).toEqual({ kind: 'refreshed' });
    expect(await eventsOf(grantId)).toEqual([`refresh ${type}`, 'refresh refreshed']);
  });

  test('three failures in a row are said before anything has ended, and taken back by a success', async () => {
    const { grantId, profileId } = await insertGrant();
    failWith(new OutcomeError('unavailable', '503', { status: 503 }));
    for (let times = 0; times < 3; times += 1) await refresh(grantId).catch(() => {});
    expect(await healthOf(profileId)).toBe('expiring');
    provider.beforeCall = null;
    await refresh(grantId);
    expect(await healthOf(profileId)).toBe('active');
  });

  test('an answer that was lost counts as a doubt where tokens rotate', async () => {
    const { grantId, profileId } = await insertGrant();
    failWith(new OutcomeError('outcome-unknown', 'no answer'));
    await expect(refresh(grantId)).rejects.toMatchObject({ type: 'outcome-unknown' });
    expect(await rowOf(grantId)).toMatchObject({ state: 'REFRESHING' });
    await expect(refresh(grantId)).rejects.toMatchObject({ type: 'outcome-unknown' });
    expect(await refresh(grantId)).toEqual({ kind: 'dead' });
    expect(provider.refreshes).toHaveLength(2);
    expect(await healthOf(profileId)).toBe('needs-reconnect');
  });

  test('an answer that was lost is none where they stay', async () => {
    const { grantId } = await insertGrant();
    provider.keepsRefreshToken = true;
    failWith(new OutcomeError('outcome-unknown', 'no answer'));
    for (let times = 0; times < 4; times += 1)
      await expect(refresh(grantId)).rejects.toMatchObject({ type: 'outcome-unknown' });
    expect((await rowOf(grantId)).state).toBe('ACTIVE');
  });

  test('a refusal of the request is not the death of the grant', async () => {
    const { grantId } = await insertGrant();
    failWith(new OutcomeError('rejected', 'invalid_client', { status: 401 }));
    expect(await refresh(grantId)).toEqual({ kind: 'refused' });
    expect(await rowOf(grantId)).toMatchObject({ state: 'ACTIVE', failures: 1 });
  });
});

describe('the schedules', () => {
  const sweep = (platforms: readonly string[], aheadSeconds = 0) =>
    new MockActivityEnvironment(undefined, { logger: quiet }).run(activitiesOn().sweepTokens, {
      ...{ platforms, aheadSeconds },
    });

  test('start a refresh for what is due on their platforms, in every tenant, and for nothing else', async () => {
    await fixture.superuser.query('update grants set refresh_due_at = null');
    const [due, later, elsewhere] = [await insertGrant(), await insertGrant(), await insertGrant()];
    const other = await insertTenant(fixture.apiPool);
    await fixture.superuser.query('update grants set refresh_due_at = $2 where id = $1', [
      later.grantId,
      new Date(nowMs + 3_600_000),
    ]);
    await fixture.superuser.query(`update grants set platform = 'x' where id = $1`, [elsewhere.grantId]);
    await fixture.superuser.query('update grants set refresh_due_at = $2 where tenant_id = $1', [
      other.tenantId,
      new Date(nowMs - 1),
    ]);
    nowMs += 1_000;
    expect(await sweep(['linkedin', 'instagram'])).toEqual({ started: 2, failed: 0 });
    expect(started.map(({ tenantId }) => tenantId).sort()).toEqual([fixture.tenantId, other.tenantId].sort());
    expect(started.map(({ grantId }) => grantId)).toContain(due.grantId);
    started.length = 0;
    expect(await sweep(['linkedin'], 7_200)).toEqual({ started: 3, failed: 0 });
    expect(started.map(({ grantId }) => grantId)).toContain(later.grantId);
    // What somebody refreshed meanwhile is left alone.
    await refresh(due.grantId);
    const again = { seenVersion: null, dueBeforeMs: nowMs };
    expect(await refresh(due.grantId, again)).toEqual({ kind: 'fresh' });
    expect(provider.refreshes).toHaveLength(1);
  });

  test('say of what cannot be renewed that it expires, and that it has', async () => {
    const { grantId, profileId } = await insertGrant();
    const expiresAt = new Date(nowMs + 3 * 86_400_000);
    await fixture.superuser.query('update grants set refresh_token = null, expires_at = $2 where id = $1', [
      ...[grantId, expiresAt],
    ]);
    expect(await refresh(grantId, { seenVersion: null })).toEqual({ kind: 'not-renewable' });
    expect([await healthOf(profileId), (await rowOf(grantId)).refresh_due_at]).toEqual([
      'expiring',
      expiresAt,
    ]);
    nowMs = expiresAt.getTime() + 1;
    expect(await refresh(grantId, { seenVersion: null })).toEqual({ kind: 'not-renewable' });
    expect([await healthOf(profileId), (await rowOf(grantId)).refresh_due_at]).toEqual([
      'needs-reconnect',
      null,
    ]);
    expect(provider.refreshes).toEqual([]);
  });

  test('give back what a disconnected grant still holds, and give up after five tries', async () => {
    const [given, kept] = [await insertGrant(), await insertGrant()];
    await fixture.superuser.query(`update grants set state = 'DEAD' where id = any($1)`, [
      [given.grantId, kept.grantId],
    ]);
    await refresh(given.grantId);
    expect(provider.revoked).toHaveLength(1);
    expect(await rowOf(given.grantId)).toMatchObject({ access_token: null, refresh_due_at: null });
    provider.beforeCall = async () => {
      throw new OutcomeError('unavailable', 'away');
    };
    for (let times = 0; times < 4; times += 1) await refresh(kept.grantId);
    expect((await rowOf(kept.grantId)).refresh_token).not.toBeNull();
    await refresh(kept.grantId);
    expect(await rowOf(kept.grantId)).toMatchObject({
      access_token: null,
      refresh_token: null,
      refresh_due_at: null,
    });
  });
});

describe('the clean-up', () => {
  const cleanUp = () =>
    new MockActivityEnvironment(undefined, { logger: quiet }).run(activitiesOn().cleanUpConnections);

  async function insertPending(expiresAt: Date): Promise<{ id: string; refreshToken: string }> {
    const id = randomUUID();
    const tokens = await provider.connector.exchange(
      {
        app: { clientId: 'c', clientSecret: 's' },
        code: provider.grantCode(),
        redirectUri: '',
        codeVerifier: null,
      },
      { signal: new AbortController().signal, progress: () => {} },
    );
    const sealed = seal('connections', 'tokens', id, JSON.stringify(tokens));
    await fixture.superuser.query(
      `insert into oauth_states (tenant_id, id, state_hash, app_id, subject, redirect_uri, expires_at)
       values ($1, $2, sha256($5), $3, 's', 'https://a.test', $4)`,
      [fixture.tenantId, id, appId, expiresAt, Buffer.from(id)],
    );
    await fixture.superuser.query(
      `insert into connections (tenant_id, id, app_id, platform, subject, code_hash, tokens, accounts, expires_at)
       values ($1, $2, $3, 'linkedin', 's', sha256($6), $4, '[]', $5)`,
      [fixture.tenantId, id, appId, sealed, expiresAt, Buffer.from(id)],
    );
    return { id, refreshToken: tokens.refreshToken! };
  }
  const stateOf = async (id: string) => {
    const { rows } = await fixture.superuser.query(
      `select c.state, c.tokens is null as "isErased",
         exists (select from oauth_states s where s.id = c.id) as "hasState" from connections c where id = $1`,
      [id],
    );
    return rows[0];
  };

  test('ends what nobody completed, gives its tokens back, and leaves what is still open', async () => {
    const old = await insertPending(new Date(nowMs - 3_700_000));
    const open = await insertPending(new Date(nowMs + 300_000));
    expect(await cleanUp()).toEqual({ started: 1, failed: 0 });
    expect(await stateOf(old.id)).toEqual({ state: 'revoked', isErased: true, hasState: false });
    expect(provider.isAlive(old.refreshToken)).toBe(false);
    expect(await stateOf(open.id)).toEqual({ state: 'pending', isErased: false, hasState: true });
  });

  test('leaves to the next hour what cannot be given back, and after a day erases it all the same', async () => {
    await fixture.superuser.query('delete from oauth_states');
    const old = await insertPending(new Date(nowMs - 3_700_000));
    provider.beforeCall = async () => {
      throw new OutcomeError('unavailable', 'away');
    };
    expect(await cleanUp()).toEqual({ started: 0, failed: 1 });
    expect(await stateOf(old.id)).toEqual({ state: 'revoked', isErased: false, hasState: true });
    pass(86_400_000);
    expect(await cleanUp()).toEqual({ started: 1, failed: 0 });
    expect(await stateOf(old.id)).toEqual({ state: 'revoked', isErased: true, hasState: false });
  });
});
