import { findGrant, listProfilesOfGrant } from '../../db/grants.ts';
import { insertPokeRequest } from '../../db/outbox.ts';
import {
  insertGrant,
  insertOrReconnectProfile,
  lockProfileOfAccount,
  type ProfileRow,
} from '../../db/profiles.ts';
import { inTransaction, type TenantTransaction } from '../../db/tenant-database.ts';
import { accountIdRule, isKindOf } from '../../domain/platform-rules.ts';
import type { AccountKind, Platform } from '../../domain/post.ts';
import { nextLookAt } from '../../domain/tokens.ts';
import { Problem } from '../problems.ts';
import type { RequestContext } from '../route.ts';
import { endIfUnused } from './complete-connection.ts';
import { tellOpenPosts } from './conditions.ts';

export interface ProfileInput {
  readonly platform: Platform;
  readonly accountKind: AccountKind;
  readonly externalId: string;
  readonly name: string;
  readonly accessToken: string;
  readonly expiresAt: string | null;
}

/**
 * Brings an account and its token. An account that is there already keeps its profile and gets the new token, in a grant
 * of its own unless it has one already: a grant that was connected, or that others share, is not overwritten. May run twice. The token is sealed for its row before it leaves this function.
 */
export async function connectProfile(context: RequestContext, input: ProfileInput): Promise<ProfileRow> {
  requireAccount(input);
  const { newId } = context;
  const requestId = newId('poke');
  const profile = await inTransaction(context.database, async (transaction) => {
    const known = await lockProfileOfAccount(transaction, input.platform, input.externalId);
    requireVisible(context, known);
    if (known && known.account_kind !== input.accountKind)
      throw invalid('/accountKind', 'account-kind-fixed', `The account is known as ${known.account_kind}`);
    const own = known && (await findOwnGrant(transaction, known));
    const grantId = own ?? newId('grant');
    await storeToken(context, transaction, grantId, input);
    const row = await insertOrReconnectProfile(transaction, {
      id: newId('profile'),
      grant_id: grantId,
      platform: input.platform,
      account_kind: input.accountKind,
      external_id: input.externalId,
      name: input.name,
    });
    if (known && known.grant_id !== grantId) await endIfUnused(transaction, known.grant_id);
    const isBack =
      known !== undefined && (known.health === 'needs-reconnect' || known.disconnected_at !== null);
    if (isBack) await insertPokeRequest(transaction, requestId);
    return { row, isBack };
  });
  // What waited for the account goes on.
  if (profile.isBack) await tellOpenPosts(context, requestId);
  return profile.row;
}

/** The grant of a profile whose token was brought before, and nobody else's; else `undefined`. */
async function findOwnGrant(
  transaction: TenantTransaction,
  profile: ProfileRow,
): Promise<string | undefined> {
  const grant = await findGrant(transaction, profile.grant_id);
  const others = (await listProfilesOfGrant(transaction, profile.grant_id)).filter(
    ({ id }) => id !== profile.id,
  );
  return grant && grant.app_id === null && others.length === 0 ? grant.id : undefined;
}

const storeToken = (
  context: RequestContext,
  transaction: TenantTransaction,
  grantId: string,
  { platform, accessToken, expiresAt }: ProfileInput,
): Promise<void> => {
  const end = expiresAt === null ? null : new Date(expiresAt);
  return insertGrant(transaction, {
    ...{ id: grantId, platform, expires_at: end, refresh_due_at: nextLookAt(end, context.now) },
    access_token: sealToken(context, grantId, accessToken),
  });
};

function requireAccount({ platform, accountKind, externalId }: ProfileInput): void {
  if (!isKindOf(platform, accountKind))
    throw invalid(
      '/accountKind',
      'account-kind-unsupported',
      `${platform} has no accounts of kind ${accountKind}`,
    );
  const { pattern, example } = accountIdRule(platform, accountKind);
  if (!pattern.test(externalId))
    throw invalid('/externalId', 'external-id-invalid', `It must look like ${example}`);
}

/** Whoever is limited to profiles neither brings new ones nor touches others. */
function requireVisible({ caller }: RequestContext, known: ProfileRow | undefined): void {
  if (caller.profileIds === null || (known && caller.profileIds.includes(known.id))) return;
  throw new Problem('forbidden', 'You are limited to profiles, and this is none of them');
}

const sealToken = ({ dependencies, caller }: RequestContext, grantId: string, token: string): Buffer =>
  dependencies.envelopes.seal(token, {
    tenantId: caller.tenantId,
    table: 'grants',
    column: 'access_token',
    rowId: grantId,
  });

const invalid = (path: string, code: string, message: string): Problem =>
  new Problem('invalid-request', message, { errors: [{ path, code, message }] });
