import { open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { type Campaign, CampaignError, type CampaignPost, type CampaignProblem } from './campaign.ts';
import { parseCampaignDocument } from './campaign-document.ts';
import * as schema from './campaign-schema.ts';
import { type Cast, present, readBrand, readMembers, readPolicy, readProfiles } from './read-cast.ts';
import { decodeText, describeFileError } from './read-media.ts';
import { readPost } from './read-post.ts';
import { addProblem, type Reading, takeFields } from './reading.ts';

const maxCampaignBytes = 262_144;

export interface ReadCampaignOptions {
  /** What "in the past" is measured from (default: the system's clock). */
  readonly now?: Date;
}

/**
 * Reads a campaign and everything it refers to, and checks it as far as that is possible without a server: fields,
 * files, keys, the platforms' rules, and each script against the rules of the gates. Only reads; may run any number of
 * times.
 *
 * @throws CampaignError with every problem that was found and where it is
 */
export async function readCampaign(file: string, options: ReadCampaignOptions = {}): Promise<Campaign> {
  const text = await readText(file);
  const parsed = parseCampaignDocument(file, text);
  if (!parsed.ok) throw new CampaignError(inOrder(parsed.problems));
  const reading: Reading = {
    document: parsed.document,
    folder: dirname(file),
    now: options.now ?? new Date(),
    problems: [],
    media: new Map(),
  };
  const campaign = await readWhole(reading);
  if (reading.problems.length > 0 || !campaign) throw new CampaignError(inOrder(reading.problems));
  return campaign;
}

function inOrder(problems: readonly CampaignProblem[]): CampaignProblem[] {
  const distinct = new Map(problems.map((one) => [`${one.line}:${one.column}:${one.reason}`, one]));
  return [...distinct.values()].sort((left, right) => left.line - right.line || left.column - right.column);
}

async function readText(file: string): Promise<string> {
  const fail = (reason: string): never => {
    throw new CampaignError([{ file, line: 1, column: 1, reason }]);
  };
  const handle = await open(file, 'r').catch((error: unknown) => fail(describeFileError(error)));
  try {
    const facts = await handle.stat();
    if (!facts.isFile()) return fail('is not a file');
    if (facts.size > maxCampaignBytes)
      return fail(`has ${facts.size} bytes, at most ${maxCampaignBytes} are read`);
    return decodeText(await handle.readFile()) ?? fail('is not UTF-8 text');
  } finally {
    await handle.close();
  }
}

async function readWhole(reading: Reading): Promise<Campaign | null> {
  const fields = takeFields(reading, schema.campaignFields, reading.document.value, []);
  if (!fields) return null;
  const profiles = readProfiles(reading, fields.profiles);
  const members = readMembers(reading, fields.members);
  const policy = readPolicy(reading, fields.policy, members);
  const brand = fields.brand === undefined ? null : await readBrand(reading, fields.brand);
  const posts: CampaignPost[] = [];
  const cast: Cast = { profiles, members, policy };
  for (const index of (fields.posts ?? []).keys()) {
    const post = await readPost(reading, cast, fields.posts![index], ['posts', index]);
    if (post) posts.push(post);
  }
  checkRepeats(reading, fields.posts ?? []);
  return {
    file: reading.document.file,
    name: fields.name!,
    timeZone: fields.timeZone!,
    brand: brand ?? null,
    profiles: present(profiles.values()),
    members: present(members.values()),
    policy,
    posts,
  };
}

function checkRepeats(reading: Reading, posts: readonly unknown[]): void {
  const seen = new Set<unknown>();
  for (const [index, post] of posts.entries()) {
    const key = (post as { key?: unknown } | null)?.key;
    if (typeof key !== 'string') continue;
    if (seen.has(key)) addProblem(reading, ['posts', index, 'key'], `there is a post ${key} already`);
    seen.add(key);
  }
}
