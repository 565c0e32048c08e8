import type { ActivityOptions } from '@temporalio/common';
import { ActivityFailure, isCancellation, sleep } from '@temporalio/workflow';
import type {
  ConfirmedTarget,
  ReconcileTargetResult,
  ReleaseTargetResult,
  TargetInput,
} from '../activities/contract.ts';
import { entry } from '../domain/change.ts';
import type { Doubt } from '../domain/conditions.ts';
import { armAheadMs } from '../domain/leads.ts';
import { unreachable } from '../domain/post.ts';
import { dueOf, type TargetError } from '../domain/post-state.ts';
import { notSentBackoffSeconds } from '../domain/publication.ts';
import { errorOf } from './failures.ts';
import type { PostRun } from './post-run.ts';
import {
  armTarget,
  confirmTarget,
  prepareTarget,
  reconcileTarget,
  recordVerdict,
  releaseTarget,
} from './proxies.ts';

/** What a target's attempt is made of; fixed when it starts, so that a change means another attempt. */
function targetInput(post: PostRun, targetId: string): TargetInput {
  const { tenantId, postId, revision, gates } = post.state;
  const approvedHash = gates.publish.approvedHash;
  if (approvedHash === null) throw new Error('Only an approved revision is prepared or published');
  return { tenantId, postId, targetId, revisionId: revision.revisionId, approvedHash };
}

/** What an operator reads beside an activity in the Web UI; a tenant's burst stands in its own line. */
function seenAs(post: PostRun, targetId: string): Pick<ActivityOptions, 'summary' | 'priority'> {
  const { platform, accountKind } = post.target(targetId);
  return { summary: `${platform} ${accountKind}`, priority: { fairnessKey: post.state.tenantId } };
}

/** Brings uploads and containers to the platform ahead of the due time. A final refusal fails the target. */
export async function prepare(post: PostRun, targetId: string): Promise<void> {
  const input = targetInput(post, targetId);
  post.noteTarget(targetId, { preparingSinceMs: Date.now() });
  const { version } = post.state;
  try {
    await prepareTarget.executeWithOptions(seenAs(post, targetId), [input]);
    const isCurrent = post.state.revision.revisionId === input.revisionId;
    const { preparedRevisionId } = isCurrent
      ? { preparedRevisionId: input.revisionId }
      : post.target(targetId);
    const prepared = { preparingSinceMs: null, error: null, preparedRevisionId };
    // Whoever has been told that it is being prepared is told that it is done.
    if (post.state.version === version) post.noteTarget(targetId, prepared);
    else await post.setTarget(targetId, prepared);
  } catch (error) {
    post.noteTarget(targetId, { preparingSinceMs: null });
    if (isCancellation(error)) return;
    const failure = errorOf(error);
    // Its conditions say so too: the post waits until somebody connects the profile again.
    if (failure.code === 'needs-reconnect') return post.markStale();
    await failUnsaid(post, targetId, failure);
  }
}

/** A post whose uploads are not done when it is due is late, and everybody can see why. */
export function tellLate(post: PostRun, targetId: string): Promise<void> {
  const message = 'Its media were still being prepared when it was due; it goes out as soon as they are';
  return post.setTarget(targetId, { error: { code: 'still-preparing', message } });
}

/**
 * Publishes one target: armed, released at its instant, and settled; after doubt, asked about before anything is sent
 * again. Ends when the target has an outcome, or when a command has taken it back.
 */
export const publish = (post: PostRun, targetId: string): Promise<void> =>
  orGiveUp(post, targetId, () => attemptUntilSettled(post, targetId));

/** Finds out what became of what an earlier run sent; where nothing did, the target waits again, or has been cancelled. */
export function askAbout(post: PostRun, { targetId, revisionId, approvedHash }: Doubt): Promise<void> {
  const { tenantId, postId } = post.state;
  const input = { tenantId, postId, targetId, revisionId, approvedHash };
  return orGiveUp(post, targetId, async () => {
    const result = await reconcileTarget(input);
    await (result.kind === 'not-sent' ? takeBack(post, targetId) : settle(post, input, result));
  });
}

/** Does what an attempt is made of; where an activity gives up for good, so does the attempt. */
async function orGiveUp(post: PostRun, targetId: string, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (isCancellation(error) || !(error instanceof ActivityFailure)) throw error;
    await giveUp(post, targetId, errorOf(error));
  }
}

