import type { WholeAmendment } from '../db/amendments.ts';
import type { ConnectionRow } from '../db/connections.ts';
import type { HoldRow } from '../db/holds.ts';
import type { MediaRow } from '../db/media.ts';
import type { MemberRow } from '../db/members.ts';
import type { PlatformAppRow } from '../db/platform-apps.ts';
import type { PostRow, RevisionRow, TargetWithProfile } from '../db/posts.ts';
import type { ProfileRow } from '../db/profiles.ts';
import type { RemovalRow } from '../db/removals.ts';
import type { TenantRow } from '../db/tenants.ts';
import type { DecisionRow, PostEventRow, PublicationRow } from '../db/timeline.ts';
import type { TokenEventRow } from '../db/token-events.ts';
import type { ShownPostRow, WholePostRows } from '../db/whole-post.ts';
import { timesOf } from '../domain/alarms.ts';
import { type Gate, gates, type Role } from '../domain/post.ts';
import { hashFor } from '../domain/post-state.ts';
import { partsOf } from '../domain/revision.ts';
import type { TenantCaller } from './auth.ts';
import { partsOfRound } from './part-views.ts';
import type { amendmentSchema } from './schemas/amendments.ts';
import type { connectionSchema, platformAppSchema, tokenEventSchema } from './schemas/connections.ts';
import type { holdSchema } from './schemas/holds.ts';
import type { mediaSchema } from './schemas/media.ts';
import type { memberSchema } from './schemas/members.ts';
import type {
  decisionSchema,
  listedPostSchema,
  postSchema,
  revisionSchema,
  targetSchema,
} from './schemas/posts.ts';
import type { profileSchema } from './schemas/profiles.ts';
import type { tenantSchema } from './schemas/tenants.ts';
import { fitOf } from './services/due-times.ts';
import type { z } from './zod.ts';

/** Rows as the interface shows them: camelCase, instants as text, no secret and no key of the object store. */

const instantOf = (date: Date | null): string | null => date?.toISOString() ?? null;
const errorOf = (row: { error_code: string | null; error_message: string | null }) =>
  row.error_code === null ? null : { code: row.error_code, message: row.error_message ?? '' };

export const viewTenant = (row: TenantRow): z.infer<typeof tenantSchema> => ({
  id: row.id,
  name: row.name,
  tier: row.tier,
  timeZone: row.time_zone,
  mode: row.mode,
  policyVersion: row.policy_version,
  createdAt: row.created_at.toISOString(),
  updatedAt: row.updated_at.toISOString(),
});

export const viewMember = (row: MemberRow): z.infer<typeof memberSchema> => ({
  id: row.id,
  subject: row.subject,
  name: row.name,
  email: row.email,
  role: row.role,
  profileIds: row.profile_ids,
  active: row.active,
  createdAt: row.created_at.toISOString(),
});

export const viewProfile = (row: ProfileRow): z.infer<typeof profileSchema> => ({
  id: row.id,
  platform: row.platform,
  accountKind: row.account_kind,
  externalId: row.external_id,
  name: row.name,
  health: row.health,
  disconnectedAt: instantOf(row.disconnected_at),
  policy: row.policy as z.infer<typeof profileSchema>['policy'],
  createdAt: row.created_at.toISOString(),
  updatedAt: row.updated_at.toISOString(),
});

export const viewPlatformApp = (row: PlatformAppRow): z.infer<typeof platformAppSchema> => ({
  id: row.id,
  platform: row.platform,
  login: row.login,
  name: row.name,
  clientId: row.client_id,
  scopes: row.scopes,
  redirectUri: row.redirect_uri,
  returnUrls: row.return_urls,
  createdAt: row.created_at.toISOString(),
  updatedAt: row.updated_at.toISOString(),
});

/** `profileIds`: of the accounts that are known already, by their ids at the platform. */
export const viewConnection = (
  row: ConnectionRow,
  profileIds: ReadonlyMap<string, string>,
): z.infer<typeof connectionSchema> => ({
  id: row.id,
  platform: row.platform,
  state: row.state,
  accounts: row.accounts.map(({ externalId, kind, name, obstacle }) => ({
    ...{ externalId, kind, name, obstacle },
    profileId: profileIds.get(externalId) ?? null,
  })),
  expiresAt: row.expires_at.toISOString(),
});

export const viewTokenEvent = (row: TokenEventRow): z.infer<typeof tokenEventSchema> => ({
  at: row.at.toISOString(),
  ...{ kind: row.kind, outcome: row.outcome, message: row.message },
});

export const viewHold = (row: HoldRow): z.infer<typeof holdSchema> => ({
  id: row.id,
  scope: row.scope,
  profileId: row.profile_id,
  platform: row.platform,
  reason: row.reason,
  placedBy: row.placed_by,
  placedByName: row.placed_by_name,
  placedAt: row.placed_at.toISOString(),
  liftedBy: row.lifted_by,
  liftedByName: row.lifted_by_name,
  liftedAt: instantOf(row.lifted_at),
});

