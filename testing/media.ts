import { randomBytes, randomUUID } from 'node:crypto';
import sharp from 'sharp';
import { accepted, type Reply } from './http.ts';
import type { Person } from './people.ts';

export interface Upload {
  readonly mediaId: string;
  readonly bytes: Buffer;
  readonly upload: { readonly url: string; readonly headers: Readonly<Record<string, string>> };
  readonly completed: Reply;
}

export interface Medium {
  readonly mediaId: string;
  readonly altText: string | null;
}

export interface Media {
  /** Uploads a picture of its own, as a client does: announced, sent to the object store, looked at. */
  readonly picture: (options?: PictureOptions) => Promise<Medium>;
}

export interface PictureOptions {
  /** Default 1080. */
  readonly width?: number;
  /** Default 1080. */
  readonly height?: number;
  /** In place of a picture that is made up. */
  readonly bytes?: Buffer;
  readonly altText?: string;
  /** Default: the designer. */
  readonly by?: Person;
}

export const createMedia = (designer: Person): Media => ({
  async picture({ width, height, bytes, altText = 'A plain colour', by = designer } = {}) {
    const { completed, mediaId } = await uploadPicture(by, bytes ?? (await createPicture(width, height)));
    accepted(completed);
    return { mediaId, altText };
  },
});

/** A picture of its own, so that no two have the same bytes. */
export const createPicture = (width = 1080, height = 1080): Promise<Buffer> => {
  const [r, g, b] = randomBytes(3);
  return sharp({ create: { width, height, channels: 3, background: { r: r!, g: g!, b: b! } } })
    .withExifMerge({ IFD0: { ImageDescription: randomUUID() } })
    .jpeg()
    .toBuffer();
};

/** Announces a file, sends its bytes to the presigned address, and has them looked at. */
export const uploadPicture = async (person: Pick<Person, 'send'>, bytes?: Buffer): Promise<Upload> =>
  uploadFile(
    person,
    { fileName: 'picture.jpg', contentType: 'image/jpeg' },
    bytes ?? (await createPicture()),
  );

/** The same for a film. */
export const uploadVideo = (person: Pick<Person, 'send'>, bytes: Buffer): Promise<Upload> =>
  uploadFile(person, { fileName: 'film.mp4', contentType: 'video/mp4' }, bytes);

async function uploadFile(
  person: Pick<Person, 'send'>,
  named: { readonly fileName: string; readonly contentType: string },
  bytes: Buffer,
): Promise<Upload> {
  const body = { ...named, sizeBytes: bytes.length };
  const announced = accepted(await person.send('POST', '/media', { body }));
  const { upload, id } = announced.body;
  const stored = await putBytes(upload.url, upload.headers, bytes);
  if (stored !== 200) throw new Error(`The upload was answered with ${stored}`);
  const completed = await person.send('POST', `/media/${id}/complete`);
  return { mediaId: id, bytes, upload, completed };
}

/** The status that the object store answers a PUT with. */
export async function putBytes(
  url: string,
  headers: Readonly<Record<string, string>>,
  bytes: Uint8Array,
): Promise<number> {
  const { 'Content-Length': _set, ...rest } = headers;
  const response = await fetch(url, {
    method: 'PUT',
    headers: rest,
    body: Buffer.from(bytes),
    signal: AbortSignal.timeout(10_000),
  });
  await response.arrayBuffer();
  return response.status;
}
