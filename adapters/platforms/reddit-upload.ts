import { isVideoType } from '../../domain/media-limits.ts';
import { OutcomeError } from '../../domain/outcome.ts';
import { isObject } from './http.ts';
import { multipartOf } from './multipart.ts';
import type { Account, MediaAccess, MediaItem, PrepareContext, PreparedHandle } from './publisher.ts';
import { type Body, call, type RedditApi } from './reddit-api.ts';

/** How media gets to Reddit: a lease from its API for each file, and a form with the bytes to its storage. */

const pictureTimeoutMs = 120_000;
/** A gigabyte in one request, within the half hour that a preparation may take. */
const videoTimeoutMs = 25 * 60_000;
const progressEveryBytes = 4_194_304;
/** How long Reddit keeps an upload no post uses is not documented. */
const uploadLifeMs = 24 * 3_600_000;
const keptLifeMs = 3_600_000;

type File = Omit<MediaItem, 'cover'>;

/** What became of one file at Reddit. Its id is in the address of whatever post shows it; the address is Reddit's alone. */
interface Asset {
  readonly assetId: string;
  readonly url: string;
}

/** What the commit sends, and nobody else should know: anybody can read a file at these addresses. */
export interface MediaAddresses {
  readonly urls: readonly string[];
  readonly posterUrl: string | null;
}

/**
 * Uploads the media of a post and the posters of its videos. Repeatable: files that an earlier attempt brought to
 * their end are not sent again; Reddit cannot go on in the middle of one.
 */
export async function uploadMedia(
  api: RedditApi,
  account: Account,
  media: readonly MediaItem[],
  access: MediaAccess,
  context: PrepareContext,
): Promise<PreparedHandle> {
  const covers = media.flatMap(({ cover }) => (cover ? [cover] : []));
  const files: readonly File[] = [...media, ...covers];
  const { assets, startedAtMs } = readKept(context.upload.kept, api.now().getTime());
  for (const file of files.slice(assets.length)) {
    assets.push(await uploadFile(api, account, file, access, context));
    await context.upload.keep(writeKept(assets, startedAtMs));
  }
  const addresses: MediaAddresses = {
    urls: assets.slice(0, media.length).map(({ url }) => url),
    posterUrl: assets[media.length]?.url ?? null,
  };
  return {
    ids: { assetIds: assets.slice(0, media.length).map(({ assetId }) => assetId) },
    secret: JSON.stringify(addresses),
    expiresAt: new Date(startedAtMs + uploadLifeMs).toISOString(),
  };
}

interface Begun {
  /** Of the first files, in their order. */
  readonly assets: Asset[];
  readonly startedAtMs: number;
}

function readKept(kept: PrepareContext['upload']['kept'], nowMs: number): Begun {
  const startedAtMs = Number(kept?.startedAtMs ?? nowMs);
  if (!kept || nowMs - startedAtMs > keptLifeMs) return { assets: [], startedAtMs: nowMs };
  const assets: Asset[] = [];
  for (let index = 0; kept[`assetId${index}`] !== undefined; index++)
    assets.push({ assetId: String(kept[`assetId${index}`]), url: String(kept[`url${index}`]) });
  return { assets, startedAtMs };
}

const writeKept = (assets: readonly Asset[], startedAtMs: number): Record<string, string | number> => ({
  startedAtMs,
  ...Object.fromEntries(
    assets.flatMap(({ assetId, url }, index) => [
      [`assetId${index}`, assetId],
      [`url${index}`, url],
    ]),
  ),
});

