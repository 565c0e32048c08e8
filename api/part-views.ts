import type { PartRoundRow } from '../db/part-rounds.ts';
import type { PublicationRow } from '../db/timeline.ts';
import { type PartState, partStateOf } from '../domain/parts.ts';
import type { PartKind, TargetError } from '../domain/post-state.ts';

/** One of what follows a target's post, as it stands. */
export interface ShownPart {
  readonly part: number;
  readonly kind: PartKind;
  readonly state: PartState;
  readonly publicId: string | null;
  readonly permalink: string | null;
  readonly publishedAt: Date | null;
  readonly error: TargetError | null;
}

/** What follows a target's post that has been started, by the newest round and the newest row of each part. */
export const partsOfRound = (
  round: Pick<PartRoundRow, 'target_id' | 'cycle' | 'kinds' | 'outcomes' | 'ended_at'>,
  publications: readonly PublicationRow[],
): ShownPart[] =>
  round.kinds.map((kind, index) => {
    const part = index + 1;
    const row = newestOf(publications, round.target_id, part);
    const outcome = round.outcomes?.find((one) => one.part === part) ?? null;
    // A round whose run was ended by hand has left no word: what is not out has failed.
    const ended = round.ended_at === null ? null : (outcome?.kind ?? 'refused');
    const state = partStateOf(row && { state: row.state, isOfRound: row.cycle === round.cycle }, ended);
    return {
      ...{ part, kind, state },
      ...{ publicId: row?.public_id ?? null, permalink: row?.permalink ?? null },
      ...{ publishedAt: row?.published_at ?? null, error: errorOf(state, row, outcome?.error ?? null) },
    };
  });

const newestOf = (
  publications: readonly PublicationRow[],
  targetId: string,
  part: number,
): PublicationRow | null =>
  publications
    .filter((row) => row.target_id === targetId && row.part === part)
    .reduce<PublicationRow | null>(
      (newest, row) => (newest === null || row.cycle > newest.cycle ? row : newest),
      null,
    );

/** What keeps it from being out; what is out, or on its way, has none. */
function errorOf(
  state: PartState,
  row: PublicationRow | null,
  error: TargetError | null,
): TargetError | null {
  if (state === 'PUBLISHED' || state === 'SENDING') return null;
  if (error) return error;
  return row?.error_code ? { code: row.error_code, message: row.error_message ?? '' } : null;
}
