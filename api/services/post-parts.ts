import { listMediaById, type MediaRow } from '../../db/media.ts';
import { findMember, listActiveMembers, type MemberRow } from '../../db/members.ts';
import { systemDatabase } from '../../db/pool.ts';
import type { RevisionRow, TargetWithProfile } from '../../db/posts.ts';
import { listProfilesById, type ProfileRow } from '../../db/profiles.ts';
import { findTenant } from '../../db/tenants.ts';
import { checkTarget, type MediaFacts, type Violation } from '../../domain/platform-rules.ts';
import {
  type GatePolicy,
  mayDecide,
  type PolicyLayer,
  type PostPolicy,
  resolvePostPolicy,
} from '../../domain/policy.ts';
import type { Gate, PostType } from '../../domain/post.ts';
import { gatesOf, type RevisionRef } from '../../domain/post-state.ts';
import type { RevisionContent } from '../../domain/revision.ts';
import { Problem, type ProblemCode, type ProblemError } from '../problems.ts';
import type { RequestContext } from '../route.ts';

/** What a caller wants a post to say. */
export interface PostParts {
  readonly type: PostType;
  readonly copy: string;
  readonly media: readonly { mediaId: string; altText: string | null }[];
  readonly targets: readonly { profileId: string; copy: string | null }[];
}

/** The rows a post's parts refer to, as far as they exist and the caller may see them. */
export interface LoadedParts {
  readonly profiles: ReadonlyMap<string, ProfileRow>;
  readonly media: ReadonlyMap<string, MediaRow>;
}

export async function loadParts(
  { database, caller }: RequestContext,
  parts: PostParts,
): Promise<LoadedParts> {
  const [profiles, media] = await Promise.all([
    listProfilesById(
      database,
      parts.targets.map((target) => target.profileId),
    ),
    listMediaById(
      database,
      parts.media.map((item) => item.mediaId),
    ),
  ]);
  const visible = profiles.filter((profile) => caller.profileIds?.includes(profile.id) ?? true);
  return {
    profiles: new Map(visible.map((profile) => [profile.id, profile])),
    media: new Map(media.map((medium) => [medium.id, medium])),
  };
}

/** Lists everything that is wrong with a post's parts: what they refer to, and what the platforms would refuse. */
export function checkParts(
  parts: PostParts,
  loaded: LoadedParts,
  { isDraft }: { isDraft: boolean },
): ProblemError[] {
  const references = [...checkProfiles(parts, loaded), ...checkMedia(parts, loaded)];
  return [
    ...references,
    ...distinct(parts.targets.flatMap((_, index) => checkRules(parts, loaded, index, isDraft))),
  ];
}

function checkProfiles({ targets }: PostParts, { profiles }: LoadedParts): ProblemError[] {
  return targets.flatMap(({ profileId }, index) => {
    const path = `/targets/${index}/profileId`;
    if (!profiles.has(profileId))
      return [{ path, code: 'unknown-profile', message: 'There is no such profile' }];
    const isRepeated = targets.findIndex((target) => target.profileId === profileId) < index;
    return isRepeated
      ? [{ path, code: 'duplicate-target', message: 'Each profile may be a target once' }]
      : [];
  });
}

function checkMedia(parts: PostParts, { media }: LoadedParts): ProblemError[] {
  return parts.media.flatMap(({ mediaId }, index) => {
    const path = `/media/${index}/mediaId`;
    const medium = media.get(mediaId);
    if (!medium) return [{ path, code: 'unknown-media', message: 'There is no such medium' }];
    if (medium.state === 'ready') return [];
    const message = `The medium is ${medium.state}, not ready`;
    return [{ path, code: 'media-not-ready', message, actual: medium.state }];
  });
}

function checkRules(parts: PostParts, loaded: LoadedParts, index: number, isDraft: boolean): ProblemError[] {
  const target = parts.targets[index]!;
  const profile = loaded.profiles.get(target.profileId);
  if (!profile) return [];
  const violations = checkTarget({
    platform: profile.platform,
    kind: profile.account_kind,
    type: parts.type,
    text: target.copy ?? parts.copy,
    media: mediaFactsOf(parts, loaded),
  });
  return violations
    .filter((violation) => !(isDraft && violation.code === 'text-missing'))
    .map((violation) => mapViolation(violation, profile, index, target.copy !== null));
}

/** The designer delivers later: while a visual post has no media, there is nothing to check. */
function mediaFactsOf({ type, media }: PostParts, loaded: LoadedParts): MediaFacts[] | undefined {
  if (media.length === 0) return type === 'TEXT_ONLY' ? [] : undefined;
  const rows = media.map(({ mediaId, altText }) => ({ row: loaded.media.get(mediaId), altText }));
  if (rows.some(({ row }) => row?.state !== 'ready')) return undefined;
  return rows.map(({ row, altText }) => ({
    contentType: row!.content_type!,
    sizeBytes: row!.size_bytes!,
    width: row!.width!,
    height: row!.height!,
    altText,
  }));
}

function mapViolation(
  violation: Violation,
  profile: ProfileRow,
  index: number,
  hasOwnCopy: boolean,
): ProblemError {
  return {
    path: pointerOf(violation.field, index, hasOwnCopy),
    code: violation.code,
    message: `${profile.platform}: ${violation.message}`,
    ...(violation.limit !== null && { limit: violation.limit }),
    actual: violation.actual,
  };
}

/** `media[2].altText` → `/media/2/altText`; what belongs to one target alone points there. */
function pointerOf(field: string, index: number, hasOwnCopy: boolean): string {
  if (field === 'text') return hasOwnCopy ? `/targets/${index}/copy` : '/copy';
  if (field === 'kind' || field === 'type') return `/targets/${index}/profileId`;
  return `/${field.replace(/\[(\d+)\]/g, '/$1').replaceAll('.', '/')}`;
}

