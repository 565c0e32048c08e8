import { sql } from 'kysely';
import { insertRunEpoch, lockPost } from './post-runs.ts';
import { type Projection, writeProjection } from './projections.ts';
import { inTransaction, type TenantDatabase, type TenantTransaction } from './tenant-database.ts';

/** What one run of a post has written, oldest part first; each part with the version it was written at. */
export interface RunStory {
  readonly runId: string;
  readonly parts: readonly (Pick<Projection, 'timeline' | 'decisions'> & { readonly version: number })[];
}

/** A value that the rows hold and the histories do not say, or the other way round. */
export interface Difference {
  readonly where: string;
  readonly row: unknown;
  readonly history: unknown;
}

/** Leaves a transaction without a trace, with what was found out in it. */
class Undone extends Error {
  readonly differences: Difference[];

  constructor(differences: Difference[]) {
    super('The transaction was only to look');
    this.differences = differences;
  }
}

/**
 * Writes a post's projection again from its runs' histories and answers what was different; with `isCheck` it only
 * answers. Touches nothing that the runs have not written: drafts' edits, assignees and publication rows stay.
 */
export async function reprojectPost(
  database: TenantDatabase,
  { stories, newest, isCheck }: { stories: readonly RunStory[]; newest: Projection; isCheck: boolean },
): Promise<Difference[]> {
  try {
    return await inTransaction(database, async (transaction) => {
      const { postId } = newest.state;
      if (!(await lockPost(transaction, postId))) throw new Error(`There is no post ${postId}`);
      const before = await snapshotOf(transaction, postId);
      const expected = await write(transaction, stories, newest);
      const after = await snapshotOf(transaction, postId);
      const differences = [...differencesOf(before, after), ...unfounded(before, expected)];
      if (isCheck) throw new Undone(differences);
      return differences;
    });
  } catch (error) {
    if (error instanceof Undone) return error.differences;
    throw error;
  }
}

/** Answers the keys of the lines and decisions that the histories know. */
async function write(
  transaction: TenantTransaction,
  stories: readonly RunStory[],
  newest: Projection,
): Promise<Set<string>> {
  const known = new Set<string>();
  for (const { runId, parts } of stories)
    for (const { version, timeline, decisions } of parts) {
      const state = { ...newest.state, version };
      for (const key of await writeProjection(transaction, { ...newest, runId, state, timeline, decisions }))
        known.add(key);
    }
  const { postId, version } = newest.state;
  const epoch = await insertRunEpoch(transaction, postId, newest.runId);
  await transaction
    .updateTable('posts')
    .set({ projection_epoch: epoch, projection_version: version - 1 })
    .where('id', '=', postId)
    .execute();
  await writeProjection(transaction, { ...newest, timeline: [], decisions: [] });
  return known;
}

type Snapshot = ReadonlyMap<string, unknown>;

/** Everything of a post that its runs write, value by value. */
async function snapshotOf(transaction: TenantTransaction, postId: string): Promise<Snapshot> {
  const { rows } = await sql<{ where: string; value: unknown }>`
    select 'post.' || f.key as where, f.value from posts p, jsonb_each(to_jsonb(p) - array['row_version', 'updated_at',
      'archived', 'projection_epoch', 'projection_version', 'barrier_epoch', 'barrier_version', 'assignee_id']) f
      where p.id = ${postId}
    union all select 'target ' || t.id || '.' || f.key, f.value from targets t, jsonb_each(to_jsonb(t)) f
      where t.post_id = ${postId}
    union all select 'decision ' || d.command_id || ' ' || d.gate, to_jsonb(d) from decisions d where d.post_id = ${postId}
    union all select 'line ' || e.event_key, to_jsonb(e) - array['id', 'transaction_id'] from post_events e
      where e.post_id = ${postId} and e.event_key like 'run:%'`.execute(transaction);
  return new Map(rows.map(({ where, value }) => [where, value]));
}

function differencesOf(before: Snapshot, after: Snapshot): Difference[] {
  const places = [...new Set([...before.keys(), ...after.keys()])];
  return places
    .map((where) => ({ where, row: before.get(where), history: after.get(where) }))
    .filter(({ row, history }) => JSON.stringify(row) !== JSON.stringify(history));
}

/** Lines and decisions in the rows that no history tells of. */
const unfounded = (before: Snapshot, known: ReadonlySet<string>): Difference[] =>
  [...before.entries()]
    .filter(([where]) => /^(line|decision) /.test(where) && !known.has(where))
    .map(([where, row]) => ({ where, row, history: undefined }));
