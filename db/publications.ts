import { randomUUID } from 'node:crypto';
import { type RawBuilder, type Selectable, sql } from 'kysely';
import type { LiveQuota } from '../domain/caps.ts';
import type { OutcomeCode } from '../domain/outcome.ts';
import type { Cap } from '../domain/platforms/rules.ts';
import type { Platform, PostType } from '../domain/post.ts';
import {
  movePublication,
  type PublicationEvent,
  type PublicationFacts,
  type PublicationMove,
  type PublicationState,
  sendDeadlineMs,
} from '../domain/publication.ts';
import type { Bucket } from '../domain/rates.ts';
import { holdStops } from './holds.ts';
import { capsOpenAt } from './ledger.ts';
import { findNewestEpoch, insertRunEpoch, lockPost } from './post-runs.ts';
import { takeTokens } from './rates.ts';
import type { PublicationsTable, StoredHandle } from './schema.ts';
import type { TenantDatabase, TenantTransaction } from './tenant-database.ts';
import { inTransaction } from './tenant-database.ts';

export type PublicationRow = Selectable<PublicationsTable>;

export interface ArmInput {
  readonly postId: string;
  readonly targetId: string;
  /** From 1 on, one of what follows the post (default the post itself). */
  readonly part?: number;
  readonly cycle: number;
  /** This attempt: the same one finds its own row again, another one takes over from it. */
  readonly holder: string;
  readonly runId: string;
  /** The run's version when it asked; below the barrier a command has overtaken it. */
  readonly version: number;
  readonly revisionId: string;
  readonly approvedHash: string;
  readonly dueAt: Date;
  readonly handle: StoredHandle | null;
  readonly profileId: string;
  readonly platform: Platform;
  /** The policies the run found the post ready under. */
  readonly policyVersion: number;
  /** The instant an earlier call was given by the platform's rate; `null` for none. */
  readonly admittedAt: Date | null;
  readonly buckets: readonly Bucket[];
  readonly type: PostType;
  /** What the platform takes only so many of. */
  readonly caps: readonly Cap[];
  /** What the platform says of its caps itself; `null` where it is not asked, or could not be. */
  readonly quota: LiveQuota | null;
  readonly now: Date;
  /** What is admitted later than this is not armed yet. */
  readonly armUntil: Date;
}

export type ArmResult =
  | {
      readonly kind: 'armed';
      readonly publicationId: string;
      readonly fence: number;
      /** The row's: above the asked one for a run that has been put back. */
      readonly cycle: number;
      /** When it may be sent: the due time, or later where the platform's rate says so. */
      readonly sendAt: Date;
    }
  /** Nothing is armed: the platform's rate admits it only then. */
  | { readonly kind: 'admitted-later'; readonly sendAt: Date }
  /** Nothing is armed, and no token taken: a cap of the platform's is used up until then, or is to be asked about again. */
  | { readonly kind: 'capped'; readonly until: Date }
  /** Nothing is armed: a hold stands, or the policies are others than the run knows. */
  | { readonly kind: 'conditions-changed' }
  | { readonly kind: 'published'; readonly row: PublicationRow }
  | { readonly kind: 'needs-reconcile' | 'needs-person'; readonly row: PublicationRow }
  | { readonly kind: 'superseded' };

/**
 * Arms a target: from here on its row decides who may send. May run twice: the same holder finds its own row.
 * Refused below the post's barrier, so an arm that was asked for before a command cannot undo it.
 */
export function armPublication(database: TenantDatabase, input: ArmInput): Promise<ArmResult> {
  return inTransaction(database, async (transaction) => {
    // What follows a post is nobody's to take back: the post is out.
    if (!input.part && !(await isAboveBarrier(transaction, input))) return { kind: 'superseded' };
    const row = await lockNewestPublication(transaction, input);
    const { cycle, holder } = input;
    const asksFirst = input.part !== undefined && input.part > 0;
    const move = movePublication(factsOf(row), { kind: 'arm', cycle, holder, asksFirst });
    if (move.kind === 'refused') return refusedArm(move.reason, row);
    if (row && move.kind === 'to' && move.state === 'UNKNOWN')
      return { kind: 'needs-reconcile', row: await setAskedAgain(transaction, row) };
    if (move.kind === 'stay') return armedBy(row!);
    if (!(await conditionsStand(transaction, input))) return { kind: 'conditions-changed' };
    const earliest = new Date(Math.max(input.dueAt.getTime(), input.now.getTime()));
    const until = await capsOpenAt(transaction, { ...input, part: input.part ?? 0 }, earliest);
    if (until > earliest) return { kind: 'capped', until };
    const sendAt = await admit(transaction, input, earliest);
    if (sendAt > input.armUntil) return { kind: 'admitted-later', sendAt };
    const fields = { ...armedFields(input), send_at: sendAt };
    const armed =
      row && !move.newCycle
        ? await setArmed(transaction, row.id, fields, move.fence)
        : await insertArmed(transaction, input, fields, move.fence);
    await insertPublicationEvent(transaction, armed);
    return armedBy(armed);
  });
}

