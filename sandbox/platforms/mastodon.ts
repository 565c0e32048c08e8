import { randomInt } from 'node:crypto';
import type { Account } from '../accounts.ts';
import { hasExpired } from '../bearer.ts';
import type { SandboxContext } from '../context.ts';
import type { LedgerPost, PostType } from '../ledger.ts';
import { probeImage, type StoredMedia } from '../media.ts';
import { oauthOperations, plainErrorBody } from '../oauth-definition.ts';
import type { RunningPlatform, SandboxPlatform } from '../platform.ts';
import {
  asObject,
  bearerToken,
  type Call,
  jsonReply,
  type Operation,
  Refusal,
  type Reply,
  readMultipart,
  stringAt,
} from '../protocol.ts';

export const mastodon = {
  name: 'Mastodon',
  kinds: {
    user: { id: /^\d+$/, scopes: ['read:accounts', 'read:statuses', 'write:statuses', 'write:media'] },
  },
  operations: [
    ...oauthOperations('mastodon'),
    'mastodon.media.create',
    'mastodon.media.get',
    'mastodon.statuses.create',
    'mastodon.replies.create',
    'mastodon.statuses.get',
    'mastodon.statuses.source',
    'mastodon.statuses.list',
    'mastodon.statuses.delete',
    'mastodon.accounts.verify',
  ] as const,
  // https://docs.joinmastodon.org/methods/oauth (second-hand, read 2026-11-21): tokens do not end.
  oauth: {
    authorizePath: '/oauth/authorize',
    tokenEndpoints: [{ method: 'post', path: '/oauth/token', grants: { authorization_code: 'code' } }],
    revocation: { method: 'post', path: '/oauth/revoke' },
    ...{ pkce: 'S256', isPkceOptional: true, codeSeconds: 600, accessSeconds: null },
    ...{ refreshSeconds: null, rotates: false },
    tokenBody: ({ accessToken, scopes, issuedAt }) => ({
      ...{ access_token: accessToken, token_type: 'Bearer', scope: scopes.join(' ') },
      created_at: Math.floor(issuedAt.getTime() / 1_000),
    }),
    errorBody: plainErrorBody,
  },
  processing: {
    'slow-upload-processing': ['mastodon.media.create'],
    'failed-processing': ['mastodon.media.create'],
  },
  permalinkOf: ({ accountName, publicId }, publicUrl) =>
    `${publicUrl}/@${usernameOf(accountName)}/${publicId}`,
  create: createMastodon,
} satisfies SandboxPlatform;

/** An attachment: uploaded whole, processed, used by one post. */
interface Attachment {
  id: string;
  owner: string;
  createdAt: number;
  description: string | null;
  media: StoredMedia;
  usableAt: number;
  failed: boolean;
}

/** What an instance has unless its people changed it: https://docs.joinmastodon.org/entities/Instance */
const maxCharacters = 500;
const maxDescription = 1_500;
const maxMedia = 4;
const maxImageBytes = 16_777_216;
const maxVideoBytes = 103_809_024;
const attachmentLifeMs = 86_400_000;
const keyLifeMs = 3_600_000;
const postsPerWindow = 300;
const windowMs = 3 * 3_600_000;
const visibilities = ['public', 'unlisted', 'private', 'direct'];