/** Two targets on one platform break the same rule of the base copy once. */
function distinct(errors: readonly ProblemError[]): ProblemError[] {
  return [...new Map(errors.map((error) => [JSON.stringify(error), error])).values()];
}

/** Resolves the policy of a post over its targets, most specific layer first. */
export function policyOf(profilePolicies: readonly PolicyLayer[], tenantPolicy: PolicyLayer): PostPolicy {
  return resolvePostPolicy(profilePolicies.map((policy) => [policy, tenantPolicy]));
}

export async function tenantPolicyOf({ pool, caller }: RequestContext): Promise<PolicyLayer> {
  const tenant = await findTenant(systemDatabase(pool), caller.tenantId);
  return tenant?.policy ?? {};
}

/**
 * Lists the gates that nobody, or too few, could pass. Hosts without member rows are not asked: their deciders are
 * known to their issuer alone.
 */
export async function checkDeciders(
  { database, dependencies }: RequestContext,
  post: { type: PostType; policy: PostPolicy; authors: Record<Gate, string>; profileIds: readonly string[] },
): Promise<ProblemError[]> {
  if (dependencies.auth.mode === 'claims') return [];
  const members = await listActiveMembers(database);
  return gatesOf(post.type).flatMap((gate) => {
    const policy = post.policy[gate];
    if (!policy.required) return [];
    const eligible = members.filter((member) =>
      isEligible(member, policy, post.authors[gate], post.profileIds),
    );
    if (eligible.length >= policy.quorum) return [];
    const message = `The ${gate} gate needs ${policy.quorum}, and ${eligible.length} active members could decide it`;
    return [
      {
        path: '/targets',
        code: 'no-eligible-decider',
        message,
        limit: policy.quorum,
        actual: eligible.length,
      },
    ];
  });
}

function isEligible(
  member: MemberRow,
  policy: GatePolicy,
  authorId: string,
  profileIds: readonly string[],
): boolean {
  const seesAll = profileIds.every((profileId) => member.profile_ids?.includes(profileId) ?? true);
  const isAllowedAuthor = policy.authorMay || member.id !== authorId;
  return seesAll && isAllowedAuthor && mayDecide(policy, { memberId: member.id, role: member.role });
}

const farthestDueDays = 3_660;

/** A due time lies ahead, and within what a timer can wait. */
export function checkDueTime(dueAt: Date | null, now: Date): ProblemError[] {
  if (dueAt === null) return [];
  const path = '/dueAt';
  if (dueAt <= now)
    return [{ path, code: 'due-time-passed', message: `The due time ${dueAt.toISOString()} has passed` }];
  const latest = new Date(now.getTime() + farthestDueDays * 86_400_000);
  if (dueAt <= latest) return [];
  const message = `The due time lies more than ${farthestDueDays} days ahead`;
  return [{ path, code: 'due-time-too-far', message, limit: latest.toISOString() }];
}

export async function checkAssignee(
  { database }: RequestContext,
  assigneeId: string | null | undefined,
): Promise<ProblemError[]> {
  if (!assigneeId) return [];
  const member = await findMember(database, assigneeId);
  if (member?.active) return [];
  return [{ path: '/assigneeId', code: 'unknown-member', message: 'There is no such active member' }];
}

const codesOfTheirOwn = ['no-eligible-decider', 'due-time-passed'] as const satisfies readonly ProblemCode[];

/** Refuses a post with all that is wrong with it; a single kind of error gives the problem its code. */
export function refuseIfAny(errors: readonly ProblemError[]): void {
  if (errors.length === 0) return;
  const own = codesOfTheirOwn.find((code) => errors.every((error) => error.code === code));
  const detail = errors.length === 1 ? errors[0]!.message : `${errors.length} rules are broken`;
  throw new Problem(own ?? 'invalid-post', detail, { errors });
}

/** A revision as the run knows it. */
export function revisionRefOf(revision: RevisionRow): RevisionRef {
  return {
    revisionId: revision.id,
    number: revision.number,
    contentHash: revision.content_hash,
    designHash: revision.design_hash,
    publishHash: revision.publish_hash,
    hasCopy: hasCopy(revision.content),
    mediaCount: revision.content.media.length,
    authors: revision.authors,
  };
}

/** Every target has something to say. */
const hasCopy = ({ copy, targets }: RevisionContent): boolean =>
  targets.every((target) => (target.copy ?? copy).trim() !== '');

/** A revision's parts, as a caller would have sent them. */
export const partsOf = ({ content }: Pick<RevisionRow, 'content'>): PostParts => ({
  type: content.type,
  copy: content.copy,
  media: content.media.map(({ mediaId, altText }) => ({ mediaId, altText })),
  targets: content.targets.map(({ profileId, copy }) => ({ profileId, copy })),
});

/** Builds what a revision says; media come with the hash of their bytes. */
export function contentOf(
  parts: PostParts,
  loaded: LoadedParts,
  targetIdOf: (profileId: string) => string,
): RevisionContent {
  return {
    type: parts.type,
    copy: parts.copy,
    media: parts.media.map(({ mediaId, altText }) => ({
      mediaId,
      sha256: loaded.media.get(mediaId)!.sha256!,
      altText,
    })),
    targets: parts.targets.map(({ profileId, copy }) => ({
      targetId: targetIdOf(profileId),
      profileId,
      copy,
    })),
  };
}

/** A target as a run is told of it. */
export const runTargetOf = (target: TargetWithProfile) => ({
  targetId: target.id,
  profileId: target.profile_id,
  platform: target.platform,
  accountKind: target.account_kind,
});
