import { OutcomeError } from '../../domain/outcome.ts';
import { clockSkewMs, comparable, isWithin } from './facebook-find.ts';
import { dataOf, type Graph, type GraphBody, idOf, parseGraphTime } from './graph.ts';
import { isObject, path } from './http.ts';
import type { Account, FindQuery, FindResult, Replier } from './publisher.ts';

/** What a page writes below its own posts. */

// Limits

const listedComments = 50;

// Methods

// https://developers.facebook.com/docs/graph-api/reference/object/comments (read 2026-11-21)
export function createReplier(graph: Graph): Replier {
  return {
    reply: async (account, { text, parentId }, context) => {
      const what = 'Facebook comment';
      const body = await graph.post(account.accessToken, context, {
        path: path`/${parentId}/comments`,
        body: { message: text },
        what,
        timeoutMs: graph.timings.commitTimeoutMs,
      });
      return { publicId: idOf(body, what), permalink: null };
    },
    findReply: async (account, reply, window, context) => {
      const what = 'Facebook list of comments';
      const fields = 'id,message,from,created_time,permalink_url';
      const body = await graph.get(account.accessToken, context, {
        path: path`/${reply.parentId}/comments`,
        query: `fields=${fields}&filter=stream&order=reverse_chronological&limit=${listedComments}`,
        what,
      });
      const comments = dataOf(body, what).map((comment) => parseComment(comment, what));
      return matchComment(comments, account, reply.text, window);
    },
  };
}

// Pure mappers

interface ListedComment {
  readonly id: string;
  readonly message: string;
  readonly createdAt: number;
  /** `null` where Facebook does not show who wrote it. */
  readonly authorId: string | null;
  readonly permalink: string | null;
}

function parseComment(comment: GraphBody, what: string): ListedComment {
  const { message, from, permalink_url: permalink } = comment;
  const createdAt = parseGraphTime(comment.created_time);
  if (createdAt === null) throw new OutcomeError('unexpected-response', `${what}: a comment has no time`);
  return {
    ...{ id: idOf(comment, what), createdAt },
    message: typeof message === 'string' ? message : '',
    authorId: isObject(from) && typeof from.id === 'string' ? from.id : null,
    permalink: typeof permalink === 'string' ? permalink : null,
  };
}

/** Comments come newest first: a full page that does not reach back before the window is no proof of absence. */
function matchComment(
  comments: readonly ListedComment[],
  account: Account,
  text: string,
  window: Pick<FindQuery, 'sentAfter' | 'sentBefore'>,
): FindResult {
  const alike = comments.filter(
    (comment) => comparable(comment.message) === comparable(text) && isWithin(comment.createdAt, window),
  );
  const ours = alike.find(({ authorId }) => authorId === account.externalId);
  if (ours) return { kind: 'found', receipt: { publicId: ours.id, permalink: ours.permalink } };
  const unclear = alike.find(({ authorId }) => authorId === null);
  if (unclear)
    return { kind: 'cannot-tell', reason: `${unclear.id} has the same text and does not say who wrote it` };
  const reachesBefore = comments.some(
    ({ createdAt }) => createdAt < window.sentAfter.getTime() - clockSkewMs,
  );
  if (comments.length >= listedComments && !reachesBefore)
    return { kind: 'cannot-tell', reason: `there are ${listedComments} comments or more since then` };
  return { kind: 'absent', proof: 'read' };
}
