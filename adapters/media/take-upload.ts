import { createHash, randomUUID } from 'node:crypto';
import type { Readable } from 'node:stream';
import { OutcomeError } from '../../domain/outcome.ts';
import type { ObjectHead, ObjectStorage } from '../storage/s3.ts';
import { type ByteSource, type MediaFacts, type MediaProbe, ProbeError, type ProbeLimits } from './probe.ts';

/** What taking an upload needs of the object store. */
export type UploadStorage = Pick<
  ObjectStorage,
  'head' | 'read' | 'readStream' | 'write' | 'copy' | 'writeCopy' | 'delete'
>;
export type ProbeBytes = (source: ByteSource, limits: ProbeLimits) => Promise<MediaFacts>;

export interface TakeTools {
  readonly storage: UploadStorage;
  readonly probe: ProbeBytes;
  readonly limits: Required<Pick<ProbeLimits, 'largest'>>;
  /** Told of a file that could not be removed; it is never read again. */
  readonly onLeftBehind: (error: unknown) => void;
}

/** Why a file is not taken, for good. */
export interface Refusal {
  readonly code: string;
  readonly message: string;
}

/** What is kept, and under which key. */
export interface TakenMedia extends MediaProbe {
  readonly objectKey: string;
}

export type TakeResult =
  | { readonly kind: 'taken'; readonly media: TakenMedia }
  | { readonly kind: 'refused'; readonly refusal: Refusal }
  /** Nothing has been uploaded. */
  | { readonly kind: 'missing' };

/**
 * Takes an upload: learns what its bytes are, and keeps those very bytes under `{tenant}/{sha256}`, where no client writes.
 * What is uploaded later under the same address changes nothing, also while this runs. The upload itself stays, so that
 * this may run any number of times, also at once, until its outcome is written.
 */
export async function takeUpload(
  tools: TakeTools,
  { tenantId, uploadKey }: { tenantId: string; uploadKey: string },
): Promise<TakeResult> {
  const { storage, limits } = tools;
  const head = await storage.head(uploadKey);
  if (!head) return { kind: 'missing' };
  try {
    // What may be a picture is read once; what is larger can only be a video, and stays in the store.
    const isSmall = head.sizeBytes <= limits.largest.image;
    const media = isSmall
      ? await takeWhole(tools, tenantId, uploadKey)
      : await takeBySlices(tools, tenantId, uploadKey, head);
    return { kind: 'taken', media };
  } catch (error) {
    if (!(error instanceof ProbeError)) throw error;
    return { kind: 'refused', refusal: { code: error.code, message: error.message } };
  }
}

async function takeWhole(tools: TakeTools, tenantId: string, uploadKey: string): Promise<TakenMedia> {
  const { storage, probe, limits } = tools;
  const bytes = await storage.read(uploadKey, limits.largest.image);
  const sizeBytes = bytes.byteLength;
  const read = async (start: number, end: number) => bytes.subarray(start, end);
  const facts = await probe({ sizeBytes, read }, limits);
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  const objectKey = `${tenantId}/${sha256}`;
  await storage.write(objectKey, bytes, facts.contentType);
  return { ...facts, sizeBytes, sha256, objectKey };
}

/**
 * The upload is first copied to where no address leads: whoever could write it again between two looks would else have
 * other bytes copied than were hashed, where the store's ETag is an MD5, to which two files can be made.
 */
async function takeBySlices(
  tools: TakeTools,
  tenantId: string,
  uploadKey: string,
  head: ObjectHead,
): Promise<TakenMedia> {
  const { storage, probe, limits } = tools;
  const key = `incoming/taken/${randomUUID()}`;
  const { sizeBytes } = head;
  if (sizeBytes > limits.largest.video) throw tooLarge(sizeBytes, limits.largest.video);
  try {
    const taken = await storage.copy({ from: uploadKey, to: key, head });
    const read = (start: number, end: number) => readRange(storage, key, start, end);
    const facts = await probe({ sizeBytes, read }, limits);
    const sha256 = await hashOf(storage, key, sizeBytes);
    const objectKey = `${tenantId}/${sha256}`;
    const { contentType } = facts;
    await storage.writeCopy({ from: key, to: objectKey, head: taken, contentType });
    return { ...facts, sizeBytes, sha256, objectKey };
  } finally {
    await removeUpload(tools, key);
  }
}

const tooLarge = (sizeBytes: number, limit: number): ProbeError =>
  new ProbeError('too-large', `The file has ${sizeBytes} bytes, at most ${limit} are taken`);

async function readRange(
  storage: UploadStorage,
  key: string,
  start: number,
  end: number,
): Promise<Uint8Array> {
  if (start >= end) return new Uint8Array();
  const { stream } = await storage.readStream(key, { start, end });
  const chunks: Uint8Array[] = [];
  for await (const chunk of unlessStalled(stream, key)) chunks.push(chunk);
  return Buffer.concat(chunks);
}

async function hashOf(storage: UploadStorage, key: string, sizeBytes: number): Promise<string> {
  const { stream } = await storage.readStream(key);
  const hash = createHash('sha256');
  let size = 0;
  for await (const chunk of unlessStalled(stream, key)) {
    hash.update(chunk);
    size += chunk.byteLength;
  }
  if (size === sizeBytes) return hash.digest('hex');
  throw new OutcomeError('outcome-unknown', `Object store: ${key} ended after ${size} of ${sizeBytes} bytes`);
}

const stalledAfterMs = 60_000;

/** Reads on, unless nothing comes for a minute. */
async function* unlessStalled(stream: Readable, key: string): AsyncGenerator<Uint8Array> {
  const stop = () =>
    stream.destroy(new OutcomeError('outcome-unknown', `Object store: read of ${key} stalled`));
  const timer = setTimeout(stop, stalledAfterMs);
  try {
    for await (const chunk of stream) {
      timer.refresh();
      yield chunk as Uint8Array;
    }
  } finally {
    clearTimeout(timer);
  }
}

/** Removes an upload once its medium has been decided. A courtesy: what stays behind is never read again. */
export async function removeUpload(
  { storage, onLeftBehind }: Pick<TakeTools, 'storage' | 'onLeftBehind'>,
  key: string,
): Promise<void> {
  try {
    await storage.delete(key);
  } catch (error) {
    onLeftBehind(error);
  }
}
