import { activityInfo, heartbeat, log } from '@temporalio/activity';
import type pg from 'pg';
import {
  listOpenOutbox,
  listOpenPosts,
  setRunCompleted,
  setRunEnded,
  type TenantRowId,
} from '../db/maintenance.ts';
import { findLastOutboxOfPost, findOutbox, markOutboxDone } from '../db/outbox.ts';
import { findRunState } from '../db/projections.ts';
import { forTenant, type TenantDatabase } from '../db/tenant-database.ts';
import { unreachable } from '../domain/post.ts';
import { restoredState } from '../domain/post-state.ts';
import type { PartsWorkflowInput, RefreshGrantInput } from './contract.ts';
import type { ActivityDependencies } from './dependencies.ts';

/** How a worker starts a post's run and learns of one; the client's part of Temporal, given by the process. */
export interface RunDirectory {
  /** Starts a run from an outbox row's input. A run that exists already is a success. */
  readonly start: (input: unknown) => Promise<void>;
  /** Starts the workflow that tells a tenant's open posts to look again; one that exists already is a success. */
  readonly startPoke: (input: { tenantId: string; requestId: string }) => Promise<void>;
  /** Starts the workflow that takes publications down; one that exists already is a success. */
  readonly startRemoval: (input: { tenantId: string; requestId: string }) => Promise<void>;
  /** Starts the workflow that sends an approved amendment; one that exists already is a success. */
  readonly startAmendment: (input: { tenantId: string; requestId: string }) => Promise<void>;
  /** Starts the run of what follows a target's post; one that exists already is a success. */
  readonly startParts: (input: PartsWorkflowInput) => Promise<void>;
  /** Starts the workflow that fetches a medium; one that exists already is a success. */
  readonly startImport: (input: { tenantId: string; mediaId: string }) => Promise<void>;
  /** Tells one post's run to look at its conditions again; a post without an open run needs no telling. */
  readonly poke: (tenantId: string, postId: string) => Promise<void>;
  /** Starts a refresh of a grant; one that is under way serves as well. */
  readonly startRefresh: (input: RefreshGrantInput) => Promise<void>;
  /** As above, and waits until it has ended, or for as long as somebody can wait; `false` where it has not. */
  readonly refresh: (input: RefreshGrantInput) => Promise<boolean>;
  /** The newest run of a post: `missing` when Temporal knows none. */
  readonly describe: (tenantId: string, postId: string) => Promise<RunDescription>;
}
export type RunDescription =
  | { readonly kind: 'missing' }
  | { readonly kind: 'running' }
  | {
      readonly kind: 'closed';
      /** `completed` when the run came to its own end; else `terminated`, `timed_out`, `failed`, `cancelled`. */
      readonly how: string;
      readonly reason: string | null;
      /** Who ended it, as Temporal knows them (default nobody known). */
      readonly by?: string | null;
    };

export interface MaintenanceResult {
  readonly started: number;
  readonly checked: number;
  readonly mended: number;
  /** Rows that could not be dealt with; the next pass tries them again. */
  readonly failed: number;
}

const batch = 200;
/** Rows younger than this are left to the API, which starts runs directly after its commit. */
const relayAfterSeconds = 5;

export function createMaintenanceActivities({ pool, runs }: ActivityDependencies) {
  return {
    /**
     * Starts what a crash left in the outbox, and mends posts whose run is missing or was ended by hand. Crosses
     * tenants only to learn ids; each piece of work runs under its own tenant, and one that fails is counted and left
     * to the next pass. May run any number of times; a retry goes on with the sweep where the last attempt was.
     */
    async maintainPosts(): Promise<MaintenanceResult> {
      if (!runs) throw new Error('This worker has not been given a run directory');
      const relayed = await relayOutbox(pool, runs);
      const swept = await sweepPosts(pool, runs, activityInfo().heartbeatDetails as TenantRowId | undefined);
      return {
        started: relayed.started,
        checked: swept.checked,
        mended: swept.mended,
        failed: relayed.failed + swept.failed,
      };
    },
  };
}

