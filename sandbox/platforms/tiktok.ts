import { randomBytes, randomInt } from 'node:crypto';
import type { Account } from '../accounts.ts';
import { accountsOfBearer } from '../bearer.ts';
import type { SandboxContext } from '../context.ts';
import type { Fault } from '../faults.ts';
import { type LedgerPost, permalinkOf } from '../ledger.ts';
import { probeImage, type StoredMedia } from '../media.ts';
import { oauthOperations } from '../oauth-definition.ts';
import type { RunningPlatform, SandboxPlatform } from '../platform.ts';
import {
  asObject,
  type Call,
  faultRepliesOf,
  jsonReply,
  type Operation,
  Refusal,
  type Reply,
  stringAt,
} from '../protocol.ts';

export const tiktok = {
  name: 'TikTok',
  kinds: {
    creator: { id: /^[\w-]+$/, scopes: ['user.info.basic', 'video.publish', 'video.list'] },
  },
  operations: [
    ...oauthOperations('tiktok'),
    'tiktok.creator_info.query',
    'tiktok.video.init',
    'tiktok.upload.put',
    'tiktok.content.init',
    'tiktok.status.fetch',
    'tiktok.video.list',
    'tiktok.user.info',
  ] as const,
  // https://developers.tiktok.com/docs/en/oauth-user-access-token-management (read 2026-11-21). The challenge is documented
  // for applications on a device; how long a code lives is not.
  oauth: {
    authorizePath: '/v2/auth/authorize/',
    tokenEndpoints: [
      {
        ...{ method: 'post', path: '/v2/oauth/token/' },
        grants: { authorization_code: 'code', refresh_token: 'refresh' },
      },
    ],
    revocation: { method: 'post', path: '/v2/oauth/revoke/' },
    ...{ clientIdName: 'client_key', scopeSeparator: ',', pkce: 'S256-hex', isPkceOptional: true },
    ...{ codeSeconds: 600, accessSeconds: 7_200, refreshSeconds: 15_552_000 },
    ...{ rotates: true, sparesFamily: true },
    tokenBody: ({ accessToken, refreshToken, expiresInSeconds, refreshExpiresInSeconds, ...given }) => ({
      ...{ access_token: accessToken, expires_in: expiresInSeconds, token_type: 'Bearer' },
      ...{ refresh_token: refreshToken, refresh_expires_in: refreshExpiresInSeconds },
      ...{ open_id: given.externalIds[0] ?? '', scope: given.scopes.join(',') },
    }),
    // Some refusals come with status 200.
    errorBody: (error, error_description) => ({
      status: error === 'invalid_grant' ? 200 : 400,
      body: { error, error_description, log_id: randomBytes(16).toString('hex') },
    }),
  },
  processing: {
    'slow-upload-processing': ['tiktok.upload.put', 'tiktok.content.init'],
    'failed-processing': ['tiktok.upload.put', 'tiktok.content.init'],
  },
  permalinkOf: ({ accountName, postType, publicId }, publicUrl) =>
    `${publicUrl}/@${usernameOf(accountName)}/${postType === 'VIDEO' ? 'video' : 'photo'}/${publicId}`,
  create: createTikTok,
} satisfies SandboxPlatform;

/** A posting task: begun by an init, posted once when all of its media are there. */
interface TikTokTask {
  publishId: string;
  /** The account. */
  owner: string;
  createdAt: number;
  title: string;
  description: string;
  privacyLevel: string;
  upload?: TikTokUpload;
  photos?: string[];
  /** What became of it; absent until all of its media are there. */
  result?: { readyAt: number; failReason?: string };
  /** Of the call that made it public. */
  requestId: string;
  receivedAt: string;
  rawBody: string;
}

interface TikTokUpload {
  id: string;
  token: string;
  sizeBytes: number;
  chunkBytes: number;
  chunkCount: number;
  expiresAt: number;
}

