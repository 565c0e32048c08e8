import { platformRules } from './platforms/index.ts';
import type { PlatformRates, Rate } from './platforms/rules.ts';
import { type Platform, platforms } from './post.ts';

export type Rates = Readonly<Record<Platform, PlatformRates>>;

/**
 * Where a platform documents no rate, these keep a burst of one profile from looking like abuse (accounts have been
 * flagged for eighteen posts at once) and one tenant's stampede from taking every sender. Tokens are taken when a target
 * is armed, up to twenty seconds out of the order of the due times: a burst takes longer than that to flow in, or a later
 * post that was armed first would make an earlier one late.
 */
export const defaultRates = Object.fromEntries(
  platforms.map((platform) => [platform, platformRules[platform].rates]),
) as Rates;

/** A bucket as the statement that takes its token needs it. */
export interface Bucket {
  readonly key: string;
  /** What one token takes to flow in. */
  readonly intervalMs: number;
  /** How far a full bucket is ahead. */
  readonly toleranceMs: number;
}

/** The buckets that a commit for a profile takes a token of: the application's, then its own. */
export function bucketsFor(rates: Rates, platform: Platform, profileId: string): Bucket[] {
  const { app } = rates[platform];
  const ofProfile = profileBucket(rates, platform, profileId);
  return [...(app ? [bucketOf(`app:${platform}`, app)] : []), ...(ofProfile ? [ofProfile] : [])];
}

/** The bucket of a profile alone; `null` where nothing bounds it. */
export function profileBucket(rates: Rates, platform: Platform, profileId: string): Bucket | null {
  const { profile } = rates[platform];
  return profile && bucketOf(`profile:${profileId}`, profile);
}

const bucketOf = (key: string, { perMinute, burst }: Rate): Bucket => {
  const intervalMs = 60_000 / perMinute;
  return { key, intervalMs, toleranceMs: intervalMs * (burst - 1) };
};
