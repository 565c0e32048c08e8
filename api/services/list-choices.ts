import type { ChoiceLister, ChoicePage } from '../../adapters/platforms/publisher.ts';
import { RegistryError } from '../../adapters/platforms/registry.ts';
import { findGrant } from '../../db/grants.ts';
import { findProfile, type ProfileRow } from '../../db/profiles.ts';
import { OutcomeError } from '../../domain/outcome.ts';
import { platformRules } from '../../domain/platforms/index.ts';
import { notFound, Problem } from '../problems.ts';
import type { RequestContext } from '../route.ts';
import { modeOf } from './start-connection.ts';

/** Somebody waits for it in a form. */
const listWithinMs = 5_000;
const retryAfterSeconds = 5;

/**
 * A page of what an option may hold for a profile, as its platform says now. Throws `not-found` for a profile or an option
 * that nothing is listed for, `needs-reconnect` for an account without a token that the platform takes, and `unavailable`
 * with a delay while the platform does not answer.
 */
export async function listChoices(
  context: RequestContext,
  profileId: string,
  { option, after, limit }: { option: string; after: string | null; limit: number },
): Promise<ChoicePage> {
  const { database, caller } = context;
  const profile = await findProfile(database, profileId, caller.profileIds);
  if (!profile) throw notFound('profile');
  const lister = await listerOf(context, profile, option);
  const account = {
    ...{ platform: profile.platform, kind: profile.account_kind, externalId: profile.external_id },
    accessToken: await openToken(context, profile),
  };
  try {
    const call = { signal: AbortSignal.timeout(listWithinMs), progress: () => {} };
    return await lister.listChoices(account, { after, limit }, call);
  } catch (error) {
    if (!(error instanceof OutcomeError)) throw error;
    context.log.warn({ err: error, profileId, option }, 'A platform did not list what an account has');
    throw problemOf(error, profile);
  }
}

async function listerOf(
  { dependencies: { pool, adapters }, caller }: RequestContext,
  { platform, account_kind: kind }: ProfileRow,
  option: string,
): Promise<ChoiceLister> {
  const mode = await modeOf(pool, caller.tenantId);
  try {
    const listers = adapters?.adapterFor({ platform, kind, mode }).choiceListers ?? {};
    if (Object.hasOwn(listers, option)) return listers[option]!;
  } catch (error) {
    if (error instanceof RegistryError) throw new Problem('unavailable', error.message);
    throw error;
  }
  throw notFound(`option of ${platformRules[platform].name} that values are listed for`);
}

async function openToken(
  { database, dependencies, caller, now }: RequestContext,
  profile: ProfileRow,
): Promise<string> {
  const open = (table: string, rowId: string, sealed: Buffer): string =>
    dependencies.envelopes.open(sealed, { tenantId: caller.tenantId, table, column: 'access_token', rowId });
  if (profile.health === 'needs-reconnect' || profile.disconnected_at) throw needsReconnect(profile);
  if (profile.access_token) return open('profiles', profile.id, profile.access_token);
  const grant = await findGrant(database, profile.grant_id);
  if (!grant?.access_token) throw needsReconnect(profile);
  // The schedules renew what can be, and say so of what cannot.
  if (grant.expires_at && grant.expires_at <= now)
    throw unavailable('The token of the account has ended and is being renewed', retryAfterSeconds);
  return open('grants', grant.id, grant.access_token);
}

function problemOf(error: OutcomeError, profile: ProfileRow): Problem {
  const { name } = platformRules[profile.platform];
  if (error.code === 'unauthorized') return needsReconnect(profile);
  const { retryAfterMs } = error.details;
  const seconds = retryAfterMs === undefined ? retryAfterSeconds : Math.ceil(retryAfterMs / 1_000);
  return unavailable(`${name} did not list them (${error.code})`, seconds);
}

const needsReconnect = ({ platform }: ProfileRow): Problem =>
  new Problem('needs-reconnect', `The ${platformRules[platform].name} account must be connected again`);

const unavailable = (detail: string, seconds: number): Problem =>
  new Problem('unavailable', detail, { headers: { 'Retry-After': String(seconds) } });
