import { PassThrough, Readable } from 'node:stream';
import FormData from 'form-data';

export interface MultipartFile {
  readonly field: string;
  readonly name: string;
  readonly contentType: string;
  readonly sizeBytes: number;
  readonly bytes: Iterable<Uint8Array> | AsyncIterable<Uint8Array>;
}

/** A form on its way: `body` is sent once, and destroyed by whoever made it when the call is over. */
export interface MultipartBody {
  /** Content type with its boundary, and the length. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Readable;
}

/**
 * A `multipart/form-data` body of fields, in their order, and one file behind them that is read as it is sent: however
 * large, it never stands in memory.
 */
export function multipartOf(
  fields: readonly (readonly [name: string, value: string])[],
  file: MultipartFile,
): MultipartBody {
  const form = new FormData();
  for (const [name, value] of fields) form.append(name, value);
  const source = Readable.from(file.bytes, { objectMode: false });
  const { field, name: filename, contentType, sizeBytes } = file;
  form.append(field, source, { filename, contentType, knownLength: sizeBytes });
  const headers = { ...form.getHeaders(), 'content-length': String(form.getLengthSync()) };
  // The form is a stream of the oldest kind: it neither hands on that its reader has left nor fails its reader.
  const body = new PassThrough();
  form.once('error', (error: Error) => body.destroy(error));
  body.once('close', () => source.destroy());
  form.pipe(body);
  return { headers, body };
}
