/**
 * What can go wrong while the embedded servers are set up, started or stopped.
 *
 * - `provision-failed`: a server's program could be had in no way; the message lists the ways and why each failed
 * - `command-failed`: a tool we ran (go, mvn, pip, initdb …) ended badly; the message carries its last output
 * - `checksum-mismatch`: a download is not the file that was pinned
 * - `bad-setting`: an environment variable points at something that is not what it should be
 * - `state-in-use`: another running process owns the state directory
 * - `state-unusable`: the state on disk cannot be used by these servers, and why
 * - `process-exited`: a server ended before it was ready
 * - `process-not-ready`: a server did not become ready in time
 */
export type StackErrorCode =
  | 'provision-failed'
  | 'command-failed'
  | 'checksum-mismatch'
  | 'bad-setting'
  | 'state-in-use'
  | 'state-unusable'
  | 'process-exited'
  | 'process-not-ready';

/** An error of the embedded stack; `code` is stable, the message is meant to be shown to a person as it is. */
export class StackError extends Error {
  readonly code: StackErrorCode;

  constructor(code: StackErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'StackError';
    this.code = code;
  }
}

/** The message of anything that was thrown. */
export function messageOf(error: unknown): string {
  if (error instanceof Error) return error.message;
  return String(error);
}

/** Whether an error is a system error with this code, such as `ENOENT`. */
export function isSystemError(error: unknown, code: string): boolean {
  // Not `instanceof Error`: test runners load modules in another realm than Node's own errors.
  return typeof error === 'object' && error !== null && 'code' in error && error.code === code;
}
