import { listMediaById, type MediaRow, mediaFactsOf } from '../../db/media.ts';
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
import {
  mediaShown,
  publicText,
  type RevisionContent,
  type RevisionTarget,
  type TargetTexts,
  textsOf,
  whatFollows,
} from '../../domain/revision.ts';
import { Problem, type ProblemCode, type ProblemError } from '../problems.ts';
import type { RequestContext } from '../route.ts';

/** What a caller wants a post to say. */
export interface PostParts {
  readonly type: PostType;
  readonly copy: string;
  readonly media: readonly MediaPart[];
  readonly targets: readonly TargetPart[];
}

interface MediaPart {
  readonly mediaId: string;
  readonly altText: string | null;
  readonly coverMediaId?: string | undefined;
}

/** A field that is left out may also be `undefined`, as a parsed request has it. */
type Given<Fields> = { readonly [Name in keyof Fields]?: Fields[Name] | undefined };
interface TargetPart extends Given<TargetTexts & Pick<RevisionTarget, 'type' | 'options'>> {
  readonly profileId: string;
  readonly copy: string | null;
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
  const { profiles, media } = await loadRows(database, parts);
  const isVisible = ([id]: [string, ProfileRow]) => caller.profileIds?.includes(id) ?? true;
  return { profiles: new Map([...profiles].filter(isVisible)), media };
}

