import type { PublicationRow } from '../../db/publications.ts';
import type { Command, CommandAnswer } from '../../domain/commands.ts';
import { type PolicyLayer, type PostPolicy, resolvePostPolicy } from '../../domain/policy.ts';
import type { Gate } from '../../domain/post.ts';
import type { HoldRef, RevisionRef } from '../../domain/post-state.ts';
import type { RevisionContent } from '../../domain/revision.ts';
import type { LedgerEntry } from './platforms.ts';
import type { Profile } from './rows.ts';

/*
 * What must hold, said once more and from outside: from what people were answered, and from what the public sees. It knows
 * nothing of phases, fences and versions, and never looks at a run's state.
 */

/** A command as people know it. An answer that is not known yet may turn out either way. */
export interface Issued {
  readonly command: Command;
  readonly issuedAtMs: number;
  /** It was under way when its run was lost: a refusal that comes later says nothing of what was done. */
  isInDoubt: boolean;
  answeredAtMs: number | null;
  answer: CommandAnswer | null;
  isRefused: boolean;
}

export interface PostFacts {
  readonly postId: string;
  readonly gates: readonly Gate[];
  readonly dueAtMs: number | null;
  readonly revision: RevisionRef;
  readonly targets: readonly {
    readonly targetId: string;
    readonly profile: Profile;
    readonly dueAtMs: number | null;
  }[];
}

interface Claim {
  readonly row: PublicationRow;
  readonly atMs: number;
  entries: number;
}

interface PlacedHold {
  readonly hold: HoldRef;
  returnedAtMs: number | null;
  /** From the moment on that somebody asks for it to be lifted, nobody can say. */
  liftedAtMs: number | null;
  alreadySending: readonly string[];
}

interface PolicyVersion {
  readonly layer: PolicyLayer;
  readonly fromMs: number;
  /** When whoever changed it was answered; from then on nothing else is in force. */
  returnedAtMs: number | null;
}

/** How long a run may take to hear of a changed policy: a vote counts by the one it knew. */
const hearsayMs = 120_000;
const hourMs = 3_600_000;

export class Model {
  readonly violations: string[] = [];
  readonly posts = new Map<string, PostModel>();
  readonly holds: PlacedHold[] = [];
  readonly #policies: PolicyVersion[] = [];
  readonly nowMs: () => number;

  constructor(nowMs: () => number, layer: PolicyLayer) {
    this.nowMs = nowMs;
    this.#policies.push({ layer, fromMs: 0, returnedAtMs: 0 });
  }

  violated(postId: string | null, what: string): void {
    this.violations.push(`${postId ? `${postId}: ` : ''}${what}`);
  }

  addPost(facts: PostFacts): PostModel {
    const post = new PostModel(this, facts);
    this.posts.set(facts.postId, post);
    return post;
  }

  policyChanges(layer: PolicyLayer): PolicyVersion {
    const version = { layer, fromMs: this.nowMs(), returnedAtMs: null };
    this.#policies.push(version);
    return version;
  }

  /** Every policy that may have been in force in a stretch of time, as it is for a post. */
  policiesBetween(fromMs: number, toMs: number): PostPolicy[] {
    const end = (index: number) => this.#policies[index + 1]?.returnedAtMs ?? Number.POSITIVE_INFINITY;
    return this.#policies
      .filter(({ fromMs: since }, index) => since <= toMs && end(index) >= fromMs)
      .map(({ layer }) => resolvePostPolicy([[layer]]));
  }

  /** Holds of which somebody has been told that they stand. */
  standingOn(profile: Profile): PlacedHold[] {
    return this.holds.filter(
      ({ hold: { scope, subject }, returnedAtMs, liftedAtMs }) =>
        returnedAtMs !== null &&
        liftedAtMs === null &&
        (scope === 'tenant' || subject === (scope === 'profile' ? profile.profileId : profile.platform)),
    );
  }

  claimed(row: PublicationRow): void {
    this.posts.get(row.post_id)!.claimed(row);
  }

  accepted(entry: LedgerEntry): void {
    const post = this.posts.get(entry.text.split(':')[0]!);
    if (post) post.accepted(entry);
    else this.violated(null, `nobody wrote what ${entry.externalId} shows: ${entry.text}`);
  }
}

/** What a person has said wrongly of a target may cost a second entry, or claim one that is not there. */
interface Mistakes {
  sentTwice: number;
  claimed: boolean;
}