const armedBy = ({ id, fence, cycle, send_at }: PublicationRow): ArmResult => ({
  kind: 'armed',
  ...{ publicationId: id, fence, cycle, sendAt: send_at },
});

/** How long after its instant an admission holds: a sender that was kept from using it must not queue again. */
const admissionHoldsMs = 60_000;

/** An instant that was given and has not long passed is kept; otherwise a token of each bucket is taken. */
async function admit(transaction: TenantTransaction, input: ArmInput, earliest: Date): Promise<Date> {
  const { admittedAt, dueAt, now, buckets } = input;
  const holds = admittedAt && admittedAt >= dueAt && admittedAt.getTime() + admissionHoldsMs > now.getTime();
  if (holds) return admittedAt;
  return takeTokens(transaction, buckets, earliest);
}

/** No hold on the target, and the policies are those that it was found ready under. */
const standingConditions = (row: {
  policyVersion: RawBuilder<unknown>;
  profileId: RawBuilder<unknown>;
  platform: RawBuilder<unknown>;
}) => sql<boolean>`(
  ${row.policyVersion} = (select policies_version from tenants where id = current_tenant())
  and not exists (select from holds h where h.lifted_at is null and ${holdStops(row.profileId, row.platform)}))`;

async function conditionsStand(transaction: TenantTransaction, input: ArmInput): Promise<boolean> {
  const { rows } = await sql<{ stand: boolean }>`select ${standingConditions({
    policyVersion: sql`${input.policyVersion}::int`,
    profileId: sql`${input.profileId}::uuid`,
    platform: sql`${input.platform}::text`,
  })} as stand`.execute(transaction);
  return rows[0]!.stand;
}

const conditionsOfRow = standingConditions({
  policyVersion: sql.ref('p.policy_version'),
  profileId: sql.ref('p.profile_id'),
  platform: sql.ref('p.platform'),
});

async function isAboveBarrier(transaction: TenantTransaction, input: ArmInput): Promise<boolean> {
  if (!(await lockPost(transaction, input.postId))) throw new Error(`There is no post ${input.postId}`);
  const epoch = await insertRunEpoch(transaction, input.postId, input.runId);
  const open = await transaction
    .selectFrom('posts')
    .select('id')
    .where('id', '=', input.postId)
    .where(sql<boolean>`(barrier_epoch, barrier_version) <= (${epoch}::int, ${input.version}::int)`)
    .executeTakeFirst();
  return open !== undefined;
}

function refusedArm(reason: string, row: PublicationRow | undefined): ArmResult {
  if (!row) throw new Error(`Arming was refused without a row: ${reason}`);
  switch (reason) {
    case 'already-published':
      return { kind: 'published', row };
    case 'needs-reconcile':
    case 'needs-person':
      return { kind: reason, row };
    default:
      throw new Error(`Arming was refused for an unforeseen reason: ${reason}`);
  }
}

const insertArmed = (
  transaction: TenantTransaction,
  input: ArmInput,
  fields: ArmedFields,
  fence: number,
): Promise<PublicationRow> =>
  transaction
    .insertInto('publications')
    .values({
      id: randomUUID(),
      post_id: input.postId,
      target_id: input.targetId,
      part: input.part ?? 0,
      cycle: input.cycle,
      state: 'ARMED',
      fence,
      ...fields,
    })
    .returningAll()
    .executeTakeFirstOrThrow();

const setArmed = (
  transaction: TenantTransaction,
  id: string,
  fields: ArmedFields,
  fence: number,
): Promise<PublicationRow> =>
  transaction
    .updateTable('publications')
    .set({
      state: 'ARMED',
      fence,
      sent_before: sql<boolean>`sent_before or send_started_at is not null`,
      absent_reads: 0,
      find_tries: 0,
      ...fields,
      ...touched,
    })
    .where('id', '=', id)
    .returningAll()
    .executeTakeFirstOrThrow();

