import { createHash, randomUUID } from 'node:crypto';
import { log } from '@temporalio/activity';
import type { Connector, PlatformApp } from '../adapters/platforms/connector.ts';
import { RegistryError } from '../adapters/platforms/registry.ts';
import type { EnvelopeContext } from '../adapters/secrets/envelope.ts';
import { type AppForCall, type GrantRow, setHealth } from '../db/grants.ts';
import { insertPokeRequest } from '../db/outbox.ts';
import type { TenantTransaction } from '../db/tenant-database.ts';
import { insertTokenEvent } from '../db/token-events.ts';
import type { ProfileHealth } from '../domain/tokens.ts';
import type { ActivityDependencies } from './dependencies.ts';

/** What the activities on tokens share: opening and sealing, and telling of health. */

export const grantCell = (
  tenantId: string,
  rowId: string,
  column: 'access_token' | 'refresh_token',
): EnvelopeContext => ({ tenantId, table: 'grants', column, rowId });

export interface OpenedTokens {
  readonly accessToken: string;
  readonly refreshToken: string | null;
}

export const openTokens = (
  { envelopes }: Pick<ActivityDependencies, 'envelopes'>,
  tenantId: string,
  grant: GrantRow,
): OpenedTokens => {
  const open = (column: 'access_token' | 'refresh_token') =>
    grant[column] && envelopes.open(grant[column], grantCell(tenantId, grant.id, column));
  return { accessToken: open('access_token') ?? '', refreshToken: open('refresh_token') || null };
};

export const openApp = (
  { envelopes }: Pick<ActivityDependencies, 'envelopes'>,
  tenantId: string,
  app: AppForCall,
): PlatformApp => ({
  clientId: app.client_id,
  clientSecret: envelopes.open(app.client_secret, {
    ...{ tenantId, table: 'platform_apps', column: 'client_secret', rowId: app.id },
  }),
});

/**
 * The connector of a grant; `null` where a team brought the token, or where the platform has none. A mode without platforms
 * is a matter of configuration, and says nothing of the grant: that is thrown.
 */
export function connectorOf(
  { registry }: Pick<ActivityDependencies, 'registry'>,
  { grant, app, mode }: { grant: GrantRow; app: AppForCall | null; mode: 'live' | 'sandbox' },
): Connector | null {
  if (app === null) return null;
  try {
    return registry.connectorFor({ platform: grant.platform, mode, login: app.login });
  } catch (error) {
    if (error instanceof RegistryError && error.code === 'no-connector') return null;
    throw error;
  }
}

/** Of the token that a refresh spends: enough to know it again, nothing to use. */
export const fingerprintOf = ({ refreshToken, accessToken }: OpenedTokens): string =>
  createHash('sha256')
    .update(refreshToken ?? accessToken)
    .digest('hex')
    .slice(0, 16);

export interface HealthChange {
  readonly grantId: string;
  /** Left out, all profiles of the grant. */
  readonly profileId?: string;
  readonly health: ProfileHealth;
  readonly message: string | null;
}

/**
 * Writes the health of profiles where it is another, with an event for each; answers the request to poke the open posts,
 * where what they wait for has changed.
 */
export async function noteHealth(
  transaction: TenantTransaction,
  { message, ...change }: HealthChange,
): Promise<string | null> {
  const changed = await setHealth(transaction, change);
  const { grantId, health } = change;
  for (const { profileId } of changed)
    await insertTokenEvent(transaction, { grantId, kind: 'health', outcome: health, message, profileId });
  if (changed.length === 0 || health !== 'needs-reconnect') return null;
  const requestId = randomUUID();
  await insertPokeRequest(transaction, requestId);
  return requestId;
}

/** Has the open posts told, by a request committed before; what fails here the relay makes up for. */
export async function tellPosts(
  { runs }: Pick<ActivityDependencies, 'runs'>,
  tenantId: string,
  requestId: string | null,
): Promise<void> {
  if (requestId === null) return;
  try {
    await runs?.startPoke({ tenantId, requestId });
  } catch (error) {
    log.warn('The open posts could not be told of a health; the relay will', { error: String(error) });
  }
}
