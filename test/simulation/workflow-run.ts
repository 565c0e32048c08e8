import { isDeepStrictEqual } from 'node:util';
import { defaultPayloadConverter as payloads } from '@temporalio/common';
import { tsToMs } from '@temporalio/common/lib/time.js';
import { type ActivityOutcome, ActivityTasks, resolutionOf } from './activity-tasks.ts';
import { runLocalActivity } from './local-activities.ts';
import type { Process } from './scheduler.ts';
import type { Temporal } from './temporal.ts';
import type { Command, Job, RunCode } from './workflow-code.ts';

/** What happened in one go, as the server keeps it: what the code was told, and what it asked for. */
interface KeptActivation {
  readonly nowMs: number;
  readonly jobs: readonly Job[];
  readonly commands: readonly Command[];
  readonly historyLength: number;
}
export type KeptTask = readonly KeptActivation[];

/** A workflow task at a worker. Until it is completed, nothing of it has happened. */
interface OpenTask {
  readonly worker: Process;
  readonly jobs: readonly Job[];
  readonly kept: KeptActivation[];
  readonly followUps: Job[];
  openLocals: number;
  isGivenUp: boolean;
}

export type RunStatus = 'running' | 'completed' | 'continued' | 'replaced' | 'lost';

const mostTasksInMinute = 120;

/** One run of a workflow at the server, with the worker that has it in its cache. */
export class WorkflowRun {
  readonly workflowId: string;
  readonly runId: string;
  readonly tasks: KeptTask[] = [];
  readonly activities: ActivityTasks;
  status: RunStatus = 'running';
  readonly #temporal: Temporal;
  readonly #waiting: Job[] = [];
  readonly #acceptedUpdates = new Set<string>();
  readonly #timers = new Map<number, number>();
  readonly #taskTimesMs: number[] = [];
  #historyLength = 0;
  #open: OpenTask | null = null;
  #isTaskWanted = false;
  #hasLostTask = false;
  #code: RunCode | null = null;
  #worker: Process | null = null;

  constructor(temporal: Temporal, workflowId: string, runId: string) {
    this.#temporal = temporal;
    this.workflowId = workflowId;
    this.runId = runId;
    this.activities = new ActivityTasks(temporal, this);
  }

