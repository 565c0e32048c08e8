import { isTimeZone } from '../../domain/time-zone.ts';
import { problemCodes } from '../problems.ts';
import { z } from '../zod.ts';

/** A UUID, in lower case. */
export const id = () => z.guid().toLowerCase();

/** An instant with its offset, e.g. `2026-12-01T09:00:00+01:00`. */
export const instant = () =>
  z.iso.datetime({
    offset: true,
    message: 'Must be an instant with an offset, e.g. 2026-12-01T09:00:00+01:00',
  });

export const name = () => z.string().trim().min(1).max(200);

export const timeZone = () =>
  z
    .string()
    .max(64)
    .refine(isTimeZone, {
      message: 'Must be an IANA time zone, e.g. Europe/Berlin',
      params: { code: 'unknown-time-zone' },
    })
    .openapi({ example: 'Europe/Berlin' });

/** How many items a page holds, and where it begins. */
export const pageQuery = {
  limit: z.coerce.number().int().min(1).max(100).default(50).openapi({ description: 'Items per page' }),
  cursor: z
    .string()
    .min(1)
    .max(500)
    .optional()
    .openapi({ description: 'The `nextCursor` of the page before' }),
};

export const pageSchema = <Item extends z.ZodType>(item: Item) =>
  z.object({
    items: z.array(item),
    nextCursor: z.string().nullable().openapi({ description: 'Null on the last page' }),
  });

export const problemErrorSchema = z.object({
  path: z.string().openapi({ description: 'A JSON pointer into the body, or the name of a parameter' }),
  code: z.string(),
  message: z.string(),
  limit: z.union([z.number(), z.string()]).optional(),
  actual: z.union([z.number(), z.string()]).optional(),
});

export const problemSchema = z
  .object({
    type: z.string().openapi({ example: 'urn:gatepost:problem:stale-hash' }),
    title: z.string(),
    status: z.int(),
    detail: z.string(),
    code: z.enum(problemCodes),
    requestId: z.string(),
    errors: z.array(problemErrorSchema).optional(),
  })
  .openapi('Problem');
