import type { IncomingHttpHeaders } from 'node:http';
import { Agent, request } from 'undici';
import type { AnswerHeaders, Fetch } from './http.ts';

/**
 * A connection that the other side is closing just as it is used again ends in a reset, and a reset commit in doubt.
 * So idle connections are kept for one second only, shorter than any platform keeps them.
 */
const keepAliveMs = 1_000;

/**
 * What the adapters send with in production: `fetch` without the streams and objects of the web, which for five hundred
 * posts due at one instant cost as much time as the sending. Follows no redirect and asks for no compression.
 */
export function createPlatformFetch(): Fetch {
  const dispatcher = new Agent({ keepAliveTimeout: keepAliveMs, keepAliveMaxTimeout: keepAliveMs });
  return async (url, { method, headers, body, signal }) => {
    const answer = await request(url, { ...{ method, headers, signal, dispatcher }, body: body ?? null });
    return { status: answer.statusCode, headers: headersOf(answer.headers), body: answer.body };
  };
}

const headersOf = (headers: IncomingHttpHeaders): AnswerHeaders => ({
  get: (name) => {
    const value = headers[name.toLowerCase()];
    return Array.isArray(value) ? value.join(', ') : (value ?? null);
  },
});
