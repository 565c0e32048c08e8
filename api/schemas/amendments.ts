import { amendmentStates, amendmentTargetStates } from '../../domain/amending.ts';
import { z } from '../zod.ts';
import { id, instant } from './common.ts';

const copy = () => z.string().trim().min(1).max(20_000);

export const amendInputSchema = z
  .strictObject({
    copy: copy().optional().openapi({ description: 'For every target below that has none of its own' }),
    targets: z
      .array(
        z.strictObject({
          targetId: id(),
          copy: copy().optional(),
          title: z.string().trim().min(1).max(1_000).optional().openapi({
            description: 'Where the platform has titles and lets them be changed: YouTube',
          }),
        }),
      )
      .max(20)
      .default([])
      .openapi({ description: 'Default: all that stand in public' }),
  })
  .refine(({ copy, targets }) => copy !== undefined || targets.length > 0, {
    message: 'Must say a new copy, for all or for single targets',
    params: { code: 'nothing-to-change' },
  })
  .refine(({ targets }) => new Set(targets.map(({ targetId }) => targetId)).size === targets.length, {
    path: ['targets'],
    message: 'Each target may be named once',
    params: { code: 'duplicate-target' },
  })
  .openapi('Amend');
export type AmendInput = z.infer<typeof amendInputSchema>;

export const amendmentDecisionInputSchema = z
  .strictObject({
    verdict: z.enum(['approve', 'reject']),
    hash: z
      .string()
      .regex(/^[0-9a-f]{64}$/, 'Must be a SHA-256 in lower-case hexadecimal')
      .openapi({ description: "The amendment's hash that the decider saw" }),
    notes: z.string().max(4_000).nullable().default(null).openapi({ description: 'Required to reject' }),
  })
  .openapi('NewAmendmentDecision');
export type AmendmentDecisionInput = z.infer<typeof amendmentDecisionInputSchema>;

export const amendmentSchema = z
  .object({
    id: id(),
    state: z.enum(amendmentStates).openapi({
      description:
        '`PROPOSED`: it waits at its content gate. `DONE`: each target says what became of it there',
    }),
    hash: z.string().openapi({ description: 'The content hash that a decision must name' }),
    revisionId: id(),
    targets: z.array(
      z.object({
        targetId: id(),
        copy: z.string(),
        title: z.string().nullable(),
        state: z.enum(amendmentTargetStates),
        amendedAt: instant().nullable(),
        error: z.object({ code: z.string(), message: z.string() }).nullable(),
      }),
    ),
    proposedBy: id(),
    proposedByName: z.string(),
    proposedAt: instant(),
    closedAt: instant().nullable(),
    decisions: z.array(
      z.object({
        verdict: z.enum(['approve', 'reject', 'policy']),
        memberId: z.string().nullable(),
        memberName: z.string().nullable(),
        notes: z.string().nullable(),
        decidedAt: instant(),
      }),
    ),
  })
  .openapi('Amendment');
