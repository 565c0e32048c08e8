import { randomUUID } from 'node:crypto';
import { type ConnectedProfile, readPost, within } from '../support/live.ts';
import { byProof, type Outlet, outletName } from './outlets.ts';
import { eachOf, newPostBody, type Stage, type StagedPost, sendUntilAnswered } from './stage.ts';

/** What the clients of a burst got in the end. */
export interface BurstAnswers {
  readonly posts: readonly StagedPost[];
  /** Answers of 500 and above that the interface does not promise. */
  readonly undocumented: readonly string[];
}

interface Draft {
  readonly outlet: Outlet;
  readonly profile: ConnectedProfile;
  readonly copy: string;
  /** Known when the post has been created before the burst. */
  readonly postId?: string;
}

/**
 * Makes commands ready to be sent at the moment when a server is killed: for each outlet posts to be created, and
 * posts that are there, all to be published now. Every client sends the same request under the same key until it is
 * answered, as the interface asks of it; the answers must add up to one post each. Call what this answers to send them.
 */
export async function prepareBurst(stage: Stage): Promise<() => Promise<BurstAnswers>> {
  const drafts: Draft[] = await eachOf(
    byProof.flatMap((outlet) => [true, false, true, false].map((exists) => ({ outlet, exists }))),
    4,
    async ({ outlet, exists }) => {
      const profile = await stage.tenant.connect(outlet.kind, outlet.platform);
      const draft = { outlet, profile, copy: `in flight ${outletName(outlet)} ${randomUUID()}` };
      return exists ? { ...draft, postId: await create(stage, draft, []) } : draft;
    },
  );
  return async () => {
    const undocumented: string[] = [];
    const posts = await Promise.all(drafts.map((draft) => seeThrough(stage, draft, undocumented)));
    return { posts, undocumented };
  };
}

async function seeThrough(stage: Stage, draft: Draft, undocumented: string[]): Promise<StagedPost> {
  const { outlet, profile, copy } = draft;
  const postId = draft.postId ?? (await create(stage, draft, undocumented));
  await publishNow(stage, postId, undocumented);
  return { ...{ point: 'before-claim', way: 'in-flight' }, outlet, postId, profile, copy };
}

async function create(stage: Stage, draft: Draft, undocumented: string[]): Promise<string> {
  const body = newPostBody(stage, draft, null);
  const reply = await sendUntilAnswered(stage.tenant.author, '/posts', body, undocumented);
  if (reply.status !== 201) throw new Error(`A post was refused: ${reply.text}`);
  return reply.body.id;
}

async function publishNow(stage: Stage, postId: string, undocumented: string[]): Promise<void> {
  const { reviewer } = stage.tenant;
  const { gates } = await within(60_000, 'a read', () => readPost(reviewer, postId));
  const body = { hash: gates.publish.hash };
  const reply = await sendUntilAnswered(reviewer, `/posts/${postId}/publish-now`, body, undocumented);
  if (reply.status !== 200) throw new Error(`Publishing now was refused: ${reply.text}`);
}
