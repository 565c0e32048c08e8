import FormData from 'form-data';
import { isVideoType } from '../../domain/media-limits.ts';
import { OutcomeError } from '../../domain/outcome.ts';
import { isObject, path, pause } from './http.ts';
import type {
  Account,
  CallContext,
  MediaAccess,
  MediaItem,
  PrepareContext,
  PreparedHandle,
  PublicContent,
} from './publisher.ts';
import { callX, type XApi, type XCall } from './x-api.ts';

/** Uploads to X: pictures whole, videos in segments. What no post uses is never seen and goes after a day. */

// X's own sample sends this much at once: https://github.com/xdevplatform/samples (read 2026-11-21)
export const segmentBytes = 4 * 1_048_576;
/** `segment_index` goes from 0 to 999. */
const maxSegments = 1_000;
const uploadTimeoutMs = 120_000;
/** Of what X says an upload lives, a part is kept back: a post must not meet the end of it. */
const lifeMarginMs = 3_600_000;
const documentedLifeSeconds = 86_400;

/** What X says of an upload that it has completely. */
interface Uploaded {
  readonly mediaId: string;
  readonly expiresAtMs: number;
  readonly processing: Processing | null;
}

interface Processing {
  readonly state: 'pending' | 'in_progress' | 'succeeded' | 'failed';
  readonly checkAfterMs: number;
  readonly error: string;
}

/** Uploads every piece of a post, with its alternative text, and waits until X can use it. */
export async function uploadMedia(
  api: XApi,
  account: Account,
  content: PublicContent,
  media: MediaAccess,
  context: PrepareContext,
): Promise<PreparedHandle> {
  const uploads: Uploaded[] = [];
  for (const item of content.media) {
    const isVideo = isVideoType(item.contentType);
    const uploaded = isVideo
      ? await uploadVideo(api, account, item, media, context)
      : await uploadPicture(api, account, item, media, context);
    await waitUntilUsable(api, account, uploaded, context);
    if (item.altText) await describe(api, account, uploaded.mediaId, item.altText, context);
    uploads.push(uploaded);
  }
  const ends = uploads.map(({ expiresAtMs }) => expiresAtMs - lifeMarginMs);
  return {
    ids: { mediaIds: uploads.map(({ mediaId }) => mediaId) },
    expiresAt: ends.length === 0 ? null : new Date(Math.min(...ends)).toISOString(),
  };
}

// https://docs.x.com/x-api/media/upload-media (read 2026-11-21)
async function uploadPicture(
  api: XApi,
  account: Account,
  item: MediaItem,
  media: MediaAccess,
  context: CallContext,
): Promise<Uploaded> {
  context.progress(`Uploading picture ${item.mediaId} to X`);
  const form = formOf({ media_category: 'tweet_image' }, await media.bytes(item), item.contentType);
  const { body } = await callX(api, account, context, {
    ...{ method: 'POST', path: '/2/media/upload', form },
    ...{ what: 'X picture upload', timeoutMs: uploadTimeoutMs },
  });
  return parseUploaded(body, api.now(), 'X picture upload');
}

/**
 * X cannot be asked which segments it has, only whether an upload is finished. One that was cut off goes on with the
 * segment in doubt, which replaces itself; where X refuses that, the upload is gone and starts anew.
 */
// https://docs.x.com/x-api/media/quickstart/media-upload-chunked (read 2026-11-21)
async function uploadVideo(
  api: XApi,
  account: Account,
  item: MediaItem,
  media: MediaAccess,
  context: PrepareContext,
): Promise<Uploaded> {
  const { mediaId, segment } = context.upload.kept ?? {};
  if (typeof mediaId !== 'string' || typeof segment !== 'number')
    return startVideo(api, account, item, media, context);
  const finished = await findFinished(api, account, mediaId, context);
  // What X could not process once is given to it anew.
  if (finished?.processing?.state === 'failed') return startVideo(api, account, item, media, context);
  if (finished) return finished;
  try {
    return await sendSegments(api, account, item, media, context, { mediaId, segment });
  } catch (error) {
    if (!isRefusal(error)) throw error;
    return startVideo(api, account, item, media, context);
  }
}

async function startVideo(
  api: XApi,
  account: Account,
  item: MediaItem,
  media: MediaAccess,
  context: PrepareContext,
): Promise<Uploaded> {
  if (item.sizeBytes > segmentBytes * maxSegments) {
    throw new OutcomeError('rejected', `X takes no video of ${item.sizeBytes} bytes`, { sent: false });
  }
  const { body } = await callX(api, account, context, {
    method: 'POST',
    path: '/2/media/upload/initialize',
    json: { media_type: item.contentType, total_bytes: item.sizeBytes, media_category: 'tweet_video' },
    what: 'X video upload start',
  });
  const mediaId = parseMediaId(body, 'X video upload start');
  await context.upload.keep({ mediaId, segment: 0 });
  return sendSegments(api, account, item, media, context, { mediaId, segment: 0 });
}