async function attemptUntilSettled(post: PostRun, targetId: string): Promise<void> {
  const input = targetInput(post, targetId);
  // Fixed as well: a policy that has tightened since may have opened a gate again, which an arm alone does not see.
  const { policyVersion } = post.state;
  let backoffs = 0;
  for (;;) {
    const result = await attempt(post, input, policyVersion);
    if (result.kind !== 'not-sent') return settle(post, input, result);
    if (post.state.cancelledAtMs !== null) return takeBack(post, targetId);
    if (result.handleIsDead) post.noteTarget(targetId, { preparedRevisionId: null });
    if (result.retryAfterMs) return waitForPlatform(post, targetId, result.retryAfterMs);
    const delayMs = result.retryAfterMs ?? backoffMs(backoffs++);
    if (delayMs === null) return failUnsaid(post, targetId, result.error);
    if (delayMs > 0) await sleep(delayMs, { summary: `${result.error.code}: send again` });
    if (result.handleIsDead) await prepareTarget.executeWithOptions(seenAs(post, targetId), [input]);
  }
}

/** The platform has named a time: until then the target waits like any other, and can be changed. */
function waitForPlatform(post: PostRun, targetId: string, delayMs: number): Promise<void> {
  post.noteTarget(targetId, { admittedAtMs: Date.now() + delayMs, isCapped: false });
  return takeBack(post, targetId);
}

const backoffMs = (tries: number): number | null => {
  const seconds = notSentBackoffSeconds[tries];
  return seconds === undefined ? null : seconds * 1000;
};

/** How long a run waits whose clock is ahead of the database's, before it asks again. */
const clocksDifferMs = 5_000;

const unprepared: TargetError = { code: 'unavailable', message: 'What was prepared is no longer there' };

type AttemptResult = Exclude<ReleaseTargetResult, { kind: 'unknown' | 'unrecorded' }>;

async function attempt(post: PostRun, input: TargetInput, policyVersion: number): Promise<AttemptResult> {
  const { cycle, isCapped, ...target } = post.target(input.targetId);
  const admittedAtMs = isCapped ? null : target.admittedAtMs;
  const { version } = post.state;
  const aheadMs = armAheadMs(input.targetId, post.settings.armLeadMs);
  const dueAtMs = dueOf(post.state, post.target(input.targetId)) ?? Date.now();
  const seen = seenAs(post, input.targetId);
  const armed = await armTarget.executeWithOptions(seen, [
    { ...input, cycle, version, dueAtMs, policyVersion, admittedAtMs, aheadMs },
  ]);
  if ('cycle' in armed && armed.cycle !== undefined) post.noteTarget(input.targetId, { cycle: armed.cycle });
  switch (armed.kind) {
    case 'superseded':
      return { kind: 'disarmed' };
    case 'conditions-changed':
      post.markStale();
      return { kind: 'disarmed' };
    case 'admitted-later':
      post.noteTarget(input.targetId, { admittedAtMs: armed.sendAtMs, isCapped: false });
      // By our clock it is time already: the database's is behind, and would only say the same again.
      if (armed.sendAtMs - aheadMs <= Date.now()) await sleep(clocksDifferMs, { summary: 'arm again' });
      return { kind: 'disarmed' };
    case 'capped':
      post.noteTarget(input.targetId, { admittedAtMs: armed.untilMs, isCapped: true });
      if (armed.untilMs <= Date.now()) await sleep(clocksDifferMs, { summary: 'arm again' });
      return { kind: 'disarmed' };
    case 'needs-reconcile':
      return reconcile(post, input);
    case 'unprepared':
      return { kind: 'not-sent', error: unprepared, retryAfterMs: null, handleIsDead: true };
    case 'armed':
      break;
    default:
      return armed;
  }
  const { publicationId, fence, sendAtMs } = armed;
  post.noteTarget(input.targetId, { admittedAtMs: sendAtMs, isCapped: false });
  const released = await release({ ...input, publicationId, fence, dueAtMs, sendAtMs }, seen);
  // What was sent, or may have been, has used its admission; what was taken back keeps it.
  if (released.kind !== 'disarmed') post.noteTarget(input.targetId, { admittedAtMs: null });
  if (released.kind === 'unknown') return reconcile(post, input);
  if (released.kind !== 'unrecorded') return released;
  await recordVerdict({ tenantId: input.tenantId, publicationId, fence, verdict: released.verdict });
  return reconcile(post, input);
}

