import { gatesOf } from '../../domain/post-state.ts';
import type { CampaignMedia, CampaignPost, CampaignStep } from './campaign.ts';
import type { Path } from './campaign-document.ts';
import * as schema from './campaign-schema.ts';
import { type Cast, checkMember } from './read-cast.ts';
import { readMediaFile } from './read-media.ts';
import { addProblem, addProblemAtKey, isComplete, type Reading, takeFields } from './reading.ts';
import { mayTake, mayWrite, requiredGates } from './rehearse.ts';

export async function readScript(
  reading: Reading,
  cast: Cast,
  values: readonly unknown[],
  path: Path,
): Promise<(CampaignStep | null)[]> {
  const steps: (CampaignStep | null)[] = [];
  for (const [index, value] of values.entries()) {
    const step = await readStep(reading, value, [...path, index]);
    steps.push(step);
    if (step) checkActor(reading, cast, step, [...path, index, step.action, 'by']);
  }
  return steps;
}

const actions = Object.keys(schema.stepFields).join(', ');

async function readStep(reading: Reading, value: unknown, path: Path): Promise<CampaignStep | null> {
  const entries = value !== null && typeof value === 'object' ? Object.entries(value) : [];
  const [action, content] = entries[0] ?? [];
  if (entries.length !== 1 || action === undefined || Array.isArray(value)) {
    addProblem(reading, path, `must be one of ${actions}, e.g. \`approve: { gate: content, by: reviewer }\``);
    return null;
  }
  const here = [...path, action];
  switch (action as CampaignStep['action']) {
    case 'submit': {
      const fields = takeFields(reading, schema.stepFields.submit, content, here);
      return fields && isComplete(fields) ? { action: 'submit', ...fields } : null;
    }
    case 'approve': {
      const fields = takeFields(reading, schema.stepFields.approve, content, here);
      return fields && isComplete(fields) ? { action: 'approve', ...fields } : null;
    }
    case 'reject': {
      const fields = takeFields(reading, schema.stepFields.reject, content, here);
      return fields && isComplete(fields) ? { action: 'reject', ...fields } : null;
    }
    case 'edit': {
      const fields = takeFields(reading, schema.stepFields.edit, content, here);
      return fields && isComplete(fields) ? { action: 'edit', ...fields } : null;
    }
    case 'deliver': {
      const fields = takeFields(reading, schema.stepFields.deliver, content, here);
      const media = await readMediaList(reading, fields?.media ?? [], [...here, 'media']);
      return fields && isComplete(fields) && media ? { action: 'deliver', by: fields.by, media } : null;
    }
    default:
      addProblemAtKey(reading, here, `there is no step ${action}; there are ${actions}`);
      return null;
  }
}

function checkActor(reading: Reading, cast: Cast, step: CampaignStep, path: Path): void {
  if (!checkMember(reading, cast.members, step.by, path)) return;
  const member = cast.members.get(step.by);
  if (member && !mayTake(step.action, member.role))
    addProblem(reading, path, `a ${member.role} may not ${step.action} a post`);
}

export function checkAuthor(reading: Reading, cast: Cast, key: string, path: Path): void {
  if (!checkMember(reading, cast.members, key, path)) return;
  const member = cast.members.get(key);
  if (member && !mayWrite(member.role)) addProblem(reading, path, `a ${member.role} may not write posts`);
}

export function checkGates(
  reading: Reading,
  cast: Cast,
  type: CampaignPost['type'],
  script: readonly (CampaignStep | null)[],
  path: Path,
): void {
  const required = requiredGates(type, cast.policy);
  for (const [index, step] of script.entries()) {
    if (step?.action !== 'approve' && step?.action !== 'reject') continue;
    if (required.includes(step.gate)) continue;
    const reason = gatesOf(type).includes(step.gate)
      ? `the policy does not require the ${step.gate} gate`
      : `a ${type} post does not pass the ${step.gate} gate`;
    addProblem(reading, [...path, 'script', index, step.action, 'gate'], reason);
  }
}

function readOnce(reading: Reading, file: string): ReturnType<typeof readMediaFile> {
  const known = reading.media.get(file);
  if (known) return known;
  const found = readMediaFile(reading.folder, file);
  reading.media.set(file, found);
  return found;
}

/** `null` when any piece cannot be used. */
export async function readMediaList(
  reading: Reading,
  values: readonly unknown[],
  path: Path,
): Promise<CampaignMedia[] | null> {
  const media: CampaignMedia[] = [];
  for (const [index, value] of values.entries()) {
    const here = [...path, index];
    const fields = takeFields(reading, schema.mediaFields, value, here);
    if (fields?.file === undefined) continue;
    const found = await readOnce(reading, fields.file);
    const cover = fields.cover === undefined ? undefined : await readOnce(reading, fields.cover);
    if (!found.ok) addProblem(reading, [...here, 'file'], found.reason);
    if (cover && !cover.ok) addProblem(reading, [...here, 'cover'], cover.reason);
    if (!found.ok || cover?.ok === false || fields.altText === undefined) continue;
    media.push({
      ...{ ...found.value, file: fields.file, altText: fields.altText },
      ...(cover && { cover: { ...cover.value, file: fields.cover! } }),
    });
  }
  return media.length === values.length ? media : null;
}
