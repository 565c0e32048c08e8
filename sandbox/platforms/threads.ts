import type { Account } from '../accounts.ts';
import type { SandboxContext } from '../context.ts';
import { type LedgerPost, type PostType, permalinkOf } from '../ledger.ts';
import { oauthOperations, type SandboxOAuth } from '../oauth-definition.ts';
import type { RunningPlatform, SandboxPlatform } from '../platform.ts';
import { type Call, jsonReply, type Operation, type Reply } from '../protocol.ts';
import { redactText } from '../requests.ts';
import { type Container, createContainers } from './containers.ts';
import {
  authenticate,
  errorReply,
  type GraphCode,
  gone,
  graphFaultReplies,
  graphTime,
  isFetchableUrl,
  ownerOf,
  type Parameters,
  pageOf,
  pick,
  randomDigits,
  randomShortcode,
  readBoolean,
  readFields,
  readList,
  readParameters,
  readText,
  refusal,
  requireAccount,
  requireScope,
  requireVersion,
  select,
  speaksFor,
  usernameOf,
} from './graph.ts';
import { metaLogin } from './meta-login.ts';

const threadsLogin: SandboxOAuth = {
  ...metaLogin('th'),
  // What was granted is not said; a code's token comes without its end.
  tokenBody: ({ accessToken, expiresInSeconds, externalIds, grant }) => ({
    access_token: accessToken,
    ...(grant === 'code'
      ? { user_id: externalIds[0] ?? null }
      : { token_type: 'bearer', expires_in: expiresInSeconds }),
  }),
};

export const threads = {
  name: 'Threads',
  kinds: {
    user: {
      id: /^\d+$/,
      scopes: [
        'threads_basic',
        'threads_content_publish',
        'threads_manage_replies',
        'threads_read_replies',
        'threads_delete',
      ],
    },
  },
  operations: [
    ...oauthOperations('threads'),
    'threads.container.create',
    'threads.container.status',
    'threads.threads_publish',
    'threads.post.get',
    'threads.posts.list',
    'threads.replies.list',
    'threads.post.delete',
    'threads.threads_publishing_limit',
    'threads.user.get',
  ] as const,
  oauth: threadsLogin,
  processing: {
    'slow-container': ['threads.container.create'],
    'failed-processing': ['threads.container.create'],
  },
  permalinkOf: ({ accountName, shortcode }, publicUrl) =>
    `${publicUrl}/@${usernameOf(accountName)}/post/${shortcode}`,
  create: createThreads,
} satisfies SandboxPlatform;

/** Threads lists no codes of its own; these are known from reports. */
const codes = {
  parameter: { code: 100 },
  mediaNotFound: { code: 24, subcode: 4279009 },
  restricted: { code: 10, subcode: 4279013 },
  limit: { code: 4 },
} as const satisfies Record<string, GraphCode>;

const maxBytes = { picture: 8 * 1024 * 1024, video: 1024 * 1024 * 1024 };
const maxRatio = 10;
const maxTextUnits = 500;
const maxLinks = 5;
const maxAltTextCharacters = 1_000;
const minChildren = 2;
const maxChildren = 20;
const repliesPerDay = 1_000;
const deletionsPerDay = 100;
const dayMs = 86_400_000;
const audiences = [
  'everyone',
  'accounts_you_follow',
  'mentioned_only',
  'parent_post_author_only',
  'followers_only',
];
const containerFields = ['id', 'status', 'error_message'];
const postFields = [
  'id',
  'media_product_type',
  'media_type',
  'permalink',
  'owner',
  'username',
  'text',
  'timestamp',
  'shortcode',
  'alt_text',
  'is_reply',
  'is_reply_owned_by_me',
  'replied_to',
];
const userFields = ['id', 'username', 'name'];

