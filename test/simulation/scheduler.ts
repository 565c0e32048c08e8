/** Everything that happens in a world happens here, one thing at a time, at an instant of the world's own time. */
export class Scheduler {
  #nowMs: number;
  #sequence = 0;
  #atOnce = 0;
  readonly #heap: Entry[] = [];

  constructor(startMs: number) {
    this.#nowMs = startMs;
  }

  /** True time, which no clock of the world need show. */
  get nowMs(): number {
    return this.#nowMs;
  }

  at(atMs: number, work: () => void | Promise<void>): void {
    push(this.#heap, { atMs: Math.max(atMs, this.#nowMs), sequence: this.#sequence++, work });
  }

  after(delayMs: number, work: () => void | Promise<void>): void {
    this.at(this.#nowMs + delayMs, work);
  }

  sleep(delayMs: number): Promise<void> {
    return new Promise((resolve) => this.after(delayMs, resolve));
  }

  /** Lets everything happen that is due up to an instant; whatever one thing sets off is over before the next begins. */
  async runUntil(untilMs: number): Promise<void> {
    for (;;) {
      const next = this.#heap[0];
      if (!next || next.atMs > untilMs) break;
      pop(this.#heap);
      this.#mustMoveOn(next.atMs);
      this.#nowMs = next.atMs;
      await next.work();
      await settled();
    }
    this.#nowMs = Math.max(this.#nowMs, untilMs);
  }

  #mustMoveOn(atMs: number): void {
    this.#atOnce = atMs === this.#nowMs ? this.#atOnce + 1 : 0;
    if (this.#atOnce > mostAtOnce) throw new Error(`Time stands still at ${new Date(atMs).toISOString()}`);
  }
}

/** More than this at one instant, and time stands still. */
const mostAtOnce = 50_000;

/**
 * Resolves when nothing has anything left to do: nothing in a world waits for the outside. The second turn is for what
 * the product itself puts off by one, e.g. to gather claims.
 */
const settled = (): Promise<void> =>
  new Promise((resolve) => {
    setImmediate(() => setImmediate(resolve));
  });

/** A process of the world: once it is killed, nothing in it goes on. */
export class Process {
  readonly name: string;
  readonly #scheduler: Scheduler;
  #isAlive = true;

  constructor(name: string, scheduler: Scheduler) {
    this.name = name;
    this.#scheduler = scheduler;
  }

  get isAlive(): boolean {
    return this.#isAlive;
  }

  kill(): void {
    this.#isAlive = false;
  }

  /** Never resolves in a process that has been killed meanwhile. */
  sleep(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      this.#scheduler.after(delayMs, () => {
        if (this.#isAlive) resolve();
      });
    });
  }
}

interface Entry {
  readonly atMs: number;
  /** What was asked for first comes first. */
  readonly sequence: number;
  readonly work: () => void | Promise<void>;
}

const isBefore = (left: Entry, right: Entry): boolean =>
  left.atMs < right.atMs || (left.atMs === right.atMs && left.sequence < right.sequence);

function push(heap: Entry[], entry: Entry): void {
  let index = heap.push(entry) - 1;
  while (index > 0) {
    const parent = (index - 1) >> 1;
    if (!isBefore(entry, heap[parent]!)) break;
    heap[index] = heap[parent]!;
    index = parent;
  }
  heap[index] = entry;
}

function pop(heap: Entry[]): void {
  const last = heap.pop()!;
  if (heap.length === 0) return;
  let index = 0;
  for (;;) {
    let child = 2 * index + 1;
    if (child >= heap.length) break;
    if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child += 1;
    if (!isBefore(heap[child]!, last)) break;
    heap[index] = heap[child]!;
    index = child;
  }
  heap[index] = last;
}
