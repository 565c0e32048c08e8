import { checkTarget, isKindOf, type TargetOptions, type Violation } from '../../domain/platform-rules.ts';
import { isVisual } from '../../domain/post.ts';
import { mediaShown, publicText } from '../../domain/revision.ts';
import type { CampaignMedia, CampaignPost, CampaignStep, CampaignTarget } from './campaign.ts';
import type { Path } from './campaign-document.ts';
import type { Cast } from './read-cast.ts';
import { addProblem, type Reading } from './reading.ts';

interface Said {
  readonly type: CampaignPost['type'];
  readonly copy: string;
  readonly media: readonly CampaignMedia[];
  readonly targets: readonly (CampaignTarget | null)[];
}

/** Checks the post as it is written, and again after every step that changes its copy or its media. */
export function checkPlatforms(
  reading: Reading,
  cast: Cast,
  said: Said,
  script: readonly (CampaignStep | null)[],
  path: Path,
): void {
  const isDelivered = script.some((step) => step === null || step.action === 'deliver');
  // The designer delivers later: until then there is nothing to check.
  const isOpen = isVisual(said.type) && said.media.length === 0 && isDelivered;
  const facts = isOpen ? undefined : said.media;
  checkTargets(
    reading,
    cast,
    said,
    facts,
    { copy: [...path, 'copy'], media: [...path, 'media'] },
    path,
    true,
  );
  for (const [index, step] of script.entries()) {
    const here = [...path, 'script', index];
    if (step?.action === 'edit') {
      const places = { copy: [...here, 'edit', 'copy'], media: null };
      checkTargets(reading, cast, { ...said, copy: step.copy }, undefined, places, path);
    }
    if (step?.action === 'deliver') {
      const places = { copy: null, media: [...here, 'deliver', 'media'] };
      checkTargets(reading, cast, said, step.media, places, path);
    }
  }
}

function checkTargets(
  reading: Reading,
  cast: Cast,
  said: Said,
  media: readonly CampaignMedia[] | undefined,
  places: { copy: Path | null; media: Path | null },
  path: Path,
  isFirst = false,
): void {
  for (const [index, target] of said.targets.entries()) {
    const profile = target && cast.profiles.get(target.profile);
    if (!target || !profile || !isKindOf(profile.platform, profile.accountKind)) continue;
    const { type = said.type, options } = target;
    const here = [...path, 'targets', index];
    const violations = checkTarget({
      ...{ platform: profile.platform, kind: profile.accountKind, type },
      text: publicText(target, said.copy),
      title: target.title ?? null,
      firstComment: target.firstComment ?? null,
      thread: target.thread ?? [],
      options: options ?? {},
      media: media && (type === said.type ? media : mediaShown(type, media)),
    });
    for (const violation of violations) {
      const own = isFirst ? here : null;
      const at = placeOf(violation, {
        ...{ copy: target.copy === null ? places.copy : own && [...own, 'copy'], media: places.media, own },
        type: own && (target.type ? [...own, 'type'] : [...path, 'type']),
      });
      if (at) addProblem(reading, at, `${target.profile}: ${messageOf(violation, options)}`);
    }
  }
}

/** Digits without quotes are a number to YAML, and ids are text. */
function messageOf({ code, field, message }: Violation, options: TargetOptions = {}): string {
  const isNumber = code === 'option-invalid' && typeof options[field.replace(/^options\./, '')] === 'number';
  return isNumber && message.includes('must be text') ? `${message}; put it in quotes` : message;
}

/** Where a violation stands in the file; `null` for one that was reported at an earlier place. */
function placeOf(
  { field }: Violation,
  places: { copy: Path | null; media: Path | null; type: Path | null; own: Path | null },
): Path | null {
  if (field === 'text') return places.copy;
  const [, own, part, option] =
    /^(title|firstComment|thread|options)(?:\[(\d+)\]|\.(.+))?$/.exec(field) ?? [];
  if (own) return places.own && [...places.own, own, ...(part ? [Number(part)] : option ? [option] : [])];
  const [, index, rest] = /^media(?:\[(\d+)\])?(?:\.(\w+))?$/.exec(field) ?? [];
  if (!field.startsWith('media')) return places.type;
  if (!places.media) return null;
  return [...places.media, ...(index ? [Number(index)] : []), ...(rest ? [rest] : [])];
}
