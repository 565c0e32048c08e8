import { createHash } from 'node:crypto';
import type { PolicyLayer } from '../../domain/policy.ts';
import { type Gate, gates } from '../../domain/post.ts';
import {
  type Actor,
  gatesOf,
  type PostState,
  type RevisionRef,
  restoredState,
} from '../../domain/post-state.ts';
import { defaultRates } from '../../domain/rates.ts';
import type { RevisionContent } from '../../domain/revision.ts';
import { postWorkflowId } from '../../workflows/ids.ts';
import type { PostWorkflowInput } from '../../workflows/messages.ts';
import type { ActivityFunctions } from './activity-host.ts';
import { checkAtRest } from './at-rest.ts';
import { Model } from './model.ts';
import { asAnswer, Office } from './office.ts';
import {
  anyHold,
  anyPostType,
  members,
  newMedia,
  nextAct,
  revisionRefOf,
  sensible,
  type WorldAct,
} from './people.ts';
import type { Plant } from './plants.ts';
import { Platforms } from './platforms.ts';
import { Random } from './random.ts';
import { type PostRows, type Profile, Rows } from './rows.ts';
import { Scheduler } from './scheduler.ts';
import { Temporal, type UpdateAnswer } from './temporal.ts';
import type { WorkflowCode } from './workflow-code.ts';

export interface WorldOptions {
  readonly seed: number;
  readonly posts: number;
  readonly operations: number;
  readonly code: WorkflowCode;
  /** The product's activities, around the rows and platforms of this world. */
  readonly createActivities: (world: World) => ActivityFunctions;
  readonly plant?: Plant | null;
  /** Only these posts do anything, and without these of their steps: to make a failing world smaller. */
  readonly only?: { readonly posts: readonly string[]; readonly without: ReadonlySet<string> };
}

export interface WorldResult {
  readonly hash: string;
  readonly violations: readonly string[];
  readonly log: readonly string[];
  readonly steps: ReadonlyMap<string, number>;
  /** How often what came to pass, e.g. statuses reached. */
  readonly reached: ReadonlyMap<string, number>;
  readonly operations: number;
}

const startMs = Date.UTC(2026, 4, 4, 9);
const minute = 60_000;
const hour = 60 * minute;
const linkedInProfiles = ['organization', 'member', 'organization'] as const;

/** Lives one world from its seed: posts, people, platforms, faults; then quiet, and a look at what has become of all. */
export async function liveWorld(options: WorldOptions): Promise<WorldResult> {
  const world = new World(options);
  await world.live();
  return world.result();
}

export class World {
  readonly scheduler = new Scheduler(startMs);
  readonly random: Random;
  readonly roughness: number;
  readonly rows: Rows;
  readonly platforms: Platforms;
  readonly temporal: Temporal;
  readonly model: Model;
  readonly office: Office;
  readonly profiles: readonly Profile[];
  /** No platform is configured for the tenant's mode: a mistake of whoever runs the workers. */
  isMisconfigured = false;
  readonly #options: WorldOptions;
  readonly #hash = createHash('sha256');
  readonly #log: string[] = [];
  readonly #inputs = new Map<string, PostWorkflowInput>();
  readonly #steps = new Map<string, number>();
  readonly #reached = new Map<string, number>();
  #operations = 0;
  #lastStepMs = startMs;
  #isQuiet = false;

  constructor(options: WorldOptions) {
    this.#options = options;
    const { seed, plant = null } = options;
    const random = new Random(seed);
    const { scheduler } = this;
    const log = (line: string) => this.log(line);
    this.random = random;
    this.roughness = random.pick([0.05, 0.2, 0.4]);
    this.profiles = profilesOf();
    const rowFaults = { lostAnswer: 0.004 * this.roughness, slow: 0.02 * this.roughness };
    this.rows = new Rows({ scheduler, random: random.fork('rows'), log, plant, faults: rowFaults });
    this.rows.policyLayer = anyPolicy(random.fork('policy'));
    for (const member of members) this.rows.members.set(member.memberId, member);
    this.platforms = new Platforms({
      ...{ scheduler, random: random.fork('platforms'), log, plant },
      ...{ faults: platformFaults(this.roughness), refusesDuplicates: random.chance(0.3) },
    });
    this.model = new Model(() => scheduler.nowMs, this.rows.policyLayer);
    this.temporal = new Temporal({
      ...{ scheduler, random: random.fork('temporal'), code: options.code, log },
      ...{
        faults: { presumedLost: 0.03 * this.roughness },
        broken: (what) => this.model.violated(null, what),
      },
    });
    this.temporal.losesTimers = plant === 'lost-timers';
    this.temporal.activities = options.createActivities(this);
    const { rows, temporal, model } = this;
    this.office = new Office({ scheduler, random: random.fork('office'), temporal, rows, model });
    this.#watch();
  }

