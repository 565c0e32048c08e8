import type { Request, RequestHandler, Response } from 'express';
import { Problem, type ProblemError } from './problems.ts';
import { noFields, type Route } from './route.ts';
import { z } from './zod.ts';

const deepestNesting = 32;
const jsonTypes = new Set(['application/json', 'application/merge-patch+json']);

export interface ReadRequest {
  readonly params: Record<string, unknown>;
  readonly query: Record<string, unknown>;
  readonly body: unknown;
  readonly rawBody: unknown;
}

/** Reads and checks everything a request says, and names every field that is wrong at once. */
export async function readRequest(
  route: Route,
  request: Request,
  response: Response,
  parseJson: RequestHandler,
): Promise<ReadRequest> {
  const rawBody = takesBody(route) ? await readBody(request, response, parseJson) : undefined;
  const rawQuery = readQuery(request, route.query ?? noFields);
  checkTexts(rawBody);
  checkTexts(rawQuery);
  const errors: ProblemError[] = [];
  const params = check(route.params ?? noFields, request.params, nameOf, errors);
  const query = check(route.query ?? noFields, rawQuery, nameOf, errors);
  const body = takesBody(route) ? check(route.body ?? noFields, rawBody, pointerTo, errors) : undefined;
  if (errors.length > 0) throw invalidRequest(errors);
  return {
    params: params as Record<string, unknown>,
    query: query as Record<string, unknown>,
    body,
    rawBody,
  };
}

const takesBody = (route: Route): boolean => route.method !== 'get';

/** One problem for all that is wrong; its detail counts, its errors name. */
export const invalidRequest = (errors: readonly ProblemError[]): Problem =>
  new Problem(
    'invalid-request',
    errors.length === 1 ? summaryOf(errors[0]!) : `${errors.length} fields are not valid`,
    { errors },
  );

async function readBody(request: Request, response: Response, parseJson: RequestHandler): Promise<unknown> {
  if (!hasBody(request)) return {};
  const header = request.headers['content-type'] ?? '';
  const [type = '', ...parameters] = header.split(';').map((part) => part.trim().toLowerCase());
  const isUtf8 = parameters.every(
    (parameter) => !/^charset=/.test(parameter) || /^charset="?utf-?8"?$/.test(parameter),
  );
  if (!jsonTypes.has(type) || !isUtf8)
    throw new Problem('unsupported-media-type', 'The body must be application/json in UTF-8');
  await new Promise<void>((resolve, reject) => {
    parseJson(request, response, (error?: unknown) => (error ? reject(error) : resolve()));
  });
  return request.body;
}

const hasBody = ({ headers }: Request): boolean =>
  headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;

/** Parameters as the schema wants them: a list where it has a list, else one value (two of them are refused). */
function readQuery(request: Request, schema: z.ZodObject): Record<string, unknown> {
  const start = request.originalUrl.indexOf('?');
  const parameters = new URLSearchParams(start < 0 ? '' : request.originalUrl.slice(start + 1));
  const names = [...new Set(parameters.keys())];
  const read = (name: string): unknown => {
    const values = parameters.getAll(name);
    return isList(schema.shape[name]) || values.length > 1 ? values : values[0];
  };
  return Object.fromEntries(names.map((name) => [name, read(name)]));
}

function isList(schema: unknown): boolean {
  if (schema instanceof z.ZodOptional) return isList(schema.unwrap());
  return schema instanceof z.ZodArray;
}

