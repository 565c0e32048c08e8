import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Person, Reply } from '../support/live.ts';
import type { Answer } from './detector.ts';

const longestPauseMs = 1_000;

/** How somebody calls the interface who does as its documents say: repeats under the same key until there is an answer. */
export interface Caller {
  /** One call; `null` where no answer came. Every call is noted in `answers`. */
  readonly ask: (person: Person, method: string, path: string, send?: Call) => Promise<Reply | null>;
  /** Until it is neither 503, 504 nor still running; throws when that takes longer than a minute. */
  readonly insist: (person: Person, method: string, path: string, send?: Call) => Promise<Reply>;
  readonly answers: readonly Answer[];
}

export interface Call {
  readonly body?: unknown;
  readonly key?: string;
}

export function createCaller(apiUrl: string): Caller {
  const answers: Answer[] = [];
  const ask: Caller['ask'] = async (person, method, path, call = {}) => {
    const what = `${method} ${path.replaceAll(/[0-9a-f]{8}-[0-9a-f-]{27}/g, '{id}')}`;
    const startedAt = performance.now();
    try {
      const reply = await person.send(method, path, {
        ...call,
        apiUrl,
        key: method === 'POST' ? (call.key ?? randomUUID()) : null,
      });
      answers.push({ ...answerOf(what, reply), tookMs: performance.now() - startedAt });
      return reply;
    } catch (error) {
      const code = error instanceof Error ? error.name : String(error);
      answers.push({ what, status: null, code, retryAfter: null, tookMs: performance.now() - startedAt });
      return null;
    }
  };
  return {
    ask,
    answers,
    async insist(person, method, path, call = {}) {
      const key = call.key ?? randomUUID();
      const giveUpAt = Date.now() + 60_000;
      for (;;) {
        const reply = await ask(person, method, path, { ...call, key });
        if (reply && !isToBeRepeated(reply)) return reply;
        if (Date.now() > giveUpAt) throw new Error(`${method} ${path} was never answered: ${reply?.text}`);
        const wantedMs = Number(reply?.headers.get('retry-after') ?? 1) * 1_000;
        await sleep(Math.min(wantedMs, longestPauseMs));
      }
    },
  };
}

const isToBeRepeated = ({ status, body }: Reply): boolean =>
  status >= 500 || (status === 409 && body?.code === 'request-in-progress');

export const answerOf = (what: string, { status, body, headers }: Reply): Answer => ({
  what,
  status,
  code: typeof body?.code === 'string' ? body.code : null,
  retryAfter: headers.get('retry-after'),
  tookMs: 0,
});
