import { type ListedPost, listPosts } from '../../db/post-list.ts';
import {
  findPost,
  findRevision,
  listPossibleDuplicates,
  listRevisions,
  listTargets,
  type PostRow,
  type RevisionRow,
} from '../../db/posts.ts';
import { findLastRejection, listDecisions, listPostEvents, listPublications } from '../../db/timeline.ts';
import { findWholePost, isWithin, type WholePostRows } from '../../db/whole-post.ts';
import { blockCodes, mediaNeeded } from '../../domain/lifecycle.ts';
import { briefFormats } from '../../domain/platform-rules.ts';
import { gates } from '../../domain/post.ts';
import { decodeCursor, encodeCursor, type Page, pageOf } from '../cursor.ts';
import { notFound } from '../problems.ts';
import type { RequestContext } from '../route.ts';
import type {
  briefSchema,
  listedPostSchema,
  PostListQuery,
  possibleDuplicatesSchema,
  revisionSchema,
  timelineSchema,
} from '../schemas/posts.ts';
import { viewDecision, viewEvent, viewListedPost, viewPublication, viewRevision } from '../views.ts';
import { z } from '../zod.ts';

/** A post with its revision; a post that the caller may not see is not there. */
async function requirePostWithRevision(
  { database, caller }: RequestContext,
  postId: string,
): Promise<{ post: PostRow; revision: RevisionRow }> {
  const post = await findPost(database, postId, caller.profileIds);
  if (!post) throw notFound('post');
  const revision = await findRevision(database, post.revision_id);
  if (!revision) throw new Error(`Post ${caller.tenantId}/${postId} has no revision ${post.revision_id}`);
  return { post, revision };
}

/** Everything a page about one post shows. */
export async function readPost(
  { database, caller, post }: RequestContext,
  postId: string,
): Promise<WholePostRows> {
  const whole = post === undefined ? await findWholePost(database, postId) : post;
  if (!whole || !isWithin(caller.profileIds, whole)) throw notFound('post');
  return whole;
}

/** Posts that say the same on a profile of this one, as far as the caller may see them. */
export async function readPossibleDuplicates(
  context: RequestContext,
  postId: string,
): Promise<z.infer<typeof possibleDuplicatesSchema>> {
  const { database, caller } = context;
  const { revision } = await requirePostWithRevision(context, postId);
  const post = { postId, revisionId: revision.id };
  const found = await listPossibleDuplicates(database, post, caller.profileIds);
  return found.map(({ dueAt, ...duplicate }) => ({ ...duplicate, dueAt: dueAt?.toISOString() ?? null }));
}

const postPosition = z.tuple([z.string().regex(/^\d{1,16}$/), z.guid()]);

/** One page of the tenant's posts, newest first. */
export async function readPosts(
  { database, caller }: RequestContext,
  query: PostListQuery,
): Promise<Page<z.infer<typeof listedPostSchema>>> {
  const after = decodeCursor(query.cursor, postPosition);
  const openGate = gates.find((gate) => gate === query.waitingOn);
  const blockCode = openGate ? undefined : blockCodes.find((code) => code === query.waitingOn);
  const rows = await listPosts(database, {
    scope: caller.profileIds,
    statuses: query.status,
    openGate,
    blockCode,
    decidableBy: query.decidableByMe === 'true' ? caller : undefined,
    profileId: query.profileId,
    dueFrom: query.dueFrom === undefined ? undefined : new Date(query.dueFrom),
    dueTo: query.dueTo === undefined ? undefined : new Date(query.dueTo),
    text: query.text,
    after: after && { createdAtMicros: after[0], id: after[1] },
    limit: query.limit + 1,
  });
  const view = (row: ListedPost) => viewListedPost(row, caller);
  return pageOf(rows, query.limit, view, (row) => [row.position, row.id]);
}

const revisionPosition = z.tuple([z.int().min(0).max(2_147_483_647), z.guid()]);

export async function readRevisions(
  context: RequestContext,
  postId: string,
  { limit, cursor }: { limit: number; cursor?: string },
): Promise<Page<z.infer<typeof revisionSchema>>> {
  const before = decodeCursor(cursor, revisionPosition);
  await requirePostWithRevision(context, postId);
  const rows = await listRevisions(context.database, postId, {
    before: before && { number: before[0], id: before[1] },
    limit: limit + 1,
  });
  return pageOf(rows, limit, viewRevision, (row) => [row.number, row.id]);
}

const timelinePosition = z.tuple([z.string().regex(/^\d{1,18}$/), z.string().regex(/^\d{1,18}$/)]);

/** The post's story: its events in order, every decision, every publication. */
export async function readTimeline(
  context: RequestContext,
  postId: string,
  { limit, cursor }: { limit: number; cursor?: string },
): Promise<z.infer<typeof timelineSchema>> {
  const after = decodeCursor(cursor, timelinePosition);
  await requirePostWithRevision(context, postId);
  const { database } = context;
  const [events, decisions, publications] = await Promise.all([
    listPostEvents(database, postId, {
      after: after && { transactionId: after[0], id: after[1] },
      limit,
    }),
    listDecisions(database, postId),
    listPublications(database, postId),
  ]);
  const last = events.at(-1);
  return {
    events: events.map(viewEvent),
    nextCursor: last ? encodeCursor([String(last.transaction_id), String(last.id)]) : (cursor ?? null),
    decisions: decisions.map(viewDecision),
    publications: publications.map(viewPublication),
  };
}

/** What a designer needs: sizes, words, deadline, and why the last design was sent back. */
export async function readBrief(
  context: RequestContext,
  postId: string,
): Promise<z.infer<typeof briefSchema>> {
  const { post, revision } = await requirePostWithRevision(context, postId);
  const [targets, rejection] = await Promise.all([
    listTargets(context.database, postId),
    findLastRejection(context.database, postId, 'design'),
  ]);
  const { content } = revision;
  const copyOf = (targetId: string) => content.targets.find((target) => target.targetId === targetId)?.copy;
  return {
    postId,
    type: post.type,
    copy: content.copy,
    deadline: post.due_at?.toISOString() ?? null,
    assigneeId: post.assignee_id,
    media: content.media.map(({ mediaId, altText }) => ({ mediaId, altText })),
    mediaNeeded: mediaNeeded(post.type),
    targets: targets.map((target) => ({
      profileId: target.profile_id,
      profileName: target.profile_name,
      platform: target.platform,
      copy: copyOf(target.id) ?? content.copy,
      formats: briefFormats(target.platform, post.type).map((format) => ({
        ...format,
        contentTypes: [...format.contentTypes],
      })),
    })),
    rejection: rejection
      ? {
          notes: rejection.notes,
          memberName: rejection.member_name,
          decidedAt: rejection.decided_at.toISOString(),
        }
      : null,
  };
}
