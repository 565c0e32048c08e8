import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import express, { type Request, type Response } from 'express';
import type { FileTokens } from '../adapters/media/file-tokens.ts';
import type { ByteRange } from '../adapters/storage/s3.ts';
import type { ApiDependencies } from './ports.ts';
import { notFound } from './problems.ts';

/** Whoever fetches may pause this long. */
const idleMs = 60_000;

/**
 * Hands out single files to whoever has their token: for platforms that fetch from a domain its owner has verified, and
 * follow no redirect. There is nothing to list, and a token that is wrong or has ended reads like one that never was.
 */
export function mediaFilesRouter({
  tokens,
  storage,
  clock,
}: { tokens: FileTokens } & Pick<ApiDependencies, 'storage' | 'clock'>): express.Router {
  const router = express.Router({ caseSensitive: true });
  router.get('/:token', async (request, response) => {
    const grant = tokens.read(request.params.token, clock.now());
    const head = grant && (await storage.head(grant.objectKey));
    if (!grant || !head) throw notFound('file');
    const { objectKey } = grant;
    const { sizeBytes } = head;
    const etag = `"${objectKey.split('/')[1]}"`;
    const range = rangeOf(request, etag, sizeBytes);
    if (range === 'unsatisfiable')
      return void response.status(416).set('Content-Range', `bytes */${sizeBytes}`).end();
    const { start, end } = range ?? { start: 0, end: sizeBytes };
    const isAsked = request.method !== 'HEAD' && start < end;
    // Before the head is written: a store that is away is a problem, not half a file.
    const opened = isAsked ? await storage.readStream(objectKey, range ?? undefined) : null;
    response.status(range ? 206 : 200).set({
      'Accept-Ranges': 'bytes',
      'Content-Disposition': 'attachment',
      'Content-Length': String(end - start),
      'Content-Type': head.contentType ?? 'application/octet-stream',
      ETag: etag,
      ...(range && { 'Content-Range': `bytes ${start}-${end - 1}/${sizeBytes}` }),
    });
    if (opened) await send(request, response, opened.stream);
    else response.end();
  });
  return router;
}

async function send(request: Request, response: Response, stream: Readable): Promise<void> {
  response.setTimeout(idleMs, () => response.destroy());
  try {
    await pipeline(stream, response);
  } catch (error) {
    // Who fetches has gone, or the store broke off: a body that ends early says so by itself.
    request.log.info({ err: error }, 'A file was not fetched to its end');
  }
}

/** One range of bytes, as RFC 9110 has it; several, or units nobody knows, are answered with the whole. */
function rangeOf(request: Request, etag: string, sizeBytes: number): ByteRange | null | 'unsatisfiable' {
  const { range: header, 'if-range': condition } = request.headers;
  const [, first, last] = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header ?? '') ?? [];
  if (first === undefined || last === undefined || first + last === '') return null;
  if (condition !== undefined && condition !== etag) return null;
  if (first === '') {
    const length = Math.min(Number(last), sizeBytes);
    return length > 0 ? { start: sizeBytes - length, end: sizeBytes } : 'unsatisfiable';
  }
  if (last !== '' && Number(last) < Number(first)) return null;
  if (Number(first) >= sizeBytes) return 'unsatisfiable';
  const end = last === '' ? sizeBytes : Math.min(Number(last) + 1, sizeBytes);
  return { start: Number(first), end };
}
