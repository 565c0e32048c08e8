import { randomBytes } from 'node:crypto';
import type { Account } from '../accounts.ts';
import type { SandboxContext } from '../context.ts';
import { type StoredMedia, sha256Of } from '../media.ts';
import { asObject, type Call, jsonReply, type Operation, type Reply, stringAt } from '../protocol.ts';
import {
  illegalArgument,
  invalidValue,
  missingField,
  refusal,
  requireEncodedPath,
  requireOwnAccount,
  requireVersion,
  requireWriteScope,
} from './linkedin-protocol.ts';

/** A video asset: asked for, uploaded part by part, put together, processed. */
interface LinkedInVideo {
  urn: string;
  owner: string;
  sizeBytes: number;
  uploadToken: string;
  uploadUrlsExpireAt: number;
  /** What has come of it, by the number of the part. */
  parts: Record<number, { tag: string; sha256: string }>;
  finished?: { media: StoredMedia; availableAt: number; failed: boolean };
}

/** https://learn.microsoft.com/en-us/linkedin/marketing/community-management/shares/videos-api */
const partBytes = 4_194_304;
const minFileBytes = 75_000;
const maxFileBytes = 500_000_000;

export interface Videos {
  operations: Operation[];
  /** The video of a post, which must be AVAILABLE. */
  requireAvailable(urn: string, author: Account): StoredMedia;
  clear(): void;
}

