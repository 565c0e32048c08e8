import type { Readable } from 'node:stream';
import type { Account } from '../accounts.ts';
import type { SandboxContext } from '../context.ts';
import type { Fault } from '../faults.ts';
import type { StoredMedia } from '../media.ts';
import { type Call, jsonReply, type Operation, Refusal, type Reply, readMultipart } from '../protocol.ts';
import { gone, graphTime, type Parameters, randomDigits, readText, refusal, speaksFor } from './graph.ts';

/** A video from its start on: uploaded in parts, finished once, processed, public. */
export interface FacebookVideo {
  id: string;
  page: string;
  edge: 'videos' | 'video_reels' | 'video_stories';
  createdAt: number;
  /** Of a chunked upload. */
  sessionId?: string;
  /** In bytes: said at the start, or with the first byte. */
  size?: number;
  /** All of it has come. */
  media?: StoredMedia;
  /** Set by the finish: when it is processed. */
  readyAt?: number;
  failed?: true;
}

/** What the platform asks for at a time; it asks for more of a real video. */
const chunkBytes = 262_144;
const minVideoBytes = 1_024;

const codes = {
  tooSmall: { code: 382, subcode: 1363022 },
  noSession: { code: 6000, subcode: 1363019 },
  wrongOffset: { code: 6001, subcode: 1363037 },
  partial: { code: 6001, subcode: 1363033 },
  incomplete: { code: 6000, subcode: 1363030 },
  finished: { code: 100, subcode: 1363047 },
} as const;

export interface FacebookVideos {
  get(id: string): FacebookVideo | undefined;
  /** When it is processed; 0 for what needs no processing. */
  readyAt(id: string): number;
  start(
    account: Account,
    edge: FacebookVideo['edge'],
    parameters: Parameters,
    version: string,
  ): Promise<Reply>;
  /** Takes a chunk; one at a time per page. */
  transfer(call: Call, account: Account): Promise<Reply>;
  /** The host of its own that takes reels and stories. */
  upload: Operation;
  /** The video that a finish names, if all of it has come and it was not finished before. */
  requireFinishable(
    account: Account,
    edge: FacebookVideo['edge'],
    parameters: Parameters,
  ): Promise<FacebookVideo & { media: StoredMedia }>;
  finish(video: FacebookVideo, fault: Fault | undefined): Promise<FacebookVideo>;
  /** https://developers.facebook.com/documentation/video-api/guides/reels-publishing (read 2026-11-21) */
  renderStatus(video: FacebookVideo): Promise<Record<string, unknown>>;
  clear(): void;
}

