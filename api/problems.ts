import type { RefusalCode } from '../domain/commands.ts';
import { OutcomeError } from '../domain/outcome.ts';
import { CommandRefused, OutcomeUnknown } from './post-runs.ts';

/** One thing that is wrong with a request. `path` is a JSON pointer into the body, or a parameter's name. */
export interface ProblemError {
  readonly path: string;
  readonly code: string;
  readonly message: string;
  readonly limit?: number | string;
  readonly actual?: number | string;
}

interface ProblemKind {
  readonly status: number;
  readonly title: string;
}

const kind = (status: number, title: string): ProblemKind => ({ status, title });

const refusals: Record<RefusalCode, ProblemKind> = {
  'post-closed': kind(409, 'The post is closed'),
  'already-publishing': kind(409, 'Publishing has begun'),
  'already-submitted': kind(409, 'The post has been submitted already'),
  'not-submitted': kind(409, 'The post is a draft'),
  'nothing-to-submit': kind(409, 'There is nothing to submit'),
  'copy-missing': kind(422, 'Copy is missing'),
  'media-missing': kind(422, 'Media is missing'),
  'gate-not-open': kind(409, 'The gate is not open'),
  'gate-already-decided': kind(409, 'The gate has been decided already'),
  'gate-open': kind(409, 'A gate is still open'),
  'stale-hash': kind(409, 'The post has changed since it was read'),
  'stale-revision': kind(409, 'The post has been edited meanwhile'),
  'may-not-decide': kind(403, 'The policy gives this gate to others'),
  'author-may-not-decide': kind(403, 'The author may not decide'),
  'already-voted': kind(409, 'You have voted already'),
  'notes-required': kind(422, 'Notes are required'),
  'invalid-return': kind(422, 'The post cannot be returned there'),
  'nothing-to-retry': kind(409, 'There is nothing to retry'),
  'not-unconfirmed': kind(409, 'The outcome of the target is not in doubt'),
  'permalink-required': kind(422, 'A permalink is required'),
  'due-time-passed': kind(422, 'The due time has passed'),
  'unknown-target': kind(422, 'The post has no such target'),
  'already-paused': kind(409, 'The post is paused already'),
  'not-paused': kind(409, 'The post is not paused'),
  'on-hold': kind(409, 'A hold or a pause stops the post'),
  'not-at-rest': kind(409, 'The post can still move by itself'),
};

const kinds = {
  ...refusals,
  'nothing-to-unpublish': kind(409, 'Nothing of the post stands in public'),
  'nothing-to-amend': kind(409, 'Nothing of the post stands in public'),
  'amendment-open': kind(409, 'Another amendment is open'),
  'no-open-amendment': kind(409, 'No amendment waits for a decision'),
  'part-in-doubt': kind(409, 'A part may be out, and cannot be looked up'),
  'removal-unsupported': kind(409, 'The platform does not let a post be taken down'),
  'malformed-json': kind(400, 'The body is not JSON'),
  'invalid-request': kind(400, 'The request is not valid'),
  'invalid-text': kind(400, 'A text holds characters that cannot be stored'),
  'connection-state-invalid': kind(400, 'The state is not one that is waited for'),
  'too-deep': kind(400, 'The body is nested too deeply'),
  'idempotency-key-missing': kind(400, 'The Idempotency-Key header is missing'),
  'tenant-header-missing': kind(400, 'The Gatepost-Tenant header is missing'),
  'token-missing': kind(401, 'A bearer token is required'),
  'token-invalid': kind(401, 'The bearer token is not accepted'),
  'token-expired': kind(401, 'The bearer token has expired'),
  'not-a-member': kind(403, 'You are not an active member of this tenant'),
  'connection-not-yours': kind(403, 'The connection was started by somebody else'),
  forbidden: kind(403, 'Your role does not allow this'),
  'not-found': kind(404, 'There is no such thing'),
  'method-not-allowed': kind(405, 'The method is not allowed here'),
  'request-in-progress': kind(409, 'A request with this key is still running'),
  'upload-missing': kind(409, 'Nothing has been uploaded'),
  'targets-fixed': kind(409, 'The targets of a submitted post are fixed'),
  'connection-closed': kind(409, 'The connection is over'),
  'connection-expired': kind(409, 'The connection was not completed in time'),
  'platform-app-in-use': kind(409, 'Accounts are connected through the app'),
  'redirect-uri-taken': kind(409, 'Another app has this redirect URI'),
  'subject-taken': kind(409, 'There is another member with this subject'),
  'needs-reconnect': kind(409, 'The account must be connected again'),
  'if-match-failed': kind(412, 'The resource has changed since it was read'),
  'body-too-large': kind(413, 'The body is too large'),
  'unsupported-media-type': kind(415, 'The body must be JSON in UTF-8'),
  'idempotency-key-reused': kind(422, 'The key was used with another body'),
  'invalid-amendment': kind(422, 'The post cannot be changed like this'),
  'invalid-post': kind(422, 'The post breaks rules'),
  'no-eligible-decider': kind(422, 'Nobody could pass a gate'),
  'connecting-unsupported': kind(422, 'Accounts of the platform are not connected here'),
  'unknown-return-url': kind(422, 'The app has no such return URL'),
  'unknown-platform-app': kind(422, 'There is no such platform app'),
  'unknown-account': kind(422, 'The authorisation has no such account'),
  'account-unusable': kind(422, 'The account cannot be published to'),
  'authorization-failed': kind(422, 'The platform gave no tokens'),
  'unknown-profile': kind(422, 'There is no such profile'),
  'media-too-large': kind(422, 'The file is too large'),
  'address-refused': kind(422, 'The address is not fetched'),
  'media-refused': kind(422, 'The uploaded file cannot be used'),
  'if-match-missing': kind(428, 'The If-Match header is missing'),
  'internal-error': kind(500, 'Something went wrong on our side'),
  unavailable: kind(503, 'A part we depend on is not available'),
  'outcome-unknown': kind(503, 'The outcome is not known yet'),
} as const satisfies Record<string, ProblemKind>;

