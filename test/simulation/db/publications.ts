import type * as real from '../../../db/publications.ts';
import {
  movePublication,
  type PublicationEvent,
  type PublicationFacts,
  type PublicationMove,
  sendDeadlineMs,
} from '../../../domain/publication.ts';
import { isBelow, type Rows, rowsOf } from '../rows.ts';
import { takeTokensOf } from './rates.ts';

type Row = real.PublicationRow;

/*
 * The transactions of the product's own db/publications.ts, on rows in memory. What they do to a row is decided by the
 * product's own table; what guards them (barrier, conditions, admission) is said again here.
 */

export const armPublication: typeof real.armPublication = (database, input) => {
  const rows = rowsOf(database);
  return rows.transact(`arms ${input.targetId} cycle ${input.cycle} v${input.version}`, () =>
    arm(rows, input),
  );
};

function arm(rows: Rows, input: real.ArmInput): real.ArmResult {
  const post = rows.requirePost(input.postId);
  const epoch = rows.epochOf(post, input.runId);
  if (isBelow([epoch, input.version], post.barrier)) return { kind: 'superseded' };
  const row = rows.newestPublication(input.postId, input.targetId);
  const move = movePublication(factsOf(row), { kind: 'arm', cycle: input.cycle, holder: input.holder });
  if (move.kind === 'refused') return refusedArm(move.reason, row!);
  if (move.kind === 'stay')
    return {
      kind: 'armed',
      publicationId: row!.id,
      fence: row!.fence,
      cycle: row!.cycle,
      sendAt: row!.send_at,
    };
  if (!stands(rows, input.policyVersion, input.targetId)) return { kind: 'conditions-changed' };
  const sendAt = admit(rows, input);
  if (sendAt > input.armUntil) return { kind: 'admitted-later', sendAt };
  const armed = row && !move.newCycle ? row : insertRow(rows, input);
  Object.assign(armed, armedFields(rows, input, armed), { fence: move.fence, send_at: sendAt });
  return { kind: 'armed', publicationId: armed.id, fence: armed.fence, cycle: armed.cycle, sendAt };
}

function refusedArm(reason: string, row: Row): real.ArmResult {
  if (reason === 'already-published') return { kind: 'published', row: { ...row } };
  if (reason === 'needs-reconcile' || reason === 'needs-person') return { kind: reason, row: { ...row } };
  throw new Error(`Arming was refused for an unforeseen reason: ${reason}`);
}

/** How long after its instant an admission holds. */
const admissionHoldsMs = 60_000;

function admit(rows: Rows, { admittedAt, dueAt, now, buckets }: real.ArmInput): Date {
  const holds = admittedAt && admittedAt >= dueAt && admittedAt.getTime() + admissionHoldsMs > now.getTime();
  if (holds) return admittedAt;
  return takeTokensOf(rows, buckets, new Date(Math.max(dueAt.getTime(), now.getTime())));
}

/** No hold on the target, and the policies are those that it was found ready under. */
function stands(rows: Rows, policyVersion: number, targetId: string): boolean {
  if (rows.plant === 'ignores-holds') return true;
  const target = [...rows.posts.values()]
    .flatMap((post) => post.targets)
    .find((one) => one.targetId === targetId)!;
  return policyVersion === rows.policyVersion && rows.standingHolds(target.profile).length === 0;
}

function insertRow(rows: Rows, input: real.ArmInput): Row {
  const id = rows.newPublicationId();
  const own = {
    id,
    post_id: input.postId,
    target_id: input.targetId,
    cycle: input.cycle,
    part: 0,
    tenant_id: 'tenant',
  };
  const blank = {
    sent_before: false,
    public_id: null,
    permalink: null,
    published_at: null,
    created_at: rows.now,
  };
  const row = { ...own, ...blank, send_started_at: null } as Row;
  rows.publications.push(row);
  return row;
}

const armedFields = (rows: Rows, input: real.ArmInput, row: Row): Partial<Row> => ({
  ...{ state: 'ARMED', holder: input.holder, updated_at: rows.now },
  ...{ sent_before: row.sent_before || row.send_started_at !== null, absent_reads: 0, find_tries: 0 },
  ...{ revision_id: input.revisionId, approved_hash: input.approvedHash, due_at: input.dueAt },
  ...{ profile_id: input.profileId, platform: input.platform, policy_version: input.policyVersion },
  ...{ handle: input.handle, send_started_at: null, send_deadline: null, give_up_at: null },
  ...{ error_code: null, error_message: null },
});

export const disarmPublications: typeof real.disarmPublications = (database, input) => {
  const rows = rowsOf(database);
  const work = () => disarm(rows, input);
  if (rows.plant !== 'answers-before-disarm')
    return rows.transact(`disarms ${input.targetIds} v${input.version}`, work);
  rows.scheduler.after(6_000, () => void work());
  return rows.transact(`will disarm ${input.targetIds}`, () => ({ sendingTargetIds: [] }));
};

function disarm(rows: Rows, input: real.DisarmInput): real.DisarmResult {
  const post = rows.requirePost(input.postId);
  const epoch = rows.epochOf(post, input.runId);
  const moves = input.targetIds.flatMap((targetId) => {
    const row = rows.newestPublication(input.postId, targetId);
    return row ? [{ row, move: movePublication(factsOf(row), { kind: 'disarm' }) }] : [];
  });
  const sendingTargetIds = moves
    .filter(({ move }) => move.kind === 'refused')
    .map(({ row }) => row.target_id);
  if (input.allOrNothing && sendingTargetIds.length > 0) return { sendingTargetIds };
  if (isBelow(post.barrier, [epoch, input.version])) post.barrier = [epoch, input.version];
  for (const { row, move } of moves) if (move.kind === 'to') setMoved(rows, row, move, {});
  return { sendingTargetIds };
}