async function loadRows(database: RequestContext['database'], parts: PostParts): Promise<LoadedParts> {
  const [profiles, media] = await Promise.all([
    listProfilesById(
      database,
      parts.targets.map((target) => target.profileId),
    ),
    listMediaById(
      database,
      parts.media.flatMap(({ mediaId, coverMediaId }) => [mediaId, ...(coverMediaId ? [coverMediaId] : [])]),
    ),
  ]);
  return {
    profiles: new Map(profiles.map((profile) => [profile.id, profile])),
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

/**
 * Lists what the platforms would refuse of a stored revision by the rules of today, for every target, whoever asks: rules
 * and what is known of media may have changed since it was written.
 */
export async function checkRevision(
  { database }: RequestContext,
  revision: Pick<RevisionRow, 'content'>,
): Promise<ProblemError[]> {
  const parts = partsOf(revision);
  const loaded = await loadRows(database, parts);
  const references = checkMedia(parts, loaded);
  return [
    ...references,
    ...distinct(parts.targets.flatMap((_, index) => checkRules(parts, loaded, index, false))),
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
  return parts.media.flatMap(({ mediaId, coverMediaId }, index) => [
    ...checkMedium(media.get(mediaId), `/media/${index}/mediaId`),
    ...(coverMediaId ? checkMedium(media.get(coverMediaId), `/media/${index}/coverMediaId`) : []),
  ]);
}

function checkMedium(medium: MediaRow | undefined, path: string): ProblemError[] {
  if (!medium) return [{ path, code: 'unknown-media', message: 'There is no such medium' }];
  if (medium.state === 'ready') return [];
  const message = `The medium is ${medium.state}, not ready`;
  return [{ path, code: 'media-not-ready', message, actual: medium.state }];
}

function checkRules(parts: PostParts, loaded: LoadedParts, index: number, isDraft: boolean): ProblemError[] {
  const target = parts.targets[index]!;
  const profile = loaded.profiles.get(target.profileId);
  if (!profile) return [];
  const type = target.type ?? parts.type;
  if (type !== 'TEXT_ONLY' && parts.type === 'TEXT_ONLY')
    return [
      {
        path: `/targets/${index}/type`,
        code: 'visual-target',
        message: `A TEXT_ONLY post has no media: give the post the type ${type}, and TEXT_ONLY to its other targets`,
      },
    ];
  const violations = checkTarget({
    platform: profile.platform,
    kind: profile.account_kind,
    type,
    text: publicText(target, parts.copy),
    title: target.title ?? null,
    firstComment: target.firstComment ?? null,
    thread: target.thread ?? [],
    options: target.options ?? {},
    media: factsShown(parts, type, loaded),
  });
  return violations
    .filter((violation) => !(isDraft && violation.code === 'text-missing'))
    .map((violation) => mapViolation(violation, profile, index, target));
}

/** The designer delivers later: while a visual post has no media, there is nothing to check. */
function factsShown(parts: PostParts, type: PostType, loaded: LoadedParts): MediaFacts[] | undefined {
  // What a text post has of media is wrong; what a text target of another post leaves out is not.
  const media = type === parts.type ? parts.media : mediaShown(type, parts.media);
  if (media.length === 0) return type === 'TEXT_ONLY' ? [] : undefined;
  return mediaFactsOf(media, loaded.media);
}

function mapViolation(
  violation: Violation,
  profile: ProfileRow,
  index: number,
  target: TargetPart,
): ProblemError {
  return {
    path: pointerOf(violation.field, index, target),
    code: violation.code,
    message: `${profile.platform}: ${violation.message}`,
    ...(violation.limit !== null && { limit: violation.limit }),
    actual: violation.actual,
  };
}

/** `media[2].altText` → `/media/2/altText`; what belongs to one target alone points there. */
function pointerOf(field: string, index: number, { copy, type }: TargetPart): string {
  if (field === 'text') return copy === null ? '/copy' : `/targets/${index}/copy`;
  if (/^(title|firstComment|thread|options)/.test(field)) return `/targets/${index}/${slashed(field)}`;
  if (field === 'type' && type) return `/targets/${index}/type`;
  if (field === 'kind' || field === 'type') return `/targets/${index}/profileId`;
  return `/${slashed(field)}`;
}

const slashed = (field: string): string => field.replace(/\[(\d+)\]/g, '/$1').replaceAll('.', '/');

/** Two targets on one platform break the same rule of the base copy once. */
function distinct(errors: readonly ProblemError[]): ProblemError[] {
  return [...new Map(errors.map((error) => [JSON.stringify(error), error])).values()];
}

/** A post's policy, and the tenant's version of all policies that it was resolved at. */
export interface ResolvedPolicy {
  readonly policy: PostPolicy;
  readonly policyVersion: number;
}

/** Resolves the policy of a post over its targets' profiles, most specific layer first. */
export async function policyOfProfiles(
  { database, pool, caller }: RequestContext,
  profileIds: readonly string[],
): Promise<ResolvedPolicy> {
  // The version before the policies: one that changes meanwhile is resolved again by the run.
  const tenant = await findTenant(systemDatabase(pool), caller.tenantId);
  const profiles = await listProfilesById(database, profileIds);
  const layers = profiles.map((profile): PolicyLayer[] => [profile.policy, tenant?.policy ?? {}]);
  return { policy: resolvePostPolicy(layers), policyVersion: tenant?.policies_version ?? 1 };
}

/**
 * Lists the gates that nobody, or too few, could pass. Hosts without member rows are not asked: their deciders are
 * known to their issuer alone.
 */
export async function checkDeciders(
  { database, dependencies }: RequestContext,
  post: {
    type: PostType;
    policy: PostPolicy;
    authors: Readonly<Record<Gate, string>>;
    profileIds: readonly string[];
  },
  asked: readonly Gate[] = gatesOf(post.type),
): Promise<ProblemError[]> {
  if (dependencies.auth.mode === 'claims') return [];
  const members = await listActiveMembers(database);
  return asked.flatMap((gate) => {
    const policy = post.policy[gate];
    if (!policy.required) return [];
    const eligible = members.filter((member) =>
      isEligible(member, policy, post.authors[gate], post.profileIds),
    );
    if (eligible.length >= policy.quorum) return [];
    const author = policy.authorMay ? '' : '; who wrote the post may not';
    const message = `The ${gate} gate needs ${policy.quorum} to approve, and ${eligible.length} active members may${author}`;
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
export function checkDueTime(dueAt: Date | null, now: Date, path = '/dueAt'): ProblemError[] {
  if (dueAt === null) return [];
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
    ...whatFollows(revision.content),
  };
}

/** Every target has something to say. */
const hasCopy = ({ copy, targets }: RevisionContent): boolean =>
  targets.every((target) => (target.copy ?? copy).trim() !== '');

/** A revision's parts, as a caller would have sent them. */
export const partsOf = ({ content }: Pick<RevisionRow, 'content'>): PostParts => ({
  type: content.type,
  copy: content.copy,
  media: content.media.map(({ mediaId, altText, cover }) => ({
    mediaId,
    altText,
    ...(cover && { coverMediaId: cover.mediaId }),
  })),
  targets: content.targets.map(({ targetId: _, ...target }) => target),
});

/** Builds what a revision says; media come with the hash of their bytes. */
export function contentOf(
  parts: PostParts,
  loaded: LoadedParts,
  targetIdOf: (profileId: string) => string,
): RevisionContent {
  const sha256Of = (mediaId: string): string => loaded.media.get(mediaId)!.sha256!;
  return {
    type: parts.type,
    copy: parts.copy,
    media: parts.media.map(({ mediaId, altText, coverMediaId }) => ({
      mediaId,
      sha256: sha256Of(mediaId),
      altText,
      ...(coverMediaId && { cover: { mediaId: coverMediaId, sha256: sha256Of(coverMediaId) } }),
    })),
    targets: parts.targets.map(({ profileId, copy, type, options, ...texts }) => ({
      targetId: targetIdOf(profileId),
      profileId,
      copy,
      // The post's own type is no type of the target's own: equal content has equal hashes.
      ...(type && type !== parts.type && { type }),
      ...textsOf(texts),
      ...(options && Object.keys(options).length > 0 && { options }),
    })),
  };
}

/** A target as a run is told of it. */
export const runTargetOf = (target: TargetWithProfile, { content }: Pick<RevisionRow, 'content'>) => ({
  targetId: target.id,
  profileId: target.profile_id,
  platform: target.platform,
  accountKind: target.account_kind,
  type: content.targets.find(({ targetId }) => targetId === target.id)?.type ?? content.type,
  dueAtMs: target.due_at?.getTime() ?? null,
});
