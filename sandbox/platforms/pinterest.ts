import { randomBytes, randomInt } from 'node:crypto';
import type { Account } from '../accounts.ts';
import { accountsOfBearer } from '../bearer.ts';
import type { SandboxContext } from '../context.ts';
import { type LedgerPost, permalinkOf } from '../ledger.ts';
import { probeImage, type StoredMedia } from '../media.ts';
import { oauthOperations } from '../oauth-definition.ts';
import type { RunningPlatform, SandboxPlatform } from '../platform.ts';
import {
  asObject,
  type Call,
  jsonReply,
  type Operation,
  Refusal,
  type Reply,
  readMultipart,
  stringAt,
} from '../protocol.ts';

export const pinterest = {
  name: 'Pinterest',
  kinds: {
    user: {
      id: /^[\w-]+$/,
      scopes: ['boards:read', 'boards:write', 'pins:read', 'pins:write', 'user_accounts:read'],
    },
  },
  operations: [
    ...oauthOperations('pinterest'),
    'pinterest.pins.create',
    'pinterest.pins.get',
    'pinterest.pins.delete',
    'pinterest.boards.list',
    'pinterest.boards.pins',
    'pinterest.media.create',
    'pinterest.media.upload',
    'pinterest.media.get',
    'pinterest.user_account.get',
  ] as const,
  // https://github.com/pinterest/api-description, v5/openapi.yaml, /oauth/token (read 2026-11-21). How long a code lives, and
  // what becomes of the family of a refresh token that is used again, is not documented.
  oauth: {
    authorizePath: '/oauth/',
    tokenEndpoints: [
      {
        ...{ method: 'post', path: '/v5/oauth/token' },
        grants: { authorization_code: 'code', refresh_token: 'refresh' },
      },
    ],
    ...{ clientAuth: 'basic', scopeSeparator: ',', pkce: 'none', codeSeconds: 600 },
    ...{ accessSeconds: 2_592_000, refreshSeconds: 5_184_000, rotates: true, sparesFamily: true },
    tokenBody: ({ accessToken, refreshToken, expiresInSeconds, refreshExpiresInSeconds, ...given }) => ({
      ...{ response_type: given.grant === 'code' ? 'authorization_code' : 'refresh_token' },
      ...{ access_token: accessToken, token_type: 'bearer', expires_in: expiresInSeconds },
      ...{ refresh_token: refreshToken, refresh_token_expires_in: refreshExpiresInSeconds },
      refresh_token_expires_at: Math.floor(given.issuedAt.getTime() / 1_000) + (refreshExpiresInSeconds ?? 0),
      scope: given.scopes.join(' '),
    }),
    errorBody: (code, message) => ({
      status: code === 'invalid_client' ? 401 : 400,
      body: { code: 2, message },
    }),
  },
  processing: {
    'slow-upload-processing': ['pinterest.media.upload'],
    'failed-processing': ['pinterest.media.upload'],
  },
  permalinkOf: ({ publicId }, publicUrl) => `${publicUrl}/pin/${publicId}/`,
  create: createPinterest,
} satisfies SandboxPlatform;

/** A video: registered, uploaded to the storage host, processed, pinned. */
interface PinterestMedia {
  mediaId: string;
  /** The account. */
  owner: string;
  /** What opens the storage host for this file. */
  parameters: Record<string, string>;
  uploadExpiresAt: number;
  upload?: { media: StoredMedia; readyAt: number; failed: boolean };
}

type MediaStatus = 'registered' | 'processing' | 'succeeded' | 'failed';

/** Limits of https://github.com/pinterest/api-description, v5/openapi.yaml */
const maxTitle = 100;
const maxDescription = 800;
const maxLink = 2_048;
const maxAltText = 500;
const minItems = 2;
const maxItems = 5;
const maxPageSize = 250;
const maxImageBytes = 20_000_000;
/** A board that nobody has; every other id of digits is a board of whoever names it. */
const missingBoard = '404';

/** What a pin is made of. */
interface Source {
  postType: 'SINGLE_IMAGE' | 'CAROUSEL' | 'VIDEO';
  media: StoredMedia[];
}