async function relayOutbox(pool: pg.Pool, runs: RunDirectory): Promise<{ started: number; failed: number }> {
  const failed = new Set<string>();
  let started = 0;
  for (;;) {
    // Rows that fail stay the oldest: by asking for as many more, they never stand in the way of the others.
    const limit = batch + failed.size;
    const rows = await listOpenOutbox(pool, { olderThanSeconds: relayAfterSeconds, limit });
    const fresh = rows.filter(({ id }) => !failed.has(id));
    if (fresh.length === 0) return { started, failed: failed.size };
    for (const row of fresh) {
      const isStarted = await tried('An outbox row could not be relayed', row, () =>
        relayOne(pool, runs, row),
      );
      if (isStarted) started += 1;
      else if (isStarted === undefined) failed.add(row.id);
    }
  }
}

async function relayOne(pool: pg.Pool, runs: RunDirectory, { tenantId, id }: TenantRowId): Promise<boolean> {
  const database = forTenant(pool, tenantId);
  const row = await findOutbox(database, id);
  if (!row || row.done_at) return false;
  switch (row.kind) {
    case 'poke-posts':
      // Done when its posts have been told.
      await runs.startPoke({ tenantId, requestId: id });
      return true;
    case 'remove-publications':
      // Done when they have been taken down.
      await runs.startRemoval({ tenantId, requestId: id });
      return true;
    case 'amend-post':
      // Done when its targets have said what became of it.
      await runs.startAmendment({ tenantId, requestId: id });
      return true;
    case 'import-media':
      await runs.startImport({ tenantId, mediaId: id });
      break;
    case 'start-parts':
      await runs.startParts(row.input as PartsWorkflowInput);
      break;
    case 'start-post':
      await runs.start(row.input);
      break;
    default:
      unreachable(row.kind, 'kind of request');
  }
  await markOutboxDone(database, id);
  return true;
}

async function sweepPosts(
  pool: pg.Pool,
  runs: RunDirectory,
  from: TenantRowId | undefined,
): Promise<Omit<MaintenanceResult, 'started'>> {
  let [checked, mended, failed] = [0, 0, 0];
  let after = from;
  for (;;) {
    heartbeat(after);
    const page = await listOpenPosts(pool, { after, limit: batch });
    for (const row of page) {
      const isMended = await tried('A post could not be checked', row, () => mendPost(pool, runs, row));
      if (isMended === undefined) failed += 1;
      else if (isMended) mended += 1;
    }
    checked += page.length;
    if (page.length < batch) return { checked, mended, failed };
    after = page.at(-1);
  }
}

/** One row's trouble is its own: it is logged and counted (`undefined`), and the others go on. */
async function tried(
  what: string,
  row: TenantRowId,
  work: () => Promise<boolean>,
): Promise<boolean | undefined> {
  try {
    return await work();
  } catch (error) {
    log.error(what, { ...row, error: String(error) });
    return undefined;
  }
}

/** An open row needs an open run: a missing one is started again from its outbox row, an ended one fails the post. */
async function mendPost(
  pool: pg.Pool,
  runs: RunDirectory,
  { tenantId, id: postId }: TenantRowId,
): Promise<boolean> {
  const run = await runs.describe(tenantId, postId);
  if (run.kind === 'running') return false;
  const database = forTenant(pool, tenantId);
  if (run.kind === 'missing') {
    const row = await findLastOutboxOfPost(database, postId);
    // One that is still open is the relay's, or the API is at it.
    if (!row?.done_at) return false;
    log.warn('A post had no run; it is started again', { tenantId, postId });
    await runs.start(await restartInput(database, postId, row.input));
    return true;
  }
  const { how, reason, by = null } = run;
  if (how === 'completed') return setRunCompleted(database, postId);
  return setRunEnded(database, { postId, how, reason, by, message: endMessage(run) });
}

/** A run that had got somewhere starts from its last projection, not from the beginning. */
async function restartInput(database: TenantDatabase, postId: string, input: unknown): Promise<unknown> {
  const state = await findRunState(database, postId);
  return state ? { ...(input as object), carried: restoredState(state) } : input;
}

function endMessage({ how, reason, by }: { how: string; reason: string | null; by?: string | null }): string {
  const message = `The run was ended (${how}${by ? ` by ${by}` : ''})${reason ? `: ${reason}` : ''}`;
  return message.length > 500 ? `${message.slice(0, 497)}...` : message;
}
