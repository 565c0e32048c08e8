import type { Fault } from '../faults.ts';
import { jsonReply, Refusal, type Reply } from '../protocol.ts';

/** How Reddit says no: with status 200 and a list of errors, with a status and a message, and its storage in XML. */

export function errorsReply(code: string, message: string, field: string, ratelimit?: number): Reply {
  return jsonReply(200, {
    json: { errors: [[code, message, field]], ...(ratelimit !== undefined && { ratelimit }) },
  });
}

export const refusal = (code: string, message: string, field: string): Refusal =>
  new Refusal(errorsReply(code, message, field));

export function errorReply(
  status: number,
  message: string,
  more: Record<string, unknown> = {},
  headers: Record<string, string> = {},
): Reply {
  return jsonReply(status, { ...more, message, error: status }, headers);
}

export const failure = (status: number, message: string, more?: Record<string, unknown>): Refusal =>
  new Refusal(errorReply(status, message, more));

/** What a client is told that asked for the subreddit's requirements to be judged. */
export function validationFailure(reason: string, explanation: string, field: string): Refusal {
  const body = {
    fields: [field],
    explanation,
    error_type: 'SUBMIT_VALIDATION_ERROR',
    message: 'Bad Request',
  };
  return new Refusal(jsonReply(400, { ...body, reason }));
}

export const expiredToken = (): Reply =>
  errorReply(401, 'Unauthorized', {}, { 'www-authenticate': 'Bearer realm="reddit", error="invalid_token"' });

/** What is written is throttled with status 200 and a sentence, everything else with 429. */
export function throttle({ operation, status, message, retryAfterSeconds }: Fault): Reply {
  const isWrite = /\.(submit|create|edit)$/.test(operation);
  if (!isWrite || status === 429) {
    const headers: Record<string, string> =
      retryAfterSeconds === undefined ? {} : { 'retry-after': String(retryAfterSeconds) };
    return errorReply(status ?? 429, message ?? 'Too Many Requests', {}, headers);
  }
  const minutes = Math.max(1, Math.floor((retryAfterSeconds ?? 540) / 60));
  const unit = minutes === 1 ? 'minute' : 'minutes';
  const text = `Looks like you've been doing that a lot. Take a break for ${minutes} ${unit} before trying again.`;
  return errorsReply('RATELIMIT', message ?? text, 'ratelimit', retryAfterSeconds);
}

export function xmlReply(status: number, root: string, members: Record<string, string | number>): Reply {
  const inner = Object.entries(members).map(([tag, value]) => `<${tag}>${value}</${tag}>`);
  return {
    status,
    headers: { 'content-type': 'application/xml' },
    body: `<?xml version="1.0" encoding="UTF-8"?>\n<${root}>${inner.join('')}</${root}>`,
  };
}

export const storageError = (
  status: number,
  code: string,
  more: Record<string, string | number> = {},
): Refusal => new Refusal(xmlReply(status, 'Error', { Code: code, Message: code, ...more }));

/** A bad code is refused with status 200, a bad refresh token with the number 400 alone. */
export function oauthError(error: string, _description: string, grant?: string) {
  if (error === 'invalid_client') return { status: 401, body: { message: 'Unauthorized', error: 401 } };
  if (grant === 'refresh') return { status: 400, body: { message: 'Bad Request', error: 400 } };
  return { status: error === 'invalid_grant' ? 200 : 400, body: { error } };
}
