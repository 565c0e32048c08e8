import { defaultArmLeadMs, prepareLeadMs } from '../../domain/leads.ts';
import { platforms, postTypes } from '../../domain/post.ts';

it('prepares visual posts minutes ahead by platform, and a text not at all', () => {
  const ahead = { linkedin: 120_000, instagram: 300_000 };
  for (const platform of platforms)
    for (const type of postTypes)
      expect(prepareLeadMs(platform, type)).toBe(type === 'TEXT_ONLY' ? null : ahead[platform]);
});

it('arms ten seconds ahead', () => {
  expect(defaultArmLeadMs).toBe(10_000);
});
