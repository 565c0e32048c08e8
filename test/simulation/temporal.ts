import { defaultPayloadConverter as payloads } from '@temporalio/common';
import type { coresdk } from '@temporalio/proto';
import type { PostWorkflowInput } from '../../workflows/messages.ts';
import type { ActivityFunctions } from './activity-host.ts';
import type { Random } from './random.ts';
import { Process, type Scheduler } from './scheduler.ts';
import type { Job, WorkflowCode } from './workflow-code.ts';
import { WorkflowRun } from './workflow-run.ts';

export interface TemporalFaults {
  /** How often an attempt is held for lost that goes on all the same. */
  readonly presumedLost: number;
}

export interface TemporalOptions {
  readonly scheduler: Scheduler;
  readonly random: Random;
  readonly code: WorkflowCode;
  readonly faults: TemporalFaults;
  readonly log: (line: string) => void;
  /** Something that must never be, e.g. a history that does not replay. */
  readonly broken: (what: string) => void;
}

/** How an update ended: `lost` when nobody can tell, `missing` where no open run takes it. */
export type UpdateAnswer =
  | { readonly kind: 'completed'; readonly result: unknown }
  | { readonly kind: 'rejected'; readonly code: string }
  | { readonly kind: 'missing' };

interface Update {
  readonly workflowId: string;
  readonly name: string;
  answer: UpdateAnswer | null;
  isAccepted: boolean;
  readonly listeners: ((answer: UpdateAnswer) => void)[];
}

const firstWorkerBoots = 3;

/** A Temporal server of the simulation's own: runs, tasks, timers, activities, updates, and all that may befall them. */
export class Temporal {
  readonly scheduler: Scheduler;
  readonly random: Random;
  readonly code: WorkflowCode;
  readonly log: (line: string) => void;
  readonly broken: (what: string) => void;
  faults: TemporalFaults;
  activities: ActivityFunctions = {};
  /** Planted only: timers that never fire. */
  losesTimers = false;
  onRunClosed: (workflowId: string) => void = () => {};
  /** When the server has taken an update's answer on: from here on it holds. */
  /** Applied again after a reset, it has been refused: whatever it was answered before. */
  onUndone: (workflowId: string, updateId: string) => void = () => {};
  onAnswer: (workflowId: string, updateId: string, answer: UpdateAnswer) => void = () => {};
  /** How far the server's clock is ahead of true time. */
  #clockAheadMs = 0;
  #workers: Process[] = [];
  #runNumber = 0;
  #workerNumber = 0;
  readonly #runs = new Map<string, WorkflowRun[]>();
  readonly #updates = new Map<string, Update>();

  constructor(options: TemporalOptions) {
    this.scheduler = options.scheduler;
    this.random = options.random;
    this.code = options.code;
    this.faults = options.faults;
    this.log = options.log;
    this.broken = options.broken;
    for (let index = 0; index < firstWorkerBoots; index += 1) this.startWorker();
  }

  /** What the server's clock shows. */
  get nowMs(): number {
    return this.scheduler.nowMs + this.#clockAheadMs;
  }

  stepClock(aheadMs: number): void {
    this.#clockAheadMs = aheadMs;
    for (const run of this.#openRuns()) run.clockStepped();
  }

  startWorker(): void {
    this.#workers.push(new Process(`worker-${++this.#workerNumber}`, this.scheduler));
  }

  anyWorker(): Process | undefined {
    return this.#workers.length > 0 ? this.random.pick(this.#workers) : undefined;
  }

  /** Kills a worker: whatever ran in it has stopped for good, between two steps. */
  killWorker(): void {
    const worker = this.anyWorker();
    if (!worker) return;
    this.log(`${worker.name} is killed`);
    worker.kill();
    this.#workers = this.#workers.filter((one) => one !== worker);
    for (const run of this.#openRuns()) run.workerLost(worker);
  }

  start(workflowId: string, input: PostWorkflowInput): void {
    if (this.newestRun(workflowId)?.isOpen) return;
    this.#openRun(workflowId, input);
  }

  newestRun(workflowId: string): WorkflowRun | undefined {
    return this.#runs.get(workflowId)?.at(-1);
  }

  /** Every run that a post has had, oldest first. */
  runsOf(workflowId: string): readonly WorkflowRun[] {
    return this.#runs.get(workflowId) ?? [];
  }

  signal(workflowId: string, signalName: string, args: readonly unknown[] = []): void {
    const run = this.newestRun(workflowId);
    if (!run?.isOpen) return;
    const signal = { signalName, input: args.map((value) => payloads.toPayload(value)), headers: {} };
    run.deliver({ signalWorkflow: signal, variant: 'signalWorkflow' } as Job);
  }

  /** Asks for an update; the same id again is the same update. */
  update(
    workflowId: string,
    update: { id: string; name: string; input: unknown },
    listener: (answer: UpdateAnswer) => void,
  ): void {
    const known = this.#updates.get(`${workflowId} ${update.id}`);
    if (known?.answer) {
      listener(known.answer);
      return;
    }
    if (known) {
      known.listeners.push(listener);
      return;
    }
    const run = this.newestRun(workflowId);
    if (!run?.isOpen) {
      listener({ kind: 'missing' });
      return;
    }
    const { id, name, input } = update;
    const entry = { workflowId, name, answer: null, isAccepted: false, listeners: [listener] };
    this.#updates.set(`${workflowId} ${id}`, entry);
    run.deliver(updateJob(id, name, input));
  }

  updateAnswered(run: WorkflowRun, response: coresdk.workflow_commands.IUpdateResponse): void {
    const { protocolInstanceId: id, accepted, completed, rejected } = response;
    const key = `${run.workflowId} ${id}`;
    const update = this.#updates.get(key);
    if (!update) return;
    if (accepted) update.isAccepted = true;
    if (update.answer && rejected) this.onUndone(run.workflowId, id!);
    if (accepted || update.answer) return;
    const answer: UpdateAnswer = rejected
      ? { kind: 'rejected', code: rejected.cause?.applicationFailureInfo?.type ?? codeOf(rejected) }
      : { kind: 'completed', result: payloads.fromPayload(completed!) };
    // What the validator refuses is not kept: asked again, it is validated again.
    if (update.isAccepted) update.answer = answer;
    else this.#updates.delete(key);
    this.#tell(run.workflowId, id!, update, answer);
  }

  #tell(workflowId: string, id: string, update: Update, answer: UpdateAnswer): void {
    this.onAnswer(workflowId, id, answer);
    for (const listener of update.listeners.splice(0)) listener(answer);
  }

  /** Updates that nobody will carry out any more are told so. */
  runClosed({ workflowId }: WorkflowRun): void {
    this.#dropUpdates(workflowId);
    this.onRunClosed(workflowId);
  }

  #dropUpdates(workflowId: string): void {
    for (const [key, update] of this.#updates) {
      if (update.workflowId !== workflowId || update.answer) continue;
      this.#updates.delete(key);
      this.#tell(workflowId, key.slice(workflowId.length + 1), update, { kind: 'missing' });
    }
  }

