import { AssertionError } from 'node:assert';
import type { LedgerEntry } from '../sandbox/ledger.ts';
import { expectedAtMs, signatureOf, signatureOfRevision, unpassedGate } from './approval.ts';
import { type Duration, millisecondsOf } from './clock.ts';
import type { Person } from './people.ts';
import { readLedger } from './platforms.ts';
import { type Post, type Posts, type PostView, type RevisionView, readPages, waitsFor } from './posts.ts';
import type { Control, Profile } from './profiles.ts';

export type { LedgerEntry } from '../sandbox/ledger.ts';

export interface OnTime {
  /** How late it may have gone out (default one minute). Early is never on time. */
  readonly lateBy?: Duration;
}

/**
 * What really went out, as the pretended platforms keep it: no table of ours is asked what was sent. Every expectation
 * throws an `AssertionError` that says what the ledger has, and answers the entries it found.
 */
export interface Ledger {
  /** Everything that went live on a profile's account, oldest first. */
  readonly entries: (profile: Pick<Profile, 'platform' | 'externalId'>) => Promise<LedgerEntry[]>;
  /** Exactly once at every target, on time, and what was approved. */
  readonly expectOnce: (post: Post, options?: OnTime) => Promise<LedgerEntry[]>;
  /** Nothing, at any target. */
  readonly expectNothing: (post: Post) => Promise<void>;
  /** At no target twice, and nothing that was not approved or was early. */
  readonly expectAtMostOnce: (post: Post) => Promise<LedgerEntry[]>;
  /** Whatever went out was on time; something must have. */
  readonly expectOnTime: (post: Post, options?: OnTime) => Promise<LedgerEntry[]>;
}

/** One entry, and what is to be said about it. */
interface Finding {
  readonly entry: LedgerEntry;
  /** Behind the moment it could go out; null where the post has no due time. */
  readonly lateMs: number | null;
  /** Why it should not have gone out like this: `null` when it was approved. */
  readonly unapproved: string | null;
}

interface TargetFindings {
  readonly profile: Profile;
  readonly found: readonly Finding[];
}

const onTimeByDefault: Duration = { minutes: 1 };

export function createLedger(control: Control, posts: Posts, reader: Person): Ledger {
  const inspect = async (post: Post) => {
    const [view, revisions] = await Promise.all([posts.read(post), posts.revisions(post)]);
    const targets: TargetFindings[] = [];
    for (const profile of post.profiles) {
      const entries = await readLedger(control, profile);
      const found = await findingsOf(posts, reader, { view, revisions, profile, entries });
      targets.push({ profile, found });
    }
    return { view, targets };
  };
  const expect = async (
    post: Post,
    expected: string,
    problemOf: (target: TargetFindings) => string | null,
  ): Promise<LedgerEntry[]> => {
    const { view, targets } = await inspect(post);
    for (const target of targets) {
      const problem = problemOf(target);
      if (problem) throw failure(view, target, expected, problem);
    }
    return targets.flatMap(({ found }) => found.map(({ entry }) => entry));
  };
  return {
    entries: (profile) => readLedger(control, profile),
    expectOnce: (post, { lateBy = onTimeByDefault } = {}) =>
      expect(
        post,
        'exactly once, on time, as it was approved',
        ({ found }) => countProblem(found, 1, 1) ?? unapprovedProblem(found) ?? timeProblem(found, lateBy),
      ),
    expectNothing: async (post) =>
      void (await expect(post, 'nothing', ({ found }) => countProblem(found, 0, 0))),
    expectAtMostOnce: (post) =>
      expect(
        post,
        'at most once, never early, as it was approved',
        ({ found }) => countProblem(found, 0, 1) ?? unapprovedProblem(found) ?? timeProblem(found, null),
      ),
    expectOnTime: (post, { lateBy = onTimeByDefault } = {}) =>
      expect(
        post,
        'on time',
        ({ found }) => countProblem(found, 1, Number.POSITIVE_INFINITY) ?? timeProblem(found, lateBy),
      ),
  };
}