/** Doubt that was given up is looked into anew, with all the tries there are. */
const setAskedAgain = (transaction: TenantTransaction, { id }: PublicationRow): Promise<PublicationRow> =>
  transaction
    .updateTable('publications')
    .set({ state: 'UNKNOWN', absent_reads: 0, find_tries: 0, ...touched })
    .where('id', '=', id)
    .returningAll()
    .executeTakeFirstOrThrow();

type ArmedFields = ReturnType<typeof armedFields> & { readonly send_at: Date };

const armedFields = (input: ArmInput) => ({
  holder: input.holder,
  revision_id: input.revisionId,
  approved_hash: input.approvedHash,
  due_at: input.dueAt,
  profile_id: input.profileId,
  platform: input.platform,
  post_type: input.type,
  policy_version: input.policyVersion,
  handle: input.handle === null ? null : JSON.stringify(input.handle),
  send_started_at: null,
  send_deadline: null,
  give_up_at: null,
  error_code: null,
  error_message: null,
});

const touched = { updated_at: sql<Date>`clock_timestamp()` };

export interface DisarmInput {
  readonly postId: string;
  /** The targets the run believes armed; others are left alone. */
  readonly targetIds: readonly string[];
  readonly runId: string;
  readonly version: number;
  /** Refuse as a whole when any target is on its way; a cancel takes what it can get instead. */
  readonly allOrNothing: boolean;
}

export interface DisarmResult {
  /** Targets that cannot be taken back: being sent, sent with an unknown outcome, or out. All others are safe. */
  readonly sendingTargetIds: readonly string[];
}

/**
 * Takes every armed target of a post back before a command answers: once this has committed, nothing armed earlier can
 * be sent. Raises the post's barrier, so arms still on their way are refused as well. May run twice.
 */
export function disarmPublications(database: TenantDatabase, input: DisarmInput): Promise<DisarmResult> {
  return inTransaction(database, async (transaction) => {
    if (!(await lockPost(transaction, input.postId))) throw new Error(`There is no post ${input.postId}`);
    const epoch = await insertRunEpoch(transaction, input.postId, input.runId);
    const rows = await lockNewestPublications(transaction, input.postId, input.targetIds);
    const moves = rows.map((row) => ({ row, move: movePublication(factsOf(row), { kind: 'disarm' }) }));
    const sendingTargetIds = moves
      .filter(({ move }) => move.kind === 'refused')
      .map(({ row }) => row.target_id);
    if (input.allOrNothing && sendingTargetIds.length > 0) return { sendingTargetIds };
    await setBarrier(transaction, input.postId, epoch, input.version);
    for (const { row, move } of moves) if (move.kind === 'to') await setMoved(transaction, row, move, {});
    return { sendingTargetIds };
  });
}

/** Above every version a run can have. */
const aboveEveryVersion = 2_147_483_647;

/**
 * Takes back what is armed of a post whose run was ended from outside, and raises the barrier above every version of
 * the runs seen so far: an arm of theirs that is still on its way is refused. A later run, e.g. after a reset, has an
 * epoch above the barrier. What is being sent or has been sent stays. May run twice; needs the post's lock.
 */
export async function disarmEndedRun(transaction: TenantTransaction, postId: string): Promise<void> {
  await setBarrier(transaction, postId, await findNewestEpoch(transaction, postId), aboveEveryVersion);
  for (const row of await lockArmedPublications(transaction, postId)) {
    const move = movePublication(factsOf(row), { kind: 'disarm' });
    if (move.kind === 'to') await setMoved(transaction, row, move, {});
  }
}

/** What a hold stops, or a change of policy concerns. */
export interface DisarmScope {
  /** `null`: every profile. */
  readonly profileId: string | null;
  readonly platform: Platform | null;
}

/**
 * Takes back whatever is armed in a scope, after what stands against it has been committed: an arm that comes later
 * sees that, and so does a release. Answers what is on its way already and cannot be taken back. May run twice.
 *
 * One conditional statement instead of the table's function: it may do one thing only, and to many rows. It locks them
 * in the order of everybody else.
 */