export type ProblemCode = keyof typeof kinds;
export const problemCodes = Object.keys(kinds) as ProblemCode[];
export const statusOf = (code: ProblemCode): number => kinds[code].status;

/** A refused request: thrown anywhere below a route, rendered in one place. */
export class Problem extends Error {
  override readonly name = 'Problem';
  readonly code: ProblemCode;
  readonly errors: readonly ProblemError[];
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    code: ProblemCode,
    detail: string,
    more: { errors?: readonly ProblemError[]; headers?: Record<string, string> } = {},
  ) {
    super(detail);
    this.code = code;
    this.errors = more.errors ?? [];
    this.headers = more.headers ?? {};
  }
}

/** Not there, or not to be seen: both read the same. */
export const notFound = (what: string): Problem => new Problem('not-found', `There is no such ${what}`);

export interface ProblemBody {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly code: ProblemCode;
  readonly requestId: string;
  readonly errors?: readonly ProblemError[];
}

/** Renders a problem as RFC 9457 has it. */
export function renderProblem(problem: Problem, requestId: string): ProblemBody {
  const { status, title } = kinds[problem.code];
  return {
    type: `urn:gatepost:problem:${problem.code}`,
    title,
    status,
    detail: problem.message,
    code: problem.code,
    requestId,
    ...(problem.errors.length > 0 && { errors: problem.errors }),
  };
}

/** Names any error for the caller. What is not known is `internal-error`: its message stays in the log. */
export function toProblem(error: unknown): Problem {
  if (error instanceof Problem) return error;
  if (error instanceof CommandRefused) return new Problem(error.code, error.message);
  if (error instanceof OutcomeUnknown)
    return new Problem(
      'outcome-unknown',
      'The command may or may not have been carried out; repeat it with the same key',
      { headers: { 'Retry-After': '2' } },
    );
  if (error instanceof OutcomeError) return unavailable('The object store did not answer as expected');
  return problemOfBody(error) ?? problemOfPath(error) ?? problemOfDatabase(error) ?? internalError();
}

const internalError = (): Problem =>
  new Problem('internal-error', 'The request could not be carried out; the log has the reason');

const unavailable = (detail: string): Problem =>
  new Problem('unavailable', detail, { headers: { 'Retry-After': '5' } });

/** The body parser marks its errors with `type`. */
function problemOfBody(error: unknown): Problem | null {
  const { type, limit } = (error ?? {}) as { type?: unknown; limit?: unknown };
  switch (type) {
    case 'entity.parse.failed':
      return new Problem('malformed-json', 'The body cannot be read as JSON');
    case 'entity.too.large':
      return new Problem('body-too-large', `The body is larger than ${Number(limit)} bytes`, {
        // The rest of the body is not read, so the connection cannot be used again.
        headers: { Connection: 'close' },
      });
    case 'charset.unsupported':
    case 'encoding.unsupported':
      return new Problem('unsupported-media-type', 'The body must be JSON in UTF-8, plain or gzipped');
    case 'request.aborted':
    case 'request.size.invalid':
    case 'stream.encoding.set':
      return new Problem('malformed-json', 'The body ended early');
    default:
      return null;
  }
}

function problemOfPath(error: unknown): Problem | null {
  const isBadPath = error instanceof URIError || (error as { status?: unknown } | null)?.status === 400;
  return isBadPath ? new Problem('invalid-request', 'The request cannot be read') : null;
}

const connectionCodes = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ETIMEDOUT',
  'EPIPE',
  'ENOTFOUND',
  'EAI_AGAIN',
]);
const connectionMessages = /timeout exceeded when trying to connect|Connection terminated|Query read timeout/;

/** Postgres that cannot be reached, is shutting down, or took too long: SQLSTATE classes 08, 40, 53, 57 and lock waits. */
function problemOfDatabase(error: unknown): Problem | null {
  const { code = '', message = '' } = (error ?? {}) as { code?: unknown; message?: unknown };
  const isDown =
    connectionCodes.has(String(code)) ||
    /^(?:(?:08|40|53|57)...|55P03)$/.test(String(code)) ||
    connectionMessages.test(String(message));
  return isDown ? unavailable('The database did not answer in time') : null;
}
