import { randomUUID } from 'node:crypto';

/** One answer of the interface, as its caller saw it. */
export interface Reply {
  readonly method: string;
  readonly path: string;
  readonly status: number;
  readonly headers: Headers;
  // biome-ignore lint/suspicious/noExplicitAny: a test asserts what it reads.
  readonly body: any;
  readonly text: string;
}

export interface Send {
  readonly body?: unknown;
  /** A POST carries a fresh key by default; `null` sends none. */
  readonly key?: string | null;
  readonly ifMatch?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Another process of the interface than the first. */
  readonly apiUrl?: string;
}

export type Sender = (method: string, path: string, options?: Send) => Promise<Reply>;

export interface SenderOptions {
  readonly apiUrl: string;
  readonly token: string;
  /** For super admins, who name their tenant in every call. */
  readonly tenantHeader?: string;
  /** Told of every answer. */
  readonly onReply?: (reply: Reply) => void;
}

/** Makes what a person calls the interface with: paths are below `/api/v1`, and every status is an answer. */
export function createSender({ apiUrl, token, tenantHeader, onReply }: SenderOptions): Sender {
  return async (method, path, { body, key, ifMatch, headers, apiUrl: otherUrl } = {}) => {
    const response = await fetch(`${otherUrl ?? apiUrl}/api/v1${path}`, {
      method,
      headers: {
        authorization: `Bearer ${token}`,
        ...(tenantHeader && { 'gatepost-tenant': tenantHeader }),
        ...(method === 'POST' && key !== null && { 'idempotency-key': key ?? randomUUID() }),
        ...(body !== undefined && { 'content-type': 'application/json' }),
        ...(ifMatch && { 'if-match': ifMatch }),
        ...headers,
      },
      body: body === undefined ? undefined : JSON.stringify(body),
      signal: AbortSignal.timeout(20_000),
    });
    const text = await response.text();
    const isJson = response.headers.get('content-type')?.includes('json') && text !== '';
    const parsed = isJson ? JSON.parse(text) : undefined;
    const reply = { method, path, status: response.status, headers: response.headers, body: parsed, text };
    onReply?.(reply);
    return reply;
  };
}

/** The interface refused; `code` is the problem's, stable. */
export class Refused extends Error {
  override readonly name = 'Refused';
  readonly status: number;
  readonly code: string;
  readonly reply: Reply;

  constructor(reply: Reply) {
    const { code, detail, errors } = reply.body ?? {};
    super(
      `${reply.method} ${reply.path} was answered with ${reply.status} ${code ?? ''}: ${detail ?? reply.text}` +
        (errors ? ` ${JSON.stringify(errors)}` : ''),
    );
    this.status = reply.status;
    this.code = code ?? '';
    this.reply = reply;
  }
}

/** The answer of a request that succeeded; throws `Refused` otherwise. */
export function accepted(reply: Reply): Reply {
  if (reply.status >= 400) throw new Refused(reply);
  return reply;
}
