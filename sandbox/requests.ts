import type { OperationName, Platform } from './platforms/index.ts';

/** One call of a platform's API, for tests and for people who wonder what an adapter sent. */
export interface RequestRecord {
  requestId: string;
  platform: Platform;
  operation: OperationName | 'unknown';
  externalId?: string | undefined;
  method: string;
  /** With its query; an access token in it is replaced. */
  path: string;
  headers: Record<string, string>;
  bodySha256: string;
  bodyBytes: number;
  receivedAt: string;
  /** Absent while the sandbox has not answered. */
  answered?: {
    /** `reset` and `closed`: the connection ended without an answer. */
    outcome: 'answered' | 'reset' | 'closed';
    status?: number | undefined;
    fault?: string | undefined;
    durationMs: number;
  };
}

/** The latest calls, oldest first; earlier ones are forgotten. */
export interface RequestLog {
  add(record: RequestRecord): void;
  list(filter: { operation?: string | undefined; externalId?: string | undefined }): RequestRecord[];
  clear(): void;
}

export function createRequestLog(capacity = 5_000): RequestLog {
  let records: RequestRecord[] = [];
  return {
    add(record) {
      records.push(record);
      if (records.length > capacity * 1.25) records = records.slice(-capacity);
    },
    list: ({ operation, externalId }) =>
      records
        .slice(-capacity)
        .filter(
          (record) =>
            (!operation || record.operation === operation) &&
            (!externalId || record.externalId === externalId),
        ),
    clear() {
      records = [];
    },
  };
}

const secretHeaders = new Set(['authorization', 'cookie', 'proxy-authorization']);

export function redactHeaders(headers: NodeJS.Dict<string | string[]>): Record<string, string> {
  const redacted: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers)) {
    if (value === undefined) continue;
    redacted[name] = secretHeaders.has(name) ? '[redacted]' : String(value);
  }
  return redacted;
}

/** Takes tokens, codes and secrets out of a query, a form or a JSON body. */
export function redactText(text: string): string {
  return text
    .replace(new RegExp(`((?:^|[?&])(?:${secretNames})=)[^&\\s"]*`, 'g'), '$1[redacted]')
    .replace(new RegExp(`("(?:${secretNames})"\\s*:\\s*")[^"]*`, 'g'), '$1[redacted]');
}

const secretNames =
  'access_token|appsecret_proof|refresh_token|fb_exchange_token|client_secret|code|code_verifier|state|token';