/** Pinterest's API v5: pins of pictures by address and of uploaded videos, boards' pins, removal. */
function createPinterest(context: SandboxContext): RunningPlatform {
  const videos = context.shelf<PinterestMedia>('pinterest-media');
  const saveVideo = (video: PinterestMedia) => videos.put(video.mediaId, video);

  function statusOf({ upload }: PinterestMedia): MediaStatus {
    if (!upload) return 'registered';
    if (context.now().getTime() < upload.readyAt) return 'processing';
    return upload.failed ? 'failed' : 'succeeded';
  }

  const createPin: Operation = {
    name: 'pinterest.pins.create',
    method: 'post',
    path: '/v5/pins',
    subject,
    async handle(call) {
      const account = requireAccount(call, 'boards:write', 'pins:write');
      const body = requireBody(call);
      const board = readId(body, 'board_id');
      if (board === missingBoard) throw refusal(404, 40, 'Board not found.');
      const section = body.board_section_id === undefined ? null : readId(body, 'board_section_id');
      const text = readText(body, 'description', maxDescription);
      const title = readText(body, 'title', maxTitle);
      const link = readText(body, 'link', maxLink);
      const altText = readText(body, 'alt_text', maxAltText);
      const { postType, media } = await readSource(account, asObject(body.media_source));
      const post = await context.ledger.add({
        platform: 'pinterest',
        externalId: account.externalId,
        accountName: account.name,
        postType,
        text,
        rawText: text,
        ...(title !== '' && { title }),
        // A pin has one alternative text, and the pictures of a carousel none.
        altTexts: media.map(() => (media.length === 1 && altText !== '' ? altText : null)),
        media,
        publicId: randomDigits(18),
        receivedAt: call.receivedAt.toISOString(),
        acceptedAt: context.now().toISOString(),
        requestId: call.requestId,
        rawBody: call.body.toString('utf8'),
        content: { board, section, link },
      });
      return jsonReply(201, renderPin(post));
    },
  };

  function readSource(account: Account, source: Record<string, unknown>): Promise<Source> {
    switch (source.source_type) {
      case 'image_url':
        return readImages([source], 'SINGLE_IMAGE');
      case 'multiple_image_urls':
        return readImages(readItems(source), 'CAROUSEL');
      case 'video_id':
        return readVideo(account, source);
      default:
        throw invalid(`${JSON.stringify(source.source_type)} is not a source_type that the sandbox takes`);
    }
  }

  async function readImages(
    items: Record<string, unknown>[],
    postType: 'SINGLE_IMAGE' | 'CAROUSEL',
  ): Promise<Source> {
    const pictures = await Promise.all(items.map((item) => fetchImage(stringAt(item, 'url') ?? '')));
    const sizes = new Set(pictures.map(({ size }) => size));
    if (sizes.size > 1) throw invalid('All images of a carousel must have the same dimensions');
    return { postType, media: pictures.map(({ media }) => media) };
  }

  /** Pinterest fetches a picture before it answers. */
  async function fetchImage(url: string): Promise<{ media: StoredMedia; size: string }> {
    const bytes = await download(url);
    const facts = await probeImage(bytes);
    if (!facts || facts.contentType === 'image/gif' || bytes.length > maxImageBytes) {
      throw invalid('The image is broken, too large or of a format that is not supported');
    }
    const media = await context.media.put(bytes, facts.contentType);
    return { media, size: `${facts.width} x ${facts.height}` };
  }

  async function download(url: string): Promise<Buffer> {
    const timeout = AbortSignal.timeout(context.settings.get().mediaFetchTimeoutMs);
    const signal = AbortSignal.any([timeout, context.halted()]);
    const answer = await context.fetch(url, { redirect: 'manual', signal }).catch(() => null);
    if (answer?.status !== 200)
      throw refusal(400, 1, 'Unable to reach the URL. Please check it and try again.');
    return Buffer.from(await answer.arrayBuffer());
  }

  async function readVideo(account: Account, source: Record<string, unknown>): Promise<Source> {
    const video = videos.get(stringAt(source, 'media_id') ?? '');
    if (video?.owner !== account.externalId) throw refusal(404, 40, 'Media not found.');
    const status = statusOf(video);
    if (status !== 'succeeded' || !video.upload) throw invalid(`The media is ${status}`);
    const cover = stringAt(source, 'cover_image_url');
    const second = source.cover_image_key_frame_time;
    if (cover !== undefined) await fetchImage(cover);
    else if (!Number.isInteger(second) || Number(second) < 0) {
      throw invalid('Missing a cover: cover_image_url or cover_image_content_type is required');
    }
    return { postType: 'VIDEO', media: [video.upload.media] };
  }

  const findPin = (call: Call): LedgerPost => {
    const post = context.ledger.findByPublicId('pinterest', call.params.pin ?? '');
    if (!post || post.removedAt || post.externalId !== subject(call)) {
      throw refusal(404, 50, 'Pin not found.');
    }
    return post;
  };

  const getPin: Operation = {
    name: 'pinterest.pins.get',
    method: 'get',
    path: '/v5/pins/:pin',
    subject,
    handle(call) {
      requireAccount(call, 'boards:read', 'pins:read');
      return jsonReply(200, renderPin(findPin(call)));
    },
  };

  const deletePin: Operation = {
    name: 'pinterest.pins.delete',
    method: 'delete',
    path: '/v5/pins/:pin',
    subject,
    async handle(call) {
      requireAccount(call, 'boards:write', 'pins:write');
      await context.ledger.remove(findPin(call).ledgerId, context.now());
      return { status: 204 };
    },
  };

  const listBoards: Operation = {
    name: 'pinterest.boards.list',
    method: 'get',
    path: '/v5/boards',
    subject,
    handle(call) {
      requireAccount(call, 'boards:read');
      const { boards } = context.settings.get();
      return pageOf(call, boards, (board) => ({ ...board, privacy: 'PUBLIC' }));
    },
  };

  /** A page, as all lists of Pinterest are cut. */
  function pageOf<Item>(call: Call, items: readonly Item[], render: (item: Item) => unknown): Reply {
    const pageSize = Number(call.query.get('page_size') ?? 25);
    if (!Number.isInteger(pageSize) || pageSize < 1 || pageSize > maxPageSize) {
      throw invalid(`page_size is from 1 to ${maxPageSize}`);
    }
    const start = Number(call.query.get('bookmark') ?? 0);
    const end = start + pageSize;
    return jsonReply(200, {
      items: items.slice(start, end).map(render),
      bookmark: end < items.length ? String(end) : null,
    });
  }

  const listBoard = (path: string): Operation => ({
    name: 'pinterest.boards.pins',
    method: 'get',
    path,
    subject,
    handle(call) {
      const account = requireAccount(call, 'boards:read', 'pins:read');
      const { board, section } = call.params;
      if (board === missingBoard) throw refusal(404, 40, 'Board not found.');
      const shownBefore = context.now().getTime() - context.settings.get().listDelayMs;
      const pins = context.ledger
        .list({ platform: 'pinterest', externalId: account.externalId })
        .filter((post) => !post.removedAt && Date.parse(post.acceptedAt) <= shownBefore)
        .filter(({ content }) => stringAt(content, 'board') === board)
        .filter(({ content }) => section === undefined || stringAt(content, 'section') === section)
        .reverse();
      return pageOf(call, pins, renderPin);
    },
  });

  const renderPin = (post: LedgerPost): Record<string, unknown> => ({
    id: post.publicId,
    // Without a zone, as the platform's are.
    created_at: post.acceptedAt.replace(/\.\d+Z$/, ''),
    link: stringAt(post.content, 'link') || null,
    title: post.title ?? null,
    description: post.text,
    alt_text: post.altTexts[0] ?? null,
    board_id: stringAt(post.content, 'board'),
    board_section_id: stringAt(post.content, 'section') ?? null,
    media: { media_type: mediaTypes[post.postType] },
    creative_type: post.postType === 'VIDEO' ? 'VIDEO' : 'REGULAR',
    is_owner: true,
    permalink: permalinkOf(post, context.publicUrl),
  });

  const registerMedia: Operation = {
    name: 'pinterest.media.create',
    method: 'post',
    path: '/v5/media',
    subject,
    async handle(call) {
      const account = requireAccount(call, 'pins:read', 'pins:write');
      if (requireBody(call).media_type !== 'video') throw invalid('media_type must be video');
      const mediaId = randomDigits(18);
      const parameters = {
        'x-amz-date': context
          .now()
          .toISOString()
          .replace(/[-:]|\.\d+/g, ''),
        'x-amz-signature': randomBytes(32).toString('hex'),
        'x-amz-algorithm': 'AWS4-HMAC-SHA256',
        key: `uploads/${mediaId}:video`,
        policy: randomBytes(48).toString('base64'),
        'Content-Type': 'multipart/form-data',
      };
      const uploadExpiresAt = context.now().getTime() + context.settings.get().uploadUrlLifetimeMs;
      await saveVideo({ mediaId, owner: account.externalId, parameters, uploadExpiresAt });
      return jsonReply(201, {
        media_id: mediaId,
        media_type: 'video',
        upload_url: `${context.publicUrl}/pinterest/media-upload/${mediaId}`,
        upload_parameters: parameters,
      });
    },
  };

  /** The storage host: it knows the form's parameters and nothing of the account. */
  const uploadMedia: Operation = {
    name: 'pinterest.media.upload',
    method: 'post',
    path: '/media-upload/:media',
    isOpen: true,
    isStreamed: true,
    subject: (call) => videos.get(call.params.media ?? '')?.owner,
    async handle(call) {
      const video = videos.get(call.params.media ?? '');
      if (!video || call.headers.authorization !== undefined) return storageError(403, 'AccessDenied');
      if (context.now().getTime() >= video.uploadExpiresAt) return storageError(403, 'AccessDenied');
      const file = context.media.upload(`${video.mediaId} ${call.requestId}`);
      let head: Buffer | undefined;
      const fields = await readMultipart(call, async ({ field }, bytes) => {
        for await (const chunk of bytes as AsyncIterable<Buffer>) {
          if (field !== 'file') continue;
          head ??= chunk;
          await file.append(chunk);
        }
      });
      const isOpened = Object.entries(video.parameters).every(([name, value]) => fields.get(name) === value);
      if (!isOpened) return storageError(403, 'SignatureDoesNotMatch');
      if (!head) return storageError(400, 'MissingContentLength');
      const media = await file.finish('video/mp4');
      const slower = call.fault?.kind === 'slow-upload-processing' ? (call.fault.ms ?? 0) : 0;
      const readyAt = context.now().getTime() + context.settings.get().containerProcessingMs + slower;
      const isVideo = head.subarray(4, 8).toString('latin1') === 'ftyp';
      const failed = !isVideo || call.fault?.kind === 'failed-processing';
      await saveVideo({ ...video, upload: { media, readyAt, failed } });
      return { status: 204 };
    },
  };

  const getMedia: Operation = {
    name: 'pinterest.media.get',
    method: 'get',
    path: '/v5/media/:media',
    subject,
    handle(call) {
      const account = requireAccount(call, 'pins:read');
      const video = videos.get(call.params.media ?? '');
      if (video?.owner !== account.externalId) throw refusal(404, 40, 'Media not found.');
      return jsonReply(200, { media_id: video.mediaId, media_type: 'video', status: statusOf(video) });
    },
  };

  const userAccount: Operation = {
    name: 'pinterest.user_account.get',
    method: 'get',
    path: '/v5/user_account',
    subject,
    handle(call) {
      const account = requireAccount(call, 'user_accounts:read');
      return jsonReply(200, {
        id: account.externalId,
        username: account.name.toLowerCase().replace(/\W+/g, '_'),
        account_type: 'BUSINESS',
        business_name: account.name,
        board_count: context.settings.get().boards.length,
      });
    },
  };

  return {
    platform: 'pinterest',
    basePath: '/pinterest',
    operations: [
      ...[createPin, getPin, deletePin, listBoards],
      ...[listBoard('/v5/boards/:board/pins'), listBoard('/v5/boards/:board/sections/:section/pins')],
      ...[registerMedia, uploadMedia, getMedia, userAccount],
    ],
    authenticate: (call) => accountsOfBearer(context, 'pinterest', call, expiredToken),
    faultReplies: {
      refuse: ({ status, code, message }) =>
        errorReply(
          status ?? 403,
          Number(code ?? 29),
          message ?? 'You are not permitted to access that resource.',
        ),
      throttle: ({ status, code, message, retryAfterSeconds }) =>
        errorReply(
          status ?? 429,
          Number(code ?? 8),
          message ?? 'You have exceeded your rate limit. Try again later.',
          retryAfterSeconds === undefined ? {} : { 'x-ratelimit-reset': String(retryAfterSeconds) },
        ),
      expiredToken: () => expiredToken(),
      serverError: ({ status, message }) =>
        errorReply(status ?? 500, 12, message ?? 'Something went wrong on our end. Sorry about that.'),
    },
    unknownPath: (call) => errorReply(404, 11, `API method not found: ${call.rawPath}`),
    commonHeaders: () => ({
      'x-ratelimit-limit': '100',
      'x-ratelimit-remaining': '99',
      'x-ratelimit-reset': '60',
    }),
    clear: () => videos.clear(),
  };
}

