import { readFile } from 'node:fs/promises';
import vm from 'node:vm';
import { TypedSearchAttributes } from '@temporalio/common';
import { msToTs } from '@temporalio/common/lib/time.js';
import type { coresdk } from '@temporalio/proto';
import { ReusableVMWorkflowCreator } from '@temporalio/worker/lib/workflow/reusable-vm.js';

export type Job = coresdk.workflow_activation.IWorkflowActivationJob;
export type Command = coresdk.workflow_commands.IWorkflowCommand;

export interface Activation {
  /** What the run's clock shows. */
  readonly nowMs: number;
  readonly jobs: readonly Job[];
  readonly isReplaying: boolean;
  readonly historyLength: number;
}

/** One run's code in its sandbox, as a worker keeps it. */
export interface RunCode {
  /** Throws when the task fails: an error that is no failure of the run, or code that is not deterministic. */
  readonly activate: (activation: Activation) => Promise<readonly Command[]>;
  readonly dispose: () => Promise<void>;
}

/** Behaviours of the SDK that a history keeps on: all of them, as for runs that this SDK has begun. */
const sdkFlags = [1, 2, 3, 4, 5, 6];

export interface WorkflowCode {
  readonly createRun: (run: { workflowId: string; runId: string; nowMs: number }) => Promise<RunCode>;
}

/**
 * Loads the workflow bundle into the sandbox that workers run it in. That sandbox is the SDK's own and not part of its
 * public interface; driving it directly is what lets a simulation run the product's code without a server.
 *
 * `change` may plant a fault in the code before it is loaded.
 */
export async function loadWorkflowCode(
  bundlePath: string,
  activityNames: readonly string[],
  change: (code: string) => string = (code) => code,
): Promise<WorkflowCode> {
  const code = change(await readFile(bundlePath, 'utf8'));
  const bundle = { code, sourceMap: {}, filename: 'workflow-bundle.js' };
  // Without a time-out, each call into the sandbox costs a thread less.
  const creator = new ReusableVMWorkflowCreator(
    new vm.Script(code, { filename: bundle.filename }),
    bundle as never,
    undefined as never,
    new Set(activityNames),
    undefined,
  );
  return { createRun: (run) => createRun(creator, run) };
}

async function createRun(
  creator: ReusableVMWorkflowCreator,
  { workflowId, runId, nowMs }: { workflowId: string; runId: string; nowMs: number },
): Promise<RunCode> {
  const workflow = await creator.createWorkflow({
    info: {
      ...{ workflowId, runId, workflowType: 'postWorkflow', taskQueue: 'gatepost', namespace: 'simulation' },
      ...{ firstExecutionRunId: runId, attempt: 1, taskTimeoutMs: 10_000 },
      ...{ searchAttributes: {}, typedSearchAttributes: new TypedSearchAttributes() },
      ...{ startTime: new Date(nowMs), runStartTime: new Date(nowMs) },
      ...{ historyLength: 3, historySize: 0, continueAsNewSuggested: false },
      unsafe: { now: () => nowMs, isReplaying: false, isReplayingHistoryEvents: false },
    } as never,
    randomnessSeed: [1, 2, 3, 4, 5, 6, 7, 8],
    now: nowMs,
    showStackTraceSources: false,
  } as never);
  return {
    async activate({ jobs, nowMs: atMs, isReplaying, historyLength }) {
      const isQuery = jobs.some((job) => job.queryWorkflow);
      const completion = await workflow.activate({
        ...{ runId, isReplaying, historyLength, jobs: [...jobs], availableInternalFlags: sdkFlags },
        timestamp: isQuery ? null : msToTs(atMs),
      } as never);
      // Logs of the workflow's own are not read here, but they pile up until somebody takes them.
      await workflow.getAndResetSinkCalls();
      if (completion.failed) throw new Error(failureText(completion.failed.failure));
      return completion.successful?.commands ?? [];
    },
    dispose: () => workflow.dispose(),
  };
}

function failureText(failure: coresdk.workflow_completion.IFailure['failure']): string {
  const encoded = failure?.encodedAttributes?.data;
  return encoded ? Buffer.from(encoded).toString('utf8') : String(failure?.message);
}
