import { randomBytes, randomInt } from 'node:crypto';
import type { Account } from '../accounts.ts';
import { hasExpired } from '../bearer.ts';
import type { SandboxContext } from '../context.ts';
import type { LedgerPost, PostType } from '../ledger.ts';
import { probeImage, type StoredMedia, sha256Of } from '../media.ts';
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
  stringAt,
} from '../protocol.ts';
import { createComments } from './linkedin-comments.ts';
import {
  accessDenied,
  countCharacters,
  errorReply,
  expiredToken,
  illegalArgument,
  invalidValue,
  missingField,
  readCount,
  refusal,
  requiredString,
  requireEncodedPath,
  requireJson,
  requireOneOf,
  requireOwnAccount,
  requireReadableAuthor,
  requireVersion,
  requireWriteScope,
  scopesOf,
  tooLong,
} from './linkedin-protocol.ts';
import { createVideos } from './linkedin-videos.ts';
import { readLittleText } from './little-text.ts';

const memberScopes = ['openid', 'profile', 'w_member_social'];
const organizationScopes = ['openid', 'profile', 'w_organization_social', 'r_organization_social'];

export const linkedin = {
  name: 'LinkedIn',
  kinds: {
    member: { id: /^urn:li:person:[A-Za-z0-9_-]+$/, scopes: memberScopes },
    organization: { id: /^urn:li:organization:[A-Za-z0-9_-]+$/, scopes: organizationScopes },
  },
  operations: [
    ...oauthOperations('linkedin'),
    'linkedin.organizations.acls',
    'linkedin.organizations.get',
    'linkedin.images.initialize',
    'linkedin.images.upload',
    'linkedin.images.get',
    'linkedin.videos.initialize',
    'linkedin.videos.upload',
    'linkedin.videos.finalize',
    'linkedin.videos.get',
    'linkedin.posts.create',
    'linkedin.posts.find',
    'linkedin.posts.get',
    'linkedin.posts.update',
    'linkedin.posts.delete',
    'linkedin.comments.create',
    'linkedin.comments.find',
    'linkedin.userinfo',
  ] as const,
  processing: {
    'slow-upload-processing': ['linkedin.images.upload', 'linkedin.videos.finalize'],
    'failed-processing': ['linkedin.images.upload', 'linkedin.videos.finalize'],
  },
  // https://learn.microsoft.com/en-us/linkedin/shared/authentication/authorization-code-flow and
  // .../programmatic-refresh-tokens: a refresh token lives for a year, is not prolonged and stays the same.
  oauth: {
    authorizePath: '/oauth/v2/authorization',
    tokenEndpoints: [
      {
        ...{ method: 'post', path: '/oauth/v2/accessToken' },
        grants: { authorization_code: 'code', refresh_token: 'refresh' },
      },
    ],
    ...{
      pkce: 'none',
      codeSeconds: 1_800,
      accessSeconds: 5_184_000,
      refreshSeconds: 31_536_000,
      rotates: false,
    },
    cancelError: 'user_cancelled_authorize',
    tokenBody: ({ accessToken, refreshToken, expiresInSeconds, refreshExpiresInSeconds, scopes }) => ({
      access_token: accessToken,
      expires_in: expiresInSeconds,
      ...(refreshToken && { refresh_token: refreshToken, refresh_token_expires_in: refreshExpiresInSeconds }),
      ...{ scope: scopes.join(','), token_type: 'Bearer' },
    }),
    errorBody: plainErrorBody,
  },
  // LinkedIn's clients compute the permalink, and put this address in place of LinkedIn's.
  permalinkOf: ({ publicId, parentId }, publicUrl) => `${publicUrl}/feed/update/${parentId ?? publicId}`,
  create: createLinkedIn,
} satisfies SandboxPlatform;

/** An image asset: asked for, uploaded, processed, used in posts. */
interface LinkedInImage {
  urn: string;
  owner: string;
  uploadUrlExpiresAt: number;
  upload?: { media: StoredMedia; availableAt: number; failed: boolean };
}

/** What a post says since it was changed; the ledger holds what it said when it came out. */
interface Amendment {
  rawText: string;
  amendedAt: number;
}

type ImageStatus = 'WAITING_UPLOAD' | 'PROCESSING' | 'AVAILABLE' | 'PROCESSING_FAILED';

