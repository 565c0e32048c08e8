import { OutcomeError } from '../../domain/outcome.ts';
import type { HttpReply } from './http.ts';
import type { Account, CallContext, MediaAccess, MediaItem, PrepareContext } from './publisher.ts';
import { initPost, readPostStatus, type TikTokApi } from './tiktok-api.ts';

/** How a video gets to TikTok: in equal chunks, in order, to an address that is a secret; the last one publishes. */

// Limits

// "5 MB", in its larger reading. https://developers.tiktok.com/doc/content-posting-api-media-transfer-guide (read 2026-11-21)
const minChunkBytes = 5 * 1_048_576;
const uploadTimeoutMs = 180_000;
/** The address lives for an hour; we stop trusting it a little earlier. */
const sessionLifeMs = 55 * 60_000;

/** The address of an upload; whoever knows it can end it, which publishes. */
export interface UploadSession {
  readonly publishId: string;
  readonly uploadUrl: string;
  readonly expiresAtMs: number;
}

/** What is uploaded, and where to. */
export interface VideoUpload {
  readonly api: TikTokApi;
  readonly account: Account;
  readonly session: UploadSession;
  readonly item: MediaItem;
}

/** Bytes from `start` up to and without `end`. */
export interface Chunk {
  readonly start: number;
  readonly end: number;
}

/**
 * Cuts a file as TikTok counts: whole below 5 MB, otherwise as many equal chunks as fit, what is left over in the last.
 * The smallest chunks that are allowed, so that the last one, which has to arrive at the due time, is short.
 */
export function chunksOf(sizeBytes: number): {
  readonly chunkSize: number;
  readonly chunks: readonly Chunk[];
} {
  const count = Math.max(1, Math.floor(sizeBytes / minChunkBytes));
  const chunkSize = Math.floor(sizeBytes / count);
  const chunks = Array.from({ length: count }, (_, index) => ({
    start: index * chunkSize,
    end: index === count - 1 ? sizeBytes : (index + 1) * chunkSize,
  }));
  return { chunkSize, chunks };
}

/**
 * Uploads everything but the last chunk, going on where an earlier attempt ended. Whatever is left behind stays
 * invisible: TikTok posts with the last byte alone.
 */
export async function uploadAllButTheLast(
  api: TikTokApi,
  account: Account,
  item: MediaItem,
  media: MediaAccess,
  context: PrepareContext,
  postInfo: Readonly<Record<string, unknown>>,
): Promise<UploadSession> {
  const { chunkSize, chunks } = chunksOf(item.sizeBytes);
  const resumed = await resume(api, account, context);
  const session = resumed?.session ?? (await startSession(api, account, item, context, postInfo));
  const done = Math.round((resumed?.uploadedBytes ?? 0) / chunkSize);
  for (const chunk of chunks.slice(done, -1)) {
    const at = Math.round((100 * chunk.start) / item.sizeBytes);
    context.progress(`Uploading video ${item.mediaId} to TikTok: ${at} %`);
    await putEarlyChunk({ api, account, session, item }, chunk, media, context);
  }
  return session;
}

async function startSession(
  api: TikTokApi,
  account: Account,
  item: MediaItem,
  context: PrepareContext,
  postInfo: Readonly<Record<string, unknown>>,
): Promise<UploadSession> {
  const { chunkSize, chunks } = chunksOf(item.sizeBytes);
  const what = 'TikTok video upload start';
  const expiresAtMs = api.now().getTime() + sessionLifeMs;
  const { publishId, uploadUrl } = await initPost(api, account, context, {
    path: '/v2/post/publish/video/init/',
    body: {
      post_info: postInfo,
      source_info: {
        source: 'FILE_UPLOAD',
        video_size: item.sizeBytes,
        chunk_size: chunkSize,
        total_chunk_count: chunks.length,
      },
    },
    what,
  });
  if (uploadUrl === null || !URL.canParse(uploadUrl)) {
    throw new OutcomeError('unexpected-response', `${what}: no upload_url in the answer`);
  }
  // Said here, and not at the due time by the chunk that would be sent there.
  const { origin } = new URL(uploadUrl);
  if (!api.origins.includes(origin)) {
    throw new OutcomeError('unexpected-response', `${what}: ${origin} is not a host of this adapter`);
  }
  await context.upload.keep({ publishId, uploadUrl, expiresAtMs });
  return { publishId, uploadUrl, expiresAtMs };
}

