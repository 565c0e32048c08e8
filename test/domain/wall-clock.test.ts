import { isTimeZone } from '../../domain/time-zone.ts';
import { isInstantOf, parseLocal, resolveWallClock, wallClockAt } from '../../domain/wall-clock.ts';
import { Random } from './builders.ts';
import { type Change, instantsOf, listChanges, offsetAt, readBriefly } from './zone-oracle.ts';

const at = (instant: string): number => Date.parse(instant);

describe('a wall clock becomes an instant', () => {
  test.each([
    ['in Berlin in winter', 'Europe/Berlin', '2026-12-01T09:00', '2026-12-01T08:00:00Z'],
    ['in Berlin in summer', 'Europe/Berlin', '2026-07-01T09:00', '2026-07-01T07:00:00Z'],
    ['in Berlin a minute before spring', 'Europe/Berlin', '2026-03-29T01:59', '2026-03-29T00:59:00Z'],
    ['in Berlin as spring begins', 'Europe/Berlin', '2026-03-29T03:00', '2026-03-29T01:00:00Z'],
    ['in Berlin as the doubled hour ends', 'Europe/Berlin', '2026-10-25T03:00', '2026-10-25T02:00:00Z'],
    ['in India, half an hour off', 'Asia/Kolkata', '2027-03-28T02:30', '2027-03-27T21:00:00Z'],
    ['in Nepal, a quarter off', 'Asia/Kathmandu', '2027-03-28T02:30', '2027-03-27T20:45:00Z'],
    ['on Kiritimati, 14 hours ahead', 'Pacific/Kiritimati', '2027-01-01T00:00', '2026-12-31T10:00:00Z'],
    ['at sea, 12 hours behind', 'Etc/GMT+12', '2026-12-31T23:59', '2027-01-01T11:59:00Z'],
    ['on a leap day', 'America/New_York', '2024-02-29T23:30', '2024-03-01T04:30:00Z'],
    ["at a year's last second", 'Europe/London', '2026-12-31T23:59:59', '2026-12-31T23:59:59Z'],
    ['before a leap year that is a century', 'UTC', '2100-02-28T12:00', '2100-02-28T12:00:00Z'],
    ['under an older name', 'Asia/Calcutta', '2027-03-28T02:30', '2027-03-27T21:00:00Z'],
    ['under a name without a region', 'Japan', '2027-01-01T09:00', '2027-01-01T00:00:00Z'],
  ])('%s', (_where, zone, local, instant) => {
    expect(resolveWallClock({ local, zone })).toEqual({ atMs: at(instant), fit: 'exact', local });
    expect(wallClockAt(at(instant), zone)).toBe(local);
    expect(isInstantOf(at(instant), { local, zone })).toBe(true);
  });

  test.each([
    ['Europe/Berlin', '2026-03-29T02:30', '2026-03-29T01:30:00Z', '2026-03-29T03:30'],
    ['Europe/Berlin', '2026-03-29T02:00', '2026-03-29T01:00:00Z', '2026-03-29T03:00'],
    ['America/New_York', '2026-03-08T02:59:59', '2026-03-08T07:59:59Z', '2026-03-08T03:59:59'],
    ['Australia/Lord_Howe', '2026-10-04T02:15', '2026-10-03T15:45:00Z', '2026-10-04T02:45'],
    ['Pacific/Apia', '2011-12-30T12:00', '2011-12-30T22:00:00Z', '2011-12-31T12:00'],
    ['America/Santiago', '2026-09-06T00:00', '2026-09-06T04:00:00Z', '2026-09-06T01:00'],
  ])(
    'in %s, the skipped %s is as much later as the clocks are put forward',
    (zone, local, instant, shown) => {
      expect(resolveWallClock({ local, zone })).toEqual({ atMs: at(instant), fit: 'gap', local: shown });
      expect(isInstantOf(at(instant), { local, zone })).toBe(true);
    },
  );

  test.each([
    ['Europe/Berlin', '2026-10-25T02:30', '2026-10-25T00:30:00Z', '2026-10-25T01:30:00Z'],
    ['America/New_York', '2026-11-01T01:00', '2026-11-01T05:00:00Z', '2026-11-01T06:00:00Z'],
    ['Australia/Lord_Howe', '2026-04-05T01:45', '2026-04-04T14:45:00Z', '2026-04-04T15:15:00Z'],
    ['Africa/Casablanca', '2024-03-10T02:30', '2024-03-10T01:30:00Z', '2024-03-10T02:30:00Z'],
  ])('in %s, the doubled %s is the first of both', (zone, local, first, second) => {
    expect(resolveWallClock({ local, zone })).toEqual({ atMs: at(first), fit: 'overlap', local });
    for (const instant of [first, second]) {
      expect(wallClockAt(at(instant), zone)).toBe(local);
      expect(isInstantOf(at(instant), { local, zone })).toBe(true);
    }
  });

  test('seconds of 0 are the same as none', () => {
    const brief = resolveWallClock({ local: '2026-12-01T09:00', zone: 'Europe/Berlin' });
    expect(resolveWallClock({ local: '2026-12-01T09:00:00', zone: 'Europe/Berlin' })).toEqual(brief);
    expect(wallClockAt(brief.atMs + 999, 'Europe/Berlin')).toBe('2026-12-01T09:00');
    expect(wallClockAt(brief.atMs + 1_000, 'Europe/Berlin')).toBe('2026-12-01T09:00:01');
  });

  test('belongs to no other instant', () => {
    const exact = { local: '2026-12-01T09:00', zone: 'Europe/Berlin' };
    for (const instant of ['2026-12-01T09:00:00Z', '2026-12-01T07:00:00Z', '2026-12-01T08:00:00.001Z'])
      expect(isInstantOf(at(instant), exact)).toBe(false);
    // The reading of a skipped time by the offset after the change: an hour before the clocks are put forward.
    const skipped = { local: '2026-03-29T02:30', zone: 'Europe/Berlin' };
    expect(isInstantOf(at('2026-03-29T00:30:00Z'), skipped)).toBe(false);
    const doubled = { local: '2026-10-25T02:30', zone: 'Europe/Berlin' };
    expect(isInstantOf(at('2026-10-25T02:30:00Z'), doubled)).toBe(false);
  });

  test.each([
    [{ local: '2026-12-01T09:00Z', zone: 'Europe/Berlin' }, /no offset/],
    [{ local: '2026-02-29T09:00', zone: 'Europe/Berlin' }, /no 2026-02-29/],
    [{ local: '2026-12-01T09:00', zone: '+01:00' }, /no time zone/],
    [{ local: '2026-12-01T09:00', zone: 'CET' }, /no time zone/],
  ])('but not %j', (wallClock, message) => {
    expect(() => resolveWallClock(wallClock)).toThrow(message);
  });
});