async function uploadFile(
  api: RedditApi,
  account: Account,
  file: File,
  access: MediaAccess,
  context: PrepareContext,
): Promise<Asset> {
  context.progress(`Uploading medium ${file.mediaId} to Reddit`);
  const isVideo = isVideoType(file.contentType);
  const bytes = isVideo ? reported(file, access, context) : [await access.bytes(file)];
  const name = `${file.mediaId}.${extensions[file.contentType] ?? 'bin'}`;
  const lease = await requestLease(api, account, file, name, context);
  const { headers, body } = multipartOf(lease.fields, {
    ...{ field: 'file', name, contentType: file.contentType, sizeBytes: file.sizeBytes, bytes },
  });
  try {
    const reply = await api.http.send({
      method: 'POST',
      url: lease.uploadUrl,
      // The form's own fields are what admits it; a token would make the storage refuse, and is none of its business.
      headers: { ...headers, 'User-Agent': api.userAgent },
      body,
      what: 'Reddit media upload',
      timeoutMs: isVideo ? videoTimeoutMs : pictureTimeoutMs,
      signal: context.signal,
      accept: [400, 403],
      secrets: lease.fields.map(([, value]) => value).filter((value) => value.length >= 16),
    });
    if (reply.status !== 201) throw mapStorageError(reply.status, reply.text);
  } finally {
    body.destroy();
  }
  return { assetId: lease.assetId, url: `${lease.uploadUrl.replace(/\/$/, '')}/${lease.key}` };
}

async function* reported(
  file: File,
  access: MediaAccess,
  context: PrepareContext,
): AsyncIterable<Uint8Array> {
  let [sent, told] = [0, 0];
  for await (const chunk of access.stream(file)) {
    yield chunk;
    sent += chunk.byteLength;
    if (sent - told < progressEveryBytes) continue;
    told = sent;
    context.progress(`Uploading medium ${file.mediaId} to Reddit: ${sent} of ${file.sizeBytes} bytes`);
  }
}

const extensions: Readonly<Record<string, string>> = {
  'image/jpeg': 'jpg',
  'image/png': 'png',
  'image/gif': 'gif',
  'video/mp4': 'mp4',
  'video/quicktime': 'mov',
};

interface Lease {
  readonly assetId: string;
  readonly uploadUrl: string;
  readonly key: string;
  readonly fields: readonly (readonly [string, string])[];
}

// https://github.com/praw-dev/praw, praw/models/media.py (read 2026-11-21); Reddit documents no uploads.
async function requestLease(
  api: RedditApi,
  account: Account,
  { contentType }: File,
  name: string,
  context: PrepareContext,
): Promise<Lease> {
  const body = await call(api, account, context, {
    path: '/api/media/asset.json?raw_json=1',
    form: { api_type: 'json', filepath: name, mimetype: contentType },
    what: 'Reddit media lease',
  });
  return parseLease(body, api.baseUrl);
}

/** The address has no scheme: `//reddit-uploaded-media.s3-accelerate.amazonaws.com`. */
function parseLease({ args, asset }: Body, baseUrl: string): Lease {
  const { action, fields } = isObject(args) ? args : {};
  const { asset_id: assetId } = isObject(asset) ? asset : {};
  const named = (Array.isArray(fields) ? fields : []).flatMap((field: unknown) =>
    isObject(field) && typeof field.name === 'string' ? [[field.name, String(field.value)] as const] : [],
  );
  const key = named.find(([name]) => name === 'key')?.[1];
  const isReadable = typeof action === 'string' && typeof assetId === 'string' && key !== undefined;
  if (!isReadable || !URL.canParse(action, baseUrl))
    throw new OutcomeError('unexpected-response', 'Reddit media lease: no address, key or id in the answer');
  return { assetId, uploadUrl: new URL(action, baseUrl).href, key, fields: named };
}

/** The storage is Amazon's and answers XML. A lease that has run out is made anew; a file that is too large stays so. */
function mapStorageError(status: number, xml: string): OutcomeError {
  const read = (tag: string): string | undefined => new RegExp(`<${tag}>([^<]*)</${tag}>`).exec(xml)?.[1];
  const platformCode = read('Code');
  const limit = read('MaxSizeAllowed');
  const message = `Reddit media upload: the storage answered ${status} ${platformCode ?? 'without a code'}`;
  const details = { status, sent: false, ...(platformCode && { platformCode }) };
  if (platformCode === 'EntityTooLarge')
    return new OutcomeError('rejected', `${message}: at most ${limit ?? '?'} bytes`, details);
  return new OutcomeError('unavailable', message, details);
}
