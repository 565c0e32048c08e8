import {
  type GrantFacts,
  healthOf,
  isRotating,
  nextLookAt,
  planRefresh,
  type RenewalFacts,
  refreshDueAt,
  tokenSchedules,
} from '../../domain/tokens.ts';

const now = new Date('2026-11-21T12:00:00Z');
const minutes = 60_000;
const days = 86_400_000;
const in_ = (ms: number) => new Date(now.getTime() + ms);
const rotating: RenewalFacts = { renewal: 'refresh-token' };
const keeping: RenewalFacts = { renewal: 'refresh-token', keepsRefreshToken: true };
const exchanged: RenewalFacts = { renewal: 'access-token' };
const none: RenewalFacts = { renewal: 'none' };
const grant = (fields: Partial<GrantFacts> = {}): GrantFacts => ({
  ...{
    state: 'ACTIVE',
    rowVersion: 3,
    hasRefreshToken: true,
    expiresAt: in_(60 * days),
    refreshExpiresAt: null,
  },
  ...{ leaseUntil: null, doubtfulRefreshes: 0, failures: 0 },
  ...fields,
});
const plan = (
  fields: Partial<GrantFacts>,
  renewal: RenewalFacts,
  seenVersion: number | null = 3,
  isStored = true,
) => planRefresh(grant(fields), { seenVersion, renewal, now, isStored });

describe('a token is refreshed', () => {
  test.each([
    ['60 days', 60 * days, 7 * days],
    ['30 days', 30 * days, 7 * days],
    ['14 days', 14 * days, 1.4 * days],
    ['a day', days, 144 * minutes],
    ['two hours', 120 * minutes, 20 * minutes],
    ['an hour', 60 * minutes, 20 * minutes],
    ['ten minutes', 10 * minutes, 5 * minutes],
  ])('of %s in time before its end', (_name, livesMs, aheadMs) => {
    expect(refreshDueAt(now, in_(livesMs))).toEqual(in_(livesMs - aheadMs));
  });

  test('never, without an end', () => {
    expect(refreshDueAt(now, null)).toBeNull();
  });
});

describe('a refresh is planned', () => {
  const lost = { state: 'REFRESHING', leaseUntil: in_(-1) } as const;

  test('as fresh where the tokens are others by now, and as done where the grant is dead', () => {
    expect(plan({ rowVersion: 4 }, rotating)).toEqual({ kind: 'fresh' });
    expect(plan({ rowVersion: 4 }, rotating, null)).toEqual({ kind: 'refresh', doubts: 0 });
    expect(plan({ state: 'DEAD' }, rotating)).toEqual({ kind: 'dead' });
  });

  test('for later while somebody holds the lease', () => {
    const leaseUntil = in_(1);
    expect(plan({ state: 'REFRESHING', leaseUntil }, rotating)).toEqual({ kind: 'busy', until: leaseUntil });
  });

  test('once more after a doubt where tokens rotate, and no further', () => {
    expect(plan(lost, rotating)).toEqual({ kind: 'refresh', doubts: 1 });
    expect(plan({ ...lost, doubtfulRefreshes: 1 }, rotating)).toEqual({ kind: 'give-up' });
    expect(plan({ doubtfulRefreshes: 1 }, rotating)).toEqual({ kind: 'refresh', doubts: 1 });
  });

  test('as ever after a doubt where they stay, and where the token that was to be spent is not the stored one', () => {
    expect(plan({ ...lost, doubtfulRefreshes: 9 }, keeping)).toEqual({ kind: 'refresh', doubts: 10 });
    expect(plan({ ...lost, doubtfulRefreshes: 9 }, exchanged)).toEqual({ kind: 'refresh', doubts: 10 });
    expect(plan(lost, rotating, 3, false)).toEqual({ kind: 'refresh', doubts: 0 });
  });

  test.each([
    ['without a refresh token', { hasRefreshToken: false }, rotating],
    ['with one that has ended', { refreshExpiresAt: now }, rotating],
    ['that is exchanged while it lives, after its end', { expiresAt: now }, exchanged],
    ['that a team brought', {}, none],
  ] as [string, Partial<GrantFacts>, RenewalFacts][])(
    'not at all for a grant %s',
    (_name, fields, renewal) => {
      expect(plan(fields, renewal)).toEqual({ kind: 'not-renewable' });
    },
  );

  test('as rotating unless the connector says otherwise', () => {
    expect([rotating, keeping, exchanged, none].map(isRotating)).toEqual([true, false, false, false]);
  });
});

describe('health', () => {
  test.each([
    ['of what renews itself, however soon it ends', { expiresAt: in_(1) }, rotating, 'active'],
    ['of what renews itself, after three failures', { failures: 3 }, rotating, 'expiring'],
    ['of what renews itself for a week yet', { refreshExpiresAt: in_(7 * days) }, rotating, 'expiring'],
    ['of what has no refresh token, long before', { hasRefreshToken: false }, rotating, 'active'],
    ['of what cannot be renewed, a week before', { expiresAt: in_(7 * days) }, none, 'expiring'],
    ['of what cannot be renewed, at its end', { expiresAt: now }, none, 'needs-reconnect'],
    ['of what has no end', { expiresAt: null }, none, 'active'],
    ['of what was to be exchanged and has ended', { expiresAt: now }, exchanged, 'needs-reconnect'],
    ['of a dead grant', { state: 'DEAD' }, rotating, 'needs-reconnect'],
  ] as [string, Partial<GrantFacts>, RenewalFacts, string][])('%s', (_name, fields, renewal, health) => {
    expect(healthOf(grant(fields), renewal, now)).toBe(health);
  });

  test('is looked at as it changes', () => {
    expect(nextLookAt(in_(30 * days), now)).toEqual(in_(23 * days));
    expect(nextLookAt(in_(3 * days), now)).toEqual(in_(3 * days));
    expect([nextLookAt(now, now), nextLookAt(null, now)]).toEqual([null, null]);
  });
});

test('every platform has one schedule, and those without one of their own share the rest', () => {
  const schedules = tokenSchedules(['linkedin', 'instagram', 'youtube', 'x', 'tiktok']);
  expect(schedules.map(({ id, platforms, everySeconds }) => [id, platforms, everySeconds])).toEqual([
    ['gatepost-tokens-youtube', ['youtube'], 86_400],
    ['gatepost-tokens-meta', ['instagram'], 86_400],
    ['gatepost-tokens-linkedin', ['linkedin'], 604_800],
    ['gatepost-tokens-rest', ['x', 'tiktok'], 900],
  ]);
  expect(tokenSchedules(['linkedin']).map(({ id }) => id)).toEqual(['gatepost-tokens-linkedin']);
});
