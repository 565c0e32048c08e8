import { OutcomeError } from '../../domain/outcome.ts';
import { type HttpReply, isObject } from './http.ts';
import type { Account, CallContext, MediaAccess, MediaItem, PrepareContext } from './publisher.ts';
import { objectAt, textAt, type YouTubeApi } from './youtube-api.ts';

/**
 * YouTube's resumable uploads. The last byte of a video is what makes it public, so an upload stops before its last
 * piece: whoever has the address of its session can ask how far it is, and finish it, once.
 */
// https://developers.google.com/youtube/v3/guides/using_resumable_upload_protocol (read 2026-11-21)

// Limits

/** Pieces but the last are multiples of this many bytes. */
const grainBytes = 256 * 1024;
/** What stands in memory at a time. */
const chunkBytes = 32 * grainBytes;
const callTimeoutMs = 30_000;
const chunkTimeoutMs = 120_000;

/** An upload that is under way. */
export interface UploadSession {
  /** Whoever knows it can write to the upload. */
  readonly address: string;
  /** When it was opened, ISO 8601. */
  readonly openedAt: string;
}

/** A video as YouTube describes it right after its last byte. */
export interface UploadedVideo {
  readonly id: string;
  readonly privacyStatus: string | null;
  readonly uploadStatus: string | null;
  /** Why YouTube refused or could not process it. */
  readonly reason: string | null;
}

/** Where a session stands: bytes are missing, the video is there, or YouTube no longer knows it. */
export type SessionState =
  | { readonly kind: 'open'; readonly receivedBytes: number }
  | { readonly kind: 'complete'; readonly video: UploadedVideo }
  | { readonly kind: 'gone' };

export interface SessionCall {
  readonly api: YouTubeApi;
  readonly account: Account;
  readonly session: Pick<UploadSession, 'address'>;
  readonly item: MediaItem;
  readonly context: CallContext;
}

/** Everything of the video but its last piece, invisible to the public. Goes on where an earlier attempt was cut off. */
export async function uploadAllButLast(
  api: YouTubeApi,
  account: Account,
  item: MediaItem,
  media: MediaAccess,
  context: PrepareContext,
  open: () => Promise<UploadSession>,
): Promise<{ session: UploadSession; receivedBytes: number }> {
  const kept = await resume(api, account, item, context);
  const session = kept?.session ?? (await open());
  if (!kept) {
    const { address, openedAt } = session;
    await context.upload.keep({ address, openedAt, sha256: item.sha256, sizeBytes: item.sizeBytes });
  }
  let receivedBytes = kept?.receivedBytes ?? 0;
  for (;;) {
    const end = Math.min(receivedBytes + chunkBytes, startOfLast(receivedBytes, item.sizeBytes));
    if (end <= receivedBytes) return { session, receivedBytes };
    context.progress(`Uploading video ${item.mediaId} to YouTube (${percent(receivedBytes, item)} %)`);
    const state = await sendBytes({ api, account, session, item, context }, media, receivedBytes, end);
    // Its own count is what goes: it may have kept less than it was sent.
    receivedBytes = advanced(state, receivedBytes, end);
  }
}

/** The next attempt asks a session that was lost, and opens another. */
function advanced(state: SessionState, before: number, sentUpTo: number): number {
  if (state.kind === 'gone') {
    throw new OutcomeError('unavailable', 'YouTube has forgotten the upload', { sent: false });
  }
  if (state.kind === 'complete' || state.receivedBytes > sentUpTo) {
    throw new OutcomeError('unexpected-response', 'YouTube says it has more of the video than it was sent');
  }
  if (state.receivedBytes <= before) {
    throw new OutcomeError('unavailable', 'YouTube kept nothing of what it was sent', { sent: false });
  }
  return state.receivedBytes;
}

/** The last piece has 256 KiB at least, where there are as many left, and less than twice that. */
const startOfLast = (receivedBytes: number, sizeBytes: number): number =>
  receivedBytes + Math.max(0, Math.floor((sizeBytes - grainBytes - receivedBytes) / grainBytes)) * grainBytes;

const percent = (bytes: number, { sizeBytes }: MediaItem): number => Math.floor((bytes / sizeBytes) * 100);

/** What an earlier attempt left open for the same bytes; `null` for nothing that can be gone on with. */
async function resume(
  api: YouTubeApi,
  account: Account,
  item: MediaItem,
  context: PrepareContext,
): Promise<{ session: UploadSession; receivedBytes: number } | null> {
  const { kept } = context.upload;
  if (typeof kept?.address !== 'string' || typeof kept.openedAt !== 'string') return null;
  if (kept.sha256 !== item.sha256 || kept.sizeBytes !== item.sizeBytes) return null;
  const session = { address: kept.address, openedAt: kept.openedAt };
  context.progress(`Asking YouTube how far the upload of video ${item.mediaId} is`);
  const state = await askSession({ api, account, session, item, context });
  switch (state.kind) {
    case 'open':
      return { session, receivedBytes: state.receivedBytes };
    case 'gone':
      return null;
    case 'complete': {
      // Only a last piece of ours could have done that, and none was sent yet.
      const message = `YouTube has all of the video already, as ${state.video.id}`;
      throw new OutcomeError('unexpected-response', message);
    }
  }
}

