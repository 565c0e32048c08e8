import { isKindOf } from '../../domain/platform-rules.ts';
import type {
  CampaignBrand,
  CampaignGatePolicy,
  CampaignMember,
  CampaignPolicy,
  CampaignProfile,
} from './campaign.ts';
import type { Path } from './campaign-document.ts';
import * as schema from './campaign-schema.ts';
import { decodeText, readFileBeside } from './read-media.ts';
import { addProblem, addProblemAtKey, isComplete, type Reading, takeFields } from './reading.ts';

const maxBrandBytes = 65_536;

/** What posts may refer to. A profile or member that is itself wrong is known by its key, but not usable. */
export interface Cast {
  readonly profiles: ReadonlyMap<string, CampaignProfile | null>;
  readonly members: ReadonlyMap<string, CampaignMember | null>;
  readonly policy: CampaignPolicy;
}

export const present = <Value>(values: Iterable<Value | null>): Value[] =>
  [...values].filter((value) => value !== null);

export function readProfiles(
  reading: Reading,
  value: Record<string, unknown> | undefined,
): Map<string, CampaignProfile | null> {
  const accounts = new Map<string, string>();
  return readKeyed(reading, 'profiles', value, (entry, path, key) => {
    const fields = takeFields(reading, schema.profileFields, entry, path);
    if (!fields || !isComplete(fields)) return null;
    const { platform, accountKind, externalId } = fields;
    if (!isKindOf(platform, accountKind)) {
      addProblem(reading, [...path, 'accountKind'], `${platform} has no accounts of kind ${accountKind}`);
    } else if (!expectedIds[accountKind].pattern.test(externalId)) {
      addProblem(reading, [...path, 'externalId'], `must look like ${expectedIds[accountKind].example}`);
    }
    const account = `${platform} ${externalId}`;
    const other = accounts.get(account);
    if (other) addProblem(reading, [...path, 'externalId'], `is the account of profile ${other}`);
    accounts.set(account, key);
    return { key, ...fields };
  });
}

const expectedIds: Readonly<Record<CampaignProfile['accountKind'], { pattern: RegExp; example: string }>> = {
  organization: { pattern: /^urn:li:organization:[A-Za-z0-9_-]+$/, example: 'urn:li:organization:2414183' },
  member: { pattern: /^urn:li:person:[A-Za-z0-9_-]+$/, example: 'urn:li:person:8675309' },
  business: { pattern: /^\d+$/, example: '"17841405822304914"' },
  user: { pattern: /^[A-Za-z0-9_-]+$/, example: '"2244994945"' },
};

export function readMembers(
  reading: Reading,
  value: Record<string, unknown> | undefined,
): Map<string, CampaignMember | null> {
  return readKeyed(reading, 'members', value, (entry, path, key) => {
    const fields = takeFields(reading, schema.memberFields, entry, path);
    return fields && isComplete(fields) ? { key, name: fields.name, role: fields.role } : null;
  });
}

function readKeyed<Entry>(
  reading: Reading,
  field: 'profiles' | 'members',
  value: Record<string, unknown> | undefined,
  read: (entry: unknown, path: Path, key: string) => Entry | null,
): Map<string, Entry | null> {
  const entries = Object.entries(value ?? {}).map(([key, entry]) => {
    const path = [field, key];
    if (!schema.key.safeParse(key).success) addProblemAtKey(reading, path, `${key}: ${schema.keyRule}`);
    return [key, read(entry, path, key)] as const;
  });
  return new Map(entries);
}

export function readPolicy(reading: Reading, value: unknown, members: Cast['members']): CampaignPolicy {
  if (value === undefined) return {};
  const fields = takeFields(reading, schema.policyFields, value, ['policy']) ?? {};
  for (const [gate, layer] of Object.entries(fields) as [string, CampaignGatePolicy | undefined][]) {
    for (const [index, key] of (layer?.deciders?.members ?? []).entries()) {
      checkMember(reading, members, key, ['policy', gate, 'deciders', 'members', index]);
    }
  }
  return Object.fromEntries(Object.entries(fields).filter(([, layer]) => layer !== undefined));
}

export async function readBrand(reading: Reading, file: string): Promise<CampaignBrand | null> {
  const found = await readFileBeside(reading.folder, file, maxBrandBytes);
  const text = found.ok ? decodeText(found.value.bytes) : null;
  if (found.ok && text !== null) return { path: found.value.path, text };
  addProblem(reading, ['brand'], found.ok ? `${file}: is not UTF-8 text` : found.reason);
  return null;
}

export function checkMember(reading: Reading, members: Cast['members'], key: string, path: Path): boolean {
  if (members.has(key)) return true;
  addProblem(reading, path, `there is no member ${key}`);
  return false;
}
