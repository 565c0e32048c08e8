import { randomUUID } from 'node:crypto';

/** The demo cannot go on: the API or the sandbox said no, with its reason. */
export class DemoError extends Error {
  override readonly name = 'DemoError';
}

export interface ApiClient {
  readonly get: <Answer>(path: string) => Promise<Answer>;
  readonly post: <Answer>(path: string, body?: unknown) => Promise<Answer>;
  /** Changes what was read: both send the ETag of a read just before. */
  readonly put: <Answer>(path: string, body: unknown) => Promise<Answer>;
  readonly patch: <Answer>(path: string, body: unknown) => Promise<Answer>;
}

const withinMs = 15_000;

/** The HTTP interface as one caller uses it: bearer token, an idempotency key for every POST, problems as errors. */
export function createApiClient(apiUrl: string, token: string, tenantId?: string): ApiClient {
  const call = async (method: string, path: string, body?: unknown, extra: Record<string, string> = {}) => {
    const response = await fetch(`${apiUrl}/api/v1${path}`, {
      method,
      headers: {
        authorization: `Bearer ${token}`,
        ...(tenantId ? { 'gatepost-tenant': tenantId } : {}),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...extra,
      },
      body: body === undefined ? undefined : JSON.stringify(body),
      signal: AbortSignal.timeout(withinMs),
    });
    const text = await response.text();
    if (!response.ok)
      throw new DemoError(`${method} ${path} answered ${response.status}: ${text.slice(0, 600)}`);
    return { answer: text === '' ? undefined : JSON.parse(text), etag: response.headers.get('etag') };
  };
  const change = async (method: 'PUT' | 'PATCH', path: string, body: unknown) => {
    const { etag } = await call('GET', path);
    if (!etag) throw new DemoError(`GET ${path} gave no ETag`);
    return (await call(method, path, body, { 'if-match': etag })).answer;
  };
  return {
    get: async (path) => (await call('GET', path)).answer,
    post: async (path, body = {}) =>
      (await call('POST', path, body, { 'idempotency-key': randomUUID() })).answer,
    put: (path, body) => change('PUT', path, body),
    patch: (path, body) => change('PATCH', path, body),
  };
}

/** Sends a file's bytes to where the API said, and has them looked at. */
export async function uploadMedia(
  client: ApiClient,
  media: { fileName: string; contentType: string; bytes: Uint8Array },
): Promise<string> {
  const { fileName, contentType, bytes } = media;
  const created = await client.post<{
    id: string;
    upload: { url: string; method: string; headers: Record<string, string> };
  }>('/media', { fileName, contentType, sizeBytes: bytes.length });
  const { url, method, headers } = created.upload;
  const response = await fetch(url, { method, headers, body: bytes, signal: AbortSignal.timeout(withinMs) });
  if (!response.ok) throw new DemoError(`The upload of ${fileName} was refused: ${response.status}`);
  await client.post(`/media/${created.id}/complete`);
  return created.id;
}
