import { setTimeout as sleep } from 'node:timers/promises';

/** How a load went. */
export interface LoadResult {
  readonly elapsedMs: number;
  readonly latenciesMs: readonly number[];
  readonly errors: readonly unknown[];
}

/** Does `count` pieces of work, `concurrency` at a time: each next one begins when one has ended. */
export async function closedLoop(
  { count, concurrency }: { count: number; concurrency: number },
  work: (index: number) => Promise<void>,
): Promise<LoadResult> {
  const latenciesMs: number[] = [];
  const errors: unknown[] = [];
  const startedAt = performance.now();
  let next = 0;
  const worker = async () => {
    while (next < count) {
      const index = next++;
      const beganAt = performance.now();
      await work(index).then(
        () => latenciesMs.push(performance.now() - beganAt),
        (error) => errors.push(error),
      );
    }
  };
  await Promise.all(Array.from({ length: Math.min(concurrency, count) }, worker));
  return { elapsedMs: performance.now() - startedAt, latenciesMs, errors };
}

/**
 * Begins a piece of work at each of `count` scheduled instants, whether earlier ones have ended or not. A latency counts
 * from the scheduled instant, so that a slow answer cannot hide the waiting of those behind it.
 */
export async function openLoop(
  { count, ratePerSecond }: { count: number; ratePerSecond: number },
  work: (index: number) => Promise<void>,
): Promise<LoadResult> {
  const latenciesMs: number[] = [];
  const errors: unknown[] = [];
  const pending: Promise<unknown>[] = [];
  const startedAt = performance.now();
  for (let index = 0; index < count; ) {
    const dueAt = startedAt + (index * 1000) / ratePerSecond;
    if (performance.now() < dueAt) {
      await sleep(1);
      continue;
    }
    pending.push(
      work(index++).then(
        () => latenciesMs.push(performance.now() - dueAt),
        (error) => errors.push(error),
      ),
    );
  }
  await Promise.all(pending);
  return { elapsedMs: performance.now() - startedAt, latenciesMs, errors };
}

/** Throws when any piece of work failed, with the first error as its cause. */
export function expectNoErrors(what: string, { errors }: LoadResult): void {
  if (errors.length > 0) throw new Error(`${what}: ${errors.length} failed`, { cause: errors[0] });
}

/** Asks again until the answer is yes; says what it waited for when time runs out. */
export async function until(what: string, withinMs: number, ask: () => Promise<boolean>, everyMs = 25) {
  const deadline = performance.now() + withinMs;
  while (!(await ask())) {
    if (performance.now() > deadline) throw new Error(`Not within ${withinMs} ms: ${what}`);
    await sleep(everyMs);
  }
}