export const viewMedia = (row: MediaRow): z.infer<typeof mediaSchema> => ({
  id: row.id,
  state: row.state,
  fileName: row.file_name,
  contentType: row.content_type ?? row.declared_content_type,
  sizeBytes: row.size_bytes ?? row.declared_size_bytes,
  sha256: row.sha256,
  width: row.width,
  height: row.height,
  frames: row.frames,
  durationSeconds: row.duration_seconds,
  frameRate: row.frame_rate,
  videoCodec: row.video_codec,
  audioCodec: row.audio_codec,
  refusal: row.refusal,
  createdBy: row.created_by,
  createdAt: row.created_at.toISOString(),
  completedAt: instantOf(row.completed_at),
});

/** The same rule as the list's filter, for one row. */
function isDecidableBy(
  { open_gate_detail: detail }: ShownPostRow,
  caller: { memberId: string; role: Role },
): boolean {
  if (!detail || detail.excludedAuthorId === caller.memberId) return false;
  if (detail.voterIds.includes(caller.memberId)) return false;
  return detail.decidersOfAll.every(
    (deciders) => deciders.roles.includes(caller.role) || deciders.memberIds.includes(caller.memberId),
  );
}

const viewPostHead = (row: ShownPostRow, caller: TenantCaller) => ({
  id: row.id,
  type: row.type,
  origin: row.origin,
  status: row.status,
  blockedOn: [...row.blocked_on],
  openGate: row.open_gate,
  decidableByMe: isDecidableBy(row, caller),
  dueAt: instantOf(row.due_at),
  dueLocal: row.due_local,
  dueTimeZone: row.due_zone,
  assigneeId: row.assignee_id,
  createdBy: row.created_by,
  createdAt: row.created_at.toISOString(),
  updatedAt: row.updated_at.toISOString(),
  submittedAt: instantOf(row.submitted_at),
  contentApprovedAt: instantOf(row.content_approved_at),
  designApprovedAt: instantOf(row.design_approved_at),
  publishApprovedAt: instantOf(row.publish_approved_at),
  archived: row.archived,
  version: row.row_version,
});

export const viewListedPost = (row: PostRow, caller: TenantCaller): z.infer<typeof listedPostSchema> => ({
  ...viewPostHead(row, caller),
  copy: row.copy,
  revisionId: row.revision_id,
  revisionNumber: row.revision_number,
});

export const viewRevision = (row: RevisionRow): z.infer<typeof revisionSchema> => ({
  id: row.id,
  number: row.number,
  copy: row.content.copy,
  media: row.content.media.map(({ cover, ...item }) => ({
    ...item,
    ...(cover && { coverMediaId: cover.mediaId }),
  })),
  targets: [...row.content.targets],
  hashes: { content: row.content_hash, design: row.design_hash, publish: row.publish_hash },
  authors: row.authors,
  createdBy: row.created_by,
  createdAt: row.created_at.toISOString(),
});

const instantOfMs = (atMs: number | null): string | null =>
  atMs === null ? null : new Date(atMs).toISOString();

/** A gate that has opened and waits behind an earlier one again has no SLA while it does. */
function overdueAt({ gates: states, policy, open_gate: open }: ShownPostRow, gate: Gate): string | null {
  const openedAtMs = states?.[gate].openedAtMs ?? null;
  if (openedAtMs === null || !policy || open !== gate) return null;
  return instantOfMs(timesOf(policy[gate], openedAtMs).overdueAtMs);
}

const partOf = (row: TargetWithProfile, revision: RevisionRow) =>
  revision.content.targets.find((target) => target.targetId === row.id);

/** What follows a target's post; before it is out, what its revision has. */
function viewParts(row: TargetWithProfile, { revision, rounds, parts }: WholePostRows) {
  const round = rounds.find(({ target_id }) => target_id === row.id);
  const said = partOf(row, revision);
  if (round)
    return partsOfRound(round, parts).map((part) => ({ ...part, publishedAt: instantOf(part.publishedAt) }));
  return partsOf(said ?? {}).map(({ part, kind }) => ({
    ...{ part, kind, state: 'WAITING' as const },
    ...{ publicId: null, permalink: null, publishedAt: null, error: null },
  }));
}

