import { randomBytes, randomInt } from 'node:crypto';
import type { Account } from '../accounts.ts';
import type { SandboxContext } from '../context.ts';
import type { Fault } from '../faults.ts';
import { type LedgerPost, permalinkOf } from '../ledger.ts';
import { probeImage, type StoredMedia } from '../media.ts';
import type { RunningPlatform, SandboxPlatform } from '../platform.ts';
import {
  asObject,
  bearerToken,
  type Call,
  jsonReply,
  type Operation,
  Refusal,
  type Reply,
} from '../protocol.ts';
import { redactText } from '../requests.ts';

export const instagram = {
  name: 'Instagram',
  kinds: {
    business: { id: /^\d+$/, scopes: ['instagram_business_basic', 'instagram_business_content_publish'] },
  },
  operations: [
    'instagram.media.create',
    'instagram.container.status',
    'instagram.media_publish',
    'instagram.media.get',
    'instagram.media.list',
    'instagram.content_publishing_limit',
    'instagram.account.get',
  ] as const,
  processing: {
    'slow-container': ['instagram.media.create'],
    'failed-processing': ['instagram.media.create'],
  },
  permalinkOf: ({ shortcode }, publicUrl) => `${publicUrl}/p/${shortcode}/`,
  create: createInstagram,
} satisfies SandboxPlatform;

/** A media container: made from a picture's address or from other containers, published at most once. */
interface InstagramContainer {
  id: string;
  /** The account. */
  ig: string;
  createdAt: number;
  /** Not FINISHED before this time, however fast the picture came. */
  readyAt: number;
  caption: string;
  altText: string | null;
  isCarouselItem: boolean;
  imageUrl?: string;
  children?: string[];
  /** Absent while the picture is being fetched. */
  result?: { media: StoredMedia[]; altTexts: (string | null)[] } | { failed: GraphCode };
}

type ContainerStatus = 'IN_PROGRESS' | 'FINISHED' | 'ERROR' | 'EXPIRED' | 'PUBLISHED';

/**
 * Codes as published, https://developers.facebook.com/docs/instagram-platform/instagram-graph-api/reference/error-codes
 * and https://developers.facebook.com/docs/graph-api/guides/error-handling
 */
interface GraphCode {
  code: number;
  subcode?: number;
}

const codes = {
  fetchTimeout: { code: -2, subcode: 2207003 },
  notFetchable: { code: 9004, subcode: 2207052 },
  uploadFailed: { code: -1, subcode: 2207053 },
  tooLarge: { code: 36000, subcode: 2207004 },
  format: { code: 36001, subcode: 2207005 },
  ratio: { code: 36003, subcode: 2207009 },
  caption: { code: 36004, subcode: 2207010 },
  mediaType: { code: 100, subcode: 2207023 },
  carouselCount: { code: 100, subcode: 2207028 },
  mentions: { code: 100, subcode: 2207040 },
  notReady: { code: 9007, subcode: 2207027 },
  containerGone: { code: 24, subcode: 2207008 },
  mediaNotFound: { code: 24, subcode: 2207006 },
  dailyCap: { code: 9, subcode: 2207042 },
  restricted: { code: 25, subcode: 2207050 },
  objectGone: { code: 100, subcode: 33 },
  expiredToken: { code: 190, subcode: 463 },
  invalidToken: { code: 190, subcode: 467 },
} as const satisfies Record<string, GraphCode>;

const maxImageBytes = 8 * 1024 * 1024;
const minRatio = 4 / 5;
const maxRatio = 1.91;
/** Pixels are whole, so a picture cut to 4:5 or 1.91:1 misses it by a little. */
const ratioTolerance = 0.01;
const maxCaptionCharacters = 2_200;
const maxAltTextCharacters = 1_000;
const minChildren = 2;
const maxChildren = 10;
const dayMs = 86_400_000;
const containerFields = ['id', 'status_code', 'status'];
const mediaFields = [
  'id',
  'permalink',
  'shortcode',
  'media_type',
  'media_product_type',
  'timestamp',
  'caption',
  'media_url',
  'alt_text',
  'username',
];
const accountFields = ['id', 'user_id', 'username', 'name', 'account_type', 'media_count'];

