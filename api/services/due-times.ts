import type { DueTime } from '../../db/posts.ts';
import { resolveWallClock, type WallClockFit } from '../../domain/wall-clock.ts';
import type { DueInput } from '../schemas/due-times.ts';

export const noDueTime: DueTime = { dueAt: null, dueLocal: null, dueZone: null };

/** What a caller says of a due time; `undefined` when they say nothing. */
export function dueTimeOf({ dueAt, dueLocal, dueTimeZone }: DueInput): DueTime | undefined {
  if (dueAt === undefined && dueLocal === undefined) return undefined;
  if (dueLocal === undefined || dueTimeZone === undefined)
    return { ...noDueTime, dueAt: dueAt ? new Date(dueAt) : null };
  const instant = dueAt ? Date.parse(dueAt) : resolveWallClock({ local: dueLocal, zone: dueTimeZone }).atMs;
  return { dueAt: new Date(instant), dueLocal, dueZone: dueTimeZone };
}

/** Whether the clocks show a due time's wall clock once, never or twice; `null` for an instant without one. */
export const fitOf = (local: string | null, zone: string | null): WallClockFit | null =>
  local === null || zone === null ? null : resolveWallClock({ local, zone }).fit;
