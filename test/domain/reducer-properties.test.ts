import { isDeepStrictEqual } from 'node:util';
import { nextAlarmAtMs, noteRest, ringAlarms } from '../../domain/alarms.ts';
import type { Change } from '../../domain/change.ts';
import { type Command, resolutions } from '../../domain/commands.ts';
import { applyConditions } from '../../domain/conditions.ts';
import { evaluate, targetsReadyButForTime } from '../../domain/lifecycle.ts';
import { latenessRules, type PolicyLayer } from '../../domain/policy.ts';
import { type Gate, gates } from '../../domain/post.ts';
import { type Actor, hashFor, openGate, type PostState, type TargetState } from '../../domain/post-state.ts';
import { applyCommand, openPost } from '../../domain/reducer.ts';
import {
  actor,
  approve,
  archive,
  cancel,
  deepFreeze,
  edit,
  hour,
  isReadyButForTime,
  now,
  pause,
  policy,
  postState,
  publishNow,
  Random,
  reject,
  resolve,
  resume,
  retry,
  revisionRef,
  schedule,
  submit,
  target,
  withdraw,
} from './builders.ts';

const members = [
  actor('ada'),
  actor('ben', 'tenant_admin'),
  actor('cho'),
  actor('dee', 'graphic_designer'),
  actor('eve', 'viewer'),
];
/** Of the tenant, of one target's profile, or of another's. */
const anyHolds = [null, 'profile of a', 'profile of b'].map((subject) => ({
  holdId: `on ${subject}`,
  scope: subject === null ? ('tenant' as const) : ('profile' as const),
  subject,
  reason: 'Storm',
}));
const sequences = 3_000;
const longest = 30;
const firstSeed = 1_000;

/** What a gate of the policy asks for, as the test itself understands it. */
interface Rule {
  readonly required: boolean;
  readonly quorum: number;
  readonly authorMay: boolean;
  readonly eligible: readonly string[];
}

/** One approval that was accepted and has not been undone since. */
interface Approval {
  readonly gate: Gate;
  readonly memberId: string;
  readonly hash: string;
  readonly wasAuthor: boolean;
}

/** One random life of a post, with a ledger of its approvals that is kept apart from its state. */
class Life {
  readonly random: Random;
  readonly rules: Readonly<Record<Gate, Rule>>;
  state: PostState;
  nowMs = now;
  approvals: Approval[] = [];
  hashes = 1;
  commands = 0;
  reached = new Set<string>();

