import { randomUUID } from 'node:crypto';
import type { Gate } from '../../domain/post.ts';
import {
  type ConnectedProfile,
  expectStatus,
  inSeconds,
  type Live,
  type LiveTenant,
  type Reply,
  uploadPicture,
} from '../support/live.ts';
import type { Caller } from './caller.ts';

/** Where the cells of one link are played: a tenant, and an account of each kind. */
export interface Stage {
  readonly live: Live;
  readonly tenant: LiveTenant;
  readonly profiles: Readonly<Record<Kind, ConnectedProfile>>;
  /** Instagram takes nothing without a picture. */
  readonly mediaId: string;
}

export type Kind = 'organization' | 'member' | 'business';

export async function setStage(live: Live): Promise<Stage> {
  // LinkedIn refuses an equal body, which would hide that it was sent twice.
  await live.control('PATCH', '/settings', { duplicateWindowMs: 0 });
  const tenant = await live.createTenant();
  await publishLatePosts(tenant);
  const [organization, member, business] = await Promise.all([
    tenant.connect('organization'),
    tenant.connect('member'),
    tenant.connect('business'),
  ]);
  const { mediaId } = await uploadPicture(tenant.author);
  return { live, tenant, profiles: { organization, member, business }, mediaId };
}

/** These tests are about what goes out, not about how late a slow answer made it. */
async function publishLatePosts({ root }: LiveTenant): Promise<void> {
  const { headers } = expectStatus(await root.send('GET', '/tenant/policy'), 200);
  const late = { lateness: 'publish' };
  const body = { content: late, design: late, publish: late };
  expectStatus(await root.send('PUT', '/tenant/policy', { body, ifMatch: headers.get('etag')! }), 200);
}

export interface CastPost {
  readonly postId: string;
  readonly kind: Kind;
  readonly copy: string;
  readonly wanted: 'published' | 'cancelled';
}

/** What a new post of a kind is made from; every text is there once. */
export function newPost({ profiles, mediaId }: Stage, kind: Kind) {
  const targets = [{ profileId: profiles[kind].id }];
  const common = { copy: `A text ${randomUUID()}`, targets, submit: true };
  const media = [{ mediaId, altText: 'A plain square' }];
  return kind === 'business' ? { ...common, type: 'SINGLE_IMAGE', media } : { ...common, type: 'TEXT_ONLY' };
}

export const gatesOf = (kind: Kind): readonly Gate[] =>
  kind === 'business' ? ['content', 'design', 'publish'] : ['content', 'publish'];

export interface Casting {
  /** The gates that are passed already. */
  readonly gates: readonly Gate[];
  readonly dueInSeconds: number;
  /** Default `published`. */
  readonly wanted?: CastPost['wanted'];
}

/** Submits a post, has the given gates passed, and sets its due time. */
export async function castPost(
  stage: Stage,
  caller: Caller,
  kind: Kind,
  casting: Casting,
): Promise<CastPost> {
  const { gates, dueInSeconds, wanted = 'published' } = casting;
  const { author, reviewer } = stage.tenant;
  const body = newPost(stage, kind);
  const { id } = expectStatus(await caller.insist(author, 'POST', '/posts', { body }), 201).body;
  for (const gate of gates) {
    const { hash } = (await caller.insist(reviewer, 'GET', `/posts/${id}`)).body.gates[gate];
    const decision = { gate, verdict: 'approve', hash };
    expectStatus(await caller.insist(reviewer, 'POST', `/posts/${id}/decisions`, { body: decision }), 200);
  }
  await scheduleIn(dueInSeconds, (body) => caller.insist(author, 'POST', `/posts/${id}/schedule`, { body }));
  return { postId: id, kind, copy: body.copy, wanted };
}

/** On a busy machine the due time may pass before it is accepted; another one is set then. */
async function scheduleIn(seconds: number, send: (body: unknown) => Promise<Reply>): Promise<void> {
  for (;;) {
    const { body } = await send({ dueAt: inSeconds(seconds).toISOString() });
    if (body.code !== 'due-time-passed') return;
  }
}

/** The posts of one cell. */
export interface Cast {
  /** Approved, and due while the link is bad. */
  readonly due: readonly CastPost[];
  /** Due then as well, and to be approved while the link is bad. */
  readonly undecided: readonly CastPost[];
  /** Due in an hour, and to be published while the link is bad. */
  readonly hurried: CastPost;
  /** Due in an hour, and to be cancelled while the link is bad. */
  readonly cancelled: CastPost;
}

/** While all is well. */
export async function castPosts(stage: Stage, caller: Caller): Promise<Cast> {
  const [hurried, cancelled, ...undecided] = await Promise.all([
    castPost(stage, caller, 'organization', { gates: ['content'], dueInSeconds: 3_600 }),
    castPost(stage, caller, 'organization', {
      ...{ gates: ['content', 'publish'], dueInSeconds: 3_600, wanted: 'cancelled' },
    }),
    castPost(stage, caller, 'organization', { gates: [], dueInSeconds: 3 }),
    castPost(stage, caller, 'business', { gates: ['content'], dueInSeconds: 3 }),
  ]);
  const kinds: readonly Kind[] = ['organization', 'member', 'business', 'organization'];
  const due = kinds.map((kind, index) =>
    castPost(stage, caller, kind, { gates: gatesOf(kind), dueInSeconds: 1.5 + index * 0.4 }),
  );
  return { due: await Promise.all(due), undecided, hurried, cancelled };
}
