import { setTimeout as sleep } from 'node:timers/promises';
import type { WorkflowHandle } from '@temporalio/client';
import { type Duration, millisecondsOf } from './clock.ts';
import type { Environment } from './environment.ts';
import { type Post, type Posts, type PostView, waitsFor } from './posts.ts';
import type { Rest, Runs } from './runs.ts';

/** The time of an environment. In skipped time, hours pass at once; in real time, the same calls wait. */
export interface GatepostClock {
  readonly skips: boolean;
  readonly now: () => Date;
  /** The instant so far ahead: `clock.in({ hours: 6 })`. */
  readonly in: (ahead: Duration) => Date;
  /** Lets time pass. In skipped time it answers when everything that time brought has been done. */
  readonly advance: (duration: Duration) => Promise<void>;
  readonly advanceTo: (instant: Date) => Promise<void>;
  /**
   * Lets time pass until a post is due, and on while it is being sent or asked about. Answers the post as it stands then,
   * which is also how a post that waits for a person or a throttled one is seen.
   */
  readonly advanceToDue: (post: Post, options?: ToDueOptions) => Promise<PostView>;
  /**
   * Lets time pass until a post's run has ended, and answers the post. Throws where that takes too long: a run that waits
   * for a person does not end by itself. (The result of a run, awaited in skipped time, would skip on past its end.)
   */
  readonly advanceToEnd: (post: Pick<Post, 'id'>, options?: ToEndOptions) => Promise<PostView>;
  /** Waits until nothing is under way at this very moment, where the workers are in this process. */
  readonly untilQuiet: () => Promise<void>;
}

export interface ToDueOptions {
  /** How long after its due time it may take to settle (default 15 minutes in skipped time, one in real time). */
  readonly settleWithin?: Duration;
}

export interface ToEndOptions {
  /** How long it may take (default 90 days in skipped time, one minute in real time). */
  readonly within?: Duration;
}

/** Real time that a test may wait for: longer is a mistake in the test. */
const longestWaitMs = 10 * 60_000;
const longestStepMs = 60_000;
const realStepMs = 100;

export function createDueClock(
  environment: Environment,
  runs: Runs,
  posts: Posts,
  handleOf: (post: Pick<Post, 'id'>) => WorkflowHandle,
): GatepostClock {
  const { time, temporal, mode } = environment;
  const skips = mode === 'skipping';

  const nowMs = async () => (await time.observe()).getTime();

  /**
   * Lets skipped time pass, from runs at rest to runs at rest, until an instant or until one of them goes on before. A run
   * that is caught at work by a skip looks as if it had hung for all that time: so no skip goes past an instant that sets
   * something going.
   */
  async function skipTowards(untilMs: number, { nextAtMs }: Rest): Promise<Rest> {
    const leftMs = Math.min(untilMs, nextAtMs ?? untilMs) - (await nowMs());
    if (leftMs > 0) await temporal.sleep(leftMs);
    return runs.untilQuiet();
  }

  async function pass(milliseconds: number): Promise<void> {
    if (milliseconds <= 0) return;
    if (!skips) return waitFor(milliseconds);
    let rest = await runs.untilQuiet();
    const untilMs = (await nowMs()) + milliseconds;
    while ((await nowMs()) < untilMs) rest = await skipTowards(untilMs, rest);
  }

  async function describeWait(post: Pick<Post, 'id'>): Promise<string> {
    const view = await posts.read(post);
    return `it is ${view.status} and waits for ${waitsFor(view).join(', ')}`;
  }

  const passUntil = async (instant: Date) => pass(instant.getTime() - (await nowMs()));

  return {
    skips,
    now: time.now,
    in: (ahead) => new Date(time.now().getTime() + millisecondsOf(ahead)),
    advance: (duration) => pass(millisecondsOf(duration)),
    advanceTo: passUntil,
    async advanceToDue(post, { settleWithin = { minutes: skips ? 15 : 1 } } = {}) {
      const { dueAt } = await posts.read(post);
      if (dueAt === null) throw new Error(`Post ${post.id} has no due time`);
      await passUntil(new Date(dueAt));
      const deadlineMs = Math.max(Date.parse(dueAt), time.now().getTime()) + millisecondsOf(settleWithin);
      for (
        let stepMs = skips ? 1_000 : realStepMs;
        ;
        stepMs = skips ? Math.min(2 * stepMs, longestStepMs) : stepMs
      ) {
        const view = await posts.read(post);
        const leftMs = deadlineMs - time.now().getTime();
        if (!movesByItself(view) || leftMs <= 0) return view;
        await pass(Math.min(stepMs, leftMs));
      }
    },
    async advanceToEnd(post, { within = skips ? { days: 90 } : { minutes: 1 } } = {}) {
      const deadlineMs = (await nowMs()) + millisecondsOf(within);
      for (let rest = skips ? await runs.untilQuiet() : null; ; ) {
        const { status } = await handleOf(post).describe();
        if (status.name === 'COMPLETED') return posts.read(post);
        if (status.name !== 'RUNNING') throw new Error(`The run of post ${post.id} is ${status.name}`);
        if ((await nowMs()) >= deadlineMs)
          throw new Error(`Post ${post.id} has not ended: ${await describeWait(post)}`);
        if (rest) rest = await skipTowards(deadlineMs, rest);
        else await waitFor(realStepMs);
      }
    },
    async untilQuiet() {
      await runs.untilQuiet();
    },
  };
}

/** Nobody has to do anything about it: it is being sent, asked about, or just about to be. */
const movesByItself = (view: PostView): boolean => {
  const waits = waitsFor(view);
  return waits.includes('publishing') || (waits.length > 0 && waits.every((code) => code === 'until-due'));
};

async function waitFor(milliseconds: number): Promise<void> {
  if (milliseconds > longestWaitMs)
    throw new Error(
      `Real time does not skip: ${Math.round(milliseconds / 60_000)} minutes are too long to wait`,
    );
  await sleep(milliseconds);
}
