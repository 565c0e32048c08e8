import { z } from 'zod';
import { type Platform, platforms, sandboxPlatforms } from './platforms/index.ts';
import { openShelf, type StateJournal, type StateRecord } from './state.ts';

/** What `POST /_control/accounts` takes. The token is the sandbox's own: never register a real one. */
export const accountInputSchema = z
  .strictObject({
    platform: z.enum(platforms),
    kind: z.string().min(1),
    externalId: z.string().min(1),
    name: z.string().min(1),
    token: z.string().min(1),
    /** Default: what an account of this kind needs to publish and, where the platform allows it, to read back. */
    scopes: z.array(z.string()).optional(),
    appId: z.string().optional(),
    /** From this instant the token is answered as expired. */
    expiresAt: z.iso.datetime({ offset: true }).optional(),
  })
  .superRefine((account, context) => {
    const kind = kindOf(account);
    if (!kind) {
      context.addIssue(`${account.platform} has no accounts of kind ${account.kind}`);
    } else if (!kind.id.test(account.externalId)) {
      context.addIssue(`externalId of a ${account.platform} ${account.kind} must match ${kind.id}`);
    }
  });

export type AccountInput = z.infer<typeof accountInputSchema>;
export type Account = AccountInput & { scopes: string[] };

export interface AccountStore {
  /** Adds the account, or replaces it and its token. */
  put(input: AccountInput): Promise<Account>;
  list(): Account[];
  find(platform: Platform, externalId: string): Account | undefined;
  /** One token may speak for several accounts, as one authorisation of a member does for their organisations. */
  findByToken(platform: Platform, token: string): Account[];
  /** Has a token speak for accounts, as a consent gave it; their registered ones stay. */
  issue(token: IssuedToken): Promise<void>;
  /** What a token was issued for, where it was and lives. */
  findIssued(platform: Platform, token: string, at: Date): IssuedToken | undefined;
  withdraw(platform: Platform, token: string): Promise<void>;
  clear(): void;
}

/** A token that came of a consent. */
export interface IssuedToken {
  platform: Platform;
  token: string;
  scopes: readonly string[];
  externalIds: readonly string[];
  issuedAt: string;
  expiresAt?: string | undefined;
  /** The token it was made of, whose withdrawal is its own. */
  madeOf?: string;
  isWithdrawn?: boolean;
}

export function createAccounts(records: readonly StateRecord[], journal: StateJournal): AccountStore {
  const accounts = new Map<string, Account>();
  const keyOf = (platform: Platform, externalId: string) => `${platform} ${externalId}`;
  const issued = openShelf<IssuedToken>('issued-token', records, journal);
  const findIssued = (platform: Platform, token: string) => {
    const found = issued.get(keyOf(platform, token));
    const origin = found?.madeOf === undefined ? undefined : issued.get(keyOf(platform, found.madeOf));
    return found?.isWithdrawn || origin?.isWithdrawn ? undefined : found;
  };
  for (const record of records) {
    if (record.kind !== 'account') continue;
    accounts.set(keyOf(record.account.platform, record.account.externalId), record.account);
  }
  return {
    async put(input) {
      const account = { ...input, scopes: input.scopes ?? [...(kindOf(input)?.scopes ?? [])] };
      await journal.append({ kind: 'account', account });
      accounts.set(keyOf(account.platform, account.externalId), account);
      return account;
    },
    list: () => [...accounts.values()],
    find: (platform, externalId) => accounts.get(keyOf(platform, externalId)),
    findByToken(platform, token) {
      const given = findIssued(platform, token);
      return [...accounts.values()].flatMap((account) => {
        if (account.platform !== platform) return [];
        if (account.token === token) return [account];
        if (!given?.externalIds.includes(account.externalId)) return [];
        const { expiresAt: _, ...rest } = account;
        const { scopes, expiresAt } = given;
        return [{ ...rest, token, scopes: [...scopes], ...(expiresAt && { expiresAt }) }];
      });
    },
    issue: (token) => issued.put(keyOf(token.platform, token.token), token),
    findIssued(platform, token, at) {
      const given = findIssued(platform, token);
      const isOver = given?.expiresAt !== undefined && Date.parse(given.expiresAt) <= at.getTime();
      return isOver ? undefined : given;
    },
    async withdraw(platform, token) {
      const given = issued.get(keyOf(platform, token));
      if (given) await issued.put(keyOf(platform, token), { ...given, isWithdrawn: true });
    },
    clear() {
      accounts.clear();
      issued.clear();
    },
  };
}

/** The account as the control API shows it: without its token. */
export function describeAccount(account: Account): Omit<Account, 'token'> {
  const { token: _token, ...described } = account;
  return described;
}

const kindOf = ({ platform, kind }: { platform: Platform; kind: string }) =>
  Object.hasOwn(sandboxPlatforms[platform].kinds, kind) ? sandboxPlatforms[platform].kinds[kind] : undefined;
