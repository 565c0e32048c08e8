import { ActivityFailure, ApplicationFailure } from '@temporalio/workflow';
import type { TargetError } from '../domain/post-state.ts';

/** What a failed activity tells people: its code, and a message cut to size. */
export function errorOf(error: unknown): TargetError {
  const cause = error instanceof ActivityFailure ? error.cause : error;
  const code = cause instanceof ApplicationFailure && cause.type ? cause.type : 'unavailable';
  const message = cause instanceof Error ? cause.message : String(cause);
  return { code, message: message.slice(0, 300) };
}