/** Limits of the Posts and Images APIs, https://learn.microsoft.com/en-us/linkedin/marketing/community-management/shares/posts-api */
const maxCommentaryCharacters = 3_000;
const maxAltTextCharacters = 4_086;
const maxImagePixels = 36_152_320;
const maxGifFrames = 250;
const minMultiImages = 2;
const maxMultiImages = 20;

/**
 * LinkedIn's versioned API for members and organisations: posts with text, images and videos, comments, and reads of an
 * organisation's posts. A member's own posts cannot be read back.
 */
function createLinkedIn(context: SandboxContext): RunningPlatform {
  const images = context.shelf<LinkedInImage>('linkedin-image');
  const amendments = context.shelf<Amendment>('linkedin-amendment');
  const videos = createVideos(context);
  const saveImage = (image: LinkedInImage) => images.put(image.urn, image);

  function statusOf(image: LinkedInImage): ImageStatus {
    if (!image.upload) return 'WAITING_UPLOAD';
    if (context.now().getTime() < image.upload.availableAt) return 'PROCESSING';
    return image.upload.failed ? 'PROCESSING_FAILED' : 'AVAILABLE';
  }

  const initializeUpload: Operation = {
    name: 'linkedin.images.initialize',
    method: 'post',
    path: '/rest/images',
    subject: (call) => stringAt(asObject(call.json).initializeUploadRequest, 'owner'),
    async handle(call) {
      requireVersion(context, call);
      if (call.query.get('action') !== 'initializeUpload') {
        throw illegalArgument('The action is missing or unknown; only initializeUpload is served');
      }
      const owner = requireOwnAccount(call, 'initializeUploadRequest/owner', initializeUpload.subject(call));
      requireWriteScope(call, owner, 'images.ACTION-initializeUpload');
      const id = `D4E10AQ${randomBytes(9).toString('base64url')}`;
      const uploadUrlExpiresAt = context.now().getTime() + context.settings.get().uploadUrlLifetimeMs;
      await saveImage({ urn: `urn:li:image:${id}`, owner: owner.externalId, uploadUrlExpiresAt });
      return jsonReply(200, {
        value: {
          uploadUrlExpiresAt,
          uploadUrl: `${context.publicUrl}/linkedin/dms-uploads/sp/${id}/uploaded-image/0?ca=vector_feedshare&cn=uploads`,
          image: `urn:li:image:${id}`,
        },
      });
    },
  };

  const upload: Operation = {
    name: 'linkedin.images.upload',
    method: 'put',
    path: '/dms-uploads/sp/:id/uploaded-image/0',
    subject: (call) => images.get(`urn:li:image:${call.params.id}`)?.owner,
    async handle(call) {
      const image = images.get(`urn:li:image:${call.params.id}`);
      if (!image) throw refusal(404, 'NOT_FOUND', 'The upload URL is unknown');
      requireOwnAccount(call, 'owner', image.owner);
      const now = context.now().getTime();
      if (now >= image.uploadUrlExpiresAt) {
        throw refusal(400, 'EXPIRED_UPLOAD_URL', 'The Image upload URL is expired');
      }
      if (call.body.length === 0) throw refusal(400, 'INVALID_VALUE_BLANK_FIELD', 'The upload is empty');
      const facts = await probeImage(call.body);
      const fits = facts && facts.width * facts.height < maxImagePixels && facts.frames <= maxGifFrames;
      const media = await context.media.put(call.body, facts?.contentType ?? 'application/octet-stream');
      const slower = call.fault?.kind === 'slow-upload-processing' ? (call.fault.ms ?? 0) : 0;
      await saveImage({
        ...image,
        upload: {
          media,
          availableAt: now + context.settings.get().imageProcessingMs + slower,
          failed: !fits || call.fault?.kind === 'failed-processing',
        },
      });
      return { status: 201 };
    },
  };

  const getImage: Operation = {
    name: 'linkedin.images.get',
    method: 'get',
    path: '/rest/images/:urn',
    subject: (call) => images.get(call.params.urn ?? '')?.owner,
    handle(call) {
      requireVersion(context, call);
      requireEncodedPath(call);
      const image = images.get(call.params.urn ?? '');
      if (!image) throw refusal(404, 'NOT_FOUND', `Not found: ${call.params.urn}`);
      requireOwnAccount(call, 'owner', image.owner);
      // A token with w_member_social alone may upload an image but not look at it.
      if (!scopesOf(call).some((scope) => scope.includes('organization_social'))) {
        throw accessDenied('images.GET');
      }
      return jsonReply(200, {
        owner: image.owner,
        id: image.urn,
        status: statusOf(image),
        ...(statusOf(image) === 'AVAILABLE' && image.upload
          ? { downloadUrl: `${context.publicUrl}/media/${image.upload.media.sha256}` }
          : {}),
      });
    },
  };

  const createPost: Operation = {
    name: 'linkedin.posts.create',
    method: 'post',
    path: '/rest/posts',
    subject: (call) => stringAt(call.json, 'author'),
    async handle(call) {
      requireVersion(context, call);
      const body = requireJson(call);
      const author = requireOwnAccount(call, 'author', requiredString(body, 'author'));
      requireWriteScope(call, author, 'posts.CREATE');
      return context.serialize(`linkedin ${author.externalId}`, () => acceptPost(call, body, author));
    },
  };

  /** Runs one at a time per author, so of two identical bodies one is the duplicate. */
  async function acceptPost(call: Call, body: Record<string, unknown>, author: Account): Promise<Reply> {
    const { rawText, text } = readCommentary(body);
    requireOneOf(body, 'visibility', ['PUBLIC', 'CONNECTIONS', 'LOGGED_IN']);
    requireOneOf(body, 'lifecycleState', ['PUBLISHED']);
    if (body.distribution === undefined) throw missingField('distribution');
    requireOneOf(asObject(body.distribution), 'feedDistribution', ['MAIN_FEED', 'NONE']);
    const { postType, media, altTexts } = readContent(body, author);
    if (postType === 'TEXT_ONLY' && text.trim() === '') {
      throw refusal(400, 'INVALID_VALUE_BLANK_FIELD', '/commentary must not be blank');
    }
    const acceptedAt = context.now();
    const digest = sha256Of(canonicalJson(body));
    const duplicate = findDuplicate(author, digest, acceptedAt);
    if (duplicate) {
      throw refusal(422, 'DUPLICATE_POST', `Content is a duplicate of ${duplicate.publicId}`);
    }
    const publicId = `urn:li:share:${createShareNumber(acceptedAt)}`;
    await context.ledger.add({
      platform: 'linkedin',
      externalId: author.externalId,
      accountName: author.name,
      postType,
      text,
      rawText,
      altTexts,
      media,
      publicId,
      receivedAt: call.receivedAt.toISOString(),
      acceptedAt: acceptedAt.toISOString(),
      requestId: call.requestId,
      rawBody: call.body.toString('utf8'),
      content: body.content,
      visibility: String(body.visibility),
      digest,
    });
    return { status: 201, headers: { 'x-restli-id': publicId, 'x-linkedin-id': publicId } };
  }

  function findDuplicate(author: Account, digest: string, at: Date): LedgerPost | undefined {
    const since = new Date(at.getTime() - context.settings.get().duplicateWindowMs);
    return context.ledger
      .list({ platform: 'linkedin', externalId: author.externalId })
      .findLast(
        (post) => post.digest === digest && !post.removedAt && Date.parse(post.acceptedAt) > since.getTime(),
      );
  }

  function readContent(
    body: Record<string, unknown>,
    author: Account,
  ): { postType: PostType; media: StoredMedia[]; altTexts: (string | null)[] } {
    if (body.content === undefined) return { postType: 'TEXT_ONLY', media: [], altTexts: [] };
    const content = asObject(body.content);
    if (stringAt(content.media, 'id')?.startsWith('urn:li:video:')) {
      const media = videos.requireAvailable(stringAt(content.media, 'id') ?? '', author);
      return { postType: 'VIDEO', media: [media], altTexts: [stringAt(content.media, 'altText') ?? null] };
    }
    if (content.media !== undefined) {
      const { media, altText } = readImage(content.media, '/content/media', author);
      return { postType: 'SINGLE_IMAGE', media: [media], altTexts: [altText] };
    }
    if (content.multiImage === undefined) {
      throw invalidValue('/content', 'only media and multiImage are served');
    }
    const items = asObject(content.multiImage).images;
    if (!Array.isArray(items) || items.length < minMultiImages || items.length > maxMultiImages) {
      throw invalidValue('/content/multiImage/images', `takes ${minMultiImages} to ${maxMultiImages} images`);
    }
    const pictures = items.map((item, index) =>
      readImage(item, `/content/multiImage/images/${index}`, author),
    );
    return {
      postType: 'CAROUSEL',
      media: pictures.map(({ media }) => media),
      altTexts: pictures.map(({ altText }) => altText),
    };
  }

  function readImage(
    item: unknown,
    path: string,
    author: Account,
  ): { media: StoredMedia; altText: string | null } {
    const urn = stringAt(item, 'id');
    if (urn === undefined) throw missingField(`${path}/id`);
    if (!/^urn:li:image:[A-Za-z0-9_-]+$/.test(urn)) {
      throw refusal(400, 'INVALID_URN_TYPE', `${path}/id is no image URN: ${urn}`);
    }
    const image = images.get(urn);
    if (!image || image.owner !== author.externalId) {
      throw refusal(400, 'INVALID_IMAGE_ID', `${path}/id is invalid: ${urn}`);
    }
    const altText = stringAt(item, 'altText') ?? null;
    if (altText && countCharacters(altText) > maxAltTextCharacters) {
      throw tooLong(`${path}/altText`, maxAltTextCharacters);
    }
    return { media: requireAvailable(image), altText };
  }

  /** The platform names one code for "not uploaded yet" and "not processed yet". */
  function requireAvailable(image: LinkedInImage): StoredMedia {
    const status = statusOf(image);
    switch (status) {
      case 'WAITING_UPLOAD':
      case 'PROCESSING':
        throw refusal(400, 'MEDIA_ASSET_WAITING_UPLOAD', `Media asset ${image.urn} is waiting upload`);
      case 'PROCESSING_FAILED':
        throw refusal(400, 'MEDIA_ASSET_PROCESSING_FAILED', `Media asset ${image.urn} failed processing`);
      case 'AVAILABLE':
        return image.upload!.media;
      default:
        throw new Error(`Unknown image status: ${status satisfies never}`);
    }
  }

  const findPosts: Operation = {
    name: 'linkedin.posts.find',
    method: 'get',
    path: '/rest/posts',
    subject: (call) => call.query.get('author') ?? undefined,
    handle(call) {
      requireVersion(context, call);
      if (call.headers['x-restli-method']?.toString().toUpperCase() !== 'FINDER') {
        throw illegalArgument('X-RestLi-Method must be FINDER');
      }
      if (call.query.get('q') !== 'author') throw illegalArgument('Only the finder q=author is served');
      if (/(?:^|&)author=[^&]*:/.test(call.rawQuery)) {
        throw illegalArgument('Invalid query parameters passed to request: the URN is not percent-encoded');
      }
      const author = requireReadableAuthor(call, findPosts.subject(call), 'posts.FINDER-author');
      const sortBy = call.query.get('sortBy') ?? 'LAST_MODIFIED';
      if (!['LAST_MODIFIED', 'CREATED'].includes(sortBy)) throw invalidValue('sortBy', `is ${sortBy}`);
      const start = readCount(call, 'start', 0, Number.MAX_SAFE_INTEGER);
      const count = readCount(call, 'count', 10, 100);
      const shownBefore = context.now().getTime() - context.settings.get().listDelayMs;
      const posts = context.ledger
        .list({ platform: 'linkedin', externalId: author.externalId })
        .filter((post) => !post.parentId && !post.removedAt && Date.parse(post.acceptedAt) <= shownBefore)
        .reverse();
      return jsonReply(200, {
        paging: { start, count, links: [], total: posts.length },
        elements: posts
          .slice(start, start + count)
          .map((post) => renderPost(post, amendments.get(post.publicId))),
      });
    },
  };

  function findPost(call: Call): LedgerPost | undefined {
    return context.ledger.findByPublicId('linkedin', call.params.urn ?? '');
  }

  const getPost: Operation = {
    name: 'linkedin.posts.get',
    method: 'get',
    path: '/rest/posts/:urn',
    subject: (call) => findPost(call)?.externalId,
    handle(call) {
      requireVersion(context, call);
      requireEncodedPath(call);
      const post = findPost(call);
      if (!post) throw refusal(404, 'NOT_FOUND', `Not found: ${call.params.urn}`);
      requireReadableAuthor(call, post.externalId, 'posts.GET');
      if (post.removedAt) throw refusal(404, 'NOT_FOUND', `Not found: ${call.params.urn}`);
      return jsonReply(200, renderPost(post, amendments.get(post.publicId)));
    },
  };

  const updatePost: Operation = {
    name: 'linkedin.posts.update',
    method: 'post',
    path: '/rest/posts/:urn',
    subject: (call) => findPost(call)?.externalId,
    async handle(call) {
      requireVersion(context, call);
      requireEncodedPath(call);
      if (call.headers['x-restli-method']?.toString().toUpperCase() !== 'PARTIAL_UPDATE') {
        throw illegalArgument('X-RestLi-Method must be PARTIAL_UPDATE');
      }
      const post = findPost(call);
      if (!post || post.removedAt) throw refusal(404, 'NOT_FOUND', `Not found: ${call.params.urn}`);
      const author = requireOwnAccount(call, 'author', post.externalId);
      requireWriteScope(call, author, 'posts.PARTIAL_UPDATE');
      const { rawText, text } = readCommentary(asObject(asObject(requireJson(call).patch).$set));
      await amendments.put(post.publicId, { rawText, amendedAt: context.now().getTime() });
      await context.ledger.amend(post.ledgerId, { text }, context.now());
      return { status: 204 };
    },
  };

  const deletePost: Operation = {
    name: 'linkedin.posts.delete',
    method: 'delete',
    path: '/rest/posts/:urn',
    subject: (call) => findPost(call)?.externalId,
    async handle(call) {
      requireVersion(context, call);
      requireEncodedPath(call);
      const post = findPost(call);
      if (!post) throw refusal(404, 'NOT_FOUND', `Not found: ${call.params.urn}`);
      const author = requireOwnAccount(call, 'author', post.externalId);
      requireWriteScope(call, author, 'posts.DELETE');
      // Deleting what is already gone is a success.
      if (!post.removedAt) await context.ledger.remove(post.ledgerId, context.now());
      return { status: 204 };
    },
  };

  const userinfo: Operation = {
    name: 'linkedin.userinfo',
    method: 'get',
    path: '/v2/userinfo',
    subject: (call) => memberOf(call)?.externalId ?? call.accounts[0]?.externalId,
    handle(call) {
      if (!scopesOf(call).includes('openid')) throw accessDenied('userinfo.GET');
      const member = memberOf(call);
      const name = member?.name ?? `Administrator of ${call.accounts[0]!.name}`;
      const [givenName = name, ...familyNames] = name.split(' ');
      return jsonReply(200, {
        sub: member ? member.externalId.replace('urn:li:person:', '') : administratorId(call),
        name,
        given_name: givenName,
        family_name: familyNames.join(' '),
        locale: { country: 'US', language: 'en' },
      });
    },
  };

  const listRoles: Operation = {
    name: 'linkedin.organizations.acls',
    method: 'get',
    path: '/rest/organizationAcls',
    subject: (call) => memberOf(call)?.externalId,
    handle(call) {
      requireVersion(context, call);
      if (call.query.get('q') !== 'roleAssignee') throw illegalArgument('Only q=roleAssignee is served');
      if (!scopesOf(call).includes('rw_organization_admin'))
        throw accessDenied('organizationAcls.FINDER-roleAssignee');
      const organizations = call.accounts.filter(({ kind }) => kind === 'organization');
      const assignee = memberOf(call)?.externalId ?? `urn:li:person:${administratorId(call)}`;
      return jsonReply(200, {
        paging: { start: 0, count: organizations.length, links: [] },
        elements: organizations.map(({ externalId }) => ({
          ...{ organization: externalId, roleAssignee: assignee, role: 'ADMINISTRATOR', state: 'APPROVED' },
        })),
      });
    },
  };

  const getOrganization: Operation = {
    name: 'linkedin.organizations.get',
    method: 'get',
    path: '/rest/organizations/:id',
    subject: (call) => `urn:li:organization:${call.params.id}`,
    handle(call) {
      requireVersion(context, call);
      const organization = call.accounts.find(
        ({ externalId }) => externalId === getOrganization.subject(call),
      );
      if (!organization) throw accessDenied('organizations.GET');
      return jsonReply(200, { id: call.params.id, localizedName: organization.name });
    },
  };

  return {
    platform: 'linkedin',
    basePath: '/linkedin',
    operations: [
      ...[initializeUpload, upload, getImage, ...videos.operations],
      ...[createPost, findPosts, getPost, updatePost, deletePost, ...createComments(context), userinfo],
      ...[listRoles, getOrganization],
    ],
    authenticate: (call) => authenticate(context, call),
    faultReplies: {
      refuse: ({ status, code, message }) =>
        errorReply(
          status ?? 400,
          String(code ?? 'INVALID_VALUE_FOR_FIELD'),
          message ?? 'Field Value validation failed in REQUEST_BODY',
        ),
      throttle: ({ status, code, message, retryAfterSeconds }) =>
        errorReply(
          status ?? 429,
          String(code ?? 'TOO_MANY_REQUESTS'),
          message ?? 'Resource level throttle limit for calls to this resource is reached.',
          101,
          retryAfterSeconds === undefined ? {} : { 'retry-after': String(retryAfterSeconds) },
        ),
      expiredToken: () => expiredToken(),
      serverError: ({ status, message }) =>
        errorReply(status ?? 500, 'INTERNAL_SERVER_ERROR', message ?? 'Internal Server Error', 0),
    },
    unknownPath: (call) =>
      errorReply(404, 'RESOURCE_NOT_FOUND', `No virtual resource found for ${call.rawPath}`, 0),
    commonHeaders: (call) => ({
      'x-li-uuid': call.requestId,
      'x-li-request-id': call.requestId,
      'x-restli-protocol-version': '2.0.0',
    }),
    clear() {
      for (const shelf of [images, amendments, videos]) shelf.clear();
    },
  };
}

