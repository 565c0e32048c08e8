import { platformRules } from './platforms/index.ts';
import type { Platform, PostType } from './post.ts';

/** How long before the due time a target is armed, in milliseconds; 0 is legal and what skipped time uses. */
export const defaultArmLeadMs = 10_000;

/**
 * How long before its instant a target is armed, in milliseconds: between one and three leads, always the same for the
 * same target. What is due at one instant is thus not armed at one instant: five hundred posts that woke together were
 * not all armed ten seconds later (on two cores the last of them went out 12 s late).
 */
export function armAheadMs(targetId: string, armLeadMs: number): number {
  const share = Number.parseInt(targetId.replaceAll('-', '').slice(-6), 16) / 0x1000000;
  return armLeadMs + (Number.isNaN(share) ? 0 : Math.floor(share * 2 * armLeadMs));
}

/**
 * How long before the due time uploads and containers start, in milliseconds, by platform and type.
 * `null`: nothing is prepared.
 */
export function prepareLeadMs(platform: Platform, type: PostType): number | null {
  const minutes = platformRules[platform].prepareMinutes[type];
  return minutes === undefined ? null : minutes * 60_000;
}
