import { randomUUID } from 'node:crypto';
import type { z } from 'zod';
import type { PostAnswer, postSchema, revisionSchema, timelineSchema } from '../api/schemas/posts.ts';
import type { Resolution } from '../domain/commands.ts';
import type { Gate, PostType } from '../domain/post.ts';
import { accepted, type Reply } from './http.ts';
import type { Medium } from './media.ts';
import type { People, Person } from './people.ts';
import type { Profile } from './profiles.ts';

/** A post as the interface shows it. */
export type PostView = z.infer<typeof postSchema>;
export type RevisionView = z.infer<typeof revisionSchema>;
export type TimelineView = z.infer<typeof timelineSchema>;
/** Where a post stands, as every command answers it. */
export type Standing = PostAnswer['post'];

/** A post that was created here. What it says and when it is due is read, because both may change. */
export interface Post {
  readonly id: string;
  readonly profiles: readonly Profile[];
}

export interface NewPost {
  /** Default: a text of its own. */
  readonly copy?: string;
  /** Where it goes; a copy of its own where the base copy does not fit. */
  readonly profiles: readonly (Profile | { readonly profile: Profile; readonly copy: string })[];
  readonly dueAt?: Date;
  readonly media?: readonly Medium[];
  /** Default: by the number of media, text, image or carousel. */
  readonly type?: PostType;
  readonly origin?: 'human' | 'ai';
  /** Leaves it a draft (default false: it is submitted). */
  readonly draft?: boolean;
}

export interface PostEdit {
  readonly copy?: string;
  readonly media?: readonly Medium[];
}

export interface Rejection {
  /** Default `Not yet`. */
  readonly notes?: string;
  /** At the publish gate: where the post goes back to. */
  readonly returnTo?: Gate;
}

/** Creates posts and gives them commands, each through the interface; what it refuses is thrown as `Refused`. */
export interface Posts {
  readonly create: (post: NewPost) => Promise<Post>;
  /** Approves at the gates, in this order, what the post shows at that moment. */
  readonly approve: (post: Post, ...gates: readonly Gate[]) => Promise<Standing>;
  readonly reject: (post: Post, gate: Gate, rejection?: Rejection) => Promise<Standing>;
  readonly edit: (post: Post, change: PostEdit) => Promise<Standing>;
  readonly submit: (post: Post) => Promise<Standing>;
  readonly withdraw: (post: Post) => Promise<Standing>;
  readonly schedule: (post: Post, dueAt: Date) => Promise<Standing>;
  readonly publishNow: (post: Post) => Promise<Standing>;
  /** Default: every target that failed. */
  readonly retry: (post: Post, targetIds?: readonly string[]) => Promise<Standing>;
  readonly resolve: (post: Post, resolution: Resolution, permalink?: string) => Promise<Standing>;
  readonly cancel: (post: Post, reason?: string) => Promise<Standing>;
  readonly read: (post: Pick<Post, 'id'>) => Promise<PostView>;
  /** What it waits for, briefly: `gate:content`, `media`, `until-due`. */
  readonly waitsFor: (post: Post) => Promise<string[]>;
  /** Its revisions, oldest first. */
  readonly revisions: (post: Pick<Post, 'id'>) => Promise<RevisionView[]>;
  readonly timeline: (post: Post) => Promise<TimelineView>;
  /** The same, with every command given by one person. */
  readonly by: (person: Person) => Posts;
}

/** Who does what unless somebody is named: the author writes, the reviewer decides. */
interface Cast {
  readonly writer: Person;
  readonly decider: Person;
}

export const createPosts = ({ author, reviewer }: People): Posts =>
  postsOf({ writer: author, decider: reviewer });