export async function disarmScope(
  transaction: TenantTransaction,
  { profileId, platform }: DisarmScope,
): Promise<{ disarmed: number; sending: { postId: string; targetId: string }[] }> {
  const isInScope = sql<boolean>`(${profileId}::uuid is null or p.profile_id = ${profileId}::uuid)
    and (${platform}::text is null or p.platform = ${platform}::text)`;
  const disarmed = await sql<{ id: string }>`
    with armed as (
      select p.id from publications p where p.state = 'ARMED' and ${isInScope}
      order by p.target_id, p.cycle for update
    ), taken as (
      update publications p set state = 'DISARMED', fence = p.fence + 1, holder = null, updated_at = clock_timestamp()
      from armed where p.id = armed.id and p.state = 'ARMED'
      returning p.*
    ), noted as (
      insert into post_events (post_id, event_key, type, occurred_at, data)
      select post_id, 'publication:' || id || ':' || fence || ':DISARMED',
        case when part = 0 then 'target.disarmed' else 'part.disarmed' end, updated_at,
        jsonb_build_object('targetId', target_id, 'attempt', fence)
          || case when part = 0 then '{}' else jsonb_build_object('part', part) end
      from taken
      on conflict (tenant_id, post_id, event_key) do nothing
    )
    select id from taken`.execute(transaction);
  const sending = await sql<{ postId: string; targetId: string }>`
    select p.post_id as "postId", p.target_id as "targetId" from publications p
    where p.state in ('SENDING', 'UNKNOWN') and ${isInScope} order by p.id limit 200`.execute(transaction);
  return { disarmed: disarmed.rows.length, sending: sending.rows };
}

async function setBarrier(
  transaction: TenantTransaction,
  postId: string,
  epoch: number,
  version: number,
): Promise<void> {
  await transaction
    .updateTable('posts')
    .set({ barrier_epoch: epoch, barrier_version: version })
    .where('id', '=', postId)
    .where(sql<boolean>`(barrier_epoch, barrier_version) < (${epoch}::int, ${version}::int)`)
    .execute();
}

export interface ReleaseInput {
  readonly publicationId: string;
  readonly fence: number;
  readonly approvedHash: string;
  readonly dueAt: Date;
  readonly sendAt: Date;
  readonly commitTimeoutMs: number;
  /** The instant the statement compares with: `clock_timestamp()` in production. */
  readonly now: RawBuilder<Date>;
}

export type ReleaseResult =
  | { readonly kind: 'sending'; readonly row: PublicationRow }
  | { readonly kind: 'early' }
  | { readonly kind: 'lost'; readonly state: PublicationState | null };

/**
 * Claims the right to send: one conditional statement, so that among any number of senders and commands exactly one
 * wins. Fence, approved hash and due time must match, no hold may stand, the policies must be those it was armed under,
 * and the instant must have come.
 */
export async function releasePublication(
  database: TenantDatabase,
  input: ReleaseInput,
): Promise<ReleaseResult> {
  const [result] = await releasePublications(database, [input]);
  return result!;
}

/**
 * The same for many at once, each by itself: at nine o'clock hundreds are due in one millisecond, and a round trip for
 * each would make the last of them late. Their clock is that of the first. Answers in the order of the inputs. Several may
 * name one row, as a sender that was thought lost and the one after it do: one of them at most is to send.
 */
export async function releasePublications(
  database: TenantDatabase,
  inputs: readonly ReleaseInput[],
): Promise<ReleaseResult[]> {
  const asked = JSON.stringify(
    inputs.map((input, place) => ({
      place,
      id: input.publicationId,
      fence: input.fence,
      hash: input.approvedHash,
      due: input.dueAt,
      send: input.sendAt,
      timeout: input.commitTimeoutMs,
    })),
  );
  // Locked in the order in which commands lock, so that two that meet on several rows never wait for each other.
  const claimed = await sql<PublicationRow & { place: number }>`
    with clock as materialized (select ${inputs[0]!.now} as instant),
    asked as materialized (
      select * from jsonb_to_recordset(${asked}::jsonb)
        as a(place int, id uuid, fence int, hash text, due timestamptz, send timestamptz, timeout int)
    ), locked as materialized (
      select p.id, a.place, a.timeout from publications p, asked a, clock c
      where p.id = a.id and p.state = 'ARMED' and p.fence = a.fence and p.approved_hash = a.hash
        and p.due_at = a.due and p.send_at = a.send and p.send_at <= c.instant and ${conditionsOfRow}
      order by p.target_id, p.cycle
      for no key update of p
    ), claimed as (
      update publications p
      set state = 'SENDING', send_started_at = c.instant,
        send_deadline = c.instant + make_interval(secs => ${sendDeadlineMs / 1000}),
        give_up_at = c.instant + make_interval(secs => (${sendDeadlineMs}::int + l.timeout) / 1000.0),
        updated_at = clock_timestamp()
      from clock c, locked l
      where p.id = l.id
      returning p.*, l.place
    ), noted as (
      insert into post_events (post_id, event_key, type, occurred_at, data)
      select post_id, 'publication:' || id || ':' || fence || ':SENDING',
        case when part = 0 then 'target.sending' else 'part.sending' end, send_started_at,
        jsonb_build_object('targetId', target_id, 'attempt', fence, 'dueAt', due_at)
          || case when part = 0 then '{}' else jsonb_build_object('part', part) end
      from claimed
      on conflict (tenant_id, post_id, event_key) do nothing
    )
    select * from claimed`.execute(database);
  // By the place of the input, not by the row: the claim is that of one fence.
  const rows = new Map(claimed.rows.map(({ place, ...row }) => [place, row]));
  return Promise.all(
    inputs.map((input, place): ReleaseResult | Promise<ReleaseResult> => {
      const row = rows.get(place);
      return row ? { kind: 'sending', row } : whyNotReleased(database, input);
    }),
  );
}