  constructor(seed: number) {
    this.random = new Random(seed);
    const choices = gates.map((gate) => [gate, this.#anyRule()] as const);
    this.rules = Object.fromEntries(choices.map(([gate, { rule }]) => [gate, rule])) as Record<Gate, Rule>;
    const layer: PolicyLayer = Object.fromEntries(choices.map(([gate, { layer: one }]) => [gate, one]));
    const type = this.random.pick(['TEXT_ONLY', 'SINGLE_IMAGE', 'CAROUSEL'] as const);
    const fresh = postState({
      type,
      policy: policy(layer),
      revision: revisionRef({
        mediaCount: this.random.pick([0, 1, 2, 2]),
        hasCopy: this.random.chance(0.8),
        authors: { content: 'ada', design: this.random.pick(['ada', 'dee']), publish: 'ada' },
      }),
      dueAtMs: this.random.pick([null, now + hour, now + 5 * hour]),
      targets: ['a', 'b', 'c'].slice(0, this.random.pick([1, 2, 3])).map((id) => target(id)),
    });
    this.state = deepFreeze(openPost(deepFreeze(fresh), members[0]!, now).state);
  }

  #anyRule() {
    const named = this.random.chance(0.2) ? ['dee'] : [];
    const wide = this.random.chance(0.85);
    const lateness = this.random.pick(latenessRules);
    const rule: Rule = {
      required: this.random.chance(0.75),
      quorum: wide ? this.random.pick([1, 1, 2, 2, 3]) : 1,
      authorMay: this.random.chance(0.3),
      eligible: [...(wide ? ['ada', 'ben', 'cho'] : ['ben']), ...named],
    };
    const roles = wide ? (['content_manager', 'tenant_admin'] as const) : (['tenant_admin'] as const);
    const { required, quorum, authorMay } = rule;
    const alarms = { slaHours: this.random.pick([1, 2, 24]), reminderEveryHours: 1, reminders: 1 };
    const deciders = { roles, memberIds: named };
    // Nobody is added: who may decide is told by the rule alone.
    const escalateTo = { roles: [], memberIds: [] };
    return { rule, layer: { ...alarms, required, quorum, authorMay, lateness, deciders, escalateTo } };
  }

  /** Time passes, and what is due goes out or does not. */
  passTime(): void {
    this.nowMs += Math.floor(this.random.next() * this.random.pick([1_000, hour / 2, 3 * hour]));
    const due = targetsReadyButForTime(this.state).filter(
      (one) => (one.dueAtMs ?? this.state.dueAtMs!) <= this.nowMs,
    );
    const targets = this.state.targets.map((one): TargetState => {
      if (due.includes(one) && this.random.chance(0.7)) return { ...one, phase: 'ARMING' };
      if (one.phase !== 'ARMING' && one.phase !== 'RECONCILING') return one;
      const phase = this.random.pick([
        one.phase,
        'RECONCILING',
        'PUBLISHED',
        'FAILED',
        'FAILED',
        'UNCONFIRMED',
      ] as const);
      const error = phase === 'FAILED' ? { code: 'rejected', message: 'No' } : null;
      return { ...one, phase, error };
    });
    this.state = deepFreeze(noteRest({ ...this.state, targets }, this.nowMs));
  }

  /** Somebody places or lifts a hold, or what waits for people has waited long. */
  changeConditions(): void {
    const holds = anyHolds.filter(() => this.random.chance(0.04));
    const { policyVersion } = this.state;
    const conditions = { policyVersion, policy: null, holds, receipts: [] };
    const change = applyConditions(this.state, conditions, this.nowMs);
    if (!change) return;
    must(change.state.version === this.state.version + 1, 'a change of conditions raises the version by one');
    must(change.decisions.length === 0, 'a hold decides nothing');
    this.state = deepFreeze(change.state);
    this.reached.add('conditions changed');
  }

  ringAlarms(): void {
    const isDue = (nextAlarmAtMs(this.state) ?? Number.POSITIVE_INFINITY) <= this.nowMs;
    const change = ringAlarms(this.state, this.nowMs);
    must((change !== null) === isDue, 'an alarm rings when it is due, and only then');
    if (!change) return;
    must((nextAlarmAtMs(change.state) ?? Number.POSITIVE_INFINITY) > this.nowMs, 'an alarm rings once');
    this.state = deepFreeze(change.state);
    for (const { type } of change.timeline) this.reached.add(type);
  }

  /** A command that mostly makes sense, and sometimes does not. */
  nextCommand(): Command {
    const { random, state } = this;
    const waitingAt = gates.find((gate) => state.gates[gate].status !== 'approved') ?? 'publish';
    const gate = random.chance(0.8) ? waitingAt : random.pick(gates);
    const eligible = members.filter(({ memberId }) => this.rules[gate].eligible.includes(memberId));
    const by: Actor = random.pick(random.chance(0.7) ? eligible : members);
    const fields = { actor: by, commandId: `command-${++this.commands}` };
    const hash = (one: Gate) => (random.chance(0.9) ? hashFor(one, state.revision) : 'another hash');
    if (state.paused && random.chance(0.3)) return resume(fields);
    const any = random.next();
    if (any < 0.62) return approve(gate, { ...fields, hash: hash(gate) });
    if (any < 0.67) return this.#reject(random.pick([gate, gate, 'publish']), fields);
    if (any < 0.73) return this.#edit(by, fields);
    if (any < 0.78) return this.#schedule(fields);
    if (any < 0.85) return publishNow({ ...fields, hash: hash('publish') });
    if (any < 0.89) return retry(random.pick([null, ['a'], ['b', 'c']]), fields);
    if (any < 0.935) return resolve(random.pick(['a', 'b']), random.pick([...resolutions]), fields);
    if (any < 0.942) return withdraw(fields);
    if (any < 0.95) return cancel(fields);
    if (any < 0.96) return random.chance(0.8) ? pause(fields) : resume(fields);
    if (any < 0.98) return archive(fields);
    const dueAtMs = random.pick([null, this.nowMs + hour]);
    return submit({ ...fields, revision: state.revision, dueAtMs });
  }

  #schedule(fields: { actor: Actor; commandId: string }): Command {
    const { random } = this;
    const anyTime = () => this.nowMs + random.pick([-hour, hour, hour, 4 * hour]);
    if (random.chance(0.7)) return schedule(anyTime(), fields);
    const targets = [{ targetId: random.pick(['a', 'b']), dueAtMs: random.pick([null, anyTime()]) }];
    return schedule(0, { ...fields, dueAtMs: null, targets });
  }