interface Inspected {
  readonly view: PostView;
  readonly revisions: readonly RevisionView[];
  readonly profile: Profile;
  readonly entries: readonly LedgerEntry[];
}

/** What of an account's entries is this post's: what any of its revisions says, and what no post says. */
async function findingsOf(posts: Posts, reader: Person, inspected: Inspected): Promise<Finding[]> {
  const { view, revisions, profile, entries } = inspected;
  const own = new Map(revisions.map((one) => [signatureOfRevision(one, profile.id), one]));
  const rest = entries.filter((entry) => !own.has(signatureOfEntry(entry)));
  const others = rest.length > 0 ? await signaturesOfOthers(posts, reader, view.id, profile.id) : new Set();
  const expectedMs = expectedAtMs(view);
  return entries
    .filter((entry) => own.has(signatureOfEntry(entry)) || !others.has(signatureOfEntry(entry)))
    .map((entry) => {
      const receivedMs = Date.parse(entry.receivedAt);
      const revision = own.get(signatureOfEntry(entry));
      const gate = revision && unpassedGate(view, revision, receivedMs);
      const unapproved = revision
        ? gate && `revision ${revision.number} had not passed the ${gate} gate`
        : 'no post says this';
      return {
        entry,
        lateMs: expectedMs === null ? null : receivedMs - expectedMs,
        unapproved: unapproved ?? null,
      };
    });
}

const signatureOfEntry = ({ text, media }: LedgerEntry): string =>
  signatureOf(
    text,
    media.map(({ sha256 }) => sha256),
  );

/** What the account's other posts say, in any revision. */
async function signaturesOfOthers(
  posts: Posts,
  reader: Person,
  postId: string,
  profileId: string,
): Promise<Set<string | null>> {
  const listed = await readPages<{ id: string }>(reader, `/posts?profileId=${profileId}`);
  const others = listed.filter(({ id }) => id !== postId);
  const revisions = await Promise.all(others.map((other) => posts.revisions(other)));
  return new Set(revisions.flat().map((revision) => signatureOfRevision(revision, profileId)));
}

function countProblem(found: readonly Finding[], least: number, most: number): string | null {
  if (found.length >= least && found.length <= most) return null;
  if (found.length === 0) return 'the ledger has no entry for it';
  return `the ledger has ${found.length} ${found.length === 1 ? 'entry' : 'entries'} for it`;
}

const unapprovedProblem = (found: readonly Finding[]): string | null =>
  found.find(({ unapproved }) => unapproved !== null) ? 'it was not what had been approved' : null;

function timeProblem(found: readonly Finding[], lateBy: Duration | null): string | null {
  for (const { lateMs } of found) {
    if (lateMs === null) return 'it has no due time';
    if (lateMs < 0) return 'it was early';
    if (lateBy && lateMs > millisecondsOf(lateBy)) return 'it was late';
  }
  return null;
}

function failure(
  view: PostView,
  { profile, found }: TargetFindings,
  expected: string,
  problem: string,
): Error {
  const { platform, accountKind, externalId } = profile;
  const lines = [
    `Post ${view.id} ${quoted(view.revision.copy)} was to go out to the ${platform} ${accountKind} ${externalId}: ${expected}.`,
    `But ${problem}${found.length > 0 ? ':' : '.'}`,
    ...found.map(describe),
    `The post is ${view.status}, due ${view.dueAt ?? 'at no time'}, and waits for ${waitsFor(view).join(', ') || 'nothing'}.`,
  ];
  return new AssertionError({ message: lines.join('\n'), expected, actual: problem });
}

function describe({ entry, lateMs, unapproved }: Finding, index: number): string {
  const when = lateMs === null ? '' : `, ${Math.abs(lateMs)} ms ${lateMs < 0 ? 'early' : 'after it was due'}`;
  const what = unapproved === null ? 'approved' : `NOT APPROVED (${unapproved})`;
  const media = entry.media.length > 0 ? ` with ${entry.media.length} pictures` : '';
  return `  ${index + 1}. ${entry.receivedAt}${when}, ${what}: ${quoted(entry.text)}${media}, ${entry.publicId}`;
}

const quoted = (text: string): string => JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}…` : text);
