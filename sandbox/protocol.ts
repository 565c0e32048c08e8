import { randomUUID } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { Busboy, type BusboyHeaders } from '@fastify/busboy';
import type { Express, Request, Response } from 'express';
import type { Account } from './accounts.ts';
import type { SandboxContext } from './context.ts';
import type { Fault } from './faults.ts';
import { sha256Of } from './media.ts';
import type { OperationName, Platform } from './platforms/index.ts';
import { type RequestRecord, redactHeaders, redactText } from './requests.ts';

/** A platform call, after its body has arrived completely. */
export interface Call {
  requestId: string;
  method: string;
  /** As sent: still percent-encoded, without the query. */
  rawPath: string;
  rawQuery: string;
  /** Path parameters, decoded. */
  params: Record<string, string>;
  query: URLSearchParams;
  headers: IncomingHttpHeaders;
  body: Buffer;
  /** The body as JSON; undefined if it is none. */
  readonly json: unknown;
  /** The body as it arrives, for an operation that `isStreamed`. */
  stream: Readable;
  receivedAt: Date;
  /** Whom the token speaks for; filled by `authenticate`. */
  accounts: Account[];
  /** A fault that acts inside the call (slow or failed processing). */
  fault?: Fault;
}

export interface Reply {
  status: number;
  headers?: Record<string, string>;
  body?: string;
}

/** Thrown by a call to answer with an error of the platform. */
export class Refusal extends Error {
  readonly reply: Reply;

  constructor(reply: Reply) {
    super(`Answered ${reply.status}`);
    this.reply = reply;
  }
}

/** One call of a platform's API. */
export interface Operation {
  /** A function where the path alone does not tell the operations apart. */
  name: OperationName | ((call: Call) => OperationName);
  method: 'get' | 'post' | 'put' | 'patch' | 'delete';
  path: string;
  /** It takes no token: the address it was given is all that is needed. */
  isOpen?: true;
  /** How its faults are worded, where not like the platform's others. */
  faultReplies?: FaultReplies;
  /** Its body is too large to be held: `call.stream` has it, and `call.body` nothing. */
  isStreamed?: true;
  /** The account it concerns, for faults and the log. */
  subject(call: Call): string | undefined;
  handle(call: Call): Promise<Reply> | Reply;
}

/** How a platform words what faults make it say. */
export interface FaultReplies {
  refuse(fault: Fault): Reply;
  throttle(fault: Fault): Reply;
  expiredToken(): Reply;
  serverError(fault: Fault): Reply;
}

/** A status, the platform's code and its words. */
type UsualError = readonly [status: number, code: string, message: string];

/** The answers to faults on a platform that words all its errors alike: the usual ones, or what the fault says. */
export function faultRepliesOf(
  error: (status: number, code: string, message: string, headers: Record<string, string>) => Reply,
  usual: Record<'refuse' | 'throttle' | 'serverError', UsualError>,
  expiredToken: () => Reply,
): FaultReplies {
  const reply = (
    [usualStatus, usualCode, usualMessage]: UsualError,
    { status = usualStatus, code = usualCode, message = usualMessage }: Partial<Fault>,
    headers: Record<string, string> = {},
  ) => error(status, String(code), message, headers);
  return {
    refuse: (fault) => reply(usual.refuse, fault),
    throttle: (fault) => {
      const { retryAfterSeconds } = fault;
      const headers: Record<string, string> =
        retryAfterSeconds === undefined ? {} : { 'retry-after': String(retryAfterSeconds) };
      return reply(usual.throttle, fault, headers);
    },
    expiredToken,
    serverError: ({ status, message }) => reply(usual.serverError, { status, message }),
  };
}

export interface PlatformProtocol {
  platform: Platform;
  basePath: string;
  operations: Operation[];
  /** Returns whom the token speaks for, or throws the platform's answer to a bad one. */
  authenticate(call: Call): Account[];
  faultReplies: FaultReplies;
  unknownPath(call: Call): Reply;
  /** Headers of every answer. */
  commonHeaders(call: Call): Record<string, string>;
}

/** Serves the operations that read their bodies themselves; mounted before any body is read. */
export function mountStreamed(app: Express, context: SandboxContext, protocol: PlatformProtocol): void {
  mount(app, context, protocol, ({ isStreamed }) => isStreamed === true);
}

/** Serves a platform's operations, with scripted faults around each. */
export function mountPlatform(app: Express, context: SandboxContext, protocol: PlatformProtocol): void {
  mount(app, context, protocol, ({ isStreamed }) => !isStreamed);
  app.use(protocol.basePath, (request, response) => serve(context, protocol, undefined, request, response));
}