async function whyNotReleased(database: TenantDatabase, input: ReleaseInput): Promise<ReleaseResult> {
  return inTransaction(database, async (transaction) => {
    const row = await lockPublication(transaction, input.publicationId);
    if (row?.state !== 'ARMED' || row.fence !== input.fence)
      return { kind: 'lost', state: row?.state ?? null };
    const isSame =
      row.approved_hash === input.approvedHash &&
      row.due_at.getTime() === input.dueAt.getTime() &&
      row.send_at.getTime() === input.sendAt.getTime();
    if (isSame && (await rowStands(transaction, row.id))) return { kind: 'early' };
    const move = movePublication(factsOf(row), { kind: 'release', fence: input.fence, matches: false });
    const disarmed = await setMoved(transaction, row, move, {});
    return { kind: 'lost', state: disarmed.state };
  });
}

async function rowStands(transaction: TenantTransaction, id: string): Promise<boolean> {
  const { rows } = await sql<{ stands: boolean }>`
    select ${conditionsOfRow} as stands from publications p where p.id = ${id}`.execute(transaction);
  return rows[0]?.stands ?? false;
}

export interface Settlement {
  readonly publicId?: string;
  readonly permalink?: string | null;
  readonly publishedAt?: Date;
  readonly error?: { readonly code: OutcomeCode | string; readonly message: string };
  /** The handle is dead and must not be used again. */
  readonly dropHandle?: boolean;
}

/**
 * Writes what became of an attempt. May run twice: a row that has moved on refuses, and the answer says where it stands.
 * `fence`: only that attempt may settle (`null`: whoever holds the row's lock, as reconciling does).
 */
export function settlePublication(
  database: TenantDatabase,
  publicationId: string,
  fence: number | null,
  event: PublicationEvent,
  settlement: Settlement,
): Promise<{
  readonly move: PublicationMove;
  readonly row: PublicationRow;
  /** The state it met the row in. */
  readonly from: PublicationState;
}> {
  return inTransaction(database, async (transaction) => {
    const row = await lockPublication(transaction, publicationId);
    if (!row) throw new Error(`There is no publication ${publicationId}`);
    const from = row.state;
    if (fence !== null && row.fence !== fence)
      return { move: { kind: 'refused', reason: 'superseded' }, row, from };
    const move = movePublication(factsOf(row), event);
    if (move.kind === 'refused') return { move, row, from };
    return { move, row: await setMoved(transaction, row, move, settlement), from };
  });
}

async function setMoved(
  transaction: TenantTransaction,
  row: PublicationRow,
  move: PublicationMove,
  settlement: Settlement,
): Promise<PublicationRow> {
  if (move.kind === 'refused') throw new Error(`A refused move writes nothing: ${move.reason}`);
  const counters = move.kind === 'stay' ? { absent_reads: move.absentReads, find_tries: move.findTries } : {};
  const moved = move.kind === 'to' ? { state: move.state, fence: move.fence, holder: null } : {};
  const outcome = {
    public_id: settlement.publicId,
    permalink: settlement.permalink,
    published_at: settlement.publishedAt,
    error_code: settlement.error?.code,
    error_message: settlement.error?.message,
    handle: settlement.dropHandle ? null : undefined,
  };
  const updated = await transaction
    .updateTable('publications')
    .set({ ...moved, ...counters, ...outcome, ...touched })
    .where('id', '=', row.id)
    .returningAll()
    .executeTakeFirstOrThrow();
  if (settlement.dropHandle) await deletePreparation(transaction, row.target_id, row.revision_id);
  if (move.kind === 'to') await insertPublicationEvent(transaction, updated);
  return updated;
}

