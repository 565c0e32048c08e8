import { findMedia, listMedia } from '../../db/media.ts';
import { decodeCursor, pageOf, positionById } from '../cursor.ts';
import { notFound } from '../problems.ts';
import { type Route, tenantRoute } from '../route.ts';
import { id, pageQuery, pageSchema } from '../schemas/common.ts';
import {
  mediaImportSchema,
  mediaSchema,
  mediaUploadSchema,
  mediaWithDownloadSchema,
  newMediaSchema,
} from '../schemas/media.ts';
import { announceMedia, downloadOf } from '../services/announce-media.ts';
import { completeMedia } from '../services/complete-media.ts';
import { importMedia } from '../services/import-media.ts';
import { viewMedia } from '../views.ts';
import { z } from '../zod.ts';

const tag = 'Media';
const params = z.strictObject({ mediaId: id() });

export const mediaRoutes: readonly Route[] = [
  tenantRoute({
    operationId: 'createMedia',
    method: 'post',
    path: '/media',
    tag,
    summary: 'Announce a file and get the address to upload it to',
    description: 'Images up to 36 MB, videos up to 1 GiB unless set otherwise.',
    body: newMediaSchema,
    answer: {
      status: 201,
      description: 'Where to upload',
      schema: mediaUploadSchema,
      headers: { Location: 'Its address' },
    },
    idempotencyKey: 'required',
    problems: ['media-too-large'],
    handle: async ({ context, body }) => {
      const { mediaId, upload } = await announceMedia(context, body);
      const { method, url, headers, expiresAt } = upload;
      return {
        status: 201,
        body: { id: mediaId, upload: { method, url, headers }, expiresAt: expiresAt.toISOString() },
        headers: { Location: `/api/v1/media/${mediaId}` },
      };
    },
  }),
  tenantRoute({
    operationId: 'completeMedia',
    method: 'post',
    path: '/media/{mediaId}/complete',
    tag,
    summary: 'Say that a file has been uploaded',
    description: 'The bytes are read, examined and kept; whatever is uploaded later changes nothing.',
    params,
    answer: { status: 200, description: 'The medium, ready for posts', schema: mediaSchema },
    idempotencyKey: 'required',
    problems: ['not-found', 'upload-missing', 'media-refused'],
    handle: async ({ context, params: { mediaId } }) => ({
      status: 200,
      body: viewMedia(await completeMedia(context, mediaId)),
    }),
  }),
  tenantRoute({
    operationId: 'importMedia',
    method: 'post',
    path: '/media/import',
    tag,
    summary: 'Have a file fetched from an address',
    description:
      'Answers before it is fetched. Read the medium until it is `ready`, or `refused` with the reason: `address-refused`, `fetch-failed`, `too-large`, `unsupported-media`, `unreadable-media`.',
    body: mediaImportSchema,
    answer: {
      status: 202,
      description: 'The medium, usually pending',
      schema: mediaSchema,
      headers: { Location: 'Its address' },
    },
    idempotencyKey: 'required',
    problems: ['address-refused'],
    handle: async ({ context, body }) => {
      const medium = await importMedia(context, body);
      return {
        status: 202,
        body: viewMedia(medium),
        headers: { Location: `/api/v1/media/${medium.id}` },
      };
    },
  }),
  tenantRoute({
    operationId: 'listMedia',
    method: 'get',
    path: '/media',
    tag,
    summary: 'List media',
    query: z.strictObject(pageQuery),
    answer: {
      status: 200,
      description: 'A page of media',
      schema: pageSchema(mediaSchema).openapi('MediaPage'),
    },
    handle: async ({ context, query: { limit, cursor } }) => {
      const [afterId] = decodeCursor(cursor, positionById) ?? [];
      const rows = await listMedia(context.database, { afterId, limit: limit + 1 });
      return { status: 200, body: pageOf(rows, limit, viewMedia, (row) => [row.id]) };
    },
  }),
  tenantRoute({
    operationId: 'getMedia',
    method: 'get',
    path: '/media/{mediaId}',
    tag,
    summary: 'Read a medium, with an address to download it from',
    params,
    answer: { status: 200, description: 'The medium', schema: mediaWithDownloadSchema },
    problems: ['not-found'],
    handle: async ({ context, params: { mediaId } }) => {
      const medium = await findMedia(context.database, mediaId);
      if (!medium) throw notFound('medium');
      return { status: 200, body: { ...viewMedia(medium), download: await downloadOf(context, medium) } };
    },
  }),
];