  #reject(gate: Gate, fields: { actor: Actor; commandId: string }): Command {
    return reject(gate, {
      ...fields,
      hash: hashFor(gate, this.state.revision),
      notes: this.random.pick(['No', 'No', ' ', null]),
      returnTo: this.random.pick([null, null, ...gates]),
    });
  }

  /** Whoever changes a gate's inputs is its author; sometimes an edit goes back to what was there before. */
  #edit(by: Actor, fields: { actor: Actor; commandId: string }): Command {
    const { revision } = this.state;
    const changes = gates.filter(() => this.random.chance(0.4));
    const changed = gates.filter(
      (gate) => changes.includes(gate) || (gate === 'publish' && changes.length > 0),
    );
    const number = this.random.chance(0.3) ? 1 : ++this.hashes;
    const hashes = Object.fromEntries(changed.map((gate) => [`${gate}Hash`, `${gate}-${number}`]));
    const reallyChanged = changed.filter((gate) => hashes[`${gate}Hash`] !== hashFor(gate, revision));
    const authors = Object.fromEntries(reallyChanged.map((gate) => [gate, by.memberId]));
    const next = {
      ...revision,
      ...hashes,
      revisionId: `revision-of-${fields.commandId}`,
      number: revision.number + 1,
      authors: { ...revision.authors, ...authors },
      mediaCount: reallyChanged.includes('design') ? this.random.pick([0, 1, 2, 2]) : revision.mediaCount,
      hasCopy: reallyChanged.includes('content') ? this.random.chance(0.9) : revision.hasCopy,
    };
    const baseRevisionId = this.random.chance(0.9) ? revision.revisionId : 'revision-of-nobody';
    return edit(next, { ...fields, baseRevisionId });
  }

  /** Keeps the ledger: an approval ends with a rejection of its gate, a change of its hash, or a withdrawal. */
  note(before: PostState, command: Command): void {
    const forget = (...ended: readonly Gate[]) => {
      this.approvals = this.approvals.filter(({ gate }) => !ended.includes(gate));
    };
    if (command.kind === 'withdraw') forget(...gates);
    if (command.kind === 'edit')
      forget(...gates.filter((gate) => hashFor(gate, command.revision) !== hashFor(gate, before.revision)));
    const isOpen = before.gates.publish.status === 'pending';
    const votes =
      command.kind === 'decide' && command.verdict === 'approve'
        ? command.gate
        : command.kind === 'publishNow' && isOpen
          ? ('publish' as const)
          : null;
    if (command.kind === 'decide' && command.verdict === 'reject') {
      forget(command.gate);
      if (command.gate === 'publish') forget(command.returnTo ?? 'content');
    }
    if (votes === null || !('hash' in command)) return;
    const { memberId } = command.actor;
    const wasAuthor = before.revision.authors[votes] === memberId;
    this.approvals.push({ gate: votes, memberId, hash: command.hash, wasAuthor });
  }
}

/** Fails with what a reader needs to see. */
function must(holds: boolean, what: string): asserts holds {
  if (!holds) throw new Error(`It must hold that ${what}`);
}