interface Resumed {
  readonly session: UploadSession;
  readonly uploadedBytes: number;
}

/** What an earlier attempt began, if TikTok still goes on with it. */
async function resume(api: TikTokApi, account: Account, context: PrepareContext): Promise<Resumed | null> {
  const session = parseKept(context.upload.kept);
  if (session === null || session.expiresAtMs <= api.now().getTime()) return null;
  try {
    const { status, uploadedBytes } = await readPostStatus(api, account, session.publishId, context);
    if (status === 'FAILED') return null;
    // All is there already, by a commit that nobody remembers: the one to come asks what became of it.
    if (status !== 'PROCESSING_UPLOAD') return { session, uploadedBytes: Number.MAX_SAFE_INTEGER };
    return { session, uploadedBytes: uploadedBytes ?? 0 };
  } catch (error) {
    // TikTok knows nothing of it any more.
    if (error instanceof OutcomeError && error.code === 'rejected') return null;
    throw error;
  }
}

async function putEarlyChunk(
  upload: VideoUpload,
  chunk: Chunk,
  media: MediaAccess,
  context: PrepareContext,
): Promise<void> {
  const bytes = await readChunk(media, upload.item, chunk);
  try {
    const { status } = await putChunk(upload, chunk, bytes, context, uploadTimeoutMs);
    if (status !== 206) {
      const message = `TikTok video upload: answer ${status} to a chunk that is not the last`;
      throw new OutcomeError('unexpected-response', message, { status });
    }
  } catch (error) {
    if (!endsSession(error)) throw error;
    // The next attempt begins anew.
    await context.upload.keep({});
    throw new OutcomeError('unavailable', `${error.message}; the upload begins anew`, { sent: false });
  }
}

/** Answers that say: not with this address, or not at this place. */
const sessionStatuses: readonly (number | undefined)[] = [403, 404, 416];

export const endsSession = (error: unknown): error is OutcomeError =>
  error instanceof OutcomeError && sessionStatuses.includes(error.details.status);

/** Reads a chunk; what cannot be read was not sent. */
export async function readChunk(media: MediaAccess, item: MediaItem, chunk: Chunk): Promise<Uint8Array> {
  const unreadable = (why: string) =>
    new OutcomeError('unavailable', `Video ${item.mediaId} cannot be read: ${why}`, { sent: false });
  const bytes = await media.range(item, chunk.start, chunk.end).catch((error: unknown) => {
    throw unreadable(error instanceof Error ? error.message : String(error));
  });
  const missing = chunk.end - chunk.start - bytes.length;
  if (missing !== 0) throw unreadable(`${missing} bytes are missing`);
  return bytes;
}

/** Sends one chunk, without the account's token: the address is all that is needed. */
export function putChunk(
  { api, account, session, item }: VideoUpload,
  chunk: Chunk,
  bytes: Uint8Array,
  context: CallContext,
  timeoutMs: number,
): Promise<HttpReply> {
  return api.http.send({
    method: 'PUT',
    url: session.uploadUrl,
    headers: {
      'Content-Type': item.contentType,
      'Content-Length': String(bytes.length),
      'Content-Range': `bytes ${chunk.start}-${chunk.end - 1}/${item.sizeBytes}`,
    },
    body: bytes,
    what: 'TikTok video upload',
    timeoutMs,
    signal: context.signal,
    secrets: [account.accessToken, ...secretsOf(session.uploadUrl)],
  });
}

/** The address, and what in it opens it. */
function secretsOf(uploadUrl: string): readonly string[] {
  const parameters = URL.canParse(uploadUrl) ? [...new URL(uploadUrl).searchParams.values()] : [];
  return [uploadUrl, ...parameters.filter((value) => value.length >= 6)];
}

function parseKept(kept: Readonly<Record<string, string | number>> | null): UploadSession | null {
  const { publishId, uploadUrl, expiresAtMs } = kept ?? {};
  if (typeof publishId !== 'string' || typeof uploadUrl !== 'string' || typeof expiresAtMs !== 'number') {
    return null;
  }
  return { publishId, uploadUrl, expiresAtMs };
}