async function sendSegments(
  api: XApi,
  account: Account,
  item: MediaItem,
  media: MediaAccess,
  context: PrepareContext,
  from: { readonly mediaId: string; readonly segment: number },
): Promise<Uploaded> {
  const { mediaId } = from;
  const segments = Math.ceil(item.sizeBytes / segmentBytes);
  for (let segment = from.segment; segment < segments; segment += 1) {
    context.progress(`Uploading video ${item.mediaId} to X: part ${segment + 1} of ${segments}`);
    const start = segment * segmentBytes;
    const bytes = await media.range(item, start, Math.min(start + segmentBytes, item.sizeBytes));
    await callX(api, account, context, {
      method: 'POST',
      path: path`/2/media/upload/${mediaId}/append`,
      form: formOf({ segment_index: String(segment) }, bytes, 'application/octet-stream'),
      what: 'X video upload',
      timeoutMs: uploadTimeoutMs,
    });
    await context.upload.keep({ mediaId, segment: segment + 1 });
  }
  const { body } = await callX(api, account, context, {
    ...{ method: 'POST', path: path`/2/media/upload/${mediaId}/finalize`, what: 'X video upload end' },
  });
  return parseUploaded(body, api.now(), 'X video upload end');
}

/** An upload whose last call was heard although we were not told; `null` where X has not all of it or knows it not. */
async function findFinished(
  api: XApi,
  account: Account,
  mediaId: string,
  context: CallContext,
): Promise<Uploaded | null> {
  try {
    const { body } = await callX(api, account, context, statusCall(mediaId));
    return isObject(body.data) && isObject(body.data.processing_info)
      ? parseUploaded(body, api.now(), 'X media status')
      : null;
  } catch (error) {
    if (isRefusal(error)) return null;
    throw error;
  }
}

const isRefusal = (error: unknown): boolean => error instanceof OutcomeError && error.code === 'rejected';

async function waitUntilUsable(
  api: XApi,
  account: Account,
  { mediaId, processing }: Uploaded,
  context: CallContext,
): Promise<void> {
  const deadline = performance.now() + api.timings.processingTimeoutMs;
  for (let now = processing; now !== null && now.state !== 'succeeded'; ) {
    if (now.state === 'failed') {
      throw new OutcomeError('rejected', `X could not process media ${mediaId}: ${now.error}`, {
        ...{ platformCode: 'failed', handleIsDead: true },
      });
    }
    if (performance.now() >= deadline) {
      const message = `X is still processing media ${mediaId} (${now.state})`;
      throw new OutcomeError('unavailable', message, { sent: false });
    }
    const waitMs = Math.max(api.timings.pollIntervalMs, now.checkAfterMs);
    await pause(waitMs, context, `X is processing media ${mediaId} (${now.state})`);
    const { body } = await callX(api, account, context, statusCall(mediaId));
    now = parseUploaded(body, api.now(), 'X media status').processing;
  }
}

const statusCall = (mediaId: string): XCall => ({
  method: 'GET',
  path: `/2/media/upload?command=STATUS&media_id=${encodeURIComponent(mediaId)}`,
  what: 'X media status',
});

// https://docs.x.com/x-api/media/create-media-metadata (read 2026-11-21)
async function describe(
  api: XApi,
  account: Account,
  mediaId: string,
  altText: string,
  context: CallContext,
): Promise<void> {
  await callX(api, account, context, {
    method: 'POST',
    path: '/2/media/metadata',
    json: { id: mediaId, metadata: { alt_text: { text: altText } } },
    what: 'X alternative text',
  });
}

function formOf(fields: Readonly<Record<string, string>>, bytes: Uint8Array, contentType: string) {
  const form = new FormData();
  for (const [name, value] of Object.entries(fields)) form.append(name, value);
  const file = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  form.append('media', file, { filename: 'media', contentType });
  return {
    bytes: form.getBuffer(),
    contentType: `multipart/form-data; boundary=${form.getBoundary()}`,
  };
}

function parseMediaId(body: Readonly<Record<string, unknown>>, what: string): string {
  const id = isObject(body.data) ? body.data.id : undefined;
  if (typeof id !== 'string' || !/^\d{1,19}$/.test(id)) {
    throw new OutcomeError('unexpected-response', `${what}: no media id in the answer`);
  }
  return id;
}

function parseUploaded(body: Readonly<Record<string, unknown>>, now: Date, what: string): Uploaded {
  const mediaId = parseMediaId(body, what);
  const data = isObject(body.data) ? body.data : {};
  const seconds =
    typeof data.expires_after_secs === 'number' ? data.expires_after_secs : documentedLifeSeconds;
  return {
    mediaId,
    expiresAtMs: now.getTime() + seconds * 1000,
    processing: data.processing_info === undefined ? null : parseProcessing(data.processing_info, what),
  };
}

const states = ['pending', 'in_progress', 'succeeded', 'failed'] as const;

function parseProcessing(value: unknown, what: string): Processing {
  const info = isObject(value) ? value : {};
  const state = states.find((known) => known === info.state);
  if (!state) {
    const shown = JSON.stringify(info.state);
    throw new OutcomeError('unexpected-response', `${what}: unknown state of processing ${shown}`);
  }
  const error = isObject(info.error) ? info.error : {};
  return {
    state,
    checkAfterMs: typeof info.check_after_secs === 'number' ? info.check_after_secs * 1000 : 0,
    error:
      [error.name, error.message].filter((part) => typeof part === 'string').join(': ') || 'no reason given',
  };
}
