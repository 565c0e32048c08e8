import { randomUUID } from 'node:crypto';
import { Pool } from 'undici';

export interface Call {
  readonly method: 'GET' | 'POST' | 'PUT';
  readonly path: string;
  readonly token: string;
  readonly body?: unknown;
  /** A POST carries a fresh key by default; `null` sends none. */
  readonly key?: string | null;
  readonly tenantId?: string;
  readonly ifMatch?: string;
  /** Any other answer throws. */
  readonly expected: number;
  /** How long an answer is waited for (default 20 s). */
  readonly timeoutMs?: number;
}

/** A host's client of the interface, with little work of its own. */
export interface Caller {
  // biome-ignore lint/suspicious/noExplicitAny: whoever calls knows the answer's form.
  readonly call: (call: Call) => Promise<any>;
  readonly url: string;
  readonly close: () => Promise<void>;
}

export function createCaller(url: string, connections: number): Caller {
  const { origin, pathname } = new URL(url);
  const pool = new Pool(origin, { connections, keepAliveTimeout: 60_000 });
  return {
    url,
    close: () => pool.close(),
    call: async (call) => {
      const { method, path, token, body, key, tenantId, ifMatch, expected, timeoutMs = 20_000 } = call;
      const answer = await pool.request({
        method,
        path: `${pathname}${path}`,
        headers: {
          authorization: `Bearer ${token}`,
          ...(tenantId && { 'gatepost-tenant': tenantId }),
          ...(method === 'POST' && key !== null && { 'idempotency-key': key ?? randomUUID() }),
          ...(body !== undefined && { 'content-type': 'application/json' }),
          ...(ifMatch && { 'if-match': ifMatch }),
        },
        body: body === undefined ? null : JSON.stringify(body),
        bodyTimeout: timeoutMs,
        headersTimeout: timeoutMs,
      });
      const text = await answer.body.text();
      if (answer.statusCode !== expected)
        throw new Error(`${method} ${path} answered ${answer.statusCode}, not ${expected}: ${text}`);
      return text === '' ? undefined : JSON.parse(text);
    },
  };
}
