import type { ColumnType, Generated, JSONColumnType } from 'kysely';
import type { AmendmentState, AmendmentTargetState } from '../domain/amending.ts';
import type { DecisionRecord } from '../domain/commands.ts';
import type { Block } from '../domain/lifecycle.ts';
import type { PartOutcome } from '../domain/parts.ts';
import type { PolicyLayer, PostPolicy } from '../domain/policy.ts';
import type { AccountKind, Gate, Platform, PostStatus, PostType, Role } from '../domain/post.ts';
import type { GateState, HoldScope, PartKind, PostState, TargetPhase } from '../domain/post-state.ts';
import type { PublicationState } from '../domain/publication.ts';
import type { RevisionContent } from '../domain/revision.ts';
import type { GrantState, ProfileHealth, TokenEventKind } from '../domain/tokens.ts';

/** jsonb: read as the value, written as its JSON text. */
type Json<T> = ColumnType<T, string, string>;
type OptionalJson<T> = ColumnType<T | null, string | null | undefined, string | null>;
/** Filled from the tenant of the connection; never written by hand. */
type TenantId = Generated<string>;
type CreatedAt = ColumnType<Date, Date | undefined, never>;
type Touched = ColumnType<Date, Date | undefined, Date>;

export interface TenantsTable {
  id: string;
  name: string;
  tier: Generated<'basic' | 'pro' | 'enterprise'>;
  time_zone: Generated<string>;
  mode: Generated<'live' | 'sandbox'>;
  policy: ColumnType<PolicyLayer, string | undefined, string>;
  policy_version: Generated<number>;
  policies_version: Generated<number>;
  row_version: Generated<number>;
  created_at: CreatedAt;
  updated_at: Touched;
}

export interface MembersTable {
  tenant_id: TenantId;
  id: string;
  subject: string;
  name: string;
  email: string | null;
  role: Role;
  profile_ids: string[] | null;
  active: Generated<boolean>;
  created_at: CreatedAt;
}

export interface GrantsTable {
  tenant_id: TenantId;
  id: string;
  platform: Platform;
  access_token: Buffer | null;
  expires_at: Date | null;
  app_id: string | null;
  state: Generated<GrantState>;
  refresh_token: Buffer | null;
  refresh_expires_at: Date | null;
  scopes: string[] | null;
  lease_id: string | null;
  lease_until: Date | null;
  refresh_fingerprint: string | null;
  doubtful_refreshes: Generated<number>;
  refreshed_at: Date | null;
  refresh_due_at: Date | null;
  failures: Generated<number>;
  row_version: Generated<number>;
  created_at: CreatedAt;
}

export interface PlatformAppsTable {
  tenant_id: TenantId;
  id: string;
  platform: Platform;
  login: string | null;
  name: string;
  client_id: string;
  client_secret: Buffer;
  scopes: string[] | null;
  redirect_uri: string;
  return_urls: string[];
  row_version: Generated<number>;
  created_at: CreatedAt;
  updated_at: Touched;
}

export interface OauthStatesTable {
  tenant_id: TenantId;
  id: string;
  state_hash: Buffer;
  app_id: string;
  subject: string;
  redirect_uri: string;
  return_url: string | null;
  verifier: Buffer | null;
  expires_at: Date;
  used_at: Date | null;
  created_at: CreatedAt;
}

/** An account that was found under an authorisation, as it is kept until somebody chooses. */
export interface FoundAccount {
  readonly kind: AccountKind;
  readonly externalId: string;
  readonly name: string;
  /** Why it cannot be published to, in words; `null` where it can. */
  readonly obstacle: string | null;
}

export interface ConnectionsTable {
  tenant_id: TenantId;
  id: string;
  app_id: string;
  platform: Platform;
  subject: string;
  state: Generated<'pending' | 'completed' | 'revoked'>;
  code_hash: Buffer;
  tokens: Buffer | null;
  accounts: Json<readonly FoundAccount[]>;
  page_tokens: Buffer | null;
  grant_id: string | null;
  expires_at: Date;
  created_at: CreatedAt;
}

export interface TokenEventsTable {
  tenant_id: TenantId;
  id: Generated<string>;
  grant_id: string;
  at: CreatedAt;
  kind: TokenEventKind;
  outcome: string;
  message: string | null;
  profile_id: string | null;
}

export interface ProfilesTable {
  tenant_id: TenantId;
  id: string;
  grant_id: string;
  platform: Platform;
  account_kind: AccountKind;
  external_id: string;
  name: string;
  health: Generated<ProfileHealth>;
  access_token: Buffer | null;
  disconnected_at: Date | null;
  policy: ColumnType<PolicyLayer, string | undefined, string>;
  row_version: Generated<number>;
  created_at: CreatedAt;
  updated_at: Touched;
}