/** The heart of it: what goes out has been approved, by enough members who may, as it is now. */
function checkReady({ state, rules, approvals }: Life): void {
  const { revision, type } = state;
  const isText = type === 'TEXT_ONLY';
  for (const gate of isText ? (['content', 'publish'] as const) : gates) {
    const rule = rules[gate];
    const hash = revision[`${gate}Hash`];
    const valid = approvals.filter(
      (one) =>
        one.gate === gate &&
        one.hash === hash &&
        rule.eligible.includes(one.memberId) &&
        (rule.authorMay || !one.wasAuthor),
    );
    const voters = new Set(valid.map(({ memberId }) => memberId));
    const byPolicy = !rule.required && state.gates[gate].decidedBy === 'policy';
    must(byPolicy || voters.size >= rule.quorum, `the ${gate} gate has ${rule.quorum} approvals of ${hash}`);
    must(state.gates[gate].approvedHash === hash, `the ${gate} gate was passed on ${hash}`);
  }
  must(!isText || revision.hasCopy, 'a ready text has copy');
  must(
    revision.mediaCount >= { TEXT_ONLY: 0, SINGLE_IMAGE: 1, CAROUSEL: 2 }[type as string]!,
    'media are there',
  );
  must(!state.draft && state.cancelledAtMs === null && state.expiredAtMs === null, 'a ready post is alive');
  must(!state.paused && !state.archived, 'a ready post is neither paused nor archived');
  const stopped = state.holds.flatMap(({ subject }) =>
    subject === null ? ['a', 'b', 'c'] : [subject.at(-1)],
  );
  for (const { targetId, phase } of targetsReadyButForTime(state))
    must(phase === 'WAITING' && !stopped.includes(targetId), 'nothing that is held is ready');
}

function checkGates(state: PostState): void {
  const { gates: all, revision, readyAtMs, draft } = state;
  must(
    (readyAtMs !== null) === (openGate(state) === null && !draft),
    'it is known since when no gate is open',
  );
  for (const gate of gates) {
    const { status, votes, approvedHash, decidedBy, round } = all[gate];
    const hash = hashFor(gate, revision);
    must((status === 'approved') === (approvedHash !== null), `the ${gate} gate has a hash when approved`);
    must(approvedHash === null || approvedHash === hash, `the approval at ${gate} is of the current hash`);
    must(
      votes.every((vote) => vote.hash === hash),
      `the votes at ${gate} are on the current hash`,
    );
    must(
      new Set(votes.map(({ memberId }) => memberId)).size === votes.length,
      `${gate} has one vote a member`,
    );
    must((status === 'pending') === (decidedBy === null), `a pending ${gate} gate was decided by nobody`);
    must(round >= 1, 'rounds count from one');
  }
}

/** What no command may do to targets: touch what is on its way or out, or make a cycle but by a retry. */
function checkTargets(before: PostState, state: PostState, command: Command): void {
  for (const [index, was] of before.targets.entries()) {
    const is = state.targets[index]!;
    const isRetried = command.kind === 'retry' && was.phase === 'FAILED' && is.phase === 'WAITING';
    const isCancelled =
      command.kind === 'cancel' && ['WAITING', 'FAILED'].includes(was.phase) && is.phase === 'CANCELLED';
    const isResolved =
      command.kind === 'resolve' && was.phase === 'UNCONFIRMED' && is.targetId === command.targetId;
    const isResent = isResolved && command.resolution === 'resend';
    must(
      isRetried || isCancelled || isResolved || is.phase === was.phase,
      `${command.kind} leaves ${was.phase} alone`,
    );
    must(is.cycle === was.cycle + (isRetried || isResent ? 1 : 0), 'only a person mints a cycle');
  }
}

function checkChange(life: Life, before: PostState, command: Command, change: Change): void {
  const { state, timeline, decisions } = change;
  must(state.version === before.version + 1, 'each command raises the version by one');
  const last = state.commands.at(-1);
  must(last?.commandId === command.commandId && last.version === state.version, 'it is remembered');
  must(timeline.length > 0 && timeline.every(({ atMs }) => atMs === life.nowMs), 'its story is told');
  const casts = decisions.filter(({ verdict }) => verdict !== 'policy');
  must(
    casts.length === (command.kind === 'decide' ? 1 : Math.min(casts.length, 1)),
    'a decision is recorded',
  );
  must(casts.length === 0 || ['decide', 'publishNow'].includes(command.kind), 'nothing else decides');
  must(
    casts.every(({ memberId }) => memberId === command.actor.memberId),
    'it names its member',
  );
  for (const gate of gates) must(state.gates[gate].round >= before.gates[gate].round, 'rounds never fall');
  const sent = state.targets.some(({ phase }) => phase === 'PUBLISHED');
  must(!(state.expiredAtMs !== null && sent), 'what is out in part does not expire');
  checkTargets(before, state, command);
}

