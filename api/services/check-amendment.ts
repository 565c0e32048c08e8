import { amendingOf } from '../../adapters/platforms/registry.ts';
import { listAmendedTargets } from '../../db/amendments.ts';
import {
  findRevision,
  listTargets,
  type PostRow,
  type RevisionRow,
  type TargetWithProfile,
} from '../../db/posts.ts';
import { listPublications } from '../../db/timeline.ts';
import { amendedContent, type TargetAmendment } from '../../domain/amending.ts';
import { publicText, type RevisionContent } from '../../domain/revision.ts';
import { Problem, type ProblemError } from '../problems.ts';
import type { RequestContext } from '../route.ts';
import type { AmendInput } from '../schemas/amendments.ts';
import { checkParts, loadParts, partsOf } from './post-parts.ts';

/** What stands in public of a post, and by which revision it does. */
export interface Stage {
  readonly current: RevisionRow;
  readonly targets: readonly TargetWithProfile[];
  readonly saidBy: ReadonlyMap<string, RevisionContent>;
  readonly publicationOf: ReadonlyMap<string, string>;
}

export async function readStage({ database }: RequestContext, post: PostRow): Promise<Stage> {
  const [current, targets, publications, amended] = await Promise.all([
    findRevision(database, post.revision_id),
    listTargets(database, post.id),
    listPublications(database, post.id),
    listAmendedTargets(database, post.id),
  ]);
  const out = publications.filter(
    ({ part, state, public_id }) => part === 0 && state === 'PUBLISHED' && public_id,
  );
  const revisionOf = new Map([
    ...out.map((row) => [row.target_id, row.revision_id] as const),
    ...amended.map((row) => [row.target_id, row.revision_id] as const),
  ]);
  const saidBy = new Map<string, RevisionContent>();
  for (const [targetId, revisionId] of revisionOf) {
    const revision = await findRevision(database, revisionId);
    if (revision) saidBy.set(targetId, revision.content);
  }
  return {
    current: current!,
    targets,
    saidBy,
    publicationOf: new Map(out.map((row) => [row.target_id, row.id])),
  };
}

const isPublic = ({ publicationOf }: Stage, target: TargetWithProfile): boolean =>
  target.phase === 'PUBLISHED' && target.removed_at === null && publicationOf.has(target.id);

/** What each target is to say: those named, or all that stand in public. */
export const changesOf = ({ copy, targets }: AmendInput, stage: Stage): TargetAmendment[] =>
  targets.length > 0
    ? targets.map((target) => ({ ...target, copy: target.copy ?? copy }))
    : stage.targets.filter((target) => isPublic(stage, target)).map(({ id }) => ({ targetId: id, copy }));

export const targetsOf = ({ targets }: Stage, changes: readonly TargetAmendment[]) =>
  targets.filter(({ id }) => changes.some(({ targetId }) => targetId === id));

interface Proposal {
  readonly input: AmendInput;
  readonly stage: Stage;
  readonly changes: readonly TargetAmendment[];
  readonly content: RevisionContent;
}

/** Everything that is wrong with a proposal at once, at each target: where it cannot be changed, and what the rules forbid. */
export async function refuseIfWrong(context: RequestContext, proposal: Proposal): Promise<void> {
  const { input, stage, changes, content } = proposal;
  if (changes.length === 0) throw new Problem('nothing-to-amend', 'Nothing of it stands in public');
  const errors = changes.flatMap((change, index) => {
    const path = input.targets.length > 0 ? `/targets/${index}` : '/copy';
    return checkTargetChange(stage, content, change, path, input.targets.length > 0);
  });
  const known = changes.flatMap(({ targetId }, index) => {
    const target = content.targets.find((one) => one.targetId === targetId);
    return target ? [{ target, index }] : [];
  });
  const parts = {
    ...partsOf({ content }),
    targets: known.map(({ target: { targetId: _, ...target } }) => target),
  };
  const broken = checkParts(parts, await loadParts(context, parts), { isDraft: false }).map((error) => ({
    ...error,
    path: inputPath(error.path, input, (place) => known[place]!.index),
  }));
  const all = [...errors, ...broken];
  if (all.length === 0) return;
  const detail = all.length === 1 ? all[0]!.message : `${all.length} things stand against it`;
  throw new Problem('invalid-amendment', detail, { errors: all });
}

/** Where the caller said it: the rules name targets by their place among those that are known. */
function inputPath(path: string, { targets }: AmendInput, placeOf: (place: number) => number): string {
  const [, place, rest] = /^\/targets\/(\d+)(\/.*)$/.exec(path) ?? [];
  if (place === undefined || rest === undefined) return path;
  return targets.length > 0 ? `/targets/${placeOf(Number(place))}${rest}` : rest;
}

function checkTargetChange(
  stage: Stage,
  content: RevisionContent,
  change: TargetAmendment,
  path: string,
  isNamed: boolean,
): ProblemError[] {
  const target = stage.targets.find(({ id }) => id === change.targetId);
  const at = (field: string) => (isNamed ? `${path}/${field}` : path);
  if (!target || !isPublic(stage, target)) {
    const message = 'The post has no such target that stands in public';
    return [{ path: at('targetId'), code: 'unknown-target', message }];
  }
  const named = `${target.profile_name} (${target.platform} ${target.account_kind})`;
  const amending = amendingOf(target.platform, target.account_kind);
  if (!amending) {
    const message = `${named}: the platform lets nobody change a post`;
    return [{ path: at('targetId'), code: 'amend-unsupported', message }];
  }
  const said = content.targets.find(({ targetId }) => targetId === target.id)!;
  const type = said.type ?? content.type;
  const reason = amending.refuses({ type, ...(said.options && { options: said.options }) });
  if (reason) return [{ path: at('targetId'), code: 'amend-unsupported', message: `${named}: ${reason}` }];
  const errors: ProblemError[] = [];
  if (change.title !== undefined && !amending.changesTitle) {
    const message = `${named}: the title cannot be changed there`;
    errors.push({ path: at('title'), code: 'amend-unsupported', message });
  }
  if (saysTheSame(stage, content, target.id))
    errors.push({ path, code: 'nothing-to-change', message: `${named}: It says just that already` });
  return errors;
}

function saysTheSame({ current, saidBy }: Stage, content: RevisionContent, targetId: string): boolean {
  const shownBy = (said: RevisionContent) => {
    const target = said.targets.find((one) => one.targetId === targetId)!;
    return [publicText(target, said.copy), target.title].join('\n');
  };
  return shownBy(amendedContent(current.content, saidBy, [])) === shownBy(content);
}