function postsOf({ writer, decider }: Cast): Posts {
  const read = async ({ id }: Pick<Post, 'id'>): Promise<Reply> =>
    accepted(await writer.send('GET', `/posts/${id}`));
  const view = async (post: Pick<Post, 'id'>): Promise<PostView> => (await read(post)).body;
  const command = async (person: Person, { id }: Post, verb: string, body: unknown = {}): Promise<Standing> =>
    accepted(await person.send('POST', `/posts/${id}/${verb}`, { body })).body.post;
  const decide = async (post: Post, gate: Gate, decision: object): Promise<Standing> => {
    const { gates } = await view(post);
    return command(decider, post, 'decisions', { gate, hash: gates?.[gate].hash, ...decision });
  };
  return {
    async create({ profiles, ...post }) {
      const reply = accepted(await writer.send('POST', '/posts', { body: bodyOf({ profiles, ...post }) }));
      return { id: reply.body.id, profiles: profiles.map((one) => ('profile' in one ? one.profile : one)) };
    },
    async approve(post, ...gates) {
      let standing: Standing | undefined;
      for (const gate of gates) standing = await decide(post, gate, { verdict: 'approve' });
      if (!standing) throw new Error('Name the gates to approve at');
      return standing;
    },
    reject: (post, gate, { notes = 'Not yet', returnTo } = {}) =>
      decide(post, gate, { verdict: 'reject', notes, returnTo }),
    async edit({ id }, { copy, media }) {
      const { headers } = await read({ id });
      const reply = await writer.send('PATCH', `/posts/${id}`, {
        body: { copy, media },
        ifMatch: headers.get('etag') ?? undefined,
      });
      return accepted(reply).body.post;
    },
    submit: (post) => command(writer, post, 'submit'),
    withdraw: (post) => command(writer, post, 'withdraw'),
    schedule: (post, dueAt) => command(writer, post, 'schedule', { dueAt: dueAt.toISOString() }),
    publishNow: async (post) =>
      command(decider, post, 'publish-now', { hash: (await view(post)).gates?.publish.hash }),
    retry: (post, targetIds) => command(writer, post, 'retry', { targetIds }),
    async resolve(post, resolution, permalink) {
      const { targets } = await view(post);
      // Where none is in doubt, the interface says so in its own words.
      const target = targets.find(({ phase }) => phase === 'UNCONFIRMED') ?? targets[0];
      return command(writer, post, 'resolve', { targetId: target?.id, resolution, permalink });
    },
    cancel: (post, reason) => command(writer, post, 'cancel', { reason }),
    read: view,
    waitsFor: async (post) => waitsFor(await view(post)),
    async revisions({ id }) {
      const all = await readPages<RevisionView>(writer, `/posts/${id}/revisions`);
      return all.reverse();
    },
    timeline: ({ id }) => readTimeline(writer, id),
    by: (person) => postsOf({ writer: person, decider: person }),
  };
}

/** What a post waits for, briefly: `gate:content`, `media`, `until-due`. */
export const waitsFor = ({ blockedOn }: Pick<PostView, 'blockedOn'>): string[] =>
  blockedOn.map(({ code, gate }) => (gate ? `${code}:${gate}` : code));

/** A post's whole story, page by page as its readers get it. */
async function readTimeline(person: Person, postId: string): Promise<TimelineView> {
  const events: TimelineView['events'] = [];
  let cursor = '';
  for (;;) {
    const path = `/posts/${postId}/timeline?limit=100${cursor && `&cursor=${encodeURIComponent(cursor)}`}`;
    const page: TimelineView = accepted(await person.send('GET', path)).body;
    events.push(...page.events);
    if (page.events.length === 0 || page.nextCursor === null) return { ...page, events };
    cursor = page.nextCursor;
  }
}

/** Every item of a paged list. */
export async function readPages<Item>(person: Person, path: string): Promise<Item[]> {
  const items: Item[] = [];
  for (let cursor: string | null = ''; cursor !== null; ) {
    const search = `limit=100${cursor && `&cursor=${encodeURIComponent(cursor)}`}`;
    const { body } = accepted(await person.send('GET', `${path}${path.includes('?') ? '&' : '?'}${search}`));
    items.push(...body.items);
    cursor = body.nextCursor;
  }
  return items;
}

function bodyOf({ copy, profiles, dueAt, media = [], type, origin, draft }: NewPost): object {
  return {
    type: type ?? (media.length === 0 ? 'TEXT_ONLY' : media.length === 1 ? 'SINGLE_IMAGE' : 'CAROUSEL'),
    copy: copy ?? `A post ${randomUUID()}`,
    targets: profiles.map((one) =>
      'profile' in one ? { profileId: one.profile.id, copy: one.copy } : { profileId: one.id },
    ),
    media,
    dueAt: dueAt?.toISOString(),
    origin,
    submit: !draft,
  };
}
