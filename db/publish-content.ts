import type { MediaFacts } from '../domain/platform-rules.ts';
import type { AccountKind, Platform, PostType } from '../domain/post.ts';
import {
  mediaShown,
  publicText,
  type RevisionContent,
  type RevisionMedia,
  type RevisionTarget,
} from '../domain/revision.ts';
import type { ProfileHealth } from '../domain/tokens.ts';
import { listMediaById, type MediaRow, mediaFactsOf } from './media.ts';
import type { TenantDatabase } from './tenant-database.ts';

/** A grant as whoever uses its token needs it; the token is sealed. */
export interface StoredGrant {
  readonly id: string;
  readonly rowVersion: number;
  /** `null` once the grant holds nothing any more. */
  readonly sealedAccessToken: Buffer | null;
  readonly expiresAt: Date | null;
  readonly refreshedAt: Date | null;
  /** The app it was made through; a token that a team brought has none, and is renewed by nobody. */
  readonly appId: string | null;
}

export interface StoredMedium {
  readonly mediaId: string;
  readonly sha256: string;
  readonly objectKey: string;
  readonly contentType: string;
  readonly sizeBytes: number;
  readonly width: number;
  readonly height: number;
  readonly altText: string | null;
  readonly durationSeconds?: number;
  /** The picture shown before a video plays. */
  readonly cover?: Omit<StoredMedium, 'cover'>;
}

/** What one target of one revision says and on whose behalf, with the access token still sealed. */
export interface PublishContent {
  readonly mode: 'live' | 'sandbox';
  readonly type: PostType;
  readonly text: string;
  readonly title?: string;
  readonly options?: NonNullable<RevisionTarget['options']>;
  readonly content: RevisionContent;
  readonly media: readonly StoredMedium[];
  /** What the platforms' rules judge the media by, in the same order; `undefined` where it is not known of all. */
  readonly facts: readonly MediaFacts[] | undefined;
  readonly profile: {
    readonly id: string;
    readonly platform: Platform;
    readonly accountKind: AccountKind;
    readonly externalId: string;
    readonly health: ProfileHealth;
    /** A page's token of its own; `null` where the grant's serves, or where the profile is disconnected. */
    readonly sealedAccessToken: Buffer | null;
    readonly isConnected: boolean;
    readonly rowVersion: number;
  };
  readonly grant: StoredGrant;
}

/** Loads what is sent by the approved revision's id, never from "the post". `undefined` when any part is missing. */
export async function findPublishContent(
  database: TenantDatabase,
  tenantId: string,
  revisionId: string,
  targetId: string,
): Promise<PublishContent | undefined> {
  const row = await database
    .selectFrom('targets as t')
    .innerJoin('revisions as r', 'r.post_id', 't.post_id')
    .innerJoin('profiles as p', 'p.id', 't.profile_id')
    .innerJoin('grants as g', 'g.id', 'p.grant_id')
    .innerJoin('tenants as tenant', (join) => join.on('tenant.id', '=', tenantId))
    .select([
      'r.content',
      'tenant.mode',
      'p.id as profile_id',
      'p.platform',
      'p.account_kind',
      'p.external_id',
      'p.health',
      'p.access_token as profile_token',
      'p.disconnected_at',
      'p.row_version as profile_version',
      'g.id as grant_id',
      'g.access_token',
      'g.expires_at',
      'g.refreshed_at',
      'g.app_id',
      'g.row_version as grant_version',
    ])
    .where('t.id', '=', targetId)
    .where('r.id', '=', revisionId)
    .executeTakeFirst();
  if (!row) return undefined;
  const target = row.content.targets.find((candidate) => candidate.targetId === targetId);
  if (!target) return undefined;
  const type = target.type ?? row.content.type;
  const rows = await listRevisionMedia(database, row.content);
  const shown = mediaShown(type, row.content.media);
  return {
    mode: row.mode,
    type,
    text: publicText(target, row.content.copy),
    ...(target.title !== undefined && { title: target.title }),
    ...(target.options !== undefined && { options: target.options }),
    content: row.content,
    media: shown.map((item) => storedMediumOf(item, rows)),
    facts: mediaFactsOf(
      shown.map(({ mediaId, altText, cover }) => ({ mediaId, altText, coverMediaId: cover?.mediaId })),
      rows,
    ),
    profile: {
      id: row.profile_id,
      platform: row.platform,
      accountKind: row.account_kind,
      externalId: row.external_id,
      health: row.health,
      sealedAccessToken: row.profile_token,
      isConnected: row.disconnected_at === null,
      rowVersion: row.profile_version,
    },
    grant: {
      ...{ id: row.grant_id, rowVersion: row.grant_version, sealedAccessToken: row.access_token },
      ...{ expiresAt: row.expires_at, refreshedAt: row.refreshed_at, appId: row.app_id },
    },
  };
}

type MediaRows = ReadonlyMap<string, MediaRow>;

async function listRevisionMedia(database: TenantDatabase, { media }: RevisionContent): Promise<MediaRows> {
  const ids = media.flatMap(({ mediaId, cover }) => [mediaId, ...(cover ? [cover.mediaId] : [])]);
  const rows = ids.length === 0 ? [] : await listMediaById(database, ids);
  return new Map(rows.map((row) => [row.id, row]));
}

/** A medium of a revision by the bytes that were approved. */
const storedMediumOf = (item: RevisionContent['media'][number], byId: MediaRows): StoredMedium => ({
  ...mapMedium(item, byId),
  ...(item.cover && { cover: mapMedium({ ...item.cover, altText: null }, byId) }),
});

function mapMedium(
  { mediaId, sha256, altText }: RevisionMedia,
  byId: MediaRows,
): Omit<StoredMedium, 'cover'> {
  const row = byId.get(mediaId);
  const contentType = row?.content_type ?? row?.declared_content_type;
  if (row?.sha256 !== sha256 || !row.object_key || !contentType)
    throw new Error(`Medium ${mediaId} does not hold the bytes the revision names`);
  return {
    mediaId,
    sha256,
    objectKey: row.object_key,
    contentType,
    sizeBytes: row.size_bytes ?? 0,
    width: row.width ?? 0,
    height: row.height ?? 0,
    altText,
    ...(row.duration_seconds !== null && { durationSeconds: row.duration_seconds }),
  };
}
