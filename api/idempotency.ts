import {
  claimIdempotencyKey,
  deleteIdempotencyClaim,
  deleteOldIdempotencyKeys,
  findIdempotencyKey,
  type KeyRow,
  type KeyScope,
  setIdempotencyAnswer,
} from '../db/idempotency-keys.ts';
import type { TenantDatabase } from '../db/tenant-database.ts';
import { digestOf } from '../domain/digest.ts';
import type { Sealing } from './ports.ts';
import { Problem } from './problems.ts';
import type { Answer } from './route.ts';

export interface KeyedRequest extends KeyScope {
  readonly tenantId: string;
  readonly bodyHash: string;
}

/**
 * A request that was cut off, by a crash or because the database was away as it failed, frees its key after this long: a
 * little more than any caller waits for an answer. Every effect under a key may run twice.
 */
const leaseSeconds = 12;
/** How long answers are kept: a day is promised. */
const keptHours = 48;
const oldKeysAreDeletedEvery = 200;

/**
 * Runs `work` at most once at a time per key, and answers every repetition with the first answer. Answers of 500 and
 * above are not kept: the key is free again and the same request finds out what happened. `work` must be repeatable.
 */
export async function answerOnce(
  { database, envelopes }: { database: TenantDatabase; envelopes: Sealing },
  request: KeyedRequest,
  work: () => Promise<Answer>,
): Promise<Answer> {
  const scope: KeyScope = { subject: request.subject, route: request.route, key: request.key };
  const claim = await claimIdempotencyKey(database, scope, { bodyHash: request.bodyHash, leaseSeconds });
  if (claim === null) return replay(await findIdempotencyKey(database, scope), request, envelopes);
  let answer: Answer;
  try {
    answer = await work();
  } catch (error) {
    await deleteIdempotencyClaim(database, scope, claim);
    throw error;
  }
  if (answer.status >= 500) {
    await deleteIdempotencyClaim(database, scope, claim);
    return answer;
  }
  const response = envelopes.seal(JSON.stringify(answer), sealContext(request));
  await setIdempotencyAnswer(database, scope, claim, { status: answer.status, response });
  await deleteOldKeysNowAndThen(database);
  return answer;
}

function replay(row: KeyRow | undefined, request: KeyedRequest, envelopes: Sealing): Answer {
  if (row && row.body_hash !== request.bodyHash)
    throw new Problem('idempotency-key-reused', 'This Idempotency-Key was used with another body');
  if (!row?.response)
    throw new Problem('request-in-progress', 'A request with this Idempotency-Key is still running', {
      headers: { 'Retry-After': '1' },
    });
  const answer = JSON.parse(envelopes.open(row.response, sealContext(request))) as Answer;
  return { ...answer, headers: { ...answer.headers, 'Idempotency-Replayed': 'true' } };
}

const sealContext = ({ tenantId, subject, route, key }: KeyedRequest) => ({
  tenantId,
  table: 'idempotency_keys',
  column: 'response',
  rowId: digestOf(subject, route, key),
});

let answersSinceDeletion = 0;

async function deleteOldKeysNowAndThen(database: TenantDatabase): Promise<void> {
  answersSinceDeletion += 1;
  if (answersSinceDeletion < oldKeysAreDeletedEvery) return;
  answersSinceDeletion = 0;
  await deleteOldIdempotencyKeys(database, keptHours);
}
