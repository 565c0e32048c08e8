import { z } from '../zod.ts';
import { id, instant } from './common.ts';

const uploadContentTypes = [
  'image/jpeg',
  'image/png',
  'image/gif',
  'image/webp',
  'video/mp4',
  'video/quicktime',
] as const;

export const newMediaSchema = z
  .strictObject({
    fileName: z.string().trim().min(1).max(255),
    contentType: z.enum(uploadContentTypes),
    sizeBytes: z.int().min(1),
  })
  .openapi('NewMedia');

export const mediaImportSchema = z
  .strictObject({
    url: z.string().trim().min(1).max(4_096).openapi({
      description:
        'https, on a public host. It may hold a signature: it is kept encrypted, and shown to nobody',
    }),
    fileName: z
      .string()
      .trim()
      .min(1)
      .max(255)
      .optional()
      .openapi({ description: 'Default: as in the address' }),
  })
  .openapi('MediaImport');

export const mediaUploadSchema = z
  .object({
    id: id(),
    upload: z.object({
      method: z.literal('PUT'),
      url: z.string().openapi({ description: 'A secret, alive until `expiresAt`' }),
      headers: z
        .record(z.string(), z.string())
        .openapi({ description: 'To be sent exactly as they are: they are part of the signature' }),
    }),
    expiresAt: instant(),
  })
  .openapi('MediaUpload');

export const mediaSchema = z
  .object({
    id: id(),
    state: z.enum(['pending', 'ready', 'refused']),
    fileName: z.string(),
    contentType: z.string().nullable().openapi({
      description: 'As the bytes say; while pending as declared, null where it is being fetched',
    }),
    sizeBytes: z.int().nullable(),
    sha256: z.string().nullable(),
    width: z.int().nullable(),
    height: z.int().nullable(),
    frames: z.int().nullable().openapi({ description: 'Pictures in an animation, 1 for a still' }),
    durationSeconds: z.number().nullable(),
    frameRate: z.number().nullable().openapi({ description: 'Pictures per second' }),
    videoCodec: z.string().nullable(),
    audioCodec: z.string().nullable().openapi({ description: 'Null also for a video without sound' }),
    refusal: z.object({ code: z.string(), message: z.string() }).nullable(),
    createdBy: id(),
    createdAt: instant(),
    completedAt: instant().nullable(),
  })
  .openapi('Media');

export const mediaWithDownloadSchema = mediaSchema
  .extend({
    download: z
      .object({ url: z.string(), expiresAt: instant() })
      .nullable()
      .openapi({ description: 'Null until the medium is ready' }),
  })
  .openapi('MediaWithDownload');
