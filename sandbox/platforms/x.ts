import { createHash } from 'node:crypto';
import twitter from 'twitter-text';
import type { Account } from '../accounts.ts';
import type { SandboxContext } from '../context.ts';
import type { LedgerPost, PostType } from '../ledger.ts';
import { oauthOperations } from '../oauth-definition.ts';
import type { RunningPlatform, SandboxPlatform } from '../platform.ts';
import {
  asObject,
  type Call,
  jsonReply,
  type Operation,
  Refusal,
  type Reply,
  stringAt,
} from '../protocol.ts';
import { createUploads, mediaKeyOf, type XMedia } from './x-media.ts';
import {
  accountIdOf,
  authenticate,
  createNumber,
  forbidden,
  invalid,
  missing,
  notFound,
  oauthError,
  problem,
  refusal,
  requireJson,
  requireScope,
  throttled,
  unauthorized,
} from './x-protocol.ts';

export const x = {
  name: 'X',
  kinds: {
    user: {
      id: /^\d{1,19}$/,
      scopes: ['tweet.read', 'tweet.write', 'users.read', 'media.write', 'offline.access'],
    },
  },
  operations: [
    ...oauthOperations('x'),
    'x.media.upload',
    'x.media.initialize',
    'x.media.append',
    'x.media.finalize',
    'x.media.status',
    'x.metadata.create',
    'x.posts.create',
    'x.replies.create',
    'x.posts.get',
    'x.posts.delete',
    'x.posts.list',
    'x.posts.search',
    'x.users.me',
  ] as const,
  // https://docs.x.com/fundamentals/authentication/oauth-2-0/authorization-code (read 2026-11-21); the life of a refresh
  // token and the words of refusals are second-hand.
  oauth: {
    authorizePath: '/i/oauth2/authorize',
    tokenEndpoints: [
      {
        ...{ method: 'post', path: '/2/oauth2/token' },
        grants: { authorization_code: 'code', refresh_token: 'refresh' },
      },
    ],
    revocation: { method: 'post', path: '/2/oauth2/revoke', body: { revoked: true } },
    ...{ clientAuth: 'basic', pkce: 'S256', codeSeconds: 30, accessSeconds: 7_200 },
    ...{ refreshSeconds: 15_552_000, rotates: true },
    isOffline: ({ scopes }) => scopes.includes('offline.access'),
    tokenBody: ({ accessToken, refreshToken, expiresInSeconds, scopes }) => ({
      ...{ token_type: 'bearer', expires_in: expiresInSeconds, access_token: accessToken },
      ...{ scope: scopes.join(' '), ...(refreshToken && { refresh_token: refreshToken }) },
    }),
    errorBody: oauthError,
  },
  processing: {
    'slow-upload-processing': ['x.media.finalize'],
    'failed-processing': ['x.media.finalize'],
  },
  // X leads from here to the post under its author's name; clients compute it.
  permalinkOf: ({ publicId }, publicUrl) => `${publicUrl}/i/web/status/${publicId}`,
  create: createX,
} satisfies SandboxPlatform;

/** Limits as documented: https://docs.x.com/fundamentals/counting-characters and https://docs.x.com/x-api/fundamentals/rate-limits */
const maxTextWeight = 280;
const maxImages = 4;
const postsPerWindow = 100;
const windowMs = 900_000;
const searchedMs = 7 * 86_400_000;

const postFields = [
  'text',
  'media',
  'reply',
  'reply_settings',
  'community_id',
  'made_with_ai',
  'paid_partnership',
  'quote_tweet_id',
  'poll',
  'geo',
  'for_super_followers_only',
  'nullcast',
  'edit_options',
  'share_with_followers',
  'card_uri',
  'direct_message_deep_link',
];
const replySettings = ['following', 'mentionedUsers', 'subscribers', 'verified'];

