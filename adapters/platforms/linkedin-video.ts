import { OutcomeError } from '../../domain/outcome.ts';
import { isObject } from './http.ts';
import { type LinkedInApi, requestTo } from './linkedin-api.ts';
import { readMedia } from './linkedin-media.ts';
import type { Account, MediaAccess, MediaItem, PrepareContext } from './publisher.ts';

/**
 * Videos at LinkedIn: it says which bytes go to which address, and wants the tags of all parts back in their order. It
 * cannot be asked which parts it has, so the tags are kept after each.
 */
// https://learn.microsoft.com/en-us/linkedin/marketing/community-management/shares/videos-api (read 2026-11-21)

// Limits

const partTimeoutMs = 120_000;
/** Parts are 4 MB; what stands in memory is never much more. */
const mostPartBytes = 64 * 1_048_576;
/** Upload addresses are left alone this long before they end. */
const addressMarginMs = 60_000;

/** One part of a video: whoever knows its address can write it. */
interface Part {
  readonly address: string;
  readonly start: number;
  /** The first byte that is not part of it. */
  readonly end: number;
}

interface VideoUpload {
  readonly urn: string;
  /** May be empty. */
  readonly uploadToken: string;
  readonly expiresAtMs: number;
  readonly parts: readonly Part[];
  /** Of the parts that are there, in their order. */
  readonly tags: readonly string[];
  readonly isFinished: boolean;
}

/** Uploads a video and answers with its URN; goes on where an earlier attempt was cut off. */
export async function uploadVideo(
  api: LinkedInApi,
  account: Account,
  item: MediaItem,
  media: MediaAccess,
  context: PrepareContext,
): Promise<string> {
  const resumed = await resume(api, account, item, context);
  if (resumed?.isFinished) return resumed.urn;
  let upload = resumed ?? (await startUpload(api, account, item, context));
  if (!resumed) await keep(context, item, upload);
  for (const part of upload.parts.slice(upload.tags.length)) {
    context.progress(`Uploading video ${item.mediaId} to LinkedIn (${percent(part, item)} %)`);
    const bytes = await media.range(item, part.start, part.end);
    const tag = await sendPart(api, account, part, bytes, context).catch((error: unknown) =>
      forgetRefused(error, upload, context),
    );
    upload = { ...upload, tags: [...upload.tags, tag] };
    await keep(context, item, upload);
  }
  await finishUpload(api, account, upload, context);
  await keep(context, item, { ...upload, isFinished: true });
  return upload.urn;
}

const percent = ({ start }: Part, { sizeBytes }: MediaItem): number => Math.floor((start / sizeBytes) * 100);

/** What an earlier attempt left, as far as it still serves; `null` to start anew. */
async function resume(
  api: LinkedInApi,
  account: Account,
  item: MediaItem,
  context: PrepareContext,
): Promise<VideoUpload | null> {
  const upload = readKept(context.upload.kept, item);
  if (!upload || upload.isFinished) return upload;
  context.progress(`Asking LinkedIn how far the upload of video ${item.mediaId} is`);
  const { status } = await readMedia(api, account, 'video', upload.urn, context);
  if (status !== 'WAITING_UPLOAD' && status !== 'unreadable') return { ...upload, isFinished: true };
  return api.now().getTime() < upload.expiresAtMs - addressMarginMs ? upload : null;
}

async function startUpload(
  api: LinkedInApi,
  account: Account,
  item: MediaItem,
  context: PrepareContext,
): Promise<VideoUpload> {
  const request = {
    owner: account.externalId,
    fileSizeBytes: item.sizeBytes,
    uploadCaptions: false,
    uploadThumbnail: false,
  };
  const { body } = await api.http.sendJson(
    requestTo(api, account, context, {
      method: 'POST',
      path: '/rest/videos?action=initializeUpload',
      body: { initializeUploadRequest: request },
      what: 'LinkedIn video upload start',
    }),
  );
  return parseUploadStart(body, item.sizeBytes);
}

