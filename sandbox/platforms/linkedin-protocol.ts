import type { Account } from '../accounts.ts';
import type { SandboxContext } from '../context.ts';
import { type Call, jsonReply, Refusal, type Reply } from '../protocol.ts';

/** What LinkedIn's calls share: their headers, who may do what, and how a refusal is worded. */

export function requireVersion(context: SandboxContext, call: Call): void {
  const version = call.headers['linkedin-version']?.toString();
  if (!version) {
    throw refusal(
      400,
      'VERSION_MISSING',
      'A version must be present. Please specify a version by adding the LinkedIn-Version header.',
    );
  }
  if (!context.settings.get().linkedinVersions.includes(version)) {
    throw refusal(426, 'NONEXISTENT_VERSION', `Requested version ${version} is not active`);
  }
  // Without it the answers would follow Rest.li 1.0; a client that forgets it is to notice.
  if (call.headers['x-restli-protocol-version'] !== '2.0.0') {
    throw illegalArgument('X-Restli-Protocol-Version must be 2.0.0');
  }
}

export function scopesOf(call: Call): string[] {
  return call.accounts.flatMap(({ scopes }) => scopes);
}

export function requireOwnAccount(call: Call, field: string, urn: string | undefined): Account {
  if (urn === undefined) throw missingField(field);
  if (!/^urn:li:(person|organization):[A-Za-z0-9_-]+$/.test(urn)) {
    throw refusal(400, 'INVALID_URN_TYPE', `/${field} is no person or organization URN: ${urn}`);
  }
  const account = call.accounts.find(({ externalId }) => externalId === urn);
  if (!account) throw refusal(403, 'ACCESS_DENIED', `The token may not act for /${field} ${urn}`);
  return account;
}

export function requireWriteScope(call: Call, account: Account, action: string): void {
  const scope = account.kind === 'organization' ? 'w_organization_social' : 'w_member_social';
  if (!scopesOf(call).includes(scope)) throw accessDenied(action);
}

/** r_member_social is closed: only an organisation's posts can be read. */
export function requireReadableAuthor(call: Call, urn: string | undefined, action: string): Account {
  const author = requireOwnAccount(call, 'author', urn);
  if (author.kind !== 'organization' || !scopesOf(call).includes('r_organization_social')) {
    throw accessDenied(action);
  }
  return author;
}

/** URNs in a path are percent-encoded, or the platform does not understand the path. */
export function requireEncodedPath(call: Call): void {
  if (call.rawPath.includes(':')) throw illegalArgument('Syntax exception in path variables');
}

export function requireJson(call: Call): Record<string, unknown> {
  if (typeof call.json !== 'object' || call.json === null || Array.isArray(call.json)) {
    throw refusal(400, 'INVALID_REQUEST_BODY', 'The request body is no JSON object');
  }
  return call.json as Record<string, unknown>;
}

export function requiredString(body: Record<string, unknown>, name: string): string {
  const value = body[name];
  if (value === undefined) throw missingField(name);
  if (typeof value !== 'string') throw invalidValue(`/${name}`, 'is no string');
  return value;
}

export function requireOneOf(body: Record<string, unknown>, name: string, allowed: string[]): void {
  const value = requiredString(body, name);
  if (!allowed.includes(value))
    throw invalidValue(`/${name}`, `is ${value}, not one of ${allowed.join(', ')}`);
}

export function readCount(call: Call, name: string, otherwise: number, maximum: number): number {
  const value = Number(call.query.get(name) ?? otherwise);
  if (!Number.isInteger(value) || value < 0 || value > maximum) {
    throw invalidValue(name, `must be from 0 to ${maximum}`);
  }
  return value;
}

/** Code points: the platform does not document its unit, so the widest reading stands. */
export function countCharacters(text: string): number {
  return [...text].length;
}

export function errorReply(
  status: number,
  code: string,
  message: string,
  serviceErrorCode = 100,
  headers: Record<string, string> = {},
): Reply {
  return jsonReply(status, { status, code, message, serviceErrorCode }, headers);
}

export function refusal(status: number, code: string, message: string, serviceErrorCode?: number): Refusal {
  return new Refusal(errorReply(status, code, message, serviceErrorCode));
}

export function expiredToken(): Reply {
  return errorReply(401, 'EXPIRED_ACCESS_TOKEN', 'The token used in the request has expired', 65602);
}

export function accessDenied(action: string): Refusal {
  return refusal(403, 'ACCESS_DENIED', `Not enough permissions to access: ${action}`);
}

export function illegalArgument(message: string): Refusal {
  return refusal(400, 'ILLEGAL_ARGUMENT', message, 0);
}

export function missingField(field: string): Refusal {
  return refusal(400, 'MISSING_FIELD', `The field is required: ${field}`);
}

export function invalidValue(field: string, problem: string): Refusal {
  return refusal(400, 'INVALID_VALUE_FOR_FIELD', `${field} ${problem}`);
}

export function tooLong(field: string, maximum: number): Refusal {
  return refusal(400, 'FIELD_LENGTH_TOO_LONG', `${field} has more than ${maximum} characters`);
}
