import { ApplicationFailure, defaultPayloadConverter as payloads } from '@temporalio/common';
import { optionalTsToMs } from '@temporalio/common/lib/time.js';
import { callActivity } from './activity-host.ts';
import { type ActivityOutcome, describe } from './activity-tasks.ts';
import type { Process } from './scheduler.ts';
import type { Temporal } from './temporal.ts';
import type { Command } from './workflow-code.ts';
import type { WorkflowRun } from './workflow-run.ts';

interface LocalCall {
  readonly run: WorkflowRun;
  readonly worker: Process;
  readonly local: NonNullable<Command['scheduleLocalActivity']>;
}

/** Runs an activity in the worker that has the workflow task; no outcome ever comes from a worker that dies. */
export async function runLocalActivity(temporal: Temporal, call: LocalCall): Promise<ActivityOutcome> {
  const { local, worker } = call;
  const closeAtMs = temporal.scheduler.nowMs + (optionalTsToMs(local.scheduleToCloseTimeout) ?? 10_000);
  const intervalMs = optionalTsToMs(local.retryPolicy?.initialInterval) ?? 1_000;
  const mostMs = optionalTsToMs(local.retryPolicy?.maximumInterval) ?? 100 * intervalMs;
  for (let attempt = 1; ; attempt += 1) {
    const outcome = await attemptOnce(temporal, call, attempt, closeAtMs);
    temporal.log(`${call.run.workflowId} ${local.activityType} (local) ${describe(outcome)}`);
    const delayMs = Math.min(mostMs, intervalMs * 2 ** (attempt - 1));
    if (outcome.kind === 'completed' || temporal.scheduler.nowMs + delayMs >= closeAtMs) return outcome;
    if (
      outcome.kind === 'failed' &&
      outcome.error instanceof ApplicationFailure &&
      outcome.error.nonRetryable
    )
      return outcome;
    await worker.sleep(delayMs);
  }
}

/** What takes too long goes on behind our back, as it would. */
function attemptOnce(
  temporal: Temporal,
  { run, worker, local }: LocalCall,
  attempt: number,
  closeAtMs: number,
): Promise<ActivityOutcome> {
  const startToCloseMs = optionalTsToMs(local.startToCloseTimeout) ?? Number.POSITIVE_INFINITY;
  const leftMs = Math.min(startToCloseMs, closeAtMs - temporal.scheduler.nowMs);
  const [input] = local.arguments!.map((payload) => payloads.fromPayload(payload));
  const ids = { workflowId: run.workflowId, runId: run.runId, activityId: local.activityId! };
  const signal = new AbortController().signal;
  const call = { ...ids, type: local.activityType!, attempt, process: worker, signal };
  const ended = callActivity(temporal.activities, call, input).then(
    (result): ActivityOutcome => ({ kind: 'completed', result }),
    (error: unknown): ActivityOutcome => ({ kind: 'failed', error }),
  );
  const late = worker
    .sleep(leftMs)
    .then((): ActivityOutcome => ({ kind: 'timed-out', type: 'START_TO_CLOSE' }));
  return Promise.race([ended, late]);
}
