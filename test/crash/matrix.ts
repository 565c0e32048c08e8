import type { OperatorResult } from './operator-round.ts';
import { canBeAsked, type Outlet, outletName, outlets } from './outlets.ts';
import { type Blow, operatorActions, type Point, points, victims } from './points.ts';
import type { JudgedPost, RoundResult } from './round.ts';
import { nameOf } from './stage.ts';
import { doubtful, type FindingKind } from './verdict.ts';

/** A post and what struck while it was at its point. */
export interface Struck extends JudgedPost {
  readonly blow: Blow;
  readonly seed: number;
}

/** What became of some posts. */
export interface Tally {
  readonly posts: number;
  /** Of these, still at the point at the very moment. */
  readonly held: number;
  readonly publishedOnce: number;
  readonly unconfirmed: number;
  /** Ended by an operator before anything was sent, and said so. */
  readonly ended: number;
  readonly findings: Readonly<Partial<Record<FindingKind, number>>>;
  readonly longestRecoverySeconds: number;
}

/** What became of every post that was at one point when one thing struck. */
export interface Cell extends Tally {
  readonly blow: Blow;
  readonly point: Point;
}

/** What became of an outlet's posts when their worker was killed or stopped. */
export interface Row extends Tally {
  readonly outlet: Outlet;
  readonly canBeAsked: boolean;
  readonly heldAt: Readonly<Partial<Record<Point, number>>>;
}

export const struckIn = (round: RoundResult): Struck[] =>
  round.posts.map((post) => ({ ...post, blow: round.victim, seed: round.seed }));

export const struckBy = (results: readonly OperatorResult[], seed: number): Struck[] =>
  results.map(({ action, ...post }) => ({ ...post, blow: action, seed }));

/** The cells that were met, in the order of the matrix. */
export function cellsOf(struck: readonly Struck[]): Cell[] {
  return [...victims, ...operatorActions].flatMap((blow) =>
    points.flatMap((point) => {
      const met = struck.filter((one) => one.blow === blow && one.post.point === point);
      return met.length === 0 ? [] : [{ blow, point, ...tallyOf(met) }];
    }),
  );
}

/** The outlets that were met when a worker was struck. */
export function rowsOf(struck: readonly Struck[]): Row[] {
  const ofWorkers = struck.filter(({ blow }) => blow === 'worker-killed' || blow === 'worker-stopped');
  return outlets.flatMap((outlet) => {
    const met = ofWorkers.filter(({ post }) => outletName(post.outlet) === outletName(outlet));
    const heldAt = (point: Point) => met.filter((one) => one.wasHeld && one.post.point === point).length;
    const row = {
      ...{ outlet, canBeAsked: canBeAsked(outlet) },
      heldAt: Object.fromEntries(points.map((point) => [point, heldAt(point)])),
    };
    return met.length === 0 ? [] : [{ ...row, ...tallyOf(met) }];
  });
}

function tallyOf(met: readonly Struck[]): Tally {
  const count = (test: (one: Struck) => boolean) => met.filter(test).length;
  const found = met.flatMap(({ findings }) => findings.map(({ kind }) => kind));
  return {
    ...{ posts: met.length, held: count(({ wasHeld }) => wasHeld) },
    publishedOnce: count(({ facts }) => facts.status === 'PUBLISHED' && facts.ledger.length === 1),
    unconfirmed: count(({ facts }) => facts.status === 'UNCONFIRMED'),
    ended: count(({ facts }) => facts.isEnded && facts.status === 'FAILED'),
    findings: Object.fromEntries(
      [...new Set(found)].map((kind) => [kind, found.filter((one) => one === kind).length]),
    ),
    longestRecoverySeconds: Math.max(0, ...met.map(({ facts }) => facts.settledAfterSeconds ?? 0)),
  };
}

/** Everything that is wrong, a line each, for whoever reads a red run. */
export const complaintsOf = (struck: readonly Struck[]): string[] => [
  ...findingsIn(struck),
  ...missedIn(struck),
  ...sparedIn(struck),
];

export const findingsIn = (struck: readonly Struck[]): string[] =>
  struck.flatMap(({ blow, seed, post, facts, findings }) =>
    findings.map(
      ({ kind, message }) =>
        `${blow}, seed ${seed}, ${nameOf(post)}: ${kind}: ${message}; ${JSON.stringify(facts)}`,
    ),
  );

/** Points that nothing was at any more when it should have been struck there. */
const missedIn = (struck: readonly Struck[]): string[] =>
  cellsOf(struck)
    .filter(({ held }) => held === 0)
    .map(({ blow, point }) => `${blow}: no post was at ${point} any more`);

/** Outlets of which no post was struck where it was in doubt. */
export const sparedIn = (struck: readonly Struck[]): string[] =>
  rowsOf(struck)
    .filter(({ heldAt }) => doubtful.every((point) => !heldAt[point]))
    .map(({ outlet }) => `no post of ${outletName(outlet)} was in doubt any more`);