describe('a local date and time', () => {
  test.each([
    ['2026-12-01T09:00', '2026-12-01T09:00'],
    ['2026-12-01T09:00:00', '2026-12-01T09:00'],
    ['2026-12-01T09:00:07', '2026-12-01T09:00:07'],
    ['2028-02-29T23:59:59', '2028-02-29T23:59:59'],
    ['2000-02-29T00:00', '2000-02-29T00:00'],
    ['1970-01-01T00:00', '1970-01-01T00:00'],
    ['9998-12-31T23:59', '9998-12-31T23:59'],
  ])('%s is kept as %s', (text, local) => {
    expect(parseLocal(text)).toEqual({ ok: true, local });
  });

  test.each([
    ['2026-12-01T09:00Z', 'offset-given'],
    ['2026-12-01T09:00:00z', 'offset-given'],
    ['2026-12-01T09:00+01:00', 'offset-given'],
    ['2026-12-01T09:00:00.000-0500', 'offset-given'],
    ['2026-12-01T09:00+01', 'offset-given'],
    ['2026-12-01T09:00[Europe/Berlin]', 'offset-given'],
    ['2026-12-01', 'not-a-wall-clock'],
    ['2026-12-01T09', 'not-a-wall-clock'],
    ['2026-12-01 09:00', 'not-a-wall-clock'],
    ['2026-12-01T9:00', 'not-a-wall-clock'],
    ['2026-12-01T09:00:00.5', 'not-a-wall-clock'],
    ['01.12.2026 09:00', 'not-a-wall-clock'],
    ['+002026-12-01T09:00', 'not-a-wall-clock'],
    ['2026-12-01T09:00\n', 'not-a-wall-clock'],
    ['２０２６-12-01T09:00', 'not-a-wall-clock'],
    ['', 'not-a-wall-clock'],
    ['2027-02-29T09:00', 'no-such-date'],
    ['2100-02-29T09:00', 'no-such-date'],
    ['2026-04-31T09:00', 'no-such-date'],
    ['2026-00-10T09:00', 'no-such-date'],
    ['2026-13-01T09:00', 'no-such-date'],
    ['2026-12-00T09:00', 'no-such-date'],
    ['2026-12-01T24:00', 'no-such-time'],
    ['2026-12-01T09:60', 'no-such-time'],
    ['2026-12-31T23:59:60', 'no-such-time'],
    ['1969-12-31T23:59', 'year-out-of-range'],
    ['0026-12-01T09:00', 'year-out-of-range'],
    ['9999-01-01T00:00', 'year-out-of-range'],
  ])('%j is refused as %s', (text, code) => {
    expect(parseLocal(text)).toEqual({ ok: false, code, message: expect.any(String) });
  });

  test('is refused in words that name what is wrong', () => {
    const messageOf = (text: string) => (parseLocal(text) as { message: string }).message;
    expect(messageOf('2027-02-29T09:00')).toBe('There is no 2027-02-29 in the calendar');
    expect(messageOf('2026-12-01T24:00')).toContain('24:00');
    expect(messageOf('0026-12-01T09:00')).toContain('0026');
  });

  test('names no year in which a zone would need a fifth digit', () => {
    const latest = resolveWallClock({ local: '9998-12-31T23:59:59', zone: 'Etc/GMT+12' });
    expect(new Date(latest.atMs).toISOString()).toBe('9999-01-01T11:59:59.000Z');
  });
});