/** Limits as published, https://developers.tiktok.com/doc/content-posting-api-media-transfer-guide */
const minChunkBytes = 5_000_000;
const maxChunkBytes = 64 * 1_048_576;
const maxChunks = 1_000;
const maxVideoBytes = 4 * 1024 ** 3;
const maxPhotoBytes = 20_000_000;
const maxPhotos = 35;
const maxVideoTitle = 2_200;
const maxPhotoTitle = 90;
const maxPhotoDescription = 4_000;
const maxVideoSeconds = 600;
const listedDescription = 150;
const dayMs = 86_400_000;
/** What a public account may choose. */
const privacyLevels = ['PUBLIC_TO_EVERYONE', 'MUTUAL_FOLLOW_FRIENDS', 'SELF_ONLY'];
const videoTypes = ['video/mp4', 'video/quicktime', 'video/webm'];

/** TikTok's Content Posting API: direct posts of videos by upload and of photos by address, their status, public posts. */
function createTikTok(context: SandboxContext): RunningPlatform {
  const tasks = context.shelf<TikTokTask>('tiktok-task');
  const saveTask = (task: TikTokTask) => tasks.put(task.publishId, task);

  const queryCreator: Operation = {
    name: 'tiktok.creator_info.query',
    method: 'post',
    path: '/v2/post/publish/creator_info/query/',
    subject,
    handle(call) {
      const account = requireAccount(call, 'video.publish');
      requireJsonType(call);
      const data = {
        creator_avatar_url: `${context.publicUrl}/avatar.webp`,
        creator_username: usernameOf(account.name),
        creator_nickname: account.name,
        privacy_level_options: privacyLevels,
        comment_disabled: false,
        duet_disabled: false,
        stitch_disabled: false,
        max_video_post_duration_sec: maxVideoSeconds,
      };
      // The platform answers a cap with 200 here, on purpose.
      return isCapped(account) ? errorReply(200, 'spam_risk_too_many_posts', capText, data) : okReply(data);
    },
  };

  const initVideo: Operation = {
    name: 'tiktok.video.init',
    method: 'post',
    path: '/v2/post/publish/video/init/',
    subject,
    async handle(call) {
      const account = requireAccount(call, 'video.publish');
      const body = requireBody(call);
      requireRoom(account);
      const info = asObject(body.post_info);
      const upload = readUpload(asObject(body.source_info));
      const task: TikTokTask = {
        ...createTask(call, account, info, `v_pub_file~v2-1.${randomDigits(19)}`),
        description: readText(info, 'title', maxVideoTitle),
        upload,
      };
      await saveTask(task);
      const uploadUrl = `${context.publicUrl}/tiktok/video/?upload_id=${upload.id}&upload_token=${upload.token}`;
      return okReply({ publish_id: task.publishId, upload_url: uploadUrl });
    },
  };

  function readUpload(source: Record<string, unknown>): TikTokUpload {
    if (source.source !== 'FILE_UPLOAD') throw invalidParam('The sandbox takes videos by FILE_UPLOAD');
    const sizeBytes = readNumber(source, 'video_size');
    const chunkBytes = readNumber(source, 'chunk_size');
    const chunkCount = readNumber(source, 'total_chunk_count');
    if (sizeBytes < 1 || sizeBytes > maxVideoBytes) throw invalidParam('The video size is invalid');
    const isWhole = chunkBytes === sizeBytes && sizeBytes <= maxChunkBytes;
    const isChunk = chunkBytes >= minChunkBytes && chunkBytes <= maxChunkBytes && chunkBytes <= sizeBytes;
    if (!isWhole && !isChunk) throw invalidParam('The chunk size is invalid');
    if (chunkCount !== Math.floor(sizeBytes / chunkBytes) || chunkCount > maxChunks) {
      throw invalidParam('The total chunk count is invalid');
    }
    const expiresAt = context.now().getTime() + context.settings.get().uploadUrlLifetimeMs;
    const token = randomBytes(12).toString('hex');
    return { id: randomDigits(19), token, sizeBytes, chunkBytes, chunkCount, expiresAt };
  }

  const taskOfUpload = (call: Call): TikTokTask | undefined =>
    tasks
      .list()
      .find(
        ({ upload }) =>
          upload?.id === call.query.get('upload_id') && upload.token === call.query.get('upload_token'),
      );

  const putChunk: Operation = {
    name: 'tiktok.upload.put',
    method: 'put',
    path: '/video/',
    isOpen: true,
    isStreamed: true,
    subject: (call) => taskOfUpload(call)?.owner,
    async handle(call) {
      const task = taskOfUpload(call);
      if (!task?.upload) return { status: 404 };
      if (context.now().getTime() >= task.upload.expiresAt) return { status: 403 };
      const range = readRange(call);
      const bytes = await readAll(call);
      if (!range || bytes.length !== range.last - range.first + 1) return { status: 400 };
      return context.serialize(`tiktok upload ${task.publishId}`, () =>
        acceptChunk(call, task.publishId, range, bytes),
      );
    },
  };

  /** Runs one at a time per task, so a last chunk that comes twice posts once. */
  async function acceptChunk(
    call: Call,
    publishId: string,
    { first, last, total }: Range,
    bytes: Buffer,
  ): Promise<Reply> {
    const task = tasks.get(publishId)!;
    const { sizeBytes, chunkBytes, chunkCount } = task.upload!;
    const file = context.media.upload(publishId);
    const uploaded = task.result ? sizeBytes : await file.size();
    const isLast = uploaded === (chunkCount - 1) * chunkBytes;
    const end = isLast ? sizeBytes : uploaded + chunkBytes;
    const progress = (done: number) => ({ 'content-range': `bytes 0-${done}/${sizeBytes}` });
    if (task.result || total !== sizeBytes || first !== uploaded || last !== end - 1) {
      return { status: 416, headers: progress(uploaded) };
    }
    const isVideo = first > 0 || looksLikeVideo(bytes);
    await file.append(bytes);
    if (!isLast) return { status: 206, headers: progress(end) };
    const media = await file.finish(call.headers['content-type'] ?? 'video/mp4');
    await settle(
      { ...task, ...describeCall(call) },
      'VIDEO',
      [media],
      failureOf(call.fault, isVideo),
      call.fault,
    );
    return { status: 201, headers: progress(end) };
  }

  const initContent: Operation = {
    name: 'tiktok.content.init',
    method: 'post',
    path: '/v2/post/publish/content/init/',
    subject,
    async handle(call) {
      const account = requireAccount(call, 'video.publish');
      const body = requireBody(call);
      if (body.media_type !== 'PHOTO') throw invalidParam('The media type is invalid');
      if (body.post_mode !== 'DIRECT_POST') throw invalidParam('The sandbox knows the post mode DIRECT_POST');
      requireRoom(account);
      const info = asObject(body.post_info);
      const task: TikTokTask = {
        ...createTask(call, account, info, `p_pub_url~v2.${randomDigits(19)}`),
        title: readText(info, 'title', maxPhotoTitle),
        description: readText(info, 'description', maxPhotoDescription),
        photos: requireVerified(readPhotos(asObject(body.source_info))),
      };
      await saveTask(task);
      void fetchPhotos(task, call.fault);
      return okReply({ publish_id: task.publishId });
    },
  };

  /** TikTok looks at the addresses before it fetches any. */
  function requireVerified(photos: string[]): string[] {
    const { verifiedAddresses } = context.settings.get();
    const isVerified = (photo: string) => verifiedAddresses.some((prefix) => photo.startsWith(prefix));
    if (verifiedAddresses.length === 0 || photos.every(isVerified)) return photos;
    throw refusal(403, 'url_ownership_unverified', 'Please review our URL ownership verification rules');
  }

  /** Runs beside the answer, as the platform's own fetch does. A stop leaves it to the next start. */
  async function fetchPhotos(task: TikTokTask, fault?: Fault): Promise<void> {
    const halted = context.halted();
    try {
      const photos: StoredMedia[] = [];
      let failReason = fault?.kind === 'failed-processing' ? failureOf(fault, true) : undefined;
      for (const url of task.photos ?? []) {
        const taken = await takeIn(url, halted);
        if (halted.aborted) return;
        if ('failed' in taken) failReason ??= taken.failed;
        else photos.push(taken);
      }
      await settle(task, photos.length === 1 ? 'SINGLE_IMAGE' : 'CAROUSEL', photos, failReason, fault);
    } catch (error) {
      if (!halted.aborted) console.error(`sandbox: task ${task.publishId} cannot be kept`, error);
    }
  }

  async function takeIn(url: string, halted: AbortSignal): Promise<StoredMedia | { failed: string }> {
    const timeout = AbortSignal.timeout(context.settings.get().mediaFetchTimeoutMs);
    try {
      const response = await context.fetch(url, {
        redirect: 'manual',
        signal: AbortSignal.any([timeout, halted]),
      });
      if (response.status !== 200) return { failed: 'photo_pull_failed' };
      const bytes = Buffer.from(await response.arrayBuffer());
      const facts = await probeImage(bytes);
      const isWebp = bytes.subarray(8, 12).toString('latin1') === 'WEBP';
      if (facts?.contentType !== 'image/jpeg' && !isWebp) return { failed: 'file_format_check_failed' };
      const isTooLarge = facts !== undefined && facts.width * facts.height > 1_920 * 1_080;
      if (isTooLarge || bytes.length > maxPhotoBytes) return { failed: 'picture_size_check_failed' };
      return await context.media.put(bytes, isWebp ? 'image/webp' : 'image/jpeg');
    } catch {
      return { failed: 'photo_pull_failed' };
    }
  }

  /** All is there: it goes public, or never will. */
  async function settle(
    task: TikTokTask,
    postType: 'VIDEO' | 'SINGLE_IMAGE' | 'CAROUSEL',
    media: StoredMedia[],
    failReason: string | undefined,
    fault: Fault | undefined,
  ): Promise<void> {
    const acceptedAt = context.now();
    const slower = fault?.kind === 'slow-upload-processing' ? (fault.ms ?? 0) : 0;
    const readyAt = acceptedAt.getTime() + context.settings.get().containerProcessingMs + slower;
    if (failReason === undefined) await addToLedger(task, postType, media, acceptedAt);
    await saveTask({ ...task, result: { readyAt, ...(failReason !== undefined && { failReason }) } });
  }

  async function addToLedger(
    task: TikTokTask,
    postType: 'VIDEO' | 'SINGLE_IMAGE' | 'CAROUSEL',
    media: StoredMedia[],
    acceptedAt: Date,
  ): Promise<void> {
    // What was kept before a kill that came between both writes stays one post.
    if (context.ledger.findByHandle('tiktok', task.publishId)) return;
    const account = context.accounts.find('tiktok', task.owner);
    await context.ledger.add({
      platform: 'tiktok',
      externalId: task.owner,
      accountName: account?.name ?? task.owner,
      postType,
      text: task.description,
      rawText: task.description,
      ...(task.title !== '' && { title: task.title }),
      altTexts: media.map(() => null),
      media,
      publicId: createPostId(acceptedAt),
      receivedAt: task.receivedAt,
      acceptedAt: acceptedAt.toISOString(),
      requestId: task.requestId,
      rawBody: task.rawBody,
      handle: task.publishId,
      visibility: task.privacyLevel,
    });
  }

  const fetchStatus: Operation = {
    name: 'tiktok.status.fetch',
    method: 'post',
    path: '/v2/post/publish/status/fetch/',
    subject,
    async handle(call) {
      const account = requireAccount(call, 'video.publish');
      const task = tasks.get(stringAt(requireBody(call), 'publish_id') ?? '');
      if (!task) throw refusal(400, 'invalid_publish_id', 'The publish_id does not exist');
      if (task.owner !== account.externalId) {
        throw refusal(
          400,
          'token_not_authorized_for_specified_publish_id',
          'The publish_id is of somebody else',
        );
      }
      const { body, ...reply } = okReply(await describeTask(task));
      // Ids of posts are numbers of 64 bits, written as such.
      return {
        ...reply,
        body: body!.replace(
          /"publicaly_available_post_id":\["(\d+)"\]/,
          '"publicaly_available_post_id":[$1]',
        ),
      };
    },
  };

  async function describeTask(task: TikTokTask): Promise<Record<string, unknown>> {
    const { upload, result } = task;
    const uploaded =
      upload && (result ? upload.sizeBytes : await context.media.upload(task.publishId).size());
    const counted = uploaded === undefined ? {} : { uploaded_bytes: uploaded };
    const now = context.now().getTime();
    if (!result || now < result.readyAt) {
      return { status: upload ? 'PROCESSING_UPLOAD' : 'PROCESSING_DOWNLOAD', ...counted };
    }
    if (result.failReason !== undefined) {
      return {
        status: 'FAILED',
        fail_reason: result.failReason,
        publicaly_available_post_id: [],
        ...counted,
      };
    }
    const post = context.ledger.findByHandle('tiktok', task.publishId);
    const ids = post && isListed(post) ? [post.publicId] : [];
    return { status: 'PUBLISH_COMPLETE', publicaly_available_post_id: ids, ...counted };
  }

  /** Public posts alone have an id and a place in the list, after moderation. */
  function isListed({ acceptedAt, visibility }: LedgerPost): boolean {
    const { listDelayMs } = context.settings.get();
    return visibility === privacyLevels[0] && Date.parse(acceptedAt) + listDelayMs <= context.now().getTime();
  }

  const listVideos: Operation = {
    name: 'tiktok.video.list',
    method: 'post',
    path: '/v2/video/list/',
    subject,
    handle(call) {
      const account = requireAccount(call, 'video.list');
      const fields = readFields(call, ['id', 'create_time', 'video_description', 'title', 'share_url']);
      const body = requireBody(call);
      const count = body.max_count === undefined ? 10 : readNumber(body, 'max_count');
      if (count < 1 || count > 20) throw refusal(400, 'invalid_params', 'max_count is from 1 to 20');
      const before = body.cursor === undefined ? Number.MAX_SAFE_INTEGER : readNumber(body, 'cursor');
      const posts = context.ledger
        .list({ platform: 'tiktok', externalId: account.externalId })
        .filter((post) => isListed(post) && Date.parse(post.acceptedAt) < before)
        .reverse();
      const page = posts.slice(0, count);
      return okReply({
        videos: page.map((post) => pick(renderPost(post), fields)),
        cursor: Date.parse(page.at(-1)?.acceptedAt ?? context.now().toISOString()),
        has_more: posts.length > count,
      });
    },
  };

  const renderPost = (post: LedgerPost): Record<string, unknown> => ({
    id: post.publicId,
    create_time: Math.floor(Date.parse(post.acceptedAt) / 1000),
    video_description: post.text.slice(0, listedDescription),
    title: (post.title ?? post.text).slice(0, listedDescription),
    share_url: `${permalinkOf(post, context.publicUrl)}?utm_campaign=tt4d_open_api&utm_source=sandbox`,
  });

  const userInfo: Operation = {
    name: 'tiktok.user.info',
    method: 'get',
    path: '/v2/user/info/',
    subject,
    handle(call) {
      const account = requireAccount(call, 'user.info.basic');
      const user = { open_id: account.externalId, union_id: account.externalId, display_name: account.name };
      return okReply({ user: pick(user, readFields(call, Object.keys(user))) });
    },
  };

  function isCapped(account: Account): boolean {
    const since = context.now().getTime() - dayMs;
    const recent = context.ledger
      .list({ platform: 'tiktok', externalId: account.externalId })
      .filter(({ acceptedAt }) => Date.parse(acceptedAt) > since);
    return recent.length >= context.settings.get().publishesPerDay;
  }

  function requireRoom(account: Account): void {
    if (isCapped(account)) throw refusal(403, 'spam_risk_too_many_posts', capText);
  }

  function createTask(
    call: Call,
    account: Account,
    info: Record<string, unknown>,
    publishId: string,
  ): TikTokTask {
    const privacyLevel = stringAt(info, 'privacy_level') ?? '';
    if (!privacyLevels.includes(privacyLevel)) {
      const message = 'The privacy_level is not one of privacy_level_options';
      throw refusal(403, 'privacy_level_option_mismatch', message);
    }
    if (typeof info.brand_content_toggle !== 'boolean') {
      throw invalidParam('brand_content_toggle is required');
    }
    return {
      publishId,
      owner: account.externalId,
      title: '',
      description: '',
      privacyLevel,
      createdAt: context.now().getTime(),
      ...describeCall(call),
    };
  }

  return {
    platform: 'tiktok',
    basePath: '/tiktok',
    operations: [queryCreator, initVideo, putChunk, initContent, fetchStatus, listVideos, userInfo],
    authenticate: (call) => accountsOfBearer(context, 'tiktok', call, expiredToken),
    faultReplies: {
      ...usualReplies,
      // The upload host knows no accounts: it refuses what it cannot read.
      refuse: (fault) =>
        fault.operation === 'tiktok.upload.put'
          ? { status: fault.status ?? 400, body: fault.message ?? '' }
          : usualReplies.refuse(fault),
    },
    unknownPath: (call) => errorReply(404, 'invalid_params', `There is no ${call.rawPath}`),
    commonHeaders: (call) => ({ 'x-tt-logid': call.requestId }),
    clear: () => tasks.clear(),
    resume() {
      for (const task of tasks.list()) if (task.photos && !task.result) void fetchPhotos(task);
    },
  };
}

