import { sql } from 'kysely';
import type { Gate, PostStatus, Role } from '../domain/post.ts';
import { type PostRow, withinScope } from './posts.ts';
import type { ProfileScope } from './profiles.ts';
import type { TenantDatabase } from './tenant-database.ts';

/** A place in the list, newest first; in microseconds since 1970, for a Date would cut them off. */
export interface PostPosition {
  readonly createdAtMicros: string;
  readonly id: string;
}

export interface PostFilter {
  readonly scope: ProfileScope;
  readonly statuses?: readonly PostStatus[];
  readonly openGate?: Gate;
  /** A code in `blockedOn`. */
  readonly blockCode?: string;
  readonly decidableBy?: { readonly memberId: string; readonly role: Role };
  readonly profileId?: string;
  /** When any of its targets is due, by its own time or the post's. */
  readonly dueFrom?: Date;
  readonly dueTo?: Date;
  /** Words in the copy, as one types them into a search box. */
  readonly text?: string;
  readonly after?: PostPosition;
  readonly limit: number;
}

export type ListedPost = PostRow & { readonly position: string };

/**
 * Lists posts, newest first. The filters that cannot use an index under row-level security (full text, jsonb) come
 * after the tenant's own index has narrowed the rows.
 */
export function listPosts(database: TenantDatabase, filter: PostFilter): Promise<ListedPost[]> {
  let posts = database
    .selectFrom('posts')
    .selectAll()
    .select(sql<string>`(extract(epoch from created_at) * 1000000)::bigint::text`.as('position'))
    .orderBy('created_at', 'desc')
    .orderBy('id', 'desc')
    .limit(filter.limit);
  if (filter.scope) posts = posts.where(withinScope(filter.scope));
  if (filter.statuses?.length) posts = posts.where('status', 'in', filter.statuses);
  if (filter.openGate) posts = posts.where('open_gate', '=', filter.openGate);
  if (filter.blockCode)
    posts = posts.where(sql<boolean>`blocked_on @> ${JSON.stringify([{ code: filter.blockCode }])}::jsonb`);
  if (filter.decidableBy)
    posts = posts.where('open_gate', 'is not', null).where(decidableBy(filter.decidableBy));
  if (filter.profileId)
    posts = posts.where(
      sql<boolean>`exists (select from targets t where t.post_id = posts.id and t.profile_id = ${filter.profileId})`,
    );
  if (filter.dueFrom || filter.dueTo) posts = posts.where(hasTargetDue(filter));
  if (filter.text)
    posts = posts.where(
      sql<boolean>`to_tsvector('simple', copy) @@ websearch_to_tsquery('simple', ${filter.text})`,
    );
  if (filter.after)
    posts = posts.where(
      sql<boolean>`(created_at, id) < (timestamptz 'epoch' + ${filter.after.createdAtMicros}::bigint * interval '1 microsecond',
        ${filter.after.id}::uuid)`,
    );
  return posts.execute();
}

const hasTargetDue = ({ dueFrom, dueTo }: PostFilter) => sql<boolean>`exists (
  select from targets t where t.post_id = posts.id
    and coalesce(t.due_at, posts.due_at) >= coalesce(${dueFrom ?? null}::timestamptz, '-infinity')
    and coalesce(t.due_at, posts.due_at) < coalesce(${dueTo ?? null}::timestamptz, 'infinity'))`;

/** The same rule as `mayDecide` with the author and the votes: every set of deciders holds the member or the role. */
const decidableBy = ({ memberId, role }: { memberId: string; role: Role }) => sql<boolean>`
  coalesce(open_gate_detail->>'excludedAuthorId', '') <> ${memberId}
  and not (open_gate_detail->'voterIds' ? ${memberId})
  and not exists (
    select from jsonb_array_elements(open_gate_detail->'decidersOfAll') d
    where not (d->'roles' ? ${role}) and not (d->'memberIds' ? ${memberId}))`;
