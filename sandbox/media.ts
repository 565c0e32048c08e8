import { createHash, randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { appendFile, mkdir, open, readFile, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';

/** A picture or video that a platform has taken in; its bytes are kept under their hash. */
export interface StoredMedia {
  sha256: string;
  contentType: string;
  bytes: number;
}

/** What an image says about itself. Sizes are as shown, after its EXIF orientation. */
export interface ImageFacts {
  contentType: 'image/jpeg' | 'image/png' | 'image/gif';
  width: number;
  height: number;
  frames: number;
}

export interface MediaStore {
  /** Keeps the bytes; they are on the disk when it resolves. */
  put(bytes: Buffer, contentType: string): Promise<StoredMedia>;
  read(sha256: string): Promise<Buffer | undefined>;
  /** Where the bytes are; undefined where there are none. */
  find(sha256: string): Promise<string | undefined>;
  /** A file that arrives in parts, by a name that is its own; what is there already stays. */
  upload(name: string): MediaUpload;
  clear(): Promise<void>;
}

export interface MediaUpload {
  /** How many bytes have come. */
  size(): Promise<number>;
  /** Adds bytes at the end. */
  append(bytes: Uint8Array): Promise<void>;
  /** Keeps what has come under its hash, like `put`. */
  finish(contentType: string): Promise<StoredMedia>;
}

export async function openMedia(directory: string): Promise<MediaStore> {
  await mkdir(directory, { recursive: true });
  return {
    async put(bytes, contentType) {
      const sha256 = sha256Of(bytes);
      const temporary = join(directory, `.${randomUUID()}`);
      const file = await open(temporary, 'w', 0o600);
      try {
        await file.writeFile(bytes);
        await file.sync();
      } finally {
        await file.close();
      }
      await rename(temporary, join(directory, sha256));
      return { sha256, contentType, bytes: bytes.length };
    },
    async read(sha256) {
      if (!/^[0-9a-f]{64}$/.test(sha256)) return undefined;
      return readFile(join(directory, sha256)).catch(noFile(undefined));
    },
    find: async (sha256) => {
      if (!/^[0-9a-f]{64}$/.test(sha256)) return undefined;
      const path = join(directory, sha256);
      return stat(path).then(() => path, noFile(undefined));
    },
    upload(name) {
      const path = join(directory, `.upload-${sha256Of(name)}`);
      return {
        size: () => stat(path).then(({ size }) => size, noFile(0)),
        append: (bytes) => appendFile(path, bytes, { mode: 0o600 }),
        async finish(contentType) {
          const hash = createHash('sha256');
          let bytes = 0;
          for await (const chunk of createReadStream(path)) {
            hash.update(chunk);
            bytes += chunk.length;
          }
          const sha256 = hash.digest('hex');
          await rename(path, join(directory, sha256));
          return { sha256, contentType, bytes };
        },
      };
    },
    async clear() {
      await rm(directory, { recursive: true, force: true });
      await mkdir(directory, { recursive: true });
    },
  };
}

const noFile =
  <Value>(value: Value) =>
  (error: NodeJS.ErrnoException): Value => {
    if (error.code === 'ENOENT') return value;
    throw error;
  };

export function sha256Of(bytes: Buffer | string): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** Reads format and size from the bytes themselves; undefined if they are no JPEG, PNG or GIF. */
export async function probeImage(bytes: Buffer): Promise<ImageFacts | undefined> {
  const contentType = sniffContentType(bytes);
  if (!contentType) return undefined;
  try {
    const { autoOrient, pages } = await sharp(bytes).metadata();
    return { contentType, width: autoOrient.width, height: autoOrient.height, frames: pages ?? 1 };
  } catch {
    return undefined;
  }
}

/** What a file is by its first bytes; a picture, a video, or something that is not to be shown. */
export async function contentTypeOf(path: string): Promise<string> {
  const file = await open(path);
  try {
    const { buffer } = await file.read(Buffer.alloc(16), 0, 16, 0);
    const isVideo = buffer.subarray(4, 8).toString('latin1') === 'ftyp';
    return sniffContentType(buffer) ?? (isVideo ? 'video/mp4' : 'application/octet-stream');
  } finally {
    await file.close();
  }
}

/** The content type by the first bytes, never by what a client claims. */
export function sniffContentType(bytes: Buffer): ImageFacts['contentType'] | undefined {
  if (bytes.subarray(0, 3).equals(Buffer.from([0xff, 0xd8, 0xff]))) return 'image/jpeg';
  if (bytes.subarray(0, 4).equals(Buffer.from([0x89, 0x50, 0x4e, 0x47]))) return 'image/png';
  if (bytes.subarray(0, 4).toString('latin1') === 'GIF8') return 'image/gif';
  return undefined;
}
