import { platformRules } from '../../domain/platforms/index.ts';
import type { PlatformRules } from '../../domain/platforms/rules.ts';
import { accountKinds, platforms } from '../../domain/post.ts';
import { z } from '../zod.ts';
import { id, instant, name } from './common.ts';
import { profileSchema } from './profiles.ts';

/** An address that browsers are sent to: https, or http on this very machine. Compared byte by byte wherever it counts. */
const browserUrl = () =>
  z
    .url()
    .max(2_000)
    .refine(isBrowserUrl, {
      message: 'Must be an https address without a fragment or credentials (http for localhost alone)',
      params: { code: 'invalid-url' },
    });

function isBrowserUrl(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, hostname, hash, username, password } = new URL(text);
  const isLocal = ['localhost', '127.0.0.1', '[::1]'].includes(hostname);
  const isSafe = protocol === 'https:' || (protocol === 'http:' && isLocal);
  return isSafe && hash === '' && !text.includes('#') && username === '' && password === '';
}

const secret = (description: string) =>
  z.string().min(1).max(4_096).openapi({ writeOnly: true, description });
const scopes = () =>
  z
    .array(z.string().regex(/^[\x21-\x7e]{1,200}$/, 'A scope has 1 to 200 visible ASCII characters'))
    .min(1)
    .max(50);

const appFields = {
  name: name(),
  clientId: z.string().trim().min(1).max(500),
  scopes: scopes()
    .nullable()
    .default(null)
    .openapi({ description: 'What is asked for; null asks for what publishing takes' }),
  redirectUri: browserUrl().optional().openapi({
    description: 'Where the platform sends people; left out, the callback of the app. No two apps share one',
  }),
  returnUrls: z.array(browserUrl()).max(20).default([]).openapi({
    description: 'Where the callback may send people on to, compared byte by byte',
  }),
};

export const newPlatformAppSchema = z
  .strictObject({
    platform: z.enum(platforms),
    login: z.string().max(20).nullable().default(null).openapi({
      description: "Another way to connect than the usual one: one of the platform's `logins`",
    }),
    ...appFields,
    clientSecret: secret('Stored encrypted; never given out again'),
  })
  .superRefine(({ platform, login }, context) => {
    const { logins = [] }: PlatformRules = platformRules[platform];
    if (login === null || logins.includes(login)) return;
    const known = logins.join(', ') || 'none';
    context.addIssue({
      code: 'custom',
      path: ['login'],
      message: `Must be one of ${platform}'s logins: ${known}`,
    });
  })
  .openapi('NewPlatformApp');

export const platformAppChangeSchema = z
  .strictObject({
    ...appFields,
    clientSecret: secret('Left out, the secret stays').optional(),
  })
  .openapi('PlatformAppChange');

export const platformAppSchema = z
  .object({
    id: id(),
    platform: z.enum(platforms),
    login: z.string().nullable().openapi({ description: 'Null: the usual way to connect' }),
    name: z.string(),
    clientId: z.string(),
    scopes: z.array(z.string()).nullable(),
    redirectUri: z.string().openapi({ description: 'To be registered with the platform, byte by byte' }),
    returnUrls: z.array(z.string()),
    createdAt: instant(),
    updatedAt: instant(),
  })
  .openapi('PlatformApp');

export const startConnectionSchema = z
  .strictObject({
    platformAppId: id(),
    returnUrl: z
      .string()
      .max(2_000)
      .optional()
      .openapi({ description: "One of the app's; its first is the default" }),
  })
  .openapi('StartConnection');

export const startedConnectionSchema = z
  .object({
    id: id(),
    authorizeUrl: z.string().openapi({ description: "Where the person's browser is to be sent" }),
    expiresAt: instant(),
  })
  .openapi('StartedConnection');

const externalIds = () => z.array(z.string().trim().min(1).max(255)).min(1).max(100);
/** What we make is 43 characters; what platforms send may be long. */
const oneTimeCode = () => z.string().min(1).max(4_096).openapi({ writeOnly: true });

export const completeConnectionSchema = z
  .strictObject({
    code: oneTimeCode().openapi({ description: 'From the return URL' }),
    accounts: externalIds().openapi({ description: 'The accounts to connect, by their ids at the platform' }),
  })
  .openapi('CompleteConnection');

export const connectWithCodeSchema = z
  .strictObject({
    code: oneTimeCode().openapi({ description: "The platform's code" }),
    state: z.string().min(1).max(500),
    redirectUri: z.string().min(1).max(2_000).openapi({ description: 'Where the code arrived' }),
    iss: z
      .string()
      .min(1)
      .max(500)
      .optional()
      .openapi({ description: 'As it arrived beside the code, if it did' }),
    accounts: externalIds().optional().openapi({
      description: 'Left out, the only account that can be connected is; of several, one has to choose',
    }),
  })
  .openapi('ConnectWithCode');

export const foundAccountSchema = z
  .object({
    externalId: z.string(),
    kind: z.enum(accountKinds),
    name: z.string(),
    obstacle: z
      .string()
      .nullable()
      .openapi({ description: 'Why it cannot be published to; null where it can' }),
    profileId: id().nullable().openapi({ description: 'The profile it reconnects' }),
  })
  .openapi('FoundAccount');

export const connectionSchema = z
  .object({
    id: id(),
    platform: z.enum(platforms),
    state: z.enum(['pending', 'completed', 'revoked']),
    accounts: z.array(foundAccountSchema),
    expiresAt: instant(),
  })
  .openapi('Connection');

export const connectedSchema = z
  .object({ connectionId: id(), profiles: z.array(profileSchema) })
  .openapi('Connected');

export const connectedWithCodeSchema = z
  .object({
    connection: connectionSchema,
    completionCode: z
      .string()
      .nullable()
      .openapi({ description: 'Completes it with the accounts that are chosen; null once it is' }),
    profiles: z.array(profileSchema),
  })
  .openapi('ConnectedWithCode');

export const tokenEventSchema = z
  .object({
    at: instant(),
    kind: z.enum(['connect', 'refresh', 'use', 'health', 'disconnect', 'revoke']),
    outcome: z.string(),
    message: z.string().nullable(),
  })
  .openapi('TokenEvent');