/**
 * X's API v2 for one account: posts with text, pictures or a video, answers in a conversation, uploads at once and in
 * segments, reads of the account's own posts. As a self-serve application meets it: answers to others, quotes and
 * advertisements are refused.
 */
function createX(context: SandboxContext): RunningPlatform {
  const uploads = createUploads(context);

  const createPost: Operation = {
    name: (call) => (asObject(call.json).reply === undefined ? 'x.posts.create' : 'x.replies.create'),
    method: 'post',
    path: '/2/tweets',
    subject: accountIdOf,
    async handle(call) {
      const account = requireScope(call, 'tweet.write');
      const body = requireJson(call, postFields);
      return context.serialize(`x ${account.externalId}`, () => acceptPost(call, body, account));
    },
  };

  /** Runs one at a time per account, so of two equal texts one is the duplicate. */
  async function acceptPost(call: Call, body: Record<string, unknown>, account: Account): Promise<Reply> {
    if (remainingPosts(account) <= 0) throw new Refusal(throttled(resetOf(account)));
    requireSelfServe(body);
    const text = (stringAt(body, 'text') ?? '').normalize('NFC').trim();
    const media = readMedia(body.media, account);
    const parent = readParent(body.reply, account);
    if (text === '' && media.length === 0) throw invalid('Requires at least one of text or media.');
    if (weightOf(text) > maxTextWeight)
      throw forbidden('Your Tweet text is too long. For more information, please see the help page.');
    if (twitter.extractCashtags(text).length > 1) throw forbidden('A post may carry one cashtag.');
    const acceptedAt = context.now();
    if (text !== '' && findDuplicate(account, text, acceptedAt))
      throw forbidden('You are not allowed to create a Tweet with duplicate content.');
    const publicId = createNumber(acceptedAt);
    await context.ledger.add({
      platform: 'x',
      externalId: account.externalId,
      accountName: account.name,
      postType: parent ? 'REPLY' : typeOf(media),
      text,
      rawText: stringAt(body, 'text') ?? '',
      altTexts: media.map(({ altText }) => altText),
      media: media.map(({ stored }) => stored!.media),
      publicId,
      receivedAt: call.receivedAt.toISOString(),
      acceptedAt: acceptedAt.toISOString(),
      requestId: call.requestId,
      rawBody: call.body.toString('utf8'),
      content: {
        mediaKeys: media.map(mediaKeyOf),
        conversationId: parent ? conversationOf(parent) : publicId,
      },
      ...(parent && { parentId: parent.publicId }),
    });
    const data = { id: publicId, text: renderText(publicId, text, media.length > 0).text };
    return jsonReply(201, { data: { ...data, edit_history_tweet_ids: [publicId] } });
  }

  function readMedia(value: unknown, account: Account): XMedia[] {
    if (value === undefined) return [];
    const ids: unknown = asObject(value).media_ids;
    if (!Array.isArray(ids) || ids.length === 0 || ids.length > maxImages)
      throw invalid(`$.media.media_ids: must have 1 to ${maxImages} items`);
    const media = ids.map((id) => uploads.findMedia(account, String(id)));
    const isUsable = media.every(
      (one) => one?.stored && !one.stored.failed && one.stored.usableAt <= context.now().getTime(),
    );
    if (!isUsable) {
      throw refusal(
        400,
        'invalid-request',
        'Invalid Request',
        'One or more parameters to your request was invalid.',
        {
          errors: [{ parameters: { 'media.media_ids': ids }, message: 'Your media IDs are invalid.' }],
        },
      );
    }
    const found = media.filter((one) => one !== undefined);
    if (found.length > 1 && found.some(({ category }) => category === 'tweet_video'))
      throw invalid('A post takes up to four pictures or one video.');
    return found;
  }

  /** A self-serve application answers its own account's posts, and those of others that name it, which none here do. */
  function readParent(value: unknown, account: Account): LedgerPost | undefined {
    if (value === undefined) return undefined;
    const id = stringAt(value, 'in_reply_to_tweet_id');
    if (id === undefined) throw invalid('$.reply.in_reply_to_tweet_id: is missing but it is required');
    const parent = context.ledger.findByPublicId('x', id);
    if (!parent || parent.removedAt)
      throw forbidden('You attempted to reply to a Tweet that is deleted or not visible to you.');
    if (parent.externalId !== account.externalId)
      throw forbidden('Reply to this conversation is not allowed: you have not been mentioned.');
    return parent;
  }

  function findDuplicate(account: Account, text: string, at: Date): LedgerPost | undefined {
    const since = at.getTime() - context.settings.get().duplicateWindowMs;
    return postsOf(account).find((post) => post.text === text && Date.parse(post.acceptedAt) > since);
  }

  const postsOf = ({ externalId }: Account): LedgerPost[] =>
    context.ledger.list({ platform: 'x', externalId }).filter(({ removedAt }) => !removedAt);

  function postsInWindow({ externalId }: Account): LedgerPost[] {
    const since = context.now().getTime() - windowMs;
    return context.ledger
      .list({ platform: 'x', externalId })
      .filter(({ receivedAt }) => Date.parse(receivedAt) > since);
  }

  const remainingPosts = (account: Account): number => postsPerWindow - postsInWindow(account).length;

  /** When the window that is open ends, in seconds since 1970. */
  function resetOf(account: Account): number {
    const first = postsInWindow(account)[0];
    const from = first ? Date.parse(first.receivedAt) : context.now().getTime();
    return Math.ceil((from + windowMs) / 1000);
  }

  const listPosts: Operation = {
    name: 'x.posts.list',
    method: 'get',
    path: '/2/users/:id/tweets',
    subject: (call) => call.params.id,
    handle(call) {
      const account = requireScope(call, 'tweet.read', 'users.read');
      if (call.params.id !== account.externalId) throw notFound('id', call.params.id ?? '');
      return renderPage(call, visible(postsOf(account)), 5, 'pagination_token');
    },
  };

  const searchPosts: Operation = {
    name: 'x.posts.search',
    method: 'get',
    path: '/2/tweets/search/recent',
    subject: accountIdOf,
    handle(call) {
      const account = requireScope(call, 'tweet.read', 'users.read');
      const query = call.query.get('query') ?? '';
      const match = /^conversation_id:(\d+) from:(\d+)$/.exec(query);
      if (!match) throw invalid('The sandbox searches for conversation_id:… from:… only.');
      const posts = postsOf(account).filter(
        (post) => conversationOf(post) === match[1] && post.externalId === match[2],
      );
      const oldest = context.now().getTime() - searchedMs;
      const startTime = call.query.get('start_time');
      if (startTime !== null && Date.parse(startTime) < oldest)
        throw invalid("'start_time' must be on or after seven days ago.");
      return renderPage(call, visible(posts), 10, 'next_token');
    },
  };

  const visible = (posts: LedgerPost[]): LedgerPost[] => {
    const shownBefore = context.now().getTime() - context.settings.get().listDelayMs;
    return posts.filter((post) => Date.parse(post.acceptedAt) <= shownBefore).reverse();
  };

  function renderPage(call: Call, posts: LedgerPost[], minimum: number, pageParameter: string): Reply {
    const size = Number(call.query.get('max_results') ?? 10);
    if (!Number.isInteger(size) || size < minimum || size > 100)
      throw invalid(`The \`max_results\` query parameter value [${size}] is not between ${minimum} and 100`);
    const startTime = call.query.get('start_time');
    if (startTime !== null && !/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/.test(startTime))
      throw invalid(`The \`start_time\` query parameter value [${startTime}] is not a valid date`);
    const since = startTime === null ? 0 : Date.parse(startTime);
    const listed = posts.filter(({ acceptedAt }) => Date.parse(acceptedAt) >= since);
    const start = Number(call.query.get(pageParameter) ?? 0);
    const page = listed.slice(start, start + size);
    const next = start + size < listed.length ? { next_token: String(start + size) } : {};
    if (page.length === 0) return jsonReply(200, { meta: { result_count: 0 } });
    const fields = (call.query.get('tweet.fields') ?? '').split(',');
    return jsonReply(200, {
      data: page.map((post) => renderPost(post, fields)),
      meta: {
        result_count: page.length,
        newest_id: page[0]!.publicId,
        oldest_id: page.at(-1)!.publicId,
        ...next,
      },
    });
  }

  const getPost: Operation = {
    name: 'x.posts.get',
    method: 'get',
    path: '/2/tweets/:id',
    subject: accountIdOf,
    handle(call) {
      requireScope(call, 'tweet.read', 'users.read');
      const post = context.ledger.findByPublicId('x', call.params.id ?? '');
      // X answers 200 to a post that is not there, and says so beside the data it has not.
      if (!post || post.removedAt) return jsonReply(200, { errors: [missing('id', call.params.id ?? '')] });
      const fields = (call.query.get('tweet.fields') ?? '').split(',');
      return jsonReply(200, { data: renderPost(post, fields) });
    },
  };

  const deletePost: Operation = {
    name: 'x.posts.delete',
    method: 'delete',
    path: '/2/tweets/:id',
    subject: accountIdOf,
    async handle(call) {
      const account = requireScope(call, 'tweet.write');
      const post = context.ledger.findByPublicId('x', call.params.id ?? '');
      if (!post || post.removedAt) throw notFound('id', call.params.id ?? '');
      if (post.externalId !== account.externalId)
        throw forbidden('You are not authorized to delete this Tweet.');
      await context.ledger.remove(post.ledgerId, context.now());
      return jsonReply(200, { data: { deleted: true } });
    },
  };

  const me: Operation = {
    name: 'x.users.me',
    method: 'get',
    path: '/2/users/me',
    subject: accountIdOf,
    handle(call) {
      const { externalId, name } = requireScope(call, 'users.read', 'tweet.read');
      return jsonReply(200, { data: { id: externalId, name, username: usernameOf(name) } });
    },
  };

  return {
    platform: 'x',
    basePath: '/x',
    operations: [...uploads.operations, ...[createPost, searchPosts, listPosts, getPost, deletePost, me]],
    authenticate: (call) => authenticate(context, call),
    faultReplies: {
      refuse: ({ status: code, message }) =>
        problem(code ?? 403, null, 'Forbidden', message ?? 'You are not permitted to perform this action.'),
      throttle: ({ status: code, message, retryAfterSeconds }) => {
        const seconds = Math.ceil(context.now().getTime() / 1000) + (retryAfterSeconds ?? 0);
        const reset: Record<string, string> =
          retryAfterSeconds === undefined ? {} : { 'x-rate-limit-reset': String(seconds) };
        const reply = problem(code ?? 429, null, 'Too Many Requests', message ?? 'Too Many Requests');
        return { ...reply, headers: { ...reply.headers, 'x-rate-limit-remaining': '0', ...reset } };
      },
      expiredToken: () => unauthorized(),
      serverError: ({ status: code, message }) =>
        problem(code ?? 503, null, 'Service Unavailable', message ?? 'Service Unavailable'),
    },
    unknownPath: (call) => problem(404, null, 'Not Found', `No such path: ${call.rawPath}`),
    commonHeaders: (call) => {
      const [account] = call.accounts;
      return {
        'x-transaction-id': call.requestId,
        ...(account && {
          'x-rate-limit-limit': String(postsPerWindow),
          'x-rate-limit-remaining': String(Math.max(0, remainingPosts(account))),
          'x-rate-limit-reset': String(resetOf(account)),
        }),
      };
    },
    clear: () => uploads.clear(),
  };
}