  #watch(): void {
    this.rows.observer = { claimed: (row) => this.model.claimed(row) };
    this.platforms.accepted = (entry) => this.model.accepted(entry);
    this.temporal.onUndone = (workflowId, updateId) => {
      this.log(`${workflowId} refuses ${updateId} when it is applied again`);
      this.model.posts.get(workflowId.split('/').at(-1)!)?.undone(updateId);
    };
    this.temporal.onAnswer = (workflowId, updateId, answer) => {
      this.log(`${workflowId} answers ${updateId}: ${describe(answer)}`);
      if (answer.kind === 'missing') return;
      const postId = workflowId.split('/').at(-1)!;
      const result = answer.kind === 'completed' ? asAnswer(answer.result) : null;
      this.model.posts.get(postId)?.answered(updateId, result);
    };
  }

  log(line: string): void {
    const text = `${String(this.scheduler.nowMs - startMs).padStart(10)} ${line}`;
    this.#hash.update(`${text}\n`);
    this.#log.push(text);
  }

  reached(what: string): void {
    this.#reached.set(what, (this.#reached.get(what) ?? 0) + 1);
  }

  async live(): Promise<void> {
    const postIds = Array.from({ length: this.#options.posts }, (_, index) => `post-${index + 1}`);
    for (const postId of postIds) this.#submitLater(postId);
    await this.scheduler.runUntil(startMs + 3 * hour);
    await this.#untilQuiet();
    await checkAtRest(this);
    await this.#followBlocks();
    await checkAtRest(this, { isOver: true });
    await this.temporal.close();
  }

  result(): WorldResult {
    return {
      hash: this.#hash.digest('hex'),
      violations: this.model.violations,
      log: this.#log,
      ...{ steps: this.#steps, reached: this.#reached, operations: this.#operations },
    };
  }

  /** The last steps are taken, the faults stop, and whatever was set off comes to its end. */
  async #untilQuiet(): Promise<void> {
    while (this.#lastStepMs > this.scheduler.nowMs) await this.scheduler.runUntil(this.#lastStepMs + minute);
    this.#isQuiet = true;
    this.log('quiet');
    this.rows.faults = { lostAnswer: 0, slow: 0 };
    this.rows.isAway = false;
    this.isMisconfigured = false;
    this.temporal.faults = { presumedLost: 0 };
    this.temporal.stepClock(0);
    for (let count = 0; count < 3; count += 1) this.temporal.startWorker();
    this.platforms.faults = { commit: { ok: 1 }, find: 0, prepare: 0, listDelayMs: 0 };
    this.platforms.renewTokens();
    await this.scheduler.runUntil(this.scheduler.nowMs + 8 * hour);
  }

  /** People who do nothing but what `blockedOn` tells them bring every post to its end. */
  async #followBlocks(): Promise<void> {
    for (let round = 0; round < 30 && this.#openPosts().length > 0; round += 1) {
      for (const post of this.#openPosts()) {
        const act = sensible(this, post, post.runState!, this.random.fork(`${post.postId} follow ${round}`));
        if (act?.kind === 'command') void this.office.give(post.postId, act.command);
        else if (act) this.#befall(act.kind, post.postId, this.random.fork(`follow ${round}`));
      }
      await this.scheduler.runUntil(this.scheduler.nowMs + 3 * hour);
    }
  }

  #openPosts(): PostRows[] {
    return [...this.rows.posts.values()].filter(
      ({ postId }) => this.temporal.newestRun(postWorkflowId('tenant', postId))?.isOpen,
    );
  }

  #submitLater(postId: string): void {
    const random = this.random.fork(postId);
    this.scheduler.after(random.between(0, 10 * minute), () => {
      this.#submit(postId, random);
      const { operations } = this.#options;
      this.#planStep(postId, 1, random.between(5, operations), random);
    });
  }

  #submit(postId: string, random: Random): void {
    const type = anyPostType(random);
    const profiles = this.profiles.filter(({ platform }) => type !== 'TEXT_ONLY' || platform === 'linkedin');
    const chosen = [...profiles]
      .sort(() => random.next() - 0.5)
      .slice(0, random.weighted({ 1: 5, 2: 3, 3: 1 }) as never);
    const dueMs = () => this.scheduler.nowMs + random.between(2 * minute, 2 * hour);
    const targets = chosen.map((profile, index) => ({
      ...{ targetId: `${postId}/${index + 1}`, profile },
      dueAtMs: random.chance(0.15) ? dueMs() : null,
    }));
    const content: RevisionContent = {
      ...{
        type,
        copy: `${postId}: first wording`,
        media: newMedia(this, random.between(0, type === 'TEXT_ONLY' ? 0 : 2)),
      },
      targets: targets.map(({ targetId, profile: { profileId } }) => ({
        ...{ targetId, profileId, copy: random.chance(0.2) ? `${postId}: for ${profileId} alone` : null },
      })),
    };
    const dueAtMs = random.chance(0.9) ? dueMs() : null;
    const rows = targets.map(({ targetId, profile }) => ({ targetId, profile, phase: 'WAITING' as const }));
    this.rows.posts.set(postId, {
      ...{ postId, targets: rows, runState: null, readiness: null },
      ...{ projected: [0, 0], barrier: [0, 0], epochs: new Map() },
    });
    const submitter = random.pick(members.slice(0, 3));
    const revision = revisionRefOf(`${postId}/revision-1`, 1, content, submitter, null);
    this.rows.revisions.set(revision.revisionId, { revisionId: revision.revisionId, postId, content });
    const facts = { postId, gates: gatesOf(type), dueAtMs, revision, targets };
    const model = this.model.addPost(facts);
    model.submittedAtMs = this.scheduler.nowMs;
    model.revisions.set(revision.revisionId, { ref: revision, content });
    const input = this.#inputOf({ ...facts, type, submitter, random });
    this.#inputs.set(postId, input);
    this.log(
      `${postId} is submitted: ${type} for ${targets.map(({ profile }) => profile.profileId)}, due ${dueAtMs}`,
    );
    this.temporal.start(postWorkflowId('tenant', postId), input);
  }

  #inputOf(post: {
    postId: string;
    type: PostWorkflowInput['post']['type'];
    revision: RevisionRef;
    dueAtMs: number | null;
    targets: readonly { targetId: string; profile: Profile; dueAtMs: number | null }[];
    submitter: Actor;
    random: Random;
  }): PostWorkflowInput {
    const { postId, type, revision, dueAtMs, random } = post;
    const policy = this.model.policiesBetween(this.scheduler.nowMs, this.scheduler.nowMs)[0]!;
    const targets = post.targets.map(({ targetId, profile, dueAtMs: ownMs }) => ({
      ...{
        targetId,
        profileId: profile.profileId,
        platform: profile.platform,
        accountKind: profile.accountKind,
      },
      ...{ type, dueAtMs: ownMs },
    }));
    const origin = random.chance(0.2) ? 'ai' : 'human';
    return {
      post: {
        ...{ tenantId: 'tenant', postId, type, origin, revision, policy, dueAtMs, targets },
        policyVersion: this.rows.policyVersion,
      },
      submittedBy: post.submitter,
      settings: {
        armLeadMs: random.pick([0, 2_000, 10_000, 10_000]),
        acceptSignals: false,
        ...(random.chance(0.3) && { continueAsNewAfterEvents: random.between(20, 120) }),
      },
    };
  }

  /** Stores a revision as the interface does, before the command that names it is given. */
  write(post: PostRows, state: PostState, content: RevisionContent, actor: Actor): RevisionRef {
    const number =
      [...this.rows.revisions.values()].filter(({ postId }) => postId === post.postId).length + 1;
    const revisionId = `${post.postId}/revision-${number}`;
    const revision = revisionRefOf(revisionId, number, content, actor, state.revision);
    this.rows.revisions.set(revisionId, { revisionId, postId: post.postId, content });
    this.model.posts.get(post.postId)!.revisions.set(revisionId, { ref: revision, content });
    return revision;
  }

  /** What somebody sees who looks at the account. */
  isOut(postId: string, targetId: string): boolean {
    return (this.model.posts.get(postId)!.entries.get(targetId) ?? 0) > 0;
  }

  noteMistake(postId: string, targetId: string, resolution: 'published' | 'absent' | 'resend'): void {
    const mistakes = this.model.posts.get(postId)!.mistakesOf(targetId);
    if (resolution === 'published') mistakes.claimed = true;
    else mistakes.sentTwice += 1;
  }

  #planStep(postId: string, step: number, last: number, random: Random): void {
    const own = random.fork(`step ${step}`);
    const atMs = this.#nextMoment(postId, own);
    this.#lastStepMs = Math.max(this.#lastStepMs, atMs);
    this.scheduler.at(atMs, () => {
      if (this.#isQuiet || !this.temporal.newestRun(postWorkflowId('tenant', postId))?.isOpen) return;
      this.#steps.set(postId, step);
      if (!this.#isLeftOut(postId, step)) this.#take(postId, own);
      if (step < last) this.#planStep(postId, step + 1, last, random);
    });
  }

  #isLeftOut(postId: string, step: number): boolean {
    const { only } = this.#options;
    return only !== undefined && (!only.posts.includes(postId) || only.without.has(`${postId}#${step}`));
  }

  /** Mostly soon, and often just around the instant at which the post is armed and sent. */
  #nextMoment(postId: string, random: Random): number {
    const { nowMs } = this.scheduler;
    const state = this.rows.posts.get(postId)?.runState;
    const dues =
      state?.targets.map((target) => target.dueAtMs ?? state.dueAtMs).filter((at) => at !== null) ?? [];
    const near = dues.map((dueMs) => dueMs + random.between(-14_000, 26_000)).filter((at) => at > nowMs);
    const isReady = state?.readyAtMs !== null;
    if (near.length > 0 && near[0]! < nowMs + 4 * hour && random.chance(isReady ? 0.6 : 0.1))
      return random.pick(near);
    return (
      nowMs +
      random.pick([random.between(0, 400), random.between(500, 20_000), random.between(20_000, 8 * minute)])
    );
  }

  #take(postId: string, random: Random): void {
    const act = nextAct(this, this.rows.posts.get(postId)!, random);
    if (!act) return;
    this.#operations += 1;
    if (act.kind !== 'command') {
      this.#befall(act.kind, postId, random);
      return;
    }
    const { kind, commandId, actor } = act.command;
    this.log(`${postId} ${actor.memberId} gives ${kind} ${commandId} ${detailsOf(act.command)}`);
    void this.office.give(postId, act.command).then((issued) => {
      this.reached(`${kind} ${issued.answer ? 'taken' : issued.isRefused ? 'refused' : 'unanswered'}`);
      const isRepeated = random.chance(0.05);
      if (isRepeated && !this.#isQuiet) void this.office.give(postId, act.command);
    });
  }

  #befall(act: WorldAct, postId: string, random: Random): void {
    this.log(`${postId} ${act}`);
    this.reached(act);
    const workflowId = postWorkflowId('tenant', postId);
    switch (act) {
      case 'place-hold':
        void this.office.placeHold(anyHold(this, random));
        return;
      case 'lift-hold': {
        const standing = [...this.rows.holds.values()].filter(({ isLifted }) => !isLifted);
        for (const { holdId } of standing) if (random.chance(0.7)) void this.office.liftHold(holdId);
        return;
      }
      case 'change-policy':
        void this.office.changePolicy(anyPolicy(random));
        return;
      case 'kill-worker':
        this.temporal.killWorker();
        this.scheduler.after(random.between(500, 20_000), () => this.temporal.startWorker());
        return;
      case 'reset':
        this.model.posts.get(postId)!.putBack({ isLost: false });
        this.scheduler.after(0, async () => {
          await this.temporal.reset(workflowId);
        });
        return;
      case 'lose':
        this.#lose(postId, random);
        return;
      case 'step-clock':
        this.temporal.stepClock(random.pick([-hour, -5_000, 0, 0, 5_000, hour]));
        return;
      case 'cut-database':
        this.rows.isAway = true;
        this.scheduler.after(random.between(200, 15_000), () => {
          this.rows.isAway = false;
        });
        return;
      case 'renew-tokens':
        this.platforms.renewTokens();
        return;
      case 'misconfigure':
        this.isMisconfigured = true;
        this.scheduler.after(random.between(1_000, 60_000), () => {
          this.isMisconfigured = false;
        });
    }
  }

  /** Maintenance starts a run that nobody knows any more from what the rows say. */
  #lose(postId: string, random: Random): void {
    const workflowId = postWorkflowId('tenant', postId);
    this.model.posts.get(postId)!.putBack({ isLost: true });
    this.scheduler.after(0, () => this.temporal.lose(workflowId));
    const restartedAtMs = this.scheduler.nowMs + random.between(35_000, 90_000);
    this.#lastStepMs = Math.max(this.#lastStepMs, restartedAtMs);
    this.scheduler.at(restartedAtMs, () => {
      const state = this.rows.posts.get(postId)!.runState;
      if (this.temporal.newestRun(workflowId)?.status !== 'lost') return;
      const carried = state ? { carried: restoredState(state) } : {};
      this.temporal.start(workflowId, { ...this.#inputs.get(postId)!, ...carried });
    });
  }
}