/** Threads' publishing: containers of text or of media the platform fetches, single-use publishing, replies and deletion. */
function createThreads(context: SandboxContext): RunningPlatform {
  const containers = createContainers(context, {
    platform: 'threads',
    maxBytes,
    judgePicture: (_container, facts) => {
      if (facts?.contentType !== 'image/jpeg' && facts?.contentType !== 'image/png') return 'UNKNOWN';
      const ratio = facts.width / facts.height;
      return Math.max(ratio, 1 / ratio) > maxRatio ? 'INVALID_ASPEC_RATIO' : undefined;
    },
    failures: {
      timeout: { picture: 'UNKNOWN', video: 'FAILED_DOWNLOADING_VIDEO' },
      notFetchable: { picture: 'UNKNOWN', video: 'FAILED_DOWNLOADING_VIDEO' },
      tooLarge: { picture: 'UNKNOWN', video: 'FAILED_PROCESSING_VIDEO' },
      format: { picture: 'UNKNOWN', video: 'FAILED_PROCESSING_VIDEO' },
      processing: { picture: 'UNKNOWN', video: 'FAILED_PROCESSING_VIDEO' },
    },
  });

  const createContainer: Operation = {
    name: 'threads.container.create',
    method: 'post',
    path: '/:version/:id/threads',
    subject: ownerOf,
    async handle(call) {
      const account = requireAccount(call);
      const parameters = readParameters(call);
      const parentId = readText(parameters.reply_to_id);
      requireScope(account, parentId === undefined ? 'content_publish' : 'manage_replies');
      if (parentId !== undefined && !findPost(parentId)) throw gone(parentId);
      if (readBoolean(parameters.auto_publish_text)) {
        throw refusal(400, codes.parameter, '(#100) The sandbox publishes in two steps alone');
      }
      const isCarouselItem = readBoolean(parameters.is_carousel_item);
      const container: Container = {
        id: `17${randomDigits(15)}`,
        owner: account.externalId,
        createdAt: context.now().getTime(),
        readyAt: containers.readyAt(call.fault),
        text: readWords(parameters),
        altText: readAltText(parameters),
        isCarouselItem,
        ...readSource(account, parameters, isCarouselItem),
        ...(parentId !== undefined && { parentId }),
      };
      checkOptions(parameters);
      await containers.add(container, call.fault);
      return jsonReply(200, { id: container.id });
    },
  };

  function readSource(
    account: Account,
    parameters: Parameters,
    isCarouselItem: boolean,
  ): Pick<Container, 'postType' | 'source'> {
    const mediaType = readText(parameters.media_type);
    switch (mediaType) {
      case 'TEXT':
        if (isCarouselItem || !readText(parameters.text)) {
          throw refusal(400, codes.parameter, '(#100) A text post needs the parameter text');
        }
        return { postType: 'TEXT_ONLY', source: { from: 'nothing' } };
      case 'IMAGE':
        return { postType: 'SINGLE_IMAGE', source: readMedia(parameters, 'picture', 'image_url') };
      case 'VIDEO':
        return { postType: 'VIDEO', source: readMedia(parameters, 'video', 'video_url') };
      case 'CAROUSEL':
        return {
          postType: 'CAROUSEL',
          source: { from: 'children', ids: readChildren(account, parameters) },
        };
      default:
        throw refusal(400, codes.parameter, `(#100) Invalid media_type: ${mediaType}`);
    }
  }

  function readChildren(account: Account, parameters: Parameters): string[] {
    const ids = readList(parameters.children);
    if (ids.length < minChildren || ids.length > maxChildren) {
      const message = `(#100) A carousel takes ${minChildren} to ${maxChildren} items`;
      throw refusal(400, codes.parameter, message);
    }
    for (const id of ids) {
      const child = containers.get(id);
      const isItem = child?.owner === account.externalId && child.isCarouselItem;
      if (!child || !isItem || containers.statusOf(child) !== 'FINISHED') throw mediaNotFound(id);
    }
    return ids;
  }

  const publish: Operation = {
    name: 'threads.threads_publish',
    method: 'post',
    path: '/:version/:id/threads_publish',
    subject: ownerOf,
    async handle(call) {
      const account = requireAccount(call);
      requireScope(account, 'content_publish');
      const creationId = readText(readParameters(call).creation_id);
      if (!creationId) {
        throw refusal(400, codes.parameter, '(#100) The parameter creation_id is required');
      }
      return context.serialize(`threads ${account.externalId}`, () =>
        acceptPublish(call, account, creationId),
      );
    },
  };

  /** Runs one at a time per account, so a container is published once however often and fast it is asked for. */
  async function acceptPublish(call: Call, account: Account, creationId: string): Promise<Reply> {
    const container = containers.get(creationId);
    const isUsable = container?.owner === account.externalId && !container.isCarouselItem;
    if (!container || !isUsable || containers.statusOf(container) !== 'FINISHED') {
      throw mediaNotFound(creationId);
    }
    const { result, parentId, text } = container;
    if (!result || 'failed' in result) throw mediaNotFound(creationId);
    const isReply = parentId !== undefined;
    const most = isReply ? repliesPerDay : context.settings.get().publishesPerDay;
    if (countIn24Hours(account, isReply) >= most) {
      throw refusal(403, codes.limit, '(#4) Application request limit reached');
    }
    const publicId = `18${randomDigits(15)}`;
    await context.ledger.add({
      platform: 'threads',
      externalId: account.externalId,
      accountName: account.name,
      postType: isReply ? 'REPLY' : container.postType,
      ...{ text, rawText: text, publicId, ...result },
      ...{ handle: container.id, shortcode: randomShortcode() },
      ...(isReply && { parentId }),
      receivedAt: call.receivedAt.toISOString(),
      acceptedAt: context.now().toISOString(),
      requestId: call.requestId,
      rawBody: redactText(call.body.toString('utf8')),
    });
    return jsonReply(200, { id: publicId });
  }

  const isReplyType = (postType: PostType) => postType === 'REPLY';

  /** What the sandbox has published for an account; one setting bounds posts on Instagram and here, where 250 are real. */
  function countIn24Hours(account: Account, isReply: boolean): number {
    const since = context.now().getTime() - dayMs;
    return context.ledger
      .list({ platform: 'threads', externalId: account.externalId })
      .filter((post) => isReplyType(post.postType) === isReply && Date.parse(post.acceptedAt) > since).length;
  }

  function deletionsIn24Hours(account: Account): number {
    const since = context.now().getTime() - dayMs;
    return context.ledger
      .list({ platform: 'threads', externalId: account.externalId })
      .filter(({ removedAt }) => removedAt && Date.parse(removedAt) > since).length;
  }

  function findPost(id: string | undefined): LedgerPost | undefined {
    const post = context.ledger.findByPublicId('threads', id ?? '');
    return post?.removedAt ? undefined : post;
  }

  /** Newest first, as far as lists show it by now. */
  function listed(isShown: (post: LedgerPost) => boolean): LedgerPost[] {
    const shownBefore = context.now().getTime() - context.settings.get().listDelayMs;
    return context.ledger
      .list({ platform: 'threads' })
      .filter((post) => isShown(post) && !post.removedAt && Date.parse(post.acceptedAt) <= shownBefore)
      .reverse();
  }

  const listPosts: Operation = {
    name: 'threads.posts.list',
    method: 'get',
    path: '/:version/:id/threads',
    subject: ownerOf,
    handle(call) {
      const { externalId } = requireAccount(call);
      const fields = readFields(call, postFields, ['id']);
      const posts = listed((post) => post.externalId === externalId && !isReplyType(post.postType));
      return pageOf(call, posts, (post) => select(renderPost(call, post), fields));
    },
  };

  const listReplies: Operation = {
    name: 'threads.replies.list',
    method: 'get',
    path: '/:version/:id/replies',
    subject: (call) => findPost(call.params.id)?.externalId,
    handle(call) {
      requireVersion(call);
      const parent = findPost(call.params.id);
      const account = call.accounts.find(({ externalId }) => externalId === parent?.externalId);
      if (!parent || !account) throw gone(call.params.id);
      requireScope(account, 'read_replies');
      const fields = readFields(call, postFields, ['id']);
      const replies = listed(({ parentId }) => parentId === parent.publicId);
      if (call.query.get('reverse') === 'false') replies.reverse();
      return pageOf(call, replies, (post) => select(renderPost(call, post), fields));
    },
  };

  const deletePost: Operation = {
    name: 'threads.post.delete',
    method: 'delete',
    path: '/:version/:id',
    subject: (call) => findPost(call.params.id)?.externalId,
    async handle(call) {
      requireVersion(call);
      const post = findPost(call.params.id);
      const account = call.accounts.find(({ externalId }) => externalId === post?.externalId);
      if (!post || !account) throw gone(call.params.id);
      requireScope(account, 'threads_delete');
      if (deletionsIn24Hours(account) >= deletionsPerDay) {
        throw refusal(403, codes.limit, '(#4) Application request limit reached');
      }
      await context.ledger.remove(post.ledgerId, context.now());
      return jsonReply(200, { success: true, deleted_id: post.publicId });
    },
  };

  const publishingLimit: Operation = {
    name: 'threads.threads_publishing_limit',
    method: 'get',
    path: '/:version/:id/threads_publishing_limit',
    subject: ownerOf,
    handle(call) {
      const account = requireAccount(call);
      const config = (total: number) => ({ quota_total: total, quota_duration: 86_400 });
      const limits = {
        quota_usage: countIn24Hours(account, false),
        config: config(context.settings.get().publishesPerDay),
        reply_quota_usage: countIn24Hours(account, true),
        reply_config: config(repliesPerDay),
        delete_quota_usage: deletionsIn24Hours(account),
        delete_config: config(deletionsPerDay),
      };
      const fields = readFields(call, Object.keys(limits), ['quota_usage']);
      return jsonReply(200, { data: [pick(limits, fields)] });
    },
  };

  /** One path reads containers, posts and users. */
  const getNode: Operation = {
    name(call) {
      const id = call.params.id ?? '';
      if (containers.get(id)) return 'threads.container.status';
      return id === 'me' || speaksFor(call, id) ? 'threads.user.get' : 'threads.post.get';
    },
    method: 'get',
    path: '/:version/:id',
    subject: (call) =>
      containers.get(call.params.id ?? '')?.owner ?? findPost(call.params.id)?.externalId ?? ownerOf(call),
    handle(call) {
      requireVersion(call);
      const container = containers.get(call.params.id ?? '');
      if (container && speaksFor(call, container.owner)) {
        const fields = readFields(call, containerFields, ['id', 'status']);
        return jsonReply(200, select(renderContainer(container), fields));
      }
      const post = findPost(call.params.id);
      if (post && speaksFor(call, post.externalId)) {
        return jsonReply(200, select(renderPost(call, post), readFields(call, postFields, ['id'])));
      }
      const { externalId, name } = requireAccount(call);
      const user = { id: externalId, username: usernameOf(name), name };
      return jsonReply(200, select(user, readFields(call, userFields, ['id'])));
    },
  };

  function renderContainer(container: Container): Record<string, unknown> {
    const status = containers.statusOf(container);
    const failure = status === 'ERROR' ? containers.failureOf(container) : undefined;
    return { id: container.id, status, ...(failure && { error_message: failure }) };
  }

  function renderPost(call: Call, post: LedgerPost): Record<string, unknown> {
    const isReply = isReplyType(post.postType);
    const [firstAltText] = post.altTexts;
    return {
      ...{ id: post.publicId, media_product_type: 'THREADS', media_type: mediaTypes[post.postType] },
      permalink: permalinkOf(post, context.publicUrl),
      owner: { id: post.externalId },
      username: usernameOf(post.accountName),
      ...(post.text === '' ? {} : { text: post.text }),
      timestamp: graphTime(post.acceptedAt),
      shortcode: post.shortcode,
      ...(post.media.length === 1 && firstAltText != null ? { alt_text: firstAltText } : {}),
      is_reply: isReply,
      ...(isReply && {
        is_reply_owned_by_me: speaksFor(call, post.externalId),
        replied_to: { id: post.parentId },
      }),
    };
  }

  return {
    platform: 'threads',
    basePath: '/threads',
    operations: [createContainer, publish, listPosts, listReplies, deletePost, publishingLimit, getNode],
    authenticate: (call) => authenticate(context, 'threads', call),
    faultReplies: graphFaultReplies(codes.restricted, 'The Threads profile is restricted.'),
    unknownPath: (call) =>
      errorReply(400, { code: 2500 }, `Unknown path components: ${call.rawPath.replace('/threads', '')}`),
    commonHeaders: (call) => ({ 'x-fb-request-id': call.requestId }),
    clear: () => containers.clear(),
    resume: () => containers.resume(),
  };
}

