import type * as real from '../../../db/publish-content.ts';
import { mediaShown } from '../../../domain/revision.ts';
import { type Rows, rowsOf } from '../rows.ts';

export const findPublishContent: typeof real.findPublishContent = (
  database,
  _tenantId,
  revisionId,
  targetId,
) => {
  const rows = rowsOf(database);
  return rows.transact(`loads ${targetId} of ${revisionId}`, () => load(rows, revisionId, targetId));
};

function load(rows: Rows, revisionId: string, targetId: string): real.PublishContent | undefined {
  const revision = rows.revisions.get(revisionId);
  const post = revision && rows.posts.get(revision.postId);
  const stored = revision?.content.targets.find((one) => one.targetId === targetId);
  const target = post?.targets.find((one) => one.targetId === targetId);
  if (!revision || !stored || !target) return undefined;
  const { profile } = target;
  const shown = rows.plant === 'newest-content' ? newestOf(rows, revision.postId) : revision.content;
  const type = stored.type ?? shown.type;
  const own = shown.targets.find((one) => one.targetId === targetId)!.copy;
  return {
    mode: 'live',
    type,
    text: own ?? shown.copy,
    content: revision.content,
    media: mediaShown(type, shown.media).map(({ cover: _, ...item }) => ({
      ...item,
      ...{ objectKey: item.sha256, contentType: 'image/jpeg', sizeBytes: 1, width: 1_080, height: 1_080 },
    })),
    facts: undefined,
    profile: {
      ...{ id: profile.profileId, platform: profile.platform, accountKind: profile.accountKind },
      ...{ externalId: profile.externalId, health: 'active', rowVersion: 1 },
      ...{ sealedAccessToken: null, isConnected: true },
    },
    grant: {
      ...{ id: `grant of ${profile.profileId}`, rowVersion: 1, sealedAccessToken: Buffer.from('token') },
      ...{ expiresAt: null, refreshedAt: null, appId: null },
    },
  };
}

/** Planted only: what the post says now instead of what was approved. */
const newestOf = (rows: Rows, postId: string) =>
  [...rows.revisions.values()].findLast((revision) => revision.postId === postId)!.content;
