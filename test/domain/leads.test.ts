import { randomUUID } from 'node:crypto';
import { armAheadMs, defaultArmLeadMs, prepareLeadMs } from '../../domain/leads.ts';
import { ruleFor } from '../../domain/platform-rules.ts';
import { platforms, postTypes } from '../../domain/post.ts';

it('prepares visual posts minutes ahead by platform, and a text not at all', () => {
  expect(prepareLeadMs('linkedin', 'TEXT_ONLY')).toBeNull();
  expect(prepareLeadMs('linkedin', 'SINGLE_IMAGE')).toBe(120_000);
  expect(prepareLeadMs('instagram', 'SINGLE_IMAGE')).toBe(300_000);
  expect(prepareLeadMs('instagram', 'CAROUSEL')).toBe(1_800_000);
  // What carries media is uploaded, and nothing earlier than an hour ahead.
  for (const platform of platforms)
    for (const type of postTypes) {
      const rule = ruleFor(platform, type);
      const leadMs = prepareLeadMs(platform, type);
      if (!rule.isSupported) expect(leadMs).toBeNull();
      else expect(leadMs ?? 0).toBeLessThanOrEqual(3_600_000);
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
