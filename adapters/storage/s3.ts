import type { Readable } from 'node:stream';
import {
  AbortMultipartUploadCommand,
  type CompletedPart,
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  type GetObjectCommandOutput,
  HeadBucketCommand,
  HeadObjectCommand,
  PutObjectCommand,
  S3Client,
  S3ServiceException,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import { OutcomeError } from '../../domain/outcome.ts';

export interface ObjectStorageOptions {
  /** Where this program reaches the store, e.g. `https://s3.eu-central-1.amazonaws.com`. */
  readonly endpoint: string;
  /** Where clients and platforms reach it, when that differs; presigned addresses use it (default `endpoint`). */
  readonly publicEndpoint?: string;
  readonly region: string;
  readonly bucket: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  /** `http://host/bucket/key` instead of `http://bucket.host/key`; most stores besides AWS want it. */
  readonly forcePathStyle: boolean;
  /** To connect (default 5 s). */
  readonly connectionTimeoutMs?: number;
  /** For one request, from sending to the answer's head (default 60 s). */
  readonly requestTimeoutMs?: number;
}

export interface PresignUploadInput {
  readonly key: string;
  readonly contentType: string;
  readonly sizeBytes: number;
  readonly expiresInSeconds: number;
}

/** What a client sends: one PUT to `url` with exactly these headers, which are part of the signature. */
export interface PresignedUpload {
  readonly method: 'PUT';
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly expiresAt: Date;
}

export interface ObjectHead {
  readonly sizeBytes: number;
  readonly contentType: string | null;
  /** Changes with the bytes; `null` where the store gives none. */
  readonly etag: string | null;
}

export interface CopyInput {
  readonly from: string;
  readonly to: string;
  /** What `from` must still be, by its head. */
  readonly head: Pick<ObjectHead, 'sizeBytes' | 'etag'>;
  /** Default: as it was. */
  readonly contentType?: string;
}

export interface ObjectStream extends ObjectHead {
  readonly stream: Readable;
}

/** From `start` up to and without `end`. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

export interface ObjectStorage {
  readonly presignUpload: (input: PresignUploadInput) => Promise<PresignedUpload>;
  /** A GET address without credentials, alive for `seconds` (at most 7 days). It is a secret: never log or store it. */
  readonly presignDownload: (key: string, seconds: number) => Promise<string>;
  /** `null` when there is no such object. */
  readonly head: (key: string) => Promise<ObjectHead | null>;
  /** The whole object; `rejected` (`TooLarge`) when it is longer than `maxBytes`. */
  readonly read: (key: string, maxBytes: number) => Promise<Buffer>;
  /** The caller reads or destroys the stream. `range`: from its start up to and without its end. */
  readonly readStream: (key: string, range?: ByteRange) => Promise<ObjectStream>;
  /**
   * Writes an object whose key is the hash of its content, so it may run any number of times: an object that is there
   * already is kept, and `unexpected-response` is thrown if its size is another.
   */
  readonly write: (key: string, bytes: Uint8Array, contentType: string) => Promise<void>;
  /** As `write`, of what lies in the store already; the store copies, no byte passes through here. */
  readonly writeCopy: (input: CopyInput & { readonly contentType: string }) => Promise<void>;
  /** Copies within the store, over what is at `to`; answers its head. `rejected` (412) when `from` is not what its head said. */
  readonly copy: (input: CopyInput) => Promise<ObjectHead>;
  /** Writes a stream of any length, part by part, over what is at `key`. What breaks off leaves nothing, and throws as it broke. */
  readonly writeStream: (
    key: string,
    chunks: AsyncIterable<Uint8Array>,
    contentType: string,
  ) => Promise<void>;
  /** Repeatable: deleting what is not there is a success. */
  readonly delete: (key: string) => Promise<void>;
  /** Throws unless the bucket answers. */
  readonly ping: () => Promise<void>;
  readonly close: () => void;
}