/** Both ways in which a page's videos come: chunks that are asked for, and one upload that can be gone on with. */
export function createVideos(context: SandboxContext): FacebookVideos {
  const videos = context.shelf<FacebookVideo>('facebook-video');
  const save = async (video: FacebookVideo): Promise<FacebookVideo> => {
    await videos.put(video.id, video);
    return video;
  };
  const uploadOf = ({ id }: FacebookVideo) => context.media.upload(`facebook-${id}`);
  const sizeOf = async (video: FacebookVideo): Promise<number> =>
    video.media ? video.media.bytes : uploadOf(video).size();

  /** A kill between the ledger's entry and this shelf leaves a video that is public all the same. */
  function readyAtOf(video: FacebookVideo): number | undefined {
    const post = context.ledger.findByHandle('facebook', video.id);
    return video.readyAt ?? (post && Date.parse(post.acceptedAt));
  }

  const isExpired = (video: FacebookVideo): boolean =>
    readyAtOf(video) === undefined &&
    context.now().getTime() - video.createdAt >= context.settings.get().containerLifetimeMs;

  /** Keeps what has come once it is all there. */
  async function complete(video: FacebookVideo): Promise<FacebookVideo> {
    if (video.media || (await sizeOf(video)) < (video.size ?? Number.POSITIVE_INFINITY)) return video;
    return save({ ...video, media: await uploadOf(video).finish('video/mp4') });
  }

  const upload: Operation = {
    name: 'facebook.video.upload',
    method: 'post',
    path: '/video-upload/:version/:video',
    isStreamed: true,
    subject: (call) => videos.get(call.params.video ?? '')?.page,
    async handle(call) {
      const video = videos.get(call.params.video ?? '');
      if (!video || !speaksFor(call, video.page) || video.edge === 'videos' || isExpired(video))
        throw uploadRefusal(call, 'ParameterValidationError', 'The video is unknown or has expired');
      if (!/^OAuth /.test(call.headers.authorization ?? ''))
        throw uploadRefusal(call, 'NotAuthorizedError', 'The header Authorization must begin with OAuth');
      return context.serialize(`facebook-video ${video.id}`, () => takeIn(call, video));
    },
  };

  async function takeIn(call: Call, video: FacebookVideo): Promise<Reply> {
    const [offset, size] = [headerNumber(call, 'offset'), headerNumber(call, 'file_size')];
    const has = await sizeOf(video);
    if (video.media || offset !== has)
      throw uploadRefusal(call, 'OffsetInvalidError', `The offset is ${offset}, expected is ${has}`);
    const sized = await save({ ...video, size });
    try {
      for await (const bytes of call.stream as AsyncIterable<Uint8Array>) await uploadOf(sized).append(bytes);
    } catch {
      // The client went away; what has come stays.
      throw uploadRefusal(call, 'PartialRequestError', 'The connection broke');
    }
    const now = await sizeOf(sized);
    if (now !== size)
      throw uploadRefusal(call, 'PartialRequestError', `The upload ended at byte ${now} of ${size}`);
    await complete(sized);
    return jsonReply(200, { success: true });
  }

  return {
    upload,
    get: (id) => videos.get(id),
    readyAt(id) {
      const video = videos.get(id);
      return (video && readyAtOf(video)) ?? 0;
    },

    async start(account, edge, parameters, version) {
      const id = `9${randomDigits(15)}`;
      const video: FacebookVideo = {
        ...{ id, page: account.externalId, edge, createdAt: context.now().getTime() },
      };
      if (edge !== 'videos') {
        await save(video);
        const uploadUrl = `${context.publicUrl}/facebook/video-upload/${version}/${id}`;
        return jsonReply(200, { video_id: id, upload_url: uploadUrl });
      }
      const size = Number(requireText(parameters, 'file_size'));
      if (!Number.isInteger(size)) throw invalid('file_size is no number');
      if (size < minVideoBytes)
        throw refusal(400, codes.tooSmall, 'The video file you tried to upload is too small.');
      const sessionId = `8${randomDigits(15)}`;
      await save({ ...video, sessionId, size });
      const offsets = offsetsFrom(0, size);
      return jsonReply(200, { upload_session_id: sessionId, video_id: id, ...offsets });
    },

    async transfer(call, account) {
      let chunk: Buffer = Buffer.alloc(0);
      const fields = await readMultipart(call, async ({ field }, bytes) => {
        const read = await readAll(bytes);
        if (field === 'video_file_chunk') chunk = read;
      });
      if (fields.get('upload_phase') !== 'transfer') throw invalid('Only the phase transfer takes a file');
      const video = bySession(account, fields.get('upload_session_id'));
      const [size, has] = [video.size ?? 0, await sizeOf(video)];
      if (Number(fields.get('start_offset')) !== has)
        throw refusal(400, codes.wrongOffset, 'There was a problem uploading your video.', {
          error_data: offsetsFrom(has, size),
        });
      if (chunk.length === 0 || has + chunk.length > size)
        throw refusal(400, codes.partial, 'There was a problem uploading your video.', {
          is_transient: true,
        });
      await uploadOf(video).append(chunk);
      await complete(video);
      return jsonReply(200, offsetsFrom(has + chunk.length, size));
    },

    async requireFinishable(account, edge, parameters) {
      const video =
        edge === 'videos'
          ? bySession(account, readText(parameters.upload_session_id))
          : videos.get(requireText(parameters, 'video_id'));
      if (!video || video.page !== account.externalId || video.edge !== edge || isExpired(video))
        throw gone(readText(parameters.video_id) ?? '');
      if (readyAtOf(video) !== undefined)
        throw refusal(400, codes.finished, 'The video was already finished.');
      const { media, ...whole } = await complete(video);
      if (!media) throw refusal(400, codes.incomplete, 'The video has not been uploaded completely.');
      return { ...whole, media };
    },

    finish(video, fault) {
      const slower = fault?.kind === 'slow-container' ? (fault.ms ?? 0) : 0;
      const readyAt = context.now().getTime() + context.settings.get().containerProcessingMs + slower;
      return save({ ...video, readyAt, ...(fault?.kind === 'failed-processing' && { failed: true }) });
    },

    async renderStatus(video) {
      const readyAt = readyAtOf(video);
      const isProcessed = readyAt !== undefined && context.now().getTime() >= readyAt;
      const uploading = video.media
        ? { status: 'complete', bytes_transfered: video.media.bytes }
        : { status: 'in_progress', bytes_transfered: await sizeOf(video) };
      const failure = { message: 'The video could not be processed.' };
      const processing = !isProcessed
        ? { status: readyAt === undefined ? 'not_started' : 'in_progress' }
        : video.failed
          ? { status: 'error', error: failure }
          : { status: 'complete' };
      const publishing =
        isProcessed && !video.failed
          ? {
              status: 'complete',
              publish_status: 'published',
              publish_time: graphTime(new Date(readyAt).toISOString()),
            }
          : { status: 'not_started' };
      return {
        video_status: statusOf(video, isProcessed),
        uploading_phase: uploading,
        processing_phase: processing,
        publishing_phase: publishing,
      };
    },

    clear: () => videos.clear(),
  };

  function statusOf(video: FacebookVideo, isProcessed: boolean): string {
    if (isExpired(video)) return 'expired';
    if (!video.media) return 'uploading';
    if (readyAtOf(video) === undefined) return 'upload_complete';
    if (!isProcessed) return 'processing';
    return video.failed ? 'error' : 'ready';
  }

  function bySession(account: Account, sessionId: string | undefined): FacebookVideo {
    const video = videos.list().find((one) => one.sessionId === sessionId && one.page === account.externalId);
    if (sessionId !== undefined && video && !isExpired(video)) return video;
    throw refusal(400, codes.noSession, 'There was a problem uploading your video.');
  }
}