const capText = 'The daily post cap from the API is reached for the current user.';

const subject = (call: Call): string | undefined => call.accounts[0]?.externalId;

/** A token speaks for one creator. */
function requireAccount(call: Call, scope: string): Account {
  const account = call.accounts[0]!;
  if (account.scopes.includes(scope)) return account;
  throw refusal(401, 'scope_not_authorized', `The user did not authorize the scope ${scope}`);
}

function requireJsonType(call: Call): void {
  if (!call.headers['content-type']?.startsWith('application/json')) {
    throw invalidParam('The Content-Type must be application/json');
  }
}

function requireBody(call: Call): Record<string, unknown> {
  requireJsonType(call);
  if (typeof call.json !== 'object' || call.json === null) throw invalidParam('The body is no JSON object');
  return asObject(call.json);
}

function readText(info: Record<string, unknown>, name: string, maximum: number): string {
  const text = stringAt(info, name) ?? '';
  if (text.length > maximum) throw invalidParam(`The ${name} has more than ${maximum} characters`);
  return text;
}

function readNumber(body: Record<string, unknown>, name: string): number {
  const value = body[name];
  if (!Number.isSafeInteger(value)) throw invalidParam(`${name} is no whole number`);
  return Number(value);
}

function readPhotos(source: Record<string, unknown>): string[] {
  const { photo_images: photos, photo_cover_index: cover } = source;
  if (source.source !== 'PULL_FROM_URL') throw invalidParam('Photos are taken by PULL_FROM_URL alone');
  if (!Array.isArray(photos) || photos.length < 1 || photos.length > maxPhotos) {
    throw invalidParam(`photo_images takes 1 to ${maxPhotos} addresses`);
  }
  if (!Number.isInteger(cover) || Number(cover) < 0 || Number(cover) >= photos.length) {
    throw invalidParam('photo_cover_index is invalid');
  }
  return photos.map(String);
}