/** Opens a session; costs one of the application's uploads of the day. */
export async function openSession(
  api: YouTubeApi,
  account: Account,
  item: MediaItem,
  context: CallContext,
  { resource, query }: { resource: Readonly<Record<string, unknown>>; query: string },
): Promise<UploadSession> {
  context.progress(`Opening an upload for video ${item.mediaId} at YouTube`);
  const { headers } = await api.http.send({
    method: 'POST',
    url: `${api.uploadBaseUrl}/videos?uploadType=resumable&${query}`,
    headers: {
      Authorization: `Bearer ${account.accessToken}`,
      'Content-Type': 'application/json; charset=UTF-8',
      'X-Upload-Content-Type': item.contentType,
      'X-Upload-Content-Length': String(item.sizeBytes),
    },
    body: JSON.stringify(resource),
    what: 'YouTube upload start',
    timeoutMs: callTimeoutMs,
    signal: context.signal,
    secrets: [account.accessToken],
  });
  const address = headers.get('location');
  if (!address) {
    throw new OutcomeError(
      'unexpected-response',
      'YouTube upload start: no address of a session in the answer',
    );
  }
  return { address, openedAt: api.now().toISOString() };
}

/** Asks without sending anything: the answer is the same however often it is asked. */
export const askSession = (call: SessionCall): Promise<SessionState> =>
  put(call, {
    headers: { 'Content-Range': `bytes */${call.item.sizeBytes}`, 'Content-Length': '0' },
    what: 'YouTube upload status',
    timeoutMs: callTimeoutMs,
  });

/** Sends the bytes from `start` up to and without `end`. With the last byte of the video it becomes public. */
export async function sendBytes(
  call: SessionCall,
  media: MediaAccess,
  start: number,
  end: number,
  timeoutMs = chunkTimeoutMs,
): Promise<SessionState> {
  const { item } = call;
  const bytes = await readBytes(media, item, start, end);
  return put(call, {
    headers: {
      'Content-Type': item.contentType,
      'Content-Range': `bytes ${start}-${end - 1}/${item.sizeBytes}`,
      'Content-Length': String(bytes.byteLength),
    },
    body: bytes,
    what: 'YouTube upload',
    timeoutMs,
  });
}

/** What cannot be read here was not sent there. */
async function readBytes(
  media: MediaAccess,
  item: MediaItem,
  start: number,
  end: number,
): Promise<Uint8Array> {
  const bytes = await media.range(item, start, end).catch((error: unknown) => {
    if (error instanceof OutcomeError) throw error;
    const why = error instanceof Error ? error.name : typeof error;
    throw new OutcomeError('unavailable', `Video ${item.mediaId} cannot be read (${why})`, { sent: false });
  });
  if (bytes.byteLength === end - start) return bytes;
  const message = `Video ${item.mediaId} has ${bytes.byteLength} bytes where ${end - start} were expected`;
  throw new OutcomeError('unavailable', message, { sent: false });
}

async function put(
  { api, account, session, context }: SessionCall,
  call: {
    readonly headers: Readonly<Record<string, string>>;
    readonly body?: Uint8Array;
    readonly what: string;
    readonly timeoutMs: number;
  },
): Promise<SessionState> {
  const { headers, ...rest } = call;
  const reply = await api.http.send({
    ...rest,
    method: 'PUT',
    url: session.address,
    headers: { Authorization: `Bearer ${account.accessToken}`, ...headers },
    accept: [308, 404, 410],
    signal: context.signal,
    secrets: [account.accessToken, ...secretsIn(session.address)],
  });
  switch (reply.status) {
    case 308:
      return { kind: 'open', receivedBytes: parseReceived(reply.headers.get('range')) };
    case 404:
    case 410:
      return { kind: 'gone' };
    default:
      return { kind: 'complete', video: parseVideo(reply, call.what) };
  }
}

/** The address itself, and what in its query makes it one. */
const secretsIn = (address: string): readonly string[] =>
  URL.canParse(address) ? [address, ...new URL(address).searchParams.getAll('upload_id')] : [address];

/** `bytes=0-K`: K + 1 bytes have come; without the header none have. */
function parseReceived(range: string | null): number {
  if (range === null) return 0;
  const last = /^(?:bytes=)?0-(\d+)$/.exec(range.trim())?.[1];
  if (last === undefined) {
    throw new OutcomeError(
      'unexpected-response',
      `YouTube upload: unreadable range ${JSON.stringify(range)}`,
    );
  }
  return Number(last) + 1;
}

function parseVideo(reply: HttpReply, what: string): UploadedVideo {
  const video = parseObject(reply.text);
  const id = textAt(video, 'id');
  if (!id) {
    const message = `${what}: answer ${reply.status} without the id of a video`;
    throw new OutcomeError('unexpected-response', message, { status: reply.status });
  }
  const status = objectAt(video, 'status');
  return {
    id,
    privacyStatus: textAt(status, 'privacyStatus'),
    uploadStatus: textAt(status, 'uploadStatus'),
    reason: textAt(status, 'rejectionReason') ?? textAt(status, 'failureReason'),
  };
}

function parseObject(text: string): unknown {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : null;
  } catch {
    return null;
  }
}

/** How much of a video the one call that publishes may send: what stands in memory at a time. */
export const mostInCommitBytes = chunkBytes;
