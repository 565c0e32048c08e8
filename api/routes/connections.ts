import { findConnection } from '../../db/connections.ts';
import { findProfile, mapProfilesOfAccounts } from '../../db/profiles.ts';
import { listTokenEvents } from '../../db/token-events.ts';
import { notFound } from '../problems.ts';
import { noFields, openRoute, type Route, tenantRoute } from '../route.ts';
import { id } from '../schemas/common.ts';
import {
  completeConnectionSchema,
  connectedSchema,
  connectedWithCodeSchema,
  connectionSchema,
  connectWithCodeSchema,
  startConnectionSchema,
  startedConnectionSchema,
  tokenEventSchema,
} from '../schemas/connections.ts';
import { profileSchema } from '../schemas/profiles.ts';
import { completeConnection, connectWithCode } from '../services/complete-connection.ts';
import { receiveAuthorization } from '../services/receive-authorization.ts';
import { disconnectProfile } from '../services/revoke-tokens.ts';
import { startConnection } from '../services/start-connection.ts';
import { viewConnection, viewProfile, viewTokenEvent } from '../views.ts';
import { z } from '../zod.ts';

const tag = 'Connections';
const shownEvents = 100;

export const connectionRoutes: readonly Route[] = [
  tenantRoute({
    operationId: 'startConnection',
    method: 'post',
    path: '/connections',
    tag,
    summary: 'Begin to connect accounts',
    description:
      'Send the browser to `authorizeUrl`. It comes back to the return URL with a `code`, or with an `error`: `cancelled`, `denied`, `expired`, `used`, `failed` or `no-accounts`.',
    body: startConnectionSchema,
    answer: { status: 201, description: 'Where to go, until when', schema: startedConnectionSchema },
    idempotencyKey: 'required',
    problems: ['unknown-platform-app', 'unknown-return-url', 'connecting-unsupported'],
    handle: async ({ context, body }) => {
      const { expiresAt, ...started } = await startConnection(context, body);
      return { status: 201, body: { ...started, expiresAt: expiresAt.toISOString() } };
    },
  }),
  openRoute({
    operationId: 'receiveAuthorization',
    method: 'get',
    path: '/oauth/callback/{platformAppId}',
    tag,
    summary: 'Where platforms send people back to',
    description:
      'Sends the browser on to the return URL. Connects nothing: somebody completes the connection.',
    params: z.strictObject({ platformAppId: id() }),
    query: z.looseObject({
      state: z.string().min(1).max(500),
      code: z.string().min(1).max(4_096).optional(),
      error: z.string().max(200).optional(),
      iss: z.string().max(500).optional().openapi({ description: 'Who the platform says it is (RFC 9207)' }),
    }),
    answer: {
      status: 302,
      description: 'On to the return URL',
      headers: { Location: 'The return URL with `connection` and `code`, or `error`' },
    },
    problems: ['invalid-request', 'connection-state-invalid', 'unavailable'],
    handle: async ({ dependencies, now, log, params: { platformAppId }, query }) => {
      const location = await receiveAuthorization({ dependencies, now, log }, platformAppId, query);
      return { status: 302, body: undefined, headers: { Location: location } };
    },
  }),
  tenantRoute({
    operationId: 'getConnection',
    method: 'get',
    path: '/connections/{connectionId}',
    tag,
    summary: 'Read what a connection may publish for',
    description: 'For the person who started it alone.',
    params: z.strictObject({ connectionId: id() }),
    answer: { status: 200, description: 'The connection with its accounts', schema: connectionSchema },
    problems: ['not-found'],
    handle: async ({ context, params: { connectionId } }) => {
      const connection = await findConnection(context.database, connectionId);
      if (connection?.subject !== context.caller.subject) throw notFound('connection');
      const known = await mapProfilesOfAccounts(context.database, connection);
      return { status: 200, body: viewConnection(connection, known) };
    },
  }),
  tenantRoute({
    operationId: 'completeConnection',
    method: 'post',
    path: '/connections/complete',
    tag,
    summary: 'Connect the accounts that were chosen',
    description:
      'Only the person who started it can; anybody else ends it. Known accounts keep their profiles.',
    body: completeConnectionSchema,
    answer: { status: 200, description: 'The profiles', schema: connectedSchema },
    idempotencyKey: 'required',
    problems: [
      ...(['not-found', 'connection-not-yours', 'connection-closed', 'connection-expired'] as const),
      ...(['unknown-account', 'account-unusable'] as const),
    ],
    handle: async ({ context, body }) => {
      const { connection, profiles } = await completeConnection(context, body);
      return { status: 200, body: { connectionId: connection.id, profiles: profiles.map(viewProfile) } };
    },
  }),
  tenantRoute({
    operationId: 'connectWithCode',
    method: 'post',
    path: '/profiles/connect',
    tag,
    summary: 'Connect accounts with a code that a frontend received',
    description:
      'For apps whose redirect URI is the frontend. Where there is a choice and none was made, `completionCode` completes it.',
    body: connectWithCodeSchema,
    answer: { status: 200, description: 'What was connected', schema: connectedWithCodeSchema },
    idempotencyKey: 'required',
    problems: [
      ...(['connection-state-invalid', 'authorization-failed', 'connecting-unsupported'] as const),
      ...(['unknown-account', 'account-unusable'] as const),
    ],
    handle: async ({ context, body }) => {
      const { connection, profiles, completionCode } = await connectWithCode(context, body);
      const known = await mapProfilesOfAccounts(context.database, connection);
      const shown = { connection: viewConnection(connection, known), profiles: profiles.map(viewProfile) };
      return { status: 200, body: { ...shown, completionCode } };
    },
  }),
  tenantRoute({
    operationId: 'disconnectProfile',
    method: 'post',
    path: '/profiles/{profileId}/disconnect',
    tag,
    summary: 'Disconnect a profile',
    description:
      'Its history stays, and its posts wait. With the last profile of an authorisation, the tokens are given back.',
    params: noFields.extend({ profileId: id() }),
    body: noFields,
    answer: { status: 200, description: 'The profile', schema: profileSchema },
    idempotencyKey: 'required',
    problems: ['not-found'],
    handle: async ({ context, params: { profileId } }) => ({
      status: 200,
      body: viewProfile(await disconnectProfile(context, profileId)),
    }),
  }),
  tenantRoute({
    operationId: 'listTokenEvents',
    method: 'get',
    path: '/profiles/{profileId}/token-events',
    tag,
    summary: "What was tried with a profile's tokens, newest first",
    params: z.strictObject({ profileId: id() }),
    answer: {
      status: 200,
      description: `The latest ${shownEvents}`,
      schema: z.object({ items: z.array(tokenEventSchema) }).openapi('TokenEvents'),
    },
    problems: ['not-found'],
    handle: async ({ context, params: { profileId } }) => {
      const profile = await findProfile(context.database, profileId, context.caller.profileIds);
      if (!profile) throw notFound('profile');
      const rows = await listTokenEvents(context.database, profile.grant_id, shownEvents);
      return { status: 200, body: { items: rows.map(viewTokenEvent) } };
    },
  }),
];