/** Refuses what PostgreSQL cannot store (NUL, lone surrogates) and nesting that serves nobody; without recursion. */
function checkTexts(value: unknown): void {
  const open: { value: unknown; path: string; depth: number }[] = [{ value, path: '', depth: 0 }];
  for (let next = open.pop(); next; next = open.pop()) {
    if (typeof next.value === 'string') checkText(next.value, next.path);
    if (typeof next.value !== 'object' || next.value === null) continue;
    if (next.depth >= deepestNesting)
      throw new Problem('too-deep', `The body is nested more than ${deepestNesting} levels deep`);
    for (const [name, inner] of Object.entries(next.value)) {
      checkText(name, next.path);
      open.push({ value: inner, path: `${next.path}/${escapePointer(name)}`, depth: next.depth + 1 });
    }
  }
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: NUL is what is looked for.
const unstorable = /\u0000|\p{Surrogate}/u;

function checkText(text: string, path: string): void {
  if (!unstorable.test(text)) return;
  const error = {
    path,
    code: 'invalid-text',
    message: 'Text holds a NUL character or half a surrogate pair',
  };
  throw new Problem('invalid-text', error.message, { errors: [error] });
}

const summaryOf = ({ path, message }: ProblemError): string =>
  path === '' ? message : `${path}: ${message}`;

type PathFormat = (path: readonly PropertyKey[]) => string;

const nameOf: PathFormat = (path) => path.map(String).join('.');
const pointerTo: PathFormat = (path) => path.map((part) => `/${escapePointer(String(part))}`).join('');
const escapePointer = (part: string): string => part.replaceAll('~', '~0').replaceAll('/', '~1');

function check(schema: z.ZodType, value: unknown, format: PathFormat, errors: ProblemError[]): unknown {
  const result = schema.safeParse(value, { error: describeIssue });
  if (result.success) return result.data;
  errors.push(...result.error.issues.flatMap((issue) => mapIssue(issue, format)));
  return undefined;
}

function mapIssue(issue: z.core.$ZodIssue, format: PathFormat): ProblemError[] {
  const path = format(issue.path);
  switch (issue.code) {
    case 'unrecognized_keys':
      return issue.keys.map((key) => ({
        path: format([...issue.path, key]),
        code: 'unknown-field',
        message: 'There is no such field',
      }));
    case 'too_big':
      return [{ path, code: 'too-big', message: issue.message, limit: Number(issue.maximum) }];
    case 'too_small':
      return [{ path, code: 'too-small', message: issue.message, limit: Number(issue.minimum) }];
    case 'invalid_type': {
      const isMissing = issue.message === missing;
      return [{ path, code: isMissing ? 'missing' : 'wrong-type', message: issue.message }];
    }
    case 'invalid_value':
      return [
        { path, code: 'not-allowed', message: issue.message, limit: issue.values.map(String).join(', ') },
      ];
    case 'invalid_format':
      return [{ path, code: 'invalid-format', message: issue.message }];
    case 'custom':
      return [{ path, code: String(issue.params?.code ?? 'not-valid'), message: issue.message }];
    default:
      return [{ path, code: 'not-valid', message: issue.message }];
  }
}

const missing = 'Is missing';

/** In words what a schema does not word itself. */
function describeIssue(issue: z.core.$ZodRawIssue): string | undefined {
  switch (issue.code) {
    case 'invalid_type':
      return issue.input === undefined ? missing : `Must be ${typeNames[issue.expected] ?? issue.expected}`;
    case 'invalid_value':
      return `Must be ${issue.values.length > 1 ? 'one of ' : ''}${issue.values.join(', ')}`;
    case 'too_small':
      return `Must ${limitOf(issue.origin, 'least', issue.minimum)}`;
    case 'too_big':
      return `Must ${limitOf(issue.origin, 'most', issue.maximum)}`;
    case 'invalid_format':
      return formatNames[issue.format];
    default:
      return undefined;
  }
}

function limitOf(origin: string, which: 'least' | 'most', limit: number | bigint): string {
  const counted = { string: 'characters', array: 'entries' }[origin];
  return counted ? `have at ${which} ${limit} ${counted}` : `be at ${which} ${limit}`;
}

const typeNames: Readonly<Record<string, string>> = {
  ...{ string: 'text', number: 'a number', int: 'a whole number', boolean: 'true or false' },
  ...{ array: 'a list', object: 'an object', record: 'an object' },
};
const formatNames: Readonly<Record<string, string>> = {
  ...{ guid: 'Must be an id (a UUID)', uuid: 'Must be an id (a UUID)', url: 'Must be a web address' },
};