/** Its address is all that a part needs: no token goes with it. */
async function sendPart(
  api: LinkedInApi,
  account: Account,
  part: Part,
  bytes: Uint8Array,
  context: PrepareContext,
): Promise<string> {
  const what = 'LinkedIn video upload';
  const { headers } = await api.http.send({
    method: 'PUT',
    url: part.address,
    headers: { 'Content-Type': 'application/octet-stream' },
    body: bytes,
    what,
    timeoutMs: partTimeoutMs,
    signal: context.signal,
    secrets: [account.accessToken, part.address],
  });
  const tag = headers.get('etag');
  if (!tag) throw new OutcomeError('unexpected-response', `${what}: no ETag in the answer`);
  return tag;
}

/** Addresses that served before and are refused now have ended: the next attempt asks for others. */
async function forgetRefused(error: unknown, upload: VideoUpload, context: PrepareContext): Promise<never> {
  const refused = error instanceof OutcomeError && error.code !== 'rate-limited';
  const status = refused ? (error.details.status ?? 0) : 0;
  const hasEnded = status >= 400 && status < 500 && status !== 408 && upload.tags.length > 0;
  if (!hasEnded) throw error;
  await context.upload.keep({});
  throw new OutcomeError('unavailable', 'The addresses of the upload to LinkedIn have ended', {
    sent: false,
  });
}

async function finishUpload(
  api: LinkedInApi,
  account: Account,
  { urn, uploadToken, tags }: VideoUpload,
  context: PrepareContext,
): Promise<void> {
  await api.http.send(
    requestTo(api, account, context, {
      method: 'POST',
      path: '/rest/videos?action=finalizeUpload',
      body: { finalizeUploadRequest: { video: urn, uploadToken, uploadedPartIds: tags } },
      what: 'LinkedIn video upload end',
    }),
  );
}

// Pure mappers

const keep = (context: PrepareContext, item: MediaItem, upload: VideoUpload): Promise<void> =>
  context.upload.keep({
    urn: upload.urn,
    uploadToken: upload.uploadToken,
    expiresAtMs: upload.expiresAtMs,
    parts: JSON.stringify(upload.parts),
    tags: JSON.stringify(upload.tags),
    isFinished: upload.isFinished ? 1 : 0,
    sha256: item.sha256,
    sizeBytes: item.sizeBytes,
  });

/** What `keep` wrote, if it was for the same bytes. */
function readKept(kept: PrepareContext['upload']['kept'], item: MediaItem): VideoUpload | null {
  if (!kept || kept.sha256 !== item.sha256 || kept.sizeBytes !== item.sizeBytes) return null;
  return {
    urn: String(kept.urn),
    uploadToken: String(kept.uploadToken),
    expiresAtMs: Number(kept.expiresAtMs),
    parts: JSON.parse(String(kept.parts)),
    tags: JSON.parse(String(kept.tags)),
    isFinished: kept.isFinished === 1,
  };
}

function parseUploadStart(body: Readonly<Record<string, unknown>>, sizeBytes: number): VideoUpload {
  const value = isObject(body.value) ? body.value : {};
  const { video, uploadToken, uploadUrlsExpireAt, uploadInstructions } = value;
  const parts = Array.isArray(uploadInstructions) ? uploadInstructions.map(parsePart) : [];
  if (typeof video !== 'string' || typeof uploadUrlsExpireAt !== 'number' || !areWhole(parts, sizeBytes)) {
    const message =
      'LinkedIn video upload start: no video, no expiry or no parts for all of it in the answer';
    throw new OutcomeError('unexpected-response', message);
  }
  return {
    urn: video,
    uploadToken: typeof uploadToken === 'string' ? uploadToken : '',
    expiresAtMs: uploadUrlsExpireAt,
    parts,
    tags: [],
    isFinished: false,
  };
}

function parsePart(instruction: unknown): Part {
  const { uploadUrl, firstByte, lastByte } = isObject(instruction) ? instruction : {};
  const isUsable =
    typeof uploadUrl === 'string' && typeof firstByte === 'number' && typeof lastByte === 'number';
  if (isUsable) return { address: uploadUrl, start: firstByte, end: lastByte + 1 };
  throw new OutcomeError(
    'unexpected-response',
    'LinkedIn video upload start: a part without address or bytes',
  );
}

/** One after the other from the first byte to the last, none too large to be held. */
const areWhole = (parts: readonly Part[], sizeBytes: number): boolean =>
  parts.at(-1)?.end === sizeBytes &&
  parts.every(
    ({ start, end }, index) =>
      start === (parts[index - 1]?.end ?? 0) && end > start && end - start <= mostPartBytes,
  );
