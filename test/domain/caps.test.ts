import { askAgainMs, capOpensAtMs, type LiveQuota, quotaOpensAtMs, windowMs } from '../../domain/caps.ts';
import type { Cap } from '../../domain/platforms/rules.ts';
import { defaultRates } from '../../domain/rates.ts';
import { isTimeZone } from '../../domain/time-zone.ts';
import { seededRandom } from '../support/random.ts';

const hour = 3_600_000;
const minute = 60_000;
const nine = Date.UTC(2026, 10, 4, 9);
const daily: Cap = { counts: 'profile', max: 3, window: { hours: 24 } };

describe('a cap of the hours before', () => {
  it('has room until its last place is taken, then from the instant the first of them leaves, and a minute', () => {
    const taken = [nine - 20 * hour, nine - 2 * hour];
    expect(capOpensAtMs(daily, taken, nine)).toBe(nine);
    expect(capOpensAtMs(daily, [...taken, nine - hour], nine)).toBe(nine + 4 * hour + minute);
    expect(capOpensAtMs(daily, [...taken, nine - 25 * hour], nine)).toBe(nine);
  });

  it('counts what is armed for later, and waits for as many as are too many', () => {
    const taken = [nine - 3 * hour, nine - 2 * hour, nine - hour, nine + 5_000];
    expect(capOpensAtMs(daily, taken, nine)).toBe(nine + 22 * hour + minute);
  });

  it('never admits more than it says into any window, whatever comes when', () => {
    const random = seededRandom(20_261_122);
    for (let life = 0; life < 300; life++) {
      const cap: Cap = {
        ...{ counts: 'profile', max: 1 + Math.floor(random() * 6) },
        window: { hours: 1 + Math.floor(random() * 30) },
      };
      const sent: number[] = [];
      let nowMs = nine;
      for (let post = 0; post < 40; post++) {
        nowMs += random() * 2 * hour;
        const atMs = capOpensAtMs(cap, sent, nowMs);
        expect(atMs).toBeGreaterThanOrEqual(nowMs);
        expect(capOpensAtMs(cap, sent, atMs)).toBe(atMs);
        sent.push(atMs);
      }
      const lengthMs = windowMs(cap) - minute;
      for (const start of sent) {
        const inWindow = sent.filter((atMs) => atMs >= start && atMs <= start + lengthMs);
        expect(inWindow.length).toBeLessThanOrEqual(cap.max);
      }
    }
  });
});

describe('a cap of a day in a zone', () => {
  const pacific: Cap = { counts: 'app', max: 2, window: { dayIn: 'America/Los_Angeles' } };
  // 2026-11-01 has 25 hours there: from 07:00 UTC to 08:00 UTC of the next day.
  const [start, end] = [Date.UTC(2026, 10, 1, 7), Date.UTC(2026, 10, 2, 8)];

  it.each([
    ['counts the day alone, not the hours before', [start - 2, start - 1], start, start],
    [
      'waits until the next midnight there, an hour later when the clocks go back',
      [start, end - 1],
      start + hour,
      end + minute,
    ],
    ['has room at the last instant of a day that is not full', [start], end - 1, end - 1],
    [
      'waits a day more where the next is full as well',
      [start, start + 1, end + hour, end + hour],
      start + 2,
      end + 24 * hour + minute,
    ],
  ])('%s', (_what, taken, from, expected) => {
    expect(capOpensAtMs(pacific, taken, from)).toBe(expected);
  });
});

describe('what a platform says itself', () => {
  const quota: LiveQuota = { used: 98, total: 100, windowSeconds: 86_400, readAtMs: nine };

  it('leaves room for what it does not know yet: sent or armed since', () => {
    expect(quotaOpensAtMs(quota, [nine - hour], nine + 1_000)).toBe(nine + 1_000);
    expect(quotaOpensAtMs(quota, [nine - hour, nine + 500], nine + 1_000)).toBe(nine + 1_000);
  });

  it('asks again after a while where posts from elsewhere have used it up, or when one of ours leaves before', () => {
    const full = { ...quota, used: 100 };
    expect(quotaOpensAtMs(full, [], nine + 1_000)).toBe(nine + 1_000 + askAgainMs);
    const leaving = nine + 1_000 - 24 * hour + 2 * minute;
    expect(quotaOpensAtMs(full, [leaving], nine + 1_000)).toBe(leaving + 24 * hour + minute);
    expect(quotaOpensAtMs({ ...full, used: 101 }, [leaving], nine + 1_000)).toBe(nine + 1_000 + askAgainMs);
  });

  it('never opens at once when it is full', () => {
    const full = { ...quota, used: 250, total: 100 };
    const ours = [nine - 24 * hour, nine - 24 * hour + 1, nine - 1, nine + 1];
    expect(quotaOpensAtMs(full, ours, nine)).toBeGreaterThan(nine);
  });
});

it('has caps with a zone that exists and with those of an application first: locks are taken in that order', () => {
  for (const { caps } of Object.values(defaultRates)) {
    const order = caps.map(({ counts }) => counts);
    expect(order).toEqual(order.toSorted());
    for (const { window, max } of caps) {
      expect(max).toBeGreaterThanOrEqual(1);
      if ('dayIn' in window) expect(isTimeZone(window.dayIn)).toBe(true);
    }
  }
  expect(defaultRates.instagram.caps).toHaveLength(1);
});
