import { invalidRequest } from './read-request.ts';
import { z } from './zod.ts';

/** A page's end as an opaque text. */
export const encodeCursor = (position: readonly unknown[]): string =>
  Buffer.from(JSON.stringify(position)).toString('base64url');

/** The position a cursor stands for; a cursor that is none of ours is a bad request. */
export function decodeCursor<Position>(
  cursor: string | undefined,
  schema: z.ZodType<Position>,
): Position | undefined {
  if (cursor === undefined) return undefined;
  const result = schema.safeParse(parse(cursor));
  if (result.success) return result.data;
  const message = 'The cursor is not one that this list gave out';
  throw invalidRequest([{ path: 'cursor', code: 'invalid-cursor', message }]);
}

function parse(cursor: string): unknown {
  try {
    return JSON.parse(Buffer.from(cursor, 'base64url').toString('utf8'));
  } catch {
    return undefined;
  }
}

export interface Page<Item> {
  readonly items: Item[];
  readonly nextCursor: string | null;
}

/** Cuts a page out of rows of which one more than the page holds was read. */
export function pageOf<Row, Item>(
  rows: readonly Row[],
  limit: number,
  render: (row: Row) => Item,
  positionOf: (row: Row) => readonly unknown[],
): Page<Item> {
  const shown = rows.slice(0, limit);
  const last = shown.at(-1);
  const nextCursor = rows.length > limit && last !== undefined ? encodeCursor(positionOf(last)) : null;
  return { items: shown.map(render), nextCursor };
}

/** A page's position where the list is ordered by id alone. */
export const positionById = z.tuple([z.guid()]);
