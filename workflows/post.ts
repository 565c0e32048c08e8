import {
  allHandlersFinished,
  CancellationScope,
  condition,
  continueAsNew,
  isCancellation,
  setHandler,
  sleep,
  workflowInfo,
} from '@temporalio/workflow';
import { nextAlarmAtMs } from '../domain/alarms.ts';
import type { Change } from '../domain/change.ts';
import type { Command } from '../domain/commands.ts';
import type { Doubt } from '../domain/conditions.ts';
import { armAheadMs, prepareLeadMs } from '../domain/leads.ts';
import { unreachable } from '../domain/post.ts';
import { dueOf, newPostState, type PostState, type TargetState } from '../domain/post-state.ts';
import { openPost } from '../domain/reducer.ts';
import {
  type PostRunSettings,
  type PostWorkflowInput,
  pokeSignal,
  signals,
  stateQuery,
  storyQuery,
  updates,
} from './messages.ts';
import { PostRun } from './post-run.ts';
import { startParts } from './proxies.ts';
import { askAbout, prepare, publish, tellLate } from './publish-target.ts';

/**
 * One post, from its submission to its outcome: waits at its gates, sleeps until it is due, publishes each target once,
 * and stays open while a person can still do something about it.
 */
export async function postWorkflow(input: PostWorkflowInput): Promise<PostOutcome> {
  const { carried, settings } = input;
  // Opened before anybody is heard: after a reset to the beginning, commands come with the very first task.
  const opening = carried ? null : openPost(newPostState(input.post), input.submittedBy, Date.now());
  const post = new PostRun(carried ?? opening!.state, settings, { isCarried: carried !== undefined });
  listen(post, input.settings);
  return CancellationScope.nonCancellable(() => live(post, input, opening));
}

async function live(post: PostRun, input: PostWorkflowInput, opening: Change | null): Promise<PostOutcome> {
  // A command that came first has changed the state already: what is written is the state as it is.
  if (opening) await post.commit({ ...opening, state: post.state });
  while (!post.isOver) {
    const seen = post.changes;
    if (post.isStale) {
      await post.refreshConditions();
      continue;
    }
    for (const doubt of post.takeDoubts()) void takeStep(post, { kind: 'ask', ...doubt });
    for (const parts of post.unfollowed) {
      post.noteFollowed(parts.targetId);
      await startParts.executeWithOptions({ summary: `follows ${parts.targetId}` }, [parts]);
    }
    if (await post.ringAlarms()) continue;
    const moment = nextMoment(post);
    if (post.isCommanded) await condition(() => !post.isCommanded);
    else if (moment.now.length > 0) await startSteps(post, moment.now);
    else if (shouldContinueAsNew(post)) return carryOn(post, input);
    else await waitForChange(post, seen, moment.atMs);
  }
  await condition(allHandlersFinished);
  // The server takes no end from a task while it has news for the run, such as an activity's; and it gives up all else that
  // the task says, the answer to a command as well. So whoever is to be answered is answered first.
  if (post.isAnswering) await sleep(1, { summary: 'answer, then end' });
  return outcomeOf(post.state);
}

export interface PostOutcome {
  readonly targets: readonly Pick<TargetState, 'targetId' | 'phase' | 'publicId' | 'permalink'>[];
}

const outcomeOf = (state: PostState): PostOutcome => ({
  targets: state.targets.map(({ targetId, phase, publicId, permalink }) => ({
    targetId,
    phase,
    publicId,
    permalink,
  })),
});

/** Every command comes as an Update and as a Signal; both go through the same door. */
function listen(post: PostRun, settings: PostRunSettings): void {
  for (const kind of Object.keys(updates) as (keyof typeof updates)[]) {
    setHandler(updates[kind], (command: Command) => post.handle(command), {
      validator: (command: Command) => post.check(command),
    });
    setHandler(signals[kind], (command: Command) => post.handleSignal(command, settings.acceptSignals));
  }
  setHandler(pokeSignal, () => post.markStale());
  setHandler(stateQuery, () => post.state);
  setHandler(storyQuery, () => post.story);
  CancellationScope.current().cancelRequested.catch(() => post.handleUnwaited(operatorCancel()));
}

/** Cancelling the run from the Web UI is a cancel command like any other: it takes back what has not been sent. */
const operatorCancel = (): Command => ({
  kind: 'cancel',
  commandId: `operator:${workflowInfo().runId}`,
  actor: { memberId: 'operator', role: 'super_admin', name: 'Operator' },
  reason: 'The run was cancelled by an operator',
});