function mount(
  app: Express,
  context: SandboxContext,
  protocol: PlatformProtocol,
  isIncluded: (operation: Operation) => boolean,
): void {
  for (const operation of protocol.operations.filter(isIncluded)) {
    app[operation.method](protocol.basePath + operation.path, (request, response) =>
      serve(context, protocol, operation, request, response),
    );
  }
}

type Answered = NonNullable<RequestRecord['answered']>;

async function serve(
  context: SandboxContext,
  protocol: PlatformProtocol,
  operation: Operation | undefined,
  request: Request,
  response: Response,
): Promise<void> {
  const startedAt = performance.now();
  const call = readCall(context, request);
  const record = startRecord(protocol.platform, call);
  context.requests.add(record);
  const finish = (answered: Omit<Answered, 'durationMs'>) => {
    record.answered = { ...answered, durationMs: Math.round(performance.now() - startedAt) };
  };
  try {
    const { outcome, fault } = await carryOut(context, protocol, operation, call, record, response);
    if (outcome === 'reset') {
      finish({ outcome, fault: fault?.kind });
      request.socket.resetAndDestroy();
    } else if (outcome === 'closed') {
      finish({ outcome, fault: fault?.kind });
      request.socket.destroy();
    } else {
      finish({ outcome: 'answered', status: outcome.status, fault: fault?.kind });
      send(response, outcome, protocol.commonHeaders(call));
    }
  } catch (error) {
    if (!context.halted().aborted) console.error('sandbox: a call failed', error);
    finish({ outcome: 'closed' });
    request.socket.destroy();
  }
}

type Outcome = Reply | 'reset' | 'closed';

async function carryOut(
  context: SandboxContext,
  protocol: PlatformProtocol,
  operation: Operation | undefined,
  call: Call,
  record: RequestRecord,
  response: Response,
): Promise<{ outcome: Outcome; fault?: Fault | undefined }> {
  const halted = context.halted();
  let fault: Fault | undefined;
  try {
    if (!operation?.isOpen) call.accounts = protocol.authenticate(call);
    if (!operation) return { outcome: protocol.unknownPath(call) };
    const name = typeof operation.name === 'function' ? operation.name(call) : operation.name;
    record.operation = name;
    record.externalId = operation.subject(call);
    fault = context.faults.take(name, record.externalId);
    if (!fault) return { outcome: await operation.handle(call) };

    const replies = operation.faultReplies ?? protocol.faultReplies;
    const early = await beforeAccepting(fault, replies, response, halted);
    if (early) return { outcome: early, fault };
    call.fault = fault;
    const reply = await operation.handle(call);
    return { outcome: await afterAccepting(fault, reply, replies, response, halted), fault };
  } catch (error) {
    if (halted.aborted) return { outcome: 'closed', fault };
    if (!(error instanceof Refusal)) throw error;
    if (fault && !hasActedBefore(fault)) {
      context.faults.giveBack(fault);
      fault = undefined;
    }
    return { outcome: error.reply, fault };
  }
}

/** What the fault answers before the call is carried out; undefined lets the call through. */
async function beforeAccepting(
  fault: Fault,
  replies: FaultReplies,
  response: Response,
  halted: AbortSignal,
): Promise<Outcome | undefined> {
  switch (fault.kind) {
    case 'refuse':
      return replies.refuse(fault);
    case 'throttle':
      return replies.throttle(fault);
    case 'expired-token':
      return replies.expiredToken();
    case 'error-before-accept':
      return replies.serverError(fault);
    case 'reset-before-accept':
      return 'reset';
    case 'hang':
      await hang(response, fault.ms, halted);
      return 'closed';
    case 'html':
      return fault.when === 'before' ? htmlReply(fault) : undefined;
    case 'delay':
      await sleep(fault.ms, undefined, { signal: halted });
      return undefined;
    case 'hang-after-accept':
    case 'accept-then-reset':
    case 'error-after-accept':
    case 'truncated-json':
    case 'slow-container':
    case 'slow-upload-processing':
    case 'failed-processing':
      return undefined;
    default:
      throw new Error(`Unknown fault: ${fault.kind satisfies never}`);
  }
}

/** What the client sees of an accepted call. */
async function afterAccepting(
  fault: Fault,
  reply: Reply,
  replies: FaultReplies,
  response: Response,
  halted: AbortSignal,
): Promise<Outcome> {
  switch (fault.kind) {
    case 'accept-then-reset':
      return 'reset';
    case 'error-after-accept':
      return replies.serverError(fault);
    case 'hang-after-accept':
      await hang(response, fault.ms, halted);
      return 'closed';
    case 'truncated-json':
      return truncatedReply(reply);
    case 'html':
      return fault.when === 'after' ? htmlReply(fault) : reply;
    default:
      return reply;
  }
}

function hasActedBefore(fault: Fault): boolean {
  return fault.kind === 'delay';
}

