import { PassThrough, pipeline, Readable } from 'node:stream';
import FormData from 'form-data';
import { OutcomeError } from '../../domain/outcome.ts';
import { type Graph, type GraphBody, uploadVideo, waitUntilReady } from './graph.ts';
import { isObject, path } from './http.ts';
import type { Account, CallContext, MediaAccess, MediaItem, PrepareContext } from './publisher.ts';

/**
 * How a page's videos come to Facebook, and how far they are. Nothing of it is public: an upload that was cut off goes on
 * from where Facebook has it, and one that Facebook has given up begins anew.
 */

// Limits

const uploadSliceBytes = 4 * 1_048_576;
const transferTimeoutMs = 300_000;

// Reels and stories

/** The edges that take a video in three phases, the last of which publishes it. */
export type ThreePhaseEdge = 'video_reels' | 'video_stories';

interface Upload {
  readonly graph: Graph;
  readonly account: Account;
  readonly item: MediaItem;
  readonly media: MediaAccess;
  readonly context: PrepareContext;
}

/** Uploads a video for a reel or story up to its last phase and returns its id. Repeatable. */
// https://developers.facebook.com/documentation/video-api/guides/reels-publishing (read 2026-11-21)
export async function uploadForThreePhases(upload: Upload, edge: ThreePhaseEdge): Promise<string> {
  const { graph, account, item, media, context } = upload;
  const { videoId, uploadUrl, offset } = (await resumeSession(upload)) ?? (await startSession(upload, edge));
  if (offset < item.sizeBytes) {
    const what = `Facebook upload of video ${item.mediaId}`;
    try {
      await uploadVideo(graph, account, context, { url: uploadUrl, item, media, offset, what });
    } catch (error) {
      // A session that Facebook has given up is not gone on with: the next attempt begins anew.
      if (error instanceof OutcomeError && error.details.handleIsDead) await context.upload.keep({});
      throw error;
    }
  }
  await waitUntilReady(graph, context, {
    ids: [videoId],
    nameOf: (id) => `video ${id}`,
    isReady: (id) => isUploaded(upload, id),
  });
  return videoId;
}

interface Session {
  readonly videoId: string;
  readonly uploadUrl: string;
  readonly offset: number;
}

async function startSession({ graph, account, context }: Upload, edge: ThreePhaseEdge): Promise<Session> {
  const what = 'Facebook upload start';
  context.progress(what);
  const body = await graph.post(account.accessToken, context, {
    path: path`/${account.externalId}/${edge}`,
    body: { upload_phase: 'start' },
    what,
  });
  const { video_id: videoId, upload_url: uploadUrl } = body;
  if (typeof videoId !== 'string' || typeof uploadUrl !== 'string') {
    throw new OutcomeError('unexpected-response', `${what}: no video_id or upload_url in the answer`);
  }
  await context.upload.keep({ videoId, uploadUrl });
  return { videoId, uploadUrl, offset: 0 };
}

async function resumeSession(upload: Upload): Promise<Session | null> {
  const { videoId, uploadUrl } = upload.context.upload.kept ?? {};
  if (typeof videoId !== 'string' || typeof uploadUrl !== 'string') return null;
  const offset = await keptBytes(upload, videoId);
  return offset === null ? null : { videoId, uploadUrl, offset };
}

/** How many bytes Facebook has of an upload that was cut off; `null` where it must begin anew. */
async function keptBytes({ graph, account, item, context }: Upload, videoId: string): Promise<number | null> {
  context.progress(`Asking Facebook how much it has of video ${videoId}`);
  try {
    const video = await readVideo(graph, account, videoId, context);
    if (isGivenUp(video)) return null;
    return video.isUploaded ? item.sizeBytes : video.uploadedBytes;
  } catch (error) {
    if (error instanceof OutcomeError && error.code === 'rejected') return null;
    throw error;
  }
}

// Videos of the feed

/** What the finish of a chunked upload needs. */
export interface ChunkedVideo {
  readonly videoId: string;
  readonly sessionId: string;
}

