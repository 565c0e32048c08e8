import type { Failpoint } from '../../activities/dependencies.ts';
import type { AccountKind } from '../../domain/post.ts';
import { shuffled } from '../support/random.ts';

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

/** One kind of account for each way in which doubt is settled: a single-use handle, a look-up, and not at all. */
export const kinds = ['business', 'organization', 'member'] as const satisfies AccountKind[];
export type Kind = (typeof kinds)[number];

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
  readonly kind: Kind;
  readonly way: Way;
}

export interface Plan {
  readonly points: readonly Point[];
  /** Posts for each point and kind. */
  readonly copies: number;
  readonly random: () => number;
}

/** The posts of a round, in the order in which they are made. Repeatable by its source of chance. */
export function planPosts({ points: chosen, copies, random }: Plan): PlannedPost[] {
  const planned = chosen.flatMap((point) => {
    const ways = waysOf[point];
    let next = Math.floor(random() * ways.length);
    const take = () => ways[next++ % ways.length]!;
    return kinds.flatMap((kind) => Array.from({ length: copies }, () => ({ point, kind, way: take() })));
  });
  return shuffled(planned, random);
}
