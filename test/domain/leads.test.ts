import { randomUUID } from 'node:crypto';
import { armAheadMs, defaultArmLeadMs, prepareLeadMs } from '../../domain/leads.ts';
import { type Platform, postTypes } from '../../domain/post.ts';

it('prepares minutes ahead, by platform and type, what has to be prepared', () => {
  const minutesOf = (platform: Platform) =>
    postTypes.map((type) => prepareLeadMs(platform, type)).map((ms) => ms && ms / 60_000);
  expect(prepareLeadMs('linkedin', 'TEXT_ONLY')).toBeNull();
  expect(prepareLeadMs('linkedin', 'CAROUSEL')).toBe(120_000);
  expect(minutesOf('instagram')).toEqual([null, 5, 30, 30, 15, 30]);
  // Even a text is a container first.
  expect(minutesOf('threads')).toEqual([2, 5, 30, 30, null, null]);
});

it('arms ten to thirty seconds ahead, spread evenly, and a target always at the same distance', () => {
  expect(defaultArmLeadMs).toBe(10_000);
  const targets = Array.from({ length: 3_000 }, () => randomUUID());
  const ahead = targets.map((targetId) => armAheadMs(targetId, defaultArmLeadMs));
  expect(targets.map((targetId) => armAheadMs(targetId, defaultArmLeadMs))).toEqual(ahead);
  expect(Math.min(...ahead)).toBeGreaterThanOrEqual(10_000);
  expect(Math.max(...ahead)).toBeLessThan(30_000);
  for (const fromMs of [10_000, 15_000, 20_000, 25_000]) {
    const share = ahead.filter((ms) => ms >= fromMs && ms < fromMs + 5_000).length / ahead.length;
    expect(share).toBeGreaterThan(0.2);
  }
  expect(armAheadMs(targets[0]!, 0)).toBe(0);
});
