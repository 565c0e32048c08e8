import { randomBytes, randomInt } from 'node:crypto';
import type { Account } from '../accounts.ts';
import { hasExpired } from '../bearer.ts';
import type { SandboxContext } from '../context.ts';
import type { Fault } from '../faults.ts';
import {
  asObject,
  bearerToken,
  type Call,
  type FaultReplies,
  jsonReply,
  Refusal,
  type Reply,
} from '../protocol.ts';
import type { Platform } from './index.ts';

/** What Meta's Graph API is like wherever it is served: parameters, fields, tokens and errors. */

/**
 * Codes as published, https://developers.facebook.com/docs/instagram-platform/instagram-graph-api/reference/error-codes
 * and https://developers.facebook.com/docs/graph-api/guides/error-handling
 */
export interface GraphCode {
  code: number;
  subcode?: number | undefined;
}

export const objectGone: GraphCode = { code: 100, subcode: 33 };
const expiredCode: GraphCode = { code: 190, subcode: 463 };
const invalidCode: GraphCode = { code: 190, subcode: 467 };

export function authenticate(context: SandboxContext, platform: Platform, call: Call): Account[] {
  const token = bearerToken(call) ?? readText(readParameters(call).access_token);
  if (!token) {
    throw refusal(400, { code: 104 }, 'An access token is required to request this resource.');
  }
  const accounts = context.accounts.findByToken(platform, token);
  // A person may consent and choose no account.
  const isNobodys = accounts.length === 0 && !context.accounts.findIssued(platform, token, context.now());
  if (isNobodys) {
    throw refusal(401, invalidCode, 'Invalid OAuth access token - Cannot parse access token');
  }
  if (hasExpired(accounts, context.now())) {
    throw new Refusal(expiredToken());
  }
  return accounts;
}

/** Query, form or JSON: the Graph API takes parameters from each. */
export type Parameters = Record<string, unknown>;

export function readParameters(call: Call): Parameters {
  const fromQuery = Object.fromEntries(call.query);
  if (call.json !== undefined) return { ...fromQuery, ...asObject(call.json) };
  const isForm = call.headers['content-type']?.includes('application/x-www-form-urlencoded');
  const form = isForm ? new URLSearchParams(call.body.toString('utf8')) : new URLSearchParams();
  return { ...fromQuery, ...Object.fromEntries(form) };
}

export function readText(value: unknown): string | undefined {
  if (typeof value === 'number') return String(value);
  return typeof value === 'string' ? value : undefined;
}

export function readBoolean(value: unknown): boolean {
  return value === true || value === 'true' || value === '1';
}

/** A JSON array, such an array as text, or a list with commas. */
export function readList(value: unknown): string[] {
  if (Array.isArray(value)) return value.map(String);
  const text = readText(value)?.trim() ?? '';
  return text
    .replace(/^\[|\]$/g, '')
    .split(',')
    .map((item) => item.trim().replace(/^"|"$/g, ''))
    .filter((item) => item !== '');
}

export const isFetchableUrl = (url: string): boolean =>
  /^https?:\/\/[\x21-\x7e]+$/.test(url) && URL.canParse(url);

