/** What has been started, to be ended in reverse order. */
export interface Stops {
  readonly add: (stop: () => unknown) => void;
  /** Ends all, also after one of them could not be ended; throws the first problem at the end. May be called again. */
  readonly run: () => Promise<void>;
}

export function createStops(): Stops {
  const stops: (() => unknown)[] = [];
  return {
    add: (stop) => void stops.push(stop),
    async run() {
      const problems: unknown[] = [];
      for (let stop = stops.pop(); stop !== undefined; stop = stops.pop())
        try {
          await stop();
        } catch (error) {
          problems.push(error);
        }
      if (problems.length > 0) throw problems[0];
    },
  };
}