export class PostModel {
  readonly facts: PostFacts;
  readonly revisions = new Map<string, { readonly ref: RevisionRef; readonly content: RevisionContent }>();
  readonly issued = new Map<string, Issued>();
  /** Accepted commands, in the order in which they took effect. */
  readonly taken: Issued[] = [];
  readonly claims: Claim[] = [];
  readonly entries = new Map<string, number>();
  readonly mistakes = new Map<string, Mistakes>();
  readonly #model: Model;

  constructor(model: Model, facts: PostFacts) {
    this.#model = model;
    this.facts = facts;
  }

  issue(command: Command): Issued {
    const known = this.issued.get(command.commandId);
    if (known) return known;
    const issued = {
      ...{ command, issuedAtMs: this.#model.nowMs(), answeredAtMs: null, answer: null },
      ...{ isRefused: false, isInDoubt: false },
    };
    this.issued.set(command.commandId, issued);
    return issued;
  }

  answered(commandId: string, answer: CommandAnswer | null): void {
    const issued = this.issued.get(commandId);
    if (!issued || issued.answer) return;
    if (!answer) {
      issued.isRefused = true;
      return;
    }
    issued.isRefused = false;
    issued.answer = answer;
    issued.answeredAtMs = this.#model.nowMs();
    this.taken.push(issued);
  }

  /** An operator has put the run back to where the command does not apply; what it left in the rows may stand. */
  undone(commandId: string): void {
    const issued = this.issued.get(commandId);
    if (!issued) return;
    Object.assign(issued, { answer: null, isRefused: true, isInDoubt: true });
    const index = this.taken.indexOf(issued);
    if (index >= 0) this.taken.splice(index, 1);
  }

  /** Commands that may have been carried out, or not. */
  get open(): readonly Issued[] {
    return [...this.issued.values()].filter(
      ({ answer, isRefused, isInDoubt }) => !answer && (isInDoubt || !isRefused),
    );
  }

  /** An operator has reset its run, or the server is about to lose it. */
  putBack({ isLost }: { isLost: boolean }): void {
    if (isLost) for (const issued of this.open) issued.isInDoubt = true;
    // A run that is reset is given again what it had accepted, also what it refused later: it is judged anew.
    else for (const issued of this.issued.values()) if (issued.isRefused) issued.isInDoubt = true;
  }

  mistakesOf(targetId: string): Mistakes {
    const known = this.mistakes.get(targetId) ?? { sentTwice: 0, claimed: false };
    this.mistakes.set(targetId, known);
    return known;
  }

  #must(holds: boolean, what: string): void {
    if (!holds) this.#model.violated(this.facts.postId, what);
  }