/** The object store behind the S3 protocol. Never retries by itself; failures are `OutcomeError`s. */
export function createObjectStorage(options: ObjectStorageOptions): ObjectStorage {
  const { bucket: Bucket } = options;
  const client = createClient(options, options.endpoint);
  const publicClient = createClient(options, options.publicEndpoint ?? options.endpoint);

  const head = async (key: string): Promise<ObjectHead | null> => {
    try {
      const found = await client.send(new HeadObjectCommand({ Bucket, Key: key }));
      return {
        sizeBytes: found.ContentLength ?? 0,
        contentType: found.ContentType ?? null,
        etag: found.ETag ?? null,
      };
    } catch (error) {
      if (statusOf(error) === 404) return null;
      throw mapStorageError(error, `Object store: head of ${key}`);
    }
  };

  const readStream = async (key: string, range?: ByteRange): Promise<ObjectStream> => {
    const Range = range && `bytes=${range.start}-${range.end - 1}`;
    const object = await attempt(`read of ${key}`, () =>
      client.send(new GetObjectCommand({ Bucket, Key: key, Range })),
    );
    return mapObject(object, key);
  };

  const put = (
    key: string,
    bytes: Uint8Array,
    contentType: string,
    isConditional: boolean,
  ): Promise<unknown> => {
    const body = { Bucket, Key: key, Body: bytes, ContentLength: bytes.byteLength, ContentType: contentType };
    return client.send(new PutObjectCommand(isConditional ? { ...body, IfNoneMatch: '*' } : body));
  };

  /** True when the object is there with the right size; another size under a content hash means corruption. */
  const isThere = async (key: string, sizeBytes: number): Promise<boolean> => {
    const existing = await head(key);
    if (existing && existing.sizeBytes !== sizeBytes) {
      const message = `Object store: ${key} is there with ${existing.sizeBytes} bytes instead of ${sizeBytes}`;
      throw new OutcomeError('unexpected-response', message, { platformCode: 'SizeMismatch' });
    }
    return existing !== null;
  };

  const copy = async ({ from, to, head: source, contentType }: CopyInput): Promise<ObjectHead> => {
    const command = new CopyObjectCommand({
      ...{ Bucket, Key: to, CopySource: [Bucket, ...from.split('/')].map(encodeURIComponent).join('/') },
      ...(source.etag !== null && { CopySourceIfMatch: source.etag }),
      ...(contentType !== undefined && { MetadataDirective: 'REPLACE', ContentType: contentType }),
    });
    await attempt(`copy of ${from}`, () => client.send(command, { requestTimeout: copyTimeoutMs }));
    const copied = await head(to);
    if (copied?.sizeBytes === source.sizeBytes) return copied;
    const message = `Object store: the copy of ${from} has ${copied?.sizeBytes} bytes instead of ${source.sizeBytes}`;
    throw new OutcomeError('unexpected-response', message, { platformCode: 'SizeMismatch' });
  };

  return {
    copy,
    writeCopy: async (input) => {
      // Not in one step: whoever copies in between copies the same bytes.
      if (!(await isThere(input.to, input.head.sizeBytes))) await copy(input);
    },
    writeStream: (key, chunks, contentType) => writeParts(client, { Bucket, Key: key }, chunks, contentType),
    presignUpload: async ({ key, contentType, sizeBytes, expiresInSeconds }) => {
      const expiresAt = new Date(Date.now() + expiresInSeconds * 1000);
      const command = new PutObjectCommand({
        Bucket,
        Key: key,
        ContentType: contentType,
        ContentLength: sizeBytes,
      });
      const url = await getSignedUrl(publicClient, command, {
        expiresIn: expiresInSeconds,
        // Without this list the presigner leaves the content type unsigned.
        signableHeaders: new Set(['host', 'content-type', 'content-length']),
      });
      const headers = { 'Content-Type': contentType, 'Content-Length': String(sizeBytes) };
      return { method: 'PUT', url, headers, expiresAt };
    },
    presignDownload: (key, seconds) =>
      getSignedUrl(publicClient, new GetObjectCommand({ Bucket, Key: key }), { expiresIn: seconds }),
    head,
    readStream,
    read: async (key, maxBytes) => {
      const { stream, sizeBytes } = await readStream(key);
      return attempt(`read of ${key}`, () => collect(stream, sizeBytes, maxBytes, key));
    },
    write: async (key, bytes, contentType) => {
      try {
        await put(key, bytes, contentType, true);
      } catch (error) {
        const status = statusOf(error);
        // Refused because it is there already, or because the store does not know conditional writes.
        const isConditional = status === 412 || status === 501;
        if (!isConditional) throw mapStorageError(error, `Object store: write of ${key}`);
        if (await isThere(key, bytes.byteLength)) return;
        await attempt(`write of ${key}`, () => put(key, bytes, contentType, false));
      }
    },
    delete: async (key) => {
      await attempt(`delete of ${key}`, () => client.send(new DeleteObjectCommand({ Bucket, Key: key })));
    },
    ping: async () => {
      await attempt('ping', () => client.send(new HeadBucketCommand({ Bucket })));
    },
    close: () => {
      client.destroy();
      publicClient.destroy();
    },
  };
}

/** The store reads and writes all of it before it answers. */
const copyTimeoutMs = 600_000;
/** Of an upload in parts each but the last has at least 5 MiB, and there are at most 10,000. */
const partBytes = 8_388_608;

async function writeParts(
  client: S3Client,
  object: { Bucket: string; Key: string },
  chunks: AsyncIterable<Uint8Array>,
  contentType: string,
): Promise<void> {
  const send = <Result>(call: () => Promise<Result>) => attempt(`write of ${object.Key}`, call);
  const parts = partsOf(chunks);
  const first = await parts.next();
  const body = first.done ? new Uint8Array() : first.value;
  if (body.byteLength < partBytes) {
    const put = { ...object, Body: body, ContentLength: body.byteLength, ContentType: contentType };
    await send(() => client.send(new PutObjectCommand(put)));
    return;
  }
  const create = new CreateMultipartUploadCommand({ ...object, ContentType: contentType });
  const created = await send(() => client.send(create));
  const upload = { ...object, UploadId: created.UploadId };
  try {
    const done: CompletedPart[] = [];
    for (let part: Uint8Array | undefined = body; part; part = (await parts.next()).value) {
      const PartNumber: number = done.length + 1;
      const sent = { ...upload, PartNumber, Body: part, ContentLength: part.byteLength };
      const { ETag }: CompletedPart = await send(() => client.send(new UploadPartCommand(sent)));
      done.push({ ETag, PartNumber });
    }
    const complete = new CompleteMultipartUploadCommand({ ...upload, MultipartUpload: { Parts: done } });
    await send(() => client.send(complete));
  } catch (error) {
    // A courtesy: a lifecycle rule clears what stays behind.
    await client.send(new AbortMultipartUploadCommand(upload)).catch(() => {});
    throw error;
  } finally {
    await parts.return(undefined);
  }
}

