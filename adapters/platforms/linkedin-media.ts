import { OutcomeError } from '../../domain/outcome.ts';
import { isObject, path, pause } from './http.ts';
import { type LinkedInApi, requestTo } from './linkedin-api.ts';
import type { Account, CallContext, MediaAccess, MediaItem } from './publisher.ts';

/** Pictures at LinkedIn, and waiting for what was uploaded: nothing of it is seen before a post names it. */

// Limits

const uploadTimeoutMs = 120_000;

/** Uploads a picture and answers with its URN. */
export async function uploadImage(
  api: LinkedInApi,
  account: Account,
  item: MediaItem,
  media: MediaAccess,
  context: CallContext,
): Promise<string> {
  context.progress(`Uploading picture ${item.mediaId} to LinkedIn`);
  const bytes = await media.bytes(item);
  const start = await api.http.sendJson(
    requestTo(api, account, context, {
      method: 'POST',
      path: '/rest/images?action=initializeUpload',
      body: { initializeUploadRequest: { owner: account.externalId } },
      what: 'LinkedIn image upload start',
    }),
  );
  const { uploadUrl, imageUrn } = parseUploadStart(start.body);
  await api.http.send({
    method: 'PUT',
    url: uploadUrl,
    // Unlike video parts, the picture's upload address wants the bearer token.
    // https://learn.microsoft.com/en-us/linkedin/marketing/community-management/shares/images-api (read 2026-11-21)
    headers: { Authorization: `Bearer ${account.accessToken}`, 'Content-Type': 'application/octet-stream' },
    body: bytes,
    what: 'LinkedIn image upload',
    timeoutMs: uploadTimeoutMs,
    signal: context.signal,
    secrets: [account.accessToken],
  });
  return imageUrn;
}

/** What LinkedIn says of something uploaded; `unreadable` where the token may not ask. */
export type MediaStatus = 'WAITING_UPLOAD' | 'PROCESSING' | 'AVAILABLE' | 'PROCESSING_FAILED' | 'unreadable';

interface MediaState {
  readonly status: MediaStatus;
  /** Of a failure, where LinkedIn names it. */
  readonly reason: string | null;
}

/** Kinds of media by how their addresses and messages name them. */
export type MediaKind = 'image' | 'video';

/** A post on media that is not AVAILABLE is created and stays invisible, so all of it is waited for. */
export async function waitForMedia(
  api: LinkedInApi,
  account: Account,
  kind: MediaKind,
  urns: readonly string[],
  context: CallContext,
): Promise<void> {
  const deadline = performance.now() + api.timings.processingTimeoutMs;
  for (const urn of urns) {
    for (;;) {
      const { status, reason } = await readMedia(api, account, kind, urn, context);
      if (status === 'AVAILABLE') break;
      if (status === 'unreadable') {
        const what = kind === 'image' ? 'pictures' : 'the video';
        await pause(api.timings.blindWaitMs, context, `Waiting for LinkedIn to process ${what}`);
        return;
      }
      if (status === 'PROCESSING_FAILED') {
        const why = reason === null ? '' : ` (${reason})`;
        throw new OutcomeError('rejected', `LinkedIn could not process ${urn}${why}`, {
          platformCode: status,
          handleIsDead: true,
        });
      }
      if (performance.now() >= deadline) {
        throw new OutcomeError('unavailable', `LinkedIn is still processing ${urn} (${status})`, {
          sent: false,
        });
      }
      await pause(api.timings.pollIntervalMs, context, `LinkedIn is processing ${urn} (${status})`);
    }
  }
}

/** Asks once how far the processing is. */
export async function readMedia(
  api: LinkedInApi,
  account: Account,
  kind: MediaKind,
  urn: string,
  context: CallContext,
): Promise<MediaState> {
  const what = `LinkedIn ${kind} status`;
  const node = kind === 'image' ? path`/rest/images/${urn}` : path`/rest/videos/${urn}`;
  try {
    const { body } = await api.http.sendJson(
      requestTo(api, account, context, { method: 'GET', path: node, what }),
    );
    return parseMedia(body, what);
  } catch (error) {
    // A token with w_member_social alone may upload a picture and not read it.
    // https://learn.microsoft.com/en-us/linkedin/marketing/community-management/shares/images-api (read 2026-11-21)
    const forbidden = error instanceof OutcomeError && error.details.status === 403;
    if (forbidden && account.kind === 'member') return { status: 'unreadable', reason: null };
    throw error;
  }
}

// Pure mappers

function parseUploadStart(body: Readonly<Record<string, unknown>>): { uploadUrl: string; imageUrn: string } {
  const value = isObject(body.value) ? body.value : {};
  const { uploadUrl, image } = value;
  if (typeof uploadUrl !== 'string' || typeof image !== 'string') {
    throw new OutcomeError(
      'unexpected-response',
      'LinkedIn image upload start: no uploadUrl or image in the answer',
    );
  }
  return { uploadUrl, imageUrn: image };
}

const knownStatuses = ['WAITING_UPLOAD', 'PROCESSING', 'AVAILABLE', 'PROCESSING_FAILED'] as const;

function parseMedia(body: Readonly<Record<string, unknown>>, what: string): MediaState {
  const status = knownStatuses.find((known) => known === body.status);
  if (!status) {
    const shown = JSON.stringify(body.status);
    throw new OutcomeError('unexpected-response', `${what}: unknown status ${shown}`);
  }
  const reason = body.processingFailureReason;
  return { status, reason: typeof reason === 'string' ? reason : null };
}