/** Names that `Intl.supportedValuesOf` leaves out because they are links or lie at sea. */
const furtherZones = [
  ...[
    'UTC',
    'Etc/UTC',
    'Japan',
    'Cuba',
    'Eire',
    'GB',
    'NZ',
    'NZ-CHAT',
    'W-SU',
    'EST5EDT',
    'US/Pacific',
    'US/Eastern',
  ],
  ...['Asia/Calcutta', 'Asia/Kolkata', 'Asia/Saigon', 'Europe/Kyiv', 'Europe/Kiev', 'America/Buenos_Aires'],
  ...Array.from({ length: 12 }, (_, hours) => `Etc/GMT+${hours + 1}`),
  ...Array.from({ length: 14 }, (_, hours) => `Etc/GMT-${hours + 1}`),
];
const zones = [...new Set([...Intl.supportedValuesOf('timeZone'), ...furtherZones])];

describe('a time zone', () => {
  test('is every name of the database, also an older one', () => {
    expect(zones.length).toBeGreaterThan(400);
    expect(zones.filter((zone) => !isTimeZone(zone))).toEqual([]);
  });

  test.each([
    'EST',
    'CET',
    'GMT',
    'IST',
    'PST',
    'BST',
    '+01:00',
    'GMT+1',
    'UTC+1',
    'SystemV/PST8',
    'Mars/Olympus',
  ])('is not %s', (name) => {
    expect(isTimeZone(name)).toBe(false);
  });

  test.each([
    '',
    ' ',
    'Etc/GMT+13',
    'Etc/GMT-15',
    'Europe/Berlin ',
    'Europe/',
    '/Berlin',
    'Europe',
    'Etc/Unknown',
  ])('is not %j', (name) => {
    expect(isTimeZone(name)).toBe(false);
  });
});

const span = { fromMs: at('2024-01-01T00:00:00Z'), toMs: at('2031-01-01T00:00:00Z') };
const second = 1_000;
const asUtc = (local: string): number => Date.parse(`${local}Z`);
const asLocal = (localAsUtcMs: number): string => new Date(localAsUtcMs).toISOString().slice(0, 19);

