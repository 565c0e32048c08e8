import { ApplicationFailure, CancellationScope, log, workflowInfo } from '@temporalio/workflow';
import { noteRest, ringAlarms } from '../domain/alarms.ts';
import type { Change } from '../domain/change.ts';
import type { Command, CommandAnswer, RefusalCode, ResolveCommand } from '../domain/commands.ts';
import { applyConditions, type Doubt } from '../domain/conditions.ts';
import { evaluate, targetsReadyButForTime } from '../domain/lifecycle.ts';
import type { PostState, TargetState } from '../domain/post-state.ts';
import { applyCommand } from '../domain/reducer.ts';
import { mayCommand } from '../domain/signals.ts';
import type { PartsWorkflowInput, PostRunSettings, StoryPart } from './messages.ts';
import { Mutex } from './mutex.ts';
import { OperatorView } from './operator-view.ts';
import { disarm, lookUpConditions, lookUpMember, project, resolveRow } from './proxies.ts';

/** One run of a post: its state, the one door commands come in by, and what it shows to the outside. */
export class PostRun {
  #state: PostState;
  #changes = 0;
  /** Changes that are not in the rows yet: the run must not end before them. */
  #unwritten = 0;
  /** Commands accepted and not answered yet. */
  #inHand = 0;
  /** How long the history was as a command was answered last: which task that was. */
  #answeredAtLength = -1;
  /** One command at a time. */
  readonly #mutex = new Mutex();
  /** One local activity at a time. */
  readonly #nearby = new Mutex();
  readonly #view = new OperatorView();
  /** The publishing of each target under way, so that a command can end it. */
  readonly #attempts = new Map<string, CancellationScope>();
  /** Policies or holds are others than the state says, or may be. */
  #isStale: boolean;
  /** A receipt has come that the state does not know: the run must not end before it does. */
  #isBehind = false;
  /** What the run has learned may be out, and has not asked about yet. */
  #doubts: readonly Doubt[] = [];
  /** Targets whose parts this run has started. */
  readonly #followed = new Set<string>();
  readonly #story: StoryPart[] = [];
  readonly settings: PostRunSettings;

  /** What the history's length is added to: a run that goes on as new has a short history and a high version. */
  readonly #baseVersion: number;

  constructor(state: PostState, settings: PostRunSettings, { isCarried }: { isCarried: boolean }) {
    this.#state = state;
    this.settings = settings;
    // What a run was carried on with may be old: it looks around first.
    this.#isStale = isCarried;
    this.#baseVersion = isCarried ? state.version : 0;
  }

  /** Everything this run has written about the post, in order: what its rows are rebuilt from. */
  get story(): readonly StoryPart[] {
    return this.#story;
  }

  get isStale(): boolean {
    return this.#isStale || this.#isBehind;
  }

  /** Somebody says that policies or holds have changed, or that a receipt has come. */
  markStale(): void {
    this.#isStale = true;
    this.#changes += 1;
  }

