/** How the tokens of a grant are kept alive: pure rules, for whoever refreshes, sweeps and shows. */

export const grantStates = ['ACTIVE', 'REFRESHING', 'DEAD'] as const;
export type GrantState = (typeof grantStates)[number];

export const profileHealths = ['active', 'expiring', 'needs-reconnect'] as const;
export type ProfileHealth = (typeof profileHealths)[number];

/** What is written down about a grant; each with an outcome beside it. */
export type TokenEventKind = 'connect' | 'refresh' | 'use' | 'health' | 'disconnect' | 'revoke';

const minuteMs = 60_000;
const dayMs = 86_400_000;

/** A token that lives for weeks is refreshed this long before its end, and its profile says `expiring` from there on. */
export const refreshAheadMs = 7 * dayMs;
/** One that lives for hours; less where it lives for less than an hour. */
const refreshShortAheadMs = 20 * minuteMs;

/**
 * When a token is to be refreshed: seven days before its end; where it lives for no more than a fortnight, in the last
 * tenth of its life, and at least 20 minutes before its end. `null` for one without an end.
 */
export function refreshDueAt(obtainedAt: Date, expiresAt: Date | null): Date | null {
  if (expiresAt === null) return null;
  const livesMs = Math.max(0, expiresAt.getTime() - obtainedAt.getTime());
  const aheadMs =
    livesMs > 2 * refreshAheadMs
      ? refreshAheadMs
      : Math.min(livesMs / 2, Math.max(livesMs / 10, refreshShortAheadMs));
  return new Date(expiresAt.getTime() - aheadMs);
}

/** How a connector renews tokens, as far as these rules care. */
export interface RenewalFacts {
  readonly renewal: 'refresh-token' | 'access-token' | 'none';
  /** The refresh token stays what it is: spending it twice does no harm. */
  readonly keepsRefreshToken?: boolean;
}

/** Spending a token twice may end the whole family: so it is, unless the connector says otherwise. */
export const isRotating = ({ renewal, keepsRefreshToken = false }: RenewalFacts): boolean =>
  renewal === 'refresh-token' && !keepsRefreshToken;

/** What these rules know of a grant. */
export interface GrantFacts {
  readonly state: GrantState;
  readonly rowVersion: number;
  readonly hasRefreshToken: boolean;
  readonly expiresAt: Date | null;
  readonly refreshExpiresAt: Date | null;
  readonly leaseUntil: Date | null;
  /** Calls in a row of which nobody knows whether they took effect. */
  readonly doubtfulRefreshes: number;
  readonly failures: number;
}

const isOver = (instant: Date | null, now: Date): boolean => instant !== null && instant <= now;

/** Whether asking the platform for a new token can work at all. */
export function isRenewable(grant: GrantFacts, { renewal }: RenewalFacts, now: Date): boolean {
  switch (renewal) {
    case 'refresh-token':
      return grant.hasRefreshToken && !isOver(grant.refreshExpiresAt, now);
    case 'access-token':
      // What has expired cannot be exchanged any more.
      return !isOver(grant.expiresAt, now);
    case 'none':
      return false;
    default:
      throw new Error(`Unknown renewal: ${JSON.stringify(renewal satisfies never)}`);
  }
}

/**
 * What is to be done with a grant that somebody wants refreshed.
 *
 * - `fresh`: its tokens are others than those that were found wanting
 * - `busy`: somebody is calling; ask again at `until`
 * - `refresh`: take the lease and call. `doubts`: so many calls before may have spent the token already
 * - `give-up`: it has been tried again after a doubt, and that was in doubt too: a person must connect again
 * - `not-renewable`: nothing can be asked for; the health says the rest
 * - `dead`: a person must connect again
 */
export type RefreshPlan =
  | { readonly kind: 'fresh' | 'give-up' | 'not-renewable' | 'dead' }
  | { readonly kind: 'busy'; readonly until: Date }
  | { readonly kind: 'refresh'; readonly doubts: number };

export interface RefreshWish {
  /** The version of the tokens that were found wanting; `null` for a schedule's. */
  readonly seenVersion: number | null;
  readonly renewal: RenewalFacts;
  readonly now: Date;
  /** Whether the token that the last call was going to spend is still the stored one. */
  readonly isStored: boolean;
}

