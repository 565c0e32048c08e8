import { setTimeout as sleep } from 'node:timers/promises';
import { type Client, isGrpcServiceError, ServiceError, WorkflowUpdateFailedError } from '@temporalio/client';
import {
  ApplicationFailure,
  WorkflowExecutionAlreadyStartedError,
  WorkflowNotFoundError,
} from '@temporalio/common';
import { type Command, type CommandAnswer, type RefusalCode, refusalCodes } from '../domain/commands.ts';
import {
  amendmentWorkflowId,
  importWorkflowId,
  mainTaskQueue,
  partsWorkflowId,
  pokeWorkflowId,
  postWorkflowId,
  removalWorkflowId,
  workflowTaskTimeout,
} from '../workflows/ids.ts';
import {
  type AmendmentInput,
  amendmentWorkflowType,
  type ImportMediaInput,
  importMediaWorkflowType,
  type PartsWorkflowInput,
  type PokeInput,
  type PostWorkflowInput,
  partsWorkflowType,
  pokeWorkflowType,
  postWorkflowType,
  type RemovalInput,
  removalWorkflowType,
  updates,
} from '../workflows/messages.ts';

/** The runs of posts, as the interface uses them. */
export interface PostRuns {
  /** Starts a post's run. Repeatable: a run that is there, open or closed, is a success. */
  start(input: PostWorkflowInput): Promise<void>;
  /** Has a tenant's open posts told that policies or holds have changed. Repeatable. */
  pokeAll(input: PokeInput): Promise<void>;
  /** Has what follows a target's post brought out. Repeatable. */
  startParts(input: PartsWorkflowInput): Promise<void>;
  /** Whether the run of a round of parts is open. */
  isBringingOutParts(input: PartsWorkflowInput): Promise<boolean>;
  /** Has publications taken down that somebody has asked for. Repeatable; a run that was ended from outside is begun anew. */
  startRemoval(input: RemovalInput): Promise<void>;
  /** Has an approved amendment sent. Repeatable; a run that was ended from outside is begun anew. */
  startAmendment(input: AmendmentInput): Promise<void>;
  /** Has a medium fetched from its address. Repeatable: a run that is there, open or closed, is a success. */
  importMedia(input: ImportMediaInput): Promise<void>;
  /**
   * Gives a command to a post's run and waits for its verdict. Repeatable with the same command id.
   * Throws `CommandRefused`, `PostRunMissing`, or `OutcomeUnknown` for everything else.
   */
  execute(command: Command, post: { tenantId: string; postId: string }): Promise<CommandAnswer>;
}

/** The run refused the command; nothing was written. */
export class CommandRefused extends Error {
  override readonly name = 'CommandRefused';
  readonly code: RefusalCode;

  constructor(code: RefusalCode, message: string) {
    super(message);
    this.code = code;
  }
}

/** No open run takes commands for the post: it has not been started yet, or it is closed. */
export class PostRunMissing extends Error {
  override readonly name = 'PostRunMissing';
}

/** Nobody can tell whether the command was carried out; the same command id finds out. */
export class OutcomeUnknown extends Error {
  override readonly name = 'OutcomeUnknown';
}

/** How long a caller waits for a run's verdict. */
const verdictWithinMs = 5_000;
const againAfterMs = 100;

/** Reaches the runs through a Temporal client. No call outlasts five seconds. */
export function createPostRuns(client: Client): PostRuns {
  const startOnce = async (
    type: string,
    options: { workflowId: string; args: unknown[]; staticSummary: string; isStartedAgain?: boolean },
  ): Promise<void> => {
    const { isStartedAgain = false, ...given } = options;
    const start = () =>
      client.workflow.start(type, {
        ...given,
        taskQueue: mainTaskQueue,
        workflowTaskTimeout,
        workflowIdReusePolicy: isStartedAgain ? 'ALLOW_DUPLICATE_FAILED_ONLY' : 'REJECT_DUPLICATE',
        workflowIdConflictPolicy: 'USE_EXISTING',
      });
    try {
      await client.withDeadline(Date.now() + verdictWithinMs, start);
    } catch (error) {
      if (error instanceof WorkflowExecutionAlreadyStartedError) return;
      throw new OutcomeUnknown('It is not known whether the run was started', { cause: error });
    }
  };
  return {
    start: async (input) => {
      const { tenantId, postId, type } = input.post;
      await startOnce(postWorkflowType, {
        workflowId: postWorkflowId(tenantId, postId),
        args: [input],
        staticSummary: `${type} post`,
      });
    },
    pokeAll: (input) =>
      startOnce(pokeWorkflowType, {
        workflowId: pokeWorkflowId(input),
        args: [input],
        staticSummary: 'Tells the open posts that policies or holds have changed',
      }),
    startParts: (input) =>
      startOnce(partsWorkflowType, {
        workflowId: partsWorkflowId(input, input.cycle),
        args: [input],
        staticSummary: `follows ${input.targetId}`,
      }),
    isBringingOutParts: async (input) => {
      const handle = client.workflow.getHandle(partsWorkflowId(input, input.cycle));
      try {
        const { status } = await client.withDeadline(Date.now() + verdictWithinMs, () => handle.describe());
        return status.name === 'RUNNING';
      } catch (error) {
        if (error instanceof WorkflowNotFoundError) return false;
        throw new OutcomeUnknown('It is not known whether the run is open', { cause: error });
      }
    },
    startRemoval: (input) =>
      startOnce(removalWorkflowType, {
        workflowId: removalWorkflowId(input),
        args: [input],
        staticSummary: 'Takes down what went public',
        isStartedAgain: true,
      }),
    startAmendment: (input) =>
      startOnce(amendmentWorkflowType, {
        workflowId: amendmentWorkflowId(input),
        args: [input],
        staticSummary: 'Changes what stands in public',
        isStartedAgain: true,
      }),
    importMedia: (input) =>
      startOnce(importMediaWorkflowType, {
        workflowId: importWorkflowId(input),
        args: [input],
        staticSummary: 'Fetches a medium from its address',
      }),
    execute: async (command, { tenantId, postId }) => {
      const handle = client.workflow.getHandle(postWorkflowId(tenantId, postId));
      const update = () =>
        handle.executeUpdate<CommandAnswer, [Command]>(updates[command.kind].name, {
          updateId: command.commandId,
          args: [command],
        });
      const deadline = Date.now() + verdictWithinMs;
      for (;;) {
        try {
          return await client.withDeadline(deadline, update);
        } catch (error) {
          if (!isGivenUp(error) || Date.now() + againAfterMs > deadline) throw mapUpdateError(error);
          await sleep(againAfterMs);
        }
      }
    },
  };
}

const failedPrecondition = 9;

/**
 * The server gives an update up when the task that carries it fails, as it does when the run ends just as something
 * else happens to it. Nothing of it is kept, so the same update is asked for again.
 */
const isGivenUp = (error: unknown): boolean =>
  error instanceof ServiceError && isGrpcServiceError(error.cause) && error.cause.code === failedPrecondition;

/** Only a run's own refusal and a missing run are certain; whatever else happened, the command may have been taken. */
export function mapUpdateError(error: unknown): Error {
  if (error instanceof WorkflowNotFoundError)
    return new PostRunMissing('No run takes commands for the post', { cause: error });
  if (error instanceof WorkflowUpdateFailedError && error.cause instanceof ApplicationFailure) {
    const code = refusalCodes.find((known) => known === (error.cause as ApplicationFailure).type);
    if (code) return new CommandRefused(code, error.cause.message);
  }
  return new OutcomeUnknown('It is not known whether the command was carried out', { cause: error });
}