/** What goes its own way, in a scope that a command can end. */
type Attempt =
  | { readonly kind: 'prepare' | 'publish'; readonly targetId: string }
  | ({ readonly kind: 'ask' } & Doubt);
type Step = Attempt | { readonly kind: 'tell-late'; readonly targetId: string };
interface Moment {
  readonly step: Step;
  readonly atMs: number;
}

/** What is to be done now, or when there will be something to do by time alone. */
function nextMoment(post: PostRun): { now: Step[]; atMs: number | null } {
  const moments = post.readyTargets.flatMap((target) => momentOf(post, target) ?? []);
  const now = moments.filter((moment) => moment.atMs <= Date.now()).map((moment) => moment.step);
  const alarmAtMs = nextAlarmAtMs(post.state);
  const times = [...moments.map((moment) => moment.atMs), ...(alarmAtMs === null ? [] : [alarmAtMs])];
  return { now, atMs: times.length > 0 ? Math.min(...times) : null };
}

function momentOf(post: PostRun, target: TargetState): Moment | null {
  const { state, settings } = post;
  const { targetId } = target;
  const dueAtMs = dueOf(state, target);
  if (dueAtMs === null) return null;
  if (target.preparingSinceMs !== null)
    return target.error === null ? { step: { kind: 'tell-late', targetId }, atMs: dueAtMs } : null;
  if (post.isBusy(targetId)) return null;
  const leadMs = prepareLeadMs(target.platform, target.type);
  const isPrepared = leadMs === null || target.preparedRevisionId === state.revision.revisionId;
  const sendAtMs = Math.max(dueAtMs, target.admittedAtMs ?? 0);
  // A cap has no room a moment before it has: it is asked at the instant itself.
  const aheadMs = target.isCapped ? 0 : armAheadMs(targetId, settings.armLeadMs);
  return isPrepared
    ? { step: { kind: 'publish', targetId }, atMs: sendAtMs - aheadMs }
    : { step: { kind: 'prepare', targetId }, atMs: sendAtMs - Math.max(leadMs, aheadMs) };
}

/** Starts what is due; the targets go their ways alone from here, each in a scope that a command can end. */
async function startSteps(post: PostRun, steps: readonly Step[]): Promise<void> {
  const late = steps.filter((step) => step.kind === 'tell-late');
  for (const { targetId } of late) await tellLate(post, targetId);
  for (const step of steps) if (step.kind !== 'tell-late') void takeStep(post, step);
  const publishing = steps.filter((step) => step.kind === 'publish').map((step) => step.targetId);
  if (publishing.length > 0) await post.setTargets(publishing, { phase: 'ARMING' });
}

async function takeStep(post: PostRun, step: Attempt): Promise<void> {
  const { targetId } = step;
  const scope = new CancellationScope();
  post.attempt(targetId, scope);
  try {
    await scope.run(() => carryOut(post, step));
  } catch (error) {
    if (!isCancellation(error)) throw error;
  } finally {
    post.attemptEnded(targetId);
  }
}

function carryOut(post: PostRun, step: Attempt): Promise<void> {
  switch (step.kind) {
    case 'prepare':
      return prepare(post, step.targetId);
    case 'publish':
      return publish(post, step.targetId);
    case 'ask':
      return askAbout(post, step);
    default:
      return unreachable(step, 'attempt');
  }
}

async function waitForChange(post: PostRun, seen: number, atMs: number | null): Promise<void> {
  const changed = () => post.changes !== seen || post.isOver || shouldContinueAsNew(post);
  if (atMs === null) return condition(changed);
  const waitMs = atMs - Date.now();
  if (waitMs > 0) await condition(changed, waitMs, { summary: `until ${new Date(atMs).toISOString()}` });
}

/** By the server's own suggestion, or after fewer events where a test asks for it. */
function shouldContinueAsNew(post: PostRun): boolean {
  if (post.isBusy()) return false;
  const info = workflowInfo();
  const most = post.settings.continueAsNewAfterEvents;
  return info.continueAsNewSuggested || (most !== undefined && info.historyLength >= most);
}

async function carryOn(post: PostRun, input: PostWorkflowInput): Promise<never> {
  await condition(allHandlersFinished);
  return continueAsNew<typeof postWorkflow>({ ...input, carried: post.state });
}