/** Gathers chunks of any length into parts of `partBytes`, the last one shorter. */
async function* partsOf(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, undefined> {
  let part = Buffer.allocUnsafeSlow(partBytes);
  let filled = 0;
  for await (const chunk of chunks)
    for (let start = 0; start < chunk.byteLength; ) {
      const slice = chunk.subarray(start, start + partBytes - filled);
      part.set(slice, filled);
      filled += slice.byteLength;
      start += slice.byteLength;
      if (filled < partBytes) continue;
      yield part;
      part = Buffer.allocUnsafeSlow(partBytes);
      filled = 0;
    }
  if (filled > 0) yield part.subarray(0, filled);
  return undefined;
}

function createClient(options: ObjectStorageOptions, endpoint: string): S3Client {
  return new S3Client({
    endpoint,
    region: options.region,
    credentials: { accessKeyId: options.accessKeyId, secretAccessKey: options.secretAccessKey },
    forcePathStyle: options.forcePathStyle,
    maxAttempts: 1,
    // The SDK's default adds a CRC32 to every upload, which a plain PUT to a presigned address cannot send.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    requestHandler: {
      connectionTimeout: options.connectionTimeoutMs ?? 5_000,
      requestTimeout: options.requestTimeoutMs ?? 60_000,
      throwOnRequestTimeout: true,
    },
  });
}

async function attempt<Result>(what: string, call: () => Promise<Result>): Promise<Result> {
  try {
    return await call();
  } catch (error) {
    throw mapStorageError(error, `Object store: ${what}`);
  }
}

function mapObject(object: GetObjectCommandOutput, key: string): ObjectStream {
  if (!object.Body || object.ContentLength === undefined) {
    throw new OutcomeError('unexpected-response', `Object store: read of ${key} has no body or no length`);
  }
  return {
    stream: object.Body as Readable,
    sizeBytes: object.ContentLength,
    contentType: object.ContentType ?? null,
    etag: object.ETag ?? null,
  };
}

async function collect(stream: Readable, sizeBytes: number, maxBytes: number, key: string): Promise<Buffer> {
  if (sizeBytes > maxBytes) {
    stream.destroy();
    const message = `Object store: ${key} has ${sizeBytes} bytes, at most ${maxBytes} are read`;
    throw new OutcomeError('rejected', message, { platformCode: 'TooLarge' });
  }
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    size += chunk.length;
    // The head's length is the store's word; the cap holds also when it is not true.
    if (size > maxBytes) {
      throw new OutcomeError('rejected', `Object store: ${key} is longer than ${maxBytes} bytes`, {
        platformCode: 'TooLarge',
      });
    }
    chunks.push(chunk);
  }
  if (size !== sizeBytes) {
    throw new OutcomeError(
      'outcome-unknown',
      `Object store: read of ${key} ended after ${size} of ${sizeBytes} bytes`,
    );
  }
  return Buffer.concat(chunks);
}

const statusOf = (error: unknown): number | undefined =>
  error instanceof S3ServiceException ? error.$metadata.httpStatusCode : undefined;

const codesBeforeSending = new Set(['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH']);

/** Names the outcome of a failed call to the store. The SDK's own message may repeat a signed request and is left out. */
export function mapStorageError(error: unknown, what: string): OutcomeError {
  if (error instanceof OutcomeError) return error;
  const status = statusOf(error);
  const { name, code } = (error ?? {}) as { name?: string; code?: string };
  const platformCode = code ?? name;
  const message = `${what} failed${status ? ` with ${status}` : ''} (${platformCode})`;
  const details = { ...(status ? { status } : {}), ...(platformCode ? { platformCode } : {}) };
  if (status === undefined) {
    // The SDK names its own connection time-out TimeoutError too; only the system's codes prove that nothing was sent.
    if (code && codesBeforeSending.has(code)) {
      return new OutcomeError('unavailable', message, { ...details, sent: false });
    }
    return new OutcomeError('outcome-unknown', message, details);
  }
  if (status === 401 || status === 403) return new OutcomeError('unauthorized', message, details);
  if (status === 429 || name === 'SlowDown') return new OutcomeError('rate-limited', message, details);
  if (status >= 500 || status === 408 || status === 409) {
    return new OutcomeError('unavailable', message, { ...details, sent: true });
  }
  if (status >= 400) return new OutcomeError('rejected', message, details);
  return new OutcomeError('unexpected-response', message, details);
}
