import { randomBytes, randomUUID } from 'node:crypto';
import type { AccountKind, Platform } from '../domain/post.ts';
import { accepted } from './http.ts';
import type { Person } from './people.ts';

/** An account at a pretended platform, connected to the tenant. */
export interface Profile {
  readonly id: string;
  readonly platform: Platform;
  readonly accountKind: AccountKind;
  /** The account's id at the platform. */
  readonly externalId: string;
  /** Must never be seen again once it was handed in. */
  readonly token: string;
}

export interface Profiles {
  /** Opens a new account at the platform and connects it (default: the kind that can be read back). */
  readonly connect: (platform: Platform, accountKind?: AccountKind) => Promise<Profile>;
}

const usualKind: Readonly<Record<Platform, AccountKind>> = {
  linkedin: 'organization',
  instagram: 'business',
  reddit: 'user',
};

const externalIdOf: Readonly<Record<AccountKind, (number: string) => string>> = {
  member: (number) => `urn:li:person:${number}`,
  organization: (number) => `urn:li:organization:${number}`,
  business: (number) => `1784${number}`,
  user: (number) => number,
};

export type Control = (method: string, path: string, body?: unknown) => Promise<unknown>;

/** Opens an account of the sandbox under a fresh id and token, and connects it as `person`. */
export async function connectAccount(
  control: Control,
  person: Pick<Person, 'send'>,
  account: { platform: Platform; accountKind: AccountKind; token?: string },
): Promise<Profile> {
  const { platform, accountKind, token = `token/${accountKind}+${randomUUID()}` } = account;
  const number = String(randomBytes(5).readUIntBE(0, 5));
  const externalId = externalIdOf[accountKind](number);
  const named = { platform, externalId, name: `${accountKind} ${number}` };
  await control('POST', '/accounts', { ...named, kind: accountKind, token });
  const body = { ...named, accountKind, accessToken: token };
  const profile = accepted(await person.send('POST', '/profiles', { body }));
  return { id: profile.body.id, platform, accountKind, externalId, token };
}

/** The profiles of one tenant; `person` connects them, and `tokenPrefix` starts every token that is made up. */
export const createProfiles = (control: Control, person: Person, tokenPrefix: string): Profiles => ({
  connect: (platform, accountKind = usualKind[platform]) =>
    connectAccount(control, person, { platform, accountKind, token: `${tokenPrefix}-${randomUUID()}` }),
});