/** One instance of Mastodon: posts with an idempotency key, attachments that are processed aside, answers, own lists. */
function createMastodon(context: SandboxContext): RunningPlatform {
  const shelf = context.shelf<Attachment>('mastodon-attachment');

  const createMedia: Operation = {
    name: 'mastodon.media.create',
    method: 'post',
    path: '/api/v2/media',
    isStreamed: true,
    subject: accountIdOf,
    async handle(call) {
      const account = requireScope(call, 'write:media');
      if (!call.headers['content-type']?.startsWith('multipart/form-data'))
        throw refusal(422, "Validation failed: File can't be blank");
      const id = createNumber(context.now());
      const file = context.media.upload(`mastodon ${id}`);
      let contentType: string | undefined;
      const fields = await readMultipart(call, async (part, bytes) => {
        for await (const chunk of bytes) if (part.field === 'file') await file.append(chunk as Buffer);
        if (part.field === 'file') contentType = part.contentType;
      });
      if (contentType === undefined || (await file.size()) === 0)
        throw refusal(422, "Validation failed: File can't be blank");
      const description = fields.get('description') ?? null;
      if (description !== null && [...description].length > maxDescription)
        throw refusal(
          422,
          `Validation failed: Description is too long (maximum is ${maxDescription} characters)`,
        );
      const media = await requireKnown(await file.finish(contentType));
      const slower = call.fault?.kind === 'slow-upload-processing' ? (call.fault.ms ?? 0) : 0;
      const now = context.now().getTime();
      const attachment: Attachment = {
        ...{ id, owner: account.externalId, createdAt: now, description, media },
        usableAt: now + context.settings.get().imageProcessingMs + slower,
        failed: call.fault?.kind === 'failed-processing',
      };
      await shelf.put(id, attachment);
      return jsonReply(isReady(attachment) ? 200 : 202, renderAttachment(attachment));
    },
  };

  async function requireKnown(media: StoredMedia): Promise<StoredMedia> {
    const invalid = refusal(422, 'Validation failed: File content type is invalid, File is invalid');
    if (media.contentType.startsWith('video/')) {
      if (media.bytes > maxVideoBytes) throw refusal(422, 'Validation failed: File size is too large');
      return media;
    }
    if (media.bytes > maxImageBytes) throw refusal(422, 'Validation failed: File size is too large');
    const facts = await probeImage((await context.media.read(media.sha256)) ?? Buffer.alloc(0));
    if (!facts && media.contentType !== 'image/webp') throw invalid;
    return media;
  }

  const isReady = ({ usableAt }: Attachment): boolean => context.now().getTime() >= usableAt;

  const renderAttachment = (attachment: Attachment): Record<string, unknown> => ({
    id: attachment.id,
    type: attachment.media.contentType.startsWith('video/') ? 'video' : 'image',
    url: isReady(attachment) ? `${context.publicUrl}/media/${attachment.media.sha256}` : null,
    description: attachment.description,
  });

  const getMedia: Operation = {
    name: 'mastodon.media.get',
    method: 'get',
    path: '/api/v1/media/:id',
    subject: accountIdOf,
    handle(call) {
      const attachment = findAttachment(requireScope(call, 'write:media'), call.params.id ?? '');
      if (!attachment) throw refusal(404, 'Record not found');
      if (!isReady(attachment)) return jsonReply(206, renderAttachment(attachment));
      if (attachment.failed) throw refusal(422, 'Error processing thumbnail for uploaded media');
      return jsonReply(200, renderAttachment(attachment));
    },
  };

  function findAttachment(account: Account, id: string): Attachment | undefined {
    const attachment = shelf.get(id);
    const isAlive = attachment && context.now().getTime() - attachment.createdAt < attachmentLifeMs;
    return isAlive && attachment.owner === account.externalId ? attachment : undefined;
  }

  const createStatus: Operation = {
    name: (call) =>
      asObject(call.json).in_reply_to_id === undefined
        ? 'mastodon.statuses.create'
        : 'mastodon.replies.create',
    method: 'post',
    path: '/api/v1/statuses',
    subject: accountIdOf,
    handle(call) {
      const account = requireScope(call, 'write:statuses');
      return context.serialize(`mastodon ${account.externalId}`, () => acceptStatus(call, account));
    },
  };

  /** Runs one at a time per account, so a key makes one post however often and fast it comes. */
  async function acceptStatus(call: Call, account: Account): Promise<Reply> {
    const key = call.headers['idempotency-key']?.toString();
    const earlier = key === undefined ? undefined : postByKey(account, key);
    if (earlier) return jsonReply(200, renderStatus(earlier));
    const body = asObject(call.json);
    const text = stringAt(body, 'status') ?? '';
    const attachments = readAttachments(body.media_ids, account);
    const parent = readParent(body.in_reply_to_id);
    if (text.trim() === '' && attachments.length === 0)
      throw refusal(422, "Validation failed: Text can't be blank");
    if (countCharacters(text) > maxCharacters)
      throw refusal(422, `Validation failed: Text character limit of ${maxCharacters} exceeded`);
    if (body.visibility !== undefined && !visibilities.some((one) => one === body.visibility))
      throw refusal(422, 'Validation failed: Visibility is not included in the list');
    if (remainingPosts(account) <= 0) throw new Refusal(throttled(resetOf(account)));
    const acceptedAt = context.now();
    const post = await context.ledger.add({
      platform: 'mastodon',
      externalId: account.externalId,
      accountName: account.name,
      postType: parent ? 'REPLY' : typeOf(attachments),
      text,
      rawText: text,
      altTexts: attachments.map(({ description }) => description),
      media: attachments.map(({ media }) => media),
      publicId: createNumber(acceptedAt),
      receivedAt: call.receivedAt.toISOString(),
      acceptedAt: acceptedAt.toISOString(),
      requestId: call.requestId,
      rawBody: call.body.toString('utf8'),
      content: { mediaIds: attachments.map(({ id }) => id) },
      visibility: typeof body.visibility === 'string' ? body.visibility : 'public',
      ...(parent && { parentId: parent.publicId }),
      ...(key !== undefined && { handle: `${account.externalId} ${key} ${acceptedAt.getTime()}` }),
    });
    return jsonReply(200, renderStatus(post));
  }

  function postByKey(account: Account, key: string): LedgerPost | undefined {
    const since = context.now().getTime() - keyLifeMs;
    return postsOf(account).find(
      ({ handle, acceptedAt }) =>
        handle?.startsWith(`${account.externalId} ${key} `) && Date.parse(acceptedAt) > since,
    );
  }

  function readAttachments(value: unknown, account: Account): Attachment[] {
    const ids: unknown[] = Array.isArray(value) ? value : [];
    if (ids.length > maxMedia)
      throw refusal(422, `Validation failed: Cannot attach more than ${maxMedia} files`);
    const attachments = ids.map((id) => findAttachment(account, String(id)));
    const found = attachments.filter((one) => one !== undefined);
    if (found.length < ids.length || found.some(({ id }) => isUsed(account, id)))
      throw refusal(
        422,
        `Validation failed: Media ${ids.join(', ')} not found or already attached to another post`,
      );
    if (found.some((one) => !isReady(one)))
      throw refusal(
        422,
        'Validation failed: Cannot attach files that have not finished processing. Try again in a moment!',
      );
    const videos = found.filter(({ media }) => media.contentType.startsWith('video/'));
    if (videos.length > 0 && found.length > 1)
      throw refusal(422, 'Validation failed: Cannot attach a video to a post that already contains images');
    return found;
  }

  const mediaIdsOf = ({ content }: LedgerPost): unknown[] => {
    const ids: unknown = asObject(content).mediaIds;
    return Array.isArray(ids) ? ids : [];
  };
  const isUsed = (account: Account, id: string): boolean =>
    postsOf(account).some((post) => mediaIdsOf(post).includes(id));

  function readParent(value: unknown): LedgerPost | undefined {
    if (value === undefined || value === null) return undefined;
    const parent = context.ledger.findByPublicId('mastodon', String(value));
    if (!parent || parent.removedAt)
      throw refusal(404, 'The post you are trying to reply to does not appear to exist.');
    return parent;
  }

  const postsOf = ({ externalId }: Account): LedgerPost[] =>
    context.ledger.list({ platform: 'mastodon', externalId }).filter(({ removedAt }) => !removedAt);

  function postsInWindow({ externalId }: Account): LedgerPost[] {
    const since = context.now().getTime() - windowMs;
    const posts = context.ledger.list({ platform: 'mastodon', externalId });
    return posts.filter(({ receivedAt }) => Date.parse(receivedAt) > since);
  }

  const remainingPosts = (account: Account): number => postsPerWindow - postsInWindow(account).length;

  function resetOf(account: Account): string {
    const first = postsInWindow(account)[0];
    const from = first ? Date.parse(first.receivedAt) : context.now().getTime();
    return new Date(from + windowMs).toISOString();
  }

  function requireStatus(call: Call): LedgerPost {
    const post = context.ledger.findByPublicId('mastodon', call.params.id ?? '');
    if (!post || post.removedAt) throw refusal(404, 'Record not found');
    return post;
  }

  function requireOwnStatus(call: Call, account: Account): LedgerPost {
    const post = requireStatus(call);
    if (post.externalId !== account.externalId) throw refusal(404, 'Record not found');
    return post;
  }

  const getStatus: Operation = {
    name: 'mastodon.statuses.get',
    method: 'get',
    path: '/api/v1/statuses/:id',
    subject: accountIdOf,
    handle(call) {
      requireScope(call, 'read:statuses');
      return jsonReply(200, renderStatus(requireStatus(call)));
    },
  };

  const getSource: Operation = {
    name: 'mastodon.statuses.source',
    method: 'get',
    path: '/api/v1/statuses/:id/source',
    subject: accountIdOf,
    handle(call) {
      const { publicId, text } = requireOwnStatus(call, requireScope(call, 'read:statuses'));
      return jsonReply(200, { id: publicId, text, spoiler_text: '' });
    },
  };

  const deleteStatus: Operation = {
    name: 'mastodon.statuses.delete',
    method: 'delete',
    path: '/api/v1/statuses/:id',
    subject: accountIdOf,
    async handle(call) {
      const post = requireOwnStatus(call, requireScope(call, 'write:statuses'));
      await context.ledger.remove(post.ledgerId, context.now());
      return jsonReply(200, { ...renderStatus(post), text: post.text });
    },
  };

  const listStatuses: Operation = {
    name: 'mastodon.statuses.list',
    method: 'get',
    path: '/api/v1/accounts/:id/statuses',
    subject: (call) => call.params.id,
    handle(call) {
      const account = requireScope(call, 'read:statuses');
      if (call.params.id !== account.externalId) throw refusal(404, 'Record not found');
      const limit = Math.min(40, Number(call.query.get('limit') ?? 20));
      const before = call.query.get('max_id');
      const shownBefore = context.now().getTime() - context.settings.get().listDelayMs;
      const posts = postsOf(account).filter(
        ({ publicId, acceptedAt }) =>
          Date.parse(acceptedAt) <= shownBefore && (before === null || BigInt(publicId) < BigInt(before)),
      );
      return jsonReply(200, posts.reverse().slice(0, limit).map(renderStatus));
    },
  };

  const verify: Operation = {
    name: 'mastodon.accounts.verify',
    method: 'get',
    path: '/api/v1/accounts/verify_credentials',
    subject: accountIdOf,
    handle(call) {
      const { externalId, name } = requireScope(call, 'read:accounts');
      const username = usernameOf(name);
      return jsonReply(200, { id: externalId, username, acct: username, display_name: name, moved: null });
    },
  };

  function renderStatus(post: LedgerPost): Record<string, unknown> {
    const attachments = mediaIdsOf(post).map((id) => shelf.get(String(id)));
    return {
      id: post.publicId,
      created_at: post.acceptedAt,
      in_reply_to_id: post.parentId ?? null,
      visibility: post.visibility,
      url: mastodon.permalinkOf(post, context.publicUrl),
      content: `<p>${escapeHtml(post.text)}</p>`,
      media_attachments: attachments.filter((one) => one !== undefined).map(renderAttachment),
    };
  }

  return {
    platform: 'mastodon',
    basePath: '/mastodon',
    operations: [
      ...[createMedia, getMedia, createStatus, getStatus, getSource],
      ...[deleteStatus, verify, listStatuses],
    ],
    authenticate: (call) => authenticate(context, call),
    faultReplies: {
      refuse: ({ status, message }) =>
        errorReply(status ?? 422, message ?? "Validation failed: Text can't be blank"),
      throttle: ({ message, retryAfterSeconds }) => {
        const reset = new Date(context.now().getTime() + (retryAfterSeconds ?? 0) * 1000).toISOString();
        return retryAfterSeconds === undefined
          ? errorReply(429, message ?? 'Too many requests')
          : throttled(reset, message);
      },
      expiredToken: () => errorReply(401, 'The access token expired'),
      serverError: ({ status, message }) =>
        errorReply(status ?? 503, message ?? 'There was a temporary problem serving your request'),
    },
    unknownPath: () => errorReply(404, 'Record not found'),
    commonHeaders: (call) => {
      const [account] = call.accounts;
      return {
        'x-request-id': call.requestId,
        ...(account && {
          'x-ratelimit-limit': String(postsPerWindow),
          'x-ratelimit-remaining': String(Math.max(0, remainingPosts(account))),
          'x-ratelimit-reset': resetOf(account),
        }),
      };
    },
    clear: () => shelf.clear(),
  };
}

