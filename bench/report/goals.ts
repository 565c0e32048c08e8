/** A measured figure, as a goal judges it. */
export interface Judged {
  readonly floor: number | null;
  readonly service: number;
  readonly ratio: number | null;
}

/** What a figure should be. `spare`: by which share it is better than it must be; negative where it falls short. */
export interface Goal {
  readonly text: string;
  readonly spare: (judged: Judged) => number;
}

const ratioOf = ({ ratio }: Judged): number => {
  if (ratio === null) throw new Error('This goal needs a floor');
  return ratio;
};

export const atLeastOfFloor = (share: number): Goal => ({
  text: `≥ ${share.toFixed(2)} × floor`,
  spare: (judged) => ratioOf(judged) / share - 1,
});

export const atMostOfFloor = (share: number): Goal => ({
  text: `≤ ${share.toFixed(2)} × floor`,
  spare: (judged) => 1 - ratioOf(judged) / share,
});

export const atMost = (limit: number): Goal => ({
  text: `≤ ${limit.toLocaleString('en')}`,
  spare: ({ service }) => (limit === 0 ? -service : 1 - service / limit),
});

export const atLeast = (limit: number): Goal => ({
  text: `≥ ${limit.toLocaleString('en')}`,
  spare: ({ service }) => service / limit - 1,
});

export const atMostOverFloor = (more: number): Goal => ({
  text: `≤ floor + ${more}`,
  spare: ({ floor, service }) => 1 - service / (floor! + more),
});

/** All of several goals: as good as the worst of them. */
export const allOf = (...goals: readonly Goal[]): Goal => ({
  text: goals.map(({ text }) => text).join(' and '),
  spare: (judged) => Math.min(...goals.map((goal) => goal.spare(judged))),
});