/**
 * Instagram's publishing over the Graph API, the same for both ways to log in: containers whose pictures the platform
 * fetches, single-use publishing, and reads.
 */
function createInstagram(context: SandboxContext): RunningPlatform {
  const containers = context.shelf<InstagramContainer>('instagram-container');
  const saveContainer = (container: InstagramContainer) => containers.put(container.id, container);

  function statusOf(container: InstagramContainer): ContainerStatus {
    if (context.ledger.findByHandle('instagram', container.id)) return 'PUBLISHED';
    const now = context.now().getTime();
    const processed = now >= container.readyAt;
    if (processed && container.result && 'failed' in container.result) return 'ERROR';
    if (now - container.createdAt >= context.settings.get().containerLifetimeMs) return 'EXPIRED';
    return processed && container.result ? 'FINISHED' : 'IN_PROGRESS';
  }

  const createMedia: Operation = {
    name: 'instagram.media.create',
    method: 'post',
    path: '/:version/:ig/media',
    subject: (call) => igOf(call),
    async handle(call) {
      const account = requireAccount(call);
      requirePublishScope(account);
      const parameters = readParameters(call);
      return context.serialize(`instagram ${account.externalId}`, () =>
        acceptContainer(account, parameters, call.fault),
      );
    },
  };

  async function acceptContainer(account: Account, parameters: Parameters, fault?: Fault): Promise<Reply> {
    const now = context.now().getTime();
    const recent = containers
      .list()
      .filter(({ ig, createdAt }) => ig === account.externalId && now - createdAt < dayMs);
    if (recent.length >= context.settings.get().containersPerDay) {
      throw refusal(400, codes.dailyCap, 'Application request limit reached');
    }
    const slower = fault?.kind === 'slow-container' ? (fault.ms ?? 0) : 0;
    const container: InstagramContainer = {
      id: `17${randomDigits(15)}`,
      ig: account.externalId,
      createdAt: now,
      readyAt: now + context.settings.get().containerProcessingMs + slower,
      caption: readCaption(parameters),
      altText: readAltText(parameters),
      isCarouselItem: readBoolean(parameters.is_carousel_item),
      ...readSource(account, parameters),
    };
    if (container.children) container.result = gatherChildren(container.children);
    if (fault?.kind === 'failed-processing') {
      const { code, subcode } = codes.uploadFailed;
      container.result = {
        failed: { code: Number(fault.code ?? code), subcode: fault.subcode ?? subcode },
      };
    }
    await saveContainer(container);
    if (!container.result) void fetchPicture(container);
    return jsonReply(200, { id: container.id });
  }

  function readSource(
    account: Account,
    parameters: Parameters,
  ): Pick<InstagramContainer, 'imageUrl' | 'children'> {
    const mediaType = readText(parameters.media_type);
    if (mediaType === 'CAROUSEL') return { children: readChildren(account, parameters) };
    if (mediaType !== undefined && mediaType !== 'IMAGE') {
      throw refusal(400, codes.mediaType, `The sandbox makes no ${mediaType} containers`);
    }
    const imageUrl = readText(parameters.image_url);
    if (!imageUrl) throw refusal(400, { code: 100 }, '(#100) The parameter image_url is required');
    if (!/^https?:\/\/[\x21-\x7e]+$/.test(imageUrl) || !URL.canParse(imageUrl)) {
      throw refusal(400, codes.notFetchable, 'Only photo or video can be accepted as media type.');
    }
    return { imageUrl };
  }

  function readChildren(account: Account, parameters: Parameters): string[] {
    const ids = readList(parameters.children);
    if (ids.length < minChildren || ids.length > maxChildren) {
      throw refusal(400, codes.carouselCount, `A carousel takes ${minChildren} to ${maxChildren} items`);
    }
    for (const id of ids) {
      const child = containers.get(id);
      if (!child || child.ig !== account.externalId || !child.isCarouselItem || child.children) {
        throw refusal(400, codes.mediaNotFound, `The media ${id} cannot be found`);
      }
      const status = statusOf(child);
      if (status === 'IN_PROGRESS') throw refusal(400, codes.notReady, 'Media ID is not available');
      if (status !== 'FINISHED') throw refusal(400, codes.mediaNotFound, `The media ${id} is ${status}`);
    }
    return ids;
  }

  function gatherChildren(ids: string[]): NonNullable<InstagramContainer['result']> {
    const media: StoredMedia[] = [];
    const altTexts: (string | null)[] = [];
    for (const id of ids) {
      const result = containers.get(id)?.result;
      if (!result || 'failed' in result) throw new Error(`Child ${id} has no picture`);
      media.push(...result.media);
      altTexts.push(...result.altTexts);
    }
    return { media, altTexts };
  }

  /** Runs beside the answer, as the platform's own fetch does. A stop leaves it to the next start. */
  async function fetchPicture(container: InstagramContainer): Promise<void> {
    const halted = context.halted();
    try {
      const picture = await takeIn(container.imageUrl!, halted);
      if (halted.aborted) return;
      const result = 'failed' in picture ? picture : { media: [picture], altTexts: [container.altText] };
      await saveContainer({ ...container, result });
    } catch (error) {
      if (!halted.aborted) console.error(`sandbox: container ${container.id} cannot be kept`, error);
    }
  }

  async function takeIn(url: string, halted: AbortSignal): Promise<StoredMedia | { failed: GraphCode }> {
    const downloaded = await download(url, halted);
    if ('failed' in downloaded) return downloaded;
    const facts = await probeImage(downloaded.bytes);
    if (facts?.contentType !== 'image/jpeg') return { failed: codes.format };
    const ratio = facts.width / facts.height;
    if (ratio < minRatio - ratioTolerance || ratio > maxRatio + ratioTolerance)
      return { failed: codes.ratio };
    return context.media.put(downloaded.bytes, facts.contentType);
  }

  async function download(
    url: string,
    halted: AbortSignal,
  ): Promise<{ bytes: Buffer } | { failed: GraphCode }> {
    const timeout = AbortSignal.timeout(context.settings.get().mediaFetchTimeoutMs);
    try {
      const response = await context.fetch(url, {
        headers: { 'user-agent': 'facebookexternalhit/1.1' },
        redirect: 'manual',
        signal: AbortSignal.any([timeout, halted]),
      });
      if (response.status !== 200 || !response.body) {
        await response.body?.cancel();
        return { failed: codes.notFetchable };
      }
      const chunks: Uint8Array[] = [];
      let bytes = 0;
      for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
        bytes += chunk.length;
        if (bytes > maxImageBytes) return { failed: codes.tooLarge };
        chunks.push(chunk);
      }
      return { bytes: Buffer.concat(chunks) };
    } catch {
      return { failed: timeout.aborted ? codes.fetchTimeout : codes.notFetchable };
    }
  }

  const publishMedia: Operation = {
    name: 'instagram.media_publish',
    method: 'post',
    path: '/:version/:ig/media_publish',
    subject: (call) => igOf(call),
    async handle(call) {
      const account = requireAccount(call);
      requirePublishScope(account);
      const creationId = readText(readParameters(call).creation_id);
      if (!creationId) throw refusal(400, { code: 100 }, '(#100) The parameter creation_id is required');
      return context.serialize(`instagram ${account.externalId}`, () =>
        acceptPublish(call, account, creationId),
      );
    },
  };

  /** Runs one at a time per account, so a container is published once however often and fast it is asked for. */
  async function acceptPublish(call: Call, account: Account, creationId: string): Promise<Reply> {
    const container = containers.get(creationId);
    if (!container || container.ig !== account.externalId) {
      throw refusal(
        400,
        codes.containerGone,
        `The media builder ${creationId} does not exist or has expired`,
      );
    }
    const status = statusOf(container);
    // A used container is answered like one that is gone; its status tells PUBLISHED.
    if (status === 'PUBLISHED' || status === 'EXPIRED') {
      throw refusal(
        400,
        codes.containerGone,
        `The media builder ${creationId} does not exist or has expired`,
      );
    }
    if (container.isCarouselItem)
      throw refusal(400, codes.mediaNotFound, 'A carousel item is not published alone');
    if (status !== 'FINISHED' || !container.result || 'failed' in container.result) {
      throw refusal(400, codes.notReady, 'Media ID is not available');
    }
    if (publishesIn24Hours(account) >= context.settings.get().publishesPerDay) {
      throw refusal(403, codes.dailyCap, 'Application request limit reached', {
        error_user_title: 'The user has reached the maximum number of posts',
      });
    }
    const { media, altTexts } = container.result;
    const publicId = `18${randomDigits(15)}`;
    await context.ledger.add({
      platform: 'instagram',
      externalId: account.externalId,
      accountName: account.name,
      postType: container.children ? 'CAROUSEL' : 'SINGLE_IMAGE',
      text: container.caption,
      rawText: container.caption,
      altTexts,
      media,
      publicId,
      receivedAt: call.receivedAt.toISOString(),
      acceptedAt: context.now().toISOString(),
      requestId: call.requestId,
      rawBody: redactText(call.body.toString('utf8')),
      handle: container.id,
      shortcode: `D${randomBytes(8).toString('base64url').slice(0, 10)}`,
    });
    return jsonReply(200, { id: publicId });
  }

  function publishesIn24Hours(account: Account): number {
    const since = context.now().getTime() - dayMs;
    return context.ledger
      .list({ platform: 'instagram', externalId: account.externalId })
      .filter((post) => Date.parse(post.acceptedAt) > since).length;
  }

  const listMedia: Operation = {
    name: 'instagram.media.list',
    method: 'get',
    path: '/:version/:ig/media',
    subject: (call) => igOf(call),
    handle(call) {
      const account = requireAccount(call);
      const fields = readFields(call, mediaFields, ['id']);
      const since = readTime(call, 'since');
      const until = readTime(call, 'until');
      const limit = readLimit(call);
      const shownBefore = context.now().getTime() - context.settings.get().listDelayMs;
      const posts = context.ledger
        .list({ platform: 'instagram', externalId: account.externalId })
        .filter((post) => {
          const at = Date.parse(post.acceptedAt);
          if (at > shownBefore) return false;
          // The platform's times are whole seconds.
          const seconds = Math.floor(at / 1000);
          return (since === undefined || seconds >= since) && (until === undefined || seconds <= until);
        })
        .reverse();
      const after = call.query.get('after');
      const start = after ? posts.findIndex(({ publicId }) => publicId === after) + 1 : 0;
      const page = posts.slice(start, start + limit);
      const last = page.at(-1);
      return jsonReply(200, {
        data: page.map((post) => select(renderMedia(post), fields)),
        ...(last ? { paging: { cursors: { before: page[0]!.publicId, after: last.publicId } } } : {}),
      });
    },
  };

  const publishingLimit: Operation = {
    name: 'instagram.content_publishing_limit',
    method: 'get',
    path: '/:version/:ig/content_publishing_limit',
    subject: (call) => igOf(call),
    handle(call) {
      const account = requireAccount(call);
      const fields = readFields(call, ['quota_usage', 'config'], ['quota_usage']);
      const limit = {
        quota_usage: publishesIn24Hours(account),
        config: { quota_total: context.settings.get().publishesPerDay, quota_duration: 86_400 },
      };
      return jsonReply(200, { data: [pick(limit, fields)] });
    },
  };

  /** One path reads containers, media and accounts. */
  const getNode: Operation = {
    name(call) {
      const id = call.params.ig ?? '';
      if (containers.get(id)) return 'instagram.container.status';
      if (id === 'me' || call.accounts.some(({ externalId }) => externalId === id))
        return 'instagram.account.get';
      return 'instagram.media.get';
    },
    method: 'get',
    path: '/:version/:ig',
    subject(call) {
      const id = call.params.ig ?? '';
      return (
        containers.get(id)?.ig ?? context.ledger.findByPublicId('instagram', id)?.externalId ?? igOf(call)
      );
    },
    handle(call) {
      requireVersion(call);
      const id = call.params.ig ?? '';
      const container = containers.get(id);
      if (container && speaksFor(call, container.ig)) {
        return jsonReply(200, select(renderContainer(container), readFields(call, containerFields, ['id'])));
      }
      const post = context.ledger.findByPublicId('instagram', id);
      if (post && speaksFor(call, post.externalId)) {
        return jsonReply(200, select(renderMedia(post), readFields(call, mediaFields, ['id'])));
      }
      const account = requireAccount(call);
      return jsonReply(200, select(renderAccount(account), readFields(call, accountFields, ['id'])));
    },
  };

  function renderContainer(container: InstagramContainer): Record<string, unknown> {
    const status = statusOf(container);
    return { id: container.id, status_code: status, status: statusText(container, status) };
  }

  function renderMedia(post: LedgerPost): Record<string, unknown> {
    const isCarousel = post.postType === 'CAROUSEL';
    return {
      id: post.publicId,
      permalink: permalinkOf(post, context.publicUrl),
      shortcode: post.shortcode,
      media_type: isCarousel ? 'CAROUSEL_ALBUM' : 'IMAGE',
      media_product_type: 'FEED',
      timestamp: post.acceptedAt.replace(/\.\d+Z$/, '+0000'),
      ...(post.text === '' ? {} : { caption: post.text }),
      media_url: `${context.publicUrl}/media/${post.media[0]?.sha256}`,
      ...(isCarousel || post.altTexts[0] == null ? {} : { alt_text: post.altTexts[0] }),
      username: usernameOf(post.accountName),
    };
  }

  function renderAccount(account: Account): Record<string, unknown> {
    return {
      id: account.externalId,
      user_id: account.externalId,
      username: usernameOf(account.name),
      name: account.name,
      account_type: 'BUSINESS',
      media_count: context.ledger.list({ platform: 'instagram', externalId: account.externalId }).length,
    };
  }

  function readCaption(parameters: Parameters): string {
    const caption = readText(parameters.caption) ?? '';
    const { hashtagsPerCaption, mentionsPerCaption } = context.settings.get();
    if ([...caption].length > maxCaptionCharacters) {
      throw refusal(400, codes.caption, `The caption has more than ${maxCaptionCharacters} characters`);
    }
    if (countMatches(caption, /#[\p{L}\p{N}\p{M}_]+/gu) > hashtagsPerCaption) {
      throw refusal(400, codes.caption, `The caption has more than ${hashtagsPerCaption} hashtags`);
    }
    if (countMatches(caption, /(?<![\p{L}\p{N}._])@[\p{L}\p{N}._]+/gu) > mentionsPerCaption) {
      throw refusal(400, codes.mentions, `The caption tags more than ${mentionsPerCaption} people`);
    }
    return caption;
  }

  return {
    platform: 'instagram',
    basePath: '/instagram',
    operations: [createMedia, publishMedia, listMedia, publishingLimit, getNode],
    authenticate: (call) => authenticate(context, call),
    faultReplies: {
      refuse: ({ status, code, subcode, message }) =>
        errorReply(
          status ?? 400,
          code === undefined ? codes.restricted : { code: Number(code), subcode },
          message ?? 'The Instagram account is restricted.',
        ),
      throttle,
      expiredToken: () => expiredToken(),
      serverError: ({ status, message }) =>
        errorReply(
          status ?? 500,
          { code: 2 },
          message ?? 'An unexpected error has occurred. Please retry your request later.',
          { is_transient: true },
        ),
    },
    unknownPath: (call) =>
      errorReply(400, { code: 2500 }, `Unknown path components: ${call.rawPath.replace('/instagram', '')}`),
    commonHeaders: (call) => ({
      'facebook-api-version': call.params.version ?? 'v26.0',
      'x-fb-request-id': call.requestId,
    }),
    clear: () => containers.clear(),
    resume() {
      for (const container of containers.list()) {
        if (!container.result && statusOf(container) === 'IN_PROGRESS') void fetchPicture(container);
      }
    },
  };
}

