import { findOpenOutboxOfPost, markOutboxDone } from '../../db/outbox.ts';
import type { PostRow } from '../../db/posts.ts';
import type { Command, CommandAnswer } from '../../domain/commands.ts';
import type { PostStatus } from '../../domain/post.ts';
import type { PostWorkflowInput } from '../../workflows/messages.ts';
import { PostRunMissing } from '../post-runs.ts';
import { Problem } from '../problems.ts';
import type { RequestContext } from '../route.ts';
import type { PostAnswer } from '../schemas/posts.ts';

/** Gives a command to a post's run; a run that the relay has not started yet is started first. */
export async function runCommand(
  context: RequestContext,
  postId: string,
  command: Command,
): Promise<PostAnswer> {
  const { postRuns } = context.dependencies;
  const post = { tenantId: context.caller.tenantId, postId };
  try {
    return answerOf(await postRuns.execute(command, post));
  } catch (error) {
    if (!(error instanceof PostRunMissing)) throw error;
    if (!(await startPendingRun(context, postId))) throw closed();
  }
  try {
    return answerOf(await postRuns.execute(command, post));
  } catch (error) {
    throw error instanceof PostRunMissing ? closed() : error;
  }
}

const closed = (): Problem => new Problem('post-closed', 'The post is closed and takes no more commands');

async function startPendingRun({ database, dependencies }: RequestContext, postId: string): Promise<boolean> {
  const outbox = await findOpenOutboxOfPost(database, postId);
  if (!outbox) return false;
  await dependencies.postRuns.start(outbox.input as PostWorkflowInput);
  await markOutboxDone(database, outbox.id);
  return true;
}

const answerOf = (answer: CommandAnswer): PostAnswer => ({
  post: {
    id: answer.postId,
    status: answer.status as PostStatus,
    blockedOn: answer.blockedOn as PostAnswer['post']['blockedOn'],
    revisionId: answer.revisionId,
    repeated: answer.repeated,
  },
});

/** The same answer from a row, for drafts that have no run. */
export const answerOfRow = (post: PostRow, repeated = false): PostAnswer => ({
  post: {
    id: post.id,
    status: post.status,
    blockedOn: [...post.blocked_on],
    revisionId: post.revision_id,
    repeated,
  },
});
