/** Lets one piece of work run at a time, in the order it came. Deterministic: only promises of the workflow itself. */
export class Mutex {
  #last: Promise<unknown> = Promise.resolve();

  run<T>(work: () => Promise<T>): Promise<T> {
    const next = this.#last.then(work, work);
    this.#last = next.then(
      () => undefined,
      () => undefined,
    );
    return next;
  }
}
