import type * as real from '../../../db/projections.ts';
import { isBelow, type PostRows, type Rows, rowsOf } from '../rows.ts';
import { markOf } from './conditions.ts';

export const projectPost: typeof real.projectPost = (database, projection) => {
  const rows = rowsOf(database);
  const { postId, version } = projection.state;
  return rows.transact(
    `projects ${postId} ${projection.runId} v${version} ${projection.readiness.status}`,
    () => {
      const post = rows.requirePost(postId);
      const epoch = rows.epochOf(post, projection.runId);
      noteStory(rows, projection);
      const isNewer = isBelow(post.projected, [epoch, version]);
      if (rows.plant === 'stale-projection' ? version % 3 !== 0 : isNewer)
        setProjection(post, projection, epoch);
      return markOf(rows, post);
    },
  );
};

function noteStory(rows: Rows, { state, timeline, decisions }: real.Projection): void {
  const { postId, version } = state;
  for (const [index, line] of timeline.entries()) {
    const key = `${postId} run:${version}:${index}:${line.type}:${line.atMs}`;
    if (!rows.events.has(key)) rows.events.set(key, line);
  }
  for (const decision of decisions) {
    const key = `${postId} ${decision.commandId} ${decision.gate}`;
    if (!rows.decisions.has(key)) rows.decisions.set(key, { ...decision, postId });
  }
}

function setProjection(post: PostRows, { state, readiness }: real.Projection, epoch: number): void {
  post.projected = [epoch, state.version];
  post.runState = state;
  post.readiness = readiness;
  for (const target of post.targets)
    target.phase = state.targets.find((one) => one.targetId === target.targetId)!.phase;
}