/** Resolves when the client gives up or, if given, the time is over. */
async function hang(response: Response, ms: number | undefined, halted: AbortSignal): Promise<void> {
  const done = new AbortController();
  const signal = AbortSignal.any([done.signal, halted]);
  const closed = new Promise<void>((resolve) => {
    if (response.destroyed) resolve();
    response.once('close', () => resolve());
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
  const waits: Promise<unknown>[] = [closed];
  if (ms !== undefined) waits.push(sleep(ms, undefined, { signal }).catch(() => undefined));
  await Promise.race(waits);
  done.abort();
}

function htmlReply(fault: Fault): Reply {
  return {
    status: fault.status ?? 502,
    headers: { 'content-type': 'text/html; charset=utf-8' },
    body: '<!doctype html><html><head><title>Sorry</title></head><body><h1>Something went wrong</h1></body></html>',
  };
}

/** Half of the JSON. An answer that has no body, only a header with the id, comes without that header. */
function truncatedReply(reply: Reply): Reply {
  const body = reply.body ?? '{"id":"urn:li:sha';
  const cut = reply.body ? body.slice(0, Math.max(1, Math.floor(body.length / 2))) : body;
  return { status: reply.status, headers: { 'content-type': 'application/json' }, body: cut };
}

function send(response: Response, reply: Reply, commonHeaders: Record<string, string>): void {
  response.status(reply.status);
  response.set({ ...commonHeaders, ...reply.headers });
  response.end(reply.body ?? '');
}

export function jsonReply(status: number, body: unknown, headers: Record<string, string> = {}): Reply {
  return {
    status,
    headers: { 'content-type': 'application/json; charset=utf-8', ...headers },
    body: JSON.stringify(body),
  };
}

/** The token of `Authorization: Bearer …`; undefined without one. */
export function bearerToken(call: Call): string | undefined {
  return /^(?:Bearer|OAuth)\s+(\S+)$/i.exec(call.headers.authorization ?? '')?.[1];
}

function readCall(context: SandboxContext, request: Request): Call {
  const [rawPath = '', rawQuery = ''] = splitOnce(request.originalUrl, '?');
  const body = Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0);
  let json: { value: unknown } | undefined;
  return {
    requestId: randomUUID(),
    method: request.method,
    rawPath,
    rawQuery,
    params: request.params as Record<string, string>,
    query: new URLSearchParams(rawQuery),
    headers: request.headers,
    body,
    // Read when it is asked for: making text of 8 MiB of a video costs more than keeping them.
    get json() {
      json ??= { value: parseJson(body) };
      return json.value;
    },
    stream: request,
    receivedAt: context.now(),
    accounts: [],
  };
}

function startRecord(platform: Platform, call: Call): RequestRecord {
  return {
    requestId: call.requestId,
    platform,
    operation: 'unknown',
    method: call.method,
    path: redactText(call.rawQuery ? `${call.rawPath}?${call.rawQuery}` : call.rawPath),
    headers: redactHeaders(call.headers),
    bodySha256: sha256Of(call.body),
    bodyBytes: call.body.length,
    receivedAt: call.receivedAt.toISOString(),
  };
}

function splitOnce(text: string, separator: string): [string, string] {
  const at = text.indexOf(separator);
  return at === -1 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)];
}

function parseJson(body: Buffer): unknown {
  if (body.length === 0) return undefined;
  try {
    return JSON.parse(body.toString('utf8'));
  } catch {
    return undefined;
  }
}

/** The value if it is a JSON object, else an empty one. */
export function asObject(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : {};
}

/** A member of a JSON object if it is a string. */
export function stringAt(value: unknown, name: string): string | undefined {
  const member = asObject(value)[name];
  return typeof member === 'string' ? member : undefined;
}

/** The fields of a form that was sent as `application/x-www-form-urlencoded`. */
export const formOf = (call: Call): URLSearchParams => new URLSearchParams(call.body.toString('utf8'));

/** Fields and files of a `multipart/form-data` body: fields as they come, each file handed on as it arrives. */
export async function readMultipart(
  call: Call,
  takeFile: (file: { field: string; name: string; contentType: string }, bytes: Readable) => Promise<void>,
): Promise<ReadonlyMap<string, string>> {
  const fields = new Map<string, string>();
  const taken: Promise<void>[] = [];
  const parser = new Busboy({ headers: call.headers as BusboyHeaders, limits: { fieldSize: 1_048_576 } });
  parser.on('field', (name, value) => void fields.set(name, value));
  parser.on('file', (field, bytes, name, _encoding, contentType) => {
    taken.push(takeFile({ field, name, contentType }, bytes));
  });
  const source = call.body.length > 0 ? Readable.from([call.body]) : call.stream;
  await pipeline(source, parser);
  await Promise.all(taken);
  return fields;
}
