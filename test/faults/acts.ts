import { randomUUID } from 'node:crypto';
import type { Gate } from '../../domain/post.ts';
import type { Person } from '../support/live.ts';
import { answerOf, type Call, type Caller } from './caller.ts';
import type { Answer, ObservedCommand } from './detector.ts';
import { type Cast, type CastPost, gatesOf, newPost, type Stage } from './stage.ts';

/** A command that somebody insisted on, and how to count in the rows how often it was carried out. */
export interface Said {
  readonly what: string;
  readonly postId: string;
  readonly person: Person;
  readonly path: string;
  readonly call: Call;
  readonly answer: Answer;
  readonly applied: readonly [sql: string, ...values: unknown[]];
}

/** What people do while the link is bad, each at the same time as the others. */
export async function act(
  stage: Stage,
  caller: Caller,
  { undecided, hurried, cancelled }: Cast,
): Promise<{ created: CastPost; said: readonly Said[] }> {
  const [decisions, creation, hurry, cancel] = await Promise.all([
    Promise.all(undecided.map((post) => decideAll(stage, caller, post))),
    createAndDecide(stage, caller),
    publishNow(stage, caller, hurried.postId),
    say(stage, caller, {
      ...{ who: 'author', verb: 'cancel', postId: cancelled.postId, body: {} },
      applied: ["select from post_events where post_id = $1 and type = 'post.cancelled'", cancelled.postId],
    }),
  ]);
  return { created: creation.post, said: [...decisions.flat(), ...creation.said, hurry, cancel] };
}

interface Command {
  readonly who: 'author' | 'reviewer';
  readonly verb: string;
  readonly postId: string;
  readonly body: unknown;
  readonly applied: Said['applied'];
}

async function say(stage: Stage, caller: Caller, command: Command): Promise<Said> {
  const { who, verb, postId, body, applied } = command;
  const person = stage.tenant[who];
  const path = `/posts/${postId}/${verb}`;
  const call = { body, key: randomUUID() };
  const answer = answerOf(verb, await caller.insist(person, 'POST', path, call));
  return { what: verb, postId, person, path, call, answer, applied };
}

const decided = (postId: string, gate: Gate): Said['applied'] => [
  "select from decisions where post_id = $1 and gate = $2 and verdict = 'approve'",
  postId,
  gate,
];

/** Approves, one after the other, the gates that are open still. */
async function decideAll(stage: Stage, caller: Caller, { postId, kind }: CastPost): Promise<Said[]> {
  const said: Said[] = [];
  for (const gate of gatesOf(kind)) {
    const { body: post } = await caller.insist(stage.tenant.reviewer, 'GET', `/posts/${postId}`);
    if (post.gates[gate].status === 'approved') continue;
    const body = { gate, verdict: 'approve', hash: post.gates[gate].hash };
    const applied = decided(postId, gate);
    said.push(await say(stage, caller, { who: 'reviewer', verb: 'decisions', postId, body, applied }));
  }
  return said;
}

async function publishNow(stage: Stage, caller: Caller, postId: string): Promise<Said> {
  const { body: post } = await caller.insist(stage.tenant.reviewer, 'GET', `/posts/${postId}`);
  return say(stage, caller, {
    ...{ who: 'reviewer', verb: 'publish-now', postId, body: { hash: post.gates.publish.hash } },
    applied: decided(postId, 'publish'),
  });
}

/** A post from nothing to PUBLISHING. */
export async function createAndDecide(
  stage: Stage,
  caller: Caller,
): Promise<{ post: CastPost; said: readonly Said[] }> {
  const person = stage.tenant.author;
  const call = { body: newPost(stage, 'organization'), key: randomUUID() };
  const { copy } = call.body;
  const reply = await caller.insist(person, 'POST', '/posts', call);
  const postId: string = reply.body.id;
  const created: Said = {
    ...{ what: 'create', postId, person, path: '/posts', call, answer: answerOf('create', reply) },
    applied: ['select from posts where copy = $1', copy],
  };
  const { body: fresh } = await caller.insist(stage.tenant.reviewer, 'GET', `/posts/${postId}`);
  const content = await say(stage, caller, {
    ...{ who: 'reviewer', verb: 'decisions', postId, applied: decided(postId, 'content') },
    body: { gate: 'content', verdict: 'approve', hash: fresh.gates.content.hash },
  });
  const published = await publishNow(stage, caller, postId);
  const post: CastPost = { postId, kind: 'organization', copy, wanted: 'published' };
  return { post, said: [created, content, published] };
}

/** Says a command once more, when all is over: the first answer must come back. */
export async function observeCommand(stage: Stage, caller: Caller, said: Said): Promise<ObservedCommand> {
  const { what, postId, person, path, call, answer } = said;
  const reply = await caller.insist(person, 'POST', path, call);
  const [sql, ...values] = said.applied;
  return {
    ...{ what, postId, answer, again: answerOf(what, reply) },
    wasReplayed: reply.headers.get('idempotency-replayed') === 'true',
    timesApplied: (await stage.live.query(sql, values)).length,
  };
}
