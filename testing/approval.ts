import { type Gate, gates, isVisual } from '../domain/post.ts';
import type { PostView, RevisionView } from './posts.ts';

/*
 * Whether what went out had been approved, told from the decisions that people can read and from nothing that the runs
 * believe of themselves.
 */

/** What one target of a revision shows the public, in a form that can be compared. */
export const signatureOf = (text: string, sha256s: readonly string[]): string =>
  JSON.stringify([text, ...sha256s]);

/** The same of a revision, by the profile it goes to. */
export function signatureOfRevision(revision: RevisionView, profileId: string): string | null {
  const target = revision.targets.find((one) => one.profileId === profileId);
  if (!target) return null;
  return signatureOf(
    target.copy ?? revision.copy,
    revision.media.map(({ sha256 }) => sha256),
  );
}

/** The first gate that had not been passed for this revision at this moment; null when all had. */
export const unpassedGate = (post: PostView, revision: RevisionView, atMs: number): Gate | null =>
  gates.find((gate) => isWanted(post, gate) && !isPassed(post, revision, gate, atMs)) ?? null;

const isWanted = ({ type, policy }: PostView, gate: Gate): boolean =>
  (gate !== 'design' || isVisual(type)) && policy?.[gate].required !== false;

/** Enough people approved these very words, and nobody took it back since. */
function isPassed(post: PostView, revision: RevisionView, gate: Gate, atMs: number): boolean {
  const hash = revision.hashes[gate];
  const said = post.decisions
    .filter((decision) => decision.gate === gate && Date.parse(decision.decidedAt) <= atMs)
    .sort((one, other) => Date.parse(one.decidedAt) - Date.parse(other.decidedAt));
  const lastNo = said.findLastIndex(({ verdict }) => verdict === 'reject');
  const voters = said.slice(lastNo + 1).filter((one) => one.verdict === 'approve' && one.hash === hash);
  return new Set(voters.map(({ memberId }) => memberId)).size >= (post.policy?.[gate].quorum ?? 1);
}

/** From when on the post could go out: its due time, or the moment the last gate opened where that was later. */
export function expectedAtMs(post: PostView): number | null {
  if (post.dueAt === null) return null;
  const opened = post.decisions
    .filter(({ verdict }) => verdict !== 'reject')
    .map((one) => Date.parse(one.decidedAt));
  return Math.max(Date.parse(post.dueAt), ...opened);
}
