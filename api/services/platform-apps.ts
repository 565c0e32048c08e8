import {
  deletePlatformApp,
  findPlatformApp,
  hasGrants,
  insertPlatformApp,
  type PlatformAppRow,
  setPlatformApp,
} from '../../db/platform-apps.ts';
import { inTransaction } from '../../db/tenant-database.ts';
import type { Platform } from '../../domain/post.ts';
import { changedMeanwhile, requireMatch } from '../etag.ts';
import { notFound, Problem } from '../problems.ts';
import type { RequestContext } from '../route.ts';

export interface PlatformAppInput {
  readonly name: string;
  readonly clientId: string;
  readonly scopes: readonly string[] | null;
  readonly redirectUri?: string | undefined;
  readonly returnUrls: readonly string[];
}

/** Where a platform sends people back to: each app has an address of its own. */
export const callbackOf = ({ dependencies }: RequestContext, appId: string): string =>
  `${dependencies.settings.publicUrl}/api/v1/oauth/callback/${appId}`;

/** Keeps a tenant's own application at a platform. May run twice. */
export async function createPlatformApp(
  context: RequestContext,
  input: PlatformAppInput & {
    readonly platform: Platform;
    readonly login: string | null;
    readonly clientSecret: string;
  },
): Promise<PlatformAppRow> {
  const id = context.newId('platform-app');
  await refusingTaken(() =>
    insertPlatformApp(context.database, {
      ...{ id, platform: input.platform, login: input.login },
      ...{ client_secret: sealSecret(context, id, input.clientSecret) },
      ...columnsOf(context, id, input),
    }),
  );
  return requirePlatformApp(context, id);
}

/** Changes an app, unless somebody else has since it was read. Without a new secret the old one stays. */
export async function changePlatformApp(
  context: RequestContext,
  id: string,
  ifMatch: number | null,
  { clientSecret, ...input }: PlatformAppInput & { readonly clientSecret?: string | undefined },
): Promise<PlatformAppRow> {
  const { row_version: version } = await requirePlatformApp(context, id);
  requireMatch(ifMatch, version);
  const changed = await refusingTaken(() =>
    setPlatformApp(context.database, id, version, {
      ...columnsOf(context, id, input),
      ...(clientSecret !== undefined && { client_secret: sealSecret(context, id, clientSecret) }),
    }),
  );
  if (!changed) throw changedMeanwhile();
  return changed;
}

/** Deletes an app through which nothing was ever connected. */
export async function removePlatformApp(
  context: RequestContext,
  id: string,
  ifMatch: number | null,
): Promise<void> {
  const { row_version: version } = await requirePlatformApp(context, id);
  requireMatch(ifMatch, version);
  const inUse = () => new Problem('platform-app-in-use', 'Accounts are or were connected through this app');
  try {
    await inTransaction(context.database, async (transaction) => {
      if (await hasGrants(transaction, id)) throw inUse();
      await deletePlatformApp(transaction, id);
    });
  } catch (error) {
    throw sqlStateOf(error) === '23503' ? inUse() : error;
  }
}

export async function requirePlatformApp({ database }: RequestContext, id: string): Promise<PlatformAppRow> {
  const app = await findPlatformApp(database, id);
  if (!app) throw notFound('platform app');
  return app;
}

const columnsOf = (context: RequestContext, id: string, input: PlatformAppInput) => ({
  name: input.name,
  client_id: input.clientId,
  scopes: input.scopes === null ? null : [...input.scopes],
  redirect_uri: input.redirectUri ?? callbackOf(context, id),
  return_urls: [...input.returnUrls],
});

const sealSecret = ({ dependencies, caller }: RequestContext, id: string, secret: string): Buffer =>
  dependencies.envelopes.seal(secret, {
    ...{ tenantId: caller.tenantId, table: 'platform_apps', column: 'client_secret', rowId: id },
  });

async function refusingTaken<T>(write: () => Promise<T>): Promise<T> {
  try {
    return await write();
  } catch (error) {
    if (sqlStateOf(error) !== '23505') throw error;
    throw new Problem('redirect-uri-taken', 'Another app of the tenant has this redirect URI');
  }
}

const sqlStateOf = (error: unknown): unknown => (error as { code?: unknown } | null)?.code;