export const releasePublications: typeof real.releasePublications = (database, inputs) => {
  const rows = rowsOf(database);
  const which = inputs.map(({ publicationId, fence }) => `${publicationId} fence ${fence}`);
  return rows.transact(`claims ${which}`, () => inputs.map((input) => release(rows, input)));
};

function release(rows: Rows, input: real.ReleaseInput): real.ReleaseResult {
  const row = rows.publications.find(({ id }) => id === input.publicationId);
  if (row?.state !== 'ARMED' || row.fence !== input.fence) return { kind: 'lost', state: row?.state ?? null };
  const isSame =
    row.approved_hash === input.approvedHash &&
    row.due_at.getTime() === input.dueAt.getTime() &&
    row.send_at.getTime() === input.sendAt.getTime();
  const matches = isSame && stands(rows, row.policy_version, row.target_id);
  if (matches && row.send_at > rows.now && rows.plant !== 'ignores-the-instant') return { kind: 'early' };
  const move = movePublication(factsOf(row), { kind: 'release', fence: input.fence, matches });
  setMoved(rows, row, move, {});
  if (!matches) return { kind: 'lost', state: row.state };
  const startedMs = rows.scheduler.nowMs;
  row.send_started_at = new Date(startedMs);
  row.send_deadline = new Date(startedMs + sendDeadlineMs);
  row.give_up_at = new Date(startedMs + sendDeadlineMs + input.commitTimeoutMs);
  rows.observer.claimed({ ...row });
  return { kind: 'sending', row: { ...row } };
}

export const settlePublication: typeof real.settlePublication = (database, id, fence, event, settlement) => {
  const rows = rowsOf(database);
  const said = 'meaning' in event ? `${event.kind} ${event.meaning}` : event.kind;
  return rows.transact(`settles ${id} fence ${fence}: ${said}`, () => {
    const row = rows.publications.find((one) => one.id === id);
    if (!row) throw new Error(`There is no publication ${id}`);
    const from = row.state;
    if (fence !== null && row.fence !== fence)
      return { move: { kind: 'refused', reason: 'superseded' }, row: { ...row }, from };
    const move = movePublication(factsOf(row), asPlanted(rows, event));
    if (move.kind !== 'refused') setMoved(rows, row, move, settlement);
    return { move, row: { ...row }, from };
  });
};

/** Planted only: doubt is taken for proof that nothing was sent. */
function asPlanted({ plant }: Rows, event: PublicationEvent): PublicationEvent {
  const isDoubt = event.kind === 'failed' && event.meaning === 'unknown';
  return plant === 'doubt-is-not-sent' && isDoubt ? { kind: 'failed', meaning: 'not-sent' } : event;
}

function setMoved(rows: Rows, row: Row, move: PublicationMove, settlement: real.Settlement): void {
  if (move.kind === 'refused') throw new Error(`A refused move writes nothing: ${move.reason}`);
  if (move.kind === 'to') Object.assign(row, { state: move.state, fence: move.fence, holder: null });
  else {
    row.absent_reads = move.absentReads ?? row.absent_reads;
    row.find_tries = move.findTries ?? row.find_tries;
  }
  const { publicId, permalink, publishedAt, error, dropHandle } = settlement;
  if (publicId !== undefined) row.public_id = publicId;
  if (permalink !== undefined) row.permalink = permalink;
  if (publishedAt !== undefined) row.published_at = publishedAt;
  if (error) Object.assign(row, { error_code: error.code, error_message: error.message });
  if (dropHandle) {
    row.handle = null;
    rows.preparations.delete(`${row.target_id} ${row.revision_id}`);
  }
  row.updated_at = rows.now;
}

export const setConfirmed: typeof real.setConfirmed = (database, id, { publicId, permalink }) => {
  const rows = rowsOf(database);
  return rows.transact(`keeps the address of ${id}`, () => {
    const row = rows.publications.find((candidate) => candidate.id === id)!;
    row.public_id = publicId;
    if (permalink !== null) row.permalink = permalink;
  });
};

export const findNewestPublication: typeof real.findNewestPublication = (database, postId, targetId) => {
  const rows = rowsOf(database);
  return rows.transact(`reads the row of ${targetId}`, () => {
    const row = rows.newestPublication(postId, targetId);
    return row && { ...row };
  });
};

/** What the interface does when a hold is placed or the policies change: takes back what is armed, says what is not. */
export function disarmScopeOf(
  rows: Rows,
  isInScope: (row: Row) => boolean,
): { postId: string; targetId: string }[] {
  const inScope = rows.publications.filter(isInScope);
  if (rows.plant !== 'ignores-holds')
    for (const row of inScope.filter(({ state }) => state === 'ARMED'))
      setMoved(rows, row, movePublication(factsOf(row), { kind: 'disarm' }), {});
  return inScope
    .filter(({ state }) => state === 'SENDING' || state === 'UNKNOWN')
    .map((row) => ({ postId: row.post_id, targetId: row.target_id }));
}

const factsOf = (row: Row | undefined): PublicationFacts | null =>
  row
    ? {
        ...{ state: row.state, cycle: row.cycle, fence: row.fence, holder: row.holder },
        ...{ absentReads: row.absent_reads, findTries: row.find_tries },
      }
    : null;
