import type { CampaignDue, CampaignPost, CampaignTarget } from './campaign.ts';
import type { Path } from './campaign-document.ts';
import * as schema from './campaign-schema.ts';
import { checkPlatforms } from './check-platforms.ts';
import { type Cast, present } from './read-cast.ts';
import { checkAuthor, checkGates, readMediaList, readScript } from './read-script.ts';
import { addProblem, fieldsOf, isComplete, type Reading, take, takeFields } from './reading.ts';
import { type RehearsedPost, rehearse } from './rehearse.ts';

/** `null` when the post cannot be used; why has been noted. */ export async function readPost(
  reading: Reading,
  cast: Cast,
  value: unknown,
  path: Path,
): Promise<CampaignPost | null> {
  const before = reading.problems.length;
  const fields = takeFields(reading, schema.postFields, value, path);
  if (!fields) return null;
  const due = readDue(reading, fields, path);
  const targets = readTargets(reading, cast, fields.targets ?? [], path);
  const media = await readMediaList(reading, fields.media ?? [], [...path, 'media']);
  const script = await readScript(reading, cast, fields.script ?? [], [...path, 'script']);
  if (fields.author !== undefined) checkAuthor(reading, cast, fields.author, [...path, 'author']);
  const { key, type, copy, author } = fields;
  if (type) checkGates(reading, cast, type, script, path);
  if (type && copy !== undefined && media)
    checkPlatforms(reading, cast, { type, copy, media, targets }, script, path);
  if (reading.problems.length > before || !isComplete(fields) || !due || !media) return null;
  const post: RehearsedPost = {
    key: key!,
    type: type!,
    copy: copy!,
    media,
    targets: present(targets),
    due,
    author: author!,
    script: present(script),
  };
  return rehearsePost(reading, cast, post, path);
}

function rehearsePost(reading: Reading, cast: Cast, post: RehearsedPost, path: Path): CampaignPost | null {
  const members = present(cast.members.values());
  const isKnown = (key: string): boolean => members.some((member) => member.key === key);
  // A member that is itself wrong has been reported where it stands.
  if (![post.author, ...post.script.map((step) => step.by)].every(isKnown)) return null;
  const { goesOut, refusal } = rehearse(post, members, cast.policy);
  if (refusal) addProblem(reading, [...path, 'script', refusal.step], refusal.reason);
  return { ...post, goesOut };
}

function readDue(
  reading: Reading,
  { dueInSeconds, dueAt }: { dueInSeconds?: number; dueAt?: string },
  path: Path,
): CampaignDue | null {
  const given = fieldsOf(reading, path);
  if (given.has('dueInSeconds') === given.has('dueAt')) {
    addProblem(reading, path, 'must have either dueInSeconds or dueAt');
    return null;
  }
  if (dueInSeconds !== undefined) return { kind: 'in', seconds: dueInSeconds };
  if (dueAt === undefined) return null;
  const instant = new Date(dueAt);
  if (instant <= reading.now) addProblem(reading, [...path, 'dueAt'], `${dueAt} is in the past`);
  return { kind: 'at', instant };
}

function readTargets(
  reading: Reading,
  cast: Cast,
  values: readonly unknown[],
  path: Path,
): (CampaignTarget | null)[] {
  const seen = new Set<string>();
  return values.map((value, index) => {
    const here = [...path, 'targets', index];
    const read = readTarget(reading, value, here);
    if (read === null) return null;
    const at = typeof value === 'string' ? here : [...here, 'profile'];
    if (!cast.profiles.has(read.profile)) addProblem(reading, at, `there is no profile ${read.profile}`);
    if (seen.has(read.profile)) addProblem(reading, at, `${read.profile} is a target already`);
    seen.add(read.profile);
    return read;
  });
}

/** The key of a profile alone, or a map with what the target says of its own. */
function readTarget(reading: Reading, value: unknown, path: Path): CampaignTarget | null {
  if (value === null || typeof value !== 'object') {
    const profile = take(reading, schema.key, value, path);
    return profile === undefined ? null : { profile, copy: null };
  }
  const before = reading.problems.length;
  const fields = takeFields(reading, schema.targetFields, value, path);
  if (!fields || reading.problems.length > before) return null;
  const { profile, copy = null, ...rest } = fields;
  const said = Object.fromEntries(Object.entries(rest).filter(([, one]) => one !== undefined));
  return { profile: profile!, copy, ...said };
}
