import {
  type ConnectionRow,
  type FoundAccount,
  findConnection,
  findConnectionByCode,
  setConnectionCompleted,
} from '../../db/connections.ts';
import { insertConnectedGrant, listProfilesOfGrant, setGrantDead } from '../../db/grants.ts';
import { findTenantOfState, useOauthState } from '../../db/oauth-states.ts';
import { insertPokeRequest } from '../../db/outbox.ts';
import {
  insertOrReconnectProfile,
  listProfilesOfAccounts,
  lockProfileOfAccount,
  type ProfileRow,
} from '../../db/profiles.ts';
import { inTransaction, type TenantTransaction } from '../../db/tenant-database.ts';
import { insertTokenEvent } from '../../db/token-events.ts';
import { refreshDueAt } from '../../domain/tokens.ts';
import { Problem } from '../problems.ts';
import type { RequestContext } from '../route.ts';
import { tellOpenPosts } from './conditions.ts';
import {
  connectionCell,
  exchange,
  invalidState,
  type KeptTokens,
  type ReceivedAuthorization,
} from './receive-authorization.ts';
import { revokeConnection } from './revoke-tokens.ts';
import { hashOfSecret, refused } from './start-connection.ts';

export interface Completed {
  readonly connection: ConnectionRow;
  readonly profiles: readonly ProfileRow[];
}

/**
 * Activates a pending connection with the accounts that were chosen: only for the person who started it. Anybody else who
 * comes with its code ends it. May run twice under one key. Throws `not-found`, `connection-not-yours`,
 * `connection-closed`, `connection-expired`, `unknown-account`, `account-unusable`.
 */
export async function completeConnection(
  context: RequestContext,
  { code, accounts }: { code: string; accounts: readonly string[] },
): Promise<Completed> {
  const connection = await findConnectionByCode(context.database, hashOfSecret(code));
  if (!connection) throw new Problem('not-found', 'There is no such connection');
  if (connection.subject !== context.caller.subject) {
    await revokeConnection(context, connection);
    throw new Problem('connection-not-yours', 'Somebody else started this connection; it has been ended');
  }
  return activate(context, connection, accounts);
}

/** As above, for a frontend to which the platform sends the code: exchanges it, and completes where the choice is clear. */
export async function connectWithCode(
  context: RequestContext,
  input: {
    readonly code: string;
    readonly state: string;
    readonly redirectUri: string;
    readonly iss?: string | undefined;
    readonly accounts?: readonly string[] | undefined;
  },
): Promise<Completed & { readonly completionCode: string | null }> {
  const { connection, code } = await receiveCode(context, input);
  const usable = connection.accounts.filter(({ obstacle }) => obstacle === null);
  const accounts = input.accounts ?? (usable.length === 1 ? [usable[0]!.externalId] : null);
  if (accounts === null) return { connection, profiles: [], completionCode: code };
  return { ...(await activate(context, connection, accounts)), completionCode: null };
}

async function receiveCode(
  { dependencies, database, caller, now }: RequestContext,
  {
    code,
    state: secret,
    redirectUri,
    iss,
  }: { code: string; state: string; redirectUri: string; iss?: string | undefined },
): Promise<ReceivedAuthorization> {
  const stateHash = hashOfSecret(secret);
  const known = await findTenantOfState(dependencies.pool, stateHash);
  // Another tenant's is not used up by us: to it we do not exist.
  if (known?.tenantId !== caller.tenantId) throw invalidState();
  const state = await useOauthState(database, stateHash);
  const isMeant =
    state?.subject === caller.subject && state.redirect_uri === redirectUri && state.expires_at > now;
  if (!state || !isMeant) throw invalidState();
  return exchange({ dependencies, database, tenantId: caller.tenantId, now }, state, { code, iss });
}

async function activate(
  context: RequestContext,
  connection: ConnectionRow,
  wanted: readonly string[],
): Promise<Completed> {
  const { database, now, newId } = context;
  const grantId = newId('grant');
  if (connection.state === 'completed' && connection.grant_id === grantId)
    return { connection, profiles: await listProfilesOfAccounts(database, connection.platform, wanted) };
  if (connection.state !== 'pending')
    throw new Problem('connection-closed', `The connection is ${connection.state} already`);
  if (connection.expires_at <= now) {
    await revokeConnection(context, connection);
    throw new Problem('connection-expired', 'The connection was to be completed within ten minutes');
  }
  const chosen = chooseAccounts(connection, wanted);
  const requestId = newId('poke');
  const profiles = await inTransaction(database, async (transaction) => {
    if (!(await setConnectionCompleted(transaction, connection.id, grantId)))
      throw new Problem('connection-closed', 'The connection has been completed or ended meanwhile');
    const pageTokens = await storeGrant(context, transaction, connection, grantId);
    const rows: ProfileRow[] = [];
    // In one order for everybody, so that two who connect the same accounts wait for each other and no more.
    for (const account of chosen.toSorted((left, right) => (left.externalId < right.externalId ? -1 : 1)))
      rows.push(await connectAccount(context, transaction, connection, { account, grantId, pageTokens }));
    await insertPokeRequest(transaction, requestId);
    return rows;
  });
  await tellOpenPosts(context, requestId);
  return { connection: (await findConnection(database, connection.id))!, profiles };
}

