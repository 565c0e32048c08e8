import { OutcomeError } from '../../domain/outcome.ts';
import type { AccountKind } from '../../domain/post.ts';
import { comparable } from './comparable.ts';
import { type AnswerHeaders, isObject, path } from './http.ts';
import { type LinkedInApi, requestTo } from './linkedin-api.ts';
import type { Account, CallContext, FindResult, Receipt, Replier, Reply } from './publisher.ts';

/** First comments below posts of ours. */
// https://learn.microsoft.com/en-us/linkedin/marketing/community-management/shares/comments-api (read 2026-11-21)

// Limits

const listedComments = 100;
/** Our clock and LinkedIn's may differ by this much. */
const clockSkewMs = 60_000;

/** A member's posts cannot be read back, and neither can what stands below them: `member` has no `findReply`. */
export function createReplier(api: LinkedInApi, kind: AccountKind): Replier {
  return {
    reply: (account, reply, context) => comment(api, account, reply, context),
    ...(kind === 'organization' && {
      findReply: (account, reply, window, context) => findComment(api, account, reply, window, context),
    }),
  };
}

async function comment(
  api: LinkedInApi,
  account: Account,
  reply: Reply,
  context: CallContext,
): Promise<Receipt> {
  assertTopLevel(reply);
  const what = 'LinkedIn comment';
  const request = requestTo(api, account, context, {
    method: 'POST',
    path: path`/rest/socialActions/${reply.rootId}/comments`,
    body: { actor: account.externalId, object: reply.rootId, message: { text: reply.text } },
    what,
    timeoutMs: api.timings.commitTimeoutMs,
  });
  const { status, headers } = await api.http.send(request).catch(explainForbidden);
  return receiptOf(api, reply, parseCommentId(status, headers, what));
}

/** What may post may not always comment; the connection is good for everything else. */
function explainForbidden(error: unknown): never {
  if (!(error instanceof OutcomeError) || error.details.status !== 403) throw error;
  const advice = 'the application may lack the Community Management API, which comments need';
  throw new OutcomeError('rejected', `${error.message} (${advice})`, error.details);
}

async function findComment(
  api: LinkedInApi,
  account: Account,
  reply: Reply,
  window: Parameters<NonNullable<Replier['findReply']>>[2],
  context: CallContext,
): Promise<FindResult> {
  assertTopLevel(reply);
  const { body } = await api.http.sendJson(
    requestTo(api, account, context, {
      method: 'GET',
      path: `${path`/rest/socialActions/${reply.rootId}/comments`}?start=0&count=${listedComments}`,
      what: 'LinkedIn list of comments',
    }),
  );
  const listed = parseComments(body);
  const from = window.sentAfter.getTime() - clockSkewMs;
  const to = window.sentBefore.getTime() + clockSkewMs;
  const found = listed.find(
    ({ actor, text, createdAt }) =>
      actor === account.externalId &&
      comparable(text) === comparable(reply.text) &&
      createdAt >= from &&
      createdAt <= to,
  );
  if (found) return { kind: 'found', receipt: receiptOf(api, reply, found.id) };
  if (listed.length < listedComments) return { kind: 'absent', proof: 'read' };
  return { kind: 'cannot-tell', reason: `there are ${listedComments} comments or more` };
}

// Pure mappers

function assertTopLevel({ parentId, rootId }: Reply): void {
  if (parentId === rootId) return;
  throw new OutcomeError('rejected', 'Posts on LinkedIn cannot be continued as a thread', { sent: false });
}

/** A comment is seen at its post. */
const receiptOf = (api: LinkedInApi, { rootId }: Reply, publicId: string): Receipt => ({
  publicId,
  permalink: `${api.permalinkBaseUrl}/feed/update/${rootId}`,
});

function parseCommentId(status: number, headers: AnswerHeaders, what: string): string {
  const id = headers.get('x-restli-id') ?? '';
  if (status === 201 && /^(\d+|urn:li:comment:\(.+\))$/.test(id)) return id;
  const message = `${what}: answer ${status} without a comment's id in x-restli-id`;
  throw new OutcomeError('unexpected-response', message, { status });
}

interface ListedComment {
  readonly id: string;
  readonly actor: string;
  readonly text: string;
  readonly createdAt: number;
}

function parseComments(body: Readonly<Record<string, unknown>>): readonly ListedComment[] {
  if (!Array.isArray(body.elements)) {
    throw new OutcomeError('unexpected-response', 'LinkedIn list of comments: no elements in the answer');
  }
  return body.elements.map((element: unknown) => {
    const { id, actor, message, created } = isObject(element) ? element : {};
    const createdAt = isObject(created) ? created.time : undefined;
    if (typeof id !== 'string' || typeof actor !== 'string' || typeof createdAt !== 'number') {
      const what = 'LinkedIn list of comments: an element has no id, no actor or no time';
      throw new OutcomeError('unexpected-response', what);
    }
    return {
      id,
      actor,
      createdAt,
      text: isObject(message) && typeof message.text === 'string' ? message.text : '',
    };
  });
}
