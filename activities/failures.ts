import { ApplicationFailure } from '@temporalio/activity';
import { OutcomeError } from '../domain/outcome.ts';
import type { TargetError } from '../domain/post-state.ts';
import { failureTypes } from './contract.ts';

/** The database's clock, which delays are measured by, may be set while one of them runs: nobody waits longer for it. */
const longestDelayMs = 60_000;

/** "Ask again later": expected, carries its own delay, and leaves no line in the history until it ends. */
export function notYet(message: string, delayMs: number): ApplicationFailure {
  return ApplicationFailure.create({
    message,
    type: failureTypes.notYet,
    nextRetryDelay: Math.min(Math.max(delayMs, 50), longestDelayMs),
    category: 'BENIGN',
  });
}

/** Turns an outside call's failure into Temporal's form: type = code, with the other side's own delay. */
export function toFailure(error: unknown): unknown {
  if (!(error instanceof OutcomeError)) return error;
  const permanent = error.code === 'rejected' || error.code === 'unauthorized';
  return ApplicationFailure.create({
    message: error.message,
    type: error.code,
    nonRetryable: permanent,
    nextRetryDelay: error.details.retryAfterMs,
  });
}

/** An error as a row, a history and a person may see it: code and message, cut to size. */
export function toTargetError(error: unknown): TargetError {
  if (error instanceof OutcomeError) return { code: error.code, message: error.message };
  const message = error instanceof Error ? error.message : String(error);
  return { code: 'outcome-unknown', message: message.slice(0, 300) };
}
