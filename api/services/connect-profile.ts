import {
  insertGrant,
  insertOrReconnectProfile,
  lockProfileOfAccount,
  type ProfileRow,
} from '../../db/profiles.ts';
import { inTransaction, type TenantTransaction } from '../../db/tenant-database.ts';
import { accountIdRule, isKindOf } from '../../domain/platform-rules.ts';
import type { AccountKind, Platform } from '../../domain/post.ts';
import { Problem } from '../problems.ts';
import type { RequestContext } from '../route.ts';

export interface ProfileInput {
  readonly platform: Platform;
  readonly accountKind: AccountKind;
  readonly externalId: string;
  readonly name: string;
  readonly accessToken: string;
  readonly expiresAt: string | null;
}

/**
 * Brings an account and its token. An account that is there already keeps its profile and grant and gets the new
 * token. May run twice. The token is sealed for its row before it leaves this function.
 */
export async function connectProfile(context: RequestContext, input: ProfileInput): Promise<ProfileRow> {
  requireAccount(input);
  const { newId } = context;
  return inTransaction(context.database, async (transaction) => {
    const known = await lockProfileOfAccount(transaction, input.platform, input.externalId);
    requireVisible(context, known);
    if (known && known.account_kind !== input.accountKind)
      throw invalid('/accountKind', 'account-kind-fixed', `The account is known as ${known.account_kind}`);
    const grantId = known?.grant_id ?? newId('grant');
    await storeToken(context, transaction, grantId, input);
    const profile = await insertOrReconnectProfile(transaction, {
      id: newId('profile'),
      grant_id: grantId,
      platform: input.platform,
      account_kind: input.accountKind,
      external_id: input.externalId,
      name: input.name,
    });
    // Somebody else connected the same account a moment ago: the token belongs to that profile's grant.
    if (profile.grant_id !== grantId) await storeToken(context, transaction, profile.grant_id, input);
    return profile;
  });
}

const storeToken = (
  context: RequestContext,
  transaction: TenantTransaction,
  grantId: string,
  { platform, accessToken, expiresAt }: ProfileInput,
): Promise<void> =>
  insertGrant(transaction, {
    id: grantId,
    platform,
    access_token: sealToken(context, grantId, accessToken),
    expires_at: expiresAt === null ? null : new Date(expiresAt),
  });

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
