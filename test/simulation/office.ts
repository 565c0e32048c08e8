import type { Command, CommandAnswer } from '../../domain/commands.ts';
import type { PolicyLayer } from '../../domain/policy.ts';
import type { HoldRef } from '../../domain/post-state.ts';
import { postWorkflowId } from '../../workflows/ids.ts';
import { asProcess } from './activity-host.ts';
import { disarmScopeOf } from './db/publications.ts';
import type { Issued, Model } from './model.ts';
import type { Random } from './random.ts';
import type { Rows } from './rows.ts';
import { Process, type Scheduler } from './scheduler.ts';
import type { Temporal } from './temporal.ts';

/** How long a caller waits for an answer before asking again under the same id. */
const patienceMs = 5_000;
const mostTries = 40;

/** What the interface does for people: carries commands to runs, places holds, changes policies. */
export class Office {
  readonly #scheduler: Scheduler;
  readonly #random: Random;
  readonly #temporal: Temporal;
  readonly #rows: Rows;
  readonly #model: Model;
  readonly #process: Process;
  #number = 0;

  constructor(options: {
    scheduler: Scheduler;
    random: Random;
    temporal: Temporal;
    rows: Rows;
    model: Model;
  }) {
    this.#scheduler = options.scheduler;
    this.#random = options.random;
    this.#temporal = options.temporal;
    this.#rows = options.rows;
    this.#model = options.model;
    this.#process = new Process('api', options.scheduler);
  }

  newId(what: string): string {
    return `${what}-${++this.#number}`;
  }

  /** Gives a command until somebody answers it. Requests get lost, answers too, and some are sent twice. */
  async give(postId: string, command: Command): Promise<Issued> {
    const issued = this.#model.posts.get(postId)!.issue(command);
    for (let tries = 0; tries < mostTries && !issued.answer && !issued.isRefused; tries += 1) {
      const answer = await this.#ask(postId, command);
      if (answer === 'missing' && this.#isClosed(postId)) issued.isRefused = true;
      else if (!issued.answer && !issued.isRefused)
        await this.#scheduler.sleep(this.#random.between(200, 20_000));
    }
    return issued;
  }

  #isClosed(postId: string): boolean {
    return this.#temporal.newestRun(postWorkflowId('tenant', postId))?.status === 'completed';
  }

  async #ask(postId: string, command: Command): Promise<'answered' | 'missing' | 'silence'> {
    const answered = new Promise<'answered' | 'missing'>((resolve) => {
      for (let copies = this.#random.chance(0.08) ? 2 : 1; copies > 0; copies -= 1)
        this.#send(postId, command, resolve);
    });
    return Promise.race([answered, this.#scheduler.sleep(patienceMs).then(() => 'silence' as const)]);
  }

  #send(postId: string, command: Command, resolve: (answer: 'answered' | 'missing') => void): void {
    if (this.#random.chance(0.03)) return;
    const update = { id: command.commandId, name: command.kind, input: command };
    this.#scheduler.after(this.#random.between(0, this.#random.chance(0.05) ? 4_000 : 25), () =>
      this.#temporal.update(postWorkflowId('tenant', postId), update, ({ kind }) => {
        const isLost = this.#random.chance(0.03);
        if (!isLost)
          this.#scheduler.after(this.#random.between(0, 10), () =>
            resolve(kind === 'missing' ? kind : 'answered'),
          );
      }),
    );
  }

  /** A hold, and what was on its way already when it was placed. */
  placeHold(hold: HoldRef): Promise<void> {
    const rows = this.#rows;
    const placed = {
      hold,
      returnedAtMs: null as number | null,
      liftedAtMs: null,
      alreadySending: [] as string[],
    };
    this.#model.holds.push(placed);
    return this.#untilDone(async () => {
      await rows.transact(
        `places ${hold.holdId}`,
        () => void rows.holds.set(hold.holdId, { ...hold, isLifted: false }),
      );
      const { scope, subject } = hold;
      const sending = await rows.transact(`takes back what ${hold.holdId} stops`, () =>
        disarmScopeOf(
          rows,
          (row) => scope === 'tenant' || subject === (scope === 'profile' ? row.profile_id : row.platform),
        ),
      );
      placed.alreadySending = sending.map(({ targetId }) => targetId);
      placed.returnedAtMs = this.#scheduler.nowMs;
      this.#pokeAll();
    });
  }

  liftHold(holdId: string): Promise<void> {
    for (const one of this.#model.holds)
      if (one.hold.holdId === holdId) one.liftedAtMs = this.#scheduler.nowMs;
    return this.#untilDone(async () => {
      await this.#rows.transact(`lifts ${holdId}`, () => {
        this.#rows.holds.get(holdId)!.isLifted = true;
      });
      this.#pokeAll();
    });
  }

  changePolicy(layer: PolicyLayer): Promise<void> {
    const rows = this.#rows;
    const version = this.#model.policyChanges(layer);
    return this.#untilDone(async () => {
      await rows.transact('changes the policies', () => {
        rows.policyLayer = layer;
        rows.policyVersion += 1;
      });
      await rows.transact('takes back what is armed under the old policies', () =>
        disarmScopeOf(rows, () => true),
      );
      version.returnedAtMs = this.#scheduler.nowMs;
      this.#pokeAll();
    });
  }

  /** People repeat a request that failed; everything here may be done twice. */
  async #untilDone(work: () => Promise<void>): Promise<void> {
    for (;;)
      try {
        return await asProcess(this.#process, work);
      } catch {
        await this.#scheduler.sleep(this.#random.between(500, 5_000));
      }
  }

  /** Every open post is told to look again, some day, and perhaps twice. */
  #pokeAll(): void {
    for (const postId of this.#rows.posts.keys())
      for (let copies = this.#random.chance(0.1) ? 2 : 1; copies > 0; copies -= 1)
        this.#scheduler.after(this.#random.between(5, this.#random.chance(0.1) ? 30_000 : 300), () =>
          this.#temporal.signal(postWorkflowId('tenant', postId), 'poke'),
        );
  }
}

export const asAnswer = (result: unknown): CommandAnswer => result as CommandAnswer;