const mediaTypes: Partial<Record<PostType, string>> = {
  TEXT_ONLY: 'TEXT_POST',
  SINGLE_IMAGE: 'IMAGE',
  VIDEO: 'VIDEO',
  CAROUSEL: 'CAROUSEL_ALBUM',
  REPLY: 'TEXT_POST',
};

const mediaNotFound = (id: string) =>
  refusal(400, codes.mediaNotFound, `The media with id ${id} cannot be found`, {
    error_user_title: 'Media Not Found',
  });

function readMedia(
  parameters: Parameters,
  kind: 'picture' | 'video',
  name: 'image_url' | 'video_url',
): Container['source'] {
  const url = readText(parameters[name]);
  if (!url || !isFetchableUrl(url)) {
    throw refusal(400, codes.parameter, `(#100) The parameter ${name} is missing or cannot be fetched`);
  }
  return { from: 'address', kind, url };
}

function readWords(parameters: Parameters): string {
  const text = readText(parameters.text) ?? '';
  if (countUnits(text) > maxTextUnits) {
    throw refusal(400, codes.parameter, `(#100) Param text must be at most ${maxTextUnits} characters long`);
  }
  const attached = readText(parameters.link_attachment);
  const links = new Set([...(text.match(/https?:\/\/[^\s]+/g) ?? []), ...(attached ? [attached] : [])]);
  if (links.size > maxLinks) {
    throw refusal(400, codes.parameter, 'THREADS_API__LINK_LIMIT_EXCEEDED');
  }
  return text;
}