/** Uploads a video in the chunks that Facebook asks for, up to the call that publishes it. Repeatable. */
// https://developers.facebook.com/docs/graph-api/video-uploads (read 2026-11-21)
export async function uploadInChunks(upload: Upload): Promise<ChunkedVideo> {
  const resumed = await resumeChunks(upload);
  const { videoId, sessionId, ...first } = resumed ?? (await startChunks(upload));
  try {
    await transferAll(upload, sessionId, first);
  } catch (error) {
    if (resumed && error instanceof OutcomeError && error.code === 'rejected')
      throw await forgetSession(upload, error);
    throw error;
  }
  return { videoId, sessionId };
}

async function transferAll(upload: Upload, sessionId: string, first: Chunk): Promise<void> {
  const { item, context } = upload;
  let { start, end } = first;
  while (start < end) {
    context.progress(`Uploading video ${item.mediaId} to Facebook: ${start} of ${item.sizeBytes} bytes`);
    const next = await transferChunk(upload, sessionId, { start, end });
    if (next.start <= start) {
      const message = `Facebook video chunk: asked for byte ${next.start} again after it had come up to ${end}`;
      throw new OutcomeError('unexpected-response', message);
    }
    ({ start, end } = next);
  }
}

/** An old session that is refused says nothing against the video: the next attempt begins anew. */
async function forgetSession({ context }: Upload, { message, details }: OutcomeError): Promise<OutcomeError> {
  await context.upload.keep({});
  return new OutcomeError('unavailable', message, { ...details, sent: false });
}

/** The bytes that Facebook wants next; none when both are the same. */
interface Chunk {
  readonly start: number;
  readonly end: number;
}

async function startChunks(upload: Upload): Promise<ChunkedVideo & Chunk> {
  const { graph, account, item, context } = upload;
  const what = 'Facebook video upload start';
  context.progress(what);
  const body = await graph.post(account.accessToken, context, {
    path: path`/${account.externalId}/videos`,
    body: { upload_phase: 'start', file_size: item.sizeBytes },
    what,
  });
  const { upload_session_id: sessionId, video_id: videoId } = body;
  if (typeof sessionId !== 'string' || typeof videoId !== 'string') {
    throw new OutcomeError('unexpected-response', `${what}: no upload_session_id or video_id in the answer`);
  }
  const chunk = parseChunk(body, what);
  await context.upload.keep({ sessionId, videoId, chunkBytes: chunk.end - chunk.start });
  return { sessionId, videoId, ...chunk };
}

/** Where the next chunk ends is said at the start and after each; after a break it is as long as the first one was. */
async function resumeChunks(upload: Upload): Promise<(ChunkedVideo & Chunk) | null> {
  const { sessionId, videoId, chunkBytes } = upload.context.upload.kept ?? {};
  if (typeof sessionId !== 'string' || typeof videoId !== 'string' || !(Number(chunkBytes) > 0)) return null;
  const start = await keptBytes(upload, videoId);
  if (start === null) return null;
  return { sessionId, videoId, start, end: Math.min(upload.item.sizeBytes, start + Number(chunkBytes)) };
}

async function transferChunk(upload: Upload, sessionId: string, { start, end }: Chunk): Promise<Chunk> {
  const { graph, account, item, media, context } = upload;
  const what = 'Facebook video chunk';
  const form = new FormData();
  form.append('upload_phase', 'transfer');
  form.append('upload_session_id', sessionId);
  form.append('start_offset', String(start));
  form.append('video_file_chunk', Readable.from(slicesOf(item, media, { start, end })), {
    filename: 'video.mp4',
    contentType: 'application/octet-stream',
    knownLength: end - start,
  });
  const { body } = await graph.http.sendJson({
    method: 'POST',
    url: `${graph.baseUrl}${path`/${account.externalId}/videos`}`,
    headers: {
      Authorization: `Bearer ${account.accessToken}`,
      ...form.getHeaders(),
      'Content-Length': String(form.getLengthSync()),
    },
    // A failure to read the video ends the request with it.
    body: pipeline(form, new PassThrough(), () => {}),
    what,
    timeoutMs: transferTimeoutMs,
    signal: context.signal,
    secrets: [account.accessToken],
  });
  return parseChunk(body, what);
}

/** A chunk may have many megabytes: it is read a little at a time. */
async function* slicesOf(
  item: MediaItem,
  media: MediaAccess,
  { start, end }: Chunk,
): AsyncIterable<Uint8Array> {
  for (let from = start; from < end; from += uploadSliceBytes) {
    yield await media.range(item, from, Math.min(end, from + uploadSliceBytes));
  }
}