function authenticate(context: SandboxContext, call: Call): Account[] {
  const token = bearerToken(call);
  if (!token) throw refusal(401, 'EMPTY_ACCESS_TOKEN', 'Empty oauth2 access token', 65604);
  const accounts = context.accounts.findByToken('linkedin', token);
  if (accounts.length === 0) {
    throw refusal(401, 'INVALID_ACCESS_TOKEN', 'Invalid access token', 65600);
  }
  if (hasExpired(accounts, context.now())) {
    throw new Refusal(expiredToken());
  }
  return accounts;
}

function readCommentary(body: Record<string, unknown>): { rawText: string; text: string } {
  const rawText = requiredString(body, 'commentary');
  const read = readLittleText(rawText);
  if ('unescaped' in read) {
    throw invalidValue('/commentary', `has an unescaped "${read.unescaped}" at ${read.at}`);
  }
  if (countCharacters(read.text) > maxCommentaryCharacters) {
    throw tooLong('/commentary', maxCommentaryCharacters);
  }
  return { rawText, text: read.text };
}

function renderPost(post: LedgerPost, amendment: Amendment | undefined): Record<string, unknown> {
  const acceptedAt = Date.parse(post.acceptedAt);
  return {
    id: post.publicId,
    author: post.externalId,
    commentary: amendment?.rawText ?? post.rawText,
    visibility: post.visibility,
    distribution: { feedDistribution: 'MAIN_FEED', thirdPartyDistributionChannels: [] },
    ...(post.content === undefined ? {} : { content: post.content }),
    lifecycleState: 'PUBLISHED',
    isReshareDisabledByAuthor: false,
    createdAt: acceptedAt,
    publishedAt: acceptedAt,
    lastModifiedAt: amendment?.amendedAt ?? acceptedAt,
  };
}

function memberOf(call: Call): Account | undefined {
  return call.accounts.find(({ kind }) => kind === 'member');
}

/** Every token belongs to a member, also one that was registered for an organisation only. */
function administratorId(call: Call): string {
  return `admin-${sha256Of(call.accounts[0]!.token).slice(0, 10)}`;
}

/** LinkedIn's ids carry the time in their upper bits. */
function createShareNumber(at: Date): string {
  return String((BigInt(at.getTime()) << 22n) | BigInt(randomInt(2 ** 22)));
}

function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, member: unknown) =>
    typeof member === 'object' && member !== null && !Array.isArray(member)
      ? Object.fromEntries(Object.entries(member).sort(([left], [right]) => (left < right ? -1 : 1)))
      : member,
  );
}
