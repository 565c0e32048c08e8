import { setTimeout as sleep } from 'node:timers/promises';
import type { TcpProxy } from '../support/tcp-proxy.ts';
import { act, createAndDecide, observeCommand } from './acts.ts';
import { type Caller, createCaller } from './caller.ts';
import { answeredWithinMs, type Observation, type ObservedPost, type ObservedReadiness } from './detector.ts';
import type { Fault } from './links.ts';
import { type CastPost, castPosts, type Stage } from './stage.ts';

/** A link, and what may be done to it. */
export interface Cell {
  readonly proxy: TcpProxy;
  readonly fault: Fault;
  /** The check of the readiness route that tells of the link; `null` where it is not the interface's. */
  readonly check: string | null;
}

/**
 * Plays one cell: posts become due and are decided on while the link is bad, it is healed, and what came of it all is
 * looked at.
 */
export async function playCell(stage: Stage, cell: Cell): Promise<Observation> {
  const before = createCaller(stage.live.api.url);
  const [usual, cast] = await Promise.all([playCanary(stage, before), castPosts(stage, before)]);
  const caller = createCaller(stage.live.api.url);
  const bad = new AbortController();
  const poisonedBefore = cell.proxy.poisonedCount();
  const [acted, readiness, recovery] = await settled([
    act(stage, caller, cast),
    watchReadiness(stage, cell, bad.signal),
    spoil(cell, bad).then(() => recover(stage, caller, cell)),
    keepReading(stage, caller, cast.due[0]!, bad.signal),
  ]);
  const posts = [...cast.due, ...cast.undecided, cast.hurried, cast.cancelled, acted.created, recovery.post];
  return {
    poisoned: cell.proxy.poisonedCount() - poisonedBefore,
    answers: caller.answers,
    posts: await Promise.all(posts.map((post) => observePost(stage, post))),
    commands: await Promise.all(acted.said.map((said) => observeCommand(stage, caller, said))),
    readiness: [...readiness, ...recovery.readiness],
    healthyAfterMs: recovery.healthyAfterMs,
    usualMs: usual.tookMs,
  };
}

/** Like `Promise.all`, but waits for all of them also when one fails: the next cell must find nobody at work. */
async function settled<Works extends readonly Promise<unknown>[]>(works: readonly [...Works]) {
  await Promise.allSettled(works);
  return Promise.all(works);
}

/** First the answers alone: what was asked for is done, and nobody hears of it. Then both ways; then it is healed. */
async function spoil({ proxy, fault }: Cell, bad: AbortController): Promise<void> {
  const before = proxy.poisonedCount();
  for (const direction of ['downstream', 'upstream'] as const) {
    proxy.setToxic(fault.toxic, [direction]);
    await sleep(fault.seconds * 500);
  }
  // On a busy machine nothing may have come by yet.
  for (let left = 100; proxy.poisonedCount() === before && left > 0; left -= 1) await sleep(100);
  proxy.setToxic(null);
  bad.abort();
}

/** Reads while the link is bad: they must be answered in time like everything else. */
async function keepReading(
  { tenant }: Stage,
  caller: Caller,
  { postId }: CastPost,
  until: AbortSignal,
): Promise<void> {
  while (!until.aborted) {
    for (const path of ['/posts', `/posts/${postId}`, `/posts/${postId}/timeline`])
      await caller.ask(tenant.viewer, 'GET', path);
    await sleep(200);
  }
}

/** A change of the link is felt a moment later. */
const feltAfterMs = 500;

async function watchReadiness(
  { live }: Stage,
  { fault, check }: Cell,
  until: AbortSignal,
): Promise<ObservedReadiness[]> {
  const seen: ObservedReadiness[] = [];
  await sleep(feltAfterMs);
  while (!until.aborted) {
    let found = await askReadiness(live.api.url);
    // A busy machine may be late now and then, and a slow link adds to it: only what stays is a verdict.
    for (let left = 2; fault.isUsable && found.status !== 200 && left > 0; left -= 1)
      found = await askReadiness(live.api.url);
    // One that was under way when the link was healed may say either.
    const isUsable = until.aborted ? null : fault.isUsable;
    seen.push({ ...found, check, isUsable });
    await sleep(300);
  }
  return seen;
}

async function askReadiness(
  apiUrl: string,
): Promise<Pick<ObservedReadiness, 'isAlive' | 'status' | 'states'>> {
  const inTime = { signal: AbortSignal.timeout(answeredWithinMs) };
  const alive = await fetch(`${apiUrl}/healthz`, inTime);
  const ready = await fetch(`${apiUrl}/readyz`, inTime);
  const { checks } = (await ready.json()) as { checks: Record<string, { state: string }> };
  const states = Object.fromEntries(Object.entries(checks).map(([name, { state }]) => [name, state]));
  return { isAlive: alive.status === 200, status: ready.status, states };
}

interface Recovery {
  readonly healthyAfterMs: number | null;
  readonly readiness: readonly ObservedReadiness[];
  readonly post: CastPost;
}

/** Longer than it may take, so that it is seen how long it takes. */
const recoveryWatchedMs = 30_000;

/** Healthy is: the interface says that it is ready, and a new post goes all the way out. */
async function recover(stage: Stage, caller: Caller, { check }: Cell): Promise<Recovery> {
  const healedAt = performance.now();
  const [ready, canary] = await Promise.all([untilReady(stage.live.api.url), playCanary(stage, caller)]);
  const isHealthy = ready.status === 200 && canary.status === 'PUBLISHED';
  return {
    healthyAfterMs: isHealthy ? performance.now() - healedAt : null,
    readiness: [{ ...ready, check, isUsable: true }],
    post: canary.post,
  };
}

/** One post from nothing to its end. */
async function playCanary(
  stage: Stage,
  caller: Caller,
): Promise<{ post: CastPost; status: string; tookMs: number }> {
  const startedAt = performance.now();
  const { post } = await createAndDecide(stage, caller);
  const status = await untilStatus(stage, post, recoveryWatchedMs);
  return { post, status, tookMs: performance.now() - startedAt };
}

async function untilReady(apiUrl: string): ReturnType<typeof askReadiness> {
  const giveUpAt = Date.now() + recoveryWatchedMs;
  for (;;) {
    const found = await askReadiness(apiUrl);
    if (found.status === 200 || Date.now() > giveUpAt) return found;
    await sleep(100);
  }
}

const finalStatuses = ['PUBLISHED', 'UNCONFIRMED', 'FAILED', 'EXPIRED', 'CANCELLED'];

/** The status a post comes to; after the time given, the one it has. */
async function untilStatus({ live }: Stage, { postId }: CastPost, milliseconds: number): Promise<string> {
  const giveUpAt = Date.now() + milliseconds;
  for (;;) {
    const [row] = await live.query<{ status: string }>('select status from posts where id = $1', [postId]);
    if (finalStatuses.includes(row!.status) || Date.now() > giveUpAt) return row!.status;
    await sleep(100);
  }
}

async function observePost(stage: Stage, post: CastPost): Promise<ObservedPost> {
  const status = await untilStatus(stage, post, 60_000);
  const entries = await stage.live.ledgerOf(stage.profiles[post.kind]);
  const { postId, kind, copy, wanted } = post;
  return {
    ...{ postId, account: kind, wanted, status },
    timesPublished: entries.filter((entry) => entry.text === copy).length,
    timesCreated: (await stage.live.query('select from posts where copy = $1', [copy])).length,
  };
}
