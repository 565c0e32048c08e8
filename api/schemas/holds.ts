import { platforms } from '../../domain/post.ts';
import { holdScopes } from '../../domain/post-state.ts';
import { z } from '../zod.ts';
import { id, instant, pageQuery } from './common.ts';

const scope = z.enum(holdScopes);
const platform = z.enum(platforms);

export const newHoldSchema = z
  .strictObject({
    scope: scope.openapi({ description: 'The whole tenant, one profile, or one platform' }),
    profileId: id().optional().openapi({ description: 'With the scope `profile`' }),
    platform: platform.optional().openapi({ description: 'With the scope `platform`' }),
    reason: z
      .string()
      .trim()
      .min(1)
      .max(500)
      .openapi({ description: 'What people read on the posts it stops' }),
  })
  .refine((hold) => (hold.scope === 'profile') === (hold.profileId !== undefined), {
    path: ['profileId'],
    message: 'A hold on a profile names it, and no other does',
    params: { code: 'hold-subject' },
  })
  .refine((hold) => (hold.scope === 'platform') === (hold.platform !== undefined), {
    path: ['platform'],
    message: 'A hold on a platform names it, and no other does',
    params: { code: 'hold-subject' },
  })
  .openapi('NewHold');
export type NewHoldInput = z.infer<typeof newHoldSchema>;

export const holdSchema = z
  .object({
    id: id(),
    scope,
    profileId: id().nullable(),
    platform: platform.nullable(),
    reason: z.string(),
    placedBy: id(),
    placedByName: z.string(),
    placedAt: instant(),
    liftedBy: id().nullable(),
    liftedByName: z.string().nullable(),
    liftedAt: instant().nullable().openapi({ description: 'Null while it stands' }),
  })
  .openapi('Hold');

export const placedHoldSchema = z
  .object({
    hold: holdSchema,
    alreadySending: z.array(z.object({ postId: id(), targetId: id() })).openapi({
      description: 'What had left before the hold and cannot be taken back; at most 200 are named',
    }),
  })
  .openapi('PlacedHold');

export const holdListQuery = z.strictObject({
  ...pageQuery,
  standing: z
    .enum(['true', 'false'])
    .default('true')
    .openapi({ description: '`false` lists those that were lifted, too' }),
});