const viewTarget = (row: TargetWithProfile, whole: WholePostRows): z.infer<typeof targetSchema> => ({
  id: row.id,
  profileId: row.profile_id,
  profileName: row.profile_name,
  platform: row.platform,
  accountKind: row.account_kind,
  profileHealth: row.profile_health,
  type: partOf(row, whole.revision)?.type ?? whole.revision.content.type,
  copy: partOf(row, whole.revision)?.copy ?? null,
  title: partOf(row, whole.revision)?.title ?? null,
  dueAt: instantOf(row.due_at),
  dueLocal: row.due_local,
  dueTimeZone: row.due_zone,
  phase: row.phase,
  cycle: row.cycle,
  publicId: row.public_id,
  permalink: row.permalink,
  publishedAt: instantOf(row.published_at),
  removedAt: instantOf(row.removed_at),
  error: errorOf(row),
  parts: viewParts(row, whole),
});

export const viewRemoval = (row: RemovalRow) => ({
  targetId: row.target_id,
  part: row.part,
  state: row.state,
  requestedAt: row.requested_at.toISOString(),
  removedAt: instantOf(row.removed_at),
  error: errorOf(row),
});

export const viewDecision = (row: DecisionRow): z.infer<typeof decisionSchema> => ({
  gate: row.gate,
  round: row.round,
  verdict: row.verdict,
  hash: row.hash,
  revisionId: row.revision_id,
  memberId: row.member_id,
  memberName: row.member_name,
  notes: row.notes,
  returnTo: row.return_to,
  decidedAt: row.decided_at.toISOString(),
});

function viewGates(row: ShownPostRow, revision: RevisionRow): z.infer<typeof postSchema>['gates'] {
  if (!row.gates) return null;
  const hashes = {
    contentHash: revision.content_hash,
    designHash: revision.design_hash,
    publishHash: revision.publish_hash,
  };
  const entries = gates.map((gate) => {
    const state = row.gates![gate];
    const view = {
      status: state.status,
      round: state.round,
      hash: hashFor(gate, hashes),
      votes: state.votes.map((vote) => ({
        memberId: vote.memberId,
        at: new Date(vote.atMs).toISOString(),
      })),
      decidedAt: instantOfMs(state.decidedAtMs),
      decidedBy: state.decidedBy,
      notes: state.notes,
      openedAt: instantOfMs(state.openedAtMs),
      overdueAt: overdueAt(row, gate),
      reminders: state.reminders,
      escalatedAt: instantOfMs(state.escalatedAtMs),
    };
    return [gate, view] as const;
  });
  return Object.fromEntries(entries) as Record<Gate, (typeof entries)[number][1]>;
}

export const viewPost = (whole: WholePostRows, caller: TenantCaller): z.infer<typeof postSchema> => ({
  ...viewPostHead(whole.post, caller),
  dueFit: fitOf(whole.post.due_local, whole.post.due_zone),
  revision: viewRevision(whole.revision),
  targets: whole.targets.map((target) => viewTarget(target, whole)),
  gates: viewGates(whole.post, whole.revision),
  policy: whole.post.policy as z.infer<typeof postSchema>['policy'],
  decisions: whole.decisions.map(viewDecision),
  amendment: whole.amendment && viewAmendment(whole.amendment),
});

export const viewAmendment = (row: WholeAmendment): z.infer<typeof amendmentSchema> => ({
  id: row.id,
  state: row.state,
  hash: row.content_hash,
  revisionId: row.revision_id,
  targets: row.targets.map((target) => {
    const said = row.content.targets.find(({ targetId }) => targetId === target.target_id);
    return {
      targetId: target.target_id,
      copy: said?.copy ?? row.content.copy,
      title: said?.title ?? null,
      state: target.state,
      amendedAt: instantOf(target.amended_at),
      error: errorOf(target),
    };
  }),
  proposedBy: row.proposed_by,
  proposedByName: row.proposed_by_name,
  proposedAt: row.proposed_at.toISOString(),
  closedAt: instantOf(row.closed_at),
  decisions: row.decisions.map(({ verdict, memberId, memberName, notes, atMs }) => ({
    ...{ verdict, memberId, memberName, notes },
    decidedAt: new Date(atMs).toISOString(),
  })),
});

export const viewEvent = (row: PostEventRow) => ({
  id: String(row.id),
  type: row.type,
  occurredAt: row.occurred_at.toISOString(),
  actorId: row.actor_id,
  actorName: row.actor_name,
  data: row.data,
});

export const viewPublication = (row: PublicationRow) => ({
  id: row.id,
  targetId: row.target_id,
  part: row.part,
  cycle: row.cycle,
  state: row.state,
  attempts: row.fence,
  revisionId: row.revision_id,
  approvedHash: row.approved_hash,
  dueAt: row.due_at.toISOString(),
  sendAt: row.send_at.toISOString(),
  sendStartedAt: instantOf(row.send_started_at),
  publishedAt: instantOf(row.published_at),
  latenessMs: row.published_at ? row.published_at.getTime() - row.due_at.getTime() : null,
  publicId: row.public_id,
  permalink: row.permalink,
  error: errorOf(row),
});
