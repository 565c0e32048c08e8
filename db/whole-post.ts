import { type Selectable, sql } from 'kysely';
import type { PostRow, RevisionRow, TargetWithProfile } from './posts.ts';
import type { ProfileScope } from './profiles.ts';
import type { DecisionsTable } from './schema.ts';
import type { TenantExecutor } from './tenant-database.ts';
import type { DecisionRow } from './timeline.ts';

/** A post's row as far as readers see it; what its run keeps there for itself is long, and left out. */
export type ShownPostRow = Omit<
  PostRow,
  'run_state' | 'projection_epoch' | 'projection_version' | 'barrier_epoch' | 'barrier_version'
>;

/** Everything a page about one post shows, as it was at one moment. */
export interface WholePostRows {
  readonly post: ShownPostRow;
  readonly revision: RevisionRow;
  readonly targets: readonly TargetWithProfile[];
  readonly decisions: readonly DecisionRow[];
}

/** What JSON makes of a row: instants become text. */
type InJson<Row> = { [Column in keyof Row]: Row[Column] extends Date | null ? string | null : Row[Column] };

interface Found extends ShownPostRow {
  readonly r_number: number;
  readonly r_content: RevisionRow['content'];
  readonly r_content_hash: string;
  readonly r_design_hash: string;
  readonly r_publish_hash: string;
  readonly r_authors: RevisionRow['authors'];
  readonly r_created_by: string;
  readonly r_created_at: Date;
  readonly targets: readonly InJson<TargetWithProfile>[];
  readonly decisions: readonly InJson<Selectable<DecisionsTable>>[];
}

/**
 * A post with its present revision, its targets in their order and its decisions, oldest first; `undefined` for one that
 * is not there or has a target outside the scope. One statement: reading a post is what hosts do most, and each further
 * round trip costs as much as all the rest of it.
 */
export async function findWholePost(
  database: TenantExecutor,
  id: string,
  scope: ProfileScope,
): Promise<WholePostRows | undefined> {
  const { rows } = await sql<Found>`
    select p.tenant_id, p.id, p.type, p.origin, p.status, p.blocked_on, p.open_gate, p.open_gate_detail, p.gates,
      p.policy, p.revision_id, p.revision_number, p.copy, p.due_at, p.due_local, p.due_zone, p.content_approved_at,
      p.design_approved_at, p.publish_approved_at, p.assignee_id, p.created_by, p.submitted_at, p.archived,
      p.row_version, p.created_at, p.updated_at,
      r.number as r_number, r.content as r_content, r.content_hash as r_content_hash, r.design_hash as r_design_hash,
      r.publish_hash as r_publish_hash, r.authors as r_authors, r.created_by as r_created_by,
      r.created_at as r_created_at,
      coalesce((select json_agg(t order by t.position) from (
        select o.*, f.platform, f.account_kind, f.name as profile_name, f.health as profile_health
        from targets o join profiles f on f.tenant_id = o.tenant_id and f.id = o.profile_id
        where o.post_id = p.id) t), '[]') as targets,
      coalesce((select json_agg(d order by d.decided_at, d.command_id) from decisions d where d.post_id = p.id), '[]')
        as decisions
    from posts p join revisions r on r.id = p.revision_id
    where p.id = ${id}`.execute(database);
  const [found] = rows;
  if (!found || !isWithin(scope, found.targets)) return undefined;
  return {
    post: found,
    revision: revisionOf(found),
    targets: found.targets.map((target) => withDates(target, ['due_at', 'published_at'])),
    decisions: found.decisions.map((decision) => withDates(decision, ['decided_at'])),
  };
}

const isWithin = (scope: ProfileScope, targets: readonly { profile_id: string }[]): boolean =>
  scope === null || targets.every((target) => scope.includes(target.profile_id));

const revisionOf = (found: Found): RevisionRow => ({
  tenant_id: found.tenant_id,
  id: found.revision_id,
  post_id: found.id,
  number: found.r_number,
  content: found.r_content,
  content_hash: found.r_content_hash,
  design_hash: found.r_design_hash,
  publish_hash: found.r_publish_hash,
  authors: found.r_authors,
  created_by: found.r_created_by,
  created_at: found.r_created_at,
});

function withDates<Row>(inJson: InJson<Row>, columns: readonly (keyof Row)[]): Row {
  const row = { ...inJson } as Record<keyof Row, unknown>;
  for (const column of columns) if (row[column] !== null) row[column] = new Date(row[column] as string);
  return row as Row;
}
