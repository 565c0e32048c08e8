import { mean, median } from './statistics.ts';
import type { Noise } from './watch.ts';

/** What one run of the floor or of the service gave. */
export interface Reading {
  readonly figures: Readonly<Record<string, number>>;
  readonly noise: Noise;
}

/** The service's run between two of the floor's. */
export interface Round {
  readonly floorBefore: Reading;
  readonly service: Reading;
  readonly floorAfter: Reading;
  /** Why the round says nothing; `null` where it does. */
  readonly voidBecause: string | null;
}

/** Floors that differ by more, as a share of the lower, and other load above this share make a round void. */
const mostFloorSpread = 0.25;
const mostNoise = 0.1;
/** How many rounds are run again when some are void. */
const mostExtraRounds = 2;

export interface InterleaveOptions {
  readonly rounds: number;
  /** The figure by which two floors are compared. */
  readonly compareBy: string;
  readonly floor: () => Promise<Reading>;
  readonly service: () => Promise<Reading>;
  /** Told of each round. */
  readonly report: (round: Round, index: number) => void;
}

/** Runs floor, service, floor, service, …, floor, so that each service stands between two floors of its time. */
export async function interleave(options: InterleaveOptions): Promise<Round[]> {
  const { floor, service, compareBy } = options;
  const rounds: Round[] = [];
  let floorBefore = await floor();
  const valid = () => rounds.filter((round) => round.voidBecause === null).length;
  while (valid() < options.rounds && rounds.length < options.rounds + mostExtraRounds) {
    const served = await service();
    const floorAfter = await floor();
    const voidBecause = whyVoid({ floorBefore, service: served, floorAfter }, compareBy);
    const round = { floorBefore, service: served, floorAfter, voidBecause };
    options.report(round, rounds.length);
    rounds.push(round);
    floorBefore = floorAfter;
  }
  return rounds;
}

function whyVoid(round: Omit<Round, 'voidBecause'>, compareBy: string): string | null {
  const floors = [round.floorBefore, round.floorAfter].map((reading) => reading.figures[compareBy]!);
  const spread = Math.max(...floors) / Math.min(...floors) - 1;
  if (spread > mostFloorSpread) return `its two floors differ by ${percent(spread)}`;
  const readings = [round.floorBefore, round.service, round.floorAfter];
  const foreign = Math.max(...readings.map(({ noise }) => noise.foreign));
  if (foreign > mostNoise) return `other processes used ${percent(foreign)} of the machine`;
  const steal = Math.max(...readings.map(({ noise }) => noise.steal));
  return steal > mostNoise ? `the hypervisor took ${percent(steal)} of the machine` : null;
}

const percent = (share: number): string => `${Math.round(share * 100)} %`;

/** One figure over all rounds: medians, and the median of the rounds' ratios. */
export interface Comparison {
  readonly floor: number;
  readonly service: number;
  readonly ratio: number;
}

/** The rounds that count: the valid ones, or all of them where none is valid. */
export function countedRounds(rounds: readonly Round[]): readonly Round[] {
  const valid = rounds.filter((round) => round.voidBecause === null);
  return valid.length > 0 ? valid : rounds;
}

export function compare(rounds: readonly Round[], figure: string, floorFigure = figure): Comparison {
  const counted = countedRounds(rounds);
  const floorOf = ({ floorBefore, floorAfter }: Round) =>
    mean([floorBefore.figures[floorFigure]!, floorAfter.figures[floorFigure]!]);
  const serviceOf = ({ service }: Round) => service.figures[figure]!;
  return {
    floor: median(counted.map(floorOf)),
    service: median(counted.map(serviceOf)),
    ratio: median(counted.map((round) => serviceOf(round) / floorOf(round))),
  };
}

/** A figure of the service alone, over the rounds that count. */
export const serviceMedian = (rounds: readonly Round[], figure: string): number =>
  median(countedRounds(rounds).map(({ service }) => service.figures[figure]!));
