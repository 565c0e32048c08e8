import { OutcomeError } from '../../domain/outcome.ts';
import { ruleFor } from '../../domain/platform-rules.ts';
import { platformRules } from '../../domain/platforms/index.ts';
import type { Platform } from '../../domain/post.ts';
import type { PublicContent } from './publisher.ts';

/**
 * Throws `rejected`, with nothing sent, when the platform has no such type or the type another number of pieces. Every post
 * was judged by the same rules long before; an adapter asks again, so that no content of another kind gets near a commit.
 */
export function assertSupported(platform: Platform, { type, media }: PublicContent): void {
  const rule = ruleFor(platform, type);
  const { name } = platformRules[platform];
  if (!rule.isSupported) throw refused(`${name} posts of type ${type} are not supported`);
  const { minCount, maxCount } = rule.media ?? { minCount: 0, maxCount: 0 };
  if (media.length >= minCount && media.length <= maxCount) return;
  throw refused(`${name} ${type} cannot carry ${media.length} pieces of media`);
}

/** A refusal of our own, before anything was sent. */
export const refused = (message: string): OutcomeError =>
  new OutcomeError('rejected', message, { sent: false });

/** The commit found nothing prepared, or what is not there any more: nothing was sent, and preparing again mends it. */
export const unprepared = (message: string): OutcomeError =>
  new OutcomeError('unavailable', message, { sent: false, handleIsDead: true });
