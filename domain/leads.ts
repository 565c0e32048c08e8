import type { Platform, PostType } from './post.ts';

/** How long before the due time a target is armed, in milliseconds; 0 is legal and what skipped time uses. */
export const defaultArmLeadMs = 10_000;

/**
 * How long before the due time uploads and containers start, in milliseconds, by platform and type.
 * `null`: nothing is prepared. Never longer than what is prepared lives: an Instagram container is dropped after 24 h.
 */
export function prepareLeadMs(platform: Platform, type: PostType): number | null {
  if (type === 'TEXT_ONLY') return null;
  const minutes: Record<Platform, number> = { linkedin: 2, instagram: type === 'CAROUSEL' ? 15 : 5 };
  return minutes[platform] * 60_000;
}
