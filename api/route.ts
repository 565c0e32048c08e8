import type pg from 'pg';
import type { Logger } from 'pino';
import type { TenantDatabase } from '../db/tenant-database.ts';
import type { WholePostRows } from '../db/whole-post.ts';
import type { Actor } from '../domain/post-state.ts';
import type { Caller, TenantCaller } from './auth.ts';
import type { OperationId } from './permissions.ts';
import type { ApiDependencies } from './ports.ts';
import type { ProblemCode } from './problems.ts';
import { z } from './zod.ts';

export type Method = 'get' | 'post' | 'put' | 'patch' | 'delete';

/** What a handler gives back; JSON unless there is none. */
export interface Answer {
  readonly status: number;
  readonly body: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

type Shape = z.ZodObject;

/** A route's declaration: what is routed, what is documented, and who is asked. */
interface Declaration<Params extends Shape, Query extends Shape, Body extends z.ZodType> {
  readonly operationId: OperationId;
  readonly method: Method;
  /** Under the version's prefix, with `{name}` for parameters. */
  readonly path: string;
  readonly tag: string;
  readonly summary: string;
  readonly description?: string;
  readonly params?: Params;
  readonly query?: Query;
  readonly body?: Body;
  readonly answer: {
    readonly status: number;
    readonly description: string;
    readonly schema?: z.ZodType;
    /** Header names with what they hold. */
    readonly headers?: Readonly<Record<string, string>>;
    /** Default `application/json`. */
    readonly contentType?: string;
  };
  /** The request must carry the ETag it was made from. */
  readonly ifMatch?: true;
  /** Shows the post that its parameter `postId` names: it is read together with who asks. */
  readonly readsPost?: true;
  /** Whether a POST must carry a key; `optional` where the command is idempotent by itself. */
  readonly idempotencyKey?: 'required' | 'optional';
  /** Problems beyond those every operation may answer. */
  readonly problems?: readonly ProblemCode[];
}

interface Input<Params extends Shape, Query extends Shape, Body extends z.ZodType> {
  readonly dependencies: ApiDependencies;
  readonly log: Logger;
  readonly now: Date;
  readonly requestId: string;
  readonly params: z.infer<Params>;
  readonly query: z.infer<Query>;
  readonly body: z.infer<Body>;
}

/** What every function below a route is given of its request. */
export interface RequestContext {
  readonly dependencies: ApiDependencies;
  readonly pool: pg.Pool;
  readonly database: TenantDatabase;
  readonly caller: TenantCaller;
  readonly actor: Actor;
  readonly log: Logger;
  readonly now: Date;
  /** The post that the request names, `null` where there is none; absent where it was not read with the caller. */
  readonly post?: WholePostRows | null;
  /** A UUID that is the same when the same request is sent again under its key. */
  readonly newId: (name: string) => string;
  /** Whether the caller sent a key, so that `newId` survives a repetition. */
  readonly hasKey: boolean;
}

export interface TenantInput<Params extends Shape, Query extends Shape, Body extends z.ZodType>
  extends Input<Params, Query, Body> {
  readonly context: RequestContext;
  /** The version in `If-Match`; `null` when it is none of ours and matches nothing. */
  readonly ifMatch: number | null;
}

export interface PlatformInput<Params extends Shape, Query extends Shape, Body extends z.ZodType>
  extends Input<Params, Query, Body> {
  readonly caller: Caller;
  readonly idempotencyKey: string | null;
  readonly rawBody: unknown;
}

export type Route = Declaration<Shape, Shape, z.ZodType> &
  (
    | { readonly scope: 'tenant'; handle(input: TenantInput<Shape, Shape, z.ZodType>): Promise<Answer> }
    | { readonly scope: 'platform'; handle(input: PlatformInput<Shape, Shape, z.ZodType>): Promise<Answer> }
    | { readonly scope: 'anybody'; handle(input: Input<Shape, Shape, z.ZodType>): Promise<Answer> }
  );

type Empty = z.ZodObject<Record<never, never>>;

/** A route within a tenant. Its handler runs once per key: the idempotency of the request is taken care of. */
export const tenantRoute = <
  Params extends Shape = Empty,
  Query extends Shape = Empty,
  Body extends z.ZodType = Empty,
>(
  route: Declaration<Params, Query, Body> & {
    handle(input: TenantInput<Params, Query, Body>): Promise<Answer>;
  },
): Route => ({ ...route, scope: 'tenant' }) as unknown as Route;

/** A route of super admins that names no tenant. */
export const platformRoute = <
  Params extends Shape = Empty,
  Query extends Shape = Empty,
  Body extends z.ZodType = Empty,
>(
  route: Declaration<Params, Query, Body> & {
    handle(input: PlatformInput<Params, Query, Body>): Promise<Answer>;
  },
): Route => ({ ...route, scope: 'platform' }) as unknown as Route;

/** A route without authentication. */
export const openRoute = <Params extends Shape = Empty, Query extends Shape = Empty>(
  route: Declaration<Params, Query, Empty> & { handle(input: Input<Params, Query, Empty>): Promise<Answer> },
): Route => ({ ...route, scope: 'anybody' }) as unknown as Route;

export const noFields = z.strictObject({});
