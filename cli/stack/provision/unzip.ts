import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join, normalize } from 'node:path';
import { promisify } from 'node:util';
import { inflateRaw } from 'node:zlib';

const inflate = promisify(inflateRaw);

const END_OF_DIRECTORY = 0x06054b50;
const DIRECTORY_ENTRY = 0x02014b50;
const STORED = 0;
const DEFLATED = 8;

interface ZipEntry {
  name: string;
  method: number;
  compressedSize: number;
  localHeaderOffset: number;
  isExecutable: boolean;
}

/**
 * Unpacks the entries that a predicate selects. Files become readable (and where the archive says so, executable)
 * for everybody, because the server runs as another user than the one that unpacks it.
 * No ZIP64, encryption or links: wheels have none. Format: https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT
 */
export async function unzip(input: {
  archivePath: string;
  folder: string;
  select: (name: string) => boolean;
}): Promise<void> {
  const archive = await readFile(input.archivePath);
  for (const entry of readDirectory(archive)) {
    if (entry.name.endsWith('/') || !input.select(entry.name)) continue;
    await unpackEntry(archive, entry, input.folder);
  }
}

async function unpackEntry(archive: Buffer, entry: ZipEntry, folder: string): Promise<void> {
  const target = normalize(join(folder, entry.name));
  if (!target.startsWith(`${normalize(folder)}/`))
    throw new Error(`${entry.name} lies outside of the archive's folder`);
  await makeFolders(folder, dirname(target));
  await writeFile(target, await readContent(archive, entry));
  await chmod(target, entry.isExecutable ? 0o755 : 0o644);
}

async function makeFolders(root: string, folder: string): Promise<void> {
  const first = await mkdir(folder, { recursive: true });
  if (first === undefined) return;
  for (let made = folder; made.length >= first.length && made.length > root.length; made = dirname(made)) {
    await chmod(made, 0o755);
  }
}

async function readContent(archive: Buffer, entry: ZipEntry): Promise<Buffer> {
  const header = entry.localHeaderOffset;
  const start = header + 30 + archive.readUInt16LE(header + 26) + archive.readUInt16LE(header + 28);
  const content = archive.subarray(start, start + entry.compressedSize);
  if (entry.method === STORED) return content;
  if (entry.method === DEFLATED) return inflate(content);
  throw new Error(`${entry.name} is packed with method ${entry.method}, which is not supported`);
}

function readDirectory(archive: Buffer): ZipEntry[] {
  const end = findEndOfDirectory(archive);
  const count = archive.readUInt16LE(end + 10);
  const entries: ZipEntry[] = [];
  let offset = archive.readUInt32LE(end + 16);
  for (let index = 0; index < count; index += 1) {
    if (archive.readUInt32LE(offset) !== DIRECTORY_ENTRY)
      throw new Error('the archive has a broken directory');
    const nameLength = archive.readUInt16LE(offset + 28);
    const unixMode = archive.readUInt32LE(offset + 38) >>> 16;
    entries.push({
      method: archive.readUInt16LE(offset + 10),
      compressedSize: archive.readUInt32LE(offset + 20),
      isExecutable: (unixMode & 0o111) !== 0,
      localHeaderOffset: archive.readUInt32LE(offset + 42),
      name: archive.toString('utf8', offset + 46, offset + 46 + nameLength),
    });
    offset += 46 + nameLength + archive.readUInt16LE(offset + 30) + archive.readUInt16LE(offset + 32);
  }
  return entries;
}

function findEndOfDirectory(archive: Buffer): number {
  for (let offset = archive.length - 22; offset >= 0; offset -= 1) {
    if (archive.readUInt32LE(offset) === END_OF_DIRECTORY) return offset;
  }
  throw new Error('the file is not a zip archive');
}
