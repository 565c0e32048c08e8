import { OutcomeError } from '../../domain/outcome.ts';
import { isObject, path, pause } from './http.ts';
import { multipartOf } from './multipart.ts';
import { callPinterest, type PinterestApi } from './pinterest-api.ts';
import type { Account, MediaAccess, MediaItem, PrepareContext } from './publisher.ts';

/** How a video gets to Pinterest: registered, sent to a storage host as one form, and looked at until it can be pinned. */
// https://developers.pinterest.com/docs/api-features/creating-boards-and-pins/ (read 2026-11-21)

// Limits

const uploadTimeoutMs = 25 * 60_000;
const progressEveryMs = 2_000;

export interface VideoTimings {
  readonly pollIntervalMs: number;
  readonly processingTimeoutMs: number;
}

/**
 * Brings a video to Pinterest and returns the id it can be pinned by. A form cannot be gone on with, so an upload that
 * was cut off begins anew; one that had arrived is not sent again.
 */
export async function bringVideo(
  api: PinterestApi,
  account: Account,
  item: MediaItem,
  media: MediaAccess,
  context: PrepareContext,
  timings: VideoTimings,
): Promise<string> {
  const arrived = await resume(api, account, context);
  const mediaId = arrived ?? (await upload(api, account, item, media, context));
  const deadline = performance.now() + timings.processingTimeoutMs;
  for (;;) {
    const status = await readStatus(api, account, mediaId, context);
    if (status === 'succeeded') return mediaId;
    if (status === 'failed') {
      throw new OutcomeError('rejected', `Pinterest could not process video ${item.mediaId}`, {
        platformCode: status,
        handleIsDead: true,
      });
    }
    if (performance.now() >= deadline) {
      const message = `Pinterest is still processing video ${item.mediaId} (${status})`;
      throw new OutcomeError('unavailable', message, { sent: false });
    }
    await pause(timings.pollIntervalMs, context, `Pinterest is processing video ${item.mediaId} (${status})`);
  }
}

/** The id of an upload that had arrived when an earlier attempt ended; `null` for none. */
async function resume(api: PinterestApi, account: Account, context: PrepareContext): Promise<string | null> {
  const mediaId = context.upload.kept?.mediaId;
  if (typeof mediaId !== 'string') return null;
  try {
    const status = await readStatus(api, account, mediaId, context);
    return status === 'processing' || status === 'succeeded' ? mediaId : null;
  } catch (error) {
    // Pinterest knows nothing of it any more.
    if (error instanceof OutcomeError && error.code === 'rejected') return null;
    throw error;
  }
}

async function upload(
  api: PinterestApi,
  account: Account,
  item: MediaItem,
  media: MediaAccess,
  context: PrepareContext,
): Promise<string> {
  const { mediaId, uploadUrl, parameters } = await register(api, account, context);
  await context.upload.keep({ mediaId });
  const source = watched(media.stream(item), item, context);
  const form = multipartOf(parameters, {
    field: 'file',
    name: 'video.mp4',
    contentType: item.contentType,
    sizeBytes: item.sizeBytes,
    bytes: source.bytes,
  });
  try {
    await api.http.send({
      method: 'POST',
      url: uploadUrl,
      // The storage host is not Pinterest's API: the form's own parameters open it, and the token stays here.
      headers: form.headers,
      body: form.body,
      what: 'Pinterest video upload',
      timeoutMs: uploadTimeoutMs,
      signal: context.signal,
      secrets: [account.accessToken, ...parameters.map(([, value]) => value).filter(isSecret)],
    });
    return mediaId;
  } catch (error) {
    throw source.failure() ?? asPassing(error);
  } finally {
    form.body.destroy();
  }
}

interface Registered {
  readonly mediaId: string;
  readonly uploadUrl: string;
  /** In the order they came. */
  readonly parameters: readonly (readonly [name: string, value: string])[];
}

async function register(api: PinterestApi, account: Account, context: PrepareContext): Promise<Registered> {
  const what = 'Pinterest video registration';
  const body = await callPinterest(api, account.accessToken, context, {
    method: 'POST',
    path: '/media',
    body: { media_type: 'video' },
    what,
  });
  const { media_id: mediaId, upload_url: uploadUrl, upload_parameters: parameters } = body;
  if (typeof mediaId !== 'string' || typeof uploadUrl !== 'string' || !isObject(parameters)) {
    throw new OutcomeError('unexpected-response', `${what}: no media_id or no way to upload in the answer`);
  }
  return {
    mediaId,
    uploadUrl,
    parameters: Object.entries(parameters).map(([name, value]) => [name, String(value)]),
  };
}

/** Policies and signatures, and not a content type. */
const isSecret = (value: string): boolean => value.length >= 16;

/** A storage host that refuses the form has let its time run out; the next attempt gets another one. */
function asPassing(error: unknown): unknown {
  if (!(error instanceof OutcomeError) || error.details.status !== 403) return error;
  return new OutcomeError('unavailable', error.message, { status: 403, sent: false });
}

/** Tells how far a file has been read, and keeps why it could not be read on: the call that sends it does not. */
function watched(bytes: AsyncIterable<Uint8Array>, item: MediaItem, context: PrepareContext) {
  let failure: unknown;
  async function* read(): AsyncIterable<Uint8Array> {
    let sent = 0;
    let toldAt = Number.NEGATIVE_INFINITY;
    try {
      for await (const chunk of bytes) {
        if (performance.now() - toldAt >= progressEveryMs) {
          toldAt = performance.now();
          const percent = Math.round((100 * sent) / item.sizeBytes);
          context.progress(`Uploading video ${item.mediaId} to Pinterest: ${percent} %`);
        }
        yield chunk;
        sent += chunk.length;
      }
    } catch (error) {
      failure = error;
      throw error;
    }
  }
  return { bytes: read(), failure: () => failure };
}

const statuses = ['registered', 'processing', 'succeeded', 'failed'] as const;

async function readStatus(
  api: PinterestApi,
  account: Account,
  mediaId: string,
  context: PrepareContext,
): Promise<(typeof statuses)[number]> {
  const body = await callPinterest(api, account.accessToken, context, {
    path: path`/media/${mediaId}`,
    what: 'Pinterest video status',
  });
  const status = statuses.find((known) => known === body.status);
  if (status) return status;
  const shown = JSON.stringify(body.status);
  throw new OutcomeError('unexpected-response', `Pinterest video status: unknown status ${shown}`);
}