describe('in every zone from 2024 to 2030', () => {
  // Some seconds of work, and many more on a machine that does much else.
  const patienceMs = 180_000;
  const changesOf = new Map<string, Change[]>();
  beforeAll(() => {
    for (const zone of zones) changesOf.set(zone, listChanges(zone, span.fromMs, span.toMs));
  }, patienceMs);

  /** What is wrong with a resolved local time, by the other way to the same answer; empty where all is well. */
  function faultsOf(zone: string, localAsUtcMs: number): string[] {
    const changes = changesOf.get(zone)!;
    const startOffsetMs = offsetAt(zone, span.fromMs);
    const { shown, shifted } = instantsOf(localAsUtcMs, { ...span, changes, startOffsetMs });
    const wallClock = { zone, local: asLocal(localAsUtcMs) };
    const found = resolveWallClock(wallClock);
    const fit = shown.length === 0 ? 'gap' : shown.length === 1 ? 'exact' : 'overlap';
    const allowed = shifted === null ? shown : [shifted];
    const checks = {
      instant: found.atMs === (shifted ?? shown[0]),
      fit: found.fit === fit,
      clock: found.local === readBriefly(zone, found.atMs),
      early: asUtc(withSeconds(readBriefly(zone, found.atMs))) >= localAsUtcMs,
      instants: allowed.every((atMs) => isInstantOf(atMs, wallClock)),
      neighbours: allowed.every((atMs) => !isInstantOf(atMs - second, wallClock)),
    };
    return failed(checks).map((name) => `${zone} ${wallClock.local}: ${name}, ${JSON.stringify(found)}`);
  }

  /** What is wrong with the clock shown at an instant, and with the way back from it. */
  function faultsAt(zone: string, atMs: number): string[] {
    const local = wallClockAt(atMs, zone);
    const back = resolveWallClock({ local, zone });
    const checks = {
      clock: local === readBriefly(zone, atMs),
      kept: isInstantOf(atMs, { local, zone }),
      back: back.atMs === atMs || (back.fit === 'overlap' && back.atMs < atMs),
      fit: back.fit !== 'gap' && back.local === local,
    };
    return failed(checks).map((name) => `${zone} at ${new Date(atMs).toISOString()}: ${name}, ${local}`);
  }

  const failed = (checks: Record<string, boolean>) =>
    Object.keys(checks).filter((name) => checks[name] === false);
  const withSeconds = (local: string) => (local.length === 16 ? `${local}:00` : local);

  test(
    'each change of the clocks is kept: before, at and after it, and all the time that is skipped or doubled',
    () => {
      const seen = { changes: 0, gaps: 0, overlaps: 0 };
      const faults: string[] = [];
      for (const [zone, changes] of changesOf)
        for (const { atMs, beforeMs, afterMs } of changes) {
          seen.changes += 1;
          seen[afterMs > beforeMs ? 'gaps' : 'overlaps'] += 1;
          const [from, to] = [atMs + Math.min(beforeMs, afterMs), atMs + Math.max(beforeMs, afterMs)];
          const locals = [from - second, from, from + second, (from + to) / 2, to - second, to, to + second];
          faults.push(...locals.flatMap((local) => faultsOf(zone, local)));
          const instants = [-3_600_000, -60_000, -second, 0, second, 60_000, 3_600_000].map(
            (off) => atMs + off,
          );
          faults.push(...instants.flatMap((instant) => faultsAt(zone, instant)));
        }
      expect(faults).toEqual([]);
      process.stderr.write(`${zones.length} zones, ${JSON.stringify(seen)}\n`);
      expect(seen.gaps).toBeGreaterThan(700);
      expect(seen.overlaps).toBeGreaterThan(700);
    },
    patienceMs,
  );

  test(
    'any other time is kept as well, by chance',
    () => {
      const seed = Number(process.env.GATEPOST_TEST_SEED ?? Date.now() % 1_000_000_000);
      process.stderr.write(`wall clocks by chance: GATEPOST_TEST_SEED=${seed}\n`);
      const random = new Random(seed);
      const faults: string[] = [];
      const day = 86_400_000;
      for (let count = 0; count < 5_000; count += 1) {
        const zone = random.pick(zones);
        // A day away from the ends of what the oracle knows.
        const seconds = Math.floor((random.next() * (span.toMs - span.fromMs - 4 * day)) / second);
        faults.push(...faultsOf(zone, span.fromMs + 2 * day + seconds * second));
        faults.push(...faultsAt(zone, span.fromMs + 2 * day + seconds * second));
      }
      expect(faults).toEqual([]);
    },
    patienceMs,
  );
});