function authenticate(context: SandboxContext, call: Call): Account[] {
  const token = bearerToken(call) ?? readText(readParameters(call).access_token);
  if (!token) {
    throw refusal(400, { code: 104 }, 'An access token is required to request this resource.');
  }
  const accounts = context.accounts.findByToken('instagram', token);
  if (accounts.length === 0) {
    throw refusal(401, codes.invalidToken, 'Invalid OAuth access token - Cannot parse access token');
  }
  const now = context.now().getTime();
  if (accounts.some(({ expiresAt }) => expiresAt !== undefined && Date.parse(expiresAt) <= now)) {
    throw new Refusal(expiredToken());
  }
  return accounts;
}

/** Query, form or JSON: the Graph API takes parameters from each. */
type Parameters = Record<string, unknown>;

function readParameters(call: Call): Parameters {
  const fromQuery = Object.fromEntries(call.query);
  if (call.json !== undefined) return { ...fromQuery, ...asObject(call.json) };
  const isForm = call.headers['content-type']?.includes('application/x-www-form-urlencoded');
  const form = isForm ? new URLSearchParams(call.body.toString('utf8')) : new URLSearchParams();
  return { ...fromQuery, ...Object.fromEntries(form) };
}

function readText(value: unknown): string | undefined {
  if (typeof value === 'number') return String(value);
  return typeof value === 'string' ? value : undefined;
}

