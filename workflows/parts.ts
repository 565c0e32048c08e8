import { ActivityFailure, log, patched, sleep } from '@temporalio/workflow';
import type { PartInput, PartResult, PartSettled } from '../activities/contract.ts';
import type { PartOutcome } from '../domain/parts.ts';
import { unreachable } from '../domain/post.ts';
import type { TargetError } from '../domain/post-state.ts';
import { notSentBackoffSeconds } from '../domain/publication.ts';
import { errorOf } from './failures.ts';
import type { PartsWorkflowInput } from './messages.ts';
import { endPartRound, publishPart, reconcilePart } from './proxies.ts';

/** How long a stop may keep a part waiting before it is given up, and the longest wait between two looks. */
const longestHeldMs = 24 * 3_600_000;
const longestLookMs = 15 * 60_000;

export interface PartsOutcome {
  readonly parts: readonly PartOutcome[];
}

/**
 * What follows a post that is out: the parts of its thread, each an answer to the one before, then its first comment.
 * A part that fails ends the thread and changes nothing about the post. Another round goes the same way: a part that is
 * out answers with its receipt, and only what is not is sent.
 */
export async function partsWorkflow(input: PartsWorkflowInput): Promise<PartsOutcome> {
  const outcomes = await bringOutAll(input);
  const { tenantId, postId, targetId, cycle } = input;
  if (patched('part-rounds')) await endPartRound({ tenantId, postId, targetId, cycle, outcomes });
  return { parts: outcomes };
}

async function bringOutAll(input: PartsWorkflowInput): Promise<PartOutcome[]> {
  const outcomes: PartOutcome[] = [];
  let parentId: string | null = input.publicId;
  for (const [index, kind] of input.kinds.entries()) {
    const part = index + 1;
    const answered = kind === 'thread' ? parentId : input.publicId;
    if (answered === null) {
      outcomes.push({ part, kind: 'left-out', error: notAnswered });
      continue;
    }
    const settled = await bringOut(input, part, answered);
    outcomes.push({ part, kind: settled.kind, error: settled.kind === 'published' ? null : settled.error });
    if (kind === 'thread') parentId = settled.kind === 'published' ? settled.publicId : null;
  }
  return outcomes;
}

const notAnswered: TargetError = {
  code: 'left-out',
  message: 'The part before it, which it would answer, is not out',
};

/** Brings one part out, once: after doubt it is asked about before anything is sent again. */
async function bringOut(input: PartsWorkflowInput, part: number, parentId: string): Promise<PartSettled> {
  const { kinds: _, publicId: rootId, ...target } = input;
  let asked: PartInput = { ...target, part, parentId, rootId, dueAtMs: Date.now(), admittedAtMs: null };
  let heldMs = 0;
  for (let tries = 0; ; ) {
    const result = await publishOrAsk(asked);
    switch (result.kind) {
      case 'published':
      case 'refused':
      case 'unconfirmed':
        return result;
      case 'admitted-later':
        asked = { ...asked, admittedAtMs: result.sendAtMs };
        await sleep(Math.max(1_000, result.sendAtMs - Date.now()), { summary: 'rate' });
        break;
      case 'capped':
        await sleep(Math.max(1_000, result.untilMs - Date.now()), { summary: 'cap' });
        break;
      case 'held': {
        if (heldMs >= longestHeldMs) return { kind: 'refused', error: result.error };
        const waitMs = Math.min(longestLookMs, 60_000 + heldMs);
        await sleep(waitMs, { summary: result.error.code });
        heldMs += waitMs;
        break;
      }
      case 'not-sent': {
        const seconds = notSentBackoffSeconds[tries++];
        if (seconds === undefined) return { kind: 'refused', error: result.error };
        await sleep(result.retryAfterMs ?? seconds * 1_000, { summary: `${result.error.code}: send again` });
        break;
      }
      default:
        return unreachable(result, 'result of a part');
    }
  }
}

/**
 * One attempt; one that ended without a word (lost worker, time-out), or in doubt, is settled by asking. Where not even
 * that can be done, the row keeps what is known, and a person sees why.
 */
async function publishOrAsk(asked: PartInput): Promise<Exclude<PartResult, { kind: 'unknown' }>> {
  try {
    const result = await publishPart(asked);
    if (result.kind !== 'unknown') return result;
  } catch (error) {
    if (!(error instanceof ActivityFailure)) throw error;
    log.warn('A part ended without a word', { part: asked.part, error: String(error.cause ?? error) });
  }
  try {
    return await reconcilePart(asked);
  } catch (error) {
    if (!(error instanceof ActivityFailure)) throw error;
    return { kind: 'refused', error: errorOf(error) };
  }
}
