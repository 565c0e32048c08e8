import type { Failpoint } from '../../activities/dependencies.ts';
import { shuffled } from '../support/random.ts';
import { byProof, type Outlet } from './outlets.ts';

/** What a publication has behind it when something is killed, in the order in which it gets there. */
export const points = [
  'before-claim',
  'armed',
  'sending',
  'request-sent',
  'answered',
  'receipt-committed',
  'activity-completed',
  'projected',
] as const;
export type Point = (typeof points)[number];

/** What is killed, or stopped for a minute; the last two are an operator's doing, to one run. */
export const victims = ['worker-killed', 'worker-stopped', 'api', 'temporal', 'postgres'] as const;
export const operatorActions = ['reset', 'terminate'] as const;
export type Victim = (typeof victims)[number];
export type OperatorAction = (typeof operatorActions)[number];
export type Blow = Victim | OperatorAction;

/**
 * How a post is held at its point. `parked`: at the failpoint. `waiting`: its release waits for the due time, as armed
 * posts mostly do. `delayed`: the platform accepts late and then answers. `accepted`: it has accepted and says nothing.
 * `ignored`: it has not, and says nothing. `in-flight`: the command that leads to it is under way. `over`: not held, its
 * run has come to its end.
 */
export type Way = 'parked' | 'waiting' | 'delayed' | 'accepted' | 'ignored' | 'in-flight' | 'over';

const waysOf: Record<Point, readonly Way[]> = {
  'before-claim': ['parked'],
  armed: ['parked', 'waiting'],
  sending: ['parked'],
  'request-sent': ['accepted', 'ignored', 'delayed'],
  answered: ['parked'],
  'receipt-committed': ['parked'],
  'activity-completed': ['parked'],
  projected: ['parked'],
};

export const failpointAt: Record<Exclude<Point, 'request-sent'>, Failpoint> = {
  'before-claim': 'before-arm',
  armed: 'armed',
  sending: 'sending',
  answered: 'platform-answered',
  'receipt-committed': 'receipt-committed',
  'activity-completed': 'activity-completed',
  projected: 'projected',
};

export interface PlannedPost {
  readonly point: Point;
  readonly outlet: Outlet;
  readonly way: Way;
}

export interface Plan {
  readonly points: readonly Point[];
  /** Posts for each point and outlet. */
  readonly copies: number;
  /** Default: one for each way in which doubt is settled. */
  readonly outlets?: readonly Outlet[];
  /** Each outlet gets a post at one of these, too, the next one another of them (default none). */
  readonly oneOf?: readonly Point[];
}

/** The posts of a round, in the order in which they are made. Repeatable by its source of chance. */
export function planPosts(plan: Plan, random: () => number): PlannedPost[] {
  const { points: chosen, copies, outlets = byProof, oneOf = [] } = plan;
  const planned = chosen.flatMap((point) => {
    const way = takeInTurn(waysOf[point], random);
    return outlets.flatMap((outlet) => Array.from({ length: copies }, () => ({ point, outlet, way: way() })));
  });
  if (oneOf.length === 0) return shuffled(planned, random);
  const turn = takeInTurn(oneOf, random);
  const further = outlets.map((outlet) => {
    const point = turn();
    return { point, outlet, way: takeInTurn(waysOf[point], random)() };
  });
  return shuffled([...planned, ...further], random);
}

/** One after the other, from any of them on. */
function takeInTurn<Item>(items: readonly Item[], random: () => number): () => Item {
  let next = Math.floor(random() * items.length);
  return () => items[next++ % items.length]!;
}
