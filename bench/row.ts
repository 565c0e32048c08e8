import type { BenchOptions } from './options.ts';
import type { Servers } from './product/servers.ts';
import type { Goal } from './report/goals.ts';

/** What every row is given. */
export interface BenchContext {
  readonly options: BenchOptions;
  readonly servers: Servers;
  /** Takes lines meant for the person at the terminal. */
  readonly report: (line: string) => void;
}

/** A thing that is measured. */
export interface Row {
  /** What `--only` names it by. */
  readonly name: string;
  readonly title: string;
  /** How it is measured, for the page: what the service does, and what its floor is. */
  readonly method: string;
  readonly measure: (context: BenchContext) => Promise<RowFindings>;
}

export interface Figure {
  readonly label: string;
  readonly unit: string;
  readonly floor: number | null;
  readonly service: number;
  /** The median of the rounds' ratios; `null` without a floor. */
  readonly ratio: number | null;
  readonly goal: Goal | null;
}

export interface RowFindings {
  readonly figures: readonly Figure[];
  /** Where the time goes, raw numbers, and whatever a reader should know. */
  readonly notes: readonly string[];
  readonly rounds: RoundCount | null;
}

export interface RoundCount {
  readonly valid: number;
  readonly void: readonly string[];
}

/** Findings of a row, as they are printed, stored and compared. */
export interface RowReport extends RowFindings {
  readonly name: string;
  readonly title: string;
  readonly method: string;
  readonly seconds: number;
}
