import { randomInt } from 'node:crypto';
import type { Account } from '../accounts.ts';
import { accountsOfBearer } from '../bearer.ts';
import type { SandboxContext } from '../context.ts';
import { type Call, jsonReply, Refusal, type Reply } from '../protocol.ts';

/** How X reads tokens and bodies, and words what it refuses. */

export const authenticate = (context: SandboxContext, call: Call): Account[] =>
  accountsOfBearer(context, 'x', call, unauthorized);

export function accountIdOf(call: Call): string | undefined {
  return call.accounts[0]?.externalId;
}

/** A token is one user's. */
export function requireScope(call: Call, ...scopes: string[]): Account {
  const account = call.accounts[0]!;
  const missingScope = scopes.find((scope) => !account.scopes.includes(scope));
  if (missingScope) throw forbidden(`The token lacks the scope ${missingScope}.`);
  return account;
}

export function requireJson(call: Call, known: readonly string[]): Record<string, unknown> {
  if (!call.headers['content-type']?.startsWith('application/json'))
    throw refusal(415, null, 'Unsupported Media Type', 'Content-Type must be application/json');
  if (typeof call.json !== 'object' || call.json === null || Array.isArray(call.json))
    throw invalid('The body is no JSON object.');
  const body = call.json as Record<string, unknown>;
  const unknown = Object.keys(body).find((name) => !known.includes(name));
  if (unknown !== undefined)
    throw invalid(
      `$.${unknown}: is not defined in the schema and the schema does not allow additional properties`,
    );
  return body;
}

/** X's ids carry the time in their upper bits, counted from its own beginning. */
export const createNumber = (at: Date): string =>
  String((BigInt(at.getTime() - 1_288_834_974_657) << 22n) | BigInt(randomInt(2 ** 22)));

const typeAddress = (kind: string | null): string =>
  kind === null ? 'about:blank' : `https://api.x.com/2/problems/${kind}`;

export function problem(
  status: number,
  kind: string | null,
  title: string,
  detail: string,
  more: Record<string, unknown> = {},
): Reply {
  return jsonReply(status, { ...more, title, detail, type: typeAddress(kind), status });
}

export function refusal(...[status, kind, title, detail, more]: Parameters<typeof problem>): Refusal {
  return new Refusal(problem(status, kind, title, detail, more));
}

export const invalid = (message: string): Refusal =>
  refusal(400, 'invalid-request', 'Invalid Request', 'One or more parameters to your request was invalid.', {
    errors: [{ message }],
  });

export const forbidden = (detail: string): Refusal => refusal(403, null, 'Forbidden', detail);

export const missing = (parameter: string, value: string): Record<string, unknown> => ({
  ...{ value, parameter, resource_id: value, title: 'Not Found Error' },
  ...{ detail: `Could not find ${parameter}: [${value}].`, type: typeAddress('resource-not-found') },
});

export const notFound = (parameter: string, value: string): Refusal =>
  new Refusal(jsonReply(404, { errors: [missing(parameter, value)] }));

export const unauthorized = (): Reply => problem(401, null, 'Unauthorized', 'Unauthorized');

export function throttled(reset: number): Reply {
  const reply = problem(429, null, 'Too Many Requests', 'Too Many Requests');
  return { ...reply, headers: { ...reply.headers, 'x-rate-limit-reset': String(reset) } };
}

/** The flat errors of OAuth; a dead code or token is told by its sentence alone. */
export function oauthError(code: string, description: string, grant?: string) {
  if (code === 'invalid_client') {
    const body = { error: 'unauthorized_client', error_description: 'Missing valid authorization header' };
    return { status: 401, body };
  }
  if (code !== 'invalid_grant') return { status: 400, body: { error: code, error_description: description } };
  const named = grant === 'code' ? 'authorization code' : 'token';
  const error_description = `Value passed for the ${named} was invalid.`;
  return { status: 400, body: { error: 'invalid_request', error_description } };
}
