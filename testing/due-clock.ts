import { setTimeout as sleep } from 'node:timers/promises';
import { type Duration, millisecondsOf } from './clock.ts';
import type { Environment } from './environment.ts';
import { type Post, type Posts, type PostView, waitsFor } from './posts.ts';
import type { Runs } from './runs.ts';

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
}

export interface ToDueOptions {
  /** How long after its due time it may take to settle (default 15 minutes in skipped time, one in real time). */
  readonly settleWithin?: Duration;
}

/** Real time that a test may wait for: longer is a mistake in the test. */
const longestWaitMs = 10 * 60_000;
const longestStepMs = 60_000;

export function createDueClock(environment: Environment, runs: Runs, posts: Posts): GatepostClock {
  const { time, temporal, mode } = environment;
  const skips = mode === 'skipping';

  async function pass(milliseconds: number): Promise<void> {
    if (milliseconds <= 0) return;
    if (!skips) return waitFor(milliseconds);
    // Nothing may be under way: an activity that is caught by a skip looks as if it had hung for all that time.
    await runs.untilQuiet();
    await temporal.sleep(milliseconds);
    await time.observe();
    await runs.untilQuiet();
  }

  const passUntil = async (instant: Date) => pass(instant.getTime() - (await time.observe()).getTime());

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
        let stepMs = skips ? 1_000 : 100;
        ;
        stepMs = skips ? Math.min(2 * stepMs, longestStepMs) : stepMs
      ) {
        const view = await posts.read(post);
        const leftMs = deadlineMs - time.now().getTime();
        if (!movesByItself(view) || leftMs <= 0) return view;
        await pass(Math.min(stepMs, leftMs));
      }
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
