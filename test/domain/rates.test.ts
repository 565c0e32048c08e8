import { bucketsFor, defaultRates, profileBucket, type Rates } from '../../domain/rates.ts';

const rates: Rates = {
  ...defaultRates,
  linkedin: { app: { perMinute: 600, burst: 5 }, profile: { perMinute: 30, burst: 10 }, caps: [] },
  instagram: { app: null, profile: { perMinute: 7, burst: 1 }, caps: [] },
};

it('gives a commit the buckets of its application and of its profile, with the time that a token takes', () => {
  expect(bucketsFor(rates, 'linkedin', 'p')).toEqual([
    { key: 'app:linkedin', intervalMs: 100, toleranceMs: 400 },
    { key: 'profile:p', intervalMs: 2_000, toleranceMs: 18_000 },
  ]);
  expect(bucketsFor(rates, 'instagram', 'p')).toEqual([
    { key: 'profile:p', intervalMs: 60_000 / 7, toleranceMs: 0 },
  ]);
  expect(
    bucketsFor({ ...rates, instagram: { app: null, profile: null, caps: [] } }, 'instagram', 'p'),
  ).toEqual([]);
});

it('keeps the buckets of profiles apart, and knows which is the one of a profile', () => {
  const keys = ['p', 'q'].flatMap((id) => bucketsFor(rates, 'linkedin', id).map(({ key }) => key));
  expect(keys).toEqual(['app:linkedin', 'profile:p', 'app:linkedin', 'profile:q']);
  expect(profileBucket(rates, 'linkedin', 'p')).toEqual(bucketsFor(rates, 'linkedin', 'p')[1]);
  const unbound = { ...rates, linkedin: { app: null, profile: null, caps: [] } };
  expect(profileBucket(unbound, 'linkedin', 'p')).toBeNull();
});

it('lets by default 500 posts of 50 profiles go out at one instant where the platform names no rate', () => {
  for (const platform of ['linkedin', 'instagram', 'facebook', 'threads'] as const) {
    const { app, profile } = defaultRates[platform];
    expect(app!.burst).toBeGreaterThanOrEqual(500);
    expect(profile!.burst).toBeGreaterThanOrEqual(10);
  }
});

it('bounds every platform, and never lets a profile send more at once than its application may', () => {
  for (const { app, profile } of Object.values(defaultRates)) {
    expect(profile).not.toBeNull();
    expect(profile!.burst).toBeLessThanOrEqual(app?.burst ?? Number.POSITIVE_INFINITY);
  }
});
