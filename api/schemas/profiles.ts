import { accountKinds, platforms } from '../../domain/post.ts';
import { profileHealths } from '../../domain/tokens.ts';
import { z } from '../zod.ts';
import { id, instant, name, pageSchema } from './common.ts';
import { policyLayerSchema } from './tenants.ts';

export const newProfileSchema = z
  .strictObject({
    platform: z.enum(platforms),
    accountKind: z.enum(accountKinds),
    externalId: z
      .string()
      .trim()
      .min(1)
      .max(255)
      .openapi({ description: "The account's id at the platform", example: 'urn:li:organization:2414183' }),
    name: name(),
    accessToken: z
      .string()
      .min(1)
      .max(4_096)
      .openapi({ writeOnly: true, description: 'Stored encrypted; never given out again' }),
    expiresAt: instant().nullable().default(null),
  })
  .openapi('NewProfile');

export const profileSchema = z
  .object({
    id: id(),
    platform: z.enum(platforms),
    accountKind: z.enum(accountKinds),
    externalId: z.string(),
    name: z.string(),
    health: z.enum(profileHealths).openapi({ description: '`needs-reconnect` stops the posts to it' }),
    disconnectedAt: instant().nullable(),
    policy: policyLayerSchema,
    createdAt: instant(),
    updatedAt: instant(),
  })
  .openapi('Profile');

export const choicePageSchema = pageSchema(
  z
    .object({
      value: z.string().openapi({ description: 'What the option holds' }),
      label: z.string().openapi({ description: 'What people at the platform call it' }),
    })
    .openapi('Choice'),
).openapi('ChoicePage');