/** LinkedIn's Videos API: every part has an address of its own that wants no token, and a tag that is asked for back. */
export function createVideos(context: SandboxContext): Videos {
  const videos = context.shelf<LinkedInVideo>('linkedin-video');
  const save = (video: LinkedInVideo) => videos.put(video.urn, video);
  const videoOf = (id: string | undefined) => videos.get(`urn:li:video:${id}`);

  const statusOf = ({ finished }: LinkedInVideo): string => {
    if (!finished) return 'WAITING_UPLOAD';
    if (context.now().getTime() < finished.availableAt) return 'PROCESSING';
    return finished.failed ? 'PROCESSING_FAILED' : 'AVAILABLE';
  };

  const act: Operation = {
    name: (call) =>
      call.query.get('action') === 'finalizeUpload'
        ? 'linkedin.videos.finalize'
        : 'linkedin.videos.initialize',
    method: 'post',
    path: '/rest/videos',
    subject: (call) => {
      const { initializeUploadRequest, finalizeUploadRequest } = asObject(call.json);
      return (
        stringAt(initializeUploadRequest, 'owner') ??
        videos.get(stringAt(finalizeUploadRequest, 'video') ?? '')?.owner
      );
    },
    async handle(call) {
      requireVersion(context, call);
      switch (call.query.get('action')) {
        case 'initializeUpload':
          return initialize(call, asObject(asObject(call.json).initializeUploadRequest));
        case 'finalizeUpload':
          return finalize(call, asObject(asObject(call.json).finalizeUploadRequest));
        default:
          throw illegalArgument(
            'The action is missing or unknown; initializeUpload and finalizeUpload are served',
          );
      }
    },
  };

  async function initialize(call: Call, request: Record<string, unknown>): Promise<Reply> {
    const owner = requireOwnAccount(call, 'initializeUploadRequest/owner', stringAt(request, 'owner'));
    requireWriteScope(call, owner, 'videos.ACTION-initializeUpload');
    const sizeBytes = Number(request.fileSizeBytes);
    if (!Number.isInteger(sizeBytes) || sizeBytes < minFileBytes || sizeBytes > maxFileBytes) {
      const limits = `must be from ${minFileBytes} to ${maxFileBytes}`;
      throw invalidValue('/initializeUploadRequest/fileSizeBytes', limits);
    }
    for (const field of ['uploadCaptions', 'uploadThumbnail']) {
      if (typeof request[field] !== 'boolean') throw missingField(`initializeUploadRequest/${field}`);
    }
    const id = `C4E10AQ${randomBytes(9).toString('base64url')}`;
    const uploadUrlsExpireAt = context.now().getTime() + context.settings.get().uploadUrlLifetimeMs;
    const urn = `urn:li:video:${id}`;
    const uploadToken = randomBytes(6).toString('base64url');
    await save({ urn, owner: owner.externalId, sizeBytes, uploadToken, uploadUrlsExpireAt, parts: {} });
    const uploadInstructions = Array.from({ length: Math.ceil(sizeBytes / partBytes) }, (_, part) => ({
      uploadUrl: `${context.publicUrl}/linkedin/dms-uploads/sp/${id}/uploadedVideo/${part}?sau=${uploadToken}`,
      firstByte: part * partBytes,
      lastByte: Math.min(sizeBytes, (part + 1) * partBytes) - 1,
    }));
    const value = { video: urn, uploadToken, uploadUrlsExpireAt, uploadInstructions };
    return jsonReply(200, { value });
  }

  const uploadPart: Operation = {
    name: 'linkedin.videos.upload',
    method: 'put',
    path: '/dms-uploads/sp/:id/uploadedVideo/:part',
    isOpen: true,
    subject: (call) => videoOf(call.params.id)?.owner,
    async handle(call) {
      const video = videoOf(call.params.id);
      const part = Number(call.params.part);
      if (!video || call.query.get('sau') !== video.uploadToken || !(part * partBytes < video.sizeBytes)) {
        throw refusal(404, 'NOT_FOUND', 'The upload URL is unknown');
      }
      // The address is signed; what signs in a second way is turned away.
      if (call.headers.authorization) throw refusal(403, 'ACCESS_DENIED', 'Only one way to sign in is taken');
      if (context.now().getTime() >= video.uploadUrlsExpireAt) {
        throw refusal(400, 'EXPIRED_UPLOAD_URL', 'The Video upload URL is expired');
      }
      const expected = Math.min(partBytes, video.sizeBytes - part * partBytes);
      if (call.body.length !== expected) {
        throw refusal(400, 'INVALID_VALUE', `Part ${part} has ${call.body.length} bytes, not ${expected}`);
      }
      const { sha256 } = await context.media.put(call.body, 'application/octet-stream');
      const tag = `/ambry-video/signedId/${sha256Of(`${video.urn} ${part} ${sha256}`).slice(0, 32)}`;
      await context.serialize(video.urn, async () => {
        const latest = videos.get(video.urn) ?? video;
        await save({ ...latest, parts: { ...latest.parts, [part]: { tag, sha256 } } });
      });
      return { status: 200, headers: { etag: tag } };
    },
  };

  async function finalize(call: Call, request: Record<string, unknown>): Promise<Reply> {
    const urn = stringAt(request, 'video');
    if (urn === undefined) throw missingField('finalizeUploadRequest/video');
    const video = videos.get(urn);
    if (!video) throw refusal(404, 'NOT_FOUND', `Not found: ${urn}`);
    const owner = requireOwnAccount(call, 'owner', video.owner);
    requireWriteScope(call, owner, 'videos.ACTION-finalizeUpload');
    if (stringAt(request, 'uploadToken') !== video.uploadToken) {
      throw invalidValue('/finalizeUploadRequest/uploadToken', 'is not the one of the upload');
    }
    return context.serialize(urn, () => putTogether(call, video, request.uploadedPartIds));
  }

  async function putTogether(call: Call, video: LinkedInVideo, tags: unknown): Promise<Reply> {
    const { parts, sizeBytes, urn } = videos.get(video.urn) ?? video;
    const count = Math.ceil(sizeBytes / partBytes);
    const ordered = Array.from({ length: count }, (_, part) => parts[part]);
    const isComplete =
      Array.isArray(tags) && tags.length === count && ordered.every((part, at) => part?.tag === tags[at]);
    if (!isComplete) {
      throw invalidValue('/finalizeUploadRequest/uploadedPartIds', 'are not the tags of all parts in order');
    }
    const upload = context.media.upload(`${urn} ${call.requestId}`);
    for (const part of ordered) {
      const bytes = part && (await context.media.read(part.sha256));
      if (!bytes) throw new Error(`A part of ${urn} is lost`);
      await upload.append(bytes);
    }
    const slower = call.fault?.kind === 'slow-upload-processing' ? (call.fault.ms ?? 0) : 0;
    const finished = {
      media: await upload.finish('video/mp4'),
      availableAt: context.now().getTime() + context.settings.get().imageProcessingMs + slower,
      failed: call.fault?.kind === 'failed-processing',
    };
    await save({ ...video, parts, finished });
    return { status: 200 };
  }

  const getVideo: Operation = {
    name: 'linkedin.videos.get',
    method: 'get',
    path: '/rest/videos/:urn',
    subject: (call) => videos.get(call.params.urn ?? '')?.owner,
    handle(call) {
      requireVersion(context, call);
      requireEncodedPath(call);
      const video = videos.get(call.params.urn ?? '');
      if (!video) throw refusal(404, 'NOT_FOUND', `Not found: ${call.params.urn}`);
      requireOwnAccount(call, 'owner', video.owner);
      const status = statusOf(video);
      return jsonReply(200, {
        id: video.urn,
        owner: video.owner,
        status,
        ...(status === 'PROCESSING_FAILED' && { processingFailureReason: 'The video cannot be transcoded' }),
      });
    },
  };

  return {
    operations: [act, uploadPart, getVideo],
    requireAvailable(urn, author) {
      const video = videos.get(urn);
      if (!video || video.owner !== author.externalId) {
        throw refusal(400, 'INVALID_URN_ID', `/content/media/id is invalid: ${urn}`);
      }
      const status = statusOf(video);
      if (status === 'AVAILABLE' && video.finished) return video.finished.media;
      if (status === 'PROCESSING_FAILED') {
        throw refusal(400, 'MEDIA_ASSET_PROCESSING_FAILED', `Media asset ${urn} failed processing`);
      }
      throw refusal(400, 'MEDIA_ASSET_WAITING_UPLOAD', `Media asset ${urn} is waiting upload`);
    },
    clear: () => videos.clear(),
  };
}
