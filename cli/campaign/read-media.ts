import { readFile, realpath, stat } from 'node:fs/promises';
import { extname, isAbsolute, resolve, sep } from 'node:path';
import { type MediaProbe, ProbeError, probeMedia } from '../../adapters/media/probe.ts';

/** What a file turned out to be, or why it cannot be used. */
export type Found<Value> =
  | { readonly ok: true; readonly value: Value }
  | { readonly ok: false; readonly reason: string };

const failed = (reason: string): { ok: false; reason: string } => ({ ok: false, reason });

const contentTypes: Readonly<Record<string, MediaProbe['contentType']>> = {
  '.jpg': 'image/jpeg',
  '.jpeg': 'image/jpeg',
  '.png': 'image/png',
  '.gif': 'image/gif',
  '.webp': 'image/webp',
  '.mp4': 'video/mp4',
  '.mov': 'video/quicktime',
};

const maxMediaBytes = 100_000_000;

/** Reads a picture or video beside the campaign and checks that its bytes are what its name says. */
export async function readMediaFile(
  folder: string,
  file: string,
): Promise<Found<MediaProbe & { path: string }>> {
  const expected = contentTypes[extname(file).toLowerCase()];
  if (!expected) return failed(`${file}: must end in ${Object.keys(contentTypes).join(', ')}`);
  const bytes = await readFileBeside(folder, file, maxMediaBytes);
  if (!bytes.ok) return bytes;
  try {
    const probed = await probeMedia(bytes.value.bytes);
    if (probed.contentType !== expected)
      return failed(`${file}: is ${probed.contentType}, its name says ${expected}`);
    return { ok: true, value: { ...probed, path: bytes.value.path } };
  } catch (error) {
    if (!(error instanceof ProbeError)) throw error;
    return failed(`${file}: ${error.message}`);
  }
}

/**
 * Reads a whole file in or below the folder. A campaign may come from elsewhere: it names no files outside its own
 * folder, not through a link either.
 */
export async function readFileBeside(
  folder: string,
  file: string,
  maxBytes: number,
): Promise<Found<{ path: string; bytes: Buffer }>> {
  if (isAbsolute(file)) return failed(`${file}: must be a path relative to the campaign file`);
  try {
    const root = await realpath(folder);
    const path = await realpath(resolve(root, file));
    if (!path.startsWith(root + sep)) return failed(`${file}: lies outside the campaign's folder`);
    const facts = await stat(path);
    if (!facts.isFile()) return failed(`${file}: is not a file`);
    if (facts.size > maxBytes)
      return failed(`${file}: has ${facts.size} bytes, at most ${maxBytes} are read`);
    return { ok: true, value: { path, bytes: await readFile(path) } };
  } catch (error) {
    return failed(`${file}: ${describeFileError(error)}`);
  }
}

/** Decodes UTF-8 strictly; `null` when it is something else. */
export function decodeText(bytes: Uint8Array): string | null {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return null;
  }
}

export function describeFileError(error: unknown): string {
  const code = (error as NodeJS.ErrnoException | null)?.code;
  if (code === 'ENOENT' || code === 'ENOTDIR') return 'there is no such file';
  if (code === 'EACCES' || code === 'EPERM') return 'may not be read';
  if (code === 'ERR_INVALID_ARG_VALUE') return 'is no file name';
  return `cannot be read (${code ?? String(error)})`;
}
