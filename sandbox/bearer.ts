import type { Account } from './accounts.ts';
import type { SandboxContext } from './context.ts';
import type { Platform } from './platforms/index.ts';
import { bearerToken, type Call, Refusal, type Reply } from './protocol.ts';

/** A token whose time is over for one of its accounts is refused for all. */
export const hasExpired = (accounts: readonly Account[], at: Date): boolean =>
  accounts.some(({ expiresAt }) => expiresAt !== undefined && Date.parse(expiresAt) <= at.getTime());

/** The accounts that the call's bearer token speaks for; throws `refuse()` where it is unknown or its time is over. */
export function accountsOfBearer(
  context: SandboxContext,
  platform: Platform,
  call: Call,
  refuse: () => Reply,
): Account[] {
  const token = bearerToken(call);
  const accounts = token === undefined ? [] : context.accounts.findByToken(platform, token);
  if (accounts.length === 0 || hasExpired(accounts, context.now())) throw new Refusal(refuse());
  return accounts;
}