  claimed(row: PublicationRow): void {
    const target = this.facts.targets.find(({ targetId }) => targetId === row.target_id)!;
    const revision = this.revisions.get(row.revision_id)!;
    const atMs = this.#model.nowMs();
    this.claims.push({ row, atMs, entries: 0 });
    const said = foldCommands(this);
    const may = (kind: Command['kind']) => this.open.some(({ command }) => command.kind === kind);
    const which = `${row.target_id} is claimed`;
    this.#must(
      row.approved_hash === revision.ref.publishHash,
      `${which} under a hash that is not its revision's`,
    );
    this.#must(!said.isCancelled, `${which} although the post has been cancelled`);
    this.#must(!said.isDraft || may('submit'), `${which} although the post is a draft`);
    this.#must(!said.isPaused || may('resume'), `${which} although the post is paused`);
    const held = this.#model.standingOn(target.profile);
    this.#must(held.length === 0, `${which} although ${held.map(({ hold }) => hold.holdId)} holds it`);
    this.#must(
      said.revisionId === row.revision_id || this.#isBeingWritten(row.revision_id),
      `${which} with ${row.revision_id}, but the post is at ${said.revisionId}`,
    );
    const dueAtMs = earliestDue(this, said, target.targetId);
    this.#must(dueAtMs !== null, `${which} without a due time`);
    this.#must(dueAtMs === null || atMs >= dueAtMs, `${which} ${(dueAtMs ?? 0) - atMs} ms early`);
    for (const gate of this.facts.gates) this.#mustBeApproved(gate, revision.ref, said, which);
  }

  #isBeingWritten(revisionId: string): boolean {
    return this.open.some(
      ({ command }) =>
        (command.kind === 'edit' || command.kind === 'submit') && command.revision.revisionId === revisionId,
    );
  }

  #mustBeApproved(gate: Gate, revision: RevisionRef, said: Said, which: string): void {
    const nowMs = this.#model.nowMs();
    if (this.#model.policiesBetween(nowMs, nowMs).some((policy) => !policy[gate].required)) return;
    const hash = hashOfGate(gate, revision);
    const open = this.open.flatMap((issued) => voteOf(issued) ?? []);
    const votes = [...said.votes, ...open].filter((vote) => vote.gate === gate && vote.hash === hash);
    const firstMs = Math.min(nowMs, ...votes.map((vote) => vote.atMs));
    const isEnough = this.#model.policiesBetween(firstMs - hearsayMs, nowMs).some((policy) => {
      const rule = policy[gate];
      const voters = votes.filter(
        ({ command: { actor }, atMs }) =>
          (rule.authorMay || revision.authors[gate] !== actor.memberId) &&
          rule.decidersOfAll.every((one) => {
            const isLate = atMs >= this.#submittedAtMs + rule.slaHours * hourMs;
            const who = isLate ? [one, one.escalateTo] : [one];
            return who.some(
              ({ roles, memberIds }) => roles.includes(actor.role) || memberIds.includes(actor.memberId),
            );
          }),
      );
      return new Set(voters.map(({ command }) => command.actor.memberId)).size >= rule.quorum;
    });
    this.#must(isEnough, `${which} although the ${gate} gate is not approved on ${hash.slice(0, 8)}`);
  }

  get #submittedAtMs(): number {
    return this.submittedAtMs;
  }
  submittedAtMs = 0;

  accepted(entry: LedgerEntry): void {
    const target = this.facts.targets.find(({ profile }) => profile.externalId === entry.externalId);
    if (!target) {
      this.#must(false, `${entry.externalId} shows it, which is none of its targets`);
      return;
    }
    const { targetId } = target;
    const which = `${targetId} went out`;
    const entries = (this.entries.get(targetId) ?? 0) + 1;
    this.entries.set(targetId, entries);
    this.#must(entries <= 1 + this.mistakesOf(targetId).sentTwice, `${which} ${entries} times`);
    const claim = this.claims.findLast(({ row }) => row.target_id === targetId);
    if (!claim) {
      this.#must(false, `${which} unclaimed`);
      return;
    }
    claim.entries += 1;
    this.#must(claim.entries === 1, `${which} ${claim.entries} times under one claim`);
    this.#mustShow(entry, claim, targetId);
    for (const issued of this.taken) this.#mustBeTooLate(issued, claim, which);
    for (const { hold, alreadySending } of this.#model.standingOn(target.profile))
      this.#must(
        alreadySending.includes(targetId),
        `${which} after ${hold.holdId} was placed, which did not name it`,
      );
  }

  #mustShow(entry: LedgerEntry, { row }: Claim, targetId: string): void {
    const { content } = this.revisions.get(row.revision_id)!;
    const own = content.targets.find((target) => target.targetId === targetId)!;
    const type = own.type ?? content.type;
    const shown = type === 'TEXT_ONLY' ? [] : type === 'CAROUSEL' ? content.media : content.media.slice(0, 1);
    const media = shown.map(({ sha256 }) => sha256).join();
    const isSame = entry.text === (own.copy ?? content.copy) && entry.media.join() === media;
    this.#must(
      isSame,
      `${targetId} shows ${entry.text} [${entry.media}], not what was approved as ${row.revision_id}`,
    );
  }

  /** A command that was answered between claim and publication must have said that it came too late. */
  #mustBeTooLate({ command, answeredAtMs, answer }: Issued, { row, atMs }: Claim, which: string): void {
    if (answeredAtMs === null || answeredAtMs <= atMs) return;
    const stops = ['edit', 'withdraw', 'schedule', 'pause'].includes(command.kind);
    const isRejection = command.kind === 'decide' && command.verdict === 'reject';
    this.#must(!stops && !isRejection, `${which} after ${command.kind} ${command.commandId} was answered`);
    if (command.kind !== 'cancel') return;
    const isNamed = answer!.blockedOn.some(
      ({ code, targetId }) => code === 'publishing' && targetId === row.target_id,
    );
    this.#must(isNamed, `${which} after the cancel ${command.commandId} was answered without naming it`);
  }
}

interface Vote {
  readonly gate: Gate;
  readonly hash: string;
  readonly command: Command;
  readonly atMs: number;
}

