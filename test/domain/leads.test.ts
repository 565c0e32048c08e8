import { randomUUID } from 'node:crypto';
import { armAheadMs, defaultArmLeadMs, prepareLeadMs } from '../../domain/leads.ts';
import { platforms, postTypes } from '../../domain/post.ts';

it('prepares visual posts minutes ahead by platform, and a text not at all', () => {
  for (const platform of platforms) expect(prepareLeadMs(platform, 'TEXT_ONLY')).toBeNull();
  for (const type of postTypes.filter((type) => type !== 'TEXT_ONLY')) {
    expect(prepareLeadMs('linkedin', type)).toBe(120_000);
    expect(prepareLeadMs('instagram', type)).toBe(type === 'CAROUSEL' ? 900_000 : 300_000);
  }
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
