import type { Readable } from 'node:stream';
import type { Account } from '../accounts.ts';
import type { SandboxContext } from '../context.ts';
import { probeImage, type StoredMedia } from '../media.ts';
import {
  asObject,
  type Call,
  jsonReply,
  type Operation,
  type Reply,
  readMultipart,
  stringAt,
} from '../protocol.ts';
import {
  accountIdOf,
  createNumber,
  invalid,
  notFound,
  refusal,
  requireJson,
  requireScope,
} from './x-protocol.ts';

/** A piece of media: asked for, uploaded in segments or at once, processed, used in posts. */
export interface XMedia {
  id: string;
  owner: string;
  category: string;
  mediaType: string;
  totalBytes: number;
  createdAt: number;
  /** How many bytes each segment has that came. */
  segments: number[];
  altText: string | null;
  /** From the end of the upload on. */
  stored?: { media: StoredMedia; usableAt: number; failed: boolean; isProcessed: boolean };
}

/** Limits as documented: https://docs.x.com/x-api/media/quickstart/best-practices */
const maxImageBytes = 5 * 1_048_576;
const maxSegmentBytes = 5 * 1_048_576;
const maxVideoBytes = 512 * 1_048_576;
const maxSegmentIndex = 999;
const maxAltTextCharacters = 1_000;
const mediaLifeSeconds = 86_400;

export interface XUploads {
  operations: Operation[];
  /** A piece of an account's that has not lapsed. */
  findMedia(account: Account, id: string): XMedia | undefined;
  clear(): void;
}

