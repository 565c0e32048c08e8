import type { Outlet } from './outlets.ts';
import type { Point, Way } from './points.ts';

/** What is known of a post after a crash: from the platform's own ledger, from our rows, and from its run. */
export interface PostFacts {
  readonly outlet: Outlet;
  /** Whether the outlet's platform can be asked what became of a post. */
  readonly canBeAsked: boolean;
  readonly point: Point;
  readonly way: Way;
  /** What became public on the platform, by id, and how long after its due time. */
  readonly ledger: readonly { readonly publicId: string; readonly latenessMs: number }[];
  /** How many calls that would make it public reached the platform. */
  readonly commits: number;
  /** How many posts the client's one request made. */
  readonly rows: number;
  readonly status: string;
  readonly target: { readonly phase: string; readonly publicId: string | null };
  readonly publication: { readonly state: string; readonly publicId: string | null } | null;
  /** The target's phase as the run says it. */
  readonly runPhase: string;
  /** Whether an operator ended the run: then nobody goes on with it, and it must say so. */
  readonly isEnded: boolean;
  /** What differs when its history is replayed by a worker that has never seen it; `null`: nothing. */
  readonly replay: string | null;
  /** Where the rows differ from what the histories of its runs come to. */
  readonly projection: readonly string[];
  /** From when everything was there again to the outcome, in seconds; `null`: none within the time given. */
  readonly settledAfterSeconds: number | null;
}

export const findingKinds = [
  'duplicate',
  'lost',
  'stuck',
  'early',
  'sent-blindly',
  'untrue',
  'unreplayable',
  'stale-projection',
] as const;
export type FindingKind = (typeof findingKinds)[number];
export interface Finding {
  readonly kind: FindingKind;
  readonly message: string;
}

/** How long an outcome may take once everything is there again, in seconds. */
export const stuckAfterSeconds = 60;

/** Where a crash leaves it open whether the platform took the post. */
export const doubtful: readonly Point[] = ['sending', 'request-sent', 'answered'];

/** Everything that is wrong with what became of a post; empty when it went out exactly once, or says that it does not know. */
export function judge(facts: PostFacts): readonly Finding[] {
  const findings: Finding[] = [];
  const found = (kind: FindingKind, message: string) => findings.push({ kind, message });
  const { ledger, status, settledAfterSeconds } = facts;
  if (ledger.length > 1) found('duplicate', `${ledger.length} entries in the platform's ledger`);
  if (facts.rows !== 1) found('duplicate', `one request made ${facts.rows} posts`);
  if (settledAfterSeconds === null || settledAfterSeconds > stuckAfterSeconds)
    found('stuck', `no outcome within ${stuckAfterSeconds} s: ${status}`);
  if (ledger.some((entry) => entry.latenessMs < 0)) found('early', 'public before its due time');
  if (isLost(facts)) found('lost', `${status}, with ${ledger.length} entries in the platform's ledger`);
  if (!facts.canBeAsked && facts.commits > 1)
    found('sent-blindly', `${facts.commits} calls where nothing can be read back`);
  for (const message of untruths(facts)) found('untrue', message);
  if (facts.replay !== null) found('unreplayable', facts.replay);
  if (facts.projection.length > 0) found('stale-projection', facts.projection.join(', '));
  return findings;
}

/** A post must end as published; as unconfirmed only where nobody can ask its platform and there is cause for doubt. */
function isLost({ canBeAsked, point, status, ledger, isEnded }: PostFacts): boolean {
  if (status === 'PUBLISHED') return ledger.length === 0;
  if (isEnded && status === 'FAILED') return ledger.length > 0;
  const nobodyCanAsk = !canBeAsked || isEnded;
  return !(status === 'UNCONFIRMED' && nobodyCanAsk && doubtful.includes(point));
}

/** Places where what we say differs from the ledger, or from ourselves. */
function* untruths(facts: PostFacts): Generator<string> {
  const { status, ledger, target, publication, runPhase, isEnded } = facts;
  const publicIds = ledger.map((entry) => entry.publicId);
  if (target.phase !== status) yield `the post is ${status}, its target ${target.phase}`;
  if (runPhase !== target.phase && !isEnded) yield `the run says ${runPhase}, the row ${target.phase}`;
  // A sender that was given up and came back has written its receipt, which whoever settles the post is told.
  const isLateReceipt = status === 'UNCONFIRMED' && publication?.state === 'PUBLISHED';
  // Of a run that was ended, the publication stays as it was.
  if (publication?.state !== status && !isLateReceipt && (!isEnded || status === 'PUBLISHED'))
    yield `the post is ${status}, its publication ${publication?.state}`;
  if (isLateReceipt && !publicIds.includes(publication.publicId ?? ''))
    yield `the publication's late receipt ${publication.publicId} is not the platform's`;
  if (status !== 'PUBLISHED') return;
  for (const [where, publicId] of [
    ['target', target.publicId],
    ['publication', publication?.publicId],
  ] as const)
    if (!publicIds.includes(publicId ?? '')) yield `the ${where}'s receipt ${publicId} is not the platform's`;
}