/** What the post is by what people were answered. */
interface Said {
  revisionId: string;
  revision: RevisionRef;
  isDraft: boolean;
  isPaused: boolean;
  isCancelled: boolean;
  dueAtMs: number | null;
  readonly ownDueAtMs: Map<string, number | null>;
  readonly perhapsOwnMs: Map<string, number>;
  votes: Vote[];
}

function voteOf({ command, issuedAtMs, answeredAtMs }: Issued): Vote | null {
  const atMs = answeredAtMs ?? issuedAtMs;
  if (command.kind === 'publishNow') return { gate: 'publish', hash: command.hash, command, atMs };
  if (command.kind !== 'decide' || command.verdict !== 'approve') return null;
  return { gate: command.gate, hash: command.hash, command, atMs };
}

const hashOfGate = (gate: Gate, { contentHash, designHash, publishHash }: RevisionRef): string =>
  ({ content: contentHash, design: designHash, publish: publishHash })[gate];

function foldCommands({ facts, taken }: PostModel): Said {
  const said: Said = {
    ...{ revisionId: facts.revision.revisionId, revision: facts.revision, dueAtMs: facts.dueAtMs, votes: [] },
    ...{ isDraft: false, isPaused: false, isCancelled: false },
    ownDueAtMs: new Map(facts.targets.map(({ targetId, dueAtMs }) => [targetId, dueAtMs])),
    perhapsOwnMs: new Map(),
  };
  for (const issued of taken) foldOne(said, issued);
  return said;
}

function foldOne(said: Said, issued: Issued): void {
  const { command } = issued;
  const undo = (...gates: readonly Gate[]) => {
    said.votes = said.votes.filter((vote) => !gates.includes(vote.gate));
  };
  const vote = voteOf(issued);
  if (vote) said.votes.push(vote);
  switch (command.kind) {
    case 'decide':
      if (command.verdict === 'reject')
        undo(command.gate, command.returnTo ?? (command.gate === 'publish' ? 'content' : command.gate));
      return;
    case 'edit': {
      const changed = (['content', 'design', 'publish'] as const).filter(
        (gate) => hashOfGate(gate, command.revision) !== hashOfGate(gate, said.revision),
      );
      undo(...changed);
      setRevision(said, command.revision);
      return;
    }
    case 'withdraw':
      undo('content', 'design', 'publish');
      said.isDraft = true;
      return;
    case 'submit':
      if (!said.isDraft) return;
      said.isDraft = false;
      setRevision(said, command.revision);
      said.dueAtMs = command.dueAtMs;
      setOwnDueTimes(said, command.targets);
      return;
    case 'schedule':
      said.dueAtMs = command.dueAtMs ?? said.dueAtMs;
      setOwnDueTimes(said, command.targets);
      return;
    case 'publishNow':
      for (const [targetId, ownMs] of said.ownDueAtMs)
        if (ownMs !== null && ownMs > issued.issuedAtMs) {
          said.ownDueAtMs.set(targetId, null);
          // One that had failed was not meant, and keeps its own.
          said.perhapsOwnMs.set(targetId, ownMs);
        }
      said.dueAtMs = issued.issuedAtMs;
      return;
    case 'pause':
    case 'resume':
      said.isPaused = command.kind === 'pause';
      return;
    case 'cancel':
      said.isCancelled = true;
      return;
    case 'retry':
    case 'resolve':
    case 'archive':
      return;
  }
}

function setOwnDueTimes(said: Said, targets: readonly { targetId: string; dueAtMs: number | null }[]): void {
  for (const { targetId, dueAtMs } of targets) {
    said.ownDueAtMs.set(targetId, dueAtMs);
    said.perhapsOwnMs.delete(targetId);
  }
}

function setRevision(said: Said, revision: RevisionRef): void {
  said.revision = revision;
  said.revisionId = revision.revisionId;
}

/** The earliest instant a target may go out at; `null` where nobody has said any. */
function earliestDue(post: PostModel, said: Said, targetId: string): number | null {
  const possible = [said.ownDueAtMs.get(targetId) ?? said.dueAtMs, said.perhapsOwnMs.get(targetId) ?? null];
  for (const { command, issuedAtMs } of post.open) {
    if (command.kind === 'publishNow') possible.push(issuedAtMs);
    if (command.kind !== 'schedule' && command.kind !== 'submit') continue;
    const own = command.targets.find((target) => target.targetId === targetId);
    possible.push(own?.dueAtMs ?? command.dueAtMs ?? said.dueAtMs);
  }
  const known = possible.filter((atMs) => atMs !== null);
  return known.length > 0 ? Math.min(...known) : null;
}