/** A release that ended without a word (lost worker, shutdown, time-out) is settled by asking its row. */
async function release(
  input: Parameters<typeof releaseTarget>[0],
  seen: ReturnType<typeof seenAs>,
): Promise<ReleaseTargetResult | { kind: 'unknown'; error: TargetError }> {
  try {
    return await releaseTarget.executeWithOptions(seen, [input]);
  } catch (error) {
    if (isCancellation(error) || !(error instanceof ActivityFailure)) throw error;
    return { kind: 'unknown', error: errorOf(error) };
  }
}

async function reconcile(post: PostRun, input: TargetInput): Promise<ReconcileTargetResult> {
  await post.setTarget(input.targetId, { phase: 'RECONCILING' });
  const result = await reconcileTarget(input);
  if (result.kind === 'not-sent') post.noteTarget(input.targetId, { phase: 'ARMING' });
  return result;
}

async function settle(
  post: PostRun,
  input: TargetInput,
  result: Exclude<AttemptResult, { kind: 'not-sent' }>,
): Promise<void> {
  const { targetId } = input;
  switch (result.kind) {
    case 'published': {
      const { publicId, publishedAtMs } = result;
      await post.setTarget(targetId, {
        phase: 'PUBLISHED',
        publicId,
        permalink: result.permalink,
        publishedAtMs,
        error: null,
      });
      if (result.permalink === null) await confirm(post, { ...input, publicId });
      return;
    }
    case 'disarmed':
      return takeBack(post, targetId);
    case 'refused':
      return fail(post, targetId, result.error);
    case 'unconfirmed':
      return post.setTarget(targetId, { phase: 'UNCONFIRMED', error: result.error });
    default:
      return unreachable(result, 'result of an attempt');
  }
}

/**
 * An activity gave up for good. The row has the last word: what can be taken back has failed and may be retried, what
 * may have been sent is a person's.
 */
async function giveUp(post: PostRun, targetId: string, error: TargetError): Promise<void> {
  const isSafe = await post.takeBackRow(targetId);
  const phase = isSafe ? 'FAILED' : 'UNCONFIRMED';
  await post.setTarget(targetId, { phase, error }, [endedBadly(phase, targetId, error)]);
}

/** Nothing was sent: the target waits again, or ends with the post that was cancelled meanwhile. */
const takeBack = (post: PostRun, targetId: string): Promise<void> =>
  post.setTarget(targetId, { phase: post.state.cancelledAtMs === null ? 'WAITING' : 'CANCELLED' });

/** The post is public already: not knowing its address fails nothing. */
async function confirm(post: PostRun, input: TargetInput & { publicId: string }): Promise<void> {
  try {
    const { publicId, permalink } = confirmedOf(await confirmTarget(input), input);
    const isNew = publicId !== input.publicId;
    if (permalink || isNew) await post.setTarget(input.targetId, { permalink, ...(isNew && { publicId }) });
  } catch (error) {
    if (!(error instanceof ActivityFailure)) throw error;
  }
}

/** Histories from before there was a final id hold the address alone. */
const confirmedOf = (
  answer: ConfirmedTarget | string | null,
  { publicId }: { publicId: string },
): ConfirmedTarget =>
  typeof answer === 'string' || answer === null ? { publicId, permalink: answer } : answer;

const fail = (post: PostRun, targetId: string, error: TargetError): Promise<void> =>
  post.setTarget(targetId, { phase: 'FAILED', error });

/** As above where no publication row tells of the end: the post's timeline would break off without a word. */
const failUnsaid = (post: PostRun, targetId: string, error: TargetError): Promise<void> =>
  post.setTarget(targetId, { phase: 'FAILED', error }, [endedBadly('FAILED', targetId, error)]);

const endedBadly = (phase: 'FAILED' | 'UNCONFIRMED', targetId: string, error: TargetError) =>
  entry(`target.${phase.toLowerCase()}`, Date.now(), null, {
    ...{ targetId, errorCode: error.code, errorMessage: error.message },
  });
