import { type RawBuilder, sql } from 'kysely';
import { amendmentOf, newestAmendment, type WholeAmendment } from './amendments.ts';
import type { MemberRow } from './members.ts';
import type { PartRoundRow } from './part-rounds.ts';
import type { PostRow, RevisionRow, TargetWithProfile } from './posts.ts';
import type { ProfileScope } from './profiles.ts';
import type { TenantExecutor } from './tenant-database.ts';
import type { DecisionRow, PublicationRow } from './timeline.ts';

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
  /** The newest round of what follows each target's post, and the rows of the parts. */
  readonly rounds: readonly PartRoundRow[];
  readonly parts: readonly PublicationRow[];
  /** The newest. */
  readonly amendment: WholeAmendment | null;
}

/** What JSON makes of a row: instants become text. */
type InJson<Row> = { [Column in keyof Row]: Row[Column] extends Date | null ? string | null : Row[Column] };

interface WholePostInJson extends InJson<ShownPostRow> {
  readonly revision: InJson<RevisionRow>;
  readonly targets: readonly InJson<TargetWithProfile>[];
  readonly decisions: readonly InJson<DecisionRow>[];
  readonly rounds: readonly InJson<PartRoundRow>[];
  readonly parts: readonly InJson<PublicationRow>[];
  readonly amendment: unknown;
}

/**
 * A post with its present revision, its targets in their order and its decisions, oldest first, as one JSON value.
 * Reading a post is what hosts do most, and each further round trip, and each column, would cost as much as the rest.
 */
const wholePost = (id: string): RawBuilder<WholePostInJson | null> => sql`(select row_to_json(w) from (
  select p.tenant_id, p.id, p.type, p.origin, p.status, p.blocked_on, p.open_gate, p.open_gate_detail, p.gates, p.policy,
    p.revision_id, p.revision_number, p.copy, p.due_at, p.due_local, p.due_zone, p.content_approved_at,
    p.design_approved_at, p.publish_approved_at, p.assignee_id, p.created_by, p.submitted_at, p.archived, p.row_version,
    p.created_at, p.updated_at, row_to_json(r) as revision,
    coalesce((select json_agg(t order by t.position) from (
      select o.*, f.platform, f.account_kind, f.name as profile_name, f.health as profile_health
      from targets o join profiles f on f.tenant_id = o.tenant_id and f.id = o.profile_id
      where o.post_id = p.id) t), '[]') as targets,
    coalesce((select json_agg(d order by d.decided_at, d.command_id) from decisions d where d.post_id = p.id), '[]')
      as decisions,
    coalesce((select json_agg(n) from (select distinct on (a.target_id) a.* from part_rounds a where a.post_id = p.id
      order by a.target_id, a.cycle desc) n), '[]') as rounds,
    coalesce((select json_agg(b) from publications b where b.post_id = p.id and b.part > 0), '[]') as parts,
    ${newestAmendment(sql.ref('p.id'))} as amendment
  from posts p join revisions r on r.id = p.revision_id
  where p.id = ${id}) w)`;

/** Reads everything a page about one post shows. */
export async function findWholePost(
  database: TenantExecutor,
  id: string,
): Promise<WholePostRows | undefined> {
  const { rows } = await sql<{ post: WholePostInJson | null }>`select ${wholePost(id)} as post`.execute(
    database,
  );
  return rows[0]?.post ? rowsOf(rows[0].post) : undefined;
}

/** The same together with the member a token's subject stands for, in one round trip. */
export async function findMemberAndPost(
  database: TenantExecutor,
  subject: string,
  id: string,
): Promise<{ member: MemberRow | undefined; post: WholePostRows | undefined }> {
  const { rows } = await sql<{ member: InJson<MemberRow> | null; post: WholePostInJson | null }>`
    select (select row_to_json(m) from members m where m.subject = ${subject}) as member, ${wholePost(id)} as post
  `.execute(database);
  const { member, post } = rows[0]!;
  return {
    member: member ? withDates<MemberRow>(member, ['created_at']) : undefined,
    post: post ? rowsOf(post) : undefined,
  };
}

/** Whether all of a post's targets are among the profiles that somebody is limited to. */
export const isWithin = (scope: ProfileScope, { targets }: Pick<WholePostRows, 'targets'>): boolean =>
  scope === null || targets.every((target) => scope.includes(target.profile_id));

const rowsOf = ({
  revision,
  targets,
  decisions,
  rounds,
  parts,
  amendment,
  ...post
}: WholePostInJson): WholePostRows => ({
  post: withDates<ShownPostRow>(post, [
    ...(['due_at', 'submitted_at', 'created_at', 'updated_at'] as const),
    ...(['content_approved_at', 'design_approved_at', 'publish_approved_at'] as const),
  ]),
  revision: withDates<RevisionRow>(revision, ['created_at']),
  targets: targets.map((target) =>
    withDates<TargetWithProfile>(target, ['due_at', 'published_at', 'removed_at']),
  ),
  decisions: decisions.map((decision) => withDates<DecisionRow>(decision, ['decided_at'])),
  amendment: amendmentOf(amendment),
  rounds: rounds.map((round) => withDates<PartRoundRow>(round, ['created_at', 'ended_at'])),
  parts: parts.map((part) =>
    withDates<PublicationRow>(part, [
      ...(['due_at', 'send_at', 'send_started_at', 'send_deadline', 'give_up_at'] as const),
      ...(['published_at', 'created_at', 'updated_at'] as const),
    ]),
  ),
});

function withDates<Row>(inJson: InJson<Row>, columns: readonly (keyof Row)[]): Row {
  const row = inJson as Record<keyof Row, unknown>;
  for (const column of columns) if (row[column] !== null) row[column] = new Date(row[column] as string);
  return row as Row;
}