/** X's uploads: pictures at once, videos in segments, each with an alternative text. */
export function createUploads(context: SandboxContext): XUploads {
  const shelf = context.shelf<XMedia>('x-media');
  const saveMedia = (media: XMedia) => shelf.put(media.id, media);

  const uploadAtOnce: Operation = {
    name: 'x.media.upload',
    method: 'post',
    path: '/2/media/upload',
    subject: accountIdOf,
    async handle(call) {
      const account = requireScope(call, 'media.write');
      const { fields, file } = await readUpload(call);
      const category = fields.get('media_category');
      if (category === undefined) throw invalid('The `media_category` parameter is required.');
      if (category !== 'tweet_image') throw invalid(`${category} is uploaded in segments.`);
      if (!file || file.length === 0) throw invalid('The `media` parameter is required.');
      if (file.length > maxImageBytes) throw invalid(`File size exceeds ${maxImageBytes} bytes.`);
      const facts = await probeImage(file);
      const contentType = facts?.contentType ?? webp(file);
      if (contentType === undefined) throw invalid('media type unrecognized.');
      const media = await context.media.put(file, contentType);
      const uploaded: XMedia = {
        ...newMedia(account, category, contentType, file.length),
        stored: { media, usableAt: 0, failed: false, isProcessed: false },
      };
      await saveMedia(uploaded);
      return jsonReply(200, { data: renderMedia(uploaded) });
    },
  };

  function newMedia(account: Account, category: string, mediaType: string, totalBytes: number): XMedia {
    const now = context.now();
    return {
      ...{ id: createNumber(now), owner: account.externalId, category, mediaType, totalBytes },
      ...{ createdAt: now.getTime(), segments: [], altText: null },
    };
  }

  const initialize: Operation = {
    name: 'x.media.initialize',
    method: 'post',
    path: '/2/media/upload/initialize',
    subject: accountIdOf,
    async handle(call) {
      const account = requireScope(call, 'media.write');
      const body = requireJson(call, [
        'media_type',
        'total_bytes',
        'media_category',
        'shared',
        'additional_owners',
      ]);
      const { total_bytes: totalBytes } = body;
      const category = stringAt(body, 'media_category');
      const mediaType = stringAt(body, 'media_type');
      if (category !== 'tweet_video') throw invalid('The sandbox takes segments of tweet_video only.');
      if (mediaType !== 'video/mp4' && mediaType !== 'video/quicktime')
        throw invalid(`The \`media_type\` query parameter value [${mediaType}] is not valid.`);
      if (typeof totalBytes !== 'number' || !Number.isInteger(totalBytes) || totalBytes < 1)
        throw invalid('The `total_bytes` parameter must be a whole number.');
      if (totalBytes > maxVideoBytes) throw invalid(`File size exceeds ${maxVideoBytes} bytes.`);
      const media = newMedia(account, category, mediaType, totalBytes);
      await saveMedia(media);
      return jsonReply(200, { data: renderMedia(media) });
    },
  };

  const append: Operation = {
    name: 'x.media.append',
    method: 'post',
    path: '/2/media/upload/:id/append',
    subject: accountIdOf,
    async handle(call) {
      const account = requireScope(call, 'media.write');
      const { fields, file } = await readUpload(call);
      return context.serialize(`x-media ${call.params.id}`, () =>
        takeSegment(requireMedia(call, account), Number(fields.get('segment_index') ?? Number.NaN), file),
      );
    },
  };

  /** In order; one that came before may come again, and must be the same. */
  async function takeSegment(media: XMedia, index: number, bytes: Buffer | undefined): Promise<Reply> {
    if (media.stored) throw invalid('The media is finalized already.');
    if (!Number.isInteger(index) || index < 0 || index > maxSegmentIndex)
      throw invalid(`The \`segment_index\` must be from 0 to ${maxSegmentIndex}.`);
    if (!bytes || bytes.length === 0) throw invalid('The `media` parameter is required.');
    if (bytes.length > maxSegmentBytes) throw invalid(`A segment exceeds ${maxSegmentBytes} bytes.`);
    if (index > media.segments.length) throw invalid(`Segment ${media.segments.length} is missing.`);
    if (index < media.segments.length) {
      if (media.segments[index] !== bytes.length) throw invalid(`Segment ${index} was another one.`);
    } else {
      await context.media.upload(`x ${media.id}`).append(bytes);
      await saveMedia({ ...media, segments: [...media.segments, bytes.length] });
    }
    const expiresAt = Math.floor(media.createdAt / 1000) + mediaLifeSeconds;
    return jsonReply(200, { data: { expires_at: expiresAt } });
  }

  const finalize: Operation = {
    name: 'x.media.finalize',
    method: 'post',
    path: '/2/media/upload/:id/finalize',
    subject: accountIdOf,
    handle(call) {
      const account = requireScope(call, 'media.write');
      return context.serialize(`x-media ${call.params.id}`, () =>
        endUpload(call, requireMedia(call, account)),
      );
    },
  };

  async function endUpload(call: Call, media: XMedia): Promise<Reply> {
    if (media.stored) throw invalid('The media is finalized already.');
    const received = media.segments.reduce((sum, bytes) => sum + bytes, 0);
    if (received !== media.totalBytes)
      throw invalid(
        `Segments do not add up to provided total file size: ${received} of ${media.totalBytes}.`,
      );
    const slower = call.fault?.kind === 'slow-upload-processing' ? (call.fault.ms ?? 0) : 0;
    const finished: XMedia = {
      ...media,
      stored: {
        media: await context.media.upload(`x ${media.id}`).finish(media.mediaType),
        usableAt: context.now().getTime() + context.settings.get().imageProcessingMs + slower,
        failed: call.fault?.kind === 'failed-processing',
        isProcessed: true,
      },
    };
    await saveMedia(finished);
    return jsonReply(200, { data: renderMedia(finished) });
  }

  const status: Operation = {
    name: 'x.media.status',
    method: 'get',
    path: '/2/media/upload',
    subject: accountIdOf,
    handle(call) {
      const account = requireScope(call, 'media.write');
      if (call.query.get('command') !== 'STATUS') throw invalid('The `command` parameter must be STATUS.');
      const media = findMedia(account, call.query.get('media_id') ?? '');
      if (!media) throw notFound('media_id', call.query.get('media_id') ?? '');
      if (!media.stored?.isProcessed) throw invalid('The media has no status: it is not processed.');
      return jsonReply(200, { data: renderMedia(media) });
    },
  };

  const describeMedia: Operation = {
    name: 'x.metadata.create',
    method: 'post',
    path: '/2/media/metadata',
    subject: accountIdOf,
    async handle(call) {
      const account = requireScope(call, 'media.write');
      const body = requireJson(call, ['id', 'metadata']);
      const media = findMedia(account, stringAt(body, 'id') ?? '');
      if (!media) throw notFound('id', stringAt(body, 'id') ?? '');
      const altText = stringAt(asObject(body.metadata).alt_text, 'text');
      if (altText === undefined || altText === '' || [...altText].length > maxAltTextCharacters)
        throw invalid(`alt_text must have 1 to ${maxAltTextCharacters} characters.`);
      await saveMedia({ ...media, altText });
      return jsonReply(200, { data: { id: media.id, associated_metadata: { alt_text: { text: altText } } } });
    },
  };

  function findMedia(account: Account, id: string): XMedia | undefined {
    const media = shelf.get(id);
    const isAlive = media && context.now().getTime() - media.createdAt < mediaLifeSeconds * 1000;
    return isAlive && media.owner === account.externalId ? media : undefined;
  }

  function requireMedia(call: Call, account: Account): XMedia {
    const media = findMedia(account, call.params.id ?? '');
    if (!media) throw notFound('id', call.params.id ?? '');
    return media;
  }

  function renderMedia(media: XMedia): Record<string, unknown> {
    return {
      id: media.id,
      media_key: mediaKeyOf(media),
      expires_after_secs: mediaLifeSeconds,
      ...(media.stored && { size: media.totalBytes }),
      ...(media.stored?.isProcessed && { processing_info: renderProcessing(media.stored) }),
    };
  }

  function renderProcessing({ usableAt, failed }: NonNullable<XMedia['stored']>): Record<string, unknown> {
    const remainingMs = usableAt - context.now().getTime();
    if (remainingMs > 0) {
      // Whole seconds, and none for what is ready within one.
      return { state: 'in_progress', check_after_secs: Math.floor(remainingMs / 1000), progress_percent: 50 };
    }
    if (!failed) return { state: 'succeeded', progress_percent: 100 };
    const error = { code: 1, name: 'InvalidMedia', message: 'Unsupported video format' };
    return { state: 'failed', progress_percent: 100, error };
  }

  return {
    operations: [uploadAtOnce, initialize, append, finalize, status, describeMedia],
    findMedia,
    clear: () => shelf.clear(),
  };
}

