import type { Account } from '../accounts.ts';
import type { SandboxContext } from '../context.ts';
import type { LedgerPost } from '../ledger.ts';
import { type Call, jsonReply, type Operation } from '../protocol.ts';
import {
  gone,
  graphTime,
  pageOf,
  randomDigits,
  readFields,
  readParameters,
  readText,
  refusal,
  requireScope,
  requireVersion,
  select,
  usernameOf,
} from './graph.ts';

const maxCharacters = 2_200;

type Words = Pick<LedgerPost, 'text' | 'rawText' | 'altTexts' | 'media' | 'publicId' | 'parentId'>;

export interface CommentStore {
  add(call: Call, account: Account, words: Words): Promise<LedgerPost>;
  /** All comments of an account, newest first, as far as lists show them. */
  listed(account: Account): LedgerPost[];
}

/** Comments below Instagram's posts, and replies below these; only an account's own, since nobody else is here. */
export function createComments(context: SandboxContext, store: CommentStore) {
  const find = (call: Call) => context.ledger.findByPublicId('instagram', call.params.id ?? '');

  function requireParent(call: Call, edge: Edge): { account: Account; parent: LedgerPost } {
    requireVersion(call);
    const parent = find(call);
    const account = call.accounts.find(({ externalId }) => externalId === parent?.externalId);
    const isComment = parent?.postType === 'REPLY';
    if (!parent || !account || parent.removedAt || isComment !== (edge === 'replies')) {
      throw gone(call.params.id);
    }
    return { account, parent };
  }

  const add = (edge: Edge): Operation => ({
    name: 'instagram.comments.create',
    method: 'post',
    path: `/:version/:id/${edge}`,
    subject: (call) => find(call)?.externalId,
    async handle(call) {
      const { account, parent } = requireParent(call, edge);
      requireScope(account, 'manage_comments');
      if (parent.postType === 'STORY') throw refusal(400, { code: 100 }, '(#100) Stories take no comments');
      const text = readText(readParameters(call).message) ?? '';
      if (text === '') throw refusal(400, { code: 100 }, '(#100) The parameter message is required');
      if ([...text].length > maxCharacters) {
        throw refusal(400, { code: 100 }, `(#100) The message has more than ${maxCharacters} characters`);
      }
      const publicId = `17${randomDigits(15)}`;
      const words = { text, rawText: text, altTexts: [], media: [] };
      await store.add(call, account, { ...words, publicId, parentId: parent.publicId });
      return jsonReply(200, { id: publicId });
    },
  });

  const list = (edge: Edge): Operation => ({
    name: 'instagram.comments.list',
    method: 'get',
    path: `/:version/:id/${edge}`,
    subject: (call) => find(call)?.externalId,
    handle(call) {
      const { account, parent } = requireParent(call, edge);
      const asked = readFields(call, fields, ['id', 'text', 'timestamp']);
      const below = store.listed(account).filter(({ parentId }) => parentId === parent.publicId);
      return pageOf(call, below, (post) => select(render(post), asked));
    },
  });

  const operations = edges.flatMap((edge) => [add(edge), list(edge)]);
  return { operations, render, fields };
}

const edges = ['comments', 'replies'] as const;
type Edge = (typeof edges)[number];

const fields = ['id', 'text', 'timestamp', 'username', 'parent_id'];

const render = (post: LedgerPost): Record<string, unknown> => ({
  id: post.publicId,
  text: post.text,
  timestamp: graphTime(post.acceptedAt),
  username: usernameOf(post.accountName),
  parent_id: post.parentId,
});