  /** Looks at what holds around the post, and takes on what has changed. */
  async refreshConditions(): Promise<void> {
    this.#isStale = false;
    this.#isBehind = false;
    const { tenantId, postId, policyVersion } = this.#state;
    const conditions = await lookUpConditions(
      { tenantId, postId, knownVersion: policyVersion },
      this.#nearby,
    );
    const change = applyConditions(this.#state, conditions, Date.now());
    if (!change) return;
    this.#doubts = [...this.#doubts, ...(conditions.doubts ?? [])];
    await this.commit(change);
  }

  /** What is to be asked about now: each once, and none while something else is under way for it. */
  takeDoubts(): readonly Doubt[] {
    const open = this.#doubts.filter(({ targetId }) => this.target(targetId).phase === 'RECONCILING');
    this.#doubts = open.filter(({ targetId }) => this.isBusy(targetId));
    return open.filter(({ targetId }) => !this.isBusy(targetId));
  }

  /** Warns, reminds, escalates, archives: whatever has come due. Answers whether anything had. */
  async ringAlarms(): Promise<boolean> {
    const change = ringAlarms(this.#state, Date.now());
    if (change) await this.commit(change);
    return change !== null;
  }

  get state(): PostState {
    return this.#state;
  }

  /** Rises whenever anything changed: what the main loop waits on. */
  get changes(): number {
    return this.#changes;
  }

  get isOver(): boolean {
    const { expiredAtMs, cancelledAtMs, targets, archived } = this.#state;
    if (this.isBusy() || this.#unwritten > 0 || this.#isBehind || this.unfollowed.length > 0) return false;
    if (archived || expiredAtMs !== null) return true;
    if (targets.every((target) => target.phase === 'PUBLISHED')) return true;
    return (
      cancelledAtMs !== null &&
      targets.every((target) => target.phase === 'CANCELLED' || target.phase === 'PUBLISHED')
    );
  }

  /** What follows targets that are out, and has not been started by this run. */
  get unfollowed(): readonly PartsWorkflowInput[] {
    const { tenantId, postId, revision, gates, targets } = this.#state;
    const approvedHash = gates.publish.approvedHash;
    if (!revision.parts || approvedHash === null) return [];
    return targets.flatMap(({ targetId, phase, publicId }) => {
      const kinds = revision.parts?.[targetId];
      if (!kinds || phase !== 'PUBLISHED' || !publicId || this.#followed.has(targetId)) return [];
      const post = { tenantId, postId, targetId, revisionId: revision.revisionId, approvedHash };
      return [{ ...post, publicId, kinds, cycle: 1 }];
    });
  }

  noteFollowed(targetId: string): void {
    this.#followed.add(targetId);
  }

  /** Whether anybody waits for an answer: what people say comes before what time does. */
  get isCommanded(): boolean {
    return this.#inHand > 0;
  }

  /** Whether a step for any target, or for this one, is under way. */
  isBusy(targetId?: string): boolean {
    return targetId === undefined ? this.#attempts.size > 0 : this.#attempts.has(targetId);
  }

  get readyTargets(): readonly TargetState[] {
    return targetsReadyButForTime(this.#state);
  }

  target(targetId: string): TargetState {
    const target = this.#state.targets.find((candidate) => candidate.targetId === targetId);
    if (!target) throw new Error(`This post has no target ${targetId}`);
    return target;
  }

  /** Writes a change to the state, the rows and the operators' view. */
  async commit(change: Change): Promise<void> {
    const version = Math.max(
      change.state.version,
      this.#baseVersion + workflowInfo().historyLength * versionsPerEvent,
    );
    this.#state = noteRest({ ...change.state, version }, Date.now());
    this.#changes += 1;
    const readiness = evaluate(this.#state);
    this.#view.show(this.#state, readiness);
    const { timeline, decisions } = change;
    this.#story.push({ version: this.#state.version, timeline, decisions });
    const projection = { state: { ...this.#state, commands: [] }, readiness, timeline, decisions };
    this.#unwritten += 1;
    // What the state says reaches the rows, also when a command ends the attempt that said it.
    const mark = await CancellationScope.nonCancellable(() => project(projection, this.#nearby));
    this.#unwritten -= 1;
    if (mark.hasNews) {
      this.#isBehind = true;
      this.#changes += 1;
    }
    const known = this.#state.holds.map(({ holdId }) => holdId).sort();
    if (mark.policyVersion > this.#state.policyVersion || mark.holdIds.join() !== known.join())
      this.markStale();
  }

  /** Changes one target and writes it; the run's own steps, as opposed to a person's commands. */
  async setTarget(
    targetId: string,
    fields: Partial<TargetState>,
    timeline: Change['timeline'] = [],
  ): Promise<void> {
    await this.setTargets([targetId], fields, timeline);
  }

  async setTargets(
    targetIds: readonly string[],
    fields: Partial<TargetState>,
    timeline: Change['timeline'] = [],
  ): Promise<void> {
    const targets = this.#state.targets.map((target) =>
      targetIds.includes(target.targetId) ? { ...target, ...fields } : target,
    );
    await this.commit({
      state: { ...this.#state, targets, version: this.#state.version + 1 },
      timeline,
      decisions: [],
    });
  }

  /** Changes a target without telling anybody; the next commit does. */
  noteTarget(targetId: string, fields: Partial<TargetState>): void {
    const targets = this.#state.targets.map((target) =>
      target.targetId === targetId ? { ...target, ...fields } : target,
    );
    this.#state = { ...this.#state, targets };
  }

  /** Takes one armed target back in the rows; `false` when it may have been sent. */
  async takeBackRow(targetId: string): Promise<boolean> {
    const { tenantId, postId } = this.#state;
    const version = this.#state.version + 1;
    const { sendingTargetIds } = await disarm(
      { tenantId, postId, targetIds: [targetId], version, allOrNothing: true },
      this.#nearby,
    );
    this.#state = { ...this.#state, version: Math.max(version, this.#state.version) };
    return sendingTargetIds.length === 0;
  }

  attempt(targetId: string, scope: CancellationScope): void {
    this.#attempts.set(targetId, scope);
  }

  attemptEnded(targetId: string): void {
    this.#attempts.delete(targetId);
    this.#changes += 1;
  }

  /**
   * Refuses, before anything is written, what cannot apply: the Update's validator. Behind a command that is still being
   * carried out nobody can say yet: what comes is judged in its turn. So are all that a reset gives to a run at once.
   */
  check(command: Command): void {
    if (this.#inHand > 0 || this.#isRepeat(command)) return;
    this.#judge(command);
  }

  #judge(command: Command): void {
    const reduction = applyCommand(this.#asIfDisarmed(command), command, Date.now());
    if (!reduction.ok) throw refusal(reduction.refusal.code, reduction.refusal.message);
  }

  /**
   * Carries out a command: one at a time, and with every armed target taken back before it answers. The publication
   * rows decide whether that is still possible; success means committed in Postgres.
   */
  async handle(command: Command): Promise<CommandAnswer> {
    this.#inHand += 1;
    try {
      // A run that has been asked to cancel still answers: what is accepted is carried out whole.
      return await CancellationScope.nonCancellable(() => this.#mutex.run(() => this.#carryOut(command)));
    } finally {
      this.#inHand -= 1;
      this.#answeredAtLength = workflowInfo().historyLength;
    }
  }

  /** Whether somebody is being answered by the very task that is being done. */
  get isAnswering(): boolean {
    return this.#answeredAtLength === workflowInfo().historyLength;
  }

  async #carryOut(command: Command): Promise<CommandAnswer> {
    if (this.#isRepeat(command)) return this.#answer(true);
    if (this.isStale) await this.refreshConditions();
    this.#judge(command);
    await this.#disarmFor(command);
    if (command.kind === 'resolve') await this.#resolveRow(command);
    const reduction = applyCommand(this.#state, command, Date.now());
    if (!reduction.ok) throw refusal(reduction.refusal.code, reduction.refusal.message);
    await this.commit(this.#endPreparing(command, reduction.change));
    return this.#answer(false);
  }

  /** Carries out a command nobody waits for; a refusal is logged with its sender and ends there. */
  async handleUnwaited(command: Command): Promise<void> {
    try {
      await this.handle(command);
    } catch (error) {
      if (!(error instanceof ApplicationFailure)) throw error;
      log.warn('A command was refused', { ...senderOf(command), code: error.type, reason: error.message });
    }
  }

  /** A Signal's sender is nobody's guest: membership is looked up here, and a refusal is logged with its sender. */
  async handleSignal(command: Command, accepts: boolean): Promise<void> {
    if (!accepts) {
      log.warn('A Signal was refused: this run takes Updates only', senderOf(command));
      return;
    }
    const { tenantId, targets } = this.#state;
    const member = await CancellationScope.nonCancellable(() =>
      lookUpMember({ tenantId, memberId: command.actor.memberId }, this.#nearby),
    );
    const profileIds = targets.map((target) => target.profileId);
    if (!member || !mayCommand(member, command.kind, profileIds)) {
      log.warn('A Signal was refused: its sender may not command this post', senderOf(command));
      return;
    }
    const { memberId, role, name } = member;
    await this.handleUnwaited({ ...command, actor: { memberId, role, name } });
  }

  #isRepeat(command: Command): boolean {
    return this.#state.commands.some(({ commandId }) => commandId === command.commandId);
  }

  #answer(repeated: boolean): CommandAnswer {
    const { status, blockedOn } = evaluate(this.#state);
    return {
      postId: this.#state.postId,
      status,
      blockedOn,
      revisionId: this.#state.revision.revisionId,
      version: this.#state.version,
      repeated,
    };
  }

  /** The state a command would meet if every armed target could be taken back. */
  #asIfDisarmed(command: Command): PostState {
    const every = this.#state.targets.map((target) => target.targetId);
    return takesBackArmed(command) ? withWaiting(this.#state, every) : this.#state;
  }

  /** A person's word goes into the row first; where a receipt has come meanwhile, the receipt stands. */
  async #resolveRow(command: ResolveCommand): Promise<void> {
    const { targetId, resolution, permalink } = command;
    if (resolution === 'resend') return;
    const { tenantId, postId } = this.#state;
    const row = await resolveRow({ tenantId, postId, targetId, resolution, permalink }, this.#nearby);
    if (row.kind !== 'published' || resolution === 'published') return;
    const { publicId, publishedAtMs } = row;
    await this.setTarget(targetId, {
      ...{ phase: 'PUBLISHED', publicId, permalink: row.permalink, publishedAtMs, error: null },
    });
    throw refusal('not-unconfirmed', 'The receipt has come meanwhile: the target was published');
  }

  async #disarmFor(command: Command): Promise<void> {
    const armed = this.#state.targets.filter((target) => target.phase === 'ARMING');
    if (!takesBackArmed(command) || armed.length === 0) return;
    const { tenantId, postId } = this.#state;
    const targetIds = armed.map((target) => target.targetId);
    const version = this.#state.version + 1;
    const allOrNothing = command.kind !== 'cancel';
    const { sendingTargetIds } = await disarm(
      { tenantId, postId, targetIds, version, allOrNothing },
      this.#nearby,
    );
    if (allOrNothing && sendingTargetIds.length > 0)
      throw refusal('already-publishing', 'A target is being sent; nothing was changed');
    // An attempt whose sending ended meanwhile is asking what became of it, and goes on: only what still waits is taken back.
    const taken = targetIds.filter(
      (targetId) => !sendingTargetIds.includes(targetId) && this.target(targetId).phase === 'ARMING',
    );
    // The barrier stands in the rows: whatever is armed from here on carries at least its version.
    this.#state = { ...withWaiting(this.#state, taken), version: Math.max(version, this.#state.version) };
    for (const targetId of taken) this.#attempts.get(targetId)?.cancel();
  }

  /** Uploads under way for what a command has just changed are of no use any more. */
  #endPreparing(command: Command, change: Change): Change {
    if (!takesBackArmed(command)) return change;
    const targets = change.state.targets.map((target) => {
      const isOver = target.phase === 'WAITING' || target.phase === 'CANCELLED';
      if (isOver) this.#attempts.get(target.targetId)?.cancel();
      return isOver ? { ...target, preparingSinceMs: null } : target;
    });
    return { ...change, state: { ...change.state, targets } };
  }
}

/**
 * Versions follow the history's length. A task whose worker is lost is done again, perhaps otherwise, after its rows have
 * been written: what is written then must be the newer.
 */
const versionsPerEvent = 10;

const senderOf = ({ kind, commandId, actor }: Command) => ({ kind, commandId, memberId: actor.memberId });

/** Commands that change what is sent, or whether; approvals and retries leave armed targets alone. */
const takesBackArmed = (command: Command): boolean =>
  command.kind === 'decide'
    ? command.verdict === 'reject'
    : command.kind !== 'submit' && command.kind !== 'retry' && command.kind !== 'resolve';

const withWaiting = (state: PostState, targetIds: readonly string[]): PostState => ({
  ...state,
  targets: state.targets.map((target) =>
    target.phase === 'ARMING' && targetIds.includes(target.targetId)
      ? { ...target, phase: 'WAITING' }
      : target,
  ),
});

/** A refusal fails the Update with its code; it must never be a plain Error, which would stall the run. */
const refusal = (code: RefusalCode, message: string): ApplicationFailure =>
  ApplicationFailure.create({ message, type: code, nonRetryable: true, category: 'BENIGN' });
