import { isInstantOf, parseLocal } from '../../domain/wall-clock.ts';
import { z } from '../zod.ts';
import { instant, timeZone } from './common.ts';

const local = () =>
  z
    .string()
    .max(32)
    .superRefine((text, context) => {
      const parsed = parseLocal(text);
      if (!parsed.ok)
        context.addIssue({ code: 'custom', message: parsed.message, params: { code: parsed.code } });
    })
    .openapi({
      description:
        'A wall clock in `dueTimeZone`. Where the clocks skip it the due time is as much later, where they show it twice it is the first; `dueAt` beside it chooses the second.',
      example: '2026-12-01T09:00',
    });

/** A due time: an instant, or a wall clock and its zone, or both where they agree. Null takes it away. */
export const dueFields = {
  dueAt: instant().nullable().optional(),
  dueLocal: local().optional(),
  dueTimeZone: timeZone().optional(),
};

export interface DueInput {
  readonly dueAt?: string | null;
  readonly dueLocal?: string;
  readonly dueTimeZone?: string;
}

export const saysDue = ({ dueAt, dueLocal }: DueInput): boolean =>
  dueAt !== undefined || dueLocal !== undefined;

/** Whether a due time is said whole and says one thing. */
export function checkDue(due: DueInput, context: z.RefinementCtx): void {
  const { dueAt, dueLocal, dueTimeZone } = due;
  const refuse = (code: string, message: string) =>
    context.addIssue({ code: 'custom', path: ['dueLocal'], message, params: { code } });
  if ((dueLocal === undefined) !== (dueTimeZone === undefined)) {
    refuse('incomplete-due-time', 'dueLocal and dueTimeZone come together');
    return;
  }
  if (dueLocal === undefined || dueTimeZone === undefined || dueAt === undefined) return;
  // What is wrong with the parts themselves has been said.
  if (!parseLocal(dueLocal).ok || context.issues.length > 0) return;
  const agrees = dueAt !== null && isInstantOf(Date.parse(dueAt), { local: dueLocal, zone: dueTimeZone });
  if (!agrees) refuse('due-times-disagree', `dueAt is not ${dueLocal} in ${dueTimeZone}`);
}