export function readFields(call: Call, known: readonly string[], otherwise: string[]): string[] {
  const asked = call.query.get('fields');
  if (!asked) return otherwise;
  const fields = asked.split(/,(?![^{]*\})/).map((field) => field.replace(/\{.*$/, '').trim());
  const unknown = fields.find((field) => !known.includes(field));
  if (unknown !== undefined) {
    throw refusal(400, { code: 100 }, `(#100) Tried accessing nonexisting field (${unknown})`);
  }
  return fields;
}

/** Unix seconds, or any date text. */
function readTime(call: Call, name: string): number | undefined {
  const value = call.query.get(name);
  if (value === null) return undefined;
  const seconds = /^\d+$/.test(value) ? Number(value) : Math.floor(Date.parse(value) / 1000);
  if (Number.isNaN(seconds)) throw refusal(400, { code: 100 }, `(#100) Invalid ${name}: ${value}`);
  return seconds;
}

function readLimit(call: Call): number {
  const limit = Number(call.query.get('limit') ?? 25);
  if (!Number.isInteger(limit) || limit < 1) throw refusal(400, { code: 100 }, '(#100) Invalid limit');
  return Math.min(limit, 100);
}

/** A page of a list that is given newest first, by `since`, `until`, `limit` and `after`. */
export function pageOf<Thing extends { publicId: string; acceptedAt: string }>(
  call: Call,
  newestFirst: readonly Thing[],
  render: (thing: Thing) => Record<string, unknown>,
): Reply {
  const since = readTime(call, 'since');
  const until = readTime(call, 'until');
  const shown = newestFirst.filter(({ acceptedAt }) => {
    // The platform's times are whole seconds.
    const seconds = Math.floor(Date.parse(acceptedAt) / 1000);
    return (since === undefined || seconds >= since) && (until === undefined || seconds <= until);
  });
  const after = call.query.get('after');
  const start = after ? shown.findIndex(({ publicId }) => publicId === after) + 1 : 0;
  const page = shown.slice(start, start + readLimit(call));
  const last = page.at(-1);
  return jsonReply(200, {
    data: page.map(render),
    ...(last ? { paging: { cursors: { before: page[0]!.publicId, after: last.publicId } } } : {}),
  });
}

/** Graph's way to write a time. */
export const graphTime = (at: string): string => at.replace(/\.\d+Z$/, '+0000');

export function pick(node: Record<string, unknown>, fields: string[]): Record<string, unknown> {
  return Object.fromEntries(fields.filter((field) => field in node).map((field) => [field, node[field]]));
}

/** Nodes always carry their id. */
export function select(node: Record<string, unknown>, fields: string[]): Record<string, unknown> {
  return { ...pick(node, fields), id: node.id };
}

export function requireVersion(call: Call): void {
  const version = call.params.version ?? '';
  if (!/^v\d+\.\d+$/.test(version)) {
    throw refusal(400, { code: 2500 }, `Unknown path components: /${version}`);
  }
}

/** The account that a path names, `me` for the token's first. */
export function ownerOf(call: Call): string | undefined {
  return call.params.id === 'me' ? call.accounts[0]?.externalId : call.params.id;
}

export function speaksFor(call: Call, externalId: string): boolean {
  return call.accounts.some((account) => account.externalId === externalId);
}

export function requireAccount(call: Call): Account {
  requireVersion(call);
  const account = call.accounts.find(({ externalId }) => externalId === ownerOf(call));
  if (!account) throw gone(call.params.id);
  return account;
}

export const gone = (id: string | undefined): Refusal =>
  refusal(
    400,
    objectGone,
    `Unsupported request. Object with ID '${id}' does not exist, cannot be loaded due to missing permissions, or does not support this operation`,
    { type: 'GraphMethodException' },
  );

export function requireScope(account: Account, ends: string): void {
  if (!account.scopes.some((scope) => scope.endsWith(ends))) {
    throw refusal(403, { code: 10 }, '(#10) Application does not have permission for this action');
  }
}

export function usernameOf(name: string): string {
  return name.toLowerCase().replace(/[^a-z0-9._]+/g, '_');
}

export function countMatches(text: string, pattern: RegExp): number {
  return [...text.matchAll(pattern)].length;
}

export function randomDigits(length: number): string {
  return Array.from({ length }, () => randomInt(10)).join('');
}

export const randomShortcode = (): string => `D${randomBytes(8).toString('base64url').slice(0, 10)}`;

/** How the Graph API words what faults make it say; `restricted` is its permanent refusal. */
export const graphFaultReplies = (restricted: GraphCode, words: string): FaultReplies => ({
  refuse: ({ status, code, subcode, message }) =>
    errorReply(
      status ?? 400,
      code === undefined ? restricted : { code: Number(code), subcode },
      message ?? words,
    ),
  throttle,
  expiredToken,
  serverError: ({ status, message }) =>
    errorReply(
      status ?? 500,
      { code: 2 },
      message ?? 'An unexpected error has occurred. Please retry your request later.',
      { is_transient: true },
    ),
});

/**
 * The Graph API documents no Retry-After: how long to wait is in the usage header, in minutes. The account's own
 * number is not known here, so the header names a business of the sandbox.
 */
function throttle({ platform, status, code, subcode, message, retryAfterSeconds }: Fault): Reply {
  const usage = { call_count: 100, total_cputime: 100, total_time: 100 };
  const headers: Record<string, string> = { 'x-app-usage': JSON.stringify(usage) };
  if (retryAfterSeconds !== undefined) {
    headers['x-business-use-case-usage'] = JSON.stringify({
      '1000000000000001': [
        { type: platform, ...usage, estimated_time_to_regain_access: Math.ceil(retryAfterSeconds / 60) },
      ],
    });
    // Sent only when the script asks for the HTTP form of the refusal.
    if (status === 429) headers['retry-after'] = String(retryAfterSeconds);
  }
  return errorReply(
    status ?? 403,
    { code: Number(code ?? 4), subcode },
    message ?? '(#4) Application request limit reached',
    { is_transient: true },
    headers,
  );
}

export function errorReply(
  status: number,
  { code, subcode }: GraphCode,
  message: string,
  extra: Record<string, unknown> = {},
  headers: Record<string, string> = {},
): Reply {
  const error = {
    message,
    type: 'OAuthException',
    code,
    ...(subcode === undefined ? {} : { error_subcode: subcode }),
    is_transient: false,
    fbtrace_id: `A${randomBytes(16).toString('base64url')}`,
    ...extra,
  };
  const challenge: Record<string, string> =
    code === 190 ? { 'www-authenticate': `OAuth "Facebook Platform" "invalid_token" "${message}"` } : {};
  return jsonReply(status, { error }, { ...challenge, ...headers });
}

export function refusal(
  status: number,
  code: GraphCode,
  message: string,
  extra?: Record<string, unknown>,
): Refusal {
  return new Refusal(errorReply(status, code, message, extra));
}

export function expiredToken(): Reply {
  return errorReply(401, expiredCode, 'Error validating access token: Session has expired.');
}