const profilesOf = (): Profile[] => [
  ...linkedInProfiles.map((accountKind, index) => ({
    ...{ profileId: `linkedin-${index + 1}`, platform: 'linkedin' as const, accountKind },
    externalId: `urn:li:${accountKind}:${index + 1}`,
  })),
  ...[1, 2].map((number) => ({
    ...{ profileId: `instagram-${number}`, platform: 'instagram' as const, accountKind: 'business' as const },
    externalId: `1784${number}`,
  })),
];

const platformFaults = (roughness: number) => ({
  commit: {
    ok: 1,
    'accepted-without-answer': 0.3 * roughness,
    'accepted-then-error': 0.3 * roughness,
    'accepted-unreadable': 0.2 * roughness,
    'no-answer': 0.3 * roughness,
    'no-connection': 0.3 * roughness,
    'server-error': 0.3 * roughness,
    'rate-limited-for': 0.3 * roughness,
    'rate-limited': 0.3 * roughness,
    refused: 0.2 * roughness,
    unauthorized: 0.1 * roughness,
  },
  find: 0.5 * roughness,
  prepare: 0.3 * roughness,
  listDelayMs: 55_000,
});

/** Quorums stay below the number of those who may decide. */
function anyPolicy(random: Random): PolicyLayer {
  const layers = gates.map((gate): [Gate, PolicyLayer[Gate]] => {
    const isWide = random.chance(0.8);
    const roles = isWide ? (['content_manager', 'tenant_admin'] as const) : (['tenant_admin'] as const);
    return [
      gate,
      {
        required: random.chance(0.75),
        quorum: isWide && random.chance(0.3) ? 2 : 1,
        authorMay: !isWide || random.chance(0.3),
        deciders: { roles: [...roles], memberIds: random.chance(0.2) ? ['dee'] : [] },
        lateness: random.weighted({ publish: 3, hold: 3, expire: 1 }),
        reopensOnDueTime: random.chance(0.1),
        slaHours: random.pick([1, 24]),
      },
    ];
  });
  return Object.fromEntries(layers);
}

export const simulatedRates = defaultRates;

function describe(answer: UpdateAnswer): string {
  if (answer.kind !== 'completed')
    return answer.kind === 'rejected' ? `refused, ${answer.code}` : answer.kind;
  const { status, version, repeated } = asAnswer(answer.result);
  return `${status} v${version}${repeated ? ', repeated' : ''}`;
}

function detailsOf(command: object): string {
  const { commandId: _id, actor: _actor, kind: _kind, ...rest } = command as Record<string, unknown>;
  return JSON.stringify(rest, (key, value) => (/Hash$|^hash$/.test(key) ? String(value).slice(0, 8) : value));
}