  continueRun(run: WorkflowRun, input: unknown, carried: readonly Job[]): void {
    const next = this.#openRun(run.workflowId, input as PostWorkflowInput);
    // Ids of updates are remembered by run.
    for (const [key, update] of this.#updates)
      if (update.workflowId === run.workflowId && update.answer) this.#updates.delete(key);
    for (const job of carried) if (job.doUpdate || job.signalWorkflow) next.deliver(job);
  }

  /** What an operator may do: put a run back to an earlier task; what people said since is said again. */
  async reset(workflowId: string): Promise<boolean> {
    const run = this.newestRun(workflowId);
    if (!run || run.tasks.length < 2 || run.status === 'lost') return false;
    const kept = run.tasks.slice(0, this.random.between(1, run.tasks.length - 1));
    const since = [
      ...run.tasks
        .slice(kept.length)
        .flat()
        .flatMap(({ jobs }) => jobs),
      ...run.unfinishedJobs,
    ];
    await run.end('replaced');
    this.log(`${workflowId} is reset to task ${kept.length} of ${run.tasks.length}`);
    const next = this.#addRun(workflowId);
    next.takeOver(kept);
    const said = since.filter((job) => job.doUpdate || job.signalWorkflow);
    for (const job of said) next.deliver(job);
    return true;
  }

  /** The server forgets a run, e.g. because its own database was restored from an older copy. */
  async lose(workflowId: string): Promise<void> {
    const run = this.newestRun(workflowId);
    if (!run?.isOpen) return;
    this.log(`${workflowId} is lost`);
    await run.end('lost');
    this.#dropUpdates(workflowId);
  }

  /** Frees what the runs of a world that is over still hold. */
  async close(): Promise<void> {
    for (const runs of this.#runs.values()) for (const run of runs) await run.end(run.status);
  }

  #openRun(workflowId: string, input: PostWorkflowInput): WorkflowRun {
    const run = this.#addRun(workflowId);
    const init = { workflowType: 'postWorkflow', workflowId, arguments: [payloads.toPayload(input)] };
    const job = { initializeWorkflow: { ...init, headers: {}, attempt: 1 }, variant: 'initializeWorkflow' };
    run.deliver(job as unknown as Job);
    return run;
  }

  #addRun(workflowId: string): WorkflowRun {
    const run = new WorkflowRun(this, workflowId, `run-${++this.#runNumber}`);
    this.#runs.set(workflowId, [...this.runsOf(workflowId), run]);
    return run;
  }

  *#openRuns(): Generator<WorkflowRun> {
    for (const runs of this.#runs.values()) for (const run of runs) if (run.isOpen) yield run;
  }
}

function updateJob(id: string, name: string, input: unknown): Job {
  const update = { id, protocolInstanceId: id, name, input: [payloads.toPayload(input)], headers: {} };
  return { doUpdate: { ...update, meta: { updateId: id }, runValidator: true }, variant: 'doUpdate' } as Job;
}

const codeOf = (failure: { applicationFailureInfo?: { type?: string | null } | null }): string =>
  failure.applicationFailureInfo?.type ?? 'unknown';