/** Facebook writes the numbers as texts. */
function parseChunk(body: GraphBody, what: string): Chunk {
  const [start, end] = [Number(body.start_offset), Number(body.end_offset)];
  if (Number.isSafeInteger(start) && Number.isSafeInteger(end) && start >= 0 && end >= start)
    return { start, end };
  throw new OutcomeError('unexpected-response', `${what}: no start_offset and end_offset in the answer`);
}

// What state a video is in

const videoStatuses = [
  'uploading',
  'upload_complete',
  'upload_failed',
  'processing',
  'ready',
  'expired',
  'error',
] as const;
type VideoStatus = (typeof videoStatuses)[number];

export interface Video {
  readonly id: string;
  readonly status: VideoStatus;
  readonly isUploaded: boolean;
  /** `null` where Facebook does not say. */
  readonly uploadedBytes: number | null;
  /** `failed` covers whatever part of it failed: it will not become public any more. */
  readonly publishing: 'not-started' | 'under-way' | 'published' | 'failed';
  /** In Facebook's words; `null` for none. */
  readonly problem: string | null;
  /** May be relative. */
  readonly permalink: string | null;
}

export async function readVideo(
  graph: Graph,
  account: Account,
  videoId: string,
  context: CallContext,
): Promise<Video> {
  const body = await graph.get(account.accessToken, context, {
    path: path`/${videoId}`,
    query: 'fields=status,permalink_url',
    what: 'Facebook video status',
  });
  return parseVideo(videoId, body);
}

async function isUploaded({ graph, account, context }: Upload, videoId: string): Promise<boolean> {
  const video = await readVideo(graph, account, videoId, context);
  if (!isGivenUp(video)) return video.isUploaded;
  await context.upload.keep({});
  throw mapGivenUp(video);
}

/** Nothing becomes of it any more. */
export const isGivenUp = ({ status, publishing }: Video): boolean =>
  ['upload_failed', 'expired', 'error'].includes(status) || publishing === 'failed';

/** An `error` comes from what the video is, and would come again; the others from how it was uploaded. */
export function mapGivenUp({ id, status, publishing, problem }: Video): OutcomeError {
  const message = `Facebook video ${id} is ${status}${problem === null ? '' : `: ${problem}`}`;
  const isFinal = status === 'error' || publishing === 'failed';
  const details = { platformCode: status, handleIsDead: true, sent: false };
  return new OutcomeError(isFinal ? 'rejected' : 'unavailable', message, details);
}

// https://developers.facebook.com/documentation/video-api/guides/reels-publishing (read 2026-11-21)
function parseVideo(id: string, body: GraphBody): Video {
  const state = isObject(body.status) ? body.status : {};
  const status = videoStatuses.find((known) => known === state.video_status);
  if (!status) {
    const shown = JSON.stringify(state.video_status);
    throw new OutcomeError('unexpected-response', `Facebook video status: unknown status ${shown}`);
  }
  const [uploading, processing, publishing] = [
    phaseOf(state.uploading_phase),
    phaseOf(state.processing_phase),
    phaseOf(state.publishing_phase),
  ];
  // Spelled as Facebook spells it.
  const bytes = uploading.bytes_transfered;
  return {
    ...{ id, status },
    isUploaded:
      uploading.status === 'complete' || ['upload_complete', 'processing', 'ready'].includes(status),
    uploadedBytes: typeof bytes === 'number' && Number.isSafeInteger(bytes) ? bytes : null,
    publishing: publishingOf(publishing),
    problem: [uploading, processing, publishing].map(problemOf).find((problem) => problem !== null) ?? null,
    permalink: typeof body.permalink_url === 'string' ? body.permalink_url : null,
  };
}

const phaseOf = (value: unknown): Record<string, unknown> => (isObject(value) ? value : {});

function publishingOf({
  status,
  publish_status: publishStatus,
}: Record<string, unknown>): Video['publishing'] {
  if (status === 'error' || publishStatus === 'error') return 'failed';
  if (publishStatus === 'published' || (status === 'complete' && publishStatus === undefined))
    return 'published';
  return status === 'in_progress' ? 'under-way' : 'not-started';
}

function problemOf({ error, errors }: Record<string, unknown>): string | null {
  const first: unknown = Array.isArray(errors) ? errors[0] : error;
  return isObject(first) && typeof first.message === 'string' ? first.message : null;
}