function requireSelfServe(body: Record<string, unknown>): void {
  const setting = body.reply_settings;
  if (setting !== undefined && !replySettings.some((one) => one === setting))
    throw invalid(`$.reply_settings: does not have a value in the enumeration [${replySettings.join(', ')}]`);
  for (const name of ['made_with_ai', 'paid_partnership']) {
    if (body[name] !== undefined && typeof body[name] !== 'boolean')
      throw invalid(`$.${name}: is no boolean`);
  }
  if (body.community_id !== undefined && !/^[0-9]{1,19}$/.test(String(body.community_id)))
    throw invalid('$.community_id: does not match the regex pattern ^[0-9]{1,19}$');
  const closed = ['quote_tweet_id', 'nullcast', 'edit_options'].find((name) => body[name] !== undefined);
  if (closed) throw forbidden(`You are not permitted to use ${closed}.`);
}

const emojiProperty = '\\p{RGI_Emoji}';
const emojiSequence = new RegExp(emojiProperty, 'gv');

/** Every emoji weighs the same, also one that X's own library takes to pieces. */
const weightOf = (text: string): number =>
  twitter.parseTweet(text.replace(emojiSequence, '\u{1F600}')).weightedLength;

function typeOf(media: readonly XMedia[]): PostType {
  if (media.length === 0) return 'TEXT_ONLY';
  if (media.some(({ category }) => category === 'tweet_video')) return 'VIDEO';
  return media.length === 1 ? 'SINGLE_IMAGE' : 'CAROUSEL';
}