/** The platform writes numbers as texts; both are the same when nothing is missing. */
const offsetsFrom = (start: number, size: number): { start_offset: string; end_offset: string } => ({
  start_offset: String(start),
  end_offset: String(Math.min(size, start + chunkBytes)),
});

function headerNumber(call: Call, name: string): number {
  const value = call.headers[name];
  if (typeof value === 'string' && /^\d+$/.test(value)) return Number(value);
  const message = `HeaderValuePredicate: Header ${name} not convertable to unsigned long`;
  throw uploadRefusal(call, 'ParameterValidationError', message);
}

/** The upload host has a shape of its own. What is still to come of the body is let go by. */
function uploadRefusal(call: Call, type: string, message: string): Refusal {
  call.stream.resume();
  return new Refusal(jsonReply(400, { debug_info: { retriable: false, type, message } }));
}

async function readAll(bytes: Readable): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of bytes as AsyncIterable<Uint8Array>) chunks.push(chunk);
  return Buffer.concat(chunks);
}

export const invalid = (message: string): Refusal => refusal(400, { code: 100 }, `(#100) ${message}`);

/** A parameter that must be there. */
export function requireText(parameters: Parameters, name: string): string {
  const text = readText(parameters[name]);
  if (text === undefined || text === '') throw invalid(`The parameter ${name} is required`);
  return text;
}
