import {
  condition,
  defineSignal,
  defineUpdate,
  proxyActivities,
  proxySinks,
  type Sinks,
  setHandler,
  sleep,
} from '@temporalio/workflow';
import type { FloorActivities } from './activities.ts';

/** Workflows without any product code: what Temporal itself costs for the same shape of work. */

const { noop } = proxyActivities<FloorActivities>({ startToCloseTimeout: '15s' });
const { release } = proxyActivities<FloorActivities>({
  startToCloseTimeout: '15m',
  heartbeatTimeout: '3s',
  retry: { maximumAttempts: 1 },
});

export interface FloorSinks extends Sinks {
  readonly floor: { started(): void };
}
const { floor } = proxySinks<FloorSinks>();

export const approve = defineUpdate<number, [{ gate: number }]>('approve');
export const finish = defineSignal('finish');

/** Three gates that Updates open, a timer, two activities: the least that a post's life can be made of. */
export async function gated(): Promise<void> {
  let open = 0;
  setHandler(approve, () => {
    open += 1;
    return open;
  });
  for (let gate = 1; gate <= 3; gate += 1) await condition(() => open >= gate);
  await sleep(1);
  await noop();
  await noop();
}

/** Waits, and takes any number of Updates. Tells its worker when it has run for the first time. */
export async function idle(): Promise<void> {
  let taken = 0;
  let over = false;
  setHandler(approve, () => {
    taken += 1;
    return taken;
  });
  setHandler(finish, () => {
    over = true;
  });
  floor.started();
  await condition(() => over);
}

/** Sleeps until shortly before the instant; one activity then waits for the instant itself and sends. */
export async function staged(input: {
  dueAtMs: number;
  leadMs: number;
  url: string;
  id: number;
}): Promise<void> {
  await sleep(input.dueAtMs - input.leadMs - Date.now());
  await release(input);
}