export interface MediaTable {
  tenant_id: TenantId;
  id: string;
  state: Generated<'pending' | 'ready' | 'refused'>;
  file_name: string;
  declared_content_type: string | null;
  declared_size_bytes: number | null;
  upload_key: string;
  object_key: string | null;
  sha256: string | null;
  content_type: string | null;
  size_bytes: number | null;
  width: number | null;
  height: number | null;
  frames: number | null;
  duration_seconds: number | null;
  frame_rate: number | null;
  video_codec: string | null;
  audio_codec: string | null;
  refusal: OptionalJson<{ code: string; message: string }>;
  source_url: Buffer | null;
  created_by: string;
  created_at: CreatedAt;
  completed_at: Date | null;
}

/** What `decidableByMe` and the post's page need to know of the gate that waits. */
export interface OpenGateDetail {
  readonly gate: Gate;
  readonly round: number;
  readonly hash: string;
  readonly decidersOfAll: readonly { roles: readonly Role[]; memberIds: readonly string[] }[];
  /** The member who may not approve; `null` where the policy lets the author decide. */
  readonly excludedAuthorId: string | null;
  readonly voterIds: readonly string[];
}

export interface PostsTable {
  tenant_id: TenantId;
  id: string;
  type: PostType;
  origin: Generated<'human' | 'ai'>;
  status: Generated<PostStatus>;
  blocked_on: ColumnType<readonly Block[], string | undefined, string>;
  open_gate: Gate | null;
  open_gate_detail: OptionalJson<OpenGateDetail>;
  gates: OptionalJson<Record<Gate, GateState>>;
  policy: OptionalJson<PostPolicy>;
  revision_id: string;
  revision_number: number;
  copy: string;
  due_at: Date | null;
  due_local: string | null;
  due_zone: string | null;
  content_approved_at: Date | null;
  design_approved_at: Date | null;
  publish_approved_at: Date | null;
  assignee_id: string | null;
  created_by: string;
  submitted_at: Date | null;
  archived: Generated<boolean>;
  run_state: OptionalJson<PostState>;
  projection_epoch: Generated<number>;
  projection_version: Generated<number>;
  barrier_epoch: Generated<number>;
  barrier_version: Generated<number>;
  row_version: Generated<number>;
  created_at: CreatedAt;
  updated_at: Touched;
}

export interface RevisionsTable {
  tenant_id: TenantId;
  id: string;
  post_id: string;
  number: number;
  content: JSONColumnType<RevisionContent>;
  content_hash: string;
  design_hash: string;
  publish_hash: string;
  authors: JSONColumnType<Record<Gate, string>>;
  created_by: string;
  created_at: CreatedAt;
}

export interface TargetsTable {
  tenant_id: TenantId;
  id: string;
  post_id: string;
  profile_id: string;
  position: number;
  phase: Generated<TargetPhase>;
  cycle: Generated<number>;
  public_id: string | null;
  permalink: string | null;
  published_at: Date | null;
  error_code: string | null;
  error_message: string | null;
  due_at: Date | null;
  due_local: string | null;
  due_zone: string | null;
  removed_at: Date | null;
}

export interface DecisionsTable {
  tenant_id: TenantId;
  post_id: string;
  command_id: string;
  gate: Gate;
  round: number;
  verdict: 'approve' | 'reject' | 'policy';
  hash: string;
  revision_id: string;
  member_id: string | null;
  member_name: string | null;
  notes: string | null;
  return_to: Gate | null;
  decided_at: Date;
}

export interface PostEventsTable {
  tenant_id: TenantId;
  id: Generated<string>;
  transaction_id: Generated<string>;
  post_id: string;
  event_key: string;
  type: string;
  occurred_at: Date;
  actor_id: string | null;
  actor_name: string | null;
  data: Json<Record<string, string | number | boolean | null>>;
}

export interface PostRunsTable {
  tenant_id: TenantId;
  post_id: string;
  run_id: string;
  epoch: number;
  first_seen_at: CreatedAt;
}

export interface OutboxTable {
  tenant_id: TenantId;
  id: string;
  kind: 'start-post' | 'poke-posts' | 'remove-publications' | 'import-media' | 'start-parts' | 'amend-post';
  post_id: string | null;
  input: Json<unknown>;
  created_at: CreatedAt;
  done_at: Date | null;
}

/** What a platform prepared, as stored: plain JSON without secrets. */
export interface StoredHandle {
  readonly ids: Readonly<Record<string, string | readonly string[]>>;
  /** The rest of it is enveloped in the preparation. */
  readonly hasSecret?: true;
  readonly expiresAt: string | null;
}

