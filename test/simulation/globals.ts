import type { Scheduler } from './scheduler.ts';

/**
 * What the product's code takes from its surroundings without asking for it as a port: the host's clocks, and the timers
 * of heartbeats and time-outs, which the simulated server counts itself. For a process that does nothing but simulate.
 */
export function installGlobals(): (scheduler: Scheduler) => void {
  let current: Scheduler | null = null;
  const RealDate = Date;
  const nowMs = () => current?.nowMs ?? RealDate.now();
  class WorldDate extends RealDate {
    constructor(...values: [] | [number | string | Date]) {
      super(values[0] ?? nowMs());
    }
    static override now(): number {
      return nowMs();
    }
  }
  globalThis.Date = WorldDate as DateConstructor;
  performance.now = nowMs;
  globalThis.setInterval = (() => 0) as never;
  globalThis.clearInterval = () => {};
  AbortSignal.timeout = () => new AbortController().signal;
  return (scheduler) => {
    current = scheduler;
  };
}