function authenticate(context: SandboxContext, call: Call): Account[] {
  const token = bearerToken(call);
  const accounts = token === undefined ? [] : context.accounts.findByToken('mastodon', token);
  if (accounts.length === 0) throw refusal(401, 'The access token is invalid');
  if (hasExpired(accounts, context.now())) throw refusal(401, 'The access token expired');
  return accounts;
}

function accountIdOf(call: Call): string | undefined {
  return call.accounts[0]?.externalId;
}

/** A token is one account's; a scope holds everything below it. */
function requireScope(call: Call, scope: string): Account {
  const account = call.accounts[0]!;
  const whole = scope.split(':')[0]!;
  if (!account.scopes.includes(scope) && !account.scopes.includes(whole))
    throw refusal(403, 'This action is outside the authorized scopes');
  return account;
}

function typeOf(attachments: readonly Attachment[]): PostType {
  if (attachments.length === 0) return 'TEXT_ONLY';
  if (attachments[0]!.media.contentType.startsWith('video/')) return 'VIDEO';
  return attachments.length === 1 ? 'SINGLE_IMAGE' : 'CAROUSEL';
}

const segmenter = new Intl.Segmenter('und', { granularity: 'grapheme' });

/** What a reader takes for characters; an address counts 23. */
function countCharacters(text: string): number {
  const shortened = text.replace(/https?:\/\/\S+/giu, 'x'.repeat(23));
  return [...segmenter.segment(shortened)].length;
}

const usernameOf = (name: string): string => name.replace(/\W+/g, '_');

const escapeHtml = (text: string): string =>
  text.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;');

/** Ids carry the time in their upper bits. */
const createNumber = (at: Date): string => String((BigInt(at.getTime()) << 16n) | BigInt(randomInt(2 ** 16)));

const errorReply = (status: number, error: string): Reply => jsonReply(status, { error });
const refusal = (status: number, error: string): Refusal => new Refusal(errorReply(status, error));

const throttled = (reset: string, message = 'Too many requests'): Reply =>
  jsonReply(429, { error: message }, { 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': reset });