function readBoolean(value: unknown): boolean {
  return value === true || value === 'true' || value === '1';
}

/** A JSON array, such an array as text, or a list with commas. */
function readList(value: unknown): string[] {
  if (Array.isArray(value)) return value.map(String);
  const text = readText(value)?.trim() ?? '';
  return text
    .replace(/^\[|\]$/g, '')
    .split(',')
    .map((item) => item.trim().replace(/^"|"$/g, ''))
    .filter((item) => item !== '');
}

function readAltText(parameters: Parameters): string | null {
  const altText = readText(parameters.alt_text);
  if (altText === undefined) return null;
  if ([...altText].length > maxAltTextCharacters) {
    throw refusal(400, { code: 100 }, `(#100) alt_text has more than ${maxAltTextCharacters} characters`);
  }
  return altText;
}

function readFields(call: Call, known: string[], otherwise: string[]): string[] {
  const asked = call.query.get('fields');
  if (!asked) return otherwise;
  const fields = asked.split(/,(?![^{]*\})/).map((field) => field.replace(/\{.*$/, '').trim());
  const unknown = fields.find((field) => !known.includes(field));
  if (unknown !== undefined) {
    throw refusal(400, { code: 100 }, `(#100) Tried accessing nonexisting field (${unknown})`);
  }
  return fields;
}

/** Unix seconds, or any date text. */
function readTime(call: Call, name: string): number | undefined {
  const value = call.query.get(name);
  if (value === null) return undefined;
  const seconds = /^\d+$/.test(value) ? Number(value) : Math.floor(Date.parse(value) / 1000);
  if (Number.isNaN(seconds)) throw refusal(400, { code: 100 }, `(#100) Invalid ${name}: ${value}`);
  return seconds;
}

function readLimit(call: Call): number {
  const limit = Number(call.query.get('limit') ?? 25);
  if (!Number.isInteger(limit) || limit < 1) throw refusal(400, { code: 100 }, '(#100) Invalid limit');
  return Math.min(limit, 100);
}

function pick(node: Record<string, unknown>, fields: string[]): Record<string, unknown> {
  return Object.fromEntries(fields.filter((field) => field in node).map((field) => [field, node[field]]));
}

/** Nodes always carry their id. */
function select(node: Record<string, unknown>, fields: string[]): Record<string, unknown> {
  return { ...pick(node, fields), id: node.id };
}

function requireVersion(call: Call): void {
  const version = call.params.version ?? '';
  if (!/^v\d+\.\d+$/.test(version)) {
    throw refusal(400, { code: 2500 }, `Unknown path components: /${version}`);
  }
}

function igOf(call: Call): string | undefined {
  return call.params.ig === 'me' ? call.accounts[0]?.externalId : call.params.ig;
}

function speaksFor(call: Call, ig: string): boolean {
  return call.accounts.some(({ externalId }) => externalId === ig);
}

function requireAccount(call: Call): Account {
  requireVersion(call);
  const account = call.accounts.find(({ externalId }) => externalId === igOf(call));
  if (!account) {
    throw refusal(
      400,
      codes.objectGone,
      `Unsupported request. Object with ID '${call.params.ig}' does not exist, cannot be loaded due to missing permissions, or does not support this operation`,
      { type: 'GraphMethodException' },
    );
  }
  return account;
}

function requirePublishScope(account: Account): void {
  if (!account.scopes.some((scope) => scope.endsWith('content_publish'))) {
    throw refusal(403, { code: 10 }, '(#10) Application does not have permission for this action');
  }
}

function statusText(container: InstagramContainer, status: ContainerStatus): string {
  switch (status) {
    case 'IN_PROGRESS':
      return 'In Progress: Media is still being processed.';
    case 'FINISHED':
      return 'Finished: Media has been uploaded and it is ready to be published.';
    case 'PUBLISHED':
      return 'Published: Media has been successfully published.';
    case 'EXPIRED':
      return 'Expired: Media was not published within 24 hours.';
    case 'ERROR': {
      const failed =
        container.result && 'failed' in container.result ? container.result.failed : codes.uploadFailed;
      return `Error: Media upload has failed with error code ${failed.subcode ?? failed.code}`;
    }
    default:
      throw new Error(`Unknown container status: ${status satisfies never}`);
  }
}

function usernameOf(name: string): string {
  return name.toLowerCase().replace(/[^a-z0-9._]+/g, '_');
}

function countMatches(text: string, pattern: RegExp): number {
  return [...text.matchAll(pattern)].length;
}

function randomDigits(length: number): string {
  return Array.from({ length }, () => randomInt(10)).join('');
}

/**
 * The Graph API documents no Retry-After: how long to wait is in the usage header, in minutes. The account's own
 * number is not known here, so the header names a business of the sandbox.
 */
function throttle({ status, code, subcode, message, retryAfterSeconds }: Fault): Reply {
  const usage = { call_count: 100, total_cputime: 100, total_time: 100 };
  const headers: Record<string, string> = { 'x-app-usage': JSON.stringify(usage) };
  if (retryAfterSeconds !== undefined) {
    headers['x-business-use-case-usage'] = JSON.stringify({
      '1000000000000001': [
        { type: 'instagram', ...usage, estimated_time_to_regain_access: Math.ceil(retryAfterSeconds / 60) },
      ],
    });
    // Sent only when the script asks for the HTTP form of the refusal.
    if (status === 429) headers['retry-after'] = String(retryAfterSeconds);
  }
  return errorReply(
    status ?? 403,
    { code: Number(code ?? 4), subcode },
    message ?? '(#4) Application request limit reached',
    { is_transient: true },
    headers,
  );
}

function errorReply(
  status: number,
  { code, subcode }: { code: number; subcode?: number | undefined },
  message: string,
  extra: Record<string, unknown> = {},
  headers: Record<string, string> = {},
): Reply {
  const error = {
    message,
    type: 'OAuthException',
    code,
    ...(subcode === undefined ? {} : { error_subcode: subcode }),
    is_transient: false,
    fbtrace_id: `A${randomBytes(16).toString('base64url')}`,
    ...extra,
  };
  const challenge: Record<string, string> =
    code === 190 ? { 'www-authenticate': `OAuth "Facebook Platform" "invalid_token" "${message}"` } : {};
  return jsonReply(status, { error }, { ...challenge, ...headers });
}

function refusal(status: number, code: GraphCode, message: string, extra?: Record<string, unknown>): Refusal {
  return new Refusal(errorReply(status, code, message, extra));
}

function expiredToken(): Reply {
  return errorReply(401, codes.expiredToken, 'Error validating access token: Session has expired.');
}