  /** A run that begins where another one was at the end of a task. */
  takeOver(tasks: readonly KeptTask[]): void {
    for (const task of tasks) this.#keep(task);
    for (const task of tasks)
      for (const { commands, nowMs } of task)
        for (const command of commands) {
          this.#note(command, nowMs);
          if (command.updateResponse?.accepted)
            this.#acceptedUpdates.add(command.updateResponse.protocolInstanceId!);
        }
    const resolved = tasks.flat().flatMap(({ jobs }) => jobs);
    for (const { fireTimer } of resolved) if (fireTimer) this.#timers.delete(fireTimer.seq!);
    for (const { resolveActivity } of resolved)
      if (resolveActivity) this.activities.forget(resolveActivity.seq!);
    for (const [seq, atMs] of this.#timers) this.#awaitTimer(seq, atMs);
    this.activities.dispatchAll();
  }

  get isOpen(): boolean {
    return this.status === 'running';
  }

  deliver(job: Job): void {
    this.#waiting.push(job);
    this.#wantTask();
  }

  /** Jobs of tasks that were never completed, and those that no task has taken yet. */
  get unfinishedJobs(): readonly Job[] {
    return [...(this.#open?.jobs ?? []), ...this.#waiting];
  }

  /** Ends the run from outside: what is under way for it goes on, and is not listened to any more. */
  async end(status: RunStatus): Promise<void> {
    this.status = status;
    if (this.#open) this.#open.isGivenUp = true;
    this.#open = null;
    this.#timers.clear();
    this.activities.abandon();
    await this.#evict();
  }

  /** Somebody has changed the server's clock: timers are due by what it shows. */
  clockStepped(): void {
    for (const [seq, atMs] of this.#timers) this.#awaitTimer(seq, atMs);
  }

  /** A worker has died: the task it had is given to another one later. */
  workerLost(worker: Process): void {
    if (this.#worker === worker) this.#code = null;
    if (this.#open?.worker === worker) this.#giveUp(this.#open, this.#temporal.random.between(500, 10_000));
    this.activities.workerLost(worker);
  }

  async query<Answer>(queryType: string): Promise<Answer> {
    const code = await this.#loadCode();
    const query = { queryId: 'query', queryType, arguments: [], headers: {} };
    const commands = await code.activate({
      ...{ jobs: [{ queryWorkflow: query, variant: 'queryWorkflow' } as Job], nowMs: 0 },
      ...{ isReplaying: true, historyLength: this.#historyLength },
    });
    const answer = commands[0]?.respondToQuery?.succeeded?.response;
    if (!answer) throw new Error(`The query ${queryType} of ${this.workflowId} was not answered`);
    return payloads.fromPayload(answer);
  }

  #wantTask(): void {
    if (this.#isTaskWanted || this.#open || !this.isOpen) return;
    this.#isTaskWanted = true;
    this.#temporal.scheduler.after(this.#temporal.random.between(1, 8), () => this.#startTask());
  }

  async #startTask(): Promise<void> {
    this.#isTaskWanted = false;
    if (!this.isOpen || this.#open || this.#waiting.length === 0) return;
    if (this.#spins()) return this.end('replaced');
    const worker = this.#worker?.isAlive ? this.#worker : this.#temporal.anyWorker();
    if (!worker) {
      this.#isTaskWanted = true;
      return this.#temporal.scheduler.after(1_000, () => this.#startTask());
    }
    if (worker !== this.#worker) this.#code = null;
    this.#worker = worker;
    await this.#loadCode();
    const jobs = inOrder(this.#waiting.splice(0));
    this.#open = { worker, jobs, kept: [], followUps: [], openLocals: 0, isGivenUp: false };
    await this.#activate(this.#open, jobs);
  }

  /** A run that asks the same again and again would fill its history in no time. */
  #spins(): boolean {
    const { nowMs } = this.#temporal.scheduler;
    this.#taskTimesMs.push(nowMs);
    const spins = (this.#taskTimesMs.at(-mostTasksInMinute) ?? 0) > nowMs - 60_000;
    if (spins) this.#temporal.broken(`${this.workflowId} spins: ${mostTasksInMinute} tasks within a minute`);
    return spins;
  }

  async #activate(task: OpenTask, jobs: readonly Job[]): Promise<void> {
    const nowMs = this.#temporal.nowMs;
    const historyLength = this.#historyLength;
    const activation = { nowMs, jobs: jobs.map(copyJob), isReplaying: false, historyLength };
    const commands = await this.#code!.activate(activation).catch((error: unknown) => {
      this.#temporal.broken(`A task of ${this.workflowId} failed: ${error}`);
      return [];
    });
    task.kept.push({ nowMs, jobs, commands, historyLength });
    for (const command of commands) this.#begin(task, command);
    const followUps = task.followUps.splice(0);
    if (followUps.length > 0) await this.#activate(task, followUps);
    else if (task.openLocals === 0) await this.#complete(task);
  }

  /** What happens while the task is still at its worker. */
  #begin(task: OpenTask, { scheduleLocalActivity: local, requestCancelActivity: cancel }: Command): void {
    // Cancelling is a courtesy: the run is told at once, and goes on.
    if (cancel) task.followUps.push(resolutionOf(cancel.seq!, { kind: 'cancelled' }, false));
    if (!local) return;
    task.openLocals += 1;
    const call = { run: this, worker: task.worker, local };
    void runLocalActivity(this.#temporal, call).then((outcome) => {
      this.#temporal.scheduler.after(0, () => this.#localEnded(task, local.seq!, outcome));
    });
  }

  async #localEnded(task: OpenTask, seq: number, outcome: ActivityOutcome): Promise<void> {
    if (task.isGivenUp) return;
    task.openLocals -= 1;
    await this.#activate(task, [resolutionOf(seq, outcome, true)]);
  }

  /** Some other worker gets all of it again, with whatever has come meanwhile. */
  #giveUp(task: OpenTask, delayMs: number): void {
    task.isGivenUp = true;
    this.#temporal.scheduler.after(delayMs, () => {
      if (this.#open !== task) return;
      this.#open = null;
      this.#code = null;
      this.#noteLostTask();
      this.#waiting.unshift(...task.jobs);
      this.#wantTask();
    });
  }

  /** The first task that is lost stands in the history; what follows it at once does not. */
  #noteLostTask(): void {
    if (!this.#hasLostTask) this.#historyLength += 3;
    this.#hasLostTask = true;
  }

  async #complete(task: OpenTask): Promise<void> {
    const commands = task.kept.flatMap((activation) => activation.commands);
    const ends = commands.some((one) => one.completeWorkflowExecution || one.continueAsNewWorkflowExecution);
    // The server does not let a run end that has not seen everything: the task is done again with the rest.
    if (ends && this.#waiting.some((job) => !job.doUpdate)) return this.#giveUp(task, 0);
    this.#open = null;
    const kept = this.#withoutRefused(task.kept);
    if (kept.length > 0) this.#keep(kept);
    for (const command of commands) this.#note(command, this.#temporal.nowMs);
    this.activities.dispatchAll();
    for (const command of commands) await this.#carryOut(command);
    if (this.#waiting.length > 0) this.#wantTask();
  }

  /** An update that its validator refuses leaves no trace in a history. */
  #withoutRefused(kept: readonly KeptActivation[]): KeptTask {
    const refused = new Set<string>();
    for (const { updateResponse } of kept.flatMap(({ commands }) => commands)) {
      const id = updateResponse?.protocolInstanceId;
      if (updateResponse?.accepted) this.#acceptedUpdates.add(id!);
      else if (updateResponse?.rejected && !this.#acceptedUpdates.has(id!)) refused.add(id!);
    }
    if (refused.size === 0) return kept;
    const isRefused = (id: string | null | undefined) => refused.has(id ?? '');
    return kept
      .map(({ jobs, commands, ...rest }) => ({
        ...rest,
        jobs: jobs.filter(({ doUpdate }) => !isRefused(doUpdate?.protocolInstanceId)),
        commands: commands.filter(({ updateResponse }) => !isRefused(updateResponse?.protocolInstanceId)),
      }))
      .filter(({ jobs, commands }) => jobs.length > 0 || commands.length > 0);
  }

  #keep(task: KeptTask): void {
    this.tasks.push(task);
    this.#hasLostTask = false;
    for (const { jobs, commands } of task) this.#historyLength += 2 + jobs.length + commands.length;
  }

  /** What the server keeps of a command. */
  #note({ startTimer, cancelTimer, scheduleActivity, requestCancelActivity }: Command, nowMs: number): void {
    if (startTimer) this.#startTimer(startTimer.seq!, nowMs + tsToMs(startTimer.startToFireTimeout));
    if (cancelTimer) this.#cancelTimer(cancelTimer.seq!);
    if (scheduleActivity) this.activities.schedule(scheduleActivity);
    if (requestCancelActivity) this.#cancelActivity(requestCancelActivity.seq!);
  }

  async #carryOut(command: Command): Promise<void> {
    if (command.updateResponse) this.#temporal.updateAnswered(this, command.updateResponse);
    if (command.failWorkflowExecution || command.cancelWorkflowExecution)
      this.#temporal.broken(`${this.workflowId} ended otherwise than by its own decision`);
    if (command.completeWorkflowExecution) {
      await this.end('completed');
      this.#temporal.runClosed(this);
    }
    const next = command.continueAsNewWorkflowExecution?.arguments?.[0];
    if (!next) return;
    const carried = this.#waiting.splice(0);
    await this.end('continued');
    this.#temporal.continueRun(this, payloads.fromPayload(next), carried);
  }

  #startTimer(seq: number, atMs: number): void {
    this.#timers.set(seq, atMs);
    this.#awaitTimer(seq, atMs);
  }