/** How often a rotating platform is asked again with a token that may have been spent. */
const triesAfterDoubt = 1;

export function planRefresh(
  grant: GrantFacts,
  { seenVersion, renewal, now, isStored }: RefreshWish,
): RefreshPlan {
  if (grant.state === 'DEAD') return { kind: 'dead' };
  if (seenVersion !== null && grant.rowVersion !== seenVersion) return { kind: 'fresh' };
  if (grant.state === 'REFRESHING' && grant.leaseUntil !== null && grant.leaseUntil > now)
    return { kind: 'busy', until: grant.leaseUntil };
  // A lease that has run out: the call was made, or may have been, and nobody saved what it brought.
  const doubts = grant.doubtfulRefreshes + (grant.state === 'REFRESHING' && isStored ? 1 : 0);
  if (isRotating(renewal) && doubts > triesAfterDoubt) return { kind: 'give-up' };
  if (!isRenewable(grant, renewal, now)) return { kind: 'not-renewable' };
  return { kind: 'refresh', doubts };
}

/** So many failures in a row are said before anything has expired. */
const failuresUntilSaid = 3;

/** How a grant's profiles are, as the team sees it: what renews itself is `active` until it does not. */
export function healthOf(grant: GrantFacts, renewal: RenewalFacts, now: Date): ProfileHealth {
  if (grant.state === 'DEAD') return 'needs-reconnect';
  const soon = new Date(now.getTime() + refreshAheadMs);
  if (isRenewable(grant, renewal, now)) {
    const isEnding = renewal.renewal === 'refresh-token' && isOver(grant.refreshExpiresAt, soon);
    return isEnding || grant.failures >= failuresUntilSaid ? 'expiring' : 'active';
  }
  if (isOver(grant.expiresAt, now)) return 'needs-reconnect';
  return isOver(grant.expiresAt, soon) ? 'expiring' : 'active';
}

/** When a grant is looked at next that cannot be renewed: as it begins to expire, and as it has expired. */
export function nextLookAt(expiresAt: Date | null, now: Date): Date | null {
  if (expiresAt === null || expiresAt <= now) return null;
  const expiringAt = new Date(expiresAt.getTime() - refreshAheadMs);
  return expiringAt > now ? expiringAt : expiresAt;
}

/** A refresh by the clock: the platforms, how often, and how far ahead it looks beyond what is due already. */
export interface TokenSchedule {
  readonly id: string;
  readonly platforms: readonly string[];
  readonly everySeconds: number;
  readonly aheadSeconds: number;
}

const hourSeconds = 3_600;
const daySeconds = 24 * hourSeconds;
const named: readonly TokenSchedule[] = [
  // A token lives for an hour and is refreshed as it is used; daily, so that a grant that has died is known of in time.
  {
    id: 'gatepost-tokens-youtube',
    platforms: ['youtube'],
    ...{ everySeconds: daySeconds, aheadSeconds: daySeconds },
  },
  {
    id: 'gatepost-tokens-meta',
    platforms: ['facebook', 'instagram', 'threads'],
    ...{ everySeconds: daySeconds, aheadSeconds: 0 },
  },
  // A day further: what comes due just after a look would have its last hours at the next.
  {
    id: 'gatepost-tokens-linkedin',
    platforms: ['linkedin'],
    ...{ everySeconds: 7 * daySeconds, aheadSeconds: daySeconds },
  },
];

/** The schedules for these platforms; whatever has none of its own shares one of a quarter of an hour. */
export function tokenSchedules(platforms: readonly string[]): readonly TokenSchedule[] {
  const known = named
    .map((one) => ({ ...one, platforms: one.platforms.filter((platform) => platforms.includes(platform)) }))
    .filter((one) => one.platforms.length > 0);
  const rest = platforms.filter((platform) => !named.some((one) => one.platforms.includes(platform)));
  if (rest.length === 0) return known;
  return [
    ...known,
    { id: 'gatepost-tokens-rest', platforms: rest, everySeconds: 15 * 60, aheadSeconds: 15 * 60 },
  ];
}
