import type { Request } from 'express';
import type { Logger } from 'pino';
import type { OperationId } from './permissions.ts';
import { Problem } from './problems.ts';
import type { Answer, Route } from './route.ts';

/** How long a caller is kept waiting, in milliseconds: less than the ten seconds after which many of them give up. */
const answerWithinMs = 8_000;

/** What reads and writes hundreds of megabytes takes the time that takes. */
const unhurried: ReadonlySet<OperationId> = new Set([
  'completeMedia',
  // A code can be exchanged once, and whoever answered before that is done could not say what became of it.
  'receiveAuthorization',
  'connectWithCode',
]);

/**
 * Waits for the work of a request, and where it is not done in time throws a problem that says when to come again: each
 * part we depend on has a bound of its own, and many of them one after the other take too long all the same. The work
 * goes on; whoever repeats the request under its key learns what became of it.
 */
export async function answerInTime(
  route: Route,
  request: Pick<Request, 'complete' | 'readableDidRead' | 'log'>,
  work: Promise<Answer>,
): Promise<Answer> {
  if (unhurried.has(route.operationId)) return work;
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<'late'>((resolve) => {
    const ring = () => {
      // Who sends slowly keeps nobody waiting but itself.
      if (request.readableDidRead && !request.complete) timer = setTimeout(ring, answerWithinMs);
      else resolve('late');
    };
    timer = setTimeout(ring, answerWithinMs);
  });
  try {
    const answer = await Promise.race([work, late]);
    if (answer !== 'late') return answer;
    logEnd(work, request.log);
    throw tooLate(route);
  } finally {
    clearTimeout(timer);
  }
}

const tooLate = ({ problems = [] }: Route): Problem => {
  const code = problems.includes('outcome-unknown') ? 'outcome-unknown' : 'unavailable';
  const detail = 'It was not done in time and may yet be; repeat the request, under its key if it has one';
  return new Problem(code, detail, { headers: { 'Retry-After': '5' } });
};

function logEnd(work: Promise<Answer>, log: Logger): void {
  work.then(
    ({ status }) => log.warn({ status }, 'A request was done after it had been answered'),
    (error: unknown) => log.warn({ err: error }, 'A request failed after it had been answered'),
  );
}