  #awaitTimer(seq: number, atMs: number): void {
    this.#temporal.scheduler.after(atMs - this.#temporal.nowMs, () => {
      // The clock may have been put back meanwhile; then there is another wait for the same timer.
      if (this.#timers.get(seq) !== atMs || this.#temporal.nowMs < atMs) return;
      this.#timers.delete(seq);
      if (this.#temporal.losesTimers) return;
      this.deliver({ fireTimer: { seq }, variant: 'fireTimer' } as Job);
    });
  }

  #cancelTimer(seq: number): void {
    this.#timers.delete(seq);
    this.#takeBack((job) => job.fireTimer?.seq === seq);
  }

  /** The code has been told that it is cancelled, and is told nothing else of it. */
  #cancelActivity(seq: number): void {
    this.activities.cancel(seq);
    this.#takeBack((job) => job.resolveActivity?.seq === seq);
  }

  #takeBack(isMeant: (job: Job) => boolean): void {
    const index = this.#waiting.findIndex(isMeant);
    if (index >= 0) this.#waiting.splice(index, 1);
  }

  async #evict(): Promise<void> {
    const code = this.#code;
    this.#code = null;
    await code?.dispose();
  }

  /** The code as it stands after all that has happened: from the cache, or replayed, which must give the same again. */
  async #loadCode(): Promise<RunCode> {
    if (this.#code) return this.#code;
    const { workflowId, runId } = this;
    const nowMs = this.tasks[0]?.[0]?.nowMs ?? this.#temporal.nowMs;
    const code = await this.#temporal.code.createRun({ workflowId, runId, nowMs });
    for (const kept of this.tasks.flat()) await this.#replay(code, kept);
    this.#code = code;
    return code;
  }

  async #replay(code: RunCode, { nowMs, jobs, commands, historyLength }: KeptActivation): Promise<void> {
    const again = { nowMs, jobs: jobs.map(asReplayed), isReplaying: true, historyLength };
    const given = await code.activate(again);
    if (!isDeepStrictEqual(given.map(digestOf), commands.map(digestOf)))
      this.#temporal.broken(
        `${this.workflowId} replays otherwise: ${given.map(digestOf)} for ${commands.map(digestOf)}`,
      );
  }
}

/** As the server sorts them: what people say first. */
function inOrder(jobs: readonly Job[]): Job[] {
  const rank = (job: Job) => (job.initializeWorkflow ? 0 : job.signalWorkflow || job.doUpdate ? 1 : 2);
  return jobs.toSorted((left, right) => rank(left) - rank(right));
}

/** The code takes the list apart that it is given. */
const copyJob = (job: Job): Job => ({ ...job });

const asReplayed = (job: Job): Job =>
  job.doUpdate ? { ...job, doUpdate: { ...job.doUpdate, runValidator: false } } : { ...job };

/** What must be the same when a history is replayed. */
function digestOf(command: Command): string {
  const [kind, content] = Object.entries(command).find(([, value]) => value) as [string, { seq?: number }];
  const activity = command.scheduleActivity ?? command.scheduleLocalActivity;
  return `${kind}:${content.seq ?? ''}:${activity?.activityType ?? ''}`;
}