/** Multipart, or JSON with the bytes in base64. */
async function readUpload(call: Call): Promise<{ fields: ReadonlyMap<string, string>; file?: Buffer }> {
  if (call.headers['content-type']?.startsWith('application/json')) {
    const { media, ...others } = asObject(call.json);
    const fields = new Map(Object.entries(others).map(([name, value]) => [name, String(value)]));
    return { fields, ...(typeof media === 'string' && { file: Buffer.from(media, 'base64') }) };
  }
  if (!call.headers['content-type']?.startsWith('multipart/form-data'))
    throw refusal(415, null, 'Unsupported Media Type', 'Content-Type must be multipart/form-data');
  let file: Buffer | undefined;
  const fields = await readMultipart(call, async ({ field }, bytes) => {
    const whole = await readWhole(bytes);
    if (field === 'media') file = whole;
  });
  return { fields, ...(file && { file }) };
}

async function readWhole(bytes: Readable): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of bytes) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

const webp = (bytes: Buffer): string | undefined =>
  bytes.subarray(0, 4).toString('latin1') === 'RIFF' && bytes.subarray(8, 12).toString('latin1') === 'WEBP'
    ? 'image/webp'
    : undefined;

export const mediaKeyOf = ({ id, category }: XMedia): string =>
  `${category === 'tweet_video' ? 13 : 3}_${id}`;
