import { randomInt } from 'node:crypto';
import type { SandboxContext } from '../context.ts';
import type { LedgerPost } from '../ledger.ts';
import { asObject, type Call, jsonReply, type Operation, stringAt } from '../protocol.ts';
import {
  countCharacters,
  invalidValue,
  readCount,
  refusal,
  requiredString,
  requireEncodedPath,
  requireJson,
  requireOwnAccount,
  requireReadableAuthor,
  requireVersion,
  requireWriteScope,
  tooLong,
} from './linkedin-protocol.ts';

/** Second-hand: the Comments API documents no limit. */
const maxCommentCharacters = 1_250;

/** LinkedIn's Comments API, https://learn.microsoft.com/en-us/linkedin/marketing/community-management/shares/comments-api */
export function createComments(context: SandboxContext): Operation[] {
  const requirePost = (call: Call): LedgerPost => {
    const post = context.ledger.findByPublicId('linkedin', call.params.urn ?? '');
    if (post && !post.removedAt) return post;
    throw refusal(404, 'NOT_FOUND', `Not found: ${call.params.urn}`);
  };

  const create: Operation = {
    name: 'linkedin.comments.create',
    method: 'post',
    path: '/rest/socialActions/:urn/comments',
    subject: (call) => stringAt(call.json, 'actor'),
    async handle(call) {
      requireVersion(context, call);
      requireEncodedPath(call);
      const body = requireJson(call);
      const actor = requireOwnAccount(call, 'actor', requiredString(body, 'actor'));
      requireWriteScope(call, actor, 'socialActions.CREATE-comments');
      const post = requirePost(call);
      if (requiredString(body, 'object') !== post.publicId) throw invalidValue('/object', 'is another post');
      const text = requiredString(asObject(body.message), 'text');
      if (text.trim() === '') throw refusal(400, 'INVALID_VALUE_BLANK_FIELD', '/message/text is blank');
      if (countCharacters(text) > maxCommentCharacters) throw tooLong('/message/text', maxCommentCharacters);
      const acceptedAt = context.now();
      const id = String((BigInt(acceptedAt.getTime()) << 22n) | BigInt(randomInt(2 ** 22)));
      await context.ledger.add({
        platform: 'linkedin',
        externalId: actor.externalId,
        accountName: actor.name,
        postType: 'REPLY',
        ...{ text, rawText: text, altTexts: [], media: [] },
        publicId: id,
        parentId: post.publicId,
        receivedAt: call.receivedAt.toISOString(),
        acceptedAt: acceptedAt.toISOString(),
        requestId: call.requestId,
        rawBody: call.body.toString('utf8'),
      });
      return { status: 201, headers: { 'x-restli-id': id, 'x-linkedin-id': id } };
    },
  };

  const list: Operation = {
    name: 'linkedin.comments.find',
    method: 'get',
    path: '/rest/socialActions/:urn/comments',
    subject: (call) => context.ledger.findByPublicId('linkedin', call.params.urn ?? '')?.externalId,
    handle(call) {
      requireVersion(context, call);
      requireEncodedPath(call);
      const post = requirePost(call);
      requireReadableAuthor(call, post.externalId, 'socialActions.GET_ALL-comments');
      const start = readCount(call, 'start', 0, Number.MAX_SAFE_INTEGER);
      const count = readCount(call, 'count', 10, 100);
      const shownBefore = context.now().getTime() - context.settings.get().listDelayMs;
      const comments = context.ledger
        .list({ platform: 'linkedin' })
        .filter(({ parentId, removedAt }) => parentId === post.publicId && !removedAt)
        .filter(({ acceptedAt }) => Date.parse(acceptedAt) <= shownBefore);
      return jsonReply(200, {
        paging: { start, count, links: [], total: comments.length },
        elements: comments.slice(start, start + count).map(renderComment),
      });
    },
  };

  return [create, list];
}

const renderComment = (comment: LedgerPost): Record<string, unknown> => ({
  id: comment.publicId,
  actor: comment.externalId,
  object: comment.parentId,
  message: { attributes: [], text: comment.text },
  created: { actor: comment.externalId, time: Date.parse(comment.acceptedAt) },
});
