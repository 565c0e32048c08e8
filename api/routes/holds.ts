import { listHolds } from '../../db/holds.ts';
import { decodeCursor, pageOf, positionById } from '../cursor.ts';
import { noFields, type Route, tenantRoute } from '../route.ts';
import { id, pageSchema } from '../schemas/common.ts';
import { holdListQuery, holdSchema, newHoldSchema, placedHoldSchema } from '../schemas/holds.ts';
import { liftHold, placeHold } from '../services/manage-holds.ts';
import { viewHold } from '../views.ts';

const tag = 'Holds';

export const holdRoutes: readonly Route[] = [
  tenantRoute({
    operationId: 'placeHold',
    method: 'post',
    path: '/holds',
    tag,
    summary: 'Stop everything of the tenant, of a profile, or on a platform',
    description:
      'When it answers, nothing in its scope goes out any more but what it names as already being sent.',
    body: newHoldSchema,
    answer: { status: 201, description: 'The hold', schema: placedHoldSchema },
    idempotencyKey: 'required',
    problems: ['unknown-profile'],
    handle: async ({ context, body }) => {
      const { hold, alreadySending } = await placeHold(context, body);
      return { status: 201, body: { hold: viewHold(hold), alreadySending } };
    },
  }),
  tenantRoute({
    operationId: 'listHolds',
    method: 'get',
    path: '/holds',
    tag,
    summary: 'List holds',
    query: holdListQuery,
    answer: {
      status: 200,
      description: 'A page of holds',
      schema: pageSchema(holdSchema).openapi('HoldPage'),
    },
    handle: async ({ context, query: { limit, cursor, standing } }) => {
      const [afterId] = decodeCursor(cursor, positionById) ?? [];
      const rows = await listHolds(context.database, {
        afterId,
        limit: limit + 1,
        standing: standing === 'true',
      });
      return { status: 200, body: pageOf(rows, limit, viewHold, (row) => [row.id]) };
    },
  }),
  tenantRoute({
    operationId: 'liftHold',
    method: 'post',
    path: '/holds/{holdId}/lift',
    tag,
    summary: 'Lift a hold',
    description: 'What is late by then follows the lateness rule of its policy.',
    params: noFields.extend({ holdId: id() }),
    body: noFields,
    answer: { status: 200, description: 'The hold', schema: holdSchema },
    idempotencyKey: 'required',
    problems: ['not-found'],
    handle: async ({ context, params: { holdId } }) => ({
      status: 200,
      body: viewHold(await liftHold(context, holdId)),
    }),
  }),
];