const deletePreparation = (transaction: TenantTransaction, targetId: string, revisionId: string) =>
  transaction
    .deleteFrom('preparations')
    .where('target_id', '=', targetId)
    .where('revision_id', '=', revisionId)
    .execute();

/** Where the publication stands, and its final id where the platform has given one later. */
export async function setConfirmed(
  database: TenantDatabase,
  id: string,
  { publicId, permalink }: { publicId: string; permalink: string | null },
): Promise<void> {
  await database
    .updateTable('publications')
    .set({ public_id: publicId, ...(permalink !== null && { permalink }), ...touched })
    .where('id', '=', id)
    .execute();
}

export const findPublication = (database: TenantDatabase, id: string): Promise<PublicationRow | undefined> =>
  database.selectFrom('publications').selectAll().where('id', '=', id).executeTakeFirst();

/** The newest row of a target, or of one of its parts, whatever its cycle: the one that speaks for it. */
export const findNewestPublication = (
  database: TenantDatabase,
  postId: string,
  targetId: string,
  part = 0,
): Promise<PublicationRow | undefined> =>
  newestPublications(database, postId, targetId, part).executeTakeFirst();

const lockNewestPublication = (
  transaction: TenantTransaction,
  { postId, targetId, part = 0 }: Pick<ArmInput, 'postId' | 'targetId' | 'part'>,
) => newestPublications(transaction, postId, targetId, part).forUpdate().executeTakeFirst();

const newestPublications = (
  database: TenantDatabase | TenantTransaction,
  postId: string,
  targetId: string,
  part: number,
) =>
  database
    .selectFrom('publications')
    .selectAll()
    .where('post_id', '=', postId)
    .where('target_id', '=', targetId)
    .where('part', '=', part)
    .orderBy('cycle', 'desc')
    .limit(1);

/** Locks the row that speaks for each target, in one order for everybody. */
async function lockNewestPublications(
  transaction: TenantTransaction,
  postId: string,
  targetIds: readonly string[],
): Promise<PublicationRow[]> {
  const rows = await transaction
    .selectFrom('publications')
    .selectAll()
    .where('post_id', '=', postId)
    .where('target_id', 'in', [...targetIds])
    .where('part', '=', 0)
    .orderBy('target_id')
    .orderBy('cycle')
    .forUpdate()
    .execute();
  return [...new Map(rows.map((row) => [row.target_id, row])).values()];
}

const lockArmedPublications = (transaction: TenantTransaction, postId: string): Promise<PublicationRow[]> =>
  transaction
    .selectFrom('publications')
    .selectAll()
    .where('post_id', '=', postId)
    .where('part', '=', 0)
    .where('state', '=', 'ARMED')
    .orderBy('target_id')
    .orderBy('cycle')
    .forUpdate()
    .execute();

const lockPublication = (transaction: TenantTransaction, id: string): Promise<PublicationRow | undefined> =>
  transaction.selectFrom('publications').selectAll().where('id', '=', id).forUpdate().executeTakeFirst();

const factsOf = (row: PublicationRow | undefined): PublicationFacts | null =>
  row
    ? {
        state: row.state,
        cycle: row.cycle,
        fence: row.fence,
        holder: row.holder,
        absentReads: row.absent_reads,
        findTries: row.find_tries,
      }
    : null;

const stateOf = ({ state }: PublicationRow): string => state.toLowerCase().replaceAll('_', '-');

async function insertPublicationEvent(transaction: TenantTransaction, row: PublicationRow): Promise<void> {
  const type = row.part === 0 ? `target.${stateOf(row)}` : `part.${stateOf(row)}`;
  await transaction
    .insertInto('post_events')
    .values({
      post_id: row.post_id,
      event_key: `publication:${row.id}:${row.fence}:${row.state}`,
      type,
      occurred_at: row.updated_at,
      actor_id: null,
      actor_name: null,
      data: JSON.stringify({
        targetId: row.target_id,
        ...(row.part > 0 && { part: row.part }),
        attempt: row.fence,
        publicId: row.public_id,
        permalink: row.permalink,
        errorCode: row.error_code,
        errorMessage: row.error_message,
      }),
    })
    .onConflict((conflict) => conflict.columns(['tenant_id', 'post_id', 'event_key']).doNothing())
    .execute();
}