function readFields(call: Call, known: string[]): string[] {
  const fields = (call.query.get('fields') ?? '').split(',').filter((field) => field !== '');
  const unknown = fields.find((field) => !known.includes(field));
  if (fields.length === 0 || unknown !== undefined) {
    throw refusal(400, 'invalid_params', unknown ? `Unknown field ${unknown}` : 'fields is required');
  }
  return fields;
}

const pick = (node: Record<string, unknown>, fields: string[]): Record<string, unknown> =>
  Object.fromEntries(fields.map((field) => [field, node[field]]));

interface Range {
  first: number;
  last: number;
  total: number;
}

/** What the headers say of a chunk; undefined where they say it wrong. */
function readRange(call: Call): Range | undefined {
  const match = /^bytes (\d+)-(\d+)\/(\d+)$/.exec(call.headers['content-range'] ?? '');
  const isTyped = videoTypes.includes(call.headers['content-type'] ?? '');
  if (!match || !isTyped || call.headers['content-length'] === undefined) return undefined;
  return { first: Number(match[1]), last: Number(match[2]), total: Number(match[3]) };
}

async function readAll(call: Call): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of call.stream) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

/** An MP4 or QuickTime file begins with a box of its type, a WebM one with EBML. */
const looksLikeVideo = (bytes: Buffer): boolean =>
  bytes.subarray(4, 8).toString('latin1') === 'ftyp' || bytes.subarray(0, 4).toString('hex') === '1a45dfa3';

