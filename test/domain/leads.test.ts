import { defaultArmLeadMs, prepareLeadMs } from '../../domain/leads.ts';
import { platforms, postTypes } from '../../domain/post.ts';

it('prepares visual posts minutes ahead by platform, and a text not at all', () => {
  for (const platform of platforms) expect(prepareLeadMs(platform, 'TEXT_ONLY')).toBeNull();
  for (const type of postTypes.filter((type) => type !== 'TEXT_ONLY')) {
    expect(prepareLeadMs('linkedin', type)).toBe(120_000);
    expect(prepareLeadMs('instagram', type)).toBe(type === 'CAROUSEL' ? 900_000 : 300_000);
  }
});

it('arms ten seconds ahead', () => {
  expect(defaultArmLeadMs).toBe(10_000);
});
