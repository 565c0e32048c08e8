import type { PublicationRow } from '../../db/publications.ts';
import type { StoredHandle } from '../../db/schema.ts';
import type { TenantExecutor } from '../../db/tenant-database.ts';
import type { DecisionRecord, TimelineEntry } from '../../domain/commands.ts';
import type { Readiness } from '../../domain/lifecycle.ts';
import type { PolicyLayer } from '../../domain/policy.ts';
import type { AccountKind, Platform, Role } from '../../domain/post.ts';
import type { HoldRef, PostState, TargetPhase } from '../../domain/post-state.ts';
import type { RevisionContent } from '../../domain/revision.ts';
import { currentProcess } from './activity-host.ts';
import type { Plant } from './plants.ts';
import type { Random } from './random.ts';
import type { Scheduler } from './scheduler.ts';

export interface Profile {
  readonly profileId: string;
  readonly platform: Platform;
  readonly accountKind: AccountKind;
  readonly externalId: string;
}

export interface Member {
  readonly memberId: string;
  readonly role: Role;
  readonly name: string;
}

/** A run's rows: what `projectPost` writes, and the barrier that a disarm raises. */
export interface PostRows {
  readonly postId: string;
  readonly targets: readonly TargetRow[];
  runState: PostState | null;
  readiness: Readiness | null;
  projected: Version;
  barrier: Version;
  readonly epochs: Map<string, number>;
}
export interface TargetRow {
  readonly targetId: string;
  readonly profile: Profile;
  phase: TargetPhase;
}
/** Epoch and version; compared in that order. */
export type Version = readonly [epoch: number, version: number];

export const isBelow = (left: Version, right: Version): boolean =>
  left[0] < right[0] || (left[0] === right[0] && left[1] < right[1]);

export interface RevisionRow {
  readonly revisionId: string;
  readonly postId: string;
  readonly content: RevisionContent;
}

export interface RowFaults {
  /** How often an answer is lost although what was asked for has been committed. */
  readonly lostAnswer: number;
  /** How often a statement takes long. */
  readonly slow: number;
}

/** Who watches the rows: the reference model. */
export interface RowObserver {
  readonly claimed: (row: PublicationRow) => void;
}

/** What PostgreSQL holds, in memory. One statement, or one transaction, is one synchronous step. */
export class Rows {
  readonly scheduler: Scheduler;
  readonly random: Random;
  readonly log: (line: string) => void;
  readonly plant: Plant | null;
  faults: RowFaults;
  observer: RowObserver = { claimed: () => {} };
  isAway = false;
  readonly posts = new Map<string, PostRows>();
  readonly publications: PublicationRow[] = [];
  readonly decisions = new Map<string, DecisionRecord & { readonly postId: string }>();
  readonly events = new Map<string, TimelineEntry>();
  readonly revisions = new Map<string, RevisionRow>();
  readonly preparations = new Map<string, StoredHandle>();
  readonly holds = new Map<string, HoldRef & { isLifted: boolean }>();
  readonly members = new Map<string, Member>();
  readonly buckets = new Map<string, number>();
  policyVersion = 1;
  policyLayer: PolicyLayer = {};
  #publicationNumber = 0;

  constructor(options: Pick<Rows, 'scheduler' | 'random' | 'log' | 'plant' | 'faults'>) {
    this.scheduler = options.scheduler;
    this.random = options.random;
    this.log = options.log;
    this.plant = options.plant;
    this.faults = options.faults;
  }

  /** The database's clock, by which everything is sent. */
  get now(): Date {
    return new Date(this.scheduler.nowMs);
  }

  newPublicationId(): string {
    return `publication-${++this.#publicationNumber}`;
  }

  requirePost(postId: string): PostRows {
    const post = this.posts.get(postId);
    if (!post) throw new Error(`There is no post ${postId}`);
    return post;
  }

  /** The epoch of a run, handed out when its id is first seen. */
  epochOf(post: PostRows, runId: string): number {
    const known = post.epochs.get(runId);
    if (known) return known;
    const epoch = post.epochs.size + 1;
    post.epochs.set(runId, epoch);
    return epoch;
  }

  newestPublication(postId: string, targetId: string): PublicationRow | undefined {
    return this.publications
      .filter((row) => row.post_id === postId && row.target_id === targetId)
      .reduce<PublicationRow | undefined>(
        (newest, row) => (newest && newest.cycle > row.cycle ? newest : row),
        undefined,
      );
  }

  standingHolds(profile: Profile): HoldRef[] {
    return [...this.holds.values()]
      .filter(({ isLifted, scope, subject }) => {
        if (isLifted) return false;
        return scope === 'tenant' || subject === (scope === 'profile' ? profile.profileId : profile.platform);
      })
      .map(({ isLifted: _isLifted, ...hold }) => hold);
  }

  #latencyMs(): number {
    return this.random.chance(this.faults.slow) ? this.random.between(500, 8_000) : this.random.between(0, 4);
  }

  /** Runs a transaction as the process that asks for it: it may die before, or between commit and answer. */
  async transact<T>(what: string, work: () => T): Promise<T> {
    const process = currentProcess();
    await process.sleep(this.#latencyMs());
    if (this.isAway) throw new Error('The database is away');
    const result = work();
    this.log(`${process.name} ${what}`);
    await process.sleep(this.#latencyMs());
    if (this.random.chance(this.faults.lostAnswer))
      throw new Error('The connection was lost after the commit');
    return result;
  }
}

/** The product's functions take a tenant's database; here that is the rows themselves. */
export const rowsOf = (database: TenantExecutor): Rows => database as unknown as Rows;
