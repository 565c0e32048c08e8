import { capabilitiesOf } from '../../adapters/platforms/registry.ts';
import { insertPartsRequest, markOutboxDone } from '../../db/outbox.ts';
import { insertPartRound, listPartRounds, type PartRoundRow } from '../../db/part-rounds.ts';
import { listTargets, type TargetWithProfile } from '../../db/posts.ts';
import { inTransaction } from '../../db/tenant-database.ts';
import { insertPostEvent, listPublications, type PublicationRow } from '../../db/timeline.ts';
import { whatToSendAgain } from '../../domain/parts.ts';
import type { PartsWorkflowInput } from '../../workflows/messages.ts';
import { partsOfRound } from '../part-views.ts';
import { Problem } from '../problems.ts';
import type { RequestContext } from '../route.ts';
import type { PostAnswer } from '../schemas/posts.ts';
import { commandBase, requireSubmitted } from './post-commands.ts';
import { answerOfRow, runCommand } from './run-command.ts';

/**
 * Tries again what failed of a post: targets by its run, and what follows targets that are out by another round of its
 * own, which the post's run is not asked about and may have ended before. May run twice under one key.
 */
export async function retryPost(
  context: RequestContext,
  postId: string,
  targetIds: readonly string[] | null,
): Promise<PostAnswer> {
  const post = await requireSubmitted(context, postId);
  const targets = (await listTargets(context.database, postId)).filter(
    ({ id }) => targetIds?.includes(id) ?? true,
  );
  const parts = await chooseParts(context, postId, targets);
  const isForRun = parts.rounds.length === 0 || targets.some(({ phase }) => phase === 'FAILED');
  if (parts.rounds.length === 0 && isInDoubtAlone(targets, parts)) throw partInDoubt(parts.inDoubt);
  const answer = isForRun
    ? await runCommand(context, postId, { kind: 'retry', ...commandBase(context), targetIds })
    : answerOfRow(
        post,
        parts.rounds.every(({ isRepeated }) => isRepeated),
      );
  for (const { round } of parts.rounds) await openRound(context, round);
  return answer;
}

interface ChosenParts {
  readonly rounds: readonly { readonly round: PartsWorkflowInput; readonly isRepeated: boolean }[];
  /** Parts that may be out and that the platform cannot be asked about, by target. */
  readonly inDoubt: readonly { readonly target: TargetWithProfile; readonly parts: readonly number[] }[];
}

const isInDoubtAlone = (targets: readonly TargetWithProfile[], { inDoubt }: ChosenParts): boolean =>
  inDoubt.length > 0 && !targets.some(({ phase }) => phase === 'FAILED');

/** The rounds that would bring something out: of targets that stand in public, and whose last round has ended. */
async function chooseParts(
  context: RequestContext,
  postId: string,
  targets: readonly TargetWithProfile[],
): Promise<ChosenParts> {
  const { database, caller } = context;
  const all = await listPartRounds(database, postId);
  if (all.length === 0) return { rounds: [], inDoubt: [] };
  const publications = await listPublications(database, postId);
  const chosen: { round: PartsWorkflowInput; isRepeated: boolean }[] = [];
  const inDoubt: { target: TargetWithProfile; parts: readonly number[] }[] = [];
  for (const target of targets) {
    if (target.phase !== 'PUBLISHED' || target.removed_at) continue;
    const last = all.filter((round) => round.target_id === target.id).at(-1);
    if (!last) continue;
    const inputOf = (cycle: number) => inputOfRound(caller.tenantId, last, cycle);
    if (last.request_id === requestIdOf(context, target.id)) {
      chosen.push({ round: inputOf(last.cycle), isRepeated: true });
      continue;
    }
    if (!(await hasEnded(context, last, inputOf(last.cycle)))) continue;
    const again = whatFailed(target, last, publications);
    if (again.parts.length > 0) chosen.push({ round: inputOf(last.cycle + 1), isRepeated: false });
    if (again.inDoubt.length > 0) inDoubt.push({ target, parts: again.inDoubt });
  }
  return { rounds: chosen, inDoubt };
}

const requestIdOf = ({ newId }: RequestContext, targetId: string): string => newId(`parts ${targetId}`);

const inputOfRound = (tenantId: string, round: PartRoundRow, cycle: number): PartsWorkflowInput => ({
  ...{ tenantId, postId: round.post_id, targetId: round.target_id, cycle },
  ...{ revisionId: round.revision_id, approvedHash: round.approved_hash },
  ...{ publicId: round.public_id, kinds: round.kinds },
});

/** By its row, and where that was never written because somebody has ended its run: by the run. */
const hasEnded = async (
  { dependencies }: RequestContext,
  round: PartRoundRow,
  input: PartsWorkflowInput,
): Promise<boolean> => round.ended_at !== null || !(await dependencies.postRuns.isBringingOutParts(input));

function whatFailed(
  { platform, account_kind }: TargetWithProfile,
  round: PartRoundRow,
  publications: readonly PublicationRow[],
) {
  const parts = partsOfRound({ ...round, ended_at: round.ended_at ?? new Date() }, publications);
  return whatToSendAgain(parts, capabilitiesOf(platform, account_kind).findsReplies);
}

function partInDoubt(inDoubt: ChosenParts['inDoubt']): Problem {
  const named = inDoubt.map(
    ({ target, parts }) => `${target.profile_name} (${target.platform}), part ${parts.join(', ')}`,
  );
  return new Problem(
    'part-in-doubt',
    `It may be out, and the platform cannot be asked: ${named.join('; ')}. Look there, and add what is missing by hand`,
  );
}

/** Opens a round and has it brought out; if the start fails, the relay does it. */
async function openRound(context: RequestContext, round: PartsWorkflowInput): Promise<void> {
  const { caller, database, dependencies, log, now } = context;
  const { postId, targetId, cycle } = round;
  const id = requestIdOf(context, targetId);
  const request = { id, memberId: caller.memberId, memberName: caller.name };
  await inTransaction(database, async (transaction) => {
    if (!(await insertPartRound(transaction, { ...round, request }))) return;
    await insertPartsRequest(transaction, id, round);
    await insertPostEvent(transaction, {
      ...{
        postId,
        eventKey: `parts:${targetId}:${cycle}:retried`,
        type: 'target.parts-retried',
        occurredAt: now,
      },
      ...{ actorId: caller.memberId, actorName: caller.name, data: { targetId, cycle } },
    });
  });
  try {
    await dependencies.postRuns.startParts(round);
    await markOutboxDone(database, id);
  } catch (error) {
    log.warn({ err: error, requestId: id }, 'The parts could not be started; the relay will');
  }
}
