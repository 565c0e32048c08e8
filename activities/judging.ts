import { ApplicationFailure } from '@temporalio/activity';
import { findNewestPublication } from '../db/publications.ts';
import type { PublishContent } from '../db/publish-content.ts';
import { checkTarget, type Violation } from '../domain/platform-rules.ts';
import { startsAnew } from '../domain/publication.ts';
import { publicText } from '../domain/revision.ts';
import { failureTypes, type TargetInput } from './contract.ts';
import type { PublishingContext } from './dependencies.ts';

/**
 * Throws the final `rules-broken`, with nothing sent, for a target that its platform would refuse by the rules of today. It
 * was judged when it was written and at each approval; rules change with a release, and what is known of media with a probe.
 * What went out, or may have, is not judged: its row has the word. `cycle` is the attempt's, where it is known.
 */
export async function assertWithinRules(
  { database, stored }: Pick<PublishingContext, 'database' | 'stored'>,
  { postId, targetId }: Pick<TargetInput, 'postId' | 'targetId'>,
  cycle = 1,
): Promise<void> {
  const violations = violationsOf(stored, targetId);
  if (violations.length === 0) return;
  const newest = await findNewestPublication(database, postId, targetId);
  if (newest && !startsAnew(newest, cycle)) return;
  const words = violations.map(({ field, message }) => `${field}: ${message}`).join('; ');
  const message = `${stored.profile.platform} would refuse it: ${words}`;
  throw ApplicationFailure.nonRetryable(message, failureTypes.rulesBroken);
}

function violationsOf({ profile, content, type, facts }: PublishContent, targetId: string): Violation[] {
  const target = content.targets.find((one) => one.targetId === targetId)!;
  return checkTarget({
    ...{ platform: profile.platform, kind: profile.accountKind, type },
    text: publicText(target, content.copy),
    title: target.title ?? null,
    firstComment: target.firstComment ?? null,
    thread: target.thread ?? [],
    options: target.options ?? {},
    media: facts,
  });
}