const segmenter = new Intl.Segmenter('und', { granularity: 'grapheme' });

/** Characters, and an emoji by its bytes. */
function countUnits(text: string): number {
  const units = Array.from(segmenter.segment(text), ({ segment }) =>
    /\p{Emoji_Presentation}|\p{Emoji}\uFE0F/u.test(segment)
      ? Buffer.byteLength(segment)
      : [...segment].length,
  );
  return units.reduce((sum, count) => sum + count, 0);
}

function readAltText(parameters: Parameters): string | null {
  const altText = readText(parameters.alt_text);
  if (altText === undefined) return null;
  if ([...altText].length > maxAltTextCharacters) {
    const message = `(#100) alt_text has more than ${maxAltTextCharacters} characters`;
    throw refusal(400, codes.parameter, message);
  }
  return altText;
}

function checkOptions(parameters: Parameters): void {
  const { media_type: mediaType, link_attachment: link } = parameters;
  if (link !== undefined && mediaType !== 'TEXT') {
    throw refusal(400, codes.parameter, '(#100) link_attachment is for text posts');
  }
  const audience = readText(parameters.reply_control) ?? 'everyone';
  if (!audiences.includes(audience)) {
    throw refusal(400, codes.parameter, `(#100) Invalid reply_control: ${audience}`);
  }
  const topic = readText(parameters.topic_tag);
  if (topic !== undefined && !/^[^.&]{1,50}$/u.test(topic)) {
    throw refusal(400, codes.parameter, `(#100) Invalid topic_tag: ${topic}`);
  }
}