const conversationOf = ({ content, publicId }: LedgerPost): string =>
  stringAt(content, 'conversationId') ?? publicId;

const usernameOf = (name: string): string => name.replace(/\W+/g, '_').slice(0, 15);

/** Only what was asked for, besides id and text. */
function renderPost(post: LedgerPost, fields: readonly string[]): Record<string, unknown> {
  const mediaKeys: unknown = asObject(post.content).mediaKeys;
  const hasMedia = Array.isArray(mediaKeys) && mediaKeys.length > 0;
  const { text, urls } = renderText(post.publicId, post.text, hasMedia);
  const whole: Record<string, unknown> = {
    created_at: post.acceptedAt,
    ...(urls.length > 0 && { entities: { urls } }),
    ...(hasMedia && { attachments: { media_keys: mediaKeys } }),
    ...(post.parentId && { referenced_tweets: [{ type: 'replied_to', id: post.parentId }] }),
    conversation_id: conversationOf(post),
  };
  const asked = Object.entries(whole).filter(([name]) => fields.includes(name));
  return { id: post.publicId, text, edit_history_tweet_ids: [post.publicId], ...Object.fromEntries(asked) };
}

/** As X shows a text: escaped, its links shortened and named beside it, a link to its media behind it. */
function renderText(publicId: string, text: string, hasMedia: boolean) {
  const escaped = (part: string): string =>
    part.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;');
  const urls: Record<string, unknown>[] = [];
  let shown = '';
  let end = 0;
  for (const { url, indices } of twitter.extractUrlsWithIndices(text)) {
    const short = shortLink(`${publicId} ${urls.length}`);
    urls.push({ url: short, expanded_url: /^https?:/i.test(url) ? url : `http://${url}`, display_url: url });
    shown += escaped(text.slice(end, indices[0])) + short;
    end = indices[1];
  }
  shown += escaped(text.slice(end));
  if (!hasMedia) return { text: shown, urls };
  const short = shortLink(`${publicId} media`);
  const expanded = `https://x.com/sandbox/status/${publicId}/photo/1`;
  urls.push({ url: short, expanded_url: expanded, display_url: 'pic.x.com/sandbox', media_key: 'own' });
  return { text: `${shown} ${short}`.trim(), urls };
}

const shortLink = (seed: string): string =>
  `https://t.co/${createHash('sha256').update(seed).digest('hex').slice(0, 10)}`;