function chooseAccounts(connection: ConnectionRow, wanted: readonly string[]): FoundAccount[] {
  return [...new Set(wanted)].map((externalId, index) => {
    const account = connection.accounts.find((found) => found.externalId === externalId);
    if (!account)
      throw refused('unknown-account', `/accounts/${index}`, 'The authorisation has no such account');
    if (account.obstacle !== null) throw refused('account-unusable', `/accounts/${index}`, account.obstacle);
    return account;
  });
}

/** Moves the tokens from the connection's row to a grant's; answers those of single pages. */
async function storeGrant(
  { dependencies, caller }: RequestContext,
  transaction: TenantTransaction,
  connection: ConnectionRow,
  grantId: string,
): Promise<Readonly<Record<string, string>>> {
  const { envelopes } = dependencies;
  const { tenantId } = caller;
  const open = (column: 'tokens' | 'page_tokens'): unknown =>
    JSON.parse(envelopes.open(connection[column]!, connectionCell(tenantId, connection.id, column)));
  const seal = (column: string, token: string) =>
    envelopes.seal(token, { tenantId, table: 'grants', column, rowId: grantId });
  const tokens = open('tokens') as KeptTokens;
  const [obtainedAt, expiresAt] = [new Date(tokens.obtainedAt), dateOf(tokens.expiresAt)];
  await insertConnectedGrant(transaction, {
    ...{ id: grantId, platform: connection.platform, appId: connection.app_id, obtainedAt, expiresAt },
    accessToken: seal('access_token', tokens.accessToken),
    refreshToken: tokens.refreshToken ? seal('refresh_token', tokens.refreshToken) : null,
    refreshExpiresAt: dateOf(tokens.refreshExpiresAt),
    scopes: tokens.scopes,
    refreshDueAt: refreshDueAt(obtainedAt, expiresAt),
  });
  return connection.page_tokens === null ? {} : (open('page_tokens') as Record<string, string>);
}

const dateOf = (text: string | null): Date | null => (text === null ? null : new Date(text));

/** A known account keeps its profile; the grant it came from ends with its last profile. */
async function connectAccount(
  context: RequestContext,
  transaction: TenantTransaction,
  { platform }: ConnectionRow,
  {
    account,
    grantId,
    pageTokens,
  }: { account: FoundAccount; grantId: string; pageTokens: Readonly<Record<string, string>> },
): Promise<ProfileRow> {
  const { dependencies, caller, newId } = context;
  const { externalId, kind, name } = account;
  const known = await lockProfileOfAccount(transaction, platform, externalId);
  if (caller.profileIds !== null && !(known && caller.profileIds.includes(known.id)))
    throw new Problem('forbidden', 'You are limited to profiles, and this is none of them');
  if (known && known.account_kind !== kind)
    throw refused('account-unusable', '/accounts', `The account is known as ${known.account_kind}`);
  const id = known?.id ?? newId(`profile ${externalId}`);
  const pageToken = pageTokens[externalId];
  const profile = await insertOrReconnectProfile(transaction, {
    ...{ id, grant_id: grantId, platform, account_kind: kind, external_id: externalId, name },
    access_token:
      pageToken === undefined
        ? null
        : dependencies.envelopes.seal(pageToken, {
            ...{ tenantId: caller.tenantId, table: 'profiles', column: 'access_token', rowId: id },
          }),
  });
  const outcome = known ? 'reconnected' : 'connected';
  await insertTokenEvent(transaction, { grantId, kind: 'connect', outcome, profileId: profile.id });
  if (known && known.grant_id !== grantId) await endIfUnused(transaction, known.grant_id);
  return profile;
}

/**
 * A grant that no profile uses any more is erased. It is not given back to the platform: for most that would end
 * everything the person has allowed the app, and with it the grant that has just taken its place.
 */
export async function endIfUnused(transaction: TenantTransaction, grantId: string): Promise<void> {
  if ((await listProfilesOfGrant(transaction, grantId)).length > 0) return;
  await setGrantDead(transaction, grantId);
  await insertTokenEvent(transaction, { grantId, kind: 'connect', outcome: 'superseded' });
}
