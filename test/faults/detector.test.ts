import { connect, type Socket } from 'node:net';
import { playCell } from './cell.ts';
import { type Answer, findViolations, type Observation, type ObservedPost } from './detector.ts';
import { startLinked } from './links.ts';
import { setStage } from './stage.ts';

/* A detector that never finds anything proves nothing: here is what it must find. */

const answer: Answer = { what: 'POST /posts', status: 201, code: null, retryAfter: null, tookMs: 30 };
const command = {
  ...{ what: 'cancel', postId: 'p', answer: { ...answer, status: 200 }, again: { ...answer, status: 200 } },
  ...{ wasReplayed: true, timesApplied: 1 },
};
const post: ObservedPost = {
  postId: 'p',
  account: 'organization',
  wanted: 'published',
  status: 'PUBLISHED',
  timesPublished: 1,
  timesCreated: 1,
};
const readiness = {
  ...{ isAlive: true, isUsable: false, check: 'postgres', status: 503 },
  states: { postgres: 'timed-out', temporal: 'ok' },
};
const well: Observation = {
  poisoned: 7,
  answers: [
    answer,
    { ...answer, status: 503, code: 'unavailable', retryAfter: '5', tookMs: 8_010 },
    { ...answer, status: 503, code: 'outcome-unknown', retryAfter: '2' },
    { ...answer, status: 409, code: 'request-in-progress', retryAfter: '1' },
  ],
  commands: [command],
  posts: [
    post,
    { ...post, wanted: 'cancelled', status: 'CANCELLED', timesPublished: 0 },
    { ...post, account: 'member', status: 'UNCONFIRMED', timesPublished: 1 },
    { ...post, account: 'member', status: 'UNCONFIRMED', timesPublished: 0 },
  ],
  readiness: [
    readiness,
    { ...readiness, isUsable: true, status: 200, states: { postgres: 'ok', temporal: 'ok' } },
    { ...readiness, isUsable: null },
  ],
  healthyAfterMs: 800,
  usualMs: 300,
};

test('finds nothing where all is as documented', () => {
  expect(findViolations(well)).toEqual([]);
});

const refused: Answer = { ...answer, status: 409, code: 'post-closed' };
const allOk = { postgres: 'ok', temporal: 'ok' };

test.each<[string, Partial<Observation>]>([
  ['Nothing went over the link while it was bad', { poisoned: 0 }],
  ['POST /posts got no answer', { answers: [{ ...answer, status: null }] }],
  ['POST /posts was answered after 10001 ms', { answers: [{ ...answer, tookMs: 10_001 }] }],
  [
    'POST /posts was answered 500 internal-error',
    { answers: [{ ...answer, status: 500, code: 'internal-error' }] },
  ],
  [
    'POST /posts was answered 503 unavailable without Retry-After',
    { answers: [{ ...answer, status: 503, code: 'unavailable' }] },
  ],
  ['POST /posts was answered 404 not-found', { answers: [{ ...answer, status: 404, code: 'not-found' }] }],
  ['cancel of p was accepted and carried out 2 times', { commands: [{ ...command, timesApplied: 2 }] }],
  ['cancel of p was accepted and carried out 0 times', { commands: [{ ...command, timesApplied: 0 }] }],
  [
    'cancel of p was refused in the end: 409 post-closed',
    { commands: [{ ...command, answer: refused, again: refused, timesApplied: 0 }] },
  ],
  ['cancel of p was answered 200 and then 409 post-closed', { commands: [{ ...command, again: refused }] }],
  ['Post p (organization) was published 2 times', { posts: [{ ...post, timesPublished: 2 }] }],
  ['Post p (organization) was lost', { posts: [{ ...post, timesPublished: 0 }] }],
  ['Post p (organization) was created 2 times', { posts: [{ ...post, timesCreated: 2 }] }],
  ['Post p (organization) ended UNCONFIRMED', { posts: [{ ...post, status: 'UNCONFIRMED' }] }],
  [
    'Post p (member) was published 2 times',
    { posts: [{ ...post, account: 'member', status: 'UNCONFIRMED', timesPublished: 2 }] },
  ],
  [
    'Post p (organization) was cancelled, is CANCELLED and was published 1 times',
    { posts: [{ ...post, wanted: 'cancelled', status: 'CANCELLED' }] },
  ],
  [
    // A healthy answer while the database hangs.
    'Readiness says 200 {"postgres":"ok","temporal":"ok"} while postgres is not usable',
    { readiness: [{ ...readiness, status: 200, states: allOk }] },
  ],
  [
    'Readiness says 503 {"postgres":"failed","temporal":"ok"} while postgres is usable',
    { readiness: [{ ...readiness, isUsable: true, states: { ...allOk, postgres: 'failed' } }] },
  ],
  [
    'Readiness blames a part that is well: 503 {"postgres":"failed","temporal":"failed"}',
    { readiness: [{ ...readiness, states: { postgres: 'failed', temporal: 'failed' } }] },
  ],
  [
    'Readiness contradicts itself: 200 {"postgres":"failed","temporal":"ok"}',
    { readiness: [{ ...readiness, status: 200, states: { ...allOk, postgres: 'failed' } }] },
  ],
  ['The process says that it is not alive', { readiness: [{ ...readiness, isAlive: false }] }],
  ['It became healthy again 10001 ms late', { healthyAfterMs: 10_301 }],
  ['It did not become healthy again', { healthyAfterMs: null }],
])('finds: %s', (violation, planted) => {
  expect(findViolations({ ...well, ...planted })).toEqual([violation]);
});

test('sees on the real processes that a proxy sends to the platform twice', async () => {
  const twins = new Map<number, Socket>();
  let platform = { host: '', port: 0 };
  const { live, proxy, stop } = await startLinked('worker–platform', {
    onSent(data, connectionId) {
      const twin = twins.get(connectionId) ?? connect(platform).on('error', () => {});
      twins.set(connectionId, twin);
      twin.resume().write(data);
    },
  });
  const { hostname, port } = new URL(live.sandbox.url);
  platform = { host: hostname, port: Number(port) };
  try {
    const toxic = { kind: 'latency', latencyMs: 1 } as const;
    const fault = { toxic, seconds: 3, isUsable: true };
    const seen = await playCell(await setStage(live), { proxy, fault, check: null });
    const toLinkedIn = seen.posts.filter(
      ({ wanted, account }) => wanted === 'published' && account !== 'business',
    );
    // A container of Instagram's can be published only once, whoever asks.
    expect(findViolations(seen)).toEqual(
      toLinkedIn.map(({ postId, account }) => `Post ${postId} (${account}) was published 2 times`),
    );
    expect(toLinkedIn.length).toBeGreaterThan(5);
  } finally {
    for (const twin of twins.values()) twin.destroy();
    await stop();
  }
}, 120_000);