const mediaTypes: Readonly<Record<string, string>> = {
  SINGLE_IMAGE: 'image',
  CAROUSEL: 'multiple_images',
  VIDEO: 'video',
};

const subject = (call: Call): string | undefined => call.accounts[0]?.externalId;

/** A token speaks for one user. */
function requireAccount(call: Call, ...scopes: string[]): Account {
  const account = call.accounts[0]!;
  const missing = scopes.find((scope) => !account.scopes.includes(scope));
  if (missing === undefined) return account;
  throw refusal(403, 29, `Your token lacks the scope ${missing}`);
}

function requireBody(call: Call): Record<string, unknown> {
  if (!call.headers['content-type']?.startsWith('application/json')) {
    throw invalid('The Content-Type must be application/json');
  }
  if (typeof call.json !== 'object' || call.json === null) throw invalid('The body is no JSON object');
  return asObject(call.json);
}

function readId(body: Record<string, unknown>, name: string): string {
  const id = body[name];
  if (typeof id === 'string' && /^\d+$/.test(id)) return id;
  throw invalid(`${JSON.stringify(id)} does not match '^\\d+$' (${name})`);
}

function readText(body: Record<string, unknown>, name: string, maximum: number): string {
  const text = stringAt(body, name) ?? '';
  if (text.length > maximum) throw invalid(`${name} is too long (constraint: maxLength=${maximum})`);
  return text;
}

function readItems(source: Record<string, unknown>): Record<string, unknown>[] {
  const { items } = source;
  if (Array.isArray(items) && items.length >= minItems && items.length <= maxItems)
    return items.map(asObject);
  throw invalid(`items takes ${minItems} to ${maxItems} (constraint: maxItems=${maxItems})`);
}

const randomDigits = (count: number): string =>
  Array.from({ length: count }, (_, index) => randomInt(index === 0 ? 1 : 0, 10)).join('');

const storageError = (status: number, code: string): Reply => ({
  status,
  headers: { 'content-type': 'application/xml' },
  body: `<?xml version="1.0" encoding="UTF-8"?><Error><Code>${code}</Code></Error>`,
});

const errorReply = (
  status: number,
  code: number,
  message: string,
  headers: Record<string, string> = {},
): Reply => jsonReply(status, { code, message }, headers);

const refusal = (status: number, code: number, message: string): Refusal =>
  new Refusal(errorReply(status, code, message));

const invalid = (message: string): Refusal => refusal(400, 1, message);

const expiredToken = (): Reply => errorReply(401, 2, 'Authentication failed.');