/** Why the platform will not publish it; undefined where it will. */
function failureOf(fault: Fault | undefined, isReadable: boolean): string | undefined {
  if (fault?.kind === 'failed-processing') return String(fault.code ?? 'internal');
  return isReadable ? undefined : 'file_format_check_failed';
}

/** Of an upload the body is the file, which the ledger names by its hash. */
const describeCall = (call: Call): Pick<TikTokTask, 'requestId' | 'receivedAt' | 'rawBody'> => ({
  requestId: call.requestId,
  receivedAt: call.receivedAt.toISOString(),
  rawBody: call.body.toString('utf8'),
});

const usernameOf = (name: string): string => name.toLowerCase().replace(/[^a-z0-9._]+/g, '_');

const randomDigits = (count: number): string =>
  Array.from({ length: count }, (_, index) => randomInt(index === 0 ? 1 : 0, 10)).join('');

/** 64 bits with the time in the upper half, as the platform's ids. */
const createPostId = (at: Date): string =>
  String((BigInt(Math.floor(at.getTime() / 1000)) << 32n) | BigInt(randomInt(2 ** 32)));

const okReply = (data: Record<string, unknown>): Reply =>
  jsonReply(200, { data, error: { code: 'ok', message: '', log_id: randomDigits(20) } });

const errorReply = (
  status: number,
  code: string,
  message: string,
  data: Record<string, unknown> = {},
  headers: Record<string, string> = {},
): Reply => jsonReply(status, { data, error: { code, message, log_id: randomDigits(20) } }, headers);

const usualReplies = faultRepliesOf(
  (status, code, message, headers) => errorReply(status, code, message, {}, headers),
  {
    refuse: [403, 'spam_risk_user_banned_from_posting', 'The user is banned from making new posts'],
    throttle: [429, 'rate_limit_exceeded', 'The API rate limit was exceeded. Please try again later.'],
    serverError: [500, 'internal_error', 'Please try again later'],
  },
  () => expiredToken(),
);

const refusal = (status: number, code: string, message: string): Refusal =>
  new Refusal(errorReply(status, code, message));

const invalidParam = (message: string): Refusal => refusal(400, 'invalid_param', message);

const expiredToken = (): Reply =>
  errorReply(401, 'access_token_invalid', 'The access token is invalid or not found in the request.');