export interface RemovalsTable {
  tenant_id: TenantId;
  publication_id: string;
  post_id: string;
  target_id: string;
  part: number;
  request_id: string;
  state: Generated<'REQUESTED' | 'REMOVED' | 'FAILED'>;
  requested_by: string;
  requested_by_name: string;
  requested_at: CreatedAt;
  removed_at: Date | null;
  error_code: string | null;
  error_message: string | null;
}

export interface AmendmentsTable {
  tenant_id: TenantId;
  id: string;
  post_id: string;
  revision_id: string;
  state: AmendmentState;
  gate: Json<GateState>;
  decisions: Json<readonly DecisionRecord[]>;
  proposed_by: string;
  proposed_by_name: string;
  proposed_at: CreatedAt;
  closed_at: Date | null;
}

export interface AmendmentTargetsTable {
  tenant_id: TenantId;
  amendment_id: string;
  post_id: string;
  target_id: string;
  publication_id: string;
  state: Generated<AmendmentTargetState>;
  fence: Generated<number>;
  amended_at: Date | null;
  error_code: string | null;
  error_message: string | null;
}

export interface PartRoundsTable {
  tenant_id: TenantId;
  post_id: string;
  target_id: string;
  cycle: number;
  request_id: string | null;
  revision_id: string;
  approved_hash: string;
  public_id: string;
  kinds: Json<readonly PartKind[]>;
  requested_by: string | null;
  requested_by_name: string | null;
  outcomes: OptionalJson<readonly PartOutcome[]>;
  created_at: CreatedAt;
  ended_at: Date | null;
}

export interface PreparationsTable {
  tenant_id: TenantId;
  target_id: string;
  revision_id: string;
  handle: OptionalJson<StoredHandle>;
  secret: Buffer | null;
  progress: Buffer | null;
  expires_at: Date | null;
  created_at: CreatedAt;
}

export interface PublicationsTable {
  tenant_id: TenantId;
  id: string;
  post_id: string;
  target_id: string;
  part: Generated<number>;
  cycle: number;
  state: PublicationState;
  fence: number;
  holder: string | null;
  revision_id: string;
  approved_hash: string;
  due_at: Date;
  send_at: Date;
  profile_id: string;
  platform: Platform;
  post_type: PostType | null;
  policy_version: number;
  handle: OptionalJson<StoredHandle>;
  send_started_at: Date | null;
  send_deadline: Date | null;
  give_up_at: Date | null;
  sent_before: Generated<boolean>;
  absent_reads: Generated<number>;
  find_tries: Generated<number>;
  public_id: string | null;
  permalink: string | null;
  published_at: Date | null;
  error_code: string | null;
  error_message: string | null;
  created_at: CreatedAt;
  updated_at: Touched;
}

export interface IdempotencyKeysTable {
  tenant_id: TenantId;
  subject: string;
  route: string;
  key: string;
  body_hash: string;
  claimed_until: Date;
  status: number | null;
  response: Buffer | null;
  created_at: CreatedAt;
}

export interface TenantKeysTable {
  tenant_id: TenantId;
  id: string;
  wrapped_key: Buffer;
  created_at: CreatedAt;
}

export interface HoldsTable {
  tenant_id: TenantId;
  id: string;
  scope: HoldScope;
  profile_id: string | null;
  platform: Platform | null;
  reason: string;
  placed_by: string;
  placed_by_name: string;
  placed_at: CreatedAt;
  lifted_by: string | null;
  lifted_by_name: string | null;
  lifted_at: Date | null;
}

export interface RevisionFingerprintsTable {
  tenant_id: TenantId;
  revision_id: string;
  profile_id: string;
  post_id: string;
  fingerprint: string;
}

export interface RateBucketsTable {
  tenant_id: TenantId;
  key: string;
  full_at: Date;
}

export interface Database {
  tenants: TenantsTable;
  members: MembersTable;
  grants: GrantsTable;
  profiles: ProfilesTable;
  platform_apps: PlatformAppsTable;
  oauth_states: OauthStatesTable;
  connections: ConnectionsTable;
  token_events: TokenEventsTable;
  media: MediaTable;
  posts: PostsTable;
  revisions: RevisionsTable;
  targets: TargetsTable;
  decisions: DecisionsTable;
  post_events: PostEventsTable;
  post_runs: PostRunsTable;
  outbox: OutboxTable;
  preparations: PreparationsTable;
  removals: RemovalsTable;
  part_rounds: PartRoundsTable;
  amendments: AmendmentsTable;
  amendment_targets: AmendmentTargetsTable;
  publications: PublicationsTable;
  idempotency_keys: IdempotencyKeysTable;
  tenant_keys: TenantKeysTable;
  holds: HoldsTable;
  rate_buckets: RateBucketsTable;
  revision_fingerprints: RevisionFingerprintsTable;
}