/** There is always a way out: what neither moves nor is closed can be cancelled, but for what nobody can tell. */
function checkWayOut({ state, nowMs }: Life): void {
  const isClosed =
    state.archived ||
    state.expiredAtMs !== null ||
    state.targets.every(({ phase }) => ['PUBLISHED', 'CANCELLED'].includes(phase));
  const isStuck = !state.targets.some(({ phase }) => phase === 'WAITING' || phase === 'FAILED');
  if (isClosed || isStuck) return;
  must(applyCommand(state, cancel(), nowMs).ok, `a post that is ${evaluate(state).status} can be cancelled`);
}

function step(life: Life): void {
  const { random } = life;
  life.passTime();
  if (random.chance(0.3)) life.changeConditions();
  if (random.chance(0.8)) life.ringAlarms();
  const command = deepFreeze(life.nextCommand());
  // Before most commands the run takes back what is armed, where the row lets it.
  if (random.chance(0.3))
    life.state = deepFreeze({
      ...life.state,
      targets: life.state.targets.map(
        (one): TargetState => (one.phase === 'ARMING' ? { ...one, phase: 'WAITING' } : one),
      ),
    });
  const before = life.state;
  const reduction = applyCommand(before, command, life.nowMs);
  const again = applyCommand(before, command, life.nowMs);
  must(isDeepStrictEqual(reduction, again), 'the same command gives the same result');
  if (reduction.ok) {
    checkChange(life, before, command, reduction.change);
    life.note(before, command);
    life.state = deepFreeze(reduction.change.state);
    life.reached.add(`${command.kind} accepted`);
  } else must(!('change' in reduction), 'a refusal brings no state');
  checkGates(life.state);
  checkWayOut(life);
  life.reached.add(evaluate(life.state).status);
  if (!isReadyButForTime(life.state)) return;
  life.reached.add('ready');
  checkReady(life);
}

it(`keeps its promises in ${sequences} random lives of up to ${longest} commands`, () => {
  const reached = new Map<string, number>();
  for (let seed = firstSeed; seed < firstSeed + sequences; seed += 1) {
    const life = new Life(seed);
    const length = 5 + Math.floor(life.random.next() * (longest - 4));
    for (let number = 1; number <= length; number += 1)
      try {
        step(life);
      } catch (cause) {
        const state = JSON.stringify(life.state, null, 1);
        throw new Error(`Seed ${seed}, command ${number}: ${cause}\n${state}`, { cause });
      }
    for (const name of life.reached) reached.set(name, (reached.get(name) ?? 0) + 1);
  }

  // Promises about posts that never come to be ready would be easy to keep.
  const rare = (name: string, times: number) => (reached.get(name) ?? 0) < times;
  expect(rare('ready', 500)).toBe(false);
  const statuses = ['PUBLISHING', 'PUBLISHED', 'PARTIALLY_PUBLISHED', 'FAILED', 'UNCONFIRMED', 'EXPIRED'];
  const kinds = [
    'submit',
    'withdraw',
    'decide',
    'edit',
    'schedule',
    'publishNow',
    'retry',
    'resolve',
    'pause',
    'resume',
    'archive',
    'cancel',
  ];
  const rung = ['gate.warned', 'gate.reminded', 'gate.escalated', 'conditions changed'];
  const wanted = [
    ...['CANCELLED', 'DRAFT', 'APPROVED', ...statuses, ...rung],
    ...kinds.map((kind) => `${kind} accepted`),
  ];
  expect(wanted.filter((name) => rare(name, 25))).toEqual([]);
});
