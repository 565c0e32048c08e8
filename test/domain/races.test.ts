import { randomInt } from 'node:crypto';
import type { Command, DecisionRecord } from '../../domain/commands.ts';
import { targetsReadyButForTime } from '../../domain/lifecycle.ts';
import { type Gate, gates } from '../../domain/post.ts';
import { hashFor, type PostState } from '../../domain/post-state.ts';
import { applyCommand, openPost } from '../../domain/reducer.ts';
import { seededRandom } from '../support/random.ts';
import {
  approve,
  author,
  cancel,
  dueAt,
  edit,
  hour,
  now,
  pause,
  policy,
  postState,
  publishNow,
  reject,
  resume,
  reviewer,
  schedule,
  second,
  third,
} from './builders.ts';

const races = 10_000;
const seed = Number(process.env.GATEPOST_TEST_SEED ?? randomInt(1e9));

/** A post, everything that people have decided about it, and what went out. */
class Life {
  state: PostState;
  readonly decisions: DecisionRecord[] = [];
  readonly sent: string[] = [];
  atMs = now;
  revisions = 1;

  constructor(quorum: number, required: Readonly<Record<Gate, boolean>>) {
    const layer = Object.fromEntries(gates.map((gate) => [gate, { required: required[gate], quorum }]));
    const opened = openPost(postState({ policy: policy(layer) }), author, now);
    this.state = opened.state;
    this.decisions.push(...opened.decisions);
  }

  /** Gives a command a millisecond later; answers whether it was taken. Then sends what is ready and due. */
  give(command: Command): boolean {
    this.atMs += 1;
    const reduction = applyCommand(this.state, command, this.atMs);
    if (reduction.ok) {
      this.state = reduction.change.state;
      this.decisions.push(...reduction.change.decisions);
    }
    this.send();
    return reduction.ok;
  }

  send(): void {
    const due = targetsReadyButForTime(this.state).filter(
      (target) => (target.dueAtMs ?? this.state.dueAtMs ?? Number.POSITIVE_INFINITY) <= this.atMs,
    );
    if (due.length === 0) return;
    // By what was decided and what was said last, not by the state that let it through.
    expect(unapproved(this)).toEqual([]);
    expect([this.state.cancelledAtMs, this.state.paused]).toEqual([null, null]);
    this.sent.push(this.state.revision.publishHash);
    const targets = this.state.targets.map((target) =>
      due.includes(target) ? { ...target, phase: 'PUBLISHED' as const } : target,
    );
    this.state = { ...this.state, targets, version: this.state.version + 1 };
  }
}

/** The gates that the decisions, read from the beginning, do not hold approved on what the post says now. */
function unapproved({ state, decisions }: Life): Gate[] {
  return gates.filter((gate) => {
    const hash = hashFor(gate, state.revision);
    const { required, quorum } = state.policy[gate];
    const after = decisions.findLastIndex(
      (said) => said.verdict === 'reject' && (said.gate === gate || said.returnTo === gate),
    );
    const said = decisions.slice(after + 1).filter((one) => one.gate === gate && one.hash === hash);
    const voters = new Set(said.filter((one) => one.verdict === 'approve').map((one) => one.memberId));
    return required ? voters.size < quorum : !said.some((one) => one.verdict !== 'reject');
  });
}

const people = [reviewer, second, third];
const kinds = ['edit', 'approve', 'reject', 'reschedule', 'cancel', 'pause', 'publish'] as const;
type Kind = (typeof kinds)[number];

/** A command of a kind, as somebody would give it who sees the post as it is, or as it was. */
function commandOf(life: Life, kind: Kind, random: Random): Command {
  const { state } = life;
  const seen = random.chance(0.85) ? state.revision : postState().revision;
  const gate = random.pick(gates);
  const actor = random.pick(people);
  switch (kind) {
    case 'edit': {
      const number = ++life.revisions;
      const [content, design] = random.pick([
        [true, false],
        [false, true],
        [true, true],
      ] as const);
      return edit(
        {
          ...{ revisionId: `revision-${number}`, number },
          contentHash: content ? `content-${number}` : state.revision.contentHash,
          designHash: design ? `design-${number}` : state.revision.designHash,
          publishHash: `publish-${number}`,
        },
        { baseRevisionId: seen.revisionId },
      );
    }
    case 'approve':
      return approve(gate, { actor, hash: hashFor(gate, seen) });
    case 'reject':
      return reject(gate, { actor, hash: hashFor(gate, seen) });
    case 'reschedule':
      return schedule(life.atMs + random.pick([1, 2, 3, hour]));
    case 'cancel':
      return cancel();
    case 'pause':
      return state.paused ? resume() : pause();
    case 'publish':
      return publishNow({ actor, hash: seen.publishHash });
  }
}

interface Random {
  readonly chance: (share: number) => boolean;
  readonly pick: <Value>(values: readonly Value[]) => Value;
}
function randomOf(number: number): Random {
  const next = seededRandom(number);
  return {
    chance: (share) => next() < share,
    pick: (values) => values[Math.floor(next() * values.length)]!,
  };
}

/** Approves what is still open at a gate, by people who have not voted yet. */
function pass(life: Life, gate: Gate): void {
  for (const actor of people)
    if (life.state.gates[gate].status === 'pending')
      life.give(approve(gate, { actor, hash: hashFor(gate, life.state.revision) }));
}

process.stdout.write(`races of the pure modules: GATEPOST_TEST_SEED=${seed}\n`);

test(`publishes nothing but what was approved, in ${races} lives of conflicting commands`, () => {
  const tally = { sent: 0, neverSent: 0 };
  for (let index = 0; index < races; index += 1) {
    const random = randomOf(seed + index);
    const required = {
      content: random.chance(0.8),
      design: random.chance(0.8),
      publish: random.chance(0.8),
    };
    const life = new Life(random.pick([1, 1, 2]), required);
    const steps = random.pick([4, 8, 16]);
    for (let step = 0; step < steps; step += 1) {
      if (random.chance(0.4)) pass(life, random.pick(gates));
      else if (random.chance(0.2)) life.atMs = Math.max(life.atMs, dueAt);
      life.give(
        commandOf(life, random.pick(kinds.filter((kind) => kind !== 'cancel' || random.chance(0.3))), random),
      );
    }
    tally[life.sent.length > 0 ? 'sent' : 'neverSent'] += 1;
    if (life.sent.length > 1) throw new Error(`Sent twice: seed ${seed + index}`);
  }
  // Both ends must be common, or nothing has been tried.
  expect(tally.sent).toBeGreaterThan(races / 20);
  expect(tally.neverSent).toBeGreaterThan(races / 20);
});

const orders = (['content', 'design', 'publish'] as const).map((_, passed) => gates.slice(0, passed + 1));

test.each(kinds.flatMap((first) => kinds.map((then) => ({ first, then }))))(
  'holds for $first against $then, at every stage of the gates and around the due time',
  ({ first, then }) => {
    for (const passed of [[], ...orders])
      for (const startMs of [now, dueAt - 1, dueAt])
        for (let variant = 0; variant < 4; variant += 1) {
          const random = randomOf(seed + variant);
          const life = new Life(1, { content: true, design: true, publish: true });
          life.atMs = startMs - 10;
          for (const gate of passed) pass(life, gate);
          life.give(commandOf(life, first, random));
          life.give(commandOf(life, then, random));
          for (const gate of gates) pass(life, gate);
          life.atMs = dueAt + hour;
          life.send();
          expect(life.sent.length).toBeLessThanOrEqual(1);
        }
  },
);
